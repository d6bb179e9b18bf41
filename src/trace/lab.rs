//! What is no agent's doing: the lab, its gateways, the servers, and how the trial ended.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Moment, Remark};
use crate::event::{Awaited, Happened, LinkDirection, ProcessRole};
use crate::nat::{Behavior, Measured};

/// The lab so far.
#[derive(Clone, Debug, Default)]
pub struct LabTrace {
    /// Namespaces, and microseconds to build them.
    pub built: Option<(usize, u64, Moment)>,
    /// It could not be built.
    pub failed: Option<Remark>,
    /// Gateways, in the order they were probed.
    pub measurements: Vec<NatTrace>,
    /// What links lost, in the order they were counted.
    pub losses: Vec<LossTrace>,
    /// Servers that failed: which one, and how.
    pub server_failures: Vec<ServerFailure>,
    /// Servers that listen.
    pub servers_ready: Vec<ServerReady>,
    /// What did not come in time, in order.
    pub deadlines: Vec<DeadlineTrace>,
    /// Nothing could happen any more: when, and the events that show it.
    pub exhausted: Option<(Moment, Vec<u64>)>,
    /// The user interrupted.
    pub interrupted: Option<Moment>,
    /// Worth knowing.
    pub notes: Vec<Remark>,
    /// Teardown was complete.
    pub finished: Option<Moment>,
}

/// A probed gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NatTrace {
    /// Gateway.
    pub nat: String,
    /// Node the probe ran in.
    pub from: String,
    /// What was to be found there; of a chain of gateways, the composite.
    pub declared: Behavior,
    /// What was found.
    pub measured: Measured,
    /// Differences as sentences; empty: as declared.
    pub differences: Vec<String>,
    /// Number of the event.
    pub event: u64,
}

impl NatTrace {
    /// Whether it was found to be other than declared: one axis that differs, or a dropped packet that no rule dropped. An
    /// axis that was not found out contradicts nothing.
    pub fn is_contradicted(&self) -> bool {
        let unmeasured = |d: &String| d.ends_with("not measured");
        self.measured.contradicts(&self.declared) || self.differences.iter().any(|d| !unmeasured(d))
    }
}

/// What a link lost in one direction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LossTrace {
    /// The node that the link connects to the rest.
    pub node: String,
    /// Seen from it.
    pub direction: LinkDirection,
    /// The chance of a packet to be lost, in hundredths of a percent.
    pub asked: u16,
    /// IPv4 packets lost.
    pub dropped: u64,
    /// IPv4 packets let through.
    pub passed: u64,
    /// Number of the event.
    pub event: u64,
}

/// A server that could not be started, or ended by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerFailure {
    /// Its node.
    pub node: String,
    /// What happened to it.
    pub remark: Remark,
}

/// A server that listens.
#[derive(Clone, Debug, PartialEq)]
pub struct ServerReady {
    /// Its node.
    pub node: String,
    /// Its own line.
    pub message: Value,
    /// When.
    pub at: Moment,
}

/// Something that did not come in time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadlineTrace {
    /// Node it was awaited from, where it is one.
    pub node: Option<String>,
    /// What.
    pub what: Awaited,
    /// The limit in milliseconds.
    pub limit_ms: u64,
    /// When it was given up.
    pub at: Moment,
}

impl LabTrace {
    /// Takes an event that is no agent's.
    pub(super) fn push(&mut self, what: &Happened, at: Moment) {
        match what {
            Happened::LabBuilt { nodes, took_us } => self.built = Some((*nodes, *took_us, at)),
            Happened::LabFailed { error } => {
                self.failed.get_or_insert(Remark { at, text: error.clone() });
            }
            Happened::NatMeasured { nat, from, declared, measured, differences } => self.measurements.push(NatTrace {
                nat: nat.clone(),
                from: from.clone(),
                declared: *declared,
                measured: measured.clone(),
                differences: differences.clone(),
                event: at.event,
            }),
            Happened::LinkLoss { node, direction, asked, dropped, passed } => self.losses.push(LossTrace {
                node: node.clone(),
                direction: *direction,
                asked: *asked,
                dropped: *dropped,
                passed: *passed,
                event: at.event,
            }),
            Happened::StartFailed { node, role: ProcessRole::Server, error } => {
                self.server_failed(node, format!("could not be started: {error}"), at);
            }
            Happened::Exited { node, role: ProcessRole::Server, code, signal, expected: false } => {
                self.server_failed(node, super::process::ended(*code, *signal), at);
            }
            Happened::Flood { node, role: ProcessRole::Server, bytes } => {
                self.server_failed(node, format!("printed {bytes} bytes and was ended"), at);
            }
            Happened::ServerReady { node, message } if message.get("ev").is_some_and(|ev| ev == "ready") => {
                self.servers_ready.push(ServerReady { node: node.clone(), message: message.clone(), at });
            }
            Happened::Deadline { node, what: Awaited::Server, limit_ms } => {
                let node = node.clone().unwrap_or_else(|| "a server".to_owned());
                self.server_failed(&node, format!("did not listen within {limit_ms} ms"), at);
            }
            Happened::Deadline { node, what, limit_ms } => {
                self.deadlines.push(DeadlineTrace { node: node.clone(), what: *what, limit_ms: *limit_ms, at });
            }
            Happened::Exhausted { because } => {
                self.exhausted.get_or_insert_with(|| (at, because.clone()));
            }
            Happened::Interrupted => {
                self.interrupted.get_or_insert(at);
            }
            Happened::Note { text } => self.notes.push(Remark { at, text: text.clone() }),
            Happened::Finished => self.finished = Some(at),
            _ => {}
        }
    }

    /// The first time this was awaited in vain.
    pub fn missed(&self, what: Awaited) -> Option<&DeadlineTrace> {
        self.deadlines.iter().find(|deadline| deadline.what == what)
    }

    /// Exhausted, or the deadline of `connect`, whichever came first.
    pub(super) fn given_up(&self) -> Option<Moment> {
        let exhausted = self.exhausted.as_ref().map(|(at, _)| *at);
        let deadline = self.missed(Awaited::Connect).map(|deadline| deadline.at);
        exhausted.into_iter().chain(deadline).min_by_key(|at| at.event)
    }

    fn server_failed(&mut self, node: &str, text: String, at: Moment) {
        self.server_failures.push(ServerFailure { node: node.to_owned(), remark: Remark { at, text } });
    }
}
