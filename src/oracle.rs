//! What must happen, from the NAT model alone, before anything runs. Pure; `docs/oracle.md` has the table and its sources.

mod chain;
pub mod closed_form;
mod rule;
mod shared;
#[cfg(test)]
mod simulation;
mod unknown;

use serde::{Deserialize, Serialize};

use crate::scenario::ExpectedOutcome;

/// What the model says about a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prediction {
    /// Path classes that agree with the model: one, or two when `racy`, or none when there is no rule.
    pub outcomes: Vec<ExpectedOutcome>,
    /// The answer depends on packet order; both outcomes are right.
    pub racy: bool,
    /// Rules that led here, as sentences; of `Unpredicted`, why there is none.
    pub reasons: Vec<String>,
}

impl Prediction {
    /// Whether there is no rule for the trial; a scenario must then state what it expects.
    pub fn is_unpredicted(&self) -> bool {
        self.outcomes.is_empty()
    }
}

pub use closed_form::{Shared, Side, Situation, predict};
