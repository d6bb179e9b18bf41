//! The reference translator: a NAT in plain Rust, written from the RFCs and not from the rules, to hold the kernel against.
//!
//! Packets and a time go in, dispositions come out. It has no clock, no randomness and no sockets. Where a behaviour leaves a
//! choice open (which of several addresses, which block), it makes one; [`Translator::pass_as_seen`] lets another NAT's choice
//! stand when the behaviour allows it, and then what follows can be compared.
//!
//! An external endpoint has a lifetime (RFC 4787 §4.3) that everything prolongs which runs through it; permissions and sessions
//! belong to it and end with it. What goes to those it was made for leaves through it while their packets keep that up. Of TCP it
//! follows who has begun a session and whether a SYN still waits for its answer; it checks no sequence numbers, and a reset
//! or a FIN ends nothing before the lifetime does, as RFC 5382 REQ-5 allows.

mod hairpin;
mod icmp;
mod keys;
mod mapping;
mod packet;
mod ports;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::Arc;
use std::time::Duration;

use crate::nat::rules::{Lists, lists};
use crate::nat::{Filtering, Gateway, SimultaneousOpen, Translation, UdpPolicy};
use crate::net::Transport;

pub use packet::{Content, Disposition, Packet, Segment, Side, Why};

use keys::{Part, affine, filter_part, filtering, lifetime};
use mapping::Mapping;
use ports::Parity;

/// A NAT at work.
#[derive(Clone, Debug)]
pub struct Translator {
    gateway: Gateway,
    /// The ports that are tried, in order.
    lists: Arc<Lists>,
    /// Before then nothing ends.
    next_end: Duration,
    mappings: Vec<Mapping>,
    /// Who may come in by a hairpin that keeps the inside source: protocol, inside endpoint, part of the inside remote.
    inside_permits: BTreeMap<(Transport, SocketAddrV4, Part), Duration>,
    /// Sessions of such hairpins: protocol, sender and receiver inside, the external endpoint between them.
    inside_sessions: BTreeMap<(Transport, SocketAddrV4, SocketAddrV4), (SocketAddrV4, Duration)>,
    /// Where each list of ports goes on.
    next: BTreeMap<(Transport, Option<Parity>), usize>,
    /// The external address of an inside one, with paired pooling.
    paired: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// The block of ports of an inside address, for good.
    blocks: BTreeMap<Ipv4Addr, usize>,
}

impl Translator {
    /// Without any state.
    pub fn new(gateway: Gateway) -> Self {
        let (inside_permits, inside_sessions, next, paired, blocks) = Default::default();
        let lists = Arc::new(lists(&gateway.behavior, gateway.seed));
        Translator {
            gateway,
            lists,
            next_end: Duration::ZERO,
            mappings: vec![],
            inside_permits,
            inside_sessions,
            next,
            paired,
            blocks,
        }
    }

    /// What becomes of a packet that arrives from one side at a time since the start; times never go back.
    pub fn pass(&mut self, from: Side, packet: &Packet, at: Duration) -> Disposition {
        self.decide(from, packet, at, None)
    }

    /// The same, beside another NAT that made a new mapping at `seen`, if it made one: where the behaviour leaves that choice
    /// open, it is taken over, or at least the choice of the address; where not, the own choice stands, and the two differ.
    pub fn pass_as_seen(&mut self, from: Side, packet: &Packet, at: Duration, seen: SocketAddrV4) -> Disposition {
        self.decide(from, packet, at, Some(seen))
    }

    /// Whether an external endpoint leads inside at that time; those without end are left out.
    pub fn externals(&self, transport: Transport, at: Duration) -> Vec<SocketAddrV4> {
        let live = self.mappings.iter().filter(|m| m.transport == transport && m.expires.is_some_and(|e| at < e));
        live.map(|m| m.external).collect()
    }

    /// When something ends, if nothing more comes.
    pub fn ends(&self) -> Vec<Duration> {
        let own = self.mappings.iter().flat_map(Mapping::ends);
        let turned = self.inside_permits.values().chain(self.inside_sessions.values().map(|(_, e)| e));
        own.chain(turned.copied()).collect()
    }

    fn decide(&mut self, from: Side, packet: &Packet, at: Duration, seen: Option<SocketAddrV4>) -> Disposition {
        self.forget(at);
        let done = match (packet.transport(), from) {
            (Some(Transport::Udp), _) if self.gateway.behavior.udp == UdpPolicy::Blocked => Err(Why::UdpBlocked),
            _ if self.is_router() => Ok(Disposition::through(from, packet.clone())),
            (None, _) => self.error(from, packet),
            (Some(t), Side::Inside) if self.is_external(*packet.destination.ip()) => self.hairpin(t, packet, at, seen),
            (Some(t), Side::Inside) => self.outbound(t, packet, at, seen).map(Disposition::Outside),
            (Some(t), Side::Outside) => self.inbound(t, packet, at).map(Disposition::Inside),
        };
        done.unwrap_or_else(|why| self.unwanted(from, packet, why))
    }

    /// What has ended leaves nothing behind.
    fn forget(&mut self, at: Duration) {
        if at < self.next_end {
            return;
        }
        self.mappings.retain(|m| m.expires.is_none_or(|e| at < e));
        self.mappings.iter_mut().for_each(|m| m.forget(at));
        self.inside_permits.retain(|_, e| at < *e);
        self.inside_sessions.retain(|_, (_, e)| at < *e);
        // What comes from now on lives that long at least.
        let b = &self.gateway.behavior;
        let shortest = lifetime(b, Transport::Udp).min(lifetime(b, Transport::Tcp));
        self.next_end = self.ends().into_iter().fold(at + shortest, Duration::min);
    }

    /// Whether it keeps no state at all.
    fn is_router(&self) -> bool {
        let b = &self.gateway.behavior;
        let open = |t| filtering(b, t) == Filtering::EndpointIndependent;
        b.translation == Translation::None && open(Transport::Udp) && open(Transport::Tcp)
    }

    fn is_external(&self, address: Ipv4Addr) -> bool {
        let pool = self.gateway.external.contains(&address);
        match self.gateway.behavior.translation {
            Translation::Napt => pool,
            Translation::OneToOne => pool || self.gateway.pairs.iter().any(|p| p.external == address),
            Translation::None => false,
        }
    }

    /// From inside to a remote endpoint: with a mapping, which is made when there is none.
    fn outbound(
        &mut self,
        transport: Transport,
        packet: &Packet,
        at: Duration,
        seen: Option<SocketAddrV4>,
    ) -> Result<Packet, Why> {
        let (inside, remote) = (packet.source, packet.destination);
        let known = self.mapping_towards(transport, inside, remote);
        let in_session = known.is_some_and(|i| self.mappings[i].sessions.contains_key(&remote));
        if !in_session && !packet.may_begin() {
            return Err(Why::NoSession);
        }
        let i = match known {
            Some(i) => i,
            None => self.new_mapping(transport, inside, remote, at, seen)?,
        };
        self.touch(i, Side::Inside, remote, at);
        // Which SYNs cross is a matter of those from outside (RFC 5382 REQ-2).
        let begins = !in_session && packet.content == Content::Tcp(Segment::Syn) && !self.is_external(*remote.ip());
        let m = &mut self.mappings[i];
        if let (true, Some(s)) = (begins, m.sessions.get_mut(&remote)) {
            s.unanswered = true;
        }
        Ok(Packet { source: m.external, ..packet.clone() })
    }

    /// From outside to an external endpoint.
    fn inbound(&mut self, transport: Transport, packet: &Packet, at: Duration) -> Result<Packet, Why> {
        let translated = self.gateway.behavior.translation != Translation::None;
        if translated && !self.is_external(*packet.destination.ip()) {
            return Err(Why::NotExternal);
        }
        if self.is_external(*packet.source.ip()) {
            return Err(Why::OwnSource);
        }
        let i = self.owner(transport, packet.destination, packet.source).ok_or(Why::NoMapping)?;
        self.admit(i, packet, at)
    }

    /// Through the filter of a mapping.
    fn admit(&mut self, i: usize, packet: &Packet, at: Duration) -> Result<Packet, Why> {
        let (m, remote) = (&self.mappings[i], packet.source);
        let elsewhere = |o: &Mapping| {
            o.transport == m.transport
                && o.inside == m.inside
                && o.external != m.external
                && o.sessions.contains_key(&remote)
        };
        if !self.lets_in(m, remote) {
            return Err(Why::Filtered);
        }
        let b = &self.gateway.behavior;
        let refused = b.tcp().simultaneous_open == SimultaneousOpen::Refused;
        match m.sessions.get(&remote) {
            Some(s) if refused && s.unanswered && packet.content == Content::Tcp(Segment::Syn) => {
                return Err(Why::SimultaneousOpen);
            }
            Some(_) => {}
            None if !packet.may_begin() => return Err(Why::NoSession),
            None if affine(b, m.transport) && self.mappings.iter().any(elsewhere) => return Err(Why::OtherSession),
            None => {}
        }
        self.touch(i, Side::Outside, remote, at);
        let m = &mut self.mappings[i];
        if let (Content::Tcp(Segment::SynAck), Some(s)) = (&packet.content, m.sessions.get_mut(&remote)) {
            s.unanswered = false;
        }
        Ok(Packet { destination: m.inside, ..packet.clone() })
    }

    fn lets_in(&self, m: &Mapping, remote: SocketAddrV4) -> bool {
        let b = &self.gateway.behavior;
        let everybody = filtering(b, m.transport) == Filtering::EndpointIndependent;
        m.open || everybody || m.permits.contains_key(&filter_part(b, m.transport, remote))
    }
}
