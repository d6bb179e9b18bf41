//! A loopback socket that the library takes for its TURN server: one task per socket of the library, so that what goes to the
//! real server can be changed ([`super::turn_tcp`]) or held back ([`super::turn_udp`]).
//!
//! Binding requests end here with an error. The library asks every TURN URL for a server-reflexive candidate as well; through a
//! shim it would get the address of the shim's socket, which is no candidate of anybody.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::message::{BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_REQUEST, Message, MessageType};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Messages waiting for a client's task; more are dropped, as a full UDP socket would.
const WAITING: usize = 256;
/// The longest datagram.
pub const LONGEST: usize = 1 << 16;

/// One UDP socket of the library, as a shim sees it.
#[derive(Debug)]
pub struct Client {
    /// The way back to it.
    pub back: Back,
    /// What it sends to its TURN server; ends with the shim.
    pub messages: mpsc::Receiver<Vec<u8>>,
}

/// The way back to a client.
#[derive(Debug)]
pub struct Back {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
}

impl Back {
    /// Answers the client, as its TURN server. One that has gone needs no answer.
    pub async fn answer(&self, message: &[u8]) {
        let _ = self.socket.send_to(message, self.address).await;
    }
}

/// Starts a shim and gives its endpoint; `serve` is called for each client and starts its task. It runs until the runtime does;
/// it must be called inside one.
///
/// # Errors
/// The loopback socket cannot be made.
pub async fn start(serve: impl Fn(Client) + Send + 'static) -> io::Result<SocketAddr> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let endpoint = socket.local_addr()?;
    tokio::spawn(listen(socket, serve));
    Ok(endpoint)
}

async fn listen(socket: Arc<UdpSocket>, serve: impl Fn(Client)) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut buffer = vec![0; LONGEST];
    loop {
        let (length, address) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A client that has gone: Linux reports the ICMP error of an earlier answer here.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        let message = &buffer[..length];
        if let Some(answer) = refuse(message, |typ| typ == BINDING_REQUEST, 400, "no reflexive address through a shim")
        {
            let _ = socket.send_to(&answer, address).await;
            continue;
        }
        let client = clients.entry(address).or_insert_with(|| {
            let (sender, messages) = mpsc::channel(WAITING);
            serve(Client { back: Back { socket: Arc::clone(&socket), address }, messages });
            sender
        });
        let _ = client.try_send(message.to_vec());
    }
}

/// The error response to a STUN request of the types `which`; `None` for anything else.
pub fn refuse(message: &[u8], which: impl Fn(MessageType) -> bool, code: u16, reason: &str) -> Option<Vec<u8>> {
    if !stun::message::is_message(message) {
        return None;
    }
    let mut request = Message { raw: message.to_vec(), ..Message::default() };
    request.decode().ok()?;
    if request.typ.class != CLASS_REQUEST || !which(request.typ) {
        return None;
    }
    let mut response = Message::new();
    let typ = MessageType::new(request.typ.method, CLASS_ERROR_RESPONSE);
    let error = ErrorCodeAttribute { code: ErrorCode(code), reason: reason.as_bytes().to_vec() };
    response.build(&[Box::new(request), Box::new(typ), Box::new(error)]).ok()?;
    Some(response.raw)
}
