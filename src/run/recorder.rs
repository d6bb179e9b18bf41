//! The one writer of a trial's events: it stamps them, numbers them and hands them on. None is ever dropped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::mpsc::UnboundedSender;

use super::wire::{Answer, Frame};
use crate::event::{Event, Happened};
use crate::lab::capture::monotonic_ns;

/// Shared by everything that observes one trial.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    trial: String,
    began: Instant,
    /// CLOCK_MONOTONIC when the trial began; packets carry that clock.
    began_ns: u64,
    next: u64,
    answers: UnboundedSender<Answer>,
    live: UnboundedSender<Event>,
}

impl Recorder {
    /// Begins a trial: `answers` leads to the outer process, `live` to the trial itself.
    pub fn new(trial: &str, answers: UnboundedSender<Answer>, live: UnboundedSender<Event>) -> Self {
        Recorder(Arc::new(Mutex::new(Inner {
            trial: trial.to_owned(),
            began: Instant::now(),
            // A clock that every Linux has; without it packets would all be at the end, which is visible.
            began_ns: monotonic_ns().unwrap_or(0),
            next: 0,
            answers,
            live,
        })))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // A panic between lock and unlock cannot leave the counter half-written.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records what happens now; gives its number.
    pub fn record(&self, what: Happened) -> u64 {
        let mut inner = self.inner();
        let t_us = inner.now_us();
        inner.write(t_us, what)
    }

    /// Records what happened at a moment of CLOCK_MONOTONIC, in nanoseconds.
    pub fn record_at(&self, monotonic_ns: u64, what: Happened) -> u64 {
        let mut inner = self.inner();
        let t_us = monotonic_ns.saturating_sub(inner.began_ns) / 1000;
        inner.write(t_us, what)
    }

    /// Hands on a captured packet.
    pub fn frame(&self, frame: Frame) {
        let inner = self.inner();
        // Nobody listens any more only when the outer process is gone, and then this one is going too.
        let _ = inner.answers.send(Answer::Frame { trial: inner.trial.clone(), frame });
    }

    /// Microseconds since the trial began.
    pub fn now_us(&self) -> u64 {
        self.inner().now_us()
    }
}

impl Inner {
    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
    fn write(&mut self, t_us: u64, what: Happened) -> u64 {
        let event = Event { seq: self.next, t_us, what };
        self.next += 1;
        let _ = self.answers.send(Answer::Event { trial: self.trial.clone(), event: Box::new(event.clone()) });
        let _ = self.live.send(event);
        self.next - 1
    }
}
