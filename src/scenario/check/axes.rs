//! Axes of a NAT that nothing would read, values that no lab can keep, and combinations that the kernel cannot do. Pure.

use super::context::Context;
use crate::nat::{Behavior, Filtering, Mapping, Pooling, PortAssignment, Semantics, Translation, UdpPolicy};
use crate::scenario::Nat;
use crate::scenario::file::NatTable;

/// The shortest lifetime of a UDP mapping that a lab can keep, in milliseconds.
const SHORTEST_LIFETIME: u64 = 200;
/// The shortest lifetime of a TCP mapping: connection tracking, which has to outlast it, knows whole seconds.
const SHORTEST_TCP_LIFETIME: u64 = 1000;

/// Checks the axes of one NAT.
pub fn check(context: &mut Context<'_>, name: &str, table: &NatTable, behavior: &Behavior) {
    for axis in stated(table) {
        let Some(why) = unread(&axis, behavior) else { continue };
        let path: Vec<&str> = ["nat", name].into_iter().chain(axis.iter().copied()).collect();
        let key = axis.join(".");
        let problem = context.key_problem(&path, format!("nothing reads `{key}` here")).label(why);
        context.push(problem);
    }
    values(context, name, table, behavior);
}

/// The axes that a table states, each as the path of its key.
fn stated(table: &NatTable) -> Vec<Vec<&'static str>> {
    let tcp = table.tcp.as_ref();
    let all: [(&[&'static str], bool); 20] = [
        (&["mapping"], table.mapping.is_some()),
        (&["filtering"], table.filtering.is_some()),
        (&["ports"], table.ports.is_some()),
        (&["port-step"], table.port_step.is_some()),
        (&["port-range"], table.port_range.is_some()),
        (&["port-block"], table.port_block.is_some()),
        (&["addresses"], table.addresses.is_some()),
        (&["pooling"], table.pooling.is_some()),
        (&["hairpinning"], table.hairpinning.is_some()),
        (&["lifetime"], table.lifetime.is_some()),
        (&["refresh"], table.refresh.is_some()),
        (&["semantics"], table.semantics.is_some()),
        (&["unsolicited"], table.unsolicited.is_some()),
        (&["icmp-errors"], table.icmp_errors.is_some()),
        (&["tcp"], tcp.is_some()),
        (&["tcp", "mapping"], tcp.is_some_and(|t| t.mapping.is_some())),
        (&["tcp", "filtering"], tcp.is_some_and(|t| t.filtering.is_some())),
        (&["tcp", "unsolicited"], tcp.is_some_and(|t| t.unsolicited.is_some())),
        (&["tcp", "simultaneous-open"], tcp.is_some_and(|t| t.simultaneous_open.is_some())),
        (&["tcp", "lifetime"], tcp.is_some_and(|t| t.lifetime.is_some())),
    ];
    all.into_iter().filter(|(_, stated)| *stated).map(|(path, _)| path.to_vec()).collect()
}

/// Why nothing reads an axis, where nothing does.
fn unread(axis: &[&str], behavior: &Behavior) -> Option<&'static str> {
    let public = behavior.translation == Translation::None;
    let whole_addresses = behavior.translation == Translation::OneToOne;
    let all_udp = behavior.filtering == Filtering::EndpointIndependent;
    let all_tcp = behavior.tcp().filtering == Filtering::EndpointIndependent;
    let udp_alone = ["mapping", "filtering", "hairpinning", "lifetime", "refresh", "semantics", "unsolicited", "ports"];
    let of_ports = ["ports", "port-step", "port-range", "port-block"];
    let why = match axis {
        [axis] if behavior.udp == UdpPolicy::Blocked && udp_alone.contains(axis) => {
            "UDP is blocked, so no UDP mapping is ever made"
        }
        [axis] if public && (of_ports.contains(axis) || matches!(*axis, "hairpinning" | "addresses" | "pooling")) => {
            "without translation addresses and ports never change and nothing turns back at the gateway"
        }
        [axis] if whole_addresses && (of_ports.contains(axis) || *axis == "pooling") => {
            "a one-to-one NAT changes no ports, and each node has an address of its own"
        }
        ["lifetime" | "refresh"] if public && all_udp => "a plain router has no state that could expire",
        ["unsolicited"] if public && all_udp => "a plain router lets everything in",
        ["tcp", "lifetime"] if public && all_tcp => "a plain router has no state that could expire",
        ["tcp", "unsolicited"] if public && all_tcp => "a plain router lets every connection in",
        ["icmp-errors"] if public && all_udp && all_tcp => "a plain router has no mappings",
        ["semantics"] if !leaves_open(behavior) => {
            "only adm/eif, apdm/eif and apdm/adf leave it open where an answer leaves"
        }
        ["port-step"] if behavior.ports != PortAssignment::Sequential => "ports are not assigned one after the other",
        ["port-range" | "port-block"] if behavior.ports == PortAssignment::Overloading => {
            "with overloading every host has all ports, and keeps its own"
        }
        ["pooling"] if behavior.addresses < 2 => "there is one external address",
        ["tcp", "simultaneous-open"] if public && all_tcp => "a plain router does not look at connections",
        _ => return None,
    };
    Some(why)
}

fn leaves_open(behavior: &Behavior) -> bool {
    behavior.translation == Translation::Napt
        && matches!(
            (behavior.mapping, behavior.filtering),
            (Mapping::AddressDependent | Mapping::AddressAndPortDependent, Filtering::EndpointIndependent)
                | (Mapping::AddressAndPortDependent, Filtering::AddressDependent)
        )
}

/// Values that cannot be kept, and combinations that contradict themselves.
fn values(context: &mut Context<'_>, name: &str, table: &NatTable, behavior: &Behavior) {
    if let Some(lifetime) = table.lifetime.filter(|l| l.0 < SHORTEST_LIFETIME) {
        let problem = context
            .problem(&["nat", name, "lifetime"], format!("a lifetime of {lifetime} is too short to be kept exactly"))
            .help(format!("at least {SHORTEST_LIFETIME}ms"));
        context.push(problem);
    }
    let tcp_lifetime = table.tcp.as_ref().and_then(|tcp| tcp.lifetime);
    if let Some(lifetime) = tcp_lifetime.filter(|l| l.0 < SHORTEST_TCP_LIFETIME) {
        let path = ["nat", name, "tcp", "lifetime"];
        let problem = context
            .problem(&path, format!("a lifetime of {lifetime} is too short to be kept exactly"))
            .help(format!("at least {}s for TCP", SHORTEST_TCP_LIFETIME / 1000));
        context.push(problem);
    }
    if table.port_step == Some(0) {
        let problem = context
            .problem(&["nat", name, "port-step"], "a step of 0 leads nowhere")
            .help("1 and 2 count up, -1 and -2 count down");
        context.push(problem);
    }
    if behavior.semantics == Semantics::ReplyAffine && !leaves_open(behavior) && table.semantics.is_none() {
        // Only a preset could say so; behaviours that do not leave it open are strict by definition.
        let problem = context.problem(&["nat", name, "preset"], "this preset needs adm/eif, apdm/eif or apdm/adf");
        context.push(problem);
    }
    if behavior.pooling == Pooling::Arbitrary && behavior.addresses < 2 && table.pooling.is_none() {
        let problem = context.problem(&["nat", name, "addresses"], "this preset needs several external addresses");
        context.push(problem);
    }
}

/// A one-to-one NAT needs an external address for each address that it sees inside: of the nodes behind it, and of those
/// behind routers in between that do not translate.
pub fn one_to_one(context: &mut Context<'_>, nats: &mut [Nat]) {
    if !context.certain(&["behind", "peer", "nat", "translation", "preset"]) {
        return;
    }
    let whole = |n: &Nat| n.behavior.translation == Translation::OneToOne;
    let needed: Vec<Option<usize>> = nats.iter().map(|n| whole(n).then(|| seen(context, nats, &n.name, 0))).collect();
    for (nat, needed) in nats.iter_mut().zip(needed) {
        let Some(needed) = needed else { continue };
        let count = u8::try_from(needed).unwrap_or(u8::MAX);
        let stated = context.nat(&nat.name).is_some_and(|table| table.addresses.is_some());
        if stated && nat.behavior.addresses != count {
            let problem = context
                .problem(
                    &["nat", &nat.name, "addresses"],
                    format!("a one-to-one NAT has one external address for each address behind it: here {needed}"),
                )
                .help("leave out `addresses`, and natlab chooses as many as are needed");
            context.push(problem);
        }
        nat.behavior.addresses = count;
    }
}

/// How many addresses a gateway sees inside. `depth` ends a circle, which is reported elsewhere.
fn seen(context: &Context<'_>, nats: &[Nat], gateway: &str, depth: usize) -> usize {
    let peers = context.peers.iter().filter(|(_, p)| p.behind.as_deref() == Some(gateway)).count();
    let inner = nats.iter().filter(|n| n.behind.as_deref() == Some(gateway) && depth < nats.len());
    let of = |n: &Nat| match n.behavior.translation {
        Translation::Napt => usize::from(n.behavior.addresses),
        Translation::OneToOne => seen(context, nats, &n.name, depth + 1),
        Translation::None => 1 + seen(context, nats, &n.name, depth + 1),
    };
    peers + inner.map(of).sum::<usize>()
}
