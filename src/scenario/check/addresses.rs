//! Address ranges, and the addresses a scenario fixes. Pure.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::context::Context;
use crate::net::{Network, is_public};
use crate::scenario::Nat;
use crate::scenario::file::ExternalAddresses;

/// Between NATs a carrier's shared addresses may be used as well (RFC 6598).
const SHARED: Network = Network::new(Ipv4Addr::new(100, 64, 0, 0), 10);
/// Private addresses (RFC 1918).
const PRIVATE: [Network; 3] = [
    Network::new(Ipv4Addr::new(10, 0, 0, 0), 8),
    Network::new(Ipv4Addr::new(172, 16, 0, 0), 12),
    Network::new(Ipv4Addr::new(192, 168, 0, 0), 16),
];
/// The smallest public range: 14 addresses.
const LONGEST_PUBLIC_PREFIX: u8 = 28;
/// The smallest private range: room for 16 networks of 254 addresses.
const LONGEST_PRIVATE_PREFIX: u8 = 20;

/// Places in lists of addresses.
const NUMBERS: [&str; 16] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];

/// One address that the scenario fixes.
struct Fixed<'a> {
    path: Vec<&'a str>,
    address: Ipv4Addr,
}

/// Checks ranges and fixed addresses.
pub fn check(context: &mut Context<'_>, nats: &[Nat]) {
    ranges(context);
    let translates = |name: &str| nats.iter().any(|n| n.name == name && n.behavior.translation.translates());
    let network = &context.file.network;
    let mut fixed: Vec<(Fixed<'_>, Vec<(Network, &str)>)> = Vec::new();
    let mut inside: Vec<(&str, Vec<&str>, Ipv4Addr)> = Vec::new();

    let peers = context.peers.iter().map(|(name, p)| ("peer", *name, p.behind.as_deref(), p.address, None));
    let gateways = context.nats.iter().map(|(name, n)| ("nat", *name, n.behind.as_deref(), n.address, None));
    let several = context.nats.iter().flat_map(|(name, n)| {
        let all = match &n.addresses {
            Some(ExternalAddresses::These(all)) => all.as_slice(),
            _ => &[],
        };
        let behind = n.behind.as_deref();
        NUMBERS.iter().zip(all).map(move |(place, a)| ("nat", *name, behind, Some(*a), Some(*place)))
    });
    for (kind, name, behind, address, place) in peers.chain(gateways).chain(several) {
        let Some(address) = address else { continue };
        let chain = context.chain(behind);
        let public = !chain.iter().any(|nat| translates(nat));
        let ranges = match (public, kind) {
            (true, _) => vec![(network.wan, "network.wan")],
            (false, "peer") => vec![(network.lan, "network.lan")],
            (false, _) => vec![(network.lan, "network.lan"), (SHARED, "shared addresses")],
        };
        let path = match place {
            None => vec![kind, name, "address"],
            Some(place) => vec![kind, name, "addresses", place],
        };
        if let (false, Some(nat)) = (public, chain.first()) {
            inside.push((nat, path.clone(), address));
        }
        fixed.push((Fixed { path, address }, ranges));
    }
    both_ways(context);
    for (name, server) in &context.servers {
        for (n, address) in NUMBERS.iter().zip(server.addresses.iter().flatten()) {
            let path = vec!["server", *name, "addresses", *n];
            fixed.push((Fixed { path, address: *address }, vec![(network.servers, "network.servers")]));
        }
    }
    fixed.sort_by_key(|(f, _)| context.places.order(&f.path));

    let mut taken: BTreeMap<Ipv4Addr, Vec<&str>> = BTreeMap::new();
    for (Fixed { path, address }, ranges) in fixed {
        if !ranges.iter().any(|(range, _)| range.contains(address)) {
            let all: Vec<String> = ranges.iter().map(|(range, name)| format!("{name} ({range})")).collect();
            let problem = context
                .problem(&path, format!("{address} is outside {}", all.join(" and ")))
                .help("take an address from there, or set another range in `[network]`");
            context.push(problem);
        } else if let Some((range, _)) =
            ranges.iter().find(|(range, _)| range.contains(address) && !usable(*range, address))
        {
            let problem = context.problem(&path, format!("{address} is not the address of a host in {range}"));
            context.push(problem);
        }
        match taken.get(&address) {
            Some(first) => {
                let problem = context
                    .problem(&path, format!("the address {address} is taken"))
                    .related(context.places.value(first), "first here");
                context.push(problem);
            }
            None => {
                taken.insert(address, path);
            }
        }
    }
    local_networks(context, &inside);
}

/// A list of external addresses has its first one already.
fn both_ways(context: &mut Context<'_>) {
    for (name, table) in context.nats.clone() {
        if let (Some(_), Some(ExternalAddresses::These(_))) = (table.address, &table.addresses) {
            let problem = context
                .problem(&["nat", name, "address"], "`addresses` already says which ones they are")
                .related(context.places.value(&["nat", name, "addresses"]), "here");
            context.push(problem);
        }
    }
}

fn ranges(context: &mut Context<'_>) {
    let network = context.file.network.clone();
    let all = [("wan", network.wan), ("servers", network.servers), ("lan", network.lan)];
    for (name, range) in all {
        let path = ["network", name];
        let start = Network::new(Ipv4Addr::from(u32::from(range.address) & range.mask()), range.prefix);
        if start != range {
            let problem = context
                .problem(&path, format!("{range} is not a network: it has bits behind its prefix"))
                .help(format!("did you mean \"{start}\"?"));
            context.push(problem);
        }
        let problem = if name == "lan" {
            let private = PRIVATE.iter().any(|p| p.contains(range.address) && range.prefix >= p.prefix);
            if !private {
                context
                    .problem(&path, format!("{range} is not a private range"))
                    .help("addresses behind NATs are of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 (RFC 1918)")
            } else if range.prefix > LONGEST_PRIVATE_PREFIX {
                context.problem(&path, format!("{range} is too small")).help(format!(
                    "each network behind a NAT takes a /24; the prefix is at most {LONGEST_PRIVATE_PREFIX}"
                ))
            } else {
                continue;
            }
        } else if !hosts_are_public(start) {
            context.problem(&path, format!("{range} is not a range of public addresses")).help(
                "take one reserved for documentation or benchmarks: 203.0.113.0/24, 198.51.100.0/24, 198.18.0.0/15",
            )
        } else if range.prefix > LONGEST_PUBLIC_PREFIX {
            context
                .problem(&path, format!("{range} is too small"))
                .help(format!("the prefix is at most {LONGEST_PUBLIC_PREFIX}"))
        } else {
            continue;
        };
        context.push(problem);
    }
    for (i, (name, range)) in all.iter().enumerate() {
        for (other, second) in all.iter().skip(i + 1) {
            if range.contains(second.address) || second.contains(range.address) {
                // The one that the file states, or the later of both.
                let (at, against) = if context.places.has(&["network", other]) { (other, name) } else { (name, other) };
                let problem = context
                    .problem(
                        &["network", at],
                        format!("`network.{other}` ({second}) overlaps `network.{name}` ({range})"),
                    )
                    .related(
                        context
                            .places
                            .has(&["network", against])
                            .then(|| context.places.value(&["network", against]))
                            .flatten(),
                        "the other range",
                    );
                context.push(problem);
            }
        }
    }
}

/// Whether every address of a range can stand for a public one; class E (240.0.0.0/4) is no unicast at all.
fn hosts_are_public(range: Network) -> bool {
    let unicast = !Network::new(Ipv4Addr::new(224, 0, 0, 0), 3).contains(range.address);
    let first = range.address;
    let last = Ipv4Addr::from(u32::from(first) | !range.mask());
    range.prefix >= 8
        && unicast
        && is_public(first)
        && is_public(last)
        && PRIVATE.iter().chain(&[SHARED]).all(|p| !range.contains(p.address))
}

/// Neither the range's own address nor its broadcast address.
fn usable(range: Network, address: Ipv4Addr) -> bool {
    let host = u32::from(address) & !range.mask();
    host != 0 && host != !range.mask()
}

/// Fixed addresses behind one NAT make its network: they must share a /24, which no other NAT has.
fn local_networks(context: &mut Context<'_>, inside: &[(&str, Vec<&str>, Ipv4Addr)]) {
    let net = |address: Ipv4Addr| Network::new(Ipv4Addr::from(u32::from(address) & 0xffff_ff00), 24);
    for (i, (nat, path, address)) in inside.iter().enumerate() {
        let mine = net(*address);
        if !usable(mine, *address) {
            let problem = context.problem(path, format!("{address} is not the address of a host in {mine}"));
            context.push(problem);
        }
        let Some((other, there, _)) = inside.iter().take(i).find(|(other, _, a)| (net(*a) == mine) != (other == nat))
        else {
            continue;
        };
        let message = if other == nat {
            format!("{address} is in another network than the first node behind `{nat}`")
        } else {
            format!("{mine} is already the network behind `{other}`")
        };
        let problem = context
            .problem(path, message)
            .related(context.places.value(there), "first here")
            .help("the nodes behind one NAT share a /24, and no two NATs have the same");
        context.push(problem);
    }
}
