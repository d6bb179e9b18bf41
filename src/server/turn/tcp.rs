//! TURN over TCP (RFC 8656 §3.1): all connections of one listener, as the `turn` crate wants its connections.
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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc};
use webrtc_util::Conn;

use super::frame::{self, HEAD, LONGEST_READ};
use super::front::{Credentials, Front, Inbound};
use super::udp::unconnected;
use crate::net::Transport;

type Result<T> = std::result::Result<T, webrtc_util::Error>;

/// Messages of all clients that the server has not read yet.
const INBOUND: usize = 1024;
/// Messages that one client has not read yet.
const OUTBOUND: usize = 256;

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
        credentials: Credentials,
    ) -> io::Result<(Self, tokio::task::AbortHandle)> {
        listener.set_nonblocking(true)?;
        let local = listener.local_addr()?;
        let listener = TcpListener::from_std(listener)?;
        let (sender, receiver) = mpsc::channel(INBOUND);
        let shared = Arc::new(Shared {
            front: Mutex::new(Front::new(credentials, Transport::Tcp, local)),
            clients: Mutex::default(),
        });
        let accepting = tokio::spawn(accept(listener, sender, Arc::clone(&shared)));
        Ok((TcpConn { local, inbound: AsyncMutex::new(receiver), shared }, accepting.abort_handle()))
    }
}

async fn accept(listener: TcpListener, inbound: mpsc::Sender<(Vec<u8>, SocketAddr)>, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, source)) => {
                tokio::spawn(serve(stream, source, inbound.clone(), Arc::clone(&shared)));
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
    inbound: mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: Arc<Shared>,
) {
    if let Err(e) = stream.set_nodelay(true) {
        tracing::debug!("failed to set TCP_NODELAY for {source}: {e}");
    }
    let (reader, writer) = stream.into_split();
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

async fn write(mut writer: OwnedWriteHalf, mut queue: mpsc::Receiver<Vec<u8>>) {
    while let Some(bytes) = queue.recv().await {
        if writer.write_all(&bytes).await.is_err() {
            return;
        }
    }
}

async fn read(
    mut reader: OwnedReadHalf,
    source: SocketAddr,
    inbound: &mpsc::Sender<(Vec<u8>, SocketAddr)>,
    shared: &Shared,
) -> io::Result<()> {
    while let Some(message) = read_message(&mut reader).await? {
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
    }
    Ok(())
}

/// The next message; none at the end of the connection.
async fn read_message(reader: &mut OwnedReadHalf) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0u8; HEAD];
    match reader.read_exact(&mut head).await {
        Ok(_) => {}
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(e) => return Err(e),
    }
    let frame = frame::begins(head)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "neither STUN nor ChannelData"))?;
    let mut bytes = vec![0u8; frame.on_wire];
    bytes[..HEAD].copy_from_slice(&head);
    reader.read_exact(&mut bytes[HEAD..]).await?;
    bytes.truncate(frame.message);
    Ok(Some(bytes))
}

#[async_trait]
impl Conn for TcpConn {
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
