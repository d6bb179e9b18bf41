//! JUnit XML: what CI servers read of it.

use natlab::record::Record;
use natlab::report::{Format, Look};
use natlab::verdict::Verdict;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus};

use super::fixtures;

fn render(record: &Record) -> String {
    Format::Junit.render(record, &Look::of(true, 80, true, false))
}

#[test]
fn one_trial_of_every_verdict() {
    insta::assert_snapshot!("junit_mixed", render(&fixtures::mixed()));
}

#[test]
fn it_is_well_formed_and_says_of_every_trial_what_the_record_says() {
    for (name, record) in fixtures::records() {
        let text = render(&record);
        assert!(text.ends_with('\n'), "{name}");
        let report = Report::deserialize_from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}\n{text}"));
        assert_eq!(report.tests, record.summary.trials, "{name}");
        assert_eq!(report.failures, record.summary.unmet, "{name}");
        assert_eq!(report.errors, record.summary.void + record.summary.inconclusive, "{name}");
        let cases: Vec<&TestCase> = report.test_suites.iter().flat_map(|suite| &suite.test_cases).collect();
        for trial in &record.trials {
            let said = |case: &&&TestCase| {
                case.properties.iter().any(|p| p.name.as_str() == "trial" && p.value.as_str() == trial.id)
            };
            let case = cases.iter().find(said).unwrap_or_else(|| panic!("{name}: {}", trial.id));
            assert_eq!(case.classname.as_ref().unwrap().as_str(), trial.scenario);
            let seconds = case.time.unwrap().as_secs_f64();
            assert!((seconds - trial.lab.total_ms / 1000.0).abs() < 0.001, "{seconds}");
            let kind = match &case.status {
                TestCaseStatus::Success { .. } => "success",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Failure, .. } => "failure",
                TestCaseStatus::NonSuccess { kind: NonSuccessKind::Error, .. } => "error",
                TestCaseStatus::Skipped { .. } => "skipped",
            };
            let expected = match trial.verdict {
                Verdict::Met => "success",
                Verdict::Unmet => "failure",
                Verdict::Void | Verdict::Inconclusive => "error",
                Verdict::Skipped => "skipped",
            };
            assert_eq!(kind, expected, "{name}: {}", trial.id);
        }
    }
}

#[test]
fn a_failure_says_why_and_what_to_do() {
    let text = render(&fixtures::of(&["unmet-alice"]));
    let report = Report::deserialize_from_str(&text).unwrap();
    let TestCaseStatus::NonSuccess { message, ty, description, .. } = &report.test_suites[0].test_cases[0].status
    else {
        panic!("{text}")
    };
    assert_eq!(ty.as_ref().unwrap().as_str(), "no-turn");
    let message = message.as_ref().unwrap().as_str();
    assert!(message.starts_with("unmet: every pair has used up its checks"), "{message}");
    assert!(message.ends_with("; no path, but expected was direct or relayed"), "{message}");
    let description = description.as_ref().unwrap().as_str();
    assert!(description.contains("cause: alice"), "{description}");
    assert!(description.contains("remedy: give at least one of them a TURN server"), "{description}");
}

#[test]
fn one_record_is_always_one_text() {
    for (name, record) in fixtures::records() {
        assert_eq!(render(&record), render(&record), "{name}");
        assert!(!render(&record).contains("timestamp="), "{name}: no time of day");
        assert!(!render(&record).contains("uuid="), "{name}: no random identifier");
    }
}
