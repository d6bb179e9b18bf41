//! Hairpinning, and ICMP errors.

use super::{Is, irregular, no_meaning, seen, undecided};
use crate::conformance::observations::{ErrorCase, Hairpin, IcmpError, Observations};
use crate::nat::{Hairpinning, IcmpErrors};

/// Why the source is not known of hairpinned packets that no packet of the receiver can open the filter for.
pub const REACHES_THE_FILTER: &str = "packets reach the filter, and behind this mapping none can open it";

/// From the source that hairpinned packets arrive with; of packets that do not, from the rules that dropped them.
pub fn hairpinning(hairpin: &Option<Hairpin>, o: &Observations) -> Is<Hairpinning> {
    let h = seen(hairpin)?;
    if o.external.is_empty() {
        return no_meaning("nothing is translated");
    }
    if h.external.contains(&None) {
        return undecided("a host has no external endpoint");
    }
    let [a, b] = h.inside;
    let arrivals = [(h.first, a), (h.answer, b), (h.second, a)];
    let mut found = Vec::new();
    for (source, sender) in arrivals.into_iter().filter_map(|(source, sender)| Some((source?, sender))) {
        found.push(if Some(source) == sender {
            Hairpinning::InternalSource
        } else if o.external.contains(source.ip()) {
            Hairpinning::ExternalSource
        } else {
            return irregular(format!("from {source}"));
        });
    }
    found.dedup();
    match found[..] {
        [how] => Ok(how),
        [] if h.refused > 0 || h.filtered == 0 => Ok(Hairpinning::None),
        // It reached the filter, so there is hairpinning; what it would have arrived from nobody saw.
        [] => no_meaning(REACHES_THE_FILTER),
        _ => irregular("from inside and from outside sources"),
    }
}

/// Whether an error from outside arrived as RFC 5508 REQ-4 wants it.
pub fn inward(case: &ErrorCase) -> Option<bool> {
    let e = case.arrived?;
    let same = (e.kind, e.code, e.from) == (case.kind, case.code, case.from);
    let about = (e.about_from, e.about_to) == (case.inside, case.remote);
    Some(same && about && e.to == *case.inside.ip() && e.checksums)
}

/// Whether an error from inside arrived as REQ-5 wants it.
pub fn outward(o: &Observations) -> Option<Option<bool>> {
    let (error, external, remote) = o.icmp.as_ref()?.outward?;
    let right =
        |e: IcmpError| (e.about_from, e.about_to) == (remote, external) && e.from == *external.ip() && e.checksums;
    Some(error.map(right))
}

/// Of both protocols and directions.
pub fn icmp_errors(o: &Observations) -> Is<IcmpErrors> {
    let icmp = seen(&o.icmp)?;
    let mut cases: Vec<(String, Option<bool>)> = Vec::new();
    for (protocol, all) in [("UDP", &icmp.inward), ("TCP", &icmp.inward_tcp)] {
        cases.extend(all.iter().map(|c| (format!("{}/{} about {protocol}", c.kind, c.code), inward(c))));
    }
    cases.extend(outward(o).map(|right| ("one from inside".to_owned(), right)));
    let of = |what: Option<bool>| -> Vec<&str> {
        cases.iter().filter(|(_, right)| *right == what).map(|(name, _)| name.as_str()).collect()
    };
    let (right, wrong, missing) = (of(Some(true)), of(Some(false)), of(None));
    match (right.is_empty(), wrong.is_empty(), missing.is_empty()) {
        (true, true, true) => undecided("none could be sent"),
        (false, true, true) => Ok(IcmpErrors::Translated),
        (true, true, false) => Ok(IcmpErrors::Dropped),
        (_, false, _) => irregular(format!("wrongly translated: {}", wrong.join(", "))),
        (false, true, false) => irregular(format!("dropped: {}", missing.join(", "))),
    }
}
