//! The tiny lab: a host inside, a gateway, a host outside, and a namespace for rules that are only loaded.

use std::fs;
use std::future::Future;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::{Instant, timeout};

use super::{tables, words};
use crate::event::Direction;
use crate::lab::capture::Tap;
use crate::lab::namespace::{self, Namespace, Sysctl};
use crate::lab::{link, topology};
use crate::nat::rules::{self, Stage};
use crate::net::Network;
use crate::nft::encode::loss::load_loss;
use crate::nft::encode::{self, Load};
use crate::nft::loss::{Course, Leak};
use crate::nft::model::Table;
use crate::plan::{Bridge, Gateway, Hop, Interface, Route};

/// Documentation addresses (RFC 5737) and private ones, as scenarios use them.
const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const EXTERNAL: [Ipv4Addr; 2] = [Ipv4Addr::new(203, 0, 113, 2), Ipv4Addr::new(203, 0, 113, 3)];
const INSIDE: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 2);
const ROUTER: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
const BRIDGE: Ipv4Addr = Ipv4Addr::new(192, 168, 2, 1);
const PREFIX: u8 = 24;

/// STUN's, as in a trial; any port would do.
const PORT: u16 = 3478;
const INSIDE_PORT: u16 = 5400;

/// How long a packet may take through three namespaces of one machine. Costs time only where none comes.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is built; every method tries one thing and tells what was seen, or the kernel's words.
pub(super) struct TinyLab {
    inside: Namespace,
    gateway: Namespace,
    outside: Namespace,
    rules: Namespace,
    plan: Gateway,
    directory: PathBuf,
}

impl TinyLab {
    pub(super) const NODES: usize = 4;

    pub(super) async fn create(directory: &Path) -> Result<TinyLab, String> {
        fs::create_dir_all(directory).map_err(|e| format!("making {}: {e}", directory.display()))?;
        let names: [&str; Self::NODES] = ["inside", "gateway", "outside", "rules"];
        let wanted = names.map(|n| (n.to_owned(), vec![])).to_vec();
        let nodes = namespace::create(directory, wanted).await.map_err(|e| words(&e))?;
        let nodes: [Namespace; Self::NODES] =
            nodes.try_into().map_err(|_| "another number of namespaces was made than asked for".to_owned())?;
        let [inside, gateway, outside, rules] = nodes;
        let plan = tables::gateway("wan0", EXTERNAL.to_vec(), Network::new(Ipv4Addr::new(192, 168, 1, 0), PREFIX));
        Ok(TinyLab { inside, gateway, outside, rules, plan, directory: directory.to_owned() })
    }

    pub(super) fn settings(&self) -> Result<String, String> {
        self.write(Stage::BeforeInterfaces)
    }

    pub(super) fn tracking_timeouts(&self) -> Result<String, String> {
        self.write(Stage::AfterTable)
    }

    fn write(&self, stage: Stage) -> Result<String, String> {
        let all: Vec<Sysctl> = topology::of_gateway(&self.plan, stage).collect();
        self.gateway.run(|| all.iter().try_for_each(Sysctl::write)).map_err(|e| words(&e))??;
        Ok(all.first().map(|s| format!("{} and {} more written", s.key, all.len() - 1)).unwrap_or_default())
    }

    pub(super) async fn links(&self) -> Result<String, String> {
        self.wire().await.map_err(|e| words(&e))?;
        Ok("made in place, with addresses and routes".to_owned())
    }

    async fn wire(&self) -> nlink::Result<()> {
        link::veth(&self.inside, "eth0", &self.gateway, "lan0").await?;
        link::veth(&self.gateway, "wan0", &self.outside, "eth0").await?;
        for node in [&self.inside, &self.gateway, &self.outside] {
            link::loopback_up(node).await?;
        }
        let up = [
            (&self.inside, "eth0", vec![INSIDE]),
            (&self.gateway, "lan0", vec![ROUTER]),
            (&self.gateway, "wan0", EXTERNAL.to_vec()),
            (&self.outside, "eth0", vec![OUTSIDE]),
        ];
        for (node, name, addresses) in up {
            let addresses = addresses.into_iter().map(|a| Network::new(a, PREFIX)).collect();
            link::interface_up(node, &Interface { name: name.to_owned(), addresses }).await?;
        }
        let hop = Hop::Via { gateway: ROUTER, interface: "eth0".to_owned() };
        link::route(&self.inside, &Route { to: Network::ALL, hop }).await
    }

    pub(super) async fn bridge(&self) -> Result<String, String> {
        let bridge = Bridge {
            name: "lan1".to_owned(),
            ports: vec!["lan1p1".to_owned()],
            addresses: vec![Network::new(BRIDGE, PREFIX)],
            isolated: true,
        };
        let built = async {
            link::veth(&self.gateway, "lan1p1", &self.inside, "eth1").await?;
            link::bridge_up(&self.gateway, &bridge).await
        };
        built.await.map_err(|e| words(&e))?;
        Ok("made over a link, with isolated ports".to_owned())
    }

    pub(super) async fn piece(&self, table: &Table) -> Result<String, String> {
        encode::load_table(&self.rules.nft, table, Load::Fresh).await.map_err(|e| words(&e))?;
        Ok("loaded".to_owned())
    }

    /// Of the loopback interface, as a lab does it to its links.
    pub(super) async fn loss(&self, course: Course) -> Result<String, String> {
        let leak = Leak { interface: "lo".to_owned(), course, share: 1 };
        // A node has one such table.
        let node = match course {
            Course::In => &self.rules,
            Course::Out => &self.inside,
        };
        load_loss(&node.nft, &[leak]).await.map_err(|e| words(&e))?;
        Ok("loaded".to_owned())
    }

    pub(super) async fn nat(&self) -> Result<String, String> {
        let table = rules::table(&self.plan);
        for how in [Load::Fresh, Load::Replace] {
            encode::load_table(&self.gateway.nft, &table, how).await.map_err(|e| words(&e))?;
        }
        Ok(format!("{}: {} rules loaded and replaced", self.plan.behavior, table.rules().count()))
    }

    pub(super) fn tap(&self) -> Result<String, String> {
        self.inside.run(Tap::open).map_err(|e| words(&e))?.map_err(|e| e.to_string())?;
        Ok("opened".to_owned())
    }

    /// Asks from inside, answers from outside.
    pub(super) async fn packets(&self) -> Result<String, String> {
        let mut tap = self.inside.run(Tap::open).map_err(|e| words(&e))?.ok();
        let inside = socket(&self.inside, SocketAddrV4::new(INSIDE, INSIDE_PORT))?;
        let outside = socket(&self.outside, SocketAddrV4::new(OUTSIDE, PORT))?;
        send(&inside, b"ask", SocketAddrV4::new(OUTSIDE, PORT)).await?;
        let seen = receive(&outside, "going out").await?;
        let SocketAddr::V4(external) = seen else { return Err(format!("it came from {seen}")) };
        if !EXTERNAL.contains(external.ip()) {
            return Err(format!("it came out untranslated, from {external}"));
        }
        send(&outside, b"answer", external).await?;
        receive(&inside, "coming in").await?;
        let tapped = match &mut tap {
            None => String::new(),
            Some(tap) => {
                let (mut out, mut into) = (0, 0);
                while let Some(p) = tap.try_read().map_err(|e| e.to_string())? {
                    match p.direction {
                        Direction::Out => out += 1,
                        Direction::In => into += 1,
                    }
                }
                if out == 0 || into == 0 {
                    return Err(format!("it went through, but the tap saw {out} going out and {into} coming in"));
                }
                ", seen by the tap both ways".to_owned()
            }
        };
        Ok(format!("{INSIDE}:{INSIDE_PORT} became {external}{tapped}"))
    }

    /// A packet that nobody asked for is dropped, and a rule tells.
    pub(super) async fn counters(&self) -> Result<String, String> {
        let outside = socket(&self.outside, SocketAddrV4::new(OUTSIDE, 0))?;
        let [external, ..] = EXTERNAL;
        send(&outside, b"unasked", SocketAddrV4::new(external, 9)).await?;
        let end = Instant::now() + PATIENCE;
        loop {
            let counted = encode::drops(&self.gateway.nft, rules::TABLE).await.map_err(|e| words(&e))?;
            if let Some((rule, packets)) = counted.into_iter().find(|(_, packets)| *packets > 0) {
                return Ok(format!("{packets} packet dropped by \"{rule}\""));
            }
            if Instant::now() > end {
                return Err("an unasked packet was sent, but no rule counted a drop".to_owned());
            }
            // The packet is on its way; the counter is asked again.
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }

    pub(super) async fn flush(&self) -> Result<String, String> {
        self.gateway.conntrack.flush_conntrack_all().await.map_err(|e| words(&e))?;
        Ok("emptied".to_owned())
    }

    pub(super) fn remove(self) -> Result<(), String> {
        for node in [self.inside, self.gateway, self.outside, self.rules] {
            node.remove().map_err(|e| words(&e))?;
        }
        fs::remove_dir(&self.directory).map_err(|e| format!("removing {}: {e}", self.directory.display()))
    }
}

fn socket(node: &Namespace, address: SocketAddrV4) -> Result<UdpSocket, String> {
    let bound = node.run(|| {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        UdpSocket::from_std(socket)
    });
    bound.map_err(|e| words(&e))?.map_err(|e| format!("binding {address}: {e}"))
}

async fn send(from: &UdpSocket, text: &[u8], to: SocketAddrV4) -> Result<(), String> {
    from.send_to(text, to).await.map(drop).map_err(|e| format!("sending to {to}: {e}"))
}

async fn receive(at: &UdpSocket, way: &str) -> Result<SocketAddr, String> {
    let mut buffer = [0; 16];
    let (_, from) = patiently(at.recv_from(&mut buffer))
        .await
        .ok_or_else(|| format!("nothing came within {} ms, {way}", PATIENCE.as_millis()))?
        .map_err(|e| e.to_string())?;
    Ok(from)
}

async fn patiently<T>(work: impl Future<Output = T>) -> Option<T> {
    timeout(PATIENCE, work).await.ok()
}
