//! Which external endpoints new mappings get.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};

use natlab::nat::rules::{self, Lists, PORT_RANGE};
use natlab::nat::{
    Behavior, Filtering, Forward, Hairpinning, Mapping, Pooling, PortAssignment, PortRange, Unsolicited,
};
use natlab::plan::Gateway;

use crate::behaviors::{filtering_seen, mapping_seen, remotes};
use crate::endpoints::{Endpoints, Id};
use crate::fixed::forwards;
use crate::lab::{EXTERNAL, HOSTS, Home, gateway};
use crate::tcp::Connections;

const EIM: Mapping = Mapping::EndpointIndependent;
const APDM: Mapping = Mapping::AddressAndPortDependent;
const APDF: Filtering = Filtering::AddressAndPortDependent;

fn range(first: u16, last: u16) -> PortRange {
    PortRange { first, last }
}

/// Sockets of the second host; the pulse is the first one's.
fn sockets(home: &Home, all: &mut Endpoints, n: u16) -> Vec<Id> {
    (0..n).map(|i| all.bind(&home.hosts[1], HOSTS[1], 10_000 + i)).collect()
}

/// Where the packets of sockets came from, in their order.
fn seen(all: &Endpoints, from: &[Id], to: Id) -> Vec<Option<u16>> {
    from.iter().map(|s| all.deliver(*s, all.local(to), to).map(|e| e.port())).collect()
}

pub fn parity_is_preserved(home: &mut Home) {
    for mapping in Mapping::ALL {
        let b = Behavior { ports: PortAssignment::Parity, ..Behavior::napt(mapping, APDF) };
        home.become_gateway(b);
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, _, b1, _] = remotes(&mut all, &home.internet);
        let mut external = BTreeSet::new();
        for s in sockets(home, &mut all, 12) {
            let own = all.local(s).port();
            for to in [a1, b1] {
                let port = all.deliver(s, all.local(to), to).expect("it passes").port();
                assert_eq!(port % 2, own % 2, "{b}: {own} became {port}");
                assert!(PORT_RANGE.contains(&port));
                external.insert(port);
            }
        }
        assert_eq!(external.len(), if mapping == EIM { 12 } else { 24 }, "{b}: each mapping has its own");
        drop(all);
        let mut tcp = Connections::new(home);
        for own in 7500..7508 {
            let (port, to) = tcp.connect(home, 0, own, 0);
            assert_eq!(port.port() % 2, own % 2, "{b}, to {to}: {own} became {port}");
        }
    }
}

/// A pool with one port of a parity is used up by one mapping of it.
pub fn parity_is_not_given_up(home: &mut Home) {
    home.become_gateway(Behavior {
        ports: PortAssignment::Parity,
        port_range: range(40_000, 40_003),
        ..Behavior::napt(EIM, APDF)
    });
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet); // its pulse has an odd port
    let [a1, ..] = remotes(&mut all, &home.internet);
    all.settle();
    let sockets = sockets(home, &mut all, 6);
    let seen = seen(&all, &sockets, a1);
    assert_eq!(
        seen.iter().map(|p| p.map(|p| p % 2)).collect::<Vec<_>>(),
        [Some(0), Some(1), Some(0), None, None, None]
    );
    assert_eq!(home.dropped("port assignment (RFC 4787 4.2), udp: no free port"), 3);
}

pub fn ports_follow_each_other(home: &mut Home) {
    for port_step in [1, -1, 2, -2] {
        for mapping in [EIM, APDM] {
            let b = Behavior { ports: PortAssignment::Sequential, port_step, ..Behavior::napt(mapping, APDF) };
            home.become_gateway(b);
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            all.settle();
            let first = i32::from(if port_step > 0 { *PORT_RANGE.start() } else { *PORT_RANGE.end() });
            // The pulse has the first.
            let expected: Vec<u16> = (1..=4).map(|i| (first + i * i32::from(port_step)) as u16).collect();
            let found: Vec<u16> = if mapping == EIM {
                let four = sockets(home, &mut all, 4);
                seen(&all, &four, remotes[0]).into_iter().flatten().collect()
            } else {
                let one = all.bind(&home.hosts[1], HOSTS[1], 10_000);
                remotes.map(|to| all.deliver(one, all.local(to), to).expect("it passes").port()).into()
            };
            assert_eq!(found, expected, "{b}, step {port_step}");
            drop(all);
            let mut tcp = Connections::new(home);
            let found = [0, 1, 2, 0].map(|_| tcp.connect_next(home).port());
            let expected = [0, 1, 2, 3].map(|i| (first + i * i32::from(port_step)) as u16);
            assert_eq!(found, expected, "{b}, step {port_step}, tcp");
        }
    }
}

/// A small range is used whole, and nothing else is.
pub fn a_range_gives_exactly_its_ports(home: &mut Home) {
    for (ports, port_step) in [(PortAssignment::Random, 1), (PortAssignment::Sequential, 2)] {
        for mapping in [EIM, APDM] {
            let b = Behavior {
                ports,
                port_step,
                port_range: range(40_000, 40_012),
                ..Behavior::napt(mapping, Filtering::EndpointIndependent)
            };
            home.become_gateway(b);
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let [a1, ..] = remotes(&mut all, &home.internet);
            all.settle();
            let fifteen = sockets(home, &mut all, 15);
            let seen = seen(&all, &fifteen, a1);
            let (found, rest) = seen.split_at(12);
            let found: BTreeSet<u16> = found.iter().map(|p| p.expect("a free port")).collect();
            assert_eq!(found.len(), 12, "{b} {ports:?}");
            assert!(found.iter().all(|p| (40_000..=40_012).contains(p)), "{found:?}");
            assert_eq!(rest, [None; 3], "{b} {ports:?}: the pulse has the thirteenth");
            assert_eq!(home.dropped("port assignment (RFC 4787 4.2), udp: no free port"), 3);
        }
    }
    // Preserving takes from the range what it cannot preserve.
    let b = Behavior { port_range: range(40_000, 40_003), ..Behavior::napt(EIM, APDF) };
    home.become_gateway(b);
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let same = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 7777));
    let [first, second] = same.map(|s| all.deliver(s, all.local(a1), a1).expect("it passes").port());
    assert_eq!(first, 7777);
    assert!((40_000..=40_003).contains(&second), "{second}");
}

pub fn each_host_has_its_block(home: &mut Home) {
    const FULL: &str = "port assignment (RFC 4787 4.2), udp: no free port: the block of this host is full";
    for ports in [PortAssignment::Random, PortAssignment::Sequential] {
        let b = Behavior { ports, port_block: Some(8), port_range: range(40_000, 40_031), ..Behavior::napt(EIM, APDF) };
        let g = home.become_gateway(b);
        let Lists::Blocks(blocks) = rules::lists(&b, g.seed) else { panic!("no blocks") };
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, ..] = remotes(&mut all, &home.internet);
        all.settle(); // the first host asks first
        let mine: Vec<Id> = (0..9).map(|i| all.bind(&home.hosts[0], HOSTS[0], 10_100 + i)).collect();
        let others = sockets(home, &mut all, 9);
        // In turns: a block is walked on its own, whoever else asks in between.
        let (mut found, mut others_found) = (vec![], vec![]);
        for (m, o) in mine.iter().zip(&others) {
            found.extend(all.deliver(*m, all.local(a1), a1).map(|e| e.port()));
            others_found.extend(all.deliver(*o, all.local(a1), a1).map(|e| e.port()));
        }
        assert_eq!(found, blocks[0][1..], "{ports:?}: in the order of its list; the pulse has the first");
        assert_eq!(others_found, blocks[1], "{ports:?}");
        assert_eq!(home.dropped(FULL), 3, "{ports:?}: what does not fit is dropped, and seen");
        assert!(all.deliver(mine[0], all.local(a1), a1).is_some(), "who has a mapping keeps it");
        drop(all);
        home.load(&g);
        let mut tcp = Connections::new(home);
        let found = [1, 0].map(|host| tcp.connect(home, host, 7600 + host as u16, host).0.port());
        let expected = [blocks[0][0], blocks[1][0]];
        assert_eq!(found, expected, "{ports:?}: one block for both protocols, each with all of its ports");
    }
    // One block, two hosts.
    home.become_gateway(Behavior {
        ports: PortAssignment::Random,
        port_block: Some(8),
        port_range: range(40_000, 40_014),
        ..Behavior::napt(EIM, APDF)
    });
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    all.settle();
    let two = sockets(home, &mut all, 2);
    let seen = seen(&all, &two, a1);
    assert_eq!(seen, [None, None]);
    assert_eq!(home.dropped("port block (RFC 6888 3), udp: no free block for another host"), 2);
}

/// What plain Linux masquerading does, and RFC 4787 REQ-3 forbids.
pub fn overloading_shares_ports(home: &mut Home) {
    let b = Behavior { ports: PortAssignment::Overloading, ..Behavior::napt(EIM, APDF) };
    home.become_gateway(b);
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let remotes = remotes(&mut all, &home.internet);
    let alone = [6600, 6601].map(|port| all.bind(&home.hosts[0], HOSTS[0], port));
    assert_eq!(mapping_seen(&all, alone[0], remotes), EIM, "one host alone");
    assert_eq!(filtering_seen(&all, alone[1], remotes).0, APDF);
    let [a1, _, b1, _] = remotes;
    let same = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 6602));
    let shared = SocketAddrV4::new(EXTERNAL, 6602);
    assert_eq!(all.deliver(same[0], all.local(a1), a1), Some(shared));
    assert_eq!(all.deliver(same[1], all.local(b1), b1), Some(shared), "shared towards another remote");
    assert_eq!(all.deliver(a1, shared, same[0]), Some(all.local(a1)), "answers find their way");
    assert_eq!(all.deliver(b1, shared, same[1]), Some(all.local(b1)));
    let other = all.deliver(same[1], all.local(a1), a1).expect("it passes");
    assert_ne!(other, shared, "towards the same remote another one: the mapping depends on what others do");
    // An unsolicited packet leaves no trace all the same.
    let late = all.bind(&home.hosts[0], HOSTS[0], 6603);
    let early = SocketAddrV4::new(EXTERNAL, 6603);
    assert_eq!(all.deliver(b1, early, late), None);
    assert_eq!(all.deliver(late, all.local(b1), b1), Some(early));
    drop(all);
    let mut tcp = Connections::new(home);
    assert_eq!(tcp.connect(home, 0, 7650, 0).0.port(), 7650);
    assert_eq!(tcp.connect(home, 1, 7650, 1).0.port(), 7650, "shared towards another remote");
}

pub fn an_address_pool_is_arbitrary(home: &mut Home) {
    let pool = [2, 3, 4].map(|d| Ipv4Addr::new(203, 0, 113, d));
    for mapping in Mapping::ALL {
        for ports in [PortAssignment::Preserving, PortAssignment::Random] {
            let b = Behavior { ports, pooling: Pooling::Arbitrary, ..Behavior::napt(mapping, APDF) };
            home.load(&gateway(b, &pool));
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            let sockets = sockets(home, &mut all, 6);
            let mut found = BTreeSet::new();
            for s in sockets {
                let seen = remotes.map(|to| all.deliver(s, all.local(to), to).expect("it passes"));
                let again = remotes.map(|to| all.deliver(s, all.local(to), to).expect("it passes"));
                assert_eq!(seen, again, "{b}: a mapping keeps its address");
                assert!(mapping != EIM || seen.iter().all(|e| *e == seen[0]), "{b}: one mapping, one address");
                found.extend(seen.map(|e| *e.ip()));
            }
            assert_eq!(found, pool.into(), "{b}: one host, any address");
            drop(all);
            let mut tcp = Connections::new(home);
            let seen: BTreeSet<Ipv4Addr> = (0..6).map(|_| *tcp.connect_next(home).ip()).collect();
            assert_eq!(seen, pool.into(), "{b}, tcp");
        }
    }
}

/// A table is one netlink message, and that has an end.
pub fn the_largest_tables_load(home: &mut Home) {
    let pool = [2, 3, 4].map(|d| Ipv4Addr::new(203, 0, 113, d));
    for (ports, port_block) in
        [(PortAssignment::Parity, None), (PortAssignment::Random, Some(64)), (PortAssignment::Random, Some(512))]
    {
        let b = Behavior {
            ports,
            port_block,
            lifetime_ms: 400,
            port_range: range(1, 65_535),
            hairpinning: Hairpinning::InternalSource,
            unsolicited: Unsolicited::Icmp,
            ..Behavior::napt(APDM, Filtering::AddressDependent)
        };
        let many = (0..200).map(|i| Forward { port: 10_000 + i, ..forwards()[0] }).collect();
        home.load(&Gateway { forwards: many, ..gateway(b, &pool) });
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let remotes = remotes(&mut all, &home.internet);
        let inside = all.bind(&home.hosts[1], HOSTS[1], 6700);
        assert_eq!(mapping_seen(&all, inside, remotes), APDM, "{ports:?} {port_block:?}");
    }
}
