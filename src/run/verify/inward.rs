//! Static port forwards, and payloads that hold an inside address.

use std::io::{Read, Write};
use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Place};
use super::tcp;
use super::trail::Trail;
use crate::conformance::observations::{Forwarded, Payload};
use crate::conformance::{Subject, WayIn, bench};
use crate::lab::topology::LabError;
use crate::net::Transport;

/// A stranger comes to each port that a gateway of the subject forwards, at its first external address; of UDP the inside
/// endpoint then sends to somebody else. Where nobody is led inside, an endpoint listens that some forward leads to.
pub async fn forwards(bed: &Bed, subject: &Subject) -> Result<Vec<Forwarded>, LabError> {
    let mut all = Vec::new();
    for WayIn { protocol, port, to } in subject.inward() {
        let Some(external) = bed.bench.external.first().map(|a| SocketAddrV4::new(*a, port)) else { continue };
        let innermost = subject.gateways.last().and_then(|g| g.forwards.iter().find(|f| f.protocol == protocol));
        let (host, inside) = to.or(innermost.map(|f| (f.host, f.inside))).unwrap_or((0, port));
        all.push(match protocol {
            Transport::Udp => {
                let group = Group::new(bed);
                let inside = group.bind(Place::Host(host), inside)?;
                let (stranger, other) = (group.bind(Place::Server(2), 9700)?, group.bind(Place::Server(1), 9701)?);
                let inbound = group.deliver(stranger, external, inside).await?;
                let outbound = group.deliver(inside, group.local(other), other).await?;
                Forwarded { port, tcp: false, inbound, stranger: group.local(stranger), outbound }
            }
            Transport::Tcp => {
                let inside = tcp::listen(bed, Place::Host(host), inside)?;
                let stranger = tcp::connect(bed, Place::Server(2), 9702, external)?;
                let inbound = tcp::accepted(bed, &inside).await?.map(|(_, from)| from);
                Forwarded { port, tcp: true, inbound, stranger: stranger.from, outbound: None }
            }
        });
    }
    Ok(all)
}

/// The forwards of each gateway of a chain by itself: a stranger directly in front of it, and what leaves it then.
pub async fn forwards_of_each(bed: &Bed, subject: &Subject) -> Result<Vec<Vec<Forwarded>>, LabError> {
    let bench = bench::bench(subject);
    let mut trail = Trail::begin(bed)?;
    let mut all = Vec::new();
    for (level, gateway) in bench.told().enumerate() {
        let place = if level == 0 { Place::Server(2) } else { Place::Front(level) };
        let mut of_this = Vec::new();
        for f in &gateway.forwards {
            let Some(external) = gateway.external.first().map(|a| SocketAddrV4::new(*a, f.port)) else { continue };
            trail.left(f.protocol)?;
            let stranger = match f.protocol {
                Transport::Udp => {
                    let group = Group::new(bed);
                    let stranger = group.bind(place, 9710)?;
                    group.send(stranger, external, b"anybody?")?;
                    group.came().await?;
                    group.local(stranger)
                }
                Transport::Tcp => {
                    let knocking = tcp::connect(bed, place, 9711, external)?;
                    bed.clock.settled().await?;
                    knocking.from
                }
            };
            let left = trail.left(f.protocol)?;
            let inbound = left.get(level).and_then(|l| l.iter().find(|e| e.1 == f.to)).map(|e| e.0);
            let tcp = f.protocol == Transport::Tcp;
            of_this.push(Forwarded { port: f.port, tcp, inbound, stranger, outbound: None });
        }
        all.push(of_this);
    }
    Ok(all)
}

/// SIP on UDP 5060 and FTP on TCP 21, each with the sender's own address in it.
pub async fn payload(bed: &Bed, with_udp: bool) -> Result<Payload, LabError> {
    let own = bed.address(Place::Host(0));
    let mut seen = Payload { udp: None, tcp: None };
    if with_udp {
        let group = Group::new(bed);
        let (inside, server) = (group.bind(Place::Host(0), 5060)?, group.bind(Place::Server(0), 5060)?);
        let text = format!(
            "REGISTER sip:example.net SIP/2.0\r\nVia: SIP/2.0/UDP {own}:5060;branch=z9hG4bK1\r\n\
             From: <sip:a@example.net>;tag=1\r\nTo: <sip:a@example.net>\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n\
             Contact: <sip:a@{own}:5060>\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n"
        );
        group.send(inside, group.local(server), text.as_bytes())?;
        let came = group.came().await?;
        seen.udp = came.iter().find(|(id, ..)| *id == server).map(|(.., bytes)| *bytes == text.as_bytes());
    }
    let server = tcp::listen(bed, Place::Server(0), 21)?;
    let connection = tcp::connect(bed, Place::Host(0), 7021, server.at)?;
    if let Some((mut stream, _)) = tcp::accepted(bed, &server).await? {
        let text = format!("PORT {},27,108\r\n", own.to_string().replace('.', ","));
        let mut inside = connection.stream();
        let written = inside.write_all(text.as_bytes());
        written.map_err(|e| LabError::Probe(format!("writing to an FTP server: {e}")))?;
        bed.clock.settled().await?;
        let mut bytes = [0; 128];
        seen.tcp = stream.read(&mut bytes).ok().map(|n| bytes.get(..n) == Some(text.as_bytes()));
    }
    Ok(seen)
}
