//! `show workers`: answered beside the control thread, so that it is answered also when that is held up.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use api::{BurstFill, WorkerSpan, WorkerView, WorkersReply};
use forwarding::{BURST_FILLS, WorkerMeterSnapshot, burst_fill};

use crate::crew::Watched;
use crate::numa;

/// All workers' meters, and what they showed when somebody last asked.
pub(super) struct Board {
    workers: Vec<Watched>,
    /// Cycles of the time stamp counter in a second.
    hz: u64,
    last: Mutex<Vec<(Instant, WorkerMeterSnapshot)>>,
}

impl Board {
    /// Of these workers.
    pub(super) fn new(workers: Vec<Watched>, hz: u64) -> Self {
        let last = workers.iter().map(|worker| (worker.started, WorkerMeterSnapshot::default())).collect();
        Self { workers, hz, last: Mutex::new(last) }
    }

    /// What the workers have done since they started, and since this was last called.
    pub(super) fn show(&self, now: Instant) -> WorkersReply {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let view = |(number, (worker, last)): (usize, (&Watched, &mut (Instant, WorkerMeterSnapshot)))| {
            let told = worker.meter.ask();
            let span = |since: Instant| now.saturating_duration_since(since).as_secs_f64();
            let before = core::mem::replace(last, (now, told.clone()));
            let recent = between(&before.1, &told);
            WorkerView {
                worker: number as u64,
                core: worker.core.into(),
                node: numa::node_of_core(worker.core).map(u64::from),
                rx_queues: told.rx_queues,
                total: span_of(&told, told.longest, span(worker.started), self.hz),
                recent: span_of(&recent, told.longest_since_asked, span(before.0), self.hz),
                bursts: bursts(&told),
            }
        };
        WorkersReply { workers: self.workers.iter().zip(last.iter_mut()).enumerate().map(view).collect() }
    }
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

    #[test]
    fn a_worker_is_shown_since_its_start_and_since_somebody_asked() {
        let (mut meter, reader) = worker_meter(400);
        let started = Instant::now();
        let board = Board::new(vec![Watched { core: 1000, started, meter: reader }], 1_000);
        meter.set_rx_queues(3);
        meter.received(10);
        meter.worked(0, 500);
        meter.settle();
        let first = board.show(started + Duration::from_secs(2)).workers.remove(0);
        assert_eq!((first.worker, first.core, first.node, first.rx_queues), (0, 1000, None, 3));
        assert_eq!(first.total, first.recent);
        assert_eq!((first.total.span_s, first.total.busy_s, first.total.busy_share()), (2.0, 0.5, 0.25));
        assert_eq!((first.total.cycles_per_frame, first.total.long_passes), (Some(50.0), 1));
        assert_eq!(first.bursts.iter().map(|class| class.bursts).sum::<u64>(), 1);

        meter.settle();
        meter.worked(500, 600);
        meter.settle();
        let second = board.show(started + Duration::from_secs(3)).workers.remove(0);
        let WorkerSpan { span_s, busy_s, frames, cycles_per_frame, longest_pass_us, long_passes, .. } =
            second.recent;
        assert_eq!((span_s, busy_s, frames, cycles_per_frame), (1.0, 0.1, 0, None));
        assert_eq!((longest_pass_us, long_passes), (0.1 * 1e6, 0));
        assert_eq!((second.total.frames, second.total.longest_pass_us), (10, 0.5 * 1e6));
        assert_eq!((second.total.passes, second.recent.passes), (2, 1));
    }
}
