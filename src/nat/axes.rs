//! The axes of RFC 4787, RFC 5382 and RFC 5508 along which NATs differ. Pure vocabulary.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How long a public endpoint is reused for packets from the same inside endpoint (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Mapping {
    /// `eim`: the same external endpoint towards everybody.
    #[serde(rename = "eim", alias = "endpoint-independent")]
    EndpointIndependent,
    /// `adm`: one external endpoint per remote address.
    #[serde(rename = "adm", alias = "address-dependent")]
    AddressDependent,
    /// `apdm`: one external endpoint per remote address and port.
    #[serde(rename = "apdm", alias = "address-and-port-dependent")]
    AddressAndPortDependent,
}

/// Which inbound packets an external endpoint lets through (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Filtering {
    /// `eif`: from everybody.
    #[serde(rename = "eif", alias = "endpoint-independent")]
    EndpointIndependent,
    /// `adf`: from addresses that the inside endpoint has sent to.
    #[serde(rename = "adf", alias = "address-dependent")]
    AddressDependent,
    /// `apdf`: from addresses and ports that the inside endpoint has sent to.
    #[serde(rename = "apdf", alias = "address-and-port-dependent")]
    AddressAndPortDependent,
}

/// How an external port is chosen (RFC 4787 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PortAssignment {
    /// The inside port when it is free, another one when it is taken: never shared ("no overloading").
    Preserving,
    /// Another one of the same parity: even stays even, odd stays odd (REQ-4), on a seeded, shuffled list.
    Parity,
    /// One after the other, `port-step` apart: what port prediction builds on.
    Sequential,
    /// From a seeded, shuffled list.
    Random,
    /// The inside port even when another inside host has it, towards other remote endpoints: what plain Linux masquerading
    /// does, and REQ-3 forbids. A mapping then depends on what others do.
    Overloading,
}

/// The external ports of a NAT, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PortRange {
    /// Lowest port.
    pub first: u16,
    /// Highest port.
    pub last: u16,
}

impl PortRange {
    /// From which ports are taken unless a scenario says otherwise: outside the ephemeral range of hosts.
    pub const DEFAULT: PortRange = PortRange { first: 20_000, last: 32_767 };

    /// Whether a port lies inside.
    pub const fn contains(self, port: u16) -> bool {
        self.first <= port && port <= self.last
    }

    /// How many ports it has.
    pub const fn len(self) -> usize {
        if self.last < self.first { 0 } else { self.last as usize - self.first as usize + 1 }
    }

    /// Whether it has none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }
}

impl Default for PortRange {
    fn default() -> Self {
        PortRange::DEFAULT
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.first, self.last)
    }
}

/// Which of several external addresses a mapping gets (RFC 4787 §4.1, REQ-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Every mapping of an inside host the same one.
    #[default]
    Paired,
    /// Each mapping any of them.
    Arbitrary,
}

/// Which packets keep an idle mapping alive (RFC 4787 §4.3, REQ-6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Refresh {
    /// Those from inside alone.
    Outbound,
    /// Those from outside alone; RFC 4787 wants the others too.
    Inbound,
    /// Both.
    #[default]
    Both,
}

/// What a UDP packet gets that belongs to no mapping, or that the filter keeps out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unsolicited {
    /// Nothing.
    #[default]
    Dropped,
    /// An ICMP error, "port unreachable".
    Icmp,
}

/// What becomes of ICMP errors about packets of live mappings (RFC 5508 §4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum IcmpErrors {
    /// They arrive inside, with inner and outer addresses translated (REQ-4, REQ-5).
    #[default]
    Translated,
    /// They are dropped.
    Dropped,
}

/// What a TCP SYN gets that belongs to no mapping, or that the filter keeps out (RFC 5382 §4.3, REQ-4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnsolicitedSyn {
    /// Nothing.
    #[default]
    Dropped,
    /// A reset, at once: what breaks simultaneous open.
    Reset,
    /// An ICMP error, "port unreachable", at once.
    Icmp,
}

/// Whether two SYNs that cross make a connection (RFC 5382 REQ-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SimultaneousOpen {
    /// They do.
    #[default]
    Supported,
    /// A SYN from outside is dropped while the answer to an own SYN is awaited.
    Refused,
}

/// What a gateway does with TCP (RFC 5382).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Tcp {
    /// As for UDP, of connections.
    pub mapping: Mapping,
    /// As for UDP, of SYNs from outside.
    pub filtering: Filtering,
    /// What an unsolicited SYN gets.
    pub unsolicited: UnsolicitedSyn,
    /// Whether simultaneous open works.
    pub simultaneous_open: SimultaneousOpen,
    /// How long an idle mapping lives, in milliseconds (REQ-5).
    pub lifetime_ms: u64,
}

impl Tcp {
    /// How long an idle TCP mapping lives unless a scenario says otherwise, in milliseconds: 2 hours and 4 minutes (RFC 5382
    /// REQ-5).
    pub const DEFAULT_LIFETIME_MS: u64 = (2 * 3600 + 4 * 60) * 1000;

    /// Mapping and filtering with the defaults of every other axis: SYNs dropped in silence, simultaneous open, the
    /// lifetime of REQ-5.
    pub const fn new(mapping: Mapping, filtering: Filtering) -> Self {
        Tcp {
            mapping,
            filtering,
            unsolicited: UnsolicitedSyn::Dropped,
            simultaneous_open: SimultaneousOpen::Supported,
            lifetime_ms: Self::DEFAULT_LIFETIME_MS,
        }
    }
}

/// Whether two endpoints behind one NAT reach each other through their external endpoints (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hairpinning {
    /// Such packets are dropped.
    None,
    /// They arrive from the sender's external endpoint (REQ-9a).
    ExternalSource,
    /// They arrive from the sender's inside endpoint.
    InternalSource,
}

/// What an inside endpoint's answer to a session from outside leaves through, where mapping and filtering leave it open:
/// ADM/EIF, APDM/EIF and APDM/ADF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Semantics {
    /// The mapping table alone decides (RFC 4787 read literally).
    Strict,
    /// It leaves from the endpoint the session came in on, as Linux connection tracking does by itself.
    ReplyAffine,
}

/// Whether the gateway changes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Translation {
    /// Private addresses inside, translated with ports (NAPT, RFC 3022).
    Napt,
    /// Each inside host has an external address of its own; ports never change (Basic NAT, RFC 3022: "1:1").
    OneToOne,
    /// Public addresses inside: a plain router or a stateful firewall.
    None,
}

impl Translation {
    /// Whether addresses change at all.
    pub const fn translates(self) -> bool {
        !matches!(self, Translation::None)
    }
}

/// Whether UDP passes at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UdpPolicy {
    /// It does.
    Allowed,
    /// Every UDP packet is dropped, in both directions.
    Blocked,
}

impl Mapping {
    /// All three, from the most to the least permissive.
    pub const ALL: [Mapping; 3] =
        [Mapping::EndpointIndependent, Mapping::AddressDependent, Mapping::AddressAndPortDependent];
}

impl Filtering {
    /// All three, from the most to the least permissive.
    pub const ALL: [Filtering; 3] =
        [Filtering::EndpointIndependent, Filtering::AddressDependent, Filtering::AddressAndPortDependent];
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mapping::EndpointIndependent => "EIM",
            Mapping::AddressDependent => "ADM",
            Mapping::AddressAndPortDependent => "APDM",
        })
    }
}

impl fmt::Display for Filtering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Filtering::EndpointIndependent => "EIF",
            Filtering::AddressDependent => "ADF",
            Filtering::AddressAndPortDependent => "APDF",
        })
    }
}
