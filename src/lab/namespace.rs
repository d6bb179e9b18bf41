//! One network namespace per node, through netns-rs with a private persist directory, so that each has a name that can be
//! entered; its netlink sockets are opened once, by a thread inside it.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use netns_rs::{Env, NetNs};
use nlink::netlink::{Connection, Netfilter, Nftables, Route};
use tokio::runtime::Handle;

/// A network namespace and the sockets that configure it.
pub struct Namespace {
    /// Node name.
    pub name: String,
    net: NetNs<Persist>,
    /// Links, addresses, routes.
    pub route: Connection<Route>,
    /// Rules.
    pub nft: Connection<Nftables>,
    /// Connection tracking.
    pub conntrack: Connection<Netfilter>,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Namespace").field("name", &self.name).field("net", &self.net).finish_non_exhaustive()
    }
}

/// What went wrong with a namespace.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} of node {node}: {why}")]
pub struct NamespaceError {
    /// Which step.
    pub operation: &'static str,
    /// Which node.
    pub node: String,
    /// Why.
    pub why: String,
}

/// Where namespaces are pinned: a directory on the private tmpfs, made once by whoever builds the lab. The default `init`
/// would remount it shared for every namespace; nobody else can see this one.
#[derive(Clone, Debug)]
struct Persist(PathBuf);

impl Env for Persist {
    fn persist_dir(&self) -> PathBuf {
        self.0.clone()
    }
    fn init(&self) -> netns_rs::Result<()> {
        Ok(())
    }
}

/// A sysctl: its path below `/proc/sys` with dots, its value, and whether the kernel may lack it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sysctl {
    /// Such as `net.ipv4.ip_forward`.
    pub key: String,
    /// As written.
    pub value: String,
    /// A kernel without the feature has no such file, and needs no setting.
    pub optional: bool,
}

impl Sysctl {
    /// Writes it in the network namespace of the calling thread.
    pub fn write(&self) -> Result<(), String> {
        let path = format!("/proc/sys/{}", self.key.replace('.', "/"));
        match fs::write(&path, &self.value) {
            Err(e) if self.optional && e.kind() == io::ErrorKind::NotFound => Ok(()),
            r => r.map_err(|e| format!("{path}: {e}")),
        }
    }
}

/// Makes one namespace per name below `directory`, each with its sysctls, on one thread that goes from one to the next.
pub async fn create(directory: &Path, nodes: Vec<(String, Vec<Sysctl>)>) -> Result<Vec<Namespace>, NamespaceError> {
    let persist = Persist(directory.to_owned());
    let runtime = Handle::current();
    let thread = std::thread::Builder::new().name("namespaces".into()).spawn(move || {
        let _inside = runtime.enter();
        let mut made = Vec::with_capacity(nodes.len());
        for (name, sysctls) in nodes {
            match make(&persist, name, &sysctls) {
                Ok(namespace) => made.push(namespace),
                Err(e) => {
                    // Names are free again: a second attempt would otherwise fail for them, and hide the reason.
                    for namespace in made {
                        let _ = namespace.remove();
                    }
                    return Err(e);
                }
            }
        }
        Ok(made)
    });
    let failed = |why: String| NamespaceError { operation: "start the thread", node: "every".into(), why };
    let thread = thread.map_err(|e| failed(e.to_string()))?;
    thread.join().map_err(|_| failed("it panicked".into()))?
}

fn make(persist: &Persist, name: String, sysctls: &[Sysctl]) -> Result<Namespace, NamespaceError> {
    let node = name.clone();
    let error = |operation| {
        let node = node.clone();
        move |why: String| NamespaceError { operation, node, why }
    };
    let net = NetNs::new_with_env(&name, persist.clone()).map_err(|e| error("make the namespace")(e.to_string()))?;
    match settle(&net, sysctls) {
        Ok((route, nft, conntrack)) => Ok(Namespace { name, net, route, nft, conntrack }),
        Err((operation, why)) => {
            let _ = net.remove();
            Err(error(operation)(why))
        }
    }
}

/// Sockets of a namespace for links, rules and connections.
type Sockets = (Connection<Route>, Connection<Nftables>, Connection<Netfilter>);

/// Enters a new namespace, opens its sockets and writes its settings; an error comes with what was attempted.
fn settle(net: &NetNs<Persist>, sysctls: &[Sysctl]) -> Result<Sockets, (&'static str, String)> {
    net.enter().map_err(|e| ("enter the namespace", e.to_string()))?;
    let socket = |e: nlink::Error| ("open a netlink socket", e.to_string());
    let sockets = (
        Connection::<Route>::new().map_err(socket)?,
        Connection::<Nftables>::new().map_err(socket)?,
        Connection::<Netfilter>::new().map_err(socket)?,
    );
    for s in sysctls {
        s.write().map_err(|why| ("set a sysctl", why))?;
    }
    Ok(sockets)
}

impl Namespace {
    /// The namespace itself, for creating links in place.
    pub fn file(&self) -> &fs::File {
        self.net.file()
    }

    /// Where it is pinned: `nsenter --net=PATH` enters it.
    pub fn path(&self) -> &Path {
        self.net.path()
    }

    /// Runs `work` on a thread of its own inside the namespace, with the caller's runtime entered: sockets made there stay
    /// there, processes started there live there.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        let error = |operation, why: String| NamespaceError { operation, node: self.name.clone(), why };
        let runtime = Handle::current();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.net.enter().map_err(|e| error("enter the namespace", e.to_string()))?;
                let _inside = runtime.enter();
                Ok(work())
            });
            thread.join().unwrap_or_else(|_| Err(error("work inside the namespace", "the thread panicked".into())))
        })
    }

    /// Unpins it; the kernel takes it down once nothing lives there any more.
    pub fn remove(self) -> Result<(), NamespaceError> {
        let Namespace { name, net, .. } = self;
        net.remove().map_err(|e| NamespaceError { operation: "remove the namespace", node: name, why: e.to_string() })
    }
}
