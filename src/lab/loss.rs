//! Links that lose packets: loaded when the gateways have been measured, counted at the end.

use std::collections::BTreeMap;

use super::topology::{Lab, LabError};
use crate::event::{Happened, LinkDirection};
use crate::nft::encode::loss::{load_loss, lost};
use crate::nft::loss::{Course, Leak};
use crate::plan::Topology;

/// One direction of a link that loses packets.
struct Losing<'a> {
    /// The node that the link connects.
    node: &'a str,
    direction: LinkDirection,
    leak: Leak,
}

/// By the node whose interface loses them: the end of a link towards the Internet.
fn losing(topology: &Topology) -> BTreeMap<&str, Vec<Losing<'_>>> {
    let mut out: BTreeMap<&str, Vec<Losing<'_>>> = BTreeMap::new();
    for link in &topology.links {
        let directions =
            [(LinkDirection::Up, Course::In, link.loss.up), (LinkDirection::Down, Course::Out, link.loss.down)];
        for (direction, course, share) in directions.into_iter().filter(|(.., share)| *share > 0) {
            let leak = Leak { interface: link.a.interface.clone(), course, share };
            out.entry(&link.a.node).or_default().push(Losing { node: &link.b.node, direction, leak });
        }
    }
    out
}

/// What is loaded where, by node.
pub fn tables(topology: &Topology) -> BTreeMap<&str, Vec<Leak>> {
    losing(topology).into_iter().map(|(node, losing)| (node, leaks(&losing))).collect()
}

fn leaks(losing: &[Losing<'_>]) -> Vec<Leak> {
    losing.iter().map(|l| l.leak.clone()).collect()
}

/// From now on packets are lost where the plan says so.
pub async fn begin(topology: &Topology, lab: &Lab) -> Result<(), LabError> {
    for (name, losing) in losing(topology) {
        load_loss(&lab.node(name)?.nft, &leaks(&losing)).await.map_err(LabError::rules(name))?;
    }
    Ok(())
}

/// What each link has lost so far, an event for each direction that loses anything.
pub async fn count(topology: &Topology, lab: &Lab) -> Result<Vec<Happened>, LabError> {
    let mut out = Vec::new();
    for (name, losing) in losing(topology) {
        let counts = lost(&lab.node(name)?.nft, &leaks(&losing)).await.map_err(LabError::rules(name))?;
        out.extend(losing.iter().zip(counts).map(|(l, count)| Happened::LinkLoss {
            node: l.node.to_owned(),
            direction: l.direction,
            asked: l.leak.share,
            dropped: count.dropped,
            passed: count.passed,
        }));
    }
    Ok(out)
}
