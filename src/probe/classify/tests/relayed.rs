//! TURN-assisted filtering against a foreign sender in the simulated network.

use std::collections::BTreeSet;
use std::io;
use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

use super::*;
use crate::classification::Status;

const TURN: &str = "203.0.113.50:3478";
const STUN: &str = "203.0.113.9:3478";

struct Foreign {
    world: World,
    relayed: SocketAddr,
    /// A relay that takes everything and sends nothing.
    mute: bool,
    permitted: Mutex<BTreeSet<std::net::IpAddr>>,
    received: tokio::sync::Mutex<UnboundedReceiver<(SocketAddr, Vec<u8>)>>,
}

impl Foreign {
    fn open(world: &World, relayed: &str, mute: bool) -> Arc<dyn Relay> {
        let relayed = at(relayed);
        let received = tokio::sync::Mutex::new(world.relay(relayed));
        Arc::new(Foreign { world: world.clone(), relayed, mute, permitted: Mutex::default(), received })
    }
}

#[async_trait]
impl Relay for Foreign {
    fn relayed(&self) -> SocketAddr {
        self.relayed
    }

    fn server(&self) -> SocketAddr {
        at(TURN)
    }

    async fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        assert!(self.permitted.lock().unwrap().contains(&to.ip()), "no permission for {to}");
        if !self.mute {
            self.world.inject(self.relayed, to, bytes);
        }
        Ok(())
    }

    async fn permit(&self, peer: SocketAddr) -> io::Result<()> {
        self.permitted.lock().unwrap().insert(peer.ip());
        Ok(())
    }

    async fn receive(&self, until: Instant) -> io::Result<Option<(SocketAddr, Vec<u8>)>> {
        loop {
            let mut received = self.received.lock().await;
            let Ok(next) = timeout_at(until, received.recv()).await else { return Ok(None) };
            let (from, bytes) = next.ok_or(io::ErrorKind::UnexpectedEof)?;
            if self.permitted.lock().unwrap().contains(&from.ip()) {
                return Ok(Some((from, bytes)));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn all_nine_behaviours_are_filtered_as_declared() {
    for mapping in Mapping::ALL {
        for filtering in Filtering::ALL {
            for loss in [0.0, 0.2] {
                let world = World::new(napt(mapping, filtering), vec![ordinary(STUN), ordinary(TURN)]).losing(loss, 7);
                let relay = Foreign::open(&world, "203.0.113.50:50000", false);
                let f = ask_with(&world, &[STUN, TURN], options(), Some(relay)).await.family;
                assert_eq!(f.filtering.value, Some(filtering), "{mapping}/{filtering} {loss}: {:#?}", f.filtering);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_relay_that_does_not_relay_proves_nothing() {
    let behavior = napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    let world = World::new(behavior, vec![ordinary(STUN), ordinary(TURN)]);
    let relay = Foreign::open(&world, "203.0.113.50:50000", true);
    let f = ask_with(&world, &[STUN], options(), Some(relay)).await.family;
    assert_eq!((f.filtering.value, f.filtering.status), (None, Status::Inconclusive), "{:#?}", f.filtering);
}

/// The relay is on its own, or where one of the STUN servers is: that one knows the endpoint towards the relay's address.
#[tokio::test(start_paused = true)]
async fn a_relay_elsewhere_tells_eif_and_no_more_unless_a_server_is_there() {
    for (mapping, filtering) in Mapping::ALL.into_iter().flat_map(|m| Filtering::ALL.map(|f| (m, f))) {
        for (relayed, is_told) in
            [("203.0.113.60:50000", filtering == Filtering::EndpointIndependent), ("203.0.113.9:50000", true)]
        {
            let world = World::new(napt(mapping, filtering), vec![ordinary(STUN), ordinary(TURN)]);
            let relay = Foreign::open(&world, relayed, false);
            let f = ask_with(&world, &[STUN], options(), Some(relay)).await.family.filtering;
            assert_eq!(f.value, is_told.then_some(filtering), "{mapping}/{filtering} {relayed}: {f:#?}");
            let because = f.because.unwrap_or_default();
            assert_eq!(because.contains("no server is known on 203.0.113.60"), !is_told, "{because}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_needs_a_stun_server_elsewhere() {
    let behavior = napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
    let world = World::new(behavior, vec![ordinary(TURN)]);
    let relay = Foreign::open(&world, "203.0.113.50:50000", false);
    let f = ask_with(&world, &[TURN], options(), Some(relay)).await.family;
    assert_eq!((f.filtering.value, f.filtering.status), (None, Status::Unsupported));
}
