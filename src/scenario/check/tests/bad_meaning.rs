//! Files of the right form that make no sense as scenarios.

use super::{good_but, problems};
use insta::assert_snapshot;

#[test]
fn every_problem_at_once() {
    let text = r#"# One of each.
colour = "red"

[peer.alice]
behind = "hom"

[peer.bob]
behind = "office"
address = "203.0.113.9"

[nat.home]
preset = "symetric"

[nat.office]
translation = "none"
mapping = "apdm"
address = "203.0.113.9"

[nat.attic]
preset = "open"

[server.turn]
type = "turn"
prot = 3478
"#;
    assert_snapshot!("one_of_each", problems(text));
}

#[test]
fn references_that_lead_nowhere() {
    let text = good_but(&[
        ("behind = \"home\"", "behind = \"hme\"\nstun = [\"stunn\"]\nturn = [\"nowhere\"]"),
        ("behind = \"office\"", "behind = \"turn\"\nturn = [\"stun\", \"turn\", \"turn\"]"),
        ("preset = \"symmetric\"", "preset = \"symmetric\"\nbehind = \"carrier\""),
        ("\n[peer.alice]", "offers = [\"alce\", \"bob\", \"bob\", \"both\"]\n[peer.alice]"),
        ("[[expect]]", "[[expect]]\nofferer = \"carol\""),
    ]);
    assert_snapshot!("references", problems(text));
}

#[test]
fn nodes_that_nobody_uses() {
    let text = good_but(&[
        ("behind = \"home\"", "stun = false"),
        ("behind = \"office\"", "stun = false"),
        ("preset = \"symmetric\"", "preset = \"symmetric\"\nbehind = \"home\""),
    ]);
    assert_snapshot!("unused", problems(text));
}

#[test]
fn nats_in_a_circle() {
    let text = good_but(&[
        ("preset = \"port-restricted-cone\"", "preset = \"open\"\nbehind = \"office\""),
        ("preset = \"symmetric\"", "preset = \"symmetric\"\nbehind = \"home\""),
    ]);
    assert_snapshot!("circle", problems(text));
    let text = good_but(&[("preset = \"symmetric\"", "preset = \"symmetric\"\nbehind = \"office\"")]);
    assert_snapshot!("itself", problems(text));
}

#[test]
fn a_chain_of_too_many_nats() {
    let mut text = good_but(&[("preset = \"symmetric\"", "preset = \"symmetric\"\nbehind = \"n1\"")]);
    for n in 1..=32 {
        let behind = if n < 32 { format!("behind = \"n{}\"\n", n + 1) } else { String::new() };
        text.push_str(&format!("[nat.n{n}]\npreset = \"full-cone\"\n{behind}"));
    }
    assert_snapshot!("deep", problems(text));
}

#[test]
fn combinations_of_axes_that_cannot_be() {
    let text = r#"
[peer.a]
behind = "silent"
[peer.b]
behind = "n1"

[nat.silent]
lifetime = "100ms"
isolated = true
behind = "n2"

[nat.n1]
preset = "full-cone"
filtering = "apdf"
mapping = "eim"
behind = "n2"

[nat.n2]
preset = "firewall"
mapping = "apdm"
ports = "random"
hairpinning = "external-source"
behind = "n3"

[nat.n3]
preset = "udp-blocked"
udp = "allowed"
lifetime = "5s"
behind = "n4"

[nat.n4]
translation = "none"
filtering = "eif"
lifetime = "5s"
behind = "n5"

[nat.n5]
mapping = "apdm"
filtering = "apdf"
semantics = "reply-affine"
"#;
    assert_snapshot!("axes", problems(text));
}

#[test]
fn axes_that_nothing_reads() {
    let text = r#"
[peer.a]
behind = "router"
[peer.b]
behind = "home"

[nat.router]
translation = "none"
filtering = "eif"
port-range = "40000-40999"
addresses = 2
refresh = "outbound"
unsolicited = "icmp"
icmp-errors = "dropped"
tcp = { unsolicited = "reset", lifetime = "5s" }
behind = "whole"

[nat.whole]
preset = "cloud-1to1"
ports = "random"
addresses = 3
pooling = "arbitrary"

[nat.home]
preset = "full-cone"
port-step = 2
pooling = "arbitrary"
behind = "shared"

[nat.shared]
preset = "linux-masquerade"
port-block = 64
semantics = "strict"
tcp.lifetime = "200ms"

[nat.closed]
preset = "udp-blocked"
unsolicited = "icmp"
port-range = "50000-50999"
tcp.filtering = "eif"
behind = "home"
"#;
    assert_snapshot!("axes_unread", problems(text));
}

#[test]
fn forwards_and_addresses_that_cannot_be() {
    let text = r#"
[peer.a]
behind = "home"
[peer.b]
behind = "inner"

[nat.home]
preset = "home-router"
address = "203.0.113.9"
addresses = ["203.0.113.7", "203.0.113.7", "10.0.0.1"]
port-step = 0
forward = [
    { protocol = "udp", port = 7000, to = "a" },
    { protocol = "udp", port = 7000, to = "a", to-port = 1 },
    { protocol = "udp", port = 7001, to = "a", to-port = 7000 },
    { protocol = "tcp", port = 7000, to = "b" },
    { protocol = "tcp", port = 7001, to = "aa" },
]

[nat.inner]
preset = "udp-blocked"
behind = "home"
[[nat.inner.forward]]
protocol = "udp"
port = 9

[[nat.inner.forward]]
protocol = "udp"
port = 9
to = "b"
"#;
    assert_snapshot!("forwards", problems(text));
}

#[test]
fn servers_that_cannot_be() {
    let text = good_but(&[
        (
            "type = \"stun\"",
            "type = \"stun\"\nimplementation = \"coturn\"\ntransports = [\"udp\", \"tcp\"]\nusername = \"x\"\n\
             addresses = [\"198.51.100.7\", \"198.51.100.7\"]",
        ),
        (
            "type = \"turn\"",
            "type = \"turn\"\ntransports = [\"udp\", \"udp\"]\npassword = \"a:b\"\n\
             addresses = [\"198.51.100.8\", \"198.51.100.9\"]",
        ),
        ("behind = \"office\"", "behind = \"office\"\nturn-transport = \"tcp\""),
    ]);
    assert_snapshot!("servers", problems(text));
}

#[test]
fn peers_with_settings_that_nothing_reads() {
    let text = good_but(&[
        ("behind = \"home\"", "behind = \"home\"\nturn = false\nturn-transport = [\"udp\", \"udp\"]\npassword = \"x\""),
        ("behind = \"office\"", "behind = \"office\"\nagent = { command = [\" \", \"\\u0000\"] }"),
    ]);
    assert_snapshot!("unread", problems(text));
    let text = good_but(&[
        ("type = \"turn\"", "type = \"stun\""),
        ("behind = \"office\"", "behind = \"office\"\nturn = true"),
    ]);
    assert_snapshot!("no_such_server", problems(text));
}

#[test]
fn names_that_cannot_be() {
    let text = good_but(&[
        ("\n[peer.alice]", "name = \"a/b\"\n[peer.\"-alice smith\"]"),
        ("[nat.office]", "[nat.bob]"),
        ("behind = \"office\"", "behind = \"bob\""),
        ("[server.turn]", "[server.internet]"),
        ("[server.stun]", "[server.a-name-that-is-longer-than-thirty-two-characters]"),
    ]);
    assert_snapshot!("names", problems(text));
}

#[test]
fn any_other_number_of_peers_than_two() {
    assert_snapshot!("no_peers", problems("name = \"x\"\n"));
    assert_snapshot!("one_peer", problems("[peer.alice]\n"));
    assert_snapshot!("four_peers", problems("[peer.a]\n[peer.b]\n[peer.d]\n[peer.c]\n"));
}

#[test]
fn addresses_that_cannot_be() {
    let text = r#"
[network]
wan = "203.0.113.7/24"
lan = "203.0.113.0/25"
servers = "10.0.0.0/29"

[peer.alice]
address = "203.0.113.255"

[peer.bob]
behind = "home"
address = "192.168.1.2"

[nat.home]
preset = "open"
address = "203.0.113.255"
"#;
    assert_snapshot!("ranges", problems(text));
    let text = good_but(&[
        ("behind = \"home\"", "behind = \"home\"\naddress = \"10.0.1.1\""),
        ("behind = \"office\"", "behind = \"office\"\naddress = \"10.0.1.3\""),
        ("preset = \"symmetric\"", "preset = \"symmetric\"\naddress = \"198.51.100.1\""),
        ("type = \"stun\"", "type = \"stun\"\naddresses = [\"198.51.100.1\", \"198.51.100.255\"]"),
        ("type = \"turn\"", "type = \"turn\"\naddresses = [\"198.51.101.1\"]"),
    ]);
    assert_snapshot!("addresses", problems(text));
    let text = good_but(&[
        ("behind = \"home\"", "behind = \"home\"\naddress = \"10.0.1.2\""),
        ("behind = \"office\"", "behind = \"home\"\naddress = \"10.0.2.2\""),
        ("[nat.office]\npreset = \"symmetric\"", ""),
    ]);
    assert_snapshot!("two_networks", problems(text));
}

#[test]
fn ranges_that_cannot_be_public() {
    for range in
        ["240.0.0.0/8", "127.0.0.0/8", "0.0.0.0/8", "100.64.0.0/24", "8.0.0.0/6", "169.254.0.0/16", "172.0.0.0/8"]
    {
        let text = good_but(&[("\n[peer.alice]", &format!("[network]\nwan = \"{range}\"\n[peer.alice]"))]);
        assert!(problems(text).contains("is not a range of public addresses"), "{range}");
    }
}

#[test]
fn expectations_that_cannot_come_true() {
    let text = good_but(&[
        ("\n[peer.alice]", "offers = \"bob\"\ndeadline = \"2s\"\n[ice]\nanswer-delay = \"1s\"\n[peer.alice]"),
        (
            "[[expect]]\noutcome = \"relayed\"",
            r#"[[expect]]
offerer = "alice"
outcome = []

[[expect]]
outcome = "no-path"
local = "host"
connect-within = "1s"

[[expect]]
outcome = "direct"
remote = "relay"
connect-within = "3s"

[[expect]]
offerer = "bob"
because = "why not"

[[expect]]
offerer = "bob"
outcome = ["relayed", "relayed"]
local = ["host", "srflx"]
remote = "host"
"#,
        ),
    ]);
    assert_snapshot!("expectations", problems(text));
}

#[test]
fn outcomes_that_the_servers_or_policies_exclude() {
    let text = good_but(&[("type = \"turn\"", "type = \"stun\"")]);
    assert_snapshot!("nothing_relays", problems(text));
    let text = good_but(&[("[[expect]]", "[ice]\npolicy = \"srflx\"\n[[expect]]")]);
    assert_snapshot!("policy_forbids_relay", problems(text));
    let text =
        good_but(&[("behind = \"home\"", "behind = \"home\"\npolicy = \"relay\""), ("\"relayed\"", "\"direct\"")]);
    assert_snapshot!("policy_forbids_direct", problems(text));
}

#[test]
fn times_that_cannot_be() {
    let text = good_but(&[(
        "\n[peer.alice]",
        "deadline = \"1h\"\nhello-deadline = \"0s\"\n[ice]\nanswer-delay = \"2h\"\n[peer.alice]",
    )]);
    assert_snapshot!("times", problems(text));
}
