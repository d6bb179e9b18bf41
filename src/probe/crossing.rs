//! RFC 4787 §6 from one host: two own sockets send to each other's external endpoints, each so opening its own filter.

use std::io;
use std::net::SocketAddr;

use ::stun::agent::TransactionId;
use tokio::time::Instant;

use super::line::{Incoming, Line};
use super::wire::{self, Ask, Content, Id};

/// A socket and its external endpoint.
pub struct End<'a> {
    /// The socket.
    pub line: &'a Line,
    /// What a server saw of it.
    pub external: SocketAddr,
    /// Of the request that it sends to the other one.
    id: Id,
}

impl<'a> End<'a> {
    /// With an id of its own.
    pub fn new(line: &'a Line, external: SocketAddr) -> Self {
        End { line, external, id: TransactionId::new().0 }
    }
}

/// Both of them.
pub struct Crossing<'a>(pub [End<'a>; 2]);

/// A packet that a gateway has turned round.
pub struct Turned<'a> {
    /// Whose it is.
    pub sender: &'a End<'a>,
    /// Where it arrived.
    pub at: &'a Line,
    /// As it arrived.
    pub packet: Incoming,
}

impl Crossing<'_> {
    /// One packet each way, for the first time or again.
    ///
    /// # Errors
    /// When the host refuses.
    pub async fn send(&self) -> io::Result<()> {
        let [a, b] = &self.0;
        a.line.send_raw(&wire::request(a.id, &Ask::PLAIN), b.external).await?;
        b.line.send_raw(&wire::request(b.id, &Ask::PLAIN), a.external).await
    }

    /// The first of them that arrives before `until`.
    pub async fn arrival(&self, until: Instant) -> Option<Turned<'_>> {
        let [a, b] = &self.0;
        loop {
            let (at, sender, packet) = tokio::select! {
                biased;
                Some(packet) = a.line.stray(until) => (a.line, b, packet),
                Some(packet) = b.line.stray(until) => (b.line, a, packet),
                else => return None,
            };
            if packet.id == sender.id && packet.content == Content::Request {
                return Some(Turned { sender, at, packet });
            }
        }
    }
}
