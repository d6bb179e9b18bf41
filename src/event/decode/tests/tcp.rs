//! TURN over TCP: frames do not end where segments end.

use super::*;

const SYN: u8 = 0x02;
const FIN: u8 = 0x01;
const ACK: u8 = 0x10;
/// Close to the end of the sequence space, so that every test wraps.
const START: u32 = u32::MAX - 50;

/// No transaction.
const NOTHING: [u8; 0] = [];

/// One connection as the client's tap sees it.
struct Connection {
    decoder: Decoder,
}

impl Connection {
    fn open() -> Self {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, START, SYN, 0, &[])), []);
        assert_eq!(
            decoder.packet(NODE, Direction::In, &tcp(TURN, ALICE, START, SYN | ACK, START.wrapping_add(1), &[])),
            []
        );
        Connection { decoder }
    }

    /// Bytes of the client from `offset` of its stream; the transactions that became readable.
    fn client(&mut self, offset: usize, bytes: &[u8]) -> Vec<u8> {
        let sequence = START.wrapping_add(1 + offset as u32);
        let packets =
            self.decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, sequence, ACK, START.wrapping_add(1), bytes));
        packets
            .iter()
            .map(|packet| {
                assert_eq!((packet.transport, packet.direction), (Transport::Tcp, Direction::Out));
                u8::from_str_radix(&packet.transaction[..2], 16).unwrap()
            })
            .collect()
    }

    /// The server says that it has everything before `offset` of the client's stream.
    fn server_has(&mut self, offset: usize) -> Vec<Packet> {
        let acknowledgement = START.wrapping_add(1 + offset as u32);
        self.decoder.packet(NODE, Direction::In, &tcp(TURN, ALICE, START.wrapping_add(1), ACK, acknowledgement, &[]))
    }
}

fn allocate(id: u8) -> Vec<u8> {
    stun(METHOD_ALLOCATE, CLASS_REQUEST, id).sealed()
}

#[test]
fn frames_are_cut_wherever_segments_end() {
    let mut stream = allocate(1);
    let mut data = channel_data(0x7bcc, b"hello"); // a channel number as turnutils_uclient takes it
    data.resize(12, 0); // padded over TCP
    stream.extend(data);
    stream.extend(allocate(2));
    for size in [1, 3, 7, 20, 50, stream.len()] {
        let mut connection = Connection::open();
        let mut seen = Vec::new();
        for (i, part) in stream.chunks(size).enumerate() {
            seen.extend(connection.client(i * size, part));
        }
        assert_eq!(seen, [1, 2], "segments of {size}");
        assert_eq!(connection.decoder.skipped(), Skipped::default());
    }
}

#[test]
fn a_channel_over_tcp_shows_its_messages() {
    let mut connection = Connection::open();
    let bind = stun(METHOD_CHANNEL_BIND, CLASS_REQUEST, 1)
        .raw(ATTR_CHANNEL_NUMBER, &[0x40, 0x01, 0, 0])
        .address(ATTR_XOR_PEER_ADDRESS, BOB)
        .sealed();
    let bound = stun(METHOD_CHANNEL_BIND, CLASS_SUCCESS_RESPONSE, 1).sealed();
    let check = stun(METHOD_BINDING, CLASS_REQUEST, 2).text(ATTR_USERNAME, "b:a").sealed();
    let answer = stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, 2).sealed();

    assert_eq!(connection.client(0, &bind), [1]);
    let server = START.wrapping_add(1);
    let back = [bound, channel_data(0x4001, &answer)].concat();
    connection.client(bind.len(), &channel_data(0x4001, &check)[..10]);
    let decoder = &mut connection.decoder;
    let received = decoder.packet(NODE, Direction::In, &tcp(TURN, ALICE, server, ACK, server, &back));
    assert_eq!(received.len(), 2);
    assert_eq!(
        (received[1].relay_peer, received[1].check),
        (Some(endpoint(BOB)), false),
        "its request is not complete yet"
    );
    let rest = connection.client(bind.len() + 10, &channel_data(0x4001, &check)[10..]);
    assert_eq!(rest, [2]);
}

#[test]
fn segments_may_come_twice_overlapping_and_out_of_order() {
    let stream: Vec<u8> = (1..=4).flat_map(allocate).collect();
    let n = stream.len() / 4;
    let mut connection = Connection::open();
    assert_eq!(connection.client(0, &stream[..10]), NOTHING);
    assert_eq!(connection.client(2 * n, &stream[2 * n..3 * n]), NOTHING, "ahead");
    assert_eq!(connection.client(2 * n, &stream[2 * n..3 * n]), NOTHING, "ahead, again");
    assert_eq!(connection.client(0, &stream[..n]), [1], "overlapping");
    assert_eq!(connection.client(0, &stream[..n]), NOTHING, "again");
    assert_eq!(connection.client(n, &stream[n..2 * n]), [2, 3], "the hole is filled");
    assert_eq!(connection.client(3 * n - 5, &stream[3 * n - 5..]), [4]);
    assert_eq!(connection.decoder.skipped(), Skipped::default());
}

#[test]
fn what_the_tap_missed_is_given_up_when_the_receiver_has_it() {
    let stream: Vec<u8> = (1..=4).flat_map(allocate).collect();
    let n = stream.len() / 4;
    let mut connection = Connection::open();
    assert_eq!(connection.client(0, &stream[..n + 10]), [1]);
    assert_eq!(connection.client(2 * n, &stream[2 * n..3 * n]), NOTHING);
    assert_eq!(connection.server_has(n + 10), [], "the rest may still come");
    let found = connection.server_has(3 * n);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].direction, found[0].from), (Direction::Out, endpoint(ALICE)));
    assert!(found[0].transaction.starts_with("03"));
    assert_eq!(connection.client(3 * n, &stream[3 * n..]), [4]);
    assert_eq!(connection.decoder.skipped(), Skipped { tcp_gaps: 1, ..Skipped::default() });
    assert_eq!(connection.decoder.skipped().to_string(), "gaps in TCP streams: 1");
}

#[test]
fn too_much_out_of_order_is_given_up_as_well() {
    let message = allocate(7);
    let mut connection = Connection::open();
    assert_eq!(connection.client(0, &allocate(1)), [1]);
    let mut seen = 0;
    for i in 2..200 {
        seen += connection.client(i * message.len(), &message).len();
    }
    assert_eq!(seen, 198, "all but the one that is missing");
    assert_eq!(connection.decoder.skipped().tcp_gaps, 1);
}

#[test]
fn other_protocols_are_left_alone() {
    for other in
        [&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], b"{\"cmd\":1}\n", &[0, 36, 0, 1, 0, 8], &[0x16, 3, 1, 2, 0]]
    {
        let mut connection = Connection::open();
        assert_eq!(connection.client(0, other), NOTHING);
        assert_eq!(connection.client(other.len(), other), NOTHING);
        assert_eq!(connection.decoder.skipped(), Skipped::default(), "{other:?}");
    }
}

#[test]
fn a_stream_is_joined_at_a_message() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, 5, ACK, 1, &allocate(1)[8..])), []);
    assert_eq!(decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, 500, ACK, 1, &allocate(2))).len(), 1);
}

#[test]
fn a_port_that_is_used_again_is_a_new_stream() {
    let mut connection = Connection::open();
    assert_eq!(connection.client(0, &allocate(1)[..30]), NOTHING);
    let again = 77_777;
    connection.decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, again, SYN, 0, &[]));
    let packets = connection.decoder.packet(NODE, Direction::Out, &tcp(ALICE, TURN, again + 1, ACK, 1, &allocate(2)));
    assert_eq!(packets.len(), 1);
}

#[test]
fn a_router_without_translation_sees_each_message_come_and_go() {
    let mut decoder = Decoder::new();
    for direction in [Direction::In, Direction::Out] {
        decoder.packet(NODE, direction, &tcp(ALICE, TURN, 0, SYN, 0, &[]));
    }
    for direction in [Direction::In, Direction::Out] {
        let packets = decoder.packet(NODE, direction, &tcp(ALICE, TURN, 1, ACK, 1, &allocate(1)));
        assert_eq!(packets.iter().map(|p| p.direction).collect::<Vec<_>>(), [direction]);
    }
}

/// Found with a real connection: the acknowledgement of a FIN is one ahead of the last byte, and looked like a gap.
#[test]
fn the_end_of_a_connection_is_no_gap() {
    let message = allocate(1);
    for (with_fin, after) in [(&message[..], 0), (&[][..], message.len())] {
        let mut connection = Connection::open();
        if with_fin.is_empty() {
            assert_eq!(connection.client(0, &message), [1]);
        }
        let sequence = START.wrapping_add(1 + after as u32);
        let packet = tcp(ALICE, TURN, sequence, FIN | ACK, START.wrapping_add(1), with_fin);
        let packets = connection.decoder.packet(NODE, Direction::Out, &packet);
        assert_eq!(packets.len(), usize::from(!with_fin.is_empty()));
        assert_eq!(connection.server_has(message.len() + 1), []);
        assert_eq!(connection.decoder.skipped(), Skipped::default());
    }
}

proptest! {
    #[test]
    fn every_message_is_seen_once_whatever_the_network_does(
        cuts in prop::collection::vec(1_usize..90, 1..40),
        order: Vec<(prop::sample::Index, bool)>,
    ) {
        let stream: Vec<u8> = (1..=12).flat_map(allocate).collect();
        let mut segments = Vec::new();
        let mut at = 0;
        for cut in cuts.iter().cycle() {
            let end = (at + cut).min(stream.len());
            segments.push((at, &stream[at..end]));
            at = end;
            if at == stream.len() {
                break;
            }
        }
        // Swapped with any other, and perhaps sent twice.
        for (i, (with, twice)) in order.iter().enumerate().take(segments.len()) {
            let with = with.index(segments.len());
            segments.swap(i, with);
            if *twice {
                segments.push(segments[i]);
            }
        }
        let many = segments.len() > 120;
        prop_assume!(!many, "more than is kept out of order");
        let mut connection = Connection::open();
        let seen: Vec<u8> = segments.iter().flat_map(|(at, bytes)| connection.client(*at, bytes)).collect();
        prop_assert_eq!(seen, (1..=12).collect::<Vec<u8>>());
        prop_assert_eq!(connection.decoder.skipped(), Skipped::default());
    }
}
