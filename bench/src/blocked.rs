//! b9: what joins and leaves beside it cost a stream that nobody holds back.
//!
//! The far end ([`crate::memif`]) sends to stable groups at a pace, whether frames are taken or not. By turns its hosts
//! are silent, or join and leave other groups all the time by the same links that the data goes out by, twice as long. Loss is told as the time for
//! which a link that loses everything would have lost as much ("blocked time": lost by offered), second by second.

use std::path::Path;

use lab::stop;

use crate::aim::{Aim, Verdict};
use crate::error::BenchError;
use crate::machine::Cores;
use crate::memif::ours::Ours;
use crate::memif::{self, Answer, Links, Order, STREAMS};
use crate::noise;
use crate::report::{FigureReport, PeerReport, Varied};
use crate::side::bound_to_us;
use crate::stats::Spread;

/// Its id.
pub(crate) const ID: &str = "b9";
/// Data frames a second. The provider's link holds those of 4 ms at the first, so that what shows are not the machine's
/// usual stalls, and those of half a millisecond at the second, which hides less of what is ours.
const RATES: [u32; 2] = [250_000, 2_000_000];
/// Joins a second, and as many leaves.
const JOINS: u32 = 10_000;
/// Sinks: each gets every frame, and its link brings half of the joins.
pub(crate) const SINKS: usize = 2;
/// Length of a slice.
const SLICE_MS: u64 = 2_000;
/// Slices of a turn: one without churn, then two with it, or the other way round.
const TURN: [u32; 3] = [0, JOINS, JOINS];
/// Turns at each rate: a minute of churn at the first, a third of that at the second; and in a quick run.
const TURNS: [usize; 2] = [15, 5];
const FEW: usize = 2;
/// What churn may cost in the median, and how far the seconds without may be from each other and still say so: microseconds
/// a second.
const MARGIN: f64 = 10.0;
/// Of the frames, joins and leaves that were due so many must have been sent, or it was another load.
const GIVEN: f64 = 0.97;

/// Slices of one kind.
#[derive(Debug)]
struct Slices {
    /// Data frames a second.
    rate: u32,
    answers: Vec<Answer>,
}

/// The figure's rows, one for each rate.
///
/// # Errors
/// Manifold or its far end does not start, a frame is not accounted for, or joins have no effect.
pub(crate) fn reports(
    manifold: &Path,
    cores: Cores,
    scratch: &Path,
    quick: bool,
    say: impl Fn(String),
) -> Result<Vec<FigureReport>, BenchError> {
    let row = |(rate, turns)| {
        let say = |what| say(format!("{rate} frames/s, {what}"));
        report(rate, if quick { FEW } else { turns }, manifold, cores, scratch, say)
    };
    RATES.into_iter().zip(TURNS).map(row).collect()
}

fn report(
    rate: u32,
    turns: usize,
    manifold: &Path,
    cores: Cores,
    scratch: &Path,
    say: impl Fn(String),
) -> Result<FigureReport, BenchError> {
    let links = Links { socket: scratch.join("links"), sinks: SINKS };
    let mut ours = Ours::start(bound_to_us(manifold), &links, cores, scratch)?;
    let order = |joins| Order { rate, warm_up_ms: 0, length_ms: SLICE_MS, joins };
    // Both kinds once for nothing: caches, and members that make their state.
    for joins in [0, JOINS] {
        ours.obey(&Order { length_ms: 500, ..order(joins) })?;
    }
    let none = || Slices { rate, answers: Vec::new() };
    let (mut still, mut churning) = (none(), none());
    for number in 0..turns {
        say(format!("turn {} of {turns}", number + 1));
        let mut turn = TURN;
        // One way round, then the other: an even drift falls out.
        if number % 2 == 1 {
            turn.reverse();
        }
        for joins in turn {
            let answer = ours.obey(&order(joins))?;
            let of = if joins == 0 { &mut still } else { &mut churning };
            of.answers.push(answer);
        }
        if stop::stopped() {
            return Err(lab::LabError::Interrupted.into());
        }
    }
    let waited = ours.waited();
    ours.end()?;
    row(&still, &churning, waited).ok_or_else(|| BenchError::machine("no second was measured", "report it"))
}

impl Slices {
    /// Blocked time in microseconds of each whole second.
    fn blocked(&self) -> Vec<f64> {
        let seconds = self.answers.iter().flat_map(|answer| &answer.seconds);
        let whole = seconds.filter(|second| second.offered * 2 > u64::from(self.rate));
        whole.map(|second| second.lost as f64 / (second.offered * SINKS as u64) as f64 * 1e6).collect()
    }

    fn sum(&self, of: impl Fn(&Answer) -> u64) -> u64 {
        self.answers.iter().map(of).sum()
    }

    /// Whether the far end was there to send nearly all that was due, and the links took it.
    fn were_given(&self) -> bool {
        let [offered, skipped] = [self.sum(|answer| answer.offered), self.sum(|answer| answer.skipped)];
        let due = self.sum(|answer| answer.due) as f64 * GIVEN;
        offered as f64 >= (offered + skipped) as f64 * GIVEN
            && self.sum(|answer| answer.joins) as f64 >= due
            && self.sum(|answer| answer.leaves) as f64 >= due
    }

    fn words(&self, name: &str) -> String {
        let offered = self.sum(|answer| answer.offered);
        let lost = self.sum(|answer| answer.seconds.iter().map(|second| second.lost).sum());
        let refused = self.sum(|answer| answer.refused);
        let skipped = self.sum(|answer| answer.skipped);
        let blocked = lost as f64 / (offered.max(1) * SINKS as u64) as f64 * 1e6;
        let all = self.answers.len().max(1) as f64;
        let away = self.answers.iter().map(|answer| answer.away.share).sum::<f64>() / all;
        let longest = self.answers.iter().map(|answer| answer.away.longest_us).fold(0.0, f64::max);
        format!(
            "{name}: {blocked:.0} us/s in the mean; of {offered} frames {refused} found the provider\u{2019}s link full, and \
             {lost} copies did not come; {skipped} were skipped, the far end being away for {:.1} % of the time, {longest:.0} us at \
             most",
            away * 100.0
        )
    }
}

/// How far the medians of two halves of these are from each other: the first and the last, or every other and the rest,
/// whichever are farther.
fn apart(seconds: &[f64]) -> Option<f64> {
    let (first, last) = seconds.split_at(seconds.len() / 2);
    let every_other = |from: usize| seconds.iter().skip(from).step_by(2).copied();
    let of = |half, rest| Some((Spread::of(half)?.median - Spread::of(rest)?.median).abs());
    let by_time: Option<f64> = of(first.to_vec(), last.to_vec());
    Some(by_time?.max(of(every_other(0).collect(), every_other(1).collect())?))
}

/// `waited`: the largest share of a slice that the forwarding thread waited for its core.
fn row(still: &Slices, churning: &Slices, waited: f64) -> Option<FigureReport> {
    let (without, with) = (still.blocked(), churning.blocked());
    let (peer, ours) = (Spread::of(without.iter().copied())?, Spread::of(with)?);
    let aim = Aim::AtMost(peer.median + MARGIN);
    let apart = apart(&without)?;
    let given = still.were_given() && churning.were_given();
    let verdict = match noise::judge_apart(aim, ours.median, apart, MARGIN) {
        // Of a lighter load it says nothing; who misses the aim by that would by more.
        Verdict::Reached if !given => Verdict::TooNoisy,
        verdict => verdict,
    };
    let rate = still.rate;
    let variant = format!("joins={JOINS}/s leaves={JOINS}/s rate={rate}/s fanout={SINKS} size=64");
    let [churned, rested] = [churning, still].map(|slices| slices.answers.len() as u64 * SLICE_MS / 1_000);
    let held_ms = f64::from(memif::SOURCE_RING) / f64::from(rate) * 1e3;
    let [joins, leaves, due] = [
        churning.sum(|answer| answer.joins),
        churning.sum(|answer| answer.leaves),
        churning.sum(|answer| answer.due),
    ];
    Some(FigureReport {
        ours: Some(ours),
        peer: Some(PeerReport { name: "Manifold without churn", spread: peer }),
        verdict,
        at: Some(Varied {
            fan_out: SINKS,
            groups: STREAMS,
            wire_len: 64,
            updates: 2 * JOINS,
            frames_per_s: Some(rate),
        }),
        notes: vec![
            format!(
                "{joins} IGMPv2 reports and {leaves} leaves, {due} of each due, of one host on each client\u{2019}s port, each group \
                 left 6 ms after it was joined (fast-leave = \"single\"); counted is the loss of {STREAMS} other groups, \
                 second by second"
            ),
            format!(
                "{churned} s with churn and {rested} s without; the provider\u{2019}s link holds the frames of {held_ms:.1} ms, and hides \
                 what is shorter"
            ),
            "the far end, which is source, hosts and sinks, shares a core with Manifold\u{2019}s control thread: what either \
             needs of it the other lacks".to_owned(),
            churning.words("with churn"),
            still.words("without"),
            format!(
                "the seconds without churn, first half against second and every other against the rest: medians up to \
                 {apart:.1} us/s apart; the forwarding thread waited up to {:.2} % of a slice for its core",
                waited * 100.0
            ),
        ],
        ..FigureReport::new(ID, variant, "blocked time", "us/s").aiming(Some(aim))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memif::Second;

    /// Seconds that were blocked for so many microseconds each, after one in which hardly anything was sent.
    fn slices(blocked_us: &[u64]) -> Slices {
        let rate = RATES[0];
        let lost = |us: u64| us * u64::from(rate) * SINKS as u64 / 1_000_000;
        let second = |&us: &u64| Second { offered: rate.into(), lost: lost(us) };
        let seconds = blocked_us.iter().map(second).chain([Second { offered: 3, lost: 3 }]).collect();
        Slices { rate, answers: vec![Answer { seconds, ..Answer::default() }] }
    }

    #[test]
    fn blocked_time_is_what_was_lost_by_what_was_offered() {
        assert_eq!(slices(&[1_000, 0]).blocked(), [1_000.0, 0.0]);
        let rate = RATES[1];
        let second = Second { offered: rate.into(), lost: rate.into() };
        let half = Slices { rate, answers: vec![Answer { seconds: vec![second], ..Answer::default() }] };
        assert_eq!(half.blocked(), [500_000.0], "every frame at one of two sinks");
    }

    #[test]
    fn churn_may_cost_ten_microseconds_a_second() {
        let verdict =
            |still: &[u64], churning: &[u64]| row(&slices(still), &slices(churning), 0.0).unwrap().verdict;
        assert_eq!(verdict(&[0, 0, 0, 0], &[10, 10, 10, 9_000]), Verdict::Reached);
        assert_eq!(verdict(&[0, 0, 0, 0], &[14, 14, 14, 0]), Verdict::Missed);
        assert_eq!(verdict(&[100, 100, 100, 100], &[108, 108, 108]), Verdict::Reached);
        assert_eq!(verdict(&[0, 0, 100, 100], &[0, 0, 0]), Verdict::TooNoisy, "100 more would be too much");
        assert_eq!(verdict(&[0, 100, 0, 100], &[0, 0, 0]), Verdict::TooNoisy, "halves that are alike");
        assert_eq!(verdict(&[0, 0, 100, 100], &[160, 160]), Verdict::TooNoisy);
        assert_eq!(verdict(&[0, 0, 100, 100], &[162, 162]), Verdict::Missed, "by more than the noise");
        let churning = |answer| {
            row(&slices(&[0, 0]), &Slices { answers: vec![answer], ..slices(&[]) }, 0.0).unwrap().verdict
        };
        let answer = || slices(&[0, 0]).answers.remove(0);
        let (offered, due) = (1_000, 1_000);
        let given =
            |skipped, joins, leaves| churning(Answer { offered, skipped, due, joins, leaves, ..answer() });
        assert_eq!(given(30, 970, 970), Verdict::Reached);
        assert_eq!(given(40, 1_000, 1_000), Verdict::TooNoisy, "another load of data");
        assert_eq!(given(0, 969, 1_000), Verdict::TooNoisy, "fewer joins");
        assert_eq!(given(0, 1_000, 969), Verdict::TooNoisy, "fewer leaves");
        let dear = Answer { offered, due, joins: 900, leaves: 900, ..slices(&[50, 50]).answers.remove(0) };
        assert_eq!(churning(dear), Verdict::Missed, "fewer joins, and yet too much");
        let aim = row(&slices(&[100, 100]), &slices(&[0]), 0.0).unwrap().aim;
        assert_eq!(aim, Some(110.0));
    }
}
