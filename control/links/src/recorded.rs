//! Netlink messages for tests, built attribute by attribute as the kernel sends them.

pub(crate) use crate::netlink::attribute;

/// A text with its final zero.
pub(crate) fn zero_ended(text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    bytes.push(0);
    bytes
}

/// The payload of an RTM_NEWLINK.
pub(crate) struct LinkRecord(Vec<u8>);

impl LinkRecord {
    /// Up with carrier, MTU 1500, of Ethernet's hardware type.
    pub(crate) fn new(index: u32, name: &str) -> Self {
        let mut header = vec![0; 16];
        header[2..4].copy_from_slice(&1_u16.to_ne_bytes());
        header[4..8].copy_from_slice(&index.to_ne_bytes());
        let record = Self(header).flags(0x1_1043);
        record.with(3, &zero_ended(name)).with(16, &[6]).number(4, 1500)
    }

    pub(crate) fn family(mut self, family: u8) -> Self {
        self.0[0] = family;
        self
    }

    pub(crate) fn arphrd(mut self, arphrd: u16) -> Self {
        self.0[2..4].copy_from_slice(&arphrd.to_ne_bytes());
        self
    }

    pub(crate) fn flags(mut self, flags: u32) -> Self {
        self.0[8..12].copy_from_slice(&flags.to_ne_bytes());
        self
    }

    pub(crate) fn with(mut self, kind: u16, value: &[u8]) -> Self {
        self.0.extend(attribute(kind, value));
        self
    }

    pub(crate) fn number(self, kind: u16, value: u32) -> Self {
        self.with(kind, &value.to_ne_bytes())
    }

    /// IFLA_LINKINFO with the driver's name and its data.
    pub(crate) fn driver(self, name: &str, data: &[u8]) -> Self {
        let mut info = attribute(1, &zero_ended(name));
        info.extend(attribute(2 | 0x8000, data));
        self.with(18 | 0x8000, &info)
    }

    pub(crate) fn bytes(self) -> Vec<u8> {
        self.0
    }
}
