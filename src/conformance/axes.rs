//! Declared against measured, axis by axis.

use std::fmt;

use super::found::inside::REACHES_THE_FILTER;
use super::found::{self, Found, Is, Why};
use super::observations::Observations;
use super::scale::duration;
use super::{Axis, AxisVerdict, Subject};
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Pooling, PortAssignment, Refresh, Semantics, SimultaneousOpen,
    Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};

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
    Axis { axis, declared, measured, verdict, how }
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
    if !subject.is_chain() {
        all.extend(assignment(&b, found, o));
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
    if !subject.is_chain() {
        let how = "the same again, for the same port of the other host";
        let stays = b.ports != PortAssignment::Overloading;
        all.push(plain("tcp under conflict", &stays, &found.tcp_deterministic, determinism_word, how));
    }
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

/// Which endpoints mappings get: of a gateway by itself, since a chain's are a mixture.
fn assignment(b: &Behavior, found: &Found, o: &Observations) -> Vec<Axis> {
    let step = (b.ports == PortAssignment::Sequential).then_some(i32::from(b.port_step));
    let declared = found::Assignment { how: b.ports, step };
    let overloading = b.ports == PortAssignment::Overloading;
    let mut all = vec![
        plain("ports", &declared, &found.ports, found::Assignment::to_string, "12 ports of each host, in turn"),
        row(
            "port-range",
            b.port_range.to_string(),
            // What overloading falls back to on a clash is the kernel's choice.
            &if overloading { Err(Why::NoMeaning("only on a clash, any port".into())) } else { found.range.clone() },
            |(low, high)| b.port_range.contains(*low) && b.port_range.contains(*high),
            |(low, high)| format!("{low}-{high}"),
            "lowest and highest port that was not the inside one",
        ),
        plain(
            "under conflict",
            &!overloading,
            &found.deterministic,
            determinism_word,
            "mapping and filtering again, for the same port of the other host",
        ),
    ];
    if let Some(block) = b.port_block {
        let how = "one host sends from more ports than its block has";
        all.push(plain("port-block", &u32::from(block), &found::block(o), u32::to_string, how));
    }
    if b.addresses > 1 {
        let how = "addresses of 24 mappings of each host";
        all.push(plain("pooling", &b.pooling, &found.pooling, pooling_word, how));
    }
    all
}

fn timed(axis: &'static str, declared_ms: u64, found: &Is<found::Lived>) -> Axis {
    let how = "mappings are probed before and after their time";
    let word = |l: &found::Lived| format!("{}: {}", l.timer.describe(), l.describe());
    row(axis, duration(declared_ms), found, |l| l.timer.configured_ms == declared_ms, word, how)
}

fn forwards(subject: &Subject, o: &Observations) -> Option<Axis> {
    let [only] = &subject.gateways[..] else { return None };
    if only.forwards.is_empty() {
        return None;
    }
    let name = |tcp: bool, port: u16| format!("{} {port}", if tcp { "tcp" } else { "udp" });
    let declared: Vec<String> = only.forwards.iter().map(|f| format!("{} {}", f.protocol, f.port)).collect();
    let works = |f: &super::observations::Forwarded| {
        let out = f.tcp || f.outbound.is_some_and(|s| s.port() == f.port && o.external.contains(s.ip()));
        f.inbound == Some(f.stranger) && out
    };
    let found: Is<Vec<String>> =
        found::seen(&o.forwards).map(|all| all.iter().filter(|f| works(f)).map(|f| name(f.tcp, f.port)).collect());
    let how = "a stranger comes to the port; the inside endpoint sends elsewhere";
    Some(row("forward", declared.join(", "), &found, |f| *f == declared, |f| f.join(", "), how))
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
