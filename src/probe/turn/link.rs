//! The way to a server: datagrams or a stream of messages. Reading may be cancelled and taken up again without a loss.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};
use tokio_rustls::TlsConnector;

use super::failure::{Failure, TlsFault};
use super::message::{self, HEAD};
use super::tls::{self, Trust};

/// The longest datagram.
const LONGEST: usize = 0x1_0000;

/// How messages travel to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Over {
    /// Datagrams.
    Udp,
    /// A TCP connection.
    Tcp,
    /// TLS on a TCP connection.
    Tls,
}

impl Over {
    /// `udp`, `tcp` or `tls`.
    pub const fn name(self) -> &'static str {
        match self {
            Over::Udp => "udp",
            Over::Tcp => "tcp",
            Over::Tls => "tls",
        }
    }
}

impl std::fmt::Display for Over {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Bytes both ways.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

enum Carrier {
    Datagrams(UdpSocket),
    Stream(Box<dyn Stream>),
}

/// One 5-tuple between this host and a server.
pub struct Link {
    carrier: Carrier,
    over: Over,
    local: SocketAddr,
    server: SocketAddr,
    /// Of a stream: what was read and is no whole message yet.
    rest: Vec<u8>,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} to {}", self.over, self.local, self.server)
    }
}

impl Link {
    /// Datagrams from a fresh socket.
    ///
    /// # Errors
    /// When there is no route.
    pub async fn udp(server: SocketAddr) -> Result<Link, Failure> {
        let socket = std::net::UdpSocket::bind((any(server), 0)).map_err(Failure::Io)?;
        Link::datagrams(socket, server).await
    }

    /// Datagrams from this socket, which hears the server alone from now on, and its host's ICMP errors.
    ///
    /// # Errors
    /// When there is no route.
    pub async fn datagrams(socket: std::net::UdpSocket, server: SocketAddr) -> Result<Link, Failure> {
        socket.set_nonblocking(true).map_err(Failure::Io)?;
        let socket = UdpSocket::from_std(socket).map_err(Failure::Io)?;
        socket.connect(server).await.map_err(|e| failure(Over::Udp, server, e))?;
        let local = socket.local_addr().map_err(Failure::Io)?;
        Ok(Link { carrier: Carrier::Datagrams(socket), over: Over::Udp, local, server, rest: Vec::new() })
    }

    /// A TCP connection.
    ///
    /// # Errors
    /// When it is not made within `patience`.
    pub async fn tcp(server: SocketAddr, patience: Duration) -> Result<Link, Failure> {
        Link::tcp_from(stream_socket(server)?, server, patience).await
    }

    /// The same from this socket, which is not connected yet.
    ///
    /// # Errors
    /// As of [`Link::tcp`].
    pub async fn tcp_from(socket: TcpSocket, server: SocketAddr, patience: Duration) -> Result<Link, Failure> {
        let stream = connect(socket, server, patience).await?;
        let local = stream.local_addr().map_err(Failure::Io)?;
        Ok(Link { carrier: Carrier::Stream(Box::new(stream)), over: Over::Tcp, local, server, rest: Vec::new() })
    }

    /// TLS on a TCP connection, to a server that proves to be `name`, a domain name or an address.
    ///
    /// # Errors
    /// When it is not made within `patience`, or the certificate is not accepted.
    pub async fn tls(server: SocketAddr, name: &str, trust: &Trust, patience: Duration) -> Result<Link, Failure> {
        Link::tls_from(stream_socket(server)?, server, name, trust, patience).await
    }

    /// The same from this socket, which is not connected yet.
    ///
    /// # Errors
    /// As of [`Link::tls`].
    pub async fn tls_from(
        socket: TcpSocket,
        server: SocketAddr,
        name: &str,
        trust: &Trust,
        patience: Duration,
    ) -> Result<Link, Failure> {
        let asked = ServerName::try_from(name.to_owned())
            .map_err(|_| Failure::Tls(TlsFault::Certificate(format!("{name} is no name a certificate can have"))))?;
        let stream = connect(socket, server, patience).await?;
        let local = stream.local_addr().map_err(Failure::Io)?;
        let connector = TlsConnector::from(Arc::clone(&trust.config));
        let stream = match tokio::time::timeout(patience, connector.connect(asked, stream)).await {
            Err(_) => {
                return Err(Failure::Tls(TlsFault::Handshake(format!("no answer within {} ms", patience.as_millis()))));
            }
            Ok(Err(e)) => return Err(tls::fault(e, name)),
            Ok(Ok(stream)) => stream,
        };
        Ok(Link { carrier: Carrier::Stream(Box::new(stream)), over: Over::Tls, local, server, rest: Vec::new() })
    }

    /// How messages travel.
    pub fn over(&self) -> Over {
        self.over
    }

    /// This end.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The other end.
    pub fn server(&self) -> SocketAddr {
        self.server
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match &mut self.carrier {
            Carrier::Datagrams(socket) => socket.send(message).await.map(drop),
            Carrier::Stream(stream) => {
                let mut bytes = message.to_vec();
                // Only ChannelData can need it (RFC 8656 §12.5).
                bytes.resize(message.len().next_multiple_of(4), 0);
                stream.write_all(&bytes).await?;
                stream.flush().await
            }
        }
    }

    /// The next message; may be cancelled without a loss.
    ///
    /// # Errors
    /// `UnexpectedEof` at the end of a stream, `InvalidData` where it carries something else than STUN and ChannelData.
    pub(super) async fn next(&mut self) -> io::Result<Vec<u8>> {
        match &mut self.carrier {
            Carrier::Datagrams(socket) => {
                let mut buffer = vec![0; LONGEST];
                let length = socket.recv(&mut buffer).await?;
                buffer.truncate(length);
                Ok(buffer)
            }
            Carrier::Stream(stream) => loop {
                if let Some(message) = take_message(&mut self.rest)? {
                    return Ok(message);
                }
                let mut buffer = [0; 4096];
                let length = stream.read(&mut buffer).await?;
                if length == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                self.rest.extend_from_slice(buffer.get(..length).unwrap_or_default());
            },
        }
    }

    /// What an error of sending or receiving means.
    pub(super) fn failure(&self, error: io::Error) -> Failure {
        failure(self.over, self.server, error)
    }
}

fn stream_socket(server: SocketAddr) -> Result<TcpSocket, Failure> {
    if server.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }.map_err(Failure::Io)
}

/// Every address of this host, of the server's family.
pub(super) fn any(server: SocketAddr) -> IpAddr {
    if server.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() }
}

async fn connect(socket: TcpSocket, server: SocketAddr, patience: Duration) -> Result<TcpStream, Failure> {
    match tokio::time::timeout(patience, socket.connect(server)).await {
        Err(_) => Err(Failure::ConnectTimeout { server, after: patience }),
        Ok(Err(e)) => Err(failure(Over::Tcp, server, e)),
        Ok(Ok(stream)) => {
            stream.set_nodelay(true).map_err(Failure::Io)?;
            Ok(stream)
        }
    }
}

fn failure(over: Over, server: SocketAddr, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Failure::ConnectionRefused { over: over.name(), server },
        io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Failure::Unreachable { server, source: error },
        io::ErrorKind::TimedOut => Failure::ConnectTimeout { server, after: Duration::ZERO },
        io::ErrorKind::InvalidData => Failure::NotStun,
        _ => Failure::Io(error),
    }
}

/// Takes the first whole message off the bytes of a stream, padding included.
fn take_message(rest: &mut Vec<u8>) -> io::Result<Option<Vec<u8>>> {
    let Some(head) = rest.get(..HEAD).and_then(|h| <[u8; HEAD]>::try_from(h).ok()) else { return Ok(None) };
    let (on_wire, length) = message::frame(head)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "neither STUN nor ChannelData"))?;
    if rest.len() < on_wire {
        return Ok(None);
    }
    let mut message: Vec<u8> = rest.drain(..on_wire).collect();
    message.truncate(length);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn messages_of_a_stream_are_taken_one_by_one() {
        let channel = [0x40, 0, 0, 1, 9, 0, 0, 0];
        let mut rest = [&channel[..], &channel[..6]].concat();
        assert_eq!(take_message(&mut rest).unwrap(), Some(vec![0x40, 0, 0, 1, 9]));
        assert_eq!(take_message(&mut rest).unwrap(), None, "not whole yet");
        rest.extend([0, 0]);
        assert_eq!(take_message(&mut rest).unwrap(), Some(vec![0x40, 0, 0, 1, 9]));
        assert!(rest.is_empty());
        assert!(take_message(&mut b"HTTP".to_vec()).is_ok(), "0x48 begins ChannelData");
        assert!(take_message(&mut vec![0x80, 0, 0, 0]).is_err());
    }
}
