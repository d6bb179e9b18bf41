//! Both offer directions of a pair beside each other.
//!
//! In the NAT model swapping the offer changes no outcome, so another outcome is always a finding about an agent.
//! Candidate types, times and ICE roles may differ and are data.

use serde::{Deserialize, Serialize};

use crate::ice::{CandidateType, IceRole, OfferRole};
use crate::verdict::{Cause, Diagnosis, Outcome, Verdict};

use super::TrialRecord;

/// Both offer directions of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleSwap {
    /// Scenario.
    pub scenario: String,
    /// 1, 2, … of both.
    pub repeat: u32,
    /// In the order in which they ran.
    pub directions: [DirectionRecord; 2],
    /// Both outcomes are known, and they differ.
    pub outcome_differs: bool,
    /// What that means, unless packet order decides by the model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finding: Option<Diagnosis>,
}

/// One offer direction.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectionRecord {
    /// Trial.
    pub trial: String,
    /// Peer that offered.
    pub offerer: String,
    /// Peer that answered.
    pub answerer: String,
    /// What happened.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What it is worth.
    pub verdict: Verdict,
    /// ICE role of the offerer.
    pub offerer_ice_role: Option<IceRole>,
    /// ICE role of the answerer.
    pub answerer_ice_role: Option<IceRole>,
    /// Types of the selected pair as the offerer reports them, its own one first.
    pub offerer_types: Option<[CandidateType; 2]>,
    /// Types of the selected pair as the answerer reports them, its own one first.
    pub answerer_types: Option<[CandidateType; 2]>,
    /// First check answered, in milliseconds since the offer.
    pub first_success_ms: Option<f64>,
    /// Both sides connected.
    pub connect_ms: Option<f64>,
}

impl DirectionRecord {
    fn of(trial: &TrialRecord) -> DirectionRecord {
        let role = |side| trial.agent(side).and_then(|agent| agent.ice_role);
        let types = |side| {
            let pair = trial.agent(side)?.selected_pair.as_ref()?;
            Some([pair.local.kind, pair.remote.kind])
        };
        DirectionRecord {
            trial: trial.id.clone(),
            offerer: trial.offerer.clone(),
            answerer: trial.answerer.clone(),
            outcome: trial.outcome,
            verdict: trial.verdict,
            offerer_ice_role: role(OfferRole::Offerer),
            answerer_ice_role: role(OfferRole::Answerer),
            offerer_types: types(OfferRole::Offerer),
            answerer_types: types(OfferRole::Answerer),
            first_success_ms: trial.times.first_success_ms,
            connect_ms: trial.times.connect_ms,
        }
    }
}

/// Every pair of trials that differ in nothing but who offers, in the order of the trials.
pub fn role_swaps(trials: &[TrialRecord]) -> Vec<RoleSwap> {
    let mut swaps = Vec::new();
    for (i, one) in trials.iter().enumerate() {
        let swapped = |other: &&TrialRecord| {
            other.scenario == one.scenario
                && other.repeat == one.repeat
                && other.offerer == one.answerer
                && other.answerer == one.offerer
        };
        // Each pair once, when its first trial comes.
        if let Some(other) = trials.iter().skip(i + 1).find(swapped) {
            swaps.push(swap(one, other));
        }
    }
    swaps
}

fn swap(one: &TrialRecord, other: &TrialRecord) -> RoleSwap {
    // What natlab, a gateway or a missing capability spoilt says nothing about roles; what an agent spoilt does.
    let said = |trial: &TrialRecord| matches!(trial.verdict, Verdict::Met | Verdict::Unmet);
    let outcome_differs = said(one) && said(other) && one.outcome != other.outcome;
    let racy = one.prediction.racy || other.prediction.racy;
    RoleSwap {
        scenario: one.scenario.clone(),
        repeat: one.repeat,
        directions: [DirectionRecord::of(one), DirectionRecord::of(other)],
        outcome_differs,
        finding: (outcome_differs && !racy).then(|| finding(one, other)),
    }
}

fn finding(one: &TrialRecord, other: &TrialRecord) -> Diagnosis {
    let role = |trial: &TrialRecord| {
        let role = trial.agent(OfferRole::Offerer).and_then(|agent| agent.ice_role);
        role.map(|role| format!(" ({})", format!("{role:?}").to_lowercase())).unwrap_or_default()
    };
    let says = |trial: &TrialRecord| format!("{} when {}{} offers", trial.outcome, trial.offerer, role(trial));
    let (better, worse) = if other.outcome < one.outcome { (other, one) } else { (one, other) };
    let why = worse.diagnoses.first().map(|d| format!("; there, {}", d.text)).unwrap_or_default();
    Diagnosis {
        cause: Cause::OfferDirection,
        peer: None,
        text: format!("the outcome depends on who offers: {}, {}{why}", says(better), says(worse)),
        remedy: format!(
            "NATs do not care who offers, so this is the agents' doing: let {} offer where you can choose, and compare the \
             nominated pairs and the times of the first checks of both directions",
            better.offerer
        ),
        // Numbers of events mean nothing across two trials; the trials are named beside this.
        events: Vec::new(),
    }
}
