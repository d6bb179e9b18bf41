//! Which external ports are tried, and in which order: reproducible from a seed.

use std::ops::RangeInclusive;

/// Candidate ports lie below the ephemeral range of Linux (32768 to 60999), so that one that no inside endpoint asked for can
/// be told from one that was preserved, and above most ports that servers use.
pub const PORT_RANGE: RangeInclusive<u16> = 20_000..=32_767;

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
    use std::collections::BTreeSet;

    use super::*;

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
}
