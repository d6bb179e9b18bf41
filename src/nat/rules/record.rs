//! After translation: what comes in is filtered, and every packet keeps alive what it used.

use super::{
    Hairpinning, Property, Rules, TRANSLATED, destination, destination_of, filter, known, not_external, source,
    source_of, state, unknown,
};
use crate::nat::SimultaneousOpen;
use crate::nft::model::{Dir, DynOp, Field, Hook, Key, Proto, Rule, Step};

/// Puts an element into a set, or makes it young again.
fn update(what: &str, p: Proto, key: impl Into<Key>, value: impl Into<Key>) -> Step {
    Step::Dynset {
        op: DynOp::Update,
        set: state::name(what, p),
        key: key.into(),
        value: value.into(),
        once_per_second: false,
    }
}

impl Rules<'_> {
    /// The chains `record`, `record_…`, `out_…`, `answer_…` and `in_…`.
    pub(super) fn record(&mut self) {
        let invalid = [self.enters_by_wan(), Step::StateInvalid, Step::Drop];
        let new = [self.enters_by_wan(), Step::StateNew, Step::Jump("from_wan".to_owned())];
        let mut rules =
            vec![Rule::new(invalid, Property::Filtering.all("nothing from outside that belongs to no session"))];
        rules.extend(self.crossing_syns());
        rules.push(Rule::new(new, Property::Filtering.all("sessions from outside")));
        let recorded: &[Proto] = if self.overloads() { &[] } else { self.protocols() };
        for &p in recorded {
            let why = Property::Refresh.of(p, "packets keep alive what they use");
            rules.push(Rule::new([Step::L4(p), Step::Goto(format!("record_{p}"))], why));
        }
        rules.push(self.nothing_untranslated());
        self.base_chain("record", filter(Hook::Postrouting, TRANSLATED), rules);
        for &p in recorded {
            self.record_protocol(p);
            self.outbound_refresh(p);
            self.answer_refresh(p);
            self.inbound_refresh(p);
        }
    }

    /// A SYN against the direction of its session crosses the one that began it.
    pub(super) fn crossing_syns(&self) -> Option<Rule> {
        let p = Proto::Tcp;
        let refused = self.behavior().tcp().simultaneous_open == SimultaneousOpen::Refused;
        let steps = [self.enters_by_wan(), Step::L4(p), Step::Syn, Step::Direction(Dir::Reply), Step::Drop];
        refused.then(|| Rule::new(steps, Property::SimultaneousOpen.of(p, "refused")))
    }

    fn nothing_untranslated(&self) -> Rule {
        let steps = [self.leaves_by_wan(), not_external(Field::Saddr), Step::Drop];
        Rule::new(steps, Property::Isolation.all("nothing leaves untranslated"))
    }

    fn record_protocol(&mut self, p: Proto) {
        let out =
            [self.enters_elsewhere(), Step::Direction(Dir::Original), Step::Snatted, Step::Jump(format!("out_{p}"))];
        let answer =
            [self.enters_elsewhere(), Step::Direction(Dir::Reply), Step::Dnatted, Step::Jump(format!("answer_{p}"))];
        let inbound = [self.enters_by_wan(), Step::Goto(format!("in_{p}"))];
        let mut rules = vec![
            Rule::new(out, Property::Refresh.of(p, "outbound")),
            Rule::new(answer, Property::Refresh.of(p, "answer to a session from outside")),
            Rule::new(inbound, Property::Refresh.of(p, "inbound")),
        ];
        if self.filtered(p) {
            rules.extend(self.hairpin_filter(p));
        }
        if !self.hairpins(Hairpinning::None) {
            let mut turned = vec![self.enters_elsewhere(), self.stays_inside(), Step::Dnatted];
            // Answers to an inside source go to no external endpoint.
            turned.extend(self.hairpins(Hairpinning::InternalSource).then_some(Step::Direction(Dir::Original)));
            turned.push(Step::Goto(format!("in_{p}")));
            rules.push(Rule::new(turned, Property::Refresh.of(p, "hairpinned: inbound for the receiver")));
        }
        rules.push(self.nothing_untranslated());
        self.chain(format!("record_{p}"), rules);
    }

    /// Hairpinned packets pass the same filter as those from outside, on the source that they arrive with. A packet opens the
    /// sender's own filter first, even if the receiver's stays closed, as it does on its way to anybody else.
    fn hairpin_filter(&self, p: Proto) -> Vec<Rule> {
        let why = Property::Hairpinning.of(p, self.filter_words(p));
        match self.behavior().hairpinning {
            Hairpinning::None => vec![],
            Hairpinning::ExternalSource => {
                let mut steps = vec![self.enters_elsewhere(), Step::L4(p), Step::StateNew, Step::Dnatted];
                steps.extend(self.maps().then(|| known("owner", p, destination_of(Dir::Original))));
                steps.extend(self.not_forwarded(p, destination_of(Dir::Original)));
                steps.extend([self.not_permitted(p), Step::Drop]);
                vec![Rule::new(steps, why)]
            }
            Hairpinning::InternalSource => {
                let permit = update("inside_permit", p, self.filter(p).key(source(p), destination(p)), vec![]);
                let open =
                    [self.enters_elsewhere(), Step::L4(p), Step::Direction(Dir::Original), Step::Dnatted, permit];
                let closed = unknown("inside_permit", p, self.filter(p).key(destination(p), source(p)));
                let mut new = vec![self.enters_elsewhere(), Step::L4(p), Step::StateNew, Step::Dnatted];
                new.extend(self.not_forwarded(p, destination_of(Dir::Original)));
                new.extend([closed, Step::Drop]);
                vec![
                    Rule::new(open, Property::Hairpinning.of(p, "the inside source is permitted")),
                    Rule::new(new, why),
                ]
            }
        }
    }

    /// A tracked connection may outlive its external address (the table was replaced); it must not bring the mapping back.
    fn only_external(&self, p: Proto) -> Rule {
        let why = Property::Refresh.of(p, "an address that was given up is not revived");
        Rule::new([not_external(Field::Saddr), Step::Drop], why)
    }

    /// Puts an element of what a packet from inside uses into a set, or makes it young again where such packets do that.
    fn keep(&self, what: &str, p: Proto, key: impl Into<Key>, value: impl Into<Key>) -> Step {
        let op = if self.refreshed_from_inside(p) { DynOp::Update } else { DynOp::Add };
        let (key, value) = (key.into(), value.into());
        Step::Dynset { op, set: state::name(what, p), key, value, once_per_second: false }
    }

    /// An outbound packet in the direction of its session: its source is the external endpoint by now.
    fn outbound_refresh(&mut self, p: Proto) {
        let inside = source_of(Dir::Original);
        let mut rules = vec![self.only_external(p)];
        rules.extend(self.forwarded(p, source(p), "lives for ever"));
        if self.maps() {
            let (owned, key) = (known("owner", p, source(p)), self.mapping_key(p));
            let taken = [Step::L4(p), unknown("mapping", p, key.clone()), owned, Step::Drop];
            let owner = self.keep("owner", p, source(p), inside);
            let mapping = self.keep("mapping", p, key, source(p));
            let gone = "the mapping has ended and its port belongs to another";
            rules.push(Rule::new(taken, Property::Mapping.of(p, gone)));
            rules.push(Rule::new([Step::L4(p), owner], Property::Mapping.of(p, "the external endpoint has its owner")));
            rules.push(Rule::new([Step::L4(p), mapping], Property::Refresh.of(p, "the mapping, outbound")));
        }
        if self.remembers_remotes(p) {
            let to = self.mapping(p).key(source(p), destination_of(Dir::Original));
            let towards = self.keep("towards", p, to, vec![]);
            rules.push(Rule::new([Step::L4(p), towards], Property::Mapping.of(p, "whom the mapping is for")));
        }
        if self.filtered(p) {
            let permit = self.keep("permit", p, self.filter(p).key(source(p), destination_of(Dir::Original)), vec![]);
            rules.push(Rule::new([Step::L4(p), permit], Property::Filtering.of(p, "the remote is permitted")));
        }
        self.chain(format!("out_{p}"), rules);
    }

    /// An outbound packet against the direction of its session: an answer to a session from outside.
    fn answer_refresh(&mut self, p: Proto) {
        let inside = source_of(Dir::Reply);
        let mut rules = vec![self.only_external(p)];
        rules.extend(self.forwarded(p, source(p), "lives for ever"));
        if self.maps() {
            let owner = self.keep("owner", p, source(p), inside);
            rules.push(Rule::new([Step::L4(p), owner], Property::Mapping.of(p, "the external endpoint has its owner")));
            let remote = destination_of(Dir::Reply);
            let to = self.mapping(p).key(source(p), remote);
            let mapping = self.keep("mapping", p, self.mapping(p).key(inside, remote), source(p));
            let mut steps = vec![Step::L4(p)];
            if self.remembers_remotes(p) {
                steps.extend([known("towards", p, to.clone()), self.keep("towards", p, to, vec![])]);
            }
            steps.push(mapping);
            rules.push(Rule::new(steps, Property::Refresh.of(p, "the mapping, by an answer")));
        }
        if self.filtered(p) {
            let permit = self.keep("permit", p, self.filter(p).key(source(p), destination_of(Dir::Reply)), vec![]);
            rules.push(Rule::new([Step::L4(p), permit], Property::Filtering.of(p, "the remote is permitted")));
        }
        self.chain(format!("answer_{p}"), rules);
    }

    /// Inbound packets that got so far keep alive what they used (RFC 4787 REQ-6 allows it), whoever began the session: the
    /// external endpoint, and the mapping if they come from those it is for.
    fn inbound_refresh(&mut self, p: Proto) {
        let mut rules = vec![];
        for d in [Dir::Reply, Dir::Original] {
            let [address, _] = destination_of(d);
            let why = Property::Refresh.of(p, "an address that was given up is not revived");
            rules.push(Rule::new([Step::Direction(d), not_external(address), Step::Drop], why));
        }
        if self.refreshed_from_outside(p) {
            for (d, translated) in [(Dir::Reply, Step::Snatted), (Dir::Original, Step::Dnatted)] {
                rules.extend(self.inbound_refresh_of(p, d, &translated));
            }
        }
        self.chain(format!("in_{p}"), rules);
    }

    fn inbound_refresh_of(&self, p: Proto, d: Dir, translated: &Step) -> Vec<Rule> {
        let external_end = destination_of(d);
        let from = self.mapping(p).key(external_end, source(p));
        let permission = self.filter(p).key(external_end, source(p));
        let mut rules: Vec<Rule> = self.forwarded(p, external_end, "lives for ever").into_iter().collect();
        let mut refresh = |steps: Vec<Step>, text: &str| {
            let when = [Step::L4(p), Step::Direction(d), translated.clone()];
            rules.push(Rule::new(when.into_iter().chain(steps), Property::Refresh.of(p, text)));
        };
        if self.maps() {
            refresh(vec![update("owner", p, external_end, destination(p))], "the owner, inbound");
            let mapping = update("mapping", p, self.mapping(p).key(destination(p), source(p)), external_end);
            if self.remembers_remotes(p) {
                let steps = vec![known("towards", p, from.clone()), update("towards", p, from, vec![]), mapping];
                refresh(steps, "the mapping, inbound from those it is for");
            } else {
                refresh(vec![mapping], "the mapping, inbound");
            }
        }
        if self.filtered(p) {
            let refresh_permission = update("permit", p, permission.clone(), vec![]);
            // Answers are to a session that inside began; of others that must be known.
            let if_known = (d == Dir::Original).then(|| known("permit", p, permission));
            let steps = if_known.into_iter().chain([refresh_permission]);
            refresh(steps.collect(), "the permission, inbound");
        }
        rules
    }
}
