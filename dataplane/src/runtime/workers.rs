//! `show workers`: answered beside the control thread, so that it is answered also when that is held up.
//!
//! What is recent is a span of time, not the time since somebody asked: whoever reads changes nothing for others, and
//! nothing for the workers.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use api::{BurstFill, WorkerSpan, WorkerView, WorkersReply};
use forwarding::{BURST_FILLS, WorkerMeterSnapshot, burst_fill};

use crate::crew::Watched;
use crate::numa::Nodes;

/// How much of the past is recent: as much, and up to [`PACE`] more.
const RECENT: Duration = Duration::from_secs(10);
/// From one look to the next.
const PACE: Duration = Duration::from_secs(1);

/// What a meter showed, and when.
type Look = (Instant, WorkerMeterSnapshot);

/// All workers' meters, and what they showed of late.
pub(super) struct Board {
    workers: Vec<Watched>,
    /// Cycles of the time stamp counter in a second.
    hz: u64,
    /// For each worker, oldest first, never empty. The first is where what is recent begins; each has the longest pass
    /// since the one before it.
    looks: Mutex<Vec<VecDeque<Look>>>,
}

impl Board {
    /// Of these workers.
    pub(super) fn new(workers: Vec<Watched>, hz: u64) -> Self {
        let start = |worker: &Watched| VecDeque::from([(worker.started, WorkerMeterSnapshot::default())]);
        let looks = Mutex::new(workers.iter().map(start).collect());
        Self { workers, hz, looks }
    }

    fn looks(&self) -> MutexGuard<'_, Vec<VecDeque<Look>>> {
        self.looks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks at the meters if that is due. To be called several times a second.
    pub(super) fn look(&self, now: Instant) {
        for (worker, looks) in self.workers.iter().zip(self.looks().iter_mut()) {
            if looks.back().is_some_and(|(at, _)| now.saturating_duration_since(*at) < PACE) {
                continue;
            }
            looks.push_back((now, worker.meter.ask()));
            while looks.get(1).is_some_and(|(at, _)| now.saturating_duration_since(*at) >= RECENT) {
                looks.pop_front();
            }
        }
    }

    /// What the workers have done since they started, and of late.
    pub(super) fn show(&self, now: Instant) -> WorkersReply {
        let looks = self.looks();
        let view = |(number, (worker, looks)): (usize, (&Watched, &VecDeque<Look>))| {
            let told = worker.meter.snapshot();
            let span = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
            let (since, before) = looks.front().cloned().unwrap_or((worker.started, told.clone()));
            let recent = between(&before, &told);
            WorkerView {
                worker: number as u64,
                core: worker.core.into(),
                node: Nodes::of_machine().of_core(worker.core).map(u64::from),
                rx_queues: told.rx_queues,
                total: span_of(&told, told.longest, span(worker.started), self.hz),
                recent: span_of(&recent, longest_of(looks, &told), span(since), self.hz),
                bursts: bursts(&told),
            }
        };
        WorkersReply { workers: self.workers.iter().zip(looks.iter()).enumerate().map(view).collect() }
    }
}

/// The longest pass since the first of `looks`. A worker that sleeps begins no new longest: where it had no pass with
/// work since the look before, what it shows is older than that.
fn longest_of(looks: &VecDeque<Look>, told: &WorkerMeterSnapshot) -> u64 {
    let shown: Vec<_> = looks.iter().map(|(_, look)| look).chain([told]).collect();
    let worked = shown.windows(2).filter(|pair| pair[1].busy_passes != pair[0].busy_passes);
    worked.map(|pair| pair[1].longest_since_asked).max().unwrap_or(0)
}

/// What was added from one look to the next. Counters of a running worker are not of one instant, so none is below
/// what it was, but their sums may be a frame off.
fn between(before: &WorkerMeterSnapshot, now: &WorkerMeterSnapshot) -> WorkerMeterSnapshot {
    WorkerMeterSnapshot {
        passes: now.passes.wrapping_sub(before.passes),
        busy_passes: now.busy_passes.wrapping_sub(before.busy_passes),
        busy_cycles: now.busy_cycles.wrapping_sub(before.busy_cycles),
        frames: now.frames.wrapping_sub(before.frames),
        bursts: core::array::from_fn(|class| now.bursts[class].wrapping_sub(before.bursts[class])),
        long_passes: now.long_passes.wrapping_sub(before.long_passes),
        ..*now
    }
}

fn span_of(told: &WorkerMeterSnapshot, longest: u64, span_s: f64, hz: u64) -> WorkerSpan {
    let seconds = |cycles: u64| cycles as f64 / hz.max(1) as f64;
    WorkerSpan {
        span_s,
        busy_s: seconds(told.busy_cycles),
        passes: told.passes,
        busy_passes: told.busy_passes,
        frames: told.frames,
        cycles_per_frame: (told.frames > 0).then(|| told.busy_cycles as f64 / told.frames as f64),
        longest_pass_us: seconds(longest) * 1e6,
        long_passes: told.long_passes,
    }
}

fn bursts(told: &WorkerMeterSnapshot) -> Vec<BurstFill> {
    let class = |class| {
        let (from, to) = burst_fill(class);
        BurstFill { from: from as u64, to: to as u64, bursts: told.bursts[class] }
    };
    (0..BURST_FILLS).map(class).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use forwarding::worker_meter;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn board() -> (forwarding::WorkerMeter, Board, Instant) {
        let (meter, reader) = worker_meter(400);
        let started = Instant::now();
        (meter, Board::new(vec![Watched { core: 1000, started, meter: reader }], 1_000), started)
    }

    #[test]
    fn a_worker_is_shown_since_its_start_and_of_late() {
        let (mut meter, board, started) = board();
        meter.set_rx_queues(3);
        meter.received(10);
        meter.worked(0, 500);
        meter.settle();
        let first = board.show(started + 2 * SECOND).workers.remove(0);
        assert_eq!((first.worker, first.core, first.node, first.rx_queues), (0, 1000, None, 3));
        assert_eq!(first.total, first.recent);
        assert_eq!((first.total.span_s, first.total.busy_s, first.total.busy_share()), (2.0, 0.5, 0.25));
        assert_eq!((first.total.cycles_per_frame, first.total.long_passes), (Some(50.0), 1));
        assert_eq!(first.bursts.iter().map(|class| class.bursts).sum::<u64>(), 1);

        for n in 2..=20 {
            board.look(started + n * SECOND / 2);
        }
        meter.settle();
        meter.worked(500, 600);
        meter.settle();
        board.look(started + 11 * SECOND);
        let second = board.show(started + 12 * SECOND).workers.remove(0);
        let WorkerSpan { span_s, busy_s, frames, cycles_per_frame, longest_pass_us, long_passes, .. } =
            second.recent;
        assert_eq!((span_s, busy_s, frames, cycles_per_frame), (11.0, 0.1, 0, None));
        assert_eq!((longest_pass_us, long_passes), (0.1 * 1e6, 0));
        assert_eq!((second.total.frames, second.total.longest_pass_us), (10, 0.5 * 1e6));
        assert_eq!((second.total.passes, second.recent.passes), (2, 1));
    }

    #[test]
    fn whoever_reads_changes_nothing_for_the_next_who_does() {
        let (mut meter, board, started) = board();
        meter.received(1);
        meter.worked(0, 70);
        meter.settle();
        board.look(started + SECOND);
        let one = board.show(started + 2 * SECOND);
        meter.settle();
        assert_eq!(board.show(started + 2 * SECOND), one);
        assert_eq!((one.workers[0].recent.frames, one.workers[0].recent.longest_pass_us), (1, 0.07 * 1e6));
    }

    #[test]
    fn a_pass_before_the_worker_heard_of_a_look_is_in_what_is_recent() {
        let (mut meter, board, started) = board();
        board.look(started + SECOND);
        meter.received(1);
        meter.worked(0, 70);
        meter.settle();
        board.look(started + 2 * SECOND);
        meter.settle();
        let shown = board.show(started + 2 * SECOND).workers.remove(0);
        assert_eq!((shown.recent.busy_passes, shown.recent.longest_pass_us), (1, 0.07 * 1e6));
    }

    #[test]
    fn a_worker_that_sleeps_has_no_recent_pass_and_looks_are_bounded() {
        let (mut meter, board, started) = board();
        meter.received(1);
        meter.worked(0, 70);
        // It sleeps before it has heard that somebody looked.
        for n in 1..100 {
            board.look(started + n * SECOND);
        }
        let shown = board.show(started + 100 * SECOND).workers.remove(0);
        assert_eq!((shown.recent.busy_passes, shown.recent.longest_pass_us), (0, 0.0));
        assert_eq!((shown.recent.span_s, shown.total.span_s), (11.0, 100.0));
        assert!(board.looks()[0].len() <= 12);
    }
}
