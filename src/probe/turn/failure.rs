//! Why a server did not do what a client asked: every cause apart, with what to do about it. Pure.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use ::stun::message::*;
use serde::Serialize;

/// A request, by its method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Binding (RFC 8489).
    Binding,
    /// Allocate (RFC 8656 §7).
    Allocate,
    /// Refresh (RFC 8656 §8).
    Refresh,
    /// CreatePermission (RFC 8656 §10).
    CreatePermission,
    /// ChannelBind (RFC 8656 §12).
    ChannelBind,
}

impl Asked {
    pub(super) fn method(self) -> Method {
        match self {
            Asked::Binding => METHOD_BINDING,
            Asked::Allocate => METHOD_ALLOCATE,
            Asked::Refresh => METHOD_REFRESH,
            Asked::CreatePermission => METHOD_CREATE_PERMISSION,
            Asked::ChannelBind => METHOD_CHANNEL_BIND,
        }
    }
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Asked::Binding => "Binding",
            Asked::Allocate => "Allocate",
            Asked::Refresh => "Refresh",
            Asked::CreatePermission => "CreatePermission",
            Asked::ChannelBind => "ChannelBind",
        })
    }
}

/// What is wrong with a server's certificate, or with TLS itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Its time is over.
    #[error("the certificate has expired")]
    Expired,
    /// Its time has not come.
    #[error("the certificate is not valid yet")]
    NotYetValid,
    /// It is somebody else's.
    #[error("the certificate is for {}, not for {asked}", names(.presented))]
    WrongName {
        /// The name that was asked for.
        asked: String,
        /// Names in the certificate.
        presented: Vec<String>,
    },
    /// Nobody vouches for it.
    #[error("the certificate comes from an unknown issuer")]
    UnknownIssuer,
    /// Anything else about the certificate.
    #[error("the certificate is not accepted: {0}")]
    Certificate(String),
    /// The handshake failed for another reason.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
}

fn names(presented: &[String]) -> String {
    if presented.is_empty() { "another name".to_owned() } else { presented.join(", ") }
}

/// Why a request, or the way to the server, failed; completes "failed to …" with what was tried before it.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nothing listens there.
    #[error("connection refused: nothing listens on {over} {server}")]
    ConnectionRefused {
        /// Transport in words.
        over: &'static str,
        /// Where.
        server: SocketAddr,
    },
    /// This host has no way there.
    #[error("no route to {server}: {source}")]
    Unreachable {
        /// Where.
        server: SocketAddr,
        /// As the host says.
        source: io::Error,
    },
    /// The connection was not made in time.
    #[error("no connection to {server} within {} ms", .after.as_millis())]
    ConnectTimeout {
        /// Where.
        server: SocketAddr,
        /// How long was waited.
        after: Duration,
    },
    /// No answer.
    #[error("no answer to {asked} within {} ms ({sends} sent)", .after.as_millis())]
    Silent {
        /// To what.
        asked: Asked,
        /// How long was waited.
        after: Duration,
        /// How often it was sent.
        sends: u32,
    },
    /// The server ended the connection.
    #[error("the server closed the connection during {asked}")]
    Closed {
        /// What was asked last.
        asked: Asked,
    },
    /// What came is no STUN.
    #[error("what answers there does not speak STUN")]
    NotStun,
    /// TLS.
    #[error("{0}")]
    Tls(TlsFault),
    /// An answer arrived that misses what it must have.
    #[error("the answer to {asked} has no {missing}")]
    Malformed {
        /// To what.
        asked: Asked,
        /// An attribute.
        missing: &'static str,
    },
    /// An answer whose MESSAGE-INTEGRITY is missing or wrong: ignored, as RFC 8489 §9.2.5 wants, and none better came.
    #[error("the answer to {asked} is not authentic: its MESSAGE-INTEGRITY is missing or wrong")]
    NotAuthentic {
        /// To what.
        asked: Asked,
    },
    /// 401, and there are no credentials to answer with.
    #[error("the server wants credentials of realm {realm:?}")]
    CredentialsWanted {
        /// REALM of the challenge.
        realm: String,
    },
    /// 401 although credentials were sent.
    #[error("401 {reason}: the server (realm {realm:?}) does not accept user {user:?} with this password")]
    Unauthorized {
        /// USERNAME that was sent.
        user: String,
        /// REALM they were computed for.
        realm: String,
        /// As the server says.
        reason: String,
    },
    /// 438 to the nonce that a 438 had just given.
    #[error("438 to {asked} again and again: the server refuses the nonce that it gave itself")]
    StaleNonceLoop {
        /// What was asked.
        asked: Asked,
    },
    /// 300.
    #[error("300: the server sends clients to {}", .to.map_or_else(|| "another one".to_owned(), |a| a.to_string()))]
    TryAlternate {
        /// ALTERNATE-SERVER.
        to: Option<SocketAddr>,
    },
    /// Every other error response.
    #[error("{code}{} to {asked}", phrase(.reason))]
    Refused {
        /// To what.
        asked: Asked,
        /// ERROR-CODE.
        code: u16,
        /// Its phrase.
        reason: String,
    },
    /// A credential or a packet is longer than a message can carry.
    #[error("the request would be longer than a STUN message can be")]
    TooLong,
    /// Anything else of the host.
    #[error("{0}")]
    Io(#[source] io::Error),
}

/// Some servers send none.
fn phrase(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" {reason}") }
}

/// A cause in one word, as JSON has it; stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "each is its own sentence in `Failure` or in docs/check.md")]
pub enum Cause {
    NameNotFound,
    ConnectionRefused,
    Unreachable,
    Timeout,
    ConnectionClosed,
    NotStun,
    CertificateExpired,
    CertificateNotYetValid,
    CertificateWrongName,
    CertificateUnknownIssuer,
    Certificate,
    Tls,
    MalformedAnswer,
    NotAuthentic,
    CredentialsMissing,
    CredentialsExpired,
    Unauthorized,
    WrongRealm,
    StaleNonce,
    TryAlternate,
    BadRequest,
    Forbidden,
    UnknownAttribute,
    AllocationMismatch,
    AddressFamily,
    WrongCredentials,
    UnsupportedTransport,
    PeerAddressFamily,
    QuotaReached,
    ServerError,
    InsufficientCapacity,
    OtherRefusal,
    OpenRelay,
    NotPublic,
    DeadAlternate,
    WrongSource,
    NotRelayed,
    PermissionNotEnforced,
    ChannelNotUsed,
    Local,
}

impl Failure {
    /// The cause in one word.
    pub fn cause(&self) -> Cause {
        match self {
            Failure::ConnectionRefused { .. } => Cause::ConnectionRefused,
            Failure::Unreachable { .. } => Cause::Unreachable,
            Failure::ConnectTimeout { .. } | Failure::Silent { .. } => Cause::Timeout,
            Failure::Closed { .. } => Cause::ConnectionClosed,
            Failure::NotStun => Cause::NotStun,
            Failure::Tls(TlsFault::Expired) => Cause::CertificateExpired,
            Failure::Tls(TlsFault::NotYetValid) => Cause::CertificateNotYetValid,
            Failure::Tls(TlsFault::WrongName { .. }) => Cause::CertificateWrongName,
            Failure::Tls(TlsFault::UnknownIssuer) => Cause::CertificateUnknownIssuer,
            Failure::Tls(TlsFault::Certificate(_)) => Cause::Certificate,
            Failure::Tls(TlsFault::Handshake(_)) => Cause::Tls,
            Failure::Malformed { .. } => Cause::MalformedAnswer,
            Failure::NotAuthentic { .. } => Cause::NotAuthentic,
            Failure::CredentialsWanted { .. } => Cause::CredentialsMissing,
            Failure::Unauthorized { .. } => Cause::Unauthorized,
            Failure::StaleNonceLoop { .. } => Cause::StaleNonce,
            Failure::TryAlternate { .. } => Cause::TryAlternate,
            Failure::Refused { code, .. } => match code {
                400 => Cause::BadRequest,
                401 => Cause::Unauthorized,
                403 => Cause::Forbidden,
                420 => Cause::UnknownAttribute,
                437 => Cause::AllocationMismatch,
                440 => Cause::AddressFamily,
                441 => Cause::WrongCredentials,
                442 => Cause::UnsupportedTransport,
                443 => Cause::PeerAddressFamily,
                486 => Cause::QuotaReached,
                500 => Cause::ServerError,
                508 => Cause::InsufficientCapacity,
                _ => Cause::OtherRefusal,
            },
            Failure::TooLong | Failure::Io(_) => Cause::Local,
        }
    }

    /// Whether nothing was learnt about the server because nothing got there or came back.
    pub fn is_no_contact(&self) -> bool {
        matches!(self.cause(), Cause::ConnectionRefused | Cause::Unreachable | Cause::Timeout)
    }
}

impl Cause {
    /// What to do about it; none where the sentence says it all.
    pub fn hint(self) -> Option<&'static str> {
        Some(match self {
            Cause::NameNotFound => "check the name; a host needs an A or AAAA record",
            Cause::ConnectionRefused => {
                "is the server running, and on this port and transport? is it a firewall's reset?"
            }
            Cause::Unreachable => "this host has no route there: check its own network first",
            Cause::Timeout => "a firewall drops the packets, the address is wrong, or the server is down",
            Cause::ConnectionClosed => "the server may expect TLS on this port, or be behind a proxy that does",
            Cause::NotStun => "another service listens on this port; 3478 is usual for STUN and TURN, 5349 for TLS",
            Cause::CertificateExpired => "renew the certificate and reload the server; is this host's clock right?",
            Cause::CertificateNotYetValid => "compare the clocks of this host and of whoever issued the certificate",
            Cause::CertificateWrongName => "use the name in the certificate, or issue one for this name",
            Cause::CertificateUnknownIssuer => {
                "serve the whole chain (coturn: cert= with the intermediates); for an own authority give --ca FILE"
            }
            Cause::Certificate | Cause::Tls => "compare with `openssl s_client -connect HOST:PORT -servername HOST`",
            Cause::MalformedAnswer => "something on the way rewrites STUN, or the server is broken",
            Cause::NotAuthentic => {
                "the server computes with another password or realm than it accepts, or is an impostor"
            }
            Cause::CredentialsMissing => "give --user and --password, or --secret",
            Cause::CredentialsExpired => "ask for fresh ones; their user name begins with the second they run out",
            Cause::Unauthorized => {
                "user or password is wrong; for time-limited credentials: is the secret the same, and are the clocks?"
            }
            Cause::WrongRealm => {
                "the server's realm= differs; stored keys (MD5 of user:realm:password) fit one realm only"
            }
            Cause::StaleNonce => "several servers behind one address without affinity, each with nonces of its own?",
            Cause::TryAlternate => "check the server it names instead",
            Cause::BadRequest => "the server did not understand a request; a packet trace shows which attribute",
            Cause::Forbidden => "the server denies this peer address (coturn: denied-peer-ip, allow-loopback-peers)",
            Cause::UnknownAttribute => "the server does not know an attribute that TURN requires: is it STUN only?",
            Cause::AllocationMismatch => {
                "the 5-tuple has an allocation already, or lost it: look into the server's log"
            }
            Cause::AddressFamily => "the server relays another address family than the one asked for",
            Cause::WrongCredentials => "the allocation was made with other credentials; make a new one",
            Cause::UnsupportedTransport => "the server relays no UDP (coturn: no-udp-relay)",
            Cause::PeerAddressFamily => "peer and relay address are of different families",
            Cause::QuotaReached => "raise the quota of the user or the server (coturn: user-quota, total-quota)",
            Cause::ServerError => "look into the server's log",
            Cause::InsufficientCapacity => "the server has no ports left (coturn: min-port, max-port, total-quota)",
            Cause::OpenRelay => "ask for credentials (coturn: lt-cred-mech); anybody can relay through this server",
            Cause::NotPublic => "the server is behind a NAT and does not say so (coturn: external-ip=PUBLIC/PRIVATE)",
            Cause::DeadAlternate => "clients of RFC 5780 misjudge NATs with it; open the firewall or turn it off",
            Cause::WrongSource => {
                "the server has several addresses and answers from the wrong one (coturn: listening-ip)"
            }
            Cause::NotRelayed => "open the relay's UDP ports in the firewall (coturn: min-port to max-port)",
            Cause::PermissionNotEnforced => "the server forwards packets of strangers (RFC 8656 §9)",
            Cause::ChannelNotUsed => "the server does not implement channels (RFC 8656 §12)",
            Cause::OtherRefusal | Cause::Local => return None,
        })
    }
}
