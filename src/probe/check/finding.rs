//! What a check found: one line per thing that was looked at. Pure data; JSON is made of it as it is.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use crate::probe::turn::{Cause, Failure, Over};

/// Version of the JSON; grows when a field changes its meaning or goes.
pub const SCHEMA: u32 = 1;

/// How one thing stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// Not as it should be.
    Failed,
    /// There was nothing to look at, and that is no fault.
    NotApplicable,
    /// It could not be found out, for a reason that is not the server's.
    Undecided,
}

/// What was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Subject {
    /// The name has addresses.
    Name,
    /// A TCP connection, or the route.
    Connect,
    /// TLS, and whose certificate it is.
    Certificate,
    /// Binding requests are answered.
    Stun,
    /// The address the server sees is one it can see.
    Mapped,
    /// The other addresses and ports of RFC 5780 answer.
    Alternates,
    /// The realm is the expected one.
    Realm,
    /// A relay can be had.
    Allocate,
    /// The relayed transport address is one that peers can reach.
    RelayAddress,
    /// It carries packets both ways.
    Relay,
    /// It does not carry those of strangers.
    Permissions,
    /// ChannelData both ways.
    Channels,
    /// The lifetime can be prolonged, and the relay given back.
    Refresh,
}

impl Subject {
    /// One word, as people read it.
    pub const fn name(self) -> &'static str {
        match self {
            Subject::Name => "name",
            Subject::Connect => "connect",
            Subject::Certificate => "certificate",
            Subject::Stun => "stun",
            Subject::Mapped => "mapped",
            Subject::Alternates => "alternates",
            Subject::Realm => "realm",
            Subject::Allocate => "allocate",
            Subject::RelayAddress => "relay address",
            Subject::Relay => "relay",
            Subject::Permissions => "permissions",
            Subject::Channels => "channels",
            Subject::Refresh => "refresh",
        }
    }
}

/// Round-trip times in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RoundTrips {
    /// The shortest.
    pub min_ms: f64,
    /// The middle one; of an even number, the lower of both.
    pub median_ms: f64,
    /// The longest.
    pub max_ms: f64,
    /// How many were answered.
    pub answered: u32,
    /// How many were asked.
    pub asked: u32,
}

impl RoundTrips {
    /// Of those that were answered; none when none was.
    pub fn of(mut times: Vec<Duration>, asked: u32) -> Option<RoundTrips> {
        times.sort();
        let ms = |d: &Duration| (d.as_secs_f64() * 1e5).round() / 1e2;
        Some(RoundTrips {
            min_ms: ms(times.first()?),
            median_ms: ms(times.get((times.len() - 1) / 2)?),
            max_ms: ms(times.last()?),
            answered: u32::try_from(times.len()).unwrap_or(u32::MAX),
            asked,
        })
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: Subject,
    /// Over which transport; none of what comes before any.
    pub transport: Option<Over>,
    /// How it stands.
    pub outcome: Outcome,
    /// In words.
    pub detail: String,
    /// Why it failed, in one word.
    pub cause: Option<Cause>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Address that was found: mapped, relayed, or the server's.
    pub address: Option<SocketAddr>,
    /// Of `stun` and `relay`.
    pub round_trips: Option<RoundTrips>,
}

impl Finding {
    /// With nothing but words.
    pub fn new(check: Subject, transport: Option<Over>, outcome: Outcome, detail: impl Into<String>) -> Finding {
        let detail = detail.into();
        Finding { check, transport, outcome, detail, cause: None, hint: None, address: None, round_trips: None }
    }

    /// As it should be.
    pub fn ok(check: Subject, over: Over, detail: impl Into<String>) -> Finding {
        Finding::new(check, Some(over), Outcome::Ok, detail)
    }

    /// There was nothing to look at.
    pub fn not_applicable(check: Subject, over: Over, detail: impl Into<String>) -> Finding {
        Finding::new(check, Some(over), Outcome::NotApplicable, detail)
    }

    /// Not as it should be, for this cause.
    pub fn failed(check: Subject, over: Over, cause: Cause, detail: impl Into<String>) -> Finding {
        Finding::new(check, Some(over), Outcome::Failed, detail).because(cause)
    }

    /// What the failure of a request means: a fault of the server, unless this host has no way there.
    pub fn of(check: Subject, over: Over, failure: &Failure) -> Finding {
        let outcome = match failure.cause() {
            Cause::Unreachable | Cause::Local | Cause::CredentialsMissing => Outcome::Undecided,
            _ => Outcome::Failed,
        };
        Finding::new(check, Some(over), outcome, failure.to_string()).because(failure.cause())
    }

    /// With a cause, and its hint.
    pub fn because(self, cause: Cause) -> Finding {
        Finding { cause: Some(cause), hint: cause.hint().map(str::to_owned), ..self }
    }

    /// With an address.
    pub fn at(self, address: SocketAddr) -> Finding {
        Finding { address: Some(address), ..self }
    }
}

/// Everything found about one server at one address.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// As it was named.
    pub server: String,
    /// Its address; none when the name has none.
    pub address: Option<std::net::IpAddr>,
    /// SOFTWARE, where it says so.
    pub software: Option<String>,
    /// In the order in which it was looked at.
    pub checks: Vec<Finding>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conclusion {
    /// Nothing failed.
    Ok,
    /// Something did.
    Failed,
    /// Nothing did, but something could not be found out.
    Undecided,
}

/// Everything found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of natlab.
    pub natlab: String,
    /// Of all of it.
    pub conclusion: Conclusion,
    /// In the order in which they were named.
    pub servers: Vec<ServerReport>,
}

impl Report {
    /// With the conclusion drawn.
    pub fn of(servers: Vec<ServerReport>) -> Report {
        let has = |outcome| servers.iter().flat_map(|s| &s.checks).any(|c| c.outcome == outcome);
        let conclusion = match (has(Outcome::Failed), has(Outcome::Undecided)) {
            (true, _) => Conclusion::Failed,
            (_, true) => Conclusion::Undecided,
            _ => Conclusion::Ok,
        };
        Report { schema: SCHEMA, natlab: env!("CARGO_PKG_VERSION").to_owned(), conclusion, servers }
    }
}
