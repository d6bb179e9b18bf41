//! What leaves: the first packet of a connection finds its mapping or makes one.

use super::{Hairpinning, Property, Rules, SOURCE_NAT, external, nat, state};
use crate::nat::Pooling;
use crate::nft::model::{Dir, Field, Hook, Proto, Rule, Step};

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
    }

    /// A known mapping, else a new one. The wanted external endpoint is written into the header first, since nft cannot look up
    /// a constant together with a field; the translation rewrites it anyway.
    fn translate(&mut self) {
        let mut rules = self.fixed_sources();
        if !self.one_to_one() {
            if self.maps() {
                for &p in self.protocols() {
                    let reuse = Step::SnatByMap { key: self.mapping_key(p), map: state::name("mapping", p) };
                    rules.push(Rule::new([Step::L4(p), reuse], Property::Mapping.of(p, self.mapping_words(p))));
                }
            }
            rules.extend(self.choose_address());
            for &p in self.protocols() {
                rules.extend(self.assign(p));
            }
            let why = Property::IcmpQueries.all("translated to an external address");
            rules.push(Rule::new([Step::SnatToOwn { port: None }], why));
        }
        self.chain("translate", rules);
    }

    fn choose_address(&self) -> Vec<Rule> {
        match self.gateway.external.as_slice() {
            [] => vec![Rule::new([Step::Drop], Property::Pooling.all("no external address"))],
            [one] => vec![Rule::new([Step::SetSaddr(*one)], Property::Pooling.all("the only external address"))],
            many => {
                let modulus = many.len() as u32;
                let (mark, how) = match self.behavior().pooling {
                    Pooling::Paired => {
                        let key = vec![Field::CtSaddr(Dir::Original)];
                        (Step::MarkHash { key, modulus, seed: self.gateway.seed as u32 }, "paired, by inside address")
                    }
                    Pooling::Arbitrary => (Step::MarkCounter { modulus }, "arbitrary, each new mapping the next"),
                };
                let set = Step::SetSaddrFromMark { map: "pool".to_owned() };
                vec![
                    Rule::new([mark], Property::Pooling.all(how)),
                    Rule::new([set], Property::Pooling.all("the address of the pool")),
                ]
            }
        }
    }

    fn mapping_words(&self, p: Proto) -> &'static str {
        match self.mapping(p).0 {
            0 => "one external endpoint towards everybody",
            1 => "one external endpoint per remote address",
            _ => "one external endpoint per remote address and port",
        }
    }
}
