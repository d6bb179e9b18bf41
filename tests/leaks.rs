//! Nothing is left of a run that is killed: no process, no namespace, no mount, no file; whoever runs it, whenever it is
//! killed. Where the host has no lab the tests are listed as ignored, with the reason; in CI they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "leaks/kill.rs"]
mod kill;
#[path = "leaks/traces.rs"]
mod traces;
#[path = "host/trial.rs"]
mod trial;
#[path = "host/user.rs"]
mod user;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let ignored = trial::ignored();
    let test = |user: user::User| {
        let name = format!("nothing_is_left_after_kill::{}", user.name());
        trial::test(name, move || kill::at_twenty_moments(user)).with_ignored_flag(ignored)
    };
    user::finish(&libtest_mimic::run(&arguments, user::users().into_iter().map(test).collect()))
}
