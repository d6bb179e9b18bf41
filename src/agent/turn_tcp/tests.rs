#![allow(clippy::unwrap_used)]

use stun::agent::TransactionId;
use stun::message::{
    BINDING_ERROR, BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_REQUEST, METHOD_ALLOCATE, Message, MessageType,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;

use super::framing::MAX_FRAME;
use super::*;

const LIMIT: Duration = Duration::from_secs(5);

fn allocate() -> Message {
    let mut message = Message::new();
    let typ = MessageType::new(METHOD_ALLOCATE, CLASS_REQUEST);
    message.build(&[Box::new(TransactionId::new()), Box::new(typ)]).unwrap();
    message
}

async fn client(shim: SocketAddr) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(shim).await.unwrap();
    socket
}

async fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; MAX_FRAME];
    let length = tokio::time::timeout(LIMIT, socket.recv(&mut buffer)).await.unwrap().unwrap();
    buffer.truncate(length);
    buffer
}

/// A shim and the reasons it gave.
async fn shim_for(server: String) -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let (told, reasons) = mpsc::unbounded_channel();
    let shim = start(server, Hold::new(std::time::Duration::ZERO), Arc::new(move |reason| told.send(reason).unwrap()))
        .await
        .unwrap();
    (shim, reasons)
}

#[tokio::test]
async fn messages_cross_both_ways_and_repetitions_do_not() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shim, mut reasons) = shim_for(server.local_addr().unwrap().to_string()).await;
    let socket = client(shim).await;
    let request = allocate().raw;
    socket.send(&request).await.unwrap();
    let (mut stream, _) = server.accept().await.unwrap();
    assert_eq!(read_frame(&mut stream).await.unwrap(), request);

    // A retransmission, then odd ChannelData twice, equal data being no repetition: bare, and padded as the turn crate does.
    let data = [0x40, 0x00, 0, 5, b'h', b'e', b'l', b'l', b'o'];
    let padded = [&data[..], &[0; 3]].concat();
    for message in [&request[..], &data, &padded] {
        socket.send(message).await.unwrap();
    }
    let mut both = [0; 24];
    stream.read_exact(&mut both).await.unwrap();
    assert_eq!(both[..], [padded.clone(), padded.clone()].concat(), "padded, and the repetition was dropped");

    // Two messages in one segment arrive as two datagrams without padding.
    stream.write_all(&[padded, request.clone()].concat()).await.unwrap();
    assert_eq!(receive(&socket).await, data);
    assert_eq!(receive(&socket).await, request);
    assert!(reasons.try_recv().is_err(), "no failure was told");
}

#[tokio::test]
async fn a_binding_request_is_answered_with_an_error_and_opens_no_connection() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (shim, _) = shim_for(server.local_addr().unwrap().to_string()).await;
    let socket = client(shim).await;
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
    let (shim, mut reasons) = shim_for(port.to_string()).await;
    let socket = client(shim).await;
    for _ in 0..2 {
        let request = allocate();
        socket.send(&request.raw).await.unwrap();
        let mut response = Message { raw: receive(&socket).await, ..Message::default() };
        response.decode().unwrap();
        assert_eq!(response.typ, MessageType::new(METHOD_ALLOCATE, CLASS_ERROR_RESPONSE));
        assert_eq!(response.transaction_id, request.transaction_id);
    }
    let reason = reasons.try_recv().unwrap();
    assert!(reason.contains("refused") && reason.contains(&port.to_string()), "{reason}");
    assert!(reasons.try_recv().is_err(), "told once");
}

#[tokio::test]
async fn a_server_that_hangs_up_or_talks_nonsense_ends_the_connection_with_a_reason() {
    for (words, expected) in [(&b""[..], "closed by the server"), (&[0xff; 4], "neither a STUN")] {
        let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (shim, mut reasons) = shim_for(server.local_addr().unwrap().to_string()).await;
        let socket = client(shim).await;
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
