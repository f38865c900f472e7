//! What a worker does with its time: written by it alone, read by anyone at any time.
//!
//! Time is in cycles of the time stamp counter, which the caller brings. It is asked once for a pass that had
//! work, when the pass ends: that is also when the next one begins. Passes without work ask for none.

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crossbeam::utils::CachePadded;
use types::BURST;

use crate::counters::Counter;

/// Classes of bursts by how full they were: 1, 2-3, 4-7, and so on up to a full one.
pub const BURST_FILLS: usize = BURST.ilog2() as usize + 1;

#[derive(Debug, Default)]
struct Meters {
    passes: Counter,
    busy_passes: Counter,
    busy_cycles: Counter,
    frames: Counter,
    bursts: [Counter; BURST_FILLS],
    longest: AtomicU64,
    longest_since_asked: AtomicU64,
    long_passes: Counter,
    rx_queues: AtomicU64,
}

#[derive(Debug, Default)]
struct Shared {
    meters: CachePadded<Meters>,
    /// How often a reader asked: a line that workers read now and then, and only readers write.
    asked: CachePadded<AtomicU64>,
}

/// A worker's end.
#[derive(Debug)]
pub struct WorkerMeter {
    shared: Arc<Shared>,
    /// When the pass before ended, if it had work.
    end: Option<u64>,
    /// Passes that are not told yet.
    passes: u64,
    asked: u64,
    /// The longest pass since this was last settled.
    recent: u64,
    long: u64,
}

/// A reader's end.
#[derive(Debug, Clone)]
pub struct WorkerMeterReader(Arc<Shared>);

/// Both ends. Passes of more than `long` cycles count as long.
pub fn worker_meter(long: u64) -> (WorkerMeter, WorkerMeterReader) {
    let shared = Arc::<Shared>::default();
    let meter = WorkerMeter { shared: Arc::clone(&shared), end: None, passes: 0, asked: 0, recent: 0, long };
    (meter, WorkerMeterReader(shared))
}

impl WorkerMeter {
    /// When a pass that turns out to have work began. `now` is asked only after a pass without.
    #[inline]
    pub fn began(&self, now: impl FnOnce() -> u64) -> u64 {
        self.end.unwrap_or_else(now)
    }

    /// A burst of so many frames was received: at least one.
    #[inline]
    pub fn received(&self, frames: usize) {
        let meters = &self.shared.meters;
        let fill = (frames | 1).ilog2() as usize;
        meters.bursts[fill.min(BURST_FILLS - 1)].add(1);
        meters.frames.add(frames as u64);
    }

    /// A pass with work began and ended: how many cycles it took.
    #[inline]
    pub fn worked(&mut self, began: u64, ended: u64) -> u64 {
        let cycles = ended.saturating_sub(began);
        let meters = &self.shared.meters;
        self.passes += 1;
        self.end = Some(ended);
        self.recent = self.recent.max(cycles);
        meters.busy_passes.add(1);
        meters.busy_cycles.add(cycles);
        if cycles > meters.longest_since_asked.load(Ordering::Relaxed) {
            meters.longest_since_asked.store(cycles, Ordering::Relaxed);
            let longest = meters.longest.load(Ordering::Relaxed).max(cycles);
            meters.longest.store(longest, Ordering::Relaxed);
        }
        if cycles > self.long {
            meters.long_passes.add(1);
        }
        cycles
    }

    /// Passes of more cycles count as long.
    #[inline]
    pub fn long(&self) -> u64 {
        self.long
    }

    /// A pass had no work.
    #[inline]
    pub fn idled(&mut self) {
        self.passes += 1;
        self.end = None;
    }

    /// What comes between this pass and the next is part of none.
    pub fn pause(&mut self) {
        self.end = None;
    }

    /// The worker polls so many receive queues from now on.
    pub fn set_rx_queues(&self, queues: usize) {
        self.shared.meters.rx_queues.store(queues as u64, Ordering::Relaxed);
    }

    /// To be called every few passes.
    #[inline]
    pub fn settle(&mut self) {
        let meters = &self.shared.meters;
        meters.passes.add(core::mem::take(&mut self.passes));
        let recent = core::mem::take(&mut self.recent);
        let asked = self.shared.asked.load(Ordering::Relaxed);
        if asked != self.asked {
            self.asked = asked;
            // Any of these passes may have come after the question.
            meters.longest_since_asked.store(recent, Ordering::Relaxed);
        }
    }
}

/// What a worker has done since it started. Times are in cycles.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkerMeterSnapshot {
    /// Passes over all of its queues, with and without work.
    pub passes: u64,
    /// Passes that received a frame, or sent one of the control thread.
    pub busy_passes: u64,
    /// How long those took.
    pub busy_cycles: u64,
    /// Frames received.
    pub frames: u64,
    /// Bursts received, by [`burst_fill`].
    pub bursts: [u64; BURST_FILLS],
    /// The longest pass with work.
    pub longest: u64,
    /// The longest since a reader last [asked](WorkerMeterReader::ask), or of the few passes before that.
    pub longest_since_asked: u64,
    /// Passes with work that took longer than told to [`worker_meter`].
    pub long_passes: u64,
    /// Receive queues that it polls at present.
    pub rx_queues: u64,
}

/// The fewest and the most frames of a burst of a class, which is below [`BURST_FILLS`].
pub const fn burst_fill(class: usize) -> (usize, usize) {
    let from = 1 << class;
    let to = 2 * from - 1;
    (from, if to < BURST { to } else { BURST })
}

impl WorkerMeterReader {
    /// What the worker has done so far. Each value is exact, but for `passes`, which lag a few behind; they are
    /// not of one instant.
    pub fn snapshot(&self) -> WorkerMeterSnapshot {
        let meters = &self.0.meters;
        WorkerMeterSnapshot {
            passes: meters.passes.get(),
            busy_passes: meters.busy_passes.get(),
            busy_cycles: meters.busy_cycles.get(),
            frames: meters.frames.get(),
            bursts: core::array::from_fn(|class| meters.bursts[class].get()),
            longest: meters.longest.load(Ordering::Relaxed),
            longest_since_asked: meters.longest_since_asked.load(Ordering::Relaxed),
            long_passes: meters.long_passes.get(),
            rx_queues: meters.rx_queues.load(Ordering::Relaxed),
        }
    }

    /// As [`snapshot`](Self::snapshot), and `longest_since_asked` begins anew: within a few passes.
    pub fn ask(&self) -> WorkerMeterSnapshot {
        let snapshot = self.snapshot();
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        snapshot
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_is_counted_in_the_class_of_its_fill() {
        let (meter, reader) = worker_meter(100);
        for frames in 1..=BURST {
            meter.received(frames);
        }
        let snapshot = reader.snapshot();
        assert_eq!(snapshot.frames, (BURST * (BURST + 1) / 2) as u64);
        for class in 0..BURST_FILLS {
            let (from, to) = burst_fill(class);
            assert_eq!(snapshot.bursts[class], (to - from + 1) as u64, "{from} to {to}");
        }
        assert_eq!((burst_fill(0), burst_fill(BURST_FILLS - 1)), ((1, 1), (BURST, BURST)));
    }

    #[test]
    fn a_pass_begins_where_the_one_before_ended_unless_that_was_idle() {
        let (mut meter, reader) = worker_meter(100);
        assert_eq!(meter.began(|| 1_000), 1_000);
        meter.worked(1_000, 1_100);
        assert_eq!(meter.began(|| panic!("known")), 1_100);
        meter.worked(1_100, 1_250);
        meter.idled();
        assert_eq!(meter.began(|| 9_000), 9_000);
        meter.worked(9_000, 9_001);
        meter.pause();
        assert_eq!(meter.began(|| 12_000), 12_000);
        let snapshot = reader.snapshot();
        assert_eq!((snapshot.busy_passes, snapshot.busy_cycles), (3, 251));
        assert_eq!((snapshot.longest, snapshot.long_passes), (150, 1), "100 is not above 100");
        assert_eq!(snapshot.passes, 0, "told by `settle`");
        meter.settle();
        assert_eq!(reader.snapshot().passes, 4);
    }

    #[test]
    fn the_longest_pass_is_that_since_somebody_asked_and_that_of_all_time() {
        let (mut meter, reader) = worker_meter(u64::MAX);
        meter.worked(0, 70);
        meter.settle();
        assert_eq!(reader.ask().longest_since_asked, 70);
        meter.settle();
        meter.worked(100, 120);
        meter.settle();
        let snapshot = reader.ask();
        assert_eq!((snapshot.longest_since_asked, snapshot.longest), (20, 70));
        // It is heard of only after the next passes.
        meter.worked(120, 150);
        meter.worked(150, 155);
        meter.settle();
        assert_eq!((reader.snapshot().longest_since_asked, reader.snapshot().longest), (30, 70));
        // A clock that went back makes no pass of centuries.
        meter.worked(200, 199);
        assert_eq!((reader.snapshot().busy_cycles, reader.snapshot().longest), (125, 70));
    }
}
