//! What the settings make of the ports, and how the agent gets from one such state to another.

use api::Outage;
use forwarding::IngressSettings;
use igmp::{ClientPortSettings, UpstreamPortSettings};
use settings::Sources;
use types::{Ipv4Net, MacAddr, PortIndex, PortSet, Time};

use crate::agent::Agent;
use crate::record::Entry;

/// What a port is to the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortRole {
    /// Towards the provider: Manifold is a host there.
    Upstream(UpstreamPortSettings),
    /// Towards clients: Manifold is a router there.
    Client(ClientPortSettings),
}

/// A port as the control thread knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortInfo {
    /// Its place in every table.
    pub index: PortIndex,
    /// Its name in the settings.
    pub name: String,
    /// Its device in the settings.
    pub device: String,
    /// The driver that serves it.
    pub driver: String,
    /// Source of what it sends.
    pub mac: MacAddr,
    /// Its address, if it has one.
    pub address: Option<Ipv4Net>,
    /// What it is to the protocol.
    pub role: PortRole,
    /// Whether multicast data may come in from its clients.
    pub sources: Sources,
    /// Whether its members get their groups while another router is querier on its link (r74).
    pub forward_when_not_querier: bool,
    /// What the workers know of frames that come in by it.
    pub ingress: IngressSettings,
    /// The longest IP packet that it sends, in bytes.
    pub mtu: u16,
    /// Whether it has carrier.
    pub link_up: bool,
    /// Why it has none, where more is known than that; goes with the carrier's return. For people, not for the
    /// protocol.
    pub outage: Option<Outage>,
}

impl PortInfo {
    /// Whether it is the provider's port.
    pub fn is_upstream(&self) -> bool {
        matches!(self.role, PortRole::Upstream(_))
    }

    /// Whether `other` is the same port, perhaps with other settings: an index is given again.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.index == other.index && self.name == other.name
    }
}

/// All that may change while the agent runs. At most one port is the provider's, and no two ports have the
/// same index or the same name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Configuration {
    /// Whether the proxy is switched on.
    pub enabled: bool,
    /// Groups that stay on their link (r69).
    pub local_groups: Vec<Ipv4Net>,
    /// Groups that are for source-specific joins only (r100).
    pub ssm_range: Vec<Ipv4Net>,
    /// Every port.
    pub ports: Vec<PortInfo>,
    /// Doubts about the settings, for `show status`.
    pub warnings: Vec<String>,
}

impl Configuration {
    fn port(&self, index: PortIndex) -> Option<&PortInfo> {
        self.ports.iter().find(|port| port.index == index)
    }
}

impl Agent {
    /// Makes `next` of what is configured now, and touches nothing that is the same in both. A port that
    /// `next` does not name is gone: its members, its role, its masks. What this sends, and changes in the
    /// group table, comes with [`poll`](Self::poll), until it [`is_settled`](Self::is_settled).
    pub fn configure(&mut self, now: Time, next: Configuration) {
        if next == self.configuration {
            return;
        }
        self.record(|_| Entry::Configure { at: now, configuration: next.clone() });
        let before = std::mem::replace(&mut self.configuration, next);
        // First out of the masks with what must not get anything, then the members, then in with the rest.
        self.change_masks(self.not_as_in(&before));
        let enabled = self.configuration.enabled;
        if before.enabled && !enabled {
            tracing::info!("switched off");
            self.proxy.set_enabled(now, false);
        }
        for gone in &before.ports {
            if self.configuration.ports.iter().any(|new| new.is_same(gone)) {
                continue;
            }
            tracing::info!(port = gone.name, "port removed");
            if gone.link_up {
                self.leaving = self.leaving.with(gone.index);
            }
            self.proxy.remove_port(now, gone.index);
            self.note_former(gone.index, gone.name.clone());
        }
        for new in &self.configuration.ports {
            if !before.ports.iter().any(|old| old.is_same(new)) {
                self.proxy.forget_counters(new.index);
            }
        }
        let Configuration { local_groups, ssm_range, .. } = &self.configuration;
        if (local_groups, ssm_range) != (&before.local_groups, &before.ssm_range) {
            self.policy.set_local_groups(local_groups);
            self.proxy.set_group_ranges(now, local_groups.clone(), ssm_range.clone());
        }
        self.configure_upstream(now, &before);
        self.configure_clients(now, &before);
        if !before.enabled && enabled {
            tracing::info!("switched on");
            self.proxy.set_enabled(now, true);
        }
        self.announce_changes(now, &before);
        self.forget_samples(now);
    }

    /// The ports that are another than before, or that have another role.
    fn not_as_in(&self, before: &Configuration) -> PortSet {
        let differs = |new: &&PortInfo| {
            let same = |old: &PortInfo| old.is_same(new) && old.is_upstream() == new.is_upstream();
            before.port(new.index).is_none_or(|old| !same(old))
        };
        self.configuration.ports.iter().filter(differs).map(|port| port.index).collect()
    }

    /// First the provider's port, so that a port that was a client's has lost its members, and the old one
    /// its reports, before anything else changes.
    fn configure_upstream(&mut self, now: Time, before: &Configuration) {
        let upstream = |ports: &[PortInfo]| ports.iter().find(|port| port.is_upstream()).cloned();
        let (old, new) = (upstream(&before.ports), upstream(&self.configuration.ports));
        let Some(new) = new else {
            if old.is_some() {
                self.proxy.set_upstream(now, None, false);
            }
            return;
        };
        let old = old.filter(|old| old.is_same(&new));
        let PortRole::Upstream(settings) = &new.role else { return };
        if old.as_ref().is_none_or(|old| old.role != new.role || old.link_up != new.link_up) {
            self.proxy.set_upstream(now, Some((new.index, settings.clone())), new.link_up);
        }
        self.replace_device(now, old.as_ref(), &new);
    }

    fn configure_clients(&mut self, now: Time, before: &Configuration) {
        for new in self.configuration.ports.clone() {
            let PortRole::Client(settings) = &new.role else { continue };
            let old = before.port(new.index).filter(|old| old.is_same(&new));
            if old.is_none_or(|old| old.role != new.role || old.link_up != new.link_up) {
                self.proxy.add_client_port(now, new.index, settings.clone(), new.link_up);
            }
            self.replace_device(now, old, &new);
        }
    }

    /// Another device is another link: as if the carrier had been gone for a moment.
    fn replace_device(&mut self, now: Time, old: Option<&PortInfo>, new: &PortInfo) {
        if old.is_some_and(|old| old.device != new.device && old.link_up && new.link_up) {
            self.proxy.handle_link(now, new.index, false);
            self.proxy.handle_link(now, new.index, true);
        }
    }
}
