//! Leaves at the provider, paced: a port that is removed, a switch or a change of the provider's port may
//! end a million memberships at once (r60, r70, r96).

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::VecDeque;

use types::{GroupAddr, MacAddr, PortIndex, Time};

use super::{Proxy, TimerKey};
use crate::timers::TimerId;
use crate::wire::Outgoing;

/// Leaves that go at once, in [`PAUSE`]; what comes on top waits for its turn.
const AT_ONCE: u32 = 16;

/// Between two turns.
const PAUSE: Duration = Duration::from_millis(1);

/// Turns that what waits is spread over: [`Proxy::LEAVES_WITHIN`] in all.
const TURNS: usize = 1000;

/// Rejoined groups that a turn passes over at most, for each Leave that it may send.
const PASSED_OVER: usize = 64;

/// The Leaves of a port that is the provider's or was.
#[derive(Debug)]
pub(super) struct Leaving {
    mac: MacAddr,
    source: Ipv4Addr,
    /// Until when the provider has a version 1 router, which knows no Leaves.
    v1_until: Time,
    /// Those that wait.
    groups: VecDeque<GroupAddr>,
    /// How many go in a turn.
    a_turn: usize,
    /// How many went at once since `since`.
    at_once: u32,
    since: Time,
    next: Time,
    timer: Option<TimerId>,
}

impl Leaving {
    fn new(now: Time) -> Self {
        Self {
            mac: MacAddr::ZERO,
            source: Ipv4Addr::UNSPECIFIED,
            v1_until: Time::ZERO,
            groups: VecDeque::new(),
            a_turn: 0,
            at_once: 0,
            since: now,
            next: now,
            timer: None,
        }
    }

    /// Whether one more may go at once.
    fn has_room(&mut self, now: Time) -> bool {
        if now >= self.since + PAUSE {
            (self.since, self.at_once) = (now, 0);
        }
        let room = self.groups.is_empty() && self.at_once < AT_ONCE;
        self.at_once += u32::from(room);
        room
    }
}

impl Proxy {
    /// How long the Leaves of all groups take at most, from [`Proxy::shutdown`] or the like until
    /// [`Proxy::is_quiet`], if the timers are served in time.
    pub const LEAVES_WITHIN: Duration = Duration::from_secs(1);

    /// Whether nothing waits to be taken or sent but what time brings: after [`Proxy::shutdown`], whether
    /// every Leave has been handed out (r96). Until then serve the timers and take the actions.
    pub fn is_quiet(&self) -> bool {
        self.actions.is_empty() && self.leaving.values().all(|leaving| leaving.groups.is_empty())
    }

    /// A Leave for `group` goes out of the provider's port, at once or in its turn.
    pub(super) fn leave_in_turn(&mut self, now: Time, group: GroupAddr) {
        let Some(upstream) = &self.upstream else { return };
        let (port, mac) = (upstream.port, self.mac(upstream.port));
        let leaving = self.leaving.entry(port).or_insert_with(|| Leaving::new(now));
        leaving.mac = mac;
        leaving.source = upstream.settings.report_source();
        leaving.v1_until = upstream.v1_until;
        if now < leaving.v1_until {
            return;
        }
        if leaving.has_room(now) {
            let source = leaving.source;
            return self.send_from(mac, port, source, Outgoing::Leave(group));
        }
        leaving.groups.push_back(group);
        leaving.a_turn = leaving.a_turn.max(leaving.groups.len().div_ceil(TURNS));
        if leaving.timer.is_none() {
            leaving.next = now + PAUSE;
            self.timers.set(&mut leaving.timer, TimerKey::Leaving(port), Some(leaving.next));
        }
    }

    /// A turn.
    pub(super) fn handle_leaving_timer(&mut self, now: Time, port: PortIndex) {
        let Some(leaving) = self.leaving.get_mut(&port) else { return };
        // By the plan and not by the clock, so that a thread that is late catches up.
        leaving.next = leaving.next + PAUSE;
        let turn = leaving.a_turn;
        let next = Some(leaving.next);
        self.timers.set(&mut leaving.timer, TimerKey::Leaving(port), next);
        let mut sent = 0;
        for _ in 0..turn * PASSED_OVER {
            if sent == turn {
                return;
            }
            let Some(group) = self.leaving.get_mut(&port).and_then(|leaving| leaving.groups.pop_front())
            else {
                return self.forget_leaves(port);
            };
            sent += usize::from(self.send_leave(now, port, group));
        }
    }

    /// Sends a Leave that waited, unless the group has been joined there again or a version 1 router has
    /// come. Whether it went.
    fn send_leave(&mut self, now: Time, port: PortIndex, group: GroupAddr) -> bool {
        let Some(leaving) = self.leaving.get(&port) else { return false };
        let (mac, source, mut v1_until) = (leaving.mac, leaving.source, leaving.v1_until);
        if let Some(upstream) = self.upstream.as_ref().filter(|upstream| upstream.port == port) {
            v1_until = upstream.v1_until;
            if self.is_running() && self.groups.contains_key(&group) {
                return false;
            }
        }
        let goes = v1_until <= now;
        if goes {
            self.send_from(mac, port, source, Outgoing::Leave(group));
        }
        goes
    }

    /// Nothing waits any more for `port`: all went, or there is no link to send it on.
    pub(super) fn forget_leaves(&mut self, port: PortIndex) {
        if let Some(mut leaving) = self.leaving.remove(&port) {
            self.timers.cancel(&mut leaving.timer);
        }
    }
}
