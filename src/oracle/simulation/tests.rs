#![allow(clippy::unwrap_used)]
use std::fmt::Write as _;

use super::super::closed_form::{Side, predict};
use super::*;
use crate::nat::{Filtering, Mapping, Semantics};
use crate::plan::Gathering;

/// The eleven behaviours of the table, in its order.
fn behaviors() -> Vec<(String, Behavior)> {
    let public = [("OPEN", Filtering::EndpointIndependent), ("FW", Filtering::AddressAndPortDependent)];
    let public = public.into_iter().map(|(name, filtering)| (name.to_owned(), Behavior::public(filtering)));
    let nats = Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| Behavior::napt(m, f)));
    public.chain(nats.map(|b| (b.to_string(), b))).collect()
}

fn affine(behavior: Behavior) -> Behavior {
    Behavior { semantics: Semantics::ReplyAffine, ..behavior }
}

fn with_stun(behavior: Behavior) -> Side {
    Side { stun: true, ..Side::new(behavior) }
}

fn pair(offerer: Side, answerer: Side) -> Situation {
    Situation { offerer, answerer, shared: None, gathering: Gathering::Trickle }
}

/// The closed form says what the simulation finds, whatever the timing.
fn agree(situation: &Situation) -> Option<String> {
    let found = outcomes(situation);
    let predicted = predict(situation);
    let said: BTreeSet<ExpectedOutcome> = predicted.outcomes.iter().copied().collect();
    (found != said).then(|| {
        let [a, b] = [&situation.offerer, &situation.answerer];
        format!(
            "{}{} stun {} turn {:?} x {}{} stun {} turn {:?}: found {found:?}, said {said:?}\n",
            a.behavior,
            if a.behavior.semantics == Semantics::Strict { "" } else { "~" },
            a.stun,
            a.turn,
            b.behavior,
            if b.behavior.semantics == Semantics::Strict { "" } else { "~" },
            b.stun,
            b.turn
        )
    })
}

fn all_agree(situations: impl Iterator<Item = Situation>) {
    let mut count = 0;
    let mut differences = String::new();
    for situation in situations {
        count += 1;
        if let Some(difference) = agree(&situation) {
            write!(differences, "{difference}").unwrap();
        }
    }
    assert!(differences.is_empty(), "of {count}:\n{differences}");
    assert!(count > 0);
}

#[test]
fn the_closed_form_agrees_on_all_pairs() {
    let b = behaviors();
    let pairs = b.iter().flat_map(|(_, x)| b.iter().map(|(_, y)| (*x, *y)));
    all_agree(pairs.map(|(x, y)| pair(with_stun(x), with_stun(y))));
}

#[test]
fn the_closed_form_agrees_on_all_pairs_with_reply_affinity_on_either_side() {
    let b = behaviors();
    let pairs = b.iter().flat_map(|(_, x)| b.iter().map(|(_, y)| (*x, *y)));
    all_agree(pairs.flat_map(|(x, y)| {
        [(affine(x), affine(y)), (x, affine(y)), (affine(x), y)].map(|(x, y)| pair(with_stun(x), with_stun(y)))
    }));
}

#[test]
fn the_closed_form_agrees_where_a_side_has_no_stun() {
    let b = behaviors();
    let pairs = b.iter().flat_map(|(_, x)| b.iter().map(|(_, y)| (*x, *y)));
    all_agree(pairs.flat_map(|(x, y)| {
        [(x, y), (affine(x), affine(y)), (x, affine(y)), (affine(x), y)].into_iter().flat_map(|(x, y)| {
            [(true, false), (false, true), (false, false)]
                .map(|(a, b)| pair(Side { stun: a, ..Side::new(x) }, Side { stun: b, ..Side::new(y) }))
        })
    }));
}
