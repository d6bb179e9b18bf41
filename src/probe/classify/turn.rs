//! Filtering with a TURN allocation as the foreign sender, where no server has RFC 5780.
//!
//! A socket T learns its external endpoint M from a STUN server on another address than the relay's. What the relayed address R
//! sends to M arrives behind endpoint-independent filtering alone. Then another socket asks a server on R's address (the TURN
//! server itself, or a STUN server that happens to be there) for its endpoint: it has sent to R's address and not to R's port,
//! so what R sends arrives behind address-dependent filtering too. The control: a third socket sends to R itself, and what R
//! sends back where that came from must arrive.

use std::net::SocketAddr;
use std::sync::Arc;

use ::stun::agent::TransactionId;
use tokio::time::{Instant, sleep_until};

use super::servers::Asked;
use crate::classification::{Finding, Status};
use crate::nat::Filtering;
use crate::probe::axes::{self, Passage};
use crate::probe::line::{ATTEMPTS, Line, Shared};
use crate::probe::relay::Relay;
use crate::probe::wire::{self, Ask, Content};

const METHOD: &str = "TURN-assisted: the relayed address as a foreign sender";

pub(super) async fn filtering(shared: &Arc<Shared>, relay: &dyn Relay, asked: &Asked) -> Finding<Filtering> {
    let relayed = relay.relayed();
    let known = || asked.usable.iter().map(|u| u.address).chain([relay.server()]);
    let Some(stranger) = known().find(|at| at.ip() != relayed.ip()) else {
        let address = relayed.ip();
        return Finding::unsupported(format!("needs a STUN server on another address than {address}, the relay's"));
    };
    let mut evidence = vec![format!("relayed address {relayed}")];
    if let Err(why) = control(shared, relay, asked).await {
        return Finding::inconclusive(why, METHOD).with_evidence(evidence);
    }
    evidence.push("control: what it sends back to whoever sent to it arrives".to_owned());
    evidence.push(format!(
        "{} was sent to from other sockets, so a NAT that filters per host would look laxer than it is",
        relayed.ip()
    ));
    let second = arrives(shared, relay, stranger).await;
    evidence.push(format!("from it to a socket that has sent to {stranger} alone: {}", told(&second)));
    let third = match known().find(|at| at.ip() == relayed.ip()) {
        _ if second == Passage::Passed => Passage::Passed,
        None => Passage::Unknown(
            Status::Unsupported,
            format!("no server is known on {}, the relay's address, so ADF cannot be told from APDF", relayed.ip()),
        ),
        Some(neighbour) => {
            let third = arrives(shared, relay, neighbour).await;
            evidence.push(format!("from it to a socket that has sent to {neighbour} alone: {}", told(&third)));
            third
        }
    };
    match axes::filtering(second, third) {
        Ok((filtering, chance)) => Finding::likely(filtering, chance, METHOD),
        Err((Status::Unsupported, why)) => Finding::unsupported(why),
        Err((_, why)) => Finding::inconclusive(why, METHOD),
    }
    .with_evidence(evidence)
}

fn told(passage: &Passage) -> String {
    match passage {
        Passage::Passed => "arrived".to_owned(),
        Passage::Blocked { .. } => "did not arrive".to_owned(),
        Passage::Unknown(_, why) => why.clone(),
    }
}

/// Whether what the relay sends reaches a socket that has sent to `asks` alone; each attempt on a fresh socket.
async fn arrives(shared: &Arc<Shared>, relay: &dyn Relay, asks: SocketAddr) -> Passage {
    let unknown = |why: String| Passage::Unknown(Status::Inconclusive, why);
    let mut sends = 0;
    for _ in 0..ATTEMPTS {
        let line = match Line::open(shared) {
            Ok(line) => line,
            Err(e) => return unknown(format!("no socket: {e}")),
        };
        let Some(mapped) = line.ask_patiently(asks).await.mapped() else {
            return unknown(format!("{asks} does not answer a plain request"));
        };
        match knock(shared, relay, &line, mapped).await {
            Err(why) => return unknown(why),
            Ok(None) => return Passage::Passed,
            Ok(Some(more)) => sends += more,
        }
        if shared.loss().proves_silence(sends) {
            return Passage::Blocked { chance: shared.loss().chance_all_lost(sends) };
        }
    }
    unknown(format!("too much is lost to tell from {sends} packets"))
}

/// Sends from the relay to `to` until `line` hears it; else how many were sent. One of these crosses the path between here and
/// the TURN server twice, as a round trip does.
async fn knock(shared: &Arc<Shared>, relay: &dyn Relay, line: &Line, to: SocketAddr) -> Result<Option<u32>, String> {
    shared.limiter.turn().await;
    relay.permit(to).await.map_err(|e| format!("the TURN server gives no permission for {to}: {e}"))?;
    let id = TransactionId::new().0;
    let bytes = wire::request(id, &Ask::PLAIN);
    let begin = Instant::now();
    let mut sends = 0;
    for (send, until) in shared.schedule.steps() {
        sleep_until(begin + send).await;
        relay.send(to, &bytes).await.map_err(|e| format!("the relay cannot send to {to}: {e}"))?;
        sends += 1;
        while let Some(stray) = line.stray(begin + until).await {
            if stray.id == id && stray.content == Content::Request {
                return Ok(None);
            }
        }
    }
    Ok(Some(sends))
}

/// Sends to the relayed address and has it send back to where that came from: no filter keeps that out.
async fn control(shared: &Arc<Shared>, relay: &dyn Relay, asked: &Asked) -> Result<(), String> {
    let line = Line::open(shared).map_err(|e| format!("no socket: {e}"))?;
    // Permissions are for addresses, not ports (RFC 8656 §9). The TURN server knows best which one we have there; over TLS it
    // may not answer plain requests.
    let at_server = line.ask_patiently(relay.server()).await.mapped();
    let known = at_server.or_else(|| asked.usable.first().map(|u| u.mapped));
    let here = known.ok_or_else(|| format!("{} does not answer a plain request", relay.server()))?;
    relay.permit(here).await.map_err(|e| format!("the TURN server gives no permission for {here}: {e}"))?;
    let id = TransactionId::new().0;
    let bytes = wire::request(id, &Ask::PLAIN);
    for _ in 0..ATTEMPTS {
        shared.limiter.turn().await;
        let begin = Instant::now();
        for (send, until) in shared.schedule.steps() {
            sleep_until(begin + send).await;
            line.send_raw(&bytes, relay.relayed()).await.map_err(|e| format!("nothing can be sent: {e}"))?;
            while let Ok(Some((peer, data))) = relay.receive(begin + until).await {
                if data == bytes {
                    return match knock(shared, relay, &line, peer).await? {
                        None => Ok(()),
                        Some(n) => Err(format!("of {n} packets from the relay over an open path none arrived")),
                    };
                }
            }
        }
    }
    Err(format!("nothing reaches the relayed address {}", relay.relayed()))
}
