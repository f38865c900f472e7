//! A client port's querier role (RFC 2236, sections 3 and 7): who sends the General Queries there, and when.
//!
//! States: `Silent` while the link is down or the proxy off, `Starting` for the startup queries, `Steady`
//! after them, `Other` while another router asks. Which routers win is not decided here: the port hands in
//! only the queries that do ([`wins`]).

use core::net::Ipv4Addr;

use types::Time;

use crate::{ClientPortSettings, RouterTimers};

/// Where the port is in its schedule of General Queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Querier {
    /// Sends nothing.
    Silent,
    /// Querier, `left` startup queries still to send, the next at `next`.
    Starting { next: Time, left: u8 },
    /// Querier, the next query at `next`, one Query Interval after the last.
    Steady { next: Time },
    /// Non-querier since `since`: `address` asked last, and counts as present until `until`.
    Other { address: Ipv4Addr, since: Time, until: Time },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum QuerierEvent {
    /// The port may send: the link came up, the proxy was switched on, the address changed.
    Start,
    /// The port may not send any more.
    Stop,
    /// The queries of the port are others now.
    Retime,
    /// The next General Query is wanted at this time, unless it is due before.
    Ask(Time),
    /// A query of this router, which wins over us.
    Lower(Ipv4Addr),
    /// The time that [`Querier::deadline`] named has come, or passed.
    Timer,
}

/// The next state, and whether a General Query goes out now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QuerierStep {
    pub(crate) next: Querier,
    pub(crate) query: bool,
}

/// Whether a query from `source` makes its sender querier in our place: a lower address than ours on our
/// link, any on a port of ours without an address, never 0.0.0.0 (r19 to r21, r24, r25).
pub(crate) fn wins(source: Ipv4Addr, settings: &ClientPortSettings) -> bool {
    let ours = settings.query_source();
    !source.is_unspecified() && settings.is_on_link(source) && (ours.is_unspecified() || source < ours)
}

impl Querier {
    /// When it wants its next [`QuerierEvent::Timer`].
    pub(crate) fn deadline(self) -> Option<Time> {
        match self {
            Self::Silent => None,
            Self::Starting { next, .. } | Self::Steady { next } => Some(next),
            Self::Other { until, .. } => Some(until),
        }
    }

    pub(crate) fn handle(self, event: QuerierEvent, now: Time, timers: &RouterTimers) -> QuerierStep {
        use QuerierEvent as Event;
        let quiet = |next| QuerierStep { next, query: false };
        let query = |next| QuerierStep { next, query: true };
        let start = || query(after_startup_query(now, now, timers.startup_query_count() - 1, timers));
        let until = now + timers.other_querier_present_interval();
        match (self, event) {
            (
                Self::Silent | Self::Starting { .. } | Self::Steady { .. } | Self::Other { .. },
                Event::Start,
            ) => start(),
            (
                Self::Silent | Self::Starting { .. } | Self::Steady { .. } | Self::Other { .. },
                Event::Stop,
            ) => quiet(Self::Silent),

            (Self::Silent, Event::Retime | Event::Ask(_) | Event::Lower(_) | Event::Timer) => quiet(self),

            (Self::Starting { .. } | Self::Steady { .. }, Event::Retime) => start(),
            // It takes the place of the one that was to come, and the interval counts from it.
            (Self::Starting { next, left }, Event::Ask(at)) if now < at => {
                quiet(Self::Starting { next: next.min(at), left })
            }
            (Self::Starting { left, .. }, Event::Ask(_)) => {
                query(after_startup_query(now, now, left.saturating_sub(1), timers))
            }
            (Self::Steady { next }, Event::Ask(at)) if now < at => quiet(Self::Steady { next: next.min(at) }),
            (Self::Steady { .. }, Event::Ask(_)) => {
                query(Self::Steady { next: now + timers.query_interval() })
            }
            (Self::Starting { .. } | Self::Steady { .. }, Event::Lower(address)) => {
                quiet(Self::Other { address, since: now, until })
            }
            (Self::Starting { next, .. } | Self::Steady { next }, Event::Timer) if now < next => quiet(self),
            (Self::Starting { next, left }, Event::Timer) => {
                query(after_startup_query(next, now, left.saturating_sub(1), timers))
            }
            (Self::Steady { next }, Event::Timer) => {
                query(Self::Steady { next: later(next, timers.query_interval(), now) })
            }

            // The winner's queries are its own; our intervals count from its next one on.
            (Self::Other { .. }, Event::Retime | Event::Ask(_)) => quiet(self),
            (Self::Other { since, .. }, Event::Lower(address)) => {
                quiet(Self::Other { address, since, until })
            }
            (Self::Other { until, .. }, Event::Timer) if now < until => quiet(self),
            (Self::Other { .. }, Event::Timer) => query(Self::Steady { next: now + timers.query_interval() }),
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
    fn r19_r20_r21_r24_r25_who_wins() {
        let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
        let with = |address: Option<&str>, querier: Option<&str>| ClientPortSettings {
            address: address.map(|text| text.parse().unwrap()),
            querier_address: querier.map(ip),
            ..ClientPortSettings::default()
        };
        let own = with(Some("10.1.0.128/24"), None);
        for (source, winner) in [
            ("10.1.0.127", true),
            ("10.1.0.1", true),
            ("10.1.0.128", false),
            ("10.1.0.129", false),
            ("10.1.0.254", false),
            ("0.0.0.0", false),
            ("10.0.255.254", false),
            ("9.255.255.255", false),
        ] {
            assert_eq!(wins(ip(source), &own), winner, "{source}");
        }
        // As unsigned numbers, in network order.
        let high = with(Some("200.1.0.1/8"), None);
        assert!(wins(ip("200.0.255.255"), &high) && !wins(ip("200.127.0.1"), &high));
        // Without an address of its own the port yields to whoever has one.
        for source in ["0.0.0.1", "10.9.9.9", "223.255.255.254"] {
            assert!(wins(ip(source), &with(None, None)), "{source}");
        }
        assert!(!wins(ip("0.0.0.0"), &with(None, None)));
        // The source of our queries is what competes.
        let queries_from = with(Some("10.1.0.1/24"), Some("10.1.0.50"));
        assert!(wins(ip("10.1.0.49"), &queries_from) && !wins(ip("10.1.0.51"), &queries_from));
        let nameless = with(Some("10.1.0.1/24"), Some("0.0.0.0"));
        assert!(wins(ip("10.1.0.200"), &nameless) && !wins(ip("10.2.0.200"), &nameless));
    }

    #[test]
    fn r20_r22_r23_the_other_querier_present_interval() {
        let timers = RouterTimers::default();
        let (one, two) = (Ipv4Addr::new(10, 1, 0, 1), Ipv4Addr::new(10, 1, 0, 2));
        let quiet = |next| QuerierStep { next, query: false };
        let steady = Querier::Steady { next: at_ms(50_000) };
        let lost = steady.handle(QuerierEvent::Lower(two), at_ms(1000), &timers);
        let other = Querier::Other { address: two, since: at_ms(1000), until: at_ms(256_000) };
        assert_eq!(lost, quiet(other));
        assert_eq!(other.deadline(), Some(at_ms(256_000)));
        let again = other.handle(QuerierEvent::Lower(one), at_ms(100_000), &timers);
        let other = Querier::Other { address: one, since: at_ms(1000), until: at_ms(355_000) };
        assert_eq!(again, quiet(other));
        assert_eq!(other.handle(QuerierEvent::Timer, at_ms(354_999), &timers), quiet(other));
        assert_eq!(other.handle(QuerierEvent::Retime, at_ms(354_999), &timers), quiet(other));
        let back = other.handle(QuerierEvent::Timer, at_ms(355_000), &timers);
        assert_eq!(back, QuerierStep { next: Querier::Steady { next: at_ms(480_000) }, query: true });
        let silent = Querier::Silent.handle(QuerierEvent::Lower(one), at_ms(1), &timers);
        assert_eq!(silent, quiet(Querier::Silent));
    }

    #[test]
    fn an_early_timer_and_a_stopped_port_send_nothing() {
        let timers = RouterTimers::default();
        let states = [
            Querier::Silent,
            Querier::Starting { next: at_ms(5), left: 1 },
            Querier::Steady { next: at_ms(5) },
            Querier::Other { address: Ipv4Addr::new(10, 1, 0, 1), since: at_ms(1), until: at_ms(5) },
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
