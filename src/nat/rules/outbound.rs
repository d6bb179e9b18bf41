//! What leaves: the first packet of a connection finds its mapping or makes one.

use super::{Hairpinning, PORTS, Property, Rules, SOURCE_NAT, external, nat, source, state, unknown};
use crate::nat::PortAssignment;
use crate::nft::model::{Dir, DynOp, Field, Hook, Proto, Rule, Step};

impl Rules<'_> {
    /// The chains `outbound`, `translate`, `try_…` and `next_…`.
    pub(super) fn outbound(&mut self) {
        let why = Property::Mapping.all("what leaves is translated");
        let mut rules = vec![Rule::new([self.leaves_by_wan(), Step::Goto("translate".to_owned())], why)];
        if self.hairpins(Hairpinning::ExternalSource) {
            let to_external = external(Field::CtDaddr(Dir::Original));
            let steps = [self.enters_elsewhere(), Step::Dnatted, to_external, Step::Goto("translate".to_owned())];
            let why = Property::Hairpinning.all("external source address and port");
            rules.push(Rule::new(steps, why));
        }
        for &p in self.protocols() {
            let steps = [self.enters_by_wan(), Step::Dnatted, Step::L4(p), Step::SnatToOwn { port: Some(p) }];
            let why = Property::Filtering.of(p, "the source of what comes in is never altered");
            rules.push(Rule::new(steps, why));
        }
        self.base_chain("outbound", nat(Hook::Postrouting, SOURCE_NAT), rules);
        self.translate();
        for &p in self.protocols() {
            self.tries(p);
            self.next_candidate(p);
        }
    }

    /// A known mapping, else a new one. The wanted external endpoint is written into the header first, since nft cannot look up
    /// a constant together with a field; the translation rewrites it anyway.
    fn translate(&mut self) {
        let mut rules = vec![];
        for &p in self.protocols() {
            let reuse = Step::SnatByMap { key: self.mapping_key(), map: state::name("mapping", p) };
            rules.push(Rule::new([Step::L4(p), reuse], Property::Mapping.of(p, self.mapping_words())));
        }
        rules.extend(self.choose_address());
        for &p in self.protocols() {
            if self.behavior().ports == PortAssignment::Preserving {
                rules.push(self.take(p, "the inside port when it is free, never shared"));
            }
            let why = Property::PortAssignment.of(p, "another port, in the order of the list");
            rules.push(Rule::new([Step::L4(p), Step::Jump(format!("try_{p}"))], why));
            let why = Property::PortAssignment.of(p, "no free port");
            rules.push(Rule::new([Step::L4(p), Step::Drop], why));
        }
        let why = Property::IcmpQueries.all("translated to an external address");
        rules.push(Rule::new([Step::SnatToOwn { port: None }], why));
        self.chain("translate", rules);
    }

    fn choose_address(&self) -> Vec<Rule> {
        match self.gateway.external.as_slice() {
            [] => vec![Rule::new([Step::Drop], Property::Pooling.all("no external address"))],
            [one] => vec![Rule::new([Step::SetSaddr(*one)], Property::Pooling.all("the only external address"))],
            many => {
                let mark = Step::MarkHash {
                    key: vec![Field::CtSaddr(Dir::Original)],
                    modulus: many.len() as u32,
                    seed: self.gateway.seed as u32,
                };
                let set = Step::SetSaddrFromMark { map: "pool".to_owned() };
                vec![
                    Rule::new([mark], Property::Pooling.all("paired, by inside address")),
                    Rule::new([set], Property::Pooling.all("the address of the pair")),
                ]
            }
        }
    }

    /// Takes the external endpoint in the header for the mapping key, if it is free, and goes on otherwise. Safe on several
    /// processors at once: `claim` lets one packet through, `add` keeps the first mapping of a key, and the translation reads
    /// back what won.
    fn take(&self, p: Proto, words: &str) -> Rule {
        let add = |what: &str, key, value, once_per_second| Step::Dynset {
            op: DynOp::Add,
            set: state::name(what, p),
            key,
            value,
            once_per_second,
        };
        let steps = [
            Step::L4(p),
            unknown("owner", p, source(p)),
            add("claim", source(p).into(), vec![], true),
            add("mapping", self.mapping_key(), source(p).into(), false),
            Step::SnatByMap { key: self.mapping_key(), map: state::name("mapping", p) },
        ];
        Rule::new(steps, Property::PortAssignment.of(p, words))
    }

    /// nft has no loops: every candidate port is tried once, in nested chains of eight.
    fn tries(&mut self, p: Proto) {
        let jump = |to: &str| {
            Rule::new([Step::Jump(to.to_owned())], Property::PortAssignment.of(p, "the next eight candidates"))
        };
        let (eight, all) = (format!("try_eight_{p}"), format!("try_{p}"));
        let next = Rule::new([Step::Jump(format!("next_{p}"))], Property::PortAssignment.of(p, "the next candidate"));
        let take = self.take(p, "take it when it is free, never shared");
        let rules = (0..8).flat_map(|_| [next.clone(), take.clone()]).collect();
        self.chain(eight.clone(), rules);
        self.chain(all, (0..PORTS.div_ceil(8)).map(|_| jump(&eight)).collect());
    }

    fn next_candidate(&mut self, p: Proto) {
        let why = |text| Property::PortAssignment.of(p, text);
        let mut rules =
            vec![Rule::new([Step::MarkCounter { modulus: PORTS as u32 }], why("walk the list, round and round"))];
        let set = Step::SetSportFromMark { proto: p, map: "ports".to_owned() };
        match p {
            // The write mends the checksum, and "none" would become a wrong one.
            Proto::Udp => rules.extend([
                Rule::new([Step::L4(p), Step::UdpChecksumZero(false), set.clone()], why("tentative port")),
                Rule::new(
                    [Step::L4(p), Step::UdpChecksumZero(true), set, Step::ClearUdpChecksum],
                    why("tentative port, still no checksum"),
                ),
            ]),
            Proto::Tcp => rules.push(Rule::new([Step::L4(p), set], why("tentative port"))),
        }
        self.chain(format!("next_{p}"), rules);
    }

    fn mapping_words(&self) -> &'static str {
        match self.mapping.0 {
            0 => "one external endpoint towards everybody",
            1 => "one external endpoint per remote address",
            _ => "one external endpoint per remote address and port",
        }
    }
}
