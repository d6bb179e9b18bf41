//! One trial from the plan to the teardown: lab, servers, verification, agents, data, close.
//!
//! Whatever happens is an event; the trial itself judges nothing. Every wait has a deadline and ends at a cancellation.

use std::path::Path;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::{oneshot, watch};

use super::recorder::Recorder;
use super::servers::Servers;
use super::session::{Session, Stop};
use super::taps::Taps;
use super::wire::Answer;
use crate::event::{Awaited, Happened};
use crate::ice::OfferRole;
use crate::lab::topology::{self, Lab};
use crate::lab::{loss, process};
use crate::plan::Trial;
use crate::protocol::{CommandBody, Configure, NetworkOptions, Timers};
use crate::run::{conformance, servers};

/// From `configure` to its reply.
const CONFIGURE_LIMIT: Duration = Duration::from_secs(5);
/// From connected to the data channels of full WebRTC agents.
const CHANNEL_LIMIT: Duration = Duration::from_secs(10);
/// Between two attempts to send.
const SEND_PAUSE: Duration = Duration::from_millis(500);
/// How long an agent may change its pair after connecting when it does not say.
const UNKNOWN_SETTLING: Duration = Duration::from_millis(2500);
/// From `stats` to its reply.
const STATS_LIMIT: Duration = Duration::from_secs(2);
/// From `close` to the end of the process.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
/// From start to a server that listens.
pub(super) const SERVER_LIMIT: Duration = Duration::from_secs(10);

/// What the outer process may say while a trial runs.
#[derive(Debug)]
pub struct Control {
    /// Turns true once.
    pub cancel: watch::Receiver<bool>,
    /// Set when the lab is to be kept until the other end fires or is dropped.
    pub keep: Option<oneshot::Receiver<()>>,
}

/// Runs a trial in a lab of its own below `home`; everything it sees goes to `answers`.
pub async fn run(trial: Trial, home: &Path, answers: UnboundedSender<Answer>, mut control: Control) {
    let (live, events) = unbounded_channel();
    let recorder = Recorder::new(&trial.id, answers.clone(), live);
    recorder.record(Happened::Plan { trial: Box::new(trial.clone()) });
    if let Some(lab) = build(&trial, home, &recorder).await {
        let mut servers = Servers::default();
        let mut taps = Taps::default();
        let mut session = Session::new(&trial, recorder.clone(), events, control.cancel.clone());
        let played = play(&trial, home, &lab, &mut servers, &mut taps, &mut session, &recorder).await;
        if matches!(played, Err(Stop::Cancelled)) {
            recorder.record(Happened::Interrupted);
        }
        session.close(CLOSE_LIMIT).await;
        taps.finish().await;
        if let Some(released) = control.keep.take()
            && !*control.cancel.borrow()
        {
            let path = lab.directory().display().to_string();
            let _ = answers.send(Answer::Kept { trial: trial.id.clone(), path });
            tokio::select! {
                _ = released => {}
                _ = control.cancel.changed() => {}
            }
        }
        servers.end().await;
        match process::end_strays(lab.nodes()) {
            Ok(0) => {}
            Ok(n) => {
                recorder.record(Happened::Note { text: format!("ended {n} processes that had left their group") });
            }
            Err(e) => {
                recorder.record(Happened::Note { text: format!("looking for stray processes: {e}") });
            }
        }
        if let Err(e) = lab.remove() {
            recorder.record(Happened::Note { text: format!("teardown: {e}") });
        }
    }
    recorder.record(Happened::Finished);
    let _ = answers.send(Answer::Ended { trial: trial.id });
}

/// Writes down what the links lost.
async fn count_losses(trial: &Trial, lab: &Lab, recorder: &Recorder) {
    match loss::count(&trial.topology, lab).await {
        Ok(counted) => counted.into_iter().for_each(|what| {
            recorder.record(what);
        }),
        Err(e) => {
            recorder.record(Happened::Note { text: format!("counting what was lost: {e}") });
        }
    }
}

/// Builds the lab; a failure of the host is tried once more, and recorded either way.
async fn build(trial: &Trial, home: &Path, recorder: &Recorder) -> Option<Lab> {
    let name = directory_name(&trial.id);
    for last in [false, true] {
        let began = Instant::now();
        let built = topology::build(&trial.topology, &home.join("nodes"), &name).await;
        match built {
            Ok(lab) => {
                let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
                recorder.record(Happened::LabBuilt { nodes: lab.nodes().len(), took_us });
                return Some(lab);
            }
            Err(e) if last => {
                recorder.record(Happened::LabFailed { error: e.to_string() });
            }
            Err(e) => {
                recorder.record(Happened::Note { text: format!("building the lab once more: {e}") });
            }
        }
    }
    None
}

/// A trial's name as one path component.
pub fn directory_name(id: &str) -> String {
    id.chars().map(|c| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' }).collect()
}

/// Everything between a lab that stands and its teardown. An `Err` ends the trial early; what led to it is in the events.
async fn play(
    trial: &Trial,
    home: &Path,
    lab: &Lab,
    servers: &mut Servers,
    taps: &mut Taps,
    session: &mut Session<'_>,
    recorder: &Recorder,
) -> Result<(), Stop> {
    if trial.capture {
        taps.capture(lab, recorder);
    }
    let private = home.join("run").join(directory_name(&trial.id));
    servers.start(trial, lab, &private, recorder).map_err(|_| Stop::Server)?;
    // Verification first: no agent starts behind a gateway that was not measured.
    let verified = session.unless_cancelled(conformance::verify(trial, lab, recorder)).await?;
    if !verified {
        return Err(Stop::Void);
    }
    session.until(Awaited::Server, SERVER_LIMIT, |s| s.servers_ready()).await?;
    session
        .unless_cancelled(servers::wait_for_foreign(trial, lab, recorder, SERVER_LIMIT))
        .await?
        .map_err(|()| Stop::Server)?;
    if let Err(e) = lab.running(&trial.topology).await {
        recorder.record(Happened::LabFailed { error: e.to_string() });
        return Err(Stop::Server);
    }
    // Measured without loss, run with it: what a gateway does must not hang on chance.
    if let Err(e) = loss::begin(&trial.topology, lab).await {
        recorder.record(Happened::LabFailed { error: e.to_string() });
        return Err(Stop::Server);
    }
    taps.watch_peers(trial, lab, recorder);
    let ended = connect(trial, lab, session).await;
    count_losses(trial, lab, recorder).await;
    ended
}

/// What the agents do, from their start until the pair has settled.
async fn connect(trial: &Trial, lab: &Lab, session: &mut Session<'_>) -> Result<(), Stop> {
    session.start_agents(lab)?;
    session
        .until(Awaited::Hello, Duration::from_millis(trial.deadlines.hello_ms), |s| s.all(|l| l.hello.is_some()))
        .await?;
    // The answerer first: it must be ready when the offer comes.
    for (node, role) in [(&trial.answerer, OfferRole::Answerer), (&trial.offerer, OfferRole::Offerer)] {
        let id = session.tell(node, configure(trial, node, role)).await;
        session.until(Awaited::Configured, CONFIGURE_LIMIT, |s| s.replied(node, id)).await?;
        session.configured(node, id)?;
    }
    session.tell(&trial.offerer, CommandBody::Offer { restart: false }).await;
    let limit = Duration::from_millis(trial.deadlines.connect_ms);
    session.until(Awaited::Connect, limit, |s| s.all(|l| l.connected)).await?;
    session.until(Awaited::Channel, CHANNEL_LIMIT, |s| s.channels_open()).await?;
    data(trial, session).await?;
    settle(trial, session).await?;
    for node in trial.sides() {
        let id = session.tell(node, CommandBody::Stats).await;
        // Optional for an agent: without a reply the last `pair` stands.
        session.patiently(STATS_LIMIT, |s| s.replied(node, id)).await?;
    }
    Ok(())
}

fn configure(trial: &Trial, node: &str, role: OfferRole) -> CommandBody {
    let peer = trial.peers.get(node);
    CommandBody::Configure(Configure {
        role,
        ice_servers: peer.map(|p| p.ice_servers.clone()).unwrap_or_default(),
        policy: peer.map(|p| p.policy).unwrap_or_default(),
        trickle: trial.ice.gathering == crate::plan::Gathering::Trickle,
        ice_role: peer.and_then(|p| p.ice_role),
        timers: Some(Timers { profile: trial.ice.timers }),
        network: Some(NetworkOptions { families: vec!["ipv4".into()], loopback: false }),
    })
}

/// Both sides send until both have heard the other: ICE alone is no success.
async fn data(trial: &Trial, session: &mut Session<'_>) -> Result<(), Stop> {
    let limit = Instant::now() + Duration::from_millis(trial.deadlines.data_ms);
    let heard =
        |s: &Session<'_>| trial.sides().iter().all(|n| s.live(n).is_some_and(|l| l.has_data_of(trial.other(n))));
    for attempt in 0.. {
        for node in trial.sides() {
            session.tell(node, CommandBody::Send { data: format!("natlab {node} {attempt}") }).await;
        }
        let left = limit.saturating_duration_since(Instant::now());
        if left <= SEND_PAUSE {
            return session.until(Awaited::Data, left, heard).await;
        }
        if session.patiently(SEND_PAUSE, heard).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Waits as long as the more restless of the two may still change its pair.
async fn settle(trial: &Trial, session: &mut Session<'_>) -> Result<(), Stop> {
    let settling = trial.sides().into_iter().filter_map(|n| session.live(n)).map(|l| {
        let said = l.hello.as_ref().and_then(|h| h.settle_ms);
        said.map_or(UNKNOWN_SETTLING, Duration::from_millis)
    });
    let longest = settling.max().unwrap_or(UNKNOWN_SETTLING);
    if !longest.is_zero() {
        session.patiently(longest, |_| false).await?;
    }
    Ok(())
}
