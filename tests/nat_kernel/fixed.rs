//! Mappings that are always there: forwards and pairs.

use std::net::{Ipv4Addr, SocketAddrV4};

use natlab::nat::{Forward, Pair};
use natlab::net::Transport;

use crate::lab::HOSTS;

/// Both protocols to the first host, and a second port that leads to the same endpoint.
pub fn forwards() -> Vec<Forward> {
    let of = |protocol, port| Forward { protocol, port, to: SocketAddrV4::new(HOSTS[0], 8000) };
    vec![of(Transport::Udp, 7000), of(Transport::Udp, 7001), of(Transport::Tcp, 7000)]
}

/// One external address for each host.
pub fn pairs() -> Vec<Pair> {
    let pair = |d, inside| Pair { external: Ipv4Addr::new(203, 0, 113, d), inside };
    vec![pair(3, HOSTS[0]), pair(4, HOSTS[1])]
}
