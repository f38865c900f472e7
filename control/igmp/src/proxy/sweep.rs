//! What happens to all joined groups at once: a General Query, the link's end, a new link.
//!
//! A million groups take too long for one call, so a sweep goes through them a step at a time. A group that
//! is touched before its turn (its timer, a report, a Leave) is first brought up to date, so that nothing
//! can be seen of a sweep but that a delay drawn late and found to be over already ends at once. What a
//! step can take in, it has done when the call returns.

use core::time::Duration;
use std::collections::VecDeque;

use types::Time;

use super::{Proxy, TimerKey};
use crate::HostTimers;
use crate::rng::Rng;
use crate::timers::TimerId;
use crate::upstream::{Host, HostEvent};

/// What a step may cost: 4096 groups, some 0.5 ms of work, or 65,536 places that are free.
const COST_OF_A_STEP: u32 = 65_536;
const COST_OF_A_GROUP: u32 = COST_OF_A_STEP / 4096;

/// From one step to the next. A million groups take a quarter of a second.
const STEP_PAUSE: Duration = Duration::from_millis(1);

/// Between the first reports of two groups when all are reported anew, unless that would take longer than
/// the Unsolicited Report Interval.
const ANNOUNCE_GAP: Duration = Duration::from_millis(2);

/// What all groups go through.
#[derive(Debug, Clone, Copy)]
enum Kind {
    /// A General Query, to be answered within this time.
    Query(Duration),
    /// No link, hence nothing to send.
    Offline,
    /// Reported anew, the next group at `next`; `fresh`: on a link where nothing was reported yet.
    Announcement { next: Time, gap: Duration, fresh: bool },
}

/// One thing that happens to all groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sweep {
    kind: Kind,
    /// When it happened.
    at: Time,
    /// The next place to look at.
    place: u32,
    /// Which sweep it is; see [`Sweeps`].
    number: u32,
}

impl Sweep {
    const fn new(kind: Kind, at: Time) -> Self {
        Self { kind, at, place: 0, number: 0 }
    }

    pub(super) const fn query(now: Time, within: Duration) -> Self {
        Self::new(Kind::Query(within), now)
    }

    pub(super) const fn offline(now: Time) -> Self {
        Self::new(Kind::Offline, now)
    }

    pub(super) fn announcement(now: Time, within: Duration, groups: usize) -> Self {
        let groups = u32::try_from(groups).unwrap_or(u32::MAX).max(1);
        let gap = ANNOUNCE_GAP.min(within / groups);
        Self::new(Kind::Announcement { next: now, gap, fresh: false }, now)
    }

    /// What it makes of a group's host side. Never sends anything.
    pub(super) fn step(&mut self, host: Host, timers: &HostTimers, rng: &mut Rng) -> Host {
        let at = self.at;
        match &mut self.kind {
            Kind::Query(within) => host.handle(HostEvent::Query(*within), at, timers, rng).next,
            Kind::Offline => host.handle(HostEvent::Offline, at, timers, rng).next,
            Kind::Announcement { next, gap, fresh } => {
                let due = *next;
                *next = due + *gap;
                let host = if *fresh { host.handle(HostEvent::Offline, at, timers, rng).next } else { host };
                host.handle(HostEvent::Announce(due), at, timers, rng).next
            }
        }
    }

    fn takes_the_link(&self) -> bool {
        matches!(self.kind, Kind::Offline | Kind::Announcement { fresh: true, .. })
    }
}

/// The sweeps under way, oldest first, numbered as they came. Each group remembers the latest number of its
/// day: those with a later one it has not been through.
#[derive(Debug, Default)]
pub(super) struct Sweeps {
    under_way: VecDeque<Sweep>,
    latest: u32,
    timer: Option<TimerId>,
}

impl Sweeps {
    /// The number of the latest sweep, which groups that come now need not go through.
    pub(super) fn latest(&self) -> u32 {
        self.latest
    }

    /// What a group has still to go through that has been through `swept`.
    pub(super) fn owed(&mut self, swept: u32) -> impl Iterator<Item = &mut Sweep> {
        let latest = self.latest;
        let missed = latest.wrapping_sub(swept);
        self.under_way.iter_mut().filter(move |sweep| latest.wrapping_sub(sweep.number) < missed)
    }

    /// A change of the link and a new announcement leave nothing of what was before. Of two General Queries
    /// that wait behind a sweep, the one that is to be answered sooner stands for both; groups that have been
    /// through the first already go through it again.
    fn push(&mut self, mut sweep: Sweep) {
        self.latest = self.latest.wrapping_add(1);
        sweep.number = self.latest;
        match &mut sweep.kind {
            Kind::Query(within) => {
                let end = sweep.at + *within;
                if self.under_way.len() > 1
                    && let Some(Sweep { kind: Kind::Query(waiting), at, number, .. }) =
                        self.under_way.back_mut()
                {
                    if end < *at + *waiting {
                        (*at, *waiting) = (sweep.at, *within);
                    }
                    *number = sweep.number;
                    return;
                }
            }
            Kind::Offline => self.under_way.clear(),
            Kind::Announcement { fresh, .. } => {
                *fresh = self.under_way.iter().any(Sweep::takes_the_link);
                self.under_way.clear();
            }
        }
        self.under_way.push_back(sweep);
    }
}

impl Proxy {
    /// Begins a sweep, and ends it when a step is enough.
    pub(super) fn sweep(&mut self, now: Time, sweep: Sweep) {
        if self.groups.is_empty() {
            return;
        }
        self.sweeps.push(sweep);
        if self.sweeps.under_way.len() == 1 {
            self.handle_sweep_timer(now);
        }
    }

    /// Takes a step.
    pub(super) fn handle_sweep_timer(&mut self, now: Time) {
        let mut cost = 0;
        while let Some(sweep) = self.sweeps.under_way.front_mut() {
            let place = sweep.place;
            if place >= self.groups.places() {
                self.sweeps.under_way.pop_front();
            } else if cost >= COST_OF_A_STEP {
                break;
            } else {
                sweep.place += 1;
                cost += if self.settle_place(place) { COST_OF_A_GROUP } else { 1 };
            }
        }
        let next = (!self.sweeps.under_way.is_empty()).then(|| now + STEP_PAUSE);
        self.timers.set(&mut self.sweeps.timer, TimerKey::Sweep, next);
    }

    /// There is no group left to go through anything.
    pub(super) fn end_sweeps(&mut self) {
        self.sweeps.under_way.clear();
        self.timers.cancel(&mut self.sweeps.timer);
    }
}
