//! What a NAT does, by the axes of RFC 4787. Pure vocabulary: what the kernel is told stands in [`rules`], the named
//! behaviours in [`preset`], the NAT that the kernel is held against in [`translator`].

mod axes;
mod measured;
pub mod preset;
pub mod rules;
pub mod stated;
pub mod translator;

use std::fmt;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::net::{Network, Transport};

pub use axes::{
    Filtering, Hairpinning, IcmpErrors, Mapping, Pooling, PortAssignment, PortRange, Refresh, Semantics,
    SimultaneousOpen, Tcp, Translation, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
pub use measured::Measured;

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
    /// From which external ports are taken.
    #[serde(default)]
    pub port_range: PortRange,
    /// Distance of two ports that are assigned one after the other: ±1 or ±2. Read for [`PortAssignment::Sequential`] alone.
    #[serde(default = "one")]
    pub port_step: i8,
    /// Each inside address has a block of this many ports of its own, as behind a carrier's NAT; when it is full, new
    /// mappings of that host are dropped.
    #[serde(default)]
    pub port_block: Option<u16>,
    /// How many external addresses there are.
    #[serde(default = "one")]
    pub addresses: u8,
    /// Which of several external addresses a mapping gets.
    #[serde(default)]
    pub pooling: Pooling,
    /// What keeps a mapping alive.
    #[serde(default)]
    pub refresh: Refresh,
    /// What an unsolicited UDP packet gets.
    #[serde(default)]
    pub unsolicited: Unsolicited,
    /// ICMP errors about packets of live mappings.
    #[serde(default)]
    pub icmp_errors: IcmpErrors,
    /// TCP; `None`: mapping and filtering as for UDP, and the defaults of [`Tcp::new`].
    #[serde(default)]
    pub tcp: Option<Tcp>,
}

fn one<T: From<bool>>() -> T {
    T::from(true)
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
            port_range: PortRange::DEFAULT,
            port_step: 1,
            port_block: None,
            addresses: 1,
            pooling: Pooling::Paired,
            refresh: Refresh::Both,
            unsolicited: Unsolicited::Dropped,
            icmp_errors: IcmpErrors::Translated,
            tcp: None,
        }
    }

    /// A NAT that gives each inside host an external address of its own (RFC 3022 Basic NAT), filtered like this.
    pub const fn one_to_one(filtering: Filtering) -> Self {
        Behavior {
            translation: Translation::OneToOne,
            ports: PortAssignment::Preserving,
            ..Self::napt(Mapping::EndpointIndependent, filtering)
        }
    }

    /// What it does with TCP.
    pub const fn tcp(&self) -> Tcp {
        match self.tcp {
            Some(tcp) => tcp,
            None => Tcp::new(self.mapping, self.filtering),
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
        use {PortAssignment as P, Translation as T};
        // The gateway whose choice of ports others see.
        let kept = matches!(outer.ports, P::Preserving | P::Overloading) && self.translation.translates();
        let chosen = if kept || !outer.translation.translates() { self } else { outer };
        let (own, others) = (self.tcp(), outer.tcp());
        Behavior {
            translation: match (self.translation, outer.translation) {
                (T::None, T::None) => T::None,
                (T::Napt, _) | (_, T::Napt) => T::Napt,
                _ => T::OneToOne,
            },
            mapping: self.mapping.max(outer.mapping),
            filtering: self.filtering.max(outer.filtering),
            ports: match (self.ports, outer.ports) {
                // Its port is the one that the inner gateway chose.
                (inner, P::Preserving) => inner,
                // Behind one address nobody else has a port, so none is shared.
                (inner, P::Overloading) if self.translation == T::Napt => inner,
                // A port that was taken already the inner gateway replaces by any other.
                (P::Preserving, P::Parity) if self.translation == T::Napt => P::Random,
                (P::Sequential | P::Random, P::Parity) => P::Random,
                (_, outer) => outer,
            },
            hairpinning: if outer.translation.translates() { outer.hairpinning } else { self.hairpinning },
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
            port_range: chosen.port_range,
            port_step: chosen.port_step,
            port_block: chosen.port_block,
            // The pool that others see is that of the outermost that translates.
            addresses: if outer.translation.translates() { outer.addresses } else { self.addresses },
            pooling: if outer.translation.translates() { outer.pooling } else { self.pooling },
            // Only a packet that both take for a refresh keeps both alive; inbound ones reach the inner through the outer.
            refresh: match (self.refresh, outer.refresh) {
                (a, b) if a == b => a,
                (Refresh::Both, other) | (other, Refresh::Both) => other,
                _ => Refresh::Outbound,
            },
            unsolicited: outer.unsolicited,
            icmp_errors: self.icmp_errors.max(outer.icmp_errors),
            tcp: (self.tcp.is_some() || outer.tcp.is_some()).then(|| Tcp {
                mapping: own.mapping.max(others.mapping),
                filtering: own.filtering.max(others.filtering),
                unsolicited: others.unsolicited,
                simultaneous_open: own.simultaneous_open.max(others.simultaneous_open),
                lifetime_ms: own.lifetime_ms.min(others.lifetime_ms),
            }),
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
            (_, Translation::OneToOne, filtering) => write!(f, "1:1, {filtering}"),
            _ => write!(f, "{}/{}", self.mapping, self.filtering),
        }
    }
}

/// An external address that is one inside host's alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// Address outside.
    pub external: Ipv4Addr,
    /// Address inside.
    pub inside: Ipv4Addr,
}

/// A static port forward: what arrives at the external port goes inside whoever sends it, and what the inside endpoint sends
/// leaves from that port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Forward {
    /// Of which protocol.
    pub protocol: Transport,
    /// Port of the first external address.
    pub port: u16,
    /// Where it leads.
    pub to: SocketAddrV4,
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
    /// Of a 1:1 NAT: which external address is which inside host's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pairs: Vec<Pair>,
    /// External ports that always lead to an inside endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forwards: Vec<Forward>,
    /// Of its port list.
    pub seed: u64,
    /// Name of the preset, when one was named.
    pub preset: Option<String>,
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
