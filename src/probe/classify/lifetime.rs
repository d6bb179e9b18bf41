//! RFC 5780 §4.6: another socket asks the server to answer to the port of one that has been silent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ::stun::agent::TransactionId;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until};

use super::ladder::{Ladder, METHOD, Rung, judge};
use crate::classification::{Finding, Lifetime};
use crate::probe::line::{ATTEMPTS, Line, Outcome, Shared};
use crate::probe::wire::{Ask, Content};

/// A mapping that stays silent.
struct Idle {
    line: Line,
    external: SocketAddr,
    /// When its answer came in: the last packet of either direction.
    since: Instant,
}

impl Idle {
    async fn make(shared: &Arc<Shared>, server: SocketAddr) -> Result<Idle, String> {
        let line = Line::open(shared).map_err(|e| format!("no socket: {e}"))?;
        let external = line.ask_patiently(server).await.mapped().ok_or_else(|| format!("{server} fell silent"))?;
        Ok(Idle { line, external, since: Instant::now() })
    }
}

/// What came of asking for an answer to an idle mapping.
enum Knock {
    /// It came in.
    Alive,
    /// It did not, after so many requests.
    Silent(u32),
    /// It cannot be told: a reason, and whether the server is it.
    Unknown(String, bool),
}

/// Asks from `other` for an answer to the port of `idle`, up to so many transactions.
async fn knock(shared: &Arc<Shared>, other: &Line, idle: &Idle, server: SocketAddr, attempts: u32) -> Knock {
    let mut sends = 0;
    for _ in 0..attempts {
        let id = TransactionId::new().0;
        let ask = Ask { response_port: Some(idle.external.port()), ..Ask::PLAIN };
        let asking = other.transact_as(id, server, &ask, server);
        let until = Instant::now() + Duration::from_secs(3600);
        let hearing = async {
            loop {
                match idle.line.stray(until).await {
                    Some(s) if s.id == id && matches!(s.content, Content::Success(_)) => return,
                    Some(_) => {}
                    None => std::future::pending().await,
                }
            }
        };
        let done = tokio::select! {
            done = asking => done,
            () = hearing => return Knock::Alive,
        };
        match done.outcome {
            Outcome::Silent => sends += done.sends,
            Outcome::Refused { code, .. } => {
                return Knock::Unknown(format!("the server refuses RESPONSE-PORT with {code}"), true);
            }
            Outcome::Answered(_) => return Knock::Unknown("the server ignores RESPONSE-PORT".to_owned(), true),
            Outcome::WrongSource(from) => return Knock::Unknown(format!("{from} answered"), true),
            Outcome::NotSent(e) => return Knock::Unknown(format!("no request could be sent: {e}"), false),
        }
        if shared.loss().proves_silence(sends) {
            break;
        }
    }
    Knock::Silent(sends)
}

/// The lifetime of idle mappings, and whether packets from outside prolong it.
pub(super) async fn test(
    shared: &Arc<Shared>,
    server: SocketAddr,
    ladder: &Ladder,
) -> (Finding<Lifetime>, Finding<bool>) {
    let unknown = |why: String, unsupported: bool| {
        let lifetime = match unsupported {
            true => Finding::unsupported(why.clone()),
            false => Finding::inconclusive(why.clone(), METHOD),
        };
        (lifetime, Finding::not_tested(why))
    };
    let other = match Line::open(shared) {
        Ok(line) => line,
        Err(e) => return unknown(format!("no socket: {e}"), false),
    };
    // The control: a mapping that is as good as new must be reached.
    let fresh = match Idle::make(shared, server).await {
        Ok(fresh) => fresh,
        Err(why) => return unknown(why, false),
    };
    // The request leaves through another mapping; the answer goes to the address that this one has.
    let seen = other.ask_patiently(server).await.mapped();
    if seen.map(|s| s.ip()) != Some(fresh.external.ip()) {
        return unknown(
            "sockets have different external addresses, and the server answers to that of the asking one".into(),
            false,
        );
    }
    match knock(shared, &other, &fresh, server, ATTEMPTS).await {
        Knock::Alive => {}
        Knock::Silent(_) => {
            return unknown(
                "an answer to the port of another socket does not come in even to a fresh mapping".into(),
                true,
            );
        }
        Knock::Unknown(why, unsupported) => return unknown(why, unsupported),
    }
    let rungs = join_all(ladder.rungs.iter().map(|age| rung(shared, &other, server, *age))).await;
    let lifetime = judge(&rungs, shared.loss());
    let refresh = match (&lifetime.value, ladder.refresh) {
        (_, false) => Finding::not_tested("not asked for"),
        (Some(Lifetime { last_alive_ms: Some(alive), first_dead_ms: Some(dead) }), true) => {
            refresh(shared, &other, server, Duration::from_millis(*alive), Duration::from_millis(*dead)).await
        }
        _ => Finding::not_tested("the lifetime is not known from both sides"),
    };
    (lifetime, refresh)
}

async fn rung(shared: &Arc<Shared>, other: &Line, server: SocketAddr, age: Duration) -> Rung {
    let idle = match Idle::make(shared, server).await {
        Ok(idle) => idle,
        Err(why) => return Rung::Unknown(why),
    };
    sleep_until(idle.since + age).await;
    match knock(shared, other, &idle, server, ATTEMPTS).await {
        // When the first of several requests is what was answered, this is a little less than its true age.
        Knock::Alive => Rung::Alive(age),
        // Alive until then means that every one of them was lost.
        Knock::Silent(sends) => {
            let patience = shared.schedule.patience;
            Rung::Silent { age: idle.since.elapsed().saturating_sub(patience).max(age), sends }
        }
        Knock::Unknown(why, _) => Rung::Unknown(why),
    }
}

/// Keeps a mapping busy from outside alone until well after an idle one would be gone.
async fn refresh(
    shared: &Arc<Shared>,
    other: &Line,
    server: SocketAddr,
    alive: Duration,
    dead: Duration,
) -> Finding<bool> {
    const METHOD: &str = "RFC 5780 §4.6 with RESPONSE-PORT, packets from outside alone";
    let idle = match Idle::make(shared, server).await {
        Ok(idle) => idle,
        Err(why) => return Finding::inconclusive(why, METHOD),
    };
    let (pace, end) = (alive / 2, dead + alive / 2);
    let mut last = idle.since;
    loop {
        let next = (last + pace).min(idle.since + end);
        sleep_until(next).await;
        last = next;
        let age = idle.since.elapsed();
        match knock(shared, other, &idle, server, ATTEMPTS).await {
            Knock::Alive if age >= end => {
                return Finding::known(true, METHOD).with_evidence([format!(
                    "still alive after {:.1} s without a packet from inside",
                    age.as_secs_f64()
                )]);
            }
            Knock::Alive => {}
            Knock::Silent(sends) if shared.loss().proves_silence(sends) && age > alive => {
                return Finding::likely(false, shared.loss().chance_all_lost(sends), METHOD)
                    .with_evidence([format!("gone at {:.1} s although packets came in", age.as_secs_f64())]);
            }
            Knock::Silent(sends) => {
                return Finding::inconclusive(
                    format!("silent after {:.1} s, {sends} tries", age.as_secs_f64()),
                    METHOD,
                );
            }
            Knock::Unknown(why, _) => return Finding::inconclusive(why, METHOD),
        }
    }
}
