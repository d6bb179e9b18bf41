//! Declared against measured, axis by axis.

use std::fmt;

use super::found::inside::REACHES_THE_FILTER;
use super::found::{self, Found, Is, Sides, Why};
use super::model::model;
use super::observations::{Forwarded, Observations};
use super::scale::duration;
use super::{Axis, AxisVerdict, Subject};
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Pooling, PortAssignment, Refresh, Semantics, SimultaneousOpen,
    Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use crate::net::Transport;

/// A kebab-case word, as scenarios spell it.
macro_rules! words {
    ($name:ident, $type:ty, $($value:pat => $word:literal),+ $(,)?) => {
        fn $name(value: &$type) -> String {
            match value { $($value => $word),+ }.to_owned()
        }
    };
}

words!(udp_word, UdpPolicy, UdpPolicy::Allowed => "passes", UdpPolicy::Blocked => "blocked");
words!(translation_word, Translation,
    Translation::Napt => "napt", Translation::OneToOne => "one-to-one", Translation::None => "none");
words!(semantics_word, Semantics, Semantics::Strict => "strict", Semantics::ReplyAffine => "reply-affine");
words!(pooling_word, Pooling, Pooling::Paired => "paired", Pooling::Arbitrary => "arbitrary");
words!(hairpin_word, Hairpinning, Hairpinning::None => "none",
    Hairpinning::ExternalSource => "external-source", Hairpinning::InternalSource => "internal-source");
words!(refresh_word, Refresh,
    Refresh::Outbound => "outbound", Refresh::Inbound => "inbound", Refresh::Both => "both");
words!(unsolicited_word, Unsolicited, Unsolicited::Dropped => "dropped", Unsolicited::Icmp => "icmp");
words!(errors_word, IcmpErrors, IcmpErrors::Translated => "translated", IcmpErrors::Dropped => "dropped");
words!(syn_word, UnsolicitedSyn, UnsolicitedSyn::Dropped => "dropped", UnsolicitedSyn::Reset => "reset",
    UnsolicitedSyn::Icmp => "icmp");
words!(open_word, SimultaneousOpen,
    SimultaneousOpen::Supported => "supported", SimultaneousOpen::Refused => "refused");
words!(determinism_word, bool, true => "stays the same", false => "depends on others");

fn short(value: &impl fmt::Display) -> String {
    value.to_string().to_lowercase()
}

/// A row; `same` says whether what was found is what was declared.
fn row<T>(
    axis: &'static str,
    declared: String,
    found: &Is<T>,
    same: impl Fn(&T) -> bool,
    word: impl Fn(&T) -> String,
    how: &str,
) -> Axis {
    let (measured, verdict, how) = match found {
        Ok(value) if same(value) => (Some(word(value)), AxisVerdict::AsDeclared, how.to_owned()),
        Ok(value) => (Some(word(value)), AxisVerdict::Different, how.to_owned()),
        Err(Why::Irregular(what)) => (Some(what.clone()), AxisVerdict::Different, how.to_owned()),
        Err(Why::Undecided(why)) => (None, AxisVerdict::Undecided, why.clone()),
        Err(Why::NoMeaning(why)) => (None, AxisVerdict::NotApplicable, why.clone()),
    };
    Axis { axis, gateway: None, declared, measured, verdict, how }
}

/// A row whose declared value is of the same kind.
fn plain<T: PartialEq>(
    axis: &'static str,
    declared: &T,
    found: &Is<T>,
    word: impl Fn(&T) -> String,
    how: &str,
) -> Axis {
    row(axis, word(declared), found, |f| f == declared, word, how)
}

/// Every axis of a subject.
pub fn axes(subject: &Subject, found: &Found, o: &Observations) -> Vec<Axis> {
    let b = subject.declared();
    let tcp = b.tcp();
    let mut all = vec![
        plain("udp", &b.udp, &found.udp, udp_word, "a packet to a server, and its answer"),
        plain("translation", &b.translation, &found.translation, translation_word, "both hosts, from one port each"),
    ];
    if b.udp == UdpPolicy::Allowed || found.udp != Ok(UdpPolicy::Blocked) {
        all.push(plain("mapping", &b.mapping, &found.mapping, short, "one socket to 1:p, 1:q, 2:p and 3:q"));
        let how = "1:p, 1:q, 2:p and 3:q send to a socket that has sent to 1:p";
        all.push(plain("filtering", &b.filtering, &found.filtering, short, how));
        let how = "where the answer to a session from outside leaves";
        all.push(plain("semantics", &b.semantics, &found.semantics, semantics_word, how));
    }
    let conflict = "mapping and filtering again, for the same port of the other host";
    let derived = Derived::of(subject);
    match &derived {
        None => {
            all.extend(assignment(&b, Sides::from(o), &found.udp));
            let stays = Ok(b.ports != PortAssignment::Overloading);
            all.push(given("under conflict", &stays, &found.deterministic, determinism_word, conflict));
        }
        Some(d) => {
            let how = "12 ports of each host, in turn; declared is what follows from all gateways";
            all.push(given("ports", &d.ports, &found.ports, found::Assignment::to_string, how));
            all.push(given("under conflict", &d.stays, &found.deterministic, determinism_word, conflict));
        }
    }
    if b.udp == UdpPolicy::Allowed {
        let how = "one host to the other through external endpoints, before and after both have sent";
        all.push(hairpin("hairpinning", b.hairpinning, &found.hairpinning, how));
        all.push(timed("lifetime", subject.lifetime_ms().unwrap_or(b.lifetime_ms), &found.lifetime));
        let how = "one packet either way at 60 % of the lifetime, probed at 125 %";
        all.push(plain("refresh", &b.refresh, &found.refresh, refresh_word, how));
        let how = "to a port that nobody has, and past the filter";
        all.push(plain("unsolicited", &b.unsolicited, &found.unsolicited, unsolicited_word, how));
    }
    let how = "8 errors from outside about UDP and TCP, one from inside";
    all.push(plain("icmp-errors", &b.icmp_errors, &found.icmp_errors, errors_word, how));
    let how = "one port connects to 1:80, 1:81, 2:80 and 3:81";
    all.push(plain("tcp mapping", &tcp.mapping, &found.tcp_mapping, short, how));
    let how = "1, 2 and 3 connect to a listener that has connected to 1:80";
    all.push(plain("tcp filtering", &tcp.filtering, &found.tcp_filtering, short, how));
    let stays = derived.map_or(Ok(b.ports != PortAssignment::Overloading), |d| d.tcp_stays);
    let how = "the same again, for the same port of the other host";
    all.push(given("tcp under conflict", &stays, &found.tcp_deterministic, determinism_word, how));
    let how = "a SYN to a port that nobody has, and past the filter";
    all.push(plain("tcp unsolicited", &tcp.unsolicited, &found.syn, syn_word, how));
    let how = "a SYN comes in while the host awaits the answer to its own";
    let open = &found.simultaneous_open;
    all.push(plain("tcp simultaneous-open", &tcp.simultaneous_open, open, open_word, how));
    let how = "SYNs from one host to the other through external endpoints";
    all.push(hairpin("tcp hairpinning", b.hairpinning, &found.tcp_hairpinning, how));
    // A timer that is the same whatever is declared cannot be made short.
    let timed_tcp = match &o.tcp_timer {
        Some(_) => found.tcp_lifetime.clone(),
        None => {
            Err(Why::NoMeaning("not looked at: the rules have no timer of connections that could be made short".into()))
        }
    };
    all.push(timed("tcp lifetime", subject.tcp_lifetime_ms().unwrap_or(tcp.lifetime_ms), &timed_tcp));
    all.extend(forwards(subject, o));
    all.extend(parts(subject, found, o));
    all.extend(dropped(&b, found, o));
    all.push(astray(o));
    all
}

/// What reaches a filter is hairpinned, even if nobody can see from which source.
fn hairpin(axis: &'static str, declared: Hairpinning, found: &Is<Hairpinning>, how: &str) -> Axis {
    let known = match found {
        Err(Why::NoMeaning(why)) if declared == Hairpinning::None && why == REACHES_THE_FILTER => {
            Err(Why::Irregular("they reach the filter".into()))
        }
        found => found.clone(),
    };
    plain(axis, &declared, &known, hairpin_word, how)
}

/// What follows for a chain from all of its gateways.
struct Derived {
    ports: Is<found::Assignment>,
    stays: Is<bool>,
    tcp_stays: Is<bool>,
}

impl Derived {
    /// Of a chain.
    fn of(subject: &Subject) -> Option<Derived> {
        if !subject.is_chain() {
            return None;
        }
        let any = |is: &dyn Fn(&Behavior) -> bool| subject.gateways.iter().any(|g| is(&g.behavior));
        if any(&|b| b.ports == PortAssignment::Overloading) && any(&|b| b.addresses > 1) {
            let open = || Why::NoMeaning("the pool decides which hosts meet in one address".into());
            return Some(Derived { ports: Err(open()), stays: Err(open()), tcp_stays: Err(open()) });
        }
        let m = model(subject);
        Some(Derived { ports: m.ports, stays: m.deterministic, tcp_stays: m.tcp_deterministic })
    }
}

/// A row whose declared value is given, unless there is a reason why not.
fn given<T: PartialEq>(
    axis: &'static str,
    declared: &Is<T>,
    found: &Is<T>,
    word: impl Fn(&T) -> String,
    how: &str,
) -> Axis {
    match declared {
        Ok(declared) => plain(axis, declared, found, word, how),
        Err(Why::NoMeaning(why) | Why::Irregular(why) | Why::Undecided(why)) => {
            let nothing: Is<T> = Err(Why::NoMeaning(why.clone()));
            row(axis, "-".into(), &nothing, |_| true, word, how)
        }
    }
}

fn unless_blocked<T>(udp: &Is<UdpPolicy>, found: Is<T>) -> Is<T> {
    if *udp == Ok(UdpPolicy::Blocked) { Err(Why::NoMeaning("UDP is blocked".into())) } else { found }
}

/// Random ports from the whole range lie further apart than this, so many of them that chance has no part in it.
const SCATTERED: (usize, u32) = (20, 512);

/// Whether each inside address has a block of ports of its own.
fn block(b: &Behavior, sides: Sides<'_>, udp: &Is<UdpPolicy>) -> Option<Axis> {
    let spread = sides.spread();
    let how = "one host sends from more ports than a block has";
    if let Some(block) = b.port_block {
        let found = match (unless_blocked(udp, sides.block()), spread) {
            (Err(Why::NoMeaning(_)), Some((_, apart))) if apart > u32::from(block) => {
                Err(Why::Irregular(format!("{apart} ports from the lowest to the highest")))
            }
            (found, _) => found,
        };
        return Some(plain("port-block", &u32::from(block), &found, u32::to_string, how));
    }
    let (many, far) = SCATTERED;
    let scatters = b.ports == PortAssignment::Random && b.port_range.len() > 4 * far as usize;
    let near = spread.filter(|(ports, apart)| scatters && *ports >= many && *apart <= far);
    let found = match (sides.all_made(), near) {
        (_, Some((ports, apart))) => Err(Why::Irregular(format!("{ports} random ports lie within {apart}"))),
        (Some(false), None) => Err(Why::Irregular("some mappings are not made".into())),
        (Some(true), None) => Ok(()),
        (None, None) => return None,
    };
    Some(row("port-block", "none".into(), &unless_blocked(udp, found), |()| true, |()| "none".into(), how))
}

/// Which endpoints mappings get, of one gateway.
fn assignment(b: &Behavior, sides: Sides<'_>, udp: &Is<UdpPolicy>) -> Vec<Axis> {
    let step = (b.ports == PortAssignment::Sequential).then_some(i32::from(b.port_step));
    let declared = found::Assignment { how: b.ports, step };
    let overloading = b.ports == PortAssignment::Overloading;
    // Behind another NAT nobody else may have the port, and then nothing can be shared.
    let lonely = overloading && !sides.contested();
    let how = if lonely {
        "no two of these packets had one port and different addresses"
    } else {
        "12 ports of each host, in turn"
    };
    let same = |f: &found::Assignment| *f == declared || lonely && f.how == PortAssignment::Preserving;
    let mut all = vec![
        row(
            "ports",
            declared.to_string(),
            &unless_blocked(udp, sides.assignment()),
            same,
            found::Assignment::to_string,
            how,
        ),
        row(
            "port-range",
            b.port_range.to_string(),
            // What overloading falls back to on a clash is the kernel's choice.
            &match overloading {
                true => Err(Why::NoMeaning("only on a clash, any port".into())),
                false => unless_blocked(udp, sides.range()),
            },
            |(low, high)| b.port_range.contains(*low) && b.port_range.contains(*high),
            |(low, high)| format!("{low}-{high}"),
            "lowest and highest port that was not the inside one",
        ),
    ];
    all.extend(block(b, sides, udp));
    if b.translation == Translation::Napt && (b.addresses > 1 || sides.addresses() > 1) {
        let how = "addresses of 24 mappings of each host";
        let declared = if b.addresses > 1 { pooling_word(&b.pooling) } else { "one address".to_owned() };
        let same = |f: &Pooling| b.addresses > 1 && *f == b.pooling;
        let found = if sides.addresses() > 1 { sides.pooling() } else { Err(Why::Irregular("one address".into())) };
        all.push(row("pooling", declared, &unless_blocked(udp, found), same, pooling_word, how));
    }
    all
}

/// Of a chain: each gateway by itself, where that can be seen between its two sides.
fn parts(subject: &Subject, found: &Found, o: &Observations) -> Vec<Axis> {
    let gateways: &[_] = if subject.is_chain() { &subject.gateways } else { &[] };
    let mut all = Vec::new();
    if gateways.len() != o.parts.len() {
        let count = |n: &usize| format!("{}", n.max(&1));
        all.push(plain("gateways", &gateways.len(), &Ok(o.parts.len()), count, "each was looked at"));
    }
    for (g, part) in gateways.iter().zip(&o.parts) {
        let mut own = Vec::new();
        if g.behavior.translation.translates() {
            own.extend(assignment(&g.behavior, Sides::from(part), &found.udp));
        }
        let declared = g.forwards.iter().map(|f| forward_word(f.protocol, f.port)).collect();
        own.extend(led_inside(declared, &part.forwards, |_| true, "a stranger directly in front comes to the port"));
        all.extend(own.into_iter().map(|axis| Axis { gateway: Some(g.name.clone()), ..axis }));
    }
    all
}

fn timed(axis: &'static str, declared_ms: u64, found: &Is<found::Lived>) -> Axis {
    let how = "mappings are probed before and after their time";
    let word = |l: &found::Lived| format!("{}: {}", l.timer.describe(), l.describe());
    row(axis, duration(declared_ms), found, |l| l.timer.configured_ms == declared_ms, word, how)
}

fn forward_word(protocol: Transport, port: u16) -> String {
    format!("{protocol} {port}")
}

fn forwards(subject: &Subject, o: &Observations) -> Option<Axis> {
    let reached = subject.inward().into_iter().filter(|way| way.to.is_some());
    let declared: Vec<String> = reached.map(|way| forward_word(way.protocol, way.port)).collect();
    let leaves = |f: &Forwarded| f.tcp || f.outbound.is_some_and(|s| s.port() == f.port && o.external.contains(s.ip()));
    let how = "a stranger comes to the port; the inside endpoint sends elsewhere";
    led_inside(declared, &o.forwards, leaves, how)
}

/// Forwards that work; no row where there are none.
fn led_inside(
    declared: Vec<String>,
    seen: &Option<Vec<Forwarded>>,
    right: impl Fn(&Forwarded) -> bool,
    how: &str,
) -> Option<Axis> {
    if declared.is_empty() && seen.as_ref().is_none_or(Vec::is_empty) {
        return None;
    }
    let name = |f: &Forwarded| {
        let name = forward_word(if f.tcp { Transport::Tcp } else { Transport::Udp }, f.port);
        if right(f) { name } else { format!("{name} inwards only") }
    };
    let works = |all: &Vec<Forwarded>| all.iter().filter(|f| f.inbound == Some(f.stranger)).map(name).collect();
    let found: Is<Vec<String>> = found::seen(seen).map(works);
    let words = |all: &[String]| if all.is_empty() { "none".to_owned() } else { all.join(", ") };
    Some(row("forward", words(&declared), &found, |f| *f == declared, |f| words(f), how))
}

/// A packet that did not arrive must have been dropped somewhere; where senders are answered, their answers tell.
fn dropped(b: &Behavior, found: &Found, o: &Observations) -> Option<Axis> {
    let filtered = found.filtering.as_ref().is_ok_and(|f| *f != Filtering::EndpointIndependent)
        && found.unsolicited == Ok(Unsolicited::Dropped);
    let missing = filtered || found.udp == Ok(UdpPolicy::Blocked);
    let packets: u64 = o.drops.values().sum();
    let word = |n: &u64| if *n == 0 { "by nobody".to_owned() } else { format!("{n} packets") };
    let how = "counters of the rules: what did not arrive, they dropped";
    let known = b.udp == UdpPolicy::Blocked || missing;
    known.then(|| row("dropped by rules", "what is missing".into(), &Ok(packets), |n| *n > 0 || !missing, word, how))
}

/// Packets that came where nobody had sent them.
fn astray(o: &Observations) -> Axis {
    let found = Ok(o.strays.len());
    let word = |n: &usize| if *n == 0 { "none".to_owned() } else { format!("{n} packets") };
    row(
        "packets gone astray",
        "none".into(),
        &found,
        |n| *n == 0,
        word,
        "every packet has a number, every socket is watched",
    )
}
