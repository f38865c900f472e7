//! A client port's querier role (RFC 2236, section 7): who sends the General Queries there, and when.
//!
//! States: `Silent` while the link is down or the proxy off, `Starting` for the startup queries,
//! `Steady` after them. The election between routers adds its state (non-querier, with the winner's
//! address and the Other Querier Present timer) and its events (a query from a lower address) here; the
//! proxy already hands every foreign query of a client port to one place.

use types::Time;

use crate::RouterTimers;

/// Where the port is in its schedule of General Queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Querier {
    /// Sends nothing.
    Silent,
    /// Querier, `left` startup queries still to send, the next at `next`.
    Starting { next: Time, left: u8 },
    /// Querier, the next query at `next`, one Query Interval after the last.
    Steady { next: Time },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuerierEvent {
    /// The port may send: the link came up, the proxy was switched on, the address changed.
    Start,
    /// The port may not send any more.
    Stop,
    /// The time that [`Querier::deadline`] named has come, or passed.
    Timer,
}

/// The next state, and whether a General Query goes out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuerierStep {
    pub(crate) next: Querier,
    pub(crate) query: bool,
}

impl Querier {
    /// When it wants its next [`QuerierEvent::Timer`].
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::Silent => None,
            Self::Starting { next, .. } | Self::Steady { next } => Some(next),
        }
    }

    pub(crate) fn handle(self, event: QuerierEvent, now: Time, timers: &RouterTimers) -> QuerierStep {
        let quiet = |next| QuerierStep { next, query: false };
        let query = |next| QuerierStep { next, query: true };
        match (self, event) {
            (Self::Silent | Self::Starting { .. } | Self::Steady { .. }, QuerierEvent::Start) => {
                query(after_startup_query(now, now, timers.startup_query_count() - 1, timers))
            }
            (Self::Silent | Self::Starting { .. } | Self::Steady { .. }, QuerierEvent::Stop) => {
                quiet(Self::Silent)
            }
            (Self::Silent, QuerierEvent::Timer) => quiet(Self::Silent),
            (Self::Starting { next, .. } | Self::Steady { next }, QuerierEvent::Timer) if now < next => {
                quiet(self)
            }
            (Self::Starting { next, left }, QuerierEvent::Timer) => {
                query(after_startup_query(next, now, left.saturating_sub(1), timers))
            }
            (Self::Steady { next }, QuerierEvent::Timer) => {
                query(Self::Steady { next: later(next, timers.query_interval(), now) })
            }
        }
    }
}

/// The state after a startup query that was due at `due`, with `left` more to come.
fn after_startup_query(due: Time, now: Time, left: u8, timers: &RouterTimers) -> Querier {
    match left {
        0 => Querier::Steady { next: later(due, timers.query_interval(), now) },
        left => Querier::Starting { next: later(due, timers.startup_query_interval(), now), left },
    }
}

/// `due + interval`, so that small delays do not add up; after a stall of a whole interval or more
/// counted from now, so that the missed queries do not come in a burst.
fn later(due: Time, interval: core::time::Duration, now: Time) -> Time {
    let next = due + interval;
    if next > now { next } else { now + interval }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::time::Duration;

    fn at_ms(ms: u64) -> Time {
        Time::ZERO + Duration::from_millis(ms)
    }

    /// Runs the machine on its own deadlines and returns the times of its queries, in milliseconds.
    fn queries(robustness: u8, until_ms: u64) -> Vec<u64> {
        let timers = RouterTimers::new(
            robustness,
            Duration::from_secs(125),
            Duration::from_secs(10),
            Duration::from_secs(1),
            None,
        )
        .unwrap();
        let mut sent = Vec::new();
        let (mut event, mut now, mut querier) = (QuerierEvent::Start, Time::ZERO, Querier::Silent);
        while now <= at_ms(until_ms) {
            let step = querier.handle(event, now, &timers);
            if step.query {
                sent.push(now.as_nanos() / 1_000_000);
            }
            querier = step.next;
            now = querier.deadline().unwrap();
            event = QuerierEvent::Timer;
        }
        sent
    }

    #[test]
    fn r17_startup_queries_then_one_every_query_interval() {
        assert_eq!(queries(2, 410_000), [0, 31_250, 156_250, 281_250, 406_250]);
        assert_eq!(queries(4, 220_000), [0, 31_250, 62_500, 93_750, 218_750]);
    }

    #[test]
    fn a_late_timer_does_not_shift_the_schedule_and_a_stall_brings_no_burst() {
        let timers = RouterTimers::default();
        let steady = Querier::Steady { next: at_ms(1000) };
        let step = steady.handle(QuerierEvent::Timer, at_ms(1040), &timers);
        assert_eq!(step, QuerierStep { next: Querier::Steady { next: at_ms(126_000) }, query: true });
        let step = steady.handle(QuerierEvent::Timer, at_ms(500_000), &timers);
        assert_eq!(step, QuerierStep { next: Querier::Steady { next: at_ms(625_000) }, query: true });
    }

    #[test]
    fn an_early_timer_and_a_stopped_port_send_nothing() {
        let timers = RouterTimers::default();
        let states = [
            Querier::Silent,
            Querier::Starting { next: at_ms(5), left: 1 },
            Querier::Steady { next: at_ms(5) },
        ];
        for state in states {
            assert_eq!(
                state.handle(QuerierEvent::Timer, at_ms(4), &timers),
                QuerierStep { next: state, query: false }
            );
            assert_eq!(
                state.handle(QuerierEvent::Stop, at_ms(4), &timers),
                QuerierStep { next: Querier::Silent, query: false }
            );
            let started = state.handle(QuerierEvent::Start, at_ms(4), &timers);
            assert_eq!(
                started,
                QuerierStep { next: Querier::Starting { next: at_ms(31_254), left: 1 }, query: true }
            );
        }
    }
}
