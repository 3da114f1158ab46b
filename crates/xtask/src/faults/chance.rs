//! Numbers that follow from a seed.

use std::collections::BTreeSet;

/// A sequence of numbers that are the same for the same seed and name: SplitMix64 (Steele, Lea and Flood, 2014).
pub(super) struct Chance(u64);

impl Chance {
    /// The sequence of a seed and a name.
    pub(super) fn new(seed: u64, name: &str) -> Self {
        // FNV-1a, by which names differ from one another.
        let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(seed ^ name.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
    }

    /// The next number, of those below a bound; 0 where there is none.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = (mixed ^ (mixed >> 31)) >> 1;
        usize::try_from(mixed).unwrap_or_default().checked_rem(bound).unwrap_or_default()
    }

    /// Different numbers from 1 to `last`, in order: as many as are wanted, or all.
    pub(super) fn choose(&mut self, wanted: usize, last: usize) -> Vec<usize> {
        let mut chosen = BTreeSet::new();
        while chosen.len() < wanted.min(last) {
            chosen.insert(1 + self.below(last));
        }
        chosen.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_follow_from_the_seed_and_the_name() {
        let numbers = |seed, name| Chance::new(seed, name).choose(5, 1000);
        assert_eq!(numbers(1, "grant"), numbers(1, "grant"));
        assert_ne!(numbers(1, "grant"), numbers(2, "grant"));
        assert_ne!(numbers(1, "grant"), numbers(1, "revoke"));
    }

    #[test]
    fn no_more_are_chosen_than_there_are() {
        let mut chance = Chance::new(0, "");
        assert_eq!(chance.choose(10, 3), [1, 2, 3]);
        assert!(chance.choose(1, 0).is_empty());
        assert_eq!(chance.below(0), 0);
    }
}
