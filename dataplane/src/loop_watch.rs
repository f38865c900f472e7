//! Our own MAC coming in means a loop, or two of our ports on one switch (r12). Workers drop and count such
//! frames; somebody has to say so.

use std::time::{Duration, Instant};

use forwarding::WorkerCountersReader;
use settings::Settings;
use types::{DropReason, PortIndex};

/// One warning a port in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// Looks at the counters of such frames, and warns.
pub(crate) struct LoopWatch {
    workers: Vec<WorkerCountersReader>,
    ports: Vec<Watched>,
}

struct Watched {
    index: PortIndex,
    name: String,
    seen: u64,
    told: Option<Instant>,
}

impl LoopWatch {
    /// Watches every port of `settings` through the counters of every worker.
    pub(crate) fn new(workers: Vec<WorkerCountersReader>, settings: &Settings) -> Self {
        let watched = |(index, port): (PortIndex, &settings::PortSettings)| Watched {
            index,
            name: port.name.clone(),
            seen: 0,
            told: None,
        };
        Self { workers, ports: settings.indexed_ports().map(watched).collect() }
    }

    /// Warns of ports where more came in since the last look. Call it now and then.
    pub(crate) fn look(&mut self) {
        for port in &mut self.ports {
            let of = |worker: &WorkerCountersReader| worker.snapshot(port.index).dropped(DropReason::OwnMac);
            let frames = self.workers.iter().map(of).sum();
            let more = frames > core::mem::replace(&mut port.seen, frames);
            if more && port.told.is_none_or(|at| at.elapsed() >= PAUSE) {
                port.told = Some(Instant::now());
                tracing::warn!(
                    port = port.name,
                    frames,
                    "frames from our own MAC come in: a loop, or two of our ports on one switch"
                );
            }
        }
    }
}
