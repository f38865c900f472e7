//! What an operator does, and what becomes of links: settings, the switch, carrier.

use core::time::Duration;

use igmp::{ClientPortSettings, QuerierVersion};
use types::{GroupAddr, Ipv4Net, Time};

use super::PortLedger;
use super::hear::check;
use crate::entry::{Ask, Entry};

impl PortLedger {
    /// Live settings: what they forbid goes at once (r54, r69), other addresses start the querier anew (r94), as do
    /// other timers where it asks.
    pub(crate) fn configure(&mut self, now: Time, settings: ClientPortSettings) {
        self.expire_hold(now);
        let (before, old, gmi) = (self.refused(), self.settings.clone(), self.gmi());
        let moved = old.query_source() != settings.query_source();
        let retimed = old.timers != settings.timers || old.version != settings.version;
        self.settings = settings;
        if retimed || old.fast_leave != self.settings.fast_leave {
            self.forget_hosts(now);
        }
        // As non-querier it follows the other's intervals.
        if moved || (retimed && self.other_until.is_none()) {
            self.start(now);
        }
        if retimed {
            self.retime(now, gmi, old.version);
        }
        self.forbid(now);
        self.apply_statics(now);
        let less = self.refuses_less_than(&before) || (old.ignore_v1 && !self.settings.ignore_v1);
        if less && !moved && !retimed {
            self.ask_anew(now);
        }
    }

    pub(crate) fn set_local(&mut self, now: Time, local: Vec<Ipv4Net>) {
        let before = self.refused();
        self.local = local;
        self.forbid(now);
        self.apply_statics(now);
        if self.refuses_less_than(&before) {
            self.ask_anew(now);
        }
    }

    /// One group of each range that a network's settings ever name, while it is refused.
    fn refused(&self) -> Vec<GroupAddr> {
        let named = [[238, 129, 1, 1], [238, 129, 7, 7], [239, 1, 1, 1]];
        named
            .into_iter()
            .filter_map(|at| GroupAddr::new(at.into()))
            .filter(|g| !self.is_allowed(*g))
            .collect()
    }

    fn refuses_less_than(&self, before: &[GroupAddr]) -> bool {
        before.iter().any(|group| self.is_allowed(*group))
    }

    /// Who was refused is asked at once, or a second after the last General Query.
    fn ask_anew(&mut self, now: Time) {
        let at = now.max(self.queried + Duration::from_secs(1));
        self.next_query = self.next_query.map(|next| next.min(at));
    }

    /// Hosts are told apart from now on, and none is known.
    fn forget_hosts(&mut self, now: Time) {
        self.tracked_since = now;
        self.shared_until.clear();
        self.entries.values_mut().for_each(|entry| entry.hosts.clear());
    }

    fn forbid(&mut self, now: Time) {
        self.calm_since = now;
        let gone: Vec<_> = self.entries.keys().copied().filter(|group| !self.is_allowed(*group)).collect();
        for group in gone {
            let entry = self.entries.get_mut(&group).unwrap();
            if self.enabled {
                let Entry { reported, reported_latest, .. } = *entry;
                *entry = Entry { must: now, may: now, reported, reported_latest, ..Entry::ABSENT };
            } else {
                // While switched off nothing can go, and what is forbidden now may be allowed afterwards.
                entry.must = now;
            }
        }
    }

    /// Other timers, or another version: a report counts for the longer of the intervals (r37).
    fn retime(&mut self, now: Time, before: Duration, version: QuerierVersion) {
        let (timers, gmi, tolerance) = (self.timers(), self.gmi(), self.tolerance);
        self.longest = self.longest.max(self.lasts_at_most());
        if !self.up {
            let over = self.link_since + self.settings.link_down_hold.unwrap_or(gmi);
            self.hold_at = Some(if self.enabled { over.max(now) } else { over });
        }
        if !self.enabled {
            return;
        }
        let v1_now = version != self.settings.version && self.settings.version == QuerierVersion::V1;
        for entry in self.entries.values_mut() {
            let checked = now < entry.checking_until;
            let perhaps = now < entry.checking_until.max(entry.doubt_until) + tolerance;
            if gmi > before && !checked {
                raise(entry, now, (before, gmi), perhaps);
            }
            if perhaps && v1_now {
                // Its question would not be heard (r29): whoever listens has an interval to say so.
                let until = now + gmi;
                (entry.must, entry.may) = (if checked { until } else { entry.must }, entry.may.max(until));
                entry.end_checks();
            } else if perhaps {
                stretch(entry, now, timers.last_member_query_interval());
            }
        }
    }

    /// The groups that the settings name are held, and no others (r55).
    pub(super) fn apply_statics(&mut self, now: Time) {
        if !self.enabled {
            return;
        }
        let gone = |(at, entry): (&GroupAddr, &Entry)| (entry.held && !self.is_static(*at)).then_some(*at);
        for group in self.entries.iter().filter_map(gone).collect::<Vec<_>>() {
            self.let_go(now, group);
        }
        for group in self.settings.static_groups.clone() {
            if self.is_allowed(group) {
                self.hold(now, group);
            }
        }
    }

    /// The hosts that reported count on, once it is held no more.
    fn hold(&mut self, now: Time, group: GroupAddr) {
        let (there, tolerance) = (self.forwarded.contains(&group), self.tolerance);
        let entry = self.entries.entry(group).or_insert(Entry::ABSENT);
        if entry.held {
            return;
        }
        if !there && entry.may <= now {
            *entry = Entry::ABSENT;
            entry.note_reported(now);
        } else if !there && entry.must <= now {
            // Remembered over the switch, or not.
            entry.reported_latest = now;
        }
        // Who is left has not said so: asked about anew afterwards.
        if now < entry.checking_until {
            (entry.must, entry.may) = (Time::ZERO, Time::ZERO);
        } else if now < entry.checking_until.max(entry.doubt_until) + tolerance {
            entry.must = Time::ZERO;
        }
        entry.end_checks();
        entry.held = true;
    }

    /// The settings name it no more: hosts that reported keep it, else they are asked, where somebody asks.
    fn let_go(&mut self, now: Time, group: GroupAddr) {
        let asks = self.up && self.other_until.is_none() && self.settings.version == QuerierVersion::V2;
        let timers = self.timers();
        self.let_go_at.insert(group, now);
        let Some(entry) = self.entries.get_mut(&group) else { return };
        entry.held = false;
        if now < entry.must {
            return;
        }
        let certainly = entry.may <= now;
        entry.must = now;
        if certainly {
            entry.may = now;
        }
        if asks {
            check(entry, now, &timers, certainly);
        }
    }

    pub(crate) fn link(&mut self, now: Time, up: bool) {
        self.expire_hold(now);
        (self.up, self.calm_since, self.link_since) = (up, now, now);
        self.forget_hosts(now);
        self.start(now);
        let hold = self.settings.link_down_hold.unwrap_or(self.gmi());
        self.hold_at = (!up).then(|| now + hold);
        self.entries.values_mut().flat_map(|entry| &mut entry.asks).for_each(|ask| ask.optional = true);
        if !up {
            self.interrupt_checks(now);
        }
    }

    /// Who would answer a check is not heard: members last as if nobody had left (r93, r96).
    fn interrupt_checks(&mut self, now: Time) {
        let (gmi, tolerance) = (self.gmi(), self.tolerance);
        for entry in self.entries.values_mut() {
            if now < entry.checking_until {
                entry.must = entry.must.max(entry.reported + gmi);
            }
            if now < entry.checking_until.max(entry.doubt_until) + tolerance {
                entry.may = entry.may.max(entry.reported_latest + gmi);
                entry.asks.clear();
            }
            (entry.checking_until, entry.doubt_until) = (Time::ZERO, Time::ZERO);
        }
    }

    /// Without link for longer than the hold, members go (r93).
    pub(super) fn expire_hold(&mut self, now: Time) {
        let Some(hold_at) = self.hold_at.filter(|hold_at| *hold_at <= now) else { return };
        for entry in self.entries.values_mut() {
            // While switched off nothing goes; whether the link came back in time is looked at afterwards.
            entry.lower(hold_at, self.enabled);
        }
    }

    /// Off: nothing is forwarded, and members are remembered; on again: those still young enough are
    /// forwarded at once (r96).
    pub(crate) fn switch(&mut self, now: Time, on: bool) {
        (self.enabled, self.calm_since) = (on, now);
        self.forget_hosts(now);
        self.start(now);
        self.expire_hold(now);
        if !on {
            self.interrupt_checks(now);
            // What hosts reported of it is remembered, that it was held is not.
            self.entries.values_mut().for_each(|entry| entry.held = false);
        }
        self.forbid(now);
        self.entries.values_mut().flat_map(|entry| &mut entry.asks).for_each(|ask| ask.optional = true);
        self.apply_statics(now);
    }
}

/// What a report made last for the whole of the interval `before` lasts for the whole of the longer one `after`.
fn raise(entry: &mut Entry, now: Time, (before, after): (Duration, Duration), perhaps: bool) {
    if now < entry.must && entry.reported_latest + before <= entry.must && !perhaps {
        entry.must = entry.must.max(entry.reported + after);
    }
    if now < entry.may && entry.reported + before <= entry.may {
        let v1_was_last = entry.v1_until == entry.reported + before;
        entry.may = entry.may.max(entry.reported_latest + after);
        if v1_was_last && now < entry.must {
            entry.v1_until = entry.reported + after;
        } else if v1_was_last {
            entry.doubt_until = entry.doubt_until.max(entry.reported_latest + after);
        }
    }
}

/// A check goes on with other intervals between its questions: it ends as it would have, or with the last of them.
fn stretch(entry: &mut Entry, now: Time, interval: Duration) {
    let mut at = None;
    for ask in entry.asks.iter_mut().filter(|ask| now < ask.at) {
        let moved = at.map_or(ask.at, |last: Time| last + interval);
        at = Some(moved);
        *ask = Ask { at: ask.at.min(moved), until: ask.until.max(moved), optional: true };
    }
    if let Some(last) = at {
        entry.may = entry.may.max(last + interval);
        entry.doubt_until = entry.doubt_until.max(last + interval);
    }
}
