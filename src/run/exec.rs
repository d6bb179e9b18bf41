//! A program inside a node: `natlab exec SCENARIO NODE -- CMD`.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::conformance;
use super::recorder::Recorder;
use super::servers::{self, Servers};
use super::session::{Session, Stop, cancelled};
use super::trial::{SERVER_LIMIT, directory_name};
use super::wire::{Answer, NotExecuted};
use crate::event::Awaited;
use crate::lab::loss;
use crate::lab::process::{self, Lookup, Streams};
use crate::lab::topology::{self, Lab, LabError};
use crate::plan::Trial;

/// Builds the lab of `trial` with its servers and rules, runs `argv` in `node` on the user's terminal, takes the lab down.
/// What happens on the way goes to `answers` as events; the last answer says how it ended.
pub async fn run(
    trial: Trial,
    node: &str,
    argv: Vec<String>,
    home: &Path,
    answers: UnboundedSender<Answer>,
    cancel: watch::Receiver<bool>,
) {
    let answer = match execute(&trial, node, &argv, home, &answers, cancel).await {
        Ok(code) => Answer::Executed { code },
        Err(reason) => Answer::NotExecuted { reason },
    };
    let _ = answers.send(answer);
}

async fn execute(
    trial: &Trial,
    node: &str,
    argv: &[String],
    home: &Path,
    answers: &UnboundedSender<Answer>,
    cancel: watch::Receiver<bool>,
) -> Result<i32, NotExecuted> {
    let (live, events) = unbounded_channel();
    let recorder = Recorder::new(&trial.id, answers.clone(), live);
    let mut session = Session::new(trial, recorder.clone(), events, cancel.clone());
    let name = directory_name(&trial.id);
    let lab = topology::build(&trial.topology, &home.join("nodes"), &name).await.map_err(refused)?;
    let mut servers = Servers::default();
    let private = home.join("run").join(&name);
    let ended = match prepare(trial, &lab, &mut servers, &private, &mut session, &recorder).await {
        Ok(()) => program(&lab, node, argv, answers, cancel).await,
        Err(reason) => Err(reason),
    };
    servers.end().await;
    let removed = lab.remove().map_err(refused);
    // Why the program did not run counts more than what was left of the lab.
    ended.and_then(|code| removed.map(|()| code))
}

fn refused(e: LabError) -> NotExecuted {
    NotExecuted::Lab(e.to_string())
}

/// Everything that a trial has before its agents start: servers that listen, gateways that were measured, links that carry.
async fn prepare(
    trial: &Trial,
    lab: &Lab,
    servers: &mut Servers,
    private: &Path,
    session: &mut Session<'_>,
    recorder: &Recorder,
) -> Result<(), NotExecuted> {
    servers.start(trial, lab, private, recorder).map_err(refused)?;
    let verified = session.unless_cancelled(conformance::verify(trial, lab, recorder)).await.map_err(stopped)?;
    if !verified {
        return Err(NotExecuted::Lab("a gateway does not behave as declared".into()));
    }
    session.until(Awaited::Server, SERVER_LIMIT, Session::servers_ready).await.map_err(stopped)?;
    let foreign = servers::wait_for_foreign(trial, lab, recorder, SERVER_LIMIT);
    let foreign = session.unless_cancelled(foreign).await.map_err(stopped)?;
    foreign.map_err(|()| stopped(Stop::Server))?;
    session.unless_cancelled(lab.running(&trial.topology)).await.map_err(stopped)?.map_err(refused)?;
    loss::begin(&trial.topology, lab).await.map_err(refused)
}

fn stopped(stop: Stop) -> NotExecuted {
    match stop {
        Stop::Cancelled => NotExecuted::Cancelled,
        _ => NotExecuted::Lab("a server did not start".into()),
    }
}

async fn program(
    lab: &Lab,
    node: &str,
    argv: &[String],
    answers: &UnboundedSender<Answer>,
    mut cancel: watch::Receiver<bool>,
) -> Result<i32, NotExecuted> {
    let namespace = lab.node(node).map_err(refused)?;
    let name = argv.first().map_or("", String::as_str);
    let spawned = process::spawn(namespace, argv, &[("NATLAB_NODE", node)], None, Streams::Terminal);
    let mut child = spawned.map_err(|e| {
        let why = format!("{name}: {e}");
        match e.kind() {
            io::ErrorKind::NotFound => NotExecuted::NotFound(why),
            // execvp(3) says so, too, when a place in PATH may not be looked into and no other has the program.
            io::ErrorKind::PermissionDenied => match process::look_up(name, std::env::var_os("PATH").as_deref()) {
                Lookup::NotFound => NotExecuted::NotFound(format!("{name}: it is nowhere in PATH")),
                Lookup::Found(_) | Lookup::NotExecutable(_) => NotExecuted::NotExecutable(why),
            },
            _ => NotExecuted::Lab(why),
        }
    })?;
    let _ = answers.send(Answer::Executing);
    let status = tokio::select! {
        status = child.wait() => status,
        // The outer process does not ask for this because of an interrupt: the terminal sent that to the program as well.
        true = cancelled(&mut cancel) => match child.kill().await {
            Ok(()) => return Err(NotExecuted::Cancelled),
            Err(e) => Err(e),
        },
    };
    let status = status.map_err(|e| NotExecuted::Lab(format!("waiting for {name}: {e}")))?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
