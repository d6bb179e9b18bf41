//! Packets that no socket would send: built and read with etherparse. Bytes only, nothing is sent here.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::checksum::Sum16BitWords;
use etherparse::{Icmpv4Header, Icmpv4Type, IpFragOffset, IpNumber, Ipv4Header, Ipv4Options, TcpHeader, UdpHeader};

use crate::conformance::observations::IcmpError;
use crate::net::Transport;

/// Hops that a built packet may take.
const TTL: u8 = 64;
/// Four "no operation" options (RFC 791 §3.1).
const NO_OPERATIONS: [u8; 4] = [1; 4];

/// Packets have a few hundred bytes; a header that does not fit its own length field cannot be made of them.
fn header(payload: usize, protocol: IpNumber, from: Ipv4Addr, to: Ipv4Addr) -> Ipv4Header {
    let length = u16::try_from(payload).unwrap_or(u16::MAX);
    let made = Ipv4Header::new(length, TTL, protocol, from.octets(), to.octets());
    let mut h = made.unwrap_or_default();
    h.dont_fragment = false;
    h
}

/// A header with its checksum, and what follows.
fn finished(mut h: Ipv4Header, payload: &[u8]) -> Vec<u8> {
    h.header_checksum = h.calc_header_checksum();
    let mut bytes = h.to_bytes().to_vec();
    bytes.extend(payload);
    bytes
}

/// A UDP segment with its checksum.
fn udp_segment(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8]) -> Vec<u8> {
    let ip = header(payload.len() + UdpHeader::LEN, IpNumber::UDP, *from.ip(), *to.ip());
    let made = UdpHeader::with_ipv4_checksum(from.port(), to.port(), &ip, payload);
    let mut bytes = made.unwrap_or_default().to_bytes().to_vec();
    bytes.extend(payload);
    bytes
}

/// A UDP datagram in one packet, with or without DF.
pub fn udp(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8], dont_fragment: bool) -> Vec<u8> {
    let segment = udp_segment(from, to, payload);
    let mut h = header(segment.len(), IpNumber::UDP, *from.ip(), *to.ip());
    h.dont_fragment = dont_fragment;
    finished(h, &segment)
}

/// A UDP datagram in fragments of at most `size` bytes (a multiple of eight), in order.
pub fn fragments(from: SocketAddrV4, to: SocketAddrV4, payload: &[u8], size: usize, id: u16) -> Vec<Vec<u8>> {
    let segment = udp_segment(from, to, payload);
    let pieces: Vec<&[u8]> = segment.chunks(size).collect();
    let last = pieces.len().saturating_sub(1);
    let each = pieces.iter().enumerate().map(|(n, piece)| {
        let mut h = header(piece.len(), IpNumber::UDP, *from.ip(), *to.ip());
        h.identification = id;
        h.more_fragments = n < last;
        let offset = u16::try_from(n * size / 8).unwrap_or(u16::MAX);
        h.fragment_offset = IpFragOffset::try_new(offset).unwrap_or(IpFragOffset::ZERO);
        finished(h, piece)
    });
    each.collect()
}

/// A SYN.
pub fn syn(from: SocketAddrV4, to: SocketAddrV4, sequence: u32) -> Vec<u8> {
    let mut tcp = TcpHeader::new(from.port(), to.port(), sequence, 64_000);
    tcp.syn = true;
    let h = header(tcp.header_len(), IpNumber::TCP, *from.ip(), *to.ip());
    tcp.checksum = tcp.calc_checksum_ipv4(&h, &[]).unwrap_or(0);
    finished(h, &tcp.to_bytes())
}

/// A TCP segment as it was heard: its ends, and whether it is a SYN and an ACK.
pub fn read_tcp(packet: &[u8]) -> Option<(SocketAddrV4, SocketAddrV4, [bool; 2])> {
    let (ip, rest) = Ipv4Header::from_slice(packet).ok()?;
    if ip.protocol != IpNumber::TCP {
        return None;
    }
    let (tcp, _) = TcpHeader::from_slice(rest).ok()?;
    let end = |address: [u8; 4], port| SocketAddrV4::new(address.into(), port);
    Some((end(ip.source, tcp.source_port), end(ip.destination, tcp.destination_port), [tcp.syn, tcp.ack]))
}

/// Protocol, source and destination of a UDP or TCP packet.
pub fn read_ends(packet: &[u8]) -> Option<(Transport, SocketAddrV4, SocketAddrV4)> {
    let (ip, rest) = Ipv4Header::from_slice(packet).ok()?;
    let transport = match ip.protocol {
        IpNumber::UDP => Transport::Udp,
        IpNumber::TCP => Transport::Tcp,
        _ => return None,
    };
    let [a, b, c, d, ..] = *rest else { return None };
    let end = |address: [u8; 4], port| SocketAddrV4::new(address.into(), u16::from_be_bytes(port));
    Some((transport, end(ip.source, [a, b]), end(ip.destination, [c, d])))
}

/// What may be wrong with an error on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flaws {
    /// Its own checksum.
    pub checksum: bool,
    /// The IP checksum of the packet that it is about.
    pub inner_checksum: bool,
    /// The packet that it is about has IP options: no flaw, but not every NAT looks past them.
    pub inner_options: bool,
}

/// An error about a packet that went from `about.0` to `about.1`.
#[derive(Clone, Copy, Debug)]
pub struct Error {
    /// Type and code.
    pub kind: (u8, u8),
    /// Who sends it.
    pub from: Ipv4Addr,
    /// Ends of the packet that it is about, as that was outside.
    pub about: (SocketAddrV4, SocketAddrV4),
    /// Whether that was TCP.
    pub tcp: bool,
    /// MTU, sent with "fragmentation needed" alone.
    pub mtu: u16,
    /// See there.
    pub flaws: Flaws,
}

impl Error {
    /// The packet; it goes to the source of the one that it is about.
    pub fn packet(&self) -> Vec<u8> {
        let (about_from, about_to) = self.about;
        let inner = if self.tcp { syn(about_from, about_to, 1) } else { udp(about_from, about_to, b"natlab", false) };
        let inner = self.spoiled(inner);
        let (kind, code) = self.kind;
        let mtu = if self.kind == (3, 4) { self.mtu } else { 0 };
        let [high, low] = mtu.to_be_bytes();
        let bytes5to8 = [0, 0, high, low];
        let unknown = Icmpv4Type::Unknown { type_u8: kind, code_u8: code, bytes5to8 };
        let mut icmp = Icmpv4Header::with_checksum(unknown, &inner);
        if self.flaws.checksum {
            icmp.checksum ^= 0x5555;
        }
        let mut payload = icmp.to_bytes().to_vec();
        payload.extend(inner);
        finished(header(payload.len(), IpNumber::ICMP, self.from, *about_from.ip()), &payload)
    }

    fn spoiled(&self, inner: Vec<u8>) -> Vec<u8> {
        let Ok((mut h, rest)) = Ipv4Header::from_slice(&inner) else { return inner };
        if self.flaws.inner_options {
            h.options = Ipv4Options::from(NO_OPERATIONS);
            h.total_len += NO_OPERATIONS.len() as u16;
        }
        h.header_checksum = h.calc_header_checksum();
        if self.flaws.inner_checksum {
            h.header_checksum ^= 0x5555;
        }
        let mut bytes = h.to_bytes().to_vec();
        bytes.extend(rest);
        bytes
    }
}

/// An ICMP error as it was heard; `None` for anything else.
pub fn read_error(packet: &[u8]) -> Option<IcmpError> {
    let (ip, icmp) = Ipv4Header::from_slice(packet).ok()?;
    let ([kind, code, ..], true) = (icmp, ip.protocol == IpNumber::ICMP) else { return None };
    if !matches!(kind, 3 | 4 | 5 | 11 | 12) {
        return None;
    }
    let about = icmp.get(8..)?;
    let (inner, transport) = Ipv4Header::from_slice(about).ok()?;
    let port = |at: usize| Some(u16::from_be_bytes([*transport.get(at)?, *transport.get(at + 1)?]));
    // Over the bytes as they are: over all of them, with the checksum, the sum is none.
    let whole = Sum16BitWords::new().add_slice(icmp).ones_complement() == 0;
    let right = whole && inner.calc_header_checksum() == inner.header_checksum;
    Some(IcmpError {
        kind: *kind,
        code: *code,
        from: ip.source.into(),
        to: ip.destination.into(),
        about_from: SocketAddrV4::new(inner.source.into(), port(0)?),
        about_to: SocketAddrV4::new(inner.destination.into(), port(2)?),
        checksums: right,
        mtu: u16::from_be_bytes([*icmp.get(6)?, *icmp.get(7)?]),
    })
}

/// An echo request or reply to be sent by a raw ICMP socket, without an IP header.
pub fn echo(reply: bool, identifier: u16, sequence: u16) -> Vec<u8> {
    let body = etherparse::IcmpEchoHeader { id: identifier, seq: sequence };
    let kind = if reply { Icmpv4Type::EchoReply(body) } else { Icmpv4Type::EchoRequest(body) };
    Icmpv4Header::with_checksum(kind, &[]).to_bytes().to_vec()
}

/// The same reply with a source of one's choice.
pub fn echo_reply_from(from: Ipv4Addr, to: Ipv4Addr, identifier: u16, sequence: u16) -> Vec<u8> {
    let icmp = echo(true, identifier, sequence);
    finished(header(icmp.len(), IpNumber::ICMP, from, to), &icmp)
}

/// An echo as it was heard: source, destination, whether it is a reply, identifier, sequence.
pub fn read_echo(packet: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr, bool, u16, u16)> {
    let (ip, icmp) = Ipv4Header::from_slice(packet).ok()?;
    if ip.protocol != IpNumber::ICMP {
        return None;
    }
    let (reply, body) = match Icmpv4Header::from_slice(icmp).ok()?.0.icmp_type {
        Icmpv4Type::EchoRequest(body) => (false, body),
        Icmpv4Type::EchoReply(body) => (true, body),
        _ => return None,
    };
    Some((ip.source.into(), ip.destination.into(), reply, body.id, body.seq))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const INSIDE: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(203, 0, 113, 2), 6000);
    const SERVER: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 3478);

    fn error(flaws: Flaws) -> Error {
        Error { kind: (3, 4), from: *SERVER.ip(), about: (INSIDE, SERVER), tcp: false, mtu: 1300, flaws }
    }

    #[test]
    fn an_error_is_read_as_it_was_made() {
        let read = read_error(&error(Flaws::default()).packet()).unwrap();
        assert_eq!((read.kind, read.code, read.mtu, read.checksums), (3, 4, 1300, true));
        assert_eq!((read.about_from, read.about_to, read.to), (INSIDE, SERVER, *INSIDE.ip()));
        let options = read_error(&error(Flaws { inner_options: true, ..Flaws::default() }).packet()).unwrap();
        assert_eq!((options.about_from, options.checksums), (INSIDE, true), "ports stand behind the options");
    }

    #[test]
    fn a_flaw_is_one() {
        for flaws in [Flaws { checksum: true, ..Flaws::default() }, Flaws { inner_checksum: true, ..Flaws::default() }]
        {
            assert!(!read_error(&error(flaws).packet()).unwrap().checksums, "{flaws:?}");
        }
    }

    #[test]
    fn fragments_hold_the_whole_datagram_once() {
        let all = fragments(INSIDE, SERVER, &[7; 2000], 1208, 9);
        assert_eq!(all.len(), 2);
        let headers: Vec<Ipv4Header> = all.iter().map(|f| Ipv4Header::from_slice(f).unwrap().0).collect();
        assert_eq!(headers.iter().map(|h| h.more_fragments).collect::<Vec<_>>(), [true, false]);
        assert_eq!(headers.iter().map(|h| h.fragment_offset.value()).collect::<Vec<_>>(), [0, 151]);
        assert_eq!(headers.iter().map(|h| h.payload_len().unwrap()).sum::<u16>(), 2008);
    }

    #[test]
    fn a_syn_and_an_echo_are_read_back() {
        let (from, to, [is_syn, ack]) = read_tcp(&syn(SERVER, INSIDE, 5)).unwrap();
        assert_eq!((from, to, is_syn, ack), (SERVER, INSIDE, true, false));
        assert_eq!(read_ends(&syn(SERVER, INSIDE, 5)), Some((Transport::Tcp, SERVER, INSIDE)));
        assert_eq!(read_ends(&udp(INSIDE, SERVER, b"", false)), Some((Transport::Udp, INSIDE, SERVER)));
        let reply = echo_reply_from(*SERVER.ip(), *INSIDE.ip(), 77, 3);
        assert_eq!(read_echo(&reply), Some((*SERVER.ip(), *INSIDE.ip(), true, 77, 3)));
    }
}
