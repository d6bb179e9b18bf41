//! The checks of one pair, seen from one side.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::ice::CandidateType;
use crate::net::Transport;
use crate::trace::agent::SeenCandidate;
use crate::trace::{AgentTrace, CheckState, PairTrace, Trace};

/// Checks on one pair. Names of counters and times to answer are those of W3C `RTCIceCandidatePairStats`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PairRecord {
    /// The own end: base, or relayed transport address.
    pub local: SocketAddr,
    /// Type of the own candidate with this base; `null` when no candidate fits.
    pub local_candidate_type: Option<CandidateType>,
    /// The own end as the other side saw it, where a check was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped: Option<SocketAddr>,
    /// The other end.
    pub remote: SocketAddr,
    /// Type of the other side's candidate with this address: `prflx` when it had not announced it.
    pub remote_candidate_type: CandidateType,
    /// The way to the own relay, of a pair whose own end is a relayed transport address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay: Option<RelayHop>,
    /// RFC 8445 §6.1.2.6, as far as the wire shows it.
    pub state: CheckState,
    /// A check with USE-CANDIDATE was answered with success.
    pub nominated: bool,
    /// The agent reports it as its selected pair.
    pub selected: bool,
    /// Checks sent, retransmissions not counted.
    pub requests_sent: u32,
    /// The same checks sent again.
    pub retransmissions_sent: u32,
    /// Success responses received.
    pub responses_received: u32,
    /// Checks received.
    pub requests_received: u32,
    /// Success responses sent.
    pub responses_sent: u32,
    /// Codes of error responses received.
    pub errors_received: Vec<u16>,
    /// Codes of error responses sent.
    pub errors_sent: Vec<u16>,
    /// Answers from or to another address than that of their check (RFC 8445 §7.2.5.2.1).
    pub non_symmetric_responses: u32,
    /// Last one, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_round_trip_time: Option<f64>,
    /// Sum, in seconds.
    pub total_round_trip_time: f64,
    /// All of them, in microseconds.
    pub round_trips_us: Vec<u64>,
    /// First check sent, in milliseconds since the offer.
    pub first_request_ms: Option<f64>,
    /// Last check sent.
    pub last_request_ms: Option<f64>,
    /// First success response received.
    pub first_response_ms: Option<f64>,
    /// First check received.
    pub first_request_received_ms: Option<f64>,
    /// Nominated.
    pub nominated_ms: Option<f64>,
    /// Events of first and last check and of the first success.
    pub events: Vec<u64>,
}

/// The way to a relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayHop {
    /// TURN server.
    pub server: SocketAddr,
    /// Transport to it.
    pub transport: Transport,
    /// The client's end.
    pub client: SocketAddr,
}

impl PairRecord {
    pub(super) fn new(trace: &Trace, agent: &AgentTrace, pair: &PairTrace) -> PairRecord {
        let key = pair.key;
        let relayed = key.relay.and_then(|via| agent.servers.allocation(key.base, via)).and_then(|a| a.relayed);
        let local = relayed.map_or(key.base, |(relayed, _)| relayed);
        let other = trace.other(agent);
        let limit = agent.configured.as_ref().and_then(|c| c.checks_per_pair);
        let seconds = |us: u64| us as f64 / 1_000_000.0;
        let ms = |at: Option<crate::trace::Moment>| at.and_then(|at| trace.since_offer_ms(at));
        let cited = [pair.first_sent, pair.first_success, pair.last_sent, pair.first_received];
        let mut events: Vec<u64> = cited.into_iter().flatten().map(|at| at.event).collect();
        events.sort_unstable();
        events.dedup();
        PairRecord {
            local,
            local_candidate_type: local_type(agent, pair),
            mapped: pair.mapped,
            remote: key.remote,
            remote_candidate_type: remote_type(trace, other, key.remote),
            relay: key.relay.map(|via| RelayHop { server: via.server, transport: via.transport, client: key.base }),
            state: pair.state(limit),
            nominated: pair.nominated.is_some(),
            selected: is_selected(agent, pair, local),
            requests_sent: pair.requests_sent,
            retransmissions_sent: pair.retransmissions_sent,
            responses_received: pair.responses_received,
            requests_received: pair.requests_received,
            responses_sent: pair.responses_sent,
            errors_received: pair.errors_received.iter().map(|(code, _)| *code).collect(),
            errors_sent: pair.errors_sent.iter().map(|(code, _)| *code).collect(),
            non_symmetric_responses: pair.non_symmetric,
            current_round_trip_time: pair.round_trips_us.last().copied().map(seconds),
            total_round_trip_time: seconds(pair.round_trips_us.iter().fold(0, |sum: u64, us| sum.saturating_add(*us))),
            round_trips_us: pair.round_trips_us.clone(),
            first_request_ms: ms(pair.first_sent),
            last_request_ms: ms(pair.last_sent),
            first_response_ms: ms(pair.first_success),
            first_request_received_ms: ms(pair.first_received),
            nominated_ms: ms(pair.nominated),
            events,
        }
    }
}

/// The type of the own candidate that has this base. A reflexive candidate is known by its related address (RFC 8839 §5.1),
/// of which some agents give only the port.
fn local_type(agent: &AgentTrace, pair: &PairTrace) -> Option<CandidateType> {
    if pair.key.relay.is_some() {
        return Some(CandidateType::Relayed);
    }
    let base = pair.key.base;
    let host = |seen: &SeenCandidate| seen.candidate.endpoint() == Some(base);
    let reflexive = |seen: &SeenCandidate| {
        let c = &seen.candidate;
        let address = c.related_address.as_deref().and_then(|a| a.parse::<std::net::IpAddr>().ok());
        c.kind == CandidateType::ServerReflexive
            && c.related_port == Some(base.port())
            && address.is_none_or(|a| a.is_unspecified() || a == base.ip())
    };
    let found = agent.local.iter().find(|seen| host(seen)).or_else(|| agent.local.iter().find(|seen| reflexive(seen)));
    found.map(|seen| seen.candidate.kind)
}

fn remote_type(trace: &Trace, other: &AgentTrace, remote: SocketAddr) -> CandidateType {
    let announced = other.local.iter().find(|seen| seen.candidate.endpoint() == Some(remote));
    match announced {
        Some(seen) => seen.candidate.kind,
        None if trace.is_relay(remote) => CandidateType::Relayed,
        None => CandidateType::PeerReflexive,
    }
}

/// Agents name the own end by base or by candidate; the remote end is the same to all.
fn is_selected(agent: &AgentTrace, pair: &PairTrace, local: SocketAddr) -> bool {
    let Some((selected, _)) = agent.selected() else { return false };
    let end = |e: &crate::protocol::PairEnd| Some(SocketAddr::new(e.address.parse().ok()?, e.port));
    if end(&selected.remote) != Some(pair.key.remote) {
        return false;
    }
    let reported = end(&selected.local);
    let relayed = selected.local.kind == CandidateType::Relayed;
    let base_of_reflexive = || {
        let candidate = agent.local.iter().find(|seen| seen.candidate.endpoint() == reported);
        candidate.is_some_and(|seen| seen.candidate.related_port == Some(pair.key.base.port()))
    };
    relayed == pair.key.relay.is_some()
        && (reported == Some(local) || reported == pair.mapped || (!relayed && base_of_reflexive()))
}
