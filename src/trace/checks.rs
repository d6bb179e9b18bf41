//! The connectivity checks of one side, as its tap saw them, pair by pair.
//!
//! A pair is what the wire shows: the own base (or the way to a relay) and the remote transport address. Frozen pairs send
//! nothing, so they are not here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::Moment;
use crate::event::{Class, Direction, Packet};
use crate::ice::IceRole;
use crate::net::Transport;

/// RFC 8445 §7.3.1.1: both sides think they control, or both that they do not.
pub const ROLE_CONFLICT: u16 = 487;

/// The way to a TURN server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Via {
    /// The server.
    pub server: SocketAddr,
    /// Transport between client and server.
    pub transport: Transport,
}

/// Which pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PairKey {
    /// The own transport address on the wire: the base, or the client's end of an allocation.
    pub base: SocketAddr,
    /// Set when the pair's local candidate is a relayed one.
    pub relay: Option<Via>,
    /// The other end.
    pub remote: SocketAddr,
}

/// State of a pair (RFC 8445 §6.1.2.6), as far as the wire shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckState {
    /// The other side has sent checks, this side has not yet.
    Waiting,
    /// Checks were sent, none was answered yet.
    InProgress,
    /// A check was answered.
    Succeeded,
    /// A check was refused, or as many were sent unanswered as the agent sends on one pair.
    Failed,
}

impl fmt::Display for CheckState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CheckState::Waiting => "waiting",
            CheckState::InProgress => "in-progress",
            CheckState::Succeeded => "succeeded",
            CheckState::Failed => "failed",
        })
    }
}

/// What happened on one pair, seen from one side. Counters as in W3C `RTCIceCandidatePairStats`.
#[derive(Clone, Debug)]
pub struct PairTrace {
    /// Which pair.
    pub key: PairKey,
    /// Checks sent, retransmissions not counted.
    pub requests_sent: u32,
    /// The same checks (by transaction id) sent again.
    pub retransmissions_sent: u32,
    /// Success responses received.
    pub responses_received: u32,
    /// Checks received, retransmissions included.
    pub requests_received: u32,
    /// Success responses sent.
    pub responses_sent: u32,
    /// Error responses received.
    pub errors_received: Vec<(u16, Moment)>,
    /// Error responses sent.
    pub errors_sent: Vec<(u16, Moment)>,
    /// Answers that came from, or to, another address than their check went to, or came from: failures by RFC 8445
    /// §7.2.5.2.1.
    pub non_symmetric: u32,
    /// From check to answer, in microseconds; without those that were retransmitted, whose answer is ambiguous.
    pub round_trips_us: Vec<u64>,
    /// The first check with USE-CANDIDATE that was sent.
    pub use_candidate_sent: Option<Moment>,
    /// The first check with USE-CANDIDATE that was received.
    pub use_candidate_received: Option<Moment>,
    /// When the first check with USE-CANDIDATE was answered with success, by whichever side had to.
    pub nominated: Option<Moment>,
    /// First check sent.
    pub first_sent: Option<Moment>,
    /// Last check sent, retransmissions included.
    pub last_sent: Option<Moment>,
    /// First check received.
    pub first_received: Option<Moment>,
    /// Last check received.
    pub last_received: Option<Moment>,
    /// First success response received.
    pub first_success: Option<Moment>,
    /// Last success response received.
    pub last_success: Option<Moment>,
    /// The longest time between two transmissions that followed each other, in microseconds.
    pub longest_gap_us: u64,
    /// The own transport address as the other side saw it: the last one it answered with.
    pub mapped: Option<SocketAddr>,
}

impl PairTrace {
    fn new(key: PairKey) -> Self {
        PairTrace {
            key,
            requests_sent: 0,
            retransmissions_sent: 0,
            responses_received: 0,
            requests_received: 0,
            responses_sent: 0,
            errors_received: Vec::new(),
            errors_sent: Vec::new(),
            non_symmetric: 0,
            round_trips_us: Vec::new(),
            use_candidate_sent: None,
            use_candidate_received: None,
            nominated: None,
            first_sent: None,
            last_sent: None,
            first_received: None,
            last_received: None,
            first_success: None,
            last_success: None,
            longest_gap_us: 0,
            mapped: None,
        }
    }

    /// Checks on the wire, retransmissions included.
    pub fn transmissions(&self) -> u32 {
        self.requests_sent.saturating_add(self.retransmissions_sent)
    }

    /// Whether anything came back for a check: success or error.
    pub fn answered(&self) -> bool {
        self.responses_received > 0 || !self.errors_received.is_empty() || self.non_symmetric > 0
    }

    /// Its state. `limit` is the number of unanswered transmissions after which the agent gives a pair up, where it says so.
    pub fn state(&self, limit: Option<u32>) -> CheckState {
        let refused = self.errors_received.iter().any(|(code, _)| *code != ROLE_CONFLICT);
        if self.responses_received > 0 {
            CheckState::Succeeded
        } else if refused || self.non_symmetric > 0 || limit.is_some_and(|limit| self.transmissions() >= limit) {
            CheckState::Failed
        } else if self.transmissions() > 0 {
            CheckState::InProgress
        } else {
            CheckState::Waiting
        }
    }

    fn sent(&mut self, at: Moment, again: bool, use_candidate: bool) {
        if again {
            self.retransmissions_sent = self.retransmissions_sent.saturating_add(1);
        } else {
            self.requests_sent = self.requests_sent.saturating_add(1);
        }
        if let Some(last) = self.last_sent {
            self.longest_gap_us = self.longest_gap_us.max(at.t_us.saturating_sub(last.t_us));
        }
        self.first_sent.get_or_insert(at);
        self.last_sent = Some(at);
        if use_candidate {
            self.use_candidate_sent.get_or_insert(at);
        }
    }

    fn received(&mut self, at: Moment, use_candidate: bool) {
        self.requests_received = self.requests_received.saturating_add(1);
        self.first_received.get_or_insert(at);
        self.last_received = Some(at);
        if use_candidate {
            self.use_candidate_received.get_or_insert(at);
        }
    }
}

/// The checks of one side.
#[derive(Clone, Debug, Default)]
pub struct Checks {
    /// Role in its first check, and when it was sent.
    pub first_role: Option<(IceRole, Moment)>,
    /// Role in its last check.
    pub last_role: Option<(IceRole, Moment)>,
    /// Last check sent on any pair.
    pub last_sent: Option<Moment>,
    /// First check that was answered with success.
    pub first_success: Option<Moment>,
    pairs: Vec<PairTrace>,
    index: BTreeMap<PairKey, usize>,
    /// Checks sent, by transaction id.
    outgoing: BTreeMap<String, Transaction>,
    /// Checks received with USE-CANDIDATE, by transaction id.
    nominating: BTreeMap<String, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Transaction {
    pair: usize,
    sent: Moment,
    retransmitted: bool,
    answered: bool,
    use_candidate: bool,
}

impl Checks {
    /// Every pair, in the order in which the wire showed them.
    pub fn pairs(&self) -> &[PairTrace] {
        &self.pairs
    }

    /// Checks sent, retransmissions included.
    pub fn transmissions(&self) -> u64 {
        self.pairs.iter().map(|pair| u64::from(pair.transmissions())).sum()
    }

    /// Checks that came in.
    pub fn requests_received(&self) -> u64 {
        self.pairs.iter().map(|pair| u64::from(pair.requests_received)).sum()
    }

    /// First check sent on any pair.
    pub fn first_sent(&self) -> Option<Moment> {
        self.pairs.iter().filter_map(|pair| pair.first_sent).reduce(Moment::min_by_time)
    }

    /// A check, or the answer to one.
    pub(super) fn packet(&mut self, packet: &Packet, at: Moment) {
        let pair = self.pair(key(packet));
        match (packet.direction, packet.class) {
            (Direction::Out, Class::Request) => self.request_sent(packet, pair, at),
            (Direction::In, Class::Request) => {
                if packet.use_candidate {
                    self.nominating.insert(packet.transaction.clone(), pair);
                }
                self.change(pair, |p| p.received(at, packet.use_candidate));
            }
            (Direction::In, Class::Success | Class::Error) => self.answer_received(packet, pair, at),
            (Direction::Out, Class::Success) => {
                let nominating = self.nominating.get(&packet.transaction) == Some(&pair);
                self.change(pair, |p| {
                    p.responses_sent = p.responses_sent.saturating_add(1);
                    if nominating {
                        p.nominated.get_or_insert(at);
                    }
                });
            }
            (Direction::Out, Class::Error) => {
                self.change(pair, |p| p.errors_sent.push((packet.error.unwrap_or(0), at)));
            }
            (_, Class::Indication) => {}
        }
    }

    fn request_sent(&mut self, packet: &Packet, pair: usize, at: Moment) {
        if let Some(role) = packet.ice_role {
            self.first_role.get_or_insert((role, at));
            self.last_role = Some((role, at));
        }
        self.last_sent = Some(at);
        let again = match self.outgoing.get_mut(&packet.transaction) {
            Some(open) if open.pair == pair => {
                open.retransmitted = true;
                true
            }
            _ => {
                let use_candidate = packet.use_candidate;
                let open = Transaction { pair, sent: at, retransmitted: false, answered: false, use_candidate };
                self.outgoing.insert(packet.transaction.clone(), open);
                false
            }
        };
        self.change(pair, |p| p.sent(at, again, packet.use_candidate));
    }

    fn answer_received(&mut self, packet: &Packet, pair: usize, at: Moment) {
        let Some(open) = self.outgoing.get_mut(&packet.transaction) else { return };
        if open.answered {
            return; // the answer to a retransmission
        }
        open.answered = true;
        let Transaction { pair: asked, sent, retransmitted, use_candidate, .. } = *open;
        let success = packet.class == Class::Success;
        self.change(asked, |p| {
            if asked != pair {
                p.non_symmetric = p.non_symmetric.saturating_add(1);
                return;
            }
            if !success {
                p.errors_received.push((packet.error.unwrap_or(0), at));
                return;
            }
            p.responses_received = p.responses_received.saturating_add(1);
            p.first_success.get_or_insert(at);
            p.last_success = Some(at);
            p.mapped = packet.mapped.or(p.mapped);
            if use_candidate {
                p.nominated.get_or_insert(at);
            }
            if !retransmitted {
                p.round_trips_us.push(at.t_us.saturating_sub(sent.t_us));
            }
        });
        if success && asked == pair {
            self.first_success.get_or_insert(at);
        }
    }

    fn pair(&mut self, key: PairKey) -> usize {
        *self.index.entry(key).or_insert_with(|| {
            self.pairs.push(PairTrace::new(key));
            self.pairs.len() - 1
        })
    }

    fn change(&mut self, pair: usize, act: impl FnOnce(&mut PairTrace)) {
        if let Some(pair) = self.pairs.get_mut(pair) {
            act(pair);
        }
    }
}

fn key(packet: &Packet) -> PairKey {
    let (own, other) = match packet.direction {
        Direction::Out => (packet.from, packet.to),
        Direction::In => (packet.to, packet.from),
    };
    match packet.relay_peer {
        Some(peer) => {
            PairKey { base: own, relay: Some(Via { server: other, transport: packet.transport }), remote: peer }
        }
        None => PairKey { base: own, relay: None, remote: other },
    }
}
