//! One side of a trial: what its agent was told, what it said, and what its tap saw.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

use super::checks::Checks;
use super::process::Process;
use super::servers::Servers;
use super::{Moment, Remark};
use crate::event::{Method, Packet};
use crate::ice::{Candidate, CandidateType, IceRole, OfferRole};
use crate::net::Transport;
use crate::protocol::{AgentEvent, Command, CommandBody, GatheringState, Hello, IceState, Pair, Reply};

/// One side of a trial.
#[derive(Clone, Debug)]
pub struct AgentTrace {
    /// Its node.
    pub peer: String,
    /// Who it is in offer/answer.
    pub role: OfferRole,
    /// Start, end, and what it printed besides the protocol.
    pub process: Process,
    /// Its first line.
    pub hello: Option<(Hello, Moment)>,
    /// Its reply to `configure`.
    pub configured: Option<Configured>,
    /// Commands it refused.
    pub refusals: Vec<Refused>,
    /// Its own description: the first one.
    pub description: Option<Moment>,
    /// The description of the other side, as natlab told it: the first one.
    pub remote_description: Option<Moment>,
    /// Its candidates, each once, in the order in which it announced them.
    pub local: Vec<SeenCandidate>,
    /// Candidates of the other side that it was told, each once.
    pub remote: Vec<SeenCandidate>,
    /// When it said that gathering starts.
    pub gathering_started: Option<Moment>,
    /// When it said that no more candidates come: `gathering: complete`, an empty candidate, or a complete description.
    pub gathering_ended: Option<Moment>,
    /// When the other side was told that no more candidates come.
    pub remote_ended: Option<Moment>,
    /// Every state it reported.
    pub states: Vec<StateChange>,
    /// Every pair it announced as selected, in order.
    pub pairs: Vec<(Pair, Moment)>,
    /// The pair that its last answer to `stats` named.
    pub stats: Option<(Pair, Moment)>,
    /// Failures of STUN and TURN that the library reports.
    pub candidate_errors: Vec<CandidateError>,
    /// Failures that it reported by itself.
    pub errors: Vec<AgentError>,
    /// Lines of JSON that break the protocol.
    pub violations: Vec<Remark>,
    /// Data channel of a full WebRTC agent.
    pub channel_open: Option<Moment>,
    /// Messages it was told to send.
    pub data_sent: Vec<Message>,
    /// Messages that arrived.
    pub data_received: Vec<Message>,
    /// Its connectivity checks.
    pub checks: Checks,
    /// What it asked of STUN and TURN servers.
    pub servers: Servers,
    /// What natlab held back on the way to the other side.
    pub held: Vec<Held>,
    local_keys: BTreeSet<CandidateKey>,
    remote_keys: BTreeSet<CandidateKey>,
    held_keys: BTreeSet<CandidateKey>,
    /// Names of commands without a reply yet.
    pending: BTreeMap<u64, &'static str>,
}

/// The answer to `configure`.
#[derive(Clone, Debug, PartialEq)]
pub struct Configured {
    /// When.
    pub at: Moment,
    /// Accepted.
    pub ok: bool,
    /// What was asked for and is not done.
    pub ignored: Vec<String>,
    /// After how many unanswered transmissions a pair is given up for good.
    pub checks_per_pair: Option<u32>,
    /// The values behind the timer profile.
    pub timers: Option<Value>,
}

/// A command that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Name of the command.
    pub command: String,
    /// Code of the protocol.
    pub code: String,
    /// The library's words.
    pub message: String,
    /// When.
    pub at: Moment,
}

/// A candidate and when it was announced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenCandidate {
    /// The candidate.
    pub candidate: Candidate,
    /// When it was announced first.
    pub at: Moment,
    /// It was inside the description.
    pub in_description: bool,
}

/// A state an agent reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// State of ICE; of a full WebRTC agent that reports only its connection, what that means for ICE.
    pub state: IceState,
    /// When.
    pub at: Moment,
}

/// A failure of STUN or TURN that the library reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateError {
    /// Server.
    pub url: String,
    /// STUN error code, or 701 for unreachable (W3C `RTCPeerConnectionIceErrorEvent`).
    pub code: u32,
    /// Text.
    pub message: String,
    /// When.
    pub at: Moment,
}

/// A failure that an agent reports by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentError {
    /// Code of the protocol.
    pub code: String,
    /// Text.
    pub message: String,
    /// It cannot go on.
    pub fatal: bool,
    /// When.
    pub at: Moment,
}

/// Something natlab held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// `answer`, `candidate`.
    pub what: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Moment,
}

/// A message of natlab's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Text.
    pub text: String,
    /// When.
    pub at: Moment,
}

/// What makes two announcements one candidate, whatever foundation and priority say.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct CandidateKey {
    component: u16,
    protocol: Transport,
    address: String,
    port: u16,
    kind: CandidateType,
}

impl CandidateKey {
    fn of(c: &Candidate) -> Self {
        let Candidate { component, protocol, port, kind, .. } = *c;
        CandidateKey { component, protocol, address: c.address.clone(), port, kind }
    }
}

impl AgentTrace {
    pub(super) fn new(peer: &str, role: OfferRole) -> Self {
        AgentTrace {
            peer: peer.to_owned(),
            role,
            process: Process::default(),
            hello: None,
            configured: None,
            refusals: Vec::new(),
            description: None,
            remote_description: None,
            local: Vec::new(),
            remote: Vec::new(),
            gathering_started: None,
            gathering_ended: None,
            remote_ended: None,
            states: Vec::new(),
            pairs: Vec::new(),
            stats: None,
            candidate_errors: Vec::new(),
            errors: Vec::new(),
            violations: Vec::new(),
            channel_open: None,
            data_sent: Vec::new(),
            data_received: Vec::new(),
            checks: Checks::default(),
            servers: Servers::default(),
            held: Vec::new(),
            local_keys: BTreeSet::new(),
            remote_keys: BTreeSet::new(),
            held_keys: BTreeSet::new(),
            pending: BTreeMap::new(),
        }
    }

    /// A command; whether it is `offer`.
    pub(super) fn told(&mut self, message: &Value, at: Moment) -> bool {
        let Ok(command) = Command::deserialize(message) else { return false };
        let name = match command.body {
            CommandBody::Configure(_) => "configure",
            CommandBody::Offer { .. } => "offer",
            CommandBody::Description { sdp, .. } => {
                self.remote_description.get_or_insert(at);
                for candidate in candidates(&sdp) {
                    self.told_candidate(candidate, at, true);
                }
                if says_end(&sdp) {
                    self.remote_ended.get_or_insert(at);
                }
                "description"
            }
            CommandBody::Candidate { candidate, .. } => {
                if candidate.trim().is_empty() {
                    self.remote_ended.get_or_insert(at);
                } else if let Ok(candidate) = Candidate::parse(&candidate) {
                    self.told_candidate(candidate, at, false);
                }
                "candidate"
            }
            CommandBody::Send { data } => {
                self.data_sent.push(Message { text: data, at });
                "send"
            }
            CommandBody::Stats => "stats",
            CommandBody::Close => "close",
        };
        self.pending.insert(command.id, name);
        name == "offer"
    }

    /// A line of JSON.
    pub(super) fn said(&mut self, message: &Value, at: Moment) {
        let event = match AgentEvent::deserialize(message) {
            Ok(event) => event,
            Err(error) => return self.not_understood(message, &error.to_string(), at),
        };
        match event {
            AgentEvent::Hello(hello) => {
                self.hello.get_or_insert((hello, at));
            }
            AgentEvent::Reply(reply) => self.replied(reply, at),
            AgentEvent::Description { sdp, complete, .. } => {
                self.description.get_or_insert(at);
                for candidate in candidates(&sdp) {
                    self.said_candidate(candidate, at, true);
                }
                if complete || says_end(&sdp) {
                    self.gathering_ended.get_or_insert(at);
                }
            }
            AgentEvent::Candidate { candidate, .. } => {
                if candidate.trim().is_empty() {
                    self.gathering_ended.get_or_insert(at);
                } else {
                    match Candidate::parse(&candidate) {
                        Ok(candidate) => self.said_candidate(candidate, at, false),
                        Err(bad) => self.violations.push(Remark { at, text: bad.to_string() }),
                    }
                }
            }
            AgentEvent::Gathering { state: GatheringState::Gathering } => {
                self.gathering_started.get_or_insert(at);
            }
            AgentEvent::Gathering { state: GatheringState::Complete } => {
                self.gathering_ended.get_or_insert(at);
            }
            AgentEvent::CandidateError { url, code, message } => {
                self.candidate_errors.push(CandidateError { url, code, message, at });
            }
            AgentEvent::State { ice, connection } => {
                let implied = || (connection.as_deref() == Some("connected")).then_some(IceState::Connected);
                if let Some(state) = ice.or_else(implied) {
                    self.states.push(StateChange { state, at });
                }
            }
            AgentEvent::Pair(pair) => self.pairs.push((pair, at)),
            AgentEvent::Channel { state } => {
                if state == "open" {
                    self.channel_open.get_or_insert(at);
                }
            }
            AgentEvent::Data { data } => self.data_received.push(Message { text: data, at }),
            AgentEvent::Log { level, message } => {
                if level == "warn" || level == "error" {
                    self.process.stderr(&format!("{level}: {message}"), at);
                }
            }
            AgentEvent::Error { code, message, fatal } => {
                self.errors.push(AgentError { code, message, fatal, at });
            }
            AgentEvent::Closed {} => {}
        }
    }

    pub(super) fn garbage(&mut self, text: String, at: Moment) {
        self.process.garbage(text, at);
    }

    pub(super) fn held(&mut self, what: &str, reason: &str, at: Moment) {
        // The reason ends with the candidate's own line.
        if let Some((_, line)) = reason.split_once("candidate:")
            && let Ok(candidate) = Candidate::parse(line)
        {
            self.held_keys.insert(CandidateKey::of(&candidate));
        }
        self.held.push(Held { what: what.to_owned(), reason: reason.to_owned(), at });
    }

    pub(super) fn packet(&mut self, packet: &Packet, at: Moment) {
        if packet.check {
            self.checks.packet(packet, at);
        } else if packet.relay_peer.is_none() && packet.method != Method::Other {
            self.servers.packet(packet, at);
        }
    }

    /// The selected pair: the one that `stats` named after settling, else the last one announced; and the event.
    pub fn selected(&self) -> Option<(&Pair, Moment)> {
        self.stats.as_ref().or(self.pairs.last()).map(|(pair, at)| (pair, *at))
    }

    /// The role it reports with its pair, else the one in its first check on the wire.
    pub fn ice_role(&self) -> Option<IceRole> {
        let reported = self.stats.iter().chain(self.pairs.iter().rev()).find_map(|(pair, _)| pair.ice_role);
        reported.or(self.checks.first_role.map(|(role, _)| role))
    }

    /// When it was connected first, whether it stayed so or not.
    pub fn connected(&self) -> Option<Moment> {
        self.states.iter().find(|s| is_connected(s.state)).map(|s| s.at)
    }

    /// Since when it was connected at `limit`, if it was.
    pub fn connected_at(&self, limit: Moment) -> Option<Moment> {
        let mut since = None;
        for change in self.states.iter().take_while(|s| s.at.event < limit.event) {
            match change.state {
                IceState::Connected | IceState::Completed => since = since.or(Some(change.at)),
                IceState::Disconnected | IceState::Failed | IceState::Closed => since = None,
                IceState::New | IceState::Checking => {}
            }
        }
        since
    }

    /// Its last state.
    pub fn state(&self) -> Option<&StateChange> {
        self.states.last()
    }

    /// `ice` or `webrtc`, once it has said so.
    pub fn level(&self) -> Option<&str> {
        self.hello.as_ref().map(|(hello, _)| hello.level.as_str())
    }

    /// Candidates of this side that `other` was not told.
    pub fn untold<'a>(&'a self, other: &'a AgentTrace) -> impl Iterator<Item = &'a SeenCandidate> {
        self.local.iter().filter(|seen| !other.remote_keys.contains(&CandidateKey::of(&seen.candidate)))
    }

    /// Candidates of this side that `other` was not told, and that natlab is not keeping from it for good.
    pub(super) fn on_their_way(&self, other: &AgentTrace) -> bool {
        self.untold(other).any(|seen| !self.held_keys.contains(&CandidateKey::of(&seen.candidate)))
    }

    /// Whether it was told this command and has not answered it.
    pub fn owes_reply(&self, command: &str) -> bool {
        self.pending.values().any(|name| *name == command)
    }

    /// The fatal error, if it reported one.
    pub fn fatal(&self) -> Option<&AgentError> {
        self.errors.iter().find(|error| error.fatal)
    }

    fn replied(&mut self, reply: Reply, at: Moment) {
        let told = self.pending.remove(&reply.id);
        let command = told.map_or(reply.cmd, str::to_owned);
        if !reply.ok {
            let (code, message) = reply.error.map(|e| (e.code, e.message)).unwrap_or_default();
            self.refusals.push(Refused { command: command.clone(), code, message, at });
        }
        if command == "configure" {
            self.configured.get_or_insert(Configured {
                at,
                ok: reply.ok,
                ignored: reply.ignored,
                checks_per_pair: reply.checks_per_pair,
                timers: reply.timers,
            });
        }
        if let Some(pair) = reply.stats.and_then(|stats| stats.selected) {
            self.stats = Some((pair, at));
        }
    }

    fn told_candidate(&mut self, candidate: Candidate, at: Moment, in_description: bool) {
        if self.remote_keys.insert(CandidateKey::of(&candidate)) {
            self.remote.push(SeenCandidate { candidate, at, in_description });
        }
    }

    fn said_candidate(&mut self, candidate: Candidate, at: Moment, in_description: bool) {
        if self.local_keys.insert(CandidateKey::of(&candidate)) {
            self.local.push(SeenCandidate { candidate, at, in_description });
        }
    }

    /// An event the protocol does not know is ignored (it may be a later version's); one it knows must be right.
    fn not_understood(&mut self, message: &Value, error: &str, at: Moment) {
        const NAMES: [&str; 13] = [
            "hello",
            "reply",
            "description",
            "candidate",
            "gathering",
            "candidate_error",
            "state",
            "pair",
            "channel",
            "data",
            "log",
            "error",
            "closed",
        ];
        let name = message.get("ev").and_then(Value::as_str);
        match name {
            Some(name) if NAMES.contains(&name) => {
                self.violations.push(Remark { at, text: format!("`{name}` is not as the protocol wants it: {error}") });
            }
            Some(_) => {}
            None => self.violations.push(Remark { at, text: "a line without `ev`".to_owned() }),
        }
    }
}

fn is_connected(state: IceState) -> bool {
    matches!(state, IceState::Connected | IceState::Completed)
}

fn candidates(sdp: &str) -> impl Iterator<Item = Candidate> {
    let lines = sdp.lines().filter(|line| line.starts_with("a=candidate:"));
    lines.filter_map(|line| Candidate::parse(line).ok())
}

fn says_end(sdp: &str) -> bool {
    sdp.lines().any(|line| line.trim_end() == "a=end-of-candidates")
}
