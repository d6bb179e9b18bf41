#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;

use super::*;
use crate::event::{Event, Happened};
use crate::ice::{CandidateType, IceRole, OfferRole};
use crate::plan::ExpectedOutcome;
use crate::trace::script::*;
use crate::trace::{CheckState, Trace};
use crate::verdict::{Cause, UnknownCause};

fn record(script: &Script) -> TrialRecord {
    TrialRecord::of(&script.events).unwrap()
}

fn host_info() -> HostInfo {
    HostInfo {
        kernel: "6.18".into(),
        machine: "x86_64".into(),
        cpus: 2,
        privileges: "as root".into(),
        ..HostInfo::default()
    }
}

fn scripts() -> Vec<Script> {
    vec![direct(), relayed(trial(port_restricted(), ExpectedOutcome::Direct)), exhausted()]
}

/// The same trial with the other peer offering.
fn swapped(script: &Script) -> TrialRecord {
    let mut record = record(script);
    std::mem::swap(&mut record.offerer, &mut record.answerer);
    record.id = format!("shown/{}-offers", record.offerer);
    for agent in &mut record.agents {
        agent.offer_role = match agent.offer_role {
            OfferRole::Offerer => OfferRole::Answerer,
            OfferRole::Answerer => OfferRole::Offerer,
        };
    }
    record
}

#[test]
fn a_trials_record_says_everything_a_report_shows() {
    let r = record(&direct());
    assert_eq!((r.outcome, r.verdict), (Outcome::Direct, Verdict::Met));
    let times = r.times;
    assert!(times.gather_ms.unwrap() <= times.first_success_ms.unwrap());
    assert!(times.first_success_ms.unwrap() < times.connect_ms.unwrap());
    assert!(times.connect_ms.unwrap() < times.data_ms.unwrap());
    assert_eq!(times.given_up_ms, None);
    assert_eq!(r.relay, trial::RelayUse { needed: Some(false), used: false, after_ms: None });
    assert_eq!(r.nats.len(), 2);
    assert_eq!(r.nats[0].measurement.as_ref().unwrap().from, ALICE);
    assert_eq!(r.nats[0].classic_name.as_deref(), Some("port-restricted cone"));

    let alice = r.agent(OfferRole::Offerer).unwrap();
    assert_eq!((alice.peer.as_str(), alice.ice_role), (ALICE, Some(IceRole::Controlling)));
    assert_eq!((alice.agent.as_deref(), alice.version.as_deref()), (Some("webrtc-ice"), Some("0.17.2")));
    assert_eq!(alice.local_candidates[1].candidate.related_port, Some(5000));
    assert_eq!(alice.stun[0].mapped, Some(endpoint(ALICE_SRFLX)));
    assert_eq!(alice.stun[0].took_ms, Some(1.0));
    let [unanswered, used] = alice.candidate_pairs.as_slice() else { panic!("{:?}", alice.candidate_pairs) };
    assert_eq!((unanswered.state, unanswered.selected), (CheckState::InProgress, false));
    assert_eq!(unanswered.remote_candidate_type, CandidateType::Host);
    assert_eq!((used.state, used.selected, used.nominated), (CheckState::Succeeded, true, true));
    assert_eq!(used.local_candidate_type, Some(CandidateType::Host), "by its base");
    assert_eq!(used.remote_candidate_type, CandidateType::ServerReflexive);
    assert_eq!(used.current_round_trip_time, Some(0.002));
    let bob = r.agent(OfferRole::Answerer).unwrap();
    assert!(bob.candidate_pairs[0].selected, "reported by its base");
    assert_eq!((bob.messages_sent, bob.messages_received), (1, 1));
}

#[test]
fn a_relayed_record_says_how_late_and_through_which_relay() {
    let r = record(&relayed(trial(port_restricted(), ExpectedOutcome::Relayed)));
    assert_eq!((r.relay.needed, r.relay.used), (Some(true), true));
    assert!(r.relay.after_ms.unwrap() <= r.times.connect_ms.unwrap());
    let bob = r.agent(OfferRole::Answerer).unwrap();
    let pair = &bob.candidate_pairs[0];
    assert_eq!((pair.local, pair.remote), (endpoint(BOB_RELAY), endpoint(ALICE_SRFLX)));
    assert_eq!(pair.local_candidate_type, Some(CandidateType::Relayed));
    assert_eq!(pair.relay.unwrap().client, endpoint(BOB_HOST));
    assert_eq!((pair.state, pair.selected), (CheckState::Waiting, true), "bob sent no check himself");
    assert_eq!(bob.turn[0].state, agent::TurnState::Allocated);
    assert_eq!(bob.turn[0].permitted, [endpoint(ALICE_SRFLX)]);
    let alice = r.agent(OfferRole::Offerer).unwrap();
    assert_eq!(alice.candidate_pairs[0].remote_candidate_type, CandidateType::Relayed);
}

#[test]
fn credentials_are_not_in_the_record() {
    let mut plan = with_turn(trial(symmetric(), ExpectedOutcome::Relayed), BOB, crate::net::Transport::Udp);
    for server in &mut plan.servers {
        server.password = "SeCrEt".to_owned();
    }
    for server in plan.peers.values_mut().flat_map(|p| &mut p.ice_servers) {
        server.credential = Some("SeCrEt".to_owned());
    }
    let text = serde_json::to_string(&record(&relayed(plan))).unwrap();
    assert!(!text.contains("SeCrEt"));
    assert!(text.contains(&format!("turn:{TURN}")));
}

#[test]
fn a_record_survives_json_to_the_last_digit() {
    let trials: Vec<TrialRecord> = scripts().iter().map(record).collect();
    let whole = Record::new("0.1.0", host_info(), trials, false);
    let text = serde_json::to_string_pretty(&whole).unwrap();
    let read: Record = serde_json::from_str(&text).unwrap();
    assert_eq!(read, whole);
    assert_eq!(serde_json::to_string_pretty(&read).unwrap(), text);
}

#[test]
fn names_are_those_of_the_w3c_where_they_exist() {
    let r = Record::new("0.1.0", host_info(), scripts().iter().map(record).collect(), false);
    let json = serde_json::to_value(&r).unwrap();
    assert_eq!(json["schemaVersion"], SCHEMA_VERSION);
    let trials = json["trials"].as_array().unwrap();
    assert_eq!(trials[0]["outcome"], "direct");
    assert!(trials[0].get("unknownCause").is_none());
    assert_eq!(trials[2]["outcome"], "no-path");
    let agent = &trials[0]["agents"][0];
    let pair = &agent["candidatePairs"][1];
    for name in [
        "state",
        "nominated",
        "requestsSent",
        "retransmissionsSent",
        "responsesReceived",
        "requestsReceived",
        "responsesSent",
        "currentRoundTripTime",
        "totalRoundTripTime",
    ] {
        assert!(pair.get(name).is_some(), "{name}");
    }
    for name in
        ["foundation", "component", "protocol", "priority", "address", "port", "type", "relatedAddress", "relatedPort"]
    {
        assert!(agent["localCandidates"][1].get(name).is_some(), "{name}");
    }
    assert_eq!(agent["selectedPair"]["local"]["type"], "srflx");
}

#[test]
fn no_name_has_an_underscore() {
    fn walk(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    // What an agent says of its timers is in the agent's words.
                    if name != "timers" {
                        found.extend(name.contains('_').then(|| name.clone()));
                        walk(value, found);
                    }
                }
            }
            serde_json::Value::Array(values) => values.iter().for_each(|value| walk(value, found)),
            _ => {}
        }
    }
    let mut plan = trial(port_restricted(), ExpectedOutcome::Direct);
    plan.expectation = Some(crate::plan::Expectation { connect_within_ms: Some(900), ..Default::default() });
    let trials = vec![record(&relayed(plan)), record(&exhausted()), swapped(&exhausted())];
    let json = serde_json::to_value(Record::new("0.1.0", host_info(), trials, false)).unwrap();
    let mut found = Vec::new();
    walk(&json, &mut found);
    assert_eq!(found, [""; 0]);
    assert_eq!(json["trials"][0]["expectation"]["connectWithinMs"], 900);
    assert_eq!(json["trials"][0]["nats"][0]["declared"]["lifetimeMs"], 120_000);
}

#[test]
fn an_unknown_outcome_carries_its_cause_beside_it() {
    let mut s = direct();
    s.happened(Happened::Interrupted);
    let r = record(&s);
    assert_eq!(r.outcome, Outcome::Unknown(UnknownCause::Interrupted));
    let json = serde_json::to_value(&r).unwrap();
    assert_eq!((&json["outcome"], &json["unknownCause"]), (&"unknown".into(), &"interrupted".into()));
    assert_eq!(serde_json::from_value::<TrialRecord>(json).unwrap(), r);
}

#[test]
fn the_conclusion_is_the_worst_of_all_trials() {
    let conclude = |verdicts: &[Verdict], interrupted| {
        let trials = verdicts.iter().map(|v| TrialRecord { verdict: *v, ..record(&direct()) }).collect();
        Record::new("0.1.0", host_info(), trials, interrupted).conclusion()
    };
    use Verdict::*;
    assert_eq!(conclude(&[Met, Met], false), Conclusion::Met);
    assert_eq!(conclude(&[Met, Void, Unmet], false), Conclusion::Unmet);
    for undecided in [Void, Skipped, Inconclusive] {
        assert_eq!(conclude(&[Met, undecided], false), Conclusion::Undecided);
    }
    assert_eq!(conclude(&[], false), Conclusion::Nothing);
    assert_eq!(conclude(&[Unmet], true), Conclusion::Interrupted);
}

#[test]
fn equal_outcomes_of_both_offer_directions_are_data_and_no_finding() {
    let swaps = role_swaps(&[record(&direct()), swapped(&direct())]);
    let [swap] = swaps.as_slice() else { panic!("{swaps:?}") };
    assert!(!swap.outcome_differs && swap.finding.is_none());
    let [one, other] = &swap.directions;
    assert_eq!((one.offerer.as_str(), other.offerer.as_str()), (ALICE, BOB));
    assert_eq!(one.offerer_types, Some([CandidateType::ServerReflexive; 2]));
    assert_eq!(one.offerer_ice_role, Some(IceRole::Controlling));
    assert!(one.connect_ms.is_some());
}

#[test]
fn another_outcome_in_the_other_offer_direction_is_a_finding() {
    let worse = relayed(trial(port_restricted(), ExpectedOutcome::Direct));
    let [one, other] = [record(&worse), swapped(&direct())];
    let swaps = role_swaps(&[one.clone(), other.clone()]);
    let finding = swaps[0].finding.as_ref().unwrap();
    assert!(swaps[0].outcome_differs);
    assert_eq!(finding.cause, Cause::OfferDirection);
    assert!(
        finding.text.contains("relayed when alice") && finding.text.contains("direct when bob"),
        "{}",
        finding.text
    );
    assert!(
        finding.text.ends_with("; there, no direct pair ever answered, although the NAT model says that one works")
    );
    assert!(finding.remedy.contains("let bob offer"));

    let racy = |mut r: TrialRecord| {
        r.prediction.racy = true;
        r
    };
    let swaps = role_swaps(&[racy(one.clone()), racy(other.clone())]);
    assert!(swaps[0].outcome_differs && swaps[0].finding.is_none(), "packet order decides");
    let void = TrialRecord { verdict: Verdict::Void, ..other.clone() };
    assert!(!role_swaps(&[one.clone(), void])[0].outcome_differs);
    let second = TrialRecord { repeat: 2, ..other };
    assert!(role_swaps(&[one, second]).is_empty(), "another repeat");
}

#[test]
fn repeats_are_told_as_k_of_n() {
    let runs: Vec<TrialRecord> = (1..=4)
        .map(|repeat| TrialRecord {
            repeat,
            verdict: if repeat == 3 { Verdict::Unmet } else { Verdict::Met },
            outcome: if repeat == 3 { Outcome::Relayed } else { Outcome::Direct },
            times: trial::Times { connect_ms: Some(f64::from(repeat) * 10.0), ..trial::Times::default() },
            ..record(&direct())
        })
        .collect();
    let repeats = repeats::repeats(&runs);
    let [r] = repeats.as_slice() else { panic!("{repeats:?}") };
    assert_eq!((r.runs, r.met), (4, 3));
    assert_eq!(
        r.outcomes.iter().map(|o| (o.outcome, o.count)).collect::<Vec<_>>(),
        [(Outcome::Direct, 3), (Outcome::Relayed, 1)]
    );
    assert_eq!(r.connect_ms, Some(repeats::Spread { min: 10.0, median: 20.0, max: 40.0 }));
    assert!(repeats::repeats(&runs[..1]).is_empty());
}

#[test]
fn the_live_trace_and_the_stored_events_give_one_record() {
    for script in scripts() {
        let mut live = Trace::new(&script.trial);
        for event in &script.events {
            live.push(event);
        }
        let text: Vec<String> = script.events.iter().map(|e| serde_json::to_string(e).unwrap()).collect();
        let stored: Vec<Event> = text.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(TrialRecord::new(&script.trial, &live), TrialRecord::of(&stored).unwrap());
    }
}

proptest! {
    #[test]
    fn any_events_after_the_plan_have_a_record(
        which in 0usize..3,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..150),
        stretch in prop::sample::select(vec![0u64, 1, 1_000_000, u64::MAX / 100]),
    ) {
        let script = scripts().swap_remove(which);
        let mut events = vec![script.events[0].clone()];
        for index in order {
            let mut event = index.get(&script.events).clone();
            event.t_us = event.t_us.saturating_mul(stretch);
            events.push(event);
        }
        let record = TrialRecord::of(&events).unwrap();
        let text = serde_json::to_string(&record).unwrap();
        prop_assert_eq!(serde_json::from_str::<TrialRecord>(&text).unwrap(), record);
    }

    #[test]
    fn truncated_events_have_a_record_that_never_claims_too_much(which in 0usize..3, keep in 1usize..200) {
        let script = scripts().swap_remove(which);
        let whole = record(&script);
        let keep = keep.min(script.events.len());
        let part = TrialRecord::of(&script.events[..keep]).unwrap();
        prop_assert!(
            part.outcome == whole.outcome || part.outcome == Outcome::Unknown(UnknownCause::Unfinished),
            "{} events: {:?}", keep, part.outcome
        );
    }
}
