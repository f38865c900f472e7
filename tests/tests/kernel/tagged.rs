//! Tagged and tunnelled frames (r86): dropped on arrival under their own counters, whatever they carry. The kernel
//! takes an outer tag off before the tap sees the frame, and says beside it that there was one.

use crate::stage::{Cabling, GROUP, PORT, Stage};
use lab::stream;
use std::net::Ipv4Addr;
use types::{GroupAddr, MacAddr};

const IPV4: [u8; 2] = [0x08, 0x00];

/// An Ethernet frame to the group: `between` stands between the MACs and the packet.
fn frame(from: MacAddr, between: &[u8], packet: &[u8]) -> Vec<u8> {
    [&GROUP.mac().octets()[..], &from.octets(), between, packet].concat()
}

/// Behind a priority, a VLAN and the EtherType of the tag.
fn tag(ether_type: u16, tci: u16) -> Vec<u8> {
    [ether_type.to_be_bytes(), tci.to_be_bytes()].concat()
}

fn ip(from: Ipv4Addr, to: GroupAddr, ttl: u8, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut header = vec![0x45, 0];
    header.extend(((20 + payload.len()) as u16).to_be_bytes());
    header.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
    header.extend(from.octets());
    header.extend(to.addr().octets());
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

/// A datagram of the stream, without UDP checksum.
fn data(from: Ipv4Addr) -> Vec<u8> {
    let payload = stream::datagram(7);
    let mut udp = vec![0x13, 0x8c];
    udp.extend(PORT.to_be_bytes());
    udp.extend(((8 + payload.len()) as u16).to_be_bytes());
    udp.extend([0, 0]);
    udp.extend(payload);
    ip(from, GROUP, 16, 17, &udp)
}

/// A version 2 report of the group.
fn report(from: Ipv4Addr, group: GroupAddr) -> Vec<u8> {
    let mut igmp = vec![0x16, 0, 0, 0];
    igmp.extend(group.addr().octets());
    let sum = checksum(&igmp);
    igmp[2..4].copy_from_slice(&sum.to_be_bytes());
    ip(from, group, 1, 2, &igmp)
}

/// What may stand between MACs and packet, and the counter it belongs under.
fn wrappings() -> Vec<(&'static str, Vec<u8>)> {
    let with_ip = |tags: &[Vec<u8>]| [tags.concat(), IPV4.to_vec()].concat();
    let ppp_ipv4 = [0x11, 0x00, 0x00, 0x01, 0x00, 0x20, 0x00, 0x21];
    vec![
        ("vlan-tagged", with_ip(&[tag(0x8100, 5)])),
        ("vlan-tagged", with_ip(&[tag(0x8100, 0xe000 | 4094)])),
        ("vlan-tagged", with_ip(&[tag(0x88a8, 5)])),
        ("vlan-tagged", with_ip(&[tag(0x88a8, 5), tag(0x8100, 6)])),
        ("vlan-tagged", with_ip(&[tag(0x8100, 5), tag(0x8100, 6)])),
        ("priority-tagged", with_ip(&[tag(0x8100, 0)])),
        ("priority-tagged", with_ip(&[tag(0x8100, 0xa000)])),
        ("pppoe", [&[0x88, 0x64], &ppp_ipv4[..]].concat()),
        ("pppoe", [&[0x88, 0x63], &ppp_ipv4[..]].concat()),
    ]
}

#[test]
fn r12_our_own_mac_coming_in_is_dropped_and_warned_about() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    let mut clients = stage.frames_from(hall);
    for _ in 0..3 {
        clients.send(&frame(stage.router_mac, &IPV4, &report(hall.host.address().addr(), GROUP))).unwrap();
    }
    running.wait_for_drops("hall-a", "own-mac", 3);
    running.wait_for_log(&["WARN", "hall-a", "a loop, or two of our ports on one switch"]);
    assert_eq!(running.members(GROUP), [""; 0]);
    running.finish(&stage);
    stage.close();
}

#[test]
fn r86_tagged_frames_are_dropped_under_their_counters() {
    let stage = Stage::new(&["hall-a"], Cabling::Direct);
    let [hall] = &stage.halls[..] else { panic!() };
    let running = stage.start(&stage.recipe());
    let started = lab::now();

    // Reports first, while the group has no member: none of them makes one.
    let user = (hall.host.mac().unwrap(), hall.host.address().addr());
    let mut clients = stage.frames_from(hall);
    for (_, between) in wrappings() {
        clients.send(&frame(user.0, &between, &report(user.1, GROUP))).unwrap();
    }
    for (reason, count) in [("vlan-tagged", 5), ("priority-tagged", 2), ("pppoe", 2)] {
        running.wait_for_drops("hall-a", reason, count);
    }
    assert_eq!(running.members(GROUP), [""; 0]);
    // Bare it does: the frames are right but for what is around them.
    clients.send(&frame(user.0, &IPV4, &report(user.1, GROUP))).unwrap();
    let member = || Ok((running.members(GROUP) == ["hall-a"]).then_some(()));
    lab::stop::poll(crate::stage::SOON, member).unwrap().expect("a member");

    // Then data to the member.
    let source = (stage.provider.host.mac().unwrap(), stage.provider.host.address().addr());
    let mut provider = stage.frames_from(&stage.provider);
    for (_, between) in wrappings() {
        provider.send(&frame(source.0, &between, &data(source.1))).unwrap();
    }
    for (reason, count) in [("vlan-tagged", 5), ("priority-tagged", 2), ("pppoe", 2)] {
        running.wait_for_drops("wan", reason, count);
    }
    let quiet_until = lab::now();
    let from_manifold = |f: &lab::Frame| f.source == stage.router_mac && f.igmp().is_none();
    let forwarded = hall.wire.between(started, quiet_until, from_manifold).unwrap();
    assert_eq!(forwarded.len(), 0, "forwarded: {}", forwarded[0]);
    provider.send(&frame(source.0, &IPV4, &data(source.1))).unwrap();
    hall.wait_for_stream(quiet_until);
    running.finish(&stage);
    stage.close();
}
