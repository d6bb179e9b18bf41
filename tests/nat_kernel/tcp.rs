//! TCP through the same rules (RFC 5382).

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use natlab::nat::{
    Behavior, Filtering, Hairpinning, Mapping, PortAssignment, PortRange, SimultaneousOpen, Tcp, UdpPolicy,
};
use natlab::plan::Gateway;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, connect, listen, sendto,
    setsockopt, socket,
};
use nlink::netlink::route::{Ipv4Route, RouteType};

use crate::behaviors::{filtering_seen, mapping_seen, nine, remotes};
use crate::endpoints::{Endpoints, v4};
use crate::errors::checksum;
use crate::lab::{EXTERNAL, HOSTS, Home, Node, PUBLIC_HOSTS, SERVERS, gateway};

/// A non-blocking socket whose port other sockets may use too.
fn open(node: &Node, address: Ipv4Addr, port: u16) -> OwnedFd {
    let make = || -> nix::Result<OwnedFd> {
        let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
        let s = socket(AddressFamily::Inet, SockType::Stream, flags, None)?;
        setsockopt(&s, ReuseAddr, &true)?;
        setsockopt(&s, ReusePort, &true)?;
        bind(s.as_raw_fd(), &SockaddrIn::from(SocketAddrV4::new(address, port)))?;
        Ok(s)
    };
    node.netns.run(make).expect("enter the namespace").unwrap_or_else(|e| panic!("bind {address}:{port}: {e}"))
}

fn listener(node: &Node, address: Ipv4Addr, port: u16) -> TcpListener {
    let s = open(node, address, port);
    listen(&s, Backlog::new(16).expect("a small number")).expect("listen");
    s.into()
}

/// Begins to connect.
fn connecting(node: &Node, address: Ipv4Addr, port: u16, to: SocketAddrV4) -> TcpStream {
    let s = open(node, address, port);
    assert_eq!(connect(s.as_raw_fd(), &SockaddrIn::from(to)), Err(Errno::EINPROGRESS));
    s.into()
}

/// Who has connected: a handshake is three packets, two pulses are four.
fn accepted(all: &Endpoints, at: &TcpListener) -> Option<(TcpStream, SocketAddrV4)> {
    all.settle();
    all.settle();
    at.accept().ok().map(|(stream, from)| (stream, v4(from)))
}

fn servers(home: &Home) -> [(TcpListener, SocketAddrV4); 3] {
    [(0, 80), (0, 81), (1, 80)]
        .map(|(n, port)| (listener(&home.internet, SERVERS[n], port), SocketAddrV4::new(SERVERS[n], port)))
}

pub fn nine_behaviors(home: &mut Home) {
    let all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
    let servers = servers(home);
    for (i, b) in (0..).zip(nine()) {
        // Of a port list of its own: the servers still remember connections from the last one's ports.
        home.load(&Gateway { seed: 100 + u64::from(i), ..gateway(b, &[EXTERNAL]) });
        let mut open = vec![];
        let [one, two, three] = [0, 1, 2].map(|n| {
            let (at, address) = &servers[n];
            open.push(connecting(&home.hosts[0], HOSTS[0], 7000 + i, *address));
            let (stream, from) = accepted(&all, at).unwrap_or_else(|| panic!("{b}: no connection to {address}"));
            open.push(stream);
            from
        });
        let seen = match (one == two, one == three) {
            (true, true) => Mapping::EndpointIndependent,
            (true, false) => Mapping::AddressDependent,
            _ => Mapping::AddressAndPortDependent,
        };
        assert_eq!(seen, b.mapping, "{b}: {one} {two} {three}");
        inbound(home, &all, b, HOSTS[0], 7100 + i, &servers[0]);
    }
    let b = Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    hairpin(home, &all, Behavior { hairpinning: Hairpinning::ExternalSource, ..b }, &servers[0]);
    blocked(home, Behavior { udp: UdpPolicy::Blocked, ..b }, &servers[0]);
    drop(all);
    let all = Endpoints::new(&home.hosts[1], PUBLIC_HOSTS[1], &home.internet);
    for (i, filtering) in (0..).zip(Filtering::ALL) {
        let b = Behavior::public(filtering);
        home.become_gateway(b);
        inbound(home, &all, b, PUBLIC_HOSTS[0], 7200 + i, &servers[0]);
    }
}

/// Who may connect to a host that has connected to A from the same port.
fn inbound(
    home: &Home,
    all: &Endpoints,
    b: Behavior,
    address: Ipv4Addr,
    port: u16,
    (server, at): &(TcpListener, SocketAddrV4),
) {
    let mine = listener(&home.hosts[0], address, port);
    let _out = connecting(&home.hosts[0], address, port, *at);
    let (_kept, external) = accepted(all, server).unwrap_or_else(|| panic!("{b}: no connection to {at}"));
    for (n, permitted) in
        [(0, b.filtering != Filtering::AddressAndPortDependent), (1, b.filtering == Filtering::EndpointIndependent)]
    {
        let before = home.dropped("filtering (RFC 5382 4.3), tcp: only from");
        let _in = connecting(&home.internet, SERVERS[n], port, external);
        let from = accepted(all, &mine).map(|(_, from)| from);
        assert_eq!(from, permitted.then_some(SocketAddrV4::new(SERVERS[n], port)), "{b}");
        let dropped = home.dropped("filtering (RFC 5382 4.3), tcp: only from") - before;
        assert_eq!(dropped > 0, !permitted, "{b}: {dropped} dropped");
    }
}

fn hairpin(home: &Home, all: &Endpoints, b: Behavior, (server, at): &(TcpListener, SocketAddrV4)) {
    home.become_gateway(b);
    let mine = listener(&home.hosts[1], HOSTS[1], 7300);
    let _out = connecting(&home.hosts[1], HOSTS[1], 7300, *at);
    let (_kept, external) = accepted(all, server).expect("an outbound connection");
    let _in = connecting(&home.hosts[0], HOSTS[0], 7301, external);
    let (_, from) = accepted(all, &mine).expect("a hairpinned connection");
    assert_eq!(from, SocketAddrV4::new(EXTERNAL, 7301));
}

/// The filter holds for hairpinned connections as for others; who was sent to may come in.
pub fn hairpinned_connections_are_filtered(home: &mut Home) {
    for b in nine() {
        for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource] {
            let b = Behavior { hairpinning, ports: PortAssignment::Preserving, ..b };
            home.become_gateway(b);
            let mut connections = Connections::new(home);
            let port = LAST_PORT.fetch_add(2, Ordering::Relaxed) + 1;
            let (external, _) = connections.connect(home, 1, port, 0);
            let mine = listener(&home.hosts[1], HOSTS[1], port);
            let _in = connecting(&home.hosts[0], HOSTS[0], port + 1, external);
            let came = accepted(&connections.all, &mine).map(|(_, from)| from);
            let open = b.filtering == Filtering::EndpointIndependent && hairpinning == Hairpinning::ExternalSource;
            assert_eq!(came, open.then_some(SocketAddrV4::new(EXTERNAL, port + 1)), "{b} {hairpinning:?}");
            let why = if hairpinning == Hairpinning::None { "none" } else { "only from" };
            let dropped = home.dropped(&format!("hairpinning (RFC 5382 7.2), tcp: {why}"));
            assert_eq!(dropped > 0, !open, "{b} {hairpinning:?}: {dropped} dropped");
        }
    }
}

/// No pulse passes here, so the connection is waited for.
fn blocked(home: &Home, b: Behavior, (server, at): &(TcpListener, SocketAddrV4)) {
    home.become_gateway(b);
    let connect = || TcpStream::connect_timeout(&(*at).into(), Duration::from_secs(10));
    let _out = home.hosts[0].netns.run(connect).expect("enter the namespace").expect("TCP passes");
    server.set_nonblocking(false).expect("wait for it");
    let (_, from) = server.accept().expect("it came");
    server.set_nonblocking(true).expect("as it was");
    assert_eq!(*v4(from).ip(), EXTERNAL);
}

/// UDP and TCP each with their own mapping and filtering.
pub fn protocols_may_differ(home: &mut Home) {
    // Each of ports of its own: the servers still remember connections from the last one's.
    let mut first = 22_000;
    for udp in nine() {
        for tcp in nine() {
            first += 32;
            let port_range = PortRange { first, last: first + 31 };
            let b = Behavior { tcp: Some(Tcp::new(tcp.mapping, tcp.filtering)), port_range, ..udp };
            home.become_gateway(b);
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            let inside = [6800, 6801].map(|port| all.bind(&home.hosts[0], HOSTS[0], port));
            assert_eq!(mapping_seen(&all, inside[0], remotes), udp.mapping, "udp {udp}, tcp {tcp}");
            assert_eq!(filtering_seen(&all, inside[1], remotes).0, udp.filtering, "udp {udp}, tcp {tcp}");
            drop(all);
            let mut connections = Connections::new(home);
            let port = LAST_PORT.fetch_add(2, Ordering::Relaxed) + 1;
            let [one, two, three] = [0, 1, 2].map(|n| connections.connect(home, 0, port, n).0);
            let seen = match (one == two, one == three) {
                (true, true) => Mapping::EndpointIndependent,
                (true, false) => Mapping::AddressDependent,
                _ => Mapping::AddressAndPortDependent,
            };
            assert_eq!(seen, tcp.mapping, "udp {udp}, tcp {tcp}: {one} {two} {three}");
            inbound(home, &connections.all, tcp, HOSTS[0], port + 1, &connections.servers[0]);
        }
    }
}

/// RFC 5382 REQ-2: a SYN meets one that is on its way. The remote is nobody, whose packets are made by hand.
pub fn simultaneous_open(home: &mut Home) {
    let nobody = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 77), 80);
    let blackhole = Ipv4Route::new(*nobody.ip(), 32).route_type(RouteType::Blackhole);
    home.rt.block_on(home.internet.route.add_route(blackhole)).expect("add a route that ends");
    for b in nine().chain([Behavior::public(Filtering::AddressAndPortDependent)]) {
        for simultaneous_open in [SimultaneousOpen::Supported, SimultaneousOpen::Refused] {
            let tcp = Tcp { simultaneous_open, ..Tcp::new(b.mapping, b.filtering) };
            let b = Behavior { ports: PortAssignment::Preserving, tcp: Some(tcp), ..b };
            home.become_gateway(b);
            let public = !b.translation.translates();
            let (host, pulse) = if public { (PUBLIC_HOSTS[0], PUBLIC_HOSTS[1]) } else { (HOSTS[0], HOSTS[1]) };
            let all = Endpoints::new(&home.hosts[1], pulse, &home.internet);
            let port = LAST_PORT.fetch_add(1, Ordering::Relaxed) + 1;
            let _own = connecting(&home.hosts[0], host, port, nobody);
            all.settle();
            send_syn(home, nobody, SocketAddrV4::new(if public { host } else { EXTERNAL }, port));
            all.settle();
            let met = state(&home.hosts[0], port) == Some(SYN_RECEIVED);
            assert_eq!(met, simultaneous_open == SimultaneousOpen::Supported, "{b}");
            assert_eq!(home.dropped("simultaneous open (RFC 5382 4.2)"), u64::from(!met), "{b}");
        }
    }
}

/// `TCP_SYN_RECV` of `net/tcp_states.h`.
const SYN_RECEIVED: u8 = 3;

/// Of the socket with a local port.
fn state(node: &Node, port: u16) -> Option<u8> {
    let table = node.netns.run(|| std::fs::read_to_string("/proc/thread-self/net/tcp")).expect("enter the namespace");
    let of = |line: &str| {
        let mut fields = line.split_whitespace().skip(1);
        let (_, local) = fields.next()?.split_once(':')?;
        let state = fields.nth(1)?;
        (u16::from_str_radix(local, 16) == Ok(port)).then(|| u8::from_str_radix(state, 16).ok())?
    };
    table.expect("read the sockets").lines().find_map(of)
}

/// A SYN made by hand.
fn send_syn(home: &Home, from: SocketAddrV4, to: SocketAddrV4) {
    let open = || socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Raw);
    let raw: OwnedFd = home.internet.netns.run(open).expect("enter the namespace").expect("open a raw socket");
    let mut segment = [from.port().to_be_bytes(), to.port().to_be_bytes()].concat();
    segment.extend([0, 0, 0, 1, 0, 0, 0, 0, 5 << 4, 2, 0xff, 0xff, 0, 0, 0, 0]);
    let mut pseudo = [from.ip().octets(), to.ip().octets()].concat();
    pseudo.extend([0, 6, 0, 20]);
    pseudo.extend(&segment);
    let sum = checksum(&pseudo);
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    // The kernel fills in the length and the checksum (raw(7)).
    let mut packet = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0];
    packet.extend(from.ip().octets());
    packet.extend(to.ip().octets());
    packet.extend(segment);
    sendto(raw.as_raw_fd(), &packet, &SockaddrIn::from(to), MsgFlags::empty()).expect("send");
}

/// Connections from inside, kept until all is done: what closes them would be traffic too.
pub struct Connections {
    all: Endpoints,
    host: Ipv4Addr,
    servers: [(TcpListener, SocketAddrV4); 3],
    open: Vec<TcpStream>,
}

/// Sources of connections that came to an inside host.
pub struct Accepted {
    /// Of whom tried from outside.
    pub remote: Option<SocketAddrV4>,
    pub from_outside: Option<SocketAddrV4>,
    pub from_neighbor: Option<SocketAddrV4>,
}

/// Of the last inside port; one that was used lingers in both hosts.
static LAST_PORT: AtomicU16 = AtomicU16::new(8000);

impl Connections {
    pub fn new(home: &Home) -> Self {
        Connections::behind(home, HOSTS[0])
    }

    /// Of hosts with the private or the public addresses, as this one has.
    pub fn behind(home: &Home, host: Ipv4Addr) -> Self {
        let pulse = if host == HOSTS[0] { HOSTS[1] } else { PUBLIC_HOSTS[1] };
        let all = Endpoints::new(&home.hosts[1], pulse, &home.internet);
        Connections { all, host, servers: servers(home), open: vec![] }
    }

    /// From a port of a host to a server: the external endpoint, and the server's.
    pub fn connect(&mut self, home: &Home, host: usize, port: u16, server: usize) -> (SocketAddrV4, SocketAddrV4) {
        let (at, address) = &self.servers[server];
        let own = if host == 0 { self.host } else { HOSTS[host] };
        self.open.push(connecting(&home.hosts[host], own, port, *address));
        let (stream, from) =
            accepted(&self.all, at).unwrap_or_else(|| panic!("no connection from {port} to {address}"));
        stream.set_nonblocking(true).expect("make it non-blocking");
        self.open.push(stream);
        (from, *address)
    }

    /// From a port that was not used yet.
    pub fn connect_next(&mut self, home: &Home) -> SocketAddrV4 {
        let port = LAST_PORT.fetch_add(1, Ordering::Relaxed) + 1;
        self.connect(home, 0, port, 0).0
    }

    /// Both ends of the last connection: the inside one, and the server's.
    pub fn last_two(&mut self) -> [TcpStream; 2] {
        let (server, inside) = (self.open.pop().expect("connected"), self.open.pop().expect("connected"));
        [inside, server]
    }

    pub fn settle(&self) {
        self.all.settle();
        self.all.settle();
    }

    /// Who can connect to the first host's port through an external endpoint.
    pub fn accept(&mut self, home: &Home, port: u16, to: SocketAddrV4) -> Accepted {
        let mine = listener(&home.hosts[0], HOSTS[0], port);
        let own = LAST_PORT.fetch_add(1, Ordering::Relaxed) + 1;
        let remote = SocketAddrV4::new(SERVERS[2], own);
        let mut from = |node: &Node, address| {
            let stream = connecting(node, address, own, to);
            let came = accepted(&self.all, &mine);
            self.open.push(stream);
            came.map(|(stream, from)| {
                self.open.push(stream);
                from
            })
        };
        let from_outside = from(&home.internet, SERVERS[2]);
        let from_neighbor = from(&home.hosts[1], HOSTS[1]);
        Accepted { remote: Some(remote), from_outside, from_neighbor }
    }

    /// What a server is told that connects from this port to an endpoint where nothing accepts.
    pub fn refused(&self, home: &Home, server: usize, port: u16, to: SocketAddrV4) -> Option<std::io::ErrorKind> {
        let stream = connecting(&home.internet, SERVERS[server], port, to);
        self.settle();
        stream.take_error().expect("ask for the error").map(|e| e.kind())
    }
}
