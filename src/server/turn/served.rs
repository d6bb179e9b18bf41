//! What the `turn` crate wants of a connection and a server's socket with many peers has: three of its ten methods.

use std::io;
use std::net::SocketAddr;

use async_trait::async_trait;
use webrtc_util::Conn;

pub(super) type Result<T> = std::result::Result<T, webrtc_util::Error>;

/// A server's socket.
#[async_trait]
pub(super) trait Served: Send + Sync + 'static {
    /// The next message for the crate.
    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)>;
    /// A message of the crate's.
    async fn send_to(&self, bytes: &[u8], target: SocketAddr) -> Result<usize>;
    /// Where it listens.
    fn local_addr(&self) -> Result<SocketAddr>;
}

/// One as the crate takes it.
pub(super) struct ServerConn<S>(pub S);

#[async_trait]
impl<S: Served> Conn for ServerConn<S> {
    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        self.0.recv_from(buffer).await
    }

    async fn send_to(&self, bytes: &[u8], target: SocketAddr) -> Result<usize> {
        self.0.send_to(bytes, target).await
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        self.0.local_addr()
    }

    fn remote_addr(&self) -> Option<SocketAddr> {
        None
    }

    async fn connect(&self, _: SocketAddr) -> Result<()> {
        Err(unconnected())
    }

    async fn recv(&self, _: &mut [u8]) -> Result<usize> {
        Err(unconnected())
    }

    async fn send(&self, _: &[u8]) -> Result<usize> {
        Err(unconnected())
    }

    /// Does nothing: the crate closes the connection with every allocation that ends, and others go on.
    async fn close(&self) -> Result<()> {
        Ok(())
    }

    fn as_any(&self) -> &(dyn std::any::Any + Send + Sync) {
        self
    }
}

fn unconnected() -> webrtc_util::Error {
    io::Error::new(io::ErrorKind::Unsupported, "a server's socket is not connected").into()
}
