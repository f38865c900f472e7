//! Faulty and odd frames of data (the yardstick's f2, f3, f6 to f14, f23, f26 to f28): each under its own
//! reason or forwarded, and the stream beside it goes on untouched.

use types::{Checksum, DropReason, Frame, FrameBurst, GroupAddr, MacAddr, PortSet};

use super::bench::*;
use crate::{Ingress, IngressSettings, OwnedFrame};

const GROUP: [u8; 4] = [239, 2, 2, 2];

fn g() -> GroupAddr {
    GroupAddr::new(GROUP.into()).unwrap()
}

/// A stream with a member on ports 1 and 2.
fn scene() -> Bench {
    let mut b = Bench::new();
    b.table.set(g(), port(1)).unwrap();
    b.table.set(g(), port(2)).unwrap();
    b
}

/// The frame between two good ones, and what became of it and of them.
fn between_good_ones(b: &mut Bench, frame: Vec<u8>) -> Vec<(Vec<u8>, PortSet)> {
    b.pass(0, [data(g()), frame, data(g())]);
    let mut sent = b.sent();
    let both: PortSet = [1, 2].map(port).into_iter().collect();
    for good in [sent.remove(0), sent.pop().unwrap()] {
        assert_eq!((good.0.len(), good.1), (data(g()).len(), both));
    }
    b.assert_balanced();
    sent
}

fn with(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    changed(data(g()), change)
}

/// Changed, and the checksum left as it was.
fn unmended(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut f = data(g());
    change(&mut f);
    f
}

fn set<const N: usize>(at: usize, bytes: [u8; N]) -> impl FnOnce(&mut Vec<u8>) {
    move |f| f[at..at + N].copy_from_slice(&bytes)
}

#[test]
fn each_fault_has_its_reason_and_the_stream_goes_on() {
    use DropReason as D;
    let options = |bytes: &'static [u8]| {
        move |f: &mut Vec<u8>| {
            f[14] += (bytes.len() / 4) as u8;
            f[17] += bytes.len() as u8;
            f.splice(34..34, bytes.iter().copied());
        }
    };
    let faults: Vec<(&str, D, Vec<u8>)> = vec![
        ("f2 total length beyond the frame", D::IpTotalLength, with(set(16, [0, 121]))),
        ("f2 total length below the header", D::IpTotalLength, with(set(16, [0, 19]))),
        ("f2 cut within the header", D::Runt, data(g())[..33].to_vec()),
        ("f2 cut within the payload", D::IpTotalLength, data(g())[..60].to_vec()),
        ("f3 IHL 0", D::IpHeaderLength, unmended(set(14, [0x40]))),
        ("f3 IHL 4", D::IpHeaderLength, unmended(set(14, [0x44]))),
        (
            "f3 IHL 15 in a short packet",
            D::IpTotalLength,
            unmended(|f| {
                f[14] = 0x4f;
                f[16..18].copy_from_slice(&[0, 59]);
            }),
        ),
        ("f3 options and a checksum without them", D::IpChecksum, unmended(options(&[0x94, 4, 0, 0]))),
        ("f6 wrong checksum", D::IpChecksum, unmended(|f| f[24] ^= 0x80)),
        ("f6 checksum of zero", D::IpChecksum, unmended(set(24, [0, 0]))),
        ("f6 checksum of all ones", D::IpChecksum, unmended(set(24, [0xff, 0xff]))),
        ("f8 TTL 0", D::Ttl, with(set(22, [0]))),
        ("f8 TTL 1", D::Ttl, with(set(22, [1]))),
        ("f10 version 6", D::IpVersion, with(set(14, [0x65]))),
        ("f11 802.1Q", D::VlanTagged, unmended(|f| _ = f.splice(12..12, [0x81, 0, 0, 7]))),
        ("f11 QinQ", D::VlanTagged, unmended(|f| _ = f.splice(12..12, [0x88, 0xa8, 0, 7, 0x81, 0, 0, 9]))),
        ("f11 priority tag", D::PriorityTagged, unmended(|f| _ = f.splice(12..12, [0x81, 0, 0xa0, 0]))),
        (
            "f11 PPPoE",
            D::Pppoe,
            unmended(|f| _ = f.splice(12..14, [0x88, 0x64, 0x11, 0, 0, 1, 0, 122, 0, 0x21])),
        ),
        ("f12 our MAC", D::DestinationMac, unmended(set(0, ROUTER.octets()))),
        ("f12 another group's MAC", D::DestinationMac, unmended(set(5, [3]))),
        ("f12 broadcast MAC", D::DestinationMac, unmended(set(0, [0xff; 6]))),
        ("f12 IPv6 group's MAC", D::DestinationMac, unmended(set(0, [0x33, 0x33, 0, 2, 2, 2]))),
        ("f13 from a group's MAC", D::SourceMac, unmended(set(6, [1, 0, 0x5e, 2, 2, 2]))),
        ("f13 from everyone", D::SourceMac, unmended(set(6, [0xff; 6]))),
        ("f13 from nobody", D::SourceMac, unmended(set(6, [0; 6]))),
        ("f13 from our own MAC", D::OwnMac, unmended(set(6, ROUTER.octets()))),
        ("f14 from 0.0.0.0", D::SourceAddress, with(set(26, [0; 4]))),
        ("f14 from 255.255.255.255", D::SourceAddress, with(set(26, [255; 4]))),
        ("f14 from a group", D::SourceAddress, with(set(26, GROUP))),
        ("f14 from 127.0.0.1", D::SourceAddress, with(set(26, [127, 0, 0, 1]))),
        (
            "f16 to 224.0.0.1",
            D::LinkLocalGroup,
            with(|f| {
                f[0..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, 1]);
                f[30..34].copy_from_slice(&[224, 0, 0, 1]);
            }),
        ),
        ("f16 to 255.255.255.255", D::NotMulticast, with(set(30, [255; 4]))),
        ("f16 to 240.2.2.2", D::NotMulticast, with(set(30, [240, 2, 2, 2]))),
    ];
    let mut b = scene();
    for (name, reason, frame) in faults {
        let before = b.dropped(0, reason);
        assert_eq!(between_good_ones(&mut b, frame), [], "{name}");
        assert_eq!(b.dropped(0, reason), before + 1, "{name}");
    }
}

#[test]
fn odd_but_legal_data_is_forwarded() {
    let udp = |len: u16, payload: &[u8]| {
        let header = [0x13, 0x88, 0x13, 0x88, (len >> 8) as u8, len as u8, 0, 0];
        ip_frame(g().mac(), [10, 0, 0, 9], GROUP, 17, &[&header, payload].concat())
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("f2 padded with junk", unmended(|f| f.extend([0xa5; 9]))),
        ("f7 first fragment", with(set(20, [0x20, 0]))),
        ("f7 middle fragment", with(set(20, [0x20, 0xb9]))),
        ("f7 last fragment", with(set(20, [0, 0xb9]))),
        ("f7 the same fragment again", with(set(20, [0, 0xb9]))),
        ("f7 an overlapping fragment", with(set(20, [0x20, 0xb8]))),
        ("f7 a fragment beyond 64 KiB", with(set(20, [0x1f, 0xff]))),
        ("f7 a tiny fragment", changed(frame(g(), 17, 1), |f| f[20] = 0x20)),
        ("f8 TTL 2", with(set(22, [2]))),
        ("f8 TTL 255", with(set(22, [255]))),
        ("f9 TOS 0xff", with(set(15, [0xff]))),
        ("f28 empty UDP", udp(8, &[])),
        ("f28 UDP length beyond the packet", udp(0xffff, &[1; 20])),
        ("f28 UDP length below its header", udp(3, &[1; 20])),
        ("f28 UDP length of zero", udp(0, &[1; 20])),
        ("f28 no room for a UDP header", frame(g(), 17, 3)),
        ("f28 no payload at all", frame(g(), 17, 0)),
        ("f28 TCP", frame(g(), 6, 40)),
        ("f28 ICMP", frame(g(), 1, 40)),
        ("f28 PIM", frame(g(), 103, 40)),
        ("f28 protocol 255", frame(g(), 255, 40)),
    ];
    let mut b = scene();
    let both: PortSet = [1, 2].map(port).into_iter().collect();
    for (name, frame) in cases {
        let sent = between_good_ones(&mut b, frame.clone());
        let [(bytes, ports)] = &sent[..] else { panic!("{name}: {sent:?}") };
        let len = 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        assert_eq!((*ports, &bytes[26..]), (both, &frame[26..len]), "{name}");
    }
}

/// A frame that came in several buffers.
struct Segmented(OwnedFrame);

impl Frame for Segmented {
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        self.0.bytes_mut()
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn is_chained(&self) -> bool {
        true
    }

    fn stripped_tag(&self) -> Option<u16> {
        None
    }

    fn ip_checksum(&self) -> Checksum {
        Checksum::Good
    }
}

struct SegmentedBurst(Vec<Segmented>);

impl FrameBurst for SegmentedBurst {
    type Frame = Segmented;

    fn frames(&self) -> &[Segmented] {
        &self.0
    }

    fn frames_mut(&mut self) -> &mut [Segmented] {
        &mut self.0
    }

    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Segmented> {
        self.0.drain(..count.min(self.0.len()))
    }
}

#[test]
fn f23_what_came_in_several_buffers_is_dropped() {
    let mut b = scene();
    // The first buffer of each looks like a whole frame.
    let frames = [data(g()), frame(g(), 2, 8), data(g())].map(|f| Segmented(OwnedFrame(f)));
    assert_eq!(b.pass_burst(0, &mut SegmentedBurst(frames.into())).punted, 0);
    assert_eq!(b.sent(), []);
    assert_eq!(b.dropped(0, DropReason::Chained), 3);
    b.assert_balanced();
}

#[test]
fn f23_a_report_of_9_kib_is_dropped_and_the_next_one_taken() {
    let mut b = scene();
    assert_eq!(b.pass(1, [frame(g(), 2, 9 * 1024), frame(g(), 2, 8)]).punted, 1);
    assert_eq!(b.dropped(1, DropReason::Chained), 1);
    assert_eq!(b.punted(1), [frame(g(), 2, 8)]);
    b.assert_balanced();
}

#[test]
fn f26_our_own_frames_looped_back_end_there() {
    let mut b = scene();
    b.policy.set_source(port(1), true);
    b.masks.set_forward(port(1), PortSet::ALL.without(port(1)));
    b.pass(0, [data(g())]);
    let [(copy, _)] = &b.sent()[..] else { panic!("one copy for both ports") };
    // A switch that has two of our ports in one VLAN, and one that sends them back.
    for ingress in [0, 1, 2] {
        b.pass(ingress, [copy.clone()]);
        assert_eq!(b.dropped(ingress, DropReason::OwnMac), 1);
    }
    // Our own IGMP as well: a looped control frame is nobody's report.
    let query = changed(frame(g(), 2, 8), |f| f[6..12].copy_from_slice(&ROUTER.octets()));
    assert_eq!(b.pass(1, [query]).punted, 0);
    assert_eq!(b.dropped(1, DropReason::OwnMac), 2);
    assert_eq!(b.sent(), []);
    b.assert_balanced();
}

#[test]
fn f26_frames_from_the_mac_of_any_port_of_ours_are_our_own() {
    let mut b = scene();
    let other = MacAddr([2, 0, 0, 0, 0xcc, 1]);
    let from_other = unmended(set(6, other.octets()));
    b.pass(0, [from_other.clone()]);
    assert_eq!(b.sent().len(), 1, "nobody's of ours");
    b.forwarder
        .set_ingress(port(0), Ingress::new(&IngressSettings { other_macs: vec![other], ..settings() }));
    b.pass(0, [data(g()), from_other.clone(), data(g()), from_other, data(g())]);
    assert_eq!((b.sent().len(), b.dropped(0, DropReason::OwnMac)), (3, 2));
    b.assert_balanced();
}

#[test]
fn f27_a_stream_arriving_on_a_client_port_too_is_no_second_stream() {
    let mut b = scene();
    let (theirs, provider) = (data_from([10, 1, 0, 9], g()), data(g()));
    // The same burst after burst, on both.
    for _ in 0..10 {
        b.pass(0, [provider.clone()]);
        b.pass(1, [theirs.clone()]);
    }
    let sent = b.sent();
    assert_eq!(sent.len(), 10);
    assert!(sent.iter().all(|(f, _)| f[26..30] == provider[26..30]));
    assert_eq!(b.dropped(1, DropReason::NotASource), 10);
    b.assert_balanced();
}

#[test]
fn f27_a_stream_on_two_ports_that_may_send_reaches_each_member_from_both_but_not_its_own() {
    let mut b = scene();
    b.policy.set_source(port(1), true);
    b.masks.set_always(port(1), PortSet::only(port(0)));
    b.masks.set_forward(port(1), [0, 2, 3].map(port).into_iter().collect());
    b.pass(0, [data(g())]);
    b.pass(1, [data(g())]);
    let ports: Vec<PortSet> = b.sent().iter().map(|(_, ports)| *ports).collect();
    let both: PortSet = [1, 2].map(port).into_iter().collect();
    assert_eq!(ports, [both, [0, 2].map(port).into_iter().collect()]);
    b.assert_balanced();
}

#[test]
fn f35_floods_of_what_nobody_wants_are_counted_and_take_nothing_from_the_stream() {
    let mut b = scene();
    let flood = |n: u32| match n % 4 {
        0 => data(GroupAddr::from_bits(0xef09_0000 | n).unwrap()),
        1 => vec![0xff; 13],
        2 => ip_frame(MacAddr::BROADCAST, [10, 0, 0, 9], [255; 4], 17, &[0; 30]),
        _ => data(g()),
    };
    for burst in 0..100 {
        b.pass(0, (0..32).map(|n| flood(burst * 32 + n)));
    }
    assert_eq!(b.sent().len(), 800);
    let reasons = [DropReason::NoMember, DropReason::Runt, DropReason::NotMulticast];
    assert_eq!(reasons.map(|reason| b.dropped(0, reason)), [800; 3]);
    b.assert_balanced();
}
