//! The way from the shim to a TURN server: a TCP connection or a UDP socket.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpStream, UdpSocket};

use super::framing::{self, Header, MAX_FRAME};
use super::message::Repetitions;
use crate::net::Transport;

/// How long it may take to resolve the server's name and to connect: less than the 7.8 s after which the TURN client gives up
/// by itself.
const OPEN_LIMIT: Duration = Duration::from_secs(5);

/// Both directions.
pub(super) struct Link {
    pub(super) outward: Outward,
    pub(super) inward: Inward,
    /// Of the shim's own socket.
    pub(super) local_port: u16,
}

/// Towards the server.
pub(super) enum Outward {
    Tcp { stream: OwnedWriteHalf, sent: Repetitions },
    Udp { socket: Arc<UdpSocket>, server: SocketAddr },
}

/// From the server.
pub(super) enum Inward {
    Tcp(OwnedReadHalf),
    Udp { socket: Arc<UdpSocket>, server: SocketAddr, buffer: Vec<u8> },
}

impl Link {
    /// Connects to `server` (`HOST:PORT`), or makes a socket for it.
    pub(super) async fn open(transport: Transport, server: &str) -> io::Result<Link> {
        let opening = async {
            match transport {
                Transport::Tcp => Link::tcp(TcpStream::connect(server).await?),
                Transport::Udp => Link::udp(resolve(server).await?).await,
            }
        };
        match tokio::time::timeout(OPEN_LIMIT, opening).await {
            Ok(result) => result,
            Err(_) => {
                Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {} s", OPEN_LIMIT.as_secs())))
            }
        }
    }

    fn tcp(stream: TcpStream) -> io::Result<Link> {
        let _ = stream.set_nodelay(true); // checks are small and their timing is measured
        let local_port = stream.local_addr()?.port();
        let (inward, outward) = stream.into_split();
        let outward = Outward::Tcp { stream: outward, sent: Repetitions::default() };
        Ok(Link { outward, inward: Inward::Tcp(inward), local_port })
    }

    async fn udp(server: SocketAddr) -> io::Result<Link> {
        // Not connected, as the library's own would not be: ICMP errors must not turn a silent server into a refusal.
        let socket = Arc::new(UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await?);
        let local_port = socket.local_addr()?.port();
        let outward = Outward::Udp { socket: Arc::clone(&socket), server };
        Ok(Link { outward, inward: Inward::Udp { socket, server, buffer: vec![0; MAX_FRAME] }, local_port })
    }
}

/// The first IPv4 address of `server`: the agent speaks no other family.
async fn resolve(server: &str) -> io::Result<SocketAddr> {
    let found = tokio::net::lookup_host(server).await?.find(SocketAddr::is_ipv4);
    found.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no IPv4 address"))
}

impl Outward {
    /// Sends one message, framed where the transport needs it.
    pub(super) async fn send(&mut self, message: &[u8]) -> io::Result<()> {
        match self {
            Outward::Tcp { stream, sent } => match framing::frame(message).filter(|_| sent.is_new(message)) {
                Some(frame) => stream.write_all(&frame).await,
                None => Ok(()),
            },
            Outward::Udp { socket, server } => socket.send_to(message, *server).await.map(|_| ()),
        }
    }

    /// Whether nothing can be sent any more once something could not be: a connection is broken, a socket is not.
    pub(super) fn breaks(&self) -> bool {
        matches!(self, Outward::Tcp { .. })
    }
}

impl Inward {
    /// The next message, without the padding of a connection.
    pub(super) async fn receive(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Inward::Tcp(stream) => read_frame(stream).await,
            Inward::Udp { socket, server, buffer } => loop {
                let (length, from) = socket.recv_from(buffer).await?;
                if from == *server {
                    return Ok(buffer[..length].to_vec());
                }
            },
        }
    }
}

/// Reads one message, without its padding.
pub(super) async fn read_frame(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Vec<u8>> {
    let mut start = [0; framing::HEADER];
    stream.read_exact(&mut start).await?;
    let header = Header::read(&start).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
    let mut frame = vec![0; header.frame_length()];
    frame[..framing::HEADER].copy_from_slice(&start);
    stream.read_exact(&mut frame[framing::HEADER..]).await?;
    frame.truncate(header.message_length());
    Ok(frame)
}
