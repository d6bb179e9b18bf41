//! What the observations say about each axis, whatever was declared. Nothing is guessed: an axis is found, or there is a
//! reason why not.

pub mod inside;
mod ports;
mod time;

pub use ports::{Assignment, Sides};
pub use time::{Lived, prolonged};

use std::net::SocketAddrV4;

use super::observations::{Answer, Behaved, Condition, Filtered, Mapped, Observations};
use crate::nat::{
    Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, Refresh, Semantics, SimultaneousOpen, Translation, UdpPolicy,
    Unsolicited, UnsolicitedSyn,
};

/// Why an axis has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was not found out.
    Undecided(String),
    /// It has no meaning here, or no packet could tell.
    NoMeaning(String),
    /// Something was found that is no value of the axis.
    Irregular(String),
}

/// A value, or why there is none.
pub type Is<T> = Result<T, Why>;

pub(super) fn undecided<T>(why: impl Into<String>) -> Is<T> {
    Err(Why::Undecided(why.into()))
}

pub(super) fn no_meaning<T>(why: impl Into<String>) -> Is<T> {
    Err(Why::NoMeaning(why.into()))
}

pub(super) fn irregular<T>(why: impl Into<String>) -> Is<T> {
    Err(Why::Irregular(why.into()))
}

pub(super) fn seen<T>(what: &Option<T>) -> Is<&T> {
    what.as_ref().ok_or_else(|| Why::Undecided("it was not looked at".into()))
}

/// Every axis.
#[derive(Clone, Debug)]
pub struct Found {
    /// Whether UDP passes.
    pub udp: Is<UdpPolicy>,
    /// Whether, and whether each host has an address of its own.
    pub translation: Is<Translation>,
    /// Of UDP.
    pub mapping: Is<Mapping>,
    /// Of UDP.
    pub filtering: Is<Filtering>,
    /// Of UDP.
    pub semantics: Is<Semantics>,
    /// Whether mapping and filtering stay the same under a conflict of ports, and when repeated.
    pub deterministic: Is<bool>,
    /// Of UDP.
    pub ports: Is<Assignment>,
    /// Which of several addresses.
    pub pooling: Is<Pooling>,
    /// Of UDP.
    pub hairpinning: Is<Hairpinning>,
    /// Of UDP.
    pub lifetime: Is<Lived>,
    /// Of UDP.
    pub refresh: Is<Refresh>,
    /// Of UDP.
    pub unsolicited: Is<Unsolicited>,
    /// About UDP, and TCP.
    pub icmp_errors: Is<IcmpErrors>,
    /// Of TCP.
    pub tcp_mapping: Is<Mapping>,
    /// Of TCP.
    pub tcp_filtering: Is<Filtering>,
    /// Whether mapping and filtering of TCP stay the same under a conflict of ports.
    pub tcp_deterministic: Is<bool>,
    /// Of TCP.
    pub tcp_hairpinning: Is<Hairpinning>,
    /// What SYNs get that nobody asked for.
    pub syn: Is<UnsolicitedSyn>,
    /// Of TCP.
    pub simultaneous_open: Is<SimultaneousOpen>,
    /// Of idle connections.
    pub tcp_lifetime: Is<Lived>,
    /// Of ICMP queries.
    pub query_lifetime: Is<Lived>,
}

impl Found {
    /// What the observations say.
    pub fn of(o: &Observations) -> Found {
        let udp = udp(o);
        let blocked = udp == Ok(UdpPolicy::Blocked);
        let of_udp = if blocked { no_meaning("UDP is blocked") } else { seen(&o.udp) };
        let mapping = of_udp.clone().and_then(|b| mapping(first(&b.mapping, |m| m.under)?));
        let filtering = of_udp.clone().and_then(|b| filtering(first(&b.filtering, |f| f.under)?));
        let tcp_mapping = seen(&o.tcp).and_then(mapping_of);
        let tcp_filtering = seen(&o.tcp).and_then(filtering_of);
        let unless_blocked = |is| if blocked { no_meaning("UDP is blocked") } else { is };
        Found {
            translation: translation(o),
            semantics: of_udp.clone().and_then(|b| semantics(b, &mapping)),
            deterministic: of_udp.and_then(deterministic),
            ports: if blocked { no_meaning("UDP is blocked") } else { Sides::from(o).assignment() },
            pooling: if blocked { no_meaning("UDP is blocked") } else { Sides::from(o).pooling() },
            hairpinning: unless_blocked(inside::hairpinning(&o.hairpin, o)),
            lifetime: if blocked { no_meaning("UDP is blocked") } else { time::lifetime(o) },
            refresh: if blocked { no_meaning("UDP is blocked") } else { time::refresh(o) },
            unsolicited: if blocked { no_meaning("UDP is blocked") } else { unsolicited(o) },
            icmp_errors: inside::icmp_errors(o),
            tcp_deterministic: seen(&o.tcp).and_then(deterministic),
            tcp_hairpinning: inside::hairpinning(&o.tcp_hairpin, o),
            syn: syn(o),
            simultaneous_open: simultaneous_open(o),
            tcp_lifetime: time::of(&o.tcp_timer),
            query_lifetime: time::of(&o.query_timer),
            udp,
            mapping,
            filtering,
            tcp_mapping,
            tcp_filtering,
        }
    }
}

fn udp(o: &Observations) -> Is<UdpPolicy> {
    let passes = seen(&o.passes)?;
    match (passes.outbound, passes.answer) {
        (true, true) => Ok(UdpPolicy::Allowed),
        (false, false) => Ok(UdpPolicy::Blocked),
        (true, false) => irregular("packets leave, and the answers to them do not come in"),
        (false, true) => irregular("packets come in, and none leaves"),
    }
}

fn first<T>(all: &[T], under: impl Fn(&T) -> Condition) -> Is<&T> {
    let plain = all.iter().find(|x| under(x) == Condition::Plain);
    plain.ok_or_else(|| Why::Undecided("it was not looked at".into()))
}

fn mapping_of(b: &Behaved) -> Is<Mapping> {
    mapping(first(&b.mapping, |m| m.under)?)
}

fn filtering_of(b: &Behaved) -> Is<Filtering> {
    filtering(first(&b.filtering, |f| f.under)?)
}

/// RFC 5780 §4.3, with a third server.
fn mapping(m: &Mapped) -> Is<Mapping> {
    let [Some(a), Some(b), Some(c), Some(d)] = m.seen else {
        return undecided(format!("not every packet of {} arrived", m.inside));
    };
    match (a == b, a == c || a == d || c == d) {
        (true, true) if a == c && a == d => Ok(Mapping::EndpointIndependent),
        (true, false) => Ok(Mapping::AddressDependent),
        (false, false) if b != c && b != d => Ok(Mapping::AddressAndPortDependent),
        _ => irregular(format!("{} has {a}, {b}, {c} and {d} towards 1:p, 1:q, 2:p and 3:q", m.inside)),
    }
}

/// RFC 5780 §4.4, with a third server.
fn filtering(f: &Filtered) -> Is<Filtering> {
    if f.external.is_none() {
        return undecided(format!("no packet of {} arrived", f.inside));
    }
    match f.passed {
        [true, true, true, true] => Ok(Filtering::EndpointIndependent),
        [true, true, false, false] => Ok(Filtering::AddressDependent),
        [true, false, false, false] => Ok(Filtering::AddressAndPortDependent),
        [one, two, three, four] => {
            let word = |passed: bool| if passed { "in" } else { "out" };
            let all = [one, two, three, four].map(word).join(", ");
            irregular(format!("1:p, 1:q, 2:p and 3:q: {all}"))
        }
    }
}

/// An answer to a session from outside leaves through the mapping that it would have had anyway, or through the one that the
/// session came in by.
fn semantics(b: &Behaved, mapping: &Is<Mapping>) -> Is<Semantics> {
    let f = first(&b.filtering, |f| f.under)?;
    if *mapping == Ok(Mapping::EndpointIndependent) {
        return no_meaning("there is one external endpoint only");
    }
    // Under address-dependent mapping, 1:q shares the mapping of 1:p.
    let skip = if *mapping == Ok(Mapping::AddressDependent) { 2 } else { 1 };
    let replies: Vec<_> = f.replies.iter().skip(skip).flatten().collect();
    let Some(external) = f.external else { return undecided("no packet arrived") };
    match (replies.iter().any(|r| **r == external), replies.iter().any(|r| **r != external)) {
        (false, false) => no_meaning("no session from outside passes the filter"),
        (false, true) => Ok(Semantics::Strict),
        (true, false) => Ok(Semantics::ReplyAffine),
        (true, true) => irregular("some answers follow the session, others the mapping"),
    }
}

/// The class of each inside endpoint is the same, and a repeat shows the same endpoints (RFC 4787 REQ-11).
fn deterministic(b: &Behaved) -> Is<bool> {
    let plain = mapping_of(b)?;
    let filter = filtering_of(b)?;
    for m in &b.mapping {
        match mapping(m) {
            Ok(class) if class == plain => {}
            Ok(_) | Err(Why::Irregular(_)) => return Ok(false),
            Err(why) => return Err(why),
        }
    }
    let repeated = b.mapping.iter().filter(|m| m.under == Condition::Again);
    for again in repeated {
        let before = b.mapping.iter().find(|m| m.inside == again.inside && m.under == Condition::Plain);
        if before.is_some_and(|before| before.seen != again.seen) {
            return Ok(false);
        }
    }
    for f in &b.filtering {
        match filtering(f) {
            Ok(class) if class == filter => {}
            Ok(_) | Err(Why::Irregular(_)) => return Ok(false),
            Err(why) => return Err(why),
        }
    }
    Ok(true)
}

/// Of UDP, or of TCP where that is all there is.
fn translation(o: &Observations) -> Is<Translation> {
    let behaved = o.udp.as_ref().or(o.tcp.as_ref());
    let Some(behaved) = behaved else { return undecided("nothing passed") };
    let mut ends = Vec::new();
    for (n, host) in o.hosts.iter().enumerate() {
        let of_host = behaved.mapping.iter().filter(|m| m.inside.ip() == host);
        let Some((m, external)) = of_host.filter_map(|m| Some((m, m.seen[0]?))).next() else {
            return undecided(format!("no packet of host {} arrived", n + 1));
        };
        ends.push((m.inside, external));
    }
    let [(inside_a, a), (inside_b, b)] = ends[..] else { return undecided("there are not two hosts") };
    match (a == inside_a, b == inside_b) {
        (true, true) => return Ok(Translation::None),
        (false, false) => {}
        _ => return irregular("one host is translated, the other is not"),
    }
    // A pool that keeps ports looks the same but for whose address it is.
    let own = |inside: SocketAddrV4, external: SocketAddrV4| {
        let mut pairs = o.pairs.iter();
        inside.port() == external.port() && pairs.any(|p| (p.inside, p.external) == (*inside.ip(), *external.ip()))
    };
    Ok(if own(inside_a, a) && own(inside_b, b) { Translation::OneToOne } else { Translation::Napt })
}

/// What packets got that nobody owns the destination of, and those that the filter kept out.
fn unsolicited(o: &Observations) -> Is<Unsolicited> {
    // A port of an address that is a host's own, or of a host itself, always has an owner, who may answer.
    let unowned = o.unsolicited.iter().filter(|_| translation(o) == Ok(Translation::Napt));
    let mut answers: Vec<Answer> = unowned.map(|u| u.unowned).collect();
    let behaved = seen(&o.udp)?;
    answers.extend(behaved.filtering.iter().flat_map(|f| f.answers.clone()));
    // What arrives at an open endpoint is not unsolicited.
    let answers: Vec<Answer> = answers.into_iter().filter(|a| *a != Answer::Arrived).collect();
    match &answers[..] {
        [] => no_meaning("nobody is kept out"),
        all if all.iter().all(|a| *a == Answer::Silence) => Ok(Unsolicited::Dropped),
        all if all.iter().all(|a| *a == Answer::Icmp(3, 3)) => Ok(Unsolicited::Icmp),
        all => irregular(format!("answers: {}", words(all))),
    }
}

fn syn(o: &Observations) -> Is<UnsolicitedSyn> {
    let unowned = o.syn.iter().filter(|_| translation(o) == Ok(Translation::Napt));
    let mut answers: Vec<Answer> = unowned.map(|s| s.unowned).collect();
    answers.extend(seen(&o.tcp)?.filtering.iter().flat_map(|f| f.answers.clone()));
    match &answers[..] {
        [] => no_meaning("nobody is kept out"),
        all if all.iter().all(|a| *a == Answer::Silence) => Ok(UnsolicitedSyn::Dropped),
        all if all.iter().all(|a| *a == Answer::Reset) => Ok(UnsolicitedSyn::Reset),
        all if all.iter().all(|a| *a == Answer::Icmp(3, 3)) => Ok(UnsolicitedSyn::Icmp),
        all => irregular(format!("answers: {}", words(all))),
    }
}

/// In words, each once.
pub fn words(answers: &[Answer]) -> String {
    let word = |a: &Answer| match a {
        Answer::Silence => "silence".to_owned(),
        Answer::Icmp(kind, code) => format!("ICMP {kind}/{code}"),
        Answer::Reset => "a reset".to_owned(),
        Answer::Arrived => "it arrives".to_owned(),
    };
    let mut all: Vec<String> = Vec::new();
    for a in answers.iter().map(word) {
        if !all.contains(&a) {
            all.push(a);
        }
    }
    all.join(", ")
}

fn simultaneous_open(o: &Observations) -> Is<SimultaneousOpen> {
    match seen(&o.syn)?.crossing {
        Some(true) => Ok(SimultaneousOpen::Supported),
        Some(false) => Ok(SimultaneousOpen::Refused),
        None => undecided("the host's own SYN was not seen outside"),
    }
}
