//! A stateful firewall in front of public addresses: nothing is translated, and what comes in must have been asked for.
//!
//! UDP is decided by a set alone, so that lifetimes below a second work; TCP and the rest by connection tracking.

use super::{FILTER, Property, Rules, destination, filter, source, state, unknown};
use crate::nft::model::{DynOp, Hook, Key, Proto, Rule, Step};

impl Rules<'_> {
    /// The chains `firewall` and `firewall_…`.
    pub(super) fn firewall(&mut self) {
        let mut rules = vec![];
        for &p in self.protocols() {
            let steps = [self.leaves_by_wan(), Step::L4(p), permit(p, self.filter.key(source(p), destination(p)))];
            rules.push(Rule::new(steps, Property::Filtering.of(p, "what leaves permits the remote")));
        }
        for &p in self.protocols() {
            let steps = [self.enters_by_wan(), Step::L4(p), Step::Goto(format!("firewall_{p}"))];
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
        let remote = || self.filter.key(destination(p), source(p));
        let closed = [unknown("permit", p, remote()), Step::Drop];
        let refresh = Rule::new([Step::L4(p), permit(p, remote())], Property::Refresh.of(p, "the permission, inbound"));
        let why = Property::Filtering.of(p, self.filter_words());
        let rules = match p {
            Proto::Udp => vec![Rule::new([Step::L4(p)].into_iter().chain(closed), why), refresh],
            Proto::Tcp => vec![
                Rule::new(
                    [Step::StateInvalid, Step::Drop],
                    Property::Filtering.of(p, "nothing that belongs to no session"),
                ),
                Rule::new([Step::StateNew, Step::L4(p)].into_iter().chain(closed), why),
            ],
        };
        self.chain(format!("firewall_{p}"), rules);
    }
}

fn permit(p: Proto, key: Key) -> Step {
    Step::Dynset { op: DynOp::Update, set: state::name("permit", p), key, value: vec![], once_per_second: false }
}
