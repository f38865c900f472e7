//! The router side: reports and leaves of the client ports' hosts.

use core::net::Ipv4Addr;
use types::{GroupAddr, PortIndex, Time};

use super::admission::Forbidden;
use super::{Proxy, Reporter, TimerKey};
use crate::hosts::HostId;
use crate::member::{Member, MemberEffect, MemberEvent};
use crate::querier::Querier;
use crate::settings::{FastLeave, QuerierVersion};
use crate::wire::{Message, Packet, Record, RecordKind, ReportV3, Version};
use crate::{Event, Left, Verdict};

impl Proxy {
    pub(super) fn handle_client_packet(
        &mut self,
        now: Time,
        port: PortIndex,
        packet: &Packet<'_>,
    ) -> Verdict {
        let host = HostId { mac: packet.source_mac, addr: packet.source };
        match &packet.message {
            Message::Query(query) => self.handle_client_query(now, port, packet.source, query),
            Message::ReportV1(_) if self.clients[&port].settings.ignore_v1 => Verdict::V1Ignored,
            Message::ReportV1(group) => self.handle_report(now, port, *group, host, Version::V1),
            Message::ReportV2(group) => self.handle_report(now, port, *group, host, Version::V2),
            Message::ReportV3(report) => self.handle_report_v3(now, port, report, host),
            Message::Leave(group) => self.handle_leave(now, port, *group, host),
            Message::Solicitation => self.handle_solicitation(now, port, packet),
            Message::Other(_) => Verdict::UnknownType,
        }
    }

    fn handle_report(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        host: HostId,
        version: Version,
    ) -> Verdict {
        if let Some(verdict) = self.refuse(now, port, group, host.addr) {
            return verdict;
        }
        let event = match version {
            Version::V1 => MemberEvent::ReportV1,
            Version::V2 | Version::V3 => MemberEvent::Report,
        };
        let timers = self.clients[&port].settings.effective_timers();
        if let Some(entry) = self.members.get_mut(&(group, port)) {
            let step = entry.member.handle(event, now, &timers);
            (entry.reporter, entry.reported) = (Some(Reporter { host: host.addr, version }), now);
            match step.effect {
                MemberEffect::None => {
                    entry.keep(step.next, &mut self.timers, TimerKey::Member(group, port));
                }
                MemberEffect::Joined | MemberEffect::Query | MemberEffect::Gone => {
                    self.store(now, port, group, step, Left::Expired);
                }
            }
            self.track_report(now, port, group, host, version);
            return Verdict::Refreshed;
        }
        if self.is_full(now, port, group, host.addr) {
            return Verdict::GroupLimit;
        }
        let member = Member::Absent.handle(event, now, &timers).next;
        self.add_member(now, port, group, member, Some(Reporter { host: host.addr, version }));
        self.track_report(now, port, group, host, version);
        Verdict::Joined
    }

    /// Notes who asked, where Leaves depend on it (r49).
    fn track_report(&mut self, now: Time, port: PortIndex, group: GroupAddr, host: HostId, version: Version) {
        let Some(client) = self.clients.get_mut(&port) else { return };
        let Some(tracker) = &mut client.tracker else { return };
        let for_itself = client.settings.report_isolated || version == Version::V3;
        let interval = client.settings.effective_timers().group_membership_interval();
        tracker.handle_report(group, host, for_itself, now, interval);
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

    fn handle_leave(&mut self, now: Time, port: PortIndex, group: GroupAddr, host: HostId) -> Verdict {
        let client = &self.clients[&port];
        // A group that only the access list forbids has no member: found below.
        if let Some(why @ (Forbidden::Local | Forbidden::Ssm)) = self.forbids(client, group) {
            return why.verdict();
        }
        let Some(entry) = self.members.get(&(group, port)) else { return Verdict::LeaveNoMember };
        let member = entry.member.at(now);
        let verdict = match member {
            Member::Absent => return Verdict::LeaveNoMember,
            Member::Static { .. } => return Verdict::LeaveStatic,
            Member::V1Present { .. } => return Verdict::LeaveV1Host,
            Member::Present { .. } => Verdict::LeaveTaken,
            Member::Checking { .. } => Verdict::LeaveRepeated,
        };
        if client.settings.version == QuerierVersion::V1 {
            return Verdict::LeaveV1Port;
        }
        // Without link nobody can be asked who is left.
        if matches!(client.querier, Querier::Other { .. } | Querier::Silent) {
            return Verdict::LeaveNotQuerier;
        }
        let timers = client.settings.effective_timers();
        if self.is_last_host(now, port, group, host) {
            let step = member.handle(MemberEvent::FastLeave, now, &timers);
            self.store(now, port, group, step, Left::FastLeave);
            return Verdict::FastLeave;
        }
        let step = member.handle(MemberEvent::Leave, now, &timers);
        self.store(now, port, group, step, Left::Leave);
        verdict
    }

    /// Whether the Leave of `host` needs no question who else listens (r49).
    fn is_last_host(&mut self, now: Time, port: PortIndex, group: GroupAddr, host: HostId) -> bool {
        let Some(client) = self.clients.get_mut(&port) else { return false };
        let interval = client.settings.effective_timers().group_membership_interval();
        match (client.settings.fast_leave, &mut client.tracker) {
            (FastLeave::Off, _) | (FastLeave::Tracked, None) => false,
            (FastLeave::Single, _) => true,
            (FastLeave::Tracked, Some(tracker)) => tracker.handle_leave(group, host, now, interval),
        }
    }

    /// The report's verdict is the first, in the order of [`Verdict`], that one of its records gets.
    fn handle_report_v3(
        &mut self,
        now: Time,
        port: PortIndex,
        report: &ReportV3<'_>,
        host: HostId,
    ) -> Verdict {
        report
            .records()
            .map(|record| self.handle_record(now, port, record, host))
            .min()
            .unwrap_or(Verdict::NoEffect)
    }

    /// What a record means to a router that keeps no sources (r50).
    fn handle_record(&mut self, now: Time, port: PortIndex, record: Record, host: HostId) -> Verdict {
        let Some(group) = GroupAddr::new(record.group).filter(|group| !group.is_link_local()) else {
            return Verdict::NoEffect;
        };
        match (record.kind, record.sources) {
            (RecordKind::IsExclude | RecordKind::ToExclude, _)
            | (RecordKind::Allow | RecordKind::IsInclude | RecordKind::ToInclude, 1..) => {
                self.handle_report(now, port, group, host, Version::V3)
            }
            (RecordKind::ToInclude, 0) => self.handle_leave(now, port, group, host),
            (RecordKind::Block, _) => self.handle_block(now, port, group),
            (RecordKind::IsInclude | RecordKind::Allow, 0) | (RecordKind::Unknown(_), _) => Verdict::NoEffect,
        }
    }

    /// Only who asks for others may ask: not as non-querier, and not in version 1 (r27, r29).
    fn handle_block(&mut self, now: Time, port: PortIndex, group: GroupAddr) -> Verdict {
        let client = &self.clients[&port];
        let asks = matches!(client.querier, Querier::Starting { .. } | Querier::Steady { .. });
        if !asks || client.settings.version == QuerierVersion::V1 {
            return Verdict::NoEffect;
        }
        let Some(entry) = self.members.get(&(group, port)) else { return Verdict::NoEffect };
        let step = entry.member.handle(MemberEvent::Block, now, &client.settings.effective_timers());
        self.store(now, port, group, step, Left::Leave);
        if step.effect == MemberEffect::Query { Verdict::BlockQueried } else { Verdict::NoEffect }
    }
}
