//! Whether the servers can be reached over TCP and TLS: the ways that are left to TURN where UDP is blocked, and what tells a
//! blocked UDP from no network at all.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;

use super::limiter::Limiter;
use super::socket::Opener;
use super::turn::{Client, Failure, Link, Pace, Trust};
use crate::classification::{Reachability, Reached, Secured};

/// How long a connection, a handshake and an answer may take, each.
const PATIENCE: Duration = Duration::from_secs(3);

/// Ports that TLS is tried on: what RFC 8489 §14 and RFC 8656 §13 assign, and the one that firewalls leave open for the web.
pub const TLS_PORTS: [u16; 2] = [5349, 443];

/// A server, by name and one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// As the user wrote it.
    pub server: String,
    /// The host in it, which its certificate must name.
    pub host: String,
    /// Where it answers over UDP, or should.
    pub at: SocketAddr,
}

/// Asks every server over TCP, on its port, and over TLS, on both ports of [`TLS_PORTS`]; each place once.
pub async fn ask(places: &[Place], opener: &dyn Opener, trust: &Trust, limiter: &Limiter) -> Vec<Reachability> {
    let mut known = BTreeSet::new();
    let mut attempts = Vec::new();
    for place in places {
        let tls = TLS_PORTS.map(|port| (Secured::Tls, SocketAddr::new(place.at.ip(), port)));
        for (over, at) in [(Secured::Tcp, place.at)].into_iter().chain(tls) {
            if known.insert((over == Secured::Tls, at)) {
                attempts.push(async move {
                    limiter.turn().await;
                    attempt(place, over, at, opener, trust).await
                });
            }
        }
    }
    join_all(attempts).await
}

async fn attempt(place: &Place, over: Secured, at: SocketAddr, opener: &dyn Opener, trust: &Trust) -> Reachability {
    let connected = async {
        let stream = opener.tcp(0).map_err(Failure::Io)?;
        match over {
            Secured::Tcp => Link::tcp_from(stream, at, PATIENCE).await,
            Secured::Tls => Link::tls_from(stream, at, &place.host, trust, PATIENCE).await,
        }
    };
    let answered = match connected.await {
        Ok(link) => Client::new(link, None, Pace { patience: PATIENCE, ..Pace::default() }).binding().await.map(drop),
        Err(e) => Err(e),
    };
    let (reached, because) = match answered {
        Ok(()) => (Reached::Answers, None),
        Err(e) => (if is_unreachable(&e) { Reached::Unreachable } else { Reached::Connects }, Some(e.to_string())),
    };
    Reachability { server: place.server.clone(), at, over, reached, because }
}

/// Whether no connection was made at all. A handshake that fails shows that there is one, to somebody.
fn is_unreachable(failure: &Failure) -> bool {
    matches!(failure, Failure::ConnectionRefused { .. } | Failure::Unreachable { .. } | Failure::ConnectTimeout { .. })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::probe::HostSockets;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;

    fn here() -> HostSockets {
        HostSockets::at(std::net::Ipv4Addr::LOCALHOST.into())
    }

    fn place(at: SocketAddr) -> Place {
        Place { server: "here".to_owned(), host: "localhost".to_owned(), at }
    }

    #[tokio::test]
    async fn a_port_that_listens_and_one_that_does_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let web = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                // 0x48 begins no STUN message.
                let _ = stream.write_all(b"\xff\xff\xff\xff no STUN here").await;
            }
        });
        let trust = Trust::authorities(None).unwrap();
        let there = attempt(&place(at), Secured::Tcp, at, &here(), &trust).await;
        assert_eq!(there.reached, Reached::Connects, "{there:?}");
        let tls = attempt(&place(at), Secured::Tls, at, &here(), &trust).await;
        assert_eq!(tls.reached, Reached::Connects, "{tls:?}");
        web.abort();
        let _ = web.await;
        let gone = attempt(&place(at), Secured::Tcp, at, &here(), &trust).await;
        assert_eq!(gone.reached, Reached::Unreachable, "{gone:?}");
        assert!(gone.because.unwrap().contains("refused"));
    }

    #[tokio::test]
    async fn each_place_is_asked_once() {
        let at: SocketAddr = "127.0.77.9:1".parse().unwrap();
        let all = ask(
            &[place(at), place("127.0.77.9:2".parse().unwrap())],
            &here(),
            &Trust::authorities(None).unwrap(),
            &Limiter::unlimited(),
        )
        .await;
        let asked: Vec<(Secured, u16)> = all.iter().map(|r| (r.over, r.at.port())).collect();
        assert_eq!(asked, [(Secured::Tcp, 1), (Secured::Tls, 5349), (Secured::Tls, 443), (Secured::Tcp, 2)]);
    }
}
