//! TCP through the same rules (RFC 5382).

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::Duration;

use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, UdpPolicy};
use natlab::plan::Gateway;
use nix::errno::Errno;
use nix::sys::socket::sockopt::{ReuseAddr, ReusePort};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect, listen, setsockopt, socket,
};

use crate::behaviors::nine;
use crate::endpoints::{Endpoints, v4};
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

/// Connections from inside, kept until all is done: what closes them would be traffic too.
pub struct Connections {
    all: Endpoints,
    servers: [(TcpListener, SocketAddrV4); 3],
    open: Vec<TcpStream>,
    next: u16,
}

impl Connections {
    pub fn new(home: &Home) -> Self {
        let all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
        Connections { all, servers: servers(home), open: vec![], next: 7800 }
    }

    /// From a port of a host to a server: the external endpoint, and the server's.
    pub fn connect(&mut self, home: &Home, host: usize, port: u16, server: usize) -> (SocketAddrV4, SocketAddrV4) {
        let (at, address) = &self.servers[server];
        self.open.push(connecting(&home.hosts[host], HOSTS[host], port, *address));
        let (stream, from) =
            accepted(&self.all, at).unwrap_or_else(|| panic!("no connection from {port} to {address}"));
        self.open.push(stream);
        (from, *address)
    }

    /// From a port that was not used yet.
    pub fn connect_next(&mut self, home: &Home) -> SocketAddrV4 {
        self.next += 1;
        self.connect(home, 0, self.next, 0).0
    }
}
