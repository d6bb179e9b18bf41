//! A server with RFC 5780 from beginning to end: filtering, mapping, and the control test without which silence of its
//! alternates proves nothing.

use std::sync::Arc;

use super::filtering::{self, Tests};
use super::judge::{self, Controls};
use super::servers::{Asked, Usable};
use super::{Found, Options, Places, Progress, Step, mapping};
use crate::classification::{Control, Finding, MappingFound, ServerRole};
use crate::nat::Mapping;
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared, Transaction};
use crate::probe::wire::{Ask, Change};

/// Tries servers that say they have an alternate address until one passes the control test. Gives its places.
pub(super) async fn try_servers(
    shared: &Arc<Shared>,
    line: &Line,
    asked: &Asked,
    found: &mut Found,
    options: &Options,
    progress: Progress<'_>,
) -> Option<Places> {
    let mut candidates: Vec<(&Usable, Places)> =
        asked.usable.iter().filter_map(|u| u.places.map(|places| (u, places))).collect();
    // One whose alternates nobody has been sent to yet comes first: a gateway that filters per host and not per endpoint
    // would look laxer towards the others.
    let known = |p: &Places| asked.usable.iter().any(|u| u.address.ip() == p.alternate.ip());
    candidates.sort_by_key(|(_, places)| known(places));
    if candidates.is_empty() {
        found.family.filtering =
            Finding::unsupported("needs a server with RFC 5780 (OTHER-ADDRESS), or a TURN account (--turn)");
    }
    for (usable, places) in candidates.into_iter().take(options.behavior_servers.max(1)) {
        let mut tests = filtering::test(shared, &places, progress).await;
        progress(&Step::Mapping);
        let seen = mapping::ask_places(line, usable.mapped, &places).await;
        progress(&Step::Control);
        let late = filtering::complete(shared, &places, &mut tests, progress).await;
        let controls = controls(shared, &places, &tests, &seen).await;
        let mapping = judge::mapping(&places, &seen);
        let filtering = judge::filtering(&places, &tests, &controls, shared.loss(), late || known(&places));
        let alive = |t: &Transaction| match &t.outcome {
            Outcome::Answered(_) => Some(true),
            Outcome::Silent => Some(false),
            _ => None,
        };
        let control = Control {
            alternate: alive(&seen.alternate),
            other_port: alive(&seen.other_port),
            other_address: alive(&seen.other_address),
        };
        let passed = mapping.value.is_some() && filtering.value.is_some();
        if let Some(server) = found.servers.get_mut(usable.index) {
            server.control = Some(control);
            if let (true, Some(why)) = (filtering.value.is_none(), &filtering.because) {
                server.problems.push(why.clone());
            }
            if control.alternate == Some(false) && control.other_address == Some(false) {
                server.role = ServerRole::Ordinary;
            }
        }
        // An undecided second opinion does not replace a decided first one.
        if found.family.mapping.value.is_none() && (mapping.value.is_some() || found.family.mapping.method.is_none()) {
            found.family.mapping = mapping;
        }
        if found.family.filtering.value.is_none() {
            found.family.filtering = filtering;
        }
        if passed {
            return Some(places);
        }
    }
    // Its mapping counts although it cannot tell filtering.
    let first = asked.usable.iter().find_map(|u| u.places)?;
    found.family.mapping.value.is_some().then_some(first)
}

/// Whether test II or III succeeds where it must: with the door opened from inside. That shows that the server honours
/// CHANGE-REQUEST, and does not merely swallow it.
///
/// The door stands open only where the mapping towards A1:P1 is the one that it was opened for: for test II behind
/// endpoint-independent mapping, for test III behind address-dependent mapping too. Elsewhere a repeat proves nothing and is
/// not made.
async fn controls(shared: &Arc<Shared>, places: &Places, tests: &Tests, seen: &mapping::Seen) -> Controls {
    let found = judge::mapping(places, seen).value.and_then(MappingFound::exactly);
    let reaches = |change| {
        matches!(
            (change, found),
            (_, Some(Mapping::EndpointIndependent)) | (Change::Port, Some(Mapping::AddressDependent))
        )
    };
    let mut controls =
        Controls { alternate: seen.alternate.clone(), other_port: seen.other_port.clone(), second: None, third: None };
    let silent = |t: &Transaction| matches!(t.outcome, Outcome::Silent);
    if silent(&tests.second) && reaches(Change::Both) {
        controls.second = repeat(shared, places, Change::Both).await;
    }
    if silent(&tests.third) && !matches!(tests.second.outcome, Outcome::Answered(_)) && reaches(Change::Port) {
        controls.third = repeat(shared, places, Change::Port).await;
    }
    controls
}

async fn repeat(shared: &Arc<Shared>, places: &Places, change: Change) -> Option<Transaction> {
    let from = if change == Change::Both { places.alternate } else { places.other_port() };
    let line = Line::open(shared).ok()?;
    line.ask_patiently(from).await.mapped()?;
    let mut all = Transaction { sends: 0, outcome: Outcome::Silent, round_trip: None };
    for _ in 0..ATTEMPTS {
        let one = line.transact(places.primary, &Ask::change(change), from).await;
        all = Transaction { sends: all.sends + one.sends, ..one };
        if !matches!(all.outcome, Outcome::Silent) || shared.loss().proves_silence(all.sends) {
            break;
        }
    }
    Some(all)
}
