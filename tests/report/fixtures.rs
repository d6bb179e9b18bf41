//! Records to report on.

use natlab::event::{Event, Happened};
use natlab::nat::Mapping;
use natlab::record::{HostInfo, Record, TrialRecord};

/// Every fixture.
pub const ALL: [&str; 14] = [
    "chain",
    "crashed",
    "direct",
    "interrupted",
    "lossy",
    "no-path",
    "refused",
    "relayed",
    "relayed-tcp",
    "roles-alice",
    "roles-bob",
    "skipped",
    "unmet-alice",
    "unmet-bob",
];

/// The stored lines of a trial.
pub fn text(name: &str) -> String {
    let path = format!("{}/tests/fixtures/records/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(&path).expect(&path)
}

/// The same as events.
pub fn events(name: &str) -> Vec<Event> {
    text(name).lines().map(|line| serde_json::from_str(line).expect(line)).collect()
}

/// A trial's record.
pub fn trial(name: &str) -> TrialRecord {
    TrialRecord::of(&events(name)).unwrap()
}

/// A trial whose first gateway was found to do something else than declared, and which ended there.
pub fn void() -> Vec<Event> {
    let mut events = events("direct");
    let is_measured = |e: &Event| matches!(e.what, Happened::NatMeasured { .. });
    let last = events.iter().rposition(is_measured).unwrap();
    events.truncate(last + 1);
    let first = events.iter_mut().find(|e| is_measured(e)).unwrap();
    if let Happened::NatMeasured { declared, measured, differences, .. } = &mut first.what {
        measured.mapping = Some(Mapping::AddressAndPortDependent);
        *differences = measured.differences(declared);
    }
    events.push(Event { seq: last as u64 + 1, t_us: 60_000, what: Happened::Finished });
    events
}

/// Another repeat of the same trial.
pub fn again(name: &str, repeat: u32) -> Vec<Event> {
    let mut events = events(name);
    if let Happened::Plan { trial } = &mut events[0].what {
        trial.repeat = repeat;
        trial.id = format!("{}#{repeat}", trial.id);
    }
    events
}

/// Where the trials ran.
pub fn host() -> HostInfo {
    HostInfo {
        kernel: "6.12.0".into(),
        machine: "x86_64".into(),
        cpus: 2,
        privileges: "user namespace".into(),
        privileges_reason: None,
    }
}

/// A record of trials.
pub fn record(trials: Vec<TrialRecord>) -> Record {
    Record::new("0.1.0", host(), trials, false)
}

/// A record of fixtures.
pub fn of(names: &[&str]) -> Record {
    record(names.iter().map(|name| trial(name)).collect())
}

/// One trial of every verdict, and a role swap that is a finding.
pub fn mixed() -> Record {
    let mut record = of(&["relayed", "roles-alice", "roles-bob", "crashed", "skipped", "interrupted"]);
    record.trials.push(TrialRecord::of(&void()).unwrap());
    Record::new("0.1.0", host(), record.trials, true)
}

/// Five repeats of one offer direction, one of which is not met.
pub fn repeats() -> Record {
    let mut trials: Vec<TrialRecord> = vec![trial("roles-bob")];
    trials.extend((2..=4).map(|n| TrialRecord::of(&again("roles-bob", n)).unwrap()));
    trials.extend(
        (1..=3).map(|n| if n == 1 { trial("roles-alice") } else { TrialRecord::of(&again("roles-alice", n)).unwrap() }),
    );
    record(trials)
}

/// The same with the longest names that nodes can have.
pub fn long_names(record: &Record) -> Record {
    let text = serde_json::to_string(record).unwrap();
    let long = ["alice", "bob", "home", "office"];
    let text = long
        .iter()
        .fold(text, |text, name| text.replace(&format!("\"{name}\""), &format!("\"{}\"", &name.repeat(11)[..32])));
    serde_json::from_str(&text).unwrap()
}

/// Every record there is, by name.
pub fn records() -> Vec<(&'static str, Record)> {
    let mut records: Vec<(&str, Record)> = ALL.iter().map(|name| (*name, of(&[name]))).collect();
    records.push(("unmet", of(&["unmet-alice", "unmet-bob"])));
    records.push(("void", record(vec![TrialRecord::of(&void()).unwrap()])));
    records.push(("roles", of(&["roles-alice", "roles-bob"])));
    records.push(("repeats", repeats()));
    records.push(("mixed", mixed()));
    records.push(("nothing", record(Vec::new())));
    records
}
