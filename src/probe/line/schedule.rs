//! When a request is sent again.

use std::time::Duration;

/// When a request leaves while nothing comes back, and how long its answer may take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// From the beginning of the transaction; the first is zero.
    pub sends: Vec<Duration>,
    /// After the last of them.
    pub patience: Duration,
}

impl Schedule {
    /// For each send: when it is due, and until when its answer is awaited before the next; both from the beginning.
    pub fn steps(&self) -> impl Iterator<Item = (Duration, Duration)> + '_ {
        let next = self.sends.iter().skip(1).copied().map(Some).chain([None]);
        self.sends.iter().zip(next).map(|(send, next)| (*send, next.unwrap_or(*send + self.patience)))
    }

    /// Those sends that are not before `pause`, from there on.
    pub fn after(&self, pause: Duration) -> Schedule {
        let sends = self.sends.iter().filter_map(|send| send.checked_sub(pause)).collect();
        Schedule { sends, patience: self.patience }
    }
}

impl Default for Schedule {
    /// 0, 200, 400, 800 and 1600 ms, and 1.5 s more.
    fn default() -> Self {
        Schedule {
            sends: [0, 200, 400, 800, 1600].map(Duration::from_millis).to_vec(),
            patience: Duration::from_millis(1500),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    #[test]
    fn each_send_waits_until_the_next_and_the_last_one_as_long_as_patience() {
        let schedule = Schedule { sends: vec![ms(0), ms(20), ms(60)], patience: ms(40) };
        assert_eq!(schedule.steps().collect::<Vec<_>>(), [(ms(0), ms(20)), (ms(20), ms(60)), (ms(60), ms(100))]);
        let rest = schedule.after(ms(20));
        assert_eq!(rest.steps().collect::<Vec<_>>(), [(ms(0), ms(40)), (ms(40), ms(80))], "ends when the whole does");
    }
}
