//! IGMP on the wire: whole Ethernet frames to messages ([`parse()`]) and messages to frames ([`emit()`]).
//!
//! etherparse reads and writes the headers; on top of it stand the checks that RFC 2236 and the
//! proxy's rules ask for and that need nothing but the frame. What depends on the port comes after, in
//! the proxy's admission.

mod emit;
mod parse;
mod record;

pub use emit::{Frame, Outgoing, emit};
pub use parse::parse;
pub use record::{Record, RecordKind, Records, ReportV3};

use core::fmt;
use core::net::Ipv4Addr;
use core::time::Duration;
use types::{GroupAddr, MacAddr};

use crate::{HostTimers, ReceivedType};

/// The Router Alert option (RFC 2113): examine this packet though it is not addressed to you.
pub(crate) const ROUTER_ALERT: [u8; 4] = [0x94, 0x04, 0x00, 0x00];

/// A version of IGMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// RFC 1112.
    V1,
    /// RFC 2236.
    V2,
    /// RFC 9776.
    V3,
}

impl Version {
    /// `v1`, `v2` or `v3`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A well-formed IGMP packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Ethernet source; a station's.
    pub source_mac: MacAddr,
    /// Ethernet destination, unchecked.
    pub destination_mac: MacAddr,
    /// IP source, unchecked.
    pub source: Ipv4Addr,
    /// IP destination, unchecked.
    pub destination: Ipv4Addr,
    /// Time to live, unchecked.
    pub ttl: u8,
    /// Whether the option `94 04 00 00` is there.
    pub router_alert: bool,
    /// The message.
    pub message: Message<'a>,
}

/// An IGMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message<'a> {
    /// Type 0x11.
    Query(Query),
    /// Type 0x12: an IGMPv1 report; the group is a routable one.
    ReportV1(GroupAddr),
    /// Type 0x16: an IGMPv2 report; the group is a routable one.
    ReportV2(GroupAddr),
    /// Type 0x22: an IGMPv3 report, its records complete.
    ReportV3(ReportV3<'a>),
    /// Type 0x17: an IGMPv2 leave; the group is a routable one.
    Leave(GroupAddr),
    /// Type 0x31: a switch asks for advertisements (RFC 4286, section 4).
    Solicitation,
    /// Any other type, checksum good.
    Other(u8),
}

impl Message<'_> {
    /// The counter it belongs to.
    pub const fn received_type(&self) -> ReceivedType {
        match self {
            Self::Query(Query { version: Version::V1, .. }) => ReceivedType::QueryV1,
            Self::Query(Query { version: Version::V2, .. }) => ReceivedType::QueryV2,
            Self::Query(Query { version: Version::V3, .. }) => ReceivedType::QueryV3,
            Self::ReportV1(_) => ReceivedType::ReportV1,
            Self::ReportV2(_) => ReceivedType::ReportV2,
            Self::ReportV3(_) => ReceivedType::ReportV3,
            Self::Leave(_) => ReceivedType::Leave,
            Self::Solicitation => ReceivedType::Solicitation,
            Self::Other(_) => ReceivedType::Other,
        }
    }
}

/// A membership query of any version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Query {
    /// Told by the message's length and code (RFC 9776, section 7.1).
    pub version: Version,
    /// The group asked for; `None` in a General Query, and always in version 1.
    pub group: Option<GroupAddr>,
    /// Max Resp Time in tenths of a second, decoded; 0 in version 1.
    pub max_resp_ds: u16,
    /// Number of sources (version 3).
    pub sources: u16,
    /// The S flag (version 3): routers shall not lower their timers.
    pub suppress_router_side: bool,
}

impl Query {
    /// Within which time a host has to answer. Version 1 means 10 s (RFC 2236, section 4). A version 3
    /// code of 0 asks for an answer at once; one tenth of a second still spreads the hosts.
    pub fn response_time(&self) -> Duration {
        match (self.version, self.max_resp_ds) {
            (Version::V1, _) => HostTimers::VERSION_1_MAX_RESP,
            (Version::V2 | Version::V3, ds) => Duration::from_millis(u64::from(ds.max(1)) * 100),
        }
    }
}
