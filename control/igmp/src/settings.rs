//! What the proxy is told about itself and its ports.

use core::net::Ipv4Addr;
use core::time::Duration;
use types::{AccessList, GroupAddr, Ipv4Net, MacAddr};

use crate::{HostTimers, RouterTimers, Version};

/// Settings of the proxy as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxySettings {
    /// The source MAC of what we send, but on ports that have one of their own; coming in, it is our own on any.
    pub router_mac: MacAddr,
    /// Groups that stay on their link: reports for them make no member (r69).
    pub local_groups: Vec<Ipv4Net>,
    /// Groups that can be had from named sources only, which a proxy without sources cannot ask for:
    /// reports for them make no member (r100). Usually none: many providers use 232.0.0.0/8 as any other.
    pub ssm_range: Vec<Ipv4Net>,
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

/// The version that we speak as router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum QuerierVersion {
    /// RFC 1112, for links where only it is understood: no group-specific query, no Leave (r29).
    V1,
    /// RFC 2236.
    #[default]
    V2,
}

impl QuerierVersion {
    /// The version of its queries.
    pub const fn version(self) -> Version {
        match self {
            Self::V1 => Version::V1,
            Self::V2 => Version::V2,
        }
    }
}

/// Whether a Leave may end a membership without a question (r49). As non-querier, and while an IGMPv1 host
/// is present, none does (r27, r52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FastLeave {
    /// Every Leave is followed by the last member queries.
    #[default]
    Off,
    /// A Leave ends it at once: the operator promises that there is one host on the port.
    Single,
    /// The Leave of the last known host, told by MAC and IP address, ends it at once; only while every
    /// host is known for certain. See [`ClientPortSettings::report_isolated`].
    Tracked,
}

/// Settings of a client port: we are a multicast router there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientPortSettings {
    /// The port's own source MAC; [`ProxySettings::router_mac`] where `None`.
    pub mac: Option<MacAddr>,
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
    /// The version of our queries (r29).
    pub version: QuerierVersion,
    /// Whether a Leave may end a membership at once (r49).
    pub fast_leave: FastLeave,
    /// The hosts do not hear each other's reports, so that each sends its own whatever its version: reports
    /// of versions 1 and 2 count for [`FastLeave::Tracked`] as those of version 3 do.
    pub report_isolated: bool,
    /// Which groups the port's clients may have; binds static groups too (r54).
    pub access: AccessList,
    /// How long after the link went down the members go (r93); the Group Membership Interval where `None`.
    pub link_down_hold: Option<Duration>,
    /// Send Multicast Router Advertisements (r102, RFC 4286).
    pub router_discovery: bool,
    /// Groups with a member that never ages and that no Leave removes, without being counted in
    /// `max_groups` when they are set (r55).
    pub static_groups: Vec<GroupAddr>,
}

impl Default for ClientPortSettings {
    fn default() -> Self {
        Self {
            mac: None,
            address: None,
            querier_address: None,
            timers: RouterTimers::default(),
            require_router_alert: false,
            any_ttl: false,
            require_on_link_source: false,
            ignore_v1: false,
            max_groups: 16_384,
            version: QuerierVersion::V2,
            fast_leave: FastLeave::Off,
            report_isolated: false,
            access: AccessList::default(),
            link_down_hold: None,
            router_discovery: false,
            static_groups: Vec::new(),
        }
    }
}

impl ClientPortSettings {
    /// The source of our queries.
    pub fn query_source(&self) -> Ipv4Addr {
        self.querier_address.or(self.address.map(Ipv4Net::addr)).unwrap_or(Ipv4Addr::UNSPECIFIED)
    }

    /// The addresses that are ours on this port; 0.0.0.0 may be among them, and is nobody's.
    pub(crate) fn own_addresses(&self) -> impl Iterator<Item = Ipv4Addr> {
        [self.querier_address, self.address.map(Ipv4Net::addr)].into_iter().flatten()
    }

    /// The timers in force: a port that speaks version 1 asks for answers within 10 s whatever its Query
    /// Response Interval says, because its queries cannot (r29).
    pub fn effective_timers(&self) -> RouterTimers {
        match self.version {
            QuerierVersion::V1 => self.timers.for_version_1(),
            QuerierVersion::V2 => self.timers,
        }
    }

    /// How long after its link went down the port's members go (r93).
    pub(crate) fn link_hold(&self) -> Duration {
        self.link_down_hold.unwrap_or_else(|| self.effective_timers().group_membership_interval())
    }

    /// Whether `source` can be on the port's link, as far as is known.
    pub(crate) fn is_on_link(&self, source: Ipv4Addr) -> bool {
        self.address.is_none_or(|net| net.contains(source))
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
    /// The port's own source MAC; [`ProxySettings::router_mac`] where `None`.
    pub mac: Option<MacAddr>,
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
    /// The joined groups are reported anew after this time without a query, for a provider that never
    /// asks (r73).
    pub re_report_interval: Option<Duration>,
}

impl Default for UpstreamPortSettings {
    fn default() -> Self {
        Self {
            mac: None,
            address: None,
            timers: HostTimers::default(),
            require_router_alert: false,
            any_ttl: false,
            suppress: true,
            leave: LeavePolicy::Always,
            re_report_interval: None,
        }
    }
}

impl UpstreamPortSettings {
    /// The source of our reports and leaves.
    pub fn report_source(&self) -> Ipv4Addr {
        self.address.map_or(Ipv4Addr::UNSPECIFIED, Ipv4Net::addr)
    }
}
