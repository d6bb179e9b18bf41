//! RFC 5508.

use super::super::observations::{Answer, Observations};
use super::udp::error_refreshes;
use super::{Asked, Judged, by, fact, fail, not_applicable, pass, requirement, undecided};
use crate::conformance::found::inside;
use crate::conformance::{Level, Requirement};
use crate::nat::{Hairpinning, UdpPolicy};

use Level::{May, Must, Should};

/// REQ-2: 60 seconds.
const QUERY_MS: u64 = 60_000;

/// Requirements that a firewall without translation cannot meet or miss.
const OF_TRANSLATION: [&str; 4] = ["REQ-1a", "REQ-5", "REQ-7", "REQ-4"];

/// REQ-1 to REQ-11.
pub fn checklist(a: &Asked<'_>) -> Vec<Requirement> {
    let (f, o) = (a.found, a.o);
    let blocked = f.udp == Ok(UdpPolicy::Blocked);
    let req = |number, level, asks, judged: Judged| {
        let judged = if a.untranslated() && OF_TRANSLATION.contains(&number) {
            not_applicable("nothing is translated")
        } else {
            judged
        };
        requirement(5508, number, level, asks, judged)
    };
    let about_udp = |judged: Judged| if blocked { not_applicable("UDP is blocked") } else { judged };
    let icmp = o.icmp.as_ref();
    vec![
        req("REQ-1", Must, "queries from inside, and their answers, pass", {
            let told = icmp.and_then(|i| i.echo).map(|e| e == [true, true]);
            fact(told, "both hosts ping with one identifier, each gets its answer", "a ping had no answer of its own")
        }),
        req("REQ-1a", Should, "query identifiers do not depend on the remote", {
            match icmp.and_then(|i| i.echo_identifiers) {
                Some([Some(x), Some(y)]) if x == y => pass("two servers see one identifier"),
                Some([Some(x), Some(y)]) => fail(format!("two servers see {x} and {y}")),
                _ => undecided("a ping did not arrive"),
            }
        }),
        req("REQ-2", Must, "query sessions live 60 s or more", {
            let how = |l: &super::super::found::Lived| format!("{}: {}", l.timer.describe(), l.describe());
            match o.query_timer {
                Some(_) => by(&f.query_lifetime, |l| l.timer.configured_ms >= QUERY_MS, how),
                None => not_applicable("queries are not remembered"),
            }
        }),
        req("REQ-3", Should, "errors with a wrong checksum are dropped", {
            let told = icmp.and_then(|i| i.bad_checksum_arrived).map(|came| !came);
            about_udp(fact(told, "one was sent, and did not arrive", "one was sent, and arrived"))
        }),
        req("REQ-3a", Should, "errors about a packet with a wrong IP checksum are dropped", {
            let told = icmp.and_then(|i| i.bad_inner_checksum_arrived).map(|came| !came);
            about_udp(fact(told, "one was sent, and did not arrive", "one was sent, and arrived"))
        }),
        req("REQ-3b", Must, "IP options of the packet are looked past", {
            let told = icmp.and_then(|i| i.options_arrived);
            about_udp(fact(told, "one was sent, and arrived", "one was sent, and did not arrive"))
        }),
        req("REQ-4", Must, "errors from outside are translated", about_udp(inward(o))),
        req("REQ-5", Must, "errors from inside are translated", about_udp(outward(o))),
        req("REQ-6", Must, "errors neither refresh nor delete", about_udp(refresh(o))),
        req("REQ-7", Must, "hairpinned errors pass", about_udp(hairpinned(a))),
        req("REQ-8", Should, "without resources: ICMP 3/13", about_udp(exhausted(o))),
        req("REQ-9", May, "a policy that keeps ICMP from an interface", not_applicable("there is none to configure")),
        req("REQ-10a", Must, "unreachable, time exceeded and echo pass", about_udp(supported(o))),
        req("REQ-10b", May, "parameter problem passes", {
            let told =
                o.icmp.as_ref().and_then(|i| i.inward.iter().find(|c| c.kind == 12)).map(|c| c.arrived.is_some());
            about_udp(fact(told, "one was sent, and arrived", "one was sent, and did not arrive"))
        }),
        req("REQ-10c", Should, "source quench is not supported", {
            let told = icmp.and_then(|i| i.source_quench_arrived).map(|came| !came);
            about_udp(fact(told, "one was sent, and did not arrive", "one was sent, and arrived"))
        }),
        req("REQ-11", May, "other ICMP messages may be dropped", {
            not_applicable("whatever becomes of them, it is allowed")
        }),
    ]
}

fn inward(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    let right: Vec<Option<bool>> = icmp.inward.iter().map(inside::inward).collect();
    let n = right.iter().filter(|r| **r == Some(true)).count();
    match (n == right.len(), icmp.unknown_arrived) {
        (true, Some(true)) => fail("one about no mapping at all arrived"),
        (true, _) => pass(format!("{n} kinds arrived with inside addresses, one about no mapping did not")),
        (false, _) if right.contains(&Some(false)) => fail(format!("{n} of {} arrived as they must", right.len())),
        (false, _) => fail(format!("{n} of {} arrived", right.len())),
    }
}

fn outward(o: &Observations) -> Judged {
    match inside::outward(o) {
        None => undecided("it was not looked at"),
        Some(Some(true)) => pass("one of a closed port left with external addresses, outside and within"),
        Some(Some(false)) => fail("one of a closed port left wrongly translated"),
        Some(None) => fail("one of a closed port did not arrive"),
    }
}

fn refresh(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    if icmp.inward.iter().any(|c| !c.mapping_kept) {
        return fail("an error ended a mapping");
    }
    match (o.udp_timers.is_some(), error_refreshes(o)) {
        (true, Some(false)) => pass("an error at 60 % of the lifetime, dead at 125 %; packets pass after 6 others"),
        (true, Some(true)) => fail("an error at 60 % of the lifetime made a mapping live on"),
        (true, None) => undecided("the machine paused for too long between the probes"),
        (false, _) => not_applicable("nothing is remembered that could end"),
    }
}

fn hairpinned(a: &Asked<'_>) -> Judged {
    if a.found.hairpinning == Ok(Hairpinning::None) {
        return not_applicable("there is no hairpinning");
    }
    let Some((error, inside, external)) = a.o.icmp.as_ref().and_then(|i| i.hairpinned) else {
        return match &a.found.hairpinning {
            Err(_) => by(&a.found.hairpinning, |_| true, |_| String::new()),
            Ok(_) => not_applicable("no hairpinned packet passes the filter"),
        };
    };
    match error {
        None => fail("one about a closed port of the other host did not arrive"),
        Some(e) if (e.about_from, e.about_to, e.to) == (inside, external, *inside.ip()) && e.checksums => {
            pass("one about a closed port of the other host arrived as it must")
        }
        Some(e) => fail(format!("one arrived about {} to {}", e.about_from, e.about_to)),
    }
}

fn exhausted(o: &Observations) -> Judged {
    match o.ports.as_ref().and_then(|p| p.exhaustion.as_ref()) {
        None => not_applicable("a host has no limit that one test reaches"),
        Some(e) => match e.answer {
            Answer::Icmp(3, 13) => pass("a packet without a free port got ICMP 3/13"),
            Answer::Icmp(kind, code) => fail(format!("a packet without a free port got ICMP {kind}/{code}")),
            _ => fail("a packet without a free port is dropped in silence"),
        },
    }
}

fn supported(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    let all = |kind: u8| icmp.inward.iter().filter(|c| c.kind == kind).all(|c| c.arrived.is_some());
    let missing: Vec<&str> =
        [(all(3), "destination unreachable"), (all(11), "time exceeded"), (icmp.echo == Some([true, true]), "echo")]
            .into_iter()
            .filter(|(passes, _)| !passes)
            .map(|(_, name)| name)
            .collect();
    if missing.is_empty() { pass("each was sent and arrived") } else { fail(format!("lost: {}", missing.join(", "))) }
}
