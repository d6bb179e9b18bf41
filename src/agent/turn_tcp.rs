//! TURN over TCP for a library that only speaks TURN over UDP: a relay between a loopback UDP socket, which the library
//! takes for its TURN server, and one TCP connection per client to the real one (RFC 8656 §3.1, §12.5).
//!
//! Three things differ between the two transports, and the shim settles each where it arises:
//!
//! * The library asks every TURN URL for a server-reflexive candidate as well. Through the shim it would get the address of
//!   the TCP connection, which is no UDP candidate of anybody. Binding requests are therefore answered here, with an error,
//!   and never sent: the TURN client itself uses none.
//! * Over TCP nothing is retransmitted (RFC 8489 §6.2.2), but the library's client does it after 200 ms: repeated requests
//!   are dropped.
//! * A connection can fail, a datagram cannot: the failure is reported once, and whatever the client asks is answered with
//!   an error, so that gathering ends at once instead of after the client's 7.8 s of retransmissions.

pub mod framing;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use stun::error_code::{ErrorCode, ErrorCodeAttribute};
use stun::message::{BINDING_REQUEST, CLASS_ERROR_RESPONSE, CLASS_REQUEST, Message, MessageType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::sync::mpsc;

use super::hold::{Gate, Hold};
use framing::{Header, MAX_FRAME};

/// How long a TCP connection may take: less than the 7.8 s after which the TURN client gives up by itself.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Messages waiting for the connection; more are dropped, as a full UDP socket would.
pub(super) const WAITING: usize = 256;
/// Requests remembered to recognise their repetitions; the client has one outstanding transaction.
const REMEMBERED: usize = 32;

/// Told when no connection can be made or an existing one breaks; called at most once per client.
pub type OnFailure = Arc<dyn Fn(String) + Send + Sync>;

/// Starts a shim for the TURN server at `server` (`HOST:PORT`) and gives the endpoint that stands for it. It runs until the
/// runtime does; it must be called inside one.
///
/// # Errors
/// The loopback socket cannot be made.
pub async fn start(server: String, hold: Hold, on_failure: OnFailure) -> io::Result<SocketAddr> {
    let socket = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?);
    let endpoint = socket.local_addr()?;
    tokio::spawn(serve(socket, server, hold, on_failure));
    Ok(endpoint)
}

async fn serve(socket: Arc<UdpSocket>, server: String, hold: Hold, on_failure: OnFailure) {
    let mut clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>> = HashMap::new();
    let mut buffer = vec![0; MAX_FRAME];
    loop {
        let (length, from) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // A client that has gone: Linux reports the ICMP error of an earlier answer here.
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => continue,
            Err(_) => return,
        };
        let message = &buffer[..length];
        if let Some(answer) = refuse(message, |typ| typ == BINDING_REQUEST, 400, "no reflexive address over TCP") {
            let _ = socket.send_to(&answer, from).await;
            continue;
        }
        let client = clients.entry(from).or_insert_with(|| {
            let (sender, messages) = mpsc::channel(WAITING);
            let client = Client { socket: Arc::clone(&socket), address: from, gate: hold.gate() };
            tokio::spawn(client.run(messages, server.clone(), Arc::clone(&on_failure)));
            sender
        });
        let _ = client.try_send(message.to_vec());
    }
}

/// One UDP socket of the library.
struct Client {
    socket: Arc<UdpSocket>,
    address: SocketAddr,
    gate: Gate,
}

impl Client {
    async fn run(mut self, mut messages: mpsc::Receiver<Vec<u8>>, server: String, on_failure: OnFailure) {
        let reason = match connect(&server).await {
            Ok(stream) => self.relay(stream, &mut messages).await,
            Err(e) => e,
        };
        let reason = format!("TCP connection to {server}: {reason}");
        on_failure(reason.clone());
        while let Some(message) = messages.recv().await {
            if let Some(answer) = refuse(&message, |_| true, 500, &reason) {
                let _ = self.socket.send_to(&answer, self.address).await;
            }
        }
    }

    /// Carries messages both ways until the connection ends; gives the reason.
    async fn relay(&mut self, stream: TcpStream, messages: &mut mpsc::Receiver<Vec<u8>>) -> io::Error {
        let _ = stream.set_nodelay(true); // checks are small and their timing is measured
        let (mut from_server, mut to_server) = stream.into_split();
        let Client { socket, address, gate } = self;
        let inward = async {
            loop {
                let frame = read_frame(&mut from_server).await?;
                let _ = socket.send_to(&frame, *address).await;
            }
        };
        let outward = async {
            let mut sent = Repetitions::default();
            while let Some(message) = gate.next(messages).await {
                if let Some(frame) = framing::frame(&message).filter(|_| sent.is_new(&message)) {
                    to_server.write_all(&frame).await?;
                }
            }
            Err(io::ErrorKind::UnexpectedEof.into())
        };
        let result: io::Result<std::convert::Infallible> = tokio::select! { r = inward => r, r = outward => r };
        match result {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => io::Error::new(e.kind(), "closed by the server"),
            Err(e) => e,
        }
    }
}

async fn connect(server: &str) -> io::Result<TcpStream> {
    match tokio::time::timeout(CONNECT_LIMIT, TcpStream::connect(server)).await {
        Ok(result) => result,
        Err(_) => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", CONNECT_LIMIT.as_secs())))
        }
    }
}

/// Reads one message, without its padding.
async fn read_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut start = [0; framing::HEADER];
    stream.read_exact(&mut start).await?;
    let header = Header::read(&start).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let mut frame = vec![0; header.frame_length()];
    frame[..framing::HEADER].copy_from_slice(&start);
    stream.read_exact(&mut frame[framing::HEADER..]).await?;
    frame.truncate(header.message_length());
    Ok(frame)
}

/// The error response to a STUN request of the types `which`; `None` for anything else.
pub(super) fn refuse(message: &[u8], which: impl Fn(MessageType) -> bool, code: u16, reason: &str) -> Option<Vec<u8>> {
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

/// Recognises retransmissions by transaction id (RFC 8489 §6.2.1).
#[derive(Default)]
struct Repetitions(VecDeque<[u8; 12]>);

impl Repetitions {
    fn is_new(&mut self, message: &[u8]) -> bool {
        let is_request = stun::message::is_message(message) && message[0] & 0x01 == 0 && message[1] & 0x10 == 0;
        let id: [u8; 12] = match message.get(8..20).and_then(|id| id.try_into().ok()) {
            Some(id) if is_request => id,
            _ => return true, // indications and data may well be equal
        };
        if self.0.contains(&id) {
            return false;
        }
        self.0.truncate(REMEMBERED - 1);
        self.0.push_front(id);
        true
    }
}

#[cfg(test)]
mod tests;
