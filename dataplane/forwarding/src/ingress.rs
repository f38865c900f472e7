//! What a worker knows of the port a frame came in by.

use core::net::Ipv4Addr;

use types::{Ipv4Net, MacAddr};

use crate::classify::{is_station, mac_bits, may_send};
use crate::screen::Sender;

/// What makes an [`Ingress`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressSettings {
    /// The MAC that we send from on this port, and that unicast for us goes to.
    pub mac: MacAddr,
    /// The MACs that we send from on others: what comes from one is our own, too.
    pub other_macs: Vec<MacAddr>,
    /// The MAC that the kernel sends with on the same interface, for ports that are kernel interfaces: a tap
    /// sees those frames go out.
    pub kernel_mac: Option<MacAddr>,
    /// The IPv4 addresses of all ports: nobody else may send from them (r98).
    pub own: Vec<Ipv4Addr>,
    /// The port's address: ARP requests and echo requests for it go to the control thread.
    pub address: Option<Ipv4Addr>,
    /// Who may send multicast data in by this port (r85); empty is anyone.
    pub sources_allowed: Vec<Ipv4Net>,
    /// UDP checksums that a sender left to a NIC are completed: on kernel interfaces there may have been none.
    pub completes_udp: bool,
}

/// [`IngressSettings`], ready to be asked for each frame.
#[derive(Debug, Clone)]
pub struct Ingress {
    pub(crate) mac: u64,
    /// What else we send from.
    other_macs: Box<[u64]>,
    pub(crate) kernel_mac: u64,
    pub(crate) own: OwnAddresses,
    address: Option<[u8; 4]>,
    /// Address and mask each.
    sources_allowed: Box<[(u32, u32)]>,
    completes_udp: bool,
}

impl Ingress {
    /// The port that the settings describe.
    pub fn new(settings: &IngressSettings) -> Self {
        let IngressSettings { mac, other_macs, kernel_mac, own, address, sources_allowed, completes_udp } =
            settings;
        let (mac, kernel_mac) = (mac_bits(*mac), kernel_mac.map_or(u64::MAX, mac_bits));
        Self {
            mac,
            other_macs: other_macs.iter().copied().map(mac_bits).collect(),
            kernel_mac,
            own: own.iter().copied().collect(),
            address: address.map(|address| address.octets()),
            sources_allowed: sources_allowed.iter().map(|net| (net.addr().to_bits(), net.mask())).collect(),
            completes_udp: *completes_udp,
        }
    }

    /// Whether UDP checksums that a sender left to a NIC are completed.
    #[inline]
    pub fn completes_udp(&self) -> bool {
        self.completes_udp
    }

    /// Whether a source MAC is one that we send from, here or on another port, or the kernel's on the interface.
    #[inline]
    pub(crate) fn is_ours(&self, mac: u64) -> bool {
        mac == self.mac || mac == self.kernel_mac || self.other_macs.contains(&mac)
    }

    /// Whether these are the octets of the port's address.
    pub(crate) fn is_address(&self, octets: Option<&[u8]>) -> bool {
        self.address.is_some_and(|address| octets == Some(&address))
    }

    /// Whether data of a sender may be forwarded: it is a station and a host, none of ours (r98), and may send (r85).
    #[inline]
    pub(crate) fn may_forward(&self, Sender { address, mac }: Sender) -> bool {
        let is_host = may_send(address) & !self.own.contains(address) & self.allows_source(address);
        is_host & is_station(mac) && !self.is_ours(mac)
    }

    /// Whether `source` may send multicast data, as far as the settings go (r85).
    #[inline]
    pub(crate) fn allows_source(&self, source: u32) -> bool {
        let allows = |&(addr, mask): &(u32, u32)| (source ^ addr) & mask == 0;
        self.sources_allowed.is_empty() || self.sources_allowed.iter().any(allows)
    }
}

/// Our addresses, behind one bit each of a filter: most sources cost one load.
#[derive(Debug, Clone)]
pub(crate) struct OwnAddresses {
    filter: [u64; FILTER_WORDS],
    addresses: Vec<u32>,
}

/// 4,096 bits: with an address on each of 64 ports, one source of 64 is looked for in vain.
const FILTER_WORDS: usize = 64;

impl OwnAddresses {
    /// Word of the filter, and bit in it.
    #[inline]
    fn place(addr: u32) -> (usize, u64) {
        let hash = addr.wrapping_mul(0x9e37_79b1);
        ((hash >> 26) as usize, 1 << (hash >> 20 & 63))
    }

    #[inline]
    pub(crate) fn contains(&self, addr: u32) -> bool {
        let (word, bit) = Self::place(addr);
        self.filter[word % FILTER_WORDS] & bit != 0 && self.addresses.contains(&addr)
    }
}

impl FromIterator<Ipv4Addr> for OwnAddresses {
    fn from_iter<I: IntoIterator<Item = Ipv4Addr>>(addresses: I) -> Self {
        let addresses: Vec<u32> = addresses.into_iter().map(Ipv4Addr::to_bits).collect();
        let mut filter = [0; FILTER_WORDS];
        for (word, bit) in addresses.iter().map(|addr| Self::place(*addr)) {
            filter[word % FILTER_WORDS] |= bit;
        }
        Self { filter, addresses }
    }
}
