//! f1 to f22, f26, f33: each bad frame is dropped under its own counter and changes nothing; each legal oddity is
//! taken.
//!
//! # Every fault and its tests
//!
//! A file without a folder is one of these. In each file named, a test's name begins with the fault's, or the
//! fault is a line of a list; other tests are named in full. A test holds this table to that.
//!
//! | fault | what is thrown | tests |
//! |---|---|---|
//! | f1 | IGMP of 0 to 7 bytes | `faults`, `tests/tests/replay/faults` |
//! | f2 | total length beyond the frame, below the header; padding | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f3 | header length, options | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f4 | Router Alert | `faults`, `tests/tests/replay/faults` |
//! | f5 | IGMP checksum | `faults`, `tests/tests/replay/faults` |
//! | f6 | IP checksum | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f7 | fragments | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f8 | TTL | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f9 | TOS | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f10 | another version in an IPv4 frame | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f11 | tags, PPPoE | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults`, `tests/tests/kernel/tagged::r86_tagged_frames_are_dropped_under_their_counters` |
//! | f12 | destination MAC | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f13 | source MAC | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f14 | source address | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f15 | group and destination differ | `faults`, `tests/tests/replay/faults` |
//! | f16 | groups that nobody may join | `faults`, `tests/tests/replay/faults`, `dataplane/forwarding/src/tests/faults` |
//! | f17 | Leaves to the group, of nobody, beside a version 1 host | `faults`, `tests/tests/replay/faults` |
//! | f18 | fields of a query | `faults`, `host::r32_v3_codes_of_128_and_more_are_floating_point_and_a_v2_code_is_literal` |
//! | f19 | queries of other lengths | `faults` |
//! | f20 | source counts | `faults`, `elsewhere::frr_a_source_count_is_not_trusted` |
//! | f21 | record counts, types, auxiliary lengths | `faults`, `v3::r50_a_count_past_the_end_drops_the_message_before_any_change` |
//! | f22 | other types | `faults`, `tests/tests/replay/faults` |
//! | f23 | 9 KiB, several buffers | `v3`, `dataplane/forwarding/src/tests/faults`, `dataplane/dpdk/tests/ports::a_frame_longer_than_a_buffer_is_told_as_chained` |
//! | f24 | a lower querier that flaps | `election`, `tests/tests/replay/load` |
//! | f25 | provider's queriers of all versions | `host` |
//! | f26 | our own frames | `faults`, `elsewhere::juniper_a_looped_control_frame_does_nothing`, `dataplane/forwarding/src/tests/faults`, `tests/tests/kernel/tagged::r12_our_own_mac_coming_in_is_dropped_and_warned_about` |
//! | f27 | a stream on a client port, on two ports | `dataplane/forwarding/src/tests/faults`, `tests/tests/replay/load` |
//! | f28 | UDP lengths, other protocols | `dataplane/forwarding/src/tests/faults` |
//! | f29 | 10,000 joins a second of one host | `load`, `tests/tests/replay/load` |
//! | f30 | 1,000 hosts, 100 groups each, one instant | `load` |
//! | f31 | joined and left 1,000 times a second | `leaves`, `control/src/events`, `tests/tests/replay/load::f29_f31_a_client_that_zaps_a_thousand_times_a_second_disturbs_nobody` |
//! | f32 | more groups than the port's share, the table | `load`, `control/src/tests/load`, `control/src/tests/members::a_full_table_refuses_counts_and_says_so`, `dataplane/dpdk/tests/ports::filters_fall_back_as_far_as_the_driver_makes_them` |
//! | f33 | spoofed hosts | `faults`, `fast_leave`, `control/igmp/src/hosts` |
//! | f34 | a flood beside joins | `control/src/tests/load`, `control/src/tests/thread`, `tests/tests/replay/live` |
//! | f35 | line rate of what nobody wants | `dataplane/forwarding/src/tests/faults`, `tests/tests/replay/load`, `tests/tests/replay/live` |
//! | f36 | links, ports, MTU | `lifecycle`, `links::r93_a_link_that_is_back_in_time_ends_the_hold`, `tests/tests/kernel/carrier::r34_a_port_without_carrier_gets_nothing_and_no_stale_frame_when_it_returns`, `tests/tests/kernel/comeback::r99_an_interfaces_mtu_is_followed_while_streams_run` |
//! | f37 | no buffers, a full transmit ring | `dataplane/dpdk/tests/ports`, `tests/tests/kernel/slow`, `dataplane/dpdk/tests/ports::what_a_full_queue_refuses_is_freed_and_counted` |
//! | f38 | worker or control stopped, clock jump | `load`, `leaves::r41_hosts_have_their_interval_to_answer_a_query_that_went_out_late`, `control/src/tests/thread::while_the_worker_is_behind_frames_stay_in_their_bounded_rings`, `dataplane/group-table/src/tests::a_reader_that_stands_still_costs_bounded_memory` |
//! | f39 | SIGKILL, state files, full disk | `control/settings/tests/live_file`, `control/links/tests/namespaces/guard::damaged_and_foreign_state_files_do_not_stop_a_start`, `tests/tests/kernel/guard::after_a_kill_the_next_run_takes_over_and_its_end_restores_everything` |
//! | f40 | hugepages, sockets, two instances | `tests/tests/bad_input/machine::hugepages_required_and_not_there`, `control/src/tests/server::what_a_dead_process_left_is_replaced`, `tests/tests/kernel/instances::an_instance_or_an_interface_that_is_in_use_is_refused` |
//! | f41 | drivers that lack something | `dataplane/dpdk/tests/ports::filters_fall_back_as_far_as_the_driver_makes_them`, `dataplane/dpdk/tests/ports::several_queues_each_way`, `control/links/tests/namespaces/watch::carrier_comes_and_goes_with_the_peer` |
//! | f42 | reload under joins | `lifecycle`, `control/src/tests/configuration`, `tests/tests/kernel/reload` |
//! | f43 | slow and hostile clients, a blocked journal | `control/src/lines`, `control/src/tests/server::a_client_that_never_reads_costs_the_others_nothing_and_is_cut_off`, `tests/tests/bad_input/socket::a_hostile_client_is_answered_or_shut_out_and_hurts_nobody` |
//! | f44 | privileges | `tests/tests/bad_input/machine::no_privilege`, `control/links/tests/namespaces/inspect::without_the_capability_it_is_named`, `tests/tests/kernel/capabilities::two_capabilities_are_enough` |
//!
//! What went wrong in other routers and proxies is in `elsewhere`, and in `control/src/tests/elsewhere` where it
//! takes more than this crate.
//!
//! Not tried, for want of the hardware: a NIC's own multicast filter that overflows (f32; the fall-back to all
//! multicast is), a wrong NUMA node (f40), link interrupts and checksum offload of a NIC (f41), a vfio device of
//! another owner and its locked memory (f44).

use igmp::{Verdict, VerdictClass};
use types::MacAddr;

use crate::bench::{A, Bench, WAN};
use crate::raw::{
    HOST_MAC, ROUTER_MAC, Raw, TO_EX, checksum, group, join, join_v1, leave, query, query_v3, report_v3,
};

const G: &str = "239.2.2.2";
/// A group with a member on port A.
const JOINED: &str = "239.1.1.1";
/// A group with a version 1 host on port A.
const V1_JOINED: &str = "239.1.1.3";

fn bench() -> Bench {
    let mut bench = Bench::new();
    bench.receive(A, &join(JOINED));
    bench.receive(A, &join_v1(V1_JOINED));
    bench.run_to(20_000);
    bench
}

/// Each gets its verdict, and nothing else comes of it.
#[track_caller]
fn refused(on: usize, cases: impl IntoIterator<Item = (Raw, Verdict)>) {
    for (raw, verdict) in cases {
        refused_bytes(on, &raw.bytes(), verdict);
    }
}

#[track_caller]
fn refused_bytes(on: usize, frame: &[u8], verdict: Verdict) {
    let mut bench = bench();
    let before = bench.state();
    assert_eq!(bench.receive_bytes(on, frame), verdict, "{frame:02x?}");
    assert_ne!(verdict.class(), VerdictClass::Taken);
    assert_eq!(bench.state(), before, "{verdict:?}");
}

#[track_caller]
fn taken(on: usize, raw: &Raw, verdict: Verdict) {
    assert_eq!(verdict.class(), VerdictClass::Taken);
    assert_eq!(bench().receive(on, raw), verdict);
}

#[test]
fn f1_igmp_of_0_to_7_bytes_and_every_shorter_frame() {
    for len in 0..8 {
        let short = |raw: Raw| raw.with(|r| r.igmp.truncate(len));
        refused(
            A,
            [join(G), leave(JOINED), report_v3(&[(TO_EX, G, 0)])].map(|r| (short(r), Verdict::IgmpLength)),
        );
        refused(WAN, [(short(query(100, "0.0.0.0")), Verdict::IgmpLength)]);
    }
    let whole = join(G).bytes();
    for len in 0..whole.len() {
        let verdict = match len {
            ..34 => Verdict::Truncated,
            34..38 => Verdict::IpHeaderLength,
            _ => Verdict::IpTotalLength,
        };
        refused_bytes(A, &whole[..len], verdict);
    }
}

#[test]
fn f2_total_length_beyond_the_frame_below_the_header_or_a_frame_padded_with_junk() {
    for total_len in [0, 1, 19, 20, 23, 33, 1500, 0xffff] {
        refused(A, [(join(G).with(|r| r.total_len = Some(total_len)), Verdict::IpTotalLength)]);
    }
    for total_len in 24..32 {
        refused(A, [(join(G).with(|r| r.total_len = Some(total_len)), Verdict::IgmpLength)]);
    }
    for padding in [vec![0xff; 1], vec![0x5a; 14], vec![0; 1400]] {
        taken(A, &join(G).with(|r| r.padding = padding), Verdict::Joined);
    }
}

#[test]
fn f3_header_length_and_options() {
    for ihl in 0..5 {
        refused(A, [(join(G).with(|r| r.ihl = Some(ihl)), Verdict::IpHeaderLength)]);
    }
    refused(A, [(join(G).with(|r| r.ihl = Some(15)), Verdict::IpHeaderLength)]);
    // Enough bytes for a header of 60, but they lie past the total length.
    let mut beyond = join(G).with(|r| (r.ihl, r.padding) = (Some(15), vec![0; 60])).bytes();
    beyond[24..26].fill(0);
    let sum = checksum(&beyond[14..74]);
    beyond[24..26].copy_from_slice(&sum.to_be_bytes());
    refused_bytes(A, &beyond, Verdict::IpTotalLength);
    let bad_options: [&[u8]; 6] = [
        &[7, 0, 0, 0],
        &[7, 1, 0, 0],
        &[7, 5, 0, 0],
        &[1, 1, 1, 7],
        &[0x94, 4, 0, 0, 7, 9, 0, 0],
        &[7, 255, 0, 0],
    ];
    for options in bad_options {
        refused(A, [(join(G).with(|r| r.options = options.to_vec()), Verdict::IpOptions)]);
    }
    taken(A, &join(G).with(|r| r.options = [7, 39, 4].into_iter().chain([0; 37]).collect()), Verdict::Joined);
}

#[test]
fn f4_router_alert_missing_with_a_value_or_of_length_3() {
    taken(A, &join(G).with(|r| r.options.clear()), Verdict::Joined);
    taken(A, &join(G).with(|r| r.options = vec![0x94, 4, 0, 1]), Verdict::Joined);
    for options in [[0x94, 3, 0, 0], [0x94, 2, 0, 0], [0x94, 0, 0, 0], [0x94, 5, 0, 0]] {
        refused(A, [(join(G).with(|r| r.options = options.to_vec()), Verdict::IpOptions)]);
    }
}

#[test]
fn f5_igmp_checksum_wrong_zero_or_summed_without_what_follows() {
    let good = checksum(&join(G).igmp);
    for bad in [0, 0xffff, !good, good ^ 1] {
        refused(A, [(join(G).with(|r| r.igmp_checksum = Some(bad)), Verdict::IgmpChecksum)]);
    }
    let longer = join(G).with(|r| r.igmp.extend([9; 14]));
    refused(A, [(longer.with(|r| r.igmp_checksum = Some(good)), Verdict::IgmpChecksum)]);
    let records = report_v3(&[(TO_EX, G, 0)]);
    let header_only = checksum(&records.igmp[..8]);
    refused(A, [(records.with(|r| r.igmp_checksum = Some(header_only)), Verdict::IgmpChecksum)]);
}

#[test]
fn f6_ip_checksum_wrong() {
    for bad in [0, 0xffff, 0x1234] {
        refused(A, [(join(G).with(|r| r.ip_checksum = Some(bad)), Verdict::IpChecksum)]);
    }
    // Any single bit of the header, the options included.
    let whole = join(G).bytes();
    for bit in 0..24 * 8 {
        let mut frame = whole.clone();
        frame[14 + bit / 8] ^= 0x80 >> (bit % 8);
        assert_eq!(bench().receive_bytes(A, &frame).class(), VerdictClass::Dropped, "bit {bit}");
    }
}

#[test]
fn f7_fragments_of_igmp() {
    // First, middle, last, tiny, with the reserved bit.
    for fragment in [0x2000, 0x2001, 0x0001, 0x1fff, 0x3fff, 0x6000, 0xa000] {
        refused(
            A,
            [
                (join(G).with(|r| r.fragment = fragment), Verdict::Fragment),
                (join(G).with(|r| (r.fragment, r.igmp) = (fragment, vec![0x16])), Verdict::Fragment),
            ],
        );
    }
    taken(A, &join(G).with(|r| r.fragment = 0), Verdict::Joined);
    taken(A, &join(G).with(|r| r.fragment = 0x4000), Verdict::Joined);
}

#[test]
fn f8_ttl_0_2_and_255() {
    for ttl in [0, 2, 255] {
        refused(A, [(join(G).with(|r| r.ttl = ttl), Verdict::Ttl)]);
        refused(WAN, [(query(100, JOINED).with(|r| r.ttl = ttl), Verdict::Ttl)]);
    }
}

#[test]
fn f9_any_tos() {
    for tos in 0..=255 {
        taken(A, &join(G).with(|r| r.tos = tos), Verdict::Joined);
    }
}

#[test]
fn f10_another_version_under_ethertype_0800() {
    for version in (0..16).filter(|version| *version != 4) {
        refused(A, [(join(G).with(|r| r.version = version), Verdict::IpVersion)]);
    }
}

#[test]
fn f11_igmp_in_other_ethertypes() {
    for ether_type in [0x8100, 0x88a8, 0x8863, 0x8864, 0x86dd, 0x0806, 0x8847, 46] {
        refused(A, [(join(G).with(|r| r.ether_type = ether_type), Verdict::NotIpv4)]);
    }
}

#[test]
fn f12_unicast_mac_or_another_groups() {
    for mac in
        [HOST_MAC, MacAddr::BROADCAST, MacAddr::ZERO, group("239.2.2.3").mac(), group("224.0.0.1").mac()]
    {
        refused(A, [(join(G).with(|r| r.destination_mac = Some(mac)), Verdict::DestinationMac)]);
        refused(WAN, [(query(100, JOINED).with(|r| r.destination_mac = Some(mac)), Verdict::DestinationMac)]);
    }
    // 238.130.2.2 has the same MAC.
    assert_eq!(group("238.130.2.2").mac(), group(G).mac());
    taken(A, &join(G).with(|r| r.destination_mac = Some(group("238.130.2.2").mac())), Verdict::Joined);
}

#[test]
fn f13_multicast_broadcast_zero_and_our_own_source_mac() {
    let cases = [
        (group(G).mac(), Verdict::SourceMac),
        (MacAddr::BROADCAST, Verdict::SourceMac),
        (MacAddr::ZERO, Verdict::SourceMac),
    ];
    refused(A, cases.map(|(mac, verdict)| (join(G).with(|r| r.source_mac = mac), verdict)));
    let mut bench = bench();
    let before = bench.state();
    assert_eq!(bench.receive(A, &join(G).with(|r| r.source_mac = ROUTER_MAC)), Verdict::OwnMac);
    assert_eq!(bench.state(), before);
}

#[test]
fn f14_sources() {
    taken(A, &join(G).from("0.0.0.0"), Verdict::Joined);
    taken(A, &join(G).from("192.0.2.1"), Verdict::Joined);
    for source in ["255.255.255.255", "224.0.0.1", "239.2.2.2", "127.0.0.1", "10.1.0.255"] {
        refused(A, [(join(G).from(source), Verdict::SourceAddress)]);
    }
    refused(
        A,
        [
            (join(G).from("10.1.0.1"), Verdict::OwnAddress),
            (leave(JOINED).from("10.1.0.1"), Verdict::OwnAddress),
        ],
    );
}

#[test]
fn f15_group_field_and_destination_differ() {
    refused(
        A,
        [
            (join(G).to(JOINED), Verdict::Destination),
            (join_v1(JOINED).to(G), Verdict::Destination),
            (leave(JOINED).to(G), Verdict::Destination),
            (query(10, JOINED).to(G), Verdict::Destination),
        ],
    );
    refused(WAN, [(query(10, JOINED).to(G), Verdict::Destination)]);
}

#[test]
fn f16_groups_that_nobody_may_join() {
    for bad in ["0.0.0.0", "255.255.255.255", "10.1.1.1", "240.0.0.0"] {
        refused(A, [(join(bad).to(G), Verdict::NotMulticast), (leave(bad), Verdict::NotMulticast)]);
        refused(A, [(report_v3(&[(TO_EX, bad, 0)]), Verdict::NoEffect)]);
    }
    for bad in ["224.0.0.0", "224.0.0.1", "224.0.0.2", "224.0.0.22", "224.0.0.251"] {
        refused(A, [(join(bad), Verdict::LinkLocalGroup), (join_v1(bad), Verdict::LinkLocalGroup)]);
    }
}

#[test]
fn f17_leaves() {
    taken(A, &leave(JOINED).to(JOINED), Verdict::LeaveTaken);
    refused(
        A,
        [
            (leave("239.77.7.7"), Verdict::LeaveNoMember),
            (leave(V1_JOINED), Verdict::LeaveV1Host),
            (leave("239.255.255.250"), Verdict::LocalGroup),
        ],
    );
    refused(WAN, [(leave(JOINED), Verdict::ForeignLeave)]);
}

#[test]
fn f18_query_codes_and_fields() {
    for code in 0..=255 {
        taken(WAN, &query(code, "0.0.0.0"), Verdict::QueryAnswered);
        for (flags_and_qrv, qqic) in [(0, 0), (7, 255), (8, 128), (0xff, 1)] {
            let raw = query_v3(code, JOINED, &[]).with(|r| (r.igmp[8], r.igmp[9]) = (flags_and_qrv, qqic));
            taken(WAN, &raw, Verdict::QueryAnswered);
            // From an address above ours: whatever is in it, we stay querier and nobody is asked to answer.
            refused(A, [(raw.from("10.1.0.254"), Verdict::QueryHeard)]);
        }
        refused(A, [(query(code, "0.0.0.0").from("10.1.0.254"), Verdict::QueryHeard)]);
    }
}

#[test]
fn f19_queries_of_9_to_11_bytes_and_general_ones_with_sources() {
    for len in 9..12 {
        let raw = query_v3(100, "0.0.0.0", &[]).with(|r| r.igmp.truncate(len));
        refused(WAN, [(raw.clone(), Verdict::QueryLength)]);
        refused(A, [(raw.from("10.1.0.9"), Verdict::QueryLength)]);
    }
    refused(WAN, [(query_v3(100, "0.0.0.0", &["10.1.1.1"]), Verdict::QuerySources)]);
}

#[test]
fn f20_source_count_too_high_and_trailing_bytes() {
    let two = ["10.1.1.1", "10.1.1.2"];
    for count in [3u16, 4, 0x00ff, 0xffff] {
        let lying =
            query_v3(100, JOINED, &two).with(|r| r.igmp[10..12].copy_from_slice(&count.to_be_bytes()));
        refused(WAN, [(lying, Verdict::QueryLength)]);
    }
    taken(WAN, &query_v3(100, JOINED, &two).with(|r| r.igmp.extend([1; 7])), Verdict::QueryAnswered);
    let group_0 = query_v3(100, "0.0.0.0", &two).with(|r| r.igmp[10..12].fill(0xff));
    refused(WAN, [(group_0, Verdict::QueryLength)]);
}

#[test]
fn f21_record_count_type_auxiliary_length_no_records() {
    let one = || report_v3(&[(TO_EX, G, 0)]);
    refused(
        A,
        [
            (one().with(|r| r.igmp[6..8].fill(0xff)), Verdict::RecordLength),
            (one().with(|r| r.igmp[9] = 255), Verdict::RecordLength),
            (one().with(|r| r.igmp[10..12].fill(0xff)), Verdict::RecordLength),
            (report_v3(&[]), Verdict::NoEffect),
        ],
    );
    for kind in [0, 7, 8, 255] {
        refused(A, [(one().with(|r| r.igmp[8] = kind), Verdict::NoEffect)]);
    }
}

#[test]
fn f22_other_types() {
    for kind in [0x00, 0x13, 0x14, 0x1e, 0x1f, 0x30, 0x31, 0x32, 0xff] {
        for on in [A, WAN] {
            refused(on, [(join(G).with(|r| r.igmp[0] = kind), Verdict::UnknownType)]);
        }
    }
}

#[test]
fn f26_our_own_frames_looped_back_on_any_port() {
    let mut bench = bench();
    bench.receive(A, &leave(JOINED));
    bench.receive(WAN, &query(100, "0.0.0.0"));
    let before = bench.state();
    for frame in our_frames(JOINED) {
        for on in [A, WAN] {
            assert_eq!(bench.receive_bytes(on, &frame), Verdict::OwnMac);
        }
    }
    assert_eq!(bench.state(), before);
}

/// One of each frame that we send, about `of`.
pub(crate) fn our_frames(of: &str) -> Vec<Vec<u8>> {
    use igmp::wire::{Outgoing, emit};
    let group = group(of);
    [
        Outgoing::GeneralQuery { max_resp_ds: 100 },
        Outgoing::GroupQuery { group, max_resp_ds: 10 },
        Outgoing::ReportV1(group),
        Outgoing::ReportV2(group),
        Outgoing::Leave(group),
    ]
    .map(|message| emit(message, ROUTER_MAC, "10.0.0.1".parse().unwrap(), 7).as_slice().to_vec())
    .to_vec()
}

#[test]
fn f33_spoofed_sources_grow_nothing() {
    let mut bench = bench();
    for i in 0..2000u32 {
        let source = std::net::Ipv4Addr::from(0x0a01_0002 + i % 200 + (i / 200) * 65536);
        let raw = join(JOINED).with(|r| {
            r.source = source;
            r.source_mac = MacAddr([2, 9, 0, 0, (i >> 8) as u8, i as u8]);
        });
        assert_eq!(bench.receive(A, &raw), Verdict::Refreshed);
    }
    assert_eq!(bench.proxy.groups().count(), 2);
}
