//! The edge's clock: the one place where real time enters.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use types::Time;

/// Monotonic time since this clock was made, plus one hour, so that "an hour ago" can be said.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    start: Instant,
    /// Microseconds since 1970, as the machine's clock had it then.
    started_unix_us: u64,
}

impl Clock {
    /// A clock that starts now.
    pub fn start() -> Self {
        let started_unix_us = u64::try_from(unix_time().as_micros()).unwrap_or(u64::MAX);
        Self { start: Instant::now(), started_unix_us }
    }

    /// The present time.
    pub fn now(&self) -> Time {
        Time::from_nanos(3_600_000_000_000) + self.start.elapsed()
    }

    /// Microseconds from 1970 to the start of this clock, as the machine's clock had it then: names what a process has
    /// numbered, so that it is not taken for an earlier process's.
    pub fn started_unix_us(&self) -> u64 {
        self.started_unix_us
    }

    /// Milliseconds from 1970 to `at`, as the machine's clock has it now: it may have been put right meanwhile.
    pub fn unix_ms(&self, at: Time) -> u64 {
        let then = unix_time().saturating_sub(self.now().saturating_since(at));
        u64::try_from(then.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Since 1970; zero on a machine that does not know.
fn unix_time() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
