//! Scripts by chance, the same in every run.

use std::net::SocketAddrV4;

use natlab::nat::rules::refused;
use natlab::nat::{
    Behavior, Filtering, Forward, Hairpinning, IcmpErrors, Mapping, Pair, Pooling, PortAssignment, PortRange,
    Semantics, SimultaneousOpen, Tcp, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use natlab::net::Transport;
use natlab::plan::Gateway;

use super::EXTERNALS;
use super::run::Scene;
use crate::lab::{EXTERNAL, HOSTS, Home, gateway};

/// Lines of one script.
const LINES: usize = 150;
/// How many gateways of any behaviour.
const GATEWAYS: u64 = 300;
/// How many differences are told.
const SHOWN: usize = 6;

/// Marsaglia's xorshift: the same steps in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

/// A script of packets between two hosts and three servers: out, in, round the corner, to the wrong place, to what may be
/// forwarded or paired, and errors.
fn script(random: &mut Random, contents: &[&str]) -> String {
    let mut lines: Vec<String> = vec![];
    let mut labels = 0;
    for _ in 0..LINES {
        let content = random.one(contents);
        let host = |r: &mut Random| format!("h{}:{}", r.below(2) + 1, r.one(&[5000, 5001]));
        let server = |r: &mut Random| format!("s{}:{}", r.below(3) + 1, r.one(&[3478, 3479]));
        let external = |r: &mut Random| format!("e{}:{}", r.below(3) + 1, r.one(&[5000, 5001, 7000, 20_001]));
        let known = |r: &mut Random| format!("$p{}", r.below(labels.max(1)));
        let line = match random.below(20) {
            0..7 => {
                labels += 1;
                format!("p{}: {} > {} {content}", labels - 1, host(random), server(random))
            }
            7..13 => format!("{} > {} {content}", server(random), known(random)),
            13..15 => format!("{} > {} {content}", host(random), known(random)),
            15 => format!("{} > {} {content}", host(random), external(random)),
            16 => format!("{} > {} {content}", server(random), host(random)),
            17 | 18 => format!("{} > {} {content}", server(random), external(random)),
            _ if *contents == ["udp"] => format!("s{} ! p{}", random.below(3) + 1, random.below(labels.max(1))),
            _ => continue,
        };
        lines.push(line);
    }
    lines.join("\n")
}

/// All that share no port.
const PORTS: [PortAssignment; 4] =
    [PortAssignment::Preserving, PortAssignment::Parity, PortAssignment::Sequential, PortAssignment::Random];

/// Behaviours whose axes matter to who gets what from where.
fn behaviors() -> Vec<Behavior> {
    let mut all = vec![];
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            for ports in PORTS {
                for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
                    for semantics in [Semantics::Strict, Semantics::ReplyAffine] {
                        all.push(Behavior { ports, hairpinning, semantics, ..Behavior::napt(mapping, filtering) });
                    }
                }
            }
        }
    }
    all.extend(Filtering::ALL.map(Behavior::public));
    all
}

/// Whether a hairpin may make a mapping at an endpoint of the kernel's choice and then be dropped, so that nobody sees it.
fn unseen_choice(b: &Behavior) -> bool {
    let open = b.port_block.is_some() || b.addresses > 1;
    open && b.hairpinning == Hairpinning::ExternalSource
}

/// Any behaviour that the rules do not refuse.
fn any(r: &mut Random) -> Behavior {
    use PortAssignment as P;
    loop {
        let base = match r.below(8) {
            0 => Behavior::one_to_one(r.one(&Filtering::ALL)),
            1 => Behavior::public(r.one(&Filtering::ALL)),
            _ => Behavior::napt(r.one(&Mapping::ALL), r.one(&Filtering::ALL)),
        };
        let mapping = r.one(&Mapping::ALL);
        let tcp = Tcp {
            unsolicited: r.one(&[UnsolicitedSyn::Dropped, UnsolicitedSyn::Reset, UnsolicitedSyn::Icmp]),
            simultaneous_open: r.one(&[SimultaneousOpen::Supported, SimultaneousOpen::Refused]),
            ..Tcp::new(mapping, r.one(&Filtering::ALL))
        };
        let small = PortRange { first: 20_000, last: 20_005 + r.below(10) as u16 };
        let napt = base.translation == Translation::Napt;
        let b = Behavior {
            ports: r.one(&[P::Preserving, P::Parity, P::Sequential, P::Random, P::Overloading]),
            port_range: r.one(&[PortRange::DEFAULT, small]),
            port_step: r.one(&[1, 2, -1, -2]),
            port_block: r.one(&[None, None, Some(4)]),
            addresses: if napt { r.one(&[1, 1, 3]) } else { 1 },
            pooling: r.one(&[Pooling::Paired, Pooling::Arbitrary]),
            hairpinning: r.one(&[Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource]),
            semantics: r.one(&[Semantics::Strict, Semantics::ReplyAffine]),
            udp: if r.below(20) == 0 { UdpPolicy::Blocked } else { UdpPolicy::Allowed },
            unsolicited: r.one(&[Unsolicited::Dropped, Unsolicited::Icmp]),
            icmp_errors: r.one(&[IcmpErrors::Translated, IcmpErrors::Dropped]),
            tcp: (r.below(2) == 0).then_some(tcp),
            ..base
        };
        let b =
            if napt { b } else { Behavior { ports: base.ports, port_range: base.port_range, port_block: None, ..b } };
        let b = if b.translation == Translation::None { Behavior { hairpinning: Hairpinning::None, ..b } } else { b };
        // Several addresses, one of them full: with arbitrary pooling chance decides whether that one is chosen, and in the
        // kernel a packet that finds no port moves the list on, by the eight ports of the last round.
        let full = b.addresses > 1 && (b.port_block.is_some() || b.port_range != PortRange::DEFAULT);
        if refused(&b).is_empty() && !full {
            return b;
        }
    }
}

/// With its addresses, pairs, and now and then forwards.
fn with_addresses(b: Behavior, r: &mut Random, seed: u64) -> Gateway {
    let n = if b.translation == Translation::None { 0 } else { usize::from(b.addresses) };
    let pair = |n: usize| Pair { external: EXTERNALS[n + 1], inside: HOSTS[n] };
    let forward = |protocol, n: usize| Forward { protocol, port: 7000, to: SocketAddrV4::new(HOSTS[n], 5000) };
    let forwards = match b.translation {
        Translation::Napt if r.below(3) == 0 => vec![forward(Transport::Udp, 0), forward(Transport::Tcp, 1)],
        _ => vec![],
    };
    let (external, pairs) = match b.translation {
        Translation::OneToOne => (EXTERNALS.to_vec(), vec![pair(0), pair(1)]),
        _ => (EXTERNALS[..n].to_vec(), vec![]),
    };
    Gateway { external, pairs, forwards, seed, ..gateway(b, &[]) }
}

/// Runs a random script behind each gateway.
fn agree(contents: &[&str], seed: u64, gateways: &[Gateway]) {
    let scene = Scene::new();
    let mut differences = vec![];
    for (i, g) in (0..).zip(gateways) {
        let b = &g.behavior;
        let script = script(&mut Random(seed + i), contents);
        let elsewhere = |l: &str| {
            (0..EXTERNALS.len()).any(|n| l.contains(&format!("> e{}", n + 1)) && !g.external.contains(&EXTERNALS[n]))
        };
        let kept = |l: &&str| match b.translation {
            // The gateway itself has that address.
            _ if elsewhere(l) => false,
            // What is for a host comes from the Internet, or not through the gateway.
            Translation::None => !(l.starts_with('h') && l.contains('$') || l.contains("> e")),
            _ => {
                let round = l.starts_with('h') && (l.contains('$') || l.contains("> e"));
                !(round && unseen_choice(b))
            }
        };
        let script: String = script.lines().filter(kept).map(|l| format!("{l}\n")).collect();
        differences.extend(scene.run(g, &script).err().map(|d| (g, script, d)));
    }
    let (n, all) = (differences.len(), gateways.len());
    let first = differences.into_iter().take(SHOWN).map(|(g, script, d)| scene.reduce(g, &script, d).0);
    let first: Vec<String> = first.collect();
    assert!(first.is_empty(), "{n} of {all} gateways differ; the first of them:\n{}", first.join("\n\n"));
}

fn nine_with_variants() -> Vec<Gateway> {
    (0..).zip(behaviors()).map(|(seed, b)| Gateway { seed, ..gateway(b, &[EXTERNAL]) }).collect()
}

pub fn random_udp_scripts_agree(_: &mut Home) {
    agree(&["udp"], 0x5c21, &nine_with_variants());
}

/// SYNs alone: who may begin a session, and which cross.
pub fn random_tcp_scripts_agree(_: &mut Home) {
    agree(&["syn"], 0x7c9, &nine_with_variants());
}

/// Every axis at once, as chance has it.
pub fn random_axes_agree(_: &mut Home) {
    let random = &mut Random(0xa7e5);
    let gateways: Vec<Gateway> = (0..GATEWAYS)
        .map(|seed| {
            let b = any(random);
            with_addresses(b, random, seed)
        })
        .collect();
    agree(&["udp"], 0xaaaa, &gateways);
    agree(&["udp", "syn"], 0xbbbb, &gateways);
}
