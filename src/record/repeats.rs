//! Trials that were run more than once: k of n, never the last one alone.

use serde::{Deserialize, Serialize};

use crate::verdict::{Outcome, Verdict};

use super::TrialRecord;

/// The repeats of one offer direction of a scenario.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RepeatRecord {
    /// Scenario.
    pub scenario: String,
    /// Peer that offered.
    pub offerer: String,
    /// How often it was run.
    pub runs: usize,
    /// How often it was as expected.
    pub met: usize,
    /// Every outcome that happened, with how often it did.
    pub outcomes: Vec<OutcomeCount>,
    /// Time to connect over the runs that connected, in milliseconds.
    pub connect_ms: Option<Spread>,
}

/// How often an outcome happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutcomeCount {
    /// Which.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How often.
    pub count: usize,
}

/// Smallest, median and largest of some values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Smallest.
    pub min: f64,
    /// Middle one; of an even number the lower of both.
    pub median: f64,
    /// Largest.
    pub max: f64,
}

impl Spread {
    /// Of any number of values; `None` of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        let median = *values.get(values.len().checked_sub(1)? / 2)?;
        Some(Spread { min: *values.first()?, median, max: *values.last()? })
    }
}

/// Every offer direction that was run more than once, in the order of the trials.
pub fn repeats(trials: &[TrialRecord]) -> Vec<RepeatRecord> {
    let mut groups: Vec<Vec<&TrialRecord>> = Vec::new();
    for trial in trials {
        let same = |group: &&mut Vec<&TrialRecord>| {
            group.first().is_some_and(|first| first.scenario == trial.scenario && first.offerer == trial.offerer)
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(trial),
            None => groups.push(vec![trial]),
        }
    }
    groups.iter().filter(|group| group.len() > 1).filter_map(|group| record(group)).collect()
}

fn record(group: &[&TrialRecord]) -> Option<RepeatRecord> {
    let first = group.first()?;
    let mut outcomes: Vec<OutcomeCount> = Vec::new();
    for trial in group {
        match outcomes.iter_mut().find(|o| o.outcome == trial.outcome) {
            Some(count) => count.count += 1,
            None => outcomes.push(OutcomeCount { outcome: trial.outcome, count: 1 }),
        }
    }
    Some(RepeatRecord {
        scenario: first.scenario.clone(),
        offerer: first.offerer.clone(),
        runs: group.len(),
        met: group.iter().filter(|trial| trial.verdict == Verdict::Met).count(),
        outcomes,
        connect_ms: Spread::of(group.iter().filter_map(|trial| trial.times.connect_ms)),
    })
}
