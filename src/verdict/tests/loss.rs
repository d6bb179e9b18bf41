//! Outcomes of trials whose links lose packets.

use super::*;
use crate::event::{Class, Event, LinkDirection, Method, Packet};
use crate::ice::CandidatePolicy;
use crate::plan::{End, Link, Loss};

/// A story on links that lose these shares of what alice sends and gets, in hundredths of a percent.
fn with_losses(script: Script, up: u16, down: u16) -> Script {
    let end = |node: &str| End { node: node.to_owned(), interface: "eth0".to_owned() };
    let link = Link { a: end("home-a"), b: end(ALICE), loss: Loss { up, down } };
    under(script, |trial| trial.topology.links.push(link))
}

fn with_loss(script: Script, up: u16) -> Script {
    with_losses(script, up, 0)
}

/// So many packets of alice's were counted as lost.
fn counted(mut s: Script, dropped: u64) -> Script {
    let (node, direction) = (ALICE.to_owned(), LinkDirection::Up);
    s.happened(Happened::LinkLoss { node, direction, asked: 5_000, dropped, passed: 9 });
    s
}

/// Every check in vain until the deadline, where a direct path was predicted.
fn failed() -> Script {
    let mut s = under(hopeless(), |trial| trial.prediction.outcomes = vec![ExpectedOutcome::Direct]);
    s.t_us += 15_000_000;
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    s.closed();
    s
}

/// A relay where a direct path was predicted: alice's checks and requests were answered.
fn detour() -> Script {
    relayed(trial(port_restricted(), ExpectedOutcome::Direct))
}

fn packet(event: &Event) -> Option<&Packet> {
    match &event.what {
        Happened::Packet(packet) => Some(packet),
        _ => None,
    }
}

fn is(event: &Event, node: &str, method: Method, class: Class) -> bool {
    packet(event).is_some_and(|p| p.node == node && !p.check && p.method == method && p.class == class)
}

/// The same request sent so many times in all, one after the other.
fn sent(mut s: Script, node: &str, method: Method, times: usize) -> Script {
    let at = s.events.iter().rposition(|e| is(e, node, method, Class::Request)).unwrap();
    let again = std::iter::repeat_n(s.events[at].clone(), times - 1);
    s.events.splice(at..at, again.collect::<Vec<_>>());
    s.without(|_| false);
    s
}

/// Alice got no answer to her requests for her address, and so has no such candidate.
fn deaf(mut s: Script) -> Script {
    s.without(|e| is(e, ALICE, Method::Binding, Class::Success));
    s.without(|e| match &e.what {
        Happened::Said { message, .. } | Happened::Told { message, .. } => {
            message["candidate"] == json!(srflx(ALICE_SRFLX, ALICE_HOST))
        }
        _ => false,
    });
    s
}

#[track_caller]
fn inconclusive(script: &Script, says: &str, chance: &str) -> Judgement {
    let j = judged(script);
    assert_eq!((j.verdict, causes(&j)), (Verdict::Inconclusive, vec![Cause::LinkLoss]), "{j:#?}");
    let why = j.reasons.last().unwrap();
    assert!(why.text.contains(says) && why.text.contains(&format!(" {chance} %")), "{}", why.text);
    assert!(why.events.len() > 1 && why.events[0] == 0, "{:?}", why.events);
    assert_eq!(j.diagnoses[0].events, why.events);
    j
}

#[track_caller]
fn unmet(script: &Script) {
    let j = judged(script);
    assert_eq!(j.verdict, Verdict::Unmet, "{j:#?}");
    assert!(!causes(&j).contains(&Cause::LinkLoss));
}

#[test]
fn as_many_checks_may_be_lost_as_were_sent() {
    // Two checks, four transmissions each, half of them lost: 2 / 2^4.
    let s = counted(with_loss(failed(), 5_000), 12);
    let says = "alice checked 203.0.113.22:6000 (4 times), bob checked 203.0.113.21:5000 (4 times)";
    let j = inconclusive(&s, says, "12.5");
    assert_eq!(j.outcome, Outcome::NoPath);
    assert!(j.reasons.last().unwrap().text.contains("up 12 of 21 packets of alice"));
    // The limit is where both reach 1e-4 together: a share of 8.41 %.
    unmet(&with_loss(failed(), 840));
    inconclusive(&with_loss(failed(), 842), "alice checked", "0.010");
    unmet(&with_loss(failed(), 0));
}

/// Of all but the first two transmissions of each pair nothing was seen.
fn cut_off(mut s: Script) -> Script {
    let mut seen = std::collections::BTreeMap::new();
    s.without(|e| {
        let check = packet(e).filter(|p| p.check);
        check.is_some_and(|p| {
            let n = seen.entry((p.node.clone(), p.from, p.to)).or_insert(0);
            *n += 1;
            *n > 2
        })
    });
    s
}

#[test]
fn an_agent_that_gives_up_earlier_than_it_says_is_not_excused_by_that() {
    // It says four; 15 s later nothing has followed two.
    let stopped = cut_off(failed());
    inconclusive(&with_loss(stopped.clone(), 5_000), "alice checked 203.0.113.22:6000 (4 times)", "12.5");
    unmet(&with_loss(stopped.clone(), 500));
    // Whoever says nothing is taken at what was sent.
    let mut silent = stopped.clone();
    for event in &mut silent.events {
        if let Happened::Said { message, .. } = &mut event.what
            && let Some(reply) = message.as_object_mut()
        {
            reply.remove("checks_per_pair");
        }
    }
    inconclusive(&with_loss(silent, 500), "alice checked 203.0.113.22:6000 (2 times)", "0.5");
    // So is one that the deadline cut off.
    let mut busy = stopped;
    for event in &mut busy.events {
        if let Happened::Deadline { .. } = event.what {
            event.t_us -= 14_500_000;
        }
    }
    inconclusive(&with_loss(busy, 500), "alice checked 203.0.113.22:6000 (2 times)", "0.5");
}

#[test]
fn transmissions_cannot_be_lost_that_were_not() {
    inconclusive(&counted(with_loss(failed(), 5_000), 4), "alice", "12.5");
    unmet(&counted(with_loss(failed(), 5_000), 3));
}

#[test]
fn a_stun_server_that_did_not_hear_any_of_the_requests_may_cost_the_direct_path() {
    let twice = sent(deaf(detour()), ALICE, Method::Binding, 2);
    // 1 - 0.9 * 0.95 is 0.145, squared.
    let j = inconclusive(&with_losses(twice.clone(), 1_000, 500), "alice asked 203.0.113.10:3478 (2 times)", "2.1");
    assert_eq!(j.outcome, Outcome::Relayed);
    let cited = |j: &Judgement| {
        j.reasons.last().unwrap().events.iter().map(|e| twice.events[*e as usize].clone()).collect::<Vec<_>>()
    };
    assert_eq!(cited(&j).iter().filter(|e| is(e, ALICE, Method::Binding, Class::Request)).count(), 2);
    inconclusive(&with_losses(deaf(detour()), 1_000, 500), "203.0.113.10:3478 (once) for its address", "14.5");
    let patient = sent(deaf(detour()), ALICE, Method::Binding, 7);
    unmet(&with_losses(patient, 1_000, 500));
    unmet(&with_losses(twice, 0, 0));
}

#[test]
fn one_stun_server_that_answers_is_enough() {
    let other = |mut s: Script, answered: bool| {
        let at = s.events.iter().position(|e| is(e, ALICE, Method::Binding, Class::Request)).unwrap();
        let mut request = packet(&s.events[at]).unwrap().clone();
        (request.from, request.to, request.transaction) = (endpoint("10.1.0.2:5001"), endpoint(TURN), "ff".to_owned());
        let success = Packet { mapped: Some(endpoint(ALICE_SRFLX)), ..answer(&request, Class::Success) };
        let said = [Some(request), answered.then_some(success)].into_iter().flatten();
        let events = said.map(|p| Event { what: Happened::Packet(p), ..s.events[at].clone() });
        s.events.splice(at..at, events.collect::<Vec<_>>());
        s.without(|_| false);
        s
    };
    let says = "alice asked 203.0.113.30:3478 (once) and 203.0.113.10:3478 (once) for its address";
    inconclusive(&with_losses(other(deaf(detour()), false), 1_000, 500), says, "2.1");
    unmet(&with_losses(other(deaf(detour()), true), 1_000, 500));
}

#[test]
fn what_was_answered_or_never_asked_excuses_nothing() {
    unmet(&with_loss(detour(), 9_000));
    let mut never = deaf(detour());
    never.without(|e| is(e, ALICE, Method::Binding, Class::Request));
    unmet(&with_loss(never, 9_000));
}

#[test]
fn an_answer_after_the_relay_was_taken_is_too_late() {
    let mut late = detour();
    let at = late.events.iter().position(|e| is(e, ALICE, Method::Binding, Class::Success)).unwrap();
    let answer = late.events.remove(at);
    let mut late = sent(deaf(late), ALICE, Method::Binding, 3);
    late.events.push(answer);
    late.without(|_| false);
    inconclusive(&with_loss(late, 1_000), "203.0.113.10:3478 (3 times)", "1.0");
}

#[test]
fn a_direct_pair_that_was_tried_in_vain_until_the_relay_was_taken() {
    let tried = |times: usize, answered: bool| {
        let mut s = detour();
        let check = s.check(ALICE, ALICE_HOST, BOB_SRFLX);
        let reply = answered.then(|| answer(&check, Class::Success));
        let events: Vec<Event> = std::iter::repeat_n(check, times)
            .chain(reply)
            .map(|p| Event { seq: 0, t_us: 0, what: Happened::Packet(p) })
            .collect();
        let at = s.events.iter().position(|e| is(e, BOB, Method::CreatePermission, Class::Request)).unwrap();
        s.events.splice(at..at, events);
        s.without(|_| false);
        s
    };
    inconclusive(&with_loss(tried(2, false), 1_000), "alice checked 203.0.113.22:6000 (2 times)", "1.0");
    unmet(&with_loss(tried(5, false), 1_000));
    unmet(&with_loss(tried(2, true), 1_000));
}

/// Two symmetric NATs, and alice's TURN server does not answer her: no path where a relay was predicted.
fn without_relay(transport: Transport, asks: impl FnOnce(&mut Script)) -> Script {
    let trial = with_turn(trial(symmetric(), ExpectedOutcome::Relayed), ALICE, transport);
    let mut s = Script::new(trial);
    s.offer();
    s.stun(ALICE, ALICE_HOST, Some(ALICE_SRFLX)).stun(BOB, BOB_HOST, Some(BOB_SRFLX));
    s.candidate(ALICE, &srflx(ALICE_SRFLX, ALICE_HOST)).candidate(BOB, &srflx(BOB_SRFLX, BOB_HOST));
    asks(&mut s);
    s.t_us += 3_000_000;
    s.ended(ALICE).ended(BOB);
    s.t_us += 15_000_000;
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    s.closed();
    s
}

#[test]
fn an_allocation_that_was_not_answered_counts_its_last_request() {
    let silent = |challenged: bool| {
        without_relay(Transport::Udp, |s| {
            if challenged {
                let first = s.request(ALICE, ALICE_HOST, TURN, Method::Allocate);
                s.packet(first.clone());
                s.packet(Packet { error: Some(401), ..answer(&first, Class::Error) });
            }
            let request = s.request(ALICE, ALICE_HOST, TURN, Method::Allocate);
            for _ in 0..3 {
                s.packet(request.clone());
            }
        })
    };
    for challenged in [false, true] {
        let s = with_loss(silent(challenged), 5_000);
        inconclusive(&s, "alice asked 203.0.113.30:3478 for a relay (3 times)", "12.5");
        unmet(&with_loss(silent(challenged), 400));
    }
}

#[test]
fn a_relay_that_was_refused_or_never_asked_for_was_not_lost() {
    let refused = without_relay(Transport::Udp, |s| {
        s.allocate(ALICE, ALICE_HOST, Err(486));
    });
    unmet(&with_loss(refused, 9_000));
    unmet(&with_loss(without_relay(Transport::Udp, |_| {}), 9_000));
}

#[test]
fn a_permission_that_was_not_answered() {
    let s = without_relay(Transport::Udp, |s| {
        s.allocate(ALICE, ALICE_HOST, Ok(BOB_RELAY));
        let request = s.request(ALICE, ALICE_HOST, TURN, Method::CreatePermission);
        for _ in 0..2 {
            s.packet(Packet { peers: vec![endpoint(BOB_SRFLX)], ..request.clone() });
        }
    });
    inconclusive(&with_loss(s, 5_000), "for a permission (2 times)", "25.0");
    let granted = without_relay(Transport::Udp, |s| {
        s.allocate(ALICE, ALICE_HOST, Ok(BOB_RELAY)).permission(ALICE, ALICE_HOST, BOB_SRFLX);
    });
    unmet(&with_loss(granted, 9_000));
}

#[test]
fn lost_requests_hold_checks_back_until_those_of_the_other_side_are_over() {
    // Bob's checks come to alice's relay and are over before it permits him.
    let late = |waits_us: u64| {
        without_relay(Transport::Udp, |s| {
            s.allocate(ALICE, ALICE_HOST, Ok(BOB_RELAY));
            let permit = s.request(ALICE, ALICE_HOST, TURN, Method::CreatePermission);
            let permit = Packet { peers: vec![endpoint(BOB_SRFLX)], ..permit };
            s.packet(permit.clone());
            s.packet(permit.clone());
            s.checks_in_vain(BOB, BOB_HOST, BOB_RELAY);
            s.t_us += waits_us;
            s.packet(permit.clone());
            s.packet(answer(&permit, Class::Success));
        })
    };
    let says = "alice asked 203.0.113.30:3478 for a permission (2 times)";
    inconclusive(&with_loss(late(1_000_000), 500), says, "0.3");
    unmet(&with_loss(late(500_000), 500));
}

#[test]
fn a_pair_that_was_nominated_must_be_answered_itself() {
    let nominated = |named: bool| {
        let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
        s.gathered();
        s.answered(BOB, (BOB_HOST, ALICE_SRFLX), (BOB_SRFLX, ALICE_HOST), false);
        s.answered(ALICE, (ALICE_HOST, "203.0.113.22:7000"), (ALICE_SRFLX, "10.2.0.2:7000"), named);
        let check = s.check(BOB, "10.2.0.2:7000", ALICE_SRFLX);
        s.packet(check);
        s.deadline(Awaited::Connect, None, 15_000);
        s.closed();
        s
    };
    inconclusive(&with_loss(nominated(true), 1_000), "bob checked 203.0.113.21:5000 (once)", "10.0");
    unmet(&with_loss(nominated(false), 1_000));
}

#[test]
fn checks_that_wait_for_a_permission_are_held_back() {
    let held = |answered: bool| {
        let mut s = under(hopeless(), |trial| trial.prediction.outcomes = vec![ExpectedOutcome::Direct]);
        let request = s.request(ALICE, ALICE_HOST, TURN, Method::ChannelBind);
        s.packet(request.clone());
        s.packet(request.clone());
        if answered {
            s.packet(answer(&request, Class::Success));
        }
        s.t_us += 15_000_000;
        s.deadline(Awaited::Connect, Some(ALICE), 15_000);
        s.closed();
        cut_off(s)
    };
    let says = "alice checked 203.0.113.22:6000 (2 times), alice asked 203.0.113.30:3478 for a permission (2 times)";
    inconclusive(&with_loss(held(false), 500), says, "0.5");
    unmet(&with_loss(held(true), 500));
}

#[test]
fn over_tcp_the_kernel_sends_again_by_its_timer() {
    // At 0, 1 and 3 s of the 3 s until gathering ended; 0.5^3.
    let unseen = without_relay(Transport::Tcp, |_| {});
    inconclusive(&with_loss(unseen, 5_000), "alice had no connection to 203.0.113.30:3478 (3 times)", "12.5");
    let silent = without_relay(Transport::Tcp, |s| {
        let request = s.request(ALICE, ALICE_HOST, TURN, Method::Allocate);
        s.packet(Packet { transport: Transport::Tcp, ..request });
    });
    inconclusive(&with_loss(silent, 5_000), "for a relay (3 times)", "12.5");
}

#[test]
fn a_way_that_a_firewall_closes_is_none_that_loss_could_close() {
    let mut silent = without_relay(Transport::Udp, |s| {
        for transport in [Transport::Udp, Transport::Tcp] {
            let request = s.request(ALICE, ALICE_HOST, TURN, Method::Allocate);
            for _ in 0..7 {
                s.packet(Packet { transport, ..request.clone() });
            }
        }
    });
    silent = under(silent, |plan| *plan = with_turn(plan.clone(), ALICE, Transport::Tcp));
    unmet(&with_loss(silent.clone(), 1_000)); // 0.1^7 over UDP
    let blocked = under(silent, |plan| plan.peers.get_mut(ALICE).unwrap().behavior.udp = UdpPolicy::Blocked);
    inconclusive(&with_loss(blocked, 1_000), "for a relay (3 times)", "0.100");
}

#[test]
fn a_relay_of_the_other_side_is_a_way_only_where_it_can_be_found() {
    // Bob has a relay; alice may use none but her own, and that was silent.
    let both = |policy| {
        let s = without_relay(Transport::Udp, |s| {
            s.allocate(BOB, BOB_HOST, Ok(BOB_RELAY));
            let request = s.request(ALICE, ALICE_HOST, TURN, Method::Allocate);
            s.packet(request);
        });
        under(s, |plan| {
            *plan = with_turn(plan.clone(), BOB, Transport::Udp);
            plan.peers.get_mut(ALICE).unwrap().policy = policy;
        })
    };
    unmet(&with_loss(both(CandidatePolicy::All), 5_000));
    inconclusive(
        &with_loss(both(CandidatePolicy::Relay), 5_000),
        "alice asked 203.0.113.30:3478 for a relay (once)",
        "50.0",
    );
}

#[test]
fn one_side_alone_lacks_the_answer_to_a_check() {
    let half = |checked: bool| {
        let mut s = Script::new(trial(port_restricted(), ExpectedOutcome::Direct));
        s.gathered();
        if checked {
            s.checks_in_vain(BOB, BOB_HOST, ALICE_SRFLX);
        }
        s.connected(ALICE);
        s.deadline(Awaited::Connect, Some(BOB), 15_000);
        s.closed();
        s
    };
    let j = inconclusive(&with_loss(half(true), 5_000), "bob checked 203.0.113.21:5000 (4 times)", "6.2");
    assert_eq!(j.outcome, Outcome::Unknown(UnknownCause::HalfOpen));
    unmet(&with_loss(half(true), 900));
    unmet(&with_loss(half(false), 9_000));
}

#[test]
fn messages_that_were_not_heard() {
    let silent = |texts: u32| {
        let mut s = direct();
        s.without(|e| matches!(&e.what, Happened::Finished | Happened::Exited { .. }));
        s.without(|e| match &e.what {
            Happened::Said { node, message } => node == BOB && message["ev"] == "data",
            Happened::Told { node, message } => node == ALICE && message["cmd"] == "send",
            _ => false,
        });
        for n in 0..texts {
            s.told(ALICE, CommandBody::Send { data: format!("natlab alice {n}") });
        }
        s.deadline(Awaited::Data, None, 3_000);
        s.happened(Happened::Finished);
        s
    };
    let j = inconclusive(&with_losses(silent(2), 1_000, 9_000), "the messages of alice (2 times)", "1.0");
    assert_eq!(j.outcome, Outcome::Unknown(UnknownCause::NoData));
    unmet(&with_losses(silent(6), 1_000, 9_000));
}

#[test]
fn a_data_channel_that_did_not_open() {
    let mut s = direct();
    s.without(|e| match &e.what {
        Happened::Finished | Happened::Exited { .. } => true,
        Happened::Said { message, .. } => message["ev"] == "data",
        Happened::Told { message, .. } => message["cmd"] == "send",
        _ => false,
    });
    s.deadline(Awaited::Channel, None, 3_000);
    s.happened(Happened::Finished);
    // Six exchanges, at 0, 1 and 3 s: 6 * 0.1^3.
    inconclusive(&with_loss(s.clone(), 1_000), "the data channel (3 times)", "0.6");
    unmet(&with_loss(s, 100));
}

#[test]
fn what_is_excused_stays_so_whatever_else_was_stated() {
    let s = under(deaf(detour()), |trial| {
        trial.expectation = Some(Expectation {
            local: vec![CandidateType::ServerReflexive],
            remote: vec![CandidateType::Host],
            connect_within_ms: Some(0),
            ..Expectation::default()
        });
    });
    inconclusive(&with_loss(s, 1_000), "for its address", "10.0");
}

#[test]
fn what_came_out_better_than_expected_or_as_expected_needs_no_excuse() {
    let better = expecting(trial(port_restricted(), ExpectedOutcome::Direct), ExpectedOutcome::Relayed);
    let better = under(direct(), |plan| *plan = better);
    unmet(&with_loss(better, 9_000));
    assert_eq!(judged(&with_loss(direct(), 9_000)).verdict, Verdict::Met);
    assert_eq!(judged(&with_loss(exhausted(), 9_000)).verdict, Verdict::Met, "no path was predicted");
}
