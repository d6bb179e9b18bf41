//! `natlab run`: scenarios to trials, trials to events, events to a judged report.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::doctor;
use super::exit::Exit;
use super::interrupt::Interrupts;
use super::load;
use super::output::{complain, report, stdout_colour};
use super::progress::Progress;
use super::store::{Store, StoreError};
use crate::event::{Event, Happened};
use crate::lab::isolate::Terminal;
use crate::plan::Trial;
use crate::record::{Conclusion, HostInfo, Record, TrialRecord};
use crate::report::{Format, Look};
use crate::run::outer::{Next, Outer};
use crate::run::wire::{Answer, Request};
use crate::verdict::{Outcome, UnknownCause, Verdict};

/// `natlab run …`.
#[derive(Debug, Args)]
pub struct Run {
    /// Scenario files, or names of shipped scenarios (`natlab list` names them).
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,
    /// Run only this trial (its name is in every report); may be given more than once.
    #[arg(long, value_name = "ID")]
    trial: Vec<String>,
    /// What to do with them, and how to tell.
    #[command(flatten)]
    settings: Settings,
}

/// Everything about a run but its trials.
#[derive(Debug, Args)]
pub struct Settings {
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// Keep events, rules and the record in this directory.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Capture every node's packets into the output directory.
    #[arg(long, requires = "out")]
    pcap: bool,
    /// Leave the lab of a trial that is not met up until Enter, and say how to enter its nodes.
    #[arg(long)]
    keep: bool,
    /// Trials at a time; as many as there are processors by default.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Print nothing but what is not met.
    #[arg(short, long, conflicts_with = "verbose")]
    quiet: bool,
    /// Print every candidate and every connectivity check.
    #[arg(short, long)]
    verbose: bool,
}

impl Settings {
    /// Everything by default, the report as JSON.
    pub fn json() -> Settings {
        let (out, jobs) = (None, None);
        Settings { format: Format::Json, out, pcap: false, keep: false, jobs, quiet: false, verbose: false }
    }
}

/// How long a silent inner process is waited for between looks at interrupts.
const LOOK: Duration = Duration::from_millis(50);

/// Runs it.
pub fn run(arguments: &Run) -> Exit {
    match load::trials(&arguments.scenarios, &arguments.trial) {
        Ok(trials) => run_trials(trials, &arguments.settings),
        Err(exit) => exit,
    }
}

/// Runs planned trials.
pub fn run_trials(mut trials: Vec<Trial>, arguments: &Settings) -> Exit {
    trials.iter_mut().for_each(|t| t.capture = arguments.pcap);
    if let Err(missing) = doctor::programs_of(&trials) {
        complain(&missing.message, Some(&missing.remedy));
        return Exit::Host;
    }
    let mut store = match arguments.out.as_deref().map(|d| Store::open(d, &trials)).transpose() {
        Ok(store) => store,
        Err(e) => {
            complain(&e.to_string(), Some(e.hint()));
            return Exit::Usage;
        }
    };
    // The inner process first: until it runs, this one must have a single thread.
    let mut outer = match Outer::start(Terminal::Detached) {
        Ok(outer) => outer,
        Err(e) => {
            doctor::explain(&e);
            return Exit::Host;
        }
    };
    let host = HostInfo {
        kernel: doctor::kernel(),
        machine: std::env::consts::ARCH.to_owned(),
        cpus: u32::try_from(processors()).unwrap_or(u32::MAX),
        privileges: outer.way.describe().to_owned(),
        privileges_reason: outer.refused.first().map(|(way, why)| format!("{} refused: {why}", way.describe())),
    };
    for note in &outer.ready.notes {
        complain(note, None);
    }
    let mut collected = Collected::new(&trials, arguments, store.as_mut());
    let ended = collected.all(&mut outer, trials);
    let Collected { records, interrupted, trouble, host_lacks, .. } = collected;
    if host_lacks {
        // What is missing, and what helps, has been said.
        return Exit::Host;
    }
    let record = Record::new(env!("CARGO_PKG_VERSION"), host, records, interrupted);
    if let Err(e) = outer.end() {
        complain(&format!("the inner process did not end: {e}"), None);
    }
    let trouble = trouble.or_else(|| store.and_then(|store| store.finish(&record).err()));
    if let Some(e) = &trouble {
        complain(&e.to_string(), Some(e.hint()));
    }
    let look = Look::of(stdout_colour(), terminal_width(), arguments.quiet, arguments.verbose);
    let written = report(&arguments.format.render(&record, &look));
    if let Err(e) = &written {
        complain(&format!("failed to write the report: {e}"), None);
    }
    match ended {
        Err(bug) => {
            complain(&bug, Some("this is a bug in natlab; the record holds what happened until then"));
            Exit::Bug
        }
        // All is met, but nobody can read it.
        Ok(()) if record.conclusion() == Conclusion::Met && (trouble.is_some() || written.is_err()) => Exit::Undecided,
        Ok(()) => record.conclusion().into(),
    }
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// Columns to fill: the terminal's, or 100 where there is none.
pub fn terminal_width() -> usize {
    super::output::terminal_width().unwrap_or(100)
}

/// A run as it goes on.
struct Collected<'a> {
    store: Option<&'a mut Store>,
    progress: Progress,
    jobs: usize,
    keep: bool,
    /// Trials in the order of the report.
    order: Vec<String>,
    events: BTreeMap<String, Vec<Event>>,
    records: Vec<TrialRecord>,
    interrupted: bool,
    /// A lab could not be built, and nobody has looked yet whether the host is to blame.
    suspect: bool,
    /// The host lacks something that labs need.
    host_lacks: bool,
    /// The first thing that could not be kept; the run goes on without the store.
    trouble: Option<StoreError>,
}

impl<'a> Collected<'a> {
    fn new(trials: &[Trial], arguments: &Settings, store: Option<&'a mut Store>) -> Self {
        Collected {
            store,
            progress: Progress::new(trials.len(), arguments.quiet),
            jobs: arguments.jobs.map_or_else(processors, usize::from),
            keep: arguments.keep,
            order: trials.iter().map(|t| t.id.clone()).collect(),
            events: BTreeMap::new(),
            records: vec![],
            interrupted: false,
            suspect: false,
            host_lacks: false,
            trouble: None,
        }
    }

    /// Runs every trial; an `Err` is a bug: the inner process went away.
    fn all(&mut self, outer: &mut Outer, trials: Vec<Trial>) -> Result<(), String> {
        let interrupts = Interrupts::listen();
        let mut waiting = VecDeque::from(trials);
        let mut running = 0;
        let mut cancelled = false;
        let done = loop {
            // Looked at while nothing runs, and once: what a host lacks it lacks for every trial.
            if self.suspect && running == 0 {
                self.suspect = false;
                self.host_lacks = doctor::host_lacks_something(outer);
                if self.host_lacks {
                    break Ok(());
                }
            }
            while running < self.jobs
                && !cancelled
                && !self.suspect
                && let Some(trial) = waiting.pop_front()
            {
                self.progress.begin(&trial.id);
                let request = Request::Run { trial: Box::new(trial), keep: self.keep };
                if let Err(e) = outer.ask(&request) {
                    return Err(format!("asking the inner process: {e}"));
                }
                running += 1;
            }
            if running == 0 && !self.suspect {
                break Ok(());
            }
            if interrupts.count() > 0 && !cancelled {
                cancelled = true;
                self.interrupted = true;
                self.progress.note("interrupted: taking the labs down (again to leave at once)");
                if outer.ask(&Request::Cancel).is_err() {
                    break Ok(());
                }
            }
            if interrupts.count() > 1 {
                break Ok(());
            }
            match outer.next(LOOK) {
                Next::Answer(answer) => running -= usize::from(self.answer(*answer, outer)),
                Next::Quiet => {}
                Next::Gone(why) => break Err(format!("the inner process ended: {why}")),
            }
        };
        self.progress.finish();
        // What was cut off is judged by what is there.
        for (_, events) in std::mem::take(&mut self.events) {
            self.records.extend(TrialRecord::of(&events));
        }
        let order = &self.order;
        self.records.sort_by_key(|r| order.iter().position(|id| *id == r.id));
        done
    }

    /// Takes one answer; whether a trial is over by it.
    fn answer(&mut self, answer: Answer, outer: &mut Outer) -> bool {
        match answer {
            Answer::Event { trial, event } => {
                self.keep_safe(|store| store.event(&trial, &event));
                self.progress.event(&trial, &event);
                self.events.entry(trial).or_default().push(*event);
            }
            Answer::Frame { trial, frame } => self.keep_safe(|store| store.frame(&trial, &frame)),
            Answer::Kept { trial, path } => {
                let met = self
                    .events
                    .get(&trial)
                    .and_then(|e| TrialRecord::of(e).ok())
                    .is_some_and(|r| r.verdict == Verdict::Met);
                if !met {
                    let nodes = nodes(self.events.get(&trial).and_then(|e| e.first()));
                    self.progress.suspend(|| hold(&trial, &path, &nodes, outer));
                }
                // An inner process that is gone is noticed at the next answer.
                let _ = outer.ask(&Request::Release { trial });
            }
            Answer::Ended { trial } => {
                self.keep_safe(|store| store.ended(&trial));
                if let Some(record) = self.events.remove(&trial).and_then(|e| TrialRecord::of(&e).ok()) {
                    self.progress.end(&trial);
                    self.suspect |= record.outcome == Outcome::Unknown(UnknownCause::LabFailed);
                    self.records.push(record);
                }
                return true;
            }
            // Nothing else was asked for.
            Answer::Executing
            | Answer::Executed { .. }
            | Answer::NotExecuted { .. }
            | Answer::Observed { .. }
            | Answer::NotObserved { .. }
            | Answer::Examined { .. } => {}
        }
        false
    }

    fn keep_safe(&mut self, work: impl FnOnce(&mut Store) -> Result<(), StoreError>) {
        if self.trouble.is_none()
            && let Some(store) = self.store.as_deref_mut()
        {
            self.trouble = work(store).err();
        }
    }
}

/// Names of a planned trial's nodes.
fn nodes(plan: Option<&Event>) -> String {
    let Some(Event { what: Happened::Plan { trial }, .. }) = plan else { return String::new() };
    trial.topology.nodes.iter().map(|n| n.name.as_str()).collect::<Vec<_>>().join(", ")
}

/// Shows how to enter the nodes of a lab that is kept, until Enter.
fn hold(trial: &str, path: &str, nodes: &str, outer: &Outer) {
    let mut err = std::io::stderr().lock();
    let pid = outer.inner_pid().map_or_else(|| "PID".into(), |p| p.to_string());
    let user = match outer.way {
        crate::lab::isolate::Way::UserNamespace => "-U --preserve-credentials ",
        crate::lab::isolate::Way::PlainRoot => "",
    };
    // stderr is the last resort: when it is gone there is nobody left to tell.
    let _ = writeln!(
        err,
        "{trial}: not met, and its lab is kept up. To enter a node ({nodes}), from another terminal:\n\n  \
         nsenter -t {pid} {user}-m -p -- nsenter --net={path}/NODE sh\n\nEnter takes the lab down."
    );
    let mut line = String::new();
    let _ = std::io::stdin().lock().read_line(&mut line);
}
