//! A program inside a node: `natlab exec SCENARIO NODE -- CMD`.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::recorder::Recorder;
use super::session::{Session, cancelled};
use super::trial::{SERVER_LIMIT, directory_name};
use super::wire::Answer;
use crate::event::Awaited;
use crate::lab::process::{self, Streams};
use crate::lab::servers::{Servers, wait_for_foreign};
use crate::lab::{conformance, topology};
use crate::plan::Trial;

/// Builds the lab of `trial` with its servers and rules, runs `argv` in `node` on the user's terminal, takes the lab down.
pub async fn run(
    trial: Trial,
    node: &str,
    argv: Vec<String>,
    home: &Path,
    answers: UnboundedSender<Answer>,
    mut cancel: watch::Receiver<bool>,
) {
    let answer = match execute(&trial, node, &argv, home, &answers, &mut cancel).await {
        Ok(code) => Answer::Executed { code },
        Err(error) => Answer::NotExecuted { error },
    };
    let _ = answers.send(answer);
}

async fn execute(
    trial: &Trial,
    node: &str,
    argv: &[String],
    home: &Path,
    answers: &UnboundedSender<Answer>,
    cancel: &mut watch::Receiver<bool>,
) -> Result<i32, String> {
    let (live, events) = unbounded_channel();
    let recorder = Recorder::new(&trial.id, answers.clone(), live);
    let name = directory_name(&trial.id);
    let lab = topology::build(&trial.topology, &home.join("nodes"), &name).await.map_err(|e| e.to_string())?;
    let mut servers = Servers::default();
    servers.start(trial, &lab, &home.join("run").join(&name), &recorder).map_err(|e| e.to_string())?;
    if !conformance::verify(trial, &lab, &recorder).await {
        return Err("a gateway does not behave as declared; `natlab run` shows how".into());
    }
    // The program is there for these servers: it must not meet them half started.
    let mut session = Session::new(trial, recorder.clone(), events, cancel.clone());
    let listening = session.until(Awaited::Server, SERVER_LIMIT, |s| s.servers_ready()).await.is_ok()
        && wait_for_foreign(trial, &lab, &recorder, SERVER_LIMIT).await.is_ok();
    if !listening {
        return Err("a server does not listen; `natlab run` shows what it says".into());
    }
    let namespace = lab.node(node).map_err(|e| e.to_string())?;
    let mut child = process::spawn(namespace, argv, &[("NATLAB_NODE", node)], None, Streams::Terminal)
        .map_err(|e| format!("starting {}: {e}", argv.first().map_or("", String::as_str)))?;
    let status = tokio::select! {
        status = child.wait() => status.map_err(|e| e.to_string())?,
        true = cancelled(cancel) => {
            // The terminal sent the same interrupt to the program; it ends in its own way or with the lab.
            child.wait().await.map_err(|e| e.to_string())?
        }
    };
    servers.end().await;
    lab.remove().map_err(|e| e.to_string())?;
    Ok(status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0)))
}
