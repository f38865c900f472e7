//! r38 to r47: Leaves, the last member queries, version 1 hosts.

use igmp::{Event, Left, MemberState, RouterTimers, Verdict};
use types::Time;

use crate::bench::{A, B, Bench, Sent, WAN, port, short_timers};
use crate::raw::{group, ip, join, join_v1, leave};

const G: &str = "239.2.2.2";
const GMI: u64 = 260_000;

/// A member of `G` on port A for 5 s, and how many messages were sent until then.
fn with_member() -> (Bench, usize) {
    let mut bench = Bench::new();
    bench.receive(A, &join(G));
    bench.run_to(5000);
    let since = bench.sent.len();
    (bench, since)
}

fn state(bench: &Bench) -> Option<MemberState> {
    bench.proxy.groups().next().map(|view| view.state)
}

#[test]
fn r38_a_leave_brings_exactly_the_last_member_queries() {
    let (mut bench, since) = with_member();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveTaken);
    bench.run_to(20_000);
    let on_port = |sent: &&Sent| sent.port != WAN;
    let queries: Vec<_> = bench.sent[since..].iter().filter(on_port).copied().collect();
    let expected = |at_ms| Sent {
        at_ms,
        port: A,
        kind: 0x11,
        code: 10,
        group: ip(G),
        source: ip("10.1.0.1"),
        destination: ip(G),
    };
    assert_eq!(queries, [expected(5000), expected(6000)]);
}

#[test]
fn r38_count_and_interval_are_the_ports() {
    let timers = RouterTimers::new(
        2,
        core::time::Duration::from_secs(125),
        core::time::Duration::from_secs(10),
        core::time::Duration::from_millis(300),
        Some(4),
    )
    .unwrap();
    let mut bench = Bench::with(|c| c.timers = timers, |_| {});
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    bench.run_to(5000);
    assert_eq!(bench.group_queries_since(0, A), [0, 300, 600, 900]);
    assert_eq!(bench.sent.iter().find(|sent| sent.group == ip(G) && sent.port == A).unwrap().code, 3);
    assert_eq!(bench.changes, [(0, A, group(G), true), (1200, A, group(G), false)]);
}

#[test]
fn r39_the_leave_sets_the_group_timer_also_when_less_was_left() {
    let (mut bench, _) = with_member();
    bench.run_to(GMI - 500);
    bench.receive(A, &leave(G));
    let expires = bench.proxy.groups().next().unwrap().expires.unwrap();
    assert_eq!(expires, Time::from_nanos((GMI + 1500) * 1_000_000));
    bench.run_to(GMI + 1499);
    assert!(bench.forwards(A, G));
    bench.run_to(GMI + 1500);
    assert!(!bench.forwards(A, G));
}

#[test]
fn r40_a_report_inside_the_window_keeps_the_member_without_a_gap() {
    for after in [1, 500, 999, 1000, 1500, 1999] {
        let (mut bench, since) = with_member();
        bench.receive(A, &leave(G));
        bench.run_to(5000 + after);
        assert_eq!(bench.receive(A, &join(G).from("10.1.0.5")), Verdict::Refreshed);
        assert_eq!(state(&bench), Some(MemberState::Present));
        bench.run_to(5000 + after + GMI - 1);
        assert!(bench.forwards(A, G));
        assert_eq!(bench.changes.len(), 1, "no gap");
        let queries = if after < 1000 { vec![5000] } else { vec![5000, 6000] };
        assert_eq!(bench.group_queries_since(since, A), queries, "the remaining ones stop");
    }
}

#[test]
fn r41_without_a_report_forwarding_stops_with_the_window() {
    let (mut bench, _) = with_member();
    bench.receive(A, &leave(G));
    bench.run_to(6999);
    assert!(bench.forwards(A, G));
    bench.run_to(7000);
    assert_eq!(bench.changes.last(), Some(&(7000, A, group(G), false)));
    let left = Event::Left { port: port(A), group: group(G), why: Left::Leave };
    assert!(bench.events.contains(&(7000, left)));
}

#[test]
fn r41_hosts_have_their_interval_to_answer_a_query_that_went_out_late() {
    let (mut bench, since) = with_member();
    bench.receive(A, &leave(G));
    // The thread stalls for three seconds.
    bench.now = Time::from_nanos(8_000_000_000);
    bench.run(0);
    assert_eq!(bench.group_queries_since(since, A), [5000, 8000]);
    bench.run_to(8999);
    assert!(bench.forwards(A, G));
    bench.run_to(9000);
    assert!(!bench.forwards(A, G));
}

#[test]
fn r41_delays_of_the_queries_do_not_add_up() {
    let timers = RouterTimers::new(
        2,
        core::time::Duration::from_secs(125),
        core::time::Duration::from_secs(10),
        core::time::Duration::from_secs(1),
        Some(4),
    )
    .unwrap();
    let mut bench = Bench::with(|c| c.timers = timers, |_| {});
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    // Each wake-up is 40 ms late.
    for due in [1000, 2000, 3000] {
        bench.now = Time::from_nanos((due + 40) * 1_000_000);
        bench.run(0);
    }
    assert_eq!(bench.group_queries_since(0, A), [0, 1040, 2040, 3040]);
    bench.run_to(4039);
    assert!(bench.forwards(A, G), "who answers the last query in time stays");
    bench.run_to(4040);
    assert!(!bench.forwards(A, G));
}

#[test]
fn r42_a_leave_goes_to_all_routers_the_group_or_us() {
    for to in ["224.0.0.2", G, "10.1.0.1"] {
        let (mut bench, _) = with_member();
        assert_eq!(bench.receive(A, &leave(G).to(to)), Verdict::LeaveTaken);
    }
    for to in ["224.0.0.1", "224.0.0.22", "239.2.2.3", "10.1.0.2", "10.2.0.1"] {
        let (mut bench, _) = with_member();
        let before = bench.state();
        assert_eq!(bench.receive(A, &leave(G).to(to)), Verdict::Destination);
        assert_eq!(bench.state(), before);
    }
}

#[test]
fn r43_a_leave_without_a_member_on_that_port_is_ignored() {
    let (mut bench, _) = with_member();
    let before = bench.state();
    assert_eq!(bench.receive(B, &leave(G)), Verdict::LeaveNoMember);
    assert_eq!(bench.receive(A, &leave("239.2.2.3")), Verdict::LeaveNoMember);
    assert_eq!(bench.state(), before);
}

#[test]
fn r44_a_second_leave_inside_the_window_starts_nothing_anew() {
    let (mut bench, since) = with_member();
    bench.receive(A, &leave(G));
    for at in [5000, 5500, 6000, 6900] {
        bench.run_to(at);
        assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveRepeated);
    }
    bench.run_to(7000);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A), [5000, 6000]);
}

#[test]
fn r44_a_leave_after_the_window_was_ended_starts_a_new_one() {
    let (mut bench, since) = with_member();
    bench.receive(A, &leave(G));
    bench.run_to(5200);
    bench.receive(A, &join(G));
    bench.run_to(5400);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveTaken);
    bench.run_to(20_000);
    assert_eq!(bench.group_queries_since(since, A), [5000, 5400, 6400]);
    assert_eq!(bench.changes.last(), Some(&(7400, A, group(G), false)));
}

#[test]
fn r45_leaves_are_ignored_while_a_v1_host_is_present() {
    let mut bench = Bench::new();
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::Joined);
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!(view.state, MemberState::V1Present);
    assert_eq!(view.v1_host_until, Some(Time::from_nanos(GMI * 1_000_000)));
    bench.run_to(1000);
    let before = bench.state();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
    assert_eq!(bench.state(), before);
    bench.run_to(GMI - 1);
    assert!(bench.forwards(A, G));
    bench.run_to(GMI);
    assert!(!bench.forwards(A, G), "found absent by the timer only");
    assert_eq!(bench.group_queries_since(0, A), [0; 0]);
}

#[test]
fn r45_a_v1_report_ends_the_window() {
    let (mut bench, since) = with_member();
    bench.receive(A, &leave(G));
    bench.run_to(5300);
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::Refreshed);
    assert_eq!(state(&bench), Some(MemberState::V1Present));
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
    bench.run_to(5300 + GMI - 1);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A), [5000]);
}

#[test]
fn r46_v1_reports_restart_the_v1_timer_and_v2_reports_do_not_clear_it() {
    let mut bench = Bench::new();
    bench.receive(A, &join_v1(G));
    bench.run_to(100_000);
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
    bench.run_to(200_000);
    bench.receive(A, &join_v1(G));
    bench.run_to(300_000);
    bench.receive(A, &join(G));
    bench.run_to(459_999);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
}

#[test]
fn r47_after_the_v1_timer_leaves_work_again() {
    let mut bench = Bench::new();
    bench.receive(A, &join_v1(G));
    bench.run_to(100_000);
    bench.receive(A, &join(G));
    bench.run_to(GMI);
    assert!(bench.forwards(A, G), "the group's timer runs on");
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveTaken);
    bench.run_to(GMI + 2000);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A), [GMI, GMI + 1000]);
}

#[test]
fn f31_joined_and_left_a_thousand_times_a_second() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    for _ in 0..5000 {
        bench.receive(A, &join(G));
        bench.receive(A, &leave(G));
        bench.run(1);
    }
    assert_eq!(bench.changes.len(), 1, "forwarded all the while");
    bench.run(2000);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.proxy.groups().count(), 0);
}
