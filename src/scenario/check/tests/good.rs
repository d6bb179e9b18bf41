//! What a scenario without mistakes means.

use std::net::Ipv4Addr;

use super::{GOOD, good_but, scenario};
use crate::ice::CandidateType;
use crate::nat::{
    Behavior, Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, PortAssignment, PortRange, Refresh, Semantics,
    SimultaneousOpen, Tcp, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn, preset,
};
use crate::net::Transport;
use crate::protocol::TimerProfile;
use crate::scenario::{AgentProgram, ExpectedOutcome, Gathering, Implementation, Loss};
use crate::scenario::{Expect, parse};

#[test]
fn defaults_are_what_one_would_guess() {
    let s = scenario(GOOD);
    assert_eq!((s.name.as_str(), s.seed, s.repeats), ("good", 1, 1));
    assert_eq!(s.offerers, ["alice", "bob"]);
    assert_eq!((s.connect_deadline_ms, s.hello_deadline_ms), (None, None));
    let [alice, bob] = s.peers.as_slice() else { panic!("two peers") };
    assert_eq!((alice.behind.as_deref(), bob.behind.as_deref()), (Some("home"), Some("office")));
    for peer in [alice, bob] {
        assert_eq!(peer.agent, AgentProgram::Builtin("webrtc-ice".to_owned()));
        assert_eq!(peer.stun, ["stun"]);
        assert_eq!(peer.turn, [("turn".to_owned(), Transport::Udp)]);
        assert_eq!((&peer.credentials, peer.ice_role, peer.policy, peer.address), (&None, None, None, None));
    }
    let turn = &s.servers[1];
    assert_eq!((turn.port, turn.implementation), (3478, Implementation::Natlab));
    assert_eq!(turn.transports, [Transport::Udp, Transport::Tcp]);
    assert_eq!((turn.user.as_str(), turn.password.as_str()), ("natlab", "natlab"));
    assert_eq!(s.servers[0].transports, [Transport::Udp]);
    assert_eq!((s.ice.gathering, s.ice.timers, s.ice.answer_delay_ms), (Gathering::Trickle, TimerProfile::Lab, 0));
    assert_eq!(s.network.wan.to_string(), "203.0.113.0/24");
    assert_eq!(s.network.servers.to_string(), "198.51.100.0/24");
    assert_eq!(s.network.lan.to_string(), "10.0.0.0/8");
}

#[test]
fn lists_keep_the_order_of_the_file() {
    let s = scenario(
        "[peer.zoe]\nbehind='n2'\n[nat.n2]\npreset='open'\nbehind='n1'\n[nat.n1]\npreset='open'\n[peer.adam]\n",
    );
    assert_eq!(s.peers.iter().map(|p| p.name.as_str()).collect::<Vec<_>>(), ["zoe", "adam"]);
    assert_eq!(s.nats.iter().map(|n| n.name.as_str()).collect::<Vec<_>>(), ["n2", "n1"]);
    assert_eq!(s.offerers, ["zoe", "adam"]);
}

#[test]
fn every_setting_arrives() {
    let s = scenario(
        r##"
name = "all"
description = "Everything."
seed = 18446744073709551615
repeats = 3
offers = ["bob"]
deadline = "1.5s"
hello-deadline = "1m"

[network]
wan = "198.18.0.0/16"
servers = "198.19.0.0/16"
lan = "192.168.0.0/16"

[peer.alice]
behind = "home"
address = "192.168.7.9"
agent = { command = ["./agent", "--flag"] }
stun = ["turn"]
turn = true
turn-transport = ["tcp", "udp"]
password = "wrong"
ice-role = "controlled"
policy = "relay"

[peer.bob]
stun = true
turn = false
address = "198.18.0.9"

[nat.home]
mapping = "address-dependent"
filtering = "eif"
ports = "preserving"
hairpinning = "external-source"
lifetime = "400ms"
semantics = "reply-affine"
udp = "allowed"
translation = "napt"
behind = "carrier"
address = "100.64.0.9"

[nat.carrier]
preset = "symmetric"
address = "198.18.0.10"

[server.stun]
type = "stun"
addresses = ["198.19.0.1", "198.19.0.2"]
port = 5000

[server.turn]
type = "turn"
implementation = "coturn"
transports = ["tcp", "udp"]
username = "u"
password = "p"

[ice]
policy = "srflx"
gathering = "full"
timers = "stock"
answer-delay = "100ms"

[[expect]]
offerer = "bob"
outcome = ["relayed", "no-path"]
local = ["relay", "prflx"]
remote = "host"
connect-within = "1s"
because = "so"
"##,
    );
    assert_eq!((s.name.as_str(), s.description.as_str(), s.seed, s.repeats), ("all", "Everything.", u64::MAX, 3));
    assert_eq!(s.offerers, ["bob"]);
    assert_eq!((s.connect_deadline_ms, s.hello_deadline_ms), (Some(1500), Some(60_000)));
    assert_eq!(s.network.lan.to_string(), "192.168.0.0/16");
    let alice = &s.peers[0];
    assert_eq!(alice.address, Some(Ipv4Addr::new(192, 168, 7, 9)));
    assert_eq!(alice.agent, AgentProgram::Command(vec!["./agent".to_owned(), "--flag".to_owned()]));
    assert_eq!(alice.stun, ["turn"]);
    assert_eq!(alice.turn, [("turn".to_owned(), Transport::Tcp), ("turn".to_owned(), Transport::Udp)]);
    assert_eq!(alice.credentials, Some(("u".to_owned(), "wrong".to_owned())));
    assert_eq!((&s.peers[1].stun, &s.peers[1].turn), (&vec!["stun".to_owned()], &vec![]));
    let home = &s.nats[0];
    let expected = Behavior {
        ports: PortAssignment::Preserving,
        hairpinning: Hairpinning::ExternalSource,
        semantics: Semantics::ReplyAffine,
        lifetime_ms: 400,
        ..Behavior::napt(Mapping::AddressDependent, Filtering::EndpointIndependent)
    };
    assert_eq!((home.behavior, home.behind.as_deref()), (expected, Some("carrier")));
    assert_eq!((s.servers[0].port, s.servers[0].addresses.len()), (5000, 2));
    assert_eq!(s.servers[1].implementation, Implementation::Coturn);
    assert_eq!((s.ice.gathering, s.ice.timers, s.ice.answer_delay_ms), (Gathering::Full, TimerProfile::Stock, 100));
    assert_eq!(
        s.expectations,
        [Expect {
            offerer: Some("bob".to_owned()),
            outcome: vec![ExpectedOutcome::Relayed, ExpectedOutcome::NoPath],
            local: vec![CandidateType::Relayed, CandidateType::PeerReflexive],
            remote: vec![CandidateType::Host],
            connect_within_ms: Some(1000),
            because: Some("so".to_owned()),
        }]
    );
}

#[test]
fn a_behaviour_is_a_preset_or_its_axes_or_both() {
    let behavior = |nat: &str| {
        let text = good_but(&[("preset = \"symmetric\"", nat)]);
        scenario(&text).nats[1].behavior
    };
    use {Filtering as F, Mapping as M};
    let symmetric = Behavior::napt(M::AddressAndPortDependent, F::AddressAndPortDependent);
    assert_eq!(behavior("preset = 'symmetric'"), symmetric);
    assert_eq!(behavior("mapping = 'apdm'"), symmetric);
    assert_eq!(behavior("mapping = 'apdm'\nfiltering = 'apdf'\nports = 'random'"), symmetric);
    assert_eq!(
        behavior("preset = 'symmetric'\nmapping = 'apdm'\nlifetime = '1s'"),
        Behavior { lifetime_ms: 1000, ..symmetric }
    );
    assert_eq!(behavior("filtering = 'adf'"), Behavior::napt(M::EndpointIndependent, F::AddressDependent));
    assert_eq!(behavior("translation = 'none'\nfiltering = 'adf'"), Behavior::public(F::AddressDependent));
    assert_eq!(behavior("translation = 'none'"), behavior("preset = 'firewall'"));
    assert_eq!(behavior("preset = 'open'"), Behavior::public(F::EndpointIndependent));
    let blocked = behavior("preset = 'udp-blocked'");
    assert_eq!((blocked.udp, blocked.translation), (UdpPolicy::Blocked, Translation::Napt));
    assert_eq!(behavior("udp = 'blocked'"), blocked);
    let public_blocked = behavior("preset = 'udp-blocked'\ntranslation = 'none'");
    assert_eq!((public_blocked.udp, public_blocked.translation), (UdpPolicy::Blocked, Translation::None));
    assert_eq!(behavior("preset = 'firewall'\nudp = 'blocked'"), public_blocked);
    assert_eq!(behavior("preset = 'symmetric'\nudp = 'blocked'"), Behavior { udp: UdpPolicy::Blocked, ..symmetric });
}

#[test]
fn every_axis_arrives() {
    let s = scenario(
        r#"
[peer.a]
behind = "home"
loss = { up = "20%", down = "0.5%" }
[peer.b]
[server.s]
type = "stun"
loss = "1%"
[nat.home]
mapping = "adm"
filtering = "apdf"
ports = "sequential"
port-step = -2
port-range = "40000-40999"
port-block = 100
addresses = ["203.0.113.7", "203.0.113.8"]
pooling = "arbitrary"
hairpinning = "internal-source"
lifetime = "200ms"
refresh = "outbound"
unsolicited = "icmp"
icmp-errors = "dropped"
loss = "100%"
tcp = { mapping = "apdm", filtering = "eif", unsolicited = "reset", simultaneous-open = "refused", lifetime = "1h" }
[[nat.home.forward]]
protocol = "udp"
port = 7000
to = "a"
to-port = 7001
[[nat.home.forward]]
protocol = "tcp"
port = 7000
to = "a"
"#,
    );
    let home = &s.nats[0];
    let tcp = Tcp {
        unsolicited: UnsolicitedSyn::Reset,
        simultaneous_open: SimultaneousOpen::Refused,
        lifetime_ms: 3_600_000,
        ..Tcp::new(Mapping::AddressAndPortDependent, Filtering::EndpointIndependent)
    };
    let expected = Behavior {
        ports: PortAssignment::Sequential,
        port_step: -2,
        port_range: PortRange { first: 40_000, last: 40_999 },
        port_block: Some(100),
        addresses: 2,
        pooling: Pooling::Arbitrary,
        hairpinning: Hairpinning::InternalSource,
        lifetime_ms: 200,
        refresh: Refresh::Outbound,
        unsolicited: Unsolicited::Icmp,
        icmp_errors: IcmpErrors::Dropped,
        tcp: Some(tcp),
        ..Behavior::napt(Mapping::AddressDependent, Filtering::AddressAndPortDependent)
    };
    assert_eq!(home.behavior, expected);
    assert_eq!(home.addresses, [Ipv4Addr::new(203, 0, 113, 7), Ipv4Addr::new(203, 0, 113, 8)]);
    let forwards: Vec<_> = home.forwards.iter().map(|f| (f.protocol, f.port, f.to.as_str(), f.to_port)).collect();
    assert_eq!(forwards, [(Transport::Udp, 7000, "a", 7001), (Transport::Tcp, 7000, "a", 7000)]);
    assert_eq!(home.loss, Loss { up: 10_000, down: 10_000 });
    assert_eq!(s.peers[0].loss, Loss { up: 2_000, down: 50 });
    assert_eq!((s.peers[1].loss, s.servers[0].loss), (Loss::default(), Loss { up: 100, down: 100 }));
}

#[test]
fn a_preset_keeps_its_axes_and_takes_more() {
    let nat = |keys: &str| scenario(&format!("[peer.a]\nbehind='n'\n[peer.b]\n[nat.n]\n{keys}")).nats[0].clone();
    for p in &preset::ALL {
        let expected = p.behavior;
        assert_eq!(nat(&format!("preset = '{}'", p.name)).behavior, expected, "{}", p.name);
    }
    let longer = nat("preset = 'openwrt'\nlifetime = '10s'\ntcp.lifetime = '2m'").behavior;
    let openwrt = preset::find("openwrt").unwrap().behavior;
    let tcp = Some(Tcp { lifetime_ms: 120_000, ..openwrt.tcp() });
    assert_eq!(longer, Behavior { lifetime_ms: 10_000, tcp, ..openwrt });
}

#[test]
fn a_one_to_one_nat_has_an_address_for_each_that_it_sees() {
    let s = scenario(
        "[peer.a]\nbehind='cloud'\n[peer.b]\nbehind='home'\n[nat.cloud]\npreset='cloud-1to1'\n\
         [nat.router]\npreset='firewall'\nbehind='cloud'\n[nat.home]\npreset='symmetric'\naddresses=3\n\
         behind='router'\n",
    );
    let of = |name: &str| s.nats.iter().find(|n| n.name == name).unwrap().behavior.addresses;
    // The peer, the router, and the three addresses of the NAT behind the router.
    assert_eq!((of("cloud"), of("home")), (5, 3));
}

#[test]
fn a_server_that_serves_tcp_only_is_reached_over_tcp() {
    let text = good_but(&[("type = \"turn\"", "type = \"turn\"\ntransports = [\"tcp\"]")]);
    assert_eq!(scenario(&text).peers[0].turn, [("turn".to_owned(), Transport::Tcp)]);
}

#[test]
fn the_name_of_a_scenario_is_the_stem_of_its_file() {
    let name = |file: &str| parse(file, GOOD.as_bytes()).unwrap().name;
    assert_eq!(name("some/where/symmetric.toml"), "symmetric");
    assert_eq!(name("./my scenario (1).toml"), "my-scenario--1-");
    assert_eq!(name("no-suffix"), "no-suffix");
    assert_eq!(name("C:\\x\\y.toml"), "y");
    assert_eq!(name("-.toml"), "scenario");
    assert_eq!(name("/dev/stdin"), "stdin");
}

#[test]
fn the_description_is_the_comment_that_opens_the_file() {
    let description = |head: &str| scenario(&format!("{head}{GOOD}")).description;
    assert_eq!(
        description("\n# One line,\n#   and its end.\n#\n# Another paragraph.\n\n# No part of it.\n"),
        "One line, and its end.\nAnother paragraph."
    );
    assert_eq!(description("#:schema scenario.schema.json\n# What it shows.\n"), "What it shows.");
    assert_eq!(description("# Taken over.\ndescription = \"By the key.\"\n"), "By the key.");
    assert_eq!(description(""), "");
    assert_eq!(description("\u{feff}# With a mark.\r\n"), "With a mark.");
}
