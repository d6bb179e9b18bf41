//! Seeds derived from seeds: equal inputs give equal seeds, on every machine and in every version.

/// Seeds are below this, so that every JSON reader keeps them exactly.
const LIMIT_BITS: u32 = 53;

/// A seed for `label`, derived from `seed`: FNV-1a over both, finished with the mixer of SplitMix64 so that labels
/// which differ in one character share no visible pattern.
pub fn derive(seed: u64, label: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in seed.to_le_bytes().iter().chain(label.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (hash ^ (hash >> 31)) >> (u64::BITS - LIMIT_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn seeds_differ_by_label_and_by_parent_and_stay_exact_in_json() {
        let mut seen = BTreeSet::new();
        for seed in 0..50 {
            for label in ["home-a", "home-b", "repeat 1", "repeat 2", ""] {
                let derived = derive(seed, label);
                assert!(derived < 1 << LIMIT_BITS);
                assert!(seen.insert(derived), "{seed} {label}");
            }
        }
    }

    #[test]
    fn a_seed_is_the_same_in_every_version() {
        // Another value here changes the ports of every recorded run.
        assert_eq!(derive(0, ""), 4_547_443_434_997_455);
    }
}
