//! What arrives: destinations are translated back, what nobody asked for ends.

use super::{
    BEFORE_TRACKING, DESTINATION_NAT, FILTER, Property, Rules, destination, destination_of, external, filter, nat,
    source, state, unknown,
};
use crate::nat::Hairpinning;
use crate::nft::model::{Dir, Field, Hook, Proto, Rule, Step};

impl Rules<'_> {
    /// The chains `zone`, `inbound`, `input` and `from_wan`.
    pub(super) fn inbound(&mut self) {
        self.zone();
        self.translate_destination();
        self.input();
        self.new_sessions_from_wan();
    }

    /// A session from outside must not capture what its inside end sends to the same remote by itself, which leaves through
    /// another mapping: its answers are tracked in a zone of their own, one per external endpoint, where that traffic does not
    /// look. Packets from those that a mapping is for are left alone: they are the answers. What is hairpinned comes from
    /// outside as far as its receiver is concerned, and is nobody's answer.
    fn zone(&mut self) {
        let p = Proto::Udp;
        let mut rules = vec![];
        if !self.protocols().contains(&p) {
            return;
        }
        if self.zoned(p) {
            let stranger = unknown("towards", p, self.mapping(p).key(destination(p), source(p)));
            let why = Property::Mapping.of(p, "a session from outside does not capture what inside sends by itself");
            rules.push(Rule::new(self.zoned_steps(p, self.enters_by_wan(), Some(stranger)), why));
        }
        if self.zones_hairpins(p) {
            let why =
                Property::Hairpinning.of(p, "a hairpinned session does not capture what its receiver sends by itself");
            rules.push(Rule::new(self.zoned_steps(p, self.enters_elsewhere(), None), why));
        }
        if !rules.is_empty() {
            self.base_chain("zone", filter(Hook::Prerouting, BEFORE_TRACKING), rules);
        }
    }

    /// What a forward leads in is answered through it, and through nothing else.
    fn zoned_steps(&self, p: Proto, enters: Step, from: Option<Step>) -> Vec<Step> {
        let zone = Step::ReplyZoneHash { key: destination(p).into(), modulus: 65_535, offset: 1 };
        let mut steps = vec![enters, external(Field::Daddr), Step::L4(p)];
        steps.extend(self.not_forwarded(p, destination(p)));
        steps.extend(from);
        steps.push(zone);
        steps
    }

    fn translate_destination(&mut self) {
        let mut rules = vec![];
        if self.hairpins(Hairpinning::None) {
            let why = Property::Hairpinning.all("none: external endpoints lead inside only from outside");
            rules.push(Rule::new([self.enters_elsewhere(), Step::Return], why));
        }
        rules.extend(self.fixed_destinations());
        for &p in self.protocols().iter().filter(|_| self.maps()) {
            let lead = Step::DnatByMap { key: destination(p).into(), map: state::name("owner", p) };
            let why = Property::Mapping.of(p, "an external endpoint leads to the inside endpoint that owns it");
            rules.push(Rule::new([Step::L4(p), lead], why));
        }
        if !rules.iter().any(translates) {
            return; // nothing is led inside
        }
        self.base_chain("inbound", nat(Hook::Prerouting, DESTINATION_NAT), rules);
    }

    /// A packet to an external endpoint that nobody owns arrives here. Were it confirmed, the connection entry would keep its
    /// five-tuple, and a mapping made later would have to leave through another port. Both protocols, whichever pass.
    fn input(&mut self) {
        let why = Property::Filtering.all("nothing that belongs to no session");
        let mut rules = vec![Rule::new([Step::StateInvalid, Step::Drop], why)];
        for p in [Proto::Udp, Proto::Tcp] {
            let unwanted = [external(Field::Daddr), Step::StateNew, Step::L4(p), Step::Drop];
            if self.hairpins(Hairpinning::None) {
                let why = Property::Hairpinning.of(p, "none");
                rules.push(Rule::new([self.enters_elsewhere()].into_iter().chain(unwanted.clone()), why));
            }
            if let (true, Some(answer)) = (self.overloads() && self.protocols().contains(&p), self.answer(p)) {
                let mut steps = vec![self.enters_by_wan(), external(Field::Daddr), Step::StateNew, Step::L4(p)];
                steps.extend((p == Proto::Tcp).then_some(Step::Syn));
                steps.push(Step::Reject(answer));
                rules.push(Rule::new(steps, Property::Filtering.of(p, "unsolicited; answered")));
            }
            let why = Property::Filtering.of(p, "unsolicited, to an endpoint that nobody owns; leaves no trace");
            rules.push(Rule::new(unwanted, why));
        }
        self.base_chain("input", filter(Hook::Input, FILTER), rules);
    }

    /// Entered from `record`, when the packet has its inside destination already.
    fn new_sessions_from_wan(&mut self) {
        let mut rules = vec![];
        for &p in self.protocols() {
            let endpoint = destination_of(Dir::Original);
            rules.extend(self.forwarded(p, endpoint, "open to everybody"));
            if self.permits(p) {
                let steps = [Step::L4(p), Step::Dnatted, self.not_permitted(p), Step::Drop];
                rules.push(Rule::new(steps, Property::Filtering.of(p, self.filter_words(p))));
            }
        }
        if self.one_to_one() && self.protocols().iter().any(|p| self.filtered(*p)) {
            for &p in self.protocols() {
                rules.push(Rule::new(
                    [Step::L4(p), Step::Dnatted, Step::Return],
                    Property::Filtering.of(p, "permitted"),
                ));
            }
            let why = Property::Filtering.all("of other protocols nothing but answers and errors");
            rules.push(Rule::new([Step::Dnatted, Step::Drop], why));
        } else {
            rules.push(Rule::new([Step::Dnatted, Step::Return], Property::Filtering.all("permitted")));
        }
        rules.push(Rule::new([Step::Drop], Property::Isolation.all("nothing comes in untranslated")));
        self.chain("from_wan", rules);
    }

    /// Matches unless the owner of the external endpoint has sent to the packet's source.
    pub(super) fn not_permitted(&self, p: Proto) -> Step {
        unknown("permit", p, self.filter(p).key(destination_of(Dir::Original), source(p)))
    }

    /// What is kept out, in words.
    pub(super) fn filter_words(&self, p: Proto) -> &'static str {
        match self.filter(p).0 {
            0 => "open to everybody",
            1 => "only from addresses that the inside endpoint has sent to",
            _ => "only from addresses and ports that the inside endpoint has sent to",
        }
    }
}

fn translates(rule: &Rule) -> bool {
    rule.steps.iter().any(|s| matches!(s, Step::DnatByMap { .. } | Step::DnatAddressByMap { .. }))
}
