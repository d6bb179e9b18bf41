//! From what was seen to what the gateway does. Pure.
//!
//! Silence is never taken for a behaviour by itself: a verdict of "dropped" takes the proof that the request went out
//! and that the place the answer would have come from is alive. Everything else is undecided, with the reason.

use std::net::SocketAddr;

use super::Places;
use super::axes::{self, Passage};
use super::line::Outcome;
use crate::classification::Status;
use crate::nat::{Filtering, Hairpinning, Mapping, Measured, Translation, UdpPolicy};
use crate::net::is_public;

/// How a request for an answer from elsewhere fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Test {
    /// How it ended.
    pub outcome: Outcome,
    /// Where that is silence: how many plain requests behind it were answered.
    pub confirmations: u32,
}

/// How packets to the own external endpoints fared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hairpin {
    /// They were not sent: the question does not arise.
    NotTried,
    /// One arrived.
    Arrived {
        /// Source it bore.
        source: SocketAddr,
        /// External endpoint of its sender.
        external: SocketAddr,
        /// Inside endpoint of its sender.
        internal: SocketAddr,
    },
    /// None arrived, though this many plain requests behind them were answered.
    Dropped {
        /// Plain requests answered.
        confirmations: u32,
    },
    /// It cannot be told.
    Unknown(String),
}

/// A socket and how its plain request to A1:P1 fared.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Own endpoint.
    pub local: SocketAddr,
    /// What came of it.
    pub reply: Outcome,
}

/// Everything that was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct Observations {
    /// The server.
    pub target: Places,
    /// Plain requests to A1:P1, one per socket; that of mapping test I first.
    pub primary: Vec<Seen>,
    /// The same socket to A2:P1: mapping II.
    pub other_address: Outcome,
    /// The same socket to A2:P2: mapping III.
    pub alternate: Outcome,
    /// The same socket to A1:P2.
    pub other_port: Outcome,
    /// Filtering II: answer from A2:P2 asked for.
    pub from_alternate: Test,
    /// Filtering III: answer from A1:P2 asked for.
    pub from_other_port: Test,
    /// Hairpinning.
    pub hairpin: Hairpin,
    /// Whether anything at all came in on any socket.
    pub anything: bool,
    /// How many confirmations "dropped" takes.
    pub confirmations: u32,
}

/// What the gateway does.
pub fn judge(seen: &Observations) -> Measured {
    let mut measured = Measured::default();
    evidence(seen, &mut measured.evidence);
    if !seen.anything {
        match seen.primary.iter().find_map(|s| if let Outcome::NotSent(e) = &s.reply { Some(e) } else { None }) {
            Some(e) => measured.undecided.push(format!("udp: requests could not be sent: {e}")),
            None => measured.udp = Some(UdpPolicy::Blocked),
        }
        return measured;
    }
    measured.udp = Some(UdpPolicy::Allowed);

    let Some((local, mapped)) = first(seen, &mut measured) else { return measured };
    measured.translation = Some(if mapped == local { Translation::None } else { Translation::Napt });
    decide(&mut measured.mapping, &mut measured.undecided, "mapping", mapping(seen, mapped));
    decide(&mut measured.filtering, &mut measured.undecided, "filtering", filtering(seen));
    decide(&mut measured.ports_preserved, &mut measured.undecided, "ports", ports_preserved(seen));
    // Meaningful where one external endpoint stands for one inside endpoint (RFC 4787 §6).
    if measured.translation == Some(Translation::Napt) && measured.mapping == Some(Mapping::EndpointIndependent) {
        decide(&mut measured.hairpinning, &mut measured.undecided, "hairpinning", hairpinning(seen));
    }
    measured
}

fn decide<T>(axis: &mut Option<T>, undecided: &mut Vec<String>, name: &str, finding: Result<T, String>) {
    match finding {
        Ok(value) => *axis = Some(value),
        Err(reason) => undecided.push(format!("{name}: {reason}")),
    }
}

/// Mapping test I: the endpoint everything else is compared with.
fn first(seen: &Observations, measured: &mut Measured) -> Option<(SocketAddr, SocketAddr)> {
    let first = seen.primary.first()?;
    let mapped = match expect(&first.reply, seen.target.primary) {
        Ok(mapped) => mapped,
        Err(reason) => {
            measured.undecided.push(format!("everything: {reason}"));
            return None;
        }
    };
    // A server in a container or behind a NAT of its own sees the address of that; what it says is worthless.
    if mapped != first.local && is_public(seen.target.primary.ip()) && !is_public(mapped.ip()) {
        measured.undecided.push(format!(
            "everything: {} says it sees the private address {mapped}, so it stands behind a NAT itself",
            seen.target.primary
        ));
        return None;
    }
    Some((first.local, mapped))
}

/// The reflexive endpoint of a reply, or why there is none.
fn expect(reply: &Outcome, asked: SocketAddr) -> Result<SocketAddr, String> {
    match reply {
        Outcome::Answered(success) => {
            success.mapped().ok_or_else(|| format!("the answer of {asked} names no endpoint"))
        }
        Outcome::WrongSource(from) => Err(format!("{asked} was asked and {from} answered")),
        Outcome::Refused { code, .. } => Err(format!("{asked} refused a plain request with {code}")),
        Outcome::Silent => Err(format!("{asked} does not answer")),
        Outcome::NotSent(e) => Err(format!("a request to {asked} could not be sent: {e}")),
    }
}

/// RFC 5780 §4.3.
fn mapping(seen: &Observations, x1: SocketAddr) -> Result<Mapping, String> {
    let x2 = expect(&seen.other_address, seen.target.other_address())?;
    let x3 = expect(&seen.alternate, seen.target.alternate)?;
    axes::mapping(x1, x2, x3, seen.other_port.mapped())
}

/// RFC 5780 §4.4, with the proof that what did not come could have come.
fn filtering(seen: &Observations) -> Result<Filtering, String> {
    let second = passed(&seen.from_alternate, seen.target.alternate, &seen.alternate, seen.confirmations);
    let third = passed(&seen.from_other_port, seen.target.other_port(), &seen.other_port, seen.confirmations);
    axes::filtering(second, third).map(|(filtering, _)| filtering).map_err(|(_, why)| why)
}

/// Whether an answer from `from` passed the filter; `control` is how a plain request to the same place fared.
fn passed(test: &Test, from: SocketAddr, control: &Outcome, needed: u32) -> Passage {
    let unknown = |why: String| Passage::Unknown(Status::Inconclusive, why);
    match (&test.outcome, test.confirmations) {
        (Outcome::Answered(_), _) => Passage::Passed,
        (Outcome::WrongSource(other), _) => {
            unknown(format!("an answer from {from} was asked for and came from {other}"))
        }
        (Outcome::Refused { code, .. }, _) => unknown(format!("the server refused to answer from {from} with {code}")),
        (Outcome::NotSent(e), _) => unknown(format!("a request for an answer from {from} could not be sent: {e}")),
        (Outcome::Silent, 0) => unknown(format!("nothing came while an answer from {from} was awaited")),
        (Outcome::Silent, n) if n < needed => {
            unknown(format!("no answer from {from}, but too much was lost: {n} of {needed} confirmations"))
        }
        (Outcome::Silent, _) => match expect(control, from) {
            // Decided by order on a link of the lab's own, not by loss.
            Ok(_) => Passage::Blocked { chance: 0.0 },
            Err(reason) => unknown(format!("no answer from {from}, but that proves nothing: {reason}")),
        },
    }
}

/// RFC 4787 §4.2.1, over every socket whose endpoint is known.
fn ports_preserved(seen: &Observations) -> Result<bool, String> {
    let kept = |s: &Seen| Some(s.reply.mapped()?.port() == s.local.port());
    let known: Vec<bool> = seen.primary.iter().filter_map(kept).collect();
    match known[..] {
        [] => Err("no socket's external port is known".to_owned()),
        _ => Ok(known.iter().all(|kept| *kept)),
    }
}

/// RFC 4787 §6, REQ-9.
fn hairpinning(seen: &Observations) -> Result<Hairpinning, String> {
    match &seen.hairpin {
        Hairpin::NotTried => Err("it was not tried".to_owned()),
        Hairpin::Unknown(reason) => Err(reason.clone()),
        Hairpin::Arrived { source, external, internal } => {
            axes::hairpinning(*source, *external, *internal).map_err(|(_, why)| why)
        }
        Hairpin::Dropped { confirmations } if *confirmations < seen.confirmations => {
            Err(format!("none arrived, but too much was lost: {confirmations} of {} confirmations", seen.confirmations))
        }
        Hairpin::Dropped { .. } => Ok(Hairpinning::None),
    }
}

/// What was seen, in sentences.
fn evidence(seen: &Observations, lines: &mut Vec<String>) {
    let target = &seen.target;
    for socket in &seen.primary {
        lines.push(format!("{} to {}: {}", socket.local, target.primary, said(&socket.reply)));
    }
    if let Some(first) = seen.primary.first() {
        let others = [
            (target.other_address(), &seen.other_address),
            (target.alternate, &seen.alternate),
            (target.other_port(), &seen.other_port),
        ];
        for (to, reply) in others {
            lines.push(format!("{} to {to}: {}", first.local, said(reply)));
        }
    }
    for (from, test) in [(target.alternate, &seen.from_alternate), (target.other_port(), &seen.from_other_port)] {
        let told = match (&test.outcome, test.confirmations) {
            (Outcome::Answered(_), _) => "arrived".to_owned(),
            (Outcome::WrongSource(other), _) => format!("came from {other} instead"),
            (Outcome::Refused { code, .. }, _) => format!("refused with {code}"),
            (Outcome::Silent, 0) => "did not arrive, nor did anything else".to_owned(),
            (Outcome::Silent, n) => format!("did not arrive, while {n} answers over the open path did"),
            (Outcome::NotSent(e), _) => format!("could not be asked for: {e}"),
        };
        lines.push(format!("answer of {} from {from}: {told}", target.primary));
    }
    match &seen.hairpin {
        Hairpin::NotTried => {}
        Hairpin::Arrived { source, external, internal } => {
            lines.push(format!("hairpin: packet of {internal} (external {external}) arrived from {source}"));
        }
        Hairpin::Dropped { confirmations } => {
            lines.push(format!("hairpin: no packet arrived, while {confirmations} answers over the open path did"))
        }
        Hairpin::Unknown(reason) => lines.push(format!("hairpin: {reason}")),
    }
}

fn said(reply: &Outcome) -> String {
    match reply {
        Outcome::Answered(success) => match success.mapped() {
            Some(mapped) => format!("seen as {mapped}"),
            None => "answered without an endpoint".to_owned(),
        },
        Outcome::WrongSource(from) => format!("answered by {from}"),
        Outcome::Refused { code, .. } => format!("refused with {code}"),
        Outcome::Silent => "no answer".to_owned(),
        Outcome::NotSent(e) => format!("not sent: {e}"),
    }
}

#[cfg(test)]
mod tests;
