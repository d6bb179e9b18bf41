//! What a NAT does, by the axes of RFC 4787. Pure vocabulary: what the kernel is told stands in [`rules`], the named
//! behaviours in [`preset`].

pub mod preset;
pub mod rules;

use std::fmt;
use std::net::Ipv4Addr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::net::Network;

/// How long a public endpoint is reused for packets from the same inside endpoint (RFC 4787 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Mapping {
    /// `eim`: the same external endpoint towards everybody.
    #[serde(rename = "eim", alias = "endpoint-independent")]
    EndpointIndependent,
    /// `adm`: one external endpoint per remote address.
    #[serde(rename = "adm", alias = "address-dependent")]
    AddressDependent,
    /// `apdm`: one external endpoint per remote address and port.
    #[serde(rename = "apdm", alias = "address-and-port-dependent")]
    AddressAndPortDependent,
}

/// Which inbound packets an external endpoint lets through (RFC 4787 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum Filtering {
    /// `eif`: from everybody.
    #[serde(rename = "eif", alias = "endpoint-independent")]
    EndpointIndependent,
    /// `adf`: from addresses that the inside endpoint has sent to.
    #[serde(rename = "adf", alias = "address-dependent")]
    AddressDependent,
    /// `apdf`: from addresses and ports that the inside endpoint has sent to.
    #[serde(rename = "apdf", alias = "address-and-port-dependent")]
    AddressAndPortDependent,
}

/// How an external port is chosen (RFC 4787 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PortAssignment {
    /// The inside port when it is free, another one when it is taken: never shared ("no overloading").
    Preserving,
    /// From a seeded, shuffled list.
    Random,
}

/// Whether two endpoints behind one NAT reach each other through their external endpoints (RFC 4787 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Hairpinning {
    /// Such packets are dropped.
    None,
    /// They arrive from the sender's external endpoint (REQ-9a).
    ExternalSource,
    /// They arrive from the sender's inside endpoint.
    InternalSource,
}

/// What an inside endpoint's answer to a session from outside leaves through, where mapping and filtering leave it open:
/// ADM/EIF, APDM/EIF and APDM/ADF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Semantics {
    /// The mapping table alone decides (RFC 4787 read literally).
    Strict,
    /// It leaves from the endpoint the session came in on, as Linux connection tracking does by itself.
    ReplyAffine,
}

/// Whether the gateway changes addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Translation {
    /// Private addresses inside, translated (NAPT, RFC 3022).
    Napt,
    /// Public addresses inside: a plain router or a stateful firewall.
    None,
}

/// Whether UDP passes at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UdpPolicy {
    /// It does.
    Allowed,
    /// Every UDP packet is dropped, in both directions.
    Blocked,
}

/// Everything a gateway does, as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Behavior {
    /// Whether addresses change.
    pub translation: Translation,
    /// Without translation always endpoint-independent.
    pub mapping: Mapping,
    /// What comes in.
    pub filtering: Filtering,
    /// Which external ports are taken; without translation ports never change.
    pub ports: PortAssignment,
    /// Inside to inside through external endpoints.
    pub hairpinning: Hairpinning,
    /// See [`Semantics`].
    pub semantics: Semantics,
    /// Whether UDP passes.
    pub udp: UdpPolicy,
    /// How long an idle UDP mapping lives, in milliseconds (RFC 4787 §4.3).
    pub lifetime_ms: u64,
}

impl Behavior {
    /// The lifetime of UDP mappings unless a scenario says otherwise.
    pub const DEFAULT_LIFETIME: Duration = Duration::from_secs(120);

    /// A translating NAT of this mapping and filtering with the defaults of every other axis: ports preserved for
    /// endpoint-independent mapping and random otherwise, no hairpinning, strict semantics, 120 s.
    pub const fn napt(mapping: Mapping, filtering: Filtering) -> Self {
        Behavior {
            translation: Translation::Napt,
            mapping,
            filtering,
            ports: match mapping {
                Mapping::EndpointIndependent => PortAssignment::Preserving,
                _ => PortAssignment::Random,
            },
            hairpinning: Hairpinning::None,
            semantics: Semantics::Strict,
            udp: UdpPolicy::Allowed,
            lifetime_ms: Self::DEFAULT_LIFETIME.as_millis() as u64,
        }
    }

    /// A gateway in front of public addresses: `EndpointIndependent` filtering is a plain router, anything else a stateful
    /// firewall.
    pub const fn public(filtering: Filtering) -> Self {
        Behavior {
            translation: Translation::None,
            ports: PortAssignment::Preserving,
            ..Self::napt(Mapping::EndpointIndependent, filtering)
        }
    }

    /// The lifetime of idle UDP mappings.
    pub const fn lifetime(&self) -> Duration {
        Duration::from_millis(self.lifetime_ms)
    }

    /// What a peer behind `self` behind `outer` looks like from the Internet: the strictest of both on every axis.
    /// Hairpinning is that of the gateway whose external address others see: the outermost that translates. Semantics are
    /// those of the gateway that has several endpoints for one inside endpoint; of two such, an answer is reply-affine only
    /// if both are.
    pub fn behind(self, outer: Behavior) -> Behavior {
        let translated = self.translation == Translation::Napt || outer.translation == Translation::Napt;
        Behavior {
            translation: if translated { Translation::Napt } else { Translation::None },
            mapping: self.mapping.max(outer.mapping),
            filtering: self.filtering.max(outer.filtering),
            ports: match (self.ports, outer.ports) {
                (PortAssignment::Preserving, PortAssignment::Preserving) => PortAssignment::Preserving,
                _ => PortAssignment::Random,
            },
            hairpinning: match outer.translation {
                Translation::Napt => outer.hairpinning,
                Translation::None => self.hairpinning,
            },
            semantics: match (self.mapping, outer.mapping) {
                (Mapping::EndpointIndependent, _) => outer.semantics,
                (_, Mapping::EndpointIndependent) => self.semantics,
                _ if self.semantics == outer.semantics => self.semantics,
                _ => Semantics::Strict,
            },
            udp: match (self.udp, outer.udp) {
                (UdpPolicy::Allowed, UdpPolicy::Allowed) => UdpPolicy::Allowed,
                _ => UdpPolicy::Blocked,
            },
            lifetime_ms: self.lifetime_ms.min(outer.lifetime_ms),
        }
    }

    /// The name of RFC 3489 §5, where one fits exactly; never for combinations that it did not know.
    pub fn classic_name(&self) -> Option<&'static str> {
        use {Filtering as F, Mapping as M};
        if self.translation == Translation::None || self.udp == UdpPolicy::Blocked {
            return None;
        }
        match (self.mapping, self.filtering) {
            (M::EndpointIndependent, F::EndpointIndependent) => Some("full cone"),
            (M::EndpointIndependent, F::AddressDependent) => Some("restricted cone"),
            (M::EndpointIndependent, F::AddressAndPortDependent) => Some("port-restricted cone"),
            (M::AddressAndPortDependent, F::AddressAndPortDependent) => Some("symmetric"),
            _ => None,
        }
    }
}

impl fmt::Display for Behavior {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.udp, self.translation, self.filtering) {
            (UdpPolicy::Blocked, ..) => f.write_str("UDP blocked"),
            (_, Translation::None, Filtering::EndpointIndependent) => f.write_str("public"),
            (_, Translation::None, filtering) => write!(f, "public, firewall {filtering}"),
            _ => write!(f, "{}/{}", self.mapping, self.filtering),
        }
    }
}

impl Mapping {
    /// All three, from the most to the least permissive.
    pub const ALL: [Mapping; 3] =
        [Mapping::EndpointIndependent, Mapping::AddressDependent, Mapping::AddressAndPortDependent];
}

impl Filtering {
    /// All three, from the most to the least permissive.
    pub const ALL: [Filtering; 3] =
        [Filtering::EndpointIndependent, Filtering::AddressDependent, Filtering::AddressAndPortDependent];
}

impl fmt::Display for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Mapping::EndpointIndependent => "EIM",
            Mapping::AddressDependent => "ADM",
            Mapping::AddressAndPortDependent => "APDM",
        })
    }
}

impl fmt::Display for Filtering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Filtering::EndpointIndependent => "EIF",
            Filtering::AddressDependent => "ADF",
            Filtering::AddressAndPortDependent => "APDF",
        })
    }
}

/// What a gateway is told.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gateway {
    /// As declared.
    pub behavior: Behavior,
    /// Interface towards the Internet.
    pub wan: String,
    /// External addresses, of which mappings are made; of a gateway without translation empty.
    pub external: Vec<Ipv4Addr>,
    /// Networks inside.
    pub inside: Vec<Network>,
    /// Of its port list.
    pub seed: u64,
    /// Name of the preset, when one was named.
    pub preset: Option<String>,
}

/// What the probe found a gateway to do; `None` where it was not measured, never a guess.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// Whether any UDP came back at all.
    pub udp: Option<UdpPolicy>,
    /// Whether the reflexive address differs from the local one.
    pub translation: Option<Translation>,
    /// Tests I to III of RFC 5780 §4.3.
    pub mapping: Option<Mapping>,
    /// Tests I to III of RFC 5780 §4.4.
    pub filtering: Option<Filtering>,
    /// Whether every probing socket kept its port.
    pub ports_preserved: Option<bool>,
    /// Whether a packet to the own reflexive endpoint came back, and from which source.
    pub hairpinning: Option<Hairpinning>,
    /// What it saw, test by test, for people.
    pub evidence: Vec<String>,
    /// Why an axis could not be decided.
    pub undecided: Vec<String>,
}

impl Measured {
    /// Whether something was found that is not as declared, as opposed to not found out.
    pub fn contradicts(&self, declared: &Behavior) -> bool {
        let decided = self.clone();
        let known = Measured {
            udp: decided.udp.or(Some(declared.udp)),
            translation: decided.translation.or(Some(declared.translation)),
            mapping: decided.mapping.or(Some(declared.mapping)),
            filtering: decided.filtering.or(Some(declared.filtering)),
            ports_preserved: decided.ports_preserved.or(Some(declared.ports == PortAssignment::Preserving)),
            hairpinning: decided.hairpinning.or(Some(declared.hairpinning)),
            ..Measured::default()
        };
        !known.differences(declared).is_empty()
    }

    /// The differences from what was declared, each as a sentence; empty when the gateway is as declared. An axis that was
    /// not measured although it can be is a difference too: nothing counts unmeasured.
    pub fn differences(&self, declared: &Behavior) -> Vec<String> {
        let mut out = Vec::new();
        fn check<T: PartialEq + fmt::Debug>(out: &mut Vec<String>, axis: &str, declared: T, measured: &Option<T>) {
            match measured {
                Some(m) if *m == declared => {}
                Some(m) => out.push(format!("{axis}: declared {declared:?}, measured {m:?}")),
                None => out.push(format!("{axis}: declared {declared:?}, not measured")),
            }
        }
        check(&mut out, "udp", declared.udp, &self.udp);
        if declared.udp == UdpPolicy::Blocked {
            return out;
        }
        check(&mut out, "translation", declared.translation, &self.translation);
        check(&mut out, "mapping", declared.mapping, &self.mapping);
        check(&mut out, "filtering", declared.filtering, &self.filtering);
        if declared.translation == Translation::Napt {
            // A random port may equal the inside port by chance, so only a declared preservation can be contradicted.
            if declared.ports == PortAssignment::Preserving && declared.mapping == Mapping::EndpointIndependent {
                check(&mut out, "ports preserved", true, &self.ports_preserved);
            }
            if declared.mapping == Mapping::EndpointIndependent {
                check(&mut out, "hairpinning", declared.hairpinning, &self.hairpinning);
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use {Filtering as F, Mapping as M};

    #[test]
    fn a_chain_is_as_strict_as_its_strictest_gateway() {
        let home = Behavior::napt(M::EndpointIndependent, F::AddressAndPortDependent);
        let carrier = Behavior {
            hairpinning: Hairpinning::ExternalSource,
            ..Behavior::napt(M::AddressDependent, F::EndpointIndependent)
        };
        let both = home.behind(carrier);
        assert_eq!((both.mapping, both.filtering), (M::AddressDependent, F::AddressAndPortDependent));
        assert_eq!(both.hairpinning, Hairpinning::ExternalSource);
        assert_eq!(carrier.behind(home).hairpinning, Hairpinning::None);
    }

    #[test]
    fn a_firewall_in_front_does_not_hide_the_hairpinning_of_the_nat_behind_it() {
        let nat = Behavior {
            hairpinning: Hairpinning::ExternalSource,
            ..Behavior::napt(M::EndpointIndependent, F::EndpointIndependent)
        };
        let both = nat.behind(Behavior::public(F::AddressAndPortDependent));
        assert_eq!(both.hairpinning, Hairpinning::ExternalSource);
        assert_eq!((both.translation, both.filtering), (Translation::Napt, F::AddressAndPortDependent));
    }

    #[test]
    fn the_semantics_of_a_chain_are_those_of_the_gateway_with_several_endpoints() {
        let affine = |b: Behavior| Behavior { semantics: Semantics::ReplyAffine, ..b };
        let eim = Behavior::napt(M::EndpointIndependent, F::EndpointIndependent);
        let adm = Behavior::napt(M::AddressDependent, F::EndpointIndependent);
        assert_eq!(adm.behind(affine(eim)).semantics, Semantics::Strict);
        assert_eq!(affine(eim).behind(adm).semantics, Semantics::Strict);
        assert_eq!(affine(adm).behind(eim).semantics, Semantics::ReplyAffine);
        assert_eq!(affine(adm).behind(adm).semantics, Semantics::Strict);
        assert_eq!(affine(adm).behind(affine(adm)).semantics, Semantics::ReplyAffine);
    }
}

#[cfg(test)]
mod measured_tests {
    use super::*;

    fn as_declared(b: &Behavior) -> Measured {
        Measured {
            udp: Some(b.udp),
            translation: Some(b.translation),
            mapping: Some(b.mapping),
            filtering: Some(b.filtering),
            ports_preserved: Some(true),
            hairpinning: Some(b.hairpinning),
            ..Measured::default()
        }
    }

    #[test]
    fn what_was_not_found_out_is_a_difference_but_no_contradiction() {
        let declared = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent);
        let mut measured = as_declared(&declared);
        assert_eq!(measured.differences(&declared), Vec::<String>::new());
        measured.filtering = None;
        assert_eq!(measured.differences(&declared).len(), 1);
        assert!(!measured.contradicts(&declared));
        measured.filtering = Some(Filtering::EndpointIndependent);
        assert!(measured.contradicts(&declared));
        assert!(measured.differences(&declared)[0].contains("AddressDependent"), "both behaviours are shown");
    }
}
