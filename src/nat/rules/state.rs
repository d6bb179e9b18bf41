//! The sets and maps that hold a gateway's state.

use std::time::Duration;

use super::{ENDPOINT, PORTS, Rules, TABLE_SIZE, candidates};
use crate::nat::Hairpinning;
use crate::nft::model::{Dynamic, Element, Proto, Set, Type, Value};

/// The name of a protocol's own set.
pub(super) fn name(what: &str, p: Proto) -> String {
    format!("{what}_{p}")
}

fn dynamic(what: &str, p: Proto, key: Vec<Type>, value: Vec<Type>, timeout: Duration) -> Set {
    let dynamic = Some(Dynamic { timeout, size: TABLE_SIZE });
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
        let addresses = &self.gateway.external;
        let element = |a| Element { key: vec![Value::Addr(a)], value: vec![] };
        let mut sets = vec![constant("external", Type::Addr, None, addresses.iter().copied().map(element).collect())];
        if addresses.len() > 1 {
            sets.push(numbered("pool", Type::Addr, addresses.iter().copied().map(Value::Addr)));
        }
        let ports = candidates(PORTS, self.gateway.seed);
        sets.push(numbered("ports", Type::Port, ports.into_iter().map(Value::Port)));
        for &p in self.protocols() {
            let t = self.lifetime(p);
            sets.push(dynamic("mapping", p, self.mapping.types(), ENDPOINT.into(), t));
            sets.push(dynamic("owner", p, ENDPOINT.into(), ENDPOINT.into(), t));
            sets.push(dynamic("claim", p, ENDPOINT.into(), vec![], claim_lifetime(t)));
            if self.filtered() {
                sets.push(dynamic("permit", p, self.filter.types(), vec![], t));
                if self.hairpins(Hairpinning::InternalSource) {
                    sets.push(dynamic("inside_permit", p, self.filter.types(), vec![], t));
                }
            }
            if self.remembers_sessions(p) {
                sets.push(dynamic("begun", p, self.mapping.types(), vec![], t));
            }
        }
        sets
    }

    /// Of a firewall that translates nothing.
    pub(super) fn firewall_sets(&self) -> Vec<Set> {
        let permit = |&p: &Proto| dynamic("permit", p, self.filter.types(), vec![], self.lifetime(p));
        self.protocols().iter().map(permit).collect()
    }
}
