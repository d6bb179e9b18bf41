//! From what was seen to findings. Pure.
//!
//! Silence is never taken for a behaviour by itself: the sender that should have been heard must be shown alive, and loss
//! must be too little to explain it.

mod ports;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use super::filtering::Tests;
use super::{Places, mapping};
use crate::classification::{Finding, Loss, MappingFound, Status};
use crate::nat::{Filtering, Mapping};
use crate::net::is_public;
use crate::probe::axes::{self, Passage};
use crate::probe::line::{Junk, Outcome, Transaction};
use crate::probe::wire::Success;

pub(super) use ports::{external, pooling, ports};

const MAPPING: &str = "RFC 5780 §4.3 tests I to III";
const FILTERING: &str = "RFC 5780 §4.4 tests I to III, with control";
const ORDINARY: &str = "one socket towards several servers";

/// The control test.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Controls {
    /// A plain request to A2:P2.
    pub alternate: Transaction,
    /// A plain request to A1:P2.
    pub other_port: Transaction,
    /// Test II again with the door open; none where that would prove nothing.
    pub second: Option<Transaction>,
    /// Test III again with the door open.
    pub third: Option<Transaction>,
}

/// Something that is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    /// What.
    pub text: String,
    /// Whether it makes its answers worthless.
    pub fatal: bool,
}

/// Why a server is of no use.
pub(super) fn no_answer(at: SocketAddr, outcome: &Outcome, junk: Junk) -> String {
    match outcome {
        Outcome::Answered(_) => "its answer names no endpoint".to_owned(),
        Outcome::Refused { code: 300, alternate: Some(other) } => {
            format!("it sends its clients to {other} (300 Try Alternate); give that one instead")
        }
        Outcome::Refused { code, .. } => format!("it refused a plain request with {code}"),
        Outcome::WrongSource(from) => format!("{at} was asked and {from} answered"),
        Outcome::Silent if junk.garbage > 0 => {
            format!("what it sends is no STUN: {} datagrams that are cut off, too long or something else", junk.garbage)
        }
        Outcome::Silent if junk.unasked > 0 => {
            format!("it sends {} answers that nobody asked for: their transaction ids are unknown", junk.unasked)
        }
        Outcome::Silent => "it does not answer".to_owned(),
        Outcome::NotSent(e) => format!("no request could be sent: {e}"),
    }
}

/// The places of a server and what is wrong with its answer; `again` is what it saw the second time.
pub(super) fn sanity(
    at: SocketAddr,
    local: SocketAddr,
    success: &Success,
    again: Option<SocketAddr>,
) -> (Option<Places>, Vec<Problem>) {
    let mut problems = Vec::new();
    let mut problem = |text: String, fatal| problems.push(Problem { text, fatal });
    match success.mapped() {
        None => problem("its answer names no endpoint".to_owned(), true),
        Some(mapped) if mapped.is_ipv4() != at.is_ipv4() => {
            problem(format!("it names {mapped}, of another address family"), true);
        }
        Some(mapped) if mapped.port() == 0 || mapped.ip().is_unspecified() => {
            problem(format!("it names {mapped}, which is no endpoint"), true);
        }
        // A server in a container or behind a NAT of its own sees the address of that.
        Some(mapped) if mapped != local && is_public(at.ip()) && !is_public(mapped.ip()) => {
            problem(format!("it says it sees {mapped}, so it stands behind a NAT itself"), true);
        }
        Some(_) => {}
    }
    if let (Some(first), Some(second)) = (success.mapped(), again)
        && first != second
    {
        problem(format!("it saw {first} first and then {second} of the same socket"), false);
    }
    if again.is_none() {
        problem("it answered once and then no more".to_owned(), false);
    }
    if let Some(origin) = success.origin.filter(|o| *o != at) {
        problem(format!("it says it answers from {origin}: it stands behind a NAT itself"), false);
    }
    let places = success.other_address.and_then(|other| {
        if other.is_ipv4() != at.is_ipv4() || other.ip() == at.ip() || other.port() == at.port() {
            problem(format!("its alternate {other} does not differ in address and port"), false);
            None
        } else if is_public(at.ip()) && !is_public(other.ip()) {
            problem(format!("its alternate {other} is not public"), false);
            None
        } else {
            Some(Places { primary: at, alternate: other })
        }
    });
    (places, problems)
}

/// RFC 5780 §4.3.
pub(super) fn mapping(places: &Places, seen: &mapping::Seen) -> Finding<MappingFound> {
    let asked = [
        (places.other_address(), &seen.other_address),
        (places.alternate, &seen.alternate),
        (places.other_port(), &seen.other_port),
    ];
    let evidence = std::iter::once(format!("seen as {} by {}", seen.primary, places.primary))
        .chain(asked.iter().map(|(at, t)| format!("{at}: {}", told(t))));
    let found = match (seen.other_address.mapped(), seen.alternate.mapped()) {
        (Some(x2), Some(x3)) => axes::mapping(seen.primary, x2, x3, seen.other_port.mapped()).map(MappingFound::from),
        // One of both is enough to see that it is the same; and enough to see that it is not.
        (Some(x), None) | (None, Some(x)) if x != seen.primary => Ok(MappingFound::EndpointDependent),
        _ => Err(asked
            .iter()
            .find(|(_, t)| t.mapped().is_none())
            .map_or_else(String::new, |(at, t)| format!("{at}: {}", told(t)))),
    };
    match found {
        Ok(mapping) => Finding::known(mapping, MAPPING),
        Err(why) => Finding::inconclusive(why, MAPPING),
    }
    .with_evidence(evidence)
}

/// A transaction in words.
pub(super) fn told(t: &Transaction) -> String {
    match &t.outcome {
        Outcome::Answered(success) => match success.mapped() {
            Some(mapped) => format!("answered, sees {mapped}"),
            None => "answered".to_owned(),
        },
        Outcome::Refused { code, .. } => format!("refused with {code}"),
        Outcome::WrongSource(from) => format!("answered from {from}"),
        Outcome::Silent => format!("no answer to {} requests", t.sends),
        Outcome::NotSent(e) => format!("could not be sent: {e}"),
    }
}

/// RFC 5780 §4.4 with the control test; `poisoned`: the alternate address was sent to before, by another socket.
pub(super) fn filtering(
    places: &Places,
    tests: &Tests,
    controls: &Controls,
    loss: Loss,
    poisoned: bool,
) -> Finding<Filtering> {
    let second = passage(&tests.second, places.alternate, &controls.alternate, controls.second.as_ref(), loss);
    let third = passage(&tests.third, places.other_port(), &controls.other_port, controls.third.as_ref(), loss);
    let mut evidence = vec![
        format!("test II, an answer from {}: {}", places.alternate, told(&tests.second)),
        format!("control, {} asked plainly: {}", places.alternate, told(&controls.alternate)),
    ];
    if tests.third.sends > 0 {
        evidence.push(format!("test III, an answer from {}: {}", places.other_port(), told(&tests.third)));
        evidence.push(format!("control, {} asked plainly: {}", places.other_port(), told(&controls.other_port)));
    }
    for (name, repeat) in [("II", &controls.second), ("III", &controls.third)] {
        evidence.extend(repeat.iter().map(|t| format!("control, test {name} with the door open: {}", told(t))));
    }
    if poisoned {
        evidence.push(format!(
            "{} had been sent to before, so a NAT that filters per host would look laxer than it is",
            places.alternate.ip()
        ));
    }
    match axes::filtering(second, third) {
        Ok((filtering, chance)) => Finding::likely(filtering, chance, FILTERING),
        Err((Status::Unsupported, why)) => Finding::unsupported(why),
        Err((_, why)) => Finding::inconclusive(why, FILTERING),
    }
    .with_evidence(evidence)
}

/// Whether an answer from `from` passed.
fn passage(
    test: &Transaction,
    from: SocketAddr,
    plain: &Transaction,
    repeat: Option<&Transaction>,
    loss: Loss,
) -> Passage {
    let unknown = |why: String| Passage::Unknown(Status::Inconclusive, why);
    let unsupported = |why: String| Passage::Unknown(Status::Unsupported, why);
    match &test.outcome {
        Outcome::Answered(_) => return Passage::Passed,
        Outcome::WrongSource(other) => {
            return unsupported(format!("the server ignores CHANGE-REQUEST: {from} was to answer and {other} did"));
        }
        Outcome::Refused { code, .. } => {
            return unsupported(format!("the server refuses CHANGE-REQUEST with {code}"));
        }
        Outcome::NotSent(e) => return unknown(format!("no request could be sent: {e}")),
        Outcome::Silent => {}
    }
    let chance = loss.chance_all_lost(test.sends);
    if plain.mapped().is_none() {
        return unknown(format!("no answer from {from} proves nothing, for asked plainly: {}", told(plain)));
    }
    if !loss.proves_silence(test.sends) {
        return unknown(format!(
            "too much is lost: {} of {} round trips, so {} unanswered requests prove nothing",
            loss.sent - loss.answered.min(loss.sent),
            loss.sent,
            test.sends
        ));
    }
    match repeat.map(|t| &t.outcome) {
        None | Some(Outcome::Answered(_)) => Passage::Blocked { chance },
        Some(_) => unsupported(format!("the server does not answer from {from} even where nothing keeps that out")),
    }
}

/// Mapping from servers that are asked plainly: `(server, endpoint that it saw)`, each from the same socket.
///
/// With servers on two addresses "the same" or "another" can be told; with one that answers at two ports of one address,
/// address-dependent from address-and-port-dependent. One liar among three addresses is outvoted.
pub(super) fn mapping_of_ordinary(seen: &[(SocketAddr, SocketAddr)]) -> Finding<MappingFound> {
    let mut by_address: BTreeMap<_, BTreeSet<SocketAddr>> = BTreeMap::new();
    for (server, mapped) in seen {
        by_address.entry(server.ip()).or_default().insert(*mapped);
    }
    let evidence = seen.iter().map(|(server, mapped)| format!("seen as {mapped} by {server}"));
    // Several ports of one address: what each saw.
    let ports = |ip| seen.iter().filter(move |(server, _)| server.ip() == ip).count();
    let two_ports: Vec<bool> =
        by_address.iter().filter(|(ip, _)| ports(**ip) >= 2).map(|(_, seen)| seen.len() == 1).collect();
    let split = match two_ports[..] {
        [] => None,
        _ if two_ports.iter().all(|same| *same) => Some(Mapping::AddressDependent),
        _ if two_ports.iter().all(|same| !*same) => Some(Mapping::AddressAndPortDependent),
        _ => return Finding::inconclusive("servers disagree whether ports matter", ORDINARY).with_evidence(evidence),
    };
    let mut votes: BTreeMap<SocketAddr, usize> = BTreeMap::new();
    for mapped in by_address.values().filter_map(|seen| seen.first()) {
        *votes.entry(*mapped).or_default() += 1;
    }
    let most = votes.values().copied().max().unwrap_or(0);
    let addresses = by_address.len();
    let found = match split {
        Some(Mapping::AddressAndPortDependent) => Ok(MappingFound::AddressAndPortDependent),
        _ if addresses < 2 => Err("needs servers on two addresses".to_owned()),
        _ if most == addresses => Ok(MappingFound::EndpointIndependent),
        // One server of three or more that disagrees with all others is the one that is wrong.
        _ if addresses >= 3 && most == addresses - 1 => Ok(MappingFound::EndpointIndependent),
        Some(_) if most == 1 => Ok(MappingFound::AddressDependent),
        None if most == 1 => Ok(MappingFound::EndpointDependent),
        _ => Err(format!("{addresses} servers saw {} endpoints: no majority", votes.len())),
    };
    match found {
        Ok(mapping) => Finding::known(mapping, ORDINARY),
        Err(why) => Finding::inconclusive(why, ORDINARY),
    }
    .with_evidence(evidence)
}

#[cfg(test)]
mod tests;
