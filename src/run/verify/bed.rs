//! The bench as it stands: its namespaces, the rules of the gateways, and sockets at its ends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::path::Path;

use super::clock::{Clock, v4};
use super::raw::{Raw, Use};
use crate::conformance::bench::{self, Bench, HOSTS, SERVERS, SINK, SINK_ADDRESS};
use crate::conformance::observations::Source;
use crate::conformance::{Observations, Subject};
use crate::lab::namespace::Sysctl;
use crate::lab::topology::{self, Lab, LabError};
use crate::nat::rules;
use crate::nft::encode::{self, Load};
use crate::plan::Topology;

/// Where a socket stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// An inside host.
    Host(usize),
    /// A server, by its address.
    Server(usize),
    /// The silent one.
    Sink,
    /// Directly in front of the gateway of this place in the chain, which is not the outermost: in the one before it.
    Front(usize),
}

/// A bench that stands.
pub struct Bed {
    lab: Lab,
    /// Addresses and names.
    pub bench: Bench,
    /// Tells when nothing more can come.
    pub clock: Clock,
    /// What went astray.
    pub strays: RefCell<Vec<String>>,
    /// Dropped so far by tables that were replaced since.
    dropped: RefCell<BTreeMap<String, u64>>,
    packets: Cell<u32>,
    loads: Cell<u64>,
}

/// What every node of a bench needs besides the plan's settings: many errors go to one node in no time, and a sink without
/// routes must hear packets all the same.
fn settings() -> Vec<Sysctl> {
    let set = |key: &str, value: &str, optional| Sysctl { key: key.into(), value: value.into(), optional };
    vec![
        set("net.ipv4.icmp_ratelimit", "0", false),
        set("net.ipv4.icmp_msgs_per_sec", "100000", true),
        set("net.ipv4.icmp_msgs_burst", "100000", true),
        set("net.ipv4.conf.all.rp_filter", "0", false),
        set("net.ipv4.conf.default.rp_filter", "0", false),
    ]
}

impl Bed {
    /// Builds it, without rules yet; `name` is the directory of its namespaces below `directory`.
    pub async fn build(subject: &Subject, directory: &Path, name: &str) -> Result<Bed, LabError> {
        let bench = bench::bench(subject);
        let lab = topology::build(&bench.topology, directory, name).await?;
        // A handshake through every gateway, and an error about its last packet.
        let hops = 4 * (subject.gateways.len() as u32 + 2);
        let clock = Clock::new(&lab, HOSTS[0], hops)?;
        let (strays, dropped, packets, loads) = Default::default();
        let bed = Bed { lab, bench, clock, strays, dropped, packets, loads };
        bed.settle_in().await?;
        Ok(bed)
    }

    /// Settings, and neighbours that know each other: a packet that waits for an address would be overtaken by the clock.
    async fn settle_in(&self) -> Result<(), LabError> {
        let settings = settings();
        for n in self.lab.nodes() {
            let mut all = settings.clone();
            if n.name == SINK {
                all.push(Sysctl { key: "net.ipv4.conf.eth0.rp_filter".into(), value: "0".into(), optional: false });
            }
            let set = n.run(|| all.iter().try_for_each(Sysctl::write))?;
            set.map_err(|why| LabError::Sysctl { node: n.name.clone(), why })?;
        }
        self.lab.all_running(&self.bench.topology).await?;
        // The nodes of a link send to each other's addresses there.
        for n in &self.bench.topology.nodes {
            let mut near: Vec<Ipv4Addr> = Vec::new();
            for l in &self.bench.topology.links {
                let far = if l.a.node == n.name {
                    &l.b
                } else if l.b.node == n.name {
                    &l.a
                } else {
                    continue;
                };
                let Some(node) = self.bench.topology.node(&far.node) else { continue };
                let on_it = node.interfaces.iter().filter(|i| i.name == far.interface).flat_map(|i| &i.addresses);
                let bridged = node.bridges.iter().filter(|b| b.ports.contains(&far.interface));
                near.extend(on_it.chain(bridged.flat_map(|b| &b.addresses)).map(|a| a.address));
            }
            if HOSTS.contains(&n.name.as_str()) {
                near.extend(self.bench.hosts);
            }
            near.retain(|a| !SERVERS.contains(a));
            let greet = || -> std::io::Result<()> {
                let s = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
                // Some are not to be reached from there, such as the internet from the sink.
                near.iter().for_each(|a| drop(s.send_to(b"hello", (*a, 9))));
                Ok(())
            };
            let greeted = self.lab.node(&n.name)?.run(greet)?;
            greeted.map_err(|e| LabError::Probe(format!("greeting the neighbours of {}: {e}", n.name)))?;
        }
        self.clock.settled().await?;
        self.clock.settled().await
    }

    /// The gateways begin to do what `subject` declares, with nothing of their earlier life, and with other ports.
    pub async fn load(&self, subject: &Subject) -> Result<(), LabError> {
        self.keep_drops().await?;
        let wanted = bench::bench(subject);
        for (level, name) in self.bench.gateways.iter().enumerate() {
            let node = self.lab.node(name)?;
            let gateway = wanted.topology.node(name).and_then(|n| n.gateway.clone());
            let mut gateway = gateway.ok_or_else(|| LabError::NoSuchNode(name.clone()))?;
            gateway.seed = gateway.seed.wrapping_add(1000 * self.loads.get() + 31 * level as u64);
            topology::load(node, &gateway, Load::Replace).await?;
            let flushed = node.conntrack.flush_conntrack_all().await;
            flushed.map_err(LabError::netlink("clear the connections", name))?;
        }
        self.loads.set(self.loads.get() + 1);
        Ok(())
    }

    /// Packets that the rules have dropped since the last load, by comment.
    pub async fn drops(&self) -> Result<BTreeMap<String, u64>, LabError> {
        let mut all = BTreeMap::new();
        for name in &self.bench.gateways {
            let counted = encode::drops(&self.lab.node(name)?.nft, rules::TABLE).await;
            for (rule, packets) in counted.map_err(LabError::rules(name))? {
                *all.entry(rule).or_default() += packets;
            }
        }
        Ok(all)
    }

    async fn keep_drops(&self) -> Result<(), LabError> {
        if self.loads.get() > 0 {
            let now = self.drops().await?;
            let mut all = self.dropped.borrow_mut();
            now.into_iter().filter(|(_, n)| *n > 0).for_each(|(rule, n)| *all.entry(rule).or_default() += n);
        }
        Ok(())
    }

    /// The address of a place.
    pub fn address(&self, place: Place) -> Ipv4Addr {
        match place {
            Place::Host(n) => self.bench.hosts.get(n).copied().unwrap_or(Ipv4Addr::UNSPECIFIED),
            Place::Server(n) => SERVERS.get(n).copied().unwrap_or(Ipv4Addr::UNSPECIFIED),
            Place::Sink => SINK_ADDRESS,
            Place::Front(_) => self.bench.inner_address(self.node(place)).unwrap_or(Ipv4Addr::UNSPECIFIED),
        }
    }

    fn node(&self, place: Place) -> &str {
        match place {
            Place::Host(0) => HOSTS[0],
            Place::Host(_) => HOSTS[1],
            Place::Server(_) => Topology::INTERNET,
            Place::Sink => SINK,
            Place::Front(n) => n.checked_sub(1).and_then(|n| self.bench.gateways.get(n)).map_or("", String::as_str),
        }
    }

    /// Opens something at a place.
    pub fn at<T: Send>(&self, place: Place, open: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T, LabError> {
        self.inside(self.node(place), open)
    }

    /// Does something in a node.
    pub fn inside<T: Send>(&self, node: &str, work: impl FnOnce() -> std::io::Result<T> + Send) -> Result<T, LabError> {
        self.lab.node(node)?.run(work)?.map_err(|e| LabError::Probe(format!("in {node}: {e}")))
    }

    /// A raw socket at a place.
    pub fn raw(&self, place: Place, how: Use) -> Result<Raw, LabError> {
        self.at(place, || Raw::open(how))
    }

    /// The outermost gateway's link outside gets this MTU.
    pub async fn outside_mtu(&self, mtu: u32) -> Result<(), LabError> {
        let Some(name) = self.bench.gateways.first() else { return Ok(()) };
        let set = self.lab.node(name)?.route.set_link_mtu(bench::WAN, mtu).await;
        set.map_err(LabError::netlink("set the MTU", name))
    }

    /// A number that no other packet has.
    pub fn number(&self) -> u32 {
        self.packets.set(self.packets.get() + 1);
        self.packets.get()
    }

    /// Takes everything down, and what is left to tell of it.
    pub async fn finish(self, seen: &mut Observations) -> Result<(), LabError> {
        self.keep_drops().await?;
        seen.strays = self.strays.into_inner();
        seen.drops = self.dropped.into_inner();
        drop(self.clock);
        self.lab.remove()
    }
}

/// A socket, by its place in a [`Group`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id(usize);

/// UDP sockets of one measurement. Packets that arrive at one of them were sent by another.
pub struct Group<'a> {
    bed: &'a Bed,
    sockets: RefCell<Vec<(Option<UdpSocket>, SocketAddrV4)>>,
}

impl<'a> Group<'a> {
    /// Without sockets yet.
    pub fn new(bed: &'a Bed) -> Group<'a> {
        Group { bed, sockets: RefCell::default() }
    }

    /// A socket at a place.
    pub fn bind(&self, place: Place, port: u16) -> Result<Id, LabError> {
        let local = SocketAddrV4::new(self.bed.address(place), port);
        let open = || -> std::io::Result<UdpSocket> {
            let s = UdpSocket::bind(local)?;
            s.set_nonblocking(true)?;
            Ok(s)
        };
        let socket = self.bed.at(place, open)?;
        let mut sockets = self.sockets.borrow_mut();
        sockets.push((Some(socket), local));
        Ok(Id(sockets.len() - 1))
    }

    /// Where it stands.
    pub fn local(&self, id: Id) -> SocketAddrV4 {
        let unknown = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        self.sockets.borrow().get(id.0).map_or(unknown, |(_, local)| *local)
    }

    /// Sends bytes.
    pub fn send(&self, from: Id, to: SocketAddrV4, bytes: &[u8]) -> Result<(), LabError> {
        let sockets = self.sockets.borrow();
        let Some((Some(socket), local)) = sockets.get(from.0) else { return Ok(()) };
        // An error that is about an earlier packet is told first.
        let sent = socket.send_to(bytes, to).or_else(|_| socket.send_to(bytes, to));
        sent.map(drop).map_err(|e| LabError::Probe(format!("sending from {local} to {to}: {e}")))
    }

    /// Everything that came since, by socket.
    pub async fn came(&self) -> Result<Vec<(Id, SocketAddrV4, Vec<u8>)>, LabError> {
        self.bed.clock.settled().await?;
        let mut all = Vec::new();
        let mut bytes = [0; 4096];
        for (n, (socket, _)) in self.sockets.borrow().iter().enumerate() {
            let Some(socket) = socket else { continue };
            loop {
                match socket.recv_from(&mut bytes) {
                    Ok((length, from)) => {
                        let payload = bytes.get(..length).unwrap_or_default().to_vec();
                        all.extend(v4(from).map(|from| (Id(n), from, payload)));
                    }
                    Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => break,
                    // An ICMP error; the next call is about packets again.
                    Err(_) => {}
                }
            }
        }
        Ok(all)
    }

    /// Sends a packet, and says where it arrived from at `at`. Anything else that came is a stray.
    pub async fn deliver(&self, from: Id, to: SocketAddrV4, at: Id) -> Result<Source, LabError> {
        let number = self.bed.number().to_be_bytes();
        self.send(from, to, &number)?;
        let mut arrived = None;
        for (id, source, payload) in self.came().await? {
            if id == at && payload == number && arrived.is_none() {
                arrived = Some(source);
            } else {
                let (sender, receiver, meant) = (self.local(from), self.local(id), self.local(at));
                let stray = format!("a packet of {sender} to {to} arrived at {receiver}, not at {meant}");
                self.bed.strays.borrow_mut().push(stray);
            }
        }
        Ok(arrived)
    }

    /// Closes a socket: its port answers with an error from now on.
    pub fn close(&self, id: Id) {
        if let Some(slot) = self.sockets.borrow_mut().get_mut(id.0) {
            slot.0 = None;
        }
    }
}
