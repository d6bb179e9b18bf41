//! When nothing can happen any more: a trial without a path may end before its deadline, but only with proof.
//!
//! The proof needs all of this, and the events that show it are given back:
//!
//! - both agents said after how many unanswered transmissions they give a pair up for good (`checks_per_pair`);
//! - both have ended gathering, have the other's description, and have been told every candidate of the other one that
//!   natlab does not keep back for good;
//! - every pair on which a side has sent a check has used up its transmissions, and nothing ever came back for one;
//! - a side that could send checks has sent some: it has a candidate of its own and knows one of the other side;
//! - no request for a permission or channel is unanswered, since an agent may keep checks back for it;
//! - all of this has been so for a quiet time.
//!
//! An agent that goes on sending, or that does not say when it gives up, is waited for until the deadline.

use std::net::IpAddr;

use serde_json::Value;

use super::agent::SeenCandidate;
use super::{AgentTrace, Moment, Trace};
use crate::net::Transport;

/// A pair that was not seen yet would send its first check within one interval of the agent, as would a pair that has a
/// transmission left; ten of them leave room for a busy machine.
const QUIET_INTERVALS: u64 = 10;
/// Of an agent that does not say its interval (`timers.check_interval_ms` in its answer to `configure`), the longest time
/// between two transmissions of one pair stands for it; RFC 8445 §14.3 and RFC 8489 §6.2.1 double it each time, so three of
/// them cover the next one.
const QUIET_GAPS: u64 = 3;
/// Never less than this: 200 ms in microseconds, several times what a busy machine was seen to delay a process.
const QUIET_AT_LEAST_US: u64 = 200_000;

impl Trace {
    /// The events that prove that nothing can happen any more at `now_us` (the clock of [`crate::event::Event::t_us`]), or
    /// `None` while something may.
    ///
    /// Cheap enough for every tick: it looks at pairs and candidates, never at events.
    pub fn exhausted(&self, now_us: u64) -> Option<Vec<u64>> {
        let [offerer, answerer] = self.sides();
        let mut proof = Proof::default();
        for (agent, other) in [(offerer, answerer), (answerer, offerer)] {
            proof.side(agent, other)?;
        }
        if now_us.saturating_sub(proof.last_us) < proof.quiet_us {
            return None;
        }
        proof.events.sort_unstable();
        proof.events.dedup();
        Some(proof.events)
    }
}

#[derive(Debug, Default)]
struct Proof {
    events: Vec<u64>,
    /// The last time that something happened which may lead to another check.
    last_us: u64,
    quiet_us: u64,
}

impl Proof {
    fn cite(&mut self, moment: Moment) {
        self.events.push(moment.event);
        self.last_us = self.last_us.max(moment.t_us);
    }

    fn side(&mut self, agent: &AgentTrace, other: &AgentTrace) -> Option<()> {
        let configured = agent.configured.as_ref()?;
        let limit = configured.checks_per_pair?;
        self.cite(configured.at);
        self.cite(agent.gathering_ended?);
        self.cite(agent.remote_description?);
        if agent.connected().is_some() || other.on_their_way(agent) || agent.servers.is_waiting() {
            return None;
        }
        if let Some(last) = agent.remote.last() {
            self.cite(last.at);
        }
        let mut longest_gap_us = 0;
        let mut sent = false;
        for pair in agent.checks.pairs() {
            if pair.answered() {
                return None;
            }
            // A check of the other side on a pair that this one never used: nothing was used up here.
            let Some(last_sent) = pair.last_sent else { continue };
            if pair.transmissions() < limit {
                return None;
            }
            sent = true;
            longest_gap_us = longest_gap_us.max(pair.longest_gap_us);
            self.cite(last_sent);
        }
        if !sent && could_send(agent) {
            return None;
        }
        // What came in may trigger checks (RFC 8445 §7.3.1.4).
        for received in agent.checks.pairs().iter().filter_map(|pair| pair.last_received) {
            self.last_us = self.last_us.max(received.t_us);
        }
        let quiet_us = match configured.timers.as_ref().and_then(check_interval_us) {
            Some(interval_us) => interval_us.saturating_mul(QUIET_INTERVALS),
            None => longest_gap_us.saturating_mul(QUIET_GAPS),
        };
        self.quiet_us = self.quiet_us.max(quiet_us).max(QUIET_AT_LEAST_US);
        Some(())
    }
}

fn check_interval_us(timers: &Value) -> Option<u64> {
    timers.get("check_interval_ms")?.as_u64()?.checked_mul(1000)
}

/// It has a candidate of its own, and one of the other side that it can send to from there.
fn could_send(agent: &AgentTrace) -> bool {
    let usable = |seen: &&SeenCandidate| seen.candidate.protocol == Transport::Udp;
    let own = agent.local.iter().any(|seen| usable(&seen));
    let remote = agent.remote.iter().filter(usable).any(|seen| seen.candidate.address.parse::<IpAddr>().is_ok());
    own && remote
}
