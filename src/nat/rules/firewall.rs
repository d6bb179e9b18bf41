//! A stateful firewall in front of public addresses: nothing is translated, and what comes in must have been asked for.
//!
//! UDP is decided by a set alone, so that lifetimes below a second work; TCP and the rest by connection tracking.

use super::{FILTER, Property, Rules, destination, filter, source, state, unknown};
use crate::nft::model::{DynOp, Hook, Key, Proto, Rule, Step};

impl Rules<'_> {
    /// The chains `firewall` and `firewall_…`.
    pub(super) fn firewall(&mut self) {
        let mut rules: Vec<Rule> = self.crossing_syns().into_iter().collect();
        for &p in self.protocols().iter().filter(|p| self.filtered(**p)) {
            let steps =
                [self.leaves_by_wan(), Step::L4(p), self.sent(p, self.filter(p).key(source(p), destination(p)))];
            rules.push(Rule::new(steps, Property::Filtering.of(p, "what leaves permits the remote")));
        }
        for &p in self.protocols() {
            let what = if self.filtered(p) { Step::Goto(format!("firewall_{p}")) } else { Step::Return };
            let steps = [self.enters_by_wan(), Step::L4(p), what];
            rules.push(Rule::new(steps, Property::Filtering.of(p, "what comes in")));
        }
        let (new, invalid) =
            ("of other protocols nothing but answers and errors", "nothing that belongs to no session");
        for (state, text) in [(Step::StateNew, new), (Step::StateInvalid, invalid)] {
            rules.push(Rule::new([self.enters_by_wan(), state, Step::Drop], Property::Filtering.all(text)));
        }
        self.base_chain("firewall", filter(Hook::Forward, FILTER), rules);
        for &p in self.protocols() {
            self.firewall_protocol(p);
        }
    }

    fn firewall_protocol(&mut self, p: Proto) {
        if !self.filtered(p) {
            return;
        }
        let remote = || self.filter(p).key(destination(p), source(p));
        let unwanted = || [Step::L4(p), unknown("permit", p, remote())].into_iter();
        let why = Property::Filtering.of(p, self.filter_words(p));
        let mut rules = vec![];
        if p == Proto::Tcp {
            let no_session = Property::Filtering.of(p, "nothing that belongs to no session");
            rules.push(Rule::new([Step::StateInvalid, Step::Drop], no_session));
        }
        if let Some(answer) = self.answer(p) {
            let begins = (p == Proto::Tcp).then_some(Step::Syn);
            let steps = unwanted().chain(begins).chain([Step::StateNew, Step::Reject(answer)]);
            rules.push(Rule::new(steps, Property::Filtering.of(p, "unsolicited; answered")));
        }
        match p {
            Proto::Udp => rules.push(Rule::new(unwanted().chain([Step::Drop]), why)),
            Proto::Tcp => {
                rules.push(Rule::new([Step::StateNew].into_iter().chain(unwanted()).chain([Step::Drop]), why))
            }
        }
        if p == Proto::Udp && self.refreshed_from_outside(p) {
            let why = Property::Refresh.of(p, "the permission, inbound");
            rules.push(Rule::new([Step::L4(p), permit(p, remote(), DynOp::Update)], why));
        }
        self.chain(format!("firewall_{p}"), rules);
    }

    /// What leaves permits its remote, and keeps that alive where packets from inside do.
    fn sent(&self, p: Proto, key: Key) -> Step {
        permit(p, key, if self.refreshed_from_inside(p) { DynOp::Update } else { DynOp::Add })
    }
}

fn permit(p: Proto, key: Key, op: DynOp) -> Step {
    Step::Dynset { op, set: state::name("permit", p), key, value: vec![], once_per_second: false }
}
