//! Many delays, and what share of them was how long, to three digits.

use std::time::Duration;

use hdrhistogram::Histogram;

use crate::report::Distribution;
use crate::stats::Spread;

/// Percentiles that a plot shows.
const SHOWN: [f64; 11] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

/// Percentages are no exact binary fractions: what is so near a whole number of delays is that number.
const NEAR: f64 = 1e-6;

/// Parts of a run whose percentiles are held against each other.
const PARTS: usize = 10;

/// Delays above ten seconds count as those.
const LONGEST: Duration = Duration::from_secs(10);

/// An empty histogram of delays in nanoseconds.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, nanoseconds(LONGEST), 3)
        .expect("three digits from one nanosecond on are within its limits")
}

/// Delays; at least one.
#[derive(Debug, Clone)]
pub(crate) struct Delays {
    /// All, in nanoseconds.
    all: Histogram<u64>,
    /// The same in the order of their time, a tenth of the run each; none where the order is not known.
    parts: Vec<Histogram<u64>>,
}

impl Delays {
    /// Of `nanoseconds`, in the order in which they were measured; `None` without any.
    pub(crate) fn of(nanoseconds: &[u64]) -> Option<Self> {
        let tenth = nanoseconds.len().div_ceil(PARTS).max(1);
        let part = |delays: &[u64]| {
            let mut part = histogram();
            delays.iter().for_each(|delay| part.saturating_record(*delay));
            part
        };
        let parts = nanoseconds.chunks(tenth).map(part).collect();
        Some(Self { parts, ..Self::recorded(part(nanoseconds))? })
    }

    /// Of durations, likewise.
    pub(crate) fn of_durations(delays: impl IntoIterator<Item = Duration>) -> Option<Self> {
        Self::of(&delays.into_iter().map(nanoseconds).collect::<Vec<_>>())
    }

    /// Of what was recorded in nanoseconds; `None` if nothing was.
    pub(crate) fn recorded(all: Histogram<u64>) -> Option<Self> {
        (!all.is_empty()).then_some(Self { all, parts: Vec::new() })
    }

    /// How many there are.
    pub(crate) fn len(&self) -> u64 {
        self.all.len()
    }

    /// The smallest delay, in microseconds, that `percent` of all do not exceed (nearest rank).
    pub(crate) fn at(&self, percent: f64) -> f64 {
        at(&self.all, percent)
    }

    /// The same, and between which that of each tenth of the run is.
    pub(crate) fn spread(&self, percent: f64) -> Spread {
        let parts = || self.parts.iter().map(|part| at(part, percent));
        let median = self.at(percent);
        Spread { min: parts().fold(median, f64::min), median, max: parts().fold(median, f64::max) }
    }

    /// For a plot, as the delays of `name`: percentiles that so few cannot tell apart are left out.
    pub(crate) fn distribution(&self, name: impl Into<String>) -> Distribution {
        let told = |percent: &f64| *percent == 100.0 || self.len() as f64 * (100.0 - percent) >= 100.0 - NEAR;
        let percentiles_us = SHOWN.into_iter().filter(told).map(|percent| (percent, self.at(percent)));
        Distribution { name: name.into(), percentiles_us: percentiles_us.collect() }
    }

    /// The percentiles that people look at, in words.
    pub(crate) fn words(&self) -> String {
        format!(
            "p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, longest {:.1} us of {}",
            self.at(50.0),
            self.at(90.0),
            self.at(99.0),
            self.at(99.9),
            self.at(100.0),
            self.len()
        )
    }
}

/// A percentile in microseconds, of at least one delay.
fn at(histogram: &Histogram<u64>, percent: f64) -> f64 {
    let count = histogram.len() as f64;
    let rank = (percent / 100.0 * count - NEAR).ceil().max(1.0);
    // From the midst of the rank's share: no rounding reaches the next.
    histogram.value_at_quantile((rank - 0.5) / count) as f64 / 1000.0
}

fn nanoseconds(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_near(found: f64, expected: f64) {
        assert!((found / expected - 1.0).abs() < 0.001, "{found} is not {expected} to three digits");
    }

    #[test]
    fn percentiles_are_delays_that_were_seen() {
        let delays = Delays::of(&(1..=1000).rev().map(|n| n * 1000).collect::<Vec<_>>()).unwrap();
        for (percent, us) in [(0.0, 1.0), (50.0, 500.0), (99.0, 990.0), (99.9, 999.0), (100.0, 1000.0)] {
            assert_near(delays.at(percent), us);
        }
        // The last tenth of the run has the shortest.
        let spread = delays.spread(50.0);
        assert_near(spread.min, 50.0);
        assert_near(spread.median, 500.0);
        assert_near(spread.max, 950.0);
        assert!(Delays::of(&[]).is_none());
        let one = Delays::of_durations([Duration::from_micros(7)]).unwrap();
        assert_eq!((one.len(), one.at(1.0)), (1, one.at(99.9)));
        assert_near(one.at(50.0), 7.0);
        assert_eq!(Delays::of(&[0]).unwrap().at(50.0), 0.0, "nothing came after a Leave");
    }

    #[test]
    fn no_delay_is_left_out() {
        let delays = Delays::of(&[1000, u64::MAX]).unwrap();
        assert_eq!(delays.len(), 2);
        assert!(delays.at(100.0) >= LONGEST.as_micros() as f64);
    }

    #[test]
    fn a_plot_shows_what_the_number_of_delays_can_tell() {
        let shown = |count: u64| {
            let plot = Delays::of(&(0..count).collect::<Vec<_>>()).unwrap().distribution("x");
            plot.percentiles_us.iter().map(|(percent, _)| *percent).collect::<Vec<_>>()
        };
        assert_eq!(shown(1), [100.0]);
        assert_eq!(shown(1000).last_chunk(), Some(&[99.9, 100.0]));
        assert_eq!(shown(10_000).len(), SHOWN.len());
    }
}
