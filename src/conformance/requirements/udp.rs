//! RFC 4787.

use super::super::found::{Why, prolonged};
use super::super::observations::{Assigned, Observations};
use super::super::scale::duration;
use super::{Asked, Judged, by, fact, fail, not_applicable, pass, requirement, undecided};
use crate::conformance::{Level, Requirement};
use crate::nat::{Filtering, Hairpinning, Mapping, Pooling, PortAssignment, Refresh, UdpPolicy};

use Level::{May, Must, Should};

/// REQ-5: two minutes, and the recommended five.
const TWO_MINUTES_MS: u64 = 120_000;
const FIVE_MINUTES_MS: u64 = 300_000;

/// REQ-1 to REQ-14.
pub fn checklist(a: &Asked<'_>) -> Vec<Requirement> {
    let req = |number, level, asks, judged: Judged| {
        let judged = match (a.untranslated(), a.found.udp == Ok(UdpPolicy::Blocked)) {
            (_, true) => not_applicable("UDP is blocked"),
            (true, _) if !WITHOUT_TRANSLATION.contains(&number) => not_applicable("nothing is translated"),
            _ => judged,
        };
        requirement(4787, number, level, asks, judged)
    };
    let (f, o) = (a.found, a.o);
    vec![
        req("REQ-1", Must, "endpoint-independent mapping", {
            by(&f.mapping, |m| *m == Mapping::EndpointIndependent, |m| format!("{m}: a socket to 1:p, 1:q, 2:p, 3:q"))
        }),
        req("REQ-2", Should, "address pooling is paired", {
            by(
                &f.pooling,
                |p| *p == Pooling::Paired,
                |p| format!("{p:?}: addresses of two hosts' mappings").to_lowercase(),
            )
        }),
        req("REQ-3", Must, "no port overloading", overloading(a)),
        req("REQ-3a", Should, "ports below 1024 stay below, others above", port_class(o)),
        req("REQ-4", Should, "port parity is preserved", parity(o)),
        req("REQ-5", Must, "mappings live two minutes or more", lifetime(a, TWO_MINUTES_MS)),
        req("REQ-5c", Should, "five minutes or more by default", lifetime(a, FIVE_MINUTES_MS)),
        req("REQ-6", Must, "outbound packets refresh", {
            let how =
                |r: &Refresh| format!("a packet out at 60 % of the lifetime, probed at 125 %: {r:?}").to_lowercase();
            by(&f.refresh, |r| *r != Refresh::Inbound, how)
        }),
        req("REQ-6a", May, "inbound packets refresh", {
            let how = |r: &Refresh| format!("the same with a packet in: {r:?}").to_lowercase();
            by(&f.refresh, |r| *r != Refresh::Outbound, how)
        }),
        req("REQ-7", Must, "inside and outside addresses may not conflict", {
            not_applicable("addresses are not configured dynamically; a scenario that mixes them is refused")
        }),
        req("REQ-8", Should, "filtering is endpoint-independent or address-dependent", {
            let how = |f: &Filtering| format!("{f}: 1:p, 1:q, 2:p, 3:q send to a socket that sent to 1:p");
            by(&f.filtering, |f| *f != Filtering::AddressAndPortDependent, how)
        }),
        req("REQ-9", Must, "hairpinning", {
            by(&f.hairpinning, |h| *h != Hairpinning::None, |h| format!("one host to the other: {}", hairpin(*h)))
        }),
        req("REQ-9a", Must, "hairpinned packets have the external source", external_source(a)),
        req("REQ-10", Should, "no application gateways for UDP", {
            let told = o.payload.and_then(|p| p.udp);
            fact(told, "SIP on 5060 arrived as it was sent", "SIP on 5060 was changed on the way")
        }),
        req("REQ-11", Must, "mapping and filtering never change", {
            let how = |same: &bool| {
                let what = if *same { "the same" } else { "another" };
                format!("{what} under a conflict of ports, and when repeated")
            };
            by(&f.deterministic, |same| *same, how)
        }),
        req("REQ-12", Must, "ICMP errors do not end mappings", errors_keep(o)),
        req("REQ-12a", Should, "ICMP is not filtered by its source", from_routers(o)),
        req("REQ-12b", Should, "Destination Unreachable is supported", unreachable(o)),
        req("REQ-13", Must, "too large with DF: fragmentation needed", too_large(o)),
        req("REQ-13a", Must, "too large without DF: fragments", {
            let told = o.sizes.as_ref().and_then(|s| s.without_df);
            fact(told, "1400 bytes over an MTU of 1300 arrived whole", "1400 bytes over an MTU of 1300 did not arrive")
        }),
        req("REQ-14", Must, "fragments in any order", fragments(o)),
    ]
}

/// Requirements that a firewall without translation can meet or miss as well.
const WITHOUT_TRANSLATION: [&str; 14] = [
    "REQ-5", "REQ-5c", "REQ-6", "REQ-6a", "REQ-8", "REQ-10", "REQ-11", "REQ-12", "REQ-12a", "REQ-12b", "REQ-13",
    "REQ-13a", "REQ-14", "REQ-7",
];

fn hairpin(h: Hairpinning) -> &'static str {
    match h {
        Hairpinning::None => "they do not arrive",
        Hairpinning::ExternalSource => "from the external source",
        Hairpinning::InternalSource => "from the inside source",
    }
}

fn overloading(a: &Asked<'_>) -> Judged {
    let Some(p) = &a.o.ports else { return undecided("it was not looked at") };
    let shared = p.first.iter().flat_map(|x| p.second.iter().chain(&p.second_elsewhere).map(move |y| (x, y)));
    let shared = shared.filter(|(x, y)| x.external.is_some() && x.external == y.external).count();
    match (&a.found.ports, shared) {
        (Err(Why::Undecided(why)), _) => undecided(why.clone()),
        (_, 0) => pass("12 ports of both hosts at a time, no external endpoint twice"),
        (Ok(x), n) if x.how == PortAssignment::Overloading => fail(format!("{n} external endpoints are both hosts'")),
        (_, n) => fail(format!("{n} external endpoints belong to both hosts")),
    }
}

fn port_class(o: &Observations) -> Judged {
    let Some(p) = &o.ports else { return undecided("it was not looked at") };
    let all: Vec<&Assigned> = p.low.iter().chain(&p.first).chain(&p.second).collect();
    if all.iter().any(|a| a.external.is_none()) {
        return undecided("some packets did not arrive");
    }
    let wrong = all.iter().find(|a| a.external.is_some_and(|e| (e.port() < 1024) != (a.inside.port() < 1024)));
    match wrong {
        Some(Assigned { inside, external: Some(external) }) => {
            fail(format!("port {} became {}", inside.port(), external.port()))
        }
        _ => pass("ports 700 and 811, and 24 above 1024"),
    }
}

fn parity(o: &Observations) -> Judged {
    let Some(p) = &o.ports else { return undecided("it was not looked at") };
    let all: Vec<&Assigned> = p.first.iter().chain(&p.second).collect();
    if all.iter().any(|a| a.external.is_none()) {
        return undecided("some packets did not arrive");
    }
    let odd = |a: &&&Assigned| a.external.is_some_and(|e| e.port() % 2 != a.inside.port() % 2);
    match all.iter().filter(odd).count() {
        0 => pass(format!("{} ports, free and taken ones", all.len())),
        n => fail(format!("{n} of {} ports, free and taken ones, have the other parity", all.len())),
    }
}

fn lifetime(a: &Asked<'_>, least_ms: u64) -> Judged {
    let how = |l: &super::super::found::Lived| format!("{}: {}", l.timer.describe(), l.describe());
    let judged = by(&a.found.lifetime, |l| l.timer.configured_ms >= least_ms, how);
    match judged {
        (super::Status::Fail, how) => fail(format!("less than {}: {how}", duration(least_ms))),
        judged => judged,
    }
}

fn external_source(a: &Asked<'_>) -> Judged {
    match &a.found.hairpinning {
        Ok(Hairpinning::None) => not_applicable("there is no hairpinning"),
        Ok(Hairpinning::InternalSource) => fail("from the inside source"),
        Ok(Hairpinning::ExternalSource) => {
            let Some(h) = &a.o.hairpin else { return undecided("it was not looked at") };
            let [one, two] = h.external;
            let pairs = [(h.first, one), (h.answer, two), (h.second, one)];
            let moved = pairs.iter().find(|(source, external)| source.is_some() && source != external);
            match moved {
                None => pass("from the very endpoint that a server sees"),
                Some((Some(source), _)) if a.found.mapping == Ok(Mapping::EndpointIndependent) => {
                    fail(format!("from {source}, which is not the sender's"))
                }
                Some(_) => pass("from an external endpoint; each remote endpoint has another"),
            }
        }
        other => by(other, |_| true, |_| String::new()),
    }
}

fn errors_keep(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    match icmp.inward.iter().find(|c| !c.mapping_kept) {
        Some(c) => fail(format!("after an error {}/{} the mapping was gone", c.kind, c.code)),
        None => pass(format!("{} errors, packets both ways after each", icmp.inward.len())),
    }
}

fn from_routers(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    let routers: Vec<_> = icmp.inward.iter().filter(|c| c.from != *c.remote.ip()).collect();
    let passed = routers.iter().filter(|c| c.arrived.is_some()).count();
    match passed == routers.len() {
        true => pass(format!("{passed} errors from a router that nobody has sent to")),
        false => fail(format!("{passed} of {} errors from a router that nobody has sent to", routers.len())),
    }
}

fn unreachable(o: &Observations) -> Judged {
    let Some(icmp) = o.icmp.as_ref().filter(|i| !i.inward.is_empty()) else { return undecided("it was not looked at") };
    let of: Vec<_> = icmp.inward.iter().filter(|c| c.kind == 3).collect();
    let passed = of.iter().filter(|c| c.arrived.is_some()).count();
    let how = format!("{passed} of {} arrived: codes 1, 3, 4 and 13", of.len());
    if passed == of.len() { pass(how) } else { fail(how) }
}

fn too_large(o: &Observations) -> Judged {
    let Some(s) = &o.sizes else { return undecided("it was not looked at") };
    match s.df_error {
        None => undecided("it was not looked at"),
        Some(None) => fail(format!("1400 bytes over an MTU of {}: no error came", s.mtu)),
        Some(Some(e)) if (e.kind, e.code, e.mtu) == (3, 4, s.mtu) => {
            pass(format!("1400 bytes over an MTU of {0}: ICMP 3/4 with MTU {0}", s.mtu))
        }
        Some(Some(e)) => {
            fail(format!("1400 bytes over an MTU of {}: ICMP {}/{} with MTU {}", s.mtu, e.kind, e.code, e.mtu))
        }
    }
}

fn fragments(o: &Observations) -> Judged {
    let Some((in_order, out_of_order)) = o.sizes.as_ref().and_then(|s| Some((s.in_order?, s.out_of_order?))) else {
        return undecided("it was not looked at");
    };
    let wrong: Vec<&str> = [
        (in_order, ["in order from inside", "in order from outside"]),
        (out_of_order, ["last first from inside", "last first from outside"]),
    ]
    .iter()
    .flat_map(|(came, names)| came.iter().zip(names))
    .filter(|(came, _)| !**came)
    .map(|(_, name)| *name)
    .collect();
    if wrong.is_empty() {
        pass("2000 bytes in two fragments, in order and last first, both ways")
    } else {
        fail(format!("lost: {}", wrong.join(", ")))
    }
}

/// Whether an ICMP error made a mapping live longer (RFC 5508 REQ-6 says so of queries; here of UDP).
pub fn error_refreshes(o: &Observations) -> Option<bool> {
    let timers = o.udp_timers.as_ref()?;
    prolonged(timers.lifetime, &timers.error)
}
