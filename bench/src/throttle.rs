//! A source that gives frames so fast that who takes them works a set share of the time.

use std::time::{Duration, Instant};

/// What a pass may leave to be rested, or a rest to be worked: a core that stands still for milliseconds in the midst of either
/// must not be made up for in the next.
const MOST: f64 = 50e-6;

/// Holds a worker to a share of its time. Whatever happens between two passes counts as rest.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// Seconds of rest for each of work; none: there is always a frame.
    rest: Option<f64>,
    /// Seconds to be rested before the next pass; below zero, what was rested beyond that.
    owed: f64,
    worked: Duration,
    since: Instant,
    /// When the last pass ended.
    ended: Instant,
}

impl Throttle {
    /// To `share` of the time, from now on; without one, not at all.
    pub(crate) fn new(share: Option<f64>) -> Self {
        let now = Instant::now();
        let rest = share.map(|share| (1.0 - share) / share);
        Self { rest, owed: 0.0, worked: Duration::ZERO, since: now, ended: now }
    }

    /// Waits until there is a frame for the next pass, which begins at the time that is returned.
    #[inline]
    pub(crate) fn wait(&mut self) -> Instant {
        loop {
            let now = Instant::now();
            if self.is_due(now - self.ended) {
                self.rested(now - self.ended);
                return now;
            }
            std::hint::spin_loop();
        }
    }

    /// The pass that began at `began` is over.
    #[inline]
    pub(crate) fn done(&mut self, began: Instant) {
        self.ended = Instant::now();
        self.add(self.ended - began);
    }

    /// Counts anew.
    pub(crate) fn restart(&mut self) {
        (self.worked, self.since) = (Duration::ZERO, Instant::now());
    }

    /// Share of the time since it last counted anew that was worked.
    pub(crate) fn busy(&self) -> f64 {
        self.worked.as_secs_f64() / self.since.elapsed().as_secs_f64()
    }

    fn is_due(&self, rested: Duration) -> bool {
        self.rest.is_none() || rested.as_secs_f64() >= self.owed
    }

    fn rested(&mut self, length: Duration) {
        self.owed = (self.owed - length.as_secs_f64()).max(-MOST);
    }

    fn add(&mut self, work: Duration) {
        self.worked += work;
        self.owed = (self.owed + work.as_secs_f64() * self.rest.unwrap_or(0.0)).min(MOST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shares of work and longest rest, by a clock of our own: passes of these nanoseconds, over and over, each looked at
    /// `step` nanoseconds after it was due, at the most.
    fn run(throttle: &mut Throttle, passes: &[u64], step: u64) -> (f64, u64) {
        let (mut worked, mut all, mut longest) = (0, 0, 0);
        for pass in passes.iter().cycle().take(10_000) {
            let mut rest = step;
            while !throttle.is_due(Duration::from_nanos(rest)) {
                rest += step;
            }
            throttle.rested(Duration::from_nanos(rest));
            throttle.add(Duration::from_nanos(*pass));
            (worked, all, longest) = (worked + pass, all + pass + rest, longest.max(rest));
        }
        (worked as f64 / all as f64, longest)
    }

    #[test]
    fn work_is_the_share_that_was_asked_for_however_coarse_the_clock() {
        for (passes, step) in [(&[1000][..], 1), (&[1000], 70), (&[300, 900, 2000], 60), (&[300], 70)] {
            let (share, _) = run(&mut Throttle::new(Some(0.8)), passes, step);
            assert!((share - 0.8).abs() < 0.005, "{share} of {passes:?} by {step} ns");
        }
        let (share, _) = run(&mut Throttle::new(None), &[1000], 50);
        assert!(share > 0.95, "{share}: it waits for nothing");
    }

    #[test]
    fn a_stall_is_not_made_up_for() {
        let mut throttle = Throttle::new(Some(0.8));
        throttle.add(Duration::from_millis(4));
        let (_, longest) = run(&mut throttle, &[1000], 50);
        assert!(longest <= 50_000, "{longest} ns without a frame");
        throttle.rested(Duration::from_millis(4));
        let (share, _) = run(&mut throttle, &[1000], 50);
        assert!((share - 0.8).abs() < 0.02, "{share}");
    }

    #[test]
    fn passes_are_timed() {
        let mut throttle = Throttle::new(None);
        let began = throttle.wait();
        std::thread::sleep(Duration::from_millis(20));
        throttle.done(began);
        assert!(throttle.busy() > 0.5, "{throttle:?}");
        throttle.restart();
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(throttle.busy(), 0.0);
    }
}
