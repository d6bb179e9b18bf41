//! What the shim must know of a message: whether it is a request that can be refused or was seen before, and whether it
//! belongs to the data plane. Pure.

use std::collections::VecDeque;

use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::message::{CLASS_ERROR_RESPONSE, CLASS_REQUEST, Message, MessageType};

/// Requests remembered to recognise their repetitions; the client has one outstanding transaction.
const REMEMBERED: usize = 32;
/// RFC 8656 §18.1: a Send indication, client to server.
const SEND_INDICATION: [u8; 2] = [0x00, 0x16];
/// RFC 8656 §18.1: a Data indication, server to client.
const DATA_INDICATION: [u8; 2] = [0x00, 0x17];

/// Something for a peer: a Send indication or ChannelData (RFC 8656 §11.1, §12.5).
pub fn is_to_peer(message: &[u8]) -> bool {
    is_channel_data(message) || message.starts_with(&SEND_INDICATION)
}

/// Something from a peer: a Data indication or ChannelData (RFC 8656 §11.4, §12.7).
pub fn is_from_peer(message: &[u8]) -> bool {
    is_channel_data(message) || message.starts_with(&DATA_INDICATION)
}

/// The first two bits are 01 (RFC 8656 §12).
fn is_channel_data(message: &[u8]) -> bool {
    message.first().is_some_and(|first| first >> 6 == 0b01)
}

/// The first two bits are 00, and the magic cookie is there (RFC 8489 §5). The crate looks at the cookie alone, with which the
/// data of a channel may begin as well.
fn is_message(message: &[u8]) -> bool {
    message.first().is_some_and(|first| first >> 6 == 0b00) && stun::message::is_message(message)
}

/// The error response to a STUN request of the types `which`; `None` for anything else.
pub fn refuse(message: &[u8], which: impl Fn(MessageType) -> bool, code: u16, reason: &str) -> Option<Vec<u8>> {
    if !is_message(message) {
        return None;
    }
    let mut request = Message { raw: message.to_vec(), ..Message::default() };
    request.decode().ok()?;
    if request.typ.class != CLASS_REQUEST || !which(request.typ) {
        return None;
    }
    let mut response = Message::new();
    let typ = MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE);
    let error = ErrorCodeAttribute { code: ErrorCode(code), reason: reason.as_bytes().to_vec() };
    response.build(&[Box::new(request), Box::new(typ), Box::new(error)]).ok()?;
    Some(response.raw)
}

/// Recognises retransmissions by transaction id (RFC 8489 §6.2.1).
#[derive(Debug, Default)]
pub struct Repetitions(VecDeque<[u8; 12]>);

impl Repetitions {
    /// Not a request that was here before.
    pub fn is_new(&mut self, message: &[u8]) -> bool {
        let is_request = is_message(message) && message[0] & 0x01 == 0 && message[1] & 0x10 == 0;
        let id: [u8; 12] = match message.get(8..20).and_then(|id| id.try_into().ok()) {
            Some(id) if is_request => id,
            _ => return true, // indications and data may well be equal
        };
        if self.0.contains(&id) {
            return false;
        }
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front(id);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_send_data_and_channel_data_belong_to_the_data_plane() {
        let channel_data = [0x40, 0x00, 0, 1, 7];
        assert!(is_to_peer(&channel_data) && is_from_peer(&channel_data));
        assert!(is_to_peer(&[0x00, 0x16, 0, 0]) && !is_from_peer(&[0x00, 0x16, 0, 0]));
        assert!(is_from_peer(&[0x00, 0x17, 0, 0]) && !is_to_peer(&[0x00, 0x17, 0, 0]));
        // Allocate, Refresh, CreatePermission, ChannelBind, a success response of the first, and nothing at all.
        for message in [&[0x00, 0x03][..], &[0x00, 0x04], &[0x00, 0x08], &[0x00, 0x09], &[0x01, 0x03], &[]] {
            assert!(!is_to_peer(message) && !is_from_peer(message), "{message:x?}");
        }
    }
}
