//! STUN over one transport: answers, round trips, the mapped address, and the alternates of RFC 5780.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::Settings;
use super::finding::{Finding, Outcome, RoundTrips, Subject};
use crate::net::is_public;
use crate::probe::turn::{Binding, Cause, Client, Failure, Link, Over, elsewhere};

/// What is known after it.
pub(super) struct Answered {
    /// SOFTWARE, where it says so.
    pub software: Option<String>,
}

/// Asks as often as wanted. None when the server does not answer at all.
pub(super) async fn check(
    link: Link,
    required: bool,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Option<Answered> {
    let (over, server) = (link.over(), link.server());
    let mut client = Client::new(link, None, settings.pace);
    let (mut times, mut first, mut failure) = (Vec::new(), None::<Binding>, None);
    for _ in 0..settings.round_trips.max(1) {
        match client.binding().await {
            Ok(binding) => {
                times.push(binding.round_trip);
                first.get_or_insert(binding);
            }
            Err(e) => {
                // A loss costs one round trip; a server that has never answered will not answer now.
                let hopeless = first.is_none() || !matches!(e, Failure::Silent { .. });
                failure = Some(e);
                if hopeless {
                    break;
                }
            }
        }
    }
    let Some(binding) = first else {
        findings.push(silent(over, server, required, settings, failure?).await);
        return None;
    };
    let trips = RoundTrips::of(times, settings.round_trips.max(1));
    let words = trips.map(|t| {
        let times = format!("round trip {} / {} / {} ms (min/median/max)", t.min_ms, t.median_ms, t.max_ms);
        if t.answered < t.asked { format!("{times}, {} of {} answered", t.answered, t.asked) } else { times }
    });
    let outcome = match failure {
        Some(Failure::Silent { .. }) | None => Outcome::Ok,
        Some(_) => Outcome::Failed,
    };
    let mut finding = Finding::new(Subject::Stun, Some(over), outcome, words.unwrap_or_default());
    finding.round_trips = trips;
    if let Some(e) = failure.filter(|_| outcome == Outcome::Failed) {
        finding.detail = format!("answered {} times, then: {e}", trips.map_or(0, |t| t.answered));
        finding = finding.because(e.cause());
    }
    findings.push(finding);
    findings.push(mapped(over, server, binding.mapped));
    if over == Over::Udp {
        findings.push(alternates(server, binding.other, settings).await);
    }
    Some(Answered { software: binding.software })
}

async fn silent(over: Over, server: SocketAddr, required: bool, settings: &Settings, failure: Failure) -> Finding {
    if over == Over::Udp
        && matches!(failure, Failure::Silent { .. })
        && let Some(source) = elsewhere(server, settings.pace).await
    {
        let detail = format!("asked {server}, and {source} answered: a client ignores that");
        return Finding::failed(Subject::Stun, over, Cause::WrongSource, detail).at(source);
    }
    let finding = Finding::of(Subject::Stun, over, &failure);
    match (&failure, over) {
        _ if required || !failure.is_no_contact() => finding,
        // Refused is an answer: there is no such service. Silence over UDP is what a blocked network looks like.
        (Failure::Silent { .. }, Over::Udp) => {
            let hint = "the server serves no UDP, or UDP is blocked on the way: try from another network".to_owned();
            Finding { outcome: Outcome::Undecided, hint: Some(hint), ..finding }
        }
        _ => Finding { outcome: Outcome::NotApplicable, hint: None, ..finding },
    }
}

/// A server with a public address sees public addresses; one in a private network sees private ones.
fn mapped(over: Over, server: SocketAddr, mapped: SocketAddr) -> Finding {
    if mapped.ip().is_unspecified() || mapped.port() == 0 {
        let detail = format!("the server says we are {mapped}, which nobody is");
        return Finding::failed(Subject::Mapped, over, Cause::MalformedAnswer, detail).at(mapped);
    }
    if is_public(mapped.ip()) {
        return Finding::ok(Subject::Mapped, over, format!("this host is {mapped}")).at(mapped);
    }
    if is_public(server.ip()) {
        let detail = format!("the server is public and sees this host at {mapped}, which is not");
        let mut finding = Finding::failed(Subject::Mapped, over, Cause::NotPublic, detail).at(mapped);
        finding.hint = Some(
            "it sits behind a proxy or in a container that rewrites sources; give it the public address itself".into(),
        );
        return finding;
    }
    Finding::ok(Subject::Mapped, over, format!("this host is {mapped}, in the server's own private network")).at(mapped)
}

/// Every other place that OTHER-ADDRESS promises (RFC 5780 §6).
async fn alternates(server: SocketAddr, other: Option<SocketAddr>, settings: &Settings) -> Finding {
    let (check, over) = (Subject::Alternates, Over::Udp);
    let Some(other) = other else {
        return Finding::not_applicable(check, over, "no OTHER-ADDRESS: no NAT behaviour discovery (RFC 5780)");
    };
    let zero: IpAddr = if other.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    if other.ip() == zero || other.port() == 0 || other.ip() == server.ip() || other.port() == server.port() {
        let detail = format!("OTHER-ADDRESS {other} does not differ from {server} in address and port");
        return Finding::failed(check, over, Cause::DeadAlternate, detail).at(other);
    }
    let places = [SocketAddr::new(server.ip(), other.port()), SocketAddr::new(other.ip(), server.port()), other];
    let mut dead = Vec::new();
    for place in places {
        let answer = match Link::udp(place).await {
            Ok(link) => Client::new(link, None, settings.pace).binding().await.map(drop),
            Err(e) => Err(e),
        };
        if answer.is_err() {
            dead.push(place.to_string());
        }
    }
    if dead.is_empty() {
        return Finding::ok(check, over, format!("{other} and both between answer (RFC 5780)")).at(other);
    }
    let detail = format!("OTHER-ADDRESS is {other}, but no answer from {}", dead.join(", "));
    Finding::failed(check, over, Cause::DeadAlternate, detail).at(other)
}
