//! Mapping, filtering and unsolicited packets of UDP, with and without a conflict of ports.

use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Id, Place};
use super::packet;
use super::raw::{Raw, Use};
use crate::conformance::UNDER;
use crate::conformance::observations::{Answer, Behaved, Condition, Filtered, Mapped, Passes, Unsolicited};
use crate::lab::topology::LabError;

/// Ports of the servers: p and q.
pub const PORTS: [u16; 2] = [3478, 3479];

/// 1:p, 1:q, 2:p and 3:q.
pub fn remotes(group: &Group<'_>) -> Result<[Id; 4], LabError> {
    let [p, q] = PORTS;
    Ok([
        group.bind(Place::Server(0), p)?,
        group.bind(Place::Server(0), q)?,
        group.bind(Place::Server(1), p)?,
        group.bind(Place::Server(2), q)?,
    ])
}

/// Whether anything passes.
pub async fn passes(bed: &Bed) -> Result<Passes, LabError> {
    let group = Group::new(bed);
    let (inside, server) = (group.bind(Place::Host(0), 5900)?, group.bind(Place::Server(0), PORTS[0])?);
    let seen = group.deliver(inside, group.local(server), server).await?;
    // Where nothing comes out, the answer goes to where it would have come from.
    let external = bed.bench.external.first().map_or(*group.local(inside).ip(), |a| *a);
    let back = seen.unwrap_or(SocketAddrV4::new(external, 5900));
    let answer = group.deliver(server, back, inside).await?.is_some();
    Ok(Passes { outbound: seen.is_some(), answer })
}

/// Mapping and filtering (RFC 4787 §4.1 and §5).
pub async fn behaved(bed: &Bed) -> Result<Behaved, LabError> {
    let group = Group::new(bed);
    let remotes = remotes(&group)?;
    let errors = bed.raw(Place::Server(0), Use::Icmp)?;
    let mut all = Behaved::default();
    let mut bound: Vec<((usize, u16), Id)> = Vec::new();
    for (host, [port, _], under) in UNDER {
        let known = bound.iter().find(|(who, _)| *who == (host, port)).map(|(_, id)| *id);
        let inside = match known {
            Some(id) => id,
            None => group.bind(Place::Host(host), port)?,
        };
        bound.push(((host, port), inside));
        if under == Condition::Conflict {
            let [.., last] = remotes;
            let rival = group.bind(Place::Host(1 - host), port)?;
            group.deliver(rival, group.local(last), last).await?;
        }
        let mut seen = [None; 4];
        for (slot, to) in seen.iter_mut().zip(remotes) {
            *slot = group.deliver(inside, group.local(to), to).await?;
        }
        all.mapping.push(Mapped { inside: group.local(inside), under, seen });
    }
    for (host, [_, port], under) in UNDER {
        let inside = group.bind(Place::Host(host), port)?;
        all.filtering.push(filtered(&group, inside, remotes, under, &errors).await?);
    }
    Ok(all)
}

async fn filtered(
    group: &Group<'_>,
    inside: Id,
    remotes: [Id; 4],
    under: Condition,
    errors: &Raw,
) -> Result<Filtered, LabError> {
    let [one, ..] = remotes;
    let external = group.deliver(inside, group.local(one), one).await?;
    let (mut passed, mut answers) = ([false; 4], Vec::new());
    if let Some(external) = external {
        for (slot, from) in passed.iter_mut().zip(remotes) {
            errors.heard();
            *slot = group.deliver(from, external, inside).await?.is_some();
            if !*slot {
                answers.push(answer(errors, group.local(from), external));
            }
        }
    }
    let mut replies = [None; 4];
    for ((slot, to), passed) in replies.iter_mut().zip(remotes).zip(passed).skip(1) {
        if passed {
            *slot = group.deliver(inside, group.local(to), to).await?;
        }
    }
    Ok(Filtered { inside: group.local(inside), under, external, passed, answers, replies })
}

/// The error that came about a packet that did not arrive.
pub fn answer(errors: &Raw, from: SocketAddrV4, to: SocketAddrV4) -> Answer {
    let about = |e: &crate::conformance::observations::IcmpError| e.about_from == from && e.about_to == to;
    let error = errors.read(packet::read_error).into_iter().find(about);
    error.map_or(Answer::Silence, |e| Answer::Icmp(e.kind, e.code))
}

/// A packet that nobody asked for, to an endpoint that nobody owns; and whether its five-tuple is free afterwards.
pub async fn unsolicited(bed: &Bed) -> Result<Option<Unsolicited>, LabError> {
    let Some(external) = bed.bench.external.first().copied() else { return Ok(None) };
    let group = Group::new(bed);
    let [one, other, ..] = remotes(&group)?;
    let errors = bed.raw(Place::Server(0), Use::Icmp)?;
    let inside = group.bind(Place::Host(0), 6100)?;
    // The second external address, where there is one, so that hosts with a fixed one are met too.
    let mut unowned = Answer::Silence;
    let targets: Vec<SocketAddrV4> = bed.bench.external.iter().map(|a| SocketAddrV4::new(*a, 6100)).collect();
    for to in targets.iter().chain([&SocketAddrV4::new(external, 5999)]) {
        errors.heard();
        let arrived = group.deliver(one, *to, inside).await?;
        unowned = if arrived.is_some() { Answer::Arrived } else { answer(&errors, group.local(one), *to) };
    }
    // What was mapped first, towards another remote endpoint, is what an untouched NAT would use here as well.
    let elsewhere = group.deliver(inside, group.local(other), other).await?;
    let here = group.deliver(inside, group.local(one), one).await?;
    let same = match (elsewhere, here) {
        (Some(a), Some(b)) => Some(a == b),
        _ => None,
    };
    Ok(Some(Unsolicited { unowned, left_no_trace: same }))
}
