//! What stands round the NAT: the host, the servers, the router's own services. Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

/// The host that asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Host {
    /// Operating system, as Rust names it.
    pub os: String,
    /// Its interfaces with addresses, loopback left out.
    pub interfaces: Vec<Interface>,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What it seems to be.
    pub kind: InterfaceKind,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Whether the questions went out here.
    pub used: bool,
}

/// What an interface seems to be, by name and type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum InterfaceKind {
    /// A cable.
    Wired,
    /// Wi-Fi.
    Wireless,
    /// A cellular modem.
    Cellular,
    /// A VPN or another tunnel.
    Vpn,
    /// A bridge of a container engine, or a container's own interface.
    Container,
    /// Another bridge, or an interface of virtual machines.
    Virtual,
    /// It cannot be told.
    Unknown,
}

/// What a server can be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ServerRole {
    /// All of RFC 5780.
    Behavior,
    /// Reflexive endpoints alone.
    Ordinary,
    /// A relayed address as a foreign sender (TURN).
    Relay,
    /// Nothing.
    Unusable,
}

/// Whether alternates answer plain requests: the control test without which silence proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Control {
    /// The alternate address and port (A2:P2).
    pub alternate: Option<bool>,
    /// The alternate port (A1:P2).
    pub other_port: Option<bool>,
    /// The alternate address (A2:P1).
    pub other_address: Option<bool>,
}

/// A server that was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Server {
    /// As it was given.
    pub name: String,
    /// What it resolved to; none when it did not.
    pub address: Option<SocketAddr>,
    /// What it can be used for.
    pub role: ServerRole,
    /// What is wrong with it, or with a part of it.
    pub problems: Vec<String>,
    /// OTHER-ADDRESS or CHANGED-ADDRESS (RFC 5780 §7.4).
    pub other_address: Option<SocketAddr>,
    /// Where RESPONSE-ORIGIN said that the answer came from, when that is not where it did.
    pub origin_differs: Option<SocketAddr>,
    /// SOFTWARE.
    pub software: Option<String>,
    /// The endpoint that it saw.
    pub mapped: Option<SocketAddr>,
    /// Shortest round trip, in milliseconds.
    pub round_trip_ms: Option<f64>,
    /// The control test; none when the server has no alternates or the test was not made.
    pub control: Option<Control>,
}

impl Server {
    /// One of which nothing is known yet.
    pub fn unasked(name: impl Into<String>, address: Option<SocketAddr>) -> Self {
        Server {
            name: name.into(),
            address,
            role: ServerRole::Unusable,
            problems: Vec::new(),
            other_address: None,
            origin_differs: None,
            software: None,
            mapped: None,
            round_trip_ms: None,
            control: None,
        }
    }
}

/// How a stream to a server is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Secured {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// How an attempt to reach a server by a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reached {
    /// It answered a Binding request.
    Answers,
    /// A connection was made, and no STUN answer came.
    Connects,
    /// No connection was made.
    Unreachable,
}

/// Whether a server can be reached over TCP or TLS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reachability {
    /// Server as it was given.
    pub server: String,
    /// Where.
    pub at: SocketAddr,
    /// By what.
    pub over: Secured,
    /// How it ended.
    pub reached: Reached,
    /// What went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// How many NATs there are on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NatLevels {
    /// None.
    None,
    /// One.
    One,
    /// At least two: the router's external address is not the one that the world sees.
    Several,
    /// At least one, and it is the provider's (100.64/10, RFC 6598).
    Carrier,
}

/// A protocol by which a router makes mappings on request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PortMappingService {
    /// UPnP Internet Gateway Device.
    UpnpIgd,
    /// NAT-PMP (RFC 6886).
    NatPmp,
    /// PCP (RFC 6887).
    Pcp,
}

impl fmt::Display for PortMappingService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortMappingService::UpnpIgd => "UPnP",
            PortMappingService::NatPmp => "NAT-PMP",
            PortMappingService::Pcp => "PCP",
        })
    }
}

impl fmt::Display for InterfaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            InterfaceKind::Wired => "wired",
            InterfaceKind::Wireless => "Wi-Fi",
            InterfaceKind::Cellular => "cellular",
            InterfaceKind::Vpn => "VPN or tunnel",
            InterfaceKind::Container => "container",
            InterfaceKind::Virtual => "virtual",
            InterfaceKind::Unknown => "of unknown kind",
        })
    }
}

/// What a port mapping service said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMapping {
    /// Which.
    pub service: PortMappingService,
    /// Whether it answers; `None`: not asked.
    pub available: Option<bool>,
    /// The router's external address, as it says.
    pub external: Option<IpAddr>,
    /// Why it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}
