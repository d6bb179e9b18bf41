//! A gateway as RFC 4787 describes it: a mapping table, permissions by external endpoint, and, for reply affinity,
//! sessions.

use std::collections::{BTreeMap, BTreeSet};

use super::{Endpoint, Packet, Realm, translates};
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, Semantics, UdpPolicy};

pub(super) struct Gateway {
    behavior: Behavior,
    pub outside: Realm,
    pub address: u32,
    pub isolated: bool,
    /// Inside endpoint and what the mapping depends on, to external port.
    mappings: BTreeMap<(Endpoint, Option<u32>, Option<u16>), u16>,
    owners: BTreeMap<u16, Endpoint>,
    /// External endpoint (without translation: inside endpoint) and what the filter depends on.
    permissions: BTreeSet<(Endpoint, u32, Option<u16>)>,
    /// Inside endpoint and remote endpoint, to the external port that their session uses.
    sessions: BTreeMap<(Endpoint, Endpoint), u16>,
}

pub(super) enum Hairpin {
    Dropped,
    Inside(Packet),
}

impl Gateway {
    pub fn new(behavior: Behavior, outside: Realm, address: u32, isolated: bool) -> Gateway {
        Gateway {
            behavior,
            outside,
            address,
            isolated,
            mappings: BTreeMap::new(),
            owners: BTreeMap::new(),
            permissions: BTreeSet::new(),
            sessions: BTreeMap::new(),
        }
    }

    pub fn translates(&self) -> bool {
        translates(&self.behavior)
    }

    pub fn owns(&self, endpoint: Endpoint) -> bool {
        self.translates() && endpoint.0 == self.address
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
        let from =
            if self.translates() { (self.address, self.external_port(packet.from, packet.to)) } else { packet.from };
        let permission = self.permission(from, packet.to);
        self.permissions.insert(permission);
        Some(Packet { from, ..packet })
    }

    /// From outside to inside.
    pub fn inbound(&mut self, packet: Packet) -> Option<Packet> {
        // A packet from the outside with the own address as its source is dropped by every router.
        if self.blocked() || packet.from.0 == self.address {
            return None;
        }
        if !self.translates() {
            return self.lets_in(packet.to, packet.from).then_some(packet);
        }
        let owner = *self.owners.get(&packet.to.1)?;
        if self.affine() {
            match self.sessions.get(&(owner, packet.from)) {
                Some(port) if *port == packet.to.1 => return Some(Packet { to: owner, ..packet }),
                // One session of these two endpoints already runs through another port.
                Some(_) => return None,
                None => {}
            }
        }
        if !self.lets_in(packet.to, packet.from) {
            return None;
        }
        self.sessions.insert((owner, packet.from), packet.to.1);
        Some(Packet { to: owner, ..packet })
    }

    /// From inside to an own external endpoint.
    pub fn turn_around(&mut self, packet: Packet) -> Hairpin {
        let Some(owner) = self.owners.get(&packet.to.1).copied() else { return Hairpin::Dropped };
        if self.blocked() {
            return Hairpin::Dropped;
        }
        match self.behavior.hairpinning {
            Hairpinning::None => Hairpin::Dropped,
            Hairpinning::InternalSource => Hairpin::Inside(Packet { to: owner, ..packet }),
            Hairpinning::ExternalSource => {
                let Some(sent) = self.outbound(packet) else { return Hairpin::Dropped };
                let known = self.sessions.get(&(owner, sent.from)).copied();
                let clash = self.affine() && known.is_some_and(|port| port != packet.to.1);
                let established = self.affine() && known == Some(packet.to.1);
                if clash || !established && !self.lets_in(packet.to, sent.from) {
                    return Hairpin::Dropped;
                }
                self.sessions.insert((owner, sent.from), packet.to.1);
                Hairpin::Inside(Packet { to: owner, ..sent })
            }
        }
    }

    fn external_port(&mut self, inside: Endpoint, remote: Endpoint) -> u16 {
        if let (true, Some(port)) = (self.affine(), self.sessions.get(&(inside, remote))) {
            return *port;
        }
        let key = match self.behavior.mapping {
            Mapping::EndpointIndependent => (inside, None, None),
            Mapping::AddressDependent => (inside, Some(remote.0), None),
            Mapping::AddressAndPortDependent => (inside, Some(remote.0), Some(remote.1)),
        };
        let next = 20_000 + self.owners.len() as u16;
        let port = *self.mappings.entry(key).or_insert(next);
        self.owners.insert(port, inside);
        self.sessions.insert((inside, remote), port);
        port
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
