//! How many reports a second the host side sends, and settings that make that too many (r72, r73).

use core::time::Duration;
use thiserror::Error;

use crate::HostTimers;

/// Settings that bring more reports at a time than a provider's access node can be expected to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum PaceDoubt {
    /// A new link has all groups reported within the Unsolicited Report Interval.
    #[error(
        "{groups} groups reported anew within {within:?} are up to {per_second} reports a second; above {} a \
         second some may be lost: raise unsolicited-report-interval, or allow fewer groups",
        HostTimers::REPORTS_PER_SECOND
    )]
    Rate {
        /// The most groups that can be joined.
        groups: u32,
        /// The Unsolicited Report Interval.
        within: Duration,
        /// Reports in the fullest second.
        per_second: u64,
    },
    /// The groups would be reported anew before those of the last time are all out.
    #[error(
        "re-report-interval is {interval:?}; reporting all groups takes unsolicited-report-interval, \
         {within:?}, so that is the interval in force"
    )]
    ReReport {
        /// The settings' interval.
        interval: Duration,
        /// The Unsolicited Report Interval.
        within: Duration,
    },
}

impl HostTimers {
    /// Reports a second that a provider's side should take without losing any.
    pub const REPORTS_PER_SECOND: u64 = 10_000;

    /// Reports in the fullest second, at most, when each of `groups` groups is reported after its own random
    /// delay within `within`: twice the mean (r72).
    pub fn peak_reports(groups: u32, within: Duration) -> u64 {
        let all = 2 * u128::from(groups);
        let a_second = (all * 1_000_000_000).div_ceil(within.as_nanos().max(1));
        u64::try_from(a_second.min(all)).unwrap_or(u64::MAX)
    }

    /// What is doubtful about these timers with up to `groups` joined groups and the settings' re-report
    /// interval: for a warning when the settings are read.
    pub fn doubts(
        &self,
        groups: u32,
        re_report_interval: Option<Duration>,
    ) -> impl Iterator<Item = PaceDoubt> {
        let within = self.unsolicited_report_interval();
        let per_second = Self::peak_reports(groups, within);
        let rate =
            (per_second > Self::REPORTS_PER_SECOND).then_some(PaceDoubt::Rate { groups, within, per_second });
        let re_report = re_report_interval
            .filter(|interval| *interval < within)
            .map(|interval| PaceDoubt::ReReport { interval, within });
        rate.into_iter().chain(re_report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: fn(u64) -> Duration = Duration::from_secs;

    #[test]
    fn r72_settings_that_cannot_hold_the_pace_are_told() {
        let timers = HostTimers::default();
        assert_eq!(HostTimers::peak_reports(1000, S(10)), 200);
        assert_eq!(
            HostTimers::peak_reports(1000, Duration::from_millis(100)),
            2000,
            "no more than there are"
        );
        assert_eq!(HostTimers::peak_reports(3, Duration::ZERO), 6);
        assert_eq!(timers.doubts(50_000, None).count(), 0);
        assert_eq!(timers.doubts(50_000, Some(S(10))).count(), 0);
        let doubts: Vec<_> = timers.doubts(50_001, Some(S(9))).collect();
        let (within, interval) = (S(10), S(9));
        assert_eq!(doubts[0], PaceDoubt::Rate { groups: 50_001, within, per_second: 10_001 });
        assert_eq!(doubts[1], PaceDoubt::ReReport { interval, within });
        assert!(doubts[0].to_string().contains("above 10000 a second"), "{}", doubts[0]);
    }
}
