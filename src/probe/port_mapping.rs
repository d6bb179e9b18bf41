//! Services of the router that make mappings on request, and the external address that they tell: UPnP IGD, NAT-PMP (RFC 6886)
//! and PCP (RFC 6887). All three are asked at the same time.
//!
//! UPnP and NAT-PMP are asked for the address alone. PCP tells it only with a mapping: one is made for a UDP socket that this
//! module holds and nobody reads, and is taken back at once.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::num::NonZeroU16;
use std::time::Duration;

use crab_nat::{InternetProtocol, PortMappingOptions, PortMappingType, TimeoutConfig, natpmp, pcp};
use igd_next::SearchOptions;
use tokio::net::UdpSocket;
use tokio::time::timeout;

use crate::classification::{PortMapping, PortMappingService};

/// Whom to ask, and how long.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The address of this host towards the router.
    pub local: Ipv4Addr,
    /// The router; NAT-PMP and PCP are not asked without one.
    pub gateway: Option<Ipv4Addr>,
    /// Where UPnP devices are searched.
    pub search: SocketAddrV4,
    /// Addresses besides its own that a UPnP device may send us to.
    pub trusted: Vec<IpAddr>,
    /// How long a UPnP device, and then its answer, may take.
    pub patience: Duration,
    /// How long the first answer of NAT-PMP and PCP may take; the second and third one may take twice and four times that.
    pub first: Duration,
}

/// Multicast for the search of UPnP devices (SSDP).
const SSDP: SocketAddrV4 = SocketAddrV4::new(Ipv4Addr::new(239, 255, 255, 250), 1900);

/// How long the mapping of PCP would live if taking it back were lost, in seconds: the least that RFC 6887 §15 recommends.
const LIFETIME: u32 = 120;

impl Setup {
    /// The router of a home: it stands on the same link, so two seconds are many.
    pub fn new(local: Ipv4Addr, gateway: Option<Ipv4Addr>) -> Setup {
        Setup {
            local,
            gateway,
            search: SSDP,
            trusted: Vec::new(),
            patience: Duration::from_secs(2),
            first: Duration::from_millis(250),
        }
    }

    fn timing(&self) -> TimeoutConfig {
        TimeoutConfig { initial_timeout: self.first, max_retries: 2, max_retry_timeout: None }
    }
}

/// Asks all three; never fails, since silence is an answer.
pub async fn ask(setup: &Setup) -> Vec<PortMapping> {
    let (upnp, natpmp, pcp) = tokio::join!(upnp(setup), by_natpmp(setup), by_pcp(setup));
    vec![
        told(PortMappingService::UpnpIgd, upnp),
        told(PortMappingService::NatPmp, natpmp),
        told(PortMappingService::Pcp, pcp),
    ]
}

/// Why a service did not tell.
enum Failure {
    /// It was not asked.
    NotAsked(&'static str),
    /// It does not work.
    Unavailable(String),
}

fn told(service: PortMappingService, answer: Result<IpAddr, Failure>) -> PortMapping {
    let (available, external, because) = match answer {
        Ok(external) => (Some(true), Some(external), None),
        Err(Failure::NotAsked(why)) => (None, None, Some(why.to_owned())),
        Err(Failure::Unavailable(why)) => (Some(false), None, Some(why)),
    };
    PortMapping { service, available, external, because }
}

async fn upnp(setup: &Setup) -> Result<IpAddr, Failure> {
    let mut options = SearchOptions::default();
    options.bind_addr = SocketAddr::from((setup.local, 0));
    options.broadcast_address = setup.search.into();
    options.timeout = Some(setup.patience);
    options.single_search_timeout = Some(setup.patience);
    options.allowed_gateway_ips.clone_from(&setup.trusted);
    let gateway = igd_next::aio::tokio::search_gateway(options).await.map_err(|e| match e {
        igd_next::SearchError::NoResponseWithinTimeout => Failure::Unavailable("no answer".to_owned()),
        other => Failure::Unavailable(other.to_string()),
    })?;
    match timeout(setup.patience, gateway.get_external_ip()).await {
        Ok(Ok(external)) => Ok(external),
        Ok(Err(e)) => Err(Failure::Unavailable(e.to_string())),
        Err(_) => Err(Failure::Unavailable("found, and no answer".to_owned())),
    }
}

const NO_GATEWAY: Failure = Failure::NotAsked("there is no default gateway on this interface");

/// A router without the service answers with an ICMP error, or not at all.
fn no_packet(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::ConnectionRefused => "not offered".to_owned(),
        _ => error.to_string(),
    }
}

async fn by_natpmp(setup: &Setup) -> Result<IpAddr, Failure> {
    let gateway = setup.gateway.ok_or(NO_GATEWAY)?;
    match natpmp::external_address(gateway.into(), Some(setup.timing())).await {
        Ok(external) => Ok(IpAddr::V4(external)),
        Err(natpmp::Failure::Timeout) => Err(Failure::Unavailable("no answer".to_owned())),
        Err(natpmp::Failure::Socket(e)) => Err(Failure::Unavailable(no_packet(&e))),
        Err(e) => Err(Failure::Unavailable(e.to_string())),
    }
}

async fn by_pcp(setup: &Setup) -> Result<IpAddr, Failure> {
    let gateway = setup.gateway.ok_or(NO_GATEWAY)?;
    let failed = |e: std::io::Error| Failure::Unavailable(e.to_string());
    // Held until the mapping is gone, so that nothing else of this host is reached through it.
    let socket = UdpSocket::bind((setup.local, 0)).await.map_err(failed)?;
    let port = NonZeroU16::new(socket.local_addr().map_err(failed)?.port());
    let port = port.ok_or(Failure::NotAsked("the socket has no port"))?;
    let request = pcp::BaseMapRequest::new(gateway.into(), setup.local.into(), InternetProtocol::Udp, port);
    let options = PortMappingOptions {
        external_port: None,
        lifetime_seconds: Some(LIFETIME),
        timeout_config: Some(setup.timing()),
    };
    let mapping = pcp::port_mapping(request, None, None, options).await.map_err(|e| match e {
        pcp::Failure::Timeout => Failure::Unavailable("no answer".to_owned()),
        pcp::Failure::Socket(e) => Failure::Unavailable(no_packet(&e)),
        other => Failure::Unavailable(other.to_string()),
    })?;
    let external = match mapping.mapping_type() {
        PortMappingType::Pcp { external_ip, .. } => Ok(external_ip.to_canonical()),
        PortMappingType::NatPmp => Err(Failure::Unavailable("it answers as NAT-PMP does".to_owned())),
    };
    if let Err((e, _)) = mapping.try_drop().await {
        tracing::warn!("failed to take back a mapping of PCP, which ends by itself after {LIFETIME} s: {e}");
    }
    external
}

#[cfg(test)]
mod tests;
