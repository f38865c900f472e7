//! A round in slices: both sides are there, and one is halted while the other forwards for a tenth of a second.
//!
//! The machine's rate drifts, and it stands still at times. What comes and goes within seconds is in one trial and not in
//! the next where each is a second by itself; so the trials of a round are made of slices that take turns (the peer, ours,
//! ours, the peer, over and over), and all four have their share of it. Both sides' copies are counted alike: by the driver
//! of the first sink, as the program's telemetry tells, at a slice's two ends and on this process's clock. That the others
//! got as many, and what came in, is looked at once at the end, to the frame.

use std::time::{Duration, Instant};

use lab::stop;

use crate::error::BenchError;
use crate::side::{PATIENCE, Seat, Side, Trial, Work};
use crate::telemetry::Telemetry;

/// How long a slice is counted.
const SLICE: Duration = Duration::from_millis(100);
/// A side that was halted finds cold caches; so long it is not counted.
const COLD: Duration = Duration::from_millis(10);
/// The sink whose driver is asked.
const SINK: usize = 1;
/// Whose turn it is, over and over.
const TURNS: [Seat; 4] = [Seat::Peer, Seat::Ours, Seat::Ours, Seat::Peer];

/// A program that forwards, with the data running.
pub(crate) trait Forwards {
    /// Its process, and its counters.
    fn parts(&mut self) -> (&mut Side, &Telemetry);

    /// Ends it, and checks what it delivered since it was started.
    ///
    /// # Errors
    /// It does not end, or a sink got something else than what came in.
    fn finish(self: Box<Self>, work: &Work) -> Result<(), BenchError>;
}

/// A side of a round, halted.
pub(crate) struct Seated<'w> {
    work: &'w Work,
    program: Box<dyn Forwards>,
}

impl<'w> Seated<'w> {
    /// `program`, which does that work, once it forwards: it is halted then.
    ///
    /// # Errors
    /// It ends, or forwards nothing.
    pub(crate) fn new(work: &'w Work, mut program: Box<dyn Forwards>) -> Result<Self, BenchError> {
        let (side, telemetry) = program.parts();
        wait_for_traffic(side, telemetry)?;
        side.halt()?;
        Ok(Self { work, program })
    }

    /// Lets it go on for a slice.
    fn slice(&mut self) -> Result<Slice, BenchError> {
        let (side, telemetry) = self.program.parts();
        side.resume()?;
        let counted =
            stop::pause(COLD).map_err(BenchError::from).and_then(|()| count(side, telemetry, SLICE));
        // One that has ended cannot be halted; its end says more.
        side.expect_running()?;
        side.halt()?;
        counted
    }

    fn finish(mut self) -> Result<(), BenchError> {
        self.program.parts().0.resume()?;
        self.program.finish(self.work)
    }
}

/// Waits until frames leave by the first sink.
///
/// # Errors
/// It ends, or forwards nothing.
pub(crate) fn wait_for_traffic(side: &mut Side, telemetry: &Telemetry) -> Result<(), BenchError> {
    let moves = || telemetry.stats(SINK).is_ok_and(|(_, stats)| stats.tx > 0);
    let process = side.process();
    let moving =
        stop::poll(PATIENCE, || Ok(if moves() { Some(true) } else { process.ended()?.map(|_| false) }))?;
    match moving {
        Some(true) => Ok(()),
        Some(false) => Err(side.error("ended early")),
        None => Err(side.error("forwards nothing")),
    }
}

/// What a sink got in a slice, or in several.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Slice {
    /// Frames.
    pub(crate) frames: u64,
    /// How long it was counted.
    pub(crate) length: Duration,
    /// Of its forwarding thread's time, what it waited for its core, in seconds.
    pub(crate) waited_s: Option<f64>,
}

impl Slice {
    /// And another.
    pub(crate) fn add(&mut self, other: Self) {
        self.frames += other.frames;
        self.length += other.length;
        self.waited_s = match (self.waited_s, other.waited_s) {
            (Some(all), Some(more)) => Some(all + more),
            (all, more) => all.or(more),
        };
    }

    /// All of them as a trial. `each`: copies that all sinks get while the one that was asked got one.
    pub(crate) fn trial(self, each: f64) -> Trial {
        let seconds = self.length.as_secs_f64();
        Trial {
            copies_per_s: self.frames as f64 * each / seconds,
            waited: self.waited_s.map(|waited_s| waited_s / seconds),
            ..Trial::default()
        }
    }
}

/// What a side forwards in `length`.
///
/// # Errors
/// It does not answer, or a signal came.
pub(crate) fn count(side: &Side, telemetry: &Telemetry, length: Duration) -> Result<Slice, BenchError> {
    let (cpu, before) = (side.cpu_time(), sent(telemetry)?);
    stop::pause(length)?;
    let (after, cpu_after) = (sent(telemetry)?, side.cpu_time());
    let length = after.0 - before.0;
    let waited = cpu_after.waited_since(&cpu);
    let waited_s = waited.map(|share| share * length.as_secs_f64());
    Ok(Slice { frames: after.1 - before.1, length, waited_s })
}

fn sent(telemetry: &Telemetry) -> Result<(Instant, u64), BenchError> {
    telemetry.stats_in_time(SINK).map(|(at, stats)| (at, stats.tx))
}

/// One round of trials of the peer, ours, ours and the peer, each as long as the work says, all in slices.
///
/// # Errors
/// A side ends or does not answer, delivered something else than what came in, or a signal came.
pub(crate) fn round(mut ours: Seated<'_>, mut peer: Seated<'_>) -> Result<[Trial; 4], BenchError> {
    let mut trials = [Slice::default(); 4];
    for _ in 0..number(ours.work.window, SLICE) {
        for (trial, turn) in trials.iter_mut().zip(TURNS) {
            trial.add(match turn {
                Seat::Ours => ours.slice()?,
                Seat::Peer => peer.slice()?,
            });
        }
    }
    let each = TURNS.map(|turn| match turn {
        Seat::Ours => copies_of_each(ours.work),
        Seat::Peer => copies_of_each(peer.work),
    });
    // One after the other: both want the core.
    peer.finish()?;
    ours.finish()?;
    let mut each = each.into_iter();
    Ok(trials.map(|trial| trial.trial(each.next().unwrap_or_default())))
}

/// Copies that all sinks get while [`SINK`] gets one: groups take turns many times in a slice.
fn copies_of_each(work: &Work) -> f64 {
    let round = work.copies(work.party.groups.into());
    round.iter().sum::<u64>() as f64 / round[SINK - 1] as f64
}

/// Slices of a trial of that length, one at least.
pub(crate) fn number(window: Duration, slice: Duration) -> u128 {
    window.as_micros().div_ceil(slice.as_micros()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_as_long_as_its_slices() {
        assert_eq!([0, 100, 1000, 1001].map(|ms| number(Duration::from_millis(ms), SLICE)), [1, 1, 10, 11]);
        let mut all = Slice::default();
        for (frames, ms, waited_s) in [(100, 125, Some(0.0625)), (80, 125, None), (20, 250, Some(0.0625))] {
            all.add(Slice { frames, length: Duration::from_millis(ms), waited_s });
        }
        let trial = all.trial(4.0);
        assert_eq!((trial.copies_per_s, trial.waited), (1600.0, Some(0.25)));
    }
}
