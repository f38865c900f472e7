//! r55: static groups, and what settings may not make a member.

use igmp::{ClientPortSettings, Event, Left, MemberState, QuerierVersion, Verdict};

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers};
use crate::raw::{BLOCK, Raw, TO_IN, group, ip, join, join_v1, leave, query, report_v3};

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

fn left(bench: &Bench) -> Vec<(u64, Left)> {
    let left = |(at, event): &(u64, Event)| match event {
        Event::Left { group: of, why, .. } if *of == group(G) => Some((*at, *why)),
        _ => None,
    };
    bench.events.iter().filter_map(left).collect()
}

#[test]
fn r55_a_group_named_no_more_that_no_host_reported_goes_by_last_member_queries() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G, "239.1.1.1"]);
    bench.run_to(50_000);
    set(&mut bench, &["239.1.1.1"]);
    assert_eq!(bench.proxy.member(group(G), port(A)).unwrap().state, MemberState::Checking);
    bench.run_to(51_999);
    assert!(bench.forwards(A, G));
    bench.run_to(52_000);
    assert!(!bench.forwards(A, G) && bench.forwards(A, "239.1.1.1"));
    assert_eq!(bench.group_queries_since(0, A), [50_000, 51_000]);
    assert_eq!(left(&bench), [(52_000, Left::NotStatic)]);
    let joined = Event::JoinedStatic { port: port(A), group: group(G) };
    assert!(bench.events.contains(&(0, joined)), "no host is named who joined it");
    assert_eq!(bench.told(|event| matches!(event, Event::Joined { .. })), [0; 0]);
}

#[test]
fn r55_r40_a_host_that_answers_keeps_it_without_a_gap() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.run_to(50_000);
    set(&mut bench, &[]);
    let view = bench.proxy.groups().next().unwrap();
    assert_eq!(view.last_reporter, None);
    bench.run_to(50_500);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    bench.run_to(61_499);
    assert!(bench.forwards(A, G) && bench.changes.len() == 1);
    assert_eq!(bench.group_queries_since(0, A), [50_000]);
    bench.run_to(61_500);
    assert_eq!(left(&bench), [(61_500, Left::Expired)]);
}

#[test]
fn r55_a_host_that_reported_keeps_it_as_long_as_its_report_counts() {
    for before in [false, true] {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        if before {
            bench.receive(A, &join(G).from("10.1.0.7"));
        }
        set(&mut bench, &[G]);
        if !before {
            bench.receive(A, &join(G).from("10.1.0.7"));
        }
        bench.run_to(10_999);
        set(&mut bench, &[]);
        let view = bench.proxy.groups().next().unwrap();
        assert_eq!((view.state, view.last_reporter.unwrap().host), (MemberState::Present, ip("10.1.0.7")));
        assert!(bench.forwards(A, G));
        bench.run_to(11_000);
        assert_eq!(left(&bench), [(11_000, Left::Expired)]);
        assert_eq!(bench.group_queries_since(0, A), [0; 0], "as any member");
    }
}

#[test]
fn r55_a_report_that_counts_no_more_is_no_members() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.receive(A, &join(G));
    bench.run_to(11_000);
    set(&mut bench, &[]);
    assert_eq!(bench.proxy.groups().next().unwrap().last_reporter, None);
    bench.run_to(13_000);
    assert_eq!(left(&bench), [(13_000, Left::NotStatic)]);
}

/// RFC 2236, sections 4 and 7: neither asks about one group.
#[test]
fn r55_where_nobody_can_be_asked_an_unreported_group_goes_at_once() {
    let v1 = |c: &mut ClientPortSettings| c.version = QuerierVersion::V1;
    for (speaks_v1, rival, link) in [(true, false, true), (false, true, true), (false, false, false)] {
        for reported in [false, true] {
            let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
            let mut settings = settings(&[G]);
            if speaks_v1 {
                v1(&mut settings);
            }
            bench.configure(A, &settings);
            bench.run_to(50_000);
            if reported {
                bench.receive(A, &join(G));
            }
            if rival {
                bench.receive(A, &query(10, "0.0.0.0").from("10.1.0.0"));
            }
            bench.link(A, link);
            settings.static_groups.clear();
            bench.proxy.add_client_port(bench.now, port(A), settings, link);
            bench.drain();
            assert_eq!(bench.forwards(A, G), reported);
            assert_eq!(bench.group_queries_since(0, A), [0; 0]);
            let gmi = if speaks_v1 { 20_000 } else { 11_000 };
            bench.run_to(50_000 + gmi);
            assert!(!bench.forwards(A, G));
            let why = if reported { (50_000 + gmi, Left::Expired) } else { (50_000, Left::NotStatic) };
            assert_eq!(left(&bench), [why], "{speaks_v1} {rival} {link}");
        }
    }
}

#[test]
fn r28_the_querier_also_lowers_what_hosts_reported_of_a_static_group() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.receive(A, &join(G));
    bench.receive(A, &query(10, G).from("10.1.0.0"));
    bench.run_to(1000);
    set(&mut bench, &[]);
    assert_eq!(bench.proxy.groups().next().unwrap().expires.map(|at| at.as_nanos()), Some(2_000_000_000));
}

#[test]
fn r37_r55_a_longer_interval_counts_for_reports_of_a_static_group() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G]);
    bench.receive(A, &join(G));
    let longer = ClientPortSettings { timers: igmp::RouterTimers::default(), ..settings(&[G]) };
    bench.configure(A, &longer);
    bench.configure(A, &ClientPortSettings { static_groups: Vec::new(), ..longer });
    assert_eq!(bench.proxy.groups().next().unwrap().expires.map(|at| at.as_nanos()), Some(260_000_000_000));
}

#[test]
fn r96_r55_hosts_of_a_static_group_are_remembered_over_the_switch() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    set(&mut bench, &[G, "239.1.1.1"]);
    bench.receive(A, &join(G));
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    set(&mut bench, &[]);
    bench.run_to(5000);
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    assert!(bench.forwards(A, G) && !bench.forwards(A, "239.1.1.1"));
    assert_eq!(state(&bench), MemberState::Present);
}

#[test]
fn r93_r55_a_link_away_for_too_long_takes_the_reports_of_a_static_group_with_it() {
    let hold = Some(core::time::Duration::from_secs(2));
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    let mut settings = ClientPortSettings { link_down_hold: hold, ..settings(&[G]) };
    bench.configure(A, &settings);
    bench.receive(A, &join(G));
    bench.link(A, false);
    bench.run_to(2000);
    bench.link(A, true);
    assert!(bench.forwards(A, G));
    settings.static_groups.clear();
    bench.configure(A, &settings);
    assert_eq!(state(&bench), MemberState::Checking);
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
