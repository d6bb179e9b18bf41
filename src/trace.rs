//! Events folded into what happened: one trace per trial. Pure.
//!
//! The fold is the same while a trial runs and when it is replayed: [`Trace::push`] takes one event at a time, in the order of
//! their numbers, and costs the same however long the trial has been running.

pub mod agent;
pub mod checks;
pub mod exhaustion;
pub mod lab;
pub mod path;
pub mod process;
pub mod servers;

#[cfg(test)]
pub(crate) mod script;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::event::{Event, Happened, Packet, ProcessRole};
use crate::ice::OfferRole;
use crate::plan::{ServerKind, Trial};

pub use agent::AgentTrace;
pub use checks::{CheckState, PairTrace};
pub use lab::{LabTrace, LossTrace};
pub use path::{Path, PathClass};

/// When something happened, and the event that says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Moment {
    /// Number of the event.
    pub event: u64,
    /// Its time: microseconds since the trial began.
    pub t_us: u64,
}

/// Something said about a moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remark {
    /// When.
    pub at: Moment,
    /// What.
    pub text: String,
}

/// What happened in a trial so far.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The side that sends the offer.
    pub offerer: AgentTrace,
    /// The side that answers.
    pub answerer: AgentTrace,
    /// Lab, servers, and how the trial ended.
    pub lab: LabTrace,
    /// When the offerer was told to offer: zero of every time that is reported.
    pub offered: Option<Moment>,
    /// How many events there were.
    pub events: u64,
    /// The latest time of all of them.
    pub last_us: u64,
    /// Addresses of TURN servers: whatever else has one of them is a relayed transport address.
    relays: BTreeSet<IpAddr>,
}

/// Event 0 does not hold the plan, so the other events have no meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the first event is not the plan of a trial")]
pub struct NoPlan;

impl Trace {
    /// Nothing has happened yet.
    pub fn new(trial: &Trial) -> Trace {
        let turn = trial.servers.iter().filter(|s| s.kind == ServerKind::Turn);
        Trace {
            offerer: AgentTrace::new(&trial.offerer, OfferRole::Offerer),
            answerer: AgentTrace::new(&trial.answerer, OfferRole::Answerer),
            lab: LabTrace::default(),
            offered: None,
            events: 0,
            last_us: 0,
            relays: turn.flat_map(|s| s.addresses.iter().map(|a| IpAddr::V4(*a))).collect(),
        }
    }

    /// The whole fold of stored events, and the plan that their first one holds.
    pub fn of(events: &[Event]) -> Result<(Trial, Trace), NoPlan> {
        let Some(Event { what: Happened::Plan { trial }, .. }) = events.first() else { return Err(NoPlan) };
        let mut trace = Trace::new(trial);
        for event in events {
            trace.push(event);
        }
        Ok(((**trial).clone(), trace))
    }

    /// Takes the next event.
    pub fn push(&mut self, event: &Event) {
        let at = Moment { event: event.seq, t_us: event.t_us };
        self.events += 1;
        self.last_us = self.last_us.max(event.t_us);
        match &event.what {
            Happened::Told { node, message } => {
                let offers = self.side_mut(node).is_some_and(|agent| agent.told(message, at));
                if offers && self.offerer.peer == *node {
                    self.offered.get_or_insert(at);
                }
            }
            Happened::Said { node, message } => self.on(node, |agent| agent.said(message, at)),
            Happened::Garbage { node, text, bytes } => {
                self.on(node, |agent| agent.garbage(format!("{text} ({bytes} bytes)"), at));
            }
            Happened::Held { node, what, reason } => self.on(node, |agent| agent.held(what, reason, at)),
            Happened::Packet(packet) => self.packet(packet, at),
            Happened::Started { node, role: ProcessRole::Agent, argv } => {
                self.on(node, |agent| agent.process.started(argv, at));
            }
            Happened::StartFailed { node, role: ProcessRole::Agent, error } => {
                self.on(node, |agent| agent.process.start_failed(error, at));
            }
            Happened::Exited { node, role: ProcessRole::Agent, code, signal, expected } => {
                self.on(node, |agent| agent.process.exited(*code, *signal, *expected, at));
            }
            Happened::Flood { node, role: ProcessRole::Agent, bytes } => {
                self.on(node, |agent| agent.process.flooded(*bytes, at));
            }
            Happened::Stderr { node, role: ProcessRole::Agent, text } => {
                self.on(node, |agent| agent.process.stderr(text, at));
            }
            _ => self.lab.push(&event.what, at),
        }
    }

    /// Offerer, then answerer.
    pub fn sides(&self) -> [&AgentTrace; 2] {
        [&self.offerer, &self.answerer]
    }

    /// The side of this name.
    pub fn side(&self, peer: &str) -> Option<&AgentTrace> {
        self.sides().into_iter().find(|agent| agent.peer == peer)
    }

    /// The other side.
    pub fn other(&self, agent: &AgentTrace) -> &AgentTrace {
        match agent.role {
            OfferRole::Offerer => &self.answerer,
            OfferRole::Answerer => &self.offerer,
        }
    }

    /// From the offerer's `offer` command to this moment, in milliseconds with three decimals; negative before it; `None`
    /// when there was no offer.
    pub fn since_offer_ms(&self, moment: Moment) -> Option<f64> {
        let offered = self.offered?.t_us;
        // One division of a small integer: such a number survives JSON unchanged.
        let ms = |us: u64| us as f64 / 1000.0;
        Some(if moment.t_us >= offered { ms(moment.t_us - offered) } else { -ms(offered - moment.t_us) })
    }

    /// When the trial was given up before both sides were connected: exhausted, or the deadline of `connect`. What an agent
    /// says later comes too late.
    pub fn given_up(&self) -> Option<Moment> {
        self.lab.given_up()
    }

    /// Whether this side was connected, at the moment the trial was given up if it was.
    pub fn was_connected(&self, agent: &AgentTrace) -> Option<Moment> {
        match self.given_up() {
            Some(limit) => agent.connected_at(limit),
            None => agent.connected(),
        }
    }

    /// When both sides were connected, if both were.
    pub fn both_connected(&self) -> Option<Moment> {
        let [offerer, answerer] = self.sides().map(|agent| self.was_connected(agent));
        Some(offerer?.max_by_time(answerer?))
    }

    /// The message of `agent` that the other side received with the right text first.
    pub fn heard_of(&self, agent: &AgentTrace) -> Option<Moment> {
        let received = &self.other(agent).data_received;
        received.iter().find(|r| agent.data_sent.iter().any(|s| s.text == r.text)).map(|r| r.at)
    }

    /// Whether data went both ways with the right text.
    pub fn data_both_ways(&self) -> bool {
        self.sides().into_iter().all(|agent| self.heard_of(agent).is_some())
    }

    /// Whether an endpoint is a relayed transport address: it is on a TURN server, or one that an agent was given there.
    pub fn is_relay(&self, endpoint: SocketAddr) -> bool {
        self.relays.contains(&endpoint.ip()) || self.sides().into_iter().any(|a| a.servers.relayed(endpoint))
    }

    fn packet(&mut self, packet: &Packet, at: Moment) {
        self.on(&packet.node, |agent| agent.packet(packet, at));
    }

    fn on(&mut self, node: &str, act: impl FnOnce(&mut AgentTrace)) {
        if let Some(agent) = self.side_mut(node) {
            act(agent);
        }
    }

    fn side_mut(&mut self, node: &str) -> Option<&mut AgentTrace> {
        [&mut self.offerer, &mut self.answerer].into_iter().find(|agent| agent.peer == node)
    }
}

impl Moment {
    /// The later of both; of two at the same time, the one with the higher number.
    pub fn max_by_time(self, other: Moment) -> Moment {
        if (self.t_us, self.event) >= (other.t_us, other.event) { self } else { other }
    }

    /// The earlier of both; of two at the same time, the one with the lower number.
    pub fn min_by_time(self, other: Moment) -> Moment {
        if (self.t_us, self.event) <= (other.t_us, other.event) { self } else { other }
    }
}
