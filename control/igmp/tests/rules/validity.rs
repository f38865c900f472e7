//! r1 to r15, r89, r90: what is taken and what is dropped, on either kind of port.

use igmp::{ReceivedType, Verdict, VerdictClass};
use types::MacAddr;

use crate::bench::{A, Bench, WAN, port};
use crate::raw::{HOST_MAC, ROUTER_MAC, Raw, join, join_v1, leave, query, query_v3, report_v3};

const G: &str = "239.2.2.2";

/// The frame gets the verdict, and nothing but its counter changes.
#[track_caller]
fn dropped(on: usize, raw: &Raw, verdict: Verdict) {
    let mut bench = Bench::new();
    bench.receive(A, &join("239.9.9.9"));
    let before = bench.state();
    assert_eq!(bench.receive(on, raw), verdict);
    assert_ne!(verdict.class(), VerdictClass::Taken);
    assert_eq!(bench.state(), before);
}

/// The report makes a member.
#[track_caller]
fn joins(raw: &Raw) {
    assert_eq!(Bench::new().receive(A, raw), Verdict::Joined);
}

#[test]
fn r1_a_ttl_other_than_1_is_dropped_unless_the_port_takes_it() {
    for ttl in [0, 2, 64, 255] {
        dropped(A, &join(G).with(|r| r.ttl = ttl), Verdict::Ttl);
        dropped(WAN, &query(100, "0.0.0.0").with(|r| r.ttl = ttl), Verdict::Ttl);
        let mut lax = Bench::with(|c| c.any_ttl = true, |u| u.any_ttl = true);
        assert_eq!(lax.receive(A, &join(G).with(|r| r.ttl = ttl)), Verdict::Joined);
        assert_eq!(lax.receive(WAN, &query(100, "0.0.0.0").with(|r| r.ttl = ttl)), Verdict::QueryAnswered);
    }
}

#[test]
fn r2_router_alert_is_required_only_where_the_port_says_so() {
    let without = join(G).with(|r| r.options.clear());
    let with_value = join(G).with(|r| r.options = vec![0x94, 4, 0, 1]);
    let after_nops = join(G).with(|r| r.options = vec![1, 1, 1, 1, 0x94, 4, 0, 0]);
    let after_end = join(G).with(|r| r.options = vec![0, 0, 0, 0, 0x94, 4, 0, 0]);
    for raw in [&without, &with_value, &after_nops, &after_end] {
        joins(raw);
    }
    let strict = || Bench::with(|c| c.require_router_alert = true, |u| u.require_router_alert = true);
    for raw in [&without, &with_value, &after_end] {
        assert_eq!(strict().receive(A, raw), Verdict::RouterAlert);
    }
    assert_eq!(strict().receive(A, &after_nops), Verdict::Joined);
    let query = query(100, "0.0.0.0").with(|r| r.options.clear());
    assert_eq!(strict().receive(WAN, &query), Verdict::RouterAlert);
}

#[test]
fn r3_any_tos_is_taken() {
    for tos in [0, 0x10, 0xb8, 0xff] {
        joins(&join(G).with(|r| r.tos = tos));
    }
}

#[test]
fn r4_the_checksum_covers_the_whole_payload() {
    for sum in [0, 0xffff, 0x1234] {
        dropped(A, &join(G).with(|r| r.igmp_checksum = Some(sum)), Verdict::IgmpChecksum);
    }
    let long = join(G).with(|r| r.igmp.extend([0xaa; 13]));
    joins(&long);
    // Right over the first 8 bytes only.
    let first_8 = crate::raw::checksum(&join(G).igmp);
    dropped(A, &long.with(|r| r.igmp_checksum = Some(first_8)), Verdict::IgmpChecksum);
}

#[test]
fn r5_at_least_8_bytes_and_what_follows_is_not_read() {
    for len in 0..8 {
        dropped(A, &join(G).with(|r| r.igmp.truncate(len)), Verdict::IgmpLength);
    }
    for raw in [join(G), join_v1(G)] {
        for extra in [1, 2, 9, 1000] {
            joins(&raw.clone().with(|r| r.igmp.extend(vec![0x5a; extra])));
        }
    }
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &leave(G).with(|r| r.igmp.extend([1; 5]))), Verdict::LeaveTaken);
}

#[test]
fn r6_the_total_length_decides_not_the_frame() {
    // 60 bytes of Ethernet, with junk for padding.
    joins(&join(G).with(|r| r.padding = vec![0xff; 14]));
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    let padded = query(100, "0.0.0.0").with(|r| r.padding = vec![0xff; 14]);
    assert_eq!(bench.receive(WAN, &padded), Verdict::QueryAnswered);
    let counters = bench.proxy.counters(port(WAN));
    assert_eq!((counters.received(ReceivedType::QueryV2), counters.received(ReceivedType::QueryV3)), (1, 0));
}

#[test]
fn r7_other_types_are_counted_and_nothing_more() {
    for kind in (0..=255u8).filter(|kind| ![0x11, 0x12, 0x16, 0x17, 0x22].contains(kind)) {
        for on in [A, WAN] {
            dropped(on, &join(G).with(|r| r.igmp[0] = kind), Verdict::UnknownType);
        }
    }
    let mut bench = Bench::new();
    bench.receive(A, &join(G).with(|r| r.igmp[0] = 0x1e));
    assert_eq!(bench.proxy.counters(port(A)).received(ReceivedType::Other), 1);
}

#[test]
fn r8_max_resp_time_of_a_report_or_leave_is_ignored() {
    joins(&join(G).with(|r| r.igmp[1] = 255));
    let mut bench = Bench::new();
    bench.receive(A, &join_v1("239.1.1.1").with(|r| r.igmp[1] = 7));
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &leave(G).with(|r| r.igmp[1] = 9)), Verdict::LeaveTaken);
    assert!(bench.forwards(A, "239.1.1.1"));
}

#[test]
fn r9_the_group_is_routable_multicast() {
    for bad in ["0.0.0.0", "10.1.1.1", "223.255.255.255", "240.0.0.0", "255.255.255.255"] {
        dropped(A, &join(bad).to(G), Verdict::NotMulticast);
        dropped(A, &leave(bad), Verdict::NotMulticast);
    }
    for bad in ["224.0.0.0", "224.0.0.1", "224.0.0.22", "224.0.0.255"] {
        dropped(A, &join(bad), Verdict::LinkLocalGroup);
        dropped(A, &join_v1(bad), Verdict::LinkLocalGroup);
        dropped(A, &leave(bad), Verdict::LinkLocalGroup);
        dropped(A, &report_v3(&[(4, bad, 0)]), Verdict::NoEffect);
    }
    for good in ["224.0.1.0", "232.1.1.1", "239.255.255.255"] {
        joins(&join(good));
    }
}

#[test]
fn r10_reports_from_nowhere_and_from_off_link_are_taken() {
    joins(&join(G).from("0.0.0.0"));
    joins(&join(G).from("192.0.2.7"));
    let mut strict = Bench::with(|c| c.require_on_link_source = true, |_| {});
    assert_eq!(strict.receive(A, &join(G).from("10.2.0.9")), Verdict::OffLink);
    assert_eq!(strict.receive(A, &join(G).from("0.0.0.0")), Verdict::Joined);
    assert_eq!(strict.receive(A, &join(G).from("10.1.0.200")), Verdict::Refreshed);
}

#[test]
fn r11_a_report_goes_to_its_group_or_to_us() {
    joins(&join(G).to("10.1.0.1"));
    joins(&join_v1(G).to("10.1.0.1"));
    joins(&report_v3(&[(4, G, 0)]));
    joins(&report_v3(&[(4, G, 0)]).to("10.1.0.1"));
    joins(&join(G).with(|r| r.destination_mac = Some(ROUTER_MAC)));
    for bad in
        ["224.0.0.1", "224.0.0.2", "224.0.0.22", "239.2.2.3", "10.1.0.2", "10.2.0.1", "255.255.255.255"]
    {
        dropped(A, &join(G).to(bad), Verdict::Destination);
        dropped(A, &join_v1(G).to(bad), Verdict::Destination);
    }
    for bad in ["224.0.0.1", G, "10.1.0.2"] {
        dropped(A, &report_v3(&[(4, G, 0)]).to(bad), Verdict::Destination);
    }
    // On the provider's side only a report to its own group counts.
    dropped(WAN, &join("239.9.9.9").to("10.0.0.1"), Verdict::Destination);
}

#[test]
fn r11_the_destination_mac_is_the_groups_or_ours() {
    let others =
        [MacAddr::BROADCAST, HOST_MAC, MacAddr([1, 0, 0x5e, 2, 2, 3]), MacAddr([1, 0, 0x5e, 0, 0, 1])];
    for mac in others {
        dropped(A, &join(G).with(|r| r.destination_mac = Some(mac)), Verdict::DestinationMac);
    }
    let to_us = join(G).to("10.1.0.1");
    dropped(A, &to_us.with(|r| r.destination_mac = Some(MacAddr::BROADCAST)), Verdict::DestinationMac);
}

#[test]
fn r12_a_source_that_no_station_has_is_dropped() {
    for mac in [MacAddr::BROADCAST, MacAddr([1, 0, 0x5e, 2, 2, 2]), MacAddr::ZERO] {
        dropped(A, &join(G).with(|r| r.source_mac = mac), Verdict::SourceMac);
    }
    for source in ["224.0.0.1", G, "255.255.255.255", "127.0.0.1", "0.1.2.3", "10.1.0.255"] {
        dropped(A, &join(G).from(source), Verdict::SourceAddress);
    }
    dropped(WAN, &query(100, "0.0.0.0").from("10.0.0.255"), Verdict::SourceAddress);
    for (on, own) in [(A, "10.1.0.1"), (A, "10.0.0.1"), (A, "10.2.0.1")] {
        dropped(on, &join(G).from(own), Verdict::OwnAddress);
    }
    dropped(WAN, &query(100, "0.0.0.0").from("10.0.0.1"), Verdict::OwnAddress);
    // Somebody else's broadcast address is a plain off-link source here.
    joins(&join(G).from("192.168.0.255"));
}

#[test]
fn r12_ports_without_an_address_do_not_own_0_0_0_0() {
    let mut bench = Bench::with(|c| c.address = None, |u| u.address = None);
    assert_eq!(bench.receive(A, &join(G).from("0.0.0.0")), Verdict::Joined);
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0").from("0.0.0.0")), Verdict::QueryAnswered);
    assert_eq!(bench.receive(A, &join("239.3.3.3").to("0.0.0.0")), Verdict::Destination);
}

#[test]
fn r12_our_own_mac_is_told_once_a_minute_and_port() {
    let looped = join(G).with(|r| r.source_mac = ROUTER_MAC);
    dropped_without_a_trace(&looped);
}

fn dropped_without_a_trace(looped: &Raw) {
    let mut bench = Bench::new();
    let before = bench.state();
    for on in [A, WAN] {
        assert_eq!(bench.receive(on, looped), Verdict::OwnMac);
    }
    assert_eq!((bench.state(), bench.events.len()), (before, 0));
}

#[test]
fn r13_the_port_is_the_one_the_frame_came_in_by() {
    let mut bench = Bench::new();
    // A source of the other port's network.
    assert_eq!(bench.receive(A, &join(G).from("10.2.0.9")), Verdict::Joined);
    assert!(bench.forwards(A, G) && !bench.forwards(crate::bench::B, G));
}

#[test]
fn r14_igmp_brings_forth_nothing_but_our_own_messages() {
    // Every type on every port: what goes out is ours by its source MAC and address, which the bench
    // checks, and nothing goes to a client port for what came from the provider.
    let mut bench = Bench::new();
    let since = bench.sent.len();
    for raw in [query(100, "0.0.0.0"), query_v3(100, "0.0.0.0", &[]), join(G), join_v1(G), leave(G)] {
        bench.receive(WAN, &raw.from("10.0.0.9"));
    }
    assert_eq!(bench.sent.len(), since);
}

#[test]
fn r15_broken_packets_are_dropped_by_reason() {
    dropped(A, &join(G).with(|r| r.fragment = 0x2000), Verdict::Fragment);
    dropped(A, &join(G).with(|r| r.fragment = 0x0001), Verdict::Fragment);
    dropped(A, &join(G).with(|r| r.total_len = Some(33)), Verdict::IpTotalLength);
    dropped(A, &join(G).with(|r| r.protocol = 17), Verdict::NotIgmp);
}

#[test]
fn r31_the_version_of_a_query_is_told_by_its_length() {
    let received = |raw: &Raw| {
        let mut bench = Bench::new();
        bench.receive(A, &join(G));
        let verdict = bench.receive(WAN, raw);
        let counters = bench.proxy.counters(port(WAN));
        let kinds = [ReceivedType::QueryV1, ReceivedType::QueryV2, ReceivedType::QueryV3];
        (verdict, kinds.map(|kind| counters.received(kind)))
    };
    assert_eq!(received(&query(0, "0.0.0.0")), (Verdict::QueryAnswered, [1, 0, 0]));
    assert_eq!(received(&query(1, "0.0.0.0")), (Verdict::QueryAnswered, [0, 1, 0]));
    assert_eq!(received(&query_v3(1, "0.0.0.0", &[])), (Verdict::QueryAnswered, [0, 0, 1]));
    assert_eq!(received(&query_v3(1, G, &["10.9.9.9"])), (Verdict::QueryAnswered, [0, 0, 1]));
    // RFC 9776, section 4.1, Additional Data: bytes after the last source are summed and not read.
    let longer = query_v3(1, G, &["10.9.9.9"]).with(|r| r.igmp.extend([7; 3]));
    assert_eq!(received(&longer), (Verdict::QueryAnswered, [0, 0, 1]));
    for len in 9..12 {
        let short = query_v3(100, "0.0.0.0", &[]).with(|r| r.igmp.truncate(len));
        assert_eq!(received(&short), (Verdict::QueryLength, [0; 3]));
    }
    let one_missing = query_v3(100, G, &["10.9.9.9", "10.9.9.8"]).with(|r| r.igmp.truncate(19));
    assert_eq!(received(&one_missing), (Verdict::QueryLength, [0; 3]));
    assert_eq!(received(&query_v3(100, "0.0.0.0", &["10.9.9.9"])), (Verdict::QuerySources, [0; 3]));
}

#[test]
fn r89_a_querys_group_is_none_or_multicast() {
    for bad in ["10.1.1.1", "240.0.0.1", "255.255.255.255"] {
        dropped(WAN, &query(100, bad).to("224.0.0.1"), Verdict::QueryGroup);
        dropped(A, &query_v3(100, bad, &[]).to("224.0.0.1").from("10.1.0.9"), Verdict::QueryGroup);
    }
}

#[test]
fn r90_a_query_goes_to_all_systems_its_group_or_us() {
    let answered = |raw: &Raw| {
        let mut bench = Bench::new();
        bench.receive(A, &join(G));
        bench.receive(WAN, raw)
    };
    for to in ["224.0.0.1", "10.0.0.1"] {
        assert_eq!(answered(&query(100, "0.0.0.0").to(to)), Verdict::QueryAnswered);
        assert_eq!(answered(&query(0, "0.0.0.0").to(to)), Verdict::QueryAnswered);
    }
    for to in ["224.0.0.1", "10.0.0.1", G] {
        assert_eq!(answered(&query(100, G).to(to)), Verdict::QueryAnswered);
        assert_eq!(answered(&query_v3(100, G, &["10.9.9.9"]).to(to)), Verdict::QueryAnswered);
    }
    for to in ["224.0.0.2", "224.0.0.22", "239.2.2.3", "10.0.0.2", "10.1.0.1"] {
        assert_eq!(answered(&query(100, "0.0.0.0").to(to)), Verdict::Destination);
        assert_eq!(answered(&query(100, G).to(to)), Verdict::Destination);
    }
    assert_eq!(answered(&query(100, "0.0.0.0").to(G)), Verdict::Destination);
    assert_eq!(answered(&query(0, G)), Verdict::Destination);
}
