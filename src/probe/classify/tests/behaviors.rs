//! Every axis against a NAT that has it.

use std::time::Duration;

use super::*;
use crate::classification::{Lifetime, MappingFound, Preservation, Status};
use crate::nat::{Hairpinning, Pooling, Refresh, Translation, UdpPolicy};
use crate::server::stun::{Answer, Place};

#[tokio::test(start_paused = true)]
async fn all_nine_behaviours_are_told_apart() {
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            let world = World::new(napt(mapping, filtering), vec![behavior_server(proper)]);
            let found = ask(&world, &[PRIMARY], options()).await;
            let f = &found.family;
            assert_eq!(f.udp.value, Some(UdpPolicy::Allowed));
            assert_eq!(f.translation.value, Some(Translation::Napt));
            assert_eq!(f.mapping.value, Some(mapping.into()), "{mapping}/{filtering}: {f:#?}");
            assert_eq!(f.filtering.value, Some(filtering), "{mapping}/{filtering}: {f:#?}");
            assert!(f.filtering.confidence.unwrap() > 1.0 - 2e-4, "{mapping}/{filtering}: {f:#?}");
            assert_eq!(f.ports.preservation.value, Some(Preservation::None));
            assert_eq!(f.alg.value, Some(false));
            assert_eq!((f.fragments.outbound.value, f.fragments.inbound.value), (Some(true), Some(true)));
            assert_eq!(f.hairpinning.status, Status::NotTested, "off by default");
            assert_eq!((f.lifetime.value, f.inbound_refresh.value), (None, None));
            assert_eq!(f.loss.sent, f.loss.answered);
            let server = &found.servers[0];
            assert_eq!(server.problems, [""; 0], "{mapping}/{filtering}");
            assert_eq!(server.control.unwrap().alternate, Some(true));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clean_path_takes_seconds() {
    let world = World::new(
        napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent),
        vec![behavior_server(proper)],
    );
    let begin = tokio::time::Instant::now();
    ask(&world, &[PRIMARY], options()).await;
    assert!(begin.elapsed() < Duration::from_secs(8), "{:?}", begin.elapsed());
}

/// RFC 5780 §4: not more than ten new transactions within a second, whatever is tested.
#[tokio::test(start_paused = true)]
async fn no_more_than_ten_transactions_begin_within_a_second() {
    let behavior = Behavior {
        lifetime_ms: 33_000,
        hairpinning: Hairpinning::ExternalSource,
        ..napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
    };
    let world = World::new(behavior, vec![behavior_server(proper), ordinary("203.0.113.9:3478")]);
    let everything = Options { hairpin: true, lifetime: Some(Ladder::default()), ..options() };
    ask(&world, &[PRIMARY, "203.0.113.9:3478"], everything).await;
    let begun = world.begun();
    assert!(begun.len() > 50, "{} transactions", begun.len());
    for window in begun.windows(11) {
        assert!(window[10] - window[0] >= Duration::from_millis(999), "{window:?}");
    }
}

/// Answers that come after the next transmission are answers and not losses.
#[tokio::test(start_paused = true)]
async fn a_long_way_is_no_loss() {
    for filtering in Filtering::ALL {
        let world = World::new(napt(Mapping::AddressDependent, filtering), vec![behavior_server(proper)])
            .with_round_trip(Duration::from_millis(700));
        let f = ask(&world, &[PRIMARY], options()).await.family;
        assert_eq!((f.mapping.value, f.filtering.value), (Some(MappingFound::AddressDependent), Some(filtering)));
        // Of a socket that is closed at once the late answers are not seen.
        assert!(f.loss.rate().unwrap() < 0.2, "{:?}", f.loss);
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_nat_there_is_none_and_the_firewall_is_seen() {
    for filtering in Filtering::ALL {
        let world = World::new(Behavior::public(filtering), vec![behavior_server(proper)]);
        let f = ask(&world, &[PRIMARY], Options { hairpin: true, ..options() }).await.family;
        assert_eq!(f.translation.value, Some(Translation::None));
        assert_eq!((f.mapping.value, f.filtering.value), (Some(MappingFound::EndpointIndependent), Some(filtering)));
        assert_eq!(f.ports.preservation.value, Some(Preservation::All));
        assert_eq!((f.hairpinning.value, f.pooling.value), (None, None), "the questions do not arise");
        let open = filtering == Filtering::EndpointIndependent;
        assert_eq!(f.classic.as_deref(), Some(if open { "open Internet" } else { "symmetric UDP firewall" }));
    }
}

#[tokio::test(start_paused = true)]
async fn ipv6_is_asked_with_ipv6_alone() {
    let endpoints = Endpoints { primary: at("[2001:db8::1]:3478"), alternate: Some(at("[2001:db8::2]:3479")) };
    let behavior = Behavior::public(Filtering::AddressAndPortDependent);
    let world = World::new(behavior, vec![Server { endpoints, mischief: proper }]).at("2001:db8:1::5");
    let found = ask(&world, &["[2001:db8::1]:3478", PRIMARY], options()).await;
    assert_eq!(found.family.family, Family::Ipv6);
    assert_eq!(found.family.filtering.value, Some(Filtering::AddressAndPortDependent), "{found:#?}");
    assert_eq!(found.servers[1].problems, ["its address is not IPv6"]);
}

#[tokio::test(start_paused = true)]
async fn port_assignment_is_seen() {
    let eim = |ports, step| Behavior {
        ports,
        port_step: step,
        ..Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent)
    };
    use crate::classification::PortSequence as S;
    let cases = [
        (eim(PortAssignment::Preserving, 1), Preservation::All, None, S::Preserved),
        (eim(PortAssignment::Random, 1), Preservation::None, Some(false), S::Irregular),
        (eim(PortAssignment::Parity, 1), Preservation::None, Some(true), S::Irregular),
        (eim(PortAssignment::Sequential, 1), Preservation::None, Some(false), S::Sequential { step: 1 }),
        (eim(PortAssignment::Sequential, -2), Preservation::None, Some(false), S::Sequential { step: -2 }),
    ];
    for (behavior, preservation, parity, sequence) in cases {
        let world = World::new(behavior, vec![behavior_server(proper)]);
        let f = ask(&world, &[PRIMARY], options()).await.family;
        assert_eq!(f.ports.preservation.value, Some(preservation), "{behavior:?}");
        assert_eq!(f.ports.parity.value, parity, "{behavior:?}: {:?}", f.ports);
        assert_eq!(f.ports.sequence.value, Some(sequence), "{behavior:?}: {:?}", f.ports);
        assert_eq!(f.mapping.value, Some(MappingFound::EndpointIndependent));
        assert_eq!(f.pooling.value, Some(Pooling::Paired));
    }
}

#[tokio::test(start_paused = true)]
async fn arbitrary_pooling_is_seen() {
    let behavior = Behavior {
        addresses: 3,
        pooling: Pooling::Arbitrary,
        ..napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent)
    };
    let world = World::new(behavior, vec![behavior_server(proper)]);
    let f = ask(&world, &[PRIMARY], options()).await.family;
    assert_eq!(f.pooling.value, Some(Pooling::Arbitrary));
    assert!(f.external.len() > 1, "{:?}", f.external);
    assert_eq!(f.mapping.value, Some(MappingFound::AddressAndPortDependent));
}

#[tokio::test(start_paused = true)]
async fn hairpinning_is_seen_with_its_source() {
    for filtering in Filtering::ALL {
        for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
            let behavior = Behavior { hairpinning, ..napt(Mapping::EndpointIndependent, filtering) };
            let world = World::new(behavior, vec![behavior_server(proper)]);
            let f = ask(&world, &[PRIMARY], Options { hairpin: true, ..options() }).await.family;
            assert_eq!(f.hairpinning.value, Some(hairpinning), "{filtering}: {:#?}", f.hairpinning);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn lifetime_and_refresh_are_seen() {
    for (lifetime, interval) in [
        (120, Lifetime { last_alive_ms: Some(90_000), first_dead_ms: Some(0) }),
        (33, Lifetime { last_alive_ms: Some(30_000), first_dead_ms: Some(0) }),
        (5, Lifetime { last_alive_ms: None, first_dead_ms: Some(0) }),
        (3600, Lifetime { last_alive_ms: Some(300_000), first_dead_ms: None }),
    ] {
        for refresh in [Refresh::Both, Refresh::Outbound] {
            let behavior = Behavior {
                lifetime_ms: lifetime * 1000,
                refresh,
                ..napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent)
            };
            let world = World::new(behavior, vec![behavior_server(proper)]);
            let options = Options { lifetime: Some(Ladder::default()), ..options() };
            let f = ask(&world, &[PRIMARY], options).await.family;
            let found = f.lifetime.value.unwrap_or_else(|| panic!("{lifetime} s: {:#?}", f.lifetime));
            assert_eq!(found.last_alive_ms, interval.last_alive_ms, "{lifetime} s: {:#?}", f.lifetime);
            assert_eq!(found.first_dead_ms.is_some(), interval.first_dead_ms.is_some(), "{lifetime} s");
            assert!(found.first_dead_ms.is_none_or(|d| d >= lifetime * 1000), "{lifetime} s: {found:?}");
            let known = found.last_alive_ms.is_some() && found.first_dead_ms.is_some();
            assert_eq!(f.inbound_refresh.value, known.then_some(refresh == Refresh::Both), "{:#?}", f.inbound_refresh);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn fragments_are_judged_each_way() {
    for (out, inward, expected) in [
        (9000, 9000, (Some(true), Some(true))),
        (9000, 1472, (Some(true), Some(false))),
        (1472, 9000, (Some(false), None)),
    ] {
        let behavior = napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
        let world = World::new(behavior, vec![behavior_server(proper)]).with_mtu(out, inward);
        let f = ask(&world, &[PRIMARY], options()).await.family.fragments;
        assert_eq!((f.outbound.value, f.inbound.value), expected, "{out}/{inward}: {f:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_no_long_requests_is_no_path_that_drops_fragments() {
    /// Leaves every request with PADDING unanswered: the answers to them are long, or errors.
    fn no_padding(_: Place, answer: Answer) -> Vec<(Place, Vec<u8>)> {
        let error = answer.bytes[0] == 1 && answer.bytes[1] & 0x10 != 0;
        if error || answer.bytes.len() > 500 { vec![] } else { vec![(answer.from, answer.bytes)] }
    }
    for (server, mtu, because) in [
        (ordinary(PRIMARY), 1472, "ordinary server"),
        (behavior_server(no_padding), 1472, "no request with PADDING"),
        (behavior_server(no_padding), 9000, "no request with PADDING"),
    ] {
        let behavior = napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
        let world = World::new(behavior, vec![server]).with_mtu(mtu, mtu);
        let f = ask(&world, &[PRIMARY], options()).await.family.fragments;
        assert_eq!((f.outbound.value, f.inbound.value), (None, None), "{f:#?}");
        assert!(f.outbound.because.as_ref().unwrap().contains(because), "{f:#?}");
    }
}

#[tokio::test(start_paused = true)]
async fn ordinary_servers_give_what_they_can() {
    use MappingFound as M;
    let two = ["203.0.113.1:3478", "203.0.113.9:3478"];
    let three = ["203.0.113.1:3478", "203.0.113.9:3478", "203.0.113.9:443"];
    for (mapping, by_two, by_three) in [
        (Mapping::EndpointIndependent, M::EndpointIndependent, M::EndpointIndependent),
        (Mapping::AddressDependent, M::EndpointDependent, M::AddressDependent),
        (Mapping::AddressAndPortDependent, M::EndpointDependent, M::AddressAndPortDependent),
    ] {
        for (servers, expected) in [(&two[..], by_two), (&three[..], by_three)] {
            let world = World::new(
                napt(mapping, Filtering::AddressAndPortDependent),
                servers.iter().map(|s| ordinary(s)).collect(),
            );
            let f = ask(&world, servers, options()).await.family;
            assert_eq!(f.mapping.value, Some(expected), "{servers:?}: {:#?}", f.mapping);
            assert_eq!((f.filtering.value, f.filtering.status), (None, Status::Unsupported));
            assert!(f.filtering.because.unwrap().contains("--turn"));
        }
    }
}
