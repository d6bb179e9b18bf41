//! Two homes behind one carrier: each is measured through it, at the same time as the other.

use libtest_mimic::Trial;

use super::command::{Files, Run, test};

/// Two homes behind a carrier.
fn scenario(homes: &str, carrier: &str) -> String {
    format!(
        "[peer.alice]\nbehind = \"home\"\n[peer.bob]\nbehind = \"flat\"\n\
         [nat.home]\nbehind = \"carrier\"\n{homes}\n[nat.flat]\nbehind = \"carrier\"\n{homes}\n\
         [nat.carrier]\n{carrier}\n[server.stun]\ntype = \"stun\"\n[server.turn]\ntype = \"turn\"\n"
    )
}

/// What both directions came to, all as predicted and none of them void.
fn outcome(homes: &str, carrier: &str) -> String {
    let files = Files::new();
    let run = Run::of([files.write("homes.toml", &scenario(homes, carrier))]);
    let [a, b] = run.trials() else { panic!("{}", run.told()) };
    assert_eq!((a["verdict"].as_str(), b["verdict"].as_str()), (Some("met"), Some("met")), "{}", run.told());
    assert_eq!(a["outcome"], b["outcome"], "{}", run.told());
    a["outcome"].as_str().expect("an outcome").to_owned()
}

pub fn tests() -> Vec<Trial> {
    const HOME: &str = "preset = \"port-restricted-cone\"";
    const OPEN_HOME: &str = "preset = \"full-cone\"";
    const CARRIER: &str = "mapping = \"eim\"\nfiltering = \"eif\"\n";
    vec![
        test("carrier::keeps_the_ports_of_both_homes", || {
            let carrier = format!("{CARRIER}ports = \"preserving\"\nhairpinning = \"external-source\"");
            assert_eq!(outcome(HOME, &carrier), "direct");
        }),
        test("carrier::turns_nothing_round", || {
            assert_eq!(outcome(OPEN_HOME, &format!("{CARRIER}ports = \"random\"\nhairpinning = \"none\"")), "relayed");
        }),
        test("carrier::turns_round_with_the_source_of_the_home", || {
            let carrier = format!("{CARRIER}ports = \"random\"\nhairpinning = \"internal-source\"");
            assert_eq!(outcome(OPEN_HOME, &carrier), "direct");
            assert_eq!(outcome(HOME, &carrier), "relayed");
        }),
    ]
}
