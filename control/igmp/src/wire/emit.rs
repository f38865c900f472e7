//! Message to frame. All we send is 8 bytes of IGMP, or 4, behind a 24-byte IPv4 header.

use core::fmt;
use core::net::Ipv4Addr;

use etherparse::igmp::{LeaveGroupType, MembershipQueryType, MembershipReportV1Type, MembershipReportV2Type};
use etherparse::{
    EtherType, Ethernet2Header, IgmpHeader, IgmpType, IpDscp, IpNumber, Ipv4Header, Ipv4Options, checksum,
};
use types::{GroupAddr, MacAddr};

use super::ROUTER_ALERT;
use crate::SentType;

const ETHERNET_LEN: usize = Ethernet2Header::LEN;
const IP_LEN: usize = Ipv4Header::MIN_LEN + ROUTER_ALERT.len();
const IGMP_LEN: usize = MembershipQueryType::LEN;
const FRAME_LEN: usize = ETHERNET_LEN + IP_LEN + IGMP_LEN;

/// Type of a Multicast Router Advertisement (RFC 4286, section 3.2).
const ADVERTISEMENT: u8 = 0x30;
/// Type of a Multicast Router Termination (RFC 4286, section 5).
const TERMINATION: u8 = 0x32;

/// DSCP of TOS 0xC0, internetwork control.
const CONTROL: IpDscp = IpDscp::CS6;

/// A complete Ethernet frame without padding and checksum: 46 bytes, 42 in a Multicast Router Termination.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame {
    bytes: [u8; FRAME_LEN],
    len: u8,
}

impl Frame {
    /// Bytes of the longest frame.
    pub const MAX_LEN: usize = FRAME_LEN;

    /// The frame's bytes.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl AsRef<[u8]> for Frame {
    fn as_ref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Frame(")?;
        self.as_slice().iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// A message to send. It decides its own destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outgoing {
    /// To 224.0.0.1 (RFC 2236, section 3).
    GeneralQuery {
        /// Max Resp Time in tenths of a second.
        max_resp_ds: u8,
    },
    /// To the group.
    GroupQuery {
        /// The group asked for.
        group: GroupAddr,
        /// Max Resp Time in tenths of a second.
        max_resp_ds: u8,
    },
    /// To the group; while an IGMPv1 router is present.
    ReportV1(GroupAddr),
    /// To the group.
    ReportV2(GroupAddr),
    /// To 224.0.0.2.
    Leave(GroupAddr),
    /// To 224.0.0.106: a multicast router is here (RFC 4286, section 3).
    Advertisement {
        /// Seconds until the next one at the latest, but for jitter.
        interval_s: u8,
        /// Query Interval in seconds.
        query_interval_s: u16,
        /// Robustness Variable.
        robustness: u16,
    },
    /// To 224.0.0.106: it is one no more (RFC 4286, section 5).
    Termination,
}

impl Outgoing {
    /// Where it goes (RFC 2236, section 9).
    pub const fn destination(self) -> GroupAddr {
        match self {
            Self::GeneralQuery { .. } => GroupAddr::ALL_SYSTEMS,
            Self::GroupQuery { group, .. } | Self::ReportV1(group) | Self::ReportV2(group) => group,
            Self::Leave(_) => GroupAddr::ALL_ROUTERS,
            Self::Advertisement { .. } | Self::Termination => GroupAddr::ALL_SNOOPERS,
        }
    }

    /// The counter it belongs to.
    pub const fn sent_type(self) -> SentType {
        match self {
            Self::GeneralQuery { .. } => SentType::GeneralQuery,
            Self::GroupQuery { .. } => SentType::GroupQuery,
            Self::ReportV1(_) => SentType::ReportV1,
            Self::ReportV2(_) => SentType::ReportV2,
            Self::Leave(_) => SentType::Leave,
            Self::Advertisement { .. } => SentType::Advertisement,
            Self::Termination => SentType::Termination,
        }
    }

    /// The message, its checksum filled in, and its length.
    fn igmp(self) -> ([u8; IGMP_LEN], usize) {
        let of = |group: GroupAddr| group.addr().into();
        let query = |max_response_time, group_address| {
            IgmpType::MembershipQuery(MembershipQueryType { max_response_time, group_address })
        };
        let igmp = match self {
            Self::GeneralQuery { max_resp_ds } => query(max_resp_ds, Ipv4Addr::UNSPECIFIED.into()),
            Self::GroupQuery { group, max_resp_ds } => query(max_resp_ds, of(group)),
            Self::ReportV1(group) => {
                IgmpType::MembershipReportV1(MembershipReportV1Type { group_address: of(group) })
            }
            Self::ReportV2(group) => {
                IgmpType::MembershipReportV2(MembershipReportV2Type { group_address: of(group) })
            }
            Self::Leave(group) => IgmpType::LeaveGroup(LeaveGroupType { group_address: of(group) }),
            Self::Advertisement { interval_s, query_interval_s, robustness } => {
                return discovery(ADVERTISEMENT, interval_s, Some((query_interval_s, robustness)));
            }
            Self::Termination => return discovery(TERMINATION, 0, None),
        };
        let mut bytes = [0; IGMP_LEN];
        bytes.copy_from_slice(&IgmpHeader::with_checksum(igmp, &[]).to_bytes());
        (bytes, IGMP_LEN)
    }
}

/// A message of RFC 4286: eight bytes with a Query Interval and a Robustness Variable, four without.
fn discovery(kind: u8, code: u8, parameters: Option<(u16, u16)>) -> ([u8; IGMP_LEN], usize) {
    let mut bytes = [0; IGMP_LEN];
    let mut len = IGMP_LEN / 2;
    bytes[..2].copy_from_slice(&[kind, code]);
    if let Some((query_interval_s, robustness)) = parameters {
        bytes[4..6].copy_from_slice(&query_interval_s.to_be_bytes());
        bytes[6..].copy_from_slice(&robustness.to_be_bytes());
        len = IGMP_LEN;
    }
    let sum = checksum::Sum16BitWords::new().add_slice(&bytes).ones_complement();
    // Native order: it is summed in the order of memory.
    bytes[2..4].copy_from_slice(&sum.to_ne_bytes());
    (bytes, len)
}

/// The frame of a message: TTL 1, Router Alert, TOS 0xC0, fragmentation allowed as in any datagram
/// whose identification means something.
pub fn emit(message: Outgoing, source_mac: MacAddr, source: Ipv4Addr, identification: u16) -> Frame {
    let destination = message.destination();
    let ethernet = Ethernet2Header {
        source: source_mac.octets(),
        destination: destination.mac().octets(),
        ether_type: EtherType::IPV4,
    };
    let (igmp, igmp_len) = message.igmp();
    let mut ip = Ipv4Header {
        dscp: CONTROL,
        total_len: (IP_LEN + igmp_len) as u16,
        identification,
        dont_fragment: false,
        time_to_live: 1,
        protocol: IpNumber::IGMP,
        source: source.octets(),
        destination: destination.addr().octets(),
        options: Ipv4Options::from(ROUTER_ALERT),
        ..Ipv4Header::default()
    };
    ip.header_checksum = ip.calc_header_checksum();

    let mut bytes = [0; FRAME_LEN];
    bytes[..ETHERNET_LEN].copy_from_slice(&ethernet.to_bytes());
    bytes[ETHERNET_LEN..ETHERNET_LEN + IP_LEN].copy_from_slice(&ip.to_bytes());
    bytes[ETHERNET_LEN + IP_LEN..].copy_from_slice(&igmp);
    Frame { bytes, len: (ETHERNET_LEN + IP_LEN + igmp_len) as u8 }
}
