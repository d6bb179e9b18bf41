//! Which questions the gate asks, and in which order; [`super::judge`] makes sense of the answers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::crossing::{Crossing, End, Turned};
use super::judge::{Hairpin, Observations, Seen, Test, judge};
use super::limiter::Limiter;
use super::line::{Line, Outcome, Requests, Shared, Transaction};
use super::order::Confirmations;
use super::socket::Bound;
use super::wire::{Ask, Change};
use super::{Places, SOCKETS, Setup, Timing, not_measured};
use crate::nat::Measured;

/// Measures the gateway that stands in front of the sockets; must run on a Tokio runtime with I/O and time.
///
/// Never fails: what could not be found out stands in [`Measured::undecided`], with its reason.
pub async fn measure(setup: Setup) -> Measured {
    match observe(setup).await {
        Ok(observations) => judge(&observations),
        Err(e) => not_measured(format!("everything: {e}")),
    }
}

/// Sends and receives everything.
///
/// # Errors
/// When the sockets cannot be used.
pub async fn observe(setup: Setup) -> io::Result<Observations> {
    let Setup { sockets, target, timing } = setup;
    let count = sockets.len();
    let shared = Shared::new(Arc::new(Bound::new(sockets)), Arc::new(Limiter::unlimited()), timing.schedule.clone());
    let lines: Vec<Line> = (0..count).map(|_| Line::open(&shared)).collect::<io::Result<_>>()?;
    let [a, b, c, d, e]: &[Line; SOCKETS] = lines.as_slice().try_into().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("a measurement takes {SOCKETS} sockets, not {count}"))
    })?;

    // A1:P1 alone first. When all is silent after the first pause, a fifth socket asks A2: is it UDP or is it A1?
    let measuring = async {
        tokio::join!(
            plainly(a, target.primary, &timing),
            elsewhere(b, &target, Change::Both, &timing),
            elsewhere(c, &target, Change::Port, &timing),
            plainly(d, target.primary, &timing),
        )
    };
    let silent = || shared.heard() == 0;
    let second_opinion = async {
        let pause = timing.schedule.sends.get(1).copied().unwrap_or(timing.schedule.patience);
        sleep_until(Instant::now() + pause).await;
        if silent() {
            let rest = timing.schedule.after(pause);
            tokio::join!(e.ask_by(&rest, target.other_address()), e.ask_by(&rest, target.alternate));
        }
    };
    tokio::pin!(measuring, second_opinion);
    let (first, (second, from_alternate), (third, from_other_port), fourth) = tokio::select! {
        done = &mut measuring => {
            if silent() {
                second_opinion.await;
            }
            done
        }
        () = &mut second_opinion => measuring.await,
    };

    let (other_address, alternate, other_port) = match first.mapped() {
        Some(_) => tokio::join!(
            plainly(a, target.other_address(), &timing),
            plainly(a, target.alternate, &timing),
            plainly(a, target.other_port(), &timing),
        ),
        None => (Outcome::Silent, Outcome::Silent, Outcome::Silent),
    };

    let same = |seen: &Outcome| seen.mapped() == first.mapped();
    let hairpin = match (first.mapped(), fourth.mapped()) {
        (Some(x), Some(y)) if x != a.local() && same(&other_address) && same(&alternate) => {
            hairpin([End::new(a, x), End::new(d, y)], target.primary, &timing).await
        }
        _ => Hairpin::NotTried,
    };
    let seen = [(a, first), (b, second), (c, third), (d, fourth)];
    Ok(Observations {
        target,
        primary: seen.map(|(line, reply)| Seen { local: line.local(), reply }).into(),
        other_address,
        alternate,
        other_port,
        from_alternate,
        from_other_port,
        hairpin,
        anything: !silent(),
        confirmations: timing.confirmations,
    })
}

/// A plain request. Silence proves something only if everything left that should have.
async fn plainly(line: &Line, to: SocketAddr, timing: &Timing) -> Outcome {
    let Transaction { sends, outcome, .. } = line.ask(to).await;
    let due = timing.schedule.sends.len();
    match outcome {
        Outcome::Silent if sends as usize != due => Outcome::NotSent(format!("only {sends} of {due} left")),
        outcome => outcome,
    }
}

/// A request for an answer from elsewhere, and behind each a plain one; how both fared.
async fn elsewhere(line: &Line, target: &Places, change: Change, timing: &Timing) -> (Outcome, Test) {
    let mut confirmations = Confirmations::new(line, target.primary, timing);
    let outcome = match elsewhere_by_order(line, target, change, &mut confirmations).await {
        Ok(Some(outcome)) => outcome,
        Ok(None) => Outcome::Silent,
        Err(e) => Outcome::NotSent(e.to_string()),
    };
    let plain = match &outcome {
        // It names the endpoint that the request came from, whoever answers.
        Outcome::Answered(_) | Outcome::NotSent(_) => outcome.clone(),
        _ => confirmations.outcome,
    };
    (plain, Test { outcome, confirmations: confirmations.count })
}

/// Of an answer from the wrong place, too, one is enough.
async fn elsewhere_by_order(
    line: &Line,
    target: &Places,
    change: Change,
    plain: &mut Confirmations<'_>,
) -> io::Result<Option<Outcome>> {
    let from = match change {
        Change::Both => target.alternate,
        Change::Port => target.other_port(),
    };
    let mut requests = Requests::new(line);
    let id = requests.begin(target.primary, &Ask::change(change), from).await;
    while plain.go_on() {
        requests.send(id).await?;
        let until = plain.send().await?;
        tokio::select! {
            biased;
            Some(answer) = requests.next(until) => return Ok(Some(answer.outcome)),
            true = plain.answered(until) => {}
            else => {}
        }
    }
    Ok(requests.next(plain.grace()).await.map(|answer| answer.outcome))
}

/// Packets to the own external endpoints, and behind them plain requests.
async fn hairpin(ends: [End<'_>; 2], server: SocketAddr, timing: &Timing) -> Hairpin {
    let crossing = Crossing(ends);
    let mut confirmations = Confirmations::new(crossing.0[1].line, server, timing);
    match hairpin_by_order(&crossing, &mut confirmations).await {
        Ok(Some(Turned { sender, packet, .. })) => {
            Hairpin::Arrived { source: packet.from, external: sender.external, internal: sender.line.local() }
        }
        Ok(None) if confirmations.count == 0 => Hairpin::Unknown(format!("{server} fell silent")),
        Ok(None) => Hairpin::Dropped { confirmations: confirmations.count },
        Err(e) => Hairpin::Unknown(format!("a packet could not be sent: {e}")),
    }
}

async fn hairpin_by_order<'a>(
    crossing: &'a Crossing<'a>,
    plain: &mut Confirmations<'_>,
) -> io::Result<Option<Turned<'a>>> {
    while plain.go_on() {
        crossing.send().await?;
        let until = plain.send().await?;
        tokio::select! {
            biased;
            Some(turned) = crossing.arrival(until) => return Ok(Some(turned)),
            true = plain.answered(until) => {}
            else => {}
        }
    }
    Ok(crossing.arrival(plain.grace()).await)
}
