//! TURN over TCP and TLS (RFC 8656 §3.1): all connections of one listener, as the `turn` crate wants its connections.
//!
//! Each connection has a reading and a writing task. A client that does not read loses messages, as it would over
//! UDP, and holds up nobody else.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ::stun::agent::TransactionId;
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use tokio::time::timeout;

use super::Options;
use super::frame::{self, HEAD, LONGEST_READ};
use super::front::{Front, Inbound};
use super::served::{Result, Served};
use super::tls::Identity;
use crate::net::Transport;

/// Messages of all clients that the server has not read yet.
const INBOUND: usize = 1024;
/// Messages that one client has not read yet.
const OUTBOUND: usize = 256;

/// How long the first message may take, and the rest of one that has begun.
const PATIENCE: Duration = Duration::from_secs(60);

/// The magic cookie, the second four bytes of every STUN message (RFC 8489 §5).
const COOKIE: [u8; 4] = ::stun::message::MAGIC_COOKIE.to_be_bytes();

/// All TCP clients of one listener.
pub(super) struct TcpConn {
    local: SocketAddr,
    inbound: AsyncMutex<mpsc::Receiver<(Vec<u8>, SocketAddr)>>,
    shared: Arc<Shared>,
}

/// What the connections' tasks and the server have in common.
struct Shared {
    front: Mutex<Front>,
    clients: Mutex<HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>>,
}

impl Shared {
    fn front(&self) -> MutexGuard<'_, Front> {
        self.front.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn clients(&self) -> MutexGuard<'_, HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a message to the connection's writing task; a client that is gone or does not read loses it.
    fn send(&self, bytes: &[u8], target: SocketAddr) {
        let client = self.clients().get(&target).cloned();
        if client.is_none_or(|c| c.try_send(frame::encode(bytes)).is_err()) {
            tracing::debug!("dropped a message to {target}, which does not read or is gone");
        }
    }
}

impl TcpConn {
    pub(super) fn listen(
        listener: std::net::TcpListener,
        identity: Option<Identity>,
        options: &Options,
    ) -> io::Result<(Self, tokio::task::AbortHandle)> {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (sender, receiver) = mpsc::channel(INBOUND);
        let shared = Arc::new(Shared {
            front: Mutex::new(Front::new(options, Transport::Tcp, local)),
            clients: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, identity, sender, Arc::clone(&shared)));
        Ok((TcpConn { local, inbound: AsyncMutex::new(receiver), shared }, accepting.abort_handle()))
    }
}

async fn accept(
    listener: TcpListener,
    identity: Option<Identity>,
    inbound: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: Arc<Shared>,
) {
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                tokio::spawn(serve(stream, source, identity.clone(), inbound.clone(), Arc::clone(&shared)));
            }
            // The client gave up before it was accepted, or descriptors ran out for a moment.
            Err(e) => {
                tracing::warn!("failed to accept a connection: {e}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }
}

/// One connection from its beginning to its end.
async fn serve(
    stream: TcpStream,
    source: SocketAddr,
    identity: Option<Identity>,
    inbound: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: Arc<Shared>,
) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("failed to set TCP_NODELAY for {source}: {e}");
    }
    match identity {
        None => {
            let (reader, writer) = stream.into_split();
            converse(reader, writer, source, inbound, shared).await;
        }
        Some(identity) => match identity.accept(stream).await {
            Ok(stream) => {
                let (reader, writer) = tokio::io::split(stream);
                converse(reader, writer, source, inbound, shared).await;
            }
            Err(e) => tracing::debug!("failed to shake hands with {source}: {e}"),
        },
    }
}

async fn converse(
    reader: impl AsyncRead + Unpin,
    writer: impl AsyncWrite + Unpin + Send + 'static,
    source: SocketAddr,
    inbound: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: Arc<Shared>,
) {
    let (outbound, queue) = mpsc::channel(OUTBOUND);
    shared.clients().insert(source, outbound);
    let writing = tokio::spawn(write(writer, queue));
    let reading = read(reader, source, &inbound, &shared).await;
    if let Err(e) = reading {
        tracing::debug!("connection of {source} ended: {e}");
    }
    // Its writing task ends when the last sender is gone, after what is still queued.
    shared.clients().remove(&source);
    let farewell = shared.front().farewell(source, TransactionId::new().0);
    if let Some(farewell) = farewell {
        // Fails only when the server has ended.
        let _ = inbound.send((farewell, source)).await;
    }
    drop(writing);
}

async fn write(mut writer: impl AsyncWrite + Unpin, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        // TLS keeps back what is not flushed.
        if writer.write_all(&bytes).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
    // The client is gone already, or learns so.
    let _ = writer.shutdown().await;
}

async fn read(
    mut reader: impl AsyncRead + Unpin,
    source: SocketAddr,
    inbound: &mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: &Shared,
) -> io::Result<()> {
    // Who connects and says nothing is not waited for; between two messages there may be hours, as between two Refreshes.
    let first =
        timeout(PATIENCE, read_message(&mut reader)).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
    let mut next = first?;
    while let Some(message) = next {
        let verdict = shared.front().inbound(&message, source, Instant::now());
        match verdict {
            Inbound::Pass if message.len() > LONGEST_READ => {
                tracing::debug!("dropped {} bytes of {source}: longer than the server reads", message.len());
            }
            Inbound::Pass => {
                if inbound.send((message, source)).await.is_err() {
                    return Ok(());
                }
            }
            Inbound::Ignore => {}
            Inbound::Reply(reply) => shared.send(&reply, source),
        }
        next = read_message(&mut reader).await?;
    }
    Ok(())
}

/// The next message; none at the end of the connection.
async fn read_message(reader: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0u8; HEAD];
    match reader.read_exact(&mut head).await {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let stranger = || io::Error::new(io::ErrorKind::InvalidData, "neither STUN nor ChannelData");
    let frame = frame::begins(head).ok_or_else(stranger)?;
    let mut bytes = head.to_vec();
    let rest = async {
        // A ClientHello of TLS begins like STUN; without the cookie nothing more is waited for.
        if frame.is_stun {
            bytes.resize(HEAD + COOKIE.len(), 0);
            reader.read_exact(&mut bytes[HEAD..]).await?;
            if bytes[HEAD..] != COOKIE {
                return Err(stranger());
            }
        }
        let read = bytes.len();
        bytes.resize(frame.on_wire, 0);
        reader.read_exact(&mut bytes[read..]).await.map(drop)
    };
    timeout(PATIENCE, rest).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    bytes.truncate(frame.message);
    Ok(Some(bytes))
}

#[async_trait]
impl Served for TcpConn {
    async fn recv_from(&self, buffer: &mut [u8]) -> Result<(usize, SocketAddr)> {
        loop {
            let received = self.inbound.lock().await.recv().await;
            let (message, source) =
                received.ok_or_else(|| webrtc_util::Error::from(io::Error::from(io::ErrorKind::NotConnected)))?;
            if let Some(place) = buffer.get_mut(..message.len()) {
                place.copy_from_slice(&message);
                return Ok((message.len(), source));
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], target: SocketAddr) -> Result<usize> {
        self.shared.front().outbound(bytes, target, Instant::now());
        self.shared.send(bytes, target);
        Ok(bytes.len())
    }

    fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.local)
    }
}
