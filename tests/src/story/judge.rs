//! Judging what was on the wire. Pure: frames and times in, what was seen or what is wrong out.

use super::stage::{
    LAST_MEMBER_QUERY_COUNT, LAST_MEMBER_QUERY_INTERVAL, QUERY_INTERVAL, QUERY_RESPONSE_INTERVAL,
    UNSOLICITED_REPORT_INTERVAL,
};
use super::teller::count;
use lab::{ExpectedIgmp, Frame};
use std::sync::Arc;
use std::time::Duration;
use types::Time;

/// How late a deadline may be on the wire. The rules say 100 ms; a machine that is building something else at
/// the same time gets a little more.
pub(super) const LATE: Duration = Duration::from_millis(250);
/// How early: the source is silent for a millisecond between two datagrams, and sleeps late now and then.
pub(super) const EARLY: Duration = Duration::from_millis(20);

/// What was seen, or what is wrong.
pub(super) type Verdict = Result<String, String>;

/// There is nothing of it.
pub(super) fn none(frames: &[Arc<Frame>]) -> Verdict {
    match frames.first() {
        None => Ok("0 frames".to_owned()),
        Some(first) => Err(format!("{} seen, the first: {first}", count(frames.len()))),
    }
}

/// Every frame is exactly as expected, and there are so many.
pub(super) fn exactly(frames: &[Arc<Frame>], expected: &ExpectedIgmp, wanted: usize) -> Verdict {
    if frames.len() != wanted {
        return Err(format!("{} instead of {wanted}", frames.len()));
    }
    each(frames, expected)?;
    Ok(wanted.to_string())
}

fn each(frames: &[Arc<Frame>], expected: &ExpectedIgmp) -> Result<(), String> {
    for (i, frame) in frames.iter().enumerate() {
        expected.check(frame).map_err(|why| format!("number {}: {why}", i + 1))?;
    }
    Ok(())
}

/// Within `limit` of `start`, and not before it.
pub(super) fn soon(start: Time, at: Time, limit: Duration) -> Verdict {
    let passed = at.saturating_since(start);
    if at < start {
        Err(format!("{} before it was due", show(start.saturating_since(at))))
    } else if passed > limit {
        Err(format!("only after {}", show(passed)))
    } else {
        Ok(format!("after {}", show(passed)))
    }
}

/// A deadline `after` `start`, met neither early nor late.
pub(super) fn due(start: Time, at: Time, after: Duration) -> Verdict {
    let (passed, wanted) = (at.saturating_since(start), show(after));
    if passed + EARLY < after {
        Err(format!("already after {}, due after {wanted}", show(passed)))
    } else if passed > after + LATE {
        Err(format!("only after {}, due after {wanted}", show(passed)))
    } else {
        Ok(format!("after {}", show(passed)))
    }
}

/// Two frames of Manifold's own, `gap` apart; a late first makes the gap look short.
fn apart(first: Time, second: Time, gap: Duration) -> Result<(), String> {
    let passed = second.saturating_since(first);
    if passed.abs_diff(gap) <= LATE {
        Ok(())
    } else {
        Err(format!("{} after the one before instead of {}", show(passed), show(gap)))
    }
}

/// An unsolicited report and its one repetition within the Unsolicited Report Interval (RFC 2236, section 3;
/// r57, r58).
pub(super) fn unsolicited(reports: &[Arc<Frame>], expected: &ExpectedIgmp) -> Verdict {
    exactly(reports, expected, 2)?;
    soon(reports[0].at, reports[1].at, UNSOLICITED_REPORT_INTERVAL + LATE)
        .map(|when| format!("repeated once, {when}"))
}

/// General Queries from the start on: startup ones a quarter of the interval apart, then the interval (r17).
pub(super) fn general_queries(queries: &[Arc<Frame>], expected: &ExpectedIgmp) -> Verdict {
    each(queries, expected)?;
    for (i, pair) in queries.windows(2).enumerate() {
        let gap = if i == 0 { QUERY_INTERVAL / 4 } else { QUERY_INTERVAL };
        apart(pair[0].at, pair[1].at, gap).map_err(|why| format!("number {}: {why}", i + 2))?;
    }
    Ok(format!("{}, every {}", queries.len(), show(QUERY_INTERVAL)))
}

/// Every query from `since` on whose time for answers was over by `until` got an answer within it.
pub(super) fn answered(
    queries: &[Arc<Frame>],
    answers: &[Arc<Frame>],
    (since, until): (Time, Time),
) -> Verdict {
    let limit = QUERY_RESPONSE_INTERVAL + LATE;
    let mut asked = 0;
    for query in queries.iter().filter(|q| q.at >= since && q.at + limit <= until) {
        asked += 1;
        if !answers.iter().any(|a| a.at >= query.at && a.at <= query.at + limit) {
            return Err(format!("the query at {:?} was not", query.at));
        }
    }
    if asked < 2 { Err(format!("only {asked} were asked")) } else { Ok(format!("{asked} of {asked}")) }
}

/// After a Leave: the group-specific queries, the first at once, their interval apart, and no more (r38).
pub(super) fn last_member_queries(leave: Time, queries: &[Arc<Frame>], expected: &ExpectedIgmp) -> Verdict {
    exactly(queries, expected, LAST_MEMBER_QUERY_COUNT as usize)?;
    let first = soon(leave, queries[0].at, LATE)?;
    for pair in queries.windows(2) {
        apart(pair[0].at, pair[1].at, LAST_MEMBER_QUERY_INTERVAL)?;
    }
    Ok(format!("{}, the first {first}, {} apart", queries.len(), show(LAST_MEMBER_QUERY_INTERVAL)))
}

/// A duration in the unit that reads best.
pub(super) fn show(d: Duration) -> String {
    let seconds = d.as_secs_f64();
    if seconds >= 1.0 {
        format!("{seconds:.2} s")
    } else if seconds >= 0.001 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{:.0} µs", seconds * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use types::{GroupAddr, MacAddr};

    const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

    fn query() -> ExpectedIgmp {
        ExpectedIgmp {
            kind: 0x11,
            code: 10,
            group: Ipv4Addr::UNSPECIFIED,
            destination: GroupAddr::ALL_SYSTEMS,
            source: Ipv4Addr::new(10, 1, 0, 1),
            source_mac: ROUTER,
        }
    }

    fn at(seconds: f64) -> Time {
        Time::ZERO + Duration::from_secs_f64(seconds)
    }

    /// General queries at these seconds, as RFC 2236 wants them.
    fn queries(times: &[f64]) -> Vec<Arc<Frame>> {
        let mut bytes = vec![1, 0, 0x5e, 0, 0, 1, 2, 0, 0, 0, 0, 1, 8, 0];
        // Header checksum over 46c0 0020 0000 4000 0102 0000 0a01 0001 e000 0001 9404 0000.
        bytes.extend([
            0x46, 0xc0, 0, 32, 0, 0, 0x40, 0, 1, 2, 0xfa, 0x14, 10, 1, 0, 1, 224, 0, 0, 1, 0x94, 4, 0, 0,
        ]);
        bytes.extend([0x11, 10, 0xee, 0xf5, 0, 0, 0, 0]);
        times.iter().map(|&t| Arc::new(Frame::parse(at(t), &bytes, 96).unwrap())).collect()
    }

    #[test]
    fn r17_startup_and_periodic_queries_have_their_times() {
        assert!(general_queries(&queries(&[10.03, 11.0, 15.02, 19.0]), &query()).is_ok());
        for wrong in [&[10.0, 14.0][..], &[10.0, 11.0, 14.0], &[10.0, 11.0, 15.0, 23.0], &[10.0, 10.5, 11.0]]
        {
            assert!(general_queries(&queries(wrong), &query()).is_err(), "{wrong:?}");
        }
        let other = ExpectedIgmp { code: 100, ..query() };
        assert!(general_queries(&queries(&[10.0, 11.0]), &other).unwrap_err().contains("max resp time"));
    }

    #[test]
    fn r38_last_member_queries_are_two_the_first_at_once() {
        let verdict = |times| last_member_queries(at(5.0), &queries(times), &query());
        assert!(verdict(&[5.001, 6.0]).is_ok());
        for wrong in [&[5.0][..], &[5.0, 6.0, 7.0], &[5.5, 6.5], &[5.0, 5.5], &[5.0, 7.0], &[4.9, 5.9]] {
            assert!(verdict(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn r58_the_first_report_is_repeated_once_within_the_interval() {
        assert!(unsolicited(&queries(&[1.0, 1.7]), &query()).is_ok());
        for wrong in [&[1.0][..], &[1.0, 1.5, 1.9], &[1.0, 2.5]] {
            assert!(unsolicited(&queries(wrong), &query()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn each_query_needs_an_answer_in_its_time() {
        let (asked, span) = (queries(&[1.0, 5.0, 9.0]), (at(0.0), at(9.5)));
        assert_eq!(
            answered(&asked, &queries(&[1.9, 5.5]), span),
            Ok("2 of 2".to_owned()),
            "the third is open"
        );
        assert!(answered(&asked, &queries(&[1.9]), span).is_err());
        assert!(answered(&asked, &queries(&[1.9, 6.5]), span).is_err());
        assert!(answered(&asked, &queries(&[1.9, 5.5]), (at(2.0), at(9.5))).is_err(), "one is too few");
    }

    #[test]
    fn deadlines_are_neither_early_nor_late() {
        let nine = Duration::from_secs(9);
        assert!(due(at(1.0), at(10.0), nine).is_ok());
        assert!(due(at(1.0), at(9.9), nine).unwrap_err().starts_with("already"));
        assert!(due(at(1.0), at(10.4), nine).unwrap_err().starts_with("only"));
        assert!(soon(at(1.0), at(0.9), nine).is_err());
        assert!(none(&[]).is_ok() && none(&queries(&[1.0])).is_err());
    }

    #[test]
    fn durations_read_well() {
        assert_eq!(show(Duration::from_micros(42)), "42 µs");
        assert_eq!(show(Duration::from_micros(1_250)), "1.2 ms");
        assert_eq!(show(Duration::from_millis(9_004)), "9.00 s");
    }
}
