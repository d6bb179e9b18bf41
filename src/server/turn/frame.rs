//! Where one message ends and the next begins on a TCP connection (RFC 8489 §6.2.2, RFC 8656 §12.5). Pure.

/// Bytes that must be read to know the length of a frame.
pub const HEAD: usize = 4;

/// The longest message the `turn` crate reads: it takes an Ethernet frame's worth and cuts what is longer.
pub const LONGEST_READ: usize = 1500;

/// What the first four bytes say of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Bytes on the connection, the head included.
    pub on_wire: usize,
    /// Bytes of the message: without the padding that ChannelData has on a stream only.
    pub message: usize,
    /// Whether it is a STUN message; otherwise it is ChannelData.
    pub is_stun: bool,
}

/// The frame that begins with these bytes; none when neither a STUN message nor ChannelData begins so, after which
/// nothing on the connection can be understood.
pub fn begins(head: [u8; HEAD]) -> Option<Frame> {
    let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
    match head[0] >> 6 {
        0b00 if length.is_multiple_of(4) => Some(Frame { on_wire: 20 + length, message: 20 + length, is_stun: true }),
        0b01 => Some(Frame { on_wire: HEAD + length.next_multiple_of(4), message: HEAD + length, is_stun: false }),
        _ => None,
    }
}

/// A message as it goes onto a connection: padded to a multiple of four, which only ChannelData can need.
pub fn encode(message: &[u8]) -> Vec<u8> {
    let mut bytes = message.to_vec();
    bytes.resize(message.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn channel_data_is_padded_on_a_stream_and_stun_is_not() {
        assert_eq!(begins([0x40, 0x00, 0, 5]), Some(Frame { on_wire: 12, message: 9, is_stun: false }));
        assert_eq!(begins([0x00, 0x01, 0, 8]), Some(Frame { on_wire: 28, message: 28, is_stun: true }));
        assert_eq!(encode(&[0x40, 0, 0, 5, 1, 2, 3, 4, 5]).len(), 12);
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(begins([0x80, 0, 0, 0]), None, "RTP");
        assert_eq!(begins([0xC0, 0, 0, 0]), None);
        assert_eq!(begins([0x00, 0x01, 0, 3]), None, "a STUN length is a multiple of four");
    }

    proptest! {
        #[test]
        fn a_frame_that_was_encoded_is_found_again(
            channel in 0x40u8..0x80,
            data in prop::collection::vec(any::<u8>(), 0..600),
        ) {
            let mut message = vec![channel, 0];
            message.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
            message.extend(&data);
            let wire = encode(&message);
            let frame = begins(wire[..HEAD].try_into().unwrap()).unwrap();
            prop_assert_eq!(frame.on_wire, wire.len());
            prop_assert_eq!(&wire[..frame.message], &message[..]);
        }
    }
}
