//! Frames byte for byte, for what no kernel sends when a test wants it.

use crate::stage::PORT;
use lab::stream;
use std::net::Ipv4Addr;
use types::{GroupAddr, MacAddr};

pub(crate) const IPV4: [u8; 2] = [0x08, 0x00];
pub(crate) const ARP: [u8; 2] = [0x08, 0x06];
const BROADCAST: [u8; 6] = [0xff; 6];
const ROUTER_ALERT: [u8; 4] = [0x94, 4, 0, 0];

/// An Ethernet frame to a group: `between` stands between the MACs and the packet.
pub(crate) fn frame(from: MacAddr, to: GroupAddr, between: &[u8], packet: &[u8]) -> Vec<u8> {
    [&to.mac().octets()[..], &from.octets(), between, packet].concat()
}

fn ip(from: Ipv4Addr, to: GroupAddr, (ttl, protocol, options): (u8, u8, &[u8]), payload: &[u8]) -> Vec<u8> {
    let header_len = 20 + options.len();
    let mut header = vec![0x40 | (header_len / 4) as u8, 0];
    header.extend(((header_len + payload.len()) as u16).to_be_bytes());
    header.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.addr().octets());
    header.extend(options);
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum.to_be_bytes());
    [header, payload.to_vec()].concat()
}

fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A datagram of the stream to `group`, without UDP checksum.
pub(crate) fn data(from: Ipv4Addr, group: GroupAddr) -> Vec<u8> {
    let payload = stream::datagram(7);
    let mut udp = vec![0x13, 0x8c];
    udp.extend(PORT.to_be_bytes());
    udp.extend(((8 + payload.len()) as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    ip(from, group, (16, 17, &[]), &udp)
}

fn igmp(kind: u8, code: u8, group: Ipv4Addr) -> Vec<u8> {
    let mut igmp = vec![kind, code, 0, 0];
    igmp.extend(group.octets());
    let sum = checksum(&igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    igmp
}

/// A version 2 report of the group, without Router Alert.
pub(crate) fn report(from: Ipv4Addr, group: GroupAddr) -> Vec<u8> {
    ip(from, group, (1, 2, &[]), &igmp(0x16, 0, group.addr()))
}

/// As [`report`], with Router Alert.
pub(crate) fn alerting_report(from: Ipv4Addr, group: GroupAddr) -> Vec<u8> {
    ip(from, group, (1, 2, &ROUTER_ALERT), &igmp(0x16, 0, group.addr()))
}

/// A version 2 General Query; `code` in tenths of a second.
pub(crate) fn general_query(from: Ipv4Addr, code: u8) -> Vec<u8> {
    ip(from, GroupAddr::ALL_SYSTEMS, (1, 2, &ROUTER_ALERT), &igmp(0x11, code, Ipv4Addr::UNSPECIFIED))
}

/// A frame with an ARP request: who has `wanted`?
pub(crate) fn arp_request((mac, from): (MacAddr, Ipv4Addr), wanted: Ipv4Addr) -> Vec<u8> {
    let mut arp = vec![0, 1, 8, 0, 6, 4, 0, 1];
    arp.extend(mac.octets());
    arp.extend(from.octets());
    arp.extend([0; 6]);
    arp.extend(wanted.octets());
    [&BROADCAST[..], &mac.octets(), &ARP, &arp].concat()
}
