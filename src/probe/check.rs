//! `natlab check`: does a STUN or TURN server do what its clients need, and if not, why?
//!
//! | step | over | says |
//! |---|---|---|
//! | name | | that the host has an address this host has a route to |
//! | connect, certificate | TCP, TLS | that something listens, and proves to be the server |
//! | stun, mapped, alternates | each | round trips, the own address, the other places of RFC 5780 |
//! | realm, allocate, relay address | each | that the credentials get a relay which peers can reach |
//! | relay, permissions, channels, refresh | each | that it carries, for whom it should |
//!
//! A certificate that is wrong is reported, and what is behind it is looked at all the same.

pub mod finding;
mod peer;
mod relay;
mod stun;
pub mod target;
mod turn;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use finding::{Conclusion, Finding, Outcome, Report, ServerReport, Subject};
use target::{Relaying, Target, Way};

use super::turn::{Cause, Credentials, Failure, Link, Over, Pace, Trust};

/// Who the checks log in as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// Long-term credentials.
    Password(Credentials),
    /// Time-limited ones, made when they are needed.
    Secret {
        /// Shared with the server.
        secret: String,
        /// After the colon of the user name.
        user: Option<String>,
        /// How long they are good for.
        lifetime: Duration,
    },
}

impl Login {
    fn credentials(&self, now: u64) -> Credentials {
        match self {
            Login::Password(credentials) => credentials.clone(),
            Login::Secret { secret, user, lifetime } => {
                Credentials::time_limited(secret, user.as_deref(), now.saturating_add(lifetime.as_secs()))
            }
        }
    }
}

/// How to check.
#[derive(Clone, Debug)]
pub struct Settings {
    /// For TURN.
    pub login: Option<Login>,
    /// The realm that the server must have.
    pub realm: Option<String>,
    /// Whose certificates are accepted.
    pub trust: Trust,
    /// Everybody's, to look behind a wrong certificate.
    pub anybody: Trust,
    /// Whether a wrong certificate is no fault.
    pub insecure: bool,
    /// Patience.
    pub pace: Pace,
    /// Binding requests for the round-trip times.
    pub round_trips: u32,
}

/// A server at one of its addresses.
struct Host<'a> {
    name: &'a str,
    relaying: Relaying,
    /// Whether its certificate was refused, so that nothing more is asked of it.
    distrusted: bool,
}

impl Host<'_> {
    async fn link(&self, over: Over, server: SocketAddr, settings: &Settings) -> Result<Link, Failure> {
        let patience = settings.pace.patience;
        match over {
            Over::Udp => Link::udp(server).await,
            Over::Tcp => Link::tcp(server, patience).await,
            Over::Tls => {
                let trust = if self.distrusted { &settings.anybody } else { &settings.trust };
                Link::tls(server, self.name, trust, patience).await
            }
        }
    }
}

/// Checks every target, one after the other; `progress` hears what comes next.
pub async fn check(targets: &[Target], settings: &Settings, progress: &mut dyn FnMut(&str)) -> Report {
    let mut servers = Vec::new();
    for target in targets {
        progress(&format!("{}: name", target.text));
        match addresses(target).await {
            Ok(found) => {
                for address in found {
                    servers.push(server(target, address, settings, progress).await);
                }
            }
            Err(finding) => servers.push(ServerReport {
                server: target.text.clone(),
                address: None,
                software: None,
                checks: vec![finding],
            }),
        }
    }
    Report::of(servers)
}

/// The addresses of a host that this host has a route to, the first of each family.
async fn addresses(target: &Target) -> Result<Vec<IpAddr>, Finding> {
    let found: Vec<IpAddr> = match target.host.parse() {
        Ok(address) => vec![address],
        Err(_) => match tokio::net::lookup_host((target.host.as_str(), 0)).await {
            Ok(found) => found.map(|a| a.ip()).collect(),
            Err(e) => return Err(no_name(&target.host, &e.to_string()).await),
        },
    };
    let mut chosen: Vec<IpAddr> = Vec::new();
    let mut unreachable = None;
    for address in found {
        if chosen.iter().any(|c| c.is_ipv4() == address.is_ipv4()) {
            continue;
        }
        match Link::udp(SocketAddr::new(address, 3478)).await {
            Ok(_) => chosen.push(address),
            Err(e) => unreachable = Some(e),
        }
    }
    match (chosen.is_empty(), unreachable) {
        (false, _) => Ok(chosen),
        (true, Some(e)) => {
            Err(Finding::new(Subject::Name, None, Outcome::Undecided, e.to_string()).because(Cause::Unreachable))
        }
        (true, None) => Err(no_name(&target.host, "the name has no address").await),
    }
}

/// A name that does not resolve is a fault of the name only where this host has a network at all.
async fn no_name(host: &str, reason: &str) -> Finding {
    let detail = format!("{host} does not resolve: {reason}");
    // Connecting a UDP socket sends nothing; it asks for a route only.
    let somewhere = ["192.0.2.1:9", "[2001:db8::1]:9"];
    for place in somewhere.iter().filter_map(|p| p.parse().ok()) {
        if Link::udp(place).await.is_ok() {
            return Finding::new(Subject::Name, None, Outcome::Failed, detail).because(Cause::NameNotFound);
        }
    }
    Finding::new(Subject::Name, None, Outcome::Undecided, detail).because(Cause::Unreachable)
}

async fn server(target: &Target, address: IpAddr, settings: &Settings, progress: &mut dyn FnMut(&str)) -> ServerReport {
    let mut report =
        ServerReport { server: target.text.clone(), address: Some(address), software: None, checks: Vec::new() };
    let mut given_back = None;
    for way in &target.ways {
        progress(&format!("{} over {}: stun", target.text, way.over));
        let mut host = Host { name: &target.host, relaying: target.relaying, distrusted: settings.insecure };
        let server = SocketAddr::new(address, way.port);
        let Some(link) = connect(&mut host, *way, server, settings, &mut report.checks).await else { continue };
        let Some(answered) = stun::check(link, way.required, settings, &mut report.checks).await else { continue };
        report.software = report.software.or(answered.software);
        if target.relaying != Relaying::No {
            progress(&format!("{} over {}: turn", target.text, way.over));
            turn::check(&host, way.over, server, settings, &mut given_back, &mut report.checks).await;
        }
    }
    nothing_at_all(&mut report.checks);
    report
}

/// Makes the connection, and looks at the certificate.
async fn connect(
    host: &mut Host<'_>,
    way: Way,
    server: SocketAddr,
    settings: &Settings,
    findings: &mut Vec<Finding>,
) -> Option<Link> {
    let over = way.over;
    let begun = tokio::time::Instant::now();
    let mut link = host.link(over, server, settings).await;
    let took = begun.elapsed().as_secs_f64() * 1e3;
    if over == Over::Tls {
        match &link {
            Ok(_) if settings.insecure => {
                findings.push(Finding::not_applicable(Subject::Certificate, over, "not looked at (--insecure)"));
            }
            Ok(_) => {
                let detail = format!("valid for {}; TCP and TLS made in {took:.1} ms", host.name);
                findings.push(Finding::ok(Subject::Certificate, over, detail));
            }
            Err(e @ Failure::Tls(_)) => {
                let finding = Finding::of(Subject::Certificate, over, e);
                if e.cause() == Cause::Tls {
                    // Another protocol on a port that was only tried.
                    findings.push(if way.required {
                        finding
                    } else {
                        Finding { outcome: Outcome::NotApplicable, hint: None, ..finding }
                    });
                    return None;
                }
                findings.push(finding);
                host.distrusted = true;
                link = host.link(over, server, settings).await;
            }
            Err(_) => {}
        }
    }
    match link {
        Ok(link) => {
            if over == Over::Tcp {
                findings.push(Finding::ok(Subject::Connect, over, format!("made in {took:.1} ms")));
            }
            Some(link)
        }
        Err(e) => {
            let finding = Finding::of(Subject::Connect, over, &e);
            findings.push(if !way.required && e.is_no_contact() {
                Finding { outcome: Outcome::NotApplicable, hint: None, ..finding }
            } else {
                finding
            });
            None
        }
    }
}

/// A server of which nothing had to be there and nothing is: then that is the fault.
fn nothing_at_all(findings: &mut [Finding]) {
    let answers = findings.iter().any(|f| matches!(f.outcome, Outcome::Ok | Outcome::Failed));
    for finding in findings.iter_mut().filter(|f| !answers && f.cause.is_some()) {
        let cause = finding.cause;
        let outcome = if cause == Some(Cause::Unreachable) { Outcome::Undecided } else { Outcome::Failed };
        *finding = Finding { outcome, hint: cause.and_then(Cause::hint).map(str::to_owned), ..finding.clone() };
    }
}

impl Report {
    /// Whether nothing failed.
    pub fn is_ok(&self) -> bool {
        self.conclusion == Conclusion::Ok
    }
}
