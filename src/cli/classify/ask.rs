//! Asks everybody: the engine of [`crate::probe`] for each family, the router's services and streams to the servers beside it,
//! and puts together what they say.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use super::name::Name;
use super::progress::Progress;
use super::servers::{Resolved, resolve};
use super::turn::{self, Login, Turn};
use crate::classification::levels::levels;
use crate::classification::{
    Classification, Family, FamilyFindings, Finding, InterfaceKind, PortMapping, Reachability, Server, Status,
};
use crate::probe::device::DeviceSockets;
use crate::probe::host::{self, Chosen, Local};
use crate::probe::relay::Relay;
use crate::probe::turn::Trust;
use crate::probe::{HostSockets, Ladder, Limiter, Opener, Options, Request, port_mapping, reach};

/// What is asked, of whom, from where.
#[derive(Debug)]
pub struct Inquiry {
    /// Servers.
    pub names: Vec<Name>,
    /// Families, IPv4 first.
    pub families: Vec<Family>,
    /// A family is reported although nothing could be asked in it.
    pub insist: bool,
    /// A TURN server.
    pub turn: Option<(Turn, Login)>,
    /// Whose certificates count.
    pub trust: Trust,
    /// Of this host.
    pub interfaces: Vec<Local>,
    /// The one to ask from.
    pub chosen: Option<Chosen>,
    /// Whether to measure how long mappings live.
    pub lifetime: Option<Ladder>,
    /// Whether to test hairpinning.
    pub hairpin: bool,
    /// Whether to test fragments.
    pub fragments: bool,
    /// Whether to ask the router.
    pub port_mapping: bool,
}

/// Asks everything; never fails, since what could not be found out is a finding too.
pub async fn everything(inquiry: &Inquiry, progress: &Progress) -> Classification {
    progress.step(None, "resolving names");
    let resolved = resolve(&inquiry.names, &inquiry.families).await;
    let (turn_server, allocated) = match &inquiry.turn {
        None => (None, None),
        Some((turn, login)) => {
            progress.step(None, "allocating a relay");
            let (server, allocated) = turn::allocate(turn, login, &inquiry.trust, &inquiry.families).await;
            (Some(server), allocated.map(Arc::new))
        }
    };
    // One for both: RFC 5780 limits what a host sends, not what a socket does.
    let limiter = Arc::new(Limiter::standard());
    let asking = inquiry.families.iter().map(|family| {
        let relay = turn_server.as_ref().map(|server| turn::of_family(server, allocated.as_ref(), *family));
        of_family(inquiry, *family, &resolved, relay, Arc::clone(&limiter), progress)
    });
    let answers = futures_util::future::join_all(asking).await;
    if let Some(Err(e)) = match &allocated {
        Some(allocated) => Some(allocated.release().await),
        None => None,
    } {
        tracing::warn!("failed to give back the relay, which ends by itself: {e}");
    }
    let mut all = Classification::default();
    let insist = inquiry.insist || answers.iter().all(|a| a.nothing_asked);
    for answer in answers {
        all.servers.extend(answer.servers);
        if !answer.nothing_asked || insist && !all.families.iter().any(|f| f.udp.value.is_none()) {
            all.families.push(answer.family);
        }
    }
    all.servers.extend(resolved.lost);
    all.servers.extend(turn_server);
    let used: Vec<IpAddr> = all.families.iter().filter_map(|f| f.local).collect();
    all.host = host::describe(&inquiry.interfaces, &used);
    all
}

/// What was found out about one family.
struct Answer {
    family: FamilyFindings,
    servers: Vec<Server>,
    /// There was no server, or no way to any.
    nothing_asked: bool,
}

async fn of_family(
    inquiry: &Inquiry,
    family: Family,
    resolved: &Resolved,
    relay: Option<Result<Arc<dyn Relay>, String>>,
    limiter: Arc<Limiter>,
    progress: &Progress,
) -> Answer {
    let Some(first) = resolved.of(family).next() else {
        return nothing(family, Vec::new(), format!("no server has an {family} address that could be found"));
    };
    let (local, opener) = match opener(inquiry, first.address) {
        Ok(opened) => opened,
        Err(why) => {
            let problem = |r: &super::servers::Resolution| Server {
                problems: vec![why.clone()],
                ..Server::unasked(&r.name.written, Some(r.address))
            };
            let servers = if inquiry.insist { resolved.of(family).map(problem).collect() } else { Vec::new() };
            return nothing(family, servers, why);
        }
    };
    let (relay, no_relay) = match relay {
        Some(Ok(relay)) => (Some(relay), None),
        Some(Err(why)) => (None, Some(why)),
        None => (None, None),
    };
    let request = Request {
        family,
        servers: resolved.candidates_of(family),
        opener: Arc::clone(&opener),
        relay,
        options: Options {
            hairpin: inquiry.hairpin,
            fragments: inquiry.fragments,
            lifetime: inquiry.lifetime.clone(),
            limiter: Arc::clone(&limiter),
            ..Options::default()
        },
    };
    let told = |step: &crate::probe::Step| progress.step(Some(family), step.to_string());
    let (found, streams, router) = tokio::join!(
        crate::probe::classify(request, &told),
        streams(inquiry, family, resolved, &*opener, &limiter),
        router(inquiry, local),
    );
    progress.done(family);
    let mut findings = found.family;
    if let (None, Some(why)) = (findings.filtering.value, no_relay) {
        let because = findings.filtering.because.take().map(|because| format!("{because}; ")).unwrap_or_default();
        findings.filtering.because = Some(because + &why);
    }
    findings.tcp.reachability = streams;
    findings.port_mapping = router;
    let kind = inquiry.interfaces.iter().find(|l| l.interface.addresses.contains(&local)).map(|l| l.interface.kind);
    findings.levels = levels(&findings, kind == Some(InterfaceKind::Vpn));
    Answer { family: findings, servers: found.servers, nothing_asked: false }
}

fn nothing(family: Family, servers: Vec<Server>, why: String) -> Answer {
    let mut findings = FamilyFindings::unknown(family);
    let status = Status::Inconclusive;
    findings.udp = Finding { status, ..Finding::not_tested(why.as_str()) };
    findings.mapping = Finding { status, ..Finding::not_tested(why) };
    Answer { family: findings, servers, nothing_asked: true }
}

/// Where sockets come from: the interface that was chosen, or the one that the routing table chooses.
fn opener(inquiry: &Inquiry, server: SocketAddr) -> Result<(IpAddr, Arc<dyn Opener>), String> {
    let chosen = inquiry.chosen.as_ref();
    let local = host::address_towards(server, chosen).map_err(|e| match e {
        host::NoAddress::Route(..) => format!("failed to {e}"),
        host::NoAddress::Interface(..) => e.to_string(),
    })?;
    Ok(match chosen.and_then(|c| c.device.clone()) {
        Some(device) => (local, Arc::new(DeviceSockets::new(local, device))),
        None => (local, Arc::new(HostSockets::at(local))),
    })
}

/// TCP and TLS to the servers.
async fn streams(
    inquiry: &Inquiry,
    family: Family,
    resolved: &Resolved,
    opener: &dyn Opener,
    limiter: &Limiter,
) -> Vec<Reachability> {
    let place = |r: &super::servers::Resolution| reach::Place {
        server: r.name.written.clone(),
        host: r.name.host.clone(),
        at: r.address,
    };
    let places: Vec<reach::Place> = resolved.of(family).map(place).collect();
    reach::ask(&places, opener, &inquiry.trust, limiter).await
}

/// The services of the router: asked over IPv4, and not where there is none in front, as on loopback.
async fn router(inquiry: &Inquiry, local: IpAddr) -> Vec<PortMapping> {
    match local {
        IpAddr::V4(local) if inquiry.port_mapping && !local.is_loopback() => {
            let gateway = host::gateway_of(&inquiry.interfaces, local);
            port_mapping::ask(&port_mapping::Setup::new(local, gateway)).await
        }
        _ => Vec::new(),
    }
}
