//! Another router on a link (RFC 2236, sections 3 and 7): a rival on a client port, or the provider's.

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use igmp::RouterTimers;
use types::{GroupAddr, MacAddr, Time};

use crate::frames::{Message, Packet, TO_IN};

#[derive(Debug)]
pub(crate) struct Router {
    mac: MacAddr,
    pub(crate) address: Ipv4Addr,
    pub(crate) version: u8,
    pub(crate) timers: RouterTimers,
    /// Sets the S flag of its queries, in version 3.
    pub(crate) suppress: bool,
    /// On, and since when.
    pub(crate) active: Option<Time>,
    next_query: Option<Time>,
    startup_left: u8,
    other_until: Option<Time>,
    /// Group-specific queries still to send.
    asks: Vec<(Time, GroupAddr)>,
    /// When each group goes unless reported.
    pub(crate) members: BTreeMap<GroupAddr, Time>,
    v1_hosts: BTreeMap<GroupAddr, Time>,
}

impl Router {
    pub(crate) fn new(address: Ipv4Addr, version: u8, timers: RouterTimers) -> Self {
        Self {
            mac: MacAddr([2, 2, 0, 0, 0, address.octets()[3]]),
            address,
            version,
            timers,
            suppress: false,
            active: None,
            next_query: None,
            startup_left: 0,
            other_until: None,
            asks: Vec::new(),
            members: BTreeMap::new(),
            v1_hosts: BTreeMap::new(),
        }
    }

    pub(crate) fn start(&mut self, now: Time) {
        self.active = Some(now);
        self.next_query = Some(now);
        self.startup_left = self.timers.startup_query_count();
        self.other_until = None;
        self.asks.clear();
        self.members.clear();
        self.v1_hosts.clear();
    }

    pub(crate) fn stop(&mut self) {
        self.active = None;
    }

    /// How long a member lasts; hosts take 10 s to answer a query of version 1.
    pub(crate) fn membership_interval(&self) -> Duration {
        let response = self.timers.query_response_interval().max(Duration::from_secs(10));
        self.timers.query_interval() * u32::from(self.timers.robustness()) + response
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.active?;
        let asks = self.asks.iter().map(|(at, _)| *at).min();
        [self.next_query, self.other_until, asks].into_iter().flatten().min()
    }

    pub(crate) fn poll(&mut self, now: Time) -> Vec<Packet> {
        let mut sent = Vec::new();
        if self.other_until.is_some_and(|until| until <= now) {
            self.other_until = None;
            self.next_query = Some(now);
            self.startup_left = 1;
        }
        if self.next_query.is_some_and(|next| next <= now) {
            self.startup_left = self.startup_left.saturating_sub(1);
            let interval = match self.startup_left {
                0 => self.timers.query_interval(),
                _ => self.timers.startup_query_interval(),
            };
            self.next_query = Some(now + interval);
            sent.push(self.query(None, self.timers.query_response_interval()));
        }
        let due: Vec<_> = self.asks.iter().filter(|(at, _)| *at <= now).copied().collect();
        self.asks.retain(|(at, _)| *at > now);
        for (_, group) in due {
            sent.push(self.query(Some(group), self.timers.last_member_query_interval()));
        }
        self.members.retain(|_, expires| *expires > now);
        sent
    }

    pub(crate) fn hear(&mut self, now: Time, packet: &Packet) {
        if self.active.is_none() {
            return;
        }
        match packet.message {
            Message::Query { .. } => {
                if !packet.source.is_unspecified() && packet.source < self.address {
                    self.other_until = Some(now + self.timers.other_querier_present_interval());
                    self.next_query = None;
                    self.asks.clear();
                }
            }
            Message::Report { version, group } => {
                self.members.insert(group, now + self.membership_interval());
                self.asks.retain(|(_, asked)| *asked != group);
                if version == 1 {
                    self.v1_hosts.insert(group, now + self.membership_interval());
                }
            }
            Message::Leave { group } | Message::Record { kind: TO_IN, group } => self.hear_leave(now, group),
            Message::Record { group, .. } => {
                self.members.insert(group, now + self.membership_interval());
                self.asks.retain(|(_, asked)| *asked != group);
            }
            Message::Other(_) => {}
        }
    }

    fn hear_leave(&mut self, now: Time, group: GroupAddr) {
        let v1_host = self.v1_hosts.get(&group).is_some_and(|until| now < *until);
        let asked = self.asks.iter().any(|(_, asked)| *asked == group);
        if self.version == 1 || self.other_until.is_some() || v1_host || asked {
            return;
        }
        let Some(expires) = self.members.get_mut(&group) else { return };
        *expires = now + self.timers.last_member_query_time();
        let count = u32::from(self.timers.last_member_query_count());
        self.asks.extend((0..count).map(|k| (now + self.timers.last_member_query_interval() * k, group)));
    }

    fn query(&self, group: Option<GroupAddr>, max_resp: Duration) -> Packet {
        let max_resp = if self.version == 1 { Duration::from_secs(10) } else { max_resp };
        let suppress = self.suppress && self.version == 3;
        let message = Message::Query { version: self.version, group, max_resp, suppress };
        Packet { mac: self.mac, source: self.address, message }
    }
}
