//! Causes and remedies.

use super::*;

/// Both symmetric, both refused by TURN: RFC 8489 servers answer 401 again, the `turn` crate 400.
#[test]
fn wrong_turn_credentials_are_named() {
    for code in [400, 401] {
        let mut plan = with_turn(trial(symmetric(), ExpectedOutcome::NoPath), ALICE, Transport::Udp);
        plan = with_turn(plan, BOB, Transport::Udp);
        plan.prediction.outcomes.clear();
        plan = expecting(plan, ExpectedOutcome::NoPath);
        let mut s = Script::new(plan);
        s.offer();
        s.allocate(ALICE, ALICE_HOST, Err(code)).allocate(BOB, BOB_HOST, Err(code));
        s.candidate(ALICE, &host(ALICE_HOST)).candidate(BOB, &host(BOB_HOST)).ended(ALICE).ended(BOB);
        s.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
        s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST);
        s.deadline(Awaited::Connect, Some(ALICE), 20_000);
        s.closed();
        let j = judged(&s);
        assert_eq!((j.outcome, j.verdict), (Outcome::NoPath, Verdict::Met));
        let refused: Vec<_> = j.diagnoses.iter().filter(|d| d.cause == Cause::TurnRefused).collect();
        assert_eq!(refused.len(), 2, "{:?}", j.diagnoses);
        assert!(refused[0].text.contains(&format!("{code}, its answer to wrong credentials")), "{}", refused[0].text);
        assert!(refused[0].remedy.contains("user name and password"));
        assert!(!causes(&j).contains(&Cause::NoTurn));
    }
}

#[test]
fn an_unanswered_turn_server_and_one_that_was_never_asked_are_told_apart() {
    let plan = || with_turn(trial(symmetric(), ExpectedOutcome::Relayed), BOB, Transport::Udp);
    let mut s = Script::new(plan());
    s.gathered();
    let request = s.request(BOB, BOB_HOST, TURN, crate::event::Method::Allocate);
    for _ in 0..3 {
        s.packet(request.clone());
    }
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 20_000);
    let j = judged(&s);
    assert_eq!((j.verdict, causes(&j)), (Verdict::Unmet, vec![Cause::TurnUnreachable]));
    assert!(j.diagnoses[0].text.contains("answered none of 3 requests of bob over udp"));

    let mut s = Script::new(plan());
    s.gathered();
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 20_000);
    assert!(causes(&judged(&s)).contains(&Cause::TurnUnused));
}

#[test]
fn a_reported_turn_failure_counts_where_the_wire_shows_nothing() {
    let mut s = Script::new(with_turn(trial(symmetric(), ExpectedOutcome::Relayed), BOB, Transport::Tcp));
    s.gathered();
    let url = format!("turn:{TURN}?transport=tcp");
    s.said(BOB, AgentEvent::CandidateError { url, code: 701, message: "connection refused".to_owned() });
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 20_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::TurnUnreachable]);
    assert!(j.diagnoses[0].text.contains("connection refused"));
}

#[test]
fn blocked_udp_without_turn_over_tcp_is_named_once() {
    let mut plan = with_turn(trial(symmetric(), ExpectedOutcome::NoPath), ALICE, Transport::Udp);
    plan.peers.get_mut(ALICE).unwrap().behavior.udp = UdpPolicy::Blocked;
    let mut s = Script::new(plan);
    s.offer();
    s.stun(ALICE, ALICE_HOST, None);
    let request = s.request(ALICE, ALICE_HOST, TURN, crate::event::Method::Allocate);
    s.packet(request);
    s.stun(BOB, BOB_HOST, Some(BOB_SRFLX));
    s.deadline(Awaited::Connect, Some(ALICE), 20_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::UdpBlocked]);
    assert!(j.diagnoses[0].remedy.contains("transport=tcp"));
}

#[test]
fn a_silent_stun_server_is_named() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.offer();
    s.stun(ALICE, ALICE_HOST, None).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
    s.candidate(ALICE, &host(ALICE_HOST)).candidate(BOB, &host(BOB_HOST));
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST).checks_in_vain(BOB, BOB_HOST, ALICE_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::StunUnanswered]);
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(ALICE));
}

/// The relay's permission is by address (RFC 8656 §9): without STUN on the other side it is for a private one.
#[test]
fn a_permission_for_a_private_address_is_named() {
    let mut plan = with_turn(trial(symmetric(), ExpectedOutcome::NoPath), ALICE, Transport::Udp);
    plan.peers.get_mut(BOB).unwrap().ice_servers.clear();
    let mut s = Script::new(plan);
    s.offer();
    s.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).allocate(ALICE, ALICE_HOST, Ok("203.0.113.30:50001"));
    s.candidate(ALICE, &host(ALICE_HOST)).candidate(ALICE, &relay("203.0.113.30:50001"));
    s.candidate(BOB, &host(BOB_HOST)).ended(ALICE).ended(BOB);
    s.permission(ALICE, ALICE_HOST, BOB_HOST);
    s.checks_in_vain(BOB, BOB_HOST, "203.0.113.30:50001").checks_in_vain(ALICE, ALICE_HOST, BOB_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 20_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::PermissionForPrivateAddress]);
    assert!(j.diagnoses[0].remedy.starts_with("give bob a STUN server"));
}

#[test]
fn gathering_cut_short_is_named_with_what_was_lost() {
    let mut plan = expecting(trial(port_restricted(), ExpectedOutcome::Direct), ExpectedOutcome::NoPath);
    plan.ice.gathering = Gathering::Incomplete;
    let mut s = Script::new(plan);
    s.offer();
    s.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
    s.candidate(ALICE, &host(ALICE_HOST)).candidate(BOB, &host(BOB_HOST));
    s.announces(ALICE, &srflx(ALICE_SRFLX, ALICE_HOST));
    s.announces(BOB, &srflx(BOB_SRFLX, BOB_HOST));
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST).checks_in_vain(BOB, BOB_HOST, ALICE_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(j.verdict, Verdict::Met);
    assert_eq!(causes(&j), [Cause::GatheringCutShort, Cause::GatheringCutShort]);
    assert!(j.diagnoses[0].text.contains("the offer of alice") && j.diagnoses[0].text.ends_with("1 srflx"));
    assert!(j.diagnoses[1].text.contains("the answer of bob"));
    assert!(j.diagnoses[0].remedy.contains("trickle"));
}

#[test]
fn two_that_both_control_are_named() {
    let mut plan = trial(port_restricted(), ExpectedOutcome::Direct);
    plan.prediction.outcomes.clear();
    plan = expecting(plan, ExpectedOutcome::NoPath);
    let mut s = Script::new(plan);
    s.gathered();
    for (node, from, to, seen_from, seen_to) in
        [(ALICE, ALICE_HOST, BOB_SRFLX, ALICE_SRFLX, BOB_HOST), (BOB, BOB_HOST, ALICE_SRFLX, BOB_SRFLX, ALICE_HOST)]
    {
        let check = crate::event::Packet { ice_role: Some(IceRole::Controlling), ..s.check(node, from, to) };
        let there = crate::event::Packet {
            node: s.trial.other(node).to_owned(),
            direction: crate::event::Direction::In,
            from: endpoint(seen_from),
            to: endpoint(seen_to),
            ..check.clone()
        };
        s.packet(check);
        s.packet(there);
    }
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::RoleConflict]);
    assert!(j.diagnoses[0].text.contains("alice and bob are both controlling"), "{}", j.diagnoses[0].text);
}

#[test]
fn an_answer_that_comes_after_the_checks_were_used_up_is_named() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    s.checks_in_vain(BOB, BOB_HOST, ALICE_SRFLX);
    s.t_us += 2_000_000;
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_SRFLX);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::LateAnswer]);
    assert!(j.diagnoses[0].text.starts_with("bob had given up"), "{}", j.diagnoses[0].text);
}

#[test]
fn a_direct_pair_that_answered_too_late_explains_the_relay() {
    let mut s = relayed(trial(port_restricted(), ExpectedOutcome::Direct));
    // The direct pair's check was answered after the relayed one had been nominated.
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), false);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::Suboptimal]);
    assert!(j.diagnoses[0].text.contains("when a relayed one was in use already"), "{}", j.diagnoses[0].text);
}

#[test]
fn an_agent_that_could_send_checks_and_does_not_is_named() {
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_SRFLX);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::NoChecks]);
    assert_eq!(j.diagnoses[0].peer.as_deref(), Some(BOB));
}

#[test]
fn behaviours_without_a_classic_name_are_still_named() {
    let odd = crate::nat::Behavior::napt(Mapping::AddressDependent, Filtering::AddressAndPortDependent);
    let s = under(exhausted(), |trial| {
        for peer in trial.peers.values_mut() {
            peer.behavior = odd;
        }
    });
    assert!(judged(&s).diagnoses[0].text.contains("alice (ADM/APDF) and bob (ADM/APDF)"));
}

#[test]
fn a_candidate_policy_that_leaves_the_path_out_is_named_instead_of_turn() {
    use crate::ice::CandidatePolicy;
    let mut plan = trial(port_restricted(), ExpectedOutcome::NoPath);
    for peer in plan.peers.values_mut() {
        peer.policy = CandidatePolicy::Host;
    }
    let mut s = Script::new(plan);
    s.offer();
    s.candidate(ALICE, &host(ALICE_HOST)).candidate(BOB, &host(BOB_HOST)).ended(ALICE).ended(BOB);
    s.checks_in_vain(ALICE, ALICE_HOST, BOB_HOST).checks_in_vain(BOB, BOB_HOST, ALICE_HOST);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    let j = judged(&s);
    assert_eq!(causes(&j), [Cause::CandidatePolicy; 2]);
    assert!(j.diagnoses[0].text.contains("alice may use host candidates only"));
}
