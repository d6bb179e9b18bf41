//! What natlab does on hosts that allow more or less: `natlab doctor` and `natlab exec`, as whoever can run them. Where the
//! host has no lab the tests are listed as ignored, with the reason; in CI they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "host/doctor.rs"]
mod doctor;
#[path = "host/exec.rs"]
mod exec;
#[path = "host/trial.rs"]
mod trial;
#[path = "host/user.rs"]
mod user;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let ignored = trial::ignored();
    let tests = doctor::tests().into_iter().chain(exec::tests());
    let tests: Vec<Trial> = tests.map(|t| t.with_ignored_flag(ignored)).collect();
    user::finish(&libtest_mimic::run(&arguments, tests))
}
