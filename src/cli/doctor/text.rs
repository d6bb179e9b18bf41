//! A diagnosis as text for people, and as JSON. Pure.

use std::fmt::Write as _;

use serde::Serialize;

use super::super::output::wrapped;
use super::remedy::{Place, Remedy, remedies};
use crate::lab::isolate::Way;
use crate::lab::preflight::{Facts, Finding, State, sufficient};

/// Of the JSON below; raised when a field changes its meaning or goes.
pub const SCHEMA_VERSION: u32 = 1;

/// What a host can run, and what would help.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Diagnosis {
    /// See [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Version of natlab.
    pub natlab: &'static str,
    /// Whether scenarios run here.
    pub runs: bool,
    /// How natlab got its rights, if it did.
    pub way: Option<Way>,
    /// Ways that were refused.
    pub refused: Vec<Refusal>,
    /// What was tried.
    pub findings: Vec<Tried>,
    /// What helps.
    pub remedies: Vec<Remedy>,
    /// What the host says about itself.
    pub facts: Facts,
}

/// A way that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// Which.
    pub way: Way,
    /// In the kernel's words.
    pub why: String,
}

/// A finding with what people want to know about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tried {
    /// Facility, state, detail.
    #[serde(flatten)]
    pub finding: Finding,
    /// In a few words.
    pub title: &'static str,
    /// What does not work without it.
    pub needed_for: &'static str,
    /// Whether scenarios cannot run without it.
    pub required: bool,
}

impl Diagnosis {
    /// From what was tried; `way` is `None` when there is no inner process, and then there are no findings.
    pub fn new(facts: Facts, way: Option<Way>, refused: &[(Way, String)], findings: &[Finding], program: &str) -> Self {
        let tried = |f: &Finding| Tried {
            title: f.facility.title(),
            needed_for: f.facility.needed_for(),
            required: f.facility.required(),
            finding: f.clone(),
        };
        Diagnosis {
            schema_version: SCHEMA_VERSION,
            natlab: env!("CARGO_PKG_VERSION"),
            runs: way.is_some() && sufficient(findings),
            way,
            refused: refused.iter().map(|(way, why)| Refusal { way: *way, why: why.clone() }).collect(),
            findings: findings.iter().map(tried).collect(),
            remedies: remedies(&facts, refused, findings, program),
            facts,
        }
    }

    /// For people, `width` columns wide where lines can be broken.
    pub fn text(&self, width: usize) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = self.write(&mut out, width);
        out
    }

    fn write(&self, out: &mut String, width: usize) -> std::fmt::Result {
        let host = wrapped(&format!("natlab {} on {}", self.natlab, self.host()), width).join("\n  ");
        writeln!(out, "{host}")?;
        match (self.runs, self.way) {
            (true, Some(way)) => writeln!(out, "scenarios run here ({})", way.describe())?,
            _ => writeln!(out, "scenarios cannot run here")?,
        }
        for r in &self.refused {
            writeln!(out, "  refused  {}: {}", r.way.describe(), r.why)?;
        }
        if !self.findings.is_empty() {
            out.push('\n');
        }
        let titles = self.findings.iter().map(|t| t.title.len()).max().unwrap_or(0);
        for t in self.findings.iter().filter(|t| t.finding.state != State::Untried) {
            let state = t.finding.state;
            let mut detail = wrapped(&t.finding.detail, width.saturating_sub(titles + 13));
            if state != State::Ok {
                detail.extend(wrapped(&format!("needed for: {}", t.needed_for), width.saturating_sub(titles + 13)));
            }
            for (place, line) in detail.iter().enumerate() {
                let (word, title) = if place == 0 { (state.word(), t.title) } else { ("", "") };
                writeln!(out, "  {word:<8} {title:titles$}  {line}")?;
            }
        }
        let untried: Vec<&str> =
            self.findings.iter().filter(|t| t.finding.state == State::Untried).map(|t| t.title).collect();
        if !untried.is_empty() {
            let text = format!("{} (what they build on is missing)", untried.join(", "));
            for (place, line) in wrapped(&text, width.saturating_sub(11)).iter().enumerate() {
                writeln!(out, "  {:<8} {line}", if place == 0 { State::Untried.word() } else { "" })?;
            }
        }
        for (heading, place) in [
            ("what helps", Place::Here),
            ("what helps, where the container is started", Place::Container),
            ("what helps in CI", Place::Ci),
        ] {
            let all: Vec<&Remedy> = self.remedies.iter().filter(|r| r.place == place).collect();
            let Some(first) = all.first() else { continue };
            // Said once where it holds for all.
            let untried = first.untried.filter(|why| all.iter().all(|r| r.untried == Some(*why)));
            let heading = untried.map_or_else(|| heading.to_owned(), |why| format!("{heading} (not tried: {why})"));
            let heading = wrapped(&format!("{heading}:"), width).join("\n");
            writeln!(out, "\n{heading}")?;
            all.into_iter().try_for_each(|r| remedy(out, r, untried.is_none(), width))?;
        }
        Ok(())
    }

    fn host(&self) -> String {
        let f = &self.facts;
        let mut parts = vec![format!("Linux {}", f.kernel)];
        parts.extend(f.distribution.clone());
        parts.extend(f.container.as_ref().map(|c| format!("in a container, by its marks ({c})")));
        parts.extend(f.ci.clone());
        parts.push(if f.uid == 0 { "as root".to_owned() } else { format!("as user {}", f.uid) });
        parts.join(", ")
    }
}

fn remedy(out: &mut String, r: &Remedy, say_untried: bool, width: usize) -> std::fmt::Result {
    let mut text = r.what.clone();
    if let Some(instead) = r.untried.filter(|_| say_untried) {
        let _ = write!(text, " (not tried: {instead})");
    }
    for (place, line) in wrapped(&text, width.saturating_sub(4)).iter().enumerate() {
        writeln!(out, "  {} {line}", if place == 0 { "-" } else { " " })?;
    }
    r.lines.iter().try_for_each(|line| writeln!(out, "      {line}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::lab::preflight::Facility;

    fn facts() -> Facts {
        Facts {
            kernel: "6.8.0".into(),
            distribution: Some("Debian 12".into()),
            uid: 1000,
            user_namespaces: true,
            ..Facts::default()
        }
    }

    fn found(state: impl Fn(Facility) -> State) -> Vec<Finding> {
        let finding = |f| Finding { facility: f, state: state(f), detail: "words".into() };
        Facility::ALL.into_iter().map(finding).collect()
    }

    #[test]
    fn a_host_where_all_is_well() {
        let d = Diagnosis::new(facts(), Some(Way::UserNamespace), &[], &found(|_| State::Ok), "/opt/natlab");
        let text = d.text(100);
        assert!(d.runs);
        assert!(
            text.contains("on Linux 6.8.0, Debian 12, as user 1000\nscenarios run here (user namespace)\n"),
            "{text}"
        );
        assert_eq!(text.matches("\n  ok ").count(), Facility::ALL.len());
        assert!(!text.contains("helps"), "{text}");
    }

    #[test]
    fn a_narrow_terminal_gets_short_lines() {
        let long = "a detail that is much longer than what is left of the line, word after word";
        let facts = Facts { container: Some("podman".to_owned()), ..facts() };
        let finding = |f| Finding { facility: f, state: State::Missing, detail: long.into() };
        let findings: Vec<Finding> = Facility::ALL.into_iter().map(finding).collect();
        let text = Diagnosis::new(facts, Some(Way::UserNamespace), &[], &findings, "/opt/natlab").text(80);
        let found = text.split("\nwhat helps").next().unwrap();
        assert!(found.lines().all(|l| l.chars().count() <= 80), "{found}");
        assert!(text.matches("needed for:").count() >= Facility::ALL.len(), "{text}");
    }

    #[test]
    fn plain_root_is_told_with_its_reason() {
        let refused = [(Way::UserNamespace, "No space left on device".to_owned())];
        let facts = Facts { uid: 0, ..facts() };
        let d = Diagnosis::new(facts, Some(Way::PlainRoot), &refused, &found(|_| State::Ok), "/opt/natlab");
        let text = d.text(100);
        assert!(
            text.contains("scenarios run here (plain root)\n  refused  user namespace: No space left on device\n"),
            "{text}"
        );
        assert!(!text.contains("helps"), "{text}");
    }

    #[test]
    fn a_host_that_refuses_everything_gets_commands() {
        let refused = [(Way::UserNamespace, "unshare(user, mount, net, pid): No space left on device".to_owned())];
        let facts = Facts { max_user_namespaces: Some(0), ..facts() };
        let d = Diagnosis::new(facts, None, &refused, &[], "/opt/natlab");
        assert!(!d.runs);
        let text = d.text(100);
        assert!(text.contains("scenarios cannot run here\n  refused  user namespace: unshare"), "{text}");
        assert!(text.contains("\nwhat helps:\n  - allow namespaces"), "{text}");
        assert!(text.contains("\n      sudo sysctl -w user.max_user_namespaces=15000\n"), "{text}");
    }

    #[test]
    fn programs_read_the_same() {
        let all = found(|f| if f == Facility::Bridges { State::Limited } else { State::Ok });
        let d = Diagnosis::new(facts(), Some(Way::UserNamespace), &[], &all, "/opt/natlab");
        let json = serde_json::to_value(&d).unwrap();
        assert_eq!(json["schema_version"], 1);
        assert_eq!((&json["runs"], &json["way"]), (&true.into(), &"user-namespace".into()));
        assert_eq!(json["findings"][3]["facility"], "bridges");
        assert_eq!(
            (&json["findings"][3]["state"], &json["findings"][3]["required"]),
            (&"limited".into(), &false.into())
        );
        assert!(d.text(100).contains("needed for: scenarios with several nodes"), "{}", d.text(100));
    }
}
