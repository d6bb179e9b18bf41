//! Mappings that are always there: forwards and pairs.

use std::net::{Ipv4Addr, SocketAddrV4};

use natlab::nat::{Behavior, Filtering, Forward, Hairpinning, Mapping, Pair, PortAssignment};
use natlab::net::Transport;
use natlab::plan::Gateway;

use crate::behaviors::{filtering_seen, mapping_seen, nine, remotes};
use crate::endpoints::Endpoints;
use crate::lab::{EXTERNAL, HOSTS, Home, gateway};
use crate::tcp::Connections;

const EIM: Mapping = Mapping::EndpointIndependent;
const APDF: Filtering = Filtering::AddressAndPortDependent;

/// Both protocols to the first host, and a second port that leads to the same endpoint.
pub fn forwards() -> Vec<Forward> {
    let of = |protocol, port| Forward { protocol, port, to: SocketAddrV4::new(HOSTS[0], 8000) };
    vec![of(Transport::Udp, 7000), of(Transport::Udp, 7001), of(Transport::Tcp, 7000)]
}

/// One external address for each host.
pub fn pairs() -> [Pair; 2] {
    let pair = |d, inside| Pair { external: Ipv4Addr::new(203, 0, 113, d), inside };
    [pair(3, HOSTS[0]), pair(4, HOSTS[1])]
}

fn forwarding(b: Behavior) -> Gateway {
    Gateway { forwards: forwards(), ..gateway(b, &[EXTERNAL]) }
}

fn external(port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(EXTERNAL, port)
}

/// With every behaviour, with lifetimes that are tracked or not, and with overloading: everybody comes in, and what the inside
/// endpoint sends leaves from the forwarded port.
pub fn a_forwarded_port_leads_inside(home: &mut Home) {
    let overloading = Behavior { ports: PortAssignment::Overloading, ..Behavior::napt(EIM, APDF) };
    let quick = nine().map(|b| Behavior { lifetime_ms: 400, ..b });
    for b in nine().chain(quick).chain([overloading]) {
        home.load(&forwarding(b));
        let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
        let remotes = remotes(&mut all, &home.internet);
        let inside = all.bind(&home.hosts[0], HOSTS[0], 8000);
        for (i, remote) in remotes.into_iter().enumerate() {
            let port = 7000 + (i as u16 % 2); // both lead to the same endpoint
            let source = all.local(remote);
            assert_eq!(all.deliver(remote, external(port), inside), Some(source), "{b}: from {source} to {port}");
        }
        // Towards one that has not asked, and one that has.
        let late = all.bind(&home.internet, Ipv4Addr::new(198, 51, 100, 3), 3600);
        for remote in [late, remotes[0]] {
            assert_eq!(all.deliver(inside, all.local(remote), remote), Some(external(7000)), "{b}");
        }
        // A port that is forwarded is nobody else's.
        let other = all.bind(&home.hosts[1], HOSTS[1], 7000);
        let seen = all.deliver(other, all.local(remotes[0]), remotes[0]).expect("it passes");
        let shared = b.ports == PortAssignment::Overloading;
        assert!(shared || seen != external(7000), "{b}: taken from the forward");
        assert_eq!(all.deliver(remotes[2], external(7000), inside), Some(all.local(remotes[2])), "{b}: still there");
    }
}

/// A forward has no lifetime.
pub fn a_forwarded_port_does_not_end(home: &mut Home) {
    let b = Behavior { lifetime_ms: 200, ..Behavior::napt(EIM, APDF) };
    home.load(&forwarding(b));
    let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let inside = all.bind(&home.hosts[0], HOSTS[0], 8000);
    assert_eq!(all.deliver(inside, all.local(a1), a1), Some(external(7000)));
    std::thread::sleep(b.lifetime() * 5 / 4);
    assert_eq!(all.deliver(a1, external(7000), inside), Some(all.local(a1)));
}

/// Both kinds of hairpinning, and none; the filter is open here too.
pub fn a_forwarded_port_is_reached_by_hairpin(home: &mut Home) {
    for b in nine() {
        for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
            let b = Behavior { hairpinning, ports: PortAssignment::Preserving, ..b };
            home.load(&forwarding(b));
            let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
            let inside = all.bind(&home.hosts[0], HOSTS[0], 8000);
            let neighbor = all.bind(&home.hosts[1], HOSTS[1], 8100);
            let expected = match hairpinning {
                Hairpinning::None => None,
                Hairpinning::ExternalSource => Some(external(8100)),
                Hairpinning::InternalSource => Some(all.local(neighbor)),
            };
            assert_eq!(all.deliver(neighbor, external(7000), inside), expected, "{b} {hairpinning:?}");
        }
    }
}

pub fn a_forwarded_port_accepts_connections(home: &mut Home) {
    for b in nine() {
        let b = Behavior { hairpinning: Hairpinning::ExternalSource, ..b };
        home.load(&forwarding(b));
        let mut connections = Connections::new(home);
        let seen = connections.accept(home, 8000, external(7000));
        assert_eq!(seen.from_outside, seen.remote, "{b}");
        assert_eq!(seen.from_neighbor.map(|from| *from.ip()), Some(EXTERNAL), "{b}: hairpinned");
    }
}

fn paired(b: Behavior) -> Gateway {
    Gateway { pairs: pairs().into(), ..gateway(b, &[]) }
}

/// Whole addresses, both ways: ports never change, and the filter holds.
pub fn one_to_one(home: &mut Home) {
    for filtering in Filtering::ALL {
        for lifetime_ms in [120_000, 400] {
            let b = Behavior { lifetime_ms, ..Behavior::one_to_one(filtering) };
            home.load(&paired(b));
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let remotes = remotes(&mut all, &home.internet);
            let [a1, _, b1, _] = remotes;
            for (i, pair) in pairs().into_iter().enumerate() {
                let inside = [6700, 6701, 6702].map(|port| all.bind(&home.hosts[i], pair.inside, port));
                assert_eq!(mapping_seen(&all, inside[0], remotes), EIM, "{b}");
                let own = SocketAddrV4::new(pair.external, 6701);
                assert_eq!(all.deliver(inside[1], all.local(a1), a1), Some(own), "{b}: its own address, its own port");
                assert_eq!(filtering_seen(&all, inside[1], remotes).0, filtering, "{b}");
                // Never sent: an address that is always there is as open as its filter.
                let silent = SocketAddrV4::new(pair.external, 6702);
                let came = all.deliver(b1, silent, inside[2]).is_some();
                assert_eq!(came, filtering == Filtering::EndpointIndependent, "{b}");
                assert_eq!(all.deliver(inside[2], all.local(b1), b1), Some(silent), "{b}: no trace of it");
            }
        }
        let mut connections = {
            home.load(&paired(Behavior::one_to_one(filtering)));
            Connections::new(home)
        };
        for (i, pair) in pairs().into_iter().enumerate() {
            let port = 7700 + i as u16 + 10 * filtering as u16;
            assert_eq!(connections.connect(home, i, port, 0).0, SocketAddrV4::new(pair.external, port), "{filtering}");
        }
        let target = SocketAddrV4::new(pairs()[0].external, 8000);
        let seen = connections.accept(home, 8000, target);
        let open = filtering == Filtering::EndpointIndependent;
        assert_eq!(seen.from_outside, seen.remote.filter(|_| open), "{filtering}");
        assert_eq!(seen.from_neighbor, None, "{filtering}: no hairpinning");
    }
}

pub fn one_to_one_hairpins(home: &mut Home) {
    for filtering in Filtering::ALL {
        for hairpinning in [Hairpinning::None, Hairpinning::ExternalSource, Hairpinning::InternalSource] {
            let b = Behavior { hairpinning, ..Behavior::one_to_one(filtering) };
            home.load(&paired(b));
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let hosts = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 6710));
            let outside = pairs().map(|p| SocketAddrV4::new(p.external, 6710));
            let source = |i: usize| match hairpinning {
                Hairpinning::None => None,
                Hairpinning::ExternalSource => Some(outside[i]),
                Hairpinning::InternalSource => Some(all.local(hosts[i])),
            };
            let open = filtering == Filtering::EndpointIndependent;
            let first = all.deliver(hosts[0], outside[1], hosts[1]);
            assert_eq!(first, source(0).filter(|_| open), "{b} {hairpinning:?}: filtered as others are");
            assert_eq!(
                all.deliver(hosts[1], outside[0], hosts[0]),
                source(1),
                "{b} {hairpinning:?}: opened by the first"
            );
        }
    }
}
