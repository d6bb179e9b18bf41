//! ICMP errors about packets of live mappings (RFC 5508 §4).
//!
//! Connection tracking translates them, keeps nothing alive by them and ends nothing. Of UDP that it is made to forget it knows
//! nothing, so the maps are asked: an error that goes in is about a packet from an external endpoint that has an owner, one that
//! goes out is about a packet to an inside endpoint that has a mapping towards its sender.

use super::{BEFORE_TRACKING, FILTER, Property, Rules, filter, known, state};
use crate::nat::IcmpErrors;
use crate::nft::model::{ErrorWay, Field, Hook, Key, Proto, Rule, Step};

/// Destination unreachable, time exceeded, parameter problem: the errors of RFC 792 that are about a packet and still in use.
const TYPES: [u8; 3] = [3, 11, 12];

const SENDER: [Field; 2] = [Field::ErrorSaddr, Field::ErrorSport];
const RECEIVER: [Field; 2] = [Field::ErrorDaddr, Field::ErrorDport];

impl Rules<'_> {
    /// The chains `errors` and `errors_…`.
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

    fn errors_of_untracked(&mut self) {
        let (inwards, outwards) = if self.behavior().translation.translates() {
            (self.translated(ErrorWay::Inwards), self.translated(ErrorWay::Outwards))
        } else {
            (vec![self.permitted()], vec![])
        };
        let mut rules = vec![];
        for t in TYPES {
            let mut lead = |from: Step, to: &str, text: &str| {
                rules.push(Rule::new(
                    [from, Step::IcmpType(t), Step::Jump(to.to_owned())],
                    Property::IcmpErrors.all(text),
                ));
            };
            lead(self.enters_by_wan(), "errors_in", "from outside");
            if !outwards.is_empty() {
                lead(self.enters_elsewhere(), "errors_out", "from inside");
            }
        }
        self.base_chain("errors", filter(Hook::Prerouting, BEFORE_TRACKING), rules);
        self.chain("errors_in", inwards);
        if !outwards.is_empty() {
            self.chain("errors_out", outwards);
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
            let steps = [Step::ErrorAbout(p), Step::TranslateError { key, map, way, port }, Step::Untracked];
            Rule::new(steps, Property::IcmpErrors.of(p, text))
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
