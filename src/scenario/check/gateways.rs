//! NATs and firewalls: what each does, and how they stand behind each other. Pure.

use super::context::Context;
use super::{axes, forwards, names};
use crate::nat::preset;
use crate::nat::{Behavior, Filtering, Mapping, Tcp, Translation, UdpPolicy};
use crate::scenario::diagnostic::nearest;
use crate::scenario::file::{ExternalAddresses, NatTable, TcpTable};
use crate::scenario::{Loss, Nat};

/// The most NATs. Two peers may both stand behind all of them, one behind the other, and reach each other through the
/// outermost: a packet then passes 32 up and 31 down, and Linux hosts send it with a time to live of 64.
const MOST: usize = 32;

/// Checks every NAT; gives them in the order of the file.
pub fn check(context: &mut Context<'_>) -> Vec<Nat> {
    let tables = context.nats.clone();
    if let Some((name, _)) = tables.get(MOST) {
        let count = context.file.nat.len();
        let problem = context
            .key_problem(&["nat", name], format!("at most {MOST} NATs, this scenario has {count}"))
            .help("packets are sent with a time to live of 64, and may have to pass each NAT twice");
        context.push(problem);
    }
    let mut out = Vec::new();
    for (name, table) in &tables {
        let behavior = behavior(context, name, table);
        axes::check(context, name, table, &behavior);
        out.push(Nat {
            name: (*name).to_owned(),
            preset: table.preset.clone(),
            behavior,
            behind: table.behind.clone(),
            addresses: match &table.addresses {
                Some(ExternalAddresses::These(all)) => all.clone(),
                _ => table.address.into_iter().collect(),
            },
            isolated: table.isolated,
            forwards: forwards::check(context, name, table, &behavior),
            loss: table.loss.as_ref().map(Loss::from).unwrap_or_default(),
        });
    }
    references(context);
    cycles(context);
    unused(context);
    isolation(context);
    axes::one_to_one(context, &mut out);
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
    let tcp_mapping = table.tcp.as_ref().and_then(|tcp| tcp.mapping);
    let depending = |m: Mapping| m != Mapping::EndpointIndependent;
    if translation != Translation::Napt && (depending(mapping) || tcp_mapping.is_some_and(depending)) {
        let stated: &[&str] = match (depending(mapping), table.mapping) {
            (true, Some(_)) => &["nat", name, "mapping"],
            (true, None) => &["nat", name, "translation"],
            (false, _) => &["nat", name, "tcp", "mapping"],
        };
        let why = match translation {
            Translation::OneToOne => "a one-to-one NAT has no mapping that could depend on the destination",
            _ => "without translation there is no mapping to depend on the destination",
        };
        let problem = context.problem(stated, why).help("leave out `mapping`, or `translation`");
        context.push(problem);
    }
    Behavior {
        translation,
        udp: table.udp.or(named.map(|(_, b)| b.udp)).unwrap_or(UdpPolicy::Allowed),
        ports: table.ports.unwrap_or(start.ports),
        hairpinning: table.hairpinning.unwrap_or(start.hairpinning),
        semantics: table.semantics.unwrap_or(start.semantics),
        lifetime_ms: table.lifetime.map_or(start.lifetime_ms, |l| l.0),
        port_range: table.port_range.map_or(start.port_range, |range| range.0),
        port_step: table.port_step.unwrap_or(start.port_step),
        port_block: table.port_block.or(start.port_block),
        addresses: match &table.addresses {
            Some(ExternalAddresses::Count(count)) => *count,
            Some(ExternalAddresses::These(all)) => u8::try_from(all.len()).unwrap_or(u8::MAX),
            None => start.addresses,
        },
        pooling: table.pooling.unwrap_or(start.pooling),
        refresh: table.refresh.unwrap_or(start.refresh),
        unsolicited: table.unsolicited.unwrap_or(start.unsolicited),
        icmp_errors: table.icmp_errors.unwrap_or(start.icmp_errors),
        tcp: table.tcp.as_ref().map_or(start.tcp, |written| Some(tcp(written, start.tcp()))),
        ..start
    }
}

/// What is stated of TCP, over what holds without it.
fn tcp(written: &TcpTable, start: Tcp) -> Tcp {
    Tcp {
        mapping: written.mapping.unwrap_or(start.mapping),
        filtering: written.filtering.unwrap_or(start.filtering),
        unsolicited: written.unsolicited.unwrap_or(start.unsolicited),
        simultaneous_open: written.simultaneous_open.unwrap_or(start.simultaneous_open),
        lifetime_ms: written.lifetime.map_or(start.lifetime_ms, |l| l.0),
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
            match behavior.translation {
                Translation::Napt => "napt",
                Translation::OneToOne => "one-to-one",
                Translation::None => "none",
            }
            .to_owned(),
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
    for (name, _) in context.nats.clone() {
        let chain = context.chain(Some(name));
        let closes = chain.last().and_then(|last| context.nat(last)).and_then(|nat| nat.behind.as_deref());
        // A chain that ends at a NAT which stands behind a member of the chain is a cycle; report it where it is
        // entered.
        if closes.is_some_and(|c| c == name) && !chain.iter().any(|n| reported.contains(n)) {
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
