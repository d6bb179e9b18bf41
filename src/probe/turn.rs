//! A TURN client (RFC 8656) that tells each refusal apart: long-term credentials, allocations, permissions, channels, data.
//!
//! A [`Client`] is one 5-tuple and does one thing at a time; packets of peers that arrive meanwhile wait in it. It starts
//! no task. `message` is pure, `link` moves bytes, `failure` names what went wrong.
//!
//! ```no_run
//! # use natlab::probe::turn::{Client, Credentials, Link, Pace};
//! # async fn relay(server: std::net::SocketAddr, peer: std::net::SocketAddr) -> Result<(), natlab::probe::turn::Failure> {
//! let credentials = Credentials { user: "u".into(), password: "p".into() };
//! let mut client = Client::new(Link::udp(server).await?, Some(credentials), Pace::default());
//! let allocation = client.allocate().await?;
//! client.send_from_relay(peer, b"hello").await?;
//! let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(1);
//! let answer = client.receive(deadline).await?;
//! client.release().await?;
//! # Ok(()) }
//! ```

mod credentials;
mod failure;
mod link;
pub mod message;
mod tls;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout_at};

pub use credentials::Credentials;
pub use failure::{Asked, Cause, Failure, TlsFault};
pub use link::{Link, Over};
use message::{Attribute, Auth, Incoming, Response};
pub use tls::{Trust, TrustError};

/// Packets of peers that nobody has fetched; a client that is flooded loses the newest.
const INBOX: usize = 1024;

/// How long to wait for an answer and how often to ask over UDP (RFC 8489 §6.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Pause before the second sending; each further one is twice as long.
    pub rto: Duration,
    /// How long an answer may take from the first sending on.
    pub patience: Duration,
}

impl Default for Pace {
    /// 0, 250, 750 and 1750 ms; three seconds in all.
    fn default() -> Pace {
        Pace { rto: Duration::from_millis(250), patience: Duration::from_secs(3) }
    }
}

/// What a server said of the way to it (RFC 8489 §3, RFC 5780 §7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// Whence the request came, as the server saw it.
    pub mapped: SocketAddr,
    /// OTHER-ADDRESS of a server that does NAT behaviour discovery.
    pub other: Option<SocketAddr>,
    /// SOFTWARE.
    pub software: Option<String>,
    /// From the last sending to the answer.
    pub round_trip: Duration,
}

/// A relay that is ours (RFC 8656 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The relayed transport address.
    pub relay: SocketAddr,
    /// Whence the request came, as the server saw it.
    pub mapped: Option<SocketAddr>,
    /// How long it lasts without a Refresh.
    pub lifetime: Duration,
    /// SOFTWARE of the server.
    pub software: Option<String>,
    /// Whether the server asked for credentials; one that did not relays for anybody.
    pub authenticated: bool,
}

/// How a peer's packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In a Data indication.
    Indication,
    /// In ChannelData.
    Channel(u16),
}

/// A peer's packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// The peer; of a channel that was never bound here there is none.
    pub from: Option<SocketAddr>,
    /// What it sent.
    pub data: Vec<u8>,
    /// How it came.
    pub via: Via,
}

/// A client of one server on one 5-tuple.
#[derive(Debug)]
pub struct Client {
    link: Link,
    credentials: Option<Credentials>,
    pace: Pace,
    auth: Option<Auth>,
    permitted: BTreeSet<IpAddr>,
    channels: BTreeMap<u16, SocketAddr>,
    inbox: VecDeque<Packet>,
    stale_nonces: u32,
}

impl Client {
    /// A client that has said nothing yet.
    pub fn new(link: Link, credentials: Option<Credentials>, pace: Pace) -> Client {
        Client {
            link,
            credentials,
            pace,
            auth: None,
            permitted: BTreeSet::new(),
            channels: BTreeMap::new(),
            inbox: VecDeque::new(),
            stale_nonces: 0,
        }
    }

    /// The way to the server.
    pub fn link(&self) -> &Link {
        &self.link
    }

    /// REALM of the server, once it has challenged.
    pub fn realm(&self) -> Option<&str> {
        self.auth.as_ref().map(|a| a.realm.as_str())
    }

    /// How often the server wanted a fresh nonce (438), which it then got.
    pub fn stale_nonces(&self) -> u32 {
        self.stale_nonces
    }

    /// Asks for the own address; needs no credentials.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn binding(&mut self) -> Result<Binding, Failure> {
        let (response, round_trip) = self.transact(Asked::Binding, &[], None).await?;
        refusal(Asked::Binding, &response)?;
        let missing = "XOR-MAPPED-ADDRESS";
        Ok(Binding {
            mapped: response.mapped().ok_or(Failure::Malformed { asked: Asked::Binding, missing })?,
            other: response.other(),
            software: response.software(),
            round_trip,
        })
    }

    /// Asks for a relay, of the family of the way to the server where that has such relays.
    ///
    /// # Errors
    /// As [`Failure`] says; [`Failure::CredentialsWanted`] when there are none.
    pub async fn allocate(&mut self) -> Result<Allocation, Failure> {
        let asked = Asked::Allocate;
        let udp = Attribute::RequestedTransport;
        let response = if self.link.server().is_ipv6() {
            match self.ask(asked, &[udp, Attribute::Ipv6Relay]).await {
                Err(e) if e.cause() == Cause::AddressFamily => self.ask(asked, &[udp]).await?,
                response => response?,
            }
        } else {
            self.ask(asked, &[udp]).await?
        };
        Ok(Allocation {
            relay: response.relayed().ok_or(Failure::Malformed { asked, missing: "XOR-RELAYED-ADDRESS" })?,
            mapped: response.mapped(),
            lifetime: lifetime(asked, &response)?,
            software: response.software(),
            authenticated: self.auth.is_some(),
        })
    }

    /// Lets the relay live on for `lifetime` from now, or as long as the server says instead.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn refresh(&mut self, lifetime: Duration) -> Result<Duration, Failure> {
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX);
        let response = self.ask(Asked::Refresh, &[Attribute::Lifetime(seconds)]).await?;
        self::lifetime(Asked::Refresh, &response)
    }

    /// Gives the relay back, with its permissions and channels.
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn release(&mut self) -> Result<(), Failure> {
        self.ask(Asked::Refresh, &[Attribute::Lifetime(0)]).await?;
        self.permitted.clear();
        self.channels.clear();
        Ok(())
    }

    /// Permits packets from the peer's address, every port of it (RFC 8656 §9).
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn permit(&mut self, peer: SocketAddr) -> Result<(), Failure> {
        self.ask(Asked::CreatePermission, &[Attribute::Peer(peer)]).await?;
        self.permitted.insert(peer.ip());
        Ok(())
    }

    /// Binds a channel, 0x4000 to 0x4FFF, to a peer, which permits its address too (RFC 8656 §12).
    ///
    /// # Errors
    /// As [`Failure`] says.
    pub async fn bind_channel(&mut self, number: u16, peer: SocketAddr) -> Result<(), Failure> {
        self.ask(Asked::ChannelBind, &[Attribute::Channel(number), Attribute::Peer(peer)]).await?;
        self.permitted.insert(peer.ip());
        self.channels.insert(number, peer);
        Ok(())
    }

    /// Sends a packet from the relay to a peer, in a Send indication; asks for the permission first if there is none.
    ///
    /// # Errors
    /// As [`Failure`] says; that the packet arrived nobody tells.
    pub async fn send_from_relay(&mut self, to: SocketAddr, data: &[u8]) -> Result<(), Failure> {
        if !self.permitted.contains(&to.ip()) {
            self.permit(to).await?;
        }
        let indication = message::send_indication(to, data).ok_or(Failure::TooLong)?;
        self.link.send(&indication).await.map_err(|e| self.link.failure(e))
    }

    /// Sends a packet to the peer of a channel, in ChannelData.
    ///
    /// # Errors
    /// As [`Failure`] says; that the packet arrived nobody tells.
    pub async fn send_on_channel(&mut self, number: u16, data: &[u8]) -> Result<(), Failure> {
        let bytes = message::channel_data(number, data).ok_or(Failure::TooLong)?;
        self.link.send(&bytes).await.map_err(|e| self.link.failure(e))
    }

    /// The next packet of a peer; none when there is none until then.
    ///
    /// # Errors
    /// When the way to the server broke.
    pub async fn receive(&mut self, until: Instant) -> Result<Option<Packet>, Failure> {
        loop {
            if let Some(packet) = self.inbox.pop_front() {
                return Ok(Some(packet));
            }
            // A flood of other messages would always be ready before the timeout is.
            if Instant::now() >= until {
                return Ok(None);
            }
            match timeout_at(until, self.link.next()).await {
                Err(_) => return Ok(None),
                Ok(Err(e)) => return Err(self.link.failure(e)),
                Ok(Ok(bytes)) => {
                    if let Some(incoming) = message::read(&bytes) {
                        self.keep(incoming);
                    }
                }
            }
        }
    }

    /// A request with credentials, once the server has asked for them; a stale nonce is renewed once (RFC 8489 §9.2.5).
    async fn ask(&mut self, asked: Asked, attributes: &[Attribute]) -> Result<Response, Failure> {
        let mut renewed = false;
        loop {
            let auth = self.auth.clone();
            let (response, _) = self.transact(asked, attributes, auth.as_ref()).await?;
            match (response.error().map(|(code, _)| code), auth) {
                (Some(401), None) => self.auth = Some(self.challenged(asked, &response)?),
                (Some(401), Some(auth)) => {
                    let reason = response.error().map(|(_, reason)| reason).unwrap_or_default();
                    return Err(Failure::Unauthorized { user: auth.user, realm: auth.realm, reason });
                }
                (Some(438), Some(_)) if renewed => return Err(Failure::StaleNonceLoop { asked }),
                (Some(438), Some(auth)) => {
                    renewed = true;
                    self.stale_nonces += 1;
                    let nonce = response.nonce().ok_or(Failure::Malformed { asked, missing: "NONCE" })?;
                    self.auth = Some(Auth { nonce, ..auth });
                }
                _ => return refusal(asked, &response).map(|()| response),
            }
        }
    }

    fn challenged(&self, asked: Asked, challenge: &Response) -> Result<Auth, Failure> {
        let realm = challenge.realm().ok_or(Failure::Malformed { asked, missing: "REALM" })?;
        let nonce = challenge.nonce().ok_or(Failure::Malformed { asked, missing: "NONCE" })?;
        match &self.credentials {
            Some(c) => Ok(Auth::new(&c.user, &c.password, realm, nonce)),
            None => Err(Failure::CredentialsWanted { realm }),
        }
    }

    /// One transaction (RFC 8489 §6.2): the answer, and how long it took.
    async fn transact(
        &mut self,
        asked: Asked,
        attributes: &[Attribute],
        auth: Option<&Auth>,
    ) -> Result<(Response, Duration), Failure> {
        let id = message::fresh_id();
        let request = message::request(asked.method(), id, attributes, auth).ok_or(Failure::TooLong)?;
        let end = Instant::now() + self.pace.patience;
        let (mut sends, mut pause, mut sent, mut forged) = (0u32, self.pace.rto, Instant::now(), false);
        loop {
            // Before the sending: on a fast path the answer is there before sending returns.
            sent = if sends == 0 || self.link.over() == Over::Udp { Instant::now() } else { sent };
            self.link.send(&request).await.map_err(|e| self.broken(asked, e))?;
            sends += 1;
            let until = if self.link.over() == Over::Udp { (sent + pause).min(end) } else { end };
            pause *= 2;
            // The time is looked at besides: a flood would always be ready before the timeout is.
            while Instant::now() < until
                && let Ok(incoming) = timeout_at(until, self.link.next()).await
            {
                let incoming = message::read(&incoming.map_err(|e| self.broken(asked, e))?);
                match incoming {
                    Some(Incoming::Response(r)) if r.id() == id && r.method() == asked.method() => {
                        // An error may come without: 401 and 438 have no key to be made with (RFC 8489 §9.2.5).
                        if r.error().is_none() && auth.is_some_and(|a| !r.is_authentic(&a.key)) {
                            forged = true;
                            continue;
                        }
                        return Ok((*r, sent.elapsed()));
                    }
                    Some(other) => self.keep(other),
                    None => {}
                }
            }
            if Instant::now() >= end {
                return Err(match forged {
                    true => Failure::NotAuthentic { asked },
                    false => Failure::Silent { asked, after: self.pace.patience, sends },
                });
            }
        }
    }

    fn broken(&self, asked: Asked, error: std::io::Error) -> Failure {
        use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
        match error.kind() {
            UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe => Failure::Closed { asked },
            _ => self.link.failure(error),
        }
    }

    fn keep(&mut self, incoming: Incoming) {
        let packet = match incoming {
            Incoming::Response(_) => return,
            Incoming::Data { from, data } => Packet { from: Some(from), data, via: Via::Indication },
            Incoming::Channel { number, data } => {
                Packet { from: self.channels.get(&number).copied(), data, via: Via::Channel(number) }
            }
        };
        if self.inbox.len() < INBOX {
            self.inbox.push_back(packet);
        }
    }
}

/// Bytes that nobody else sends, to know a packet again.
pub fn token() -> [u8; 12] {
    message::fresh_id()
}

/// Asks a server that is silent once more, from a socket that hears everybody: the source of an answer that comes from
/// elsewhere. A client must ignore such answers (RFC 8489 §6.3.3), and a NAT may drop them.
pub async fn elsewhere(server: SocketAddr, pace: Pace) -> Option<SocketAddr> {
    let socket = UdpSocket::bind((link::any(server), 0)).await.ok()?;
    let id = message::fresh_id();
    let request = message::request(Asked::Binding.method(), id, &[], None)?;
    let end = Instant::now() + pace.patience;
    let mut buffer = vec![0; 2048];
    let mut pause = pace.rto;
    while Instant::now() < end {
        socket.send_to(&request, server).await.ok()?;
        let until = (Instant::now() + pause).min(end);
        pause *= 2;
        while Instant::now() < until
            && let Ok(received) = timeout_at(until, socket.recv_from(&mut buffer)).await
        {
            // An error is an ICMP message for an earlier sending.
            let Ok((length, source)) = received else { continue };
            match message::read(buffer.get(..length).unwrap_or_default()) {
                Some(Incoming::Response(r)) if r.id() == id => return (source != server).then_some(source),
                _ => {}
            }
        }
    }
    None
}

/// What an error response means.
fn refusal(asked: Asked, response: &Response) -> Result<(), Failure> {
    match response.error() {
        None => Ok(()),
        Some((300, _)) => Err(Failure::TryAlternate { to: response.alternate_server() }),
        Some((0, _)) => Err(Failure::Malformed { asked, missing: "ERROR-CODE" }),
        Some((code, reason)) => Err(Failure::Refused { asked, code, reason }),
    }
}

fn lifetime(asked: Asked, response: &Response) -> Result<Duration, Failure> {
    let seconds = response.lifetime().ok_or(Failure::Malformed { asked, missing: "LIFETIME" })?;
    Ok(Duration::from_secs(seconds.into()))
}

#[cfg(test)]
mod tests;
