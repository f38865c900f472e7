//! Stalls at fan-out 30: how often a pass of the worker takes more than 100 us, beside how often a loop that only looks
//! at the clock finds as long a gap on the same core.
//!
//! Every virtual machine takes its cores away now and then, and no program can tell that from a pass that is long by
//! itself. So the two take turns, as the sides of other figures do: the worker is halted (SIGSTOP) while the loop spins
//! on its core. All of a worker's time at full load is part of some pass, as all of the loop's is part of some gap.

use std::time::{Duration, Instant};

use api::{LONG_PASS, WorkerSpan};

use crate::aim::{Aim, Verdict};
use crate::error::BenchError;
use crate::figures::{FIGURES, Figure};
use crate::jitter;
use crate::manifold::{Manifold, Running};
use crate::report::{FigureReport, PeerReport};
use crate::side::Work;
use crate::stats::Spread;

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
    let (mut done, mut gaps) = (Vec::with_capacity(rounds), Vec::new());
    for round in 1..=rounds {
        say(format!("round {round}/{rounds}"));
        let first = beside(&mut running, work, &mut gaps)?;
        let ours = [passes(&mut running, work)?, passes(&mut running, work)?];
        done.push([first, ours[0], ours[1], beside(&mut running, work, &mut gaps)?]);
    }
    say("undisturbed".to_owned());
    lab::stop::pause(RECENT)?;
    let undisturbed = running.worker()?.recent;
    running.count_to_the_frame(work)?;
    running.end()?;
    Ok(evaluate(&done, &gaps, &undisturbed))
}

/// The idle loop, while the worker is halted: how many gaps a second it found, which join `all`.
fn beside(running: &mut Running, work: &Work, all: &mut Vec<Duration>) -> Result<f64, BenchError> {
    running.halted(|| {
        let gaps = jitter::gaps_on(work.cores.forward, work.window, LONG_PASS)
            .ok_or_else(|| BenchError::machine("the forwarding core cannot be had", "look at its cpuset"))?;
        let per_s = gaps.len() as f64 / work.window.as_secs_f64();
        all.extend(gaps);
        Ok(per_s)
    })
}

/// The worker's long passes a second. That it was halted before, and its caches are cold, is over after the warm-up.
fn passes(running: &mut Running, work: &Work) -> Result<f64, BenchError> {
    lab::stop::pause(work.warm_up)?;
    let (began, before) = (Instant::now(), running.worker()?);
    lab::stop::pause(work.window)?;
    let after = running.worker()?;
    let passes = after.total.long_passes - before.total.long_passes;
    Ok(passes as f64 / began.elapsed().as_secs_f64())
}

/// Of each round's counts a second, the loop's gaps in all of them, and the worker's time after that.
fn evaluate(rounds: &[[f64; 4]], gaps: &[Duration], undisturbed: &WorkerSpan) -> FigureReport {
    let new = FigureReport::new(ID, format!("fanout={FAN_OUT} size=64"), "passes above 100 us", "1/s");
    let spread = |at: [usize; 2]| Spread::of(rounds.iter().flat_map(|round| at.map(|at| round[at])));
    let (theirs, mine) = (spread([0, 3]), spread([1, 2]));
    let by_round = |of: fn([f64; 4]) -> f64| Spread::of(rounds.iter().map(|round| of(*round)));
    let more = by_round(|[first, a, b, last]| f64::midpoint(a, b) - f64::midpoint(first, last));
    let apart = by_round(|[first, _, _, last]| (last - first).abs());
    let (Some(theirs), Some(mine), Some(more), Some(apart)) = (theirs, mine, more, apart) else {
        return new.without("no round");
    };
    let note = format!(
        "the longest gap in the idle loop on the same core took {} us; undisturbed for {:.0} s afterwards, the worker had {} \
         passes above 100 us, the longest of {:.0} us",
        gaps.iter().max().copied().unwrap_or_default().as_micros(),
        undisturbed.span_s,
        undisturbed.long_passes,
        undisturbed.longest_pass_us
    );
    // What the worker has more than the loop is the machine's own where the loop differs as much from itself.
    let aim = Some(Aim::AtMost(theirs.median + apart.median));
    FigureReport {
        ours: Some(mine),
        peer: Some(PeerReport { name: "an idle loop", spread: theirs }),
        // Where the loop differs from itself by more than all that it sees, the machine could not tell.
        verdict: match apart.median > theirs.median {
            true => Verdict::TooNoisy,
            false => Aim::verdict(aim, mine.median),
        },
        notes: vec![
            note,
            format!(
                "round by round the worker had {:.2} a second more than the loop beside it, and the loop\u{2019}s first and last were \
                 {:.2} apart, in the median",
                more.median, apart.median
            ),
        ],
        trials: rounds.to_vec(),
        ..new.aiming(aim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        evaluate(rounds, &[107, 109].map(Duration::from_micros), &undisturbed)
    }

    #[test]
    fn what_the_idle_loop_sees_too_is_the_machines() {
        let quiet = evaluated(&[[5.0, 7.0, 3.0, 9.0], [0.0, 2.0, 4.0, 1.0]]);
        assert_eq!(quiet.verdict, Verdict::Reached);
        // The loop's middle is 3, its own rounds are 4 and 1 apart.
        assert_eq!((quiet.ours.unwrap().median, quiet.aim), (3.5, Some(5.5)));
        assert_eq!(
            quiet.notes[0],
            "the longest gap in the idle loop on the same core took 109 us; undisturbed for 10 s afterwards, the worker had 7 \
             passes above 100 us, the longest of 170 us"
        );
        let ours = evaluated(&[[5.0, 70.0, 30.0, 9.0]]);
        assert_eq!(ours.verdict, Verdict::Missed);
        assert_eq!(ours.trials, [[5.0, 70.0, 30.0, 9.0]]);
        let worst = evaluated(&[[1.0, 7.0, 7.0, 1.0], [1.0, 7.0, 7.0, 9.0], [1.0, 7.0, 7.0, 1.0]]);
        assert_eq!(worst.verdict, Verdict::Missed, "the loop's worst is nobody's measure");
        let unclear = evaluated(&[[1.0, 7.0, 0.0, 9.0]]);
        assert_eq!(unclear.verdict, Verdict::TooNoisy);
        assert!(matches!(evaluated(&[]).verdict, Verdict::NotMeasured(_)));
    }
}
