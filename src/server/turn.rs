//! A TURN server (RFC 8656) with long-term credentials over UDP, TCP and TLS, on the `turn` crate.
//!
//! The crate serves UDP only, answers a retransmitted Allocate with 437, wrong credentials with 400 and requests
//! without an allocation not at all. [`front`] stands before it and sets these right; `udp` and `tcp` carry the
//! bytes.

pub mod frame;
pub mod front;
mod served;
mod tcp;
pub mod tls;
mod udp;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use ::turn::auth::{AuthHandler, generate_auth_key};
use ::turn::relay::RelayAddressGenerator;
use ::turn::server::config::{ConnConfig, ServerConfig};
use async_trait::async_trait;
use tokio::net::UdpSocket;
use webrtc_util::Conn;

use self::served::ServerConn;
use super::stun::StartError;
use crate::net::Transport;

pub use front::Credentials;
pub use tls::{Identity, IdentityError};

/// Settings of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The one user it knows.
    pub credentials: Credentials,
    /// Address of the relayed transport addresses; must be this host's.
    pub relay_address: IpAddr,
}

/// Bound sockets of one server.
#[derive(Debug, Default)]
pub struct Sockets {
    /// Each serves TURN over UDP.
    pub udp: Vec<std::net::UdpSocket>,
    /// Each serves TURN over TCP.
    pub tcp: Vec<std::net::TcpListener>,
    /// Each serves TURN over TLS, with this certificate.
    pub tls: Vec<(std::net::TcpListener, Identity)>,
}

impl Sockets {
    /// Binds every transport at every address, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When an address is not this host's, a port is taken, or a privilege is missing.
    pub fn bind(addresses: &[SocketAddr], transports: &[Transport]) -> Result<Self, StartError> {
        let mut sockets = Sockets::default();
        for at in addresses {
            for transport in transports {
                match transport {
                    Transport::Udp => sockets.udp.push(super::stun::bind_udp(*at)?),
                    Transport::Tcp => sockets.tcp.push(super::stun::bind_tcp(*at)?),
                }
            }
        }
        Ok(sockets)
    }

    /// Binds TLS at every address besides.
    ///
    /// # Errors
    /// As [`Sockets::bind`].
    pub fn bind_tls(&mut self, addresses: &[SocketAddr], identity: &Identity) -> Result<(), StartError> {
        for at in addresses {
            self.tls.push((super::stun::bind_tcp(*at)?, identity.clone()));
        }
        Ok(())
    }

    /// `udp 203.0.113.1:3478` for each, as the ready line lists them.
    pub fn listening(&self) -> Vec<String> {
        let udp = self.udp.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("{} {a}", Transport::Udp));
        let tcp = self.tcp.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("{} {a}", Transport::Tcp));
        let tls = self.tls.iter().filter_map(|(s, _)| s.local_addr().ok()).map(|a| format!("tls {a}"));
        udp.chain(tcp).chain(tls).collect()
    }
}

/// A server that runs until it is closed; it goes on when this is dropped without.
pub struct Server {
    inner: ::turn::server::Server,
    listeners: Vec<tokio::task::AbortHandle>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("listeners", &self.listeners.len()).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts serving; must be called on a Tokio runtime with I/O and time.
    ///
    /// # Errors
    /// When the runtime does not take a socket, or the crate refuses the configuration.
    pub async fn start(sockets: Sockets, options: Options) -> Result<Server, StartError> {
        let mut conns: Vec<Arc<dyn Conn + Send + Sync>> = Vec::new();
        let mut listeners = Vec::new();
        for socket in sockets.udp {
            conns.push(Arc::new(ServerConn(udp::UdpConn::new(socket, &options)?)));
        }
        let plain = sockets.tcp.into_iter().map(|listener| (listener, None));
        let secure = sockets.tls.into_iter().map(|(listener, identity)| (listener, Some(identity)));
        for (listener, identity) in plain.chain(secure) {
            let (conn, task) = tcp::TcpConn::listen(listener, identity, &options)?;
            conns.push(Arc::new(ServerConn(conn)));
            listeners.push(task);
        }
        let conn_configs = conns
            .into_iter()
            .map(|conn| ConnConfig { conn, relay_addr_generator: Box::new(RelaysAt(options.relay_address)) })
            .collect();
        let inner = ::turn::server::Server::new(ServerConfig {
            conn_configs,
            realm: options.credentials.realm.clone(),
            auth_handler: Arc::new(OneUser(options.credentials)),
            // The crate's own: ten minutes (RFC 8656 §12).
            channel_bind_timeout: Duration::ZERO,
            alloc_close_notify: None,
        })
        .await?;
        Ok(Server { inner, listeners })
    }

    /// Ends every allocation and stops listening.
    ///
    /// # Errors
    /// As the crate says.
    pub async fn close(self) -> Result<(), StartError> {
        for listener in self.listeners {
            listener.abort();
        }
        Ok(self.inner.close().await?)
    }
}

/// Where relays are bound; the crate's own generators look IPv6 addresses up as IPv4 ones, and find none.
struct RelaysAt(IpAddr);

#[async_trait]
impl RelayAddressGenerator for RelaysAt {
    fn validate(&self) -> Result<(), ::turn::Error> {
        Ok(())
    }

    /// Of its own family, which the front has compared with the one that was asked for.
    async fn allocate_conn(
        &self,
        _: bool,
        port: u16,
    ) -> Result<(Arc<dyn Conn + Send + Sync>, SocketAddr), ::turn::Error> {
        let socket = UdpSocket::bind((self.0, port)).await?;
        let at = socket.local_addr()?;
        Ok((Arc::new(socket), at))
    }
}

/// The crate asks for a user's key (RFC 8489 §9.2.2); it has been checked by the front already.
struct OneUser(Credentials);

impl AuthHandler for OneUser {
    fn auth_handle(&self, username: &str, realm: &str, _: SocketAddr) -> Result<Vec<u8>, ::turn::Error> {
        if username == self.0.user && realm == self.0.realm {
            Ok(generate_auth_key(username, realm, &self.0.password))
        } else {
            Err(::turn::Error::ErrNoSuchUser)
        }
    }
}

#[cfg(test)]
mod tests;
