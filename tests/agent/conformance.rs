//! What the protocol asks of every agent, connectivity aside.

use std::net::UdpSocket;

use serde_json::json;

use super::process::{Agent, aioice, builtin, skeleton};

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
    m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789abcdefghijkl\r\na=setup:actpass\r\na=sctp-port:5000\r\n";
const CANDIDATE: &str = "candidate:1 1 udp 2130706431 192.0.2.1 9 typ host";

/// Envelope, order and ending: for any agent.
fn speaks_the_protocol(argv: &[String]) {
    let mut agent = Agent::start(argv);
    let hello = agent.said[0].clone();
    assert_eq!(hello["protocol"], 1);
    for field in ["agent", "version", "level", "trickle"] {
        assert!(hello[field].is_string(), "{field}: {hello}");
    }
    assert!(hello["caps"].is_array(), "{hello}");

    for line in ["garbage", "[]", "{\"cmd\":\"stats\"}", "\u{fffd}{"] {
        let before = agent.said.len();
        agent.write(line);
        let error = agent.wait("error", |v| v["ev"] == "error" && v["code"] == "bad_json");
        assert_eq!(error["fatal"], false, "{error}");
        assert_eq!(agent.said.len(), before + 1, "one event for one bad line");
        agent.said.clear();
    }

    assert_eq!(agent.code(json!({"cmd": "dance"})), "unsupported");
    for early in [
        json!({"cmd": "offer"}),
        json!({"cmd": "candidate", "candidate": CANDIDATE}),
        json!({"cmd": "send", "data": "x"}),
    ] {
        assert_eq!(agent.code(early), "order", "before configure");
    }
    let reply = agent.configure(json!({"crystal_ball": true}));
    assert_eq!(reply["ok"], true, "{reply}");
    let ignored: Vec<_> = reply["ignored"].as_array().unwrap().iter().filter_map(|v| v.as_str()).collect();
    assert!(ignored.contains(&"crystal_ball"), "what is not honoured is said: {ignored:?}");
    assert_eq!(agent.configure(json!({}))["error"]["code"], "order", "configure comes once");

    assert_eq!(agent.code(json!({"cmd": "candidate", "candidate": CANDIDATE})), "ok", "before the description");
    assert_eq!(agent.code(json!({"cmd": "send", "data": "x"})), "order", "before it is connected");
    let stats = agent.ask(json!({"cmd": "stats"}));
    assert_eq!(stats["ok"], true, "{stats}");
    assert!(stats["stats"].get("selected").is_none_or(|s| s.is_null()), "nothing is selected: {stats}");
    agent.end(true);
}

/// The end of stdin, before and after `configure`: for any agent.
fn ends_with_its_input(argv: &[String]) {
    Agent::start(argv).end(false);
    let mut agent = Agent::start(argv);
    agent.configure(json!({"role": "answerer"}));
    agent.end(false);
}

/// What an agent with an ICE library must refuse, and what it must offer.
fn describes_itself(argv: &[String]) {
    let mut agent = Agent::start(argv);
    let refused = agent.configure(json!({"ice_servers": [{"urls": ["gopher:192.0.2.1"]}]}));
    assert_eq!(refused["error"]["code"], "bad_url", "{refused}");
    assert_eq!(agent.configure(json!({}))["ok"], true, "after a refused one");
    assert_eq!(
        agent.code(json!({"cmd": "description", "sdp_type": "answer", "sdp": SDP})),
        "order",
        "an answer before the offer"
    );
    assert_eq!(agent.code(json!({"cmd": "send"})), "bad_json");
    assert_eq!(agent.code(json!({"cmd": "offer"})), "ok");
    assert_eq!(agent.code(json!({"cmd": "offer"})), "order", "a second offer");
    agent.event("description");
    assert_eq!(
        agent.code(json!({"cmd": "description", "sdp_type": "answer", "sdp": SDP.replace("actpass", "active")})),
        "ok"
    );
    assert_eq!(agent.code(json!({"cmd": "candidate", "candidate": "candidate:nonsense"})), "bad_candidate");
    assert_eq!(agent.code(json!({"cmd": "candidate", "candidate": CANDIDATE})), "ok");
    assert_eq!(agent.code(json!({"cmd": "candidate", "candidate": ""})), "ok", "the end of candidates");
    agent.wait("checks", |v| v["ev"] == "state" && v["ice"] == "checking");
    let said = agent.end(true);

    let description = said.iter().position(|v| v["ev"] == "description").unwrap();
    let sdp = said[description]["sdp"].as_str().unwrap();
    for line in ["m=application ", "a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:sha-256 ", "a=setup:actpass"] {
        assert_eq!(sdp.split("\r\n").filter(|l| l.starts_with(line)).count(), 1, "{line} in {sdp}");
    }
    let candidate = said.iter().position(|v| v["ev"] == "candidate").unwrap_or(usize::MAX);
    assert!(description < candidate, "the description comes before its candidates");
    assert_eq!(
        said[description]["complete"] == true,
        said[0]["trickle"] == "half",
        "half trickle is complete: {}",
        said[0]
    );
}

/// An answerer answers unasked, though candidates came first.
fn answers(argv: &[String]) {
    let mut agent = Agent::start(argv);
    agent.configure(json!({"role": "answerer"}));
    assert_eq!(agent.code(json!({"cmd": "offer"})), "order", "the answerer does not offer");
    agent.tell(json!({"cmd": "candidate", "candidate": CANDIDATE}));
    assert_eq!(agent.code(json!({"cmd": "description", "sdp_type": "offer", "sdp": SDP})), "ok");
    let description = agent.event("description");
    assert_eq!(description["sdp_type"], "answer");
    assert!(description["sdp"].as_str().unwrap().contains("a=setup:active\r\n"), "{description}");
    agent.end(true);
}

/// `close` does not wait for a STUN server that never answers.
fn closes_while_gathering(argv: &[String]) {
    let silent = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut agent = Agent::start(argv);
    let url = format!("stun:{}", silent.local_addr().unwrap());
    assert_eq!(agent.configure(json!({"ice_servers": [{"urls": [url]}]}))["ok"], true);
    agent.tell(json!({"cmd": "offer"}));
    agent.wait("gathering", |v| v["ev"] == "gathering" && v["state"] == "gathering");
    assert_eq!(agent.ask(json!({"cmd": "stats"}))["ok"], true, "stats do not wait either");
    let said = agent.end(true);
    assert!(
        !said.iter().any(|v| v["ev"] == "gathering" && v["state"] == "complete"),
        "it was still gathering: {said:#?}"
    );
}

#[test]
fn the_builtin_agent_speaks_the_protocol() {
    speaks_the_protocol(&builtin());
}

#[test]
fn the_builtin_agent_ends_with_its_input() {
    ends_with_its_input(&builtin());
}

#[test]
fn the_builtin_agent_describes_itself() {
    describes_itself(&builtin());
}

#[test]
fn the_builtin_agent_answers() {
    answers(&builtin());
}

#[test]
fn the_builtin_agent_closes_while_gathering() {
    closes_while_gathering(&builtin());
}

#[test]
fn the_builtin_agent_tells_its_timers_and_does_no_restart() {
    let mut agent = Agent::start(&builtin());
    assert_eq!(agent.said[0]["settle_ms"], 0, "it nominates once");
    let reply = agent.configure(json!({}));
    assert_eq!((&reply["checks_per_pair"], &reply["timers"]["check_interval_ms"]), (&51.into(), &20.into()), "{reply}");
    assert_eq!(agent.code(json!({"cmd": "offer", "restart": true})), "unsupported");
    agent.end(true);
}

#[test]
fn an_unknown_agent_is_refused_with_the_nearest_name() {
    let output =
        std::process::Command::new(env!("CARGO_BIN_EXE_natlab")).args(["agent", "webrtc-ise"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`webrtc-ice`"), "{output:?}");
    assert!(output.stdout.is_empty(), "stdout is the protocol's");
}

#[test]
#[ignore = "needs NATLAB_PYTHON (scripts/test sets it)"]
fn the_skeleton_of_the_documentation_speaks_the_protocol() {
    let directory = tempfile::tempdir().unwrap();
    let argv = skeleton(directory.path());
    speaks_the_protocol(&argv);
    ends_with_its_input(&argv);
}

#[test]
#[ignore = "needs NATLAB_PYTHON with agents/aioice/requirements.txt (scripts/test sets it)"]
fn aioice_speaks_the_protocol() {
    let argv = aioice();
    speaks_the_protocol(&argv);
    ends_with_its_input(&argv);
    describes_itself(&argv);
    answers(&argv);
    closes_while_gathering(&argv);
}
