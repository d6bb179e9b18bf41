//! STUN and TURN servers. Pure.

use super::context::Context;
use crate::net::Transport;
use crate::scenario::file::ServerTable;
use crate::scenario::{Implementation, ServerKind};
use crate::scenario::{Loss, Server};

/// The port of STUN and TURN (RFC 8489 section 18.6).
const DEFAULT_PORT: u16 = 3478;
/// User name and password that a TURN server accepts where the scenario does not say.
const DEFAULT_CREDENTIAL: &str = "natlab";
/// The most servers in a scenario.
const MOST: usize = 16;

/// Checks every server; gives those whose kind is known, in the order of the file.
pub fn check(context: &mut Context<'_>) -> Vec<Server> {
    let tables = context.servers.clone();
    if let Some((name, _)) = tables.get(MOST) {
        let problem = context.key_problem(
            &["server", name],
            format!("at most {MOST} servers, this scenario has {}", context.file.server.len()),
        );
        context.push(problem);
    }
    tables.into_iter().filter_map(|(name, table)| Some(one(context, name, table, table.kind?))).collect()
}

fn one(context: &mut Context<'_>, name: &str, table: &ServerTable, kind: ServerKind) -> Server {
    let transports = table.transports.clone().unwrap_or_else(|| match kind {
        ServerKind::Stun => vec![Transport::Udp],
        ServerKind::Turn => vec![Transport::Udp, Transport::Tcp],
    });
    if transports.len() == 2 && transports.first() == transports.last() {
        let problem = context.problem(&["server", name, "transports", "1"], "this transport is named twice");
        context.push(problem);
    }
    match kind {
        ServerKind::Stun => only_stun(context, name, table, &transports),
        ServerKind::Turn => only_turn(context, name, table),
    }
    if let Some([first, second]) = table.addresses.as_deref()
        && first == second
    {
        let problem = context.problem(&["server", name, "addresses", "1"], "both addresses are the same");
        context.push(problem);
    }
    for (key, value) in [("username", &table.username), ("password", &table.password)] {
        if let Some(value) = value {
            credential(context, &["server", name, key], value);
        }
    }
    Server {
        name: name.to_owned(),
        kind,
        implementation: table.implementation,
        addresses: table.addresses.clone().unwrap_or_default(),
        port: table.port.unwrap_or(DEFAULT_PORT),
        transports,
        user: table.username.clone().unwrap_or_else(|| DEFAULT_CREDENTIAL.to_owned()),
        password: table.password.clone().unwrap_or_else(|| DEFAULT_CREDENTIAL.to_owned()),
        loss: table.loss.as_ref().map(Loss::from).unwrap_or_default(),
    }
}

fn only_stun(context: &mut Context<'_>, name: &str, table: &ServerTable, transports: &[Transport]) {
    if table.implementation == Implementation::Coturn {
        let problem = context
            .problem(&["server", name, "implementation"], "coturn stands in for a TURN server only")
            .help(format!(
                "it answers STUN requests as a TURN server too: `type = \"turn\"`, `stun = [\"{name}\"]` at the peers"
            ));
        context.push(problem);
    }
    if transports.contains(&Transport::Tcp) {
        let at = transports.iter().position(|t| *t == Transport::Tcp).unwrap_or(0).to_string();
        let problem = context
            .problem(&["server", name, "transports", &at], "agents ask a STUN server over UDP only")
            .help("a TURN server can be reached over TCP");
        context.push(problem);
    }
    for (key, stated) in [("username", table.username.is_some()), ("password", table.password.is_some())] {
        if stated {
            let problem = context
                .key_problem(&["server", name, key], format!("nothing reads `{key}` here"))
                .label("a STUN server asks for no credentials");
            context.push(problem);
        }
    }
}

fn only_turn(context: &mut Context<'_>, name: &str, table: &ServerTable) {
    let several = table.addresses.as_ref().is_some_and(|a| a.len() > 1);
    if several && table.implementation == Implementation::Natlab {
        let problem = context
            .problem(&["server", name, "addresses", "1"], "nothing reads this address")
            .help("natlab's TURN server has one address; a STUN server and coturn have two");
        context.push(problem);
    }
}

/// User names and passwords go into configuration files and command lines of servers.
pub fn credential(context: &mut Context<'_>, path: &[&str], value: &str) {
    let fits = !value.is_empty()
        && value.len() <= 128
        && value.chars().all(|c| c.is_ascii_graphic() && !matches!(c, ':' | '#' | '"' | '\\' | '='));
    if !fits {
        let problem = context
            .problem(path, "this cannot be a user name or password of a lab")
            .help("1 to 128 visible ASCII characters without `:`, `#`, `=`, `\"` and `\\`");
        context.push(problem);
    }
}
