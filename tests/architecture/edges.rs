//! Which top-level modules a file imports from: `use crate::…`, paths inside code, and `super::` that leads to the root.

use super::source::{Kind, Source, Token, after_bracket};

/// One import: the top-level name, and the line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// Module, or what stands in its place: `*` for everything.
    pub module: String,
    /// Line, from 1.
    pub line: usize,
}

/// Imports of a file that is `module` (the names on the way from the root: `lab`, `taps`). What the library is called from
/// outside counts as `crate`, so that the program's `main` is a file like any other.
pub fn imports(source: &Source, module: &[&str]) -> Vec<Import> {
    let t = &source.tokens;
    let mut found = Vec::new();
    // Inline modules that are open, each with the depth of braces inside it.
    let mut inline: Vec<usize> = Vec::new();
    let (mut depth, mut i) = (0usize, 0);
    while i < t.len() {
        match &t[i].kind {
            Kind::Mark('{') => {
                depth += 1;
                if i >= 2 && t[i - 2].is_word("mod") {
                    inline.push(depth);
                }
            }
            Kind::Mark('}') => {
                if inline.last() == Some(&depth) {
                    inline.pop();
                }
                depth = depth.saturating_sub(1);
            }
            Kind::Word(w) if w == "crate" || (w == "natlab" && !follows(t, i)) => {
                if sep(t, i + 1) {
                    heads(t, i + 2, &mut found);
                } else if t.get(i + 1).is_some_and(|x| x.is_word("as")) || (i > 0 && t[i - 1].is_word("extern")) {
                    // Another name for the root would hide every edge behind it.
                    found.push(Import { module: "*".into(), line: t[i].line });
                }
            }
            Kind::Word(w) if w == "super" && !follows(t, i) => {
                let mut levels = 1;
                while sep(t, i + 1) && t.get(i + 2).is_some_and(|x| x.is_word("super")) {
                    (i, levels) = (i + 2, levels + 1);
                }
                if levels >= module.len() + inline.len() && sep(t, i + 1) {
                    heads(t, i + 2, &mut found);
                }
            }
            _ => {}
        }
        i += 1;
    }
    found.sort();
    found.dedup();
    found
}

fn sep(t: &[Token], i: usize) -> bool {
    t.get(i).is_some_and(|x| x.kind == Kind::PathSep)
}

/// Whether the word at `i` is a later part of a path or a field, and so names something else.
fn follows(t: &[Token], i: usize) -> bool {
    i > 0 && (sep(t, i - 1) || t[i - 1].is_mark('.'))
}

/// First names of the path or group of paths at `i`.
fn heads(t: &[Token], i: usize, found: &mut Vec<Import>) {
    let Some(first) = t.get(i) else { return };
    match &first.kind {
        Kind::Word(w) if w == "self" => {}
        Kind::Word(w) => found.push(Import { module: w.clone(), line: first.line }),
        Kind::Mark('*') => found.push(Import { module: "*".into(), line: first.line }),
        Kind::Mark('{') => {
            let end = after_bracket(t, i) - 1;
            let mut at = i + 1;
            while at < end {
                heads(t, at, found);
                while at < end && !t[at].is_mark(',') {
                    at = if t[at].is_mark('{') { after_bracket(t, at) } else { at + 1 };
                }
                at += 1;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(module: &[&str], text: &str) -> Vec<String> {
        imports(&Source::new(text), module).into_iter().map(|i| format!("{}:{}", i.module, i.line)).collect()
    }

    #[test]
    fn plain_nested_and_inline_paths_are_found() {
        assert_eq!(
            of(&["lab"], "use crate::net::Network;\nuse crate::{ice::{self, A}, plan, run::{b::{c}, d}};"),
            ["ice:2", "net:1", "plan:2", "run:2"]
        );
        assert_eq!(
            of(&["lab"], "fn f(x: crate::plan::Trial) -> &'static str {\n  crate::oracle::predict(x)\n}"),
            ["oracle:2", "plan:1"]
        );
        assert_eq!(of(&["lab"], "pub use crate::*;"), ["*:1"]);
        assert_eq!(of(&["lab"], "use crate as house;"), ["*:1"]);
        assert_eq!(of(&["lab"], "extern crate self as house;"), ["*:1"]);
    }

    #[test]
    fn super_counts_only_where_it_leaves_the_module() {
        assert_eq!(of(&["lab", "taps"], "use super::capture;"), [""; 0]);
        assert_eq!(of(&["lab", "taps"], "use super::super::run::{self, wire};"), ["run:1"]);
        assert_eq!(of(&["lab"], "use super::run;"), ["run:1"]);
        assert_eq!(of(&["lab"], "mod inner { use super::run; }\nuse super::run;"), ["run:2"]);
        assert_eq!(of(&["lab"], "mod inner { use super::super::{run, plan}; }"), ["plan:1", "run:1"]);
    }

    #[test]
    fn comments_strings_and_tests_make_no_edge() {
        let text = "//! [`crate::a`]\n/// ```\n/// use crate::b;\n/// ```\nconst S: &str = \"crate::c\";\n\
                    #[cfg(test)]\nmod tests {\n use crate::d;\n}\n";
        assert_eq!(of(&["lab"], text), [""; 0]);
        assert_eq!(of(&["lab"], "pub(crate) fn f() { self.natlab::x; }"), [""; 0]);
    }

    #[test]
    fn the_program_uses_the_library_by_name() {
        assert_eq!(of(&["main"], "fn main() { natlab::cli::main() }"), ["cli:1"]);
    }
}
