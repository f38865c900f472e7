//! r56 to r68, r71, r91: the host side on the provider's port.

use core::time::Duration;

use igmp::{HostTimers, LeavePolicy, PortRole, Verdict, Version};
use types::Time;

use crate::bench::{A, B, Bench, WAN, port};
use crate::raw::{Raw, ip, join, join_v1, leave, query, query_v3, report_v3};

const G: &str = "239.2.2.2";

/// What went out to the provider since message number `since`: type and group.
fn told(bench: &Bench, since: usize) -> Vec<(u8, String)> {
    bench.sent_since(since, WAN).into_iter().map(|(_, kind, group)| (kind, group)).collect()
}

fn reports(bench: &Bench, since: usize) -> Vec<u64> {
    let is_report = |kind: u8| kind == 0x12 || kind == 0x16;
    bench.sent_since(since, WAN).into_iter().filter(|sent| is_report(sent.1)).map(|sent| sent.0).collect()
}

/// `G` joined on port A, its unsolicited reports done, no query pending: the bench and what was sent.
fn idle() -> (Bench, usize) {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.run_to(20_000);
    let since = bench.sent.len();
    (bench, since)
}

/// The host on the provider's link that is not us.
fn other(raw: Raw) -> Raw {
    raw.from("10.0.0.77")
}

#[test]
fn r56_no_query_goes_to_the_provider_and_no_report_there_makes_a_member() {
    let mut bench = Bench::new();
    for raw in [join(G), join_v1(G), report_v3(&[(4, G, 0)])] {
        assert_eq!(bench.receive(WAN, &other(raw)), Verdict::ForeignReport);
    }
    assert_eq!(bench.receive(WAN, &other(leave(G))), Verdict::ForeignLeave);
    bench.run_to(600_000);
    assert_eq!(bench.sent_since(0, WAN), []);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r57_the_first_member_is_reported_at_once() {
    let mut bench = Bench::new();
    bench.run_to(1000);
    bench.receive(A, &join(G));
    let sent = *bench.sent.iter().find(|sent| sent.port == WAN).unwrap();
    assert_eq!((sent.at_ms, sent.kind, sent.group, sent.destination), (1000, 0x16, ip(G), ip(G)));
    assert_eq!(sent.source, ip("10.0.0.1"));
}

#[test]
fn r58_and_repeated_once_or_twice_each_within_the_unsolicited_report_interval() {
    for (robustness, repeats) in [(2, 1), (3, 2), (10, 2)] {
        let interval = Duration::from_secs(4);
        let mut seen = Vec::new();
        for seed in 0..20 {
            let timers = HostTimers::new(robustness, interval).unwrap();
            let mut bench = Bench::seeded(seed, |_| {}, |u| u.timers = timers);
            bench.receive(A, &join(G));
            bench.run_to(100_000);
            let times = reports(&bench, 0);
            assert_eq!(times.len(), 1 + repeats);
            assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 4000), "{times:?}");
            seen.push(times[1]);
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() > 10, "random: {seen:?}");
    }
}

#[test]
fn r59_a_second_port_brings_nothing_upstream() {
    let (mut bench, since) = idle();
    assert_eq!(bench.receive(B, &join(G)), Verdict::Joined);
    assert!(bench.forwards(B, G));
    bench.run(30_000);
    assert_eq!(told(&bench, since), []);
    let view = bench.proxy.upstream_groups().next().unwrap();
    assert_eq!(view.ports.iter().collect::<Vec<_>>(), [port(A), port(B)]);
}

#[test]
fn r60_one_leave_when_the_last_bit_clears_and_no_sooner() {
    let (mut bench, since) = idle();
    bench.receive(A, &leave(G));
    bench.run_to(21_999);
    assert_eq!(told(&bench, since), []);
    bench.run_to(60_000);
    assert_eq!(bench.sent_since(since, WAN), [(22_000, 0x17, G.to_string())]);
    assert_eq!(bench.sent.iter().find(|sent| sent.kind == 0x17).unwrap().destination, ip("224.0.0.2"));
}

#[test]
fn r60_pending_reports_are_cancelled() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    bench.receive(WAN, &query(255, "0.0.0.0"));
    bench.run_to(2000);
    let since = bench.sent.len();
    assert_eq!(bench.proxy.upstream_groups().count(), 0);
    bench.run_to(30_000);
    assert_eq!(told(&bench, since), []);
}

#[test]
fn r60_the_member_that_ages_out_is_left_too() {
    let (mut bench, since) = idle();
    bench.run_to(259_999);
    assert_eq!(told(&bench, since), []);
    bench.run_to(260_000);
    assert_eq!(told(&bench, since), [(0x17, G.into())]);
}

#[test]
fn r61_a_leave_with_members_elsewhere_brings_nothing_upstream() {
    let (mut bench, since) = idle();
    bench.receive(B, &join(G));
    bench.receive(A, &leave(G));
    bench.run(10_000);
    assert!(!bench.forwards(A, G) && bench.forwards(B, G));
    assert_eq!(told(&bench, since), []);
}

#[test]
fn leave_policy_last_reporter_leaves_only_what_we_reported_last() {
    let policy = |u: &mut igmp::UpstreamPortSettings| u.leave = LeavePolicy::LastReporter;
    for (foreign_report, leaves) in [(false, 1), (true, 0)] {
        let mut bench = Bench::with(|_| {}, policy);
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        if foreign_report {
            bench.receive(WAN, &other(join(G)));
        }
        let since = bench.sent.len();
        bench.receive(A, &leave(G));
        bench.run(5000);
        assert_eq!(told(&bench, since).len(), leaves);
    }
}

#[test]
fn r62_a_general_query_is_answered_once_per_group_each_after_its_own_delay() {
    let mut bench = Bench::new();
    let groups: Vec<_> = (1..=50).map(|i| format!("239.1.1.{i}")).collect();
    for group in &groups {
        bench.receive(A, &join(group));
    }
    bench.run_to(20_000);
    let since = bench.sent.len();
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::QueryAnswered);
    assert_eq!(bench.sent.len(), since, "none at once");
    bench.run_to(60_000);
    let sent = bench.sent_since(since, WAN);
    assert!(sent.iter().all(|(at, kind, _)| (20_000..=30_000).contains(at) && *kind == 0x16));
    let mut answered: Vec<_> = sent.iter().map(|(_, _, group)| group.clone()).collect();
    answered.sort_unstable();
    let mut expected = groups.clone();
    expected.sort_unstable();
    assert_eq!(answered, expected);
    let mut times: Vec<_> = sent.iter().map(|(at, _, _)| *at).collect();
    times.dedup();
    assert!(times.len() > 40, "each its own delay");
}

#[test]
fn r62_a_thousand_groups_are_spread_over_the_response_time() {
    let mut bench = Bench::new();
    for i in 0..1000u32 {
        bench.receive(A, &join(&format!("239.1.{}.{}", i / 250, i % 250)));
    }
    bench.run_to(20_000);
    let since = bench.sent.len();
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.run_to(30_000);
    let sent = reports(&bench, since);
    assert_eq!(sent.len(), 1000);
    for second in 20..30 {
        let n = sent.iter().filter(|at| **at / 1000 == second).count();
        assert!(n <= 200, "second {second}: {n} is above twice the mean");
    }
}

#[test]
fn r63_a_group_specific_query_is_answered_for_that_group_alone() {
    for seed in 0..30 {
        let mut bench = Bench::seeded(seed, |_| {}, |_| {});
        bench.receive(A, &join(G));
        bench.receive(A, &join("239.2.2.3"));
        bench.run_to(20_000);
        let since = bench.sent.len();
        assert_eq!(bench.receive(WAN, &query(10, G)), Verdict::QueryAnswered);
        assert_eq!(bench.receive(WAN, &query(10, "239.5.5.5")), Verdict::QueryNotJoined);
        bench.run_to(21_000);
        assert_eq!(told(&bench, since), [(0x16, G.into())]);
        bench.run_to(60_000);
        assert_eq!(told(&bench, since).len(), 1);
    }
}

#[test]
fn r63_with_nothing_joined_nothing_is_answered() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::QueryNotJoined);
    bench.run_to(20_000);
    assert_eq!(told(&bench, 0), []);
}

#[test]
fn r64_a_running_delay_is_replaced_only_by_a_shorter_response_time() {
    for seed in 0..30 {
        let mut bench = Bench::seeded(seed, |_| {}, |_| {});
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        let since = bench.sent.len();
        bench.receive(WAN, &query(100, G));
        let due = |bench: &Bench| bench.proxy.upstream_groups().next().unwrap().next_report.unwrap();
        let first = due(&bench);
        // As long or longer than what is left: the delay stays.
        bench.receive(WAN, &query(100, "0.0.0.0"));
        bench.receive(WAN, &query(255, G));
        assert_eq!(due(&bench), first);
        let left = first - bench.now;
        bench.receive(WAN, &query(1, G));
        let lowered = due(&bench);
        if left > Duration::from_millis(100) {
            assert!(lowered < first && lowered <= bench.now + Duration::from_millis(100));
        } else {
            assert_eq!(lowered, first);
        }
        bench.run_to(60_000);
        assert_eq!(reports(&bench, since).len(), 1, "one answer to all of them");
    }
}

#[test]
fn r65_another_hosts_report_cancels_ours() {
    for raw in [join(G), join_v1(G)] {
        let (mut bench, since) = idle();
        bench.receive(WAN, &query(100, "0.0.0.0"));
        assert_eq!(bench.receive(WAN, &other(raw)), Verdict::ReportSuppressed);
        bench.run_to(60_000);
        assert_eq!(told(&bench, since), []);
        assert!(bench.forwards(A, G));
    }
}

#[test]
fn r65_also_the_repeats_of_r58() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(WAN, &other(join(G))), Verdict::ReportSuppressed);
    assert_eq!(bench.receive(WAN, &other(join(G))), Verdict::ForeignReport, "nothing left to cancel");
    bench.run_to(60_000);
    assert_eq!(reports(&bench, 0), [0]);
}

#[test]
fn r65_v3_reports_our_echo_other_groups_and_suppress_off_cancel_nothing() {
    let answered = |raw: &Raw, suppress: bool| {
        let mut bench = Bench::with(|_| {}, |u| u.suppress = suppress);
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        let since = bench.sent.len();
        bench.receive(WAN, &query(100, "0.0.0.0"));
        let verdict = bench.receive(WAN, raw);
        bench.run_to(60_000);
        let answers = reports(&bench, since).len();
        assert_eq!(verdict == Verdict::ReportSuppressed, answers == 0);
        answers
    };
    assert_eq!(answered(&other(join(G)), true), 0);
    assert_eq!(answered(&other(join(G)), false), 1);
    assert_eq!(answered(&other(report_v3(&[(2, G, 0)])), true), 1);
    assert_eq!(answered(&other(join("239.2.2.3")), true), 1);
    assert_eq!(answered(&join(G).from("10.0.0.1"), true), 1);
    let echo = join(G).with(|r| r.source_mac = crate::raw::ROUTER_MAC);
    assert_eq!(answered(&echo, true), 1);
    // A leave of another host is no reason to be silent.
    assert_eq!(answered(&other(leave(G)), true), 1);
}

#[test]
fn r66_a_v1_query_is_general_answered_within_10_s_by_v1_reports_and_no_leaves() {
    let v1_with_a_group = query(0, "239.7.7.7").to("224.0.0.1");
    for raw in [query(0, "0.0.0.0"), v1_with_a_group] {
        let (mut bench, since) = idle();
        assert_eq!(bench.receive(WAN, &raw), Verdict::QueryAnswered);
        bench.run_to(30_000);
        assert_eq!(told(&bench, since), [(0x12, G.into())]);
        let view = bench.proxy.port_view(bench.now, port(WAN)).unwrap();
        assert_eq!(view.version, Version::V1);
        bench.receive(A, &join("239.2.2.3"));
        assert_eq!(told(&bench, since)[1], (0x12, "239.2.2.3".into()));
        bench.receive(A, &leave(G));
        bench.run_to(200_000);
        assert!(!bench.forwards(A, G));
        assert!(told(&bench, since).iter().all(|(kind, _)| *kind == 0x12), "no Leave");
    }
}

#[test]
fn r66_the_version_is_chosen_when_the_report_is_sent() {
    let (mut bench, since) = idle();
    bench.receive(WAN, &query(255, "0.0.0.0"));
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.run_to(60_000);
    assert_eq!(told(&bench, since), [(0x12, G.into())]);
}

#[test]
fn r66b_a_v3_query_with_code_0_is_answered_within_a_tenth_of_a_second() {
    for seed in 0..30 {
        let mut bench = Bench::seeded(seed, |_| {}, |_| {});
        bench.receive(A, &join(G));
        bench.run_to(20_000);
        let since = bench.sent.len();
        bench.receive(WAN, &query_v3(0, "0.0.0.0", &[]));
        bench.run_to(20_100);
        assert_eq!(told(&bench, since), [(0x16, G.into())]);
    }
}

#[test]
fn r67_version_2_comes_back_400_s_after_the_last_v1_query() {
    let mut bench = Bench::new();
    let version = |bench: &Bench| bench.proxy.port_view(bench.now, port(WAN)).unwrap().version;
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.run_to(100_000);
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.run_to(200_000);
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.run_to(499_999);
    assert_eq!(version(&bench), Version::V1);
    bench.receive(A, &join("239.1.1.1"));
    bench.run_to(500_000);
    assert_eq!(version(&bench), Version::V2);
    let since = bench.sent.len();
    bench.receive(A, &join("239.1.1.2"));
    assert_eq!(told(&bench, since), [(0x16, "239.1.1.2".into())]);
    bench.receive(A, &leave("239.1.1.2"));
    bench.run(2000);
    assert!(told(&bench, since).contains(&(0x17, "239.1.1.2".into())));
}

#[test]
fn r68_v3_queries_are_answered_with_v2_reports() {
    let with_source = query_v3(10, G, &["10.9.9.9"]);
    for raw in [query_v3(100, "0.0.0.0", &[]), query_v3(10, G, &[]), with_source] {
        let (mut bench, since) = idle();
        assert_eq!(bench.receive(WAN, &raw), Verdict::QueryAnswered);
        bench.run_to(60_000);
        assert_eq!(told(&bench, since), [(0x16, G.into())]);
    }
    let (mut bench, since) = idle();
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.receive(WAN, &query_v3(10, G, &[]));
    bench.run_to(60_000);
    assert_eq!(told(&bench, since), [(0x12, G.into())], "v1 while a v1 router is present");
}

#[test]
fn r32_v3_codes_of_128_and_more_are_floating_point_and_a_v2_code_is_literal() {
    // 0xff is (15 + 16) << 10 tenths, 3174.4 s; in version 2 it is 25.5 s.
    let latest = |raw: &Raw| {
        let mut latest = 0;
        for seed in 0..40 {
            let mut bench = Bench::seeded(seed, |_| {}, |_| {});
            bench.receive(A, &join(G));
            bench.run_to(20_000);
            bench.receive(WAN, raw);
            let due = bench.proxy.upstream_groups().next().unwrap().next_report.unwrap();
            latest = latest.max((due - bench.now).as_millis());
        }
        latest
    };
    assert!((15_000..=25_500).contains(&latest(&query(255, G))));
    assert!((1_600_000..=3_174_400).contains(&latest(&query_v3(255, G, &[]))));
    assert!((7_000..=12_700).contains(&latest(&query_v3(127, G, &[]))));
    assert!((7_000..=12_800).contains(&latest(&query_v3(128, G, &[]))));
}

#[test]
fn r71_the_source_is_0_0_0_0_while_the_port_has_no_address() {
    let mut bench = Bench::with(|_| {}, |u| u.address = None);
    bench.receive(A, &join(G));
    assert_eq!(bench.sent.last().unwrap().source, ip("0.0.0.0"));
}

#[test]
fn r91_a_query_is_answered_whatever_its_source_and_without_router_alert() {
    for source in ["0.0.0.0", "192.0.2.1", "10.0.0.0", "10.0.0.254"] {
        let (mut bench, since) = idle();
        let raw = query(100, "0.0.0.0").from(source).with(|r| r.options.clear());
        assert_eq!(bench.receive(WAN, &raw), Verdict::QueryAnswered);
        bench.run_to(60_000);
        assert_eq!(told(&bench, since).len(), 1);
        let view = bench.proxy.port_view(bench.now, port(WAN)).unwrap();
        assert_eq!(view.querier, Some(ip(source)));
        let PortRole::Upstream { query: Some(seen), v1_router_until: None } = view.role else {
            panic!("{:?}", view.role)
        };
        assert_eq!((seen.version, seen.at), (Version::V2, Time::from_nanos(20_000_000_000)));
    }
}

#[test]
fn f25_queriers_of_all_versions_in_turn() {
    let (mut bench, _) = idle();
    for round in 0..5u64 {
        for raw in [query(0, "0.0.0.0"), query(100, "0.0.0.0"), query_v3(100, "0.0.0.0", &[])] {
            let since = bench.sent.len();
            bench.receive(A, &join(G));
            bench.receive(WAN, &raw);
            bench.run(20_000);
            assert_eq!(told(&bench, since), [(0x12, G.into())], "round {round}");
        }
    }
}
