//! Trials in an order that hides nothing: the peer, ours, ours, the peer, round after round.

use lab::{LabError, stop};

use crate::aim::Verdict;
use crate::error::BenchError;
use crate::figures::{Figure, LOSSLESS, Terms};
use crate::machine::Machine;
use crate::noise;
use crate::report::{Cost, Costs, FigureReport, PeerReport, Varied};
use crate::reports::Reports;
use crate::side::Trial;
use crate::stats::Spread;

/// Where what comes beside the data took so much longer than it should have, there was less of it than was asked for: such a
/// round is in no ratio.
const HELD_UP: f64 = 1.03;
/// Of a core that a forwarding thread waited for less than this is not worth a word.
const WAITED: f64 = 0.005;

/// One round: what drifts evenly over its four trials falls out of its ratio.
#[derive(Debug, Clone, Copy)]
struct Round {
    /// The two trials of ours, in the middle.
    ours: [Trial; 2],
    /// The peer's two trials, the first and the last.
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
    /// Ours by the peer's, round by round, in the figure's terms.
    pub(crate) ratio: Spread,
    /// The peer by itself, round by round: its first trial by its last.
    pub(crate) itself: Spread,
    /// The longest that reports took to send, or writes of the table to make, by how long they should have, and in how many
    /// rounds they took too long.
    pub(crate) held_up: Option<(f64, usize)>,
    /// Copies a second of each trial, round by round: the peer's, ours, ours, the peer's.
    pub(crate) trials: Vec<[f64; 4]>,
    /// The largest share of a window that a forwarding thread waited for its core.
    pub(crate) waited: f64,
    /// What became of the hosts' reports in all trials of ours, where some were sent.
    pub(crate) reports: Option<Reports>,
    /// Shares of what the source offered that came through, ours and the peer's, where it is on a clock of its own.
    pub(crate) kept: Option<[Spread; 2]>,
}

/// Runs `rounds` rounds, each of which `round` measures: trials of the peer, ours, ours and the peer. Tells `progress` after
/// each how many are done and what the last came to: ours and the peer's copies a second.
///
/// # Errors
/// What `round` returns; a signal came; none at all when `rounds` is zero.
pub(crate) fn run(
    figure: Figure,
    rounds: usize,
    mut round: impl FnMut() -> Result<[Trial; 4], BenchError>,
    mut progress: impl FnMut(usize, f64, f64),
) -> Result<Outcome, BenchError> {
    let mut done = Vec::with_capacity(rounds);
    for number in 1..=rounds {
        expect_no_signal()?;
        let [first, one, other, last] = round()?;
        let round = Round { ours: [one, other], peer: [first, last] };
        progress(number, mean(round.ours), mean(round.peer));
        done.push(round);
    }
    outcome(figure, &done).ok_or_else(|| BenchError::machine("no round was run", "ask for one or more"))
}

fn expect_no_signal() -> Result<(), BenchError> {
    if stop::stopped() { Err(LabError::Interrupted.into()) } else { Ok(()) }
}

fn mean(trials: [Trial; 2]) -> f64 {
    f64::midpoint(trials[0].copies_per_s, trials[1].copies_per_s)
}

impl Round {
    fn ratio(&self, terms: Terms) -> f64 {
        match terms {
            Terms::Rate => mean(self.ours) / mean(self.peer),
            Terms::Cost => mean(self.peer) / mean(self.ours),
        }
    }

    fn peer_by_itself(&self) -> f64 {
        let [first, last] = self.peer.map(|t| t.copies_per_s);
        first / last
    }

    /// How long what comes beside the data took at most, by how long they should have, where some were sent.
    fn held_up(&self) -> Option<f64> {
        self.in_order().into_iter().filter_map(|trial| trial.held_up).reduce(f64::max)
    }

    /// Whether what comes beside the data, if anything, came at its rate, on both sides.
    fn is_in_time(&self) -> bool {
        self.held_up().is_none_or(|longer| longer <= HELD_UP)
    }

    fn in_order(&self) -> [Trial; 4] {
        let ([first, last], [a, b]) = (self.peer, self.ours);
        [first, a, b, last]
    }
}

fn outcome(figure: Figure, rounds: &[Round]) -> Option<Outcome> {
    let rates = |side: fn(&Round) -> [Trial; 2]| {
        Spread::of(rounds.iter().flat_map(side).map(|trial| trial.copies_per_s))
    };
    let kept = |side: fn(&Round) -> [Trial; 2]| {
        Spread::of(rounds.iter().flat_map(side).filter_map(|trial| trial.kept))
    };
    let trials = rounds.iter().flat_map(Round::in_order);
    let late = rounds.iter().filter(|round| !round.is_in_time()).count();
    // Where all are too late, there is nothing better to show.
    let counted = || rounds.iter().filter(|round| round.is_in_time() || late == rounds.len());
    let longest = rounds.iter().filter_map(Round::held_up).reduce(f64::max);
    Some(Outcome {
        figure,
        ours: rates(|r| r.ours)?,
        peer: rates(|r| r.peer)?,
        ratio: Spread::of(counted().map(|r| r.ratio(figure.terms)))?,
        itself: Spread::of(counted().map(Round::peer_by_itself))?,
        held_up: longest.map(|longest| (longest, late)),
        trials: rounds.iter().map(|r| r.in_order().map(|t| t.copies_per_s)).collect(),
        waited: trials.filter_map(|t| t.waited).fold(0.0, f64::max),
        reports: rounds.iter().flat_map(|r| r.ours).filter_map(|t| t.reports).reduce(Reports::plus),
        kept: kept(|r| r.ours).zip(kept(|r| r.peer)).map(|(ours, peer)| [ours, peer]),
    })
}

impl Outcome {
    /// Whether reports were lost at a rate where none may be.
    fn lost_reports(&self) -> bool {
        let few = self.figure.reports_per_second().is_some_and(|per_second| per_second <= LOSSLESS);
        few && self.reports.is_some_and(|reports| reports.lost() > 0)
    }

    /// What it means: nothing where the peer differs from itself in the median. Less beside the data than was asked for, in
    /// most rounds, makes no row worse: it may be why an aim is reached, and not why one is missed. Reports get lost, too,
    /// where other programs keep the forwarding thread from its core.
    pub(crate) fn verdict(&self) -> Verdict {
        let aim = self.figure.aim;
        let late = self.held_up.is_some_and(|(_, late)| late * 2 > self.trials.len());
        let verdict = match noise::judge(aim, self.ratio.median, self.itself, &noise::RATES) {
            Verdict::Reached if late => Verdict::TooNoisy,
            verdict => verdict,
        };
        match (verdict, self.lost_reports()) {
            (Verdict::TooNoisy, true) => Verdict::LostInNoise,
            (Verdict::Reached, true) => Verdict::Missed,
            (verdict, _) => verdict,
        }
    }

    /// For table, file and page.
    pub(crate) fn report(&self, machine: &Machine) -> FigureReport {
        let figure = self.figure;
        let cost = |rate| Cost::of(rate, figure.fan_out, machine);
        FigureReport {
            ours: Some(self.ours),
            peer: Some(PeerReport { name: figure.peer.name, spread: self.peer }),
            ratio: Some(self.ratio),
            verdict: self.verdict(),
            peer_by_itself: Some(self.itself),
            cost: Some(Costs { ours: cost(self.ours), peer: cost(self.peer) }),
            notes: self.notes(),
            trials: self.trials.clone(),
            ..blank(figure)
        }
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if self.waited >= WAITED {
            let waited = self.waited * 100.0;
            notes.push(format!("a forwarding thread waited up to {waited:.1} % of a trial for its core"));
        }
        if let Some([ours, peer]) = self.kept.map(|sides| sides.map(|kept| kept.map(|share| share * 100.0))) {
            notes.push(format!(
                "of what the source offered, {:.0}-{:.0} % came through ours, {:.0}-{:.0} % through the peer; where that \
                 is nearly all, the source was the limit",
                ours.min, ours.max, peer.min, peer.max
            ));
        }
        if let Some((longest, late)) = self.held_up.filter(|(_, late)| *late > 0) {
            notes.push(format!(
                "in {late} of {} rounds what comes beside the data was held up and took up to {longest:.2} times as long as it \
                 should: above {HELD_UP} that is another load, and the round is in no ratio",
                self.trials.len()
            ));
        }
        if let Some(reports) = self.reports {
            let Reports { sent, taken, policed, ring_full } = reports;
            let unaccounted = reports.unaccounted();
            notes.push(format!(
                "of {sent} reports {taken} taken, {policed} policed, {ring_full} found the ring full, {unaccounted} \
                 never reached the worker"
            ));
        }
        notes
    }
}

/// The figure's name and aim, without numbers.
pub(crate) fn blank(figure: Figure) -> FigureReport {
    let Figure { id, metric, fan_out, ours, aim, .. } = figure;
    let updates = figure.updates_per_second();
    let at = Varied { fan_out, groups: ours.groups, wire_len: ours.wire_len, updates, frames_per_s: None };
    let new = FigureReport::new(id, figure.variant(), metric, "copies/s").aiming(aim);
    // In no curve where what is varied is not in it.
    let at = (!figure.is_mixed()).then_some(at);
    FigureReport { at, ..new }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::FIGURES;

    fn figure(name: &str) -> Figure {
        *FIGURES.iter().find(|f| f.name() == name).unwrap()
    }

    /// Trials that come to these copies a second, in this order.
    fn run_with(figure: Figure, values: &[f64]) -> Result<Outcome, BenchError> {
        let (mut values, rounds) = (values.iter(), values.len() / 4);
        let round = || {
            Ok(std::array::from_fn(|_| {
                let copies_per_s = *values.next().unwrap();
                Trial { copies_per_s, waited: Some(copies_per_s / 1000.0), ..Trial::default() }
            }))
        };
        run(figure, rounds, round, |_, _, _| {})
    }

    #[test]
    fn an_even_drift_falls_out() {
        // The machine gets slower by 5 with every trial; ours is nine tenths of the peer.
        let values = [100.0, 85.5, 81.0, 85.0, 80.0, 67.5, 63.0, 65.0];
        let outcome = run_with(figure("b1/1"), &values).unwrap();
        assert_eq!(outcome.trials, [[100.0, 85.5, 81.0, 85.0], [80.0, 67.5, 63.0, 65.0]]);
        let Spread { min, max, .. } = outcome.ratio;
        assert!((min - 0.9).abs() < 1e-9 && (max - 0.9).abs() < 1e-9, "{outcome:?}");
        // The first by the last, which has all of it.
        assert!((outcome.itself.max - 80.0 / 65.0).abs() < 1e-9);
        assert!((outcome.itself.min - 100.0 / 85.0).abs() < 1e-9);
        assert_eq!((outcome.ours.median, outcome.peer.max, outcome.waited), (74.25, 100.0, 0.1));
    }

    #[test]
    fn verdicts_follow_the_ratio_unless_the_peer_differs_from_itself() {
        let verdict = |ours, last| run_with(figure("b1/1"), &[100.0, ours, ours, last]).unwrap().verdict();
        assert_eq!(verdict(86.0, 100.0), Verdict::Reached);
        assert_eq!(verdict(84.0, 100.0), Verdict::Missed);
        assert_eq!(verdict(49.0, 100.0), Verdict::Missed);
        assert_eq!(verdict(86.0, 90.0), Verdict::TooNoisy);
        assert_eq!(verdict(49.0, 110.0), Verdict::Missed, "a tenth more would be too little");
        assert_eq!(verdict(88.0, 90.0), Verdict::TooNoisy, "a tenth less would be too little");
        assert_eq!(verdict(99.0, 110.0), Verdict::Reached);
    }

    #[test]
    fn a_cost_should_be_small() {
        let of = |ours| run_with(figure("b5/16"), &[100.0, ours, ours, 100.0]).unwrap();
        let half = of(50.0);
        assert_eq!((half.ratio.median, half.verdict()), (2.0, Verdict::Missed));
        assert_eq!(of(96.0).verdict(), Verdict::Reached);
        assert_eq!(of(90.0).verdict(), Verdict::Missed);
    }

    #[test]
    fn wild_rounds_are_decided_by_their_median() {
        let values = [90.0, 68.0, 68.0, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0, 90.0, 90.0, 90.0];
        let outcome = run_with(figure("b1/1"), &values).unwrap();
        assert_eq!((outcome.itself.median, outcome.verdict()), (1.0, Verdict::Reached));
        assert_eq!((outcome.itself.max, outcome.ratio.median), (1.5, 1.0));
    }

    #[test]
    fn a_lost_report_is_missed_where_none_may_be() {
        let verdict = |name: &str, taken, held_up| {
            let reports = Some(Reports { sent: 10, taken, ..Reports::default() });
            let unheard = Trial { copies_per_s: 1e6, held_up: Some(held_up), ..Trial::default() };
            let heard = Trial { reports, ..unheard };
            let round = || Ok([unheard, heard, heard, unheard]);
            run(figure(name), 3, round, |_, _, _| {}).unwrap().verdict()
        };
        assert_eq!(verdict("b13/10000", 10, 1.0), Verdict::Reached);
        assert_eq!(verdict("b13/10000", 9, 1.0), Verdict::Missed);
        assert_eq!(verdict("b13/100000", 9, 1.0), Verdict::Reached, "there the port's limit is near");
        assert_eq!(verdict("b13/10000", 10, 1.04), Verdict::TooNoisy, "there were fewer in the window");
        assert_eq!(verdict("b13/10000", 9, 1.04), Verdict::LostInNoise, "a loss is a loss");
    }

    #[test]
    fn a_round_with_fewer_reports_than_asked_for_is_in_no_ratio() {
        // In the second of them ours is held up, and the rate beside so few the higher.
        let mut rounds = 0;
        let round = || {
            rounds += 1;
            let of =
                |(copies_per_s, held_up)| Trial { copies_per_s, held_up: Some(held_up), ..Trial::default() };
            let ours = of(if rounds == 2 { (2e6, 1.5) } else { (1e6, 1.0) });
            let peer = of((1e6, 1.0));
            Ok([peer, ours, ours, peer])
        };
        let outcome = run(figure("b13/100000"), 3, round, |_, _, _| {}).unwrap();
        assert_eq!(
            (outcome.ratio.max, outcome.held_up, outcome.verdict()),
            (1.0, Some((1.5, 1)), Verdict::Reached)
        );
        assert!(
            outcome.notes()[0].starts_with("in 1 of 3 rounds what comes beside the data was held up"),
            "{:?}",
            outcome.notes()
        );
    }

    #[test]
    fn reports_and_waiting_are_told() {
        let mut outcome = run_with(figure("b1/1"), &[31.0, 10.0, 10.0, 31.0]).unwrap();
        outcome.reports = Some(Reports { sent: 10, taken: 4, policed: 3, ring_full: 2 });
        assert_eq!(
            outcome.notes(),
            [
                "a forwarding thread waited up to 3.1 % of a trial for its core",
                "of 10 reports 4 taken, 3 policed, 2 found the ring full, 1 never reached the worker"
            ]
        );
        outcome.waited = 0.002;
        assert_eq!(outcome.notes().len(), 1, "0.2 % is nothing");
    }

    #[test]
    fn no_round_is_no_outcome() {
        assert!(run_with(figure("b1/1"), &[]).is_err());
    }
}
