//! Outcomes of trials whose links lose packets.

use super::*;
use crate::event::LinkDirection;
use crate::plan::{End, Link, Loss};

/// A story on links that lose this share of what alice sends, in hundredths of a percent.
fn with_loss(script: Script, up: u16) -> Script {
    let end = |node: &str| End { node: node.to_owned(), interface: "eth0".to_owned() };
    let link = Link { a: end("home-a"), b: end(ALICE), loss: Loss { up, down: 0 } };
    under(script, |trial| trial.topology.links.push(link))
}

/// Nothing answered until the deadline, where a direct path was predicted.
fn failed() -> Script {
    let mut s = under(hopeless(), |trial| trial.prediction.outcomes = vec![ExpectedOutcome::Direct]);
    s.deadline(Awaited::Connect, Some(ALICE), 15_000);
    s.closed();
    s
}

#[test]
fn no_path_where_loss_alone_may_be_the_cause_is_inconclusive() {
    let mut s = with_loss(failed(), 5_000);
    let asked = 5_000;
    s.happened(Happened::LinkLoss {
        node: ALICE.to_owned(),
        direction: LinkDirection::Up,
        asked,
        dropped: 12,
        passed: 9,
    });
    let j = judged(&s);
    assert_eq!((j.outcome, j.verdict), (Outcome::NoPath, Verdict::Inconclusive));
    let why = j.reasons.last().unwrap();
    assert!(why.text.contains("up 12 of 21 packets of alice"), "{}", why.text);
    // Two exchanges, the STUN server and the check, seven transmissions each, half of them lost: 2 / 2^7.
    assert!(why.text.contains("1.6 %"), "{}", why.text);
    assert!(why.events.len() == 2 && why.events[0] == 0, "{:?}", why.events);
}

#[test]
fn a_little_loss_excuses_nothing() {
    // 2 * 0.05^7 is 1.6e-9: not by chance.
    assert_eq!(judged(&with_loss(failed(), 500)).verdict, Verdict::Unmet);
    // The limit is where the sum of both exchanges reaches 1e-4: a share of 24.3 %.
    assert_eq!(judged(&with_loss(failed(), 2_400)).verdict, Verdict::Unmet);
    assert_eq!(judged(&with_loss(failed(), 2_450)).verdict, Verdict::Inconclusive);
}

#[test]
fn a_relay_in_place_of_a_direct_path_may_be_loss_as_well() {
    let unmet = || relayed(trial(port_restricted(), ExpectedOutcome::Direct));
    assert_eq!(judged(&with_loss(unmet(), 5_000)).verdict, Verdict::Inconclusive);
    assert_eq!(judged(&with_loss(unmet(), 100)).verdict, Verdict::Unmet);
}

#[test]
fn what_came_out_better_than_expected_or_as_expected_needs_no_excuse() {
    let better = expecting(trial(port_restricted(), ExpectedOutcome::Direct), ExpectedOutcome::Relayed);
    let better = under(direct(), |plan| *plan = better);
    assert_eq!(judged(&with_loss(better, 9_000)).verdict, Verdict::Unmet);
    assert_eq!(judged(&with_loss(direct(), 9_000)).verdict, Verdict::Met);
    assert_eq!(judged(&with_loss(exhausted(), 9_000)).verdict, Verdict::Met, "no path was predicted");
}
