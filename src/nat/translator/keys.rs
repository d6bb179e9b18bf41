//! One function per axis: what of a remote endpoint a mapping and a filter look at, and what keeps them alive.

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::Side;
use crate::nat::{Behavior, Filtering, Mapping, PortAssignment, Refresh, Semantics};
use crate::net::Transport;

/// What of a remote endpoint counts: nothing, its address, or both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Part(Option<Ipv4Addr>, Option<u16>);

impl Part {
    const NOTHING: Part = Part(None, None);

    fn address(of: SocketAddrV4) -> Part {
        Part(Some(*of.ip()), None)
    }

    fn endpoint(of: SocketAddrV4) -> Part {
        Part(Some(*of.ip()), Some(of.port()))
    }
}

/// RFC 4787 §4.1, RFC 5382 §4.1. A port that is shared belongs to sessions, whatever mapping was declared.
pub(super) fn mapping_part(b: &Behavior, transport: Transport, remote: SocketAddrV4) -> Part {
    let mapping = match transport {
        Transport::Udp => b.mapping,
        Transport::Tcp => b.tcp().mapping,
    };
    match mapping {
        _ if b.ports == PortAssignment::Overloading => Part::endpoint(remote),
        Mapping::EndpointIndependent => Part::NOTHING,
        Mapping::AddressDependent => Part::address(remote),
        Mapping::AddressAndPortDependent => Part::endpoint(remote),
    }
}

/// RFC 4787 §5, RFC 5382 §4.3.
pub(super) fn filter_part(b: &Behavior, transport: Transport, remote: SocketAddrV4) -> Part {
    match filtering(b, transport) {
        Filtering::EndpointIndependent => Part::NOTHING,
        Filtering::AddressDependent => Part::address(remote),
        Filtering::AddressAndPortDependent => Part::endpoint(remote),
    }
}

/// Of one protocol.
pub(super) fn filtering(b: &Behavior, transport: Transport) -> Filtering {
    match transport {
        Transport::Udp => b.filtering,
        Transport::Tcp => b.tcp().filtering,
    }
}

/// Whether an answer leaves through the endpoint that its session came in on. A SYN-ACK always does: anything else is no
/// answer to the SYN.
pub(super) fn affine(b: &Behavior, transport: Transport) -> bool {
    transport == Transport::Tcp || b.semantics == Semantics::ReplyAffine
}

/// RFC 4787 §4.3, RFC 5382 §5.
pub(super) fn lifetime(b: &Behavior, transport: Transport) -> Duration {
    match transport {
        Transport::Udp => b.lifetime(),
        Transport::Tcp => Duration::from_millis(b.tcp().lifetime_ms),
    }
}

/// RFC 4787 REQ-6; it speaks of UDP, and either end keeps a TCP connection alive.
pub(super) fn refreshes(b: &Behavior, transport: Transport, from: Side) -> bool {
    match (transport, b.refresh) {
        (Transport::Tcp, _) | (_, Refresh::Both) => true,
        (Transport::Udp, Refresh::Outbound) => from == Side::Inside,
        (Transport::Udp, Refresh::Inbound) => from == Side::Outside,
    }
}
