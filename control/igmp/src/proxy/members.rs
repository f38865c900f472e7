//! Members come, change and go, whatever the reason: the one place that adds and removes them.

use types::{GroupAddr, PortIndex, PortSet, Time};

use super::admission::Forbidden;
use super::{MemberEntry, Proxy, Reporter, TimerKey};
use crate::member::{Member, MemberEffect, MemberEvent, MemberStep};
use crate::querier::Querier;
use crate::settings::QuerierVersion;
use crate::timers::TimerQueue;
use crate::wire::Outgoing;
use crate::{Action, Event, Left, RouterTimers};

impl MemberEntry {
    /// Takes the next state, and sets the timer. One that is put off again and again costs nothing: it comes
    /// early once, and is set then.
    pub(super) fn keep(&mut self, next: Member, timers: &mut TimerQueue<TimerKey>, key: TimerKey) {
        let before = core::mem::replace(&mut self.member, next).deadline();
        let due = next.deadline();
        let later = self.timer.is_some() && due.is_some() && before <= due;
        if !later {
            timers.set(&mut self.timer, key, due);
        }
    }
}

impl Proxy {
    /// Makes the groups that the port's settings name static, and no others (r55). One that is never
    /// forwarded does not become a member by being named.
    pub(super) fn apply_static_groups(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get(&port).filter(|_| self.is_running()) else { return };
        let timers = client.settings.effective_timers();
        let may_be = |group: &GroupAddr| !group.is_link_local() && self.forbids(client, *group).is_none();
        let wanted: Vec<_> = client.settings.static_groups.iter().copied().filter(may_be).collect();
        let held = |(&(group, on), entry): (&(GroupAddr, PortIndex), &MemberEntry)| {
            (on == port && matches!(entry.member, Member::Static { .. }) && !wanted.contains(&group))
                .then_some(group)
        };
        for group in self.members.iter().filter_map(held).collect::<Vec<_>>() {
            self.unhold(now, port, group);
        }
        for group in wanted {
            if self.members.contains_key(&(group, port)) {
                self.step_member(now, port, group, MemberEvent::Hold);
            } else {
                let member = Member::Absent.handle(MemberEvent::Hold, now, &timers).next;
                self.add_member(now, port, group, member, None);
            }
        }
    }

    /// The settings name the group no more (r55). Hosts that reported it too long ago do not count as having asked.
    fn unhold(&mut self, now: Time, port: PortIndex, group: GroupAddr) {
        let Some(client) = self.clients.get(&port) else { return };
        let querier = matches!(client.querier, Querier::Starting { .. } | Querier::Steady { .. });
        let asks = querier && client.settings.version == QuerierVersion::V2;
        let timers = client.settings.effective_timers();
        let Some(entry) = self.members.get_mut(&(group, port)) else { return };
        if entry.member.of_hosts(now) == Member::Absent {
            entry.reporter = None;
        }
        let step = entry.member.handle(MemberEvent::Unhold { asks }, now, &timers);
        self.store(now, port, group, step, Left::NotStatic);
    }

    /// Steps a member that exists and cannot go by this event.
    fn step_member(&mut self, now: Time, port: PortIndex, group: GroupAddr, event: MemberEvent) {
        let Some(entry) = self.members.get(&(group, port)) else { return };
        let step = entry.member.handle(event, now, &self.clients[&port].settings.effective_timers());
        self.store(now, port, group, step, Left::Expired);
    }

    /// Each report counts for the Group Membership Interval in force, if that is longer than `before`: the hosts
    /// answer within what the new queries give them. What the querier lowered stays so (r28).
    pub(super) fn raise_members(&mut self, now: Time, port: PortIndex, before: &RouterTimers) {
        let Some(client) = self.clients.get(&port) else { return };
        let interval = client.settings.effective_timers().group_membership_interval();
        let before = before.group_membership_interval();
        if interval <= before {
            return;
        }
        let full = |(&(group, on), entry): (&(GroupAddr, PortIndex), &MemberEntry)| {
            let full = entry
                .member
                .of_hosts(now)
                .expires()
                .is_some_and(|expires| entry.reported + before <= expires);
            (on == port && full).then_some((group, entry.reported))
        };
        for (group, reported) in self.members.iter().filter_map(full).collect::<Vec<_>>() {
            self.step_member(now, port, group, MemberEvent::Raise(reported + interval));
        }
    }

    /// No check goes on where version 1 is spoken: its question would not be heard (r29).
    pub(super) fn end_checks(&mut self, now: Time, port: PortIndex) {
        for (group, _) in self.checks(port) {
            self.step_member(now, port, group, MemberEvent::Release);
        }
    }

    /// No check goes on without link: who answered was not heard. The members age as if nobody had left (r93).
    pub(super) fn interrupt_checks(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get(&port) else { return };
        let interval = client.settings.effective_timers().group_membership_interval();
        for (group, reported) in self.checks(port) {
            self.step_member(now, port, group, MemberEvent::Interrupt(reported + interval));
        }
    }

    /// The groups that are being checked, and when each was reported last.
    fn checks(&self, port: PortIndex) -> Vec<(GroupAddr, Time)> {
        let checked = |(&(group, on), entry): (&(GroupAddr, PortIndex), &MemberEntry)| {
            (on == port && matches!(entry.member, Member::Checking { .. })).then_some((group, entry.reported))
        };
        self.members.iter().filter_map(checked).collect()
    }

    pub(super) fn add_member(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        member: Member,
        reporter: Option<Reporter>,
    ) {
        let entry = MemberEntry { member, reporter, since: now, reported: now, timer: None };
        self.insert_member(now, port, group, entry);
    }

    fn insert_member(&mut self, now: Time, port: PortIndex, group: GroupAddr, mut entry: MemberEntry) {
        let MemberEntry { member, reporter, .. } = entry;
        self.timers.set(&mut entry.timer, TimerKey::Member(group, port), member.deadline());
        self.members.insert((group, port), entry);
        if let Some(client) = self.clients.get_mut(&port) {
            client.groups += 1;
            if !client.link_up {
                // The last that was heard of a link that went: the hold counts for it, too (r93).
                self.update_client(now, port);
            }
        }
        self.actions.push_back(Action::SetMember { port, group });
        self.tell(match reporter {
            Some(Reporter { host, version }) => Event::Joined { port, group, host, version },
            None => Event::JoinedStatic { port, group },
        });
        self.add_port(now, group, port);
        self.tell_not_querier(now, port);
    }

    pub(super) fn handle_member_timer(&mut self, now: Time, port: PortIndex, group: GroupAddr) {
        let Some(entry) = self.members.get_mut(&(group, port)) else { return };
        // Used up: a member that was reported since is due later, and sets it anew.
        self.timers.cancel(&mut entry.timer);
        let why = match entry.member {
            Member::Checking { .. } if entry.reporter.is_none() => Left::NotStatic,
            Member::Checking { .. } => Left::Leave,
            Member::Absent | Member::Present { .. } | Member::V1Present { .. } | Member::Static { .. } => {
                Left::Expired
            }
        };
        let timers = self.clients[&port].settings.effective_timers();
        let step = entry.member.handle(MemberEvent::Timer, now, &timers);
        self.store(now, port, group, step, why);
    }

    /// Keeps the next state of a member that exists, sets its timer, and does what the step asks for.
    pub(super) fn store(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        step: MemberStep,
        why: Left,
    ) {
        match step.effect {
            MemberEffect::Gone => {
                self.remove_member(now, port, group, why);
                return;
            }
            MemberEffect::Query => self.send_group_query(port, group),
            MemberEffect::None | MemberEffect::Joined => {}
        }
        if let Some(entry) = self.members.get_mut(&(group, port)) {
            entry.keep(step.next, &mut self.timers, TimerKey::Member(group, port));
        }
    }

    fn send_group_query(&mut self, port: PortIndex, group: GroupAddr) {
        let client = &self.clients[&port];
        if client.link_up && client.settings.version == QuerierVersion::V2 {
            let max_resp_ds = client.settings.timers.specific_max_resp_ds();
            let source = client.settings.query_source();
            self.send(port, source, Outgoing::GroupQuery { group, max_resp_ds });
        }
    }

    fn remove_member(
        &mut self,
        now: Time,
        port: PortIndex,
        group: GroupAddr,
        why: Left,
    ) -> Option<MemberEntry> {
        let mut entry = self.members.remove(&(group, port))?;
        self.timers.cancel(&mut entry.timer);
        if let Some(client) = self.clients.get_mut(&port) {
            client.groups -= 1;
            if let Some(tracker) = &mut client.tracker {
                tracker.forget(group, now);
            }
        }
        self.actions.push_back(Action::ClearMember { port, group });
        self.tell(Event::Left { port, group, why });
        self.remove_port_of(now, group, port);
        Some(entry)
    }

    /// Drops the members that the settings want no more (r54, r69, r100).
    pub(super) fn drop_forbidden(&mut self, now: Time, ports: PortSet) {
        self.drop_members(now, ports, |proxy, (group, port), _| {
            proxy.forbids(&proxy.clients[&port], group).map(Forbidden::left)
        });
    }

    /// What hosts of the port's static groups reported counts no more.
    pub(super) fn forget_reports(&mut self, now: Time, port: PortIndex) {
        let held = |(&(group, on), entry): (&(GroupAddr, PortIndex), &MemberEntry)| {
            (on == port && matches!(entry.member, Member::Static { .. })).then_some(group)
        };
        for group in self.members.iter().filter_map(held).collect::<Vec<_>>() {
            self.step_member(now, port, group, MemberEvent::Lower(now));
        }
    }

    /// Drops those members of `ports` that `why` names a reason for. Looks at every member: only for what
    /// an operator or a link does.
    pub(super) fn drop_members(
        &mut self,
        now: Time,
        ports: PortSet,
        why: impl Fn(&Self, (GroupAddr, PortIndex), Member) -> Option<Left>,
    ) {
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(|((_, port), _)| ports.contains(*port))
            .filter_map(|(&key, entry)| Some((key, why(self, key, entry.member)?)))
            .collect();
        for ((group, port), why) in gone {
            self.remove_member(now, port, group, why);
        }
    }

    /// Ends every membership, and remembers those that hosts asked for until [`Proxy::wake_members`] (r96).
    pub(super) fn sleep_members(&mut self, now: Time) {
        for port in self.clients.keys().collect::<Vec<_>>() {
            self.interrupt_checks(now, port);
        }
        for (group, port) in self.members.keys().copied().collect::<Vec<_>>() {
            let Some(mut entry) = self.remove_member(now, port, group, Left::ProxyOff) else { continue };
            entry.member = entry.member.of_hosts(now);
            if entry.member != Member::Absent {
                self.asleep.push(((group, port), entry));
            }
        }
    }

    /// Takes up the remembered memberships that would have lasted, and that the settings still allow.
    pub(super) fn wake_members(&mut self, now: Time) {
        for ((group, port), entry) in core::mem::take(&mut self.asleep) {
            let Some(client) = self.clients.get(&port) else { continue };
            // A link that has been away for longer than the hold took its members with it (r93).
            let held = !client.hold_is_over(now);
            let lasts = entry.member.expires().is_none_or(|at| now < at);
            if held && lasts && self.forbids(client, group).is_none() {
                self.insert_member(now, port, group, entry);
            }
        }
    }
}
