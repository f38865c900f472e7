//! What the proxy owes one client port's hosts, worked out from the frames that it was given and from the
//! rules alone. Nothing here asks the proxy: times are compared one by one, no timer is kept.
//!
//! A group has two times. Before `must` it has to be forwarded; after `may` it must not be. They are one
//! and the same but where a rule leaves room, or where the order of two things at one instant decides.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use core::net::Ipv4Addr;
use igmp::{ClientPortSettings, FastLeave, QuerierVersion, RouterTimers};
use types::{GroupAddr, Ipv4Net, MacAddr, Time};

use crate::entry::{Ask, Entry};
use crate::frames::{BLOCK, Message, Packet, TO_IN};

const FOREVER: Time = Time::from_nanos(u64::MAX);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Querier,
    Other,
    /// The Other Querier Present timer runs out about now.
    Unsure,
}

#[derive(Debug)]
pub(crate) struct PortLedger {
    pub(crate) settings: ClientPortSettings,
    pub(crate) up: bool,
    pub(crate) enabled: bool,
    local: Vec<Ipv4Net>,
    /// How late the proxy's timers may be noticed.
    tolerance: Duration,
    hold_at: Option<Time>,
    other_until: Option<Time>,
    next_query: Option<Time>,
    /// When the last General Query went out.
    queried: Time,
    startup_left: u8,
    entries: BTreeMap<GroupAddr, Entry>,
    /// Until when a version 1 or 2 report of a group is young enough to hide other hosts.
    shared_until: BTreeMap<GroupAddr, Time>,
    pub(crate) forwarded: BTreeSet<GroupAddr>,
    /// Since when hosts are told apart.
    tracked_since: Time,
    /// Since when nothing but time and hosts has had a say.
    pub(crate) calm_since: Time,
}

impl PortLedger {
    pub(crate) fn new(
        now: Time,
        settings: ClientPortSettings,
        local: Vec<Ipv4Net>,
        tolerance: Duration,
    ) -> Self {
        let mut ledger = Self {
            settings,
            up: true,
            enabled: true,
            local,
            tolerance,
            hold_at: None,
            other_until: None,
            next_query: None,
            queried: Time::ZERO,
            startup_left: 0,
            entries: BTreeMap::new(),
            shared_until: BTreeMap::new(),
            forwarded: BTreeSet::new(),
            tracked_since: now,
            calm_since: now,
        };
        ledger.start(now);
        ledger.hold_statics();
        ledger
    }

    /// The timers in force: hosts answer a version 1 query within 10 s (r29).
    pub(crate) fn timers(&self) -> RouterTimers {
        let t = self.settings.timers;
        match self.settings.version {
            QuerierVersion::V2 => t,
            QuerierVersion::V1 => RouterTimers::new(
                t.robustness(),
                t.query_interval(),
                Duration::from_secs(10),
                t.last_member_query_interval(),
                Some(t.last_member_query_count()),
            )
            .unwrap(),
        }
    }

    fn gmi(&self) -> Duration {
        let timers = self.timers();
        timers.query_interval() * u32::from(timers.robustness()) + timers.query_response_interval()
    }

    fn last_member_query_time(&self) -> Duration {
        let timers = self.timers();
        timers.last_member_query_interval() * u32::from(timers.last_member_query_count())
    }

    /// Whether the group can have a member here at all.
    pub(crate) fn is_allowed(&self, group: GroupAddr) -> bool {
        self.settings.access.allows(group) && !self.local.iter().any(|net| net.contains(group.addr()))
    }

    pub(crate) fn is_static(&self, group: GroupAddr) -> bool {
        self.settings.static_groups.contains(&group) && self.is_allowed(group)
    }

    fn role(&self, now: Time) -> Role {
        match self.other_until {
            None => Role::Querier,
            Some(until) if now < until => Role::Other,
            Some(until) if now <= until + self.tolerance => Role::Unsure,
            Some(_) => Role::Querier,
        }
    }

    /// Role back to querier, a General Query at once, the startup sequence (r16, r17, r34, r94).
    fn start(&mut self, now: Time) {
        self.other_until = None;
        self.next_query = (self.up && self.enabled).then_some(now);
        self.startup_left = self.settings.timers.robustness();
    }

    fn hold_statics(&mut self) {
        for group in self.settings.static_groups.clone() {
            if self.is_allowed(group) && self.enabled {
                let entry = self.entries.entry(group).or_insert(Entry::ABSENT);
                (entry.must, entry.may) = (FOREVER, FOREVER);
            }
        }
    }

    /// Live settings: what they forbid goes at once (r54, r69), other addresses start the querier anew (r94).
    pub(crate) fn configure(&mut self, now: Time, settings: ClientPortSettings) {
        let moved = self.settings.query_source() != settings.query_source();
        let (before, v1_refused) = (self.refused(), self.settings.ignore_v1);
        if self.settings.fast_leave != settings.fast_leave {
            self.tracked_since = now;
        }
        self.settings = settings;
        if moved {
            self.start(now);
        }
        self.forbid(now);
        let less = self.refuses_less_than(&before) || (v1_refused && !self.settings.ignore_v1);
        if less && !moved {
            self.ask_anew(now);
        }
    }

    pub(crate) fn set_local(&mut self, now: Time, local: Vec<Ipv4Net>) {
        let before = self.refused();
        self.local = local;
        self.forbid(now);
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

    fn forbid(&mut self, now: Time) {
        self.calm_since = now;
        let gone: Vec<_> = self.entries.keys().copied().filter(|group| !self.is_allowed(*group)).collect();
        for group in gone {
            let entry = self.entries.get_mut(&group).unwrap();
            if self.enabled {
                *entry = Entry { must: now, may: now, reported: entry.reported, ..Entry::ABSENT };
            } else {
                // While switched off nothing can go, and what is forbidden now may be allowed afterwards.
                entry.must = now;
            }
        }
        self.hold_statics();
    }

    pub(crate) fn link(&mut self, now: Time, up: bool) {
        self.expire_hold(now);
        (self.up, self.calm_since, self.tracked_since) = (up, now, now);
        self.start(now);
        let hold = self.settings.link_down_hold.unwrap_or(self.gmi());
        self.hold_at = (!up).then(|| now + hold);
        self.entries.values_mut().flat_map(|entry| &mut entry.asks).for_each(|ask| ask.optional = true);
        if up {
            return self.hold_statics();
        }
        self.interrupt_checks(now);
    }

    /// Who would answer a check is not heard: members last as if nobody had left (r93, r96).
    fn interrupt_checks(&mut self, now: Time) {
        let (gmi, tolerance) = (self.gmi(), self.tolerance);
        for entry in self.entries.values_mut().filter(|entry| entry.may != FOREVER) {
            let lasts = entry.reported + gmi;
            if now < entry.checking_until {
                entry.must = entry.must.max(lasts);
            }
            if now < entry.checking_until.max(entry.doubt_until) + tolerance {
                entry.may = entry.may.max(lasts);
                entry.asks.clear();
            }
            (entry.checking_until, entry.doubt_until) = (Time::ZERO, Time::ZERO);
        }
    }

    /// Without link for longer than the hold, members go (r93).
    fn expire_hold(&mut self, now: Time) {
        let Some(hold_at) = self.hold_at.filter(|hold_at| *hold_at <= now) else { return };
        for (group, entry) in &mut self.entries {
            // While switched off nothing goes; whether the link came back in time is looked at afterwards.
            entry.lower(hold_at, self.enabled && !self.settings.static_groups.contains(group));
        }
    }

    /// Off: nothing is forwarded, and members are remembered; on again: those still young enough are
    /// forwarded at once (r96).
    pub(crate) fn switch(&mut self, now: Time, on: bool) {
        (self.enabled, self.calm_since, self.tracked_since) = (on, now, now);
        self.start(now);
        self.expire_hold(now);
        if !on {
            self.interrupt_checks(now);
        }
        self.forbid(now);
        self.entries.values_mut().flat_map(|entry| &mut entry.asks).for_each(|ask| ask.optional = true);
        self.hold_statics();
    }

    /// The proxy is given a packet.
    pub(crate) fn deliver(&mut self, now: Time, packet: &Packet) {
        if !self.enabled || !self.up {
            return;
        }
        let who = (packet.mac, packet.source);
        match packet.message {
            Message::Query { version, group, max_resp, suppress } => {
                self.hear_query(now, packet.source, version, group, max_resp, suppress);
            }
            Message::Report { version, group } => self.hear_report(now, group, version, who),
            Message::Leave { group } | Message::Record { kind: TO_IN, group } => {
                self.hear_leave(now, group, who);
            }
            Message::Record { kind: BLOCK, group } => {
                if let Some(entry) = self.entries.get_mut(&group) {
                    entry.asks.push(Ask { at: now, until: now, optional: true });
                }
            }
            Message::Record { group, .. } => self.hear_report(now, group, 3, who),
            Message::Other(_) => {}
        }
    }

    fn hear_query(
        &mut self,
        now: Time,
        source: Ipv4Addr,
        version: u8,
        group: Option<GroupAddr>,
        max_resp: Duration,
        suppress: bool,
    ) {
        let before = self.role(now);
        let on_link = self.settings.address.is_none_or(|net| net.contains(source));
        let ours = self.settings.query_source();
        let lower = !source.is_unspecified() && on_link && (ours.is_unspecified() || source < ours);
        if lower {
            // RFC 2236, section 8.5.
            let timers = self.timers();
            let present = timers.query_interval() * u32::from(timers.robustness());
            self.other_until = Some(now + present + timers.query_response_interval() / 2);
            self.next_query = None;
        }
        // A query from where no querier can be changes nothing (r24, r25); nor does one of version 1 ask
        // for a group, nor one with the S flag lower anything (r33).
        let Some(entry) = group.filter(|_| version > 1 && !suppress).and_then(|g| self.entries.get_mut(&g))
        else {
            return;
        };
        if before == Role::Querier && !lower || entry.may == FOREVER {
            return;
        }
        let v2_port = self.settings.version == QuerierVersion::V2;
        let certainly = before == Role::Other
            && lower
            && v2_port
            && entry.v1_until <= now
            && entry.checking_until + self.tolerance < now;
        let within = max_resp * u32::from(self.settings.timers.last_member_query_count());
        entry.lower(now + within, certainly);
    }

    fn hear_report(&mut self, now: Time, group: GroupAddr, version: u8, who: (MacAddr, Ipv4Addr)) {
        let limit = self.settings.max_groups as usize;
        let full = !self.forwarded.contains(&group) && self.forwarded.len() >= limit;
        if !self.is_allowed(group) || full || (version == 1 && self.settings.ignore_v1) {
            return;
        }
        let gmi = self.gmi();
        if !self.forwarded.contains(&group) {
            // What was remembered over the switch and did not come back is forgotten.
            self.entries.remove(&group);
        }
        let entry = self.entries.entry(group).or_insert(Entry::ABSENT);
        if entry.may == FOREVER {
            return;
        }
        (entry.must, entry.may, entry.reported) = (now + gmi, now + gmi, now);
        entry.asks.clear();
        (entry.checking_until, entry.doubt_until) = (Time::ZERO, Time::ZERO);
        if version == 1 {
            entry.v1_until = now + gmi;
        }
        if version < 3 {
            self.shared_until.insert(group, now + gmi);
        }
        entry.hosts.insert(who, now + gmi);
    }

    fn hear_leave(&mut self, now: Time, group: GroupAddr, who: (MacAddr, Ipv4Addr)) {
        let role = self.role(now);
        let window = self.last_member_query_time();
        let v1_port = self.settings.version == QuerierVersion::V1;
        let tolerance = self.tolerance;
        let (fast, isolated) = (self.settings.fast_leave, self.settings.report_isolated);
        let timers = self.settings.timers;
        // Who joined before the hosts were told apart may not have answered yet.
        let complete = self.tracked_since + self.gmi() < now;
        let forwarded = self.forwarded.contains(&group);
        let shared = self.shared_until.get(&group).is_some_and(|until| now < *until);
        let Some(entry) = self.entries.get_mut(&group).filter(|_| forwarded) else { return };
        if role == Role::Other || v1_port || entry.may <= now || entry.may == FOREVER {
            return;
        }
        if now < entry.v1_until || now < entry.checking_until {
            if fast != FastLeave::Off && entry.v1_until <= now {
                entry.lower(now, false);
            }
            return;
        }
        // About the end of a timer either side of it is right.
        let certainly = role == Role::Querier
            && (entry.v1_until == Time::ZERO || entry.v1_until + tolerance < now)
            && entry.checking_until + tolerance < now
            && entry.doubt_until + tolerance < now;
        let (at_once, tracked) = match fast {
            FastLeave::Off => (false, false),
            FastLeave::Single => (true, false),
            FastLeave::Tracked => {
                let known = (isolated || !shared)
                    && entry.hosts.get(&who).is_some_and(|until| now < *until)
                    && !who.1.is_unspecified();
                entry.hosts.remove(&who);
                entry.hosts.retain(|_, until| now < *until);
                (known && entry.hosts.is_empty(), known)
            }
        };
        if at_once && tracked && !complete {
            entry.must = now;
        } else if at_once {
            return entry.lower(now, certainly);
        }
        // Of several hosts that are all known, one goes: whether the others are asked is left open.
        let certainly = certainly && !tracked;
        if certainly {
            // The window counts, also when less was left (r39).
            (entry.must, entry.may, entry.checking_until) = (now + window, now + window, now + window);
        } else {
            (entry.must, entry.may) = (entry.must.min(now + window), entry.may.max(now + window));
            entry.doubt_until = now + window;
        }
        for k in 0..u32::from(timers.last_member_query_count()) {
            let at = now + timers.last_member_query_interval() * k;
            entry.asks.push(Ask { at, until: at, optional: !certainly });
        }
    }

    /// The proxy sent a query. Nothing else may be sent to clients, apart from router discovery.
    pub(crate) fn sent(&mut self, now: Time, packet: &Packet) {
        assert!(self.up, "sent on a port without link");
        let Message::Query { version, group, max_resp, .. } = packet.message else {
            let discovery =
                self.settings.router_discovery && matches!(packet.message, Message::Other(0x30..=0x32));
            assert!(discovery, "{packet:?} is not for a client port");
            return;
        };
        assert!(self.enabled, "a query while switched off");
        assert_eq!(packet.source, self.settings.query_source(), "r19");
        let ours = if self.settings.version == QuerierVersion::V1 { 1 } else { 2 };
        assert_eq!(version, ours, "r29: the version of our queries");
        let Some(group) = group else {
            assert_eq!(max_resp, self.timers().query_response_interval(), "r18");
            return self.sent_general(now);
        };
        assert_eq!(max_resp, self.settings.timers.last_member_query_interval(), "r38");
        let tolerance = self.tolerance;
        let asks = &mut self.entries.get_mut(&group).expect("a query for a group without a member").asks;
        let due = asks.iter().position(|ask| ask.at <= now && now <= ask.until + tolerance);
        asks.remove(due.unwrap_or_else(|| panic!("a query for {group} that no Leave asked for")));
    }

    fn sent_general(&mut self, now: Time) {
        if self.other_until.is_some_and(|until| until <= now) {
            // Other Querier Present over: a General Query at once (r22).
            (self.next_query, self.other_until) = (self.other_until, None);
            self.startup_left = 1;
        }
        let due = self.next_query.expect("a General Query from a port that is not querier (r27)");
        assert!(
            due <= now && now <= due + self.tolerance,
            "a General Query at {now:?}, due at {due:?} (r17)"
        );
        self.queried = now;
        self.startup_left = self.startup_left.saturating_sub(1);
        let interval = match self.startup_left {
            0 => self.settings.timers.query_interval(),
            _ => self.settings.timers.query_interval() / 4,
        };
        self.next_query = Some(due + interval);
    }

    /// The proxy forwards the group here from now on.
    pub(crate) fn set(&mut self, now: Time, group: GroupAddr) {
        assert!(self.enabled, "{group} forwarded while switched off");
        assert!(self.forwarded.insert(group), "{group} set twice");
        self.expire_hold(now);
        let may = self.entries.get(&group).map_or(Time::ZERO, |entry| entry.may);
        assert!(now < may, "{group} forwarded though nobody asked");
    }

    /// The proxy forwards the group here no more.
    pub(crate) fn clear(&mut self, now: Time, group: GroupAddr) {
        assert!(self.forwarded.remove(&group), "{group} cleared twice");
        self.expire_hold(now);
        if !self.enabled {
            return;
        }
        let entry = self.entries.remove(&group).unwrap_or(Entry::ABSENT);
        let must = entry.must;
        assert!(must <= now, "{group} cut at {now:?}, a member was promised it until {must:?}");
    }

    /// Nothing is owed, nothing is forwarded that must not be.
    pub(crate) fn check(&mut self, now: Time) {
        self.expire_hold(now);
        let late = |at: Time| at + self.tolerance < now;
        if self.up && self.enabled {
            let owed = [self.next_query, self.other_until].into_iter().flatten().min();
            assert!(!owed.is_some_and(late), "no General Query, due at {owed:?} (r17, r22)");
        }
        for (group, entry) in &mut self.entries {
            let forwarded = self.forwarded.contains(group);
            if !self.enabled {
                assert!(!forwarded, "{group} forwarded while switched off");
                continue;
            }
            let (must, may) = (entry.must, entry.may);
            assert!(forwarded || must <= now, "{group} not forwarded, promised until {must:?}");
            assert!(!forwarded || !late(may), "{group} forwarded, over since {may:?}");
            let missed = entry.asks.iter().find(|ask| !ask.optional && late(ask.at) && forwarded);
            assert!(missed.is_none(), "no query for {group}: {missed:?} (r38)");
            entry.asks.retain(|ask| !late(ask.until));
        }
        let unknown = self.forwarded.iter().find(|group| !self.entries.contains_key(group));
        assert_eq!(unknown, None, "forwarded, and nobody asked");
        let tolerance = self.tolerance;
        self.entries.retain(|group, entry| self.forwarded.contains(group) || now <= entry.may + tolerance);
    }

    /// Whether this can be our role.
    pub(crate) fn may_be(&self, now: Time, querier: bool) -> bool {
        self.role(now) != if querier { Role::Other } else { Role::Querier }
    }
}
