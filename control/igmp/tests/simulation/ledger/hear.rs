//! What the proxy is given, and what follows for the port's hosts.

use core::net::Ipv4Addr;
use core::time::Duration;

use igmp::{FastLeave, QuerierVersion, RouterTimers};
use types::{GroupAddr, MacAddr, Time};

use super::{PortLedger, Role};
use crate::entry::{Ask, Entry};
use crate::frames::{BLOCK, Message, Packet, TO_IN};

impl PortLedger {
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
        if before == Role::Querier && !lower {
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
        (entry.must, entry.may) = (now + gmi, now + gmi);
        entry.note_reported(now);
        entry.end_checks();
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
        let v1_port = self.settings.version == QuerierVersion::V1;
        let tolerance = self.tolerance;
        let (fast, isolated) = (self.settings.fast_leave, self.settings.report_isolated);
        let timers = self.settings.timers;
        // Who joined before the hosts were told apart may not have answered yet.
        let complete = self.tracked_since + self.gmi() < now;
        let forwarded = self.forwarded.contains(&group);
        let shared = self.shared_until.get(&group).is_some_and(|until| now < *until);
        let Some(entry) = self.entries.get_mut(&group).filter(|_| forwarded) else { return };
        if role == Role::Other || v1_port || entry.may <= now || entry.held {
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
        check(entry, now, &timers, certainly && !tracked);
    }
}

/// Who is left is asked, as after a Leave (r38).
pub(super) fn check(entry: &mut Entry, now: Time, timers: &RouterTimers, certainly: bool) {
    let count = u32::from(timers.last_member_query_count());
    let end = now + timers.last_member_query_interval() * count;
    if certainly {
        // The window counts, also when less was left (r39).
        (entry.must, entry.may, entry.checking_until) = (end, end, end);
    } else {
        (entry.must, entry.may) = (entry.must.min(end), entry.may.max(end));
        entry.doubt_until = end;
    }
    for k in 0..count {
        let at = now + timers.last_member_query_interval() * k;
        entry.asks.push(Ask { at, until: at, optional: !certainly });
    }
}
