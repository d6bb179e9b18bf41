//! Scenarios built by hand, for the tests of this module.

use crate::ice::CandidatePolicy;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping};
use crate::net::{Network, Transport};
use crate::plan::{AgentProgram, Gathering, Implementation, ServerKind};
use crate::protocol::TimerProfile;
use crate::scenario::{Addresses, Ice, Loss, Nat, Peer, Scenario, Server};

pub(super) fn network(text: &str) -> Network {
    text.parse().unwrap_or(Network::ALL)
}

/// EIM/APDF.
pub(super) fn home() -> Behavior {
    Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
}

/// APDM/APDF.
pub(super) fn symmetric() -> Behavior {
    Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent)
}

/// EIM/EIF that turns packets around.
pub(super) fn carrier() -> Behavior {
    let nat = Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    Behavior { hairpinning: Hairpinning::ExternalSource, ..nat }
}

/// Public addresses behind a stateful firewall.
pub(super) fn firewall() -> Behavior {
    Behavior::public(Filtering::AddressAndPortDependent)
}

pub(super) fn peer(name: &str, behind: Option<&str>) -> Peer {
    Peer {
        name: name.to_owned(),
        behind: behind.map(str::to_owned),
        address: None,
        agent: AgentProgram::Builtin("webrtc-ice".to_owned()),
        stun: vec!["stun".to_owned()],
        turn: vec![("turn".to_owned(), Transport::Udp)],
        credentials: None,
        ice_role: None,
        policy: None,
        loss: Loss::default(),
    }
}

pub(super) fn nat(name: &str, behavior: Behavior, behind: Option<&str>) -> Nat {
    Nat {
        name: name.to_owned(),
        preset: None,
        behavior,
        behind: behind.map(str::to_owned),
        addresses: vec![],
        isolated: false,
        forwards: vec![],
        loss: Loss::default(),
    }
}

pub(super) fn server(name: &str, kind: ServerKind) -> Server {
    Server {
        name: name.to_owned(),
        kind,
        implementation: Implementation::Natlab,
        addresses: vec![],
        port: 3478,
        transports: vec![Transport::Udp, Transport::Tcp],
        user: "user".to_owned(),
        password: "password".to_owned(),
        loss: Loss::default(),
    }
}

/// Two peers where `behind` says, a STUN and a TURN server for both.
pub(super) fn scenario(nats: Vec<Nat>, behind: [Option<&str>; 2]) -> Scenario {
    Scenario {
        name: "sample".to_owned(),
        description: "A scenario of the tests.".to_owned(),
        seed: 7,
        repeats: 1,
        peers: vec![peer("alice", behind[0]), peer("bob", behind[1])],
        nats,
        servers: vec![server("stun", ServerKind::Stun), server("turn", ServerKind::Turn)],
        offerers: vec!["alice".to_owned(), "bob".to_owned()],
        ice: Ice {
            policy: CandidatePolicy::All,
            gathering: Gathering::Trickle,
            timers: TimerProfile::Lab,
            answer_delay_ms: 0,
        },
        connect_deadline_ms: None,
        hello_deadline_ms: None,
        expectations: vec![],
        network: Addresses {
            wan: network("198.51.100.0/24"),
            servers: network("203.0.113.0/24"),
            lan: network("10.0.0.0/8"),
        },
    }
}

/// One of each shape that a tree of gateways can take.
pub(super) fn shapes() -> Vec<(&'static str, Scenario)> {
    let pair = |a, b| scenario(vec![nat("home-a", a, None), nat("home-b", b, None)], [Some("home-a"), Some("home-b")]);
    vec![
        ("two homes", pair(home(), symmetric())),
        ("two public peers", scenario(vec![], [None, None])),
        ("one public peer", scenario(vec![nat("home", home(), None)], [Some("home"), None])),
        ("firewall", pair(firewall(), home())),
        ("same network", scenario(vec![nat("home", home(), None)], [Some("home"), Some("home")])),
        ("same public network", scenario(vec![nat("office", firewall(), None)], [Some("office"), Some("office")])),
        (
            "two homes behind a carrier",
            scenario(
                vec![
                    nat("home-a", home(), Some("carrier")),
                    nat("home-b", home(), Some("carrier")),
                    nat("carrier", carrier(), None),
                ],
                [Some("home-a"), Some("home-b")],
            ),
        ),
        (
            "one home behind a carrier",
            scenario(
                vec![nat("home", home(), Some("carrier")), nat("carrier", carrier(), None)],
                [Some("home"), Some("carrier")],
            ),
        ),
        (
            "a firewall behind a carrier",
            scenario(
                vec![nat("office", firewall(), Some("carrier")), nat("carrier", carrier(), None)],
                [Some("office"), None],
            ),
        ),
        (
            "a firewall behind a firewall",
            scenario(
                vec![nat("floor", firewall(), Some("building")), nat("building", firewall(), None)],
                [Some("floor"), Some("building")],
            ),
        ),
        (
            "a home behind a firewall with a long name",
            scenario(
                vec![
                    nat("home", home(), Some("the-firewall-of-the-whole-site")),
                    nat("the-firewall-of-the-whole-site", firewall(), None),
                ],
                [Some("home"), None],
            ),
        ),
    ]
}
