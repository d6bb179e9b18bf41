//! RFC 4787 §6: two own sockets speak to each other's external endpoints.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::classification::{FamilyFindings, Finding, MappingFound};
use crate::nat::{Filtering, Hairpinning, Translation};
use crate::probe::axes;
use crate::probe::crossing::{Crossing, End, Turned};
use crate::probe::line::{ATTEMPTS, Line, Shared};
use crate::probe::wire::{self, Content};

const METHOD: &str = "RFC 5780 §4.5 hairpin test, both ways, with own filters open";

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
    let (a, b) = match (Line::open(shared), Line::open(shared)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(e), _) | (_, Err(e)) => return Finding::inconclusive(format!("no socket: {e}"), METHOD),
    };
    let (x, y) = (a.ask_patiently(server).await.mapped(), b.ask_patiently(server).await.mapped());
    let (Some(x), Some(y)) = (x, y) else {
        return Finding::inconclusive(format!("{server} fell silent"), METHOD);
    };
    let crossing = Crossing([End::new(&a, x), End::new(&b, y)]);
    let mut sends = 0;
    for _ in 0..ATTEMPTS {
        match attempt(shared, &crossing, family.mapping.value).await {
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
    crossing: &Crossing<'_>,
    mapping: Option<MappingFound>,
) -> std::io::Result<Option<Finding<Hairpinning>>> {
    // Two requests with ids of their own.
    shared.limiter.turn().await;
    shared.limiter.turn().await;
    let begin = Instant::now();
    for (send, until) in shared.schedule.steps() {
        tokio::time::sleep_until(begin + send).await;
        crossing.send().await?;
        if let Some(turned) = crossing.arrival(begin + until).await {
            return Ok(Some(arrived(&turned, mapping, begin + until).await));
        }
    }
    Ok(None)
}

/// One arrived: from where, and whether an answer to that source arrives too.
async fn arrived(turned: &Turned<'_>, mapping: Option<MappingFound>, until: Instant) -> Finding<Hairpinning> {
    let Turned { sender, at, packet } = turned;
    let mut evidence = vec![format!(
        "a packet of {}, externally {}, arrived from {}",
        sender.line.local(),
        sender.external,
        packet.from
    )];
    if at.send_raw(&wire::bare_success(packet.id), packet.from).await.is_ok() {
        let mut back = false;
        while let (false, Some(answer)) = (back, sender.line.stray(until).await) {
            back = answer.id == packet.id && matches!(answer.content, Content::Success(_));
        }
        evidence.push(if back { "an answer to it arrived too".into() } else { "no answer to it was seen".into() });
    }
    // Where mapping depends on the destination, the sender has an endpoint of its own towards this one: another port.
    let dependent = mapping != Some(MappingFound::EndpointIndependent);
    let external = if dependent && packet.from.ip() == sender.external.ip() { packet.from } else { sender.external };
    match axes::hairpinning(packet.from, external, sender.line.local()) {
        Ok(value) => Finding::known(value, METHOD),
        Err((_, why)) => Finding::inconclusive(why, METHOD),
    }
    .with_evidence(evidence)
}
