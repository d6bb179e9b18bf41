//! No more than so many new transactions a second (RFC 5780 §4: ten), whoever asks.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Lets transactions begin one by one. Share one between all that ask the same servers.
#[derive(Debug)]
pub struct Limiter {
    /// Between two; none: no limit.
    distance: Option<Duration>,
    /// When the next one may begin.
    next: Mutex<Option<Instant>>,
}

impl Limiter {
    /// What RFC 5780 §4 allows: ten a second.
    pub fn standard() -> Self {
        Limiter { distance: Some(Duration::from_millis(100)), next: Mutex::new(None) }
    }

    /// None, for labs whose servers are the caller's own.
    pub fn unlimited() -> Self {
        Limiter { distance: None, next: Mutex::new(None) }
    }

    /// Waits until a transaction may begin.
    pub async fn turn(&self) {
        let Some(distance) = self.distance else { return };
        let at = {
            let mut next = match self.next.lock() {
                Ok(next) => next,
                Err(poisoned) => poisoned.into_inner(),
            };
            let at = next.map_or_else(Instant::now, |next| next.max(Instant::now()));
            *next = Some(at + distance);
            at
        };
        sleep_until(at).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn never_more_than_ten_begin_within_a_second() {
        let limiter = Limiter::standard();
        let begin = Instant::now();
        let mut at = Vec::new();
        for i in 0..30 {
            // A pause does not save up for a burst.
            if i == 15 {
                tokio::time::sleep(Duration::from_secs(3)).await;
            }
            limiter.turn().await;
            at.push(begin.elapsed());
        }
        for window in at.windows(11) {
            assert!(window[10] - window[0] >= Duration::from_millis(999), "{window:?}");
        }
        assert!(at[29] < Duration::from_secs(7), "{at:?}");
    }
}
