//! Every address of a scenario: the fixed ones as they stand, the others chosen so that nothing clashes.
//!
//! Nodes that are attached to the Internet get single addresses of `wan`, servers those of `servers`. What stands
//! behind a gateway gets a network of its own: a /24 of `lan`, or of 100.64.0.0/10 (RFC 6598) where other gateways
//! stand in it, or a small block of `wan` where nothing translates on the way out.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::tree::Tree;
use super::{Implementation, PlanProblem, ServerKind};
use crate::net::Network;
use crate::scenario::{Scenario, Server};

/// Networks between two gateways that translate (RFC 6598).
const CARRIER: Network = Network::new(Ipv4Addr::new(100, 64, 0, 0), 10);
/// A network of private addresses.
const LAN_PREFIX: u8 = 24;
/// The smallest block of public addresses behind a gateway: six nodes.
const BLOCK_PREFIX: u8 = 29;

/// The addresses of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressing {
    /// Of the internet node.
    pub measuring: [Ipv4Addr; 2],
    /// Of every peer, server and gateway towards the Internet: a peer has exactly one.
    nodes: BTreeMap<String, Vec<Ipv4Addr>>,
    /// Behind every gateway.
    inside: BTreeMap<String, Inside>,
}

/// The network behind a gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inside {
    /// Its range.
    pub network: Network,
    /// The gateway's own address there.
    pub gateway: Ipv4Addr,
}

impl Addressing {
    /// Addresses of a node on the side that faces the Internet.
    pub fn of(&self, node: &str) -> &[Ipv4Addr] {
        self.nodes.get(node).map_or(&[], Vec::as_slice)
    }

    /// The network behind a gateway.
    pub fn inside(&self, gateway: &str) -> Option<Inside> {
        self.inside.get(gateway).copied()
    }
}

/// Gives every node its addresses.
pub fn assign(scenario: &Scenario, tree: &Tree<'_>) -> Result<Addressing, Vec<PlanProblem>> {
    let mut taken = Taken::default();
    let fixed = fixed_addresses(scenario);
    for (node, addresses) in &fixed {
        for address in addresses {
            taken.address(*address, node);
        }
    }
    for gateway in tree.outermost_first() {
        taken.network_of_fixed(&gateway.name, tree, &fixed);
    }
    if !taken.problems.is_empty() {
        return Err(taken.problems);
    }

    let ranges = &scenario.network;
    let mut nodes: BTreeMap<String, Vec<Ipv4Addr>> =
        fixed.iter().map(|(node, addresses)| ((*node).to_owned(), addresses.clone())).collect();
    let mut measuring = [Ipv4Addr::UNSPECIFIED; 2];
    for address in &mut measuring {
        *address = taken.choose(ranges.servers, "natlab's own measuring server");
    }
    for server in &scenario.servers {
        let own = nodes.entry(server.name.clone()).or_default();
        while own.len() < addresses_needed(server) {
            own.push(taken.choose(ranges.servers, &format!("`{}`", server.name)));
        }
    }
    let attached = scenario.nats.iter().filter(|n| n.behind.is_none()).map(|n| &n.name);
    for node in attached.chain(scenario.peers.iter().filter(|p| p.behind.is_none()).map(|p| &p.name)) {
        let own = nodes.entry(node.clone()).or_default();
        while own.len() < tree.addresses_of(node) {
            own.push(taken.choose(ranges.wan, &format!("`{node}`")));
        }
    }
    let mut inside = BTreeMap::new();
    for gateway in tree.outermost_first() {
        let network = taken.network(&gateway.name, scenario, tree);
        let what = |node: &str| format!("`{node}` in {network}");
        let own = Inside { network, gateway: taken.choose_within(network, &what(&gateway.name)) };
        inside.insert(gateway.name.clone(), own);
        for node in tree.inside_of(&gateway.name) {
            let addresses = nodes.entry((*node).to_owned()).or_default();
            while addresses.len() < tree.addresses_of(node) {
                addresses.push(taken.choose_within(network, &what(node)));
            }
        }
    }
    if taken.problems.is_empty() { Ok(Addressing { measuring, nodes, inside }) } else { Err(taken.problems) }
}

/// RFC 5780 needs a second address; coturn answers such requests by itself once it has one, so it gets one too.
fn addresses_needed(server: &Server) -> usize {
    match (server.kind, server.implementation) {
        (ServerKind::Stun, _) | (_, Implementation::Coturn) => 2,
        (ServerKind::Turn, Implementation::Natlab) => 1,
    }
}

fn fixed_addresses(scenario: &Scenario) -> BTreeMap<&str, Vec<Ipv4Addr>> {
    let peers = scenario.peers.iter().map(|p| (p.name.as_str(), p.address.into_iter().collect::<Vec<_>>()));
    let nats = scenario.nats.iter().map(|n| (n.name.as_str(), n.addresses.clone()));
    let servers = scenario.servers.iter().map(|s| (s.name.as_str(), s.addresses.clone()));
    peers.chain(nats).chain(servers).filter(|(_, addresses)| !addresses.is_empty()).collect()
}

/// How long the prefix of the network behind a gateway is.
fn prefix_inside(gateway: &str, tree: &Tree<'_>) -> u8 {
    if !tree.public_inside(gateway) {
        return LAN_PREFIX;
    }
    // The nodes, the gateway itself, and the two addresses of a network that no node may have.
    let needed = tree.inside_of(gateway).iter().map(|node| tree.addresses_of(node)).sum::<usize>() + 3;
    let bits = needed.next_power_of_two().trailing_zeros();
    BLOCK_PREFIX.min(32 - bits as u8)
}

/// What is already somebody's, and what went wrong.
#[derive(Default)]
struct Taken {
    addresses: BTreeMap<Ipv4Addr, String>,
    /// By gateway.
    networks: BTreeMap<String, Network>,
    problems: Vec<PlanProblem>,
}

impl Taken {
    fn address(&mut self, address: Ipv4Addr, node: &str) {
        if let Some(other) = self.addresses.insert(address, node.to_owned()) {
            self.problems.push(PlanProblem::AddressClash { address, a: other, b: node.to_owned() });
        }
    }

    /// Fixed addresses of nodes behind a gateway say which network is there.
    fn network_of_fixed(&mut self, gateway: &str, tree: &Tree<'_>, fixed: &BTreeMap<&str, Vec<Ipv4Addr>>) {
        let inside = tree.inside_of(gateway);
        let of = |node: &&'_ str| fixed.get(*node).cloned().unwrap_or_default();
        let stated: Vec<(&str, Ipv4Addr)> =
            inside.iter().flat_map(|node| of(node).into_iter().map(|address| (*node, address))).collect();
        let Some((_, first)) = stated.first() else { return };
        let network = around(*first, prefix_inside(gateway, tree));
        for (node, address) in &stated {
            let (node, address) = ((*node).to_owned(), *address);
            if !network.contains(address) {
                self.problems.push(PlanProblem::OutsideNetwork { node, address, gateway: gateway.to_owned(), network });
            } else if !nodes_of(network).contains(&u32::from(address)) {
                self.problems.push(PlanProblem::NotANode { node, address, network });
            }
        }
        let clash = |other: String| PlanProblem::NetworkClash { gateway: gateway.to_owned(), network, other };
        let strangers = self.addresses.iter().filter(|(a, n)| network.contains(**a) && !inside.contains(&n.as_str()));
        let strangers = strangers.map(|(a, n)| clash(format!("{a} of `{n}`")));
        let neighbours = self.networks.iter().filter(|(_, n)| overlap(**n, network));
        let neighbours = neighbours.map(|(g, n)| clash(format!("{n} behind `{g}`")));
        let found: Vec<PlanProblem> = strangers.chain(neighbours).collect();
        self.problems.extend(found);
        self.networks.insert(gateway.to_owned(), network);
    }

    /// The network behind a gateway: the one that fixed addresses gave it, else a free one.
    fn network(&mut self, gateway: &str, scenario: &Scenario, tree: &Tree<'_>) -> Network {
        if let Some(network) = self.networks.get(gateway) {
            return *network;
        }
        let public = tree.public_inside(gateway);
        let between_gateways = tree.inside_of(gateway).iter().any(|node| tree.gateway(node).is_some());
        let range = match (public, between_gateways) {
            (true, _) => scenario.network.wan,
            (false, true) => CARRIER,
            (false, false) => scenario.network.lan,
        };
        let prefix = prefix_inside(gateway, tree);
        let free = candidates(range, prefix, public).find(|n| self.is_free(*n));
        let network = free.unwrap_or_else(|| {
            let what = format!("a /{prefix} behind `{gateway}`");
            self.problems.push(PlanProblem::Exhausted { range, what });
            Network::new(range.address, prefix)
        });
        self.networks.insert(gateway.to_owned(), network);
        network
    }

    fn is_free(&self, network: Network) -> bool {
        !self.addresses.keys().any(|a| network.contains(*a)) && !self.networks.values().any(|n| overlap(*n, network))
    }

    /// A free address of a range that is not part of any network behind a gateway.
    fn choose(&mut self, range: Network, what: &str) -> Ipv4Addr {
        let elsewhere: Vec<Network> = self.networks.values().copied().collect();
        self.choose_where(range, what, |a| !elsewhere.iter().any(|n| n.contains(a)))
    }

    /// A free address of a network behind a gateway.
    fn choose_within(&mut self, network: Network, what: &str) -> Ipv4Addr {
        self.choose_where(network, what, |_| true)
    }

    fn choose_where(&mut self, range: Network, what: &str, allowed: impl Fn(Ipv4Addr) -> bool) -> Ipv4Addr {
        let mut addresses = nodes_of(range).map(Ipv4Addr::from);
        match addresses.find(|a| !self.addresses.contains_key(a) && allowed(*a)) {
            Some(address) => {
                self.addresses.insert(address, what.to_owned());
                address
            }
            None => {
                self.problems.push(PlanProblem::Exhausted { range, what: what.to_owned() });
                range.address
            }
        }
    }
}

/// The network of this prefix length that an address lies in.
fn around(address: Ipv4Addr, prefix: u8) -> Network {
    let mask = Network::new(address, prefix).mask();
    Network::new(Ipv4Addr::from(u32::from(address) & mask), prefix)
}

/// Addresses that nodes may have: all but the first and last, where there are more than two.
fn nodes_of(network: Network) -> std::ops::RangeInclusive<u32> {
    let (first, last) = bounds(network);
    if network.prefix < 31 { first + 1..=last - 1 } else { first..=last }
}

fn bounds(network: Network) -> (u32, u32) {
    let first = u32::from(network.address) & network.mask();
    (first, first | !network.mask())
}

fn overlap(a: Network, b: Network) -> bool {
    let ((a_first, a_last), (b_first, b_last)) = (bounds(a), bounds(b));
    a_first <= b_last && b_first <= a_last
}

/// The networks of this prefix length in a range, in the order in which they are tried. Public blocks come from the
/// end, since single addresses come from the beginning; private networks are spread so far that the second number
/// differs where the range allows it (10.1.0.0, 10.2.0.0, …), which reads better than neighbours.
fn candidates(range: Network, prefix: u8, from_the_end: bool) -> impl Iterator<Item = Network> {
    let (first, last) = bounds(range);
    let spread = if !from_the_end && range.prefix <= 8 && prefix > 16 { 16 } else { prefix };
    let size = 1u64 << (32 - u32::from(spread));
    let count = if range.prefix > prefix { 0 } else { (u64::from(last - first) + 1) / size };
    (0..count).map(move |i| {
        let place = if from_the_end { count - 1 - i } else { (i + 1) % count };
        Network::new(Ipv4Addr::from(first + (place * size) as u32), prefix)
    })
}

#[cfg(test)]
mod tests;
