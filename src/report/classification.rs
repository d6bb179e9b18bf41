//! The report of `natlab classify`: for people first the verdict, then what was found on every axis, what it means against each
//! behaviour of a peer, what to do, and who was asked; for programs the classification and what it means as JSON. Pure.

mod advice;
mod axes;
mod forecast;
mod servers;

use serde::Serialize;

use super::Look;
use super::human::page::Page;
use super::human::paint::Tone;
use super::human::table::{Cell, Column, Table};
use crate::classification::{Classification, Conclusion, Family, FamilyFindings, MappingFound};
use crate::nat::{Filtering, Mapping, Translation};

pub use advice::{Advice, advice};
pub use forecast::{Forecast, Path, Peer, forecast};

/// What fits into fewer columns than this is hard to read in any layout; lines are then this long.
const NARROWEST: usize = 40;

/// What the findings of a family mean.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Meaning {
    /// Of which family.
    pub family: Family,
    /// The first line of the report.
    pub verdict: String,
    /// Against a peer behind each behaviour; empty when too little is known.
    pub forecast: Vec<Forecast>,
    /// What to do about it.
    pub advice: Vec<Advice>,
}

/// What the findings of a family mean.
pub fn meaning(all: &Classification, family: &FamilyFindings) -> Meaning {
    let forecast = forecast(family);
    let advice = advice(all, family, &forecast);
    Meaning { family: family.family, verdict: verdict(family, &forecast), forecast, advice }
}

/// The classification as it is, with `meaning` beside its fields: indented JSON, ending with a newline.
pub fn json(all: &Classification) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(flatten)]
        classification: &'a Classification,
        meaning: Vec<Meaning>,
    }
    let meaning = all.families.iter().map(|f| meaning(all, f)).collect();
    // Keys are strings and every number is finite or null, so writing it cannot fail; were it to, the text would at least be
    // JSON that says so.
    let mut text = serde_json::to_string_pretty(&Document { classification: all, meaning })
        .unwrap_or_else(|e| serde_json::json!({ "error": e.to_string() }).to_string());
    text.push('\n');
    text
}

/// The report for people; when it is to be quiet the verdict alone.
pub fn human(all: &Classification, look: &Look) -> String {
    let mut page = Page::new(look.colour, look.width.max(NARROWEST));
    let meanings: Vec<Meaning> = all.families.iter().map(|f| meaning(all, f)).collect();
    for (family, meaning) in all.families.iter().zip(&meanings) {
        let tone = match family.conclusion() {
            Conclusion::Classified => Tone::Good,
            Conclusion::NotEndpointIndependent | Conclusion::UdpBlocked => Tone::Bad,
            Conclusion::Undecided => Tone::Doubt,
        };
        page.headline(0, tone, &format!("{}:", family.family), &meaning.verdict);
    }
    if all.families.is_empty() {
        page.wrapped(0, Tone::Doubt, "undecided: no server has an address that could be asked");
    }
    if look.quiet {
        return page.text();
    }
    for (family, meaning) in all.families.iter().zip(&meanings) {
        page.blank();
        axes::show(&mut page, all, family, look.verbose);
        show_forecast(&mut page, &meaning.forecast);
        show_advice(&mut page, &meaning.advice);
    }
    page.blank();
    servers::show(&mut page, all);
    if !look.verbose {
        page.blank();
        page.wrapped(0, Tone::Dim, "-v shows what was seen and how it was tested");
    }
    page.text()
}

/// `EIM/APDF (port-restricted cone): direct to 10 of 13 kinds of peers, …`.
fn verdict(family: &FamilyFindings, forecast: &[Forecast]) -> String {
    let because = |why: &Option<String>| why.clone().unwrap_or_else(|| "not tested".to_owned());
    match family.conclusion() {
        Conclusion::UdpBlocked => return "UDP is blocked: only relays over TCP or TLS connect anybody".to_owned(),
        Conclusion::Undecided if family.udp.value.is_none() => {
            return format!("undecided: {}", because(&family.udp.because));
        }
        Conclusion::Undecided => return format!("mapping undecided: {}", because(&family.mapping.because)),
        Conclusion::Classified | Conclusion::NotEndpointIndependent => {}
    }
    let filtering = family.filtering.value.map_or("filtering unknown".to_owned(), |f| f.to_string());
    let found = match (family.translation.value, family.mapping.value) {
        (Some(Translation::None), _) => match family.filtering.value {
            Some(Filtering::EndpointIndependent) => "no NAT and no firewall".to_owned(),
            Some(filtering) => format!("no NAT, a firewall with {filtering} filtering"),
            None => "no NAT, filtering unknown".to_owned(),
        },
        (_, Some(MappingFound::EndpointDependent)) => format!("ADM or APDM, {filtering}"),
        (_, Some(mapping)) if family.filtering.value.is_some() => format!("{mapping}/{filtering}"),
        (_, Some(mapping)) => format!("{mapping}, {filtering}"),
        (_, None) => filtering,
    };
    let name = family.classic_name().map(|name| format!(" ({name})")).unwrap_or_default();
    let count = |path| forecast.iter().filter(|f| f.path == path).count();
    let (direct, either) = (count(Path::Direct), count(Path::Either));
    let peers = match (forecast.len(), either) {
        (0, _) => return format!("{found}{name}"),
        (n, 0) => format!("{direct} of {n}"),
        (n, _) => format!("{direct} to {} of {n}", direct + either),
    };
    format!("{found}{name}: direct to {peers} kinds of peers, a relay to the others")
}

/// A row per mapping of the peer, a column per filtering.
fn show_forecast(page: &mut Page, forecast: &[Forecast]) {
    if forecast.is_empty() {
        return;
    }
    let cell = |peer: Peer| {
        let path = forecast.iter().find(|f| f.peer == peer).map(|f| f.path);
        match path {
            Some(Path::Direct) => Cell::of("direct").tone(Tone::Good),
            Some(Path::Relay) => Cell::of("relay").tone(Tone::Bad),
            Some(Path::Either) => Cell::parts(["direct or", "relay"]).tone(Tone::Doubt),
            None => Cell::none(),
        }
    };
    let mut table = Table::new([
        Column::text(&["against a peer that has"]),
        Column::text(&["EIF"]),
        Column::text(&["ADF"]),
        Column::text(&["APDF"]),
    ]);
    let row = |name: &str, peer: &dyn Fn(Filtering) -> Peer| {
        let cells = Filtering::ALL.map(|filtering| cell(peer(filtering)));
        [Cell::of(name)].into_iter().chain(cells).collect::<Vec<Cell>>()
    };
    table.row(row("no NAT", &|filtering| Peer::Public { filtering }));
    for mapping in Mapping::ALL {
        table.row(row(&format!("a NAT with {mapping}"), &|filtering| Peer::Nat { mapping, filtering }));
    }
    table.row(vec![Cell::of("blocked UDP"), cell(Peer::UdpBlocked), Cell::none(), Cell::none()]);
    page.blank();
    page.table(2, &table);
}

fn show_advice(page: &mut Page, advice: &[Advice]) {
    if advice.is_empty() {
        return;
    }
    page.blank();
    for advice in advice {
        page.headline(2, Tone::Strong, "•", &advice.text);
    }
}

#[cfg(test)]
mod tests;
