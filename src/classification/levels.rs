//! How many NATs there are on the way: what the router says of its external address against what the world sees. Pure.

use std::net::IpAddr;

use super::{Family, FamilyFindings, Finding, NatLevels, PortMapping};
use crate::nat::Translation;
use crate::net::Network;

const METHOD: &str = "the router's external address against the reflexive one";

/// Addresses between a carrier's NAT and its customers (RFC 6598).
const SHARED: Network = Network::new(std::net::Ipv4Addr::new(100, 64, 0, 0), 10);

/// Whether an address is one between a carrier's NAT and its customers (RFC 6598).
pub fn is_shared(address: IpAddr) -> bool {
    matches!(address, IpAddr::V4(v4) if SHARED.contains(v4))
}

/// Draws the conclusion from the findings and what the router's services said.
///
/// `tunnel` says that the local address belongs to a VPN: some number their members from 100.64/10, and then that is no sign
/// of a carrier's NAT.
pub fn levels(family: &FamilyFindings, tunnel: bool) -> Finding<NatLevels> {
    match family.translation.value {
        None => return Finding::not_tested("it is not known whether there is a NAT at all"),
        Some(Translation::None) => return Finding::known(NatLevels::None, "RFC 5780 §4.3 test I"),
        Some(_) => {}
    }
    if let Some(local) = family.local.filter(|local| is_shared(*local) && !tunnel) {
        let seen = format!("{local} is a carrier's shared address (RFC 6598)");
        return Finding::known(NatLevels::Carrier, METHOD).with_evidence([seen]);
    }
    if family.family == Family::Ipv6 {
        return Finding::not_tested("routers are not asked for the external address of an IPv6 NAT");
    }
    let said: Vec<(&PortMapping, IpAddr)> =
        family.port_mapping.iter().filter_map(|m| Some((m, m.external.filter(|e| !e.is_unspecified())?))).collect();
    if let Some((service, external)) = said.iter().find(|(_, external)| is_shared(*external)) {
        let seen = format!("{} says {external}, a carrier's shared address (RFC 6598)", service.service);
        return Finding::known(NatLevels::Carrier, METHOD).with_evidence([seen]);
    }
    let evidence = said.iter().map(|(service, external)| format!("{} says {external}", service.service));
    if said.is_empty() {
        return Finding::unsupported("no router tells its external address: there is one NAT at least");
    }
    let seen_outside = said.iter().any(|(_, external)| family.external.contains(external));
    let elsewhere = said.iter().any(|(_, external)| !family.external.contains(external));
    match (seen_outside, elsewhere) {
        (true, true) => Finding::inconclusive("services of the router name different external addresses", METHOD),
        (true, false) => Finding::known(NatLevels::One, METHOD),
        _ => Finding::known(NatLevels::Several, METHOD),
    }
    .with_evidence(evidence)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classification::{PortMappingService, Status};

    fn family(local: &str, external: &str, said: &[&str]) -> FamilyFindings {
        let mut family = FamilyFindings::unknown(Family::Ipv4);
        family.local = local.parse().ok();
        family.external = external.parse().into_iter().collect();
        family.translation = Finding::known(Translation::Napt, "");
        family.port_mapping = said
            .iter()
            .map(|said| PortMapping {
                service: PortMappingService::UpnpIgd,
                available: Some(true),
                external: said.parse().ok(),
                because: None,
            })
            .collect();
        family
    }

    #[test]
    fn the_router_against_the_world() {
        let of = |local, external, said: &[&str]| levels(&family(local, external, said), false).value;
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["203.0.113.7"]), Some(NatLevels::One));
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["10.0.0.2"]), Some(NatLevels::Several));
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["198.51.100.4"]), Some(NatLevels::Several));
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["100.100.0.2"]), Some(NatLevels::Carrier));
        assert_eq!(of("100.64.0.9", "203.0.113.7", &[]), Some(NatLevels::Carrier));
        assert_eq!(of("100.128.0.9", "203.0.113.7", &[]), None, "just outside of 100.64/10");
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["0.0.0.0"]), None, "a router without an uplink");
        assert_eq!(of("192.168.1.2", "203.0.113.7", &["203.0.113.7", "10.0.0.2"]), None, "they disagree");
    }

    #[test]
    fn a_vpn_numbered_from_the_shared_space_is_no_carrier() {
        let found = levels(&family("100.101.3.4", "203.0.113.7", &[]), true);
        assert_eq!((found.value, found.status), (None, Status::Unsupported));
    }

    #[test]
    fn without_a_nat_there_is_none() {
        let mut family = family("203.0.113.7", "203.0.113.7", &["10.0.0.1"]);
        family.translation = Finding::known(Translation::None, "");
        assert_eq!(levels(&family, false).value, Some(NatLevels::None));
    }
}
