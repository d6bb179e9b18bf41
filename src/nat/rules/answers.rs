//! What unwanted packets get when it is not silence.
//!
//! Before connection tracking: the answer then comes from the external endpoint that the packet was sent to, and nothing
//! remembers either. The maps that decide are those that the filter asks later. Hairpinned packets are never answered, since
//! their source is translated only behind the point where they could be.

use super::{BEFORE_TRACKING, Property, Rules, destination, external, filter, source, unknown};
use crate::nat::{Unsolicited, UnsolicitedSyn};
use crate::nft::model::{Answer, Field, Hook, Proto, Rule, Step};

impl Rules<'_> {
    /// What the sender of an unwanted packet is told, if anything.
    pub(super) fn answer(&self, p: Proto) -> Option<Answer> {
        match (p, self.behavior().unsolicited, self.behavior().tcp().unsolicited) {
            (Proto::Udp, Unsolicited::Icmp, _) | (Proto::Tcp, _, UnsolicitedSyn::Icmp) => Some(Answer::PortUnreachable),
            (Proto::Tcp, _, UnsolicitedSyn::Reset) => Some(Answer::Reset),
            (Proto::Udp, Unsolicited::Dropped, _) | (Proto::Tcp, _, UnsolicitedSyn::Dropped) => None,
        }
    }

    /// The chain `answers`, where unwanted packets are answered.
    pub(super) fn answers(&mut self) {
        if self.overloads() {
            return; // `input` answers: only connection tracking knows who is wanted
        }
        let mut rules = vec![];
        for &p in self.protocols() {
            let Some(answer) = self.answer(p) else { continue };
            let mut rule = |unknown: Step, text: &str| {
                let mut steps = vec![self.enters_by_wan(), external(Field::Daddr), Step::L4(p)];
                steps.extend((p == Proto::Tcp).then_some(Step::Syn));
                steps.extend(self.not_forwarded(p, destination(p)));
                steps.extend([unknown, Step::Reject(answer)]);
                rules.push(Rule::new(steps, Property::Filtering.of(p, text)));
            };
            let nobodys = match (self.maps(), self.one_to_one()) {
                (true, _) => Some(unknown("owner", p, destination(p))),
                (false, true) => Some(Step::In { key: vec![Field::Daddr], set: "pair_in".to_owned(), is: false }),
                (false, false) => None,
            };
            if let Some(nobodys) = nobodys {
                rule(nobodys, "unsolicited, to an endpoint that nobody owns; answered");
            }
            if self.filtered(p) {
                rule(unknown("permit", p, self.filter(p).key(destination(p), source(p))), "unsolicited; answered");
            }
        }
        if !rules.is_empty() {
            self.base_chain("answers", filter(Hook::Prerouting, BEFORE_TRACKING), rules);
        }
    }
}
