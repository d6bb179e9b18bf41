//! `natlab classify`: everything that can be found out from this side about the NATs on the way.
//!
//! Order matters. All servers are asked from one socket; then filtering is tested, each test on a fresh socket, before
//! anything is sent to the alternates of the server; then mapping, the control test, and the rest. [`judge`] draws the
//! conclusions and is pure.

pub mod judge;
pub mod ladder;

mod control;
mod extras;
mod filtering;
mod hairpin;
mod lifetime;
mod mapping;
mod servers;
mod streams;
mod turn;

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use super::limiter::Limiter;
use super::line::{Line, Schedule, Shared};
use super::relay::Relay;
use super::socket::Opener;
use crate::classification::{Family, FamilyFindings, Finding, Server};
use crate::nat::Translation;

pub use super::Places;
pub use ladder::Ladder;

/// A server to ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// As the user wrote it.
    pub name: String,
    /// One address of it, of the family that is asked about.
    pub address: SocketAddr,
}

/// What is asked, of whom, from where.
pub struct Request {
    /// The family; servers of another one are left out with a reason.
    pub family: Family,
    /// At least one; with two on different addresses, mapping can be told without RFC 5780.
    pub servers: Vec<Candidate>,
    /// Where sockets come from.
    pub opener: Arc<dyn Opener>,
    /// A TURN allocation, for filtering without a server with RFC 5780.
    pub relay: Option<Arc<dyn Relay>>,
    /// The rest.
    pub options: Options,
}

/// What is tested, and at which pace.
#[derive(Clone, Debug)]
pub struct Options {
    /// Off by default: some firewalls take a packet to the own external address for an attack and kill sessions.
    pub hairpin: bool,
    /// PADDING of a frame's length.
    pub fragments: bool,
    /// How long mappings live; takes as long as its highest rung.
    pub lifetime: Option<Ladder>,
    /// TCP mapping, and TCP as the control of "UDP is blocked".
    pub tcp: bool,
    /// How many sockets the port behaviour is read from; at least five.
    pub port_sockets: usize,
    /// How many servers with RFC 5780 are tried before it is given up.
    pub behavior_servers: usize,
    /// Of each transaction.
    pub schedule: Schedule,
    /// To be shared with everything else that asks the same servers.
    pub limiter: Arc<Limiter>,
}

impl Default for Options {
    /// Sixteen sockets: enough answers that five silent sends prove something on a path without loss, and that parity is
    /// no coincidence.
    fn default() -> Self {
        Options {
            hairpin: false,
            fragments: true,
            lifetime: None,
            tcp: true,
            port_sockets: 16,
            behavior_servers: 2,
            schedule: Schedule::default(),
            limiter: Arc::new(Limiter::standard()),
        }
    }
}

/// What is being tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Whether servers answer.
    Servers,
    /// External ports of fresh sockets.
    Ports,
    /// Which packets come in; which repeat.
    Filtering(u32),
    /// Whether alternates are alive.
    Control,
    /// How external endpoints depend on whom is spoken to.
    Mapping,
    /// Addresses inside of messages.
    Alg,
    /// Long packets.
    Fragments,
    /// Packets to the own external endpoint.
    Hairpinning,
    /// TCP.
    Tcp,
    /// Filtering, from a TURN server.
    Relay,
    /// Idle mappings; how many seconds it will take.
    Lifetime(u64),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Servers => f.write_str("asking the servers"),
            Step::Ports => f.write_str("port assignment"),
            Step::Filtering(1) => f.write_str("filtering"),
            Step::Filtering(n) => write!(f, "filtering, attempt {n}"),
            Step::Control => f.write_str("control test"),
            Step::Mapping => f.write_str("mapping"),
            Step::Alg => f.write_str("application-level gateways"),
            Step::Fragments => f.write_str("fragments"),
            Step::Hairpinning => f.write_str("hairpinning"),
            Step::Tcp => f.write_str("TCP"),
            Step::Relay => f.write_str("filtering, from the TURN server"),
            Step::Lifetime(s) => write!(f, "mapping lifetime, about {s} s"),
        }
    }
}

/// Told whenever another test begins.
pub type Progress<'a> = &'a (dyn Fn(&Step) + Send + Sync);

/// What was found out.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// About the NATs.
    pub family: FamilyFindings,
    /// About the servers, in the order in which they were given.
    pub servers: Vec<Server>,
}

/// Asks everything; must run on a Tokio runtime with I/O and time.
///
/// Never fails: what could not be found out is a [`Finding`] without a value, with its reason.
pub async fn classify(request: Request, progress: Progress<'_>) -> Found {
    let Request { family, servers, opener, relay, options } = request;
    let shared = Shared::new(opener, Arc::clone(&options.limiter), options.schedule.clone());
    let mut found = Found { family: FamilyFindings::unknown(family), servers: Vec::new() };
    let line = match Line::open(&shared) {
        Ok(line) => line,
        Err(e) => {
            found.family.udp = Finding::inconclusive(format!("no socket: {e}"), "one socket");
            found.servers = servers.into_iter().map(|s| Server::unasked(s.name, Some(s.address))).collect();
            return found;
        }
    };
    found.family.local = Some(line.local().ip());

    progress(&Step::Servers);
    let asked = servers::ask_all(&line, family, &servers).await;
    found.servers = asked.servers.clone();
    let streams = if options.tcp { Some(streams::reachable(&shared, &asked, progress).await) } else { None };
    found.family.udp = servers::udp(&shared, &asked, streams.as_deref());
    let Some(first) = asked.usable.first().copied() else {
        found.family.loss = shared.loss();
        found.family.classic = found.family.classic_name().map(str::to_owned);
        let why = "no server gave a usable answer over UDP";
        servers::leave_open(&mut found.family, why);
        return found;
    };
    let local = line.local();
    let translation = if first.mapped == local { Translation::None } else { Translation::Napt };
    found.family.translation = Finding::known(translation, "RFC 5780 §4.3 test I")
        .with_evidence([format!("{local} is seen as {} by {}", first.mapped, first.address)]);

    progress(&Step::Ports);
    let seen = extras::fresh_sockets(&shared, first.address, options.port_sockets.max(5)).await;
    let all: Vec<(SocketAddr, SocketAddr)> =
        asked.usable.iter().map(|u| (local, u.mapped)).chain(seen.iter().copied()).collect();
    found.family.external = judge::external(&all);
    found.family.ports = judge::ports(&seen);
    found.family.pooling = judge::pooling(translation, &seen);

    let behavior = control::try_servers(&shared, &line, &asked, &mut found, &options, progress).await;
    if let Some(places) = &behavior {
        // What the others saw decides nothing against four endpoints of one server; but who reads it may.
        let others = asked.usable.iter().filter(|u| u.address != places.primary);
        let lines: Vec<String> = others.map(|u| format!("seen as {} by {}", u.mapped, u.address)).collect();
        found.family.mapping.evidence.extend(lines);
    } else {
        progress(&Step::Mapping);
        found.family.mapping = mapping::by_ordinary_servers(&line, &asked).await;
    }
    if let (None, Some(relay)) = (found.family.filtering.value, &relay) {
        progress(&Step::Relay);
        found.family.filtering = turn::filtering(&shared, &**relay, &asked).await;
    }

    progress(&Step::Alg);
    found.family.alg = extras::alg(&line, &first).await;
    if options.fragments {
        progress(&Step::Fragments);
        found.family.fragments = extras::fragments(&shared, first.address, behavior.as_ref()).await;
    }
    if options.hairpin {
        progress(&Step::Hairpinning);
        found.family.hairpinning = hairpin::test(&shared, first.address, &found.family).await;
    }
    if options.tcp {
        progress(&Step::Tcp);
        found.family.tcp.mapping = streams::mapping(&shared, &asked, behavior.as_ref()).await;
    }
    if let Some(ladder) = &options.lifetime {
        progress(&Step::Lifetime(ladder.longest().as_secs()));
        (found.family.lifetime, found.family.inbound_refresh) = lifetime::test(&shared, first.address, ladder).await;
    }
    found.family.loss = shared.loss();
    found.family.classic = found.family.classic_name().map(str::to_owned);
    found
}

#[cfg(test)]
mod tests;
