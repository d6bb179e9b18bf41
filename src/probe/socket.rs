//! Sockets as the engine sees them: real ones of this host, of a namespace, or of a simulated network.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::net::{TcpSocket, UdpSocket};

/// A UDP socket that is bound to one address.
#[async_trait]
pub trait Datagrams: Send + Sync {
    /// Sends a datagram.
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()>;

    /// Waits for one; gives its length and source. What does not fit is cut off.
    async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)>;

    /// Where it is bound; never a wildcard, since comparing it with the reflexive endpoint tells whether there is a NAT.
    fn local(&self) -> SocketAddr;
}

/// Where sockets come from. Each one that is opened has a port that nothing was sent from before.
pub trait Opener: Send + Sync {
    /// A fresh UDP socket.
    ///
    /// # Errors
    /// When the host gives none.
    fn udp(&self) -> io::Result<Box<dyn Datagrams>>;

    /// A TCP socket bound to the address that UDP sockets have, and this port, which others may share; 0: any.
    ///
    /// # Errors
    /// When the host gives none, or there is no TCP here.
    fn tcp(&self, port: u16) -> io::Result<TcpSocket>;
}

/// Sockets of this host, or of the namespace of the thread that opens them.
#[derive(Clone, Copy, Debug)]
pub struct HostSockets {
    local: IpAddr,
}

impl HostSockets {
    /// Bound to this address.
    pub fn at(local: IpAddr) -> Self {
        HostSockets { local }
    }

    /// Bound to the address that the host would use towards `server`.
    ///
    /// # Errors
    /// When there is no route.
    pub fn towards(server: SocketAddr) -> io::Result<Self> {
        let any = match server {
            SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        // Connecting sends nothing; it asks the routing table.
        let socket = std::net::UdpSocket::bind((any, 0))?;
        socket.connect(server)?;
        Ok(HostSockets { local: socket.local_addr()?.ip() })
    }

    /// The address.
    pub fn local(&self) -> IpAddr {
        self.local
    }
}

impl Opener for HostSockets {
    fn udp(&self) -> io::Result<Box<dyn Datagrams>> {
        Ok(Box::new(Udp::new(std::net::UdpSocket::bind((self.local, 0))?)?))
    }

    fn tcp(&self, port: u16) -> io::Result<TcpSocket> {
        shared_tcp(SocketAddr::new(self.local, port))
    }
}

/// A TCP socket whose port others may share: RFC 5780 §4.3 over TCP makes three connections from one port.
///
/// # Errors
/// When it cannot be bound.
pub fn shared_tcp(at: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if at.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_reuseaddr(true)?;
    #[cfg(unix)]
    socket.set_reuseport(true)?;
    socket.bind(at)?;
    Ok(socket)
}

/// Sockets that somebody else has bound, in their order.
#[derive(Debug)]
pub struct Bound(Mutex<VecDeque<std::net::UdpSocket>>);

impl Bound {
    /// Nothing must have been sent from them.
    pub fn new(sockets: Vec<std::net::UdpSocket>) -> Self {
        Bound(Mutex::new(sockets.into()))
    }
}

impl Opener for Bound {
    fn udp(&self) -> io::Result<Box<dyn Datagrams>> {
        let next = match self.0.lock() {
            Ok(mut sockets) => sockets.pop_front(),
            Err(poisoned) => poisoned.into_inner().pop_front(),
        };
        Ok(Box::new(Udp::new(next.ok_or(io::ErrorKind::NotFound)?)?))
    }

    fn tcp(&self, _: u16) -> io::Result<TcpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A UDP socket of the operating system.
#[derive(Debug)]
pub struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
}

impl Udp {
    /// Takes a bound socket; must run on a Tokio runtime with I/O.
    ///
    /// # Errors
    /// When it is bound to a wildcard, or the runtime does not take it.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let local = socket.local_addr()?;
        if local.ip().is_unspecified() {
            let why = format!("the socket at {local} is not bound to one address");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        socket.set_nonblocking(true)?;
        Ok(Udp { socket: UdpSocket::from_std(socket)?, local })
    }
}

#[async_trait]
impl Datagrams for Udp {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.socket.send_to(bytes, to).await.map(drop)
    }

    async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        self.socket.recv_from(buffer).await
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}
