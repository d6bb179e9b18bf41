//! Whether a NAT is what it is declared to be, axis by axis, and which requirements of RFC 4787, RFC 5382 and RFC 5508 it
//! meets. Pure: a [`Subject`] becomes a [`mod@bench`] to probe it on, what the probes saw ([`Observations`]) is judged here.
//!
//! `run::verify` builds the bench and makes the observations; `report::conformance` renders what is concluded.

mod axes;
pub mod bench;
mod conclude;
mod found;
mod model;
pub mod observations;
mod requirements;
mod scale;
mod subject;
#[cfg(test)]
mod tests;

use serde::Serialize;

use crate::nat::Behavior;

pub use conclude::judge;
pub use model::{INSIDE_PORTS, UNDER};
pub use observations::Observations;
pub use scale::{Scaled, scaled};
pub use subject::{Declared, Inward, Subject, WayIn};

/// What `natlab verify-nat` concludes about one subject.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Conformance {
    /// Name of the subject.
    pub name: String,
    /// The declared behaviour; of a chain, of all its gateways together.
    pub declared: Behavior,
    /// In words, such as `EIM/APDF`.
    pub summary: String,
    /// Gateways, outermost first.
    pub gateways: Vec<String>,
    /// All axes together.
    pub conclusion: Conclusion,
    /// Declared against measured.
    pub axes: Vec<Axis>,
    /// The checklist of the RFCs.
    pub requirements: Vec<Requirement>,
    /// Whatever kept a measurement from being made, and packets that went astray.
    pub notes: Vec<String>,
    /// Packets that the gateways' rules dropped while everything but lifetimes was measured, by the rule's own comment.
    pub drops: std::collections::BTreeMap<String, u64>,
}

/// Whether a subject is as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Every axis that has a meaning here was measured, and is as declared.
    AsDeclared,
    /// Nothing contradicts, but something was not found out.
    Undecided,
    /// At least one axis is another.
    Different,
}

/// One axis, declared and measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Axis {
    /// Its name.
    pub axis: &'static str,
    /// Of which gateway of a chain; `None`: of all of them together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// As declared.
    pub declared: String,
    /// As measured; `None` when it was not found out or has no meaning here.
    pub measured: Option<String>,
    /// What comes of it.
    pub verdict: AxisVerdict,
    /// How it was tested, and why it is undecided or has no meaning.
    pub how: String,
}

/// What comes of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AxisVerdict {
    /// Measured, as declared.
    AsDeclared,
    /// Measured, and another.
    Different,
    /// Not found out.
    Undecided,
    /// It has no meaning for this gateway, or no packet could tell.
    NotApplicable,
}

/// A requirement and how the subject stands to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// `4787`, `5382` or `5508`.
    pub rfc: u16,
    /// `REQ-9`, or a part of it such as `REQ-9a`.
    pub number: &'static str,
    /// How strong it is.
    pub level: Level,
    /// What it asks for, in short.
    pub asks: &'static str,
    /// How the subject stands to it.
    pub status: Status,
    /// How it was tested and what came of it.
    pub how: String,
}

/// How strong a requirement is (RFC 2119).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// MUST or MUST NOT.
    Must,
    /// SHOULD or RECOMMENDED.
    Should,
    /// MAY.
    May,
}

/// How a subject stands to a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It meets it.
    Pass,
    /// It does not.
    Fail,
    /// It asks for something that this kind of gateway does not have.
    NotApplicable,
    /// Not found out.
    Undecided,
}
