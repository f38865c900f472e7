//! Many delays, and what share of them was how long: exact, from the sorted delays themselves.

use std::time::Duration;

use crate::report::Distribution;
use crate::stats::Spread;

/// Percentiles that a plot shows.
const SHOWN: [f64; 11] = [1.0, 10.0, 25.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0];

/// Percentages are no exact binary fractions: what is so near a whole rank is that rank.
const NEAR: f64 = 1e-6;

/// Parts of a run whose percentiles are held against each other.
const PARTS: usize = 10;

/// Delays in nanoseconds; at least one.
#[derive(Debug, Clone)]
pub(crate) struct Delays {
    /// All, in rising order.
    all: Vec<u64>,
    /// The same in the order of their time, a tenth of the run each, each in rising order.
    parts: Vec<Vec<u64>>,
}

impl Delays {
    /// Of `nanoseconds`, in the order in which they were measured; `None` without any.
    pub(crate) fn of(mut nanoseconds: Vec<u64>) -> Option<Self> {
        let tenth = nanoseconds.len().div_ceil(PARTS).max(1);
        let sorted = |part: &[u64]| {
            let mut part = part.to_vec();
            part.sort_unstable();
            part
        };
        let parts = nanoseconds.chunks(tenth).map(sorted).collect();
        nanoseconds.sort_unstable();
        (!nanoseconds.is_empty()).then_some(Self { all: nanoseconds, parts })
    }

    /// Of durations, likewise.
    pub(crate) fn of_durations(delays: impl IntoIterator<Item = Duration>) -> Option<Self> {
        Self::of(delays.into_iter().map(|d| u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)).collect())
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// The smallest delay, in microseconds, that `percent` of all do not exceed (nearest rank).
    pub(crate) fn at(&self, percent: f64) -> f64 {
        rank(&self.all, percent)
    }

    /// The same, and between which that of each tenth of the run is.
    pub(crate) fn spread(&self, percent: f64) -> Spread {
        let parts = || self.parts.iter().map(|part| rank(part, percent));
        let median = self.at(percent);
        Spread { min: parts().fold(median, f64::min), median, max: parts().fold(median, f64::max) }
    }

    /// For a plot, as the delays of `name`: percentiles that so few cannot tell apart are left out.
    pub(crate) fn distribution(&self, name: impl Into<String>) -> Distribution {
        let told =
            |percent: &f64| *percent == 100.0 || self.all.len() as f64 * (100.0 - percent) >= 100.0 - NEAR;
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

/// The delay of that rank among `sorted`, in microseconds.
fn rank(sorted: &[u64], percent: f64) -> f64 {
    let rank = (percent / 100.0 * sorted.len() as f64 - NEAR).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1] as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_delays_that_were_seen() {
        let delays = Delays::of((1..=1000).rev().map(|n| n * 1000).collect()).unwrap();
        assert_eq!([0.0, 50.0, 99.0, 99.9, 100.0].map(|p| delays.at(p)), [1.0, 500.0, 990.0, 999.0, 1000.0]);
        // The last tenth of the run has the shortest.
        assert_eq!(delays.spread(50.0), Spread { min: 50.0, median: 500.0, max: 950.0 });
        assert!(Delays::of(Vec::new()).is_none());
        let one = Delays::of_durations([Duration::from_micros(7)]).unwrap();
        assert_eq!((one.len(), one.at(1.0), one.at(99.9)), (1, 7.0, 7.0));
    }

    #[test]
    fn a_plot_shows_what_the_number_of_delays_can_tell() {
        let shown = |count: u64| {
            let plot = Delays::of((0..count).collect()).unwrap().distribution("x");
            plot.percentiles_us.iter().map(|(percent, _)| *percent).collect::<Vec<_>>()
        };
        assert_eq!(shown(1), [100.0]);
        assert_eq!(shown(1000).last_chunk(), Some(&[99.9, 100.0]));
        assert_eq!(shown(10_000).len(), SHOWN.len());
    }
}
