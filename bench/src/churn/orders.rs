//! What the core beside the forwarder's does, slice by slice.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::Thread;

/// What it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Beside {
    /// Looks at the clock, for writes that are never due.
    Spinning,
    /// The same, and writes the table that the forwarder reads.
    Writing,
    /// The same, and writes another table, which nobody reads: what the writer takes of the caches and the memory that the
    /// two cores share, and of the power, but not of the table.
    Elsewhere,
    /// Nothing.
    Idle,
}

/// The turns of a round, over and over.
pub(super) const TURNS: [Beside; 6] =
    [Beside::Spinning, Beside::Writing, Beside::Elsewhere, Beside::Idle, Beside::Writing, Beside::Spinning];
const ALL: [Beside; 4] = [Beside::Spinning, Beside::Writing, Beside::Elsewhere, Beside::Idle];

/// In lines of its own, and its neighbour's prefetched with it: the cores share nothing else here by accident.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Alone<T>(T);

/// Between the forwarder's thread and the writer's.
#[derive(Debug)]
pub(super) struct Orders {
    order: Alone<AtomicUsize>,
    done: Alone<AtomicU64>,
    deserted: AtomicBool,
    writer: Thread,
}

/// For one thread only.
#[derive(Debug)]
pub(super) struct End<'o>(pub(super) &'o Orders);

impl Drop for End<'_> {
    /// Whoever holds this ends, and the other shall, too.
    fn drop(&mut self) {
        self.0.deserted.store(true, Ordering::Release);
        self.0.order.0.store(ALL.len(), Ordering::Release);
        self.0.writer.unpark();
    }
}

impl Orders {
    /// For `writer`, which begins as [`Beside::Spinning`].
    pub(super) fn new(writer: Thread) -> Self {
        Self { order: Alone::default(), done: Alone::default(), deserted: AtomicBool::new(false), writer }
    }

    /// From now on.
    pub(super) fn give(&self, beside: Beside) {
        // An order that came after the end of all is none.
        let order = ALL.iter().position(|one| *one == beside).unwrap_or(ALL.len());
        self.order.0.store(order, Ordering::Release);
        self.writer.unpark();
    }

    /// The present order; `None` at the end.
    pub(super) fn now(&self) -> Option<Beside> {
        ALL.get(self.order.0.load(Ordering::Acquire)).copied()
    }

    /// Whether the other thread has ended.
    pub(super) fn is_deserted(&self) -> bool {
        self.deserted.load(Ordering::Acquire)
    }

    /// So many writes were made.
    pub(super) fn tell(&self, done: u64) {
        self.done.0.store(done, Ordering::Relaxed);
    }

    /// Writes that were made so far.
    pub(super) fn done(&self) -> u64 {
        self.done.0.load(Ordering::Relaxed)
    }
}
