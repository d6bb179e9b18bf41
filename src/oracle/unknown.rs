//! What the model cannot know about a trial, and whether it matters.

use super::chain::Chain;
use super::{Side, Situation};
use crate::ice::OfferRole;
use crate::nat::{Behavior, Filtering, Mapping, Pooling, PortAssignment, Translation, UdpPolicy};
use crate::net::Transport;
use crate::scenario::{ExpectedOutcome, Gathering};

/// One thing that the model cannot know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unknown {
    /// How many candidates were there when the description was cut short. Granted: all.
    CutShort,
    /// What an agent does whose TURN credentials are refused. Granted: what it would do had they been accepted.
    Credentials(OfferRole),
    /// Whether an agent that has a TURN server over TCP alone asks it for a reflexive UDP address too. Granted: it
    /// does.
    ReflexiveOverTcp(OfferRole),
    /// Which of several external addresses a mapping gets, where a side has several mappings. Granted: the one that it
    /// announced, each time.
    Pool(OfferRole),
    /// Whether the external ports that one host can have are enough for an agent. Granted: they are.
    Ports(OfferRole),
    /// Whether a mapping lives until it is used again. Granted: it does.
    Expiry(OfferRole),
    /// Whether an agent uses the port that is forwarded to it. Granted: it does, and the other side finds it there.
    Forward(OfferRole),
}

/// A mapping that lives shorter than this, in milliseconds, may be gone before it is used again: agents send their second
/// check half a second after the first, the later ones at growing distances, and keepalives every 15 s at most.
const SETTLED_MS: u64 = 5_000;
/// More ports than an agent needs where a mapping serves everybody: one for each of its sockets.
const PORTS_PER_SOCKET: usize = 16;
/// The same where each destination needs another one: its servers and the other side's candidates.
const PORTS_PER_DESTINATION: usize = 64;

/// The unknowns that are taken to have turned out as their docs say; the others turned out the other way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assumptions {
    granted: Vec<Unknown>,
}

impl Assumptions {
    /// What one takes for granted unless there is a reason not to: that NATs have room and do not forget.
    pub(super) fn usual() -> Assumptions {
        let both = |of: fn(OfferRole) -> Unknown| [of(OfferRole::Offerer), of(OfferRole::Answerer)];
        let kinds = [both(Unknown::Pool), both(Unknown::Ports), both(Unknown::Expiry)];
        Assumptions { granted: kinds.concat() }
    }

    pub(super) fn grant(&self, unknown: Unknown) -> bool {
        self.granted.contains(&unknown)
    }

    /// A side's gateways as they turn out to be. A NAT without ports or memory is at its worst one that blocks UDP.
    pub(super) fn gateways(&self, side: &Side, who: OfferRole) -> Vec<Behavior> {
        let mut all = side.gateways.clone();
        for (place, gateway) in all.iter_mut().enumerate() {
            if self.grant(Unknown::Pool(who)) {
                gateway.pooling = Pooling::Paired;
            }
            let stuck = short_of_ports(gateway) && !self.grant(Unknown::Ports(who));
            let forgetful = expires(gateway) && !self.grant(Unknown::Expiry(who));
            if stuck || forgetful {
                gateway.udp = UdpPolicy::Blocked;
            }
            if side.forwarded.contains(&place) && self.grant(Unknown::Forward(who)) {
                gateway.mapping = Mapping::EndpointIndependent;
                gateway.filtering = Filtering::EndpointIndependent;
            }
        }
        all
    }
}

fn passes_udp(gateway: &Behavior) -> bool {
    gateway.udp == UdpPolicy::Allowed
}

/// Whether a gateway may run out of ports for one agent.
fn short_of_ports(gateway: &Behavior) -> bool {
    let of_its_own = gateway.mapping == Mapping::EndpointIndependent && gateway.ports == PortAssignment::Preserving;
    if !passes_udp(gateway)
        || gateway.translation != Translation::Napt
        || gateway.ports == PortAssignment::Overloading
        || of_its_own
    {
        return false;
    }
    let enough = match gateway.mapping {
        Mapping::EndpointIndependent => PORTS_PER_SOCKET,
        _ => PORTS_PER_DESTINATION,
    };
    gateway.port_block.map_or(gateway.port_range.len(), usize::from).min(gateway.port_range.len()) < enough
}

/// Whether what a gateway remembers of UDP may end before it is needed again.
fn expires(gateway: &Behavior) -> bool {
    let remembers = gateway.translation.translates() || gateway.filtering != Filtering::EndpointIndependent;
    passes_udp(gateway) && remembers && gateway.lifetime_ms < SETTLED_MS
}

/// Whether a gateway may forget the connection to a TURN server while nothing is sent on it.
pub(super) fn tcp_expires(side: &Side) -> bool {
    let forgets = |g: &Behavior| {
        let tcp = g.tcp();
        let remembers = g.translation.translates() || tcp.filtering != Filtering::EndpointIndependent;
        remembers && tcp.lifetime_ms < SETTLED_MS
    };
    side.turn.contains(&Transport::Tcp) && side.gateways.iter().any(forgets)
}

impl Unknown {
    /// Those that a situation leaves open.
    fn of(situation: &Situation) -> Vec<Unknown> {
        let mut open = Vec::new();
        if situation.gathering == Gathering::Incomplete {
            open.push(Unknown::CutShort);
        }
        for who in [OfferRole::Offerer, OfferRole::Answerer] {
            let side = situation.side(who);
            if side.wrong_credentials && !side.turn.is_empty() {
                open.push(Unknown::Credentials(who));
            }
            if !side.stun && !side.turn.is_empty() && !side.turn.contains(&Transport::Udp) {
                open.push(Unknown::ReflexiveOverTcp(who));
            }
            let kinds = [
                (Unknown::Pool(who), Chain::of(&side.gateways).roams()),
                (Unknown::Ports(who), side.gateways.iter().any(short_of_ports)),
                (Unknown::Expiry(who), side.gateways.iter().any(expires) || tcp_expires(side)),
                (Unknown::Forward(who), !side.forwarded.is_empty()),
            ];
            open.extend(kinds.into_iter().filter(|(_, is_open)| *is_open).map(|(unknown, _)| unknown));
        }
        open
    }

    /// Those among them on which the outcome depends.
    pub(super) fn mattering(
        situation: &Situation,
        outcomes: impl Fn(&Assumptions) -> Vec<ExpectedOutcome>,
    ) -> Vec<Unknown> {
        let open = Unknown::of(situation);
        let choices = 0..1_usize << open.len();
        let chosen =
            |choice: usize| open.iter().enumerate().filter(move |(i, _)| choice >> i & 1 == 1).map(|(_, u)| *u);
        let results: Vec<_> =
            choices.clone().map(|c| outcomes(&Assumptions { granted: chosen(c).collect() })).collect();
        let matters = |i: usize| choices.clone().any(|c| results.get(c) != results.get(c ^ (1 << i)));
        open.iter().enumerate().filter(|(i, _)| matters(*i)).map(|(_, unknown)| *unknown).collect()
    }

    /// Why there is no prediction.
    pub(super) fn reason(self) -> String {
        let role = |who| match who {
            OfferRole::Offerer => "the offerer",
            OfferRole::Answerer => "the answerer",
        };
        match self {
            Unknown::CutShort => {
                "gathering is cut short, and the outcome depends on the candidates that are missing".to_owned()
            }
            Unknown::Credentials(who) => format!(
                "the TURN server refuses the credentials of {}, without which the outcome is another; \
                 what an agent does then is its own affair",
                role(who)
            ),
            Unknown::ReflexiveOverTcp(who) => format!(
                "{} has no STUN server and reaches its TURN server over TCP; whether an agent then \
                 learns its public UDP address differs from agent to agent",
                role(who)
            ),
            Unknown::Pool(who) => format!(
                "the NAT of {} takes any of its external addresses for each mapping; filters and TURN permissions \
                 for the address that was announced let it in by chance alone",
                role(who)
            ),
            Unknown::Ports(who) => {
                format!("a NAT in front of {} has so few ports for one host that an agent may use them up", role(who))
            }
            Unknown::Expiry(who) => format!(
                "mappings in front of {} end after less than {} s (less what the answer is held back), maybe before \
                 they are used again",
                role(who),
                SETTLED_MS / 1000
            ),
            Unknown::Forward(who) => format!(
                "a port is forwarded to {}, and whether its agent uses that port and the other side learns of it is \
                 not known",
                role(who)
            ),
        }
    }
}
