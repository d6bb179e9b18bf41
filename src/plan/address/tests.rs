#![allow(clippy::unwrap_used)]
use super::super::sample::{carrier, firewall, home, nat, network, scenario, server};
use super::*;

fn assigned(scenario: &Scenario) -> Result<Addressing, Vec<PlanProblem>> {
    assign(scenario, &Tree::of(scenario).unwrap())
}

fn homes() -> Scenario {
    scenario(vec![nat("home-a", home(), None), nat("home-b", home(), None)], [Some("home-a"), Some("home-b")])
}

#[test]
fn every_gateway_has_a_network_of_its_own() {
    let addressing = assigned(&homes()).unwrap();
    assert_eq!(addressing.inside("home-a").unwrap().network, network("10.1.0.0/24"));
    assert_eq!(addressing.inside("home-b").unwrap().network, network("10.2.0.0/24"));
    assert_eq!(addressing.of("home-a"), ["198.51.100.1".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(addressing.of("bob"), ["10.2.0.2".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(addressing.of("stun").len(), 2);
    assert_eq!(addressing.of("turn").len(), 1);
}

#[test]
fn coturn_gets_the_second_address_that_its_rfc_5780_needs() {
    let mut s = homes();
    s.servers.push(Server { implementation: Implementation::Coturn, ..server("coturn", ServerKind::Turn) });
    assert_eq!(assigned(&s).unwrap().of("coturn").len(), 2);
}

#[test]
fn between_gateways_addresses_are_shared_ones_and_behind_a_firewall_public_ones() {
    let nats = vec![nat("carrier", carrier(), None), nat("home", home(), Some("carrier")), nat("fw", firewall(), None)];
    let addressing = assigned(&scenario(nats, [Some("home"), Some("fw")])).unwrap();
    assert_eq!(addressing.inside("carrier").unwrap().network, network("100.64.1.0/24"));
    assert_eq!(addressing.inside("home").unwrap().network, network("10.1.0.0/24"));
    assert_eq!(addressing.inside("fw").unwrap().network, network("198.51.100.248/29"));
    assert_eq!(addressing.of("bob"), ["198.51.100.250".parse::<Ipv4Addr>().unwrap()]);
}

#[test]
fn fixed_addresses_are_honoured_and_nothing_else_is_put_there() {
    let mut s = homes();
    s.peers[0].address = Some("192.168.7.9".parse().unwrap());
    s.nats[1].addresses = vec!["198.51.100.1".parse().unwrap()];
    s.servers[0].addresses = vec!["203.0.113.1".parse().unwrap()];
    let addressing = assigned(&s).unwrap();
    assert_eq!(addressing.inside("home-a").unwrap().network, network("192.168.7.0/24"));
    assert_eq!(addressing.of("alice"), ["192.168.7.9".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(addressing.of("home-b"), ["198.51.100.1".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(addressing.of("home-a"), ["198.51.100.2".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(addressing.measuring[0], "203.0.113.2".parse::<Ipv4Addr>().unwrap());
    assert_eq!(addressing.of("stun")[0], "203.0.113.1".parse::<Ipv4Addr>().unwrap());
}

#[test]
fn clashes_of_fixed_addresses_are_all_found() {
    let mut s = homes();
    s.peers[0].address = Some("10.5.0.2".parse().unwrap());
    s.peers[1].address = Some("10.5.0.3".parse().unwrap());
    let problems = assigned(&s).unwrap_err();
    assert!(problems.iter().all(|p| matches!(p, PlanProblem::NetworkClash { .. })), "{problems:?}");

    s.peers[1].address = s.peers[0].address;
    let problems = assigned(&s).unwrap_err();
    assert!(problems.iter().any(|p| matches!(p, PlanProblem::AddressClash { .. })), "{problems:?}");

    let mut s = scenario(vec![nat("home", home(), None)], [Some("home"), Some("home")]);
    s.peers[0].address = Some("10.5.0.2".parse().unwrap());
    s.peers[1].address = Some("10.6.0.2".parse().unwrap());
    assert!(matches!(assigned(&s).unwrap_err()[..], [PlanProblem::OutsideNetwork { .. }]));
    s.peers[1].address = Some("10.5.0.255".parse().unwrap());
    assert!(matches!(assigned(&s).unwrap_err()[..], [PlanProblem::NotANode { .. }]));
}

#[test]
fn a_range_without_room_is_a_problem_that_names_who_is_left_out() {
    let mut s = homes();
    s.network.servers = network("203.0.113.0/30");
    let problems = assigned(&s).unwrap_err();
    assert!(problems.iter().any(|p| p.to_string().contains("`stun`")), "{problems:?}");
    let mut s = homes();
    s.network.lan = network("10.0.0.0/25");
    assert!(assigned(&s).unwrap_err().iter().all(|p| matches!(p, PlanProblem::Exhausted { .. })));
    let mut s = homes();
    s.network.lan = network("10.0.0.0/24");
    assert_eq!(assigned(&s).unwrap_err().len(), 1, "one of two networks has room");
}

#[test]
fn ranges_may_overlap_as_long_as_there_is_room() {
    let mut s = homes();
    s.network.wan = network("10.0.0.0/8");
    s.network.servers = network("10.0.0.0/8");
    let addressing = assigned(&s).unwrap();
    let mut all: Vec<Ipv4Addr> = addressing.nodes.values().flatten().copied().chain(addressing.measuring).collect();
    all.extend(addressing.inside.values().map(|i| i.gateway));
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

mod properties {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn networks_of_one_range_stay_inside_and_apart(at: u32, range in 0u8..=24, prefix in 20u8..=29, end: bool) {
            let range = Network::new(Ipv4Addr::from(at), range);
            let found: Vec<Network> = candidates(range, prefix, end).take(40).collect();
            for (i, n) in found.iter().enumerate() {
                prop_assert!(range.contains(n.address));
                prop_assert!(range.contains(Ipv4Addr::from(bounds(*n).1)));
                prop_assert!(!found[..i].iter().any(|m| overlap(*m, *n)), "{:?}", found);
            }
        }
    }
}
