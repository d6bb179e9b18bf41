//! The record of one trial.

use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::ice::OfferRole;
use crate::nat::{Behavior, Measured};
use crate::net::{Network, Transport};
use crate::oracle::Prediction;
use crate::plan::{Deadlines, Expectation, ExpectedOutcome, Gathering, Implementation, ServerKind, Trial};
use crate::protocol::TimerProfile;
use crate::trace::{LossTrace, Moment, NoPlan, Trace};
use crate::verdict::{self, Diagnosis, Outcome, Reason, Verdict};

use super::{AgentRecord, names};

/// Everything a report says about a trial.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TrialRecord {
    /// `SCENARIO/OFFERER-offers`, and `#2`, `#3`, … for repeats.
    pub id: String,
    /// Scenario.
    pub scenario: String,
    /// What the scenario shows.
    pub description: String,
    /// Peer that sent the offer.
    pub offerer: String,
    /// Peer that answered.
    pub answerer: String,
    /// 1, 2, …
    pub repeat: u32,
    /// Of every random choice in the trial.
    pub seed: u64,
    /// What happened: `outcome`, and `unknownCause` when it is `unknown`.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// What that is worth.
    pub verdict: Verdict,
    /// Outcomes that are right.
    pub accepted: Vec<ExpectedOutcome>,
    /// What outcome and verdict rest on.
    pub reasons: Vec<Reason>,
    /// Causes and remedies.
    pub diagnoses: Vec<Diagnosis>,
    /// What the NAT model says.
    pub prediction: Prediction,
    /// What the scenario states.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "names::expectation")]
    pub expectation: Option<Expectation>,
    /// Of both sides together.
    pub times: Times,
    /// Whether a relay was needed and used.
    pub relay: RelayUse,
    /// How ICE was run.
    pub ice: IceRecord,
    /// Limits.
    #[serde(with = "names::DeadlinesNames")]
    pub deadlines: Deadlines,
    /// Gateways.
    pub nats: Vec<NatRecord>,
    /// What links lost where the scenario asked for loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub losses: Vec<LossTrace>,
    /// Servers.
    pub servers: Vec<ServerRecord>,
    /// Offerer, then answerer.
    pub agents: Vec<AgentRecord>,
    /// What was worth knowing.
    pub notes: Vec<Reason>,
    /// The lab itself.
    pub lab: LabRecord,
}

/// Times in milliseconds since the offer; `null` for what never happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Times {
    /// Both sides had gathered everything.
    pub gather_ms: Option<f64>,
    /// The first check of either side was answered.
    pub first_success_ms: Option<f64>,
    /// Both sides were connected.
    pub connect_ms: Option<f64>,
    /// Data had arrived at both sides.
    pub data_ms: Option<f64>,
    /// The trial was given up before both sides were connected.
    pub given_up_ms: Option<f64>,
}

/// Relay fallback.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RelayUse {
    /// By the NAT model: `false` where a direct path is possible, `null` where it has no rule or packet order decides.
    pub needed: Option<bool>,
    /// The outcome is `relayed`.
    pub used: bool,
    /// When the first check on the selected relayed pair was answered, at whichever side.
    pub after_ms: Option<f64>,
}

/// How ICE was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IceRecord {
    /// When descriptions were sent.
    pub gathering: Gathering,
    /// Pace that was asked for; what an agent made of it stands in its `timers`.
    pub timers: TimerProfile,
    /// How long the answer was held back.
    pub answer_delay_ms: u64,
}

/// A gateway.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NatRecord {
    /// Its node.
    pub name: String,
    /// Preset, when one was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<String>,
    /// Name of RFC 3489, where one fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classic_name: Option<String>,
    /// As declared, for this gateway alone.
    #[serde(with = "names::BehaviorNames")]
    pub declared: Behavior,
    /// External addresses.
    pub external: Vec<std::net::Ipv4Addr>,
    /// Networks inside.
    pub inside: Vec<Network>,
    /// Of its port list.
    pub seed: u64,
    /// What the probe found, where it was probed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<MeasurementRecord>,
}

/// What a probe found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MeasurementRecord {
    /// Node the probe ran in.
    pub from: String,
    /// What was to be found there: the composite of this gateway and those in front of it.
    #[serde(with = "names::BehaviorNames")]
    pub declared: Behavior,
    /// What was found.
    #[serde(with = "names::MeasuredNames")]
    pub measured: Measured,
    /// Differences; empty: as declared.
    pub differences: Vec<String>,
    /// Number of the event.
    pub event: u64,
}

/// A server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerRecord {
    /// Its node.
    pub name: String,
    /// STUN or TURN.
    pub kind: ServerKind,
    /// natlab's own or coturn.
    pub implementation: Implementation,
    /// Where it listens.
    pub addresses: Vec<std::net::Ipv4Addr>,
    /// Port.
    pub port: u16,
    /// Transports.
    pub transports: Vec<Transport>,
}

/// The lab itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabRecord {
    /// Namespaces.
    pub nodes: usize,
    /// How long they took to build, in milliseconds.
    pub build_ms: Option<f64>,
    /// From the first event to the last one, in milliseconds.
    pub total_ms: f64,
    /// How many events there are.
    pub events: u64,
}

impl TrialRecord {
    /// The record of a trial from its stored events alone: trace, verdict and all.
    pub fn of(events: &[Event]) -> Result<TrialRecord, NoPlan> {
        let (trial, trace) = Trace::of(events)?;
        Ok(TrialRecord::new(&trial, &trace))
    }

    /// The record of a trial whose events are all in the trace.
    pub fn new(trial: &Trial, trace: &Trace) -> TrialRecord {
        let judgement = verdict::judge(trial, trace);
        let notes = trace.lab.notes.iter().map(|n| Reason { text: n.text.clone(), events: vec![n.at.event] });
        let held = trace.sides().into_iter().flat_map(|agent| {
            let peer = agent.peer.clone();
            agent.held.iter().map(move |held| Reason {
                text: format!("{} of {peer} held back: {}", held.what, held.reason),
                events: vec![held.at.event],
            })
        });
        let agents: Vec<AgentRecord> =
            trace.sides().into_iter().map(|agent| AgentRecord::new(trial, trace, agent)).collect();
        TrialRecord {
            id: trial.id.clone(),
            scenario: trial.scenario.clone(),
            description: trial.description.clone(),
            offerer: trial.offerer.clone(),
            answerer: trial.answerer.clone(),
            repeat: trial.repeat,
            seed: trial.seed,
            outcome: judgement.outcome,
            verdict: judgement.verdict,
            accepted: judgement.accepted,
            reasons: judgement.reasons,
            diagnoses: judgement.diagnoses,
            prediction: trial.prediction.clone(),
            expectation: trial.expectation.clone(),
            times: times(trace),
            relay: relay(trial, trace, judgement.outcome, &agents),
            ice: IceRecord {
                gathering: trial.ice.gathering,
                timers: trial.ice.timers,
                answer_delay_ms: trial.ice.answer_delay_ms,
            },
            deadlines: trial.deadlines.clone(),
            nats: nats(trial, trace),
            losses: trace.lab.losses.clone(),
            servers: servers(trial),
            agents,
            notes: notes.chain(held).collect(),
            lab: lab(trace),
        }
    }

    /// The record of one side.
    pub fn agent(&self, role: OfferRole) -> Option<&AgentRecord> {
        self.agents.iter().find(|agent| agent.offer_role == role)
    }
}

fn times(trace: &Trace) -> Times {
    let ms = |at: Option<Moment>| at.and_then(|at| trace.since_offer_ms(at));
    let sides = trace.sides();
    let all = |moments: [Option<Moment>; 2]| Some(moments[0]?.max_by_time(moments[1]?));
    Times {
        gather_ms: ms(all(sides.map(|agent| agent.gathering_ended))),
        first_success_ms: ms(sides.into_iter().filter_map(|a| a.checks.first_success).reduce(Moment::min_by_time)),
        connect_ms: ms(trace.both_connected()),
        data_ms: ms(all(sides.map(|agent| trace.heard_of(agent)))),
        given_up_ms: ms(trace.given_up()),
    }
}

fn relay(trial: &Trial, trace: &Trace, outcome: Outcome, agents: &[AgentRecord]) -> RelayUse {
    let prediction = &trial.prediction;
    let undecided = prediction.is_unpredicted() || prediction.racy;
    let used = outcome == Outcome::Relayed;
    let first = |selected_only: bool| {
        let pairs = agents.iter().flat_map(|agent| &agent.candidate_pairs);
        let relayed = pairs.filter(|p| p.relay.is_some() || trace.is_relay(p.remote));
        let counted = relayed.filter(|p| p.selected || !selected_only);
        counted.filter_map(|p| p.first_response_ms).min_by(f64::total_cmp)
    };
    RelayUse {
        needed: (!undecided).then(|| !prediction.outcomes.contains(&ExpectedOutcome::Direct)),
        used,
        // An agent that reports no pair leaves open which of several relayed ones it uses.
        after_ms: if used { first(true).or_else(|| first(false)) } else { None },
    }
}

fn nats(trial: &Trial, trace: &Trace) -> Vec<NatRecord> {
    let gateways = trial.topology.nodes.iter().filter_map(|node| Some((node, node.gateway.as_ref()?)));
    let record = |(node, gateway): (&crate::plan::Node, &crate::plan::Gateway)| {
        let found = trace.lab.measurements.iter().find(|m| m.nat == node.name);
        NatRecord {
            name: node.name.clone(),
            preset: gateway.preset.clone(),
            classic_name: gateway.behavior.classic_name().map(str::to_owned),
            declared: gateway.behavior,
            external: gateway.external.clone(),
            inside: gateway.inside.clone(),
            seed: gateway.seed,
            measurement: found.map(|m| MeasurementRecord {
                from: m.from.clone(),
                declared: m.declared,
                measured: m.measured.clone(),
                differences: m.differences.clone(),
                event: m.event,
            }),
        }
    };
    gateways.map(record).collect()
}

fn servers(trial: &Trial) -> Vec<ServerRecord> {
    let record = |server: &crate::plan::Server| ServerRecord {
        name: server.node.clone(),
        kind: server.kind,
        implementation: server.implementation,
        addresses: server.addresses.clone(),
        port: server.port,
        transports: server.transports.clone(),
    };
    trial.servers.iter().map(record).collect()
}

fn lab(trace: &Trace) -> LabRecord {
    let built = trace.lab.built.as_ref();
    LabRecord {
        nodes: built.map_or(0, |(nodes, _, _)| *nodes),
        build_ms: built.map(|(_, took_us, _)| *took_us as f64 / 1000.0),
        total_ms: trace.last_us as f64 / 1000.0,
        events: trace.events,
    }
}
