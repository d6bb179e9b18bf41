//! What the outer and the inner process say to each other: one JSON object per line each way.

use serde::{Deserialize, Serialize};

use crate::conformance::{Observations, Subject};
use crate::event::{Direction, Event};
use crate::lab::preflight::Finding;
use crate::plan::Trial;

/// Outer to inner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Run a trial.
    Run {
        /// All of it.
        trial: Box<Trial>,
        /// Wait for `Release` with the lab still up.
        keep: bool,
    },
    /// Take down a kept lab.
    Release {
        /// Which.
        trial: String,
    },
    /// Build the lab of a trial, start its servers, and run a program in one of its nodes.
    Exec {
        /// All of it.
        trial: Box<Trial>,
        /// Node.
        node: String,
        /// Program and arguments.
        argv: Vec<String>,
    },
    /// Probe a subject of `natlab verify-nat`.
    Observe {
        /// All of it.
        subject: Box<Subject>,
    },
    /// Try everything that labs need.
    Examine,
    /// End every trial now, with teardown.
    Cancel,
}

/// Inner to outer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Something happened in a trial.
    Event {
        /// Which.
        trial: String,
        /// What.
        event: Box<Event>,
    },
    /// A packet for the capture of a node.
    Frame {
        /// Trial.
        trial: String,
        /// The packet.
        frame: Frame,
    },
    /// The lab of a trial is kept up; `path` is where its namespaces are pinned.
    Kept {
        /// Trial.
        trial: String,
        /// Directory, as the inner process sees it.
        path: String,
    },
    /// A trial is over, its lab gone.
    Ended {
        /// Which.
        trial: String,
    },
    /// The program of `Exec` has the terminal.
    Executing,
    /// The program of `Exec` ended.
    Executed {
        /// Its exit code; of a signal 128 and its number.
        code: i32,
    },
    /// `Exec` was not possible.
    NotExecuted {
        /// Why.
        reason: NotExecuted,
    },
    /// What came of `Observe`.
    Observed {
        /// Name of the subject.
        subject: String,
        /// Everything that was seen.
        seen: Box<Observations>,
    },
    /// Nothing came of `Observe`.
    NotObserved {
        /// Name of the subject.
        subject: String,
        /// Why.
        why: String,
    },
    /// What came of `Examine`.
    Examined {
        /// One per facility.
        findings: Vec<Finding>,
    },
}

/// Why no program ran in a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotExecuted {
    /// The lab does not stand: the host's fault, or natlab's.
    Lab(String),
    /// There is no such program.
    NotFound(String),
    /// There is, but it cannot be run.
    NotExecutable(String),
    /// It was not wanted any more.
    Cancelled,
}

/// A captured packet, from its IP header on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Node of the tap.
    pub node: String,
    /// Interface it went through.
    pub interface: String,
    /// Nanoseconds since 1970, by the kernel.
    pub at_ns: u64,
    /// Seen from the node.
    pub direction: Direction,
    /// Bytes.
    pub bytes: Vec<u8>,
}
