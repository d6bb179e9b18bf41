//! Tables, chains and rules as data. Pure: no registers, no byte order, no I/O.
//!
//! Only what a gateway's rules use is here, so that a rule which cannot be encoded or printed cannot be written either.

use std::net::Ipv4Addr;
use std::time::Duration;

/// A transport protocol whose header a rule reads or writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proto {
    /// Protocol number 17.
    Udp,
    /// Protocol number 6.
    Tcp,
}

/// A direction of a tracked connection: that of its first packet, or the other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dir {
    /// As the first packet went.
    Original,
    /// As its answers go.
    Reply,
}

/// Something that a packet or its connection tracking entry carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Source address in the packet, at this point of its way.
    Saddr,
    /// Destination address in the packet, at this point of its way.
    Daddr,
    /// Source port in the packet, at this point of its way.
    Sport(Proto),
    /// Destination port in the packet, at this point of its way.
    Dport(Proto),
    /// Source address of a direction of the connection.
    CtSaddr(Dir),
    /// Destination address of a direction of the connection.
    CtDaddr(Dir),
    /// Source port of a direction of the connection.
    CtSport(Dir),
    /// Destination port of a direction of the connection.
    CtDport(Dir),
    /// The packet's mark, which rules use as a variable.
    Mark,
    /// The connection's mark, which rules use as another one.
    CtMark,
    /// Source address of the packet that an ICMP error is about. No nft syntax, as all fields of that packet.
    ErrorSaddr,
    /// Destination address of the packet that an ICMP error is about.
    ErrorDaddr,
    /// Source port of the packet that an ICMP error is about.
    ErrorSport,
    /// Destination port of the packet that an ICMP error is about.
    ErrorDport,
}

/// What an element of a set consists of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// An IPv4 address.
    Addr,
    /// A port.
    Port,
    /// A packet mark.
    Mark,
}

/// A concatenation of fields.
pub type Key = Vec<Field>;

/// The most fields a [`Key`] can have: they are loaded into one 16-byte register, four bytes each.
pub const WIDEST_KEY: usize = 4;

/// A value of a [`Type`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// An IPv4 address.
    Addr(Ipv4Addr),
    /// A port.
    Port(u16),
    /// A packet mark.
    Mark(u32),
}

/// An element that a set is created with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element {
    /// As the set's key type says.
    pub key: Vec<Value>,
    /// As the map's value type says; of a set empty.
    pub value: Vec<Value>,
}

/// A set, or a map when `value` is not empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set {
    /// Unique in its table.
    pub name: String,
    /// Concatenated types of the key.
    pub key: Vec<Type>,
    /// Concatenated types of the value.
    pub value: Vec<Type>,
    /// Whether packets add elements to it, and how.
    pub dynamic: Option<Dynamic>,
    /// What it is created with.
    pub elements: Vec<Element>,
}

/// How packets add elements to a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dynamic {
    /// An element that is not refreshed for so long is gone; `None`: it stays until it is removed.
    pub timeout: Option<Duration>,
    /// The most elements. The kernel reserves memory for them: 4096 cost about 0.3 MB and 1 ms, 65535 about 4 MB and 40 ms.
    pub size: u32,
}

/// Where a chain meets packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// Everything that arrives, before it is routed.
    Prerouting,
    /// What is for this node itself.
    Input,
    /// What is for others.
    Forward,
    /// Everything that leaves, after it was routed.
    Postrouting,
}

/// How a chain is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Base {
    /// A `nat` chain, which sees the first packet of a connection only; else a `filter` chain.
    pub nat: bool,
    /// Where.
    pub hook: Hook,
    /// In which order with other chains there; connection tracking has -200, destination NAT -100, source NAT 100.
    pub priority: i32,
}

/// Rules in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Unique in its table.
    pub name: String,
    /// Attached to a hook, or only jumped to. The policy is always `accept`.
    pub base: Option<Base>,
    /// In order.
    pub rules: Vec<Rule>,
}

/// Steps, each taken only when all before it matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// In order.
    pub steps: Vec<Step>,
    /// The behaviour that this rule provides. The kernel holds it as the rule's comment, of [`Rule::LONGEST_COMMENT`] bytes at
    /// most.
    pub why: String,
}

impl Rule {
    /// In bytes; one more and the kernel refuses the rule (`NFT_USERDATA_MAXLEN` less the frame around the text).
    pub const LONGEST_COMMENT: usize = 127;

    /// A rule and its reason.
    pub fn new(steps: impl IntoIterator<Item = Step>, why: impl Into<String>) -> Self {
        Rule { steps: steps.into_iter().collect(), why: why.into() }
    }
}

impl Step {
    /// Whether nft has words for it; without, text shows the rule as a comment.
    pub fn has_syntax(&self) -> bool {
        !matches!(self, Step::ErrorAbout(_) | Step::TranslateError { .. })
    }
}

/// What an `add` or `update` does with an element that is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DynOp {
    /// Keeps it as it is, its age too.
    Add,
    /// Replaces its value and makes it young again.
    Update,
}

/// What the sender of an unwanted packet is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// An ICMP error, "port unreachable".
    PortUnreachable,
    /// A TCP reset.
    Reset,
}

/// Which way an ICMP error goes: the other end of the packet that it is about is translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorWay {
    /// To an inside endpoint that sent the packet: its source becomes the inside endpoint.
    Inwards,
    /// From an inside endpoint that got the packet: its destination becomes the external endpoint.
    Outwards,
}

/// A match, a statement or a verdict.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Matches packets that came in by this interface (`is`), or by any other one or none.
    Iif {
        /// False: every other interface.
        is: bool,
        /// At most 15 characters.
        name: String,
    },
    /// Matches packets that go out by this interface (`is`), or by any other one.
    Oif {
        /// False: every other interface.
        is: bool,
        /// At most 15 characters.
        name: String,
    },
    /// Matches packets of a protocol. Every step that reads ports or keeps them in a set needs it before itself.
    L4(Proto),
    /// Matches ICMP messages of a type.
    IcmpType(u8),
    /// Matches ICMP errors about a packet of a protocol, without IP options; the fields of that packet can be read then. nft has
    /// no syntax for it.
    ErrorAbout(Proto),
    /// Matches TCP segments that begin a connection: SYN without ACK, RST or FIN.
    Syn,
    /// Matches packets whose source port is odd (true) or even.
    OddSport {
        /// Of the header.
        proto: Proto,
        /// False: even.
        is: bool,
    },
    /// Matches connections of a mark.
    CtMarkIs(u32),
    /// Matches the first packets of a connection, until one in the other direction was seen.
    StateNew,
    /// Matches packets that connection tracking cannot place.
    StateInvalid,
    /// Matches connections whose source is translated.
    Snatted,
    /// Matches connections whose destination is translated.
    Dnatted,
    /// Matches packets of one direction of their connection.
    Direction(Dir),
    /// Matches when the key is in the set (`is`), or when it is not.
    In {
        /// What is looked up.
        key: Key,
        /// Where.
        set: String,
        /// False: when it is not there.
        is: bool,
    },
    /// Matches UDP packets without a checksum (true), or with one.
    UdpChecksumZero(bool),
    /// Puts an element into a dynamic set or map.
    Dynset {
        /// What happens to one that is there.
        op: DynOp,
        /// Where.
        set: String,
        /// Of the element.
        key: Key,
        /// Of the element; of a set empty.
        value: Key,
        /// Matches at most once a second for one element, whatever the number of processors: an atomic test-and-set.
        once_per_second: bool,
    },
    /// Writes the source address into the header.
    SetSaddr(Ipv4Addr),
    /// Writes the source address that a map has for the mark.
    SetSaddrFromMark {
        /// From marks to addresses.
        map: String,
    },
    /// Writes the source port that a map has for the key.
    SetSportByMap {
        /// Of the header.
        proto: Proto,
        /// What is looked up.
        key: Key,
        /// From keys to ports.
        map: String,
    },
    /// Writes "no checksum" into a UDP header.
    ClearUdpChecksum,
    /// Marks the packet with 0, 1, 2, … in turn.
    MarkCounter {
        /// One more than the highest.
        modulus: u32,
    },
    /// Marks the packet with a hash.
    MarkHash {
        /// Of these fields.
        key: Key,
        /// One more than the highest.
        modulus: u32,
        /// Of the hash.
        seed: u32,
    },
    /// Marks the connection with what a map has for the key; matches only when the key is there.
    SetCtMarkByMap {
        /// What is looked up.
        key: Key,
        /// From keys to marks.
        map: String,
    },
    /// Leaves the packet out of connection tracking.
    Untracked,
    /// Writes the endpoint that a map has for the key into the packet that an ICMP error is about, and its address into the
    /// error's own header; matches only when the key is there. nft has no syntax for it.
    TranslateError {
        /// What is looked up.
        key: Key,
        /// From keys to address and port.
        map: String,
        /// Which end.
        way: ErrorWay,
        /// Whether the port too; else the map has addresses alone.
        port: bool,
    },
    /// Tracks the answers of the connection that this packet begins in a zone of their own, numbered by a hash.
    ReplyZoneHash {
        /// Of these fields.
        key: Key,
        /// How many zones.
        modulus: u32,
        /// The lowest zone.
        offset: u32,
    },
    /// Translates the source of the connection to what the map has; matches only when the key is there. An expired connection
    /// that still has the translated five-tuple is cleared away.
    SnatByMap {
        /// What is looked up.
        key: Key,
        /// From keys to address and port.
        map: String,
    },
    /// Translates the destination of the connection to what the map has; matches only when the key is there.
    DnatByMap {
        /// What is looked up.
        key: Key,
        /// From keys to address and port.
        map: String,
    },
    /// Translates the source address of the connection to what the map has, and keeps the port; matches only when the key is
    /// there.
    SnatAddressByMap {
        /// What is looked up.
        key: Key,
        /// From keys to addresses.
        map: String,
    },
    /// Translates the destination address of the connection to what the map has, and keeps the port; matches only when the key
    /// is there.
    DnatAddressByMap {
        /// What is looked up.
        key: Key,
        /// From keys to addresses.
        map: String,
    },
    /// Translates the source to what now stands in the header: the address, and the port of a protocol.
    SnatToOwn {
        /// Keeps the port too; nothing else will do.
        port: Option<Proto>,
    },
    /// Counts the packet and drops it: there is no uncounted drop, since counters are how a drop is proven.
    Drop,
    /// Counts the packet, drops it and tells its sender. Not in postrouting.
    Reject(Answer),
    /// Ends this chain; the one that jumped here goes on.
    Return,
    /// Goes through another chain and comes back.
    Jump(String),
    /// Goes on in another chain.
    Goto(String),
}

/// An IPv4 table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Unique in its namespace.
    pub name: String,
    /// Before chains, which use them.
    pub sets: Vec<Set>,
    /// In any order.
    pub chains: Vec<Chain>,
}

impl Table {
    /// Every rule with the name of its chain.
    pub fn rules(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.chains.iter().flat_map(|c| c.rules.iter().map(|r| (c.name.as_str(), r)))
    }

    /// The set of this name.
    pub fn set(&self, name: &str) -> Option<&Set> {
        self.sets.iter().find(|s| s.name == name)
    }
}
