//! Packet scripts: one text drives the reference translator and the kernel side by side, and what arrives must be the same.
//!
//! A line is one step. Nothing in it says what is expected: the translator does.
//!
//! ```text
//! a: h1:5000 > s1:3478 udp     a packet; what it arrives as is `a` from now on
//! s2:3479 > $a udp             to the source that `a` arrived from
//! h2:5000 > e1:7000 syn        e1 is the gateway's first external address; also syn-ack, ack, fin, rst
//! s3 ! a                       an ICMP error about `a`, from the node where it arrived, with the address of s3
//! wait 150ms
//! ```

mod cases;
mod random;
mod run;
mod wire;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use natlab::nat::translator::{Content, Segment};

use crate::lab::SERVERS;

pub use cases::{
    addresses_that_are_nobodys_agree, curated_scripts_agree, endings_agree, endings_are_no_end_before_the_lifetime,
    hairpins_agree, lifetimes_agree, tracked_lifetimes_agree,
};
pub use random::{random_axes_agree, random_tcp_scripts_agree, random_udp_scripts_agree};

/// A node's address in a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Name {
    Host(usize),
    Server(usize),
    External(usize),
}

/// Where a packet goes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Target {
    At(Name, u16),
    /// Where the packet of that label came from, as it arrived.
    SourceOf(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Wait(Duration),
    Send { label: Option<String>, from: (Name, u16), to: Target, content: Content },
    Error { from: Name, about: String },
}

/// Every line with its steps.
fn parse(script: &str) -> Vec<(&str, Step)> {
    let lines = script.lines().map(str::trim).filter(|l| !l.is_empty());
    lines.map(|l| (l, step(l).unwrap_or_else(|| panic!("no step: {l}")))).collect()
}

fn step(line: &str) -> Option<Step> {
    if let Some(ms) = line.strip_prefix("wait ") {
        return Some(Step::Wait(Duration::from_millis(ms.strip_suffix("ms")?.parse().ok()?)));
    }
    if let Some((from, about)) = line.split_once(" ! ") {
        return Some(Step::Error { from: name(from)?, about: about.to_owned() });
    }
    let (label, rest) = match line.split_once(": ") {
        Some((label, rest)) => (Some(label.to_owned()), rest),
        None => (None, line),
    };
    let (from, rest) = rest.split_once(" > ")?;
    let (to, content) = rest.split_once(' ')?;
    let to = match to.strip_prefix('$') {
        Some(label) => Target::SourceOf(label.to_owned()),
        None => endpoint(to).map(|(n, port)| Target::At(n, port))?,
    };
    Some(Step::Send { label, from: endpoint(from)?, to, content: content_of(content)? })
}

fn endpoint(text: &str) -> Option<(Name, u16)> {
    let (node, port) = text.split_once(':')?;
    Some((name(node)?, port.parse().ok()?))
}

fn name(text: &str) -> Option<Name> {
    let n = text.get(1..)?.parse::<usize>().ok()?.checked_sub(1)?;
    match text.get(..1)? {
        "h" if n < 2 => Some(Name::Host(n)),
        "s" if n < SERVERS.len() => Some(Name::Server(n)),
        "e" if n < 3 => Some(Name::External(n)),
        _ => None,
    }
}

fn content_of(text: &str) -> Option<Content> {
    Some(match text {
        "udp" => Content::Udp,
        "syn" => Content::Tcp(Segment::Syn),
        "syn-ack" => Content::Tcp(Segment::SynAck),
        "ack" => Content::Tcp(Segment::Ack),
        "fin" => Content::Tcp(Segment::Fin),
        "rst" => Content::Tcp(Segment::Rst),
        _ => return None,
    })
}

impl Name {
    fn address(self, hosts: [Ipv4Addr; 2]) -> Ipv4Addr {
        match self {
            Name::Host(n) => hosts[n],
            Name::Server(n) => SERVERS[n],
            Name::External(n) => EXTERNALS[n],
        }
    }

    fn at(self, hosts: [Ipv4Addr; 2], port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.address(hosts), port)
    }
}

/// The addresses that the gateway has outside.
const EXTERNALS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(203, 0, 113, 2), Ipv4Addr::new(203, 0, 113, 3), Ipv4Addr::new(203, 0, 113, 4)];
