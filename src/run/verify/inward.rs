//! Static port forwards, and payloads that hold an inside address.

use std::io::{Read, Write};
use std::net::SocketAddrV4;

use super::bed::{Bed, Group, Place};
use super::tcp;
use crate::conformance::Inward;
use crate::conformance::observations::{Forwarded, Payload};
use crate::lab::topology::LabError;
use crate::net::Transport;

/// A stranger comes to each forwarded port; of UDP the inside endpoint then sends to somebody else.
pub async fn forwards(bed: &Bed, declared: &[Inward]) -> Result<Vec<Forwarded>, LabError> {
    let mut all = Vec::new();
    for f in declared {
        let Some(external) = bed.bench.external.first().map(|a| SocketAddrV4::new(*a, f.port)) else { continue };
        all.push(match f.protocol {
            Transport::Udp => {
                let group = Group::new(bed);
                let inside = group.bind(Place::Host(f.host), f.inside)?;
                let (stranger, other) = (group.bind(Place::Server(2), 9700)?, group.bind(Place::Server(1), 9701)?);
                let inbound = group.deliver(stranger, external, inside).await?;
                let outbound = group.deliver(inside, group.local(other), other).await?;
                Forwarded { port: f.port, tcp: false, inbound, stranger: group.local(stranger), outbound }
            }
            Transport::Tcp => {
                let inside = tcp::listen(bed, Place::Host(f.host), f.inside)?;
                let stranger = tcp::connect(bed, Place::Server(2), 9702, external)?;
                let inbound = tcp::accepted(bed, &inside).await?.map(|(_, from)| from);
                Forwarded { port: f.port, tcp: true, inbound, stranger: stranger.from, outbound: None }
            }
        });
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
