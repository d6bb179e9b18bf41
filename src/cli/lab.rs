//! Hidden: the processes that natlab starts of itself on the way into a lab.

use std::path::Path;

use clap::Subcommand;
use serde_json::Value;

use super::exit::Exit;
use super::load;
use super::output::{complain, report, written};
use super::run::Settings;
use crate::lab::{inner, isolate};
use crate::plan::Trial;
use crate::run::dispatch;

/// `natlab lab …`.
#[derive(Debug, Subcommand)]
pub enum Lab {
    /// Unshares and starts the inner process.
    Porter {
        /// Number of the request pipe.
        requests: i32,
        /// Number of the answer pipe.
        answers: i32,
        /// `user` or `plain`.
        way: String,
    },
    /// Prints the trials of scenarios as they are planned, one JSON object per line.
    Plan {
        /// Scenario files or names.
        scenarios: Vec<String>,
    },
    /// Runs a stored plan: an object of `lab plan`, or the first line of a trial's events.
    Rerun {
        /// File.
        plan: std::path::PathBuf,
    },
    /// Builds labs until the outer process is gone.
    Inner {
        /// Number of the request pipe.
        requests: i32,
        /// Number of the answer pipe.
        answers: i32,
    },
}

/// Runs one of them.
pub fn run(lab: &Lab) -> Exit {
    let done = match lab {
        Lab::Plan { scenarios } => return plan(scenarios),
        Lab::Rerun { plan } => return rerun(plan),
        Lab::Porter { requests, answers, way } => isolate::porter(*requests, *answers, way == "plain").map(drop),
        Lab::Inner { requests, answers } => serve(*requests, *answers),
    };
    match done {
        Ok(()) => Exit::Success,
        Err(e) => {
            complain(&format!("inner process: {e}"), None);
            Exit::Bug
        }
    }
}

fn serve(requests: i32, answers: i32) -> std::io::Result<()> {
    let Some(home) = inner::settle(requests, answers)? else { return Ok(()) };
    // Two threads: candidates must not wait behind a burst of captured packets.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let served = runtime.block_on(dispatch::serve(home));
    // Whatever still blocks a helper thread must not keep the namespaces alive.
    runtime.shutdown_background();
    served
}

fn plan(scenarios: &[String]) -> Exit {
    let trials = match load::trials(scenarios, &[]) {
        Ok(trials) => trials,
        Err(exit) => return exit,
    };
    let lines = trials.iter().map(serde_json::to_string).collect::<Result<Vec<_>, _>>();
    written(lines.map_err(Into::into).and_then(|lines| report(&(lines.join("\n") + "\n"))))
}

fn rerun(path: &Path) -> Exit {
    let read = || -> std::io::Result<Trial> {
        let text = std::fs::read_to_string(path)?;
        let first: Value = serde_json::from_str(text.lines().next().unwrap_or_default())?;
        // An event of a run holds the trial, a planned one is the trial.
        let trial = first.get("trial").cloned().unwrap_or(first);
        Ok(serde_json::from_value(trial)?)
    };
    match read() {
        Ok(trial) => super::run::run_trials(vec![trial], &Settings::json()),
        Err(e) => {
            complain(&format!("failed to read the plan {}: {e}", path.display()), None);
            Exit::Usage
        }
    }
}
