//! `natlab doctor` where everything works, where only plain root does, and where nothing does.

use std::os::unix::process::CommandExt;
use std::process::Output;

use libtest_mimic::Trial;
use serde_json::Value;

use super::trial::test;
use super::user::{User, is_root, users};

pub fn tests() -> Vec<Trial> {
    let mut all = Vec::new();
    for user in users() {
        all.push(test(format!("doctor::everything_works_as_{}", user.name()), move || everything_works(user)));
    }
    all.push(test("doctor::a_number_of_namespaces_that_is_too_small_is_named", too_few_namespaces));
    if is_root() {
        all.push(test("doctor::an_ordinary_user_in_a_chroot_is_refused_and_told_what_helps", refused));
        all.push(test("doctor::a_run_that_is_refused_ends_with_the_same_text", refused_run));
        all.push(test("doctor::covered_parts_of_proc_and_read_only_settings_leave_plain_root", covered_as_root));
        all.push(test("doctor::covered_parts_of_proc_are_a_refusal_to_ordinary_users", covered_as_user));
    }
    all
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{e}: {text}{}", String::from_utf8_lossy(&output.stderr)))
}

fn everything_works(user: User) {
    let output = user.natlab().args(["doctor", "--format", "json"]).output().expect("natlab doctor");
    let found = json(&output);
    assert_eq!((output.status.code(), &found["runs"]), (Some(0), &Value::Bool(true)), "{found:#}");
    let way = if user == User::RootInChroot { "plain-root" } else { "user-namespace" };
    assert_eq!(found["way"], way, "{found:#}");
    assert_eq!(found["refused"].as_array().map(Vec::len), Some(usize::from(user == User::RootInChroot)), "{found:#}");
    let findings = found["findings"].as_array().expect("findings");
    assert!(findings.len() > 10, "{found:#}");
    for finding in findings.iter().filter(|f| f["required"] == true) {
        assert_eq!(finding["state"], "ok", "{finding:#}");
    }
    // Shipped scenarios and presets need these, other scenarios do not.
    for name in ["bridges", "rejection", "untracked", "loss-up", "loss-down"] {
        let finding = findings.iter().find(|f| f["facility"] == name).unwrap_or_else(|| panic!("no {name}: {found:#}"));
        assert_eq!((&finding["state"], &finding["required"]), (&"ok".into(), &false.into()), "{finding:#}");
    }
}

fn refused() {
    let output = User::NobodyInChroot.natlab().args(["doctor", "--format", "json"]).output().expect("natlab doctor");
    let found = json(&output);
    assert_eq!((output.status.code(), &found["runs"]), (Some(3), &Value::Bool(false)), "{found:#}");
    assert!(found["refused"][0]["why"].as_str().expect("a reason").contains("Operation not permitted"), "{found:#}");
    assert!(!found["remedies"].as_array().expect("remedies").is_empty(), "{found:#}");
}

fn refused_run() {
    for arguments in [&["run", "full-cone"][..], &["exec", "full-cone", "alice", "--", "true"]] {
        let output = User::NobodyInChroot.natlab().args(arguments).output().expect("natlab");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("scenarios cannot run here\n  refused  user namespace: "), "{stderr}");
        assert!(stderr.contains("\nwhat helps"), "{stderr}");
    }
}

/// As container engines do it: part of `/proc` covered, `/proc/sys` read-only.
const COVERED: &str = "mount -t tmpfs -o ro none /proc/tty && mount --bind /proc/sys /proc/sys && \
    mount -o remount,bind,ro /proc/sys && exec \"$0\" \"$@\"";

fn covered(user: User) -> Value {
    let natlab = user.natlab();
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", COVERED]);
    if user == User::Nobody {
        command.args(["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    }
    command.arg(natlab.get_program()).args(["doctor", "--format", "json"]).process_group(0);
    json(&command.output().expect("natlab doctor"))
}

fn covered_as_root() {
    let found = covered(User::Own);
    assert_eq!((&found["runs"], &found["way"]), (&Value::Bool(true), &"plain-root".into()), "{found:#}");
    assert!(found["refused"][0]["why"].as_str().expect("a reason").contains("/proc"), "{found:#}");
}

fn covered_as_user() {
    let found = covered(User::Nobody);
    assert_eq!(found["runs"], false, "{found:#}");
    assert!(found["refused"][0]["why"].as_str().expect("a reason").contains("/proc"), "{found:#}");
}

/// Enough for natlab itself, but not for a lab; in a user namespace of the test's own.
const FEW: &str = "echo 3 > /proc/sys/user/max_net_namespaces && exec \"$0\" \"$@\"";

fn too_few_namespaces() {
    let natlab = |arguments: &[&str]| {
        let mut command = std::process::Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", FEW]).arg(User::Own.natlab().get_program());
        command.args(arguments).output().expect("natlab")
    };
    let output = natlab(&["doctor", "--format", "json"]);
    let found = json(&output);
    assert_eq!(output.status.code(), Some(3), "{found:#}");
    let first = &found["findings"][0];
    assert_eq!((&first["facility"], &first["state"]), (&"network-namespaces".into(), &"missing".into()), "{found:#}");
    assert!(first["detail"].as_str().expect("words").contains("No space left"), "{found:#}");
    assert!(found["remedies"].to_string().contains("sudo sysctl -w user.max_net_namespaces"), "{found:#}");

    for arguments in [&["run", "full-cone"][..], &["exec", "full-cone", "alice", "--", "true"]] {
        let output = natlab(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{stderr}");
        assert!(stderr.contains("scenarios cannot run here\n\n  missing  network namespaces"), "{stderr}");
    }
}
