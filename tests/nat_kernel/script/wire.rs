//! Raw sockets in the nodes of a home: packets of any kind go in, and everything that arrives is read, whoever listens.

use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};

use natlab::nat::translator::{Content, Packet, Segment};
use natlab::nft::encode::{self, Load};
use natlab::nft::model::{Base, Chain, Element, Field, Hook, Proto, Rule, Set, Step, Table, Type, Value};
use nix::sys::socket::sockopt::{Mark, ReceiveTimeout};
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, setsockopt, socket,
};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::endpoints::bind;
use crate::lab::{Home, Node, SERVERS};

/// Of what a script sends; the nodes' own TCP answers carry none, and end where they begin.
const MARK: u32 = 1;

/// Ports that scripts send to on hosts and servers. A UDP socket stands at each, else the node itself would answer with an
/// ICMP error.
pub const PORTS: [u16; 6] = [5000, 5001, 7000, 20_001, 3478, 3479];

/// A node by its place: the Internet, then both hosts.
pub type Place = usize;

/// What arrived where.
pub type Arrival = (Place, Packet);

pub struct Wire {
    nodes: Vec<Sockets>,
    beat: Cell<u16>,
}

struct Sockets {
    send: OwnedFd,
    receive: [OwnedFd; 3],
    _sinks: Vec<UdpSocket>,
}

impl Wire {
    pub fn new(home: &Home) -> Self {
        let nodes = [&home.internet, &home.hosts[0], &home.hosts[1]];
        for node in nodes {
            home.rt.block_on(encode::load_table(&node.nft, &silence(), Load::Replace)).expect("load the filter");
        }
        Wire { nodes: nodes.map(Sockets::open).into(), beat: Cell::new(0) }
    }

    pub fn send(&self, from: Place, packet: &Packet) {
        let to = SockaddrIn::from(packet.destination);
        let fd = self.nodes[from].send.as_raw_fd();
        sendto(fd, &bytes(packet), &to, MsgFlags::empty()).expect("send a raw packet");
    }

    /// Everything that arrived since the last call, when nothing more can come.
    pub fn settle(&self, host: Ipv4Addr) -> Vec<Arrival> {
        let mut came = vec![];
        self.pulse(host, &mut came);
        for place in 0..self.nodes.len() {
            self.read(place, &mut came);
        }
        came.sort();
        came
    }

    /// An echo request to a server and back. It goes a longer way than any packet of a script, through no state of theirs.
    fn pulse(&self, host: Ipv4Addr, came: &mut Vec<Arrival>) {
        let beat = self.beat.get().wrapping_add(1);
        self.beat.set(beat);
        let [high, low] = beat.to_be_bytes();
        let mut echo = vec![8, 0, 0, 0, 0x6e, 0x61, high, low];
        let sum = checksum(&[&echo]);
        echo[2..4].copy_from_slice(&sum.to_be_bytes());
        let to = SockaddrIn::from(SocketAddrV4::new(SERVERS[0], 0));
        let all = frame(host, SERVERS[0], 1, &echo);
        sendto(self.nodes[1].send.as_raw_fd(), &all, &to, MsgFlags::empty()).expect("send the pulse");
        let icmp = &self.nodes[1].receive[2];
        loop {
            let mut buffer = [0; 2000];
            let n =
                recv(icmp.as_raw_fd(), &mut buffer, MsgFlags::empty()).expect("the pulse returns within five seconds");
            match &buffer[20..n] {
                [0, _, _, _, 0x6e, 0x61, h, l, ..] if [*h, *l] == [high, low] => return,
                _ => came.extend(parse(&buffer[..n]).map(|p| (1, p))),
            }
        }
    }

    fn read(&self, place: Place, came: &mut Vec<Arrival>) {
        let mut buffer = [0; 2000];
        for fd in &self.nodes[place].receive {
            while let Ok(n) = recv(fd.as_raw_fd(), &mut buffer, MsgFlags::MSG_DONTWAIT) {
                came.extend(parse(&buffer[..n]).map(|p| (place, p)));
            }
        }
    }
}

impl Sockets {
    fn open(node: &Node) -> Self {
        let raw = |protocol| -> nix::Result<OwnedFd> {
            let s = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, protocol)?;
            setsockopt(&s, ReceiveTimeout, &TimeVal::seconds(5))?;
            Ok(s)
        };
        let make = || -> nix::Result<(OwnedFd, [OwnedFd; 3])> {
            let send = raw(SockProtocol::Raw)?;
            setsockopt(&send, Mark, &MARK)?;
            Ok((send, [raw(SockProtocol::Udp)?, raw(SockProtocol::Tcp)?, raw(SockProtocol::Icmp)?]))
        };
        let (send, receive) = node.netns.run(make).expect("enter the namespace").expect("open raw sockets");
        let sinks = PORTS.map(|port| bind(node, Ipv4Addr::UNSPECIFIED, port)).into();
        Sockets { send, receive, _sinks: sinks }
    }
}

/// Drops TCP that the node itself sends: resets and SYN-ACKs that no script asked for.
fn silence() -> Table {
    let element = Element { key: vec![Value::Mark(MARK)], value: vec![] };
    let marked =
        Set { name: "marked".to_owned(), key: vec![Type::Mark], value: vec![], dynamic: None, elements: vec![element] };
    let unmarked = Step::In { key: vec![Field::Mark], set: "marked".to_owned(), is: false };
    let rule = Rule::new([unmarked, Step::L4(Proto::Tcp), Step::Drop], "only scripts send");
    let base = Base { nat: false, hook: Hook::Postrouting, priority: 0 };
    let chain = Chain { name: "own".to_owned(), base: Some(base), rules: vec![rule] };
    Table { name: "silence".to_owned(), sets: vec![marked], chains: vec![chain] }
}

/// An IPv4 packet (RFC 791).
fn frame(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let length = (20 + payload.len()) as u16;
    let [high, low] = length.to_be_bytes();
    let mut ip = vec![0x45, 0, high, low, 0, 0, 0x40, 0, 64, protocol, 0, 0];
    ip.extend(source.octets().into_iter().chain(destination.octets()));
    let sum = checksum(&[&ip]);
    ip[10..12].copy_from_slice(&sum.to_be_bytes());
    ip.extend(payload);
    ip
}

fn bytes(p: &Packet) -> Vec<u8> {
    let (source, destination) = (*p.source.ip(), *p.destination.ip());
    let ports = [p.source.port().to_be_bytes(), p.destination.port().to_be_bytes()].concat();
    let (protocol, mut payload, at) = match &p.content {
        Content::Udp => (17, [&ports[..], &[0, 12, 0, 0], b"test"].concat(), 6),
        Content::Tcp(segment) => (6, [ports, tcp(*segment)].concat(), 16),
        Content::IcmpError(about) => {
            let quoted = bytes(about);
            (1, [&[3, 3, 0, 0, 0, 0, 0, 0], &quoted[..]].concat(), 2)
        }
    };
    let sum = match protocol {
        1 => checksum(&[&payload]),
        _ => checksum(&[&pseudo(source, destination, protocol, payload.len()), &payload]),
    };
    payload[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    frame(source, destination, protocol, &payload)
}

/// The rest of a TCP header. Both ends begin at sequence number 1000, so every segment fits to every other.
fn tcp(segment: Segment) -> Vec<u8> {
    let (flags, sequence, acknowledged): (u8, u32, u32) = match segment {
        Segment::Syn => (0x02, 1000, 0),
        Segment::SynAck => (0x12, 1000, 1001),
        Segment::Ack => (0x10, 1001, 1001),
        Segment::Fin => (0x11, 1001, 1001),
        Segment::Rst => (0x14, 1001, 1001),
    };
    let mut out = [sequence.to_be_bytes(), acknowledged.to_be_bytes()].concat();
    out.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    out
}

fn pseudo(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: usize) -> Vec<u8> {
    let [high, low] = (length as u16).to_be_bytes();
    [&source.octets()[..], &destination.octets(), &[0, protocol, high, low]].concat()
}

/// RFC 1071. Every part but the last has an even length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|p| p.chunks(2));
    let mut sum: u32 = words.map(|w| u32::from(w[0]) << 8 | w.get(1).map_or(0, |b| u32::from(*b))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A packet that arrived, its checksum right; `None`: an echo.
fn parse(bytes: &[u8]) -> Option<Packet> {
    let (source, destination, protocol, payload) = header(bytes);
    let pseudo = pseudo(source, destination, protocol, payload.len());
    let sum = match protocol {
        1 => checksum(&[payload]),
        _ => checksum(&[&pseudo, payload]),
    };
    // A reset that the gateway itself has made: the sum is left to the device, and a veth has none to do.
    let unfinished = protocol == 6 && payload[16..18] == (!checksum(&[&pseudo])).to_be_bytes();
    assert!(sum == 0 || unfinished, "the checksum of a packet that arrived is wrong: {bytes:?}");
    Some(match (protocol, payload) {
        (1, [0 | 8, ..]) => return None,
        (1, [3, 3, _, _, _, _, _, _, quoted @ ..]) => Packet {
            source: SocketAddrV4::new(source, 0),
            destination: SocketAddrV4::new(destination, 0),
            content: Content::IcmpError(Box::new(transported(quoted))),
        },
        (1, other) => panic!("an icmp message of type {}, code {}", other[0], other[1]),
        _ => transported(bytes),
    })
}

/// UDP or TCP; of what an ICMP error quotes, only the beginning may be there.
fn transported(bytes: &[u8]) -> Packet {
    let (source, destination, protocol, payload) = header(bytes);
    let port = |i: usize| u16::from_be_bytes([payload[i], payload[i + 1]]);
    let content = match (protocol, payload.get(13)) {
        (17, _) => Content::Udp,
        (_, None) => Content::Tcp(Segment::Syn),
        (_, Some(flags)) => Content::Tcp(match flags & 0x17 {
            0x02 => Segment::Syn,
            0x12 => Segment::SynAck,
            0x10 => Segment::Ack,
            0x11 => Segment::Fin,
            _ => Segment::Rst,
        }),
    };
    let (source, destination) = (SocketAddrV4::new(source, port(0)), SocketAddrV4::new(destination, port(2)));
    Packet { source, destination, content }
}

fn header(bytes: &[u8]) -> (Ipv4Addr, Ipv4Addr, u8, &[u8]) {
    let address = |i: usize| Ipv4Addr::new(bytes[i], bytes[i + 1], bytes[i + 2], bytes[i + 3]);
    let length = usize::from(bytes[0] & 0xf) * 4;
    (address(12), address(16), bytes[9], &bytes[length..])
}
