//! Real sockets, UDP and TCP, towards natlab's own server on loopback addresses.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::classification::{MappingFound, Preservation};
use crate::nat::UdpPolicy;
use crate::probe::socket::HostSockets;
use crate::probe::tests::server_with_tcp;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 3, 2));

#[tokio::test]
async fn the_open_loopback_is_what_it_is() {
    let (endpoints, _server) = server_with_tcp();
    let request = Request {
        family: Family::Ipv4,
        servers: vec![Candidate { name: "loopback".to_owned(), address: endpoints.primary }],
        opener: Arc::new(HostSockets::at(CLIENT)),
        relay: None,
        options: Options { hairpin: true, limiter: Arc::new(Limiter::unlimited()), ..Options::default() },
    };
    let steps = std::sync::Mutex::new(Vec::new());
    let found = classify(request, &|step| steps.lock().unwrap().push(step.to_string())).await;
    let f = &found.family;
    assert_eq!((f.local, f.udp.value), (Some(CLIENT), Some(UdpPolicy::Allowed)));
    assert_eq!(f.translation.value, Some(Translation::None), "{f:#?}");
    assert_eq!(f.mapping.value, Some(MappingFound::EndpointIndependent));
    assert_eq!(f.filtering.value, Some(Filtering::EndpointIndependent));
    assert_eq!(f.ports.preservation.value, Some(Preservation::All));
    assert_eq!(f.alg.value, Some(false));
    assert_eq!(f.tcp.mapping.value, Some(MappingFound::EndpointIndependent), "{:#?}", f.tcp);
    assert_eq!(f.classic.as_deref(), Some("open Internet"));
    assert_eq!(f.loss.sent, f.loss.answered, "nothing is lost here");
    assert!(found.servers[0].round_trip_ms.is_some_and(|ms| ms < 1000.0));
    let steps = steps.into_inner().unwrap();
    let order: Vec<usize> = ["filtering", "mapping", "control test", "TCP"]
        .iter()
        .map(|s| steps.iter().position(|x| x == s).unwrap())
        .collect();
    assert!(order.is_sorted(), "filtering before mapping: {steps:?}");
}

#[tokio::test]
async fn the_own_address_is_the_one_of_the_route() {
    let sockets = HostSockets::towards("127.0.0.1:9".parse().unwrap()).unwrap();
    assert_eq!(sockets.local(), IpAddr::V4(Ipv4Addr::LOCALHOST));
    assert!(!sockets.udp().unwrap().local().ip().is_unspecified());
}

/// A real allocation of natlab's own TURN server is the foreign sender.
#[tokio::test]
async fn a_turn_account_tells_filtering() {
    use crate::net::Transport;
    use crate::probe::relay::Allocated;
    use crate::probe::turn::{Client, Credentials, Link, Pace};
    use crate::server::{stun, turn};
    let here = |last| IpAddr::V4(Ipv4Addr::new(127, 0, 0, last));
    let turn = turn::Sockets::bind(&[SocketAddr::new(here(1), 0)], &[Transport::Udp]).unwrap();
    let at = turn.udp[0].local_addr().unwrap();
    let credentials = turn::Credentials { user: "u".into(), password: "p".into(), realm: "natlab".into() };
    let options = turn::Options { credentials, relay_address: here(1) };
    let server = turn::Server::start(turn, options).await.unwrap();
    let one = std::net::UdpSocket::bind((here(3), 0)).unwrap();
    let elsewhere = one.local_addr().unwrap();
    let stun = stun::Sockets::from_bound(vec![one], Vec::new()).unwrap();
    let _stun = tokio::spawn(stun::serve(stun, stun::Options::default()));

    let account = Credentials { user: "u".into(), password: "p".into() };
    let client = Client::new(Link::udp(at).await.unwrap(), Some(account), Pace::default());
    let relay = Arc::new(Allocated::new(client).await.unwrap());
    let request = Request {
        family: Family::Ipv4,
        servers: vec![Candidate { name: "ordinary".to_owned(), address: elsewhere }],
        opener: Arc::new(HostSockets::at(CLIENT)),
        relay: Some(Arc::clone(&relay) as Arc<dyn Relay>),
        options: Options { limiter: Arc::new(Limiter::unlimited()), ..super::options() },
    };
    let f = classify(request, &|_| {}).await.family;
    assert_eq!(f.filtering.value, Some(Filtering::EndpointIndependent), "{:#?}", f.filtering);
    assert!(f.filtering.method.unwrap().contains("TURN"));
    relay.release().await.unwrap();
    server.close().await.unwrap();
}
