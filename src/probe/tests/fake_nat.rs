//! A NAT in user space on loopback addresses, for tests of the client without privileges.
//!
//! The client cannot be made to route through it, so it stands in for the server: four inner sockets, one for each of
//! the server's. What arrives there leaves for the real server from an external socket, one per mapping; hairpinned
//! packets arrive at external sockets themselves.

use std::collections::{HashMap, HashSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};

use tokio::net::UdpSocket;

use super::{CLIENT, Places, four_sockets, target};
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, PortAssignment};
use crate::server::stun::{Endpoints, Place};

/// A loopback address that no other NAT has, in this process or another: ports can only be kept where nobody else
/// takes them.
fn external_address() -> Ipv4Addr {
    static NEXT: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | high & 0x3F, low, NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(super) struct FakeNat(Arc<Inner>);

struct Inner {
    behavior: Behavior,
    external_address: Ipv4Addr,
    server: Endpoints,
    stand_ins: Vec<UdpSocket>,
    mappings: Mutex<HashMap<Key, Arc<External>>>,
}

/// An inside endpoint and what else a mapping depends on.
type Key = (SocketAddr, Option<SocketAddr>);

struct External {
    socket: UdpSocket,
    inside: SocketAddr,
    sent_to: Mutex<HashSet<SocketAddr>>,
}

fn registered(socket: std::net::UdpSocket) -> UdpSocket {
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}

impl FakeNat {
    /// Loses the first `lost` packets of each socket towards each endpoint of the server.
    pub(super) fn start(behavior: Behavior, server: Endpoints, lost: usize) -> FakeNat {
        let stand_ins = four_sockets(Ipv4Addr::new(127, 0, 1, 1), Ipv4Addr::new(127, 0, 1, 2));
        let inner = Arc::new(Inner {
            behavior,
            external_address: external_address(),
            server,
            stand_ins: stand_ins.into_iter().map(registered).collect(),
            mappings: Mutex::default(),
        });
        for (index, place) in Place::ALL.into_iter().enumerate() {
            let inner = Arc::clone(&inner);
            tokio::spawn(async move {
                let mut buffer = [0; 2000];
                let mut seen: HashMap<SocketAddr, usize> = HashMap::new();
                loop {
                    let (n, inside) = inner.stand_ins[index].recv_from(&mut buffer).await.unwrap();
                    let seen = seen.entry(inside).or_default();
                    *seen += 1;
                    if *seen <= lost {
                        continue;
                    }
                    let remote = inner.server.at(place).unwrap();
                    let external = inner.external(inside, remote);
                    external.sent_to.lock().unwrap().insert(remote);
                    external.socket.send_to(&buffer[..n], remote).await.unwrap();
                }
            });
        }
        FakeNat(inner)
    }

    /// Where a client behind it finds the server.
    pub(super) fn target(&self) -> Places {
        let at = |i: usize| self.0.stand_ins[i].local_addr().unwrap();
        target(&Endpoints { primary: at(0), alternate: Some(at(3)) })
    }
}

impl Inner {
    /// The mapping for packets from `inside` to `remote`; made when there is none.
    fn external(self: &Arc<Self>, inside: SocketAddr, remote: SocketAddr) -> Arc<External> {
        let key = (
            inside,
            match self.behavior.mapping {
                Mapping::EndpointIndependent => None,
                Mapping::AddressDependent => Some(SocketAddr::new(remote.ip(), 0)),
                Mapping::AddressAndPortDependent => Some(remote),
            },
        );
        let mut mappings = self.mappings.lock().unwrap();
        let made = mappings.entry(key).or_insert_with(|| {
            let port = if self.behavior.ports == PortAssignment::Preserving { inside.port() } else { 0 };
            let external = Arc::new(External {
                socket: registered(std::net::UdpSocket::bind((self.external_address, port)).unwrap()),
                inside,
                sent_to: Mutex::default(),
            });
            tokio::spawn(Arc::clone(self).inbound(Arc::clone(&external)));
            external
        });
        Arc::clone(made)
    }

    async fn inbound(self: Arc<Self>, external: Arc<External>) {
        let mut buffer = [0; 2000];
        loop {
            let (n, from) = external.socket.recv_from(&mut buffer).await.unwrap();
            let here = external.socket.local_addr().unwrap();
            if from.ip() == CLIENT {
                if self.behavior.hairpinning == Hairpinning::ExternalSource {
                    let sender = self.external(from, here);
                    sender.sent_to.lock().unwrap().insert(here);
                    if self.lets_in(&external, sender.socket.local_addr().unwrap()) {
                        sender.socket.send_to(&buffer[..n], external.inside).await.unwrap();
                    }
                }
            } else if self.lets_in(&external, from) {
                let index = Place::ALL.into_iter().position(|p| self.server.at(p) == Some(from)).unwrap();
                self.stand_ins[index].send_to(&buffer[..n], external.inside).await.unwrap();
            }
        }
    }

    fn lets_in(&self, external: &External, from: SocketAddr) -> bool {
        let sent_to = external.sent_to.lock().unwrap();
        match self.behavior.filtering {
            Filtering::EndpointIndependent => true,
            Filtering::AddressDependent => sent_to.iter().any(|to| to.ip() == from.ip()),
            Filtering::AddressAndPortDependent => sent_to.contains(&from),
        }
    }
}
