#![allow(clippy::unwrap_used)]
use super::*;

/// A file as its blocks: type and body; lengths at both ends and the alignment are checked.
fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let word = |bytes: &[u8], at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut blocks = Vec::new();
    while !file.is_empty() {
        let length = word(file, 4) as usize;
        assert_eq!(length % 4, 0);
        assert_eq!(word(file, length - 4) as usize, length);
        blocks.push((word(file, 0), file[8..length - 4].to_vec()));
        file = &file[length..];
    }
    blocks
}

fn options(mut bytes: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut options = Vec::new();
    loop {
        let code = u16::from_le_bytes([bytes[0], bytes[1]]);
        let length = usize::from(u16::from_le_bytes([bytes[2], bytes[3]]));
        if code == option::END {
            assert_eq!(bytes.len(), 4, "nothing follows the end of options");
            return options;
        }
        options.push((code, bytes[4..4 + length].to_vec()));
        bytes = &bytes[4 + length.next_multiple_of(4)..];
    }
}

#[test]
fn a_section_says_who_wrote_it_and_describes_each_interface_once() {
    let mut writer = Writer::new(Vec::new(), "home").unwrap();
    for (interface, direction) in [("lan", Direction::In), ("wan", Direction::Out), ("lan", Direction::Out)] {
        let record = Record { interface, realtime_ns: 0x1_0000_0002, direction, bytes: &[0x45, 2, 3], comment: None };
        writer.packet(&record).unwrap();
    }
    let file = blocks(&writer.finish().unwrap());
    let kinds: Vec<u32> = file.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [block::SECTION_HEADER, 1, 6, 1, 6, 6]);

    let about = options(&file[0].1[16..]);
    assert_eq!(about[2], (option::SHB_USERAPPL, format!("natlab {}", env!("CARGO_PKG_VERSION")).into_bytes()));
    for (at, name) in [(1, "home:lan"), (3, "home:wan")] {
        assert_eq!(file[at].1[..2], LINKTYPE_RAW.to_le_bytes());
        assert_eq!(options(&file[at].1[8..]), [(option::IF_NAME, name.into()), (option::IF_TSRESOL, vec![9])]);
    }
    let body = &file[4].1;
    let expected: [u32; 5] = [1, 1, 2, 3, 3]; // second interface, time in two halves, both lengths
    assert_eq!(body[..20], expected.map(u32::to_le_bytes).concat());
    assert_eq!(body[20..24], [0x45, 2, 3, 0], "padded");
    assert_eq!(options(&body[24..]), [(option::EPB_FLAGS, vec![2, 0, 0, 0])]);
    assert_eq!(options(&file[2].1[24..]), [(option::EPB_FLAGS, vec![1, 0, 0, 0])], "inbound");
}

#[test]
fn comments_are_kept_and_cut_at_what_an_option_can_hold() {
    let long = format!("x{}", "→".repeat(30_000));
    for (comment, kept) in [("a check", 7), (long.as_str(), 65_533)] {
        let mut writer = Writer::new(Vec::new(), "alice").unwrap();
        let record =
            Record { interface: "eth0", realtime_ns: 0, direction: Direction::In, bytes: &[], comment: Some(comment) };
        writer.packet(&record).unwrap();
        let file = blocks(&writer.finish().unwrap());
        let found = options(&file[2].1[20..]);
        assert_eq!(found[0], (option::COMMENT, comment.as_bytes()[..kept].to_vec()));
    }
}

#[test]
fn what_the_sender_left_to_its_card_is_filled_in() {
    // UDP 10.1.0.2:5000 > 203.0.113.2:3478; the field holds the sum of the pseudo-header.
    let mut packet = vec![0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 1, 0, 2, 203, 0, 113, 2];
    packet.extend([0x13, 0x88, 0x0d, 0x96, 0, 8, 0x46, 0x1f]);
    let mut writer = Writer::new(Vec::new(), "alice").unwrap();
    let record = Record { interface: "e", realtime_ns: 0, direction: Direction::Out, bytes: &packet, comment: None };
    writer.packet(&record).unwrap();
    let file = blocks(&writer.finish().unwrap());
    assert_eq!(file[2].1[20 + 26..20 + 28], [0x98, 0xba]);
}
