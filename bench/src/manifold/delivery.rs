//! That what it counts is what its drivers took, to the frame; and how it takes part in a round in slices.

use std::time::{Duration, Instant};

use api::Request;
use lab::stop;

use super::{Manifold, NAME, Running, Sample};
use crate::error::BenchError;
use crate::figures::Source;
use crate::side::{Amount, Side, Work};
use crate::slices::Forwards;
use crate::telemetry::Telemetry;

/// While switched off, counters that did not move for so long will not: passes are shorter by far.
const STANDING: Duration = Duration::from_millis(20);
/// The kernel may keep a worker from its core in the middle of a pass: what is missing then is there so much later.
const IN_THE_MIDDLE: Duration = Duration::from_secs(5);
/// Frames that a driver has given and the worker has not counted yet.
const IN_HAND: u64 = forwarding::BURST as u64;

impl Manifold {
    /// Starts it for a round in slices.
    ///
    /// # Errors
    /// It does not start, or does not answer.
    pub(crate) fn forwards(&self, work: &Work) -> Result<Box<dyn Forwards>, BenchError> {
        let mut running = self.run(work)?;
        let telemetry = running.side.telemetry()?;
        let first = running.sample(work)?;
        Ok(Box::new(Endless { running, telemetry, first }))
    }
}

/// One whose source has no end.
struct Endless {
    running: Running,
    telemetry: Telemetry,
    first: Sample,
}

impl Forwards for Endless {
    fn parts(&mut self) -> (&mut Side, &Telemetry) {
        (&mut self.running.side, &self.telemetry)
    }

    /// Nothing was dropped since all members were there, and every sink got what was forwarded, to the frame.
    fn finish(mut self: Box<Self>, work: &Work) -> Result<(), BenchError> {
        let dropped = self.running.sample(work)?.dropped - self.first.dropped;
        if dropped > 0 {
            return Err(BenchError::delivery(NAME, format!("{dropped} frames or copies were dropped")));
        }
        self.running.count_to_the_frame(work)?;
        self.running.end()
    }
}

impl Running {
    /// Switches it off, so that nothing is forwarded any more, and checks that each sink got every frame that was
    /// forwarded since the start, by its own counters and by its drivers'.
    ///
    /// # Errors
    /// A copy is missing or came twice, counters differ, or it does not answer.
    pub(crate) fn count_to_the_frame(&mut self, work: &Work) -> Result<(), BenchError> {
        let telemetry = self.side.telemetry()?;
        self.client.change(&Request::Disable).map_err(|e| self.side.error(e.to_string()))?;
        let give_up = Instant::now() + IN_THE_MIDDLE;
        loop {
            let last = self.sample(work)?;
            stop::pause(STANDING)?;
            let before = self.sample(work)?;
            let moved = telemetry.moved(work.fan_out)?;
            let after = self.sample(work)?;
            let checked = match last.is_where(&before) && before.is_where(&after) {
                true => check_whole(&after, &work.copies(after.forwarded)).and_then(|()| {
                    check_drivers(&moved, work.counted_by_driver(Amount::Endless), [&before, &after])
                }),
                false => Err(self.side.error("still forwards while switched off")),
            };
            if checked.is_ok() || Instant::now() > give_up {
                return checked;
            }
        }
    }

    /// What its drivers count once a counted number of frames went through, which is what `end` has.
    ///
    /// # Errors
    /// They differ, or it does not answer.
    pub(super) fn check_counted(&mut self, work: &Work, end: &Sample) -> Result<(), BenchError> {
        let moved = self.side.telemetry()?.moved(work.fan_out)?;
        check_drivers(&moved, work.counted_by_driver(Amount::Counted), [end, end])
    }
}

/// What a driver's count of received frames says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Received {
    /// What the worker received, to the frame.
    Exactly,
    /// The same, but that frames still come while both are read.
    Meanwhile,
    /// That and what [`stamp`](crate::stamp) took away, until the data began and after its end.
    More,
}

impl Work {
    fn counted_by_driver(&self, amount: Amount) -> Received {
        match (self.source, amount) {
            (Source::Pcap, Amount::Counted) => Received::Exactly,
            (Source::Pcap, Amount::Endless) => Received::Meanwhile,
            (Source::Stamped | Source::Memory | Source::Wire, _) => Received::More,
        }
    }
}

impl Sample {
    /// Whether nothing left between the two.
    fn is_where(&self, other: &Self) -> bool {
        (self.forwarded, &self.sent) == (other.forwarded, &other.sent)
    }
}

/// While nothing leaves, each sink got what it is `due` of what was forwarded.
pub(super) fn check_whole(still: &Sample, due: &[u64]) -> Result<(), BenchError> {
    let Sample { forwarded, copies, .. } = still;
    if *forwarded > 0 && copies == due {
        return Ok(());
    }
    Err(BenchError::delivery(
        NAME,
        format!("in all {forwarded} frames were forwarded, the sinks got {copies:?} of {due:?}"),
    ))
}

/// `moved` is what the source's driver received and each sink's took, counted between the two samples, between which
/// nothing left.
fn check_drivers(moved: &[u64], received: Received, [before, after]: [&Sample; 2]) -> Result<(), BenchError> {
    let as_received = |came: u64| match received {
        Received::Exactly => came == after.received,
        Received::Meanwhile => (before.received..=after.received + IN_HAND).contains(&came),
        Received::More => came >= before.received,
    };
    match moved {
        [came, sinks @ ..] if as_received(*came) && *sinks == after.sent => Ok(()),
        _ => Err(BenchError::delivery(
            NAME,
            format!(
                "it counts {} to {} frames received and {:?} sent; its drivers, source first, {moved:?}",
                before.received, after.received, after.sent
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_frame_is_missed_once_all_stands_still() {
        let still = |copies| check_whole(&Sample::new(1_000_000, copies, 0), &[1_000_000; 2]);
        assert!(still(vec![1_000_000, 1_000_000]).is_ok());
        for bad in [[1_000_000, 999_999], [1_000_001, 1_000_000]] {
            assert!(still(bad.to_vec()).is_err());
        }
    }

    #[test]
    fn what_its_drivers_took_is_what_it_counts() {
        let (before, after) = (Sample::new(100, vec![100, 100], 0), Sample::new(200, vec![100, 100], 0));
        let check = |moved: [u64; 3], received| check_drivers(&moved, received, [&before, &after]).is_ok();
        assert!(check([200, 100, 100], Received::Exactly));
        assert!(!check([201, 100, 100], Received::Exactly) && !check([199, 100, 100], Received::Exactly));
        assert!(check([100, 100, 100], Received::Meanwhile) && check([232, 100, 100], Received::Meanwhile));
        assert!(!check([99, 100, 100], Received::Meanwhile) && !check([233, 100, 100], Received::Meanwhile));
        assert!(check([999, 100, 100], Received::More) && check([100, 100, 100], Received::More));
        assert!(!check([99, 100, 100], Received::More));
        for sinks in [[99, 100], [100, 101]] {
            assert!(!check([200, sinks[0], sinks[1]], Received::Exactly), "a sink's driver differs");
        }
        assert!(check_drivers(&[200, 100], Received::Exactly, [&before, &after]).is_err(), "one is missing");
    }
}
