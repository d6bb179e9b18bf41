//! Static port forwards: where they lead, and that no two are in each other's way. Pure.

use super::context::Context;
use super::names;
use crate::nat::{Behavior, Translation, UdpPolicy};
use crate::net::Transport;
use crate::scenario::Forward;
use crate::scenario::file::NatTable;

/// Checks the forwards of one NAT.
pub fn check(context: &mut Context<'_>, name: &str, table: &NatTable, behavior: &Behavior) -> Vec<Forward> {
    let useless = match (table.forward.is_empty(), behavior.translation) {
        (true, _) | (_, Translation::Napt) => None,
        (_, Translation::OneToOne) => Some("a one-to-one NAT forwards every port already, as far as its filter allows"),
        (_, Translation::None) => Some("without translation there is nothing to forward"),
    };
    if let Some(why) = useless {
        let problem = context.key_problem(&["nat", name, "forward"], "nothing reads `forward` here").label(why);
        context.push(problem);
        return Vec::new();
    }
    let mut out: Vec<Forward> = Vec::new();
    for (n, written) in table.forward.iter().enumerate() {
        let place = n.to_string();
        let path = |key| ["nat", name, "forward", &place, key];
        let (Some(protocol), Some(port), Some(to)) = (written.protocol, written.port, &written.to) else { continue };
        let to_port = written.to_port.unwrap_or(port);
        if protocol == Transport::Udp && behavior.udp == UdpPolicy::Blocked {
            let problem = context.problem(&path("protocol"), "UDP is blocked, so nothing arrives to be forwarded");
            context.push(problem);
        }
        if out.iter().any(|f| (f.protocol, f.port) == (protocol, port)) {
            let problem = context.problem(&path("port"), format!("{protocol} port {port} is forwarded already"));
            context.push(problem);
        } else if out.iter().any(|f| (f.protocol, &f.to, f.to_port) == (protocol, to, to_port)) {
            let key = if written.to_port.is_some() { "to-port" } else { "port" };
            let problem = context
                .problem(&path(key), format!("`{to}` has another forward to this port"))
                .label("what it sends could leave through either");
            context.push(problem);
        }
        reaches(context, name, &path("to"), to);
        out.push(Forward { protocol, port, to: to.clone(), to_port });
    }
    out
}

/// A forward leads to a node directly behind its NAT: what stands further in has no address there.
fn reaches(context: &mut Context<'_>, nat: &str, path: &[&str], to: &str) {
    let peers = context.peers.iter().filter(|(_, p)| p.behind.as_deref() == Some(nat)).map(|(name, _)| *name);
    let nats = context.nats.iter().filter(|(_, n)| n.behind.as_deref() == Some(nat)).map(|(name, _)| *name);
    let inside: Vec<&str> = peers.chain(nats).collect();
    if inside.contains(&to) || !context.certain(&["behind", "peer", "nat"]) {
        return;
    }
    let known = context.file.peer.contains_key(to) || context.file.nat.contains_key(to);
    let problem = if known {
        let inside: Vec<String> = inside.iter().map(|n| format!("`{n}`")).collect();
        context
            .problem(path, format!("`{to}` does not stand directly behind `{nat}`"))
            .help(format!("a forward leads to {}", super::words::list(&inside, "or")))
    } else {
        names::unknown(context, path, "node", to, &inside)
    };
    context.push(problem);
}
