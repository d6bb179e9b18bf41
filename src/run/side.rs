//! One agent of a trial: its process, the lines both ways, and what it has said so far.

use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use std::os::unix::process::ExitStatusExt;

use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader};
use tokio::process::{Child, ChildStdin};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::recorder::Recorder;
use crate::event::{Happened, ProcessRole};
use crate::lab::namespace::Namespace;
use crate::lab::process::{self, OWN_PROGRAM, Streams};
use crate::plan::AgentProgram;
use crate::protocol::{Command, CommandBody, LONGEST_LINE, MOST_LINES, MOST_OUTPUT};

/// Stderr kept in the events; the rest is only counted.
const STDERR_LINES: usize = 500;
/// The beginning of a line that is not the protocol.
const GARBAGE_CHARS: usize = 200;
/// A line on stderr.
const STDERR_CHARS: usize = 2000;

/// A process of the lab whose every line is an event.
#[derive(Debug)]
pub struct Watched {
    /// Node it runs in.
    pub node: String,
    pid: Option<u32>,
    stdin: Option<ChildStdin>,
    next_id: u64,
    recorder: Recorder,
    role: ProcessRole,
    exit: JoinHandle<()>,
    ending: Option<oneshot::Sender<()>>,
}

/// Program and arguments of an agent.
pub fn argv(program: &AgentProgram) -> Vec<String> {
    match program {
        AgentProgram::Builtin(name) => vec![OWN_PROGRAM.into(), "agent".into(), name.clone()],
        AgentProgram::Command(argv) => argv.clone(),
    }
}

impl Watched {
    /// Starts a program in `node` and watches it: every line of its stdout becomes [`Happened::Said`] (of an agent) or
    /// [`Happened::ServerReady`] (of a server), every line of stderr [`Happened::Stderr`], its end [`Happened::Exited`].
    pub fn start(
        node: &Namespace,
        role: ProcessRole,
        argv: Vec<String>,
        directory: Option<&Path>,
        recorder: &Recorder,
    ) -> std::io::Result<Watched> {
        let name = node.name.clone();
        let environment = [("NATLAB_NODE", name.as_str())];
        let spawned = process::spawn(node, &argv, &environment, directory, Streams::Piped);
        let mut child = match spawned {
            Ok(child) => child,
            Err(e) => {
                let error = format!("{}: {e}", argv.first().map_or("", String::as_str));
                recorder.record(Happened::StartFailed { node: name, role, error });
                return Err(e);
            }
        };
        recorder.record(Happened::Started { node: name.clone(), role, argv });
        let pid = child.id();
        let stdin = child.stdin.take();
        let readers = [
            child.stdout.take().map(|out| tokio::spawn(read_stdout(out, name.clone(), role, pid, recorder.clone()))),
            child.stderr.take().map(|err| tokio::spawn(read_stderr(err, name.clone(), role, recorder.clone()))),
        ];
        let (ending, expected) = oneshot::channel();
        let exit = tokio::spawn(wait(child, readers, name.clone(), role, expected, recorder.clone()));
        let recorder = recorder.clone();
        Ok(Watched { node: name, pid, stdin, next_id: 1, recorder, role, exit, ending: Some(ending) })
    }

    /// Sends one command; its number. A closed stdin is no error here: the end of the process is an event of its own.
    pub async fn tell(&mut self, body: CommandBody) -> u64 {
        let command = Command { id: self.next_id, body };
        self.next_id += 1;
        let message = serde_json::to_value(&command).unwrap_or(Value::Null);
        let mut line = message.to_string();
        line.push('\n');
        self.recorder.record(Happened::Told { node: self.node.clone(), message });
        if let Some(stdin) = &mut self.stdin {
            // An agent that does not read must not stop the trial: its pipe holds 64 KiB, and a minute of commands is less.
            let _ = tokio::time::timeout(Duration::from_secs(1), stdin.write_all(line.as_bytes())).await;
        }
        command.id
    }

    /// From now on its end is what natlab wants.
    pub fn expect_end(&mut self) {
        if let Some(ending) = self.ending.take() {
            let _ = ending.send(());
        }
    }

    /// Waits for its end, at most `limit`; then ends its whole process group. Whether it ended by itself.
    pub async fn end(mut self, limit: Duration) -> bool {
        self.expect_end();
        self.stdin = None;
        let by_itself = tokio::time::timeout(limit, &mut self.exit).await.is_ok();
        if let Some(pid) = self.pid
            && let Err(e) = process::end_group(pid)
        {
            self.recorder.record(Happened::Note { text: format!("ending the processes of {}: {e}", self.node) });
        }
        if !by_itself {
            // Killed: its end is certain now.
            let _ = self.exit.await;
        }
        by_itself
    }

    /// Ends its whole process group now.
    pub async fn stop(self) {
        self.end(Duration::ZERO).await;
    }

    /// What it is there for.
    pub fn role(&self) -> ProcessRole {
        self.role
    }
}

async fn wait(
    mut child: Child,
    readers: [Option<JoinHandle<()>>; 2],
    node: String,
    role: ProcessRole,
    mut expected: oneshot::Receiver<()>,
    recorder: Recorder,
) {
    let status = child.wait().await;
    // What it had still to say comes before its end; a grandchild may hold the pipes open for ever.
    for reader in readers.into_iter().flatten() {
        let _ = tokio::time::timeout(Duration::from_millis(200), reader).await;
    }
    let expected = expected.try_recv().is_ok();
    let (code, signal) = match &status {
        Ok(status) => (ExitStatus::code(status), status.signal()),
        Err(_) => (None, None),
    };
    recorder.record(Happened::Exited { node, role, code, signal, expected });
}

async fn read_stdout(out: impl AsyncRead + Unpin, node: String, role: ProcessRole, pid: Option<u32>, to: Recorder) {
    let mut out = BufReader::new(out);
    let (mut bytes, mut lines) = (0, 0);
    while let Some(line) = next_line(&mut out).await {
        let length = line.length;
        bytes += length;
        lines += 1;
        if bytes > MOST_OUTPUT || lines > MOST_LINES || length > LONGEST_LINE as u64 {
            to.record(Happened::Flood { node: node.clone(), role, bytes });
            if let Some(pid) = pid {
                let _ = process::end_group(pid);
            }
            return;
        }
        let node = node.clone();
        let text = String::from_utf8_lossy(&line.text);
        if text.trim().is_empty() {
            continue;
        }
        match (serde_json::from_str::<Value>(&text), role) {
            (Ok(message @ Value::Object(_)), ProcessRole::Agent) => to.record(Happened::Said { node, message }),
            (Ok(message @ Value::Object(_)), ProcessRole::Server) => to.record(Happened::ServerReady { node, message }),
            // A foreign server logs to stdout.
            (_, ProcessRole::Server) => {
                let text = text.trim_end().chars().take(STDERR_CHARS).collect();
                to.record(Happened::Stderr { node, role, text })
            }
            _ => {
                let text = text.chars().take(GARBAGE_CHARS).collect();
                to.record(Happened::Garbage { node, text, bytes: length })
            }
        };
    }
}

async fn read_stderr(err: impl AsyncRead + Unpin, node: String, role: ProcessRole, to: Recorder) {
    let mut err = BufReader::new(err);
    let mut left = STDERR_LINES;
    while let Some(line) = next_line(&mut err).await {
        if left == 0 {
            continue; // read on, or the process would block
        }
        left -= 1;
        let text = match left {
            0 => format!("more than {STDERR_LINES} lines; the rest is not kept"),
            _ => String::from_utf8_lossy(&line.text).trim_end().chars().take(STDERR_CHARS).collect(),
        };
        to.record(Happened::Stderr { node: node.clone(), role, text });
    }
}

struct Line {
    /// At most [`LONGEST_LINE`] bytes of it.
    text: Vec<u8>,
    /// All of it.
    length: u64,
}

/// The next line, however long, in bounded memory; `None` at the end. A line longer than allowed is given up early.
async fn next_line(from: &mut (impl AsyncBufRead + Unpin)) -> Option<Line> {
    let mut line = Line { text: Vec::new(), length: 0 };
    loop {
        let chunk = match from.fill_buf().await {
            Ok(chunk) if !chunk.is_empty() => chunk,
            _ => return (line.length > 0).then_some(line),
        };
        let end = chunk.iter().position(|b| *b == b'\n');
        let part = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or(chunk);
        let room = LONGEST_LINE.saturating_sub(line.text.len()).min(part.len());
        line.text.extend_from_slice(part.get(..room).unwrap_or(part));
        let used = end.map_or(chunk.len(), |e| e + 1);
        line.length += used as u64;
        from.consume(used);
        if end.is_some() || line.length > LONGEST_LINE as u64 {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn lines_are_read_whole_and_bounded() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let text = format!("{{}}\n\nlast{}", "x".repeat(3 << 20));
            let mut reader = BufReader::new(text.as_bytes());
            assert_eq!(next_line(&mut reader).await.unwrap().text, b"{}");
            assert_eq!(next_line(&mut reader).await.unwrap().text, b"");
            let long = next_line(&mut reader).await.unwrap();
            assert!(long.length > LONGEST_LINE as u64 && long.text.len() == LONGEST_LINE);
        });
    }
}
