//! RFC 4787 §4.2 from the external endpoints of many sockets, in the order in which they were opened. Pure.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use crate::classification::{Finding, NEGATIVE_LIMIT, PortSequence, Ports, Preservation};
use crate::nat::{Pooling, PortRange, Translation};

const METHOD: &str = "fresh sockets, one after the other, towards one server";

/// A step further than this is none that a prediction could use.
const WIDEST_STEP: i32 = 64;

/// Every external address, each once, in the order of appearance.
pub(in super::super) fn external(seen: &[(SocketAddr, SocketAddr)]) -> Vec<IpAddr> {
    let mut all = Vec::new();
    for ip in seen.iter().map(|(_, mapped)| mapped.ip()) {
        if !all.contains(&ip) {
            all.push(ip);
        }
    }
    all
}

/// Port behaviour from `(inside, external)` endpoints.
pub(in super::super) fn ports(seen: &[(SocketAddr, SocketAddr)]) -> Ports {
    let (Some(first), Some(last)) =
        (seen.iter().map(|(_, m)| m.port()).min(), seen.iter().map(|(_, m)| m.port()).max())
    else {
        let none = || "no fresh socket was answered".to_owned();
        return Ports {
            preservation: Finding::inconclusive(none(), METHOD),
            parity: Finding::inconclusive(none(), METHOD),
            sequence: Finding::inconclusive(none(), METHOD),
            observed: Finding::inconclusive(none(), METHOD),
        };
    };
    let kept = seen.iter().filter(|(local, mapped)| local.port() == mapped.port()).count();
    let evidence = [format!("{kept} of {} sockets kept their port", seen.len())];
    let preservation = match kept {
        0 => Preservation::None,
        _ if kept == seen.len() => Preservation::All,
        _ => Preservation::Some,
    };
    // One of many random ports is the inside port by chance, now and then; two are not.
    let found = match kept {
        1 if seen.len() > 2 => Finding::inconclusive("one socket kept its port, which chance may do", METHOD),
        _ => Finding::known(preservation, METHOD),
    };
    Ports {
        preservation: found.with_evidence(evidence),
        parity: parity(seen, preservation),
        sequence: sequence(seen, preservation),
        observed: Finding::known(PortRange { first, last }, METHOD),
    }
}

/// REQ-4. Of random ports half have the right parity, so agreement is evidence only when there is much of it.
fn parity(seen: &[(SocketAddr, SocketAddr)], preservation: Preservation) -> Finding<bool> {
    if preservation == Preservation::All {
        return Finding::not_tested("ports are preserved");
    }
    let same = |(local, mapped): &&(SocketAddr, SocketAddr)| local.port() % 2 == mapped.port() % 2;
    let agree = seen.iter().filter(same).count();
    let evidence = [format!("{agree} of {} sockets kept their parity", seen.len())];
    let chance = 0.5f64.powi(agree.try_into().unwrap_or(i32::MAX));
    match agree == seen.len() {
        false => Finding::known(false, METHOD),
        true if chance < NEGATIVE_LIMIT => Finding::likely(true, chance, METHOD),
        true => Finding::inconclusive(format!("{agree} sockets agree, which chance alone may do"), METHOD),
    }
    .with_evidence(evidence)
}

/// Whether most ports lie one step from the one before them.
fn sequence(seen: &[(SocketAddr, SocketAddr)], preservation: Preservation) -> Finding<PortSequence> {
    if preservation == Preservation::All {
        return Finding::known(PortSequence::Preserved, METHOD);
    }
    let steps: Vec<i32> = seen.windows(2).map(|w| i32::from(w[1].1.port()) - i32::from(w[0].1.port())).collect();
    if steps.len() < 4 {
        return Finding::inconclusive("too few sockets were answered", METHOD);
    }
    let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
    for step in &steps {
        *counts.entry(*step).or_default() += 1;
    }
    let listed: Vec<String> = seen.iter().map(|(_, mapped)| mapped.port().to_string()).collect();
    let evidence = [format!("ports in order: {}", listed.join(" "))];
    let usual = counts.iter().max_by_key(|(step, count)| (**count, -step.abs())).map(|(step, count)| (*step, *count));
    let value = match usual {
        Some((step, count)) if count * 2 > steps.len() && step != 0 && step.abs() <= WIDEST_STEP => {
            PortSequence::Sequential { step }
        }
        _ => PortSequence::Irregular,
    };
    Finding::known(value, METHOD).with_evidence(evidence)
}

/// REQ-2.
pub(in super::super) fn pooling(translation: Translation, seen: &[(SocketAddr, SocketAddr)]) -> Finding<Pooling> {
    if translation == Translation::None {
        return Finding::not_tested("there is no NAT");
    }
    let addresses = external(seen);
    let evidence = [format!("{} external address(es) over {} sockets", addresses.len(), seen.len())];
    match addresses.len() {
        0 => Finding::inconclusive("no fresh socket was answered", METHOD),
        // With two addresses taken at random, all sockets agree with a chance of 2^(1−n).
        1 => {
            let others = seen.len().saturating_sub(1).try_into().unwrap_or(i32::MAX);
            let chance = 0.5f64.powi(others);
            if chance < NEGATIVE_LIMIT {
                Finding::likely(Pooling::Paired, chance, METHOD)
            } else {
                Finding::inconclusive("too few sockets were answered", METHOD)
            }
        }
        _ => Finding::known(Pooling::Arbitrary, METHOD),
    }
    .with_evidence(evidence)
}
