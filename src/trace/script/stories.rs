//! Whole trials: what most tests begin with.

use super::*;
use crate::trace::Trace;

/// Two port-restricted cones: direct over server-reflexive candidates.
pub(crate) fn direct() -> Script {
    use CandidateType::{Host, ServerReflexive};
    let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
    s.gathered();
    let unanswered = s.check(ALICE, ALICE_HOST, BOB_HOST);
    s.packet(unanswered);
    s.answered(ALICE, (ALICE_HOST, BOB_SRFLX), (ALICE_SRFLX, BOB_HOST), true);
    s.answered(BOB, (BOB_HOST, ALICE_SRFLX), (BOB_SRFLX, ALICE_HOST), false);
    s.pair(ALICE, (ServerReflexive, ALICE_SRFLX), (ServerReflexive, BOB_SRFLX));
    s.connected(ALICE);
    s.pair(BOB, (Host, BOB_HOST), (ServerReflexive, ALICE_SRFLX));
    s.connected(BOB);
    s.data().closed();
    s
}

/// A port-restricted cone and a relay of Bob's, which the caller says what it is worth.
pub(crate) fn relayed(trial: Trial) -> Script {
    use CandidateType::{Relayed, ServerReflexive};
    let mut s = Script::new(with_turn(trial, BOB, Transport::Udp));
    s.offer();
    s.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
    s.allocate(BOB, BOB_HOST, Ok(BOB_RELAY));
    s.candidate(ALICE, &host(ALICE_HOST)).candidate(ALICE, &srflx(ALICE_SRFLX, ALICE_HOST)).ended(ALICE);
    s.candidate(BOB, &host(BOB_HOST)).candidate(BOB, &srflx(BOB_SRFLX, BOB_HOST)).candidate(BOB, &relay(BOB_RELAY));
    s.ended(BOB).permission(BOB, BOB_HOST, ALICE_SRFLX);
    // Alice to Bob's relay: Bob's tap sees the inside of a Data indication from the server.
    let request = Packet { use_candidate: true, ..s.check(ALICE, ALICE_HOST, BOB_RELAY) };
    let inside = Packet {
        node: BOB.to_owned(),
        direction: Direction::In,
        from: endpoint(TURN),
        to: endpoint(BOB_HOST),
        relay_peer: Some(endpoint(ALICE_SRFLX)),
        ..request.clone()
    };
    s.packet(request.clone());
    s.packet(inside.clone());
    s.packet(answer(&inside, Class::Success));
    s.packet(answer(&request, Class::Success));
    s.pair(ALICE, (ServerReflexive, ALICE_SRFLX), (Relayed, BOB_RELAY));
    s.connected(ALICE);
    s.pair(BOB, (Relayed, BOB_RELAY), (ServerReflexive, ALICE_SRFLX));
    s.connected(BOB);
    s.data().closed();
    s
}

/// Two symmetric NATs without TURN, as far as every check was sent in vain.
pub(crate) fn hopeless() -> Script {
    let mut s = Script::new(trial(symmetric(), ExpectedOutcome::NoPath));
    s.gathered();
    let begin = s.t_us;
    for (node, from, to) in [
        (ALICE, ALICE_HOST, BOB_HOST),
        (ALICE, ALICE_HOST, BOB_SRFLX),
        (BOB, BOB_HOST, ALICE_HOST),
        (BOB, BOB_HOST, ALICE_SRFLX),
    ] {
        s.t_us = begin;
        s.checks_in_vain(node, from, to);
    }
    s
}

/// The same, ended with natlab's proof.
pub(crate) fn exhausted() -> Script {
    let mut s = hopeless();
    s.t_us += 1_000_000;
    let (_, trace) = Trace::of(&s.events).unwrap();
    let because = trace.exhausted(s.t_us).unwrap();
    s.happened(Happened::Exhausted { because });
    s.closed();
    s
}
