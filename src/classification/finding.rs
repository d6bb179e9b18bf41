//! One axis: its value or why there is none, how sure, by what test, from what evidence. Pure.

use serde::{Deserialize, Serialize};

/// How a question ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// There is a value.
    Known,
    /// It was tested, and what was seen does not decide it.
    Inconclusive,
    /// The server cannot help: another kind of server is needed.
    Unsupported,
    /// It was not tested, or the question does not arise.
    #[default]
    NotTested,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding<T> {
    /// `None` (`null`) unless it is known.
    pub value: Option<T>,
    /// How the question ended.
    pub status: Status,
    /// Why there is no value; completes "unknown: …".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
    /// 1 − the probability that the value is an artefact of mere packet loss; only for values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confidence: Option<f64>,
    /// How it was tested, such as `RFC 5780 §4.4 tests II and III`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// What was seen, in sentences.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

impl<T> Default for Finding<T> {
    fn default() -> Self {
        Finding::not_tested("not asked")
    }
}

impl<T> Finding<T> {
    /// A value that answers themselves prove: loss cannot make it.
    pub fn known(value: T, method: &str) -> Self {
        Finding::likely(value, 0.0, method)
    }

    /// A value that rests on silence too; `chance` is the probability that the silence is mere loss.
    pub fn likely(value: T, chance: f64, method: &str) -> Self {
        Finding {
            value: Some(value),
            status: Status::Known,
            because: None,
            confidence: Some((1.0 - chance).clamp(0.0, 1.0)),
            method: Some(method.to_owned()),
            evidence: Vec::new(),
        }
    }

    /// Tested, and undecided.
    pub fn inconclusive(because: impl Into<String>, method: &str) -> Self {
        Finding { method: Some(method.to_owned()), ..Finding::without(Status::Inconclusive, because) }
    }

    /// The servers at hand cannot answer it.
    pub fn unsupported(because: impl Into<String>) -> Self {
        Finding::without(Status::Unsupported, because)
    }

    /// Not tested, or the question does not arise.
    pub fn not_tested(because: impl Into<String>) -> Self {
        Finding::without(Status::NotTested, because)
    }

    fn without(status: Status, because: impl Into<String>) -> Self {
        Finding { value: None, status, because: Some(because.into()), confidence: None, method: None, evidence: vec![] }
    }

    /// The same with what was seen.
    #[must_use]
    pub fn with_evidence(mut self, evidence: impl IntoIterator<Item = String>) -> Self {
        self.evidence.extend(evidence);
        self
    }

    /// The same with the value turned into another one.
    pub fn map<U>(self, to: impl FnOnce(T) -> U) -> Finding<U> {
        let Finding { value, status, because, confidence, method, evidence } = self;
        Finding { value: value.map(to), status, because, confidence, method, evidence }
    }
}
