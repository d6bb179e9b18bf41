//! STUN servers that do not do what RFC 5780 says: an honest answer of natlab's own server, and one thing wrong with it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use natlab::net::Transport;
use natlab::server::stun::{Answer, Endpoints, Options, Place, answer};

use crate::lab::Node;

/// What is wrong with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing.
    None,
    /// OTHER-ADDRESS names an address where nobody answers; requests for an answer from there get none either.
    DeadAlternate,
    /// The mapped address is private: the server stands behind a NAT of its own.
    PrivateMapped,
    /// Every answer comes from another port than the one that was asked.
    WrongSource,
    /// Every answer carries a transaction id that nobody used.
    WrongTransaction,
    /// Every answer ends in the middle of its first attribute.
    Truncated,
    /// Every answer is followed by more bytes than its header counts, up to what a datagram can hold.
    Oversized,
    /// 420 (Unknown Attribute) to CHANGE-REQUEST.
    Refuses420,
    /// 300 (Try Alternate) to everything.
    TryAlternate,
    /// CHANGE-REQUEST is ignored: the answer comes from where the request went.
    IgnoresChange,
    /// OTHER-ADDRESS is the server's own.
    OtherIsItself,
    /// Nothing is ever answered.
    Silent,
}

/// A server with something wrong; it ends when dropped.
pub struct Liar {
    stop: Arc<AtomicBool>,
    /// One for each request that came in.
    pub asked: Receiver<()>,
    threads: Vec<JoinHandle<()>>,
}

/// Ports of the server at both addresses.
pub const PORTS: [u16; 2] = [3478, 3479];

/// How soon a server that was told to end does.
const LOOK: Duration = Duration::from_millis(100);

impl Liar {
    /// Starts in a namespace, at two addresses.
    pub fn start(node: &Node, addresses: [Ipv4Addr; 2], lie: Lie) -> Liar {
        let [first, second] = addresses.map(IpAddr::V4);
        let endpoints = Endpoints::new(first, Some(second), PORTS[0], PORTS[1]);
        let sockets: Vec<(Place, UdpSocket)> = Place::ALL
            .into_iter()
            // Two addresses that are one: a server with that one alone.
            .filter(|p| !((lie == Lie::DeadAlternate || first == second) && p.other_address))
            .map(|place| {
                let at = endpoints.at(place).expect("four places");
                let socket = node.netns.run(|| UdpSocket::bind(at)).expect("enter the namespace").expect("bind");
                socket.set_read_timeout(Some(LOOK)).expect("set a timeout");
                (place, socket)
            })
            .collect();
        let sockets = Arc::new(sockets);
        let (stop, (tell, asked)) = (Arc::new(AtomicBool::new(false)), channel());
        let threads = (0..sockets.len())
            .map(|index| {
                let (sockets, stop, tell) = (Arc::clone(&sockets), Arc::clone(&stop), tell.clone());
                std::thread::spawn(move || serve(index, &sockets, endpoints, lie, &stop, &tell))
            })
            .collect();
        Liar { stop, asked, threads }
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(
    index: usize,
    sockets: &[(Place, UdpSocket)],
    endpoints: Endpoints,
    lie: Lie,
    stop: &AtomicBool,
    tell: &Sender<()>,
) {
    let (at, socket) = &sockets[index];
    let mut buffer = [0u8; 4096];
    while !stop.load(Ordering::Relaxed) {
        let Ok((length, source)) = socket.recv_from(&mut buffer) else { continue };
        let _ = tell.send(());
        let request = &buffer[..length];
        let Some(honest) = answer(request, source, *at, Transport::Udp, &endpoints, &Options::default()) else {
            continue;
        };
        if let Some(told) = distort(lie, honest, request, *at, &endpoints)
            && let Some((_, from)) = sockets.iter().find(|(place, _)| *place == told.from)
        {
            let _ = from.send_to(&told.bytes, told.to);
        }
    }
}

const XOR_MAPPED: u16 = 0x0020;
const MAPPED: u16 = 0x0001;
const OTHER: u16 = 0x802c;
const CHANGE_REQUEST: u16 = 0x0003;
const COOKIE: u32 = 0x2112_A442;

/// The answer with its lie; none where silence is the lie.
fn distort(lie: Lie, honest: Answer, request: &[u8], at: Place, endpoints: &Endpoints) -> Option<Answer> {
    let mut told = honest;
    match lie {
        Lie::None | Lie::DeadAlternate => {}
        Lie::Silent => return None,
        Lie::PrivateMapped => {
            let private = SocketAddr::from(([172, 17, 0, 1], told.to.port()));
            told.bytes = with(&told.bytes, &[(XOR_MAPPED, xored(private)), (MAPPED, plain(private))]);
        }
        Lie::WrongSource => told.from = at.changed(false, true),
        Lie::WrongTransaction => told.bytes[8] ^= 0xff,
        Lie::Truncated => told.bytes.truncate(26),
        Lie::Oversized => told.bytes.resize(60_000, 0),
        Lie::Refuses420 if has(request, CHANGE_REQUEST) => {
            told.from = at;
            told.bytes = error(request, 420, &[(0x000a, vec![0, 3])]);
        }
        Lie::Refuses420 => {}
        Lie::TryAlternate => {
            told.from = at;
            told.bytes = error(request, 300, &[(0x8023, plain(endpoints.at(at.opposite())?))]);
        }
        Lie::IgnoresChange => told.from = at,
        Lie::OtherIsItself => told.bytes = with(&told.bytes, &[(OTHER, plain(endpoints.at(at)?))]),
    }
    Some(told)
}

/// Type and value of each attribute.
fn attributes(message: &[u8]) -> Vec<(u16, Vec<u8>)> {
    let mut rest = &message[20..];
    let mut found = Vec::new();
    while let [a, b, c, d, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*c, *d]));
        found.push((u16::from_be_bytes([*a, *b]), tail[..length.min(tail.len())].to_vec()));
        rest = tail.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    found
}

fn has(message: &[u8], attribute: u16) -> bool {
    attributes(message).iter().any(|(kind, _)| *kind == attribute)
}

/// The message with other values of some attributes.
fn with(message: &[u8], values: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let all = attributes(message)
        .into_iter()
        .map(|(kind, value)| (kind, values.iter().find(|(k, _)| *k == kind).map_or(value, |(_, v)| v.clone())));
    build([message[0], message[1]], &message[4..20], all)
}

/// A Binding error response with this code.
fn error(request: &[u8], code: u16, more: &[(u16, Vec<u8>)]) -> Vec<u8> {
    let hundreds = u8::try_from(code / 100).expect("a code");
    let rest = u8::try_from(code % 100).expect("a code");
    let code = (0x0009, [&[0, 0, hundreds, rest], b"No  ".as_slice()].concat());
    build([0x01, 0x11], &request[4..20], std::iter::once(code).chain(more.iter().cloned()))
}

fn build(kind: [u8; 2], id: &[u8], attributes: impl Iterator<Item = (u16, Vec<u8>)>) -> Vec<u8> {
    let mut body = Vec::new();
    for (kind, value) in attributes {
        body.extend(kind.to_be_bytes());
        body.extend(u16::try_from(value.len()).expect("a short value").to_be_bytes());
        body.extend(&value);
        body.resize(body.len().next_multiple_of(4), 0);
    }
    let length = u16::try_from(body.len()).expect("a short message").to_be_bytes();
    [&kind, &length, id, &body].concat()
}

fn plain(address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { panic!("an IPv4 lab") };
    [&[0, 1], address.port().to_be_bytes().as_slice(), &ip.octets()].concat()
}

fn xored(address: SocketAddr) -> Vec<u8> {
    let IpAddr::V4(ip) = address.ip() else { panic!("an IPv4 lab") };
    let port = address.port() ^ u16::try_from(COOKIE >> 16).expect("two bytes");
    [&[0, 1], port.to_be_bytes().as_slice(), &(u32::from(ip) ^ COOKIE).to_be_bytes()].concat()
}
