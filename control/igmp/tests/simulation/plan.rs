//! A network and its settings, drawn from the seed.

use core::net::Ipv4Addr;
use core::time::Duration;

use igmp::{
    ClientPortSettings, FastLeave, HostTimers, LeavePolicy, QuerierVersion, RouterTimers,
    UpstreamPortSettings,
};
use types::{AccessList, GroupAddr, Ipv4Net};

use crate::chance::Chance;

/// The first two share a MAC.
const GROUPS: [&str; 4] = ["239.1.1.1", "238.129.1.1", "224.1.1.1", "232.1.1.1"];

#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) groups: Vec<GroupAddr>,
    pub(crate) upstream: UpstreamPortSettings,
    /// Timers of the provider's router.
    pub(crate) provider: RouterTimers,
    /// The client ports, first 1.
    pub(crate) ports: Vec<PortPlan>,
    /// Frames lost and doubled, of 1,000.
    pub(crate) loss: u64,
    pub(crate) doubled: u64,
    pub(crate) max_delay: Duration,
    /// How late the proxy is woken at most.
    pub(crate) lateness: Duration,
    pub(crate) length: Duration,
    /// Between two things that somebody does, at most.
    pub(crate) pause: Duration,
    /// Whether links, switch and settings change.
    pub(crate) restless: bool,
    /// Other hosts on the provider's link.
    pub(crate) neighbours: usize,
}

#[derive(Debug)]
pub(crate) struct PortPlan {
    pub(crate) settings: ClientPortSettings,
    /// The versions of its hosts.
    pub(crate) hosts: Vec<u8>,
    pub(crate) rival: Option<Rival>,
}

/// Another router on a client port.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rival {
    pub(crate) address: Ipv4Addr,
    pub(crate) version: u8,
    pub(crate) suppress: bool,
}

impl Plan {
    pub(crate) fn new(chance: &mut Chance) -> Self {
        let ms = Duration::from_millis;
        let timers = timers(chance);
        let max_delay = chance.pick(&[Duration::ZERO, Duration::ZERO, ms(5), ms(200)]);
        let ports = (1..=1 + chance.below(3)).map(|port| PortPlan::new(chance, port, timers)).collect();
        let unsolicited = Duration::from_secs(1 + chance.below(10) as u64);
        let upstream = UpstreamPortSettings {
            address: chance.one_in(8).then_some(()).map_or_else(|| Some(net([10, 0, 0, 5])), |()| None),
            timers: HostTimers::new(2 + chance.below(3) as u8, unsolicited).unwrap(),
            suppress: !chance.one_in(4),
            leave: if chance.one_in(4) { LeavePolicy::LastReporter } else { LeavePolicy::Always },
            ..UpstreamPortSettings::default()
        };
        let gmi = timers.group_membership_interval();
        let loss = if chance.one_in(2) { 0 } else { chance.pick(&[10, 50, 300]) };
        Self {
            groups: GROUPS[..2 + chance.below(3)].iter().map(|text| text.parse().unwrap()).collect(),
            upstream,
            provider: with_count(timers, 3),
            ports,
            loss,
            doubled: chance.pick(&[0, 20, 200]),
            max_delay,
            lateness: chance.pick(&[Duration::ZERO, Duration::ZERO, ms(20)]),
            length: gmi * (2 + chance.below(3) as u32),
            pause: gmi / chance.pick(&[4, 15, 40, 100]),
            restless: chance.one_in(2),
            neighbours: chance.below(3),
        }
    }

    /// Whether what is said in time is heard in time: nothing is lost, and late frames cannot make the
    /// hosts' holding back go wrong for as many queries as are asked.
    pub(crate) fn is_reliable(&self, timers: &RouterTimers) -> bool {
        let asked = timers.last_member_query_count() >= 3
            && timers.last_member_query_interval() > 4 * self.max_delay + self.lateness;
        self.loss == 0 && (asked || (self.max_delay.is_zero() && self.lateness.is_zero()))
    }
}

impl PortPlan {
    fn new(chance: &mut Chance, port: usize, timers: RouterTimers) -> Self {
        let address = [10, port as u8, 0, 5];
        let hosts = (0..1 + chance.below(4)).map(|_| chance.pick(&[1, 2, 2, 2, 3, 3])).collect();
        let mut settings = ClientPortSettings {
            address: Some(net(address)),
            timers: with_count(timers, 1 + chance.below(4) as u8),
            version: if chance.one_in(8) { QuerierVersion::V1 } else { QuerierVersion::V2 },
            ignore_v1: chance.one_in(8),
            fast_leave: chance.pick(&[FastLeave::Off, FastLeave::Off, FastLeave::Single, FastLeave::Tracked]),
            report_isolated: chance.one_in(3),
            access: access(chance),
            max_groups: if chance.one_in(8) { 1 } else { 100 },
            link_down_hold: chance
                .one_in(2)
                .then(|| Duration::from_millis(500 + chance.below(30_000) as u64)),
            router_discovery: chance.one_in(4),
            ..ClientPortSettings::default()
        };
        if chance.one_in(8) {
            // Without an address every other querier wins.
            settings.address = None;
        }
        if settings.max_groups > 1 && chance.one_in(4) {
            settings.static_groups = vec![GROUPS[0].parse().unwrap()];
        }
        let rival = chance.one_in(2).then(|| Rival {
            // Lower, higher, off the link, none.
            address: chance
                .pick(&[
                    [10, port as u8, 0, 2],
                    [10, port as u8, 0, 2],
                    [10, port as u8, 0, 200],
                    [9, 9, 9, 9],
                    [0, 0, 0, 0],
                ])
                .into(),
            version: chance.pick(&[1, 2, 2, 3]),
            suppress: chance.one_in(3),
        });
        Self { settings, hosts, rival }
    }
}

/// Of the RFC, or short ones that leave version 1 hosts their 10 s.
pub(crate) fn timers(chance: &mut Chance) -> RouterTimers {
    let s = Duration::from_secs;
    if chance.one_in(4) {
        return RouterTimers::default();
    }
    let robustness = 2 + chance.below(2) as u8;
    let last_member = Duration::from_millis(chance.pick(&[500, 1000, 2000]));
    RouterTimers::new(robustness, s(chance.pick(&[14, 20])), s(chance.pick(&[1, 2, 5])), last_member, None)
        .unwrap()
}

pub(crate) fn with_count(t: RouterTimers, last_member_query_count: u8) -> RouterTimers {
    RouterTimers::new(
        t.robustness(),
        t.query_interval(),
        t.query_response_interval(),
        t.last_member_query_interval(),
        Some(last_member_query_count),
    )
    .unwrap()
}

/// None, or one that forbids the second group.
pub(crate) fn access(chance: &mut Chance) -> AccessList {
    if chance.one_in(4) {
        let rules = ["deny 238.129.0.0/16", "allow 224.0.0.0/4"];
        AccessList::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
    } else {
        AccessList::default()
    }
}

pub(crate) fn net(address: [u8; 4]) -> Ipv4Net {
    Ipv4Net::new(address.into(), 24).unwrap()
}
