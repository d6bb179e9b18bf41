//! A gateway of the simulation: the reference translator, and where it stands.

use std::cell::RefCell;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use super::{Draw, Packet, Realm};
use crate::nat::translator::{self, Disposition, Side, Translator};
use crate::nat::{Behavior, Gateway as Declared, Pair, Pooling, Translation};
use crate::net::Transport;

/// Where it stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub behavior: Behavior,
    pub outside: Realm,
    /// Nodes of its network cannot reach each other there.
    pub isolated: bool,
    /// Number among all gateways.
    pub number: u8,
}

impl Place {
    /// Its external addresses; of a 1:1 NAT one for each of `inside`.
    pub fn external(&self, inside: &[Ipv4Addr]) -> Vec<Ipv4Addr> {
        let count = match self.behavior.translation {
            Translation::None => 0,
            Translation::Napt => usize::from(self.behavior.addresses),
            Translation::OneToOne => inside.len(),
        };
        (0..=u8::MAX).map(|n| Ipv4Addr::new(203, 0, self.number, n)).take(count).collect()
    }
}

pub(super) struct Gateway {
    pub place: Place,
    external: Vec<Ipv4Addr>,
    nat: Translator,
    /// In which order a pool's addresses are taken.
    draw: Draw,
}

impl Gateway {
    /// `inside`: the addresses that come from there.
    pub fn new(place: Place, inside: &[Ipv4Addr], draw: Draw) -> Gateway {
        let external = place.external(inside);
        let nat = translator(&place, &external, inside);
        Gateway { place, external, nat, draw }
    }

    pub fn translates(&self) -> bool {
        self.place.behavior.translation.translates()
    }

    pub fn owns(&self, address: Ipv4Addr) -> bool {
        self.external.contains(&address)
    }

    /// A packet from inside: out, or turned round to where it came from (second).
    pub fn outwards(&mut self, packet: Packet, at: Duration) -> Option<(Packet, bool)> {
        match self.pass(Side::Inside, packet, at) {
            Disposition::Outside(sent) => Some((packet.like(&sent), false)),
            Disposition::Hairpinned(turned) => Some((packet.like(&turned), true)),
            _ => None,
        }
    }

    /// A packet from outside that comes in.
    pub fn inwards(&mut self, packet: Packet, at: Duration) -> Option<Packet> {
        match self.pass(Side::Outside, packet, at) {
            Disposition::Inside(came) => Some(packet.like(&came)),
            _ => None,
        }
    }

    fn pass(&mut self, from: Side, packet: Packet, at: Duration) -> Disposition {
        let what = translator::Packet::udp(packet.from, packet.to);
        if self.place.behavior.pooling == Pooling::Paired || self.external.is_empty() {
            return self.nat.pass(from, &what, at);
        }
        let mappings = self.nat.externals(Transport::Udp, at).len();
        let drawn = self.external[self.draw.place(mappings as u32) as usize % self.external.len()];
        // No port is seen, so that it is the translator's own choice.
        self.nat.pass_as_seen(from, &what, at, SocketAddrV4::new(drawn, 0))
    }
}

impl Packet {
    /// With other addresses.
    fn like(&self, other: &translator::Packet) -> Packet {
        Packet { from: other.source, to: other.destination, what: self.what }
    }
}

/// One without state. To put the ports of a NAT into their order takes longer than a trial, so it is done once for each.
fn translator(place: &Place, external: &[Ipv4Addr], inside: &[Ipv4Addr]) -> Translator {
    #[allow(clippy::disallowed_types, reason = "nothing follows from its order")]
    type Known = std::collections::HashMap<(Behavior, u8, Vec<Ipv4Addr>), Translator>;
    thread_local!(static KNOWN: RefCell<Known> = RefCell::default());
    let pairs = match place.behavior.translation {
        Translation::OneToOne => inside,
        _ => &[],
    };
    let new = || {
        let pairs = external.iter().zip(pairs).map(|(external, inside)| Pair { external: *external, inside: *inside });
        Translator::new(Declared {
            behavior: place.behavior,
            wan: "wan".to_owned(),
            external: external.to_vec(),
            inside: vec![],
            pairs: pairs.collect(),
            forwards: vec![],
            seed: u64::from(place.number),
            preset: None,
        })
    };
    let key = (place.behavior, place.number, pairs.to_vec());
    KNOWN.with_borrow_mut(|known| known.entry(key).or_insert_with(new).clone())
}
