#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ::stun::agent::TransactionId;
use ::stun::attributes::*;
use ::stun::error_code::ErrorCodeAttribute;
use ::stun::integrity::MessageIntegrity;
use ::stun::message::*;
use ::stun::textattrs::{Nonce, Realm, Username};
use ::turn::client::{Client, ClientConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};

use super::*;

fn credentials() -> Credentials {
    Credentials { user: "u".to_owned(), password: "p".to_owned(), realm: "natlab".to_owned() }
}

/// A server on a loopback address with both transports; each at its own port.
async fn start() -> (Server, SocketAddr, SocketAddr) {
    let local: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let sockets = Sockets::bind(&[local], &[Transport::Udp, Transport::Tcp]).unwrap();
    let (udp, tcp) = (sockets.udp[0].local_addr().unwrap(), sockets.tcp[0].local_addr().unwrap());
    let options = Options { credentials: credentials(), relay_address: local.ip() };
    (Server::start(sockets, options).await.unwrap(), udp, tcp)
}

async fn client(server: SocketAddr, password: &str) -> Client {
    let client = Client::new(ClientConfig {
        stun_serv_addr: String::new(),
        turn_serv_addr: server.to_string(),
        username: "u".to_owned(),
        password: password.to_owned(),
        realm: String::new(),
        software: String::new(),
        rto_in_ms: 0,
        conn: Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap()),
        vnet: None,
    })
    .await
    .unwrap();
    client.listen().await.unwrap();
    client
}

async fn in_time<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(10), what).await.expect("in time")
}

/// Five messages of different lengths to a peer and back again over a relay.
async fn carries_data(server: SocketAddr) {
    let client = client(server, "p").await;
    let relay = in_time(client.allocate()).await.unwrap();
    let peer = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut buffer = [0; 1600];
    for length in [1, 2, 3, 4, 1000] {
        let message = vec![u8::try_from(length % 251).unwrap(); length];
        in_time(relay.send_to(&message, peer.local_addr().unwrap())).await.unwrap();
        let (n, from) = in_time(peer.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((&buffer[..n], from), (&message[..], relay.local_addr().unwrap()));
        peer.send_to(&message, from).await.unwrap();
        let (n, from) = in_time(relay.recv_from(&mut buffer)).await.unwrap();
        assert_eq!((&buffer[..n], from), (&message[..], peer.local_addr().unwrap()));
    }
    client.close().await.unwrap();
}

#[tokio::test]
async fn a_relay_carries_data_over_udp() {
    let (server, udp, _) = start().await;
    carries_data(udp).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_relay_carries_data_over_tcp() {
    let (server, _, tcp) = start().await;
    carries_data(shim(tcp).await).await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_wrong_password_gets_no_relay() {
    let (server, udp, _) = start().await;
    let refused = in_time(client(udp, "wrong").await.allocate()).await.err().unwrap().to_string();
    assert!(refused.contains("401"), "{refused}");
    server.close().await.unwrap();
}

fn allocate(nonce: Option<&[u8]>) -> Vec<u8> {
    let mut m = Message::new();
    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(TransactionId::new()),
        Box::new(MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST)),
        Box::new(RawAttribute { typ: ATTR_REQUESTED_TRANSPORT, length: 4, value: vec![17, 0, 0, 0] }),
    ];
    if let Some(nonce) = nonce {
        let Credentials { user, password, realm } = credentials();
        setters.push(Box::new(Username::new(ATTR_USERNAME, user.clone())));
        setters.push(Box::new(Realm::new(ATTR_REALM, realm.clone())));
        setters.push(Box::new(Nonce::new(ATTR_NONCE, String::from_utf8(nonce.to_vec()).unwrap())));
        setters.push(Box::new(MessageIntegrity::new_long_term_integrity(user, realm, password)));
    }
    m.build(&setters).unwrap();
    m.raw
}

fn decode(bytes: &[u8]) -> Message {
    let mut m = Message { raw: bytes.to_vec(), ..Message::default() };
    m.decode().unwrap();
    m
}

async fn exchange(socket: &UdpSocket, server: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    socket.send_to(bytes, server).await.unwrap();
    let mut buffer = vec![0; 1500];
    let (n, _) = in_time(socket.recv_from(&mut buffer)).await.unwrap();
    buffer.truncate(n);
    buffer
}

#[tokio::test]
async fn a_retransmitted_allocate_is_answered_identically() {
    let (server, udp, _) = start().await;
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let challenge = decode(&exchange(&socket, udp, &allocate(None)).await);
    let nonce = challenge.get(ATTR_NONCE).unwrap();
    let request = allocate(Some(&nonce));
    let first = exchange(&socket, udp, &request).await;
    assert_eq!(decode(&first).typ, MessageType::new(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE));
    assert_eq!(exchange(&socket, udp, &request).await, first);

    let mut code = ErrorCodeAttribute::default();
    code.get_from(&decode(&exchange(&socket, udp, &allocate(Some(&nonce))).await)).unwrap();
    assert_eq!(code.code.0, 437, "a second Allocate is no retransmission");
    server.close().await.unwrap();
}

#[tokio::test]
async fn plain_binding_requests_work_over_both_transports() {
    let (server, udp, tcp) = start().await;
    let mut m = Message::new();
    m.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).unwrap();
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    assert_eq!(decode(&exchange(&socket, udp, &m.raw).await).typ, BINDING_SUCCESS);
    assert_eq!(decode(&exchange(&socket, shim(tcp).await, &m.raw).await).typ, BINDING_SUCCESS);
    server.close().await.unwrap();
}

async fn message(stream: &mut TcpStream) -> Message {
    let mut bytes = vec![0; 20];
    in_time(stream.read_exact(&mut bytes)).await.unwrap();
    bytes.resize(20 + usize::from(u16::from_be_bytes([bytes[2], bytes[3]])), 0);
    in_time(stream.read_exact(&mut bytes[20..])).await.unwrap();
    decode(&bytes)
}

/// The 5-tuple it belongs to is gone for good.
#[tokio::test]
async fn the_end_of_a_connection_ends_its_allocation() {
    let (server, _, tcp) = start().await;
    let mut stream = TcpStream::connect(tcp).await.unwrap();
    stream.write_all(&allocate(None)).await.unwrap();
    let nonce = message(&mut stream).await.get(ATTR_NONCE).unwrap();
    stream.write_all(&allocate(Some(&nonce))).await.unwrap();
    assert_eq!(message(&mut stream).await.typ, MessageType::new(METHOD_ALLOCATE, CLASS_SUCCESS_RESPONSE));
    assert_eq!(server.inner.get_allocations_info(None).await.unwrap().len(), 1);
    drop(stream);
    in_time(async {
        while !server.inner.get_allocations_info(None).await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    server.close().await.unwrap();
}

#[tokio::test]
async fn what_is_not_turn_ends_the_connection_and_harms_no_other() {
    let (server, _, tcp) = start().await;
    let mut stranger = TcpStream::connect(tcp).await.unwrap();
    stranger.write_all(&[0x80; 64]).await.unwrap();
    let mut rest = Vec::new();
    // Closed with or without a reset, since what it said was not read to its end.
    let _ = in_time(stranger.read_to_end(&mut rest)).await;
    assert!(rest.is_empty());
    carries_data(shim(tcp).await).await;
    server.close().await.unwrap();
}

/// The client of the crate speaks UDP only: this carries its messages over a connection per client, framed.
async fn shim(server: SocketAddr) -> SocketAddr {
    let udp = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let local = udp.local_addr().unwrap();
    tokio::spawn(async move {
        let mut connections: HashMap<SocketAddr, OwnedWriteHalf> = HashMap::new();
        let mut buffer = vec![0; 2000];
        while let Ok((n, client)) = udp.recv_from(&mut buffer).await {
            if let Entry::Vacant(place) = connections.entry(client) {
                let (reader, writer) = TcpStream::connect(server).await.unwrap().into_split();
                place.insert(writer);
                tokio::spawn(unframe(reader, Arc::clone(&udp), client));
            }
            let writer = connections.get_mut(&client).unwrap();
            writer.write_all(&frame::encode(&buffer[..n])).await.unwrap();
        }
    });
    local
}

/// Messages of a connection as datagrams to the client.
async fn unframe(mut reader: OwnedReadHalf, udp: Arc<UdpSocket>, client: SocketAddr) {
    let mut head = [0; frame::HEAD];
    while reader.read_exact(&mut head).await.is_ok() {
        let frame = frame::begins(head).unwrap();
        let mut bytes = head.to_vec();
        bytes.resize(frame.on_wire, 0);
        reader.read_exact(&mut bytes[frame::HEAD..]).await.unwrap();
        udp.send_to(&bytes[..frame.message], client).await.unwrap();
    }
}
