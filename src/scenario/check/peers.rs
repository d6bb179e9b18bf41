//! Peers: their agents and the servers they are given. Pure.

use super::context::Context;
use super::{names, servers};
use crate::net::Transport;
use crate::scenario::diagnostic::nearest;
use crate::scenario::file::{AgentEntry, Given, PeerTable};
use crate::scenario::{AgentProgram, ServerKind};
use crate::scenario::{Loss, Peer, Server};

/// Checks every peer; gives them in the order of the file.
pub fn check(context: &mut Context<'_>, servers: &[Server]) -> Vec<Peer> {
    let tables = context.peers.clone();
    let peers: Vec<Peer> = tables.into_iter().map(|(name, table)| one(context, name, table, servers)).collect();
    unused_servers(context, &peers, servers);
    peers
}

fn one(context: &mut Context<'_>, name: &str, table: &PeerTable, servers: &[Server]) -> Peer {
    let stun = given(context, name, "stun", table.stun.as_ref(), servers);
    let turn = given(context, name, "turn", table.turn.as_ref(), servers);
    let turn = transports(context, name, table, &turn);
    Peer {
        name: name.to_owned(),
        behind: table.behind.clone(),
        address: table.address,
        agent: agent(context, name, &table.agent),
        stun: stun.into_iter().map(|s| s.name.clone()).collect(),
        credentials: credentials(context, name, table, &turn),
        turn: turn.into_iter().map(|(s, transport)| (s.name.clone(), transport)).collect(),
        ice_role: table.ice_role,
        policy: table.policy,
        loss: table.loss.as_ref().map(Loss::from).unwrap_or_default(),
    }
}

fn agent(context: &mut Context<'_>, name: &str, entry: &AgentEntry) -> AgentProgram {
    let command = match entry {
        AgentEntry::Builtin(builtin) => return AgentProgram::Builtin(builtin.name().to_owned()),
        AgentEntry::Program(program) => &program.command,
    };
    if command.first().is_some_and(|program| program.trim().is_empty()) {
        let problem = context.problem(&["peer", name, "agent", "command", "0"], "the program has no name");
        context.push(problem);
    }
    for (n, _) in command.iter().enumerate().filter(|(_, argument)| argument.contains('\0')) {
        let path = ["peer", name, "agent", "command", &n.to_string()];
        let problem = context.problem(&path, "a program's arguments cannot have a null character");
        context.push(problem);
    }
    AgentProgram::Command(command.clone())
}

/// The servers that `stun` or `turn` of a peer stands for.
fn given<'s>(
    context: &mut Context<'_>,
    peer: &str,
    key: &str,
    entry: Option<&Given>,
    servers: &'s [Server],
) -> Vec<&'s Server> {
    let kind = if key == "stun" { ServerKind::Stun } else { ServerKind::Turn };
    let of_kind: Vec<&Server> = servers.iter().filter(|s| s.kind == kind).collect();
    let named = match entry {
        Some(Given::All(false)) => return Vec::new(),
        Some(Given::All(true)) => {
            if of_kind.is_empty() && context.certain(&["type", "server"]) {
                let what = key.to_uppercase();
                let problem = context
                    .problem(&["peer", peer, key], format!("the scenario has no {what} server to give"))
                    .help(format!("add `[server.NAME]` with `type = \"{key}\"`"));
                context.push(problem);
            }
            return of_kind;
        }
        None => return of_kind,
        Some(Given::Named(named)) => named,
    };
    let mut out: Vec<&Server> = Vec::new();
    for (n, name) in named.iter().enumerate() {
        let n = n.to_string();
        let path = ["peer", peer, key, &n];
        let problem = match servers.iter().find(|s| s.name == *name) {
            // Its kind may be what could not be read.
            None if context.file.server.contains_key(name) => continue,
            None => {
                let all: Vec<&str> = context.servers.iter().map(|(name, _)| *name).collect();
                names::unknown(context, &path, "server", name, &all)
            }
            Some(server) if kind == ServerKind::Turn && server.kind == ServerKind::Stun => context
                .problem(&path, format!("`{name}` is a STUN server and cannot relay"))
                .related(context.places.value(&["server", name, "type"]), "its type")
                .help("name a server of `type = \"turn\"`"),
            Some(server) if out.contains(&server) => context.problem(&path, format!("`{name}` is named twice")),
            Some(server) => {
                out.push(server);
                continue;
            }
        };
        context.push(problem);
    }
    out
}

/// Each TURN server with each transport to use, the preferred one first.
fn transports<'s>(
    context: &mut Context<'_>,
    peer: &str,
    table: &PeerTable,
    turn: &[&'s Server],
) -> Vec<(&'s Server, Transport)> {
    let Some(wanted) = &table.turn_transport else {
        let preferred =
            |s: &Server| if s.transports.contains(&Transport::Udp) { Transport::Udp } else { Transport::Tcp };
        return turn.iter().map(|s| (*s, preferred(s))).collect();
    };
    let wanted = wanted.as_slice();
    if let [first, second, ..] = wanted
        && (first == second || wanted.len() > 2)
    {
        let problem = context.problem(&["peer", peer, "turn-transport"], "a transport is named twice");
        context.push(problem);
    }
    unread_without_turn(context, peer, "turn-transport", turn.is_empty());
    let mut out = Vec::new();
    for server in turn {
        for transport in wanted {
            if server.transports.contains(transport) {
                out.push((*server, *transport));
            } else {
                let name = server.name.as_str();
                let problem = context
                    .problem(&["peer", peer, "turn-transport"], format!("server `{name}` does not serve {transport}"))
                    .related(context.places.value(&["server", name, "transports"]), "what it serves");
                context.push(problem);
            }
        }
    }
    out
}

/// Credentials other than the server's, where the peer has any.
fn credentials(
    context: &mut Context<'_>,
    peer: &str,
    table: &PeerTable,
    turn: &[(&Server, Transport)],
) -> Option<(String, String)> {
    for (key, value) in [("username", &table.username), ("password", &table.password)] {
        if let Some(value) = value {
            unread_without_turn(context, peer, key, turn.is_empty());
            servers::credential(context, &["peer", peer, key], value);
        }
    }
    if table.username.is_none() && table.password.is_none() {
        return None;
    }
    let (first, _) = turn.first()?;
    if table.username.is_none() != table.password.is_none() {
        let differs = turn
            .iter()
            .any(|(s, _)| if table.username.is_none() { s.user != first.user } else { s.password != first.password });
        if differs {
            let (has, lacks) =
                if table.username.is_none() { ("password", "username") } else { ("username", "password") };
            let problem = context
                .key_problem(&["peer", peer, has], format!("its servers differ in their {lacks}"))
                .help(format!("state `{lacks}` as well"));
            context.push(problem);
        }
    }
    Some((
        table.username.clone().unwrap_or_else(|| first.user.clone()),
        table.password.clone().unwrap_or_else(|| first.password.clone()),
    ))
}

fn unread_without_turn(context: &mut Context<'_>, peer: &str, key: &str, no_turn: bool) {
    if no_turn && context.certain(&["turn", "server", "type"]) {
        let problem = context
            .key_problem(&["peer", peer, key], format!("nothing reads `{key}` here"))
            .label(format!("`{peer}` is given no TURN server"));
        context.push(problem);
    }
}

fn unused_servers(context: &mut Context<'_>, peers: &[Peer], servers: &[Server]) {
    if !context.certain(&["stun", "turn", "peer", "turn-transport"]) {
        return;
    }
    let all: Vec<&str> = servers.iter().map(|s| s.name.as_str()).collect();
    // A misspelt name is one use of what it was meant to be.
    let named = |peer: &PeerTable, server: &str| {
        [&peer.stun, &peer.turn].into_iter().flatten().any(|given| match given {
            Given::Named(names) => names.iter().any(|n| n == server || nearest(n, all.iter().copied()) == Some(server)),
            Given::All(_) => false,
        })
    };
    for server in servers {
        let name = server.name.as_str();
        let given = peers.iter().any(|p| p.stun.iter().any(|s| s == name) || p.turn.iter().any(|(s, _)| s == name))
            || context.peers.iter().any(|(_, table)| named(table, name));
        // Where a peer wants a transport that the server lacks, that is what is wrong.
        let refused =
            context.peers.iter().any(|(_, p)| p.turn_transport.is_some() && p.turn != Some(Given::All(false)));
        if !given && (server.kind == ServerKind::Stun || !refused) {
            let problem = context
                .key_problem(&["server", name], format!("no peer is given server `{name}`"))
                .help("give it to a peer, or leave the server out");
            context.push(problem);
        }
    }
}
