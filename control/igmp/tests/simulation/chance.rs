//! All chance of a run comes from its seed.

use core::time::Duration;

/// A small generator; the same seed gives the same run on every machine.
#[derive(Debug, Clone)]
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        // Neighbouring seeds must not give neighbouring runs.
        let mut chance = Self(seed.wrapping_mul(0xd134_2543_de82_ef95) ^ 0x5851_f42d_4c95_7f2d);
        chance.next();
        chance
    }

    pub(crate) fn next(&mut self) -> u64 {
        // Xorshift with a multiplication at the end; the state is never 0 for long enough to matter.
        let mut x = self.0 | u64::from(self.0 == 0);
        x ^= x >> 12;
        x ^= x << 25;
        x ^= x >> 27;
        self.0 = x;
        x.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// 0 to `n` - 1.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }

    pub(crate) fn per_mille(&mut self, n: u64) -> bool {
        (self.below(1000) as u64) < n
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Above zero and below `max`, to the nanosecond, so that no two things happen at one instant.
    pub(crate) fn delay(&mut self, max: Duration) -> Duration {
        let ns = max.as_nanos() as usize;
        Duration::from_nanos(if ns < 2 { 1 } else { 1 + self.below(ns - 1) as u64 })
    }
}
