//! Stalls at fan-out 30: how often a pass of the worker takes more than 100 us, beside how often a loop that only looks
//! at the clock finds as long a gap on the same core.
//!
//! Every virtual machine takes its cores away now and then, and no program can tell that from a pass that is long by
//! itself. So the two take turns, as the sides of other figures do: the worker is halted (SIGSTOP) while the loop spins
//! on its core. All of a worker's time at full load is part of some pass, as all of the loop's is part of some gap.

use std::time::{Duration, Instant};

use api::LONG_PASS;

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

/// Long ones in a span of time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counted {
    per_s: f64,
    longest: Duration,
}

/// Rounds: each waits.
pub(crate) const MOST_ROUNDS: usize = 3;
/// What `show workers` calls recent, at the most.
const RECENT: Duration = Duration::from_secs(11);

/// Runs the rounds: the loop, the worker, the worker, the loop.
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
    let mut done = Vec::with_capacity(rounds);
    for round in 1..=rounds {
        say(format!("round {round}/{rounds}"));
        let before = beside(&mut running, work)?;
        // Then what is recent to the worker is not that it was halted.
        lab::stop::pause(RECENT)?;
        let ours = [passes(&mut running, work)?, passes(&mut running, work)?];
        done.push([before, ours[0], ours[1], beside(&mut running, work)?]);
    }
    running.count_to_the_frame(work)?;
    running.end()?;
    Ok(evaluate(&done))
}

/// The idle loop, while the worker is halted.
fn beside(running: &mut Running, work: &Work) -> Result<Counted, BenchError> {
    running.halted(|| {
        let gaps = jitter::gaps_on(work.cores.forward, work.window, LONG_PASS)
            .ok_or_else(|| BenchError::machine("the forwarding core cannot be had", "look at its cpuset"))?;
        Ok(Counted {
            per_s: gaps.len() as f64 / work.window.as_secs_f64(),
            longest: gaps.into_iter().max().unwrap_or_default(),
        })
    })
}

/// The worker. That it was halted before, and its caches are cold, is over after the warm-up.
fn passes(running: &mut Running, work: &Work) -> Result<Counted, BenchError> {
    lab::stop::pause(work.warm_up)?;
    let (began, before) = (Instant::now(), running.worker()?);
    lab::stop::pause(work.window)?;
    let after = running.worker()?;
    let passes = after.total.long_passes - before.total.long_passes;
    Ok(Counted {
        per_s: passes as f64 / began.elapsed().as_secs_f64(),
        // Of the last ten seconds, which are undisturbed.
        longest: Duration::from_secs_f64(after.recent.longest_pass_us / 1e6),
    })
}

fn evaluate(rounds: &[[Counted; 4]]) -> FigureReport {
    let new = FigureReport::new(ID, format!("fanout={FAN_OUT} size=64"), "passes above 100 us", "1/s");
    let of = |at: [usize; 2]| rounds.iter().flat_map(move |round| at.map(|at| round[at]));
    let (loops, ours) = ([0, 3], [1, 2]);
    let spread = |at| Spread::of(of(at).map(|counted| counted.per_s));
    let by_round = |of: fn([f64; 4]) -> f64| Spread::of(rounds.iter().map(|r| of(r.map(|c| c.per_s))));
    let more = by_round(|[first, a, b, last]| f64::midpoint(a, b) - f64::midpoint(first, last));
    let apart = by_round(|[first, _, _, last]| (last - first).abs());
    let (Some(theirs), Some(mine), Some(more), Some(apart)) = (spread(loops), spread(ours), more, apart)
    else {
        return new.without("no round");
    };
    let longest = |at| of(at).map(|counted| counted.longest).max().unwrap_or_default().as_micros();
    let note = format!(
        "the longest pass took {} us, the longest gap in the idle loop on the same core {} us",
        longest(ours),
        longest(loops)
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
        trials: rounds.iter().map(|round| round.map(|counted| counted.per_s)).collect(),
        ..new.aiming(aim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(per_s: [f64; 4]) -> [Counted; 4] {
        per_s.map(|per_s| Counted { per_s, longest: Duration::from_micros(100 + per_s as u64) })
    }

    #[test]
    fn what_the_idle_loop_sees_too_is_the_machines() {
        let quiet = evaluate(&[round([5.0, 7.0, 3.0, 9.0]), round([0.0, 2.0, 4.0, 1.0])]);
        assert_eq!(quiet.verdict, Verdict::Reached);
        // The loop's middle is 3, its own rounds are 4 and 1 apart.
        assert_eq!((quiet.ours.unwrap().median, quiet.aim), (3.5, Some(5.5)));
        assert_eq!(quiet.notes[0].matches("107 us").count(), 1, "{:?}", quiet.notes);
        let ours = evaluate(&[round([5.0, 70.0, 30.0, 9.0])]);
        assert_eq!(ours.verdict, Verdict::Missed);
        assert_eq!(ours.trials, [[5.0, 70.0, 30.0, 9.0]]);
        let worst = evaluate(&[
            round([1.0, 7.0, 7.0, 1.0]),
            round([1.0, 7.0, 7.0, 9.0]),
            round([1.0, 7.0, 7.0, 1.0]),
        ]);
        assert_eq!(worst.verdict, Verdict::Missed, "the loop's worst is nobody's measure");
        let unclear = evaluate(&[round([1.0, 7.0, 0.0, 9.0])]);
        assert_eq!(unclear.verdict, Verdict::TooNoisy);
        assert!(matches!(evaluate(&[]).verdict, Verdict::NotMeasured(_)));
    }
}
