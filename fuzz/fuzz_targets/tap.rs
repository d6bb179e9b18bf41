//! What `natlab run` reads off the wire: the bytes as a datagram to a STUN server, and as a whole IP packet.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natlab::event::Direction;
use natlab::event::decode::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new();
    decoder.packet("node", Direction::In, bytes);
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 9, 203, 0, 113, 1];
    packet.extend([0x9c, 0x40, 0x0d, 0x96]);
    packet.extend((bytes.len().min(60_000) as u16 + 8).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(&bytes[..bytes.len().min(60_000)]);
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    decoder.packet("node", Direction::Out, &packet);
});
