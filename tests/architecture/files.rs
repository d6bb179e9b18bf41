//! Rules about files alone: length, names, and the opening that says what a module is for.

/// Lines of a file at most; one idea each seldom needs more.
pub const LONGEST: usize = 500;

/// Names that say nothing about what is inside.
pub const FORBIDDEN: [&str; 11] =
    ["core", "util", "utils", "helper", "helpers", "common", "manager", "imp", "misc", "shared_types", "stuff"];

/// What is wrong with a file of this path (below `src/`, with `/`) and text.
pub fn problems(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let lines = text.lines().count();
    if lines > LONGEST {
        found.push(format!("{path}: {lines} lines, more than {LONGEST}: split it by what it is about"));
    }
    for part in path.split('/') {
        let name = part.strip_suffix(".rs").unwrap_or(part);
        if part == "mod.rs" {
            found.push(format!("{path}: `foo.rs` stands beside `foo/`, there is no mod.rs"));
        }
        if FORBIDDEN.contains(&name) {
            found.push(format!("{path}: `{name}` says nothing about what is inside"));
        }
    }
    // Of `tests.rs` the name says enough.
    if !text.starts_with("//! ") && path.rsplit('/').next() != Some("tests.rs") {
        found.push(format!("{path}: begins without `//! `, a sentence on what it is for"));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_in_order_has_no_problem() {
        assert!(problems("lab/taps.rs", "//! Taps.\n").is_empty());
        assert!(problems("lab/taps/tests.rs", "use super::*;").is_empty());
        assert!(problems("lab.rs", &format!("//! Lab.\n{}", "\n".repeat(LONGEST - 1))).is_empty());
    }

    #[test]
    fn each_rule_can_fail() {
        let wrong = [
            ("lab.rs", format!("//! Lab.\n{}", "\n".repeat(LONGEST)), "501 lines"),
            ("lab/mod.rs", "//! Lab.".into(), "no mod.rs"),
            ("lab/utils.rs", "//! Lab.".into(), "`utils` says nothing"),
            ("common/lab.rs", "//! Lab.".into(), "`common` says nothing"),
            ("lab.rs", "use std::io;\n//! Late.".into(), "begins without"),
        ];
        for (path, text, expected) in wrong {
            let found = problems(path, &text);
            assert!(found.len() == 1 && found[0].contains(expected), "{path}: {found:?}");
        }
    }
}
