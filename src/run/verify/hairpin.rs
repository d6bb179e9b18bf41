//! Packets and connections from one inside host to another through their external endpoints (RFC 4787 §6, RFC 5382 §7.2).

use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Place};
use super::packet;
use super::raw::Use;
use super::tcp;
use super::udp::PORTS;
use crate::conformance::observations::{Hairpin, Source};
use crate::lab::topology::LabError;

/// Packets that rules have dropped because there is no hairpinning, and because the filter applies to hairpinned packets, too.
/// Rules are known by the property that their comments begin with.
async fn drops(bed: &Bed, protocol: &str) -> Result<[u64; 2], LabError> {
    let mut counted = [0; 2];
    for (rule, packets) in bed.drops().await?.iter().filter(|(rule, _)| rule.starts_with("hairpinning")) {
        if rule.contains(&format!("{protocol}: none")) {
            counted[0] += packets;
        } else if rule.contains(&format!("{protocol}: only from")) {
            counted[1] += packets;
        }
    }
    Ok(counted)
}

/// UDP.
pub async fn udp(bed: &Bed) -> Result<Hairpin, LabError> {
    let group = Group::new(bed);
    let server = group.bind(Place::Server(0), PORTS[0])?;
    let [a, b] = [group.bind(Place::Host(0), 6400)?, group.bind(Place::Host(1), 6401)?];
    let mut seen = Hairpin { inside: [Some(group.local(a)), Some(group.local(b))], ..Hairpin::default() };
    for (slot, id) in seen.external.iter_mut().zip([a, b]) {
        *slot = group.deliver(id, group.local(server), server).await?;
    }
    let [Some(of_a), Some(of_b)] = seen.external else { return Ok(seen) };
    let before = drops(bed, "udp").await?;
    seen.first = group.deliver(a, of_b, b).await?;
    seen.answer = group.deliver(b, of_a, a).await?;
    seen.second = group.deliver(a, of_b, b).await?;
    let after = drops(bed, "udp").await?;
    [seen.refused, seen.filtered] = [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])];
    Ok(seen)
}

/// TCP: both hosts are connected to a server, then one sends a SYN to the other. What counts is the SYN: with the inside
/// source no connection comes of it where both hosts share a network, since the answer goes past the NAT to a host that
/// awaits it from elsewhere. That is why RFC 4787 REQ-9a wants the external source.
pub async fn connection(bed: &Bed) -> Result<Hairpin, LabError> {
    let server = tcp::listen(bed, Place::Server(0), 9400)?;
    let ports = [6410u16, 6411];
    let mut seen = Hairpin::default();
    let _listeners = [tcp::listen(bed, Place::Host(0), ports[0])?, tcp::listen(bed, Place::Host(1), ports[1])?];
    let ears = [bed.raw(Place::Host(0), Use::Tcp)?, bed.raw(Place::Host(1), Use::Tcp)?];
    let mut kept = Vec::new();
    for (host, port) in ports.into_iter().enumerate() {
        let connection = tcp::connect(bed, Place::Host(host), port, server.at)?;
        let accepted = tcp::accepted(bed, &server).await?;
        if let (Some(slot), Some((_, from))) = (seen.external.get_mut(host), &accepted) {
            *slot = Some(*from);
        }
        if let Some(slot) = seen.inside.get_mut(host) {
            *slot = Some(connection.from);
        }
        kept.push((connection, accepted));
    }
    let [Some(of_a), Some(of_b)] = seen.external else { return Ok(seen) };
    let before = drops(bed, "tcp").await?;
    let syn = async |host: usize, to: SocketAddrV4, at: usize| -> Result<Source, LabError> {
        let Some(raw) = ears.get(at) else { return Ok(None) };
        raw.heard();
        let sent = tcp::connect(bed, Place::Host(host), ports[host], to)?;
        bed.clock.settled().await?;
        let heard = raw.read(packet::read_tcp);
        drop(sent);
        bed.clock.settled().await?;
        let mine = SocketAddrV4::new(bed.address(Place::Host(at)), ports[at]);
        Ok(heard.into_iter().find(|(_, to, [syn, ack])| *to == mine && *syn && !*ack).map(|(from, ..)| from))
    };
    seen.first = syn(0, of_b, 1).await?;
    seen.answer = syn(1, of_a, 0).await?;
    let after = drops(bed, "tcp").await?;
    [seen.refused, seen.filtered] = [after[0].saturating_sub(before[0]), after[1].saturating_sub(before[1])];
    Ok(seen)
}
