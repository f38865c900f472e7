//! What a worker does with a frame, without DPDK: classify, look up, rewrite once, replicate.
//!
//! The frame and the way out are traits ([`types::Frame`], [`Egress`]), so the same code runs on mbufs in a
//! worker, on plain buffers in `manifold replay`, and in tests and benches on a machine without DPDK.
//! Called from worker threads only; the control thread sees [`PortCounters`] and the far ends of the
//! rings. Nothing here locks, logs, allocates on the heap or makes a system call after set-up.

mod classify;
mod counters;
mod egress;
mod forwarder;
mod frame;
mod ingress;
mod macs;
mod meter;
mod plain;
mod policer;
mod policy;
mod punt;
mod rewrite;
mod ring;
mod runs;
mod screen;
#[cfg(test)]
mod tests;
mod unfinished;

pub use classify::{Verdict, classify};
pub use counters::{
    Counter, PortCounters, PortCountersSnapshot, WorkerCounters, WorkerCountersReader, worker_counters,
};
pub use egress::PortsEgress;
pub use forwarder::{Forwarder, ForwarderParts, PassReport};
pub use frame::{Egress, OwnedBurst, OwnedFrame};
pub use ingress::{Ingress, IngressSettings};
pub use macs::EgressMacs;
pub use meter::{BURST_FILLS, WorkerMeter, WorkerMeterReader, WorkerMeterSnapshot, burst_fill, worker_meter};
pub use plain::{PlainBatch, PlainFrame, PlainPool, PlainQueue, PlainRun, SharedFrame};
pub use policer::Policer;
pub use policy::{ForwardingPolicy, MAX_WATCHED};
pub use punt::{PuntKind, punt_kind};
pub use rewrite::rewrite;
pub use ring::{FrameReceiver, FrameSender, RING_FRAME_MAX, SendRefused, frame_ring};
pub use screen::plain_data;
pub use types::BURST;
