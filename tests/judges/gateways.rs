//! What is judged: every combination of mapping and filtering, and the presets.

use super::lab::Server;

/// RFC 4787 §4.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mapping {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

/// RFC 4787 §5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filtering {
    EndpointIndependent,
    AddressDependent,
    AddressAndPortDependent,
}

use Filtering as F;
use Mapping as M;

/// A gateway as a scenario names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// By its axes.
    Axes(Mapping, Filtering),
    /// By a preset with these axes.
    Preset(&'static str, Mapping, Filtering),
    /// No gateway to be seen.
    Open,
    /// Public addresses behind a stateful firewall.
    Firewall,
    /// Nothing gets through.
    UdpBlocked,
}

const PRESETS: [Gateway; 7] = [
    Gateway::Preset("full-cone", M::EndpointIndependent, F::EndpointIndependent),
    Gateway::Preset("restricted-cone", M::EndpointIndependent, F::AddressDependent),
    Gateway::Preset("port-restricted-cone", M::EndpointIndependent, F::AddressAndPortDependent),
    Gateway::Preset("symmetric", M::AddressAndPortDependent, F::AddressAndPortDependent),
    Gateway::Open,
    Gateway::Firewall,
    Gateway::UdpBlocked,
];

/// What is judged with the help of a server: presets add nothing to what the second server could show.
pub fn all(server: Server) -> Vec<Gateway> {
    let mut all = Vec::new();
    for m in [M::EndpointIndependent, M::AddressDependent, M::AddressAndPortDependent] {
        for f in [F::EndpointIndependent, F::AddressDependent, F::AddressAndPortDependent] {
            all.push(Gateway::Axes(m, f));
        }
    }
    if server == Server::Natlab {
        all.extend(PRESETS);
    }
    all
}

impl Gateway {
    /// For the name of a test.
    pub fn name(self) -> String {
        match self {
            Gateway::Axes(m, f) => format!("{}-{}", m.short(), f.short()),
            Gateway::Preset(name, ..) => name.into(),
            Gateway::Open => "open".into(),
            Gateway::Firewall => "firewall".into(),
            Gateway::UdpBlocked => "udp-blocked".into(),
        }
    }

    /// The keys of its table in a scenario.
    pub fn keys(self) -> String {
        match self {
            Gateway::Axes(m, f) => format!("mapping = \"{}\"\nfiltering = \"{}\"", m.short(), f.short()),
            _ => format!("preset = \"{}\"", self.name()),
        }
    }

    /// How it shows in tests that compare reflexive endpoints and wait for answers from elsewhere; `None` when nothing
    /// comes back at all.
    pub fn axes(self) -> Option<(Mapping, Filtering)> {
        match self {
            Gateway::Axes(m, f) | Gateway::Preset(_, m, f) => Some((m, f)),
            Gateway::Open => Some((M::EndpointIndependent, F::EndpointIndependent)),
            Gateway::Firewall => Some((M::EndpointIndependent, F::AddressAndPortDependent)),
            Gateway::UdpBlocked => None,
        }
    }
}

impl Mapping {
    fn short(self) -> &'static str {
        match self {
            M::EndpointIndependent => "eim",
            M::AddressDependent => "adm",
            M::AddressAndPortDependent => "apdm",
        }
    }
}

impl Filtering {
    fn short(self) -> &'static str {
        match self {
            F::EndpointIndependent => "eif",
            F::AddressDependent => "adf",
            F::AddressAndPortDependent => "apdf",
        }
    }
}
