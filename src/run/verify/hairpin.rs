//! Packets and connections from one inside host to another through their external endpoints (RFC 4787 §6, RFC 5382 §7.2).

use super::bed::{Bed, Group, Place};
use super::tcp;
use super::udp::PORTS;
use crate::conformance::observations::Hairpin;
use crate::lab::topology::LabError;

/// Comments of rules, as they begin.
const REFUSED: &str = "hairpinning (RFC 4787 6), udp: none";
const FILTERED: &str = "hairpinning (RFC 4787 6), udp: only from";

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
    let before = (bed.dropped(REFUSED).await?, bed.dropped(FILTERED).await?);
    seen.first = group.deliver(a, of_b, b).await?;
    seen.answer = group.deliver(b, of_a, a).await?;
    seen.second = group.deliver(a, of_b, b).await?;
    seen.refused = bed.dropped(REFUSED).await?.saturating_sub(before.0);
    seen.filtered = bed.dropped(FILTERED).await?.saturating_sub(before.1);
    Ok(seen)
}

/// TCP: both hosts are connected to a server, then the first connects to the second.
pub async fn connection(bed: &Bed) -> Result<Hairpin, LabError> {
    let server = tcp::listen(bed, Place::Server(0), 9400)?;
    let ports = [6410u16, 6411];
    let mut seen = Hairpin::default();
    let listeners = [tcp::listen(bed, Place::Host(0), ports[0])?, tcp::listen(bed, Place::Host(1), ports[1])?];
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
    let ([Some(of_a), Some(of_b)], [at_a, at_b]) = (seen.external, &listeners) else { return Ok(seen) };
    let first = tcp::connect(bed, Place::Host(0), ports[0], of_b)?;
    seen.first = tcp::accepted(bed, at_b).await?.map(|(_, from)| from);
    drop(first);
    let answer = tcp::connect(bed, Place::Host(1), ports[1], of_a)?;
    seen.answer = tcp::accepted(bed, at_a).await?.map(|(_, from)| from);
    drop(answer);
    Ok(seen)
}
