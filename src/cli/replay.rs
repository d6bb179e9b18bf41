//! `natlab replay`: trace, verdict and report again, from the stored events alone. Needs no privileges and no Linux.

mod difference;
mod stored;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;

use super::exit::Exit;
use super::output::{complaint, stdout_colour, terminal_width, written};
use crate::record::{Record, SCHEMA_VERSION, TrialRecord};
use crate::report::{Format, Look};

use difference::Difference;
use stored::{Problem, Stored};

/// Differences that are told one by one.
const TOLD: usize = 10;
/// Columns where nobody says how many there are.
const WIDTH: usize = 100;

/// `natlab replay …`.
#[derive(Debug, Args)]
pub struct Replay {
    /// Directory that `natlab run --out` wrote.
    #[arg(value_name = "DIR")]
    directory: PathBuf,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Print nothing but what is not met.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print every candidate and every connectivity check.
    #[arg(short, long)]
    verbose: bool,
}

/// A record that was computed again, and what is to be said about that.
#[derive(Debug)]
struct Replayed {
    record: Record,
    notes: Vec<String>,
    /// Where it differs from the stored one; only told of a record that this natlab must be able to compute.
    differences: Vec<Difference>,
}

/// Runs it: the report goes to `out`, everything else to `err`.
pub fn run(options: &Replay, out: &mut impl Write, err: &mut impl Write) -> Exit {
    let replayed = match replay(&options.directory) {
        Ok(replayed) => replayed,
        Err(problem) => {
            complaint(err, &problem.to_string(), problem.hint().as_deref());
            return Exit::Usage;
        }
    };
    for note in &replayed.notes {
        complaint(err, note, None);
    }
    let width = terminal_width().unwrap_or(WIDTH);
    let look = Look::of(stdout_colour(), width, options.quiet, options.verbose);
    let text = options.format.render(&replayed.record, &look);
    let writing = written(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    if !replayed.differences.is_empty() {
        for difference in replayed.differences.iter().take(TOLD) {
            complaint(err, &format!("the stored record differs: {difference}"), None);
        }
        if let Some(more) = replayed.differences.len().checked_sub(TOLD).filter(|more| *more > 0) {
            complaint(err, &format!("… and {more} more differences"), None);
        }
        let hint =
            "unless a file was changed by hand this is a bug in natlab: the same events must give the same record";
        complaint(err, "the events do not give the stored record", Some(hint));
        return Exit::Bug;
    }
    if writing != Exit::Success { writing } else { replayed.record.conclusion().into() }
}

/// Computes the record of a directory again, and compares.
fn replay(directory: &Path) -> Result<Replayed, Problem> {
    let stored = Stored::read(directory)?;
    let mut notes = Vec::new();
    let mut trials = Vec::new();
    let mut whole = true;
    for (index, id) in stored.trials().iter().enumerate() {
        let events = stored::events(directory, id)?;
        if let Some(torn) = &events.torn {
            notes.push(torn.clone());
            whole = false;
        }
        if events.torn.is_some() && events.events.is_empty() {
            notes.push(format!("{}: no event is whole, so the trial is left out", events.path.display()));
            continue;
        }
        let record = TrialRecord::of(&events.events).map_err(|e| Problem::meaning(&events.path, 1, &e.to_string()))?;
        if record.id != *id {
            let text = format!("the events are those of trial {}, not of {id} (number {index})", record.id);
            return Err(Problem::meaning(&events.path, 1, &text));
        }
        trials.push(record);
    }
    let Stored { host, interrupted, .. } = &stored;
    let version = stored.natlab_version.clone().unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned());
    let record = Record::new(&version, host.clone(), trials, *interrupted);
    let differences = match &stored.record {
        None => {
            let path = stored.path.display();
            notes.push(format!(
                "{path} is empty, since the run was killed or is not over: the report shows the trials whose events are there"
            ));
            Vec::new()
        }
        Some(_) if stored.schema_version != SCHEMA_VERSION => {
            notes.push(format!(
                "{} has schema version {}, this natlab writes version {SCHEMA_VERSION}: computed again, not compared",
                stored.path.display(),
                stored.schema_version
            ));
            Vec::new()
        }
        Some(_) if !whole => {
            notes.push("the events are not all there, so the record is not compared with the stored one".to_owned());
            Vec::new()
        }
        Some(value) => {
            let found = difference::between(value, &record)?;
            if found.is_empty() || version == env!("CARGO_PKG_VERSION") {
                found
            } else {
                notes.push(format!(
                    "natlab {version} computed another record from these events; this is natlab {} (for instance {})",
                    env!("CARGO_PKG_VERSION"),
                    found.first().map(ToString::to_string).unwrap_or_default()
                ));
                Vec::new()
            }
        }
    };
    Ok(Replayed { record, notes, differences })
}
