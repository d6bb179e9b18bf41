//! Nothing is left of a run that is killed: no process, no namespace, no mount, no file; whoever runs it, whenever it is
//! killed. Where the host has no lab the tests are listed as ignored, with the reason; in CI they fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr, missing_docs)]

#[path = "leaks/kill.rs"]
mod kill;
#[path = "leaks/traces.rs"]
mod traces;
#[path = "host/user.rs"]
mod user;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let arguments = Arguments::from_args();
    let ignored = user::why_no_lab().filter(|_| std::env::var("CI").as_deref() != Ok("true"));
    if let Some(why) = &ignored {
        eprintln!("ignored, this host has no lab: {why}");
    }
    let test = |user: user::User| {
        let body = move || {
            kill::at_twenty_moments(user);
            Ok::<(), Failed>(())
        };
        Trial::test(format!("nothing_is_left_after_kill::{}", user.name()), body).with_ignored_flag(ignored.is_some())
    };
    user::finish(&libtest_mimic::run(&arguments, user::users().into_iter().map(test).collect()))
}
