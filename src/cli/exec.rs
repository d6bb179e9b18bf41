//! `natlab exec SCENARIO NODE -- CMD…`: a program of one's own inside a node.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use clap::Args;
use nix::sys::signal::{SigSet, SigmaskHow, Signal, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{Pid, tcgetpgrp, tcsetpgrp};

use super::exit::Exit;
use super::output::complain;
use super::{doctor, load};
use crate::event::Happened;
use crate::lab::isolate::Terminal;
use crate::plan::{NodeRole, Topology, Trial};
use crate::run::outer::{Next, Outer};
use crate::run::wire::{Answer, NotExecuted, Request};
use crate::scenario::diagnostic;

/// `natlab exec …`.
#[derive(Debug, Args)]
pub struct Exec {
    /// A scenario file, or the name of a shipped scenario.
    scenario: String,
    /// The node: a peer, a gateway, a server, or `internet`.
    node: String,
    /// The program and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    command: Vec<String>,
    /// The trial whose lab is built [default: the scenario's first]
    #[arg(long, value_name = "ID")]
    trial: Option<String>,
}

/// How long a silent inner process is waited for between looks at signals.
const LOOK: Duration = Duration::from_millis(50);

/// What a shell gives for a program that is not there, and for one that cannot be run (POSIX, 2.8.2).
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;

/// Runs it; ends with the program's own code.
pub fn run(arguments: &Exec) -> Exit {
    let only: Vec<String> = arguments.trial.iter().cloned().collect();
    let trial = match load::trials(std::slice::from_ref(&arguments.scenario), &only) {
        Ok(trials) => trials.into_iter().next(),
        Err(exit) => return exit,
    };
    let Some(trial) = trial else {
        complain(&format!("{} has no trial", arguments.scenario), None);
        return Exit::NothingSelected;
    };
    if let Err((message, hint)) = known(&trial.topology, &arguments.node) {
        complain(&format!("{}: {message}", arguments.scenario), Some(&hint));
        return Exit::Usage;
    }
    if let Err(missing) = doctor::programs_of_servers(std::slice::from_ref(&trial)) {
        complain(&missing.message, Some(&missing.remedy));
        return Exit::Host;
    }
    let signals = match Signals::hold() {
        Ok(signals) => signals,
        Err(e) => {
            complain(&format!("failed to watch signals: {e}"), None);
            return Exit::Host;
        }
    };
    let mut outer = match Outer::start(Terminal::Inherited) {
        Ok(outer) => outer,
        Err(e) => {
            doctor::explain(&e);
            return Exit::Host;
        }
    };
    let foreground = Foreground::now();
    let exit = watch(arguments, trial, &mut outer, &signals);
    if let Err(e) = outer.end() {
        complain(&format!("the inner process did not end: {e}"), None);
    }
    foreground.restore();
    exit
}

/// The node exists; else a message with the nearest name, and every name as a hint.
fn known(topology: &Topology, node: &str) -> Result<(), (String, String)> {
    if topology.node(node).is_some() {
        return Ok(());
    }
    let mut message = format!("there is no node {node}");
    if let Some(near) = diagnostic::nearest(node, topology.nodes.iter().map(|n| n.name.as_str())) {
        message.push_str(&format!(", did you mean {near}?"));
    }
    let all: Vec<String> = topology.nodes.iter().map(|n| format!("{} ({})", n.name, role(n.role))).collect();
    Err((message, format!("its nodes are {}", all.join(", "))))
}

const fn role(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Internet => "router",
        NodeRole::Gateway => "gateway",
        NodeRole::Peer => "peer",
        NodeRole::Server => "server",
    }
}

fn watch(arguments: &Exec, trial: Trial, outer: &mut Outer, signals: &Signals) -> Exit {
    let request =
        Request::Exec { trial: Box::new(trial), node: arguments.node.clone(), argv: arguments.command.clone() };
    if let Err(e) = outer.ask(&request) {
        return bug(&format!("asking the inner process: {e}"));
    }
    let mut running = false;
    loop {
        match signals.next() {
            // While the program runs an interrupt is its own business: the terminal sent it there too.
            Some(Signal::SIGINT | Signal::SIGQUIT) if running => {}
            Some(_) => return Exit::Interrupted,
            None => {}
        }
        match outer.next(LOOK) {
            Next::Quiet => {}
            Next::Gone(why) => return bug(&format!("the inner process ended: {why}")),
            Next::Answer(answer) => match *answer {
                Answer::Executing => running = true,
                Answer::Event { event, .. } => tell(&event.what),
                Answer::Executed { code } => return Exit::Program(u8::try_from(code).unwrap_or(u8::MAX)),
                Answer::NotExecuted { reason } => return not_executed(&reason, outer),
                _ => {}
            },
        }
    }
}

/// What keeps a lab from standing, as it happens.
fn tell(what: &Happened) {
    match what {
        Happened::LabFailed { error } => complain(error, None),
        Happened::NatMeasured { nat, differences, .. } if !differences.is_empty() => {
            complain(&format!("{nat}: {}", differences.join("; ")), None);
        }
        Happened::Stderr { node, text, .. } => complain(&format!("{node}: {text}"), None),
        _ => {}
    }
}

fn not_executed(reason: &NotExecuted, outer: &mut Outer) -> Exit {
    match reason {
        NotExecuted::Cancelled => Exit::Interrupted,
        NotExecuted::NotFound(why) => {
            complain(&format!("failed to start {why}"), Some("programs are looked for in PATH, as outside of the lab"));
            Exit::Program(NOT_FOUND)
        }
        NotExecuted::NotExecutable(why) => {
            complain(&format!("failed to start {why}"), None);
            Exit::Program(NOT_EXECUTABLE)
        }
        NotExecuted::Lab(why) => {
            complain(why, None);
            if doctor::host_lacks_something(outer) { Exit::Host } else { Exit::Undecided }
        }
    }
}

fn bug(what: &str) -> Exit {
    complain(what, Some("this is a bug in natlab"));
    Exit::Bug
}

/// Signals that would end this process before it has taken the lab down. They are blocked before any thread exists and read
/// from a file instead; the processes of the lab start without the block.
struct Signals(SignalFd);

impl Signals {
    fn hold() -> io::Result<Signals> {
        let mut held = SigSet::empty();
        for signal in [Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM, Signal::SIGHUP] {
            held.add(signal);
        }
        sigprocmask(SigmaskHow::SIG_BLOCK, Some(&held), None)?;
        Ok(Signals(SignalFd::with_flags(&held, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?))
    }

    fn next(&self) -> Option<Signal> {
        let seen = self.0.read_signal().ok()??;
        Signal::try_from(i32::try_from(seen.ssi_signo).ok()?).ok()
    }
}

/// Who has the terminal. A shell in a node makes itself the foreground group and cannot give the terminal back: the group
/// it got it from lies outside of its pid namespace and has no number there.
struct Foreground(Option<Pid>);

impl Foreground {
    fn now() -> Foreground {
        Foreground(tcgetpgrp(io::stdin().as_fd()).ok())
    }

    fn restore(&self) {
        let Some(group) = self.0 else { return };
        // A background process that sets the foreground group is stopped, unless it blocks the signal that stops it.
        let mut stop = SigSet::empty();
        stop.add(Signal::SIGTTOU);
        if stop.thread_block().is_ok() {
            let _ = tcsetpgrp(io::stdin().as_fd(), group);
            let _ = stop.thread_unblock();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use crate::plan;
    use crate::scenario::{parse, shipped};

    fn topology() -> Topology {
        let shipped = shipped::find("symmetric").unwrap();
        let scenario = parse(&shipped.file(), shipped.text.as_bytes()).unwrap();
        plan::trials(&scenario).unwrap_or_else(|_| panic!("a shipped scenario")).remove(0).topology
    }

    #[test]
    fn an_unknown_node_is_told_with_the_nearest_and_all_names() {
        let topology = topology();
        assert_eq!(known(&topology, "internet"), Ok(()));
        let (message, hint) = known(&topology, "internt").unwrap_err();
        assert_eq!(message, "there is no node internt, did you mean internet?");
        for node in &topology.nodes {
            assert!(hint.contains(&node.name), "{hint}");
        }
        assert!(!known(&topology, "zzz").unwrap_err().0.contains("did you mean"));
    }
}
