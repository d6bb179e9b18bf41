//! What is being tested right now, on stderr: one line on a terminal, nothing elsewhere.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::classification::Family;

/// Progress of a classification.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    steps: Mutex<BTreeMap<Option<Family>, String>>,
}

impl Progress {
    /// Hidden when quiet or when stderr is no terminal.
    pub fn new(quiet: bool) -> Self {
        let visible = !quiet && std::io::stderr().is_terminal();
        let target = if visible { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let bar = ProgressBar::with_draw_target(None, target);
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed}  {wide_msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        Progress { bar, steps: Mutex::default() }
    }

    /// Another step begins: of a family, or of both.
    pub fn step(&self, family: Option<Family>, what: impl Into<String>) {
        let Ok(mut steps) = self.steps.lock() else { return };
        steps.insert(family, what.into());
        if family.is_some() {
            steps.remove(&None);
        }
        let said = steps.iter().map(|(family, step)| match family {
            Some(family) => format!("{family}: {step}"),
            None => step.clone(),
        });
        self.bar.set_message(said.collect::<Vec<_>>().join(" · "));
    }

    /// Nothing of a family is left to do.
    pub fn done(&self, family: Family) {
        if let Ok(mut steps) = self.steps.lock() {
            steps.remove(&Some(family));
        }
    }

    /// Over.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
