//! What a STUN server answers: request, source and socket in; answer, destination and socket out. Pure.

use std::net::SocketAddr;

use ::stun::attributes::*;
use ::stun::error_code::{CODE_BAD_REQUEST, CODE_UNKNOWN_ATTRIBUTE};
use ::stun::fingerprint::FINGERPRINT;
use ::stun::message::{BINDING_ERROR, BINDING_SUCCESS};
use ::stun::textattrs::Software;
use ::stun::uattrs::UnknownAttributes;

use super::message::{Change, Malformed, Request, Response};
use super::{Endpoints, Place};
use crate::net::Transport;

/// Bytes before the value of an attribute (RFC 8489 §14).
const ATTRIBUTE_HEADER: usize = 4;

/// PASSWORD (RFC 3489 §11.2.7).
const ATTR_PASSWORD: AttrType = AttrType(0x0007);

/// The most PADDING in an answer: one Ethernet frame's worth, already a multiple of four (RFC 5780 §7.6).
const LONGEST_PADDING: usize = 1500;

/// What a server with RFC 5780 understands of a datagram. Credentials are understood and not asked for; the others are
/// answers' attributes, without a meaning in a request.
const KNOWN: [AttrType; 15] = [
    ATTR_CHANGE_REQUEST,
    ATTR_PADDING,
    ATTR_RESPONSE_PORT,
    ATTR_MAPPED_ADDRESS,
    ATTR_USERNAME,
    ATTR_MESSAGE_INTEGRITY,
    ATTR_ERROR_CODE,
    ATTR_UNKNOWN_ATTRIBUTES,
    ATTR_REALM,
    ATTR_NONCE,
    ATTR_XORMAPPED_ADDRESS,
    ATTR_MESSAGE_INTEGRITY_SHA256,
    ATTR_PASSWORD_ALGORITHM,
    ATTR_USER_HASH,
    ATTR_PASSWORD,
];

/// What is understood of RFC 3489. RESPONSE-ADDRESS is not: it would send answers to any third party, for which RFC
/// 5389 removed it.
const KNOWN_CLASSIC: [AttrType; 4] = [ATTR_CHANGE_REQUEST, ATTR_USERNAME, ATTR_PASSWORD, ATTR_MESSAGE_INTEGRITY];

/// Settings of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// SOFTWARE of answers (RFC 8489 §14.14); none: no such attribute.
    pub software: Option<String>,
}

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Socket it leaves from.
    pub from: Place,
    /// Where it goes.
    pub to: SocketAddr,
    /// The message.
    pub bytes: Vec<u8>,
}

/// The answer to a request that came from `source` to the socket at `at`; none for everything that deserves silence:
/// what is no Binding request, is malformed as a message, or fails its FINGERPRINT.
pub fn answer(
    request: &[u8],
    source: SocketAddr,
    at: Place,
    over: Transport,
    endpoints: &Endpoints,
    options: &Options,
) -> Option<Answer> {
    let request = Request::decode(request)?;
    if request.is_classic() {
        return classic(&request, source, at, over, endpoints);
    }
    let refusal = |response: Response| {
        let bytes = finish(response, &request, options)?;
        Some(Answer { from: at, to: source, bytes })
    };

    let unknown = unknown(&request, over, endpoints);
    if !unknown.is_empty() {
        let response = Response::to(&request, BINDING_ERROR).with_error(CODE_UNKNOWN_ATTRIBUTE, "Unknown Attribute");
        return refusal(response.with(&UnknownAttributes(unknown)));
    }
    let bad = |reason: &str| refusal(Response::to(&request, BINDING_ERROR).with_error(CODE_BAD_REQUEST, reason));
    let (change, response_port) = match (request.change(), request.response_port()) {
        (Ok(change), Ok(port)) => (change.unwrap_or_default(), port),
        (Err(Malformed), _) => return bad("Malformed CHANGE-REQUEST"),
        (_, Err(Malformed)) => return bad("Malformed RESPONSE-PORT"),
    };
    // RFC 5780 §7.6: the two do not go together, since a padded answer to another port would be an amplifier.
    if response_port.is_some() && request.padding().is_some() {
        return bad("PADDING with RESPONSE-PORT");
    }

    let from = at.changed(change.address, change.port);
    let to = SocketAddr::new(source.ip(), response_port.unwrap_or(source.port()));
    // RFC 5780 §6.1: both, so that a client sees an application-level gateway rewrite the one in the clear.
    let mut response =
        Response::to(&request, BINDING_SUCCESS).with_xor_mapped(source).with_address(ATTR_MAPPED_ADDRESS, source);
    if let Some(origin) = endpoints.at(from).filter(|a| !a.ip().is_unspecified()) {
        response = response.with_address(ATTR_RESPONSE_ORIGIN, origin);
    }
    if let Some(other) = endpoints.at(at.opposite()) {
        response = response.with_address(ATTR_OTHER_ADDRESS, other);
    }
    // RFC 5780 §7.6 says as long as the MTU. An answer is not made longer than the request, which of a spoofed source
    // would be fifty times what came in; clients that look for fragments pad the request as much.
    if let Some(length) = request.padding() {
        response = response.with_bytes(ATTR_PADDING, &vec![0; length.next_multiple_of(4).min(LONGEST_PADDING)]);
    }
    Some(Answer { from, to, bytes: finish(response, &request, options)? })
}

/// Which attributes of a request this server does not understand: without a second address CHANGE-REQUEST is one (RFC
/// 5780 §6.1), over TCP all three that speak of single datagrams.
fn unknown(request: &Request, over: Transport, endpoints: &Endpoints) -> Vec<AttrType> {
    let known: Vec<AttrType> = KNOWN
        .into_iter()
        .filter(|typ| match *typ {
            ATTR_CHANGE_REQUEST => over == Transport::Udp && endpoints.alternate.is_some(),
            ATTR_PADDING | ATTR_RESPONSE_PORT => over == Transport::Udp,
            _ => true,
        })
        .collect();
    request.unknown_attributes(&known)
}

/// SOFTWARE and, where the request has one, FINGERPRINT; nothing may follow that. SOFTWARE is nobody's need: it stays away
/// where it would make the answer longer than the request, whose source nobody has verified.
fn finish(mut response: Response, request: &Request, options: &Options) -> Option<Vec<u8>> {
    let fingerprint = if request.has_fingerprint() { ATTRIBUTE_HEADER + 4 } else { 0 };
    let fits = |software: &&String| {
        let length = ATTRIBUTE_HEADER + software.len().next_multiple_of(4);
        response.length() + length + fingerprint <= request.length()
    };
    if let Some(software) = options.software.as_ref().filter(fits) {
        response = response.with(&Software::new(ATTR_SOFTWARE, software.clone()));
    }
    if request.has_fingerprint() {
        response = response.with(&FINGERPRINT);
    }
    response.finish()
}

/// RFC 3489 §8: MAPPED-ADDRESS, SOURCE-ADDRESS and CHANGED-ADDRESS, none of them XORed.
fn classic(request: &Request, source: SocketAddr, at: Place, over: Transport, endpoints: &Endpoints) -> Option<Answer> {
    let mut unknown = request.unknown_attributes(&KNOWN_CLASSIC);
    let change = match request.change() {
        Ok(change) => change.unwrap_or_default(),
        Err(Malformed) => {
            let refusal = Response::to(request, BINDING_ERROR).with_error(CODE_BAD_REQUEST, "Bad Request");
            return Some(Answer { from: at, to: source, bytes: refusal.finish()? });
        }
    };
    // Classic clients send CHANGE-REQUEST without a flag in every request, so only a wish for a change is refused.
    if change != Change::default() && (endpoints.alternate.is_none() || over == Transport::Tcp) {
        unknown.push(ATTR_CHANGE_REQUEST);
    }
    if !unknown.is_empty() {
        // RFC 3489 §11.2.10: an even number of them, one repeated if need be.
        if unknown.len() % 2 == 1 {
            unknown.extend(unknown.last().copied());
        }
        let refusal = Response::to(request, BINDING_ERROR)
            .with_error(CODE_UNKNOWN_ATTRIBUTE, "Unknown Attribute")
            .with(&UnknownAttributes(unknown));
        return Some(Answer { from: at, to: source, bytes: refusal.finish()? });
    }
    let from = at.changed(change.address, change.port);
    let mut response = Response::to(request, BINDING_SUCCESS).with_address(ATTR_MAPPED_ADDRESS, source);
    if let Some(origin) = endpoints.at(from).filter(|a| !a.ip().is_unspecified()) {
        response = response.with_address(ATTR_SOURCE_ADDRESS, origin);
    }
    if let Some(other) = endpoints.at(at.opposite()) {
        response = response.with_address(ATTR_CHANGED_ADDRESS, other);
    }
    Some(Answer { from, to: source, bytes: response.finish()? })
}
