//! r55: static groups, and what settings may not make a member.

use igmp::{ClientPortSettings, Left, MemberState, Verdict};

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers};
use crate::raw::{BLOCK, Raw, TO_IN, group, join, join_v1, leave, query, report_v3};

const G: &str = "239.2.2.2";

fn settings(groups: &[&str]) -> ClientPortSettings {
    ClientPortSettings {
        timers: short_timers(),
        static_groups: groups.iter().map(|text| group(text)).collect(),
        ..client_settings("10.1.0.1/24")
    }
}

fn set(bench: &mut Bench, groups: &[&str]) {
    bench.proxy.add_client_port(bench.now, port(A), settings(groups), true);
    bench.drain();
}

fn state(bench: &Bench) -> MemberState {
    bench.proxy.groups().next().unwrap().state
}

#[test]
fn r55_a_static_group_is_joined_at_once_and_never_ages() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    assert!(bench.forwards(A, G) && !bench.forwards(B, G));
    assert_eq!(bench.sent_since(0, WAN), [(0, 0x16, G.into())]);
    bench.run_to(1_000_000);
    assert!(bench.forwards(A, G));
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!((view.state, view.expires), (MemberState::Static, None));
    assert_eq!(bench.changes.len(), 1);
}

#[test]
fn r55_no_leave_removes_it_and_reports_change_nothing() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.run_to(20_000);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveStatic);
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveStatic);
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::NoEffect);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::Refreshed);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveStatic);
    bench.run(100_000);
    assert_eq!(state(&bench), MemberState::Static);
    assert_eq!(bench.group_queries_since(0, A), [0; 0]);
}

#[test]
fn r55_a_group_named_no_more_has_one_interval() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G, "239.1.1.1"]);
    bench.run_to(50_000);
    set(&mut bench, &["239.1.1.1"]);
    bench.run_to(60_999);
    assert!(bench.forwards(A, G));
    bench.run_to(61_000);
    assert!(!bench.forwards(A, G) && bench.forwards(A, "239.1.1.1"));
}

#[test]
fn r55_a_member_becomes_static_from_any_state_without_a_gap() {
    let reports: [&[Raw]; 3] = [&[join(G)], &[join_v1(G)], &[join(G), leave(G)]];
    for received in reports {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        for raw in received {
            bench.receive(A, raw);
        }
        let since = bench.sent.len();
        set(&mut bench, &[G]);
        set(&mut bench, &[G]);
        bench.run_to(100_000);
        assert_eq!(state(&bench), MemberState::Static);
        assert_eq!(bench.changes.len(), 1);
        assert_eq!(bench.group_queries_since(since, A), [0; 0], "a check that ran is over");
    }
}

#[test]
fn r55_it_answers_the_provider_and_comes_back_with_the_switch() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.run_to(20_000);
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::QueryAnswered);
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    assert!(bench.forwarded.is_empty());
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    assert!(bench.forwards(A, G));
    bench.proxy.remove_port(bench.now, port(A));
    bench.drain();
    let last = bench.events.iter().rev().find_map(|(_, event)| match event {
        igmp::Event::Left { why, .. } => Some(*why),
        _ => None,
    });
    assert_eq!(last, Some(Left::PortRemoved));
    assert_eq!(bench.proxy.upstream_groups().count(), 0);
}

#[test]
fn r69_r88_a_static_group_that_is_never_forwarded_makes_no_member() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &["224.0.0.251", "239.255.255.250", G]);
    assert_eq!(bench.forwarded.len(), 1);
    assert_eq!(bench.proxy.upstream_groups().map(|view| view.group).collect::<Vec<_>>(), [group(G)]);
}

#[test]
fn r45_a_v1_host_heard_while_the_group_was_static_counts_afterwards() {
    for before in [false, true] {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        if before {
            bench.receive(A, &join_v1(G));
        }
        set(&mut bench, &[G]);
        if !before {
            bench.receive(A, &join_v1(G));
        }
        bench.run_to(5000);
        bench.receive(A, &join(G));
        set(&mut bench, &[]);
        assert_eq!(state(&bench), MemberState::V1Present);
        assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
        bench.run_to(11_000);
        assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveTaken, "r47");
    }
}
