//! The nine behaviours against each other: 81 ordered pairs, both offer directions, with STUN alone. Every cell must end as
//! the closed form says, and the whole matrix as the table in `docs/oracle.md`.

use std::collections::BTreeMap;

use libtest_mimic::Trial;

use super::command::{Files, Run, test};

const BEHAVIORS: [(&str, &str); 9] = [
    ("eim", "eif"),
    ("eim", "adf"),
    ("eim", "apdf"),
    ("adm", "eif"),
    ("adm", "adf"),
    ("adm", "apdf"),
    ("apdm", "eif"),
    ("apdm", "adf"),
    ("apdm", "apdf"),
];

/// `D` direct, `.` no path without a relay; rows and columns in the order of [`BEHAVIORS`].
const STRICT: [&str; 9] = [
    "DDDDDDDDD",
    "DDDDDDDDD",
    "DDD......",
    "DD.DD.DD.",
    "DD.D..D..",
    "DD.......",
    "DD.DD....",
    "DD.D.....",
    "DD.......",
];

/// With answers that leave where the session came in, an EIF side can be reached by everybody. `*`: either, by packet order.
const REPLY_AFFINE: [&str; 9] = [
    "DDDDDDDDD",
    "DDDDDDDDD",
    "DDD*..*..",
    "DD*DDDDDD",
    "DD.D..D..",
    "DD.D..D..",
    "DD*DDDDDD",
    "DD.D..D..",
    "DD.D..D..",
];

pub fn tests() -> Vec<Trial> {
    let all = [("strict", STRICT), ("reply-affine", REPLY_AFFINE)];
    all.into_iter()
        .map(|(semantics, table)| test(format!("matrix::{semantics}"), move || run(semantics, &table)))
        .collect()
}

fn scenario(semantics: &str, a: (&str, &str), b: (&str, &str)) -> String {
    let nat = |name: &str, (mapping, filtering): (&str, &str)| {
        // Elsewhere nothing depends on it, and a key that nothing reads is refused.
        let open = matches!((mapping, filtering), ("adm", "eif") | ("apdm", "eif" | "adf"));
        let semantics = if open { format!("semantics = \"{semantics}\"\n") } else { String::new() };
        format!("[nat.{name}]\nmapping = \"{mapping}\"\nfiltering = \"{filtering}\"\n{semantics}")
    };
    format!(
        "{}{}[peer.alice]\nbehind = \"a\"\n[peer.bob]\nbehind = \"b\"\n[server.stun]\ntype = \"stun\"\n",
        nat("a", a),
        nat("b", b)
    )
}

fn run(semantics: &str, table: &[&str; 9]) {
    let files = Files::new();
    let mut expected = BTreeMap::new();
    let mut paths = Vec::new();
    for (row, a) in BEHAVIORS.iter().enumerate() {
        for (column, b) in BEHAVIORS.iter().enumerate() {
            let name = format!("{}-{}-{}-{}", a.0, a.1, b.0, b.1);
            paths.push(files.write(&format!("{name}.toml"), &scenario(semantics, *a, *b)).display().to_string());
            expected.insert(name, table[row].as_bytes()[column]);
        }
    }
    let mut arguments = vec!["--jobs".to_owned(), "8".to_owned()];
    arguments.extend(paths);
    let run = Run::of(arguments);
    assert_eq!(run.code, 0, "{}", run.told());
    assert_eq!(run.trials().len(), 162, "81 pairs in both offer directions");
    for trial in run.trials() {
        let outcome = trial["outcome"].as_str().unwrap_or_default();
        let cell = expected[trial["scenario"].as_str().unwrap_or_default()];
        let agrees = match cell {
            b'D' => outcome == "direct",
            b'.' => outcome == "no-path",
            _ => ["direct", "no-path"].contains(&outcome),
        };
        assert!(agrees, "{}: {outcome}, the table says {}", trial["id"], char::from(cell));
    }
}
