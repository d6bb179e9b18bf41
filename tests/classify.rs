//! `natlab classify` as a program: what it refuses, how it ends, and what it prints, against servers on loopback. What it finds
//! out about NATs is shown in labs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[path = "classify/servers.rs"]
mod servers;

use std::process::{Command, Output};

use servers::{Fake, Served};

fn classify(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_natlab"))
        .arg("classify")
        .args(arguments)
        .env_remove("NATLAB_TURN_PASSWORD")
        .env_remove("NATLAB_TURN_SECRET")
        .env("COLUMNS", "80")
        .output()
        .expect("natlab starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn refused(arguments: &[&str], why: &str) {
    let output = classify(arguments);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
    assert!(err.contains(why), "{arguments:?}: {err}");
    assert_eq!(text(&output.stdout), "", "{arguments:?}");
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_sent() {
    refused(&["--server", "host:port"], "\"port\" is no port (1 to 65535)");
    refused(&["--server", ""], "no host");
    refused(&["-4", "-6"], "cannot be used with");
    refused(&["--interface", "nowhere0"], "neither an interface that is up nor an address of this host");
    refused(&["--interface", "192.0.2.254"], "neither an interface that is up nor an address of this host");
    refused(&["--turn", "turn:x"], "without credentials");
    refused(&["--turn", "turn:x", "--user", "u"], "without credentials");
    refused(&["--turn", "turn:x", "--password", "p", "--secret", "s"], "both --password and --secret");
    refused(
        &["--turn", "turn:x?transport=sctp", "--user", "u", "--password", "p"],
        "has no meaning there (turn:HOST?transport=udp or tcp)",
    );
    refused(&["--user", "u"], "--turn");
    refused(&["--lifetime=0"], "not in 1..=3600");
    refused(&["--server-list", "/nonexistent/list"], "failed to read /nonexistent/list");
    refused(&["--ca", "/nonexistent/pem"], "failed to read /nonexistent/pem");
    refused(&["--seed", "1", "--server", "x"], "cannot be used with");
}

#[test]
fn a_list_is_refused_with_the_numbers_of_its_bad_lines() {
    let list = tempfile::NamedTempFile::new().unwrap();
    let path = list.path().to_str().unwrap();
    std::fs::write(path, "# mine\n127.0.0.1:70000\n\nok.example\n[::1\n").unwrap();
    refused(&["--server-list", path], "line 2: read \"127.0.0.1:70000\": \"70000\" is no port");
    refused(&["--server-list", path], "line 5: read \"[::1\": there is no host");
    std::fs::write(path, "# none\n").unwrap();
    refused(&["--server-list", path], "failed to find a server");
}

#[test]
fn two_addresses_of_one_server_tell_everything_and_end_with_0() {
    let served = Served::stun(&["127.0.81.1", "127.0.81.2"]);
    let list = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(list.path(), format!("{} # the first\n", served.at(0))).unwrap();
    let (path, second) = (list.path().to_str().unwrap(), served.at(1));
    let output = classify(&["--server-list", path, "--server", &second, "--no-port-mapping"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}{}", text(&output.stderr));
    assert!(out.starts_with("IPv4: no NAT and no firewall (open Internet):"), "{out}");
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert!(!out.contains('\u{1b}'), "no colour where stdout is no terminal");
    assert_eq!(text(&output.stderr), "", "no progress where stderr is no terminal");

    let output =
        classify(&["--server", &served.at(0), "--server", &second, "--format", "json", "--interface", "127.0.0.1"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let family = &json["families"][0];
    assert_eq!((&family["mapping"]["value"], &family["filtering"]["value"]), (&"eim".into(), &"eif".into()));
    assert_eq!(family["local"], "127.0.0.1");
    assert!(family["hairpinning"]["value"].is_null(), "off by default, and not false");
    assert_eq!(json["servers"][0]["role"], "behavior");
    assert_eq!(json["meaning"][0]["forecast"].as_array().unwrap().len(), 13);
}

#[test]
fn a_mapping_that_depends_on_the_server_ends_with_10() {
    let (one, two) = (Fake::start("127.0.82.1", 40_001), Fake::start("127.0.82.2", 40_002));
    let output = classify(&["--server", &one.at(), "--server", &two.at(), "--quiet"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(10), "{out}");
    assert!(out.starts_with("IPv4: ADM or APDM, filtering unknown:"), "{out}");
    assert!(out.lines().count() <= 2, "the verdict alone: {out}");
}

#[test]
fn the_same_mapping_everywhere_and_unknown_filtering_end_with_0() {
    let (one, two) = (Fake::start("127.0.83.1", 40_001), Fake::start("127.0.83.2", 40_001));
    let output = classify(&["--server", &one.at(), "--server", &two.at()]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{out}");
    assert!(out.starts_with("IPv4: EIM, filtering unknown:"), "{out}");
    assert!(out.contains("--turn"), "what would tell it: {out}");
}

#[test]
fn silence_of_one_server_decides_nothing_and_of_two_that_udp_is_blocked() {
    let (one, two) = (Fake::silent("127.0.84.1"), Fake::silent("127.0.84.2"));
    let (one, two) = (one.at(), two.at());
    let both = std::thread::scope(|scope| {
        let both = scope.spawn(|| classify(&["--server", &one, "--server", &two]));
        (classify(&["--server", &one]), both.join().unwrap())
    });
    assert_eq!(both.0.status.code(), Some(4), "{}", text(&both.0.stdout));
    assert!(text(&both.0.stdout).starts_with("IPv4: undecided: the only server is silent"));
    assert_eq!(both.1.status.code(), Some(11), "{}", text(&both.1.stdout));
    assert!(text(&both.1.stdout).starts_with("IPv4: UDP is blocked"));
}

#[test]
fn a_name_that_does_not_resolve_is_shown_and_decides_nothing() {
    let output = classify(&["--server", "nowhere.invalid"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{out}");
    assert!(out.contains("nowhere.invalid: failed to resolve nowhere.invalid"), "{out}");
}

#[test]
fn the_other_family_has_no_address() {
    let output = classify(&["-6", "--server", "127.0.85.1"]);
    let out = text(&output.stdout);
    assert_eq!(output.status.code(), Some(4), "{out}");
    assert!(out.starts_with("IPv6: undecided: no server has an IPv6 address"), "{out}");
    assert!(out.contains("127.0.85.1 has no IPv6 address"), "{out}");
}

#[test]
fn a_relay_tells_filtering_and_one_that_refuses_is_named() {
    let (one, two) = (Fake::honest("127.0.86.1"), Fake::honest("127.0.86.2"));
    let turn = Served::turn("127.0.86.3");
    let at = format!("turn:{}", turn.at(0));
    let with = |password: &str| {
        classify(&["--server", &one.at(), "--server", &two.at(), "--turn", &at, "--user", "u", "--password", password])
    };
    let right = text(&with("p").stdout);
    assert!(right.starts_with("IPv4: no NAT and no firewall"), "{right}");
    let wrong = with("q");
    let out = text(&wrong.stdout);
    assert_eq!(wrong.status.code(), Some(0), "mapping is known all the same: {out}");
    assert!(out.contains("filtering unknown") && out.contains("401"), "{out}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_it_with_130() {
    let silent = Fake::silent("127.0.87.1");
    let child = Command::new(env!("CARGO_BIN_EXE_natlab"))
        .args(["classify", "--server", &silent.at()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It has begun, and with it the handler stands.
    silent.asked();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(text(&output.stdout), "", "half a classification is none");
}
