//! `natlab verify-nat` from the command line.

use std::process::Output;

use libtest_mimic::Trial;
use serde_json::Value;

use super::command::{Files, natlab, test};

pub fn tests() -> Vec<Trial> {
    vec![
        test("verify::classic_nats_are_as_declared", classic_nats_are_as_declared),
        test("verify::every_nat_and_chain_of_a_scenario", every_nat_and_chain_of_a_scenario),
        test("verify::human_reports_fit_into_80_columns", human_reports_fit_into_80_columns),
        test("verify::an_unknown_name_is_an_error_and_nothing_runs", an_unknown_name_is_an_error_and_nothing_runs),
        test("verify::a_broken_requirement_is_no_failure", a_broken_requirement_is_no_failure),
    ]
}

fn verify(arguments: &[&str]) -> Output {
    natlab().arg("verify-nat").args(arguments).env("COLUMNS", "80").output().expect("natlab verify-nat")
}

fn json(output: &Output) -> Vec<Value> {
    let stdout = String::from_utf8_lossy(&output.stdout);
    match serde_json::from_str(&stdout) {
        Ok(Value::Array(all)) => all,
        other => panic!("{other:?}\n{stdout}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

const CLASSIC: [&str; 7] =
    ["open", "firewall", "full-cone", "restricted-cone", "port-restricted-cone", "symmetric", "udp-blocked"];

fn classic_nats_are_as_declared() {
    let output = verify(&[&["--format", "json"], &CLASSIC[..]].concat());
    let all = json(&output);
    assert_eq!(output.status.code(), Some(0), "{all:#?}");
    assert_eq!(all.iter().map(|c| c["name"].as_str().expect("a name")).collect::<Vec<_>>(), CLASSIC, "in their order");
    for c in &all {
        assert_eq!(c["conclusion"], "as-declared");
        let measured = c["axes"].as_array().expect("axes").iter().filter(|a| a["verdict"] == "as-declared").count();
        assert!(measured >= 8, "{c:#?}");
        assert!(c["requirements"].as_array().is_some_and(|r| r.len() > 40));
    }
}

fn every_nat_and_chain_of_a_scenario() {
    let output = verify(&["--format", "json", "double-nat"]);
    let all = json(&output);
    assert_eq!(output.status.code(), Some(0), "{all:#?}");
    let chains = all.iter().filter(|c| c["gateways"].as_array().is_some_and(|g| g.len() > 1)).count();
    assert!(chains >= 1 && all.len() > chains, "{:?}", all.iter().map(|c| &c["name"]).collect::<Vec<_>>());
}

fn human_reports_fit_into_80_columns() {
    let output = verify(&["symmetric", "full-cone"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    for word in ["RFC 4787", "RFC 5382", "RFC 5508", "REQ-14", "1:120", "2 NATs: 2 as declared"] {
        assert!(text.contains(word), "{word} is not in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "no colour where there is no terminal");
    let quiet = verify(&["--quiet", "symmetric"]);
    assert_eq!((quiet.status.code(), quiet.stdout.len()), (Some(0), 0));
}

fn an_unknown_name_is_an_error_and_nothing_runs() {
    let output = verify(&["symetric"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{stderr}");
    assert!(stderr.contains("`symmetric`") || stderr.contains("symmetric"), "{stderr}");
    let broken = Files::new();
    let file = broken.write("broken.toml", "[nat.home]\npreset = \"symetric\"\n");
    let output = verify(&[file.to_str().expect("a path")]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
}

/// A symmetric NAT breaks REQ-1, and is what it says.
fn a_broken_requirement_is_no_failure() {
    let output = verify(&["--format", "json", "symmetric"]);
    let all = json(&output);
    let requirements = all[0]["requirements"].as_array().expect("requirements");
    let first = requirements.iter().find(|r| r["rfc"] == 4787 && r["number"] == "REQ-1").expect("REQ-1");
    assert_eq!((first["status"].as_str(), output.status.code()), (Some("fail"), Some(0)));
}
