//! Who may still hold something of the past: one epoch of the writer's, one announcement per reader.
//!
//! The writer takes something away (a key out of its slot, a table out of use), *then* advances the
//! epoch to E. Once every reader has announced E or later, or sleeps, none holds what was taken away.

use crate::sync::{AtomicU64, Ordering, Padded, fence};

/// Announced by a reader that sleeps: it holds nothing, whatever the epoch.
const ASLEEP: u64 = u64::MAX;

/// The epoch in force and what each reader last announced.
#[derive(Debug)]
pub(crate) struct Epochs {
    current: Padded<AtomicU64>,
    announced: Box<[Padded<AtomicU64>]>,
}

impl Epochs {
    /// Epoch 0, every reader awake in it.
    pub(crate) fn new(readers: usize) -> Self {
        Self {
            current: Padded(AtomicU64::new(0)),
            announced: (0..readers).map(|_| Padded(AtomicU64::new(0))).collect(),
        }
    }

    /// Writer: starts epoch `epoch`.
    ///
    /// Release: a reader that acquires `epoch` sees every store made before, above all the tombstones
    /// and links that the epoch stands for.
    pub(crate) fn advance(&self, epoch: u64) {
        self.current.0.store(epoch, Ordering::Release);
    }

    /// Writer: the latest epoch that every reader has passed; `u64::MAX` when all sleep.
    ///
    /// Acquire, against the release in [`Self::announce`] and [`Self::sleep`]: whatever a reader loaded
    /// or counted before it announced happened before what the writer does next, so a reused slot's
    /// bitmap can't be seen by a lookup of old, and its counts are complete. The fence is one half of
    /// the agreement described at [`Self::wake`].
    pub(crate) fn passed(&self) -> u64 {
        fence(Ordering::SeqCst);
        self.announced.iter().map(|a| a.0.load(Ordering::Acquire)).min().unwrap_or(ASLEEP)
    }

    /// Reader: the epoch in force.
    #[inline]
    pub(crate) fn current(&self) -> u64 {
        self.current.0.load(Ordering::Acquire)
    }

    /// Reader: announces that it holds nothing from before `epoch`.
    #[inline]
    pub(crate) fn announce(&self, reader: usize, epoch: u64) {
        self.announced[reader].0.store(epoch, Ordering::Release);
    }

    /// Reader: announces that it holds nothing until [`Self::wake`].
    pub(crate) fn sleep(&self, reader: usize) {
        self.announced[reader].0.store(ASLEEP, Ordering::Release);
    }

    /// Reader: ends [`Self::sleep`] and returns the epoch it announced.
    ///
    /// Here alone a reader goes from "holds nothing" to "may hold something", and release and acquire
    /// do not order a store before later loads. The fence does, with the writer's in [`Self::passed`]:
    /// if the writer's came first, the lookups after this see what was taken away; if this one came
    /// first, the writer sees the reader awake and waits for it.
    pub(crate) fn wake(&self, reader: usize) -> u64 {
        let epoch = self.current();
        self.announce(reader, epoch);
        fence(Ordering::SeqCst);
        epoch
    }
}
