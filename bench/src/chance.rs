//! Numbers that are as good as random, and the same in every run.

/// A sequence of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Chance(u32);

impl Chance {
    /// The sequence from `seed` on.
    pub(crate) fn new(seed: u32) -> Self {
        Self(seed)
    }

    /// The next, of 24 bits.
    #[inline]
    pub(crate) fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.0 >> 8
    }
}
