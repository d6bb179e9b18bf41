//! Programs that are not natlab's own: an ICE agent in another language, which is the proof of the protocol, and coturn.

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
    let coturn = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .chain([PathBuf::from("/usr/bin"), PathBuf::from("/usr/sbin")])
        .any(|d| d.join("turnserver").is_file());
    let no_coturn = !coturn && std::env::var("CI").as_deref() != Ok("true");
    if no_coturn {
        eprintln!("ignored, coturn is not installed (scripts/test installs it): foreign::coturn");
    }
    let python = python.unwrap_or_default();
    let cases = [("direct", "port-restricted-cone", "direct"), ("relayed", "symmetric", "relayed")];
    let mut tests = vec![test("foreign::coturn", relayed_by_coturn).with_ignored_flag(no_coturn)];
    tests.extend(cases.into_iter().map(|(name, preset, outcome)| {
        let python = python.clone();
        test(format!("foreign::aioice_{name}"), move || run(&python, preset, outcome)).with_ignored_flag(missing)
    }));
    tests
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
