//! Links, bridges, addresses and routes over rtnetlink.

use nlink::netlink::addr::Ipv4Address;
use nlink::netlink::link::{BridgeLink, BridgePortConfig, VethLink};
use nlink::netlink::route::Ipv4Route;
use nlink::netlink::types::route::RouteType;

use super::namespace::Namespace;
use crate::net::Network;
use crate::plan::{Bridge, Hop, Interface, Route};

/// Index of `lo`, the first link of every namespace.
const LOOPBACK: u32 = 1;

/// A veth pair, both ends created in their namespaces (moving one would wait for an RCU grace period).
pub async fn veth(a: &Namespace, name: &str, b: &Namespace, peer_name: &str) -> nlink::Result<()> {
    a.route.add_link(VethLink::new(name, peer_name).peer_netns_fd(b.file())).await
}

/// Brings `lo` up.
pub async fn loopback_up(node: &Namespace) -> nlink::Result<()> {
    node.route.set_link_up_by_index(LOOPBACK).await
}

/// Gives an interface its addresses and brings it up.
pub async fn interface_up(node: &Namespace, interface: &Interface) -> nlink::Result<()> {
    let index = index(node, &interface.name).await?;
    addresses(node, index, &interface.addresses).await?;
    node.route.set_link_up_by_index(index).await
}

/// Makes a bridge over interfaces that exist, with its addresses, and brings it up.
pub async fn bridge_up(node: &Namespace, bridge: &Bridge) -> nlink::Result<()> {
    node.route.add_link(BridgeLink::new(&bridge.name)).await?;
    let master = index(node, &bridge.name).await?;
    for port in &bridge.ports {
        let port = index(node, port).await?;
        node.route.set_link_master_by_index(port, master).await?;
        if bridge.isolated {
            node.route.set_bridge_port_by_index(port, BridgePortConfig::new().isolated(true)).await?;
        }
    }
    addresses(node, master, &bridge.addresses).await?;
    node.route.set_link_up_by_index(master).await
}

/// Adds a route; its interface must be up.
pub async fn route(node: &Namespace, route: &Route) -> nlink::Result<()> {
    let to = Ipv4Route::new(route.to.address, route.to.prefix);
    let to = match &route.hop {
        Hop::Via { gateway, interface } => to.gateway(*gateway).dev_index(index(node, interface).await?).onlink(),
        Hop::Direct { interface } => to.dev_index(index(node, interface).await?),
        Hop::Blackhole => to.route_type(RouteType::Blackhole),
    };
    node.route.add_route(to).await
}

/// Whether the interface can carry packets already (`IFF_RUNNING`): agents leave out those that cannot.
pub async fn is_running(node: &Namespace, interface: &str) -> nlink::Result<bool> {
    Ok(node.route.get_link_by_name(interface).await?.is_some_and(|l| l.flags() & nix::libc::IFF_RUNNING as u32 != 0))
}

async fn addresses(node: &Namespace, index: u32, all: &[Network]) -> nlink::Result<()> {
    for a in all {
        node.route.add_address(Ipv4Address::with_index(index, a.address, a.prefix)).await?;
    }
    Ok(())
}

async fn index(node: &Namespace, interface: &str) -> nlink::Result<u32> {
    match node.route.get_link_by_name(interface).await? {
        Some(link) => Ok(link.ifindex()),
        None => Err(nlink::Error::interface_not_found(interface)),
    }
}
