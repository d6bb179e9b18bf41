//! The report for people: how it looks, and what holds at every width.

use natlab::record::{Record, TrialRecord};
use natlab::report::{Format, Look};
use natlab::verdict::Verdict;

use proptest::prelude::*;
use proptest::sample::Index;

use super::fixtures;

fn render(record: &Record, look: Look) -> String {
    Format::Human.render(record, &look)
}

fn plain(record: &Record, width: usize) -> String {
    render(record, Look::of(false, width, false, false))
}

/// Columns of a line; every character of a report about these fixtures takes one.
fn columns(line: &str) -> usize {
    line.chars().count()
}

fn without_sgr(text: &str) -> String {
    let mut parts = text.split('\u{1b}');
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| text + part.split_once('m').unwrap().1)
}

#[test]
fn every_fixture_at_80_and_120_columns() {
    for (name, record) in fixtures::records() {
        for width in [80, 120] {
            insta::assert_snapshot!(format!("{name}_{width}"), plain(&record, width));
        }
    }
}

#[test]
fn narrow_and_wide() {
    for width in [60, 100, 140] {
        insta::assert_snapshot!(format!("mixed_{width}"), plain(&fixtures::mixed(), width));
    }
}

#[test]
fn quiet_shows_what_is_not_met() {
    for (name, record) in [("mixed", fixtures::mixed()), ("repeats", fixtures::repeats())] {
        insta::assert_snapshot!(format!("{name}_quiet"), render(&record, Look::of(false, 100, true, false)));
    }
}

#[test]
fn quiet_says_nothing_when_everything_is_met() {
    for name in ["direct", "relayed", "no-path"] {
        assert_eq!(render(&fixtures::of(&[name]), Look::of(true, 80, true, false)), "", "{name}");
    }
    let mut record = fixtures::of(&["direct"]);
    record.interrupted = true;
    assert!(render(&record, Look::of(false, 80, true, false)).contains("interrupted"), "not everything ran");
}

#[test]
fn verbose_shows_candidates_servers_and_checks() {
    for (name, width) in [("relayed", 80), ("relayed", 120), ("crashed", 80), ("refused", 100), ("relayed-tcp", 100)] {
        let text = render(&fixtures::of(&[name]), Look::of(false, width, false, true));
        insta::assert_snapshot!(format!("{name}_{width}_verbose"), text);
    }
}

#[test]
fn in_colour() {
    let text = render(&fixtures::mixed(), Look::of(true, 100, false, false));
    insta::assert_snapshot!("mixed_100_colour", text.replace('\u{1b}', "␛"));
}

#[test]
fn colour_adds_nothing_but_colour() {
    for (name, record) in fixtures::records() {
        for (width, verbose) in [(60, false), (80, true), (120, false)] {
            let coloured = render(&record, Look::of(true, width, false, verbose));
            let bare = render(&record, Look::of(false, width, false, verbose));
            assert!(!bare.contains('\u{1b}'), "{name}");
            assert!(coloured.contains('\u{1b}'), "{name}");
            let stripped = without_sgr(&coloured);
            let stripped: String = stripped.lines().map(|line| format!("{}\n", line.trim_end())).collect();
            assert_eq!(stripped, bare, "{name} at {width}");
        }
    }
}

#[test]
fn no_line_is_too_long_but_for_a_word_that_does_not_fit() {
    let mut records = fixtures::records();
    records.push(("long names", fixtures::long_names(&fixtures::mixed())));
    for (name, record) in records {
        for width in (40..=160).step_by(5) {
            for verbose in [false, true] {
                let text = render(&record, Look::of(false, width, false, verbose));
                for line in text.lines().filter(|line| columns(line) > width) {
                    // A label and one word beside it.
                    let words = line.split_whitespace().count();
                    assert!(words <= 2, "{name} at {width}: {} columns:\n{line}", columns(line));
                }
                assert!(text.lines().all(|line| line == line.trim_end()), "{name} at {width}: spaces at the end");
                assert!(!text.contains("\n\n\n"), "{name} at {width}: two empty lines");
            }
        }
    }
}

#[test]
fn words_are_whole_and_sentences_complete_at_every_width() {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (name, record) in fixtures::records() {
        for width in [40, 60, 80, 100, 140] {
            let text = words(&plain(&record, width));
            for trial in record.trials.iter().filter(|trial| trial.verdict != Verdict::Met).take(1) {
                for diagnosis in &trial.diagnoses {
                    assert!(text.contains(&words(&diagnosis.remedy)), "{name} at {width}: {}", diagnosis.remedy);
                }
                if trial.diagnoses.is_empty() {
                    for reason in &trial.reasons {
                        assert!(text.contains(&words(&reason.text)), "{name} at {width}: {}", reason.text);
                    }
                }
            }
            for trial in record.trials.iter().take(1) {
                let pair = trial.agents.iter().find_map(|agent| agent.selected_pair.as_ref());
                for end in pair.iter().flat_map(|pair| [&pair.local, &pair.remote]) {
                    let said = format!("{} {}:{}", end.kind, end.address, end.port);
                    assert!(text.contains(&said), "{name} at {width}: {said}");
                }
                assert!(text.contains(&trial.verdict.to_string()), "{name} at {width}");
            }
        }
    }
}

#[test]
fn what_an_agent_prints_is_no_command_to_the_terminal() {
    let record = fixtures::of(&["crashed"]);
    let evil = record.trials[0].agents.iter().flat_map(|agent| &agent.log_tail).any(|line| line.contains('\u{1b}'));
    assert!(evil, "the fixture holds an escape sequence");
    for verbose in [false, true] {
        assert!(!render(&record, Look::of(false, 80, false, verbose)).contains('\u{1b}'));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Agents do what they like, and in any order: there is a report all the same.
    #[test]
    fn any_events_after_the_plan_have_a_report(
        name in prop::sample::select(fixtures::ALL.to_vec()),
        order in prop::collection::vec(any::<Index>(), 0..60),
        width in 0usize..200,
        verbose in any::<bool>(),
        quiet in any::<bool>(),
    ) {
        let events = fixtures::events(name);
        let mut shuffled = vec![events[0].clone()];
        shuffled.extend(order.iter().map(|index| index.get(&events).clone()));
        let record = fixtures::record(vec![TrialRecord::of(&shuffled).unwrap()]);
        let text = render(&record, Look::of(false, width, quiet, verbose));
        prop_assert!(text.is_empty() || text.ends_with('\n'));
        prop_assert!(!text.contains('\u{1b}'), "an escape sequence");
        let junit = Format::Junit.render(&record, &Look::of(false, width, quiet, verbose));
        prop_assert!(quick_junit::Report::deserialize_from_str(&junit).is_ok());
    }
}
