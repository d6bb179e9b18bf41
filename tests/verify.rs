//! `natlab verify-nat` through the library: the NATs of every preset are observed once, and each observation is judged by
//! every preset's declaration. A NAT is as declared by its own, and by no other that says something else.
//!
//! Not a libtest harness: entering a user namespace needs a process with one thread. Where that is not allowed the tests are
//! listed as ignored with the reason; in CI (`CI=true`) that is a failure.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(target_os = "linux")]
#[path = "verify/sandbox.rs"]
mod sandbox;
#[cfg(target_os = "linux")]
#[path = "verify/subjects.rs"]
mod subjects;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::Path;
    use std::process::ExitCode;
    use std::time::Instant;

    type Test = (&'static str, fn(&Path));
    const TESTS: &[Test] = &[
        ("each_preset_is_told_from_every_other", subjects::each_preset_is_told_from_every_other),
        ("each_combination_is_told_from_every_other", subjects::each_combination_is_told_from_every_other),
        ("chains_are_as_strict_as_their_strictest", subjects::chains_are_as_strict_as_their_strictest),
        ("chains_are_told_by_ports_and_pools", subjects::chains_are_told_by_ports_and_pools),
        ("chains_are_told_by_forwards", subjects::chains_are_told_by_forwards),
        ("forwards_are_found_and_missed", subjects::forwards_are_found_and_missed),
    ];
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let selected: Vec<&Test> = TESTS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())))
        .collect();
    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    let home = match sandbox::enter() {
        Ok(home) => home,
        Err(why) => {
            selected.iter().for_each(|(name, _)| println!("test {name} ... ignored, {why}"));
            return if ci { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
    };
    let mut failed = 0;
    for (name, test) in selected {
        let start = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(|| test(&home))).is_ok();
        println!("test {name} ... {} ({:.1?})", if passed { "ok" } else { "FAILED" }, start.elapsed());
        failed += usize::from(!passed);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("labs are those of Linux: nothing to test here");
}
