//! Below the table: why what is not met is not met, why there is no path, what depends on who offers, and repeats.

use super::page::Page;
use super::paint::Tone;
use super::words;
use crate::record::{Record, TrialRecord};
use crate::report::Look;
use crate::verdict::{Cause, Diagnosis, Outcome, Reason, Verdict};

/// Notes of a trial that are shown unless everything is asked for.
const NOTES: usize = 3;

/// Everything there is to say about these trials of one scenario.
pub fn show(page: &mut Page, record: &Record, trials: &[&TrialRecord], look: &Look) {
    for group in alike(trials) {
        trials_alike(page, &group, look);
    }
    let Some(scenario) = trials.first().map(|trial| trial.scenario.as_str()) else { return };
    if !look.quiet {
        role_swaps(page, record, scenario);
    }
    repeats(page, record, scenario);
}

/// Trials that have something to explain, those with the same explanation together.
fn alike<'a>(trials: &[&'a TrialRecord]) -> Vec<Vec<&'a TrialRecord>> {
    let mut groups: Vec<Vec<&TrialRecord>> = Vec::new();
    let explained = trials.iter().filter(|t| t.verdict != Verdict::Met || !t.diagnoses.is_empty());
    for trial in explained {
        // Both offer directions name the peers in another order, which is no other explanation.
        let same = |group: &&mut Vec<&TrialRecord>| {
            group.first().is_some_and(|first| {
                (first.outcome, first.verdict) == (trial.outcome, trial.verdict) && causes(first) == causes(trial)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(trial),
            None => groups.push(vec![trial]),
        }
    }
    groups
}

fn causes(trial: &TrialRecord) -> Vec<(Cause, Option<&str>)> {
    let mut causes: Vec<_> = trial.diagnoses.iter().map(|d| (d.cause, d.peer.as_deref())).collect();
    causes.sort_unstable();
    causes
}

/// One explanation, in the words of the first trial.
fn trials_alike(page: &mut Page, group: &[&TrialRecord], look: &Look) {
    let Some(first) = group.first() else { return };
    let (verdict, tone) = words::verdict(first.verdict);
    let ids: Vec<&str> = group.iter().map(|trial| trial.id.as_str()).collect();
    page.blank();
    let what = if first.outcome == Outcome::NoPath { format!("{verdict}, no path:") } else { format!("{verdict}:") };
    page.headline(2, tone, &what, &list(&ids));
    if first.verdict != Verdict::Met || look.verbose {
        // What a cause says again, and more of, is not said twice.
        let again = |reason: &&Reason| first.diagnoses.iter().any(|d| d.text.starts_with(&reason.text));
        let said = first.reasons.iter().filter(|reason| !again(reason)).map(|r| with_events(&r.text, &r.events, look));
        page.labelled(4, "why", Tone::Plain, &said.collect::<Vec<_>>().join("; "));
    }
    for diagnosis in &first.diagnoses {
        explain(page, diagnosis, look);
    }
    if first.verdict != Verdict::Met {
        let shown = if look.verbose { first.notes.len() } else { NOTES };
        for note in first.notes.iter().take(shown) {
            page.labelled(4, "note", Tone::Plain, &with_events(&note.text, &note.events, look));
        }
        if let Some(more) = first.notes.len().checked_sub(shown).filter(|more| *more > 0) {
            page.labelled(
                4,
                "",
                Tone::Dim,
                &format!("… and {}: -v shows all of them", words::count(more, "more note")),
            );
        }
    }
}

/// Few names one by one, many as the first ones and how many more.
fn list(names: &[&str]) -> String {
    const FEW: usize = 4;
    match names.get(..FEW) {
        Some(few) if names.len() > FEW + 1 => format!("{} and {} more", few.join(", "), names.len() - FEW),
        _ => names.join(", "),
    }
}

fn explain(page: &mut Page, diagnosis: &Diagnosis, look: &Look) {
    page.labelled(4, "cause", Tone::Plain, &with_events(&diagnosis.text, &diagnosis.events, look));
    page.labelled(4, "remedy", Tone::Strong, &diagnosis.remedy);
}

/// A text and the numbers of the events that show it, for those who want to see them in the stored ones.
fn with_events(text: &str, numbers: &[u64], look: &Look) -> String {
    const MOST: usize = 6;
    if !look.verbose || numbers.is_empty() {
        return text.to_owned();
    }
    let shown: Vec<String> = numbers.iter().take(MOST).map(u64::to_string).collect();
    let word = if numbers.len() == 1 { "event" } else { "events" };
    let more = if numbers.len() > MOST { ", …" } else { "" };
    format!("{text} [{word} {}{more}]", shown.join(", "))
}

/// Findings about who offers, each once with how often it was found.
fn role_swaps(page: &mut Page, record: &Record, scenario: &str) {
    let swaps = || record.role_swaps.iter().filter(|swap| swap.scenario == scenario);
    let mut found: Vec<(&Diagnosis, usize)> = Vec::new();
    for finding in swaps().filter_map(|swap| swap.finding.as_ref()) {
        match found.iter_mut().find(|(same, _)| same.text == finding.text) {
            Some((_, count)) => *count += 1,
            None => found.push((finding, 1)),
        }
    }
    let all = swaps().count();
    for (finding, count) in found {
        page.blank();
        let often = if all > 1 { format!(" ({count} of {all} repeats)") } else { String::new() };
        page.headline(2, Tone::Doubt, "! role swap:", &format!("{}{often}", finding.text));
        page.labelled(4, "remedy", Tone::Strong, &finding.remedy);
    }
    let racy = swaps().filter(|swap| swap.outcome_differs && swap.finding.is_none()).count();
    if racy > 0 {
        page.blank();
        let often = if all > 1 { format!(" in {racy} of {all} repeats") } else { String::new() };
        let text =
            format!("both offer directions have another outcome{often}, which packet order decides by the NAT model");
        page.wrapped(2, Tone::Dim, &text);
    }
}

fn repeats(page: &mut Page, record: &Record, scenario: &str) {
    let mut first = true;
    for repeat in record.repeats.iter().filter(|repeat| repeat.scenario == scenario) {
        if std::mem::take(&mut first) {
            page.blank();
        }
        let mut parts = vec![format!("{} offers: {} of {} met", repeat.offerer, repeat.met, repeat.runs)];
        parts.push(repeat.outcomes.iter().map(|o| format!("{} {}", o.count, o.outcome)).collect::<Vec<_>>().join(", "));
        parts.extend(repeat.connect_ms.map(|spread| {
            let [min, median, max] = [spread.min, spread.median, spread.max].map(words::duration);
            format!("connect {min} to {max}, median {median}")
        }));
        let tone = if repeat.met == repeat.runs { Tone::Plain } else { Tone::Doubt };
        page.parts(2, tone, &parts);
    }
}
