//! Whatever a file holds: problems or a scenario, never a panic.

use proptest::prelude::*;

use super::GOOD;
use crate::scenario::check::{LARGEST, MOST_PROBLEMS};
use crate::scenario::diagnostic::render;
use crate::scenario::{parse, shipped};

/// Parses and renders; the result must be a scenario or at least one problem, and say nothing about natlab's own types.
fn survives(text: &[u8]) -> Result<(), TestCaseError> {
    match parse("any.toml", text) {
        Ok(scenario) => {
            prop_assert_eq!(scenario.peers.len(), 2);
            prop_assert!(!scenario.offerers.is_empty());
        }
        Err(problems) => {
            prop_assert!(!problems.is_empty());
            for problem in &problems {
                // What serde says would mean that the schema let something through.
                for word in ["invalid type", "missing field", "unknown variant", "untagged enum", "expected struct"] {
                    prop_assert!(!problem.message.contains(word), "{}", problem.message);
                }
                if let Some(span) = &problem.span {
                    prop_assert!(span.start <= span.end && span.start <= text.len(), "{:?}", problem);
                }
            }
            prop_assert!(render(&problems, text, false, 100).contains("error"));
        }
    }
    Ok(())
}

/// Pieces that mutated scenarios are made of.
const PIECES: [&str; 40] = [
    "[",
    "]",
    "[[",
    "]]",
    "{",
    "}",
    "=",
    "\"",
    "'",
    "\"\"\"",
    "\n",
    "#",
    ",",
    ".",
    "peer",
    "nat",
    "server",
    "ice",
    "expect",
    "network",
    "alice",
    "bob",
    "home",
    "behind",
    "preset",
    "type",
    "stun",
    "turn",
    "true",
    "1",
    "-1",
    "1.5",
    "1979-05-27",
    "address",
    "\"10.0.0.1\"",
    "offers",
    "[peer.x]\n",
    "[[expect]]\n",
    "é",
    "\u{1b}",
];

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        survives(&text)?;
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        survives(text.as_bytes())?;
    }

    #[test]
    fn any_pieces(pieces in proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..60)) {
        survives(pieces.concat().as_bytes())?;
    }

    #[test]
    fn a_shipped_scenario_with_pieces_inserted_and_bytes_removed(
        which in 0..shipped::all().len(),
        changes in proptest::collection::vec(
            (any::<proptest::sample::Index>(), 0usize..12, proptest::sample::select(&PIECES[..])), 1..6),
    ) {
        let mut text = shipped::all()[which].text.as_bytes().to_vec();
        for (at, removed, piece) in changes {
            let at = at.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, piece.bytes());
        }
        survives(&text)?;
    }

    #[test]
    fn lines_in_any_order(lines in Just(GOOD.lines().collect::<Vec<_>>()).prop_shuffle()) {
        survives(lines.join("\n").as_bytes())?;
    }
}

/// Inputs on which anything quadratic would take minutes. No clock: the test is that it ends, and that what it says is
/// bounded.
#[test]
fn large_and_hostile_files_are_refused_in_few_words() {
    let mebibyte = |piece: &str| piece.repeat(LARGEST / piece.len());
    let texts = [
        "x".repeat(19 << 20),
        mebibyte("["),
        mebibyte("{a="),
        mebibyte("a."),
        mebibyte("="),
        mebibyte("=\n"),
        mebibyte("\n"),
        mebibyte("#\n"),
        mebibyte("a\n"),
        (0..90_000).map(|n| format!("k{n} = 1\n")).collect(),
        mebibyte("a=1\n"),
        mebibyte("[[expect]]\n"),
        mebibyte("[[expect]]\noutcome='x'\n"),
        (0..60_000).map(|n| format!("[nat.n{n}]\n")).collect(),
        (0..20_000).map(|n| format!("[nat.n{n}]\npreset='open'\nbehind='n{}'\n", n + 1)).collect(),
        (0..60_000).map(|n| format!("[server.n{n}]\n")).collect(),
        format!("[peer.a]\n[peer.b]\nstun=[{}]", "'x',".repeat(200_000)),
        format!("offers=[{}]\n[peer.a]\n[peer.b]\n", "'x',".repeat(200_000)),
    ];
    for text in texts {
        let problems = parse("large.toml", text.as_bytes()).expect_err("not a scenario");
        let rendered = render(&problems, text.as_bytes(), false, 100);
        let head: String = text.chars().take(40).collect();
        assert!(rendered.len() < 200_000, "{head:?}");
        assert!(problems.len() <= MOST_PROBLEMS, "{} for {head:?}", problems.len());
    }
}
