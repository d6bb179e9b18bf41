#![allow(clippy::unwrap_used)]

use super::*;
use crate::nat::Behavior;

fn at(text: &str) -> SocketAddrV4 {
    text.parse().unwrap()
}

fn target() -> Target {
    Target { primary: at("203.0.113.1:3478"), alternate: at("203.0.113.2:3479") }
}

fn seen_as(text: &str) -> Reply {
    Reply::Mapped(at(text))
}

/// EIM/APDF with kept ports and no hairpinning, as it looks.
fn usual() -> Observations {
    let socket = |port| Seen {
        local: SocketAddrV4::new([10, 0, 0, 2].into(), port),
        reply: Reply::Mapped(SocketAddrV4::new([198, 51, 100, 7].into(), port)),
    };
    let dropped = Elsewhere::Dropped { confirmations: 4 };
    Observations {
        target: target(),
        primary: vec![socket(6001), socket(6002), socket(6003), socket(6004)],
        other_address: seen_as("198.51.100.7:6001"),
        alternate: seen_as("198.51.100.7:6001"),
        other_port: seen_as("198.51.100.7:6001"),
        from_alternate: dropped.clone(),
        from_other_port: dropped,
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
    let seen = Observations { other_port: Reply::Silent, from_alternate: Elsewhere::Arrived, ..usual() };
    assert_eq!(judge(&seen).mapping, Some(Mapping::EndpointIndependent));
}

#[test]
fn filtering_by_what_arrived() {
    let filtering =
        |second, third| judge(&Observations { from_alternate: second, from_other_port: third, ..usual() }).filtering;
    let dropped = |confirmations| Elsewhere::Dropped { confirmations };
    assert_eq!(filtering(Elsewhere::Arrived, Elsewhere::Arrived), Some(Filtering::EndpointIndependent));
    assert_eq!(filtering(dropped(4), Elsewhere::Arrived), Some(Filtering::AddressDependent));
    assert_eq!(filtering(dropped(4), dropped(4)), Some(Filtering::AddressAndPortDependent));
    assert_eq!(filtering(Elsewhere::Arrived, dropped(4)), None, "a contradiction");
    assert_eq!(filtering(Elsewhere::Arrived, dropped(1)), Some(Filtering::EndpointIndependent), "none is proven");
    for not_proven in [dropped(3), Elsewhere::Silent, Elsewhere::Refused(420), Elsewhere::WrongSource(at("1.2.3.4:5"))]
    {
        assert_eq!(filtering(not_proven.clone(), dropped(4)), None, "{not_proven:?}");
        assert_eq!(filtering(dropped(4), not_proven.clone()), None, "{not_proven:?}");
    }
}

#[test]
fn a_dead_alternate_never_makes_apdf() {
    for dead in [
        Observations { alternate: Reply::Silent, ..usual() },
        Observations { other_port: Reply::Silent, ..usual() },
        Observations { alternate: Reply::Refused(500), ..usual() },
    ] {
        let measured = judge(&dead);
        assert_eq!(measured.filtering, None);
        assert!(measured.undecided.iter().any(|u| u.contains("proves nothing")), "{:?}", measured.undecided);
    }
}

#[test]
fn ports_are_preserved_when_every_known_one_is() {
    let mut seen = usual();
    seen.primary[2].reply = Reply::Silent;
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
        socket.reply = Reply::Silent;
    }
    assert_eq!(judge(&seen).udp, Some(UdpPolicy::Blocked));
    seen.primary[0].reply = Reply::NotSent("Network is unreachable".to_owned());
    let measured = judge(&seen);
    assert_eq!(measured.udp, None);
    assert!(measured.undecided[0].contains("Network is unreachable"));
}

#[test]
fn a_firewall_has_a_filter_and_no_translation() {
    let mut seen = usual();
    for socket in &mut seen.primary {
        socket.reply = Reply::Mapped(socket.local);
    }
    let own = Reply::Mapped(seen.primary[0].local);
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
