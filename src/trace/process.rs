//! An agent as a process: its start, its end, and what it printed besides the protocol.

use std::collections::VecDeque;

use super::{Moment, Remark};

/// Lines of stderr and logs that are kept: the last ones say why a process died.
const TAIL: usize = 20;
/// Lines outside the protocol that are kept; all are counted.
const GARBAGE: usize = 20;

/// The process of an agent.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Program and arguments, and when it was started.
    pub started: Option<(Vec<String>, Moment)>,
    /// Why it could not be started.
    pub start_failed: Option<Remark>,
    /// How it ended by itself, although natlab had not asked for it.
    pub died: Option<Remark>,
    /// When it ended, however.
    pub exited: Option<Moment>,
    /// Bytes it had printed when natlab ended it for printing too much.
    pub flooded: Option<(u64, Moment)>,
    /// The first lines outside the protocol.
    pub garbage: Vec<Remark>,
    /// How many there were.
    pub garbage_lines: u64,
    /// The last lines of stderr, and of logs of level `warn` and `error`.
    pub tail: VecDeque<Remark>,
}

impl Process {
    pub(super) fn started(&mut self, argv: &[String], at: Moment) {
        self.started = Some((argv.to_vec(), at));
    }

    pub(super) fn start_failed(&mut self, error: &str, at: Moment) {
        self.start_failed.get_or_insert_with(|| Remark { at, text: error.to_owned() });
    }

    pub(super) fn exited(&mut self, code: Option<i32>, signal: Option<i32>, expected: bool, at: Moment) {
        self.exited.get_or_insert(at);
        if !expected {
            self.died.get_or_insert_with(|| Remark { at, text: ended(code, signal) });
        }
    }

    pub(super) fn flooded(&mut self, bytes: u64, at: Moment) {
        self.flooded.get_or_insert((bytes, at));
    }

    pub(super) fn stderr(&mut self, text: &str, at: Moment) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(Remark { at, text: text.to_owned() });
    }

    pub(super) fn garbage(&mut self, text: String, at: Moment) {
        self.garbage_lines += 1;
        if self.garbage.len() < GARBAGE {
            self.garbage.push(Remark { at, text });
        }
    }
}

/// How a process ended, for people.
pub fn ended(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        (Some(code), None) => format!("exited with code {code}"),
        (None, None) => "ended".to_owned(),
    }
}
