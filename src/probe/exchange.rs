//! Sends the requests of a measurement and hears the answers; [`super::judge`] makes sense of them.
//!
//! An answer counts when its transaction id *and* its source are the expected ones.

use std::io;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::stun::agent::TransactionId;
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::judge::{Elsewhere, Hairpin, Observations, Reply, Seen, judge};
use super::wire::{self, Ask, Change, Id, LONGEST};
use super::{SOCKETS, Setup, Target, Timing, not_measured};
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
    let heard = AtomicBool::new(false);
    let lines: Vec<Line<'_>> = sockets.into_iter().map(|s| Line::new(s, &heard)).collect::<io::Result<_>>()?;
    let count = lines.len();
    let [a, b, c, d, e]: [Line<'_>; SOCKETS] = lines.try_into().map_err(|_| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("a measurement takes {SOCKETS} sockets, not {count}"))
    })?;

    // A1:P1 alone first. When all is silent after the first pause, a fifth socket asks A2: is it UDP or is it A1?
    let primary = [target.primary];
    let measuring = async {
        tokio::join!(
            a.ask(&primary, &timing),
            b.ask_elsewhere(target.primary, Change::Both, target.alternate, &timing),
            c.ask_elsewhere(target.primary, Change::Port, target.other_port(), &timing),
            d.ask(&primary, &timing),
        )
    };
    let second_opinion = async {
        let pause = timing.sends.get(1).copied().unwrap_or(timing.patience);
        sleep_until(Instant::now() + pause).await;
        if !heard.load(Ordering::Relaxed) {
            let sends = timing.sends.iter().filter_map(|s| s.checked_sub(pause)).collect();
            e.ask(&[target.other_address(), target.alternate], &Timing { sends, ..timing.clone() }).await;
        }
    };
    tokio::pin!(measuring, second_opinion);
    let (first, (second, from_alternate), (third, from_other_port), fourth) = tokio::select! {
        done = &mut measuring => {
            if !heard.load(Ordering::Relaxed) {
                second_opinion.await;
            }
            done
        }
        () = &mut second_opinion => measuring.await,
    };
    let first = only(first);
    let fourth = only(fourth);

    let mut others = [Reply::Silent, Reply::Silent, Reply::Silent];
    if matches!(first, Reply::Mapped(_)) {
        let asked = [target.other_address(), target.alternate, target.other_port()];
        for (place, reply) in others.iter_mut().zip(a.ask(&asked, &timing).await) {
            *place = reply;
        }
    }
    let [other_address, alternate, other_port] = others;

    let hairpin = match (&first, &fourth) {
        (Reply::Mapped(x), Reply::Mapped(y)) if *x != a.local && other_address == first && alternate == first => {
            hairpin(&a, *x, &d, *y, &target, &timing).await
        }
        _ => Hairpin::NotTried,
    };
    Ok(Observations {
        target,
        primary: vec![
            Seen { local: a.local, reply: first },
            Seen { local: b.local, reply: second },
            Seen { local: c.local, reply: third },
            Seen { local: d.local, reply: fourth },
        ],
        other_address,
        alternate,
        other_port,
        from_alternate,
        from_other_port,
        hairpin,
        anything: heard.load(Ordering::Relaxed),
        confirmations: timing.confirmations,
    })
}

fn only(mut replies: Vec<Reply>) -> Reply {
    replies.pop().unwrap_or(Reply::Silent)
}

/// A socket of the measurement.
struct Line<'a> {
    socket: UdpSocket,
    local: SocketAddrV4,
    /// Set when anything comes in on any socket.
    heard: &'a AtomicBool,
}

/// A message that came in.
struct Incoming {
    id: Id,
    from: SocketAddrV4,
    content: Content,
}

enum Content {
    /// A success response and the reflexive endpoint it names.
    Mapped(SocketAddrV4),
    /// An error response with its code.
    Refused(u16),
    /// A request, such as a hairpinned one.
    Request,
}

impl<'a> Line<'a> {
    fn new(socket: std::net::UdpSocket, heard: &'a AtomicBool) -> io::Result<Self> {
        let local = match socket.local_addr()? {
            SocketAddr::V4(local) if !local.ip().is_unspecified() => local,
            local => {
                // The comparison with the reflexive endpoint tells whether there is a translation.
                let why = format!("the socket at {local} is not bound to one IPv4 address");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
        };
        socket.set_nonblocking(true)?;
        Ok(Line { socket: UdpSocket::from_std(socket)?, local, heard })
    }

    async fn send(&self, id: Id, change: Option<Change>, to: SocketAddrV4) -> io::Result<()> {
        self.socket.send_to(&wire::request(id, &Ask { change, ..Ask::PLAIN }), SocketAddr::V4(to)).await.map(drop)
    }

    /// The next STUN message before `until`.
    async fn next(&self, until: Instant) -> Option<Incoming> {
        let mut buffer = [0u8; LONGEST];
        loop {
            match timeout_at(until, self.socket.recv_from(&mut buffer)).await {
                Err(_) => return None,
                // An ICMP error is no answer.
                Ok(Err(e)) if matches!(e.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset) => {
                }
                Ok(Err(e)) => {
                    tracing::warn!("failed to receive on {}: {e}", self.local);
                    return None;
                }
                Ok(Ok((length, SocketAddr::V4(from)))) => {
                    self.heard.store(true, Ordering::Relaxed);
                    if let Some((id, content)) = read(buffer.get(..length).unwrap_or_default()) {
                        return Some(Incoming { id, from, content });
                    }
                }
                Ok(Ok((_, SocketAddr::V6(_)))) => {}
            }
        }
    }

    /// Plain requests to several endpoints at once.
    async fn ask(&self, targets: &[SocketAddrV4], timing: &Timing) -> Vec<Reply> {
        let ids: Vec<Id> = targets.iter().map(|_| TransactionId::new().0).collect();
        let mut replies = vec![Reply::Silent; targets.len()];
        let mut settled = vec![false; targets.len()];
        let begin = Instant::now();
        for (i, send) in timing.sends.iter().enumerate() {
            sleep_until(begin + *send).await;
            for (((to, id), reply), settled) in targets.iter().zip(&ids).zip(&mut replies).zip(&settled) {
                if *settled {
                    continue;
                }
                match (self.send(*id, None, *to).await, &reply) {
                    (Err(e), Reply::Silent) => *reply = Reply::NotSent(e.to_string()),
                    (Ok(()), Reply::NotSent(_)) => *reply = Reply::Silent,
                    _ => {}
                }
            }
            let until = begin + timing.sends.get(i + 1).copied().unwrap_or(*send + timing.patience);
            while let Some(incoming) = self.next(until).await {
                let Some(index) = ids.iter().position(|id| *id == incoming.id) else { continue };
                let (Some(to), Some(reply), Some(settled)) =
                    (targets.get(index), replies.get_mut(index), settled.get_mut(index))
                else {
                    continue;
                };
                if *settled {
                    continue;
                }
                (*reply, *settled) = match incoming.content {
                    Content::Request => continue,
                    _ if incoming.from != *to => (Reply::WrongSource(incoming.from), false),
                    Content::Mapped(mapped) => (Reply::Mapped(mapped), true),
                    Content::Refused(code) => (Reply::Refused(code), true),
                };
                if is_complete(&replies) {
                    return replies;
                }
            }
        }
        replies
    }

    /// A request to `to` for an answer from `from`, and behind each a plain one; how both fared.
    async fn ask_elsewhere(
        &self,
        to: SocketAddrV4,
        change: Change,
        from: SocketAddrV4,
        timing: &Timing,
    ) -> (Reply, Elsewhere) {
        let id = TransactionId::new().0;
        let mut outcome: Option<Elsewhere> = None;
        let mut plain = Reply::Silent;
        let mut rounds = Rounds::new(timing);
        while let Some(until) = rounds.begin() {
            let sentinel = rounds.sentinel();
            let sent = match self.send(id, Some(change), to).await {
                Ok(()) => self.send(sentinel, None, to).await,
                Err(e) => Err(e),
            };
            if let Err(e) = sent {
                return (Reply::NotSent(e.to_string()), Elsewhere::NotSent(e.to_string()));
            }
            while let Some(incoming) = self.next(until).await {
                if incoming.id == id {
                    // Any source: of an answer from the wrong place, too, one is enough.
                    outcome = Some(match incoming.content {
                        Content::Request => continue,
                        Content::Refused(code) => Elsewhere::Refused(code),
                        Content::Mapped(_) if incoming.from != from => Elsewhere::WrongSource(incoming.from),
                        Content::Mapped(mapped) => {
                            // The endpoint that the request came from, whoever answers.
                            plain = Reply::Mapped(mapped);
                            Elsewhere::Arrived
                        }
                    });
                    break;
                }
                if incoming.from == to && rounds.confirm(incoming.id) {
                    if let Content::Mapped(mapped) = incoming.content {
                        plain = Reply::Mapped(mapped);
                    }
                    break;
                }
            }
            if let Some(outcome) = outcome {
                return (plain, outcome);
            }
            rounds.pause().await;
        }
        if rounds.confirmations == 0 {
            return (plain, Elsewhere::Silent);
        }
        let until = Instant::now() + timing.grace;
        while let Some(incoming) = self.next(until).await {
            match incoming.content {
                Content::Mapped(mapped) if incoming.id == id && incoming.from == from => {
                    return (Reply::Mapped(mapped), Elsewhere::Arrived);
                }
                _ => {}
            }
        }
        (plain, Elsewhere::Dropped { confirmations: rounds.confirmations })
    }
}

fn is_complete(replies: &[Reply]) -> bool {
    replies.iter().all(|r| matches!(r, Reply::Mapped(_) | Reply::Refused(_)))
}

/// Two sockets send to each other's external endpoints, each so opening its own filter, and then ask the server
/// plainly: a packet that the gateway turns round is back before the server's answer.
async fn hairpin(
    a: &Line<'_>,
    external_a: SocketAddrV4,
    b: &Line<'_>,
    external_b: SocketAddrV4,
    target: &Target,
    timing: &Timing,
) -> Hairpin {
    let (from_a, from_b) = (TransactionId::new().0, TransactionId::new().0);
    let mut rounds = Rounds::new(timing);
    while let Some(until) = rounds.begin() {
        let sentinel = rounds.sentinel();
        for sent in [
            a.send(from_a, None, external_b).await,
            b.send(from_b, None, external_a).await,
            b.send(sentinel, None, target.primary).await,
        ] {
            if let Err(e) = sent {
                return Hairpin::Unknown(format!("a packet could not be sent: {e}"));
            }
        }
        while let Some((at_a, incoming)) = either(a, b, until).await {
            if let Some(arrived) = turned_round(at_a, &incoming, from_a, from_b, (a, external_a), (b, external_b)) {
                return arrived;
            }
            if incoming.from == target.primary && rounds.confirm(incoming.id) {
                break;
            }
        }
        rounds.pause().await;
    }
    if rounds.confirmations == 0 {
        return Hairpin::Unknown(format!("{} fell silent", target.primary));
    }
    let until = Instant::now() + timing.grace;
    while let Some((at_a, incoming)) = either(a, b, until).await {
        if let Some(arrived) = turned_round(at_a, &incoming, from_a, from_b, (a, external_a), (b, external_b)) {
            return arrived;
        }
    }
    Hairpin::Dropped { confirmations: rounds.confirmations }
}

/// The next message at either socket, and whether it was the first one.
async fn either(a: &Line<'_>, b: &Line<'_>, until: Instant) -> Option<(bool, Incoming)> {
    // What was received stands in the kernel's queue until one of both is done, so that dropping the other loses
    // nothing; the first one first, since what is turned round arrives before the answer at the second.
    tokio::select! {
        biased;
        Some(incoming) = a.next(until) => Some((true, incoming)),
        Some(incoming) = b.next(until) => Some((false, incoming)),
        else => None,
    }
}

fn turned_round(
    at_a: bool,
    incoming: &Incoming,
    from_a: Id,
    from_b: Id,
    (a, external_a): (&Line<'_>, SocketAddrV4),
    (b, external_b): (&Line<'_>, SocketAddrV4),
) -> Option<Hairpin> {
    let (id, sender, external) = if at_a { (from_b, b, external_b) } else { (from_a, a, external_a) };
    (incoming.id == id).then_some(Hairpin::Arrived { source: incoming.from, external, internal: sender.local })
}

/// When to send again, and when it is enough: after each answered sentinel at once, on silence by the schedule.
struct Rounds<'a> {
    timing: &'a Timing,
    attempt: usize,
    outstanding: Vec<Id>,
    confirmations: u32,
    confirmed: bool,
}

impl<'a> Rounds<'a> {
    fn new(timing: &'a Timing) -> Self {
        Rounds { timing, attempt: 0, outstanding: Vec::new(), confirmations: 0, confirmed: false }
    }

    /// Begins a round, unless it is enough; gives the time until which its answers are awaited.
    fn begin(&mut self) -> Option<Instant> {
        if self.confirmations >= self.timing.confirmations {
            return None;
        }
        self.confirmed = false;
        let send = self.timing.sends.get(self.attempt)?;
        let wait = match self.timing.sends.get(self.attempt + 1) {
            Some(next) => next.saturating_sub(*send),
            None => self.timing.patience,
        };
        self.attempt += 1;
        Some(Instant::now() + wait)
    }

    /// A fresh transaction id for the plain request of this round.
    fn sentinel(&mut self) -> Id {
        let id = TransactionId::new().0;
        self.outstanding.push(id);
        id
    }

    /// Whether this is the answer to the plain request of this round or an earlier one; counted once.
    fn confirm(&mut self, id: Id) -> bool {
        let Some(index) = self.outstanding.iter().position(|o| *o == id) else { return false };
        self.outstanding.swap_remove(index);
        self.confirmations += 1;
        self.confirmed = true;
        // The path is open, so the schedule for silence begins anew.
        self.attempt = 0;
        true
    }

    async fn pause(&self) {
        if self.confirmed && self.timing.spacing > Duration::ZERO && self.confirmations < self.timing.confirmations {
            sleep_until(Instant::now() + self.timing.spacing).await;
        }
    }
}

/// Reads a message; none for everything that says nothing.
fn read(bytes: &[u8]) -> Option<(Id, Content)> {
    let (id, content) = wire::read(bytes)?;
    let content = match content {
        wire::Content::Request => Content::Request,
        wire::Content::Refused { code, .. } => Content::Refused(code),
        wire::Content::Success(success) => match success.mapped()? {
            SocketAddr::V4(mapped) => Content::Mapped(mapped),
            SocketAddr::V6(_) => return None,
        },
    };
    Some((id, content))
}
