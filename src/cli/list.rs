//! `natlab list`: what can be named on the command line and in scenarios.

mod nats;

use std::io::{self, Write};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::exit::Exit;
use super::output::{Format, terminal_width, wrapped};
use crate::nat::preset;
use crate::scenario::{parse, shipped};

/// Columns where nobody says how many there are.
const WIDTH: usize = 100;

/// `natlab list`.
#[derive(Debug, Args)]
pub struct List {
    /// Only these, and more about each.
    #[arg(value_enum)]
    what: Option<What>,
    /// How the list is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum What {
    /// The presets of NATs and firewalls: every axis, and what each rests on.
    Nats,
    /// The shipped scenarios.
    Scenarios,
}

/// Prints the presets and the shipped scenarios, or one of both.
pub fn run(list: &List, out: &mut impl Write) -> Exit {
    let width = terminal_width().unwrap_or(WIDTH);
    let printed = match (list.format, list.what) {
        (Format::Human, None) => everything(out, width),
        (Format::Human, Some(What::Nats)) => nats::human(out, width),
        (Format::Human, Some(What::Scenarios)) => scenarios(out, width),
        (Format::Json, what) => as_json(out, what),
    };
    super::output::written(printed.and_then(|()| out.flush()))
}

fn as_json(out: &mut impl Write, what: Option<What>) -> io::Result<()> {
    let scenarios = || -> Vec<_> {
        shipped::all().iter().map(|s| json!({ "name": s.name, "summary": summary(s), "file": s.file() })).collect()
    };
    let value = match what {
        Some(What::Nats) => json!(nats::all()),
        Some(What::Scenarios) => json!(scenarios()),
        None => json!({ "nats": nats::all(), "scenarios": scenarios() }),
    };
    writeln!(out, "{value:#}")
}

fn scenarios(out: &mut impl Write, width: usize) -> io::Result<()> {
    let scenarios: Vec<_> = shipped::all().iter().map(|s| (s.name, summary(s))).collect();
    let names = scenarios.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    table(out, &scenarios, names, width)
}

fn everything(out: &mut impl Write, width: usize) -> io::Result<()> {
    let presets: Vec<_> = preset::ALL.iter().map(|p| (p.name, p.summary.to_owned())).collect();
    let scenarios: Vec<_> = shipped::all().iter().map(|s| (s.name, summary(s))).collect();
    let names = presets.iter().chain(&scenarios).map(|(name, _)| name.len()).max().unwrap_or(0);
    writeln!(out, "presets (`preset = \"…\"` in a scenario; `natlab list nats` says more)")?;
    table(out, &presets, names, width)?;
    writeln!(out, "\nscenarios (`natlab run SCENARIO`)")?;
    table(out, &scenarios, names, width)
}

/// The first sentence of what a scenario says that it shows.
fn summary(scenario: &shipped::Shipped) -> String {
    let description = match parse(&scenario.file(), scenario.text.as_bytes()) {
        Ok(parsed) => parsed.description,
        // A test holds the shipped ones to being without mistakes; should one have some, it is still listed.
        Err(_) => scenario.description(),
    };
    let first = description.lines().next().unwrap_or_default();
    first.split_inclusive(". ").next().unwrap_or(first).trim_end().trim_end_matches('.').to_owned()
}

fn table(out: &mut impl Write, rows: &[(&str, String)], names: usize, width: usize) -> io::Result<()> {
    for (name, text) in rows {
        let mut name = *name;
        for line in wrapped(text, width.saturating_sub(names + 4)) {
            writeln!(out, "  {name:names$}  {line}")?;
            name = "";
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(width: usize) -> String {
        let mut out = vec![];
        everything(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_preset_and_every_scenario_has_a_line() {
        let out = text(400);
        for p in &preset::ALL {
            assert!(out.lines().any(|l| l.contains(p.name) && l.contains(p.summary)), "{out}");
        }
        for s in shipped::all() {
            assert!(
                out.lines().any(|l| l.split_whitespace().next() == Some(s.name) && l.len() > s.name.len() + 30),
                "{out}"
            );
        }
    }

    #[test]
    fn a_narrow_terminal_breaks_between_words() {
        for width in [60, 100] {
            let out = text(width);
            for line in out.lines().filter(|l| l.starts_with("  ")) {
                assert!(line.chars().count() <= width, "{line}");
            }
        }
        assert!(text(1).lines().count() > text(100).lines().count(), "squeezed, but all there");
    }
}
