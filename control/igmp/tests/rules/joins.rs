//! r35 to r37, r48, r53, r69, r87: members come, stay and age.

use core::time::Duration;

use igmp::{ClientPortSettings, Event, Left, MemberState, Reporter, RouterTimers, Verdict, Version};
use types::Time;

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers};
use crate::raw::{group, ip, join, join_v1, leave, report_v3};

const G: &str = "239.2.2.2";
const GMI: u64 = 260_000;

#[test]
fn r35_a_report_makes_the_member_and_starts_the_membership_interval() {
    let mut bench = Bench::new();
    bench.run_to(1000);
    assert_eq!(bench.receive(A, &join(G).from("10.1.0.4")), Verdict::Joined);
    assert_eq!(bench.changes, [(1000, A, group(G), true)]);
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!((view.port, view.group, view.state), (port(A), group(G), MemberState::Present));
    assert_eq!(view.last_reporter, Some(Reporter { host: ip("10.1.0.4"), version: Version::V2 }));
    assert_eq!(view.expires, Some(Time::from_nanos((1000 + GMI) * 1_000_000)));
    assert_eq!(view.v1_host_until, None);
    let joined = Event::Joined { port: port(A), group: group(G), host: ip("10.1.0.4"), version: Version::V2 };
    assert_eq!(bench.events[0], (1000, joined));
}

#[test]
fn r35_each_further_report_refreshes_it() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    for at in [100_000, 300_000, 500_000] {
        bench.run_to(at);
        assert_eq!(bench.receive(A, &join(G).from("10.1.0.5")), Verdict::Refreshed);
    }
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!((view.since, view.last_reporter.unwrap().host), (Time::ZERO, ip("10.1.0.5")));
    assert_eq!(view.reported, Time::from_nanos(500_000_000_000));
    bench.run_to(500_000 + GMI - 1);
    assert!(bench.forwards(A, G));
    bench.run_to(500_000 + GMI);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 2);
}

#[test]
fn r36_without_a_report_the_member_goes_exactly_with_the_interval() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    let end = Time::from_nanos(GMI * 1_000_000);
    let one_before = Time::from_nanos(GMI * 1_000_000 - 1);
    bench.run_to(GMI - 1);
    bench.now = one_before;
    bench.proxy.handle_timers(bench.now, usize::MAX);
    bench.drain();
    assert!(bench.forwards(A, G), "never before");
    bench.now = end;
    bench.proxy.handle_timers(bench.now, usize::MAX);
    bench.drain();
    assert_eq!(bench.changes, [(0, A, group(G), true), (GMI, A, group(G), false)]);
    let left = Event::Left { port: port(A), group: group(G), why: Left::Expired };
    assert!(bench.events.contains(&(GMI, left)));
}

#[test]
fn r37_late_answers_still_count() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    // 10.5 s after the query of 156.25 s, half a second after the response time.
    bench.run_to(166_750);
    bench.receive(A, &join(G));
    bench.run_to(166_750 + GMI - 100);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    bench.run(GMI - 1);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 1, "no gap");
}

#[test]
fn r37_a_report_taken_before_an_overdue_timer_keeps_the_member() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.now = Time::from_nanos((GMI + 50) * 1_000_000);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    bench.run(0);
    assert!(bench.forwards(A, G));
}

#[test]
fn ports_and_groups_do_not_touch_each_other() {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    // The same MAC, another group.
    bench.receive(A, &join("238.130.2.2"));
    bench.run_to(10_000);
    bench.receive(B, &join(G));
    bench.receive(A, &leave("238.130.2.2"));
    bench.run_to(20_000);
    assert!(bench.forwards(A, G) && bench.forwards(B, G) && !bench.forwards(A, "238.130.2.2"));
    bench.run_to(GMI);
    assert!(!bench.forwards(A, G) && bench.forwards(B, G));
    bench.run_to(GMI + 10_000);
    assert!(bench.forwarded.is_empty());
    assert_eq!(bench.proxy.groups().count(), 0);
}

#[test]
fn r48_v1_reports_are_ignored_where_the_port_says_so() {
    let mut bench = Bench::with(|c| c.ignore_v1 = true, |_| {});
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::V1Ignored);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined);
    let before = bench.state();
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::V1Ignored);
    assert_eq!(bench.state(), before);
}

#[test]
fn r53_a_port_has_no_more_groups_than_it_may() {
    let mut bench = Bench::with(|c| c.max_groups = 2, |_| {});
    assert_eq!(bench.receive(A, &join("239.1.1.1")), Verdict::Joined);
    assert_eq!(bench.receive(A, &join("239.1.1.2")), Verdict::Joined);
    for third in 3..100 {
        assert_eq!(bench.receive(A, &join(&format!("239.1.1.{third}"))), Verdict::GroupLimit);
    }
    let told = bench.events.iter().filter(|(_, event)| matches!(event, Event::GroupLimit { .. })).count();
    assert_eq!(told, 1, "at a limited rate");
    assert_eq!(bench.receive(A, &join("239.1.1.1")), Verdict::Refreshed);
    assert_eq!(bench.receive(B, &join("239.1.1.3")), Verdict::Joined, "the other port has its own limit");
    bench.receive(A, &leave("239.1.1.2"));
    bench.run(2000);
    assert_eq!(bench.receive(A, &join("239.1.1.3")), Verdict::Joined);
    let many: Vec<_> = (0..50).map(|i| format!("239.3.3.{i}")).collect();
    let records: Vec<_> = many.iter().map(|g| (4, g.as_str(), 0)).collect();
    assert_eq!(bench.receive(A, &report_v3(&records)), Verdict::GroupLimit);
    assert_eq!(bench.proxy.port_view(bench.now, port(A)).unwrap().groups, 2);
}

#[test]
fn r69_local_groups_make_no_member_and_nothing_upstream() {
    let mut bench = Bench::new();
    let before = bench.state();
    for local in ["239.255.255.250", "239.255.255.253"] {
        assert_eq!(bench.receive(A, &join(local)), Verdict::LocalGroup);
        assert_eq!(bench.receive(A, &join_v1(local)), Verdict::LocalGroup);
        assert_eq!(bench.receive(A, &report_v3(&[(4, local, 0)])), Verdict::LocalGroup);
        assert_eq!(bench.receive(A, &leave(local)), Verdict::LocalGroup);
    }
    assert_eq!(bench.state(), before);
    assert_eq!(bench.receive(A, &join("239.255.255.251")), Verdict::Joined, "exactly these two");
}

#[test]
fn r87_a_report_of_one_client_port_goes_to_no_other() {
    let mut bench = Bench::new();
    let since = bench.sent.len();
    for raw in [join(G), join_v1("239.1.1.1"), report_v3(&[(4, "239.1.1.2", 0)])] {
        bench.receive(A, &raw);
    }
    bench.run(20_000);
    assert_eq!(bench.sent_since(since, A), []);
    assert_eq!(bench.sent_since(since, B), []);
    assert!(bench.sent_since(since, WAN).len() >= 3);
}

#[test]
fn r37_other_timers_give_members_the_time_to_answer_that_they_ask_for() {
    // A query each 5 s to be answered within 1 s; then each 60 s, within 25 s.
    let s = Duration::from_secs;
    let timers = RouterTimers::new(2, s(60), s(25), s(1), None).unwrap();
    let settings = ClientPortSettings { timers, ..client_settings("10.1.0.1/24") };
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    bench.run_to(1000);
    bench.receive(A, &join(G));
    bench.receive(A, &join_v1("239.1.1.1"));
    bench.receive(A, &join("239.1.1.2"));
    bench.run_to(6000);
    bench.configure(A, &settings);
    assert_eq!(bench.general_queries(A).last(), Some(&6000));
    bench.run_to(30_000);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed, "answered in time");
    assert_eq!(bench.receive(A, &leave("239.1.1.1")), Verdict::LeaveV1Host, "r45");
    bench.run_to(145_999);
    assert_eq!(bench.changes.len(), 3, "none cut before");
    bench.run_to(146_000);
    assert_eq!(bench.forwarded.len(), 1, "145 s after the last report");
    // Back: what was promised is kept.
    bench.configure(A, &ClientPortSettings { timers: short_timers(), ..settings });
    bench.run_to(174_999);
    assert!(bench.forwards(A, G));
    bench.run_to(175_000);
    assert!(bench.forwarded.is_empty());
}
