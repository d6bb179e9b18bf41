//! `natlab verify-nat [PRESET|FILE]…`: are NATs what they say they are?

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::exit::Exit;
use super::interrupt::Interrupts;
use super::output::{Format, complain, report, stdout_colour};
use super::progress::Progress;
use super::run::terminal_width;
use super::{doctor, load};
use crate::conformance::{Conclusion, Conformance, Declared, Inward, Subject, judge};
use crate::lab::isolate::Terminal;
use crate::nat::preset;
use crate::report::{Look, conformance};
use crate::run::outer::{Next, Outer};
use crate::run::wire::{Answer, Request};
use crate::scenario::{Nat, Scenario};

/// `natlab verify-nat …`.
#[derive(Debug, Args)]
pub struct VerifyNat {
    /// Names of presets, or scenarios: of these each NAT by itself, and each chain as it stands [default: every preset].
    #[arg(value_name = "PRESET|FILE")]
    subjects: Vec<String>,
    /// How the report is written.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    format: Format,
    /// NATs at a time; most of the time is waiting for lifetimes to end [default: three for each processor]
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Print nothing but what is not as declared.
    #[arg(short, long)]
    quiet: bool,
}

/// How long a silent inner process is waited for between looks at interrupts.
const LOOK: Duration = Duration::from_millis(50);
/// NATs at a time for each processor.
const PER_PROCESSOR: usize = 3;

/// Runs it.
pub fn run(arguments: &VerifyNat) -> Exit {
    let subjects = match subjects(&arguments.subjects) {
        Ok(subjects) => subjects,
        Err(exit) => return exit,
    };
    if subjects.is_empty() {
        complain("the scenarios have no NAT", None);
        return Exit::NothingSelected;
    }
    // The inner process first: until it runs, this one must have a single thread.
    let mut outer = match Outer::start(Terminal::Detached) {
        Ok(outer) => outer,
        Err(e) => {
            doctor::explain(&e);
            return Exit::Host;
        }
    };
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = arguments.jobs.map_or(PER_PROCESSOR * processors, usize::from);
    let verified = verify(&mut outer, subjects, jobs, arguments.quiet);
    let (concluded, trouble) = match verified {
        Ok(done) => done,
        Err(exit) => return exit,
    };
    let host_lacks = !trouble.is_empty() && doctor::host_lacks_something(&mut outer);
    if let Err(e) = outer.end() {
        complain(&format!("the inner process did not end: {e}"), None);
    }
    if host_lacks {
        return Exit::Host;
    }
    for (subject, why) in &trouble {
        complain(&format!("{subject}: {why}"), None);
    }
    let text = match arguments.format {
        Format::Json => conformance::json(&concluded),
        Format::Human => {
            conformance::human(&concluded, &Look::of(stdout_colour(), terminal_width(), arguments.quiet, false))
        }
    };
    let written = report(&text);
    if let Err(e) = &written {
        complain(&format!("failed to write the report: {e}"), None);
    }
    ending(concluded.iter().map(|c| c.conclusion), trouble.is_empty() && written.is_ok())
}

/// One that is different counts more than any that could not be looked at.
fn ending(conclusions: impl Iterator<Item = Conclusion>, complete: bool) -> Exit {
    match conclusions.max().unwrap_or(Conclusion::AsDeclared) {
        Conclusion::Different => Exit::Unmet,
        Conclusion::AsDeclared if complete => Exit::Success,
        Conclusion::AsDeclared | Conclusion::Undecided => Exit::Undecided,
    }
}

/// What the arguments name; every preset when there are none.
fn subjects(names: &[String]) -> Result<Vec<Subject>, Exit> {
    if names.is_empty() {
        return Ok(preset::ALL.iter().map(of_preset).collect());
    }
    let mut all: Vec<Subject> = Vec::new();
    for name in names {
        match preset::find(name) {
            Some(p) => all.push(of_preset(p)),
            None => {
                let scenario = load::scenario(name).inspect_err(|_| {
                    let near = preset::nearest(name).map(|near| format!("did you mean {near}?"));
                    // A file that is there was meant, and what is wrong with it is told.
                    if near.is_some() || !Path::new(name).exists() {
                        let hint = near.unwrap_or_else(|| "`natlab list nats` names the presets".to_owned());
                        complain(&format!("there is no preset {name}, either"), Some(&hint));
                    }
                })?;
                all.extend(of_scenario(&scenario));
            }
        }
    }
    let mut seen = BTreeMap::new();
    all.retain(|s| seen.insert(s.name.clone(), ()).is_none());
    Ok(all)
}

fn of_preset(p: &preset::Preset) -> Subject {
    Subject::alone(Declared { name: p.name.to_owned(), behavior: p.behavior, forwards: Vec::new() })
}

fn declared(nat: &Nat) -> Declared {
    let first = nat.forwards.first().map(|f| &f.to);
    let inward = nat.forwards.iter().map(|f| Inward {
        protocol: f.protocol,
        port: f.port,
        host: usize::from(Some(&f.to) != first),
        inside: f.to_port,
    });
    Declared { name: nat.name.clone(), behavior: nat.behavior, forwards: inward.collect() }
}

/// The same of a gateway in front of another one: what it forwards to others is not on the way.
fn declared_in_front(nat: &Nat, of: &str) -> Declared {
    let forwards = nat.forwards.iter().filter(|f| f.to == of).cloned().collect();
    declared(&Nat { forwards, ..nat.clone() })
}

/// Every NAT by itself, and every chain.
fn of_scenario(scenario: &Scenario) -> Vec<Subject> {
    let mut all = Vec::new();
    for nat in &scenario.nats {
        all.push(Subject::alone(declared(nat)));
        let mut chain = vec![declared(nat)];
        let mut front = nat.behind.as_deref();
        // Circles are refused when scenarios are checked.
        while let Some(outer) = front.and_then(|name| scenario.nats.iter().find(|n| n.name == name)) {
            chain.push(declared_in_front(outer, chain.last().map_or("", |g| &g.name)));
            front = outer.behind.as_deref();
        }
        if chain.len() > 1 {
            chain.reverse();
            all.push(Subject::chain(chain));
        }
    }
    for subject in &mut all {
        subject.name = format!("{}: {}", scenario.name, subject.name);
    }
    all
}

/// Conclusions in the order of the subjects, and subjects that could not be observed, with the reason.
type Done = (Vec<Conformance>, Vec<(String, String)>);

fn verify(outer: &mut Outer, subjects: Vec<Subject>, jobs: usize, quiet: bool) -> Result<Done, Exit> {
    let bug = |what: String| {
        complain(&what, Some("this is a bug in natlab"));
        Exit::Bug
    };
    let interrupts = Interrupts::listen();
    let mut progress = Progress::new(subjects.len(), quiet);
    let order: Vec<String> = subjects.iter().map(|s| s.name.clone()).collect();
    let mut waiting = VecDeque::from(subjects);
    let mut running: BTreeMap<String, Subject> = BTreeMap::new();
    let (mut concluded, mut trouble) = (Vec::new(), Vec::new());
    loop {
        while running.len() < jobs
            && let Some(subject) = waiting.pop_front()
        {
            progress.begin(&subject.name);
            let request = Request::Observe { subject: Box::new(subject.clone()) };
            outer.ask(&request).map_err(|e| bug(format!("asking the inner process: {e}")))?;
            running.insert(subject.name.clone(), subject);
        }
        if running.is_empty() {
            break;
        }
        if interrupts.count() > 0 {
            progress.note("interrupted: taking the labs down");
            progress.finish();
            // Everything in its namespaces ends with the inner process.
            return Err(Exit::Interrupted);
        }
        match outer.next(LOOK) {
            Next::Quiet => {}
            Next::Gone(why) => return Err(bug(format!("the inner process ended: {why}"))),
            Next::Answer(answer) => match *answer {
                Answer::Observed { subject, seen } => {
                    progress.end(&subject);
                    concluded.extend(running.remove(&subject).map(|s| judge(&s, &seen)));
                }
                Answer::NotObserved { subject, why } => {
                    progress.end(&subject);
                    running.remove(&subject);
                    trouble.push((subject, why));
                }
                // Nothing else was asked for.
                _ => {}
            },
        }
    }
    progress.finish();
    concluded.sort_by_key(|c: &Conformance| order.iter().position(|name| *name == c.name));
    Ok((concluded, trouble))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::scenario::{parse, shipped};
    use Conclusion::{AsDeclared, Different, Undecided};

    #[test]
    fn one_difference_decides_and_what_is_missing_is_never_success() {
        let of = |all: &[Conclusion], complete| ending(all.iter().copied(), complete);
        assert_eq!(of(&[AsDeclared, AsDeclared], true), Exit::Success);
        assert_eq!(of(&[AsDeclared, Undecided], true), Exit::Undecided);
        assert_eq!(of(&[Undecided, Different, AsDeclared], true), Exit::Unmet);
        assert_eq!(of(&[Different], false), Exit::Unmet);
        assert_eq!(of(&[AsDeclared], false), Exit::Undecided);
        assert_eq!(of(&[], false), Exit::Undecided);
    }

    #[test]
    fn a_scenario_has_each_nat_and_each_chain() {
        for s in shipped::all() {
            let scenario = parse(&s.file(), s.text.as_bytes()).unwrap();
            let subjects = of_scenario(&scenario);
            let alone = subjects.iter().filter(|s| !s.is_chain()).count();
            let behind = scenario.nats.iter().filter(|n| n.behind.is_some()).count();
            assert_eq!((alone, subjects.len() - alone), (scenario.nats.len(), behind), "{}", s.name);
        }
    }

    #[test]
    fn without_names_every_preset_is_meant_and_none_twice() {
        assert_eq!(subjects(&[]).unwrap().len(), preset::ALL.len());
        assert_eq!(subjects(&["symmetric".into(), "open".into(), "symmetric".into()]).unwrap().len(), 2);
    }
}
