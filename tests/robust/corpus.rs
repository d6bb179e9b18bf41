//! Messages that a STUN or TURN server or client may get: right ones of every kind, and nasties. Made the same way each time;
//! `tests/fixtures/stun-corpus` holds them as files, which the fuzz targets begin with.

/// The magic cookie (RFC 8489 §5).
const COOKIE: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];

/// A name and the bytes.
pub type Entry = (String, Vec<u8>);

/// Types of messages (RFC 8489 §18.2, RFC 8656 §17), each with its name.
const TYPES: [(u16, &str); 18] = [
    (0x0001, "binding"),
    (0x0101, "binding-success"),
    (0x0111, "binding-error"),
    (0x0011, "binding-indication"),
    (0x0003, "allocate"),
    (0x0103, "allocate-success"),
    (0x0113, "allocate-error"),
    (0x0004, "refresh"),
    (0x0104, "refresh-success"),
    (0x0008, "create-permission"),
    (0x0108, "create-permission-success"),
    (0x0009, "channel-bind"),
    (0x0016, "send"),
    (0x0017, "data"),
    (0x000a, "connect"),
    (0x0002, "shared-secret"),
    (0x3eef, "unknown-request"),
    (0x3fff, "unknown-error"),
];

/// Attributes with a value that is right, or as right as it can be without a password.
const ATTRIBUTES: [(u16, &[u8], &str); 30] = [
    (0x0001, &[0, 1, 4, 0, 192, 0, 2, 1], "mapped-address"),
    (0x0002, &[0, 1, 4, 0, 192, 0, 2, 66], "response-address"),
    (0x0003, &[0, 0, 0, 6], "change-request"),
    (0x0006, b"user", "username"),
    (0x0008, &[0; 20], "message-integrity"),
    (0x0009, &[0, 0, 4, 1, b'n', b'o'], "error-code"),
    (0x000a, &[0x7f, 0xff, 0x7f, 0xfe], "unknown-attributes"),
    (0x000c, &[0x40, 0, 0, 0], "channel-number"),
    (0x000d, &[0, 0, 2, 88], "lifetime"),
    (0x0012, &[0, 1, 0x25, 0x12, 0xe1, 0x12, 0xa6, 0x43], "xor-peer-address"),
    (0x0013, b"data of a peer", "data"),
    (0x0014, b"natlab", "realm"),
    (0x0015, b"0123456789abcdef", "nonce"),
    (0x0016, &[0, 1, 0x25, 0x12, 0xe1, 0x12, 0xa6, 0x43], "xor-relayed-address"),
    (0x0017, &[2, 0, 0, 0], "requested-address-family"),
    (0x0018, &[0x80], "even-port"),
    (0x0019, &[17, 0, 0, 0], "requested-transport"),
    (0x001a, &[], "dont-fragment"),
    (0x001c, &[0; 32], "message-integrity-sha256"),
    (0x001d, &[0, 2, 0, 0], "password-algorithm"),
    (0x0020, &[0, 2, 0x25, 0x12, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16], "xor-mapped-address"),
    (0x0022, &[1, 2, 3, 4, 5, 6, 7, 8], "reservation-token"),
    (0x0024, &[0x6e, 0, 1, 0xff], "priority"),
    (0x0026, &[0; 64], "padding"),
    (0x0027, &[0x1f, 0x90, 0, 0], "response-port"),
    (0x7ffe, &[1, 2, 3, 4], "unknown-required"),
    (0x8022, b"a client", "software"),
    (0x8028, &[0, 0, 0, 0], "fingerprint-wrong"),
    (0x802c, &[0, 1, 4, 0, 192, 0, 2, 2], "other-address"),
    (0xfffe, &[1, 2, 3, 4], "unknown-optional"),
];

fn message(typ: u16, attributes: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = Vec::new();
    for (typ, value) in attributes {
        body.extend(typ.to_be_bytes());
        body.extend((value.len() as u16).to_be_bytes());
        body.extend_from_slice(value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let mut bytes = typ.to_be_bytes().to_vec();
    bytes.extend((body.len() as u16).to_be_bytes());
    bytes.extend(COOKIE);
    bytes.extend(b"natlab-fuzz!");
    bytes.extend(body);
    bytes
}

fn with_length(mut bytes: Vec<u8>, length: u16) -> Vec<u8> {
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

fn with_fingerprint(mut bytes: Vec<u8>) -> Vec<u8> {
    let length = bytes.len() as u16 - 20 + 8;
    bytes = with_length(bytes, length);
    let crc = !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg()))
    });
    bytes.extend([0x80, 0x28, 0, 4]);
    bytes.extend((crc ^ 0x5354_554e).to_be_bytes());
    bytes
}

/// Everything, in order.
pub fn messages() -> Vec<Entry> {
    let mut all: Vec<Entry> = Vec::new();
    let mut add = |name: String, bytes: Vec<u8>| all.push((name, bytes));

    for (typ, name) in TYPES {
        add(format!("type-{name}"), message(typ, &[]));
    }
    for (attribute, value, name) in ATTRIBUTES {
        add(format!("binding-{name}"), message(0x0001, &[(attribute, value)]));
        add(format!("allocate-{name}"), message(0x0003, &[(0x0019, &[17, 0, 0, 0]), (attribute, value)]));
        add(format!("short-{name}"), message(0x0101, &[(attribute, &value[..value.len() / 2])]));
        add(format!("empty-{name}"), message(0x0113, &[(attribute, &[])]));
        add(format!("data-{name}"), message(0x0017, &[(0x0012, &[0, 1, 1, 1, 2, 2, 2, 2]), (attribute, value)]));
    }

    let good = message(0x0001, &[(0x8022, b"a client of a test")]);
    for length in [0, 1, 3, 4, 7, 8, 19, 20, 21, 23, 24, good.len() - 1] {
        add(format!("truncated-{length:02}"), good[..length].to_vec());
    }
    for length in [0, 1, 2, 3, 4, 20, 0x00ff, 0x7ffc, 0xfffc, 0xffff] {
        add(format!("length-{length:04x}"), with_length(good.clone(), length));
    }
    for (name, length) in [("one-more", 19u16), ("to-the-end-of-memory", 0xffff), ("padded-past-the-end", 20)] {
        let mut bytes = good.clone();
        bytes[22..24].copy_from_slice(&length.to_be_bytes());
        add(format!("attribute-length-{name}"), bytes);
    }
    add("trailing-bytes".into(), [&good[..], &[0; 8]].concat());
    add("two-at-once".into(), [&good[..], &good[..]].concat());
    // Data whose first bytes are the magic cookie, in ChannelData (RFC 8656 §12.4); and what is not even that.
    for (name, first) in [("channel-with-cookie", 0x40), ("first-bits-10", 0x80), ("first-bits-11", 0xc0)] {
        let mut bytes = good.clone();
        bytes[0] |= first;
        add(name.into(), bytes);
    }
    add("fingerprint-right".into(), with_fingerprint(good.clone()));
    add("fingerprint-not-last".into(), {
        let bytes = with_fingerprint(message(0x0001, &[]));
        let longer = [&bytes[..], &[0x80, 0x22, 0, 4, 1, 2, 3, 4]].concat();
        let length = longer.len() as u16 - 20;
        with_length(longer, length)
    });
    add("classic".into(), {
        let mut bytes = message(0x0001, &[(0x0003, &[0, 0, 0, 0])]);
        bytes[4..8].copy_from_slice(b"3489");
        bytes
    });
    add("classic-response-address".into(), {
        let mut bytes = message(0x0001, &[(0x0002, &[0, 1, 0, 53, 192, 0, 2, 66])]);
        bytes[4..8].copy_from_slice(b"3489");
        bytes
    });
    for flags in [0u8, 2, 4, 6, 0xff] {
        add(format!("change-request-{flags:02x}"), message(0x0001, &[(0x0003, &[0, 0, 0, flags])]));
    }
    for port in [0u16, 1, 53, 0xffff] {
        let [a, b] = port.to_be_bytes();
        add(format!("response-port-{port}"), message(0x0001, &[(0x0027, &[a, b, 0, 0])]));
    }
    add("response-port-and-padding".into(), message(0x0001, &[(0x0027, &[0, 53, 0, 0]), (0x0026, &[0; 400])]));
    for length in [0usize, 1, 1400, 4000] {
        add(format!("padding-{length}"), message(0x0001, &[(0x0026, &vec![0; length])]));
    }
    add("many-attributes".into(), message(0x0001, &[(0x8099, &[][..]); 300]));
    add("many-unknown-attributes".into(), {
        let unknown: Vec<(u16, &[u8])> = (0x7000..0x7100).map(|typ| (typ, &[][..])).collect();
        message(0x0001, &unknown)
    });
    add("many-peers".into(), message(0x0008, &[(0x0012, &[0, 1, 1, 1, 2, 2, 2, 2][..]); 100]));
    for (name, family, length) in
        [("no-family", 0u8, 8usize), ("family-3", 3, 8), ("v6-of-4", 2, 8), ("v4-of-20", 1, 20)]
    {
        let mut value = vec![0, family, 1, 1];
        value.resize(length, 9);
        for typ in [0x0001u16, 0x0012, 0x0016, 0x0020, 0x802c] {
            add(format!("address-{name}-{typ:04x}"), message(0x0101, &[(typ, &value)]));
        }
    }
    for length in [0usize, 1, 19, 20, 21, 400] {
        let credentials: [(u16, &[u8]); 3] = [(0x0006, b"u"), (0x0014, b"natlab"), (0x0015, b"nonce")];
        let integrity = vec![0xaa; length];
        let with = [&credentials[..], &[(0x0008, &integrity[..])]].concat();
        add(format!("integrity-of-{length}"), message(0x0003, &with));
    }
    add("integrity-twice".into(), message(0x0003, &[(0x0008, &[1; 20]), (0x0008, &[2; 20])]));
    add(
        "not-utf8".into(),
        message(0x0003, &[(0x0006, &[0xff; 9]), (0x0014, &[0xc0; 3]), (0x0015, &[0x80]), (0x0008, &[0; 20])]),
    );
    for (name, bytes) in [
        ("channel", &[0x40, 0, 0, 4, 1, 2, 3, 4][..]),
        ("channel-empty", &[0x40, 1, 0, 0]),
        ("channel-too-long", &[0x4f, 0xff, 0xff, 0xff, 1]),
        ("channel-half-a-head", &[0x40, 0]),
        ("channel-reserved", &[0x7f, 0xff, 0, 1, 9, 0, 0, 0]),
        ("rtp", &[0x80, 0x60, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
        ("dtls", &[0x16, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40]),
        ("http", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("zeros", &[0; 64]),
        ("ones", &[0xff; 64]),
    ] {
        add(name.into(), bytes.to_vec());
    }

    // Damage to messages that are right, the same each time.
    let mut state = 0x6e61_746c_6162_0001u64;
    let mut random = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let right: Vec<Vec<u8>> =
        all.iter().filter(|(name, _)| name.starts_with("allocate-")).map(|e| e.1.clone()).collect();
    for count in 0..40 {
        let mut bytes = right[random() % right.len()].clone();
        for _ in 0..=random() % 4 {
            let at = random() % bytes.len();
            bytes[at] = random() as u8;
        }
        all.push((format!("damaged-{count:02}"), bytes));
    }
    all
}
