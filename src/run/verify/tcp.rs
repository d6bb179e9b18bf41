//! TCP sockets on the bench, and mapping, filtering and unsolicited SYNs (RFC 5382).

use std::io::{self, Read, Write};
use std::net::{SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::sockopt::{Linger, ReuseAddr, ReusePort, SocketError};
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, connect as begin, getsockopt, listen as start,
    setsockopt, socket,
};

use super::bed::{Bed, Place};
use super::clock::v4;
use super::packet;
use super::raw::{Raw, Use};
use super::udp::answer;
use crate::conformance::observations::{Answer, Behaved, Condition, Filtered, Mapped, Source, Syn};
use crate::lab::topology::LabError;

/// A listening socket.
#[derive(Debug)]
pub struct Listener {
    socket: TcpListener,
    /// Where.
    pub at: SocketAddrV4,
}

/// A connection that was begun, or is there.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// Local end.
    pub from: SocketAddrV4,
}

/// A non-blocking socket whose port others may use too, and that leaves nothing behind when it is closed.
fn open(local: SocketAddrV4) -> io::Result<OwnedFd> {
    let s = socket(AddressFamily::Inet, SockType::Stream, SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC, None)?;
    setsockopt(&s, ReuseAddr, &true)?;
    setsockopt(&s, ReusePort, &true)?;
    setsockopt(&s, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 })?;
    bind(s.as_raw_fd(), &SockaddrIn::from(local))?;
    Ok(s)
}

/// Listens.
pub fn listen(bed: &Bed, place: Place, port: u16) -> Result<Listener, LabError> {
    let at = SocketAddrV4::new(bed.address(place), port);
    let socket = bed.at(place, || {
        let s = open(at)?;
        start(&s, Backlog::new(32)?)?;
        Ok(s)
    })?;
    Ok(Listener { socket: socket.into(), at })
}

/// Begins to connect.
pub fn connect(bed: &Bed, place: Place, port: u16, to: SocketAddrV4) -> Result<Connection, LabError> {
    let from = SocketAddrV4::new(bed.address(place), port);
    let socket = bed.at(place, || {
        let s = open(from)?;
        match begin(s.as_raw_fd(), &SockaddrIn::from(to)) {
            Ok(()) | Err(Errno::EINPROGRESS) => Ok(s),
            Err(e) => Err(e.into()),
        }
    })?;
    Ok(Connection { socket: socket.into(), from })
}

/// Who has connected.
pub async fn accepted(bed: &Bed, at: &Listener) -> Result<Option<(TcpStream, SocketAddrV4)>, LabError> {
    bed.clock.settled().await?;
    let Ok((stream, from)) = at.socket.accept() else { return Ok(None) };
    let settings = stream.set_nonblocking(true).and_then(|()| {
        setsockopt(&stream, Linger, &nix::libc::linger { l_onoff: 1, l_linger: 0 }).map_err(io::Error::from)
    });
    settings.map_err(|e| LabError::Probe(format!("accepting a connection: {e}")))?;
    Ok(v4(from).map(|from| (stream, from)))
}

impl Connection {
    /// Why it failed, if it did.
    fn error(&self) -> Option<Errno> {
        match getsockopt(&self.socket, SocketError) {
            Ok(0) | Err(_) => None,
            Ok(number) => Some(Errno::from_raw(number)),
        }
    }

    /// Whether both ends have agreed.
    pub fn established(&self) -> bool {
        self.error().is_none() && self.socket.peer_addr().is_ok()
    }
}

/// Whether bytes that one end of a connection writes arrive at the other.
pub async fn carries(bed: &Bed, mut from: &TcpStream, mut to: &TcpStream) -> Result<bool, LabError> {
    let number = bed.number().to_be_bytes();
    if from.write_all(&number).is_err() {
        return Ok(false);
    }
    bed.clock.settled().await?;
    let mut bytes = [0; 64];
    Ok(to.read(&mut bytes).is_ok_and(|n| bytes.get(..n).is_some_and(|came| came.ends_with(&number))))
}

impl Connection {
    /// The stream, of one that is established.
    pub fn stream(&self) -> &TcpStream {
        &self.socket
    }
}

/// Mapping and filtering of connections.
pub async fn behaved(bed: &Bed) -> Result<Behaved, LabError> {
    let servers = [
        listen(bed, Place::Server(0), 80)?,
        listen(bed, Place::Server(0), 81)?,
        listen(bed, Place::Server(1), 80)?,
        listen(bed, Place::Server(2), 81)?,
    ];
    let errors = bed.raw(Place::Server(0), Use::Icmp)?;
    let mut all = Behaved::default();
    let mut kept = Vec::new();
    for (host, port, under) in
        [(0, 7000, Condition::Plain), (1, 7003, Condition::Conflict), (0, 7001, Condition::Again)]
    {
        // As of UDP: the other host has connected to the last server alone.
        if under == Condition::Conflict {
            let [.., last] = &servers;
            let rival = connect(bed, Place::Host(1 - host), port, last.at)?;
            kept.push((rival, accepted(bed, last).await?));
        }
        let mut seen: [Source; 4] = [None; 4];
        let mut inside = SocketAddrV4::new(bed.address(Place::Host(host)), port);
        for (slot, at) in seen.iter_mut().zip(&servers) {
            let connection = connect(bed, Place::Host(host), port, at.at)?;
            inside = connection.from;
            let accepted = accepted(bed, at).await?;
            *slot = accepted.as_ref().map(|(_, from)| *from);
            kept.push((connection, accepted));
        }
        all.mapping.push(Mapped { inside, under, seen });
    }
    for (host, port, under) in
        [(0, 7010, Condition::Plain), (1, 7010, Condition::Conflict), (0, 7011, Condition::Again)]
    {
        let [server, ..] = &servers;
        all.filtering.push(filtered(bed, (host, port, under), server, &errors).await?);
    }
    Ok(all)
}

/// Who may connect to a host that has connected to the first server from the same port.
async fn filtered(
    bed: &Bed,
    (host, port, under): (usize, u16, Condition),
    server: &Listener,
    errors: &Raw,
) -> Result<Filtered, LabError> {
    let mine = listen(bed, Place::Host(host), port)?;
    let out = connect(bed, Place::Host(host), port, server.at)?;
    let kept = accepted(bed, server).await?;
    let external = kept.as_ref().map(|(_, from)| *from);
    let (mut passed, mut answers) = ([kept.is_some(), false, false, false], Vec::new());
    if let Some(external) = external {
        for (slot, (n, from)) in passed.iter_mut().skip(1).zip([(0, 9010), (1, 9010), (2, 9011)]) {
            let (arrived, answer) = knock(bed, (Place::Server(n), from), external, Some(&mine), errors).await?;
            *slot = arrived;
            answers.extend((!arrived).then_some(answer));
        }
    }
    Ok(Filtered { inside: out.from, under, external, passed, answers, replies: [None; 4] })
}

/// A SYN from outside: whether it was accepted, and else what its sender got.
async fn knock(
    bed: &Bed,
    (place, port): (Place, u16),
    to: SocketAddrV4,
    at: Option<&Listener>,
    errors: &Raw,
) -> Result<(bool, Answer), LabError> {
    errors.heard();
    let knocking = connect(bed, place, port, to)?;
    let arrived = match at {
        Some(at) => accepted(bed, at).await?.is_some(),
        None => bed.clock.settled().await.map(|()| false)?,
    };
    let got = match (arrived, answer(errors, knocking.from, to)) {
        (true, _) => Answer::Arrived,
        (false, Answer::Silence) if knocking.error() == Some(Errno::ECONNREFUSED) => Answer::Reset,
        (false, other) => other,
    };
    Ok((arrived, got))
}

/// Unsolicited SYNs, and SYNs that cross (RFC 5382 REQ-2 and REQ-4).
pub async fn syn(bed: &Bed) -> Result<Syn, LabError> {
    let errors = bed.raw(Place::Server(0), Use::Icmp)?;
    let host = bed.address(Place::Host(0));
    let external = bed.bench.external.first().copied().unwrap_or(host);
    let (_, unowned) = knock(bed, (Place::Server(1), 9100), SocketAddrV4::new(external, 5998), None, &errors).await?;
    Ok(Syn { unowned, after_unsolicited: after_unsolicited(bed, &errors).await?, crossing: crossing(bed).await? })
}

/// Where a connection of this port to others would come from, as a first server sees it.
async fn external_of(bed: &Bed, port: u16) -> Result<Option<(Connection, TcpStream, SocketAddrV4)>, LabError> {
    let server = listen(bed, Place::Server(0), 9199)?;
    let first = connect(bed, Place::Host(0), port, server.at)?;
    Ok(accepted(bed, &server).await?.map(|(stream, from)| (first, stream, from)))
}

async fn after_unsolicited(bed: &Bed, errors: &Raw) -> Result<Option<bool>, LabError> {
    let Some((_first, _stream, external)) = external_of(bed, 7200).await? else { return Ok(None) };
    errors.heard();
    let early = connect(bed, Place::Server(1), 9200, external)?;
    bed.clock.settled().await?;
    let kept_out = !early.established() && early.error().is_none();
    let own = connect(bed, Place::Host(0), 7200, early.from)?;
    bed.clock.settled().await?;
    let made = own.established();
    // Where nobody is kept out the first SYN is not unsolicited, and the host itself has refused it.
    let refused_by_host = !kept_out && answer(errors, early.from, external) == Answer::Silence;
    Ok(if refused_by_host && !made { None } else { Some(made) })
}

/// The inside endpoint's SYN goes to somebody who does not answer it, but sends one of his own.
async fn crossing(bed: &Bed) -> Result<Option<bool>, LabError> {
    let (ears, mouth) = (bed.raw(Place::Sink, Use::Tcp)?, bed.raw(Place::Server(0), Use::Whole)?);
    let sink = SocketAddrV4::new(bed.address(Place::Sink), 9300);
    let _own = connect(bed, Place::Host(0), 7300, sink)?;
    bed.clock.settled().await?;
    let heard = ears.read(packet::read_tcp);
    let own = heard.into_iter().find(|(_, to, [syn, ack])| *to == sink && *syn && !*ack);
    let Some((external, ..)) = own else { return Ok(None) };
    let sent = mouth.send(&packet::syn(sink, external, 77_000), *external.ip());
    sent.map_err(|e| LabError::Probe(format!("sending a SYN: {e}")))?;
    bed.clock.settled().await?;
    let answered = ears.read(packet::read_tcp);
    Ok(Some(answered.iter().any(|(from, to, [syn, ack])| *from == external && *to == sink && *syn && *ack)))
}
