//! Values of those axes that one host cannot see as exactly as they can be declared. Pure.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::environment::Reachability;
use super::finding::Finding;
use crate::nat::{Mapping, PortRange};

/// How external endpoints depend on whom is spoken to, as far as one can tell (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum MappingFound {
    /// The same external endpoint towards everybody.
    #[serde(rename = "eim")]
    EndpointIndependent,
    /// One external endpoint per remote address.
    #[serde(rename = "adm")]
    AddressDependent,
    /// One external endpoint per remote address and port.
    #[serde(rename = "apdm")]
    AddressAndPortDependent,
    /// One of the two above; no server answers at one address on two ports, which is what tells them apart.
    #[serde(rename = "edm")]
    EndpointDependent,
}

impl MappingFound {
    /// The behaviours that it may be, the most permissive first.
    pub const fn candidates(self) -> &'static [Mapping] {
        match self {
            MappingFound::EndpointIndependent => &[Mapping::EndpointIndependent],
            MappingFound::AddressDependent => &[Mapping::AddressDependent],
            MappingFound::AddressAndPortDependent => &[Mapping::AddressAndPortDependent],
            MappingFound::EndpointDependent => &[Mapping::AddressDependent, Mapping::AddressAndPortDependent],
        }
    }

    /// The behaviour, where it is one.
    pub const fn exactly(self) -> Option<Mapping> {
        match self {
            MappingFound::EndpointIndependent => Some(Mapping::EndpointIndependent),
            MappingFound::AddressDependent => Some(Mapping::AddressDependent),
            MappingFound::AddressAndPortDependent => Some(Mapping::AddressAndPortDependent),
            MappingFound::EndpointDependent => None,
        }
    }
}

impl From<Mapping> for MappingFound {
    fn from(mapping: Mapping) -> Self {
        match mapping {
            Mapping::EndpointIndependent => MappingFound::EndpointIndependent,
            Mapping::AddressDependent => MappingFound::AddressDependent,
            Mapping::AddressAndPortDependent => MappingFound::AddressAndPortDependent,
        }
    }
}

impl fmt::Display for MappingFound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.exactly() {
            Some(mapping) => mapping.fmt(f),
            None => f.write_str("ADM or APDM"),
        }
    }
}

/// How inside ports become external ones (RFC 4787 §4.2).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ports {
    /// Whether external ports equal inside ports.
    pub preservation: Finding<Preservation>,
    /// Whether even ports stay even and odd ones odd (REQ-4); the question does not arise where ports are preserved.
    pub parity: Finding<bool>,
    /// How ports of mappings that were made one after the other relate.
    pub sequence: Finding<PortSequence>,
    /// Lowest and highest external port that was seen; the true range is at least that.
    pub observed: Finding<PortRange>,
}

/// Whether external ports equal inside ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Preservation {
    /// All that were seen do.
    All,
    /// Some do: others inside may hold the same ports.
    Some,
    /// None does.
    None,
}

/// How external ports of successive mappings relate, which is what port prediction rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum PortSequence {
    /// They equal the inside ports, so they follow the host's choice.
    Preserved,
    /// Each lies the same step from the one before it; others who share the NAT may take ports in between.
    Sequential {
        /// Usual distance.
        step: i32,
    },
    /// No step is found.
    Irregular,
}

/// Between which ages an idle mapping goes away, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lifetime {
    /// It was still there at this age; none: it was gone at every age that was tried.
    pub last_alive_ms: Option<u64>,
    /// It was gone at this age; none: it was still there at every age that was tried.
    pub first_dead_ms: Option<u64>,
}

/// Whether UDP packets that need fragmentation pass.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fragments {
    /// From inside to outside.
    pub outbound: Finding<bool>,
    /// From outside to inside.
    pub inbound: Finding<bool>,
}

/// What was found out about TCP.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TcpFindings {
    /// As of UDP, from one local port to three endpoints (RFC 5780 §4.3, RFC 5382 REQ-1).
    pub mapping: Finding<MappingFound>,
    /// Whether the servers can be reached over TCP and TLS: a way for TURN where UDP is blocked.
    pub reachability: Vec<Reachability>,
}
