#![allow(clippy::unwrap_used)]

use stun::agent::TransactionId;
use stun::message::{BINDING_ERROR, METHOD_ALLOCATE, METHOD_REFRESH, Method};
use stun::message::{CLASS_ERROR_RESPONSE, CLASS_REQUEST, Message, MessageType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::link::read_frame;
use super::*;

const LIMIT: Duration = Duration::from_secs(5);
/// A hold that no test waits for.
const LONG: Duration = Duration::from_secs(3600);
const CHANNEL_DATA: [u8; 9] = [0x40, 0x00, 0, 5, b'h', b'e', b'l', b'l', b'o'];
const SEND_INDICATION: [u8; 20] = indication(0x16);
const DATA_INDICATION: [u8; 20] = indication(0x17);

const fn indication(kind: u8) -> [u8; 20] {
    [0x00, kind, 0, 0, 0x21, 0x12, 0xa4, 0x42, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]
}

fn allocate() -> Message {
    request(METHOD_ALLOCATE)
}

fn request(method: Method) -> Message {
    let mut message = Message::new();
    let typ = MessageType::new(method, CLASS_REQUEST);
    message.build(&[Box::new(TransactionId::new()), Box::new(typ)]).unwrap();
    message
}

async fn client(shim: &Shim) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(shim.endpoint()).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; MAX_FRAME];
    let length = tokio::time::timeout(LIMIT, socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    buffer
}

/// A shim and the reasons it gave.
fn shim_for(transport: Transport, server: impl ToString, hold: Duration) -> (Shim, mpsc::UnboundedReceiver<String>) {
    let (told, reasons) = mpsc::unbounded_channel();
    let on_failure = Box::new(move |reason| told.send(reason).unwrap());
    let shim = Shim::start(Settings { server: server.to_string(), transport, hold, on_failure }).unwrap();
    (shim, reasons)
}

fn over_tcp(server: impl ToString) -> (Shim, mpsc::UnboundedReceiver<String>) {
    shim_for(Transport::Tcp, server, Duration::ZERO)
}

async fn receive_from(server: &UdpSocket) -> (Vec<u8>, SocketAddr) {
    let mut buffer = vec![0; MAX_FRAME];
    let (length, from) = tokio::time::timeout(LIMIT, server.recv_from(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    (buffer, from)
}

async fn assert_refused(socket: &UdpSocket, request: &Message) {
    let mut response = Message { raw: receive(socket).await, ..Message::default() };
    response.decode().unwrap();
    assert_eq!(response.typ, MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE));
    assert_eq!(response.transaction_id, request.transaction_id);
}

#[tokio::test]
async fn messages_cross_both_ways_and_repetitions_do_not() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shim, mut reasons) = over_tcp(server.local_addr().unwrap());
    let socket = client(&shim).await;
    let request = allocate().raw;
    socket.send(&request).await.unwrap();
    let (mut stream, _) = server.accept().await.unwrap();
    assert_eq!(read_frame(&mut stream).await.unwrap(), request);

    // A retransmission, then odd ChannelData twice, equal data being no repetition: bare, and padded as the turn crate does.
    let padded = [&CHANNEL_DATA[..], &[0; 3]].concat();
    for message in [&request[..], &CHANNEL_DATA, &padded] {
        socket.send(message).await.unwrap();
    }
    let mut both = [0; 24];
    stream.read_exact(&mut both).await.unwrap();
    assert_eq!(both[..], [padded.clone(), padded.clone()].concat(), "padded, and the repetition was dropped");

    // Two messages in one segment arrive as two datagrams without padding.
    stream.write_all(&[padded, request.clone()].concat()).await.unwrap();
    assert_eq!(receive(&socket).await, CHANNEL_DATA);
    assert_eq!(receive(&socket).await, request);
    assert!(reasons.try_recv().is_err(), "no failure was told");
}

#[tokio::test]
async fn a_binding_request_is_answered_with_an_error_and_opens_no_connection() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shim, _) = over_tcp(server.local_addr().unwrap());
    let socket = client(&shim).await;
    let mut request = Message::new();
    request.build(&[Box::new(TransactionId::new()), Box::new(BINDING_REQUEST)]).unwrap();
    socket.send(&request.raw).await.unwrap();
    let mut response = Message { raw: receive(&socket).await, ..Message::default() };
    response.decode().unwrap();
    assert_eq!((response.typ, response.transaction_id), (BINDING_ERROR, request.transaction_id));
    // The answer is there, so the request has been dealt with: nobody has connected.
    let nobody = tokio::time::timeout(Duration::ZERO, server.accept()).await;
    assert!(nobody.is_err(), "{nobody:?}");
}

#[tokio::test]
async fn a_refused_connection_is_told_once_and_every_request_answered() {
    // A port that was free a moment ago and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let (shim, mut reasons) = over_tcp(port);
    let socket = client(&shim).await;
    for _ in 0..2 {
        let request = allocate();
        socket.send(&request.raw).await.unwrap();
        assert_refused(&socket, &request).await;
    }
    let reason = reasons.try_recv().unwrap();
    assert!(reason.contains("refused") && reason.contains(&port.to_string()), "{reason}");
    assert!(reasons.try_recv().is_err(), "told once");
}

#[tokio::test]
async fn a_server_that_hangs_up_or_talks_nonsense_ends_the_connection_with_a_reason() {
    for (words, expected) in [(&b""[..], "closed by the server"), (&[0xff; 4], "neither a STUN")] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (shim, mut reasons) = over_tcp(server.local_addr().unwrap());
        let socket = client(&shim).await;
        socket.send(&allocate().raw).await.unwrap();
        let (mut stream, _) = server.accept().await.unwrap();
        read_frame(&mut stream).await.unwrap(); // unread bytes would turn the end into a reset
        stream.write_all(words).await.unwrap();
        drop(stream);
        let reason = tokio::time::timeout(LIMIT, reasons.recv()).await.unwrap().unwrap();
        assert!(reason.contains(expected), "{reason}");
        socket.send(&allocate().raw).await.unwrap();
        assert!(stun::message::is_message(&receive(&socket).await), "what is asked afterwards is answered");
        assert!(reasons.try_recv().is_err(), "told once");
    }
}

#[tokio::test]
async fn over_udp_everything_crosses_byte_by_byte() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (shim, mut reasons) = shim_for(Transport::Udp, server.local_addr().unwrap(), Duration::ZERO);
    let socket = client(&shim).await;
    // A request and its repetition, and ChannelData without padding and with the turn crate's.
    let request = allocate().raw;
    let padded = [&CHANNEL_DATA[..], &[0; 3]].concat();
    let messages = [&request[..], &request, &CHANNEL_DATA, &padded];
    for message in messages {
        socket.send(message).await.unwrap();
    }
    let client_port = socket.local_addr().unwrap().port();
    for message in messages {
        let (received, from) = receive_from(&server).await;
        assert_eq!(received, message);
        assert_eq!(shim.local_port(client_port), Some(from.port()));
    }
    let shim_socket = SocketAddr::from((Ipv4Addr::LOCALHOST, shim.local_port(client_port).unwrap()));
    // What is not from the server is for nobody.
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    stranger.send_to(b"stranger", shim_socket).await.unwrap();
    for message in messages {
        server.send_to(message, shim_socket).await.unwrap();
        assert_eq!(receive(&socket).await, message);
    }
    assert!(reasons.try_recv().is_err(), "no failure was told");
}

#[tokio::test]
async fn the_data_plane_of_an_allocation_waits_for_its_own_candidate() {
    const HOLD: Duration = Duration::from_millis(30);
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let (shim, _) = shim_for(Transport::Udp, server.local_addr().unwrap(), HOLD);
    let (one, other) = (client(&shim).await, client(&shim).await);
    let sent = [b"\x40\x01\0\x01a".to_vec(), b"\x40\x01\0\x01b".to_vec()];
    let permission = allocate().raw;
    for message in [&sent[0], &sent[1], &permission] {
        one.send(message).await.unwrap();
    }
    other.send(&CHANNEL_DATA).await.unwrap();
    assert_eq!(receive_from(&server).await.0, permission, "requests pass");
    let out_at = tokio::time::Instant::now();
    shim.candidate_is_out(one.local_addr().unwrap().port());
    for message in sent {
        assert_eq!(receive_from(&server).await.0, message, "in order, and not the other's");
    }
    assert!(out_at.elapsed() >= HOLD);
    shim.candidate_is_out(other.local_addr().unwrap().port());
    assert_eq!(receive_from(&server).await.0, CHANNEL_DATA);
}

#[tokio::test]
async fn a_peer_who_sends_to_the_relay_knows_it() {
    for from_peer in [&DATA_INDICATION[..], &CHANNEL_DATA] {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (shim, _) = shim_for(Transport::Udp, server.local_addr().unwrap(), LONG);
        let socket = client(&shim).await;
        for message in [&SEND_INDICATION[..], &allocate().raw] {
            socket.send(message).await.unwrap();
        }
        let (_, shim_socket) = receive_from(&server).await;
        server.send_to(from_peer, shim_socket).await.unwrap();
        assert_eq!(receive(&socket).await, from_peer);
        socket.send(&CHANNEL_DATA).await.unwrap(); // the answer
        assert_eq!(receive_from(&server).await.0, SEND_INDICATION);
        assert_eq!(receive_from(&server).await.0, CHANNEL_DATA);
    }
}

#[tokio::test]
async fn the_data_plane_waits_over_tcp_too() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shim, _) = shim_for(Transport::Tcp, server.local_addr().unwrap(), LONG);
    let socket = client(&shim).await;
    let request = allocate().raw;
    for message in [&SEND_INDICATION[..], &request] {
        socket.send(message).await.unwrap();
    }
    let (mut stream, _) = server.accept().await.unwrap();
    assert_eq!(read_frame(&mut stream).await.unwrap(), request);
    stream.write_all(&DATA_INDICATION).await.unwrap();
    assert_eq!(read_frame(&mut stream).await.unwrap(), SEND_INDICATION);
}

#[tokio::test]
async fn at_the_end_the_last_request_goes_out_and_held_data_does_not() {
    let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (over_udp, _) = shim_for(Transport::Udp, udp.local_addr().unwrap(), LONG);
    let (over_tcp, _) = shim_for(Transport::Tcp, tcp.local_addr().unwrap(), LONG);
    let refresh = request(METHOD_REFRESH).raw;
    for shim in [&over_udp, &over_tcp] {
        let socket = client(shim).await;
        for message in [&SEND_INDICATION[..], &refresh] {
            socket.send(message).await.unwrap();
        }
        shim.end().await;
        shim.end().await; // a second time changes nothing
    }
    let (received, _) = receive_from(&udp).await;
    assert_eq!(received, refresh);
    let mut rest = Vec::new();
    let (mut stream, _) = tcp.accept().await.unwrap();
    tokio::time::timeout(LIMIT, stream.read_to_end(&mut rest)).await.unwrap().unwrap();
    assert_eq!(rest, refresh, "and then the connection ended");
}

#[tokio::test]
async fn without_a_route_over_udp_each_request_is_refused_and_the_first_allocation_told() {
    // A socket may not send to the broadcast address unless it says so: the system refuses at once, as without a route.
    let (shim, mut reasons) = shim_for(Transport::Udp, "255.255.255.255:3478", Duration::ZERO);
    let socket = client(&shim).await;
    for request in [request(METHOD_REFRESH), allocate(), allocate()] {
        socket.send(&request.raw).await.unwrap();
        assert_refused(&socket, &request).await;
    }
    let reason = reasons.try_recv().unwrap();
    assert!(reason.starts_with("UDP to 255.255.255.255:3478: "), "{reason}");
    assert!(reasons.try_recv().is_err(), "told once");
}

#[tokio::test]
async fn an_address_that_means_nothing_is_told() {
    let (shim, mut reasons) = shim_for(Transport::Udp, "nowhere", Duration::ZERO);
    let socket = client(&shim).await;
    let request = allocate();
    socket.send(&request.raw).await.unwrap();
    assert_refused(&socket, &request).await;
    assert!(reasons.try_recv().unwrap().starts_with("UDP to nowhere: "));
}

#[tokio::test]
async fn a_closed_port_over_udp_is_as_silent_as_without_a_shim() {
    let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = server.local_addr().unwrap();
    drop(server);
    let (shim, mut reasons) = shim_for(Transport::Udp, address, Duration::ZERO);
    let socket = client(&shim).await;
    socket.send(&allocate().raw).await.unwrap(); // answered by the system, with an ICMP error
    while shim.local_port(socket.local_addr().unwrap().port()).is_none() {
        tokio::task::yield_now().await;
    }
    let server = UdpSocket::bind(address).await.unwrap();
    let again = allocate().raw;
    socket.send(&again).await.unwrap();
    while receive_from(&server).await.0 != again {}
    assert!(reasons.try_recv().is_err(), "no failure was told");
}
