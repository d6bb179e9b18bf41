//! The report for people: per scenario what was built and measured, a table with one row per trial, and below it why what is
//! not met is not met, and what to do about it; at the end one line that sums it all up.

mod detail;
mod exchanges;
mod findings;
mod overview;
pub(super) mod page;
pub(super) mod paint;
pub(super) mod table;
pub(super) mod text;
pub(super) mod words;

use crate::record::{Record, TrialRecord};
use crate::report::Look;
use crate::verdict::Verdict;

use page::Page;
use paint::Tone;

pub use text::{plain, wrap};

/// What fits into fewer columns than this is hard to read in any layout; lines are then this long.
const NARROWEST: usize = 40;

/// The whole report; empty when it is to be quiet and everything is met.
pub fn render(record: &Record, look: &Look) -> String {
    let mut page = Page::new(look.colour, look.width.max(NARROWEST));
    let trials = record.trials.iter().filter(|trial| !look.quiet || trial.verdict != Verdict::Met);
    let trials: Vec<&TrialRecord> = trials.collect();
    if look.quiet && trials.is_empty() && !record.interrupted {
        return String::new();
    }
    for scenario in by_scenario(&trials) {
        overview::show(&mut page, &scenario, look);
        findings::show(&mut page, record, &scenario, look);
        if look.verbose {
            for trial in &scenario {
                detail::show(&mut page, trial);
            }
        }
        page.blank();
    }
    summary(&mut page, record, look);
    page.text()
}

/// Trials of one scenario together, scenarios in the order of their first trial.
fn by_scenario<'a>(trials: &[&'a TrialRecord]) -> Vec<Vec<&'a TrialRecord>> {
    let mut scenarios: Vec<Vec<&TrialRecord>> = Vec::new();
    for trial in trials {
        let same = |s: &&mut Vec<&TrialRecord>| s.first().is_some_and(|first| first.scenario == trial.scenario);
        match scenarios.iter_mut().find(same) {
            Some(scenario) => scenario.push(trial),
            None => scenarios.push(vec![trial]),
        }
    }
    scenarios
}

/// Counts, where it ran, and whether it is complete.
fn summary(page: &mut Page, record: &Record, look: &Look) {
    let s = &record.summary;
    if look.verbose {
        let host = &record.host;
        let mut parts = vec![format!("natlab {}", record.natlab_version)];
        parts.extend((!host.kernel.is_empty()).then(|| format!("kernel {} on {}", host.kernel, host.machine)));
        parts.push(words::count(host.cpus as usize, "processor"));
        parts.push(match &host.privileges_reason {
            Some(reason) => format!("{} ({reason})", host.privileges),
            None => host.privileges.clone(),
        });
        page.parts(0, Tone::Dim, &parts);
    }
    if record.interrupted {
        page.wrapped(0, Tone::Doubt, "interrupted: trials are missing or incomplete");
    }
    let named = |list: &[(usize, &str)]| {
        let said = list.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        said.collect::<Vec<_>>().join(", ")
    };
    let verdicts = named(&[
        (s.met, "met"),
        (s.unmet, "unmet"),
        (s.inconclusive, "inconclusive"),
        (s.void, "void"),
        (s.skipped, "skipped"),
    ]);
    let outcomes =
        named(&[(s.direct, "direct"), (s.relayed, "relayed"), (s.no_path, "no path"), (s.unknown, "unknown")]);
    let trials = words::count(s.trials, "trial");
    let tone = match () {
        () if s.unmet > 0 => Tone::Bad,
        () if s.met < s.trials || s.trials == 0 => Tone::Doubt,
        () => Tone::Good,
    };
    if s.trials == 0 {
        page.wrapped(0, tone, "no trials");
    } else {
        page.headline(0, tone, &format!("{trials}: {verdicts}"), &format!("({outcomes})"));
    }
    if s.met < s.trials && !look.verbose && !look.quiet {
        page.wrapped(0, Tone::Dim, "-v shows every candidate, every server's answer and every connectivity check");
    }
}
