//! How runs end: interrupted, on a full disk, without rights, with nothing selected.

use std::process::Stdio;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use super::command::{Files, Run, natlab, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("endings::an_interrupt_tears_down_and_keeps_the_partial_record", interrupt),
        test("endings::nothing_selected", nothing_selected),
        test("endings::one_trial_again", one_trial),
        test("endings::an_output_directory_that_cannot_be_written", unwritable),
        test("endings::a_shipped_scenario_by_name_from_anywhere", by_name),
        test("endings::a_gateway_that_is_not_as_declared_voids_the_trial", void),
    ]
}

/// Waits for something with a deadline.
fn soon(what: &str, mut condition: impl FnMut() -> bool) {
    let limit = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < limit, "waited too long for {what}");
        std::thread::yield_now();
    }
}

fn interrupt() {
    let files = Files::new();
    let out = files.path().join("out");
    // An agent that says that it lives and nothing else: the trial would run until its deadline.
    let lives = files.path().join("lives");
    let scenario = "deadline = \"60s\"\n[nat.a]\npreset = \"symmetric\"\n[nat.b]\npreset = \"symmetric\"\n\
         [peer.alice]\nbehind = \"a\"\nagent = { command = [\"sh\", \"-c\", \"touch LIVES; exec sleep 1000\"] }\n\
         [peer.bob]\nbehind = \"b\"\n[server.stun]\ntype = \"stun\"\n[[expect]]\noutcome = \"no-path\"\n";
    let scenario = files.write("long.toml", &scenario.replace("LIVES", &lives.display().to_string()));
    let child = natlab()
        .args(["run", "--format", "json", "--out"])
        .args([&out, &scenario])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("natlab run");
    let events = out.join("long/alice-offers/events.jsonl");
    soon("the agent to be started", || lives.exists());
    let sent = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let run = Run::from(&child.wait_with_output().expect("the end of natlab"));
    assert_eq!(run.code, 130, "{}", run.told());
    assert_eq!(run.record["interrupted"], true);
    assert!(!run.trials().is_empty(), "the partial record names what ran");
    assert!(run.trials().iter().all(|t| t["verdict"] == "inconclusive"), "{}", run.told());
    assert!(out.join("record.json").metadata().is_ok_and(|m| m.len() > 0));
    assert!(std::fs::read_to_string(&events).expect("events").contains("\"event\":\"plan\""));
}

fn nothing_selected() {
    let run = Run::of(["full-cone", "--trial", "full-cone/nobody-offers"]);
    assert_eq!(run.code, 5, "{}", run.told());
}

fn one_trial() {
    let run = Run::of(["full-cone", "--trial", "full-cone/bob-offers"]);
    assert_eq!((run.code, run.trials().len()), (0, 1), "{}", run.told());
    assert_eq!(run.trials()[0]["id"], "full-cone/bob-offers");
}

fn unwritable() {
    let files = Files::new();
    let blocked = files.write("file", "not a directory");
    let output = natlab().args(["run", "full-cone", "--out"]).arg(&blocked).output().expect("natlab run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains("hint:") && stderr.contains("--out"), "{stderr}");
}

fn by_name() {
    let files = Files::new();
    for name in ["full-cone", "full-cone.toml"] {
        let output = natlab().current_dir(files.path()).args(["run", "-q", name]).output().expect("natlab run");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "quiet and met: nothing to say");
    }
}

/// A plan whose declaration was changed after its rules were derived: the measurement must notice.
fn void() {
    let files = Files::new();
    let plan = natlab().args(["lab", "plan", "full-cone"]).output().expect("natlab lab plan");
    let plan = String::from_utf8(plan.stdout).expect("JSON");
    let mut trial: serde_json::Value = serde_json::from_str(plan.lines().next().expect("a trial")).expect("JSON");
    trial["measurements"][0]["declared"]["filtering"] = "apdf".into();
    let path = files.write("plan.json", &trial.to_string());
    let output = natlab().args(["lab", "rerun"]).arg(&path).output().expect("natlab lab rerun");
    let run = Run::from(&output);
    assert_eq!(run.code, 4, "{}", run.told());
    assert_eq!(run.trials()[0]["verdict"], "void", "{}", run.told());
    let reasons = run.trials()[0]["reasons"].to_string().to_lowercase();
    assert!(reasons.contains("filtering"), "both behaviours are shown: {reasons}");
}
