//! The edge's clock: the one place where real time enters.

use std::time::Instant;

use types::Time;

/// Monotonic time since this clock was made, plus one hour, so that "an hour ago" can be said.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        Self { start: Instant::now() }
    }

    /// The present time.
    pub fn now(&self) -> Time {
        Time::from_nanos(3_600_000_000_000) + self.start.elapsed()
    }
}
