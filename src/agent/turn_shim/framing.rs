//! Where one message ends and the next begins on a TCP connection to a TURN server. Pure.
//!
//! There is no framing of its own: STUN messages carry their length and are multiples of four bytes (RFC 8489 §5, §6.2.2);
//! ChannelData carries its length and is padded to a multiple of four over TCP, the padding not counted (RFC 8656 §12.5).

/// What must be known of a message before its length is.
pub const HEADER: usize = 4;
/// The longest frame: a STUN header and the longest length it can give.
pub const MAX_FRAME: usize = 20 + 0xffff;

/// The first four bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// First two bits 00.
    Stun {
        /// After the header of twenty bytes.
        length: u16,
    },
    /// First two bits 01.
    ChannelData {
        /// After the header of four bytes, without padding.
        length: u16,
    },
}

/// The bytes begin no message that may be there: the two sides no longer agree where messages begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("neither a STUN message nor ChannelData: {0:02x?}")]
pub struct NotAFrame(pub [u8; HEADER]);

impl Header {
    /// Reads the first four bytes of `message`; of a shorter one the missing are taken for ones, which begin nothing.
    ///
    /// # Errors
    /// The first two bits are 10 or 11, or a STUN length is not a multiple of four.
    pub fn read(message: &[u8]) -> Result<Header, NotAFrame> {
        let mut start = [0xff; HEADER];
        for (to, from) in start.iter_mut().zip(message) {
            *to = *from;
        }
        let length = u16::from_be_bytes([start[2], start[3]]);
        match start[0] >> 6 {
            0b00 if length % 4 == 0 => Ok(Header::Stun { length }),
            0b01 => Ok(Header::ChannelData { length }),
            _ => Err(NotAFrame(start)),
        }
    }

    /// Length of the message itself.
    pub fn message_length(self) -> usize {
        match self {
            Header::Stun { length } => 20 + usize::from(length),
            Header::ChannelData { length } => 4 + usize::from(length),
        }
    }

    /// Length on the connection, padding included.
    pub fn frame_length(self) -> usize {
        self.message_length().next_multiple_of(4)
    }
}

/// A datagram as it goes onto the connection; `None` when it is not exactly one message. Over UDP padding is optional (RFC
/// 8656 §12.5): the turn crate sends it, so it may be there already.
pub fn frame(datagram: &[u8]) -> Option<Vec<u8>> {
    let header = Header::read(datagram).ok()?;
    let mut frame = datagram.get(..header.message_length())?.to_vec();
    frame.resize(header.frame_length(), 0);
    (datagram.len() <= frame.len()).then_some(frame)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_first_two_bits_tell_the_kind() {
        assert_eq!(Header::read(&[0x01, 0x13, 0, 8]), Ok(Header::Stun { length: 8 }));
        assert_eq!(Header::read(&[0x40, 0x00, 0, 5]), Ok(Header::ChannelData { length: 5 }));
        for start in [[0x80, 0, 0, 0], [0xc0, 0, 0, 0], [0x00, 0x01, 0, 7]] {
            assert_eq!(Header::read(&start), Err(NotAFrame(start)));
        }
        assert!(Header::read(&[]).is_err() && Header::read(&[0x40, 0, 0]).is_ok(), "short input never panics");
    }

    #[test]
    fn channel_data_is_padded_and_the_padding_not_counted() {
        let header = Header::read(&[0x40, 0x01, 0, 5]).unwrap();
        assert_eq!((header.message_length(), header.frame_length()), (9, 12));
        let (message, framed) = ([0x40, 1, 0, 5, 1, 2, 3, 4, 5], [0x40, 1, 0, 5, 1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(frame(&message).unwrap(), framed);
        assert_eq!(frame(&framed).unwrap(), framed, "padded by the sender already");
        assert_eq!(frame(&[&framed[..], &[0]].concat()), None, "more than one message");
        assert_eq!(frame(&message[..8]), None, "less than one");
    }

    proptest! {
        #[test]
        fn a_padded_message_is_as_long_as_its_header_says(length in 0u16..2000, channel in 0x4000u16..0x5000) {
            let mut message = [channel.to_be_bytes(), length.to_be_bytes()].concat();
            message.resize(4 + usize::from(length), 7);
            let header = Header::read(&message).unwrap();
            prop_assert_eq!(header.message_length(), message.len());
            prop_assert_eq!(frame(&message).unwrap().len(), header.frame_length());
        }
    }
}
