//! Runs a script through the translator and through the kernel.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use natlab::nat::translator::{Disposition, Packet, Side, Translator};
use natlab::nat::{Behavior, Translation};
use natlab::plan::Gateway;

use super::wire::{Arrival, Place, Wire};
use super::{EXTERNALS, Name, Step, Target, parse};
use crate::lab::{HOSTS, Home, PUBLIC_HOSTS, SERVERS};

/// Within this distance of the end of something, nothing is sent: which of the two comes first is then not defined.
const MARGIN: Duration = Duration::from_millis(30);

/// How the two differ.
#[derive(Debug)]
pub struct Difference(pub String);

/// What tells one behaviour of these tests from another.
fn axes(b: &Behavior) -> String {
    let Behavior { ports, port_range, port_step, port_block, addresses, pooling, refresh, .. } = b;
    let Behavior { hairpinning, semantics, lifetime_ms, unsolicited, icmp_errors, tcp, .. } = b;
    format!(
        "{ports:?} {port_range} step {port_step} block {port_block:?}, {addresses} {pooling:?}, {hairpinning:?}, \
         {semantics:?}, {lifetime_ms} ms {refresh:?}, {unsolicited:?}, errors {icmp_errors:?}, {tcp:?}"
    )
}

/// A home with raw sockets, for any number of scripts.
pub struct Scene {
    home: Home,
    wire: Wire,
}

impl Scene {
    pub fn new() -> Self {
        let home = Home::build().expect("build the lab");
        let wire = Wire::new(&home);
        Scene { home, wire }
    }

    /// Until the first difference.
    pub fn run(&self, gateway: &Gateway, script: &str) -> Result<(), Difference> {
        self.home.load(gateway);
        let hosts = match gateway.behavior.translation {
            Translation::None => PUBLIC_HOSTS,
            _ => HOSTS,
        };
        self.wire.settle(hosts[0]);
        let translator = Translator::new(gateway.clone());
        let mut run = Run { wire: &self.wire, hosts, translator, start: Instant::now(), labels: BTreeMap::new() };
        let mut history = vec![];
        for (line, step) in parse(script) {
            history.push(line);
            if let Err(why) = run.step(&step) {
                let done = history.join("\n  ");
                let b = gateway.behavior;
                let drops: Vec<_> = self.home.drops().into_iter().filter(|(_, n)| *n > 0).collect();
                return Err(Difference(format!("{b}, {}\n  {done}\n{why}\n  drops so far: {drops:?}", axes(&b))));
            }
        }
        Ok(())
    }

    /// The same difference, or another one, by a script of fewer lines: what can be left out is.
    pub fn reduce(&self, gateway: &Gateway, script: &str, mut difference: Difference) -> Difference {
        let mut lines: Vec<&str> = script.lines().collect();
        let mut i = lines.len();
        while i > 0 {
            i -= 1;
            let mut fewer = lines.clone();
            fewer.remove(i);
            if let Err(d) = self.run(gateway, &fewer.join("\n")) {
                (lines, difference) = (fewer, d);
            }
        }
        difference
    }
}

struct Run<'a> {
    wire: &'a Wire,
    hosts: [Ipv4Addr; 2],
    translator: Translator,
    start: Instant,
    /// Packets as they arrived, and where.
    labels: BTreeMap<String, Arrival>,
}

/// Which of its own addresses a router puts into an ICMP error of its own, it chooses (RFC 1812 §4.3.2.4): that of the kernel
/// stands.
fn answered(expected: Arrival, done: &Disposition, came: &[Arrival]) -> Arrival {
    match (expected, done, came) {
        ((place, mut packet), Disposition::Answered(..), [(_, p)]) if packet.transport().is_none() => {
            if EXTERNALS.contains(p.source.ip()) {
                packet.source = p.source;
            }
            (place, packet)
        }
        (expected, ..) => expected,
    }
}

impl Run<'_> {
    fn step(&mut self, step: &Step) -> Result<(), String> {
        match step {
            Step::Wait(time) => sleep(*time),
            Step::Send { label, from, to, content } => {
                let to = match to {
                    Target::At(name, port) => name.at(self.hosts, *port),
                    Target::SourceOf(label) => match self.labels.get(label) {
                        Some((_, packet)) if !self.hosts.contains(packet.source.ip()) => packet.source,
                        // It did not arrive, so nobody knows where to; or neighbours know each other, and need no NAT.
                        _ => return Ok(()),
                    },
                };
                let source = from.0.at(self.hosts, from.1);
                let packet = Packet { source, destination: to, content: content.clone() };
                let came = self.send(from.0, &packet)?;
                if let (Some(label), Some(arrival)) = (label, came) {
                    self.labels.insert(label.clone(), arrival);
                }
            }
            Step::Error { from, about } => {
                let Some((place, about)) = self.labels.get(about).cloned() else { return Ok(()) };
                // The node where it arrived answers, whoever is named.
                let error = about.error_from(from.address(self.hosts));
                let node = if place == 0 { *from } else { Name::Host(place - 1) };
                self.send(node, &error)?;
            }
        }
        Ok(())
    }

    /// Through both, and the first packet that arrived.
    fn send(&mut self, from: Name, packet: &Packet) -> Result<Option<Arrival>, String> {
        let place = match from {
            Name::Host(n) => n + 1,
            _ => 0,
        };
        let at = self.undisputed();
        self.wire.send(place, packet);
        let late = self.start.elapsed() - at;
        let came = self.wire.settle(self.hosts[0]);
        let side = if place == 0 { Side::Outside } else { Side::Inside };
        let seen = came.iter().map(|(_, p)| p.source).find(|s| EXTERNALS.contains(s.ip()));
        let done = match seen {
            Some(seen) => self.translator.pass_as_seen(side, packet, at, seen),
            None => self.translator.pass(side, packet, at),
        };
        let expected: Vec<Arrival> =
            self.expected(place, &done).map(|e| answered(e, &done, &came)).into_iter().collect();
        if came != expected {
            let came: Vec<String> = came.iter().map(|(n, p)| format!("{p} at {n}")).collect();
            return Err(format!(
                "{packet} after {at:?} (sent within {late:?})\n  translator: {done:?}\n  kernel: {came:?}"
            ));
        }
        Ok(came.into_iter().next())
    }

    /// Where a disposition brings a packet; nowhere when no node has that address.
    fn expected(&self, sender: Place, done: &Disposition) -> Option<Arrival> {
        let place = |p: &Packet| {
            // A host takes nothing that claims to come from itself.
            if p.source.ip() == p.destination.ip() {
                return None;
            }
            let host = self.hosts.iter().position(|h| h == p.destination.ip()).map(|n| n + 1);
            host.or_else(|| SERVERS.contains(p.destination.ip()).then_some(0))
        };
        match done {
            Disposition::Dropped(_) => None,
            Disposition::Answered(p, _) => Some((sender, p.clone())),
            Disposition::Outside(p) | Disposition::Inside(p) | Disposition::Hairpinned(p) => {
                place(p).map(|n| (n, p.clone()))
            }
        }
    }

    /// Now, or soon, when nothing ends just then.
    fn undisputed(&self) -> Duration {
        loop {
            let now = self.start.elapsed();
            let near = |e: &Duration| *e + MARGIN > now && *e < now + MARGIN;
            match self.translator.ends().into_iter().filter(near).max() {
                Some(end) => sleep(end + MARGIN - now),
                None => return now,
            }
        }
    }
}
