//! Which external ports are tried, and in which order: reproducible from a seed.

use std::ops::RangeInclusive;

use super::PORTS;
use crate::nat::{Behavior, PortAssignment, PortRange};

/// Where candidate ports lie unless a scenario says otherwise: below the ephemeral range of Linux (32768 to 60999), so that one
/// that no inside endpoint asked for can be told from one that was preserved, and above most ports that servers use.
pub const PORT_RANGE: RangeInclusive<u16> = PortRange::DEFAULT.first..=PortRange::DEFAULT.last;

/// How many inside hosts can have a block of ports, at most.
pub const BLOCKS: usize = 32;
/// How many ports all blocks of a gateway have together, at most: with twice as many a table no longer fits into one netlink
/// message, whose buffer an ordinary user cannot enlarge.
const PORTS_OF_BLOCKS: usize = 2048;

/// The ports that a gateway tries for a new mapping, in order, in one list for each class of packets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lists {
    /// One for all.
    All(Vec<u16>),
    /// By the parity of the inside port.
    Parity {
        /// For even ones.
        even: Vec<u16>,
        /// For odd ones.
        odd: Vec<u16>,
    },
    /// By inside host: the first host that needs a port gets the first block. All have the same length.
    Blocks(Vec<Vec<u16>>),
}

/// The lists of a behaviour: [`PORTS`] ports of its range at most, all of them when it has fewer.
pub fn lists(b: &Behavior, seed: u64) -> Lists {
    let range = b.port_range.first..=b.port_range.last;
    if let Some(size) = b.port_block.map(usize::from) {
        let ports: Vec<u16> = range.collect();
        let most = (PORTS_OF_BLOCKS / size.max(1)).min(BLOCKS);
        let blocks = ports.chunks_exact(size.max(1)).take(most).zip(seed..);
        return Lists::Blocks(blocks.filter_map(|(block, seed)| Some(ordered(b, span(block)?, size, seed))).collect());
    }
    match b.ports {
        PortAssignment::Parity => {
            let all = candidates_of(range, b.port_range.len(), seed);
            let (even, odd): (Vec<u16>, Vec<u16>) = all.into_iter().partition(|p| p.is_multiple_of(2));
            let half = |ports: Vec<u16>| ports.into_iter().take(PORTS / 2).collect();
            Lists::Parity { even: half(even), odd: half(odd) }
        }
        _ => Lists::All(ordered(b, b.port_range, PORTS, seed)),
    }
}

fn span(ports: &[u16]) -> Option<PortRange> {
    Some(PortRange { first: *ports.first()?, last: *ports.last()? })
}

fn ordered(b: &Behavior, range: PortRange, n: usize, seed: u64) -> Vec<u16> {
    match b.ports {
        PortAssignment::Sequential => sequence(range, b.port_step, n),
        _ => candidates_of(range.first..=range.last, n, seed),
    }
}

/// `n` different ports of [`PORT_RANGE`] in a random order, always the same for the same seed.
pub fn candidates(n: usize, seed: u64) -> Vec<u16> {
    candidates_of(PORT_RANGE, n, seed)
}

/// `n` different ports of a range in a random order, always the same for the same seed.
pub fn candidates_of(range: RangeInclusive<u16>, n: usize, seed: u64) -> Vec<u16> {
    let mut ports: Vec<u16> = range.collect();
    let mut random = SplitMix64(seed);
    let n = n.min(ports.len());
    for i in 0..n {
        let j = i + random.below(ports.len() - i);
        ports.swap(i, j);
    }
    ports.truncate(n);
    ports
}

/// `n` ports of a range, `step` apart, from its lower end or downwards from its upper end. With a step of two, those in between
/// follow when the end is reached, so that every port of a small range is used.
pub fn sequence(range: PortRange, step: i8, n: usize) -> Vec<u16> {
    let by = usize::from(step.unsigned_abs().max(1));
    let ports: Vec<u16> = match step {
        ..0 => (range.first..=range.last).rev().collect(),
        _ => (range.first..=range.last).collect(),
    };
    (0..by).flat_map(|start| ports.iter().copied().skip(start).step_by(by)).take(n).collect()
}

/// Steele, Lea and Flood's generator (OOPSLA 2014): every seed is a good one, 0 too, and near seeds give unlike sequences.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`; the bias of at most `n` in 2^64 does not matter here.
    fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
    use std::collections::BTreeSet;

    use super::*;
    use crate::nat::{Filtering, Mapping};

    #[test]
    fn the_generator_is_the_published_one() {
        let mut g = SplitMix64(1_234_567);
        assert_eq!([g.next(), g.next()], [6_457_827_717_110_365_317, 3_203_168_211_198_807_973]);
    }

    #[test]
    fn ports_differ_from_each_other_and_between_seeds() {
        for n in [0, 1, 64, 12_768] {
            let ports = candidates(n, 7);
            assert_eq!(ports.len(), n);
            assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), n);
            assert!(ports.iter().all(|p| PORT_RANGE.contains(p)));
        }
        assert_eq!(candidates(64, 7), candidates(64, 7));
        let first: BTreeSet<u16> = (0..1000).filter_map(|seed| candidates(1, seed).first().copied()).collect();
        assert!(first.len() > 900, "{} different first ports of 1000 seeds", first.len());
    }

    #[test]
    fn more_ports_than_there_are_means_all() {
        assert_eq!(candidates(100_000, 1).len(), 12_768);
    }

    #[test]
    fn a_sequence_uses_every_port_of_its_range() {
        let range = PortRange { first: 10, last: 14 };
        assert_eq!(sequence(range, 1, 9), [10, 11, 12, 13, 14]);
        assert_eq!(sequence(range, 2, 9), [10, 12, 14, 11, 13]);
        assert_eq!(sequence(range, -1, 3), [14, 13, 12]);
        assert_eq!(sequence(range, -2, 9), [14, 12, 10, 13, 11]);
        assert_eq!(sequence(PortRange { first: 65_534, last: 65_535 }, 2, 9), [65_534, 65_535]);
    }

    fn behavior(ports: PortAssignment, first: u16, last: u16) -> Behavior {
        let eim = Behavior::napt(Mapping::EndpointIndependent, Filtering::EndpointIndependent);
        Behavior { ports, port_range: PortRange { first, last }, ..eim }
    }

    #[test]
    fn small_ranges_are_used_whole_and_large_ones_in_part() {
        let Lists::All(small) = lists(&behavior(PortAssignment::Random, 40_000, 40_006), 3) else {
            panic!("one list");
        };
        assert_eq!(small.iter().collect::<BTreeSet<_>>().len(), 7);
        let Lists::All(large) = lists(&behavior(PortAssignment::Random, 1, 65_535), 3) else { panic!("one list") };
        assert_eq!(large.len(), PORTS);
        let Lists::Parity { even, odd } = lists(&behavior(PortAssignment::Parity, 40_000, 40_006), 3) else {
            panic!("two lists");
        };
        assert_eq!((even.len(), odd.len()), (4, 3));
        assert!(even.iter().all(|p| p.is_multiple_of(2)) && odd.iter().all(|p| !p.is_multiple_of(2)));
    }

    #[test]
    fn blocks_do_not_overlap() {
        let b = Behavior { port_block: Some(4), ..behavior(PortAssignment::Random, 40_000, 40_010) };
        let Lists::Blocks(blocks) = lists(&b, 1) else { panic!("blocks") };
        assert_eq!(blocks.len(), 2, "a third would not be whole");
        assert!(blocks[0].iter().all(|p| (40_000..40_004).contains(p)));
        assert!(blocks[1].iter().all(|p| (40_004..40_008).contains(p)));
        let Lists::Blocks(many) = lists(&Behavior { port_range: PortRange::DEFAULT, port_block: Some(64), ..b }, 1)
        else {
            panic!("blocks");
        };
        assert_eq!(many.len(), BLOCKS);
        let Lists::Blocks(large) = lists(&Behavior { port_range: PortRange::DEFAULT, port_block: Some(512), ..b }, 1)
        else {
            panic!("blocks");
        };
        assert_eq!(large.len(), 4);
    }
}
