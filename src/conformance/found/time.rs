//! Lifetimes and what refreshes.

use super::{Is, irregular, no_meaning, seen, undecided};
use crate::conformance::observations::{Moment, Observations, Touched};
use crate::conformance::scale::{Scaled, duration};
use crate::nat::Refresh;

/// Between which ages a mapping ended, in milliseconds of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lived {
    /// As configured and as checked.
    pub timer: Scaled,
    /// It was alive at this age.
    pub alive_ms: u64,
    /// It was dead at this.
    pub dead_ms: u64,
}

impl Lived {
    /// Such as `alive at 851 ms, dead at 1150 ms`.
    pub fn describe(self) -> String {
        format!("alive at {}, dead at {}", duration(self.alive_ms), duration(self.dead_ms))
    }
}

/// What the kernel's clock ticks and its granularity may cost, in microseconds: 2 % and 10 ms.
fn slack(lifetime_us: u64) -> u64 {
    lifetime_us / 50 + 10_000
}

/// Whether mappings ended at their time. A probe whose age is not known well enough proves nothing.
pub fn lived(timer: Scaled, moments: &[Moment]) -> Is<Lived> {
    let lifetime = timer.checked_ms * 1000;
    let slack = slack(lifetime);
    if let Some(m) = moments.iter().find(|m| m.alive && m.at_least_us > lifetime + slack) {
        return irregular(format!("alive after {} of {}", duration(m.at_least_us / 1000), duration(timer.checked_ms)));
    }
    if let Some(m) = moments.iter().find(|m| !m.alive && m.at_most_us + slack < lifetime) {
        return irregular(format!("dead after {} of {}", duration(m.at_most_us / 1000), duration(timer.checked_ms)));
    }
    let alive = moments.iter().filter(|m| m.alive).map(|m| m.at_least_us).max();
    let dead = moments.iter().filter(|m| !m.alive).map(|m| m.at_most_us).min();
    match (alive, dead) {
        (Some(alive), Some(dead)) if alive >= lifetime / 2 && dead <= lifetime * 2 => {
            Ok(Lived { timer, alive_ms: alive / 1000, dead_ms: dead.div_ceil(1000) })
        }
        _ => undecided("this machine paused for too long between the probes"),
    }
}

pub fn of(timer: &Option<(Scaled, Vec<Moment>)>) -> Is<Lived> {
    let (timer, moments) = seen(timer)?;
    lived(*timer, moments)
}

/// Of UDP mappings.
pub fn lifetime(o: &Observations) -> Is<Lived> {
    match &o.udp_timers {
        Some(timers) => lived(timers.lifetime, &timers.idle),
        None => no_meaning("nothing is remembered that could end"),
    }
}

/// Whether a touch has made a mapping live longer; `None` when the times leave it open.
pub fn prolonged(timer: Scaled, touched: &Option<Touched>) -> Option<bool> {
    let (t, lifetime) = ((*touched)?, timer.checked_ms * 1000);
    let slack = slack(lifetime);
    let told = t.touched_at_most_us < lifetime
        && t.probe.at_least_us > lifetime + slack
        && t.since_touch_at_most_us + slack < lifetime;
    told.then_some(t.probe.alive)
}

/// Of UDP mappings.
pub fn refresh(o: &Observations) -> Is<Refresh> {
    let Some(timers) = &o.udp_timers else { return no_meaning("nothing is remembered that could end") };
    let (outbound, inbound) =
        (prolonged(timers.lifetime, &timers.outbound), prolonged(timers.lifetime, &timers.inbound));
    match (outbound, inbound) {
        (Some(true), Some(true)) => Ok(Refresh::Both),
        (Some(true), Some(false)) => Ok(Refresh::Outbound),
        (Some(false), Some(true)) => Ok(Refresh::Inbound),
        (Some(false), Some(false)) => irregular("neither direction refreshes"),
        _ => undecided("this machine paused for too long between the probes"),
    }
}
