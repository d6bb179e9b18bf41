//! Behind every NAT: what is found is what was declared.

use std::net::Ipv4Addr;

use natlab::classification::{MappingFound, PortSequence, Preservation};
use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Translation, UdpPolicy};

use crate::client::{self, Said};
use crate::lab::{Home, SERVERS};
use crate::liar::{Liar, Lie};

/// The server of most tests: the first two addresses of the Internet.
pub const TWO: [Ipv4Addr; 2] = [SERVERS[0], SERVERS[1]];

/// Every mapping with every filtering, hairpinning and port assignment that a NAT can have together.
pub fn combinations() -> Vec<Behavior> {
    use PortAssignment::{Overloading, Parity, Preserving, Random, Sequential};
    let mut all = Vec::new();
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
                for ports in [Preserving, Parity, Sequential, Random, Overloading] {
                    all.push(Behavior { hairpinning, ports, ..Behavior::napt(mapping, filtering) });
                }
            }
        }
    }
    all.retain(|b| natlab::nat::rules::refused(b).is_empty());
    assert!(all.len() == 109, "there are {} NATs", all.len());
    all
}

/// The name of a test.
pub fn name(b: &Behavior) -> String {
    format!("behind/{}/{:?}/{:?}", b, b.hairpinning, b.ports).to_lowercase()
}

/// What is found behind a NAT is what was declared.
pub fn agrees(b: Behavior) {
    let home = Home::build().expect("build the lab");
    home.become_gateway(b);
    if b.hairpinning == Hairpinning::InternalSource {
        // Else the host drops what comes from its own address, and both hairpinnings look alike.
        let accept = || std::fs::write("/proc/sys/net/ipv4/conf/all/accept_local", "1");
        home.hosts[0].netns.run(accept).expect("enter the namespace").expect("accept own addresses");
    }
    let _server = Liar::start(&home.internet, TWO, Lie::None);
    let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string(), "--hairpin"]);
    check(&b, &said);
}

/// Compares every axis that one host can see.
pub fn check(b: &Behavior, said: &Said) {
    let found = said.ipv4();
    let text = &said.text;
    assert_eq!(found.udp.value, Some(UdpPolicy::Allowed), "{text}");
    assert_eq!(found.translation.value, Some(Translation::Napt), "{text}");
    assert_eq!(found.mapping.value, Some(MappingFound::from(b.mapping)), "{text}");
    assert_eq!(found.filtering.value, Some(b.filtering), "{text}");
    match b.ports {
        PortAssignment::Preserving | PortAssignment::Overloading => {
            assert_eq!(found.ports.preservation.value, Some(Preservation::All), "{text}");
        }
        PortAssignment::Parity => {
            assert_eq!(found.ports.preservation.value, Some(Preservation::None), "{text}");
            assert_eq!(found.ports.parity.value, Some(true), "{text}");
        }
        PortAssignment::Sequential => {
            assert_eq!(found.ports.sequence.value, Some(PortSequence::Sequential { step: 1 }), "{text}");
        }
        PortAssignment::Random => {
            assert_eq!(found.ports.preservation.value, Some(Preservation::None), "{text}");
            assert_eq!(found.ports.sequence.value, Some(PortSequence::Irregular), "{text}");
        }
    }
    // One host can tell hairpinning where it knows the endpoint that others would see, or where nothing is filtered.
    let visible = b.mapping == Mapping::EndpointIndependent || b.filtering == Filtering::EndpointIndependent;
    if visible || found.hairpinning.value.is_some() {
        assert_eq!(found.hairpinning.value, Some(b.hairpinning), "{text}");
    } else {
        assert!(found.hairpinning.because.is_some(), "no value and no reason: {text}");
    }
    assert_eq!(said.code, Some(if b.mapping == Mapping::EndpointIndependent { 0 } else { 10 }), "{text}");
}

/// No NAT at all, with and without a firewall; UDP blocked.
pub fn without_translation() {
    for filtering in Filtering::ALL {
        let home = Home::build().expect("build the lab");
        home.become_gateway(Behavior::public(filtering));
        let _server = Liar::start(&home.internet, TWO, Lie::None);
        let public = crate::lab::PUBLIC_HOSTS[0].to_string();
        let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string(), "--interface", &public]);
        let (found, text) = (said.ipv4(), &said.text);
        assert_eq!(found.translation.value, Some(Translation::None), "{text}");
        assert_eq!(found.filtering.value, Some(filtering), "{text}");
        assert_eq!(said.code, Some(0), "{text}");
    }
}

/// Every UDP packet is dropped; two servers are silent, so it is UDP and not a server.
pub fn udp_blocked() {
    let home = Home::build().expect("build the lab");
    let b = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    home.become_gateway(Behavior { udp: UdpPolicy::Blocked, ..b });
    let _server = Liar::start(&home.internet, TWO, Lie::None);
    let [first, second] = TWO.map(|a| a.to_string());
    let said = client::classify(&home.hosts[0], &["--server", &first, "--server", &second]);
    assert_eq!(said.ipv4().udp.value, Some(UdpPolicy::Blocked), "{}", said.text);
    assert_eq!(said.code, Some(11), "{}", said.text);
}
