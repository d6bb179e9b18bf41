//! The built-in agent as a process: protocol 1 on stdin and stdout around the webrtc-ice crate, everything on one thread
//! (sockets made by tasks of a current-thread runtime are in the process's network namespace, whatever that is).
//!
//! The library's quirks are met here and nowhere else: `configure` knows its knobs, `gather_log` reads its failures
//! from its log, `servers` puts [`super::turn_shim`] between it and TURN servers.

mod configure;
mod gather_log;
mod input;
mod library;
mod output;
mod servers;
mod session;

use std::io;
use std::time::Duration;

use tokio::sync::mpsc;

use input::{Line, Request};
use output::Output;
use session::Session;

use super::registry;

/// The process could not run.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// No such built-in agent.
    #[error("start agent `{name}`: there is no built-in agent of this name")]
    Unknown {
        /// As given.
        name: String,
        /// What was meant, perhaps.
        nearest: Option<&'static str>,
    },
    /// The runtime could not be made.
    #[error("start the agent's runtime")]
    Runtime(#[source] io::Error),
}

/// How many commands may wait between the thread that reads them and the one that obeys; more stay in the pipe.
const WAITING_COMMANDS: usize = 64;

/// Runs the built-in agent `name` until `close`, the end of stdin, or until nobody reads stdout.
///
/// # Errors
/// The name is unknown, or the system refuses a runtime. Everything later is said in the protocol.
pub fn main(name: &str) -> Result<(), Failure> {
    if registry::builtin(name).is_none() {
        return Err(Failure::Unknown { name: name.to_owned(), nearest: registry::nearest(name) });
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    let (output, writer) = output::start(io::stdout());
    runtime.block_on(serve(&output));
    // Tasks of the library may still run, and the reader of stdin blocks until its next line: neither is waited for.
    runtime.shutdown_timeout(Duration::ZERO);
    drop(output);
    writer.finish();
    Ok(())
}

async fn serve(output: &Output) {
    let (sender, mut lines) = mpsc::channel(WAITING_COMMANDS);
    std::thread::spawn(move || {
        let mut stdin = io::stdin().lock();
        while let Ok(Some(line)) = input::next_line(&mut stdin) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    let mut session = Session::start(output.clone());
    loop {
        let line = tokio::select! {
            line = lines.recv() => line,
            () = output.nobody_reads() => None,
        };
        let request = match line {
            None => break session.close(None).await,
            Some(Line::TooLong) => Request::Garbage("a line of more than 1 MiB".to_owned()),
            Some(Line::Text(text)) if text.trim().is_empty() => continue,
            Some(Line::Text(text)) => input::parse(&text),
        };
        if session.obey(request).await.is_break() {
            break;
        }
    }
}
