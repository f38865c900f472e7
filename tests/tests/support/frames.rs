//! Frames as hosts, sources and other routers send them, byte by byte: nothing of Manifold's own code, so that
//! both cannot err alike.

use std::net::Ipv4Addr;
use types::{GroupAddr, MacAddr};

/// Whoever sends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Station {
    /// Its MAC.
    pub(crate) mac: MacAddr,
    /// Its address.
    pub(crate) ip: Ipv4Addr,
}

const fn station(net: u8, host: u8) -> Station {
    Station { mac: MacAddr([2, 0, 0, 0, net, host]), ip: Ipv4Addr::new(10, net, 0, host) }
}

/// The stream's source and the provider's querier, on the provider's link.
pub(crate) const SOURCE: Station = station(0, 2);
/// A set-top box like us on the provider's link.
pub(crate) const NEIGHBOUR: Station = station(0, 9);
/// The users of the seed's story: the first on hall-a, the second on hall-b.
pub(crate) const USER_4: Station = station(1, 4);
/// A second host on hall-a.
pub(crate) const USER_5: Station = station(1, 5);
/// On hall-b.
pub(crate) const USER_3: Station = station(2, 3);

/// The seed's example.
pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(239, 2, 2, 2);
/// Another channel.
pub(crate) const OTHER: Ipv4Addr = Ipv4Addr::new(239, 3, 3, 3);
/// All hosts.
pub(crate) const ALL_SYSTEMS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);
/// All routers.
pub(crate) const ALL_ROUTERS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 2);

/// Types of IGMP messages.
pub(crate) const QUERY: u8 = 0x11;
/// Version 1 report.
pub(crate) const REPORT_V1: u8 = 0x12;
/// Version 2 report.
pub(crate) const REPORT_V2: u8 = 0x16;
/// Version 2 leave.
pub(crate) const LEAVE: u8 = 0x17;

/// The option that all IGMP carries (RFC 2113).
pub(crate) const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];
/// The shortest frame that a NIC puts on the wire, without FCS.
pub(crate) const PADDED: usize = 60;

/// An IPv4 packet in an Ethernet frame, its fields free to be wrong.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Ethernet destination.
    pub(crate) to_mac: MacAddr,
    /// Ethernet source.
    pub(crate) from_mac: MacAddr,
    /// Between the MACs and the EtherType of IPv4.
    pub(crate) tags: Vec<u8>,
    /// Type of service.
    pub(crate) tos: u8,
    /// Flags and fragment offset.
    pub(crate) fragment: u16,
    /// Time to live.
    pub(crate) ttl: u8,
    /// IP protocol.
    pub(crate) protocol: u8,
    /// IP source.
    pub(crate) from: Ipv4Addr,
    /// IP destination.
    pub(crate) to: Ipv4Addr,
    /// Multiple of four bytes.
    pub(crate) options: Vec<u8>,
    /// Behind the IP header.
    pub(crate) payload: Vec<u8>,
}

impl Packet {
    /// The frame's bytes, with lengths and header checksum right, without padding.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut ip = vec![0x45 + (self.options.len() / 4) as u8, self.tos];
        let total = 20 + self.options.len() + self.payload.len();
        ip.extend((total as u16).to_be_bytes());
        ip.extend([0x12, 0x34]);
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, self.protocol, 0, 0]);
        ip.extend(self.from.octets());
        ip.extend(self.to.octets());
        ip.extend(&self.options);
        let sum = checksum(&ip);
        ip[10..12].copy_from_slice(&sum.to_be_bytes());
        let mut frame = [self.to_mac.octets(), self.from_mac.octets()].concat();
        frame.extend(&self.tags);
        frame.extend([8, 0]);
        frame.extend(ip);
        frame.extend(&self.payload);
        frame
    }

    /// The same to another IP destination and its MAC.
    pub(crate) fn sent_to(mut self, to: Ipv4Addr) -> Self {
        self.to = to;
        self.to_mac = group_mac(to);
        self
    }

    /// The same with any change.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }
}

/// The MAC of a group; of another address, one of a station.
pub(crate) fn group_mac(ip: Ipv4Addr) -> MacAddr {
    GroupAddr::new(ip).map_or(MacAddr([2, 9, 9, 9, 9, 9]), GroupAddr::mac)
}

/// RFC 1071; zero over what holds a right checksum.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let mut sum: u32 = bytes.chunks(2).map(word).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// An IGMP message, `tail` behind its 8 bytes, with its checksum.
pub(crate) fn igmp_payload(kind: u8, code: u8, group: Ipv4Addr, tail: &[u8]) -> Vec<u8> {
    let mut igmp = vec![kind, code, 0, 0];
    igmp.extend(group.octets());
    igmp.extend(tail);
    let sum = checksum(&igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    igmp
}

/// An IGMP message as RFC 2236 wants it around any payload.
pub(crate) fn igmp_packet(from: Station, to: Ipv4Addr, payload: Vec<u8>) -> Packet {
    Packet {
        to_mac: group_mac(to),
        from_mac: from.mac,
        tags: Vec::new(),
        tos: 0xc0,
        // Linux hosts set it (design: look at MF and offset only).
        fragment: 0x4000,
        ttl: 1,
        protocol: 2,
        from: from.ip,
        to,
        options: ROUTER_ALERT.to_vec(),
        payload,
    }
}

/// A report of `version` 1 or 2.
pub(crate) fn report(from: Station, version: u8, group: Ipv4Addr) -> Packet {
    let kind = if version == 1 { REPORT_V1 } else { REPORT_V2 };
    igmp_packet(from, group, igmp_payload(kind, 0, group, &[]))
}

/// A version 2 report, padded as a NIC does.
pub(crate) fn join(from: Station, group: Ipv4Addr) -> Vec<u8> {
    padded(report(from, 2, group).bytes())
}

/// A leave to all routers, padded as a NIC does.
pub(crate) fn leave(from: Station, group: Ipv4Addr) -> Vec<u8> {
    padded(leave_packet(from, group).bytes())
}

/// A leave to all routers.
pub(crate) fn leave_packet(from: Station, group: Ipv4Addr) -> Packet {
    igmp_packet(from, ALL_ROUTERS, igmp_payload(LEAVE, 0, group, &[]))
}

/// A query: general without a group, version 1 with a `max_resp_ds` of 0.
pub(crate) fn query(from: Station, group: Option<Ipv4Addr>, max_resp_ds: u8) -> Packet {
    let field = group.unwrap_or(Ipv4Addr::UNSPECIFIED);
    igmp_packet(from, group.unwrap_or(ALL_SYSTEMS), igmp_payload(QUERY, max_resp_ds, field, &[]))
}

/// Fills a frame up as a NIC does.
pub(crate) fn padded(mut frame: Vec<u8>) -> Vec<u8> {
    frame.resize(frame.len().max(PADDED), 0);
    frame
}

/// What every datagram of a stream begins with; the last two bytes are its number.
const STREAM: [u8; 6] = *b"stream";

/// Datagram `number` of a stream: UDP to port 5004, TTL 16.
pub(crate) fn data_packet(from: Station, group: Ipv4Addr, number: u16) -> Packet {
    let mut udp = Vec::from([0x13, 0x88, 0x13, 0x8c, 0, 16, 0, 0]);
    udp.extend(STREAM);
    udp.extend(number.to_be_bytes());
    let pseudo =
        [&from.ip.octets()[..], &group.octets(), &[0, 17], &(udp.len() as u16).to_be_bytes(), &udp].concat();
    let sum = checksum(&pseudo);
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    Packet {
        to_mac: group_mac(group),
        from_mac: from.mac,
        tags: Vec::new(),
        tos: 0x88,
        fragment: 0,
        ttl: 16,
        protocol: 17,
        from: from.ip,
        to: group,
        options: Vec::new(),
        payload: udp,
    }
}

/// Datagram `number` of the source's stream, as bytes.
pub(crate) fn data(group: Ipv4Addr, number: u16) -> Vec<u8> {
    data_packet(SOURCE, group, number).bytes()
}

/// The number of a datagram, by its last bytes.
pub(crate) fn number(frame: &[u8]) -> Option<u16> {
    let (head, number) = frame.split_last_chunk::<2>()?;
    head.ends_with(&STREAM).then(|| u16::from_be_bytes(*number))
}
