//! r50: what the records of an IGMPv3 report mean to a router that keeps no sources.

use igmp::{MemberState, Verdict, Version};

use crate::bench::{A, Bench, port};
use crate::raw::{ALLOW, BLOCK, IS_EX, IS_IN, Raw, TO_EX, TO_IN, join, join_v1, report_v3};

const G: &str = "239.2.2.2";

/// A bench with a member of `G` on port A, and how many messages were sent.
fn with_member() -> (Bench, usize) {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.run_to(20_000);
    let since = bench.sent.len();
    (bench, since)
}

#[test]
fn r50_records_that_join() {
    for (kind, sources) in
        [(IS_EX, 0), (IS_EX, 3), (TO_EX, 0), (TO_EX, 3), (ALLOW, 1), (IS_IN, 1), (TO_IN, 2)]
    {
        let mut bench = Bench::new();
        assert_eq!(bench.receive(A, &report_v3(&[(kind, G, sources)])), Verdict::Joined);
        let view = bench.proxy.groups().next().unwrap();
        assert_eq!((view.last_reporter.unwrap().version, view.state), (Version::V3, MemberState::Present));
        assert_eq!(bench.receive(A, &report_v3(&[(kind, G, sources)])), Verdict::Refreshed);
    }
}

#[test]
fn r50_to_in_without_sources_is_a_leave() {
    let (mut bench, since) = with_member();
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveTaken);
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveRepeated);
    bench.run(5000);
    assert_eq!(bench.group_queries_since(since, A), [20_000, 21_000]);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveNoMember);
    bench.receive(A, &join_v1(G));
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveV1Host);
}

#[test]
fn r50_records_that_do_nothing() {
    let nothing: [(u8, u16); 7] = [(IS_IN, 0), (ALLOW, 0), (0, 0), (7, 0), (7, 2), (255, 1), (BLOCK, 1)];
    for (kind, sources) in nothing {
        let mut bench = Bench::new();
        let before = bench.state();
        assert_eq!(bench.receive(A, &report_v3(&[(kind, G, sources)])), Verdict::NoEffect);
        assert_eq!(bench.state(), before);
    }
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &report_v3(&[])), Verdict::NoEffect);
}

#[test]
fn r50_block_on_a_member_brings_one_group_specific_query_and_changes_no_timer() {
    let (mut bench, since) = with_member();
    let expires = bench.proxy.groups().next().unwrap().expires;
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::BlockQueried);
    // A flood of them brings one query per last member query interval.
    let flood: Vec<_> = (0..100).map(|_| (BLOCK, G, 1)).collect();
    assert_eq!(bench.receive(A, &report_v3(&flood)), Verdict::NoEffect);
    bench.run(1000);
    assert_eq!(bench.receive(A, &report_v3(&flood)), Verdict::BlockQueried);
    bench.run(5000);
    assert_eq!(bench.group_queries_since(since, A), [20_000, 21_000]);
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!((view.expires, view.state), (expires, MemberState::Present));
}

#[test]
fn r50_block_adds_nothing_to_a_check_nor_to_a_v1_host() {
    let (mut bench, since) = with_member();
    bench.receive(A, &report_v3(&[(TO_IN, G, 0)]));
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::NoEffect);
    bench.run(5000);
    assert_eq!(bench.group_queries_since(since, A).len(), 2);
    bench.receive(A, &join_v1(G));
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::NoEffect);
}

#[test]
fn r50_unknown_types_and_bad_groups_skip_that_record_alone() {
    let mut bench = Bench::new();
    let mixed = [
        (9, "239.1.1.1", 2),
        (TO_EX, "10.1.1.1", 0),
        (TO_EX, "224.0.0.251", 0),
        (TO_EX, "0.0.0.0", 0),
        (TO_EX, G, 1),
        (TO_EX, "239.255.255.250", 0),
        (ALLOW, "239.1.1.2", 4),
    ];
    assert_eq!(bench.receive(A, &report_v3(&mixed)), Verdict::Joined);
    assert_eq!(bench.forwarded.len(), 2);
    assert!(bench.forwards(A, G) && bench.forwards(A, "239.1.1.2"));
}

#[test]
fn r50_auxiliary_data_is_skipped() {
    let mut raw = report_v3(&[(TO_EX, "239.1.1.1", 1)]);
    raw.igmp[9] = 2;
    raw.igmp.extend([0xee; 8]);
    raw.igmp.extend(&report_v3(&[(TO_EX, G, 0)]).igmp[8..]);
    raw.igmp[7] = 2;
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &raw), Verdict::Joined);
    assert!(bench.forwards(A, "239.1.1.1") && bench.forwards(A, G));
}

#[test]
fn r50_a_count_past_the_end_drops_the_message_before_any_change() {
    let whole = report_v3(&[(TO_EX, G, 0), (TO_EX, "239.1.1.1", 2)]);
    let broken: [&dyn Fn(&mut Raw); 5] = [
        // One record more, and very many more.
        &|r| r.igmp[7] = 3,
        &|r| r.igmp[6..8].fill(0xff),
        // The last record's sources, its auxiliary data, its own end.
        &|r| r.igmp[19] = 3,
        &|r| r.igmp[17] = 255,
        &|r| r.igmp.truncate(r.igmp.len() - 1),
    ];
    for change in broken {
        let mut bench = Bench::new();
        let before = bench.state();
        assert_eq!(bench.receive(A, &whole.clone().with(change)), Verdict::RecordLength);
        assert_eq!(bench.state(), before);
    }
    assert_eq!(Bench::new().receive(A, &whole), Verdict::Joined);
}

#[test]
fn r50_bytes_after_the_last_record_are_summed_not_read() {
    let longer = report_v3(&[(TO_EX, G, 0)]).with(|r| r.igmp.extend([TO_EX, 0, 0, 0, 239, 1, 1, 1, 7]));
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &longer), Verdict::Joined);
    assert_eq!(bench.forwarded.len(), 1);
    let bad = longer.with(|r| r.igmp_checksum = Some(1));
    assert_eq!(bench.receive(A, &bad), Verdict::IgmpChecksum);
}

#[test]
fn f23_a_report_of_9_kib() {
    let groups: Vec<_> = (0..1100).map(|i| format!("239.9.{}.{}", i / 250, i % 250)).collect();
    let records: Vec<_> = groups.iter().map(|group| (TO_EX, group.as_str(), 0)).collect();
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &report_v3(&records)), Verdict::Joined);
    assert_eq!(bench.forwarded.len(), 1100);
    assert_eq!(bench.proxy.port_view(bench.now, port(A)).unwrap().groups, 1100);
}

/// Linux hosts speak version 3 for good 260 s after the last query of an older router that they heard, so
/// any link with a late or lost query has such hosts beside version 2 ones.
#[test]
fn r103_a_host_that_went_back_to_version_3_is_served_for_good() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined);
    bench.run_to(200_000);
    // Its answers to our version 2 queries from now on.
    for answer in 0..20 {
        assert_eq!(bench.receive(A, &report_v3(&[(IS_EX, G, 0)])), Verdict::Refreshed, "answer {answer}");
        bench.run(125_000);
    }
    assert_eq!(bench.changes.len(), 1, "no gap");
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveTaken);
    bench.run(2000);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A).len(), 2);
}
