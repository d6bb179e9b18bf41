//! A scenario becomes trials: topology, addresses and every setting as data, so that nothing is decided later. Pure.

pub mod address;
pub mod expand;
pub mod problem;
#[cfg(test)]
mod sample;
pub mod seed;
pub mod situation;
pub mod topology;
pub mod tree;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use crate::ice::{CandidatePolicy, CandidateType, IceRole};
use crate::nat::Behavior;
use crate::net::{Network, Transport};
use crate::oracle::Prediction;
use crate::protocol::{IceServer, TimerProfile};

pub use expand::trials;
// Words of scenarios and of NATs that a plan is made of.
pub use crate::nat::Gateway;
pub use crate::scenario::{AgentProgram, ExpectedOutcome, Gathering, Implementation, Loss, ServerKind};

pub use problem::PlanProblem;

/// One run of one ordered pair in one offer direction: everything the lab, the agents and the judge need.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// `SCENARIO/OFFERER-offers`, and `#2`, `#3`, … for repeats: unique in a run; `--trial` takes it.
    pub id: String,
    /// Name of the scenario.
    pub scenario: String,
    /// What the scenario shows, in its own words.
    pub description: String,
    /// Peer that sends the offer.
    pub offerer: String,
    /// Peer that answers.
    pub answerer: String,
    /// 1, 2, … of `repeats`.
    pub repeat: u32,
    /// Of this trial; each gateway has its own, derived from it.
    pub seed: u64,
    /// Nodes and links.
    pub topology: Topology,
    /// Gateways that are measured first, outermost first.
    pub measurements: Vec<Measurement>,
    /// STUN and TURN servers.
    pub servers: Vec<Server>,
    /// Both peers by name.
    pub peers: BTreeMap<String, Peer>,
    /// How ICE is run.
    pub ice: IceSettings,
    /// How long anything may take.
    pub deadlines: Deadlines,
    /// What must happen, by the NAT model alone.
    pub prediction: Prediction,
    /// What the scenario itself expects; it beats the prediction.
    pub expectation: Option<Expectation>,
    /// Write a capture of every node.
    #[serde(default)]
    pub capture: bool,
}

impl Trial {
    /// The peer of this name's counterpart.
    pub fn other(&self, peer: &str) -> &str {
        if peer == self.offerer { &self.answerer } else { &self.offerer }
    }
    /// Offerer, then answerer.
    pub fn sides(&self) -> [&str; 2] {
        [&self.offerer, &self.answerer]
    }
}

/// A network as data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Topology {
    /// Each becomes a network namespace of this name.
    pub nodes: Vec<Node>,
    /// Each becomes a veth pair, created in place.
    pub links: Vec<Link>,
    /// The two addresses of the internet node: natlab's own RFC 5780 server listens there while gateways are measured, and
    /// the first is the next hop of every node that is attached directly. Unspecified in a topology without an internet.
    #[serde(default = "unspecified")]
    pub measuring: [Ipv4Addr; 2],
}

fn unspecified() -> [Ipv4Addr; 2] {
    [Ipv4Addr::UNSPECIFIED; 2]
}

impl Default for Topology {
    fn default() -> Self {
        Topology { nodes: Vec::new(), links: Vec::new(), measuring: unspecified() }
    }
}

impl Topology {
    /// Name of the router in the middle; no node of a scenario may have it.
    pub const INTERNET: &'static str = "internet";

    /// The node of this name.
    pub fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.name == name)
    }
}

/// A network namespace.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// Unique; at most 32 characters of `a-z A-Z 0-9 . _ -`.
    pub name: String,
    /// What it is.
    pub role: NodeRole,
    /// Interfaces besides `lo`.
    pub interfaces: Vec<Interface>,
    /// Bridges over some of them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bridges: Vec<Bridge>,
    /// Set once every interface is up.
    pub routes: Vec<Route>,
    /// Of a gateway: what it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateway: Option<Gateway>,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeRole {
    /// The router in the middle; unknown destinations vanish there, as private ones do on the Internet.
    Internet,
    /// NAT, firewall or plain router in front of peers.
    Gateway,
    /// Runs an agent.
    Peer,
    /// Runs a STUN or TURN server.
    Server,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Interface {
    /// At most 15 characters.
    pub name: String,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<Network>,
}

/// A bridge that makes one local network of several interfaces.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bridge {
    /// At most 15 characters.
    pub name: String,
    /// Interfaces of the same node.
    pub ports: Vec<String>,
    /// Addresses of the bridge itself.
    pub addresses: Vec<Network>,
    /// Ports cannot reach each other (a guest network).
    pub isolated: bool,
}

/// A veth pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// The end towards the Internet.
    pub a: End,
    /// The other end: that of the node that the link connects.
    pub b: End,
    /// What it loses once the gateways are measured; up is from `b` to `a`.
    #[serde(default, skip_serializing_if = "Loss::is_none")]
    pub loss: Loss,
}

/// An interface of a node, by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Node.
    pub node: String,
    /// Interface.
    pub interface: String,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    pub to: Network,
    /// How it gets there.
    #[serde(flatten)]
    pub hop: Hop,
}

/// How a route gets there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "hop")]
pub enum Hop {
    /// Through a neighbour, known to be on the interface even when no prefix says so (`onlink`).
    Via {
        /// Address of the neighbour.
        gateway: Ipv4Addr,
        /// Interface.
        interface: String,
    },
    /// Directly.
    Direct {
        /// Interface.
        interface: String,
    },
    /// Silently dropped.
    Blackhole,
}

/// A gateway to be probed before anything counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Gateway.
    pub nat: String,
    /// Node inside it that the probe runs in: a peer, or the next gateway of a chain (whose rules are then not loaded yet).
    pub from: String,
    /// Composite of this gateway and those in front of it, as one host inside sees it.
    pub declared: Behavior,
    /// Gateways whose rules must be loaded by then, this one last.
    pub through: Vec<String>,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Server {
    /// Its node.
    pub node: String,
    /// STUN or TURN.
    pub kind: ServerKind,
    /// natlab's own or coturn.
    pub implementation: Implementation,
    /// Where it listens: primary first; a second address makes RFC 5780 possible.
    pub addresses: Vec<Ipv4Addr>,
    /// Port; the alternate one is the next.
    pub port: u16,
    /// Which transports it serves.
    pub transports: Vec<Transport>,
    /// TURN: realm.
    pub realm: String,
    /// TURN: accepted user and password.
    pub user: String,
    /// TURN: accepted password.
    pub password: String,
}

impl Server {
    /// Its primary endpoint.
    pub fn endpoint(&self) -> Option<SocketAddrV4> {
        Some(SocketAddrV4::new(*self.addresses.first()?, self.port))
    }
}

/// One side of a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// Gateways between it and the Internet, innermost first; empty: a public address of its own.
    pub behind: Vec<String>,
    /// Composite of them.
    pub behavior: Behavior,
    /// Its address.
    pub address: Ipv4Addr,
    /// What is started.
    pub agent: AgentProgram,
    /// What it is given.
    pub ice_servers: Vec<IceServer>,
    /// The credentials it was given are not those of the server.
    pub wrong_credentials: bool,
    /// Forced ICE role.
    pub ice_role: Option<IceRole>,
    /// Candidates it may use.
    pub policy: CandidatePolicy,
}

/// How ICE is run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct IceSettings {
    /// When descriptions are sent.
    pub gathering: Gathering,
    /// Pace of the agents.
    pub timers: TimerProfile,
    /// The answer is held back this long, in milliseconds.
    pub answer_delay_ms: u64,
}

/// Limits in milliseconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deadlines {
    /// From `offer` to both sides connected.
    pub connect_ms: u64,
    /// From start to `hello`.
    pub hello_ms: u64,
    /// From connected to data both ways.
    pub data_ms: u64,
}

/// What a scenario states; a field that is not stated is not compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// Any of these.
    pub outcome: Vec<ExpectedOutcome>,
    /// Local candidate type of the selected pair as the offerer reports it: any of these; empty: not compared.
    pub local: Vec<CandidateType>,
    /// Remote candidate type of the selected pair as the offerer reports it: any of these; empty: not compared.
    pub remote: Vec<CandidateType>,
    /// From `offer` to both sides connected, in milliseconds.
    pub connect_within_ms: Option<u64>,
    /// Its reason, in the scenario's words.
    pub because: Option<String>,
}
