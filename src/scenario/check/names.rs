//! Names of nodes, of the scenario and of those who offer; the number of peers. Pure.

use std::collections::BTreeMap;

use super::context::Context;
use super::words;
use crate::scenario::diagnostic::nearest;
use crate::scenario::file::BOTH;

/// Names that no node of a scenario may have, and why.
const RESERVED: [(&str, &str); 2] =
    [("internet", "the router in the middle has this name"), (BOTH, "in `offers` it stands for both peers")];
const LONGEST_NODE_NAME: usize = 32;
const LONGEST_SCENARIO_NAME: usize = 64;

/// Whether a name can be one of a network namespace, of a directory and a part of a trial's id.
fn fits(name: &str, longest: usize) -> bool {
    name.len() <= longest
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

fn rule(longest: usize) -> String {
    format!("a name begins with a letter or a digit and has letters, digits, `.`, `_` and `-`, at most {longest}")
}

/// Checks the names of nodes and the number of peers.
pub fn check(context: &mut Context<'_>) {
    let peers = context.peers.iter().map(|(name, _)| ("peer", *name));
    let nats = context.nats.iter().map(|(name, _)| ("nat", *name));
    let servers = context.servers.iter().map(|(name, _)| ("server", *name));
    let mut nodes: Vec<_> = peers.chain(nats).chain(servers).collect();
    nodes.sort_by_key(|(kind, name)| context.places.order(&[kind, name]));

    let mut taken: BTreeMap<&str, &str> = BTreeMap::new();
    for (kind, name) in nodes {
        let problem = if !fits(name, LONGEST_NODE_NAME) {
            context
                .key_problem(&[kind, name], format!("`{name}` cannot be the name of a node"))
                .help(rule(LONGEST_NODE_NAME))
        } else if let Some((_, why)) = RESERVED.iter().find(|(reserved, _)| *reserved == name) {
            context.key_problem(&[kind, name], format!("the name `{name}` is reserved")).label(*why)
        } else if let Some(first) = taken.get(name) {
            context
                .key_problem(&[kind, name], format!("the name `{name}` is taken"))
                .label(format!("{} here", article(kind)))
                .related(context.places.key(&[first, name]), format!("{} there", article(first)))
                .help("names are unique over peers, NATs and servers")
        } else {
            taken.insert(name, kind);
            continue;
        };
        context.push(problem);
    }

    let count = context.file.peer.len();
    if count != 2 && context.certain(&["peer"]) {
        let third = context.peers.get(2).map(|(name, _)| *name);
        let problem = match (count, third) {
            (_, Some(third)) => {
                context.key_problem(&["peer", third], format!("a scenario has two peers, this one has {count}"))
            }
            (1, None) => context.problem(&["peer"], "a scenario has two peers, this one has one"),
            _ => context.problem(&[], "a scenario has two peers, this one has none"),
        };
        let help = if third.is_some() { "run each pair as a scenario of its own" } else { "add a table `[peer.NAME]`" };
        context.push(problem.help(help));
    }
}

fn article(kind: &str) -> String {
    match kind {
        "nat" => "a NAT".to_owned(),
        other => format!("a {other}"),
    }
}

/// The peers that offer, in the order they run.
pub fn offerers(context: &mut Context<'_>) -> Vec<String> {
    let peers: Vec<&str> = context.peers.iter().map(|(name, _)| *name).collect();
    let written = context.file.offers.as_slice();
    if let [only] = written
        && only == BOTH
    {
        return peers.iter().map(|name| (*name).to_owned()).collect();
    }
    let mut out: Vec<String> = Vec::new();
    for (n, name) in written.iter().enumerate() {
        let n = n.to_string();
        let problem = if name == BOTH {
            context
                .problem(&["offers", &n], "`both` already stands for both peers")
                .help(format!("write `offers = \"{BOTH}\"`, or the names of peers"))
        } else if out.contains(name) {
            context
                .problem(&["offers", &n], format!("`{name}` is named twice"))
                .help("`repeats` runs a direction often")
        } else if !peers.contains(&name.as_str()) {
            if !context.certain(&["peer"]) {
                continue;
            }
            unknown(context, &["offers", &n], "peer", name, &peers)
        } else {
            out.push(name.clone());
            continue;
        };
        context.push(problem);
    }
    out
}

/// A reference that leads nowhere, with the nearest name or all of them.
pub fn unknown(
    context: &Context<'_>,
    path: &[&str],
    what: &str,
    name: &str,
    names: &[&str],
) -> crate::scenario::diagnostic::Problem {
    let problem = context.problem(path, format!("no {what} has the name `{name}`"));
    match nearest(name, names.iter().copied()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None if names.is_empty() => problem.help(format!("the scenario has no {what}")),
        None => {
            let names: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
            problem.help(format!("the scenario has {}", words::list(&names, "and")))
        }
    }
}

/// The scenario's name: its own, else the file's stem with everything that does not fit as `-`.
pub fn of_scenario(context: &mut Context<'_>) -> String {
    if let Some(name) = &context.file.name {
        if !fits(name, LONGEST_SCENARIO_NAME) {
            let problem = context
                .problem(&["name"], format!("`{name}` cannot be the name of a scenario"))
                .help(rule(LONGEST_SCENARIO_NAME));
            context.push(problem);
        }
        return name.clone();
    }
    let base = context.name().rsplit(['/', '\\']).next().unwrap_or_default();
    let stem = base.strip_suffix(".toml").unwrap_or(base);
    let fitting = stem.chars().map(|c| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' });
    let name: String = fitting.skip_while(|c| !c.is_ascii_alphanumeric()).take(LONGEST_SCENARIO_NAME).collect();
    if name.is_empty() { "scenario".to_owned() } else { name }
}
