//! What the proxy owes one client port's hosts, worked out from the frames that it was given and from the
//! rules alone. Nothing here asks the proxy: times are compared one by one, no timer is kept.
//!
//! A group has two times. Before `must` it has to be forwarded; after `may` it must not be. They are one
//! and the same but where a rule leaves room, or where the order of two things at one instant decides.

mod change;
mod hear;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use igmp::{ClientPortSettings, QuerierVersion, RouterTimers};
use types::{GroupAddr, Ipv4Net, Time};

use crate::entry::Entry;
use crate::frames::{Message, Packet};

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
    /// Since when the link is as it is.
    link_since: Time,
    other_until: Option<Time>,
    next_query: Option<Time>,
    /// When the last General Query went out.
    queried: Time,
    startup_left: u8,
    entries: BTreeMap<GroupAddr, Entry>,
    /// Until when a version 1 or 2 report of a group is young enough to hide other hosts.
    shared_until: BTreeMap<GroupAddr, Time>,
    pub(crate) forwarded: BTreeSet<GroupAddr>,
    /// When the settings named a group no more.
    pub(crate) let_go_at: BTreeMap<GroupAddr, Time>,
    /// How long a member lasts at most after it was last heard of, by any timers that were in force.
    pub(crate) longest: Duration,
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
            link_since: now,
            other_until: None,
            next_query: None,
            queried: Time::ZERO,
            startup_left: 0,
            entries: BTreeMap::new(),
            shared_until: BTreeMap::new(),
            forwarded: BTreeSet::new(),
            let_go_at: BTreeMap::new(),
            longest: Duration::ZERO,
            tracked_since: now,
            calm_since: now,
        };
        ledger.start(now);
        ledger.longest = ledger.lasts_at_most();
        ledger.apply_statics(now);
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

    /// After the last report, whatever is asked meanwhile.
    fn lasts_at_most(&self) -> Duration {
        let timers = self.timers();
        self.gmi() + timers.last_member_query_interval() * u32::from(timers.last_member_query_count())
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
        let asked = self.entries.get(&group).is_some_and(|entry| entry.held || now < entry.may);
        assert!(asked, "{group} forwarded though nobody asked");
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
        assert!(!entry.held, "{group} cut, and the settings name it");
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
            let (must, may, held) = (entry.must, entry.may, entry.held);
            assert!(forwarded || !(held || now < must), "{group} not forwarded, promised until {must:?}");
            assert!(!forwarded || held || !late(may), "{group} forwarded, over since {may:?}");
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
