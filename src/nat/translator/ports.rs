//! Which external endpoint a new mapping gets (RFC 4787 §4.1, §4.2), and which others the behaviour would allow.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::mapping::Mapping;
use super::{Translator, Why};
use crate::nat::rules::{PORTS, candidates_of};
use crate::nat::{Pooling, PortAssignment, PortRange, Translation};
use crate::net::Transport;

/// Of a port (RFC 4787 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Parity {
    Even,
    Odd,
}

impl Parity {
    fn of(port: u16) -> Self {
        if port.is_multiple_of(2) { Parity::Even } else { Parity::Odd }
    }
}

/// Who asks for a port, and of which address.
#[derive(Clone, Copy)]
struct Wish {
    transport: Transport,
    inside: SocketAddrV4,
    remote: SocketAddrV4,
    address: Ipv4Addr,
}

impl Wish {
    fn at(self, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.address, port)
    }
}

impl Translator {
    /// The choice of the other NAT if it is allowed, else an own one.
    pub(super) fn choose(
        &mut self,
        transport: Transport,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
        seen: Option<SocketAddrV4>,
    ) -> Result<SocketAddrV4, Why> {
        if self.gateway.behavior.translation != Translation::Napt {
            return Err(Why::NoAddress);
        }
        let addresses = self.addresses(*inside.ip());
        let wish = |address| Wish { transport, inside, remote, address };
        let seen = seen.filter(|s| addresses.contains(s.ip()) && self.allows(wish(*s.ip()), s.port()));
        let own = || addresses.iter().find_map(|a| self.port(wish(*a)).map(|p| wish(*a).at(p)));
        let nobody = if addresses.is_empty() { Why::NoAddress } else { Why::NoPort };
        let chosen = seen.or_else(own).ok_or(nobody)?;
        self.paired.entry(*inside.ip()).or_insert(*chosen.ip());
        self.go_on(wish(*chosen.ip()), chosen.port());
        Ok(chosen)
    }

    /// Which a new mapping of an inside host may get, the first of them by an own choice.
    fn addresses(&self, inside: Ipv4Addr) -> Vec<Ipv4Addr> {
        match (self.gateway.behavior.pooling, self.paired.get(&inside)) {
            (Pooling::Paired, Some(address)) => vec![*address],
            _ => self.gateway.external.clone(),
        }
    }

    /// Whether another NAT may choose this port: where the order is not defined, any that keeps the promise.
    fn allows(&self, w: Wish, port: u16) -> bool {
        match (self.gateway.behavior.port_block, self.gateway.behavior.ports) {
            (_, PortAssignment::Overloading) => {
                self.overloaded(w).map_or_else(|| port >= 1024 && self.unused(w, port), |wanted| wanted.contains(&port))
            }
            (Some(size), _) => self.is_free(w, port) && self.block_of(w, port, size),
            (None, _) => self.port(w) == Some(port),
        }
    }

    /// The own choice.
    fn port(&self, w: Wish) -> Option<u16> {
        let b = &self.gateway.behavior;
        let fits = |p: &u16| self.is_free(w, *p) && b.port_block.is_none_or(|size| self.block_of(w, *p, size));
        match b.ports {
            PortAssignment::Overloading => match self.overloaded(w) {
                Some(wanted) => wanted.first().copied(),
                None => (1024..=u16::MAX).find(|p| self.unused(w, *p)),
            },
            PortAssignment::Preserving if fits(&w.inside.port()) => Some(w.inside.port()),
            _ => {
                let list = self.list(w);
                let start = self.next.get(&(w.transport, self.parity(w))).copied().unwrap_or(0);
                let round = list.iter().cycle().skip(start).take(list.len());
                round.copied().find(fits)
            }
        }
    }

    /// The ports that are tried, in order.
    fn list(&self, w: Wish) -> Vec<u16> {
        let b = &self.gateway.behavior;
        let range = b.port_range;
        match (b.ports, b.port_block) {
            (PortAssignment::Sequential, _) => sequence(range, b.port_step),
            // Which block is the host's is found by trying all.
            (_, Some(_)) => candidates_of(range.first..=range.last, range.len(), self.gateway.seed),
            (PortAssignment::Parity, None) => {
                let all = candidates_of(range.first..=range.last, range.len(), self.gateway.seed);
                let same = all.into_iter().filter(|p| Parity::of(*p) == Parity::of(w.inside.port()));
                same.take(PORTS / 2).collect()
            }
            _ => candidates_of(range.first..=range.last, PORTS, self.gateway.seed),
        }
    }

    fn parity(&self, w: Wish) -> Option<Parity> {
        (self.gateway.behavior.ports == PortAssignment::Parity).then(|| Parity::of(w.inside.port()))
    }

    /// The list goes on behind the port that was taken from it.
    fn go_on(&mut self, w: Wish, port: u16) {
        let b = &self.gateway.behavior;
        let preserved = b.ports == PortAssignment::Preserving && port == w.inside.port();
        if preserved || b.ports == PortAssignment::Overloading {
            return;
        }
        if let Some(i) = self.list(w).iter().position(|p| *p == port) {
            self.next.insert((w.transport, self.parity(w)), i + 1);
        }
    }

    /// No mapping has it, and no forward.
    fn is_free(&self, w: Wish, port: u16) -> bool {
        let is = |m: &Mapping| m.transport == w.transport && m.external == w.at(port);
        !self.mappings.iter().any(is) && !self.forwarded(w, port)
    }

    fn forwarded(&self, w: Wish, port: u16) -> bool {
        let first = self.gateway.external.first() == Some(&w.address);
        first && self.gateway.forwards.iter().any(|f| f.protocol == w.transport && f.port == port)
    }

    /// Whether the port lies in the block of the inside host, or in one that is nobody's while the host has none.
    fn block_of(&self, w: Wish, port: u16, size: u16) -> bool {
        let first = self.gateway.behavior.port_range.first;
        let block = |p: u16| p.checked_sub(first).map(|p| p / size.max(1));
        let whole = |b: u16| (usize::from(b) + 1) * usize::from(size) <= self.gateway.behavior.port_range.len();
        if !self.gateway.behavior.port_range.contains(port) || !block(port).is_some_and(whole) {
            return false;
        }
        let live = || self.mappings.iter().filter(|m| m.expires.is_some());
        let own = live().find(|m| m.inside.ip() == w.inside.ip());
        match own {
            Some(m) => block(m.external.port()) == block(port),
            None => live().all(|m| block(m.external.port()) != block(port)),
        }
    }

    /// The ports that overloading wants: those of the same inside endpoint's other sessions, then the inside port; where the
    /// remote endpoint knows neither. `None`: it takes any other.
    fn overloaded(&self, w: Wish) -> Option<Vec<u16>> {
        let own = self.mappings.iter().filter(|m| m.transport == w.transport && m.inside == w.inside);
        let own = own.filter(|m| *m.external.ip() == w.address && m.expires.is_some()).map(|m| m.external.port());
        let shared: Vec<u16> = own.filter(|p| self.unused(w, *p)).collect();
        if !shared.is_empty() {
            return Some(shared);
        }
        self.unused(w, w.inside.port()).then(|| vec![w.inside.port()])
    }

    /// Whether the remote endpoint has no session with that external one.
    fn unused(&self, w: Wish, port: u16) -> bool {
        let is =
            |m: &Mapping| m.transport == w.transport && m.external == w.at(port) && m.sessions.contains_key(&w.remote);
        !self.mappings.iter().any(is) && !self.forwarded(w, port)
    }
}

/// From one end of the range to the other, and round again.
fn sequence(range: PortRange, step: i8) -> Vec<u16> {
    let ports = range.first..=range.last;
    let by = usize::from(step.unsigned_abs().max(1));
    let list: Vec<u16> = if step < 0 { ports.rev().step_by(by).collect() } else { ports.step_by(by).collect() };
    list.into_iter().take(PORTS).collect()
}
