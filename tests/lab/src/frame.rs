//! Captured frames, parsed once where they come in. A frame keeps its head and what was computed over the
//! whole of it, so that a minute of a stream fits in memory.

use etherparse::{Ethernet2Slice, IgmpSlice, Ipv4HeaderSlice, UdpSlice};
use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::net::Ipv4Addr;
use types::{MacAddr, Time};

/// EtherType of IPv4.
const IPV4: u16 = 0x0800;
/// IP protocol numbers.
const IGMP: u8 = 2;
const UDP: u8 = 17;

/// One frame on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// When the kernel saw it, in nanoseconds since 1970.
    pub at: Time,
    /// Its length on the wire, in bytes, without the frame check sequence.
    pub wire_len: usize,
    /// Its first bytes, as many as the capture keeps.
    pub head: Vec<u8>,
    /// Destination MAC address.
    pub destination: MacAddr,
    /// Source MAC address.
    pub source: MacAddr,
    /// EtherType, or a tag's.
    pub ether_type: u16,
    /// What it carries if that is IPv4 with a sound header length.
    pub ip: Option<Ip>,
}

/// An IPv4 packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// The whole second byte: DSCP and ECN, formerly type of service.
    pub tos: u8,
    /// Identification.
    pub id: u16,
    /// Time to live.
    pub ttl: u8,
    /// Protocol number.
    pub protocol: u8,
    /// Bytes of the header with options.
    pub header_len: usize,
    /// Bytes of the packet as the header says; Ethernet padding is outside.
    pub total_len: usize,
    /// The options' bytes.
    pub options: Vec<u8>,
    /// Whether the header checksum is right.
    pub checksum_good: bool,
    /// What is inside.
    pub body: Body,
}

/// What an IPv4 packet carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// A UDP datagram.
    Udp(Udp),
    /// An IGMP message.
    Igmp(Igmp),
    /// A fragment, of whatever.
    Fragment,
    /// Another protocol.
    Other,
    /// Too short or contradictory, and why.
    Broken(String),
}

/// What a UDP checksum tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UdpChecksum {
    /// Right.
    Good,
    /// Zero: the sender computed none.
    Absent,
    /// Wrong.
    Bad,
}

/// A UDP datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Udp {
    /// Source port.
    pub source_port: u16,
    /// Destination port.
    pub destination_port: u16,
    /// Bytes of payload.
    pub payload_len: usize,
    /// Its checksum.
    pub checksum: UdpChecksum,
    /// A hash of the whole payload: equal for equal payloads within a run.
    pub payload_digest: u64,
    /// Its number if it is of the lab's stream ([`crate::stream`]).
    pub number: Option<u64>,
}

/// An IGMP message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Igmp {
    /// Type: 0x11 query, 0x12 v1 report, 0x16 v2 report, 0x17 leave, 0x22 v3 report.
    pub kind: u8,
    /// Max Resp Time or Code; reserved in others.
    pub code: u8,
    /// Group field; 0.0.0.0 in a general query.
    pub group: Ipv4Addr,
    /// Bytes of IGMP, by the IP total length.
    pub len: usize,
    /// Whether the checksum over all of them is right.
    pub checksum_good: bool,
}

impl Frame {
    /// Parses a frame and keeps its first `keep` bytes; `None` when it is shorter than an Ethernet header.
    pub fn parse(at: Time, bytes: &[u8], keep: usize) -> Option<Self> {
        let ethernet = Ethernet2Slice::from_slice_without_fcs(bytes).ok()?;
        let ether_type = ethernet.ether_type().0;
        Some(Self {
            at,
            wire_len: bytes.len(),
            head: bytes[..bytes.len().min(keep)].to_vec(),
            destination: MacAddr(ethernet.destination()),
            source: MacAddr(ethernet.source()),
            ether_type,
            ip: (ether_type == IPV4).then(|| Ip::parse(ethernet.payload_slice())).flatten(),
        })
    }

    /// The IGMP message, if it is one.
    pub fn igmp(&self) -> Option<&Igmp> {
        match &self.ip.as_ref()?.body {
            Body::Igmp(igmp) => Some(igmp),
            Body::Udp(_) | Body::Fragment | Body::Other | Body::Broken(_) => None,
        }
    }

    /// The UDP datagram, if it is one.
    pub fn udp(&self) -> Option<&Udp> {
        match &self.ip.as_ref()?.body {
            Body::Udp(udp) => Some(udp),
            Body::Igmp(_) | Body::Fragment | Body::Other | Body::Broken(_) => None,
        }
    }

    /// Whether it is an IGMP message of this type about this group.
    pub fn is_igmp(&self, kind: u8, group: Ipv4Addr) -> bool {
        self.igmp().is_some_and(|igmp| igmp.kind == kind && igmp.group == group)
    }

    /// Whether it is data to `group`: anything to that address but IGMP, whole or broken.
    pub fn is_data_to(&self, group: Ipv4Addr) -> bool {
        self.ip.as_ref().is_some_and(|ip| ip.destination == group && ip.protocol != IGMP)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ip {
            Some(ip) => write!(f, "{} > {}  {}", ip.source, ip.destination, ip.body),
            None => write!(f, "{} > {}  EtherType {:#06x}", self.source, self.destination, self.ether_type),
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Igmp(Igmp { kind, group, .. }) => match kind {
                0x11 if group.is_unspecified() => f.write_str("General Query"),
                0x11 => write!(f, "Query {group}"),
                0x12 => write!(f, "v1 Join {group}"),
                0x16 => write!(f, "v2 Join {group}"),
                0x17 => write!(f, "Leave {group}"),
                other => write!(f, "IGMP type {other:#04x}"),
            },
            Self::Udp(Udp { number: Some(number), .. }) => write!(f, "datagram {number}"),
            Self::Udp(Udp { destination_port, .. }) => write!(f, "UDP to port {destination_port}"),
            Self::Fragment => f.write_str("a fragment"),
            Self::Other => f.write_str("another protocol"),
            Self::Broken(why) => write!(f, "broken: {why}"),
        }
    }
}

impl Ip {
    fn parse(bytes: &[u8]) -> Option<Self> {
        let header = Ipv4HeaderSlice::from_slice(bytes).ok()?;
        let header_len = usize::from(header.ihl()) * 4;
        let total_len = usize::from(header.total_len());
        let body = match bytes.get(header_len..total_len) {
            None => Body::Broken(format!("total length {total_len} in {} bytes", bytes.len())),
            Some(_) if header.is_fragmenting_payload() => Body::Fragment,
            Some(payload) => Body::parse(&header, payload),
        };
        Some(Self {
            source: header.source_addr(),
            destination: header.destination_addr(),
            tos: header.slice()[1],
            id: header.identification(),
            ttl: header.ttl(),
            protocol: header.protocol().0,
            header_len,
            total_len,
            options: header.options().to_vec(),
            checksum_good: header.header_checksum() == header.to_header().calc_header_checksum(),
            body,
        })
    }
}

impl Body {
    fn parse(header: &Ipv4HeaderSlice<'_>, payload: &[u8]) -> Self {
        match header.protocol().0 {
            IGMP => match IgmpSlice::from_slice(payload) {
                Ok(igmp) => Self::Igmp(Igmp {
                    kind: igmp.type_u8(),
                    code: igmp.max_resp_code_or_reserved(),
                    group: Ipv4Addr::from(igmp.bytes4to7()),
                    len: payload.len(),
                    checksum_good: igmp.is_checksum_valid(),
                }),
                Err(why) => Self::Broken(why.to_string()),
            },
            UDP => match UdpSlice::from_slice(payload) {
                Ok(udp) => Self::Udp(Udp::new(header, &udp)),
                Err(why) => Self::Broken(why.to_string()),
            },
            _ => Self::Other,
        }
    }
}

impl Udp {
    fn new(header: &Ipv4HeaderSlice<'_>, udp: &UdpSlice<'_>) -> Self {
        let computed =
            udp.to_header().calc_checksum_ipv4_raw(header.source(), header.destination(), udp.payload());
        let checksum = match udp.checksum() {
            0 => UdpChecksum::Absent,
            sent if computed == Ok(sent) => UdpChecksum::Good,
            _ => UdpChecksum::Bad,
        };
        Self {
            source_port: udp.source_port(),
            destination_port: udp.destination_port(),
            payload_len: udp.payload().len(),
            checksum,
            payload_digest: BuildHasherDefault::<DefaultHasher>::default().hash_one(udp.payload()),
            number: crate::stream::number(udp.payload()),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use etherparse::PacketBuilder;

    const GROUP: [u8; 4] = [239, 2, 2, 2];

    /// A datagram of the stream as the source (`ttl` 16) or Manifold (`ttl` 15) sends it.
    pub(crate) fn stream_frame(number: u64, ttl: u8, source_mac: u8) -> Vec<u8> {
        let builder = PacketBuilder::ethernet2([2, 0, 0, 0, 0, source_mac], [1, 0, 0x5e, 2, 2, 2])
            .ipv4([10, 0, 0, 2], GROUP, ttl)
            .udp(5000, 5004);
        let payload = crate::stream::datagram(number);
        let mut bytes = Vec::with_capacity(builder.size(payload.len()));
        builder.write(&mut bytes, &payload).unwrap();
        bytes
    }

    /// A report as RFC 2236 wants it, from 10.0.0.1, padded to 60 bytes as a NIC does.
    pub(crate) fn report_frame() -> Vec<u8> {
        let mut bytes = vec![1, 0, 0x5e, 2, 2, 2, 2, 0, 0, 0, 0, 1, 8, 0];
        bytes.extend([0x46, 0xc0, 0, 32, 0, 0, 0x40, 0, 1, 2, 0, 0, 10, 0, 0, 1]);
        bytes.extend(GROUP);
        bytes.extend([0x94, 4, 0, 0, 0x16, 0, 0, 0]);
        bytes.extend(GROUP);
        // 0x1600 + 0xef02 + 0x0202, folded.
        let igmp = !0x0705_u16;
        bytes[40..42].copy_from_slice(&igmp.to_be_bytes());
        let header = Ipv4HeaderSlice::from_slice(&bytes[14..]).unwrap().to_header();
        bytes[24..26].copy_from_slice(&header.calc_header_checksum().to_be_bytes());
        bytes.resize(60, 0);
        bytes
    }

    fn parse(bytes: &[u8]) -> Frame {
        Frame::parse(Time::from_nanos(7), bytes, 128).unwrap()
    }

    #[test]
    fn stream_datagram_is_recognized() {
        let frame = parse(&stream_frame(41, 16, 2));
        assert_eq!((frame.wire_len, frame.head.len()), (14 + 20 + 8 + 1316, 128));
        let ip = frame.ip.as_ref().unwrap();
        assert!(ip.checksum_good && ip.ttl == 16);
        let udp = frame.udp().unwrap();
        assert_eq!((udp.number, udp.checksum, udp.payload_len), (Some(41), UdpChecksum::Good, 1316));
        assert!(frame.is_data_to(GROUP.into()));
        assert_eq!(udp.payload_digest, parse(&stream_frame(41, 15, 1)).udp().unwrap().payload_digest);
        assert_ne!(udp.payload_digest, parse(&stream_frame(42, 16, 2)).udp().unwrap().payload_digest);
    }

    #[test]
    fn udp_checksum_missing_or_wrong_is_seen() {
        let mut bytes = stream_frame(1, 16, 2);
        *bytes.last_mut().unwrap() ^= 1;
        assert_eq!(parse(&bytes).udp().unwrap().checksum, UdpChecksum::Bad);
        bytes[40..42].fill(0);
        assert_eq!(parse(&bytes).udp().unwrap().checksum, UdpChecksum::Absent);
    }

    #[test]
    fn report_is_recognized_and_padding_is_not_igmp() {
        let frame = parse(&report_frame());
        let ip = frame.ip.as_ref().unwrap();
        assert!(ip.checksum_good);
        assert_eq!((ip.header_len, ip.total_len, ip.tos, ip.ttl), (24, 32, 0xc0, 1));
        assert_eq!(ip.options, [0x94, 4, 0, 0]);
        let igmp = frame.igmp().unwrap();
        assert_eq!((igmp.kind, igmp.code, igmp.len, igmp.checksum_good), (0x16, 0, 8, true));
        assert!(frame.is_igmp(0x16, GROUP.into()) && !frame.is_data_to(GROUP.into()));
        assert_eq!(frame.to_string(), "10.0.0.1 > 239.2.2.2  v2 Join 239.2.2.2");
    }

    #[test]
    fn bad_checksums_are_seen() {
        let mut bytes = report_frame();
        bytes[45] ^= 1;
        assert!(!parse(&bytes).igmp().unwrap().checksum_good);
        bytes[22] = 9;
        assert!(!parse(&bytes).ip.unwrap().checksum_good);
    }

    #[test]
    fn what_is_cut_short_is_broken_not_lost() {
        let bytes = stream_frame(1, 16, 2);
        assert!(Frame::parse(Time::ZERO, &bytes[..13], 128).is_none());
        assert!(parse(&bytes[..20]).ip.is_none());
        let cut = parse(&bytes[..100]);
        assert!(matches!(cut.ip.as_ref().unwrap().body, Body::Broken(_)));
        assert!(cut.is_data_to(GROUP.into()));
    }

    #[test]
    fn fragment_is_data_too() {
        let mut bytes = stream_frame(1, 16, 2);
        bytes[20] = 0x20;
        let frame = parse(&bytes);
        assert_eq!(frame.ip.as_ref().unwrap().body, Body::Fragment);
        assert!(frame.is_data_to(GROUP.into()));
    }
}
