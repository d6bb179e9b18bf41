//! ICE terms (RFC 8445) and the candidate line (RFC 8839 §5.1). Pure.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Transport;

/// RFC 8445 §4; on the wire `host`, `srflx`, `prflx`, `relay`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum CandidateType {
    /// An address of an own interface.
    #[serde(rename = "host")]
    Host,
    /// The own address as a STUN server sees it.
    #[serde(rename = "srflx")]
    ServerReflexive,
    /// The own address as the peer saw it in a check.
    #[serde(rename = "prflx")]
    PeerReflexive,
    /// A relayed transport address on a TURN server.
    #[serde(rename = "relay")]
    Relayed,
}

impl fmt::Display for CandidateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CandidateType::Host => "host",
            CandidateType::ServerReflexive => "srflx",
            CandidateType::PeerReflexive => "prflx",
            CandidateType::Relayed => "relay",
        })
    }
}

/// Which agent nominates (RFC 8445 §6.1.1). Another axis than [`OfferRole`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IceRole {
    /// Nominates.
    Controlling,
    /// Accepts.
    Controlled,
}

/// Who speaks first in offer/answer (RFC 3264).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OfferRole {
    /// Sends the offer.
    Offerer,
    /// Answers it.
    Answerer,
}

/// Which candidates an agent may gather and use (W3C `iceTransportPolicy`, with two more for diagnosis).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum CandidatePolicy {
    /// Every type.
    #[default]
    All,
    /// Host candidates only.
    Host,
    /// Server-reflexive candidates only.
    Srflx,
    /// Relayed candidates only.
    Relay,
}

/// One candidate as an agent announced it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Candidate {
    /// Equal for candidates of one type, base and server (RFC 8445 §5.1.1.3).
    pub foundation: String,
    /// 1 for RTP and data channels.
    pub component: u16,
    /// Transport of the candidate itself, not of the way to its TURN server.
    pub protocol: Transport,
    /// RFC 8445 §5.1.2.
    pub priority: u32,
    /// Address, or an mDNS name ending in `.local`.
    pub address: String,
    /// Port.
    pub port: u16,
    /// Type.
    #[serde(rename = "type")]
    pub kind: CandidateType,
    /// `raddr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_address: Option<String>,
    /// `rport`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub related_port: Option<u16>,
}

/// Why a candidate line could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a candidate line ({reason}): {line}")]
pub struct BadCandidate {
    /// What is wrong.
    pub reason: &'static str,
    /// The line.
    pub line: String,
}

impl Candidate {
    /// Reads `candidate:FOUNDATION COMPONENT TRANSPORT PRIORITY ADDRESS PORT typ TYPE …`, with or without `a=` and
    /// `candidate:`. Extensions other than `raddr` and `rport` are skipped.
    pub fn parse(line: &str) -> Result<Candidate, BadCandidate> {
        let bad = |reason| BadCandidate { reason, line: line.chars().take(200).collect() };
        let text = line.trim();
        let text = text.strip_prefix("a=").unwrap_or(text);
        let text = text.strip_prefix("candidate:").unwrap_or(text);
        let mut words = text.split_ascii_whitespace();
        let mut next = |what| words.next().ok_or(bad(what));
        let foundation = next("no foundation")?.to_owned();
        let component = next("no component")?.parse().map_err(|_| bad("component is not a number"))?;
        let protocol = match next("no transport")?.to_ascii_lowercase().as_str() {
            "udp" => Transport::Udp,
            "tcp" => Transport::Tcp,
            _ => return Err(bad("unknown transport")),
        };
        let priority = next("no priority")?.parse().map_err(|_| bad("priority is not a number"))?;
        let address = next("no address")?.to_owned();
        let port = next("no port")?.parse().map_err(|_| bad("port is not a number"))?;
        if next("no type")? != "typ" {
            return Err(bad("`typ` is missing"));
        }
        let kind = match next("no type")? {
            "host" => CandidateType::Host,
            "srflx" => CandidateType::ServerReflexive,
            "prflx" => CandidateType::PeerReflexive,
            "relay" => CandidateType::Relayed,
            _ => return Err(bad("unknown candidate type")),
        };
        let (mut related_address, mut related_port) = (None, None);
        while let (Some(key), Some(value)) = (words.next(), words.next()) {
            match key {
                "raddr" => related_address = Some(value.to_owned()),
                "rport" => related_port = value.parse().ok(),
                _ => {}
            }
        }
        Ok(Candidate { foundation, component, protocol, priority, address, port, kind, related_address, related_port })
    }

    /// The endpoint, unless the address is a name.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        Some(SocketAddr::new(self.address.parse::<IpAddr>().ok()?, self.port))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_candidate_line_is_read_with_its_related_address() {
        let c = Candidate::parse(
            "candidate:2652005990 1 udp 1694498815 203.0.113.21 52600 typ srflx raddr 0.0.0.0 rport 52600 ufrag QXVv",
        )
        .unwrap();
        assert_eq!(c.kind, CandidateType::ServerReflexive);
        assert_eq!(c.endpoint(), Some("203.0.113.21:52600".parse().unwrap()));
        assert_eq!((c.related_address.as_deref(), c.related_port), (Some("0.0.0.0"), Some(52600)));
        assert_eq!(Candidate::parse("a=candidate:1 1 UDP 1 x.local 9 typ host").unwrap().endpoint(), None);
    }

    #[test]
    fn what_is_not_a_candidate_says_why() {
        for (line, reason) in [
            ("", "no foundation"),
            ("candidate:1 1 udp x 1.2.3.4 5 typ host", "priority is not a number"),
            ("candidate:1 1 udp 1 1.2.3.4 5 typ nonsense", "unknown candidate type"),
            ("candidate:1 1 udp 1 1.2.3.4 5 host", "`typ` is missing"),
        ] {
            assert_eq!(Candidate::parse(line).unwrap_err().reason, reason, "{line}");
        }
    }
}
