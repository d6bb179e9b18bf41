//! Causes that lie in the NATs, or in what an agent makes of the paths it has.

use crate::ice::CandidatePolicy;
use crate::plan::ExpectedOutcome;
use crate::trace::{AgentTrace, Moment, PathClass};
use crate::verdict::Outcome;
use crate::verdict::compare::Shortcoming;

use super::{Case, Cause, count, named, turn_urls};

/// A policy that leaves something out. Relays only is no mistake where there is a TURN server.
pub(super) fn policy(case: &mut Case<'_>) {
    for (agent, peer) in case.sides() {
        let words = match peer.policy {
            CandidatePolicy::All => continue,
            CandidatePolicy::Host => "host candidates only, which lead nowhere through a NAT",
            CandidatePolicy::Srflx => "server-reflexive candidates only, and no relay",
            CandidatePolicy::Relay if turn_urls(peer).next().is_some() => continue,
            CandidatePolicy::Relay => "relayed candidates only, and was given no TURN server",
        };
        let text = format!("{} may use {words}", agent.peer);
        let remedy = format!("let {} use every candidate: policy `all`", agent.peer);
        case.add(Cause::CandidatePolicy, Some(&agent.peer), text, remedy, [0]);
    }
}

/// No direct path is possible, and there is no TURN server.
pub(super) fn no_way(case: &mut Case<'_>) {
    if case.has(Cause::UdpBlocked)
        || case.has(Cause::CandidatePolicy)
        || !case.needs_relay()
        || case.sides().any(|(_, peer)| turn_urls(peer).next().is_some())
    {
        return;
    }
    let names: Vec<String> = case.sides().map(|(agent, peer)| named(agent, peer)).collect();
    let text = format!("{} cannot reach each other directly, and neither was given a TURN server", names.join(" and "));
    let remedy = "give at least one of them a TURN server, and the other one a STUN server";
    case.add(Cause::NoTurn, None, text, remedy, [0]);
}

/// What is known when nothing else explains a missing path.
pub(super) fn otherwise(case: &mut Case<'_>) {
    let trace = case.trace;
    for agent in trace.sides() {
        let tapped = !trace.lab.notes.iter().any(|n| n.text.starts_with(&format!("no packet tap in {}", agent.peer)));
        let could = !agent.local.is_empty() && !agent.remote.is_empty();
        if tapped && could && agent.checks.transmissions() == 0 && !case.found.iter().any(|d| about_turn(d.cause)) {
            let text = format!(
                "{} has {} of its own and {} of {}, and sent no check",
                agent.peer,
                count(agent.local.len() as u64, "candidate"),
                agent.remote.len(),
                trace.other(agent).peer
            );
            let remedy = "look in the agent's log why it does not begin";
            let events = [agent.local.last(), agent.remote.last()].into_iter().flatten().map(|seen| seen.at.event);
            case.add(Cause::NoChecks, Some(&agent.peer), text, remedy, events);
        }
    }
    if !case.found.is_empty() || case.outcome != Outcome::NoPath {
        return;
    }
    let expected = case.trial.prediction.outcomes.iter().any(|outcome| *outcome != ExpectedOutcome::NoPath);
    let [offerer, answerer] = trace.sides();
    let text = format!("{}, {}", lost(offerer), lost(answerer));
    let remedy = if expected {
        "the NAT model says that a path exists: compare both ends of the checks in the captures that --pcap writes"
    } else {
        "no path was to be expected here: see the prediction"
    };
    let ends = |agent: &AgentTrace| [agent.checks.first_sent(), agent.checks.last_sent];
    let events = ends(offerer).into_iter().chain(ends(answerer)).flatten().map(|at| at.event);
    case.add(Cause::ChecksLost, None, text, remedy, events);
}

fn about_turn(cause: Cause) -> bool {
    use Cause as C;
    matches!(cause, C::TurnRefused | C::TurnUnreachable | C::TurnUnused | C::PermissionRefused | C::UdpBlocked)
}

fn lost(agent: &AgentTrace) -> String {
    let answered: u32 = agent.checks.pairs().iter().map(|pair| pair.responses_received).sum();
    format!(
        "{} sent {} on {}, {answered} were answered, and {} came in",
        agent.peer,
        count(agent.checks.transmissions(), "check"),
        count(agent.checks.pairs().iter().filter(|pair| pair.first_sent.is_some()).count() as u64, "pair"),
        agent.checks.requests_received()
    )
}

/// A path that works and is not good enough.
pub(super) fn short(case: &mut Case<'_>, shortcoming: Shortcoming) {
    match shortcoming {
        Shortcoming::Suboptimal => suboptimal(case),
        Shortcoming::TooSlow { limit_ms } => too_slow(case, limit_ms),
    }
}

fn suboptimal(case: &mut Case<'_>) {
    let trace = case.trace;
    let pairs = || trace.sides().into_iter().flat_map(|agent| agent.checks.pairs());
    let first = |class: PathClass, what: fn(&crate::trace::PairTrace) -> Option<Moment>| {
        pairs().filter(|pair| trace.wire_class(pair) == class).filter_map(what).reduce(Moment::min_by_time)
    };
    let direct = first(PathClass::Direct, |pair| pair.first_success);
    let nominated = first(PathClass::Relayed, |pair| pair.nominated);
    let ms = |at: Moment| trace.since_offer_ms(at).unwrap_or_default();
    let (text, remedy) = match (direct, nominated) {
        (Some(direct), Some(nominated)) if direct.t_us <= nominated.t_us => (
            format!(
                "a relayed pair was nominated after {} ms, although a direct one had answered after {} ms",
                ms(nominated),
                ms(direct)
            ),
            "let the agent nominate by pair priority (RFC 8445 §8.1.1), or give relays a longer acceptance wait",
        ),
        (Some(direct), _) => (
            format!("a direct pair answered after {} ms, when a relayed one was in use already", ms(direct)),
            "let the agent wait for direct pairs before it nominates a relayed one (acceptance wait)",
        ),
        (None, _) => (
            "no direct pair ever answered, although the NAT model says that one works".to_owned(),
            "see in the direct pairs (`-v`) which checks were sent, and which arrived",
        ),
    };
    let events = direct.into_iter().chain(nominated).map(|at| at.event);
    case.add(Cause::Suboptimal, None, text, remedy, events);
}

fn too_slow(case: &mut Case<'_>, limit_ms: u64) {
    let trace = case.trace;
    let Some(connected) = trace.both_connected() else { return };
    let ms = |at: Option<Moment>| at.and_then(|at| trace.since_offer_ms(at));
    let shown = |at: Option<Moment>| ms(at).map_or("never".to_owned(), |ms| format!("after {ms} ms"));
    let gathered = trace.sides().into_iter().filter_map(|a| a.gathering_ended).reduce(Moment::max_by_time);
    let success = trace.sides().into_iter().filter_map(|a| a.checks.first_success).reduce(Moment::min_by_time);
    let text = format!(
        "connected {}, later than {limit_ms} ms: gathering ended {}, the first check was answered {}",
        shown(Some(connected)),
        shown(gathered),
        shown(success)
    );
    // Whatever lies between two of these moments is where the time went.
    let waited =
        ms(Some(connected)).zip(ms(success)).is_some_and(|(end, success)| end - success > limit_ms as f64 / 2.0);
    let remedy = if waited {
        "most of the time passed between the first answer and the nomination: shorten the agent's acceptance waits"
    } else {
        "most of the time passed before the first answer: look at gathering, at the answer's way, and at the pace of checks"
    };
    let events = [Some(connected), gathered, success].into_iter().flatten().map(|at| at.event);
    case.add(Cause::TooSlow, None, text, remedy, events);
}
