//! b13: a round of Manifold beside hosts that ask, in slices within one process.
//!
//! The hosts' senders send in each slice of a trial: to Manifold, or to nobody. What a sender costs the machine is in both
//! sides of the figure, and what its reports cost Manifold in one. In slices besides nobody sends at all.

use std::time::Duration;

use lab::stop;

use super::{Manifold, Running};
use crate::error::BenchError;
use crate::reports::{Asked, Listener, Reports};
use crate::side::{Amount, Trial, Work};
use crate::slices::{self, Slice};
use crate::stats::Spread;

/// How long a slice is counted.
const SLICE: Duration = Duration::from_millis(50);
/// Hosts ask for so long before frames are counted, and about as long after it: orders and counters may be late.
const MARGIN: Duration = Duration::from_millis(15);
/// Who listens, over and over: the trials in their order, and in the middle a turn in which nobody asks.
const TURNS: [Option<Listener>; 5] =
    [Some(Listener::Nobody), Some(Listener::Ours), None, Some(Listener::Ours), Some(Listener::Nobody)];

/// Slices of a turn.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    counted: Slice,
    asked: Asked,
}

impl Manifold {
    /// Runs a round with `per_second` reports a second: trials beside hosts that nobody hears, that are heard, heard, and not
    /// heard; and its rate where nobody asks by that where nobody is heard.
    ///
    /// # Errors
    /// It does not start or end, does not answer, or lost a frame of the data.
    pub(crate) fn mixed_round(&self, work: &Work, per_second: u32) -> Result<([Trial; 4], f64), BenchError> {
        let hosts = work.hosts.as_deref();
        let hosts = hosts.ok_or_else(|| BenchError::machine("there are no hosts", "report it"))?;
        let mut running = Running::start(&self.program, work, Amount::Endless)?;
        let telemetry = running.side.telemetry()?;
        slices::wait_for_traffic(&mut running.side, &telemetry)?;
        let mut senders = hosts.senders(work.cores.main)?;
        let (known, dropped) = (running.reports()?, running.sample(work)?.dropped);
        let mut slice = |listener: Option<Listener>| {
            let counted = || {
                stop::pause(MARGIN)?;
                slices::count(&running.side, &telemetry, SLICE)
            };
            let length = SLICE + 2 * MARGIN;
            match listener {
                Some(listener) => senders.ask(listener, per_second, length, counted),
                None => counted().map(|counted| (counted, Asked::default())),
            }
        };
        // The first reports make members, the others are of members.
        let (_, mut asked) = slice(Some(Listener::Ours))?;
        let mut sums = [Sum::default(); TURNS.len()];
        for _ in 0..slices::number(work.window * 7 / 10, SLICE) {
            for (sum, listener) in sums.iter_mut().zip(TURNS) {
                let (counted, more) = slice(listener)?;
                sum.counted.add(counted);
                sum.asked.add(more);
            }
        }
        [sums[1], sums[3]].iter().for_each(|sum| asked.add(sum.asked));
        let reports = running.settled_reports(asked.count, known)?;
        if running.sample(work)?.dropped > dropped {
            return Err(BenchError::delivery(super::NAME, "frames or copies of the data were dropped"));
        }
        running.count_to_the_frame(work)?;
        running.end()?;
        Ok(evaluate(&sums, work.fan_out, reports))
    }
}

fn evaluate(sums: &[Sum; TURNS.len()], fan_out: usize, reports: Reports) -> ([Trial; 4], f64) {
    let trial = |sum: Sum| Trial { held_up: sum.asked.held_up(), ..sum.counted.trial(fan_out as f64) };
    let [first, one, quiet, other, last] = sums.map(trial);
    // Those of both trials: they are told in one.
    let one = Trial { reports: Some(reports), ..one };
    let unheard = f64::midpoint(first.copies_per_s, last.copies_per_s);
    ([first, one, other, last], quiet.copies_per_s / unheard)
}

/// What is to be said of rounds in which Manifold came to so much more, or less, where nobody asks.
pub(crate) fn notes(quiet: &[f64]) -> Vec<String> {
    let told = |Spread { min, median, max }| {
        format!(
            "hosts that nobody hears send beside the peer; without a sender on the other core the rate is {median:.3} \
             ({min:.3}-{max:.3}) times as high"
        )
    };
    Spread::of(quiet.iter().copied()).map(told).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_has_trials_with_reports_and_without() {
        let of = |frames, took_ms| Sum {
            counted: Slice { frames, length: Duration::from_secs(1), waited_s: None },
            asked: Asked { count: 1, took: Duration::from_millis(took_ms), planned: Duration::from_secs(1) },
        };
        let mut sums = [of(900, 1000), of(950, 1010), of(1020, 0), of(960, 1020), of(1100, 1000)];
        sums[2].asked = Asked::default();
        let reports = Reports { sent: 2, taken: 2, ..Reports::default() };
        let (trials, quiet) = evaluate(&sums, 4, reports);
        assert_eq!(trials.map(|trial| trial.copies_per_s), [3600.0, 3800.0, 3840.0, 4400.0]);
        assert_eq!(trials.map(|trial| trial.held_up), [Some(1.0), Some(1.01), Some(1.02), Some(1.0)]);
        assert_eq!(trials.map(|trial| trial.reports), [None, Some(reports), None, None]);
        assert_eq!(quiet, 1.02);
        assert!(notes(&[quiet])[0].ends_with("is 1.020 (1.020-1.020) times as high"));
        assert!(notes(&[]).is_empty());
    }
}
