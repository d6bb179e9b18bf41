//! A relayed transport address as the engine needs it: a foreign sender of our own (TURN, RFC 8656).

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;

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

    /// Waits for the next datagram from a peer; the caller bounds the wait.
    ///
    /// # Errors
    /// When the allocation is lost.
    async fn receive(&self) -> io::Result<(SocketAddr, Vec<u8>)>;
}
