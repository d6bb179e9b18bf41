//! Servers as they are written: `HOST[:PORT]`, on the command line and in lists. Pure.

use std::str::FromStr;

use crate::probe::check::target::{NotATarget, PORT, host_and_port};

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

impl FromStr for Name {
    type Err = NotATarget;

    fn from_str(text: &str) -> Result<Name, NotATarget> {
        let written = text.trim().to_owned();
        let place = written.strip_prefix("stun:").unwrap_or(&written);
        if place.contains('/') {
            return Err(NotATarget::Slashes(written));
        }
        let (host, port) = host_and_port(&written, place)?;
        Ok(Name { host, port: port.unwrap_or(PORT), written })
    }
}

/// A line of a list that is no server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {problem}")]
pub struct BadLine {
    /// From 1.
    pub line: usize,
    /// What is wrong.
    pub problem: NotATarget,
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
        no("example.org:", "no port");
        no("example.org:0", "no port");
        no("example.org:+1", "no port");
        no("example.org:65536", "no port");
        no("[::1", "no host");
        no("[name]:1", "no host");
        no("[::1]3478", "no host");
        no("2001:db8:0:0:0:0:0:1:3478", "[ADDRESS]:PORT");
        no("https://example.org", "slashes");
        no("two words", "no host");
    }

    #[test]
    fn a_list_names_every_bad_line() {
        let names = list("# servers\nstun.example.org\n\n  192.0.2.1:3479   # the second\n").unwrap();
        assert_eq!(names.iter().map(|n| n.port).collect::<Vec<_>>(), [3478, 3479]);
        let bad = list("ok.example\nbad:port\n\n[x]\n").unwrap_err();
        assert_eq!(bad.iter().map(|b| b.line).collect::<Vec<_>>(), [2, 4]);
        assert!(bad[0].to_string().starts_with("line 2: read \"bad:port\""), "{}", bad[0]);
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
