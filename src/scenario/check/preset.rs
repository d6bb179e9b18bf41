//! Behaviours by their usual names, as scenario files spell them. (To be merged with `nat::preset` by the integrator.)

use crate::nat::{Behavior, Filtering, Mapping, UdpPolicy};

use {Filtering as F, Mapping as M};

const PRESETS: [(&str, &str, Behavior); 7] = [
    (
        "full-cone",
        "EIM/EIF: one external endpoint, open to everybody.",
        Behavior::napt(M::EndpointIndependent, F::EndpointIndependent),
    ),
    (
        "restricted-cone",
        "EIM/ADF: one external endpoint, open to addresses it has sent to.",
        Behavior::napt(M::EndpointIndependent, F::AddressDependent),
    ),
    (
        "port-restricted-cone",
        "EIM/APDF: one external endpoint, open to addresses and ports it has sent to; most home routers.",
        Behavior::napt(M::EndpointIndependent, F::AddressAndPortDependent),
    ),
    (
        "symmetric",
        "APDM/APDF with random ports: another external endpoint towards each destination; many companies.",
        Behavior::napt(M::AddressAndPortDependent, F::AddressAndPortDependent),
    ),
    ("open", "A plain router in front of public addresses.", Behavior::public(F::EndpointIndependent)),
    (
        "firewall",
        "A stateful firewall (APDF) in front of public addresses.",
        Behavior::public(F::AddressAndPortDependent),
    ),
    (
        "udp-blocked",
        "A port-restricted cone NAT that drops every UDP packet; TCP passes.",
        Behavior { udp: UdpPolicy::Blocked, ..Behavior::napt(M::EndpointIndependent, F::AddressAndPortDependent) },
    ),
];

/// Name and meaning of every preset.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    PRESETS.iter().map(|(name, summary, _)| (*name, *summary))
}

/// The behaviour of this name.
pub fn find(name: &str) -> Option<Behavior> {
    PRESETS.iter().find(|(n, ..)| *n == name).map(|(.., behavior)| *behavior)
}
