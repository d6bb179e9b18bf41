//! TURN over UDP: a socket with the front before it, as the `turn` crate wants its connections.

use std::io;
use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use async_trait::async_trait;
use tokio::net::UdpSocket;

use super::Options;
use super::front::{Front, Inbound};
use super::served::{Result, Served};
use crate::net::Transport;

/// All UDP clients of one socket.
pub(super) struct UdpConn {
    socket: UdpSocket,
    front: Mutex<Front>,
}

impl UdpConn {
    pub(super) fn new(socket: std::net::UdpSocket, options: &Options) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let front = Front::new(options, Transport::Udp, socket.local_addr()?);
        Ok(UdpConn { socket: UdpSocket::from_std(socket)?, front: Mutex::new(front) })
    }
}

#[async_trait]
impl Served for UdpConn {
    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        loop {
            let (length, source) = match self.socket.recv_from(buffer).await {
                Ok(received) => received,
                // An ICMP error for an earlier answer; an error given on would end the server.
                Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
                    continue;
                }
                Err(e) => return Err(e.into()),
            };
            let bytes = buffer.get(..length).unwrap_or_default();
            let verdict =
                self.front.lock().unwrap_or_else(PoisonError::into_inner).inbound(bytes, source, Instant::now());
            match verdict {
                Inbound::Pass => return Ok((length, source)),
                Inbound::Ignore => {}
                Inbound::Reply(reply) => {
                    if let Err(e) = self.socket.send_to(&reply, source).await {
                        tracing::debug!("failed to answer {source}: {e}");
                    }
                }
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], target: SocketAddr) -> Result<usize> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner).outbound(bytes, target, Instant::now());
        Ok(self.socket.send_to(bytes, target).await?)
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
