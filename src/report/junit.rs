//! JUnit XML: one suite per scenario, one case per trial. A failure is an unmet trial; an error is a void or inconclusive one,
//! of which nothing is concluded. There is neither time of day nor random identifier in it, so one record is always one text.

use std::time::Duration;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::human::plain;
use crate::ice::OfferRole;
use crate::record::{Record, TrialRecord};
use crate::verdict::Verdict;

/// The whole report, ending with a newline.
pub fn render(record: &Record) -> String {
    let mut report = Report::new("natlab");
    for scenario in scenarios(record) {
        report.add_test_suite(suite(record, scenario));
    }
    report.set_time(report.test_suites.iter().filter_map(|suite| suite.time).sum());
    // Only a writer can fail, and a String does not; were it to, the text is none that a CI server takes for success.
    let mut text = report.to_string().unwrap_or_else(|e| format!("the report could not be written: {e}"));
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

fn scenarios(record: &Record) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for trial in &record.trials {
        if !names.contains(&trial.scenario.as_str()) {
            names.push(&trial.scenario);
        }
    }
    names
}

fn suite(record: &Record, scenario: &str) -> TestSuite {
    let mut suite = TestSuite::new(plain(scenario));
    let trials = || record.trials.iter().filter(|trial| trial.scenario == scenario);
    if let Some(first) = trials().next() {
        property(&mut suite.properties, "description", &first.description);
    }
    property(&mut suite.properties, "natlab", &record.natlab_version);
    for finding in record.role_swaps.iter().filter(|s| s.scenario == scenario).filter_map(|s| s.finding.as_ref()) {
        property(&mut suite.properties, "roleSwap", &format!("{}; remedy: {}", finding.text, finding.remedy));
    }
    for trial in trials() {
        suite.add_test_case(case(trial));
    }
    suite.set_time(suite.test_cases.iter().filter_map(|case| case.time).sum());
    suite
}

fn case(trial: &TrialRecord) -> TestCase {
    let name = trial.id.strip_prefix(&trial.scenario).and_then(|rest| rest.strip_prefix('/')).unwrap_or(&trial.id);
    let mut case = TestCase::new(plain(name), status(trial));
    case.set_classname(plain(&trial.scenario));
    case.set_time(milliseconds(trial.lab.total_ms));
    let properties = &mut case.properties;
    property(properties, "trial", &trial.id);
    property(properties, "outcome", &trial.outcome.to_string());
    property(properties, "verdict", &trial.verdict.to_string());
    property(properties, "expected", &crate::verdict::compare::words(&trial.accepted));
    for role in [OfferRole::Offerer, OfferRole::Answerer] {
        let Some(agent) = trial.agent(role) else { continue };
        let Some(pair) = &agent.selected_pair else { continue };
        let end = |e: &crate::record::agent::SelectedPair, local: bool| {
            let end = if local { &e.local } else { &e.remote };
            format!("{} {}:{}", end.kind, end.address, end.port)
        };
        property(properties, &format!("pair.{}", agent.peer), &format!("{} → {}", end(pair, true), end(pair, false)));
    }
    for nat in &trial.nats {
        let name = nat.classic_name.as_deref().or(nat.preset.as_deref());
        let named = name.map(|name| format!("{name}, ")).unwrap_or_default();
        property(properties, &format!("nat.{}", nat.name), &format!("{named}{}", nat.declared));
    }
    let times = [
        ("gatherMs", trial.times.gather_ms),
        ("firstSuccessMs", trial.times.first_success_ms),
        ("connectMs", trial.times.connect_ms),
    ];
    for (name, ms) in times {
        if let Some(ms) = ms {
            property(properties, name, &ms.to_string());
        }
    }
    property(properties, "seed", &trial.seed.to_string());
    case
}

fn property(properties: &mut Vec<Property>, name: &str, value: &str) {
    properties.push(Property::new(plain(name), plain(value)));
}

fn status(trial: &TrialRecord) -> TestCaseStatus {
    let mut status = match trial.verdict {
        Verdict::Met => return TestCaseStatus::success(),
        Verdict::Unmet => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Verdict::Void | Verdict::Inconclusive => TestCaseStatus::non_success(NonSuccessKind::Error),
        Verdict::Skipped => TestCaseStatus::skipped(),
    };
    let reasons: Vec<&str> = trial.reasons.iter().map(|reason| reason.text.as_str()).collect();
    status.set_message(plain(&format!("{}: {}", trial.verdict, reasons.join("; "))));
    status.set_type(kind(trial));
    status.set_description(explanation(trial));
    status
}

/// The first cause by its name, or the verdict where none is known.
fn kind(trial: &TrialRecord) -> String {
    let cause = trial.diagnoses.first().and_then(|d| serde_json::to_value(d.cause).ok());
    let name = cause.as_ref().and_then(|name| name.as_str()).map(str::to_owned);
    name.unwrap_or_else(|| trial.verdict.to_string())
}

/// Reasons, then causes with their remedies.
fn explanation(trial: &TrialRecord) -> String {
    let mut lines: Vec<String> = trial.reasons.iter().map(|reason| plain(&reason.text)).collect();
    for diagnosis in &trial.diagnoses {
        lines.push(format!("cause: {}", plain(&diagnosis.text)));
        lines.push(format!("remedy: {}", plain(&diagnosis.remedy)));
    }
    lines.extend(trial.notes.iter().map(|note| format!("note: {}", plain(&note.text))));
    lines.join("\n")
}

/// Times of a record are finite and not negative in total; anything else would be none.
fn milliseconds(ms: f64) -> Duration {
    Duration::try_from_secs_f64(ms / 1000.0).unwrap_or_default()
}
