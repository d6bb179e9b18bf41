//! From a trace to a judgement: what happened (outcome), what that is worth (verdict), and why (diagnoses). Pure.
//!
//! Outcome is not verdict: falling back to a relay behind two symmetric NATs is *met*. Everything said here names the
//! events that justify it.

pub mod capability;
pub mod compare;
pub mod diagnosis;
pub mod loss;
pub mod outcome;

#[cfg(test)]
mod tests;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::plan::{ExpectedOutcome, Trial};
use crate::trace::{PathClass, Trace};

pub use diagnosis::{Cause, Diagnosis};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "unknownCause", rename_all = "kebab-case")]
pub enum Outcome {
    /// Both sides connected, and data went both ways without a relay.
    Direct,
    /// Both sides connected, and data went both ways through a TURN server.
    Relayed,
    /// Neither side connected until the deadline, or until nothing could happen any more.
    NoPath,
    /// None of these can be said.
    Unknown(UnknownCause),
}

/// Why an outcome is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownCause {
    /// The user interrupted.
    Interrupted,
    /// The lab could not be built.
    LabFailed,
    /// The events end before the trial does.
    Unfinished,
    /// A STUN or TURN server could not be started, or ended by itself.
    ServerFailed,
    /// A gateway was not probed, so nobody knows what it did.
    NatNotMeasured,
    /// natlab's own agent could not be started.
    AgentNotStarted,
    /// Data went both ways, but neither reports nor taps show over which path.
    PathUnseen,
    /// A gateway does not behave as declared.
    NatNotAsDeclared,
    /// An agent cannot do what the scenario needs.
    MissingCapability,
    /// The scenario's own agent program could not be started.
    ProgramNotStarted,
    /// An agent's process ended by itself.
    Crashed,
    /// An agent did not answer in time.
    Hung,
    /// An agent printed more than natlab takes.
    Flooded,
    /// An agent speaks another version of the protocol.
    Protocol,
    /// An agent reported that it cannot go on.
    AgentError,
    /// An agent refused a command without which there is no trial.
    Refused,
    /// One side is connected, the other one is not.
    HalfOpen,
    /// Both sides are connected, but data did not go both ways.
    NoData,
    /// One side reports a direct path, the other one a relayed one.
    Disagreement,
}

/// Who caused an unknown outcome: this decides the verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blame {
    /// An agent: the trial is unmet.
    Agent,
    /// natlab, the host or the user: the trial is inconclusive.
    Natlab,
    /// A gateway: the trial is void.
    Nat,
    /// Nobody: the trial is not meant for this agent.
    Nobody,
}

impl UnknownCause {
    /// Who caused it.
    pub const fn blame(self) -> Blame {
        use UnknownCause as C;
        match self {
            C::Interrupted
            | C::LabFailed
            | C::Unfinished
            | C::ServerFailed
            | C::NatNotMeasured
            | C::AgentNotStarted
            | C::PathUnseen => Blame::Natlab,
            C::NatNotAsDeclared => Blame::Nat,
            C::MissingCapability => Blame::Nobody,
            C::ProgramNotStarted
            | C::Crashed
            | C::Hung
            | C::Flooded
            | C::Protocol
            | C::AgentError
            | C::Refused
            | C::HalfOpen
            | C::NoData
            | C::Disagreement => Blame::Agent,
        }
    }
}

impl fmt::Display for UnknownCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use UnknownCause as C;
        f.write_str(match self {
            C::Interrupted => "interrupted",
            C::LabFailed => "lab failed",
            C::Unfinished => "unfinished",
            C::ServerFailed => "server failed",
            C::NatNotMeasured => "NAT not measured",
            C::AgentNotStarted => "agent not started",
            C::PathUnseen => "path unseen",
            C::NatNotAsDeclared => "NAT not as declared",
            C::MissingCapability => "missing capability",
            C::ProgramNotStarted => "agent not started",
            C::Crashed => "crashed",
            C::Hung => "hung",
            C::Flooded => "flooded",
            C::Protocol => "protocol",
            C::AgentError => "agent error",
            C::Refused => "refused",
            C::HalfOpen => "half-open",
            C::NoData => "no data",
            C::Disagreement => "disagreement",
        })
    }
}

impl Outcome {
    /// The outcome as an expectation can name it; `None` when it is unknown.
    pub const fn expected(self) -> Option<ExpectedOutcome> {
        match self {
            Outcome::Direct => Some(ExpectedOutcome::Direct),
            Outcome::Relayed => Some(ExpectedOutcome::Relayed),
            Outcome::NoPath => Some(ExpectedOutcome::NoPath),
            Outcome::Unknown(_) => None,
        }
    }

    /// Whether there is a working path.
    pub const fn is_path(self) -> bool {
        matches!(self, Outcome::Direct | Outcome::Relayed)
    }
}

impl From<PathClass> for Outcome {
    fn from(class: PathClass) -> Outcome {
        match class {
            PathClass::Direct => Outcome::Direct,
            PathClass::Relayed => Outcome::Relayed,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Direct => f.write_str("direct"),
            Outcome::Relayed => f.write_str("relayed"),
            Outcome::NoPath => f.write_str("no path"),
            Outcome::Unknown(cause) => write!(f, "unknown ({cause})"),
        }
    }
}

/// What an outcome is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As expected.
    Met,
    /// Not as expected, or spoilt by an agent.
    Unmet,
    /// Spoilt by natlab, the host, the user or loss that the scenario asked for: nothing is concluded.
    Inconclusive,
    /// A gateway did not behave as declared: nothing is concluded.
    Void,
    /// The agent cannot do what the scenario needs: nothing was expected.
    Skipped,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Verdict::Met => "met",
            Verdict::Unmet => "unmet",
            Verdict::Inconclusive => "inconclusive",
            Verdict::Void => "void",
            Verdict::Skipped => "skipped",
        })
    }
}

/// A sentence that an outcome or a verdict rests on, and the events that show it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Sentence, without a full stop.
    pub text: String,
    /// Numbers of events, ascending.
    pub events: Vec<u64>,
}

impl Reason {
    pub(crate) fn new(text: impl Into<String>, events: impl IntoIterator<Item = u64>) -> Reason {
        let mut events: Vec<u64> = events.into_iter().collect();
        events.sort_unstable();
        events.dedup();
        Reason { text: text.into(), events }
    }
}

/// What natlab thinks of a trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What happened.
    pub outcome: Outcome,
    /// What it is worth.
    pub verdict: Verdict,
    /// Outcomes that are right: those of the expectation, else those of the prediction; empty when neither names one.
    pub accepted: Vec<ExpectedOutcome>,
    /// Why, first for the outcome, then for the verdict.
    pub reasons: Vec<Reason>,
    /// Where there is something to explain: causes, each with its remedy.
    pub diagnoses: Vec<Diagnosis>,
}

/// Judges a trial from its plan and its trace alone.
pub fn judge(trial: &Trial, trace: &Trace) -> Judgement {
    let (outcome, mut reasons) = outcome::find(trial, trace);
    let comparison = compare::compare(trial, trace, outcome);
    reasons.extend(comparison.reasons);
    let diagnoses = match comparison.excused {
        Some(events) => vec![diagnosis::by_chance(events)],
        None => diagnosis::diagnose(trial, trace, outcome, &comparison.shortcomings),
    };
    Judgement { outcome, verdict: comparison.verdict, accepted: comparison.accepted, reasons, diagnoses }
}
