//! `natlab classify`: what the NATs in front of this host do, and what that means for peer-to-peer traffic.

mod ask;
mod name;
mod progress;
mod servers;
mod turn;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use clap::Args;

use super::exit::Exit;
use super::output;
use super::output::Format;
use crate::classification::Family;
use crate::probe::Ladder;
use crate::probe::host::{self, Chosen, Local, NotChosen};
use crate::probe::turn::{Trust, TrustError};
use crate::report::{Look, classification as report};

use ask::Inquiry;
use name::{BadLine, Name};
use progress::Progress;
use turn::{Login, Turn};

/// Columns where nobody says how many there are.
const WIDTH: usize = 80;

/// The longest time a mapping is watched unless it is said, in seconds: what RFC 4787 REQ-5 recommends.
const LIFETIME: &str = "300";

/// Options of `natlab classify`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  natlab classify
  natlab classify --server stun.example.org --server stun.example.net:19302
  natlab classify --turn turn:turn.example.org --user alice --password secret
  natlab classify --lifetime --format json

Exit: 0 classified (unknown filtering included), 10 the mapping is not endpoint-independent, 11 UDP is blocked,
4 the mapping is undecided, 2 usage, 130 interrupted.")]
pub struct Options {
    /// STUN server to ask; may be given several times: two on different addresses tell mapping, one with RFC 5780 and two
    /// addresses tells filtering too [default: public ones]
    #[arg(long = "server", value_name = "HOST[:PORT]")]
    pub servers: Vec<Name>,
    /// File with STUN servers, one per line; `#` begins a comment.
    #[arg(long, value_name = "FILE")]
    pub server_list: Option<PathBuf>,
    /// TURN server whose relay tells filtering where no STUN server can.
    #[arg(
        long,
        value_name = "SERVER",
        help = "TURN server whose relay tells filtering where no STUN server can: turn:HOST[:PORT][?transport=udp|tcp] or turns:…"
    )]
    pub turn: Option<Turn>,
    /// User name for --turn; with --secret, what follows the colon.
    #[arg(long, value_name = "NAME", requires = "turn")]
    pub user: Option<String>,
    /// Password for --turn; in the environment other users of this host do not see it.
    #[arg(long, env = "NATLAB_TURN_PASSWORD", hide_env_values = true)]
    pub password: Option<String>,
    /// Secret shared with the TURN server, for time-limited credentials (coturn: static-auth-secret).
    #[arg(long, env = "NATLAB_TURN_SECRET", hide_env_values = true)]
    pub secret: Option<String>,
    /// PEM file with authorities to trust besides those that browsers trust.
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
    /// Ask over IPv4 alone.
    #[arg(short = '4', long, conflicts_with = "ipv6")]
    pub ipv4: bool,
    /// Ask over IPv6 alone.
    #[arg(short = '6', long)]
    pub ipv6: bool,
    /// Ask from this interface or address of this host [default: as the routing table says]
    #[arg(long, value_name = "NAME|ADDRESS")]
    pub interface: Option<String>,
    /// Measure how long idle mappings live, up to so many seconds; it takes as long and half as long again [default: 300]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, require_equals = true, default_missing_value = LIFETIME,
          value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub lifetime: Option<u64>,
    /// Test hairpinning; off by default, since some firewalls take a packet to the own external address for an attack and
    /// end the sessions of this host.
    #[arg(long)]
    pub hairpin: bool,
    /// Leave out packets that need fragmentation.
    #[arg(long)]
    pub no_fragments: bool,
    /// Do not ask the router for its external address (UPnP, NAT-PMP, PCP).
    #[arg(long)]
    pub no_port_mapping: bool,
    /// Which public servers with RFC 5780 are asked [default: others each time]
    #[arg(long, value_name = "N", conflicts_with_all = ["servers", "server_list"])]
    pub seed: Option<u64>,
    /// Form of the report.
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// The verdict alone, and no progress on stderr.
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// What was seen, too, and how it was tested.
    #[arg(long, short)]
    pub verbose: bool,
}

/// Why nothing was asked.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// A file cannot be read.
    #[error("read {}: {source}", .path.display())]
    Read {
        /// It.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Lines of the list are no servers.
    #[error("read {}: {}", .path.display(), lines(.problems))]
    List {
        /// It.
        path: PathBuf,
        /// Each of them.
        problems: Vec<BadLine>,
    },
    /// The list is empty.
    #[error("find a server in {}", .0.display())]
    EmptyList(PathBuf),
    /// The authorities cannot be used.
    #[error("{0}")]
    Trust(#[from] TrustError),
    /// There is no such interface.
    #[error("choose an interface: {0}")]
    Interface(NotChosen, Vec<String>),
    /// The flags do not go together.
    #[error("{0}")]
    Flags(&'static str),
    /// The runtime could not be made.
    #[error("start the runtime: {0}")]
    Runtime(io::Error),
}

fn lines(problems: &[BadLine]) -> String {
    problems.iter().map(BadLine::to_string).collect::<Vec<_>>().join("; ")
}

impl Failure {
    fn hint(&self) -> Option<String> {
        match self {
            Failure::Interface(_, known) if !known.is_empty() => Some(format!("this host has {}", known.join(", "))),
            Failure::EmptyList(_) | Failure::List { .. } => {
                Some("one HOST or HOST:PORT per line; `#` begins a comment".to_owned())
            }
            _ => None,
        }
    }
}

/// Asks, and reports on `out`.
pub fn run(options: &Options, out: &mut impl Write) -> Exit {
    match classify(options) {
        Ok(Some(all)) => {
            let look = Look::of(
                output::stdout_colour(),
                output::terminal_width().unwrap_or(WIDTH),
                options.quiet,
                options.verbose,
            );
            let text = match options.format {
                Format::Human => report::human(&all, &look),
                Format::Json => report::json(&all),
            };
            match output::written(out.write_all(text.as_bytes()).and_then(|()| out.flush())) {
                Exit::Success => all.conclusion().into(),
                other => other,
            }
        }
        Ok(None) => Exit::Interrupted,
        Err(failure) => {
            output::complain(&format!("failed to {failure}"), failure.hint().as_deref());
            if matches!(failure, Failure::Runtime(_)) { Exit::Host } else { Exit::Usage }
        }
    }
}

/// Asks; nothing when it was interrupted.
fn classify(options: &Options) -> Result<Option<crate::classification::Classification>, Failure> {
    let inquiry = options.inquiry()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    let progress = Progress::new(options.quiet);
    let found = runtime.block_on(async {
        tokio::select! {
            all = ask::everything(&inquiry, &progress) => Some(all),
            () = super::serve::ended() => None,
        }
    });
    progress.finish();
    // A name that the resolver still looks for must not hold the end up.
    runtime.shutdown_background();
    Ok(found)
}

impl Options {
    fn inquiry(&self) -> Result<Inquiry, Failure> {
        let interfaces = host::interfaces();
        let chosen = self.chosen(&interfaces)?;
        Ok(Inquiry {
            names: self.names()?,
            families: match (self.ipv4, self.ipv6) {
                (true, _) => vec![Family::Ipv4],
                (_, true) => vec![Family::Ipv6],
                _ => vec![Family::Ipv4, Family::Ipv6],
            },
            insist: self.ipv4 || self.ipv6,
            turn: self.turn()?,
            trust: self.trust()?,
            interfaces,
            chosen,
            lifetime: self.lifetime.map(ladder),
            hairpin: self.hairpin,
            fragments: !self.no_fragments,
            port_mapping: !self.no_port_mapping,
        })
    }

    fn names(&self) -> Result<Vec<Name>, Failure> {
        let mut names = self.servers.clone();
        if let Some(path) = &self.server_list {
            let text = read(path)?;
            let text = String::from_utf8_lossy(&text);
            let listed = name::list(&text).map_err(|problems| Failure::List { path: path.clone(), problems })?;
            if listed.is_empty() {
                return Err(Failure::EmptyList(path.clone()));
            }
            names.extend(listed);
        }
        if names.is_empty() {
            let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
            // The low bits are what differs.
            return Ok(servers::public(self.seed.unwrap_or_else(|| now() as u64)));
        }
        Ok(names)
    }

    fn chosen(&self, interfaces: &[Local]) -> Result<Option<Chosen>, Failure> {
        let known = || interfaces.iter().map(|l| l.interface.name.clone()).collect();
        let choose = |name: &String| host::choose(interfaces, name).map_err(|e| Failure::Interface(e, known()));
        self.interface.as_ref().map(choose).transpose()
    }

    fn turn(&self) -> Result<Option<(Turn, Login)>, Failure> {
        let Some(turn) = &self.turn else { return Ok(None) };
        let login = match (&self.user, &self.password, &self.secret) {
            (_, Some(_), Some(_)) => {
                return Err(Failure::Flags("use both --password and --secret: one makes the other useless"));
            }
            (user, None, Some(secret)) => Login::Secret { user: user.clone(), secret: secret.clone() },
            (Some(user), Some(password), None) => Login::Password { user: user.clone(), password: password.clone() },
            _ => {
                return Err(Failure::Flags("use --turn without credentials: give --user and --password, or --secret"));
            }
        };
        Ok(Some((turn.clone(), login)))
    }

    fn trust(&self) -> Result<Trust, Failure> {
        let pem = self.ca.as_ref().map(read).transpose()?;
        Ok(Trust::authorities(pem.as_deref())?)
    }
}

fn read(path: &PathBuf) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|source| Failure::Read { path: path.clone(), source })
}

/// The usual rungs as far as they go and the end; below them ten equal ones.
fn ladder(seconds: u64) -> Ladder {
    let end = Duration::from_secs(seconds);
    let usual = Ladder::default();
    let mut rungs: Vec<Duration> = usual.rungs.iter().copied().filter(|rung| *rung < end).collect();
    if rungs.len() < 3 {
        rungs = (1..10).map(|i| end * i / 10).collect();
    }
    rungs.push(end);
    Ladder { rungs, ..usual }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_end_where_they_are_told_to() {
        let seconds = |s| ladder(s).rungs.iter().map(Duration::as_secs_f64).collect::<Vec<_>>();
        assert_eq!(seconds(300), [10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0]);
        assert_eq!(seconds(40), [10.0, 15.0, 20.0, 30.0, 40.0]);
        assert_eq!(seconds(2).len(), 10);
        assert_eq!((seconds(2)[0], seconds(2)[9]), (0.2, 2.0));
        assert_eq!(seconds(600).last(), Some(&600.0));
    }
}
