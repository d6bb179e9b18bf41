//! The outer end of a run: starts the inner process, keeps it busy, and hands every answer to a listener. Single-threaded
//! until the inner process runs.

use std::io::{self, BufRead, Write};
use std::process::Child;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::wire::{Answer, Request};
use crate::lab::isolate::{self, Inner, IsolateError, Ready, Terminal, Way};

/// A running inner process.
#[derive(Debug)]
pub struct Outer {
    porter: Child,
    requests: Option<std::fs::File>,
    answers: Receiver<io::Result<Answer>>,
    /// How it got its rights.
    pub way: Way,
    /// Ways that were refused before.
    pub refused: Vec<(Way, String)>,
    /// What it found.
    pub ready: Ready,
}

/// What [`Outer::next`] gives.
#[derive(Debug)]
pub enum Next {
    /// An answer.
    Answer(Box<Answer>),
    /// Nothing for that long.
    Quiet,
    /// The inner process is gone, although it was still wanted: a bug or a kill.
    Gone(String),
}

impl Outer {
    /// Starts the inner process.
    pub fn start(terminal: Terminal) -> Result<Self, IsolateError> {
        let Inner { porter, requests, mut answers, way, refused, ready } = isolate::start(terminal)?;
        let (to, from) = channel();
        // A thread of its own, so that an interrupt is seen while the inner process is silent.
        std::thread::spawn(move || {
            let mut line = String::new();
            loop {
                line.clear();
                let answer = match answers.read_line(&mut line) {
                    Ok(0) => return,
                    Ok(_) => serde_json::from_str(&line).map_err(io::Error::other),
                    Err(e) => Err(e),
                };
                if to.send(answer).is_err() {
                    return;
                }
            }
        });
        Ok(Outer { porter, requests: Some(requests), answers: from, way, refused, ready })
    }

    /// Asks for something.
    pub fn ask(&mut self, request: &Request) -> io::Result<()> {
        let mut text = serde_json::to_vec(request).map_err(io::Error::other)?;
        text.push(b'\n');
        match &mut self.requests {
            Some(pipe) => pipe.write_all(&text),
            None => Err(io::Error::other("the inner process was ended")),
        }
    }

    /// The next answer, waited for at most `limit`.
    pub fn next(&mut self, limit: Duration) -> Next {
        match self.answers.recv_timeout(limit) {
            Ok(Ok(answer)) => Next::Answer(Box::new(answer)),
            Ok(Err(e)) => Next::Gone(e.to_string()),
            Err(RecvTimeoutError::Timeout) => Next::Quiet,
            Err(RecvTimeoutError::Disconnected) => match self.porter.wait() {
                Ok(status) => Next::Gone(status.to_string()),
                Err(e) => Next::Gone(e.to_string()),
            },
        }
    }

    /// Ends the inner process and waits for it: everything in its namespaces ends with it.
    pub fn end(mut self) -> io::Result<()> {
        self.requests = None;
        self.porter.wait()?;
        Ok(())
    }

    /// The inner process's number as the host sees it, for entering its namespaces.
    pub fn inner_pid(&self) -> Option<u32> {
        let porter = self.porter.id();
        let children = std::fs::read_to_string(format!("/proc/{porter}/task/{porter}/children")).ok()?;
        children.split_ascii_whitespace().next()?.parse().ok()
    }
}

impl Drop for Outer {
    fn drop(&mut self) {
        self.requests = None;
        let _ = self.porter.kill();
        let _ = self.porter.wait();
    }
}
