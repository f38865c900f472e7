//! b12: how long a frame takes from one link to the other at 10, 50 and 90 % of three million frames a second, beside
//! testpmd between the same links; and how far apart its copies come.
//!
//! Both sides are there at a time, and take turns of a fraction of a second: from one moment to the next a virtual machine's
//! two cores are further apart or nearer to each other, and the same program's frames take 0.3, 0.5 or 2 us in the
//! median. What is next to each other is mostly of the same kind, so ratios are of four such parts, and the figure is their
//! median. Trials of a second with one side alone differed from themselves by more than the sides do.
//!
//! The far end ([`crate::memif`]) writes the time into a frame just before it sends it, and looks at the clock just after
//! it received one: the delay is both links', the far end's own turn (some hundred nanoseconds) and that of the program
//! in between. Fan-out is 1, as testpmd's; skew is Manifold's alone, at fan-out 2. On two cores the machine's stalls are
//! in it on both sides: the peer's trials against each other say whether there were too many.

use std::path::Path;

use crate::aim::{Aim, Verdict};
use crate::error::BenchError;
use crate::machine::Cores;
use crate::memif::far::FarEnd;
use crate::memif::ours::{self, Ours};
use crate::memif::{Answer, Links, Order, Recorded};
use crate::noise;
use crate::percentiles::Delays;
use crate::report::{FigureReport, PeerReport};
use crate::side::bound_to_us;
use crate::stats::Spread;
use crate::testpmd::{Session, Testpmd};

/// Its id.
pub(crate) const ID: &str = "b12";
const PEER: &str = "testpmd io";
/// All of the load, in frames a second: more, and the machine's stalls fill the links.
const FULL: u32 = 3_000_000;
/// Shares of it, in percent.
const LOADS: [u32; 3] = [10, 50, 90];
/// Ours by the peer's, by the 99th percentile.
const RATIO: Aim = Aim::AtMost(1.2);
/// Of the frames that were due so many must have been sent, or it was another load.
const GIVEN: f64 = 0.97;
/// Where the peer lost more than this share of the copies, it was not the load that was asked for.
const MOST_LOST: f64 = 0.03;
/// Ours clearly loses more than the peer where the difference is the tail that the percentile looks at.
const MORE_LOST: f64 = 0.01;
/// How often both sides are started, at most.
pub(crate) const MOST_ROUNDS: usize = 2;
/// Rounds of each start: parts of a trial, at each load.
const PARTS: u64 = 5;
/// How long each part runs before delays are looked at.
const WARM_UP_MS: u64 = 50;

/// Who is measured, and where.
pub(crate) struct Setting<'s> {
    /// Manifold.
    pub(crate) manifold: &'s Path,
    /// The peer.
    pub(crate) testpmd: &'s Testpmd,
    /// Where both run.
    pub(crate) cores: Cores,
    /// A folder for files.
    pub(crate) scratch: &'s Path,
    /// Length of a trial, in milliseconds.
    pub(crate) window_ms: u64,
}

/// Parts of trials, load by load.
type Loads = [Vec<Answer>; LOADS.len()];

/// Four parts that came one after the other: the peer, ours, ours, the peer.
#[derive(Default)]
struct Round {
    ours: [Loads; 2],
    peer: [Loads; 2],
}

impl Setting<'_> {
    /// Links of their own for each that is measured: both are there at a time.
    fn links(&self, who: &str, sinks: usize) -> Links {
        Links { socket: self.scratch.join(format!("links-{who}")), sinks }
    }

    fn order(&self, percent: u32) -> Order {
        Order {
            rate: FULL / 100 * percent,
            warm_up_ms: WARM_UP_MS,
            length_ms: self.window_ms / PARTS,
            joins: 0,
        }
    }

    fn ours(&self, sinks: usize) -> Result<Ours, BenchError> {
        Ours::start(bound_to_us(self.manifold), &self.links("ours", sinks), self.cores, self.scratch)
    }

    fn peer(&self) -> Result<Peer, BenchError> {
        let links = self.links("peer", 1);
        let settings = ours::read_settings(&links, self.cores, self.scratch)?;
        let devices = [links.near(0), links.near(1)];
        let session = self.testpmd.passing(&devices, self.cores, &settings, self.scratch)?;
        let far = FarEnd::start(&links, self.cores.main, self.scratch)?;
        Ok(Peer { session, far, taken: 0, came: 0 })
    }

    /// Rounds at all loads, by turns, with both sides there: the one whose turn it is not is halted.
    fn rounds(&self) -> Result<Vec<Round>, BenchError> {
        let mut peer = self.peer()?;
        peer.session.halt()?;
        let mut ours = self.ours(1)?;
        ours.halt()?;
        let mut done = Vec::new();
        for _ in 0..PARTS {
            let mut round = Round::default();
            for (load, percent) in LOADS.into_iter().enumerate() {
                let order = self.order(percent);
                let [first, last] = &mut round.peer;
                first[load].push(peer.obey(&order)?);
                ours.resume()?;
                for part in &mut round.ours {
                    part[load].push(ours.obey(&order)?);
                }
                ours.halt()?;
                last[load].push(peer.obey(&order)?);
            }
            done.push(round);
        }
        ours.resume()?;
        ours.end()?;
        peer.end()?;
        Ok(done)
    }

    /// Trials at all loads with two sinks, of ours alone.
    fn apart(&self) -> Result<Loads, BenchError> {
        let mut ours = self.ours(2)?;
        let mut loads = Loads::default();
        for (load, percent) in (0..PARTS).flat_map(|_| LOADS.into_iter().enumerate()) {
            loads[load].push(ours.obey(&self.order(percent))?);
        }
        ours.end()?;
        Ok(loads)
    }
}

/// A testpmd with its far end.
struct Peer {
    session: Session,
    far: FarEnd,
    /// Frames that its link took, and those that came back.
    taken: u64,
    came: u64,
}

impl Peer {
    /// Runs `order`; before and afterwards it is halted.
    fn obey(&mut self, order: &Order) -> Result<Answer, BenchError> {
        self.session.resume()?;
        let answer = self.far.obey(order)?;
        self.session.halt()?;
        self.taken += answer.offered - answer.refused;
        self.came += answer.sinks.iter().map(|sink| sink.frames).sum::<u64>();
        Ok(answer)
    }

    /// Ends both. Each frame that came in went out, as testpmd counts, and came back.
    fn end(mut self) -> Result<(), BenchError> {
        self.session.resume()?;
        let Self { session, far, taken, came } = self;
        let console = session.finish()?;
        far.end()?;
        let counted = (console.forwarded_rx(0), console.forwarded_tx(1));
        if counted != (Some(taken), Some(came)) {
            let what = format!("its link took {taken} frames, {came} came back; it counted {counted:?}");
            return Err(BenchError::delivery(PEER, what));
        }
        Ok(())
    }
}

/// The figure's rows, from so many starts.
///
/// # Errors
/// A side does not start, or does not deliver.
pub(crate) fn reports(
    setting: &Setting<'_>,
    rounds: usize,
    say: impl Fn(String),
) -> Result<Vec<FigureReport>, BenchError> {
    let mut done = Vec::new();
    for number in 1..=rounds {
        say(format!("start {number}/{rounds}"));
        done.extend(setting.rounds()?);
    }
    say("port skew".to_owned());
    let apart = setting.apart()?;
    let rows = LOADS.iter().enumerate();
    let delays = rows.clone().flat_map(|(load, percent)| delay_rows(&done, load, *percent));
    let skews = rows.filter_map(|(load, percent)| skew_row(&apart[load], *percent));
    Ok(delays.chain(skews).collect())
}

/// The delays of all links of some answers; `None` where nothing came.
fn delays<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Option<Delays> {
    let sinks = answers.into_iter().flat_map(|answer| &answer.sinks);
    Delays::recorded(Recorded::sum(sinks.map(|sink| &sink.delays)))
}

/// The median of a percentile of some parts, so that one stall of the machine is not the figure.
fn of_parts(parts: &[Answer], percent: f64) -> f64 {
    let parts = parts.iter().filter_map(|answer| Some(delays([answer])?.at(percent)));
    Spread::of(parts).map_or(0.0, |spread| spread.median)
}

/// The rows of one load: the middle, which is what programs and links take, and the tail, which has the aim.
fn delay_rows(rounds: &[Round], load: usize, percent: u32) -> Vec<FigureReport> {
    let row = |which, aim| {
        let row = delay_row(rounds, load, which, aim)?;
        let variant = format!("p{which} load={percent}% of 3M/s fanout=1 size=64");
        Some(FigureReport { variant, ..row })
    };
    let mut rows: Vec<_> = [row(50.0, None), row(99.0, Some(RATIO))].into_iter().flatten().collect();
    if let Some(tail) = rows.last_mut() {
        tell_all(tail, rounds, load, percent);
    }
    rows
}

/// Of a round one side's parts.
type Side = fn(&Round) -> &[Loads; 2];

/// Whole trials of a side at one load: the first parts of each start's rounds, and the second ones.
fn trials(rounds: &[Round], load: usize, side: Side) -> Vec<Vec<&Answer>> {
    let mut trials = Vec::new();
    for start in rounds.chunks(PARTS as usize) {
        for number in [0, 1] {
            trials.push(start.iter().flat_map(|round| &side(round)[number][load]).collect());
        }
    }
    trials
}

/// A percentile at one load, without its name.
fn delay_row(rounds: &[Round], load: usize, which: f64, aim: Option<Aim>) -> Option<FigureReport> {
    let of = |loads: &Loads| of_parts(&loads[load], which);
    let mean = |pair: &[Loads; 2]| f64::midpoint(of(&pair[0]), of(&pair[1]));
    let itself = Spread::of(rounds.iter().map(|r| of(&r.peer[0]) / of(&r.peer[1])))?;
    let ratio = Spread::of(rounds.iter().map(|r| mean(&r.ours) / mean(&r.peer)))?;
    let (mine, theirs) = (trials(rounds, load, |r| &r.ours), trials(rounds, load, |r| &r.peer));
    let given = mine.iter().chain(&theirs).all(|trial| was_given(trial));
    let lost = |trials: &[Vec<&Answer>]| Spread::of(trials.iter().map(|trial| share_lost(trial)));
    let verdict = match aim {
        None => Verdict::NoAim,
        Some(_) if !given || lost(&theirs)?.max > MOST_LOST => Verdict::TooNoisy,
        // What is lost has no delay: the rest may be all the faster for it.
        Some(_) if lost(&mine)?.median > lost(&theirs)?.max + MORE_LOST => Verdict::Missed,
        aim => noise::judge(aim, ratio.median, itself, &noise::PARTS),
    };
    Some(FigureReport {
        ours: Spread::of(rounds.iter().flat_map(|r| &r.ours).map(of)),
        peer: Spread::of(rounds.iter().flat_map(|r| &r.peer).map(of))
            .map(|spread| PeerReport { name: PEER, spread }),
        ratio: Some(ratio),
        verdict,
        peer_by_itself: Some(itself),
        trials: rounds.iter().map(|r| [&r.peer[0], &r.ours[0], &r.ours[1], &r.peer[1]].map(of)).collect(),
        ..FigureReport::new(ID, String::new(), "forwarding delay", "us").aiming(aim)
    })
}

/// Both sides' delays of all trials, for the plot and in words.
fn tell_all(row: &mut FigureReport, rounds: &[Round], load: usize, percent: u32) {
    let sides: [(&str, Side); 2] = [("Manifold", |round| &round.ours), (PEER, |round| &round.peer)];
    for (name, side) in sides {
        let answers = || rounds.iter().flat_map(side).flat_map(|loads| &loads[load]);
        let all = delays(answers());
        row.distributions.extend(all.iter().map(|all| all.distribution(format!("{name}, {percent} %"))));
        let words = all.map_or_else(|| "nothing came".to_owned(), |all| all.words());
        row.notes.push(format!("{name}, all trials: {words}; {}", losses(answers())));
    }
}

fn skew_row(parts: &[Answer], percent: u32) -> Option<FigureReport> {
    let skew = Delays::recorded(Recorded::sum(parts.iter().map(|answer| &answer.skew)))?;
    let of_part = |answer: &Answer| Some(Delays::recorded(Recorded::sum([&answer.skew]))?.at(99.0));
    let p99 = Spread::of(parts.iter().filter_map(of_part))?;
    let variant = format!("port skew p99 load={percent}% of 3M/s fanout=2 size=64");
    let row = FigureReport::new(ID, variant, "port skew", "us");
    let note = format!("{}; {}", skew.words(), losses(parts));
    let row = row.alone(p99, None);
    Some(FigureReport { notes: vec![note], ..row })
}

/// Whether the far end was there to send nearly all that was due.
fn was_given(parts: &[&Answer]) -> bool {
    let [offered, skipped] = [
        parts.iter().map(|answer| answer.offered).sum::<u64>(),
        parts.iter().map(|answer| answer.skipped).sum(),
    ];
    offered as f64 >= (offered + skipped) as f64 * GIVEN
}

/// Of the copies that were due of what was offered, the share that did not come.
fn share_lost(parts: &[&Answer]) -> f64 {
    let offered: u64 = parts.iter().map(|answer| answer.offered).sum();
    let lost: u64 = parts.iter().flat_map(|answer| &answer.seconds).map(|second| second.lost).sum();
    lost as f64 / offered.max(1) as f64
}

/// What was not sent, and what was lost, in all trials.
fn losses<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> String {
    let (mut due, mut skipped, mut lost, mut away) = (0, 0, 0, 0.0_f64);
    for answer in answers {
        due += answer.offered + answer.skipped;
        skipped += answer.skipped;
        lost += answer.seconds.iter().map(|second| second.lost).sum::<u64>();
        away = away.max(answer.away.share);
    }
    format!(
        "of {due} frames {skipped} skipped while the far end was away (up to {:.1} % of a part), {lost} copies lost",
        away * 100.0
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memif::{Arrivals, Second};

    /// 1,000 frames that all took so many microseconds.
    fn answer(us: u64) -> Answer {
        let delays: Recorded = serde_json::from_str(&format!("[[{},1000]]", us * 1000)).unwrap();
        let sinks = vec![Arrivals { frames: 1000, late: 0, delays }];
        Answer { offered: 1000, sinks, ..Answer::default() }
    }

    fn loads(us: u64) -> Loads {
        [(); 3].map(|()| vec![answer(us), answer(us), answer(us * 50)])
    }

    fn row(trials: [u64; 4], skipped: u64) -> FigureReport {
        let [first, mut a, b, last] = trials.map(loads);
        a[1][0].skipped = skipped;
        let rows = delay_rows(&[Round { ours: [a, b], peer: [first, last] }], 1, 50);
        assert_eq!((rows.len(), &rows[0].verdict), (2, &Verdict::NoAim));
        rows.into_iter().next_back().unwrap()
    }

    #[test]
    fn verdicts_follow_the_tail_unless_the_peer_differs_from_itself() {
        let reached = row([100, 110, 120, 100], 0);
        assert_eq!(reached.verdict, Verdict::Reached);
        assert!((reached.ratio.unwrap().median - 1.15).abs() < 0.01, "{reached:?}");
        assert_eq!(reached.variant, "p99 load=50% of 3M/s fanout=1 size=64");
        assert_eq!(row([100, 150, 150, 100], 0).verdict, Verdict::Missed);
        assert_eq!(row([100, 110, 120, 140], 0).verdict, Verdict::TooNoisy);
    }

    #[test]
    fn another_load_is_no_figure() {
        assert_eq!(row([100, 100, 100, 100], 1_000).verdict, Verdict::TooNoisy);
        assert_eq!(row([100, 100, 100, 100], 10).verdict, Verdict::Reached);
    }

    #[test]
    fn who_loses_frames_is_not_fast() {
        // Of each trial's 3,000 copies so many, in a round in which all take the same time.
        let verdict = |lost: [u64; 4]| {
            let [first, a, b, last] = lost.map(|lost| {
                let mut loads = loads(100);
                loads[1][0].seconds = vec![Second { offered: 3_000, lost }];
                loads
            });
            let rows = delay_rows(&[Round { ours: [a, b], peer: [first, last] }], 1, 50);
            rows.into_iter().next_back().unwrap().verdict
        };
        assert_eq!(verdict([0, 29, 29, 0]), Verdict::Reached);
        assert_eq!(verdict([0, 40, 40, 0]), Verdict::Missed);
        assert_eq!(verdict([30, 40, 40, 0]), Verdict::Reached, "as the peer does");
        assert_eq!(verdict([0, 40, 40, 100]), Verdict::TooNoisy);
    }
}
