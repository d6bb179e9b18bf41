//! Checks that stayed unanswered, way by way, and what kept them back.

use super::Case;
use super::silence::{Silence, times};
use crate::event::Method;
use crate::trace::servers::Unanswered;
use crate::trace::{AgentTrace, PairTrace};

/// An agent that says how many checks it sends sends them in less time than this between two.
const QUIET_US: u64 = 1_000_000;
/// With lab timers the checks of a pair are over after so long (51 of them, 20 ms apart); with others later.
const HELD_US: u64 = 1_000_000;

/// Which pairs lead there.
pub(super) enum Way<'a> {
    /// Those without a relay.
    Direct,
    /// The relay of one side, and the other side's pairs to it.
    Relay {
        /// Whose relay.
        owner: &'a AgentTrace,
    },
    /// From relay to relay.
    Relays,
    /// All of them.
    Any,
}

impl Case<'_> {
    /// A check of each side on this way, and what keeps it back.
    pub(super) fn checked(&self, once: f64, way: &Way<'_>) -> Silence {
        let checks = self.trace.sides().map(|agent| self.checks(agent, once, way).and(self.held_back(agent)));
        checks.into_iter().fold(Silence::default(), Silence::and)
    }

    /// Of the pairs on a way, nominated ones if there are some, the one that was tried most, where none was answered in time.
    pub(super) fn checks(&self, agent: &AgentTrace, once: f64, way: &Way<'_>) -> Silence {
        let mut pairs: Vec<_> = agent.checks.pairs().iter().filter(|pair| self.is_on(way, agent, pair)).collect();
        // Once a pair is nominated no other one will do.
        let named = |pair: &PairTrace| pair.use_candidate_sent.or(pair.use_candidate_received).is_some();
        if pairs.iter().any(|pair| named(pair)) {
            pairs.retain(|pair| named(pair));
        }
        pairs.retain(|pair| pair.first_sent.is_some());
        if pairs.iter().any(|pair| pair.first_success.is_some_and(|at| self.in_time(at))) {
            return Silence::default();
        }
        let Some(pair) = pairs.iter().max_by_key(|pair| pair.transmissions()) else { return Silence::default() };
        let sent = pair.transmissions().saturating_sub(pair.responses_received);
        let n = if self.stopped(agent, pair) { sent.max(said(agent).unwrap_or(0)) } else { sent };
        let what = format!("{} checked {} ({})", agent.peer, pair.key.remote, times(n));
        let events = pair.first_sent.into_iter().chain(pair.last_sent).map(|at| at.event);
        self.lost(what, once, n, events.collect())
    }

    fn is_on(&self, way: &Way<'_>, agent: &AgentTrace, pair: &PairTrace) -> bool {
        let ends = (pair.key.relay.is_some(), self.trace.is_relay(pair.key.remote));
        match way {
            Way::Direct => ends == (false, false),
            Way::Relay { owner } if owner.peer == agent.peer => ends == (true, false),
            Way::Relay { .. } => ends == (false, true),
            Way::Relays => ends == (true, true),
            Way::Any => true,
        }
    }

    /// It sent no more although nothing kept it from sending: it gave the pair up by itself.
    fn stopped(&self, agent: &AgentTrace, pair: &PairTrace) -> bool {
        let quiet = pair.last_sent.is_some_and(|last| self.decided().t_us.saturating_sub(last.t_us) >= QUIET_US);
        quiet && self.waits(agent).next().is_none()
    }

    /// Requests for permissions and channels without an answer when the outcome was settled.
    fn waits<'b>(&self, agent: &'b AgentTrace) -> impl Iterator<Item = &'b Unanswered> {
        let decided = self.decided().event;
        let permission = |r: &&Unanswered| matches!(r.method, Method::CreatePermission | Method::ChannelBind);
        agent.servers.unanswered().into_iter().filter(permission).filter(move |r| r.first_sent.event < decided)
    }

    /// An agent may keep every check back, and every answer to one, until its permissions and channels are there; some do. What
    /// it still waits for, and the longest wait where all waits were so long that the other side's checks were over by then.
    pub(super) fn held_back(&self, agent: &AgentTrace) -> Silence {
        let waits = self
            .waits(agent)
            .fold(Silence::default(), |sum, request| sum.and(self.asked(agent, request, wanted(request))));
        let waited = |request: &Unanswered| request.last_sent.t_us.saturating_sub(request.first_sent.t_us);
        let late = agent.servers.late.iter().filter(|r| r.method != Method::Binding && self.in_time(r.first_sent));
        let late: Vec<&Unanswered> = late.collect();
        let held_us: u64 = late.iter().map(|request| waited(request)).sum();
        match late.iter().max_by_key(|request| waited(request)) {
            Some(longest) if held_us >= HELD_US => {
                waits.and(self.asked_in_vain(agent, longest, wanted(longest), longest.transmissions - 1))
            }
            _ => waits,
        }
    }
}

fn wanted(request: &Unanswered) -> &'static str {
    if request.method == Method::Allocate { "a relay" } else { "a permission" }
}

/// After how many checks it gives a pair up, in its own words.
fn said(agent: &AgentTrace) -> Option<u32> {
    agent.configured.as_ref()?.checks_per_pair
}
