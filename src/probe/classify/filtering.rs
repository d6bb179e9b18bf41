//! RFC 5780 §4.4, tests II and III: each attempt on a fresh socket, before anything was sent to the alternates.

use std::sync::Arc;

use super::{Places, Progress, Step};
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared, Transaction};
use crate::probe::wire::{Ask, Change};

/// Both tests, with all their attempts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tests {
    /// Answer from A2:P2 asked for.
    pub second: Transaction,
    /// Answer from A1:P2 asked for.
    pub third: Transaction,
}

pub(super) async fn test(shared: &Arc<Shared>, places: &Places, progress: Progress<'_>) -> Tests {
    let nothing = Transaction { sends: 0, outcome: Outcome::Silent, round_trip: None };
    let mut tests = Tests { second: nothing.clone(), third: nothing };
    for attempt in 1..=ATTEMPTS {
        let loss = shared.loss();
        let open = |t: &Transaction| match t.outcome {
            Outcome::Silent => !loss.proves_silence(t.sends),
            Outcome::NotSent(_) => true,
            _ => false,
        };
        // What passes from a stranger's address needs no third test.
        let second = open(&tests.second);
        let third = open(&tests.third) && !matches!(tests.second.outcome, Outcome::Answered(_));
        if !second && !third {
            break;
        }
        progress(&Step::Filtering(attempt));
        let one = async { if second { Some(once(shared, places, Change::Both).await) } else { None } };
        let two = async { if third { Some(once(shared, places, Change::Port).await) } else { None } };
        let (one, two) = tokio::join!(one, two);
        add(&mut tests.second, one);
        add(&mut tests.third, two);
    }
    tests
}

/// One attempt on a fresh socket.
async fn once(shared: &Arc<Shared>, places: &Places, change: Change) -> Transaction {
    let from = match change {
        Change::Both => places.alternate,
        Change::Port => places.other_port(),
    };
    match Line::open(shared) {
        Ok(line) => line.transact(places.primary, &Ask::change(change), from).await,
        Err(e) => Transaction { sends: 0, outcome: Outcome::NotSent(e.to_string()), round_trip: None },
    }
}

fn add(all: &mut Transaction, one: Option<Transaction>) {
    if let Some(one) = one {
        // Sends of a silent attempt still count when a later one could not be sent.
        let keeps = all.sends > 0 && matches!(one.outcome, Outcome::NotSent(_));
        let outcome = if keeps { all.outcome.clone() } else { one.outcome };
        *all = Transaction { sends: all.sends + one.sends, outcome, round_trip: one.round_trip };
    }
}
