//! Events as they go out: stamped where they happen, written by a thread of their own, so that a reader who is slow never
//! holds up a connectivity check.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::Notify;

use crate::protocol::{AgentEvent, Refusal, Reply};

/// How long the last lines may take at the end; whoever does not read by then does not want them.
const FLUSH_LIMIT: Duration = Duration::from_millis(300);

/// Where events go; cheap to clone.
#[derive(Clone)]
pub(super) struct Output {
    /// `None` ends the writing thread; the clones that the library's handlers and the logger hold would not.
    lines: Sender<Option<Line>>,
    finished: Arc<AtomicBool>,
    broken: Arc<Notify>,
}

/// What the writing thread writes.
struct Line {
    text: String,
    /// Called when it has been written.
    written: Option<Box<dyn FnOnce() + Send>>,
}

/// The other end: the writing thread.
pub(super) struct Writer(Receiver<()>);

#[derive(Serialize)]
struct Stamped<'a> {
    #[serde(flatten)]
    event: &'a AgentEvent,
    /// Seconds since the Unix epoch.
    t: f64,
}

/// Starts the writing thread.
pub(super) fn start(sink: impl Write + Send + 'static) -> (Output, Writer) {
    let (lines, queue) = mpsc::channel();
    let (done_sender, done) = mpsc::channel();
    let broken = Arc::new(Notify::new());
    let signal = Arc::clone(&broken);
    std::thread::spawn(move || {
        if write_lines(&queue, sink).is_err() {
            signal.notify_one(); // a broken pipe: the session ends as if stdin had
        }
        let _ = done_sender.send(());
    });
    (Output { lines, finished: Arc::new(AtomicBool::new(false)), broken }, Writer(done))
}

fn write_lines(queue: &Receiver<Option<Line>>, mut sink: impl Write) -> std::io::Result<()> {
    while let Ok(Some(line)) = queue.recv() {
        sink.write_all(line.text.as_bytes())?;
        sink.flush()?;
        if let Some(written) = line.written {
            written();
        }
    }
    Ok(())
}

impl Output {
    /// Writes one event; none after [`AgentEvent::Closed`].
    pub(super) fn event(&self, event: &AgentEvent) {
        self.write(event, None);
    }

    /// As [`Self::event`]; calls `written`, on another thread, when the line has been written.
    pub(super) fn event_then(&self, event: &AgentEvent, written: impl FnOnce() + Send + 'static) {
        self.write(event, Some(Box::new(written)));
    }

    fn write(&self, event: &AgentEvent, written: Option<Box<dyn FnOnce() + Send>>) {
        if self.finished.load(Ordering::SeqCst) {
            return;
        }
        let last = matches!(event, AgentEvent::Closed {});
        self.finished.store(last, Ordering::SeqCst);
        let t = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        // Whole microseconds: what a double holds exactly enough, and what other agents give.
        let t = t.as_micros() as f64 / 1e6;
        if let Ok(mut text) = serde_json::to_string(&Stamped { event, t }) {
            text.push('\n');
            let _ = self.lines.send(Some(Line { text, written })); // fails only when the writer has gone, which `broken` says
        }
        if last {
            let _ = self.lines.send(None);
        }
    }

    /// Answers a command.
    pub(super) fn reply(&self, id: u64, cmd: &str, result: Result<Reply, Refusal>) {
        let reply = match result {
            Ok(reply) => Reply { id, cmd: cmd.to_owned(), ok: true, ..reply },
            Err(error) => Reply { id, cmd: cmd.to_owned(), ok: false, error: Some(error), ..accepted() },
        };
        self.event(&AgentEvent::Reply(reply));
    }

    /// For people.
    pub(super) fn log(&self, level: &str, message: impl Into<String>) {
        self.event(&AgentEvent::Log { level: level.to_owned(), message: message.into() });
    }

    /// Returns when writing has failed.
    pub(super) async fn nobody_reads(&self) {
        self.broken.notified().await;
    }
}

impl Writer {
    /// Waits until `closed` is written, not for ever.
    pub(super) fn finish(self) {
        let _ = self.0.recv_timeout(FLUSH_LIMIT);
    }
}

/// The reply that says yes and nothing else.
pub(super) fn accepted() -> Reply {
    Reply {
        id: 0,
        cmd: String::new(),
        ok: true,
        error: None,
        ignored: Vec::new(),
        checks_per_pair: None,
        timers: None,
        stats: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Mutex;

    use serde_json::Value;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn closed_is_the_last_line_though_others_still_hold_the_output() {
        let sink = Shared::default();
        let (output, writer) = start(sink.clone());
        let _held_by_the_logger = output.clone();
        output.reply(3, "stats", Ok(accepted()));
        output.event(&AgentEvent::Closed {});
        output.log("warn", "too late");
        writer.finish();
        let text = String::from_utf8(sink.0.lock().unwrap().clone()).unwrap();
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(lines.len(), 2, "{text}");
        assert_eq!((&lines[0]["ev"], &lines[0]["id"], &lines[0]["ok"]), (&"reply".into(), &3.into(), &true.into()));
        assert_eq!(lines[1]["ev"], "closed");
        assert!(lines[1]["t"].as_f64().unwrap() > 1e9, "seconds since 1970");
        assert!(text.starts_with(r#"{"ev":"reply""#), "the name comes first, for people: {text}");
    }

    #[test]
    fn it_is_told_when_a_line_has_been_written() {
        let sink = Shared::default();
        let (output, _writer) = start(sink.clone());
        let (tell, told) = mpsc::channel();
        let seen = sink.0.clone();
        let length = move || seen.lock().unwrap().len();
        output.event_then(&AgentEvent::Closed {}, move || tell.send(length()).unwrap());
        let written = told.recv_timeout(Duration::from_secs(5)).unwrap();
        assert!(written > 0 && written == sink.0.lock().unwrap().len());
    }

    #[tokio::test]
    async fn a_broken_pipe_is_noticed() {
        let (output, _writer) = start(Broken);
        output.log("info", "hello");
        tokio::time::timeout(Duration::from_secs(5), output.nobody_reads()).await.unwrap();
    }
}
