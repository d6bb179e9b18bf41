//! What the probes saw, as data. Nothing is concluded here; `None` is "was not looked at", never "did not come".

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};

use serde::{Deserialize, Serialize};

use super::scale::Scaled;
use crate::nat::Pair;

/// Where a packet arrived from; `None` when it did not arrive.
pub type Source = Option<SocketAddrV4>;

/// Everything that was seen of one subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Observations {
    /// External addresses of the subject.
    pub external: Vec<Ipv4Addr>,
    /// Inside addresses of the two hosts.
    pub hosts: Vec<Ipv4Addr>,
    /// Of a 1:1 NAT: whose external address is whose.
    #[serde(default)]
    pub pairs: Vec<Pair>,
    /// Whether UDP packets passed at all.
    pub passes: Option<Passes>,
    /// Mapping and filtering of UDP.
    pub udp: Option<Behaved>,
    /// The same of TCP.
    pub tcp: Option<Behaved>,
    /// Ports of UDP mappings.
    pub ports: Option<Ports>,
    /// Hairpinned UDP.
    pub hairpin: Option<Hairpin>,
    /// Hairpinned TCP: where the connection came from.
    pub tcp_hairpin: Option<Hairpin>,
    /// Timers of UDP.
    pub udp_timers: Option<Timers>,
    /// Timers of ICMP queries.
    pub query_timer: Option<(Scaled, Vec<Moment>)>,
    /// Timers of established TCP connections.
    pub tcp_timer: Option<(Scaled, Vec<Moment>)>,
    /// Unsolicited UDP.
    pub unsolicited: Option<Unsolicited>,
    /// Unsolicited SYNs, and those that cross.
    pub syn: Option<Syn>,
    /// ICMP errors and queries.
    pub icmp: Option<Icmp>,
    /// Fragments and packets that are too large.
    pub sizes: Option<Sizes>,
    /// External ports that are forwarded somewhere on the way in, in the order of [`super::Subject::inward`].
    pub forwards: Option<Vec<Forwarded>>,
    /// Of a chain: each gateway between its own two sides, the outermost first.
    #[serde(default)]
    pub parts: Vec<Part>,
    /// Payload that holds an inside address, as application gateways would rewrite it: whether it arrived unchanged.
    pub payload: Option<Payload>,
    /// Packets that arrived where they were not sent.
    pub strays: Vec<String>,
    /// What could not be looked at, and why.
    pub failures: Vec<String>,
    /// Packets dropped by the rules, by their comments.
    pub drops: BTreeMap<String, u64>,
}

/// A gateway of a chain, as taps on both of its sides and a stranger directly in front of it saw it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its own external addresses.
    pub external: Vec<Ipv4Addr>,
    /// Of packets that went through the whole chain: an inside endpoint is one that packets came to this gateway from.
    pub ports: Option<Ports>,
    /// Its own static port forwards, in the order of the declaration.
    pub forwards: Option<Vec<Forwarded>>,
}

/// Whether UDP packets passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Passes {
    /// From inside to a server.
    pub outbound: bool,
    /// The server's answer to it.
    pub answer: bool,
}

/// Mapping and filtering, of UDP packets or of TCP connections.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Behaved {
    /// One entry for each inside endpoint.
    pub mapping: Vec<Mapped>,
    /// One entry for each inside endpoint.
    pub filtering: Vec<Filtered>,
}

/// External endpoints of one inside endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mapped {
    /// Inside.
    pub inside: SocketAddrV4,
    /// Whether the other host used the same port before, or this is a later repeat.
    pub under: Condition,
    /// Towards 1:p, 1:q, 2:p and 3:q.
    pub seen: [Source; 4],
}

/// Who may send to an external endpoint whose inside one has sent to 1:p alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Filtered {
    /// Inside.
    pub inside: SocketAddrV4,
    /// Conditions.
    pub under: Condition,
    /// As 1:p saw it.
    pub external: Source,
    /// 1:p, 1:q, 2:p and 3:q, each after the other.
    pub passed: [bool; 4],
    /// What a sender got that was kept out.
    pub answers: Vec<Answer>,
    /// Where the inside endpoint's answers left from, to those of the four that it had not sent to before. Of UDP only.
    pub replies: [Source; 4],
}

/// Under which conditions something was looked at (RFC 4787 REQ-11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Nothing else was going on.
    Plain,
    /// The other host used the same inside port, and both are active.
    Conflict,
    /// Once more, after all that.
    Again,
}

/// What the sender of an unwanted packet got.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Nothing.
    Silence,
    /// An ICMP error of this type and code.
    Icmp(u8, u8),
    /// A TCP reset.
    Reset,
    /// It arrived.
    Arrived,
}

/// An inside endpoint and the external one that it got towards one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assigned {
    /// Inside.
    pub inside: SocketAddrV4,
    /// External.
    pub external: Source,
}

/// Ports of UDP mappings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ports {
    /// Sockets of the first host, one after the other, towards 1:p.
    pub first: Vec<Assigned>,
    /// The same ports of the second host, towards 2:p, while the first host's mappings are alive.
    pub second: Vec<Assigned>,
    /// The second host's towards 1:p, where the first host's are known.
    pub second_elsewhere: Vec<Assigned>,
    /// The first host's once more, towards 1:p.
    pub first_again: Vec<Assigned>,
    /// Inside ports below 1024, of the second host, which nobody else uses.
    pub low: Vec<Assigned>,
    /// More mappings than a block has ports.
    pub exhaustion: Option<Exhaustion>,
}

/// What happens when a host's ports are used up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exhaustion {
    /// How many inside endpoints sent.
    pub asked: u32,
    /// How many of their packets came as far as this: all, but of a gateway of a chain.
    pub reached: u32,
    /// The external ports that were seen, in order.
    pub ports: Vec<u16>,
    /// Whether the other host still got a mapping.
    pub other_host_unaffected: bool,
    /// Whether the first mapping was still the same afterwards.
    pub first_kept: bool,
    /// What a sender got whose packet was not translated.
    pub answer: Answer,
}

/// Hairpinned packets between two hosts that are known to a server each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hairpin {
    /// External endpoints of both, as a server saw them.
    pub external: [Source; 2],
    /// Inside endpoints of both.
    pub inside: [Source; 2],
    /// First host to second, which has not sent to it.
    pub first: Source,
    /// The answer, second to first: the first one's packet has opened its own filter.
    pub answer: Source,
    /// First to second once more, now that both have sent.
    pub second: Source,
    /// Packets that a rule dropped because there is no hairpinning.
    pub refused: u64,
    /// Packets that a rule dropped because the filter applies to hairpinned packets, too.
    pub filtered: u64,
}

/// A probe of a mapping some time after it was made. A probe takes time itself: the true age lies between two values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moment {
    /// Its age was at least this, in microseconds.
    pub at_least_us: u64,
    /// And at most this.
    pub at_most_us: u64,
    /// Whether the packet from outside arrived.
    pub alive: bool,
}

/// A mapping that something happened to, and how it was afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touched {
    /// How long after the mapping was made it was touched, at most, in microseconds.
    pub touched_at_most_us: u64,
    /// The probe; its age counts from the making.
    pub probe: Moment,
    /// At most so long after the touch, in microseconds.
    pub since_touch_at_most_us: u64,
}

/// Timers of UDP mappings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timers {
    /// As configured and as checked.
    pub lifetime: Scaled,
    /// Mappings that nothing touched.
    pub idle: Vec<Moment>,
    /// One that its inside endpoint sent on.
    pub outbound: Option<Touched>,
    /// One that its remote endpoint sent to.
    pub inbound: Option<Touched>,
    /// One that an ICMP error arrived about.
    pub error: Option<Touched>,
}

/// What unsolicited UDP packets got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsolicited {
    /// To an external port that nobody has.
    pub unowned: Answer,
    /// Whether an inside endpoint with that very port could use it afterwards towards the same remote endpoint as towards
    /// another: the packet has left no trace.
    pub left_no_trace: Option<bool>,
}

/// SYNs from outside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Syn {
    /// To an external port that nobody has.
    pub unowned: Answer,
    /// The inside endpoint's SYN came after an unsolicited one of the same connection: whether they made a connection.
    pub after_unsolicited: Option<bool>,
    /// The SYN from outside came while the inside endpoint awaited the answer to its own: whether its SYN-ACK came out.
    pub crossing: Option<bool>,
}

/// An ICMP error as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IcmpError {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Source of the packet itself.
    pub from: Ipv4Addr,
    /// Destination of the packet itself.
    pub to: Ipv4Addr,
    /// Source of the packet that it is about.
    pub about_from: SocketAddrV4,
    /// Destination of the packet that it is about.
    pub about_to: SocketAddrV4,
    /// Whether its ICMP checksum and the IP checksum of the packet that it is about are right.
    pub checksums: bool,
    /// MTU of "fragmentation needed".
    pub mtu: u16,
}

/// An error that was sent, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCase {
    /// Type.
    pub kind: u8,
    /// Code.
    pub code: u8,
    /// Who sent it: the remote endpoint's own host, or a router on the way.
    pub from: Ipv4Addr,
    /// The inside endpoint that it is about.
    pub inside: SocketAddrV4,
    /// The remote endpoint that it had sent to.
    pub remote: SocketAddrV4,
    /// As it arrived.
    pub arrived: Option<IcmpError>,
    /// Whether packets still passed both ways afterwards, through the same external endpoint.
    pub mapping_kept: bool,
}

/// ICMP.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Icmp {
    /// Errors from outside about UDP.
    pub inward: Vec<ErrorCase>,
    /// Errors from outside about a TCP connection.
    pub inward_tcp: Vec<ErrorCase>,
    /// An error from inside as the server got it, with what it should be about: external endpoint and server.
    pub outward: Option<(Option<IcmpError>, SocketAddrV4, SocketAddrV4)>,
    /// An error about a hairpinned packet as its sender got it; the sender's inside endpoint and the external endpoint that
    /// it had sent to.
    pub hairpinned: Option<(Option<IcmpError>, SocketAddrV4, SocketAddrV4)>,
    /// Whether an error about no mapping at all came in.
    pub unknown_arrived: Option<bool>,
    /// Whether an error with a wrong ICMP checksum came in.
    pub bad_checksum_arrived: Option<bool>,
    /// Whether one about a packet with a wrong IP checksum came in.
    pub bad_inner_checksum_arrived: Option<bool>,
    /// Whether one about a packet with IP options came in.
    pub options_arrived: Option<bool>,
    /// Pings of both hosts with one identifier: whether each got its own answer.
    pub echo: Option<[bool; 2]>,
    /// Identifiers that two servers saw of one host's ping with one identifier.
    pub echo_identifiers: Option<[Option<u16>; 2]>,
    /// Whether a source quench came in.
    pub source_quench_arrived: Option<bool>,
}

/// Fragments and large packets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sizes {
    /// A datagram in fragments, in order: from inside, from outside.
    pub in_order: Option<[bool; 2]>,
    /// The last fragment first: from inside, from outside.
    pub out_of_order: Option<[bool; 2]>,
    /// MTU of the outside link during the next two.
    pub mtu: u16,
    /// The error that a packet with DF got which was too large.
    pub df_error: Option<Option<IcmpError>>,
    /// Whether one without DF arrived whole.
    pub without_df: Option<bool>,
}

/// A static port forward.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forwarded {
    /// External port.
    pub port: u16,
    /// Whether it is one of TCP.
    pub tcp: bool,
    /// Where an unsolicited packet, or connection, from a stranger arrived from; it must be the stranger.
    pub inbound: Source,
    /// The stranger.
    pub stranger: SocketAddrV4,
    /// Where a packet of the inside endpoint left from towards another server (UDP only, and of a gateway by itself or a
    /// whole chain).
    pub outbound: Source,
}

/// Payloads that application gateways are known to rewrite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// SIP on UDP port 5060.
    pub udp: Option<bool>,
    /// FTP on TCP port 21.
    pub tcp: Option<bool>,
}
