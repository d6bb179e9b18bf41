//! The two peers of a trial: as the lab starts them, and as the model sees them.

use std::collections::BTreeMap;
use std::net::SocketAddrV4;

use super::address::Addressing;
use super::tree::Tree;
use super::{Peer, PlanProblem};
use crate::nat::{Behavior, Filtering, Tcp};
use crate::net::Transport;
use crate::oracle::{Shared, Side, Situation};
use crate::protocol::IceServer;
use crate::scenario::{self, Scenario};

/// A host with a public address of its own and nothing in front of it.
const PUBLIC: Behavior = Behavior::public(Filtering::EndpointIndependent);

/// Both peers, by name.
pub fn peers(
    scenario: &Scenario,
    tree: &Tree<'_>,
    addressing: &Addressing,
) -> Result<BTreeMap<String, Peer>, Vec<PlanProblem>> {
    let mut problems = Vec::new();
    let mut peers = BTreeMap::new();
    for peer in &scenario.peers {
        let behind = tree.way_out(peer.behind.as_deref()).map(|n| n.name.clone()).collect();
        let mut ice_servers = Vec::new();
        let uses = peer.stun.iter().map(|name| (name, None));
        for (name, transport) in uses.chain(peer.turn.iter().map(|(name, transport)| (name, Some(*transport)))) {
            let server = scenario.servers.iter().find(|s| s.name == *name);
            let (Some(server), Some(address)) = (server, addressing.of(name).first()) else {
                problems.push(PlanProblem::NoSuchServer { peer: peer.name.clone(), server: name.clone() });
                continue;
            };
            let needed = transport.unwrap_or(Transport::Udp);
            if !server.transports.contains(&needed) {
                let (peer, server) = (peer.name.clone(), name.clone());
                problems.push(PlanProblem::NotServed { peer, server, transport: needed });
            }
            let endpoint = SocketAddrV4::new(*address, server.port);
            ice_servers.push(match transport {
                None => IceServer { urls: vec![format!("stun:{endpoint}")], username: None, credential: None },
                Some(transport) => {
                    let (user, password) = credentials(peer, server);
                    IceServer {
                        urls: vec![format!("turn:{endpoint}?transport={transport}")],
                        username: Some(user.to_owned()),
                        credential: Some(password.to_owned()),
                    }
                }
            });
        }
        let Some(address) = addressing.of(&peer.name).first().copied() else { continue };
        peers.insert(
            peer.name.clone(),
            Peer {
                behind,
                behavior: tree.composite(peer.behind.as_deref()).unwrap_or(PUBLIC),
                address,
                agent: peer.agent.clone(),
                ice_servers,
                wrong_credentials: wrong_credentials(scenario, peer),
                ice_role: peer.ice_role,
                policy: peer.policy.unwrap_or(scenario.ice.policy),
            },
        );
    }
    if problems.is_empty() { Ok(peers) } else { Err(problems) }
}

/// A trial as the model sees it.
pub fn situation(scenario: &Scenario, tree: &Tree<'_>, offerer: &str, answerer: &str) -> Situation {
    let peer = |name: &str| scenario.peers.iter().find(|p| p.name == name);
    let behind = |name: &str| peer(name).and_then(|p| p.behind.as_deref());
    let side = |name: &str| {
        let gateways = tree.way_out(behind(name)).map(|n| left_when_answered(n.behavior, scenario)).collect();
        let forwarded = |p| forwarded(tree, p);
        peer(name)
            .map_or_else(|| Side::new(Vec::new()), |p| Side { forwarded: forwarded(p), ..side(scenario, p, gateways) })
    };
    Situation {
        offerer: side(offerer),
        answerer: side(answerer),
        shared: shared(tree, behind(offerer), behind(answerer)),
        gathering: scenario.ice.gathering,
    }
}

/// Ports below this are none that an agent or a NAT chooses by itself.
const FIRST_CHOSEN_PORT: u16 = 20_000;

/// A gateway with what is left of its lifetimes when an answer comes that was held back: until then nothing is sent
/// through mappings that were made for the offer.
fn left_when_answered(behavior: Behavior, scenario: &Scenario) -> Behavior {
    let delay = scenario.ice.answer_delay_ms;
    let left = |lifetime: u64| lifetime.saturating_sub(delay);
    let tcp = Tcp { lifetime_ms: left(behavior.tcp().lifetime_ms), ..behavior.tcp() };
    Behavior { lifetime_ms: left(behavior.lifetime_ms), tcp: behavior.tcp.map(|_| tcp), ..behavior }
}

/// Gateways, by their places on the way out, that forward a UDP port which a peer's agent may happen to use: any port where
/// natlab does not know the agent, else one of those that hosts and NATs choose by themselves.
fn forwarded(tree: &Tree<'_>, peer: &scenario::Peer) -> Vec<usize> {
    let foreign = matches!(peer.agent, scenario::AgentProgram::Command(_));
    let mut inner = peer.name.as_str();
    let mut out = Vec::new();
    for (place, nat) in tree.way_out(peer.behind.as_deref()).enumerate() {
        let hits = |f: &scenario::Forward| {
            f.protocol == Transport::Udp && f.to == inner && (foreign || f.to_port >= FIRST_CHOSEN_PORT)
        };
        if nat.forwards.iter().any(hits) {
            out.push(place);
        }
        inner = &nat.name;
    }
    out
}

fn side(scenario: &Scenario, peer: &scenario::Peer, gateways: Vec<Behavior>) -> Side {
    let wrong_credentials = wrong_credentials(scenario, peer);
    let turn = peer.turn.iter().filter(|(name, _)| wrong_credentials || accepted(scenario, peer, name));
    Side {
        gateways,
        stun: !peer.stun.is_empty(),
        turn: turn.map(|(_, transport)| *transport).collect(),
        wrong_credentials,
        policy: peer.policy.unwrap_or(scenario.ice.policy),
        ice_role: peer.ice_role,
        forwarded: Vec::new(),
    }
}

/// What both stand behind.
fn shared(tree: &Tree<'_>, offerer: Option<&str>, answerer: Option<&str>) -> Option<Shared> {
    let innermost = tree.way_out(offerer).find(|n| tree.way_out(answerer).any(|m| m.name == n.name))?;
    let gateways = tree.way_out(Some(&innermost.name)).count();
    Some(Shared { gateways, isolated: innermost.isolated })
}

/// What a peer says to a TURN server: its own credentials where the scenario gives it some, else the server's.
fn credentials<'a>(peer: &'a scenario::Peer, server: &'a scenario::Server) -> (&'a str, &'a str) {
    match &peer.credentials {
        Some((user, password)) => (user, password),
        None => (&server.user, &server.password),
    }
}

fn accepted(scenario: &Scenario, peer: &scenario::Peer, server: &str) -> bool {
    let server = scenario.servers.iter().find(|s| s.name == server);
    server.is_some_and(|s| credentials(peer, s) == (s.user.as_str(), s.password.as_str()))
}

/// Whether every TURN server of a peer refuses it.
fn wrong_credentials(scenario: &Scenario, peer: &scenario::Peer) -> bool {
    !peer.turn.is_empty() && !peer.turn.iter().any(|(name, _)| accepted(scenario, peer, name))
}
