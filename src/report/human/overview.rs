//! A scenario at a glance: what it shows, what its gateways were measured to do, and its trials as a table.

use super::page::Page;
use super::paint::Tone;
use super::table::{Cell, Column, Table};
use super::text::width;
use super::words;
use crate::ice::OfferRole;
use crate::record::TrialRecord;
use crate::record::trial::NatRecord;
use crate::report::Look;
use crate::trace::LossTrace;
use crate::verdict::{Outcome, Verdict};

/// So many trials of a scenario are shown one by one. Of more, which are repeats, the first of each offer direction and
/// outcome stands for those that are met, and some for those that are not.
const ALL: usize = 4;
/// Where what was lost begins.
const LOST: usize = 6;
/// Rows that stand for trials that are not met.
const UNMET: usize = 3;

/// Heading, gateways and table.
pub fn show(page: &mut Page, trials: &[&TrialRecord], look: &Look) {
    let Some(first) = trials.first() else { return };
    page.wrapped(0, Tone::Strong, &first.scenario);
    let description = if look.verbose { first.description.as_str() } else { words::first_sentence(&first.description) };
    page.wrapped(2, Tone::Plain, description);
    gateways(page, trials);
    page.blank();
    let shown = chosen(trials, look);
    page.table(2, &table(&shown));
    losses(page, trials);
    let more = trials.len() - shown.len();
    if more > 0 {
        page.wrapped(2, Tone::Dim, &format!("… and {}: -v shows all of them", words::count(more, "more trial")));
    }
}

/// What links lost in all trials together, where the scenario asked for loss.
fn losses(page: &mut Page, trials: &[&TrialRecord]) {
    let mut sums: Vec<LossTrace> = Vec::new();
    for loss in trials.iter().flat_map(|trial| &trial.losses) {
        match sums.iter_mut().find(|sum| (&sum.node, sum.direction) == (&loss.node, loss.direction)) {
            Some(sum) => {
                sum.dropped += loss.dropped;
                sum.passed += loss.passed;
            }
            None => sums.push(loss.clone()),
        }
    }
    if !sums.is_empty() {
        let said: Vec<String> = sums.iter().map(words::loss).collect();
        page.labelled_parts(2, "lost", LOST, Tone::Plain, &said);
    }
}

/// One line per gateway; those that say the same share one.
fn gateways(page: &mut Page, trials: &[&TrialRecord]) {
    let mut lines: Vec<(Vec<&str>, Vec<String>)> = Vec::new();
    for nat in trials.first().map(|t| t.nats.as_slice()).unwrap_or_default() {
        let name = words::name(nat);
        let behind = behind(&nat.name, trials).map(|outer| format!(" behind {outer}")).unwrap_or_default();
        let mut said = vec![format!("{}{behind}", words::behaviour(name, &nat.declared))];
        said.extend(measured(&nat.name, trials));
        match lines.iter_mut().find(|(_, same)| *same == said) {
            Some((names, _)) => names.push(&nat.name),
            None => lines.push((vec![&nat.name], said)),
        }
    }
    let names: Vec<String> = lines.iter().map(|(names, _)| names.join(", ")).collect();
    let begin = names.iter().map(|name| width(name)).max().unwrap_or(0) + 2;
    for (name, (_, said)) in names.iter().zip(&lines) {
        page.labelled_parts(2, name, begin, Tone::Plain, &[said.join(", ")]);
    }
}

/// The next gateway on the way to the Internet.
fn behind<'a>(nat: &str, trials: &[&'a TrialRecord]) -> Option<&'a str> {
    let chains = trials.iter().flat_map(|trial| &trial.agents).map(|agent| &agent.behind);
    let next = |chain: &'a Vec<String>| Some(chain.get(chain.iter().position(|name| name == nat)? + 1)?.as_str());
    chains.filter_map(next).next()
}

/// What the probes found in every trial, each statement once.
fn measured(nat: &str, trials: &[&TrialRecord]) -> Vec<String> {
    let mut found: Vec<(String, usize)> = Vec::new();
    let measured_of = |trial: &&TrialRecord| trial.nats.iter().find(|n| n.name == nat).map(measurement);
    for statement in trials.iter().filter_map(measured_of) {
        match found.iter_mut().find(|(same, _)| *same == statement) {
            Some((_, count)) => *count += 1,
            None => found.push((statement, 1)),
        }
    }
    let all = trials.len();
    let said = |(statement, count): (String, usize)| {
        if count == all { statement } else { format!("{statement} in {count} of {}", words::count(all, "trial")) }
    };
    found.into_iter().map(said).collect()
}

fn measurement(nat: &NatRecord) -> String {
    let Some(m) = &nat.measurement else { return "not measured".to_owned() };
    let through = if m.declared == nat.declared { String::new() } else { format!(" as {} from inside", m.declared) };
    if m.differences.is_empty() {
        return format!("measured{through}");
    }
    if !m.measured.contradicts(&m.declared) {
        return format!("not measured to the end{through}: {}", m.differences.join("; "));
    }
    let found = m.measured.mapping.zip(m.measured.filtering);
    match found.filter(|found| *found != (m.declared.mapping, m.declared.filtering)) {
        Some((mapping, filtering)) => format!("MEASURED OTHERWISE: {mapping}/{filtering}"),
        // The names of both axes do not show the difference.
        None => format!("MEASURED OTHERWISE{through}: {}", m.differences.join("; ")),
    }
}

/// All trials; of many repeats with one verdict only the first ones, unless everything is asked for.
fn chosen<'a>(trials: &[&'a TrialRecord], look: &Look) -> Vec<&'a TrialRecord> {
    let mut seen: Vec<(&str, Verdict, Outcome)> = Vec::new();
    let mut shown = Vec::new();
    for trial in trials {
        let like = (trial.offerer.as_str(), trial.verdict, trial.outcome);
        let rows = if trial.verdict == Verdict::Met { 1 } else { UNMET };
        if look.verbose || trials.len() <= ALL || seen.iter().filter(|s| **s == like).count() < rows {
            shown.push(*trial);
        }
        seen.push(like);
    }
    shown
}

/// One row per trial.
fn table(trials: &[&TrialRecord]) -> Table {
    let mut table = Table::new([
        Column::text(&["offer"]),
        Column::text(&["predicted"]).fold(4, "predicted"),
        Column::text(&["expected"]).fold(7, "expected"),
        Column::text(&["outcome"]).fold(10, "outcome"),
        Column::text(&["selected pair", "of the offerer"]).fold(9, "selected pair"),
        Column::number(&["gather"]).fold(5, "gather"),
        Column::number(&["first", "success"]).fold(6, "first success"),
        Column::number(&["connect"]).fold(8, "connect"),
        Column::number(&["given", "up"]).fold(3, "given up after"),
        Column::number(&["checks", "answered"]).fold(2, "checks answered"),
        Column::text(&["relay"]).fold(1, "relay"),
        Column::text(&["verdict"]).fold(11, ""),
    ]);
    for trial in trials {
        table.row(row(trial));
    }
    table.without_empty_columns()
}

fn row(trial: &TrialRecord) -> Vec<Cell> {
    let times = &trial.times;
    let time = |ms: Option<f64>| Cell::maybe(ms.map(words::duration));
    let outcome = match trial.outcome {
        Outcome::Unknown(cause) => Cell::parts(["unknown".to_owned(), format!("({cause})")]),
        known => Cell::of(known.to_string()),
    };
    let (verdict, tone) = words::verdict(trial.verdict);
    vec![
        Cell::parts(words::direction(trial)),
        predicted(trial),
        expected(trial),
        outcome,
        selected_pair(trial),
        time(times.gather_ms),
        time(times.first_success_ms),
        time(times.connect_ms),
        time(times.given_up_ms),
        checks(trial),
        Cell::parts(words::relay(&trial.relay)),
        Cell::of(verdict).tone(tone),
    ]
}

/// What the model says.
fn predicted(trial: &TrialRecord) -> Cell {
    match &trial.prediction {
        prediction if prediction.is_unpredicted() => Cell::of("no rule"),
        prediction => Cell::parts(words::outcomes(&prediction.outcomes)),
    }
}

/// What the scenario states, where that is something else than what the model says.
fn expected(trial: &TrialRecord) -> Cell {
    let stated = trial.expectation.as_ref().map(|e| e.outcome.as_slice()).unwrap_or_default();
    if stated.is_empty() || stated == trial.prediction.outcomes {
        return Cell::none();
    }
    Cell::parts(words::outcomes(stated))
}

/// As the offerer sees it; where only the answerer says something, as the answerer sees it.
fn selected_pair(trial: &TrialRecord) -> Cell {
    let pair = |role| trial.agent(role).and_then(|agent| Some((agent, words::selected_pair(agent)?)));
    if let Some((_, pair)) = pair(OfferRole::Offerer) {
        return Cell::parts(pair);
    }
    match pair(OfferRole::Answerer) {
        Some((agent, [local, remote])) => Cell::parts([local, remote, format!("as {} sees it", agent.peer)]),
        None => Cell::none(),
    }
}

/// Success responses to the checks of both sides; a check that was sent again counts once.
fn checks(trial: &TrialRecord) -> Cell {
    let pairs = || trial.agents.iter().flat_map(|agent| &agent.candidate_pairs);
    let sent: u32 = pairs().map(|pair| pair.requests_sent).sum();
    let answered: u32 = pairs().map(|pair| pair.responses_received).sum();
    if sent == 0 { Cell::none() } else { Cell::of(format!("{answered} of {sent}")) }
}
