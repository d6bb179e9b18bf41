//! From a gateway's behaviour to the nftables table that provides it. Pure.
//!
//! Connection tracking alone cannot do what RFC 4787 describes: it knows connections, not endpoints. So the state lives in
//! dynamic maps whose elements time out, one of each per protocol, and connection tracking only rewrites the packets:
//!
//! | set | from | to | what for |
//! |---|---|---|---|
//! | `mapping_…` | inside endpoint, and of the remote one what the mapping depends on | external endpoint | the mapping |
//! | `owner_…` | external endpoint | inside endpoint | leads inbound packets; an external endpoint has one owner |
//! | `permit_…` | external endpoint, and of the remote one what the filtering depends on | | who may come in |
//! | `claim_…` | external endpoint | | atomic test-and-set while a port is chosen |
//! | `towards_…` | external endpoint, and of the remote one what the mapping depends on | | whom a mapping is for |
//! | `inside_permit_…` | inside endpoint, inside remote | | who may come in by a hairpin that keeps the inside source |
//! | `external`, `pool`, `ports…` | | | external addresses, and the ports in the order they are tried |
//! | `block`, `block_taken`, `block_claim` | inside address | block of ports | whose ports are tried |
//! | `forward_in_…`, `forward_out_…`, `pair_in`, `pair_out` | external or inside end | the other one | what is always there |
//!
//! A packet's way, in the order of the hooks: `blocked`, `answers`, `errors_in` and `zone` (before tracking), `inbound`
//! (destination), `errors` (forwarded ICMP), `input`, `outbound` (source; `translate` chooses the mapping), `errors_out`,
//! `record` (filters what comes in, refreshes what goes on). The filter
//! sits in `record` because both external endpoints of a hairpinned packet are known only there; a packet dropped there is
//! not yet confirmed by connection tracking, so it leaves nothing behind.
//!
//! Deviations from the RFCs, each on purpose: every behaviour can be chosen for UDP and holds for TCP as well, whether
//! RFC 5382 allows it or not; for TCP [`Semantics::ReplyAffine`] always holds, since a SYN-ACK must match the session that it
//! answers; what is hairpinned to nobody is dropped, never answered. With overloading there are no maps: connection tracking
//! is the NAT. What cannot be had says [`refused`].

mod answers;
mod assignment;
mod errors;
mod firewall;
mod fixed;
mod inbound;
mod outbound;
mod ports;
mod reason;
mod record;
mod refused;
mod state;
mod sysctl;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use ports::{BLOCKS, Lists, PORT_RANGE, candidates, candidates_of, lists, sequence};
pub use refused::{Refusal, SHORTEST_LIFETIME_MS, refused};
pub use sysctl::{Stage, Sysctl, sysctls};

use crate::nat::{
    Behavior, Filtering, Gateway, Hairpinning, Mapping, PortAssignment, Refresh, Semantics, Translation, UdpPolicy,
};
use crate::nft::model::{Base, Chain, Dir, Field, Hook, Key, Proto, Rule, Step, Table, Type};
use reason::Property;

/// Name of the table in the gateway's namespace.
pub const TABLE: &str = "natlab";

/// How many ports of its range a gateway tries for new mappings of one protocol, at most: memory, and the time to load them, are
/// the reason. When all are taken, packets that need a new mapping are dropped.
pub const PORTS: usize = 512;

/// The most elements of each dynamic set.
pub const TABLE_SIZE: u32 = 4096;

/// The table of a gateway; of a plain router one without rules. What [`refused`] names is not provided.
pub fn table(gateway: &Gateway) -> Table {
    let b = &gateway.behavior;
    let mut rules = Rules { gateway, chains: Vec::new() };
    if b.udp == UdpPolicy::Blocked {
        rules.blocked();
    }
    let sets = match b.translation {
        Translation::Napt | Translation::OneToOne => {
            rules.answers();
            rules.errors();
            rules.inbound();
            rules.outbound();
            rules.record();
            rules.translator_sets()
        }
        Translation::None if firewalled(b) => {
            rules.errors();
            rules.firewall();
            rules.firewall_sets()
        }
        Translation::None => vec![],
    };
    Table { name: TABLE.to_owned(), sets, chains: rules.chains }
}

/// Whether a gateway that does not translate keeps anything out.
fn firewalled(b: &Behavior) -> bool {
    [b.filtering, b.tcp().filtering].iter().any(|f| *f != Filtering::EndpointIndependent)
}

/// Whether answers to sessions from outside need a zone of their own: where one inside endpoint may have two sessions with
/// one remote endpoint, through two external ports. Connection tracking can hold only one of them, and would send everything
/// through it.
fn needs_zone(b: &Behavior) -> bool {
    use {Filtering as F, Mapping as M};
    b.semantics == Semantics::Strict
        && matches!(
            (b.mapping, b.filtering),
            (M::AddressDependent, F::EndpointIndependent)
                | (M::AddressAndPortDependent, F::EndpointIndependent | F::AddressDependent)
        )
}

/// How much of the remote endpoint a key holds: nothing, its address, or its address and port.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Remote(usize);

impl Remote {
    fn of_mapping(m: Mapping) -> Self {
        Remote(match m {
            Mapping::EndpointIndependent => 0,
            Mapping::AddressDependent => 1,
            Mapping::AddressAndPortDependent => 2,
        })
    }

    fn of_filtering(f: Filtering) -> Self {
        Remote(match f {
            Filtering::EndpointIndependent => 0,
            Filtering::AddressDependent => 1,
            Filtering::AddressAndPortDependent => 2,
        })
    }

    /// `near`, and of `far` what counts.
    fn key(self, near: [Field; 2], far: [Field; 2]) -> Key {
        near.into_iter().chain(far.into_iter().take(self.0)).collect()
    }

    fn types(self) -> Vec<Type> {
        ENDPOINT.into_iter().chain(ENDPOINT.into_iter().take(self.0)).collect()
    }
}

/// An address and a port.
const ENDPOINT: [Type; 2] = [Type::Addr, Type::Port];

/// The source endpoint as the packet has it.
fn source(p: Proto) -> [Field; 2] {
    [Field::Saddr, Field::Sport(p)]
}

/// The destination endpoint as the packet has it.
fn destination(p: Proto) -> [Field; 2] {
    [Field::Daddr, Field::Dport(p)]
}

/// The source endpoint of one direction of the connection.
fn source_of(d: Dir) -> [Field; 2] {
    [Field::CtSaddr(d), Field::CtSport(d)]
}

/// The destination endpoint of one direction of the connection.
fn destination_of(d: Dir) -> [Field; 2] {
    [Field::CtDaddr(d), Field::CtDport(d)]
}

/// A table in the making. The chains of each stage are written in a file of their own.
struct Rules<'a> {
    gateway: &'a Gateway,
    chains: Vec<Chain>,
}

impl Rules<'_> {
    fn behavior(&self) -> &Behavior {
        &self.gateway.behavior
    }

    /// The protocols that pass.
    fn protocols(&self) -> &'static [Proto] {
        match self.behavior().udp {
            UdpPolicy::Allowed => &[Proto::Udp, Proto::Tcp],
            UdpPolicy::Blocked => &[Proto::Tcp],
        }
    }

    /// On what of the remote endpoint a mapping depends.
    fn mapping(&self, p: Proto) -> Remote {
        Remote::of_mapping(match p {
            Proto::Udp => self.behavior().mapping,
            Proto::Tcp => self.behavior().tcp().mapping,
        })
    }

    /// On what of the remote endpoint the filter depends.
    fn filter(&self, p: Proto) -> Remote {
        Remote::of_filtering(match p {
            Proto::Udp => self.behavior().filtering,
            Proto::Tcp => self.behavior().tcp().filtering,
        })
    }

    /// How long idle state lives; never nothing, which the kernel would take for "for ever".
    fn lifetime(&self, p: Proto) -> Duration {
        let lifetime = match p {
            Proto::Udp => self.behavior().lifetime(),
            Proto::Tcp => Duration::from_millis(self.behavior().tcp().lifetime_ms),
        };
        lifetime.max(Duration::from_millis(1))
    }

    /// Whether anybody outside is kept out by what the inside has sent.
    fn filtered(&self, p: Proto) -> bool {
        self.filter(p).0 > 0
    }

    /// Whether mappings are made, and kept in maps: with overloading connection tracking alone decides, and of a 1:1 NAT they
    /// are always there.
    fn maps(&self) -> bool {
        let b = self.behavior();
        b.translation == Translation::Napt && b.ports != PortAssignment::Overloading
    }

    fn overloads(&self) -> bool {
        let b = self.behavior();
        b.translation == Translation::Napt && b.ports == PortAssignment::Overloading
    }

    /// Whether permissions are kept in sets.
    fn permits(&self, p: Proto) -> bool {
        self.filtered(p) && !self.overloads()
    }

    fn zoned(&self, p: Proto) -> bool {
        p == Proto::Udp && self.maps() && needs_zone(self.behavior())
    }

    /// The same for what is hairpinned: filtered on inside endpoints, it may reach several external ones behind every
    /// endpoint-dependent mapping.
    fn zones_hairpins(&self, p: Proto) -> bool {
        let strict = self.behavior().semantics == Semantics::Strict && !self.hairpins(Hairpinning::None);
        p == Proto::Udp && strict && self.maps() && self.mapping(p).0 > 0
    }

    /// Whether connection tracking forgets packets of this protocol at once.
    fn untracked(&self, p: Proto) -> bool {
        p == Proto::Udp && sysctl::untracked(self.behavior())
    }

    /// Whether it is written down for which remotes an external endpoint was made: that cannot be read from `mapping`, whose key
    /// they are part of.
    fn remembers_remotes(&self, p: Proto) -> bool {
        self.maps() && self.mapping(p).0 > 0
    }

    /// Whether packets from inside keep alive what is there; they make what is not there in any case.
    fn refreshed_from_inside(&self, p: Proto) -> bool {
        p == Proto::Tcp || self.behavior().refresh != Refresh::Inbound
    }

    fn refreshed_from_outside(&self, p: Proto) -> bool {
        p == Proto::Tcp || self.behavior().refresh != Refresh::Outbound
    }

    fn hairpins(&self, how: Hairpinning) -> bool {
        self.behavior().hairpinning == how
    }

    fn enters_by_wan(&self) -> Step {
        Step::Iif { is: true, name: self.gateway.wan.clone() }
    }

    /// From inside, or made here.
    fn enters_elsewhere(&self) -> Step {
        Step::Iif { is: false, name: self.gateway.wan.clone() }
    }

    fn leaves_by_wan(&self) -> Step {
        Step::Oif { is: true, name: self.gateway.wan.clone() }
    }

    fn stays_inside(&self) -> Step {
        Step::Oif { is: false, name: self.gateway.wan.clone() }
    }

    /// The mapping key as connection tracking sees it, whatever was done to the packet so far.
    fn mapping_key(&self, p: Proto) -> Key {
        self.mapping(p).key(source_of(Dir::Original), destination_of(Dir::Original))
    }

    fn chain(&mut self, name: impl Into<String>, rules: Vec<Rule>) {
        self.chains.push(Chain { name: name.into(), base: None, rules });
    }

    fn base_chain(&mut self, name: &str, base: Base, rules: Vec<Rule>) {
        self.chains.push(Chain { name: name.to_owned(), base: Some(base), rules });
    }

    /// UDP ends before anything else sees it.
    fn blocked(&mut self) {
        let why = |text| Property::UdpPolicy.of(Proto::Udp, text);
        let rules = vec![
            Rule::new([self.enters_by_wan(), Step::L4(Proto::Udp), Step::Drop], why("blocked, inbound")),
            Rule::new([self.enters_elsewhere(), Step::L4(Proto::Udp), Step::Drop], why("blocked, outbound")),
        ];
        self.base_chain("blocked", filter(Hook::Prerouting, BEFORE_TRACKING), rules);
    }
}

/// `NF_IP_PRI_RAW`: before connection tracking.
const BEFORE_TRACKING: i32 = -300;
/// `NF_IP_PRI_NAT_DST`.
const DESTINATION_NAT: i32 = -100;
/// `NF_IP_PRI_FILTER`.
const FILTER: i32 = 0;
/// `NF_IP_PRI_NAT_SRC`.
const SOURCE_NAT: i32 = 100;
/// After translation, before connection tracking confirms the packet (`NF_IP_PRI_CONNTRACK_CONFIRM` is the last).
const TRANSLATED: i32 = SOURCE_NAT + 10;

fn filter(hook: Hook, priority: i32) -> Base {
    Base { nat: false, hook, priority }
}

fn nat(hook: Hook, priority: i32) -> Base {
    Base { nat: true, hook, priority }
}

/// Matches when `key` is in the set that a protocol has under this name.
fn known(name: &str, p: Proto, key: impl Into<Key>) -> Step {
    Step::In { key: key.into(), set: state::name(name, p), is: true }
}

/// Matches when it is not.
fn unknown(name: &str, p: Proto, key: impl Into<Key>) -> Step {
    Step::In { key: key.into(), set: state::name(name, p), is: false }
}

/// Matches when `field` is one of the external addresses.
fn external(field: Field) -> Step {
    Step::In { key: vec![field], set: "external".to_owned(), is: true }
}

/// Matches when it is none of them.
fn not_external(field: Field) -> Step {
    Step::In { key: vec![field], set: "external".to_owned(), is: false }
}
