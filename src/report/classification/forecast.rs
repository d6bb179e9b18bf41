//! Against a peer behind each behaviour: direct, or through a relay. From the oracle's closed form, for every behaviour that
//! the findings leave possible.

use serde::Serialize;

use crate::classification::FamilyFindings;
use crate::ice::OfferRole;
use crate::nat::{Behavior, Filtering, Mapping, Semantics, Translation, UdpPolicy};
use crate::net::Transport;
use crate::oracle::{Side, Situation, predict};
use crate::plan::{ExpectedOutcome, Gathering};

/// A behaviour that a peer can be behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Peer {
    /// No NAT: `eif` is a plain public address, anything else a firewall.
    Public {
        /// What comes in.
        filtering: Filtering,
    },
    /// A NAT.
    Nat {
        /// RFC 4787 §4.1.
        mapping: Mapping,
        /// RFC 4787 §5.
        filtering: Filtering,
    },
    /// A network that blocks UDP.
    UdpBlocked,
}

impl Peer {
    /// Every one, in the order of the table.
    pub fn all() -> Vec<Peer> {
        let public = Filtering::ALL.map(|filtering| Peer::Public { filtering });
        let nats =
            Mapping::ALL.into_iter().flat_map(|mapping| Filtering::ALL.map(|f| Peer::Nat { mapping, filtering: f }));
        public.into_iter().chain(nats).chain([Peer::UdpBlocked]).collect()
    }

    fn behavior(self) -> Behavior {
        match self {
            Peer::Public { filtering } => Behavior::public(filtering),
            Peer::Nat { mapping, filtering } => Behavior::napt(mapping, filtering),
            Peer::UdpBlocked => Behavior {
                udp: UdpPolicy::Blocked,
                ..Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
            },
        }
    }
}

/// What happens between the two when both have STUN and a TURN server over UDP and TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Path {
    /// They reach each other.
    Direct,
    /// Only a relay connects them.
    Relay,
    /// It depends on what is not known of the NAT here, or on the order of packets.
    Either,
}

/// A peer, and what happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Forecast {
    /// The peer's behaviour.
    pub peer: Peer,
    /// How it ends.
    pub path: Path,
}

/// What an answer to a session from outside leaves through is seen from neither end.
const SEMANTICS: [Semantics; 2] = [Semantics::Strict, Semantics::ReplyAffine];

/// One for every behaviour of a peer; none when nothing is known that could be predicted from.
pub fn forecast(family: &FamilyFindings) -> Vec<Forecast> {
    let own = possible(family);
    if own.is_empty() {
        return Vec::new();
    }
    Peer::all().into_iter().map(|peer| Forecast { peer, path: between(&own, peer) }).collect()
}

/// Every behaviour that agrees with the findings; none when the mapping is not known at all.
pub fn possible(family: &FamilyFindings) -> Vec<Behavior> {
    if family.udp.value == Some(UdpPolicy::Blocked) {
        return vec![Peer::UdpBlocked.behavior()];
    }
    let filterings = family.filtering.value.map_or(Filtering::ALL.to_vec(), |f| vec![f]);
    if family.translation.value == Some(Translation::None) {
        return filterings.into_iter().map(Behavior::public).collect();
    }
    let Some(mapping) = family.mapping.value else { return Vec::new() };
    let mut all = Vec::new();
    for mapping in mapping.candidates() {
        for filtering in &filterings {
            for semantics in SEMANTICS {
                all.push(Behavior { semantics, ..Behavior::napt(*mapping, *filtering) });
            }
        }
    }
    all
}

fn between(own: &[Behavior], peer: Peer) -> Path {
    let (mut direct, mut other) = (false, false);
    // Of the peer, too, nobody knows which of the two it is.
    let peers = SEMANTICS.map(|semantics| Behavior { semantics, ..peer.behavior() });
    let pairs = own.iter().flat_map(|mine| peers.iter().map(move |peer| (mine, *peer)));
    for (mine, peer) in pairs {
        for role in [OfferRole::Offerer, OfferRole::Answerer] {
            let side =
                |b: Behavior| Side { stun: true, turn: vec![Transport::Udp, Transport::Tcp], ..Side::new(vec![b]) };
            let (offerer, answerer) = match role {
                OfferRole::Offerer => (side(*mine), side(peer)),
                OfferRole::Answerer => (side(peer), side(*mine)),
            };
            let situation = Situation { offerer, answerer, shared: None, gathering: Gathering::Trickle };
            let prediction = predict(&situation);
            let is_direct = prediction.outcomes.contains(&ExpectedOutcome::Direct);
            direct |= is_direct || prediction.is_unpredicted();
            other |= !is_direct || prediction.racy || prediction.is_unpredicted();
        }
    }
    match (direct, other) {
        (true, false) => Path::Direct,
        (true, true) => Path::Either,
        _ => Path::Relay,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::{Family, Finding, MappingFound};

    fn family(mapping: Option<MappingFound>, filtering: Option<Filtering>) -> FamilyFindings {
        let mut family = FamilyFindings::unknown(Family::Ipv4);
        family.udp = Finding::known(UdpPolicy::Allowed, "");
        family.translation = Finding::known(Translation::Napt, "");
        if let Some(mapping) = mapping {
            family.mapping = Finding::known(mapping, "");
        }
        if let Some(filtering) = filtering {
            family.filtering = Finding::known(filtering, "");
        }
        family
    }

    fn path(family: &FamilyFindings, peer: Peer) -> Path {
        forecast(family).into_iter().find(|f| f.peer == peer).map(|f| f.path).unwrap_or(Path::Either)
    }

    #[test]
    fn the_known_cases() {
        use Filtering as F;
        use MappingFound as M;
        let nat = |mapping, filtering| Peer::Nat { mapping, filtering };
        let symmetric = nat(Mapping::AddressAndPortDependent, F::AddressAndPortDependent);
        let open = family(Some(M::EndpointIndependent), Some(F::EndpointIndependent));
        assert_eq!(path(&open, symmetric), Path::Direct);
        assert_eq!(path(&open, Peer::UdpBlocked), Path::Relay);
        let strict = family(Some(M::EndpointIndependent), Some(F::AddressAndPortDependent));
        assert_eq!(path(&strict, symmetric), Path::Relay);
        assert_eq!(path(&strict, nat(Mapping::EndpointIndependent, F::AddressAndPortDependent)), Path::Direct);
        let own = family(Some(M::AddressAndPortDependent), Some(F::AddressAndPortDependent));
        assert_eq!(path(&own, symmetric), Path::Relay);
        assert_eq!(path(&own, Peer::Public { filtering: F::EndpointIndependent }), Path::Direct);
    }

    #[test]
    fn what_is_not_known_shows_where_it_matters_and_nowhere_else() {
        let unknown = family(Some(MappingFound::EndpointIndependent), None);
        let nat = |mapping| Peer::Nat { mapping, filtering: Filtering::AddressAndPortDependent };
        assert_eq!(
            path(&unknown, nat(Mapping::AddressAndPortDependent)),
            Path::Either,
            "EIF and ADF reach it, APDF not"
        );
        assert_eq!(path(&unknown, nat(Mapping::EndpointIndependent)), Path::Direct);
        assert_eq!(path(&unknown, Peer::UdpBlocked), Path::Relay);
        assert_eq!(forecast(&family(None, None)), []);
    }

    #[test]
    fn where_udp_is_blocked_everything_is_relayed() {
        let mut blocked = family(None, None);
        blocked.udp = Finding::known(UdpPolicy::Blocked, "");
        assert!(forecast(&blocked).iter().all(|f| f.path == Path::Relay));
    }
}
