//! What the proxy owes the provider, worked out from what is forwarded and from what was heard there.

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use igmp::{LeavePolicy, UpstreamPortSettings};
use types::{GroupAddr, Time};

use crate::frames::{Message, Packet};

const V1_ROUTER_PRESENT: Duration = Duration::from_secs(400);

#[derive(Debug)]
pub(crate) struct ProviderLedger {
    pub(crate) settings: UpstreamPortSettings,
    pub(crate) up: bool,
    enabled: bool,
    tolerance: Duration,
    v1_until: Time,
    /// What is forwarded to any client port, and since when.
    pub(crate) wanted: BTreeMap<GroupAddr, Time>,
    /// When a report has to be out at the latest, unless another host sends one.
    reports: BTreeMap<GroupAddr, Time>,
    /// How many reports there is a reason for.
    reasons: BTreeMap<GroupAddr, u32>,
    /// When a Leave has to be out, and whether it has to be at all.
    leaves: BTreeMap<GroupAddr, (Time, bool)>,
    /// Since when nothing but time, hosts and routers has had a say.
    pub(crate) calm_since: Time,
}

impl ProviderLedger {
    pub(crate) fn new(settings: UpstreamPortSettings, tolerance: Duration) -> Self {
        Self {
            settings,
            up: true,
            enabled: true,
            tolerance,
            v1_until: Time::ZERO,
            wanted: BTreeMap::new(),
            reports: BTreeMap::new(),
            reasons: BTreeMap::new(),
            leaves: BTreeMap::new(),
            calm_since: Time::ZERO,
        }
    }

    /// All the reports that one join brings (r57, r58).
    fn reports_a_join(&self) -> u32 {
        1 + u32::from(self.settings.timers.robustness() - 1).min(2)
    }

    /// What is forwarded changed: the first port joins at once, the last one leaves at once (r57 to r61).
    pub(crate) fn want(&mut self, now: Time, forwarded: &BTreeSet<GroupAddr>) {
        for group in forwarded {
            if self.wanted.contains_key(group) {
                continue;
            }
            self.wanted.insert(*group, now);
            self.leaves.remove(group);
            self.reasons.insert(*group, self.reports_a_join());
            if self.up {
                // After a switch-on many come at once, and may be spread.
                let spread = if self.calm_since == now { self.spread() } else { Duration::ZERO };
                self.reports.insert(*group, now + spread);
            }
        }
        let gone: Vec<_> = self.wanted.keys().copied().filter(|group| !forwarded.contains(group)).collect();
        for group in gone {
            self.wanted.remove(&group);
            self.reports.remove(&group);
            if self.up && self.v1_until + self.tolerance < now {
                let certainly = self.settings.leave == LeavePolicy::Always;
                let spread = if self.enabled { Duration::ZERO } else { self.spread() };
                self.leaves.insert(group, (now + spread, certainly));
            } else if self.up && self.v1_until <= now {
                self.leaves.insert(group, (now, false));
            }
        }
    }

    fn spread(&self) -> Duration {
        self.settings.timers.unsolicited_report_interval()
    }

    pub(crate) fn switch(&mut self, now: Time, on: bool) {
        (self.enabled, self.calm_since) = (on, now);
    }

    pub(crate) fn link(&mut self, now: Time, up: bool) {
        (self.up, self.calm_since) = (up, now);
        self.v1_until = Time::ZERO;
        self.reports.clear();
        self.leaves.clear();
        if up {
            self.announce(now);
        }
    }

    /// Another address: every joined group is reported anew.
    pub(crate) fn configure(&mut self, now: Time, settings: UpstreamPortSettings) {
        let moved = self.settings.report_source() != settings.report_source();
        self.settings = settings;
        if moved && self.up {
            self.announce(now);
        }
    }

    /// r70.
    fn announce(&mut self, now: Time) {
        let (by, reasons) = (now + self.spread(), self.reports_a_join());
        for group in self.wanted.keys() {
            self.reports.entry(*group).or_insert(by);
            *self.reasons.entry(*group).or_default() += reasons;
        }
    }

    /// The proxy is given a packet.
    pub(crate) fn deliver(&mut self, now: Time, packet: &Packet) {
        if !self.up || !self.enabled {
            return;
        }
        match packet.message {
            Message::Query { version, group, max_resp, .. } => {
                // r66: 10 s, whatever the group.
                let (group, within) = match version {
                    1 => (None, Duration::from_secs(10)),
                    _ => (group, max_resp),
                };
                if version == 1 {
                    self.v1_until = now + V1_ROUTER_PRESENT;
                    self.leaves.values_mut().for_each(|(_, certainly)| *certainly = false);
                }
                for wanted in self.wanted.keys().filter(|wanted| group.is_none_or(|group| group == **wanted))
                {
                    let by = self.reports.entry(*wanted).or_insert(now + within);
                    *by = (*by).min(now + within);
                    *self.reasons.entry(*wanted).or_default() += 1;
                }
            }
            Message::Report { group, .. } => {
                if self.settings.suppress {
                    self.reports.remove(&group);
                }
            }
            Message::Leave { .. } | Message::Record { .. } | Message::Other(_) => {}
        }
    }

    /// The proxy sent a packet.
    pub(crate) fn sent(&mut self, now: Time, packet: &Packet) {
        assert!(self.up, "sent on a port without link");
        assert_eq!(packet.source, self.settings.report_source(), "r71");
        match packet.message {
            Message::Report { version, group } => {
                assert!(self.wanted.contains_key(&group), "{group} reported, and no port wants it");
                let v1 = now < self.v1_until;
                let about_now = self.v1_until <= now && now <= self.v1_until + self.tolerance;
                assert!(about_now || version == if v1 { 1 } else { 2 }, "r66: version {version}");
                let reasons = self.reasons.entry(group).or_default();
                *reasons =
                    reasons.checked_sub(1).unwrap_or_else(|| panic!("{group} reported without reason"));
                self.reports.remove(&group);
            }
            Message::Leave { group } => {
                assert!(!self.wanted.contains_key(&group), "{group} left, and a port wants it");
                assert!(self.v1_until <= now, "r66: a Leave to a version 1 router");
                assert!(self.leaves.remove(&group).is_some(), "{group} left twice, or never joined");
            }
            Message::Query { .. } | Message::Record { .. } | Message::Other(_) => {
                panic!("{packet:?} is not for the provider (r56)")
            }
        }
    }

    /// Nothing is owed.
    pub(crate) fn check(&self, now: Time) {
        if !self.up {
            return;
        }
        for (group, by) in &self.reports {
            assert!(now <= *by + self.tolerance, "{group} not reported, due by {by:?} (r57, r62, r70)");
        }
        for (group, (by, certainly)) in &self.leaves {
            assert!(!certainly || now <= *by + self.tolerance, "{group} not left, due by {by:?} (r60, r96)");
        }
    }

    /// When the wait for a report is over, if it is; a test of the whole then asks the provider's router.
    pub(crate) fn is_waiting(&self, group: GroupAddr) -> bool {
        self.reports.contains_key(&group)
    }
}
