//! Packets as a NAT sees them, and what becomes of them.

use std::fmt;
use std::net::SocketAddrV4;

use crate::net::Transport;

/// Where a packet comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A host of the NAT's own network.
    Inside,
    /// The Internet, or the next NAT.
    Outside,
}

/// What a packet holds, as far as a NAT cares.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    /// A datagram.
    Udp,
    /// A TCP segment.
    Tcp(Segment),
    /// An ICMP error about this packet, as its sender has seen it.
    IcmpError(Box<Packet>),
}

/// A TCP segment by its flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// The first of a connection.
    Syn,
    /// Its answer.
    SynAck,
    /// Anything later.
    Ack,
    /// The last data of one direction.
    Fin,
    /// The end of it all.
    Rst,
}

/// A packet. The ports of an ICMP error are 0.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Packet {
    /// Where it comes from.
    pub source: SocketAddrV4,
    /// Where it goes to.
    pub destination: SocketAddrV4,
    /// What it holds.
    pub content: Content,
}

impl Packet {
    /// A datagram.
    pub fn udp(source: SocketAddrV4, destination: SocketAddrV4) -> Self {
        Packet { source, destination, content: Content::Udp }
    }

    /// A TCP segment.
    pub fn tcp(source: SocketAddrV4, destination: SocketAddrV4, segment: Segment) -> Self {
        Packet { source, destination, content: Content::Tcp(segment) }
    }

    /// Its protocol; of an ICMP error none.
    pub fn transport(&self) -> Option<Transport> {
        match self.content {
            Content::Udp => Some(Transport::Udp),
            Content::Tcp(_) => Some(Transport::Tcp),
            Content::IcmpError(_) => None,
        }
    }

    /// The ICMP error about it that a node with this address sends to its source.
    pub fn error_from(&self, address: std::net::Ipv4Addr) -> Packet {
        Packet {
            source: SocketAddrV4::new(address, 0),
            destination: SocketAddrV4::new(*self.source.ip(), 0),
            content: Content::IcmpError(Box::new(self.clone())),
        }
    }

    /// Whether a session may begin with it: any datagram, of TCP a SYN alone.
    pub(super) fn may_begin(&self) -> bool {
        matches!(self.content, Content::Udp | Content::Tcp(Segment::Syn))
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Packet { source, destination, content } = self;
        match content {
            Content::Udp => write!(f, "{source} > {destination} udp"),
            Content::Tcp(segment) => write!(f, "{source} > {destination} {segment}"),
            Content::IcmpError(about) => write!(f, "{} > {} icmp error ({about})", source.ip(), destination.ip()),
        }
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Segment::Syn => "syn",
            Segment::SynAck => "syn-ack",
            Segment::Ack => "ack",
            Segment::Fin => "fin",
            Segment::Rst => "rst",
        })
    }
}

/// What becomes of a packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// It leaves outside.
    Outside(Packet),
    /// It leaves inside.
    Inside(Packet),
    /// It came from inside and goes back there.
    Hairpinned(Packet),
    /// It ends here.
    Dropped(Why),
    /// It ends here, and its sender gets this.
    Answered(Packet, Why),
}

impl Disposition {
    /// Unchanged, to the other side.
    pub(super) fn through(from: Side, packet: Packet) -> Self {
        match from {
            Side::Inside => Disposition::Outside(packet),
            Side::Outside => Disposition::Inside(packet),
        }
    }
}

/// Why a packet goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// UDP does not pass at all.
    UdpBlocked,
    /// Nobody owns the endpoint that it is for.
    NoMapping,
    /// The owner of that endpoint has not sent there (RFC 4787 §5).
    Filtered,
    /// Its address is none of the NAT's external ones.
    NotExternal,
    /// It claims to come from the NAT's own address.
    OwnSource,
    /// Every port that its mapping might get is taken.
    NoPort,
    /// Its sender has no external address.
    NoAddress,
    /// It is for an external endpoint, from inside, and the NAT does not hairpin (RFC 4787 §6).
    Hairpinning,
    /// It belongs to no session, and cannot begin one.
    NoSession,
    /// The two endpoints have a session through another external endpoint ([`crate::nat::Semantics::ReplyAffine`]).
    OtherSession,
    /// A SYN that crosses another one (RFC 5382 REQ-2).
    SimultaneousOpen,
    /// ICMP errors do not pass (RFC 5508 §4).
    IcmpErrors,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::UdpBlocked => "udp is blocked",
            Why::NoMapping => "no mapping",
            Why::Filtered => "filtered",
            Why::NotExternal => "not for an external address",
            Why::OwnSource => "from outside with an external address as its source",
            Why::NoPort => "no free port",
            Why::NoAddress => "no external address",
            Why::Hairpinning => "no hairpinning",
            Why::NoSession => "no session",
            Why::OtherSession => "a session of the same two runs through another external endpoint",
            Why::SimultaneousOpen => "simultaneous open is refused",
            Why::IcmpErrors => "icmp errors are dropped",
        })
    }
}
