//! TURN messages as bytes (RFC 8489 §5, RFC 8656 §12, §18): what a client writes and reads, on the codec of the `stun` crate.
//! Pure and total: any bytes give a message or none.

use std::net::SocketAddr;

use ::stun::addr::MappedAddress;
use ::stun::agent::TransactionId;
use ::stun::attributes::*;
use ::stun::error_code::ErrorCodeAttribute;
use ::stun::fingerprint::FINGERPRINT;
use ::stun::integrity::MessageIntegrity;
use ::stun::message::*;
use ::stun::textattrs::TextAttribute;
use ::stun::xoraddr::XorMappedAddress;

/// Bytes that must be read of a stream to know how long a message is.
pub const HEAD: usize = 4;

/// The longest value an attribute can have.
const LONGEST_VALUE: usize = 0xffff;

/// The most data one Send indication can carry: the length of a message has sixteen bits, and twenty-four bytes are an
/// XOR-PEER-ADDRESS of IPv6 and the header of DATA.
pub const LONGEST_DATA: usize = 0xffff - 24 - 4 - 4;

/// A transaction id (RFC 8489 §5).
pub type Id = [u8; TRANSACTION_ID_SIZE];

/// A fresh one.
pub fn fresh_id() -> Id {
    TransactionId::new().0
}

/// What makes a request authentic (RFC 8489 §9.2).
#[derive(Clone, Debug)]
pub struct Auth {
    /// USERNAME.
    pub user: String,
    /// REALM.
    pub realm: String,
    /// NONCE.
    pub nonce: String,
    /// MD5 of user, realm and password (RFC 8489 §9.2.2).
    pub key: Vec<u8>,
}

impl Auth {
    /// With the key made of the password.
    pub fn new(user: &str, password: &str, realm: String, nonce: String) -> Auth {
        let key = MessageIntegrity::new_long_term_integrity(user.to_owned(), realm.clone(), password.to_owned()).0;
        Auth { user: user.to_owned(), realm, nonce, key }
    }
}

/// An attribute of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// REQUESTED-TRANSPORT: UDP, the only one that RFC 8656 knows (§18.7).
    RequestedTransport,
    /// REQUESTED-ADDRESS-FAMILY: an IPv6 relay; without it the relay is an IPv4 one (RFC 8656 §18.6).
    Ipv6Relay,
    /// LIFETIME in seconds (RFC 8656 §18.2).
    Lifetime(u32),
    /// XOR-PEER-ADDRESS (RFC 8656 §18.3).
    Peer(SocketAddr),
    /// CHANNEL-NUMBER (RFC 8656 §18.1).
    Channel(u16),
}

/// A request; none when an attribute is too long for its length field.
pub fn request(method: Method, id: Id, attributes: &[Attribute], auth: Option<&Auth>) -> Option<Vec<u8>> {
    let mut message = begin(method, CLASS_REQUEST, id);
    for attribute in attributes {
        match attribute {
            Attribute::RequestedTransport => message.add(ATTR_REQUESTED_TRANSPORT, &[17, 0, 0, 0]),
            Attribute::Ipv6Relay => message.add(ATTR_REQUESTED_ADDRESS_FAMILY, &[2, 0, 0, 0]),
            Attribute::Lifetime(seconds) => message.add(ATTR_LIFETIME, &seconds.to_be_bytes()),
            Attribute::Peer(at) => add_peer(&mut message, *at)?,
            Attribute::Channel(number) => {
                let [high, low] = number.to_be_bytes();
                message.add(ATTR_CHANNEL_NUMBER, &[high, low, 0, 0]);
            }
        }
    }
    if let Some(auth) = auth {
        for (typ, text) in [(ATTR_USERNAME, &auth.user), (ATTR_REALM, &auth.realm), (ATTR_NONCE, &auth.nonce)] {
            // Three of them and the rest must stay below the sixteen bits of a message's length.
            if text.len() > LONGEST_VALUE / 4 {
                return None;
            }
            message.add(typ, text.as_bytes());
        }
        MessageIntegrity(auth.key.clone()).add_to(&mut message).ok()?;
    }
    FINGERPRINT.add_to(&mut message).ok()?;
    Some(message.raw)
}

/// A Send indication (RFC 8656 §11.1); none when the data is longer than one can carry.
pub fn send_indication(peer: SocketAddr, data: &[u8]) -> Option<Vec<u8>> {
    if data.len() > LONGEST_DATA {
        return None;
    }
    let mut message = begin(METHOD_SEND, CLASS_INDICATION, fresh_id());
    add_peer(&mut message, peer)?;
    message.add(ATTR_DATA, data);
    Some(message.raw)
}

/// ChannelData (RFC 8656 §12.4), without the padding that streams need; none when the data is too long.
pub fn channel_data(number: u16, data: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(data.len()).ok()?;
    Some([&number.to_be_bytes()[..], &length.to_be_bytes(), data].concat())
}

fn begin(method: Method, class: MessageClass, id: Id) -> Message {
    let mut message = Message::new();
    message.typ = MessageType::new(method, class);
    message.transaction_id = TransactionId(id);
    message.write_header();
    message
}

fn add_peer(message: &mut Message, at: SocketAddr) -> Option<()> {
    XorMappedAddress { ip: at.ip(), port: at.port() }.add_to_as(message, ATTR_XOR_PEER_ADDRESS).ok()
}

/// Where a message ends on a stream: bytes on the wire with padding, and bytes of the message. None when neither STUN nor
/// ChannelData begins so, after which nothing more of the stream can be understood (RFC 8489 §6.2.2, RFC 8656 §12.5).
pub fn frame(head: [u8; HEAD]) -> Option<(usize, usize)> {
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    match head[0] >> 6 {
        0b00 if length.is_multiple_of(4) => Some((MESSAGE_HEADER_SIZE + length, MESSAGE_HEADER_SIZE + length)),
        0b01 => Some((HEAD + length.next_multiple_of(4), HEAD + length)),
        _ => None,
    }
}

/// A message from a server.
#[derive(Clone, Debug)]
pub enum Incoming {
    /// An answer to a request.
    Response(Box<Response>),
    /// A Data indication: a peer's packet (RFC 8656 §11.4).
    Data {
        /// The peer.
        from: SocketAddr,
        /// Its packet.
        data: Vec<u8>,
    },
    /// ChannelData: a peer's packet (RFC 8656 §12.7).
    Channel {
        /// Which channel.
        number: u16,
        /// The peer's packet.
        data: Vec<u8>,
    },
}

/// Reads one whole message; none for everything that says nothing to a client.
pub fn read(bytes: &[u8]) -> Option<Incoming> {
    let head: [u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
    let (_, length) = frame(head)?;
    // A datagram may end with padding, and with nothing else (RFC 8656 §12.5).
    let whole = bytes.get(..length)?;
    if head[0] >> 6 == 0b01 {
        return Some(Incoming::Channel {
            number: u16::from_be_bytes([head[0], head[1]]),
            data: whole.get(HEAD..)?.to_vec(),
        });
    }
    if length != bytes.len() {
        return None;
    }
    let mut message = Message { raw: whole.to_vec(), ..Message::default() };
    message.decode().ok()?;
    if message.contains(ATTR_FINGERPRINT) && FINGERPRINT.check(&message).is_err() {
        return None;
    }
    match message.typ.class {
        CLASS_SUCCESS_RESPONSE | CLASS_ERROR_RESPONSE => Some(Incoming::Response(Box::new(Response { message }))),
        CLASS_INDICATION if message.typ.method == METHOD_DATA => Some(Incoming::Data {
            from: xor_address(&message, ATTR_XOR_PEER_ADDRESS)?,
            data: message.get(ATTR_DATA).ok()?,
        }),
        _ => None,
    }
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Response {
    message: Message,
}

impl Response {
    /// Of which transaction.
    pub fn id(&self) -> Id {
        self.message.transaction_id.0
    }

    /// Of which method.
    pub fn method(&self) -> Method {
        self.message.typ.method
    }

    /// ERROR-CODE with its reason phrase (RFC 8489 §14.8); none of a success response. An error response without a readable
    /// code has code 0.
    pub fn error(&self) -> Option<(u16, String)> {
        if self.message.typ.class != CLASS_ERROR_RESPONSE {
            return None;
        }
        let mut error = ErrorCodeAttribute::default();
        Some(match error.get_from(&self.message) {
            Ok(()) => (error.code.0, printable(&String::from_utf8_lossy(&error.reason))),
            Err(_) => (0, String::new()),
        })
    }

    /// Whether its MESSAGE-INTEGRITY was made with this key.
    pub fn is_authentic(&self, key: &[u8]) -> bool {
        let mut message = self.message.clone();
        MessageIntegrity(key.to_vec()).check(&mut message).is_ok()
    }

    /// XOR-MAPPED-ADDRESS, or MAPPED-ADDRESS of a server that has only that.
    pub fn mapped(&self) -> Option<SocketAddr> {
        self.xor(ATTR_XORMAPPED_ADDRESS).or_else(|| self.plain(ATTR_MAPPED_ADDRESS))
    }

    /// XOR-RELAYED-ADDRESS (RFC 8656 §18.5).
    pub fn relayed(&self) -> Option<SocketAddr> {
        self.xor(ATTR_XOR_RELAYED_ADDRESS)
    }

    /// OTHER-ADDRESS (RFC 5780 §7.4).
    pub fn other(&self) -> Option<SocketAddr> {
        self.plain(ATTR_OTHER_ADDRESS)
    }

    /// ALTERNATE-SERVER of a redirection (RFC 8489 §14.15).
    pub fn alternate_server(&self) -> Option<SocketAddr> {
        self.plain(ATTR_ALTERNATE_SERVER)
    }

    /// LIFETIME in seconds.
    pub fn lifetime(&self) -> Option<u32> {
        Some(u32::from_be_bytes(self.message.get(ATTR_LIFETIME).ok()?.try_into().ok()?))
    }

    /// REALM.
    pub fn realm(&self) -> Option<String> {
        self.text(ATTR_REALM)
    }

    /// NONCE.
    pub fn nonce(&self) -> Option<String> {
        self.text(ATTR_NONCE)
    }

    /// SOFTWARE, fit for a terminal.
    pub fn software(&self) -> Option<String> {
        self.text(ATTR_SOFTWARE).map(|s| printable(&s))
    }

    fn text(&self, typ: AttrType) -> Option<String> {
        TextAttribute::get_from_as(&self.message, typ).ok().map(|t| t.text)
    }

    fn xor(&self, typ: AttrType) -> Option<SocketAddr> {
        xor_address(&self.message, typ)
    }

    fn plain(&self, typ: AttrType) -> Option<SocketAddr> {
        has_address(&self.message, typ)?;
        let mut address = MappedAddress::default();
        address.get_from_as(&self.message, typ).ok()?;
        Some(SocketAddr::new(address.ip, address.port))
    }
}

fn xor_address(message: &Message, typ: AttrType) -> Option<SocketAddr> {
    has_address(message, typ)?;
    let mut address = XorMappedAddress::default();
    address.get_from_as(message, typ).ok()?;
    Some(SocketAddr::new(address.ip, address.port))
}

/// The codec fills up an address that is too short with zeros.
fn has_address(message: &Message, typ: AttrType) -> Option<()> {
    let value = message.get(typ).ok()?;
    matches!((value.get(1), value.len()), (Some(1), 8) | (Some(2), 20)).then_some(())
}

/// Without characters that would move the cursor, and not longer than a line.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(80).collect::<String>().trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use proptest::prelude::*;

    fn peer() -> SocketAddr {
        "203.0.113.7:4000".parse().unwrap()
    }

    #[test]
    fn a_request_carries_what_was_asked_and_is_authentic() {
        let auth = Auth::new("u", "p", "r".to_owned(), "n".to_owned());
        let bytes = request(METHOD_CREATE_PERMISSION, [7; 12], &[Attribute::Peer(peer())], Some(&auth)).unwrap();
        let mut message = Message { raw: bytes, ..Message::default() };
        message.decode().unwrap();
        assert_eq!(xor_address(&message, ATTR_XOR_PEER_ADDRESS), Some(peer()));
        FINGERPRINT.check(&message).unwrap();
        MessageIntegrity(auth.key).check(&mut message).unwrap();
    }

    #[test]
    fn data_is_read_back_however_it_came() {
        let sent = send_indication(peer(), b"hello").unwrap();
        let mut received = sent.clone();
        // Of the same shape as a Data indication, but for the method.
        received[1] = 0x17;
        assert!(matches!(read(&received), Some(Incoming::Data { from, data }) if from == peer() && data == b"hello"));
        assert!(read(&sent).is_none(), "a client gets no Send indication");
        let mut channel = channel_data(0x4001, b"hello").unwrap();
        channel.extend([0, 0, 0]);
        assert!(matches!(read(&channel), Some(Incoming::Channel { number: 0x4001, data }) if data == b"hello"));
    }

    #[test]
    fn what_would_not_fit_is_refused() {
        assert!(send_indication(peer(), &vec![0; LONGEST_DATA]).is_some());
        assert!(send_indication(peer(), &vec![0; LONGEST_DATA + 1]).is_none());
        assert!(channel_data(0x4000, &vec![0; 0x1_0000]).is_none());
        let auth = Auth::new(&"u".repeat(70_000), "p", "r".to_owned(), "n".to_owned());
        assert!(request(METHOD_ALLOCATE, [0; 12], &[], Some(&auth)).is_none());
    }

    #[test]
    fn an_address_of_the_wrong_length_is_none() {
        let mut message = begin(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE, [1; 12]);
        message.add(ATTR_XOR_RELAYED_ADDRESS, &[0, 1, 0, 80, 1, 2]);
        message.add(ATTR_MAPPED_ADDRESS, &[0, 2, 0, 80, 1, 2, 3, 4]);
        let Some(Incoming::Response(response)) = read(&message.raw) else { panic!("a response") };
        assert_eq!((response.relayed(), response.mapped()), (None, None));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
        }

        #[test]
        fn any_attributes_are_read_without_a_panic(
            class in 0u8..4,
            method in prop::sample::select(vec![1u8, 3, 4, 7, 8, 9]),
            attributes in prop::collection::vec((any::<u16>(), prop::collection::vec(any::<u8>(), 0..40)), 0..6),
        ) {
            let mut message = begin(METHOD_BINDING, CLASS_REQUEST, [3; 12]);
            for (typ, value) in attributes {
                message.add(AttrType(typ), &value);
            }
            message.raw[0] = class >> 1;
            message.raw[1] = method | (class & 1) << 4;
            if let Some(Incoming::Response(r)) = read(&message.raw) {
                let _ = (r.error(), r.mapped(), r.relayed(), r.other(), r.alternate_server(), r.lifetime());
                let _ = (r.realm(), r.nonce(), r.software(), r.is_authentic(b"key"));
            }
        }
    }
}
