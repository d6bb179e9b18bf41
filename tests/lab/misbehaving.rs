//! Agents that break the protocol: each is an event, a diagnosis and a verdict, and the run goes on.

use libtest_mimic::Trial;

use super::command::{Files, Run, test};

const HELLO: &str =
    r#"{"ev":"hello","protocol":1,"agent":"broken","version":"1","level":"ice","trickle":"full","caps":[]}"#;

/// A shell program as an agent: each is a case of its own.
const CASES: [(&str, &str, &str); 8] = [
    ("exits_at_once", "exit 7", "exit"),
    ("hangs_before_hello", "sleep 1000", "hello"),
    ("hangs_after_hello", "echo '{HELLO}'; exec sleep 1000", "configure"),
    ("prints_garbage", "echo 'this is not JSON'; echo '{HELLO}'; echo '{\"ev\":\"nonsense\"}'; exit 0", "exit"),
    ("floods", "yes '{\"ev\":\"log\",\"level\":\"info\",\"message\":\"x\"}'", "flood"),
    ("one_endless_line", "tr '\\0' x < /dev/zero", "flood"),
    ("is_killed", "kill -9 $$", "signal"),
    (
        "speaks_another_protocol",
        "echo '{\"ev\":\"hello\",\"protocol\":99,\"agent\":\"future\"}'; exec sleep 1000",
        "protocol",
    ),
];

pub fn tests() -> Vec<Trial> {
    let mut tests: Vec<Trial> = CASES
        .into_iter()
        .map(|(name, body, word)| test(format!("misbehaving::{name}"), move || run(name, body, word)))
        .collect();
    tests.push(test("misbehaving::does_not_exist", missing));
    tests
}

fn scenario(agent: &str) -> String {
    format!(
        "hello-deadline = \"1s\"\ndeadline = \"3s\"\noffers = \"alice\"\n\
         [peer.alice]\nagent = {{ command = [\"./{agent}\"] }}\n[peer.bob]\n"
    )
}

fn run(name: &str, body: &str, word: &str) {
    let files = Files::new();
    let script = files.write("agent.sh", &format!("#!/bin/sh\n{}\n", body.replace("{HELLO}", HELLO)));
    make_executable(&script);
    let broken = files.write(&format!("{name}.toml"), &scenario("agent.sh"));
    let sound = files.write("sound.toml", "offers = \"alice\"\n[peer.alice]\n[peer.bob]\n");
    let run = Run::of([&broken, &sound]);
    assert_eq!(run.code, 1, "{}", run.told());
    let of = |scenario: &str| {
        run.trials().iter().find(|t| t["scenario"] == scenario).unwrap_or_else(|| panic!("{}", run.told()))
    };
    assert_eq!(of("sound")["verdict"], "met", "the run goes on: {}", run.told());
    let broken = of(name);
    assert_eq!(broken["verdict"], "unmet", "{}", run.told());
    let reasons = format!("{} {} {}", broken["outcome"], broken["reasons"], broken["diagnoses"]).to_lowercase();
    assert!(reasons.contains(word), "{word} is not named in {reasons}");
    assert!(reasons.contains("alice"), "the peer is not named in {reasons}");
}

/// Known before anything runs.
fn missing() {
    let files = Files::new();
    let path = files.write("missing.toml", &scenario("no-such-program"));
    let run = Run::of([&path]);
    assert_eq!(run.code, 3, "{}", run.told());
    assert!(run.stderr.contains("no-such-program"), "{}", run.stderr);
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("making the agent executable");
}
