//! Which external endpoints UDP mappings get (RFC 4787 §4.2), and what happens when there are none left.

use super::bed::{Bed, Group, Id, Place};
use super::packet;
use super::raw::{Raw, Use};
use super::udp::{PORTS, answer};
use crate::conformance::observations::{Answer, Assigned, Exhaustion, Ports};
use crate::lab::topology::LabError;
use crate::nat::Behavior;

use std::net::SocketAddrV4;

/// Inside ports: even and odd in no order, none one or two after the one before.
const INSIDE: [u16; 12] = [7100, 7113, 7106, 7127, 7121, 7138, 7132, 7145, 7159, 7150, 7166, 7173];
/// Inside ports below 1024 that no service of a bench has.
const LOW: [u16; 2] = [700, 811];
/// More mappings are not made for one test.
const MOST: u32 = 4096;

/// Everything about ports.
pub async fn ports(bed: &Bed, declared: &Behavior) -> Result<Ports, LabError> {
    let group = Group::new(bed);
    let one = group.bind(Place::Server(0), PORTS[0])?;
    let two = group.bind(Place::Server(1), PORTS[0])?;
    let sockets = |host: usize, ports: &[u16]| -> Result<Vec<Id>, LabError> {
        ports.iter().map(|port| group.bind(Place::Host(host), *port)).collect()
    };
    let (first, second, low) = (sockets(0, &INSIDE)?, sockets(1, &INSIDE)?, sockets(1, &LOW)?);
    let mut seen = Ports {
        first: assigned(&group, &first, one).await?,
        second: assigned(&group, &second, two).await?,
        second_elsewhere: assigned(&group, &second, one).await?,
        first_again: assigned(&group, &first, one).await?,
        low: assigned(&group, &low, one).await?,
        exhaustion: None,
    };
    if let Some(block) = declared.port_block.map(u32::from).filter(|block| *block <= MOST) {
        seen.exhaustion = Some(exhausted(bed, &group, &first, &low, one, block).await?);
    }
    Ok(seen)
}

async fn assigned(group: &Group<'_>, inside: &[Id], server: Id) -> Result<Vec<Assigned>, LabError> {
    let mut all = Vec::new();
    for id in inside {
        let external = group.deliver(*id, group.local(server), server).await?;
        all.push(Assigned { inside: group.local(*id), external });
    }
    Ok(all)
}

/// The first host makes mappings until well beyond its block; packets are made by hand, since a process has not that many
/// sockets.
async fn exhausted(
    bed: &Bed,
    group: &Group<'_>,
    first: &[Id],
    other: &[Id],
    server: Id,
    block: u32,
) -> Result<Exhaustion, LabError> {
    let sender = bed.raw(Place::Host(0), Use::Whole)?;
    let errors: Raw = bed.raw(Place::Host(0), Use::Icmp)?;
    let to = group.local(server);
    let asked = block + 8;
    let mut ports = Vec::new();
    let mut last = Answer::Silence;
    for n in 0..asked {
        let from = SocketAddrV4::new(bed.address(Place::Host(0)), 10_000 + n as u16);
        let number = bed.number().to_be_bytes();
        let sent = sender.send(&packet::udp(from, to, &number, false), *to.ip());
        sent.map_err(|e| LabError::Probe(format!("sending a packet from {from}: {e}")))?;
        let came = group.came().await?;
        match came.iter().find(|(id, _, payload)| *id == server && *payload == number) {
            Some((_, external, _)) => ports.push(external.port()),
            None => last = answer(&errors, from, to),
        }
        errors.heard();
    }
    let mut again = None;
    let mut before = None;
    if let Some(id) = first.first() {
        before = group.deliver(*id, to, server).await?;
        again = group.deliver(*id, to, server).await?;
    }
    let mut unaffected = false;
    if let Some(id) = other.first() {
        unaffected = group.deliver(*id, to, server).await?.is_some();
    }
    let first_kept = before.is_some() && before == again;
    Ok(Exhaustion { asked, ports, other_host_unaffected: unaffected, first_kept, answer: last })
}
