//! What a gateway does, property by property.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use natlab::nat::rules::{self, PORT_RANGE, PORTS};
use natlab::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, UdpPolicy};
use natlab::nft::encode::{self, Load};
use natlab::nft::model::Value;

use crate::endpoints::{Endpoints, Id, v4};
use crate::lab::{Carrier, EXTERNAL, HOSTS, Home, PUBLIC_HOSTS, SERVERS, gateway};

const EIM: Mapping = Mapping::EndpointIndependent;
const APDM: Mapping = Mapping::AddressAndPortDependent;
const EIF: Filtering = Filtering::EndpointIndependent;
const ADF: Filtering = Filtering::AddressDependent;
const APDF: Filtering = Filtering::AddressAndPortDependent;

/// The comment of the filter's own drops.
const FILTERED: &str = "filtering (RFC 4787 5), udp: only from";

pub fn nine() -> impl Iterator<Item = Behavior> {
    Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.into_iter().map(move |f| Behavior::napt(m, f)))
}

/// A server's endpoint and its socket.
pub fn server(n: usize, port: u16) -> SocketAddrV4 {
    SocketAddrV4::new(SERVERS[n], port)
}

/// The servers' sockets as a probe uses them: A:3478, A:3479, B:3478, C:3479.
pub fn remotes(all: &mut Endpoints, internet: &crate::lab::Node) -> [Id; 4] {
    [(0, 3478), (0, 3479), (1, 3478), (2, 3479)].map(|(n, port)| all.bind(internet, SERVERS[n], port))
}

/// What the sources seen by A:3478, A:3479 and B:3478 say about the mapping (RFC 5780 §4.3).
pub fn mapping_seen(all: &Endpoints, from: Id, [a1, a2, b1, _]: [Id; 4]) -> Mapping {
    let [one, two, three] =
        [a1, a2, b1].map(|to| all.deliver(from, all.local(to), to).expect("an outbound packet passes"));
    match (one == two, one == three) {
        (true, true) => EIM,
        (true, false) => Mapping::AddressDependent,
        (false, false) => APDM,
        (false, true) => panic!("{one} towards A:1 and B:1, {two} towards A:2"),
    }
}

/// What passes from A:3478, A:3479, B:3478 and C:3479 after a packet to A:3478 says about the filtering (RFC 5780 §4.4), and
/// how many packets did not.
pub fn filtering_seen(all: &Endpoints, inside: Id, remotes: [Id; 4]) -> (Filtering, u64) {
    let external = all.deliver(inside, all.local(remotes[0]), remotes[0]).expect("an outbound packet passes");
    let passes = remotes.map(|from| {
        let source = all.deliver(from, external, inside);
        assert!(source.is_none_or(|s| s == all.local(from)), "{source:?} arrived from {from:?}");
        source.is_some()
    });
    match passes {
        [true, true, true, true] => (EIF, 0),
        [true, true, false, false] => (ADF, 2),
        [true, false, false, false] => (APDF, 3),
        other => panic!("no filtering of RFC 4787: {other:?}"),
    }
}

pub fn nine_behaviors_for_two_hosts(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let remotes = remotes(&mut all, &home.internet);
    let inside = [0, 1].map(|h| [6000, 6001].map(|port| all.bind(&home.hosts[h], HOSTS[h], port)));
    for ports in [PortAssignment::Preserving, PortAssignment::Random] {
        for b in nine() {
            home.become_gateway(Behavior { ports, ..b });
            let mut filtered = 0;
            for [first, second] in inside {
                assert_eq!(mapping_seen(&all, first, remotes), b.mapping, "{b}, {}", all.local(first));
                let (filtering, dropped) = filtering_seen(&all, second, remotes);
                assert_eq!(filtering, b.filtering, "{b}, {}", all.local(second));
                filtered += dropped;
                assert_eq!(home.dropped(FILTERED), filtered, "{b}: the counter shows every drop");
            }
        }
    }
}

pub fn ports_are_preserved_and_never_shared(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [a1, _, b1, _] = remotes(&mut all, &home.internet);
    let hosts = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 7777));
    for b in nine().map(|b| Behavior { ports: PortAssignment::Preserving, ..b }) {
        home.become_gateway(b);
        let first = all.deliver(hosts[0], all.local(a1), a1);
        assert_eq!(first, Some(SocketAddrV4::new(EXTERNAL, 7777)), "{b}");
        // Masquerading would give the second host the same port, since the remote is another.
        let second = all.deliver(hosts[1], all.local(b1), b1).expect("it passes");
        assert!(PORT_RANGE.contains(&second.port()), "{b}: {second}");
        assert_eq!(all.deliver(a1, first.expect("seen"), hosts[0]), Some(all.local(a1)), "{b}");
        assert_eq!(all.deliver(b1, second, hosts[1]), Some(all.local(b1)), "{b}");
    }
}

pub fn ports_run_out(home: &mut Home) {
    home.become_gateway(Behavior { ports: PortAssignment::Random, ..Behavior::napt(EIM, EIF) });
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let sockets: Vec<Id> = (0..PORTS as u16).map(|i| all.bind(&home.hosts[1], HOSTS[1], 10_000 + i)).collect();
    all.settle(); // the pulse has the first port
    let seen: Vec<_> = sockets.iter().map(|s| all.deliver(*s, all.local(a1), a1)).collect();
    let (last, others) = seen.split_last().expect("there are some");
    let others: BTreeSet<u16> = others.iter().map(|s| s.expect("a free port").port()).collect();
    assert_eq!(others.len(), PORTS - 1, "each has a port of its own");
    assert_eq!((*last, home.dropped("port assignment (RFC 4787 4.2), udp: no free port")), (None, 1));
    assert!(all.deliver(sockets[0], all.local(a1), a1).is_some(), "who has one keeps it");
}

/// A packet from a remote endpoint to a port that an inside one uses later, towards the same remote. If connection tracking
/// kept the first, the second would leave through another port.
pub fn unsolicited_packets_leave_no_trace(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [_, _, b1, _] = remotes(&mut all, &home.internet);
    let inside = all.bind(&home.hosts[0], HOSTS[0], 6100);
    let same = SocketAddrV4::new(EXTERNAL, 6100);
    for b in nine().map(|b| Behavior { ports: PortAssignment::Preserving, ..b }) {
        home.become_gateway(b);
        for _ in 0..3 {
            assert_eq!(all.deliver(b1, same, inside), None, "{b}");
        }
        assert_eq!(home.dropped("filtering (RFC 4787 5), udp: unsolicited"), 3, "{b}");
        assert_eq!(all.deliver(inside, all.local(b1), b1), Some(same), "{b}");
    }
    // The same with a port that nobody can guess; the seed can.
    for b in nine().map(|b| Behavior { ports: PortAssignment::Random, ..b }) {
        let g = home.become_gateway(b);
        let candidates = rules::candidates(PORTS, g.seed);
        all.settle(); // the pulse has the first port
        for port in &candidates[1..] {
            assert_eq!(all.deliver(b1, SocketAddrV4::new(EXTERNAL, *port), inside), None, "{b}");
        }
        let next = SocketAddrV4::new(EXTERNAL, candidates[1]);
        assert_eq!(all.deliver(inside, all.local(b1), b1), Some(next), "{b}");
    }
}

pub fn untranslated_packets_do_not_pass(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let inside = all.bind(&home.hosts[0], HOSTS[0], 6200);
    for b in nine() {
        home.become_gateway(b);
        assert_eq!(all.deliver(a1, all.local(inside), inside), None, "{b}: from outside to a private address");
        assert_eq!(home.dropped("isolation (RFC 1918 3): nothing comes in untranslated"), 1, "{b}");
        // Another external address, while connection tracking still has the session.
        assert!(all.deliver(inside, all.local(a1), a1).is_some());
        let moved = rules::table(&gateway(b, &[Ipv4Addr::new(203, 0, 113, 3)]));
        let load = encode::load_table(&home.gateway.nft, &moved, Load::Replace);
        home.rt.block_on(load).expect("load the rules");
        all.send(inside, all.local(a1));
        let given_up = "mapping refresh (RFC 4787 4.3), udp: an address that was given up";
        assert_eq!(home.dropped(given_up), 1, "{b}: the old session does not bring the old address back");
    }
}

/// A UDP packet without a checksum through a NAT that rewrites its port (RFC 768: zero means none).
pub fn packets_without_checksum_stay_without(home: &mut Home) {
    use nix::sys::socket::{
        AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, recv, sendto, socket,
    };
    use std::os::fd::{AsRawFd, OwnedFd};

    home.become_gateway(Behavior { ports: PortAssignment::Random, ..Behavior::napt(EIM, EIF) });
    let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let raw = |node: &crate::lab::Node| -> OwnedFd {
        let open = || socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_NONBLOCK, SockProtocol::Udp);
        node.netns.run(open).expect("enter the namespace").expect("open a raw socket")
    };
    let (sender, tap) = (raw(&home.hosts[0]), raw(&home.internet));
    let packet = [[0x18, 0x38], 3478u16.to_be_bytes(), [0, 12], [0, 0], [0, 0], [0, 77]].concat(); // from port 6200
    let to = SockaddrIn::from(server(0, 3478));
    sendto(sender.as_raw_fd(), &packet, &to, MsgFlags::empty()).expect("send");
    let came = all.settle();
    assert!(matches!(came[..], [a] if a.at == a1 && a.packet == 77), "{came:?}");
    let mut bytes = [0; 128];
    let header =
        std::iter::from_fn(|| recv(tap.as_raw_fd(), &mut bytes, MsgFlags::empty()).ok().map(|n| bytes[..n].to_vec()))
            .find(|p| p.ends_with(&[0, 0, 0, 77]))
            .expect("the tap saw it");
    assert_eq!(header[26..28], [0, 0], "no checksum: {header:02x?}");
    assert!(PORT_RANGE.contains(&u16::from_be_bytes([header[20], header[21]])), "{header:02x?}");
}

/// Two hosts with a mapping each, both known to server A only.
struct Neighbors {
    all: Endpoints,
    inside: [Id; 2],
    external: [SocketAddrV4; 2],
}

fn neighbors(home: &Home, b: Behavior) -> Neighbors {
    home.become_gateway(b);
    let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let inside = [0, 1].map(|h| all.bind(&home.hosts[h], HOSTS[h], 6400));
    let external = inside.map(|i| all.deliver(i, all.local(a1), a1).expect("an outbound packet passes"));
    Neighbors { all, inside, external }
}

pub fn hairpinning_none(home: &mut Home) {
    for b in nine() {
        let n = neighbors(home, b);
        assert_eq!(n.all.deliver(n.inside[0], n.external[1], n.inside[1]), None, "{b}");
        assert_eq!(home.dropped("hairpinning (RFC 4787 6), udp: none"), 1, "{b}");
    }
}

pub fn hairpinning_external_source(home: &mut Home) {
    for b in nine().map(|b| Behavior { hairpinning: Hairpinning::ExternalSource, ..b }) {
        let Neighbors { all, inside, external } = neighbors(home, b);
        let first = all.deliver(inside[0], external[1], inside[1]);
        if b.filtering == EIF {
            let source = first.unwrap_or_else(|| panic!("{b}: open to everybody, to neighbours too"));
            assert_eq!(*source.ip(), EXTERNAL, "{b}");
            assert_eq!(source == external[0], b.mapping == EIM, "{b}: {source} and {external:?}");
        } else {
            assert_eq!(first, None, "{b}: the receiver has not sent there");
            assert_eq!(home.dropped("hairpinning (RFC 4787 6), udp: only from"), 1, "{b}");
        }
        if b.mapping == EIM {
            // The first packet has opened its sender's filter.
            assert_eq!(all.deliver(inside[1], external[0], inside[0]), Some(external[1]), "{b}");
            assert_eq!(all.deliver(inside[0], external[1], inside[1]), Some(external[0]), "{b}");
            assert_eq!(all.deliver(inside[0], external[0], inside[0]), Some(external[0]), "{b}: to itself");
        }
    }
}

pub fn hairpinning_internal_source(home: &mut Home) {
    for b in nine().map(|b| Behavior { hairpinning: Hairpinning::InternalSource, ..b }) {
        let Neighbors { all, inside, external } = neighbors(home, b);
        let locals = inside.map(|i| all.local(i));
        let first = all.deliver(inside[0], external[1], inside[1]);
        assert_eq!(first, (b.filtering == EIF).then_some(locals[0]), "{b}");
        let dropped = u64::from(b.filtering != EIF);
        assert_eq!(home.dropped("hairpinning (RFC 4787 6), udp: only from"), dropped, "{b}");
        assert_eq!(all.deliver(inside[1], external[0], inside[0]), Some(locals[1]), "{b}: opened by the first");
        assert_eq!(all.deliver(inside[0], external[1], inside[1]), Some(locals[0]), "{b}");
    }
}

pub fn state_is_forgotten_on_request(home: &mut Home) {
    let g = home.become_gateway(Behavior::napt(EIM, APDF));
    let mut all = Endpoints::new(&home.hosts[1], HOSTS[1], &home.internet);
    let [a1, ..] = remotes(&mut all, &home.internet);
    let inside = all.bind(&home.hosts[0], HOSTS[0], 6700);
    let external = all.deliver(inside, all.local(a1), a1).expect("an outbound packet passes");
    let table = rules::table(&g);
    let read = |set| home.rt.block_on(encode::elements(&home.gateway.nft, &table, set)).expect("read elements");
    let endpoint = |a: SocketAddrV4| vec![Value::Addr(*a.ip()), Value::Port(a.port())];
    let mappings = read("mapping_udp");
    let mine = mappings.iter().find(|m| m.key == endpoint(all.local(inside))).expect("the mapping is there");
    assert_eq!(mine.value, endpoint(external));
    let left = mine.remaining.expect("it ends some day");
    assert!(left > Duration::from_secs(100) && left <= Duration::from_secs(120), "{left:?}");
    assert_eq!(read("ports").len(), PORTS);

    let forget = encode::forget(&home.gateway.nft, &table);
    home.rt.block_on(forget).expect("forget the state");
    home.rt.block_on(home.gateway.conntrack.flush_conntrack_all()).expect("flush conntrack");
    assert_eq!(read("mapping_udp"), []);
    assert_eq!(read("ports").len(), PORTS, "what the table was made with stays");
    assert_eq!(all.deliver(a1, external, inside), None);
    assert_eq!(all.deliver(inside, all.local(a1), a1), Some(external), "its port is free again");
}

pub fn an_address_pool_is_paired(home: &mut Home) {
    let pool = [2, 3, 4].map(|d| Ipv4Addr::new(203, 0, 113, d));
    for b in nine() {
        home.load(&gateway(b, &pool));
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, _, b1, _] = remotes(&mut all, &home.internet);
        for (host, address) in home.hosts.iter().zip(HOSTS) {
            let sockets: Vec<Id> = (0..4).map(|i| all.bind(host, address, 6800 + i)).collect();
            let seen: BTreeSet<Ipv4Addr> = sockets
                .iter()
                .flat_map(|s| [a1, b1].map(|to| *all.deliver(*s, all.local(to), to).expect("it passes").ip()))
                .collect();
            assert_eq!(seen.len(), 1, "{b}: one host, one address: {seen:?}");
            assert!(seen.iter().all(|a| pool.contains(a)));
        }
    }
}

pub fn udp_blocked(home: &mut Home) {
    for translated in
        [Behavior::napt(EIM, APDF), Behavior::napt(APDM, EIF), Behavior::public(EIF), Behavior::public(APDF)]
    {
        let b = Behavior { udp: UdpPolicy::Blocked, ..translated };
        // The pulse does not pass either, so the counters alone tell.
        home.become_gateway(b);
        let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
        let [a1, ..] = remotes(&mut all, &home.internet);
        for (i, address) in [HOSTS[0], PUBLIC_HOSTS[0]].into_iter().enumerate() {
            let inside = all.bind(&home.hosts[0], address, 6900);
            all.send(inside, all.local(a1));
            assert_eq!(home.dropped("udp policy, udp: blocked, outbound"), i as u64 + 1, "{b}");
            all.send(a1, all.local(inside));
            all.send(a1, SocketAddrV4::new(EXTERNAL, 6900));
            assert_eq!(home.dropped("udp policy, udp: blocked, inbound"), 2 * i as u64 + 2, "{b}");
        }
    }
}

pub fn firewalls(home: &mut Home) {
    let mut all = Endpoints::new(&home.hosts[0], PUBLIC_HOSTS[0], &home.internet);
    let remotes = remotes(&mut all, &home.internet);
    let [a1, a2, ..] = remotes;
    for (i, filtering) in Filtering::ALL.into_iter().enumerate() {
        let b = Behavior::public(filtering);
        home.become_gateway(b);
        let inside = [0, 1].map(|h| all.bind(&home.hosts[h], PUBLIC_HOSTS[h], 6500 + i as u16));
        let unsolicited = all.deliver(a1, all.local(inside[0]), inside[0]);
        assert_eq!(unsolicited.is_some(), filtering == EIF, "{b}");
        assert_eq!(mapping_seen(&all, inside[1], remotes), EIM, "{b}");
        assert_eq!(all.deliver(inside[0], all.local(a1), a1), Some(all.local(inside[0])), "{b}: nothing is translated");
        let (seen, dropped) = filtering_seen(&all, inside[0], remotes);
        assert_eq!(seen, filtering);
        let early = u64::from(filtering != EIF);
        assert_eq!(home.dropped(FILTERED), early + dropped, "{b}: the counter shows every drop");
        // A permission is the endpoint's own, not its host's.
        let other = all.bind(&home.hosts[0], PUBLIC_HOSTS[0], 6510 + i as u16);
        assert_eq!(all.deliver(a2, all.local(other), other).is_some(), filtering == EIF, "{b}");
    }
}

pub fn nat_behind_nat(_: &mut Home) {
    let chain = Carrier::build().expect("build the lab");
    let mut all = Endpoints::new(&chain.host, HOSTS[0], &chain.internet);
    let remotes = remotes(&mut all, &chain.internet);
    let inside = [6000, 6001].map(|port| all.bind(&chain.host, HOSTS[0], port));
    for home in nine() {
        for carrier in nine() {
            chain.load(home, carrier);
            let both = home.behind(carrier);
            assert_eq!(mapping_seen(&all, inside[0], remotes), both.mapping, "{home} behind {carrier}");
            assert_eq!(filtering_seen(&all, inside[1], remotes).0, both.filtering, "{home} behind {carrier}");
        }
    }
    let a1 = v4(all.socket(remotes[0]).local_addr().expect("a bound socket"));
    chain.load(Behavior::napt(EIM, EIF), Behavior::napt(EIM, EIF));
    assert_eq!(
        all.deliver(inside[0], a1, remotes[0]),
        Some(SocketAddrV4::new(EXTERNAL, 6000)),
        "both preserve the port"
    );
}
