//! What a reload changes.

use crate::model::{PortSettings, PortTimers, Settings};

/// What must be done to get from one set of settings to another. Ports are told apart by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Difference {
    /// Names of ports that go, in their old order.
    pub removed: Vec<String>,
    /// Names of ports that come, in their new order.
    pub added: Vec<String>,
    /// Ports that stay, but not as they were.
    pub changed: Vec<PortChange>,
    /// The switch was turned.
    pub enabled: bool,
    /// Another port, or none, is the provider's; by name, so that a mere move in the list is none.
    pub upstream: bool,
    /// The groups that stay on their link.
    pub local_groups: bool,
    /// The groups that hosts have from a source of their choice alone.
    pub ssm_range: bool,
    /// The log's level.
    pub log: bool,
    /// Tables of which something changed that only a restart can apply, as they are written in the file.
    pub restart: Vec<&'static str>,
}

impl Difference {
    /// Whether nothing differs.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How a port that stays has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortChange {
    /// The port's name.
    pub name: String,
    /// Its device, MTU or rings: it is closed and opened anew.
    pub device: bool,
    /// Its address or its queries' source (r94).
    pub address: bool,
    /// Its IGMP timers.
    pub timers: bool,
    /// Any other setting of it.
    pub policy: bool,
}

/// What differs from `old` to `new`. Warnings do not count.
pub fn difference(old: &Settings, new: &Settings) -> Difference {
    let missing = |from: &Settings, other: &Settings| -> Vec<String> {
        let names = from.ports.iter().filter(|port| other.port(&port.name).is_none());
        names.map(|port| port.name.clone()).collect()
    };
    let upstream = |settings: &Settings| settings.upstream_port().map(|port| port.name.clone());
    Difference {
        removed: missing(old, new),
        added: missing(new, old),
        changed: new.ports.iter().filter_map(|port| port_change(old.port(&port.name)?.1, port)).collect(),
        enabled: old.proxy.enabled != new.proxy.enabled,
        upstream: upstream(old) != upstream(new),
        local_groups: old.proxy.local_groups != new.proxy.local_groups,
        ssm_range: old.proxy.ssm_range != new.proxy.ssm_range,
        log: old.log != new.log,
        restart: restart(old, new),
    }
}

fn port_change(old: &PortSettings, new: &PortSettings) -> Option<PortChange> {
    let rings = |p: &PortSettings| (p.mtu, p.rx_descriptors, p.tx_descriptors);
    // Whatever else there is, now or later.
    let policy = |p: &PortSettings| PortSettings {
        device: new.device.clone(),
        address: None,
        querier_address: None,
        timers: PortTimers::default(),
        mtu: None,
        rx_descriptors: 0,
        tx_descriptors: 0,
        ..p.clone()
    };
    let change = PortChange {
        name: new.name.clone(),
        device: old.device != new.device || rings(old) != rings(new),
        address: old.address != new.address || old.querier_address != new.querier_address,
        timers: old.timers != new.timers,
        policy: policy(old) != policy(new),
    };
    (change.device || change.address || change.timers || change.policy).then_some(change)
}

fn restart(old: &Settings, new: &Settings) -> Vec<&'static str> {
    // `max-ports` follows the number of ports where it is not set; it is for the memory of the next start.
    let eal = |s: &Settings| (s.eal.hugepages, s.eal.args.clone(), s.eal.memory_mb);
    let tables = [
        ("[proxy] instance", old.proxy.instance != new.proxy.instance),
        ("[proxy] router-mac", old.proxy.router_mac != new.proxy.router_mac),
        ("[eal]", eal(old) != eal(new)),
        ("[worker]", old.worker != new.worker),
        ("[table]", old.table != new.table),
        ("[socket]", old.socket != new.socket),
        ("[paths]", old.paths != new.paths),
        ("[record]", old.record != new.record),
    ];
    tables.into_iter().filter_map(|(name, differs)| differs.then_some(name)).collect()
}
