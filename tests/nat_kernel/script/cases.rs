//! Scripts by hand, each for one axis.

use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, Refresh, Translation};
use natlab::plan::Gateway;

use super::run::Scene;
use crate::behaviors::nine;
use crate::lab::{EXTERNAL, Home, gateway};

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

pub fn lifetimes_agree(_: &mut Home) {
    let scene = Scene::new();
    let three = nine().filter(|b| b.mapping as usize == b.filtering as usize);
    let one_way = three.flat_map(|b| [Refresh::Outbound, Refresh::Inbound].map(|refresh| Behavior { refresh, ..b }));
    let firewalls = [Filtering::AddressDependent, Filtering::AddressAndPortDependent].map(Behavior::public);
    let all = nine().chain(one_way).chain(firewalls);
    let short = |b: Behavior| gateway(Behavior { lifetime_ms: LIFETIME_MS, ..b }, &[EXTERNAL]);
    let known = |b: &Behavior, script| is_stranger(b) && script == AGES[STRANGER];
    let scripts = |b: Behavior| AGES.into_iter().filter(move |s| !known(&b, *s)).map(move |s| (short(b), s));
    agree(&scene, all.flat_map(scripts));
}

/// Which of [`AGES`] has a stranger.
const STRANGER: usize = 2;

/// Whether a mapping for one remote endpoint lets others in.
fn is_stranger(b: &Behavior) -> bool {
    let open = b.filtering != Filtering::AddressAndPortDependent;
    b.translation == Translation::Napt && b.mapping == Mapping::AddressAndPortDependent && open
}

/// What the rules do otherwise, each with a script that shows it: one that does not any more must leave this list, and the
/// condition that keeps it out of the other tests with it.
pub fn known_differences_are_still_there(_: &mut Home) {
    use Filtering as F;
    use Mapping as M;
    const TWO_ENDPOINTS: &str = "
        a: h2:5000 > s1:3478 udp
        b: h2:5000 > s2:3478 udp
        h1:5000 > $a udp
        h1:5000 > $b udp";
    let hairpins = |hairpinning, b| Behavior { hairpinning, ..b };
    let short = |b| Behavior { lifetime_ms: LIFETIME_MS, ..b };
    let (adm, apdm) = (M::AddressDependent, M::AddressAndPortDependent);
    let known = [
        // A packet from a stranger keeps the external endpoint alive, but not what inside sends through it: the rules cannot
        // tell for whom that mapping was made.
        (short(Behavior::napt(apdm, F::EndpointIndependent)), AGES[STRANGER]),
        (short(Behavior::napt(apdm, F::AddressDependent)), AGES[STRANGER]),
        // Connection tracking holds one session of two endpoints, and hairpinned ones have no zones.
        (hairpins(Hairpinning::ExternalSource, Behavior::napt(adm, F::EndpointIndependent)), TWO_ENDPOINTS),
        (hairpins(Hairpinning::InternalSource, Behavior::napt(apdm, F::EndpointIndependent)), TWO_ENDPOINTS),
    ];
    let scene = Scene::new();
    let gone = known.into_iter().filter(|(b, script)| scene.run(&gateway(*b, &[EXTERNAL]), script).is_ok());
    let gone: Vec<String> = gone.map(|(b, script)| format!("{b}:{script}")).collect();
    assert!(gone.is_empty(), "no difference any more:\n{}", gone.join("\n"));
}
