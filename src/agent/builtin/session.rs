//! One run of the built-in agent: commands in, the library driven, events out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use webrtc_ice::agent::Agent;
use webrtc_util::Conn;

use super::configure;
use super::gather_log::GatherLog;
use super::input::{Request, refusal};
use super::library::{self, Shared};
use super::output::{Output, accepted};
use super::servers::{self, Shims};
use crate::agent::sdp;
use crate::ice::{IceRole, OfferRole};
use crate::protocol::{
    AgentEvent, CommandBody, Configure, GatheringState, Hello, Refusal, Reply, SdpType, Stats, VERSION,
};

/// The version that `Cargo.toml` pins.
const LIBRARY_VERSION: &str = "0.17.2";
/// The library's `close` can wait for TURN servers, and its authors know of a deadlock in it.
const CLOSE_LIMIT: Duration = Duration::from_millis(1200);
/// After `close` has returned: for the `closed` state to come through the library's channel.
const LAST_STATE_LIMIT: Duration = Duration::from_millis(100);
/// As much as the library takes in (`RECEIVE_MTU`).
const DATAGRAM: usize = 8192;

/// The agent's whole state.
pub(super) struct Session {
    output: Output,
    log: Arc<GatherLog>,
    running: Option<Running>,
}

impl Session {
    /// Says hello.
    pub(super) fn start(output: Output) -> Session {
        let verbose = std::env::var_os("NATLAB_AGENT_LOG").is_some_and(|v| v == "1");
        let log = GatherLog::install(output.clone(), verbose);
        let caps = ["ice_role", "policy", "families", "loopback", "timers", "turn-udp", "turn-tcp", "pairs"];
        output.event(&AgentEvent::Hello(Hello {
            protocol: VERSION,
            agent: "webrtc-ice".to_owned(),
            version: LIBRARY_VERSION.to_owned(),
            level: "ice".to_owned(),
            trickle: "full".to_owned(),
            caps: caps.map(str::to_owned).to_vec(),
            // Regular nomination, and the first nominated pair is final (`agent_selector.rs`).
            settle_ms: Some(0),
        }));
        Session { output, log, running: None }
    }

    /// Obeys one command; breaks after `close`.
    pub(super) async fn obey(&mut self, request: Request) -> ControlFlow<()> {
        let (id, name, body, raw) = match request {
            Request::Garbage(message) => {
                self.output.event(&AgentEvent::Error { code: "bad_json".to_owned(), message, fatal: false });
                return ControlFlow::Continue(());
            }
            Request::Refused { id, name, refusal } => {
                self.output.reply(id, &name, Err(refusal));
                return ControlFlow::Continue(());
            }
            Request::Command { id, name, body, raw } => (id, name, body, raw),
        };
        let result = match (*body, &mut self.running) {
            (CommandBody::Close, _) => {
                self.close(Some(id)).await;
                return ControlFlow::Break(());
            }
            (CommandBody::Configure(_), Some(_)) => Err(order("configure comes once")),
            (CommandBody::Configure(asked), None) => self.configure(&asked, &raw).await,
            (_, None) => Err(order("configure comes first")),
            (CommandBody::Offer { restart }, Some(running)) => running.offer(restart, &self.output).await,
            (CommandBody::Description { sdp_type, sdp }, Some(running)) => {
                running.description(sdp_type, &sdp, &self.output).await
            }
            (CommandBody::Candidate { candidate, .. }, Some(running)) => running.candidate(&candidate),
            (CommandBody::Send { data }, Some(running)) => match running.send(id, data, &self.output) {
                Ok(()) => return ControlFlow::Continue(()), // answers when the library has taken it
                Err(refusal) => Err(refusal),
            },
            (CommandBody::Stats, Some(running)) => Ok(Reply { stats: Some(running.stats()), ..accepted() }),
        };
        self.output.reply(id, &name, result);
        ControlFlow::Continue(())
    }

    async fn configure(
        &mut self,
        asked: &Configure,
        raw: &serde_json::Map<String, serde_json::Value>,
    ) -> Result<Reply, Refusal> {
        let settings = configure::settings(asked, raw)?;
        let (named, shims) = servers::place(&settings, &self.output).map_err(|e| refusal("failed", e.to_string()))?;
        let urls = named.iter().map(|server| server.url.clone()).collect();
        self.log.name_servers(named);
        let config = configure::library_config(&settings, urls);
        let agent = Agent::new(config).await.map_err(failed)?;
        let shims = Arc::new(shims);
        let closed = library::report(&agent, settings.ice_role, Arc::clone(&shims), &self.output);
        let reply = Reply {
            ignored: settings.ignored.clone(),
            checks_per_pair: Some(settings.timers.checks_per_pair()),
            timers: serde_json::to_value(&settings.timers).ok(),
            ..accepted()
        };
        self.running = Some(Running {
            role: settings.role,
            ice_role: settings.ice_role,
            agent: Arc::new(agent),
            shims,
            closed,
            hold: Duration::from_millis(settings.timers.relay_hold_ms),
            described: None,
            all_candidates: Arc::default(),
            early: Some(Vec::new()),
            connection: None,
            sends: JoinSet::new(),
            unanswered: Arc::default(),
        });
        Ok(reply)
    }

    /// Ends the run: answers what is unanswered, closes the library, says `closed`. `id` is that of the command, if one came.
    pub(super) async fn close(&mut self, id: Option<u64>) {
        if let Some(running) = &mut self.running {
            self.log.expect_closing();
            running.close(&self.output).await;
        }
        if let Some(id) = id {
            self.output.reply(id, "close", Ok(accepted()));
        }
        self.output.event(&AgentEvent::Closed {});
    }
}

/// What there is after `configure`.
struct Running {
    role: OfferRole,
    ice_role: IceRole,
    agent: Arc<Agent>,
    shims: Arc<Shims>,
    /// The library has said that it is closed.
    closed: watch::Receiver<bool>,
    /// `relay_hold_ms`.
    hold: Duration,
    /// Since when the own description is out, and gathering runs.
    described: Option<Instant>,
    /// The end of the peer's candidates has come.
    all_candidates: Arc<Notify>,
    /// Candidates that came before the peer's description; `None` since it has come.
    early: Option<Vec<Shared>>,
    /// Checks, then incoming data.
    connection: Option<JoinHandle<()>>,
    /// Messages on their way, and their commands: each is answered, by itself or by `close`.
    sends: JoinSet<()>,
    unanswered: Arc<Mutex<BTreeSet<u64>>>,
}

impl Running {
    async fn offer(&mut self, restart: bool, output: &Output) -> Result<Reply, Refusal> {
        if restart {
            // The library can, but a second dial or accept is an error to it, and the peer's role could not change.
            return Err(refusal("unsupported", "this agent does no ICE restart"));
        }
        if self.role != OfferRole::Offerer {
            return Err(order("the answerer does not offer"));
        }
        self.describe(SdpType::Offer, output).await?;
        Ok(accepted())
    }

    /// Sends the own description and starts gathering, in this order: candidates must not come first.
    async fn describe(&mut self, sdp_type: SdpType, output: &Output) -> Result<(), Refusal> {
        if self.described.is_some() {
            return Err(order("there is a local description already"));
        }
        let (ufrag, pwd) = self.agent.get_local_user_credentials().await;
        let sdp = sdp::write(&sdp::Local { sdp_type, ufrag, pwd });
        output.event(&AgentEvent::Description { sdp_type, sdp, complete: false });
        output.event(&AgentEvent::Gathering { state: GatheringState::Gathering });
        self.described = Some(Instant::now());
        self.agent.gather_candidates().map_err(failed)
    }

    async fn description(&mut self, sdp_type: SdpType, text: &str, output: &Output) -> Result<Reply, Refusal> {
        match (self.role, sdp_type) {
            (OfferRole::Offerer, SdpType::Answer) if self.described.is_some() => {}
            (OfferRole::Offerer, SdpType::Answer) => return Err(order("an answer before the offer")),
            (OfferRole::Answerer, SdpType::Offer) => {}
            (OfferRole::Offerer, SdpType::Offer) => return Err(order("an offer for the offerer")),
            (OfferRole::Answerer, SdpType::Answer) => return Err(order("an answer for the answerer")),
        }
        if self.early.is_none() {
            return Err(refusal("unsupported", "a second description, and this agent does no ICE restart"));
        }
        let remote = sdp::read(text);
        if remote.ufrag.is_empty() || remote.pwd.is_empty() {
            return Err(refusal("failed", "the description has no ice-ufrag and ice-pwd"));
        }
        let late = sdp_type == SdpType::Answer && self.is_late() && !remote.complete;
        if sdp_type == SdpType::Offer {
            self.describe(SdpType::Answer, output).await?;
        }
        for line in &remote.candidates {
            match library::remote_candidate(line) {
                Ok(candidate) => self.add(&candidate)?,
                Err(refused) => output.log("warn", refused.message),
            }
        }
        for candidate in self.early.take().unwrap_or_default() {
            self.add(&candidate)?;
        }
        let checks = connect(Arc::clone(&self.agent), self.ice_role, remote, output.clone());
        let (all_candidates, limit) = (Arc::clone(&self.all_candidates), self.hold);
        self.connection = Some(tokio::spawn(async move {
            if late {
                let _ = tokio::time::timeout(limit, all_candidates.notified()).await;
            }
            checks.await;
        }));
        Ok(accepted())
    }

    /// An answer that comes late may find relayed checks of its sender in the sockets already, whose hold is over. The library
    /// reads them when the checks begin, so these wait for the candidates that follow the answer: else the relay would be a
    /// peer-reflexive candidate (`docs/findings.md`). A hold that began after the offer leaves half of its time for them, where
    /// the answer takes no more than the other half.
    fn is_late(&self) -> bool {
        self.described.is_some_and(|at| at.elapsed() > self.hold / 2) && !self.hold.is_zero()
    }

    /// The end of candidates ("") is accepted and means nothing to the library: it never gives up for want of candidates.
    fn candidate(&mut self, line: &str) -> Result<Reply, Refusal> {
        if line.trim().is_empty() {
            self.all_candidates.notify_one();
        } else {
            let candidate = library::remote_candidate(line)?;
            match &mut self.early {
                Some(early) => early.push(candidate),
                None => self.add(&candidate)?,
            }
        }
        Ok(accepted())
    }

    fn add(&self, candidate: &Shared) -> Result<(), Refusal> {
        self.agent.add_remote_candidate(candidate).map_err(failed)
    }

    /// Sends on the selected pair, without waiting: a relay may first have to ask its server for a permission.
    fn send(&mut self, id: u64, data: String, output: &Output) -> Result<(), Refusal> {
        // The pair rather than the library's connection: that one sends on any pair before one is selected.
        let pair = self.agent.get_selected_candidate_pair().ok_or_else(|| order("no pair is selected"))?;
        if stun::message::is_message(data.as_bytes()) {
            return Err(refusal("failed", "the peer would take this for a STUN message"));
        }
        while self.sends.try_join_next().is_some() {} // forget those that are done
        lock(&self.unanswered).insert(id);
        let (unanswered, output) = (Arc::clone(&self.unanswered), output.clone());
        self.sends.spawn(async move {
            let result = pair.write(data.as_bytes()).await.map(|_| accepted()).map_err(failed);
            lock(&unanswered).remove(&id);
            output.reply(id, "send", result);
        });
        Ok(())
    }

    fn stats(&self) -> Stats {
        let selected = self.agent.get_selected_candidate_pair();
        Stats { selected: selected.and_then(|p| library::pair(&*p.local, &*p.remote, self.ice_role, "stats")) }
    }

    async fn close(&mut self, output: &Output) {
        if let Some(connection) = &self.connection {
            connection.abort();
        }
        self.sends.abort_all();
        let unanswered = std::mem::take(&mut *lock(&self.unanswered));
        for id in unanswered {
            output.reply(id, "send", Err(refusal("closed", "close came first")));
        }
        match tokio::time::timeout(CLOSE_LIMIT, self.agent.close()).await {
            Ok(Ok(())) => {
                let _ = tokio::time::timeout(LAST_STATE_LIMIT, self.closed.wait_for(|closed| *closed)).await;
            }
            Ok(Err(e)) => output.log("warn", format!("the library did not close: {e}")),
            Err(_) => output.log("warn", format!("the library did not close within {} ms", CLOSE_LIMIT.as_millis())),
        }
        self.shims.end().await;
    }
}

/// Runs the checks, then gives every datagram of the peer as an event.
async fn connect(agent: Arc<Agent>, ice_role: IceRole, remote: sdp::Remote, output: Output) {
    let (_cancel, cancelled) = mpsc::channel(1); // to drop the sender is to cancel
    let connection: Result<Arc<dyn Conn + Send + Sync>, _> = match ice_role {
        IceRole::Controlling => agent.dial(cancelled, remote.ufrag, remote.pwd).await.map(|c| c as _),
        IceRole::Controlled => agent.accept(cancelled, remote.ufrag, remote.pwd).await.map(|c| c as _),
    };
    let connection = match connection {
        Ok(connection) => connection,
        Err(e) => return output.log("error", format!("no checks: {e}")),
    };
    let mut datagram = vec![0; DATAGRAM];
    while let Ok(length) = connection.recv(&mut datagram).await {
        // A full WebRTC stack sends DTLS here: not text, and no reason to stop.
        output.event(&AgentEvent::Data { data: String::from_utf8_lossy(&datagram[..length]).into_owned() });
    }
}

fn lock(unanswered: &Mutex<BTreeSet<u64>>) -> std::sync::MutexGuard<'_, BTreeSet<u64>> {
    unanswered.lock().unwrap_or_else(PoisonError::into_inner)
}

fn order(message: &str) -> Refusal {
    refusal("order", message)
}

fn failed(error: webrtc_ice::Error) -> Refusal {
    refusal("failed", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::LIBRARY_VERSION;

    #[test]
    fn hello_names_the_version_that_is_built_in() {
        let pinned = format!("webrtc-ice = \"={LIBRARY_VERSION}\"");
        assert!(include_str!("../../../Cargo.toml").contains(&pinned), "{pinned}");
    }
}
