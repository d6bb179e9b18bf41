//! `natlab exec`: what the program inside a node sees, and how it ends.

use std::io::Write;
use std::process::{Output, Stdio};

use libtest_mimic::Trial;

use super::trial::test;
use super::user::{User, users};

pub fn tests() -> Vec<Trial> {
    let mut all = Vec::new();
    for user in users() {
        all.push(test(format!("exec::a_program_sees_its_node_as_{}", user.name()), move || inside(user)));
    }
    all.push(test("exec::the_end_of_the_program_is_the_end_of_natlab", ends));
    all.push(test("exec::stdin_and_stdout_are_the_programs", streams));
    all.push(test("exec::a_program_that_is_not_there", not_there));
    all.push(test("exec::a_node_that_is_not_there", no_such_node));
    all.push(test("exec::the_lab_of_another_trial", other_trial));
    all
}

fn exec(user: User, arguments: &[&str]) -> (Option<i32>, String, String) {
    told(&user.natlab().arg("exec").args(arguments).output().expect("natlab exec"))
}

fn told(output: &Output) -> (Option<i32>, String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

fn inside(user: User) {
    let script = "ls /sys/class/net; grep -E '^(SigBlk|CapEff):' /proc/self/status; echo node $NATLAB_NODE; \
                  cat /proc/sys/net/ipv4/ip_forward";
    let (code, out, err) = exec(user, &["symmetric", "home", "--", "sh", "-c", script]);
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[..3], ["lan0", "lo", "wan0"], "the interfaces of the node, not of the host: {out}");
    assert_eq!(lines[3], "SigBlk:\t0000000000000000", "nothing is held back from it: {out}");
    let capabilities = lines[4].strip_prefix("CapEff:\t").and_then(|c| u64::from_str_radix(c, 16).ok()).expect("bits");
    // CAP_NET_ADMIN and CAP_NET_RAW: it may look at packets and change the node.
    assert_eq!(capabilities >> 12 & 3, 3, "{out}");
    assert_eq!(lines[5..], ["node home", "1"], "{out}");
}

fn ends() {
    assert_eq!(exec(User::Own, &["symmetric", "alice", "--", "sh", "-c", "exit 42"]).0, Some(42));
    let killed = exec(User::Own, &["symmetric", "alice", "--", "sh", "-c", "kill -TERM $$"]);
    assert_eq!(killed.0, Some(128 + 15), "as a shell says it");
}

fn streams() {
    let mut natlab = User::Own
        .natlab()
        .args(["exec", "symmetric", "alice", "--", "cat"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("natlab exec");
    natlab.stdin.take().expect("a pipe").write_all(b"through\n").expect("written");
    let (code, out, _) = told(&natlab.wait_with_output().expect("the end"));
    assert_eq!((code, out.as_str()), (Some(0), "through\n"));
}

fn not_there() {
    let (code, out, err) = exec(User::Own, &["symmetric", "alice", "--", "no-such-program"]);
    assert_eq!((code, out.as_str()), (Some(127), ""), "{err}");
    assert!(err.contains("failed to start no-such-program") && err.contains("hint:"), "{err}");
    let (code, _, err) = exec(User::Own, &["symmetric", "alice", "--", "/etc/passwd"]);
    assert_eq!(code, Some(126), "{err}");
}

fn no_such_node() {
    let (code, _, err) = exec(User::Own, &["symmetric", "alic", "--", "true"]);
    assert_eq!(code, Some(2), "{err}");
    assert!(err.contains("there is no node alic, did you mean alice?") && err.contains("bob (peer)"), "{err}");
}

fn other_trial() {
    let (code, _, err) = exec(User::Own, &["symmetric", "alice", "--trial", "symmetric/bob-offers", "--", "true"]);
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = exec(User::Own, &["symmetric", "alice", "--trial", "symmetric/nobody-offers", "--", "true"]);
    assert_eq!(code, Some(5), "{err}");
}
