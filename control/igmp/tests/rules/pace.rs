//! r60, r73, r96: Leaves in their turn, and reports that nobody asked for.

use core::time::Duration;

use igmp::{LeavePolicy, UpstreamPortSettings, Verdict, Version};

use crate::bench::{A, B, Bench, WAN, port, upstream_settings};
use crate::raw::{ip, join, leave, query, query_v3};

const G: &str = "239.2.2.2";
/// A second provider's port.
const WAN2: usize = 3;

fn nth(n: usize) -> String {
    format!("239.1.{}.{}", n / 256, n % 256)
}

fn joined(groups: usize, upstream: impl Fn(&mut UpstreamPortSettings)) -> Bench {
    let mut bench = Bench::with(|_| {}, upstream);
    for n in 0..groups {
        bench.receive(A, &join(&nth(n)));
    }
    bench.run_to(20_000);
    bench
}

/// Type, time and group of what went to the provider since message number `since`.
fn told(bench: &Bench, since: usize) -> Vec<(u8, u64, String)> {
    bench.sent_since(since, WAN).into_iter().map(|(at, kind, group)| (kind, at, group)).collect()
}

fn reports(bench: &Bench, since: usize) -> Vec<u64> {
    told(bench, since).into_iter().filter(|sent| sent.0 == 0x16).map(|sent| sent.1).collect()
}

fn re_report(interval: u64) -> impl Fn(&mut UpstreamPortSettings) {
    move |upstream| upstream.re_report_interval = Some(Duration::from_secs(interval))
}

#[test]
fn r96_switched_off_the_leaves_are_paced_and_the_proxy_tells_when_all_are_out() {
    let mut bench = joined(100, |_| {});
    let since = bench.sent.len();
    assert!(bench.proxy.is_quiet());
    bench.proxy.set_enabled(bench.now, false);
    assert!(!bench.proxy.is_quiet(), "actions wait");
    bench.drain();
    assert_eq!((told(&bench, since).len(), bench.proxy.is_quiet()), (16, false));
    for ms in 1..=84 {
        bench.run(1);
        assert_eq!(told(&bench, since).len(), 16 + ms);
    }
    assert!(bench.proxy.is_quiet());
    bench.run(10_000);
    let mut left: Vec<_> = told(&bench, since).into_iter().map(|sent| sent.2).collect();
    left.sort_unstable();
    left.dedup();
    assert_eq!((left.len(), told(&bench, since).len()), (100, 100));
}

#[test]
fn r96_what_is_wanted_again_before_its_leave_went_is_not_left() {
    let mut bench = joined(100, |_| {});
    let since = bench.sent.len();
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    bench.run(10);
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    for n in 0..100 {
        bench.receive(B, &join(&nth(n)));
    }
    bench.run(30_000);
    let sent = told(&bench, since);
    assert_eq!(sent.iter().filter(|sent| sent.0 == 0x17).count(), 26, "those that went before");
    let last = sent.iter().rfind(|sent| sent.0 == 0x17).unwrap();
    assert!(last.1 <= 20_010);
    assert!(bench.proxy.is_quiet());
}

#[test]
fn r96_switched_on_again_the_groups_are_reported_at_a_measured_pace() {
    let mut bench = joined(100, |_| {});
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    bench.run(10_000);
    let since = bench.sent.len();
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    assert_eq!(bench.forwarded.len(), 100, "forwarded at once");
    bench.run(99);
    assert_eq!(reports(&bench, since).iter().filter(|at| **at <= 30_099).count(), 50 + again(&bench, since));
    bench.run(30_000);
    assert_eq!(reports(&bench, since).len(), 200);
}

/// How many groups were reported more than once since message number `since`.
fn again(bench: &Bench, since: usize) -> usize {
    let mut groups: Vec<_> = told(bench, since).into_iter().map(|sent| sent.2).collect();
    let all = groups.len();
    groups.sort_unstable();
    groups.dedup();
    all - groups.len()
}

#[test]
fn r96_a_v1_router_that_comes_while_leaves_wait_gets_no_more_of_them() {
    let mut bench = joined(100, |_| {});
    let since = bench.sent.len();
    // Leaves by members that go, with the proxy on: it hears the query.
    bench.proxy.remove_port(bench.now, port(A));
    bench.receive(B, &join(G));
    bench.run(10);
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.run(5000);
    assert_eq!(told(&bench, since).iter().filter(|sent| sent.0 == 0x17).count(), 26);
    assert!(bench.proxy.is_quiet());
}

#[test]
fn r60_few_leaves_go_at_once_and_a_burst_is_paced() {
    let mut bench = joined(40, |_| {});
    let since = bench.sent.len();
    for n in 0..40 {
        bench.receive(A, &leave(&nth(n)));
    }
    bench.run(2000);
    assert_eq!(told(&bench, since).iter().filter(|sent| sent.1 == 22_000).count(), 16);
    bench.run(24);
    assert_eq!(told(&bench, since).len(), 40);
    assert!(bench.proxy.is_quiet());
}

#[test]
fn r96_leaves_that_wait_are_dropped_with_the_link() {
    for change in 0..4 {
        let mut bench = joined(100, |_| {});
        let since = bench.sent.len();
        let second = Some((port(WAN2), upstream_settings()));
        match change {
            0 => bench.proxy.shutdown(bench.now),
            1 => bench.proxy.set_upstream(bench.now, second, true),
            2 => bench.proxy.set_upstream(bench.now, None, false),
            _ => {
                bench.proxy.set_upstream(bench.now, None, false);
                let client = crate::bench::client_settings("10.0.0.1/24");
                bench.proxy.add_client_port(bench.now, port(WAN), client, false);
            }
        }
        bench.drain();
        if change < 3 {
            bench.link(WAN, false);
        }
        bench.run(5000);
        assert_eq!(told(&bench, since).len(), 16);
        assert!(bench.proxy.is_quiet());
    }
}

#[test]
fn r70_an_old_upstream_that_comes_back_gets_the_reports_and_no_leave_after_them() {
    let mut bench = joined(100, |_| {});
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, Some((port(WAN2), upstream_settings())), true);
    bench.drain();
    bench.run(4);
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    bench.drain();
    bench.run(30_000);
    let sent = told(&bench, since);
    let leaves: Vec<_> = sent.iter().filter(|sent| sent.0 == 0x17).collect();
    assert!(leaves.len() == 20 && leaves.iter().all(|sent| sent.1 <= 20_004));
    assert_eq!(reports(&bench, since).len(), 200);
}

#[test]
fn leave_policy_last_reporter_also_counts_reports_that_do_not_hold_ours_back() {
    let mut bench = joined(1, |u| (u.leave, u.suppress) = (LeavePolicy::LastReporter, false));
    let view = |bench: &Bench| bench.proxy.upstream_groups().next().unwrap();
    bench.receive(WAN, &query(100, "0.0.0.0"));
    let due = view(&bench).next_report;
    assert!(view(&bench).last_reporter && due.is_some());
    assert_eq!(bench.receive(WAN, &join(&nth(0)).from("10.0.0.77")), Verdict::ForeignReport);
    assert_eq!((view(&bench).last_reporter, view(&bench).next_report), (false, due));
    let since = bench.sent.len();
    bench.proxy.remove_port(bench.now, port(A));
    bench.drain();
    assert_eq!(told(&bench, since), []);
}

#[test]
fn r73_without_a_query_the_groups_are_reported_anew_each_re_report_interval() {
    let mut bench = joined(50, re_report(120));
    let since = bench.sent.len();
    bench.run_to(119_999);
    assert_eq!(reports(&bench, since).len(), 0);
    for round in 1..4 {
        let since = bench.sent.len();
        bench.run_to(round * 120_000);
        assert_eq!(reports(&bench, since).len(), 0, "none before its time");
        for n in 0..50 {
            bench.receive(A, &join(&nth(n)));
        }
        bench.run_to(round * 120_000 + 10_000);
        let times = reports(&bench, since);
        assert_eq!(times.len(), 50, "each once, within the Unsolicited Report Interval");
        let firsts = times.iter().filter(|at| **at < round * 120_000 + 5000).count();
        assert!((10..40).contains(&firsts), "spread");
    }
}

#[test]
fn r73_a_general_query_restarts_it_and_a_specific_one_does_not() {
    let mut bench = joined(1, re_report(120));
    for at in [100_000, 200_000] {
        bench.run_to(at);
        bench.receive(A, &join(&nth(0)));
        bench.receive(WAN, &query(10, "0.0.0.0"));
    }
    bench.run_to(300_000);
    bench.receive(A, &join(&nth(0)));
    bench.receive(WAN, &query(10, &nth(0)));
    bench.run_to(301_000);
    let since = bench.sent.len();
    bench.run_to(319_999);
    assert_eq!(reports(&bench, since), []);
    bench.run_to(330_000);
    assert_eq!(reports(&bench, since).len(), 1);
}

#[test]
fn r73_off_by_default_live_and_only_with_a_link() {
    let mut bench = joined(1, |_| {});
    let since = bench.sent.len();
    for at in [200_000, 400_000, 600_000] {
        bench.run_to(at);
        bench.receive(A, &join(&nth(0)));
    }
    assert_eq!(reports(&bench, since), []);
    // Switched on: as if it had been so all the time.
    let mut settings = upstream_settings();
    re_report(100)(&mut settings);
    bench.proxy.set_upstream(bench.now, Some((port(WAN), settings)), true);
    bench.run_to(610_000);
    assert_eq!(reports(&bench, since).len(), 1);
    let since = bench.sent.len();
    bench.link(WAN, false);
    bench.run_to(800_000);
    bench.receive(A, &join(&nth(0)));
    assert_eq!(reports(&bench, since), []);
    bench.link(WAN, true);
    bench.run_to(820_000);
    assert_eq!(reports(&bench, since).len(), 2, "the link's own reports");
    let since = bench.sent.len();
    bench.run_to(899_999);
    assert_eq!(reports(&bench, since), []);
    bench.run_to(910_000);
    assert_eq!(reports(&bench, since).len(), 1);
    // And off.
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    let since = bench.sent.len();
    bench.receive(A, &join(&nth(0)));
    bench.run_to(1_100_000);
    assert_eq!(reports(&bench, since), []);
}

#[test]
fn r73_an_interval_shorter_than_the_reports_take_is_that_long() {
    let mut bench = joined(1, re_report(0));
    let since = bench.sent.len();
    bench.run_to(60_000);
    assert!((3..=5).contains(&reports(&bench, since).len()));
}

#[test]
fn r73_another_hosts_report_holds_ours_back_there_too() {
    let mut bench = joined(1, re_report(120));
    bench.run_to(120_000);
    assert_eq!(bench.receive(WAN, &join(&nth(0)).from("10.0.0.77")), Verdict::ReportSuppressed);
    let since = bench.sent.len();
    bench.run_to(140_000);
    assert_eq!(reports(&bench, since), []);
}

#[test]
fn the_view_names_the_last_query_that_asked_for_the_group() {
    let mut bench = joined(2, |_| {});
    let seen = |bench: &Bench, n: usize| {
        let view = bench.proxy.upstream_group(nth(n).parse().unwrap()).unwrap();
        view.last_query.map(|query| (query.source, query.version, query.at.as_nanos() / 1_000_000))
    };
    assert_eq!(seen(&bench, 0), None);
    bench.receive(WAN, &query(10, &nth(0)).from("10.0.0.8"));
    bench.receive(WAN, &query(10, "239.9.9.9").from("10.0.0.9"));
    assert_eq!(seen(&bench, 0), Some((ip("10.0.0.8"), Version::V2, 20_000)));
    assert_eq!(seen(&bench, 1), None);
    bench.run_to(25_000);
    bench.receive(WAN, &query_v3(10, "0.0.0.0", &[]).from("10.0.0.7"));
    assert_eq!((seen(&bench, 0), seen(&bench, 1)), {
        let general = Some((ip("10.0.0.7"), Version::V3, 25_000));
        (general, general)
    });
    // Left and joined again: what asked for it before is gone, what asked for all is not.
    bench.run_to(26_000);
    bench.receive(WAN, &query(10, &nth(0)));
    bench.receive(A, &leave(&nth(0)));
    bench.run_to(30_000);
    assert!(bench.proxy.upstream_group(nth(0).parse().unwrap()).is_none());
    bench.receive(A, &join(&nth(0)));
    assert_eq!(seen(&bench, 0).unwrap().2, 25_000);
    bench.link(WAN, false);
    assert_eq!(seen(&bench, 1), None, "another link may have other routers");
}
