//! STUN messages as the client writes and reads them (RFC 8489, RFC 5780, and RFC 3489 without its cookie). Pure.
//!
//! The client of the `stun` crate looks at the transaction id alone and takes a connected socket, so only the crate's codec
//! is used.

use std::net::SocketAddr;

use ::stun::addr::MappedAddress;
use ::stun::agent::TransactionId;
use ::stun::attributes::{
    ATTR_ALTERNATE_SERVER, ATTR_CHANGE_REQUEST, ATTR_CHANGED_ADDRESS, ATTR_MAPPED_ADDRESS, ATTR_OTHER_ADDRESS,
    ATTR_PADDING, ATTR_RESPONSE_ORIGIN, ATTR_RESPONSE_PORT, ATTR_SOFTWARE, AttrType,
};
use ::stun::error_code::ErrorCodeAttribute;
use ::stun::message::{
    BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter, MAGIC_COOKIE, Message, TRANSACTION_ID_SIZE,
};
use ::stun::xoraddr::XorMappedAddress;

/// A transaction id.
pub type Id = [u8; TRANSACTION_ID_SIZE];

/// The longest answer of interest where nothing is padded.
pub const LONGEST: usize = 2048;

/// Where the magic cookie stands.
const COOKIE: std::ops::Range<usize> = 4..8;

/// What stands there in a request of RFC 3489: part of its transaction id.
const NO_COOKIE: [u8; 4] = [0x4e, 0x41, 0x54, 0x3f];

/// From where an answer is asked for (CHANGE-REQUEST, RFC 5780 §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// From the other address and the other port.
    Both,
    /// From the other port.
    Port,
}

impl Change {
    const fn flags(self) -> u8 {
        match self {
            Change::Both => 0x06,
            Change::Port => 0x02,
        }
    }
}

/// A Binding request; by default a plain one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ask {
    /// CHANGE-REQUEST.
    pub change: Option<Change>,
    /// RESPONSE-PORT (RFC 5780 §7.5).
    pub response_port: Option<u16>,
    /// So many bytes of PADDING (RFC 5780 §7.6), a multiple of four.
    pub padding: Option<u16>,
    /// In the form of RFC 3489, without the magic cookie: its answer has MAPPED-ADDRESS in the clear.
    pub classic: bool,
}

impl Ask {
    /// A plain request.
    pub const PLAIN: Ask = Ask { change: None, response_port: None, padding: None, classic: false };

    /// A request for an answer from elsewhere.
    pub const fn change(change: Change) -> Ask {
        Ask { change: Some(change), ..Ask::PLAIN }
    }

    /// Whether every server must answer it from where it was asked.
    pub fn is_plain(&self) -> bool {
        *self == Ask::PLAIN
    }
}

/// The bytes of a Binding request.
pub fn request(id: Id, ask: &Ask) -> Vec<u8> {
    let mut message = Message::new();
    message.typ = BINDING_REQUEST;
    message.transaction_id = TransactionId(id);
    message.write_header();
    if let Some(change) = ask.change {
        message.add(ATTR_CHANGE_REQUEST, &[0, 0, 0, change.flags()]);
    }
    if let Some(port) = ask.response_port {
        let [a, b] = port.to_be_bytes();
        message.add(ATTR_RESPONSE_PORT, &[a, b, 0, 0]);
    }
    if let Some(length) = ask.padding {
        message.add(ATTR_PADDING, &vec![0; usize::from(length)]);
    }
    let mut bytes = message.raw;
    if let (true, Some(cookie)) = (ask.classic, bytes.get_mut(COOKIE)) {
        cookie.copy_from_slice(&NO_COOKIE);
    }
    bytes
}

/// The bytes of a Binding success response that says nothing but its id: what answers a hairpinned request.
pub fn bare_success(id: Id) -> Vec<u8> {
    let mut message = Message::new();
    message.typ = BINDING_SUCCESS;
    message.transaction_id = TransactionId(id);
    message.write_header();
    message.raw
}

/// A success response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Success {
    /// XOR-MAPPED-ADDRESS.
    pub xor_mapped: Option<SocketAddr>,
    /// MAPPED-ADDRESS.
    pub clear_mapped: Option<SocketAddr>,
    /// OTHER-ADDRESS, or CHANGED-ADDRESS of RFC 3489.
    pub other_address: Option<SocketAddr>,
    /// RESPONSE-ORIGIN.
    pub origin: Option<SocketAddr>,
    /// SOFTWARE.
    pub software: Option<String>,
    /// Bytes of PADDING.
    pub padding: usize,
}

impl Success {
    /// The reflexive endpoint: the one that no gateway rewrites, where there is one.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.xor_mapped.or(self.clear_mapped)
    }
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A success response.
    Success(Success),
    /// An error response.
    Refused {
        /// ERROR-CODE.
        code: u16,
        /// ALTERNATE-SERVER (RFC 8489 §14.15).
        alternate: Option<SocketAddr>,
    },
    /// A request, such as a hairpinned one.
    Request,
}

/// Reads a datagram; none for everything that is no whole Binding message.
pub fn read(bytes: &[u8]) -> Option<(Id, Content)> {
    let mut raw = bytes.to_vec();
    let length = usize::from(u16::from_be_bytes([*raw.get(2)?, *raw.get(3)?]));
    // A message begins with two bits of zero (RFC 8489 §5), at which the crate does not look. It fills its datagram; what is
    // cut off or has something behind it is none.
    if raw.len() != length + 20 || raw.first()? >> 6 != 0 {
        return None;
    }
    let cookie = raw.get_mut(COOKIE)?;
    if cookie == NO_COOKIE {
        cookie.copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
    }
    let mut message = Message { raw, ..Message::default() };
    message.decode().ok()?;
    let content = match message.typ {
        BINDING_REQUEST => Content::Request,
        BINDING_ERROR => {
            let mut error = ErrorCodeAttribute::default();
            error.get_from(&message).ok()?;
            Content::Refused { code: error.code.0, alternate: address(&message, ATTR_ALTERNATE_SERVER) }
        }
        BINDING_SUCCESS => Content::Success(Success {
            xor_mapped: xor_mapped(&message),
            clear_mapped: address(&message, ATTR_MAPPED_ADDRESS),
            other_address: address(&message, ATTR_OTHER_ADDRESS).or_else(|| address(&message, ATTR_CHANGED_ADDRESS)),
            origin: address(&message, ATTR_RESPONSE_ORIGIN),
            software: message.get(ATTR_SOFTWARE).ok().map(|s| String::from_utf8_lossy(&s).into_owned()),
            padding: message.get(ATTR_PADDING).map_or(0, |p| p.len()),
        }),
        _ => return None,
    };
    Some((message.transaction_id.0, content))
}

fn address(message: &Message, typ: AttrType) -> Option<SocketAddr> {
    let mut clear = MappedAddress::default();
    clear.get_from_as(message, typ).ok()?;
    Some(SocketAddr::new(clear.ip, clear.port))
}

fn xor_mapped(message: &Message) -> Option<SocketAddr> {
    let mut xor = XorMappedAddress::default();
    xor.get_from(message).ok()?;
    Some(SocketAddr::new(xor.ip, xor.port))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn requests_carry_what_was_asked_for() {
        let id = *b"transaction!";
        for ask in [Ask::PLAIN, Ask::change(Change::Both), Ask { padding: Some(1500), ..Ask::PLAIN }] {
            assert_eq!(read(&request(id, &ask)).unwrap(), (id, Content::Request), "{ask:?}");
        }
        let classic = request(id, &Ask { classic: true, ..Ask::PLAIN });
        assert_ne!(classic[COOKIE], MAGIC_COOKIE.to_be_bytes());
        assert_eq!(read(&classic).unwrap(), (id, Content::Request), "the answer to it is recognised");
        assert_eq!(request(id, &Ask { padding: Some(1500), ..Ask::PLAIN }).len(), 20 + 4 + 1500);
    }

    #[test]
    fn what_is_cut_off_or_too_long_is_no_message() {
        let whole = bare_success(*b"transaction!");
        for length in 0..whole.len() {
            assert_eq!(read(&whole[..length]), None, "{length} bytes");
        }
        assert_eq!(read(&[whole, vec![0]].concat()), None);
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_arrives_makes_it_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = read(&bytes);
            // The same behind a proper header, so that attributes are reached.
            let mut framed = bare_success(*b"transaction!");
            framed.extend(&bytes);
            let length = u16::try_from(bytes.len()).unwrap();
            framed[2..4].copy_from_slice(&length.to_be_bytes());
            let _ = read(&framed);
        }
    }
}
