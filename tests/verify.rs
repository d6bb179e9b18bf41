//! `natlab verify-nat` through the library: the NATs of every preset are observed once, and each observation is judged by
//! every preset's declaration. A NAT is as declared by its own, and by no other that says something else.
//!
//! Not a libtest harness: entering a user namespace needs a process with one thread. Where that is not allowed the tests are
//! listed as ignored with the reason; in CI (`CI=true`) that is a failure.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, clippy::panic, missing_docs)]

#[cfg(target_os = "linux")]
#[path = "nat_kernel/harness.rs"]
mod harness;
#[cfg(target_os = "linux")]
#[path = "verify/place.rs"]
mod place;
#[cfg(target_os = "linux")]
#[path = "nat_kernel/sandbox.rs"]
#[allow(dead_code)]
mod sandbox;
#[cfg(target_os = "linux")]
#[path = "verify/subjects.rs"]
mod subjects;

#[cfg(target_os = "linux")]
fn main() -> std::process::ExitCode {
    const TESTS: &[harness::Test<std::path::PathBuf>] = &[
        ("each_preset_is_told_from_every_other", |home| subjects::each_preset_is_told_from_every_other(home)),
        ("each_combination_is_told_from_every_other", |home| subjects::each_combination_is_told_from_every_other(home)),
        ("chains_are_as_strict_as_their_strictest", |home| subjects::chains_are_as_strict_as_their_strictest(home)),
        ("chains_are_told_by_ports_and_pools", |home| subjects::chains_are_told_by_ports_and_pools(home)),
        ("chains_are_told_by_forwards", |home| subjects::chains_are_told_by_forwards(home)),
        ("forwards_are_found_and_missed", |home| subjects::forwards_are_found_and_missed(home)),
    ];
    harness::run(TESTS, |_| None, place::enter)
}

#[cfg(not(target_os = "linux"))]
fn main() {
    println!("labs are those of Linux: nothing to test here");
}
