//! The report as a whole, on data made by hand.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::conformance::{Level, Requirement};
use crate::nat::{Behavior, Filtering, Mapping};

fn axis(axis: &'static str, declared: &str, measured: Option<&str>, verdict: AxisVerdict, how: &str) -> Axis {
    let (declared, measured, how) = (declared.to_owned(), measured.map(str::to_owned), how.to_owned());
    Axis { axis, gateway: None, declared, measured, verdict, how }
}

fn requirement(rfc: u16, number: &'static str, level: Level, status: Status, how: &str) -> Requirement {
    let asks = "a thing that a NAT must do, said in more words than one line of a narrow terminal can hold";
    Requirement { rfc, number, level, asks, status, how: how.to_owned() }
}

fn all() -> Vec<Conformance> {
    let good = Conformance {
        name: "full-cone".into(),
        declared: Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent),
        summary: "EIM/EIF".into(),
        gateways: vec!["full-cone".into()],
        conclusion: Conclusion::AsDeclared,
        axes: vec![
            axis("mapping", "eim", Some("eim"), AxisVerdict::AsDeclared, "one socket to 1:p, 1:q, 2:p and 3:q"),
            axis("semantics", "strict", None, AxisVerdict::NotApplicable, "there is one external endpoint only"),
        ],
        requirements: vec![
            requirement(4787, "REQ-1", Level::Must, Status::Pass, "EIM: a socket to 1:p, 1:q, 2:p, 3:q"),
            requirement(4787, "REQ-5c", Level::Should, Status::Fail, "less than 300 s: 120 s, checked as 1 s at 1:120"),
            requirement(5382, "REQ-5", Level::Must, Status::Undecided, "it was not looked at"),
            requirement(5508, "REQ-9", Level::May, Status::NotApplicable, "there is none to configure"),
        ],
        notes: vec![],
        drops: Default::default(),
    };
    let mut bad = good.clone();
    bad.name = "home".into();
    bad.conclusion = Conclusion::Different;
    let long = "alive after 1150 ms of 1 s, where it should have been dead and gone for good";
    bad.axes.push(axis("lifetime", "120 s", Some(long), AxisVerdict::Different, "probed before and after"));
    bad.notes.push("ICMP: failed to open a raw socket".into());
    vec![good, bad]
}

fn look(quiet: bool) -> Look {
    Look::of(false, 80, quiet, false)
}

#[test]
fn a_checklist_in_80_columns() {
    let text = human(&all(), &look(false));
    assert!(text.lines().all(|l| l.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text);
}

#[test]
fn quiet_shows_what_is_not_as_declared() {
    let text = human(&all(), &look(true));
    assert!(text.contains("lifetime") && !text.contains("semantics") && !text.contains("RFC 4787"), "{text}");
    assert_eq!(human(&all()[..1], &look(true)), "");
}

#[test]
fn colour_only_repeats_words() {
    let coloured = human(&all(), &Look::of(true, 80, false, false));
    assert!(coloured.contains('\u{1b}'));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    let trimmed = |t: &str| t.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
    assert_eq!(trimmed(&plain), trimmed(&human(&all(), &look(false))));
}

#[test]
fn json_has_everything() {
    let back: serde_json::Value = serde_json::from_str(&json(&all())).unwrap();
    assert_eq!(back[1]["conclusion"], "different");
    assert_eq!(back[1]["axes"][2]["verdict"], "different");
    assert_eq!(back[0]["requirements"][1]["status"], "fail");
    assert_eq!(back[0]["requirements"][1]["level"], "SHOULD");
}
