//! ICMP errors about packets of live mappings (RFC 5508 §4).
//!
//! Connection tracking translates them, keeps nothing alive by them and ends nothing. Of UDP that it is made to forget it knows
//! nothing, so the maps are asked: an error that goes in is about a packet from an external endpoint that has an owner, one that
//! goes out is about a packet to an inside endpoint that has a mapping towards its sender.

use super::{BEFORE_TRACKING, FILTER, Property, Rules, SOURCE_NAT, filter, known, state};
use crate::nat::IcmpErrors;
use crate::nft::model::{ErrorWay, Field, Hook, Key, Proto, Rule, Step};

/// Destination unreachable, time exceeded, parameter problem: the errors of RFC 792 that are about a packet and still in use.
const TYPES: [u8; 3] = [3, 11, 12];

const SENDER: [Field; 2] = [Field::ErrorSaddr, Field::ErrorSport];
const RECEIVER: [Field; 2] = [Field::ErrorDaddr, Field::ErrorDport];

impl Rules<'_> {
    /// The chain `errors`, or `errors_in`, `errors_out` and theirs.
    pub(super) fn errors(&mut self) {
        match self.behavior().icmp_errors {
            IcmpErrors::Dropped => {
                let why = || Property::IcmpErrors.all("dropped");
                let rules = TYPES.map(|t| Rule::new([Step::IcmpType(t), Step::Drop], why())).into();
                self.base_chain("errors", filter(Hook::Forward, FILTER), rules);
            }
            IcmpErrors::Translated if self.untracked(Proto::Udp) && self.protocols().contains(&Proto::Udp) => {
                self.errors_of_untracked();
            }
            IcmpErrors::Translated => {}
        }
    }

    /// Those from outside before tracking, which would call them invalid; those from inside behind routing, which would not
    /// take a packet that comes in with an address of this node as its source.
    fn errors_of_untracked(&mut self) {
        let lead = |from: Step, chain: &str, text: &str| -> Vec<Rule> {
            let jump = |t| [from.clone(), Step::IcmpType(t), Step::Jump(format!("{chain}_udp"))];
            TYPES.map(|t| Rule::new(jump(t), Property::IcmpErrors.all(text))).into()
        };
        let translates = self.behavior().translation.translates();
        let inwards = if translates { self.translated(ErrorWay::Inwards) } else { vec![self.permitted()] };
        let from_outside = lead(self.enters_by_wan(), "errors_in", "from outside");
        self.base_chain("errors_in", filter(Hook::Prerouting, BEFORE_TRACKING), from_outside);
        self.chain("errors_in_udp", inwards);
        if translates {
            let from_inside = lead(self.leaves_by_wan(), "errors_out", "from inside");
            self.base_chain("errors_out", filter(Hook::Postrouting, SOURCE_NAT), from_inside);
            self.chain("errors_out_udp", self.translated(ErrorWay::Outwards));
        }
    }

    /// One rule for each place where a mapping may stand.
    fn translated(&self, way: ErrorWay) -> Vec<Rule> {
        let p = Proto::Udp;
        let (text, forward, pair) = match way {
            ErrorWay::Inwards => ("to the owner of the endpoint that it is about", ("forward_in", SENDER), "pair_in"),
            ErrorWay::Outwards => {
                ("from the external endpoint that it is about", ("forward_out", RECEIVER), "pair_out")
            }
        };
        let rule = |key: Key, map: String, port: bool| {
            let steps = [Step::ErrorAbout(p), Step::TranslateError { key, map, way, port }];
            let untracked = (way == ErrorWay::Inwards).then_some(Step::Untracked);
            Rule::new(steps.into_iter().chain(untracked), Property::IcmpErrors.of(p, text))
        };
        let mut rules = vec![];
        if self.forwards(p) {
            rules.push(rule(forward.1.into(), state::name(forward.0, p), true));
        }
        if self.one_to_one() {
            rules.push(rule(vec![forward.1[0]], pair.to_owned(), false));
        }
        if self.maps() {
            let (key, map) = match way {
                ErrorWay::Inwards => (SENDER.into(), "owner"),
                ErrorWay::Outwards => (self.mapping(p).key(RECEIVER, SENDER), "mapping"),
            };
            rules.push(rule(key, state::name(map, p), true));
        }
        // One rule that matched has translated the packet; its key is no longer in the map of the next.
        rules
    }

    /// Of a firewall: about a packet to a remote that was sent to.
    fn permitted(&self) -> Rule {
        let p = Proto::Udp;
        let sent = self.filtered(p).then(|| known("permit", p, self.filter(p).key(SENDER, RECEIVER)));
        let steps = [Step::ErrorAbout(p)].into_iter().chain(sent).chain([Step::Untracked]);
        Rule::new(steps, Property::IcmpErrors.of(p, "about a packet to a remote that is permitted"))
    }
}
