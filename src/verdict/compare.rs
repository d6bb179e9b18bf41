//! Outcome against expectation and prediction.

use crate::ice::CandidateType;
use crate::plan::{ExpectedOutcome, Trial};
use crate::trace::Trace;

use super::{Blame, Outcome, Reason, Verdict, loss};

/// What a comparison gave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Comparison {
    /// What the outcome is worth.
    pub verdict: Verdict,
    /// Outcomes that are right.
    pub accepted: Vec<ExpectedOutcome>,
    /// Why.
    pub reasons: Vec<Reason>,
    /// Ways in which a working path falls short of what is expected.
    pub shortcomings: Vec<Shortcoming>,
    /// Loss may be all that is behind the outcome: the events that show it. Then nothing else is to be blamed.
    pub excused: Option<Vec<u64>>,
}

/// A way in which a working path falls short of what is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shortcoming {
    /// Relayed although only a direct path is right.
    Suboptimal,
    /// Connected later than stated.
    TooSlow {
        /// The limit in milliseconds.
        limit_ms: u64,
    },
}

/// Outcomes that are right: those the scenario states, else those the model predicts; empty when neither names one.
pub fn accepted(trial: &Trial) -> &[ExpectedOutcome] {
    match &trial.expectation {
        Some(expectation) if !expectation.outcome.is_empty() => &expectation.outcome,
        _ => &trial.prediction.outcomes,
    }
}

/// Compares; number 0 is the event that holds the plan, and with it expectation and prediction.
pub fn compare(trial: &Trial, trace: &Trace, outcome: Outcome) -> Comparison {
    let accepted = accepted(trial);
    let mut comparison = Comparison {
        verdict: Verdict::Met,
        accepted: accepted.to_vec(),
        reasons: Vec::new(),
        shortcomings: Vec::new(),
        excused: None,
    };
    if let Outcome::Unknown(cause) = outcome {
        comparison.verdict = match cause.blame() {
            Blame::Agent => Verdict::Unmet,
            Blame::Natlab => Verdict::Inconclusive,
            Blame::Nat => Verdict::Void,
            Blame::Nobody => Verdict::Skipped,
        };
        comparison.excuse(trial, trace, outcome);
        return comparison;
    }
    comparison.prediction_against_expectation(trial);
    comparison.outcome(trial, outcome);
    comparison.excuse(trial, trace, outcome);
    if outcome.is_path() && comparison.excused.is_none() {
        comparison.types(trial, trace);
        comparison.time(trial, trace);
    }
    comparison
}

impl Comparison {
    fn because(&mut self, text: impl Into<String>, events: impl IntoIterator<Item = u64>) {
        self.reasons.push(Reason::new(text, events));
    }

    fn unmet(&mut self, text: impl Into<String>, events: impl IntoIterator<Item = u64>) {
        self.verdict = Verdict::Unmet;
        self.because(text, events);
    }

    /// Loss that the scenario asked for may be all that is behind an outcome.
    fn excuse(&mut self, trial: &Trial, trace: &Trace, outcome: Outcome) {
        if self.verdict == Verdict::Unmet
            && let Some(reason) = loss::excuse(trial, trace, outcome, &self.accepted)
        {
            self.verdict = Verdict::Inconclusive;
            self.excused = Some(reason.events.clone());
            self.reasons.push(reason);
        }
    }

    fn prediction_against_expectation(&mut self, trial: &Trial) {
        let predicted = &trial.prediction.outcomes;
        let Some(expectation) = &trial.expectation else { return };
        let stated = &expectation.outcome;
        if stated.is_empty() || predicted.is_empty() {
            return;
        }
        if !stated.iter().any(|outcome| predicted.contains(outcome)) {
            let why = expectation.because.as_ref().map(|b| format!(" (\"{b}\")")).unwrap_or_default();
            let text = format!(
                "the scenario expects {}{why}, the NAT model predicts {}: the scenario counts",
                words(stated),
                words(predicted)
            );
            self.because(text, [0]);
        }
    }

    fn outcome(&mut self, trial: &Trial, outcome: Outcome) {
        let source = match &trial.expectation {
            Some(expectation) if !expectation.outcome.is_empty() => "expected",
            _ => "predicted",
        };
        let happened = outcome.expected();
        let racy = trial.prediction.racy && source == "predicted";
        if self.accepted.is_empty() {
            if trial.expectation.is_none() {
                self.verdict = Verdict::Inconclusive;
                let why = trial.prediction.reasons.join("; ");
                self.because(format!("nothing is expected, and the NAT model has no rule: {why}"), [0]);
            }
        } else if happened.is_some_and(|outcome| self.accepted.contains(&outcome)) {
            let text = if racy {
                format!("{outcome}, one of the outcomes that depend on packet order here: {}", words(&self.accepted))
            } else {
                format!("{outcome}, as {source}")
            };
            self.because(text, [0]);
        } else {
            self.unmet(format!("{outcome}, but {source} was {}", words(&self.accepted)), [0]);
            if outcome == Outcome::Relayed && self.accepted == [ExpectedOutcome::Direct] {
                self.shortcomings.push(Shortcoming::Suboptimal);
            }
        }
    }

    /// Types are those of the selected pair as the offerer reports it.
    fn types(&mut self, trial: &Trial, trace: &Trace) {
        let Some(expectation) = &trial.expectation else { return };
        if expectation.local.is_empty() && expectation.remote.is_empty() {
            return;
        }
        let Some((pair, at)) = trace.offerer.selected() else {
            self.unmet(format!("{} reports no selected pair, but its candidate types are stated", trial.offerer), [0]);
            return;
        };
        let sides = [("local", &expectation.local, pair.local.kind), ("remote", &expectation.remote, pair.remote.kind)];
        for (side, stated, reported) in sides {
            if stated.is_empty() {
                continue;
            }
            let list = types(stated);
            let offerer = &trial.offerer;
            if stated.contains(&reported) {
                self.because(format!("{side} candidate of {offerer} is {reported}, as stated ({list})"), [at.event]);
            } else {
                self.unmet(format!("{side} candidate of {offerer} is {reported}, stated was {list}"), [at.event]);
            }
        }
    }

    fn time(&mut self, trial: &Trial, trace: &Trace) {
        let Some(limit_ms) = trial.expectation.as_ref().and_then(|e| e.connect_within_ms) else { return };
        let Some(connected) = trace.both_connected() else { return };
        let Some(took_ms) = trace.since_offer_ms(connected) else { return };
        if took_ms <= limit_ms as f64 {
            self.because(format!("connected after {took_ms} ms, stated were at most {limit_ms} ms"), [connected.event]);
        } else {
            self.unmet(format!("connected after {took_ms} ms, later than the stated {limit_ms} ms"), [connected.event]);
            self.shortcomings.push(Shortcoming::TooSlow { limit_ms });
        }
    }
}

/// Outcomes for people.
pub fn words(outcomes: &[ExpectedOutcome]) -> String {
    let words = outcomes.iter().map(|outcome| match outcome {
        ExpectedOutcome::Direct => "direct",
        ExpectedOutcome::Relayed => "relayed",
        ExpectedOutcome::NoPath => "no path",
    });
    words.collect::<Vec<_>>().join(" or ")
}

fn types(types: &[CandidateType]) -> String {
    types.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
