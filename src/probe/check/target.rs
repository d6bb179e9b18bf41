//! What is to be checked: STUN and TURN URIs (RFC 7064, RFC 7065), or a bare host, of which everything is tried. Pure.

use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::probe::turn::Over;

/// Port of STUN and TURN over UDP and TCP (RFC 8489 §18.6).
pub const PORT: u16 = 3478;
/// Port of both over TLS.
const TLS_PORT: u16 = 5349;

/// Whether the server is expected to relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relaying {
    /// It is asked for STUN only.
    No,
    /// It is a TURN server.
    Yes,
    /// It is tried when there are credentials.
    Perhaps,
}

/// One transport and port of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Transport.
    pub over: Over,
    /// Port.
    pub port: u16,
    /// Whether it is a fault when nothing answers there.
    pub required: bool,
}

/// A server as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// As it was written.
    pub text: String,
    /// Domain name or address, the latter without brackets.
    pub host: String,
    /// What is tried, in this order.
    pub ways: Vec<Way>,
    /// Whether TURN is.
    pub relaying: Relaying,
}

/// Why a text names no server; completes "failed to …".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotATarget {
    /// Slashes as in web addresses.
    #[error("read {0:?}: there are no slashes in STUN and TURN URIs (turn:HOST:PORT)")]
    Slashes(String),
    /// A user in it, as old drafts had.
    #[error("read {0:?}: credentials are not part of the URI; give --user and --password")]
    User(String),
    /// No host.
    #[error("read {0:?}: there is no host in it")]
    Host(String),
    /// An IPv6 address without brackets, and something behind it.
    #[error("read {0:?}: an IPv6 address with a port is written [ADDRESS]:PORT")]
    Brackets(String),
    /// Not 1 to 65535.
    #[error("read {text:?}: {port:?} is no port (1 to 65535)")]
    Port {
        /// All of it.
        text: String,
        /// The port.
        port: String,
    },
    /// Something else than `transport=udp` or `tcp`, or that where it cannot be.
    #[error("read {text:?}: {query:?} has no meaning there (turn:HOST?transport=udp or tcp)")]
    Query {
        /// All of it.
        text: String,
        /// After the question mark.
        query: String,
    },
    /// `turns:` with `transport=udp`.
    #[error("check {0:?}: natlab speaks TLS over TCP, not DTLS; without ?transport=udp it is checked over TLS")]
    Dtls(String),
}

impl FromStr for Target {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Target, NotATarget> {
        let (scheme, rest) = match text.split_once(':') {
            Some((s, rest)) if ["stun", "stuns", "turn", "turns"].contains(&s.to_ascii_lowercase().as_str()) => {
                (s.to_ascii_lowercase(), rest)
            }
            _ => (String::new(), text),
        };
        if rest.contains('/') {
            return Err(NotATarget::Slashes(text.to_owned()));
        }
        if rest.contains('@') {
            return Err(NotATarget::User(text.to_owned()));
        }
        let (place, query) = match rest.split_once('?') {
            Some((place, query)) => (place, Some(query)),
            None => (rest, None),
        };
        let (host, port) = host_and_port(text, place)?;
        let bad_query = |query: &str| NotATarget::Query { text: text.to_owned(), query: query.to_owned() };
        let way = |over: Over, required: bool| Way {
            over,
            port: port.unwrap_or(if over == Over::Tls { TLS_PORT } else { PORT }),
            required,
        };
        let (ways, relaying) = match (scheme.as_str(), query) {
            ("stun", None) => (vec![way(Over::Udp, true), way(Over::Tcp, false)], Relaying::No),
            ("stuns", None) => (vec![way(Over::Tls, true)], Relaying::No),
            ("turn", None) => (vec![way(Over::Udp, true), way(Over::Tcp, false)], Relaying::Yes),
            ("turn", Some("transport=udp")) => (vec![way(Over::Udp, true)], Relaying::Yes),
            ("turn", Some("transport=tcp")) => (vec![way(Over::Tcp, true)], Relaying::Yes),
            ("turns", None | Some("transport=tcp")) => (vec![way(Over::Tls, true)], Relaying::Yes),
            ("turns", Some("transport=udp")) => return Err(NotATarget::Dtls(text.to_owned())),
            ("", None) => {
                let tls =
                    Way { over: Over::Tls, port: port.filter(|p| *p != PORT).unwrap_or(TLS_PORT), required: false };
                (vec![way(Over::Udp, false), way(Over::Tcp, false), tls], Relaying::Perhaps)
            }
            (_, Some(query)) => return Err(bad_query(query)),
            (_, None) => return Err(NotATarget::Host(text.to_owned())),
        };
        Ok(Target { text: text.to_owned(), host, ways, relaying })
    }
}

/// `host`, `host:port`, `[v6]:port`, or an IPv6 address as it is: the place of a server in `text`.
///
/// # Errors
/// When it is none.
pub fn host_and_port(text: &str, place: &str) -> Result<(String, Option<u16>), NotATarget> {
    let no_host = || NotATarget::Host(text.to_owned());
    let (host, port) = if let Some(rest) = place.strip_prefix('[') {
        let (host, port) = rest.split_once(']').ok_or_else(no_host)?;
        host.parse::<Ipv6Addr>().map_err(|_| no_host())?;
        match port {
            "" => (host, None),
            _ => (host, Some(port.strip_prefix(':').ok_or_else(no_host)?)),
        }
    } else if place.parse::<Ipv6Addr>().is_ok() {
        (place, None)
    } else {
        match place.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => return Err(NotATarget::Brackets(text.to_owned())),
            Some((host, port)) => (host, Some(port)),
            None => (place, None),
        }
    };
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if host.is_empty() || host.parse::<Ipv6Addr>().is_err() && !host.chars().all(plain) {
        return Err(no_host());
    }
    let number = |port: &str| {
        let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
        let number = port.parse().ok().filter(|number| digits && *number != 0);
        number.ok_or_else(|| NotATarget::Port { text: text.to_owned(), port: port.to_owned() })
    };
    Ok((host.to_owned(), port.map(number).transpose()?))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn ways(text: &str) -> Vec<String> {
        let target: Target = text.parse().unwrap();
        let required = |w: &Way| if w.required { "" } else { "?" };
        target.ways.iter().map(|w| format!("{}{} {}:{}", w.over, required(w), target.host, w.port)).collect()
    }

    #[test]
    fn each_form_says_what_is_tried() {
        assert_eq!(ways("stun:example.org"), ["udp example.org:3478", "tcp? example.org:3478"]);
        assert_eq!(ways("stuns:example.org"), ["tls example.org:5349"]);
        assert_eq!(ways("turn:192.0.2.1:443"), ["udp 192.0.2.1:443", "tcp? 192.0.2.1:443"]);
        assert_eq!(ways("turn:example.org?transport=tcp"), ["tcp example.org:3478"]);
        assert_eq!(ways("TURNS:[2001:db8::1]:443?transport=tcp"), ["tls 2001:db8::1:443"]);
        assert_eq!(ways("2001:db8::1"), ["udp? 2001:db8::1:3478", "tcp? 2001:db8::1:3478", "tls? 2001:db8::1:5349"]);
        assert_eq!(ways("example.org:443"), ["udp? example.org:443", "tcp? example.org:443", "tls? example.org:443"]);
        assert_eq!(ways("turn"), ["udp? turn:3478", "tcp? turn:3478", "tls? turn:5349"], "a host of that name");
    }

    #[test]
    fn what_is_no_server_is_told_with_the_reason() {
        for (text, part) in [
            ("turn://example.org", "slashes"),
            ("turn:u@example.org", "--user"),
            ("turn:", "no host"),
            (":3478", "no host"),
            ("[::1", "no host"),
            ("[example.org]:1", "no host"),
            ("stun:example.org:0", "no port"),
            ("stun:example.org:70000", "no port"),
            ("example.org:http", "no port"),
            ("example.org:", "no port"),
            ("example.org:+1", "no port"),
            ("2001:db8:0:0:0:0:0:1:3478", "[ADDRESS]:PORT"),
            ("two words", "no host"),
            ("stun:example.org?transport=udp", "no meaning"),
            ("turn:example.org?transport=sctp", "no meaning"),
            ("turns:example.org?transport=udp", "DTLS"),
        ] {
            let error = text.parse::<Target>().unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
