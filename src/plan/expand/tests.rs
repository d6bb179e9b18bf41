#![allow(clippy::unwrap_used)]
use std::collections::BTreeSet;

use super::super::sample::{home, nat, scenario, shapes, symmetric};
use super::*;
use crate::ice::CandidateType;
use crate::net::Transport;
use crate::plan::Gathering;
use crate::scenario::Expect;

fn homes() -> Scenario {
    scenario(vec![nat("home-a", home(), None), nat("home-b", symmetric(), None)], [Some("home-a"), Some("home-b")])
}

fn expect(offerer: Option<&str>, outcome: &[ExpectedOutcome]) -> Expect {
    Expect {
        offerer: offerer.map(str::to_owned),
        outcome: outcome.to_vec(),
        local: vec![],
        remote: vec![],
        connect_within_ms: None,
        because: None,
    }
}

#[test]
fn a_trial_for_each_offer_direction_of_each_repeat() {
    let mut s = homes();
    s.repeats = 3;
    let trials = trials(&s).unwrap();
    let ids: Vec<&str> = trials.iter().map(|t| t.id.as_str()).collect();
    assert_eq!(
        ids,
        [
            "sample/alice-offers",
            "sample/bob-offers",
            "sample/alice-offers#2",
            "sample/bob-offers#2",
            "sample/alice-offers#3",
            "sample/bob-offers#3"
        ]
    );
    assert_eq!(trials[1].answerer, "alice");
}

#[test]
fn repeats_differ_in_their_seeds_and_offer_directions_do_not() {
    let mut s = homes();
    s.repeats = 2;
    let trials = trials(&s).unwrap();
    assert_eq!(trials[0].topology, trials[1].topology);
    assert_ne!(trials[0].seed, trials[2].seed);
    let seeds = |t: &Trial| -> BTreeSet<u64> {
        t.topology.nodes.iter().filter_map(|n| n.gateway.as_ref()).map(|g| g.seed).collect()
    };
    assert_eq!(seeds(&trials[0]).len(), 2, "each gateway has its own");
    assert!(seeds(&trials[0]).is_disjoint(&seeds(&trials[2])));
}

#[test]
fn equal_scenarios_give_equal_plans_and_plans_survive_json() {
    for (shape, scenario) in shapes() {
        let once = trials(&scenario).unwrap();
        assert_eq!(once, trials(&scenario).unwrap(), "{shape}");
        for trial in once {
            let text = serde_json::to_string(&trial).unwrap();
            assert_eq!(serde_json::from_str::<Trial>(&text).unwrap(), trial, "{shape}");
        }
    }
}

#[test]
fn a_plan_as_data() {
    insta::assert_json_snapshot!(trials(&homes()).unwrap()[0]);
}

#[test]
fn a_peer_is_given_the_servers_of_the_scenario() {
    let trials = trials(&homes()).unwrap();
    let alice = &trials[0].peers["alice"];
    assert_eq!(alice.ice_servers[0].urls, ["stun:203.0.113.3:3478"]);
    assert_eq!(alice.ice_servers[1].urls, ["turn:203.0.113.5:3478?transport=udp"]);
    assert_eq!(alice.ice_servers[1].username.as_deref(), Some("user"));
    assert!(!alice.wrong_credentials);
    assert_eq!(alice.behind, ["home-a"]);
    assert_eq!(trials[0].servers[0].endpoint().unwrap().to_string(), "203.0.113.3:3478");
}

#[test]
fn deadlines_follow_the_prediction_and_the_held_back_answer() {
    let mut s = homes();
    assert_eq!(trials(&s).unwrap()[0].deadlines.connect_ms, 20_000);
    s.nats[1].behavior = home();
    s.ice.answer_delay_ms = 2_500;
    assert_eq!(trials(&s).unwrap()[0].deadlines.connect_ms, 17_500);
    s.connect_deadline_ms = Some(900);
    s.hello_deadline_ms = Some(400);
    let deadlines = trials(&s).unwrap()[0].deadlines.clone();
    assert_eq!((deadlines.connect_ms, deadlines.hello_ms), (900, 400));
}

#[test]
fn what_is_stated_for_one_direction_beats_what_is_stated_for_both() {
    let mut s = homes();
    let relayed = Expect { offerer: Some("bob".to_owned()), ..expect(None, &[ExpectedOutcome::Relayed]) };
    let both = Expect { local: vec![CandidateType::Relayed], ..expect(None, &[ExpectedOutcome::Direct]) };
    s.expectations = vec![relayed, both];
    let trials = trials(&s).unwrap();
    let stated = |i: usize| trials[i].expectation.clone().unwrap();
    assert_eq!(stated(0).outcome, [ExpectedOutcome::Direct]);
    assert_eq!(stated(1).outcome, [ExpectedOutcome::Relayed]);
    assert_eq!(stated(1).local, [CandidateType::Relayed], "not stated for bob alone, so as stated for both");
    assert_eq!(homes().expectations, vec![]);
    assert!(super::trials(&homes()).unwrap()[0].expectation.is_none());
}

#[test]
fn without_a_rule_a_scenario_has_to_say_what_it_expects() {
    let mut s = homes();
    s.ice.gathering = Gathering::Incomplete;
    let problems = trials(&s).unwrap_err();
    assert_eq!(problems.len(), 2, "one for each offer direction, however many repeats: {problems:?}");
    assert!(problems[0].to_string().contains("cut short"), "{}", problems[0]);
    s.expectations = vec![expect(Some("alice"), &[ExpectedOutcome::NoPath])];
    assert!(matches!(&trials(&s).unwrap_err()[..], [PlanProblem::Unpredicted { offerer, .. }] if offerer == "bob"));
    s.expectations.push(expect(None, &[ExpectedOutcome::NoPath]));
    assert!(trials(&s).unwrap().iter().all(|t| t.prediction.is_unpredicted()));
}

#[test]
fn every_problem_of_a_tree_is_found_at_once() {
    let mut s = homes();
    s.nats[0].behind = Some("home-b".to_owned());
    s.nats[1].behind = Some("home-a".to_owned());
    s.peers[1].behind = Some("nowhere".to_owned());
    s.servers[0].name = "internet".to_owned();
    let problems = trials(&s).unwrap_err();
    for text in
        ["`home-a` stands behind", "`home-b` stands behind", "`bob` stands behind `nowhere`", "`internet` is the name"]
    {
        assert!(problems.iter().any(|p| p.to_string().contains(text)), "{text}: {problems:?}");
    }
    assert!(problems.iter().all(|p| !p.hint().is_empty()));
}

#[test]
fn a_transport_that_a_server_does_not_serve_is_a_problem() {
    let mut s = homes();
    s.servers[1].transports = vec![Transport::Tcp];
    assert_eq!(trials(&s).unwrap_err().len(), 2);
    s.peers[0].turn = vec![("gone".to_owned(), Transport::Tcp)];
    assert!(matches!(trials(&s).unwrap_err()[0], PlanProblem::NoSuchServer { .. }));
}

#[test]
fn credentials_are_wrong_only_if_every_turn_server_refuses_them() {
    let mut s = homes();
    s.peers[0].credentials = Some(("user".to_owned(), "guess".to_owned()));
    s.peers[1].turn = vec![];
    s.expectations = vec![expect(None, &[ExpectedOutcome::NoPath])];
    let trials = trials(&s).unwrap();
    assert!(trials[0].peers["alice"].wrong_credentials);
    assert_eq!(trials[0].peers["alice"].ice_servers[1].credential.as_deref(), Some("guess"));
    assert!(trials[0].prediction.is_unpredicted());
    s.peers[0].credentials = Some(("user".to_owned(), "password".to_owned()));
    assert!(!super::trials(&s).unwrap()[0].peers["alice"].wrong_credentials);
}
