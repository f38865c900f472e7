//! Settings of one port.

use std::net::Ipv4Addr;
use std::time::Duration;

use types::{AccessList, GroupAddr, Ipv4Net};

use crate::device::Device;
use crate::problem::Place;

/// One `[[port]]`, with `[defaults]` filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortSettings {
    /// The name it has in commands, counters and logs: 1 to 32 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// What it runs on.
    pub device: Device,
    /// Where its `[[port]]` stands.
    pub place: Place,
    /// Only the live layer has it: it was added while Manifold ran.
    pub is_live: bool,
    /// Which MAC it sends from; where `None` the router's, and a macvlan's own on a macvlan, which has no other.
    pub mac: Option<SourceMac>,
    /// Its own address and network.
    pub address: Option<Ipv4Net>,
    /// Source of its queries where that is not `address` (r19).
    pub querier_address: Option<Ipv4Addr>,
    /// IGMP's timers.
    pub timers: PortTimers,
    /// Whether multicast data may come in from its clients (r75); nothing to the provider port.
    pub sources: Sources,
    /// IGMP without Router Alert is dropped.
    pub require_router_alert: bool,
    /// IGMP is accepted with any TTL (r1).
    pub any_ttl: bool,
    /// Reports and leaves from a source outside `address`'s network, 0.0.0.0 excepted, are dropped (r10).
    pub require_on_link_source: bool,
    /// The version its queries have.
    pub igmp_version: IgmpVersion,
    /// IGMPv1 reports create and refresh nothing (r48).
    pub ignore_v1: bool,
    /// What a Leave does where the answers of other hosts need not be waited for (r49).
    pub fast_leave: FastLeave,
    /// Its hosts hear no report of each other, so that each sends its own: a switch in between keeps them apart (r49).
    pub report_isolated: bool,
    /// Which groups its clients may have (r54).
    pub access: AccessList,
    /// The most groups that its clients may have at a time, 1 to 1,048,576; a share of the table where `None` (r53).
    pub max_groups: Option<u32>,
    /// Groups are forwarded to it while another router is querier there, too (r74).
    pub forward_when_not_querier: bool,
    /// How long members stay while it has no link, 0 s to 65,535 s; the group membership interval where `None` (r93).
    pub link_down_hold: Option<Duration>,
    /// It sends Multicast Router Advertisements (RFC 4286; r102).
    pub router_discovery: bool,
    /// Sources that data may come from; any where empty (r85). To the provider port alone.
    pub sources_allowed: Vec<Ipv4Net>,
    /// How often the joined groups are reported anew to a provider that never asks, 1 s to 65,535 s; never where
    /// `None` (r73). To the provider port alone.
    pub re_report_interval: Option<Duration>,
    /// A report that another host sends stands for ours (RFC 2236, section 6). To the provider port alone.
    pub suppress: bool,
    /// When the provider gets a Leave. To the provider port alone.
    pub leave: LeavePolicy,
    /// Groups with a member that never ages and that no Leave removes (r55); nothing to the provider port.
    pub static_groups: Vec<GroupAddr>,
    /// How its kernel interface is reached; nothing to other devices.
    pub driver: Driver,
    /// Bytes of the largest IP packet; the device's own where `None`.
    pub mtu: Option<u16>,
    /// Receive descriptors of each queue.
    pub rx_descriptors: u16,
    /// Transmit descriptors of each queue.
    pub tx_descriptors: u16,
}

/// `driver`: how a kernel interface is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Driver {
    /// `"auto"`: by af_xdp where it can be depended on, else by af_packet.
    #[default]
    Auto,
    /// `"af_xdp"`: frames before the kernel sees them.
    AfXdp,
    /// `"af_packet"`: a tap.
    AfPacket,
}

/// `mac`: which source MAC a port's frames have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SourceMac {
    /// `"router"`: the one of the whole router, so that a frame is the same on every port.
    Router,
    /// `"port"`: the device's own, on a copy of each frame: a VF under a spoof check, a hypervisor's port.
    Port,
}

/// Whether multicast from a client port is forwarded (RFC 4605, sections 3.2 and 4.2; r75).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Sources {
    /// `false`: dropped and counted.
    No,
    /// `true`: to the provider, and to the other member ports.
    Yes,
    /// `"querier"`: as `Yes`, while we are querier on that port.
    WhileQuerier,
}

/// The version of IGMP that a client port asks in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum IgmpVersion {
    /// `1`: for hosts that take no other query; no Leave shortens a membership (r29).
    V1,
    /// `2`
    #[default]
    V2,
}

/// `fast-leave`: whether a Leave ends a membership without asking who is left (r49).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FastLeave {
    /// `"off"`: the querier asks.
    #[default]
    Off,
    /// `"single"`: at once; the operator promises that there is one host.
    Single,
    /// `"tracked"`: at once when the last host left that is known, where every host is sure to be known.
    Tracked,
}

/// `leave`: when a group's last member here makes us leave it upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LeavePolicy {
    /// `"always"`
    #[default]
    Always,
    /// `"last-reporter"`: when no other host has reported the group since we did (RFC 2236, section 6).
    LastReporter,
}

/// IGMP's timers on one port (RFC 2236, section 8). What follows from them is the `igmp` crate's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortTimers {
    /// Robustness variable, 2 to 10.
    pub robustness: u8,
    /// Query interval, 1 s to 65,535 s.
    pub query_interval: Duration,
    /// Query response interval, 0.1 s to 25.5 s in tenths, less than the query interval.
    pub query_response_interval: Duration,
    /// Last member query interval, 0.1 s to 25.5 s in tenths.
    pub last_member_query_interval: Duration,
    /// Last member query count, 1 to 10; the robustness variable where `None`.
    pub last_member_query_count: Option<u8>,
    /// Unsolicited report interval, 1 s to 25 s; the provider port's counts.
    pub unsolicited_report_interval: Duration,
}

impl Default for PortTimers {
    /// RFC 2236's defaults.
    fn default() -> Self {
        Self {
            robustness: 2,
            query_interval: Duration::from_secs(125),
            query_response_interval: Duration::from_secs(10),
            last_member_query_interval: Duration::from_secs(1),
            last_member_query_count: None,
            unsolicited_report_interval: Duration::from_secs(10),
        }
    }
}
