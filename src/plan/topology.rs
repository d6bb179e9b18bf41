//! Nodes, interfaces, links and routes of a scenario, as data.
//!
//! The internet node has one link to each node that is attached directly. Such a node has single addresses and a
//! default route to the internet node's first address; the internet node knows each of them and the public networks
//! behind gateways that do not translate, and nothing else: what is sent elsewhere vanishes there, as on the
//! Internet.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use super::address::Addressing;
use super::tree::Tree;
use super::{Bridge, End, Gateway, Hop, Interface, Link, Measurement, Node, NodeRole, Route, Topology, seed};
use crate::nat::{Forward, Pair, Translation};
use crate::net::Network;
use crate::scenario::{Loss, Nat, Scenario};

/// The longest name of an interface: `IFNAMSIZ` of Linux without its final zero.
const LONGEST_INTERFACE_NAME: usize = 15;
/// The interface of a peer or server.
const HOST_INTERFACE: &str = "eth0";
/// The interface of a gateway towards the Internet.
const WAN: &str = "wan0";
/// The interface of a gateway towards its inside: a link, or a bridge over several.
const LAN: &str = "lan0";

/// Builds the topology; `trial_seed` gives each gateway its own seed.
pub fn topology(scenario: &Scenario, tree: &Tree<'_>, addressing: &Addressing, trial_seed: u64) -> Topology {
    let peers = scenario.peers.iter().map(|p| (p.name.as_str(), p.loss));
    let nats = scenario.nats.iter().map(|n| (n.name.as_str(), n.loss));
    let losses = scenario.servers.iter().map(|s| (s.name.as_str(), s.loss)).chain(peers).chain(nats).collect();
    let mut building = Building { tree, addressing, losses, nodes: Vec::new(), links: Vec::new() };
    building.internet(scenario);
    for nat in &scenario.nats {
        building.gateway(nat, seed::derive(trial_seed, &nat.name));
    }
    for server in &scenario.servers {
        building.host(&server.name, NodeRole::Server, None);
    }
    for peer in &scenario.peers {
        building.host(&peer.name, NodeRole::Peer, peer.behind.as_deref());
    }
    Topology { nodes: building.nodes, links: building.links, measuring: addressing.measuring }
}

/// What is probed before anything counts: outermost first, each gateway once, from one node inside it.
pub fn measurements(tree: &Tree<'_>) -> Vec<Measurement> {
    let each = tree.outermost_first().iter().filter_map(|nat| {
        let mut through: Vec<String> = tree.way_out(Some(&nat.name)).map(|n| n.name.clone()).collect();
        through.reverse();
        Some(Measurement {
            nat: nat.name.clone(),
            from: (*tree.inside_of(&nat.name).first()?).to_owned(),
            declared: tree.seen_by_one_host(Some(&nat.name))?,
            through,
        })
    });
    each.collect()
}

struct Building<'a> {
    tree: &'a Tree<'a>,
    addressing: &'a Addressing,
    /// By the node that a link leads to.
    losses: BTreeMap<&'a str, Loss>,
    nodes: Vec<Node>,
    links: Vec<Link>,
}

impl Building<'_> {
    fn internet(&mut self, scenario: &Scenario) {
        let gateways = scenario.nats.iter().filter(|n| n.behind.is_none()).map(|n| (n.name.as_str(), WAN));
        let servers = scenario.servers.iter().map(|s| (s.name.as_str(), HOST_INTERFACE));
        let peers = scenario.peers.iter().filter(|p| p.behind.is_none()).map(|p| (p.name.as_str(), HOST_INTERFACE));
        let (mut interfaces, mut routes) = (Vec::new(), Vec::new());
        for (place, (node, far_end)) in gateways.chain(servers).chain(peers).enumerate() {
            let name = interface_towards(node, place + 1);
            self.link((Topology::INTERNET, &name), (node, far_end));
            let direct = |a: &Ipv4Addr| Route { to: single(*a), hop: Hop::Direct { interface: name.clone() } };
            routes.extend(self.addressing.of(node).iter().map(direct));
            if let Some(gateway) = self.tree.gateway(node) {
                routes.extend(self.routes_into(gateway, &name));
            }
            interfaces.push(Interface { name, addresses: Vec::new() });
        }
        // A node answers for its addresses on every link, so they stand on one.
        if let Some(first) = interfaces.first_mut() {
            first.addresses = self.addressing.measuring.map(single).to_vec();
        }
        routes.push(Route { to: Network::ALL, hop: Hop::Blackhole });
        self.nodes.push(Node {
            name: Topology::INTERNET.to_owned(),
            role: NodeRole::Internet,
            interfaces,
            bridges: Vec::new(),
            routes,
            gateway: None,
        });
    }

    fn gateway(&mut self, nat: &Nat, seed: u64) {
        let Some(inside) = self.addressing.inside(&nat.name) else { return };
        let own = vec![Network::new(inside.gateway, inside.network.prefix)];
        let (addresses, default) = self.towards_internet(&nat.name, nat.behind.as_deref(), WAN);
        let mut interfaces = vec![Interface { name: WAN.to_owned(), addresses }];
        let mut routes = vec![default];
        let mut bridges = Vec::new();
        let nodes = self.tree.inside_of(&nat.name);
        let far_end = |node: &str| if self.tree.gateway(node).is_some() { WAN } else { HOST_INTERFACE };
        if let [node] = nodes {
            interfaces.push(Interface { name: LAN.to_owned(), addresses: own });
            self.link((&nat.name, LAN), (node, far_end(node)));
        } else {
            let ports: Vec<String> = (1..=nodes.len()).map(|n| format!("{LAN}p{n}")).collect();
            for (port, node) in ports.iter().zip(nodes) {
                interfaces.push(Interface { name: port.clone(), addresses: Vec::new() });
                self.link((&nat.name, port), (node, far_end(node)));
            }
            bridges.push(Bridge { name: LAN.to_owned(), ports, addresses: own, isolated: nat.isolated });
        }
        for inner in nodes.iter().filter_map(|node| self.tree.gateway(node)) {
            routes.extend(self.routes_into(inner, LAN));
        }
        let external = match nat.behavior.translation {
            Translation::Napt | Translation::OneToOne => self.addressing.of(&nat.name).to_vec(),
            Translation::None => Vec::new(),
        };
        let gateway = Gateway {
            behavior: nat.behavior,
            wan: WAN.to_owned(),
            external,
            inside: self.networks_inside(nat),
            pairs: self.pairs(nat),
            forwards: self.forwards(nat),
            seed,
            preset: nat.preset.clone(),
        };
        self.nodes.push(Node {
            name: nat.name.clone(),
            role: NodeRole::Gateway,
            interfaces,
            bridges,
            routes,
            gateway: Some(gateway),
        });
    }

    fn host(&mut self, name: &str, role: NodeRole, behind: Option<&str>) {
        let (addresses, default) = self.towards_internet(name, behind, HOST_INTERFACE);
        self.nodes.push(Node {
            name: name.to_owned(),
            role,
            interfaces: vec![Interface { name: HOST_INTERFACE.to_owned(), addresses }],
            bridges: Vec::new(),
            routes: vec![default],
            gateway: None,
        });
    }

    /// Addresses of a node on its outer interface, and its default route.
    fn towards_internet(&self, node: &str, behind: Option<&str>, interface: &str) -> (Vec<Network>, Route) {
        let (prefix, gateway) = match behind.and_then(|b| self.addressing.inside(b)) {
            Some(inside) => (inside.network.prefix, inside.gateway),
            None => (32, self.addressing.measuring[0]),
        };
        let addresses = self.addressing.of(node).iter().map(|a| Network::new(*a, prefix)).collect();
        (addresses, Route { to: Network::ALL, hop: Hop::Via { gateway, interface: interface.to_owned() } })
    }

    /// Everything behind a gateway whose addresses are seen by the gateway as they are: its own network and those
    /// behind inner gateways that do not translate.
    fn networks_inside(&self, nat: &Nat) -> Vec<Network> {
        let own = self.addressing.inside(&nat.name).map(|i| i.network);
        let inner = self.tree.inside_of(&nat.name).iter().filter_map(|node| self.tree.gateway(node));
        let inner = inner.filter(|n| n.behavior.translation == Translation::None);
        own.into_iter().chain(inner.flat_map(|n| self.networks_inside(n))).collect()
    }

    /// Routes, at the node in front of a gateway, to what is behind it, where it does not translate.
    fn routes_into(&self, nat: &Nat, interface: &str) -> Vec<Route> {
        let Some(gateway) = self.addressing.of(&nat.name).first().copied() else { return Vec::new() };
        if nat.behavior.translation.translates() {
            return Vec::new();
        }
        let hop = Hop::Via { gateway, interface: interface.to_owned() };
        self.networks_inside(nat).into_iter().map(|to| Route { to, hop: hop.clone() }).collect()
    }

    /// Of a 1:1 NAT: which external address is which inside address's.
    fn pairs(&self, nat: &Nat) -> Vec<Pair> {
        if nat.behavior.translation != Translation::OneToOne {
            return Vec::new();
        }
        let external = self.addressing.of(&nat.name).iter();
        external.zip(self.seen_inside(nat)).map(|(external, inside)| Pair { external: *external, inside }).collect()
    }

    /// Addresses that a gateway sees inside, in the order of the tree: those of the nodes behind it, and those behind
    /// gateways in between that do not translate.
    fn seen_inside(&self, nat: &Nat) -> Vec<Ipv4Addr> {
        let of = |node: &&str| {
            let further = self.tree.gateway(node).filter(|n| n.behavior.translation == Translation::None);
            let own = self.addressing.of(node).iter().copied();
            own.chain(further.map(|n| self.seen_inside(n)).unwrap_or_default()).collect::<Vec<_>>()
        };
        self.tree.inside_of(&nat.name).iter().flat_map(of).collect()
    }

    fn forwards(&self, nat: &Nat) -> Vec<Forward> {
        let each = nat.forwards.iter().filter_map(|f| {
            let to = SocketAddrV4::new(*self.addressing.of(&f.to).first()?, f.to_port);
            Some(Forward { protocol: f.protocol, port: f.port, to })
        });
        each.collect()
    }

    /// From the side of the Internet to a node; what the link loses is the node's to say.
    fn link(&mut self, a: (&str, &str), b: (&str, &str)) {
        let end = |(node, interface): (&str, &str)| End { node: node.to_owned(), interface: interface.to_owned() };
        let loss = self.losses.get(b.0).copied().unwrap_or_default();
        self.links.push(Link { a: end(a), b: end(b), loss });
    }
}

fn single(address: Ipv4Addr) -> Network {
    Network::new(address, 32)
}

/// The internet node's interface towards a node: with the node's name where that fits.
fn interface_towards(node: &str, place: usize) -> String {
    let named = format!("to-{node}");
    // `link-…` cannot be the name of the other kind, so the two never clash.
    if named.len() <= LONGEST_INTERFACE_NAME { named } else { format!("link-{place}") }
}

#[cfg(test)]
mod tests;
