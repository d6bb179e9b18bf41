//! RFC 5382.

use super::super::observations::Observations;
use super::{Asked, Judged, by, fact, fail, not_applicable, pass, requirement, undecided};
use crate::conformance::found::inside;
use crate::conformance::{Level, Requirement};
use crate::nat::{Filtering, Hairpinning, Mapping, SimultaneousOpen, UnsolicitedSyn};

use Level::{Must, Should};

/// REQ-5: 2 hours and 4 minutes.
const ESTABLISHED_MS: u64 = 7_440_000;

/// Requirements of address translation alone.
const OF_TRANSLATION: [&str; 3] = ["REQ-1", "REQ-7", "REQ-8"];

/// REQ-1 to REQ-10.
pub fn checklist(a: &Asked<'_>) -> Vec<Requirement> {
    let req = |number, level, asks, judged: Judged| {
        let judged = if a.untranslated() && OF_TRANSLATION.contains(&number) {
            not_applicable("nothing is translated")
        } else {
            judged
        };
        requirement(5382, number, level, asks, judged)
    };
    let (f, o) = (a.found, a.o);
    vec![
        req("REQ-1", Must, "endpoint-independent mapping", {
            let how = |m: &Mapping| format!("{m}: one port connects to 1:80, 1:81, 2:80 and 3:81");
            by(&f.tcp_mapping, |m| *m == Mapping::EndpointIndependent, how)
        }),
        req("REQ-2", Must, "all valid sequences, with simultaneous open", {
            let how = |s: &SimultaneousOpen| match s {
                SimultaneousOpen::Supported => {
                    "a SYN in while the own one is unanswered: its SYN-ACK came out".to_owned()
                }
                SimultaneousOpen::Refused => "a SYN in while the own one is unanswered: no SYN-ACK came out".to_owned(),
            };
            by(&f.simultaneous_open, |s| *s == SimultaneousOpen::Supported, how)
        }),
        req("REQ-3", Should, "filtering is endpoint-independent or address-dependent", {
            let how = |f: &Filtering| format!("{f}: 1, 2 and 3 connect to a listener that connected to 1:80");
            by(&f.tcp_filtering, |f| *f != Filtering::AddressAndPortDependent, how)
        }),
        req("REQ-4", Must, "no answer to unsolicited SYNs for 6 s", unsolicited(a)),
        req("REQ-4a", Should, "later, port unreachable", later(a)),
        req("REQ-5", Must, "idle connections live 2 h 4 min or more", {
            let how = |l: &super::super::found::Lived| format!("{}: {}", l.timer.describe(), l.describe());
            match o.tcp_timer {
                Some(_) => by(&f.tcp_lifetime, |l| l.timer.configured_ms >= ESTABLISHED_MS, how),
                None => undecided("it was not looked at"),
            }
        }),
        req("REQ-6", Should, "no application gateways but for FTP", {
            let told = o.payload.and_then(|p| p.tcp);
            fact(told, "FTP's PORT on 21 arrived as it was sent", "FTP's PORT on 21 was changed on the way")
        }),
        req("REQ-7", Must, "no port overloading", overloading(o)),
        req("REQ-8", Must, "hairpinning from the external source", {
            let how = |h: &Hairpinning| match h {
                Hairpinning::None => "connections from one host to the other do not arrive".to_owned(),
                Hairpinning::ExternalSource => "one host connects to the other, from the external source".to_owned(),
                Hairpinning::InternalSource => "one host connects to the other, from the inside source".to_owned(),
            };
            by(&f.tcp_hairpinning, |h| *h == Hairpinning::ExternalSource, how)
        }),
        req("REQ-9", Should, "ICMP Destination Unreachable is translated", translated(o)),
        req("REQ-10", Must, "ICMP errors do not end connections", errors_keep(o)),
    ]
}

fn unsolicited(a: &Asked<'_>) -> Judged {
    let how = "no answer when all packets had arrived; no rule answers later";
    match &a.found.syn {
        Ok(UnsolicitedSyn::Dropped) => match a.o.syn.as_ref().and_then(|s| s.after_unsolicited) {
            Some(false) => fail("silent, but the inside endpoint's own SYN then made no connection"),
            Some(true) => pass(format!("{how}; the own SYN then made a connection")),
            None => pass(how),
        },
        Ok(UnsolicitedSyn::Reset) => fail("a reset at once"),
        Ok(UnsolicitedSyn::Icmp) => fail("port unreachable at once"),
        other => by(other, |_| true, |_| String::new()),
    }
}

/// REQ-4a leaves it to the security policy to stay silent.
fn later(a: &Asked<'_>) -> Judged {
    match &a.found.syn {
        Ok(UnsolicitedSyn::Dropped) => not_applicable("silent by policy, as REQ-4b allows"),
        Ok(UnsolicitedSyn::Reset) => fail("a reset"),
        Ok(UnsolicitedSyn::Icmp) => pass("ICMP 3/3, though at once"),
        other => by(other, |_| true, |_| String::new()),
    }
}

fn overloading(o: &Observations) -> Judged {
    let Some(tcp) = &o.tcp else { return undecided("it was not looked at") };
    let ends: Vec<_> =
        tcp.mapping.iter().flat_map(|m| m.seen.iter().flatten().map(move |s| (m.inside.ip(), s))).collect();
    let shared = ends.iter().flat_map(|x| ends.iter().map(move |y| (x, y))).find(|(x, y)| x.0 != y.0 && x.1 == y.1);
    match shared {
        Some((x, _)) => fail(format!("{} is both hosts'", x.1)),
        None => pass("both hosts from one port, no external endpoint twice"),
    }
}

fn translated(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward_tcp.is_empty()) else {
        return undecided("it was not looked at");
    };
    let of: Vec<_> = icmp.inward_tcp.iter().filter(|c| c.kind == 3).map(inside::inward).collect();
    match of.iter().all(|right| *right == Some(true)) {
        true => pass("one about a connection arrived with its inside endpoint"),
        false if of.contains(&Some(false)) => fail("one about a connection arrived wrongly translated"),
        false => fail("one about a connection did not arrive"),
    }
}

fn errors_keep(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward_tcp.is_empty()) else {
        return undecided("it was not looked at");
    };
    match icmp.inward_tcp.iter().find(|c| !c.mapping_kept) {
        Some(c) => fail(format!("after an error {}/{} the connection carried nothing", c.kind, c.code)),
        None => pass(format!("{} errors, bytes both ways after each", icmp.inward_tcp.len())),
    }
}
