//! The sets and maps that hold a gateway's state.

use std::time::Duration;

use super::{ENDPOINT, Lists, Rules, TABLE_SIZE, lists};
use crate::nat::{Hairpinning, Translation};
use crate::nft::model::{Dynamic, Element, Proto, Set, Type, Value};

/// The name of a protocol's own set.
pub(super) fn name(what: &str, p: Proto) -> String {
    format!("{what}_{p}")
}

fn dynamic(what: &str, p: Proto, key: Vec<Type>, value: Vec<Type>, timeout: Duration) -> Set {
    let dynamic = Some(Dynamic { timeout: Some(timeout), size: TABLE_SIZE });
    Set { name: name(what, p), key, value, dynamic, elements: vec![] }
}

fn constant(name: &str, key: Type, value: Option<Type>, elements: Vec<Element>) -> Set {
    Set { name: name.to_owned(), key: vec![key], value: value.into_iter().collect(), dynamic: None, elements }
}

/// A map from 0, 1, 2, …
fn numbered(name: &str, value: Type, values: impl Iterator<Item = Value>) -> Set {
    let elements = (0u32..).zip(values).map(|(i, v)| Element { key: vec![Value::Mark(i)], value: vec![v] }).collect();
    constant(name, Type::Mark, Some(value), elements)
}

/// How long a claimed port stays claimed: longer than a packet takes from there to `record`, and gone when the mapping is,
/// else a NAT that preserves ports would find its own port taken right after a mapping ended.
fn claim_lifetime(lifetime: Duration) -> Duration {
    (lifetime / 4).clamp(Duration::from_millis(1), Duration::from_secs(1))
}

impl Rules<'_> {
    /// Of a translating gateway.
    pub(super) fn translator_sets(&self) -> Vec<Set> {
        let addresses = self.externals();
        let element = |a| Element { key: vec![Value::Addr(a)], value: vec![] };
        let mut sets = vec![constant("external", Type::Addr, None, addresses.into_iter().map(element).collect())];
        if self.behavior().translation == Translation::Napt && self.gateway.external.len() > 1 {
            sets.push(numbered("pool", Type::Addr, self.gateway.external.iter().copied().map(Value::Addr)));
        }
        sets.extend(self.fixed_sets());
        if self.maps() {
            sets.extend(self.port_sets());
        }
        for &p in self.protocols() {
            let t = self.lifetime(p);
            if self.maps() {
                sets.push(dynamic("mapping", p, self.mapping(p).types(), ENDPOINT.into(), t));
                sets.push(dynamic("owner", p, ENDPOINT.into(), ENDPOINT.into(), t));
                sets.push(dynamic("claim", p, ENDPOINT.into(), vec![], claim_lifetime(t)));
            }
            if self.permits(p) {
                sets.push(dynamic("permit", p, self.filter(p).types(), vec![], t));
                if self.hairpins(Hairpinning::InternalSource) {
                    sets.push(dynamic("inside_permit", p, self.filter(p).types(), vec![], t));
                }
            }
            if self.remembers_remotes(p) {
                sets.push(dynamic("towards", p, self.mapping(p).types(), vec![], t));
            }
        }
        sets
    }

    /// The ports that are tried, and whose blocks they are.
    fn port_sets(&self) -> Vec<Set> {
        let list = |name, ports: Vec<u16>| numbered(name, Type::Port, ports.into_iter().map(Value::Port));
        match lists(self.behavior(), self.gateway.seed) {
            Lists::All(ports) => vec![list("ports", ports)],
            Lists::Parity { even, odd } => vec![list("ports_even", even), list("ports_odd", odd)],
            Lists::Blocks(blocks) => {
                let of = |(block, ports): (u32, Vec<u16>)| {
                    (0u32..).zip(ports).map(move |(i, port)| Element {
                        key: vec![Value::Mark(block), Value::Mark(i)],
                        value: vec![Value::Port(port)],
                    })
                };
                let elements = (0u32..).zip(blocks).flat_map(of).collect();
                let key = vec![Type::Mark, Type::Mark];
                let lasting = |name: &str, key, value, timeout| {
                    let dynamic = Some(Dynamic { timeout, size: TABLE_SIZE });
                    Set { name: name.to_owned(), key: vec![key], value, dynamic, elements: vec![] }
                };
                let moment = Some(Duration::from_secs(1));
                vec![
                    Set { name: "ports".to_owned(), key, value: vec![Type::Port], dynamic: None, elements },
                    lasting("block", Type::Addr, vec![Type::Mark], None),
                    lasting("block_taken", Type::Mark, vec![], None),
                    lasting("block_claim", Type::Mark, vec![], moment),
                ]
            }
        }
    }

    /// Of a firewall that translates nothing.
    pub(super) fn firewall_sets(&self) -> Vec<Set> {
        let permit = |&p: &Proto| dynamic("permit", p, self.filter(p).types(), vec![], self.lifetime(p));
        self.protocols().iter().filter(|p| self.filtered(**p)).map(permit).collect()
    }
}
