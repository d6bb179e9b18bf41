//! How long mappings live, and what keeps them alive.
//!
//! What must be alive is asked within half of its lifetime, what must be dead a quarter after it. A host that pauses longer than
//! that voids an attempt, not the NAT.

use std::io::{Read, Write};
use std::net::SocketAddrV4;
use std::thread::sleep;
use std::time::{Duration, Instant};

use natlab::nat::{Behavior, Filtering, Mapping, PortAssignment, Refresh, Tcp};

use crate::behaviors::{nine, remotes};
use crate::endpoints::{Endpoints, Id};
use crate::lab::{HOSTS, Home, PUBLIC_HOSTS};
use crate::tcp::Connections;

const QUICK_MS: u64 = 200;

/// A mapping and its age.
struct Trial<'a> {
    home: &'a Home,
    all: Endpoints,
    b: Behavior,
    inside: Id,
    a1: Id,
    external: SocketAddrV4,
    /// When it was last refreshed: no earlier.
    young: Instant,
}

/// The host was too slow to say.
struct Paused;

impl<'a> Trial<'a> {
    fn begin(home: &'a Home, b: Behavior) -> Self {
        home.become_gateway(b);
        let (mine, other) =
            if b.translation.translates() { (HOSTS[0], HOSTS[1]) } else { (PUBLIC_HOSTS[0], PUBLIC_HOSTS[1]) };
        let mut all = Endpoints::new(&home.hosts[1], other, &home.internet);
        let [a1, ..] = remotes(&mut all, &home.internet);
        let inside = all.bind(&home.hosts[0], mine, 6600);
        let young = Instant::now();
        let external = all.deliver(inside, all.local(a1), a1).expect("an outbound packet passes");
        Trial { home, all, b, inside, a1, external, young }
    }

    fn what(&self) -> String {
        let age = self.young.elapsed();
        format!("{} {:?} {:?}, {age:?} of {:?}", self.b, self.b.ports, self.b.refresh, self.b.lifetime())
    }

    /// Half a lifetime later than the last packet, one passes in this direction, and refreshes if it should.
    fn alive(&mut self, outbound: bool, refreshes: bool) -> Result<(), Paused> {
        self.wait(5, 10);
        let now = Instant::now();
        let passed = if outbound {
            self.all.deliver(self.inside, self.all.local(self.a1), self.a1) == Some(self.external)
        } else {
            self.all.deliver(self.a1, self.external, self.inside) == Some(self.all.local(self.a1))
        };
        if self.young.elapsed() > self.b.lifetime() * 9 / 10 {
            return Err(Paused);
        }
        assert!(passed, "{}: dead, outbound {outbound}", self.what());
        self.young = if refreshes { now } else { self.young };
        Ok(())
    }

    /// Sleeps until the mapping has this age, in parts of its lifetime.
    fn wait(&self, part: u32, of: u32) {
        sleep((self.b.lifetime() * part / of).saturating_sub(self.young.elapsed()));
    }

    /// A quarter of a lifetime after its end nothing comes in.
    fn dead(&mut self) {
        self.wait(5, 4);
        let before: u64 = self.home.drops().values().sum();
        assert_eq!(self.all.deliver(self.a1, self.external, self.inside), None, "{}: alive", self.what());
        assert_eq!(self.home.drops().values().sum::<u64>(), before + 1, "{}: the counter shows it", self.what());
    }
}

/// Tries until the host does not pause.
fn decided(what: Behavior, mut attempt: impl FnMut() -> Result<(), Paused>) {
    assert!((0..5).any(|_| attempt().is_ok()), "{what}: this host pauses too often to tell");
}

fn nine_and_firewalls() -> Vec<Behavior> {
    let firewalls = [Filtering::AddressDependent, Filtering::AddressAndPortDependent].map(Behavior::public);
    nine().chain(firewalls).collect()
}

fn eim_apdf() -> Behavior {
    Behavior::napt(Mapping::EndpointIndependent, Filtering::AddressAndPortDependent)
}

pub fn mappings_end(home: &mut Home) {
    for lifetime_ms in [QUICK_MS, 400] {
        for b in nine_and_firewalls().into_iter().filter(|b| lifetime_ms == QUICK_MS || *b == eim_apdf()) {
            let b = Behavior { lifetime_ms, ..b };
            decided(b, || {
                let mut t = Trial::begin(home, b);
                t.alive(false, true)?;
                t.alive(true, true)?;
                t.alive(false, true)?;
                t.dead();
                let again = t.all.deliver(t.inside, t.all.local(t.a1), t.a1).expect("an outbound packet passes");
                let same = b.ports == PortAssignment::Preserving;
                assert_eq!(again == t.external, same, "{b}: {}, then {again}", t.external);
                Ok(())
            });
        }
    }
}

/// RFC 4787 REQ-6: packets from inside keep a mapping alive, those from outside do not.
pub fn outbound_packets_alone_refresh(home: &mut Home) {
    for b in nine_and_firewalls() {
        let b = Behavior { lifetime_ms: QUICK_MS, refresh: Refresh::Outbound, ..b };
        decided(b, || {
            let mut t = Trial::begin(home, b);
            t.alive(true, true)?;
            t.alive(true, true)?;
            t.alive(false, false)?;
            t.dead();
            Ok(())
        });
    }
}

pub fn inbound_packets_alone_refresh(home: &mut Home) {
    for b in nine_and_firewalls() {
        let b = Behavior { lifetime_ms: QUICK_MS, refresh: Refresh::Inbound, ..b };
        decided(b, || {
            let mut t = Trial::begin(home, b);
            t.alive(false, true)?;
            t.alive(false, true)?;
            t.alive(true, false)?;
            t.dead();
            Ok(())
        });
    }
}

/// The same with a lifetime that connection tracking could count: it must not keep anything alive.
pub fn refresh_of_whole_seconds(home: &mut Home) {
    for (refresh, outbound) in [(Refresh::Outbound, true), (Refresh::Inbound, false)] {
        for mapping in [Mapping::EndpointIndependent, Mapping::AddressAndPortDependent] {
            let b = Behavior { lifetime_ms: 1000, refresh, ..Behavior::napt(mapping, Filtering::AddressDependent) };
            decided(b, || {
                let mut t = Trial::begin(home, b);
                t.alive(outbound, true)?;
                t.alive(!outbound, false)?;
                t.dead();
                Ok(())
            });
        }
    }
}

/// RFC 5382 REQ-5, scaled down: a connection that is idle for the lifetime is gone, and was not before.
pub fn connections_end(home: &mut Home) {
    for (b, host) in [
        (Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent), HOSTS[0]),
        (Behavior::napt(Mapping::AddressAndPortDependent, Filtering::AddressAndPortDependent), HOSTS[0]),
        (Behavior::public(Filtering::AddressAndPortDependent), PUBLIC_HOSTS[0]),
    ] {
        let tcp = Tcp { lifetime_ms: 1000, ..Tcp::new(b.mapping, b.filtering) };
        let b = Behavior { tcp: Some(tcp), ..b };
        decided(b, || connection_ends(home, b, host));
    }
}

fn connection_ends(home: &Home, b: Behavior, host: std::net::Ipv4Addr) -> Result<(), Paused> {
    home.become_gateway(b);
    let mut connections = Connections::behind(home, host);
    connections.connect_next(home);
    let [mut inside, mut server] = connections.last_two();
    let mut passes = |at: u64, inbound: bool| {
        let (from, to) = if inbound { (&mut server, &mut inside) } else { (&mut inside, &mut server) };
        sleep(Duration::from_millis(at));
        let start = Instant::now();
        from.write_all(&[1]).expect("write");
        connections.settle();
        let came = to.read(&mut [0; 8]).is_ok_and(|n| n > 0);
        (came, start.elapsed() < Duration::from_millis(200))
    };
    for inbound in [true, false] {
        let (came, quick) = passes(600, inbound);
        if !quick {
            return Err(Paused);
        }
        assert!(came, "{b}: dead within its lifetime, inbound {inbound}");
    }
    let (came, _) = passes(1400, true);
    assert!(!came, "{b}: alive after its lifetime");
    Ok(())
}
