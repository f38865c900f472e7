//! The hosts behind a port with `fast-leave = "tracked"` (r49): who asked for which group, and whether that
//! is everybody.
//!
//! Hosts of version 3 send each its own reports; those of versions 1 and 2 hold theirs back when they hear
//! another's (RFC 2236, section 6). So the list of a group is complete only after one Group Membership Interval
//! in which every report was of version 3, or on a port where hosts do not hear each other; and only when
//! the port has been listened to that long, because who joined before has yet to answer a query.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

use types::{GroupAddr, MacAddr, Time};

/// The most hosts kept of one group, and of one port; with more the lists are incomplete (f33).
const MAX_HOSTS_OF_GROUP: usize = 64;
const MAX_HOSTS: usize = 16_384;

/// The most lists kept of groups without a member.
const MAX_LEFT_OVER: usize = 4096;

/// What a host is told by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostId {
    pub(crate) mac: MacAddr,
    pub(crate) addr: Ipv4Addr,
}

#[derive(Debug)]
struct Heard {
    host: HostId,
    at: Time,
}

#[derive(Debug)]
struct HostList {
    hosts: Vec<Heard>,
    /// Before this there may be hosts that are not in the list.
    incomplete_until: Time,
}

/// Every tracked host of one port.
#[derive(Debug)]
pub(crate) struct HostTracker {
    /// Since when every report on the port has come here.
    since: Time,
    lists: BTreeMap<GroupAddr, HostList>,
    /// In all lists together.
    hosts: usize,
    /// Groups that went with an incomplete list, and until when that counts.
    left_over: VecDeque<(Time, GroupAddr)>,
}

impl HostTracker {
    /// Knows nobody at `now`.
    pub(crate) fn new(now: Time) -> Self {
        Self { since: now, lists: BTreeMap::new(), hosts: 0, left_over: VecDeque::new() }
    }

    /// `host` reported `group`; `for_itself` tells that no other host held its own report back on hearing it.
    pub(crate) fn handle_report(
        &mut self,
        group: GroupAddr,
        host: HostId,
        for_itself: bool,
        now: Time,
        interval: Duration,
    ) {
        let list = self
            .lists
            .entry(group)
            .or_insert_with(|| HostList { hosts: Vec::new(), incomplete_until: Time::ZERO });
        self.hosts -= list.forget_silent(now, interval);
        if let Some(heard) = list.hosts.iter_mut().find(|heard| heard.host == host) {
            heard.at = now;
        } else if list.hosts.len() < MAX_HOSTS_OF_GROUP && self.hosts < MAX_HOSTS {
            list.hosts.push(Heard { host, at: now });
            self.hosts += 1;
        } else {
            list.incomplete_until = now + interval;
        }
        if !for_itself {
            list.incomplete_until = now + interval;
        }
    }

    /// `host` left `group`. Whether it was the only one, for certain: a host without an address is not told
    /// from its like.
    pub(crate) fn handle_leave(
        &mut self,
        group: GroupAddr,
        host: HostId,
        now: Time,
        interval: Duration,
    ) -> bool {
        let Some(list) = self.lists.get_mut(&group) else { return false };
        self.hosts -= list.forget_silent(now, interval);
        let Some(place) = list.hosts.iter().position(|heard| heard.host == host) else { return false };
        list.hosts.swap_remove(place);
        self.hosts -= 1;
        list.hosts.is_empty()
            && !host.addr.is_unspecified()
            && list.incomplete_until <= now
            && self.since + interval <= now
    }

    /// The group has no member any more. That its list was incomplete still counts if it comes back.
    pub(crate) fn forget(&mut self, group: GroupAddr, now: Time) {
        while let Some((_, over)) = self.left_over.pop_front_if(|(until, _)| *until <= now) {
            self.drop_left_over(over, now);
        }
        let Some(list) = self.lists.get_mut(&group) else { return };
        self.hosts -= list.hosts.len();
        list.hosts = Vec::new();
        if list.incomplete_until <= now {
            self.lists.remove(&group);
            return;
        }
        self.left_over.push_back((list.incomplete_until, group));
        if self.left_over.len() > MAX_LEFT_OVER {
            // Too many to be kept one by one: nobody is known for certain.
            self.since = now;
            for (until, group) in core::mem::take(&mut self.left_over) {
                self.drop_left_over(group, until);
            }
        }
    }

    /// Drops the list of a group that went, unless the group has come back.
    fn drop_left_over(&mut self, group: GroupAddr, now: Time) {
        if self.lists.get(&group).is_some_and(|list| list.hosts.is_empty() && list.incomplete_until <= now) {
            self.lists.remove(&group);
        }
    }
}

impl HostList {
    /// Drops the hosts that have not reported for `interval`, and tells how many they were.
    fn forget_silent(&mut self, now: Time, interval: Duration) -> usize {
        let before = self.hosts.len();
        self.hosts.retain(|heard| now < heard.at + interval);
        before - self.hosts.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GMI: Duration = Duration::from_secs(260);

    fn at(secs: u64) -> Time {
        Time::ZERO + Duration::from_secs(secs)
    }

    fn host(n: u32) -> HostId {
        let [.., c, d] = n.to_be_bytes();
        HostId { mac: MacAddr([2, 0, 0, 0, c, d]), addr: Ipv4Addr::from(0x0a01_0000 + n) }
    }

    fn group(n: u32) -> GroupAddr {
        GroupAddr::from_bits(0xef01_0000 + n).unwrap()
    }

    #[test]
    fn f33_spoofed_hosts_neither_grow_the_lists_nor_make_a_leave_certain() {
        let mut tracker = HostTracker::new(at(0));
        for n in 0..1_000_000 {
            tracker.handle_report(group(n % 1000), host(n % 65_000 + 1), true, at(300), GMI);
        }
        assert_eq!(tracker.hosts, MAX_HOSTS);
        assert!(tracker.lists.values().all(|list| list.hosts.len() <= MAX_HOSTS_OF_GROUP));
        assert_eq!(tracker.hosts, tracker.lists.values().map(|list| list.hosts.len()).sum::<usize>());
        // Full: whoever comes now is not seen, and nobody's leave is the last.
        tracker.handle_report(group(2000), host(65_001), true, at(301), GMI);
        assert!(!tracker.handle_leave(group(2000), host(65_001), at(302), GMI));
        for n in 0..1000 {
            tracker.forget(group(n), at(600));
        }
        tracker.forget(group(2000), at(600));
        assert_eq!((tracker.hosts, tracker.lists.len()), (0, 0));
    }

    #[test]
    fn f33_groups_that_come_and_go_leave_no_more_than_so_many_lists() {
        let mut tracker = HostTracker::new(at(0));
        for n in 0..20_000 {
            tracker.handle_report(group(n), host(1), false, at(300), GMI);
            tracker.forget(group(n), at(301));
        }
        assert!(tracker.lists.len() <= MAX_LEFT_OVER && tracker.lists.len() == tracker.left_over.len());
        assert_eq!(tracker.hosts, 0);
        // What is not kept counts for all groups.
        tracker.handle_report(group(1), host(1), true, at(302), GMI);
        assert!(!tracker.handle_leave(group(1), host(1), at(560), GMI));
        tracker.forget(group(1), at(561));
        assert_eq!((tracker.lists.len(), tracker.left_over.len()), (0, 0));
        tracker.handle_report(group(1), host(1), true, at(562), GMI);
        assert!(tracker.handle_leave(group(1), host(1), at(563), GMI));
    }

    #[test]
    fn r49_silent_hosts_age() {
        let mut tracker = HostTracker::new(at(0));
        tracker.handle_report(group(1), host(1), true, at(300), GMI);
        tracker.handle_report(group(1), host(2), true, at(400), GMI);
        assert!(!tracker.handle_leave(group(1), host(2), at(559), GMI), "the first is still expected");
        tracker.handle_report(group(1), host(2), true, at(559), GMI);
        assert!(tracker.handle_leave(group(1), host(2), at(560), GMI));
        assert_eq!(tracker.hosts, 0);
    }
}
