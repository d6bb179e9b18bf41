//! The model as netlink messages: tables are loaded in one atomic batch, counters and elements are read back.
//!
//! The only place where nlink's nftables part is used; `expressions` turns steps into the kernel's expressions.

mod expressions;
pub mod loss;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use nlink::netlink::nftables::{
    BaseChain, Chain, Family, FilterHook, NatHook, Policy, Priority, RawMessage, Rule, Set, SetDataType, SetElement,
    SetElementData, SetKeyType, Transaction,
};
use nlink::netlink::{Connection, Nftables};

use super::model::{self as m, Hook, Type, Value};

/// `NFT_MSG_NEWTABLE` of `linux/netfilter/nf_tables.h`.
const NEW_TABLE: u8 = 0;
/// `NFT_MSG_DELSETELEM` of `linux/netfilter/nf_tables.h`; without elements it empties the set.
const DELETE_SET_ELEMENTS: u8 = 14;
/// `NLM_F_CREATE` without `NLM_F_EXCL`: fine if it is there already.
const CREATE_IF_MISSING: u16 = 0x400;
/// The list of elements is one attribute with a length of 16 bits.
const ELEMENTS_PER_MESSAGE: usize = 1000;

/// An operation on the rules of a namespace failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A key does not fit into a register; the table was not made by [`crate::nat::rules`].
    #[error("encode `{rule}`: a key of more than {} fields", m::WIDEST_KEY)]
    KeyTooWide {
        /// Its comment.
        rule: String,
    },
    /// A set is asked for that the table does not have.
    #[error("find set {set} in table {table}")]
    NoSuchSet {
        /// Table.
        table: String,
        /// Set.
        set: String,
    },
    /// The kernel refused, or a name is not one.
    #[error("{operation} nftables table {table}")]
    Netlink {
        /// What was attempted.
        operation: &'static str,
        /// Table.
        table: String,
        /// As nlink reports it, with the kernel's own words where there are some.
        #[source]
        source: Box<nlink::Error>,
    },
}

/// Names the operation that failed on a table.
fn failed(operation: &'static str, table: &str) -> impl FnOnce(nlink::Error) -> Error {
    move |source| Error::Netlink { operation, table: table.to_owned(), source: Box::new(source) }
}

/// Whether a table may be there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    /// The namespace has no table of this name; one that has is refused.
    Fresh,
    /// A table of this name is replaced atomically, with all of its state; without one, this is `Fresh`.
    ///
    /// The connection should live on afterwards: closing it right after a table was deleted waits 5 to 11 ms for the kernel.
    Replace,
}

/// Loads a table as one transaction: afterwards all of it is there, or on an error nothing has changed.
///
/// Connections that are tracked already keep their translation; flush them (conntrack) where that matters.
pub async fn load_table(conn: &Connection<Nftables>, table: &m::Table, how: Load) -> Result<(), Error> {
    batch(conn, table, how)?.commit(conn).await.map_err(failed("load", &table.name))
}

/// Empties every dynamic set of a loaded table in one transaction: all mappings and permissions are forgotten.
///
/// Counters keep counting, and the port list is walked on from where it stands; [`Load::Replace`] resets these too. Tracked
/// connections are another matter, see [`load_table`].
pub async fn forget(conn: &Connection<Nftables>, table: &m::Table) -> Result<(), Error> {
    let mut tx = conn.transaction();
    for s in table.sets.iter().filter(|s| s.dynamic.is_some()) {
        let attrs = [text_attribute(1, &table.name), text_attribute(2, &s.name)].concat();
        tx = tx.raw(RawMessage::new(DELETE_SET_ELEMENTS, Family::Ip).attrs(attrs));
    }
    tx.commit(conn).await.map_err(failed("empty the sets of", &table.name))
}

/// Packets dropped so far, by the comment of the rule that dropped them; rules of the same comment are added up, and rules
/// that dropped nothing are there with 0.
pub async fn drops(conn: &Connection<Nftables>, table: &str) -> Result<BTreeMap<String, u64>, Error> {
    let rules = conn.list_rules(table, Family::Ip).await.map_err(failed("read the counters of", table))?;
    let mut out = BTreeMap::new();
    // A dump may hold more than was asked for, since old kernels ignore the table in the request.
    for r in rules.iter().filter(|r| r.table == table) {
        if let (Some((packets, _bytes)), Some(why)) = (r.counter(), &r.comment_text) {
            *out.entry(why.clone()).or_default() += packets;
        }
    }
    Ok(out)
}

/// An element as it is in the kernel now.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Live {
    /// As the set's key type says.
    pub key: Vec<Value>,
    /// As the map's value type says; of a set empty.
    pub value: Vec<Value>,
    /// Until it is gone, unless it is refreshed; `None` in sets whose elements stay.
    pub remaining: Option<Duration>,
}

/// The elements of a set or map of a loaded table, in no particular order.
pub async fn elements(conn: &Connection<Nftables>, table: &m::Table, set: &str) -> Result<Vec<Live>, Error> {
    let model = table.set(set).ok_or_else(|| Error::NoSuchSet { table: table.name.clone(), set: set.to_owned() })?;
    let all = conn
        .list_set_elements(&table.name, set, Family::Ip)
        .await
        .map_err(failed("read the elements of a set of", &table.name))?;
    Ok(all
        .iter()
        .map(|e| Live {
            key: values(&model.key, e.key()),
            value: match e.data() {
                Some(SetElementData::Value(bytes)) => values(&model.value, bytes),
                _ => vec![],
            },
            remaining: e.expiration(),
        })
        .collect())
}

/// Bytes as the kernel keeps them: every part of a concatenation fills four.
fn values(types: &[Type], bytes: &[u8]) -> Vec<Value> {
    types
        .iter()
        .zip(bytes.chunks(4))
        .filter_map(|(t, b)| match (t, b) {
            (Type::Addr, &[a, b, c, d]) => Some(Value::Addr(Ipv4Addr::new(a, b, c, d))),
            (Type::Port, &[high, low, ..]) => Some(Value::Port(u16::from_be_bytes([high, low]))),
            (Type::Mark, &[a, b, c, d]) => Some(Value::Mark(u32::from_ne_bytes([a, b, c, d]))),
            _ => None,
        })
        .collect()
}

/// A string attribute: length, type, bytes, zero, padding.
fn text_attribute(kind: u16, text: &str) -> Vec<u8> {
    let length = text.len() + 5;
    let mut a = (length as u16).to_ne_bytes().to_vec();
    a.extend(kind.to_ne_bytes());
    a.extend(text.as_bytes());
    a.resize(length.next_multiple_of(4), 0);
    a
}

/// Everything as one transaction.
///
/// It is one send: tables of more than about 5000 elements exceed the default buffer of the socket (`EMSGSIZE`).
fn batch(conn: &Connection<Nftables>, t: &m::Table, how: Load) -> Result<Transaction, Error> {
    let mut tx = conn.transaction();
    if how == Load::Replace {
        // Add if missing, delete, add: nlink's add is exclusive, and the kernel's own "destroy" needs Linux 6.3.
        let add = RawMessage::new(NEW_TABLE, Family::Ip).flags(CREATE_IF_MISSING).attrs(text_attribute(1, &t.name));
        tx = tx.raw(add).del_table(&t.name, Family::Ip);
    }
    tx = tx.add_table(&t.name, Family::Ip);
    for s in &t.sets {
        let n = set(&t.name, s);
        tx = tx.add_set(n.clone());
        for part in s.elements.chunks(ELEMENTS_PER_MESSAGE) {
            let part: Vec<_> = part.iter().map(element).collect();
            tx = tx.add_set_elements(&n, &part);
        }
    }
    for c in &t.chains {
        let mut n = Chain::new(t.name.as_str(), c.name.as_str()).map_err(failed("name a chain of", &t.name))?;
        n = n.family(Family::Ip);
        if let Some(b) = c.base {
            n = n.base(base(b));
        }
        tx = tx.add_chain(n);
    }
    for (chain, r) in t.rules() {
        tx = tx.add_rule(rule(&t.name, chain, r)?);
    }
    Ok(tx)
}

fn rule(table: &str, chain: &str, r: &m::Rule) -> Result<Rule, Error> {
    let expressions = expressions::of(table, r)?;
    Ok(Rule::new(table, chain).family(Family::Ip).expressions(expressions).comment(&r.why))
}

fn set(table: &str, s: &m::Set) -> Set {
    let mut n = Set::new(table, &s.name).family(Family::Ip).key_type(key_type(&s.key));
    if !s.value.is_empty() {
        n = n.map(SetDataType::Value(key_type(&s.value)));
    }
    if let Some(d) = s.dynamic {
        n = n.dynamic().timeout(d.timeout).size(d.size);
    }
    n
}

fn key_type(types: &[Type]) -> SetKeyType {
    let one = |t: &Type| match t {
        Type::Addr => SetKeyType::Ipv4Addr,
        Type::Port => SetKeyType::InetService,
        Type::Mark => SetKeyType::Mark,
    };
    match types {
        [t] => one(t),
        many => SetKeyType::Concat(many.iter().map(one).collect()),
    }
}

fn element(e: &m::Element) -> SetElement {
    let key = operand(&e.key);
    if e.value.is_empty() { key } else { key.value(operand(&e.value)) }
}

fn operand(values: &[Value]) -> SetElement {
    let one = |v: &Value| match v {
        Value::Addr(a) => SetElement::ipv4(*a),
        Value::Port(p) => SetElement::port(*p),
        Value::Mark(m) => SetElement::mark(*m),
    };
    match values {
        [v] => one(v),
        many => SetElement::concat(many.iter().map(one)),
    }
}

fn base(b: m::Base) -> BaseChain {
    let p = Priority::from_i32(b.priority);
    match (b.nat, b.hook) {
        (true, Hook::Prerouting) => BaseChain::nat(NatHook::Prerouting, p),
        (true, Hook::Input) => BaseChain::nat(NatHook::Input, p),
        (true, Hook::Forward | Hook::Postrouting) => BaseChain::nat(NatHook::Postrouting, p),
        (false, Hook::Prerouting) => BaseChain::filter(FilterHook::Prerouting, p),
        (false, Hook::Input) => BaseChain::filter(FilterHook::Input, p),
        (false, Hook::Forward) => BaseChain::filter(FilterHook::Forward, p),
        (false, Hook::Postrouting) => BaseChain::filter(FilterHook::Postrouting, p),
    }
    .policy(Policy::Accept)
}
