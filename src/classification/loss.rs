//! How much is lost, and how likely silence is mere loss. Pure.

use serde::{Deserialize, Serialize};

/// A negative answer counts only when the chance that it is mere loss is below this.
pub const NEGATIVE_LIMIT: f64 = 1e-4;

/// Requests over paths that are known to be open, and their answers. One send is a round trip: lost when the request or the
/// answer is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Loss {
    /// Requests that were sent, retransmissions included.
    pub sent: u32,
    /// Answers to them.
    pub answered: u32,
}

impl Loss {
    /// The same with more of it.
    #[must_use]
    pub fn plus(self, other: Loss) -> Loss {
        Loss { sent: self.sent + other.sent, answered: self.answered + other.answered }
    }

    /// Round trips that were lost, of those that were tried; none when none was tried.
    pub fn rate(self) -> Option<f64> {
        (self.sent > 0).then(|| f64::from(self.lost()) / f64::from(self.sent))
    }

    /// Loss of a single direction, were it the same in both.
    pub fn each_way(self) -> Option<f64> {
        self.rate().map(|rate| 1.0 - (1.0 - rate).sqrt())
    }

    fn lost(self) -> u32 {
        self.sent.saturating_sub(self.answered)
    }

    /// The chance that `sends` more round trips are all lost.
    ///
    /// The true loss is not known, only a sample of it. Taking the sample's rate for the truth would make five silent sends
    /// a proof after a handful of lucky ones; so the rule of succession is applied send by send: with a uniform prior, the
    /// next one is lost with (lost + 1) / (sent + 2), and each loss counts as seen for the one after it. The product is the
    /// exact mean of lossⁿ over all rates that the sample leaves possible. Without a sample it is 1 / (n + 1).
    pub fn chance_all_lost(self, sends: u32) -> f64 {
        let (lost, sent) = (f64::from(self.lost()), f64::from(self.sent));
        (0..sends).map(f64::from).map(|i| (lost + 1.0 + i) / (sent + 2.0 + i)).product()
    }

    /// Whether silence after so many sends is more than mere loss.
    pub fn proves_silence(self, sends: u32) -> bool {
        self.chance_all_lost(sends) < NEGATIVE_LIMIT
    }
}
