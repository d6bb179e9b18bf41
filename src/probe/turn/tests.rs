#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::SocketAddr;
use std::time::Duration;

use ::stun::attributes::{ATTR_NONCE, ATTR_REALM};
use ::stun::error_code::{ErrorCode, ErrorCodeAttribute};
use ::stun::message::*;
use ::stun::textattrs::{Nonce, Realm};
use tokio::net::UdpSocket;

use super::*;
use crate::net::Transport;
use crate::server::turn;

/// natlab's own server on a loopback address: over UDP, and over TCP.
async fn server() -> (turn::Server, SocketAddr, SocketAddr) {
    let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let sockets = turn::Sockets::bind(&[local], &[Transport::Udp, Transport::Tcp]).unwrap();
    let (udp, tcp) = (sockets.udp[0].local_addr().unwrap(), sockets.tcp[0].local_addr().unwrap());
    let credentials = turn::Credentials { user: "u".to_owned(), password: "p".to_owned(), realm: "natlab".to_owned() };
    let options = turn::Options { credentials, relay_address: local.ip() };
    (turn::Server::start(sockets, options).await.unwrap(), udp, tcp)
}

fn credentials(password: &str) -> Option<Credentials> {
    Some(Credentials { user: "u".to_owned(), password: password.to_owned() })
}

async fn over_udp(server: SocketAddr, password: &str) -> Client {
    Client::new(Link::udp(server).await.unwrap(), credentials(password), Pace::default())
}

async fn over_tcp(server: SocketAddr) -> Client {
    let link = Link::tcp(server, Duration::from_secs(3)).await.unwrap();
    Client::new(link, credentials("p"), Pace::default())
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(5)
}

/// Two relays send to each other, in indications and over a channel.
async fn carries(mut a: Client, mut b: Client) {
    let (at_a, at_b) = (a.allocate().await.unwrap(), b.allocate().await.unwrap());
    assert!(at_a.authenticated && at_a.lifetime > Duration::from_secs(60));
    assert_eq!(a.realm(), Some("natlab"));
    b.permit(at_a.relay).await.unwrap();
    for length in [0usize, 1, 3, 4, 1000] {
        let data = vec![7; length];
        a.send_from_relay(at_b.relay, &data).await.unwrap();
        let packet = b.receive(soon()).await.unwrap().expect("a packet");
        assert_eq!(packet, Packet { from: Some(at_a.relay), data, via: Via::Indication });
    }
    a.bind_channel(0x4000, at_b.relay).await.unwrap();
    for length in [1usize, 3, 4, 1000] {
        let data = vec![9; length];
        a.send_on_channel(0x4000, &data).await.unwrap();
        assert_eq!(b.receive(soon()).await.unwrap().expect("a packet").data, data);
        b.send_from_relay(at_a.relay, &data).await.unwrap();
        let packet = a.receive(soon()).await.unwrap().expect("a packet");
        assert_eq!(packet, Packet { from: Some(at_b.relay), data, via: Via::Channel(0x4000) });
    }
    assert!(a.refresh(Duration::from_secs(300)).await.unwrap() >= Duration::from_secs(300));
    a.release().await.unwrap();
    let gone = a.permit(at_b.relay).await.unwrap_err();
    assert_eq!(gone.cause(), Cause::AllocationMismatch, "{gone}");
    b.release().await.unwrap();
}

#[tokio::test]
async fn relays_carry_data_over_udp_and_tcp() {
    let (server, udp, tcp) = server().await;
    carries(over_udp(udp, "p").await, over_udp(udp, "p").await).await;
    carries(over_tcp(tcp).await, over_tcp(tcp).await).await;
    carries(over_tcp(tcp).await, over_udp(udp, "p").await).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_missing_one() {
    let (server, udp, _) = server().await;
    let wrong = over_udp(udp, "wrong").await.allocate().await.unwrap_err();
    assert!(matches!(&wrong, Failure::Unauthorized { user, realm, .. } if user == "u" && realm == "natlab"), "{wrong}");
    let none = Client::new(Link::udp(udp).await.unwrap(), None, Pace::default()).allocate().await.unwrap_err();
    assert!(matches!(&none, Failure::CredentialsWanted { realm } if realm == "natlab"), "{none}");
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_stale_nonce_is_renewed_and_counted() {
    let (server, udp, _) = server().await;
    let mut client = over_udp(udp, "p").await;
    client.allocate().await.unwrap();
    client.auth.as_mut().unwrap().nonce = "of yesterday".to_owned();
    client.refresh(Duration::from_secs(600)).await.unwrap();
    assert_eq!(client.stale_nonces(), 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_second_allocation_on_one_5_tuple_is_a_mismatch() {
    let (server, udp, _) = server().await;
    let mut client = over_udp(udp, "p").await;
    client.allocate().await.unwrap();
    assert_eq!(client.allocate().await.unwrap_err().cause(), Cause::AllocationMismatch);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_dead_port_is_refused_at_once() {
    let closed = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let failure = over_udp(closed, "p").await.binding().await.unwrap_err();
    assert_eq!(failure.cause(), Cause::ConnectionRefused, "{failure}");
    let failure = Link::tcp(closed, Duration::from_secs(3)).await.unwrap_err();
    assert_eq!(failure.cause(), Cause::ConnectionRefused, "{failure}");
}

/// Answers every request by `answer`, which gets it and how many came before.
async fn scripted(answer: impl Fn(&Message, usize) -> Vec<Vec<u8>> + Send + 'static) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 2048];
        for count in 0.. {
            let (length, client) = socket.recv_from(&mut buffer).await.unwrap();
            let mut request = Message { raw: buffer[..length].to_vec(), ..Message::default() };
            request.decode().unwrap();
            for bytes in answer(&request, count) {
                socket.send_to(&bytes, client).await.unwrap();
            }
        }
    });
    at
}

fn error(request: &Message, code: u16, extra: Vec<Box<dyn Setter>>) -> Vec<Vec<u8>> {
    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(request.transaction_id),
        Box::new(MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE)),
        Box::new(ErrorCodeAttribute { code: ErrorCode(code), reason: b"because".to_vec() }),
    ];
    setters.extend(extra);
    let mut m = Message::new();
    m.build(&setters).unwrap();
    vec![m.raw]
}

fn challenge(request: &Message, code: u16) -> Vec<Vec<u8>> {
    let realm = Realm::new(ATTR_REALM, "r".to_owned());
    error(request, code, vec![Box::new(realm), Box::new(Nonce::new(ATTR_NONCE, "n".to_owned()))])
}

fn hurried() -> Pace {
    Pace { rto: Duration::from_millis(20), patience: Duration::from_millis(150) }
}

async fn refused(at: SocketAddr) -> Failure {
    let mut client = Client::new(Link::udp(at).await.unwrap(), credentials("p"), hurried());
    client.allocate().await.unwrap_err()
}

#[tokio::test]
async fn every_refusal_has_its_cause() {
    for (code, cause) in [
        (300, Cause::TryAlternate),
        (400, Cause::BadRequest),
        (403, Cause::Forbidden),
        (420, Cause::UnknownAttribute),
        (437, Cause::AllocationMismatch),
        (440, Cause::AddressFamily),
        (441, Cause::WrongCredentials),
        (442, Cause::UnsupportedTransport),
        (443, Cause::PeerAddressFamily),
        (486, Cause::QuotaReached),
        (500, Cause::ServerError),
        (508, Cause::InsufficientCapacity),
        (699, Cause::OtherRefusal),
    ] {
        let at = scripted(move |request, count| match count {
            0 => challenge(request, 401),
            _ => error(request, code, vec![]),
        });
        let failure = refused(at.await).await;
        assert_eq!(failure.cause(), cause, "{failure}");
        assert!(failure.to_string().contains(&code.to_string()), "{failure}");
        assert!(cause == Cause::OtherRefusal || cause.hint().is_some());
    }
}

#[tokio::test]
async fn a_nonce_that_is_always_stale_ends_after_one_renewal() {
    let at = scripted(|request, count| challenge(request, if count == 0 { 401 } else { 438 })).await;
    assert_eq!(refused(at).await.cause(), Cause::StaleNonce);
}

#[tokio::test]
async fn an_answer_that_is_not_authentic_does_not_count() {
    let at = scripted(|request, count| match count {
        0 => challenge(request, 401),
        _ => {
            let mut m = Message::new();
            let typ = MessageType::new(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE);
            m.build(&[Box::new(request.transaction_id), Box::new(typ)]).unwrap();
            vec![m.raw]
        }
    });
    let failure = refused(at.await).await;
    assert_eq!(failure.cause(), Cause::NotAuthentic, "{failure}");
}

#[tokio::test]
async fn answers_of_other_transactions_truncated_and_oversized_ones_are_no_answers() {
    let at = scripted(|request, _| {
        let right = challenge(request, 400).remove(0);
        let mut other = right.clone();
        other[19] ^= 1;
        let oversized = [&right[..], &[0; 8]].concat();
        vec![other, right[..right.len() - 4].to_vec(), oversized, vec![], vec![0; 3]]
    });
    let failure = refused(at.await).await;
    assert!(matches!(failure, Failure::Silent { sends: 2.., .. }), "{failure}");
}
