//! The RFC 5780 client: what does the gateway in front of these sockets do?
//!
//! [`exchange`] sends and receives, [`judge`] draws the conclusions from what was seen and is pure. The sockets come
//! from the caller, so that a lab can open them inside the namespace of a node.
//!
//! | socket | asks | for |
//! |---|---|---|
//! | 0 | A1:P1, then A2:P1, A2:P2 and A1:P2 | mapping I to III of RFC 5780 §4.3; whether both alternates are alive |
//! | 1 | A1:P1 for an answer from A2:P2 | filtering II of §4.4 |
//! | 2 | A1:P1 for an answer from A1:P2 | filtering III of §4.4 |
//! | 3 | A1:P1, then the reflexive endpoint of socket 0 | hairpinning |
//! | 4 | A2:P1 and A2:P2, only when all else is silent | whether it is UDP that is blocked, or A1 that is dead |
//!
//! Filtering is measured while nothing has been sent to the alternates from any socket, so that a gateway which
//! filters per host and not per endpoint is not taken for a laxer one.
//!
//! That a packet does *not* arrive is decided by order: after each request whose answer may be dropped goes a plain
//! one over an open path, and the server answers in order. When the second answer is there, the first one is not
//! coming; a short grace covers what order cannot.

pub mod axes;
pub mod check;
pub mod classify;
pub mod device;
pub mod exchange;
pub mod host;
pub mod judge;
pub mod limiter;
pub mod line;
pub mod port_mapping;
pub mod reach;
pub mod relay;
pub mod socket;
pub mod turn;
pub mod wire;

use std::net::{SocketAddrV4, UdpSocket};
use std::time::Duration;

use crate::nat::Measured;

pub use classify::{Candidate, Found, Ladder, Options, Request, Step, classify};
pub use exchange::measure;
pub use limiter::Limiter;
pub use line::Schedule;
pub use relay::Relay;
pub use socket::{HostSockets, Opener};

/// How many sockets a measurement takes.
pub const SOCKETS: usize = 5;

/// The ports a lab binds them to, in their order: outside the ephemeral range, so that no other socket can hold them.
pub const PORTS: [u16; SOCKETS] = [6001, 6002, 6003, 6004, 6005];

/// Where the server listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// A1:P1.
    pub primary: SocketAddrV4,
    /// A2:P2.
    pub alternate: SocketAddrV4,
}

impl Target {
    /// A1:P2.
    pub fn other_port(&self) -> SocketAddrV4 {
        SocketAddrV4::new(*self.primary.ip(), self.alternate.port())
    }

    /// A2:P1.
    pub fn other_address(&self) -> SocketAddrV4 {
        SocketAddrV4::new(*self.alternate.ip(), self.primary.port())
    }
}

/// How often and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// When a request leaves while nothing comes back, from its beginning; the first is zero.
    pub sends: Vec<Duration>,
    /// How long an answer may take after the last of them.
    pub patience: Duration,
    /// How many requests must go unanswered, each followed by an answered plain one, before "dropped" is concluded.
    pub confirmations: u32,
    /// The pause between two of those; requests that follow each other at once are lost together.
    pub spacing: Duration,
    /// How long an answer may take after the plain one that was sent behind its request.
    pub grace: Duration,
}

impl Timing {
    /// For labs: no losses but those that a scenario makes, round trips of milliseconds. A silent server costs 100
    /// ms, a dropped answer 10 ms.
    pub fn lab() -> Timing {
        Timing {
            sends: vec![Duration::ZERO, Duration::from_millis(20), Duration::from_millis(60)],
            patience: Duration::from_millis(40),
            confirmations: 4,
            spacing: Duration::ZERO,
            grace: Duration::from_millis(10),
        }
    }

    /// The same with more patience, which costs time only where nothing answers: for links with a delay, and on a busy
    /// machine.
    pub fn with_patience(self, patience: Duration) -> Timing {
        Timing { patience, ..self }
    }
}

/// What is measured, and how.
#[derive(Debug)]
pub struct Setup {
    /// [`SOCKETS`] of them, bound to one address and different ports, in the network they are to measure.
    pub sockets: Vec<UdpSocket>,
    /// The server.
    pub target: Target,
    /// Pace.
    pub timing: Timing,
}

/// The measured behaviour when a measurement could not even begin.
fn not_measured(why: String) -> Measured {
    Measured { undecided: vec![why], ..Measured::default() }
}

#[cfg(test)]
mod tests;
