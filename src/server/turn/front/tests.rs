#![allow(clippy::unwrap_used, clippy::expect_used)]

use ::stun::attributes::*;
use ::stun::message::Getter;
use proptest::prelude::*;

use super::*;

fn client() -> SocketAddr {
    "192.0.2.9:40000".parse().unwrap()
}

fn front() -> Front {
    front_of("203.0.113.1")
}

/// With relays on an address.
fn front_of(relay: &str) -> Front {
    let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned(), realm: "natlab".to_owned() };
    let options = Options { credentials, relay_address: relay.parse().unwrap() };
    Front::new(&options, Transport::Udp, "203.0.113.1:3478".parse().unwrap())
}

fn request(id: u8, method: Method, user: &str, password: &str) -> Vec<u8> {
    request_with(id, method, user, password, None)
}

/// Authentic, with an attribute of its own before the others.
fn request_with(id: u8, method: Method, user: &str, password: &str, more: Option<RawAttribute>) -> Vec<u8> {
    let mut m = Message::new();
    let mut setters: Vec<Box<dyn Setter>> =
        vec![Box::new(TransactionId([id; 12])), Box::new(MessageType::new(method, CLASS_REQUEST))];
    setters.extend(more.map(|more| Box::new(more) as Box<dyn Setter>));
    setters.push(Box::new(Username::new(ATTR_USERNAME, user.to_owned())));
    setters.push(Box::new(Realm::new(ATTR_REALM, "natlab".to_owned())));
    setters.push(Box::new(Nonce::new(ATTR_NONCE, "nonce".to_owned())));
    let key = MessageIntegrity::new_long_term_integrity(user.to_owned(), "natlab".to_owned(), password.to_owned());
    setters.push(Box::new(key));
    m.build(&setters).unwrap();
    m.raw
}

fn bare(id: u8, method: Method) -> Vec<u8> {
    let mut m = Message::new();
    m.build(&[Box::new(TransactionId([id; 12])), Box::new(MessageType::new(method, CLASS_REQUEST))]).unwrap();
    m.raw
}

fn success(id: u8, method: Method, lifetime: u32) -> Vec<u8> {
    let mut m = Message::new();
    m.build(&[
        Box::new(TransactionId([id; 12])),
        Box::new(MessageType::new(method, CLASS_SUCCESS_RESPONSE)),
        Box::new(RawLifetime(lifetime)),
    ])
    .unwrap();
    m.raw
}

fn decode(bytes: &[u8]) -> Message {
    let mut m = Message { raw: bytes.to_vec(), ..Message::default() };
    m.decode().unwrap();
    m
}

fn replied(inbound: Inbound) -> (u16, Message) {
    let Inbound::Reply(bytes) = inbound else { return (0, Message::new()) };
    let m = decode(&bytes);
    let mut e = ErrorCodeAttribute::default();
    e.get_from(&m).unwrap();
    (e.code.0, m)
}

/// A front that has seen an allocation of ten minutes be made.
fn allocated(now: Instant) -> Front {
    let mut front = front();
    assert_eq!(front.inbound(&request(1, METHOD_ALLOCATE, "u", "p"), client(), now), Inbound::Pass);
    front.outbound(&success(1, METHOD_ALLOCATE, 600), client(), now);
    front
}

#[test]
fn a_retransmitted_request_gets_the_stored_answer() {
    let now = Instant::now();
    let mut front = allocated(now);
    let again = request(1, METHOD_ALLOCATE, "u", "p");
    assert_eq!(front.inbound(&again, client(), now), Inbound::Reply(success(1, METHOD_ALLOCATE, 600)));
    let stranger: SocketAddr = "192.0.2.9:40001".parse().unwrap();
    assert_eq!(front.inbound(&again, stranger, now), Inbound::Pass, "another source, another transaction");
    assert_eq!(front.inbound(&again, client(), now + KEEP), Inbound::Pass, "RFC 8489 §6.3.1: 40 seconds");
}

#[test]
fn answers_are_kept_up_to_a_number() {
    let now = Instant::now();
    let mut front = front();
    for i in 0..2 * u16::try_from(KEEP_AT_MOST).unwrap() {
        let source = SocketAddr::new(client().ip(), i);
        front.outbound(&success(1, METHOD_REFRESH, 1), source, now);
    }
    assert!(front.answers.len() <= KEEP_AT_MOST && front.ages.len() <= KEEP_AT_MOST);
    let newest = SocketAddr::new(client().ip(), 2 * u16::try_from(KEEP_AT_MOST).unwrap() - 1);
    assert!(front.answers.contains_key(&(newest, [1; 12])));
}

#[test]
fn wrong_credentials_are_unauthorized_with_a_realm_and_a_nonce() {
    let mut front = front();
    for (id, user, password) in [(1, "u", "wrong"), (2, "nobody", "p")] {
        let (code, m) = replied(front.inbound(&request(id, METHOD_ALLOCATE, user, password), client(), Instant::now()));
        assert_eq!(code, 401);
        assert_eq!(m.get(ATTR_REALM).unwrap(), b"natlab");
        assert_eq!(m.get(ATTR_NONCE).unwrap(), b"nonce");
        assert!(!m.contains(ATTR_MESSAGE_INTEGRITY));
    }
}

#[test]
fn without_an_allocation_there_is_a_mismatch_and_no_silence() {
    let mut front = front();
    for (id, method) in [(1, METHOD_REFRESH), (2, METHOD_CREATE_PERMISSION), (3, METHOD_CHANNEL_BIND)] {
        let (code, m) = replied(front.inbound(&request(id, method, "u", "p"), client(), Instant::now()));
        assert_eq!(code, 437);
        let integrity = MessageIntegrity(front.key.clone());
        assert!(integrity.check(&mut m.clone()).is_ok(), "the client can tell that it comes from the server");
    }
    let (code, m) = replied(front.inbound(&bare(4, METHOD_CREATE_PERMISSION), client(), Instant::now()));
    assert_eq!(code, 401);
    assert!(m.contains(ATTR_NONCE) && m.contains(ATTR_REALM));
    assert_eq!(
        front.inbound(&bare(5, METHOD_ALLOCATE), client(), Instant::now()),
        Inbound::Pass,
        "the crate challenges"
    );
}

#[test]
fn a_relay_of_another_family_is_refused_and_ipv4_is_meant_where_none_is_named() {
    for (relay, passes) in [("203.0.113.1", [true, true, false]), ("2001:db8::1", [false, false, true])] {
        for (family, passes) in [None, Some(1), Some(2)].into_iter().zip(passes) {
            let value = |f| RawAttribute { typ: ATTR_REQUESTED_ADDRESS_FAMILY, length: 4, value: vec![f, 0, 0, 0] };
            let asked = request_with(1, METHOD_ALLOCATE, "u", "p", family.map(value));
            let told = front_of(relay).inbound(&asked, client(), Instant::now());
            assert_eq!(told == Inbound::Pass, passes, "{relay} {family:?}");
            if !passes {
                assert_eq!(replied(told).0, 440, "{relay} {family:?}");
            }
        }
    }
}

#[test]
fn an_allocation_lives_as_long_as_its_answers_say() {
    let now = Instant::now();
    let permit =
        |front: &mut Front, id, at| front.inbound(&request(id, METHOD_CREATE_PERMISSION, "u", "p"), client(), at);

    let mut front = allocated(now);
    assert_eq!(permit(&mut front, 2, now), Inbound::Pass);
    assert_eq!(replied(permit(&mut front, 3, now + Duration::from_secs(600))).0, 437, "it ran out");

    let mut front = allocated(now);
    assert_eq!(front.inbound(&request(4, METHOD_REFRESH, "u", "p"), client(), now), Inbound::Pass);
    front.outbound(&success(4, METHOD_REFRESH, 1200), client(), now);
    assert_eq!(permit(&mut front, 5, now + Duration::from_secs(900)), Inbound::Pass, "it was refreshed");

    let mut front = allocated(now);
    assert_eq!(front.inbound(&request(6, METHOD_REFRESH, "u", "p"), client(), now), Inbound::Pass);
    front.outbound(&success(6, METHOD_REFRESH, 0), client(), now);
    assert_eq!(replied(permit(&mut front, 7, now)).0, 437, "it was given back");
}

#[test]
fn a_farewell_gives_the_allocation_back_in_the_clients_name() {
    let now = Instant::now();
    let mut front = allocated(now);
    let m = decode(&front.farewell(client(), [9; 12]).unwrap());
    assert_eq!(m.typ, MessageType::new(METHOD_REFRESH, CLASS_REQUEST));
    assert_eq!(m.get(ATTR_LIFETIME).unwrap(), [0; 4]);
    assert_eq!(m.get(ATTR_NONCE).unwrap(), b"nonce");
    assert!(MessageIntegrity(front.key.clone()).check(&mut m.clone()).is_ok());
    assert_eq!(front.farewell(client(), [9; 12]), None, "once");
}

#[test]
fn binding_requests_are_answered_here_and_unknown_attributes_refused() {
    let mut front = front();
    let Inbound::Reply(bytes) = front.inbound(&bare(1, METHOD_BINDING), client(), Instant::now()) else {
        unreachable!("a Binding request is answered")
    };
    assert_eq!(decode(&bytes).typ, BINDING_SUCCESS);
    let mut m = decode(&bare(2, METHOD_BINDING));
    m.add(ATTR_CHANGE_REQUEST, &[0, 0, 0, 6]);
    assert_eq!(replied(front.inbound(&m.raw, client(), Instant::now())).0, 420);
}

#[test]
fn data_passes_and_the_rest_does_not() {
    let mut front = front();
    let mut inbound = |bytes: &[u8]| front.inbound(bytes, client(), Instant::now());
    assert_eq!(inbound(&[0x40, 0, 0, 1, 7]), Inbound::Pass, "ChannelData");
    let mut indication = bare(1, METHOD_SEND);
    indication[1] |= 0x10;
    assert_eq!(inbound(&indication), Inbound::Pass);
    assert_eq!(inbound(&success(1, METHOD_ALLOCATE, 1)), Inbound::Ignore, "a server gets no answers");
    assert_eq!(inbound(b""), Inbound::Ignore);
    assert_eq!(inbound(&[0x80; 40]), Inbound::Ignore, "RTP");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), request in any::<bool>()) {
        if request && bytes.len() >= 20 {
            bytes[0] = 0;
            bytes[4..8].copy_from_slice(&MAGIC_COOKIE.to_be_bytes());
            let length = u16::try_from(bytes.len() - 20).unwrap();
            bytes[2..4].copy_from_slice(&length.to_be_bytes());
        }
        let mut front = front();
        front.inbound(&bytes, client(), Instant::now());
        front.outbound(&bytes, client(), Instant::now());
    }

    #[test]
    fn damage_to_a_request_makes_it_neither_panic_nor_pass_as_authentic(at in 20usize..200, byte in any::<u8>()) {
        let mut bytes = request(1, METHOD_CREATE_PERMISSION, "u", "p");
        let at = 20 + at % (bytes.len() - 20);
        let damaged = bytes[at] != byte;
        bytes[at] = byte;
        let mut front = allocated(Instant::now());
        // Without MESSAGE-INTEGRITY the crate asks for it; with a wrong one nothing gets as far as that.
        let passed = front.inbound(&bytes, client(), Instant::now()) == Inbound::Pass;
        let m = Message { raw: bytes, ..Message::default() };
        let mut m2 = m.clone();
        let authentic = m2.decode().is_ok()
            && [ATTR_USERNAME, ATTR_REALM, ATTR_NONCE, ATTR_MESSAGE_INTEGRITY].iter().all(|t| m2.contains(*t));
        prop_assert!(!(damaged && passed && authentic && MessageIntegrity(front.key.clone()).check(&mut m2).is_err()));
    }
}

/// The crate remembers each of its nonces, so it is asked for one in half an hour.
#[test]
fn everybody_is_challenged_with_one_nonce_while_it_is_fresh() {
    let (mut front, now) = (front(), Instant::now());
    assert_eq!(front.inbound(&bare(1, METHOD_ALLOCATE), client(), now), Inbound::Pass, "the crate gives the first one");
    let mut challenge = Message::new();
    challenge
        .build(&[
            Box::new(TransactionId([1; 12])),
            Box::new(MessageType::new(METHOD_ALLOCATE, CLASS_ERROR_RESPONSE)),
            Box::new(error(CODE_UNAUTHORIZED, "Unauthorized")),
            Box::new(Nonce::new(ATTR_NONCE, "of the crate".to_owned())),
        ])
        .unwrap();
    front.outbound(&challenge.raw, client(), now);
    for id in 2..9 {
        let (code, answer) = replied(front.inbound(&bare(id, METHOD_ALLOCATE), client(), now));
        assert_eq!((code, answer.get(ATTR_NONCE).unwrap().as_slice()), (401, &b"of the crate"[..]));
    }
    assert_eq!(front.inbound(&bare(9, METHOD_ALLOCATE), client(), now + NONCE_FRESH), Inbound::Pass, "it grew old");
}

#[test]
fn credentials_that_are_not_whole_are_a_bad_request() {
    let mut m = Message::new();
    m.build(&[
        Box::new(TransactionId([1; 12])),
        Box::new(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST)),
        Box::new(Nonce::new(ATTR_NONCE, "n".to_owned())),
        Box::new(MessageIntegrity::new_long_term_integrity("u".to_owned(), "natlab".to_owned(), "p".to_owned())),
    ])
    .unwrap();
    assert_eq!(replied(front().inbound(&m.raw, client(), Instant::now())).0, 400);
}
