//! The two agents of a trial while it runs: every event passes through here once, moves the exchange on, and may end a wait.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::watch;

use super::exchange::{Output, Way};
use super::live::Live;
use super::recorder::Recorder;
use super::side::{Watched, argv};
use crate::event::{Awaited, Event, Happened, ProcessRole};
use crate::lab::topology::Lab;
use crate::plan::Trial;
use crate::protocol::{AgentEvent, CommandBody};
use crate::trace::Trace;

/// How often a hopeless trial is looked for while both sides try to connect.
const EXHAUSTION_TICK: Duration = Duration::from_millis(20);

/// Why a trial goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Something awaited did not come; there is an event.
    Deadline,
    /// An agent cannot go on; there is an event.
    Gone,
    /// The user interrupted.
    Cancelled,
    /// Nothing can happen any more; there is an event.
    Exhausted,
    /// A gateway is not as declared; there is an event.
    Void,
    /// A server is not there; there is an event.
    Server,
}

/// Waits for the user's interrupt; false when it cannot come any more.
pub async fn cancelled(cancel: &mut watch::Receiver<bool>) -> bool {
    cancel.wait_for(|c| *c).await.is_ok()
}

/// The agents of a running trial.
#[derive(Debug)]
pub struct Session<'a> {
    trial: &'a Trial,
    recorder: Recorder,
    events: UnboundedReceiver<Event>,
    cancel: watch::Receiver<bool>,
    trace: Trace,
    live: BTreeMap<String, Live>,
    /// From each side to the other one.
    ways: BTreeMap<String, Way>,
    watched: BTreeMap<String, Watched>,
    servers_ready: usize,
    server_gone: bool,
}

impl<'a> Session<'a> {
    /// Nothing has happened yet.
    pub fn new(
        trial: &'a Trial,
        recorder: Recorder,
        events: UnboundedReceiver<Event>,
        cancel: watch::Receiver<bool>,
    ) -> Self {
        let delay = Duration::from_millis(trial.ice.answer_delay_ms);
        let way = |n: &str| (n.to_owned(), Way::new(trial.ice.gathering, delay));
        Session {
            trial,
            recorder,
            events,
            cancel,
            trace: Trace::new(trial),
            live: trial.sides().iter().map(|n| ((*n).to_owned(), Live::default())).collect(),
            ways: trial.sides().into_iter().map(way).collect(),
            watched: BTreeMap::new(),
            servers_ready: 0,
            server_gone: false,
        }
    }

    /// State of one side.
    pub fn live(&self, node: &str) -> Option<&Live> {
        self.live.get(node)
    }

    /// Whether it holds for both sides.
    pub fn all(&self, condition: impl Fn(&Live) -> bool) -> bool {
        self.live.values().all(condition)
    }

    /// Whether every server of natlab's own has said that it listens.
    pub fn servers_ready(&self) -> bool {
        let own = |s: &&crate::plan::Server| s.implementation == crate::plan::Implementation::Natlab;
        self.servers_ready >= self.trial.servers.iter().filter(own).count()
    }

    /// Whether the command has its reply.
    pub fn replied(&self, node: &str, id: u64) -> bool {
        self.live.get(node).is_some_and(|l| l.replies.contains_key(&id))
    }

    /// Whether data can flow: a full WebRTC agent needs an open channel, a raw one only its pair. In a mixed pair the full
    /// one never opens a channel, so only ICE is waited for.
    pub fn channels_open(&self) -> bool {
        let full = |l: &Live| l.hello.as_ref().is_some_and(|h| h.level == "webrtc");
        !self.all(full) || self.all(|l| l.channel_open)
    }

    /// Starts both agents.
    pub fn start_agents(&mut self, lab: &Lab) -> Result<(), Stop> {
        for node in self.trial.sides() {
            let (Some(peer), Ok(namespace)) = (self.trial.peers.get(node), lab.node(node)) else {
                return Err(Stop::Gone);
            };
            let started = Watched::start(namespace, ProcessRole::Agent, argv(&peer.agent), None, &self.recorder);
            self.watched.insert(node.to_owned(), started.map_err(|_| Stop::Gone)?);
        }
        Ok(())
    }

    /// Sends one command; its number.
    pub async fn tell(&mut self, node: &str, body: CommandBody) -> u64 {
        match self.watched.get_mut(node) {
            Some(agent) => agent.tell(body).await,
            None => 0,
        }
    }

    /// Looks at the reply to `configure`: a refusal ends the trial; a policy that is ignored is kept by natlab.
    pub fn configured(&mut self, node: &str, id: u64) -> Result<(), Stop> {
        let Some(reply) = self.live.get(node).and_then(|l| l.replies.get(&id)) else { return Err(Stop::Gone) };
        if !reply.ok {
            return Err(Stop::Gone);
        }
        if reply.ignored.iter().any(|f| f == "policy")
            && let (Some(way), Some(peer)) = (self.ways.get_mut(node), self.trial.peers.get(node))
        {
            way.filter(peer.policy);
        }
        Ok(())
    }

    /// Waits until `done`, at most `limit`; a limit that is reached is an event.
    pub async fn until(&mut self, what: Awaited, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<(), Stop> {
        if self.wait(what == Awaited::Connect, limit, &done).await? {
            return Ok(());
        }
        // The answerer is configured first; of every other step both sides are awaited at once.
        let in_order = match what {
            Awaited::Configured => [&self.trial.answerer, &self.trial.offerer],
            _ => [&self.trial.offerer, &self.trial.answerer],
        };
        let missing = in_order.into_iter().find(|n| self.is_missing(n, what)).map(String::as_str);
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        self.recorder.record(Happened::Deadline { node: missing.map(str::to_owned), what, limit_ms });
        Err(Stop::Deadline)
    }

    /// Waits until `done`, at most `limit`; whether it came is the caller's business.
    pub async fn patiently(&mut self, limit: Duration, done: impl Fn(&Self) -> bool) -> Result<bool, Stop> {
        self.wait(false, limit, &done).await
    }

    /// Any other work, given up at a cancellation.
    pub async fn unless_cancelled<T>(&mut self, work: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            done = work => Ok(done),
            true = cancelled(&mut self.cancel) => Err(Stop::Cancelled),
        }
    }

    fn is_missing(&self, node: &str, what: Awaited) -> bool {
        let Some(live) = self.live.get(node) else { return false };
        match what {
            Awaited::Hello => live.hello.is_none(),
            Awaited::Configured => live.replies.is_empty(),
            Awaited::Connect => !live.connected,
            Awaited::Channel => !live.channel_open,
            Awaited::Data => !live.has_data_of(self.trial.other(node)),
            Awaited::Close => !live.closed,
            Awaited::Server => false,
        }
    }

    async fn wait(&mut self, connecting: bool, limit: Duration, done: &impl Fn(&Self) -> bool) -> Result<bool, Stop> {
        let limit = Instant::now() + limit;
        loop {
            while let Ok(event) = self.events.try_recv() {
                self.take(&event).await;
            }
            self.deliver_due().await;
            if done(self) {
                return Ok(true);
            }
            if self.live.values().any(|l| l.gone.is_some()) {
                return Err(Stop::Gone);
            }
            if self.server_gone {
                return Err(Stop::Server);
            }
            let now = Instant::now();
            if connecting && let Some(because) = self.trace.exhausted(self.recorder.now_us()) {
                self.recorder.record(Happened::Exhausted { because });
                return Err(Stop::Exhausted);
            }
            if now >= limit {
                return Ok(false);
            }
            let mut wake = self.ways.values().filter_map(|w| w.next_due(now)).fold(limit, Instant::min);
            if connecting {
                wake = wake.min(now + EXHAUSTION_TICK);
            }
            let event = tokio::select! {
                event = self.events.recv() => event,
                () = tokio::time::sleep_until(wake.into()) => None,
                true = cancelled(&mut self.cancel) => return Err(Stop::Cancelled),
            };
            if let Some(event) = event {
                self.take(&event).await;
            }
        }
    }

    /// One event: the trace keeps it, and what an agent said goes on to the other side.
    async fn take(&mut self, event: &Event) {
        self.trace.push(event);
        match &event.what {
            Happened::Said { node, message } => {
                let Some(said) = self.live.get_mut(node).and_then(|l| l.said(message)) else { return };
                self.forward(node, &said).await;
            }
            Happened::ServerReady { message, .. } if message.get("ev").is_some_and(|e| e == "ready") => {
                self.servers_ready += 1;
            }
            Happened::Exited { node, role: ProcessRole::Agent, expected: false, .. }
            | Happened::Flood { node, role: ProcessRole::Agent, .. } => {
                if let Some(live) = self.live.get_mut(node) {
                    live.gone = Some("its process ended".into());
                }
            }
            Happened::Exited { role: ProcessRole::Server, expected: false, .. } => self.server_gone = true,
            _ => {}
        }
    }

    async fn forward(&mut self, from: &str, said: &AgentEvent) {
        if let Some(way) = self.ways.get_mut(from) {
            let out = way.said(said, Instant::now());
            self.deliver(from, out).await;
        }
    }

    async fn deliver_due(&mut self) {
        for from in self.trial.sides() {
            if let Some(way) = self.ways.get_mut(from) {
                let out = way.due(Instant::now());
                self.deliver(from, out).await;
            }
        }
    }

    async fn deliver(&mut self, from: &str, out: Vec<Output>) {
        let to = self.trial.other(from);
        for output in out {
            match output {
                Output::Deliver(body) => {
                    self.tell(to, body).await;
                }
                Output::Held { what, reason } => {
                    self.recorder.record(Happened::Held { node: from.to_owned(), what: what.to_owned(), reason });
                }
            }
        }
    }

    /// Closes both agents and waits for their end; whatever they still say is recorded.
    pub async fn close(&mut self, limit: Duration) {
        let mut agents: Vec<Watched> = std::mem::take(&mut self.watched).into_values().collect();
        for agent in &mut agents {
            agent.expect_end();
            agent.tell(CommandBody::Close).await;
        }
        for agent in agents {
            let node = agent.node.clone();
            if !agent.end(limit).await {
                let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
                self.recorder.record(Happened::Deadline { node: Some(node), what: Awaited::Close, limit_ms });
            }
        }
    }
}
