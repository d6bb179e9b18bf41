//! A topology becomes namespaces, links, addresses and routes. Gateways forward, but have no rules yet: those are loaded as
//! they are measured (`run::conformance`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::link;
use super::namespace::{self, Namespace, NamespaceError, Sysctl};
use crate::nat::rules::{self, Stage};
use crate::nft::encode::{self, Load};
use crate::plan::{Gateway, Node, NodeRole, Topology};

/// Every node of a trial.
#[derive(Debug)]
pub struct Lab {
    nodes: Vec<Namespace>,
    directory: PathBuf,
}

/// Why a lab could not be built or taken down.
#[derive(Debug, thiserror::Error)]
pub enum LabError {
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A netlink request.
    #[error("failed to {operation} of node {node}: {source}")]
    Netlink {
        /// Which step.
        operation: &'static str,
        /// Which node.
        node: String,
        /// The kernel's answer.
        source: nlink::Error,
    },
    /// Rules.
    #[error("failed to {source} in node {node}")]
    Rules {
        /// Node.
        node: String,
        /// What was attempted, and the kernel's answer.
        source: encode::Error,
    },
    /// A setting that is written once the rules are there.
    #[error("failed to set a sysctl of node {node}: {why}")]
    Sysctl {
        /// Node.
        node: String,
        /// Which, and why.
        why: String,
    },
    /// The plan names a node that it does not have: a bug.
    #[error("failed to find node {0} of the plan")]
    NoSuchNode(String),
    /// The directory of the lab's namespaces.
    #[error("failed to make the directory of the namespaces: {0}")]
    Directory(std::io::Error),
    /// The probe itself, not what it found.
    #[error("failed to measure the gateways: {0}")]
    Probe(String),
    /// A server's program.
    #[error("failed to start the server of node {node}: {source}")]
    Server {
        /// Node.
        node: String,
        /// Why.
        source: std::io::Error,
    },
    /// A link that never came up.
    #[error("failed to see interface {interface} of node {node} running within {limit_ms} ms")]
    NotRunning {
        /// Node.
        node: String,
        /// Interface.
        interface: String,
        /// How long it was waited for.
        limit_ms: u64,
    },
}

impl LabError {
    /// A failure of the rules.
    pub fn rules(node: &str) -> impl FnOnce(encode::Error) -> LabError {
        let node = node.to_owned();
        move |source| LabError::Rules { node, source }
    }

    /// A netlink request that was refused.
    pub fn netlink(operation: &'static str, node: &str) -> impl FnOnce(nlink::Error) -> LabError {
        let node = node.to_owned();
        move |source| LabError::Netlink { operation, node, source }
    }
}

/// How long a link may take until it can carry packets.
const RUNNING_LIMIT: Duration = Duration::from_secs(3);

/// Builds `topology`; the namespaces are pinned in a new directory `name` below `directory`.
pub async fn build(topology: &Topology, directory: &Path, name: &str) -> Result<Lab, LabError> {
    let directory = directory.join(name);
    std::fs::create_dir_all(&directory).map_err(LabError::Directory)?;
    let wanted = topology.nodes.iter().map(|n| (n.name.clone(), sysctls(n))).collect();
    let nodes = namespace::create(&directory, wanted).await?;
    let lab = Lab { nodes, directory };
    match wire(topology, &lab).await {
        Ok(()) => Ok(lab),
        Err(e) => {
            // The first error is the one to tell; what is left goes with the namespaces.
            let _ = lab.remove();
            Err(e)
        }
    }
}

async fn wire(topology: &Topology, lab: &Lab) -> Result<(), LabError> {
    for l in &topology.links {
        let (a, b) = (lab.node(&l.a.node)?, lab.node(&l.b.node)?);
        let made = link::veth(a, &l.a.interface, b, &l.b.interface).await;
        made.map_err(LabError::netlink("make a link", &l.a.node))?;
    }
    // Every end must be up before a route over it is accepted.
    for n in &topology.nodes {
        let node = lab.node(&n.name)?;
        link::loopback_up(node).await.map_err(LabError::netlink("bring up lo", &n.name))?;
        for i in &n.interfaces {
            link::interface_up(node, i).await.map_err(LabError::netlink("bring up an interface", &n.name))?;
        }
        for b in &n.bridges {
            link::bridge_up(node, b).await.map_err(LabError::netlink("make a bridge", &n.name))?;
        }
    }
    for n in &topology.nodes {
        let node = lab.node(&n.name)?;
        for r in &n.routes {
            link::route(node, r).await.map_err(LabError::netlink("add a route", &n.name))?;
        }
    }
    Ok(())
}

/// Every node of its own: no IPv6 unless asked for (link-local addresses would turn up as candidates); routers forward.
fn sysctls(node: &Node) -> Vec<Sysctl> {
    let set = |key: &str, value: &str, optional| Sysctl { key: key.into(), value: value.into(), optional };
    let mut all =
        vec![set("net.ipv6.conf.all.disable_ipv6", "1", true), set("net.ipv6.conf.default.disable_ipv6", "1", true)];
    if node.role == NodeRole::Internet {
        all.push(set("net.ipv4.ip_forward", "1", false));
    }
    if let Some(gateway) = &node.gateway {
        all.extend(of_gateway(gateway, Stage::BeforeInterfaces));
    }
    all
}

/// What a gateway needs at a stage.
pub fn of_gateway(gateway: &Gateway, stage: Stage) -> impl Iterator<Item = Sysctl> {
    let all = rules::sysctls(gateway).into_iter().filter(move |s| s.stage == stage);
    all.map(|s| Sysctl { key: s.name.to_owned(), value: s.value, optional: s.optional })
}

/// Loads a gateway's rules, and then the settings that only exist with them.
pub async fn load(node: &Namespace, gateway: &Gateway, how: Load) -> Result<(), LabError> {
    let loaded = encode::load_table(&node.nft, &rules::table(gateway), how).await;
    loaded.map_err(LabError::rules(&node.name))?;
    let sysctls: Vec<_> = of_gateway(gateway, Stage::AfterTable).collect();
    let set = node.run(|| sysctls.iter().try_for_each(Sysctl::write))?;
    set.map_err(|why| LabError::Sysctl { node: node.name.clone(), why })
}

impl Lab {
    /// The node of this name.
    pub fn node(&self, name: &str) -> Result<&Namespace, LabError> {
        self.nodes.iter().find(|n| n.name == name).ok_or_else(|| LabError::NoSuchNode(name.to_owned()))
    }

    /// Every node.
    pub fn nodes(&self) -> &[Namespace] {
        &self.nodes
    }

    /// Where its namespaces are pinned.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Waits until the interfaces of every peer can carry packets, since agents list them once.
    pub async fn running(&self, topology: &Topology) -> Result<(), LabError> {
        self.running_where(topology, |n| n.role == NodeRole::Peer).await
    }

    /// Waits until every link can carry packets. The kernel brings them up one by one, some time after they were told to be
    /// up, and drops what is sent until then.
    pub async fn all_running(&self, topology: &Topology) -> Result<(), LabError> {
        self.running_where(topology, |_| true).await
    }

    async fn running_where(&self, topology: &Topology, which: impl Fn(&Node) -> bool) -> Result<(), LabError> {
        let limit = tokio::time::Instant::now() + RUNNING_LIMIT;
        for n in topology.nodes.iter().filter(|n| which(n)) {
            let node = self.node(&n.name)?;
            let bridges = n.bridges.iter().map(|b| &b.name);
            for name in n.interfaces.iter().map(|i| &i.name).chain(bridges) {
                while !link::is_running(node, name).await.map_err(LabError::netlink("read a link", &n.name))? {
                    if tokio::time::Instant::now() > limit {
                        return Err(LabError::NotRunning {
                            node: n.name.clone(),
                            interface: name.clone(),
                            limit_ms: RUNNING_LIMIT.as_millis() as u64,
                        });
                    }
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        Ok(())
    }

    /// Unpins every namespace and removes the directory; every failure is told.
    pub fn remove(self) -> Result<(), LabError> {
        let mut first = None;
        for n in self.nodes {
            if let Err(e) = n.remove() {
                first.get_or_insert(LabError::Namespace(e));
            }
        }
        if let Err(e) = std::fs::remove_dir(&self.directory) {
            first.get_or_insert(LabError::Directory(e));
        }
        first.map_or(Ok(()), Err)
    }
}
