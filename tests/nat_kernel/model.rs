//! What RFC 4787 says a NAT does, as a table of mappings and permissions; written from the RFC, not from the rules.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddrV4};

use natlab::nat::{Behavior, Filtering, Mapping, PortAssignment, Semantics};

/// The part of a remote endpoint that matters to a mapping or a filter.
type Part = (Option<Ipv4Addr>, Option<u16>);

/// A NAT whose mappings never end.
pub struct Model {
    behavior: Behavior,
    /// (inside, part of the remote) → external.
    mappings: BTreeMap<(SocketAddrV4, Part), SocketAddrV4>,
    /// external → inside.
    owners: BTreeMap<SocketAddrV4, SocketAddrV4>,
    /// (external, part of the remote).
    permits: BTreeSet<(SocketAddrV4, Part)>,
    /// (inside, remote) → the external endpoint that the session uses, with `ReplyAffine`.
    sessions: BTreeMap<(SocketAddrV4, SocketAddrV4), SocketAddrV4>,
}

impl Model {
    pub fn new(behavior: Behavior) -> Self {
        let (mappings, owners) = Default::default();
        Model { behavior, mappings, owners, permits: BTreeSet::new(), sessions: BTreeMap::new() }
    }

    fn mapping_part(&self, remote: SocketAddrV4) -> Part {
        match self.behavior.mapping {
            Mapping::EndpointIndependent => (None, None),
            Mapping::AddressDependent => (Some(*remote.ip()), None),
            Mapping::AddressAndPortDependent => (Some(*remote.ip()), Some(remote.port())),
        }
    }

    fn filter_part(&self, remote: SocketAddrV4) -> Part {
        match self.behavior.filtering {
            Filtering::EndpointIndependent => (None, None),
            Filtering::AddressDependent => (Some(*remote.ip()), None),
            Filtering::AddressAndPortDependent => (Some(*remote.ip()), Some(remote.port())),
        }
    }

    /// An inside endpoint has sent to a remote one, where the packet arrived from `seen`. What is wrong with that, if anything.
    pub fn outbound(&mut self, inside: SocketAddrV4, remote: SocketAddrV4, seen: SocketAddrV4) -> Result<(), String> {
        let key = (inside, self.mapping_part(remote));
        let affine = self.behavior.semantics == Semantics::ReplyAffine;
        let session = affine.then(|| self.sessions.get(&(inside, remote)).copied()).flatten();
        if let Some(expected) = session.or_else(|| self.mappings.get(&key).copied()) {
            if seen != expected {
                return Err(format!("{inside} has {expected} towards {remote}, and used {seen}"));
            }
        } else {
            self.new_mapping(inside, seen)?;
            self.mappings.insert(key, seen);
            self.owners.insert(seen, inside);
        }
        self.permits.insert((seen, self.filter_part(remote)));
        self.sessions.insert((inside, remote), seen);
        Ok(())
    }

    fn new_mapping(&self, inside: SocketAddrV4, seen: SocketAddrV4) -> Result<(), String> {
        if let Some(owner) = self.owners.get(&seen) {
            return Err(format!("{seen} belongs to {owner}, and {inside} got it too"));
        }
        let preserved = SocketAddrV4::new(*seen.ip(), inside.port());
        let free = !self.owners.contains_key(&preserved);
        if self.behavior.ports == PortAssignment::Preserving && free && seen != preserved {
            return Err(format!("{preserved} was free, and {inside} got {seen}"));
        }
        Ok(())
    }

    /// A remote endpoint sends to an external one: the inside endpoint where that arrives.
    pub fn inbound(&mut self, remote: SocketAddrV4, external: SocketAddrV4) -> Option<SocketAddrV4> {
        let inside = *self.owners.get(&external)?;
        let filtered = self.behavior.filtering != Filtering::EndpointIndependent;
        if filtered && !self.permits.contains(&(external, self.filter_part(remote))) {
            return None;
        }
        if self.behavior.semantics == Semantics::ReplyAffine {
            // One session of two endpoints at a time.
            let used = *self.sessions.entry((inside, remote)).or_insert(external);
            if used != external {
                return None;
            }
        }
        Some(inside)
    }

    /// Every external endpoint that leads inside.
    pub fn externals(&self) -> Vec<SocketAddrV4> {
        self.owners.keys().copied().collect()
    }
}
