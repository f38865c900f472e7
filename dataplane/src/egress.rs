//! A worker's transmit side: the same mbuf into the batch of every port that gets it.

use core::num::NonZeroU16;

use dpdk::{Mbuf, Mempool, SharedMbuf, TxBatch, TxQueue};
use forwarding::{Egress, WorkerCounters};
use types::{DropReason, MAX_PORTS, PortIndex, PortSet};

/// Frames that one port collects in a pass before they are handed to the driver.
const BATCH: usize = 64;

struct PortEgress {
    queue: TxQueue,
    batch: TxBatch<BATCH>,
    bytes: u64,
}

/// The transmit queues of one worker.
pub(crate) struct PortsEgress {
    ports: [Option<Box<PortEgress>>; MAX_PORTS],
    /// Ports with something in their batch.
    filled: PortSet,
    counters: WorkerCounters,
}

impl PortsEgress {
    /// No ports yet.
    pub(crate) fn new(counters: WorkerCounters) -> Self {
        Self { ports: [const { None }; MAX_PORTS], filled: PortSet::EMPTY, counters }
    }

    /// What goes to `port` goes out of `queue`.
    pub(crate) fn add_port(&mut self, port: PortIndex, queue: TxQueue) {
        let egress = PortEgress { queue, batch: TxBatch::new(), bytes: 0 };
        self.ports[port.get()] = Some(Box::new(egress));
    }

    /// Hands every batch to its driver. What a full queue refuses is freed and counted for that port
    /// alone; nobody waits.
    #[inline]
    pub(crate) fn flush(&mut self) {
        let filled = core::mem::take(&mut self.filled);
        for port in filled {
            if let Some(egress) = self.ports[port.get()].as_deref_mut() {
                egress.flush(port, &self.counters);
            }
        }
    }

    /// Puts a copy of `frame` into the batch of `port`, for the control thread.
    pub(crate) fn inject(&mut self, pool: &Mempool, port: PortIndex, frame: &[u8]) {
        let counters = self.counters.port(port);
        counters.injected.add(1);
        match Mbuf::from_bytes(pool, frame) {
            Some(mbuf) => self.push(port, mbuf.into(), frame.len() as u64),
            None => counters.dropped(DropReason::NoBuffer).add(1),
        }
    }

    #[inline]
    fn push(&mut self, port: PortIndex, frame: SharedMbuf, len: u64) {
        // A port that was never added gets nothing: the masks hold only ports that were.
        let Some(egress) = self.ports[port.get()].as_deref_mut() else { return };
        if egress.batch.is_full() {
            egress.flush(port, &self.counters);
        }
        egress.bytes += len;
        // There is room: it was flushed when full.
        let _ = egress.batch.push(frame);
        self.filled = self.filled.with(port);
    }
}

impl PortEgress {
    #[inline]
    fn flush(&mut self, port: PortIndex, counters: &WorkerCounters) {
        let frames = self.batch.len() as u64;
        let result = self.queue.tx_burst(&mut self.batch);
        let bytes = core::mem::take(&mut self.bytes);
        let counters = counters.port(port);
        counters.tx_frames.add(u64::from(result.sent));
        if result.refused == 0 {
            counters.tx_bytes.add(bytes);
        } else {
            // Which of them were refused the driver does not say by size; their mean is near enough.
            counters.tx_bytes.add(bytes * u64::from(result.sent) / frames.max(1));
            counters.dropped(DropReason::TxFull).add(u64::from(result.refused));
        }
    }
}

impl Egress<Mbuf> for PortsEgress {
    #[inline]
    fn replicate(&mut self, frame: Mbuf, ports: PortSet) {
        let Some(copies) = NonZeroU16::new(ports.len() as u16) else { return };
        let len = u64::from(frame.len());
        // The reference count is raised once, by copies - 1.
        for (port, shared) in ports.iter().zip(frame.fan_out(copies)) {
            self.push(port, shared, len);
        }
    }
}
