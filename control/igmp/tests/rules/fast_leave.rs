//! r49, r51, r52, f33: Leaves that end a membership at once.

use igmp::{ClientPortSettings, Event, FastLeave, Left, Verdict};
use types::MacAddr;

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers};
use crate::raw::{Raw, TO_EX, TO_IN, group, join, join_v1, leave, query, report_v3};

const G: &str = "239.2.2.2";
/// Past which port and hosts are known for one Group Membership Interval, 11 s.
const KNOWN: u64 = 12_000;

fn bench(fast_leave: FastLeave) -> Bench {
    Bench::with(|c| (c.fast_leave, c.timers) = (fast_leave, short_timers()), |_| {})
}

/// A tracked port that begins now.
fn new_tracked(isolated: bool) -> Bench {
    let mode = (FastLeave::Tracked, isolated, short_timers());
    Bench::with(|c| (c.fast_leave, c.report_isolated, c.timers) = mode, |_| {})
}

/// A tracked port that has been listened to long enough.
fn tracked(isolated: bool) -> Bench {
    let mut bench = new_tracked(isolated);
    bench.run_to(KNOWN);
    bench
}

/// As sent by host `n`.
fn by(n: u8, raw: Raw) -> Raw {
    raw.from(&format!("10.1.0.{}", 10 + n)).with(|r| r.source_mac = MacAddr([2, 0, 0, 0, 9, n]))
}

fn joins_v3(n: u8) -> Raw {
    by(n, report_v3(&[(TO_EX, G, 0)]))
}

fn leaves_v3(n: u8) -> Raw {
    by(n, report_v3(&[(TO_IN, G, 0)]))
}

/// The Leave starts the last member queries, and the member goes only with them.
#[track_caller]
fn goes_by_r38(bench: &mut Bench, raw: &Raw) {
    let (since, now) = (bench.sent.len(), bench.now_ms());
    assert_eq!(bench.receive(A, raw), Verdict::LeaveTaken);
    bench.run(1999);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A), [now, now + 1000]);
    bench.run(1);
    assert!(!bench.forwards(A, G));
}

/// The Leave ends the membership, and nobody is asked.
#[track_caller]
fn goes_at_once(bench: &mut Bench, raw: &Raw) {
    let (since, now) = (bench.sent.len(), bench.now_ms());
    assert_eq!(bench.receive(A, raw), Verdict::FastLeave);
    assert!(!bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(since, A), [0; 0]);
    assert_eq!(bench.sent_since(since, WAN), [(now, 0x17, G.into())]);
    let left = Event::Left { port: port(A), group: group(G), why: Left::FastLeave };
    assert!(bench.events.contains(&(now, left)));
}

#[test]
fn r49_off_by_default() {
    assert_eq!(ClientPortSettings::default().fast_leave, FastLeave::Off);
    let mut bench = bench(FastLeave::Off);
    bench.receive(A, &join(G));
    goes_by_r38(&mut bench, &leave(G));
}

#[test]
fn r49_single_clears_at_once_whoever_leaves() {
    for raw in [leave(G), leave(G).from("0.0.0.0"), leaves_v3(7)] {
        let mut bench = bench(FastLeave::Single);
        bench.receive(A, &join(G));
        goes_at_once(&mut bench, &raw);
        assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveNoMember);
    }
}

#[test]
fn r49_single_set_while_a_check_runs_takes_the_next_leave() {
    let mut bench = bench(FastLeave::Off);
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    let mut settings = client_settings("10.1.0.1/24");
    (settings.fast_leave, settings.timers) = (FastLeave::Single, short_timers());
    bench.configure(A, &settings);
    goes_at_once(&mut bench, &leave(G));
}

#[test]
fn r49_tracked_the_last_v3_host_clears_at_once() {
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    goes_at_once(&mut bench, &leaves_v3(1));
}

#[test]
fn r49_tracked_a_host_that_is_not_the_last_goes_by_r38() {
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.receive(A, &joins_v3(2));
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &leaves_v3(1)), Verdict::LeaveTaken);
    bench.run(300);
    assert_eq!(bench.receive(A, &joins_v3(2)), Verdict::Refreshed, "the second TV answers");
    bench.run(5000);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 1, "and never freezes");
    assert_eq!(bench.group_queries_since(since, A).len(), 1);
    goes_at_once(&mut bench, &leaves_v3(2));
}

#[test]
fn r49_tracked_the_last_may_leave_while_the_others_leave_is_checked() {
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.receive(A, &joins_v3(2));
    assert_eq!(bench.receive(A, &leaves_v3(1)), Verdict::LeaveTaken);
    bench.run(100);
    goes_at_once(&mut bench, &leaves_v3(2));
}

#[test]
fn r49_tracked_an_untracked_host_or_one_without_address_goes_by_r38() {
    let stranger_mac = leaves_v3(1).with(|r| r.source_mac = MacAddr([2, 0, 0, 0, 9, 99]));
    let other_address = leaves_v3(1).from("10.1.0.77");
    for raw in [leaves_v3(2), stranger_mac, other_address] {
        let mut bench = tracked(false);
        bench.receive(A, &joins_v3(1));
        goes_by_r38(&mut bench, &raw);
    }
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1).from("0.0.0.0"));
    goes_by_r38(&mut bench, &leaves_v3(1).from("0.0.0.0"));
}

#[test]
fn r49_tracked_one_report_of_another_version_spoils_it_for_an_interval() {
    // A host of version 2 may hold its report back on hearing this one.
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.receive(A, &by(2, join(G)));
    bench.run(5000);
    bench.receive(A, &joins_v3(1));
    goes_by_r38(&mut bench, &leaves_v3(1));
    let mut bench = tracked(false);
    bench.receive(A, &by(1, join(G)));
    bench.run(10_999);
    bench.receive(A, &joins_v3(1));
    goes_by_r38(&mut bench, &leaves_v3(1));
    let mut bench = tracked(false);
    bench.receive(A, &by(1, join(G)));
    bench.run(10_000);
    bench.receive(A, &joins_v3(1));
    bench.run(1000);
    goes_at_once(&mut bench, &leaves_v3(1));
}

#[test]
fn r49_tracked_hosts_that_do_not_hear_each_other_may_speak_version_2() {
    let mut bench = tracked(true);
    bench.receive(A, &by(1, join(G)));
    bench.receive(A, &by(2, join(G)));
    assert_eq!(bench.receive(A, &by(1, leave(G))), Verdict::LeaveTaken);
    bench.run(200);
    bench.receive(A, &by(2, join(G)));
    bench.run(5000);
    assert!(bench.forwards(A, G));
    goes_at_once(&mut bench, &by(2, leave(G)));
    bench.receive(A, &by(1, join(G)));
    goes_by_r38(&mut bench, &by(3, leave(G)));
}

/// After the start, a link that was down, a switch that was off, a change of the mode: who joined before
/// has yet to answer a query.
fn just_begun(isolated: bool) -> [Bench; 4] {
    let mut flapped = tracked(isolated);
    flapped.link(A, false);
    flapped.link(A, true);
    let mut switched = tracked(isolated);
    switched.proxy.set_enabled(switched.now, false);
    switched.proxy.set_enabled(switched.now, true);
    switched.drain();
    let mut changed = tracked(isolated);
    let mut settings = client_settings("10.1.0.1/24");
    (settings.timers, settings.report_isolated) = (short_timers(), isolated);
    changed.configure(A, &settings);
    settings.fast_leave = FastLeave::Tracked;
    changed.configure(A, &settings);
    [new_tracked(isolated), flapped, switched, changed]
}

#[test]
fn r49_tracked_knows_nobody_for_certain_before_one_interval() {
    for mut bench in [false, true].into_iter().flat_map(just_begun) {
        bench.receive(A, &joins_v3(1));
        bench.run(5000);
        goes_by_r38(&mut bench, &leaves_v3(1));
        bench.run(3999);
        bench.receive(A, &joins_v3(1));
        let since = bench.sent.len();
        assert_eq!(bench.receive(A, &leaves_v3(1)), Verdict::LeaveTaken);
        bench.receive(A, &joins_v3(1));
        bench.run(1);
        assert_eq!(bench.group_queries_since(since, A).len(), 1);
        goes_at_once(&mut bench, &leaves_v3(1));
    }
}

#[test]
fn r49_tracked_a_silent_host_counts_until_its_interval_is_over() {
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.run(1000);
    bench.receive(A, &joins_v3(2));
    bench.run(9999);
    bench.receive(A, &joins_v3(2));
    goes_by_r38(&mut bench, &leaves_v3(2));
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.run(1000);
    bench.receive(A, &joins_v3(2));
    bench.run(10_000);
    goes_at_once(&mut bench, &leaves_v3(2));
}

#[test]
fn r49_tracked_hosts_are_forgotten_with_the_membership() {
    let mut bench = tracked(false);
    bench.receive(A, &joins_v3(1));
    bench.receive(A, &joins_v3(2));
    // The other is gone without a word, as the check finds.
    goes_by_r38(&mut bench, &leaves_v3(1));
    bench.receive(A, &joins_v3(1));
    goes_at_once(&mut bench, &leaves_v3(1));
}

#[test]
fn r51_other_ports_members_and_the_upstream_join_stay() {
    let mut bench = bench(FastLeave::Single);
    bench.receive(A, &join(G));
    bench.receive(B, &join(G).from("10.2.0.9"));
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::FastLeave);
    assert!(!bench.forwards(A, G) && bench.forwards(B, G));
    assert_eq!(bench.sent_since(since, WAN), []);
    assert_eq!(bench.receive(B, &leave(G).from("10.2.0.9")), Verdict::FastLeave);
    assert_eq!(bench.sent_since(since, WAN), [(0, 0x17, G.into())]);
}

#[test]
fn r52_off_for_a_group_with_a_v1_host() {
    for mode in [FastLeave::Single, FastLeave::Tracked] {
        let mut bench = bench(mode);
        bench.run_to(KNOWN);
        bench.receive(A, &by(1, join_v1(G)));
        bench.receive(A, &joins_v3(2));
        assert_eq!(bench.receive(A, &leaves_v3(2)), Verdict::LeaveV1Host);
        assert_eq!(bench.receive(A, &by(1, leave(G))), Verdict::LeaveV1Host);
        assert!(bench.forwards(A, G));
        // Another group is none of its business.
        bench.receive(A, &by(2, report_v3(&[(TO_EX, "239.1.1.1", 0)])));
        assert_eq!(bench.receive(A, &by(2, report_v3(&[(TO_IN, "239.1.1.1", 0)]))), Verdict::FastLeave);
    }
}

#[test]
fn r27_a_non_querier_does_not_clear_at_once() {
    for mode in [FastLeave::Single, FastLeave::Tracked] {
        let mut bench = bench(mode);
        bench.run_to(KNOWN);
        let mut settings = client_settings("10.1.0.100/24");
        (settings.fast_leave, settings.timers) = (mode, short_timers());
        bench.configure(A, &settings);
        bench.receive(A, &joins_v3(1));
        bench.receive(A, &query(10, "0.0.0.0").from("10.1.0.20"));
        assert_eq!(bench.receive(A, &leaves_v3(1)), Verdict::LeaveNotQuerier);
        assert!(bench.forwards(A, G));
    }
}

#[test]
fn r55_a_static_group_stays() {
    let mut bench = bench(FastLeave::Single);
    let mut settings = client_settings("10.1.0.1/24");
    (settings.fast_leave, settings.static_groups) = (FastLeave::Single, vec![group(G)]);
    bench.configure(A, &settings);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveStatic);
    assert!(bench.forwards(A, G));
}

#[test]
fn f33_spoofed_hosts_make_leaves_slow_and_nothing_else() {
    let mut bench = tracked(false);
    bench.check_views = false;
    for n in 0..20_000u32 {
        let [.., c, d] = n.to_be_bytes();
        bench.receive(
            A,
            &joins_v3(1).with(|r| {
                r.source_mac = MacAddr([6, 0, 0, 0, c, d]);
                r.source = core::net::Ipv4Addr::new(10, 1, 1 + c, d);
            }),
        );
    }
    bench.receive(A, &joins_v3(1));
    goes_by_r38(&mut bench, &leaves_v3(1));
}

#[test]
fn r49_tracked_knows_nobody_for_certain_after_its_timers_changed() {
    let mut bench = Bench::with(|c| c.fast_leave = FastLeave::Tracked, |_| {});
    bench.run_to(300_000);
    bench.receive(A, &joins_v3(1));
    bench.receive(A, &joins_v3(2));
    bench.run(20_000);
    let mut settings = client_settings("10.1.0.1/24");
    (settings.fast_leave, settings.timers) = (FastLeave::Tracked, short_timers());
    bench.configure(A, &settings);
    // The other has not answered yet, and its membership lasts.
    bench.receive(A, &joins_v3(1));
    goes_by_r38(&mut bench, &leaves_v3(1));
}

#[test]
fn r49_tracked_a_report_of_another_version_counts_for_an_interval_though_the_group_went_meanwhile() {
    let mut bench = tracked(false);
    bench.receive(A, &by(2, join(G)));
    bench.run(1000);
    goes_by_r38(&mut bench, &by(2, leave(G)));
    bench.receive(A, &joins_v3(1));
    goes_by_r38(&mut bench, &leaves_v3(1));
    bench.run(6000);
    bench.receive(A, &joins_v3(1));
    goes_at_once(&mut bench, &leaves_v3(1));
}
