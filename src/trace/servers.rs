//! What one side asked of STUN and TURN servers, and what they answered, as its tap saw it.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::Moment;
use super::checks::Via;
use crate::event::{Class, Direction, Method, Packet};
use crate::net::Transport;

/// A Binding exchange with a server: how a reflexive address is learned (RFC 8445 §5.1.1.2).
#[derive(Clone, Debug)]
pub struct Reflexive {
    /// The own transport address.
    pub local: SocketAddr,
    /// The server asked.
    pub server: SocketAddr,
    /// Transport.
    pub transport: Transport,
    /// Requests sent, retransmissions included.
    pub requests: u32,
    /// First request.
    pub first_sent: Moment,
    /// Last request.
    pub last_sent: Moment,
    /// The own address as the server saw it, with the first answer.
    pub mapped: Option<(SocketAddr, Moment)>,
    /// Error answers.
    pub errors: Vec<(u16, Moment)>,
}

/// What became of an attempt to allocate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllocationState {
    /// There is a relayed transport address.
    Allocated,
    /// The last answer was this error.
    Refused(u16),
    /// No answer ever came.
    Unanswered,
}

/// Everything between one client endpoint and one TURN server (RFC 8656).
#[derive(Clone, Debug)]
pub struct Allocation {
    /// The client's end.
    pub client: SocketAddr,
    /// The server, and the transport to it.
    pub via: Via,
    /// Allocate requests sent, retransmissions included.
    pub requests: u32,
    /// First Allocate request.
    pub first_sent: Option<Moment>,
    /// Last Allocate request.
    pub last_sent: Option<Moment>,
    /// Error answers to Allocate; one 401 is the ordinary challenge.
    pub errors: Vec<(u16, Moment)>,
    /// The relayed transport address.
    pub relayed: Option<(SocketAddr, Moment)>,
    /// The client's address as the server saw it.
    pub mapped: Option<SocketAddr>,
    /// Peers it asked permission for, or a channel to, each once per method.
    pub permissions: Vec<Permission>,
}

/// A permission (RFC 8656 §9) or a channel, which includes one (§12).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The peer. The permission is for its address; a channel is for the port as well.
    pub peer: SocketAddr,
    /// A channel was asked for.
    pub channel: bool,
    /// First asked.
    pub asked: Moment,
    /// When it was granted first.
    pub granted: Option<Moment>,
    /// The last error answer.
    pub refused: Option<(u16, Moment)>,
}

impl Allocation {
    /// What became of it.
    pub fn state(&self) -> AllocationState {
        match (self.relayed, self.errors.last()) {
            (Some(_), _) => AllocationState::Allocated,
            (None, Some((code, _))) => AllocationState::Refused(*code),
            (None, None) => AllocationState::Unanswered,
        }
    }
}

/// A request that no answer has come for, with its retransmissions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// What was asked.
    pub method: Method,
    /// The own end.
    pub local: SocketAddr,
    /// The server, and the transport to it.
    pub via: Via,
    /// How often it was sent, by its transaction id.
    pub transmissions: u32,
    /// First transmission.
    pub first_sent: Moment,
    /// Last transmission.
    pub last_sent: Moment,
    /// Peers it was about.
    peers: Vec<SocketAddr>,
}

/// What one side asked of servers.
#[derive(Clone, Debug, Default)]
pub struct Servers {
    /// Binding exchanges, in the order in which they began.
    pub reflexive: Vec<Reflexive>,
    /// Allocations and attempts, in the order in which they began.
    pub allocations: Vec<Allocation>,
    reflexive_index: BTreeMap<(SocketAddr, Via), usize>,
    allocation_index: BTreeMap<(SocketAddr, Via), usize>,
    relayed: BTreeMap<SocketAddr, usize>,
    /// Requests that were answered only after they had been sent again, in the order of the answers.
    pub late: Vec<Unanswered>,
    /// Requests without an answer, by transaction id.
    open: BTreeMap<String, Unanswered>,
}

impl Servers {
    /// Whether an endpoint is the relayed transport address of an allocation.
    pub fn relayed(&self, endpoint: SocketAddr) -> bool {
        self.relayed.contains_key(&endpoint)
    }

    /// The allocation of a client endpoint.
    pub fn allocation(&self, client: SocketAddr, via: Via) -> Option<&Allocation> {
        self.allocation_index.get(&(client, via)).and_then(|i| self.allocations.get(*i))
    }

    /// Whether a permission or a channel was asked for, and no answer has come yet. A client may keep checks back for it.
    pub fn is_waiting(&self) -> bool {
        self.open.values().any(|request| matches!(request.method, Method::CreatePermission | Method::ChannelBind))
    }

    /// Requests that no answer has come for, in the order in which they were sent first: Binding, Allocate, CreatePermission
    /// and ChannelBind.
    pub fn unanswered(&self) -> Vec<&Unanswered> {
        let mut open: Vec<_> = self.open.values().collect();
        open.sort_by_key(|request| request.first_sent);
        open
    }

    pub(super) fn packet(&mut self, packet: &Packet, at: Moment) {
        let (own, server) = match packet.direction {
            Direction::Out => (packet.from, packet.to),
            Direction::In => (packet.to, packet.from),
        };
        let way = (own, Via { server, transport: packet.transport });
        let answered = self.exchange(way, packet, at);
        match (packet.method, packet.direction, packet.class) {
            (Method::Binding, Direction::Out, Class::Request) => self.binding_asked(way, at),
            (Method::Binding, Direction::In, Class::Success | Class::Error) => self.binding_answered(way, packet, at),
            (Method::Allocate, Direction::Out, Class::Request) => {
                let allocation = self.allocation_mut(way).1;
                allocation.requests = allocation.requests.saturating_add(1);
                allocation.first_sent.get_or_insert(at);
                allocation.last_sent = Some(at);
            }
            (Method::Allocate, Direction::In, Class::Success) => {
                let (index, allocation) = self.allocation_mut(way);
                if let Some(relayed) = packet.relayed {
                    allocation.relayed.get_or_insert((relayed, at));
                    allocation.mapped = packet.mapped.or(allocation.mapped);
                    self.relayed.insert(relayed, index);
                }
            }
            (Method::Allocate, Direction::In, Class::Error) => {
                self.allocation_mut(way).1.errors.push((packet.error.unwrap_or(0), at));
            }
            (Method::CreatePermission | Method::ChannelBind, Direction::Out, Class::Request) => {
                self.permission_asked(way, packet, at);
            }
            (Method::CreatePermission | Method::ChannelBind, Direction::In, Class::Success | Class::Error) => {
                if let Some(request) = answered {
                    self.permission_answered(&request, packet, at);
                }
            }
            _ => {}
        }
    }

    /// Notes a request, or gives the one that an answer belongs to.
    fn exchange(&mut self, way: (SocketAddr, Via), packet: &Packet, at: Moment) -> Option<Unanswered> {
        let asks = matches!(
            packet.method,
            Method::Binding | Method::Allocate | Method::CreatePermission | Method::ChannelBind
        );
        match (packet.direction, packet.class) {
            (Direction::In, Class::Success | Class::Error) => {
                let request = self.open.remove(&packet.transaction)?;
                self.late.extend((request.transmissions > 1).then(|| request.clone()));
                Some(request)
            }
            (Direction::Out, Class::Request) if asks => {
                let request = self.open.entry(packet.transaction.clone()).or_insert_with(|| Unanswered {
                    method: packet.method,
                    local: way.0,
                    via: way.1,
                    transmissions: 0,
                    first_sent: at,
                    last_sent: at,
                    peers: packet.peers.clone(),
                });
                request.transmissions = request.transmissions.saturating_add(1);
                request.last_sent = at;
                None
            }
            _ => None,
        }
    }

    fn binding_asked(&mut self, way: (SocketAddr, Via), at: Moment) {
        let index = *self.reflexive_index.entry(way).or_insert(self.reflexive.len());
        match self.reflexive.get_mut(index) {
            Some(reflexive) => {
                reflexive.requests = reflexive.requests.saturating_add(1);
                reflexive.last_sent = at;
            }
            None => self.reflexive.push(Reflexive {
                local: way.0,
                server: way.1.server,
                transport: way.1.transport,
                requests: 1,
                first_sent: at,
                last_sent: at,
                mapped: None,
                errors: Vec::new(),
            }),
        }
    }

    fn binding_answered(&mut self, way: (SocketAddr, Via), packet: &Packet, at: Moment) {
        let index = self.reflexive_index.get(&way).copied();
        let Some(reflexive) = index.and_then(|i| self.reflexive.get_mut(i)) else { return };
        match (packet.class, packet.mapped) {
            (Class::Success, Some(mapped)) => {
                reflexive.mapped.get_or_insert((mapped, at));
            }
            (Class::Success, None) => {}
            _ => reflexive.errors.push((packet.error.unwrap_or(0), at)),
        }
    }

    fn permission_asked(&mut self, way: (SocketAddr, Via), packet: &Packet, at: Moment) {
        let channel = packet.method == Method::ChannelBind;
        let allocation = self.allocation_mut(way).1;
        for peer in &packet.peers {
            if !allocation.permissions.iter().any(|p| p.peer == *peer && p.channel == channel) {
                let asked = Permission { peer: *peer, channel, asked: at, granted: None, refused: None };
                allocation.permissions.push(asked);
            }
        }
    }

    fn permission_answered(&mut self, request: &Unanswered, packet: &Packet, at: Moment) {
        let way = (request.local, request.via);
        let channel = request.method == Method::ChannelBind;
        for permission in &mut self.allocation_mut(way).1.permissions {
            if permission.channel == channel && request.peers.contains(&permission.peer) {
                if packet.class == Class::Success {
                    permission.granted.get_or_insert(at);
                } else {
                    permission.refused = Some((packet.error.unwrap_or(0), at));
                }
            }
        }
    }

    fn allocation_mut(&mut self, way: (SocketAddr, Via)) -> (usize, &mut Allocation) {
        let index = *self.allocation_index.entry(way).or_insert_with(|| {
            self.allocations.push(Allocation {
                client: way.0,
                via: way.1,
                requests: 0,
                first_sent: None,
                last_sent: None,
                errors: Vec::new(),
                relayed: None,
                mapped: None,
                permissions: Vec::new(),
            });
            self.allocations.len() - 1
        });
        (index, &mut self.allocations[index])
    }
}
