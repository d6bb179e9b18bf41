//! Scripts by hand, each for one axis.

use natlab::nat::{Behavior, Filtering, Hairpinning, Pair, Refresh, Semantics, Tcp, Unsolicited, UnsolicitedSyn};
use natlab::plan::Gateway;

use super::EXTERNALS;
use super::run::Scene;
use crate::behaviors::nine;
use crate::lab::{EXTERNAL, HOSTS, Home, gateway};

/// The lifetime of idle mappings in scripts that wait.
const LIFETIME_MS: u64 = 200;

/// Runs every script behind every gateway, and says all that differs.
fn agree<'a>(scene: &Scene, pairs: impl IntoIterator<Item = (Gateway, &'a str)>) {
    let mut differences = vec![];
    for (g, script) in pairs {
        differences.extend(scene.run(&g, script).err().map(|d| d.0));
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n\n"));
}

pub fn curated_scripts_agree(_: &mut Home) {
    const ROUND: &str = "
        a: h1:5000 > s1:80 syn
        s1:80 > $a syn-ack
        h1:5000 > s1:80 ack
        s1:80 > $a ack
        h1:5000 > s1:80 fin
        s1:80 > $a fin
        h1:5000 > s1:80 ack
        h1:5000 > s2:80 syn
        s1:80 > $a ack";
    let scene = Scene::new();
    agree(&scene, nine().map(|b| (gateway(b, &[EXTERNAL]), ROUND)));
}

/// A 1:1 NAT has one external address more than pairs, which is nobody's: what comes there is answered, whatever is filtered.
pub fn addresses_that_are_nobodys_agree(_: &mut Home) {
    const NOBODYS: &str = "
        s1:3478 > e1:5000 udp
        s1:3478 > e1:5000 syn
        s1:3478 > e2:5000 udp
        s1:3478 > e2:5000 syn
        a: h1:5000 > s1:3478 udp
        s1:3478 > e1:5000 udp
        s1:3478 > $a udp
        s2:3478 > $a udp
        h1:5000 > e1:7000 udp";
    let answers = [
        (Unsolicited::Dropped, UnsolicitedSyn::Dropped),
        (Unsolicited::Icmp, UnsolicitedSyn::Icmp),
        (Unsolicited::Icmp, UnsolicitedSyn::Reset),
    ];
    let all =
        Filtering::ALL.into_iter().flat_map(|f| answers.map(|a| (f, a))).map(|(filtering, (unsolicited, syn))| {
            let b = Behavior::one_to_one(filtering);
            let b = Behavior { unsolicited, tcp: Some(Tcp { unsolicited: syn, ..b.tcp() }), ..b };
            let pairs = [0, 1].map(|n| Pair { external: EXTERNALS[n + 1], inside: HOSTS[n] });
            Gateway { external: EXTERNALS.to_vec(), pairs: pairs.to_vec(), ..gateway(b, &[]) }
        });
    agree(&Scene::new(), all.map(|g| (g, NOBODYS)));
}

/// Resets and FINs, from either side, before, in and after sessions: a mapping lives as long as if nothing had been closed.
const ENDINGS: [&str; 6] = [
    // A reset from inside, then data of both, and another session through the same mapping.
    "a: h1:5000 > s1:80 syn
     s1:80 > $a syn-ack
     h1:5000 > s1:80 ack
     h1:5000 > s1:80 rst
     s1:80 > $a ack
     h1:5000 > s1:80 ack
     h1:5000 > s2:80 syn
     h1:5000 > s1:80 syn
     s1:80 > $a syn-ack",
    // One from the server.
    "a: h1:5000 > s1:80 syn
     s1:80 > $a syn-ack
     h1:5000 > s1:80 ack
     s1:80 > $a rst
     s1:80 > $a ack
     h1:5000 > s1:80 ack
     h1:5000 > s2:80 syn
     s2:80 > $a syn",
    // A SYN that is refused, and one that comes again.
    "a: h1:5000 > s1:80 syn
     s1:80 > $a rst
     h1:5000 > s1:80 syn
     s1:80 > $a syn-ack
     h1:5000 > s1:80 ack",
    // Resets and FINs that belong to nothing, from everywhere.
    "s1:80 > e1:5000 rst
     s1:80 > e1:5000 fin
     h1:5000 > s1:80 rst
     h1:5000 > s1:80 fin
     h1:5000 > s1:80 ack
     a: h1:5000 > s1:80 syn
     s2:80 > $a rst
     s2:80 > $a fin
     s1:81 > $a rst
     s1:80 > $a syn-ack
     h1:5000 > s2:80 rst",
    // FINs of both, the server's first, data after its own; then a reset, and the same connection once more.
    "a: h1:5000 > s1:80 syn
     s1:80 > $a syn-ack
     h1:5000 > s1:80 ack
     s1:80 > $a fin
     h1:5000 > s1:80 ack
     h1:5000 > s1:80 fin
     s1:80 > $a ack
     s1:80 > $a ack
     s1:80 > $a rst
     b: h1:5000 > s1:80 syn
     s1:80 > $b syn-ack
     h1:5000 > s1:80 ack",
    // A session that a stranger began, where the filter lets him, closed by a reset from inside.
    "a: h1:5000 > s1:80 syn
     s1:80 > $a syn-ack
     h1:5000 > s1:80 ack
     s1:81 > $a syn
     h1:5000 > s1:81 syn-ack
     s1:81 > $a ack
     h1:5000 > s1:81 rst
     s1:81 > $a ack
     h1:5000 > s1:80 ack
     s1:80 > $a ack",
];

pub fn endings_agree(_: &mut Home) {
    let each = |b: Behavior| ENDINGS.map(|script| (gateway(b, &[EXTERNAL]), script));
    agree(&Scene::new(), nine().flat_map(each));
}

/// Against a TCP lifetime of one second: what was closed is kept until then, and no longer, so that another host can have the
/// port.
pub fn endings_are_no_end_before_the_lifetime(_: &mut Home) {
    const LATER: &str = "
        a: h1:5000 > s1:80 syn
        s1:80 > $a syn-ack
        h1:5000 > s1:80 ack
        h1:5000 > s1:80 rst
        wait 600ms
        h1:5000 > s1:80 syn
        s1:80 > $a syn-ack
        h1:5000 > s1:80 ack
        s1:80 > $a rst
        s2:80 > $a syn
        wait 1100ms
        s1:80 > $a syn
        h1:5000 > s1:80 ack
        b: h2:5000 > s1:80 syn
        s1:80 > $b syn-ack";
    let three = nine().filter(|b| b.mapping as usize == b.filtering as usize);
    let short = |b: Behavior| Behavior { tcp: Some(Tcp { lifetime_ms: 1000, ..b.tcp() }), ..b };
    agree(&Scene::new(), three.map(|b| (gateway(short(b), &[EXTERNAL]), LATER)));
}

/// Against a lifetime of [`LIFETIME_MS`].
const AGES: [&str; 4] = [
    // Idle, and kept alive from outside; then again.
    "a: h1:5000 > s1:3478 udp
     wait 140ms
     s1:3478 > $a udp
     wait 140ms
     s1:3478 > $a udp
     h1:5000 > s1:3478 udp
     wait 250ms
     s1:3478 > $a udp
     b: h1:5000 > s1:3478 udp
     s1:3478 > $b udp",
    // Kept alive from inside.
    "a: h1:5000 > s1:3478 udp
     wait 140ms
     h1:5000 > s1:3478 udp
     wait 140ms
     h1:5000 > s1:3478 udp
     s1:3478 > $a udp
     wait 140ms
     s1:3478 > $a udp",
    // Kept alive by a stranger, where the filter lets it in.
    "a: h1:5000 > s1:3478 udp
     wait 140ms
     s2:3479 > $a udp
     s1:3479 > $a udp
     wait 140ms
     s1:3478 > $a udp
     h1:5000 > s1:3478 udp",
    // Another host takes the port.
    "a: h1:5000 > s1:3478 udp
     wait 250ms
     h2:5000 > s1:3478 udp
     s1:3478 > $a udp
     h1:5000 > s1:3478 udp
     s1:3478 > $a udp",
];

/// The same by a neighbour, where there is hairpinning.
const NEIGHBOURS: [&str; 2] = [
    "a: h2:5000 > s1:3478 udp
     wait 140ms
     h1:5000 > $a udp
     wait 140ms
     s1:3478 > $a udp
     h2:5000 > s1:3478 udp
     wait 140ms
     h1:5000 > $a udp",
    // Both have sent to the other.
    "a: h2:5000 > s1:3478 udp
     b: h1:5000 > $a udp
     h2:5000 > $b udp
     wait 140ms
     h1:5000 > $a udp
     wait 140ms
     h1:5000 > $a udp
     h2:5000 > $b udp
     s1:3478 > $a udp",
];

pub fn lifetimes_agree(_: &mut Home) {
    let scene = Scene::new();
    let three = nine().filter(|b| b.mapping as usize == b.filtering as usize);
    let one_way = three.flat_map(|b| [Refresh::Outbound, Refresh::Inbound].map(|refresh| Behavior { refresh, ..b }));
    let firewalls = [Filtering::AddressDependent, Filtering::AddressAndPortDependent].map(Behavior::public);
    let all = nine().chain(one_way).chain(firewalls);
    let turns = [Hairpinning::ExternalSource, Hairpinning::InternalSource];
    let hairpins = nine().flat_map(|b| turns.map(|hairpinning| Behavior { hairpinning, ..b }));
    let short = |b: Behavior| gateway(Behavior { lifetime_ms: LIFETIME_MS, ..b }, &[EXTERNAL]);
    let hairpinned = hairpins.flat_map(|b| NEIGHBOURS.map(|s| (short(b), s)));
    agree(&scene, all.flat_map(|b| AGES.map(|s| (short(b), s))).chain(hairpinned));
}

/// The same with connection tracking, which knows whole seconds only, and whose sessions have timers of their own.
pub fn tracked_lifetimes_agree(_: &mut Home) {
    const SCRIPT: &str = "
        a: h1:5000 > s1:3478 udp
        wait 600ms
        s2:3478 > $a udp
        s1:3479 > $a udp
        h1:5000 > s1:3479 udp
        wait 600ms
        s1:3478 > $a udp
        h1:5000 > s1:3478 udp";
    let short = |b: Behavior| gateway(Behavior { lifetime_ms: 1000, ..b }, &[EXTERNAL]);
    let scene = Scene::new();
    agree(&scene, strict_and_affine(nine()).map(|b| (short(b), SCRIPT)));
}

fn strict_and_affine(of: impl Iterator<Item = Behavior>) -> impl Iterator<Item = Behavior> {
    of.flat_map(|b| [Semantics::Strict, Semantics::ReplyAffine].map(|semantics| Behavior { semantics, ..b }))
}

/// Each inside endpoint has up to two external ones, and its neighbour sends to both.
pub fn hairpins_agree(_: &mut Home) {
    const SCRIPT: &str = "
        a: h2:5000 > s1:3478 udp
        b: h2:5000 > s2:3478 udp
        c: h1:5000 > $a udp
        d: h1:5000 > $b udp
        h2:5000 > $c udp
        h2:5000 > $d udp
        h1:5000 > $a udp
        h1:5000 > $b udp
        s1:3478 > $a udp
        s2:3478 > $b udp
        h2:5000 > s2:3478 udp";
    let scene = Scene::new();
    for hairpinning in [Hairpinning::ExternalSource, Hairpinning::InternalSource] {
        let all = strict_and_affine(nine()).map(|b| Behavior { hairpinning, ..b });
        agree(&scene, all.map(|b| (gateway(b, &[EXTERNAL]), SCRIPT)));
    }
}
