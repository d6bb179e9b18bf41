//! What happened in a trial, in order, as one list of numbered events: all that trace, verdict and report ever see. Pure.
//!
//! One file of JSON lines per trial; the first line is always [`Happened::Plan`], with the prediction inside, so that a
//! prediction is stored before anything ran.

pub mod decode;

use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ice::IceRole;
use crate::nat::{Behavior, Measured};
use crate::net::Transport;
use crate::plan::Trial;

/// One numbered event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// 0, 1, 2, …: the order in which they were written; verdicts cite these numbers.
    pub seq: u64,
    /// Microseconds since the trial began (monotonic); of a packet: when the kernel saw it, which may be before the event
    /// written just above it.
    pub t_us: u64,
    /// What.
    #[serde(flatten)]
    pub what: Happened,
}

/// What can happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Happened {
    /// Always number 0: everything that is to be done, and what is expected of it.
    Plan {
        /// The trial.
        trial: Box<Trial>,
    },
    /// Namespaces, links, addresses, routes and rules are there.
    LabBuilt {
        /// How many namespaces.
        nodes: usize,
        /// How long it took, in microseconds, verification not included.
        took_us: u64,
    },
    /// The lab could not be built; natlab's or the host's fault.
    LabFailed {
        /// Which operation, on what, and why.
        error: String,
    },
    /// A gateway was probed from inside.
    NatMeasured {
        /// Gateway.
        nat: String,
        /// Node the probe ran in.
        from: String,
        /// What was to be found there; of a chain of gateways, the composite.
        declared: Behavior,
        /// What was found.
        measured: Measured,
        /// Differences as sentences; empty: as declared.
        differences: Vec<String>,
    },
    /// What a link lost in one direction from the moment the gateways were measured until the agents were done, counted by
    /// the kernel. Only directions that are to lose anything.
    LinkLoss {
        /// The node that the link connects to the rest.
        node: String,
        /// Seen from it.
        direction: LinkDirection,
        /// The chance of a packet to be lost, in hundredths of a percent.
        asked: u16,
        /// IPv4 packets lost.
        dropped: u64,
        /// IPv4 packets let through.
        passed: u64,
    },
    /// A process was started inside a node.
    Started {
        /// Node.
        node: String,
        /// What it is there for.
        role: ProcessRole,
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// A process could not be started.
    StartFailed {
        /// Node.
        node: String,
        /// What it was there for.
        role: ProcessRole,
        /// Why.
        error: String,
    },
    /// A process ended.
    Exited {
        /// Node.
        node: String,
        /// What it was there for.
        role: ProcessRole,
        /// Exit code, unless a signal ended it.
        code: Option<i32>,
        /// Signal that ended it.
        signal: Option<i32>,
        /// natlab had asked for it.
        expected: bool,
    },
    /// A server listens.
    ServerReady {
        /// Node.
        node: String,
        /// Its own line.
        message: Value,
    },
    /// natlab to agent: one command.
    Told {
        /// Node.
        node: String,
        /// The line.
        message: Value,
    },
    /// Agent to natlab: one line of JSON.
    Said {
        /// Node.
        node: String,
        /// The line.
        message: Value,
    },
    /// Agent to natlab: a line that is not the protocol.
    Garbage {
        /// Node.
        node: String,
        /// Its beginning, at most 200 characters.
        text: String,
        /// Its whole length in bytes.
        bytes: u64,
    },
    /// An agent or server printed more than natlab takes; it was ended.
    Flood {
        /// Node.
        node: String,
        /// Role.
        role: ProcessRole,
        /// How many bytes until then.
        bytes: u64,
    },
    /// A line on stderr of an agent or server.
    Stderr {
        /// Node.
        node: String,
        /// Role.
        role: ProcessRole,
        /// The line, at most 2000 characters.
        text: String,
    },
    /// natlab held something back or changed it on its way, because the scenario says so.
    Held {
        /// Node it came from.
        node: String,
        /// `answer`, `candidate`.
        what: String,
        /// Why.
        reason: String,
    },
    /// A STUN or TURN message that a node's tap saw.
    Packet(Packet),
    /// What a step waited for did not come in time.
    Deadline {
        /// Node it was awaited from, where it is one.
        node: Option<String>,
        /// `hello`, `reply`, `description`, `connect`, `channel`, `data`, `close`.
        what: Awaited,
        /// The limit in milliseconds.
        limit_ms: u64,
    },
    /// Nothing can happen any more; the trial ends before its deadline.
    Exhausted {
        /// The events that show it.
        because: Vec<u64>,
    },
    /// Interrupted by the user.
    Interrupted,
    /// Worth knowing.
    Note {
        /// Text.
        text: String,
    },
    /// Teardown is complete; the last event.
    Finished,
}

/// A direction of a link that connects a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkDirection {
    /// From the node towards the Internet.
    Up,
    /// Towards the node.
    Down,
}

impl fmt::Display for LinkDirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LinkDirection::Up => "up",
            LinkDirection::Down => "down",
        })
    }
}

/// What a process is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProcessRole {
    /// An ICE agent.
    Agent,
    /// A STUN or TURN server.
    Server,
}

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Awaited {
    /// First line of an agent.
    Hello,
    /// Reply to `configure`.
    Configured,
    /// Both sides connected.
    Connect,
    /// Both data channels open.
    Channel,
    /// Data of both sides.
    Data,
    /// Exit after `close`.
    Close,
    /// A server that listens.
    Server,
}

/// Which way a packet went, seen from the node of the tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Sent by the node.
    Out,
    /// Received by the node.
    In,
}

/// STUN message class (RFC 8489 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// 0b00
    Request,
    /// 0b01
    Indication,
    /// 0b10
    Success,
    /// 0b11
    Error,
}

/// STUN method (RFC 8489 §18.1, RFC 8656 §17).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// 0x001: connectivity checks and reflexive addresses.
    Binding,
    /// 0x003
    Allocate,
    /// 0x004
    Refresh,
    /// 0x006
    Send,
    /// 0x007
    Data,
    /// 0x008
    CreatePermission,
    /// 0x009
    ChannelBind,
    /// Anything else.
    Other,
}

/// One STUN or TURN message on the wire. A message that travels inside a Send or Data indication or as ChannelData is given
/// as the inner message, with [`Packet::relay_peer`] naming the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// Node of the tap.
    pub node: String,
    /// Seen from that node.
    pub direction: Direction,
    /// Transport of the outer packet.
    pub transport: Transport,
    /// Source of the outer packet, as this node saw it.
    pub from: SocketAddr,
    /// Destination of the outer packet, as this node saw it.
    pub to: SocketAddr,
    /// Set when the message was relayed: the peer's transport address as named to or by the TURN server. The local side of
    /// the pair is then the relayed transport address of the allocation made from the node's end of the outer packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relay_peer: Option<SocketAddr>,
    /// Method.
    pub method: Method,
    /// Class.
    pub class: Class,
    /// Transaction id, hexadecimal.
    pub transaction: String,
    /// A connectivity check: a Binding request with USERNAME, or the answer to one by its transaction id's owner having
    /// MESSAGE-INTEGRITY.
    pub check: bool,
    /// USE-CANDIDATE.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub use_candidate: bool,
    /// ICE-CONTROLLING or ICE-CONTROLLED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ice_role: Option<IceRole>,
    /// PRIORITY.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// USERNAME of a check: `remote-ufrag:local-ufrag` as its sender sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// XOR-MAPPED-ADDRESS (or MAPPED-ADDRESS).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mapped: Option<SocketAddr>,
    /// XOR-RELAYED-ADDRESS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub relayed: Option<SocketAddr>,
    /// XOR-PEER-ADDRESS of CreatePermission and ChannelBind.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<SocketAddr>,
    /// ERROR-CODE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<u16>,
}
