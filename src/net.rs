//! Endpoints and transports: the words every other module shares. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A transport protocol, as it is written in `candidate` lines and `?transport=` parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// User datagrams.
    Udp,
    /// A TCP connection; STUN and TURN messages are framed as in RFC 8489 §6.2.2 and RFC 8656 §3.
    Tcp,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        })
    }
}

/// An IPv4 network: an address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Network {
    /// Any address inside; kept as written.
    pub address: Ipv4Addr,
    /// 0 to 32.
    pub prefix: u8,
}

impl Network {
    /// Everything: the destination of a default route.
    pub const ALL: Network = Network { address: Ipv4Addr::UNSPECIFIED, prefix: 0 };

    /// A network from its parts.
    pub const fn new(address: Ipv4Addr, prefix: u8) -> Self {
        Network { address, prefix }
    }

    /// The bits that name the network.
    pub fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0)
    }

    /// Whether `address` lies inside.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        u32::from(address) & self.mask() == u32::from(self.address) & self.mask()
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl From<Network> for String {
    fn from(n: Network) -> String {
        n.to_string()
    }
}

/// The text is not `a.b.c.d/n`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an IPv4 network such as 203.0.113.0/24: {0}")]
pub struct NotANetwork(pub String);

impl TryFrom<String> for Network {
    type Error = NotANetwork;
    fn try_from(s: String) -> Result<Self, NotANetwork> {
        s.parse()
    }
}

impl std::str::FromStr for Network {
    type Err = NotANetwork;
    fn from_str(s: &str) -> Result<Self, NotANetwork> {
        let bad = || NotANetwork(s.to_owned());
        let (address, prefix) = s.split_once('/').ok_or_else(bad)?;
        let prefix: u8 = prefix.parse().map_err(|_| bad())?;
        if prefix > 32 {
            return Err(bad());
        }
        Ok(Network { address: address.parse().map_err(|_| bad())?, prefix })
    }
}

/// Whether an address can be a public one, as a STUN server's answer must be: everything but private (RFC 1918), shared
/// (100.64/10, RFC 6598), loopback, link-local, multicast and unspecified ranges, and of IPv6 unique local ones (RFC 4193).
/// Documentation and benchmark ranges count as public, since labs are built from them.
pub fn is_public(address: impl Into<IpAddr>) -> bool {
    match address.into().to_canonical() {
        IpAddr::V4(v4) => {
            let shared = Network::new(Ipv4Addr::new(100, 64, 0, 0), 10);
            !(v4.is_private()
                || shared.contains(v4)
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_multicast()
                || v4.is_broadcast()
                || v4.is_unspecified())
        }
        IpAddr::V6(v6) => {
            !(v6.is_loopback()
                || v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unique_local()
                || v6.is_unicast_link_local())
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_network_contains_what_its_prefix_says() {
        let n: Network = "203.0.113.0/24".parse().unwrap();
        assert!(n.contains(Ipv4Addr::new(203, 0, 113, 255)));
        assert!(!n.contains(Ipv4Addr::new(203, 0, 114, 0)));
        assert!(Network::ALL.contains(Ipv4Addr::BROADCAST));
        assert!("203.0.113.0/33".parse::<Network>().is_err());
        assert!("203.0.113.0".parse::<Network>().is_err());
    }

    #[test]
    fn documentation_ranges_are_public_and_private_ones_are_not() {
        for a in ["203.0.113.1", "198.18.0.1", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"] {
            assert!(is_public(a.parse::<IpAddr>().unwrap()), "{a}");
        }
        let v4 = ["10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "169.254.1.1", "172.18.0.1", "0.0.0.0"];
        for a in v4.into_iter().chain(["::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:10.0.0.1"]) {
            assert!(!is_public(a.parse::<IpAddr>().unwrap()), "{a}");
        }
    }
}
