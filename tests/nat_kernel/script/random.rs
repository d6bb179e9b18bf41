//! Scripts by chance, the same in every run.

use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Semantics, Translation};
use natlab::plan::Gateway;

use super::run::Scene;
use crate::lab::{EXTERNAL, Home, gateway};

/// Lines of one script.
const LINES: usize = 150;
/// How many differences are told.
const SHOWN: usize = 8;

/// Marsaglia's xorshift: the same steps in every run.
pub struct Random(u64);

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

/// A script of packets between two hosts and three servers: out, in, round the corner, to the wrong place, and errors.
pub fn script(random: &mut Random, content: &str, errors: bool) -> String {
    let mut lines: Vec<String> = vec![];
    let mut labels = 0;
    for _ in 0..LINES {
        let host = |r: &mut Random| format!("h{}:{}", r.below(2) + 1, r.one(&[5000, 5001]));
        let server = |r: &mut Random| format!("s{}:{}", r.below(3) + 1, r.one(&[3478, 3479]));
        let known = |r: &mut Random| format!("$p{}", r.below(labels.max(1)));
        let line = match random.below(20) {
            0..7 => {
                labels += 1;
                format!("p{}: {} > {} {content}", labels - 1, host(random), server(random))
            }
            7..14 => format!("{} > {} {content}", server(random), known(random)),
            14..17 => format!("{} > {} {content}", host(random), known(random)),
            17 => format!("{} > {} {content}", server(random), host(random)),
            18 => format!("{} > e1:{} {content}", server(random), random.one(&[5000, 5001, 20_001])),
            _ if errors => format!("s{} ! p{}", random.below(3) + 1, random.below(labels.max(1))),
            _ => continue,
        };
        lines.push(line);
    }
    lines.join("\n")
}

/// Behaviours whose axes matter to who gets what from where.
fn behaviors() -> Vec<Behavior> {
    let mut all = vec![];
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            for ports in [PortAssignment::Preserving, PortAssignment::Random] {
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

/// Whether hairpins are left out: connection tracking holds one session of two endpoints only, and where answers do not stick
/// to theirs, the rules have no zones for packets from inside. The second session, through another external endpoint of the
/// same inside one, is dropped then.
fn without_hairpins(b: &Behavior, tcp: bool) -> bool {
    let several = match b.hairpinning {
        Hairpinning::None => false,
        Hairpinning::InternalSource => b.mapping != Mapping::EndpointIndependent,
        Hairpinning::ExternalSource => matches!(
            (b.mapping, b.filtering),
            (Mapping::AddressDependent, Filtering::EndpointIndependent)
                | (Mapping::AddressAndPortDependent, Filtering::EndpointIndependent | Filtering::AddressDependent)
        ),
    };
    !tcp && several && b.semantics == Semantics::Strict
}

fn agree(content: &str, errors: bool, seed: u64, behaviors: &[Behavior]) {
    let scene = Scene::new();
    let mut differences = vec![];
    for (i, b) in (0..).zip(behaviors) {
        let g = Gateway { seed: i, ..gateway(*b, &[EXTERNAL]) };
        let script = script(&mut Random(seed + i), content, errors);
        let kept = |l: &&str| match b.translation {
            // What is for a host comes from the Internet, or not through the gateway.
            Translation::None => !(l.starts_with('h') && l.contains('$') || l.contains("> e1")),
            _ => !(l.starts_with('h') && l.contains('$') && without_hairpins(b, content != "udp")),
        };
        let script: String = script.lines().filter(kept).map(|l| format!("{l}\n")).collect();
        differences.extend(scene.run(&g, &script).err().map(|d| scene.reduce(&g, &script, d)));
    }
    let (n, all) = (differences.len(), behaviors.len());
    let first: Vec<String> = differences.into_iter().take(SHOWN).map(|d| d.0).collect();
    assert!(first.is_empty(), "{n} of {all} behaviours differ; the first of them:\n{}", first.join("\n\n"));
}

pub fn random_udp_scripts_agree(_: &mut Home) {
    agree("udp", true, 0x5c21, &behaviors());
}

/// SYNs alone: who may begin a session, and which cross.
pub fn random_tcp_scripts_agree(_: &mut Home) {
    agree("syn", false, 0x7c9, &behaviors());
}
