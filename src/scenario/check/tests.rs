#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod bad_input;
mod bad_meaning;
mod good;
mod robust;

use crate::scenario::diagnostic::render;
use crate::scenario::{Scenario, parse};

/// Every part of a scenario once, without mistakes.
const GOOD: &str = r#"
[peer.alice]
behind = "home"

[peer.bob]
behind = "office"

[nat.home]
preset = "port-restricted-cone"

[nat.office]
preset = "symmetric"

[server.stun]
type = "stun"

[server.turn]
type = "turn"

[[expect]]
outcome = "relayed"
"#;

/// `GOOD` with parts replaced, each of which it must have.
fn good_but(replacements: &[(&str, &str)]) -> String {
    replacements.iter().fold(GOOD.to_owned(), |text, (old, new)| {
        assert!(text.contains(old), "{old}");
        text.replacen(old, new, 1)
    })
}

/// The rendered problems of a text that has some.
fn problems(text: impl AsRef<[u8]>) -> String {
    let text = text.as_ref();
    match parse("bad.toml", text) {
        Ok(scenario) => panic!("no problem found: {scenario:#?}"),
        Err(problems) => render(&problems, text, false, 120),
    }
}

/// The scenario of a text without problems.
fn scenario(text: &str) -> Scenario {
    parse("good.toml", text.as_bytes())
        .unwrap_or_else(|problems| panic!("{}", render(&problems, text.as_bytes(), false, 120)))
}
