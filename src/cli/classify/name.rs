//! Servers as they are written: `HOST[:PORT]`, on the command line and in lists. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// The port of STUN and TURN over UDP and TCP (RFC 8489 §14).
pub const PORT: u16 = 3478;

/// A server as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// All of it.
    pub written: String,
    /// Domain name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// Why something is no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// There is no host in it.
    #[error("`{0}` has no host; write HOST or HOST:PORT")]
    NoHost(String),
    /// Its port is none.
    #[error("`{0}` has no valid port; a port is a number from 1 to 65535")]
    Port(String),
    /// What stands there can be no host.
    #[error("`{0}` is no host name or address{1}")]
    Host(String, &'static str),
}

impl std::str::FromStr for Name {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Name, BadName> {
        let written = text.trim().to_owned();
        let rest = written.strip_prefix("stun:").unwrap_or(&written);
        let bad = |why| BadName::Host(written.clone(), why);
        if rest.contains('/') {
            return Err(bad(": no path and no scheme but stun: belongs here"));
        }
        // `2001:db8::1` alone has no port; `[2001:db8::1]:3478` has one.
        let (host, port) = match rest.strip_prefix('[').and_then(|r| r.split_once(']')) {
            Some((host, port)) => {
                host.parse::<Ipv6Addr>().map_err(|_| bad(": in brackets stands an IPv6 address"))?;
                match (port.strip_prefix(':'), port.is_empty()) {
                    (_, true) => (host, None),
                    (Some(port), _) => (host, Some(port)),
                    (None, false) => return Err(bad("")),
                }
            }
            None if rest.parse::<Ipv6Addr>().is_ok() => (rest, None),
            None => match rest.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (rest, None),
            },
        };
        if host.is_empty() {
            return Err(BadName::NoHost(written));
        }
        let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
        let bracketed = rest.starts_with('[');
        let v6_and_port = !bracketed && port.is_some() && host.contains(':');
        if v6_and_port || host.parse::<IpAddr>().is_err() && !host.chars().all(plain) {
            let v6 = host.contains(':');
            return Err(bad(if v6 { ": an IPv6 address with a port is written [ADDRESS]:PORT" } else { "" }));
        }
        let port = match port {
            None => PORT,
            Some(port) => {
                let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
                let number = port.parse().ok().filter(|port| digits && *port != 0);
                number.ok_or_else(|| BadName::Port(written.clone()))?
            }
        };
        let host = host.to_owned();
        Ok(Name { written, host, port })
    }
}

/// A line of a list that is no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub problem: BadName,
}

/// Servers of a list: one per line, empty lines and what follows a `#` left out.
///
/// # Errors
/// Every line that is no server.
pub fn list(text: &str) -> Result<Vec<Name>, Vec<BadLine>> {
    let (mut names, mut problems) = (Vec::new(), Vec::new());
    for (i, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        match line.parse() {
            _ if line.is_empty() => {}
            Ok(name) => names.push(name),
            Err(problem) => problems.push(BadLine { line: i + 1, problem }),
        }
    }
    if problems.is_empty() { Ok(names) } else { Err(problems) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn parts(text: &str) -> Option<(String, u16)> {
        text.parse::<Name>().ok().map(|n| (n.host, n.port))
    }

    #[test]
    fn hosts_and_ports() {
        let is = |text, host: &str, port| assert_eq!(parts(text), Some((host.to_owned(), port)), "{text}");
        is("stun.example.org", "stun.example.org", 3478);
        is("stun.example.org:19302", "stun.example.org", 19302);
        is(" stun:stun.example.org:443 ", "stun.example.org", 443);
        is("192.0.2.1:3479", "192.0.2.1", 3479);
        is("2001:db8::1", "2001:db8::1", 3478);
        is("[2001:db8::1]", "2001:db8::1", 3478);
        is("[2001:db8::1]:3479", "2001:db8::1", 3479);
        let no = |text: &str, why: &str| assert!(text.parse::<Name>().unwrap_err().to_string().contains(why), "{text}");
        no("", "no host");
        no(":3478", "no host");
        no("example.org:", "no valid port");
        no("example.org:0", "no valid port");
        no("example.org:+1", "no valid port");
        no("example.org:65536", "no valid port");
        no("[::1", "no host name");
        no("[name]:1", "IPv6 address");
        no("[::1]3478", "no host name");
        no("2001:db8:0:0:0:0:0:1:3478", "[ADDRESS]:PORT");
        no("https://example.org", "no scheme but stun:");
        no("two words", "no host name");
    }

    #[test]
    fn a_list_names_every_bad_line() {
        let names = list("# servers\nstun.example.org\n\n  192.0.2.1:3479   # the second\n").unwrap();
        assert_eq!(names.iter().map(|n| n.port).collect::<Vec<_>>(), [3478, 3479]);
        let bad = list("ok.example\nbad:port\n\n[x]\n").unwrap_err();
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [2, 4]);
        assert!(bad[0].to_string().starts_with("line 2: `bad:port`"), "{}", bad[0]);
    }

    proptest! {
        #[test]
        fn nothing_panics_and_what_is_taken_has_a_host_and_a_port(text in "\\PC{0,40}") {
            if let Ok(name) = text.parse::<Name>() {
                prop_assert!(!name.host.is_empty() && name.port > 0);
            }
        }
    }
}
