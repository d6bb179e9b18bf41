//! Which ports and addresses mappings get.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::Ipv4Addr;

use super::{Is, irregular, no_meaning, seen, undecided};
use crate::conformance::observations::{Assigned, Observations, Part, Ports};
use crate::nat::rules::PORTS;
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

/// Where ports were looked at: a whole subject, or one gateway of a chain.
#[derive(Clone, Copy)]
pub struct Sides<'a> {
    ports: &'a Option<Ports>,
    external: &'a [Ipv4Addr],
}

impl<'a> From<&'a Observations> for Sides<'a> {
    fn from(o: &'a Observations) -> Self {
        Sides { ports: &o.ports, external: &o.external }
    }
}

impl<'a> From<&'a Part> for Sides<'a> {
    fn from(p: &'a Part) -> Self {
        Sides { ports: &p.ports, external: &p.external }
    }
}

fn external_ports<'a>(all: impl IntoIterator<Item = &'a Assigned>) -> Vec<i32> {
    all.into_iter().filter_map(|a| a.external).map(|e| i32::from(e.port())).collect()
}

/// Every mapping that was seen, of either host.
fn each(p: &Ports) -> impl Iterator<Item = &Assigned> {
    [&p.first, &p.second, &p.second_elsewhere, &p.first_again, &p.low].into_iter().flatten()
}

impl<'a> Sides<'a> {
    fn ports(self) -> Is<&'a Ports> {
        let ports = seen(self.ports)?;
        if self.external.is_empty() {
            return no_meaning("nothing is translated");
        }
        if ports.first.is_empty() || ports.first.iter().chain(&ports.second).any(|a| a.external.is_none()) {
            return undecided("some packets did not arrive");
        }
        Ok(ports)
    }

    /// From both hosts' ports, in the order in which they were assigned.
    pub fn assignment(self) -> Is<Assignment> {
        let p = self.ports()?;
        let kept = |a: &Assigned| a.external.is_some_and(|e| e.port() == a.inside.port());
        let of = |how| Ok(Assignment { how, step: None });
        if p.first.iter().all(kept) {
            let shared = |a: &Assigned, b: &Assigned| a.inside != b.inside && a.external == b.external;
            let shared = p.first.iter().zip(&p.second).any(|(a, b)| shared(a, b));
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

    /// Whether two inside endpoints of different addresses had one port at the same time: else `preserving` and `overloading`
    /// look the same.
    pub fn contested(self) -> bool {
        let Some(p) = self.ports else { return false };
        let same = |(a, b): (&Assigned, &Assigned)| a.inside != b.inside && a.inside.port() == b.inside.port();
        p.first.iter().zip(&p.second).any(same)
    }

    /// The lowest and the highest port that is not the inside one.
    pub fn range(self) -> Is<(u16, u16)> {
        let all = each(self.ports()?);
        let other = all.filter_map(|a| a.external.filter(|e| e.port() != a.inside.port())).map(|e| e.port());
        let other: BTreeSet<u16> = other.collect();
        match (other.first(), other.last()) {
            (Some(first), Some(last)) => Ok((*first, *last)),
            _ => no_meaning("every port is the inside one"),
        }
    }

    /// External addresses of each inside address.
    pub fn pooling(self) -> Is<Pooling> {
        let p = self.ports()?;
        if self.external.len() < 2 {
            return no_meaning("there is one external address only");
        }
        let mut of: BTreeMap<Ipv4Addr, BTreeSet<Ipv4Addr>> = BTreeMap::new();
        for (inside, external) in each(p).filter_map(|a| Some((a.inside, a.external?))) {
            if !self.external.contains(external.ip()) {
                return irregular(format!("{} is not one of them", external.ip()));
            }
            of.entry(*inside.ip()).or_default().insert(*external.ip());
        }
        Ok(if of.values().all(|a| a.len() == 1) { Pooling::Paired } else { Pooling::Arbitrary })
    }

    /// How many external addresses there are.
    pub fn addresses(self) -> usize {
        self.external.len()
    }

    /// Where blocks were exhausted: whether this gateway made every mapping that it was asked for. `None` also where more were
    /// asked for than any gateway tries ports.
    pub fn all_made(self) -> Option<bool> {
        let e = self.ports.as_ref()?.exhaustion.as_ref()?;
        let others = each(self.ports.as_ref()?).count();
        (e.reached as usize + others <= PORTS).then_some(e.ports.len() as u32 == e.reached)
    }

    /// How many ports the address of the first host has got, and how many there are from the lowest to the highest of them.
    pub fn spread(self) -> Option<(usize, u32)> {
        let p = self.ports.as_ref()?;
        let own = *p.first.first()?.inside.ip();
        let ports: BTreeSet<i32> = external_ports(each(p).filter(|a| *a.inside.ip() == own)).into_iter().collect();
        Some((ports.len(), ports.last()?.abs_diff(*ports.first()?) + 1))
    }

    /// How many ports the block of the first host's address has, from what it got until it got no more; and that it is a
    /// block of its own.
    pub fn block(self) -> Is<u32> {
        let p = seen(self.ports)?;
        let Some(e) = &p.exhaustion else { return undecided("it was not exhausted") };
        let Some(own) = p.first.first().map(|a| *a.inside.ip()) else { return undecided("no port was seen") };
        // In a chain both hosts may have one address here.
        let (first, second): (Vec<&Assigned>, Vec<&Assigned>) = each(p).partition(|a| *a.inside.ip() == own);
        let second: BTreeSet<i32> = external_ports(second).into_iter().collect();
        let more = e.ports.iter().map(|p| i32::from(*p));
        let first: BTreeSet<i32> = external_ports(first).into_iter().chain(more).collect();
        if e.ports.len() as u32 == e.reached {
            return match e.reached == e.asked {
                true => irregular(format!("{} more mappings were all made", e.asked)),
                false => no_meaning("it never gets full: a gateway behind it does before"),
            };
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
}
