//! What the model cannot know about a trial, and whether it matters.

use super::Situation;
use crate::ice::OfferRole;
use crate::nat::{Filtering, Hairpinning, Mapping};
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
    /// Which endpoint an answer to a hairpinned session leaves from. Granted: the one that the session came in on.
    HairpinSemantics,
}

/// The unknowns that are taken to have turned out as their docs say; the others turned out the other way.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assumptions {
    granted: Vec<Unknown>,
}

impl Assumptions {
    pub(super) fn grant(&self, unknown: Unknown) -> bool {
        self.granted.contains(&unknown)
    }
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
        }
        // The three behaviours whose strictness is made by rules for packets from the Internet alone.
        let hairpin = situation.hairpin().filter(|g| g.hairpinning == Hairpinning::ExternalSource);
        if hairpin.is_some_and(|g| {
            matches!(
                (g.mapping, g.filtering),
                (Mapping::AddressDependent | Mapping::AddressAndPortDependent, Filtering::EndpointIndependent)
                    | (Mapping::AddressAndPortDependent, Filtering::AddressDependent)
            )
        }) {
            open.push(Unknown::HairpinSemantics);
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
            Unknown::HairpinSemantics => {
                "both sides meet at a NAT that turns packets around and has several endpoints for each of \
                them; which one an answer leaves from has not been measured for such packets"
                    .to_owned()
            }
        }
    }
}
