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
    pub(crate) must: Time,
    pub(crate) may: Time,
    pub(crate) reported: Time,
    pub(crate) v1_until: Time,
    pub(crate) checking_until: Time,
    /// Until when there may be a check, or none.
    pub(crate) doubt_until: Time,
    pub(crate) asks: Vec<Ask>,
    pub(crate) hosts: BTreeMap<(MacAddr, Ipv4Addr), Time>,
}

impl Entry {
    pub(crate) const ABSENT: Self = Self {
        must: Time::ZERO,
        may: Time::ZERO,
        reported: Time::ZERO,
        v1_until: Time::ZERO,
        checking_until: Time::ZERO,
        doubt_until: Time::ZERO,
        asks: Vec::new(),
        hosts: BTreeMap::new(),
    };

    pub(crate) fn lower(&mut self, to: Time, certainly: bool) {
        self.must = self.must.min(to);
        if certainly {
            self.may = self.may.min(to);
        }
    }
}
