//! What goes to the control thread: IGMP, requests for us, samples.

use core::time::Duration;

use proptest::prelude::*;
use types::{Checksum, DropReason, MacAddr, PortSet};

use super::bench::*;
use crate::{Ingress, IngressSettings, PuntKind, RING_FRAME_MAX, Verdict, classify, punt_kind};

#[test]
fn r14_igmp_is_punted_up_to_the_ring_and_the_rate() {
    let mut b = Bench::new();
    let igmp = || frame(group("239.2.2.2"), 2, 8);
    assert_eq!(b.pass(1, (0..6).map(|_| igmp())).punted, 2);
    assert_eq!(b.dropped(1, DropReason::PuntFull), 2);
    assert_eq!(b.dropped(1, DropReason::PuntPoliced), 2);
    // Another port has a ring and a rate of its own.
    assert_eq!(b.pass(2, [igmp()]).punted, 1);
    assert_eq!(b.punted(2), [igmp()]);
    assert!(b.sent.0.is_empty());
    b.assert_balanced();
}

/// An ARP request for `target` from 10.0.0.9.
fn arp(to_mac: MacAddr, target: [u8; 4]) -> Vec<u8> {
    let mut f = [&to_mac.octets()[..], &STATION.octets(), &[0x08, 0x06]].concat();
    f.extend([0, 1, 0x08, 0, 6, 4, 0, 1]);
    f.extend(STATION.octets());
    f.extend([10, 0, 0, 9]);
    f.extend([0; 6]);
    f.extend(target);
    f.resize(60, 0);
    f
}

fn echo() -> Vec<u8> {
    ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &[8, 0, 0, 0, 0, 1, 0, 1, 9, 9])
}

fn ask() -> Vec<u8> {
    arp(MacAddr::BROADCAST, ADDRESS.octets())
}

#[test]
fn requests_for_us_go_to_control() {
    let mut b = Bench::with_rings(64);
    let options = changed(echo(), |f| {
        f[14] = 0x46;
        f[17] += 4;
        f.splice(34..34, [1, 1, 1, 0]);
    });
    let probe = changed_bytes(ask(), |f| f[28..32].fill(0));
    let requests = [ask(), arp(ROUTER, ADDRESS.octets()), probe, ask()[..42].to_vec(), echo(), options];
    assert_eq!(b.pass(0, requests.clone()).punted, 6);
    let punted = b.punted(0);
    assert_eq!(punted, requests);
    assert!(punted.iter().all(|f| punt_kind(f) == PuntKind::Neighbour));
    b.assert_balanced();
}

fn changed_bytes(mut f: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut f);
    f
}

#[test]
fn other_arp_is_dropped_as_such() {
    let mut b = Bench::with_rings(64);
    let with = |at: usize, byte| changed_bytes(ask(), |f| f[at] = byte);
    let others = [
        arp(MacAddr::BROADCAST, [10, 0, 0, 2]),
        arp(MacAddr([2, 0, 0, 0, 0, 0x77]), ADDRESS.octets()),
        arp(MacAddr([1, 0, 0x5e, 0, 0, 1]), ADDRESS.octets()),
        ask()[..41].to_vec(),
        ask()[..14].to_vec(),
        with(15, 6),
        with(17, 1),
        with(18, 8),
        with(19, 16),
        with(21, 2),
        with(21, 3),
    ];
    let count = others.len() as u64;
    assert_eq!(b.pass(0, others).punted, 0);
    assert_eq!(b.dropped(0, DropReason::Arp), count);
    // The port has no address.
    assert_eq!(b.pass(1, [ask(), arp(MacAddr::BROADCAST, [0; 4])]).punted, 0);
    assert_eq!(b.dropped(1, DropReason::Arp), 2);
    b.assert_balanced();
}

#[test]
fn other_unicast_is_dropped_as_such() {
    let mut b = Bench::with_rings(64);
    let to = |mac: MacAddr, ip| ip_frame(mac, [10, 0, 0, 9], ip, 1, &[8, 0, 0, 0, 0, 1, 0, 1]);
    let others = [
        to(ROUTER, [10, 0, 0, 2]),
        to(ROUTER, [10, 0, 0, 255]),
        to(MacAddr::BROADCAST, ADDRESS.octets()),
        to(MacAddr([2, 0, 0, 0, 0, 0x77]), ADDRESS.octets()),
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 17, &[8, 0, 0, 0, 0, 1, 0, 1]),
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 6, &[8, 0, 0, 0, 0, 1, 0, 1]),
        // A reply, another code, too short.
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &[0, 0, 0, 0, 0, 1, 0, 1]),
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &[8, 1, 0, 0, 0, 1, 0, 1]),
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &[8, 0, 0, 0, 0, 1, 0]),
        ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &[]),
        // Fragments: the first, and the last.
        changed(echo(), |f| f[20] = 0x20),
        changed(echo(), |f| f[21] = 1),
    ];
    let count = others.len() as u64;
    assert_eq!(b.pass(0, others).punted, 0);
    assert_eq!(b.dropped(0, DropReason::NotMulticast), count);
    assert_eq!(b.pass(1, [echo()]).punted, 0, "the port has no address");
    assert_eq!(b.dropped(1, DropReason::NotMulticast), 1);
    b.assert_balanced();
}

#[test]
fn requests_for_us_have_a_limit_of_their_own() {
    let mut b = Bench::with_rings(1024);
    let igmp = || frame(group("239.2.2.2"), 2, 8);
    let punted: u32 = (0..10).map(|_| b.pass(0, (0..30).map(|_| ask())).punted).sum();
    assert_eq!((punted, b.dropped(0, DropReason::NeighbourPoliced)), (64, 236));
    assert_eq!(b.pass(0, (0..4).map(|_| igmp())).punted, 4, "IGMP has all of its own");
    b.now = b.now + Duration::from_millis(10);
    assert_eq!(b.pass(0, (0..30).map(|_| echo())).punted, 10);
    b.assert_balanced();
}

#[test]
fn requests_for_us_leave_igmp_half_of_the_ring() {
    let mut b = Bench::with_rings(6);
    assert_eq!(b.pass(0, (0..30).map(|_| ask())).punted, 3);
    assert_eq!(b.dropped(0, DropReason::PuntFull), 27);
    let igmp = (0..4).map(|_| frame(group("239.2.2.2"), 2, 8));
    assert_eq!(b.pass(0, igmp).punted, 3);
    b.assert_balanced();
}

#[test]
fn a_request_too_long_for_the_ring_is_dropped() {
    let mut b = Bench::new();
    let long = [&[8, 0, 0, 0, 0, 1, 0, 1], &[7; 3000][..]].concat();
    b.pass(0, [ip_frame(ROUTER, [10, 0, 0, 9], ADDRESS.octets(), 1, &long)]);
    assert_eq!(b.dropped(0, DropReason::Chained), 1);
    b.assert_balanced();
}

#[test]
fn samples_are_taken_of_watched_groups_only_and_change_nothing() {
    let mut b = Bench::with_rings(1024);
    let (g, h) = (group("239.2.2.2"), group("239.3.3.3"));
    b.table.set(g, port(1)).unwrap();
    b.table.set(h, port(2)).unwrap();
    let frames = || [data(h), data(g), frame(g, 2, 8), data(h), data(g)];
    let quiet = b.pass(0, frames());
    let (unwatched, igmp) = (b.sent(), b.punted(0));
    assert_eq!((quiet.punted, igmp), (1, vec![frame(g, 2, 8)]));

    assert!(b.policy.watch(g));
    assert_eq!(b.pass(0, frames()).punted, 3);
    assert_eq!(b.sent(), unwatched);
    // As they came in: not yet rewritten.
    assert_eq!(b.punted(0), [data(g), data(g), frame(g, 2, 8)]);
    b.policy.unwatch(g);
    assert_eq!(b.pass(0, frames()).punted, 1);
    assert_eq!(b.counters.snapshot(port(0)).punted, 3, "samples are no frames of their own");
    b.assert_balanced();
}

#[test]
fn samples_are_taken_of_what_is_dropped() {
    let mut b = Bench::with_rings(1024);
    let g = group("239.2.2.2");
    b.policy.watch(g);
    let tagged = changed_bytes(data(g), |f| _ = f.splice(12..12, [0x81, 0, 0, 7]));
    let broken = [
        (DropReason::NoMember, data(g)),
        (DropReason::Ttl, changed(data(g), |f| f[22] = 1)),
        (DropReason::IpChecksum, changed_bytes(data(g), |f| f[25] ^= 1)),
        (DropReason::IpTotalLength, changed(data(g), |f| f[16] = 9)),
        (DropReason::DestinationMac, changed_bytes(data(g), |f| f[0..6].fill(0xff))),
        (DropReason::OwnMac, changed_bytes(data(g), |f| f[6..12].copy_from_slice(&ROUTER.octets()))),
        (DropReason::VlanTagged, tagged),
    ];
    for (reason, frame) in &broken {
        assert_eq!(b.pass(0, [frame.clone()]).punted, 1, "{reason:?}");
        assert_eq!(b.dropped(0, *reason), 1);
    }
    // From a client's port that may not send.
    assert_eq!(b.pass(1, [data(g)]).punted, 1);
    assert_eq!(b.dropped(1, DropReason::NotASource), 1);
    assert!(b.punted(0).iter().all(|f| punt_kind(f) == PuntKind::Sample));
    b.assert_balanced();
}

#[test]
fn samples_are_few_and_never_displace_igmp() {
    let mut b = Bench::with_rings(6);
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.policy.watch(g);
    assert_eq!(b.pass(0, (0..32).map(|_| data(g))).punted, 3, "half of the ring");
    let igmp = (0..3).map(|_| frame(g, 2, 8));
    assert_eq!(b.pass(0, igmp).punted, 3);
    assert_eq!(b.sent().len(), 32);
    b.assert_balanced();

    let mut b = Bench::with_rings(1024);
    b.policy.watch(g);
    let second: u32 = (0..1000)
        .map(|_| {
            b.now = b.now + Duration::from_millis(1);
            b.pass(0, (0..10).map(|_| data(g))).punted
        })
        .sum();
    assert!((32..=32 + 8).contains(&second), "{second}");
}

#[test]
fn a_loud_group_leaves_a_quiet_one_its_samples() {
    let mut b = Bench::with_rings(1024);
    let (loud, quiet) = (group("239.2.2.2"), group("239.3.3.3"));
    b.policy.watch(loud);
    b.policy.watch(quiet);
    for _ in 0..4 {
        b.pass(0, (0..32).map(|n| data(if n == 31 { quiet } else { loud })));
    }
    let samples = b.punted(0);
    assert_eq!(samples.iter().filter(|f| **f == data(quiet)).count(), 4);
    assert_eq!(samples.len(), 12);
}

#[test]
fn a_sample_is_cut_to_what_the_ring_carries() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.policy.watch(g);
    let long = frame(g, 17, 4000);
    b.pass(0, [long.clone()]);
    assert_eq!(b.punted(0), [long[..RING_FRAME_MAX].to_vec()]);
}

/// Frames near to those that are punted.
fn near_punts() -> impl Strategy<Value = Vec<u8>> {
    let g = group("239.2.2.2");
    let seeds = [ask(), echo(), data(g), frame(g, 2, 8), frame(g, 1, 30)];
    let seed = proptest::sample::select(seeds.to_vec());
    let changes = proptest::collection::vec((0usize..60, any::<u8>()), 0..4);
    (seed, changes, any::<bool>(), 0usize..80).prop_map(|(mut f, changes, mends, len)| {
        for (at, byte) in changes {
            if let Some(b) = f.get_mut(at) {
                *b = byte;
            }
        }
        f.truncate(len.max(14));
        let header = 14 + usize::from(f.get(14).copied().unwrap_or(15) & 15) * 4;
        if mends && f.len() >= header.max(34) { with_checksum(f) } else { f }
    })
}

proptest! {
    /// Whatever a worker punts is taken for what it was punted as.
    #[test]
    fn punted_bytes_say_what_they_are(f in near_punts()) {
        let ingress = Ingress::new(&IngressSettings { address: Some(ADDRESS), ..settings() });
        match classify(&f, Checksum::Unknown, &ingress) {
            Verdict::Igmp => prop_assert_eq!(punt_kind(&f), PuntKind::Igmp),
            Verdict::Neighbour => prop_assert_eq!(punt_kind(&f), PuntKind::Neighbour),
            Verdict::Data { group, .. } => {
                prop_assert_eq!(punt_kind(&f), PuntKind::Sample);
                prop_assert_eq!(crate::punt::data_group(&f), Some(group));
            }
            Verdict::Drop(_) => {}
        }
    }

    #[test]
    fn any_bytes_are_of_some_kind(f in proptest::collection::vec(any::<u8>(), 0..64)) {
        let kind = punt_kind(&f);
        prop_assert_eq!(kind == PuntKind::Sample, crate::punt::data_group(&f).is_some());
    }
}

#[test]
fn one_station_asking_all_ports_is_limited_on_each() {
    let mut b = Bench::with_rings(1024);
    let ingress = Ingress::new(&IngressSettings { address: Some(ADDRESS), ..settings() });
    b.forwarder.set_ingress(port(1), ingress);
    let punted = [0, 1].map(|at| (0..4).map(|_| b.pass(at, (0..32).map(|_| ask())).punted).sum::<u32>());
    assert_eq!(punted, [64, 64]);
    assert_eq!(b.sent().iter().map(|(_, ports)| *ports).collect::<Vec<PortSet>>(), []);
}
