#![allow(clippy::unwrap_used, clippy::panic)]
//! Messages are built with the `stun` crate, so that the walker here is not judged by itself.

mod packets;
mod tcp;

use ::stun::attributes::*;
use ::stun::message::{
    CLASS_ERROR_RESPONSE, CLASS_INDICATION, CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, METHOD_ALLOCATE, METHOD_BINDING,
    METHOD_CHANNEL_BIND, METHOD_CONNECT, METHOD_CREATE_PERMISSION, METHOD_DATA, METHOD_REFRESH, METHOD_SEND, Setter,
};
use proptest::prelude::*;

use super::*;
use packets::*;

const NODE: &str = "alice";
const ALICE: &str = "10.1.0.2:5000";
const BOB: &str = "203.0.113.12:40000";
const TURN: &str = "203.0.113.2:3478";

fn one(decoder: &mut Decoder, direction: Direction, ip_packet: &[u8]) -> Packet {
    let mut packets = decoder.packet(NODE, direction, ip_packet);
    assert_eq!(packets.len(), 1, "{packets:?}");
    packets.remove(0)
}

fn endpoint(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn a_check_and_its_answer_are_read_whole() {
    let mut decoder = Decoder::new();
    let check = stun(METHOD_BINDING, CLASS_REQUEST, 1)
        .text(ATTR_USERNAME, "bobfrag:alicefrag")
        .raw(ATTR_PRIORITY, &1_694_498_815_u32.to_be_bytes())
        .raw(ATTR_ICE_CONTROLLING, &[7; 8])
        .raw(ATTR_USE_CANDIDATE, &[])
        .sealed();
    let sent = one(&mut decoder, Direction::Out, &udp(ALICE, BOB, &check));
    let transaction = "010101010101010101010101".to_owned();
    let expected = Packet {
        node: NODE.into(),
        direction: Direction::Out,
        transport: Transport::Udp,
        from: endpoint(ALICE),
        to: endpoint(BOB),
        relay_peer: None,
        method: Method::Binding,
        class: Class::Request,
        transaction,
        check: true,
        use_candidate: true,
        ice_role: Some(IceRole::Controlling),
        priority: Some(1_694_498_815),
        username: Some("bobfrag:alicefrag".into()),
        mapped: None,
        relayed: None,
        peers: vec![],
        error: None,
    };
    assert_eq!(sent, expected);

    let answer = stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, 1).address(ATTR_XORMAPPED_ADDRESS, BOB).sealed();
    let received = one(&mut decoder, Direction::In, &udp(BOB, ALICE, &answer));
    let expected = Packet {
        direction: Direction::In,
        from: endpoint(BOB),
        to: endpoint(ALICE),
        class: Class::Success,
        use_candidate: false,
        ice_role: None,
        priority: None,
        username: None,
        mapped: Some(endpoint(BOB)),
        ..expected
    };
    assert_eq!(received, expected);
    assert_eq!(decoder.skipped(), Skipped::default());
    assert_eq!(decoder.skipped().to_string(), "nothing");
}

#[test]
fn only_the_answer_to_a_check_is_one() {
    let mut decoder = Decoder::new();
    let ask = |id| stun(METHOD_BINDING, CLASS_REQUEST, id).sealed();
    let answer = |id| stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, id).sealed();
    let named = |id, name: &str| stun(METHOD_BINDING, CLASS_REQUEST, id).text(ATTR_USERNAME, name).sealed();

    assert!(!one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &ask(1))).check, "a request to a STUN server");
    assert!(!one(&mut decoder, Direction::In, &udp(TURN, ALICE, &answer(1))).check);
    for name in ["alice", ":a", "a:"] {
        let packet = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &named(2, name)));
        assert_eq!((packet.check, packet.username), (false, None), "{name}");
    }
    assert!(one(&mut decoder, Direction::In, &udp(BOB, ALICE, &named(3, "a:b"))).check);
    assert!(!one(&mut decoder, Direction::In, &udp(BOB, ALICE, &answer(3))).check, "nobody answers himself");
    assert!(one(&mut decoder, Direction::Out, &udp(ALICE, BOB, &answer(3))).check);

    let conflict = stun(METHOD_BINDING, CLASS_ERROR_RESPONSE, 3).raw(ATTR_ERROR_CODE, &[0, 0, 4, 87]).sealed();
    let refused = one(&mut decoder, Direction::Out, &udp(ALICE, BOB, &conflict));
    assert_eq!((refused.check, refused.class, refused.error), (true, Class::Error, Some(487)));

    let turn = stun(METHOD_ALLOCATE, CLASS_REQUEST, 4).text(ATTR_USERNAME, "1700000000:alice").sealed();
    let packet = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &turn));
    assert_eq!((packet.check, packet.username), (false, None), "a time-limited TURN name has a colon, too");
}

#[test]
fn roles_and_classes_are_told_apart() {
    let mut decoder = Decoder::new();
    let controlled = stun(METHOD_BINDING, CLASS_REQUEST, 1).raw(ATTR_ICE_CONTROLLED, &[0; 8]).sealed();
    let packet = one(&mut decoder, Direction::In, &udp(BOB, ALICE, &controlled));
    assert_eq!((packet.ice_role, packet.use_candidate), (Some(IceRole::Controlled), false));
    let methods = [
        (METHOD_BINDING, Method::Binding),
        (METHOD_ALLOCATE, Method::Allocate),
        (METHOD_REFRESH, Method::Refresh),
        (METHOD_SEND, Method::Send),
        (METHOD_DATA, Method::Data),
        (METHOD_CREATE_PERMISSION, Method::CreatePermission),
        (METHOD_CHANNEL_BIND, Method::ChannelBind),
        (METHOD_CONNECT, Method::Other),
    ];
    let classes = [
        (CLASS_REQUEST, Class::Request),
        (CLASS_INDICATION, Class::Indication),
        (CLASS_SUCCESS_RESPONSE, Class::Success),
        (CLASS_ERROR_RESPONSE, Class::Error),
    ];
    for (theirs, ours) in methods {
        for (their_class, class) in classes {
            let packet = one(&mut decoder, Direction::In, &udp(BOB, ALICE, &stun(theirs, their_class, 9).sealed()));
            assert_eq!((packet.method, packet.class), (ours, class));
        }
    }
    // Bits of the method on both sides of the class bits: 0xfff, and Binding but for one bit.
    for (kind, class) in
        [(0x3eef_u16, Class::Request), (0x3fff, Class::Error), (0x0201, Class::Request), (0x0021, Class::Request)]
    {
        let mut message = stun(METHOD_BINDING, CLASS_REQUEST, 9).message().raw;
        message[..2].copy_from_slice(&kind.to_be_bytes());
        let packet = one(&mut decoder, Direction::In, &udp(BOB, ALICE, &message));
        assert_eq!((packet.method, packet.class), (Method::Other, class), "{kind:#06x}");
    }
}

#[test]
fn an_allocation_names_its_addresses() {
    let mut decoder = Decoder::new();
    let answer = stun(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE, 1)
        .address(ATTR_XOR_RELAYED_ADDRESS, "203.0.113.2:49152")
        .address(ATTR_XORMAPPED_ADDRESS, "[2001:db8::7]:1234")
        .sealed();
    let packet = one(&mut decoder, Direction::In, &udp(TURN, ALICE, &answer));
    assert_eq!(packet.relayed, Some(endpoint("203.0.113.2:49152")));
    assert_eq!(packet.mapped, Some(endpoint("[2001:db8::7]:1234")));

    let permission = stun(METHOD_CREATE_PERMISSION, CLASS_REQUEST, 2)
        .address(ATTR_XOR_PEER_ADDRESS, BOB)
        .address(ATTR_XOR_PEER_ADDRESS, "198.51.100.7:1")
        .sealed();
    let packet = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &permission));
    assert_eq!(packet.peers, [endpoint(BOB), endpoint("198.51.100.7:1")]);

    let refused = stun(METHOD_ALLOCATE, CLASS_ERROR_RESPONSE, 3).raw(ATTR_ERROR_CODE, &[0, 0, 4, 1, b'U']).sealed();
    assert_eq!(one(&mut decoder, Direction::In, &udp(TURN, ALICE, &refused)).error, Some(401));
    let plain = stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, 4)
        .raw(ATTR_MAPPED_ADDRESS, &[0, 1, 0x9c, 0x40, 203, 0, 113, 12])
        .sealed();
    assert_eq!(one(&mut decoder, Direction::In, &udp(TURN, ALICE, &plain)).mapped, Some(endpoint(BOB)));
}

#[test]
fn what_stands_behind_message_integrity_is_ignored() {
    let mut forged = stun(METHOD_BINDING, CLASS_REQUEST, 1).text(ATTR_USERNAME, "b:a").message();
    ::stun::integrity::MessageIntegrity::new_short_term_integrity("password".into()).add_to(&mut forged).unwrap();
    forged.add(ATTR_USE_CANDIDATE, &[]);
    let packet = one(&mut Decoder::new(), Direction::In, &udp(BOB, ALICE, &forged.raw));
    assert!(packet.check && !packet.use_candidate);
}

#[test]
fn indications_show_the_message_inside() {
    let mut decoder = Decoder::new();
    let check = stun(METHOD_BINDING, CLASS_REQUEST, 5).text(ATTR_USERNAME, "b:a").sealed();
    let send =
        stun(METHOD_SEND, CLASS_INDICATION, 6).address(ATTR_XOR_PEER_ADDRESS, BOB).raw(ATTR_DATA, &check).message().raw;
    let packet = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &send));
    assert_eq!((packet.method, packet.relay_peer, packet.to), (Method::Binding, Some(endpoint(BOB)), endpoint(TURN)));
    assert!(packet.check);

    let answer = stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, 5).sealed();
    let data = stun(METHOD_DATA, CLASS_INDICATION, 7)
        .address(ATTR_XOR_PEER_ADDRESS, BOB)
        .raw(ATTR_DATA, &answer)
        .message()
        .raw;
    let packet = one(&mut decoder, Direction::In, &udp(TURN, ALICE, &data));
    assert_eq!((packet.class, packet.relay_peer, packet.check), (Class::Success, Some(endpoint(BOB)), true));

    let data = stun(METHOD_SEND, CLASS_INDICATION, 8)
        .address(ATTR_XOR_PEER_ADDRESS, BOB)
        .raw(ATTR_DATA, b"hello")
        .message()
        .raw;
    let packet = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &data));
    assert_eq!((packet.method, packet.relay_peer), (Method::Send, None), "data that is no STUN: the indication itself");
    assert_eq!(packet.peers, [endpoint(BOB)]);
}

#[test]
fn channel_data_shows_the_message_inside_once_the_channel_is_bound() {
    let mut decoder = Decoder::new();
    let check = |id| stun(METHOD_BINDING, CLASS_REQUEST, id).text(ATTR_USERNAME, "b:a").sealed();
    let bind = |id, peer| {
        stun(METHOD_CHANNEL_BIND, CLASS_REQUEST, id)
            .raw(ATTR_CHANNEL_NUMBER, &[0x40, 0x01, 0, 0])
            .address(ATTR_XOR_PEER_ADDRESS, peer)
            .sealed()
    };
    let bound = |id| stun(METHOD_CHANNEL_BIND, CLASS_SUCCESS_RESPONSE, id).sealed();
    let stale = stun(METHOD_CHANNEL_BIND, CLASS_ERROR_RESPONSE, 1).raw(ATTR_ERROR_CODE, &[0, 0, 4, 38]).sealed();

    // Refused for its nonce: no channel yet.
    assert_eq!(one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &bind(1, BOB))).peers, [endpoint(BOB)]);
    assert_eq!(one(&mut decoder, Direction::In, &udp(TURN, ALICE, &stale)).error, Some(438));
    assert_eq!(decoder.packet(NODE, Direction::Out, &udp(ALICE, TURN, &channel_data(0x4001, &check(2)))), []);
    assert_eq!(decoder.skipped(), Skipped { unbound_channel: 1, ..Skipped::default() });

    one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &bind(3, BOB)));
    one(&mut decoder, Direction::In, &udp(TURN, ALICE, &bound(3)));
    let out = one(&mut decoder, Direction::Out, &udp(ALICE, TURN, &channel_data(0x4001, &check(4))));
    let back = one(&mut decoder, Direction::In, &udp(TURN, ALICE, &channel_data(0x4001, &check(5))));
    for packet in [out, back] {
        assert_eq!((packet.check, packet.relay_peer), (true, Some(endpoint(BOB))));
    }
    // Another client of the same server, another channel, and data that is not STUN.
    assert_eq!(decoder.packet(NODE, Direction::Out, &udp("10.1.0.2:6000", TURN, &channel_data(0x4001, &check(6)))), []);
    assert_eq!(decoder.packet(NODE, Direction::Out, &udp(ALICE, TURN, &channel_data(0x4002, &check(6)))), []);
    assert_eq!(decoder.packet(NODE, Direction::Out, &udp(ALICE, TURN, &channel_data(0x4001, b"hello"))), []);
    assert_eq!(decoder.skipped().unbound_channel, 3);

    // The channel is bound anew, and the tap misses the answer: the server's use of it is the proof.
    let other = "198.51.100.7:1";
    one(&mut decoder, Direction::Out, &udp("10.1.0.2:6000", TURN, &bind(7, other)));
    let back = one(&mut decoder, Direction::In, &udp(TURN, "10.1.0.2:6000", &channel_data(0x4001, &check(8))));
    assert_eq!(back.relay_peer, Some(endpoint(other)));
}

#[test]
fn a_router_sees_each_message_twice() {
    let mut decoder = Decoder::new();
    let check = stun(METHOD_BINDING, CLASS_REQUEST, 1).text(ATTR_USERNAME, "b:a").sealed();
    let answer = stun(METHOD_BINDING, CLASS_SUCCESS_RESPONSE, 1).sealed();
    let outside = "203.0.113.11:5000";
    for (direction, from, to, message) in [
        (Direction::In, ALICE, BOB, &check),
        (Direction::Out, outside, BOB, &check),
        (Direction::In, BOB, outside, &answer),
        (Direction::Out, BOB, ALICE, &answer),
    ] {
        assert!(one(&mut decoder, direction, &udp(from, to, message)).check);
    }
}

#[test]
fn headers_are_read_to_the_byte() {
    let mut decoder = Decoder::new();
    let message = stun(METHOD_BINDING, CLASS_REQUEST, 1).sealed();

    // IP options push the transport header back.
    let mut options = udp(ALICE, BOB, &message);
    options[0] = 0x46;
    options.splice(20..20, [1, 1, 1, 0]);
    let total = (options.len() as u16).to_be_bytes();
    options[2..4].copy_from_slice(&total);
    one(&mut decoder, Direction::In, &options);

    // The link may pad short packets.
    let mut padded = udp(ALICE, BOB, &message);
    padded.extend([0; 10]);
    one(&mut decoder, Direction::In, &padded);

    // A first fragment has ports, but only part of the message.
    let mut first = udp(ALICE, BOB, &message);
    first.truncate(48);
    first[6] |= 0x20;
    first[2..4].copy_from_slice(&48_u16.to_be_bytes());
    assert_eq!(decoder.packet(NODE, Direction::In, &first), []);
    let mut second = udp(ALICE, BOB, &message);
    second[7] = 6;
    assert_eq!(decoder.packet(NODE, Direction::In, &second), []);
    assert_eq!(decoder.packet(NODE, Direction::In, &[0x41; 30]), [], "a header of four bytes");
    assert_eq!(decoder.packet(NODE, Direction::In, &[]), []);
    let mut icmp = udp(ALICE, BOB, &message);
    icmp[9] = 1;
    assert_eq!(decoder.packet(NODE, Direction::In, &icmp), []);
    assert_eq!(decoder.packet(NODE, Direction::In, &[0x60; 48]), [], "IPv6");
    let skipped = Skipped { fragments: 1, malformed: 2, bad_stun: 1, ..Skipped::default() };
    assert_eq!(decoder.skipped(), skipped);
    assert_eq!(skipped.to_string(), "fragments: 1, malformed packets: 2, malformed STUN messages: 1");
}

#[test]
fn what_only_looks_like_stun_is_counted() {
    let mut decoder = Decoder::new();
    let good = stun(METHOD_BINDING, CLASS_REQUEST, 1).text(ATTR_USERNAME, "b:a").sealed();
    let mut wrong_fingerprint = good.clone();
    *wrong_fingerprint.last_mut().unwrap() ^= 1;
    let mut damaged = good.clone();
    damaged[24] ^= 1;
    let mut longer = good.clone();
    longer.extend([0; 4]);
    let mut attribute_too_long = stun(METHOD_BINDING, CLASS_REQUEST, 1).raw(ATTR_PRIORITY, &[0; 4]).message().raw;
    attribute_too_long[23] = 5;
    for bad in [wrong_fingerprint, damaged, longer, attribute_too_long, good[..19].to_vec()] {
        assert_eq!(decoder.packet(NODE, Direction::In, &udp(BOB, ALICE, &bad)), []);
    }
    assert_eq!(decoder.skipped(), Skipped { bad_stun: 5, ..Skipped::default() });

    // Neither a request of RFC 3489, without the cookie, nor DTLS or RTP.
    let mut classic = good;
    classic[4] = 0;
    for other in [classic, vec![22, 0xfe, 0xfd, 0, 0, 0, 0, 0], vec![0x80, 0, 0, 1, 0x21, 0x12, 0xa4, 0x42]] {
        assert_eq!(decoder.packet(NODE, Direction::In, &udp(BOB, ALICE, &other)), []);
    }
    assert_eq!(decoder.skipped().bad_stun, 5);
}

/// A prefix that leads random bytes into the deeper layers.
fn deep() -> impl Strategy<Value = Vec<u8>> {
    let header = prop_oneof![
        Just(udp(ALICE, TURN, &[])),
        Just(udp(TURN, ALICE, &[])),
        Just(tcp(ALICE, TURN, 1, 0x10, 1, &[])),
        Just(tcp(TURN, ALICE, 1, 0x12, 1, &[])),
    ];
    let message = prop_oneof![
        Just(vec![]),
        Just(vec![0x00, 0x16, 0x00, 0x20, 0x21, 0x12, 0xa4, 0x42]),
        Just(vec![0x01, 0x09, 0x00, 0x08, 0x21, 0x12, 0xa4, 0x42]),
        Just(vec![0x40, 0x01, 0x00, 0x1c]),
        Just(stun(METHOD_BINDING, CLASS_REQUEST, 1).text(ATTR_USERNAME, "b:a").sealed()),
    ];
    (header, message, prop::collection::vec(any::<u8>(), 0..80), any::<(u8, u8)>()).prop_map(
        |(mut packet, message, tail, (at, value))| {
            packet.extend(message);
            packet.extend(tail);
            let length = packet.len() as u16;
            packet[2..4].copy_from_slice(&length.to_be_bytes());
            packet[24..26].copy_from_slice(&(length - 20).to_be_bytes());
            // One byte is wrong.
            let at = usize::from(at) % packet.len();
            packet[at] = value;
            packet
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(
        packets: Vec<(bool, Vec<u8>)>,
        deep in prop::collection::vec((any::<bool>(), deep()), 0..20),
    ) {
        let mut decoder = Decoder::new();
        for (out, bytes) in packets.into_iter().chain(deep) {
            let direction = if out { Direction::Out } else { Direction::In };
            for packet in decoder.packet(NODE, direction, &bytes) {
                prop_assert_eq!((packet.node.as_str(), packet.transaction.len()), (NODE, 24));
            }
        }
    }

    #[test]
    fn whatever_the_stun_crate_can_build_is_read(
        method in prop::sample::select(vec![METHOD_BINDING, METHOD_ALLOCATE, METHOD_CREATE_PERMISSION, METHOD_REFRESH]),
        class in prop::sample::select(vec![CLASS_REQUEST, CLASS_SUCCESS_RESPONSE, CLASS_ERROR_RESPONSE]),
        username in "[a-z]{1,9}:[a-z]{1,9}", priority: u32, peer: std::net::Ipv4Addr, port: u16, unknown: Vec<u8>,
    ) {
        let peer = SocketAddr::from((peer, port));
        let bytes = stun(method, class, 3)
            .raw(AttrType(0xc001), &unknown)
            .text(ATTR_USERNAME, &username)
            .raw(ATTR_PRIORITY, &priority.to_be_bytes())
            .address(ATTR_XOR_PEER_ADDRESS, &peer.to_string())
            .sealed();
        let packet = one(&mut Decoder::new(), Direction::In, &udp(BOB, ALICE, &bytes));
        prop_assert_eq!(packet.priority, Some(priority));
        prop_assert_eq!(packet.peers, vec![peer]);
        let check = method == METHOD_BINDING && class == CLASS_REQUEST;
        prop_assert_eq!(packet.check, check);
        prop_assert_eq!(packet.username, check.then_some(username));
    }
}
