//! `docs/record.md` names every field of a record, and no other.

use std::collections::{BTreeMap, BTreeSet};

use natlab::verdict::{Outcome, UnknownCause};
use serde_json::Value;

use super::fixtures;

/// Objects by their place, such as `trials[].nats[]`, each with its fields.
type Fields = BTreeMap<String, BTreeSet<String>>;

/// Inside these stands what an agent said, in its own words.
const FREE: [&str; 1] = ["trials[].agents[].timers"];
/// The same fields in several places are described once.
const SAME: [(&str, &str); 3] = [
    ("trials[].nats[].measurement.declared", "trials[].nats[].declared"),
    ("trials[].agents[].behavior", "trials[].nats[].declared"),
    ("trials[].agents[].remoteCandidates[]", "trials[].agents[].localCandidates[]"),
];

fn walk(place: &str, value: &Value, found: &mut Fields) {
    if FREE.contains(&place) {
        return;
    }
    let place = SAME.iter().find(|(same, _)| *same == place).map_or(place, |(_, described)| described);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.entry(place.to_owned()).or_default().insert(name.clone());
                walk(format!("{place}.{name}").trim_start_matches('.'), value, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(&format!("{place}[]"), item, found)),
        _ => {}
    }
}

/// Headings name the places, first cells of tables the fields.
fn described(text: &str) -> Fields {
    let mut found = Fields::new();
    let mut place = None;
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            place = heading.split('`').nth(1).map(|name| if name == "record.json" { "" } else { name }.to_owned());
        } else if let (Some(place), Some(row)) = (&place, line.strip_prefix("| `")) {
            let name = row.split('`').next().unwrap();
            assert!(
                found.entry(place.clone()).or_default().insert(name.to_owned()),
                "{place}.{name} stands there twice"
            );
        }
    }
    found
}

#[test]
fn every_field_is_described_and_every_described_field_exists() {
    let mut exist = Fields::new();
    for (_, record) in fixtures::records() {
        walk("", &serde_json::to_value(&record).unwrap(), &mut exist);
    }
    // What none of the recorded trials has.
    let mut trials = fixtures::repeats().trials;
    trials.iter_mut().for_each(|trial| trial.outcome = Outcome::Unknown(UnknownCause::Crashed));
    let mut record = fixtures::record(trials);
    record.host.privileges_reason = Some("refused".into());
    walk("", &serde_json::to_value(&record).unwrap(), &mut exist);
    let path = format!("{}/docs/record.md", env!("CARGO_MANIFEST_DIR"));
    let described = described(&std::fs::read_to_string(path).unwrap());
    let lines = |fields: &Fields| {
        let all = fields.iter().flat_map(|(place, names)| names.iter().map(move |name| format!("{place}.{name}")));
        all.collect::<BTreeSet<String>>()
    };
    let (exist, described) = (lines(&exist), lines(&described));
    assert_eq!(exist.difference(&described).collect::<Vec<_>>(), [""; 0], "not described in docs/record.md");
    assert_eq!(described.difference(&exist).collect::<Vec<_>>(), [""; 0], "in docs/record.md, but in no record");
}
