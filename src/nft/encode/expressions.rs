//! Steps as the kernel's expressions.
//!
//! Registers: a key is loaded from word 0 (`R0`) on, a second operand from word 4 (`R1`) on; nothing else is live.

use nlink::netlink::nftables::{
    ChainName, CmpOp, CtDirection, CtKey, CtState, CtStatus, DynsetExpr, DynsetOp, Expr, HashKind, LimitExpr,
    LimitUnit, LookupExpr, MetaKey, NumgenKind, PayloadBase, PayloadCsum, RawExpr, Register, Verdict,
};

use super::{Error, failed};
use crate::nft::model::{Answer, Dir, DynOp, ErrorWay, Field, Proto, Rule, Step, WIDEST_KEY};

const R0: Register = Register::R0;
const R1: Register = Register::R1;
/// Words 0 to 3: a first operand.
const FIRST: [Register; WIDEST_KEY] = [R0, Register::Reg32_01, Register::Reg32_02, Register::Reg32_03];
/// Words 4 to 7: a second operand.
const SECOND: [Register; WIDEST_KEY] = [R1, Register::Reg32_05, Register::Reg32_06, Register::Reg32_07];

/// Offsets into headers, in bytes.
mod offset {
    pub(super) const IP_CHECKSUM: u32 = 10;
    pub(super) const IP_SOURCE: u32 = 12;
    pub(super) const IP_DESTINATION: u32 = 16;
    pub(super) const SOURCE_PORT: u32 = 0;
    pub(super) const DESTINATION_PORT: u32 = 2;
    pub(super) const UDP_CHECKSUM: u32 = 6;
    pub(super) const TCP_FLAGS: u32 = 13;
    pub(super) const TCP_CHECKSUM: u32 = 16;
    pub(super) const ICMP_TYPE: u32 = 0;
    pub(super) const ICMP_CHECKSUM: u32 = 2;
    /// Of the packet that an ICMP error is about.
    pub(super) const ABOUT: u32 = 8;
    pub(super) const ABOUT_PROTOCOL: u32 = ABOUT + 9;
    pub(super) const ABOUT_CHECKSUM: u32 = ABOUT + 10;
    pub(super) const ABOUT_SOURCE: u32 = ABOUT + 12;
    pub(super) const ABOUT_DESTINATION: u32 = ABOUT + 16;
    /// After a header without options.
    pub(super) const ABOUT_SOURCE_PORT: u32 = ABOUT + 20;
    pub(super) const ABOUT_DESTINATION_PORT: u32 = ABOUT + 22;
}

/// The expressions of a rule.
pub(super) fn of(table: &str, rule: &Rule) -> Result<Vec<Expr>, Error> {
    let mut program = Program { table, rule, out: Vec::new() };
    for step in &rule.steps {
        program.step(step)?;
    }
    Ok(program.out)
}

struct Program<'a> {
    table: &'a str,
    rule: &'a Rule,
    out: Vec<Expr>,
}

impl Program<'_> {
    fn push(&mut self, e: impl Into<Expr>) {
        self.out.push(e.into());
    }

    /// Loads a concatenation.
    fn load(&mut self, key: &[Field], into: [Register; WIDEST_KEY]) -> Result<(), Error> {
        if key.len() > WIDEST_KEY {
            return Err(Error::KeyTooWide { rule: self.rule.why.clone() });
        }
        for (field, register) in key.iter().zip(into) {
            self.push(load(*field, register));
        }
        Ok(())
    }

    /// Goes on only if `R0` compares so.
    fn compare(&mut self, op: CmpOp, data: &[u8]) {
        self.push(Expr::Cmp { sreg: R0, op, data: data.to_vec() });
    }

    fn interface(&mut self, key: MetaKey, is: bool, name: &str) {
        let mut data = name.as_bytes().to_vec();
        data.resize(16, 0);
        self.push(Expr::Meta { dreg: R0, key });
        self.compare(if is { CmpOp::Eq } else { CmpOp::Neq }, &data);
    }

    fn connection_bits(&mut self, key: CtKey, bits: u32) {
        self.push(Expr::Ct { dreg: R0, key });
        self.push(Expr::Bitwise { sreg: R0, dreg: R0, len: 4, mask: bits.to_ne_bytes().into(), xor: vec![0; 4] });
        self.compare(CmpOp::Neq, &[0; 4]);
    }

    /// Looks a key up; into `R0` what a map has for it.
    fn lookup(&mut self, key: &[Field], map: &str) -> Result<(), Error> {
        self.load(key, FIRST)?;
        self.push(LookupExpr::new(map, R0).dreg(R0));
        Ok(())
    }

    /// Writes `R0` into a header and mends the checksum.
    fn write(&mut self, base: PayloadBase, offset: u32, len: u32, csum_offset: u32) {
        self.write_from(R0, base, offset, len, csum_offset);
    }

    fn write_from(&mut self, sreg: Register, base: PayloadBase, offset: u32, len: u32, csum_offset: u32) {
        let l4_pseudo_header = base == PayloadBase::Network;
        let csum = PayloadCsum::Inet;
        self.push(Expr::PayloadSet { sreg, base, offset, len, csum, csum_offset, l4_pseudo_header });
    }

    /// Goes on only if some bytes of a header compare equal.
    fn header(&mut self, base: PayloadBase, offset: u32, data: &[u8]) {
        self.push(payload(R0, base, offset, data.len() as u32));
        self.compare(CmpOp::Eq, data);
    }

    /// The same for bytes under a mask.
    fn masked(&mut self, offset: u32, mask: &[u8], data: &[u8]) {
        let len = data.len() as u32;
        self.push(payload(R0, PayloadBase::Transport, offset, len));
        self.push(Expr::Bitwise { sreg: R0, dreg: R0, len, mask: mask.into(), xor: vec![0; data.len()] });
        self.compare(CmpOp::Eq, data);
    }

    /// The new address changes the inner header's checksum by as much as the header, so that the error's own checksum, which
    /// covers both, stays right; the new port is mended there.
    fn translate_error(&mut self, way: ErrorWay, with_port: bool) {
        let (address, port, outer) = match way {
            ErrorWay::Inwards => (offset::ABOUT_SOURCE, offset::ABOUT_SOURCE_PORT, offset::IP_DESTINATION),
            ErrorWay::Outwards => (offset::ABOUT_DESTINATION, offset::ABOUT_DESTINATION_PORT, offset::IP_SOURCE),
        };
        let inside = PayloadBase::Transport;
        if with_port {
            self.write_from(Register::Reg32_01, inside, port, 2, offset::ICMP_CHECKSUM);
        }
        self.write(inside, address, 4, offset::ABOUT_CHECKSUM);
        self.write(PayloadBase::Network, outer, 4, offset::IP_CHECKSUM);
    }

    fn write_source_address(&mut self) {
        self.write(PayloadBase::Network, offset::IP_SOURCE, 4, offset::IP_CHECKSUM);
    }

    /// `R0` = hash of the key.
    fn hash(&mut self, key: &[Field], modulus: u32, seed: Option<u32>, offset: u32) -> Result<(), Error> {
        self.load(key, SECOND)?;
        let len = 4 * key.len() as u32; // every concatenated field is padded to a word
        self.push(Expr::Hash { dreg: R0, kind: HashKind::Jenkins, sreg: Some(R1), len, modulus, seed, offset });
        Ok(())
    }

    fn verdict(&mut self, to: fn(ChainName) -> Verdict, chain: &str) -> Result<(), Error> {
        let name = ChainName::new(chain).map_err(failed("name a chain of", self.table))?;
        self.push(Expr::Verdict(to(name)));
        Ok(())
    }

    fn step(&mut self, s: &Step) -> Result<(), Error> {
        match s {
            Step::Iif { is, name } => self.interface(MetaKey::IifName, *is, name),
            Step::Oif { is, name } => self.interface(MetaKey::OifName, *is, name),
            Step::L4(p) => {
                self.push(Expr::Meta { dreg: R0, key: MetaKey::L4Proto });
                self.compare(CmpOp::Eq, &[number(*p)]);
            }
            Step::IcmpType(t) => {
                self.push(Expr::Meta { dreg: R0, key: MetaKey::L4Proto });
                self.compare(CmpOp::Eq, &[ICMP]);
                self.header(PayloadBase::Transport, offset::ICMP_TYPE, &[*t]);
            }
            Step::ErrorAbout(p) => {
                const WITHOUT_OPTIONS: u8 = 0x45;
                self.header(PayloadBase::Transport, offset::ABOUT, &[WITHOUT_OPTIONS]);
                self.header(PayloadBase::Transport, offset::ABOUT_PROTOCOL, &[number(*p)]);
            }
            Step::Syn => {
                const FIN_SYN_RST_ACK: u8 = 0x17;
                const SYN: u8 = 0x02;
                self.masked(offset::TCP_FLAGS, &[FIN_SYN_RST_ACK], &[SYN]);
            }
            Step::OddSport { proto: _, is } => self.masked(offset::SOURCE_PORT, &[0, 1], &[0, u8::from(*is)]),
            Step::CtMarkIs(mark) => {
                self.push(Expr::Ct { dreg: R0, key: CtKey::Mark });
                self.compare(CmpOp::Eq, &mark.to_ne_bytes());
            }
            Step::StateNew => self.connection_bits(CtKey::State, CtState::NEW.bits()),
            Step::StateInvalid => self.connection_bits(CtKey::State, CtState::INVALID.bits()),
            Step::Snatted => self.connection_bits(CtKey::Status, CtStatus::SRC_NAT.bits()),
            Step::Dnatted => self.connection_bits(CtKey::Status, CtStatus::DST_NAT.bits()),
            Step::Direction(d) => {
                self.push(Expr::Ct { dreg: R0, key: CtKey::Direction });
                self.compare(CmpOp::Eq, &[direction(*d) as u8]);
            }
            Step::In { key, set, is } => {
                self.load(key, FIRST)?;
                let lookup = LookupExpr::new(set, R0);
                self.push(if *is { lookup } else { lookup.invert() });
            }
            Step::UdpChecksumZero(zero) => {
                self.push(payload(R0, PayloadBase::Transport, offset::UDP_CHECKSUM, 2));
                self.compare(if *zero { CmpOp::Eq } else { CmpOp::Neq }, &[0, 0]);
            }
            Step::Dynset { op, set, key, value, once_per_second } => {
                let op = match op {
                    DynOp::Add => DynsetOp::Add,
                    DynOp::Update => DynsetOp::Update,
                };
                let mut d = DynsetExpr::new(op, set.as_str(), R0);
                if !value.is_empty() {
                    d = d.sreg_data(R1);
                }
                if *once_per_second {
                    d = d.statement(LimitExpr::packets(1, LimitUnit::Second).burst(1));
                }
                self.load(key, FIRST)?;
                self.load(value, SECOND)?;
                self.push(d);
            }
            Step::SetSaddr(a) => {
                self.push(Expr::Immediate { dreg: R0, data: a.octets().into() });
                self.write_source_address();
            }
            Step::SetSaddrFromMark { map } => {
                self.lookup(&[Field::Mark], map)?;
                self.write_source_address();
            }
            Step::SetSportByMap { proto, key, map } => {
                self.lookup(key, map)?;
                let checksum = match proto {
                    Proto::Udp => offset::UDP_CHECKSUM,
                    Proto::Tcp => offset::TCP_CHECKSUM,
                };
                self.write(PayloadBase::Transport, offset::SOURCE_PORT, 2, checksum);
            }
            Step::ClearUdpChecksum => {
                self.push(Expr::Immediate { dreg: R0, data: vec![0, 0] });
                self.write(PayloadBase::Transport, offset::UDP_CHECKSUM, 2, offset::UDP_CHECKSUM);
            }
            Step::MarkCounter { modulus } => {
                let kind = NumgenKind::Incremental;
                self.push(Expr::Numgen { dreg: R0, kind, modulus: *modulus, offset: 0 });
                self.push(Expr::MetaSet { key: MetaKey::Mark, sreg: R0 });
            }
            Step::MarkHash { key, modulus, seed } => {
                self.hash(key, *modulus, Some(*seed), 0)?;
                self.push(Expr::MetaSet { key: MetaKey::Mark, sreg: R0 });
            }
            Step::SetCtMarkByMap { key, map } => {
                self.lookup(key, map)?;
                self.push(Expr::CtSet { key: CtKey::Mark, sreg: R0 });
            }
            Step::Untracked => self.push(Expr::Notrack),
            Step::TranslateError { key, map, way, port } => {
                self.lookup(key, map)?;
                self.translate_error(*way, *port);
            }
            Step::ReplyZoneHash { key, modulus, offset } => {
                self.hash(key, *modulus, None, *offset)?;
                self.push(set_reply_zone(R0));
            }
            Step::SnatByMap { key, map } => {
                self.lookup(key, map)?;
                self.push(translate(End::SourceChecked, R0, Some(Register::Reg32_01)));
            }
            Step::DnatByMap { key, map } => {
                self.lookup(key, map)?;
                self.push(translate(End::Destination, R0, Some(Register::Reg32_01)));
            }
            Step::SnatAddressByMap { key, map } => {
                self.lookup(key, map)?;
                self.push(translate(End::Source, R0, None));
            }
            Step::DnatAddressByMap { key, map } => {
                self.lookup(key, map)?;
                self.push(translate(End::Destination, R0, None));
            }
            Step::SnatToOwn { port: None } => {
                self.load(&[Field::Saddr], FIRST)?;
                self.push(translate(End::Source, R0, None));
            }
            Step::SnatToOwn { port: Some(p) } => {
                self.load(&[Field::Saddr], FIRST)?;
                self.load(&[Field::Sport(*p)], SECOND)?;
                self.push(translate(End::Source, R0, Some(R1)));
            }
            Step::Drop => {
                self.push(Expr::Counter);
                self.push(Expr::Verdict(Verdict::Drop));
            }
            Step::Reject(answer) => {
                // enum nft_reject_types; ICMP_PORT_UNREACH
                let (reject_type, icmp_code) = match answer {
                    Answer::PortUnreachable => (0, 3),
                    Answer::Reset => (1, 0),
                };
                self.push(Expr::Counter);
                self.push(Expr::Reject { reject_type, icmp_code });
            }
            Step::Return => self.push(Expr::Verdict(Verdict::Return)),
            Step::Jump(c) => self.verdict(Verdict::JumpTo, c)?,
            Step::Goto(c) => self.verdict(Verdict::GotoTo, c)?,
        }
        Ok(())
    }
}

/// Its protocol number.
const ICMP: u8 = 1;

/// Protocol numbers as IANA assigns them.
fn number(p: Proto) -> u8 {
    match p {
        Proto::Udp => 17,
        Proto::Tcp => 6,
    }
}

fn direction(d: Dir) -> CtDirection {
    match d {
        Dir::Original => CtDirection::Original,
        Dir::Reply => CtDirection::Reply,
    }
}

fn payload(dreg: Register, base: PayloadBase, offset: u32, len: u32) -> Expr {
    Expr::Payload { dreg, base, offset, len }
}

fn load(field: Field, dreg: Register) -> Expr {
    let of_connection = |key, d| Expr::CtDirectional { dreg, key, direction: direction(d) };
    match field {
        Field::Saddr => payload(dreg, PayloadBase::Network, offset::IP_SOURCE, 4),
        Field::Daddr => payload(dreg, PayloadBase::Network, offset::IP_DESTINATION, 4),
        Field::Sport(_) => payload(dreg, PayloadBase::Transport, offset::SOURCE_PORT, 2),
        Field::Dport(_) => payload(dreg, PayloadBase::Transport, offset::DESTINATION_PORT, 2),
        Field::CtSaddr(d) => of_connection(CtKey::SrcIp, d),
        Field::CtDaddr(d) => of_connection(CtKey::DstIp, d),
        Field::CtSport(d) => of_connection(CtKey::ProtoSrc, d),
        Field::CtDport(d) => of_connection(CtKey::ProtoDst, d),
        Field::Mark => Expr::Meta { dreg, key: MetaKey::Mark },
        Field::CtMark => Expr::Ct { dreg, key: CtKey::Mark },
        Field::ErrorSaddr => payload(dreg, PayloadBase::Transport, offset::ABOUT_SOURCE, 4),
        Field::ErrorDaddr => payload(dreg, PayloadBase::Transport, offset::ABOUT_DESTINATION, 4),
        Field::ErrorSport => payload(dreg, PayloadBase::Transport, offset::ABOUT_SOURCE_PORT, 2),
        Field::ErrorDport => payload(dreg, PayloadBase::Transport, offset::ABOUT_DESTINATION_PORT, 2),
    }
}

/// An attribute that holds one big-endian word.
fn word_attribute(kind: u16, value: u32) -> [u8; 8] {
    let mut a = [0; 8];
    a[..2].copy_from_slice(&8u16.to_ne_bytes());
    a[2..4].copy_from_slice(&kind.to_ne_bytes());
    a[4..].copy_from_slice(&value.to_be_bytes());
    a
}

/// Which end of a connection is translated: `NFT_NAT_SNAT`, `NFT_NAT_DNAT`.
#[derive(Clone, Copy)]
enum End {
    Source,
    /// With a port "at random" among the only one there is: without that the kernel gives a packet the port that it has
    /// already without a look at other connections, and that look is what clears away one that has expired.
    SourceChecked,
    Destination,
}

/// `nat` with address and port in registers. nlink has this as `NatRegs`, which cannot be built outside of it: it is
/// non-exhaustive and has no constructor.
fn translate(end: End, address: Register, port: Option<Register>) -> Expr {
    // enum nft_nat_attributes
    const TYPE: u16 = 1;
    const FAMILY: u16 = 2;
    const ADDRESS_MIN: u16 = 3;
    const ADDRESS_MAX: u16 = 4;
    const PORT_MIN: u16 = 5;
    const PORT_MAX: u16 = 6;
    const FLAGS: u16 = 7;
    const IPV4: u32 = 2; // NFPROTO_IPV4
    const MAP_ADDRESSES: u32 = 1; // NF_NAT_RANGE_MAP_IPS
    const PORT_SPECIFIED: u32 = 2; // NF_NAT_RANGE_PROTO_SPECIFIED
    const PORT_RANDOM: u32 = 4; // NF_NAT_RANGE_PROTO_RANDOM
    let mut d = Vec::with_capacity(56);
    let destination = matches!(end, End::Destination);
    d.extend(word_attribute(TYPE, u32::from(destination)));
    d.extend(word_attribute(FAMILY, IPV4));
    d.extend(word_attribute(ADDRESS_MIN, address.wire()));
    d.extend(word_attribute(ADDRESS_MAX, address.wire()));
    let mut flags = MAP_ADDRESSES;
    if let Some(p) = port {
        d.extend(word_attribute(PORT_MIN, p.wire()));
        d.extend(word_attribute(PORT_MAX, p.wire()));
        flags |= PORT_SPECIFIED;
    }
    if let End::SourceChecked = end {
        flags |= PORT_RANDOM;
    }
    d.extend(word_attribute(FLAGS, flags));
    RawExpr::new("nat", d).into()
}

/// `ct reply zone set` from a register: nlink's `CtSet` has no direction.
fn set_reply_zone(sreg: Register) -> Expr {
    // enum nft_ct_attributes
    const KEY: u16 = 2;
    const DIRECTION: u8 = 3;
    const SOURCE: u16 = 4;
    const REPLY: u8 = 1; // IP_CT_DIR_REPLY
    let mut d = Vec::with_capacity(24);
    d.extend(word_attribute(KEY, CtKey::Zone as u32));
    // One byte: a length of 5 and the type, both in host order, the value, padding.
    d.extend(5u16.to_ne_bytes());
    d.extend(u16::from(DIRECTION).to_ne_bytes());
    d.extend([REPLY, 0, 0, 0]);
    d.extend(word_attribute(SOURCE, sreg.wire()));
    RawExpr::new("ct", d).into()
}
