//! `natlab doctor`: what this host can run, and the exact command or setting that fixes what is missing. Other commands
//! print the same text when they find out that they cannot run.

mod programs;
pub mod remedy;
pub mod text;

use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;

use super::exit::Exit;
use super::output::{Format, complain, report, terminal_width, written};
use crate::lab::isolate::{IsolateError, Terminal, Way};
use crate::lab::preflight::{Facts, Finding, refused, sufficient};
use crate::run::outer::{Next, Outer};
use crate::run::wire::{Answer, Request};

pub use programs::{MissingProgram, programs_of, programs_of_servers};
use text::Diagnosis;

/// `natlab doctor`.
#[derive(Debug, Args)]
pub struct Doctor {
    /// How the diagnosis is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
}

/// How long the examination may take; it takes a tenth of a second, and several when packets get lost.
const LIMIT: Duration = Duration::from_secs(30);
/// Where lines are broken when there is no terminal.
const WIDTH: usize = 100;

/// Examines this host; 0 when scenarios run here, 3 when not.
pub fn run(arguments: &Doctor) -> Exit {
    let diagnosis = match Outer::start(Terminal::Detached) {
        Ok(mut outer) => {
            let findings = examine(&mut outer);
            let diagnosis = with_inner(&outer, &findings);
            if let Err(e) = outer.end() {
                complain(&format!("the inner process did not end: {e}"), None);
            }
            diagnosis
        }
        Err(e) => match without_inner(&e) {
            Some(diagnosis) => diagnosis,
            None => {
                complain(&e.to_string(), None);
                return Exit::Host;
            }
        },
    };
    let text = match arguments.format {
        Format::Human => Ok(diagnosis.text(terminal_width().unwrap_or(WIDTH))),
        Format::Json => serde_json::to_string_pretty(&diagnosis).map(|t| t + "\n"),
    };
    let done = match text {
        Ok(text) => written(report(&text)),
        Err(e) => written(Err(e.into())),
    };
    match (done, diagnosis.runs) {
        (Exit::Success, true) => Exit::Success,
        (Exit::Success, false) => Exit::Host,
        (failed, _) => failed,
    }
}

/// Tries everything that labs need in the inner process. Empty when that process is gone.
pub fn examine(outer: &mut Outer) -> Vec<Finding> {
    if outer.ask(&Request::Examine).is_err() {
        return vec![];
    }
    let end = Instant::now() + LIMIT;
    loop {
        match outer.next(end.saturating_duration_since(Instant::now())) {
            Next::Answer(answer) => {
                if let Answer::Examined { findings } = *answer {
                    return findings;
                }
            }
            Next::Quiet | Next::Gone(_) => return vec![],
        }
    }
}

/// Says on stderr why there is no lab at all, and what helps.
pub fn explain(e: &IsolateError) {
    match without_inner(e) {
        Some(diagnosis) => tell(&diagnosis),
        None => complain(&e.to_string(), None),
    }
}

/// Says on stderr what labs lack here, and what helps; false, and nothing said, when they lack nothing.
pub fn explain_findings(outer: &Outer, findings: &[Finding]) -> bool {
    if sufficient(findings) {
        return false;
    }
    tell(&with_inner(outer, findings));
    true
}

/// Whether the host is to blame for a lab that could not be built: it lacks what all of them need. What it lacks is said on
/// stderr, and what helps; also where only some scenarios need it, since this one may.
pub fn host_lacks_something(outer: &mut Outer) -> bool {
    let findings = examine(outer);
    let lacks = explain_findings(outer, &findings);
    if !lacks && refused(&findings) {
        tell(&with_inner(outer, &findings));
    }
    lacks
}

/// The kernel's release, as `uname -r` prints it.
pub fn kernel() -> String {
    nix::sys::utsname::uname().map(|u| u.release().to_string_lossy().into_owned()).unwrap_or_default()
}

fn tell(diagnosis: &Diagnosis) {
    let text = diagnosis.text(terminal_width().unwrap_or(WIDTH));
    // stderr is the last resort: when it is gone there is nobody left to tell.
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

fn with_inner(outer: &Outer, findings: &[Finding]) -> Diagnosis {
    Diagnosis::new(Facts::of_host(), Some(outer.way), &outer.refused, findings, &program())
}

/// `None` when the failure is not about what the host allows.
fn without_inner(e: &IsolateError) -> Option<Diagnosis> {
    let refused: &[(Way, String)] = match e {
        IsolateError::Refused(refused) => refused,
        IsolateError::Start { .. } => return None,
    };
    Some(Diagnosis::new(Facts::of_host(), None, refused, &[], &program()))
}

/// Where this program lies, for commands and profiles.
fn program() -> String {
    std::env::current_exe().map_or_else(|_| "natlab".to_owned(), |p| p.display().to_string())
}
