//! Causes that lie with an agent, or with the lab itself.

use crate::trace::{AgentTrace, Moment, Remark};
use crate::verdict::{UnknownCause, outcome};

use super::{Case, Cause, count};

/// Explains an unknown outcome.
pub(super) fn unknown(case: &mut Case<'_>, cause: UnknownCause) {
    match cause {
        UnknownCause::Interrupted | UnknownCause::Unfinished => {}
        UnknownCause::LabFailed | UnknownCause::ServerFailed => lab(case),
        UnknownCause::NatNotAsDeclared | UnknownCause::NatNotMeasured => nat(case),
        UnknownCause::MissingCapability => capability(case),
        UnknownCause::AgentNotStarted | UnknownCause::ProgramNotStarted => not_started(case),
        UnknownCause::Crashed => crashed(case),
        UnknownCause::Hung => hung(case),
        UnknownCause::Flooded => flooded(case),
        UnknownCause::Protocol | UnknownCause::AgentError | UnknownCause::Refused => gave_up(case),
        UnknownCause::NoData => no_data(case),
        UnknownCause::Disagreement => disagreement(case),
        UnknownCause::PathUnseen => {}
        UnknownCause::HalfOpen => half_open(case),
    }
    if !matches!(cause, UnknownCause::LabFailed | UnknownCause::ServerFailed | UnknownCause::Interrupted) {
        garbage(case);
    }
}

/// Lines that are not the protocol: no fault by themselves, but worth a look when something went wrong.
pub(super) fn garbage(case: &mut Case<'_>) {
    for agent in case.trace.sides() {
        let process = &agent.process;
        let first = process.garbage.first().or(agent.violations.first());
        let Some(first) = first else { continue };
        let lines = process.garbage_lines + agent.violations.len() as u64;
        let (verb, which) = if lines == 1 { ("is", "it reads") } else { ("are", "the first one reads") };
        let lines = count(lines, "line");
        let text = format!("{lines} of the agent of {} {verb} not the protocol; {which}: {}", agent.peer, first.text);
        let remedy = "print nothing but one JSON object per line on stdout, and send logs to stderr";
        let events = process.garbage.iter().chain(&agent.violations).map(|remark| remark.at.event);
        case.add(Cause::AgentGarbage, Some(&agent.peer), text, remedy, events);
    }
}

pub(super) fn half_open(case: &mut Case<'_>) {
    let trace = case.trace;
    for agent in trace.sides() {
        if trace.was_connected(agent).is_some() {
            continue;
        }
        let other = trace.other(agent);
        let connected = trace.was_connected(other);
        let answered: u32 = agent.checks.pairs().iter().map(|pair| pair.responses_received).sum();
        let state = agent.state().map_or("no state at all".to_owned(), |s| format!("`{:?}`", s.state).to_lowercase());
        let text = format!(
            "{} is connected, {} reports {state}; {answered} of its own {} checks were answered",
            other.peer,
            agent.peer,
            agent.checks.transmissions()
        );
        let remedy = if answered == 0 {
            "look why the answers to its checks do not arrive: in the capture of its node, taken with --pcap"
        } else {
            "look at the nomination in the checks below: it works in one direction, and this agent does not take it"
        };
        let events = connected.into_iter().chain(agent.state().map(|s| s.at)).map(|at| at.event);
        case.add(Cause::HalfOpen, Some(&agent.peer), text, remedy, events);
    }
}

fn lab(case: &mut Case<'_>) {
    let lab = &case.trace.lab;
    let failures = lab.server_failures.iter().map(|f| (format!("server {} {}", f.node, f.remark.text), f.remark.at));
    let all: Vec<(String, Moment)> =
        lab.failed.iter().map(|f| (format!("the lab could not be built: {}", f.text), f.at)).chain(failures).collect();
    for (text, at) in all {
        case.add(Cause::LabFailed, None, text, "run `natlab doctor`: it says what this host lacks", [at.event]);
    }
}

fn nat(case: &mut Case<'_>) {
    for m in case.trace.lab.measurements.iter().filter(|m| !m.differences.is_empty()) {
        if !m.is_contradicted() {
            let why = if m.measured.undecided.is_empty() { &m.differences } else { &m.measured.undecided };
            let text = format!("{}, probed from {}, could not be measured: {}", m.nat, m.from, why.join("; "));
            let remedy = "run it again on a less busy host, or with fewer trials at a time (`--jobs 1`)";
            case.add(Cause::NatNotMeasured, None, text, remedy, [m.event]);
            continue;
        }
        let text = format!(
            "{}, probed from {}, was declared {} and does not behave so: {}",
            m.nat,
            m.from,
            m.declared,
            m.differences.join("; ")
        );
        let remedy = "nothing is concluded about the agents: compare the kernel and its rules with \
                      `natlab doctor` and `natlab rules`";
        case.add(Cause::NatNotAsDeclared, None, text, remedy, [m.event]);
    }
}

fn capability(case: &mut Case<'_>) {
    for reason in crate::verdict::capability::missing(case.trial, case.trace) {
        let peer = reason.text.split(':').next().unwrap_or_default().to_owned();
        let remedy = "run this scenario with an agent that has it, or with the built-in one";
        case.add(Cause::MissingCapability, Some(&peer), reason.text, remedy, reason.events);
    }
}

fn not_started(case: &mut Case<'_>) {
    for agent in case.trace.sides() {
        let Some(failed) = &agent.process.start_failed else { continue };
        let text = format!("the agent of {} could not be started: {}", agent.peer, failed.text);
        let remedy = "check that the program of `agent` exists and may be executed; a relative path is meant from \
                      the scenario's directory";
        case.add(Cause::AgentNotStarted, Some(&agent.peer), text, remedy, [failed.at.event]);
    }
}

fn crashed(case: &mut Case<'_>) {
    for agent in case.trace.sides() {
        let Some(died) = &agent.process.died else { continue };
        let text = format!("the agent of {} {} by itself{}", agent.peer, died.text, last_words(agent));
        let remedy = "find the crash in its own log; NATLAB_AGENT_LOG=1 turns more of it on";
        let events = events_of_tail(agent).chain([died.at.event]);
        case.add(Cause::AgentCrashed, Some(&agent.peer), text, remedy, events);
    }
}

fn hung(case: &mut Case<'_>) {
    let trace = case.trace;
    for agent in trace.sides() {
        let Some((_, reason)) = outcome::hung(trace, agent) else { continue };
        let text = format!("{}{}", reason.text, last_words(agent));
        let remedy = if agent.hello.is_none() {
            "let it print its `hello` line as soon as it runs, and flush it: docs/agent-protocol.md"
        } else {
            "look where it waits: every command must be answered at once, whatever the library still does"
        };
        case.add(Cause::AgentHung, Some(&agent.peer), text, remedy, reason.events);
    }
}

fn flooded(case: &mut Case<'_>) {
    for agent in case.trace.sides() {
        let Some((bytes, at)) = agent.process.flooded else { continue };
        let text = format!("the agent of {} printed {bytes} bytes, more than natlab takes, and was ended", agent.peer);
        let remedy = "send logs to stderr, and only events to stdout";
        case.add(Cause::AgentFlooded, Some(&agent.peer), text, remedy, [at.event]);
    }
}

/// A fatal error, another protocol, or a vital command refused.
fn gave_up(case: &mut Case<'_>) {
    for agent in case.trace.sides() {
        let peer = Some(agent.peer.as_str());
        if let Some(error) = agent.fatal() {
            let text = format!("the agent of {} cannot go on: {} {}", agent.peer, error.code, error.message);
            case.add(Cause::AgentError, peer, text, "see its own words, and its log", [error.at.event]);
        }
        for refused in &agent.refusals {
            let text = format!(
                "the agent of {} refused `{}`: {} {}",
                agent.peer, refused.command, refused.code, refused.message
            );
            case.add(Cause::AgentError, peer, text, "see its own words, and its log", [refused.at.event]);
        }
        if let Some((hello, at)) = &agent.hello
            && hello.protocol != crate::protocol::VERSION
        {
            let text = format!("the agent of {} speaks version {} of the protocol", agent.peer, hello.protocol);
            let remedy = format!("adapt it to version {}: docs/agent-protocol.md", crate::protocol::VERSION);
            case.add(Cause::AgentError, peer, text, remedy, [at.event]);
        }
    }
}

fn no_data(case: &mut Case<'_>) {
    let trace = case.trace;
    for agent in trace.sides() {
        if trace.heard_of(agent).is_some() {
            continue;
        }
        let other = trace.other(agent);
        let wrong = other.data_received.iter().find(|m| !agent.data_sent.iter().any(|s| s.text == m.text));
        let text = match wrong {
            Some(wrong) => {
                let shown: String = wrong.text.chars().take(80).collect();
                format!("{} received something else than {} sent: {shown:?}", other.peer, agent.peer)
            }
            None => format!(
                "{} received nothing of {} that {} was told to send",
                other.peer,
                count(agent.data_sent.len() as u64, "message"),
                agent.peer
            ),
        };
        let remedy = "ICE works and data does not: look whether both sides use the selected pair, and, with a data \
                      channel, whether DTLS and SCTP complete";
        let events = wrong.into_iter().chain(agent.data_sent.first()).map(|m| m.at.event);
        case.add(Cause::NoData, Some(&agent.peer), text, remedy, events);
    }
}

fn disagreement(case: &mut Case<'_>) {
    let trace = case.trace;
    let reported: Vec<(String, u64)> = trace
        .sides()
        .into_iter()
        .filter_map(|agent| {
            let (class, event) = trace.reported_class(agent)?;
            Some((format!("{} reports a {class} pair", agent.peer), event))
        })
        .collect();
    let text = reported.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join(", ");
    let remedy = "compare the nominated pairs of both sides below; an agent that nominates more than once may need a \
                  longer settling time (`settle_ms` in its hello)";
    case.add(Cause::Disagreement, None, text, remedy, reported.iter().map(|(_, event)| *event));
}

fn last_words(agent: &AgentTrace) -> String {
    agent.process.tail.back().map(|remark| format!("; its last words: {}", remark.text)).unwrap_or_default()
}

fn events_of_tail(agent: &AgentTrace) -> impl Iterator<Item = u64> {
    agent.process.tail.iter().map(|remark: &Remark| remark.at.event)
}
