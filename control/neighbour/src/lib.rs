//! What makes a port pass for a host of its link: answers to ARP and to ICMP echo, and an announcement.
//!
//! Pure: frames in, frames out, no state and no time. The control thread calls it for what workers hand it,
//! and limits how often. Whatever the bytes are, an answer goes to one station only, and only to one that
//! asked: no request makes it speak to a group, to everyone, or in another's name.

mod arp;
mod echo;

use core::net::Ipv4Addr;

use etherparse::{EtherType, Ethernet2Header, Ethernet2HeaderSlice};
use types::{Ipv4Net, MacAddr};

/// A port's place on its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Neighbour {
    /// The MAC that frames come from and answers are for.
    pub mac: MacAddr,
    /// The address, and the link's network.
    pub address: Ipv4Net,
}

impl Neighbour {
    /// The answer to an ARP request or an ICMP echo request for us: a frame without padding and checksum.
    /// `None` for whatever else it is, and for a request that is not in order.
    pub fn answer(&self, frame: &[u8]) -> Option<Vec<u8>> {
        let ethernet = Ethernet2HeaderSlice::from_slice(frame).ok()?;
        if !self.is_station(MacAddr(ethernet.source())) {
            return None;
        }
        let to = MacAddr(ethernet.destination());
        let payload = &frame[Ethernet2Header::LEN..];
        match ethernet.ether_type() {
            EtherType::ARP if to == self.mac || to == MacAddr::BROADCAST => arp::answer(self, payload),
            EtherType::IPV4 if to == self.mac => echo::answer(self, payload)
                .map(|ip| self.frame(MacAddr(ethernet.source()), EtherType::IPV4, &ip)),
            _ => None,
        }
    }

    /// The announcement for everyone on the link that the address is ours, for when the link comes up and when
    /// the address changes (RFC 5227, sections 1.1 and 2.3).
    pub fn announcement(&self) -> Vec<u8> {
        arp::announcement(self)
    }

    /// A MAC that another station may have.
    fn is_station(&self, mac: MacAddr) -> bool {
        !mac.is_multicast() && mac != MacAddr::ZERO && mac != self.mac
    }

    /// An address that another host may have, on this link or elsewhere (RFC 1122, section 3.2.1.3).
    fn is_host(&self, addr: Ipv4Addr) -> bool {
        let [first, ..] = addr.octets();
        first != 0
            && !addr.is_loopback()
            && first < 224
            && addr != self.address.addr()
            && self.address.broadcast() != Some(addr)
    }

    fn frame(&self, to: MacAddr, ether_type: EtherType, payload: &[u8]) -> Vec<u8> {
        let header = Ethernet2Header { destination: to.octets(), source: self.mac.octets(), ether_type };
        [&header.to_bytes()[..], payload].concat()
    }
}
