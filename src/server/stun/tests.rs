#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::Ipv4Addr;

use ::stun::addr::MappedAddress;
use ::stun::agent::TransactionId;
use ::stun::attributes::*;
use ::stun::error_code::ErrorCodeAttribute;
use ::stun::fingerprint::FINGERPRINT;
use ::stun::message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, Getter, Message, MessageType, Setter};
use ::stun::uattrs::UnknownAttributes;
use ::stun::xoraddr::XorMappedAddress;
use proptest::prelude::*;

use super::*;

const ID: [u8; 12] = *b"transaction!";

fn client() -> SocketAddr {
    "192.0.2.9:40000".parse().unwrap()
}

fn two_addresses() -> Endpoints {
    let address = |last| IpAddr::V4(Ipv4Addr::new(203, 0, 113, last));
    Endpoints::new(address(1), Some(address(2)), 3478, 3479)
}

fn one_address() -> Endpoints {
    Endpoints { alternate: None, ..two_addresses() }
}

fn message(typ: MessageType, attributes: &[(AttrType, &[u8])]) -> Message {
    let mut m = Message::new();
    m.typ = typ;
    m.transaction_id = TransactionId(ID);
    m.write_header();
    for (typ, value) in attributes {
        m.add(*typ, value);
    }
    m
}

fn request(attributes: &[(AttrType, &[u8])]) -> Vec<u8> {
    message(BINDING_REQUEST, attributes).raw
}

/// Without the magic cookie.
fn classic(attributes: &[(AttrType, &[u8])]) -> Vec<u8> {
    let mut bytes = request(attributes);
    bytes[4..8].copy_from_slice(&[1, 2, 3, 4]);
    bytes
}

fn ask_at(bytes: &[u8], at: Place, endpoints: &Endpoints) -> Option<Answer> {
    answer(bytes, client(), at, Transport::Udp, endpoints, &Options::default())
}

fn ask(bytes: &[u8]) -> Answer {
    ask_at(bytes, Place::PRIMARY, &two_addresses()).expect("an answer")
}

fn decode(bytes: &[u8]) -> Message {
    let mut m = Message { raw: bytes.to_vec(), ..Message::default() };
    m.decode().unwrap();
    assert_eq!(m.transaction_id.0, ID, "the client's transaction id");
    m
}

fn address(m: &Message, typ: AttrType) -> Option<SocketAddr> {
    let mut a = MappedAddress::default();
    a.get_from_as(m, typ).ok().map(|()| SocketAddr::new(a.ip, a.port))
}

fn xor_mapped(m: &Message) -> SocketAddr {
    let mut a = XorMappedAddress::default();
    a.get_from(m).unwrap();
    SocketAddr::new(a.ip, a.port)
}

fn code(m: &Message) -> u16 {
    assert_eq!(m.typ, BINDING_ERROR);
    let mut e = ErrorCodeAttribute::default();
    e.get_from(m).unwrap();
    e.code.0
}

fn at(text: &str) -> Option<SocketAddr> {
    Some(text.parse().unwrap())
}

#[test]
fn a_plain_request_is_told_its_endpoint_twice_and_where_the_server_is() {
    let answer = ask(&request(&[]));
    assert_eq!((answer.from, answer.to), (Place::PRIMARY, client()));
    let m = decode(&answer.bytes);
    assert_eq!(m.typ, BINDING_SUCCESS);
    assert_eq!(xor_mapped(&m), client());
    assert_eq!(address(&m, ATTR_MAPPED_ADDRESS), Some(client()));
    assert_eq!(address(&m, ATTR_RESPONSE_ORIGIN), at("203.0.113.1:3478"));
    assert_eq!(address(&m, ATTR_OTHER_ADDRESS), at("203.0.113.2:3479"));
    assert!(!m.contains(ATTR_FINGERPRINT) && !m.contains(ATTR_SOFTWARE) && !m.contains(ATTR_PADDING));
}

/// RFC 5780 §6.1, table 1, from each of the four sockets.
#[test]
fn a_change_is_relative_to_the_address_asked_and_so_is_other_address() {
    for place in Place::ALL {
        for (flags, change) in [(0, (false, false)), (2, (false, true)), (4, (true, false)), (6, (true, true))] {
            let bytes = request(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, flags])]);
            let answer = ask_at(&bytes, place, &two_addresses()).unwrap();
            assert_eq!(answer.from, place.changed(change.0, change.1));
            let m = decode(&answer.bytes);
            assert_eq!(address(&m, ATTR_RESPONSE_ORIGIN), two_addresses().at(answer.from));
            assert_eq!(address(&m, ATTR_OTHER_ADDRESS), two_addresses().at(place.opposite()), "whatever was changed");
        }
    }
}

#[test]
fn with_one_address_there_is_no_other_address_and_a_change_is_not_understood() {
    let plain = ask_at(&request(&[]), Place::PRIMARY, &one_address()).unwrap();
    assert!(!decode(&plain.bytes).contains(ATTR_OTHER_ADDRESS));

    let change = ask_at(&request(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, 2])]), Place::PRIMARY, &one_address()).unwrap();
    let m = decode(&change.bytes);
    assert_eq!(code(&m), 420);
    assert_eq!(unknown(&m), [ATTR_CHANGE_REQUEST]);
}

fn unknown(m: &Message) -> Vec<AttrType> {
    let mut u = UnknownAttributes(Vec::new());
    u.get_from(m).unwrap();
    u.0
}

#[test]
fn unknown_attributes_that_must_be_understood_are_named_and_optional_ones_ignored() {
    let bytes = request(&[
        (AttrType(0x0033), &[1, 2, 3, 4]),
        (AttrType(0x8033), &[1]),
        (AttrType(0x7FFF), &[]),
        (AttrType(0x0033), &[]),
    ]);
    let m = decode(&ask(&bytes).bytes);
    assert_eq!(code(&m), 420);
    assert_eq!(unknown(&m), [AttrType(0x0033), AttrType(0x7FFF)]);

    let optional = request(&[(AttrType(0x8033), &[1]), (ATTR_USERNAME, b"whoever")]);
    assert_eq!(decode(&ask(&optional).bytes).typ, BINDING_SUCCESS, "credentials are understood, though not asked for");
}

#[test]
fn response_port_sends_the_answer_elsewhere_and_names_the_source_all_the_same() {
    for value in [&[0x10, 0x01][..], &[0x10, 0x01, 0, 0][..]] {
        let answer = ask(&request(&[(ATTR_RESPONSE_PORT, value)]));
        assert_eq!(answer.to, SocketAddr::new(client().ip(), 0x1001));
        assert_eq!(xor_mapped(&decode(&answer.bytes)), client());
    }
    for value in [&[0, 0][..], &[0, 0, 0, 0], &[1], &[1, 2, 3]] {
        let answer = ask(&request(&[(ATTR_RESPONSE_PORT, value)]));
        assert_eq!(code(&decode(&answer.bytes)), 400, "{value:?}");
        assert_eq!(answer.to, client(), "an error goes to who asked");
    }
}

/// RFC 5780 §7.6 says as long as the MTU, whatever the request has.
#[test]
fn padding_is_answered_with_as_much_and_never_more_than_a_frame() {
    for (asked, answered) in [(4, 4), (5, 8), (1480, 1480), (1500, 1500), (9000, 1500)] {
        let m = decode(&ask(&request(&[(ATTR_PADDING, &vec![7; asked])])).bytes);
        assert_eq!(m.get(ATTR_PADDING).unwrap().len(), answered);
    }
}

#[test]
fn padding_with_response_port_is_a_bad_request() {
    let both = request(&[(ATTR_PADDING, &[0; 8]), (ATTR_RESPONSE_PORT, &[16, 1, 0, 0])]);
    assert_eq!(code(&decode(&ask(&both).bytes)), 400);
}

#[test]
fn a_malformed_change_request_is_a_bad_request() {
    for value in [&[][..], &[6], &[0, 0, 6], &[0, 0, 0, 0, 6]] {
        assert_eq!(code(&decode(&ask(&request(&[(ATTR_CHANGE_REQUEST, value)])).bytes)), 400, "{value:?}");
    }
}

#[test]
fn a_fingerprint_is_checked_and_answered_with_one() {
    let mut m = message(BINDING_REQUEST, &[(ATTR_PADDING, &[0; 4])]);
    FINGERPRINT.add_to(&mut m).unwrap();
    let answered = decode(&ask(&m.raw).bytes);
    assert!(FINGERPRINT.check(&answered).is_ok());
    assert_eq!(answered.attributes.0.last().unwrap().typ, ATTR_FINGERPRINT, "nothing may follow it");

    *m.raw.last_mut().unwrap() ^= 1;
    assert_eq!(ask_at(&m.raw, Place::PRIMARY, &two_addresses()), None);
}

#[test]
fn software_is_named_where_the_answer_does_not_grow_longer_than_the_request_by_it() {
    let options = Options { software: Some("natlab 0".to_owned()) };
    let ask = |bytes: &[u8]| {
        let answer = answer(bytes, client(), Place::PRIMARY, Transport::Udp, &two_addresses(), &options).unwrap();
        decode(&answer.bytes).get(ATTR_SOFTWARE).ok()
    };
    assert_eq!(ask(&request(&[])), None);
    assert_eq!(ask(&request(&[(ATTR_SOFTWARE, &[b'c'; 80])])).unwrap(), b"natlab 0");
}

#[test]
fn over_tcp_nothing_is_answered_from_elsewhere() {
    for (typ, value) in
        [(ATTR_CHANGE_REQUEST, [0, 0, 0, 6]), (ATTR_RESPONSE_PORT, [1, 2, 0, 0]), (ATTR_PADDING, [0; 4])]
    {
        let bytes = request(&[(typ, &value)]);
        let answer =
            answer(&bytes, client(), Place::PRIMARY, Transport::Tcp, &two_addresses(), &Options::default()).unwrap();
        assert_eq!(answer.from, Place::PRIMARY);
        assert_eq!(unknown(&decode(&answer.bytes)), [typ]);
    }
}

#[test]
fn what_is_no_request_is_met_with_silence() {
    let mut truncated = request(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, 6])]);
    truncated.truncate(24);
    let mut trailing = request(&[]);
    trailing.extend([0; 4]);
    let mut channel = request(&[]);
    channel[0] = 0x40;
    let mut method = request(&[]);
    method[1] = 3;
    for bytes in [
        &b""[..],
        b"GET / HTTP/1.1\r\n\r\n",
        &truncated,
        &trailing,
        &channel,
        &method,
        &message(BINDING_SUCCESS, &[]).raw,
        &message(BINDING_ERROR, &[]).raw,
    ] {
        assert_eq!(ask_at(bytes, Place::PRIMARY, &two_addresses()), None, "{bytes:?}");
    }
}

#[test]
fn a_classic_client_gets_its_own_transaction_id_and_no_xor() {
    let answer = ask(&classic(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, 6])]));
    assert_eq!(answer.from, Place::PRIMARY.opposite());
    let mut bytes = answer.bytes;
    assert_eq!(bytes[4..8], [1, 2, 3, 4]);
    assert_eq!(bytes[8..20], ID);
    bytes[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes());
    let m = decode(&bytes);
    assert_eq!(address(&m, ATTR_MAPPED_ADDRESS), Some(client()));
    assert_eq!(address(&m, ATTR_SOURCE_ADDRESS), at("203.0.113.2:3479"));
    assert_eq!(address(&m, ATTR_CHANGED_ADDRESS), at("203.0.113.2:3479"));
    assert_eq!(m.attributes.0.len(), 3);
}

#[test]
fn a_classic_client_that_asks_for_no_change_is_answered_with_one_address_too() {
    let none = classic(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, 0])]);
    assert_eq!(ask_at(&none, Place::PRIMARY, &one_address()).unwrap().bytes[..2], [0x01, 0x01]);
    let some = classic(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, 2])]);
    assert_eq!(ask_at(&some, Place::PRIMARY, &one_address()).unwrap().bytes[..2], [0x01, 0x11]);
}

/// RFC 3489 §11.2.1 would let anybody direct answers at anybody.
#[test]
fn a_classic_response_address_is_refused() {
    let mut refused = ask(&classic(&[(AttrType(0x0002), &[0, 1, 0, 53, 192, 0, 2, 1])]));
    assert_eq!(refused.to, client());
    refused.bytes[4..8].copy_from_slice(&0x2112_A442u32.to_be_bytes());
    let m = decode(&refused.bytes);
    assert_eq!(code(&m), 420);
    assert_eq!(unknown(&m), [AttrType(2), AttrType(2)], "RFC 3489 §11.2.10: an even number");
}

#[test]
fn an_ipv6_client_is_told_its_endpoint() {
    let source: SocketAddr = "[2001:db8::9]:5000".parse().unwrap();
    let primary: SocketAddr = "[2001:db8::1]:3478".parse().unwrap();
    let endpoints = Endpoints { primary, alternate: None };
    let answer =
        answer(&request(&[]), source, Place::PRIMARY, Transport::Udp, &endpoints, &Options::default()).unwrap();
    assert_eq!(xor_mapped(&decode(&answer.bytes)), source);
}

#[test]
fn sockets_must_be_one_or_four_at_the_right_places() {
    let socket = || std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    assert!(Sockets::from_bound(vec![socket()], Vec::new()).is_ok());
    assert!(matches!(Sockets::from_bound(vec![socket(), socket()], Vec::new()), Err(StartError::Sockets { udp: 2 })));
    assert!(Sockets::from_bound(vec![socket(), socket(), socket(), socket()], Vec::new()).is_err());
}

fn near_stun() -> impl Strategy<Value = Vec<u8>> {
    let value = prop::collection::vec(any::<u8>(), 0..40);
    let typ = prop_oneof![Just(0x0003u16), Just(0x0026), Just(0x0027), Just(0x8028), Just(0x0008), any::<u16>()];
    let attributes = prop::collection::vec((typ, value), 0..6);
    (attributes, any::<bool>(), prop::option::of((0usize..200, any::<u8>()))).prop_map(
        |(attributes, cookie, damage)| {
            let mut m = message(BINDING_REQUEST, &[]);
            for (typ, value) in attributes {
                m.add(AttrType(typ), &value);
            }
            let mut bytes = m.raw;
            if !cookie {
                bytes[4] = 0;
            }
            if let Some((index, byte)) = damage {
                let index = index % bytes.len();
                bytes[index] = byte;
            }
            bytes
        },
    )
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        ask_at(&bytes, Place::PRIMARY, &two_addresses());
    }

    #[test]
    fn nothing_near_a_request_makes_it_panic_and_answers_are_whole(bytes in near_stun()) {
        for endpoints in [one_address(), two_addresses()] {
            if let Some(answer) = ask_at(&bytes, Place::PRIMARY, &endpoints) {
                let length = usize::from(u16::from_be_bytes([answer.bytes[2], answer.bytes[3]]));
                prop_assert_eq!(length + 20, answer.bytes.len());
                prop_assert_eq!(&answer.bytes[4..20], &bytes[4..20]);
                prop_assert!(endpoints.at(answer.from).is_some(), "answers leave from sockets that there are");
                prop_assert_eq!(answer.to.ip(), client().ip(), "and go to no third party");
            }
        }
    }
}

mod loopback {
    use super::*;

    /// Four sockets on two loopback addresses and two ports that were free.
    fn four_sockets() -> Sockets {
        loop {
            let first = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let second = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            let (p1, p2) = (first.local_addr().unwrap().port(), second.local_addr().unwrap().port());
            let others = (std::net::UdpSocket::bind(("127.0.0.2", p1)), std::net::UdpSocket::bind(("127.0.0.2", p2)));
            let (Ok(third), Ok(fourth)) = others else { continue };
            let Ok(tcp) = std::net::TcpListener::bind(("127.0.0.1", p1)) else { continue };
            return Sockets::from_bound(vec![first, second, third, fourth], vec![tcp]).unwrap();
        }
    }

    async fn received(socket: &UdpSocket) -> (Message, SocketAddr) {
        let mut buffer = [0; 2000];
        let (n, from) = tokio::time::timeout(Duration::from_secs(5), socket.recv_from(&mut buffer))
            .await
            .expect("in time")
            .unwrap();
        (decode(&buffer[..n]), from)
    }

    #[tokio::test]
    async fn answers_come_from_all_four_sockets() {
        let sockets = four_sockets();
        let endpoints = sockets.endpoints();
        let server = tokio::spawn(serve(sockets, Options::default()));
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        for place in Place::ALL {
            for flags in [0, 2, 4, 6] {
                let bytes = request(&[(ATTR_CHANGE_REQUEST, &[0, 0, 0, flags])]);
                client.send_to(&bytes, endpoints.at(place).unwrap()).await.unwrap();
                let (m, from) = received(&client).await;
                assert_eq!(Some(from), endpoints.at(place.changed(flags & 4 != 0, flags & 2 != 0)));
                assert_eq!(address(&m, ATTR_RESPONSE_ORIGIN), Some(from), "it knows where it answers from");
                assert_eq!(xor_mapped(&m), client.local_addr().unwrap());
            }
        }
        server.abort();
    }

    #[tokio::test]
    async fn an_answer_goes_to_the_response_port() {
        let sockets = four_sockets();
        let endpoints = sockets.endpoints();
        let server = tokio::spawn(serve(sockets, Options::default()));
        let (client, other) =
            (UdpSocket::bind("127.0.0.1:0").await.unwrap(), UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let port = other.local_addr().unwrap().port().to_be_bytes();
        client.send_to(&request(&[(ATTR_RESPONSE_PORT, &port)]), endpoints.primary).await.unwrap();
        let (m, from) = received(&other).await;
        assert_eq!((from, xor_mapped(&m)), (endpoints.primary, client.local_addr().unwrap()));
        server.abort();
    }

    #[tokio::test]
    async fn a_tcp_client_may_ask_several_times_and_in_pieces() {
        let sockets = four_sockets();
        let endpoints = sockets.endpoints();
        let server = tokio::spawn(serve(sockets, Options::default()));
        let mut stream = TcpStream::connect(endpoints.primary).await.unwrap();
        let two = [request(&[]), request(&[(AttrType(0x33), &[1, 2, 3, 4])])].concat();
        for piece in two.chunks(7) {
            stream.write_all(piece).await.unwrap();
            stream.flush().await.unwrap();
        }
        let mut types = Vec::new();
        for _ in 0..2 {
            let mut bytes = vec![0; 20];
            stream.read_exact(&mut bytes).await.unwrap();
            bytes.resize(20 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 0);
            stream.read_exact(&mut bytes[20..]).await.unwrap();
            types.push(decode(&bytes).typ);
        }
        assert_eq!(types, [BINDING_SUCCESS, BINDING_ERROR]);

        let mut stranger = TcpStream::connect(endpoints.primary).await.unwrap();
        stranger.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut rest = Vec::new();
        // Closed with or without a reset, since what it said was not read to its end.
        let _ = stranger.read_to_end(&mut rest).await;
        assert!(rest.is_empty(), "no answer to another protocol");
        server.abort();
    }
}
