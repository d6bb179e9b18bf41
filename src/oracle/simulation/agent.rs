//! An ICE agent as RFC 8445 describes it, without pacing between pairs: each due check is sent at its tick.

use super::{Endpoint, Message, Packet};
use crate::ice::CandidateType;

/// Rc of RFC 8489 §6.2.1.
const TRANSMISSIONS: usize = 7;
/// A pair whose checks are provoked again and again, each time from somewhere else, is given up at some point.
const TRIGGERS: usize = 12;

/// Where an agent sends from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Host,
    Relay,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    InProgress,
    Succeeded { mapped: Endpoint },
    Failed,
}

#[derive(Clone, Debug)]
struct Pair {
    base: Base,
    remote: Endpoint,
    state: State,
    sent: usize,
    due: usize,
    triggers: usize,
}

/// A pair that works, as its agent sees it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Working {
    pub base: Base,
    /// The agent's own endpoint before any translation.
    pub from: Endpoint,
    pub remote: Endpoint,
    /// Type of the local candidate of the valid pair (RFC 8445 §7.2.5.3.2).
    pub kind: CandidateType,
}

#[derive(Debug)]
pub(super) struct Agent {
    candidates: Vec<(CandidateType, Endpoint, Base)>,
    own: Option<Endpoint>,
    pairs: Vec<Pair>,
    /// Base and destination of each request; its place is its transaction.
    transactions: Vec<(Base, Endpoint)>,
}

impl Agent {
    pub fn new() -> Agent {
        Agent { candidates: Vec::new(), own: None, pairs: Vec::new(), transactions: Vec::new() }
    }

    pub fn gather(&mut self, kind: CandidateType, endpoint: Endpoint, base: Base) {
        self.candidates.push((kind, endpoint, base));
    }

    /// The endpoint that it sends from by itself, whether or not it is a candidate.
    pub fn listen(&mut self, own: Endpoint) {
        self.own = Some(own);
    }

    pub fn announced(&self) -> Vec<Endpoint> {
        self.candidates.iter().map(|(_, endpoint, _)| *endpoint).collect()
    }

    pub fn relay(&self) -> Option<Endpoint> {
        self.candidates.iter().find(|(kind, ..)| *kind == CandidateType::Relayed).map(|(_, endpoint, _)| *endpoint)
    }

    /// RFC 8445 §6.1.2: every base with every remote candidate; reflexive ones are replaced by their base.
    pub fn pair_up(&mut self, remote: &[Endpoint]) {
        for base in [Base::Host, Base::Relay] {
            if self.candidates.iter().any(|(.., b)| *b == base) {
                self.pairs.extend(remote.iter().map(|r| Pair::new(base, *r, 0)));
            }
        }
    }

    fn address(&self, base: Base) -> Option<Endpoint> {
        match base {
            Base::Host => self.own,
            Base::Relay => self.relay(),
        }
    }

    /// Checks to send at this tick.
    pub fn due(&mut self, tick: usize) -> Vec<(Base, Packet)> {
        let mut packets = Vec::new();
        for i in 0..self.pairs.len() {
            let pair = &mut self.pairs[i];
            if pair.state != State::InProgress || pair.due > tick {
                continue;
            }
            if pair.sent == TRANSMISSIONS {
                pair.state = State::Failed;
                continue;
            }
            pair.due = tick + (1 << pair.sent);
            pair.sent += 1;
            let (base, to) = (pair.base, pair.remote);
            let Some(from) = self.address(base) else { continue };
            let what = Message::Request { transaction: self.transactions.len() };
            self.transactions.push((base, to));
            packets.push((base, Packet { from, to, what }));
        }
        packets
    }

    /// Takes a packet and gives what is sent at once because of it.
    pub fn receive(&mut self, at: Base, packet: Packet, tick: usize) -> Vec<(Base, Packet)> {
        match packet.what {
            Message::Request { transaction } => {
                let Some(from) = self.address(at) else { return Vec::new() };
                self.trigger(at, packet.from, tick);
                let what = Message::Response { transaction, mapped: packet.from };
                vec![(at, Packet { from, to: packet.from, what })]
            }
            Message::Response { transaction, mapped } => {
                let Some((base, to)) = self.transactions.get(transaction).copied() else { return Vec::new() };
                // RFC 8445 §7.2.5.2.1: the answer has to come from where the request went, to where it came from.
                let symmetric = base == at && to == packet.from;
                if let Some(pair) = self.pairs.iter_mut().find(|p| p.base == base && p.remote == to) {
                    pair.state = match pair.state {
                        succeeded @ State::Succeeded { .. } => succeeded,
                        _ if symmetric => State::Succeeded { mapped },
                        _ => State::Failed,
                    };
                }
                Vec::new()
            }
        }
    }

    /// RFC 8445 §7.3.1.4: a check in return, to where the request came from; unknown sources become peer-reflexive
    /// candidates, paired with the base that heard them and no other.
    fn trigger(&mut self, base: Base, remote: Endpoint, tick: usize) {
        match self.pairs.iter_mut().find(|p| p.base == base && p.remote == remote) {
            None => self.pairs.push(Pair::new(base, remote, tick)),
            Some(pair) => {
                let works = matches!(pair.state, State::Succeeded { .. });
                if !works && pair.triggers < TRIGGERS {
                    *pair = Pair { triggers: pair.triggers + 1, ..Pair::new(base, remote, tick) };
                }
            }
        }
    }

    /// Nothing is due any more, now or later.
    pub fn is_done(&self) -> bool {
        self.pairs.iter().all(|pair| pair.state != State::InProgress)
    }

    pub fn succeeded(&self) -> Vec<Working> {
        let working = self.pairs.iter().filter_map(|pair| {
            let State::Succeeded { mapped } = pair.state else { return None };
            let known = self.candidates.iter().find(|(_, endpoint, base)| *endpoint == mapped && *base == pair.base);
            let kind = known.map_or(CandidateType::PeerReflexive, |(kind, ..)| *kind);
            Some(Working { base: pair.base, from: self.address(pair.base)?, remote: pair.remote, kind })
        });
        working.collect()
    }
}

impl Pair {
    fn new(base: Base, remote: Endpoint, due: usize) -> Pair {
        Pair { base, remote, state: State::InProgress, sent: 0, due, triggers: 0 }
    }
}
