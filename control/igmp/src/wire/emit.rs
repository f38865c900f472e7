//! Message to frame. Everything we send is 8 bytes of IGMP behind a 24-byte IPv4 header.

use core::fmt;
use core::net::Ipv4Addr;

use etherparse::igmp::{LeaveGroupType, MembershipQueryType, MembershipReportV1Type, MembershipReportV2Type};
use etherparse::{
    EtherType, Ethernet2Header, IgmpHeader, IgmpType, IpDscp, IpNumber, Ipv4Header, Ipv4Options,
};
use types::{GroupAddr, MacAddr};

use super::ROUTER_ALERT;
use crate::SentType;

const ETHERNET_LEN: usize = Ethernet2Header::LEN;
const IP_LEN: usize = Ipv4Header::MIN_LEN + ROUTER_ALERT.len();
const IGMP_LEN: usize = MembershipQueryType::LEN;
const FRAME_LEN: usize = ETHERNET_LEN + IP_LEN + IGMP_LEN;

/// DSCP of TOS 0xC0, internetwork control.
const CONTROL: IpDscp = IpDscp::CS6;

/// A complete Ethernet frame without padding and checksum: 46 bytes, as all we send are.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Frame([u8; FRAME_LEN]);

impl Frame {
    /// Bytes of every frame.
    pub const LEN: usize = FRAME_LEN;

    /// The frame's bytes.
    pub const fn as_slice(&self) -> &[u8] {
        &self.0
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
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
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
}

impl Outgoing {
    /// Where it goes (RFC 2236, section 9).
    pub const fn destination(self) -> GroupAddr {
        match self {
            Self::GeneralQuery { .. } => GroupAddr::ALL_SYSTEMS,
            Self::GroupQuery { group, .. } | Self::ReportV1(group) | Self::ReportV2(group) => group,
            Self::Leave(_) => GroupAddr::ALL_ROUTERS,
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
        }
    }

    fn igmp_type(self) -> IgmpType {
        let of = |group: GroupAddr| group.addr().into();
        match self {
            Self::GeneralQuery { max_resp_ds } => IgmpType::MembershipQuery(MembershipQueryType {
                max_response_time: max_resp_ds,
                group_address: Ipv4Addr::UNSPECIFIED.into(),
            }),
            Self::GroupQuery { group, max_resp_ds } => IgmpType::MembershipQuery(MembershipQueryType {
                max_response_time: max_resp_ds,
                group_address: of(group),
            }),
            Self::ReportV1(group) => {
                IgmpType::MembershipReportV1(MembershipReportV1Type { group_address: of(group) })
            }
            Self::ReportV2(group) => {
                IgmpType::MembershipReportV2(MembershipReportV2Type { group_address: of(group) })
            }
            Self::Leave(group) => IgmpType::LeaveGroup(LeaveGroupType { group_address: of(group) }),
        }
    }
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
    let mut ip = Ipv4Header {
        dscp: CONTROL,
        total_len: (IP_LEN + IGMP_LEN) as u16,
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
    let igmp = IgmpHeader::with_checksum(message.igmp_type(), &[]);

    let mut frame = [0; FRAME_LEN];
    frame[..ETHERNET_LEN].copy_from_slice(&ethernet.to_bytes());
    frame[ETHERNET_LEN..ETHERNET_LEN + IP_LEN].copy_from_slice(&ip.to_bytes());
    frame[ETHERNET_LEN + IP_LEN..].copy_from_slice(&igmp.to_bytes());
    Frame(frame)
}
