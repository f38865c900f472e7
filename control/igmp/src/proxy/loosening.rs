//! Settings that refuse less than before: who was refused would be served only after the next General Query, so it
//! goes out at once.

use core::time::Duration;

use types::{AccessList, GroupAddr, Ipv4Net, PortIndex, Time};

use super::Proxy;
use super::admission::Forbidden;
use crate::ClientPortSettings;
use crate::querier::QuerierEvent;

/// At least so long after the port's last General Query, so that many changes in a row make no storm.
const PAUSE: Duration = Duration::from_secs(1);

/// Which groups may have no member on a port.
pub(super) struct Refusals<'a> {
    pub(super) local: &'a [Ipv4Net],
    pub(super) ssm: &'a [Ipv4Net],
    pub(super) access: &'a AccessList,
}

impl Refusals<'_> {
    pub(super) fn why(&self, group: GroupAddr) -> Option<Forbidden> {
        let within = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(group.addr()));
        if within(self.local) {
            Some(Forbidden::Local)
        } else if within(self.ssm) {
            Some(Forbidden::Ssm)
        } else if !self.access.allows(group) {
            Some(Forbidden::Access)
        } else {
            None
        }
    }

    /// The first group of each range that is refused, or not, for one reason: prefixes lie within each other or
    /// apart, so that such a range begins where a prefix begins, or after one ends.
    fn ranges(&self) -> impl Iterator<Item = GroupAddr> {
        let access = self.access.rules().iter().map(|rule| rule.net);
        let nets = self.local.iter().chain(self.ssm).copied().chain(access);
        let bounds = nets.flat_map(|net| {
            let first = net.addr().to_bits() & net.mask();
            [Some(first), (first | !net.mask()).checked_add(1)]
        });
        // 224.0.1.0: the first that routers forward.
        bounds.flatten().chain([0xe000_0100]).filter_map(GroupAddr::from_bits)
    }
}

impl Proxy {
    pub(super) fn refusals<'a>(&'a self, settings: &'a ClientPortSettings) -> Refusals<'a> {
        let (local, ssm) = (&self.settings.local_groups, &self.settings.ssm_range);
        Refusals { local, ssm, access: &settings.access }
    }

    /// Whether there is a group that `before` refused on the port and the settings do not any more.
    pub(super) fn refuses_less(&self, port: PortIndex, before: &Refusals<'_>) -> bool {
        let after = self.refusals(&self.clients[&port].settings);
        let freed = |group: GroupAddr| {
            !group.is_link_local() && before.why(group).is_some() && after.why(group).is_none()
        };
        before.ranges().chain(after.ranges()).any(freed)
    }

    /// Whether the port refuses fewer reports than with the settings `before`.
    pub(super) fn accepts_more(&self, port: PortIndex, before: &ClientPortSettings) -> bool {
        let client = &self.clients[&port];
        let after = &client.settings;
        let was_full = client.groups >= before.max_groups;
        (before.ignore_v1 && !after.ignore_v1)
            || (was_full && before.max_groups < after.max_groups)
            || (!before.any_ttl && after.any_ttl)
            || (before.require_router_alert && !after.require_router_alert)
            || (before.require_on_link_source && !after.require_on_link_source)
            || self.refuses_less(port, &self.refusals(before))
    }

    /// Asks everybody on the port, as querier.
    pub(super) fn ask_anew(&mut self, now: Time, port: PortIndex) {
        let Some(client) = self.clients.get(&port) else { return };
        let at = now.max(client.queried + PAUSE);
        self.step_querier(now, port, QuerierEvent::Ask(at));
    }
}
