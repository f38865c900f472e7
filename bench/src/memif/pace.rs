//! When the next frames are due.

/// What was due while nobody was there to send it, and is still sent, is at most so much: a quarter of what the
/// provider's link holds.
pub(super) const MOST_AT_ONCE: u64 = 256;

/// A pace. Its clock is the time stamp counter.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    begin: u64,
    hz: u64,
    per_second: u64,
    /// Sent or skipped.
    done: u64,
    skipped: u64,
}

impl Pace {
    /// From `begin` on `per_second` a second, by a clock of `hz`.
    pub(super) fn new(begin: u64, hz: u64, per_second: u32) -> Self {
        Self { begin, hz, per_second: per_second.into(), done: 0, skipped: 0 }
    }

    /// How many are due now, and not sent yet; what is too old is skipped.
    #[inline]
    pub(super) fn due(&mut self, now: u64) -> u64 {
        // Hours at millions a second are far below what a u128 holds; a u64 holds minutes.
        let all =
            u128::from(now.saturating_sub(self.begin)) * u128::from(self.per_second) / u128::from(self.hz);
        let due = (all as u64).saturating_sub(self.done);
        let skipped = due.saturating_sub(MOST_AT_ONCE);
        self.done += skipped;
        self.skipped += skipped;
        due - skipped
    }

    /// So many were sent.
    #[inline]
    pub(super) fn sent(&mut self, count: u64) {
        self.done += count;
    }

    /// What was too old to be sent.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_due_by_the_clock() {
        let mut pace = Pace::new(1_000, 1_000_000, 10_000);
        assert_eq!([0, 1_000, 1_099].map(|now| pace.due(now)), [0; 3]);
        assert_eq!(pace.due(1_250), 2);
        pace.sent(1);
        assert_eq!((pace.due(1_250), pace.due(1_300)), (1, 2));
    }

    #[test]
    fn what_is_too_old_is_skipped_and_the_pace_goes_on() {
        let mut pace = Pace::new(0, 1_000, 1_000);
        assert_eq!(pace.due(1_000), MOST_AT_ONCE);
        assert_eq!(pace.skipped(), 1_000 - MOST_AT_ONCE);
        pace.sent(MOST_AT_ONCE);
        assert_eq!((pace.due(1_000), pace.due(1_003)), (0, 3));
    }

    #[test]
    fn an_hour_at_full_pace_fits() {
        let mut pace = Pace::new(0, 3_000_000_000, 3_000_000);
        assert_eq!(pace.due(3_000_000_000 * 3_600), MOST_AT_ONCE);
        assert_eq!(pace.skipped() + MOST_AT_ONCE, 3_000_000 * 3_600);
    }
}
