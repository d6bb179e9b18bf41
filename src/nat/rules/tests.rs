#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::*;
use crate::nat::{PortAssignment, preset};
use crate::net::Network;
use crate::nft::model::{Rule, WIDEST_KEY};

/// Documentation addresses (RFC 5737).
fn gateway(behavior: Behavior) -> Gateway {
    Gateway {
        behavior,
        wan: "wan0".to_owned(),
        external: match behavior.translation {
            Translation::Napt | Translation::OneToOne => vec![Ipv4Addr::new(203, 0, 113, 2)],
            Translation::None => vec![],
        },
        inside: vec![Network::new(Ipv4Addr::new(192, 168, 1, 0), 24)],
        pairs: vec![],
        forwards: vec![],
        seed: 1,
        preset: None,
    }
}

fn nine() -> impl Iterator<Item = Behavior> {
    Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.into_iter().map(move |f| Behavior::napt(m, f)))
}

/// Every behaviour there is, with lifetimes above and below a second, and a pool.
fn every_gateway() -> Vec<Gateway> {
    let mut out = vec![];
    for translation in [Translation::Napt, Translation::None] {
        for base in nine() {
            for ports in [PortAssignment::Preserving, PortAssignment::Random] {
                for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
                    for semantics in [Semantics::Strict, Semantics::ReplyAffine] {
                        for udp in [UdpPolicy::Allowed, UdpPolicy::Blocked] {
                            for lifetime_ms in [1, 400, 120_000] {
                                let b =
                                    Behavior { translation, ports, hairpinning, semantics, udp, lifetime_ms, ..base };
                                out.push(gateway(b));
                            }
                        }
                    }
                }
            }
        }
    }
    let pool = [2, 3, 4].map(|d| Ipv4Addr::new(203, 0, 113, d)).to_vec();
    out.push(Gateway { external: pool, ..gateway(nine().next().unwrap()) });
    out.push(Gateway { external: vec![], ..gateway(nine().next().unwrap()) });
    out
}

fn drops(rule: &Rule) -> bool {
    rule.steps.contains(&Step::Drop)
}

#[test]
fn every_rule_says_what_it_is_for_in_a_comment_that_the_kernel_takes() {
    for g in every_gateway() {
        for (chain, rule) in table(&g).rules() {
            let why = &rule.why;
            assert!(why.contains("RFC ") || why.starts_with("udp policy"), "{chain}: {why}");
            assert!(why.len() <= Rule::LONGEST_COMMENT, "{chain}: {} bytes: {why}", why.len());
            assert!(why.bytes().all(|b| (b' '..=b'~').contains(&b) && b != b'"'), "{chain}: {why}");
        }
    }
}

#[test]
fn names_are_unique_and_lead_somewhere() {
    for g in every_gateway() {
        let t = table(&g);
        let sets: BTreeSet<_> = t.sets.iter().map(|s| s.name.as_str()).collect();
        let chains: BTreeSet<_> = t.chains.iter().map(|c| c.name.as_str()).collect();
        assert_eq!(sets.len(), t.sets.len());
        assert_eq!(chains.len(), t.chains.len());
        let (mut used, mut entered) = (BTreeSet::new(), BTreeSet::new());
        for (_, rule) in t.rules() {
            for step in &rule.steps {
                match step {
                    Step::In { set, .. } | Step::Dynset { set, .. } => used.insert(set.as_str()),
                    Step::SetSaddrFromMark { map }
                    | Step::SetSportFromMark { map, .. }
                    | Step::SnatByMap { map, .. }
                    | Step::DnatByMap { map, .. } => used.insert(map.as_str()),
                    Step::Jump(c) | Step::Goto(c) => entered.insert(c.as_str()),
                    _ => false,
                };
            }
        }
        assert_eq!(used, sets, "{:?}", g.behavior);
        let called: BTreeSet<_> = t.chains.iter().filter(|c| c.base.is_none()).map(|c| c.name.as_str()).collect();
        assert_eq!(entered, called, "{:?}", g.behavior);
    }
}

#[test]
fn keys_fit_into_a_register_and_match_their_sets() {
    let type_of = |f: &Field| match f {
        Field::Saddr | Field::Daddr | Field::CtSaddr(_) | Field::CtDaddr(_) => Type::Addr,
        Field::Sport(_) | Field::Dport(_) | Field::CtSport(_) | Field::CtDport(_) => Type::Port,
        Field::Mark => Type::Mark,
    };
    for g in every_gateway() {
        let t = table(&g);
        let check = |name: &str, key: &[Field], value: Option<&[Field]>| {
            let set = t.set(name).unwrap();
            assert!(key.len() <= WIDEST_KEY);
            assert_eq!(key.iter().map(type_of).collect::<Vec<_>>(), set.key, "key of {name}");
            if let Some(value) = value {
                assert_eq!(value.iter().map(type_of).collect::<Vec<_>>(), set.value, "value of {name}");
            }
        };
        for (_, rule) in t.rules() {
            for step in &rule.steps {
                match step {
                    Step::In { key, set, .. } => check(set, key, None),
                    Step::Dynset { key, set, value, .. } => check(set, key, Some(value)),
                    Step::SnatByMap { key, map } | Step::DnatByMap { key, map } => check(map, key, None),
                    _ => {}
                }
            }
        }
    }
}

#[test]
fn a_rule_that_reads_ports_has_matched_the_protocol_before() {
    let proto = |f: &Field| match f {
        Field::Sport(p) | Field::Dport(p) => Some(*p),
        _ => None,
    };
    for g in every_gateway() {
        for (chain, rule) in table(&g).rules() {
            let mut matched = None;
            for step in &rule.steps {
                let fields = match step {
                    Step::L4(p) => {
                        matched = Some(*p);
                        continue;
                    }
                    Step::In { key, .. } | Step::SnatByMap { key, .. } | Step::DnatByMap { key, .. } => key.clone(),
                    Step::Dynset { key, value, .. } => [key.clone(), value.clone()].concat(),
                    Step::SetSportFromMark { proto, .. } => vec![Field::Sport(*proto)],
                    Step::SnatToOwn { port: Some(p) } => vec![Field::Sport(*p)],
                    _ => continue,
                };
                for p in fields.iter().filter_map(proto) {
                    // The text would get the match from nft, and differ from the batch.
                    assert_eq!(matched, Some(p), "{chain}: {rule}");
                }
            }
        }
    }
}

#[test]
fn each_drop_can_be_told_from_the_others_where_packets_of_a_probe_may_end() {
    for g in every_gateway().into_iter().filter(|g| g.behavior.udp == UdpPolicy::Allowed) {
        let t = table(&g);
        let mut seen = BTreeSet::new();
        let ends = t.rules().filter(|(chain, r)| drops(r) && ["input", "from_wan", "firewall_udp"].contains(chain));
        for (_, rule) in ends {
            assert!(seen.insert(&rule.why), "{}", rule.why);
        }
        if g.behavior.translation.translates() || g.behavior.filtering != Filtering::EndpointIndependent {
            assert!(!seen.is_empty());
        }
    }
}

#[test]
fn a_plain_router_has_no_rules() {
    let t = table(&gateway(Behavior::public(Filtering::EndpointIndependent)));
    assert_eq!((t.sets.len(), t.chains.len()), (0, 0));
}

#[test]
fn semantics_make_a_difference_in_three_behaviours_only() {
    let differ: Vec<String> = nine()
        .filter(|b| table(&gateway(*b)) != table(&gateway(Behavior { semantics: Semantics::ReplyAffine, ..*b })))
        .map(|b| b.to_string())
        .collect();
    assert_eq!(differ, ["ADM/EIF", "APDM/EIF", "APDM/ADF"]);
}

#[test]
fn gateways_of_different_seeds_use_different_ports() {
    let ports = |seed| {
        let g = Gateway { seed, ..gateway(nine().last().unwrap()) };
        table(&g).set("ports").unwrap().elements.clone()
    };
    assert_eq!(ports(1).len(), PORTS);
    assert_ne!(ports(1), ports(2));
}

#[test]
fn a_claim_ends_before_its_mapping() {
    for (lifetime_ms, claim) in [(120_000, 1000), (4000, 1000), (400, 100), (200, 50), (1, 1)] {
        let g = gateway(Behavior { lifetime_ms, ..nine().next().unwrap() });
        let set = table(&g).set("claim_udp").unwrap().dynamic.unwrap();
        assert_eq!(set.timeout, Duration::from_millis(claim), "{lifetime_ms} ms");
    }
}

fn snapshot(name: &str, g: &Gateway) {
    insta::assert_snapshot!(name, table(g).to_string());
}

#[test]
fn text_of_the_nine() {
    for b in nine() {
        let name = b.to_string().to_lowercase().replace('/', "-");
        snapshot(&name, &gateway(b));
        if needs_zone(&b) {
            let affine = Behavior { semantics: Semantics::ReplyAffine, ..b };
            snapshot(&format!("{name}-reply-affine"), &gateway(affine));
        }
    }
}

#[test]
fn text_of_the_presets_that_are_none_of_the_nine() {
    for p in ["open", "firewall", "udp-blocked"].into_iter().filter_map(preset::find) {
        snapshot(p.name, &gateway(p.behavior));
    }
    snapshot("firewall-adf", &gateway(Behavior::public(Filtering::AddressDependent)));
}

#[test]
fn text_of_the_other_axes() {
    let b = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    snapshot("hairpin-external", &gateway(Behavior { hairpinning: Hairpinning::ExternalSource, ..b }));
    snapshot("hairpin-internal", &gateway(Behavior { hairpinning: Hairpinning::InternalSource, ..b }));
    snapshot("random-ports-400ms", &gateway(Behavior { ports: PortAssignment::Random, lifetime_ms: 400, ..b }));
    let pool = [2, 3, 4].map(|d| Ipv4Addr::new(203, 0, 113, d)).to_vec();
    snapshot("pool", &Gateway { external: pool, ..gateway(b) });
}
