#![allow(clippy::unwrap_used, clippy::panic)]
use std::collections::{BTreeMap, BTreeSet};

use super::super::address::assign;
use super::super::sample::{home, nat, scenario, shapes};
use super::*;
use crate::nat::{Behavior, Filtering, Mapping};
use crate::net::Transport;

fn built(scenario: &Scenario) -> Topology {
    let tree = Tree::of(scenario).unwrap();
    topology(scenario, &tree, &assign(scenario, &tree).unwrap(), 1)
}

/// Interfaces of a node with their addresses; of a bridge, with the bridge's.
fn addresses(node: &Node) -> Vec<(&str, Network)> {
    let interfaces = node.interfaces.iter().flat_map(|i| i.addresses.iter().map(|a| (i.name.as_str(), *a)));
    interfaces.chain(node.bridges.iter().flat_map(|b| b.addresses.iter().map(|a| (b.name.as_str(), *a)))).collect()
}

/// Nodes on the same wire as this interface or bridge.
fn neighbours<'a>(topology: &'a Topology, node: &Node, interface: &str) -> Vec<&'a str> {
    let bridge = node.bridges.iter().find(|b| b.name == interface);
    let ports = bridge.map_or(vec![interface.to_owned()], |b| b.ports.clone());
    let near = |end: &End| end.node == node.name && ports.contains(&end.interface);
    let mut found = Vec::new();
    for link in &topology.links {
        for (one, other) in [(&link.a, &link.b), (&link.b, &link.a)] {
            if near(one) {
                found.push(other.node.as_str());
                // A port of a bridge at the far end: its other ports are on this wire too.
                let far = topology.node(&other.node).unwrap();
                for bridge in far.bridges.iter().filter(|b| b.ports.contains(&other.interface)) {
                    let others =
                        topology.links.iter().filter(|l| l.a.node == far.name && bridge.ports.contains(&l.a.interface));
                    found.extend(others.map(|l| l.b.node.as_str()));
                }
            }
        }
    }
    found
}

/// Walks routes from a node to an address, translation aside; the nodes on the way, or why it ends.
fn walk<'a>(topology: &'a Topology, from: &'a str, to: Ipv4Addr) -> Result<Vec<&'a str>, String> {
    let mut way = vec![from];
    loop {
        let node = topology.node(way.last().unwrap()).unwrap();
        if addresses(node).iter().any(|(_, a)| a.address == to) {
            return Ok(way);
        }
        if way.len() > 20 {
            return Err(format!("goes in circles: {way:?}"));
        }
        let connected = addresses(node).into_iter().filter(|(_, n)| n.prefix < 32 && n.contains(to));
        let connected = connected.map(|(i, n)| (n.prefix, to, i.to_owned()));
        let routed = node.routes.iter().filter(|r| r.to.contains(to)).filter_map(|r| match &r.hop {
            Hop::Via { gateway, interface } => Some((r.to.prefix, *gateway, interface.clone())),
            Hop::Direct { interface } => Some((r.to.prefix, to, interface.clone())),
            Hop::Blackhole => None,
        });
        let Some((_, next, interface)) = connected.chain(routed).max_by_key(|(prefix, ..)| *prefix) else {
            return Err(format!("no route at {} after {way:?}", node.name));
        };
        let on_the_wire = neighbours(topology, node, &interface);
        let holder = on_the_wire
            .into_iter()
            .find(|n| addresses(topology.node(n).unwrap()).iter().any(|(_, a)| a.address == next));
        way.push(holder.ok_or(format!("nobody answers for {next} on {interface} of {}", node.name))?);
    }
}

#[test]
fn every_interface_is_the_end_of_exactly_one_link() {
    for (shape, scenario) in shapes() {
        let topology = built(&scenario);
        let mut ends: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for end in topology.links.iter().flat_map(|l| [&l.a, &l.b]) {
            *ends.entry((&end.node, &end.interface)).or_default() += 1;
        }
        let interfaces: BTreeMap<(&str, &str), usize> = topology
            .nodes
            .iter()
            .flat_map(|n| n.interfaces.iter().map(|i| ((n.name.as_str(), i.name.as_str()), 1)))
            .collect();
        assert_eq!(ends, interfaces, "{shape}");
        for node in &topology.nodes {
            let names: BTreeSet<&str> = node.interfaces.iter().map(|i| i.name.as_str()).collect();
            for bridge in &node.bridges {
                assert!(
                    bridge.ports.iter().all(|p| names.contains(p.as_str())) && !names.contains(bridge.name.as_str()),
                    "{shape}"
                );
            }
            assert!(names.iter().all(|n| n.len() <= LONGEST_INTERFACE_NAME), "{names:?}");
        }
    }
}

#[test]
fn names_and_addresses_are_unique() {
    for (shape, scenario) in shapes() {
        let topology = built(&scenario);
        let names: BTreeSet<&str> = topology.nodes.iter().map(|n| n.name.as_str()).collect();
        assert_eq!(names.len(), topology.nodes.len(), "{shape}");
        let all: Vec<Ipv4Addr> = topology.nodes.iter().flat_map(addresses).map(|(_, n)| n.address).collect();
        let unique: BTreeSet<&Ipv4Addr> = all.iter().collect();
        assert_eq!(unique.len(), all.len(), "{shape}: {all:?}");
        assert!(topology.measuring.iter().all(|a| unique.contains(a)), "{shape}");
    }
}

#[test]
fn every_peer_and_gateway_reaches_every_server_and_is_reached_where_its_address_is_public() {
    for (shape, scenario) in shapes() {
        let topology = built(&scenario);
        let targets = scenario.servers.iter().flat_map(|s| addresses(topology.node(&s.name).unwrap()));
        let targets: Vec<Ipv4Addr> = targets.map(|(_, a)| a.address).chain(topology.measuring).collect();
        let inside = scenario.peers.iter().map(|p| &p.name).chain(scenario.nats.iter().map(|n| &n.name));
        for node in inside {
            for target in &targets {
                walk(&topology, node, *target).unwrap_or_else(|e| panic!("{shape}: {node} to {target}: {e}"));
            }
            let own = addresses(topology.node(node).unwrap())[0].1.address;
            let way = walk(&topology, "stun", own);
            if crate::net::is_public(own) {
                assert_eq!(way.unwrap_or_else(|e| panic!("{shape}: to {node}: {e}")).last(), Some(&node.as_str()));
            } else {
                assert!(way.unwrap_err().contains("no route at internet"), "{shape}: private addresses vanish");
            }
        }
    }
}

#[test]
fn traffic_of_a_peer_passes_the_gateways_it_stands_behind_and_no_other() {
    for (shape, scenario) in shapes() {
        let topology = built(&scenario);
        let tree = Tree::of(&scenario).unwrap();
        for peer in &scenario.peers {
            let way = walk(&topology, &peer.name, topology.measuring[1]).unwrap();
            let mut expected = vec![peer.name.as_str()];
            expected.extend(tree.way_out(peer.behind.as_deref()).map(|n| n.name.as_str()));
            expected.push(Topology::INTERNET);
            assert_eq!(way, expected, "{shape}");
        }
    }
}

#[test]
fn gateways_are_measured_once_each_and_after_those_in_front_of_them() {
    for (shape, scenario) in shapes() {
        let tree = Tree::of(&scenario).unwrap();
        let measured = measurements(&tree);
        assert_eq!(measured.len(), scenario.nats.len(), "{shape}");
        let topology = built(&scenario);
        for (i, m) in measured.iter().enumerate() {
            assert_eq!(m.through.last(), Some(&m.nat), "{shape}");
            let before: BTreeSet<&str> = measured[..i].iter().map(|m| m.nat.as_str()).collect();
            assert!(m.through.iter().all(|n| *n == m.nat || before.contains(n.as_str())), "{shape}: {measured:?}");
            let way = walk(&topology, &m.from, topology.measuring[0]).unwrap();
            let gateways: Vec<&str> = m.through.iter().rev().map(String::as_str).collect();
            assert_eq!(way[1..way.len() - 1], gateways, "{shape}: the probe passes what it measures and nothing else");
        }
    }
}

#[test]
fn a_chain_is_measured_as_the_strictest_of_its_gateways() {
    let loose = crate::nat::Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    let strict = crate::nat::Behavior::napt(Mapping::AddressDependent, Filtering::AddressDependent);
    let nats = vec![nat("inner", loose, Some("outer")), nat("outer", strict, None)];
    let scenario = scenario(nats, [Some("inner"), None]);
    let tree = Tree::of(&scenario).unwrap();
    let measured = measurements(&tree);
    assert_eq!(measured[0].from, "inner");
    assert_eq!(
        (measured[1].declared.mapping, measured[1].declared.filtering),
        (Mapping::AddressDependent, Filtering::AddressDependent)
    );
    assert_eq!(measured[1].through, ["outer", "inner"]);
}

#[test]
fn several_nodes_behind_one_gateway_share_a_bridge() {
    let mut scenario = scenario(vec![nat("home", home(), None)], [Some("home"), Some("home")]);
    scenario.nats[0].isolated = true;
    let topology = built(&scenario);
    let gateway = topology.node("home").unwrap();
    assert_eq!(gateway.bridges.len(), 1);
    assert_eq!(gateway.bridges[0].ports, ["lan0p1", "lan0p2"]);
    assert!(gateway.bridges[0].isolated);
    assert_eq!(
        walk(&topology, "alice", addresses(topology.node("bob").unwrap())[0].1.address).unwrap(),
        ["alice", "bob"]
    );
}

#[test]
fn a_gateway_owns_external_addresses_only_if_it_translates() {
    for (shape, scenario) in shapes() {
        let topology = built(&scenario);
        for nat in &scenario.nats {
            let node = topology.node(&nat.name).unwrap();
            let gateway = node.gateway.as_ref().unwrap();
            let translates = nat.behavior.translation.translates();
            assert_eq!(!gateway.external.is_empty(), translates, "{shape}");
            assert!(gateway.external.iter().all(|a| addresses(node)[0].1.address == *a), "{shape}");
            assert!(!gateway.inside.is_empty(), "{shape}");
        }
    }
}

#[test]
fn a_pool_of_addresses_stands_outside_and_the_internet_knows_each() {
    let mut s =
        scenario(vec![nat("home", home(), None), nat("carrier", home(), None)], [Some("home"), Some("carrier")]);
    s.nats[1].behavior.addresses = 3;
    s.nats[0].behind = Some("carrier".to_owned());
    s.nats[0].behavior.addresses = 2;
    let t = built(&s);
    for (name, count) in [("carrier", 3), ("home", 2)] {
        let node = t.node(name).unwrap();
        let external = &node.gateway.as_ref().unwrap().external;
        assert_eq!(external.len(), count);
        let there: Vec<Ipv4Addr> = node.interfaces[0].addresses.iter().map(|n| n.address).collect();
        assert_eq!(&there, external, "every external address is an address of {name}");
    }
    let internet = t.node(Topology::INTERNET).unwrap();
    for address in &t.node("carrier").unwrap().gateway.as_ref().unwrap().external {
        assert!(internet.routes.iter().any(|r| r.to == single(*address)), "{address}");
    }
}

#[test]
fn a_one_to_one_nat_pairs_each_address_inside_with_one_outside() {
    let whole = Behavior::one_to_one(Filtering::AddressAndPortDependent);
    let router = Behavior::public(Filtering::EndpointIndependent);
    let mut s = scenario(
        vec![nat("cloud", whole, None), nat("router", router, Some("cloud")), nat("home", home(), Some("router"))],
        [Some("cloud"), Some("home")],
    );
    s.nats[0].behavior.addresses = 4;
    s.nats[2].behavior.addresses = 2;
    let t = built(&s);
    let gateway = t.node("cloud").unwrap().gateway.as_ref().unwrap();
    let pairs = &gateway.pairs;
    let inside: Vec<Ipv4Addr> = pairs.iter().map(|p| p.inside).collect();
    let own = |name: &str| t.node(name).unwrap().interfaces[0].addresses.iter().map(|n| n.address).collect::<Vec<_>>();
    assert_eq!(inside, [own("alice"), own("router"), own("home")].concat());
    assert_eq!(pairs.iter().map(|p| p.external).collect::<Vec<_>>(), gateway.external);
    assert_eq!(t.node("home").unwrap().gateway.as_ref().unwrap().pairs, []);
}

#[test]
fn a_forward_leads_to_an_address() {
    let mut s = scenario(vec![nat("home", home(), None)], [Some("home"), None]);
    let to = "alice".to_owned();
    s.nats[0].forwards = vec![crate::scenario::Forward { protocol: Transport::Udp, port: 7000, to, to_port: 7001 }];
    let t = built(&s);
    let alice = t.node("alice").unwrap().interfaces[0].addresses[0].address;
    let forwards = &t.node("home").unwrap().gateway.as_ref().unwrap().forwards;
    assert_eq!(forwards, &[Forward { protocol: Transport::Udp, port: 7000, to: SocketAddrV4::new(alice, 7001) }]);
}

#[test]
fn what_a_link_loses_stands_on_the_link_that_leads_to_its_node() {
    let mut s = scenario(vec![nat("home", home(), None)], [Some("home"), Some("home")]);
    s.peers[1].loss = Loss { up: 2_000, down: 5 };
    s.nats[0].loss = Loss { up: 1, down: 0 };
    s.servers[0].loss = Loss { up: 0, down: 7 };
    let t = built(&s);
    let of = |node: &str| t.links.iter().find(|l| l.b.node == node).unwrap().loss;
    assert_eq!((of("bob"), of("home"), of("stun")), (s.peers[1].loss, s.nats[0].loss, s.servers[0].loss));
    assert!(of("alice").is_none() && of("turn").is_none());
}
