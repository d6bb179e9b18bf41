#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod diagnoses;
mod loss;

use serde_json::json;

use super::*;
use crate::event::{Awaited, Happened, ProcessRole};
use crate::ice::{CandidateType, IceRole};
use crate::nat::{Filtering, Mapping, Measured, UdpPolicy};
use crate::net::Transport;
use crate::plan::{AgentProgram, Expectation, Gathering};
use crate::protocol::{AgentEvent, CommandBody, Refusal, Reply};
use crate::trace::script::*;

fn judged(script: &Script) -> Judgement {
    let (trial, trace) = Trace::of(&script.events).unwrap();
    let judgement = judge(&trial, &trace);
    // Whatever is said cites events that exist.
    let cited = judgement.reasons.iter().flat_map(|r| &r.events);
    let cited = cited.chain(judgement.diagnoses.iter().flat_map(|d| &d.events));
    let known = script.events.len() as u64;
    assert!(cited.copied().all(|event| event < known), "{judgement:#?}");
    for diagnosis in &judgement.diagnoses {
        assert!(!diagnosis.text.is_empty() && !diagnosis.remedy.is_empty() && !diagnosis.remedy.ends_with('.'));
    }
    judgement
}

fn causes(judgement: &Judgement) -> Vec<Cause> {
    judgement.diagnoses.iter().map(|d| d.cause).collect()
}

fn expecting(mut trial: Trial, outcome: ExpectedOutcome) -> Trial {
    trial.expectation = Some(Expectation { outcome: vec![outcome], ..Expectation::default() });
    trial
}

/// The same events under another plan.
fn under(mut script: Script, change: impl FnOnce(&mut Trial)) -> Script {
    let Happened::Plan { trial } = &mut script.events[0].what else { panic!("no plan") };
    change(trial);
    script.trial = (**trial).clone();
    script
}

#[test]
fn a_direct_path_as_predicted_is_met_and_needs_no_diagnosis() {
    let j = judged(&direct());
    assert_eq!((j.outcome, j.verdict), (Outcome::Direct, Verdict::Met));
    assert_eq!(j.diagnoses, []);
    assert_eq!(j.accepted, [ExpectedOutcome::Direct]);
    assert!(j.reasons.iter().all(|reason| !reason.events.is_empty()));
}

#[test]
fn a_relay_where_one_is_needed_is_met() {
    let j = judged(&relayed(trial(port_restricted(), ExpectedOutcome::Relayed)));
    assert_eq!((j.outcome, j.verdict), (Outcome::Relayed, Verdict::Met));
    assert_eq!(j.diagnoses, []);
}

#[test]
fn a_relay_where_a_direct_path_works_is_unmet_and_suboptimal() {
    let j = judged(&relayed(trial(port_restricted(), ExpectedOutcome::Direct)));
    assert_eq!((j.outcome, j.verdict), (Outcome::Relayed, Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::Suboptimal]);
    assert!(j.diagnoses[0].text.contains("no direct pair ever answered"), "{}", j.diagnoses[0].text);
}

#[test]
fn a_scenario_may_expect_a_relay_although_the_model_knows_better() {
    let plan = expecting(trial(port_restricted(), ExpectedOutcome::Direct), ExpectedOutcome::Relayed);
    let j = judged(&relayed(plan));
    assert_eq!((j.outcome, j.verdict), (Outcome::Relayed, Verdict::Met));
    assert!(j.reasons.iter().any(|r| r.text.contains("the NAT model predicts direct: the scenario counts")));
}

#[test]
fn racy_predictions_accept_both_and_say_so() {
    let racy = |script: Script| {
        under(script, |trial| {
            trial.prediction.outcomes = vec![ExpectedOutcome::Direct, ExpectedOutcome::Relayed];
            trial.prediction.racy = true;
        })
    };
    for script in [direct(), relayed(trial(port_restricted(), ExpectedOutcome::Relayed))] {
        let j = judged(&racy(script));
        assert_eq!(j.verdict, Verdict::Met);
        assert!(j.reasons.iter().any(|r| r.text.contains("depend on packet order")), "{:?}", j.reasons);
    }
    assert_eq!(judged(&racy(exhausted())).verdict, Verdict::Unmet, "no path is not one of them");
}

#[test]
fn no_path_with_proof_is_met_where_it_is_predicted_and_says_what_is_missing() {
    let j = judged(&exhausted());
    assert_eq!((j.outcome, j.verdict), (Outcome::NoPath, Verdict::Met));
    assert!(j.reasons[0].events.len() > 8, "the proof: {:?}", j.reasons[0]);
    assert_eq!(causes(&j), [Cause::NoTurn]);
    assert!(j.diagnoses[0].text.contains("alice (APDM/APDF, symmetric) and bob"), "{}", j.diagnoses[0].text);
    assert!(j.diagnoses[0].remedy.contains("TURN server"));
}

#[test]
fn no_path_at_the_deadline_where_one_is_predicted_is_unmet() {
    let mut s = under(hopeless(), |trial| trial.prediction.outcomes = vec![ExpectedOutcome::Direct]);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    s.closed();
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::NoPath, Verdict::Unmet));
    assert!(j.reasons[0].text.contains("within 15000 ms"));
    assert_eq!(causes(&j), [Cause::ChecksLost]);
}

#[test]
fn one_side_alone_is_half_open_and_never_success() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), true);
    s.connected(ALICE);
    s.deadline(Awaited::Connect, Some(BOB), 15_000);
    s.closed();
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::HalfOpen), Verdict::Unmet));
    assert!(causes(&j).contains(&Cause::HalfOpen));
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(BOB));
}

#[test]
fn connected_without_right_data_is_no_success() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), true);
    s.connected(ALICE);
    s.connected(BOB);
    for node in [ALICE, BOB] {
        s.told(node, CommandBody::Send { data: format!("natlab {node} 0") });
    }
    s.said(BOB, AgentEvent::Data { data: "natlab alice 0".to_owned() });
    s.said(ALICE, AgentEvent::Data { data: "natlab bob 0 and more".to_owned() });
    assert_eq!(judged(&s).outcome, Outcome::Unknown(UnknownCause::Unfinished), "not waited for yet");
    s.deadline(Awaited::Data, Some(ALICE), 3_000);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::NoData), Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::NoData]);
    assert!(j.diagnoses[0].text.contains("something else"), "{}", j.diagnoses[0].text);
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(BOB));
}

#[test]
fn of_a_full_and_a_raw_agent_only_ice_is_judged() {
    let mut s = direct();
    for event in &mut s.events {
        if let Happened::Said { node, message } = &mut event.what
            && node == ALICE
            && message["ev"] == "hello"
        {
            message["level"] = json!("webrtc");
        }
    }
    s.without(|e| matches!(&e.what, Happened::Said { message, .. } if message["ev"] == "data"));
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Direct, Verdict::Met));
    assert!(j.reasons[0].text.contains("only ICE is judged"));
}

#[test]
fn a_crash_is_the_agents_and_its_last_words_are_told() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    let role = ProcessRole::Agent;
    s.happened(Happened::Stderr { node: BOB.to_owned(), role, text: "assertion failed".to_owned() });
    s.exited(BOB, None, false);
    s.exited(ALICE, Some(0), true);
    s.happened(Happened::Finished);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::Crashed), Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::AgentCrashed]);
    assert!(j.diagnoses[0].text.contains("signal 11") && j.diagnoses[0].text.contains("assertion failed"));
    // Even after everything went well: a product that falls over at its end is not fine.
    let mut s = direct();
    s.exited(ALICE, Some(1), false);
    assert_eq!(judged(&s).verdict, Verdict::Unmet);
}

#[test]
fn an_agent_that_answers_nothing_hangs() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.measured();
    s.said(ALICE, AgentEvent::Hello(hello(&[])));
    s.deadline(Awaited::Hello, Some(BOB), 30_000);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::Hung), Verdict::Unmet));
    let hung: Vec<_> = j.diagnoses.iter().filter(|d| d.cause == Cause::AgentHung).collect();
    assert!(hung.iter().any(|d| d.peer.as_deref() == Some(BOB) && d.text.contains("did not say hello")), "{hung:?}");
    assert!(hung.iter().all(|d| d.peer.as_deref() == Some(BOB)), "alice waits for natlab: {hung:?}");

    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.offer();
    s.without(|e| matches!(&e.what, Happened::Said { node, message } if node == BOB && message["ev"] == "description"));
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(j.outcome, Outcome::Unknown(UnknownCause::Hung));
    assert!(j.reasons[0].text.contains("the agent of bob produced no description"), "{:?}", j.reasons);
}

#[test]
fn garbage_spoils_nothing_but_is_named_when_something_went_wrong() {
    let litter = |s: &mut Script| {
        s.happened(Happened::Garbage { node: ALICE.to_owned(), text: "Listening on …".to_owned(), bytes: 14 });
    };
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    litter(&mut s);
    let clean = direct();
    for event in &clean.events[1..] {
        s.t_us = event.t_us;
        s.happened(event.what.clone());
    }
    let j = judged(&s);
    assert_eq!((j.verdict, j.diagnoses.len()), (Verdict::Met, 0));
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.hello();
    s.configure(BOB);
    litter(&mut s);
    s.deadline(Awaited::Configured, Some(ALICE), 5_000);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::Hung), Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::AgentHung, Cause::AgentGarbage]);
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(BOB), "alice was not asked yet");
}

#[test]
fn a_flood_is_the_agents() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.hello();
    s.happened(Happened::Flood { node: BOB.to_owned(), role: ProcessRole::Agent, bytes: 70_000_000 });
    s.exited(BOB, None, false);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::Flooded), Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::AgentFlooded]);
}

#[test]
fn fatal_errors_refusals_and_other_protocols_are_the_agents() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.offer();
    s.said(ALICE, AgentEvent::Error { code: "failed".into(), message: "no sockets".into(), fatal: true });
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::AgentError), Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::AgentError]);

    let refuse = |code: &str| {
        let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
        s.hello();
        s.told(BOB, CommandBody::Description { sdp_type: crate::protocol::SdpType::Offer, sdp: String::new() });
        let error = Some(Refusal { code: code.to_owned(), message: "no credentials".to_owned() });
        s.reply(BOB, Reply { ok: false, error, ..accepted() });
        judged(&s)
    };
    assert_eq!(refuse("failed").outcome, Outcome::Unknown(UnknownCause::Refused));

    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.measured();
    s.said(BOB, AgentEvent::Hello(crate::protocol::Hello { protocol: 9, ..hello(&[]) }));
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::Protocol), Verdict::Unmet));
}

#[test]
fn an_agent_that_cannot_be_started_is_whose_program_it_is() {
    let start_failed = |plan: Trial| {
        let mut s = Script::new(plan);
        s.measured();
        let error = "./my-agent: No such file or directory".to_owned();
        s.happened(Happened::StartFailed { node: BOB.to_owned(), role: ProcessRole::Agent, error });
        judged(&s)
    };
    let own = trial(port_restricted(), ExpectedOutcome::Direct);
    let mut foreign = own.clone();
    foreign.peers.get_mut(BOB).unwrap().agent = AgentProgram::Command(vec!["./my-agent".to_owned()]);
    assert_eq!(start_failed(own).verdict, Verdict::Inconclusive);
    let j = start_failed(foreign);
    assert_eq!((j.verdict, causes(&j)), (Verdict::Unmet, vec![Cause::AgentNotStarted]));
}

#[test]
fn a_gateway_not_as_declared_voids_the_trial() {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.happened(Happened::NatMeasured {
        nat: "home-a".to_owned(),
        from: ALICE.to_owned(),
        declared: symmetric(),
        measured: Measured { mapping: Some(Mapping::EndpointIndependent), ..Measured::default() },
        differences: vec!["mapping: declared APDM, measured EIM".to_owned()],
    });
    s.happened(Happened::Finished);
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::NatNotAsDeclared), Verdict::Void));
    assert_eq!(causes(&j), [Cause::NatNotAsDeclared]);
    assert_eq!(j.reasons[0].events, [1]);
}

#[test]
fn nothing_counts_unmeasured() {
    let mut s = direct();
    s.without(|e| matches!(&e.what, Happened::NatMeasured { nat, .. } if nat == "home-b"));
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::Unknown(UnknownCause::NatNotMeasured), Verdict::Inconclusive));
    assert!(j.reasons[0].text.contains("home-b"));
}

#[test]
fn what_natlab_the_host_or_the_user_spoils_is_inconclusive() {
    let spoilt = |what: Happened| {
        let mut s = direct();
        s.happened(what);
        let j = judged(&s);
        assert_eq!(j.verdict, Verdict::Inconclusive, "{j:?}");
        j.outcome
    };
    let server = ProcessRole::Server;
    let node = || "turn".to_owned();
    assert_eq!(spoilt(Happened::Interrupted), Outcome::Unknown(UnknownCause::Interrupted));
    assert_eq!(spoilt(Happened::LabFailed { error: "no veth".into() }), Outcome::Unknown(UnknownCause::LabFailed));
    for failure in [
        Happened::StartFailed { node: node(), role: server, error: "address in use".to_owned() },
        Happened::Exited { node: node(), role: server, code: Some(1), signal: None, expected: false },
        Happened::Deadline { node: Some(node()), what: Awaited::Server, limit_ms: 10_000 },
    ] {
        assert_eq!(spoilt(failure), Outcome::Unknown(UnknownCause::ServerFailed));
    }
    let mut s = direct();
    s.happened(Happened::Exited { node: node(), role: server, code: Some(0), signal: None, expected: true });
    assert_eq!(judged(&s).verdict, Verdict::Met, "teardown");
    // Cut anywhere, the events decide nothing that was not decided yet.
    let whole = direct();
    for n in 1..whole.events.len() {
        let mut cut = whole.clone();
        cut.events.truncate(n);
        let j = judged(&cut);
        assert!(
            j.outcome == Outcome::Direct || j.outcome == Outcome::Unknown(UnknownCause::Unfinished),
            "after {n} events: {:?}",
            j.outcome
        );
    }
}

#[test]
fn a_missing_capability_skips_the_trial_with_its_reason() {
    let with_caps = |plan: Trial, caps: &[&str]| {
        let mut s = Script::new(plan);
        s.measured();
        for node in [ALICE, BOB] {
            s.said(node, AgentEvent::Hello(hello(caps)));
        }
        judged(&s)
    };
    let skipped = (Outcome::Unknown(UnknownCause::MissingCapability), Verdict::Skipped);
    let mut forced = trial(port_restricted(), ExpectedOutcome::Direct);
    forced.peers.get_mut(BOB).unwrap().ice_role = Some(IceRole::Controlling);
    let j = with_caps(forced.clone(), &["policy"]);
    assert_eq!((j.outcome, j.verdict), skipped);
    assert!(j.reasons[0].text.contains("bob: webrtc-ice has no capability `ice_role`"), "{:?}", j.reasons);
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(BOB));
    assert_ne!(with_caps(forced, &["ice_role"]).verdict, Verdict::Skipped);

    let tcp = with_turn(trial(symmetric(), ExpectedOutcome::Relayed), ALICE, Transport::Tcp);
    assert_eq!(with_caps(tcp.clone(), &["turn-udp"]).verdict, Verdict::Skipped);
    assert_ne!(with_caps(tcp, &["turn-tcp"]).verdict, Verdict::Skipped);
    let fallback = with_turn(trial(port_restricted(), ExpectedOutcome::Direct), ALICE, Transport::Udp);
    assert_ne!(with_caps(fallback, &[]).verdict, Verdict::Skipped, "TURN is not needed where direct is right");

    let mut typed = trial(port_restricted(), ExpectedOutcome::Direct);
    typed.expectation = Some(Expectation { local: vec![CandidateType::Host], ..Expectation::default() });
    assert_eq!(with_caps(typed, &[]).verdict, Verdict::Skipped);
}

#[test]
fn a_capability_that_is_ignored_after_all_is_missing_too() {
    let mut plan = trial(port_restricted(), ExpectedOutcome::Direct);
    plan.peers.get_mut(ALICE).unwrap().ice_role = Some(IceRole::Controlled);
    let mut s = Script::new(plan);
    s.hello();
    s.configure(ALICE);
    s.reply(ALICE, Reply { ignored: vec!["ice_role".to_owned()], ..accepted() });
    let j = judged(&s);
    assert_eq!(j.verdict, Verdict::Skipped);
    assert!(j.reasons[0].text.contains("ignores `ice_role`"));
}

#[test]
fn types_are_compared_as_sets_and_only_where_stated() {
    use CandidateType::{Host, PeerReflexive, ServerReflexive};
    let stating = |local: &[CandidateType], remote: &[CandidateType]| {
        judged(&under(direct(), |trial| {
            trial.expectation =
                Some(Expectation { local: local.to_vec(), remote: remote.to_vec(), ..Expectation::default() });
        }))
    };
    assert_eq!(stating(&[ServerReflexive], &[]).verdict, Verdict::Met);
    assert_eq!(stating(&[PeerReflexive, ServerReflexive], &[ServerReflexive, Host]).verdict, Verdict::Met);
    let j = stating(&[], &[Host, PeerReflexive]);
    assert_eq!((j.outcome, j.verdict), (Outcome::Direct, Verdict::Unmet));
    assert!(j.reasons.iter().any(|r| r.text == "remote candidate of alice is srflx, stated was host or prflx"));
}

#[test]
fn the_time_to_connect_is_compared_where_stated() {
    let within = |limit_ms| {
        judged(&under(direct(), |trial| {
            trial.expectation = Some(Expectation { connect_within_ms: Some(limit_ms), ..Expectation::default() });
        }))
    };
    assert_eq!(within(1000).verdict, Verdict::Met);
    let j = within(5);
    assert_eq!((j.outcome, j.verdict), (Outcome::Direct, Verdict::Unmet));
    assert_eq!(causes(&j), [Cause::TooSlow]);
}

#[test]
fn without_rule_and_expectation_nothing_is_concluded() {
    let j = judged(&under(direct(), |trial| trial.prediction.outcomes.clear()));
    assert_eq!((j.outcome, j.verdict), (Outcome::Direct, Verdict::Inconclusive));
    let j = judged(&under(direct(), |trial| {
        trial.prediction.outcomes.clear();
        trial.expectation = Some(Expectation { outcome: vec![ExpectedOutcome::Direct], ..Expectation::default() });
    }));
    assert_eq!(j.verdict, Verdict::Met);
}
