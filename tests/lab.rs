//! Whole runs in real namespaces. Where the host has no lab they are listed as ignored, with the reason; in CI they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "lab/carrier.rs"]
mod carrier;
#[path = "lab/command.rs"]
mod command;
#[path = "lab/endings.rs"]
mod endings;
#[path = "lab/foreign.rs"]
mod foreign;
#[path = "lab/loss.rs"]
mod loss;
#[path = "lab/matrix.rs"]
mod matrix;
#[path = "lab/misbehaving.rs"]
mod misbehaving;
#[path = "lab/records.rs"]
mod records;
#[path = "lab/shipped.rs"]
mod shipped;
#[path = "host/trial.rs"]
mod trial;
#[path = "lab/verify.rs"]
mod verify;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let ignored = trial::ignored();
    let tests = [
        shipped::tests(),
        matrix::tests(),
        misbehaving::tests(),
        endings::tests(),
        records::tests(),
        foreign::tests(),
        verify::tests(),
        loss::tests(),
        carrier::tests(),
    ];
    // Some tests are ignored for reasons of their own.
    let with_lab = |t: Trial| if ignored { t.with_ignored_flag(true) } else { t };
    let tests: Vec<Trial> = tests.into_iter().flatten().map(with_lab).collect();
    libtest_mimic::run(&arguments, tests).exit();
}
