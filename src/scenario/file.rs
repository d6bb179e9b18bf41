//! The scenario file as it is written: the single source of what can stand in one.
//!
//! These structs give the JSON Schema (through schemars), `docs/scenario.md` and the shape that [`super::check`]
//! compares a file with; the docstrings of their fields are what a user reads there. Nothing here is checked beyond its
//! type.

mod duration;
mod loss;
mod nat;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::ice::{CandidatePolicy, CandidateType, IceRole};
use crate::net::{Network, Transport};
use crate::protocol::TimerProfile;
use crate::scenario::{ExpectedOutcome, Gathering, Implementation, ServerKind};

pub use duration::{Millis, NotADuration};
pub use loss::{Loss, LossTable, NotAShare, Share};
pub use nat::{ExternalAddresses, ForwardTable, NatTable, NotAPortRange, Ports, TcpTable};

/// Two peers, the NATs they stand behind, the servers they are given, and what is expected of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(title = "natlab scenario")]
pub struct ScenarioFile {
    /// Name of the scenario, the first part of every trial's id: letters, digits, `.`, `_` and `-`, at most 64. Without
    /// it the file's name less `.toml`.
    pub name: Option<String>,
    /// What the scenario shows. Without it the comment that opens the file.
    pub description: Option<String>,
    /// Seed of every random choice natlab makes, such as the ports of a NAT. Equal seeds give equal choices.
    pub seed: u64,
    /// How often each offer direction runs; results are reported as k of n.
    #[schemars(range(min = 1, max = 1000))]
    pub repeats: u32,
    /// Which peers send the offer, each in trials of its own: `"both"`, the name of one peer, or a list of names in the
    /// order in which they run.
    pub offers: OneOrMany<String>,
    /// How long connecting may take, from the offer until both sides are connected. Without it 15 s where a direct path
    /// is predicted and 20 s otherwise, and `ice.answer-delay` more.
    pub deadline: Option<Millis>,
    /// How long an agent may take to start, until its first line. Without it 30 s.
    pub hello_deadline: Option<Millis>,
    /// Where addresses come from.
    pub network: NetworkTable,
    /// The two peers, each in a table of its own: `[peer.NAME]`. Names of nodes have letters, digits, `.`, `_` and `-`,
    /// at most 32, and begin with a letter or a digit.
    pub peer: BTreeMap<String, PeerTable>,
    /// NATs and firewalls, each in a table of its own: `[nat.NAME]`. Every one must have a peer behind it; at most 32
    /// in all, one behind the other or side by side.
    pub nat: BTreeMap<String, NatTable>,
    /// STUN and TURN servers, each in a table of its own: `[server.NAME]`. Every one must be given to a peer; at most
    /// 16.
    pub server: BTreeMap<String, ServerTable>,
    /// How ICE is run, for both peers.
    pub ice: IceTable,
    /// What must come out, where that is not what natlab predicts from the NATs and servers alone. Each `[[expect]]` is
    /// about one offer direction or about both; an entry that names its offerer goes before one that does not, key by
    /// key. Where natlab has no prediction an expectation must be stated.
    pub expect: Vec<ExpectTable>,
}

impl Default for ScenarioFile {
    fn default() -> Self {
        ScenarioFile {
            name: None,
            description: None,
            seed: 1,
            repeats: 1,
            offers: OneOrMany::One(BOTH.to_owned()),
            deadline: None,
            hello_deadline: None,
            network: NetworkTable::default(),
            peer: BTreeMap::new(),
            nat: BTreeMap::new(),
            server: BTreeMap::new(),
            ice: IceTable::default(),
            expect: Vec::new(),
        }
    }
}

/// The value of `offers` that stands for both peers.
pub const BOTH: &str = "both";

/// Address ranges of the lab. They exist in private network namespaces only, so that any range may be named; the
/// defaults are ranges that are reserved for documentation (RFC 5737) and for private use (RFC 1918).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct NetworkTable {
    /// Public addresses of peers and external addresses of NATs.
    #[schemars(schema_with = "network")]
    pub wan: Network,
    /// Public addresses of servers.
    #[schemars(schema_with = "network")]
    pub servers: Network,
    /// Private addresses: the networks behind NATs are cut from this range, a /24 each.
    #[schemars(schema_with = "network")]
    pub lan: Network,
}

impl Default for NetworkTable {
    fn default() -> Self {
        NetworkTable {
            wan: Network::new(Ipv4Addr::new(203, 0, 113, 0), 24),
            servers: Network::new(Ipv4Addr::new(198, 51, 100, 0), 24),
            lan: Network::new(Ipv4Addr::new(10, 0, 0, 0), 8),
        }
    }
}

/// One of the two peers: an ICE agent, where it stands, and what it is given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct PeerTable {
    /// Name of the NAT it stands behind. Without it the peer has a public address of its own.
    pub behind: Option<String>,
    /// Its address, where it matters: from `network.wan` for a public peer, from `network.lan` behind a NAT. Without it
    /// natlab chooses one.
    pub address: Option<Ipv4Addr>,
    /// The agent that runs there: the name of a built-in one, or a program that speaks natlab's agent protocol.
    pub agent: AgentEntry,
    /// STUN servers it is given: `true` for every one of the scenario, `false` for none, or a list of their names. A
    /// TURN server may be named too, since it answers STUN requests. Without it every STUN server.
    pub stun: Option<Given>,
    /// TURN servers it is given: `true` for every one of the scenario, `false` for none, or a list of their names.
    /// Without it every TURN server.
    pub turn: Option<Given>,
    /// Transport from the peer to its TURN servers: one, or a list with the preferred one first. Without it UDP where
    /// the server serves it, else TCP.
    pub turn_transport: Option<OneOrMany<Transport>>,
    /// User name it sends to its TURN servers, right or wrong. Without it the one the server accepts.
    pub username: Option<String>,
    /// Password it sends to its TURN servers, right or wrong. Without it the one the server accepts.
    pub password: Option<String>,
    /// Forces the agent's ICE role (RFC 8445 section 6.1.1). Without it the offerer controls.
    pub ice_role: Option<IceRole>,
    /// Candidates this peer may gather and use. Without it `ice.policy` counts.
    pub policy: Option<CandidatePolicy>,
    /// How many packets its link loses, by chance: a share such as `"5%"` for both directions, or one for each. Without
    /// it none.
    pub loss: Option<Loss>,
}

/// The agent of a peer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum AgentEntry {
    /// A built-in agent.
    Builtin(BuiltinAgent),
    /// A program that speaks natlab's agent protocol on its standard input and output.
    Program(ProgramAgent),
}

impl Default for AgentEntry {
    fn default() -> Self {
        AgentEntry::Builtin(BuiltinAgent::default())
    }
}

/// Agents that natlab has inside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum BuiltinAgent {
    /// The Rust crate `webrtc-ice`.
    #[default]
    WebrtcIce,
}

impl BuiltinAgent {
    /// The name that starts it: `natlab agent NAME`.
    pub const fn name(self) -> &'static str {
        match self {
            BuiltinAgent::WebrtcIce => "webrtc-ice",
        }
    }
}

/// A program that speaks natlab's agent protocol on its standard input and output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(inline)]
pub struct ProgramAgent {
    /// Program and arguments. A program path with a `/` that does not begin with one is meant from the scenario's
    /// directory.
    #[schemars(length(min = 1))]
    pub command: Vec<String>,
}

/// A STUN or TURN server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
#[schemars(extend("required" = ["type"]))]
pub struct ServerTable {
    /// What it does.
    // An `Option`, so that a server without a type can be checked further; the schema requires it all the same.
    #[serde(rename = "type")]
    pub kind: Option<ServerKind>,
    /// Which program it is.
    pub implementation: Implementation,
    /// Its addresses, from `network.servers`: one, or two for a STUN server that shall answer RFC 5780 requests or for
    /// coturn. Without it natlab chooses them.
    #[schemars(length(min = 1, max = 2))]
    pub addresses: Option<Vec<Ipv4Addr>>,
    /// Its port; a STUN server uses the next one as well. Without it 3478.
    #[schemars(range(min = 1, max = 65534))]
    pub port: Option<u16>,
    /// Transports a TURN server serves. Without it both; a STUN server has UDP only.
    #[schemars(length(min = 1, max = 2))]
    pub transports: Option<Vec<Transport>>,
    /// User name a TURN server accepts. Without it `natlab`.
    pub username: Option<String>,
    /// Password a TURN server accepts. Without it `natlab`.
    pub password: Option<String>,
    /// How many packets its link loses, by chance: a share such as `"5%"` for both directions, or one for each. Without
    /// it none.
    pub loss: Option<Loss>,
}

/// Settings of both agents and of the way their descriptions are exchanged.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct IceTable {
    /// Candidates the agents may gather and use.
    pub policy: CandidatePolicy,
    /// When a description is sent to the other side.
    pub gathering: Gathering,
    /// Pace of connectivity checks, for agents that can set it.
    pub timers: TimerProfile,
    /// How long the answer is held back before it is passed on.
    pub answer_delay: Millis,
}

/// One expectation. Only what is stated is compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct ExpectTable {
    /// The offer direction it is about, by the peer that offers. Without it both.
    pub offerer: Option<String>,
    /// What must come out: one outcome, or a list of which any will do. Without it the predicted outcome.
    pub outcome: Option<OneOrMany<ExpectedOutcome>>,
    /// Type of the selected pair's local candidate as the offerer reports it: one, or a list of which any will do.
    /// Without it any.
    pub local: Option<OneOrMany<CandidateType>>,
    /// Type of the selected pair's remote candidate as the offerer reports it: one, or a list of which any will do.
    /// Without it any.
    pub remote: Option<OneOrMany<CandidateType>>,
    /// How soon both sides must be connected, from the offer. Without it the deadline counts.
    pub connect_within: Option<Millis>,
    /// Why this is expected; printed with the verdict. Without it no reason.
    pub because: Option<String>,
}

/// One value, or a list of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum OneOrMany<T> {
    /// One value.
    One(T),
    /// Several.
    Many(#[schemars(length(min = 1, max = 16))] Vec<T>),
}

impl<T> OneOrMany<T> {
    /// The values in their order.
    pub fn as_slice(&self) -> &[T] {
        match self {
            OneOrMany::One(value) => std::slice::from_ref(value),
            OneOrMany::Many(values) => values,
        }
    }
}

/// Which servers a peer is given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
#[schemars(inline)]
pub enum Given {
    /// Every one, or none.
    All(bool),
    /// Those of these names.
    Named(#[schemars(length(max = 16))] Vec<String>),
}

/// Names the extension keyword under which [`super::check`] finds what a string must be read as.
pub const READ_AS: &str = "x-natlab";

fn network(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "string",
        "pattern": r"^[0-9]{1,3}(\.[0-9]{1,3}){3}/[0-9]{1,2}$",
        READ_AS: "network",
    })
}
