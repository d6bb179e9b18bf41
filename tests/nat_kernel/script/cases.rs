//! Scripts by hand, each for one axis.

use natlab::nat::{Behavior, Filtering};
use natlab::plan::Gateway;

use super::run::Scene;
use crate::behaviors::nine;
use crate::lab::{EXTERNAL, Home, gateway};

/// The lifetime of idle mappings in scripts that wait.
const LIFETIME_MS: u64 = 300;

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

pub fn lifetimes_agree(_: &mut Home) {
    const SCRIPTS: [&str; 3] = [
        // Idle, then again.
        "a: h1:5000 > s1:3478 udp
         wait 200ms
         s1:3478 > $a udp
         wait 200ms
         s1:3478 > $a udp
         h1:5000 > s1:3478 udp
         wait 350ms
         s1:3478 > $a udp
         b: h1:5000 > s1:3478 udp
         s1:3478 > $b udp",
        // Kept alive from inside.
        "a: h1:5000 > s1:3478 udp
         wait 200ms
         h1:5000 > s1:3478 udp
         wait 200ms
         h1:5000 > s1:3478 udp
         s1:3478 > $a udp
         wait 200ms
         s1:3478 > $a udp",
        // Another host takes the port.
        "a: h1:5000 > s1:3478 udp
         wait 350ms
         h2:5000 > s1:3478 udp
         s1:3478 > $a udp
         h1:5000 > s1:3478 udp
         s1:3478 > $a udp",
    ];
    let scene = Scene::new();
    let short = |b: Behavior| gateway(Behavior { lifetime_ms: LIFETIME_MS, ..b }, &[EXTERNAL]);
    agree(&scene, nine().flat_map(|b| SCRIPTS.map(|s| (short(b), s))));
    let firewalls = [Filtering::AddressDependent, Filtering::AddressAndPortDependent].map(Behavior::public);
    agree(&scene, firewalls.into_iter().flat_map(|b| SCRIPTS.map(|s| (short(b), s))));
}
