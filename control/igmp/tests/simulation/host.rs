//! A host as the RFCs describe one: version 1 (RFC 1112, appendix I), version 2 (RFC 2236, section 6),
//! or version 3 that falls back to what its querier speaks (RFC 3376, section 7.2).

use core::net::Ipv4Addr;
use core::time::Duration;
use std::collections::BTreeMap;

use types::{GroupAddr, MacAddr, Time};

use crate::chance::Chance;
use crate::frames::{BLOCK, IS_EX, Message, Packet, TO_EX, TO_IN};

/// Version 1 Router Present Timeout, as a version 2 host has it.
const V1_ROUTER_PRESENT: Duration = Duration::from_secs(400);
const V1_RESPONSE: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) mac: MacAddr,
    pub(crate) address: Ipv4Addr,
    /// The highest version it speaks.
    pub(crate) version: u8,
    /// Older Version Querier Present, of a version 3 host.
    older_querier: Duration,
    unsolicited: Duration,
    v1_until: Time,
    v2_until: Time,
    pub(crate) groups: BTreeMap<GroupAddr, Membership>,
}

#[derive(Debug)]
pub(crate) struct Membership {
    pub(crate) since: Time,
    due: Option<Time>,
    repeats: u8,
    last_reporter: bool,
}

impl Host {
    pub(crate) fn new(
        address: Ipv4Addr,
        version: u8,
        older_querier: Duration,
        unsolicited: Duration,
    ) -> Self {
        let [_, b, c, d] = address.octets();
        Self {
            mac: MacAddr([2, 1, 0, b, c, d]),
            address,
            version,
            older_querier,
            unsolicited,
            v1_until: Time::ZERO,
            v2_until: Time::ZERO,
            groups: BTreeMap::new(),
        }
    }

    /// The version that it speaks now.
    pub(crate) fn mode(&self, now: Time) -> u8 {
        if self.version == 1 || now < self.v1_until {
            1
        } else if self.version == 2 || now < self.v2_until {
            2
        } else {
            3
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        self.groups.values().filter_map(|membership| membership.due).min()
    }

    pub(crate) fn join(&mut self, now: Time, group: GroupAddr, chance: &mut Chance) -> Option<Packet> {
        if self.groups.contains_key(&group) {
            return None;
        }
        let repeats = chance.below(3) as u8;
        let due = (repeats > 0).then(|| now + chance.delay(self.unsolicited));
        self.groups.insert(group, Membership { since: now, due, repeats, last_reporter: true });
        Some(self.report(now, group, TO_EX))
    }

    /// Leaves the group; a silent host just goes, and so does one of version 1, or one of version 2 that
    /// was not the last to report.
    pub(crate) fn leave(&mut self, now: Time, group: GroupAddr, silent: bool) -> Option<Packet> {
        let membership = self.groups.remove(&group)?;
        let message = match self.mode(now) {
            1 => return None,
            2 => Message::Leave { group },
            _ => Message::Record { kind: TO_IN, group },
        };
        let says_so = self.mode(now) == 3 || membership.last_reporter;
        (says_so && !silent).then(|| self.packet(message))
    }

    /// A version 3 host stops listening to one source, and goes on with the others.
    pub(crate) fn block(&self, now: Time, group: GroupAddr) -> Option<Packet> {
        let listens = self.mode(now) == 3 && self.groups.contains_key(&group);
        listens.then(|| self.packet(Message::Record { kind: BLOCK, group }))
    }

    pub(crate) fn hear(&mut self, now: Time, packet: &Packet, chance: &mut Chance) {
        match packet.message {
            Message::Query { version, group, max_resp, .. } => {
                self.hear_query(now, version, group, max_resp, chance);
            }
            Message::Report { version, group } => self.hear_report(now, version, group),
            Message::Leave { .. } | Message::Record { .. } | Message::Other(_) => {}
        }
    }

    fn hear_query(
        &mut self,
        now: Time,
        version: u8,
        group: Option<GroupAddr>,
        max_resp: Duration,
        chance: &mut Chance,
    ) {
        let before = self.mode(now);
        match (version, self.version) {
            (1, 2) => self.v1_until = now + V1_ROUTER_PRESENT,
            (1, 3) => self.v1_until = now + self.older_querier,
            (2, 3) => self.v2_until = now + self.older_querier,
            _ => {}
        }
        if self.version == 3 && self.mode(now) != before {
            // RFC 3376, section 7.2.1: a change of mode cancels what is pending.
            self.groups.values_mut().for_each(|membership| membership.due = None);
        }
        // Version 1 hosts know General Queries only, whatever their code.
        let (group, max_resp) = match (self.version, version) {
            (1, _) if group.is_some() => return,
            (1, _) | (_, 1) => (None, V1_RESPONSE),
            _ => (group, max_resp),
        };
        for (_, membership) in
            self.groups.iter_mut().filter(|(at, _)| group.is_none_or(|group| group == **at))
        {
            if membership.due.is_none_or(|due| max_resp < due - now) {
                membership.due = Some(now + chance.delay(max_resp));
                membership.repeats = 0;
            }
        }
    }

    /// Another host's report makes ours unnecessary, in the versions that hold back.
    fn hear_report(&mut self, now: Time, version: u8, group: GroupAddr) {
        if self.mode(now) == 3 || (self.version == 1 && version != 1) {
            return;
        }
        if let Some(membership) = self.groups.get_mut(&group) {
            membership.due = None;
            membership.repeats = 0;
            membership.last_reporter = false;
        }
    }

    /// Reports what is due.
    pub(crate) fn poll(&mut self, now: Time, chance: &mut Chance) -> Vec<Packet> {
        let mut due = Vec::new();
        for (group, membership) in &mut self.groups {
            if membership.due.is_none_or(|at| now < at) {
                continue;
            }
            membership.last_reporter = true;
            membership.repeats = membership.repeats.saturating_sub(1);
            membership.due = (membership.repeats > 0).then(|| now + chance.delay(self.unsolicited));
            due.push(*group);
        }
        due.into_iter().map(|group| self.report(now, group, IS_EX)).collect()
    }

    fn report(&self, now: Time, group: GroupAddr, kind: u8) -> Packet {
        self.packet(match self.mode(now) {
            3 => Message::Record { kind, group },
            version => Message::Report { version, group },
        })
    }

    fn packet(&self, message: Message) -> Packet {
        Packet { mac: self.mac, source: self.address, message }
    }
}
