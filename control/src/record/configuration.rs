//! A configuration as a record has it: every field that the agent goes by.

use std::net::Ipv4Addr;
use std::time::Duration;

use api::Outage;
use forwarding::IngressSettings;
use igmp::{
    ClientPortSettings, FastLeave, HostTimers, LeavePolicy, QuerierVersion, RouterTimers,
    UpstreamPortSettings,
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};
use settings::Sources;
use types::{AccessList, AccessRule, GroupAddr, Ipv4Net, MacAddr, PortIndex};

use super::text::{self, index};
use crate::configuration::{Configuration, PortInfo, PortRole};

#[derive(Serialize, Deserialize)]
#[serde(remote = "Configuration", deny_unknown_fields)]
pub(crate) struct ConfigurationText {
    enabled: bool,
    #[serde(with = "text::list")]
    local_groups: Vec<Ipv4Net>,
    #[serde(with = "text::list")]
    ssm_range: Vec<Ipv4Net>,
    #[serde(with = "ports")]
    ports: Vec<PortInfo>,
    /// For people, not for the protocol.
    #[serde(skip)]
    warnings: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PortInfo", deny_unknown_fields)]
struct PortText {
    #[serde(with = "index")]
    index: PortIndex,
    name: String,
    device: String,
    driver: String,
    #[serde(with = "text")]
    mac: MacAddr,
    #[serde(with = "text::option")]
    address: Option<Ipv4Net>,
    #[serde(with = "RoleText")]
    role: PortRole,
    #[serde(with = "SourcesText")]
    sources: Sources,
    forward_when_not_querier: bool,
    /// The workers' concern.
    #[serde(skip, default = "no_ingress")]
    ingress: IngressSettings,
    mtu: u16,
    link_up: bool,
    /// For people, not for the protocol.
    #[serde(skip)]
    outage: Option<Outage>,
}

fn no_ingress() -> IngressSettings {
    IngressSettings {
        mac: MacAddr::ZERO,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: Vec::new(),
        address: None,
        sources_allowed: Vec::new(),
        completes_udp: false,
    }
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "PortRole", rename_all = "kebab-case")]
enum RoleText {
    Upstream(#[serde(with = "UpstreamText")] UpstreamPortSettings),
    Client(#[serde(with = "ClientText")] ClientPortSettings),
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "Sources", rename_all = "kebab-case")]
enum SourcesText {
    Yes,
    No,
    WhileQuerier,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "UpstreamPortSettings", deny_unknown_fields)]
struct UpstreamText {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    mac: Option<MacAddr>,
    #[serde(with = "text::option")]
    address: Option<Ipv4Net>,
    #[serde(with = "host_timers")]
    timers: HostTimers,
    require_router_alert: bool,
    any_ttl: bool,
    suppress: bool,
    #[serde(with = "LeaveText")]
    leave: LeavePolicy,
    #[serde(rename = "re_report_interval_ns", with = "span::option")]
    re_report_interval: Option<Duration>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "LeavePolicy", rename_all = "kebab-case")]
enum LeaveText {
    Always,
    LastReporter,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "ClientPortSettings", deny_unknown_fields)]
struct ClientText {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "text::option")]
    mac: Option<MacAddr>,
    #[serde(with = "text::option")]
    address: Option<Ipv4Net>,
    #[serde(with = "text::option")]
    querier_address: Option<Ipv4Addr>,
    #[serde(with = "router_timers")]
    timers: RouterTimers,
    require_router_alert: bool,
    any_ttl: bool,
    require_on_link_source: bool,
    ignore_v1: bool,
    max_groups: u32,
    #[serde(with = "VersionText")]
    version: QuerierVersion,
    #[serde(with = "FastLeaveText")]
    fast_leave: FastLeave,
    report_isolated: bool,
    #[serde(with = "access")]
    access: AccessList,
    #[serde(rename = "link_down_hold_ns", with = "span::option")]
    link_down_hold: Option<Duration>,
    router_discovery: bool,
    #[serde(with = "text::list")]
    static_groups: Vec<GroupAddr>,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "QuerierVersion", rename_all = "kebab-case")]
enum VersionText {
    V1,
    V2,
}

#[derive(Serialize, Deserialize)]
#[serde(remote = "FastLeave", rename_all = "kebab-case")]
enum FastLeaveText {
    Off,
    Single,
    Tracked,
}

mod ports {
    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Port(#[serde(with = "PortText")] PortInfo);

    pub(super) fn serialize<S: Serializer>(ports: &[PortInfo], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(ports.iter().cloned().map(Port))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortInfo>, D::Error> {
        let ports = Vec::<Port>::deserialize(deserializer)?;
        Ok(ports.into_iter().map(|Port(port)| port).collect())
    }
}

mod access {
    use super::*;

    pub(super) fn serialize<S: Serializer>(list: &AccessList, serializer: S) -> Result<S::Ok, S::Error> {
        text::list::serialize(list.rules(), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AccessList, D::Error> {
        text::list::deserialize::<AccessRule, D>(deserializer).map(AccessList::new)
    }
}

/// Nanoseconds.
mod span {
    use super::*;

    pub(super) fn of(span: Duration) -> u64 {
        u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
    }

    pub(super) mod option {
        use super::*;

        pub(crate) fn serialize<S: Serializer>(
            span: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            span.map(of).serialize(serializer)
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_nanos))
        }
    }
}

mod host_timers {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Text {
        robustness: u8,
        unsolicited_report_interval_ns: u64,
    }

    pub(super) fn serialize<S: Serializer>(timers: &HostTimers, serializer: S) -> Result<S::Ok, S::Error> {
        Text {
            robustness: timers.robustness(),
            unsolicited_report_interval_ns: span::of(timers.unsolicited_report_interval()),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<HostTimers, D::Error> {
        let text = Text::deserialize(deserializer)?;
        HostTimers::new(text.robustness, Duration::from_nanos(text.unsolicited_report_interval_ns))
            .map_err(D::Error::custom)
    }
}

mod router_timers {
    use super::*;

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Text {
        robustness: u8,
        query_interval_ns: u64,
        query_response_interval_ns: u64,
        last_member_query_interval_ns: u64,
        last_member_query_count: u8,
    }

    pub(super) fn serialize<S: Serializer>(timers: &RouterTimers, serializer: S) -> Result<S::Ok, S::Error> {
        Text {
            robustness: timers.robustness(),
            query_interval_ns: span::of(timers.query_interval()),
            query_response_interval_ns: span::of(timers.query_response_interval()),
            last_member_query_interval_ns: span::of(timers.last_member_query_interval()),
            last_member_query_count: timers.last_member_query_count(),
        }
        .serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<RouterTimers, D::Error> {
        let text = Text::deserialize(deserializer)?;
        RouterTimers::new(
            text.robustness,
            Duration::from_nanos(text.query_interval_ns),
            Duration::from_nanos(text.query_response_interval_ns),
            Duration::from_nanos(text.last_member_query_interval_ns),
            Some(text.last_member_query_count),
        )
        .map_err(D::Error::custom)
    }
}
