//! What a run leaves: events, rules, captures, a record that can be computed again.

use std::process::Command;

use libtest_mimic::Trial;
use serde_json::Value;

use super::command::{Files, Run, natlab, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("records::replay_gives_the_same_record", replay),
        test("records::captures_hold_every_node", captures),
        test("records::junit_is_xml", junit),
        test("records::a_prediction_is_stored_before_anything_runs", prediction_first),
    ]
}

fn replay() {
    let files = Files::new();
    let out = files.path().join("out");
    let scenarios =
        ["symmetric", "no-turn", "wrong-turn-credentials", "roles", "udp-blocked-turn-tcp", "role-conflict"];
    let run = Run::of(scenarios.into_iter().chain(["--out", out.to_str().expect("a path")]));
    assert_eq!(run.code, 0, "{}", run.told());
    let kept: Value =
        serde_json::from_str(&std::fs::read_to_string(out.join("record.json")).expect("record.json")).expect("JSON");
    assert_eq!(kept, run.record, "what is printed is what is kept");
    let output = natlab().args(["replay", "--format", "json"]).arg(&out).output().expect("natlab replay");
    let again = Run::from(&output);
    assert_eq!(again.code, 0, "{}", again.stderr);
    assert_eq!(again.record, run.record, "computed from the events alone");
    for file in ["symmetric/alice-offers/home.nft", "symmetric/bob-offers/office.nft"] {
        let rules = std::fs::read_to_string(out.join(file)).expect(file);
        assert!(rules.contains("table ip natlab"), "{rules}");
    }
}

fn captures() {
    let files = Files::new();
    let out = files.path().join("out");
    let run =
        Run::of(["full-cone", "--trial", "full-cone/alice-offers", "--pcap", "--out", out.to_str().expect("a path")]);
    assert_eq!(run.code, 0, "{}", run.told());
    let directory = out.join("full-cone/alice-offers");
    for node in ["alice", "bob", "internet", "stun"] {
        let bytes = std::fs::read(directory.join(format!("{node}.pcapng"))).expect(node);
        assert_eq!(bytes.get(..4), Some(&[0x0a, 0x0d, 0x0d, 0x0a][..]), "{node}: section header block");
        assert!(bytes.len() > 500, "{node}: {} bytes", bytes.len());
    }
    let capture = directory.join("alice.pcapng");
    let bad = ["udp.checksum.status == \"Bad\" || tcp.checksum.status == \"Bad\" || ip.checksum.status == \"Bad\""];
    let tshark = Command::new("tshark")
        .args(["-o", "udp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-r"])
        .arg(&capture)
        .args(["-Y"])
        .args(bad)
        .output();
    // A second opinion where it is installed; the writer's own tests check the sums everywhere.
    if let Ok(output) = tshark {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "checksums as on a wire");
    }
}

fn junit() {
    let output = natlab().args(["run", "full-cone", "--format", "junit"]).output().expect("natlab run");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.starts_with("<?xml") && text.contains("<testcase") && !text.contains("<failure"), "{text}");
}

fn prediction_first() {
    let files = Files::new();
    let out = files.path().join("out");
    let run = Run::of(["full-cone", "--out", out.to_str().expect("a path")]);
    assert_eq!(run.code, 0, "{}", run.told());
    let events = std::fs::read_to_string(out.join("full-cone/alice-offers/events.jsonl")).expect("events");
    let first: Value = serde_json::from_str(events.lines().next().expect("an event")).expect("JSON");
    assert_eq!((&first["event"], &first["seq"]), (&Value::from("plan"), &Value::from(0)));
    assert_eq!(first["trial"]["prediction"]["outcomes"], serde_json::json!(["direct"]));
}
