#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

#[test]
fn what_is_not_known_is_null_and_never_false() {
    let nothing = Finding::<bool>::not_tested("off by default");
    let json = serde_json::to_value(&nothing).unwrap();
    assert!(json["value"].is_null(), "{json}");
    assert_eq!(json["status"], "not-tested");
    assert_eq!(json["because"], "off by default");
    assert_eq!(serde_json::from_value::<Finding<bool>>(json).unwrap(), nothing);
}

#[test]
fn the_whole_survives_its_json_form() {
    let mut family = FamilyFindings::unknown(Family::Ipv4);
    family.mapping = Finding::likely(MappingFound::EndpointDependent, 0.25, "two servers");
    family.lifetime = Finding::known(Lifetime { last_alive_ms: Some(30_000), first_dead_ms: None }, "ladder")
        .with_evidence(["alive at 30 s".to_owned()]);
    family.ports.sequence = Finding::known(PortSequence::Sequential { step: -2 }, "six sockets");
    let all = Classification {
        servers: vec![Server::unasked("stun.example", None)],
        families: vec![family],
        ..Classification::default()
    };
    let text = serde_json::to_string_pretty(&all).unwrap();
    assert_eq!(serde_json::from_str::<Classification>(&text).unwrap(), all, "{text}");
    assert!(text.contains("\"edm\"") && text.contains("\"confidence\": 0.75"), "{text}");
}

#[test]
fn classic_names_are_not_stretched() {
    let named = |mapping, filtering| {
        let mut family = FamilyFindings::unknown(Family::Ipv4);
        family.translation = Finding::known(Translation::Napt, "");
        family.mapping = Finding::known(mapping, "");
        family.filtering = Finding::known(filtering, "");
        family.classic_name()
    };
    use Filtering as F;
    use MappingFound as M;
    assert_eq!(named(M::EndpointIndependent, F::EndpointIndependent), Some("full cone"));
    assert_eq!(named(M::EndpointIndependent, F::AddressAndPortDependent), Some("port-restricted cone"));
    assert_eq!(named(M::AddressAndPortDependent, F::AddressAndPortDependent), Some("symmetric"));
    assert_eq!(named(M::AddressAndPortDependent, F::EndpointIndependent), None);
    assert_eq!(named(M::EndpointDependent, F::AddressAndPortDependent), None, "it may be ADM");
    assert_eq!(FamilyFindings::unknown(Family::Ipv4).classic_name(), None);
}

#[test]
fn five_silent_sends_prove_something_only_after_enough_answers() {
    let clean = |n| Loss { sent: n, answered: n };
    assert!(!Loss::default().proves_silence(5), "nothing is known of the loss");
    assert!(!clean(5).proves_silence(5));
    // 1 / C(n + 6, 5): 1.3e-4 for 12, 8.6e-5 for 13.
    assert!(!clean(12).proves_silence(5));
    assert!(clean(13).proves_silence(5));
    // 20 % each way: 36 % of the round trips.
    let bad = Loss { sent: 50, answered: 32 };
    assert!(!bad.proves_silence(5) && !bad.proves_silence(10) && bad.proves_silence(15));
    assert!(!Loss { sent: 50, answered: 0 }.proves_silence(20));
}

/// The table in `docs/classify.md`.
#[test]
fn chances_are_those_of_the_documentation() {
    let document = include_str!("../../docs/classify.md");
    for (name, sent, answered) in [("5 of 5", 5, 5), ("18 of 18", 18, 18), ("32 of 50", 50, 32)] {
        let row = document.lines().find(|l| l.starts_with(&format!("| {name}"))).unwrap();
        for sends in [5, 10, 15, 20] {
            let chance = format!("{:.1e}", Loss { sent, answered }.chance_all_lost(sends));
            assert!(row.contains(&chance), "{row}: {sends} silent are {chance}");
        }
    }
}

proptest! {
    #[test]
    fn more_silence_is_stronger_and_more_loss_is_weaker(sent in 0u32..200, lost in 0u32..200, sends in 0u32..40) {
        let lost = lost.min(sent);
        let loss = Loss { sent, answered: sent - lost };
        let chance = loss.chance_all_lost(sends);
        prop_assert!((0.0..=1.0).contains(&chance));
        prop_assert!(loss.chance_all_lost(sends + 1) <= chance);
        let worse = Loss { sent: sent + 1, answered: sent - lost };
        prop_assert!(worse.chance_all_lost(sends) >= chance);
        // Never below what the measured rate itself says, up to a half; beyond it nothing comes near the limit anyway.
        prop_assert!(lost * 2 > sent || chance >= loss.rate().unwrap_or(0.0).powi(sends as i32) - 1e-12);
    }
}
