//! The host that asks: its interfaces, its default gateways, and where packets to a server leave it.

pub mod kind;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::device::Device;
use super::socket::HostSockets;
use crate::classification::{Family, Host, Interface};

/// An interface, and what else is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// As it is reported.
    pub interface: Interface,
    /// As sockets are bound to it.
    pub device: Device,
    /// Default gateways that packets leave through here.
    pub gateways: Vec<IpAddr>,
}

/// Every interface that is up and has an address, loopback left out.
pub fn interfaces() -> Vec<Local> {
    let all = netdev::get_interfaces().into_iter().filter(|i| i.is_up() && !i.is_loopback());
    let mut found: Vec<Local> = all.map(local).filter(|l| !l.interface.addresses.is_empty()).collect();
    found.sort_by(|a, b| a.interface.name.cmp(&b.interface.name));
    found
}

fn local(interface: netdev::Interface) -> Local {
    let described = interface.friendly_name.iter().chain(&interface.description).map(String::as_str);
    let described: Vec<&str> = described.collect();
    let kind = kind::of(&interface.name, &described, interface.if_type, interface.is_point_to_point());
    let gateways = interface.gateway.iter().flat_map(|g| {
        let v4 = g.ipv4.iter().copied().map(IpAddr::V4);
        v4.chain(g.ipv6.iter().copied().map(IpAddr::V6)).collect::<Vec<_>>()
    });
    Local {
        device: Device { name: interface.name.clone(), index: interface.index },
        gateways: gateways.filter(|g| !g.is_unspecified()).collect(),
        // On Windows the name is a GUID, and the friendly one is what people know.
        interface: Interface {
            name: if cfg!(windows) { interface.friendly_name.clone() } else { None }
                .unwrap_or_else(|| interface.name.clone()),
            kind,
            addresses: interface.ip_addrs(),
            used: false,
        },
    }
}

/// The host as it is reported: the interfaces that hold one of these addresses are the ones in use.
pub fn describe(interfaces: &[Local], used: &[IpAddr]) -> Host {
    let mark = |l: &Local| {
        let used = l.interface.addresses.iter().any(|a| used.contains(a));
        Interface { used, ..l.interface.clone() }
    };
    Host { os: std::env::consts::OS.to_owned(), interfaces: interfaces.iter().map(mark).collect() }
}

/// Why nothing can be asked in a family.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoAddress {
    /// The interface that was named has none.
    #[error("{0} has no {1} address that reaches beyond its link")]
    Interface(String, Family),
    /// The routing table knows no way.
    #[error("find a way to {0}: {1}")]
    Route(SocketAddr, String),
}

/// The address that questions to this server leave from: of the interface that was chosen, or as the routing table says.
///
/// # Errors
/// When there is none.
pub fn address_towards(server: SocketAddr, chosen: Option<&Chosen>) -> Result<IpAddr, NoAddress> {
    let family = Family::of(server.ip());
    match chosen {
        None => Ok(HostSockets::towards(server).map_err(|e| NoAddress::Route(server, e.to_string()))?.local()),
        Some(chosen) => chosen
            .addresses
            .iter()
            .copied()
            .find(|a| Family::of(*a) == family)
            .ok_or_else(|| NoAddress::Interface(chosen.name.clone(), family)),
    }
}

/// What `--interface` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// As it was named.
    pub name: String,
    /// Addresses to ask from, the better ones first.
    pub addresses: Vec<IpAddr>,
    /// The interface that they are of; loopback is not bound to.
    pub device: Option<Device>,
}

/// Why `--interface` names nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotChosen {
    /// Neither a name nor an address of this host.
    #[error("{0} is neither an interface that is up nor an address of this host")]
    Unknown(String),
    /// It has no address to ask from.
    #[error("{0} has no address that reaches beyond its link")]
    Addressless(String),
}

/// Finds what `--interface` names: an interface, or one address of this host.
///
/// # Errors
/// When there is no such thing.
pub fn choose(interfaces: &[Local], name: &str) -> Result<Chosen, NotChosen> {
    if let Ok(address) = name.parse::<IpAddr>() {
        // Loopback has no interface here, and is where servers on this very host are asked from.
        let holder = interfaces.iter().find(|l| l.interface.addresses.contains(&address));
        return match holder {
            None if !address.is_loopback() => Err(NotChosen::Unknown(name.to_owned())),
            _ => {
                Ok(Chosen { name: name.to_owned(), addresses: vec![address], device: holder.map(|l| l.device.clone()) })
            }
        };
    }
    let found = interfaces.iter().find(|l| l.interface.name == name);
    let found = found.ok_or_else(|| NotChosen::Unknown(name.to_owned()))?;
    let mut addresses: Vec<IpAddr> = found.interface.addresses.iter().copied().filter(|a| !is_link_local(*a)).collect();
    // Unique local addresses (RFC 4193) reach no server in the Internet.
    addresses.sort_by_key(|a| matches!(a, IpAddr::V6(v6) if v6.is_unique_local()));
    if addresses.is_empty() {
        return Err(NotChosen::Addressless(name.to_owned()));
    }
    Ok(Chosen { name: name.to_owned(), addresses, device: Some(found.device.clone()) })
}

/// The default gateway behind which `local` stands, for the services of the router.
pub fn gateway_of(interfaces: &[Local], local: Ipv4Addr) -> Option<Ipv4Addr> {
    let holds = |l: &&Local| l.interface.addresses.contains(&IpAddr::V4(local));
    interfaces.iter().find(holds)?.gateways.iter().find_map(|g| match g {
        IpAddr::V4(v4) => Some(*v4),
        IpAddr::V6(_) => None,
    })
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::classification::InterfaceKind;

    fn sample() -> Vec<Local> {
        let local = |name: &str, kind, addresses: &[&str], gateways: &[&str]| Local {
            interface: Interface {
                name: name.to_owned(),
                kind,
                addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
                used: false,
            },
            device: Device { name: name.to_owned(), index: 7 },
            gateways: gateways.iter().map(|a| a.parse().unwrap()).collect(),
        };
        vec![
            local("eth0", InterfaceKind::Wired, &["fe80::1", "fd00::2", "2001:db8::2", "192.0.2.2"], &["192.0.2.1"]),
            local("lonely", InterfaceKind::Wired, &["fe80::3"], &[]),
            local("wg0", InterfaceKind::Vpn, &["10.8.0.2"], &[]),
        ]
    }

    #[test]
    fn an_interface_is_chosen_by_name_or_by_address() {
        let all = sample();
        let chosen = choose(&all, "eth0").unwrap();
        let towards = |server: &str| address_towards(server.parse().unwrap(), Some(&chosen));
        assert_eq!(towards("203.0.113.1:3478").unwrap().to_string(), "192.0.2.2");
        assert_eq!(
            towards("[2001:db8::9]:3478").unwrap().to_string(),
            "2001:db8::2",
            "neither link-local nor unique local"
        );
        assert_eq!(choose(&all, "10.8.0.2").unwrap().addresses.len(), 1);
        let vpn = choose(&all, "wg0").unwrap();
        let none = address_towards("[2001:db8::9]:3478".parse().unwrap(), Some(&vpn)).unwrap_err();
        assert_eq!(none.to_string(), "wg0 has no IPv6 address that reaches beyond its link");
        assert_eq!(choose(&all, "eth1").unwrap_err(), NotChosen::Unknown("eth1".to_owned()));
        assert_eq!(choose(&all, "192.0.2.77").unwrap_err(), NotChosen::Unknown("192.0.2.77".to_owned()));
        assert_eq!(choose(&all, "lonely").unwrap_err(), NotChosen::Addressless("lonely".to_owned()));
    }

    #[test]
    fn the_interface_in_use_is_the_one_that_holds_the_address() {
        let host = describe(&sample(), &["10.8.0.2".parse().unwrap()]);
        let used: Vec<&str> = host.interfaces.iter().filter(|i| i.used).map(|i| i.name.as_str()).collect();
        assert_eq!(used, ["wg0"]);
        assert_eq!(gateway_of(&sample(), "192.0.2.2".parse().unwrap()), Some("192.0.2.1".parse().unwrap()));
        assert_eq!(gateway_of(&sample(), "10.8.0.2".parse().unwrap()), None);
    }

    #[test]
    fn this_host_is_described_without_loopback() {
        for local in interfaces() {
            assert!(local.interface.addresses.iter().all(|a| !a.is_loopback()), "{local:?}");
        }
    }
}
