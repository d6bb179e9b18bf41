//! What one server without RFC 5780 can tell: external ports, rewritten addresses, long packets.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Places;
use super::judge::told;
use super::servers::Usable;
use crate::classification::{Finding, Fragments};
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared, Transaction};
use crate::probe::wire::Ask;

/// Padding that makes a datagram longer than an Ethernet frame (RFC 5780 §4.5).
const PADDING: u16 = 1500;

/// Padding of a datagram that fits into a frame of every link in use (1280 bytes, RFC 8200 §5).
const SHORT_PADDING: u16 = 1000;

const METHOD: &str = "RFC 5780 §4.5: 1500 bytes of PADDING";

/// Opens sockets one after the other, each asking `server`: `(inside, external)` of those that were answered, in order.
/// None is closed before the last one is open, so that no port is used twice.
pub(super) async fn fresh_sockets(
    shared: &Arc<Shared>,
    server: SocketAddr,
    count: usize,
) -> Vec<(SocketAddr, SocketAddr)> {
    let mut lines = Vec::new();
    let mut seen = Vec::new();
    for _ in 0..count {
        let Ok(line) = Line::open(shared) else { break };
        // A server that has fallen silent for good is not asked from every other socket as well.
        let Some(mapped) = line.ask_patiently(server).await.mapped() else { break };
        seen.push((line.local(), mapped));
        lines.push(line);
    }
    seen
}

/// Whether the address that is in the clear is the one that is not (RFC 5780 §4.6, "generic ALG"). Servers that send only one of
/// both are asked again without the cookie, as a client of RFC 3489 does.
pub(super) async fn alg(line: &Line, server: &Usable) -> Finding<bool> {
    const METHOD: &str = "RFC 5780 §4.6: MAPPED-ADDRESS against XOR-MAPPED-ADDRESS";
    let again = line.ask_patiently(server.address).await;
    let Outcome::Answered(success) = &again.outcome else {
        return Finding::inconclusive(format!("{}: {}", server.address, told(&again)), METHOD);
    };
    let Some(xor) = success.xor_mapped else {
        return Finding::unsupported("the server has no XOR-MAPPED-ADDRESS to compare with");
    };
    let mut clear = success.clear_mapped;
    let mut how = "in the same answer";
    if clear.is_none() {
        how = "in the answer to a request without cookie";
        let ask = Ask { classic: true, ..Ask::PLAIN };
        for _ in 0..ATTEMPTS {
            let classic = line.transact(server.address, &ask, server.address).await;
            if let Outcome::Answered(success) = classic.outcome {
                clear = success.clear_mapped;
                break;
            }
        }
    }
    match clear {
        None => Finding::unsupported("the server sends no MAPPED-ADDRESS, not to clients of RFC 3489 either"),
        Some(clear) => Finding::known(clear != xor, METHOD)
            .with_evidence([format!("XOR-MAPPED-ADDRESS is {xor}; MAPPED-ADDRESS, {how}, is {clear}")]),
    }
}

/// Long requests and long answers (RFC 5780 §4.5). A request with RESPONSE-PORT and PADDING must be refused with a short
/// answer (§7.6), which tells the way out from the way back. Silence is the path's only where the server is known to take
/// padding: `places` of a server with RFC 5780, and a padded request that needs no fragments is the control.
pub(super) async fn fragments(shared: &Arc<Shared>, server: SocketAddr, places: Option<&Places>) -> Fragments {
    let server = places.map_or(server, |p| p.primary);
    let line = match Line::open(shared) {
        Ok(line) => line,
        Err(e) => return neither(&format!("no socket: {e}"), &[]),
    };
    let both = Ask { padding: Some(PADDING), ..Ask::PLAIN };
    let out = Ask { response_port: Some(line.local().port()), ..both };
    let there_and_back = repeated(shared, &line, server, &both).await;
    let there = repeated(shared, &line, server, &out).await;
    if [&there_and_back, &there].iter().any(|t| !matches!(t.outcome, Outcome::Silent)) {
        return judge(shared, &there_and_back, &there, None);
    }
    if places.is_none() {
        return neither("an ordinary server need not take messages longer than a frame; one with RFC 5780 must", &[]);
    }
    let short = repeated(shared, &line, server, &Ask { padding: Some(SHORT_PADDING), ..Ask::PLAIN }).await;
    judge(shared, &there_and_back, &there, Some(&short))
}

/// Why neither way is known.
fn neither(why: &str, evidence: &[String]) -> Fragments {
    let none = || Finding::inconclusive(why, METHOD).with_evidence(evidence.iter().cloned());
    Fragments { outbound: none(), inbound: none() }
}

async fn repeated(shared: &Arc<Shared>, line: &Line, server: SocketAddr, ask: &Ask) -> Transaction {
    let mut all = Transaction { sends: 0, outcome: Outcome::Silent, round_trip: None };
    for _ in 0..ATTEMPTS {
        let one = line.transact(server, ask, server).await;
        all = Transaction { sends: all.sends + one.sends, ..one };
        if !matches!(all.outcome, Outcome::Silent) || shared.loss().proves_silence(all.sends) {
            break;
        }
    }
    all
}

/// `short` is the control, where neither long request was answered.
fn judge(shared: &Shared, there_and_back: &Transaction, there: &Transaction, short: Option<&Transaction>) -> Fragments {
    let mut evidence =
        vec![format!("padded: {}", told(there_and_back)), format!("padded, for a short refusal: {}", told(there))];
    evidence.extend(short.map(|t| format!("padded, but no longer than a frame: {}", told(t))));
    let loss = shared.loss();
    let chance = |t: &Transaction| loss.chance_all_lost(t.sends);
    let silent = |t: &Transaction| matches!(t.outcome, Outcome::Silent) && loss.proves_silence(t.sends);
    let heard = |t: &Transaction| matches!(t.outcome, Outcome::Answered(_) | Outcome::Refused { .. });
    let padded = match &there_and_back.outcome {
        Outcome::Answered(success) => success.padding >= usize::from(PADDING),
        _ => false,
    };
    let unsent = [there_and_back, there].into_iter().find(|t| matches!(t.outcome, Outcome::NotSent(_)));
    if let Some(unsent) = unsent {
        return neither(&told(unsent), &evidence);
    }
    let outbound = match short {
        _ if heard(there_and_back) || heard(there) => Finding::known(true, METHOD),
        Some(short) if !heard(short) => Finding::inconclusive("the server answers no request with PADDING", METHOD),
        Some(_) if silent(there) && silent(there_and_back) => Finding::likely(false, chance(there), METHOD),
        _ => Finding::inconclusive("too much is lost", METHOD),
    };
    let inbound = match &there_and_back.outcome {
        _ if padded => Finding::known(true, METHOD),
        Outcome::Answered(_) | Outcome::Refused { .. } => {
            Finding::unsupported("the server does not send long answers (PADDING, RFC 5780 §7.6)")
        }
        _ if silent(there_and_back) && heard(there) => Finding::likely(false, chance(there_and_back), METHOD),
        _ => Finding::inconclusive("long requests do not reach the server, so it sends no long answer", METHOD),
    };
    Fragments { outbound: outbound.with_evidence(evidence.clone()), inbound: inbound.with_evidence(evidence) }
}
