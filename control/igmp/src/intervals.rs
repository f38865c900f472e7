//! The protocol's intervals and counts, checked once (RFC 2236, section 8).

use core::time::Duration;
use thiserror::Error;

const TENTH: Duration = Duration::from_millis(100);

/// Which value is out of its range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IntervalError {
    /// Outside 2 to 10.
    #[error("robustness is {0}; it must be 2 to 10")]
    Robustness(u8),
    /// Outside 1 s to 65535 s.
    #[error("query-interval is {0:?}; it must be 1s to 65535s")]
    QueryInterval(Duration),
    /// Outside 0.1 s to 25.5 s, or not whole tenths of a second.
    #[error("query-response-interval is {0:?}; it must be 100ms to 25500ms in steps of 100ms")]
    QueryResponseInterval(Duration),
    /// The answers to one query would run into the next (RFC 2236, section 8.3).
    #[error("query-response-interval is {response:?}; it must be below query-interval, {interval:?}")]
    ResponseNotBelowQuery {
        /// The Query Response Interval.
        response: Duration,
        /// The Query Interval.
        interval: Duration,
    },
    /// Outside 0.1 s to 25.5 s, or not whole tenths of a second.
    #[error("last-member-query-interval is {0:?}; it must be 100ms to 25500ms in steps of 100ms")]
    LastMemberQueryInterval(Duration),
    /// Outside 1 to 10.
    #[error("last-member-query-count is {0}; it must be 1 to 10")]
    LastMemberQueryCount(u8),
    /// Outside 1 s to 25 s.
    #[error("unsolicited-report-interval is {0:?}; it must be 1s to 25s")]
    UnsolicitedReportInterval(Duration),
}

/// Timers of the router side, towards clients. Every host and router of a link must agree on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterTimers {
    robustness: u8,
    query_interval: Duration,
    query_response_interval: Duration,
    last_member_query_interval: Duration,
    last_member_query_count: u8,
}

impl RouterTimers {
    /// Checks the values. `last_member_query_count` is the robustness variable where it is `None`.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn new(
        robustness: u8,
        query_interval: Duration,
        query_response_interval: Duration,
        last_member_query_interval: Duration,
        last_member_query_count: Option<u8>,
    ) -> Result<Self, IntervalError> {
        check_robustness(robustness)?;
        if !(Duration::from_secs(1)..=Duration::from_secs(65535)).contains(&query_interval) {
            return Err(IntervalError::QueryInterval(query_interval));
        }
        if tenths(query_response_interval).is_none() {
            return Err(IntervalError::QueryResponseInterval(query_response_interval));
        }
        if query_response_interval >= query_interval {
            return Err(IntervalError::ResponseNotBelowQuery {
                response: query_response_interval,
                interval: query_interval,
            });
        }
        if tenths(last_member_query_interval).is_none() {
            return Err(IntervalError::LastMemberQueryInterval(last_member_query_interval));
        }
        let last_member_query_count = last_member_query_count.unwrap_or(robustness);
        if !(1..=10).contains(&last_member_query_count) {
            return Err(IntervalError::LastMemberQueryCount(last_member_query_count));
        }
        Ok(Self {
            robustness,
            query_interval,
            query_response_interval,
            last_member_query_interval,
            last_member_query_count,
        })
    }

    /// Robustness Variable (8.1).
    pub const fn robustness(&self) -> u8 {
        self.robustness
    }

    /// Query Interval (8.2).
    pub const fn query_interval(&self) -> Duration {
        self.query_interval
    }

    /// Query Response Interval (8.3).
    pub const fn query_response_interval(&self) -> Duration {
        self.query_response_interval
    }

    /// Group Membership Interval (8.4): RV x QI + QRI.
    pub fn group_membership_interval(&self) -> Duration {
        self.query_interval * u32::from(self.robustness) + self.query_response_interval
    }

    /// Other Querier Present Interval (8.5): RV x QI + QRI / 2.
    pub fn other_querier_present_interval(&self) -> Duration {
        self.query_interval * u32::from(self.robustness) + self.query_response_interval / 2
    }

    /// Startup Query Interval (8.6): QI / 4.
    pub fn startup_query_interval(&self) -> Duration {
        self.query_interval / 4
    }

    /// Startup Query Count (8.7): RV.
    pub const fn startup_query_count(&self) -> u8 {
        self.robustness
    }

    /// Last Member Query Interval (8.8).
    pub const fn last_member_query_interval(&self) -> Duration {
        self.last_member_query_interval
    }

    /// Last Member Query Count (8.9).
    pub const fn last_member_query_count(&self) -> u8 {
        self.last_member_query_count
    }

    /// From a Leave to the end of forwarding without a report: LMQI x LMQC.
    pub fn last_member_query_time(&self) -> Duration {
        self.last_member_query_interval * u32::from(self.last_member_query_count)
    }

    /// The same for a link where version 1 is spoken: its queries stand for 10 s (RFC 2236, section 4).
    pub(crate) fn for_version_1(self) -> Self {
        Self { query_response_interval: HostTimers::VERSION_1_MAX_RESP, ..self }
    }

    /// Max Resp Time of a General Query, in tenths of a second.
    pub(crate) fn general_max_resp_ds(&self) -> u8 {
        tenths(self.query_response_interval).expect("checked by the constructor")
    }

    /// Max Resp Time of a group-specific query, in tenths of a second.
    pub(crate) fn specific_max_resp_ds(&self) -> u8 {
        tenths(self.last_member_query_interval).expect("checked by the constructor")
    }
}

impl Default for RouterTimers {
    /// The defaults of RFC 2236, section 8.
    fn default() -> Self {
        Self {
            robustness: 2,
            query_interval: Duration::from_secs(125),
            query_response_interval: Duration::from_secs(10),
            last_member_query_interval: Duration::from_secs(1),
            last_member_query_count: 2,
        }
    }
}

/// Timers of the host side, towards the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostTimers {
    robustness: u8,
    unsolicited_report_interval: Duration,
}

impl HostTimers {
    /// Max Resp Time that a version 1 query stands for (RFC 2236, section 4).
    pub const VERSION_1_MAX_RESP: Duration = Duration::from_secs(10);

    /// Version 1 Router Present Timeout (RFC 2236, section 8.11).
    pub const VERSION_1_ROUTER_PRESENT: Duration = Duration::from_secs(400);

    /// Checks the values.
    ///
    /// # Errors
    /// The first value outside its range.
    pub fn new(robustness: u8, unsolicited_report_interval: Duration) -> Result<Self, IntervalError> {
        check_robustness(robustness)?;
        if !(Duration::from_secs(1)..=Duration::from_secs(25)).contains(&unsolicited_report_interval) {
            return Err(IntervalError::UnsolicitedReportInterval(unsolicited_report_interval));
        }
        Ok(Self { robustness, unsolicited_report_interval })
    }

    /// Robustness Variable (8.1).
    pub const fn robustness(&self) -> u8 {
        self.robustness
    }

    /// Unsolicited Report Interval (8.10).
    pub const fn unsolicited_report_interval(&self) -> Duration {
        self.unsolicited_report_interval
    }

    /// How often the first report of a group is repeated: min(RV - 1, 2), as section 3 recommends.
    pub fn unsolicited_report_repeats(&self) -> u8 {
        self.robustness.saturating_sub(1).min(2)
    }
}

impl Default for HostTimers {
    /// The defaults of RFC 2236, section 8.
    fn default() -> Self {
        Self { robustness: 2, unsolicited_report_interval: Duration::from_secs(10) }
    }
}

fn check_robustness(robustness: u8) -> Result<(), IntervalError> {
    if (2..=10).contains(&robustness) { Ok(()) } else { Err(IntervalError::Robustness(robustness)) }
}

/// Whole tenths of a second, 1 to 255.
fn tenths(d: Duration) -> Option<u8> {
    let n = d.as_nanos() / TENTH.as_nanos();
    if d.as_nanos().is_multiple_of(TENTH.as_nanos()) { u8::try_from(n).ok().filter(|n| *n > 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;
    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn the_defaults_pass_their_own_checks_and_give_the_rfcs_derived_values() {
        let t = RouterTimers::default();
        assert_eq!(RouterTimers::new(2, S(125), S(10), S(1), None), Ok(t));
        assert_eq!(t.group_membership_interval(), S(260));
        assert_eq!(t.other_querier_present_interval(), S(255));
        assert_eq!(t.startup_query_interval(), MS(31_250));
        assert_eq!((t.startup_query_count(), t.last_member_query_count()), (2, 2));
        assert_eq!(t.last_member_query_time(), S(2));
        assert_eq!((t.general_max_resp_ds(), t.specific_max_resp_ds()), (100, 10));
        assert_eq!(HostTimers::new(2, S(10)), Ok(HostTimers::default()));
    }

    #[test]
    fn each_value_has_its_range() {
        let new = RouterTimers::new;
        for rv in [0, 1, 11, 255] {
            assert_eq!(new(rv, S(125), S(10), S(1), None), Err(IntervalError::Robustness(rv)));
            assert_eq!(HostTimers::new(rv, S(10)), Err(IntervalError::Robustness(rv)));
        }
        for qi in [Duration::ZERO, MS(999), S(65_536), Duration::MAX] {
            assert_eq!(new(2, qi, MS(100), S(1), None), Err(IntervalError::QueryInterval(qi)));
        }
        for tenth in [Duration::ZERO, MS(99), MS(150), MS(25_600), Duration::MAX] {
            assert_eq!(new(2, S(125), tenth, S(1), None), Err(IntervalError::QueryResponseInterval(tenth)));
            assert_eq!(
                new(2, S(125), S(10), tenth, None),
                Err(IntervalError::LastMemberQueryInterval(tenth))
            );
        }
        assert!(matches!(new(2, S(10), S(10), S(1), None), Err(IntervalError::ResponseNotBelowQuery { .. })));
        for count in [0, 11] {
            assert_eq!(
                new(2, S(125), S(10), S(1), Some(count)),
                Err(IntervalError::LastMemberQueryCount(count))
            );
        }
        for interval in [MS(999), MS(25_001)] {
            assert_eq!(HostTimers::new(2, interval), Err(IntervalError::UnsolicitedReportInterval(interval)));
        }
        assert!(new(10, S(65_535), MS(25_500), MS(100), Some(1)).is_ok());
    }

    #[test]
    fn repeats_are_one_or_two() {
        for (rv, repeats) in [(2, 1), (3, 2), (10, 2)] {
            assert_eq!(HostTimers::new(rv, S(10)).unwrap().unsolicited_report_repeats(), repeats);
        }
    }
}
