//! Direct or relayed: the one property of a path that every agent's report and the wire must agree on.
//!
//! Reported types alone cannot tell: a side sees its peer's relay as `relay`, or as `prflx` with the relay's address, and
//! some agents report the base where the standard says srflx or prflx. So addresses decide as well, and the wire where the
//! reports leave it open.

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::checks::PairTrace;
use super::{AgentTrace, Trace};
use crate::ice::CandidateType;
use crate::protocol::PairEnd;

/// What a path is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PathClass {
    /// From peer to peer, through NATs only.
    Direct,
    /// Through a TURN server.
    Relayed,
}

impl fmt::Display for PathClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PathClass::Direct => "direct",
            PathClass::Relayed => "relayed",
        })
    }
}

/// What reports and wire say together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Path {
    /// They agree.
    Known {
        /// On this.
        class: PathClass,
        /// The events that say so.
        events: Vec<u64>,
    },
    /// One side reports a direct path, the other one a relayed one, and the wire does not settle it.
    Disputed {
        /// The events that say so.
        events: Vec<u64>,
    },
    /// No agent reports a pair, and no tap saw one nominated.
    Unseen,
}

impl Trace {
    /// The class of the path that was selected.
    pub fn path(&self) -> Path {
        let mut events = Vec::new();
        let mut reported = Vec::new();
        for agent in self.sides() {
            if let Some((class, event)) = self.reported_class(agent) {
                reported.push(class);
                events.push(event);
            }
        }
        let agreed = match reported.as_slice() {
            [one] => Some(*one),
            [one, other] if one == other => Some(*one),
            _ => None,
        };
        if let Some(class) = agreed {
            return Path::Known { class, events };
        }
        let mut classes: Vec<PathClass> = Vec::new();
        for (class, event) in self.sides().into_iter().flat_map(|agent| self.used_on_wire(agent)) {
            if !classes.contains(&class) {
                classes.push(class);
            }
            events.push(event);
        }
        match (classes.as_slice(), reported.is_empty()) {
            ([class], _) => Path::Known { class: *class, events },
            ([], true) => Path::Unseen,
            _ => Path::Disputed { events },
        }
    }

    /// What one side's selected pair is, and the event that names it.
    pub fn reported_class(&self, agent: &AgentTrace) -> Option<(PathClass, u64)> {
        let (pair, at) = agent.selected()?;
        let relayed = self.is_relay_end(&pair.local) || self.is_relay_end(&pair.remote);
        let class = if relayed || self.only_relayed_towards(agent, &pair.remote) {
            PathClass::Relayed
        } else {
            PathClass::Direct
        };
        Some((class, at.event))
    }

    /// What a pair on the wire is.
    pub fn wire_class(&self, pair: &PairTrace) -> PathClass {
        if pair.key.relay.is_some() || self.is_relay(pair.key.remote) { PathClass::Relayed } else { PathClass::Direct }
    }

    fn is_relay_end(&self, end: &PairEnd) -> bool {
        end.kind == CandidateType::Relayed || endpoint(end).is_some_and(|endpoint| self.is_relay(endpoint))
    }

    /// Every check that was answered from there had gone through a relay, whatever base the agent reports.
    fn only_relayed_towards(&self, agent: &AgentTrace, remote: &PairEnd) -> bool {
        let Some(remote) = endpoint(remote) else { return false };
        let towards = |p: &&PairTrace| p.key.remote == remote && p.responses_received > 0;
        let mut answered = agent.checks.pairs().iter().filter(towards).peekable();
        answered.peek().is_some() && answered.all(|p| p.key.relay.is_some())
    }

    /// Nominated pairs, else those that answered.
    fn used_on_wire(&self, agent: &AgentTrace) -> Vec<(PathClass, u64)> {
        let pairs = agent.checks.pairs();
        let nominated: Vec<_> =
            pairs.iter().filter_map(|p| p.nominated.map(|at| (self.wire_class(p), at.event))).collect();
        if !nominated.is_empty() {
            return nominated;
        }
        pairs.iter().filter_map(|p| p.first_success.map(|at| (self.wire_class(p), at.event))).collect()
    }
}

fn endpoint(end: &PairEnd) -> Option<SocketAddr> {
    Some(SocketAddr::new(end.address.parse().ok()?, end.port))
}
