#![allow(clippy::unwrap_used)]

use super::*;
use crate::classification::{
    Control, Finding, Host, Interface, InterfaceKind, Lifetime, Loss, NatLevels, PortMapping, PortMappingService,
    Reachability, Reached, Secured, Server, ServerRole,
};
use crate::nat::{Hairpinning, Pooling, UdpPolicy};

fn look(colour: bool, quiet: bool, verbose: bool) -> Look {
    Look::of(colour, 80, quiet, verbose)
}

fn host() -> Host {
    let interface = |name: &str, kind, address: &str, used| Interface {
        name: name.to_owned(),
        kind,
        addresses: vec![address.parse().unwrap()],
        used,
    };
    Host {
        os: "linux".to_owned(),
        interfaces: vec![
            interface("docker0", InterfaceKind::Container, "172.17.0.1", false),
            interface("wg0", InterfaceKind::Vpn, "10.8.0.2", false),
            interface("wlan0", InterfaceKind::Wireless, "192.168.1.5", true),
        ],
    }
}

fn server(name: &str, address: &str, role: ServerRole) -> Server {
    Server {
        role,
        mapped: Some("203.0.113.7:40001".parse().unwrap()),
        round_trip_ms: Some(23.4),
        ..Server::unasked(name, address.parse().ok())
    }
}

fn reach(at: &str, over: Secured, reached: Reached) -> Reachability {
    let because = (reached != Reached::Answers).then(|| "no answer".to_owned());
    Reachability { server: at.to_owned(), at: at.parse().unwrap(), over, reached, because }
}

/// At home, with everything known.
fn home() -> Classification {
    let mut family = FamilyFindings::unknown(Family::Ipv4);
    family.local = "192.168.1.5".parse().ok();
    family.external = vec!["203.0.113.7".parse().unwrap()];
    family.udp = Finding::known(UdpPolicy::Allowed, "RFC 5780 §4.3 test I");
    family.translation = Finding::known(Translation::Napt, "RFC 5780 §4.3 test I")
        .with_evidence(["192.168.1.5:40001 is seen as 203.0.113.7:40001 by 198.51.100.10:3478".to_owned()]);
    family.mapping = Finding::known(MappingFound::EndpointIndependent, "RFC 5780 §4.3 tests I and II");
    family.filtering = Finding::likely(Filtering::AddressAndPortDependent, 0.000_012, "RFC 5780 §4.4 tests II and III");
    family.ports.preservation = Finding::known(crate::classification::Preservation::All, "16 sockets");
    family.pooling = Finding::known(Pooling::Paired, "16 sockets");
    family.lifetime =
        Finding::known(Lifetime { last_alive_ms: Some(60_000), first_dead_ms: Some(90_000) }, "RFC 5780 §4.6");
    family.hairpinning = Finding::known(Hairpinning::None, "two sockets");
    family.fragments.outbound = Finding::known(true, "PADDING");
    family.fragments.inbound = Finding::likely(false, 1e-9, "PADDING");
    family.alg = Finding::known(false, "MAPPED-ADDRESS against XOR-MAPPED-ADDRESS");
    family.tcp.mapping = Finding::known(MappingFound::EndpointIndependent, "RFC 5780 §4.3 over TCP");
    family.tcp.reachability = vec![
        reach("198.51.100.10:3478", Secured::Tcp, Reached::Answers),
        reach("198.51.100.10:443", Secured::Tls, Reached::Connects),
    ];
    family.levels = Finding::known(NatLevels::One, "UPnP");
    family.port_mapping = vec![
        PortMapping {
            service: PortMappingService::UpnpIgd,
            available: Some(true),
            external: "203.0.113.7".parse().ok(),
            because: None,
        },
        PortMapping {
            service: PortMappingService::Pcp,
            available: Some(false),
            external: None,
            because: Some("no answer".to_owned()),
        },
    ];
    family.loss = Loss { sent: 60, answered: 59 };
    family.classic = family.classic_name().map(str::to_owned);
    Classification {
        natlab_version: "0.0.0".to_owned(),
        host: host(),
        servers: vec![
            Server {
                control: Some(Control { alternate: Some(true), other_port: Some(true), other_address: Some(true) }),
                ..server("stun.example.org", "198.51.100.10:3478", ServerRole::Behavior)
            },
            server("stun.example.net:19302", "198.51.100.77:19302", ServerRole::Ordinary),
        ],
        families: vec![family],
        ..Classification::default()
    }
}

/// A carrier's NAT that nobody with RFC 5780 was asked about, and IPv6 without a NAT.
fn mobile() -> Classification {
    let mut v4 = FamilyFindings::unknown(Family::Ipv4);
    v4.local = "100.70.1.2".parse().ok();
    v4.external = vec!["203.0.113.7".parse().unwrap(), "203.0.113.8".parse().unwrap()];
    v4.udp = Finding::known(UdpPolicy::Allowed, "");
    v4.translation = Finding::known(Translation::Napt, "");
    v4.mapping = Finding::known(MappingFound::EndpointDependent, "servers on different addresses");
    v4.filtering = Finding::unsupported("needs a server with RFC 5780 (OTHER-ADDRESS), or a TURN account (--turn)");
    v4.ports.preservation = Finding::known(crate::classification::Preservation::None, "");
    v4.ports.sequence = Finding::known(crate::classification::PortSequence::Sequential { step: 2 }, "");
    v4.ports.parity = Finding::known(true, "");
    v4.pooling = Finding::known(Pooling::Arbitrary, "");
    v4.levels = Finding::known(NatLevels::Carrier, "");
    v4.loss = Loss { sent: 100, answered: 64 };
    let mut v6 = FamilyFindings::unknown(Family::Ipv6);
    v6.local = "2001:db8::5".parse().ok();
    v6.external = v6.local.into_iter().collect();
    v6.udp = Finding::known(UdpPolicy::Allowed, "");
    v6.translation = Finding::known(Translation::None, "");
    v6.mapping = Finding::known(MappingFound::EndpointIndependent, "");
    v6.filtering = Finding::known(Filtering::AddressAndPortDependent, "");
    v6.levels = Finding::known(NatLevels::None, "");
    let unresolved = Server {
        problems: vec!["failed to resolve: no such name".to_owned()],
        ..Server::unasked("stun.example.invalid", None)
    };
    Classification {
        natlab_version: "0.0.0".to_owned(),
        servers: vec![server("stun.example.net:19302", "198.51.100.77:19302", ServerRole::Ordinary), unresolved],
        families: vec![v4, v6],
        ..Classification::default()
    }
}

/// Behind a firewall that lets TCP out.
fn office() -> Classification {
    let mut family = FamilyFindings::unknown(Family::Ipv4);
    family.local = "192.168.1.5".parse().ok();
    family.udp = Finding::likely(UdpPolicy::Blocked, 1e-6, "RFC 5780 §4.3 test I");
    family.mapping = Finding::inconclusive("no server gave a usable answer over UDP", "RFC 5780 §4.3 test I");
    family.tcp.reachability = vec![
        reach("198.51.100.10:3478", Secured::Tcp, Reached::Unreachable),
        reach("198.51.100.10:443", Secured::Tls, Reached::Connects),
    ];
    let silent = Server {
        problems: vec!["no answer from 198.51.100.10:3478 over UDP".to_owned()],
        ..server("stun.example.org", "198.51.100.10:3478", ServerRole::Unusable)
    };
    Classification { host: host(), servers: vec![silent], families: vec![family], ..Classification::default() }
}

fn fixtures() -> [(&'static str, Classification); 3] {
    [("home", home()), ("mobile", mobile()), ("office", office())]
}

#[test]
fn each_fixture_in_80_columns_without_colour() {
    for (name, all) in fixtures() {
        insta::assert_snapshot!(name, human(&all, &look(false, false, false)));
    }
    insta::assert_snapshot!("home_verbose", human(&home(), &look(false, false, true)));
}

#[test]
fn the_verdict_is_the_first_line_and_all_of_it_when_quiet() {
    for (name, all) in fixtures() {
        let quiet = human(&all, &look(false, true, false));
        assert!(human(&all, &look(false, false, false)).starts_with(&quiet), "{name}");
    }
}

#[test]
fn no_line_is_too_long_and_colour_says_nothing_of_its_own() {
    for (name, all) in fixtures() {
        for width in [60, 80, 120] {
            let plain = human(&all, &Look::of(false, width, false, true));
            for line in plain.lines() {
                assert!(line.chars().count() <= width, "{name} at {width}: {line}");
            }
            let coloured = human(&all, &Look::of(true, width, false, true));
            let without: String = coloured
                .split('\u{1b}')
                .enumerate()
                .map(|(i, part)| if i == 0 { part } else { part.split_once('m').unwrap().1 })
                .collect();
            assert_eq!(without, plain, "{name} at {width}");
        }
    }
}

#[test]
fn json_is_the_classification_and_what_it_means() {
    for (name, all) in fixtures() {
        let text = json(&all);
        assert_eq!(serde_json::from_str::<Classification>(&text).unwrap(), all, "{name}");
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["meaning"].as_array().unwrap().len(), all.families.len(), "{name}");
        assert_eq!(value["meaning"][0]["forecast"].as_array().unwrap().len(), 13, "{name}");
        assert!(value["families"][0]["lifetime"].get("value").is_some(), "null where nothing was measured");
    }
}

#[test]
fn nothing_that_could_be_asked_is_said() {
    let text = human(&Classification::default(), &look(false, false, false));
    assert!(text.starts_with("undecided: no server"), "{text}");
}
