//! What a chain must look like from outside when each of its gateways is as declared: the reference translators of all, one
//! behind the other, are probed as the bench is. Of axes where strictness does not add up, such as ports.

use std::net::SocketAddrV4;
use std::time::Duration;

use super::bench::{SERVERS, bench};
use super::found::Found;
use super::observations::{Assigned, Behaved, Condition, Filtered, Mapped, Observations, Ports, Source};
use super::subject::Subject;
use crate::nat::translator::{Disposition, Packet, Segment, Side, Translator};
use crate::net::Transport;

/// Inside ports that mappings are made from: even and odd in no order, none one or two after the one before.
pub const INSIDE_PORTS: [u16; 12] = [7100, 7113, 7106, 7127, 7121, 7138, 7132, 7145, 7159, 7150, 7166, 7173];

/// Inside endpoints whose behaviour is looked at, each under its conditions: host, port of UDP whose mapping is, and of UDP
/// whose filtering is. Of mappings, in a conflict the other host has sent to the last remote alone: where ports are shared
/// towards different remotes, that one's is another than the rest.
pub const UNDER: [(usize, [u16; 2], Condition); 3] =
    [(0, [6000, 6001], Condition::Plain), (1, [6003, 6001], Condition::Conflict), (0, [6000, 6002], Condition::Again)];

/// All at one time: nothing ends.
const NOW: Duration = Duration::ZERO;

/// What would be found of mappings and ports.
pub fn model(subject: &Subject) -> Found {
    let plain = subject.without_forwards();
    let bench = bench(&plain);
    let seen = Observations {
        udp: Some(behaved(&plain, Transport::Udp)),
        tcp: Some(behaved(&plain, Transport::Tcp)),
        ports: Some(ports(&plain)),
        external: bench.external,
        hosts: bench.hosts.to_vec(),
        ..Observations::default()
    };
    Found::of(&seen)
}

/// The gateways, the outermost first.
struct Chain {
    transport: Transport,
    hosts: [std::net::Ipv4Addr; 2],
    gateways: Vec<Translator>,
}

impl Chain {
    fn new(subject: &Subject, transport: Transport) -> Chain {
        let bench = bench(subject);
        let gateways = bench.told().cloned().map(Translator::new).collect();
        Chain { transport, hosts: bench.hosts, gateways }
    }

    fn inside(&self, host: usize, port: u16) -> SocketAddrV4 {
        SocketAddrV4::new(self.hosts[host.min(1)], port)
    }

    fn first_packet(&self, from: SocketAddrV4, to: SocketAddrV4) -> Packet {
        match self.transport {
            Transport::Udp => Packet::udp(from, to),
            Transport::Tcp => Packet::tcp(from, to, Segment::Syn),
        }
    }

    /// Where it arrives from.
    fn out(&mut self, from: SocketAddrV4, to: SocketAddrV4) -> Source {
        let packet = self.first_packet(from, to);
        let way = self.gateways.iter_mut().rev().try_fold(packet, |p, g| match g.pass(Side::Inside, &p, NOW) {
            Disposition::Outside(p) => Some(p),
            _ => None,
        });
        way.map(|p| p.source)
    }

    /// Whether it arrives there.
    fn comes_in(&mut self, from: SocketAddrV4, to: SocketAddrV4, at: SocketAddrV4) -> bool {
        let packet = self.first_packet(from, to);
        let way = self.gateways.iter_mut().try_fold(packet, |p, g| match g.pass(Side::Outside, &p, NOW) {
            Disposition::Inside(p) => Some(p),
            _ => None,
        });
        way.is_some_and(|p| p.destination == at)
    }
}

/// 1:p, 1:q, 2:p and 3:q.
fn remotes() -> [SocketAddrV4; 4] {
    [(0, 3478), (0, 3479), (1, 3478), (2, 3479)].map(|(n, port)| SocketAddrV4::new(SERVERS[n], port))
}

fn behaved(subject: &Subject, transport: Transport) -> Behaved {
    let mut chain = Chain::new(subject, transport);
    let [first, _, _, last] = remotes();
    let mut all = Behaved::default();
    for (host, [port, _], under) in UNDER {
        let inside = chain.inside(host, port);
        if under == Condition::Conflict {
            chain.out(chain.inside(1 - host, port), last);
        }
        all.mapping.push(Mapped { inside, under, seen: remotes().map(|to| chain.out(inside, to)) });
    }
    for (host, [_, port], under) in UNDER {
        let inside = chain.inside(host, port);
        let external = chain.out(inside, first);
        let comes_in = |from| external.is_some_and(|to| from == first || chain.comes_in(from, to, inside));
        let passed = remotes().map(comes_in);
        all.filtering.push(Filtered { inside, under, external, passed, answers: vec![], replies: [None; 4] });
    }
    all
}

fn ports(subject: &Subject) -> Ports {
    let mut chain = Chain::new(subject, Transport::Udp);
    let [one, _, two, _] = remotes();
    let mut assigned = |host, to| -> Vec<Assigned> {
        let all = INSIDE_PORTS.map(|port| chain.inside(host, port));
        all.into_iter().map(|inside| Assigned { inside, external: chain.out(inside, to) }).collect()
    };
    Ports {
        first: assigned(0, one),
        second: assigned(1, two),
        second_elsewhere: assigned(1, one),
        first_again: assigned(0, one),
        ..Ports::default()
    }
}
