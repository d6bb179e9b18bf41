//! What loss that the scenario asked for excuses: an outcome that packets lost by chance explain well enough is no proof.
//!
//! ICE sends again what is not answered, so loss changes no prediction. But it may lose every transmission of an exchange that
//! everything hangs on. For each way to a better outcome the trace tells which of its exchanges stayed unanswered. That loss
//! alone did this has the chance *fⁿ*, and the sum over those exchanges bounds the chance for the way:
//!
//! - *f* is the chance that a transmission or its answer is lost, from the shares that the scenario states for the links
//!   between. A few dozen packets say little about a share, so what was counted is no measure of it. But *n* transmissions
//!   are not lost where fewer than *n* packets were: then it was not loss.
//! - *n* is how often the tap saw it being sent. An agent that asks a server once loses more than one that asks seven times, and
//!   both are excused by what links do to them, and neither by links that lose nothing. An exchange that was answered was not
//!   lost, and one that never began was not either: they excuse nothing. Of several servers asked for the same thing all must
//!   have been silent.
//! - Of checks the pair that was tried most counts. An agent that says how many it sends on a pair (`checks_per_pair`), has
//!   stopped before, and waits for no permission, has given up by itself: then *n* is what it says.
//! - Lost requests for a relay or a permission may hold an agent's checks back until the other side's are over. Then *n* is how
//!   often the one that was awaited longest was lost, although it was answered in the end.
//! - Over TCP the tap sees messages and no segments, which the kernel sends again by a timer of 1 s that doubles; *n* is how
//!   often that timer sends in the time there was. The handshake of a data channel has the same timer.

mod checks;
mod link;
mod silence;

use std::net::SocketAddr;

use crate::event::{Awaited, Method};
use crate::ice::CandidateType;
use crate::nat::UdpPolicy;
use crate::net::{Transport, is_public};
use crate::plan::{ExpectedOutcome, Trial};
use crate::trace::checks::Via;
use crate::trace::servers::{Reflexive, Unanswered};
use crate::trace::{AgentTrace, Moment, Path, PathClass, Trace};

use super::diagnosis::{knows_its_address, turn_urls};
use super::{Outcome, Reason, UnknownCause};
use checks::Way;
use link::Survival;
use silence::{Silence, times};

/// An outcome that loss explains with a chance of this or more proves nothing about an agent.
pub const NEGLIGIBLE: f64 = 1e-4;
/// Until TCP (RFC 6298 §2) and DTLS (RFC 6347 §4.2.4.1) send again, each time twice as long.
const TIMER_US: u64 = 1_000_000;
/// Requests until a data channel is open, each with its answer: three of DTLS 1.2 (RFC 6347 §4.2.4), two of SCTP's association
/// (RFC 9260 §5.1), one for the channel (RFC 8832 §5).
const CHANNEL_EXCHANGES: f64 = 6.0;

/// Why an outcome other than the accepted ones is inconclusive, where the loss that was asked for may be all there is to it.
pub fn excuse(trial: &Trial, trace: &Trace, outcome: Outcome, accepted: &[ExpectedOutcome]) -> Option<Reason> {
    let case = Case::new(trial, trace);
    let silence = match outcome {
        Outcome::Relayed if accepted.contains(&ExpectedOutcome::Direct) => case.direct(),
        Outcome::NoPath => case.any_path(accepted)?,
        Outcome::Unknown(UnknownCause::HalfOpen) => case.half_open(),
        Outcome::Unknown(UnknownCause::NoData) => case.no_data(),
        Outcome::Direct | Outcome::Relayed | Outcome::Unknown(_) => return None,
    };
    if silence.chance() < NEGLIGIBLE {
        return None;
    }
    let losses = &trace.lab.losses;
    let counted: Vec<String> = losses
        .iter()
        .map(|l| format!("{} {} of {} packets of {}", l.direction, l.dropped, l.dropped + l.passed, l.node))
        .collect();
    let lost = if counted.is_empty() { String::new() } else { format!(" (lost here: {})", counted.join(", ")) };
    let text = format!(
        "links lose packets here{lost}, and a better outcome needs what went unanswered: {}; loss alone does that with a chance \
         of up to {}: nothing is concluded",
        silence.words(),
        percent(silence.chance())
    );
    let cited = losses.iter().map(|l| l.event).chain(silence.events());
    Some(Reason::new(text, [0].into_iter().chain(cited)))
}

struct Case<'a> {
    trial: &'a Trial,
    trace: &'a Trace,
    /// What all links lost, once it was counted.
    dropped: Option<u64>,
}

impl<'a> Case<'a> {
    fn new(trial: &'a Trial, trace: &'a Trace) -> Self {
        let losses = &trace.lab.losses;
        let dropped = losses.iter().map(|l| l.dropped).sum();
        Case { trial, trace, dropped: (!losses.is_empty()).then_some(dropped) }
    }

    /// All `n` transmissions of an exchange lost, each with the chance `once`.
    fn lost(&self, what: String, once: f64, n: u32, events: Vec<u64>) -> Silence {
        self.all_lost(what, &[(once, n)], events)
    }

    /// All exchanges lost of which one would do: each with the chance of one transmission, and their number.
    fn all_lost(&self, what: String, exchanges: &[(f64, u32)], events: Vec<u64>) -> Silence {
        let needed: u64 = exchanges.iter().map(|(_, n)| u64::from(*n)).sum();
        if needed == 0 || self.dropped.is_some_and(|dropped| dropped < needed) {
            return Silence::default();
        }
        let chance = exchanges.iter().map(|(once, n)| once.powf(f64::from(*n))).product();
        Silence::of(what, chance, events)
    }

    /// What a direct path needs: that both know their address, and a check of each.
    fn direct(&self) -> Silence {
        let [a, b] = self.ways();
        let [offerer, answerer] = self.trace.sides();
        let checks = self.checked(link::round_trip(a, link::NOTHING, b), &Way::Direct);
        self.reflexive(offerer).and(self.reflexive(answerer)).and(checks)
    }

    /// The way that loss is least likely to have closed, of those that lead to an accepted outcome: all of them were closed.
    fn any_path(&self, accepted: &[ExpectedOutcome]) -> Option<Silence> {
        let mut ways = Vec::new();
        if accepted.contains(&ExpectedOutcome::Direct) {
            ways.push(self.direct());
        }
        // Where a direct path is right, a relay would have been a path as well.
        if accepted.iter().any(|outcome| *outcome != ExpectedOutcome::NoPath) {
            ways.extend(self.relayed());
        }
        ways.into_iter().min_by(|a, b| a.chance().total_cmp(&b.chance()))
    }

    /// Ways through one relay, which the other side finds when it can send there and its own address is known, and through two.
    fn relayed(&self) -> Vec<Silence> {
        let [mine, theirs] = self.trace.sides().map(|agent| self.relays(agent));
        let [a, b] = self.ways();
        let [offerer, answerer] = self.trace.sides();
        let once = link::round_trip(a, link::relays(self.trial), b);
        let alone = |relays: &[Silence], owner: &AgentTrace, other: &AgentTrace| -> Vec<Silence> {
            let peer = self.trial.peers.get(&other.peer);
            let finds = peer.is_some_and(|peer| peer.behavior.udp == UdpPolicy::Allowed && knows_its_address(peer));
            let checks = || self.checked(once, &Way::Relay { owner });
            let relays = relays.iter().filter(|_| finds);
            relays.map(|relay| relay.clone().and(self.reflexive(other)).and(checks())).collect()
        };
        let mut ways = alone(&mine, offerer, answerer);
        ways.extend(alone(&theirs, answerer, offerer));
        let checks = || self.checked(once, &Way::Relays);
        ways.extend(mine.iter().flat_map(|m| theirs.iter().map(|t| m.clone().and(t.clone()).and(checks()))));
        ways
    }

    /// What a side did not hear of each TURN server; none of one that refused it, was never asked, or is behind a firewall.
    fn relays(&self, agent: &AgentTrace) -> Vec<Silence> {
        let Some(peer) = self.trial.peers.get(&agent.peer) else { return Vec::new() };
        let servers = turn_urls(peer).filter_map(turn_server);
        let passes = |via: &Via| via.transport == Transport::Tcp || peer.behavior.udp == UdpPolicy::Allowed;
        servers.filter(passes).filter_map(|via| self.relay(agent, via)).collect()
    }

    fn relay(&self, agent: &AgentTrace, via: Via) -> Option<Silence> {
        let name = &agent.peer;
        let once = self.asking(agent, via.server);
        let mut tries = agent.servers.allocations.iter().filter(|a| a.via == via).peekable();
        if tries.peek().is_none() {
            if via.transport == Transport::Udp {
                return None;
            }
            // TCP's own handshake is not seen.
            let n = self.by_timer(agent, self.trace.offered?.t_us)?;
            let what = format!("{name} had no connection to {} ({})", via.server, times(n));
            return Some(self.lost(what, once, n, agent.gathering_ended.map(|at| at.event).into_iter().collect()));
        }
        if tries.any(|a| a.relayed.is_some()) {
            return Some(Silence::default()); // permissions: `held_back`
        }
        let open = agent.servers.unanswered().into_iter().filter(|r| r.via == via && r.method == Method::Allocate);
        open.map(|request| self.asked(agent, request, "a relay")).reduce(Silence::and)
    }

    /// Its own address, where it has to ask for it and nobody told it in time: all requests lost, to whichever server.
    fn reflexive(&self, agent: &AgentTrace) -> Silence {
        let public = self.trial.peers.get(&agent.peer).is_some_and(|peer| is_public(peer.address));
        let asked = &agent.servers.reflexive;
        let announced = agent.local.iter().filter(|seen| seen.candidate.kind == CandidateType::ServerReflexive);
        let mut told = asked.iter().filter_map(|a| a.mapped).map(|(_, at)| at).chain(announced.map(|seen| seen.at));
        if public || told.any(|at| self.in_time(at)) {
            return Silence::default();
        }
        let open: Vec<&Reflexive> =
            asked.iter().filter(|a| a.errors.is_empty() && a.transport == Transport::Udp).collect();
        // The one that was answered too late was not lost.
        let lost = |asked: &Reflexive| asked.requests.saturating_sub(u32::from(asked.mapped.is_some()));
        let exchanges: Vec<_> = open.iter().map(|a| (self.asking(agent, a.server), lost(a))).collect();
        let servers: Vec<String> = open.iter().map(|a| format!("{} ({})", a.server, times(a.requests))).collect();
        let what = format!("{} asked {} for its address", agent.peer, servers.join(" and "));
        let events = open.iter().flat_map(|a| [a.first_sent.event, a.last_sent.event]);
        self.all_lost(what, &exchanges, events.collect())
    }

    /// A request to a TURN server that was not answered.
    fn asked(&self, agent: &AgentTrace, request: &Unanswered, wanted: &str) -> Silence {
        let n = match request.via.transport {
            Transport::Udp => request.transmissions,
            Transport::Tcp => self.by_timer(agent, request.first_sent.t_us).unwrap_or(0),
        };
        self.asked_in_vain(agent, request, wanted, n)
    }

    /// So many transmissions of it lost.
    fn asked_in_vain(&self, agent: &AgentTrace, request: &Unanswered, wanted: &str, n: u32) -> Silence {
        let server = request.via.server;
        let what = format!("{} asked {server} for {wanted} ({})", agent.peer, times(n));
        let events = vec![request.first_sent.event, request.last_sent.event];
        self.lost(what, self.asking(agent, server), n, events)
    }

    /// When the outcome was settled: both sides connected, or the trial given up.
    fn decided(&self) -> Moment {
        let last = Moment { event: self.trace.events, t_us: self.trace.last_us };
        self.trace.both_connected().or(self.trace.given_up()).unwrap_or(last)
    }

    fn in_time(&self, at: Moment) -> bool {
        at.event < self.decided().event
    }

    /// The side that is not connected lacks the answer to a check, on whichever path, or the other one was held back.
    fn half_open(&self) -> Silence {
        let [a, b] = self.ways();
        let once = link::round_trip(a, link::relays(self.trial), b);
        let lacks = self.trace.sides().map(|agent| match self.trace.was_connected(agent) {
            Some(_) => self.held_back(agent),
            None => self.checks(agent, once, &Way::Any).and(self.held_back(agent)),
        });
        lacks.into_iter().fold(Silence::default(), Silence::and)
    }

    /// Every message to a side that heard none, or a handshake of the data channel.
    fn no_data(&self) -> Silence {
        let [a, b] = self.ways();
        let between = match self.trace.path() {
            Path::Known { class: PathClass::Direct, .. } => link::NOTHING,
            _ => link::relays(self.trial),
        };
        if let Some(missed) = self.trace.lab.missed(Awaited::Channel) {
            let n = timer(missed.limit_ms.saturating_mul(1000));
            let one = self.lost(
                format!("the data channel ({})", times(n)),
                link::round_trip(a, between, b),
                n,
                vec![missed.at.event],
            );
            return one.times(CHANNEL_EXCHANGES);
        }
        let [offerer, answerer] = self.trace.sides();
        let mut sum = Silence::default();
        for (agent, from, to) in [(offerer, a, b), (answerer, b, a)] {
            if self.trace.heard_of(agent).is_none() {
                let n = u32::try_from(agent.data_sent.len()).unwrap_or(u32::MAX);
                let sent = agent.data_sent.iter().map(|message| message.at.event);
                let what = format!("the messages of {} ({})", agent.peer, times(n));
                sum = sum.and(self.lost(what, link::one_way(from, between, to), n, sent.collect()));
            }
        }
        sum
    }

    fn ways(&self) -> [Survival; 2] {
        self.trial.sides().map(|peer| link::peer(self.trial, peer))
    }

    /// The chance that a request of this side to a server, or the answer, is lost.
    fn asking(&self, agent: &AgentTrace, server: SocketAddr) -> f64 {
        link::round_trip(link::peer(self.trial, &agent.peer), link::NOTHING, link::server(self.trial, server))
    }

    /// How often the kernel has sent a segment since then, until gathering or the trial ended.
    fn by_timer(&self, agent: &AgentTrace, since_us: u64) -> Option<u32> {
        let ends = agent.gathering_ended.into_iter().chain([self.decided()]).map(|at| at.t_us);
        Some(timer(ends.filter(|end| *end >= since_us).min()? - since_us))
    }
}

/// Transmissions of that timer: at 0, 1, 3, 7, … seconds.
fn timer(elapsed_us: u64) -> u32 {
    (elapsed_us / TIMER_US).saturating_add(1).ilog2() + 1
}

/// The server of a URL: the plan names servers by address and transport.
fn turn_server(url: &str) -> Option<Via> {
    let (server, transport) = url.strip_prefix("turn:")?.split_once("?transport=")?;
    let transport = [Transport::Udp, Transport::Tcp].into_iter().find(|t| t.to_string() == transport)?;
    Some(Via { server: server.parse().ok()?, transport })
}

fn percent(chance: f64) -> String {
    if chance < 0.001 { format!("{:.3} %", chance * 100.0) } else { format!("{:.1} %", chance * 100.0) }
}
