//! Chains: what follows from all gateways together, and each of them by itself.

use super::*;
use crate::conformance::model::model;
use crate::nat::{Behavior, Pooling, PortAssignment};
use crate::net::Transport;

const CONE: Behavior = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);

fn chain(outer: Declared, inner: Declared) -> Subject {
    Subject::chain(vec![outer, inner])
}

fn declared(name: &str, behavior: Behavior, forwards: &[Inward]) -> Declared {
    Declared { name: name.into(), behavior, forwards: forwards.to_vec() }
}

#[test]
fn the_translators_in_a_row_show_the_ports_that_follow() {
    use PortAssignment::{Overloading, Parity, Preserving, Random, Sequential};
    let all = [Preserving, Parity, Sequential, Random, Overloading];
    let of = |ports| Behavior { ports, ..CONE };
    let mut seen = String::new();
    for inner in all {
        for outer in all {
            let subject = chain(declared("outer", of(outer), &[]), declared("inner", of(inner), &[]));
            let m = model(&subject);
            let ports = m.ports.unwrap();
            assert_eq!(ports.how, subject.declared().ports, "{inner:?} behind {outer:?}");
            // Two hosts get one endpoint in the inner one, or nobody does.
            assert_eq!(m.deterministic, Ok(inner != Overloading), "{inner:?} behind {outer:?}");
            assert_eq!(m.tcp_deterministic, m.deterministic, "{inner:?} behind {outer:?}");
            seen.push_str(&format!("{ports} "));
        }
        seen.push('\n');
    }
    assert_eq!(
        seen,
        "preserving random sequential, +1 random preserving \n\
         parity parity sequential, +1 random parity \n\
         sequential, +1 random sequential, +1 random sequential, +1 \n\
         random random sequential, +1 random random \n\
         overloading parity sequential, +1 random overloading \n"
    );
}

const OUT: Inward = Inward { protocol: Transport::Udp, port: 7000, host: 0, inside: 7001 };
const WITHIN: Inward = Inward { protocol: Transport::Udp, port: 7001, host: 1, inside: 7002 };
const BETWEEN: Ipv4Addr = Ipv4Addr::new(100, 64, 1, 2);

/// A home that keeps ports behind a carrier that gives random ones, with a port that both forward.
fn home_behind_carrier() -> Subject {
    let carrier = Behavior { ports: PortAssignment::Random, ..CONE };
    chain(declared("carrier", carrier, &[OUT]), declared("home", CONE, &[WITHIN]))
}

fn seen_of_it() -> Observations {
    const RANDOM: [u16; 8] = [29_999, 20_444, 31_007, 25_001, 22_222, 30_303, 27_128, 21_212];
    let between = |s: Source| s.map(|s| SocketAddrV4::new(BETWEEN, s.port()));
    let within = |a: &Assigned| Assigned { external: between(a.external), ..*a };
    let random = |n: usize, a: &Assigned| Assigned { external: outside(RANDOM[n]), ..*a };
    let beyond = |n: usize, a: &Assigned| Assigned { inside: between(a.external).unwrap(), ..random(n, a) };
    let low = |_: &[Assigned]| vec![];
    let all = |p: &Ports, of: &dyn Fn(usize, &Assigned) -> Assigned| {
        let each = |from: usize, list: &[Assigned]| list.iter().enumerate().map(|(n, a)| of(from + n, a)).collect();
        let (first, second) = (each(0, &p.first), each(4, &p.second));
        let (first_again, second_elsewhere) = (each(0, &p.first_again), each(4, &p.second_elsewhere));
        Ports { first, second, second_elsewhere, first_again, low: low(&p.low), exhaustion: None }
    };
    let stranger = server(2, 9700);
    let forwarded =
        |port, stranger, outbound| Forwarded { port, tcp: false, inbound: Some(stranger), stranger, outbound };
    let closed = |port| Forwarded { inbound: None, ..forwarded(port, stranger, None) };
    let part =
        |external, ports, forward| Part { external: vec![external], ports: Some(ports), forwards: Some(vec![forward]) };
    let front = SocketAddrV4::new(Ipv4Addr::new(100, 64, 1, 1), 9710);
    let p = ports();
    Observations {
        ports: Some(all(&p, &random)),
        forwards: Some(vec![forwarded(7000, stranger, outside(7000)), closed(7001)]),
        parts: vec![
            part(EXTERNAL, all(&p, &beyond), forwarded(7000, stranger, None)),
            part(BETWEEN, all(&p, &|_, a| within(a)), forwarded(7001, front, None)),
        ],
        ..observations()
    }
}

fn of_gateway(c: &Conformance, axis: &str, gateway: Option<&str>) -> AxisVerdict {
    let found = c.axes.iter().find(|a| a.axis == axis && a.gateway.as_deref() == gateway);
    found.unwrap_or_else(|| panic!("no axis {axis} of {gateway:?}")).verdict
}

#[test]
fn a_chain_that_is_as_declared_is_found_to_be_so() {
    let c = judge(&home_behind_carrier(), &seen_of_it());
    let trouble: Vec<_> = c.axes.iter().filter(|a| a.verdict != AxisVerdict::AsDeclared).collect();
    let no_meaning = |a: &&Axis| a.axis == "semantics";
    assert_eq!(c.conclusion, Conclusion::AsDeclared, "{trouble:#?}");
    assert!(trouble.iter().all(no_meaning), "{trouble:#?}");
}

type Change = fn(&mut Observations);

fn part(o: &mut Observations, n: usize) -> &mut Ports {
    o.parts[n].ports.as_mut().unwrap()
}

fn forwards(part: &mut Part) -> &mut Forwarded {
    &mut part.forwards.as_mut().unwrap()[0]
}

/// What makes an axis of the chain, or of one gateway, another one.
const AXES: &[(&str, Option<&str>, Change)] = &[
    ("ports", None, |o| o.ports = Some(ports())),
    ("under conflict", None, |o| o.udp.as_mut().unwrap().mapping[1].seen = [1, 2, 3, 4].map(outside)),
    ("tcp under conflict", None, |o| o.tcp.as_mut().unwrap().mapping[1].seen = [1, 2, 3, 4].map(outside)),
    ("ports", Some("carrier"), |o| {
        part(o, 0).first.iter_mut().for_each(|a| a.external = outside(a.inside.port()));
    }),
    ("ports", Some("home"), |o| part(o, 1).second[0].external = part(o, 1).first[0].external),
    ("port-range", Some("carrier"), |o| part(o, 0).first[0].external = outside(50_000)),
    ("port-range", Some("home"), |o| part(o, 1).second[0].external = outside(50_000)),
    ("port-block", Some("carrier"), |o| {
        let (ports, answer) = (vec![20_000], Answer::Silence);
        let (asked, reached, other_host_unaffected, first_kept) = (3, 2, true, true);
        part(o, 0).exhaustion = Some(Exhaustion { asked, reached, ports, other_host_unaffected, first_kept, answer });
    }),
    ("pooling", Some("carrier"), |o| o.parts[0].external.push(Ipv4Addr::new(203, 0, 113, 3))),
    ("forward", None, |o| o.forwards.as_mut().unwrap()[0].inbound = None),
    ("forward", None, |o| o.forwards.as_mut().unwrap()[0].outbound = outside(7001)),
    ("forward", None, |o| o.forwards.as_mut().unwrap()[1].inbound = Some(server(2, 9700))),
    ("forward", Some("carrier"), |o| forwards(&mut o.parts[0]).inbound = None),
    ("forward", Some("home"), |o| forwards(&mut o.parts[1]).inbound = outside(9710)),
    ("gateways", None, |o| drop(o.parts.pop())),
];

#[test]
fn each_axis_of_a_chain_can_be_another() {
    for (n, (axis, gateway, change)) in AXES.iter().enumerate() {
        let mut seen = seen_of_it();
        change(&mut seen);
        let c = judge(&home_behind_carrier(), &seen);
        assert_eq!(of_gateway(&c, axis, *gateway), AxisVerdict::Different, "{axis} of {gateway:?}, change {n}");
        assert_eq!(c.conclusion, Conclusion::Different, "{axis} of {gateway:?}, change {n}");
    }
}

#[test]
fn a_pool_or_a_block_that_is_not_there_is_missed() {
    let mut pooled = home_behind_carrier();
    pooled.gateways[0].behavior = Behavior { addresses: 2, pooling: Pooling::Paired, ..pooled.gateways[0].behavior };
    assert_eq!(of_gateway(&judge(&pooled, &seen_of_it()), "pooling", Some("carrier")), AxisVerdict::Different);
    // One that a gateway behind keeps from getting full, but whose ports lie too far apart.
    let mut blocks = home_behind_carrier();
    blocks.gateways[0].behavior.port_block = Some(64);
    let mut seen = seen_of_it();
    assert_eq!(of_gateway(&judge(&blocks, &seen), "port-block", Some("carrier")), AxisVerdict::Undecided);
    let (ports, answer) = (vec![23_000, 26_000], Answer::Silence);
    let (asked, reached, other_host_unaffected, first_kept) = (3, 2, true, true);
    part(&mut seen, 0).exhaustion =
        Some(Exhaustion { asked, reached, ports, other_host_unaffected, first_kept, answer });
    assert_eq!(of_gateway(&judge(&blocks, &seen), "port-block", Some("carrier")), AxisVerdict::Different);
}

#[test]
fn a_stranger_gets_as_far_as_every_gateway_lets_him() {
    let led = |gateways: Vec<Declared>| -> Vec<Option<(usize, u16)>> {
        Subject::chain(gateways).inward().into_iter().map(|way| way.to).collect()
    };
    let nat = |forwards: &[Inward]| declared("nat", CONE, forwards);
    let (inside, open) = (Some((1, 7002)), Filtering::EndpointIndependent);
    assert_eq!(led(vec![nat(&[OUT]), nat(&[WITHIN])]), [inside, None]);
    assert_eq!(led(vec![nat(&[]), nat(&[WITHIN])]), [None]);
    assert_eq!(led(vec![nat(&[OUT]), nat(&[])]), [None]);
    let front = |behavior| declared("front", behavior, &[]);
    assert_eq!(led(vec![front(Behavior::public(open)), nat(&[WITHIN])]), [inside]);
    assert_eq!(led(vec![front(Behavior::one_to_one(open)), nat(&[WITHIN])]), [inside]);
    assert_eq!(led(vec![front(Behavior::public(CONE.filtering)), nat(&[WITHIN])]), [None]);
    assert_eq!(led(vec![nat(&[OUT]), front(Behavior::public(open))]), [None]);
    let mut blocked = nat(&[WITHIN]);
    blocked.behavior.udp = crate::nat::UdpPolicy::Blocked;
    assert_eq!(led(vec![front(Behavior::public(open)), blocked]), [None]);
}
