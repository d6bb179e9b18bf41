//! The inner process at work: requests in, trials side by side, answers out, until the outer process is gone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::pipe;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::trial::{self, Control};
use super::wire::{Answer, Request};
use crate::lab::inner::Home;
use crate::lab::preflight;
use crate::run::{exec, verify};

/// Serves requests until their end. Runs inside a current-thread runtime: sockets and processes of every namespace are driven
/// by one thread.
pub async fn serve(home: Home) -> io::Result<()> {
    let requests = pipe::Receiver::from_owned_fd(OwnedFd::from(home.requests))?;
    let (answers, queue) = unbounded_channel();
    let writer = tokio::spawn(write(home.answers, queue));
    let mut requests = BufReader::new(requests).lines();
    let (cancel, cancelled) = watch::channel(false);
    let mut kept: BTreeMap<String, oneshot::Sender<()>> = BTreeMap::new();
    let mut work = JoinSet::new();
    let mut observed = 0;
    loop {
        tokio::select! {
            line = requests.next_line() => {
                let Some(line) = line? else { break };
                match serde_json::from_str::<Request>(&line).map_err(io::Error::other)? {
                    Request::Run { trial, keep } => {
                        let (release, released) = oneshot::channel();
                        if keep {
                            kept.insert(trial.id.clone(), release);
                        }
                        let control = Control { cancel: cancelled.clone(), keep: keep.then_some(released) };
                        let (home, answers): (PathBuf, UnboundedSender<Answer>) =
                            (home.directory.clone(), answers.clone());
                        work.spawn(async move { trial::run(*trial, &home, answers, control).await });
                    }
                    Request::Release { trial } => drop(kept.remove(&trial)),
                    Request::Exec { trial, node, argv } => {
                        let (home, answers) = (home.directory.clone(), answers.clone());
                        let cancelled = cancelled.clone();
                        work.spawn(async move { exec::run(*trial, &node, argv, &home, answers, cancelled).await });
                    }
                    Request::Observe { subject } => {
                        let (directory, answers) = (home.directory.join("nodes"), answers.clone());
                        let cancelled = cancelled.clone();
                        observed += 1;
                        work.spawn(async move {
                            let name = subject.name.clone();
                            let answer = match verify::observe(*subject, directory, observed, cancelled).await {
                                Ok(seen) => Answer::Observed { subject: name, seen: Box::new(seen) },
                                Err(why) => Answer::NotObserved { subject: name, why },
                            };
                            // Nobody listens any more only when the outer process is gone.
                            let _ = answers.send(answer);
                        });
                    }
                    Request::Examine => {
                        let (directory, notes, answers) = (home.directory.clone(), home.notes.clone(), answers.clone());
                        work.spawn(async move {
                            let findings = preflight::examine(&directory, &notes).await;
                            // Nobody listens any more only when the outer process is gone.
                            let _ = answers.send(Answer::Examined { findings });
                        });
                    }
                    Request::Cancel => {
                        let _ = cancel.send(true);
                    }
                }
            }
            Some(done) = work.join_next(), if !work.is_empty() => done.map_err(io::Error::other)?,
        }
    }
    // The outer process is gone, or wants no more; what is not over by now is not wanted.
    work.abort_all();
    drop((answers, kept));
    writer.abort();
    Ok(())
}

async fn write(answers: File, mut queue: UnboundedReceiver<Answer>) -> io::Result<()> {
    let mut pipe = pipe::Sender::from_owned_fd(OwnedFd::from(answers))?;
    let mut text = Vec::new();
    while let Some(answer) = queue.recv().await {
        text.clear();
        let mut next = Some(answer);
        // What is waiting goes out in one write.
        while let Some(answer) = next {
            serde_json::to_writer(&mut text, &answer).map_err(io::Error::other)?;
            text.push(b'\n');
            next = if text.len() < 1 << 16 { queue.try_recv().ok() } else { None };
        }
        pipe.write_all(&text).await?;
    }
    Ok(())
}
