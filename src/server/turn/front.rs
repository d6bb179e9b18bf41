//! What stands before the `turn` crate: a state machine that looks at every message in and out and answers by itself
//! where the crate (0.17.2) does not do what RFC 8489 and RFC 8656 say. Pure: time comes in as an argument.
//!
//! - A retransmitted request gets the answer of the first one (RFC 8489 §6.3.1); the crate answers an Allocate whose
//!   answer was lost with 437, and clients then give the relay up.
//! - Wrong credentials get 401 with REALM and NONCE (RFC 8489 §9.2.4); the crate says 400 without either.
//! - Requests of a client without an allocation get 437 (RFC 8656 §5); the crate says nothing.
//! - A challenge (401) is the crate's own once in a while only: it remembers every nonce that it ever gave, so that a flood
//!   of requests without credentials would fill the memory. In between everybody is challenged with the same one.
//! - A relay of another address family than the server's relays have is refused with 440 (RFC 8656 §7.2); the crate gives none
//!   but IPv4 ones, or says 508.
//! - Binding requests are answered as [`crate::server::stun`] does: the crate overlooks attributes it does not know.
//!
//! Known to remain: of several XOR-PEER-ADDRESS in one CreatePermission the crate installs the first only, and of a
//! message longer than 1500 bytes it reads the beginning.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use ::stun::agent::TransactionId;
use ::stun::attributes::{
    ATTR_LIFETIME, ATTR_MESSAGE_INTEGRITY, ATTR_NONCE, ATTR_REALM, ATTR_REQUESTED_ADDRESS_FAMILY, ATTR_USERNAME,
};
use ::stun::error_code::{
    CODE_ADDR_FAMILY_NOT_SUPPORTED, CODE_ALLOC_MISMATCH, CODE_BAD_REQUEST, CODE_UNAUTHORIZED, ErrorCode,
    ErrorCodeAttribute,
};
use ::stun::integrity::MessageIntegrity;
use ::stun::message::*;
use ::stun::textattrs::{Nonce, Realm, TextAttribute, Username};

use super::Options;
use crate::net::Transport;
use crate::server::stun::{self, Endpoints, Place, answer};

/// Values of REQUESTED-ADDRESS-FAMILY (RFC 8656 §18.6).
const IPV4: u8 = 1;
const IPV6: u8 = 2;

/// How long an answer is kept for retransmissions (RFC 8489 §6.3.1).
const KEEP: Duration = Duration::from_secs(40);
/// How many answers are kept; the oldest is given up for a new one.
const KEEP_AT_MOST: usize = 4096;

/// How many requests the server may have got and not answered.
const PENDING_AT_MOST: usize = 1024;

/// How long a nonce of the crate is given to clients; it accepts one for an hour.
const NONCE_FRESH: Duration = Duration::from_secs(1800);

/// A user of a server (RFC 8489 §9.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// USERNAME.
    pub user: String,
    /// Never sent.
    pub password: String,
    /// REALM.
    pub realm: String,
}

/// What is to be done with a message that came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inbound {
    /// The server shall see it.
    Pass,
    /// It is answered already.
    Reply(Vec<u8>),
    /// It is dropped without a word.
    Ignore,
}

type Transaction = (SocketAddr, [u8; TRANSACTION_ID_SIZE]);

/// The state of one listener.
#[derive(Debug)]
pub struct Front {
    credentials: Credentials,
    key: Vec<u8>,
    /// REQUESTED-ADDRESS-FAMILY of its relays (RFC 8656 §18.6).
    family: u8,
    over: Transport,
    endpoints: Endpoints,
    answers: HashMap<Transaction, Vec<u8>>,
    /// The keys of `answers`, oldest first, with the time until which they are kept.
    ages: VecDeque<(Instant, Transaction)>,
    allocations: HashMap<SocketAddr, Allocation>,
    /// Requests that the server has got and not answered, with their NONCE.
    pending: VecDeque<(Transaction, String)>,
    /// A nonce that the crate accepts, and until when it is given to clients.
    nonce: Option<(Instant, String)>,
}

/// A client's allocation, as its answers tell.
#[derive(Clone, Debug)]
struct Allocation {
    until: Instant,
    nonce: String,
}

impl Front {
    /// Of a listener at `local`.
    pub fn new(options: &Options, over: Transport, local: SocketAddr) -> Front {
        let credentials = options.credentials.clone();
        let Credentials { user, password, realm } = credentials.clone();
        Front {
            key: MessageIntegrity::new_long_term_integrity(user, realm, password).0,
            credentials,
            family: if options.relay_address.is_ipv4() { IPV4 } else { IPV6 },
            over,
            endpoints: Endpoints { primary: local, alternate: None },
            answers: HashMap::new(),
            ages: VecDeque::new(),
            allocations: HashMap::new(),
            pending: VecDeque::new(),
            nonce: None,
        }
    }

    /// Looks at a message from a client.
    pub fn inbound(&mut self, bytes: &[u8], source: SocketAddr, now: Instant) -> Inbound {
        let Some(class) = class(bytes) else {
            // ChannelData, or nothing the server knows; the first is by far the most frequent.
            return if bytes.first().is_some_and(|b| b >> 6 == 0b01) { Inbound::Pass } else { Inbound::Ignore };
        };
        match class {
            CLASS_REQUEST => {}
            CLASS_INDICATION => return Inbound::Pass,
            _ => return Inbound::Ignore,
        }
        self.forget(now);
        let mut message = Message { raw: bytes.to_vec(), ..Message::default() };
        if message.decode().is_err() {
            return Inbound::Ignore;
        }
        if let Some(stored) = self.answers.get(&(source, message.transaction_id.0)) {
            return Inbound::Reply(stored.clone());
        }
        let reply = match message.typ.method {
            METHOD_BINDING => {
                answer(bytes, source, Place::PRIMARY, self.over, &self.endpoints, &stun::Options::default())
                    .map(|a| a.bytes)
            }
            METHOD_ALLOCATE | METHOD_REFRESH | METHOD_CREATE_PERMISSION | METHOD_CHANNEL_BIND => {
                match self.examine(&mut message, source, now) {
                    Examined::Pass { nonce } => {
                        // Some are never answered; the oldest makes room.
                        self.pending.truncate(PENDING_AT_MOST - 1);
                        self.pending.push_front(((source, message.transaction_id.0), nonce));
                        return Inbound::Pass;
                    }
                    Examined::Refuse(reply) => reply,
                }
            }
            _ => None,
        };
        reply.map_or(Inbound::Ignore, Inbound::Reply)
    }

    /// Looks at a message to a client.
    pub fn outbound(&mut self, bytes: &[u8], destination: SocketAddr, now: Instant) {
        if !class(bytes).is_some_and(|c| c == CLASS_SUCCESS_RESPONSE || c == CLASS_ERROR_RESPONSE) {
            return;
        }
        let mut message = Message { raw: bytes.to_vec(), ..Message::default() };
        if message.decode().is_err() {
            return;
        }
        let transaction = (destination, message.transaction_id.0);
        self.remember(transaction, bytes, now);
        if message.typ.class == CLASS_ERROR_RESPONSE
            && let Ok(nonce) = TextAttribute::get_from_as(&message, ATTR_NONCE)
        {
            self.nonce = Some((now + NONCE_FRESH, nonce.text));
        }
        let position = self.pending.iter().position(|(of, _)| *of == transaction);
        let Some((_, nonce)) = position.and_then(|i| self.pending.remove(i)) else { return };
        if message.typ.class != CLASS_SUCCESS_RESPONSE
            || !(message.typ.method == METHOD_ALLOCATE || message.typ.method == METHOD_REFRESH)
        {
            return;
        }
        let lifetime = lifetime(&message).unwrap_or_default();
        if lifetime.is_zero() {
            self.allocations.remove(&destination);
        } else {
            self.allocations.insert(destination, Allocation { until: now + lifetime, nonce });
        }
    }

    /// The request by which a client whose connection has ended would have given its allocation back: the 5-tuple it
    /// belongs to (RFC 8656 §3.2) is gone for good, but the crate knows no connections. None when it has no allocation.
    /// `id` is a fresh transaction id.
    pub fn farewell(&mut self, source: SocketAddr, id: [u8; TRANSACTION_ID_SIZE]) -> Option<Vec<u8>> {
        let allocation = self.allocations.remove(&source)?;
        let mut message = Message::new();
        let built = message.build(&[
            Box::new(TransactionId(id)),
            Box::new(MessageType::new(METHOD_REFRESH, CLASS_REQUEST)),
            Box::new(RawLifetime(0)),
            Box::new(Username::new(ATTR_USERNAME, self.credentials.user.clone())),
            Box::new(Realm::new(ATTR_REALM, self.credentials.realm.clone())),
            Box::new(Nonce::new(ATTR_NONCE, allocation.nonce)),
            Box::new(MessageIntegrity(self.key.clone())),
        ]);
        built.ok().map(|()| message.raw)
    }

    /// Whether the server shall see a request of TURN.
    fn examine(&self, message: &mut Message, source: SocketAddr, now: Instant) -> Examined {
        let allocated = self.allocations.get(&source).is_some_and(|a| a.until > now);
        let method = message.typ.method;
        if !message.contains(ATTR_MESSAGE_INTEGRITY) {
            if let Some((_, nonce)) = self.nonce.as_ref().filter(|(until, _)| *until > now) {
                return Examined::Refuse(self.unauthorized(message, nonce.clone()));
            }
            let challenged = method == METHOD_ALLOCATE || method == METHOD_REFRESH || allocated;
            // The crate looks for an allocation before it asks for credentials, and is silent without one. The nonce
            // need not be one of the crate's, since the next answer will be 437 anyway.
            return if challenged {
                Examined::Pass { nonce: String::new() }
            } else {
                let nonce = message.transaction_id.0.iter().map(|b| format!("{b:02x}")).collect();
                Examined::Refuse(self.unauthorized(message, nonce))
            };
        }
        let text = |typ| TextAttribute::get_from_as(message, typ).ok().map(|t| t.text);
        let (Some(user), Some(realm), Some(nonce)) = (text(ATTR_USERNAME), text(ATTR_REALM), text(ATTR_NONCE)) else {
            // RFC 8489 §9.2.4. The crate would remember one more nonce for some of them.
            let attributes: [Box<dyn Setter>; 1] = [Box::new(error(CODE_BAD_REQUEST, "Bad Request"))];
            return Examined::Refuse(error_response(message, attributes));
        };
        let known = user == self.credentials.user && realm == self.credentials.realm;
        let integrity = MessageIntegrity(self.key.clone());
        if !known || integrity.check(message).is_err() {
            return Examined::Refuse(self.unauthorized(message, nonce));
        }
        let refuse = |code, reason| {
            let attributes: [Box<dyn Setter>; 2] = [Box::new(error(code, reason)), Box::new(integrity)];
            Examined::Refuse(error_response(message, attributes))
        };
        if method != METHOD_ALLOCATE && !allocated {
            return refuse(CODE_ALLOC_MISMATCH, "Allocation Mismatch");
        }
        // Without the attribute it is IPv4 that is wanted.
        let family = message.get(ATTR_REQUESTED_ADDRESS_FAMILY).ok().and_then(|v| v.first().copied()).unwrap_or(IPV4);
        if method == METHOD_ALLOCATE && family != self.family {
            return refuse(CODE_ADDR_FAMILY_NOT_SUPPORTED, "Address Family not Supported");
        }
        Examined::Pass { nonce }
    }

    fn unauthorized(&self, message: &Message, nonce: String) -> Option<Vec<u8>> {
        let attributes: [Box<dyn Setter>; 3] = [
            Box::new(error(CODE_UNAUTHORIZED, "Unauthorized")),
            Box::new(Realm::new(ATTR_REALM, self.credentials.realm.clone())),
            Box::new(Nonce::new(ATTR_NONCE, nonce)),
        ];
        error_response(message, attributes)
    }

    fn remember(&mut self, transaction: Transaction, bytes: &[u8], now: Instant) {
        self.forget(now);
        if self.answers.insert(transaction, bytes.to_vec()).is_none() {
            self.ages.push_back((now + KEEP, transaction));
        }
    }

    /// Drops answers that are too old or too many, and allocations that have run out.
    fn forget(&mut self, now: Instant) {
        while self.ages.len() >= KEEP_AT_MOST || self.ages.front().is_some_and(|(until, _)| *until <= now) {
            match self.ages.pop_front() {
                Some((_, transaction)) => self.answers.remove(&transaction),
                None => break,
            };
        }
        self.allocations.retain(|_, a| a.until > now);
    }
}

enum Examined {
    Pass { nonce: String },
    Refuse(Option<Vec<u8>>),
}

/// LIFETIME in seconds (RFC 8656 §18.2).
struct RawLifetime(u32);

impl Setter for RawLifetime {
    fn add_to(&self, m: &mut Message) -> Result<(), ::stun::Error> {
        m.add(ATTR_LIFETIME, &self.0.to_be_bytes());
        Ok(())
    }
}

fn lifetime(message: &Message) -> Option<Duration> {
    let value: [u8; 4] = message.get(ATTR_LIFETIME).ok()?.try_into().ok()?;
    Some(Duration::from_secs(u32::from_be_bytes(value).into()))
}

fn error(code: ErrorCode, reason: &str) -> ErrorCodeAttribute {
    ErrorCodeAttribute { code, reason: reason.as_bytes().to_vec() }
}

fn error_response(request: &Message, attributes: impl IntoIterator<Item = Box<dyn Setter>>) -> Option<Vec<u8>> {
    let mut setters: Vec<Box<dyn Setter>> =
        vec![Box::new(request.transaction_id), Box::new(MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE))];
    setters.extend(attributes);
    let mut response = Message::new();
    response.build(&setters).ok().map(|()| response.raw)
}

/// The class of a STUN message with the magic cookie, without decoding it; none for everything else.
fn class(bytes: &[u8]) -> Option<MessageClass> {
    if bytes.len() < MESSAGE_HEADER_SIZE || bytes[0] >> 6 != 0 || bytes[4..8] != MAGIC_COOKIE.to_be_bytes() {
        return None;
    }
    Some(match (bytes[0] & 1, bytes[1] >> 4 & 1) {
        (0, 0) => CLASS_REQUEST,
        (0, _) => CLASS_INDICATION,
        (_, 0) => CLASS_SUCCESS_RESPONSE,
        _ => CLASS_ERROR_RESPONSE,
    })
}

#[cfg(test)]
mod tests;
