//! Which external endpoint a new mapping gets (RFC 4787 §4.1, §4.2), and which others the behaviour would allow.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::mapping::Mapping;
use super::{Translator, Why};
use crate::nat::rules::Lists;
use crate::nat::{Pooling, PortAssignment, Translation};
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
        let seen = seen.filter(|s| addresses.contains(s.ip()));
        // Where the port that was seen is not allowed, its address may still be.
        let first = seen.map(|s| *s.ip());
        let own = || first.iter().chain(&addresses).find_map(|a| self.port(wish(*a)).map(|p| wish(*a).at(p)));
        let seen = seen.filter(|s| self.allows(wish(*s.ip()), s.port()));
        let nobody = if addresses.is_empty() { Why::NoAddress } else { Why::NoPort };
        let chosen = seen.or_else(own).ok_or(nobody)?;
        self.paired.entry(*inside.ip()).or_insert(*chosen.ip());
        if let Some(block) = self.block_at(chosen.port()) {
            self.blocks.entry(*inside.ip()).or_insert(block);
        }
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
            (Some(_), _) => self.list(w).contains(&port) && self.is_free(w, port),
            (None, _) => self.port(w) == Some(port),
        }
    }

    /// The own choice.
    fn port(&self, w: Wish) -> Option<u16> {
        let b = &self.gateway.behavior;
        let fits = |p: &u16| self.is_free(w, *p);
        match b.ports {
            PortAssignment::Overloading => match self.overloaded(w) {
                Some(wanted) => wanted.first().copied(),
                None => (1024..=u16::MAX).find(|p| self.unused(w, *p)),
            },
            PortAssignment::Preserving if fits(&w.inside.port()) && self.block_allows(w) => Some(w.inside.port()),
            _ => {
                let list = self.list(w);
                let start = self.next.get(&(w.transport, self.parity(w))).copied().unwrap_or(0);
                let round = list.iter().cycle().skip(start).take(list.len());
                round.copied().find(fits)
            }
        }
    }

    /// The ports that are tried, in order; of blocks the host's own, or while it has none those of the first that is nobody's.
    fn list(&self, w: Wish) -> &[u16] {
        match &*self.lists {
            Lists::All(ports) => ports,
            Lists::Parity { even, odd } => match Parity::of(w.inside.port()) {
                Parity::Even => even,
                Parity::Odd => odd,
            },
            Lists::Blocks(blocks) => {
                let taken = |n: &usize| self.blocks.values().any(|b| b == n);
                let own = self.blocks.get(w.inside.ip()).copied();
                let block = own.or_else(|| (0..blocks.len()).find(|n| !taken(n)));
                block.and_then(|n| blocks.get(n)).map_or(&[], Vec::as_slice)
            }
        }
    }

    /// Whether the inside port lies in the host's block, if it has one.
    fn block_allows(&self, w: Wish) -> bool {
        !matches!(*self.lists, Lists::Blocks(_)) || self.list(w).contains(&w.inside.port())
    }

    /// The block that a port belongs to.
    fn block_at(&self, port: u16) -> Option<usize> {
        match &*self.lists {
            Lists::Blocks(blocks) => blocks.iter().position(|b| b.contains(&port)),
            _ => None,
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
