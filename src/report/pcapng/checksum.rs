//! Checksums of packets that never met a network card.
//!
//! A local UDP or TCP socket leaves the checksum to the card (`CHECKSUM_PARTIAL`): its field holds only the sum over
//! the pseudo-header (RFC 9293 §3.1, RFC 768). A veth has no card, so the packet crosses a whole lab like that, and a
//! capture of it looks broken at every hop. Nothing is wrong on this "wire": the receiver knows that the packet was
//! never on another.

const TCP: u8 = 6;
const UDP: u8 = 17;

/// Fills in the checksum of a UDP or TCP packet, IPv4 or IPv6, that holds the sum of the pseudo-header instead; says
/// whether it did. Every other packet stays as it is: with a right or a wrong checksum, without one (UDP, zero),
/// fragmented, cut off, with IPv6 extension headers, of another protocol.
///
/// A corrupted packet passes for an unfinished one when its field happens to hold that very sum: one in 65536.
pub fn complete_checksum(packet: &mut [u8]) -> bool {
    fill(packet).is_some()
}

fn fill(packet: &mut [u8]) -> Option<()> {
    let (protocol, addresses, start, end) = match packet.first()? >> 4 {
        4 => {
            let header = usize::from(packet.first()? & 0x0f) * 4;
            // More fragments, or an offset: the checksum is over more than this packet.
            if header < 20 || number(packet, 6)? & 0x3fff != 0 {
                return None;
            }
            (*packet.get(9)?, 12..20, header, usize::from(number(packet, 2)?))
        }
        6 => (*packet.get(6)?, 8..40, 40, 40 + usize::from(number(packet, 4)?)),
        _ => return None,
    };
    let segment = packet.get(start..end)?;
    let field = match protocol {
        UDP if usize::from(number(segment, 4)?) == segment.len() => 6,
        TCP => 16,
        _ => return None,
    };
    let pseudo_header = sum(packet.get(addresses)?) + u32::from(protocol) + segment.len() as u32;
    if number(segment, field)? != fold(pseudo_header) {
        return None;
    }
    // The sum of the pseudo-header is already in the field, so the sum over the segment is the sum over both.
    let checksum = match !fold(sum(segment)) {
        0 if protocol == UDP => u16::MAX, // zero means none
        checksum => checksum,
    };
    let target = packet.get_mut(start + field..start + field + 2)?;
    target.copy_from_slice(&checksum.to_be_bytes());
    Some(())
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_be_bytes)
}

/// The sum of 16-bit words, the last one padded with zero. At most 64 KiB: no overflow.
fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low))).sum()
}

/// Ones' complement addition of the carries.
fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// `10.1.0.2:5000 > 203.0.113.2:3478`, UDP, with a right checksum.
    fn udp() -> Vec<u8> {
        let mut packet = vec![0x45, 0, 0, 31, 0, 0, 0x40, 0, 64, UDP, 0, 0, 10, 1, 0, 2, 203, 0, 113, 2];
        packet.extend([0x13, 0x88, 0x0d, 0x96, 0, 11, 0, 0, b'a', b'b', b'c']);
        let checksum = rfc1071(&packet);
        set(&mut packet, 26, checksum);
        packet
    }

    fn tcp_v6() -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 22, TCP, 64];
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]);
        packet.extend([0x13, 0x88, 0x0d, 0x96, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x18, 2, 0, 0, 0, 0, 0, 7, 9]);
        let checksum = rfc1071(&packet);
        set(&mut packet, 56, checksum);
        packet
    }

    fn set(packet: &mut [u8], at: usize, value: u16) {
        packet[at..at + 2].copy_from_slice(&value.to_be_bytes());
    }

    /// The checksum from scratch, over a pseudo-header written out as the RFCs draw it.
    fn rfc1071(packet: &[u8]) -> u16 {
        let mut covered = pseudo_header(packet);
        let (start, field) = if packet[0] >> 4 == 4 { (20, 6) } else { (40, 16) };
        let mut segment = packet[start..].to_vec();
        set(&mut segment, field, 0);
        covered.extend(segment);
        if covered.len() % 2 == 1 {
            covered.push(0);
        }
        let mut sum: u64 = covered.chunks(2).map(|c| u64::from(c[0]) * 256 + u64::from(c[1])).sum();
        while sum >> 16 != 0 {
            sum = (sum & 0xffff) + (sum >> 16);
        }
        !(sum as u16)
    }

    fn pseudo_header(packet: &[u8]) -> Vec<u8> {
        if packet[0] >> 4 == 4 {
            let length = (packet.len() - 20) as u16;
            [&packet[12..20], &[0, packet[9]], &length.to_be_bytes()].concat()
        } else {
            let length = (packet.len() - 40) as u32;
            [&packet[8..40], &length.to_be_bytes(), &[0, 0, 0, packet[6]]].concat()
        }
    }

    fn partial(packet: &mut [u8], at: usize) {
        let sum = fold(sum(&pseudo_header(packet)));
        set(packet, at, sum);
    }

    #[test]
    fn an_unfinished_checksum_is_completed() {
        for (right, at) in [(udp(), 26), (tcp_v6(), 56)] {
            let mut packet = right.clone();
            partial(&mut packet, at);
            assert_ne!(packet, right);
            assert!(complete_checksum(&mut packet));
            assert_eq!(packet, right);
        }
    }

    #[test]
    fn right_wrong_and_absent_checksums_stay() {
        for at in [None, Some(0), Some(1), Some(0x1234), Some(0xffff)] {
            let mut packet = udp();
            if let Some(value) = at {
                set(&mut packet, 26, value);
            }
            let before = packet.clone();
            assert!(!complete_checksum(&mut packet));
            assert_eq!(packet, before);
        }
    }

    #[test]
    fn a_udp_checksum_that_comes_out_as_zero_is_written_as_all_ones() {
        let mut packet = udp();
        // With the checksum in the first two payload bytes, the rest sums up to all ones.
        packet.truncate(30);
        set(&mut packet, 2, 30);
        set(&mut packet, 24, 10);
        set(&mut packet, 28, 0);
        set(&mut packet, 26, 0);
        let rest = rfc1071(&packet);
        set(&mut packet, 28, rest);
        partial(&mut packet, 26);
        assert!(complete_checksum(&mut packet));
        assert_eq!(packet[26..28], [0xff, 0xff]);
    }

    #[test]
    fn what_cannot_be_summed_stays() {
        let mut more_fragments = udp();
        partial(&mut more_fragments, 26);
        more_fragments[6] |= 0x20;
        let mut last_fragment = udp();
        partial(&mut last_fragment, 26);
        last_fragment[7] = 1;
        let mut cut = udp();
        partial(&mut cut, 26);
        cut.pop();
        let mut other = udp();
        partial(&mut other, 26);
        other[9] = 1;
        for packet in [more_fragments, last_fragment, cut, other, vec![], vec![0x45; 3], vec![0x6f; 41]] {
            let mut completed = packet.clone();
            assert!(!complete_checksum(&mut completed));
            assert_eq!(completed, packet);
        }
    }

    proptest::proptest! {
        #[test]
        fn only_the_field_of_an_unfinished_packet_ever_changes(mut bytes: Vec<u8>, version in 0u8..2) {
            if let Some(first) = bytes.first_mut() {
                *first = [0x45, 0x60][usize::from(version)];
            }
            let before = bytes.clone();
            let changed = complete_checksum(&mut bytes);
            let differing = bytes.iter().zip(&before).filter(|(a, b)| a != b).count();
            let allowed = if changed { 2 } else { 0 };
            proptest::prop_assert!(differing <= allowed);
        }
    }
}
