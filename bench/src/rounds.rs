//! Trials in an order that hides nothing: ours between two of the peer's, round after round.

use crate::error::BenchError;
use crate::figures::{Figure, LOSSLESS};
use crate::reports::Reports;
use crate::side::Trial;
use crate::stats::Spread;

/// Where the peer against itself may be. With the median outside, or more than half of the rounds, the machine was
/// too noisy to tell anything.
const QUIET: std::ops::RangeInclusive<f64> = 0.97..=1.03;

/// Who is measured next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn {
    /// Manifold.
    Ours,
    /// The peer.
    Peer,
}

/// One round: what drifts evenly over its three trials falls out of its ratio.
#[derive(Debug, Clone, Copy)]
struct Round {
    ours: Trial,
    /// The peer's two trials, the one before ours and the one after.
    peer: [Trial; 2],
}

/// What a figure came to.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    /// The figure.
    pub(crate) figure: Figure,
    /// Copies a second of ours.
    pub(crate) ours: Spread,
    /// Copies a second of the peer.
    pub(crate) peer: Spread,
    /// Ours by the peer's, round by round.
    pub(crate) ratio: Spread,
    /// The peer by itself, round by round.
    pub(crate) itself: Spread,
    /// Share of the rounds in which the peer was equal to itself.
    pub(crate) quiet: f64,
    /// Copies a second of each trial, round by round: the peer's, ours, the peer's.
    pub(crate) trials: Vec<[f64; 3]>,
    /// The largest share of a window that a forwarding thread waited for its core.
    pub(crate) waited: f64,
    /// What became of the hosts' reports in all trials of ours, where some were sent.
    pub(crate) reports: Option<Reports>,
}

/// What an outcome means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At least the aim.
    Reached,
    /// At least the floor.
    Held,
    /// Below the floor.
    Missed,
    /// The peer was not even equal to itself.
    TooNoisy,
}

impl Verdict {
    /// In words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Reached => "reached",
            Self::Held => "floor held",
            Self::Missed => "missed",
            Self::TooNoisy => "too noisy",
        }
    }
}

/// Runs `rounds` rounds of `trial` and tells `progress` after each how many are done and what the last
/// came to: ours and the peer's copies a second.
///
/// # Errors
/// What `trial` returns; none at all when `rounds` is zero.
pub(crate) fn run(
    figure: Figure,
    rounds: usize,
    mut trial: impl FnMut(Turn) -> Result<Trial, BenchError>,
    mut progress: impl FnMut(usize, f64, f64),
) -> Result<Outcome, BenchError> {
    let mut done = Vec::with_capacity(rounds);
    for number in 0..rounds {
        let before = trial(Turn::Peer)?;
        let ours = trial(Turn::Ours)?;
        let after = trial(Turn::Peer)?;
        let round = Round { ours, peer: [before, after] };
        progress(number + 1, ours.copies_per_s, round.peer_mean());
        done.push(round);
    }
    outcome(figure, &done).ok_or_else(|| BenchError::machine("no round was run", "ask for one or more"))
}

impl Round {
    fn peer_mean(&self) -> f64 {
        f64::midpoint(self.peer[0].copies_per_s, self.peer[1].copies_per_s)
    }

    /// The peer by the peer, upside down in every other round: an even drift falls out of the median.
    fn peer_by_itself(&self, number: usize) -> f64 {
        let [before, after] = self.peer.map(|t| t.copies_per_s);
        if number.is_multiple_of(2) { before / after } else { after / before }
    }
}

fn outcome(figure: Figure, rounds: &[Round]) -> Option<Outcome> {
    let trials = || rounds.iter().flat_map(|r| [r.ours, r.peer[0], r.peer[1]]);
    let itself = || rounds.iter().enumerate().map(|(number, round)| round.peer_by_itself(number));
    Some(Outcome {
        figure,
        ours: Spread::of(rounds.iter().map(|r| r.ours.copies_per_s))?,
        peer: Spread::of(rounds.iter().flat_map(|r| r.peer).map(|t| t.copies_per_s))?,
        ratio: Spread::of(rounds.iter().map(|r| r.ours.copies_per_s / r.peer_mean()))?,
        itself: Spread::of(itself())?,
        quiet: itself().filter(|ratio| QUIET.contains(ratio)).count() as f64 / rounds.len() as f64,
        trials: rounds.iter().map(|r| [r.peer[0], r.ours, r.peer[1]].map(|t| t.copies_per_s)).collect(),
        waited: trials().filter_map(|t| t.waited).fold(0.0, f64::max),
        reports: rounds.iter().filter_map(|r| r.ours.reports).reduce(Reports::plus),
    })
}

impl Outcome {
    /// Whether reports were lost at a rate where none may be.
    fn lost_reports(&self) -> bool {
        let few = self.figure.peer.reports_per_second().is_some_and(|per_second| per_second <= LOSSLESS);
        few && self.reports.is_some_and(|reports| reports.lost() > 0)
    }

    /// What it means. Reports get lost, too, where other programs keep the forwarding thread from its core.
    pub(crate) fn verdict(&self) -> Verdict {
        if !QUIET.contains(&self.itself.median) || self.quiet < 0.5 {
            Verdict::TooNoisy
        } else if self.lost_reports() {
            Verdict::Missed
        } else if self.ratio.median >= self.figure.aim {
            Verdict::Reached
        } else if self.ratio.median >= self.figure.floor {
            Verdict::Held
        } else {
            Verdict::Missed
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;

    /// Trials that come to these copies a second, in this order.
    fn run_with(values: &[f64]) -> Result<(Outcome, Vec<Turn>), BenchError> {
        let mut turns = Vec::new();
        let mut values = values.iter();
        let rounds = values.len() / 3;
        let trial = |turn| {
            turns.push(turn);
            let copies_per_s = *values.next().unwrap();
            Ok(Trial { copies_per_s, waited: Some(copies_per_s / 1000.0), reports: None })
        };
        run(FIGURES[0], rounds, trial, |_, _, _| {}).map(|outcome| (outcome, turns))
    }

    #[test]
    fn an_even_drift_falls_out() {
        // The machine gets slower by 5 with every trial; ours is nine tenths of the peer.
        let (outcome, turns) = run_with(&[100.0, 85.5, 90.0, 85.0, 72.0, 75.0]).unwrap();
        use Turn::{Ours, Peer};
        assert_eq!(turns, [Peer, Ours, Peer, Peer, Ours, Peer]);
        assert_eq!(outcome.trials, [[100.0, 85.5, 90.0], [85.0, 72.0, 75.0]]);
        assert!(
            (outcome.ratio.min - 0.9).abs() < 1e-9 && (outcome.ratio.max - 0.9).abs() < 1e-9,
            "{outcome:?}"
        );
        // Once the first by the last, once the last by the first.
        assert!((outcome.itself.max - 100.0 / 90.0).abs() < 1e-9);
        assert!((outcome.itself.min - 75.0 / 85.0).abs() < 1e-9);
        assert_eq!((outcome.ours.median, outcome.peer.max, outcome.waited), (78.75, 100.0, 0.1));
    }

    #[test]
    fn verdicts_follow_the_ratio_unless_the_peer_differs_from_itself() {
        let verdict = |ours, last| run_with(&[100.0, ours, last]).unwrap().0.verdict();
        assert_eq!(verdict(86.0, 100.0), Verdict::Reached);
        assert_eq!(verdict(84.0, 100.0), Verdict::Held);
        assert_eq!(verdict(49.0, 100.0), Verdict::Missed);
        assert_eq!(verdict(86.0, 90.0), Verdict::TooNoisy);
        assert_eq!(verdict(49.0, 110.0), Verdict::TooNoisy);
    }

    #[test]
    fn a_median_among_wild_rounds_is_noise() {
        let (outcome, _) = run_with(&[90.0, 80.0, 60.0, 60.0, 80.0, 60.0, 60.0, 80.0, 90.0]).unwrap();
        assert_eq!((outcome.itself.median, outcome.verdict()), (1.0, Verdict::TooNoisy));
    }

    #[test]
    fn a_lost_report_is_missed_where_none_may_be() {
        let verdict = |name: &str, taken| {
            let figure = *FIGURES.iter().find(|f| f.name() == name).unwrap();
            let reports = Some(Reports { sent: 10, taken, ..Reports::default() });
            let trial = |turn| {
                Ok(Trial { copies_per_s: 1e6, waited: None, reports: reports.filter(|_| turn == Turn::Ours) })
            };
            run(figure, 3, trial, |_, _, _| {}).unwrap().verdict()
        };
        assert_eq!(verdict("b13/10000", 10), Verdict::Reached);
        assert_eq!(verdict("b13/10000", 9), Verdict::Missed);
        assert_eq!(verdict("b13/100000", 9), Verdict::Reached, "there the port's limit is near");
    }

    #[test]
    fn no_round_is_no_outcome() {
        assert!(run_with(&[]).is_err());
    }
}
