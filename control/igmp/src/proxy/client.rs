//! The router side: queries, reports and leaves of the client ports.

use core::net::Ipv4Addr;
use types::{GroupAddr, PortIndex, Time};

use super::admission::Forbidden;
use super::{MemberEntry, Proxy, TimerKey};
use crate::member::{Member, MemberEffect, MemberEvent, MemberStep};
use crate::querier::QuerierEvent;
use crate::wire::{Message, Outgoing, Packet, Record, RecordKind, ReportV3, Version};
use crate::{Action, Event, Left, Verdict};

impl Proxy {
    pub(super) fn handle_client_packet(
        &mut self,
        now: Time,
        port: PortIndex,
        packet: &Packet<'_>,
    ) -> Verdict {
        let host = packet.source;
        match &packet.message {
            // The election's input (r20 to r28).
            Message::Query(_) => Verdict::QueryHeard,
            Message::ReportV1(_) if self.clients[&port].settings.ignore_v1 => Verdict::V1Ignored,
            Message::ReportV1(group) => self.handle_report(now, port, *group, host, Version::V1),
            Message::ReportV2(group) => self.handle_report(now, port, *group, host, Version::V2),
            Message::ReportV3(report) => self.handle_report_v3(now, port, report, host),
            Message::Leave(group) => self.handle_leave(now, port, *group),
            Message::Other(_) => Verdict::UnknownType,
        }
    }

    fn handle_report(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        host: Ipv4Addr,
        version: Version,
    ) -> Verdict {
        if let Some(verdict) = self.refuse(now, port, group, host) {
            return verdict;
        }
        let event = match version {
            Version::V1 => MemberEvent::ReportV1,
            Version::V2 | Version::V3 => MemberEvent::Report,
        };
        let timers = self.clients[&port].settings.timers;
        if let Some(entry) = self.members.get_mut(&(group, port)) {
            let step = entry.member.handle(event, now, &timers);
            (entry.host, entry.version, entry.reported) = (host, version, now);
            self.store(now, port, group, step, Left::Expired);
            return Verdict::Refreshed;
        }
        if self.is_full(now, port, group, host) {
            return Verdict::GroupLimit;
        }
        let member = Member::Absent.handle(event, now, &timers).next;
        self.add_member(now, port, group, member, host, version);
        Verdict::Joined
    }

    /// Makes the groups that the port's settings name static, and no others (r55). One that is never
    /// forwarded does not become a member by being named.
    pub(super) fn apply_static_groups(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get(&port).filter(|_| self.is_running()) else { return };
        let timers = client.settings.timers;
        let may_be = |group: &GroupAddr| !group.is_link_local() && self.forbids(client, *group).is_none();
        let wanted: Vec<_> = client.settings.static_groups.iter().copied().filter(may_be).collect();
        let held = |(&(group, on), entry): (&(GroupAddr, PortIndex), &MemberEntry)| {
            (on == port && entry.member == Member::Static && !wanted.contains(&group)).then_some(group)
        };
        for group in self.members.iter().filter_map(held).collect::<Vec<_>>() {
            self.step_member(now, port, group, MemberEvent::Release);
        }
        for group in wanted {
            if self.members.contains_key(&(group, port)) {
                self.step_member(now, port, group, MemberEvent::Hold);
            } else {
                let member = Member::Absent.handle(MemberEvent::Hold, now, &timers).next;
                self.add_member(now, port, group, member, Ipv4Addr::UNSPECIFIED, Version::V2);
            }
        }
    }

    /// Steps a member that exists and cannot go by this event.
    fn step_member(&mut self, now: Time, port: PortIndex, group: GroupAddr, event: MemberEvent) {
        let Some(entry) = self.members.get(&(group, port)) else { return };
        let step = entry.member.handle(event, now, &self.clients[&port].settings.timers);
        self.store(now, port, group, step, Left::Expired);
    }

    /// Refuses what the settings want no member of, and tells of what an operator may wonder about.
    fn refuse(&mut self, now: Time, port: PortIndex, group: GroupAddr, host: Ipv4Addr) -> Option<Verdict> {
        let why = self.forbids(&self.clients[&port], group)?;
        let client = self.clients.get_mut(&port)?;
        if why == Forbidden::Access && client.denial_told.passes(now) {
            self.tell(Event::AccessDenied { port, group, host });
        }
        Some(why.verdict())
    }

    /// Whether the port has all the groups it may (r53).
    fn is_full(&mut self, now: Time, port: PortIndex, group: GroupAddr, host: Ipv4Addr) -> bool {
        let Some(client) = self.clients.get_mut(&port) else { return true };
        let full = client.groups >= client.settings.max_groups;
        if full && client.limit_told.passes(now) {
            self.tell(Event::GroupLimit { port, group, host });
        }
        full
    }

    fn add_member(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        member: Member,
        host: Ipv4Addr,
        version: Version,
    ) {
        let mut timer = None;
        self.timers.set(&mut timer, TimerKey::Member(group, port), member.deadline());
        let entry = MemberEntry { member, host, version, since: now, reported: now, timer };
        self.members.insert((group, port), entry);
        if let Some(client) = self.clients.get_mut(&port) {
            client.groups += 1;
        }
        self.actions.push_back(Action::SetMember { port, group });
        self.tell(Event::Joined { port, group, host, version });
        self.add_port(now, group, port);
    }

    fn handle_leave(&mut self, now: Time, port: PortIndex, group: GroupAddr) -> Verdict {
        // A group that only the access list forbids has no member: found below.
        if let Some(why @ (Forbidden::Local | Forbidden::Ssm)) = self.forbids(&self.clients[&port], group) {
            return why.verdict();
        }
        let Some(entry) = self.members.get(&(group, port)) else { return Verdict::LeaveNoMember };
        let verdict = match entry.member.at(now) {
            Member::Absent => Verdict::LeaveNoMember,
            Member::Present { .. } => Verdict::LeaveTaken,
            Member::Static => Verdict::LeaveStatic,
            Member::V1Present { .. } => Verdict::LeaveV1Host,
            Member::Checking { .. } => Verdict::LeaveRepeated,
        };
        let step = entry.member.handle(MemberEvent::Leave, now, &self.clients[&port].settings.timers);
        self.store(now, port, group, step, Left::Leave);
        verdict
    }

    /// The report's verdict is the first, in the order of [`Verdict`], that one of its records gets.
    fn handle_report_v3(
        &mut self,
        now: Time,
        port: PortIndex,
        report: &ReportV3<'_>,
        host: Ipv4Addr,
    ) -> Verdict {
        report
            .records()
            .map(|record| self.handle_record(now, port, record, host))
            .min()
            .unwrap_or(Verdict::NoEffect)
    }

    /// What a record means to a router that keeps no sources (r50).
    fn handle_record(&mut self, now: Time, port: PortIndex, record: Record, host: Ipv4Addr) -> Verdict {
        let Some(group) = GroupAddr::new(record.group).filter(|group| !group.is_link_local()) else {
            return Verdict::NoEffect;
        };
        match (record.kind, record.sources) {
            (RecordKind::IsExclude | RecordKind::ToExclude, _)
            | (RecordKind::Allow | RecordKind::IsInclude | RecordKind::ToInclude, 1..) => {
                self.handle_report(now, port, group, host, Version::V3)
            }
            (RecordKind::ToInclude, 0) => self.handle_leave(now, port, group),
            (RecordKind::Block, _) => self.handle_block(now, port, group),
            (RecordKind::IsInclude | RecordKind::Allow, 0) | (RecordKind::Unknown(_), _) => Verdict::NoEffect,
        }
    }

    fn handle_block(&mut self, now: Time, port: PortIndex, group: GroupAddr) -> Verdict {
        let Some(entry) = self.members.get(&(group, port)) else { return Verdict::NoEffect };
        let step = entry.member.handle(MemberEvent::Block, now, &self.clients[&port].settings.timers);
        self.store(now, port, group, step, Left::Leave);
        if step.effect == MemberEffect::Query { Verdict::BlockQueried } else { Verdict::NoEffect }
    }

    pub(super) fn handle_member_timer(&mut self, now: Time, port: PortIndex, group: GroupAddr) {
        let Some(entry) = self.members.get_mut(&(group, port)) else { return };
        // Used up: a member that was reported since is due later, and sets it anew.
        self.timers.cancel(&mut entry.timer);
        let why = match entry.member {
            Member::Checking { .. } => Left::Leave,
            Member::Absent | Member::Present { .. } | Member::V1Present { .. } | Member::Static => {
                Left::Expired
            }
        };
        let step = entry.member.handle(MemberEvent::Timer, now, &self.clients[&port].settings.timers);
        self.store(now, port, group, step, why);
    }

    /// Keeps the next state of a member that exists, sets its timer, and does what the step asks for.
    fn store(&mut self, now: Time, port: PortIndex, group: GroupAddr, step: MemberStep, why: Left) {
        match step.effect {
            MemberEffect::Gone => return self.remove_member(now, port, group, why),
            MemberEffect::Query => self.send_group_query(port, group),
            MemberEffect::None | MemberEffect::Joined => {}
        }
        if let Some(entry) = self.members.get_mut(&(group, port)) {
            entry.member = step.next;
            self.timers.put_off(&mut entry.timer, TimerKey::Member(group, port), step.next.deadline());
        }
    }

    pub(super) fn remove_member(&mut self, now: Time, port: PortIndex, group: GroupAddr, why: Left) {
        let Some(mut entry) = self.members.remove(&(group, port)) else { return };
        self.timers.cancel(&mut entry.timer);
        if let Some(client) = self.clients.get_mut(&port) {
            client.groups -= 1;
        }
        self.actions.push_back(Action::ClearMember { port, group });
        self.tell(Event::Left { port, group, why });
        self.remove_port_of(now, group, port);
    }

    fn send_group_query(&mut self, port: PortIndex, group: GroupAddr) {
        let client = &self.clients[&port];
        if client.link_up {
            let max_resp_ds = client.settings.timers.specific_max_resp_ds();
            let source = client.settings.query_source();
            self.send(port, source, Outgoing::GroupQuery { group, max_resp_ds });
        }
    }

    pub(super) fn handle_querier_timer(&mut self, now: Time, port: PortIndex) {
        self.step_querier(now, port, QuerierEvent::Timer);
    }

    pub(super) fn step_querier(&mut self, now: Time, port: PortIndex, event: QuerierEvent) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let step = client.querier.handle(event, now, &client.settings.timers);
        client.querier = step.next;
        self.timers.set(&mut client.timer, TimerKey::Querier(port), step.next.deadline());
        if step.query {
            let source = client.settings.query_source();
            let max_resp_ds = client.settings.timers.general_max_resp_ds();
            self.send(port, source, Outgoing::GeneralQuery { max_resp_ds });
        }
    }
}
