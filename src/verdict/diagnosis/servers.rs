//! Causes that lie with STUN and TURN.

use crate::ice::CandidateType;
use crate::net::is_public;
use crate::plan::Peer;
use crate::trace::AgentTrace;
use crate::trace::servers::AllocationState;

use super::{Case, Cause, knows_its_address, named, turn_urls, turn_without_udp};

/// UDP blocked, TURN refused, unreachable, unused, permissions.
pub(super) fn turn(case: &mut Case<'_>) {
    for (agent, peer) in case.sides() {
        let blocked = peer.behavior.udp == crate::nat::UdpPolicy::Blocked;
        if blocked && !turn_without_udp(peer) {
            let text =
                format!("UDP is blocked in front of {}, and it was given no TURN server over TCP or TLS", agent.peer);
            let remedy = format!(
                "give {} a TURN server over TCP: `turn:HOST:PORT?transport=tcp`, or over TLS: `turns:HOST:PORT`",
                agent.peer
            );
            case.add(Cause::UdpBlocked, Some(&agent.peer), text, remedy, [0]);
        }
        allocation(case, agent, peer, blocked);
        permissions(case, agent);
    }
    for (agent, peer) in case.sides() {
        private_permission(case, agent, peer);
    }
}

/// The first reason why a side with a TURN server has no relayed candidate.
fn allocation(case: &mut Case<'_>, agent: &AgentTrace, peer: &Peer, udp_blocked: bool) {
    let allocations = &agent.servers.allocations;
    let relayed = agent.local.iter().any(|seen| seen.candidate.kind == CandidateType::Relayed);
    if relayed || turn_urls(peer).next().is_none() {
        return;
    }
    let name = &agent.peer;
    for allocation in allocations {
        let server = allocation.via.server;
        match allocation.state() {
            AllocationState::Allocated => {}
            AllocationState::Refused(code) => {
                let (why, remedy) = refusal(code, allocation.errors.len(), peer);
                let text = format!("TURN server {server} refused the allocation of {name}: {why}");
                let events = allocation.first_sent.into_iter().chain(allocation.errors.iter().map(|(_, at)| *at));
                case.add(Cause::TurnRefused, Some(name), text, remedy, events.map(|at| at.event));
            }
            // The server over UDP behind a firewall that drops UDP is explained already.
            AllocationState::Unanswered if udp_blocked && allocation.via.transport == crate::net::Transport::Udp => {}
            AllocationState::Unanswered => {
                let text = format!(
                    "TURN server {server} answered none of {} requests of {name} over {}",
                    allocation.requests, allocation.via.transport
                );
                let remedy = "check that the server runs and listens there, and that no firewall drops the way to it";
                let events = allocation.first_sent.into_iter().chain(allocation.last_sent);
                case.add(Cause::TurnUnreachable, Some(name), text, remedy, events.map(|at| at.event));
            }
        }
    }
    for error in agent.candidate_errors.iter().filter(|error| error.url.starts_with("turn")) {
        let (cause, remedy) = match error.code {
            400 | 401 | 403 | 431 | 441 => (Cause::TurnRefused, "check user name and password of the TURN server"),
            _ => (
                Cause::TurnUnreachable,
                "check that the server runs and listens there over this transport, and that no firewall drops the way to it",
            ),
        };
        let covered = explained(case, name) || (udp_blocked && case.has(Cause::UdpBlocked));
        if !covered {
            let text = format!("{name} has no relay of {}: {} {}", error.url, error.code, error.message);
            case.add(cause, Some(name), text, remedy, [error.at.event]);
        }
    }
    let asked = !allocations.is_empty() || !agent.candidate_errors.is_empty();
    if !asked && let Some(ended) = agent.gathering_ended {
        let text = format!("{name} was given a TURN server and never asked it for a relay");
        let remedy = "check what the agent says it ignores, and that it can do TURN over this transport";
        let configured = agent.configured.as_ref().map(|c| c.at.event);
        case.add(Cause::TurnUnused, Some(name), text, remedy, configured.into_iter().chain([ended.event]));
    }
}

fn explained(case: &Case<'_>, peer: &str) -> bool {
    let about = |d: &&super::Diagnosis| d.peer.as_deref() == Some(peer);
    case.found.iter().filter(about).any(|d| matches!(d.cause, Cause::TurnRefused | Cause::TurnUnreachable))
}

/// RFC 8656 §19.1 and RFC 8489 §14.8. Servers answer wrong credentials with 401 again; the `turn` crate, like some others,
/// with 400 and without a nonce.
fn refusal(code: u16, errors: usize, peer: &Peer) -> (String, String) {
    let credentials = "check user name and password, and the realm; credentials with a time limit may have expired";
    match code {
        401 if errors == 1 && !peer.wrong_credentials => (
            "401, and the agent did not answer the challenge".to_owned(),
            "give the agent a user name and a password for the TURN server".to_owned(),
        ),
        400 | 401 | 431 | 441 => (format!("{code}, its answer to wrong credentials"), credentials.to_owned()),
        403 => ("403 (Forbidden)".to_owned(), "ask the server's administrator for access".to_owned()),
        442 => (
            "442 (Unsupported Transport Protocol)".to_owned(),
            "ask for a relay over UDP, or name another server".to_owned(),
        ),
        486 => (
            "486 (Allocation Quota Reached)".to_owned(),
            "raise the user's quota, or close allocations that are not needed".to_owned(),
        ),
        508 => (
            "508 (Insufficient Capacity)".to_owned(),
            "give the server more relay ports, or name another one".to_owned(),
        ),
        _ => (format!("error {code}"), "see the log of the TURN server".to_owned()),
    }
}

fn permissions(case: &mut Case<'_>, agent: &AgentTrace) {
    let permissions = || agent.servers.allocations.iter().flat_map(|allocation| &allocation.permissions);
    let refused: Vec<(u16, u64)> = permissions().filter_map(|p| p.refused).map(|(code, at)| (code, at.event)).collect();
    if let Some((code, _)) = refused.first()
        && permissions().all(|p| p.granted.is_none())
    {
        let text = format!("the TURN server refused every permission that {} asked for, with {code}", agent.peer);
        let remedy = "let the server relay to these peers (coturn: allowed-peer-ip, denied-peer-ip)";
        case.add(Cause::PermissionRefused, Some(&agent.peer), text, remedy, refused.iter().map(|(_, event)| *event));
    }
}

/// RFC 8656 §9: a permission is for an address. The other side's checks come from its public one; where only its private one
/// is known, the relay drops them.
fn private_permission(case: &mut Case<'_>, agent: &AgentTrace, peer: &Peer) {
    let trace = case.trace;
    let relaying = trace.other(agent);
    let permitted: Vec<_> = relaying.servers.allocations.iter().flat_map(|a| &a.permissions).collect();
    let private = |ip: std::net::IpAddr| !is_public(ip);
    let relay_heard = relaying.checks.pairs().iter().any(|p| p.key.relay.is_some() && p.requests_received > 0);
    if permitted.is_empty() || relay_heard || knows_its_address(peer) || !permitted.iter().all(|p| private(p.peer.ip()))
    {
        return;
    }
    let text = format!(
        "the relay of {} permits only private addresses of {}, which has no STUN server to learn its public one, so the \
         relay drops its checks",
        relaying.peer, agent.peer
    );
    let remedy = format!("give {} a STUN server (or a TURN server of its own)", agent.peer);
    case.add(
        Cause::PermissionForPrivateAddress,
        Some(&agent.peer),
        text,
        remedy,
        permitted.iter().map(|p| p.asked.event),
    );
}

/// STUN unanswered, or not given at all.
pub(super) fn stun(case: &mut Case<'_>) {
    for (agent, peer) in case.sides() {
        let exchanges = &agent.servers.reflexive;
        let blocked = peer.behavior.udp == crate::nat::UdpPolicy::Blocked;
        if blocked || exchanges.iter().any(|e| e.mapped.is_some()) || is_public(peer.address) {
            continue;
        }
        if let Some(first) = exchanges.first() {
            let requests: u32 = exchanges.iter().map(|e| e.requests).sum();
            let text = format!("STUN server {} answered none of {requests} requests of {}", first.server, agent.peer);
            let remedy = "check that the server runs and listens there, and that no firewall drops the way to it";
            let events = exchanges.iter().flat_map(|e| [e.first_sent.event, e.last_sent.event]);
            case.add(Cause::StunUnanswered, Some(&agent.peer), text, remedy, events);
        } else if !knows_its_address(peer)
            && peer.policy == crate::ice::CandidatePolicy::All
            && !case.has(Cause::PermissionForPrivateAddress)
        {
            let text = format!("{} was given no STUN server, so its public address is unknown", named(agent, peer));
            let remedy = format!("give {} a STUN server", agent.peer);
            case.add(Cause::NoStun, Some(&agent.peer), text, remedy, [0]);
        }
    }
}
