//! From captured IPv4 packets to STUN and TURN messages. Pure: bytes in, [`Packet`]s out, bounded memory, no panic on
//! any input.
//!
//! One [`Decoder`] per tap: what a message means depends on what was seen before it. The peer behind ChannelData is
//! known from ChannelBind, an answer belongs to a check by its transaction id, and TURN over TCP comes in segments.
//!
//! Classic RFC 3489 requests, without the magic cookie, cannot be told from data and are not reported.

mod bounded;
mod ip;
mod stream;
mod stun;

use std::fmt;
use std::net::SocketAddr;

use crate::event::{Class, Direction, Method, Packet};
use crate::ice::IceRole;
use crate::net::Transport;

use bounded::Bounded;
use ip::{Carried, Segment};
use stream::Stream;
use stun::{Message, TransactionId, attribute, u16_at};

/// Check transactions remembered: at 50 checks per second and pair, more than any trial has open at once.
const CHECKS: usize = 8192;
/// ChannelBind requests remembered, and channels.
const CHANNELS: usize = 1024;
/// Directions of TCP connections followed at the same time.
const STREAMS: usize = 256;

/// What was captured but could not be read, as counts. All zero in an ordinary trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// UDP or TCP fragments after the first one, which have no ports.
    pub fragments: u64,
    /// Packets whose headers contradict themselves or end too early.
    pub malformed: u64,
    /// Messages with the magic cookie whose length, attributes or FINGERPRINT are wrong.
    pub bad_stun: u64,
    /// STUN messages in ChannelData of a channel whose ChannelBind was not seen.
    pub unbound_channel: u64,
    /// Holes in TURN-over-TCP streams: bytes the tap missed, or that are no frames.
    pub tcp_gaps: u64,
}

impl fmt::Display for Skipped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            (self.fragments, "fragments"),
            (self.malformed, "malformed packets"),
            (self.bad_stun, "malformed STUN messages"),
            (self.unbound_channel, "messages on unknown channels"),
            (self.tcp_gaps, "gaps in TCP streams"),
        ];
        let mut separator = "";
        for (count, what) in parts.into_iter().filter(|(count, _)| *count > 0) {
            write!(f, "{separator}{what}: {count}")?;
            separator = ", ";
        }
        if separator.is_empty() { f.write_str("nothing") } else { Ok(()) }
    }
}

/// Reads the packets of one tap.
#[derive(Clone, Debug)]
pub struct Decoder {
    /// Binding requests that were checks, by transaction and by whether the node sent them.
    checks: Bounded<(TransactionId, bool), ()>,
    /// ChannelBind requests, confirmed or not.
    binds: Bounded<(TransactionId, Association), (u16, SocketAddr)>,
    /// Peers of channels that the server has confirmed (RFC 8656 §12.3).
    channels: Bounded<(Association, u16), SocketAddr>,
    streams: Bounded<(bool, SocketAddr, SocketAddr), Stream>,
    skipped: Skipped,
}

/// The 5-tuple that an allocation belongs to (RFC 8656 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Association {
    transport: Transport,
    client: SocketAddr,
    server: SocketAddr,
}

/// The outer packet of a message.
#[derive(Clone, Copy, Debug)]
struct Envelope<'a> {
    node: &'a str,
    direction: Direction,
    transport: Transport,
    from: SocketAddr,
    to: SocketAddr,
}

impl Envelope<'_> {
    fn outgoing(&self) -> bool {
        self.direction == Direction::Out
    }

    /// The association, should this be a client's packet.
    fn sent_by_client(&self) -> Association {
        Association { transport: self.transport, client: self.from, server: self.to }
    }

    /// The association, should this be a server's packet.
    fn sent_by_server(&self) -> Association {
        Association { transport: self.transport, client: self.to, server: self.from }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Decoder::new()
    }
}

impl Decoder {
    /// A decoder that has seen nothing yet.
    pub fn new() -> Self {
        Decoder {
            checks: Bounded::new(CHECKS),
            binds: Bounded::new(CHANNELS),
            channels: Bounded::new(CHANNELS),
            streams: Bounded::new(STREAMS),
            skipped: Skipped::default(),
        }
    }

    /// Takes one packet, from its IP header on, and gives the messages that it carries or completes: none for anything
    /// that is not STUN or TURN; over UDP at most one; over TCP any number, those of earlier segments included.
    ///
    /// The packets of one tap must come in the order in which the kernel saw them. `node` only names the tap.
    pub fn packet(&mut self, node: &str, direction: Direction, ip_packet: &[u8]) -> Vec<Packet> {
        match ip::parse(ip_packet) {
            Carried::Udp { from, to, payload } => {
                let envelope = Envelope { node, direction, transport: Transport::Udp, from, to };
                self.message(&envelope, payload).into_iter().collect()
            }
            Carried::Tcp { from, to, segment } => {
                let envelope = Envelope { node, direction, transport: Transport::Tcp, from, to };
                self.segment(&envelope, &segment)
            }
            Carried::Fragment => {
                self.skipped.fragments += 1;
                Vec::new()
            }
            Carried::Malformed => {
                self.skipped.malformed += 1;
                Vec::new()
            }
            Carried::Other => Vec::new(),
        }
    }

    /// What could not be read so far.
    pub fn skipped(&self) -> Skipped {
        self.skipped
    }

    fn segment(&mut self, envelope: &Envelope<'_>, segment: &Segment<'_>) -> Vec<Packet> {
        let mut packets = Vec::new();
        // An acknowledgement concerns the other direction. Keyed by the direction at the tap as well, since a router
        // without translation sees each segment twice, coming and going, under the same endpoints.
        let reverse = (!envelope.outgoing(), envelope.to, envelope.from);
        let acknowledged = segment.acknowledged.zip(self.streams.get_mut(&reverse)).map(|(acknowledgement, stream)| {
            let before = stream.gaps();
            let frames = stream.acknowledged(acknowledgement);
            self.skipped.tcp_gaps += stream.gaps() - before;
            frames
        });
        if let Some(frames) = acknowledged {
            let direction = if envelope.outgoing() { Direction::In } else { Direction::Out };
            let reversed = Envelope { direction, from: envelope.to, to: envelope.from, ..*envelope };
            packets.extend(frames.iter().filter_map(|frame| self.message(&reversed, frame)));
        }

        let key = (envelope.outgoing(), envelope.from, envelope.to);
        if !self.streams.contains(&key) && Stream::begins_with(segment) {
            self.streams.insert(key, Stream::default());
        }
        let Some(stream) = self.streams.get_mut(&key) else { return packets };
        let before = stream.gaps();
        let frames = stream.push(segment);
        self.skipped.tcp_gaps += stream.gaps() - before;
        packets.extend(frames.iter().filter_map(|frame| self.message(envelope, frame)));
        packets
    }

    /// One datagram or frame, told apart by its first two bits. Channel numbers end at 0x4fff since RFC 8656 §12, but
    /// at 0x7fff in RFC 5766 §11, and clients of that time are still about (coturn's own).
    fn message(&mut self, envelope: &Envelope<'_>, payload: &[u8]) -> Option<Packet> {
        match payload.first()? {
            0x00..=0x3f => self.stun(envelope, payload),
            0x40..=0x7f => self.channel_data(envelope, payload),
            _ => None,
        }
    }

    fn stun(&mut self, envelope: &Envelope<'_>, bytes: &[u8]) -> Option<Packet> {
        let message = self.parse(bytes)?;
        match (message.method(), message.class()) {
            (Method::Send | Method::Data, Class::Indication) => {
                let peer = message.address(attribute::XOR_PEER_ADDRESS);
                let data = message.attribute(attribute::DATA);
                if let Some((peer, data)) = peer.zip(data)
                    && let Some(inner) = self.parse(data)
                {
                    return Some(self.report(envelope, &inner, Some(peer)));
                }
            }
            (Method::ChannelBind, Class::Request) => {
                let channel = message.attribute(attribute::CHANNEL_NUMBER).and_then(|value| u16_at(value, 0));
                if let Some(bind) = channel.zip(message.address(attribute::XOR_PEER_ADDRESS)) {
                    self.binds.insert((message.transaction(), envelope.sent_by_client()), bind);
                }
            }
            (Method::ChannelBind, Class::Success) => {
                let association = envelope.sent_by_server();
                if let Some((channel, peer)) = self.binds.get(&(message.transaction(), association)) {
                    self.channels.insert((association, *channel), *peer);
                }
            }
            _ => {}
        }
        Some(self.report(envelope, &message, None))
    }

    /// The STUN message inside ChannelData (RFC 8656 §12.4); other data is none of ours.
    fn channel_data(&mut self, envelope: &Envelope<'_>, payload: &[u8]) -> Option<Packet> {
        let channel = u16_at(payload, 0)?;
        let length = usize::from(u16_at(payload, 2)?);
        let data = payload.get(4..4 + length)?;
        if !Message::looks_like(data) {
            return None;
        }
        let Some(peer) = self.channel_peer(envelope, channel) else {
            self.skipped.unbound_channel += 1;
            return None;
        };
        let inner = self.parse(data)?;
        Some(self.report(envelope, &inner, Some(peer)))
    }

    /// The peer of a channel. A client may use it once its binding was confirmed; that a server uses it is itself the
    /// confirmation, should the tap have missed the answer.
    fn channel_peer(&self, envelope: &Envelope<'_>, channel: u16) -> Option<SocketAddr> {
        let (as_client, as_server) = (envelope.sent_by_client(), envelope.sent_by_server());
        let confirmed = self.channels.get(&(as_client, channel)).or_else(|| self.channels.get(&(as_server, channel)));
        let asked = || {
            let mut binds = self.binds.newest_first();
            binds.find(|((_, a), (c, _))| *a == as_server && *c == channel).map(|(_, (_, peer))| peer)
        };
        confirmed.or_else(asked).copied()
    }

    /// A STUN message, or `None` for other data; what only looks like one is counted.
    fn parse<'a>(&mut self, bytes: &'a [u8]) -> Option<Message<'a>> {
        if !Message::looks_like(bytes) {
            return None;
        }
        let message = Message::parse(bytes);
        self.skipped.bad_stun += u64::from(message.is_none());
        message
    }

    fn report(&mut self, envelope: &Envelope<'_>, message: &Message<'_>, relay_peer: Option<SocketAddr>) -> Packet {
        let (method, class, transaction) = (message.method(), message.class(), message.transaction());
        let username = match (method, class) {
            (Method::Binding, Class::Request) => message.check_username(),
            _ => None,
        };
        let check = match (method, class) {
            (Method::Binding, Class::Request) => username.is_some(),
            (Method::Binding, Class::Success | Class::Error) => {
                self.checks.contains(&(transaction, !envelope.outgoing()))
            }
            _ => false,
        };
        if username.is_some() {
            self.checks.insert((transaction, envelope.outgoing()), ());
        }
        let ice_role = if message.has(attribute::ICE_CONTROLLING) {
            Some(IceRole::Controlling)
        } else {
            message.has(attribute::ICE_CONTROLLED).then_some(IceRole::Controlled)
        };
        Packet {
            node: envelope.node.to_owned(),
            direction: envelope.direction,
            transport: envelope.transport,
            from: envelope.from,
            to: envelope.to,
            relay_peer,
            method,
            class,
            transaction: transaction.iter().map(|byte| format!("{byte:02x}")).collect(),
            check,
            use_candidate: message.has(attribute::USE_CANDIDATE),
            ice_role,
            priority: message.number(attribute::PRIORITY),
            username: username.map(str::to_owned),
            mapped: message
                .address(attribute::XOR_MAPPED_ADDRESS)
                .or_else(|| message.address(attribute::MAPPED_ADDRESS)),
            relayed: message.address(attribute::XOR_RELAYED_ADDRESS),
            peers: message.addresses(attribute::XOR_PEER_ADDRESS),
            error: message.error_code(),
        }
    }
}

#[cfg(test)]
mod tests;
