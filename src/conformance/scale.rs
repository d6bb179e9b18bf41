//! Timers of minutes are checked on the same rules with a shorter time.

use serde::{Deserialize, Serialize};

/// Longer lifetimes are checked with this one, in milliseconds: a whole second, since connection tracking knows whole
/// seconds only and the rules differ below.
const SHORT_MS: u64 = 1000;

/// A timer as configured and as checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scaled {
    /// As the behaviour says, in milliseconds.
    pub configured_ms: u64,
    /// As it was while it was checked, in milliseconds.
    pub checked_ms: u64,
}

impl Scaled {
    /// Such as `120 s, checked as 1 s at 1:120`.
    pub fn describe(self) -> String {
        let configured = duration(self.configured_ms);
        if self.configured_ms == self.checked_ms {
            return configured;
        }
        let ratio = self.configured_ms as f64 / self.checked_ms.max(1) as f64;
        let ratio = (ratio * 10.0).round() / 10.0;
        format!("{configured}, checked as {} at 1:{ratio}", duration(self.checked_ms))
    }
}

impl Scaled {
    /// What another lifetime becomes at this ratio. Whole seconds stay whole, since connection tracking knows no others.
    pub fn shorten(self, ms: u64) -> u64 {
        let short = ms.saturating_mul(self.checked_ms).div_ceil(self.configured_ms.max(1)).max(1);
        if ms.is_multiple_of(1000) { short.next_multiple_of(1000) } else { short }
    }
}

/// What is checked for a lifetime of so many milliseconds.
pub fn scaled(configured_ms: u64) -> Scaled {
    Scaled { configured_ms, checked_ms: configured_ms.min(SHORT_MS) }
}

/// Whole hours, minutes or seconds where they are whole.
pub fn duration(ms: u64) -> String {
    match ms {
        ms if ms % 1000 != 0 => format!("{ms} ms"),
        ms if ms >= 3_600_000 && ms % 60_000 == 0 => {
            let (hours, minutes) = (ms / 3_600_000, ms % 3_600_000 / 60_000);
            if minutes == 0 { format!("{hours} h") } else { format!("{hours} h {minutes} min") }
        }
        ms => format!("{} s", ms / 1000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_and_the_configured_value_are_stated() {
        assert_eq!(scaled(120_000).describe(), "120 s, checked as 1 s at 1:120");
        assert_eq!(scaled(400).describe(), "400 ms");
        let timer = scaled(30_000);
        assert_eq!([30_000, 120_000, 100_000, 45_500].map(|ms| timer.shorten(ms)), [1000, 4000, 4000, 1517]);
        assert_eq!(scaled(400).shorten(900), 900);
        assert_eq!(scaled(7_440_000).describe(), "2 h 4 min, checked as 1 s at 1:7440");
    }
}
