//! Netlink messages for tests, ours and others', built attribute by attribute as the kernel sends them: no kernel has
//! every kind of interface.

use crate::info::{LinkInfo, assemble};
use crate::message::LinkMessage;

/// What [`list`](crate::list) makes of these; `pppoe` is the kernel's table of PPPoE sessions.
pub fn read(records: Vec<LinkRecord>, pppoe: &str) -> Vec<LinkInfo> {
    let links: Vec<_> =
        records.into_iter().filter_map(|record| LinkMessage::parse(&record.bytes())).collect();
    assemble(&links, &[], &[], pppoe)
}

/// An attribute: header, value and padding.
pub fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    crate::netlink::attribute(kind, value)
}

/// A text with its final zero.
pub(crate) fn zero_ended(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The payload of an RTM_NEWLINK.
#[derive(Debug, Clone)]
pub struct LinkRecord(Vec<u8>);

impl LinkRecord {
    /// Up with carrier, MTU 1500, of Ethernet's hardware type.
    pub fn new(index: u32, name: &str) -> Self {
        let mut header = vec![0; 16];
        header[2..4].copy_from_slice(&1_u16.to_ne_bytes());
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let record = Self(header).flags(0x1_1043);
        record.with(3, &zero_ended(name)).with(16, &[6]).number(4, 1500)
    }

    /// Of another address family: bridges send such.
    pub fn family(mut self, family: u8) -> Self {
        self.0[0] = family;
        self
    }

    /// Of another hardware type.
    pub fn arphrd(mut self, arphrd: u16) -> Self {
        self.0[2..4].copy_from_slice(&arphrd.to_ne_bytes());
        self
    }

    /// With these flags alone.
    pub fn flags(mut self, flags: u32) -> Self {
        self.0[8..12].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    /// With an attribute.
    pub fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(attribute(kind, value));
        self
    }

    /// With an attribute of four bytes.
    pub fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// With IFLA_LINKINFO: the driver's name and its data, a row of attributes.
    pub fn driver(self, name: &str, data: &[u8]) -> Self {
        let mut info = attribute(1, &zero_ended(name));
        info.extend(attribute(2 | 0x8000, data));
        self.with(18 | 0x8000, &info)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }
}
