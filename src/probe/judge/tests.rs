#![allow(clippy::unwrap_used)]

use super::*;
use crate::nat::Behavior;
use crate::probe::wire::Success;

fn at(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

fn target() -> Places {
    Places { primary: at("203.0.113.1:3478"), alternate: at("203.0.113.2:3479") }
}

fn mapped(at: SocketAddr) -> Outcome {
    Outcome::Answered(Success { xor_mapped: Some(at), ..Success::default() })
}

fn seen_as(text: &str) -> Outcome {
    mapped(at(text))
}

fn refused(code: u16) -> Outcome {
    Outcome::Refused { code, alternate: None }
}

/// A test that ended like this, not in silence.
fn ended(outcome: Outcome) -> Test {
    Test { outcome, confirmations: 0 }
}

/// A test that ended in silence, with this many confirmations.
fn dropped(confirmations: u32) -> Test {
    Test { outcome: Outcome::Silent, confirmations }
}

/// EIM/APDF with kept ports and no hairpinning, as it looks.
fn usual() -> Observations {
    let socket =
        |port| Seen { local: SocketAddr::from(([10, 0, 0, 2], port)), reply: mapped(([198, 51, 100, 7], port).into()) };
    Observations {
        target: target(),
        primary: vec![socket(6001), socket(6002), socket(6003), socket(6004)],
        other_address: seen_as("198.51.100.7:6001"),
        alternate: seen_as("198.51.100.7:6001"),
        other_port: seen_as("198.51.100.7:6001"),
        from_alternate: dropped(4),
        from_other_port: dropped(4),
        hairpin: Hairpin::Dropped { confirmations: 4 },
        anything: true,
        confirmations: 4,
    }
}

#[test]
fn the_usual_home_router() {
    let measured = judge(&usual());
    let declared = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    assert_eq!(measured.differences(&declared), [""; 0]);
    assert_eq!(measured.undecided, [""; 0]);
    assert!(measured.evidence.iter().any(|e| e == "10.0.0.2:6001 to 203.0.113.1:3478: seen as 198.51.100.7:6001"));
}

#[test]
fn mapping_by_the_endpoints_seen() {
    let mapping = |x2, x3, x4| {
        let seen =
            Observations { other_address: seen_as(x2), alternate: seen_as(x3), other_port: seen_as(x4), ..usual() };
        judge(&seen).mapping
    };
    let (a, b, c, d) = ("198.51.100.7:6001", "198.51.100.7:7001", "198.51.100.7:7002", "198.51.100.7:7003");
    assert_eq!(mapping(a, a, a), Some(Mapping::EndpointIndependent));
    assert_eq!(mapping(b, b, a), Some(Mapping::AddressDependent));
    assert_eq!(mapping(b, c, d), Some(Mapping::AddressAndPortDependent));
    assert_eq!(mapping("198.51.100.8:6001", c, d), Some(Mapping::AddressAndPortDependent), "another address of a pool");
    for (x2, x3, x4) in [(a, b, a), (a, a, b), (b, b, c), (b, a, c), (b, c, a)] {
        assert_eq!(mapping(x2, x3, x4), None, "{x2} {x3} {x4} fit no behaviour");
    }
}

#[test]
fn a_fourth_endpoint_that_is_not_known_is_no_obstacle() {
    let seen =
        Observations { other_port: Outcome::Silent, from_alternate: ended(seen_as("198.51.100.7:6002")), ..usual() };
    assert_eq!(judge(&seen).mapping, Some(Mapping::EndpointIndependent));
}

#[test]
fn filtering_by_what_arrived() {
    let filtering =
        |second, third| judge(&Observations { from_alternate: second, from_other_port: third, ..usual() }).filtering;
    let arrived = || ended(seen_as("198.51.100.7:6002"));
    assert_eq!(filtering(arrived(), arrived()), Some(Filtering::EndpointIndependent));
    assert_eq!(filtering(dropped(4), arrived()), Some(Filtering::AddressDependent));
    assert_eq!(filtering(dropped(4), dropped(4)), Some(Filtering::AddressAndPortDependent));
    assert_eq!(filtering(arrived(), dropped(4)), None, "a contradiction");
    assert_eq!(filtering(arrived(), dropped(1)), Some(Filtering::EndpointIndependent), "none is proven");
    let wrong = Outcome::WrongSource(at("1.2.3.4:5"));
    for not_proven in [dropped(3), dropped(0), ended(refused(420)), ended(wrong)] {
        assert_eq!(filtering(not_proven.clone(), dropped(4)), None, "{not_proven:?}");
        assert_eq!(filtering(dropped(4), not_proven.clone()), None, "{not_proven:?}");
    }
}

#[test]
fn a_dead_alternate_never_makes_apdf() {
    for dead in [
        Observations { alternate: Outcome::Silent, ..usual() },
        Observations { other_port: Outcome::Silent, ..usual() },
        Observations { alternate: refused(500), ..usual() },
    ] {
        let measured = judge(&dead);
        assert_eq!(measured.filtering, None);
        assert!(measured.undecided.iter().any(|u| u.contains("proves nothing")), "{:?}", measured.undecided);
    }
}

#[test]
fn ports_are_preserved_when_every_known_one_is() {
    let mut seen = usual();
    seen.primary[2].reply = Outcome::Silent;
    assert_eq!(judge(&seen).ports_preserved, Some(true));
    seen.primary[3].reply = seen_as("198.51.100.7:20000");
    assert_eq!(judge(&seen).ports_preserved, Some(false));
}

#[test]
fn hairpinning_by_the_source_that_a_packet_bears() {
    let arrived = |source| Hairpin::Arrived {
        source: at(source),
        external: at("198.51.100.7:6004"),
        internal: at("10.0.0.2:6004"),
    };
    let hairpinning = |hairpin| judge(&Observations { hairpin, ..usual() }).hairpinning;
    assert_eq!(hairpinning(arrived("198.51.100.7:6004")), Some(Hairpinning::ExternalSource));
    assert_eq!(hairpinning(arrived("10.0.0.2:6004")), Some(Hairpinning::InternalSource));
    assert_eq!(hairpinning(arrived("10.0.0.1:6004")), None, "the router's own address is neither");
    assert_eq!(hairpinning(Hairpin::Dropped { confirmations: 4 }), Some(Hairpinning::None));
    assert_eq!(hairpinning(Hairpin::Dropped { confirmations: 3 }), None);
}

#[test]
fn nothing_at_all_is_blocked_udp_and_what_was_not_sent_is_not() {
    let mut seen = usual();
    seen.anything = false;
    for socket in &mut seen.primary {
        socket.reply = Outcome::Silent;
    }
    assert_eq!(judge(&seen).udp, Some(UdpPolicy::Blocked));
    seen.primary[0].reply = Outcome::NotSent("Network is unreachable".to_owned());
    let measured = judge(&seen);
    assert_eq!(measured.udp, None);
    assert!(measured.undecided[0].contains("Network is unreachable"));
}

#[test]
fn a_firewall_has_a_filter_and_no_translation() {
    let mut seen = usual();
    for socket in &mut seen.primary {
        socket.reply = mapped(socket.local);
    }
    let own = mapped(seen.primary[0].local);
    seen = Observations {
        other_address: own.clone(),
        alternate: own.clone(),
        other_port: own,
        hairpin: Hairpin::NotTried,
        ..seen
    };
    // The server is public and the address is not: that is no contradiction where both are the same.
    let measured = judge(&seen);
    assert_eq!(measured.differences(&Behavior::public(Filtering::AddressAndPortDependent)), [""; 0]);
    assert_eq!(measured.undecided, [""; 0]);
}

#[test]
fn a_public_server_that_sees_a_private_address_is_worthless() {
    let mut seen = usual();
    seen.primary[0].reply = seen_as("172.17.0.1:6001");
    let measured = judge(&seen);
    assert_eq!((measured.translation, measured.mapping, measured.filtering), (None, None, None));
    assert!(measured.undecided[0].contains("private"), "{:?}", measured.undecided);
}
