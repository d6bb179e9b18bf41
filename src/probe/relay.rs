//! A relayed transport address as the engine needs it: a foreign sender of our own (TURN, RFC 8656).

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::turn::{Client, Failure};

/// A TURN allocation on a socket of its own.
#[async_trait]
pub trait Relay: Send + Sync {
    /// The relayed transport address.
    fn relayed(&self) -> SocketAddr;

    /// The TURN server's own transport address, where it answers Binding requests too.
    fn server(&self) -> SocketAddr;

    /// Sends a datagram from the relayed address to a peer, with a permission for it.
    ///
    /// # Errors
    /// When the server refuses, or falls silent.
    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()>;

    /// Lets a peer's address send to the relayed address (CreatePermission, RFC 8656 §9).
    ///
    /// # Errors
    /// When the server refuses, or falls silent.
    async fn permit(&self, peer: SocketAddr) -> io::Result<()>;

    /// The next datagram from a peer; none when there is none until then.
    ///
    /// # Errors
    /// When the allocation is lost.
    async fn receive(&self, until: Instant) -> io::Result<Option<(SocketAddr, Vec<u8>)>>;
}

/// A real allocation.
#[derive(Debug)]
pub struct Allocated {
    client: Mutex<Client>,
    relayed: SocketAddr,
    server: SocketAddr,
}

impl Allocated {
    /// Allocates.
    ///
    /// # Errors
    /// As the server says.
    pub async fn new(mut client: Client) -> Result<Self, Failure> {
        let relayed = client.allocate().await?.relay;
        let server = client.link().server();
        Ok(Allocated { client: Mutex::new(client), relayed, server })
    }

    /// Gives the allocation back.
    ///
    /// # Errors
    /// As the server says.
    pub async fn release(&self) -> Result<(), Failure> {
        self.client.lock().await.release().await
    }
}

#[async_trait]
impl Relay for Allocated {
    fn relayed(&self) -> SocketAddr {
        self.relayed
    }

    fn server(&self) -> SocketAddr {
        self.server
    }

    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.client.lock().await.send_from_relay(to, bytes).await.map_err(io::Error::other)
    }

    async fn permit(&self, peer: SocketAddr) -> io::Result<()> {
        self.client.lock().await.permit(peer).await.map_err(io::Error::other)
    }

    async fn receive(&self, until: Instant) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
        loop {
            let packet = self.client.lock().await.receive(until).await.map_err(io::Error::other)?;
            // Of a channel that nobody bound there is no peer.
            match packet.map(|p| (p.from, p.data)) {
                None => return Ok(None),
                Some((Some(from), data)) => return Ok(Some((from, data))),
                Some((None, _)) => {}
            }
        }
    }
}
