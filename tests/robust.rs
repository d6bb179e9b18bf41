//! STUN and TURN against bytes that mean harm: nothing panics, servers survive, memory is bounded, and nobody is sent more
//! than the standards require.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "robust/corpus.rs"]
mod corpus;
#[path = "robust/servers.rs"]
mod servers;

use std::collections::BTreeMap;
use std::io::Write;
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use natlab::agent::turn_shim::framing;
use natlab::agent::turn_shim::message::{Repetitions, is_from_peer, is_to_peer, refuse};
use natlab::event::Direction;
use natlab::event::decode::Decoder;
use natlab::net::Transport;
use natlab::probe::turn::message;
use natlab::probe::wire;
use natlab::server::stun::{Endpoints, Options, Place, answer};
use natlab::server::turn::frame;
use natlab::server::turn::front::{Front, Inbound};
use natlab::server::turn::{Credentials, Options as TurnOptions};

use servers::Server;

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/stun-corpus")
}

/// `NATLAB_REWRITE_CORPUS=1` writes it anew. Files beside the generated ones, as a fuzzer finds them, are read too.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(directory()).unwrap().map(|f| f.unwrap().path());
    files.map(|f| (f.file_name().unwrap().to_str().unwrap().to_owned(), std::fs::read(f).unwrap())).collect()
}

#[test]
fn the_corpus_is_what_its_generator_makes() {
    let generated = corpus::messages();
    if std::env::var_os("NATLAB_REWRITE_CORPUS").is_some() {
        std::fs::create_dir_all(directory()).unwrap();
        for (name, bytes) in &generated {
            std::fs::write(directory().join(name), bytes).unwrap();
        }
    }
    let stored = corpus();
    for (name, bytes) in &generated {
        assert_eq!(stored.get(name), Some(bytes), "{name}: NATLAB_REWRITE_CORPUS=1 cargo test --test robust");
    }
    assert!(generated.len() > 200, "{}", generated.len());
}

fn client() -> SocketAddr {
    "192.0.2.9:40000".parse().unwrap()
}

fn endpoints() -> Endpoints {
    Endpoints::new([203, 0, 113, 1].into(), Some([203, 0, 113, 2].into()), 3478, 3479)
}

fn front() -> Front {
    let credentials = Credentials { user: "u".to_owned(), password: "p".to_owned(), realm: "natlab".to_owned() };
    let options = TurnOptions { credentials, relay_address: [203, 0, 113, 1].into() };
    Front::new(&options, Transport::Udp, "203.0.113.1:3478".parse().unwrap())
}

/// An IPv4 packet with the bytes as a datagram to port 3478.
fn datagram(bytes: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 0, 2, 9, 203, 0, 113, 1];
    packet.extend([0x9c, 0x40, 0x0d, 0x96]);
    packet.extend((bytes.len() as u16 + 8).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(bytes);
    let length = packet.len() as u16;
    packet[2..4].copy_from_slice(&length.to_be_bytes());
    packet
}

#[test]
fn no_parser_panics_on_any_message_of_the_corpus() {
    let (endpoints, options, now) = (endpoints(), Options { software: Some("natlab".to_owned()) }, Instant::now());
    let (mut front, mut decoder) = (front(), Decoder::new());
    let (mut bindings, mut refused, mut framed) = (0, 0, 0);
    for (name, whole) in corpus() {
        // Every beginning of it too, since a stream may end anywhere.
        for length in (0..=whole.len().min(120)).chain([whole.len()]) {
            let bytes = &whole[..length];
            for (place, over) in Place::ALL.into_iter().flat_map(|p| [(p, Transport::Udp), (p, Transport::Tcp)]) {
                let answer = answer(bytes, client(), place, over, &endpoints, &options);
                // RFC 5780 §7.5, §9: only the port may be another one; and never to a stranger.
                assert!(answer.is_none_or(|a| a.to.ip() == client().ip()), "{name}");
            }
            let _ = front.inbound(bytes, client(), now);
            front.outbound(bytes, client(), now);
            if let Some(message::Incoming::Response(r)) = message::read(bytes) {
                let _ = (r.error(), r.mapped(), r.relayed(), r.other(), r.alternate_server(), r.lifetime());
                let _ = (r.realm(), r.nonce(), r.software(), r.is_authentic(b"key"));
            }
            if let Ok(head) = <[u8; 4]>::try_from(&bytes[..length.min(4)]) {
                assert_eq!(frame::begins(head).map(|f| (f.on_wire, f.message)), message::frame(head), "{name}");
            }
            decoder.packet("node", Direction::In, &datagram(bytes));
            if wire::read(bytes).is_some() {
                assert_eq!(bytes.len() % 4, 0, "{name}: no whole message");
                bindings += 1;
            }
            if let Some(answer) = refuse(bytes, |_| true, 400, "no") {
                assert_eq!((&answer[4..20], answer[0] & 1, answer[1] & 0x10), (&bytes[4..20], 1, 0x10), "{name}");
                refused += 1;
            }
            if let Some(frame) = framing::frame(bytes) {
                assert!(frame.len() % 4 == 0 && framing::frame(&frame).as_ref() == Some(&frame), "{name}");
                framed += 1;
            }
            // What belongs to the data plane is never taken for a repetition, nor for a message that may be answered.
            let data = is_to_peer(bytes) || is_from_peer(bytes);
            let mut seen = Repetitions::default();
            assert!(seen.is_new(bytes) && (seen.is_new(bytes) || !data), "{name}");
            // RFC 8489 §5: the first two bits of every message are zeros.
            if bytes.first().is_some_and(|first| first >> 6 != 0) {
                let nothing = refuse(bytes, |_| true, 400, "no").is_none() && wire::read(bytes).is_none();
                assert!(
                    nothing && message::read(bytes).is_none_or(|m| !matches!(m, message::Incoming::Response(_))),
                    "{name}"
                );
                let over = Transport::Udp;
                assert!(answer(bytes, client(), Place::PRIMARY, over, &endpoints, &options).is_none(), "{name}");
            }
        }
    }
    assert!(bindings > 40 && refused > 40 && framed > 100, "{bindings} {refused} {framed}");
}

/// What an answer to an unverified source may be longer than its request by, and who requires it.
fn allowance(request: &[u8], answer: &[u8]) -> (usize, &'static str) {
    let error_code = |bytes: &[u8]| {
        let at = bytes.windows(2).position(|w| w == [0x00, 0x09]).filter(|at| *at >= 20);
        at.and_then(|at| Some(u16::from(*bytes.get(at + 6)?) * 100 + u16::from(*bytes.get(at + 7)?)))
    };
    match (u16::from_be_bytes([answer[0], answer[1]]), error_code(answer)) {
        // XOR-MAPPED-ADDRESS 12 (RFC 8489 §6.3.1.1); MAPPED-ADDRESS 12, RESPONSE-ORIGIN 12 and OTHER-ADDRESS 12 (RFC 5780
        // §6.1: "MUST"); FINGERPRINT is there only where the request has one.
        (0x0101, _) => (48, "XOR-MAPPED-ADDRESS, and the three of RFC 5780 §6.1"),
        // ERROR-CODE 4 + 4 + "Unknown Attribute" 20, UNKNOWN-ATTRIBUTES 4 + 2 for each (RFC 8489 §6.3.1); each unknown one
        // took at least four bytes of the request.
        (0x0111, Some(420)) => (32, "ERROR-CODE and UNKNOWN-ATTRIBUTES, RFC 8489 §6.3.1"),
        (_, Some(400)) => (36, "ERROR-CODE, RFC 8489 §9.2.4, RFC 5780 §6.1"),
        // ERROR-CODE 8 + 12, REALM 4 + 8, NONCE 4 + 24 or what the client sent itself (RFC 8489 §9.2.4).
        (_, Some(401)) => (80, "ERROR-CODE, REALM and NONCE, RFC 8489 §9.2.4"),
        (_, Some(437)) => (48, "ERROR-CODE, RFC 8656 §5"),
        _ => (0, if request.is_empty() { "nothing" } else { "no allowance" }),
    }
}

#[test]
fn nobody_is_sent_more_than_the_standards_require() {
    let (endpoints, options) = (endpoints(), Options { software: Some("natlab 0.1.0".to_owned()) });
    let mut answered = 0;
    for (name, bytes) in corpus() {
        for place in Place::ALL {
            let Some(answer) = answer(&bytes, client(), place, Transport::Udp, &endpoints, &options) else { continue };
            answered += 1;
            let (more, why) = allowance(&bytes, &answer.bytes);
            let (from, to) = (bytes.len(), answer.bytes.len());
            assert!(to <= from + more, "STUN, {name}: {from} bytes in, {to} out, {more} allowed ({why})");
        }
        if let Inbound::Reply(reply) = front().inbound(&bytes, client(), Instant::now()) {
            answered += 1;
            let (more, why) = allowance(&bytes, &reply);
            let (from, to) = (bytes.len(), reply.len());
            assert!(to <= from + more, "TURN, {name}: {from} bytes in, {to} out, {more} allowed ({why})");
        }
    }
    assert!(answered > 100, "only {answered} answers: the check looks at nothing");
}

/// The same through the wire, where the `turn` crate answers too.
#[test]
fn servers_survive_the_corpus_and_send_no_more_than_required() {
    for server in [Server::stun(), Server::turn()] {
        for (name, bytes) in corpus() {
            // A socket of its own for each, so that an answer belongs to it for sure.
            let socket = UdpSocket::bind((servers::own_address(), 0)).unwrap();
            socket.connect(server.at).unwrap();
            socket.send(&bytes).unwrap();
            // The sentinel goes after it through the same queue: when it is answered, what came before it was as well.
            let mut sentinel = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
            sentinel.extend(b"the-sentinel");
            socket.send(&sentinel).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
            let mut buffer = [0; 4096];
            loop {
                let length = socket.recv(&mut buffer).unwrap_or_else(|e| panic!("dead after {name}: {e}"));
                if buffer[8..20] == sentinel[8..] {
                    break;
                }
                let (more, why) = allowance(&bytes, &buffer[..length]);
                assert!(length <= bytes.len() + more, "{name}: {} in, {length} out ({why})", bytes.len());
            }
            let mut stream = TcpStream::connect(server.at).unwrap();
            // The server may have closed it before all is written.
            let _ = stream.write_all(&bytes);
        }
        server.assert_alive("the corpus");
    }
}

#[test]
fn servers_survive_a_flood_with_bounded_memory() {
    const PACKETS: u32 = 40_000;
    /// What the second flood may add to what the first one left: caches are full by then. The nonces that the `turn` crate
    /// remembers for each request without credentials would be more than twice as much.
    const MORE: u64 = 1 << 20;
    let corpus: Vec<Vec<u8>> = corpus().into_values().filter(|m| m.len() < 200).collect();
    let mut allocate = vec![0, 3, 0, 8, 0x21, 0x12, 0xa4, 0x42];
    allocate.extend(b"flood-of-all");
    allocate.extend([0, 0x19, 0, 4, 17, 0, 0, 0]);
    for server in [Server::stun(), Server::turn()] {
        // From many addresses and ports, as with a spoofed source.
        let sockets: Vec<UdpSocket> =
            (0..200).map(|i| UdpSocket::bind((std::net::Ipv4Addr::new(127, 63, 1, i), 0)).unwrap()).collect();
        let flood = |from: u32| {
            for count in from..from + PACKETS {
                let mut message = match count % 2 {
                    0 => allocate.clone(),
                    _ => corpus[count as usize / 2 % corpus.len()].clone(),
                };
                // Each a transaction of its own.
                if let Some(id) = message.get_mut(8..12) {
                    id.copy_from_slice(&count.to_be_bytes());
                }
                sockets[count as usize % sockets.len()].send_to(&message, server.at).unwrap();
                // So that the server has read them all: what is lost in its full queue proves nothing.
                if count % 64 == 0 {
                    server.assert_answers_udp("a part of the flood");
                }
            }
            server.assert_alive("the flood");
            server.memory()
        };
        let before = flood(0);
        let after = flood(PACKETS);
        assert!(after <= before + MORE, "{before} bytes before, {after} after");
        // And all at once, without waiting for anything.
        for count in 0..PACKETS {
            let _ = sockets[count as usize % sockets.len()].send_to(&allocate, server.at);
        }
        server.assert_alive("a flood that overflows its queue");
    }
}
