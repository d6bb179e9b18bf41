//! Why there is no path, or not the expected one: causes with their remedies.
//!
//! A cause is named only on evidence: the plan says what was given, the trace says what was seen. Where nothing fits, that is
//! said, with what is known.

mod agents;
mod exchange;
mod paths;
mod servers;

use serde::{Deserialize, Serialize};

use crate::ice::CandidatePolicy;
use crate::net::is_public;
use crate::plan::{ExpectedOutcome, Peer, Trial};
use crate::trace::{AgentTrace, Trace};

use super::compare::Shortcoming;
use super::{Outcome, UnknownCause};

/// A cause, as a name for programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// No direct path is possible, and no side was given a TURN server.
    NoTurn,
    /// The candidate policy leaves out what a path would need.
    CandidatePolicy,
    /// UDP is blocked in front of a peer that has no TURN server over TCP or TLS.
    UdpBlocked,
    /// A side has neither STUN nor TURN, so its public address is unknown.
    NoStun,
    /// The relay's permission is for a private address, since the other side has no STUN server.
    PermissionForPrivateAddress,
    /// A TURN server refused to allocate.
    TurnRefused,
    /// A TURN server did not answer.
    TurnUnreachable,
    /// An agent was given a TURN server and did not use it.
    TurnUnused,
    /// A TURN server refused every permission.
    PermissionRefused,
    /// A STUN server did not answer.
    StunUnanswered,
    /// Candidates came after the description was sent, and never reached the other side.
    GatheringCutShort,
    /// The outcome depends on who offers.
    OfferDirection,
    /// Both sides think they control, or both that they do not, and neither repairs it.
    RoleConflict,
    /// One side's checks were used up before the other side began.
    LateAnswer,
    /// A side could have sent checks and sent none.
    NoChecks,
    /// Checks left, and none arrived.
    ChecksLost,
    /// One side is connected, the other one is not.
    HalfOpen,
    /// Connected, but data does not arrive.
    NoData,
    /// Relayed although a direct path is right.
    Suboptimal,
    /// Connected later than the scenario allows.
    TooSlow,
    /// The sides report different paths.
    Disagreement,
    /// An agent's process could not be started.
    AgentNotStarted,
    /// An agent's process ended by itself.
    AgentCrashed,
    /// An agent did not answer in time.
    AgentHung,
    /// An agent printed too much.
    AgentFlooded,
    /// An agent prints lines that are not the protocol, or breaks it.
    AgentGarbage,
    /// An agent reported that it cannot go on, or refused a vital command.
    AgentError,
    /// An agent cannot do what the scenario needs.
    MissingCapability,
    /// A gateway does not behave as declared.
    NatNotAsDeclared,
    /// A gateway could not be probed to the end.
    NatNotMeasured,
    /// The lab or one of its servers failed.
    LabFailed,
    /// Links lost packets as they were told to, and an exchange with them.
    LinkLoss,
}

/// A cause and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Its name.
    pub cause: Cause,
    /// The peer it is about, where it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<String>,
    /// What is the matter, as a sentence without a full stop.
    pub text: String,
    /// What to do about it, as a sentence without a full stop.
    pub remedy: String,
    /// Events that show it.
    pub events: Vec<u64>,
}

/// Everything there is to explain; nothing where data flows as expected.
pub fn diagnose(trial: &Trial, trace: &Trace, outcome: Outcome, shortcomings: &[Shortcoming]) -> Vec<Diagnosis> {
    let mut case = Case { trial, trace, outcome, found: Vec::new() };
    match outcome {
        Outcome::Direct | Outcome::Relayed => {
            for shortcoming in shortcomings {
                paths::short(&mut case, *shortcoming);
            }
            if outcome == Outcome::Relayed && !shortcomings.is_empty() {
                exchange::gathering_cut_short(&mut case);
                servers::stun(&mut case);
            }
        }
        Outcome::NoPath | Outcome::Unknown(UnknownCause::HalfOpen) => {
            if outcome != Outcome::NoPath {
                agents::half_open(&mut case);
            }
            servers::turn(&mut case);
            servers::stun(&mut case);
            exchange::gathering_cut_short(&mut case);
            exchange::role_conflict(&mut case);
            exchange::late_answer(&mut case);
            paths::policy(&mut case);
            paths::no_way(&mut case);
            agents::garbage(&mut case);
            paths::otherwise(&mut case);
        }
        Outcome::Unknown(cause) => agents::unknown(&mut case, cause),
    }
    case.found
}

/// Of a trial that loss alone may have spoilt.
pub fn by_chance(events: Vec<u64>) -> Diagnosis {
    Diagnosis {
        cause: Cause::LinkLoss,
        peer: None,
        text: "the links lost packets by chance, and may have lost all that was sent for something that was needed"
            .to_owned(),
        remedy: "repeat the trial, state less `loss`, or let an agent that asks a server only once ask more servers"
            .to_owned(),
        events,
    }
}

/// A trial that is being explained.
struct Case<'a> {
    trial: &'a Trial,
    trace: &'a Trace,
    outcome: Outcome,
    found: Vec<Diagnosis>,
}

impl<'a> Case<'a> {
    fn add(
        &mut self,
        cause: Cause,
        peer: Option<&str>,
        text: impl Into<String>,
        remedy: impl Into<String>,
        events: impl IntoIterator<Item = u64>,
    ) {
        let peer = peer.map(str::to_owned);
        if self.found.iter().any(|d| d.cause == cause && d.peer == peer) {
            return;
        }
        let mut events: Vec<u64> = events.into_iter().collect();
        events.sort_unstable();
        events.dedup();
        self.found.push(Diagnosis { cause, peer, text: text.into(), remedy: remedy.into(), events });
    }

    fn has(&self, cause: Cause) -> bool {
        self.found.iter().any(|d| d.cause == cause)
    }

    /// Both sides with what the plan gives them.
    fn sides(&self) -> impl Iterator<Item = (&'a AgentTrace, &'a Peer)> + use<'a> {
        let peers = &self.trial.peers;
        self.trace.sides().into_iter().filter_map(|agent| Some((agent, peers.get(&agent.peer)?)))
    }

    /// Whether no direct path is possible: by the model, or, where it has no rule, since no check ever arrived directly.
    fn needs_relay(&self) -> bool {
        let prediction = &self.trial.prediction;
        if prediction.is_unpredicted() {
            let direct =
                self.trace.sides().into_iter().flat_map(|a| a.checks.pairs()).filter(|p| p.key.relay.is_none());
            direct.map(|p| p.requests_received).sum::<u32>() == 0
        } else {
            !prediction.outcomes.contains(&ExpectedOutcome::Direct)
        }
    }
}

/// A peer's name with what stands in front of it.
fn named(agent: &AgentTrace, peer: &Peer) -> String {
    let behavior = &peer.behavior;
    match behavior.classic_name() {
        Some(classic) => format!("{} ({behavior}, {classic})", agent.peer),
        None => format!("{} ({behavior})", agent.peer),
    }
}

/// A number of things.
fn count(n: u64, one: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") }
}

fn urls(peer: &Peer) -> impl Iterator<Item = &str> {
    peer.ice_servers.iter().flat_map(|server| server.urls.iter().map(String::as_str))
}

/// Its TURN servers, as far as its policy lets it use them.
pub(super) fn turn_urls(peer: &Peer) -> impl Iterator<Item = &str> {
    let allowed = matches!(peer.policy, CandidatePolicy::All | CandidatePolicy::Relay);
    urls(peer).filter(move |url| allowed && (url.starts_with("turn:") || url.starts_with("turns:")))
}

/// Those that can be reached without UDP.
fn turn_without_udp(peer: &Peer) -> bool {
    turn_urls(peer).any(|url| url.starts_with("turns:") || url.contains("transport=tcp"))
}

/// It can learn its public address, or does not need to: a TURN server over UDP answers as a STUN server too.
pub(super) fn knows_its_address(peer: &Peer) -> bool {
    let reflexive = matches!(peer.policy, CandidatePolicy::All | CandidatePolicy::Srflx);
    let asks =
        urls(peer).any(|url| url.starts_with("stun") || (url.starts_with("turn:") && !url.contains("transport=tcp")));
    is_public(peer.address) || (reflexive && asks)
}
