//! TOML text to a checked [`Scenario`]. Pure: the text comes in as bytes, problems go out as data with their places.
//!
//! Every problem is reported at once, with file, line, column and the nearest valid name; an unknown key, an unknown node,
//! an unused node or a knob that nothing reads is an error.

pub mod check;
pub mod diagnostic;
pub mod file;
pub mod schema;
pub mod shipped;

use std::net::Ipv4Addr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ice::{CandidatePolicy, CandidateType, IceRole};
use crate::nat::Behavior;
use crate::net::{Network, Transport};
use crate::protocol::TimerProfile;

pub use check::parse;

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ServerKind {
    /// RFC 8489 and RFC 5780.
    Stun,
    /// RFC 8656; answers Binding requests too.
    Turn,
}

/// Which program a server is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Implementation {
    /// `natlab serve`.
    #[default]
    Natlab,
    /// `turnserver`, which must be installed.
    Coturn,
}

/// What is started as an agent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AgentProgram {
    /// `natlab agent NAME`.
    Builtin(String),
    /// Any program that speaks the protocol; a relative program path is meant from the scenario's directory.
    Command(Vec<String>),
}

/// When a description is sent to the other side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Gathering {
    /// At once; candidates follow one by one (RFC 8838).
    #[default]
    Trickle,
    /// When gathering is complete, with every candidate inside.
    Full,
    /// A mistake that happens: at the first candidate, with what is there, and nothing follows.
    Incomplete,
}

/// Outcomes that can be expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedOutcome {
    /// Data flows both ways without a relay.
    Direct,
    /// Data flows both ways through a TURN server.
    Relayed,
    /// No pair works.
    NoPath,
}

/// A scenario without mistakes. Names are unique over peers, gateways and servers; every reference leads somewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// `name`, else the file's stem.
    pub name: String,
    /// What it shows: `description`, else the comment that opens the file.
    pub description: String,
    /// Of every random choice.
    pub seed: u64,
    /// How often each offer direction runs.
    pub repeats: u32,
    /// Two, in the order of the file.
    pub peers: Vec<Peer>,
    /// In the order of the file.
    pub nats: Vec<Nat>,
    /// In the order of the file.
    pub servers: Vec<Server>,
    /// Offerers: one or both peers, in the order they run.
    pub offerers: Vec<String>,
    /// How ICE is run.
    pub ice: Ice,
    /// Limits; `None` where the scenario leaves them to natlab.
    pub connect_deadline_ms: Option<u64>,
    /// From start to `hello`.
    pub hello_deadline_ms: Option<u64>,
    /// `[[expect]]`, in the order of the file.
    pub expectations: Vec<Expect>,
    /// Where addresses come from.
    pub network: Addresses,
}

/// `[peer.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// Node name.
    pub name: String,
    /// Gateway, or none for a public address of its own.
    pub behind: Option<String>,
    /// Fixed address, where the scenario sets one.
    pub address: Option<Ipv4Addr>,
    /// What is started.
    pub agent: AgentProgram,
    /// Names of the servers it is given for STUN.
    pub stun: Vec<String>,
    /// Names of the servers it is given for TURN, with the transport to use.
    pub turn: Vec<(String, Transport)>,
    /// Credentials other than the server's.
    pub credentials: Option<(String, String)>,
    /// Forced role.
    pub ice_role: Option<IceRole>,
    /// Candidates it may use; `None`: as `[ice]` says.
    pub policy: Option<CandidatePolicy>,
    /// Of its link.
    pub loss: Loss,
}

/// `[nat.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Nat {
    /// Node name.
    pub name: String,
    /// Preset it started from.
    pub preset: Option<String>,
    /// Preset and axes together.
    pub behavior: Behavior,
    /// Gateway in front of it.
    pub behind: Option<String>,
    /// Fixed external addresses, the first ones of those it has; `behavior` says how many there are.
    pub addresses: Vec<Ipv4Addr>,
    /// Peers inside cannot reach each other directly.
    pub isolated: bool,
    /// Static port forwards.
    pub forwards: Vec<Forward>,
    /// Of its link towards the Internet.
    pub loss: Loss,
}

/// `[[nat.NAME.forward]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Of which protocol.
    pub protocol: Transport,
    /// External port.
    pub port: u16,
    /// Node directly behind the NAT.
    pub to: String,
    /// Port there.
    pub to_port: u16,
}

/// What a link that leads towards the Internet loses by chance, in hundredths of a percent of its packets: 0 to 10000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// Towards the Internet.
    pub up: u16,
    /// From there.
    pub down: u16,
}

impl Loss {
    /// Whether every packet passes.
    pub const fn is_none(&self) -> bool {
        self.up == 0 && self.down == 0
    }
}

impl From<&file::Loss> for Loss {
    fn from(written: &file::Loss) -> Loss {
        let [up, down] = written.shares();
        Loss { up: up.0, down: down.0 }
    }
}

/// `[server.NAME]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// Node name.
    pub name: String,
    /// What it does.
    pub kind: ServerKind,
    /// Which program.
    pub implementation: Implementation,
    /// Fixed addresses.
    pub addresses: Vec<Ipv4Addr>,
    /// Port.
    pub port: u16,
    /// Transports it serves.
    pub transports: Vec<Transport>,
    /// TURN credentials.
    pub user: String,
    /// TURN credentials.
    pub password: String,
    /// Of its link.
    pub loss: Loss,
}

/// `[ice]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Ice {
    /// Candidates the agents may use.
    pub policy: CandidatePolicy,
    /// When descriptions are sent.
    pub gathering: Gathering,
    /// Pace.
    pub timers: TimerProfile,
    /// The answer is held back this long.
    pub answer_delay_ms: u64,
}

/// `[[expect]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expect {
    /// Offer direction it is about; `None`: both.
    pub offerer: Option<String>,
    /// Any of these; empty: not compared.
    pub outcome: Vec<ExpectedOutcome>,
    /// Local type of the selected pair as the offerer reports it: any of these; empty: not compared.
    pub local: Vec<CandidateType>,
    /// Remote type likewise.
    pub remote: Vec<CandidateType>,
    /// From `offer` to both sides connected.
    pub connect_within_ms: Option<u64>,
    /// Why, in the scenario's words.
    pub because: Option<String>,
}

/// `[network]`: where addresses come from.
#[derive(Clone, Debug, PartialEq)]
pub struct Addresses {
    /// External addresses of gateways and addresses of public peers.
    pub wan: Network,
    /// Addresses of servers.
    pub servers: Network,
    /// Networks behind gateways are cut from this one.
    pub lan: Network,
}
