//! The translator's own promises, by example; for any packets in [`properties`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod properties;

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::{Content, Disposition, Packet, Segment, Side, Translator, Why};
use crate::nat::{
    Behavior, Filtering, Forward, Gateway, Hairpinning, IcmpErrors, Mapping, Pair, Pooling, PortAssignment, PortRange,
    Refresh, SimultaneousOpen, Tcp, UdpPolicy, Unsolicited, UnsolicitedSyn,
};
use crate::net::{Network, Transport};

const EIM: Mapping = Mapping::EndpointIndependent;
const EIF: Filtering = Filtering::EndpointIndependent;
const APDF: Filtering = Filtering::AddressAndPortDependent;

const fn external(n: u8) -> Ipv4Addr {
    Ipv4Addr::new(203, 0, 113, n)
}

fn host(n: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(192, 168, 1, 10 + n), port)
}

fn server(n: u8, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(Ipv4Addr::new(198, 51, 100, n), port)
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn gateway(behavior: Behavior) -> Gateway {
    Gateway {
        behavior,
        wan: "wan0".to_owned(),
        external: if behavior.translation.translates() {
            (1..=behavior.addresses).map(external).collect()
        } else {
            vec![]
        },
        inside: vec![Network::new(Ipv4Addr::new(192, 168, 1, 0), 24)],
        pairs: vec![],
        forwards: vec![],
        seed: 1,
        preset: None,
    }
}

fn nat(behavior: Behavior) -> Translator {
    Translator::new(gateway(behavior))
}

impl Translator {
    /// Sends a datagram from inside: the source that it leaves with.
    fn out(&mut self, from: SocketAddrV4, to: SocketAddrV4, at: Duration) -> Result<SocketAddrV4, Why> {
        match self.pass(Side::Inside, &Packet::udp(from, to), at) {
            Disposition::Outside(p) => Ok(p.source),
            Disposition::Dropped(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a datagram from outside: the destination inside.
    fn inn(&mut self, from: SocketAddrV4, to: SocketAddrV4, at: Duration) -> Result<SocketAddrV4, Why> {
        match self.pass(Side::Outside, &Packet::udp(from, to), at) {
            Disposition::Inside(p) => Ok(p.destination),
            Disposition::Dropped(why) => Err(why),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_mapping_ends_exactly_when_its_lifetime_does() {
    let b = Behavior { lifetime_ms: 300, ..Behavior::napt(EIM, EIF) };
    for (at, alive) in [(299, true), (300, false)] {
        let mut nat = nat(b);
        let seen = nat.out(host(1, 5000), server(1, 80), ms(0)).unwrap();
        assert_eq!(nat.inn(server(2, 80), seen, ms(at)).is_ok(), alive, "{at} ms");
    }
}

#[test]
fn packets_of_the_declared_direction_refresh() {
    for (refresh, outbound, inbound) in
        [(Refresh::Outbound, true, false), (Refresh::Inbound, false, true), (Refresh::Both, true, true)]
    {
        let b = Behavior { lifetime_ms: 300, refresh, ..Behavior::napt(EIM, APDF) };
        let (h, s) = (host(1, 5000), server(1, 80));
        let mut kept = nat(b);
        let seen = kept.out(h, s, ms(0)).unwrap();
        kept.out(h, s, ms(200)).unwrap();
        assert_eq!(kept.inn(s, seen, ms(400)).is_ok(), outbound, "{refresh:?}");
        let mut kept = nat(b);
        let seen = kept.out(h, s, ms(0)).unwrap();
        kept.inn(s, seen, ms(200)).unwrap();
        assert_eq!(kept.inn(s, seen, ms(400)).is_ok(), inbound, "{refresh:?}");
    }
}

#[test]
fn sequential_ports_follow_each_other() {
    for (step, expected) in [(1, [100, 101, 102]), (2, [100, 102, 104]), (-1, [109, 108, 107]), (-2, [109, 107, 105])] {
        let b = Behavior {
            ports: PortAssignment::Sequential,
            port_range: PortRange { first: 100, last: 109 },
            port_step: step,
            ..Behavior::napt(Mapping::AddressAndPortDependent, APDF)
        };
        let mut nat = nat(b);
        let seen = [1, 2, 3].map(|n| nat.out(host(1, 5000), server(n, 80), ms(0)).unwrap().port());
        assert_eq!(seen, expected, "step {step}");
    }
}

#[test]
fn overloading_shares_a_port_towards_different_remotes_only() {
    let mut nat = nat(Behavior { ports: PortAssignment::Overloading, ..Behavior::napt(EIM, APDF) });
    let first = nat.out(host(1, 5000), server(1, 80), ms(0)).unwrap();
    let second = nat.out(host(2, 5000), server(2, 80), ms(0)).unwrap();
    assert_eq!((first, second), (SocketAddrV4::new(external(1), 5000), first));
    let third = nat.out(host(2, 5000), server(1, 80), ms(0)).unwrap();
    assert_ne!(third, first);
    assert_eq!(nat.inn(server(1, 80), first, ms(0)), Ok(host(1, 5000)));
    assert_eq!(nat.inn(server(2, 80), first, ms(0)), Ok(host(2, 5000)));
    assert_eq!(nat.inn(server(1, 80), third, ms(0)), Ok(host(2, 5000)));
    assert_eq!(nat.inn(server(3, 80), first, ms(0)), Err(Why::NoMapping));
}

#[test]
fn a_block_is_one_hosts_and_can_be_full() {
    let b = Behavior {
        ports: PortAssignment::Random,
        port_range: PortRange { first: 1000, last: 1011 },
        port_block: Some(4),
        ..Behavior::napt(EIM, EIF)
    };
    let mut nat = nat(b);
    let mut block = |n: u8| {
        let ports: Vec<u16> =
            (0..4).map(|p| nat.out(host(n, 5000 + p), server(1, 80), ms(0)).unwrap().port()).collect();
        assert_eq!(nat.out(host(n, 6000), server(1, 80), ms(0)), Err(Why::NoPort));
        (ports[0] - 1000) / 4
    };
    let mut blocks = [block(1), block(2), block(3)];
    blocks.sort();
    assert_eq!(blocks, [0, 1, 2]);
    assert_eq!(nat.out(host(4, 5000), server(1, 80), ms(0)), Err(Why::NoPort), "there are three blocks");
}

#[test]
fn pooling_is_paired_or_any() {
    let pool = |pooling| Behavior { addresses: 3, pooling, ..Behavior::napt(EIM, EIF) };
    let at = |n| SocketAddrV4::new(external(n), 5001);
    let mut paired = nat(pool(Pooling::Paired));
    let first = paired.out(host(1, 5000), server(1, 80), ms(0)).unwrap();
    let packet = Packet::udp(host(1, 5001), server(1, 80));
    let other = at(if *first.ip() == external(3) { 2 } else { 3 });
    let second = Disposition::Outside(Packet { source: SocketAddrV4::new(*first.ip(), 5001), ..packet.clone() });
    assert_eq!(paired.pass_as_seen(Side::Inside, &packet, ms(0), other), second, "another address is not allowed");
    let mut arbitrary = nat(pool(Pooling::Arbitrary));
    arbitrary.out(host(1, 5000), server(1, 80), ms(0)).unwrap();
    for (port, n) in [(5001, 2), (5002, 3)] {
        let packet = Packet::udp(host(1, port), server(1, 80));
        let seen = SocketAddrV4::new(external(n), port);
        let allowed = Disposition::Outside(Packet { source: seen, ..packet.clone() });
        assert_eq!(arbitrary.pass_as_seen(Side::Inside, &packet, ms(0), seen), allowed);
    }
}

#[test]
fn hairpins_are_filtered_and_have_the_declared_source() {
    for (hairpinning, external_source) in [(Hairpinning::ExternalSource, true), (Hairpinning::InternalSource, false)] {
        let mut nat = nat(Behavior { hairpinning, ..Behavior::napt(EIM, APDF) });
        let [one, two] = [1, 2].map(|n| nat.out(host(n, 5000 + u16::from(n)), server(1, 80), ms(0)).unwrap());
        let there = Packet::udp(host(1, 5001), two);
        assert_eq!(nat.pass(Side::Inside, &there, ms(0)), Disposition::Dropped(Why::Filtered));
        let back = Packet::udp(host(2, 5002), one);
        let source = if external_source { two } else { host(2, 5002) };
        let arrives = Packet::udp(source, host(1, 5001));
        assert_eq!(nat.pass(Side::Inside, &back, ms(0)), Disposition::Hairpinned(arrives));
        assert!(matches!(nat.pass(Side::Inside, &there, ms(0)), Disposition::Hairpinned(_)));
    }
    let mut none = nat(Behavior::napt(EIM, EIF));
    let one = none.out(host(1, 5000), server(1, 80), ms(0)).unwrap();
    let there = Packet::udp(host(2, 5000), one);
    assert_eq!(none.pass(Side::Inside, &there, ms(0)), Disposition::Dropped(Why::Hairpinning));
}

#[test]
fn icmp_errors_find_their_way_and_keep_nothing_alive() {
    let b = Behavior { lifetime_ms: 300, ..Behavior::napt(EIM, EIF) };
    let mut n = nat(b);
    let (h, s) = (host(1, 5000), server(1, 80));
    let seen = n.out(h, s, ms(0)).unwrap();
    let error = Packet::udp(seen, s).error_from(*server(9, 0).ip());
    let inside = Packet::udp(h, s).error_from(*server(9, 0).ip());
    assert_eq!(n.pass(Side::Outside, &error, ms(200)), Disposition::Inside(inside));
    assert_eq!(n.pass(Side::Outside, &error, ms(300)), Disposition::Dropped(Why::NoSession));
    let stranger = Packet::udp(seen, server(2, 80)).error_from(*server(2, 0).ip());
    n.out(h, s, ms(300)).unwrap();
    assert_eq!(n.pass(Side::Outside, &stranger, ms(300)), Disposition::Dropped(Why::NoSession));
    // About a packet that came in.
    let error = Packet::udp(s, h).error_from(*h.ip());
    let outside = Packet::udp(s, seen).error_from(*seen.ip());
    assert_eq!(n.pass(Side::Inside, &error, ms(300)), Disposition::Outside(outside));
    let mut n = nat(Behavior { icmp_errors: IcmpErrors::Dropped, ..b });
    let seen = n.out(h, s, ms(0)).unwrap();
    let error = Packet::udp(seen, s).error_from(*s.ip());
    assert_eq!(n.pass(Side::Outside, &error, ms(0)), Disposition::Dropped(Why::IcmpErrors));
}

#[test]
fn unsolicited_packets_get_what_is_declared() {
    let (stranger, at) = (server(1, 80), SocketAddrV4::new(external(1), 7000));
    let tcp = |unsolicited| Some(Tcp { unsolicited, ..Tcp::new(EIM, APDF) });
    let b = Behavior::napt(EIM, APDF);
    let get = |b, packet: &Packet| nat(b).pass(Side::Outside, packet, ms(0));
    let (udp, syn) = (Packet::udp(stranger, at), Packet::tcp(stranger, at, Segment::Syn));
    assert_eq!(get(b, &udp), Disposition::Dropped(Why::NoMapping));
    let icmp = Behavior { unsolicited: Unsolicited::Icmp, ..b };
    assert_eq!(get(icmp, &udp), Disposition::Answered(udp.error_from(*at.ip()), Why::NoMapping));
    assert_eq!(get(icmp, &syn), Disposition::Dropped(Why::NoMapping));
    let reset = Disposition::Answered(Packet::tcp(at, stranger, Segment::Rst), Why::NoMapping);
    assert_eq!(get(Behavior { tcp: tcp(UnsolicitedSyn::Reset), ..b }, &syn), reset);
    let error = Disposition::Answered(syn.error_from(*at.ip()), Why::NoMapping);
    assert_eq!(get(Behavior { tcp: tcp(UnsolicitedSyn::Icmp), ..b }, &syn), error);
    let ack = Packet::tcp(stranger, at, Segment::Ack);
    assert_eq!(get(Behavior { tcp: tcp(UnsolicitedSyn::Reset), ..b }, &ack), Disposition::Dropped(Why::NoMapping));
}

#[test]
fn a_syn_that_crosses_passes_unless_refused() {
    for (simultaneous_open, passes) in [(SimultaneousOpen::Supported, true), (SimultaneousOpen::Refused, false)] {
        let tcp = Tcp { simultaneous_open, ..Tcp::new(EIM, APDF) };
        let mut nat = nat(Behavior { tcp: Some(tcp), ..Behavior::napt(EIM, APDF) });
        let (h, s) = (host(1, 5000), server(1, 80));
        let Disposition::Outside(p) = nat.pass(Side::Inside, &Packet::tcp(h, s, Segment::Syn), ms(0)) else { panic!() };
        let crossing = nat.pass(Side::Outside, &Packet::tcp(s, p.source, Segment::Syn), ms(0));
        assert_eq!(matches!(crossing, Disposition::Inside(_)), passes, "{crossing:?}");
        let answer = nat.pass(Side::Outside, &Packet::tcp(s, p.source, Segment::SynAck), ms(0));
        assert!(matches!(answer, Disposition::Inside(_)), "{answer:?}");
    }
}

#[test]
fn tcp_sessions_begin_with_a_syn() {
    let mut nat = nat(Behavior::napt(EIM, EIF));
    for segment in [Segment::SynAck, Segment::Ack, Segment::Fin, Segment::Rst] {
        let packet = Packet::tcp(host(1, 5000), server(1, 80), segment);
        assert_eq!(nat.pass(Side::Inside, &packet, ms(0)), Disposition::Dropped(Why::NoSession));
    }
}

#[test]
fn forwards_are_open_both_ways() {
    let forward = Forward { protocol: Transport::Udp, port: 7000, to: host(1, 7001) };
    let b = Behavior { lifetime_ms: 300, ..Behavior::napt(Mapping::AddressAndPortDependent, APDF) };
    let mut nat = Translator::new(Gateway { forwards: vec![forward], ..gateway(b) });
    let at = SocketAddrV4::new(external(1), 7000);
    assert_eq!(nat.inn(server(1, 80), at, ms(0)), Ok(host(1, 7001)));
    assert_eq!(nat.out(host(1, 7001), server(2, 80), ms(1000)), Ok(at));
    assert_ne!(nat.out(host(2, 7000), server(2, 80), ms(1000)), Ok(at), "its port is nobody else's");
}

#[test]
fn pairs_keep_ports_and_are_filtered() {
    let pair = Pair { external: external(3), inside: *host(1, 0).ip() };
    let nat = |f| Translator::new(Gateway { pairs: vec![pair], ..gateway(Behavior::one_to_one(f)) });
    let at = SocketAddrV4::new(external(3), 5000);
    assert_eq!(nat(EIF).inn(server(1, 80), at, ms(0)), Ok(host(1, 5000)));
    let mut closed = nat(APDF);
    assert_eq!(closed.inn(server(1, 80), at, ms(0)), Err(Why::Filtered));
    assert_eq!(closed.out(host(1, 5000), server(1, 80), ms(0)), Ok(at));
    assert_eq!(closed.inn(server(1, 80), at, ms(0)), Ok(host(1, 5000)));
    assert_eq!(closed.inn(server(1, 81), at, ms(0)), Err(Why::Filtered));
    assert_eq!(closed.out(host(2, 5000), server(1, 80), ms(0)), Err(Why::NoAddress));
}

#[test]
fn a_router_and_a_firewall_change_no_address() {
    let (h, s) = (host(1, 5000), server(1, 80));
    assert_eq!(nat(Behavior::public(EIF)).inn(s, h, ms(0)), Ok(h));
    let mut firewall = nat(Behavior::public(APDF));
    assert_eq!(firewall.inn(s, h, ms(0)), Err(Why::Filtered));
    assert_eq!(firewall.out(h, s, ms(0)), Ok(h));
    assert_eq!(firewall.inn(s, h, ms(0)), Ok(h));
}

#[test]
fn blocked_udp_ends_and_tcp_passes() {
    let mut nat = nat(Behavior { udp: UdpPolicy::Blocked, ..Behavior::napt(EIM, EIF) });
    assert_eq!(nat.out(host(1, 5000), server(1, 80), ms(0)), Err(Why::UdpBlocked));
    let syn = nat.pass(Side::Inside, &Packet::tcp(host(1, 5000), server(1, 80), Segment::Syn), ms(0));
    assert!(matches!(syn, Disposition::Outside(Packet { content: Content::Tcp(Segment::Syn), .. })));
}

#[test]
fn the_address_that_another_nat_took_is_taken_over_even_where_its_port_is_not() {
    let b = Behavior { addresses: 3, pooling: Pooling::Arbitrary, ..Behavior::napt(EIM, APDF) };
    let mut nat = nat(b);
    let mut seen = |h: SocketAddrV4, seen| match nat.pass_as_seen(
        Side::Inside,
        &Packet::udp(h, server(1, 80)),
        ms(0),
        SocketAddrV4::new(seen, 0),
    ) {
        Disposition::Outside(p) => p.source,
        other => panic!("{other:?}"),
    };
    assert_eq!(seen(host(1, 5000), external(3)), SocketAddrV4::new(external(3), 5000), "the port is preserved");
    assert_eq!(seen(host(1, 5001), external(2)), SocketAddrV4::new(external(2), 5001));
    assert_eq!(seen(host(1, 5002), external(9)), SocketAddrV4::new(external(1), 5002), "that is none of its own");
}
