//! Two agents on this host, and the test as the router between them: no NAT, so that it runs anywhere.

use std::time::Instant;

use serde_json::{Value, json};

use super::process::{Agent, LIMIT, aioice, builtin};

/// Connects the two and lets data go both ways; what they said.
fn connect(offerer: &[String], answerer: &[String], ice_roles: &[Option<&str>; 2]) -> [Vec<Value>; 2] {
    let mut sides = [Agent::start(offerer), Agent::start(answerer)];
    for (side, role) in [(1, "answerer"), (0, "offerer")] {
        let mut configure = json!({"role": role});
        if let Some(ice_role) = ice_roles[side] {
            configure["ice_role"] = ice_role.into();
        }
        let reply = sides[side].configure(configure);
        assert_eq!(reply["ok"], true, "{reply}");
    }
    sides[0].tell(json!({"cmd": "offer"}));
    let is_connected = |v: &Value| v["ev"] == "state" && v["ice"] == "connected";
    let end = Instant::now() + LIMIT;
    while !sides.iter().all(|side| side.said.iter().any(is_connected)) {
        assert!(Instant::now() < end, "not connected: {:#?} {:#?}", sides[0].said, sides[1].said);
        for from in 0..2 {
            let Some(event) = sides[from].poll() else { continue };
            let forwarded = match event["ev"].as_str().unwrap() {
                "description" => json!({"cmd": "description", "sdp_type": event["sdp_type"], "sdp": event["sdp"]}),
                "candidate" => {
                    json!({"cmd": "candidate", "candidate": event["candidate"], "sdp_mid": "0", "sdp_mline_index": 0})
                }
                _ => continue,
            };
            sides[1 - from].tell(forwarded);
        }
    }
    for (side, text) in [(0, "natlab offerer ü"), (1, "natlab answerer ü")] {
        let reply = sides[side].ask(json!({"cmd": "send", "data": text}));
        assert_eq!(reply["ok"], true, "{reply}");
        assert_eq!(sides[1 - side].event("data")["data"], text);
    }
    for side in &mut sides {
        let selected = side.ask(json!({"cmd": "stats"}))["stats"]["selected"].clone();
        assert_eq!(side.event("pair")["local"]["port"], selected["local"]["port"], "one nomination: {selected}");
    }
    sides.map(|side| side.end(true))
}

fn role(said: &[Value]) -> &str {
    said.iter().find_map(|v| (v["ev"] == "pair").then(|| v["ice_role"].as_str())).flatten().unwrap()
}

#[test]
fn two_builtin_agents_connect_over_loopback() {
    let [offerer, answerer] = connect(&builtin(), &builtin(), &[None, None]);
    assert_eq!((role(&offerer), role(&answerer)), ("controlling", "controlled"));
    let ends = offerer.iter().filter(|v| v["ev"] == "candidate" && v["candidate"] == "").count();
    assert_eq!(ends, 1, "the end of candidates is told once");
}

#[test]
fn a_forced_ice_role_beats_the_offer() {
    let [offerer, answerer] = connect(&builtin(), &builtin(), &[Some("controlled"), Some("controlling")]);
    assert_eq!((role(&offerer), role(&answerer)), ("controlled", "controlling"));
}

#[test]
#[ignore = "needs NATLAB_PYTHON with agents/aioice/requirements.txt (scripts/test sets it), and an interface besides lo"]
fn the_builtin_agent_and_aioice_connect_in_both_directions() {
    // aioice never uses 127.0.0.1.
    let [a, b] = connect(&builtin(), &aioice(), &[None, None]);
    assert_eq!((role(&a), role(&b)), ("controlling", "controlled"));
    let [a, b] = connect(&aioice(), &builtin(), &[None, None]);
    assert_eq!((role(&a), role(&b)), ("controlling", "controlled"));
}
