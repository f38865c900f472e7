//! Frames as bytes, right or wrong in every field.

use core::net::Ipv4Addr;
use types::{GroupAddr, MacAddr};

pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
pub(crate) const HOST_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 9]);
pub(crate) const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

pub(crate) fn ip(text: &str) -> Ipv4Addr {
    text.parse().unwrap()
}

pub(crate) fn group(text: &str) -> GroupAddr {
    text.parse().unwrap()
}

/// An IGMP packet to be; `Default` is a valid IGMPv2 report, and each field can be made wrong alone.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) source_mac: MacAddr,
    /// The destination address's own MAC when `None`.
    pub(crate) destination_mac: Option<MacAddr>,
    pub(crate) ether_type: u16,
    pub(crate) version: u8,
    pub(crate) ihl: Option<u8>,
    pub(crate) tos: u8,
    pub(crate) total_len: Option<u16>,
    pub(crate) fragment: u16,
    pub(crate) ttl: u8,
    pub(crate) protocol: u8,
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) options: Vec<u8>,
    /// The IGMP message; its checksum is filled in unless `igmp_checksum` is given.
    pub(crate) igmp: Vec<u8>,
    pub(crate) igmp_checksum: Option<u16>,
    pub(crate) ip_checksum: Option<u16>,
    /// Bytes after the IP packet.
    pub(crate) padding: Vec<u8>,
}

impl Default for Raw {
    fn default() -> Self {
        report(0x16, "239.2.2.2")
    }
}

impl Raw {
    pub(crate) fn new(destination: Ipv4Addr, igmp: Vec<u8>) -> Self {
        Self {
            source_mac: HOST_MAC,
            destination_mac: None,
            ether_type: 0x0800,
            version: 4,
            ihl: None,
            tos: 0xc0,
            total_len: None,
            // Linux hosts set DF.
            fragment: 0x4000,
            ttl: 1,
            protocol: 2,
            source: ip("10.1.0.9"),
            destination,
            options: ROUTER_ALERT.to_vec(),
            igmp,
            igmp_checksum: None,
            ip_checksum: None,
            padding: Vec::new(),
        }
    }

    pub(crate) fn from(mut self, source: &str) -> Self {
        self.source = ip(source);
        self
    }

    pub(crate) fn to(mut self, destination: &str) -> Self {
        self.destination = ip(destination);
        self
    }

    /// As `change` leaves it.
    pub(crate) fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let multicast_mac = GroupAddr::new(self.destination).map_or(ROUTER_MAC, GroupAddr::mac);
        let mut frame = self.destination_mac.unwrap_or(multicast_mac).octets().to_vec();
        frame.extend(self.source_mac.octets());
        frame.extend(self.ether_type.to_be_bytes());
        frame.extend(self.ip_header());
        let mut igmp = self.igmp.clone();
        if igmp.len() >= 4 {
            igmp[2..4].fill(0);
            let sum = self.igmp_checksum.unwrap_or_else(|| checksum(&igmp));
            igmp[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        frame.extend(igmp);
        frame.extend(&self.padding);
        frame
    }

    fn ip_header(&self) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let ihl = self.ihl.unwrap_or((header_len / 4) as u8);
        let total_len = self.total_len.unwrap_or((header_len + self.igmp.len()) as u16);
        let mut header = vec![self.version << 4 | ihl, self.tos];
        header.extend(total_len.to_be_bytes());
        header.extend([0x12, 0x34]);
        header.extend(self.fragment.to_be_bytes());
        header.extend([self.ttl, self.protocol, 0, 0]);
        header.extend(self.source.octets());
        header.extend(self.destination.octets());
        header.extend(&self.options);
        // As a receiver sums it: over what the header length claims, where there is as much.
        let claimed = (usize::from(ihl) * 4).min(header.len());
        let sum = self.ip_checksum.unwrap_or_else(|| checksum(&header[..claimed]));
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }
}

pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn message(kind: u8, code: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(group.octets());
    bytes
}

/// A v1 (0x12) or v2 (0x16) report, sent to its group.
pub(crate) fn report(kind: u8, group: &str) -> Raw {
    Raw::new(ip(group), message(kind, 0, ip(group)))
}

pub(crate) fn join(group: &str) -> Raw {
    report(0x16, group)
}

pub(crate) fn join_v1(group: &str) -> Raw {
    report(0x12, group)
}

pub(crate) fn leave(group: &str) -> Raw {
    Raw::new(ip("224.0.0.2"), message(0x17, 0, ip(group)))
}

/// A query of 8 bytes from another router; group "0.0.0.0" is general, code 0 is version 1.
pub(crate) fn query(code: u8, group: &str) -> Raw {
    let to = if group == "0.0.0.0" { "224.0.0.1" } else { group };
    Raw::new(ip(to), message(0x11, code, ip(group))).from("10.0.0.254")
}

/// A version 3 query.
pub(crate) fn query_v3(code: u8, group: &str, sources: &[&str]) -> Raw {
    let mut raw = query(code, group);
    raw.igmp.extend([0x02, 125]);
    raw.igmp.extend((sources.len() as u16).to_be_bytes());
    raw.igmp.extend(sources.iter().flat_map(|source| ip(source).octets()));
    raw
}

pub(crate) const IS_IN: u8 = 1;
pub(crate) const IS_EX: u8 = 2;
pub(crate) const TO_IN: u8 = 3;
pub(crate) const TO_EX: u8 = 4;
pub(crate) const ALLOW: u8 = 5;
pub(crate) const BLOCK: u8 = 6;

/// A version 3 report of records (type, group, number of sources).
pub(crate) fn report_v3(records: &[(u8, &str, u16)]) -> Raw {
    let mut igmp = vec![0x22, 0, 0, 0, 0, 0];
    igmp.extend((records.len() as u16).to_be_bytes());
    for (kind, group, sources) in records {
        igmp.extend([*kind, 0]);
        igmp.extend(sources.to_be_bytes());
        igmp.extend(ip(group).octets());
        igmp.extend((0..*sources).flat_map(|i| [10, 9, (i >> 8) as u8, i as u8]));
    }
    Raw::new(ip("224.0.0.22"), igmp)
}
