//! Packet by packet: two agents that check candidate pairs as RFC 8445 says, behind gateways that are the reference translator,
//! which is held against the kernel. Slow and literal on purpose; the closed form has to agree with it.
//!
//! Nothing is taken from the closed form: who reaches whom follows from addresses, tables and routes alone.

mod agent;
mod gateway;
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::closed_form::Situation;
use crate::ice::{CandidatePolicy, CandidateType, OfferRole};
use crate::nat::{Behavior, UdpPolicy};
use crate::net::Transport;
use crate::scenario::ExpectedOutcome;

use agent::{Agent, Base};
use gateway::{Gateway, Place};

type Endpoint = SocketAddrV4;
/// Where a packet is: on the Internet or inside the gateway of this place.
type Realm = Option<usize>;

const STUN: Endpoint = SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, 1), 3478);
const TURN_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 2);
const AGENT_PORT: u16 = 5000;
/// Half a second each; long enough for seven transmissions that double their distance, from the latest start on.
const TICKS: usize = 90;
const TICK: Duration = Duration::from_millis(500);

/// A check or its answer.
#[derive(Clone, Copy, Debug)]
struct Packet {
    from: Endpoint,
    to: Endpoint,
    what: Message,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    Request {
        transaction: usize,
    },
    /// With the source that the request was seen to have.
    Response {
        transaction: usize,
        mapped: Endpoint,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Result {
    pub outcome: ExpectedOutcome,
    /// Types of the offerer's and the answerer's end of the best pair, where there is one.
    pub types: Option<[CandidateType; 2]>,
}

/// In which order things happen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timing {
    /// Moves first whenever both move.
    pub first: OfferRole,
    /// Ticks that the answerer starts after the offerer; negative: before.
    pub skew: i32,
}

impl Timing {
    /// Both orders, each with starts up to two seconds apart.
    pub(super) fn all() -> impl Iterator<Item = Timing> {
        let orders = [OfferRole::Offerer, OfferRole::Answerer];
        orders.into_iter().flat_map(|first| [-4, -1, 0, 1, 4].map(|skew| Timing { first, skew }))
    }

    /// The two that differ most: either side is heard before it has sent anything.
    pub(super) fn extremes() -> impl Iterator<Item = Timing> {
        [-4, 4].into_iter().map(|skew| Timing { first: OfferRole::Offerer, skew })
    }
}

/// Which address of a pool each new mapping gets, where pooling is arbitrary.
#[derive(Clone, Copy, Debug)]
pub(super) enum Draw {
    /// One after the other, from this one on.
    InTurn(u32),
    /// By lot, from this seed.
    ByLot(u32),
}

impl Draw {
    /// The first ones of both kinds.
    pub(super) fn some() -> impl Iterator<Item = Draw> {
        (0..2).map(Draw::InTurn).chain((1..4).map(Draw::ByLot))
    }

    fn place(self, number: u32) -> u32 {
        match self {
            Draw::InTurn(first) => first + number,
            // The high bits of a multiplicative hash are as good as any lot.
            Draw::ByLot(seed) => ((number + 1).wrapping_mul(0x9e37_79b9) ^ seed.wrapping_mul(0x85eb_ca6b)) >> 7,
        }
    }
}

/// Runs one trial.
pub(super) fn simulate(situation: &Situation, timing: Timing) -> Result {
    simulate_with(situation, timing, Draw::InTurn(0))
}

/// Runs one trial in which pools are drawn from like this.
pub(super) fn simulate_with(situation: &Situation, timing: Timing, draw: Draw) -> Result {
    let mut world = World::of(situation, draw);
    world.run(timing);
    world.result()
}

struct World {
    gateways: Vec<Gateway>,
    hosts: [(Realm, Ipv4Addr); 2],
    agents: [Agent; 2],
    /// By agent: addresses that its relay lets in.
    permissions: [BTreeSet<Ipv4Addr>; 2],
    queue: VecDeque<(usize, Base, Packet)>,
    now: Duration,
}

impl World {
    fn of(situation: &Situation, draw: Draw) -> World {
        let mut places: Vec<Place> = Vec::new();
        let mut add = |behavior: Behavior, outside: Realm, isolated: bool| {
            places.push(Place { behavior, outside, isolated, number: places.len() as u8 });
            Some(places.len() - 1)
        };
        let sides = [&situation.offerer, &situation.answerer];
        let common = situation.shared.map_or(0, |s| s.gateways);
        let innermost =
            situation.offerer.gateways.iter().rev().take(common).enumerate().fold(None, |outside, (i, b)| {
                let isolated = i + 1 == common && situation.shared.is_some_and(|s| s.isolated);
                add(*b, outside, isolated)
            });
        let realms =
            sides.map(|s| s.gateways.iter().rev().skip(common).fold(innermost, |outside, b| add(*b, outside, false)));
        let hosts = [(realms[0], Ipv4Addr::new(10, 0, 0, 10)), (realms[1], Ipv4Addr::new(10, 0, 0, 11))];
        let gateways = (0..places.len()).map(|g| Gateway::new(places[g], &sources(&places, &hosts, Some(g)), draw));
        let gateways = gateways.collect();
        let agents = [Agent::new(), Agent::new()];
        let permissions = [BTreeSet::new(), BTreeSet::new()];
        let mut world = World { gateways, hosts, agents, permissions, queue: VecDeque::new(), now: Duration::ZERO };
        for (i, side) in sides.into_iter().enumerate() {
            use CandidatePolicy as P;
            let own = Endpoint::new(hosts[i].1, AGENT_PORT);
            let blocked = side.gateways.iter().any(|g| g.udp == UdpPolicy::Blocked);
            let turn = !side.wrong_credentials && side.turn.iter().any(|t| *t == Transport::Tcp || !blocked);
            let asks = side.stun || !side.wrong_credentials && side.turn.contains(&Transport::Udp);
            let reflexive = if asks { world.ask_stun(i, own) } else { None };
            let agent = &mut world.agents[i];
            agent.listen(own);
            if matches!(side.policy, P::All | P::Host) {
                agent.gather(CandidateType::Host, own, Base::Host);
            }
            if let (Some(reflexive), P::All | P::Srflx) = (reflexive, side.policy) {
                agent.gather(CandidateType::ServerReflexive, reflexive, Base::Host);
            }
            if let (true, P::All | P::Relay) = (turn, side.policy) {
                agent.gather(CandidateType::Relayed, Endpoint::new(TURN_ADDRESS, 50_000 + i as u16), Base::Relay);
            }
        }
        for i in [0, 1] {
            let remote = world.agents[1 - i].announced();
            world.agents[i].pair_up(&remote);
        }
        world
    }

    /// The source that a packet to the STUN server arrives with.
    fn ask_stun(&mut self, i: usize, own: Endpoint) -> Option<Endpoint> {
        let mut packet = Packet { from: own, to: STUN, what: Message::Request { transaction: usize::MAX } };
        let mut realm = self.hosts[i].0;
        while let Some(g) = realm {
            packet = self.gateways[g].outwards(packet, self.now)?.0;
            realm = self.gateways[g].place.outside;
        }
        Some(packet.from)
    }

    fn run(&mut self, timing: Timing) {
        let starts = [timing.skew.min(0).unsigned_abs() as usize, timing.skew.max(0) as usize];
        // A negative skew lets the offerer wait.
        let order = match timing.first {
            OfferRole::Offerer => [0, 1],
            OfferRole::Answerer => [1, 0],
        };
        for tick in 0..TICKS {
            self.now = TICK * tick as u32;
            for i in order {
                if tick >= starts[i] {
                    for (base, packet) in self.agents[i].due(tick) {
                        self.queue.push_back((i, base, packet));
                    }
                }
                self.settle(tick);
            }
            if tick >= starts[0].max(starts[1]) && self.agents.iter().all(Agent::is_done) {
                return;
            }
        }
    }

    /// Carries packets until none is left.
    fn settle(&mut self, tick: usize) {
        while let Some((i, base, packet)) = self.queue.pop_front() {
            let Some((to, at, packet)) = self.carry(i, base, packet) else { continue };
            for (base, answer) in self.agents[to].receive(at, packet, tick) {
                self.queue.push_back((to, base, answer));
            }
        }
    }

    /// From an agent's socket or relay to another one's, if it gets there.
    fn carry(&mut self, i: usize, base: Base, packet: Packet) -> Option<(usize, Base, Packet)> {
        match base {
            Base::Host => self.route(packet, self.hosts[i].0, true),
            Base::Relay => {
                self.permissions[i].insert(*packet.to.ip());
                self.route(packet, None, false)
            }
        }
    }

    /// Follows addresses. `from_neighbour`: the packet comes from a node of this network, not from its gateway.
    fn route(
        &mut self,
        mut packet: Packet,
        mut realm: Realm,
        mut from_neighbour: bool,
    ) -> Option<(usize, Base, Packet)> {
        loop {
            let to = *packet.to.ip();
            let cut_off = from_neighbour && realm.is_some_and(|g| self.gateways[g].place.isolated);
            if let Some(i) = (0..2).find(|i| self.hosts[*i] == (realm, to)) {
                return (!cut_off).then_some((i, Base::Host, packet));
            }
            if let Some(inner) = self.gateway_towards(realm, to) {
                let gateway = &mut self.gateways[inner];
                if gateway.translates() && cut_off {
                    return None;
                }
                packet = gateway.inwards(packet, self.now)?;
                (realm, from_neighbour) = (Some(inner), false);
                continue;
            }
            let Some(g) = realm else { return self.at_relay(packet) };
            let gateway = &mut self.gateways[g];
            let turned;
            (packet, turned) = gateway.outwards(packet, self.now)?;
            (realm, from_neighbour) = if turned { (realm, false) } else { (gateway.place.outside, true) };
        }
    }

    /// The gateway of a network that packets to this address enter: its own address if it translates, addresses
    /// inside it if it does not.
    fn gateway_towards(&self, realm: Realm, address: Ipv4Addr) -> Option<usize> {
        (0..self.gateways.len()).filter(|g| self.gateways[*g].place.outside == realm).find(|g| {
            if self.gateways[*g].translates() {
                return self.gateways[*g].owns(address);
            }
            let host_inside = self.hosts.contains(&(Some(*g), address));
            host_inside || self.gateway_towards(Some(*g), address).is_some()
        })
    }

    fn at_relay(&self, packet: Packet) -> Option<(usize, Base, Packet)> {
        let i = (0..2).find(|i| self.agents[*i].relay() == Some(packet.to))?;
        self.permissions[i].contains(packet.from.ip()).then_some((i, Base::Relay, packet))
    }

    /// The best pair that works both ways, by RFC 8445 §6.1.2.3 with the offerer controlling.
    fn result(mut self) -> Result {
        let mut best: Option<(u64, bool, [CandidateType; 2])> = None;
        for pair in self.agents[0].succeeded() {
            let probe = Packet { from: pair.from, to: pair.remote, what: Message::Request { transaction: usize::MAX } };
            let Some((_, at, seen)) = self.carry(0, pair.base, probe) else { continue };
            let Some(back) = self.agents[1].succeeded().into_iter().find(|p| p.base == at && p.remote == seen.from)
            else {
                continue;
            };
            let direct = pair.base == Base::Host && at == Base::Host;
            let [g, d] = [pair.kind, back.kind].map(preference);
            let priority = (g.min(d) << 32) + 2 * g.max(d) + u64::from(g > d);
            if best.is_none_or(|(p, was_direct, _)| (direct, priority) > (was_direct, p)) {
                best = Some((priority, direct, [pair.kind, back.kind]));
            }
        }
        let outcome = match best {
            Some((_, true, _)) => ExpectedOutcome::Direct,
            Some((_, false, _)) => ExpectedOutcome::Relayed,
            None => ExpectedOutcome::NoPath,
        };
        Result { outcome, types: best.map(|(.., types)| types) }
    }
}

/// RFC 8445 §5.1.2.2.
fn preference(kind: CandidateType) -> u64 {
    match kind {
        CandidateType::Host => 126,
        CandidateType::PeerReflexive => 110,
        CandidateType::ServerReflexive => 100,
        CandidateType::Relayed => 0,
    }
}

/// Addresses that packets from a network bear as their source.
fn sources(places: &[Place], hosts: &[(Realm, Ipv4Addr)], realm: Realm) -> Vec<Ipv4Addr> {
    let own = hosts.iter().filter(|(r, _)| *r == realm).map(|(_, address)| *address);
    let inner = (0..places.len()).filter(|g| places[*g].outside == realm).flat_map(|g| {
        let inside = sources(places, hosts, Some(g));
        if places[g].behavior.translation.translates() { places[g].external(&inside) } else { inside }
    });
    own.chain(inner).collect()
}
