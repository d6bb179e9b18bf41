//! NATs and firewalls: what each does, and how they stand behind each other. Pure.

use super::context::Context;
use super::names;
use crate::nat::preset;
use crate::nat::{Behavior, Filtering, Mapping, Semantics, Translation, UdpPolicy};
use crate::scenario::Nat;
use crate::scenario::diagnostic::nearest;
use crate::scenario::file::NatTable;

/// The shortest lifetime of a mapping that a lab can keep, in milliseconds.
const SHORTEST_LIFETIME: u64 = 200;
/// The most NATs one behind the other.
const DEEPEST: usize = 8;
/// The most NATs: two peers behind as many as possible.
const MOST: usize = 2 * DEEPEST;

/// Checks every NAT; gives them in the order of the file.
pub fn check(context: &mut Context<'_>) -> Vec<Nat> {
    let tables = context.nats.clone();
    if let Some((name, _)) = tables.get(MOST) {
        let count = context.file.nat.len();
        let problem = context.key_problem(&["nat", name], format!("at most {MOST} NATs, this scenario has {count}"));
        context.push(problem);
    }
    let mut out = Vec::new();
    for (name, table) in &tables {
        let behavior = behavior(context, name, table);
        axes_in_use(context, name, table, &behavior);
        out.push(Nat {
            name: (*name).to_owned(),
            preset: table.preset.clone(),
            behavior,
            behind: table.behind.clone(),
            address: table.address,
            isolated: table.isolated,
        });
    }
    references(context);
    cycles(context);
    unused(context);
    isolation(context);
    out
}

/// Preset and axes together.
fn behavior(context: &mut Context<'_>, name: &str, table: &NatTable) -> Behavior {
    let named = table.preset.as_deref().and_then(|p| Some((p, preset::find(p)?.behavior)));
    let stated =
        table.mapping.is_some() || table.filtering.is_some() || table.translation.is_some() || table.udp.is_some();
    if named.is_none() && !stated && context.certain(&["preset", "mapping", "filtering", "translation", "udp"]) {
        let problem = context
            .problem(&["nat", name], format!("nat `{name}` does not say what it does"))
            .help("name a behaviour (`preset = \"symmetric\"`) or state `mapping` and `filtering`");
        context.push(problem);
    }
    if let Some((preset, behavior)) = named {
        contradictions(context, name, table, preset, &behavior);
    }

    let translation = table.translation.or(named.map(|(_, b)| b.translation)).unwrap_or(Translation::Napt);
    let mapping = table.mapping.or(named.map(|(_, b)| b.mapping)).unwrap_or(Mapping::EndpointIndependent);
    let filtering = table.filtering.or(named.map(|(_, b)| b.filtering)).unwrap_or(Filtering::AddressAndPortDependent);
    let start = match (translation, named) {
        (_, Some((_, b))) if (b.translation, b.mapping, b.filtering) == (translation, mapping, filtering) => b,
        (Translation::Napt, _) => Behavior::napt(mapping, filtering),
        (Translation::OneToOne, _) => Behavior::one_to_one(filtering),
        (Translation::None, _) => Behavior::public(filtering),
    };
    if translation == Translation::None && mapping != Mapping::EndpointIndependent {
        let path = ["nat", name, if table.mapping.is_some() { "mapping" } else { "translation" }];
        let problem = context
            .problem(&path, "without translation there is no mapping to depend on the destination")
            .help("leave out `mapping`, or `translation`");
        context.push(problem);
    }
    Behavior {
        translation,
        udp: table.udp.or(named.map(|(_, b)| b.udp)).unwrap_or(UdpPolicy::Allowed),
        ports: table.ports.unwrap_or(start.ports),
        hairpinning: table.hairpinning.unwrap_or(start.hairpinning),
        semantics: table.semantics.unwrap_or(start.semantics),
        lifetime_ms: table.lifetime.map_or(start.lifetime_ms, |l| l.0),
        ..start
    }
}

/// An axis may add to a preset; one that says something else than its name does would make the name a lie.
fn contradictions(context: &mut Context<'_>, name: &str, table: &NatTable, preset: &str, behavior: &Behavior) {
    let blocked = behavior.udp == UdpPolicy::Blocked;
    let different = [
        ("mapping", !blocked && table.mapping.is_some_and(|m| m != behavior.mapping), behavior.mapping.to_string()),
        (
            "filtering",
            !blocked && table.filtering.is_some_and(|f| f != behavior.filtering),
            behavior.filtering.to_string(),
        ),
        (
            "translation",
            !blocked && table.translation.is_some_and(|t| t != behavior.translation),
            if behavior.translation == Translation::None { "none" } else { "napt" }.to_owned(),
        ),
        ("udp", blocked && table.udp == Some(UdpPolicy::Allowed), "blocked".to_owned()),
    ];
    for (axis, _, says) in different.into_iter().filter(|(_, differs, _)| *differs) {
        let problem = context
            .problem(&["nat", name, axis], format!("`{axis}` contradicts the preset `{preset}`"))
            .related(context.places.value(&["nat", name, "preset"]), format!("{axis} {}", says.to_lowercase()))
            .help("leave out `preset` and state the axes, or take the preset that has them");
        context.push(problem);
    }
}

/// Axes that nothing would read, and values that no lab can keep.
fn axes_in_use(context: &mut Context<'_>, name: &str, table: &NatTable, behavior: &Behavior) {
    let stated = [
        ("mapping", table.mapping.is_some()),
        ("filtering", table.filtering.is_some()),
        ("ports", table.ports.is_some()),
        ("hairpinning", table.hairpinning.is_some()),
        ("lifetime", table.lifetime.is_some()),
        ("semantics", table.semantics.is_some()),
    ];
    let leaves_open = behavior.translation == Translation::Napt
        && matches!(
            (behavior.mapping, behavior.filtering),
            (Mapping::AddressDependent | Mapping::AddressAndPortDependent, Filtering::EndpointIndependent)
                | (Mapping::AddressAndPortDependent, Filtering::AddressDependent)
        );
    for (axis, _) in stated.into_iter().filter(|(_, stated)| *stated) {
        let public = behavior.translation == Translation::None;
        let why = if behavior.udp == UdpPolicy::Blocked {
            "UDP is blocked, so no UDP mapping is ever made"
        } else if public && matches!(axis, "ports" | "hairpinning") {
            "without translation ports never change and nothing turns back at the gateway"
        } else if public && behavior.filtering == Filtering::EndpointIndependent && axis == "lifetime" {
            "a plain router has no state that could expire"
        } else if axis == "semantics" && !leaves_open {
            "only adm/eif, apdm/eif and apdm/adf leave it open where an answer leaves"
        } else {
            continue;
        };
        let problem = context.key_problem(&["nat", name, axis], format!("nothing reads `{axis}` here")).label(why);
        context.push(problem);
    }
    if let Some(lifetime) = table.lifetime.filter(|l| l.0 < SHORTEST_LIFETIME) {
        let problem = context
            .problem(&["nat", name, "lifetime"], format!("a lifetime of {lifetime} is too short to be kept exactly"))
            .help(format!("at least {SHORTEST_LIFETIME}ms"));
        context.push(problem);
    }
    if behavior.semantics == Semantics::ReplyAffine && !leaves_open && table.semantics.is_none() {
        // Only a preset could say so; behaviours that do not leave it open are strict by definition.
        let problem = context.problem(&["nat", name, "preset"], "this preset needs adm/eif, apdm/eif or apdm/adf");
        context.push(problem);
    }
}

fn references(context: &mut Context<'_>) {
    let all: Vec<&str> = context.nats.iter().map(|(name, _)| *name).collect();
    let peers = context.peers.iter().map(|(name, p)| ("peer", *name, p.behind.as_deref()));
    let nats = context.nats.iter().map(|(name, n)| ("nat", *name, n.behind.as_deref()));
    let inside: Vec<_> = peers.chain(nats).collect();
    for (kind, name, behind) in inside {
        if let Some(behind) = behind.filter(|b| context.nat(b).is_none()) {
            let mut problem = names::unknown(context, &[kind, name, "behind"], "NAT", behind, &all);
            if context.file.peer.contains_key(behind) || context.file.server.contains_key(behind) {
                let what = if context.file.peer.contains_key(behind) { "peer" } else { "server" };
                problem = problem.label(format!("this is a {what}"));
            }
            context.push(problem);
        }
    }
}

fn cycles(context: &mut Context<'_>) {
    let mut reported: Vec<&str> = Vec::new();
    for (name, table) in context.nats.clone() {
        let chain = context.chain(Some(name));
        let closes = chain.last().and_then(|last| context.nat(last)).and_then(|nat| nat.behind.as_deref());
        // A chain that ends at a NAT which stands behind a member of the chain is a cycle; report it where it is
        // entered.
        if let Some(closes) = closes.filter(|c| chain.contains(c)) {
            if closes == name && !chain.iter().any(|n| reported.contains(n)) {
                let mut way: Vec<String> = chain.iter().map(|n| format!("`{n}`")).collect();
                way.push(format!("`{name}`"));
                let message = if chain.len() == 1 {
                    format!("nat `{name}` stands behind itself")
                } else {
                    format!("NATs stand behind each other in a circle: {}", way.join(" behind "))
                };
                let problem = context.problem(&["nat", name, "behind"], message);
                context.push(problem.help("the outermost NAT has no `behind`: it is on the Internet"));
                reported.extend(chain);
            }
        } else if chain.len() == DEEPEST + 1 && table.behind.is_some() {
            let problem =
                context.problem(&["nat", name, "behind"], format!("more than {DEEPEST} NATs one behind the other"));
            context.push(problem);
        }
    }
}

fn unused(context: &mut Context<'_>) {
    if !context.certain(&["behind", "peer"]) {
        return;
    }
    let all: Vec<&str> = context.nats.iter().map(|(name, _)| *name).collect();
    // A misspelt reference is one use of what it was meant to be: the misspelling is reported, not what follows from
    // it.
    let meant = |behind: &str| nearest(behind, all.iter().copied());
    let mut used: Vec<&str> = Vec::new();
    let mut waiting: Vec<Option<&str>> = context.peers.iter().map(|(_, p)| p.behind.as_deref()).collect();
    while let Some(next) = waiting.pop() {
        let Some(name) = next.and_then(|b| {
            if let Some((name, _)) = context.file.nat.get_key_value(b) { Some(name.as_str()) } else { meant(b) }
        }) else {
            continue;
        };
        if !used.contains(&name) {
            used.push(name);
            waiting.push(context.nat(name).and_then(|nat| nat.behind.as_deref()));
        }
    }
    for name in all.into_iter().filter(|name| !used.contains(name)) {
        let problem = context
            .key_problem(&["nat", name], format!("no peer stands behind nat `{name}`"))
            .help(format!("put a peer there (`behind = \"{name}\"`), or leave the NAT out"));
        context.push(problem);
    }
}

fn isolation(context: &mut Context<'_>) {
    if !context.certain(&["behind", "peer", "nat"]) {
        return;
    }
    for (name, _) in context.nats.clone().into_iter().filter(|(_, nat)| nat.isolated) {
        let peers = context.peers.iter().filter(|(_, p)| p.behind.as_deref() == Some(name)).count();
        let nats = context.nats.iter().filter(|(_, n)| n.behind.as_deref() == Some(name)).count();
        if peers + nats == 1 {
            let problem = context
                .key_problem(&["nat", name, "isolated"], "nothing reads `isolated` here")
                .label(format!("only one node stands directly behind `{name}`"));
            context.push(problem);
        }
    }
}
