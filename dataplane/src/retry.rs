//! When a port that waits is tried again, and when it is told that it still fails.

use std::time::{Duration, Instant};

/// Before the first try after a failure; each that fails doubles it.
const SHORTEST: Duration = Duration::from_secs(2);
/// Between two tries at most.
const LONGEST: Duration = Duration::from_secs(60);
/// How often it is told that nothing has changed.
const TOLD_AGAIN: Duration = Duration::from_secs(3600);

/// The tries of one port. A fresh one is due.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Retry {
    /// When it failed last, and how long it waits from then on.
    failed: Option<(Instant, Duration)>,
    /// When a failure was told last, and how often it was not told since.
    told: Option<(Instant, u32)>,
}

impl Retry {
    /// Whether it is time for a try.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        self.failed.is_none_or(|(at, wait)| now.saturating_duration_since(at) >= wait)
    }

    /// A try failed: the next one comes later than this one did.
    pub(crate) fn fail(&mut self, now: Instant) {
        let wait = self.failed.map_or(SHORTEST, |(_, wait)| (2 * wait).clamp(SHORTEST, LONGEST));
        self.failed = Some((now, wait));
    }

    /// Something of its interface changed, which may have cured it. The try may itself have caused the change, as where
    /// a NIC's carrier goes for a moment: not at once, therefore, if it failed just now.
    pub(crate) fn hurry(&mut self) {
        if let Some((_, wait)) = &mut self.failed {
            *wait = SHORTEST;
        }
    }

    /// Somebody changed settings, which may have cured it.
    pub(crate) fn try_at_once(&mut self) {
        if let Some((_, wait)) = &mut self.failed {
            *wait = Duration::ZERO;
        }
    }

    /// Whether a failure is to be told, `is_new` or once more: how often the same was not.
    pub(crate) fn tell(&mut self, now: Instant, is_new: bool) -> Option<u32> {
        match &mut self.told {
            Some((at, silent)) if !is_new && now.saturating_duration_since(*at) < TOLD_AGAIN => {
                *silent = silent.saturating_add(1);
                None
            }
            told => {
                let silent = told.filter(|_| !is_new).map_or(0, |(_, silent)| silent);
                *told = Some((now, 0));
                Some(silent)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Seconds from each failure to the next try, of so many.
    fn waits(retry: &mut Retry, now: &mut Instant, tries: usize) -> Vec<u64> {
        let mut wait = |_| {
            retry.fail(*now);
            let began = *now;
            while !retry.is_due(*now) {
                *now += seconds(1);
            }
            (*now - began).as_secs()
        };
        (0..tries).map(&mut wait).collect()
    }

    #[test]
    fn each_try_that_fails_waits_longer_up_to_a_minute() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        assert!(retry.is_due(now));
        assert_eq!(waits(&mut retry, &mut now, 8), [2, 4, 8, 16, 32, 60, 60, 60]);
        // Of an hour that nothing happens in.
        assert!(retry.is_due(now + seconds(3600)));
    }

    #[test]
    fn a_change_brings_the_next_try_forward_and_begins_anew() {
        let (mut retry, mut now) = (Retry::default(), Instant::now());
        waits(&mut retry, &mut now, 6);
        retry.fail(now);
        retry.hurry();
        assert!(!retry.is_due(now + seconds(1)), "the try itself may have been the change");
        assert!(retry.is_due(now + seconds(2)));
        now += seconds(2);
        assert_eq!(waits(&mut retry, &mut now, 3), [4, 8, 16]);
        retry.fail(now);
        retry.try_at_once();
        assert!(retry.is_due(now));
        assert_eq!(waits(&mut retry, &mut now, 3), [2, 4, 8]);
        // Nothing to bring forward.
        let mut fresh = Retry::default();
        fresh.hurry();
        fresh.try_at_once();
        assert_eq!(fresh, Retry::default());
    }

    #[test]
    fn the_same_failure_is_told_once_an_hour_with_how_often_it_was_not() {
        let (mut retry, now) = (Retry::default(), Instant::now());
        assert_eq!(retry.tell(now, true), Some(0));
        for minute in 1..60 {
            assert_eq!(retry.tell(now + seconds(60 * minute), false), None);
        }
        assert_eq!(retry.tell(now + seconds(3600), false), Some(59));
        assert_eq!(retry.tell(now + seconds(3660), false), None);
        assert_eq!(retry.tell(now + seconds(3661), true), Some(0), "another one is told at once");
        assert_eq!(retry.tell(now + seconds(7260), false), None);
        assert_eq!(retry.tell(now + seconds(7261), false), Some(1));
    }
}
