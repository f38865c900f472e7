//! What workers do with their time.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A pass that takes longer counts as long.
pub const LONG_PASS: Duration = Duration::from_micros(100);

/// Every worker.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkersReply {
    /// By number.
    pub workers: Vec<WorkerView>,
}

/// One worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkerView {
    /// Its number: it sends by the transmit queue of that number on every port.
    pub worker: u64,
    /// The core it runs on.
    pub core: u64,
    /// The core's NUMA node; `null` where the kernel tells of none.
    pub node: Option<u64>,
    /// Receive queues that it polls.
    pub rx_queues: u64,
    /// Since it started.
    pub total: WorkerSpan,
    /// Of the last ten to eleven seconds; at first since it started.
    pub recent: WorkerSpan,
    /// Bursts received since it started, by how many frames were in them.
    pub bursts: Vec<BurstFill>,
}

/// A time in a worker's life.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct WorkerSpan {
    /// How long it is, in seconds.
    pub span_s: f64,
    /// Seconds of it in passes that had work; in the others the worker polls empty queues, or sleeps.
    pub busy_s: f64,
    /// Passes over all queues of the worker.
    pub passes: u64,
    /// Passes that had work.
    pub busy_passes: u64,
    /// Frames received.
    pub frames: u64,
    /// Cycles of the time stamp counter in passes with work, for each frame received; `null` without frames.
    pub cycles_per_frame: Option<f64>,
    /// Microseconds that the longest pass with work took. What the machine itself held up is in it.
    pub longest_pass_us: f64,
    /// Passes with work that took longer than 100 microseconds.
    pub long_passes: u64,
}

impl WorkerSpan {
    /// The share of the time with work, 0 to 1.
    pub fn busy_share(&self) -> f64 {
        if self.span_s > 0.0 { (self.busy_s / self.span_s).clamp(0.0, 1.0) } else { 0.0 }
    }
}

/// Bursts of about the same number of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct BurstFill {
    /// The fewest frames in such a burst.
    pub from: u64,
    /// The most frames in such a burst.
    pub to: u64,
    /// How many bursts.
    pub bursts: u64,
}
