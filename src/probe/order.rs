//! That something does *not* arrive, told by order and not by a long wait: behind each packet that may be dropped goes a plain
//! request over an open path, and the server answers in order. When its answer is there, the other is not coming; a short grace
//! covers what order cannot.

use std::io;
use std::net::SocketAddr;

use tokio::time::Instant;

use super::Timing;
use super::line::{Line, Outcome, Requests};
use super::wire::Ask;

/// The plain requests behind packets that may be dropped: after each answer the next at once, on silence by the schedule.
pub struct Confirmations<'a> {
    plain: Requests<'a>,
    server: SocketAddr,
    timing: &'a Timing,
    /// Of the schedule, since the last answer.
    attempt: usize,
    /// How many were answered.
    pub count: u32,
    /// How the last of those ended.
    pub outcome: Outcome,
}

impl<'a> Confirmations<'a> {
    /// From `line` to `server`.
    pub fn new(line: &'a Line, server: SocketAddr, timing: &'a Timing) -> Self {
        Confirmations { plain: Requests::new(line), server, timing, attempt: 0, count: 0, outcome: Outcome::Silent }
    }

    /// Whether there is a further round: they are not enough, and the schedule has not run out.
    pub fn go_on(&self) -> bool {
        self.count < self.timing.confirmations && self.attempt < self.timing.schedule.sends.len()
    }

    /// Sends the one of this round, behind what may be dropped; until when the two are awaited.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn send(&mut self) -> io::Result<Instant> {
        let id = self.plain.begin(self.server, &Ask::PLAIN, self.server).await;
        self.plain.send(id).await?;
        let step = self.timing.schedule.steps().nth(self.attempt);
        self.attempt += 1;
        Ok(Instant::now() + step.map_or(self.timing.schedule.patience, |(send, until)| until - send))
    }

    /// Waits for the answer to that of this round or of an earlier one, each of which counts once; whether it came.
    pub async fn answered(&mut self, until: Instant) -> bool {
        while let Some(answer) = self.plain.next(until).await {
            if answer.last {
                self.plain.end(answer.id);
                self.count += 1;
                self.outcome = answer.outcome;
                // The path is open, so the schedule for silence begins anew.
                self.attempt = 0;
                return true;
            }
        }
        false
    }

    /// Until when what may have been dropped can still come, when all rounds are over. With no answer at all there is nothing
    /// to wait for.
    pub fn grace(&self) -> Instant {
        let now = Instant::now();
        if self.count == 0 { now } else { now + self.timing.grace }
    }
}
