//! Why a scenario that reads well cannot become trials.

use std::net::Ipv4Addr;

use crate::net::{Network, Transport};

/// One reason; all of them are reported at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanProblem {
    /// A node is called as natlab calls its own.
    #[error("`{0}` is the name of natlab's own router")]
    ReservedName(String),
    /// A gateway, peer or server is named that does not exist, or a chain of gateways leads back to itself.
    #[error("`{node}` stands behind `{behind}`, which leads to no gateway")]
    NoWayOut {
        /// Who stands there.
        node: String,
        /// What it names.
        behind: String,
    },
    /// A gateway without anybody inside cannot be measured.
    #[error("nobody stands behind `{0}`, so it cannot be measured")]
    NobodyInside(String),
    /// A peer names a server that does not exist.
    #[error("`{peer}` names the server `{server}`, which does not exist")]
    NoSuchServer {
        /// Peer.
        peer: String,
        /// Name.
        server: String,
    },
    /// A peer is given a server over a transport that it does not serve.
    #[error("`{peer}` is given `{server}` over {transport}, which `{server}` does not serve")]
    NotServed {
        /// Peer.
        peer: String,
        /// Server.
        server: String,
        /// Transport.
        transport: Transport,
    },
    /// Two nodes have one fixed address.
    #[error("`{a}` and `{b}` both have the address {address}")]
    AddressClash {
        /// Address.
        address: Ipv4Addr,
        /// One node.
        a: String,
        /// The other.
        b: String,
    },
    /// A fixed address is the first or last of its network, which no node may have.
    #[error("{address} of `{node}` names the network {network} or its broadcast, not a node")]
    NotANode {
        /// Node.
        node: String,
        /// Address.
        address: Ipv4Addr,
        /// Network.
        network: Network,
    },
    /// Fixed addresses of nodes in one network do not lie in one network.
    #[error("{address} of `{node}` is outside {network}, the network behind `{gateway}`")]
    OutsideNetwork {
        /// Node.
        node: String,
        /// Address.
        address: Ipv4Addr,
        /// Gateway.
        gateway: String,
        /// Network, given by another fixed address.
        network: Network,
    },
    /// Two networks, or a network and a node elsewhere, would share addresses.
    #[error("the network {network} behind `{gateway}` takes in {other}")]
    NetworkClash {
        /// Gateway.
        gateway: String,
        /// Its network.
        network: Network,
        /// What else is there, as words.
        other: String,
    },
    /// A range has no room left.
    #[error("the range {range} has no room for {what}")]
    Exhausted {
        /// Range of `[network]`.
        range: Network,
        /// What was to be put there, as words.
        what: String,
    },
    /// The model has no rule and the scenario states no outcome.
    #[error("no outcome can be predicted when `{offerer}` offers, and none is stated: {reason}")]
    Unpredicted {
        /// Offer direction.
        offerer: String,
        /// Why there is no rule.
        reason: String,
    },
}

impl PlanProblem {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            PlanProblem::ReservedName(_) => "choose another name",
            PlanProblem::NoWayOut { .. } => "let `behind` name a `[nat.…]` whose own `behind` does not lead back here",
            PlanProblem::NobodyInside(_) => "put a peer behind it or remove it",
            PlanProblem::NoSuchServer { .. } => "name a `[server.…]` of this file",
            PlanProblem::NotServed { .. } => "add the transport to the server or give another one to the peer",
            PlanProblem::AddressClash { .. } => "change one of the two, or leave it out and natlab chooses",
            PlanProblem::NotANode { .. } => "take another address",
            PlanProblem::OutsideNetwork { .. } => "fixed addresses of nodes behind one gateway lie in one network",
            PlanProblem::NetworkClash { .. } => {
                "give the nodes behind different gateways addresses of different networks"
            }
            PlanProblem::Exhausted { .. } => "make the range in `[network]` larger",
            PlanProblem::Unpredicted { .. } => "state what you expect: `[[expect]]` with `outcome = …`",
        }
    }
}
