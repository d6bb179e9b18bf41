//! A STUN server for NAT behaviour discovery (RFC 8489, RFC 5780) with up to two addresses and two ports, which
//! answers the classic clients of RFC 3489 too.
//!
//! [`answer()`] decides what is answered and is pure; this file opens sockets and moves datagrams. [`serve`] takes
//! sockets that are bound already, so that they may come from another network namespace.

pub mod answer;
pub mod message;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::net::Transport;

pub use answer::{Answer, Options, answer};

/// The port of STUN and TURN (RFC 8489 §18.6).
pub const PORT: u16 = 3478;

/// A longer request is no Binding request: the largest sensible one is padded to an Ethernet frame (RFC 5780 §7.6).
const LONGEST_REQUEST: usize = 2048;

/// How long a TCP client may be silent.
const TCP_PATIENCE: Duration = Duration::from_secs(60);

/// Which of the four sockets of RFC 5780 §6: by address and by port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// On the second address.
    pub other_address: bool,
    /// On the second port.
    pub other_port: bool,
}

impl Place {
    /// A1:P1.
    pub const PRIMARY: Place = Place { other_address: false, other_port: false };

    /// All four, the primary one first and the one that differs in both last.
    pub const ALL: [Place; 4] = [
        Place::PRIMARY,
        Place { other_address: false, other_port: true },
        Place { other_address: true, other_port: false },
        Place { other_address: true, other_port: true },
    ];

    /// The place that a request for a change names, seen from the place that was asked (RFC 5780 §6.1, table 1).
    pub const fn changed(self, address: bool, port: bool) -> Place {
        Place { other_address: self.other_address != address, other_port: self.other_port != port }
    }

    /// The place that differs in address and port: what OTHER-ADDRESS names.
    pub const fn opposite(self) -> Place {
        self.changed(true, true)
    }

    const fn index(self) -> usize {
        (self.other_address as usize) * 2 + self.other_port as usize
    }
}

/// The transport addresses of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// A1:P1.
    pub primary: SocketAddr,
    /// A2:P2; both its address and its port differ from the primary ones. Without it there is one socket and no
    /// RFC 5780.
    pub alternate: Option<SocketAddr>,
}

impl Endpoints {
    /// From one or two addresses and two ports.
    pub fn new(address: IpAddr, other: Option<IpAddr>, port: u16, other_port: u16) -> Self {
        Endpoints { primary: SocketAddr::new(address, port), alternate: other.map(|a| SocketAddr::new(a, other_port)) }
    }

    /// The transport address of a place; none where the server has no such place.
    pub fn at(&self, place: Place) -> Option<SocketAddr> {
        if place == Place::PRIMARY {
            return Some(self.primary);
        }
        let alternate = self.alternate?;
        let address = if place.other_address { alternate.ip() } else { self.primary.ip() };
        let port = if place.other_port { alternate.port() } else { self.primary.port() };
        Some(SocketAddr::new(address, port))
    }

    /// The places that there are: one or four.
    pub fn places(&self) -> impl Iterator<Item = Place> + '_ {
        Place::ALL.into_iter().filter(|p| self.at(*p).is_some())
    }
}

/// A server could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A socket could not be bound.
    #[error("bind {transport} {at}: {source}")]
    Bind {
        /// Which kind.
        transport: Transport,
        /// Where.
        at: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A socket could not be given to the runtime.
    #[error("use a socket: {0}")]
    Socket(#[from] io::Error),
    /// The sockets do not make a server.
    #[error("start a STUN server on {udp} UDP sockets: one is needed, or four on two addresses and two ports")]
    Sockets {
        /// How many there are.
        udp: usize,
    },
    /// The TURN server of the `turn` crate refused its configuration.
    #[error("start the TURN server: {0}")]
    Turn(#[from] ::turn::Error),
}

/// Bound sockets of one server, by place.
#[derive(Debug)]
pub struct Sockets {
    endpoints: Endpoints,
    udp: Vec<std::net::UdpSocket>,
    tcp: Vec<std::net::TcpListener>,
}

impl Sockets {
    /// Binds UDP and TCP at every place of `endpoints`, in the network namespace of the calling thread.
    ///
    /// # Errors
    /// When an address is not this host's, a port is taken, or a privilege is missing.
    pub fn bind(endpoints: Endpoints) -> Result<Self, StartError> {
        let mut udp = Vec::new();
        let mut tcp = Vec::new();
        for at in endpoints.places().filter_map(|p| endpoints.at(p)) {
            udp.push(bind_udp(at)?);
            tcp.push(bind_tcp(at)?);
        }
        Sockets::from_bound(udp, tcp)
    }

    /// From sockets that are bound already: one UDP socket, or four in the order A1:P1, A1:P2, A2:P1, A2:P2; TCP
    /// listeners at some or none of the same places.
    ///
    /// # Errors
    /// When the UDP sockets are neither, or a socket does not know its address.
    pub fn from_bound(udp: Vec<std::net::UdpSocket>, tcp: Vec<std::net::TcpListener>) -> Result<Self, StartError> {
        let wrong = StartError::Sockets { udp: udp.len() };
        let at: Vec<SocketAddr> = udp.iter().map(std::net::UdpSocket::local_addr).collect::<Result<_, _>>()?;
        let endpoints = match at[..] {
            [primary] => Endpoints { primary, alternate: None },
            [primary, _, _, alternate] => Endpoints { primary, alternate: Some(alternate) },
            _ => return Err(wrong),
        };
        if at.iter().zip(Place::ALL).any(|(at, place)| endpoints.at(place) != Some(*at)) {
            return Err(wrong);
        }
        Ok(Sockets { endpoints, udp, tcp })
    }

    /// Where they are bound.
    pub fn endpoints(&self) -> Endpoints {
        self.endpoints
    }

    /// `udp 203.0.113.1:3478` for each, as the ready line lists them.
    pub fn listening(&self) -> Vec<String> {
        let udp = self.udp.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("{} {a}", Transport::Udp));
        let tcp = self.tcp.iter().filter_map(|s| s.local_addr().ok()).map(|a| format!("{} {a}", Transport::Tcp));
        udp.chain(tcp).collect()
    }
}

/// Binds a UDP socket for a server.
///
/// # Errors
/// With the address in the message.
pub fn bind_udp(at: SocketAddr) -> Result<std::net::UdpSocket, StartError> {
    std::net::UdpSocket::bind(at).map_err(|source| StartError::Bind { transport: Transport::Udp, at, source })
}

/// Binds a TCP listener for a server.
///
/// # Errors
/// With the address in the message.
pub fn bind_tcp(at: SocketAddr) -> Result<std::net::TcpListener, StartError> {
    std::net::TcpListener::bind(at).map_err(|source| StartError::Bind { transport: Transport::Tcp, at, source })
}

/// Answers until it is dropped; must run on a Tokio runtime with I/O and time.
///
/// # Errors
/// When the runtime does not take a socket, or a socket fails for good.
pub async fn serve(sockets: Sockets, options: Options) -> Result<(), StartError> {
    let endpoints = sockets.endpoints;
    let mut udp = Vec::new();
    for socket in sockets.udp {
        socket.set_nonblocking(true)?;
        udp.push(UdpSocket::from_std(socket)?);
    }
    let udp: Arc<[UdpSocket]> = udp.into();
    let options = Arc::new(options);
    let mut tasks: JoinSet<io::Result<()>> = JoinSet::new();
    for place in endpoints.places() {
        tasks.spawn(serve_udp(Arc::clone(&udp), place, endpoints, Arc::clone(&options)));
    }
    for listener in sockets.tcp {
        listener.set_nonblocking(true)?;
        let at = listener.local_addr()?;
        let Some(place) = endpoints.places().find(|p| endpoints.at(*p) == Some(at)) else {
            continue;
        };
        tasks.spawn(serve_tcp(TcpListener::from_std(listener)?, place, endpoints, Arc::clone(&options)));
    }
    // Every task runs for ever; the first that ends has failed, and dropping the set ends the others.
    match tasks.join_next().await {
        Some(Ok(Err(e))) => Err(e.into()),
        _ => Ok(()),
    }
}

async fn serve_udp(
    sockets: Arc<[UdpSocket]>,
    place: Place,
    endpoints: Endpoints,
    options: Arc<Options>,
) -> io::Result<()> {
    let missing = || io::Error::from(io::ErrorKind::NotFound);
    let socket = sockets.get(place.index()).ok_or_else(missing)?;
    let mut buffer = [0u8; LONGEST_REQUEST];
    loop {
        let (length, source) = match socket.recv_from(&mut buffer).await {
            Ok(received) => received,
            // An ICMP error for an earlier answer; the socket itself is well.
            Err(e) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => continue,
            Err(e) => return Err(e),
        };
        let request = buffer.get(..length).unwrap_or_default();
        let Some(answer) = answer(request, source, place, Transport::Udp, &endpoints, &options) else { continue };
        let from = sockets.get(answer.from.index()).ok_or_else(missing)?;
        // A client that cannot be reached, as any datagram may be lost.
        if let Err(e) = from.send_to(&answer.bytes, answer.to).await {
            tracing::debug!("failed to answer {}: {e}", answer.to);
        }
    }
}

async fn serve_tcp(listener: TcpListener, place: Place, endpoints: Endpoints, options: Arc<Options>) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                let options = Arc::clone(&options);
                tokio::spawn(async move {
                    if let Err(e) = serve_stream(stream, source, place, endpoints, options).await {
                        tracing::debug!("connection of {source} ended: {e}");
                    }
                });
            }
            // The client gave up before it was accepted, or descriptors ran out for a moment.
            Err(e) => {
                tracing::warn!("failed to accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// One TCP client: messages follow each other, their length is in their header (RFC 8489 §6.2.2).
async fn serve_stream(
    mut stream: TcpStream,
    source: SocketAddr,
    place: Place,
    endpoints: Endpoints,
    options: Arc<Options>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    loop {
        let mut request = vec![0u8; message::HEADER];
        let read = tokio::time::timeout(TCP_PATIENCE, stream.read_exact(&mut request)).await;
        match read {
            Ok(Ok(_)) => {}
            Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Ok(Err(e)) => return Err(e),
            Err(_) => return Ok(()),
        }
        let length = usize::from(u16::from_be_bytes([request[2], request[3]]));
        if length > LONGEST_REQUEST || !message::may_begin(&request) {
            return Ok(());
        }
        request.resize(message::HEADER + length, 0);
        match tokio::time::timeout(TCP_PATIENCE, stream.read_exact(&mut request[message::HEADER..])).await {
            Ok(read) => read?,
            Err(_) => return Ok(()),
        };
        if let Some(answer) = answer(&request, source, place, Transport::Tcp, &endpoints, &options) {
            stream.write_all(&answer.bytes).await?;
        }
    }
}

#[cfg(test)]
mod tests;
