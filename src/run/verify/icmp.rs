//! ICMP errors and queries through the gateways (RFC 5508, RFC 4787 REQ-12, RFC 5382 REQ-9 and REQ-10).

use std::net::{Ipv4Addr, SocketAddrV4};

use super::bed::{Bed, Group, Id, Place};
use super::packet::{self, Error, Flaws};
use super::raw::{Raw, Use};
use super::tcp;
use super::udp::PORTS;
use crate::conformance::bench::SERVERS;
use crate::conformance::observations::{ErrorCase, Icmp, IcmpError};
use crate::lab::topology::LabError;

/// Errors from outside: type, code, and who sends them: the server that was sent to, or a router on the way.
const INWARD: [(u8, u8, Ipv4Addr); 6] = [
    (3, 1, SERVERS[0]),
    (3, 3, SERVERS[0]),
    (3, 4, SERVERS[2]),
    (3, 13, SERVERS[2]),
    (11, 0, SERVERS[2]),
    (12, 0, SERVERS[2]),
];
/// The same about a TCP connection; none that would make the host give it up by itself.
const INWARD_TCP: [(u8, u8, Ipv4Addr); 2] = [(3, 1, SERVERS[0]), (11, 0, SERVERS[2])];
/// MTU of "fragmentation needed".
const MTU: u16 = 1400;

fn sent(r: std::io::Result<()>) -> Result<(), LabError> {
    r.map_err(|e| LabError::Probe(format!("sending an ICMP packet: {e}")))
}

/// What is needed to send errors from outside and to hear them inside.
struct Ends<'a> {
    bed: &'a Bed,
    mouth: Raw,
    inside: [Raw; 2],
    outside: Raw,
}

impl Ends<'_> {
    /// Sends an error and says how it arrived at the first host.
    async fn arrives(&self, error: Error) -> Result<Option<IcmpError>, LabError> {
        let [first, _] = &self.inside;
        first.heard();
        sent(self.mouth.send(&error.packet(), *error.about.0.ip()))?;
        self.bed.clock.settled().await?;
        Ok(first.read(packet::read_error).into_iter().find(|e| e.kind == error.kind.0))
    }
}

/// Everything about ICMP; of UDP and its errors only where UDP passes.
pub async fn icmp(bed: &Bed, with_udp: bool) -> Result<Icmp, LabError> {
    let ends = Ends {
        bed,
        mouth: bed.raw(Place::Server(0), Use::Whole)?,
        inside: [bed.raw(Place::Host(0), Use::Icmp)?, bed.raw(Place::Host(1), Use::Icmp)?],
        outside: bed.raw(Place::Server(0), Use::Icmp)?,
    };
    let mut seen = Icmp::default();
    echoes(&ends, &mut seen).await?;
    connection(&ends, &mut seen).await?;
    if with_udp {
        let group = Group::new(bed);
        let server = group.bind(Place::Server(0), PORTS[0])?;
        inward(&ends, &group, server, &mut seen).await?;
        outward(&ends, &group, server, &mut seen).await?;
        hairpinned(&ends, &group, server, &mut seen).await?;
    }
    Ok(seen)
}

async fn inward(ends: &Ends<'_>, group: &Group<'_>, server: Id, seen: &mut Icmp) -> Result<(), LabError> {
    let inside = group.bind(Place::Host(0), 6300)?;
    let (local, remote) = (group.local(inside), group.local(server));
    let Some(external) = group.deliver(inside, remote, server).await? else { return Ok(()) };
    let plain = |kind, from, flaws| Error { kind, from, about: (external, remote), tcp: false, mtu: MTU, flaws };
    for (kind, code, from) in INWARD {
        let arrived = ends.arrives(plain((kind, code), from, Flaws::default())).await?;
        let out = group.deliver(inside, remote, server).await?;
        let back = group.deliver(server, external, inside).await?;
        let mapping_kept = out == Some(external) && back == Some(remote);
        seen.inward.push(ErrorCase { kind, code, from, inside: local, remote, arrived, mapping_kept });
    }
    let flawed = async |flaws| -> Result<Option<bool>, LabError> {
        Ok(Some(ends.arrives(plain((3, 1), SERVERS[0], flaws)).await?.is_some()))
    };
    seen.bad_checksum_arrived = flawed(Flaws { checksum: true, ..Flaws::default() }).await?;
    seen.bad_inner_checksum_arrived = flawed(Flaws { inner_checksum: true, ..Flaws::default() }).await?;
    seen.options_arrived = flawed(Flaws { inner_options: true, ..Flaws::default() }).await?;
    let quench = ends.arrives(plain((4, 0), SERVERS[0], Flaws::default())).await?;
    seen.source_quench_arrived = Some(quench.is_some());
    // About a packet that nobody has sent.
    let nobody = SocketAddrV4::new(*external.ip(), 5997);
    let unknown = Error { about: (nobody, remote), ..plain((3, 1), SERVERS[0], Flaws::default()) };
    seen.unknown_arrived = Some(ends.arrives(unknown).await?.is_some());
    Ok(())
}

/// A port of an inside host is closed while its mapping lives.
async fn outward(ends: &Ends<'_>, group: &Group<'_>, server: Id, seen: &mut Icmp) -> Result<(), LabError> {
    let inside = group.bind(Place::Host(0), 6310)?;
    let remote = group.local(server);
    let Some(external) = group.deliver(inside, remote, server).await? else { return Ok(()) };
    group.close(inside);
    ends.outside.heard();
    group.send(server, external, b"anybody?")?;
    group.came().await?;
    let error = ends.outside.read(packet::read_error).into_iter().find(|e| e.kind == 3);
    seen.outward = Some((error, external, remote));
    Ok(())
}

/// The same between two inside hosts, through the external endpoints.
async fn hairpinned(ends: &Ends<'_>, group: &Group<'_>, server: Id, seen: &mut Icmp) -> Result<(), LabError> {
    let [a, b] = [group.bind(Place::Host(0), 6320)?, group.bind(Place::Host(1), 6321)?];
    let remote = group.local(server);
    let of_a = group.deliver(a, remote, server).await?;
    let of_b = group.deliver(b, remote, server).await?;
    let (Some(of_a), Some(of_b)) = (of_a, of_b) else { return Ok(()) };
    // Both send, so that no filter is closed.
    group.deliver(b, of_a, a).await?;
    if group.deliver(a, of_b, b).await?.is_none() {
        return Ok(());
    }
    group.close(b);
    let [first, _] = &ends.inside;
    first.heard();
    group.send(a, of_b, b"anybody?")?;
    group.came().await?;
    let error = first.read(packet::read_error).into_iter().find(|e| e.kind == 3);
    seen.hairpinned = Some((error, group.local(a), of_b));
    Ok(())
}

async fn connection(ends: &Ends<'_>, seen: &mut Icmp) -> Result<(), LabError> {
    let bed = ends.bed;
    let server = tcp::listen(bed, Place::Server(0), 9350)?;
    let inside = tcp::connect(bed, Place::Host(0), 7350, server.at)?;
    let Some((stream, external)) = tcp::accepted(bed, &server).await? else { return Ok(()) };
    for (kind, code, from) in INWARD_TCP {
        let about = (external, server.at);
        let error = Error { kind: (kind, code), from, about, tcp: true, mtu: MTU, flaws: Flaws::default() };
        let arrived = ends.arrives(error).await?;
        let out = tcp::carries(bed, inside.stream(), &stream).await?;
        let mapping_kept = out && tcp::carries(bed, &stream, inside.stream()).await?;
        let (inside, remote) = (inside.from, server.at);
        seen.inward_tcp.push(ErrorCase { kind, code, from, inside, remote, arrived, mapping_kept });
    }
    Ok(())
}

/// Pings: both hosts with one identifier, and one host to two servers.
async fn echoes(ends: &Ends<'_>, seen: &mut Icmp) -> Result<(), LabError> {
    const BOTH: u16 = 4711;
    ends.outside.heard();
    for (n, raw) in (1u16..).zip(&ends.inside) {
        raw.heard();
        sent(raw.send(&packet::echo(false, BOTH, n), SERVERS[0]))?;
    }
    ends.bed.clock.settled().await?;
    let mut own = [false; 2];
    for ((slot, raw), n) in own.iter_mut().zip(&ends.inside).zip(1u16..) {
        let replies = raw.read(packet::read_echo);
        let replies: Vec<_> = replies.iter().filter(|e| e.2).collect();
        *slot = matches!(replies[..], [&(from, _, _, BOTH, sequence)] if from == SERVERS[0] && sequence == n);
    }
    seen.echo = Some(own);
    ends.outside.heard();
    let [first, _] = &ends.inside;
    for server in [SERVERS[0], SERVERS[1]] {
        sent(first.send(&packet::echo(false, 4712, 1), server))?;
    }
    ends.bed.clock.settled().await?;
    let requests = ends.outside.read(packet::read_echo);
    let at = |server| requests.iter().find(|e| e.1 == server && !e.2).map(|e| e.3);
    seen.echo_identifiers = Some([at(SERVERS[0]), at(SERVERS[1])]);
    Ok(())
}
