//! `natlab classify` in a node of the lab, as a user would run it.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use natlab::classification::{Classification, FamilyFindings};

use crate::lab::Node;

/// Nothing that is asked here takes longer.
const LIMIT: Duration = Duration::from_secs(150);

/// How it ended.
#[derive(Debug)]
pub struct Said {
    /// Exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// The report, when there is one.
    pub report: Option<Classification>,
    /// Both streams, for people.
    pub text: String,
}

impl Said {
    /// What it says of IPv4.
    pub fn ipv4(&self) -> &FamilyFindings {
        let report = self.report.as_ref().unwrap_or_else(|| panic!("no report: {}", self.text));
        report.families.first().unwrap_or_else(|| panic!("nothing about IPv4: {}", self.text))
    }
}

/// Runs it in a namespace and reads its JSON report.
pub fn classify(node: &Node, arguments: &[&str]) -> Said {
    finish(start(node, arguments))
}

/// Starts it.
pub fn start(node: &Node, arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_natlab"));
    command.args(["classify", "--format", "json", "--no-port-mapping"]).args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    node.netns.run(move || command.spawn()).expect("enter the namespace").expect("start natlab")
}

/// Waits for its end; one that does not end is killed and said to be a failure.
pub fn finish(mut child: Child) -> Said {
    let id = child.id();
    let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
    let (send, receive) = channel();
    let read = |mut from: Box<dyn Read + Send>| {
        std::thread::spawn(move || {
            let mut text = String::new();
            let _ = from.read_to_string(&mut text);
            text
        })
    };
    let (out, err) = (read(Box::new(out)), read(Box::new(err)));
    std::thread::spawn(move || send.send(child.wait()));
    let Ok(status) = receive.recv_timeout(LIMIT) else {
        let _ = Command::new("kill").args(["-KILL", &id.to_string()]).status();
        panic!("natlab classify did not end within {LIMIT:?}");
    };
    let (out, err) = (out.join().expect("read"), err.join().expect("read"));
    Said { code: status.expect("wait").code(), report: serde_json::from_str(&out).ok(), text: format!("{out}\n{err}") }
}
