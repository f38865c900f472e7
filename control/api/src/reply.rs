//! What is answered.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use types::{GroupAddr, Ipv4Net, MacAddr};

use crate::change::ChangedReply;
use crate::connections::ConnectionsReply;
use crate::error::{ErrorKind, ErrorReply};
use crate::events::EventsReply;
use crate::explain::ExplainReply;
use crate::latency::LatencyReply;
use crate::line::MAX_REPLY_LINE;
use crate::settings::{PreviewReply, SettingsReply};
use crate::text;
use crate::workers::WorkersReply;

/// A reply: an object with one field, which says what it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// To [`Request::ShowGroups`](crate::Request::ShowGroups).
    Groups(GroupsReply),
    /// To [`Request::ShowPorts`](crate::Request::ShowPorts).
    Ports(PortsReply),
    /// To [`Request::ShowCounters`](crate::Request::ShowCounters).
    Counters(CountersReply),
    /// To [`Request::ShowWorkers`](crate::Request::ShowWorkers).
    Workers(WorkersReply),
    /// To [`Request::ShowStatus`](crate::Request::ShowStatus).
    Status(StatusReply),
    /// To [`Request::ShowSettings`](crate::Request::ShowSettings).
    Settings(SettingsReply),
    /// To [`Request::ShowConnections`](crate::Request::ShowConnections).
    Connections(ConnectionsReply),
    /// To [`Request::ShowEvents`](crate::Request::ShowEvents).
    Events(EventsReply),
    /// To [`Request::ShowLatency`](crate::Request::ShowLatency).
    Latency(LatencyReply),
    /// To [`Request::Explain`](crate::Request::Explain).
    Explain(ExplainReply),
    /// To [`Request::Preview`](crate::Request::Preview).
    Preview(PreviewReply),
    /// To every request that changes something.
    Changed(ChangedReply),
    /// To any request that could not be answered.
    Error(ErrorReply),
}

impl Reply {
    /// The line, with its end. One above [`MAX_REPLY_LINE`] is replaced by an error that says so.
    pub fn to_line(&self) -> String {
        let error = match serde_json::to_string(self) {
            Ok(line) if line.len() < MAX_REPLY_LINE => return line + "\n",
            Ok(line) => ErrorReply::new(
                ErrorKind::TooLong,
                format!("the reply has {} bytes, the most is {MAX_REPLY_LINE}", line.len()),
                "ask for less: `show-counters` and `show-status` are short",
            ),
            Err(error) => ErrorReply::new(ErrorKind::Failed, error.to_string(), "report it"),
        };
        // Two short strings: neither too long nor impossible to write.
        Self::Error(error).to_line()
    }

    /// Reads a line, its end included or not.
    ///
    /// # Errors
    /// The line is no reply; the text says where.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| error.to_string())
    }
}

/// Every group that has a member, was asked for upstream, or is counted.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GroupsReply {
    /// In ascending order of the address.
    pub groups: Vec<GroupView>,
}

/// One group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct GroupView {
    /// The group.
    #[serde(with = "text")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub group: GroupAddr,
    /// The ports that have a member, in the order of the settings.
    pub members: Vec<MemberView>,
    /// How it stands with the provider.
    pub upstream: UpstreamView,
    /// Data frames of the group that came in, since it has been counted.
    pub frames: u64,
    /// Their bytes, Ethernet headers included.
    pub bytes: u64,
    /// Frames of it that were dropped because `sources-allowed` does not name their source; not among `frames`.
    #[serde(default)]
    pub filtered: u64,
}

/// One port's membership of a group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MemberView {
    /// The port's name.
    pub port: String,
    /// IGMP version of the last report: 1, 2 or 3.
    pub version: u8,
    /// Source of the last report; 0.0.0.0 is one that a host without an address sends.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub last_reporter: Option<Ipv4Addr>,
    /// Seconds since the first report.
    pub age_s: f64,
    /// Seconds until the member goes without another report; `null` for one that never ages.
    pub expires_s: Option<f64>,
    /// The state.
    pub state: MemberState,
    /// Why the group is not forwarded to the port at present; `null` when it is.
    #[serde(default)]
    pub held_back: Option<HeldBack>,
}

/// Why a group is not forwarded to a port that has a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum HeldBack {
    /// The group table has no room for the group.
    NoRoom,
    /// The port has no carrier.
    NoCarrier,
    /// Another router is querier there, and forwards.
    NotQuerier,
}

impl HeldBack {
    /// The word in the `held_back` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoRoom => "no-room",
            Self::NoCarrier => "no-carrier",
            Self::NotQuerier => "not-querier",
        }
    }
}

/// State of a group on a port, in the words of RFC 2236, section 7.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// A v2 host, or a v3 one, reported.
    MembersPresent,
    /// A v1 host reported: leaves are ignored.
    V1MembersPresent,
    /// After a leave: the last member queries are under way.
    CheckingMembership,
    /// By the settings: never ages, and no leave removes it.
    Static,
}

impl MemberState {
    /// The word in the `state` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MembersPresent => "members-present",
            Self::V1MembersPresent => "v1-members-present",
            Self::CheckingMembership => "checking-membership",
            Self::Static => "static",
        }
    }
}

/// A group's state on the provider port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct UpstreamView {
    /// Whether the provider has been asked for it.
    pub joined: bool,
    /// Seconds since we last sent a report; `null` before the first, and when another host's sufficed.
    pub last_report_s: Option<f64>,
}

/// Every port.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PortsReply {
    /// In the order of the settings.
    pub ports: Vec<PortView>,
}

/// One port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PortView {
    /// Its name in the settings.
    pub name: String,
    /// What it runs on, as the settings say.
    pub device: String,
    /// DPDK's driver.
    pub driver: String,
    /// What it is for.
    pub role: PortRole,
    /// Its link.
    pub link: LinkState,
    /// Why it is without link, where more is known than that; `null` where not.
    #[serde(default)]
    pub outage: Option<Outage>,
    /// The MAC it sends from.
    #[serde(with = "text")]
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub mac: MacAddr,
    /// Its address and network.
    #[serde(with = "text::option")]
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub address: Option<Ipv4Net>,
    /// Who asks there; `null` on the provider port, where we never do.
    pub querier: Option<QuerierView>,
    /// The last query heard on the provider port; `null` on client ports, and where none was heard.
    #[serde(default)]
    pub last_query: Option<QueryView>,
    /// The settings of the port that are not at their default, but for the timers: keys, and values as TOML.
    #[serde(default)]
    pub policies: BTreeMap<String, String>,
    /// Groups with a member there; on the provider port, groups asked for.
    pub groups: u64,
    /// The most groups that may have a member there; `null` on the provider port.
    #[serde(default)]
    pub max_groups: Option<u64>,
    /// Frames received.
    pub rx_frames: u64,
    /// Bytes received.
    pub rx_bytes: u64,
    /// Frames sent.
    pub tx_frames: u64,
    /// Bytes sent.
    pub tx_bytes: u64,
    /// Frames that workers dropped, by all reasons together.
    pub drops: u64,
    /// Frames lost outside the workers, by the device, its driver or the kernel: all kinds together.
    #[serde(default)]
    pub losses: u64,
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum PortRole {
    /// Towards the provider.
    Upstream,
    /// Towards clients.
    Client,
}

impl PortRole {
    /// The word in the `role` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Client => "client",
        }
    }
}

/// A port's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum LinkState {
    /// With carrier.
    Up,
    /// Without.
    Down,
}

impl LinkState {
    /// The word in the `link` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
        }
    }
}

/// Why a port is without link, besides a carrier that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Outage {
    /// There is no interface of the name that the settings give: the port waits for one.
    Gone,
    /// There is one, and it cannot be had: why, with the cure. The port takes it when that is cured.
    Refused(String),
}

/// Who sends the queries on a client port.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QuerierView {
    /// Our part.
    pub role: QuerierRole,
    /// The querier's address: ours, or the one that won; `null` when ours is 0.0.0.0.
    #[cfg_attr(feature = "schema", schema(value_type = Option<String>))]
    pub address: Option<Ipv4Addr>,
    /// Seconds until our next general query; `null` while we send none.
    pub next_query_s: Option<f64>,
    /// Seconds until we are querier again if the other router falls silent; `null` while we are.
    #[serde(default)]
    pub takeover_s: Option<f64>,
}

/// A query heard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct QueryView {
    /// Who asked.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub source: Ipv4Addr,
    /// By which version of IGMP: 1, 2 or 3.
    pub version: u8,
    /// Seconds since.
    pub age_s: f64,
}

/// Our part in the querier election (RFC 2236, section 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum QuerierRole {
    /// We ask.
    Querier,
    /// Another router asks.
    NonQuerier,
    /// Nobody of us: the port has no carrier, or the proxy is switched off.
    Silent,
}

impl QuerierRole {
    /// The word in the `role` field.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Querier => "querier",
            Self::NonQuerier => "non-querier",
            Self::Silent => "silent",
        }
    }
}

/// Every counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct CountersReply {
    /// In the order of the settings.
    pub ports: Vec<PortCounters>,
}

/// One port's counters since the start, by their stable names. All are there, also at zero.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct PortCounters {
    /// The port's name.
    pub port: String,
    /// What workers received, forwarded, handed to the control thread and sent: frames and bytes.
    #[serde(default)]
    pub frames: BTreeMap<String, u64>,
    /// Frames that workers dropped, by reason.
    pub drops: BTreeMap<String, u64>,
    /// Frames lost outside the workers, by kind: by the device, its driver or the kernel.
    #[serde(default)]
    pub losses: BTreeMap<String, u64>,
    /// IGMP received, by type.
    pub igmp_received: BTreeMap<String, u64>,
    /// IGMP sent, by type.
    pub igmp_sent: BTreeMap<String, u64>,
    /// What became of the IGMP received: taken, or the reason why not.
    pub verdicts: BTreeMap<String, u64>,
}

/// The process as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct StatusReply {
    /// Manifold's version.
    pub version: String,
    /// The instance's name.
    pub instance: String,
    /// The process.
    pub pid: u32,
    /// Seconds since the start.
    pub uptime_s: f64,
    /// The switch.
    pub enabled: bool,
    /// The provider port's name.
    pub upstream: Option<String>,
    /// How many ports there are.
    pub ports: u64,
    /// How many groups are in the group table: those with a member.
    pub groups: u64,
    /// How many groups there is room for there.
    pub max_groups: u64,
    /// How many workers there are.
    pub workers: u64,
    /// Whether DPDK runs on hugepages.
    pub hugepages: bool,
    /// DPDK's buffers.
    pub mbufs: MbufView,
    /// Members that the group table had no room for, since the start.
    #[serde(default)]
    pub no_room: u64,
    /// That of the settings in force: as in [`SettingsReply`].
    #[serde(default)]
    pub revision: u64,
    /// The record; `null` where the settings ask for none.
    #[serde(default)]
    pub record: Option<RecordView>,
    /// Doubts about the settings, one line each.
    pub warnings: Vec<String>,
}

/// The record of what the control thread is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RecordView {
    /// Its file.
    pub path: String,
    /// Why nothing more is recorded, with the cure; `null` while it goes on.
    pub ended: Option<String>,
}

/// The buffer pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct MbufView {
    /// Buffers in all.
    pub size: u64,
    /// Buffers not in the pool: in rings, caches and hands.
    pub in_use: u64,
}

/// Seconds for a field that ends in `_s`, to the millisecond.
pub fn seconds(duration: Duration) -> f64 {
    // Exact to the millisecond below 2^53 of them, and printed without noise.
    duration.as_millis() as f64 / 1e3
}
