#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod fake_nat;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinHandle;

use super::*;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment, Translation, UdpPolicy};
use crate::net::Transport;
use crate::server::stun::{self, Endpoints, Place};
use fake_nat::FakeNat;

/// Where the client's sockets are.
const CLIENT: Ipv4Addr = Ipv4Addr::new(127, 0, 3, 1);

fn sockets() -> Vec<UdpSocket> {
    (0..SOCKETS).map(|_| UdpSocket::bind((CLIENT, 0)).unwrap()).collect()
}

/// Patient: a positive answer ends every wait, and only a silent server takes as long as this.
fn timing() -> Timing {
    Timing::lab().with_patience(Duration::from_secs(2))
}

async fn probe(target: Places, timing: Timing) -> Measured {
    measure(Setup { sockets: sockets(), target, timing }).await
}

/// Four sockets on two addresses and two ports, the same two at both.
fn four_sockets(a1: Ipv4Addr, a2: Ipv4Addr) -> Vec<UdpSocket> {
    loop {
        let (one, two) = (UdpSocket::bind((a1, 0)).unwrap(), UdpSocket::bind((a1, 0)).unwrap());
        let (p1, p2) = (one.local_addr().unwrap().port(), two.local_addr().unwrap().port());
        if let (Ok(three), Ok(four)) = (UdpSocket::bind((a2, p1)), UdpSocket::bind((a2, p2))) {
            return vec![one, two, three, four];
        }
    }
}

fn target(endpoints: &Endpoints) -> Places {
    Places { primary: endpoints.primary, alternate: endpoints.alternate.unwrap() }
}

/// A proper server.
fn server() -> (Endpoints, JoinHandle<Result<(), stun::StartError>>) {
    let sockets = four_sockets(Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2));
    let sockets = stun::Sockets::from_bound(sockets, Vec::new()).unwrap();
    (sockets.endpoints(), tokio::spawn(stun::serve(sockets, stun::Options::default())))
}

/// A proper server that listens for TCP too.
pub(super) fn server_with_tcp() -> (Endpoints, JoinHandle<Result<(), stun::StartError>>) {
    let (udp, tcp) = loop {
        let udp = four_sockets(Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2));
        let bind = |s: &UdpSocket| std::net::TcpListener::bind(s.local_addr().unwrap());
        if let Ok(tcp) = udp.iter().map(bind).collect::<Result<Vec<_>, _>>() {
            break (udp, tcp);
        }
    };
    let sockets = stun::Sockets::from_bound(udp, tcp).unwrap();
    (sockets.endpoints(), tokio::spawn(stun::serve(sockets, stun::Options::default())))
}

/// What a bad server makes of an answer: the socket it really leaves from, and the bytes; or nothing.
type Mischief = fn(Place, stun::Answer) -> Option<(Place, Vec<u8>)>;

/// A server that answers properly but for the mischief; with `one_address` each socket believes to be the only one.
async fn bad_server(one_address: bool, mischief: Mischief) -> Places {
    let sockets: Vec<_> = four_sockets(Ipv4Addr::new(127, 0, 0, 1), Ipv4Addr::new(127, 0, 0, 2))
        .into_iter()
        .map(|s| {
            s.set_nonblocking(true).unwrap();
            tokio::net::UdpSocket::from_std(s).unwrap()
        })
        .collect();
    let (primary, alternate) = (sockets[0].local_addr().unwrap(), sockets[3].local_addr().unwrap());
    let endpoints = Endpoints { primary, alternate: Some(alternate) };
    let sockets = Arc::new(sockets);
    for (index, place) in Place::ALL.into_iter().enumerate() {
        let sockets = Arc::clone(&sockets);
        tokio::spawn(async move {
            let mut buffer = [0; 2000];
            loop {
                let (n, from) = sockets[index].recv_from(&mut buffer).await.unwrap();
                let local = sockets[index].local_addr().unwrap();
                let (at, known) = match one_address {
                    true => (Place::PRIMARY, Endpoints { primary: local, alternate: None }),
                    false => (place, endpoints),
                };
                let answer = stun::answer(&buffer[..n], from, at, Transport::Udp, &known, &stun::Options::default());
                let answer = answer.map(|a| if one_address { stun::Answer { from: place, ..a } } else { a });
                if let Some((leaves, bytes)) = answer.and_then(|a| mischief(place, a)) {
                    let leaves = Place::ALL.into_iter().position(|p| p == leaves).unwrap();
                    sockets[leaves].send_to(&bytes, from).await.unwrap();
                }
            }
        });
    }
    target(&endpoints)
}

#[tokio::test]
async fn without_a_gateway_everything_is_open_and_nothing_translated() {
    let (endpoints, _server) = server();
    let measured = probe(target(&endpoints), timing()).await;
    assert_eq!(measured.differences(&Behavior::public(Filtering::EndpointIndependent)), [""; 0]);
    assert_eq!(measured.translation, Some(Translation::None));
    assert_eq!(measured.ports_preserved, Some(true));
    assert_eq!(measured.hairpinning, None, "the question does not arise");
    assert_eq!(measured.undecided, [""; 0]);
}

/// Every combination of RFC 4787, each translated by a NAT in this process.
#[tokio::test]
async fn all_nine_behaviours_are_told_apart() {
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            let (endpoints, _server) = server();
            let declared = Behavior { ports: PortAssignment::Random, ..Behavior::napt(mapping, filtering) };
            let nat = FakeNat::start(declared, endpoints, 0);
            let measured = probe(nat.target(), timing()).await;
            assert_eq!(measured.differences(&declared), [""; 0], "{mapping}/{filtering}: {measured:#?}");
            assert_eq!(measured.undecided, [""; 0], "{mapping}/{filtering}");
            assert_eq!(measured.ports_preserved, Some(false), "{mapping}/{filtering}");
        }
    }
}

#[tokio::test]
async fn kept_ports_and_hairpinning_are_seen() {
    for filtering in Filtering::ALL {
        let (endpoints, _server) = server();
        let declared = Behavior {
            hairpinning: Hairpinning::ExternalSource,
            ..Behavior::napt(Mapping::EndpointIndependent, filtering)
        };
        let nat = FakeNat::start(declared, endpoints, 0);
        let measured = probe(nat.target(), timing()).await;
        assert_eq!(measured.differences(&declared), [""; 0], "{filtering}: {measured:#?}");
        assert_eq!(measured.ports_preserved, Some(true), "{filtering}");
    }
}

/// The first two packets of each socket towards each endpoint are lost: the third transmission is there for that.
#[tokio::test]
async fn lost_packets_change_nothing() {
    for filtering in Filtering::ALL {
        let (endpoints, _server) = server();
        let declared =
            Behavior { ports: PortAssignment::Random, ..Behavior::napt(Mapping::EndpointIndependent, filtering) };
        let nat = FakeNat::start(declared, endpoints, 2);
        let measured = probe(nat.target(), timing()).await;
        assert_eq!(measured.differences(&declared), [""; 0], "{filtering}: {measured:#?}");
    }
}

#[tokio::test]
async fn a_silent_server_is_blocked_udp_and_soon_told() {
    let silent = bad_server(false, |_, _| None).await;
    let begin = Instant::now();
    let measured = probe(silent, Timing::lab()).await;
    assert!(begin.elapsed() >= Duration::from_millis(100), "the whole schedule: {:?}", begin.elapsed());
    assert_eq!(
        measured.differences(&Behavior { udp: UdpPolicy::Blocked, ..Behavior::public(Filtering::EndpointIndependent) }),
        [""; 0]
    );
    assert_eq!((measured.mapping, measured.filtering), (None, None));
}

#[tokio::test]
async fn a_dead_primary_endpoint_is_not_blocked_udp() {
    let half_dead = bad_server(false, |at, a| (at != Place::PRIMARY).then_some((a.from, a.bytes))).await;
    let measured = probe(half_dead, Timing::lab()).await;
    assert_eq!(measured.udp, Some(UdpPolicy::Allowed));
    assert_eq!((measured.translation, measured.mapping, measured.filtering), (None, None, None));
    assert!(measured.undecided[0].contains("does not answer"), "{:?}", measured.undecided);
}

/// The classic mistake: a server whose second address is dead looks like APDF.
#[tokio::test]
async fn dead_alternates_leave_filtering_and_mapping_open() {
    let only_primary =
        bad_server(false, |at, a| (at == Place::PRIMARY && a.from == Place::PRIMARY).then_some((a.from, a.bytes)))
            .await;
    let measured = probe(only_primary, Timing::lab()).await;
    assert_eq!((measured.mapping, measured.filtering), (None, None));
    assert_eq!(measured.translation, Some(Translation::None));
    assert!(measured.undecided.iter().any(|u| u.starts_with("filtering: no answer") && u.contains("proves nothing")));
}

#[tokio::test]
async fn a_dead_second_address_leaves_filtering_open_although_the_second_port_answers() {
    let one_address =
        bad_server(false, |at, a| (!at.other_address && !a.from.other_address).then_some((a.from, a.bytes))).await;
    let measured = probe(one_address, Timing::lab()).await;
    assert_eq!((measured.mapping, measured.filtering), (None, None), "neither EIF nor ADF can be told");
}

#[tokio::test]
async fn a_server_that_ignores_change_request_proves_nothing() {
    let ignorant = bad_server(false, |at, a| Some((at, a.bytes))).await;
    let measured = probe(ignorant, timing()).await;
    assert_eq!(measured.mapping, Some(Mapping::EndpointIndependent));
    assert_eq!(measured.filtering, None);
    assert!(measured.undecided[0].contains("was asked for and came from"), "{:?}", measured.undecided);
}

#[tokio::test]
async fn a_server_without_change_request_proves_nothing() {
    let plain = bad_server(true, |_, a| Some((a.from, a.bytes))).await;
    let measured = probe(plain, timing()).await;
    assert_eq!(measured.mapping, Some(Mapping::EndpointIndependent));
    assert_eq!(measured.filtering, None);
    assert!(measured.undecided[0].contains("420"), "{:?}", measured.undecided);
}

#[tokio::test]
async fn an_answer_from_the_wrong_source_is_none() {
    let liar = bad_server(false, |_, a| Some((a.from.opposite(), a.bytes))).await;
    let measured = probe(liar, Timing::lab()).await;
    assert_eq!((measured.translation, measured.mapping, measured.filtering), (None, None, None));
    assert!(measured.undecided[0].contains("was asked and"), "{:?}", measured.undecided);
}

#[tokio::test]
async fn an_answer_with_the_wrong_transaction_id_is_none() {
    let liar = bad_server(false, |_, mut a| {
        a.bytes[19] ^= 1;
        Some((a.from, a.bytes))
    })
    .await;
    let measured = probe(liar, Timing::lab()).await;
    assert_eq!(measured.udp, Some(UdpPolicy::Allowed), "something came in");
    assert_eq!((measured.translation, measured.mapping, measured.filtering), (None, None, None));
}

#[tokio::test]
async fn sockets_that_cannot_tell_are_refused() {
    let (endpoints, _server) = server();
    let target = target(&endpoints);
    let too_few = measure(Setup { sockets: sockets().split_off(1), target, timing: Timing::lab() }).await;
    assert!(too_few.undecided[0].contains("takes 5 sockets, not 4"), "{:?}", too_few.undecided);
    let anywhere = (0..SOCKETS).map(|_| UdpSocket::bind("0.0.0.0:0").unwrap()).collect();
    let unbound = measure(Setup { sockets: anywhere, target, timing: Timing::lab() }).await;
    assert!(unbound.undecided[0].contains("not bound to one address"), "{:?}", unbound.undecided);
}
