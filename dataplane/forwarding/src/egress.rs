//! A worker's transmit side: the same frame to every port that gets it.
//!
//! Most bursts hold runs of frames that go to the same ports. Such a run is one array, handed to each
//! port's driver as it is. Frames of short runs are collected by port, so that a driver is not called
//! for each. On every port frames leave in the order of their arrival.
//!
//! Ports that send from a MAC of their own come last. One gets the frames themselves, with its MAC in them, if nobody
//! has them any more: drivers that copy a frame, or are done with it when they have taken it, gave it back by then. What
//! is still in a NIC's queue, or was collected, is copied. Only runs that go to such a port pay for any of it.

use core::num::NonZeroU16;
use std::sync::Arc;

use types::{
    BURST, Copied, DropReason, FramePool, FrameRun, MAX_PORTS, MacAddr, PortIndex, PortSet, QueueBatch,
    TxResult,
};

use crate::counters::{PortCounters, WorkerCounters};
use crate::frame::Egress;
use crate::macs::EgressMacs;

/// Frames from which on a run is handed on as a whole. Below, a driver's call costs more than the copying
/// of pointers.
const LONG_RUN: usize = 8;

struct PortEgress<R: FrameRun> {
    queue: R::Queue,
    batch: R::Batch,
    bytes: u64,
}

/// The transmit queues of one worker, one a port.
pub struct PortsEgress<R: FrameRun> {
    ports: [Option<Box<PortEgress<R>>>; MAX_PORTS],
    /// The latest frames, all for `run_ports`.
    run: R,
    run_ports: PortSet,
    /// Those of them that have a MAC of their own.
    own_mac_ports: PortSet,
    run_bytes: u64,
    /// Where copies get their buffers, and what the control thread wants sent.
    pool: R::Pool,
    macs: Arc<EgressMacs>,
    /// Ports with something in their batch.
    filled: PortSet,
    counters: WorkerCounters,
}

impl<R: FrameRun> PortsEgress<R> {
    /// No ports yet. What leaves is counted in `counters`; copies get their buffers from `pool`.
    pub fn new(counters: WorkerCounters, pool: R::Pool, macs: Arc<EgressMacs>) -> Self {
        const { assert!(R::ROOM >= BURST, "a run holds a burst") };
        Self {
            ports: [const { None }; MAX_PORTS],
            run: R::default(),
            run_ports: PortSet::EMPTY,
            own_mac_ports: PortSet::EMPTY,
            run_bytes: 0,
            pool,
            macs,
            filled: PortSet::EMPTY,
            counters,
        }
    }

    /// What goes to `port` goes out of `queue`.
    pub fn add_port(&mut self, port: PortIndex, queue: R::Queue) {
        let egress = PortEgress { queue, batch: R::Batch::default(), bytes: 0 };
        self.ports[port.get()] = Some(Box::new(egress));
    }

    /// Nothing goes to `port` any more; what waits for it goes first. Hands its queue back.
    pub fn remove_port(&mut self, port: PortIndex) -> Option<R::Queue> {
        self.flush();
        self.ports[port.get()].take().map(|egress| egress.queue)
    }

    /// Hands everything to the drivers. What a full queue refuses is freed and counted for that port
    /// alone; nobody waits.
    #[inline]
    pub fn flush(&mut self) {
        self.end_run();
        for port in core::mem::take(&mut self.filled) {
            if let Some(egress) = self.ports[port.get()].as_deref_mut() {
                egress.flush(self.counters.port(port));
            }
        }
    }

    /// Puts a copy of `frame` into the batch of `port`, for the control thread.
    pub fn inject(&mut self, port: PortIndex, frame: &[u8]) {
        self.end_run();
        let counters = self.counters.port(port);
        counters.injected.add(1);
        let Some(egress) = self.ports[port.get()].as_deref_mut() else {
            counters.dropped(DropReason::OutOfService).add(1);
            return;
        };
        match self.pool.frame_of(frame) {
            Some(copy) => egress.collect(copy, frame.len() as u64, counters),
            None => counters.dropped(DropReason::NoBuffer).add(1),
        }
        self.filled = self.filled.with(port);
    }

    /// Passes the run on to the ports that have a MAC of their own.
    #[cold]
    #[inline(never)]
    fn end_run_from_own_macs(&mut self, bytes: u64) {
        let frames = self.run.len();
        for port in self.own_mac_ports {
            let counters = self.counters.port(port);
            let Some(egress) = self.ports[port.get()].as_deref_mut() else {
                counters.dropped(DropReason::OutOfService).add(frames as u64);
                continue;
            };
            let source = self.macs.mac(port);
            if !self.run.set_source(source) {
                let copied = egress.collect_copies(&self.run, &self.pool, source, counters);
                let unfit = u64::from(copied.unfit);
                counters.dropped(DropReason::Mtu).add(unfit);
                let without_buffer = frames as u64 - u64::from(copied.frames) - unfit;
                counters.dropped(DropReason::NoBuffer).add(without_buffer);
                if frames >= LONG_RUN {
                    // Buffers that come back at once are the next port's, and still in the cache.
                    egress.flush(counters);
                }
            } else if frames >= LONG_RUN {
                egress.send_run(&mut self.run, bytes, counters);
            } else {
                egress.collect_run(&mut self.run, bytes, counters);
            }
        }
        self.filled = self.filled.union(self.own_mac_ports);
    }

    /// Passes the run on, and begins none.
    #[inline]
    fn end_run(&mut self) {
        if self.run.is_empty() {
            return;
        }
        let bytes = core::mem::take(&mut self.run_bytes);
        let frames = self.run.len();
        let ports = PortSet::from_bits(self.run_ports.to_bits() & !self.own_mac_ports.to_bits());
        if frames >= LONG_RUN {
            for port in ports {
                let counters = self.counters.port(port);
                let Some(egress) = self.ports[port.get()].as_deref_mut() else {
                    counters.dropped(DropReason::OutOfService).add(frames as u64);
                    continue;
                };
                egress.send_run(&mut self.run, bytes, counters);
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
        if !self.own_mac_ports.is_empty() {
            self.end_run_from_own_macs(bytes);
        }
        // References for ports that got copies are left, and for ports out of service; their masks were a moment late.
        self.run.reset(NonZeroU16::MIN);
    }
}

impl<R: FrameRun> PortEgress<R> {
    #[inline]
    fn flush(&mut self, counters: &PortCounters) {
        if self.batch.is_empty() {
            return;
        }
        let result = self.batch.send(&mut self.queue);
        count_sent(counters, result, core::mem::take(&mut self.bytes));
    }

    fn collect(&mut self, frame: R::Frame, bytes: u64, counters: &PortCounters) {
        if self.batch.len() == R::ROOM {
            self.flush(counters);
        }
        self.bytes += bytes;
        // There is room: it was flushed when full.
        self.batch.push(frame);
    }

    /// Sends the run at once.
    #[inline(always)]
    fn send_run(&mut self, run: &mut R, bytes: u64, counters: &PortCounters) {
        // What was collected before goes first.
        self.flush(counters);
        let result = run.send(&mut self.queue);
        count_sent(counters, result, bytes);
    }

    #[inline]
    fn collect_run(&mut self, run: &mut R, bytes: u64, counters: &PortCounters) {
        if self.batch.len() + run.len() > R::ROOM {
            self.flush(counters);
        }
        self.bytes += bytes;
        run.collect(&mut self.batch);
    }

    /// Collects copies of the run from `source`: fewer than frames when the pool has no more, or no buffer for so long ones.
    fn collect_copies(
        &mut self,
        run: &R,
        pool: &R::Pool,
        source: MacAddr,
        counters: &PortCounters,
    ) -> Copied {
        if self.batch.len() + run.len() > R::ROOM {
            self.flush(counters);
        }
        let copied = run.copy_into(pool, source, &mut self.batch);
        self.bytes += copied.bytes;
        copied
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

impl<R: FrameRun> Egress<R::Frame> for PortsEgress<R> {
    #[inline(always)]
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = R::Frame>, bytes: u64, ports: PortSet) {
        if ports != self.run_ports || self.run.len() > R::ROOM - BURST {
            self.end_run();
        }
        if self.run.is_empty() {
            self.own_mac_ports = ports.intersection(self.macs.own());
            self.run.reset(NonZeroU16::new(ports.len() as u16).unwrap_or(NonZeroU16::MIN));
            self.run_ports = ports;
        }
        self.run_bytes += bytes;
        // There is room for a burst, and sending has not begun: the run was ended when it was not so.
        self.run.extend(frames);
    }
}
