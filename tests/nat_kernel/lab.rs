//! A few namespaces with links between them, built through netlink alone.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;
use std::sync::mpsc;

use natlab::nat::Behavior;
use natlab::nat::rules::{self, Stage, Sysctl};
use natlab::net::Network;
use natlab::nft::encode::{self, Load};
use natlab::plan::Gateway;
use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::link::{BridgeLink, VethLink};
use nlink::netlink::namespace::Netns;
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::{Connection, Netfilter, Nftables, Route};
use tokio::runtime::Runtime;

type Fallible<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Addresses of the Internet's servers.
pub const SERVERS: [Ipv4Addr; 3] =
    [Ipv4Addr::new(198, 51, 100, 1), Ipv4Addr::new(198, 51, 100, 2), Ipv4Addr::new(198, 51, 100, 3)];
/// The first of the gateway's three addresses outside.
pub const EXTERNAL: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 2);
/// Both hosts inside, behind a NAT.
pub const HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 168, 1, 11), Ipv4Addr::new(192, 168, 1, 12)];
/// The same two, behind a gateway that does not translate.
pub const PUBLIC_HOSTS: [Ipv4Addr; 2] = [Ipv4Addr::new(192, 0, 2, 11), Ipv4Addr::new(192, 0, 2, 12)];
/// Inside a carrier's NAT: its own address and that of a home.
const CARRIER: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 1);
pub const CARRIER_HOME: Ipv4Addr = Ipv4Addr::new(100, 64, 0, 2);

/// A gateway with these external addresses.
pub fn gateway(behavior: Behavior, external: &[Ipv4Addr]) -> Gateway {
    Gateway {
        behavior,
        wan: "wan0".to_owned(),
        external: if behavior.translation.translates() { external.to_vec() } else { vec![] },
        inside: vec![Network::new(Ipv4Addr::new(192, 168, 1, 0), 24)],
        pairs: vec![],
        forwards: vec![],
        seed: 1,
        preset: None,
    }
}

/// A namespace and sockets inside it.
pub struct Node {
    pub netns: Netns,
    pub route: Connection<Route>,
    pub nft: Connection<Nftables>,
    pub conntrack: Connection<Netfilter>,
}

impl Node {
    /// In the namespace that the calling thread has just entered.
    fn here() -> Fallible<Self> {
        let fd: OwnedFd = fs::File::open("/proc/thread-self/ns/net")?.into();
        Ok(Node {
            netns: Netns::from_fd(fd)?,
            route: Connection::<Route>::new()?,
            nft: Connection::<Nftables>::new()?,
            conntrack: Connection::<Netfilter>::new()?,
        })
    }

    async fn up(&self, interface: &str, addresses: &[(Ipv4Addr, u8)]) -> Fallible<()> {
        let link = self.route.get_link_by_name(interface).await?.ok_or("no such interface")?;
        for &(address, prefix) in addresses {
            self.route.add_address(Ipv4Address::with_index(link.ifindex(), address, prefix)).await?;
        }
        Ok(self.route.set_link_up_by_index(link.ifindex()).await?)
    }

    async fn route_to(&self, to: (Ipv4Addr, u8), via: Ipv4Addr) -> Fallible<()> {
        Ok(self.route.add_route(Ipv4Route::new(to.0, to.1).gateway(via)).await?)
    }

    async fn bridge(&self, name: &str, ports: &[&str], addresses: &[(Ipv4Addr, u8)]) -> Fallible<()> {
        self.route.add_link(BridgeLink::new(name)).await?;
        for port in ports {
            self.route.set_link_master(*port, name).await?;
            self.up(port, &[]).await?;
        }
        self.up(name, addresses).await
    }
}

/// New namespaces, with everything a gateway's needs before interfaces are made.
fn namespaces(rt: &Runtime, n: usize) -> Fallible<Vec<Node>> {
    let settings = rules::sysctls(&gateway(Behavior::public(natlab::nat::Filtering::EndpointIndependent), &[]));
    let handle = rt.handle().clone();
    let (send, receive) = mpsc::channel();
    let maker = std::thread::spawn(move || -> Fallible<()> {
        let _inside = handle.enter();
        for _ in 0..n {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET)?;
            settings.iter().filter(|s| s.stage == Stage::BeforeInterfaces).try_for_each(set)?;
            send.send(Node::here()?)?;
        }
        Ok(())
    });
    let nodes = receive.into_iter().collect();
    maker.join().expect("the thread that makes namespaces ends")?;
    Ok(nodes)
}

/// Writes a setting of the namespace that the calling thread is in.
fn set(s: &Sysctl) -> Fallible<()> {
    let file = format!("/proc/sys/{}", s.name.replace('.', "/"));
    match fs::write(&file, &s.value) {
        Err(e) if s.optional && e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(format!("{file}: {e}").into()),
        Ok(()) => Ok(()),
    }
}

async fn lo_up(nodes: &[&Node]) -> Fallible<()> {
    for n in nodes {
        n.route.set_link_up_by_index(1).await?;
    }
    Ok(())
}

/// Two hosts on one bridge behind one gateway, and the Internet with its servers.
pub struct Home {
    pub rt: Runtime,
    pub internet: Node,
    pub gateway: Node,
    pub hosts: [Node; 2],
}

impl Home {
    /// Without rules.
    pub fn build() -> Fallible<Self> {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Ok([internet, gateway, a, b]) = <[Node; 4]>::try_from(namespaces(&rt, 4)?) else {
            return Err("not four namespaces".into());
        };
        rt.block_on(async {
            lo_up(&[&internet, &gateway, &a, &b]).await?;
            gateway.route.add_link(VethLink::new("wan0", "home").peer_netns_fd(&internet.netns)).await?;
            gateway.route.add_link(VethLink::new("lan0", "eth0").peer_netns_fd(&a.netns)).await?;
            gateway.route.add_link(VethLink::new("lan1", "eth0").peer_netns_fd(&b.netns)).await?;
            internet.up("lo", &SERVERS.map(|s| (s, 32))).await?;
            internet.up("home", &[(Ipv4Addr::new(203, 0, 113, 1), 24)]).await?;
            gateway.up("wan0", &[2, 3, 4].map(|d| (Ipv4Addr::new(203, 0, 113, d), 24))).await?;
            let inside = [(Ipv4Addr::new(192, 168, 1, 1), 24), (Ipv4Addr::new(192, 0, 2, 1), 24)];
            gateway.bridge("br0", &["lan0", "lan1"], &inside).await?;
            for (i, host) in [&a, &b].into_iter().enumerate() {
                host.up("eth0", &[(HOSTS[i], 24), (PUBLIC_HOSTS[i], 24)]).await?;
                host.route_to((Ipv4Addr::UNSPECIFIED, 0), Ipv4Addr::new(192, 168, 1, 1)).await?;
            }
            gateway.route_to((Ipv4Addr::UNSPECIFIED, 0), Ipv4Addr::new(203, 0, 113, 1)).await?;
            // The Internet has no routes to private networks. This one has, to see that the gateway does not rely on it.
            for inside in [Ipv4Addr::new(192, 0, 2, 0), Ipv4Addr::new(192, 168, 1, 0)] {
                internet.route_to((inside, 24), EXTERNAL).await?;
            }
            Fallible::Ok(())
        })?;
        Ok(Home { rt, internet, gateway, hosts: [a, b] })
    }

    /// The gateway begins to do this, with nothing of its earlier life.
    pub fn become_gateway(&self, behavior: Behavior) -> Gateway {
        let g = gateway(behavior, &[EXTERNAL]);
        self.load(&g);
        g
    }

    /// The same for a gateway as given.
    pub fn load(&self, g: &Gateway) {
        self.rt.block_on(load(&self.gateway, g)).expect("load the rules");
    }

    /// Packets that the gateway has dropped, by comment.
    pub fn drops(&self) -> BTreeMap<String, u64> {
        self.rt.block_on(encode::drops(&self.gateway.nft, rules::TABLE)).expect("read counters")
    }

    /// Packets dropped by rules whose comment begins so.
    pub fn dropped(&self, comment: &str) -> u64 {
        self.drops().iter().filter(|(why, _)| why.starts_with(comment)).map(|(_, n)| n).sum()
    }
}

async fn load(node: &Node, g: &Gateway) -> Fallible<()> {
    encode::load_table(&node.nft, &rules::table(g), Load::Replace).await?;
    node.conntrack.flush_conntrack_all().await?;
    let settings = rules::sysctls(g);
    node.netns.run(move || settings.iter().filter(|s| s.stage == Stage::AfterTable).try_for_each(set))?
}

/// A home behind a carrier's NAT: one host, two gateways, the Internet.
pub struct Carrier {
    pub rt: Runtime,
    pub internet: Node,
    pub carrier: Node,
    pub home: Node,
    pub host: Node,
}

impl Carrier {
    /// Without rules.
    pub fn build() -> Fallible<Self> {
        let rt = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let Ok([internet, carrier, home, host]) = <[Node; 4]>::try_from(namespaces(&rt, 4)?) else {
            return Err("not four namespaces".into());
        };
        rt.block_on(async {
            lo_up(&[&internet, &carrier, &home, &host]).await?;
            carrier.route.add_link(VethLink::new("wan0", "carrier").peer_netns_fd(&internet.netns)).await?;
            home.route.add_link(VethLink::new("wan0", "lan0").peer_netns_fd(&carrier.netns)).await?;
            host.route.add_link(VethLink::new("eth0", "lan0").peer_netns_fd(&home.netns)).await?;
            internet.up("lo", &SERVERS.map(|s| (s, 32))).await?;
            internet.up("carrier", &[(Ipv4Addr::new(203, 0, 113, 1), 24)]).await?;
            carrier.up("wan0", &[(EXTERNAL, 24)]).await?;
            carrier.up("lan0", &[(CARRIER, 24)]).await?;
            home.up("wan0", &[(CARRIER_HOME, 24)]).await?;
            home.up("lan0", &[(Ipv4Addr::new(192, 168, 1, 1), 24)]).await?;
            host.up("eth0", &[(HOSTS[0], 24)]).await?;
            let default = (Ipv4Addr::UNSPECIFIED, 0);
            host.route_to(default, Ipv4Addr::new(192, 168, 1, 1)).await?;
            home.route_to(default, CARRIER).await?;
            carrier.route_to(default, Ipv4Addr::new(203, 0, 113, 1)).await
        })?;
        Ok(Carrier { rt, internet, carrier, home, host })
    }

    /// The two gateways begin to do this.
    pub fn load(&self, home: Behavior, carrier: Behavior) {
        self.rt.block_on(async {
            load(&self.home, &gateway(home, &[CARRIER_HOME])).await.expect("load the home's rules");
            load(&self.carrier, &gateway(carrier, &[EXTERNAL])).await.expect("load the carrier's rules");
        });
    }
}
