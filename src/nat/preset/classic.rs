//! The names of RFC 3489, as NATs and firewalls are still called by. RFC 4787 replaced them with axes; here they are those
//! axes exactly.

use super::{Evidence, EvidenceKind, Preset};
use crate::nat::{Behavior, Filtering, Mapping, UdpPolicy};

/// From the most to the least permissive.
pub(super) const ALL: [Preset; 7] = [
    Preset {
        name: "open",
        behavior: Behavior::public(Filtering::EndpointIndependent),
        summary: "a plain router in front of public addresses: everything passes, nothing is translated",
        evidence: &[Evidence::new(EvidenceKind::Rfc, "\"Open Internet\" of RFC 3489 section 10.1")],
    },
    Preset {
        name: "firewall",
        behavior: Behavior::public(Filtering::AddressAndPortDependent),
        summary: "a stateful firewall in front of public addresses: only what was asked for comes in",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "\"symmetric UDP firewall\" of RFC 3489 section 10.1; filtering as RFC 6092 section 3.2 allows it",
        )],
    },
    Preset {
        name: "full-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent),
        summary: "one external endpoint towards everybody, open to everybody (EIM/EIF)",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "RFC 3489 section 5, \"Full Cone\"; RFC 4787 REQ-1, and REQ-8 where openness matters most",
        )],
    },
    Preset {
        name: "restricted-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent),
        summary: "one external endpoint towards everybody, open to addresses it has sent to (EIM/ADF)",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "RFC 3489 section 5, \"Restricted Cone\"; RFC 4787 REQ-1, and REQ-8 where stringent filtering matters",
        )],
    },
    Preset {
        name: "port-restricted-cone",
        behavior: Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent),
        summary: "one external endpoint towards everybody, open to addresses and ports it has sent to (EIM/APDF)",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "RFC 3489 section 5, \"Port Restricted Cone\"; most home routers, as Linux masquerading is for one host",
        )],
    },
    Preset {
        name: "symmetric",
        behavior: Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent),
        summary: "another external endpoint, on a random port, towards each address and port (APDM/APDF)",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "RFC 3489 section 5, \"Symmetric\"; carrier and company NATs, pf, and Linux masquerading with `random`",
        )],
    },
    Preset {
        name: "udp-blocked",
        behavior: Behavior {
            udp: UdpPolicy::Blocked,
            ..Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
        },
        summary: "a port-restricted cone that drops every UDP packet; TCP passes",
        evidence: &[Evidence::new(
            EvidenceKind::Rfc,
            "\"UDP Blocked\" of RFC 3489 section 10.1; company and guest networks",
        )],
    },
];
