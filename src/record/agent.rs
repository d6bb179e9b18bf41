//! The record of one side.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ice::{Candidate, CandidatePolicy, IceRole, OfferRole};
use crate::nat::Behavior;
use crate::net::Transport;
use crate::plan::{AgentProgram, Trial};
use crate::protocol::{IceState, PairEnd};
use crate::trace::agent::SeenCandidate;
use crate::trace::servers::{Allocation, AllocationState, Reflexive};
use crate::trace::{AgentTrace, Moment, Remark, Trace};
use crate::verdict::Reason;

use super::{PairRecord, names};

/// One side of a trial. Times are milliseconds since the offer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentRecord {
    /// Its node.
    pub peer: String,
    /// Who it was in offer/answer.
    pub offer_role: OfferRole,
    /// Who it was in ICE, where it is known.
    pub ice_role: Option<IceRole>,
    /// What was started.
    pub program: AgentProgram,
    /// Name of the library, as it said itself.
    pub agent: Option<String>,
    /// Version of the library.
    pub version: Option<String>,
    /// `ice` or `webrtc`.
    pub level: Option<String>,
    /// What it can do.
    pub caps: Vec<String>,
    /// What it was asked for and did not do.
    pub ignored: Vec<String>,
    /// The values behind the timer profile, as it gave them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers: Option<Value>,
    /// After how many unanswered checks it gives a pair up, where it said so.
    pub checks_per_pair: Option<u32>,
    /// Its address.
    pub address: Option<Ipv4Addr>,
    /// Gateways in front of it, innermost first.
    pub behind: Vec<String>,
    /// Composite of them.
    #[serde(default, with = "names::behavior")]
    pub behavior: Option<Behavior>,
    /// Candidates it was allowed to use.
    pub policy: CandidatePolicy,
    /// URLs of the servers it was given, without credentials.
    pub ice_servers: Vec<String>,
    /// Gathering was complete.
    pub gather_ms: Option<f64>,
    /// The first of its checks was answered.
    pub first_success_ms: Option<f64>,
    /// It was connected.
    pub connect_ms: Option<f64>,
    /// Every state it reported.
    pub states: Vec<StateRecord>,
    /// Its selected pair.
    pub selected_pair: Option<SelectedPair>,
    /// How often it announced a selected pair (W3C `RTCTransportStats`).
    pub selected_candidate_pair_changes: usize,
    /// Its candidates, in the order in which it announced them.
    pub local_candidates: Vec<CandidateRecord>,
    /// Candidates of the other side, as it was told them.
    pub remote_candidates: Vec<CandidateRecord>,
    /// Its checks, pair by pair, in the order in which the wire showed them.
    pub candidate_pairs: Vec<PairRecord>,
    /// What it asked of STUN servers.
    pub stun: Vec<StunRecord>,
    /// What it asked of TURN servers.
    pub turn: Vec<TurnRecord>,
    /// Failures of STUN and TURN that it reported.
    pub candidate_errors: Vec<CandidateErrorRecord>,
    /// Messages it was told to send.
    pub messages_sent: usize,
    /// Messages that arrived.
    pub messages_received: usize,
    /// When the first right message of the other side arrived.
    pub data_ms: Option<f64>,
    /// Failures, refused commands, lines that are not the protocol, unexpected end.
    pub faults: Vec<Reason>,
    /// The last lines of its log.
    pub log_tail: Vec<String>,
}

/// A state.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateRecord {
    /// W3C `RTCIceConnectionState`.
    pub state: IceState,
    /// When.
    pub ms: Option<f64>,
    /// Number of the event.
    pub event: u64,
}

/// A selected pair, as the agent reports it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SelectedPair {
    /// Own side.
    pub local: PairEnd,
    /// Other side.
    pub remote: PairEnd,
    /// Where the agent has it from: `event`, `stats`, `poll` or `private`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// When it was reported first as the last change.
    pub ms: Option<f64>,
    /// Number of the event.
    pub event: u64,
}

/// A candidate and when it was announced.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateRecord {
    /// The candidate.
    #[serde(flatten)]
    pub candidate: Candidate,
    /// When.
    pub ms: Option<f64>,
    /// It came inside a description.
    pub in_description: bool,
    /// Number of the event.
    pub event: u64,
}

/// A STUN exchange.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StunRecord {
    /// Server.
    pub server: SocketAddr,
    /// Transport.
    pub transport: Transport,
    /// The own end.
    pub local: SocketAddr,
    /// Requests sent.
    pub requests: u32,
    /// The own end as the server saw it; `null`: no answer.
    pub mapped: Option<SocketAddr>,
    /// From the first request to the answer, in milliseconds.
    pub took_ms: Option<f64>,
    /// Codes of error answers.
    pub errors: Vec<u16>,
    /// Events of the first request and of the answer.
    pub events: Vec<u64>,
}

/// A TURN allocation, or the attempt.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TurnRecord {
    /// Server.
    pub server: SocketAddr,
    /// Transport to it.
    pub transport: Transport,
    /// The client's end.
    pub client: SocketAddr,
    /// `allocated`, `refused` or `unanswered`.
    pub state: TurnState,
    /// Allocate requests sent.
    pub requests: u32,
    /// Codes of error answers to them; one 401 is the ordinary challenge.
    pub errors: Vec<u16>,
    /// The relayed transport address.
    pub relayed: Option<SocketAddr>,
    /// When it was allocated.
    pub allocated_ms: Option<f64>,
    /// Peers it was permitted.
    pub permitted: Vec<SocketAddr>,
    /// Peers it was refused, with the code.
    pub refused: Vec<(SocketAddr, u16)>,
    /// Peers with a channel.
    pub channels: Vec<SocketAddr>,
    /// Events of requests and answers.
    pub events: Vec<u64>,
}

/// What became of an attempt to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TurnState {
    /// There is a relayed transport address.
    Allocated,
    /// The last answer was an error.
    Refused,
    /// No answer ever came.
    Unanswered,
}

/// A failure of STUN or TURN that the agent reported (W3C `RTCPeerConnectionIceErrorEvent`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CandidateErrorRecord {
    /// Server.
    pub url: String,
    /// STUN error code, or 701 for unreachable.
    pub error_code: u32,
    /// Text.
    pub error_text: String,
    /// When.
    pub ms: Option<f64>,
    /// Number of the event.
    pub event: u64,
}

impl AgentRecord {
    pub(super) fn new(trial: &Trial, trace: &Trace, agent: &AgentTrace) -> AgentRecord {
        let ms = |at: Moment| trace.since_offer_ms(at);
        let hello = agent.hello.as_ref().map(|(hello, _)| hello);
        let peer = trial.peers.get(&agent.peer);
        let configured = agent.configured.as_ref();
        let seen = |seen: &SeenCandidate| CandidateRecord {
            candidate: seen.candidate.clone(),
            ms: ms(seen.at),
            in_description: seen.in_description,
            event: seen.at.event,
        };
        let urls = peer.into_iter().flat_map(|p| p.ice_servers.iter().flat_map(|server| server.urls.clone()));
        AgentRecord {
            peer: agent.peer.clone(),
            offer_role: agent.role,
            ice_role: agent.ice_role(),
            program: peer.map_or(AgentProgram::Command(Vec::new()), |p| p.agent.clone()),
            agent: hello.map(|h| h.agent.clone()),
            version: hello.map(|h| h.version.clone()),
            level: hello.map(|h| h.level.clone()),
            caps: hello.map(|h| h.caps.clone()).unwrap_or_default(),
            ignored: configured.map(|c| c.ignored.clone()).unwrap_or_default(),
            timers: configured.and_then(|c| c.timers.clone()),
            checks_per_pair: configured.and_then(|c| c.checks_per_pair),
            address: peer.map(|p| p.address),
            behind: peer.map(|p| p.behind.clone()).unwrap_or_default(),
            behavior: peer.map(|p| p.behavior),
            policy: peer.map(|p| p.policy).unwrap_or_default(),
            ice_servers: urls.collect(),
            gather_ms: agent.gathering_ended.and_then(ms),
            first_success_ms: agent.checks.first_success.and_then(ms),
            connect_ms: trace.was_connected(agent).and_then(ms),
            states: agent
                .states
                .iter()
                .map(|s| StateRecord { state: s.state, ms: ms(s.at), event: s.at.event })
                .collect(),
            selected_pair: agent.selected().map(|(pair, at)| SelectedPair {
                local: pair.local.clone(),
                remote: pair.remote.clone(),
                source: pair.source.clone(),
                ms: ms(at),
                event: at.event,
            }),
            selected_candidate_pair_changes: agent.pairs.len(),
            local_candidates: agent.local.iter().map(seen).collect(),
            remote_candidates: agent.remote.iter().map(seen).collect(),
            candidate_pairs: agent.checks.pairs().iter().map(|pair| PairRecord::new(trace, agent, pair)).collect(),
            stun: agent.servers.reflexive.iter().map(stun).collect(),
            turn: agent.servers.allocations.iter().map(|allocation| turn(trace, allocation)).collect(),
            candidate_errors: agent
                .candidate_errors
                .iter()
                .map(|e| CandidateErrorRecord {
                    url: e.url.clone(),
                    error_code: e.code,
                    error_text: e.message.clone(),
                    ms: ms(e.at),
                    event: e.at.event,
                })
                .collect(),
            messages_sent: agent.data_sent.len(),
            messages_received: agent.data_received.len(),
            data_ms: trace.heard_of(trace.other(agent)).and_then(ms),
            faults: faults(agent),
            log_tail: agent.process.tail.iter().map(|line| line.text.clone()).collect(),
        }
    }
}

fn stun(exchange: &Reflexive) -> StunRecord {
    let answered = exchange.mapped.map(|(_, at)| at);
    StunRecord {
        server: exchange.server,
        transport: exchange.transport,
        local: exchange.local,
        requests: exchange.requests,
        mapped: exchange.mapped.map(|(mapped, _)| mapped),
        took_ms: answered.map(|at| at.t_us.saturating_sub(exchange.first_sent.t_us) as f64 / 1000.0),
        errors: exchange.errors.iter().map(|(code, _)| *code).collect(),
        events: std::iter::once(exchange.first_sent).chain(answered).map(|at| at.event).collect(),
    }
}

fn turn(trace: &Trace, allocation: &Allocation) -> TurnRecord {
    let permissions = || allocation.permissions.iter();
    let moments = allocation.first_sent.into_iter().chain(allocation.errors.iter().map(|(_, at)| *at));
    TurnRecord {
        server: allocation.via.server,
        transport: allocation.via.transport,
        client: allocation.client,
        state: match allocation.state() {
            AllocationState::Allocated => TurnState::Allocated,
            AllocationState::Refused(_) => TurnState::Refused,
            AllocationState::Unanswered => TurnState::Unanswered,
        },
        requests: allocation.requests,
        errors: allocation.errors.iter().map(|(code, _)| *code).collect(),
        relayed: allocation.relayed.map(|(relayed, _)| relayed),
        allocated_ms: allocation.relayed.and_then(|(_, at)| trace.since_offer_ms(at)),
        permitted: permissions().filter(|p| !p.channel && p.granted.is_some()).map(|p| p.peer).collect(),
        refused: permissions().filter_map(|p| p.refused.map(|(code, _)| (p.peer, code))).collect(),
        channels: permissions().filter(|p| p.channel && p.granted.is_some()).map(|p| p.peer).collect(),
        events: moments.chain(allocation.relayed.map(|(_, at)| at)).map(|at| at.event).collect(),
    }
}

fn faults(agent: &AgentTrace) -> Vec<Reason> {
    let process = &agent.process;
    let mut faults: Vec<Reason> = Vec::new();
    let mut add = |text: String, at: Moment| faults.push(Reason { text, events: vec![at.event] });
    if let Some(failed) = &process.start_failed {
        add(format!("could not be started: {}", failed.text), failed.at);
    }
    for refused in &agent.refusals {
        add(format!("refused `{}`: {} {}", refused.command, refused.code, refused.message), refused.at);
    }
    for error in &agent.errors {
        let fatal = if error.fatal { ", and cannot go on" } else { "" };
        add(format!("error {}: {}{fatal}", error.code, error.message), error.at);
    }
    let mut litter: Vec<&Remark> = agent.violations.iter().chain(&process.garbage).collect();
    litter.sort_by_key(|remark| remark.at);
    let lines = process.garbage_lines + agent.violations.len() as u64;
    if let Some(first) = litter.first() {
        let text = match lines {
            1 => format!("not the protocol: {}", first.text),
            _ => format!("{lines} lines that are not the protocol, the first one: {}", first.text),
        };
        faults.push(Reason { text, events: litter.iter().map(|remark| remark.at.event).collect() });
    }
    let mut add = |text: String, at: Moment| faults.push(Reason { text, events: vec![at.event] });
    if let Some((bytes, at)) = process.flooded {
        add(format!("printed {bytes} bytes"), at);
    }
    if let Some(died) = &process.died {
        add(format!("{} by itself", died.text), died.at);
    }
    faults.sort_by_key(|fault| fault.events.first().copied());
    faults
}
