//! One run of the built-in agent: commands in, the library driven, events out.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use webrtc_ice::agent::Agent;
use webrtc_ice::url::{ProtoType, Url};
use webrtc_util::Conn;

use super::configure::{self, Settings, Shim};
use super::gather_log::{GatherLog, Named};
use super::input::{Request, refusal};
use super::library::{self, Shared};
use super::output::{Output, accepted};
use crate::agent::hold::Hold;
use crate::agent::{sdp, turn_tcp, turn_udp};
use crate::ice::{CandidatePolicy, IceRole, OfferRole};
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
        let hold = Hold::new(Duration::from_millis(settings.timers.relay_hold_ms));
        let urls = self.place_shims(&settings, &hold).await?;
        let config = configure::library_config(&settings, urls);
        let agent = Agent::new(config).await.map_err(failed)?;
        let closed = library::report(&agent, settings.ice_role, hold, &self.output);
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
            closed,
            described: false,
            early: Some(Vec::new()),
            connection: None,
            sends: JoinSet::new(),
            unanswered: Arc::default(),
        });
        Ok(reply)
    }

    /// The servers' URLs for the library, with shims in the place of TURN servers that need one.
    async fn place_shims(&self, settings: &Settings, hold: &Hold) -> Result<Vec<Url>, Refusal> {
        let relays = matches!(settings.policy, CandidatePolicy::All | CandidatePolicy::Relay);
        let mut named = Vec::new();
        for server in &settings.servers {
            let real = format!("{}:{}", server.url.host, server.url.port);
            let no_socket = |e| refusal("failed", format!("no loopback socket for {}: {e}", server.given));
            let given = || server.given.clone();
            match server.shim(&settings.timers) {
                Shim::None => {
                    named.push(Named { given: given(), url: server.url.clone(), shim: None });
                    continue;
                }
                Shim::Udp => {
                    named.push(Named { given: given(), url: server.as_stun(), shim: None });
                    if relays {
                        let endpoint = turn_udp::start(real, hold.clone()).await.map_err(no_socket)?;
                        named.push(Named { given: given(), url: at(&server.url, endpoint), shim: None });
                    }
                    continue;
                }
                // Over TCP there is nothing but relays to be had.
                Shim::Tcp if !relays => continue,
                Shim::Tcp => {}
            }
            let (told, output, url) = (Arc::new(AtomicBool::new(false)), self.output.clone(), given());
            let telling = Arc::clone(&told);
            let on_failure = move |message: String| {
                telling.store(true, Ordering::SeqCst);
                output.event(&AgentEvent::CandidateError { url: url.clone(), code: 701, message });
            };
            let endpoint = turn_tcp::start(real, hold.clone(), Arc::new(on_failure)).await.map_err(no_socket)?;
            named.push(Named { given: given(), url: at(&server.url, endpoint), shim: Some(told) });
        }
        let urls = named.iter().map(|server| server.url.clone()).collect();
        self.log.name_servers(named);
        Ok(urls)
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
    /// The library has said that it is closed.
    closed: watch::Receiver<bool>,
    /// The own description is out, and gathering runs.
    described: bool,
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
        if self.described {
            return Err(order("there is a local description already"));
        }
        let (ufrag, pwd) = self.agent.get_local_user_credentials().await;
        let sdp = sdp::write(&sdp::Local { sdp_type, ufrag, pwd });
        output.event(&AgentEvent::Description { sdp_type, sdp, complete: false });
        output.event(&AgentEvent::Gathering { state: GatheringState::Gathering });
        self.described = true;
        self.agent.gather_candidates().map_err(failed)
    }

    async fn description(&mut self, sdp_type: SdpType, text: &str, output: &Output) -> Result<Reply, Refusal> {
        match (self.role, sdp_type) {
            (OfferRole::Offerer, SdpType::Answer) if self.described => {}
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
        self.connection = Some(tokio::spawn(connect(Arc::clone(&self.agent), self.ice_role, remote, output.clone())));
        Ok(accepted())
    }

    /// The end of candidates ("") is accepted and means nothing to the library: it never gives up for want of candidates.
    fn candidate(&mut self, line: &str) -> Result<Reply, Refusal> {
        if !line.trim().is_empty() {
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

/// The same TURN server at a shim's endpoint, which speaks UDP.
fn at(url: &Url, endpoint: std::net::SocketAddr) -> Url {
    Url { host: endpoint.ip().to_string(), port: endpoint.port(), proto: ProtoType::Udp, ..url.clone() }
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
