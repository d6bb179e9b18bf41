//! Programs that are not natlab's own: an ICE agent in another language, which is the proof of the protocol, and coturn; and
//! that no others are started.

use std::path::PathBuf;

use libtest_mimic::Trial;

use super::command::{Files, Run, test};

/// Python with the packages of `agents/aioice/requirements.txt`; `scripts/test` makes one.
const PYTHON: &str = "NATLAB_PYTHON";

pub fn tests() -> Vec<Trial> {
    let python = std::env::var(PYTHON).ok().filter(|p| !p.is_empty());
    let missing = python.is_none() && std::env::var("CI").as_deref() != Ok("true");
    if missing {
        eprintln!("ignored, {PYTHON} names no Python with aioice (scripts/test makes one): foreign::*");
    }
    let no_coturn = is_missing("turnserver", "foreign::coturn");
    let no_strace = is_missing("strace", "foreign::only_natlab_is_started");
    let python = python.unwrap_or_default();
    let cases = [("direct", "port-restricted-cone", "direct"), ("relayed", "symmetric", "relayed")];
    let mut tests = vec![
        test("foreign::coturn", relayed_by_coturn).with_ignored_flag(no_coturn),
        test("foreign::only_natlab_is_started", only_natlab).with_ignored_flag(no_strace),
    ];
    tests.extend(cases.into_iter().map(|(name, preset, outcome)| {
        let python = python.clone();
        test(format!("foreign::aioice_{name}"), move || run(&python, preset, outcome)).with_ignored_flag(missing)
    }));
    tests
}

/// Whether a test is left out because a program is not there; in CI it is not, and fails.
fn is_missing(program: &str, tests: &str) -> bool {
    let there = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")])
        .any(|d| d.join(program).is_file());
    let missing = !there && std::env::var("CI").as_deref() != Ok("true");
    if missing {
        eprintln!("ignored, {program} is not installed (scripts/test installs it): {tests}");
    }
    missing
}

/// No `ip`, `nft`, `tc` or `conntrack`: the kernel's own account of every program that a run starts.
fn only_natlab() {
    let files = Files::new();
    let log = files.path().join("execve");
    let output = std::process::Command::new("strace")
        .args(["-f", "-qq", "-e", "trace=execve,execveat", "-o"])
        .arg(&log)
        .args([env!("CARGO_BIN_EXE_natlab"), "run", "-q", "symmetric"])
        .output()
        .expect("strace");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let log = std::fs::read_to_string(&log).expect("what strace wrote");
    // A call that another one interrupts stands on two lines; the first has the program.
    let started: Vec<&str> = log.lines().filter(|l| l.contains("exec") && !l.contains("resumed>")).collect();
    assert!(started.len() > 8, "natlab, porter, inner, two servers and two agents for each direction: {log}");
    let own = |line: &&str| line.contains("\"/proc/self/exe\"") || line.contains(env!("CARGO_BIN_EXE_natlab"));
    let others: Vec<_> = started.iter().filter(|line| !own(line)).collect();
    assert!(others.is_empty(), "{others:?}");
}

/// Another TURN server, over UDP for one peer and over TCP for the other.
fn relayed_by_coturn() {
    let files = Files::new();
    let path = files.write(
        "coturn.toml",
        "[peer.alice]\nbehind = \"home\"\n[peer.bob]\nbehind = \"office\"\nturn-transport = \"tcp\"\n\
         [nat.home]\npreset = \"symmetric\"\n[nat.office]\npreset = \"udp-blocked\"\n\
         [server.stun]\ntype = \"stun\"\n\
         [server.turn]\ntype = \"turn\"\nimplementation = \"coturn\"\ntransports = [\"udp\", \"tcp\"]\n",
    );
    let run = Run::of([&path]);
    assert_eq!(run.code, 0, "{}", run.told());
    assert!(run.trials().iter().all(|t| t["outcome"] == "relayed"), "{}", run.told());
}

fn run(python: &str, preset: &str, outcome: &str) {
    let files = Files::new();
    let adapter = concat!(env!("CARGO_MANIFEST_DIR"), "/agents/aioice/agent.py");
    let path = files.write(
        "aioice.toml",
        &format!(
            "[peer.alice]\nbehind = \"home\"\nagent = {{ command = [\"{python}\", \"{adapter}\"] }}\n\
             [peer.bob]\nbehind = \"office\"\n\
             [nat.home]\npreset = \"{preset}\"\n[nat.office]\npreset = \"{preset}\"\n\
             [server.stun]\ntype = \"stun\"\n[server.turn]\ntype = \"turn\"\n"
        ),
    );
    let run = Run::of([&path]);
    assert_eq!(run.code, 0, "{}", run.told());
    assert_eq!(run.trials().len(), 2, "both offer directions");
    for trial in run.trials() {
        assert_eq!(trial["outcome"], outcome, "{}", run.told());
        let agents: Vec<&str> =
            trial["agents"].as_array().unwrap().iter().filter_map(|a| a["agent"].as_str()).collect();
        assert!(agents.contains(&"aioice") && agents.contains(&"webrtc-ice"), "{agents:?}");
    }
}
