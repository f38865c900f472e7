//! Tagged and tunnelled frames (r86): dropped on arrival under their own counters, whatever they carry. The kernel
//! takes an outer tag off before the tap sees the frame, and says beside it that there was one.

use crate::packets::{IPV4, data, frame, report};
use crate::stage::{Cabling, GROUP, Stage};

/// Behind a priority, a VLAN and the EtherType of the tag.
fn tag(ether_type: u16, tci: u16) -> Vec<u8> {
    [ether_type.to_be_bytes(), tci.to_be_bytes()].concat()
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
        clients
            .send(&frame(stage.router_mac, GROUP, &IPV4, &report(hall.host.address().addr(), GROUP)))
            .unwrap();
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
        clients.send(&frame(user.0, GROUP, &between, &report(user.1, GROUP))).unwrap();
    }
    for (reason, count) in [("vlan-tagged", 5), ("priority-tagged", 2), ("pppoe", 2)] {
        running.wait_for_drops("hall-a", reason, count);
    }
    assert_eq!(running.members(GROUP), [""; 0]);
    // Bare it does: the frames are right but for what is around them.
    clients.send(&frame(user.0, GROUP, &IPV4, &report(user.1, GROUP))).unwrap();
    let member = || Ok((running.members(GROUP) == ["hall-a"]).then_some(()));
    lab::stop::poll(crate::stage::SOON, member).unwrap().expect("a member");

    // Then data to the member.
    let source = (stage.provider.host.mac().unwrap(), stage.provider.host.address().addr());
    let mut provider = stage.frames_from(&stage.provider);
    for (_, between) in wrappings() {
        provider.send(&frame(source.0, GROUP, &between, &data(source.1, GROUP))).unwrap();
    }
    for (reason, count) in [("vlan-tagged", 5), ("priority-tagged", 2), ("pppoe", 2)] {
        running.wait_for_drops("wan", reason, count);
    }
    let quiet_until = lab::now();
    let from_manifold = |f: &lab::Frame| f.source == stage.router_mac && f.igmp().is_none();
    let forwarded = hall.wire.between(started, quiet_until, from_manifold).unwrap();
    assert_eq!(forwarded.len(), 0, "forwarded: {}", forwarded[0]);
    provider.send(&frame(source.0, GROUP, &IPV4, &data(source.1, GROUP))).unwrap();
    hall.wait_for_stream(quiet_until);
    running.finish(&stage);
    stage.close();
}
