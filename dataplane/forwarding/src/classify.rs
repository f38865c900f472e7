//! What a received frame is: data to replicate, IGMP or a request for us for the control thread, or a drop
//! with its reason.
//!
//! The ordinary frame does not come here: [`screen`](crate::screen) has let it through.
//! Fields are read at fixed offsets from a slice whose length was checked first. The order in `classify`
//! is the order of the reasons: the frame, its tags, its IPv4 header, its addresses.

use types::{Checksum, DropReason, MacAddr};

use crate::ingress::Ingress;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET_LEN: usize = 14;
const IPV4_MIN_LEN: usize = 20;
const PROTOCOL_ICMP: u8 = 1;
pub(crate) const PROTOCOL_IGMP: u8 = 2;

pub(crate) const ETHERTYPE_IPV4: u16 = 0x0800;
const ETHERTYPE_ARP: u16 = 0x0806;
pub(crate) const ETHERTYPE_VLAN: u16 = 0x8100;
pub(crate) const ETHERTYPE_QINQ: u16 = 0x88a8;
const ETHERTYPE_IPV6: u16 = 0x86dd;
const ETHERTYPE_PPPOE_DISCOVERY: u16 = 0x8863;
const ETHERTYPE_PPPOE_SESSION: u16 = 0x8864;

/// What to do with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Multicast data for a group outside 224.0.0.0/24; may be replicated to its members.
    Data {
        /// Destination, host byte order.
        group: u32,
        /// Bytes from the destination MAC to the end of the IP packet; what follows is padding.
        len: usize,
    },
    /// IGMP, for the control thread, which checks the rest of it (r14: never forwarded as data).
    Igmp,
    /// A request for us that the control thread may answer: ARP for the port's address, or ICMP echo to it.
    Neighbour,
    /// Not wanted.
    Drop(DropReason),
}

/// Classifies one frame of a single buffer (RFC 1812, section 5.2.2; RFC 1112, sections 6.4 and 7).
pub fn classify(frame: &[u8], checksum: Checksum, ingress: &Ingress) -> Verdict {
    use Verdict::Drop;

    let Some(head) = frame.first_chunk::<{ ETHERNET_LEN + IPV4_MIN_LEN }>() else {
        return Drop(short_frame(frame, ingress));
    };
    let source_mac = source_mac(head);
    if !is_station(source_mac) || ingress.is_ours(source_mac) {
        return Drop(refuse_source_mac(source_mac, ingress));
    }
    if u16::from_be_bytes([head[12], head[13]]) != ETHERTYPE_IPV4 {
        return if is_arp_request(frame, ingress) {
            Verdict::Neighbour
        } else {
            Drop(refuse_ethertype(head))
        };
    }
    let total_len = usize::from(u16::from_be_bytes([head[16], head[17]]));
    let header_len = match head[14] {
        0x45 => IPV4_MIN_LEN,
        other => match options_header_len(other) {
            Ok(len) => len,
            Err(reason) => return Drop(reason),
        },
    };
    let len = ETHERNET_LEN + total_len;
    if total_len < header_len || len > frame.len() {
        return Drop(DropReason::IpTotalLength);
    }
    let good = match checksum {
        Checksum::Good => true,
        Checksum::Bad => false,
        Checksum::Unknown if header_len == IPV4_MIN_LEN => checksum_is_good_20(head),
        Checksum::Unknown => checksum_is_good(&frame[ETHERNET_LEN..ETHERNET_LEN + header_len]),
    };
    if !good {
        return Drop(DropReason::IpChecksum);
    }
    let destination = u32::from_be_bytes([head[30], head[31], head[32], head[33]]);
    if head[23] == PROTOCOL_IGMP {
        return Verdict::Igmp;
    }
    if destination >> 28 != 0xe {
        let asks_us = is_echo_request(head, frame.get(ETHERNET_LEN + header_len..len), ingress);
        return if asks_us { Verdict::Neighbour } else { Drop(DropReason::NotMulticast) };
    }
    if destination >> 8 == 0x00e0_0000 {
        return Drop(DropReason::LinkLocalGroup);
    }
    let source = u32::from_be_bytes([head[26], head[27], head[28], head[29]]);
    if !may_send(source) || ingress.own.contains(source) {
        return Drop(DropReason::SourceAddress);
    }
    if destination_mac(head) != group_mac(destination) {
        return Drop(DropReason::DestinationMac);
    }
    if head[22] <= 1 {
        return Drop(DropReason::Ttl);
    }
    if !ingress.allows_source(source) {
        return Drop(DropReason::SourceNotAllowed);
    }
    Verdict::Data { group: destination, len }
}

/// Addresses that no host may send multicast from (r81, r98; RFC 1122, section 3.2.1.3).
#[inline]
pub(crate) fn may_send(source: u32) -> bool {
    let first = source >> 24;
    (first != 0) & (first != 127) & (first < 224) & (source >> 16 != 0xa9fe)
}

/// RFC 1112, section 6.4.
#[inline]
fn group_mac(group: u32) -> u64 {
    0x0100_5e00_0000 | u64::from(group & 0x007f_ffff)
}

#[inline]
pub(crate) fn mac_bits(mac: MacAddr) -> u64 {
    let [a, b, c, d, e, f] = mac.octets();
    u64::from_be_bytes([0, 0, a, b, c, d, e, f])
}

#[inline]
fn destination_mac(head: &[u8]) -> u64 {
    u64::from_be_bytes([0, 0, head[0], head[1], head[2], head[3], head[4], head[5]])
}

#[inline]
pub(crate) fn source_mac(head: &[u8]) -> u64 {
    u64::from_be_bytes([0, 0, head[6], head[7], head[8], head[9], head[10], head[11]])
}

/// A unicast, non-zero MAC.
#[inline]
pub(crate) fn is_station(mac: u64) -> bool {
    (mac & (1 << 40) == 0) & (mac != 0)
}

/// An ARP request for the port's address, to everyone or to us (RFC 826). `frame` has an Ethernet header.
#[cold]
fn is_arp_request(frame: &[u8], ingress: &Ingress) -> bool {
    /// EtherType; Ethernet and IPv4, their lengths, request.
    const REQUEST: [u8; 10] = [0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1];
    let to_us = [mac_bits(MacAddr::BROADCAST), ingress.mac].contains(&destination_mac(frame));
    let target = frame.get(38..42);
    to_us && frame.get(12..22) == Some(&REQUEST) && ingress.is_address(target)
}

/// A whole ICMP echo request to the port's address and our MAC (RFC 792). `payload` is the IP packet's.
#[cold]
fn is_echo_request(head: &[u8], payload: Option<&[u8]>, ingress: &Ingress) -> bool {
    let is_fragment = u16::from_be_bytes([head[20], head[21]]) & 0x3fff != 0;
    head[23] == PROTOCOL_ICMP
        && ingress.is_address(head.get(30..34))
        && destination_mac(head) == ingress.mac
        && !is_fragment
        && payload.is_some_and(|icmp| icmp.len() >= 8 && icmp.starts_with(&[8, 0]))
}

#[cold]
fn short_frame(frame: &[u8], ingress: &Ingress) -> DropReason {
    // Told apart as far as its bytes go, so that a short ARP or IPv6 frame is not called a runt.
    let Some(head) = frame.first_chunk::<ETHERNET_LEN>() else { return DropReason::Runt };
    let source = source_mac(head);
    if !is_station(source) || ingress.is_ours(source) {
        return refuse_source_mac(source, ingress);
    }
    match u16::from_be_bytes([head[12], head[13]]) {
        ETHERTYPE_IPV4 => DropReason::Runt,
        _ => refuse_ethertype(frame),
    }
}

#[cold]
fn refuse_source_mac(source: u64, ingress: &Ingress) -> DropReason {
    if !is_station(source) {
        DropReason::SourceMac
    } else if source == ingress.kernel_mac {
        DropReason::Outgoing
    } else {
        DropReason::OwnMac
    }
}

/// `frame` has at least an Ethernet header.
#[cold]
fn refuse_ethertype(frame: &[u8]) -> DropReason {
    match u16::from_be_bytes([frame[12], frame[13]]) {
        ETHERTYPE_VLAN | ETHERTYPE_QINQ => match frame.get(14..16) {
            Some(tci) => tag_reason(u16::from_be_bytes([tci[0], tci[1]])),
            None => DropReason::VlanTagged,
        },
        ETHERTYPE_PPPOE_DISCOVERY | ETHERTYPE_PPPOE_SESSION => DropReason::Pppoe,
        ETHERTYPE_IPV6 => DropReason::Ipv6,
        ETHERTYPE_ARP => DropReason::Arp,
        _ => DropReason::OtherEtherType,
    }
}

/// The reason for dropping a frame with this tag control information (IEEE 802.1Q, 9.6; r86).
pub(crate) fn tag_reason(tci: u16) -> DropReason {
    if tci & 0x0fff == 0 { DropReason::PriorityTagged } else { DropReason::VlanTagged }
}

/// Header length in bytes of anything but version 4 with 20 bytes.
#[cold]
fn options_header_len(version_and_ihl: u8) -> Result<usize, DropReason> {
    if version_and_ihl >> 4 != 4 {
        return Err(DropReason::IpVersion);
    }
    match usize::from(version_and_ihl & 0x0f) * 4 {
        0..IPV4_MIN_LEN => Err(DropReason::IpHeaderLength),
        len => Ok(len),
    }
}

#[inline]
fn checksum_is_good_20(head: &[u8; ETHERNET_LEN + IPV4_MIN_LEN]) -> bool {
    // The one's complement sum is the same in either byte order (RFC 1071, section 2), and carries
    // may be folded at the end: five 32-bit words fit a u64.
    let mut sum = 0u64;
    let mut i = ETHERNET_LEN;
    while i < ETHERNET_LEN + IPV4_MIN_LEN {
        sum += u64::from(u32::from_ne_bytes([head[i], head[i + 1], head[i + 2], head[i + 3]]));
        i += 4;
    }
    fold(sum) == 0xffff
}

#[cold]
fn checksum_is_good(header: &[u8]) -> bool {
    let sum = header.chunks_exact(2).map(|w| u64::from(u16::from_ne_bytes([w[0], w[1]]))).sum();
    fold(sum) == 0xffff
}

#[inline]
fn fold(sum: u64) -> u64 {
    let sum = (sum >> 32) + (sum & 0xffff_ffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    let sum = (sum >> 16) + (sum & 0xffff);
    (sum >> 16) + (sum & 0xffff)
}

#[cfg(test)]
#[path = "classify_tests.rs"]
mod tests;
