//! What runs right now, on stderr: a line per trial on a terminal, nothing elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{Awaited, Event, Happened, ProcessRole};

/// Progress of a run.
#[derive(Debug)]
pub struct Progress {
    all: MultiProgress,
    total: ProgressBar,
    trials: BTreeMap<String, ProgressBar>,
}

impl Progress {
    /// Of so many trials; hidden when quiet or when stderr is no terminal.
    pub fn new(trials: usize, quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let all = MultiProgress::with_draw_target(target);
        let total = all.add(ProgressBar::new(trials as u64));
        if let Ok(style) = ProgressStyle::with_template("{pos}/{len} trials  {elapsed}") {
            total.set_style(style);
        }
        Progress { all, total, trials: BTreeMap::new() }
    }

    /// A trial begins.
    pub fn begin(&mut self, trial: &str) {
        let bar = self.all.insert_before(&self.total, ProgressBar::new_spinner());
        if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.set_prefix(trial.to_owned());
        bar.enable_steady_tick(Duration::from_millis(100));
        self.trials.insert(trial.to_owned(), bar);
    }

    /// Something happened in it.
    pub fn event(&mut self, trial: &str, event: &Event) {
        if let (Some(bar), Some(step)) = (self.trials.get(trial), step(&event.what)) {
            bar.set_message(step);
        }
    }

    /// A trial is over.
    pub fn end(&mut self, trial: &str) {
        if let Some(bar) = self.trials.remove(trial) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        self.total.inc(1);
    }

    /// A line above the progress.
    pub fn note(&self, text: &str) {
        // A hidden target prints nothing: then the line goes to stderr itself.
        if self.all.is_hidden() || self.all.println(text).is_err() {
            super::output::complain(text, None);
        }
    }

    /// Out of the way while something else talks to the user.
    pub fn suspend<T>(&self, work: impl FnOnce() -> T) -> T {
        self.all.suspend(work)
    }

    /// Over.
    pub fn finish(&mut self) {
        for (_, bar) in std::mem::take(&mut self.trials) {
            bar.finish_and_clear();
        }
        self.total.finish_and_clear();
    }
}

/// What an event says about where a trial stands.
fn step(what: &Happened) -> Option<String> {
    Some(match what {
        Happened::Plan { .. } => "building the lab".into(),
        Happened::LabBuilt { .. } => "measuring the NATs".into(),
        Happened::NatMeasured { nat, .. } => format!("measured {nat}"),
        Happened::Started { node, role: ProcessRole::Agent, .. } => format!("starting the agent of {node}"),
        Happened::Told { message, .. } => match message.get("cmd").and_then(|c| c.as_str()) {
            Some("offer") => "gathering and checking".into(),
            Some("send") => "sending data".into(),
            Some("close") => "closing".into(),
            _ => return None,
        },
        Happened::Deadline { what: Awaited::Connect, .. } => "no connection".into(),
        _ => return None,
    })
}
