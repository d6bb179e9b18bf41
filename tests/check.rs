//! `natlab check` against servers that are right and servers that are wrong: natlab's own, and coturn, on loopback addresses.
//!
//! Where coturn is missing its tests are listed as ignored, with the reason; in CI they run and fail. `scripts/test` installs
//! it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "check/certificate.rs"]
mod certificate;
#[path = "check/coturn.rs"]
mod coturn;
#[path = "check/natlab.rs"]
mod natlab;
#[path = "check/place.rs"]
mod place;

use libtest_mimic::{Arguments, Failed, Trial};

type Test = (&'static str, fn());

fn main() {
    let arguments = Arguments::from_args();
    let ci = std::env::var("CI").as_deref() == Ok("true");
    let trial = |(name, test): Test| {
        Trial::test(name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    let mut tests: Vec<Trial> = natlab::TESTS.iter().copied().map(trial).collect();
    tests.extend(coturn::TESTS.iter().copied().map(|test| match place::missing("turnserver") {
        Some(why) if !ci => trial(test).with_kind(why).with_ignored_flag(true),
        _ => trial(test),
    }));
    libtest_mimic::run(&arguments, tests).exit();
}
