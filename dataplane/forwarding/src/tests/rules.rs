//! The rules of forwarding (r69, r74-r88, r99).

use types::{DropReason, PortSet};

use super::bench::*;
use crate::{Ingress, IngressSettings, Policer, PortCountersSnapshot, frame_ring};

#[test]
fn r74_r84_goes_to_members_and_nobody_else() {
    let mut b = Bench::new();
    let (g, h) = (group("239.2.2.2"), group("239.3.3.3"));
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(3)).unwrap();
    b.table.set(h, port(2)).unwrap();
    b.pass(0, [data(g), data(h), data(group("239.4.4.4")), data(g)]);
    let ports: Vec<_> = b.sent.0.iter().map(|(_, p)| *p).collect();
    let both: PortSet = [port(1), port(3)].into_iter().collect();
    assert_eq!(ports, [both, PortSet::only(port(2)), both]);
    assert_eq!(b.dropped(0, DropReason::NoMember), 1);
    assert_eq!(b.table.counters(g).frames, 2);
    b.assert_balanced();
}

#[test]
fn r74_never_back_out_of_the_port_it_came_in_by() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(0)).unwrap();
    b.pass(0, [data(g)]);
    assert!(b.sent.0.is_empty());
    assert_eq!(b.dropped(0, DropReason::NoEgress), 1);
}

#[test]
fn r75_data_from_a_client_port_is_dropped_and_counted() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(2)).unwrap();
    b.pass(1, [data(g)]);
    assert!(b.sent.0.is_empty());
    assert_eq!(b.dropped(1, DropReason::NotASource), 1);
    b.assert_balanced();
}

#[test]
fn r76_a_change_is_in_force_for_the_next_burst() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    for round in 0..20 {
        b.table.set(g, port(1)).unwrap();
        b.pass(0, [data(g)]);
        b.table.clear(g, port(1));
        b.pass(0, [data(g)]);
        b.table.maintain();
        assert_eq!(b.sent.0.len(), round + 1);
    }
    assert_eq!(b.dropped(0, DropReason::NoMember), 20);
}

#[test]
fn r77_the_first_packet_after_the_join_passes() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.pass(0, (0..10).map(|_| data(g)));
    assert_eq!(b.dropped(0, DropReason::NoMember), 10);
    b.table.set(g, port(2)).unwrap();
    b.pass(0, [data(g)]);
    assert_eq!(b.sent.0.len(), 1);
}

#[test]
fn r78_r79_r80_rewritten_once_and_nothing_else() {
    let mut b = Bench::new();
    let g = group("224.129.1.1");
    b.table.set(g, port(1)).unwrap();
    let before = data(g);
    b.pass(0, [before.clone()]);
    let after = &b.sent.0[0].0;
    assert_eq!(after[0..6], g.mac().octets());
    assert_eq!(after[6..12], ROUTER.octets());
    assert_eq!(after[22], 4);
    assert_eq!(after[26..], before[26..]);
}

#[test]
fn r79_groups_that_share_a_mac_share_nothing_else() {
    let mut b = Bench::new();
    b.table.set(group("224.1.1.1"), port(1)).unwrap();
    b.pass(0, [data(group("225.1.1.1")), data(group("224.1.1.1"))]);
    assert_eq!(b.sent.0.len(), 1);
    assert_eq!(b.dropped(0, DropReason::NoMember), 1);
}

#[test]
fn r69_local_groups_are_named_as_such() {
    let mut b = Bench::new();
    b.pass(0, [data(group("239.255.255.250"))]);
    assert_eq!(b.dropped(0, DropReason::LocalGroup), 1);
}

#[test]
fn r69_local_groups_do_not_go_where_data_always_goes() {
    let mut b = Bench::new();
    b.policy.set_source(port(1), true);
    b.masks.set_always(port(1), PortSet::only(port(0)));
    b.masks.set_forward(port(1), [0, 2].map(port).into_iter().collect());
    b.table.set(group("239.2.2.2"), port(2)).unwrap();
    b.pass(1, [data(group("239.255.255.250")), data(group("239.9.9.9")), data(group("239.2.2.2"))]);
    let ports: Vec<_> = b.sent.0.iter().map(|(_, p)| *p).collect();
    assert_eq!(ports, [PortSet::only(port(0)), [0, 2].map(port).into_iter().collect()]);
    assert_eq!(b.dropped(1, DropReason::LocalGroup), 1);
    b.assert_balanced();
}

#[test]
fn r99_only_the_port_with_the_small_mtu_drops() {
    let mut b = Bench::new();
    b.forwarder.set_mtu(port(2), 1400);
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(2)).unwrap();
    b.pass(0, [frame(g, 17, 1480), frame(g, 17, 1380)]);
    assert_eq!(b.sent.0[0].1, PortSet::only(port(1)));
    assert_eq!(b.sent.0[1].1.len(), 2);
    assert_eq!(b.dropped(2, DropReason::Mtu), 1);
    assert_eq!(b.dropped(1, DropReason::Mtu), 0);
    b.assert_balanced();
}

#[test]
fn padding_is_cut_before_sending() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    let mut f = frame(g, 17, 8);
    let len = f.len();
    f.resize(60, 0xee);
    b.pass(0, [f]);
    assert_eq!(b.sent.0[0].0.len(), len);
}

#[test]
fn a_port_that_may_not_send_says_why() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.masks.set_forward(port(0), PortSet::only(port(2)));
    b.pass(0, [data(g)]);
    assert_eq!(b.dropped(0, DropReason::NoEgress), 1);
    b.policy.set_enabled(false);
    b.pass(0, [data(g)]);
    assert_eq!(b.dropped(0, DropReason::ProxyOff), 1);
    b.assert_balanced();
}

/// The provider's port lets in two sources, a host and a network.
fn filtered() -> Bench {
    let mut b = Bench::new();
    let sources_allowed = nets(&["192.0.2.7/32", "198.51.100.0/24"]);
    b.forwarder.set_ingress(port(0), Ingress::new(&IngressSettings { sources_allowed, ..settings() }));
    b
}

#[test]
fn r85_data_from_other_sources_is_dropped_and_counted_by_group() {
    let mut b = filtered();
    let (g, h) = (group("239.2.2.2"), group("239.3.3.3"));
    b.table.set(g, port(1)).unwrap();
    b.table.set(h, port(2)).unwrap();
    let frames = [
        data_from([192, 0, 2, 7], g),
        data_from([192, 0, 2, 8], g),
        data_from([198, 51, 100, 255], g),
        data_from([198, 51, 101, 0], h),
        data_from([192, 0, 2, 8], g),
        data_from([192, 0, 2, 8], group("239.4.4.4")),
    ];
    b.pass(0, frames.clone());
    let sources: Vec<_> = b.sent().iter().map(|(f, _)| f[26..30].to_vec()).collect();
    assert_eq!(sources, [[192, 0, 2, 7], [198, 51, 100, 255]]);
    assert_eq!(b.dropped(0, DropReason::SourceNotAllowed), 4);
    let counted = [g, h].map(|group| b.table.counters(group));
    assert_eq!(counted.map(|c| (c.frames, c.filtered)), [(2, 2), (0, 1)]);
    b.assert_balanced();

    b.forwarder.set_ingress(port(0), ingress());
    b.pass(0, frames);
    assert_eq!(b.sent().len(), 5, "whoever sends, but for the group without a member");
    assert_eq!(b.dropped(0, DropReason::SourceNotAllowed), 4);
    b.assert_balanced();
}

#[test]
fn r85_the_last_frame_of_a_full_burst_is_filtered_as_the_first() {
    let mut b = filtered();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    let sources = |i| if i % 31 == 0 { [192, 0, 2, 8] } else { [192, 0, 2, 7] };
    b.pass(0, (0..32).map(|i| data_from(sources(i), g)));
    assert_eq!((b.sent().len(), b.dropped(0, DropReason::SourceNotAllowed)), (30, 2));
    b.assert_balanced();
}

#[test]
fn r85_fragments_and_options_are_filtered_alike() {
    let mut b = filtered();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    for (source, allowed) in [([192, 0, 2, 7], true), ([192, 0, 2, 8], false)] {
        let first = changed(data_from(source, g), |f| f[20] = 0x20);
        let last = changed(data_from(source, g), |f| f[20..22].copy_from_slice(&[0, 0xb9]));
        let options = changed(data_from(source, g), |f| {
            f[14] = 0x46;
            f[17] += 4;
            f.splice(34..34, [0x94, 4, 0, 0]);
        });
        b.pass(0, [first, last, options]);
        assert_eq!(b.sent().len(), if allowed { 3 } else { 0 });
    }
    assert_eq!(b.dropped(0, DropReason::SourceNotAllowed), 3);
    assert_eq!(b.table.counters(g).filtered, 3);
    b.assert_balanced();
}

#[test]
fn r85_igmp_and_other_ports_are_not_filtered() {
    let mut b = filtered();
    let g = group("239.2.2.2");
    b.table.set(g, port(2)).unwrap();
    b.policy.set_source(port(1), true);
    b.masks.set_forward(port(1), PortSet::only(port(2)));
    assert_eq!(b.pass(0, [frame(g, 2, 8)]).punted, 1);
    b.pass(1, [data(g)]);
    assert_eq!(b.sent().len(), 1);
    assert_eq!(b.dropped(0, DropReason::SourceNotAllowed), 0);
}

#[test]
fn r85_what_is_broken_keeps_its_own_reason() {
    let mut b = filtered();
    let bad = data_from([192, 0, 2, 8], group("239.2.2.2"));
    b.pass(0, [changed(bad.clone(), |f| f[22] = 1), changed(bad, |f| f[5] ^= 1)]);
    assert_eq!(b.dropped(0, DropReason::Ttl), 1);
    assert_eq!(b.dropped(0, DropReason::DestinationMac), 1);
}

#[test]
fn r69_local_groups_change_for_the_next_burst() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.policy.set_local_groups(&nets(&["239.2.0.0/16"]));
    b.pass(0, [data(g), data(group("239.255.255.250"))]);
    assert_eq!(b.dropped(0, DropReason::LocalGroup), 1);
    assert_eq!(b.dropped(0, DropReason::NoMember), 1, "no longer local");
}

#[test]
fn r99_another_mtu_is_in_force_for_the_next_burst() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    for (mtu, sent) in [(1400, 0), (1500, 1), (1499, 0), (9000, 1)] {
        b.forwarder.set_mtu(port(1), mtu);
        b.pass(0, [frame(g, 17, 1480)]);
        assert_eq!(b.sent().len(), sent, "MTU {mtu}");
    }
    assert_eq!(b.dropped(1, DropReason::Mtu), 2);
}

#[test]
fn a_removed_port_takes_nothing_in_and_its_mtu_binds_nobody() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(2)).unwrap();
    b.forwarder.set_mtu(port(2), 60);
    b.forwarder.remove_port(port(2));
    assert!(b.punted[2].has_ended());
    let before = b.counters.snapshot(port(2));
    b.pass(2, [data(g), frame(g, 2, 8)]);
    assert_eq!(b.counters.snapshot(port(2)), before);
    // Nor does it come back by being told anything.
    b.forwarder.set_mtu(port(2), 60);
    b.forwarder.set_ingress(port(2), ingress());
    b.pass(2, [data(g)]);
    assert_eq!(b.sent(), []);
    b.pass(0, [data(g)]);
    assert_eq!(
        b.sent()[0].1,
        [1, 2].map(port).into_iter().collect(),
        "what has no queue is the egress's affair"
    );
    assert_eq!(b.counters.snapshot(port(2)), before);
    b.assert_balanced();
}

#[test]
fn a_port_at_the_place_of_another_is_counted_from_zero() {
    let mut b = Bench::new();
    b.pass(2, [data(group("239.2.2.2")), frame(group("239.2.2.2"), 2, 8)]);
    assert_eq!(b.counters.snapshot(port(2)).rx_frames, 2);
    b.forwarder.remove_port(port(2));
    let (punt, _punted) = frame_ring(4);
    b.forwarder.add_port(port(2), ingress(), punt, Policer::new(1, 1), 1500);
    assert_eq!(b.counters.snapshot(port(2)), PortCountersSnapshot::ZERO);
}

#[test]
fn other_own_addresses_are_in_force_for_the_next_burst() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    let own = vec![[10, 0, 0, 9].into()];
    b.forwarder.set_ingress(port(0), Ingress::new(&IngressSettings { own, ..settings() }));
    b.pass(0, [data(g)]);
    assert_eq!(b.dropped(0, DropReason::SourceAddress), 1, "r98");
    b.forwarder.set_ingress(port(0), ingress());
    b.pass(0, [data(g)]);
    assert_eq!(b.sent().len(), 1);
}
