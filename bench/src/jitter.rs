//! How quiet the forwarding core is: a loop that does nothing but look at the clock.

use std::fmt;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::machine::pin;

/// Looks at the clock are tens of nanoseconds apart; longer gaps are somebody else's.
const GAP: Duration = Duration::from_micros(5);

/// What was taken from a loop that never lets go by itself.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Jitter {
    /// The longest gap, in microseconds.
    pub(crate) longest_us: f64,
    /// Gaps above 5 microseconds, a second.
    pub(crate) gaps_per_s: f64,
    /// Share of the time that those gaps took.
    pub(crate) lost_share: f64,
}

impl Jitter {
    /// Spins on `core` for `length`; `None` when this process may not run there.
    pub(crate) fn measure(core: u16, length: Duration) -> Option<Self> {
        let spin = move || pin(core).ok().map(|()| gaps(length));
        // A thread of its own: the affinity ends with it.
        let gaps = std::thread::spawn(spin).join().ok().flatten()?;
        Some(Self::of(gaps, length))
    }

    fn of(gaps: Vec<Duration>, length: Duration) -> Self {
        let longest = gaps.iter().max().copied().unwrap_or_default();
        let lost: Duration = gaps.iter().sum();
        Self {
            longest_us: longest.as_secs_f64() * 1e6,
            gaps_per_s: gaps.len() as f64 / length.as_secs_f64(),
            lost_share: lost.as_secs_f64() / length.as_secs_f64(),
        }
    }
}

/// The gaps that a loop finds in `length`.
fn gaps(length: Duration) -> Vec<Duration> {
    let start = Instant::now();
    let mut gaps = Vec::with_capacity(1 << 16);
    let mut last = start;
    while last - start < length {
        let now = Instant::now();
        if now - last > GAP {
            gaps.push(now - last);
        }
        last = now;
    }
    gaps
}

impl fmt::Display for Jitter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { longest_us, gaps_per_s, lost_share } = self;
        let lost = lost_share * 100.0;
        write!(f, "longest stall {longest_us:.0} us, {gaps_per_s:.0} a second, {lost:.2} % of the time lost")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_add_up() {
        let gaps = [10, 40].map(Duration::from_micros).to_vec();
        let jitter = Jitter::of(gaps, Duration::from_millis(500));
        assert!((jitter.longest_us - 40.0).abs() < 1e-9);
        assert!((jitter.gaps_per_s - 4.0).abs() < 1e-9);
        assert!((jitter.lost_share - 1e-4).abs() < 1e-12);
        let quiet = Jitter::of(Vec::new(), Duration::from_secs(1));
        assert_eq!(quiet, Jitter { longest_us: 0.0, gaps_per_s: 0.0, lost_share: 0.0 });
    }
}
