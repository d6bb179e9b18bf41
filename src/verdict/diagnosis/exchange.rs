//! Causes that lie in how offer, answer, candidates and roles were exchanged.

use std::collections::BTreeMap;

use crate::ice::{CandidatePolicy, CandidateType};
use crate::plan::Gathering;
use crate::trace::agent::SeenCandidate;
use crate::trace::checks::ROLE_CONFLICT;
use crate::trace::{AgentTrace, Moment};

use super::{Case, Cause};

/// A description went out before gathering was complete, and what came later never followed.
pub(super) fn gathering_cut_short(case: &mut Case<'_>) {
    let trace = case.trace;
    for (agent, peer) in case.sides() {
        let other = trace.other(agent);
        let Some(sent) = other.remote_description else { continue };
        // natlab keeps back what the policy does not allow; that is no mistake.
        let lost: Vec<&SeenCandidate> = agent
            .untold(other)
            .filter(|seen| {
                let kind = seen.candidate.kind;
                match peer.policy {
                    CandidatePolicy::All => true,
                    CandidatePolicy::Host => kind == CandidateType::Host,
                    CandidatePolicy::Srflx => kind == CandidateType::ServerReflexive,
                    CandidatePolicy::Relay => kind == CandidateType::Relayed,
                }
            })
            .collect();
        if lost.is_empty() {
            continue;
        }
        let mut kinds: BTreeMap<CandidateType, usize> = BTreeMap::new();
        for seen in &lost {
            *kinds.entry(seen.candidate.kind).or_default() += 1;
        }
        let kinds = kinds.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ");
        let description = match agent.role {
            crate::ice::OfferRole::Offerer => "offer",
            crate::ice::OfferRole::Answerer => "answer",
        };
        let text = format!(
            "the {description} of {} was sent before gathering was complete: {} never heard of {kinds}",
            agent.peer, other.peer
        );
        let remedy = match case.trial.ice.gathering {
            Gathering::Trickle => "pass every candidate on, also those that come after the description",
            Gathering::Full | Gathering::Incomplete => {
                "send candidates as they come (trickle, RFC 8838), or wait for the end of gathering before the \
                 description is sent"
            }
        };
        let events = lost.iter().map(|seen| seen.at.event).chain([sent.event]);
        case.add(Cause::GatheringCutShort, Some(&agent.peer), text, remedy, events);
    }
}

/// RFC 8445 §7.3.1.1: the side with the lower tie-breaker must answer 487 or switch.
pub(super) fn role_conflict(case: &mut Case<'_>) {
    let [offerer, answerer] = case.trace.sides();
    let (Some((role, at)), Some((other_role, other_at))) = (offerer.checks.last_role, answerer.checks.last_role) else {
        return;
    };
    let arrived = offerer.checks.requests_received() + answerer.checks.requests_received();
    if role != other_role || arrived == 0 {
        return;
    }
    let role = format!("{role:?}").to_lowercase();
    let repairs: Vec<u64> = [offerer, answerer].into_iter().flat_map(conflicts_told).collect();
    let repair = if repairs.is_empty() {
        "neither answers with 487 (Role Conflict)".to_owned()
    } else {
        format!("{} answers with 487 (Role Conflict) changed nothing", repairs.len())
    };
    let text = format!("{} and {} are both {role}, checks arrive, and {repair}", offerer.peer, answerer.peer);
    let remedy = "let the offerer control and the answerer not; an agent that repairs role conflicts (RFC 8445 \
                  §7.3.1.1) would connect even so";
    let events = [at.event, other_at.event].into_iter().chain(repairs);
    case.add(Cause::RoleConflict, None, text, remedy, events);
}

fn conflicts_told(agent: &AgentTrace) -> impl Iterator<Item = u64> {
    let errors = agent.checks.pairs().iter().flat_map(|pair| &pair.errors_sent);
    errors.filter(|(code, _)| *code == ROLE_CONFLICT).map(|(_, at)| at.event)
}

/// One side had used up its checks before the other one sent its first.
pub(super) fn late_answer(case: &mut Case<'_>) {
    let trace = case.trace;
    let [offerer, answerer] = trace.sides();
    if answerer.description.is_some() && offerer.remote_description.is_none() {
        let text = format!("the answer of {} did not reach {} in time", answerer.peer, offerer.peer);
        let events = answerer.description.into_iter().chain(trace.given_up()).map(|at| at.event);
        return case.add(Cause::LateAnswer, None, text, "send the answer at once", events);
    }
    for (early, late) in [(offerer, answerer), (answerer, offerer)] {
        let (Some(last), Some(first)) = (early.checks.last_sent, late.checks.first_sent()) else { continue };
        if !had_given_up(early, last, first) {
            continue;
        }
        let ms = |at: Moment| trace.since_offer_ms(at).unwrap_or_default();
        let text = format!(
            "{} had given up (its last check was sent after {} ms) when {} sent its first one, after {} ms",
            early.peer,
            ms(last),
            late.peer,
            ms(first)
        );
        let remedy = "send the answer sooner, let the offerer control, or let the agent send more checks per pair";
        case.add(Cause::LateAnswer, Some(&late.peer), text, remedy, [last.event, first.event]);
    }
}

/// Its checks were used up, as far as it says how many it sends, and at least one more would have been due.
fn had_given_up(early: &AgentTrace, last: Moment, first_of_other: Moment) -> bool {
    let sent = || early.checks.pairs().iter().filter(|pair| pair.transmissions() > 0);
    let limit = early.configured.as_ref().and_then(|c| c.checks_per_pair).unwrap_or(2);
    let gap_us = sent().map(|pair| pair.longest_gap_us).max().unwrap_or(0);
    sent().all(|pair| pair.transmissions() >= limit) && first_of_other.t_us > last.t_us.saturating_add(gap_us)
}
