//! Numbers that follow from a seed, so that a trial can be run again.

use std::time::{SystemTime, UNIX_EPOCH};

/// A row of numbers (SplitMix64).
pub struct Random(u64);

impl Random {
    /// The row of this name among those of a seed.
    pub fn new(seed: u64, name: u64) -> Self {
        let mut random = Self(seed ^ name.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// One of 0 to `end`, which is left out.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end.max(1) as u64) as usize
    }

    /// Some of these, in their order; each with the chance of one in `of`.
    pub fn some<T: Clone>(&mut self, all: &[T], of: usize) -> Vec<T> {
        all.iter().filter(|_| self.below(of) == 0).cloned().collect()
    }
}

/// A seed that nobody has asked for.
pub fn fresh() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(1, |now| u64::from(now.subsec_nanos()))
}

/// The number in a variable of the environment, if it is set.
pub fn number_from(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}
