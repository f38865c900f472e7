//! The host side: one membership per group on the provider's port, merged from the client ports
//! (RFC 4605, section 4.1).

use std::collections::BTreeMap;

use types::{GroupAddr, PortIndex, PortSet, Time};

use super::sweep::Sweep;
use super::{Proxy, QuerySeen, TimerKey};
use crate::settings::{LeavePolicy, UpstreamPortSettings};
use crate::timers::TimerId;
use crate::upstream::{Host, HostEffect, HostEvent};
use crate::wire::{Message, Outgoing, Packet, Query, Version};
use crate::{Event, HostTimers, Verdict};

/// The provider's port.
#[derive(Debug)]
pub(super) struct Upstream {
    pub(super) port: PortIndex,
    pub(super) settings: UpstreamPortSettings,
    pub(super) link_up: bool,
    /// Until when a version 1 router counts as present.
    pub(super) v1_until: Time,
    /// The last query heard, general or specific.
    pub(super) query: Option<QuerySeen>,
    /// The last one for all groups.
    general: Option<QuerySeen>,
    /// The last group-specific one of each joined group that was asked for.
    asked: BTreeMap<GroupAddr, QuerySeen>,
    /// Since when no General Query was heard and the groups were not reported anew (r73).
    silent_since: Time,
}

impl Upstream {
    pub(super) fn new(now: Time, port: PortIndex, settings: UpstreamPortSettings, link_up: bool) -> Self {
        Self {
            port,
            settings,
            link_up,
            v1_until: Time::ZERO,
            query: None,
            general: None,
            asked: BTreeMap::new(),
            silent_since: now,
        }
    }

    /// What was known of the provider's routers is of another link now, or may be (r70).
    pub(super) fn forget_routers(&mut self) {
        self.v1_until = Time::ZERO;
        self.query = None;
        self.general = None;
        self.asked.clear();
    }

    /// The last query that asked for `group`.
    pub(super) fn query_for(&self, group: GroupAddr) -> Option<QuerySeen> {
        let specific = self.asked.get(&group).copied();
        [self.general, specific].into_iter().flatten().max_by_key(|query| query.at)
    }

    fn note_query(&mut self, now: Time, packet: &Packet<'_>, query: Query, joined: bool) {
        let seen = QuerySeen { source: packet.source, version: query.version, at: now };
        self.query = Some(seen);
        if query.version == Version::V1 {
            self.v1_until = now + HostTimers::VERSION_1_ROUTER_PRESENT;
        }
        match query.group {
            None => {
                self.general = Some(seen);
                self.silent_since = now;
            }
            Some(group) if joined => {
                self.asked.insert(group, seen);
            }
            Some(_) => {}
        }
    }
}

/// A group with a member on some port.
#[derive(Debug)]
pub(super) struct GroupEntry {
    pub(super) ports: PortSet,
    pub(super) host: Host,
    timer: Option<TimerId>,
    /// When we last reported it; [`NEVER`](Self::NEVER) before. An `Option` would take eight bytes more.
    reported: Time,
    /// The sweeps that it has been through; see [`Sweeps`](super::sweep::Sweeps).
    pub(super) swept: u32,
}

impl GroupEntry {
    const NEVER: Time = Time::from_nanos(u64::MAX);

    /// When we last reported it.
    pub(super) fn reported(&self) -> Option<Time> {
        Some(self.reported).filter(|at| *at != Self::NEVER)
    }

    /// Whether the last report heard on the provider's link was ours.
    pub(super) fn is_last_reporter(&self) -> bool {
        match self.host {
            Host::NonMember => false,
            Host::Idle { last_reporter } | Host::Delaying { last_reporter, .. } => last_reporter,
        }
    }
}

impl Proxy {
    pub(super) fn handle_provider_packet(&mut self, now: Time, packet: &Packet<'_>) -> Verdict {
        if !self.is_online() {
            return Verdict::NoLink;
        }
        match &packet.message {
            Message::Query(query) => self.handle_provider_query(now, packet, *query),
            Message::ReportV1(group) | Message::ReportV2(group) => self.handle_foreign_report(now, *group),
            // A v3 report cancels nothing (r65), and what other hosts leave is their affair (r56).
            Message::ReportV3(_) => Verdict::ForeignReport,
            Message::Leave(_) => Verdict::ForeignLeave,
            Message::Solicitation | Message::Other(_) => Verdict::UnknownType,
        }
    }

    fn handle_provider_query(&mut self, now: Time, packet: &Packet<'_>, query: Query) -> Verdict {
        let joined = query.group.map_or(!self.groups.is_empty(), |group| self.groups.contains_key(&group));
        let Some(upstream) = &mut self.upstream else { return Verdict::NoRole };
        upstream.note_query(now, packet, query, joined);
        if !joined {
            return Verdict::QueryNotJoined;
        }
        match query.group {
            Some(group) => self.step_host(now, group, HostEvent::Query(query.response_time())),
            None => self.sweep(now, Sweep::query(now, query.response_time())),
        }
        Verdict::QueryAnswered
    }

    fn handle_foreign_report(&mut self, now: Time, group: GroupAddr) -> Verdict {
        let suppress = self.upstream.as_ref().is_some_and(|upstream| upstream.settings.suppress);
        let Some(place) = self.settle(group) else { return Verdict::ForeignReport };
        let pending = self.groups.at_mut(place).is_some_and(|(_, entry)| entry.host.deadline().is_some());
        self.step_host(now, group, HostEvent::ForeignReport { suppress });
        if suppress && pending { Verdict::ReportSuppressed } else { Verdict::ForeignReport }
    }

    pub(super) fn handle_host_timer(&mut self, now: Time, group: GroupAddr) {
        self.step_host(now, group, HostEvent::Timer);
    }

    /// `port` has a member of `group` now; the first such port joins at the provider (r57, r59).
    pub(super) fn add_port(&mut self, now: Time, group: GroupAddr, port: PortIndex) {
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.ports = entry.ports.with(port);
            return;
        }
        let event = if self.is_online() { HostEvent::Join } else { HostEvent::JoinOffline };
        let step = Host::NonMember.handle(event, now, &self.host_timers(), &mut self.rng);
        let reports = step.effect == HostEffect::Report;
        let mut entry = GroupEntry {
            ports: PortSet::only(port),
            host: step.next,
            timer: None,
            reported: if reports { now } else { GroupEntry::NEVER },
            swept: self.sweeps.latest(),
        };
        self.timers.set(&mut entry.timer, TimerKey::Host(group), step.next.deadline());
        self.groups.insert(group, entry);
        if reports {
            self.send_report(now, group);
        }
        self.tell(Event::UpstreamJoined { group });
    }

    /// `port` has no member of `group` any more; the last such port leaves at the provider (r60, r61).
    pub(super) fn remove_port_of(&mut self, now: Time, group: GroupAddr, port: PortIndex) {
        let Some(entry) = self.groups.get_mut(&group) else { return };
        entry.ports = entry.ports.without(port);
        if !entry.ports.is_empty() {
            return;
        }
        self.step_host(now, group, HostEvent::Leave);
        self.groups.remove(&group);
        if let Some(upstream) = &mut self.upstream {
            upstream.asked.remove(&group);
        }
        if self.groups.is_empty() {
            self.end_sweeps();
        }
        self.tell(Event::UpstreamLeft { group });
    }

    /// All joined groups are reported anew, a little apart, all within the Unsolicited Report Interval
    /// (r70).
    pub(super) fn announce_groups(&mut self, now: Time) {
        self.watch_silence(now);
        if self.is_online() {
            let within = self.host_timers().unsolicited_report_interval();
            self.sweep(now, Sweep::announcement(now, within, self.groups.len()));
        }
    }

    /// Every joined group is left at the provider, paced, and its host side is as if there was no link.
    pub(super) fn retire_groups(&mut self, now: Time) {
        for place in 0..self.groups.places() {
            self.settle_place(place);
            if let Some((group, entry)) = self.groups.at_mut(place) {
                let last_reporter = entry.is_last_reporter();
                self.leave_upstream(now, group, last_reporter);
            }
        }
        self.silence_groups(now);
    }

    /// No report goes out of a port without link.
    pub(super) fn silence_groups(&mut self, now: Time) {
        self.sweep(now, Sweep::offline(now));
    }

    /// Counts the time without a General Query from now on, if the settings want it counted (r73).
    pub(super) fn watch_silence(&mut self, now: Time) {
        if let Some(upstream) = &mut self.upstream {
            upstream.silent_since = now;
        }
        self.set_silence_timer();
    }

    /// Sets the timer by what is known now. A query does not move it: it comes too early then.
    pub(super) fn set_silence_timer(&mut self) {
        let due = self.silence_ends();
        self.timers.set(&mut self.silence_timer, TimerKey::Silence, due);
    }

    /// Nobody asked for a whole re-report interval: the groups are reported as if somebody had (r73).
    pub(super) fn handle_silence_timer(&mut self, now: Time) {
        if self.silence_ends().is_none_or(|due| now < due) {
            return self.set_silence_timer();
        }
        self.watch_silence(now);
        let within = self.host_timers().unsolicited_report_interval();
        self.sweep(now, Sweep::query(now, within));
    }

    /// When the groups are reported unasked. Not before the reports of the last time are all out.
    fn silence_ends(&self) -> Option<Time> {
        let upstream = self.upstream.as_ref().filter(|_| self.is_online())?;
        let interval = upstream.settings.re_report_interval?;
        Some(upstream.silent_since + interval.max(upstream.settings.timers.unsolicited_report_interval()))
    }

    /// Whether reports can go to the provider.
    fn is_online(&self) -> bool {
        self.is_running() && self.upstream.as_ref().is_some_and(|upstream| upstream.link_up)
    }

    pub(super) fn host_timers(&self) -> HostTimers {
        self.upstream.as_ref().map_or_else(HostTimers::default, |upstream| upstream.settings.timers)
    }

    /// The group's place, with what sweeps still have to do to it done.
    fn settle(&mut self, group: GroupAddr) -> Option<u32> {
        let place = self.groups.place(&group)?;
        self.settle_place(place);
        Some(place)
    }

    /// Does what sweeps still have to do to the group at `place`. Whether there is one.
    pub(super) fn settle_place(&mut self, place: u32) -> bool {
        let timers = self.host_timers();
        let Some((group, entry)) = self.groups.at_mut(place) else { return false };
        let latest = self.sweeps.latest();
        for sweep in self.sweeps.owed(entry.swept) {
            entry.host = sweep.step(entry.host, &timers, &mut self.rng);
        }
        if entry.swept != latest {
            entry.swept = latest;
            self.timers.set(&mut entry.timer, TimerKey::Host(group), entry.host.deadline());
        }
        true
    }

    fn step_host(&mut self, now: Time, group: GroupAddr, event: HostEvent) {
        let timers = self.host_timers();
        let Some(place) = self.settle(group) else { return };
        let Some((_, entry)) = self.groups.at_mut(place) else { return };
        let step = entry.host.handle(event, now, &timers, &mut self.rng);
        entry.host = step.next;
        self.timers.set(&mut entry.timer, TimerKey::Host(group), step.next.deadline());
        match step.effect {
            HostEffect::None => {}
            HostEffect::Report => {
                entry.reported = now;
                self.send_report(now, group);
            }
            HostEffect::Leave { last_reporter } => self.leave_upstream(now, group, last_reporter),
        }
    }

    /// A report of the version that the provider's routers speak now (r57, r66).
    fn send_report(&mut self, now: Time, group: GroupAddr) {
        let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.link_up) else { return };
        let report = if now < upstream.v1_until { Outgoing::ReportV1 } else { Outgoing::ReportV2 };
        self.send(upstream.port, upstream.settings.report_source(), report(group));
    }

    /// A Leave, now or as soon as its turn comes, if there is a link and the policy wants one.
    fn leave_upstream(&mut self, now: Time, group: GroupAddr, last_reporter: bool) {
        let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.link_up) else { return };
        let wanted = match upstream.settings.leave {
            LeavePolicy::Always => true,
            LeavePolicy::LastReporter => last_reporter,
        };
        if wanted {
            self.leave_in_turn(now, group);
        }
    }
}
