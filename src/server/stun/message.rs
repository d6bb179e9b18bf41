//! STUN messages as bytes: what a server reads and writes, on the codec of the `stun` crate. Pure.
//!
//! The crate refuses messages without the magic cookie. Those of RFC 3489 have the same layout and a transaction id
//! that is four bytes longer, so they are read with the cookie put in its place and written with the client's bytes
//! put back.

use std::net::SocketAddr;

use ::stun::addr::MappedAddress;
use ::stun::agent::TransactionId;
use ::stun::attributes::{ATTR_CHANGE_REQUEST, ATTR_FINGERPRINT, ATTR_PADDING, ATTR_RESPONSE_PORT, AttrType};
use ::stun::error_code::{ErrorCode, ErrorCodeAttribute};
use ::stun::fingerprint::FINGERPRINT;
use ::stun::message::{CLASS_REQUEST, MAGIC_COOKIE, METHOD_BINDING, Message, MessageType, Setter};
use ::stun::xoraddr::XorMappedAddress;

/// Bytes of the header of every message (RFC 8489 §5).
pub const HEADER: usize = 20;

/// `Change IP` in CHANGE-REQUEST (RFC 5780 §7.2).
const CHANGE_ADDRESS: u8 = 0x04;
/// `Change port` in CHANGE-REQUEST (RFC 5780 §7.2).
const CHANGE_PORT: u8 = 0x02;

/// Where a magic cookie stands.
const COOKIE: std::ops::Range<usize> = 4..8;

/// Whether bytes can be the beginning of a STUN message: two zero bits first, a length that is a multiple of four.
pub fn may_begin(header: &[u8]) -> bool {
    header.len() >= 4 && header[0] & 0xC0 == 0 && header[3].is_multiple_of(4)
}

/// A Binding request that a server has to answer.
#[derive(Clone, Debug)]
pub struct Request {
    message: Message,
    /// Of RFC 3489: the first four bytes of its transaction id.
    classic: Option<[u8; 4]>,
}

/// What a request asks for that it may not ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

/// A change of the source of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Answer from the other address.
    pub address: bool,
    /// Answer from the other port.
    pub port: bool,
}

impl Request {
    /// Reads a whole message; none for everything that gets no answer: other bytes, other methods and classes, a
    /// length that does not fit, a wrong FINGERPRINT.
    pub fn decode(bytes: &[u8]) -> Option<Request> {
        if bytes.len() < HEADER || !may_begin(bytes) {
            return None;
        }
        if usize::from(u16::from_be_bytes([bytes[2], bytes[3]])) + HEADER != bytes.len() {
            return None;
        }
        let cookie: [u8; 4] = bytes[COOKIE].try_into().ok()?;
        let mut message = Message { raw: bytes.to_vec(), ..Message::default() };
        let classic = (cookie != MAGIC_COOKIE.to_be_bytes()).then_some(cookie);
        if classic.is_some() {
            message.raw[COOKIE].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
        }
        message.decode().ok()?;
        let binding_request = message.typ.method == METHOD_BINDING && message.typ.class == CLASS_REQUEST;
        let intact = classic.is_some() || !message.contains(ATTR_FINGERPRINT) || FINGERPRINT.check(&message).is_ok();
        (binding_request && intact).then_some(Request { message, classic })
    }

    /// Bytes of it.
    pub fn length(&self) -> usize {
        self.message.raw.len()
    }

    /// Whether it comes without the magic cookie: from a client of RFC 3489.
    pub fn is_classic(&self) -> bool {
        self.classic.is_some()
    }

    /// Whether it carries a FINGERPRINT, which was checked.
    pub fn has_fingerprint(&self) -> bool {
        self.message.contains(ATTR_FINGERPRINT)
    }

    /// The comprehension-required attributes that `known` does not list, each once, in their order.
    pub fn unknown_attributes(&self, known: &[AttrType]) -> Vec<AttrType> {
        let mut unknown = Vec::new();
        for attribute in &self.message.attributes.0 {
            if attribute.typ.required() && !known.contains(&attribute.typ) && !unknown.contains(&attribute.typ) {
                unknown.push(attribute.typ);
            }
        }
        unknown
    }

    /// CHANGE-REQUEST (RFC 5780 §7.2); none when it is absent.
    ///
    /// # Errors
    /// When it is not four bytes long.
    pub fn change(&self) -> Result<Option<Change>, Malformed> {
        match self.message.get(ATTR_CHANGE_REQUEST) {
            Err(_) => Ok(None),
            Ok(value) => match value[..] {
                [_, _, _, flags] => {
                    Ok(Some(Change { address: flags & CHANGE_ADDRESS != 0, port: flags & CHANGE_PORT != 0 }))
                }
                _ => Err(Malformed),
            },
        }
    }

    /// RESPONSE-PORT (RFC 5780 §7.5), with its two bytes of padding counted in its length or not; none when it is
    /// absent.
    ///
    /// # Errors
    /// When it is of another length or names port 0.
    pub fn response_port(&self) -> Result<Option<u16>, Malformed> {
        match self.message.get(ATTR_RESPONSE_PORT) {
            Err(_) => Ok(None),
            Ok(value) => match value[..] {
                [a, b] | [a, b, _, _] if (a, b) != (0, 0) => Ok(Some(u16::from_be_bytes([a, b]))),
                _ => Err(Malformed),
            },
        }
    }

    /// How many bytes of PADDING it carries (RFC 5780 §7.6).
    pub fn padding(&self) -> Option<usize> {
        self.message.get(ATTR_PADDING).ok().map(|value| value.len())
    }
}

/// A response in the making. An attribute that cannot be encoded makes [`Response::finish`] give nothing.
pub struct Response {
    message: Message,
    classic: Option<[u8; 4]>,
    failed: bool,
}

impl Response {
    /// A response of this type to `request`, with its transaction id.
    pub fn to(request: &Request, typ: MessageType) -> Response {
        let mut message = Message::new();
        message.typ = typ;
        message.transaction_id = TransactionId(request.message.transaction_id.0);
        message.write_header();
        Response { message, classic: request.classic, failed: false }
    }

    /// Bytes of it so far.
    pub fn length(&self) -> usize {
        self.message.raw.len()
    }

    /// Adds an attribute of the crate.
    pub fn with(mut self, attribute: &dyn Setter) -> Response {
        self.failed |= attribute.add_to(&mut self.message).is_err();
        self
    }

    /// Adds an attribute by its bytes.
    pub fn with_bytes(mut self, typ: AttrType, value: &[u8]) -> Response {
        self.message.add(typ, value);
        self
    }

    /// Adds a transport address in the clear under the given type.
    pub fn with_address(mut self, typ: AttrType, at: SocketAddr) -> Response {
        let address = MappedAddress { ip: at.ip(), port: at.port() };
        self.failed |= address.add_to_as(&mut self.message, typ).is_err();
        self
    }

    /// Adds XOR-MAPPED-ADDRESS (RFC 8489 §14.2).
    pub fn with_xor_mapped(self, at: SocketAddr) -> Response {
        self.with(&XorMappedAddress { ip: at.ip(), port: at.port() })
    }

    /// Adds ERROR-CODE (RFC 8489 §14.8).
    pub fn with_error(self, code: ErrorCode, reason: &str) -> Response {
        self.with(&ErrorCodeAttribute { code, reason: reason.as_bytes().to_vec() })
    }

    /// The bytes to send.
    pub fn finish(self) -> Option<Vec<u8>> {
        let mut bytes = self.message.raw;
        if let Some(id) = self.classic {
            bytes[COOKIE].copy_from_slice(&id);
        }
        (!self.failed).then_some(bytes)
    }
}
