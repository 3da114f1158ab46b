//! Numbers that look like chance and are the same for the same seed (xorshift64*).

/// Where the numbers come from.
pub(crate) struct Chance(u64);

impl Chance {
    /// Numbers of this seed.
    pub(crate) const fn of(seed: u64) -> Self {
        // Seeds that lie close together begin far apart, and none is zero.
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number from 0 up to `end`, without `end`.
    pub(crate) const fn below(&mut self, end: u8) -> u8 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        (number % end as u64).to_le_bytes()[0]
    }

    /// True once in `count` times.
    pub(crate) const fn one_in(&mut self, count: u8) -> bool {
        self.below(count) == 0
    }
}
