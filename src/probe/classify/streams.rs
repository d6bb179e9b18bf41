//! TCP: whether servers answer over it, and how a NAT maps connections from one port (RFC 5780 §4.3, RFC 5382 REQ-1).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::stun::agent::TransactionId;
use futures_util::future::join_all;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use super::servers::Asked;
use super::{Places, Progress, Step, judge};
use crate::classification::{Finding, MappingFound, Reachability, Reached, Secured};
use crate::probe::axes;
use crate::probe::line::Shared;
use crate::probe::wire::{self, Ask, Content};

/// How long a connection, and then an answer, may take: three SYNs.
const PATIENCE: Duration = Duration::from_secs(7);

/// No answer of a server that was sent no more than a plain request is longer.
const LONGEST: usize = 2048;

/// Why an exchange over TCP gave no endpoint.
enum Failure {
    NoConnection(String),
    NoAnswer(String),
}

async fn exchange(socket: TcpSocket, to: SocketAddr) -> Result<(SocketAddr, TcpStream), Failure> {
    let mut stream = match timeout(PATIENCE, socket.connect(to)).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(e)) => return Err(Failure::NoConnection(e.to_string())),
        Err(_) => return Err(Failure::NoConnection("no answer to the SYN".to_owned())),
    };
    match timeout(PATIENCE, ask(&mut stream)).await {
        Ok(Ok(mapped)) => Ok((mapped, stream)),
        Ok(Err(e)) => Err(Failure::NoAnswer(e.to_string())),
        Err(_) => Err(Failure::NoAnswer("connected, and no answer".to_owned())),
    }
}

/// One Binding request; messages follow each other without framing (RFC 8489 §6.2.2).
async fn ask(stream: &mut TcpStream) -> io::Result<SocketAddr> {
    let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let id = TransactionId::new().0;
    stream.write_all(&wire::request(id, &Ask::PLAIN)).await?;
    let mut message = vec![0u8; 20];
    stream.read_exact(&mut message).await?;
    let length = usize::from(u16::from_be_bytes([message[2], message[3]]));
    if length > LONGEST {
        return Err(bad("what came is no STUN message"));
    }
    message.resize(20 + length, 0);
    stream.read_exact(&mut message[20..]).await?;
    match wire::read(&message) {
        Some((of, Content::Success(success))) if of == id => success.mapped().ok_or_else(|| bad("no endpoint in it")),
        Some((of, Content::Refused { code, .. })) if of == id => Err(bad(&format!("refused with {code}"))),
        _ => Err(bad("what came is no answer to the request")),
    }
}

/// Whether the servers answer over TCP, asked only where UDP is silent: there it tells a blocked UDP from a dead server.
pub(super) async fn reachable(shared: &Arc<Shared>, asked: &Asked, progress: Progress<'_>) -> Vec<Reachability> {
    if shared.heard() > 0 {
        return Vec::new();
    }
    progress(&Step::Tcp);
    join_all(asked.servers.iter().filter_map(|s| Some((s.name.clone(), s.address?))).map(|(server, at)| async move {
        let result = match shared.opener.tcp(0) {
            Ok(socket) => exchange(socket, at).await.map(drop),
            Err(e) => Err(Failure::NoConnection(e.to_string())),
        };
        let (reached, because) = match result {
            Ok(()) => (Reached::Answers, None),
            Err(Failure::NoAnswer(why)) => (Reached::Connects, Some(why)),
            Err(Failure::NoConnection(why)) => (Reached::Unreachable, Some(why)),
        };
        Reachability { server, at, over: Secured::Tcp, reached, because }
    }))
    .await
}

/// What several endpoints see of connections from one port.
pub(super) async fn mapping(shared: &Arc<Shared>, asked: &Asked, behavior: Option<&Places>) -> Finding<MappingFound> {
    const METHOD: &str = "RFC 5780 §4.3 over TCP, connections from one port";
    let endpoints: Vec<SocketAddr> = match behavior {
        Some(p) => vec![p.primary, p.other_address(), p.alternate, p.other_port()],
        None => asked.usable.iter().map(|u| u.address).collect(),
    };
    // All stay open until the end: a closed connection would free its mapping.
    let mut open = Vec::new();
    let mut seen = Vec::new();
    let mut evidence = Vec::new();
    let mut port = 0;
    for at in endpoints {
        let result = match shared.opener.tcp(port) {
            Ok(socket) => {
                port = socket.local_addr().map_or(port, |local| local.port());
                exchange(socket, at).await
            }
            Err(e) => Err(Failure::NoConnection(e.to_string())),
        };
        match result {
            Ok((mapped, stream)) => {
                evidence.push(format!("seen as {mapped} by {at}"));
                seen.push((at, mapped));
                open.push(stream);
            }
            Err(Failure::NoAnswer(why) | Failure::NoConnection(why)) => evidence.push(format!("{at}: {why}")),
        }
    }
    let by_places = match (behavior, &seen[..]) {
        (Some(_), [(_, x1), (_, x2), (_, x3), (_, x4)]) => Some(axes::mapping(*x1, *x2, *x3, Some(*x4))),
        _ => None,
    };
    match by_places {
        Some(Ok(mapping)) => Finding::known(mapping.into(), METHOD),
        Some(Err(why)) => Finding::inconclusive(why, METHOD),
        None => Finding { method: Some(METHOD.to_owned()), evidence: vec![], ..judge::mapping_of_ordinary(&seen) },
    }
    .with_evidence(evidence)
}
