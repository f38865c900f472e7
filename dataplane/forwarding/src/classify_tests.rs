use super::*;
use crate::ingress::IngressSettings;
use crate::plain_data;
use core::net::Ipv4Addr;
use proptest::prelude::*;
use types::GroupAddr;

const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xaa]);
const KERNEL: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xbb]);

const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

fn settings() -> IngressSettings {
    IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: Some(KERNEL),
        own: vec![Ipv4Addr::new(10, 1, 0, 1), ADDRESS],
        address: Some(ADDRESS),
        sources_allowed: Vec::new(),
        completes_udp: false,
    }
}

fn ingress() -> Ingress {
    Ingress::new(&settings())
}

/// UDP-sized data for 239.2.2.2 from 10.0.0.9, good in every respect.
fn data() -> Vec<u8> {
    let group: GroupAddr = "239.2.2.2".parse().unwrap();
    let mut f = Vec::new();
    f.extend(group.mac().octets());
    f.extend([0x02, 0, 0, 0, 0, 0x09, 0x08, 0x00]);
    f.extend([0x45, 0, 0, 46, 0, 1, 0x40, 0, 5, 17, 0, 0, 10, 0, 0, 9, 239, 2, 2, 2]);
    f.resize(60, 0x47);
    with_checksum(f)
}

fn with_checksum(mut f: Vec<u8>) -> Vec<u8> {
    let len = usize::from(f[14] & 15).clamp(5, 15) * 4;
    let end = (14 + len).min(f.len());
    f[24..26].fill(0);
    let mut sum: u32 =
        f[14..end].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(*w.get(1).unwrap_or(&0))).sum();
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    f[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    f
}

fn changed(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut f = data();
    change(&mut f);
    with_checksum(f)
}

fn verdict(f: &[u8]) -> Verdict {
    classified(f, Checksum::Unknown)
}

/// The verdict, held against the short cut's.
fn classified(f: &[u8], checksum: Checksum) -> Verdict {
    let verdict = classify(f, checksum, &ingress());
    if let Some((group, len)) = plain_data(f, checksum, &ingress()) {
        assert_eq!(verdict, Verdict::Data { group, len });
    }
    verdict
}

#[track_caller]
fn dropped(f: &[u8], reason: DropReason) {
    assert_eq!(verdict(f), Verdict::Drop(reason));
}

#[test]
fn good_data_is_data() {
    assert_eq!(verdict(&data()), Verdict::Data { group: 0xef02_0202, len: 60 });
    assert_eq!(plain_data(&data(), Checksum::Unknown, &ingress()), Some((0xef02_0202, 60)));
}

/// Each bit of a good frame turned over: whatever the short cut still takes is data to `classify`, too.
#[test]
fn the_short_cut_agrees_on_every_bit() {
    let mut taken = 0;
    for bit in 0..34 * 8 {
        for mend in [false, true] {
            let mut f = data();
            f[bit / 8] ^= 1 << (bit % 8);
            let f = if mend { with_checksum(f) } else { f };
            let _ = verdict(&f);
            taken += u32::from(plain_data(&f, Checksum::Unknown, &ingress()).is_some());
        }
    }
    assert!(taken > 100, "{taken}: bits of source, identification, TTL ... make no other frame of it");
}

#[test]
fn r6_padding_is_not_part_of_the_packet() {
    let f = changed(|f| {
        f[16..18].copy_from_slice(&30u16.to_be_bytes());
    });
    assert_eq!(verdict(&f), Verdict::Data { group: 0xef02_0202, len: 44 });
}

#[test]
fn f2_total_length_beyond_the_frame_or_below_the_header() {
    for len in [0u16, 19, 47, 60, 0xffff] {
        let f = changed(|f| f[16..18].copy_from_slice(&len.to_be_bytes()));
        dropped(&f, DropReason::IpTotalLength);
    }
}

#[test]
fn f3_header_lengths() {
    for ihl in 0..5 {
        dropped(&changed(|f| f[14] = 0x40 | ihl), DropReason::IpHeaderLength);
    }
    // 60 bytes of header in a packet of 46.
    dropped(&changed(|f| f[14] = 0x4f), DropReason::IpTotalLength);
}

#[test]
fn r83_options_do_not_stop_data() {
    let f = changed(|f| {
        f[14] = 0x46;
        f.splice(34..34, [0x94, 4, 0, 0]);
        f[16..18].copy_from_slice(&50u16.to_be_bytes());
    });
    assert_eq!(verdict(&f), Verdict::Data { group: 0xef02_0202, len: 64 });
    let mut bad = f;
    bad[36] ^= 1;
    dropped(&bad, DropReason::IpChecksum);
}

#[test]
fn r78_ttl_0_and_1_expire_here() {
    for (ttl, ok) in [(0, false), (1, false), (2, true), (255, true)] {
        let f = changed(|f| f[22] = ttl);
        if ok {
            assert!(matches!(verdict(&f), Verdict::Data { .. }), "ttl {ttl}");
        } else {
            dropped(&f, DropReason::Ttl);
        }
    }
}

#[test]
fn r81_bad_checksum_whoever_checks() {
    let mut f = data();
    f[25] ^= 1;
    dropped(&f, DropReason::IpChecksum);
    assert_eq!(classified(&data(), Checksum::Bad), Verdict::Drop(DropReason::IpChecksum));
    assert!(matches!(classified(&f, Checksum::Good), Verdict::Data { .. }));
}

#[test]
fn r81_f10_version_other_than_4() {
    for version in [0x00, 0x55, 0x65, 0xf5] {
        dropped(&changed(|f| f[14] = version), DropReason::IpVersion);
    }
}

#[test]
fn r81_r98_sources_that_may_not_send() {
    for source in [
        [0, 0, 0, 0],
        [0, 1, 2, 3],
        [127, 0, 0, 1],
        [169, 254, 9, 9],
        [224, 0, 0, 1],
        [239, 2, 2, 2],
        [240, 0, 0, 1],
        [255, 255, 255, 255],
        [10, 0, 0, 1],
        [10, 1, 0, 1],
    ] {
        dropped(&changed(|f| f[26..30].copy_from_slice(&source)), DropReason::SourceAddress);
    }
    for source in [[1, 0, 0, 1], [223, 255, 255, 254], [169, 253, 0, 1], [10, 0, 0, 2]] {
        let f = changed(|f| f[26..30].copy_from_slice(&source));
        assert!(matches!(verdict(&f), Verdict::Data { .. }), "{source:?}");
    }
}

#[test]
fn r88_link_local_groups_are_never_data() {
    for last in [0, 1, 5, 22, 255] {
        let f = changed(|f| {
            f[0..6].copy_from_slice(&[1, 0, 0x5e, 0, 0, last]);
            f[30..34].copy_from_slice(&[224, 0, 0, last]);
        });
        dropped(&f, DropReason::LinkLocalGroup);
    }
    let f = changed(|f| {
        f[0..6].copy_from_slice(&[1, 0, 0x5e, 0, 1, 0]);
        f[30..34].copy_from_slice(&[224, 0, 1, 0]);
    });
    assert!(matches!(verdict(&f), Verdict::Data { .. }));
}

#[test]
fn r79_f12_destination_mac_must_be_the_groups() {
    dropped(&changed(|f| f[0..6].copy_from_slice(&ROUTER.octets())), DropReason::DestinationMac);
    dropped(&changed(|f| f[0..6].fill(0xff)), DropReason::DestinationMac);
    dropped(&changed(|f| f[5] ^= 1), DropReason::DestinationMac);
    // Same MAC, another group: told apart by IP.
    let f = changed(|f| f[30] = 238);
    assert_eq!(verdict(&f), Verdict::Data { group: 0xee02_0202, len: 60 });
}

#[test]
fn f13_source_macs() {
    dropped(&changed(|f| f[6..12].copy_from_slice(&[1, 0, 0x5e, 1, 1, 1])), DropReason::SourceMac);
    dropped(&changed(|f| f[6..12].fill(0xff)), DropReason::SourceMac);
    dropped(&changed(|f| f[6..12].fill(0)), DropReason::SourceMac);
    dropped(&changed(|f| f[6..12].copy_from_slice(&ROUTER.octets())), DropReason::OwnMac);
    dropped(&changed(|f| f[6..12].copy_from_slice(&KERNEL.octets())), DropReason::Outgoing);
}

#[test]
fn r86_f11_tags_and_other_types() {
    for (ethertype, tci, reason) in [
        (0x8100, [0, 5], DropReason::VlanTagged),
        (0x8100, [0xe0, 0], DropReason::PriorityTagged),
        (0x88a8, [0, 5], DropReason::VlanTagged),
        (0x8863, [0x11, 0], DropReason::Pppoe),
        (0x8864, [0x11, 0], DropReason::Pppoe),
        (0x86dd, [0x60, 0], DropReason::Ipv6),
        (0x0806, [0, 1], DropReason::Arp),
        (0x88cc, [0, 0], DropReason::OtherEtherType),
        (0x002e, [0, 0], DropReason::OtherEtherType),
    ] {
        let mut f = data();
        f[12..14].copy_from_slice(&u16::to_be_bytes(ethertype));
        f[14..16].copy_from_slice(&tci);
        dropped(&f, reason);
        dropped(&f[..20], reason);
    }
}

#[test]
fn runts_of_every_length() {
    for len in 0..34 {
        dropped(&data()[..len], DropReason::Runt);
    }
}

#[test]
fn r14_igmp_goes_to_control_whatever_its_destination() {
    for destination in [[224, 0, 0, 1], [239, 2, 2, 2], [10, 0, 0, 1]] {
        let f = changed(|f| {
            f[23] = 2;
            f[30..34].copy_from_slice(&destination);
        });
        assert_eq!(verdict(&f), Verdict::Igmp);
    }
}

#[test]
fn unicast_is_not_ours_to_route() {
    dropped(&changed(|f| f[30..34].copy_from_slice(&[10, 0, 0, 77])), DropReason::NotMulticast);
    dropped(&changed(|f| f[30..34].fill(255)), DropReason::NotMulticast);
}

#[test]
fn r82_fragments_are_data() {
    let f = changed(|f| f[20..22].copy_from_slice(&0x20b9u16.to_be_bytes()));
    assert!(matches!(verdict(&f), Verdict::Data { .. }));
}

proptest! {
    #[test]
    fn never_panics_and_data_fits_the_frame(mut f in proptest::collection::vec(any::<u8>(), 0..128), like_data: bool) {
        if like_data && f.len() >= 34 {
            let good = data();
            f[..16].copy_from_slice(&good[..16]);
            f[30..34].copy_from_slice(&good[30..34]);
            f = with_checksum(f);
        }
        if let Verdict::Data { len, group } = verdict(&f) {
            prop_assert!(len <= f.len() && len >= 34);
            prop_assert_eq!(group >> 28, 0xe);
        }
    }
}
