//! UDP sockets in their namespaces, and which packets arrive where.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::time::Duration;

use crate::lab::{Node, SERVERS};

/// Where the pulse goes from and to; no test uses this port.
const PULSE: u16 = 9;

/// A socket, by its place in [`Endpoints`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Id(usize);

/// A packet that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Arrival {
    pub at: Id,
    pub from: SocketAddrV4,
    pub packet: u32,
}

/// Sockets, and a pulse that tells when nothing more can come.
pub struct Endpoints {
    sockets: Vec<UdpSocket>,
    pulse: (UdpSocket, UdpSocket),
    next: Cell<u32>,
}

/// A socket in a namespace; it stays there, whoever uses it.
pub fn bind(node: &Node, address: Ipv4Addr, port: u16) -> UdpSocket {
    let socket = node.netns.run(|| UdpSocket::bind((address, port))).expect("enter the namespace");
    socket.unwrap_or_else(|e| panic!("bind {address}:{port}: {e}"))
}

impl Endpoints {
    /// The pulse goes from an inside host through the gateway and back.
    pub fn new(inside: &Node, address: Ipv4Addr, internet: &Node) -> Self {
        let pulse = (bind(inside, address, PULSE), bind(internet, SERVERS[0], PULSE));
        for s in [&pulse.0, &pulse.1] {
            s.set_read_timeout(Some(Duration::from_secs(5))).expect("set a timeout");
        }
        Endpoints { sockets: vec![], pulse, next: Cell::new(0) }
    }

    pub fn bind(&mut self, node: &Node, address: Ipv4Addr, port: u16) -> Id {
        let socket = bind(node, address, port);
        socket.set_nonblocking(true).expect("make it non-blocking");
        self.sockets.push(socket);
        Id(self.sockets.len() - 1)
    }

    pub fn local(&self, id: Id) -> SocketAddrV4 {
        v4(self.sockets[id.0].local_addr().expect("a bound socket"))
    }

    pub fn socket(&self, id: Id) -> &UdpSocket {
        &self.sockets[id.0]
    }

    /// Sends a packet with a number of its own. An ICMP error that came before is reported by the next call; it is not about
    /// this packet.
    pub fn send(&self, from: Id, to: SocketAddrV4) -> u32 {
        let packet = self.next.get();
        self.next.set(packet + 1);
        let socket = &self.sockets[from.0];
        let bytes = packet.to_be_bytes();
        socket.send_to(&bytes, to).or_else(|_| socket.send_to(&bytes, to)).expect("send");
        packet
    }

    /// Everything that came since the last call, when nothing more can come.
    pub fn settle(&self) -> Vec<Arrival> {
        self.pulse();
        let mut all = vec![];
        let mut bytes = [0; 64];
        for (i, socket) in self.sockets.iter().enumerate() {
            while let Ok((n, from)) = socket.recv_from(&mut bytes) {
                let packet = u32::from_be_bytes(bytes[..n].try_into().expect("four bytes"));
                all.push(Arrival { at: Id(i), from: v4(from), packet });
            }
        }
        all
    }

    /// To a server and back, after all that was sent before.
    fn pulse(&self) {
        let (inside, outside) = &self.pulse;
        let mut bytes = [0; 4];
        inside.send_to(b"beat", (SERVERS[0], PULSE)).expect("send the pulse");
        let (_, from) = outside.recv_from(&mut bytes).expect("the pulse arrives");
        outside.send_to(b"beat", from).expect("return the pulse");
        inside.recv_from(&mut bytes).expect("the pulse returns");
    }

    /// Sends a packet, and what came of it: the sources it arrived from at one socket, nothing anywhere else.
    pub fn deliver(&self, from: Id, to: SocketAddrV4, at: Id) -> Option<SocketAddrV4> {
        let packet = self.send(from, to);
        match self.settle()[..] {
            [] => None,
            [a] if a.at == at && a.packet == packet => Some(a.from),
            ref all => panic!("one packet, number {packet}, was sent to {at:?}, and {all:?} came"),
        }
    }
}

pub fn v4(a: SocketAddr) -> SocketAddrV4 {
    match a {
        SocketAddr::V4(a) => a,
        SocketAddr::V6(a) => panic!("{a} in an IPv4 lab"),
    }
}
