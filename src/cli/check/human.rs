//! The report of `natlab check` for people: one line per thing that was looked at. Pure.

use std::fmt::Write as _;

use crate::probe::check::finding::{Conclusion, Finding, Outcome, Report, ServerReport};
use crate::report::human::wrap;

/// Columns before the detail: outcome, transport, subject.
const INDENT: usize = 27;

/// The lines, at most `width` columns wide; colour only repeats the word at their beginning.
pub(super) fn render(report: &Report, width: usize, colour: bool) -> String {
    let mut text = String::new();
    for server in &report.servers {
        text.push_str(&heading(server));
        for finding in &server.checks {
            line(&mut text, finding, width, colour);
        }
        text.push('\n');
    }
    let count = |outcome| report.servers.iter().flat_map(|s| &s.checks).filter(|c| c.outcome == outcome).count();
    let (ok, failed, undecided) = (count(Outcome::Ok), count(Outcome::Failed), count(Outcome::Undecided));
    let verdict = match report.conclusion {
        Conclusion::Ok => "all fine",
        Conclusion::Failed => "something failed",
        Conclusion::Undecided => "undecided",
    };
    // Writing to a string does not fail.
    let _ = write!(text, "{verdict}: {ok} ok, {failed} failed");
    if undecided > 0 {
        let _ = write!(text, ", {undecided} undecided");
    }
    text.push('\n');
    text
}

fn heading(server: &ServerReport) -> String {
    let mut text = server.server.clone();
    if let Some(address) = server.address.filter(|a| !server.server.contains(&a.to_string())) {
        let _ = write!(text, "  {address}");
    }
    if let Some(software) = &server.software {
        let _ = write!(text, "  ({software})");
    }
    text.push('\n');
    text
}

fn line(text: &mut String, finding: &Finding, width: usize, colour: bool) {
    let (word, sgr) = match finding.outcome {
        Outcome::Ok => ("ok", "32"),
        Outcome::Failed => ("FAIL", "1;31"),
        Outcome::NotApplicable => ("--", "2"),
        Outcome::Undecided => ("??", "33"),
    };
    let padded = format!("{word:<4}");
    let word = if colour { format!("\x1b[{sgr}m{padded}\x1b[0m") } else { padded };
    let over = finding.transport.map_or("", |o| o.name());
    let mut lines = wrap(&finding.detail, width - INDENT).into_iter();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(text, "  {word}  {over:<3}  {:<14}{first}", finding.check.name());
    let mut more = |line: &str| {
        let _ = writeln!(text, "{:INDENT$}{line}", "");
    };
    lines.for_each(|l| more(&l));
    if let Some(hint) = &finding.hint {
        wrap(&format!("hint: {hint}"), width - INDENT).iter().for_each(|l| more(l));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::probe::check::finding::Subject;
    use crate::probe::turn::{Cause, Over};

    fn report() -> Report {
        let long = "the server is public and sees this host at 10.0.0.7:40000, which is not public at all";
        Report::of(vec![ServerReport {
            server: "turns:turn.example.org".to_owned(),
            address: Some("192.0.2.7".parse().unwrap()),
            software: Some("Coturn-4.6.1 'Gorst'".to_owned()),
            checks: vec![
                Finding::ok(Subject::Stun, Over::Udp, "round trip 1 / 2 / 3 ms (min/median/max)"),
                Finding::failed(Subject::Certificate, Over::Tls, Cause::CertificateUnknownIssuer, "unknown issuer"),
                Finding::failed(Subject::Mapped, Over::Tls, Cause::NotPublic, long),
                Finding::not_applicable(Subject::Alternates, Over::Udp, "no OTHER-ADDRESS"),
            ],
        }])
    }

    #[test]
    fn it_reads_well_in_80_columns_without_colour() {
        insta::assert_snapshot!(render(&report(), 80, false));
    }

    #[test]
    fn no_line_is_wider_than_it_may_be_and_colour_adds_nothing() {
        for width in [60, 80, 120] {
            let text = render(&report(), width, false);
            assert!(text.lines().all(|l| l.chars().count() <= width), "{text}");
        }
        let coloured = render(&report(), 80, true);
        let plain =
            ["1;31", "32", "33", "2", "0"].iter().fold(coloured, |text, sgr| text.replace(&format!("\x1b[{sgr}m"), ""));
        assert_eq!(plain, render(&report(), 80, false));
    }
}
