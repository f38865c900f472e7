//! What goes over the simulated links, as bytes only where the proxy is concerned.

use core::net::Ipv4Addr;
use core::time::Duration;

use types::{GroupAddr, MacAddr};

/// The proxy's MAC on every port.
pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

pub(crate) const IS_EX: u8 = 2;
pub(crate) const TO_IN: u8 = 3;
pub(crate) const TO_EX: u8 = 4;
pub(crate) const BLOCK: u8 = 6;

/// A message of any version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Message {
    Query {
        version: u8,
        group: Option<GroupAddr>,
        max_resp: Duration,
        suppress: bool,
    },
    Report {
        version: u8,
        group: GroupAddr,
    },
    Leave {
        group: GroupAddr,
    },
    /// A version 3 report of one record.
    Record {
        kind: u8,
        group: GroupAddr,
    },
    /// A type that is no membership message, with its code.
    Other(u8),
}

/// A message and who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) mac: MacAddr,
    pub(crate) source: Ipv4Addr,
    pub(crate) message: Message,
}

impl Packet {
    /// The whole frame, as a station would send it.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let (destination, igmp) = self.message.encode();
        let mut frame = destination.mac().octets().to_vec();
        frame.extend(self.mac.octets());
        frame.extend([8, 0, 0x46, 0xc0]);
        frame.extend((24 + igmp.len() as u16).to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 1, 2, 0, 0]);
        frame.extend(self.source.octets());
        frame.extend(destination.addr().octets());
        frame.extend([0x94, 4, 0, 0]);
        let sum = checksum(&frame[14..]);
        frame[24..26].copy_from_slice(&sum.to_be_bytes());
        frame.extend(igmp);
        let sum = checksum(&frame[38..]);
        frame[40..42].copy_from_slice(&sum.to_be_bytes());
        frame
    }

    /// A frame of the proxy's. Its form in every detail is the rule tests' business (r1, r2, r3, r101).
    pub(crate) fn of_proxy(frame: &[u8]) -> Self {
        let (header, igmp) = (&frame[14..38], &frame[38..]);
        assert_eq!((header[8], checksum(header), checksum(igmp)), (1, 0, 0));
        assert_eq!(frame[6..12], ROUTER_MAC.octets());
        let addr = |at: &[u8]| Ipv4Addr::from(<[u8; 4]>::try_from(at).unwrap());
        // Router discovery's termination has no more than 4 bytes.
        let group = igmp.get(4..8).and_then(|at| GroupAddr::new(addr(at)));
        let message = match (igmp[0], igmp[1]) {
            (0x11, 0) => {
                Message::Query { version: 1, group, max_resp: Duration::from_secs(10), suppress: false }
            }
            (0x11, ds) => Message::Query {
                version: 2,
                group,
                max_resp: Duration::from_millis(u64::from(ds) * 100),
                suppress: false,
            },
            (0x12, 0) => Message::Report { version: 1, group: group.unwrap() },
            (0x16, 0) => Message::Report { version: 2, group: group.unwrap() },
            (0x17, 0) => Message::Leave { group: group.unwrap() },
            (other, _) => Message::Other(other),
        };
        Self { mac: ROUTER_MAC, source: addr(&header[12..16]), message }
    }
}

impl Message {
    fn encode(&self) -> (GroupAddr, Vec<u8>) {
        let short = |kind, code, group: Option<GroupAddr>| {
            let mut bytes = vec![kind, code, 0, 0];
            bytes.extend(group.map_or(Ipv4Addr::UNSPECIFIED, GroupAddr::addr).octets());
            bytes
        };
        match *self {
            Self::Query { version, group, max_resp, suppress } => {
                let code = if version == 1 { 0 } else { (max_resp.as_millis() / 100) as u8 };
                let mut bytes = short(0x11, code, group);
                if version == 3 {
                    bytes.extend([u8::from(suppress) << 3 | 2, 125, 0, 0]);
                }
                (group.unwrap_or(GroupAddr::ALL_SYSTEMS), bytes)
            }
            Self::Report { version, group } => {
                (group, short(if version == 1 { 0x12 } else { 0x16 }, 0, Some(group)))
            }
            Self::Leave { group } => (GroupAddr::ALL_ROUTERS, short(0x17, 0, Some(group))),
            Self::Record { kind, group } => {
                let mut bytes = vec![0x22, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, u8::from(kind == BLOCK)];
                bytes.extend(group.addr().octets());
                if kind == BLOCK {
                    bytes.extend([10, 9, 9, 9]);
                }
                (GroupAddr::ALL_V3_ROUTERS, bytes)
            }
            Self::Other(kind) => (GroupAddr::ALL_ROUTERS, short(kind, 0, None)),
        }
    }
}

fn checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}
