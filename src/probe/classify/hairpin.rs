//! RFC 4787 §6: two own sockets speak to each other's external endpoints.

use std::net::SocketAddr;
use std::sync::Arc;

use ::stun::agent::TransactionId;
use tokio::time::Instant;

use crate::classification::{FamilyFindings, Finding, MappingFound};
use crate::nat::{Filtering, Hairpinning, Translation};
use crate::probe::axes;
use crate::probe::line::{ATTEMPTS, Line, Shared, Stray};
use crate::probe::wire::{self, Ask, Content, Id};

const METHOD: &str = "RFC 5780 §4.5 hairpin test, both ways, with own filters open";

/// A socket and its external endpoint.
struct End {
    line: Line,
    external: SocketAddr,
    /// Of the request that it sends.
    id: Id,
}

pub(super) async fn test(shared: &Arc<Shared>, server: SocketAddr, family: &FamilyFindings) -> Finding<Hairpinning> {
    if family.translation.value != Some(Translation::Napt) {
        return Finding::not_tested("there is no NAT");
    }
    // With a filter as well, the endpoint that would have to be let in is made by the very packet that it stops.
    let open = family.mapping.value == Some(MappingFound::EndpointIndependent)
        || family.filtering.value == Some(Filtering::EndpointIndependent);
    if !open {
        return Finding::not_tested(
            "one host can tell only where mapping is endpoint-independent, or nothing is filtered",
        );
    }
    let mut ends = Vec::new();
    for _ in 0..2 {
        let line = match Line::open(shared) {
            Ok(line) => line,
            Err(e) => return Finding::inconclusive(format!("no socket: {e}"), METHOD),
        };
        let Some(external) = line.ask_patiently(server).await.mapped() else {
            return Finding::inconclusive(format!("{server} fell silent"), METHOD);
        };
        ends.push(End { line, external, id: TransactionId::new().0 });
    }
    let [a, b] = &ends[..] else { return Finding::inconclusive("no sockets", METHOD) };
    let mut sends = 0;
    for _ in 0..ATTEMPTS {
        match attempt(shared, a, b, family.mapping.value).await {
            Ok(Some(finding)) => return finding,
            Ok(None) => sends += u32::try_from(shared.schedule.sends.len()).unwrap_or(u32::MAX),
            Err(e) => return Finding::inconclusive(format!("a packet could not be sent: {e}"), METHOD),
        }
        // Each goes one way only, so it is lost less often than the round trips that were counted.
        if shared.loss().proves_silence(sends) {
            return Finding::likely(Hairpinning::None, shared.loss().chance_all_lost(sends), METHOD)
                .with_evidence([format!("{sends} packets each way, none arrived")]);
        }
    }
    Finding::inconclusive(format!("too much is lost to tell from {sends} packets"), METHOD)
}

/// Sends by the schedule until one arrives.
async fn attempt(
    shared: &Arc<Shared>,
    a: &End,
    b: &End,
    mapping: Option<MappingFound>,
) -> std::io::Result<Option<Finding<Hairpinning>>> {
    // Two requests with ids of their own.
    shared.limiter.turn().await;
    shared.limiter.turn().await;
    let begin = Instant::now();
    let schedule = &shared.schedule;
    for (i, send) in schedule.sends.iter().enumerate() {
        tokio::time::sleep_until(begin + *send).await;
        a.line.send_raw(&wire::request(a.id, &Ask::PLAIN), b.external).await?;
        b.line.send_raw(&wire::request(b.id, &Ask::PLAIN), a.external).await?;
        let until = begin + schedule.sends.get(i + 1).copied().unwrap_or(*send + schedule.patience);
        loop {
            let (at, other, stray) = tokio::select! {
                Some(stray) = a.line.stray(until) => (a, b, stray),
                Some(stray) = b.line.stray(until) => (b, a, stray),
                else => break,
            };
            if stray.id == other.id && stray.content == Content::Request {
                return Ok(Some(arrived(at, other, &stray, mapping, until).await));
            }
        }
    }
    Ok(None)
}

/// One arrived: from where, and whether an answer to that source arrives too.
async fn arrived(
    at: &End,
    sender: &End,
    stray: &Stray,
    mapping: Option<MappingFound>,
    until: Instant,
) -> Finding<Hairpinning> {
    let mut evidence = vec![format!(
        "a packet of {}, externally {}, arrived from {}",
        sender.line.local(),
        sender.external,
        stray.from
    )];
    if at.line.send_raw(&wire::bare_success(stray.id), stray.from).await.is_ok() {
        let mut back = false;
        while let (false, Some(answer)) = (back, sender.line.stray(until).await) {
            back = answer.id == stray.id && matches!(answer.content, Content::Success(_));
        }
        evidence.push(if back { "an answer to it arrived too".into() } else { "no answer to it was seen".into() });
    }
    // Where mapping depends on the destination, the sender has an endpoint of its own towards this one: another port.
    let dependent = mapping != Some(MappingFound::EndpointIndependent);
    let external = if dependent && stray.from.ip() == sender.external.ip() { stray.from } else { sender.external };
    match axes::hairpinning(stray.from, external, sender.line.local()) {
        Ok(value) => Finding::known(value, METHOD),
        Err((_, why)) => Finding::inconclusive(why, METHOD),
    }
    .with_evidence(evidence)
}
