//! Durations as text with a unit: "125s", "100ms", "1.5s", "2min".

use std::time::Duration;

const UNITS: &[(&str, u64)] =
    &[("ms", 1_000_000), ("s", 1_000_000_000), ("min", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Reads a decimal number and a unit (ms, s, min, h), exactly: no floating point.
pub(crate) fn parse(text: &str) -> Result<Duration, &'static str> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = (&text[..digits], text[digits..].trim_start());
    if number.is_empty() {
        return Err("no number");
    }
    if unit.is_empty() {
        return Err("no unit");
    }
    let &(_, nanos) = UNITS.iter().find(|(name, _)| *name == unit).ok_or("the units are ms, s, min and h")?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let bad = "not a number";
    if whole.is_empty() || fraction.contains('.') || (number.contains('.') && fraction.is_empty()) {
        return Err(bad);
    }
    let mut total = whole.parse::<u64>().ok().and_then(|n| n.checked_mul(nanos)).ok_or("too large")?;
    let mut place = nanos;
    for digit in fraction.bytes() {
        if !place.is_multiple_of(10) {
            return Err("finer than a nanosecond");
        }
        place /= 10;
        total = total.checked_add(u64::from(digit - b'0') * place).ok_or("too large")?;
    }
    Ok(Duration::from_nanos(total))
}

/// Writes a duration the way [`parse`] reads it, in seconds, or milliseconds below a tenth.
pub(crate) fn show(duration: Duration) -> String {
    if duration < Duration::from_millis(100) && !duration.is_zero() {
        format!("{}ms", duration.as_secs_f64() * 1e3)
    } else {
        format!("{}s", duration.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_exactly() {
        for (text, ms) in [("125s", 125_000), ("100ms", 100), ("31.25s", 31_250), ("2min", 120_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(parse("1 h"), Ok(Duration::from_secs(3600)));
        assert_eq!(parse("0.1s"), Ok(Duration::from_millis(100)));
    }

    #[test]
    fn what_is_no_duration_is_refused_with_the_reason() {
        for (text, why) in [
            ("", "no number"),
            ("s", "no number"),
            ("-1s", "no number"),
            ("10", "no unit"),
            ("10 parsecs", "the units are ms, s, min and h"),
            ("1.2.3s", "not a number"),
            (".s", "not a number"),
            ("1.s", "not a number"),
            (".5s", "not a number"),
            ("99999999999999999999s", "too large"),
            ("18446744073h", "too large"),
            ("0.0000000001s", "finer than a nanosecond"),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
    }

    #[test]
    fn what_is_shown_reads_back() {
        for ms in [1, 50, 100, 1_000, 31_250, 65_535_000] {
            let duration = Duration::from_millis(ms);
            assert_eq!(parse(&show(duration)), Ok(duration));
        }
    }
}
