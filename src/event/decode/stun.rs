//! A STUN message as a view of its bytes (RFC 8489 §5, §14). Zero-copy and total: any bytes give a message or `None`.
//!
//! Only what a tap needs: no credentials are known here, so MESSAGE-INTEGRITY is not verified; FINGERPRINT is.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::event::{Class, Method};

/// Bytes of the fixed header (RFC 8489 §5).
pub(super) const HEADER: usize = 20;
/// RFC 8489 §5.
const MAGIC_COOKIE: u32 = 0x2112_a442;
/// What the CRC-32 of a FINGERPRINT is XORed with, "STUN" (RFC 8489 §14.7).
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// Attribute types (RFC 8489 §18.3, RFC 8656 §18, RFC 8445 §16.1).
pub(super) mod attribute {
    pub(crate) const MAPPED_ADDRESS: u16 = 0x0001;
    pub(crate) const USERNAME: u16 = 0x0006;
    pub(crate) const MESSAGE_INTEGRITY: u16 = 0x0008;
    pub(crate) const ERROR_CODE: u16 = 0x0009;
    pub(crate) const CHANNEL_NUMBER: u16 = 0x000c;
    pub(crate) const XOR_PEER_ADDRESS: u16 = 0x0012;
    pub(crate) const DATA: u16 = 0x0013;
    pub(crate) const XOR_RELAYED_ADDRESS: u16 = 0x0016;
    pub(crate) const MESSAGE_INTEGRITY_SHA256: u16 = 0x001c;
    pub(crate) const XOR_MAPPED_ADDRESS: u16 = 0x0020;
    pub(crate) const PRIORITY: u16 = 0x0024;
    pub(crate) const USE_CANDIDATE: u16 = 0x0025;
    pub(crate) const FINGERPRINT: u16 = 0x8028;
    pub(crate) const ICE_CONTROLLED: u16 = 0x8029;
    pub(crate) const ICE_CONTROLLING: u16 = 0x802a;
}

/// A transaction id (RFC 8489 §5).
pub(super) type TransactionId = [u8; 12];

/// A checked STUN message: header, magic cookie, length, attribute boundaries and FINGERPRINT are right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'a> {
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    /// Whether `bytes` begin like a STUN message: two zero bits and the magic cookie (RFC 8489 §6.3).
    pub(super) fn looks_like(bytes: &[u8]) -> bool {
        bytes.first().is_some_and(|b| b >> 6 == 0) && u32_at(bytes, 4) == Some(MAGIC_COOKIE)
    }

    /// The whole length that the header names, header included; `None` where no STUN message begins.
    pub(super) fn framed_length(bytes: &[u8]) -> Option<usize> {
        let length = usize::from(u16_at(bytes, 2)?);
        (Self::looks_like(bytes) && length.is_multiple_of(4)).then_some(HEADER + length)
    }

    /// A message that fills `bytes` exactly.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() < HEADER || Self::framed_length(bytes)? != bytes.len() {
            return None;
        }
        let message = Message { bytes };
        let mut at = HEADER;
        while at < bytes.len() {
            let length = usize::from(u16_at(bytes, at + 2)?);
            let next = at + 4 + length.next_multiple_of(4);
            if next > bytes.len() {
                return None;
            }
            if u16_at(bytes, at) == Some(attribute::FINGERPRINT) && !message.fingerprint_is_right(at) {
                return None;
            }
            at = next;
        }
        Some(message)
    }

    /// The FINGERPRINT attribute at `at` covers everything before it (RFC 8489 §14.7) and must be the last one.
    fn fingerprint_is_right(&self, at: usize) -> bool {
        let covered = self.bytes.get(..at).unwrap_or_default();
        at + 8 == self.bytes.len() && u32_at(self.bytes, at + 4) == Some(crc32(covered) ^ FINGERPRINT_XOR)
    }

    /// RFC 8489 §5: class bits 4 and 8 of the type.
    pub(super) fn class(&self) -> Class {
        let kind = self.kind();
        match (kind >> 8 & 1, kind >> 4 & 1) {
            (0, 0) => Class::Request,
            (0, _) => Class::Indication,
            (_, 0) => Class::Success,
            (_, _) => Class::Error,
        }
    }

    /// The type without its class bits.
    pub(super) fn method(&self) -> Method {
        let kind = self.kind();
        match (kind & 0x000f) | (kind & 0x00e0) >> 1 | (kind & 0x3e00) >> 2 {
            0x001 => Method::Binding,
            0x003 => Method::Allocate,
            0x004 => Method::Refresh,
            0x006 => Method::Send,
            0x007 => Method::Data,
            0x008 => Method::CreatePermission,
            0x009 => Method::ChannelBind,
            _ => Method::Other,
        }
    }

    fn kind(&self) -> u16 {
        u16_at(self.bytes, 0).unwrap_or_default()
    }

    /// 96 bits.
    pub(super) fn transaction(&self) -> TransactionId {
        let mut id = TransactionId::default();
        if let Some(bytes) = self.bytes.get(8..HEADER) {
            id.copy_from_slice(bytes);
        }
        id
    }

    /// The attributes in order. After MESSAGE-INTEGRITY everything is ignored, as every receiver must (RFC 8489 §14.5,
    /// §14.6); the integrity attribute itself is the last one given.
    fn attributes(&self) -> impl Iterator<Item = (u16, &'a [u8])> {
        let bytes = self.bytes;
        let mut at = HEADER;
        let mut protected = false;
        std::iter::from_fn(move || {
            if protected {
                return None;
            }
            let kind = u16_at(bytes, at)?;
            let length = usize::from(u16_at(bytes, at + 2)?);
            let value = bytes.get(at + 4..at + 4 + length)?;
            at += 4 + length.next_multiple_of(4);
            protected = matches!(kind, attribute::MESSAGE_INTEGRITY | attribute::MESSAGE_INTEGRITY_SHA256);
            Some((kind, value))
        })
    }

    /// The first attribute of this type; later ones are ignored (RFC 8489 §14).
    pub(super) fn attribute(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes().find(|(k, _)| *k == kind).map(|(_, value)| value)
    }

    /// Whether there is one.
    pub(super) fn has(&self, kind: u16) -> bool {
        self.attribute(kind).is_some()
    }

    /// A 32-bit value, such as PRIORITY.
    pub(super) fn number(&self, kind: u16) -> Option<u32> {
        self.attribute(kind).filter(|value| value.len() == 4).and_then(|value| u32_at(value, 0))
    }

    /// The address of MAPPED-ADDRESS or of one of the XOR-…-ADDRESS attributes (RFC 8489 §14.1, §14.2).
    pub(super) fn address(&self, kind: u16) -> Option<SocketAddr> {
        self.endpoint(kind, self.attribute(kind)?)
    }

    /// Every address of an attribute that may be repeated, as XOR-PEER-ADDRESS in CreatePermission (RFC 8656 §10.1).
    pub(super) fn addresses(&self, kind: u16) -> Vec<SocketAddr> {
        self.attributes().filter(|(k, _)| *k == kind).filter_map(|(_, value)| self.endpoint(kind, value)).collect()
    }

    fn endpoint(&self, kind: u16, value: &[u8]) -> Option<SocketAddr> {
        let mask = if kind == attribute::MAPPED_ADDRESS { None } else { self.bytes.get(4..HEADER) };
        let masked = |i: usize, byte: u8| byte ^ mask.and_then(|m| m.get(i)).copied().unwrap_or(0);
        let port = u16::from_be_bytes([masked(0, *value.get(2)?), masked(1, *value.get(3)?)]);
        let address = value.get(4..)?.iter().enumerate().map(|(i, byte)| masked(i, *byte)).collect::<Vec<u8>>();
        match value.get(1)? {
            1 => Some((Ipv4Addr::from(<[u8; 4]>::try_from(address).ok()?), port).into()),
            2 => Some((Ipv6Addr::from(<[u8; 16]>::try_from(address).ok()?), port).into()),
            _ => None,
        }
    }

    /// ERROR-CODE: class and number (RFC 8489 §14.8).
    pub(super) fn error_code(&self) -> Option<u16> {
        let value = self.attribute(attribute::ERROR_CODE)?;
        let (class, number) = (u16::from(value.get(2)? & 7), u16::from(*value.get(3)?));
        ((3..=6).contains(&class) && number < 100).then_some(class * 100 + number)
    }

    /// The USERNAME of a connectivity check: two fragments with a colon between them (RFC 8445 §7.2.2).
    pub(super) fn check_username(&self) -> Option<&'a str> {
        let name = std::str::from_utf8(self.attribute(attribute::USERNAME)?).ok()?;
        let (remote, local) = name.split_once(':')?;
        (!remote.is_empty() && !local.is_empty()).then_some(name)
    }
}

/// A big-endian number, where there are bytes for it.
pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(u16::from_be_bytes)
}

/// A big-endian number, where there are bytes for it.
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

/// CRC-32 as in ITU-T V.42 (RFC 8489 §14.7), bit by bit: messages are short.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    })
}
