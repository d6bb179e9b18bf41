//! A gateway as RFC 4787 describes it: a mapping table, permissions by external endpoint, and, for reply affinity,
//! sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Draw, Endpoint, Packet, Realm, translates};
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, Pooling, Semantics, Translation, UdpPolicy};

pub(super) struct Gateway {
    behavior: Behavior,
    pub outside: Realm,
    /// The first of its external addresses; the others follow.
    pub address: u32,
    pub isolated: bool,
    /// In which order a pool's addresses are taken.
    draw: Draw,
    /// Inside endpoint and what the mapping depends on, to external endpoint.
    mappings: BTreeMap<(Endpoint, Option<u32>, Option<u16>), Endpoint>,
    owners: BTreeMap<Endpoint, Endpoint>,
    /// Of a 1:1 NAT: inside addresses, each at the place of its external one.
    hosts: Vec<u32>,
    /// External endpoint (without translation: inside endpoint) and what the filter depends on.
    permissions: BTreeSet<(Endpoint, u32, Option<u16>)>,
    /// Inside endpoint and remote endpoint, to the external endpoint that their session uses.
    sessions: BTreeMap<(Endpoint, Endpoint), Endpoint>,
}

pub(super) enum Hairpin {
    Dropped,
    Inside(Packet),
}

impl Gateway {
    pub fn new(behavior: Behavior, outside: Realm, address: u32, isolated: bool, draw: Draw) -> Gateway {
        Gateway {
            behavior,
            outside,
            address,
            isolated,
            draw,
            mappings: BTreeMap::new(),
            owners: BTreeMap::new(),
            hosts: Vec::new(),
            permissions: BTreeSet::new(),
            sessions: BTreeMap::new(),
        }
    }

    pub fn translates(&self) -> bool {
        translates(&self.behavior)
    }

    pub fn owns(&self, address: u32) -> bool {
        let count = match self.behavior.translation {
            // As many as there are hosts, of which there are two.
            Translation::OneToOne => 2,
            _ => u32::from(self.behavior.addresses),
        };
        self.translates() && (self.address..self.address + count).contains(&address)
    }

    fn affine(&self) -> bool {
        self.behavior.semantics == Semantics::ReplyAffine
    }

    fn blocked(&self) -> bool {
        self.behavior.udp == UdpPolicy::Blocked
    }

    /// From inside to outside.
    pub fn outbound(&mut self, packet: Packet) -> Option<Packet> {
        if self.blocked() {
            return None;
        }
        let from = if self.translates() { self.external(packet.from, packet.to) } else { packet.from };
        let permission = self.permission(from, packet.to);
        self.permissions.insert(permission);
        Some(Packet { from, ..packet })
    }

    /// From outside to inside.
    pub fn inbound(&mut self, packet: Packet) -> Option<Packet> {
        // A packet from the outside with the own address as its source is dropped by every router.
        if self.blocked() || self.owns(packet.from.0) {
            return None;
        }
        if !self.translates() {
            return self.lets_in(packet.to, packet.from).then_some(packet);
        }
        let owner = *self.owners.get(&packet.to)?;
        if self.affine() {
            match self.sessions.get(&(owner, packet.from)) {
                Some(own) if *own == packet.to => return Some(Packet { to: owner, ..packet }),
                // One session of these two endpoints already runs through another endpoint.
                Some(_) => return None,
                None => {}
            }
        }
        if !self.lets_in(packet.to, packet.from) {
            return None;
        }
        self.sessions.insert((owner, packet.from), packet.to);
        Some(Packet { to: owner, ..packet })
    }

    /// From inside to an own external endpoint.
    pub fn turn_around(&mut self, packet: Packet) -> Hairpin {
        let Some(owner) = self.owners.get(&packet.to).copied() else { return Hairpin::Dropped };
        if self.blocked() {
            return Hairpin::Dropped;
        }
        match self.behavior.hairpinning {
            Hairpinning::None => Hairpin::Dropped,
            Hairpinning::InternalSource => Hairpin::Inside(Packet { to: owner, ..packet }),
            Hairpinning::ExternalSource => {
                let Some(sent) = self.outbound(packet) else { return Hairpin::Dropped };
                let known = self.sessions.get(&(owner, sent.from)).copied();
                let clash = self.affine() && known.is_some_and(|own| own != packet.to);
                let established = self.affine() && known == Some(packet.to);
                if clash || !established && !self.lets_in(packet.to, sent.from) {
                    return Hairpin::Dropped;
                }
                self.sessions.insert((owner, sent.from), packet.to);
                Hairpin::Inside(Packet { to: owner, ..sent })
            }
        }
    }

    fn external(&mut self, inside: Endpoint, remote: Endpoint) -> Endpoint {
        if let (true, Some(own)) = (self.affine(), self.sessions.get(&(inside, remote))) {
            return *own;
        }
        let key = match self.behavior.mapping {
            Mapping::EndpointIndependent => (inside, None, None),
            Mapping::AddressDependent => (inside, Some(remote.0), None),
            Mapping::AddressAndPortDependent => (inside, Some(remote.0), Some(remote.1)),
        };
        let own = match self.mappings.get(&key) {
            Some(own) => *own,
            None => self.new_endpoint(inside),
        };
        self.mappings.insert(key, own);
        self.owners.insert(own, inside);
        self.sessions.insert((inside, remote), own);
        own
    }

    fn new_endpoint(&mut self, inside: Endpoint) -> Endpoint {
        if self.behavior.translation == Translation::OneToOne {
            let place = self.hosts.iter().position(|host| *host == inside.0).unwrap_or_else(|| {
                self.hosts.push(inside.0);
                self.hosts.len() - 1
            });
            return (self.address + place as u32, inside.1);
        }
        let number = self.mappings.len() as u32;
        let place = match self.behavior.pooling {
            Pooling::Paired => 0,
            Pooling::Arbitrary => self.draw.place(number) % u32::from(self.behavior.addresses),
        };
        (self.address + place, 20_000 + number as u16)
    }

    fn permission(&self, own: Endpoint, remote: Endpoint) -> (Endpoint, u32, Option<u16>) {
        let port = self.behavior.filtering == Filtering::AddressAndPortDependent;
        (own, remote.0, port.then_some(remote.1))
    }

    fn lets_in(&self, own: Endpoint, remote: Endpoint) -> bool {
        self.behavior.filtering == Filtering::EndpointIndependent
            || self.permissions.contains(&self.permission(own, remote))
    }
}
