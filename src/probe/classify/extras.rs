//! What one server without RFC 5780 can tell: external ports, rewritten addresses, long packets.

use std::net::SocketAddr;
use std::sync::Arc;

use super::judge::told;
use super::servers::Usable;
use crate::classification::{Finding, Fragments};
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared, Transaction};
use crate::probe::wire::Ask;

/// Padding that makes a datagram longer than an Ethernet frame (RFC 5780 §4.5).
const PADDING: u16 = 1500;

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
/// answer (§7.6), which tells the way out from the way back.
pub(super) async fn fragments(shared: &Arc<Shared>, server: SocketAddr) -> Fragments {
    const METHOD: &str = "RFC 5780 §4.5: 1500 bytes of PADDING";
    let line = match Line::open(shared) {
        Ok(line) => line,
        Err(e) => {
            let none = || Finding::inconclusive(format!("no socket: {e}"), METHOD);
            return Fragments { outbound: none(), inbound: none() };
        }
    };
    let both = Ask { padding: Some(PADDING), ..Ask::PLAIN };
    let out = Ask { response_port: Some(line.local().port()), ..both };
    let there_and_back = repeated(shared, &line, server, &both).await;
    let there = repeated(shared, &line, server, &out).await;
    judge(shared, &there_and_back, &there)
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

fn judge(shared: &Shared, there_and_back: &Transaction, there: &Transaction) -> Fragments {
    const METHOD: &str = "RFC 5780 §4.5: 1500 bytes of PADDING";
    let evidence =
        [format!("padded: {}", told(there_and_back)), format!("padded, for a short refusal: {}", told(there))];
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
        let none = || Finding::inconclusive(told(unsent), METHOD).with_evidence(evidence.clone());
        return Fragments { outbound: none(), inbound: none() };
    }
    let outbound = match () {
        () if heard(there_and_back) || heard(there) => Finding::known(true, METHOD),
        // A server that refuses both in silence is not known; one that is cut off from long requests is.
        () if silent(there) && silent(there_and_back) => Finding::likely(false, chance(there), METHOD),
        () => Finding::inconclusive("too much is lost", METHOD),
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
