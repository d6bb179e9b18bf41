//! `natlab serve stun|turn`: natlab's servers outside a lab, and, started by natlab itself, inside one.
//!
//! Where stdout is a terminal one line for people says that they listen; otherwise JSON lines of
//! [`ServerEvent`] do. Ctrl-C and SIGTERM end them with success.

use std::future::Future;
use std::io::{self, IsTerminal, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use super::exit::Exit;
use crate::net::Transport;
use crate::protocol::ServerEvent;
use crate::server::stun::{self, StartError};
use crate::server::turn;

/// Which server.
#[derive(Clone, Debug, Subcommand)]
pub enum Serve {
    /// A STUN server (RFC 8489); with two addresses for NAT behaviour discovery too (RFC 5780).
    Stun(Stun),
    /// A TURN server (RFC 8656) with long-term credentials.
    Turn(Turn),
}

/// `natlab serve stun`.
#[derive(Clone, Debug, Args)]
pub struct Stun {
    /// Address to listen on, this host's; give it twice for NAT behaviour discovery [default: every address]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<IpAddr>,
    /// Port.
    #[arg(long, default_value_t = stun::PORT)]
    pub port: u16,
    /// The other port of NAT behaviour discovery [default: the next one]
    #[arg(long, value_name = "PORT")]
    pub alternate_port: Option<u16>,
    /// Print JSON lines even on a terminal.
    #[arg(long)]
    pub json: bool,
}

/// `natlab serve turn`.
#[derive(Clone, Debug, Args)]
pub struct Turn {
    /// Address to listen on, this host's; may be given several times [default: every address]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Vec<IpAddr>,
    /// Port.
    #[arg(long, default_value_t = stun::PORT)]
    pub port: u16,
    /// User name that clients must give.
    #[arg(long)]
    pub user: String,
    /// Password that clients must have; in the environment other users of this host do not see it.
    #[arg(long, env = "NATLAB_TURN_PASSWORD", hide_env_values = true)]
    pub password: String,
    /// Realm of the credentials.
    #[arg(long, default_value = "natlab")]
    pub realm: String,
    /// Transport between clients and server; may be given several times [default: both]
    #[arg(long, value_parser = PossibleValuesParser::new(["udp", "tcp"]).map(transport))]
    pub transport: Vec<Transport>,
    /// Certificate for TURN over TLS, in PEM, with those that vouch for it after it.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Port of TURN over TLS.
    #[arg(long, value_name = "PORT", default_value_t = turn::tls::PORT, requires = "tls_cert")]
    pub tls_port: u16,
    /// Address that relayed candidates have, this host's [default: the first --listen]
    #[arg(long, value_name = "ADDRESS")]
    pub relay_address: Option<IpAddr>,
    /// Print JSON lines even on a terminal.
    #[arg(long)]
    pub json: bool,
}

fn transport(name: String) -> Transport {
    if name == "tcp" { Transport::Tcp } else { Transport::Udp }
}

/// Why a server did not serve.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The flags do not go together.
    #[error("{0}")]
    Flags(String),
    /// The host did not let it.
    #[error("failed to {0}")]
    Start(#[from] StartError),
    /// A certificate or key cannot be read.
    #[error("failed to read {}: {source}", .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A certificate or key cannot be used.
    #[error("failed to {0}")]
    Identity(#[from] turn::IdentityError),
    /// The runtime could not be made, or stdout not written.
    #[error("failed to {0}: {1}")]
    Io(&'static str, io::Error),
}

impl Failure {
    fn exit(&self) -> Exit {
        match self {
            Failure::Flags(_) | Failure::File { .. } | Failure::Identity(_) => Exit::Usage,
            Failure::Start(_) | Failure::Io(..) => Exit::Host,
        }
    }

    /// What to do about it.
    fn hint(&self) -> Option<String> {
        let Failure::Start(StartError::Bind { at, source, transport }) = self else { return None };
        Some(match source.kind() {
            io::ErrorKind::AddrInUse => {
                format!("another program holds {transport} port {}; choose one with --port", at.port())
            }
            io::ErrorKind::AddrNotAvailable => {
                format!("{} is no address of this host; `ip address` lists them", at.ip())
            }
            io::ErrorKind::PermissionDenied => "ports below 1024 need a privilege; choose one with --port".to_owned(),
            _ => return None,
        })
    }
}

/// Serves until it is ended.
pub fn run(serve: &Serve) -> Exit {
    let served = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Failure::Io("start the runtime", e))
        .and_then(|runtime| {
            let stdout = io::stdout();
            runtime.block_on(serving(serve, &mut stdout.lock(), stdout.is_terminal(), ended()))
        });
    let Err(failure) = served else { return Exit::Success };
    let mut text = format!("natlab: {failure}\n");
    if let Some(hint) = failure.hint() {
        text.push_str(&format!("hint: {hint}\n"));
    }
    // stderr is the last resort: when it is gone there is nobody left to tell.
    let _ = io::stderr().lock().write_all(text.as_bytes());
    failure.exit()
}

/// Ctrl-C or SIGTERM.
pub(super) async fn ended() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}

/// Serves until `end`, saying on `out` when it listens.
async fn serving(
    serve: &Serve,
    out: &mut impl Write,
    terminal: bool,
    end: impl Future<Output = ()>,
) -> Result<(), Failure> {
    match serve {
        Serve::Stun(arguments) => {
            let endpoints = arguments.endpoints()?;
            let sockets = stun::Sockets::bind(endpoints)?;
            let mut say = Announcer { out, json: arguments.json || !terminal };
            let listening = sockets.listening();
            let serving = stun::serve(sockets, stun::Options { software: Some(software()) });
            if endpoints.alternate.is_none() {
                say.note("one address: no NAT behaviour discovery; --listen ADDRESS, twice, makes it possible")?;
            }
            say.ready("stun", listening)?;
            tokio::select! {
                served = serving => Ok(served?),
                () = end => Ok(()),
            }
        }
        Serve::Turn(arguments) => {
            let (addresses, options) = arguments.settings()?;
            let mut sockets = turn::Sockets::bind(&addresses, &arguments.transports())?;
            if let Some(identity) = arguments.identity()? {
                let at: Vec<SocketAddr> =
                    addresses.iter().map(|a| SocketAddr::new(a.ip(), arguments.tls_port)).collect();
                sockets.bind_tls(&at, &identity)?;
            }
            let mut say = Announcer { out, json: arguments.json || !terminal };
            let listening = sockets.listening();
            let server = turn::Server::start(sockets, options).await?;
            say.ready("turn", listening)?;
            end.await;
            Ok(server.close().await?)
        }
    }
}

fn software() -> String {
    format!("natlab {}", env!("CARGO_PKG_VERSION"))
}

impl Stun {
    fn endpoints(&self) -> Result<stun::Endpoints, Failure> {
        let flags = |text: &str| Err(Failure::Flags(text.to_owned()));
        let (address, other) = match self.listen[..] {
            [] => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), None),
            [one] => (one, None),
            [one, two] => (one, Some(two)),
            _ => return flags("a STUN server listens on one address or two, not on more"),
        };
        match other {
            None if self.alternate_port.is_some() => {
                return flags("--alternate-port has a meaning only with two addresses: give --listen twice");
            }
            Some(two) if two == address => return flags("both --listen are the same address"),
            Some(two) if two.is_ipv4() != address.is_ipv4() => {
                return flags("both --listen must be of one address family: discovery compares them");
            }
            Some(two) if two.is_unspecified() || address.is_unspecified() => {
                return flags("with two --listen each must be one address, not every address");
            }
            _ => {}
        }
        let alternate = match self.alternate_port {
            Some(port) => port,
            None if other.is_none() => self.port,
            None => match self.port.checked_add(1) {
                Some(port) => port,
                None => return flags("there is no port after 65535: choose one with --alternate-port"),
            },
        };
        if other.is_some() && alternate == self.port {
            return flags("--alternate-port must differ from --port");
        }
        Ok(stun::Endpoints::new(address, other, self.port, alternate))
    }
}

impl Turn {
    /// Read when the server starts: a renewed certificate needs a new start.
    fn identity(&self) -> Result<Option<turn::Identity>, Failure> {
        let (Some(certificates), Some(key)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let read = |path: &PathBuf| std::fs::read(path).map_err(|source| Failure::File { path: path.clone(), source });
        Ok(Some(turn::Identity::from_pem(&read(certificates)?, &read(key)?)?))
    }

    fn transports(&self) -> Vec<Transport> {
        if self.transport.is_empty() { vec![Transport::Udp, Transport::Tcp] } else { self.transport.clone() }
    }

    fn settings(&self) -> Result<(Vec<SocketAddr>, turn::Options), Failure> {
        let every = [IpAddr::V4(Ipv4Addr::UNSPECIFIED)];
        let listen = if self.listen.is_empty() { &every[..] } else { &self.listen };
        let relay_address = match self.relay_address.or(listen.first().copied()) {
            Some(address) if !address.is_unspecified() => address,
            _ => {
                return Err(Failure::Flags(
                    "which address shall relayed candidates have? say --relay-address or --listen".to_owned(),
                ));
            }
        };
        let credentials =
            turn::Credentials { user: self.user.clone(), password: self.password.clone(), realm: self.realm.clone() };
        let addresses = listen.iter().map(|a| SocketAddr::new(*a, self.port)).collect();
        Ok((addresses, turn::Options { credentials, relay_address }))
    }
}

/// Says on stdout how a server fares, to a program or to people.
struct Announcer<'a, W> {
    out: &'a mut W,
    json: bool,
}

impl<W: Write> Announcer<'_, W> {
    fn ready(&mut self, server: &str, listening: Vec<String>) -> Result<(), Failure> {
        if self.json {
            return self.event(&ServerEvent::Ready { server: server.to_owned(), listening });
        }
        self.line(&format!("{} server ready on {}; Ctrl-C ends it", server.to_uppercase(), listening.join(", ")))
    }

    fn note(&mut self, message: &str) -> Result<(), Failure> {
        if self.json {
            return self.event(&ServerEvent::Log { level: "info".to_owned(), message: message.to_owned() });
        }
        self.line(message)
    }

    fn event(&mut self, event: &ServerEvent) -> Result<(), Failure> {
        let line = serde_json::to_string(event).map_err(|e| Failure::Io("write a line of JSON", e.into()))?;
        self.line(&line)
    }

    fn line(&mut self, line: &str) -> Result<(), Failure> {
        match writeln!(self.out, "{line}").and_then(|()| self.out.flush()) {
            // Nobody reads it; the server serves all the same.
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            written => written.map_err(|e| Failure::Io("write to stdout", e)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(subcommand)]
        serve: Serve,
    }

    fn parse(line: &str) -> Serve {
        Line::try_parse_from(std::iter::once("serve").chain(line.split(' '))).unwrap().serve
    }

    /// A pair of loopback addresses that no other test has, in this process or another.
    fn own_addresses(test: u8) -> [Ipv4Addr; 2] {
        let [_, _, high, low] = std::process::id().to_be_bytes();
        [2 * test, 2 * test + 1].map(|last| Ipv4Addr::new(127, 128 | high & 0x3F, low, last))
    }

    async fn output(line: &str, terminal: bool) -> Result<String, Failure> {
        let mut out = Vec::new();
        serving(&parse(line), &mut out, terminal, std::future::ready(()))
            .await
            .map(|()| String::from_utf8(out).unwrap())
    }

    #[tokio::test]
    async fn a_program_reads_where_it_listens() {
        let [one, two] = own_addresses(1);
        let line = format!("stun --listen {one} --listen {two}");
        let out = output(&line, false).await.unwrap();
        let event: ServerEvent = serde_json::from_str(out.trim_end()).unwrap();
        let ServerEvent::Ready { server, listening } = event else { panic!("{out}") };
        assert_eq!(server, "stun");
        assert_eq!(listening.len(), 8, "four places over two transports: {listening:?}");
        assert_eq!(listening[3], format!("udp {two}:3479"));
    }

    #[tokio::test]
    async fn people_get_one_line() {
        let [one, _] = own_addresses(2);
        let line = format!("turn --listen {one} --user u --password p --transport tcp");
        let out = output(&line, true).await.unwrap();
        assert_eq!(out.lines().count(), 1);
        assert!(out.starts_with(&format!("TURN server ready on tcp {one}:3478")), "{out}");
        assert!(!out.contains("udp"));
    }

    #[tokio::test]
    async fn an_address_in_use_is_told_with_what_to_do() {
        let [one, _] = own_addresses(3);
        let _taken = std::net::UdpSocket::bind((one, 3478)).unwrap();
        let failure = output(&format!("stun --listen {one}"), false).await.unwrap_err();
        assert_eq!(failure.exit(), Exit::Host);
        assert!(failure.to_string().contains(&format!("bind udp {one}:3478")), "{failure}");
        assert!(failure.hint().unwrap().contains("--port"));
    }

    #[tokio::test]
    async fn flags_that_do_not_go_together_are_refused() {
        for line in [
            "stun --listen 127.0.0.1 --listen 127.0.0.1",
            "stun --listen 127.0.0.1 --listen ::1",
            "stun --listen 127.0.0.1 --listen 0.0.0.0",
            "stun --listen 127.0.0.1 --listen 127.0.0.2 --listen 127.0.0.3",
            "stun --listen 127.0.0.1 --alternate-port 4000",
            "stun --listen 127.0.0.1 --listen 127.0.0.2 --port 5000 --alternate-port 5000",
            "stun --listen 127.0.0.1 --listen 127.0.0.2 --port 65535",
            "turn --user u --password p",
        ] {
            let failure = output(line, false).await.unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage, "{line}: {failure}");
        }
    }
}
