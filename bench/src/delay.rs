//! b10 and b11: how long after a report the first frame goes out, and after a Leave the last.
//!
//! In this process, from the moment at which the worker has the burst with the report in its hands to the end of the pass
//! that sends the first frame of the group: the time that is ours, without drivers and wires. The worker is a loop
//! of this module around Manifold's own forwarder; the control thread is the real one, on the other core, asleep
//! when nothing is to do. A frame of the group waits in every pass, so the delay is as fine as a pass is short.
//!
//! - nothing beside: nothing but those frames; joins far enough apart that the control thread sleeps.
//! - data beside: each pass brings a whole burst for every client port, from a source that is throttled so that passes
//!   take [`BUSY`] of the worker's time ([`crate::throttle`]); what it was stands beside the figure.
//! - close together: the next report or Leave comes within 100 us, so that the control thread hardly sleeps.
//!
//! The first two once more with `control-poll = "busy"`, for a control thread that never sleeps.
//!
//! Before and after each of these bare wake-ups are measured ([`crate::wake`]), of a thread that sleeps or polls likewise: the
//! machine's own part, and its noise. The least and the greatest of a percentile are those of the tenths of a run.

use std::time::{Duration, Instant};

use forwarding::{BURST, Egress, OwnedFrame};
use igmp::wire::{Outgoing, emit};
use lab::stop;
use settings::Poll;
use types::{GroupAddr, PortSet};

use crate::aim::{Aim, Verdict};
use crate::burst::PlainBurst;
use crate::chance::Chance;
use crate::error::BenchError;
use crate::live::{Live, port};
use crate::machine::{Cores, pin};
use crate::noise;
use crate::percentiles::Delays;
use crate::report::{FigureReport, PeerReport};
use crate::source;
use crate::stats::Spread;
use crate::throttle::Throttle;
use crate::wake;

/// The ids of joins and of leaves: one run measures both.
pub(crate) const JOIN: &str = "b10";
pub(crate) const LEAVE: &str = "b11";
const PROXY: &str = "the proxy in this process";
/// Client ports that the data beside goes to.
const CLIENTS: usize = 4;
const FIRST_GROUP: u32 = 0xef20_0000; // 239.32.0.0
/// Groups that are joined and left in turn.
const GROUPS: u32 = 4096;
/// The group of the data beside.
const BESIDE: u32 = FIRST_GROUP + GROUPS;
const HOST: [u8; 4] = [10, 1, 0, 2];
/// Share of its time that a busy worker works, and how far from it is another load.
const BUSY: f64 = 0.8;
const BUSY_WITHIN: f64 = 0.03;
/// A join or leave that took longer never came.
const LONGEST: Duration = Duration::from_secs(1);
/// After the last frame of a group that was left, so many passes are watched.
const WATCHED: u32 = 64;
/// Share of an aim within which bare wake-ups may differ, whatever their ratio.
const MATTERS: f64 = 0.1;
/// Joins of a run, and of a quick one or one that differs little.
const TRIALS: usize = 5_000;
const FEW: usize = 4_000;
/// How long the first joins, whose state is new, are let go before delays count.
const WARM_UP: usize = 200;
const P50_US: f64 = 30.0;
const P99_US: f64 = 200.0;
/// Bare wake-ups before and after each run, and in a quick one.
const WAKES: usize = 2_000;
const FEW_WAKES: usize = 500;
/// Where the machine alone is above the aim, ours is excused up to so many microseconds above the machine: what is more
/// is ours.
const MARGIN_US: f64 = 10.0;

/// What else there is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beside {
    Idle,
    Busy,
    Stream,
}

impl Beside {
    fn name(self) -> &'static str {
        match self {
            Self::Idle => "nothing beside",
            Self::Busy => "data beside",
            Self::Stream => "joins and leaves close together",
        }
    }

    /// The share of its time that the worker is held to, if it is.
    fn load(self) -> Option<f64> {
        match self {
            Self::Busy => Some(BUSY),
            Self::Idle | Self::Stream => None,
        }
    }

    /// From the end of one join or leave to the next, with chance in it: nobody is in step with a timer.
    fn pause(self, chance: u32) -> Duration {
        let up_to = |us: u32| Duration::from_micros(u64::from(chance % us));
        match self {
            Self::Idle | Self::Busy => Duration::from_micros(200) + up_to(600),
            Self::Stream => up_to(100),
        }
    }
}

/// One run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Case {
    beside: Beside,
    /// What the control thread does when nothing is to do.
    control: Poll,
}

const CASES: [Case; 5] = [
    Case { beside: Beside::Idle, control: Poll::Adaptive },
    Case { beside: Beside::Busy, control: Poll::Adaptive },
    Case { beside: Beside::Stream, control: Poll::Adaptive },
    Case { beside: Beside::Idle, control: Poll::Busy },
    Case { beside: Beside::Busy, control: Poll::Busy },
];

impl Case {
    fn name(self) -> String {
        let beside = self.beside.name();
        match self.control {
            Poll::Adaptive => beside.to_owned(),
            Poll::Busy => format!("{beside}, control=busy"),
        }
    }

    /// What the machine alone is measured by.
    fn peer(self) -> &'static str {
        match self.control {
            Poll::Adaptive => "a bare wake-up",
            Poll::Busy => "a bare answer of a thread that polls",
        }
    }
}

/// Delays of joins, and of leaves.
struct Measured {
    joins: Delays,
    leaves: Delays,
    /// Share of its time that the worker worked.
    busy: f64,
}

/// Bare wake-ups, or answers, before and after a run: what the machine alone comes to.
struct Bare {
    before: Delays,
    after: Delays,
}

impl Bare {
    /// What such a percentile of them is, both times.
    fn spread(&self, percent: f64) -> Spread {
        let [a, b] = [&self.before, &self.after].map(|delays| delays.at(percent));
        Spread { min: a.min(b), median: f64::midpoint(a, b), max: a.max(b) }
    }

    /// The one time by the other.
    fn by_itself(&self, percent: f64) -> f64 {
        self.before.at(percent) / self.after.at(percent)
    }

    /// By how much a percentile of ours may be longer or shorter than it seems, for all that the machine tells: as much as it
    /// differs from itself where that is outside the percentile's band, and so much that it could decide. Polling threads
    /// answer in less than a microsecond, and twice that is nothing.
    fn farthest(&self, aim: Aim, percent: f64) -> f64 {
        let Spread { min, max, .. } = self.spread(percent);
        if max - min <= MATTERS * aim.value() {
            return 1.0;
        }
        let itself = self.by_itself(percent);
        let itself = Spread { min: itself, median: itself, max: itself };
        noise::farthest(itself, &noise::of_percentile(percent))
    }

    /// What `value`, such a percentile of ours, means. Where the machine alone takes longer than we may, that is told unless
    /// ours takes longer still by more than [`MARGIN_US`].
    fn verdict(&self, aim: Option<Aim>, percent: f64, value: f64) -> Verdict {
        let Some(aim) = aim else { return Verdict::NoAim };
        let alone = self.spread(percent).max;
        let means = |value: f64| match Aim::verdict(Some(aim), value) {
            Verdict::Missed if !aim.is_reached(alone) && value <= alone + MARGIN_US => Verdict::BeyondMachine,
            verdict => verdict,
        };
        let farthest = self.farthest(aim, percent);
        noise::between([value / farthest, value * farthest], means)
    }
}

/// The rows of those figures that are wanted.
///
/// # Errors
/// A join or leave has no effect, or a frame comes after the end.
pub(crate) fn reports(
    cores: Cores,
    quick: bool,
    wanted: [bool; 2],
    say: impl Fn(&str),
) -> Result<Vec<FigureReport>, BenchError> {
    let mut reports = Vec::new();
    for case in CASES {
        say(&case.name());
        let bare = || {
            let mut chance = Chance::new(1);
            wake::measure(cores, case.control, if quick { FEW_WAKES } else { WAKES }, move || {
                Beside::Idle.pause(chance.next())
            })
        };
        let before = bare()?;
        let few = quick || case.control == Poll::Busy;
        let measured = measure(cores, case, if few { FEW } else { TRIALS })?;
        let bare = Bare { before, after: bare()? };
        let kinds =
            [(JOIN, "group join delay", &measured.joins), (LEAVE, "group leave delay", &measured.leaves)];
        for ((id, metric, delays), _) in kinds.into_iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            reports.extend(rows(id, metric, case, delays, measured.busy, &bare));
        }
    }
    reports.sort_by_key(|report| report.id);
    Ok(reports)
}

fn rows(
    id: &'static str,
    metric: &'static str,
    case: Case,
    delays: &Delays,
    busy: f64,
    bare: &Bare,
) -> [FigureReport; 2] {
    // One join in the midst of others waits for the control thread's nap: only the longest delays have an aim.
    let p50 = (case.beside != Beside::Stream && id == JOIN).then_some(Aim::AtMost(P50_US));
    let off = case.beside.load().map_or(0.0, |load| busy - load);
    let row = |percent: f64, aim: Option<Aim>| {
        let name = format!("p{percent}, {}", case.name());
        let itself = bare.by_itself(percent);
        let verdict = match bare.verdict(aim, percent, delays.at(percent)) {
            // Of another load it says nothing, but where it stands under a heavier one, or falls under a lighter one.
            Verdict::Reached if off < -BUSY_WITHIN => Verdict::TooNoisy,
            Verdict::Missed | Verdict::BeyondMachine if off > BUSY_WITHIN => Verdict::TooNoisy,
            verdict => verdict,
        };
        FigureReport {
            ours: Some(delays.spread(percent)),
            peer: Some(PeerReport { name: case.peer(), spread: bare.spread(percent) }),
            peer_by_itself: Some(Spread { min: itself, median: itself, max: itself }),
            verdict,
            ..FigureReport::new(id, name, metric, "us").aiming(aim)
        }
    };
    let mut middle = row(50.0, p50);
    middle.distributions = vec![delays.distribution(format!("{metric}, {}", case.name()))];
    let asked = case.beside.load().map_or_else(String::new, |load| {
        format!(", of {:.0} \u{b1} {:.0} asked for", 100.0 * load, 100.0 * BUSY_WITHIN)
    });
    middle.notes = vec![
        format!(
            "{}; the worker was in its passes for {:.1} % of the time{asked}",
            delays.words(),
            100.0 * busy
        ),
        format!("{} before: {}; after: {}", case.peer(), bare.before.words(), bare.after.words()),
    ];
    [middle, row(99.0, Some(Aim::AtMost(P99_US)))]
}

fn measure(cores: Cores, case: Case, trials: usize) -> Result<Measured, BenchError> {
    // A thread of its own: cores are chosen for good.
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            pin(cores.main)?;
            let live = Live::start(CLIENTS, case.control)?;
            pin(cores.forward)?;
            let mut bench = Bench::new(live, case.beside)?;
            let measured = bench.run(trials);
            bench.live.end()?;
            measured
        });
        worker.join().unwrap_or_else(|_| Err(BenchError::machine("the worker panicked", "report it")))
    })
}

fn group(bits: u32) -> Result<GroupAddr, BenchError> {
    GroupAddr::from_bits(bits).ok_or_else(|| BenchError::machine("no multicast address", "report it"))
}

/// Counts copies of the group that is asked for, and keeps the buffers.
struct Copies {
    group: [u8; 4],
    copies: u32,
    buffers: Vec<OwnedFrame>,
}

impl Egress<OwnedFrame> for Copies {
    #[inline]
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        for frame in frames {
            if frame.0.get(30..34) == Some(&self.group) {
                self.copies += u32::from(!ports.is_empty());
            }
            self.buffers.push(frame);
        }
    }
}

/// The worker.
struct Bench {
    live: Live,
    beside: Beside,
    egress: Copies,
    burst: PlainBurst,
    /// The frame of the group that is asked for.
    probe: Vec<u8>,
    /// The frame of the data beside.
    data: Vec<u8>,
    chance: Chance,
    throttle: Throttle,
}

impl Bench {
    fn new(live: Live, beside: Beside) -> Result<Self, BenchError> {
        let group = group(BESIDE)?;
        let data = source::frame(group.addr(), 0, source::SHORTEST);
        let egress = Copies { group: group.addr().octets(), copies: 0, buffers: Vec::new() };
        let (burst, throttle) = (PlainBurst::default(), Throttle::new(beside.load()));
        let (probe, chance) = (data.clone(), Chance::new(1));
        Ok(Self { live, beside, egress, burst, probe, data, chance, throttle })
    }

    fn run(&mut self, trials: usize) -> Result<Measured, BenchError> {
        // The data beside has members on all client ports.
        for client in 1..=CLIENTS {
            self.igmp(Outgoing::ReportV2(group(BESIDE)?), client)?;
        }
        self.wait_until(true)?;
        let (mut joins, mut leaves) = (Vec::new(), Vec::new());
        for number in 0..WARM_UP + trials {
            if number == WARM_UP {
                self.throttle.restart();
            }
            if stop::stopped() {
                return Err(lab::LabError::Interrupted.into());
            }
            let group = group(FIRST_GROUP + number as u32 % GROUPS)?;
            self.probe = source::frame(group.addr(), 0, source::SHORTEST);
            self.egress.group = group.addr().octets();
            self.rest();
            let joined = Instant::now();
            self.igmp(Outgoing::ReportV2(group), 1)?;
            let join = self.wait_until(true)? - joined;
            self.rest();
            let left = Instant::now();
            self.igmp(Outgoing::Leave(group), 1)?;
            let leave = self.wait_until(false)? - left;
            if (0..WATCHED).any(|_| self.pass() > 0) {
                return Err(BenchError::delivery(
                    PROXY,
                    format!("a frame of {group} came after the last one"),
                ));
            }
            if number >= WARM_UP {
                joins.push(join);
                leaves.push(leave);
            }
        }
        let busy = self.throttle.busy();
        let of = |delays| Delays::of_durations(delays);
        let (Some(joins), Some(leaves)) = (of(joins), of(leaves)) else {
            return Err(BenchError::machine("nothing was measured", "report it"));
        };
        Ok(Measured { joins, leaves, busy })
    }

    /// A burst with one IGMP message, by a client port.
    fn igmp(&mut self, message: Outgoing, client: usize) -> Result<(), BenchError> {
        self.burst.push(OwnedFrame(emit(message, source::HOST_MAC, HOST.into(), 0).as_slice().to_vec()));
        self.live.pass(port(client)?, &mut self.burst, &mut self.egress);
        Ok(())
    }

    /// Passes until one that does, or does not, send a frame of the group; when that one ended.
    fn wait_until(&mut self, sent: bool) -> Result<Instant, BenchError> {
        let began = Instant::now();
        loop {
            let copies = self.pass();
            let now = Instant::now();
            if (copies > 0) == sent {
                return Ok(now);
            }
            if now - began > LONGEST {
                let what = if sent { "a join had no effect" } else { "a leave had no effect" };
                return Err(BenchError::delivery(PROXY, format!("{what} within {LONGEST:?}")));
            }
        }
    }

    /// Passes for a while.
    fn rest(&mut self) {
        let until = Instant::now() + self.beside.pause(self.chance.next());
        while Instant::now() < until {
            self.pass();
        }
    }

    /// One pass over the provider's port, once its source gives something; copies of the group's frame.
    fn pass(&mut self) -> u32 {
        let began = self.throttle.wait();
        self.egress.copies = 0;
        let frames = if self.beside == Beside::Busy { BURST } else { 1 };
        for number in 0..frames {
            let mut buffer = self.egress.buffers.pop().unwrap_or_else(|| OwnedFrame(self.data.clone()));
            let frame = if number == 0 { &self.probe } else { &self.data };
            buffer.0.clone_from(frame);
            self.burst.push(buffer);
        }
        // Always there: it is the provider's.
        if let Some(provider) = types::PortIndex::new(0) {
            self.live.pass(provider, &mut self.burst, &mut self.egress);
        }
        self.throttle.done(began);
        self.egress.copies
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_leaves_take_effect() {
        let cores = Cores::pick().unwrap();
        for case in CASES {
            let measured = measure(cores, case, 20).unwrap();
            assert_eq!((measured.joins.len(), measured.leaves.len()), (20, 20));
            let bare = bare([10, 12], [30, 40]);
            let rows = rows(JOIN, "group join delay", case, &measured.joins, measured.busy, &bare);
            assert_eq!(rows[0].aim.is_some(), case.beside != Beside::Stream);
            assert_eq!(rows[1].aim, Some(P99_US));
            assert_eq!((rows[0].variant.get(..4), rows[1].variant.get(..4)), (Some("p50,"), Some("p99,")));
        }
    }

    /// Wake-ups whose middle and tail are so many microseconds, before and after.
    fn bare(p50: [u64; 2], p99: [u64; 2]) -> Bare {
        let delays = |n: usize| {
            let us = (0..100).map(|number| if number < 90 { p50[n] } else { p99[n] });
            Delays::of_durations(us.map(Duration::from_micros)).unwrap()
        };
        Bare { before: delays(0), after: delays(1) }
    }

    #[test]
    fn a_machine_that_differs_from_itself_says_nothing() {
        let (p50, p99) = (Some(Aim::AtMost(P50_US)), Some(Aim::AtMost(P99_US)));
        let quiet = bare([10, 11], [60, 90]);
        assert_eq!(quiet.verdict(p50, 50.0, 29.0), Verdict::Reached);
        assert_eq!(quiet.verdict(p50, 50.0, 31.0), Verdict::Missed);
        assert_eq!(quiet.verdict(p99, 99.0, 201.0), Verdict::Missed);
        assert_eq!(quiet.verdict(None, 50.0, 500.0), Verdict::NoAim);
        let polling = bare([1, 3], [5, 24]);
        assert_eq!(polling.verdict(p50, 50.0, 4.0), Verdict::Reached);
        assert_eq!(
            polling.verdict(p99, 99.0, 100.0),
            Verdict::Reached,
            "they are apart by less than a tenth of 200"
        );
        let restless = bare([10, 14], [60, 130]);
        assert_eq!(restless.verdict(p50, 50.0, 29.0), Verdict::TooNoisy);
        assert_eq!(restless.verdict(p50, 50.0, 20.0), Verdict::Reached, "1.4 times that would do");
        assert_eq!(restless.verdict(p50, 50.0, 40.0), Verdict::TooNoisy);
        assert_eq!(restless.verdict(p50, 50.0, 44.0), Verdict::Missed, "1.4 times less would not do");
        assert_eq!(restless.verdict(p99, 99.0, 100.0), Verdict::TooNoisy);
        let slow = bare([31, 31], [190, 210]);
        assert_eq!(slow.verdict(p50, 50.0, 29.0), Verdict::Reached);
        assert_eq!(slow.verdict(p50, 50.0, 40.0), Verdict::BeyondMachine);
        assert_eq!(slow.verdict(p50, 50.0, 42.0), Verdict::Missed, "more than the machine's own");
        assert_eq!(slow.verdict(p99, 99.0, 219.0), Verdict::BeyondMachine);
        assert_eq!(slow.verdict(p99, 99.0, 300.0), Verdict::Missed);
        let both = bare([31, 60], [0, 0]);
        assert_eq!(
            both.verdict(p50, 50.0, 60.0),
            Verdict::TooNoisy,
            "half of it would be the machine\u{2019}s"
        );
        assert_eq!(both.verdict(p50, 50.0, 500.0), Verdict::Missed, "half of it would be ours");
    }
}
