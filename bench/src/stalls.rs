//! Stalls at fan-out 30: how often a pass of the worker takes more than 100 us, beside how often a loop that works as
//! long and on as much memory in a pass finds the same on the same core.
//!
//! Every virtual machine takes its cores away now and then, and no program can tell that from a pass that is long by
//! itself. So the two take turns of a fifth of a second, for as long in all: the worker is halted (SIGSTOP) while the loop runs
//! on its core. All of a worker's time at full load is part of some pass, as all of the loop's is. A pass at that load takes a part of
//! the 100 us by itself: the loop's passes are made as long. This process stays on the other core.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use api::{LONG_PASS, WorkerSpan};
use lab::stop;

use crate::aim::Aim;
use crate::error::BenchError;
use crate::figures::{FIGURES, Figure};
use crate::machine::{self, on_core};
use crate::manifold::{Manifold, Running};
use crate::noise;
use crate::report::{FigureReport, PeerReport};
use crate::side::Work;
use crate::slices;
use crate::stats::Spread;
use crate::thread::Told;
use crate::witness::{Seen, Witness};

/// Its id.
pub(crate) const ID: &str = "stalls";
/// Sinks.
pub(crate) const FAN_OUT: usize = 30;

/// What is forwarded: as in the figure of that fan-out.
pub(crate) fn figure() -> Figure {
    Figure { fan_out: FAN_OUT, ..FIGURES[0] }
}

/// Rounds for one of other figures: stalls are few.
pub(crate) const MORE_ROUNDS: usize = 2;
/// What `show workers` calls recent, at the most.
const RECENT: Duration = Duration::from_secs(11);
/// A turn.
const SLICE: Duration = Duration::from_millis(200);
/// That the worker was halted before is no pass of its turn, and the caches of either are warm again.
const COLD: Duration = Duration::from_millis(10);

/// A turn of the worker, or several.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    long: u64,
    length: Duration,
    told: Told,
    stolen: Duration,
}

impl Turn {
    fn add(&mut self, more: Self) {
        self.long += more.long;
        self.length += more.length;
        self.told += more.told;
        self.stolen += more.stolen;
    }

    fn per_second(&self) -> f64 {
        self.long as f64 / self.length.as_secs_f64()
    }
}

/// Both sides over all rounds.
#[derive(Debug, Clone, Copy, Default)]
struct All {
    pass: Duration,
    worker: Turn,
    witness: Turn,
    longest: Duration,
}

/// Runs the rounds: the loop, the worker, the worker, the loop. Then the worker goes on undisturbed for a while: only then is
/// its longest pass not one in which it was halted.
///
/// # Errors
/// Manifold does not start, answer, deliver or end; or the core is not this process's.
pub(crate) fn report(
    manifold: &Manifold,
    work: &Work,
    rounds: usize,
    say: impl Fn(String),
) -> Result<FigureReport, BenchError> {
    let mut running = manifold.run(work)?;
    on_core(work.cores.main, || {
        let mut turns = Turns::new(&mut running, work)?;
        let mut done = Vec::with_capacity(rounds);
        for round in 1..=rounds {
            say(format!("round {round}/{rounds}"));
            done.push(turns.round()?);
        }
        let all = turns.all;
        say("undisturbed".to_owned());
        stop::pause(RECENT)?;
        let undisturbed = running.worker()?.recent;
        running.count_to_the_frame(work)?;
        running.end()?;
        Ok(evaluate(&done, &all, &undisturbed))
    })?
}

/// Who takes turns.
struct Turns<'r> {
    running: &'r mut Running,
    work: &'r Work,
    witness: Witness,
    /// The worker's thread, in /proc.
    thread: PathBuf,
    all: All,
}

impl<'r> Turns<'r> {
    fn new(running: &'r mut Running, work: &'r Work) -> Result<Self, BenchError> {
        let before = running.worker()?.total;
        stop::pause(SLICE)?;
        let after = running.worker()?.total;
        let passes = after.busy_passes - before.busy_passes;
        let pass = Duration::from_secs_f64((after.busy_s - before.busy_s) / passes.max(1) as f64);
        let side = running.side();
        let (thread, _) = Told::of_busiest(side.process().id())
            .ok_or_else(|| BenchError::machine("/proc does not tell of threads", "report it"))?;
        side.halt()?;
        let witness = Witness::new(work.cores.forward, pass);
        side.resume()?;
        Ok(Self { running, work, witness: witness?, thread, all: All { pass, ..All::default() } })
    }

    /// Long passes a second of the loop, the worker, the worker and the loop.
    fn round(&mut self) -> Result<[f64; 4], BenchError> {
        let mut sums = [Turn::default(); 4];
        for _ in 0..slices::number(self.work.window, SLICE) {
            for (at, sum) in sums.iter_mut().enumerate() {
                let (turn, all) = match at {
                    0 | 3 => (self.beside()?, &mut self.all.witness),
                    _ => (self.passes()?, &mut self.all.worker),
                };
                sum.add(turn);
                all.add(turn);
            }
        }
        Ok(sums.map(|sum| sum.per_second()))
    }

    /// The loop, while the worker is halted.
    fn beside(&mut self) -> Result<Turn, BenchError> {
        let core = self.work.cores.forward;
        self.running.side().halt()?;
        let seen = self.witness.watch(core, COLD, SLICE);
        self.running.side().resume()?;
        let Seen { long, longest, length, told, stolen } = seen?;
        self.all.longest = self.all.longest.max(longest);
        Ok(Turn { long, length, told, stolen })
    }

    /// The worker.
    fn passes(&mut self) -> Result<Turn, BenchError> {
        stop::pause(COLD)?;
        let core = self.work.cores.forward;
        let told = || Told::read(&self.thread).unwrap_or_default();
        let (stolen, told_before) = (machine::stolen(core), told());
        let before = self.running.worker()?.total;
        let began = Instant::now();
        stop::pause(SLICE)?;
        // Not what the second answer takes: its passes may be counted or not.
        let length = began.elapsed();
        let after = self.running.worker()?.total;
        let told = told() - told_before;
        let long = after.long_passes - before.long_passes;
        Ok(Turn { long, length, told, stolen: machine::stolen(core).saturating_sub(stolen) })
    }
}

/// Of each round's counts a second, both sides in all of them, and the worker's time after that.
fn evaluate(rounds: &[[f64; 4]], all: &All, undisturbed: &WorkerSpan) -> FigureReport {
    let new = FigureReport::new(ID, format!("fanout={FAN_OUT} size=64"), "passes above 100 us", "1/s");
    let spread = |at: [usize; 2]| Spread::of(rounds.iter().flat_map(|round| at.map(|at| round[at])));
    let (theirs, mine) = (spread([0, 3]), spread([1, 2]));
    let by_round = |of: fn([f64; 4]) -> f64| Spread::of(rounds.iter().map(|round| of(*round)));
    let more = by_round(|[first, a, b, last]| f64::midpoint(a, b) - f64::midpoint(first, last));
    let apart = by_round(|[first, _, _, last]| (last - first).abs());
    let (Some(theirs), Some(mine), Some(more), Some(apart)) = (theirs, mine, more, apart) else {
        return new.without("no round");
    };
    // What the worker has more than the loop is the machine's own where the loop differs as much from itself.
    let aim = Aim::AtMost(theirs.median + apart.median);
    FigureReport {
        ours: Some(mine),
        peer: Some(PeerReport { name: "a loop as busy", spread: theirs }),
        // Where the loop differs from itself by more than all that it sees, so much may be the machine's once more.
        verdict: noise::judge_apart(aim, mine.median, apart.median, theirs.median),
        notes: [
            all.notes().as_slice(),
            &[
                format!(
                    "undisturbed for {:.0} s afterwards, the worker had {} passes above 100 us, the longest of {:.0} us",
                    undisturbed.span_s, undisturbed.long_passes, undisturbed.longest_pass_us
                ),
                format!(
                    "round by round the worker had {:.2} a second more than the loop beside it, and the loop\u{2019}s first and last \
                     were {:.2} apart, in the median",
                    more.median, apart.median
                ),
            ],
        ]
        .concat(),
        trials: rounds.to_vec(),
        ..new.aiming(Some(aim))
    }
}

impl All {
    fn notes(&self) -> [String; 2] {
        let Self { pass, worker, witness, longest } = self;
        let of = |who: &str, turn: &Turn| {
            let Turn { long, length, told, stolen } = turn;
            let (seconds, stolen) = (length.as_secs_f64(), stolen.as_millis());
            format!(
                "{who} had {long} passes above {} us in {seconds:.1} s; {told}; the hypervisor took {stolen} ms",
                LONG_PASS.as_micros()
            )
        };
        let (pass, longest) = (pass.as_secs_f64() * 1e6, longest.as_micros());
        [
            of(&format!("the worker, whose passes take {pass:.1} us,"), worker),
            of(
                &format!("a loop with passes as long, over memory as large, its longest of {longest} us,"),
                witness,
            ),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aim::Verdict;

    fn evaluated(rounds: &[[f64; 4]]) -> FigureReport {
        let undisturbed = WorkerSpan {
            span_s: 10.4,
            busy_s: 10.4,
            passes: 9,
            busy_passes: 9,
            frames: 9,
            cycles_per_frame: None,
            longest_pass_us: 170.2,
            long_passes: 7,
        };
        let told = Told { minor_faults: 3, switches: 2, waited_ns: 1_500_000, ..Told::default() };
        let turn = Turn { long: 5, length: Duration::from_secs(2), told, stolen: Duration::from_millis(30) };
        let (pass, longest) = (Duration::from_nanos(17_040), Duration::from_micros(109));
        let all = All { pass, worker: turn, witness: Turn { long: 4, ..turn }, longest };
        evaluate(rounds, &all, &undisturbed)
    }

    #[test]
    fn what_the_loop_sees_too_is_the_machines() {
        let quiet = evaluated(&[[5.0, 7.0, 3.0, 9.0], [0.0, 2.0, 4.0, 1.0]]);
        assert_eq!(quiet.verdict, Verdict::Reached);
        // The loop's middle is 3, its own rounds are 4 and 1 apart.
        assert_eq!((quiet.ours.unwrap().median, quiet.aim), (3.5, Some(5.5)));
        let ours = evaluated(&[[5.0, 70.0, 30.0, 9.0]]);
        assert_eq!(ours.verdict, Verdict::Missed);
        assert_eq!(ours.trials, [[5.0, 70.0, 30.0, 9.0]]);
        let worst = evaluated(&[[1.0, 7.0, 7.0, 1.0], [1.0, 7.0, 7.0, 9.0], [1.0, 7.0, 7.0, 1.0]]);
        assert_eq!(worst.verdict, Verdict::Missed, "the loop's worst is nobody's measure");
        // The loop's own are 8 apart, more than the 5 that it sees: the aim is 13, and 8 more or less is nothing.
        let unclear = |ours: f64| evaluated(&[[1.0, ours, ours, 9.0]]).verdict;
        use Verdict::{Missed, Reached, TooNoisy};
        assert_eq!([5.0, 6.0, 21.0, 22.0].map(unclear), [Reached, TooNoisy, TooNoisy, Missed]);
        assert!(matches!(evaluated(&[]).verdict, Verdict::NotMeasured(_)));
    }

    #[test]
    fn the_report_says_whose_fault_a_long_pass_can_be() {
        let notes = evaluated(&[[5.0, 7.0, 3.0, 9.0]]).notes;
        assert_eq!(
            notes[0],
            "the worker, whose passes take 17.0 us, had 5 passes above 100 us in 2.0 s; 3 minor and 0 major page faults, its core \
             2 times another thread\u{2019}s, 1.5 ms of waiting for it; the hypervisor took 30 ms"
        );
        assert!(
            notes[1].starts_with(
                "a loop with passes as long, over memory as large, its longest of 109 us, had 4 "
            )
        );
        assert_eq!(
            notes[2],
            "undisturbed for 10 s afterwards, the worker had 7 passes above 100 us, the longest of 170 us"
        );
    }

    #[test]
    fn turns_add_up_to_a_trial() {
        let mut sum = Turn::default();
        for long in [1, 2] {
            sum.add(Turn { long, length: Duration::from_millis(250), ..Turn::default() });
        }
        assert_eq!(sum.per_second(), 6.0);
    }
}
