//! What a port owes the hosts of one group.

use core::net::Ipv4Addr;
use std::collections::BTreeMap;

use types::{MacAddr, Time};

/// A group-specific query that has to be sent, or may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(crate) at: Time,
    pub(crate) until: Time,
    pub(crate) optional: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The settings say that somebody listens. The times below are those of the hosts all the same (r55).
    pub(crate) held: bool,
    pub(crate) must: Time,
    pub(crate) may: Time,
    /// When the last report came, or the group was first held: at the earliest, and at the latest.
    pub(crate) reported: Time,
    pub(crate) reported_latest: Time,
    pub(crate) v1_until: Time,
    pub(crate) checking_until: Time,
    /// Until when there may be a check, or none.
    pub(crate) doubt_until: Time,
    pub(crate) asks: Vec<Ask>,
    pub(crate) hosts: BTreeMap<(MacAddr, Ipv4Addr), Time>,
}

impl Entry {
    pub(crate) const ABSENT: Self = Self {
        held: false,
        must: Time::ZERO,
        may: Time::ZERO,
        reported: Time::ZERO,
        reported_latest: Time::ZERO,
        v1_until: Time::ZERO,
        checking_until: Time::ZERO,
        doubt_until: Time::ZERO,
        asks: Vec::new(),
        hosts: BTreeMap::new(),
    };

    /// Reported, or held for the first time, now.
    pub(crate) fn note_reported(&mut self, now: Time) {
        (self.reported, self.reported_latest) = (now, now);
    }

    /// Nothing is asked about it.
    pub(crate) fn end_checks(&mut self) {
        self.asks.clear();
        (self.checking_until, self.doubt_until) = (Time::ZERO, Time::ZERO);
    }

    pub(crate) fn lower(&mut self, to: Time, certainly: bool) {
        self.must = self.must.min(to);
        if certainly {
            self.may = self.may.min(to);
        }
    }
}
