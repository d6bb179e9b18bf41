//! What was found on every axis: the value in words, how sure, or why there is none.

use std::net::IpAddr;

use crate::classification::{
    Classification, FamilyFindings, Finding, Lifetime, MappingFound, NatLevels, PortMapping, PortSequence,
    Preservation, Status,
};
use crate::nat::{Filtering, Hairpinning, Pooling, PortRange, Translation, UdpPolicy};
use crate::report::human::page::Page;
use crate::report::human::paint::Tone;
use crate::report::human::words::duration;

/// Where values begin.
const BEGIN: usize = 18;

/// A heading with the addresses, and a line per axis.
pub(super) fn show(page: &mut Page, all: &Classification, family: &FamilyFindings, verbose: bool) {
    let interface = family.local.and_then(|local| all.host.interfaces.iter().find(|i| i.addresses.contains(&local)));
    let local = family.local.map_or_else(|| "no address".to_owned(), |local| local.to_string());
    let named = interface.map(|i| format!(" ({}, {})", i.name, i.kind)).unwrap_or_default();
    let external: Vec<String> = family.external.iter().map(IpAddr::to_string).collect();
    let seen = match external.len() {
        0 => String::new(),
        _ => format!(" seen as {}", external.join(", ")),
    };
    page.headline(0, Tone::Strong, &family.family.to_string(), &format!("{local}{named}{seen}"));
    let mut rows = Rows { page, verbose, untested: Vec::new() };
    if family.udp.value != Some(UdpPolicy::Allowed) {
        rows.row("UDP", &family.udp, |udp| match udp {
            UdpPolicy::Allowed => "allowed".to_owned(),
            UdpPolicy::Blocked => "blocked".to_owned(),
        });
    }
    rows.row("translation", &family.translation, |translation| match translation {
        Translation::None => "none: the address here is the one that others see".to_owned(),
        Translation::Napt | Translation::OneToOne => "addresses change".to_owned(),
    });
    rows.row("NATs in a row", &family.levels, levels);
    rows.row("mapping", &family.mapping, mapping);
    rows.row("filtering", &family.filtering, filtering);
    rows.row("ports", &family.ports.preservation, |preservation| match preservation {
        Preservation::All => "preserved".to_owned(),
        Preservation::Some => "preserved for some sockets".to_owned(),
        Preservation::None => "not preserved".to_owned(),
    });
    if family.ports.preservation.value != Some(Preservation::All) {
        rows.row("port sequence", &family.ports.sequence, |sequence| match sequence {
            PortSequence::Preserved => "follows the inside ports".to_owned(),
            PortSequence::Sequential { step } => format!("sequential, {step:+} each: the next port can be predicted"),
            PortSequence::Irregular => "irregular".to_owned(),
        });
        rows.row("port parity", &family.ports.parity, |kept| if kept { "kept" } else { "not kept" }.to_owned());
        rows.row("ports seen", &family.ports.observed, |range: PortRange| format!("{} to {}", range.first, range.last));
    }
    rows.row("address pooling", &family.pooling, |pooling| match pooling {
        Pooling::Paired => "paired: one external address for every socket".to_owned(),
        Pooling::Arbitrary => "arbitrary: sockets get different external addresses".to_owned(),
    });
    rows.row("hairpinning", &family.hairpinning, |hairpinning| match hairpinning {
        Hairpinning::None => "none".to_owned(),
        Hairpinning::ExternalSource => "yes, from the external endpoint".to_owned(),
        Hairpinning::InternalSource => "yes, but from the inside endpoint".to_owned(),
    });
    rows.row("mapping lifetime", &family.lifetime, lifetime);
    if family.lifetime.status != Status::NotTested {
        rows.row("inbound refresh", &family.inbound_refresh, |yes| if yes { "yes" } else { "no" }.to_owned());
    }
    rows.row("fragments out", &family.fragments.outbound, passes);
    rows.row("fragments in", &family.fragments.inbound, passes);
    rows.row("ALG", &family.alg, |alg| match alg {
        true => "rewrites addresses inside of messages".to_owned(),
        false => "none seen".to_owned(),
    });
    rows.row("TCP mapping", &family.tcp.mapping, mapping);
    if !family.port_mapping.is_empty() {
        let parts: Vec<String> = family.port_mapping.iter().map(port_mapping).collect();
        rows.page.labelled_parts(2, "port mapping", BEGIN, Tone::Plain, &parts);
    }
    if let Some(rate) = family.loss.rate() {
        let seen = format!(
            "{:.1} % of the round trips ({} of {})",
            rate * 100.0,
            family.loss.sent.saturating_sub(family.loss.answered),
            family.loss.sent
        );
        rows.page.labelled_parts(2, "loss", BEGIN, Tone::Plain, &[seen]);
    }
    rows.left_out();
}

struct Rows<'a> {
    page: &'a mut Page,
    verbose: bool,
    /// Reasons, and the axes that were not tested for them.
    untested: Vec<(String, Vec<String>)>,
}

impl Rows<'_> {
    fn row<T: Copy>(&mut self, label: &str, finding: &Finding<T>, words: impl FnOnce(T) -> String) {
        let because = finding.because.clone().unwrap_or_default();
        let (tone, text) = match finding.value {
            Some(value) => (Tone::Plain, words(value)),
            None => match finding.status {
                Status::Inconclusive | Status::Known => (Tone::Doubt, format!("inconclusive: {because}")),
                Status::Unsupported => (Tone::Doubt, format!("unknown: {because}")),
                Status::NotTested => return self.leave_out(label, because),
            },
        };
        let sure = finding.confidence.filter(|_| finding.value.is_some()).and_then(sure);
        let text = match sure {
            Some(sure) => format!("{text} ({sure})"),
            None => text,
        };
        self.beside(label, tone, &text);
        if self.verbose {
            for line in finding.method.iter().chain(&finding.evidence) {
                self.beside("", Tone::Dim, line);
            }
        }
    }

    /// Axes that were not tested share a line with others that were left out for the same reason.
    fn leave_out(&mut self, label: &str, because: String) {
        match self.untested.iter_mut().find(|(why, _)| *why == because) {
            Some((_, labels)) => labels.push(label.to_owned()),
            None => self.untested.push((because, vec![label.to_owned()])),
        }
    }

    fn left_out(&mut self) {
        for (because, labels) in std::mem::take(&mut self.untested) {
            self.beside("not tested", Tone::Dim, &format!("{} ({because})", labels.join(", ")));
        }
    }

    fn beside(&mut self, label: &str, tone: Tone, text: &str) {
        self.page.labelled_from(2, label, BEGIN, tone, text);
    }
}

/// How sure a value is that rests on silence; answers themselves need no words.
fn sure(confidence: f64) -> Option<String> {
    match confidence {
        c if c >= 1.0 => None,
        c if c > 0.999_999 => Some("more than 99.9999 % sure".to_owned()),
        c => Some(format!("{} % sure", ((c * 1e6).floor() / 1e4))),
    }
}

fn mapping(mapping: MappingFound) -> String {
    match mapping {
        MappingFound::EndpointIndependent => "EIM: one external endpoint towards everybody",
        MappingFound::AddressDependent => "ADM: another external endpoint for each remote address",
        MappingFound::AddressAndPortDependent => "APDM: another external endpoint for each remote endpoint",
        MappingFound::EndpointDependent => {
            "ADM or APDM: it depends on the remote address; no server answers on two ports"
        }
    }
    .to_owned()
}

fn filtering(filtering: Filtering) -> String {
    match filtering {
        Filtering::EndpointIndependent => "EIF: everybody comes in",
        Filtering::AddressDependent => "ADF: addresses that were sent to come in",
        Filtering::AddressAndPortDependent => "APDF: only endpoints that were sent to come in",
    }
    .to_owned()
}

fn levels(levels: NatLevels) -> String {
    match levels {
        NatLevels::None => "none",
        NatLevels::One => "one: the router's external address is the one that others see",
        NatLevels::Several => "at least two: others see another address than the router's external one",
        NatLevels::Carrier => "the provider's (CGN), perhaps behind the router's",
    }
    .to_owned()
}

fn lifetime(life: Lifetime) -> String {
    let words = |ms: u64| duration(ms as f64);
    match (life.last_alive_ms, life.first_dead_ms) {
        (Some(alive), Some(dead)) => format!("between {} and {}", words(alive), words(dead)),
        (Some(alive), None) => format!("longer than {}", words(alive)),
        (None, Some(dead)) => format!("shorter than {}", words(dead)),
        (None, None) => "nothing is known".to_owned(),
    }
}

fn passes(pass: bool) -> String {
    if pass { "pass" } else { "dropped" }.to_owned()
}

fn port_mapping(service: &PortMapping) -> String {
    let because = service.because.as_deref().unwrap_or("not asked");
    match (service.available, service.external) {
        (Some(true), Some(external)) => format!("{} says {external}", service.service),
        (Some(true), None) => format!("{} answers", service.service),
        _ => format!("{}: {because}", service.service),
    }
}
