//! `natlab replay`: the same record from the same events, and a clear word where that cannot be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use natlab::event::Event;
use natlab::record::{Record, TrialRecord};
use natlab::report::{Format, Look};
use tempfile::TempDir;

use super::fixtures;

/// A directory as `natlab run --out` leaves it.
struct Kept {
    directory: TempDir,
    record: Record,
}

impl Kept {
    fn of(trials: &[Vec<Event>]) -> Kept {
        let directory = tempfile::tempdir().unwrap();
        let mut records = Vec::new();
        for events in trials {
            let record = TrialRecord::of(events).unwrap();
            let place = directory.path().join(&record.id);
            fs::create_dir_all(&place).unwrap();
            let lines: String = events.iter().map(|e| format!("{}\n", serde_json::to_string(e).unwrap())).collect();
            fs::write(place.join("events.jsonl"), lines).unwrap();
            records.push(record);
        }
        let record = Record::new(env!("CARGO_PKG_VERSION"), fixtures::host(), records, false);
        let kept = Kept { directory, record };
        let text = Format::Json.render(&kept.record, &Look::of(false, 80, false, false));
        fs::write(kept.path("record.json"), text).unwrap();
        kept
    }

    fn named(names: &[&str]) -> Kept {
        Kept::of(&names.iter().map(|name| fixtures::events(name)).collect::<Vec<_>>())
    }

    fn write_record(&self, change: impl FnOnce(&mut serde_json::Value)) {
        let mut value = serde_json::to_value(&self.record).unwrap();
        change(&mut value);
        fs::write(self.path("record.json"), serde_json::to_string_pretty(&value).unwrap()).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn events_of(&self, trial: usize) -> PathBuf {
        self.path(&self.record.trials[trial].id).join("events.jsonl")
    }

    fn replay(&self, flags: &[&str]) -> Ended {
        replay(self.directory.path(), flags)
    }
}

/// What is done to a directory.
type Spoil<'a> = &'a dyn Fn(&Kept);

/// How it ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

fn replay(directory: &Path, flags: &[&str]) -> Ended {
    let mut command = Command::cargo_bin("natlab").unwrap();
    command.arg("replay").arg(directory).args(flags).env("COLUMNS", "100").env_remove("NO_COLOR");
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: status.code().unwrap(), out: text(stdout), err: text(stderr) }
}

#[test]
fn the_events_give_the_stored_record_and_its_report() {
    for (names, code) in [
        (&["direct", "relayed", "no-path"][..], 0),
        (&["direct", "unmet-alice", "skipped"], 1),
        (&["skipped", "relayed-tcp"], 4),
        (&[], 5),
    ] {
        let kept = Kept::named(names);
        let ended = kept.replay(&["--format", "json"]);
        assert_eq!((ended.code, ended.err.as_str()), (code, ""), "{names:?}");
        assert!(fs::read_to_string(kept.path("record.json")).unwrap() == ended.out, "{names:?}");
        for (flags, look) in [
            (&[][..], Look::of(false, 100, false, false)),
            (&["-q"], Look::of(false, 100, true, false)),
            (&["-v"], Look::of(false, 100, false, true)),
        ] {
            assert_eq!(kept.replay(flags).out, Format::Human.render(&kept.record, &look), "{names:?} {flags:?}");
        }
        let junit = kept.replay(&["--format", "junit"]);
        assert_eq!(junit.out, Format::Junit.render(&kept.record, &Look::of(false, 100, false, false)));
    }
}

#[test]
fn an_interrupted_run_stays_one() {
    let kept = Kept::named(&["interrupted"]);
    kept.write_record(|record| record["interrupted"] = true.into());
    let ended = kept.replay(&[]);
    assert_eq!(ended.code, 130);
    assert!(ended.out.contains("interrupted: trials are missing or incomplete"), "{}", ended.out);
}

#[test]
fn a_difference_names_trial_and_field_and_is_a_bug_of_the_same_version() {
    let kept = Kept::named(&["direct", "relayed"]);
    kept.write_record(|record| {
        record["trials"][1]["times"]["connectMs"] = 1.5.into();
        record["trials"][0]["agents"][1]["candidatePairs"][0].as_object_mut().unwrap().remove("nominated");
        record["summary"]["met"] = 1.into();
    });
    let ended = kept.replay(&["-q"]);
    assert_eq!(ended.code, 70, "{}", ended.err);
    for said in [
        "trial symmetric/alice-offers: .trials[1].times.connectMs: stored 1.5, computed 52",
        "trial full-cone/alice-offers: .trials[0].agents[1].candidatePairs[0].nominated: stored nothing, computed ",
        ".summary.met: stored 1, computed 2",
        "bug in natlab",
    ] {
        assert!(ended.err.contains(said), "{said}\n{}", ended.err);
    }
}

#[test]
fn another_version_may_have_computed_another_record() {
    let kept = Kept::named(&["direct"]);
    kept.write_record(|record| {
        record["natlabVersion"] = "0.0.9".into();
        record["trials"][0]["outcome"] = "relayed".into();
    });
    let ended = kept.replay(&[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("natlab 0.0.9 computed another record"), "{}", ended.err);
    assert!(ended.err.contains(".trials[0].outcome: stored \"relayed\", computed \"direct\""), "{}", ended.err);
}

#[test]
fn another_schema_version_is_said_and_not_compared() {
    let kept = Kept::named(&["direct"]);
    kept.write_record(|record| {
        record["schemaVersion"] = 99.into();
        record["trials"][0]["verdict"] = "splendid".into();
    });
    let ended = kept.replay(&[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains("has schema version 99, this natlab writes version 1"), "{}", ended.err);
    assert!(ended.out.contains("1 trial: 1 met"), "{}", ended.out);
}

#[test]
fn a_torn_last_line_is_left_out_with_a_note() {
    let kept = Kept::named(&["direct"]);
    let path = kept.events_of(0);
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().count();
    fs::write(&path, &text[..text.len() - 9]).unwrap();
    let ended = kept.replay(&[]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.err.contains(&format!("events.jsonl:{lines}: the last line is cut off")), "{}", ended.err);
    assert!(ended.err.contains("not compared"), "{}", ended.err);
    // A whole line that only lacks its end is an event like any other.
    fs::write(&path, text.trim_end()).unwrap();
    let ended = kept.replay(&[]);
    assert_eq!((ended.code, ended.err.as_str()), (0, ""));
}

#[test]
fn a_killed_run_is_replayed_without_its_record() {
    let kept = Kept::named(&["direct", "unmet-alice"]);
    fs::write(kept.path("record.json"), "").unwrap();
    fs::create_dir_all(kept.path("later/bob-offers")).unwrap();
    fs::write(kept.path("later/bob-offers/events.jsonl"), "").unwrap();
    fs::create_dir_all(kept.path("later/alice-offers")).unwrap();
    fs::write(kept.path("later/alice-offers/events.jsonl"), "{\"seq\":0,\"t_us\":0,\"event\":\"pl").unwrap();
    let ended = kept.replay(&[]);
    assert_eq!(ended.code, 130, "{}", ended.err);
    assert!(ended.err.contains("is empty, since the run was killed"), "{}", ended.err);
    assert!(ended.err.contains("no event is whole, so the trial is left out"), "{}", ended.err);
    assert!(ended.out.contains("2 trials: 1 met, 1 unmet"), "{}", ended.out);
}

#[test]
fn bad_directories_are_told_with_file_and_line() {
    let damage = |spoil: Spoil<'_>| {
        let kept = Kept::named(&["direct"]);
        spoil(&kept);
        let ended = kept.replay(&[]);
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{}", ended.err);
        assert!(ended.err.contains("hint: "), "{}", ended.err);
        ended.err
    };
    let line = |kept: &Kept, number: usize, change: &dyn Fn(&str) -> String| {
        let path = kept.events_of(0);
        let text = fs::read_to_string(&path).unwrap();
        let changed = text.lines().enumerate().map(|(i, l)| if i + 1 == number { change(l) } else { format!("{l}\n") });
        fs::write(&path, changed.collect::<String>()).unwrap();
    };
    let cases: [(Spoil<'_>, &str); 12] = [
        (&|kept| fs::remove_file(kept.path("record.json")).unwrap(), "holds no record.json"),
        (&|kept| fs::write(kept.path("record.json"), "{\n\"trials\": [,\n").unwrap(), "record.json:2: not a record: "),
        (&|kept| fs::write(kept.path("record.json"), [0xff, 0xfe, 0]).unwrap(), "record.json:1: not a record: "),
        (&|kept| fs::write(kept.path("record.json"), "[]").unwrap(), "`trials` is missing"),
        (&|kept| kept.write_record(|r| r["schemaVersion"] = "one".into()), "`schemaVersion` is missing"),
        (&|kept| kept.write_record(|r| r["trials"][0]["id"] = "../outside".into()), "is not the name of a trial"),
        (&|kept| fs::remove_file(kept.events_of(0)).unwrap(), "failed to read "),
        (
            &|kept| fs::write(kept.events_of(0), "").unwrap(),
            "events.jsonl:1: the first event is not the plan of a trial",
        ),
        (&|kept| line(kept, 3, &|_| "not json\n".into()), "events.jsonl:3: not an event: expected ident"),
        (&|kept| line(kept, 4, &|_| "{\"seq\":3,\"t_us\":1,\"event\":\"tea\"}\n".into()), "unknown variant `tea`"),
        (&|kept| line(kept, 5, &|_| String::new()), "events.jsonl:5: event 5 where 4 is due"),
        (
            &|kept| fs::write(kept.events_of(0), fixtures::text("relayed")).unwrap(),
            "the events are those of trial symmetric/alice-offers, not of full-cone/alice-offers",
        ),
    ];
    for (spoil, said) in cases {
        let err = damage(spoil);
        assert!(err.contains(said), "{said}\n{err}");
    }
}

#[test]
fn what_is_no_directory_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let ended = replay(&directory.path().join("nowhere"), &[]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains("failed to read") && ended.err.contains("nowhere"), "{}", ended.err);
    let kept = Kept::named(&["direct"]);
    let ended = replay(&kept.path("record.json"), &[]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("name the directory that `natlab run --out DIR` wrote, not a file in it"),
        "{}",
        ended.err
    );
}

#[test]
fn quiet_and_verbose_exclude_each_other() {
    assert_eq!(Kept::named(&[]).replay(&["-q", "-v"]).code, 2);
}
