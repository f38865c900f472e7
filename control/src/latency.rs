//! How long joins take: from a report's arrival in a worker until the group table has the member.

use std::collections::VecDeque;

use api::{Bucket, Histogram};
use types::Time;

/// The buckets' bounds in microseconds. What takes longer than the last is counted all the same.
const BOUNDS_US: [u32; 16] = [
    10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000,
    1_000_000,
];

/// Actions of the proxy that a frame caused: those after `after`, up to `until`.
struct Caused {
    after: u64,
    until: u64,
    arrived: Time,
}

/// The histogram, and what is on its way into it. Actions are counted as they are taken from the proxy.
#[derive(Default)]
pub(crate) struct JoinLatency {
    /// Oldest first; only what was not taken yet.
    caused: VecDeque<Caused>,
    /// When the reports arrived whose members were set since this was last settled.
    set: Vec<Time>,
    /// Those that took no longer than the bound and longer than the one before.
    counts: [u64; BOUNDS_US.len()],
    count: u64,
    sum_ns: u128,
}

impl JoinLatency {
    /// A frame that arrived at `arrived` caused the actions after number `after` up to number `until`.
    pub(crate) fn note_frame(&mut self, after: u64, until: u64, arrived: Time) {
        if until > after {
            self.caused.push_back(Caused { after, until, arrived });
        }
    }

    /// Action number `taken` is the next to be carried out.
    pub(crate) fn forget_before(&mut self, taken: u64) {
        while self.caused.front().is_some_and(|caused| caused.until < taken) {
            self.caused.pop_front();
        }
    }

    /// Action number `taken` has set a member in the table. One that no frame caused does not count.
    pub(crate) fn note_join(&mut self, taken: u64) {
        let cause = self.caused.front().filter(|caused| (caused.after + 1..=caused.until).contains(&taken));
        self.set.extend(cause.map(|caused| caused.arrived));
    }

    /// All members noted are in the table at `now`, which is only asked for when there is one.
    pub(crate) fn settle(&mut self, now: impl FnOnce() -> Time) {
        if self.set.is_empty() {
            return;
        }
        let now = now();
        for arrived in self.set.drain(..) {
            let took = now.saturating_since(arrived).as_nanos();
            let bucket = BOUNDS_US.iter().position(|bound| took <= u128::from(*bound) * 1_000);
            if let Some(bucket) = bucket {
                self.counts[bucket] += 1;
            }
            self.count += 1;
            self.sum_ns += took;
        }
    }

    /// The histogram so far.
    pub(crate) fn histogram(&self) -> Histogram {
        let mut below = 0;
        let buckets = BOUNDS_US.iter().zip(self.counts).map(|(bound, count)| {
            below += count;
            Bucket { le_s: f64::from(*bound) / 1e6, count: below }
        });
        Histogram { buckets: buckets.collect(), count: self.count, sum_s: self.sum_ns as f64 / 1e9 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn us(micros: u64) -> Time {
        Time::from_nanos(micros * 1_000)
    }

    #[test]
    fn a_join_takes_from_its_own_reports_arrival_on() {
        let mut latency = JoinLatency::default();
        // Actions 1 and 2 by a report, 3 by a timer, 4 by another report, none by a third.
        latency.note_frame(0, 2, us(100));
        latency.note_frame(3, 4, us(120));
        latency.note_frame(4, 4, us(130));
        for taken in 1..=4 {
            latency.forget_before(taken);
            if taken != 2 {
                latency.note_join(taken);
            }
        }
        latency.settle(|| us(150));
        latency.settle(|| panic!("nothing to settle"));
        let Histogram { buckets, count, sum_s } = latency.histogram();
        assert_eq!((count, sum_s), (2, 80e-6), "50 and 30 us; what a timer sets has no report");
        let counts: Vec<_> = buckets.iter().take(4).map(|bucket| (bucket.le_s, bucket.count)).collect();
        assert_eq!(counts, [(10e-6, 0), (20e-6, 0), (50e-6, 2), (100e-6, 2)]);
        latency.forget_before(5);
        assert!(latency.caused.is_empty());
    }

    #[test]
    fn what_takes_longer_than_any_bound_is_in_the_count_alone() {
        let mut latency = JoinLatency::default();
        latency.note_frame(0, 1, us(0));
        latency.note_join(1);
        latency.settle(|| us(1_000_001));
        let histogram = latency.histogram();
        assert_eq!((histogram.count, histogram.buckets.last().unwrap().count), (1, 0));
    }
}
