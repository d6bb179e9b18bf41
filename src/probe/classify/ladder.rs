//! How long idle mappings live: a parallel ladder, each rung a socket that is silent for so long. Pure.

use std::time::Duration;

use crate::classification::{Finding, Lifetime, Loss};

/// Ages at which mappings are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ladder {
    /// Ascending.
    pub rungs: Vec<Duration>,
    /// Whether to look, too, whether packets from outside alone keep a mapping alive: takes half as long again as the
    /// lifetime that was found.
    pub refresh: bool,
}

impl Default for Ladder {
    /// From ten seconds to five minutes, which RFC 4787 REQ-5 recommends.
    fn default() -> Self {
        Ladder { rungs: [10, 15, 20, 30, 45, 60, 90, 120, 180, 300].map(Duration::from_secs).to_vec(), refresh: true }
    }
}

impl Ladder {
    /// The highest rung.
    pub fn longest(&self) -> Duration {
        self.rungs.iter().copied().max().unwrap_or_default()
    }
}

/// What was seen at one rung.
#[derive(Clone, Debug, PartialEq)]
pub enum Rung {
    /// A packet from outside still came in at this age.
    Alive(Duration),
    /// None came in at this age after so many tries.
    Silent {
        /// Age at the last of them.
        age: Duration,
        /// Requests that should have made one come in.
        sends: u32,
    },
    /// It cannot be told.
    Unknown(String),
}

pub(super) const METHOD: &str = "RFC 5780 §4.6 with RESPONSE-PORT, a parallel ladder";

/// The interval in which mappings go away.
///
/// A rung that is silent because of mere loss lies; so each must have been silent long enough. `loss` is of round trips: one
/// of these has a request out from another socket and an answer in to this one, so as much.
pub fn judge(rungs: &[Rung], loss: Loss) -> Finding<Lifetime> {
    let alive = rungs.iter().filter_map(|r| if let Rung::Alive(age) = r { Some(*age) } else { None }).max();
    let proven = |sends: u32| loss.proves_silence(sends);
    let dead = rungs
        .iter()
        .filter_map(|r| match r {
            Rung::Silent { age, sends } if proven(*sends) => Some((*age, *sends)),
            _ => None,
        })
        .min();
    let evidence = rungs.iter().map(|r| match r {
        Rung::Alive(age) => format!("alive after {:.1} s", age.as_secs_f64()),
        Rung::Silent { age, sends } => format!("silent after {:.1} s, {sends} tries", age.as_secs_f64()),
        Rung::Unknown(why) => why.clone(),
    });
    let ms = |d: Duration| u64::try_from(d.as_millis()).unwrap_or(u64::MAX);
    let finding = match (alive, dead) {
        (None, None) => Finding::inconclusive("no rung gave an answer", METHOD),
        (Some(alive), Some((dead, _))) if alive >= dead => Finding::inconclusive(
            format!("gone at {:.1} s, yet alive at {:.1} s", dead.as_secs_f64(), alive.as_secs_f64()),
            METHOD,
        ),
        (alive, dead) => {
            let lifetime = Lifetime { last_alive_ms: alive.map(ms), first_dead_ms: dead.map(|(age, _)| ms(age)) };
            let chance = dead.map_or(0.0, |(_, sends)| loss.chance_all_lost(sends));
            Finding::likely(lifetime, chance, METHOD)
        }
    };
    finding.with_evidence(evidence)
}
