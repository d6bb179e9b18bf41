//! Packets to decode, written out byte by byte, and messages built with the `stun` crate.

use std::net::{SocketAddr, SocketAddrV4};

use stun::agent::TransactionId;
use stun::attributes::AttrType;
use stun::fingerprint::FINGERPRINT;
use stun::integrity::MessageIntegrity;
use stun::message::{Message, MessageClass, MessageType, Method, Setter};
use stun::xoraddr::XorMappedAddress;

/// A message under construction.
pub(super) struct Draft(Message);

/// A message whose transaction id is `id` twelve times.
pub(super) fn stun(method: Method, class: MessageClass, id: u8) -> Draft {
    let mut message = Message::new();
    message.set_type(MessageType::new(method, class));
    message.transaction_id = TransactionId([id; 12]);
    message.write_header();
    Draft(message)
}

impl Draft {
    pub(super) fn raw(mut self, kind: AttrType, value: &[u8]) -> Self {
        self.0.add(kind, value);
        self
    }

    pub(super) fn text(self, kind: AttrType, value: &str) -> Self {
        self.raw(kind, value.as_bytes())
    }

    /// Of the attributes that are XORed.
    pub(super) fn address(mut self, kind: AttrType, endpoint: &str) -> Self {
        let endpoint: SocketAddr = endpoint.parse().unwrap();
        XorMappedAddress { ip: endpoint.ip(), port: endpoint.port() }.add_to_as(&mut self.0, kind).unwrap();
        self
    }

    pub(super) fn message(self) -> Message {
        self.0
    }

    /// With MESSAGE-INTEGRITY and FINGERPRINT, as checks are sent.
    pub(super) fn sealed(mut self) -> Vec<u8> {
        MessageIntegrity::new_short_term_integrity("password".into()).add_to(&mut self.0).unwrap();
        FINGERPRINT.add_to(&mut self.0).unwrap();
        self.0.raw
    }
}

/// ChannelData as it is sent over UDP: not padded.
pub(super) fn channel_data(channel: u16, data: &[u8]) -> Vec<u8> {
    [&channel.to_be_bytes()[..], &(data.len() as u16).to_be_bytes(), data].concat()
}

pub(super) fn udp(from: &str, to: &str, payload: &[u8]) -> Vec<u8> {
    let (from, to): (SocketAddrV4, SocketAddrV4) = (from.parse().unwrap(), to.parse().unwrap());
    let mut packet = ipv4(17, &from, &to, 8 + payload.len());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend((8 + payload.len() as u16).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(payload);
    packet
}

/// With twelve bytes of options, as Linux sends.
pub(super) fn tcp(from: &str, to: &str, sequence: u32, flags: u8, acknowledgement: u32, payload: &[u8]) -> Vec<u8> {
    let (from, to): (SocketAddrV4, SocketAddrV4) = (from.parse().unwrap(), to.parse().unwrap());
    let mut packet = ipv4(6, &from, &to, 32 + payload.len());
    packet.extend(from.port().to_be_bytes());
    packet.extend(to.port().to_be_bytes());
    packet.extend(sequence.to_be_bytes());
    packet.extend(acknowledgement.to_be_bytes());
    packet.extend([0x80, flags, 0xff, 0xff, 0, 0, 0, 0]);
    packet.extend([1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2]);
    packet.extend(payload);
    packet
}

fn ipv4(protocol: u8, from: &SocketAddrV4, to: &SocketAddrV4, length: usize) -> Vec<u8> {
    let total = (20 + length as u16).to_be_bytes();
    let mut packet = vec![0x45, 0, total[0], total[1], 0, 1, 0x40, 0, 64, protocol, 0, 0];
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet
}
