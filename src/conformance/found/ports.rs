//! Which ports and addresses mappings get.

use std::collections::BTreeSet;
use std::fmt;
use std::net::Ipv4Addr;

use super::{Is, irregular, no_meaning, seen, undecided};
use crate::conformance::observations::{Assigned, Observations, Ports};
use crate::nat::{Pooling, PortAssignment};

/// How ports are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// Which.
    pub how: PortAssignment,
    /// Distance of two that follow each other, of [`PortAssignment::Sequential`].
    pub step: Option<i32>,
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.how {
            PortAssignment::Preserving => "preserving",
            PortAssignment::Parity => "parity",
            PortAssignment::Sequential => "sequential",
            PortAssignment::Random => "random",
            PortAssignment::Overloading => "overloading",
        };
        match self.step {
            Some(step) => write!(f, "{word}, {step:+}"),
            None => f.write_str(word),
        }
    }
}

/// Further apart than this is not called "one after the other".
const WIDEST_STEP: i32 = 2;

fn ports(o: &Observations) -> Is<&Ports> {
    let ports = seen(&o.ports)?;
    if o.external.is_empty() {
        return no_meaning("nothing is translated");
    }
    if ports.first.iter().chain(&ports.second).any(|a| a.external.is_none()) {
        return undecided("some packets did not arrive");
    }
    Ok(ports)
}

fn external_ports(all: &[Assigned]) -> Vec<i32> {
    all.iter().filter_map(|a| a.external).map(|e| i32::from(e.port())).collect()
}

/// From both hosts' ports, in the order in which they were assigned.
pub fn assignment(o: &Observations) -> Is<Assignment> {
    let p = ports(o)?;
    let kept = |a: &Assigned| a.external.is_some_and(|e| e.port() == a.inside.port());
    let of = |how| Ok(Assignment { how, step: None });
    if p.first.iter().all(kept) {
        let shared = p.first.iter().zip(&p.second).any(|(a, b)| a.external == b.external);
        return of(if shared { PortAssignment::Overloading } else { PortAssignment::Preserving });
    }
    let ports = external_ports(&p.first);
    let steps: Vec<i32> = ports.windows(2).filter_map(|w| Some(w.last()? - w.first()?)).collect();
    if let Some(step) = steps.first().copied().filter(|s| *s != 0 && s.abs() <= WIDEST_STEP)
        // The walk may begin anew once, where the range ends.
        && steps.iter().filter(|s| **s != step).count() <= 1
    {
        return Ok(Assignment { how: PortAssignment::Sequential, step: Some(step) });
    }
    let even = |a: &Assigned| a.external.is_some_and(|e| e.port() % 2 == a.inside.port() % 2);
    if p.first.iter().chain(&p.second).all(even) {
        return of(PortAssignment::Parity);
    }
    if p.first.iter().any(kept) {
        return irregular("some ports are kept, others are not, though nobody had them");
    }
    of(PortAssignment::Random)
}

/// The lowest and the highest port that is not the inside one.
pub fn range(o: &Observations) -> Is<(u16, u16)> {
    let p = ports(o)?;
    let all = p.first.iter().chain(&p.second).chain(&p.second_elsewhere).chain(&p.low);
    let other = all.filter_map(|a| a.external.filter(|e| e.port() != a.inside.port())).map(|e| e.port());
    let other: BTreeSet<u16> = other.collect();
    match (other.first(), other.last()) {
        (Some(first), Some(last)) => Ok((*first, *last)),
        _ => no_meaning("every port is the inside one"),
    }
}

/// Addresses of each host's mappings.
pub fn pooling(o: &Observations) -> Is<Pooling> {
    let p = ports(o)?;
    if o.external.len() < 2 {
        return no_meaning("there is one external address only");
    }
    let of = |all: &[&[Assigned]]| -> BTreeSet<Ipv4Addr> {
        all.iter().flat_map(|a| a.iter()).filter_map(|a| a.external).map(|e| *e.ip()).collect()
    };
    let hosts = [of(&[&p.first, &p.first_again]), of(&[&p.second, &p.second_elsewhere, &p.low])];
    if let Some(foreign) = hosts.iter().flatten().find(|a| !o.external.contains(a)) {
        return irregular(format!("{foreign} is not one of them"));
    }
    Ok(if hosts.iter().all(|h| h.len() == 1) { Pooling::Paired } else { Pooling::Arbitrary })
}

/// How many ports the first host's block has, from what it got until it got no more; and that it is a block of its own.
pub fn block(o: &Observations) -> Is<u32> {
    let p = ports(o)?;
    let Some(e) = &p.exhaustion else { return undecided("it was not exhausted") };
    let second: BTreeSet<i32> = external_ports(&p.second).into_iter().chain(external_ports(&p.low)).collect();
    let more = e.ports.iter().map(|p| i32::from(*p));
    let first: BTreeSet<i32> = external_ports(&p.first).into_iter().chain(more).collect();
    if e.ports.len() as u32 == e.asked {
        return irregular(format!("{} more mappings were all made", e.asked));
    }
    if !e.other_host_unaffected || !e.first_kept {
        return irregular("when it is full, mappings that are there are lost");
    }
    let (Some(low), Some(high)) = (first.first(), first.last()) else { return undecided("no port was seen") };
    if second.range(*low..=*high).next().is_some() {
        return irregular("the other host's ports lie between");
    }
    let size = high - low + 1;
    if size as usize != first.len() {
        return irregular(format!("{} ports, from {low} to {high}", first.len()));
    }
    Ok(size as u32)
}
