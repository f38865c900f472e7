//! The proxy's only source of chance: seeded, so that a replay repeats it.

use core::time::Duration;

/// A 64-bit generator (the SplitMix64 recurrence). Spreads reports in time; it guards no secret.
#[derive(Debug, Clone)]
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A uniform delay in (0, `max`], one nanosecond when `max` is zero.
    pub(crate) fn delay(&mut self, max: Duration) -> Duration {
        let max_ns = max.as_nanos().min(u128::from(u64::MAX - 1));
        let below_max = (u128::from(self.next()) * max_ns) >> 64;
        Duration::from_nanos(below_max as u64 + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_above_zero_at_most_max_and_spread() {
        let mut rng = Rng::new(7);
        let max = Duration::from_secs(10);
        let delays: Vec<_> = (0..10_000).map(|_| rng.delay(max)).collect();
        assert!(delays.iter().all(|d| !d.is_zero() && *d <= max));
        for second in 0..10 {
            let n = delays.iter().filter(|d| d.as_secs() == second).count();
            assert!((800..1200).contains(&n), "second {second}: {n}");
        }
        assert_eq!(rng.delay(Duration::from_nanos(1)), Duration::from_nanos(1));
        assert_eq!(rng.delay(Duration::ZERO), Duration::from_nanos(1));
    }

    #[test]
    fn the_same_seed_gives_the_same_delays() {
        let (mut a, mut b, mut c) = (Rng::new(1), Rng::new(1), Rng::new(2));
        let max = Duration::from_secs(25);
        let of = |rng: &mut Rng| (0..8).map(|_| rng.delay(max)).collect::<Vec<_>>();
        let first = of(&mut a);
        assert_eq!(first, of(&mut b));
        assert_ne!(first, of(&mut c));
    }
}
