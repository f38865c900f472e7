//! Frames around arbitrary messages, and sums computed by a way of their own.

use core::net::Ipv4Addr;

use types::{GroupAddr, MacAddr};

pub(crate) const ROUTER_MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);

/// RFC 1071: the complement of the one's complement sum.
pub(crate) fn checksum(bytes: &[u8]) -> u16 {
    let words =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u32::from(*low)));
    let add = |sum: u16, word: u32| {
        let sum = u32::from(sum) + word;
        (sum & 0xffff) as u16 + (sum >> 16) as u16
    };
    !words.fold(0, add)
}

/// An IGMP message in a frame that is right in every other way; its checksum is filled in.
pub(crate) fn igmp_frame(mac: MacAddr, source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let to = GroupAddr::new(destination).map_or(ROUTER_MAC, GroupAddr::mac);
    let mut frame = [to.octets(), mac.octets()].concat();
    frame.extend([8, 0, 0x46, 0xc0]);
    frame.extend((24 + message.len() as u16).to_be_bytes());
    frame.extend([0, 1, 0x40, 0, 1, 2, 0, 0]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
    frame.extend([0x94, 4, 0, 0]);
    let sum = checksum(&frame[14..38]);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame.extend(message);
    if message.len() >= 4 {
        frame[40..42].fill(0);
        let sum = checksum(&frame[38..]);
        frame[40..42].copy_from_slice(&sum.to_be_bytes());
    }
    frame
}
