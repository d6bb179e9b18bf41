//! Packets that are lost: what is said is right or inconclusive, never wrong.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use natlab::classification::MappingFound;
use natlab::nat::{Behavior, Filtering, Mapping, UdpPolicy};
use natlab::nft::encode::loss::{load_loss, lost};
use natlab::nft::loss::{Course, Leak, WHOLE};
use nlink::netlink::route::Ipv4Route;

use crate::behind::TWO;
use crate::client;
use crate::lab::{Home, SERVERS};
use crate::liar::{Liar, Lie};

/// How many classifications.
const CLASSIFICATIONS: usize = 200;
/// How many of them may be inconclusive.
const INCONCLUSIVE: usize = CLASSIFICATIONS / 20;
/// A fifth.
const SHARE: u16 = WHOLE / 5;
/// Labs at a time: they wait for answers most of the time.
const AT_A_TIME: usize = 40;

/// Both directions of the link between the home and the Internet.
fn leaks(share: u16) -> [Leak; 2] {
    [Course::In, Course::Out].map(|course| Leak { interface: "home".to_owned(), course, share })
}

/// The home's link begins to lose packets.
fn lose(home: &Home, share: u16) {
    home.rt.block_on(load_loss(&home.internet.nft, &leaks(share))).expect("load the loss");
}

/// One of the nine behaviours after the other, until there were enough; what was lost is counted, so that a link that loses
/// nothing does not make this easy.
pub fn a_fifth_of_all_packets_each_way() {
    let nine: Vec<Behavior> =
        Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| Behavior::napt(m, f))).collect();
    let (next, dropped, seen) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
    let work = || {
        let mut found = Vec::new();
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= CLASSIFICATIONS {
                return found;
            }
            let b = nine[n % nine.len()];
            let home = Home::build().expect("build the lab");
            home.become_gateway(b);
            let _server = Liar::start(&home.internet, TWO, Lie::None);
            lose(&home, SHARE);
            let said = client::classify(&home.hosts[0], &["--server", &SERVERS[0].to_string()]);
            for count in home.rt.block_on(lost(&home.internet.nft, &leaks(SHARE))).expect("read the counters") {
                dropped.fetch_add(usize::try_from(count.dropped).unwrap(), Ordering::Relaxed);
                seen.fetch_add(usize::try_from(count.dropped + count.passed).unwrap(), Ordering::Relaxed);
            }
            found.push((b, said));
        }
    };
    let all: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_A_TIME).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|w| w.join().expect("a classification")).collect()
    });
    let mut inconclusive = Vec::new();
    for (b, said) in &all {
        let found = said.ipv4();
        assert_ne!(found.udp.value, Some(UdpPolicy::Blocked), "{}", said.text);
        let wrong = found.mapping.value.is_some_and(|m| m != MappingFound::from(b.mapping))
            || found.filtering.value.is_some_and(|f| f != b.filtering);
        assert!(!wrong, "behind {b}: {}", said.text);
        if found.mapping.value.is_none() || found.filtering.value.is_none() {
            inconclusive.push(format!("{b}: {:?}, {:?}", found.mapping.because, found.filtering.because));
        }
    }
    let (dropped, seen) = (dropped.into_inner(), seen.into_inner());
    assert_eq!(all.len(), CLASSIFICATIONS);
    assert!(dropped * 100 > seen * 18 && dropped * 100 < seen * 22, "{dropped} of {seen} packets lost");
    assert!(inconclusive.len() <= INCONCLUSIVE, "{inconclusive:#?}");
}

/// Nothing comes back from two servers: UDP is blocked, as far as anybody can tell.
pub fn all_of_them() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressDependent));
    let _server = Liar::start(&home.internet, TWO, Lie::None);
    lose(&home, WHOLE);
    let [first, second] = TWO.map(|a| a.to_string());
    let said = client::classify(&home.hosts[0], &["--server", &first, "--server", &second]);
    assert_eq!((said.ipv4().udp.value, said.code), (Some(UdpPolicy::Blocked), Some(11)), "{}", said.text);
}

/// The way out goes while questions are open: what was not answered by then stays unknown, and nothing is concluded from
/// the silence.
pub fn a_route_that_disappears() {
    let home = Home::build().expect("build the lab");
    home.become_gateway(Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent));
    let server = Liar::start(&home.internet, TWO, Lie::None);
    let running = client::start(&home.hosts[0], &["--server", &SERVERS[0].to_string()]);
    for _ in 0..2 {
        server.asked.recv_timeout(Duration::from_secs(20)).expect("a request");
    }
    let default = Ipv4Route::new(Ipv4Addr::UNSPECIFIED, 0).gateway(Ipv4Addr::new(192, 168, 1, 1));
    home.rt.block_on(home.hosts[0].route.del_route(default)).expect("remove the default route");
    let said = client::finish(running);
    let found = said.ipv4();
    assert!(matches!(found.filtering.value, None | Some(Filtering::EndpointIndependent)), "{}", said.text);
    assert!(matches!(found.mapping.value, None | Some(MappingFound::EndpointIndependent)), "{}", said.text);
    assert!(found.mapping.value.is_none() || found.filtering.value.is_none(), "it was over by then: {}", said.text);
    assert_ne!(found.udp.value, Some(UdpPolicy::Blocked), "answers did come: {}", said.text);
}
