//! The model in nft's own syntax: what people read, and what `nft -f` accepts (1.0.6 and later). Pure.

use std::fmt::{self, Display, Formatter};

use super::model::{
    Answer, Chain, Dir, DynOp, Element, ErrorWay, Field, Hook, Proto, Rule, Set, Step, Table, Type, Value,
};

/// Items with something between them.
struct Joined<'a, T>(&'a [T], &'static str);

impl<T: Display> Display for Joined<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(self.1)?;
            }
            item.fmt(f)?;
        }
        Ok(())
    }
}

/// A concatenation.
fn concat<T: Display>(parts: &[T]) -> Joined<'_, T> {
    Joined(parts, " . ")
}

impl Display for Proto {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proto::Udp => "udp",
            Proto::Tcp => "tcp",
        })
    }
}

impl Display for Dir {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dir::Original => "original",
            Dir::Reply => "reply",
        })
    }
}

impl Display for Hook {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Hook::Prerouting => "prerouting",
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Postrouting => "postrouting",
        })
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Field::Saddr => f.write_str("ip saddr"),
            Field::Daddr => f.write_str("ip daddr"),
            Field::Sport(p) => write!(f, "{p} sport"),
            Field::Dport(p) => write!(f, "{p} dport"),
            Field::CtSaddr(d) => write!(f, "ct {d} ip saddr"),
            Field::CtDaddr(d) => write!(f, "ct {d} ip daddr"),
            Field::CtSport(d) => write!(f, "ct {d} proto-src"),
            Field::CtDport(d) => write!(f, "ct {d} proto-dst"),
            Field::Mark => f.write_str("meta mark"),
            Field::CtMark => f.write_str("ct mark"),
            Field::ErrorSaddr => f.write_str("(error about) ip saddr"),
            Field::ErrorDaddr => f.write_str("(error about) ip daddr"),
            Field::ErrorSport => f.write_str("(error about) sport"),
            Field::ErrorDport => f.write_str("(error about) dport"),
        }
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Type::Addr => "ipv4_addr",
            Type::Port => "inet_service",
            Type::Mark => "mark",
        })
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Value::Addr(a) => a.fmt(f),
            Value::Port(p) => p.fmt(f),
            Value::Mark(m) => m.fmt(f),
        }
    }
}

impl Display for Element {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        concat(&self.key).fmt(f)?;
        if self.value.is_empty() { Ok(()) } else { write!(f, " : {}", concat(&self.value)) }
    }
}

/// `!= ` where a match is meant the other way round.
fn unless(is: bool) -> &'static str {
    if is { "" } else { "!= " }
}

impl Display for Step {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Step::Iif { is, name } => write!(f, "iifname {}\"{name}\"", unless(*is)),
            Step::Oif { is, name } => write!(f, "oifname {}\"{name}\"", unless(*is)),
            Step::L4(p) => write!(f, "meta l4proto {p}"),
            Step::IcmpType(t) => write!(f, "icmp type {t}"),
            Step::ErrorAbout(p) => write!(f, "(icmp error about {p})"),
            Step::Syn => f.write_str("tcp flags & (fin | syn | rst | ack) == syn"),
            Step::OddSport { proto, is } => write!(f, "{proto} sport & 1 == {}", u8::from(*is)),
            Step::CtMarkIs(mark) => write!(f, "ct mark {mark:#x}"),
            Step::StateNew => f.write_str("ct state new"),
            Step::StateInvalid => f.write_str("ct state invalid"),
            Step::Snatted => f.write_str("ct status snat"),
            Step::Dnatted => f.write_str("ct status dnat"),
            Step::Direction(d) => write!(f, "ct direction {d}"),
            Step::In { key, set, is } => write!(f, "{} {}@{set}", concat(key), unless(*is)),
            Step::UdpChecksumZero(zero) => write!(f, "udp checksum {}0", unless(*zero)),
            Step::Dynset { op, set, key, value, once_per_second } => {
                let op = match op {
                    DynOp::Add => "add",
                    DynOp::Update => "update",
                };
                write!(f, "{op} @{set} {{ {}", concat(key))?;
                if *once_per_second {
                    f.write_str(" limit rate 1/second burst 1 packets")?;
                }
                if !value.is_empty() {
                    write!(f, " : {}", concat(value))?;
                }
                f.write_str(" }")
            }
            Step::SetSaddr(a) => write!(f, "ip saddr set {a}"),
            Step::SetSaddrFromMark { map } => write!(f, "ip saddr set meta mark map @{map}"),
            Step::SetSportByMap { proto, key, map } => write!(f, "{proto} sport set {} map @{map}", concat(key)),
            Step::ClearUdpChecksum => f.write_str("udp checksum set 0"),
            Step::MarkCounter { modulus } => write!(f, "meta mark set numgen inc mod {modulus}"),
            Step::MarkHash { key, modulus, seed } => {
                write!(f, "meta mark set jhash {} mod {modulus} seed {seed:#x}", concat(key))
            }
            Step::SetCtMarkByMap { key, map } => write!(f, "ct mark set {} map @{map}", concat(key)),
            Step::Untracked => f.write_str("notrack"),
            Step::TranslateError { key, map, way, port: _ } => {
                let (inner, outer) = match way {
                    ErrorWay::Inwards => ("source", "ip daddr"),
                    ErrorWay::Outwards => ("destination", "ip saddr"),
                };
                write!(f, "(error about) {inner}, {outer} set {} map @{map}", concat(key))
            }
            Step::ReplyZoneHash { key, modulus, offset } => {
                write!(f, "ct reply zone set jhash {} mod {modulus} offset {offset}", concat(key))
            }
            Step::SnatByMap { key, map } => write!(f, "snat ip to {} map @{map} random", concat(key)),
            Step::DnatByMap { key, map } => write!(f, "dnat ip to {} map @{map}", concat(key)),
            Step::SnatAddressByMap { key, map } => write!(f, "snat to {} map @{map}", concat(key)),
            Step::DnatAddressByMap { key, map } => write!(f, "dnat to {} map @{map}", concat(key)),
            Step::SnatToOwn { port: None } => f.write_str("snat to ip saddr"),
            Step::SnatToOwn { port: Some(p) } => write!(f, "snat ip to ip saddr : {p} sport"),
            Step::Drop => f.write_str("counter drop"),
            Step::Reject(Answer::PortUnreachable) => f.write_str("counter reject with icmp type port-unreachable"),
            Step::Reject(Answer::Reset) => f.write_str("counter reject with tcp reset"),
            Step::Return => f.write_str("return"),
            Step::Jump(c) => write!(f, "jump {c}"),
            Step::Goto(c) => write!(f, "goto {c}"),
        }
    }
}

/// A rule for which nft has no syntax stands there as a comment: the text loads without it, the batch has it.
impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if !self.steps.iter().all(Step::has_syntax) {
            f.write_str("# not in nft's syntax: ")?;
        }
        write!(f, "{} comment \"{}\"", Joined(&self.steps, " "), self.why)
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let kind = if self.value.is_empty() { "set" } else { "map" };
        write!(f, "  {kind} {} {{\n    type {}", self.name, concat(&self.key))?;
        if !self.value.is_empty() {
            write!(f, " : {}", concat(&self.value))?;
        }
        f.write_str("\n")?;
        if let Some(d) = self.dynamic {
            match d.timeout.map(|t| t.as_millis()) {
                Some(timeout) => {
                    write!(f, "    flags dynamic,timeout\n    timeout {timeout}ms\n    size {}\n", d.size)?
                }
                None => write!(f, "    flags dynamic\n    size {}\n", d.size)?,
            }
        }
        if !self.elements.is_empty() {
            f.write_str("    elements = {\n")?;
            for line in self.elements.chunks(8) {
                writeln!(f, "      {},", Joined(line, ", "))?;
            }
            f.write_str("    }\n")?;
        }
        f.write_str("  }")
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "  chain {} {{", self.name)?;
        if let Some(b) = self.base {
            let kind = if b.nat { "nat" } else { "filter" };
            writeln!(f, "    type {kind} hook {} priority {}; policy accept;", b.hook, b.priority)?;
        }
        for r in &self.rules {
            writeln!(f, "    {r}")?;
        }
        f.write_str("  }")
    }
}

/// Replaces a table of the same name, in one transaction.
impl Display for Table {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let n = &self.name;
        writeln!(f, "table ip {n}\ndelete table ip {n}\ntable ip {n} {{")?;
        for s in &self.sets {
            writeln!(f, "{s}")?;
        }
        for c in &self.chains {
            writeln!(f, "{c}")?;
        }
        f.write_str("}\n")
    }
}
