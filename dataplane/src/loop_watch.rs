//! Our own MAC coming in means a loop, or two of our ports on one switch (r12). Workers drop and count such
//! frames; somebody has to say so.

use std::time::{Duration, Instant};

use forwarding::WorkerCountersReader;
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
    /// Watches no port yet, through the counters of every worker.
    pub(crate) fn new(workers: Vec<WorkerCountersReader>) -> Self {
        Self { workers, ports: Vec::new() }
    }

    /// From now on these are the ports. Of one that was there before, nothing is told twice.
    pub(crate) fn follow<'a>(&mut self, ports: impl Iterator<Item = (PortIndex, &'a str)>) {
        let before = core::mem::take(&mut self.ports);
        self.ports = ports
            .map(|(index, name)| {
                let same = before.iter().find(|port| port.index == index && port.name == name);
                let (seen, told) =
                    same.map_or_else(|| (self.count(index), None), |port| (port.seen, port.told));
                Watched { index, name: name.to_owned(), seen, told }
            })
            .collect();
    }

    fn count(&self, port: PortIndex) -> u64 {
        self.workers.iter().map(|worker| worker.snapshot(port).dropped(DropReason::OwnMac)).sum()
    }

    /// Warns of ports where more came in since the last look. Call it now and then.
    pub(crate) fn look(&mut self) {
        for at in 0..self.ports.len() {
            let frames = self.count(self.ports[at].index);
            let port = &mut self.ports[at];
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
