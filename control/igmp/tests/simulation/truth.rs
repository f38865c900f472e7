//! The hosts' own truth: who listens is served, and nothing goes where nobody has listened for longer than
//! the timers allow. Knows nothing of frames.

use core::time::Duration;

use igmp::FastLeave;
use types::GroupAddr;

use crate::world::{WAN, World};

impl World {
    pub(crate) fn check_truth(&self) {
        for link in 1..self.hosts.len() {
            for group in &self.plan.groups {
                self.check_nobody(link, *group);
                self.check_somebody(link, *group);
            }
        }
        if self.plan.loss == 0 {
            self.check_provider();
        }
    }

    /// Without a member for longer than a membership lasts, nothing is forwarded.
    fn check_nobody(&self, link: usize, group: GroupAddr) {
        let ledger = &self.ports[link - 1];
        let forwarded = ledger.forwarded.contains(&group) && !ledger.settings.static_groups.contains(&group);
        if !forwarded || self.hosts[link].iter().any(|host| host.groups.contains_key(&group)) {
            return;
        }
        // Or what the settings named, though nobody ever asked for it.
        let since = self.deserted.get(&(link, group)).max(ledger.let_go_at.get(&group)).copied();
        let longest = ledger.longest + self.slack();
        assert!(
            since.is_some_and(|since| self.now <= since + longest),
            "{group} forwarded to port {link}, which nobody has wanted since {since:?}"
        );
    }

    /// Where nothing is lost and no router interferes, whoever listens is served, from his first report on.
    fn check_somebody(&self, link: usize, group: GroupAddr) {
        let ledger = &self.ports[link - 1];
        let settings = &ledger.settings;
        let alone = self.hosts[link].len() == 1;
        let trusted = match settings.fast_leave {
            FastLeave::Off => true,
            FastLeave::Single => alone && self.plan.max_delay.is_zero(),
            FastLeave::Tracked => self.plan.max_delay.is_zero(),
        };
        if !self.plan.is_reliable(&settings.timers)
            || !trusted
            || settings.max_groups == 1
            || self.routers[link].is_some()
            || !(ledger.up && self.enabled && ledger.is_allowed(group))
            || ledger.forwarded.contains(&group)
        {
            return;
        }
        // Reports that the port ignores make other hosts hold theirs back.
        if settings.ignore_v1 && self.hosts[link].iter().any(|host| host.mode(self.now) == 1) {
            return;
        }
        for host in &self.hosts[link] {
            let Some(membership) = host.groups.get(&group) else { continue };
            // After a change the next query asks; before, the report of the join was enough.
            let within = Duration::from_secs(10).max(settings.timers.query_response_interval());
            let asked = ledger.calm_since + settings.timers.query_interval() + within;
            let served = if membership.since > ledger.calm_since { membership.since } else { asked };
            assert!(
                self.now <= served + self.slack(),
                "{:?} listens to {group} on port {link} since {:?}, and is not served",
                host.address,
                membership.since
            );
        }
    }

    /// The provider's router knows each group that is wanted, and no other for long.
    fn check_provider(&self) {
        let Some(router) = self.routers[WAN].as_ref().filter(|_| self.provider.up && self.enabled) else {
            return;
        };
        let Some(active) = router.active else { return };
        let neighbours_wait = self.plan.max_delay.is_zero() && self.plan.lateness.is_zero();
        let reliable = neighbours_wait || self.plan.neighbours == 0;
        let spread = self.provider.settings.timers.unsolicited_report_interval().max(Duration::from_secs(10));
        let calm = active.max(self.provider.calm_since) + spread + self.slack();
        for (group, since) in &self.provider.wanted {
            let known = router.members.get(group).is_some_and(|until| self.now <= *until);
            let soon = self.provider.is_waiting(*group) || self.now <= (*since + self.slack()).max(calm);
            assert!(known || soon || !reliable, "the provider cut {group}, wanted since {since:?}");
        }
    }

    /// What frames and wake-ups may take.
    fn slack(&self) -> Duration {
        (self.plan.max_delay + self.plan.lateness) * 4 + Duration::from_millis(1)
    }
}
