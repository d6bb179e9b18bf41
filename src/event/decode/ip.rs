//! IPv4, UDP and TCP headers of one captured packet (RFC 791, 768, 9293). Total: any bytes give a datagram or a reason.

use std::net::{Ipv4Addr, SocketAddr};

use super::stun::{u16_at, u32_at};

const TCP: u8 = 6;
const UDP: u8 = 17;

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried<'a> {
    /// A datagram.
    Udp { from: SocketAddr, to: SocketAddr, payload: &'a [u8] },
    /// A segment.
    Tcp { from: SocketAddr, to: SocketAddr, segment: Segment<'a> },
    /// A fragment without a transport header.
    Fragment,
    /// Another protocol or IP version.
    Other,
    /// Lengths that contradict each other, or bytes that are missing.
    Malformed,
}

/// The parts of a TCP segment that reassembly needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment<'a> {
    pub(super) sequence: u32,
    /// SYN: the payload, if any, begins one number later.
    pub(super) syn: bool,
    /// FIN: takes one number behind the payload.
    pub(super) fin: bool,
    /// The acknowledgement number, where ACK is set.
    pub(super) acknowledged: Option<u32>,
    pub(super) payload: &'a [u8],
}

/// Reads a packet that begins with its IP header.
pub(super) fn parse(packet: &[u8]) -> Carried<'_> {
    match packet.first() {
        None => return Carried::Malformed,
        Some(first) if first >> 4 != 4 => return Carried::Other,
        Some(_) => {}
    }
    parse_ipv4(packet).unwrap_or(Carried::Malformed)
}

fn parse_ipv4(packet: &[u8]) -> Option<Carried<'_>> {
    let header = usize::from(packet.first()? & 0x0f) * 4;
    // A total length of zero is a segmentation super-packet of more than 64 KiB, whose length only the capture knows.
    let total = match usize::from(u16_at(packet, 2)?) {
        0 => packet.len(),
        total => total,
    };
    if header < 20 || total < header {
        return None;
    }
    let protocol = *packet.get(9)?;
    if protocol != UDP && protocol != TCP {
        return Some(Carried::Other);
    }
    if u16_at(packet, 6)? & 0x1fff != 0 {
        return Some(Carried::Fragment);
    }
    let source = Ipv4Addr::from(u32_at(packet, 12)?);
    let destination = Ipv4Addr::from(u32_at(packet, 16)?);
    // What follows the total length is padding of the link; what is missing was cut off by the capture.
    let body = packet.get(header..total.min(packet.len()))?;
    let from = SocketAddr::from((source, u16_at(body, 0)?));
    let to = SocketAddr::from((destination, u16_at(body, 2)?));
    if protocol == UDP {
        let length = usize::from(u16_at(body, 4)?);
        let payload = body.get(8..length.min(body.len()))?;
        return Some(Carried::Udp { from, to, payload });
    }
    let offset = usize::from(body.get(12)? >> 4) * 4;
    if offset < 20 {
        return None;
    }
    let flags = *body.get(13)?;
    let segment = Segment {
        sequence: u32_at(body, 4)?,
        syn: flags & 0x02 != 0,
        fin: flags & 0x01 != 0,
        acknowledged: if flags & 0x10 != 0 { u32_at(body, 8) } else { None },
        payload: body.get(offset..)?,
    };
    Some(Carried::Tcp { from, to, segment })
}
