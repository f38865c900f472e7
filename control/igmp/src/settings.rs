//! What the proxy is told about itself and its ports.

use core::net::Ipv4Addr;
use types::{GroupAddr, Ipv4Net, MacAddr};

use crate::{HostTimers, RouterTimers};

/// Settings of the proxy as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// The source MAC of all we send; coming in, it is our own.
    pub router_mac: MacAddr,
    /// Groups that stay on their link: reports for them make no member (r69).
    pub local_groups: Vec<Ipv4Net>,
    /// Whether the proxy starts switched on.
    pub enabled: bool,
}

impl ProxySettings {
    /// SSDP and the other discovery group that users do not want at their provider (r69).
    pub fn default_local_groups() -> Vec<Ipv4Net> {
        [[239, 255, 255, 250], [239, 255, 255, 253]]
            .into_iter()
            .filter_map(|octets| Ipv4Net::new(Ipv4Addr::from(octets), 32))
            .collect()
    }
}

/// Settings of a client port: we are a multicast router there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPortSettings {
    /// Our address there, and the link's network.
    pub address: Option<Ipv4Net>,
    /// Source of our queries where `address` is not the right one; 0.0.0.0 without either (r19).
    pub querier_address: Option<Ipv4Addr>,
    /// The intervals and counts.
    pub timers: RouterTimers,
    /// Drop what comes without Router Alert.
    pub require_router_alert: bool,
    /// Take what comes with a TTL other than 1 (r1).
    pub any_ttl: bool,
    /// Drop sources outside `address`'s network, 0.0.0.0 excepted (r10).
    pub require_on_link_source: bool,
    /// Version 1 reports make and refresh nothing (r48).
    pub ignore_v1: bool,
    /// The most groups with a member on this port (r53).
    pub max_groups: u32,
    /// Groups with a member that never ages and that no Leave removes, without being counted in
    /// `max_groups` when they are set (r55).
    pub static_groups: Vec<GroupAddr>,
}

impl Default for ClientPortSettings {
    fn default() -> Self {
        Self {
            address: None,
            querier_address: None,
            timers: RouterTimers::default(),
            require_router_alert: false,
            any_ttl: false,
            require_on_link_source: false,
            ignore_v1: false,
            max_groups: 16_384,
            static_groups: Vec::new(),
        }
    }
}

impl ClientPortSettings {
    /// The source of our queries.
    pub fn query_source(&self) -> Ipv4Addr {
        self.querier_address.or(self.address.map(Ipv4Net::addr)).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// Whether `addr` is ours on this port; 0.0.0.0 never is.
    pub(crate) fn is_own(&self, addr: Ipv4Addr) -> bool {
        !addr.is_unspecified()
            && (self.querier_address == Some(addr) || self.address.is_some_and(|net| net.addr() == addr))
    }

    /// Whether the two ask for different queries, so that the querier starts anew.
    pub(crate) fn queries_differ(&self, other: &Self) -> bool {
        self.query_source() != other.query_source() || self.timers != other.timers
    }
}

/// When a Leave goes to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LeavePolicy {
    /// Whenever the last member goes: some access nodes cut the stream only then.
    #[default]
    Always,
    /// Only if the last report heard on the link was ours (RFC 2236, section 6).
    LastReporter,
}

/// Settings of the provider's port: we are a host there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamPortSettings {
    /// Our address there, and the link's network; we report from 0.0.0.0 without one (r71).
    pub address: Option<Ipv4Net>,
    /// The intervals and counts.
    pub timers: HostTimers,
    /// Drop what comes without Router Alert.
    pub require_router_alert: bool,
    /// Take what comes with a TTL other than 1 (r1).
    pub any_ttl: bool,
    /// Hold our report back when another host reports the group (RFC 2236, section 6).
    pub suppress: bool,
    /// When a Leave is sent.
    pub leave: LeavePolicy,
}

impl Default for UpstreamPortSettings {
    fn default() -> Self {
        Self {
            address: None,
            timers: HostTimers::default(),
            require_router_alert: false,
            any_ttl: false,
            suppress: true,
            leave: LeavePolicy::Always,
        }
    }
}

impl UpstreamPortSettings {
    /// The source of our reports and leaves.
    pub fn report_source(&self) -> Ipv4Addr {
        self.address.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr)
    }
}
