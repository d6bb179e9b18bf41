//! Transactions: one id each, sent as often as their owner likes, and the answers to it.
//!
//! An answer counts when its id *and* its source are the expected ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use ::stun::agent::TransactionId;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Entry, GONE, Incoming, Line, Schedule, locked};
use crate::probe::wire::{self, Ask, Content, Id, Success};

/// How a transaction ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// With a success response from where it should come.
    Answered(Success),
    /// With an error response.
    Refused {
        /// ERROR-CODE.
        code: u16,
        /// ALTERNATE-SERVER.
        alternate: Option<SocketAddr>,
    },
    /// With an answer from elsewhere alone.
    WrongSource(SocketAddr),
    /// Without an answer.
    Silent,
    /// No request could be sent.
    NotSent(String),
}

impl Outcome {
    /// The reflexive endpoint in the answer.
    pub fn mapped(&self) -> Option<SocketAddr> {
        if let Outcome::Answered(success) = self { success.mapped() } else { None }
    }
}

/// A transaction, or several of the same kind that were made because earlier ones proved nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Transaction {
    /// Requests that left.
    pub sends: u32,
    /// How the last one ended.
    pub outcome: Outcome,
    /// Round trip, where the first request was answered before the second left.
    pub round_trip: Option<Duration>,
}

impl Transaction {
    /// The reflexive endpoint in its answer.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.outcome.mapped()
    }
}

/// Transactions of one socket, and what comes back to them, in the order in which it comes. They end when this is dropped; what
/// comes later is a stray.
pub struct Requests<'a> {
    line: &'a Line,
    open: BTreeMap<Id, Open>,
    answers_in: UnboundedSender<Incoming>,
    answers: UnboundedReceiver<Incoming>,
}

struct Open {
    to: SocketAddr,
    from: SocketAddr,
    bytes: Vec<u8>,
}

/// What came back.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// To which transaction.
    pub id: Id,
    /// How that would end with this.
    pub outcome: Outcome,
    /// Whether a later answer would not mend it.
    pub last: bool,
}

impl<'a> Requests<'a> {
    /// None yet.
    pub fn new(line: &'a Line) -> Self {
        let (answers_in, answers) = unbounded_channel();
        Requests { line, open: BTreeMap::new(), answers_in, answers }
    }

    /// A further transaction, of which nothing is sent yet: `ask` will go to `to`, the answer is expected from `from`.
    pub async fn begin(&mut self, to: SocketAddr, ask: &Ask, from: SocketAddr) -> Id {
        let id = TransactionId::new().0;
        self.begin_as(id, to, ask, from).await;
        id
    }

    pub(super) async fn begin_as(&mut self, id: Id, to: SocketAddr, ask: &Ask, from: SocketAddr) {
        let shared = &self.line.shared;
        shared.limiter.turn().await;
        locked(&self.line.waiting).insert(id, self.answers_in.clone());
        let entry = Entry { to, from, plain: ask.is_plain(), done: false, sends: 0, answers: 0 };
        locked(&shared.ledger).transactions.insert(id, entry);
        self.open.insert(id, Open { to, from, bytes: wire::request(id, ask) });
    }

    /// Sends it, for the first time or again.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn send(&self, id: Id) -> std::io::Result<()> {
        let Some(open) = self.open.get(&id) else { return Ok(()) };
        // Counted before it leaves: its answer may be there before this task goes on.
        let count = |n: i32| {
            if let Some(entry) = locked(&self.line.shared.ledger).transactions.get_mut(&id) {
                entry.sends = entry.sends.saturating_add_signed(n);
            }
        };
        count(1);
        let sent = self.line.socket.send_to(&open.bytes, open.to).await;
        if sent.is_err() {
            count(-1);
        }
        sent
    }

    /// The next answer to any of them, before `until`.
    pub async fn next(&mut self, until: Instant) -> Option<Answer> {
        while let Ok(Some(incoming)) = timeout_at(until, self.answers.recv()).await {
            if let Some(answer) = self.open.get(&incoming.id).and_then(|open| open.accept(incoming)) {
                return Some(answer);
            }
        }
        None
    }

    /// Awaits no further answer to it.
    pub fn end(&mut self, id: Id) {
        self.open.remove(&id);
        locked(&self.line.waiting).remove(&id);
        if let Some(entry) = locked(&self.line.shared.ledger).transactions.get_mut(&id) {
            entry.done = true;
        }
    }

    /// Sends it by a schedule until it is answered.
    pub(super) async fn by(mut self, schedule: &Schedule, id: Id) -> Transaction {
        let begin = Instant::now();
        let mut done = Transaction { sends: 0, outcome: Outcome::Silent, round_trip: None };
        let mut failure = None;
        for (send, until) in schedule.steps() {
            // A timer takes a millisecond at least.
            if !send.is_zero() {
                sleep_until(begin + send).await;
            }
            match self.send(id).await {
                Ok(()) => {
                    done.sends += 1;
                    locked(&self.line.shared.ledger).unsent = 0;
                }
                Err(e) if locked(&self.line.shared.ledger).unsent >= GONE => {
                    failure = Some(e.to_string());
                    break;
                }
                // A route may come back: the schedule goes on.
                Err(e) => failure = Some(e.to_string()),
            }
            while let Some(answer) = self.next(begin + until).await {
                done.outcome = answer.outcome;
                if answer.last {
                    let answered = matches!(done.outcome, Outcome::Answered(_));
                    done.round_trip = (answered && done.sends == 1).then(|| begin.elapsed());
                    return done;
                }
            }
        }
        if let (0, Some(e)) = (done.sends, failure) {
            locked(&self.line.shared.ledger).unsent += 1;
            done.outcome = Outcome::NotSent(e);
        }
        done
    }
}

impl Drop for Requests<'_> {
    fn drop(&mut self) {
        while let Some(id) = self.open.keys().next().copied() {
            self.end(id);
        }
    }
}

impl Open {
    /// What a message with its id means to it.
    fn accept(&self, Incoming { id, from: source, content }: Incoming) -> Option<Answer> {
        let (outcome, last) = match content {
            Content::Request => return None,
            // A refusal comes from whoever was asked.
            Content::Refused { code, alternate } if source == self.to || source == self.from => {
                (Outcome::Refused { code, alternate }, true)
            }
            Content::Success(success) if source == self.from => (Outcome::Answered(success), true),
            // It was asked to answer from elsewhere and did not: no later answer mends that.
            Content::Success(_) if source == self.to => (Outcome::WrongSource(source), true),
            Content::Success(_) | Content::Refused { .. } => (Outcome::WrongSource(source), false),
        };
        Some(Answer { id, outcome, last })
    }
}
