//! A NAT that is as declared is found to be so; and for every axis and every requirement that can be missed there is one that
//! is not: no check is without a failure that it would show.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod chain;
mod wrong;

use std::net::{Ipv4Addr, SocketAddrV4};

use super::bench::SERVERS;
use super::observations::*;
use super::scale::scaled;
use super::*;
use crate::nat::{Filtering, Mapping};

pub(super) const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 1, 11), Ipv4Addr::new(192, 168, 1, 12)];

pub(super) fn inside(host: usize, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(HOSTS[host], port)
}

pub(super) fn outside(port: u16) -> Source {
    Some(SocketAddrV4::new(EXTERNAL, port))
}

pub(super) fn server(n: usize, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(SERVERS[n], port)
}

/// EIM and APDF, ports preserved: what every measurement sees of it.
fn behaved() -> Behaved {
    let mapped = |host, port, seen: u16, under| Mapped { inside: inside(host, port), under, seen: [outside(seen); 4] };
    let filtered = |host, port, seen: u16, under| Filtered {
        inside: inside(host, port),
        under,
        external: outside(seen),
        passed: [true, false, false, false],
        answers: vec![Answer::Silence; 3],
        replies: [None; 4],
    };
    Behaved {
        mapping: vec![
            mapped(0, 6000, 6000, Condition::Plain),
            mapped(1, 6000, 20_007, Condition::Conflict),
            mapped(0, 6000, 6000, Condition::Again),
        ],
        filtering: vec![
            filtered(0, 6001, 6001, Condition::Plain),
            filtered(1, 6001, 20_008, Condition::Conflict),
            filtered(0, 6002, 6002, Condition::Again),
        ],
    }
}

fn ports() -> Ports {
    let kept = |host, port| Assigned { inside: inside(host, port), external: outside(port) };
    let moved = |port: u16| Assigned { inside: inside(1, port), external: outside(20_000 + port) };
    let all = [7100u16, 7113, 7106, 7127];
    Ports {
        first: all.map(|p| kept(0, p)).to_vec(),
        second: all.map(moved).to_vec(),
        second_elsewhere: all.map(moved).to_vec(),
        first_again: all.map(|p| kept(0, p)).to_vec(),
        low: vec![kept(1, 700)],
        exhaustion: None,
    }
}

pub(super) fn moment(ms: u64, alive: bool) -> Moment {
    Moment { at_least_us: ms * 1000 - 1000, at_most_us: ms * 1000 + 1000, alive }
}

pub(super) fn touched(alive: bool) -> Option<Touched> {
    Some(Touched { touched_at_most_us: 601_000, probe: moment(1250, alive), since_touch_at_most_us: 651_000 })
}

fn icmp() -> Icmp {
    let case = |kind, code, from: usize, port, remote| ErrorCase {
        kind,
        code,
        from: SERVERS[from],
        inside: inside(0, port),
        remote,
        arrived: Some(IcmpError {
            kind,
            code,
            from: SERVERS[from],
            to: HOSTS[0],
            about_from: inside(0, port),
            about_to: remote,
            checksums: true,
            mtu: 0,
        }),
        mapping_kept: true,
    };
    let udp = |kind, code, from| case(kind, code, from, 6300, server(0, 3478));
    let external = SocketAddrV4::new(EXTERNAL, 6310);
    let out = IcmpError {
        kind: 3,
        code: 3,
        from: EXTERNAL,
        to: SERVERS[0],
        about_from: server(0, 3478),
        about_to: external,
        checksums: true,
        mtu: 0,
    };
    Icmp {
        inward: vec![udp(3, 1, 0), udp(3, 4, 2), udp(11, 0, 2), udp(12, 0, 2)],
        inward_tcp: vec![case(3, 1, 0, 7350, server(0, 9350))],
        outward: Some((Some(out), external, server(0, 3478))),
        hairpinned: None,
        unknown_arrived: Some(false),
        bad_checksum_arrived: Some(false),
        bad_inner_checksum_arrived: Some(false),
        options_arrived: Some(true),
        echo: Some([true; 2]),
        echo_identifiers: Some([Some(9); 2]),
        source_quench_arrived: Some(false),
    }
}

/// Everything that was seen of a port-restricted cone.
pub(super) fn observations() -> Observations {
    let error = IcmpError {
        kind: 3,
        code: 4,
        from: HOSTS[0],
        to: HOSTS[1],
        about_from: inside(1, 6600),
        about_to: server(2, 3478),
        checksums: true,
        mtu: 1300,
    };
    Observations {
        external: vec![EXTERNAL],
        hosts: HOSTS.to_vec(),
        passes: Some(Passes { outbound: true, answer: true }),
        udp: Some(behaved()),
        tcp: Some(behaved()),
        ports: Some(ports()),
        hairpin: Some(Hairpin {
            external: [outside(6400), outside(6401)],
            inside: [Some(inside(0, 6400)), Some(inside(1, 6401))],
            refused: 3,
            ..Hairpin::default()
        }),
        tcp_hairpin: Some(Hairpin {
            external: [outside(6410), outside(6411)],
            inside: [Some(inside(0, 6410)), Some(inside(1, 6411))],
            ..Hairpin::default()
        }),
        udp_timers: Some(Timers {
            lifetime: scaled(120_000),
            idle: vec![moment(850, true), moment(1150, false)],
            outbound: touched(true),
            inbound: touched(true),
            error: touched(false),
        }),
        query_timer: Some((scaled(60_000), vec![moment(750, true), moment(1400, false)])),
        tcp_timer: Some((scaled(7_440_000), vec![moment(750, true), moment(1400, false)])),
        unsolicited: Some(Unsolicited { unowned: Answer::Silence, left_no_trace: Some(true) }),
        syn: Some(Syn { unowned: Answer::Silence, after_unsolicited: Some(true), crossing: Some(true) }),
        icmp: Some(icmp()),
        sizes: Some(Sizes {
            in_order: Some([true; 2]),
            out_of_order: Some([true; 2]),
            mtu: 1300,
            df_error: Some(Some(error)),
            without_df: Some(true),
        }),
        forwards: Some(vec![]),
        payload: Some(Payload { udp: Some(true), tcp: Some(true) }),
        drops: [("filtering (RFC 4787 5), udp: only from".to_owned(), 9)].into(),
        ..Observations::default()
    }
}

pub(super) fn cone() -> Subject {
    let behavior = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    Subject::alone(Declared { name: "cone".into(), behavior, forwards: vec![] })
}

pub(super) fn verdict(c: &Conformance, axis: &str) -> AxisVerdict {
    c.axes.iter().find(|a| a.axis == axis).unwrap_or_else(|| panic!("no axis {axis}")).verdict
}

pub(super) fn status(c: &Conformance, rfc: u16, number: &str) -> Status {
    let found = c.requirements.iter().find(|r| (r.rfc, r.number) == (rfc, number));
    found.unwrap_or_else(|| panic!("no requirement {rfc} {number}")).status
}

#[test]
fn a_nat_that_is_as_declared_is_found_to_be_so() {
    let c = judge(&cone(), &observations());
    let trouble: Vec<_> = c.axes.iter().filter(|a| a.verdict != AxisVerdict::AsDeclared).collect();
    assert_eq!(c.conclusion, Conclusion::AsDeclared, "{trouble:#?}");
}

#[test]
fn what_was_not_looked_at_is_undecided_and_never_as_declared() {
    let nothing = Observations { external: vec![EXTERNAL], hosts: HOSTS.to_vec(), ..Observations::default() };
    let c = judge(&cone(), &nothing);
    assert_eq!(c.conclusion, Conclusion::Undecided);
    let known: Vec<_> = c.axes.iter().filter(|a| a.verdict == AxisVerdict::AsDeclared).map(|a| a.axis).collect();
    assert_eq!(known, ["packets gone astray"], "nothing was sent, so nothing went astray");
    assert!(c.requirements.iter().all(|r| !matches!(r.status, Status::Pass | Status::Fail)), "{:#?}", c.requirements);
}

#[test]
fn every_requirement_of_the_three_documents_is_there() {
    let c = judge(&cone(), &observations());
    for (rfc, last) in [(4787, 14), (5382, 10), (5508, 11)] {
        for n in 1..=last {
            let number = format!("REQ-{n}");
            let is = |r: &Requirement| r.rfc == rfc && r.number.trim_end_matches(char::is_alphabetic) == number;
            assert!(c.requirements.iter().any(is), "RFC {rfc} {number}");
        }
    }
}

#[test]
fn a_machine_that_pauses_leaves_lifetimes_undecided() {
    let mut seen = observations();
    let timers = seen.udp_timers.as_mut().unwrap();
    // Alive and dead at ages that are not known well enough.
    timers.idle = vec![
        Moment { at_least_us: 100_000, at_most_us: 900_000, alive: true },
        Moment { at_least_us: 900_000, at_most_us: 9_000_000, alive: false },
    ];
    timers.inbound = Some(Touched { touched_at_most_us: 1_100_000, ..touched(false).unwrap() });
    let c = judge(&cone(), &seen);
    assert_eq!(verdict(&c, "lifetime"), AxisVerdict::Undecided);
    assert_eq!(verdict(&c, "refresh"), AxisVerdict::Undecided);
    assert_eq!(c.conclusion, Conclusion::Undecided);
}

#[test]
fn blocked_udp_is_compared_and_has_no_other_axes() {
    let mut subject = cone();
    subject.gateways[0].behavior.udp = crate::nat::UdpPolicy::Blocked;
    let passes = Some(Passes { outbound: false, answer: false });
    let icmp = Some(Icmp { inward: vec![], outward: None, ..icmp() });
    let seen = Observations { passes, udp: None, ports: None, hairpin: None, udp_timers: None, icmp, ..observations() };
    let c = judge(&subject, &seen);
    assert_eq!(c.conclusion, Conclusion::AsDeclared, "{:#?}", c.axes);
    assert_eq!(judge(&cone(), &seen).conclusion, Conclusion::Different);
    assert_eq!(judge(&subject, &observations()).conclusion, Conclusion::Different);
}
