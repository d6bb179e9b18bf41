//! Which external endpoints UDP mappings get (RFC 4787 §4.2), and what happens when there are none left.

use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Id, Place};
use super::packet;
use super::raw::{Raw, Use};
use super::trail::Trail;
use super::udp::{PORTS, answer};
use crate::conformance::INSIDE_PORTS;
use crate::conformance::observations::{Answer, Assigned, Exhaustion, Ports};
use crate::lab::topology::LabError;
use crate::net::Transport;

/// Inside ports below 1024 that no service of a bench has.
const LOW: [u16; 2] = [700, 811];
/// More mappings are not made for one test.
const MOST: u32 = 4096;

/// Everything about ports: of the whole subject, and of each gateway of a chain.
pub async fn ports(bed: &Bed, block: Option<u16>) -> Result<(Ports, Vec<Ports>), LabError> {
    let group = Group::new(bed);
    let one = group.bind(Place::Server(0), PORTS[0])?;
    let two = group.bind(Place::Server(1), PORTS[0])?;
    let sockets = |host: usize, ports: &[u16]| -> Result<Vec<Id>, LabError> {
        ports.iter().map(|port| group.bind(Place::Host(host), *port)).collect()
    };
    let (first, second) = (sockets(0, &INSIDE_PORTS)?, sockets(1, &INSIDE_PORTS)?);
    let low = sockets(1, &LOW)?;
    let trail = Trail::begin(bed)?;
    let parts = vec![Ports::default(); if bed.bench.gateways.len() > 1 { bed.bench.gateways.len() } else { 0 }];
    let mut book = Book { bed, group, trail, whole: Ports::default(), parts, shifts: 0 };
    book.assigned(|p| &mut p.first, &first, one).await?;
    book.assigned(|p| &mut p.second, &second, two).await?;
    book.assigned(|p| &mut p.second_elsewhere, &second, one).await?;
    book.assigned(|p| &mut p.first_again, &first, one).await?;
    book.assigned(|p| &mut p.low, &low, one).await?;
    if let Some(block) = block.map(u32::from).filter(|block| *block <= MOST) {
        book.exhausted(first.first().copied(), low.first().copied(), one, block).await?;
    }
    Ok((book.whole, book.parts))
}

/// What was seen so far.
struct Book<'a> {
    bed: &'a Bed,
    group: Group<'a>,
    trail: Trail,
    whole: Ports,
    parts: Vec<Ports>,
    shifts: u16,
}

impl Book<'_> {
    /// Each gateway in front of another one gets a mapping for itself, so that the two do not go on in step: ports that both
    /// take in turn would look as if the outer one kept them, and addresses as if they were paired.
    async fn shift(&mut self, server: Id) -> Result<(), LabError> {
        for level in 1..=self.parts.len().saturating_sub(1) {
            let own = self.group.bind(Place::Front(level), 9720 + self.shifts)?;
            self.group.deliver(own, self.group.local(server), server).await?;
        }
        self.trail.left(Transport::Udp)?;
        self.shifts += 1;
        Ok(())
    }

    async fn assigned(
        &mut self,
        section: impl Fn(&mut Ports) -> &mut Vec<Assigned>,
        inside: &[Id],
        server: Id,
    ) -> Result<(), LabError> {
        self.shift(server).await?;
        for id in inside {
            let (local, to) = (self.group.local(*id), self.group.local(server));
            let external = self.group.deliver(*id, to, server).await?;
            section(&mut self.whole).push(Assigned { inside: local, external });
            for (part, assigned) in self.parts.iter_mut().zip(self.trail.assigned(local, to)?) {
                section(part).extend(assigned);
            }
        }
        Ok(())
    }

    /// The first host makes mappings until well beyond its block; packets are made by hand, since a process has not that many
    /// sockets.
    async fn exhausted(
        &mut self,
        first: Option<Id>,
        other: Option<Id>,
        server: Id,
        block: u32,
    ) -> Result<(), LabError> {
        let bed = self.bed;
        let sender = bed.raw(Place::Host(0), Use::Whole)?;
        let errors: Raw = bed.raw(Place::Host(0), Use::Icmp)?;
        let to = self.group.local(server);
        let asked = block + 8;
        let none = Exhaustion {
            asked,
            reached: 0,
            ports: vec![],
            other_host_unaffected: false,
            first_kept: false,
            answer: Answer::Silence,
        };
        let (mut whole, mut parts) = (Exhaustion { reached: asked, ..none.clone() }, vec![none; self.parts.len()]);
        for n in 0..asked {
            let from = SocketAddrV4::new(bed.address(Place::Host(0)), 10_000 + n as u16);
            let number = bed.number().to_be_bytes();
            let sent = sender.send(&packet::udp(from, to, &number, false), *to.ip());
            sent.map_err(|e| LabError::Probe(format!("sending a packet from {from}: {e}")))?;
            let came = self.group.came().await?;
            match came.iter().find(|(id, _, payload)| *id == server && *payload == number) {
                Some((_, external, _)) => whole.ports.push(external.port()),
                None => whole.answer = answer(&errors, from, to),
            }
            for (part, assigned) in parts.iter_mut().zip(self.trail.assigned(from, to)?) {
                part.reached += u32::from(assigned.is_some());
                part.ports.extend(assigned.and_then(|a| a.external).map(|e| e.port()));
            }
            errors.heard();
        }
        if let Some(id) = first {
            let before = self.group.deliver(id, to, server).await?;
            let again = self.group.deliver(id, to, server).await?;
            whole.first_kept = before.is_some() && before == again;
        }
        self.trail.left(Transport::Udp)?;
        if let Some(id) = other {
            whole.other_host_unaffected = self.group.deliver(id, to, server).await?.is_some();
            let seen = self.trail.assigned(self.group.local(id), to)?;
            for (part, assigned) in parts.iter_mut().zip(seen) {
                part.other_host_unaffected = assigned.is_none_or(|a| a.external.is_some());
            }
        }
        parts.iter_mut().for_each(|part| part.first_kept = whole.first_kept);
        self.whole.exhaustion = Some(whole);
        self.parts.iter_mut().zip(parts).for_each(|(part, e)| part.exhaustion = Some(e));
        Ok(())
    }
}
