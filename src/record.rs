//! The one serialisable result of a run: what every report is rendered from. Pure.
//!
//! Names are those of the W3C (`RTCIceCandidatePairStats`, `RTCIceCandidate`) where they exist. Times are milliseconds with
//! three decimals since the offerer was told to offer; round-trip times are seconds, as in the W3C's. A record holds nothing
//! that the stored events do not hold, so [`TrialRecord::of`] computes it from them again, equal to the last digit.

pub mod agent;
mod names;
pub mod pair;
pub mod repeats;
pub mod role_swap;
pub mod trial;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::verdict::{Outcome, Verdict};

pub use agent::{AgentRecord, CandidateRecord};
pub use pair::PairRecord;
pub use repeats::RepeatRecord;
pub use role_swap::{RoleSwap, role_swaps};
pub use trial::TrialRecord;

/// The version of this format: raised whenever a field changes its meaning or goes away.
pub const SCHEMA_VERSION: u32 = 1;

/// A whole run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of natlab that ran the trials.
    pub natlab_version: String,
    /// Where it ran.
    pub host: HostInfo,
    /// The user interrupted: trials are missing or incomplete.
    pub interrupted: bool,
    /// Counts.
    pub summary: Summary,
    /// Every trial, in the order in which they were planned.
    pub trials: Vec<TrialRecord>,
    /// Both offer directions of a pair beside each other.
    pub role_swaps: Vec<RoleSwap>,
    /// Trials that were run more than once, as k of n.
    pub repeats: Vec<RepeatRecord>,
}

/// The host that ran the trials.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostInfo {
    /// Release of the kernel, as `uname -r` says it.
    pub kernel: String,
    /// Machine, as `uname -m` says it.
    pub machine: String,
    /// Processors that may be used.
    pub cpus: u32,
    /// How the privileges were got: a private user namespace as an ordinary user or as root, or plain root.
    pub privileges: String,
    /// Why this way, where there is something to say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges_reason: Option<String>,
}

/// Counts over all trials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Trials.
    pub trials: usize,
    /// As expected.
    pub met: usize,
    /// Not as expected.
    pub unmet: usize,
    /// Spoilt by natlab, the host or the user.
    pub inconclusive: usize,
    /// Spoilt by a gateway.
    pub void: usize,
    /// Not meant for the agent.
    pub skipped: usize,
    /// Outcome direct.
    pub direct: usize,
    /// Outcome relayed.
    pub relayed: usize,
    /// Outcome no path.
    pub no_path: usize,
    /// Outcome unknown.
    pub unknown: usize,
}

impl Summary {
    /// Counts.
    pub fn of(trials: &[TrialRecord]) -> Summary {
        let mut summary = Summary { trials: trials.len(), ..Summary::default() };
        for trial in trials {
            match trial.verdict {
                Verdict::Met => summary.met += 1,
                Verdict::Unmet => summary.unmet += 1,
                Verdict::Inconclusive => summary.inconclusive += 1,
                Verdict::Void => summary.void += 1,
                Verdict::Skipped => summary.skipped += 1,
            }
            match trial.outcome {
                Outcome::Direct => summary.direct += 1,
                Outcome::Relayed => summary.relayed += 1,
                Outcome::NoPath => summary.no_path += 1,
                Outcome::Unknown(_) => summary.unknown += 1,
            }
        }
        summary
    }
}

/// What a whole run comes to; the command line makes an exit code of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conclusion {
    /// Every trial met.
    Met,
    /// At least one trial unmet.
    Unmet,
    /// None unmet, but some inconclusive, void or skipped.
    Undecided,
    /// No trial.
    Nothing,
    /// The user interrupted.
    Interrupted,
}

impl Record {
    /// A record of these trials; everything else follows from them.
    pub fn new(natlab_version: &str, host: HostInfo, trials: Vec<TrialRecord>, interrupted: bool) -> Record {
        Record {
            schema_version: SCHEMA_VERSION,
            natlab_version: natlab_version.to_owned(),
            host,
            interrupted,
            summary: Summary::of(&trials),
            role_swaps: role_swaps(&trials),
            repeats: repeats::repeats(&trials),
            trials,
        }
    }

    /// What the run comes to.
    pub fn conclusion(&self) -> Conclusion {
        let Summary { trials, met, unmet, .. } = self.summary;
        if self.interrupted {
            Conclusion::Interrupted
        } else if trials == 0 {
            Conclusion::Nothing
        } else if unmet > 0 {
            Conclusion::Unmet
        } else if met < trials {
            Conclusion::Undecided
        } else {
            Conclusion::Met
        }
    }
}
