//! How far apart two measurements of the same may be: outside, the machine could not tell.

use std::ops::RangeInclusive;

use crate::aim::{Aim, Verdict};
use crate::stats::Spread;

/// One by the other.
pub(crate) type Band = RangeInclusive<f64>;

/// Rates.
pub(crate) const RATES: Band = 0.97..=1.03;
/// Percentiles of delays, each the median of a trial's parts: no wider than what b12 asks about.
pub(crate) const PARTS: Band = 1.0 / 1.2..=1.2;
/// The middle of a few thousand delays, and their tail of which there are few.
const MIDDLE: Band = 0.8..=1.25;
const TAIL: Band = 0.5..=2.0;

/// That of the percentile `percent` of a few thousand delays.
pub(crate) fn of_percentile(percent: f64) -> Band {
    if percent < 90.0 { MIDDLE } else { TAIL }
}

/// What a ratio means where the peer came to `itself` by itself: outside `band` in the median it means nothing, unless even
/// the farthest that the peer was from itself in a round would not bring it to the other side of the aim.
pub(crate) fn judge(aim: Option<Aim>, ratio: f64, itself: Spread, band: &Band) -> Verdict {
    let is_quiet = band.contains(&itself.median);
    let Some(aim) = aim else {
        return if is_quiet { Verdict::NoAim } else { Verdict::TooNoisy };
    };
    let farthest = if is_quiet { 1.0 } else { itself.max.max(1.0 / itself.min) };
    match [ratio * farthest, ratio / farthest].map(|ratio| aim.is_reached(ratio)) {
        [true, true] => Verdict::Reached,
        [false, false] => Verdict::Missed,
        [true, false] | [false, true] => Verdict::TooNoisy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_matters_where_it_could_change_the_verdict() {
        let of = |median, ratio| {
            let itself = Spread { min: 0.8, median, max: 1.1 };
            [Aim::AtLeast(0.9), Aim::AtMost(0.9)].map(|aim| judge(Some(aim), ratio, itself, &RATES))
        };
        use Verdict::{Missed, Reached, TooNoisy};
        assert_eq!(of(1.0, 0.91), [Reached, Missed], "the peer was equal to itself");
        assert_eq!(of(1.0, 0.89), [Missed, Reached]);
        assert_eq!(of(0.96, 1.12), [TooNoisy, TooNoisy], "a quarter less would be 0.896");
        assert_eq!(of(0.96, 1.13), [Reached, Missed]);
        assert_eq!(of(1.04, 0.73), [TooNoisy, TooNoisy], "a quarter more would be 0.9125");
        assert_eq!(of(1.04, 0.71), [Missed, Reached]);
        let itself = Spread { min: 1.0, median: 1.04, max: 1.1 };
        assert_eq!(judge(None, 1.0, itself, &RATES), TooNoisy);
        assert_eq!(judge(None, 1.0, Spread { median: 1.0, ..itself }, &RATES), Verdict::NoAim);
    }
}
