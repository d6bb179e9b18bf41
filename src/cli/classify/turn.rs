//! `--turn` and its credentials: a TURN server whose relay is a foreign sender of our own.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::name::Name;
use super::servers::{Resolution, resolve};
use crate::classification::{Family, Server, ServerRole};
use crate::probe::check::target::{NotATarget, Relaying, Target};
use crate::probe::relay::{Allocated, Relay};
use crate::probe::turn::{Client, Credentials, Failure, Link, Over, Pace, Trust};

/// How long a connection to the server may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long time-limited credentials are good for: longer than any classification takes.
const GOOD_FOR: Duration = Duration::from_secs(3600);

/// A TURN server as it was written (RFC 7065).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Where.
    pub name: Name,
    /// How.
    pub over: Over,
}

/// Why something is no TURN server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTurn {
    /// It is no server at all.
    #[error(transparent)]
    Target(#[from] NotATarget),
    /// It does not relay.
    #[error("read {0:?}: a STUN server does not relay; write turn:HOST or turns:HOST")]
    Stun(String),
}

impl FromStr for Turn {
    type Err = BadTurn;

    fn from_str(text: &str) -> Result<Turn, BadTurn> {
        let Target { text, host, ways, relaying } = text.parse()?;
        match ways.first() {
            Some(way) if relaying != Relaying::No => {
                Ok(Turn { name: Name { written: text, host, port: way.port }, over: way.over })
            }
            _ => Err(BadTurn::Stun(text)),
        }
    }
}

/// Credentials as they were given.
#[derive(Clone, PartialEq, Eq)]
pub enum Login {
    /// Long-term ones (RFC 8489 §9.2).
    Password {
        /// USERNAME.
        user: String,
        /// Password.
        password: String,
    },
    /// A secret that time-limited ones are made with.
    Secret {
        /// What follows the colon of the user name.
        user: Option<String>,
        /// Shared with the server.
        secret: String,
    },
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Login::Password { .. } => "Login::Password",
            Login::Secret { .. } => "Login::Secret",
        })
    }
}

impl Login {
    fn credentials(&self) -> Credentials {
        match self {
            Login::Password { user, password } => Credentials { user: user.clone(), password: password.clone() },
            Login::Secret { user, secret } => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                Credentials::time_limited(secret, user.as_deref(), (now + GOOD_FOR).as_secs())
            }
        }
    }
}

/// Makes an allocation on the first address of the server that gives one. The server as it is reported, and the allocation.
pub async fn allocate(turn: &Turn, login: &Login, trust: &Trust, families: &[Family]) -> (Server, Option<Allocated>) {
    let resolved = resolve(std::slice::from_ref(&turn.name), families).await;
    let mut server = Server::unasked(&turn.name.written, None);
    server.problems = resolved.lost.into_iter().flat_map(|s| s.problems).collect();
    for Resolution { name, address } in resolved.candidates {
        server.address = Some(address);
        match connect(turn, &name.host, address, login, trust).await {
            Ok(allocated) => {
                server.role = ServerRole::Relay;
                server.problems.clear();
                return (server, Some(allocated));
            }
            Err(e) => {
                let hint = e.cause().hint().map(|hint| format!(" ({hint})")).unwrap_or_default();
                server.problems.push(format!("failed to allocate a relay at {address}: {e}{hint}"));
            }
        }
    }
    (server, None)
}

async fn connect(turn: &Turn, host: &str, at: SocketAddr, login: &Login, trust: &Trust) -> Result<Allocated, Failure> {
    let link = match turn.over {
        Over::Udp => Link::udp(at).await?,
        Over::Tcp => Link::tcp(at, PATIENCE).await?,
        Over::Tls => Link::tls(at, host, trust, PATIENCE).await?,
    };
    Allocated::new(Client::new(link, Some(login.credentials()), Pace::default())).await
}

/// The relay for one family: a relayed address can send to its own family alone.
///
/// # Errors
/// Why there is none.
pub fn of_family(
    server: &Server,
    allocated: Option<&Arc<Allocated>>,
    family: Family,
) -> Result<Arc<dyn Relay>, String> {
    match allocated {
        Some(relay) if Family::of(relay.relayed().ip()) == family => Ok(Arc::clone(relay) as Arc<dyn Relay>),
        Some(relay) => Err(format!("the relay of {} is {}", server.name, relay.relayed())),
        None => Err(format!("{}: {}", server.name, server.problems.join("; "))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_as_rfc_7065_writes_them() {
        let is = |text: &str, host: &str, port, over| {
            let turn: Turn = text.parse().unwrap();
            assert_eq!((turn.name.host.as_str(), turn.name.port, turn.over), (host, port, over), "{text}");
        };
        is("turn:turn.example.org", "turn.example.org", 3478, Over::Udp);
        is("turn.example.org:3479", "turn.example.org", 3479, Over::Udp);
        is("turn:turn.example.org:443?transport=tcp", "turn.example.org", 443, Over::Tcp);
        is("turns:turn.example.org", "turn.example.org", 5349, Over::Tls);
        is("turns:turn.example.org:3478", "turn.example.org", 3478, Over::Tls);
        is("turns:[2001:db8::3478]", "2001:db8::3478", 5349, Over::Tls);
        is("turns:2001:db8::3478", "2001:db8::3478", 5349, Over::Tls);
        for bad in ["turn:", "turn:x?transport=sctp", "turns:x?transport=udp", "turn:x?", "turn:x:0", "stun:x"] {
            assert!(bad.parse::<Turn>().is_err(), "{bad}");
        }
    }
}
