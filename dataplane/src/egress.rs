//! A worker's transmit side: the same mbuf to every port that gets it.
//!
//! Most bursts hold runs of frames that go to the same ports. Such a run is one array, handed to each
//! port's driver as it is. Frames of short runs are collected by port, so that a driver is not called
//! for each. On every port frames leave in the order of their arrival.
//!
//! A port that sends from a MAC of its own gets copies. Only runs that go to one pay for it, and where all of a run's
//! ports are such, the last one gets the frames themselves.

use core::num::NonZeroU16;
use std::sync::Arc;

use dpdk::{FanBatch, Mbuf, Mempool, SharedMbuf, TxBatch, TxQueue, TxResult};
use forwarding::{BURST, Egress, PortCounters, WorkerCounters};
use types::{DropReason, MAX_PORTS, PortIndex, PortSet};

use crate::macs::EgressMacs;

/// Frames that one port, or one run, collects before they are handed to the driver.
const BATCH: usize = 64;
/// Frames from which on a run is handed on as a whole. Below, a driver's call costs more than the copying
/// of pointers.
const LONG_RUN: usize = 8;

struct PortEgress {
    queue: TxQueue,
    batch: TxBatch<BATCH>,
    bytes: u64,
}

/// The transmit queues of one worker.
pub(crate) struct PortsEgress {
    ports: [Option<Box<PortEgress>>; MAX_PORTS],
    /// The latest frames, all for `run_ports`.
    run: FanBatch<BATCH>,
    run_ports: PortSet,
    /// Those of them that get copies.
    copied_ports: PortSet,
    run_bytes: u64,
    /// Where copies get their mbufs.
    pool: Mempool,
    macs: Arc<EgressMacs>,
    /// Ports with something in their batch.
    filled: PortSet,
    counters: WorkerCounters,
}

impl PortsEgress {
    /// No ports yet.
    pub(crate) fn new(counters: WorkerCounters, pool: Mempool, macs: Arc<EgressMacs>) -> Self {
        Self {
            ports: [const { None }; MAX_PORTS],
            run: FanBatch::new(NonZeroU16::MIN),
            run_ports: PortSet::EMPTY,
            copied_ports: PortSet::EMPTY,
            run_bytes: 0,
            pool,
            macs,
            filled: PortSet::EMPTY,
            counters,
        }
    }

    /// What goes to `port` goes out of `queue`.
    pub(crate) fn add_port(&mut self, port: PortIndex, queue: TxQueue) {
        let egress = PortEgress { queue, batch: TxBatch::new(), bytes: 0 };
        self.ports[port.get()] = Some(Box::new(egress));
    }

    /// Nothing goes to `port` any more; what waits for it goes first. Hands its queue back.
    pub(crate) fn remove_port(&mut self, port: PortIndex) -> Option<TxQueue> {
        self.flush();
        self.ports[port.get()].take().map(|egress| egress.queue)
    }

    /// Hands everything to the drivers. What a full queue refuses is freed and counted for that port
    /// alone; nobody waits.
    #[inline]
    pub(crate) fn flush(&mut self) {
        self.end_run();
        for port in core::mem::take(&mut self.filled) {
            if let Some(egress) = self.ports[port.get()].as_deref_mut() {
                egress.flush(self.counters.port(port));
            }
        }
    }

    /// Puts a copy of `frame` into the batch of `port`, for the control thread.
    pub(crate) fn inject(&mut self, pool: &Mempool, port: PortIndex, frame: &[u8]) {
        self.end_run();
        let counters = self.counters.port(port);
        counters.injected.add(1);
        let Some(egress) = self.ports[port.get()].as_deref_mut() else {
            counters.dropped(DropReason::OutOfService).add(1);
            return;
        };
        match Mbuf::from_bytes(pool, frame) {
            Some(mbuf) => egress.collect(mbuf.into(), frame.len() as u64, counters),
            None => counters.dropped(DropReason::NoBuffer).add(1),
        }
        self.filled = self.filled.with(port);
    }

    /// Sends the run to the ports that have a MAC of their own. The ports that are to get the frames themselves.
    #[cold]
    #[inline(never)]
    fn send_copies(&mut self) -> PortSet {
        let frames = self.run.len();
        let copied = self.copied_ports;
        let shared = PortSet::from_bits(self.run_ports.to_bits() & !copied.to_bits());
        let last = if shared.is_empty() { copied.iter().last() } else { None };
        for port in copied.iter().filter(|port| Some(*port) != last) {
            let counters = self.counters.port(port);
            let Some(egress) = self.ports[port.get()].as_deref_mut() else {
                counters.dropped(DropReason::OutOfService).add(frames as u64);
                continue;
            };
            if egress.batch.len() + self.run.len() > BATCH {
                egress.flush(counters);
            }
            let made = self.run.copy_into(&self.pool, self.macs.mac(port), &mut egress.batch);
            egress.bytes += made.bytes;
            counters.dropped(DropReason::NoBuffer).add(frames as u64 - u64::from(made.frames));
            if frames >= LONG_RUN {
                // Buffers that come back at once are the next port's, and still in the cache.
                egress.flush(counters);
            }
        }
        self.filled = self.filled.union(copied);
        let Some(last) = last else { return shared };
        let theirs = self.run.set_source(self.macs.mac(last));
        debug_assert!(theirs, "frames of one port are nobody else's");
        PortSet::only(last)
    }

    /// Passes the run on, and begins none.
    #[inline]
    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let frames = self.run.len();
        let (mut ports, bytes) = (self.run_ports, core::mem::take(&mut self.run_bytes));
        if !self.copied_ports.is_empty() {
            ports = self.send_copies();
        }
        if frames >= LONG_RUN {
            for port in ports {
                let counters = self.counters.port(port);
                let Some(egress) = self.ports[port.get()].as_deref_mut() else {
                    counters.dropped(DropReason::OutOfService).add(frames as u64);
                    continue;
                };
                // What was collected before goes first.
                egress.flush(counters);
                let result = self.run.send(&mut egress.queue);
                count_sent(counters, result, bytes);
            }
            self.filled = PortSet::from_bits(self.filled.to_bits() & !ports.to_bits());
        } else {
            for port in ports {
                let counters = self.counters.port(port);
                let Some(egress) = self.ports[port.get()].as_deref_mut() else {
                    counters.dropped(DropReason::OutOfService).add(frames as u64);
                    continue;
                };
                egress.collect_run(&mut self.run, bytes, counters);
            }
            self.filled = self.filled.union(ports);
        }
        // References for ports out of service are left; their masks were a moment late.
        self.run.reset(NonZeroU16::MIN);
    }
}

impl PortEgress {
    #[inline]
    fn flush(&mut self, counters: &PortCounters) {
        if self.batch.is_empty() {
            return;
        }
        let result = self.queue.tx_burst(&mut self.batch);
        count_sent(counters, result, core::mem::take(&mut self.bytes));
    }

    fn collect(&mut self, frame: SharedMbuf, bytes: u64, counters: &PortCounters) {
        if self.batch.is_full() {
            self.flush(counters);
        }
        self.bytes += bytes;
        // There is room: it was flushed when full.
        let _ = self.batch.push(frame);
    }

    #[inline]
    fn collect_run(&mut self, run: &mut FanBatch<BATCH>, bytes: u64, counters: &PortCounters) {
        if self.batch.len() + run.len() > BATCH {
            self.flush(counters);
        }
        self.bytes += bytes;
        run.collect(&mut self.batch);
    }
}

#[inline]
fn count_sent(counters: &PortCounters, result: TxResult, bytes: u64) {
    let (sent, refused) = (u64::from(result.sent), u64::from(result.refused));
    counters.tx_frames.add(sent);
    if refused == 0 {
        counters.tx_bytes.add(bytes);
    } else {
        // Which frames were refused the driver does not say; their mean length is near enough.
        counters.tx_bytes.add(bytes * sent / (sent + refused));
        counters.dropped(DropReason::TxFull).add(refused);
    }
}

impl Egress<Mbuf> for PortsEgress {
    #[inline(always)]
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = Mbuf>, bytes: u64, ports: PortSet) {
        if ports != self.run_ports || self.run.len() > BATCH - BURST {
            self.end_run();
        }
        if self.run.is_empty() {
            self.copied_ports = ports.intersection(self.macs.own());
            let shared = ports.len() - self.copied_ports.len();
            // The last of them gets the frames themselves where nobody else does.
            self.run.reset(NonZeroU16::new(shared as u16).unwrap_or(NonZeroU16::MIN));
            self.run_ports = ports;
        }
        self.run_bytes += bytes;
        // There is room for a burst, and sending has not begun: the run was ended when it was not so.
        self.run.extend(frames);
    }
}
