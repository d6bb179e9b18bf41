//! The RFC 5780 client: what does the gateway in front of these sockets do?
//!
//! One engine serves the gate of `natlab run` and `natlab classify`: [`socket`] and [`mod@line`] send requests and hear the
//! answers, `crossing` hairpins, [`axes`] has what follows from outcomes. What is asked, in which order, how often and with
//! which proof that silence means something, is each one's own: of [`mod@classify`] stands there.
//!
//! The gate is quick: its server and its links are the lab's own. [`exchange`] asks, [`judge`] draws the conclusions and is
//! pure. The sockets come from the caller, so that a lab can open them inside the namespace of a node.
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
//! That a packet does *not* arrive is decided by order (`order`).

pub mod axes;
pub mod check;
pub mod classify;
mod crossing;
pub mod device;
pub mod exchange;
pub mod host;
pub mod judge;
pub mod limiter;
pub mod line;
mod order;
pub mod port_mapping;
pub mod reach;
pub mod relay;
pub mod socket;
pub mod turn;
pub mod wire;

use std::net::{SocketAddr, UdpSocket};
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

/// The ports a lab binds them to, in their order: outside the ephemeral range, so that no other socket can hold them, and not
/// those of another of its measurements, whose mappings in a common gateway keep them.
pub fn ports(measurement: usize) -> [u16; SOCKETS] {
    // Of the same parity in each, and below the ephemeral range for any number of gateways.
    let first = 6001 + 10 * u16::try_from(measurement % 1000).unwrap_or_default();
    std::array::from_fn(|i| first + i as u16)
}

/// The four places of a server with RFC 5780.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// A1:P1.
    pub primary: SocketAddr,
    /// A2:P2.
    pub alternate: SocketAddr,
}

impl Places {
    /// A1:P2.
    pub fn other_port(&self) -> SocketAddr {
        SocketAddr::new(self.primary.ip(), self.alternate.port())
    }

    /// A2:P1.
    pub fn other_address(&self) -> SocketAddr {
        SocketAddr::new(self.alternate.ip(), self.primary.port())
    }
}

/// How often and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// While nothing comes back.
    pub schedule: Schedule,
    /// How many requests must go unanswered, each followed by an answered plain one, before "dropped" is concluded.
    pub confirmations: u32,
    /// How long an answer may take after the plain one that was sent behind its request.
    pub grace: Duration,
}

impl Timing {
    /// For labs: no losses but those that a scenario makes, round trips of milliseconds. A silent server costs 100
    /// ms, a dropped answer 10 ms.
    pub fn lab() -> Timing {
        let sends = [0, 20, 60].map(Duration::from_millis).to_vec();
        Timing {
            schedule: Schedule { sends, patience: Duration::from_millis(40) },
            confirmations: 4,
            grace: Duration::from_millis(10),
        }
    }

    /// The same with more patience, which costs time only where nothing answers: for links with a delay, and on a busy
    /// machine.
    pub fn with_patience(self, patience: Duration) -> Timing {
        Timing { schedule: Schedule { patience, ..self.schedule }, ..self }
    }
}

/// What is measured, and how.
#[derive(Debug)]
pub struct Setup {
    /// [`SOCKETS`] of them, bound to one address and different ports, in the network they are to measure.
    pub sockets: Vec<UdpSocket>,
    /// The server.
    pub target: Places,
    /// Pace.
    pub timing: Timing,
}

/// The measured behaviour when a measurement could not even begin.
fn not_measured(why: String) -> Measured {
    Measured { undecided: vec![why], ..Measured::default() }
}

#[cfg(test)]
mod tests;
