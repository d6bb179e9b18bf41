//! A network in memory: one host behind a NAT, STUN servers, losses from a seed. With Tokio's clock paused a classification
//! that waits for minutes takes milliseconds, and the same seed gives the same losses.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::net::TcpSocket;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, Pooling, PortAssignment, Refresh, Translation, UdpPolicy};
use crate::net::Transport;
use crate::probe::socket::{Datagrams, Opener};
use crate::server::stun::{self, Answer, Endpoints, Options, Place};

/// What a server makes of its own proper answer; several datagrams, or none.
pub(super) type Mischief = fn(Place, Answer) -> Vec<(Place, Vec<u8>)>;

/// A server that does as it should.
pub(super) fn proper(_: Place, answer: Answer) -> Vec<(Place, Vec<u8>)> {
    vec![(answer.from, answer.bytes)]
}

pub(super) struct Server {
    pub endpoints: Endpoints,
    pub mischief: Mischief,
}

/// Where the host is.
pub(super) const HOST: &str = "10.0.0.2";
#[derive(Clone)]
pub(super) struct World(Arc<Mutex<Inner>>);

struct Inner {
    host: IpAddr,
    behavior: Behavior,
    servers: Vec<Server>,
    /// Of a packet in one direction.
    loss: f64,
    /// Packets longer than this do not pass.
    mtu: (usize, usize),
    random: u64,
    sockets: BTreeMap<SocketAddr, UnboundedSender<(Vec<u8>, SocketAddr)>>,
    mappings: BTreeMap<Key, State>,
    ports: u16,
    local_ports: u16,
    /// Sends until the route goes away.
    route: Option<u32>,
    relays: BTreeMap<SocketAddr, UnboundedSender<(SocketAddr, Vec<u8>)>>,
    sent: u32,
    /// Round trip.
    round_trip: Duration,
    /// When each transaction id was first seen.
    begun: BTreeMap<[u8; 12], Instant>,
}

/// Inside endpoint, and what else a mapping depends on.
type Key = (SocketAddr, Option<SocketAddr>);

struct State {
    external: SocketAddr,
    sent_to: BTreeSet<SocketAddr>,
    used: Instant,
}

impl World {
    pub(super) fn new(behavior: Behavior, servers: Vec<Server>) -> World {
        World(Arc::new(Mutex::new(Inner {
            host: HOST.parse().unwrap(),
            behavior,
            servers,
            loss: 0.0,
            mtu: (9000, 9000),
            random: 1,
            sockets: BTreeMap::new(),
            mappings: BTreeMap::new(),
            ports: 40_000,
            local_ports: 50_000,
            route: None,
            relays: BTreeMap::new(),
            sent: 0,
            round_trip: Duration::from_millis(20),
            begun: BTreeMap::new(),
        })))
    }

    fn set(self, change: impl FnOnce(&mut Inner)) -> World {
        change(&mut self.0.lock().unwrap());
        self
    }

    pub(super) fn losing(self, loss: f64, seed: u64) -> World {
        self.set(|w| (w.loss, w.random) = (loss, seed))
    }

    /// Longest packet outwards and inwards.
    pub(super) fn with_mtu(self, out: usize, inward: usize) -> World {
        self.set(|w| w.mtu = (out, inward))
    }

    pub(super) fn losing_its_route_after(self, sends: u32) -> World {
        self.set(|w| w.route = Some(sends))
    }

    pub(super) fn with_round_trip(self, round_trip: Duration) -> World {
        self.set(|w| w.round_trip = round_trip)
    }

    /// When transactions began, in order.
    pub(super) fn begun(&self) -> Vec<Instant> {
        let mut all: Vec<Instant> = self.0.lock().unwrap().begun.values().copied().collect();
        all.sort();
        all
    }

    pub(super) fn at(self, host: &str) -> World {
        self.set(|w| w.host = host.parse().unwrap())
    }

    /// A foreign endpoint of our own; what is sent to it, and from where.
    pub(super) fn relay(&self, at: SocketAddr) -> UnboundedReceiver<(SocketAddr, Vec<u8>)> {
        let (sender, receiver) = unbounded_channel();
        self.0.lock().unwrap().relays.insert(at, sender);
        receiver
    }

    /// From outside to an external endpoint.
    pub(super) fn inject(&self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        self.0.lock().unwrap().inbound(from, to, bytes);
    }
}

impl Inner {
    /// SplitMix64.
    fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn is_lost(&mut self) -> bool {
        (self.random() >> 11) as f64 / (1u64 << 53) as f64 <= self.loss && self.loss > 0.0
    }

    fn outbound(&mut self, inside: SocketAddr, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        self.sent += 1;
        if let Some(id) = bytes.get(8..20) {
            self.begun.entry(id.try_into().unwrap()).or_insert_with(Instant::now);
        }
        if self.route.is_some_and(|after| self.sent > after) {
            return Err(io::Error::from(io::ErrorKind::NetworkUnreachable));
        }
        if self.behavior.udp == UdpPolicy::Blocked || bytes.len() > self.mtu.0 || self.is_lost() {
            return Ok(());
        }
        let external = self.map(inside, to);
        if let Some(relay) = self.relays.get(&to) {
            drop(relay.send((external, bytes.to_vec())));
            return Ok(());
        }
        if let Some(target) = self.mappings.values().find(|m| m.external == to).map(|m| m.external) {
            self.turned_round(inside, external, target, bytes);
            return Ok(());
        }
        let mut answers = Vec::new();
        for server in &self.servers {
            let Some(place) = server.endpoints.places().find(|p| server.endpoints.at(*p) == Some(to)) else { continue };
            let answer = stun::answer(bytes, external, place, Transport::Udp, &server.endpoints, &Options::default());
            if let Some(answer) = answer {
                let back = answer.to;
                for (from, bytes) in (server.mischief)(place, answer) {
                    answers.extend(server.endpoints.at(from).map(|from| (from, back, bytes)));
                }
            }
        }
        for (from, back, bytes) in answers {
            self.inbound(from, back, &bytes);
        }
        Ok(())
    }

    /// The external endpoint of a packet that leaves.
    fn map(&mut self, inside: SocketAddr, to: SocketAddr) -> SocketAddr {
        let remote = match self.behavior.mapping {
            Mapping::EndpointIndependent => None,
            Mapping::AddressDependent => Some(SocketAddr::new(to.ip(), 0)),
            Mapping::AddressAndPortDependent => Some(to),
        };
        let now = Instant::now();
        self.forget(now);
        let outbound = self.behavior.refresh != Refresh::Inbound;
        if let Some(state) = self.mappings.get_mut(&(inside, remote)) {
            state.sent_to.insert(to);
            if outbound {
                state.used = now;
            }
            return state.external;
        }
        let external = self.assign(inside);
        let state = State { external, sent_to: BTreeSet::from([to]), used: now };
        self.mappings.insert((inside, remote), state);
        external
    }

    fn forget(&mut self, now: Instant) {
        let lifetime = self.behavior.lifetime();
        self.mappings.retain(|_, m| now - m.used < lifetime);
    }

    fn assign(&mut self, inside: SocketAddr) -> SocketAddr {
        if self.behavior.translation == Translation::None {
            return inside;
        }
        let address = match self.behavior.pooling {
            Pooling::Paired => 7,
            Pooling::Arbitrary => 7 + (self.random() % u64::from(self.behavior.addresses)) as u8,
        };
        let address = IpAddr::from([198, 51, 100, address]);
        loop {
            let port = match self.behavior.ports {
                PortAssignment::Preserving | PortAssignment::Overloading => inside.port(),
                PortAssignment::Random => 20_000 + (self.random() % 12_000) as u16,
                PortAssignment::Parity => 20_000 + 2 * (self.random() % 6_000) as u16 + inside.port() % 2,
                PortAssignment::Sequential => {
                    self.ports = self.ports.wrapping_add_signed(i16::from(self.behavior.port_step));
                    self.ports
                }
            };
            let external = SocketAddr::new(address, port);
            let taken = self.mappings.values().any(|m| m.external == external);
            if !taken || self.behavior.ports == PortAssignment::Preserving {
                return external;
            }
        }
    }

    fn inbound(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        if bytes.len() > self.mtu.1 || self.is_lost() {
            return;
        }
        if let Some(inside) = self.lets_in(from, to) {
            self.deliver(from, inside, bytes);
        }
    }

    /// The inside endpoint that a packet from outside reaches.
    fn lets_in(&mut self, from: SocketAddr, to: SocketAddr) -> Option<SocketAddr> {
        let now = Instant::now();
        self.forget(now);
        let (filtering, refresh) = (self.behavior.filtering, self.behavior.refresh);
        let passes = |m: &State| match filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => m.sent_to.iter().any(|to| to.ip() == from.ip()),
            Filtering::AddressAndPortDependent => m.sent_to.contains(&from),
        };
        let (key, state) = self.mappings.iter_mut().find(|(_, m)| m.external == to && passes(m))?;
        if refresh != Refresh::Outbound {
            state.used = now;
        }
        Some(key.0)
    }

    fn turned_round(&mut self, inside: SocketAddr, external: SocketAddr, target: SocketAddr, bytes: &[u8]) {
        let source = match self.behavior.hairpinning {
            Hairpinning::None => return,
            Hairpinning::ExternalSource => external,
            Hairpinning::InternalSource => inside,
        };
        if let Some(inside) = self.lets_in(external, target) {
            self.deliver(source, inside, bytes);
        }
    }

    fn deliver(&mut self, from: SocketAddr, inside: SocketAddr, bytes: &[u8]) {
        let Some(socket) = self.sockets.get(&inside).cloned() else { return };
        let (bytes, round_trip) = (bytes.to_vec(), self.round_trip);
        tokio::spawn(async move {
            tokio::time::sleep(round_trip).await;
            drop(socket.send((bytes, from)));
        });
    }
}

impl Opener for World {
    fn udp(&self) -> io::Result<Box<dyn Datagrams>> {
        let mut inner = self.0.lock().unwrap();
        // In no order, as an operating system's; from a generator of its own, so that losses stay those of the seed.
        inner.local_ports = inner.local_ports.wrapping_mul(25_173).wrapping_add(13_849);
        let local = SocketAddr::new(inner.host, 32_768 | inner.local_ports >> 1);
        let (sender, receiver) = unbounded_channel();
        inner.sockets.insert(local, sender);
        Ok(Box::new(Socket { world: self.clone(), local, receiver: tokio::sync::Mutex::new(receiver) }))
    }

    fn tcp(&self, _: u16) -> io::Result<TcpSocket> {
        Err(io::Error::from(io::ErrorKind::Unsupported))
    }
}

struct Socket {
    world: World,
    local: SocketAddr,
    receiver: tokio::sync::Mutex<UnboundedReceiver<(Vec<u8>, SocketAddr)>>,
}

#[async_trait]
impl Datagrams for Socket {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        self.world.0.lock().unwrap().outbound(self.local, to, bytes)
    }

    async fn receive_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let (bytes, from) = self.receiver.lock().await.recv().await.ok_or(io::ErrorKind::UnexpectedEof)?;
        let n = bytes.len().min(buffer.len());
        buffer[..n].copy_from_slice(&bytes[..n]);
        Ok((n, from))
    }

    fn local(&self) -> SocketAddr {
        self.local
    }
}
