//! The agent protocol, version 1: JSON lines between natlab and any ICE agent. Pure types; `docs/agent-protocol.md` is the
//! description for those who write an adapter.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ice::{CandidatePolicy, CandidateType, IceRole, OfferRole};
use crate::net::Transport;

/// The version natlab speaks; `hello` must name it.
pub const VERSION: u32 = 1;
/// The longest line either side may send, in bytes.
pub const LONGEST_LINE: usize = 1 << 20;
/// What an agent or server may print to stdout in one trial, in bytes; one that prints more is ended.
pub const MOST_OUTPUT: u64 = 64 << 20;
/// How many lines an agent may write to stdout in all; more is a flood as well.
pub const MOST_LINES: u64 = 100_000;

/// natlab to agent: one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Command {
    /// Unique per process; the `reply` carries it.
    pub id: u64,
    /// What to do.
    #[serde(flatten)]
    pub body: CommandBody,
}

/// What natlab asks of an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
pub enum CommandBody {
    /// First, once: create the agent; no traffic yet.
    Configure(Configure),
    /// Offerer only: create the local description and start gathering.
    Offer {
        /// New credentials on the same channel.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        restart: bool,
    },
    /// The remote description; an answerer produces its own unasked.
    Description {
        /// Which of the two.
        sdp_type: SdpType,
        /// SDP text with CRLF.
        sdp: String,
    },
    /// A remote candidate; an empty string is the end of candidates.
    Candidate {
        /// `candidate:…`
        candidate: String,
        /// Media section.
        #[serde(default)]
        sdp_mid: Option<String>,
        /// Media section by index.
        #[serde(default)]
        sdp_mline_index: Option<u32>,
    },
    /// One message over the selected pair or data channel.
    Send {
        /// Text.
        data: String,
    },
    /// Ask for counters and the selected pair.
    Stats,
    /// Close the agent and exit with 0 within two seconds.
    Close,
}

/// Offer or answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SdpType {
    /// RFC 3264.
    Offer,
    /// RFC 3264.
    Answer,
}

/// Everything an agent is told before it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Configure {
    /// Who offers.
    pub role: OfferRole,
    /// STUN and TURN servers, as in the W3C `RTCIceServer`.
    pub ice_servers: Vec<IceServer>,
    /// Candidates it may gather.
    pub policy: CandidatePolicy,
    /// Whether candidates may follow the description.
    pub trickle: bool,
    /// Forced ICE role; otherwise the offerer controls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_role: Option<IceRole>,
    /// Pace of checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers: Option<Timers>,
    /// Which interfaces and address families.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkOptions>,
}

/// A STUN or TURN server (W3C `RTCIceServer`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IceServer {
    /// `stun:HOST:PORT`, `turn:HOST:PORT?transport=udp|tcp` (RFC 7064, 7065).
    pub urls: Vec<String>,
    /// TURN only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// TURN only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Pace of checks and acceptance waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timers {
    /// Which set.
    pub profile: TimerProfile,
}

/// `lab`: quick and patient, for verdicts. `stock`: as the library ships.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TimerProfile {
    /// Checks each 20 ms, 50 per pair; acceptance waits 0/0/0/500 ms for host/srflx/prflx/relay.
    #[default]
    Lab,
    /// What the library does by itself.
    Stock,
}

/// What of the host an agent may use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkOptions {
    /// `ipv4`, `ipv6`; empty: the agent's own choice.
    #[serde(default)]
    pub families: Vec<String>,
    /// Loopback addresses are candidates too: for a run of two agents on one host, without a lab.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub loopback: bool,
}

/// Agent to natlab: one line. A line that is JSON but none of these is kept in the events and otherwise ignored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum AgentEvent {
    /// First line.
    Hello(Hello),
    /// Exactly one per command.
    Reply(Reply),
    /// The local description; before every candidate of its generation.
    Description {
        /// Which of the two.
        sdp_type: SdpType,
        /// SDP text.
        sdp: String,
        /// All candidates are inside (half trickle).
        #[serde(default)]
        complete: bool,
    },
    /// A local candidate that is not in the SDP; "" is the end of candidates.
    Candidate {
        /// `candidate:…`
        candidate: String,
        /// Media section.
        #[serde(default)]
        sdp_mid: Option<String>,
        /// Media section by index.
        #[serde(default)]
        sdp_mline_index: Option<u32>,
    },
    /// Gathering started or ended.
    Gathering {
        /// W3C name.
        state: GatheringState,
    },
    /// A STUN or TURN failure where the library reports it (W3C `icecandidateerror`).
    CandidateError {
        /// Server.
        #[serde(default)]
        url: String,
        /// STUN error code, or 701 for unreachable.
        #[serde(default)]
        code: u32,
        /// Text.
        #[serde(default)]
        message: String,
    },
    /// W3C state names.
    State {
        /// `RTCIceConnectionState`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ice: Option<IceState>,
        /// `RTCPeerConnectionState`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        connection: Option<String>,
    },
    /// The selected pair, on every change.
    Pair(Pair),
    /// Data channel, for full WebRTC agents.
    Channel {
        /// `open` or `closed`.
        state: String,
    },
    /// A message arrived.
    Data {
        /// Text; bytes that are not UTF-8 are U+FFFD.
        data: String,
    },
    /// For people.
    Log {
        /// `debug`, `info`, `warn`, `error`.
        #[serde(default)]
        level: String,
        /// Text.
        #[serde(default)]
        message: String,
    },
    /// Asynchronous failure.
    Error {
        /// See [`Refusal`].
        #[serde(default)]
        code: String,
        /// Text.
        #[serde(default)]
        message: String,
        /// The agent cannot go on.
        #[serde(default)]
        fatal: bool,
    },
    /// Last line.
    Closed {},
}

/// W3C `RTCIceGathererState` without `new`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GatheringState {
    /// Started.
    Gathering,
    /// Ended.
    Complete,
}

/// W3C `RTCIceConnectionState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceState {
    /// Nothing yet.
    New,
    /// Checks run.
    Checking,
    /// A pair works.
    Connected,
    /// And it is final.
    Completed,
    /// Consent is missing.
    Disconnected,
    /// Given up.
    Failed,
    /// Closed.
    Closed,
}

/// The first line of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Must be [`VERSION`].
    pub protocol: u32,
    /// Name of the library.
    pub agent: String,
    /// Its version.
    #[serde(default)]
    pub version: String,
    /// `ice` (raw datagrams after ICE) or `webrtc` (data channel).
    #[serde(default = "level_ice")]
    pub level: String,
    /// `full` or `half`.
    #[serde(default)]
    pub trickle: String,
    /// What it can do: `ice_role policy families timers turn-udp turn-tcp turn-tls pairs …`.
    #[serde(default)]
    pub caps: Vec<String>,
    /// How long it may still change its selected pair after connecting, in milliseconds; 2500 when it does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settle_ms: Option<u64>,
}

fn level_ice() -> String {
    "ice".to_owned()
}

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reply {
    /// Of the command.
    pub id: u64,
    /// Its name.
    #[serde(default)]
    pub cmd: String,
    /// Accepted.
    pub ok: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Refusal>,
    /// `configure`: what was asked for and cannot be honoured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignored: Vec<String>,
    /// `configure`: after how many unanswered transmissions the agent gives a pair up for good, where it does. natlab ends
    /// a hopeless trial early only when both agents said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checks_per_pair: Option<u32>,
    /// `configure`: the values behind the timer profile, for the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timers: Option<Value>,
    /// `stats`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stats: Option<Stats>,
}

/// Why a command was refused: `bad_json unsupported order bad_url bad_candidate closed failed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// One of the names above.
    pub code: String,
    /// The library's words.
    #[serde(default)]
    pub message: String,
}

/// Counters as far as the library knows them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// The pair in use now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selected: Option<Pair>,
}

/// A selected pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Own side.
    pub local: PairEnd,
    /// Other side.
    pub remote: PairEnd,
    /// Own role, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_role: Option<IceRole>,
    /// `event`, `stats`, `poll` or `private`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// One end of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PairEnd {
    /// As the agent names it.
    #[serde(rename = "type")]
    pub kind: CandidateType,
    /// Address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Transport.
    #[serde(default = "udp")]
    pub protocol: Transport,
}

fn udp() -> Transport {
    Transport::Udp
}

/// What `natlab serve` and natlab's own servers print on stdout: JSON lines like an agent's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ev", rename_all = "snake_case")]
pub enum ServerEvent {
    /// Every socket listens.
    Ready {
        /// `stun` or `turn`.
        server: String,
        /// `udp 203.0.113.1:3478`, one per socket.
        listening: Vec<String>,
    },
    /// For people.
    Log {
        /// `info`, `warn`, `error`.
        level: String,
        /// Text.
        message: String,
    },
}
