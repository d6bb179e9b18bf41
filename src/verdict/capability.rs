//! What a scenario asks of an agent that the agent says it cannot do: such a trial is skipped, with the reason.

use crate::ice::CandidatePolicy;
use crate::plan::{ExpectedOutcome, Peer, Trial};
use crate::trace::{AgentTrace, Trace};

use super::Reason;
use super::compare::accepted;

/// Capabilities that the trial needs and an agent lacks, each as a reason; empty while nobody lacks any. Known as soon as
/// the agents have said hello, and completed by their answers to `configure`.
pub fn missing(trial: &Trial, trace: &Trace) -> Vec<Reason> {
    let mut reasons = Vec::new();
    for agent in trace.sides() {
        if let Some(peer) = trial.peers.get(&agent.peer) {
            missing_of(trial, peer, agent, &mut reasons);
        }
    }
    reasons
}

fn missing_of(trial: &Trial, peer: &Peer, agent: &AgentTrace, reasons: &mut Vec<Reason>) {
    let Some((hello, said)) = &agent.hello else { return };
    for refused in agent.refusals.iter().filter(|r| r.command == "configure" && r.code == "unsupported") {
        let text =
            format!("{}: {} does not support what it is asked for: {}", agent.peer, hello.agent, refused.message);
        reasons.push(Reason::new(text, [refused.at.event]));
    }
    let ignored = agent.configured.as_ref().map(|c| (c.ignored.as_slice(), c.at));
    let mut lacks = |capability: &str, needed_for: String, ignored_field: Option<&str>| {
        if !hello.caps.iter().any(|cap| cap == capability) {
            let text =
                format!("{}: {} has no capability `{capability}`, needed for {needed_for}", agent.peer, hello.agent);
            reasons.push(Reason::new(text, [said.event]));
        } else if let (Some(field), Some((ignored, at))) = (ignored_field, ignored)
            && ignored.iter().any(|f| f == field)
        {
            let text = format!("{}: {} ignores `{field}`, needed for {needed_for}", agent.peer, hello.agent);
            reasons.push(Reason::new(text, [at.event]));
        }
    };
    if let Some(role) = peer.ice_role {
        lacks("ice_role", format!("the forced role {}", format!("{role:?}").to_lowercase()), Some("ice_role"));
    }
    if peer.policy != CandidatePolicy::All {
        // Listed as ignored, natlab keeps the policy itself; a library without any notion of it would still use the rest.
        lacks("policy", format!("the candidate policy {}", format!("{:?}", peer.policy).to_lowercase()), None);
    }
    let types_stated = trial.expectation.as_ref().is_some_and(|e| !e.local.is_empty() || !e.remote.is_empty());
    if types_stated && agent.peer == trial.offerer {
        lacks("pairs", "the expected candidate types".to_owned(), None);
    }
    // Where direct is right, TURN is a fallback that the trial does not need.
    if accepted(trial).contains(&ExpectedOutcome::Direct) {
        return;
    }
    for url in peer.ice_servers.iter().flat_map(|server| &server.urls) {
        if let Some(capability) = turn_capability(url) {
            lacks(capability, url.clone(), Some(&format!("ice_servers:{url}")));
        }
    }
}

/// The capability that a server's URL asks for; none for STUN.
fn turn_capability(url: &str) -> Option<&'static str> {
    if url.starts_with("turns:") {
        Some("turn-tls")
    } else if url.starts_with("turn:") {
        Some(if url.contains("transport=tcp") { "turn-tcp" } else { "turn-udp" })
    } else {
        None
    }
}
