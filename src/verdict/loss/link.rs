//! How likely a packet is to arrive: the links between two nodes, and the shares that the scenario states for them.

use std::net::SocketAddr;

use crate::plan::{Loss, ServerKind, Trial};

/// The share of packets that get through, away from a node and towards it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Survival {
    pub(super) up: f64,
    pub(super) down: f64,
}

impl Survival {
    const ALL: Survival = Survival { up: 1.0, down: 1.0 };

    fn of(loss: Loss) -> Survival {
        let through = |share: u16| 1.0 - f64::from(share) / 10_000.0;
        Survival { up: through(loss.up), down: through(loss.down) }
    }

    fn and(self, next: Survival) -> Survival {
        Survival { up: self.up * next.up, down: self.down * next.down }
    }

    /// Of a packet that goes there and on again.
    fn through(self) -> Survival {
        let both = self.up * self.down;
        Survival { up: both, down: both }
    }
}

/// Every link between a peer and the Internet.
pub(super) fn peer(trial: &Trial, name: &str) -> Survival {
    let gateways = trial.peers.get(name).into_iter().flat_map(|p| p.behind.iter().map(String::as_str));
    let nodes = std::iter::once(name).chain(gateways);
    nodes.map(|node| of_node(trial, node)).fold(Survival::ALL, Survival::and)
}

/// The link of the server that listens there.
pub(super) fn server(trial: &Trial, endpoint: SocketAddr) -> Survival {
    let server = trial.servers.iter().find(|s| s.addresses.iter().any(|a| endpoint.ip() == *a));
    server.map_or(Survival::ALL, |s| of_node(trial, &s.node))
}

/// Through one TURN server after the other, whichever of them a path goes through.
pub(super) fn relays(trial: &Trial) -> Survival {
    let turn = trial.servers.iter().filter(|s| s.kind == ServerKind::Turn);
    turn.map(|s| of_node(trial, &s.node).through()).fold(Survival::ALL, Survival::and)
}

/// The chance that a packet from `a` does not come to `b`.
pub(super) fn one_way(a: Survival, between: Survival, b: Survival) -> f64 {
    1.0 - a.up * between.up * b.down
}

/// The chance that a request from `a` to `b` is lost, or its answer.
pub(super) fn round_trip(a: Survival, between: Survival, b: Survival) -> f64 {
    1.0 - (1.0 - one_way(a, between, b)) * (1.0 - one_way(b, between, a))
}

/// Nothing between two ends but their own links.
pub(super) const NOTHING: Survival = Survival::ALL;

fn of_node(trial: &Trial, node: &str) -> Survival {
    let link = trial.topology.links.iter().find(|l| l.b.node == node);
    link.map_or(Survival::ALL, |l| Survival::of(l.loss))
}
