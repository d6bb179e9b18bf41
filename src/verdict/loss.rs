//! What loss that the scenario asked for excuses: an outcome that packets lost by chance explain well enough is no proof.
//!
//! ICE sends again what is not answered, so loss changes no prediction. But it may lose every transmission of an exchange
//! that everything hangs on. The chance of that is estimated from the shares the scenario states, not from what was counted:
//! a few dozen packets say little about a share, and what was lost in this very trial is no excuse for it.

use crate::plan::{ExpectedOutcome, Loss, Trial};
use crate::trace::Trace;

use super::{Outcome, Reason, UnknownCause};

/// An outcome that loss explains with a chance of this or more proves nothing about an agent.
pub const NEGLIGIBLE: f64 = 1e-4;
/// How often a request is sent (Rc of RFC 8489 §6.2.1; ICE agents do likewise with their checks).
const TRANSMISSIONS: i32 = 7;
/// Requests until a relay can carry data: Allocate twice, because the first is refused, and CreatePermission (RFC 8656 §7, §9).
const RELAY_EXCHANGES: f64 = 3.0;

/// Why an outcome other than the accepted ones is inconclusive, where the loss that was asked for may be all there is to it.
pub fn excuse(trial: &Trial, trace: &Trace, outcome: Outcome, accepted: &[ExpectedOutcome]) -> Option<Reason> {
    use ExpectedOutcome as E;
    let spoilt = match outcome {
        Outcome::NoPath => accepted.iter().any(|a| *a != E::NoPath),
        Outcome::Relayed => accepted.contains(&E::Direct),
        Outcome::Unknown(cause) => matches!(cause, UnknownCause::HalfOpen | UnknownCause::NoData),
        Outcome::Direct => false,
    };
    let chance = chance(trial);
    if !spoilt || chance < NEGLIGIBLE {
        return None;
    }
    let counted = trace
        .lab
        .losses
        .iter()
        .map(|l| format!("{} {} of {} packets of {}", l.direction, l.dropped, l.dropped + l.passed, l.node));
    let counted: Vec<String> = counted.collect();
    let lost = if counted.is_empty() { String::new() } else { format!(" (lost here: {})", counted.join(", ")) };
    let text = format!(
        "links lose packets here, and with a chance of up to {} every transmission of an exchange that a better outcome \
         needs is lost{lost}: nothing is concluded",
        percent(chance)
    );
    Some(Reason::new(text, [0].into_iter().chain(trace.lab.losses.iter().map(|l| l.event))))
}

/// An upper bound (the sum over all exchanges) of the chance that all transmissions of one of them are lost: asking each
/// server, making a relay, and one check between the two.
fn chance(trial: &Trial) -> f64 {
    let [offerer, answerer] = trial.sides().map(|peer| way_out(trial, peer));
    let mut sum = failing(&offerer, &answerer);
    for (name, way) in trial.sides().into_iter().zip([&offerer, &answerer]) {
        let urls = trial.peers.get(name).into_iter().flat_map(|p| &p.ice_servers).flat_map(|s| &s.urls);
        for url in urls {
            // Over TCP the kernel sends again for minutes.
            if url.ends_with("transport=tcp") {
                continue;
            }
            let server = trial.servers.iter().find(|s| s.endpoint().is_some_and(|e| url.contains(&e.to_string())));
            let server = server.map_or(Survival::ALL, |s| Survival::of(loss(trial, &s.node)));
            let exchanges = if url.starts_with("turn") { RELAY_EXCHANGES } else { 1.0 };
            sum += exchanges * failing(way, &server);
        }
    }
    sum.min(1.0)
}

/// The share of packets that get through, in both directions.
struct Survival {
    up: f64,
    down: f64,
}

impl Survival {
    const ALL: Survival = Survival { up: 1.0, down: 1.0 };

    fn of(loss: Loss) -> Survival {
        let through = |share: u16| 1.0 - f64::from(share) / 10_000.0;
        Survival { up: through(loss.up), down: through(loss.down) }
    }
}

/// Every link between a peer and the Internet.
fn way_out(trial: &Trial, peer: &str) -> Survival {
    let gateways = trial.peers.get(peer).into_iter().flat_map(|p| p.behind.iter().map(String::as_str));
    std::iter::once(peer)
        .chain(gateways)
        .map(|node| Survival::of(loss(trial, node)))
        .fold(Survival::ALL, |all, one| Survival { up: all.up * one.up, down: all.down * one.down })
}

fn loss(trial: &Trial, node: &str) -> Loss {
    trial.topology.links.iter().find(|l| l.b.node == node).map(|l| l.loss).unwrap_or_default()
}

/// The chance that none of the transmissions of a request from `a` to `b` is answered.
fn failing(a: &Survival, b: &Survival) -> f64 {
    let answered = a.up * b.down * b.up * a.down;
    (1.0 - answered).powi(TRANSMISSIONS)
}

fn percent(chance: f64) -> String {
    if chance < 0.001 { format!("{:.3} %", chance * 100.0) } else { format!("{:.1} %", chance * 100.0) }
}
