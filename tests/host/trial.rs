//! Tests that need a lab: where the host has none they are listed as ignored, with the reason; in CI they fail.

use std::process::Command;

use libtest_mimic::{Failed, Trial};

/// A test of this name.
pub fn test(name: impl Into<String>, body: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name.into(), move || {
        body();
        Ok::<(), Failed>(())
    })
}

/// Whether the tests are to be ignored, since labs cannot be built here; says why.
pub fn ignored() -> bool {
    if std::env::var("CI").as_deref() == Ok("true") {
        return false;
    }
    let output = Command::new(env!("CARGO_BIN_EXE_natlab")).arg("doctor").output().expect("natlab doctor");
    if !output.status.success() {
        eprintln!("ignored, this host has no lab: {}", String::from_utf8_lossy(&output.stdout));
    }
    !output.status.success()
}
