//! How far apart two measurements of the same may be: outside, the machine could not tell.

use std::ops::RangeInclusive;

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

/// The first trial of a side by its last in the round of that number, upside down in every other round: an even drift falls
/// out of the median.
pub(crate) fn by_itself(number: usize, first: f64, last: f64) -> f64 {
    if number.is_multiple_of(2) { first / last } else { last / first }
}
