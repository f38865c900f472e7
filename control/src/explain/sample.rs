//! One frame of a group, as far as it tells why a channel is dark.

use std::net::Ipv4Addr;

use forwarding::{Ingress, RING_FRAME_MAX, Verdict, classify};
use types::{Checksum, DropReason, GroupAddr, MacAddr, Time};

const ETHERNET_LEN: usize = 14;
const TAG_LEN: usize = 4;
const ETHERTYPE_IPV4: [u8; 2] = [8, 0];
const ETHERTYPES_TAG: [[u8; 2]; 2] = [[0x81, 0], [0x88, 0xa8]];
const PROTOCOL_UDP: u8 = 17;

/// A frame that came in, and what its worker makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// When it came.
    pub(crate) at: Time,
    /// Who sent it.
    pub(crate) source: Ipv4Addr,
    /// The station it came from.
    pub(crate) source_mac: MacAddr,
    /// As it came in.
    pub(crate) ttl: u8,
    /// Bytes of the IP packet.
    pub(crate) len: usize,
    /// One of several fragments.
    pub(crate) is_fragment: bool,
    /// What its UDP checksum is.
    pub(crate) udp: UdpChecksum,
    /// Why it is dropped before anybody asks for whom it is.
    pub(crate) dropped: Option<DropReason>,
}

/// What the UDP checksum of a frame is (RFC 768).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UdpChecksum {
    /// Right, absent, not UDP's, or not to be known: the rest of the datagram is elsewhere.
    Fine,
    /// The sum of the pseudo-header alone: the sender left the rest to a NIC, and there was none.
    Unfinished,
    /// As that, and completed by the worker.
    Completed,
    /// Wrong.
    Bad,
}

impl Sample {
    /// Reads a frame of data, from the destination MAC on and perhaps cut to what a ring carries; and its group.
    pub(crate) fn read(at: Time, frame: &[u8], ingress: &Ingress) -> Option<(GroupAddr, Self)> {
        let is_tagged = ETHERTYPES_TAG.iter().any(|tag| frame.get(12..14) == Some(tag));
        let start = ETHERNET_LEN + if is_tagged { TAG_LEN } else { 0 };
        if frame.get(start - 2..start)? != ETHERTYPE_IPV4 {
            return None;
        }
        let source_mac = MacAddr(*frame.get(6..)?.first_chunk()?);
        let packet = frame.get(start..)?;
        let header: &[u8; 20] = packet.first_chunk()?;
        let group = GroupAddr::new(address(header, 16))?;
        let len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let is_fragment = u16::from_be_bytes([header[6], header[7]]) & 0x3fff != 0;
        let header_len = usize::from(header[0] & 0xf) * 4;
        let datagram = packet.get(header_len..len.min(packet.len()));
        let udp = match datagram {
            Some(datagram) if header[9] == PROTOCOL_UDP && !is_fragment => {
                udp_checksum(header, datagram, len.saturating_sub(header_len), ingress)
            }
            _ => UdpChecksum::Fine,
        };
        let dropped = dropped(frame, start + len, ingress);
        let source = address(header, 12);
        Some((group, Self { at, source, source_mac, ttl: header[8], len, is_fragment, udp, dropped }))
    }
}

fn address(header: &[u8; 20], at: usize) -> Ipv4Addr {
    Ipv4Addr::new(header[at], header[at + 1], header[at + 2], header[at + 3])
}

/// Why the worker drops the frame, whoever has members.
fn dropped(frame: &[u8], end: usize, ingress: &Ingress) -> Option<DropReason> {
    let mut whole = frame.to_vec();
    if frame.len() == RING_FRAME_MAX && whole.len() < end {
        // Cut on its way here; what is missing is payload, at which nobody looks.
        whole.resize(end, 0);
    }
    match classify(&whole, Checksum::Unknown, ingress) {
        Verdict::Drop(reason) => Some(reason),
        Verdict::Data { .. } | Verdict::Igmp | Verdict::Neighbour => None,
    }
}

/// `len` is the datagram's, of which perhaps only the beginning is here.
fn udp_checksum(header: &[u8; 20], datagram: &[u8], len: usize, ingress: &Ingress) -> UdpChecksum {
    let Some(head) = datagram.first_chunk::<8>() else { return UdpChecksum::Fine };
    let udp_len = u16::from_be_bytes([head[4], head[5]]);
    let pseudo = sum(&header[12..]) + u64::from(PROTOCOL_UDP) + u64::from(udp_len);
    let checksum = u16::from_be_bytes([head[6], head[7]]);
    let is_whole = datagram.len() == len && usize::from(udp_len) == len;
    if checksum == 0 || is_whole && fold(pseudo + sum(datagram)) == 0xffff {
        UdpChecksum::Fine
    } else if checksum == fold(pseudo) {
        let completed = ingress.completes_udp() && usize::from(udp_len) == len;
        if completed { UdpChecksum::Completed } else { UdpChecksum::Unfinished }
    } else if is_whole {
        UdpChecksum::Bad
    } else {
        UdpChecksum::Fine
    }
}

/// The sum of RFC 1071, not folded yet.
fn sum(bytes: &[u8]) -> u64 {
    bytes.chunks(2).map(|pair| u64::from(pair[0]) << 8 | u64::from(*pair.get(1).unwrap_or(&0))).sum()
}

fn fold(mut sum: u64) -> u16 {
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    sum as u16
}
