//! r19 to r28, r30, r33, r92, r95, r97, f24: the election between routers, and what a non-querier does.

use igmp::{Event, MemberState, PortRole, Verdict, Version};
use types::Time;

use crate::bench::{A, B, Bench, WAN, client_settings, port};
use crate::raw::{BLOCK, Raw, TO_IN, group, ip, join, join_v1, leave, query, query_v3, report_v3};

const G: &str = "239.2.2.2";
/// Lower than ours, and lower still.
const RIVAL: &str = "10.1.0.20";
const LOWEST: &str = "10.1.0.10";
const HIGHER: &str = "10.1.0.200";
const OQPI: u64 = 255_000;
const GMI: u64 = 260_000;

/// As `Bench::new`, with the address 10.1.0.100 on port A.
fn bench() -> Bench {
    let old = client_settings("10.1.0.1/24").address;
    let new = client_settings("10.1.0.100/24").address;
    Bench::with(|c| c.address = if c.address == old { new } else { c.address }, |_| {})
}

fn general(source: &str) -> Raw {
    query(100, "0.0.0.0").from(source)
}

fn at(ms: u64) -> Time {
    Time::from_nanos(ms * 1_000_000)
}

fn expires(bench: &Bench) -> Time {
    bench.proxy.member(group(G), port(A)).unwrap().expires.unwrap()
}

/// A bench whose port A lost the election at 1 s, and has a member since 500 ms.
fn non_querier() -> Bench {
    let mut bench = bench();
    bench.run_to(500);
    bench.receive(A, &join(G));
    bench.run_to(1000);
    assert_eq!(bench.receive(A, &general(RIVAL)), Verdict::QuerierHeard);
    bench
}

#[test]
fn r20_any_query_from_a_lower_address_makes_us_non_querier() {
    let queries = [
        general(RIVAL),
        query(0, "0.0.0.0").from(RIVAL),
        query_v3(100, "0.0.0.0", &[]).from(RIVAL),
        query(10, "239.7.7.7").from(RIVAL),
        query_v3(10, "239.7.7.7", &["10.9.9.9"]).from(RIVAL),
    ];
    for raw in queries {
        let mut bench = bench();
        bench.run_to(1000);
        assert_eq!(bench.receive(A, &raw), Verdict::QuerierHeard);
        assert_eq!(bench.roles.get(&A), Some(&false));
        let role = PortRole::NonQuerier { querier: ip(RIVAL), since: at(1000), until: at(1000 + OQPI) };
        assert_eq!((bench.role(A), role.name()), (role, "non-querier"));
        assert_eq!(bench.proxy.port_view(bench.now, port(A)).unwrap().querier, Some(ip(RIVAL)));
        bench.run_to(1000 + OQPI - 1);
        assert_eq!(bench.general_queries(A), [0], "no more General Queries");
        assert_eq!(bench.general_queries(B).len(), 3, "the other port knows nothing of it");
    }
}

#[test]
fn r21_a_higher_address_and_our_own_echo_change_nothing() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    let before = bench.state();
    assert_eq!(bench.receive(A, &general(HIGHER)), Verdict::QueryHeard);
    assert_eq!(bench.receive(A, &general("10.1.0.100")), Verdict::OwnAddress);
    assert_eq!(bench.receive(A, &query(10, G).from(HIGHER)), Verdict::QueryHeard);
    assert_eq!(bench.state(), before);
    let mut bench = non_querier();
    let before = bench.state();
    assert_eq!(bench.receive(A, &general(HIGHER)), Verdict::QueryHeard);
    assert_eq!(bench.receive(A, &query(10, G).from(HIGHER)), Verdict::QueryHeard);
    assert_eq!(bench.state(), before, "nor as non-querier");
}

#[test]
fn r22_when_the_other_falls_silent_we_are_querier_again_at_once() {
    let mut bench = non_querier();
    bench.run_to(1000 + OQPI);
    assert_eq!(bench.roles.get(&A), Some(&true));
    assert_eq!(bench.role(A), PortRole::Querier { next_query: at(1000 + OQPI + 125_000) });
    bench.run_to(600_000);
    assert_eq!(bench.general_queries(A), [0, 256_000, 381_000, 506_000]);
}

#[test]
fn r23_each_further_query_restarts_the_interval_and_the_latest_is_shown() {
    let mut bench = non_querier();
    bench.run_to(100_000);
    bench.receive(A, &general(LOWEST));
    bench.run_to(200_000);
    // Not lower than the last winner, but lower than we are.
    bench.receive(A, &general("10.1.0.99"));
    let until = at(200_000 + OQPI);
    assert_eq!(bench.role(A), PortRole::NonQuerier { querier: ip("10.1.0.99"), since: at(1000), until });
    bench.run_to(200_000 + OQPI - 1);
    assert_eq!(bench.general_queries(A), [0]);
    bench.run_to(200_000 + OQPI);
    assert_eq!(bench.general_queries(A).len(), 2);
}

#[test]
fn r24_a_query_from_nowhere_never_wins_and_changes_no_timer() {
    for mut bench in [bench(), non_querier()] {
        bench.receive(A, &join("239.7.7.7"));
        let before = bench.state();
        for raw in [general("0.0.0.0"), query(10, "239.7.7.7").from("0.0.0.0")] {
            assert_eq!(bench.receive(A, &raw), Verdict::QueryHeard);
        }
        assert_eq!(bench.state(), before);
    }
}

#[test]
fn r25_an_off_link_address_never_wins_and_changes_no_timer() {
    for mut bench in [bench(), non_querier()] {
        bench.receive(A, &join("239.7.7.7"));
        let before = bench.state();
        for source in ["10.0.255.254", "9.9.9.9", "10.2.0.3"] {
            for raw in [general(source), query(10, "239.7.7.7").from(source)] {
                assert_eq!(bench.receive(A, &raw), Verdict::QueryHeard);
            }
        }
        assert_eq!(bench.state(), before);
    }
}

#[test]
fn r19_where_we_have_no_address_any_querier_wins() {
    let mut bench = Bench::with(|c| c.address = None, |_| {});
    assert_eq!(bench.receive(A, &general("0.0.0.0")), Verdict::QueryHeard);
    assert_eq!(bench.receive(A, &general("203.0.113.77")), Verdict::QuerierHeard);
    assert!(matches!(bench.role(A), PortRole::NonQuerier { .. }));
}

#[test]
fn r26_groups_being_checked_finish_as_querier() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    bench.run_to(500);
    assert_eq!(bench.receive(A, &general(RIVAL)), Verdict::QuerierHeard);
    // Not even the winner's query for that very group changes it.
    assert_eq!(bench.receive(A, &query(1, G).from(RIVAL)), Verdict::QuerierHeard);
    bench.run_to(1999);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(0, A), [0, 1000]);
    bench.run_to(2000);
    assert!(!bench.forwards(A, G));
}

#[test]
fn r27_a_non_querier_sends_nothing_and_ignores_leaves() {
    let mut bench = non_querier();
    bench.receive(A, &join_v1("239.1.1.1"));
    let before = bench.state();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveNotQuerier);
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveNotQuerier);
    assert_eq!(bench.receive(A, &leave("239.1.1.1")), Verdict::LeaveV1Host);
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::NoEffect);
    assert_eq!(bench.receive(A, &leave("239.7.7.7")), Verdict::LeaveNoMember);
    assert_eq!(bench.state(), before);
    bench.run_to(1000 + OQPI - 1);
    let sent = bench.sent.iter().filter(|sent| sent.port == A).count();
    assert_eq!(sent, 1, "our first query");
}

#[test]
fn r27_a_non_querier_goes_on_learning_and_ageing() {
    let mut bench = non_querier();
    assert_eq!(bench.receive(A, &join("239.1.1.1")), Verdict::Joined);
    bench.run_to(100_000);
    bench.receive(A, &general(RIVAL));
    assert_eq!(bench.receive(A, &join("239.1.1.1")), Verdict::Refreshed);
    bench.run_to(200_000);
    bench.receive(A, &general(RIVAL));
    bench.run_to(500 + GMI - 1);
    assert!(bench.forwards(A, G));
    bench.run_to(500 + GMI);
    assert!(!bench.forwards(A, G) && bench.forwards(A, "239.1.1.1"));
    bench.run_to(100_000 + GMI);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r28_the_queriers_group_specific_query_lowers_the_timer_to_its_time_and_our_count() {
    let cases = [
        (query(10, G), 2000),
        (query(3, G), 600),
        (query(255, G), 51_000),
        (query_v3(10, G, &[]), 2000),
        // r32: 0x8a is (0x10 | 0xa) << 3 tenths.
        (query_v3(0x8a, G, &[]), 41_600),
        // r66b: at once, which counts as our own interval.
        (query_v3(0, G, &[]), 2000),
    ];
    for (raw, after) in cases {
        let mut bench = non_querier();
        assert_eq!(bench.receive(A, &raw.from(RIVAL)), Verdict::TimerLowered);
        assert_eq!(expires(&bench), at(1000 + after));
        bench.run_to(1000 + after - 1);
        assert!(bench.forwards(A, G));
        bench.run_to(1000 + after);
        assert!(!bench.forwards(A, G));
    }
}

#[test]
fn r28_it_takes_the_first_group_specific_query_of_the_winner_too() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &query(10, G).from(RIVAL)), Verdict::TimerLowered);
    assert_eq!(expires(&bench), at(2000));
}

#[test]
fn r28_a_report_restores_the_interval_and_nothing_raises_it() {
    let mut bench = non_querier();
    bench.receive(A, &query(10, G).from(RIVAL));
    bench.run_to(1500);
    for raw in [query(255, G), query(10, G)] {
        assert_eq!(bench.receive(A, &raw.from(RIVAL)), Verdict::QuerierHeard);
        assert_eq!(expires(&bench), at(3000), "never raised");
    }
    bench.run_to(2999);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed);
    assert_eq!(expires(&bench), at(2999 + GMI));
    bench.run_to(100_000);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 1, "no gap");
}

#[test]
fn r28_r33_what_lowers_nothing() {
    let quiet = [
        // Group and source, the S flag, version 1, another group, general.
        query_v3(10, G, &["10.9.9.9"]),
        query_v3(10, G, &[]).with(|r| r.igmp[8] |= 0x08),
        query(0, G).to("224.0.0.1"),
        query(10, "239.2.2.3"),
        query(10, "0.0.0.0"),
    ];
    for raw in quiet {
        let mut bench = non_querier();
        bench.run_to(2000);
        assert_eq!(bench.receive(A, &raw.from(RIVAL)), Verdict::QuerierHeard);
        assert_eq!(expires(&bench), at(500 + GMI));
        let PortRole::NonQuerier { until, .. } = bench.role(A) else { panic!("still non-querier") };
        assert_eq!(until, at(2000 + OQPI), "the election counts it");
    }
}

#[test]
fn r28_a_v1_host_and_a_static_group() {
    let mut bench = bench();
    bench.receive(A, &join_v1(G));
    bench.receive(A, &query(10, G).from(RIVAL));
    bench.run_to(1000);
    bench.receive(A, &join(G));
    let view = bench.proxy.member(group(G), port(A)).unwrap();
    assert_eq!((view.state, view.v1_host_until), (MemberState::V1Present, Some(at(GMI))));
    let mut settings = client_settings("10.1.0.100/24");
    settings.static_groups = vec![group(G)];
    bench.configure(A, &settings);
    assert_eq!(bench.receive(A, &query(10, G).from(RIVAL)), Verdict::QuerierHeard);
    bench.run_to(100_000);
    assert!(bench.forwards(A, G));
}

#[test]
fn r45_a_v1_report_starts_its_timer_as_non_querier_too() {
    let mut bench = non_querier();
    bench.run_to(250_000);
    assert_eq!(bench.receive(A, &join_v1(G)), Verdict::Refreshed);
    bench.run_to(1000 + OQPI);
    assert!(matches!(bench.role(A), PortRole::Querier { .. }));
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Host);
}

#[test]
fn r30_another_version_is_warned_about_at_a_limited_rate() {
    let mut bench = bench();
    bench.receive(A, &general(HIGHER));
    let other = |event: &Event| matches!(event, Event::OtherVersion { .. });
    assert_eq!(bench.told(other), [0; 0], "version 2, as ours");
    for ms in [1000, 2000, 60_999, 61_000] {
        bench.run_to(ms);
        bench.receive(A, &query(0, "0.0.0.0").from(HIGHER));
        bench.receive(A, &query_v3(100, "0.0.0.0", &[]).from("0.0.0.0"));
    }
    assert_eq!(bench.told(other), [1000, 61_000]);
    let first =
        Event::OtherVersion { port: port(A), querier: ip(HIGHER), version: Version::V1, ours: Version::V2 };
    assert!(bench.events.contains(&(1000, first)));
}

#[test]
fn r34_r94_a_new_link_or_address_makes_us_querier_again() {
    let mut bench = non_querier();
    bench.link(A, false);
    assert_eq!(bench.roles.get(&A), Some(&false), "a link that is down changes no role");
    assert_eq!(bench.receive(A, &general(LOWEST)), Verdict::QueryHeard);
    bench.run_to(5000);
    bench.link(A, true);
    assert_eq!(bench.roles.get(&A), Some(&true));
    assert_eq!(bench.general_queries(A), [0, 5000]);
    bench.receive(A, &general(RIVAL));
    bench.run_to(6000);
    bench.configure(A, &client_settings("10.1.0.101/24"));
    assert_eq!(bench.roles.get(&A), Some(&true));
    assert_eq!(bench.general_queries(A), [0, 5000, 6000]);
    assert!(bench.forwards(A, G), "no member lost");
    // Lower than the rival now: it is no rival any more.
    bench.configure(A, &client_settings("10.1.0.2/24"));
    let before = bench.state();
    assert_eq!(bench.receive(A, &general(RIVAL)), Verdict::QueryHeard);
    assert_eq!(bench.state(), before);
}

#[test]
fn r94_another_network_under_the_same_querier_address_too() {
    let mut bench = bench();
    let mut settings = client_settings("10.1.0.90/24");
    settings.querier_address = Some(ip("10.1.0.100"));
    bench.configure(A, &settings);
    bench.receive(A, &general(RIVAL));
    assert_eq!(bench.roles.get(&A), Some(&false));
    settings.address = "10.5.0.90/24".parse().ok();
    bench.configure(A, &settings);
    assert_eq!(bench.roles.get(&A), Some(&true));
    assert_eq!(bench.receive(A, &general(RIVAL)), Verdict::QueryHeard, "off the link now");
}

#[test]
fn other_timers_leave_the_winner_alone() {
    let mut bench = non_querier();
    let mut settings = client_settings("10.1.0.100/24");
    settings.timers = crate::bench::short_timers();
    bench.configure(A, &settings);
    assert!(matches!(bench.role(A), PortRole::NonQuerier { .. }));
    assert_eq!(bench.general_queries(A), [0]);
    bench.receive(A, &general(RIVAL));
    bench.run_to(1000 + 10_500);
    assert_eq!(bench.general_queries(A), [0, 11_500], "the interval is 2 x 5 s + 0.5 s now");
}

#[test]
fn r92_members_of_a_port_that_lost_still_count_upstream() {
    let mut bench = bench();
    bench.receive(A, &general(RIVAL));
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined);
    assert_eq!(bench.sent_since(since, WAN), [(0, 0x16, G.into())]);
    bench.run_to(200_000);
    bench.receive(A, &join(G));
    bench.run_to(OQPI);
    assert_eq!(bench.roles.get(&A), Some(&true), "a takeover is told at once");
    assert!(bench.forwards(A, G), "and the member is there");
}

#[test]
fn r95_members_that_depend_on_another_router_are_told_of() {
    let told = |event: &Event| matches!(event, Event::NotQuerier { .. });
    let mut bench = non_querier();
    assert_eq!(bench.told(told), [1000], "at once");
    let first = Event::NotQuerier { port: port(A), querier: ip(RIVAL) };
    assert!(bench.events.contains(&(1000, first)));
    for ms in (10_000..=1_300_000).step_by(10_000) {
        bench.run_to(ms);
        bench.receive(A, &general(RIVAL));
        bench.receive(A, &join(G));
    }
    assert_eq!(bench.told(told), [1000, 610_000, 1_210_000], "then at most every 10 minutes");
    // A port without members: nothing, until the first comes.
    let mut bench = self::bench();
    bench.receive(A, &general(RIVAL));
    bench.run_to(5000);
    bench.receive(A, &general(RIVAL));
    assert_eq!(bench.told(told), [0; 0]);
    bench.receive(A, &join(G));
    assert_eq!(bench.told(told), [5000]);
}

#[test]
fn r97_a_group_specific_query_heard_as_querier_changes_no_timer() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    let before = bench.state();
    for source in [HIGHER, "0.0.0.0", "9.9.9.9"] {
        assert_eq!(bench.receive(A, &query(1, G).from(source)), Verdict::QueryHeard);
        assert_eq!(bench.receive(A, &query_v3(1, G, &[]).from(source)), Verdict::QueryHeard);
    }
    assert_eq!(bench.state(), before);
}

#[test]
fn f24_a_lower_querier_that_flaps_each_second_and_goes() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    for second in 1..=600 {
        bench.run_to(second * 1000);
        bench.receive(A, &general(if second % 2 == 0 { RIVAL } else { LOWEST }));
        if second % 100 == 0 {
            bench.receive(A, &join(G));
        }
    }
    assert_eq!(bench.general_queries(A), [0]);
    assert_eq!(bench.changes.len(), 1);
    let role = |event: &Event| matches!(event, Event::QuerierChanged { .. });
    assert!(bench.told(role).len() <= 11, "one a minute: {:?}", bench.told(role));
    bench.run_to(600_000 + OQPI);
    assert_eq!(bench.general_queries(A), [0, 600_000 + OQPI]);
    let back = Event::QuerierChanged { port: port(A), querier: ip("10.1.0.100"), ours: true };
    assert_eq!(bench.events.last(), Some(&(600_000 + OQPI, back)));
    assert!(bench.forwards(A, G));
}
