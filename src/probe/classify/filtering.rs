//! RFC 5780 §4.4, tests II and III: each attempt on a fresh socket, before anything was sent to the alternates.

use std::sync::Arc;

use super::{Places, Progress, Step};
use crate::classification::NEGATIVE_LIMIT;
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared, Transaction};
use crate::probe::wire::{Ask, Change};

/// How much more sure than necessary the first round of attempts is made: what is measured of the loss later may be worse, and
/// further attempts, after the alternates were sent to, are less clean.
const MARGIN: f64 = 4.0;

/// Both tests, with all their attempts.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Tests {
    /// Answer from A2:P2 asked for.
    pub second: Transaction,
    /// Answer from A1:P2 asked for.
    pub third: Transaction,
    /// How many attempts there were.
    pub attempts: u32,
}

/// Attempts until silence is proven with a margin.
pub(super) async fn test(shared: &Arc<Shared>, places: &Places, progress: Progress<'_>) -> Tests {
    let nothing = Transaction { sends: 0, outcome: Outcome::Silent, round_trip: None };
    let mut tests = Tests { second: nothing.clone(), third: nothing, attempts: 0 };
    go_on(shared, places, &mut tests, NEGATIVE_LIMIT / MARGIN, progress).await;
    tests
}

/// Further attempts where what was measured of the loss since then leaves too much to it; whether there were any.
pub(super) async fn complete(shared: &Arc<Shared>, places: &Places, tests: &mut Tests, progress: Progress<'_>) -> bool {
    let before = tests.attempts;
    go_on(shared, places, tests, NEGATIVE_LIMIT, progress).await;
    tests.attempts > before
}

async fn go_on(shared: &Arc<Shared>, places: &Places, tests: &mut Tests, limit: f64, progress: Progress<'_>) {
    while tests.attempts < ATTEMPTS {
        let loss = shared.loss();
        let open = |t: &Transaction| match t.outcome {
            Outcome::Silent => loss.chance_all_lost(t.sends) >= limit,
            Outcome::NotSent(_) => true,
            _ => false,
        };
        // What passes from a stranger's address needs no third test.
        let second = open(&tests.second);
        let third = open(&tests.third) && !matches!(tests.second.outcome, Outcome::Answered(_));
        if !second && !third {
            return;
        }
        tests.attempts += 1;
        progress(&Step::Filtering(tests.attempts));
        let one = async { if second { Some(once(shared, places, Change::Both).await) } else { None } };
        let two = async { if third { Some(once(shared, places, Change::Port).await) } else { None } };
        let (one, two) = tokio::join!(one, two);
        add(&mut tests.second, one);
        add(&mut tests.third, two);
    }
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
