//! What to do about it: one sentence per finding that asks for something.

use std::net::IpAddr;

use serde::Serialize;

use super::forecast::{Forecast, Path};
use crate::classification::{
    Classification, Family, FamilyFindings, InterfaceKind, NatLevels, Reached, Secured, Status,
};
use crate::nat::{Hairpinning, Pooling, UdpPolicy};

/// Loss from which on it is worth a word, each way.
const MUCH_LOSS: f64 = 0.05;

/// Something to do, or to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// Stable name, for programs.
    pub id: &'static str,
    /// For people.
    pub text: String,
}

/// Everything there is to say about one family, the most important first.
pub fn advice(all: &Classification, family: &FamilyFindings, forecast: &[Forecast]) -> Vec<Advice> {
    let mut said = Vec::new();
    let mut say = |id, text: String| said.push(Advice { id, text });
    turn(family, forecast, &mut say);
    router(family, &mut say);
    traffic(family, &mut say);
    host(all, family, &mut say);
    said
}

fn turn(family: &FamilyFindings, forecast: &[Forecast], say: &mut impl FnMut(&'static str, String)) {
    if family.udp.value == Some(UdpPolicy::Blocked) {
        // A handshake that failed shows as well that the port is open.
        let passes = |over| {
            let by = family.tcp.reachability.iter().find(|r| r.over == over && r.reached != Reached::Unreachable);
            by.map(|r| r.at.port())
        };
        match (passes(Secured::Tls), passes(Secured::Tcp)) {
            (Some(port), _) => say(
                "turn-over-tls",
                format!(
                    "Media needs TURN over TLS: give agents turns:HOST:{port}?transport=tcp; TCP to port {port} gets through, UDP does not."
                ),
            ),
            (None, Some(port)) => say(
                "turn-over-tcp",
                format!(
                    "Media needs TURN over TCP: give agents turn:HOST:{port}?transport=tcp; TCP to port {port} gets through, UDP does not."
                ),
            ),
            (None, None) if family.tcp.reachability.is_empty() => say(
                "turn-over-stream",
                "Media needs TURN over TCP or TLS; whether those get through was not tested.".to_owned(),
            ),
            (None, None) => say(
                "no-network",
                "Neither UDP nor TCP nor TLS reaches a server: there may be no network at all, a captive portal, or a \
                 firewall that lets nothing out but a proxy."
                    .to_owned(),
            ),
        }
        return;
    }
    let relayed = forecast.iter().filter(|f| f.path == Path::Relay).count();
    let open = forecast.iter().filter(|f| f.path == Path::Either).count();
    match (forecast.len(), relayed, open) {
        (0, ..) => {}
        (_, 0..=1, 0) => say(
            "turn-for-blocked-peers",
            "A TURN server is needed only for peers whose own network blocks UDP.".to_owned(),
        ),
        (n, relayed, open) => {
            let unknown = match open {
                0 => String::new(),
                _ => format!("; {open} more may"),
            };
            let need = if relayed == 1 { "needs" } else { "need" };
            say(
                "turn-needed",
                format!(
                    "Give agents a TURN server over UDP: {relayed} of {n} behaviours of a peer {need} it{unknown}."
                ),
            );
        }
    }
    if family.mapping.value.is_some() && family.filtering.status == Status::Unsupported {
        say(
            "filtering-unknown",
            "Filtering is not known: ask a server with RFC 5780 and two addresses (--server), or give a TURN account that \
             works (--turn)."
                .to_owned(),
        );
    }
}

fn router(family: &FamilyFindings, say: &mut impl FnMut(&'static str, String)) {
    let mapping: Vec<String> =
        family.port_mapping.iter().filter(|m| m.available == Some(true)).map(|m| m.service.to_string()).collect();
    let mapping = mapping.join(", ");
    match family.levels.value {
        Some(NatLevels::Carrier) => say(
            "carrier-nat",
            "The provider runs a NAT of its own (CGN): forwarding a port on the router at home does not help; IPv6 or TURN does."
                .to_owned(),
        ),
        Some(NatLevels::Several) => say(
            "double-nat",
            "There are at least two NATs in a row: a forwarded port on the nearer router does not help. Let one of them \
             work as a bridge, or forward on both."
                .to_owned(),
        ),
        Some(NatLevels::One) if !mapping.is_empty() => say(
            "port-mapping",
            format!("The router makes mappings on request ({mapping}): with one, everybody reaches this host, as with endpoint-independent filtering."),
        ),
        None if !mapping.is_empty() => say(
            "port-mapping",
            format!("The router makes mappings on request ({mapping}); whether they reach the Internet is not known."),
        ),
        _ => {}
    }
}

fn traffic(family: &FamilyFindings, say: &mut impl FnMut(&'static str, String)) {
    if let Some(life) = family.lifetime.value {
        match (life.last_alive_ms, life.first_dead_ms) {
            (Some(alive), Some(_)) => say(
                "keepalive",
                format!(
                    "Send keepalives at least every {} s: half of what mappings are known to live.",
                    (alive / 2000).max(1)
                ),
            ),
            (None, Some(dead)) => say(
                "keepalive",
                format!("Mappings die within {} s: send keepalives well below half of that.", dead.div_ceil(1000)),
            ),
            _ => {}
        }
    }
    if family.inbound_refresh.value == Some(false) {
        say(
            "outbound-keepalive",
            "Incoming packets keep no mapping alive: keepalives must go out from here.".to_owned(),
        );
    }
    match family.hairpinning.value {
        Some(Hairpinning::None) => say(
            "no-hairpinning",
            "Two hosts behind this NAT reach each other through host candidates or a relay only: it does not hairpin."
                .to_owned(),
        ),
        Some(Hairpinning::InternalSource) => say(
            "hairpinning-internal-source",
            "Hairpinned packets come from the inside address, which RFC 4787 REQ-9a forbids and ICE does not expect."
                .to_owned(),
        ),
        _ => {}
    }
    if family.pooling.value == Some(Pooling::Arbitrary) {
        say(
            "arbitrary-pooling",
            "Sockets of this host get different external addresses: TURN permissions and servers that compare addresses \
             may refuse some of them."
                .to_owned(),
        );
    }
    if family.alg.value == Some(true) {
        say(
            "alg",
            "Something rewrites addresses inside of messages: turn off the ALG (often \"SIP ALG\") in the router."
                .to_owned(),
        );
    }
    if family.fragments.outbound.value == Some(false) || family.fragments.inbound.value == Some(false) {
        say("fragments", "Fragments are dropped: keep datagrams below 1200 bytes.".to_owned());
    }
    if let Some(loss) = family.loss.each_way().filter(|loss| *loss > MUCH_LOSS) {
        say(
            "loss",
            format!(
                "About {:.0} % of the packets are lost each way: findings took longer, and calls will suffer.",
                loss * 100.0
            ),
        );
    }
}

fn host(all: &Classification, family: &FamilyFindings, say: &mut impl FnMut(&'static str, String)) {
    let Some(local) = family.local else { return };
    let used = all.host.interfaces.iter().find(|i| i.addresses.contains(&local));
    match used.map(|i| (i.kind, i.name.as_str())) {
        Some((InterfaceKind::Vpn, name)) => say(
            "vpn",
            format!(
                "The way out is {name}, a VPN or tunnel: what was found is the NAT at its far end. --interface chooses another one."
            ),
        ),
        Some((InterfaceKind::Container, name)) => say(
            "container",
            format!("The way out is {name}, of a container engine: its NAT counts among those that were found."),
        ),
        _ => {}
    }
    let usable = |i: &&crate::classification::Interface| {
        !i.addresses.contains(&local)
            && !matches!(i.kind, InterfaceKind::Container | InterfaceKind::Virtual)
            && i.addresses.iter().any(|a| Family::of(*a) == family.family && !link_local(*a))
    };
    let others: Vec<&str> = all.host.interfaces.iter().filter(usable).map(|i| i.name.as_str()).collect();
    if !others.is_empty() {
        say("multi-homed", format!("ICE agents also use {}; classify them with --interface.", others.join(", ")));
    }
}

fn link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}
