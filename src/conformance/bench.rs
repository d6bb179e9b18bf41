//! The bench that a subject is probed on, as data: two hosts inside, the gateways, and an internet of three servers.
//!
//! ```text
//! host-a ─┐                                           ┌─ 198.51.100.1, .2, .3 (on the internet node itself)
//!         ├─ innermost ─ … ─ outermost ── internet ───┤
//! host-b ─┘                                  │        └─ sink: 198.51.100.9, hears everything and answers nothing
//! host-a ════════════════════════════════════╛  a link round the gateways, for the clock
//! ```

use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::subject::Subject;
use crate::nat::{Forward, Gateway, Pair, Translation};
use crate::net::Network;
use crate::plan::{Bridge, End, Hop, Interface, Link, Loss, Node, NodeRole, Route, Topology};

/// Names of the nodes inside and of the silent one outside.
pub const HOSTS: [&str; 2] = ["host-a", "host-b"];
/// Hears everything that is sent to it and answers nothing.
pub const SINK: &str = "sink";
/// Addresses of the servers.
pub const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2), Ipv4Addr::new(198, 51, 100, 3)];
/// Address of the sink.
pub const SINK_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 9);
/// Ends of the link round the gateways: inside and outside.
pub const CLOCK: [Ipv4Addr; 2] = [Ipv4Addr::new(198, 18, 0, 2), Ipv4Addr::new(198, 18, 0, 1)];
/// Interface of every gateway towards the Internet.
pub const WAN: &str = "wan0";

const LAN: &str = "lan0";
const HOST: &str = "eth0";
const TOWARDS_GATEWAY: &str = "to-gateway";
const TOWARDS_SINK: &str = "to-sink";
const CLOCK_LINK: &str = "clock";
/// The network that the outermost gateway has its external addresses in.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 0);

/// A subject with all of its addresses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bench {
    /// Nodes and links; gateways are told what they are declared to do.
    pub topology: Topology,
    /// Names of the gateways' nodes, outermost first.
    pub gateways: Vec<String>,
    /// Addresses of the hosts.
    pub hosts: [Ipv4Addr; 2],
    /// External addresses that the outside sees: those of the outermost gateway that translates; none where none does.
    pub external: Vec<Ipv4Addr>,
}

impl Bench {
    /// The address of a gateway on the network behind it.
    pub fn inner_address(&self, gateway: &str) -> Option<Ipv4Addr> {
        let interfaces = &self.topology.node(gateway)?.interfaces;
        Some(interfaces.iter().find(|i| i.name == LAN)?.addresses.first()?.address)
    }

    /// What the gateways are told, outermost first.
    pub fn told(&self) -> impl Iterator<Item = &Gateway> {
        self.gateways.iter().filter_map(|name| self.topology.node(name)?.gateway.as_ref())
    }

    /// Which host has which external address, where the innermost gateway is the only one and a 1:1 NAT.
    pub fn pairs(&self) -> Vec<Pair> {
        let [only] = &self.gateways[..] else { return Vec::new() };
        self.topology.node(only).and_then(|n| n.gateway.as_ref()).map(|g| g.pairs.clone()).unwrap_or_default()
    }
}

/// Name of a gateway's node.
fn node_name(level: usize) -> String {
    format!("gateway-{}", level + 1)
}

/// The bench of a subject.
pub fn bench(subject: &Subject) -> Bench {
    let depth = subject.gateways.len();
    let mut gateways: Vec<Node> = Vec::new();
    let mut links = vec![link((Topology::INTERNET, CLOCK_LINK), (HOSTS[0], CLOCK_LINK))];
    links.push(link((Topology::INTERNET, TOWARDS_SINK), (SINK, HOST)));
    let mut external = Vec::new();
    // Networks that the node in front of a gateway must know a way to.
    let mut upstream_routes: Vec<Vec<Route>> = vec![Vec::new(); depth];
    for (level, declared) in subject.gateways.iter().enumerate() {
        let b = &declared.behavior;
        let outside = network_outside(subject, level);
        let inside = network_outside(subject, level + 1);
        let wan: Vec<Ipv4Addr> = (0..wan_addresses(subject, level)).map(|n| nth(outside, 2 + n)).collect();
        let hosts = [nth(inside, 11), nth(inside, 12)];
        let pairs: Vec<Pair> = match b.translation {
            // The first address is the gateway's own.
            Translation::OneToOne => {
                let inside_end = |n: usize| if level + 1 == depth { hosts[n] } else { nth(inside, 2 + n as u8) };
                let owned = wan.iter().skip(1).enumerate();
                owned.map(|(n, external)| Pair { external: *external, inside: inside_end(n) }).collect()
            }
            _ => Vec::new(),
        };
        let own: Vec<Ipv4Addr> = match b.translation {
            Translation::Napt => wan.clone(),
            Translation::OneToOne => pairs.iter().map(|p| p.external).collect(),
            Translation::None => Vec::new(),
        };
        if external.is_empty() {
            external = own.clone();
        }
        let forwards = declared.forwards.iter().map(|f| Forward {
            protocol: f.protocol,
            port: f.port,
            // Of an outer gateway: to the next one.
            to: SocketAddrV4::new(if level + 1 == depth { hosts[f.host.min(1)] } else { nth(inside, 2) }, f.inside),
        });
        let gateway = Gateway {
            behavior: *b,
            wan: WAN.to_owned(),
            external: own,
            inside: vec![inside],
            pairs,
            forwards: forwards.collect(),
            seed: 0x5eed + level as u64,
            preset: None,
        };
        let lan = Interface { name: LAN.to_owned(), addresses: vec![Network::new(nth(inside, 1), inside.prefix)] };
        let (mut interfaces, mut bridges) = (
            vec![Interface {
                name: WAN.to_owned(),
                addresses: wan.iter().map(|a| Network::new(*a, outside.prefix)).collect(),
            }],
            Vec::new(),
        );
        let name = node_name(level);
        if level + 1 == depth {
            for (n, host) in HOSTS.iter().enumerate() {
                let port = format!("{LAN}p{}", n + 1);
                links.push(link((&name, &port), (host, HOST)));
                interfaces.push(Interface { name: port, addresses: Vec::new() });
            }
            let ports = vec![format!("{LAN}p1"), format!("{LAN}p2")];
            bridges.push(Bridge { name: lan.name, ports, addresses: lan.addresses, isolated: false });
        } else {
            links.push(link((&name, LAN), (&node_name(level + 1), WAN)));
            interfaces.push(lan);
        }
        if level == 0 {
            links.push(link((Topology::INTERNET, TOWARDS_GATEWAY), (&name, WAN)));
        }
        let default = via(Network::ALL, nth(outside, 1), WAN);
        gateways.push(Node {
            name,
            role: NodeRole::Gateway,
            interfaces,
            bridges,
            routes: vec![default],
            gateway: Some(gateway),
        });
        // Nodes in front know what is behind a gateway that does not translate.
        for front in (0..=level).rev() {
            if subject.gateways.get(front).is_none_or(|g| g.behavior.translation.translates()) {
                break;
            }
            let interface = if front == 0 { TOWARDS_GATEWAY } else { LAN };
            if let Some(routes) = upstream_routes.get_mut(front) {
                routes.push(via(inside, nth(network_outside(subject, front), 2), interface));
            }
        }
    }
    let inside = network_outside(subject, depth);
    let hosts = [nth(inside, 11), nth(inside, 12)];
    let mut nodes = vec![internet(upstream_routes.first().cloned().unwrap_or_default())];
    for (gateway, routes) in gateways.iter_mut().zip(upstream_routes.into_iter().skip(1)) {
        gateway.routes.extend(routes);
    }
    let names = gateways.iter().map(|g| g.name.clone()).collect();
    nodes.extend(gateways);
    for (n, (name, address)) in HOSTS.iter().zip(hosts).enumerate() {
        let mut interfaces =
            vec![Interface { name: HOST.to_owned(), addresses: vec![Network::new(address, inside.prefix)] }];
        if n == 0 {
            interfaces.push(Interface { name: CLOCK_LINK.to_owned(), addresses: vec![Network::new(CLOCK[0], 30)] });
        }
        nodes.push(plain(name, NodeRole::Peer, interfaces, vec![via(Network::ALL, nth(inside, 1), HOST)]));
    }
    // No route at all: what the sink's kernel would answer goes nowhere.
    let sink = vec![Interface { name: HOST.to_owned(), addresses: vec![Network::new(SINK_ADDRESS, 32)] }];
    nodes.push(plain(SINK, NodeRole::Server, sink, Vec::new()));
    let topology = Topology { nodes, links, measuring: [SERVERS[0], SERVERS[1]] };
    Bench { topology, gateways: names, hosts, external }
}

fn internet(mut routes: Vec<Route>) -> Node {
    let servers = SERVERS.iter().map(|a| Network::new(*a, 32));
    let outside = [Network::new(nth(Network::new(OUTSIDE, 24), 1), 24)];
    let sink = Route { to: Network::new(SINK_ADDRESS, 32), hop: Hop::Direct { interface: TOWARDS_SINK.to_owned() } };
    routes.extend([sink, Route { to: Network::ALL, hop: Hop::Blackhole }]);
    let interface = |name: &str, addresses| Interface { name: name.to_owned(), addresses };
    let interfaces = vec![
        interface(TOWARDS_GATEWAY, outside.into_iter().chain(servers).collect()),
        interface(TOWARDS_SINK, Vec::new()),
        interface(CLOCK_LINK, vec![Network::new(CLOCK[1], 30)]),
    ];
    plain(Topology::INTERNET, NodeRole::Internet, interfaces, routes)
}

fn plain(name: &str, role: NodeRole, interfaces: Vec<Interface>, routes: Vec<Route>) -> Node {
    Node { name: name.to_owned(), role, interfaces, bridges: Vec::new(), routes, gateway: None }
}

/// The network in front of the gateway at `level`; of `level` after the last, that of the hosts.
fn network_outside(subject: &Subject, level: usize) -> Network {
    let translated = subject.gateways.iter().take(level).any(|g| g.behavior.translation.translates());
    let n = level as u8;
    match (level, translated) {
        (0, _) => Network::new(OUTSIDE, 24),
        (_, false) => Network::new(Ipv4Addr::new(198, 19, n, 0), 24),
        (l, true) if l == subject.gateways.len() => Network::new(Ipv4Addr::new(192, 168, n, 0), 24),
        (_, true) => Network::new(Ipv4Addr::new(100, 64, n, 0), 24),
    }
}

/// How many addresses a gateway has outside.
fn wan_addresses(subject: &Subject, level: usize) -> u8 {
    let Some(declared) = subject.gateways.get(level) else { return 1 };
    match declared.behavior.translation {
        Translation::Napt => declared.behavior.addresses.clamp(1, 200),
        // Its own, and one for each node inside: both hosts, or every address of the next gateway.
        Translation::OneToOne if level + 1 == subject.gateways.len() => 3,
        Translation::OneToOne => 1 + wan_addresses(subject, level + 1),
        Translation::None => 1,
    }
}

fn nth(network: Network, n: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(network.address) + u32::from(n))
}

fn via(to: Network, gateway: Ipv4Addr, interface: &str) -> Route {
    Route { to, hop: Hop::Via { gateway, interface: interface.to_owned() } }
}

fn link(a: (&str, &str), b: (&str, &str)) -> Link {
    let end = |(node, interface): (&str, &str)| End { node: node.to_owned(), interface: interface.to_owned() };
    Link { a: end(a), b: end(b), loss: Loss::default() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::conformance::{Declared, Inward};
    use crate::nat::{Behavior, Filtering, Mapping};
    use crate::net::Transport;

    const EIM: Mapping = Mapping::EndpointIndependent;
    const EIF: Filtering = Filtering::EndpointIndependent;

    fn declared(behavior: Behavior) -> Declared {
        let forward = Inward { protocol: Transport::Udp, port: 7000, host: 1, inside: 7001 };
        Declared { name: "n".into(), behavior, forwards: vec![forward] }
    }

    fn addresses(bench: &Bench) -> Vec<Ipv4Addr> {
        let of = |n: &Node| {
            let bridged = n.bridges.iter().flat_map(|b| b.addresses.clone());
            n.interfaces.iter().flat_map(|i| i.addresses.clone()).chain(bridged).collect::<Vec<_>>()
        };
        bench.topology.nodes.iter().flat_map(of).map(|a| a.address).collect()
    }

    #[test]
    fn every_address_is_there_once() {
        let pool = Behavior { addresses: 4, ..Behavior::napt(EIM, EIF) };
        let one_to_one = Behavior::one_to_one(EIF);
        let public = Behavior::public(EIF);
        for chain in [vec![pool], vec![one_to_one], vec![one_to_one, pool], vec![public, pool, public, pool]] {
            let bench = bench(&Subject::chain(chain.into_iter().map(declared).collect()));
            let all = addresses(&bench);
            assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
            assert!(bench.external.iter().all(|a| all.contains(a)));
        }
    }

    #[test]
    fn a_one_to_one_nat_has_an_address_for_each_host_besides_its_own() {
        let bench = bench(&Subject::alone(declared(Behavior::one_to_one(EIF))));
        let pairs = bench.pairs();
        assert_eq!(pairs.iter().map(|p| p.inside).collect::<Vec<_>>(), bench.hosts);
        assert_eq!(pairs.iter().map(|p| p.external).collect::<Vec<_>>(), bench.external);
    }

    #[test]
    fn what_is_not_translated_is_known_in_front_and_what_is_translated_is_not() {
        let public = Behavior::public(EIF);
        let nat = Behavior::napt(EIM, EIF);
        let known = |chain: Vec<Behavior>| {
            let bench = bench(&Subject::chain(chain.into_iter().map(declared).collect()));
            let routes = &bench.topology.node(Topology::INTERNET).unwrap().routes;
            let inside = |r: &&Route| bench.hosts.iter().all(|h| r.to.prefix > 0 && r.to.contains(*h));
            routes.iter().filter(inside).count()
        };
        assert_eq!((known(vec![public]), known(vec![public, public])), (1, 1));
        assert_eq!((known(vec![nat]), known(vec![public, nat]), known(vec![nat, public])), (0, 0, 0));
    }

    #[test]
    fn forwards_lead_to_hosts_or_to_the_next_gateway() {
        let nat = declared(Behavior::napt(EIM, EIF));
        let bench = bench(&Subject::chain(vec![nat.clone(), nat]));
        let to = |n: usize| {
            let node = bench.topology.node(&bench.gateways[n]).unwrap();
            *node.gateway.as_ref().unwrap().forwards[0].to.ip()
        };
        let inner = bench.topology.node(&bench.gateways[1]).unwrap();
        assert_eq!(to(0), inner.interfaces[0].addresses[0].address);
        assert_eq!(to(1), bench.hosts[1]);
    }
}
