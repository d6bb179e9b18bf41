//! What `natlab classify` says about the network it runs in: values, and why there is none where there is none. Pure.
//!
//! [`crate::probe`] makes a [`Classification`], [`crate::report`] renders it. The JSON form is additive: fields may come,
//! none changes its meaning or goes away while [`SCHEMA_VERSION`] stays. `value` is `null`, never `false`, for what was not
//! measured.

pub mod behavior;
pub mod conclusion;
pub mod environment;
pub mod finding;
pub mod levels;
pub mod loss;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::nat::{Filtering, Hairpinning, Pooling, Translation, UdpPolicy};

pub use behavior::{Fragments, Lifetime, MappingFound, PortSequence, Ports, Preservation, TcpFindings};
pub use conclusion::Conclusion;
pub use environment::{
    Control, Host, Interface, InterfaceKind, NatLevels, PortMapping, PortMappingService, Reachability, Reached,
    Secured, Server, ServerRole,
};
pub use finding::{Finding, Status};
pub use loss::{Loss, NEGATIVE_LIMIT};

/// The version of this format: raised whenever a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// Everything that was found out about the network a host is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Classification {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of natlab that asked.
    pub natlab_version: String,
    /// The host itself.
    pub host: Host,
    /// Every server that was asked, in the order of asking.
    pub servers: Vec<Server>,
    /// One for each address family that was asked about, IPv4 first; they are never mixed.
    pub families: Vec<FamilyFindings>,
}

impl Default for Classification {
    fn default() -> Self {
        Classification {
            schema_version: SCHEMA_VERSION,
            natlab_version: env!("CARGO_PKG_VERSION").to_owned(),
            host: Host::default(),
            servers: Vec::new(),
            families: Vec::new(),
        }
    }
}

/// An address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// The family of an address.
    pub const fn of(address: IpAddr) -> Family {
        match address {
            IpAddr::V4(_) => Family::Ipv4,
            IpAddr::V6(_) => Family::Ipv6,
        }
    }
}

impl std::fmt::Display for Family {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Family::Ipv4 => "IPv4",
            Family::Ipv6 => "IPv6",
        })
    }
}

/// What was found out for one address family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FamilyFindings {
    /// Which.
    pub family: Family,
    /// The address that was asked from; none when there is none.
    pub local: Option<IpAddr>,
    /// Every external address that was seen, each once.
    pub external: Vec<IpAddr>,
    /// Whether UDP comes back at all.
    pub udp: Finding<UdpPolicy>,
    /// Whether addresses change; what is said here of a NAT is [`Translation::Napt`] also where it is 1:1, which one host
    /// cannot tell.
    pub translation: Finding<Translation>,
    /// RFC 4787 §4.1, RFC 5780 §4.3.
    pub mapping: Finding<MappingFound>,
    /// RFC 4787 §5, RFC 5780 §4.4.
    pub filtering: Finding<Filtering>,
    /// RFC 4787 §4.2.
    pub ports: Ports,
    /// Whether several sockets get one external address (RFC 4787 §4.1, REQ-2).
    pub pooling: Finding<Pooling>,
    /// RFC 4787 §6.
    pub hairpinning: Finding<Hairpinning>,
    /// How long an idle mapping lives (RFC 4787 §4.3).
    pub lifetime: Finding<Lifetime>,
    /// Whether packets from outside alone keep a mapping alive (RFC 4787 REQ-6a).
    pub inbound_refresh: Finding<bool>,
    /// RFC 4787 REQ-14.
    pub fragments: Fragments,
    /// Whether something rewrites addresses inside of messages (RFC 4787 §7).
    pub alg: Finding<bool>,
    /// RFC 5382.
    pub tcp: TcpFindings,
    /// How many NATs there are on the way, as far as one can tell.
    pub levels: Finding<NatLevels>,
    /// Services of the router that make mappings on request.
    pub port_mapping: Vec<PortMapping>,
    /// How much was lost.
    pub loss: Loss,
    /// The name of RFC 3489, where one fits.
    pub classic: Option<String>,
}

impl FamilyFindings {
    /// Nothing is known yet.
    pub fn unknown(family: Family) -> Self {
        FamilyFindings {
            family,
            local: None,
            external: Vec::new(),
            udp: Finding::not_tested("not asked"),
            translation: Finding::not_tested("not asked"),
            mapping: Finding::not_tested("not asked"),
            filtering: Finding::not_tested("not asked"),
            ports: Ports::default(),
            pooling: Finding::not_tested("not asked"),
            hairpinning: Finding::not_tested("off by default"),
            lifetime: Finding::not_tested("off by default"),
            inbound_refresh: Finding::not_tested("off by default"),
            fragments: Fragments::default(),
            alg: Finding::not_tested("not asked"),
            tcp: TcpFindings::default(),
            levels: Finding::not_tested("not asked"),
            port_mapping: Vec::new(),
            loss: Loss::default(),
            classic: None,
        }
    }

    /// The name of RFC 3489 for these findings; none where none fits or too little is known. Names are not stretched: an
    /// endpoint-dependent mapping with lax filtering has none.
    pub fn classic_name(&self) -> Option<&'static str> {
        use crate::nat::Filtering as F;
        if self.udp.value == Some(UdpPolicy::Blocked) {
            return Some("UDP blocked");
        }
        match (self.translation.value?, self.mapping.value, self.filtering.value) {
            (Translation::None, _, Some(F::EndpointIndependent)) => Some("open Internet"),
            (Translation::None, _, Some(_)) => Some("symmetric UDP firewall"),
            (_, Some(MappingFound::EndpointIndependent), Some(F::EndpointIndependent)) => Some("full cone"),
            (_, Some(MappingFound::EndpointIndependent), Some(F::AddressDependent)) => Some("restricted cone"),
            (_, Some(MappingFound::EndpointIndependent), Some(F::AddressAndPortDependent)) => {
                Some("port-restricted cone")
            }
            (_, Some(MappingFound::AddressAndPortDependent), Some(F::AddressAndPortDependent)) => Some("symmetric"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
