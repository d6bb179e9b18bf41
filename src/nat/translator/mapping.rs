//! The table: mappings with their permissions and sessions, how they are made, kept alive and found.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;
use std::time::Duration;

use super::keys::{Part, affine, filter_part, lifetime, mapping_part, refreshes};
use super::{Side, Translator, Why};
use crate::nat::{PortAssignment, Translation};
use crate::net::Transport;

/// An external endpoint that leads to an inside one.
#[derive(Clone, Debug)]
pub(super) struct Mapping {
    pub(super) transport: Transport,
    pub(super) inside: SocketAddrV4,
    pub(super) external: SocketAddrV4,
    /// For whom it is: of the remote endpoint what the mapping depends on, and until when what goes there leaves through it.
    pub(super) towards: Option<(Part, Duration)>,
    /// `None`: never, as of a forward.
    pub(super) expires: Option<Duration>,
    /// To everybody, whatever the filtering.
    pub(super) open: bool,
    pub(super) permits: BTreeMap<Part, Duration>,
    /// By remote endpoint.
    pub(super) sessions: BTreeMap<SocketAddrV4, Session>,
}

/// What connection tracking calls a connection.
#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) expires: Duration,
    /// A SYN from inside waits for its answer.
    pub(super) unanswered: bool,
}

impl Mapping {
    pub(super) fn forget(&mut self, at: Duration) {
        self.towards = self.towards.filter(|(_, e)| at < *e);
        self.permits.retain(|_, e| at < *e);
        self.sessions.retain(|_, s| at < s.expires);
    }

    pub(super) fn ends(&self) -> impl Iterator<Item = Duration> {
        let own = self.expires.iter().chain(self.towards.iter().map(|(_, e)| e)).chain(self.permits.values());
        own.copied().chain(self.sessions.values().map(|s| s.expires))
    }
}

/// An endpoint whose mapping has no end: a forward, one half of a pair, or a public one that stays as it is.
pub(super) struct Fixed {
    external: SocketAddrV4,
    inside: SocketAddrV4,
    open: bool,
}

impl Translator {
    /// The mapping that a packet from inside leaves through, if there is one.
    pub(super) fn mapping_towards(
        &mut self,
        transport: Transport,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<usize> {
        let fixed = self.fixed_of(transport, inside);
        let is_fixed = fixed.is_some();
        self.remember(transport, fixed);
        let b = &self.gateway.behavior;
        let (part, affine) = (mapping_part(b, transport, remote), affine(b, transport));
        let position = |is: &dyn Fn(&Mapping) -> bool| {
            self.mappings.iter().position(|m| m.transport == transport && m.inside == inside && is(m))
        };
        let begun = affine.then(|| position(&|m| m.sessions.contains_key(&remote))).flatten();
        begun
            .or_else(|| is_fixed.then(|| position(&|m| m.expires.is_none())).flatten())
            .or_else(|| position(&|m| m.towards.is_some_and(|(p, _)| p == part)))
    }

    /// The mapping that an external endpoint belongs to; with overloading the remote one decides too.
    pub(super) fn owner(
        &mut self,
        transport: Transport,
        external: SocketAddrV4,
        remote: SocketAddrV4,
    ) -> Option<usize> {
        self.remember(transport, self.fixed_at(transport, external));
        let shared = self.gateway.behavior.ports == PortAssignment::Overloading;
        self.mappings.iter().position(|m| {
            let led = !shared || m.expires.is_none() || m.sessions.contains_key(&remote);
            m.transport == transport && m.external == external && led
        })
    }

    /// Makes one, at a port that is chosen now.
    pub(super) fn new_mapping(
        &mut self,
        transport: Transport,
        inside: SocketAddrV4,
        remote: SocketAddrV4,
        at: Duration,
        seen: Option<SocketAddrV4>,
    ) -> Result<usize, Why> {
        let external = self.choose(transport, inside, remote, seen)?;
        let b = &self.gateway.behavior;
        let until = at + lifetime(b, transport);
        self.mappings.push(Mapping {
            transport,
            inside,
            external,
            towards: Some((mapping_part(b, transport, remote), until)),
            expires: Some(until),
            open: false,
            permits: BTreeMap::new(),
            sessions: BTreeMap::new(),
        });
        Ok(self.mappings.len() - 1)
    }

    /// A packet has used the mapping: it becomes young again, with what belongs to it, when packets from that side refresh.
    /// Sending opens the filter; what comes in keeps it open at most. Strangers keep the external endpoint alive, as any session
    /// does that runs through it, but not what is reserved for others.
    pub(super) fn touch(&mut self, i: usize, from: Side, remote: SocketAddrV4, at: Duration) {
        let b = &self.gateway.behavior;
        let m = &mut self.mappings[i];
        let until = at + lifetime(b, m.transport);
        if from == Side::Inside {
            m.permits.entry(filter_part(b, m.transport, remote)).or_insert(until);
        }
        m.sessions.entry(remote).or_insert(Session { expires: until, unanswered: false });
        self.refresh(i, from, remote, until);
    }

    /// Makes young again what a packet to or from `remote` has used.
    pub(super) fn refresh(&mut self, i: usize, from: Side, remote: SocketAddrV4, until: Duration) {
        let b = &self.gateway.behavior;
        let m = &mut self.mappings[i];
        if !refreshes(b, m.transport, from) {
            return;
        }
        let (part, permit) = (mapping_part(b, m.transport, remote), filter_part(b, m.transport, remote));
        let towards = m.towards.iter_mut().filter(|(is_for, _)| *is_for == part).map(|(_, e)| e);
        let session = m.sessions.get_mut(&remote).map(|s| &mut s.expires);
        let all = m.expires.iter_mut().chain(towards).chain(m.permits.get_mut(&permit)).chain(session);
        all.for_each(|e| *e = until);
    }

    fn fixed_of(&self, transport: Transport, inside: SocketAddrV4) -> Option<Fixed> {
        let g = &self.gateway;
        let forward = g.forwards.iter().find(|f| f.protocol == transport && f.to == inside);
        let pair = g.pairs.iter().find(|p| p.inside == *inside.ip());
        match (g.behavior.translation, forward, pair) {
            (Translation::None, ..) => Some(Fixed { external: inside, inside, open: false }),
            (_, Some(f), _) => {
                let external = SocketAddrV4::new(*g.external.first()?, f.port);
                Some(Fixed { external, inside, open: true })
            }
            (Translation::OneToOne, _, Some(p)) => {
                Some(Fixed { external: SocketAddrV4::new(p.external, inside.port()), inside, open: false })
            }
            _ => None,
        }
    }

    fn fixed_at(&self, transport: Transport, external: SocketAddrV4) -> Option<Fixed> {
        let g = &self.gateway;
        let forwarded = |port| g.external.first().map(|a| SocketAddrV4::new(*a, port)) == Some(external);
        let forward = g.forwards.iter().find(|f| f.protocol == transport && forwarded(f.port));
        let pair = g.pairs.iter().find(|p| p.external == *external.ip());
        match (g.behavior.translation, forward, pair) {
            (Translation::None, ..) => Some(Fixed { external, inside: external, open: false }),
            (_, Some(f), _) => Some(Fixed { external, inside: f.to, open: true }),
            (Translation::OneToOne, _, Some(p)) => {
                Some(Fixed { external, inside: SocketAddrV4::new(p.inside, external.port()), open: false })
            }
            _ => None,
        }
    }

    fn remember(&mut self, transport: Transport, fixed: Option<Fixed>) {
        let Some(Fixed { external, inside, open }) = fixed else { return };
        let is = |m: &Mapping| m.transport == transport && m.expires.is_none() && m.external == external;
        if !self.mappings.iter().any(is) {
            let (permits, sessions) = Default::default();
            self.mappings.push(Mapping {
                transport,
                inside,
                external,
                towards: None,
                expires: None,
                open,
                permits,
                sessions,
            });
        }
    }
}
