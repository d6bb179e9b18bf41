//! Routers on loopback: a UPnP device, a NAT-PMP server, a PCP server, and none.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;

/// The port of NAT-PMP and PCP, which is fixed; each test takes an address of its own.
const PORT: u16 = 5351;

fn setup(gateway: Ipv4Addr, search: SocketAddrV4) -> Setup {
    Setup {
        search,
        trusted: vec![IpAddr::V4(Ipv4Addr::LOCALHOST)],
        patience: Duration::from_millis(500),
        first: Duration::from_millis(100),
        ..Setup::new(Ipv4Addr::LOCALHOST, Some(gateway))
    }
}

/// Where nobody answers a search.
async fn silent() -> (UdpSocket, SocketAddrV4) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let SocketAddr::V4(at) = socket.local_addr().unwrap() else { unreachable!() };
    (socket, at)
}

fn of(all: &[PortMapping], service: PortMappingService) -> PortMapping {
    all.iter().find(|m| m.service == service).unwrap().clone()
}

#[tokio::test]
async fn a_natpmp_router_tells_its_address_and_is_no_pcp_router() {
    let at = Ipv4Addr::new(127, 0, 77, 1);
    let router = UdpSocket::bind((at, PORT)).await.unwrap();
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 64];
        loop {
            let (_, from) = router.recv_from(&mut buffer).await.unwrap();
            let answer: &[u8] = match buffer[0] {
                0 => &[0, 128, 0, 0, 0, 0, 0, 9, 203, 0, 113, 7],
                // Another version: RFC 6886 §3.5.
                _ => &[0, 128, 0, 1, 0, 0, 0, 9],
            };
            router.send_to(answer, from).await.unwrap();
        }
    });
    let (_kept, search) = silent().await;
    let all = ask(&setup(at, search)).await;
    serving.abort();
    let natpmp = of(&all, PortMappingService::NatPmp);
    assert_eq!((natpmp.available, natpmp.external), (Some(true), Some("203.0.113.7".parse().unwrap())));
    let pcp = of(&all, PortMappingService::Pcp);
    assert_eq!((pcp.available, pcp.external), (Some(false), None), "{pcp:?}");
    let upnp = of(&all, PortMappingService::UpnpIgd);
    assert_eq!((upnp.available, upnp.because.as_deref()), (Some(false), Some("no answer")));
}

#[tokio::test]
async fn a_pcp_router_tells_its_address_and_has_its_mapping_taken_back() {
    let at = Ipv4Addr::new(127, 0, 77, 2);
    let router = UdpSocket::bind((at, PORT)).await.unwrap();
    let (made, dropped) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (Arc::clone(&made), Arc::clone(&dropped));
    let serving = tokio::spawn(async move {
        let mut buffer = [0; 128];
        loop {
            let (length, from) = router.recv_from(&mut buffer).await.unwrap();
            if buffer[0] != 2 || length < 60 {
                continue;
            }
            let lifetime = u32::from_be_bytes(buffer[4..8].try_into().unwrap());
            let count = if lifetime == 0 { &counts.1 } else { &counts.0 };
            count.fetch_add(1, Ordering::SeqCst);
            // RFC 6887 §7.2 and §11.1: header, then nonce, protocol, internal port, external port and address.
            let mut answer = vec![2, 0x81, 0, 0];
            answer.extend(lifetime.to_be_bytes());
            answer.extend([0, 0, 0, 9]);
            answer.extend([0; 12]);
            answer.extend(&buffer[24..42]);
            answer.extend(40_000u16.to_be_bytes());
            answer.extend("203.0.113.8".parse::<Ipv4Addr>().unwrap().to_ipv6_mapped().octets());
            router.send_to(&answer, from).await.unwrap();
        }
    });
    let (_kept, search) = silent().await;
    let all = ask(&setup(at, search)).await;
    serving.abort();
    let pcp = of(&all, PortMappingService::Pcp);
    assert_eq!((pcp.available, pcp.external), (Some(true), Some("203.0.113.8".parse().unwrap())), "{pcp:?}");
    assert_eq!((made.load(Ordering::SeqCst), dropped.load(Ordering::SeqCst)), (1, 1));
}

#[tokio::test]
async fn nobody_at_all() {
    let (_kept, search) = silent().await;
    let all = ask(&Setup { gateway: None, ..setup(Ipv4Addr::LOCALHOST, search) }).await;
    assert_eq!(of(&all, PortMappingService::NatPmp).available, None, "not asked, which is not false");
    assert_eq!(of(&all, PortMappingService::UpnpIgd).available, Some(false));
}

#[tokio::test]
async fn a_upnp_router_tells_its_address() {
    let http = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = http.local_addr().unwrap();
    let web = tokio::spawn(async move {
        loop {
            let (mut stream, _) = http.accept().await.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 2048];
            while !complete(&request) {
                let length = stream.read(&mut buffer).await.unwrap();
                if length == 0 {
                    break;
                }
                request.extend_from_slice(&buffer[..length]);
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let body = page(request.split(' ').nth(1).unwrap_or_default());
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        }
    });
    let (ssdp, search) = silent().await;
    let device = tokio::spawn(async move {
        let mut buffer = [0; 2048];
        loop {
            let (_, from) = ssdp.recv_from(&mut buffer).await.unwrap();
            let answer = format!("HTTP/1.1 200 OK\r\nLOCATION: http://{at}/root.xml\r\nST: upnp:rootdevice\r\n\r\n");
            ssdp.send_to(answer.as_bytes(), from).await.unwrap();
        }
    });
    // Nobody answers at this address: NAT-PMP and PCP are not what is tested.
    let all = ask(&setup(Ipv4Addr::new(127, 0, 77, 3), search)).await;
    web.abort();
    device.abort();
    let upnp = of(&all, PortMappingService::UpnpIgd);
    assert_eq!((upnp.available, upnp.external), (Some(true), Some("203.0.113.9".parse().unwrap())), "{upnp:?}");
}

/// Whether a request has come with all of its body.
fn complete(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|l| l.strip_prefix("content-length:")).and_then(|l| l.trim().parse().ok());
    body.len() >= length.unwrap_or(0)
}

fn page(path: &str) -> String {
    match path {
        "/root.xml" => "<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\"><device>\
             <deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType><serviceList><service>\
             <serviceType>urn:schemas-upnp-org:service:WANIPConnection:1</serviceType>\
             <controlURL>/control</controlURL><SCPDURL>/wan.xml</SCPDURL></service></serviceList></device></root>"
            .to_owned(),
        "/wan.xml" => "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\"><actionList><action>\
             <name>GetExternalIPAddress</name><argumentList><argument><name>NewExternalIPAddress</name>\
             <direction>out</direction></argument></argumentList></action></actionList></scpd>"
            .to_owned(),
        _ => "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body>\
             <u:GetExternalIPAddressResponse xmlns:u=\"urn:schemas-upnp-org:service:WANIPConnection:1\">\
             <NewExternalIPAddress>203.0.113.9</NewExternalIPAddress></u:GetExternalIPAddressResponse></s:Body>\
             </s:Envelope>"
            .to_owned(),
    }
}
