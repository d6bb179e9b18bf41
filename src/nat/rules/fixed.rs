//! Mappings that are always there: static forwards, and the pairs of a 1:1 NAT.
//!
//! A forward lets everybody in and has no lifetime, so it needs no state; what its inside endpoint sends leaves from it. A pair
//! maps whole addresses, ports stay; its filter keeps permissions as any other.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use super::{ENDPOINT, Property, Rules, destination, known, source_of, state, unknown};
use crate::nat::{Forward, Translation};
use crate::net::Transport;
use crate::nft::model::{Dir, Element, Field, Key, Proto, Rule, Set, Step, Type, Value};

/// The forwards of one protocol.
fn of(p: Proto) -> impl Fn(&&Forward) -> bool {
    move |f| match f.protocol {
        Transport::Udp => p == Proto::Udp,
        Transport::Tcp => p == Proto::Tcp,
    }
}

impl Rules<'_> {
    /// Every address that this gateway translates to.
    pub(super) fn externals(&self) -> BTreeSet<Ipv4Addr> {
        let of_pairs = self.gateway.pairs.iter().filter(|_| self.one_to_one()).map(|pair| pair.external);
        self.gateway.external.iter().copied().chain(of_pairs).collect()
    }

    pub(super) fn one_to_one(&self) -> bool {
        self.behavior().translation == Translation::OneToOne
    }

    /// Whether anything of a protocol is forwarded: to an external address there is.
    pub(super) fn forwards(&self, p: Proto) -> bool {
        !self.gateway.external.is_empty()
            && self.protocols().contains(&p)
            && self.gateway.forwards.iter().any(|f| of(p)(&f))
    }

    pub(super) fn fixed_sets(&self) -> Vec<Set> {
        let map = |name: String, key: Vec<Type>, elements: Vec<Element>| {
            let value = key.clone();
            Set { name, key, value, dynamic: None, elements }
        };
        let mut sets = vec![];
        if self.one_to_one() {
            let pair = |a, b| Element { key: vec![Value::Addr(a)], value: vec![Value::Addr(b)] };
            let pairs = &self.gateway.pairs;
            let inwards = pairs.iter().map(|p| pair(p.external, p.inside)).collect();
            let outwards = pairs.iter().map(|p| pair(p.inside, p.external)).collect();
            sets.push(map("pair_in".to_owned(), vec![Type::Addr], inwards));
            sets.push(map("pair_out".to_owned(), vec![Type::Addr], outwards));
        }
        let Some(&address) = self.gateway.external.first() else { return sets };
        for &p in self.protocols().iter().filter(|p| self.forwards(**p)) {
            let forwards = || self.gateway.forwards.iter().filter(of(p));
            let external = |f: &Forward| vec![Value::Addr(address), Value::Port(f.port)];
            let inside = |f: &Forward| vec![Value::Addr(*f.to.ip()), Value::Port(f.to.port())];
            let inwards = forwards().map(|f| Element { key: external(f), value: inside(f) }).collect();
            sets.push(map(state::name("forward_in", p), ENDPOINT.into(), inwards));
            // Two ports may lead to one endpoint; what that sends leaves from the first of them.
            let mut seen = BTreeSet::new();
            let firsts = forwards().filter(|f| seen.insert(f.to));
            let outwards = firsts.map(|f| Element { key: inside(f), value: external(f) }).collect();
            sets.push(map(state::name("forward_out", p), ENDPOINT.into(), outwards));
        }
        sets
    }

    /// Destinations that are led inside whoever asks.
    pub(super) fn fixed_destinations(&self) -> Vec<Rule> {
        let mut rules = vec![];
        for &p in self.protocols().iter().filter(|p| self.forwards(**p)) {
            let lead = Step::DnatByMap { key: destination(p).into(), map: state::name("forward_in", p) };
            rules.push(Rule::new([Step::L4(p), lead], Property::Static.of(p, "a forwarded port leads inside")));
        }
        if self.one_to_one() {
            let lead = Step::DnatAddressByMap { key: vec![Field::Daddr], map: "pair_in".to_owned() };
            rules.push(Rule::new(
                [lead],
                Property::Static.all("an external address leads to the inside one of its pair"),
            ));
        }
        rules
    }

    /// Sources that are always translated in the same way.
    pub(super) fn fixed_sources(&self) -> Vec<Rule> {
        let mut rules = vec![];
        for &p in self.protocols().iter().filter(|p| self.forwards(**p)) {
            let own = Step::SnatByMap { key: source_of(Dir::Original).into(), map: state::name("forward_out", p) };
            let why = "what a forwarded endpoint sends leaves from its external one";
            rules.push(Rule::new([Step::L4(p), own], Property::Static.of(p, why)));
        }
        if self.one_to_one() {
            let own = Step::SnatAddressByMap { key: vec![Field::CtSaddr(Dir::Original)], map: "pair_out".to_owned() };
            rules.push(Rule::new([own], Property::Static.all("the external address of the pair, the same port")));
        }
        rules
    }

    /// Matches unless a port is forwarded; nothing to match where none is.
    pub(super) fn not_forwarded(&self, p: Proto, key: impl Into<Key>) -> Option<Step> {
        self.forwards(p).then(|| unknown("forward_in", p, key))
    }

    /// Ends a chain for what a forward lets in.
    pub(super) fn forwarded(&self, p: Proto, key: impl Into<Key>, why: &str) -> Option<Rule> {
        let steps =
            |key| Rule::new([Step::L4(p), known("forward_in", p, key), Step::Return], Property::Static.of(p, why));
        self.forwards(p).then(|| steps(key.into()))
    }
}
