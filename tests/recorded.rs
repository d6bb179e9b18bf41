//! Real trials, judged again from their stored events: no privileges, any system.
//!
//! The fixtures are `events.jsonl` of `natlab run port-restricted-cone no-turn udp-blocked-turn-tcp --out DIR`, taken from
//! `DIR/SCENARIO/alice-offers`; when the form of events changes, they are taken again.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use natlab::event::{Direction, Event, Happened};
use natlab::ice::{CandidateType, IceRole, OfferRole};
use natlab::net::Transport;
use natlab::record::agent::TurnState;
use natlab::record::{AgentRecord, TrialRecord};
use natlab::trace::{CheckState, Trace};
use natlab::verdict::{Cause, Outcome, Verdict};

fn events(name: &str) -> Vec<Event> {
    read(&format!("events/{name}"))
}

fn read(name: &str) -> Vec<Event> {
    let path = format!("{}/tests/fixtures/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

fn sides(record: &TrialRecord) -> [&AgentRecord; 2] {
    [OfferRole::Offerer, OfferRole::Answerer].map(|role| record.agent(role).unwrap())
}

#[test]
fn two_port_restricted_cones_are_direct() {
    let record = TrialRecord::of(&events("port-restricted-cone")).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::Direct, Verdict::Met));
    assert_eq!(record.diagnoses, []);
    assert_eq!((record.relay.needed, record.relay.used), (Some(false), false));
    assert!(record.nats.iter().all(|nat| nat.measurement.as_ref().is_some_and(|m| m.differences.is_empty())));
    let times = record.times;
    assert!(times.first_success_ms < times.connect_ms && times.connect_ms < times.data_ms, "{times:?}");
    for (agent, role) in sides(&record).into_iter().zip([IceRole::Controlling, IceRole::Controlled]) {
        assert_eq!(agent.ice_role, Some(role));
        let selected: Vec<_> = agent.candidate_pairs.iter().filter(|pair| pair.selected).collect();
        let [pair] = selected.as_slice() else { panic!("{selected:?}") };
        assert!(pair.nominated && pair.state == CheckState::Succeeded);
        assert!(pair.responses_received > 0 && pair.round_trips_us.len() == pair.responses_received as usize);
        assert_eq!(pair.remote_candidate_type, CandidateType::ServerReflexive);
        assert!(agent.faults.is_empty());
    }
}

#[test]
fn two_symmetric_nats_without_turn_have_no_path_and_the_proof_can_be_repeated() {
    let events = events("no-turn");
    let record = TrialRecord::of(&events).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::NoPath, Verdict::Met));
    assert_eq!(record.diagnoses.iter().map(|d| d.cause).collect::<Vec<_>>(), [Cause::NoTurn]);
    for agent in sides(&record) {
        assert_eq!(agent.candidate_pairs.len(), 4);
        for pair in &agent.candidate_pairs {
            assert_eq!((pair.requests_sent, pair.responses_received, pair.requests_received), (51, 0, 0));
            assert_eq!(pair.state, CheckState::Failed, "as many as the agent sends on one pair");
        }
    }
    let mut trace = Trace::of(&events[..1]).unwrap().1;
    for event in &events[1..] {
        if let Happened::Exhausted { because } = &event.what {
            assert_eq!(trace.exhausted(event.t_us).as_ref(), Some(because));
            return;
        }
        trace.push(event);
        assert_eq!(trace.exhausted(event.t_us), None, "too early, at event {}", event.seq);
    }
    panic!("the trial was not ended by proof");
}

#[test]
fn a_side_without_udp_is_relayed_over_tcp() {
    let record = TrialRecord::of(&events("udp-blocked-turn-tcp")).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::Relayed, Verdict::Met));
    assert!(record.relay.after_ms.unwrap() < record.times.connect_ms.unwrap());
    let [alice, bob] = sides(&record);
    let [allocation] = alice.turn.as_slice() else { panic!("{:?}", alice.turn) };
    assert_eq!((allocation.transport, allocation.state), (Transport::Tcp, TurnState::Allocated));
    assert_eq!(allocation.errors, [401], "the challenge");
    let pair = alice.candidate_pairs.iter().find(|pair| pair.selected).unwrap();
    assert_eq!((Some(pair.local), pair.local_candidate_type), (allocation.relayed, Some(CandidateType::Relayed)));
    assert_eq!(pair.relay.unwrap().transport, Transport::Tcp);
    assert_eq!(pair.remote_candidate_type, CandidateType::PeerReflexive);
    assert!(alice.stun.iter().all(|stun| stun.mapped.is_none()), "UDP is blocked");
    assert!(bob.stun.iter().any(|stun| stun.mapped.is_some()));
    // Bob's way there is one of his own candidates, straight to the relay.
    let pair = bob.candidate_pairs.iter().find(|pair| pair.selected).unwrap();
    assert_eq!((pair.relay, pair.remote_candidate_type), (None, CandidateType::Relayed));
}

#[test]
fn every_prefix_of_a_real_trial_has_a_record() {
    let events = events("port-restricted-cone");
    let whole = TrialRecord::of(&events).unwrap();
    for n in 1..events.len() {
        let part = TrialRecord::of(&events[..n]).unwrap();
        assert!(
            part.outcome == whole.outcome || part.verdict == Verdict::Inconclusive,
            "after {n} events: {:?} {:?}",
            part.outcome,
            part.reasons
        );
    }
}

/// `docs/findings.md`: the trial as it was before the built-in agent held its relayed checks back.
#[test]
fn a_relayed_check_that_overtakes_its_candidate_is_suboptimal() {
    let record = TrialRecord::of(&read("findings/relayed-check-overtakes-candidate")).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::Relayed, Verdict::Unmet));
    assert_eq!(record.diagnoses.iter().map(|d| d.cause).collect::<Vec<_>>(), [Cause::Suboptimal]);
    assert_eq!((record.relay.needed, record.relay.used), (Some(false), true));
    // The pair that was nominated ends at a relay, which is not the offerer's own.
    let [offerer, answerer] = sides(&record);
    let selected = offerer.candidate_pairs.iter().find(|pair| pair.selected).unwrap();
    let relay = answerer.local_candidates.iter().find(|c| c.candidate.kind == CandidateType::Relayed).unwrap();
    assert_eq!(Some(selected.remote), relay.candidate.endpoint());
    // It was learnt from a check: nominated without the half second that a relay waits with these timers.
    let reported = offerer.selected_pair.as_ref().unwrap();
    assert_eq!(reported.remote.kind, CandidateType::PeerReflexive);
    assert!(selected.nominated_ms.unwrap() < 500.0);
}

/// `docs/findings.md`: as it was before tracked connections were forgotten once a table is loaded.
#[test]
fn a_probe_that_a_tracked_answer_keeps_from_its_port_is_inconclusive() {
    let record = TrialRecord::of(&read("findings/answer-tracked-while-a-table-is-loaded")).unwrap();
    assert_eq!(record.verdict, Verdict::Inconclusive, "never a pass, and never the NAT's fault");
    let home = record.nats.iter().find(|nat| nat.name == "home").unwrap();
    let measured = &home.measurement.as_ref().unwrap().measured;
    assert!(measured.evidence.iter().any(|line| line.ends_with(":6004 to 198.51.100.1:3478: no answer")));
    assert!(!measured.contradicts(&home.measurement.as_ref().unwrap().declared));
}

/// `docs/findings.md`: as it was before the built-in agent let candidates in before it begins its checks after a late answer.
#[test]
fn relayed_checks_that_wait_for_a_late_answer_are_suboptimal() {
    let events = read("findings/late-answer-after-relayed-checks");
    let record = TrialRecord::of(&events).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::Relayed, Verdict::Unmet));
    assert_eq!(record.diagnoses.iter().map(|d| d.cause).collect::<Vec<_>>(), [Cause::Suboptimal]);
    let [offerer, answerer] = sides(&record);
    let relay = answerer.local_candidates.iter().find(|c| c.candidate.kind == CandidateType::Relayed).unwrap();
    let reported = offerer.selected_pair.as_ref().unwrap();
    assert_eq!(reported.remote.kind, CandidateType::PeerReflexive);
    assert_eq!((&reported.remote.address, reported.remote.port), (&relay.candidate.address, relay.candidate.port));
    // She had been told the candidate before she sent anything, but not before she read her sockets.
    let told = |event: &&Event| match &event.what {
        Happened::Told { node, message } => {
            node == "alice" && message["candidate"].as_str().is_some_and(|line| line.contains("typ relay"))
        }
        _ => false,
    };
    let answered = |event: &&Event| match &event.what {
        Happened::Packet(packet) => packet.node == "alice" && packet.check && packet.direction == Direction::Out,
        _ => false,
    };
    let first = |which: &dyn Fn(&&Event) -> bool| events.iter().find(|event| which(event)).unwrap().t_us;
    assert!(first(&told) < first(&answered));
}

/// `docs/findings.md`: no answer to the one request, no address, and a relay in place of a direct path.
#[test]
fn an_address_that_was_asked_for_once_on_a_lossy_link_is_inconclusive() {
    let events = read("findings/address-asked-once-on-a-lossy-link");
    let record = TrialRecord::of(&events).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::Relayed, Verdict::Inconclusive));
    assert_eq!(record.diagnoses.iter().map(|d| d.cause).collect::<Vec<_>>(), [Cause::LinkLoss]);
    let [alice, bob] = sides(&record);
    let asked = |agent: &AgentRecord| agent.stun.iter().map(|s| (s.requests, s.mapped.is_some())).collect::<Vec<_>>();
    assert_eq!((asked(alice), asked(bob)), (vec![(1, false)], vec![(1, true), (1, true)]));
    // Allocate is sent again: the library's TURN client has a timer, and its STUN client has none.
    assert!(alice.turn.iter().any(|turn| turn.relayed.is_some()));
    let why = record.reasons.last().unwrap();
    assert!(
        why.text.contains("(once) for its address; loss alone does that with a chance of up to 14.5 %"),
        "{}",
        why.text
    );
    assert!(why.events.contains(&alice.stun[0].events[0]), "the request itself is cited");
}

/// `docs/findings.md`: requests of the TURN client that were lost kept every check back.
#[test]
fn checks_that_wait_for_a_lost_permission_are_inconclusive() {
    let record = TrialRecord::of(&read("findings/checks-held-back-by-a-lost-permission")).unwrap();
    assert_eq!((record.outcome, record.verdict), (Outcome::NoPath, Verdict::Inconclusive));
    let [alice, bob] = sides(&record);
    assert!(alice.turn[0].relayed.is_some() && alice.turn[0].requests == 4);
    let sent = |agent: &AgentRecord| agent.candidate_pairs.iter().map(|p| p.requests_sent).collect::<Vec<_>>();
    assert_eq!(sent(alice), [1, 1], "of 51 each");
    assert!(sent(bob).iter().all(|n| *n >= 51));
    let why = &record.reasons.last().unwrap().text;
    assert!(why.contains("alice asked 198.51.100.5:3478 for a permission (5 times)"), "{why}");
}
