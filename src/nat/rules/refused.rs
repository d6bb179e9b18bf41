//! Which combinations the kernel's rules cannot do, and why: said before anything is built. Pure.

use super::{needs_zone, sysctl};
use crate::nat::{
    Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Refresh, Semantics, Translation, UdpPolicy,
};

/// The shortest lifetime of a UDP mapping, in milliseconds: below it the time that a packet takes counts.
pub const SHORTEST_LIFETIME_MS: u64 = 200;

/// An axis that a gateway cannot have as declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Its key in a scenario; one of TCP begins with `tcp.`.
    pub axis: &'static str,
    /// A sentence without its first capital and its full stop.
    pub why: &'static str,
}

/// Everything about a behaviour that [`super::table`] cannot provide; nothing when the gateway does what is declared.
pub fn refused(b: &Behavior) -> Vec<Refusal> {
    let mut out = Vec::new();
    let mut refuse = |axis, when: bool, why| {
        if when {
            out.push(Refusal { axis, why });
        }
    };
    let udp = b.udp == UdpPolicy::Allowed;
    let napt = b.translation == Translation::Napt;
    let stateful = b.translation.translates() || b.filtering != Filtering::EndpointIndependent;
    refuse(
        "lifetime",
        udp && stateful && b.lifetime_ms < SHORTEST_LIFETIME_MS,
        "below 200 ms the way of a packet through the lab counts, and no lifetime is exact",
    );
    refuse(
        "semantics",
        udp && needs_zone(&Behavior { semantics: Semantics::Strict, ..*b })
            && b.semantics == Semantics::ReplyAffine
            && sysctl::untracked(b),
        "what is reply-affine follows connection tracking, which knows whole seconds only, and refreshes in both \
         directions only",
    );
    refuse(
        "tcp.lifetime",
        stateful && (b.tcp().lifetime_ms == 0 || !b.tcp().lifetime_ms.is_multiple_of(1000)),
        "connections are tracked, and connection tracking knows whole seconds only",
    );
    if napt {
        out.extend(ports(b));
        out.extend(overloading(b));
    }
    out
}

/// What ranges and blocks cannot be.
fn ports(b: &Behavior) -> Vec<Refusal> {
    let mut out = Vec::new();
    let mut refuse = |axis, when: bool, why| {
        if when {
            out.push(Refusal { axis, why });
        }
    };
    let range = b.port_range;
    refuse("addresses", b.addresses == 0, "a NAT without an external address translates nothing");
    refuse("port-range", range.is_empty(), "the range ends before it begins");
    refuse("port-range", range.first == 0, "0 is not a port");
    refuse(
        "port-range",
        b.ports == PortAssignment::Parity && range.len() == 1,
        "parity needs an even and an odd port at least",
    );
    refuse(
        "port-step",
        b.ports == PortAssignment::Sequential && !matches!(b.port_step, -2 | -1 | 1 | 2),
        "ports follow each other at a distance of 1 or 2, upwards or downwards",
    );
    let Some(block) = b.port_block else { return out };
    refuse("port-block", block == 0, "a block without ports serves nobody");
    refuse("port-block", usize::from(block) > range.len(), "not one block of this size fits into the port range");
    refuse("port-block", usize::from(block) > 512, "a gateway tries 512 ports for a mapping at most");
    refuse(
        "port-block",
        !matches!(b.ports, PortAssignment::Random | PortAssignment::Sequential),
        "the ports of a block are assigned randomly or one after the other: a port that is kept, or its parity, would lead out \
         of the block",
    );
    out
}

/// With overloading, connection tracking alone decides, and it has one behaviour only.
fn overloading(b: &Behavior) -> Vec<Refusal> {
    if b.ports != PortAssignment::Overloading {
        return Vec::new();
    }
    let mut out = Vec::new();
    let mut refuse = |axis, when: bool, why| {
        if when {
            out.push(Refusal { axis, why });
        }
    };
    let (udp, tcp) = (b.udp == UdpPolicy::Allowed, b.tcp());
    let only = "an external port that several inside endpoints share is eim and apdf: towards anybody it is known by \
                connection alone";
    let (eim, apdf) = (Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
    refuse("mapping", udp && b.mapping != eim, only);
    refuse("filtering", udp && b.filtering != apdf, only);
    refuse("tcp.mapping", tcp.mapping != eim, only);
    refuse("tcp.filtering", tcp.filtering != apdf, only);
    refuse(
        "hairpinning",
        b.hairpinning != Hairpinning::None,
        "an external port that several inside endpoints share leads to none of them",
    );
    refuse(
        "lifetime",
        udp && !b.lifetime_ms.is_multiple_of(1000),
        "with overloading connection tracking alone ends mappings, and it knows whole seconds only",
    );
    refuse(
        "refresh",
        udp && b.refresh != Refresh::Both,
        "with overloading connection tracking alone keeps mappings alive, and it takes packets of both directions",
    );
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nat::{PortRange, Tcp, preset};
    use {Filtering as F, Mapping as M};

    const B: Behavior = Behavior::napt(M::EndpointIndependent, F::AddressAndPortDependent);

    fn axes(b: Behavior) -> Vec<&'static str> {
        refused(&b).iter().map(|r| r.axis).collect()
    }

    #[test]
    fn the_nine_and_every_preset_can_be_had() {
        for m in M::ALL {
            for f in F::ALL {
                for refresh in [Refresh::Outbound, Refresh::Inbound, Refresh::Both] {
                    assert_eq!(axes(Behavior { lifetime_ms: 200, refresh, ..Behavior::napt(m, f) }), [""; 0]);
                }
            }
        }
        for p in &preset::ALL {
            assert_eq!(refused(&p.behavior), [], "{}", p.name);
        }
    }

    #[test]
    fn blocks_fit_into_the_range() {
        let random = Behavior { ports: PortAssignment::Random, ..B };
        let block = |n| Behavior { port_block: Some(n), ..random };
        assert_eq!(axes(block(512)), [""; 0]);
        assert_eq!(axes(block(513)), ["port-block"]);
        assert_eq!(axes(block(0)), ["port-block"]);
        let small = PortRange { first: 40_000, last: 40_009 };
        assert_eq!(axes(Behavior { port_range: small, ..block(10) }), [""; 0]);
        assert_eq!(axes(Behavior { port_range: small, ..block(11) }), ["port-block"]);
        assert_eq!(axes(Behavior { ports: PortAssignment::Preserving, ..block(8) }), ["port-block"]);
        assert_eq!(axes(Behavior { ports: PortAssignment::Parity, ..block(8) }), ["port-block"]);
    }

    #[test]
    fn ranges_and_steps_lead_somewhere() {
        let range = |first, last| Behavior { port_range: PortRange { first, last }, ..B };
        assert_eq!(axes(range(2, 1)), ["port-range"]);
        assert_eq!(axes(range(0, 1)), ["port-range"]);
        assert_eq!(axes(Behavior { ports: PortAssignment::Parity, ..range(4, 4) }), ["port-range"]);
        assert_eq!(axes(Behavior { port_step: 3, ..B }), [""; 0], "nothing reads it");
        assert_eq!(axes(Behavior { port_step: 3, ports: PortAssignment::Sequential, ..B }), ["port-step"]);
    }

    #[test]
    fn overloading_is_what_linux_does() {
        let shared = Behavior { ports: PortAssignment::Overloading, ..B };
        assert_eq!(axes(shared), [""; 0]);
        let open = Behavior { filtering: F::EndpointIndependent, ..shared };
        assert_eq!(axes(open), ["filtering", "tcp.filtering"]);
        let tcp_alone = Tcp::new(M::AddressDependent, F::AddressAndPortDependent);
        assert_eq!(axes(Behavior { tcp: Some(tcp_alone), ..shared }), ["tcp.mapping"]);
        let much = Behavior {
            hairpinning: Hairpinning::ExternalSource,
            lifetime_ms: 1500,
            refresh: Refresh::Outbound,
            ..shared
        };
        assert_eq!(axes(much), ["hairpinning", "lifetime", "refresh"]);
    }

    #[test]
    fn what_only_tracking_knows_needs_tracking() {
        let open = Behavior::napt(M::AddressAndPortDependent, F::EndpointIndependent);
        let affine = Behavior { semantics: Semantics::ReplyAffine, ..open };
        assert_eq!(axes(affine), [""; 0]);
        assert_eq!(axes(Behavior { lifetime_ms: 400, ..affine }), ["semantics"]);
        assert_eq!(axes(Behavior { refresh: Refresh::Outbound, ..affine }), ["semantics"]);
        let tcp = Tcp { lifetime_ms: 1500, ..Tcp::new(open.mapping, open.filtering) };
        assert_eq!(axes(Behavior { tcp: Some(tcp), ..open }), ["tcp.lifetime"]);
        assert_eq!(axes(Behavior { lifetime_ms: 100, ..open }), ["lifetime"]);
    }
}
