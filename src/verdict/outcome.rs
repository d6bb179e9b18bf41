//! What happened, from the trace: the first thing that can be said for sure, in the order of who spoils whom.

use crate::event::Awaited;
use crate::ice::OfferRole;
use crate::plan::{AgentProgram, Trial};
use crate::protocol;
use crate::trace::lab::NatTrace;
use crate::trace::{AgentTrace, Path, Trace};

use super::capability;
use super::{Outcome, Reason, UnknownCause};

type Found = Option<(Outcome, Vec<Reason>)>;

/// The outcome and what it rests on.
pub fn find(trial: &Trial, trace: &Trace) -> (Outcome, Vec<Reason>) {
    spoilt_by_natlab(trace)
        .or_else(|| spoilt_by_nat(trial, trace))
        .or_else(|| spoilt_by_server(trace))
        .or_else(|| not_for_this_agent(trial, trace))
        .or_else(|| spoilt_by_agent(trial, trace))
        .or_else(|| no_connection(trace))
        .or_else(|| connection(trace))
        .unwrap_or_else(|| {
            let text = "the events end before the trial does";
            (Outcome::Unknown(UnknownCause::Unfinished), vec![Reason::new(text, [])])
        })
}

fn unknown(cause: UnknownCause, text: impl Into<String>, events: impl IntoIterator<Item = u64>) -> Found {
    Some((Outcome::Unknown(cause), vec![Reason::new(text, events)]))
}

fn spoilt_by_natlab(trace: &Trace) -> Found {
    if let Some(at) = trace.lab.interrupted {
        return unknown(UnknownCause::Interrupted, "interrupted by the user", [at.event]);
    }
    let failed = trace.lab.failed.as_ref()?;
    unknown(UnknownCause::LabFailed, format!("the lab could not be built: {}", failed.text), [failed.at.event])
}

fn spoilt_by_nat(trial: &Trial, trace: &Trace) -> Found {
    let tell =
        |m: &NatTrace, what: &str| Reason::new(format!("{} {what}: {}", m.nat, m.differences.join("; ")), [m.event]);
    let (wrong, unsure): (Vec<&NatTrace>, Vec<&NatTrace>) =
        trace.lab.measurements.iter().filter(|m| !m.differences.is_empty()).partition(|m| m.is_contradicted());
    if !wrong.is_empty() {
        let reasons = wrong.into_iter().map(|m| tell(m, "does not behave as declared")).collect();
        return Some((Outcome::Unknown(UnknownCause::NatNotAsDeclared), reasons));
    }
    // Nothing was found that is wrong, but not everything was found: natlab or a busy host is to blame, not the gateway.
    if !unsure.is_empty() {
        let reasons = unsure.into_iter().map(|m| tell(m, "could not be measured")).collect();
        return Some((Outcome::Unknown(UnknownCause::NatNotMeasured), reasons));
    }
    // A trial that never came to its agents has another reason than this.
    trace.offered?;
    let measured = |nat: &str| trace.lab.measurements.iter().any(|m| m.nat == nat);
    let missing: Vec<&str> = trial.measurements.iter().map(|m| m.nat.as_str()).filter(|nat| !measured(nat)).collect();
    if missing.is_empty() {
        return None;
    }
    unknown(UnknownCause::NatNotMeasured, format!("not measured: {}", missing.join(", ")), [])
}

fn spoilt_by_server(trace: &Trace) -> Found {
    let failures = trace.lab.server_failures.iter();
    let reasons: Vec<Reason> =
        failures.map(|f| Reason::new(format!("server {} {}", f.node, f.remark.text), [f.remark.at.event])).collect();
    (!reasons.is_empty()).then_some((Outcome::Unknown(UnknownCause::ServerFailed), reasons))
}

fn not_for_this_agent(trial: &Trial, trace: &Trace) -> Found {
    let missing = capability::missing(trial, trace);
    (!missing.is_empty()).then_some((Outcome::Unknown(UnknownCause::MissingCapability), missing))
}

fn spoilt_by_agent(trial: &Trial, trace: &Trace) -> Found {
    let mut found = trace.sides().into_iter().filter_map(|agent| fault(trial, trace, agent));
    let (cause, first) = found.next()?;
    let reasons = std::iter::once(first).chain(found.map(|(_, reason)| reason)).collect();
    Some((Outcome::Unknown(cause), reasons))
}

/// What an agent did that leaves the outcome open.
fn fault(trial: &Trial, trace: &Trace, agent: &AgentTrace) -> Option<(UnknownCause, Reason)> {
    let peer = &agent.peer;
    let fault = |cause, text: String, event| Some((cause, Reason::new(text, [event])));
    if let Some(failed) = &agent.process.start_failed {
        let own = trial.peers.get(peer).is_some_and(|p| matches!(p.agent, AgentProgram::Builtin(_)));
        let cause = if own { UnknownCause::AgentNotStarted } else { UnknownCause::ProgramNotStarted };
        return fault(cause, format!("the agent of {peer} could not be started: {}", failed.text), failed.at.event);
    }
    if let Some((bytes, at)) = agent.process.flooded {
        return fault(
            UnknownCause::Flooded,
            format!("the agent of {peer} printed {bytes} bytes and was ended"),
            at.event,
        );
    }
    if let Some(error) = agent.fatal() {
        let text = format!("the agent of {peer} cannot go on: {}", said(&error.code, &error.message));
        return fault(UnknownCause::AgentError, text, error.at.event);
    }
    if let Some(died) = &agent.process.died {
        return fault(UnknownCause::Crashed, format!("the agent of {peer} {} by itself", died.text), died.at.event);
    }
    if let Some((hello, at)) = &agent.hello
        && hello.protocol != protocol::VERSION
    {
        let text = format!(
            "the agent of {peer} speaks version {} of the protocol, natlab version {}",
            hello.protocol,
            protocol::VERSION
        );
        return fault(UnknownCause::Protocol, text, at.event);
    }
    let vital = |command: &str| matches!(command, "configure" | "offer" | "description");
    if let Some(refused) = agent.refusals.iter().find(|r| vital(&r.command)) {
        let text =
            format!("the agent of {peer} refused `{}`: {}", refused.command, said(&refused.code, &refused.message));
        return fault(UnknownCause::Refused, text, refused.at.event);
    }
    hung(trace, agent)
}

/// It did not do in time what it had to do next. Whether it was its turn is told by the trace: the side that waits for the
/// other one is not to blame.
pub(super) fn hung(trace: &Trace, agent: &AgentTrace) -> Option<(UnknownCause, Reason)> {
    let peer = &agent.peer;
    let late = |what: Awaited, owed: bool, sentence: &str| {
        let deadline = trace.lab.missed(what)?;
        let text = format!("the agent of {peer} {sentence} within {} ms", deadline.limit_ms);
        owed.then(|| (UnknownCause::Hung, Reason::new(text, [deadline.at.event])))
    };
    let asked_to_describe = match agent.role {
        OfferRole::Offerer => trace.offered,
        OfferRole::Answerer => agent.remote_description,
    };
    let no_description = asked_to_describe.is_some() && agent.description.is_none();
    late(Awaited::Hello, agent.hello.is_none(), "did not say hello")
        .or_else(|| late(Awaited::Configured, agent.owes_reply("configure"), "did not answer `configure`"))
        .or_else(|| late(Awaited::Connect, no_description, "produced no description"))
}

fn no_connection(trace: &Trace) -> Found {
    let given_up = trace.given_up()?;
    let mut connected = Vec::new();
    let mut unconnected = Vec::new();
    for agent in trace.sides() {
        match trace.was_connected(agent) {
            Some(at) => connected.push((agent, at)),
            None => unconnected.push(agent),
        }
    }
    match (connected.as_slice(), unconnected.as_slice()) {
        ([(one, at)], [other]) => {
            let text = format!("{} is connected, {} is not", one.peer, other.peer);
            unknown(UnknownCause::HalfOpen, text, [at.event, given_up.event])
        }
        (_, [_, _]) => Some((Outcome::NoPath, vec![no_path(trace)?])),
        _ => None,
    }
}

fn no_path(trace: &Trace) -> Option<Reason> {
    let given_up = trace.given_up()?;
    let checks: Vec<String> = trace
        .sides()
        .into_iter()
        .map(|agent| {
            let (sent, received) = (agent.checks.transmissions(), agent.checks.requests_received());
            format!("{} sent {sent} checks and received {received}", agent.peer)
        })
        .collect();
    let checks = checks.join(", ");
    Some(match &trace.lab.exhausted {
        Some((at, because)) if *at == given_up => {
            let events = because.iter().copied().chain([at.event]);
            let none = trace.sides().into_iter().all(|agent| agent.checks.transmissions() == 0);
            let text = if none {
                "gathering is over on both sides, and no side has a pair to check".to_owned()
            } else {
                format!("every pair has used up its checks on both sides, and nothing can follow: {checks}")
            };
            Reason::new(text, events)
        }
        _ => {
            let limit = trace.lab.missed(Awaited::Connect).map_or(0, |deadline| deadline.limit_ms);
            Reason::new(format!("neither side was connected within {limit} ms: {checks}"), [given_up.event])
        }
    })
}

fn connection(trace: &Trace) -> Found {
    let connected = trace.both_connected()?;
    let [offerer, answerer] = trace.sides();
    let mixed = matches!((offerer.level(), answerer.level()), (Some(a), Some(b)) if a != b);
    let mut reasons = Vec::new();
    if trace.data_both_ways() {
        let heard = trace.sides().into_iter().filter_map(|agent| trace.heard_of(agent)).map(|at| at.event);
        reasons.push(Reason::new(
            "both sides were connected and data went both ways",
            std::iter::once(connected.event).chain(heard),
        ));
    } else if mixed {
        // A full WebRTC agent sends DTLS, which the raw one cannot finish: ICE alone is tried here.
        reasons.push(Reason::new(
            "both sides were connected; of one full WebRTC agent and one raw ICE agent only ICE is judged",
            [connected.event],
        ));
    } else {
        return no_data(trace, connected.event);
    }
    let (outcome, text, events) = match trace.path() {
        Path::Known { class, events } => (Outcome::from(class), format!("the selected pair is {class}"), events),
        Path::Disputed { events } => (
            Outcome::Unknown(UnknownCause::Disagreement),
            "one side uses a direct pair, the other one a relayed pair".to_owned(),
            events,
        ),
        Path::Unseen => (
            Outcome::Unknown(UnknownCause::PathUnseen),
            "no agent reports a pair, and no tap saw one nominated".to_owned(),
            vec![connected.event],
        ),
    };
    reasons.push(Reason::new(text, events));
    Some((outcome, reasons))
}

/// Connected, but without data; `None` when it was not even waited for.
fn no_data(trace: &Trace, connected: u64) -> Found {
    let missed = trace.lab.missed(Awaited::Channel).or_else(|| trace.lab.missed(Awaited::Data))?;
    if missed.what == Awaited::Channel {
        let text = format!("both sides are connected, but no data channel opened within {} ms", missed.limit_ms);
        return unknown(UnknownCause::NoData, text, [connected, missed.at.event]);
    }
    let unheard: Vec<String> = trace
        .sides()
        .into_iter()
        .filter(|agent| trace.heard_of(agent).is_none())
        .map(|agent| format!("{} heard nothing right of {}", trace.other(agent).peer, agent.peer))
        .collect();
    let text = format!("both sides are connected, but within {} ms {}", missed.limit_ms, unheard.join(" and "));
    let refused = trace.sides().into_iter().flat_map(|agent| &agent.refusals).filter(|r| r.command == "send");
    unknown(UnknownCause::NoData, text, [connected, missed.at.event].into_iter().chain(refused.map(|r| r.at.event)))
}

fn said(code: &str, message: &str) -> String {
    match (code.is_empty(), message.is_empty()) {
        (_, true) => code.to_owned(),
        (true, false) => message.to_owned(),
        (false, false) => format!("{code}: {message}"),
    }
}
