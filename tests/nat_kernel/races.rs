//! First packets on two processors at once. Order decides nothing here; every packet must arrive, and is waited for.

use std::collections::BTreeSet;
use std::net::{SocketAddrV4, UdpSocket};
use std::sync::Barrier;
use std::time::Duration;

use natlab::nat::{Behavior, Filtering, Mapping, PortAssignment};

use crate::endpoints::{bind, v4};
use crate::lab::{EXTERNAL, HOSTS, Home, SERVERS};
use crate::sandbox;

const ROUNDS: u16 = 100;

/// Sends one packet on each of two processors, as nearly at once as can be, and tells where they came from.
fn at_once(
    senders: [&UdpSocket; 2],
    receivers: [&UdpSocket; 2],
    processors: [usize; 2],
    what: &str,
) -> [SocketAddrV4; 2] {
    let barrier = Barrier::new(2);
    std::thread::scope(|scope| {
        for ((sender, receiver), processor) in senders.into_iter().zip(receivers).zip(processors) {
            let barrier = &barrier;
            scope.spawn(move || {
                sandbox::stay_on(processor).expect("choose a processor");
                barrier.wait();
                sender.send_to(b"first", receiver.local_addr().expect("bound")).expect("send");
            });
        }
    });
    receivers.map(|r| {
        let (_, from) = r.recv_from(&mut [0; 8]).unwrap_or_else(|e| panic!("{what}: a first packet was lost: {e}"));
        v4(from)
    })
}

pub fn first_packets_at_once(home: &mut Home) {
    let processors = sandbox::processors();
    let [Some(first), Some(second)] = [processors.first(), processors.last()] else {
        panic!("no processor");
    };
    let servers = [0, 1].map(|n| bind(&home.internet, SERVERS[n], 3478));
    for s in &servers {
        s.set_read_timeout(Some(Duration::from_secs(5))).expect("set a timeout");
    }
    let receivers = [&servers[0], &servers[1]];
    let ports = [
        (PortAssignment::Preserving, None),
        (PortAssignment::Random, None),
        (PortAssignment::Parity, None),
        (PortAssignment::Sequential, None),
        (PortAssignment::Sequential, Some(128)),
    ];
    for (ports, port_block) in ports {
        for lifetime_ms in [200, 120_000] {
            let eim = Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent);
            let b = Behavior { ports, port_block, lifetime_ms, ..eim };
            let what = format!("{b} {ports:?} {port_block:?} {lifetime_ms} ms");
            let mut external = BTreeSet::new();
            for round in 0..ROUNDS {
                // Few enough for every list and block.
                if round % 16 == 0 {
                    home.become_gateway(b);
                    external.clear();
                }
                let mine = bind(&home.hosts[0], HOSTS[0], 11_000 + 2 * round);
                let [a, b] = at_once([&mine, &mine], receivers, [*first, *second], &what);
                assert_eq!(a, b, "{what}: one socket, two external endpoints");
                let same = [0, 1].map(|h| bind(&home.hosts[h], HOSTS[h], 11_001 + 2 * round));
                let [c, d] = at_once([&same[0], &same[1]], receivers, [*first, *second], &what);
                for e in [a, c, d] {
                    assert_eq!(*e.ip(), EXTERNAL);
                    assert!(lifetime_ms == 200 || external.insert(e), "{what}: {e} has two owners");
                }
                assert_ne!(c, d, "{what}: two sockets, one external endpoint");
            }
        }
    }
}
