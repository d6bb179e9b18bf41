//! Behaviours by their usual names.

use super::{Behavior, Filtering, Mapping, UdpPolicy};

/// A behaviour with a name, and where the name comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preset {
    /// As scenarios and the command line spell it.
    pub name: &'static str,
    /// What it does.
    pub behavior: Behavior,
    /// One sentence.
    pub summary: &'static str,
    /// Why the name means this behaviour: the document that says so, or where it is met.
    pub evidence: &'static str,
}

/// Every preset, from the most to the least permissive.
pub static ALL: [Preset; 7] = [
    Preset {
        name: "open",
        behavior: Behavior::public(Filtering::EndpointIndependent),
        summary: "a plain router in front of public addresses: everything passes, nothing is translated",
        evidence: "\"Open Internet\" of RFC 3489 section 10.1",
    },
    Preset {
        name: "firewall",
        behavior: Behavior::public(Filtering::AddressAndPortDependent),
        summary: "a stateful firewall in front of public addresses: only what was asked for comes in",
        evidence: "\"symmetric UDP firewall\" of RFC 3489 section 10.1; filtering as RFC 6092 section 3.2 allows it",
    },
    Preset {
        name: "full-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent),
        summary: "one external endpoint towards everybody, open to everybody (EIM/EIF)",
        evidence: "RFC 3489 section 5, \"Full Cone\"; RFC 4787 REQ-1, and REQ-8 where openness matters most",
    },
    Preset {
        name: "restricted-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent),
        summary: "one external endpoint towards everybody, open to addresses it has sent to (EIM/ADF)",
        evidence: "RFC 3489 section 5, \"Restricted Cone\"; RFC 4787 REQ-1, and REQ-8 where stringent filtering matters",
    },
    Preset {
        name: "port-restricted-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent),
        summary: "one external endpoint towards everybody, open to addresses and ports it has sent to (EIM/APDF)",
        evidence: "RFC 3489 section 5, \"Port Restricted Cone\"; most home routers, as Linux masquerading is for one host",
    },
    Preset {
        name: "symmetric",
        behavior: Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent),
        summary: "another external endpoint, on a random port, towards each address and port (APDM/APDF)",
        evidence: "RFC 3489 section 5, \"Symmetric\"; carrier and company NATs, pf, and Linux masquerading with `random`",
    },
    Preset {
        name: "udp-blocked",
        behavior: Behavior {
            udp: UdpPolicy::Blocked,
            ..Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
        },
        summary: "a port-restricted cone that drops every UDP packet; TCP passes",
        evidence: "\"UDP Blocked\" of RFC 3489 section 10.1; company and guest networks",
    },
];

/// The preset of this name.
pub fn find(name: &str) -> Option<&'static Preset> {
    ALL.iter().find(|p| p.name == name)
}

/// The preset whose name is most like this one, if it is alike at all.
pub fn nearest(name: &str) -> Option<&'static str> {
    ALL.iter()
        .map(|p| (strsim::jaro_winkler(&name.to_lowercase(), p.name), p.name))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::nat::PortAssignment;

    #[test]
    fn names_are_unique_and_found() {
        assert_eq!(ALL.iter().map(|p| p.name).collect::<BTreeSet<_>>().len(), ALL.len());
        assert!(ALL.iter().all(|p| find(p.name) == Some(p)));
        assert_eq!(find("symetric"), None);
    }

    #[test]
    fn classic_names_are_those_of_the_behaviour() {
        for p in &ALL {
            if let Some(classic) = p.behavior.classic_name() {
                assert_eq!(classic.replace(' ', "-"), p.name);
            }
        }
    }

    #[test]
    fn cones_preserve_ports_and_symmetric_does_not() {
        for p in ALL.iter().filter(|p| p.behavior.translation.translates()) {
            assert_eq!(p.behavior.ports == PortAssignment::Random, p.name == "symmetric", "{}", p.name);
        }
    }

    #[test]
    fn misspelled_names_are_recognised() {
        assert_eq!(nearest("symetric"), Some("symmetric"));
        assert_eq!(nearest("Full_Cone"), Some("full-cone"));
        assert_eq!(nearest("port-restricted"), Some("port-restricted-cone"));
        assert_eq!(nearest("xyzzy"), None);
    }
}
