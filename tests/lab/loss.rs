//! Links that lose packets: as many as asked for, and no verdict that loss alone explains.

use libtest_mimic::Trial;
use serde_json::Value;

use super::command::{Files, Run, test};

/// Two homes; `alice` and `bob` are keys of the peers.
fn scenario(alice: &str, bob: &str, top: &str) -> String {
    format!(
        "{top}\n[peer.alice]\nbehind = \"a\"\n{alice}\n[peer.bob]\nbehind = \"b\"\n{bob}\n[nat.a]\npreset = \
         \"port-restricted-cone\"\n[nat.b]\npreset = \"port-restricted-cone\"\n[server.stun]\ntype = \"stun\"\n"
    )
}

fn run(text: &str) -> Run {
    let files = Files::new();
    Run::of([files.write("lossy.toml", text)])
}

/// Lost and all packets of a direction of a node's link, over all trials.
fn lost(run: &Run, node: &str, direction: &str) -> (f64, f64) {
    let all = run.trials().iter().flat_map(|t| t["losses"].as_array().cloned().unwrap_or_default());
    let mine = all.filter(|l| l["node"] == node && l["direction"] == direction);
    let number = |l: &Value, key: &str| l[key].as_f64().expect("a count");
    mine.fold((0.0, 0.0), |(dropped, sum), l| {
        (dropped + number(&l, "dropped"), sum + number(&l, "dropped") + number(&l, "passed"))
    })
}

pub fn tests() -> Vec<Trial> {
    vec![
        test("loss::as_much_as_asked_for", || {
            // A relay makes for packets enough, however quickly a trial is over.
            let peers = scenario("loss = { up = \"30%\", down = \"20%\" }", "", "repeats = 12\ndeadline = \"3s\"");
            let run = run(&(peers + "[server.turn]\ntype = \"turn\"\n"));
            for t in run.trials() {
                assert!(t["verdict"] == "met" || t["verdict"] == "inconclusive", "{}", run.told());
            }
            for (direction, asked) in [("up", 0.3), ("down", 0.2)] {
                let (dropped, all) = lost(&run, "alice", direction);
                // Five standard deviations of a binomial distribution: once in 1.7 million runs by chance.
                let most = 5.0 * (all * asked * (1.0 - asked)).sqrt();
                assert!(all > 100.0, "{all} packets are too few");
                assert!((dropped - all * asked).abs() <= most, "{direction}: {dropped} of {all}, asked {asked}");
            }
            assert_eq!(lost(&run, "bob", "up"), (0.0, 0.0), "bob's link loses nothing, and nothing is said of it");
        }),
        test("loss::a_dead_link_is_inconclusive_and_its_nat_is_measured", || {
            let run = run(&scenario("", "loss = { down = \"100%\" }", "offers = \"alice\"\ndeadline = \"3s\""));
            let [t] = run.trials() else { panic!("{}", run.told()) };
            assert_eq!((t["outcome"].as_str(), t["verdict"].as_str()), (Some("no-path"), Some("inconclusive")), "{t}");
            assert_eq!(run.code, 4);
            for nat in t["nats"].as_array().expect("gateways") {
                assert_eq!(
                    nat["measurement"]["differences"],
                    serde_json::json!([]),
                    "measured before anything is lost"
                );
            }
            let (dropped, all) = lost(&run, "bob", "down");
            assert!(dropped == all && all > 0.0, "{dropped} of {all}");
        }),
        test("loss::nothing_is_said_where_nothing_is_lost", || {
            let run = run(&scenario("", "", "offers = \"alice\""));
            assert_eq!(run.code, 0, "{}", run.told());
            assert!(run.trials()[0].get("losses").is_none());
        }),
    ]
}
