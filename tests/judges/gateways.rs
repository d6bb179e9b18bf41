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

/// RFC 4787 §6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hairpinning {
    None,
    ExternalSource,
    InternalSource,
}

/// RFC 4787 §4.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    Preserving,
    Parity,
    Sequential,
    Random,
    Overloading,
}

use Filtering as F;
use Mapping as M;

/// A gateway as a scenario names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gateway {
    /// By mapping and filtering, and the defaults of the other axes.
    Axes(Mapping, Filtering),
    /// By four axes.
    Whole(Mapping, Filtering, Hairpinning, Ports),
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
    let mut all: Vec<_> = nine().map(|(m, f)| Gateway::Axes(m, f)).collect();
    if server == Server::Natlab {
        all.extend(PRESETS);
    }
    all
}

/// Every mapping with every filtering, hairpinning and port assignment that a NAT can have together.
pub fn whole() -> Vec<Gateway> {
    let mut all = Vec::new();
    for (m, f) in nine() {
        for h in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
            for p in [Ports::Preserving, Ports::Parity, Ports::Sequential, Ports::Random, Ports::Overloading] {
                // Ports are shared where connection tracking alone decides: that is EIM/APDF without hairpinning.
                let tracked = (m, f, h) == (M::EndpointIndependent, F::AddressAndPortDependent, Hairpinning::None);
                if p != Ports::Overloading || tracked {
                    all.push(Gateway::Whole(m, f, h, p));
                }
            }
        }
    }
    all
}

fn nine() -> impl Iterator<Item = (Mapping, Filtering)> {
    let filtering = [F::EndpointIndependent, F::AddressDependent, F::AddressAndPortDependent];
    [M::EndpointIndependent, M::AddressDependent, M::AddressAndPortDependent]
        .into_iter()
        .flat_map(move |m| filtering.map(|f| (m, f)))
}

impl Gateway {
    /// For the name of a test.
    pub fn name(self) -> String {
        match self {
            Gateway::Axes(m, f) => format!("{}-{}", m.short(), f.short()),
            Gateway::Whole(m, f, h, p) => {
                format!("{}-{}-hairpin-{}-ports-{}", m.short(), f.short(), h.key(), p.key())
            }
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
            Gateway::Whole(m, f, h, p) => format!(
                "mapping = \"{}\"\nfiltering = \"{}\"\nhairpinning = \"{}\"\nports = \"{}\"",
                m.short(),
                f.short(),
                h.key(),
                p.key()
            ),
            _ => format!("preset = \"{}\"", self.name()),
        }
    }

    /// How it shows in tests that compare reflexive endpoints and wait for answers from elsewhere; `None` when nothing
    /// comes back at all.
    pub fn axes(self) -> Option<(Mapping, Filtering)> {
        match self {
            Gateway::Axes(m, f) | Gateway::Whole(m, f, ..) | Gateway::Preset(_, m, f) => Some((m, f)),
            Gateway::Open => Some((M::EndpointIndependent, F::EndpointIndependent)),
            Gateway::Firewall => Some((M::EndpointIndependent, F::AddressAndPortDependent)),
            Gateway::UdpBlocked => None,
        }
    }
}

impl Hairpinning {
    fn key(self) -> &'static str {
        match self {
            Hairpinning::None => "none",
            Hairpinning::ExternalSource => "external-source",
            Hairpinning::InternalSource => "internal-source",
        }
    }
}

impl Ports {
    fn key(self) -> &'static str {
        match self {
            Ports::Preserving => "preserving",
            Ports::Parity => "parity",
            Ports::Sequential => "sequential",
            Ports::Random => "random",
            Ports::Overloading => "overloading",
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
