//! What unwanted packets get.

use std::io::ErrorKind;
use std::net::{SocketAddrV4, UdpSocket};

use natlab::nat::{Behavior, Filtering, Mapping, PortAssignment, Tcp, Unsolicited, UnsolicitedSyn};

use crate::behaviors::{nine, remotes};
use crate::endpoints::{Endpoints, bind};
use crate::lab::{EXTERNAL, HOSTS, Home, PUBLIC_HOSTS, SERVERS};
use crate::tcp::Connections;

const APDF: Filtering = Filtering::AddressAndPortDependent;
const ANSWERED: &str = "filtering (RFC 4787 5), udp: unsolicited";

/// What a server's socket is told about a packet to this endpoint.
fn told(all: &Endpoints, server: &UdpSocket, to: SocketAddrV4) -> Option<ErrorKind> {
    server.connect(to).expect("connect");
    server.send(&[0; 4]).expect("send");
    assert_eq!(all.settle(), []);
    server.take_error().expect("ask for the error").map(|e| e.kind())
}

/// With every behaviour, and with overloading: an answer comes, and leaves no trace: what inside sends later keeps its port.
pub fn unwanted_packets_are_answered(home: &mut Home) {
    let overloading =
        Behavior { ports: PortAssignment::Overloading, ..Behavior::napt(Mapping::EndpointIndependent, APDF) };
    let preserving = nine().map(|b| Behavior { ports: PortAssignment::Preserving, ..b });
    for b in preserving.chain([overloading]) {
        for unsolicited in [Unsolicited::Icmp, Unsolicited::Dropped] {
            home.become_gateway(Behavior { unsolicited, ..b });
            let mut all = Endpoints::new(&home.hosts[0], HOSTS[0], &home.internet);
            let [a1, ..] = remotes(&mut all, &home.internet);
            let expected = (unsolicited == Unsolicited::Icmp).then_some(ErrorKind::ConnectionRefused);
            let early = bind(&home.internet, SERVERS[1], 3500);
            let same = SocketAddrV4::new(EXTERNAL, 6100);
            for _ in 0..3 {
                assert_eq!(told(&all, &early, same), expected, "{b}: nobody's endpoint");
            }
            assert_eq!(home.dropped(ANSWERED), 3, "{b}");
            let inside = all.bind(&home.hosts[0], HOSTS[0], 6100);
            drop(early);
            let late = all.bind(&home.internet, SERVERS[1], 3500);
            assert_eq!(all.deliver(inside, all.local(late), late), Some(same), "{b}: no trace");
            // Somebody's endpoint, by somebody who was not sent to.
            if b.filtering != Filtering::EndpointIndependent {
                let mine = all.bind(&home.hosts[0], HOSTS[0], 6101);
                let external = all.deliver(mine, all.local(a1), a1).expect("an outbound packet passes");
                let stranger = bind(&home.internet, SERVERS[2], 3501);
                assert_eq!(told(&all, &stranger, external), expected, "{b}: filtered");
                let own = all.deliver(a1, external, mine);
                assert_eq!(own, Some(all.local(a1)), "{b}: who was sent to still comes in");
            }
        }
    }
    let b = Behavior { unsolicited: Unsolicited::Icmp, ..Behavior::public(APDF) };
    home.become_gateway(b);
    let all = Endpoints::new(&home.hosts[0], PUBLIC_HOSTS[0], &home.internet);
    let stranger = bind(&home.internet, SERVERS[2], 3501);
    let refused = Some(ErrorKind::ConnectionRefused);
    assert_eq!(told(&all, &stranger, SocketAddrV4::new(PUBLIC_HOSTS[1], 6101)), refused, "{b}");
}

/// RFC 5382 §4.3: a SYN that nobody asked for.
pub fn unwanted_syns_are_answered(home: &mut Home) {
    let napt = |m, f| (Behavior::napt(m, f), HOSTS[0], SocketAddrV4::new(EXTERNAL, 7900));
    let mut gateways = vec![];
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            let (b, host, external) = napt(mapping, filtering);
            gateways.push((Behavior { ports: PortAssignment::Preserving, ..b }, host, external));
        }
    }
    let (b, host, external) = napt(Mapping::EndpointIndependent, APDF);
    gateways.push((Behavior { ports: PortAssignment::Overloading, ..b }, host, external));
    gateways.push((Behavior::public(APDF), PUBLIC_HOSTS[0], SocketAddrV4::new(PUBLIC_HOSTS[0], 7900)));
    for (b, host, external) in gateways {
        for unsolicited in [UnsolicitedSyn::Dropped, UnsolicitedSyn::Reset, UnsolicitedSyn::Icmp] {
            let tcp = Tcp { unsolicited, ..Tcp::new(b.mapping, b.filtering) };
            home.become_gateway(Behavior { tcp: Some(tcp), ..b });
            let mut connections = Connections::behind(home, host);
            let told = connections.refused(home, 1, 4000, external);
            let expected = match unsolicited {
                UnsolicitedSyn::Dropped => None,
                UnsolicitedSyn::Reset | UnsolicitedSyn::Icmp => Some(ErrorKind::ConnectionRefused),
            };
            assert_eq!(told, expected, "{b} {:?} {unsolicited:?}: nobody's endpoint", b.ports);
            // The same two endpoints from inside: nothing of it is remembered.
            let (seen, _) = connections.connect(home, 0, 7900, 0);
            assert_eq!(seen, external, "{b} {unsolicited:?}: no trace");
            if b.filtering != Filtering::EndpointIndependent {
                let told = connections.refused(home, 2, 4001, external);
                assert_eq!(told, expected, "{b} {:?} {unsolicited:?}: filtered", b.ports);
            }
        }
    }
}
