//! Per-port counters of one worker: written by it alone, read by anyone at any time.
//!
//! For each worker and port, once it stands still:
//! - as ingress: `rx_frames` = `forwarded` + `punted` + the drops that are no copies
//! - as egress: copies and injected frames meant for it = `tx_frames` + its `mtu`, `tx-full`,
//!   `no-buffer` and `out-of-service` drops

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crossbeam::utils::CachePadded;
use types::{DropReason, MAX_PORTS, PortIndex};

/// One counter with one writer: a load and a store, no locked instruction.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`. Only the owning worker calls this.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(n), Ordering::Relaxed);
    }

    /// The present value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What one worker counted on one port.
#[derive(Debug)]
pub struct PortCounters {
    /// Frames received.
    pub rx_frames: Counter,
    /// Bytes of them, from the destination MAC on, without FCS; of a frame in several buffers, those of the first.
    pub rx_bytes: Counter,
    /// Frames the driver took for sending: copies and injected ones.
    pub tx_frames: Counter,
    /// Bytes of them.
    pub tx_bytes: Counter,
    /// Received frames that had at least one port to go to.
    pub forwarded: Counter,
    /// Received frames handed to the control thread.
    pub punted: Counter,
    /// Frames of the control thread put into this port's transmit queue.
    pub injected: Counter,
    /// Received frames whose unfinished UDP checksum was completed.
    pub udp_completed: Counter,
    drops: [Counter; DropReason::COUNT],
}

impl PortCounters {
    fn new() -> Self {
        Self {
            rx_frames: Counter::default(),
            rx_bytes: Counter::default(),
            tx_frames: Counter::default(),
            tx_bytes: Counter::default(),
            forwarded: Counter::default(),
            punted: Counter::default(),
            injected: Counter::default(),
            udp_completed: Counter::default(),
            drops: [const { Counter(AtomicU64::new(0)) }; DropReason::COUNT],
        }
    }

    /// From zero again, for another port. Only the owning worker calls this.
    pub(crate) fn reset(&self) {
        let Self {
            rx_frames,
            rx_bytes,
            tx_frames,
            tx_bytes,
            forwarded,
            punted,
            injected,
            udp_completed,
            drops,
        } = self;
        let frames = [rx_frames, rx_bytes, tx_frames, tx_bytes, forwarded, punted, injected, udp_completed];
        for counter in frames.into_iter().chain(drops) {
            counter.0.store(0, Ordering::Relaxed);
        }
    }

    /// The counter of drops for `reason`.
    #[inline]
    pub fn dropped(&self, reason: DropReason) -> &Counter {
        &self.drops[reason as usize]
    }
}

/// The counters of one worker. Clones stay on that worker's thread; it alone writes.
#[derive(Debug, Clone)]
pub struct WorkerCounters(Arc<[CachePadded<PortCounters>]>);

impl WorkerCounters {
    /// The counters of `port`.
    #[inline]
    pub fn port(&self, port: PortIndex) -> &PortCounters {
        &self.0[port.get()]
    }
}

/// Reads the counters of one worker from another thread.
#[derive(Debug, Clone)]
pub struct WorkerCountersReader(Arc<[CachePadded<PortCounters>]>);

impl WorkerCountersReader {
    /// What the worker has counted on `port` so far. Counters of a running worker are each exact, not
    /// of one instant.
    pub fn snapshot(&self, port: PortIndex) -> PortCountersSnapshot {
        let c = &self.0[port.get()];
        PortCountersSnapshot {
            rx_frames: c.rx_frames.get(),
            rx_bytes: c.rx_bytes.get(),
            tx_frames: c.tx_frames.get(),
            tx_bytes: c.tx_bytes.get(),
            forwarded: c.forwarded.get(),
            punted: c.punted.get(),
            injected: c.injected.get(),
            udp_completed: c.udp_completed.get(),
            drops: core::array::from_fn(|i| c.drops[i].get()),
        }
    }
}

/// One worker's counters: the writing and the reading end.
pub fn worker_counters() -> (WorkerCounters, WorkerCountersReader) {
    let block: Arc<[CachePadded<PortCounters>]> =
        (0..MAX_PORTS).map(|_| CachePadded::new(PortCounters::new())).collect();
    (WorkerCounters(Arc::clone(&block)), WorkerCountersReader(block))
}

/// Values of one port's counters; adds up over workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortCountersSnapshot {
    /// See [`PortCounters::rx_frames`].
    pub rx_frames: u64,
    /// See [`PortCounters::rx_bytes`].
    pub rx_bytes: u64,
    /// See [`PortCounters::tx_frames`].
    pub tx_frames: u64,
    /// See [`PortCounters::tx_bytes`].
    pub tx_bytes: u64,
    /// See [`PortCounters::forwarded`].
    pub forwarded: u64,
    /// See [`PortCounters::punted`].
    pub punted: u64,
    /// See [`PortCounters::injected`].
    pub injected: u64,
    /// See [`PortCounters::udp_completed`].
    pub udp_completed: u64,
    drops: [u64; DropReason::COUNT],
}

impl PortCountersSnapshot {
    /// Nothing counted.
    pub const ZERO: Self = Self {
        rx_frames: 0,
        rx_bytes: 0,
        tx_frames: 0,
        tx_bytes: 0,
        forwarded: 0,
        punted: 0,
        injected: 0,
        udp_completed: 0,
        drops: [0; DropReason::COUNT],
    };

    /// Drops for `reason`.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Every reason with its count, in the order of [`DropReason::ALL`].
    pub fn drops(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().copied().zip(self.drops)
    }

    /// The counters that are no drops, by their stable names.
    pub fn frames(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("rx-frames", self.rx_frames),
            ("rx-bytes", self.rx_bytes),
            ("tx-frames", self.tx_frames),
            ("tx-bytes", self.tx_bytes),
            ("forwarded", self.forwarded),
            ("punted", self.punted),
            ("injected", self.injected),
            ("udp-completed", self.udp_completed),
        ]
        .into_iter()
    }

    /// Adds another worker's share.
    pub fn add(&mut self, other: &Self) {
        self.rx_frames += other.rx_frames;
        self.rx_bytes += other.rx_bytes;
        self.tx_frames += other.tx_frames;
        self.tx_bytes += other.tx_bytes;
        self.forwarded += other.forwarded;
        self.punted += other.punted;
        self.injected += other.injected;
        self.udp_completed += other.udp_completed;
        for (mine, theirs) in self.drops.iter_mut().zip(other.drops) {
            *mine += theirs;
        }
    }
}
