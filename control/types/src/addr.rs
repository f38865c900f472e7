//! Ethernet and IPv4 addresses.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

/// Why a text is not an address of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddrError {
    /// Not six hexadecimal octets with colons between.
    Mac(String),
    /// Not `a.b.c.d/len` with `len` 0 to 32.
    Net(String),
    /// Not in 224.0.0.0/4.
    NotMulticast(String),
}

impl fmt::Display for AddrError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mac(s) => write!(f, "`{s}` is not a MAC address; write it like 02:00:00:00:00:01"),
            Self::Net(s) => {
                write!(f, "`{s}` is not an IPv4 address with a prefix length; write it like 10.1.0.1/24")
            }
            Self::NotMulticast(s) => write!(f, "`{s}` is not a multicast group; groups are in 224.0.0.0/4"),
        }
    }
}

impl core::error::Error for AddrError {}

/// An Ethernet address, in transmission order.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct MacAddr(pub [u8; 6]);

impl MacAddr {
    /// `ff:ff:ff:ff:ff:ff`.
    pub const BROADCAST: Self = Self([0xff; 6]);
    /// `00:00:00:00:00:00`, which no station has.
    pub const ZERO: Self = Self([0; 6]);

    /// Group bit set: multicast or broadcast (IEEE 802.3, 3.2.3).
    #[inline]
    pub const fn is_multicast(self) -> bool {
        self.0[0] & 1 != 0
    }

    /// The octets in transmission order.
    #[inline]
    pub const fn octets(self) -> [u8; 6] {
        self.0
    }
}

impl fmt::Display for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for MacAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for MacAddr {
    type Err = AddrError;

    fn from_str(s: &str) -> Result<Self, AddrError> {
        let bad = || AddrError::Mac(s.to_owned());
        let mut octets = [0; 6];
        let mut parts = s.split(':');
        for octet in &mut octets {
            let part = parts.next().filter(|p| p.len() == 2).ok_or_else(bad)?;
            *octet = u8::from_str_radix(part, 16).map_err(|_| bad())?;
        }
        if parts.next().is_some() { Err(bad()) } else { Ok(Self(octets)) }
    }
}

/// The most prefixes of groups that can be kept on their link (r69).
pub const MAX_LOCAL_GROUPS: usize = 64;

/// An IPv4 multicast group, in 224.0.0.0/4 (RFC 1112, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupAddr(u32);

impl GroupAddr {
    /// 224.0.0.1, to which general queries go.
    pub const ALL_SYSTEMS: Self = Self(0xe000_0001);
    /// 224.0.0.2, to which leaves go.
    pub const ALL_ROUTERS: Self = Self(0xe000_0002);
    /// 224.0.0.22, to which IGMPv3 reports go.
    pub const ALL_V3_ROUTERS: Self = Self(0xe000_0016);
    /// 224.0.0.106, all snooping switches (RFC 4286).
    pub const ALL_SNOOPERS: Self = Self(0xe000_006a);

    /// The group, or `None` outside 224.0.0.0/4.
    #[inline]
    pub const fn new(addr: Ipv4Addr) -> Option<Self> {
        Self::from_bits(addr.to_bits())
    }

    /// The group of an address in host byte order, or `None` outside 224.0.0.0/4.
    #[inline]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits >> 28 == 0xe { Some(Self(bits)) } else { None }
    }

    /// The address in host byte order.
    #[inline]
    pub const fn to_bits(self) -> u32 {
        self.0
    }

    /// The group as an IPv4 address.
    #[inline]
    pub const fn addr(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.0)
    }

    /// In 224.0.0.0/24, which no router forwards (RFC 5771, section 4).
    #[inline]
    pub const fn is_link_local(self) -> bool {
        self.0 >> 8 == 0x00e0_0000
    }

    /// The Ethernet address frames to this group carry (RFC 1112, section 6.4).
    #[inline]
    pub const fn mac(self) -> MacAddr {
        let [_, b, c, d] = self.0.to_be_bytes();
        MacAddr([0x01, 0x00, 0x5e, b & 0x7f, c, d])
    }
}

impl fmt::Display for GroupAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.addr(), f)
    }
}

impl fmt::Debug for GroupAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for GroupAddr {
    type Err = AddrError;

    fn from_str(s: &str) -> Result<Self, AddrError> {
        s.parse().ok().and_then(Self::new).ok_or_else(|| AddrError::NotMulticast(s.to_owned()))
    }
}

/// An IPv4 address with the length of its network's prefix: an interface's address or, with the host
/// bits zero, a range of addresses.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ipv4Net {
    addr: Ipv4Addr,
    prefix_len: u8,
}

impl Ipv4Net {
    /// The address and its network, or `None` when `prefix_len` is above 32.
    pub const fn new(addr: Ipv4Addr, prefix_len: u8) -> Option<Self> {
        if prefix_len <= 32 { Some(Self { addr, prefix_len }) } else { None }
    }

    /// The address, host bits included.
    pub const fn addr(self) -> Ipv4Addr {
        self.addr
    }

    /// Bits of the network prefix, 0 to 32.
    pub const fn prefix_len(self) -> u8 {
        self.prefix_len
    }

    /// Whether `addr` has the same prefix.
    pub const fn contains(self, addr: Ipv4Addr) -> bool {
        (self.addr.to_bits() ^ addr.to_bits()) & self.mask() == 0
    }

    /// The network's directed broadcast address; `None` for /31 and /32, which have none (RFC 3021).
    pub const fn broadcast(self) -> Option<Ipv4Addr> {
        if self.prefix_len >= 31 {
            None
        } else {
            Some(Ipv4Addr::from_bits(self.addr.to_bits() | !self.mask()))
        }
    }

    /// The netmask, in host byte order.
    pub const fn mask(self) -> u32 {
        match self.prefix_len {
            0 => 0,
            n => u32::MAX << (32 - n),
        }
    }
}

impl fmt::Display for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

impl fmt::Debug for Ipv4Net {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Ipv4Net {
    type Err = AddrError;

    fn from_str(s: &str) -> Result<Self, AddrError> {
        let bad = || AddrError::Net(s.to_owned());
        let (addr, len) = s.split_once('/').ok_or_else(bad)?;
        let addr = addr.parse().map_err(|_| bad())?;
        len.parse().ok().and_then(|len| Self::new(addr, len)).ok_or_else(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_mac_keeps_the_low_23_bits() {
        let a: GroupAddr = "224.1.1.1".parse().unwrap();
        let b: GroupAddr = "225.129.1.1".parse().unwrap();
        assert_eq!(a.mac().to_string(), "01:00:5e:01:01:01");
        assert_eq!(a.mac(), b.mac());
        assert_ne!(a, b);
    }

    #[test]
    fn groups_are_224_slash_4_only() {
        for (text, ok) in [
            ("223.255.255.255", false),
            ("224.0.0.0", true),
            ("239.255.255.255", true),
            ("240.0.0.0", false),
            ("x", false),
        ] {
            assert_eq!(text.parse::<GroupAddr>().is_ok(), ok, "{text}");
        }
        assert!("224.0.0.255".parse::<GroupAddr>().unwrap().is_link_local());
        assert!(!"224.0.1.0".parse::<GroupAddr>().unwrap().is_link_local());
    }

    #[test]
    fn nets_contain_by_prefix() {
        let net: Ipv4Net = "10.1.0.1/24".parse().unwrap();
        assert!(net.contains(Ipv4Addr::new(10, 1, 0, 200)));
        assert!(!net.contains(Ipv4Addr::new(10, 1, 1, 1)));
        assert_eq!(net.broadcast(), Some(Ipv4Addr::new(10, 1, 0, 255)));
        assert!("0.0.0.0/0".parse::<Ipv4Net>().unwrap().contains(Ipv4Addr::BROADCAST));
        assert!("1.2.3.4/33".parse::<Ipv4Net>().is_err());
        assert!("1.2.3.4".parse::<Ipv4Net>().is_err());
    }

    #[test]
    fn macs_round_trip() {
        let text = "02:0a:ff:00:01:7f";
        assert_eq!(text.parse::<MacAddr>().unwrap().to_string(), text);
        for bad in ["", "02:0a:ff:00:01", "02:0a:ff:00:01:7f:00", "2:0a:ff:00:01:7f", "02-0a-ff-00-01-7f"] {
            assert!(bad.parse::<MacAddr>().is_err(), "{bad}");
        }
    }
}
