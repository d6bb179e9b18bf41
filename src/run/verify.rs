//! Probes a subject on its bench with everything that `natlab verify-nat` looks at.
//!
//! Each subject has a thread of its own that stays on one processor, since the `clock` tells by the order of packets what
//! will not arrive. Before each measurement the gateways forget everything.

mod bed;
mod clock;
mod hairpin;
mod icmp;
mod inward;
mod packet;
mod ports;
mod raw;
mod sizes;
mod tcp;
mod timers;
mod trail;
mod udp;

use std::path::{Path, PathBuf};

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use crate::conformance::observations::Part;
use crate::conformance::{Observations, Subject, scaled};
use crate::lab::topology::LabError;
use crate::nat::{Behavior, Gateway, Tcp, rules};
use bed::Bed;

/// Observes a subject; `place` tells those apart that are observed at the same time.
pub async fn observe(
    subject: Subject,
    directory: PathBuf,
    place: usize,
    mut cancel: watch::Receiver<bool>,
) -> Result<Observations, String> {
    let (tell, told) = oneshot::channel();
    let work = move || {
        let made = stay_on(place).and_then(|()| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|e| format!("starting a runtime: {e}"))
        });
        let seen = made.and_then(|runtime| {
            runtime.block_on(async {
                tokio::select! {
                    seen = observed(&subject, &directory, place) => seen.map_err(|e| e.to_string()),
                    _ = cancel.wait_for(|c| *c) => Err("it was interrupted".to_owned()),
                }
            })
        });
        // Nobody listens any more only when the whole process is ending.
        let _ = tell.send(seen);
    };
    let thread = std::thread::Builder::new().name("verify".into()).spawn(work);
    thread.map_err(|e| format!("starting a thread: {e}"))?;
    told.await.unwrap_or_else(|_| Err("its thread panicked".to_owned()))
}

/// Moves the calling thread to one of the processors that it may use.
fn stay_on(place: usize) -> Result<(), String> {
    let say = |e: nix::Error| format!("choosing a processor: {e}");
    let allowed = sched_getaffinity(Pid::from_raw(0)).map_err(say)?;
    let all: Vec<usize> = (0..CpuSet::count()).filter(|n| allowed.is_set(*n).unwrap_or(false)).collect();
    let Some(own) = all.get(place % all.len().max(1)) else { return Err("choosing a processor: there is none".into()) };
    let mut one = CpuSet::new();
    one.set(*own).map_err(say)?;
    sched_setaffinity(Pid::from_raw(0), &one).map_err(say)
}

async fn observed(subject: &Subject, directory: &Path, place: usize) -> Result<Observations, LabError> {
    let bed = Bed::build(subject, directory, &format!("verify-{place}")).await?;
    let mut seen = Observations {
        external: bed.bench.external.clone(),
        hosts: bed.bench.hosts.to_vec(),
        pairs: bed.bench.pairs(),
        parts: parts(&bed),
        ..Observations::default()
    };
    everything(&bed, subject, &mut seen).await?;
    bed.finish(&mut seen).await?;
    Ok(seen)
}

/// The gateways of a chain, of which nothing was seen yet.
fn parts(bed: &Bed) -> Vec<Part> {
    let each = bed.bench.told().filter(|_| bed.bench.gateways.len() > 1);
    each.map(|g| Part { external: g.external.clone(), ..Part::default() }).collect()
}

/// Every measurement, each with gateways as new. One that cannot be made is told and does not keep others from being made.
async fn everything(bed: &Bed, subject: &Subject, seen: &mut Observations) -> Result<(), LabError> {
    // Of several, a bigger block than the smallest cannot be filled.
    let block = subject.gateways.iter().filter_map(|g| g.behavior.port_block).min();
    let mut failures = Vec::new();
    let plain = subject.without_forwards();
    macro_rules! measure {
        ($what:literal, $measurement:expr) => {
            measure!($what, $measurement, &plain)
        };
        ($what:literal, $measurement:expr, $loaded:expr) => {{
            bed.load($loaded).await?;
            match $measurement.await {
                Ok(seen) => Some(seen),
                Err(e) => {
                    failures.push(format!("{}: {e}", $what));
                    None
                }
            }
        }};
    }
    seen.passes = measure!("whether UDP passes", udp::passes(bed));
    let udp = seen.passes.is_some_and(|p| p.outbound);
    if udp {
        seen.udp = measure!("UDP mapping and filtering", udp::behaved(bed));
        seen.unsolicited = measure!("unsolicited UDP", udp::unsolicited(bed)).flatten();
        let ports = measure!("ports", ports::ports(bed, block));
        for (part, ports) in seen.parts.iter_mut().zip(ports.iter().flat_map(|(_, parts)| parts)) {
            part.ports = Some(ports.clone());
        }
        seen.ports = ports.map(|(whole, _)| whole);
        seen.hairpin = measure!("hairpinning", hairpin::udp(bed));
        seen.sizes = measure!("fragments", sizes::sizes(bed));
    }
    seen.tcp = measure!("TCP mapping and filtering", tcp::behaved(bed));
    seen.syn = measure!("unsolicited SYNs", tcp::syn(bed));
    seen.tcp_hairpin = measure!("hairpinned TCP", hairpin::connection(bed));
    seen.icmp = measure!("ICMP", icmp::icmp(bed, udp));
    seen.payload = measure!("payloads", inward::payload(bed, udp));
    seen.forwards = measure!("port forwards", inward::forwards(bed, subject), subject);
    if subject.is_chain() {
        let each = measure!("port forwards of each", inward::forwards_of_each(bed, subject), subject);
        seen.parts.iter_mut().zip(each.into_iter().flatten()).for_each(|(part, own)| part.forwards = Some(own));
    }
    timers(bed, &plain, udp, seen, &mut failures).await?;
    seen.failures = failures;
    Ok(())
}

/// Whether the declared lifetime of connections makes any difference to what the kernel is told.
fn time_connections(bed: &Bed) -> bool {
    let differs = |g: &Gateway| {
        let tcp = g.behavior.tcp();
        let longer = Tcp { lifetime_ms: tcp.lifetime_ms + 1000, ..tcp };
        let other = Gateway { behavior: Behavior { tcp: Some(longer), ..g.behavior }, ..g.clone() };
        rules::table(g) != rules::table(&other) || rules::sysctls(g) != rules::sysctls(&other)
    };
    bed.bench.topology.nodes.iter().filter_map(|n| n.gateway.as_ref()).any(differs)
}

/// Timers, with every gateway's lifetimes made shorter at one ratio for each protocol. All run at the same time.
async fn timers(
    bed: &Bed,
    subject: &Subject,
    udp: bool,
    seen: &mut Observations,
    failures: &mut Vec<String>,
) -> Result<(), LabError> {
    let lifetime = subject.lifetime_ms().map(scaled);
    let connections = subject.tcp_lifetime_ms().map(scaled).filter(|_| time_connections(bed));
    if lifetime.is_none() && connections.is_none() {
        return Ok(());
    }
    let short = subject.map(|b| Behavior {
        lifetime_ms: lifetime.map_or(b.lifetime_ms, |timer| timer.shorten(b.lifetime_ms)),
        tcp: match connections {
            Some(timer) => Some(Tcp { lifetime_ms: timer.shorten(b.tcp().lifetime_ms), ..b.tcp() }),
            None => b.tcp,
        },
        ..b
    });
    bed.load(&short).await?;
    let queries = timers::query_timeout(bed)?.map(scaled);
    let (of_udp, of_queries, of_connections) = tokio::join!(
        async {
            match lifetime {
                Some(timer) if udp => Some(timers::udp(bed, timer).await),
                _ => None,
            }
        },
        async {
            match queries {
                Some(timer) => Some(timers::queries(bed, timer).await.map(|seen| (timer, seen))),
                None => None,
            }
        },
        async {
            match connections {
                Some(timer) => Some(timers::connections(bed, timer).await.map(|seen| (timer, seen))),
                None => None,
            }
        },
    );
    seen.udp_timers = told(of_udp, "UDP lifetimes", failures);
    seen.query_timer = told(of_queries, "ICMP query timers", failures);
    seen.tcp_timer = told(of_connections, "TCP lifetimes", failures);
    Ok(())
}

/// What was seen, or the failure written down.
fn told<T>(seen: Option<Result<T, LabError>>, what: &str, failures: &mut Vec<String>) -> Option<T> {
    match seen? {
        Ok(seen) => Some(seen),
        Err(e) => {
            failures.push(format!("{what}: {e}"));
            None
        }
    }
}
