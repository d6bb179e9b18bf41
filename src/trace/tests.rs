#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use proptest::prelude::*;
use serde_json::json;

use super::script::*;
use super::*;
use crate::event::{Awaited, Class};
use crate::ice::{CandidateType, IceRole};
use crate::plan::ExpectedOutcome;
use crate::protocol::{AgentEvent, CommandBody, IceState, Reply, SdpType, Stats};

fn trace(script: &Script) -> Trace {
    Trace::of(&script.events).unwrap().1
}

#[test]
fn a_direct_trial_is_told_by_reports_and_wire_alike() {
    let t = trace(&direct());
    let alice = &t.offerer;
    assert_eq!(
        alice.local.iter().map(|c| c.candidate.kind).collect::<Vec<_>>(),
        [CandidateType::Host, CandidateType::ServerReflexive]
    );
    assert_eq!(t.answerer.remote.len(), 2);
    assert_eq!(alice.servers.reflexive[0].mapped.unwrap().0, endpoint(ALICE_SRFLX));
    assert_eq!(alice.ice_role(), Some(IceRole::Controlling));
    assert_eq!(t.answerer.ice_role(), Some(IceRole::Controlled));
    let pairs = alice.checks.pairs();
    assert_eq!(pairs.len(), 2);
    assert_eq!((pairs[0].requests_sent, pairs[0].state(None)), (1, CheckState::InProgress));
    assert_eq!((pairs[1].requests_sent, pairs[1].responses_received, pairs[1].requests_received), (1, 1, 1));
    assert_eq!(pairs[1].state(None), CheckState::Succeeded);
    assert_eq!(pairs[1].round_trips_us, [2000]);
    assert_eq!(pairs[1].mapped, Some(endpoint(ALICE_SRFLX)));
    assert!(pairs[1].nominated.is_some());
    let bob = &t.answerer.checks.pairs()[0];
    assert!(bob.nominated.is_some(), "nominated by the other side");
    assert!(t.data_both_ways());
    assert!(matches!(t.path(), Path::Known { class: PathClass::Direct, .. }));
    let connected = t.both_connected().unwrap();
    assert_eq!(connected, t.answerer.connected().unwrap());
    assert!(t.since_offer_ms(connected).unwrap() > 0.0);
    assert_eq!(t.since_offer_ms(t.offered.unwrap()), Some(0.0));
    assert!(t.since_offer_ms(alice.configured.as_ref().unwrap().at).unwrap() < 0.0);
}

#[test]
fn checks_through_a_relay_belong_to_the_relayed_address() {
    let t = trace(&relayed(trial(port_restricted(), ExpectedOutcome::Relayed)));
    let bob = &t.answerer;
    let pair = &bob.checks.pairs()[0];
    let via = pair.key.relay.unwrap();
    assert_eq!((pair.key.base, pair.key.remote), (endpoint(BOB_HOST), endpoint(ALICE_SRFLX)));
    let allocation = bob.servers.allocation(pair.key.base, via).unwrap();
    assert_eq!(allocation.relayed.unwrap().0, endpoint(BOB_RELAY));
    assert_eq!(allocation.errors.len(), 1, "the challenge");
    assert_eq!(allocation.permissions[0].peer, endpoint(ALICE_SRFLX));
    assert!(allocation.permissions[0].granted.is_some());
    assert_eq!(t.wire_class(pair), PathClass::Relayed);
    assert_eq!(t.wire_class(&t.offerer.checks.pairs()[0]), PathClass::Relayed, "by the remote address");
    assert!(matches!(t.path(), Path::Known { class: PathClass::Relayed, .. }));
}

#[test]
fn a_peer_reflexive_remote_with_a_relays_address_is_relayed() {
    let mut s = relayed(trial(port_restricted(), ExpectedOutcome::Relayed));
    s.pair(ALICE, (CandidateType::Host, ALICE_HOST), (CandidateType::PeerReflexive, BOB_RELAY));
    let t = trace(&s);
    assert_eq!(t.reported_class(&t.offerer).unwrap().0, PathClass::Relayed);
}

#[test]
fn a_base_reported_for_a_relayed_pair_does_not_hide_the_relay() {
    let mut s = relayed(trial(port_restricted(), ExpectedOutcome::Relayed));
    // Bob's own check through his relay is answered too; then he reports the base only.
    let out =
        Packet { to: endpoint(TURN), relay_peer: Some(endpoint(ALICE_SRFLX)), ..s.check(BOB, BOB_HOST, ALICE_SRFLX) };
    s.packet(out.clone());
    s.packet(answer(&out, Class::Success));
    s.pair(BOB, (CandidateType::Host, BOB_HOST), (CandidateType::ServerReflexive, ALICE_SRFLX));
    let t = trace(&s);
    assert_eq!(t.reported_class(&t.answerer).unwrap().0, PathClass::Relayed);
}

#[test]
fn sides_that_report_different_paths_are_disputed_unless_the_wire_knows() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    s.pair(ALICE, (CandidateType::ServerReflexive, ALICE_SRFLX), (CandidateType::ServerReflexive, BOB_SRFLX));
    s.pair(BOB, (CandidateType::Relayed, BOB_RELAY), (CandidateType::ServerReflexive, ALICE_SRFLX));
    assert!(matches!(trace(&s).path(), Path::Disputed { .. }));
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), true);
    assert!(matches!(trace(&s).path(), Path::Known { class: PathClass::Direct, .. }));
}

#[test]
fn without_any_report_the_wire_tells_the_path() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    assert_eq!(trace(&s).path(), Path::Unseen);
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), true);
    assert!(matches!(trace(&s).path(), Path::Known { class: PathClass::Direct, .. }));
}

#[test]
fn the_pair_of_stats_beats_the_last_one_announced() {
    let mut s = direct();
    s.told(BOB, CommandBody::Stats);
    let settled = pair((CandidateType::PeerReflexive, BOB_SRFLX), (CandidateType::PeerReflexive, ALICE_SRFLX));
    s.reply(BOB, Reply { stats: Some(Stats { selected: Some(settled.clone()) }), ..accepted() });
    s.pair(BOB, (CandidateType::Host, BOB_HOST), (CandidateType::Host, ALICE_HOST));
    let t = trace(&s);
    assert_eq!(t.answerer.selected().unwrap().0, &settled);
    assert_eq!(t.offerer.selected().unwrap().0.local.kind, CandidateType::ServerReflexive);
}

#[test]
fn a_retransmission_is_no_new_check_and_gives_no_round_trip() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    let check = s.check(ALICE, ALICE_HOST, BOB_SRFLX);
    s.packet(check.clone());
    s.packet(check.clone());
    s.packet(answer(&check, Class::Success));
    s.packet(answer(&check, Class::Success));
    let t = trace(&s);
    let pair = &t.offerer.checks.pairs()[0];
    assert_eq!((pair.requests_sent, pair.retransmissions_sent, pair.transmissions()), (1, 1, 2));
    assert_eq!((pair.responses_received, pair.round_trips_us.len()), (1, 0));
}

#[test]
fn an_answer_from_elsewhere_fails_its_check() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    let check = s.check(ALICE, ALICE_HOST, BOB_SRFLX);
    s.packet(check.clone());
    s.packet(Packet { from: endpoint(BOB_HOST), ..answer(&check, Class::Success) });
    let t = trace(&s);
    let pair = &t.offerer.checks.pairs()[0];
    assert_eq!((pair.responses_received, pair.non_symmetric, pair.state(None)), (0, 1, CheckState::Failed));
    assert!(t.offerer.checks.first_success.is_none());
}

#[test]
fn the_proof_of_exhaustion_names_what_it_rests_on() {
    let s = hopeless();
    let t = trace(&s);
    let end = t.last_us;
    assert_eq!(t.exhausted(end), None, "not quiet yet");
    let quiet = 10 * CHECK_INTERVAL_US;
    assert_eq!(t.exhausted(end + quiet - 1), None);
    let proof = t.exhausted(end + quiet).unwrap();
    let last = t.offerer.checks.pairs()[1].last_sent.unwrap().event;
    for cited in [
        last,
        t.offerer.configured.as_ref().unwrap().at.event,
        t.answerer.gathering_ended.unwrap().event,
        t.answerer.remote.last().unwrap().at.event,
    ] {
        assert!(proof.contains(&cited), "{cited} in {proof:?}");
    }
    assert!(proof.is_sorted());
}

#[test]
fn without_each_part_of_the_proof_the_trial_goes_on() {
    let late = 60_000_000;
    assert!(trace(&hopeless()).exhausted(late).is_some());
    let without = |name: &str, drop: &dyn Fn(&Event) -> bool| {
        let s = hopeless();
        let events: Vec<Event> = s.events.iter().filter(|e| !drop(e)).cloned().collect();
        assert!(events.len() < s.events.len(), "{name}");
        assert_eq!(Trace::of(&events).unwrap().1.exhausted(late), None, "without {name}");
    };
    let said = |e: &Event, ev: &str, of: &str| matches!(&e.what, Happened::Said { node, message } if message["ev"] == ev && node == of);
    without("what bob gives up after", &|e| said(e, "reply", BOB));
    without("the end of alice's gathering", &|e| said(e, "gathering", ALICE));
    without(
        "the offer",
        &|e| matches!(&e.what, Happened::Told { node, message } if message["cmd"] == "description" && node == BOB),
    );
    without(
        "bob's candidates told",
        &|e| matches!(&e.what, Happened::Told { node, message } if message["cmd"] == "candidate" && node == ALICE),
    );
    without("bob's checks", &|e| matches!(&e.what, Happened::Packet(p) if p.check && p.node == BOB));
    let last = trace(&hopeless()).answerer.checks.pairs()[0].last_sent.unwrap().event;
    without("one check", &|e| e.seq == last);
}

#[test]
fn anything_that_comes_back_keeps_a_trial_alive() {
    let late = 60_000_000;
    let check = |s: &Script| {
        let packet = s.events.iter().rev().find_map(|e| match &e.what {
            Happened::Packet(p) if p.check => Some(p.clone()),
            _ => None,
        });
        packet.unwrap()
    };
    for class in [Class::Success, Class::Error] {
        let mut s = hopeless();
        let answered = answer(&check(&s), class);
        s.packet(answered);
        assert_eq!(trace(&s).exhausted(late), None, "{class:?}");
    }
    let mut s = hopeless();
    s.connected(BOB);
    assert_eq!(trace(&s).exhausted(late), None);
    let mut s = hopeless();
    let asked = s.request(BOB, BOB_HOST, TURN, crate::event::Method::CreatePermission);
    s.packet(asked.clone());
    assert_eq!(trace(&s).exhausted(late), None, "a permission is on its way");
    s.packet(answer(&asked, Class::Success));
    assert!(trace(&s).exhausted(late).is_some());
    s.announces(BOB, &relay(BOB_RELAY));
    assert_eq!(trace(&s).exhausted(late), None, "a late candidate is on its way");
    s.happened(Happened::Held {
        node: BOB.to_owned(),
        what: "candidate".to_owned(),
        reason: format!("no trickle: {}", relay(BOB_RELAY)),
    });
    assert!(trace(&s).exhausted(late).is_some(), "it will never come");
}

#[test]
fn two_sides_without_any_pair_are_exhausted() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.offer();
    s.ended(ALICE).ended(BOB);
    assert!(trace(&s).exhausted(60_000_000).is_some());
    s.candidate(ALICE, &host(ALICE_HOST));
    assert!(trace(&s).exhausted(60_000_000).is_some(), "bob has nothing to send from");
    s.candidate(BOB, &host(BOB_HOST));
    assert_eq!(trace(&s).exhausted(60_000_000), None, "now both can send, and will");
}

#[test]
fn without_a_declared_interval_the_longest_gap_counts() {
    let mut s = hopeless();
    for event in &mut s.events {
        if let Happened::Said { message, .. } = &mut event.what
            && message["ev"] == "reply"
        {
            message["timers"] = json!(null);
        }
    }
    let mut late = s.check(BOB, BOB_HOST, ALICE_SRFLX);
    s.t_us += 500_000;
    let at = s.t_us;
    late.transaction = "f".repeat(24);
    s.packet(late);
    let t = trace(&s);
    let gap = t.answerer.checks.pairs()[1].longest_gap_us;
    assert!(gap > 500_000);
    assert_eq!(t.exhausted(at + 3 * gap - 1), None);
    assert!(t.exhausted(at + 3 * gap).is_some());
}

#[test]
fn what_is_said_after_the_trial_was_given_up_comes_too_late() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.gathered();
    s.connected(ALICE);
    s.deadline(Awaited::Connect, Some(BOB), 15_000);
    s.connected(BOB);
    let t = trace(&s);
    assert!(t.was_connected(&t.offerer).is_some());
    assert!(t.was_connected(&t.answerer).is_none());
    assert!(t.both_connected().is_none());
}

#[test]
fn a_lost_connection_is_none_when_the_trial_is_given_up() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.gathered();
    s.connected(ALICE);
    s.said(ALICE, AgentEvent::State { ice: Some(IceState::Failed), connection: None });
    s.deadline(Awaited::Connect, Some(BOB), 15_000);
    let t = trace(&s);
    assert!(t.was_connected(&t.offerer).is_none());
    assert!(t.offerer.connected().is_some());
}

#[test]
fn candidates_inside_a_description_count_like_others_and_only_once() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.hello();
    let sdp = format!("v=0\r\na={}\r\na=end-of-candidates\r\n", host(BOB_HOST));
    s.said(BOB, AgentEvent::Description { sdp_type: SdpType::Answer, sdp: sdp.clone(), complete: false });
    s.announces(BOB, &host(BOB_HOST));
    s.told(ALICE, CommandBody::Description { sdp_type: SdpType::Answer, sdp });
    let t = trace(&s);
    assert_eq!(t.answerer.local.len(), 1);
    assert!(t.answerer.local[0].in_description);
    assert!(t.answerer.gathering_ended.is_some());
    assert_eq!(t.offerer.remote.len(), 1);
    assert_eq!(t.answerer.untold(&t.offerer).count(), 0);
}

#[test]
fn lines_that_break_the_protocol_are_kept_and_unknown_events_are_not() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    let mut say = |message| s.happened(Happened::Said { node: ALICE.to_owned(), message });
    say(json!({"ev": "hello"}));
    say(json!({"ev": "from-the-future", "x": 1}));
    say(json!({"no": "ev"}));
    say(json!({"ev": "candidate", "candidate": "candidate:nonsense"}));
    let t = trace(&s);
    let texts: Vec<&str> = t.offerer.violations.iter().map(|v| v.text.as_str()).collect();
    assert_eq!(texts.len(), 3, "{texts:?}");
    assert!(texts[0].starts_with("`hello` is not as the protocol wants it"));
}

#[test]
fn events_without_a_plan_have_no_trace() {
    assert_eq!(Trace::of(&[]).unwrap_err(), NoPlan);
    assert_eq!(Trace::of(&direct().events[1..]).unwrap_err(), NoPlan);
}

proptest! {
    #[test]
    fn no_order_of_events_makes_the_fold_panic(
        which in 0usize..3,
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
        now in any::<u64>(),
        stretch in prop::sample::select(vec![0u64, 1, 1_000_000, u64::MAX / 100]),
    ) {
        let all = [direct(), relayed(trial(port_restricted(), ExpectedOutcome::Relayed)), exhausted()][which].events.clone();
        let mut trace = Trace::new(&trial(port_restricted(), ExpectedOutcome::Direct));
        for index in order {
            let mut event = index.get(&all).clone();
            event.t_us = event.t_us.saturating_mul(stretch);
            trace.push(&event);
            let _ = trace.exhausted(now);
        }
        let _ = (trace.path(), trace.both_connected(), trace.data_both_ways());
    }
}
