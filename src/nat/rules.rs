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
//! | `begun_…` | external endpoint, remote | | sessions begun from inside, see [`Semantics::Strict`] |
//! | `inside_permit_…` | inside endpoint, inside remote | | who may come in by a hairpin that keeps the inside source |
//! | `external`, `pool`, `ports` | | | external addresses, and the ports in the order they are tried |
//!
//! A packet's way, in the order of the hooks: `zone` and `blocked` (before tracking), `inbound` (destination), `input`,
//! `outbound` (source; `translate` chooses the mapping), `record` (filters what comes in, refreshes what goes on). The filter
//! sits in `record` because both external endpoints of a hairpinned packet are known only there; a packet dropped there is
//! not yet confirmed by connection tracking, so it leaves nothing behind.
//!
//! Deviations from the RFCs, each on purpose: every behaviour can be chosen for UDP and holds for TCP as well, whether
//! RFC 5382 allows it or not; for TCP [`Semantics::ReplyAffine`] always holds, since a SYN-ACK must match the session that it
//! answers; unwanted packets are dropped, never answered.

mod firewall;
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

pub use ports::{PORT_RANGE, candidates};
pub use refused::{Refusal, SHORTEST_LIFETIME_MS, refused};
pub use sysctl::{Stage, Sysctl, sysctls};

use crate::nat::Gateway;
use crate::nat::{Behavior, Filtering, Hairpinning, Mapping, Semantics, Translation, UdpPolicy};
use crate::nft::model::{Base, Chain, Dir, Field, Hook, Key, Proto, Rule, Step, Table, Type};
use reason::Property;

/// Name of the table in the gateway's namespace.
pub const TABLE: &str = "natlab";

/// How many candidate ports a gateway has. When all are taken, packets that need a new mapping are dropped.
pub const PORTS: usize = 64;

/// The most elements of each dynamic set.
pub const TABLE_SIZE: u32 = 4096;

/// How long an idle TCP mapping lives: 2 hours and 4 minutes (RFC 5382 REQ-5).
pub const TCP_LIFETIME: Duration = Duration::from_secs(2 * 3600 + 4 * 60);

/// The table of a gateway; of a plain router one without rules.
pub fn table(gateway: &Gateway) -> Table {
    let b = &gateway.behavior;
    let mut rules = Rules {
        gateway,
        mapping: Remote::of_mapping(b.mapping),
        filter: Remote::of_filtering(b.filtering),
        chains: Vec::new(),
    };
    if b.udp == UdpPolicy::Blocked {
        rules.blocked();
    }
    let sets = match (b.translation, b.filtering) {
        (Translation::Napt | Translation::OneToOne, _) => {
            rules.inbound();
            rules.outbound();
            rules.record();
            rules.translator_sets()
        }
        (Translation::None, Filtering::EndpointIndependent) => vec![],
        (Translation::None, _) => {
            rules.firewall();
            rules.firewall_sets()
        }
    };
    Table { name: TABLE.to_owned(), sets, chains: rules.chains }
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
    mapping: Remote,
    filter: Remote,
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

    /// How long idle state lives; never nothing, which the kernel would take for "for ever".
    fn lifetime(&self, p: Proto) -> Duration {
        match p {
            Proto::Udp => self.behavior().lifetime().max(Duration::from_millis(1)),
            Proto::Tcp => TCP_LIFETIME,
        }
    }

    /// Whether anybody outside is kept out by what the inside has sent.
    fn filtered(&self) -> bool {
        self.filter.0 > 0
    }

    fn zoned(&self, p: Proto) -> bool {
        p == Proto::Udp && needs_zone(self.behavior())
    }

    /// Whether sessions begun from inside are written down: to leave them out of the zones, and where connection tracking
    /// forgets them at once, so that it cannot tell which mapping an inbound packet belongs to.
    fn remembers_sessions(&self, p: Proto) -> bool {
        let forgotten = sysctl::conntrack_timeout(self.lifetime(p)) == 0;
        self.zoned(p) || p == Proto::Udp && self.mapping.0 > 0 && forgotten
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

    /// The mapping key as connection tracking sees it, whatever was done to the packet so far.
    fn mapping_key(&self) -> Key {
        self.mapping.key(source_of(Dir::Original), destination_of(Dir::Original))
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
