//! The architecture as a table: which top-level module may import from which, and what files look like.
//!
//! [`ALLOWED`] stands in the order of the drawing in `src/lib.rs`: a module may import only from modules that stand above it.
//! [`DEVIATIONS`] are the edges against that order, each with its reason; one that is no longer there must leave the list.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "architecture/edges.rs"]
mod edges;
#[path = "architecture/files.rs"]
mod files;
#[path = "architecture/source.rs"]
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use source::Source;

/// A module and those it may import from, which all stand above it.
type Row<'a> = (&'a str, &'a [&'a str]);

/// An edge against the order: from, to, why.
type Deviation<'a> = (&'a str, &'a str, &'a str);

const ALLOWED: &[Row<'_>] = &[
    // Words.
    ("net", &[]),
    ("ice", &["net"]),
    ("nft", &["net"]),
    ("nat", &["net", "nft"]),
    ("protocol", &["net", "ice"]),
    // Text to prediction. A trial carries its prediction, so that it is stored before anything runs: `plan` asks the oracle.
    ("scenario", &["net", "ice", "nat", "protocol"]),
    ("oracle", &["net", "ice", "nat", "scenario"]),
    ("plan", &["net", "ice", "nat", "protocol", "scenario", "oracle"]),
    // What a NAT is to be probed for, and what is concluded: the bench is a topology like a plan's.
    ("conformance", &["net", "nat", "plan"]),
    // What happened, and what is thought of it.
    ("event", &["net", "ice", "nat", "protocol", "plan"]),
    ("trace", &["net", "ice", "nat", "protocol", "plan", "event"]),
    ("stats", &[]),
    ("verdict", &["net", "ice", "nat", "protocol", "oracle", "plan", "event", "trace"]),
    ("record", &["net", "ice", "nat", "protocol", "oracle", "plan", "event", "trace", "stats", "verdict"]),
    ("report", &["net", "conformance", "ice", "nat", "oracle", "plan", "event", "trace", "stats", "verdict", "record"]),
    // The I/O shell. `run` ends hopeless trials early, with the same fold that the verdict is made from: `trace`.
    ("server", &["net", "plan"]),
    ("agent", &["net", "ice", "protocol"]),
    ("probe", &["net", "nat"]),
    ("lab", &["net", "nft", "nat", "plan", "event"]),
    (
        "run",
        &[
            "net",
            "ice",
            "nft",
            "nat",
            "protocol",
            "plan",
            "conformance",
            "event",
            "trace",
            "server",
            "agent",
            "probe",
            "lab",
        ],
    ),
    (
        "cli",
        &[
            "net",
            "ice",
            "nft",
            "nat",
            "protocol",
            "scenario",
            "oracle",
            "plan",
            "conformance",
            "event",
            "trace",
            "stats",
            "verdict",
            "record",
            "report",
            "server",
            "agent",
            "probe",
            "lab",
            "run",
        ],
    ),
    ("main", &["cli"]),
];

const DEVIATIONS: &[Deviation<'_>] = &[];

/// Modules that may touch clock, randomness, processes, sockets and files (`.clippy.toml`).
const SHELL: &[&str] = &["agent", "cli", "lab", "probe", "run", "server"];

/// A file below `src/`: its path there, and its text.
type File = (String, String);

#[test]
fn modules_import_only_what_stands_to_their_left() {
    let problems = edge_problems(&sources(), ALLOWED, DEVIATIONS);
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn files_are_short_and_named_and_say_what_they_are_for() {
    let problems: Vec<String> = sources().iter().flat_map(|(path, text)| files::problems(path, text)).collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn the_table_has_one_direction() {
    assert_eq!(table_problems(ALLOWED, DEVIATIONS), [""; 0]);
}

#[test]
fn only_the_shell_is_free_of_the_bans() {
    let problems = ban_problems(&sources(), SHELL);
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

/// Every `.rs` file below `src/`, in order.
fn sources() -> Vec<File> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|e| e == "rs") {
                found.push(path);
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&src, &mut found);
    found.sort();
    assert!(found.len() > 50, "only {} files found: the check looks at the wrong place", found.len());
    let name = |p: &Path| p.strip_prefix(&src).unwrap().to_str().unwrap().to_owned();
    found.iter().map(|p| (name(p), std::fs::read_to_string(p).unwrap())).collect()
}

/// Edges that are not in the table, modules that are not, and deviations that nothing uses.
fn edge_problems(files: &[File], allowed: &[Row<'_>], deviations: &[Deviation<'_>]) -> Vec<String> {
    let rows: BTreeMap<&str, &[&str]> = allowed.iter().copied().collect();
    let parsed: Vec<(&str, Source)> = files.iter().map(|(path, text)| (path.as_str(), Source::new(text))).collect();
    let for_tests = test_files(&parsed);
    let (mut problems, mut used) = (Vec::new(), BTreeSet::new());
    for (path, source) in &parsed {
        if is_for_tests(path, &for_tests) || *path == "lib.rs" {
            continue;
        }
        let module: Vec<&str> = module_of(path);
        let from = module[0];
        let Some(may) = rows.get(from) else {
            problems.push(format!("src/{path}: module `{from}` has no row in the table"));
            continue;
        };
        for import in edges::imports(source, &module) {
            let to = import.module.as_str();
            if to == from || may.contains(&to) {
                continue;
            }
            match deviations.iter().find(|d| (d.0, d.1) == (from, to)) {
                Some(d) => drop(used.insert((d.0, d.1))),
                None => problems.push(format!("src/{path}:{}: `{from}` may not import from `{to}`", import.line)),
            }
        }
    }
    let stale = deviations.iter().filter(|d| !used.contains(&(d.0, d.1)));
    problems.extend(
        stale.map(|d| format!("the deviation {} -> {} is gone from the code: take it out of the list", d.0, d.1)),
    );
    problems
}

/// `lab/taps.rs` is `lab`, `taps`.
fn module_of(path: &str) -> Vec<&str> {
    path.strip_suffix(".rs").unwrap_or(path).split('/').collect()
}

/// Whether a file belongs to one of these modules.
fn is_for_tests(path: &str, modules: &[Vec<String>]) -> bool {
    let module = module_of(path);
    modules.iter().any(|m| m.len() <= module.len() && m.iter().zip(&module).all(|(a, b)| a == b))
}

/// Modules that only tests compile, with everything below them.
fn test_files(parsed: &[(&str, Source)]) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (path, source) in parsed {
        for name in &source.test_modules {
            let mut module: Vec<String> = module_of(path).into_iter().map(str::to_owned).collect();
            module.push(name.clone());
            found.push(module);
        }
    }
    found
}

/// Modules whose declaration in `lib.rs` lifts the bans of `.clippy.toml` although they are no shell, and places further down
/// that lift them; there only tests may.
fn ban_problems(files: &[File], shell: &[&str]) -> Vec<String> {
    let lifts = |t: &source::Token| t.is_word("disallowed_methods") || t.is_word("disallowed_types");
    let mut problems = Vec::new();
    let parsed: Vec<(&str, Source)> = files.iter().map(|(path, text)| (path.as_str(), Source::new(text))).collect();
    let for_tests = test_files(&parsed);
    for (path, Source { tokens, .. }) in parsed.iter().filter(|(path, _)| !is_for_tests(path, &for_tests)) {
        for (i, token) in tokens.iter().enumerate().filter(|(_, t)| lifts(t)) {
            // `#![warn(…)]` turns the lints on.
            let is_on = tokens[..i].iter().rev().take_while(|t| !t.is_mark('#')).any(|t| t.is_word("warn"));
            let module = tokens[i..].windows(2).take_while(|w| !w[0].is_mark(';')).find(|w| w[0].is_word("mod"));
            let is_shell = module.is_some_and(|w| shell.iter().any(|s| w[1].is_word(s)));
            if !(is_on || *path == "lib.rs" && is_shell) {
                problems.push(format!("src/{path}:{}: lifts a ban of .clippy.toml outside the I/O shell", token.line));
            }
        }
    }
    problems
}

/// Rows twice, edges downwards, and deviations that are allowed anyway.
fn table_problems(allowed: &[Row<'_>], deviations: &[Deviation<'_>]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut above: BTreeSet<&str> = BTreeSet::new();
    for (module, imports) in allowed {
        for i in imports.iter().filter(|i| !above.contains(*i)) {
            problems.push(format!("{module} imports from {i}, which does not stand above it"));
        }
        if !above.insert(module) {
            problems.push(format!("{module} has two rows"));
        }
    }
    for (from, to, why) in deviations {
        if allowed.iter().any(|(m, imports)| m == from && imports.contains(to)) {
            problems.push(format!("{from} -> {to} is both allowed and a deviation"));
        }
        if why.trim().is_empty() {
            problems.push(format!("{from} -> {to} has no reason"));
        }
    }
    problems
}

/// The checks themselves, on small inputs: each can fail.
mod checks {
    use super::*;

    const TABLE: &[Row<'_>] = &[("net", &[]), ("plan", &["net"]), ("lab", &["net", "plan"])];

    fn check(files: &[(&str, &str)], deviations: &[Deviation<'_>]) -> Vec<String> {
        let files: Vec<File> = files.iter().map(|(p, t)| ((*p).into(), (*t).into())).collect();
        edge_problems(&files, TABLE, deviations)
    }

    #[test]
    fn an_edge_in_the_table_passes_and_any_other_does_not() {
        assert_eq!(check(&[("lab/taps.rs", "use crate::{net::A, plan};")], &[]), [""; 0]);
        assert_eq!(
            check(&[("plan.rs", "use crate::net;\nuse crate::lab::x;")], &[]),
            ["src/plan.rs:2: `plan` may not import from `lab`"]
        );
        assert_eq!(
            check(&[("plan/deep/er.rs", "use super::super::super::lab;")], &[]),
            ["src/plan/deep/er.rs:1: `plan` may not import from `lab`"]
        );
        assert_eq!(check(&[("plan.rs", "use crate::*;")], &[]), ["src/plan.rs:1: `plan` may not import from `*`"]);
        assert_eq!(check(&[("new.rs", "")], &[]), ["src/new.rs: module `new` has no row in the table"]);
    }

    #[test]
    fn a_deviation_passes_while_it_is_used() {
        let deviation: &[Deviation<'_>] = &[("plan", "lab", "shown here")];
        assert_eq!(check(&[("plan.rs", "use crate::lab;")], deviation), [""; 0]);
        assert_eq!(
            check(&[("plan.rs", "")], deviation),
            ["the deviation plan -> lab is gone from the code: take it out of the list"]
        );
    }

    #[test]
    fn what_only_tests_compile_may_import_anything() {
        let parent = ("plan.rs", "#[cfg(test)]\nmod sample;\n#[cfg(test)]\nmod tests { use crate::lab; }");
        let child = ("plan/sample/more.rs", "use crate::lab;");
        assert_eq!(check(&[parent, child], &[]), [""; 0]);
        assert_eq!(check(&[("plan.rs", "mod sample;"), child], &[]).len(), 1);
    }

    #[test]
    fn bans_are_lifted_for_the_shell_alone() {
        let check = |path: &str, text: &str| ban_problems(&[(path.into(), text.into())], &["lab"]).len();
        let on = "#![warn(clippy::disallowed_methods)]\n";
        let lift = "#[allow(clippy::disallowed_methods, reason = \"shell\")]\n";
        assert_eq!(check("lib.rs", &format!("{on}{lift}pub mod lab;\npub mod plan;")), 0);
        assert_eq!(check("lib.rs", &format!("{on}pub mod lab;\n{lift}pub mod plan;")), 1);
        assert_eq!(check("plan/tree.rs", &format!("{lift}fn f() {{}}")), 1);
        assert_eq!(check("plan/tree.rs", &format!("#[cfg(test)]\nmod tests {{ {lift} fn f() {{}} }}")), 0);
        let files =
            [("plan.rs", "#[cfg(test)] mod tests;".to_owned()), ("plan/tests.rs", format!("{lift} fn f() {{}}"))];
        assert_eq!(ban_problems(&files.map(|(p, t)| (p.to_owned(), t)), &["lab"]), [""; 0]);
    }

    #[test]
    fn a_table_that_turns_round_is_found() {
        let problems = table_problems(
            &[("net", &["plan"]), ("plan", &["net"]), ("plan", &[])],
            &[("plan", "net", "allowed anyway"), ("net", "lab", " ")],
        );
        assert_eq!(
            problems,
            [
                "net imports from plan, which does not stand above it",
                "plan has two rows",
                "plan -> net is both allowed and a deviation",
                "net -> lab has no reason",
            ]
        );
    }
}
