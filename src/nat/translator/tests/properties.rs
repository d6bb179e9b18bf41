//! What holds for any behaviour and any packets.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::nat::Semantics;

/// From a host to a server, or from a server to an external endpoint that was seen, and how long after the one before.
#[derive(Clone, Debug)]
struct Step {
    out: bool,
    host: SocketAddrV4,
    server: SocketAddrV4,
    /// Which of the endpoints seen so far.
    seen: usize,
    after: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let host = (1..=3u8, 5000..5003u16).prop_map(|(n, port)| host(n, port));
    let server = (1..=3u8, 80..82u16).prop_map(|(n, port)| server(n, port));
    let step = (any::<bool>(), host, server, any::<usize>(), prop_oneof![3 => Just(0), 1 => 1..150u64]);
    let step = step.prop_map(|(out, host, server, seen, after)| Step { out, host, server, seen, after });
    prop::collection::vec(step, 1..60)
}

/// Every axis that says where a packet from inside leaves and what comes back.
fn behavior() -> impl Strategy<Value = Behavior> {
    use PortAssignment as P;
    let ports = select(vec![P::Preserving, P::Parity, P::Sequential, P::Random]);
    let range = select(vec![PortRange::DEFAULT, PortRange { first: 4998, last: 5013 }]);
    let others = (range, select(vec![1i8, 2, -1, -2]), select(vec![None, Some(4u16)]), 1..=3u8);
    let semantics = select(vec![Semantics::Strict, Semantics::ReplyAffine]);
    let refresh = select(vec![Refresh::Outbound, Refresh::Inbound, Refresh::Both]);
    let pooling = select(vec![Pooling::Paired, Pooling::Arbitrary]);
    let pairs = (select(Mapping::ALL.to_vec()), select(Filtering::ALL.to_vec()));
    (pairs, ports, others, semantics, refresh, pooling).prop_map(
        |((mapping, filtering), ports, (port_range, port_step, block, addresses), semantics, refresh, pooling)| {
            Behavior {
                ports,
                port_range,
                port_step,
                // Others would lead out of the block.
                port_block: block.filter(|_| matches!(ports, P::Random | P::Sequential)),
                addresses,
                semantics,
                refresh,
                pooling,
                lifetime_ms: 200,
                ..Behavior::napt(mapping, filtering)
            }
        },
    )
}

/// What an observer of both sides knows: when each mapping was last used.
#[derive(Default)]
struct Observer {
    /// By external endpoint: its inside one and the end.
    mappings: BTreeMap<SocketAddrV4, (SocketAddrV4, Duration)>,
    /// By inside and remote endpoint: the external one and the end.
    towards: BTreeMap<(SocketAddrV4, SocketAddrV4), (SocketAddrV4, Duration)>,
}

fn same(m: Mapping, a: SocketAddrV4, b: SocketAddrV4) -> bool {
    match m {
        Mapping::EndpointIndependent => true,
        Mapping::AddressDependent => a.ip() == b.ip(),
        Mapping::AddressAndPortDependent => a == b,
    }
}

fn passes(f: Filtering, a: SocketAddrV4, b: SocketAddrV4) -> bool {
    match f {
        Filtering::EndpointIndependent => true,
        Filtering::AddressDependent => a.ip() == b.ip(),
        Filtering::AddressAndPortDependent => a == b,
    }
}

proptest! {
    /// No two inside endpoints share an external one, unless the port is overloaded; and what is declared of ports holds.
    #[test]
    fn external_endpoints_have_one_owner_and_keep_the_promise(b in behavior(), steps in steps()) {
        let mut nat = nat(b);
        let mut at = ms(0);
        let mut seen = vec![];
        let mut known = Observer::default();
        for s in steps {
            at += ms(s.after);
            known.mappings.retain(|_, (_, end)| at < *end);
            if !s.out {
                if let Some(to) = seen.get(s.seen % seen.len().max(1)).copied()
                    && let Ok(inside) = nat.inn(s.server, to, at)
                {
                    prop_assert_eq!(known.mappings.get(&to).map(|m| m.0), Some(inside));
                    if b.refresh != Refresh::Outbound {
                        known.mappings.insert(to, (inside, at + ms(200)));
                    }
                }
                continue;
            }
            let Ok(external) = nat.out(s.host, s.server, at) else { continue };
            seen.push(external);
            prop_assert!((1..=b.addresses).any(|n| super::external(n) == *external.ip()));
            let old = known.mappings.get(&external).copied();
            if let Some((owner, _)) = old {
                prop_assert_eq!(owner, s.host, "{} has two owners", external);
            } else {
                let preserved = b.ports == PortAssignment::Preserving && external.port() == s.host.port();
                prop_assert!(preserved || b.port_range.contains(external.port()), "{} is out of range", external);
                if b.ports == PortAssignment::Parity {
                    prop_assert_eq!(external.port() % 2, s.host.port() % 2);
                }
                                if let Some(size) = b.port_block {
                    let block = |p: u16| (p - b.port_range.first) / size;
                    for (other, (owner, _)) in &known.mappings {
                        let one_host = owner.ip() == s.host.ip();
                        prop_assert_eq!(block(other.port()) == block(external.port()), one_host);
                    }
                }
            }
            let end = match old {
                Some((_, end)) if b.refresh == Refresh::Inbound => end,
                _ => at + ms(200),
            };
            known.mappings.insert(external, (s.host, end));
        }
    }

    /// A mapping is stable while it is alive, reused exactly as declared, and gone when its lifetime is: outbound packets only,
    /// so its last use is known.
    #[test]
    fn mappings_are_reused_as_declared_until_they_end(b in behavior(), steps in steps()) {
        let b = Behavior { refresh: Refresh::Outbound, port_block: None, port_range: PortRange::DEFAULT, ..b };
        let mut nat = nat(b);
        let mut at = ms(0);
        let mut known = Observer::default();
        for s in steps.into_iter().filter(|s| s.out) {
            at += ms(s.after);
            let external = nat.out(s.host, s.server, at);
            prop_assert!(external.is_ok(), "{:?}", external);
            let Ok(external) = external else { continue };
            known.towards.retain(|_, (_, end)| at < *end);
            for ((inside, remote), (other, _)) in &known.towards {
                if *inside == s.host {
                    prop_assert_eq!(*other == external, same(b.mapping, *remote, s.server));
                }
            }
            for ((_, _), (other, end)) in &mut known.towards {
                if *other == external {
                    *end = at + ms(200);
                }
            }
            known.towards.insert((s.host, s.server), (external, at + ms(200)));
        }
        prop_assert!(nat.externals(Transport::Udp, at + ms(200)).is_empty(), "everything ends");
    }

    /// Who may come in: exactly those that the owner has sent to within the lifetime, as far as the filter looks.
    #[test]
    fn the_filter_lets_in_exactly_whom_it_says(b in behavior(), steps in steps(), probe in 1..=3u8, port in 80..82u16, wait in 0..250u64) {
        let b = Behavior { refresh: Refresh::Outbound, semantics: Semantics::Strict, ..b };
        let mut n = nat(b);
        let (mut at, mut sent) = (ms(0), vec![]);
        for s in steps.into_iter().filter(|s| s.out) {
            at += ms(s.after);
            if let Ok(external) = n.out(s.host, s.server, at) {
                sent.push((external, s.host, s.server, at));
            }
        }
        let (from, now) = (server(probe, port), at + ms(wait));
        let all: BTreeSet<SocketAddrV4> = sent.iter().map(|s| s.0).collect();
        for external in all {
            let recent = |s: &&(SocketAddrV4, SocketAddrV4, SocketAddrV4, Duration)| s.0 == external && now < s.3 + ms(200);
            let permitted = sent.iter().filter(recent).any(|s| passes(b.filtering, s.2, from));
            let owner = sent.iter().rev().find(|s| s.0 == external).map(|s| s.1);
            let got = n.clone().inn(from, external, now);
            prop_assert_eq!(got.ok(), owner.filter(|_| permitted), "{} from {}", external, from);
        }
    }

    /// What goes out comes back to where it came from, with the address it was sent to; also through a chain.
    #[test]
    fn answers_come_back(inner in behavior(), outer in behavior(), steps in steps()) {
        let home = Gateway { external: vec![*host(50, 0).ip()], ..gateway(Behavior { addresses: 1, ..inner }) };
        let mut chain = [Translator::new(home), nat(outer)];
        let mut at = ms(0);
        for s in steps.into_iter().filter(|s| s.out) {
            at += ms(s.after);
            let [home, carrier] = &mut chain;
            let Ok(middle) = home.out(s.host, s.server, at) else { continue };
            let Ok(outside) = carrier.out(middle, s.server, at) else { continue };
            prop_assert_eq!(carrier.inn(s.server, outside, at), Ok(middle));
            prop_assert_eq!(home.inn(s.server, middle, at), Ok(s.host));
            prop_assert_eq!(home.out(s.host, s.server, at), Ok(middle), "the answer has changed nothing");
        }
    }

    /// As many mappings as there are ports, and not one more until one ends.
    #[test]
    fn ports_run_out_exactly(ports in select(vec![PortAssignment::Sequential, PortAssignment::Random]), n in 1..20u16) {
        let range = PortRange { first: 3000, last: 2999 + n };
        let mut nat = nat(Behavior { ports, port_range: range, lifetime_ms: 200, ..Behavior::napt(EIM, EIF) });
        for i in 0..n {
            prop_assert!(nat.out(host(1, 6000 + i), server(1, 80), ms(u64::from(i))).is_ok());
        }
        prop_assert_eq!(nat.out(host(2, 5000), server(1, 80), ms(199)), Err(Why::NoPort));
        prop_assert!(nat.out(host(2, 5000), server(1, 80), ms(200)).is_ok());
    }
}
