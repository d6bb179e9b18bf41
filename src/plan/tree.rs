//! Who stands behind whom: the gateways of a scenario as a tree with the Internet at its root.

use std::collections::BTreeMap;

use super::{PlanProblem, Topology};
use crate::nat::{Behavior, Hairpinning, Translation};
use crate::scenario::{Nat, Scenario};

/// The tree. Everything in it keeps the order of the file.
#[derive(Debug)]
pub struct Tree<'a> {
    gateways: BTreeMap<&'a str, &'a Nat>,
    /// Gateways, outermost first and otherwise in the order of the file.
    outermost_first: Vec<&'a Nat>,
    /// By gateway: names of what stands directly behind it, peers first.
    inside: BTreeMap<&'a str, Vec<&'a str>>,
}

impl<'a> Tree<'a> {
    /// Reads a scenario; fails when a reference leads nowhere.
    pub fn of(scenario: &'a Scenario) -> Result<Tree<'a>, Vec<PlanProblem>> {
        let gateways: BTreeMap<&str, &Nat> = scenario.nats.iter().map(|n| (n.name.as_str(), n)).collect();
        let peers = scenario.peers.iter().map(|p| (p.name.as_str(), p.behind.as_deref()));
        let nats = scenario.nats.iter().map(|n| (n.name.as_str(), n.behind.as_deref()));
        let mut problems = Vec::new();
        let mut inside: BTreeMap<&str, Vec<&str>> = scenario.nats.iter().map(|n| (n.name.as_str(), vec![])).collect();
        for (node, behind) in peers.chain(nats) {
            let Some(behind) = behind else { continue };
            match inside.get_mut(behind) {
                Some(nodes) => nodes.push(node),
                None => problems.push(PlanProblem::NoWayOut { node: node.to_owned(), behind: behind.to_owned() }),
            }
        }
        let names = scenario.peers.iter().map(|p| &p.name);
        let names = names.chain(scenario.nats.iter().map(|n| &n.name)).chain(scenario.servers.iter().map(|s| &s.name));
        for name in names.filter(|n| *n == Topology::INTERNET) {
            problems.push(PlanProblem::ReservedName(name.clone()));
        }
        let mut tree = Tree { gateways, outermost_first: Vec::new(), inside };
        for nat in &scenario.nats {
            if tree.inside_of(&nat.name).is_empty() {
                problems.push(PlanProblem::NobodyInside(nat.name.clone()));
            }
            // A way out visits each gateway at most once, so a longer one goes in circles.
            let circle = tree.way_out(Some(&nat.name)).nth(scenario.nats.len()).is_some();
            if let (true, Some(behind)) = (circle, &nat.behind) {
                problems.push(PlanProblem::NoWayOut { node: nat.name.clone(), behind: behind.clone() });
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut order: Vec<&Nat> = scenario.nats.iter().collect();
        order.sort_by_key(|n| tree.way_out(Some(&n.name)).count());
        tree.outermost_first = order;
        Ok(tree)
    }

    /// Gateways from `behind` outwards, innermost first.
    pub fn way_out(&self, behind: Option<&str>) -> impl Iterator<Item = &'a Nat> + '_ {
        let first = behind.and_then(|b| self.gateways.get(b).copied());
        std::iter::successors(first, |n| n.behind.as_deref().and_then(|b| self.gateways.get(b).copied()))
    }

    /// Every gateway after the ones it stands behind.
    pub fn outermost_first(&self) -> &[&'a Nat] {
        &self.outermost_first
    }

    /// What stands directly behind a gateway, peers before gateways.
    pub fn inside_of(&self, gateway: &str) -> &[&'a str] {
        self.inside.get(gateway).map_or(&[], Vec::as_slice)
    }

    /// The gateway of this name.
    pub fn gateway(&self, name: &str) -> Option<&'a Nat> {
        self.gateways.get(name).copied()
    }

    /// How many addresses a node has towards the Internet: a gateway that translates as many as it makes mappings of, any
    /// other node one.
    pub fn addresses_of(&self, node: &str) -> usize {
        match self.gateway(node).map(|n| n.behavior) {
            Some(b) if b.translation.translates() => usize::from(b.addresses.max(1)),
            _ => 1,
        }
    }

    /// Whether addresses behind this gateway are public ones: neither it nor a gateway in front of it translates.
    pub fn public_inside(&self, gateway: &str) -> bool {
        self.way_out(Some(gateway)).all(|n| n.behavior.translation == Translation::None)
    }

    /// What everything from `behind` outwards does together; `None`: nothing is in front.
    pub fn composite(&self, behind: Option<&str>) -> Option<Behavior> {
        self.way_out(behind).map(|n| n.behavior).reduce(Behavior::behind)
    }

    /// The same, as one host behind it can see it: what a NAT further out turns around with its inside source comes back to a
    /// gateway that is this source itself, and ends there as forged.
    pub fn seen_by_one_host(&self, behind: Option<&str>) -> Option<Behavior> {
        let translating = self.way_out(behind).filter(|n| n.behavior.translation.translates()).count();
        let together = self.composite(behind)?;
        let returns = together.hairpinning == Hairpinning::InternalSource && translating > 1;
        Some(Behavior { hairpinning: if returns { Hairpinning::None } else { together.hairpinning }, ..together })
    }
}
