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

/// What a value means that, for all the machine can tell, is anywhere between these `ends`: what `means` says of both, or
/// nothing.
pub(crate) fn between(ends: [f64; 2], means: impl Fn(f64) -> Verdict) -> Verdict {
    let [one, other] = ends.map(means);
    if one == other { one } else { Verdict::TooNoisy }
}

/// How far a ratio may be from what it seems to be where the same by itself came to `itself`: not at all within `band` in
/// the median, else as far as in its worst round.
pub(crate) fn farthest(itself: Spread, band: &Band) -> f64 {
    if band.contains(&itself.median) { 1.0 } else { itself.max.max(1.0 / itself.min) }
}

/// What a value means where the machine by itself came to values that are `apart`: less than `margin` is nothing; what is more
/// could be in the value, either way.
pub(crate) fn judge_apart(aim: Aim, value: f64, apart: f64, margin: f64) -> Verdict {
    let farthest = if apart <= margin { 0.0 } else { apart };
    between([value - farthest, value + farthest], |value| Aim::verdict(Some(aim), value))
}

/// What a ratio means where the peer came to `itself` by itself: outside `band` in the median it means nothing, unless even
/// the farthest that the peer was from itself in a round would not bring it to the other side of the aim.
pub(crate) fn judge(aim: Option<Aim>, ratio: f64, itself: Spread, band: &Band) -> Verdict {
    if aim.is_none() && !band.contains(&itself.median) {
        return Verdict::TooNoisy;
    }
    let farthest = farthest(itself, band);
    between([ratio / farthest, ratio * farthest], |ratio| Aim::verdict(aim, ratio))
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

    #[test]
    fn a_difference_matters_where_it_could_change_the_verdict() {
        let of = |value, apart| judge_apart(Aim::AtMost(100.0), value, apart, 10.0);
        use Verdict::{Missed, Reached, TooNoisy};
        assert_eq!([of(100.0, 10.0), of(101.0, 10.0)], [Reached, Missed], "within the margin");
        assert_eq!([of(89.0, 11.0), of(90.0, 11.0)], [Reached, TooNoisy]);
        assert_eq!([of(111.0, 11.0), of(112.0, 11.0)], [TooNoisy, Missed]);
        assert_eq!([of(99.0, 9_000.0), of(9_200.0, 9_000.0)], [TooNoisy, Missed]);
    }
}
