//! Who a relay is tried with: a second relay of the same server, which every firewall that lets the first one through lets
//! through too; or a socket of this host, which needs UDP both ways.

use std::net::SocketAddr;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

use super::Settings;
use crate::probe::turn::{Client, Failure, Link};

/// The other end of a relay.
pub(super) enum Peer {
    /// A second allocation.
    Relay {
        /// Who holds it.
        client: Box<Client>,
        /// Its relayed transport address.
        at: SocketAddr,
    },
    /// A socket of this host.
    Socket {
        /// It.
        socket: UdpSocket,
        /// Its address as the server sees it.
        at: SocketAddr,
    },
}

impl Peer {
    /// A socket of this host that the server can name; none when UDP does not get to the server.
    pub(super) async fn socket(server: SocketAddr, settings: &Settings) -> Result<Peer, Failure> {
        let local: SocketAddr = if server.is_ipv4() { ([0; 4], 0).into() } else { ([0; 16], 0).into() };
        let socket = std::net::UdpSocket::bind(local).map_err(Failure::Io)?;
        // The clone shares the port; a connected socket hears the server alone, so it is freed again below.
        let asking = socket.try_clone().map_err(Failure::Io)?;
        let mut client = Client::new(Link::datagrams(asking, server).await?, None, settings.pace);
        let at = client.binding().await?.mapped;
        drop(client);
        let port = socket.local_addr().map_err(Failure::Io)?.port();
        drop(socket);
        // The same port, and with it the same mapping, unconnected: packets come from the relay.
        let socket = UdpSocket::bind(SocketAddr::new(local.ip(), port)).await.map_err(Failure::Io)?;
        Ok(Peer::Socket { socket, at })
    }

    /// Its address as the relay's server sees it.
    pub(super) fn at(&self) -> SocketAddr {
        match self {
            Peer::Relay { at, .. } | Peer::Socket { at, .. } => *at,
        }
    }

    /// Sends a packet.
    pub(super) async fn send(&mut self, to: SocketAddr, data: &[u8]) -> Result<(), Failure> {
        match self {
            Peer::Relay { client, .. } => client.send_from_relay(to, data).await,
            Peer::Socket { socket, .. } => socket.send_to(data, to).await.map(drop).map_err(Failure::Io),
        }
    }

    /// The next packet with its source; none when there is none until then.
    pub(super) async fn receive(&mut self, until: Instant) -> Result<Option<(SocketAddr, Vec<u8>)>, Failure> {
        match self {
            Peer::Relay { client, at } => Ok(client.receive(until).await?.map(|p| (p.from.unwrap_or(*at), p.data))),
            Peer::Socket { socket, .. } => {
                let mut buffer = vec![0; 2048];
                match timeout_at(until, socket.recv_from(&mut buffer)).await {
                    Err(_) => Ok(None),
                    Ok(Err(e)) => Err(Failure::Io(e)),
                    Ok(Ok((length, from))) => {
                        buffer.truncate(length);
                        Ok(Some((from, buffer)))
                    }
                }
            }
        }
    }

    /// Gives a second relay back.
    pub(super) async fn release(self) {
        if let Peer::Relay { mut client, .. } = self {
            // It ends by itself otherwise, with its lifetime.
            let _ = client.release().await;
        }
    }
}
