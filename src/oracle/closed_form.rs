//! The closed form: what must happen between two sides, from RFC 4787 behaviour, servers and policies alone.
//!
//! [`predict`] asks the module `rule` whether a direct path exists on the Internet, or `shared` whether one does inside a
//! common gateway, then whether a relay does. What the model cannot know, such as how far an agent got before gathering was
//! cut short, is tried both ways (`unknown`): where it changes nothing it does not matter, and where it changes the outcome
//! there is no prediction.

use super::chain::Chain;
use super::rule::{End, Path, direct};
use super::unknown::{self, Assumptions, Unknown};
use super::{Prediction, shared};
use crate::ice::{CandidatePolicy, IceRole, OfferRole};
use crate::nat::{Behavior, Filtering};
use crate::net::Transport;
use crate::scenario::{ExpectedOutcome, Gathering};

/// One side as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side {
    /// Gateways between it and the Internet, innermost first; empty: a public address of its own.
    pub gateways: Vec<Behavior>,
    /// It was given a STUN server.
    pub stun: bool,
    /// Transports of the TURN servers it was given; empty: none.
    pub turn: Vec<Transport>,
    /// Those TURN servers refuse the credentials it was given.
    pub wrong_credentials: bool,
    /// Candidates it may use.
    pub policy: CandidatePolicy,
    /// Forced ICE role.
    pub ice_role: Option<IceRole>,
    /// Those of its gateways, by their places, that forward a UDP port which its agent may happen to use.
    pub forwarded: Vec<usize>,
}

impl Side {
    /// A side without servers that may use every kind of candidate.
    pub fn new(gateways: Vec<Behavior>) -> Side {
        let (policy, turn, forwarded) = (CandidatePolicy::All, Vec::new(), Vec::new());
        Side { gateways, stun: false, turn, wrong_credentials: false, policy, ice_role: None, forwarded }
    }
}

/// A trial as the model sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Situation {
    /// The offerer.
    pub offerer: Side,
    /// The answerer.
    pub answerer: Side,
    /// What both stand behind, where there is such a gateway.
    pub shared: Option<Shared>,
    /// When descriptions are sent.
    pub gathering: Gathering,
}

/// The gateways that both sides stand behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shared {
    /// How many, at least one: the last ones of both sides' gateways.
    pub gateways: usize,
    /// Nodes in the network of the innermost one cannot reach each other there.
    pub isolated: bool,
}

/// What must happen.
pub fn predict(situation: &Situation) -> Prediction {
    let likeliest = answer(situation, &Assumptions::usual());
    let mattering = Unknown::mattering(situation, |assumptions| answer(situation, assumptions).outcomes);
    if !mattering.is_empty() {
        return unpredicted(mattering.into_iter().map(Unknown::reason).collect());
    }
    if likeliest.outcomes.is_empty() {
        return unpredicted(likeliest.reasons);
    }
    if likeliest.outcomes != [ExpectedOutcome::NoPath] && role_conflict(situation) {
        return unpredicted(vec![
            "both sides are told to take the same ICE role; repairing that is up to the agents \
             (RFC 8445 §7.3.1.1), and those that do not implement error 487 never connect"
                .to_owned(),
        ]);
    }
    Prediction { racy: likeliest.outcomes.len() > 1, outcomes: likeliest.outcomes, reasons: likeliest.reasons }
}

fn unpredicted(reasons: Vec<String>) -> Prediction {
    Prediction { outcomes: Vec::new(), racy: false, reasons }
}

fn role_conflict(situation: &Situation) -> bool {
    let offerer = situation.offerer.ice_role.unwrap_or(IceRole::Controlling);
    let answerer = situation.answerer.ice_role.unwrap_or(IceRole::Controlled);
    offerer == answerer
}

/// Outcomes under one set of assumptions; none where there is no rule.
struct Answer {
    outcomes: Vec<ExpectedOutcome>,
    reasons: Vec<String>,
}

fn answer(situation: &Situation, assumptions: &Assumptions) -> Answer {
    let sides = [OfferRole::Offerer, OfferRole::Answerer].map(|who| Means::of(situation, who, assumptions));
    let path = match situation.shared {
        Some(shared) => shared::meet(shared, &sides),
        None => on_the_internet(&sides),
    };
    let (outcomes, reason) = match path {
        Path::Open(reason) => return Answer { outcomes: vec![ExpectedOutcome::Direct], reasons: vec![reason] },
        Path::Racy(reason) => (vec![ExpectedOutcome::Direct], reason),
        Path::Closed(reason) => (vec![], reason),
        Path::NoRule(reason) => return Answer { outcomes: vec![], reasons: vec![reason] },
    };
    let (fallback, why) = relayed(&sides);
    Answer { outcomes: outcomes.into_iter().chain([fallback]).collect(), reasons: vec![reason, why] }
}

/// What a side has to work with.
pub(super) struct Means {
    who: OfferRole,
    pub(super) gateways: Vec<Behavior>,
    policy: CandidatePolicy,
    /// It has a socket of its own from which it sends checks.
    pub(super) sends: bool,
    /// The other side is told its host candidate.
    pub(super) announces_host: bool,
    /// The other side is told its server-reflexive candidate.
    pub(super) announces_reflexive: bool,
    /// It has a relayed candidate, and whether the other side is told.
    relay: Option<bool>,
}

impl Means {
    fn of(situation: &Situation, who: OfferRole, assumptions: &Assumptions) -> Means {
        use CandidatePolicy as P;
        let side = situation.side(who);
        let gateways = assumptions.gateways(side, who);
        let blocked = Chain::of(&gateways).blocks_udp();
        let tcp_lasts = !unknown::tcp_expires(side) || assumptions.grant(Unknown::Expiry(who));
        let usable = |transport: &Transport| match transport {
            Transport::Tcp => tcp_lasts,
            Transport::Udp => !blocked,
        };
        let accepted = !side.wrong_credentials || assumptions.grant(Unknown::Credentials(who));
        let has_relay = accepted && side.turn.iter().any(usable) && matches!(side.policy, P::All | P::Relay);
        let by_turn =
            accepted && (side.turn.contains(&Transport::Udp) || assumptions.grant(Unknown::ReflexiveOverTcp(who)));
        let has_reflexive = !blocked && (side.stun || !side.turn.is_empty() && by_turn);
        let has_host = matches!(side.policy, P::All | P::Host);
        let has_reflexive = has_reflexive && matches!(side.policy, P::All | P::Srflx);
        // Host candidates need no answer from anybody, so where they are allowed, one of them is the first.
        let only_host =
            situation.gathering == Gathering::Incomplete && !assumptions.grant(Unknown::CutShort) && has_host;
        Means {
            who,
            gateways,
            policy: side.policy,
            sends: has_host || has_reflexive,
            announces_host: has_host,
            announces_reflexive: has_reflexive && !only_host,
            relay: has_relay.then_some(!only_host),
        }
    }

    /// Its own socket as others see it through these gateways.
    pub(super) fn end(&self, gateways: &[Behavior], announced: bool) -> End {
        let chain = Chain::of(gateways);
        End { name: format!("{} ({chain})", self.role()), chain, announced, relay: false }
    }

    pub(super) fn role(&self) -> &'static str {
        match self.who {
            OfferRole::Offerer => "the offerer",
            OfferRole::Answerer => "the answerer",
        }
    }

    /// Its own socket as seen from the Internet, unless nothing of it gets there.
    fn own_end(&self) -> Option<End> {
        let chain = Chain::of(&self.gateways);
        let announced = self.announces_reflexive || self.announces_host && !chain.translates();
        (self.sends && !chain.blocks_udp()).then(|| self.end(&self.gateways, announced))
    }

    /// Its relayed transport address: a host on the Internet that lets in addresses with a permission (RFC 8656 §9).
    fn relay_end(&self) -> Option<End> {
        let name = format!("the relay of {}", self.role());
        let chain = Chain::of(&[Behavior::public(Filtering::AddressDependent)]);
        self.relay.map(|announced| End { name, chain, announced, relay: true })
    }

    /// Why it takes no part in direct paths.
    fn silent(&self) -> Option<String> {
        if Chain::of(&self.gateways).blocks_udp() {
            return Some(format!("UDP is blocked in front of {}", self.role()));
        }
        (!self.sends).then(|| match self.policy {
            CandidatePolicy::Relay => format!("{} may use relayed candidates only", self.role()),
            _ => format!(
                "{} may use server-reflexive candidates only and was given no server to learn one from",
                self.role()
            ),
        })
    }
}

impl Situation {
    /// The side in this role.
    pub(super) fn side(&self, who: OfferRole) -> &Side {
        match who {
            OfferRole::Offerer => &self.offerer,
            OfferRole::Answerer => &self.answerer,
        }
    }
}

fn on_the_internet(sides: &[Means; 2]) -> Path {
    match [sides[0].own_end(), sides[1].own_end()] {
        [Some(offerer), Some(answerer)] => direct(&offerer, &answerer),
        _ => Path::Closed(sides.iter().filter_map(Means::silent).collect::<Vec<_>>().join(" and ")),
    }
}

/// What is left without a direct path.
fn relayed(sides: &[Means; 2]) -> (ExpectedOutcome, String) {
    let [offerer, answerer] = sides;
    let ways = [
        (offerer.relay_end(), answerer.relay_end()),
        (offerer.relay_end(), answerer.own_end()),
        (offerer.own_end(), answerer.relay_end()),
    ];
    let mut obstacles = Vec::new();
    for way in ways {
        let (Some(a), Some(b)) = way else { continue };
        match direct(&a, &b) {
            Path::Open(_) => {
                let reason = match (a.relay, b.relay) {
                    (true, true) => "both sides have a relay, and each knows the other's".to_owned(),
                    (true, false) => by_one_relay(&a, &b),
                    _ => by_one_relay(&b, &a),
                };
                return (ExpectedOutcome::Relayed, reason);
            }
            // A relay has one endpoint and lets in addresses, so order matters only where even those change: with a pool,
            // for which the least that can be said is what is asked here (`Unknown::Pool`).
            Path::Racy(reason) | Path::Closed(reason) | Path::NoRule(reason) => obstacles.push(reason),
        }
    }
    let reason = if !obstacles.is_empty() {
        obstacles.join("; ")
    } else if sides.iter().all(|s| s.relay.is_none()) {
        "no side has a relay".to_owned()
    } else {
        let without = sides.iter().find(|s| s.relay.is_none()).unwrap_or(answerer);
        let why = without.silent().unwrap_or_default();
        format!("{why}, and without a relay of its own it cannot reach the other side's")
    };
    (ExpectedOutcome::NoPath, reason)
}

fn by_one_relay(relay: &End, other: &End) -> String {
    format!(
        "{} carries the data: {} reaches it, and its permission is for an address, not for a port",
        relay.name, other.name
    )
}

#[cfg(test)]
mod tests;
