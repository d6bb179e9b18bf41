//! What stands between webrtc-ice and a TURN server: a loopback UDP socket that the library takes for the server, and for each
//! of its clients one connection or socket of its own to the real one, over TCP or UDP (RFC 8656 §3.1, §12.5).
//!
//! Two things ask for it:
//!
//! * The library refuses TURN over TCP.
//! * With lab timers the data plane of an allocation waits for its candidate (`hold`), over either transport.
//!
//! What the library must not notice is settled where it arises:
//!
//! * It asks every TURN URL for a server-reflexive candidate as well. Through the shim it would get the address of the shim's
//!   own socket. Binding requests are therefore answered here, with an error, and never sent: the TURN client itself uses none.
//! * Over TCP nothing is retransmitted (RFC 8489 §6.2.2), but the library's client does it after 200 ms: repeated requests are
//!   dropped. Over UDP they pass, and so does everything else, byte by byte.
//! * A server that cannot be reached is told once, and whatever the client asks is answered with an error, so that gathering
//!   ends at once instead of after the client's 7.8 s of retransmissions. A silent server stays silent.
//! * The last thing a client sends is the request that frees its allocation: [`Shim::end`] sees it out.

mod client;
pub mod framing;
mod hold;
mod link;
pub mod message;

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use stun::message::BINDING_REQUEST;
use tokio::net::UdpSocket;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinSet;

use crate::net::Transport;
use client::Client;
use framing::MAX_FRAME;

/// Messages of one client waiting for their way out; more are dropped, as a full UDP socket would.
const WAITING: usize = 256;
/// What the last messages of all clients together may take to leave.
const LAST_MESSAGES_LIMIT: Duration = Duration::from_millis(200);

/// Told that a server cannot be reached, or no longer; called at most once per client.
pub type OnFailure = Box<dyn Fn(String) + Send + Sync>;

/// What a shim is made for.
pub struct Settings {
    /// The TURN server, `HOST:PORT`.
    pub server: String,
    /// The transport between the shim and the server.
    pub transport: Transport,
    /// How long the data plane of an allocation waits after its candidate is out; zero: it never does.
    pub hold: Duration,
    /// Told of failures.
    pub on_failure: OnFailure,
}

/// A running shim; it ends with [`Shim::end`], or with the runtime.
#[derive(Debug)]
pub struct Shim {
    endpoint: SocketAddr,
    allocations: Allocations,
    ending: watch::Sender<bool>,
    ended: watch::Receiver<bool>,
}

/// By the port of the library's socket.
type Allocations = Arc<Mutex<HashMap<u16, Arc<Allocation>>>>;

/// What the agent and one client tell each other.
#[derive(Debug, Default)]
struct Allocation {
    candidate_is_out: Notify,
    /// Towards the server.
    local_port: OnceLock<u16>,
}

impl Shim {
    /// Starts a shim; it must be called inside a runtime.
    ///
    /// # Errors
    /// The loopback socket cannot be made.
    pub fn start(settings: Settings) -> io::Result<Shim> {
        let socket = std::net::UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        socket.set_nonblocking(true)?;
        let endpoint = socket.local_addr()?;
        let (ending, until) = watch::channel(false);
        let (done, ended) = watch::channel(false);
        let allocations = Allocations::default();
        let serving = Serving {
            last: socket.try_clone()?,
            library: Arc::new(UdpSocket::from_std(socket)?),
            settings: Arc::new(settings),
            allocations: Arc::clone(&allocations),
            clients: HashMap::new(),
            tasks: JoinSet::new(),
        };
        tokio::spawn(async move {
            serving.run(until).await;
            done.send_replace(true);
        });
        Ok(Shim { endpoint, allocations, ending, ended })
    }

    /// What the library takes for the server.
    pub fn endpoint(&self) -> SocketAddr {
        self.endpoint
    }

    /// The candidate of the allocation that the library's socket with this port has made is out: its hold begins to end.
    pub fn candidate_is_out(&self, client_port: u16) {
        if let Some(allocation) = lock(&self.allocations).get(&client_port) {
            allocation.candidate_is_out.notify_one();
        }
    }

    /// The local port towards the server that stands for the library's socket with this port.
    pub fn local_port(&self, client_port: u16) -> Option<u16> {
        lock(&self.allocations).get(&client_port)?.local_port.get().copied()
    }

    /// Sends what the library has sent until now, except what is held back, and closes every socket.
    pub async fn end(&self) {
        self.ending.send_replace(true);
        // An error: the task has gone with its runtime.
        let _ = self.ended.clone().wait_for(|ended| *ended).await;
    }
}

fn lock(allocations: &Allocations) -> std::sync::MutexGuard<'_, HashMap<u16, Arc<Allocation>>> {
    allocations.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The loopback side.
struct Serving {
    library: Arc<UdpSocket>,
    /// The same socket, for what is in it at the end: the runtime may not have noticed that yet.
    last: std::net::UdpSocket,
    settings: Arc<Settings>,
    allocations: Allocations,
    clients: HashMap<SocketAddr, mpsc::Sender<Vec<u8>>>,
    tasks: JoinSet<()>,
}

impl Serving {
    async fn run(mut self, mut until: watch::Receiver<bool>) {
        let mut buffer = vec![0; MAX_FRAME];
        loop {
            let received = tokio::select! {
                received = self.library.recv_from(&mut buffer) => received,
                _ = until.wait_for(|ending| *ending) => break,
            };
            match received {
                Ok((length, from)) => self.take(&buffer[..length], from).await,
                // A client that has gone: Linux reports the ICMP error of an earlier answer here.
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        loop {
            match self.last.recv_from(&mut buffer) {
                Ok((length, from)) => self.take(&buffer[..length], from).await,
                Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => {}
                Err(_) => break,
            }
        }
        self.clients.clear(); // each client ends when its queue does
        let left = async { while self.tasks.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_MESSAGES_LIMIT, left).await;
    }

    async fn take(&mut self, message: &[u8], from: SocketAddr) {
        if let Some(answer) = message::refuse(message, |typ| typ == BINDING_REQUEST, 400, "no reflexive address here") {
            let _ = self.library.send_to(&answer, from).await;
            return;
        }
        let client = self.clients.entry(from).or_insert_with(|| {
            let (sender, messages) = mpsc::channel(WAITING);
            let allocation = Arc::<Allocation>::default();
            lock(&self.allocations).insert(from.port(), Arc::clone(&allocation));
            let client = Client {
                library: Arc::clone(&self.library),
                address: from,
                settings: Arc::clone(&self.settings),
                allocation,
            };
            self.tasks.spawn(client.run(messages));
            sender
        });
        let _ = client.try_send(message.to_vec());
    }
}

#[cfg(test)]
mod tests;
