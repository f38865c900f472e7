//! Frame to message: length, then checksum, then meaning; each failure its own verdict.

use core::net::Ipv4Addr;

use etherparse::err::ipv4::{HeaderError, HeaderSliceError};
use etherparse::igmp::{GroupAddress, MembershipQueryWithSourcesSlice};
use etherparse::{
    EtherType, Ethernet2HeaderSlice, IgmpHeader, IgmpSlice, IpNumber, Ipv4Header, Ipv4HeaderSlice, checksum,
};
use types::{GroupAddr, MacAddr};

use super::{Message, Packet, Query, ROUTER_ALERT, ReportV3, Version};
use crate::Verdict;

/// Reads a whole Ethernet frame, padded or not; the IP total length decides where the message ends.
///
/// # Errors
/// The verdict on a frame that is not well-formed IGMP over IPv4.
pub fn parse(frame: &[u8]) -> Result<Packet<'_>, Verdict> {
    let ethernet = Ethernet2HeaderSlice::from_slice(frame).map_err(|_| Verdict::Truncated)?;
    let source_mac = MacAddr(ethernet.source());
    if source_mac.is_multicast() || source_mac == MacAddr::ZERO {
        return Err(Verdict::SourceMac);
    }
    if ethernet.ether_type() != EtherType::IPV4 {
        return Err(Verdict::NotIpv4);
    }
    let (ip, payload) = parse_ipv4(&frame[ethernet.slice().len()..])?;
    let router_alert = has_router_alert(ip.options())?;
    if ip.is_fragmenting_payload() {
        return Err(Verdict::Fragment);
    }
    if ip.protocol() != IpNumber::IGMP {
        return Err(Verdict::NotIgmp);
    }
    Ok(Packet {
        source_mac,
        destination_mac: MacAddr(ethernet.destination()),
        source: ip.source_addr(),
        destination: ip.destination_addr(),
        ttl: ip.ttl(),
        router_alert,
        message: parse_igmp(payload)?,
    })
}

/// The IPv4 header, and the payload cut to the total length.
fn parse_ipv4(bytes: &[u8]) -> Result<(Ipv4HeaderSlice<'_>, &[u8]), Verdict> {
    let ip = Ipv4HeaderSlice::from_slice(bytes).map_err(|error| match error {
        HeaderSliceError::Len(_) if bytes.len() < Ipv4Header::MIN_LEN => Verdict::Truncated,
        HeaderSliceError::Len(_) => Verdict::IpHeaderLength,
        HeaderSliceError::Content(HeaderError::UnexpectedVersion { .. }) => Verdict::IpVersion,
        HeaderSliceError::Content(HeaderError::HeaderLengthSmallerThanHeader { .. }) => {
            Verdict::IpHeaderLength
        }
    })?;
    let payload = bytes.get(ip.slice().len()..usize::from(ip.total_len())).ok_or(Verdict::IpTotalLength)?;
    if checksum::Sum16BitWords::new().add_slice(ip.slice()).ones_complement() != 0 {
        return Err(Verdict::IpChecksum);
    }
    Ok((ip, payload))
}

/// Walks the options (RFC 791, section 3.1). A Router Alert with a value other than 0 is none
/// (RFC 2113); one of another length is malformed.
fn has_router_alert(mut options: &[u8]) -> Result<bool, Verdict> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    let mut found = false;
    while let [kind, rest @ ..] = options {
        if *kind == END {
            break;
        }
        if *kind == NOP {
            options = rest;
            continue;
        }
        let len = rest.first().map_or(0, |len| usize::from(*len));
        if len < 2 || len > options.len() {
            return Err(Verdict::IpOptions);
        }
        let (option, rest) = options.split_at(len);
        if *kind == ROUTER_ALERT[0] {
            if len != ROUTER_ALERT.len() {
                return Err(Verdict::IpOptions);
            }
            found |= option == ROUTER_ALERT;
        }
        options = rest;
    }
    Ok(found)
}

/// Type of a Multicast Router Solicitation, the one message that may be shorter than 8 bytes, and its length
/// (RFC 4286, section 4.1).
const SOLICITATION: u8 = 0x31;
const SOLICITATION_LEN: usize = 4;

fn parse_igmp(payload: &[u8]) -> Result<Message<'_>, Verdict> {
    if payload.first() == Some(&SOLICITATION) && payload.len() >= SOLICITATION_LEN {
        let sum = checksum::Sum16BitWords::new().add_slice(payload).ones_complement();
        return if sum == 0 { Ok(Message::Solicitation) } else { Err(Verdict::IgmpChecksum) };
    }
    if payload.len() < IgmpHeader::MIN_LEN {
        return Err(Verdict::IgmpLength);
    }
    // The only lengths it refuses from here on are a query's.
    let igmp = IgmpSlice::from_slice(payload).map_err(|_| Verdict::QueryLength)?;
    if !igmp.is_checksum_valid() {
        return Err(Verdict::IgmpChecksum);
    }
    Ok(match igmp {
        IgmpSlice::MembershipQuery(query) => {
            Message::Query(parse_short_query(query.max_response_time(), query.group_address())?)
        }
        IgmpSlice::MembershipQueryWithSources(query) => Message::Query(parse_query_v3(&query)?),
        IgmpSlice::MembershipReportV1(report) => Message::ReportV1(parse_group(report.group_address())?),
        IgmpSlice::MembershipReportV2(report) => Message::ReportV2(parse_group(report.group_address())?),
        IgmpSlice::MembershipReportV3(report) => {
            Message::ReportV3(ReportV3::new(report).ok_or(Verdict::RecordLength)?)
        }
        IgmpSlice::LeaveGroup(leave) => Message::Leave(parse_group(leave.group_address())?),
        IgmpSlice::Unknown(_) => Message::Other(igmp.type_u8()),
    })
}

/// A query of 8 bytes. Code 0 is version 1, which does not read the group (RFC 1112, appendix I).
fn parse_short_query(code: u8, group: GroupAddress) -> Result<Query, Verdict> {
    let (version, group) = match code {
        0 => (Version::V1, None),
        _ => (Version::V2, parse_query_group(group)?),
    };
    Ok(Query { version, group, max_resp_ds: u16::from(code), sources: 0, suppress_router_side: false })
}

/// A query of 12 bytes and more. Bytes after the last source are summed, not read (RFC 9776, section 4.1).
fn parse_query_v3(query: &MembershipQueryWithSourcesSlice<'_>) -> Result<Query, Verdict> {
    let group = parse_query_group(query.group_address())?;
    if group.is_none() && query.num_of_sources() > 0 {
        return Err(Verdict::QuerySources);
    }
    Ok(Query {
        version: Version::V3,
        group,
        max_resp_ds: query.max_response_code().as_10th_secs(),
        sources: query.num_of_sources(),
        suppress_router_side: query.s_flag(),
    })
}

fn parse_query_group(group: GroupAddress) -> Result<Option<GroupAddr>, Verdict> {
    if group.is_zero() {
        return Ok(None);
    }
    GroupAddr::new(Ipv4Addr::from(group)).map(Some).ok_or(Verdict::QueryGroup)
}

fn parse_group(group: GroupAddress) -> Result<GroupAddr, Verdict> {
    match GroupAddr::new(Ipv4Addr::from(group)) {
        None => Err(Verdict::NotMulticast),
        Some(group) if group.is_link_local() => Err(Verdict::LinkLocalGroup),
        Some(group) => Ok(group),
    }
}
