//! Lifetimes: mappings are left alone, or touched once, and probed before and after their time. All at the same time.
//!
//! A probe says at which age, at least and at most, it found a mapping alive or not. A machine that pauses makes these
//! bounds wider, never wrong; the judge then says "undecided".

use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::bed::{Bed, Group, Place};
use super::packet::{self, Error, Flaws};
use super::raw::Use;
use super::tcp;
use super::udp::PORTS;
use crate::conformance::Scaled;
use crate::conformance::bench::SINK_ADDRESS;
use crate::conformance::observations::{Moment, Timers, Touched};
use crate::lab::namespace::Sysctl;
use crate::lab::topology::LabError;

/// Idle mappings are probed at these ages, in percent of the lifetime.
const IDLE: [u32; 4] = [60, 85, 115, 140];
/// Touched ones are touched and probed at these.
const TOUCHED: [u32; 2] = [60, 125];

/// What happens to a mapping in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Touch {
    /// Its inside endpoint sends.
    Outbound,
    /// Its remote endpoint sends.
    Inbound,
    /// An ICMP error about it comes in.
    Error,
}

fn us(d: Duration) -> u64 {
    u64::try_from(d.as_micros()).unwrap_or(u64::MAX)
}

/// A stretch of time in which something happened.
#[derive(Clone, Copy, Debug)]
struct Span {
    begin: Instant,
    end: Instant,
}

impl Span {
    /// How long after `earlier` this is, at least and at most.
    fn after(self, earlier: Span) -> (u64, u64) {
        (us(self.begin.saturating_duration_since(earlier.end)), us(self.end.saturating_duration_since(earlier.begin)))
    }
}

/// A mapping to be watched.
struct Watched<'a> {
    bed: &'a Bed,
    group: Group<'a>,
    inside: super::bed::Id,
    server: super::bed::Id,
    external: SocketAddrV4,
    made: Span,
}

impl<'a> Watched<'a> {
    async fn make(bed: &'a Bed, port: u16) -> Result<Option<Watched<'a>>, LabError> {
        let group = Group::new(bed);
        let (inside, server) = (group.bind(Place::Host(0), port)?, group.bind(Place::Server(0), port)?);
        let begin = Instant::now();
        let external = group.deliver(inside, group.local(server), server).await?;
        let made = Span { begin, end: Instant::now() };
        Ok(external.map(|external| Watched { bed, group, inside, server, external, made }))
    }

    fn at(&self, lifetime: Duration, percent: u32) -> Instant {
        self.made.begin + lifetime * percent / 100
    }

    /// Whether a packet from the remote endpoint arrives.
    async fn probe(&self) -> Result<(bool, Span), LabError> {
        let begin = Instant::now();
        let alive = self.group.deliver(self.server, self.external, self.inside).await?.is_some();
        Ok((alive, Span { begin, end: Instant::now() }))
    }

    async fn idle(self, lifetime: Duration, percent: u32) -> Result<Moment, LabError> {
        sleep_until(self.at(lifetime, percent)).await;
        let (alive, span) = self.probe().await?;
        let (at_least_us, at_most_us) = span.after(self.made);
        Ok(Moment { at_least_us, at_most_us, alive })
    }

    async fn touched(self, lifetime: Duration, touch: Touch) -> Result<Touched, LabError> {
        let [first, second] = TOUCHED;
        sleep_until(self.at(lifetime, first)).await;
        let begin = Instant::now();
        let server = self.group.local(self.server);
        match touch {
            Touch::Outbound => drop(self.group.deliver(self.inside, server, self.server).await?),
            Touch::Inbound => drop(self.probe().await?),
            Touch::Error => {
                let about = (self.external, server);
                let (kind, from) = ((3, 1), *server.ip());
                let error = Error { kind, from, about, tcp: false, mtu: 0, flaws: Flaws::default() };
                let mouth = self.bed.raw(Place::Server(0), Use::Whole)?;
                let sent = mouth.send(&error.packet(), *self.external.ip());
                sent.map_err(|e| LabError::Probe(format!("sending an ICMP error: {e}")))?;
                self.bed.clock.settled().await?;
            }
        }
        let touch = Span { begin, end: Instant::now() };
        sleep_until(self.at(lifetime, second)).await;
        let (alive, span) = self.probe().await?;
        let (at_least_us, at_most_us) = span.after(self.made);
        Ok(Touched {
            touched_at_most_us: touch.after(self.made).1,
            probe: Moment { at_least_us, at_most_us, alive },
            since_touch_at_most_us: span.after(touch).1,
        })
    }
}

/// Timers of UDP mappings.
pub async fn udp(bed: &Bed, lifetime: Scaled) -> Result<Timers, LabError> {
    let whole = Duration::from_millis(lifetime.checked_ms);
    let idle = async |n: usize| -> Result<Option<Moment>, LabError> {
        match Watched::make(bed, 6500 + n as u16).await? {
            Some(w) => Ok(Some(w.idle(whole, IDLE.get(n).copied().unwrap_or(100)).await?)),
            None => Ok(None),
        }
    };
    let touched = async |n: u16, touch: Touch| -> Result<Option<Touched>, LabError> {
        match Watched::make(bed, 6510 + n).await? {
            Some(w) => Ok(Some(w.touched(whole, touch).await?)),
            None => Ok(None),
        }
    };
    let (a, b, c, d, outbound, inbound, error) = tokio::try_join!(
        idle(0),
        idle(1),
        idle(2),
        idle(3),
        touched(0, Touch::Outbound),
        touched(1, Touch::Inbound),
        touched(2, Touch::Error),
    )?;
    Ok(Timers { lifetime, idle: [a, b, c, d].into_iter().flatten().collect(), outbound, inbound, error })
}

/// Lifetime of ICMP query sessions: the answer to a ping comes late.
const QUERY_TIMEOUT: &str = "net.netfilter.nf_conntrack_icmp_timeout";

/// Milliseconds that queries are waited for as gateways are configured: the least of all.
pub fn query_timeout(bed: &Bed) -> Result<Option<u64>, LabError> {
    let path = format!("/proc/sys/{}", QUERY_TIMEOUT.replace('.', "/"));
    let mut least: Option<u64> = None;
    for gateway in &bed.bench.gateways {
        let text = bed.inside(gateway, || match std::fs::read_to_string(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            text => text,
        })?;
        let seconds = text.trim().parse::<u64>().ok();
        least = [least, seconds.map(|s| s * 1000)].into_iter().flatten().min();
    }
    Ok(least)
}

/// Timers of ICMP queries: pings that the sink hears and that are answered in its place, early and late.
pub async fn queries(bed: &Bed, timer: Scaled) -> Result<Vec<Moment>, LabError> {
    let set = Sysctl { key: QUERY_TIMEOUT.into(), value: (timer.checked_ms / 1000).to_string(), optional: true };
    for gateway in &bed.bench.gateways {
        bed.inside(gateway, || set.write().map_err(std::io::Error::other))?;
    }
    let whole = Duration::from_millis(timer.checked_ms);
    let (mouth, ears, inside) =
        (bed.raw(Place::Server(0), Use::Whole)?, bed.raw(Place::Sink, Use::Icmp)?, bed.raw(Place::Host(0), Use::Icmp)?);
    let mut sent: Vec<(u16, Span)> = Vec::new();
    for identifier in [5001u16, 5002] {
        let begin = Instant::now();
        let ping = inside.send(&packet::echo(false, identifier, 1), SINK_ADDRESS);
        ping.map_err(|e| LabError::Probe(format!("sending a ping: {e}")))?;
        bed.clock.settled().await?;
        sent.push((identifier, Span { begin, end: Instant::now() }));
    }
    let heard: Vec<(Ipv4Addr, u16)> =
        ears.read(packet::read_echo).iter().filter(|e| !e.2).map(|e| (e.0, e.3)).collect();
    let mut all = Vec::new();
    for ((identifier, made), ((source, outside), percent)) in sent.into_iter().zip(heard.into_iter().zip([75, 140])) {
        sleep_until(made.begin + whole * percent / 100).await;
        let begin = Instant::now();
        inside.heard();
        let reply = packet::echo_reply_from(SINK_ADDRESS, source, outside, 1);
        mouth.send(&reply, source).map_err(|e| LabError::Probe(format!("answering a ping: {e}")))?;
        bed.clock.settled().await?;
        let (at_least_us, at_most_us) = Span { begin, end: Instant::now() }.after(made);
        let alive = inside.read(packet::read_echo).iter().any(|e| e.2 && e.3 == identifier);
        all.push(Moment { at_least_us, at_most_us, alive });
    }
    Ok(all)
}

/// Established connections that nobody writes to, early and late.
pub async fn connections(bed: &Bed, timer: Scaled) -> Result<Vec<Moment>, LabError> {
    let whole = Duration::from_millis(timer.checked_ms);
    let one = async |n: u16, percent: u32| -> Result<Option<Moment>, LabError> {
        let server = tcp::listen(bed, Place::Server(0), 9500 + n)?;
        let begin = Instant::now();
        let connection = tcp::connect(bed, Place::Host(0), 7500 + n, server.at)?;
        let Some((stream, _)) = tcp::accepted(bed, &server).await? else { return Ok(None) };
        let made = Span { begin, end: Instant::now() };
        sleep_until(made.begin + whole * percent / 100).await;
        let begin = Instant::now();
        let alive = tcp::carries(bed, &stream, connection.stream()).await?;
        let (at_least_us, at_most_us) = Span { begin, end: Instant::now() }.after(made);
        Ok(Some(Moment { at_least_us, at_most_us, alive }))
    };
    let (early, late) = tokio::try_join!(one(0, 75), one(1, 140))?;
    Ok([early, late].into_iter().flatten().collect())
}

/// Port of the servers here is that of the inside endpoint, so that no two measurements share one.
const _: () = assert!(PORTS[0] < 6500);
