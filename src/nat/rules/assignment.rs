//! A new mapping gets an external port that nobody has.

use super::{BLOCKS, Lists, Property, Rules, lists, source, state, unknown};
use crate::nat::PortAssignment;
use crate::nft::model::{Chain, Dir, DynOp, Field, Proto, Rule, Step};

/// Chains of this many tries are entered again and again, since nft has no loops.
const TRIES: usize = 8;

fn add(set: impl Into<String>, key: Vec<Field>, value: Vec<Field>, once_per_second: bool) -> Step {
    Step::Dynset { op: DynOp::Add, set: set.into(), key, value, once_per_second }
}

/// The inside address as connection tracking has it.
const HOST: Field = Field::CtSaddr(Dir::Original);

impl Rules<'_> {
    /// The end of `translate` for one protocol: a port is chosen, or the packet ends.
    pub(super) fn assign(&mut self, p: Proto) -> Vec<Rule> {
        let b = self.behavior();
        if b.ports == PortAssignment::Overloading {
            let why = "the inside port, shared with other inside endpoints";
            return vec![Rule::new([Step::L4(p), Step::SnatToOwn { port: None }], Property::PortAssignment.of(p, why))];
        }
        let mut rules = vec![];
        if b.ports == PortAssignment::Preserving {
            rules.push(self.take(p, "the inside port when it is free, never shared"));
        }
        let list = |name: &str| format!("try_{name}{p}");
        let why = Property::PortAssignment.of(p, "another port, in the order of the list");
        let mut nothing = "no free port";
        match lists(self.behavior(), self.gateway.seed) {
            Lists::All(ports) => {
                rules.push(Rule::new([Step::L4(p), Step::Jump(list(""))], why));
                let next = self.next(p, vec![Step::MarkCounter { modulus: ports.len().max(1) as u32 }], "ports");
                self.tries(p, "", ports.len(), next);
            }
            Lists::Parity { even, odd } => {
                for (name, ports, is) in [("even_", even, false), ("odd_", odd, true)] {
                    let why = Property::PortAssignment.of(p, "another port of the same parity");
                    rules.push(Rule::new([Step::L4(p), Step::OddSport { proto: p, is }, Step::Jump(list(name))], why));
                    let counter = Step::MarkCounter { modulus: ports.len().max(1) as u32 };
                    let next = self.next(p, vec![counter], &format!("ports_{}", name.trim_end_matches('_')));
                    self.tries(p, name, ports.len(), next);
                }
            }
            Lists::Blocks(blocks) => {
                nothing = "no free port: the block of this host is full";
                rules.extend(self.block_of_host(p));
                rules.push(Rule::new([Step::L4(p), Step::Jump(list(""))], why));
                let size = blocks.first().map_or(0, Vec::len);
                let next = self.next_of_block(p, blocks.len() as u32, size.max(1) as u32);
                self.tries(p, "", size, next);
            }
        }
        rules.push(Rule::new([Step::L4(p), Step::Drop], Property::PortAssignment.of(p, nothing)));
        rules
    }

    /// Takes the external endpoint in the header for the mapping key, if it is free, and goes on otherwise. Safe on several
    /// processors at once: `claim` lets one packet through, `add` keeps the first mapping of a key, and the translation reads
    /// back what won.
    fn take(&self, p: Proto, words: &str) -> Rule {
        let mut steps = vec![Step::L4(p), unknown("owner", p, source(p))];
        steps.extend(self.not_forwarded(p, source(p)));
        steps.extend([
            add(state::name("claim", p), source(p).into(), vec![], true),
            add(state::name("mapping", p), self.mapping_key(p), source(p).into(), false),
            Step::SnatByMap { key: self.mapping_key(p), map: state::name("mapping", p) },
        ]);
        Rule::new(steps, Property::PortAssignment.of(p, words))
    }

    /// Every candidate port is tried once, in nested chains.
    fn tries(&mut self, p: Proto, name: &str, ports: usize, next: Vec<Rule>) {
        let why = |text: &str| Property::PortAssignment.of(p, text);
        let (eight, all, one) = (format!("try_eight_{name}{p}"), format!("try_{name}{p}"), format!("next_{name}{p}"));
        let advance = Rule::new([Step::Jump(one.clone())], why("the next candidate"));
        let take = self.take(p, "take it when it is free, never shared");
        let rules = (0..TRIES).flat_map(|_| [advance.clone(), take.clone()]).collect();
        let jump = Rule::new([Step::Jump(eight.clone())], why("the next eight candidates"));
        self.chain(eight, rules);
        self.chain(all, vec![jump; ports.div_ceil(TRIES)]);
        self.chain(one, next);
    }

    /// Writes the next port of a list into the header.
    fn next(&self, p: Proto, count: Vec<Step>, map: &str) -> Vec<Rule> {
        let why = Property::PortAssignment.of(p, "walk the list, round and round");
        let mut rules = vec![Rule::new(count, why)];
        rules.extend(tentative(p, &[Field::Mark], map));
        rules
    }

    /// The same within the block of the host; each block is walked on its own.
    fn next_of_block(&self, p: Proto, blocks: u32, size: u32) -> Vec<Rule> {
        let why = || Property::PortAssignment.of(p, "walk the block, round and round");
        let walk = |block| Rule::new([Step::CtMarkIs(block), Step::MarkCounter { modulus: size }], why());
        let mut rules: Vec<Rule> = (0..blocks).map(walk).collect();
        rules.extend(tentative(p, &[Field::CtMark, Field::Mark], "ports"));
        rules
    }

    /// Finds the block of the host, or gives it the next one: in the order in which hosts first need a port, and for good.
    fn block_of_host(&mut self, p: Proto) -> Vec<Rule> {
        let known = |is| Step::In { key: vec![HOST], set: "block".to_owned(), is };
        let why = |text: &str| Property::PortBlock.of(p, text);
        if !self.chains.iter().any(|c| c.name == "block") {
            self.blocks();
        }
        let find = Step::SetCtMarkByMap { key: vec![HOST], map: "block".to_owned() };
        vec![
            Rule::new([Step::L4(p), known(false), Step::Jump("block".to_owned())], why("a new host gets a block")),
            Rule::new([Step::L4(p), known(false), Step::Drop], why("no free block for another host")),
            Rule::new([Step::L4(p), find], why("the block of this host")),
        ]
    }

    /// As a port is taken, so is a block: `block_claim` lets one packet through, and what is taken stays so.
    fn blocks(&mut self) {
        let count = match lists(self.behavior(), self.gateway.seed) {
            Lists::Blocks(blocks) => blocks.len(),
            _ => BLOCKS,
        };
        let why = |text: &str| Property::PortBlock.all(text);
        let homeless = Step::In { key: vec![HOST], set: "block".to_owned(), is: false };
        let free = Step::In { key: vec![Field::Mark], set: "block_taken".to_owned(), is: false };
        let take = [
            homeless.clone(),
            free,
            add("block_claim", vec![Field::Mark], vec![], true),
            add("block_taken", vec![Field::Mark], vec![], false),
            add("block", vec![HOST], vec![Field::Mark], false),
        ];
        let next = [homeless.clone(), Step::Jump("block_next".to_owned())];
        let pair = [Rule::new(next, why("the next block")), Rule::new(take, why("take it when it is free"))];
        let eight = [homeless, Step::Jump("block_eight".to_owned())];
        let eight = Rule::new(eight, why("the next eight blocks"));
        let rules = std::iter::repeat_n(pair, TRIES).flatten().collect();
        let counter = Rule::new([Step::MarkCounter { modulus: count.max(1) as u32 }], why("walk the blocks"));
        let of = |name: &str, rules| Chain { name: name.to_owned(), base: None, rules };
        self.chains.push(of("block", vec![eight; count.div_ceil(TRIES)]));
        self.chains.push(of("block_eight", rules));
        self.chains.push(of("block_next", vec![counter]));
    }
}

/// Puts the port that a map has for the key into the header; the write mends the checksum, and of UDP "none" would become a wrong
/// one.
fn tentative(p: Proto, key: &[Field], map: &str) -> Vec<Rule> {
    let set = Step::SetSportByMap { proto: p, key: key.into(), map: map.to_owned() };
    let why = |text| Property::PortAssignment.of(p, text);
    match p {
        Proto::Udp => vec![
            Rule::new([Step::L4(p), Step::UdpChecksumZero(false), set.clone()], why("tentative port")),
            Rule::new(
                [Step::L4(p), Step::UdpChecksumZero(true), set, Step::ClearUdpChecksum],
                why("tentative port, still no checksum"),
            ),
        ],
        Proto::Tcp => vec![Rule::new([Step::L4(p), set], why("tentative port"))],
    }
}
