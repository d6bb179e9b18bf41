//! `natlab list nats`: what each preset does, axis by axis, and what it rests on.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::output::wrapped;
use crate::nat::preset::{self, Preset};
use crate::nat::stated::duration;
use crate::nat::{Behavior, Translation, UdpPolicy};

/// What stands above the columns of the overview.
const HEAD: [&str; 6] = ["preset", "UDP", "TCP", "ports", "idle", "rests on"];

/// A line for each preset, and below it each preset by itself.
pub fn human(out: &mut impl Write, width: usize) -> io::Result<()> {
    let rows: Vec<[String; 6]> = preset::ALL.iter().map(row).collect();
    let widest = |column: usize| rows.iter().map(|r| r[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..HEAD.len()).map(|c| widest(c).max(HEAD[c].len())).collect();
    let mut line = |cells: &[String]| {
        let padded = cells.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect::<Vec<_>>();
        writeln!(out, "{}", padded.join("  ").trim_end())
    };
    line(&HEAD.map(str::to_owned))?;
    for row in &rows {
        line(row)?;
    }
    for p in &preset::ALL {
        writeln!(out, "\n{}", p.name)?;
        paragraph(out, "", p.summary, width)?;
        let axes: Vec<String> = p.behavior.stated().iter().map(|(key, value)| format!("{key}\u{1f}{value}")).collect();
        paragraph(out, "", &axes.join(", "), width)?;
        for evidence in p.evidence {
            paragraph(out, &format!("{}: ", evidence.kind), evidence.says, width)?;
        }
    }
    writeln!(out, "\n`natlab rules PRESET` prints the rules of one.")
}

/// Indented by two, its further lines by four; a key and its value stay together.
fn paragraph(out: &mut impl Write, before: &str, text: &str, width: usize) -> io::Result<()> {
    for (n, line) in wrapped(&format!("{before}{text}"), width.saturating_sub(4)).into_iter().enumerate() {
        let indent = if n == 0 { "  " } else { "    " };
        writeln!(out, "{indent}{}", line.replace('\u{1f}', " "))?;
    }
    Ok(())
}

fn row(p: &Preset) -> [String; 6] {
    let b = &p.behavior;
    let tcp = b.tcp();
    let short = |mapping: String, filtering: String| match b.translation {
        Translation::Napt => format!("{mapping}/{filtering}"),
        Translation::OneToOne => format!("1:1 {filtering}"),
        Translation::None => format!("public {filtering}"),
    };
    let udp = match b.udp {
        UdpPolicy::Blocked => "blocked".to_owned(),
        UdpPolicy::Allowed => short(b.mapping.to_string(), b.filtering.to_string()),
    };
    let stated = b.stated();
    let of = |key: &str| stated.iter().find(|(k, _)| *k == key).map_or_else(|| "-".to_owned(), |(_, v)| v.clone());
    let strongest = p.evidence.first().map(|e| e.kind.to_string()).unwrap_or_default();
    let strongest = strongest.replace("vendor documentation", "vendor");
    let idle = if of("lifetime") == "-" { "-".to_owned() } else { duration(b.lifetime_ms) };
    [p.name.to_owned(), udp, short(tcp.mapping.to_string(), tcp.filtering.to_string()), of("ports"), idle, strongest]
}

/// Every preset as JSON: name, summary, axes as a scenario states them, evidence.
pub fn all() -> Vec<Value> {
    let one = |p: &Preset| {
        json!({
            "name": p.name,
            "summary": p.summary,
            "classic_name": p.behavior.classic_name(),
            "axes": axes(&p.behavior),
            "evidence": p.evidence,
        })
    };
    preset::ALL.iter().map(one).collect()
}

fn axes(behavior: &Behavior) -> Map<String, Value> {
    behavior.stated().into_iter().map(|(key, value)| (key.to_owned(), Value::from(value))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn text(width: usize) -> String {
        let mut out = vec![];
        human(&mut out, width).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn it_reads_in_eighty_columns() {
        for line in text(80).lines() {
            assert!(line.chars().count() <= 80, "{line}");
            assert!(!line.contains('\u{1b}'), "no colour");
        }
    }

    #[test]
    fn every_preset_is_there_with_its_axes_and_evidence() {
        let words = text(100).split_whitespace().collect::<Vec<_>>().join(" ");
        for p in &preset::ALL {
            assert!(words.contains(p.summary), "{}", p.name);
            for (key, value) in p.behavior.stated() {
                assert!(words.contains(&format!("{key} {value}")), "{}: {key} {value}", p.name);
            }
            for e in p.evidence {
                assert!(words.contains(&format!("{}: {}", e.kind, e.says)), "{}", p.name);
            }
        }
    }

    #[test]
    fn the_json_has_what_the_text_has() {
        let all = all();
        assert_eq!(all.len(), preset::ALL.len());
        let docker = all.iter().find(|p| p["name"] == "docker-bridge").unwrap();
        assert_eq!(docker["axes"]["ports"], "overloading");
        assert_eq!(docker["evidence"][0]["kind"], "vendor-documentation");
    }

    #[test]
    fn the_overview() {
        let overview = text(100);
        insta::assert_snapshot!(overview.split("\n\n").next().unwrap());
    }
}
