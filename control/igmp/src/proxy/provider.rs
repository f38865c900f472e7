//! The host side: one membership per group on the provider's port, merged from the client ports
//! (RFC 4605, section 4.1).

use core::time::Duration;

use types::{GroupAddr, PortIndex, PortSet, Time};

use super::{GroupEntry, Proxy, QuerySeen, TimerKey};
use crate::settings::LeavePolicy;
use crate::upstream::{Host, HostEffect, HostEvent};
use crate::wire::{Message, Outgoing, Packet, Query, Version};
use crate::{Event, HostTimers, Verdict};

/// Between the first reports of two groups when all are reported anew.
const ANNOUNCE_GAP: Duration = Duration::from_millis(2);

impl Proxy {
    pub(super) fn handle_provider_packet(&mut self, now: Time, packet: &Packet<'_>) -> Verdict {
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
        let Some(upstream) = &mut self.upstream else { return Verdict::NoRole };
        upstream.query = Some(QuerySeen { source: packet.source, version: query.version, at: now });
        if query.version == Version::V1 {
            upstream.v1_until = now + HostTimers::VERSION_1_ROUTER_PRESENT;
        }
        let event = HostEvent::Query(query.response_time());
        match query.group {
            Some(group) if !self.groups.contains_key(&group) => return Verdict::QueryNotJoined,
            Some(group) => self.step_host(now, group, event),
            None if self.groups.is_empty() => return Verdict::QueryNotJoined,
            None => self.step_hosts(now, |_| event),
        }
        Verdict::QueryAnswered
    }

    fn handle_foreign_report(&mut self, now: Time, group: GroupAddr) -> Verdict {
        let suppress = self.upstream.as_ref().is_some_and(|upstream| upstream.settings.suppress);
        let pending = self.groups.get(&group).is_some_and(|entry| entry.host.deadline().is_some());
        if suppress {
            self.step_host(now, group, HostEvent::ForeignReport);
        }
        if suppress && pending { Verdict::ReportSuppressed } else { Verdict::ForeignReport }
    }

    /// Whether nothing is left to be sent or carried out at once: after [`Proxy::shutdown`], that every Leave
    /// has been handed out.
    pub fn is_quiet(&self) -> bool {
        self.actions.is_empty()
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
        let entry =
            GroupEntry { ports: PortSet::only(port), host: Host::NonMember, timer: None, reported: None };
        self.groups.insert(group, entry);
        let online = self.upstream.as_ref().is_some_and(|upstream| upstream.link_up);
        self.step_host(now, group, if online { HostEvent::Join } else { HostEvent::JoinOffline });
        self.tell(Event::UpstreamJoined { group });
    }

    /// `port` has no member of `group` any more; the last such port leaves at the provider (r60, r61).
    pub(super) fn remove_port_of(&mut self, now: Time, group: GroupAddr, port: PortIndex) {
        let Some(entry) = self.groups.get_mut(&group) else { return };
        entry.ports = entry.ports.without(port);
        if entry.ports.is_empty() {
            self.step_host(now, group, HostEvent::Leave);
            self.groups.remove(&group);
            self.tell(Event::UpstreamLeft { group });
        }
    }

    /// All joined groups are reported anew, a little apart, all within the Unsolicited Report Interval
    /// (r70).
    pub(super) fn announce_groups(&mut self, now: Time) {
        let Some(upstream) = &self.upstream else { return };
        let within = upstream.settings.timers.unsolicited_report_interval();
        let groups = u32::try_from(self.groups.len()).unwrap_or(u32::MAX).max(1);
        let gap = ANNOUNCE_GAP.min(within / groups);
        let mut due = now;
        self.step_hosts(now, |_| {
            let event = HostEvent::Announce(due);
            due = due + gap;
            event
        });
    }

    /// Every joined group is left at the provider, or forgotten when there is no link to say so on.
    pub(super) fn retire_groups(&mut self, now: Time) {
        for group in self.groups.keys().copied().collect::<Vec<_>>() {
            self.step_host(now, group, HostEvent::Leave);
            self.step_host(now, group, HostEvent::JoinOffline);
        }
    }

    /// No report goes out of a port without link.
    pub(super) fn silence_groups(&mut self, now: Time) {
        self.step_hosts(now, |_| HostEvent::Offline);
    }

    /// Steps every group, in the order of their addresses.
    fn step_hosts(&mut self, now: Time, mut event: impl FnMut(GroupAddr) -> HostEvent) {
        for group in self.groups.keys().copied().collect::<Vec<_>>() {
            let event = event(group);
            self.step_host(now, group, event);
        }
    }

    fn step_host(&mut self, now: Time, group: GroupAddr, event: HostEvent) {
        let timers = self.upstream.as_ref().map_or_else(HostTimers::default, |u| u.settings.timers);
        let Some(entry) = self.groups.get_mut(&group) else { return };
        let step = entry.host.handle(event, now, &timers, &mut self.rng);
        entry.host = step.next;
        self.timers.set(&mut entry.timer, TimerKey::Host(group), step.next.deadline());
        match step.effect {
            HostEffect::None => {}
            HostEffect::Report => self.send_report(now, group),
            HostEffect::Leave { last_reporter } => self.send_leave(now, group, last_reporter),
        }
    }

    /// A report of the version that the provider's routers speak now (r57, r66).
    fn send_report(&mut self, now: Time, group: GroupAddr) {
        let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.link_up) else { return };
        let report = if now < upstream.v1_until { Outgoing::ReportV1 } else { Outgoing::ReportV2 };
        if let Some(entry) = self.groups.get_mut(&group) {
            entry.reported = Some(now);
        }
        self.send(upstream.port, upstream.settings.report_source(), report(group));
    }

    fn send_leave(&mut self, now: Time, group: GroupAddr, last_reporter: bool) {
        let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.link_up) else { return };
        let wanted = match upstream.settings.leave {
            LeavePolicy::Always => true,
            LeavePolicy::LastReporter => last_reporter,
        };
        if wanted && upstream.v1_until <= now {
            self.send(upstream.port, upstream.settings.report_source(), Outgoing::Leave(group));
        }
    }
}
