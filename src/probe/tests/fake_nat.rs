//! The reference translator on loopback addresses, for tests of the client without privileges.
//!
//! The client cannot be made to route through it, so it stands in for the server: four inner sockets, one for each of
//! the server's. What arrives there leaves for the real server from an external socket, one per external endpoint; hairpinned
//! packets arrive at external sockets themselves.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::net::UdpSocket;

use super::{CLIENT, Places, four_sockets, target};
use crate::nat::translator::{Disposition, Packet, Side, Translator};
use crate::nat::{Behavior, Gateway};
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
    nat: Mutex<Translator>,
    begin: Instant,
    server: Endpoints,
    stand_ins: Vec<UdpSocket>,
    externals: Mutex<BTreeMap<SocketAddrV4, Arc<UdpSocket>>>,
}

fn registered(socket: std::net::UdpSocket) -> UdpSocket {
    socket.set_nonblocking(true).unwrap();
    UdpSocket::from_std(socket).unwrap()
}

fn v4(at: SocketAddr) -> SocketAddrV4 {
    let SocketAddr::V4(at) = at else { panic!("{at} is IPv4") };
    at
}

impl FakeNat {
    /// Loses the first `lost` packets of each socket towards each endpoint of the server.
    pub(super) fn start(behavior: Behavior, server: Endpoints, lost: usize) -> FakeNat {
        let stand_ins = four_sockets(Ipv4Addr::new(127, 0, 1, 1), Ipv4Addr::new(127, 0, 1, 2));
        let gateway = Gateway {
            behavior,
            wan: "lo".to_owned(),
            external: vec![external_address()],
            inside: vec![],
            pairs: vec![],
            forwards: vec![],
            seed: 1,
            preset: None,
        };
        let inner = Arc::new(Inner {
            nat: Mutex::new(Translator::new(gateway)),
            begin: Instant::now(),
            server,
            stand_ins: stand_ins.into_iter().map(registered).collect(),
            externals: Mutex::default(),
        });
        for (index, place) in Place::ALL.into_iter().enumerate() {
            let inner = Arc::clone(&inner);
            tokio::spawn(async move {
                let mut buffer = [0; 2000];
                let mut seen: BTreeMap<SocketAddr, usize> = BTreeMap::new();
                loop {
                    let (n, inside) = inner.stand_ins[index].recv_from(&mut buffer).await.unwrap();
                    let seen = seen.entry(inside).or_default();
                    *seen += 1;
                    if *seen > lost {
                        inner.carry(inside, inner.server.at(place).unwrap(), &buffer[..n]).await;
                    }
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
    /// What becomes of a packet.
    async fn carry(self: &Arc<Self>, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let side = if from.ip() == CLIENT { Side::Inside } else { Side::Outside };
        let packet = Packet::udp(v4(from), v4(to));
        let becomes = self.nat.lock().unwrap().pass(side, &packet, self.begin.elapsed());
        match becomes {
            Disposition::Outside(p) | Disposition::Hairpinned(p) => {
                self.external(p.source).send_to(bytes, p.destination).await.unwrap();
            }
            Disposition::Inside(p) => {
                let index = Place::ALL.into_iter().position(|at| self.server.at(at) == Some(from)).unwrap();
                self.stand_ins[index].send_to(bytes, p.destination).await.unwrap();
            }
            Disposition::Dropped(_) => {}
            Disposition::Answered(..) => panic!("loopback carries no answers of a NAT"),
        }
    }

    /// The socket of an external endpoint, which is opened with the first packet from there.
    fn external(self: &Arc<Self>, at: SocketAddrV4) -> Arc<UdpSocket> {
        let mut externals = self.externals.lock().unwrap();
        let open = || {
            let socket = Arc::new(registered(std::net::UdpSocket::bind(at).unwrap()));
            tokio::spawn(Arc::clone(self).inbound(Arc::clone(&socket), at));
            socket
        };
        Arc::clone(externals.entry(at).or_insert_with(open))
    }

    async fn inbound(self: Arc<Self>, external: Arc<UdpSocket>, at: SocketAddrV4) {
        let mut buffer = [0; 2000];
        loop {
            let (n, from) = external.recv_from(&mut buffer).await.unwrap();
            self.carry(from, SocketAddr::V4(at), &buffer[..n]).await;
        }
    }
}
