//! Deterministic randomness for jitter and socket choice.

/// A small seeded generator (SplitMix64). Not for secrets: it spreads retries, nothing more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose whole sequence follows from `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`; 0 if `bound` is 0. The bias is below 2⁻³².
    pub fn below(&mut self, bound: u32) -> u32 {
        let high = (self.next_u64() >> 32) * u64::from(bound);
        u32::try_from(high >> 32).unwrap_or(0)
    }
}
