//! The loop of test programs that enter namespaces before their first test, which takes a process with one thread: no test
//! runs beside another.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

/// A test by its name, and what it is run on.
pub type Test<P> = (&'static str, fn(&mut P));

/// Lists the tests or runs those whose names have one of the arguments in them, each on what `enter` gives. Where that fails,
/// and where a test `lacks` something, it is ignored with the reason; in CI (`CI=true`) that is a failure.
pub fn run<P>(
    tests: &[Test<P>],
    lacks: impl Fn(&str) -> Option<String>,
    enter: impl FnOnce() -> Result<P, String>,
) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|a| a == "--list") {
        tests.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let selected =
        tests.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| name.contains(w.as_str())));

    let ci = std::env::var("CI").is_ok_and(|v| v == "true");
    let mut place = enter();
    let mut failed = 0;
    for (name, test) in selected {
        let lacking = place.as_ref().err().cloned().or_else(|| lacks(name));
        let (Ok(place), None) = (&mut place, &lacking) else {
            println!("test {name} ... ignored, {}", lacking.unwrap_or_default());
            failed += usize::from(ci);
            continue;
        };
        let start = Instant::now();
        let passed = catch_unwind(AssertUnwindSafe(|| test(place))).is_ok();
        println!("test {name} ... {} ({:.1?})", if passed { "ok" } else { "FAILED" }, start.elapsed());
        failed += usize::from(!passed);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
