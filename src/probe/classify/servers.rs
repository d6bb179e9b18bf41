//! Which servers answer, and what each can be used for.

use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;

use super::judge;
use super::{Candidate, Places};
use crate::classification::{
    Family, FamilyFindings, Finding, NEGATIVE_LIMIT, Reachability, Reached, Server, ServerRole, Status,
};
use crate::nat::UdpPolicy;
use crate::probe::line::{Junk, Line, Outcome, Shared};

/// A server whose answers can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Usable {
    /// Which of those asked.
    pub index: usize,
    /// Where it answers.
    pub address: SocketAddr,
    /// What it saw of the socket that asked all.
    pub mapped: SocketAddr,
    /// Its places, when it says that it has an alternate address.
    pub places: Option<Places>,
}

/// All servers, asked from one socket.
pub(super) struct Asked {
    /// In the order in which they were given.
    pub servers: Vec<Server>,
    /// Those of use, in the same order.
    pub usable: Vec<Usable>,
    /// How many requests were sent to those that fell silent.
    pub silent_sends: u32,
}

/// Asks each server twice, all at once: the limiter keeps them apart.
pub(super) async fn ask_all(line: &Line, family: Family, candidates: &[Candidate]) -> Asked {
    let asking = candidates.iter().map(|c| ask(line, family, c));
    let answers = join_all(asking).await;
    let mut asked = Asked { servers: Vec::new(), usable: Vec::new(), silent_sends: 0 };
    for (index, (server, usable, silent_sends)) in answers.into_iter().enumerate() {
        asked.servers.push(server);
        asked.usable.extend(usable.map(|u| Usable { index, ..u }));
        asked.silent_sends += silent_sends;
    }
    asked
}

async fn ask(line: &Line, family: Family, candidate: &Candidate) -> (Server, Option<Usable>, u32) {
    let at = candidate.address;
    let mut server = Server::unasked(&candidate.name, Some(at));
    if Family::of(at.ip()) != family {
        server.problems.push(format!("its address is not {family}"));
        return (server, None, 0);
    }
    let first = line.ask_patiently(at).await;
    let Outcome::Answered(success) = &first.outcome else {
        let junk = line.junk(at);
        server.problems.push(judge::no_answer(at, &first.outcome, junk));
        let silent = matches!(first.outcome, Outcome::Silent) && junk == Junk::default();
        return (server, None, if silent { first.sends } else { 0 });
    };
    let second = line.ask_patiently(at).await;
    server.round_trip_ms = first.round_trip.into_iter().chain(second.round_trip).min().map(|d| d.as_secs_f64() * 1e3);
    server.software.clone_from(&success.software);
    server.mapped = success.mapped();
    server.other_address = success.other_address;
    server.origin_differs = success.origin.filter(|origin| *origin != at);
    let (places, problems) = judge::sanity(at, line.local(), success, second.mapped());
    server.problems.extend(problems.iter().map(|p| p.text.clone()));
    let mapped = success.mapped().filter(|_| !problems.iter().any(|p| p.fatal));
    server.role = match (mapped, places) {
        (None, _) => ServerRole::Unusable,
        (Some(_), None) => ServerRole::Ordinary,
        (Some(_), Some(_)) => ServerRole::Behavior,
    };
    let usable = mapped.map(|mapped| Usable { index: 0, address: at, mapped, places });
    (server, usable, 0)
}

/// Whether UDP passes.
///
/// Silence of one server may be the server's; so "blocked" takes two of them on different addresses, or one that answers
/// over TCP and not over UDP. How much is lost cannot be measured where nothing comes back: a path that loses more than half
/// of its round trips is taken for none.
pub(super) fn udp(shared: &Arc<Shared>, asked: &Asked, streams: Option<&[Reachability]>) -> Finding<UdpPolicy> {
    const METHOD: &str = "RFC 5780 §4.3 test I";
    if shared.heard() > 0 {
        return Finding::known(UdpPolicy::Allowed, METHOD);
    }
    let addresses: std::collections::BTreeSet<_> =
        asked.servers.iter().filter_map(|s| s.address).map(|a| a.ip()).collect();
    let by_stream = streams.unwrap_or_default().iter().find(|s| s.reached == Reached::Answers);
    let problems = asked.servers.iter().flat_map(|s| s.problems.iter().map(move |p| format!("{}: {p}", s.name)));
    let chance = 0.5f64.powi(asked.silent_sends.try_into().unwrap_or(i32::MAX));
    let blocked = Finding::likely(UdpPolicy::Blocked, chance, METHOD);
    let finding = match by_stream {
        _ if asked.silent_sends == 0 || chance >= NEGATIVE_LIMIT => {
            Finding::inconclusive("no request could be sent, or no server was asked", METHOD)
        }
        Some(stream) => blocked.with_evidence([format!("{} answers over TCP and not over UDP", stream.at)]),
        None if addresses.len() >= 2 => blocked,
        None => Finding::inconclusive(
            "the only server is silent: UDP may be blocked, or the server down; ask a second one",
            METHOD,
        ),
    };
    finding.with_evidence(problems)
}

/// Every axis that was not tested has no value for this reason.
pub(super) fn leave_open(family: &mut FamilyFindings, why: &str) {
    fn open<T>(finding: &mut Finding<T>, why: &str) {
        if finding.status == Status::NotTested {
            finding.because = Some(why.to_owned());
        }
    }
    family.mapping = Finding::inconclusive(why, "RFC 5780 §4.3 test I");
    open(&mut family.translation, why);
    open(&mut family.filtering, why);
    open(&mut family.pooling, why);
    open(&mut family.alg, why);
    open(&mut family.ports.preservation, why);
    open(&mut family.ports.parity, why);
    open(&mut family.ports.sequence, why);
    open(&mut family.ports.observed, why);
    open(&mut family.fragments.inbound, why);
    open(&mut family.fragments.outbound, why);
}
