//! TURN over TCP for a library that only speaks TURN over UDP: a relay between a loopback UDP socket, which the library
//! takes for its TURN server, and one TCP connection per client to the real one (RFC 8656 §3.1, §12.5).
//!
//! Two things differ between the two transports, and are settled where they arise:
//!
//! * Over TCP nothing is retransmitted (RFC 8489 §6.2.2), but the library's client does it after 200 ms: repeated requests
//!   are dropped.
//! * A connection can fail, a datagram cannot: the failure is reported once, and whatever the client asks is answered with
//!   an error, so that gathering ends at once instead of after the client's 7.8 s of retransmissions.

pub mod framing;

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::hold::{Gate, Hold};
use super::shim::{self, Client, refuse};
use framing::Header;

/// How long a TCP connection may take: less than the 7.8 s after which the TURN client gives up by itself.
pub const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// Requests remembered to recognise their repetitions; the client has one outstanding transaction.
const REMEMBERED: usize = 32;

/// Told when no connection can be made or an existing one breaks; called at most once per client.
pub type OnFailure = Arc<dyn Fn(String) + Send + Sync>;

/// Starts a shim for the TURN server at `server` (`HOST:PORT`) and gives the endpoint that stands for it ([`shim::start`]).
///
/// # Errors
/// The loopback socket cannot be made.
pub async fn start(server: String, hold: Hold, on_failure: OnFailure) -> io::Result<SocketAddr> {
    shim::start(move |client| {
        tokio::spawn(run(client, server.clone(), hold.gate(), Arc::clone(&on_failure)));
    })
    .await
}

async fn run(mut client: Client, server: String, mut gate: Gate, on_failure: OnFailure) {
    let reason = match connect(&server).await {
        Ok(stream) => relay(&mut client, &mut gate, stream).await,
        Err(e) => e,
    };
    let reason = format!("TCP connection to {server}: {reason}");
    on_failure(reason.clone());
    while let Some(message) = client.messages.recv().await {
        if let Some(answer) = refuse(&message, |_| true, 500, &reason) {
            client.back.answer(&answer).await;
        }
    }
}

/// Carries messages both ways until the connection ends; gives the reason.
async fn relay(client: &mut Client, gate: &mut Gate, stream: TcpStream) -> io::Error {
    let _ = stream.set_nodelay(true); // checks are small and their timing is measured
    let (mut from_server, mut to_server) = stream.into_split();
    let Client { back, messages } = client;
    let inward = async {
        loop {
            back.answer(&read_frame(&mut from_server).await?).await;
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
