//! f29, f30, f32, f38: loads that clients can make, and a thread that is late. Whoever watches in peace notices
//! nothing, and nothing is left of it.

use core::net::Ipv4Addr;
use std::collections::{BTreeMap, BTreeSet};

use igmp::{Event, MemberState, Verdict};
use types::{MacAddr, Time};

use crate::bench::{A, B, Bench, WAN};
use crate::raw::{Raw, group, ip, join, leave};

/// What somebody on port B watches, before and after.
const WATCHED: &str = "239.99.0.1";
const GMI: u64 = 260_000;

fn nth(n: u32) -> String {
    format!("239.1.{}.{}", n / 256 % 256, n % 256)
}

/// A bench with a member on port B, and room for `max_groups` groups on each port.
fn bench(max_groups: u32) -> Bench {
    let mut bench = Bench::with(|c| c.max_groups = max_groups, |_| {});
    bench.check_views = false;
    bench.receive(B, &join(WATCHED).from("10.2.0.9"));
    bench.run_to(20_000);
    bench
}

/// The frame as host number `n` of port A sends it.
fn by(n: u32, raw: Raw) -> Raw {
    let [_, _, c, d] = (n + 256).to_be_bytes();
    raw.with(|r| {
        r.source_mac = MacAddr([2, 0, 0, 1, c, d]);
        r.source = Ipv4Addr::new(10, 1, c, d);
    })
}

/// The peaceful member's stream ran all the time, and nothing was asked about it.
#[track_caller]
fn assert_undisturbed(bench: &Bench) {
    assert!(bench.forwards(B, WATCHED));
    let changes = bench.changes.iter().filter(|change| (change.1, change.2) == (B, group(WATCHED)));
    assert_eq!(changes.count(), 1, "no gap on the other port");
    assert_eq!(bench.group_queries_since(0, B), [0; 0]);
}

/// How often each (type, group) went out of a port since message number `since`.
fn counted(bench: &Bench, since: usize, port: usize) -> BTreeMap<(u8, String), usize> {
    let mut counts = BTreeMap::new();
    for (_, kind, group) in bench.sent_since(since, port) {
        *counts.entry((kind, group)).or_default() += 1;
    }
    counts
}

#[test]
fn f29_one_host_joins_one_group_ten_thousand_times_a_second() {
    let mut bench = bench(16);
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &join(&nth(0))), Verdict::Joined);
    for _ in 0..3000 {
        for _ in 0..10 {
            assert_eq!(bench.receive(A, &join(&nth(0))), Verdict::Refreshed);
        }
        bench.run(1);
    }
    bench.run_to(40_000);
    assert_eq!(counted(&bench, since, WAN), [((0x16, nth(0)), 2)].into(), "one join and its repeat");
    assert_eq!(bench.told(|event| matches!(event, Event::Joined { .. })).len(), 2);
    assert_undisturbed(&bench);
}

#[test]
fn f29_one_host_joins_another_group_ten_thousand_times_a_second() {
    const ROOM: u32 = 4096;
    let mut bench = bench(ROOM);
    let since = bench.sent.len();
    for n in 0..30_000 {
        let verdict = if n < ROOM { Verdict::Joined } else { Verdict::GroupLimit };
        assert_eq!(bench.receive(A, &join(&nth(n))), verdict);
        if n % 10 == 9 {
            bench.run(1);
        }
        // Amid it another port's clients come and go as always.
        if n == 15_000 {
            assert_eq!(bench.receive(B, &join("239.99.0.2").from("10.2.0.8")), Verdict::Joined);
        }
    }
    assert_eq!(bench.proxy.groups().count(), ROOM as usize + 2);
    let limit = |event: &Event| matches!(event, Event::GroupLimit { .. });
    assert_eq!(bench.told(limit).len(), 1, "told once, not 25,904 times");
    bench.run_to(60_000);
    let reported = counted(&bench, since, WAN);
    assert_eq!(reported.len(), ROOM as usize + 1);
    assert!(reported.values().all(|times| *times == 2), "one join and its repeat each");
    // The host falls silent, the peaceful one answers, and nothing is left of it all.
    bench.receive(B, &join(WATCHED).from("10.2.0.9"));
    bench.run_to(25_000 + GMI);
    assert_eq!(bench.proxy.groups().map(|view| view.group).collect::<Vec<_>>(), [group(WATCHED)]);
    assert_eq!(bench.proxy.upstream_groups().count(), 1);
    assert_undisturbed(&bench);
}

#[test]
fn f30_a_thousand_hosts_zap_a_hundred_channels_in_the_same_instant() {
    let mut bench = bench(1000);
    let everybody = |bench: &mut Bench, make: &dyn Fn(u32) -> Raw| {
        for host in 0..1000 {
            for n in 0..100 {
                bench.receive(A, &by(host, make(n)));
            }
        }
    };
    everybody(&mut bench, &|n| join(&nth(n)));
    bench.run(20_000);
    let since = bench.sent.len();
    // Each leaves its hundred and takes the next hundred.
    everybody(&mut bench, &|n| leave(&nth(n)));
    everybody(&mut bench, &|n| join(&nth(100 + n)));
    assert_eq!(bench.sent_since(since, WAN).len(), 100, "asked for once, in the instant");
    assert!((0..200).all(|n| bench.forwards(A, &nth(n))), "the old ones until nobody answers");
    bench.run(1999);
    assert!((0..200).all(|n| bench.forwards(A, &nth(n))));
    bench.run(1);
    assert!((0..100).all(|n| !bench.forwards(A, &nth(n)) && bench.forwards(A, &nth(100 + n))));
    bench.run(20_000);
    let old = (0..100).map(nth);
    let asked: BTreeMap<_, _> = old.clone().map(|group| ((0x11, group), 2)).collect();
    assert_eq!(
        counted(&bench, since, A)
            .into_iter()
            .filter(|(sent, _)| sent.1 != "0.0.0.0")
            .collect::<BTreeMap<_, _>>(),
        asked
    );
    let left = old.map(|group| ((0x17, group), 1));
    let told: BTreeMap<_, _> = left.chain((100..200).map(|n| ((0x16, nth(n)), 2))).collect();
    assert_eq!(counted(&bench, since, WAN), told, "a Leave each, a join and its repeat each");
    assert_undisturbed(&bench);
}

#[test]
fn f30_a_thousand_hosts_with_a_hundred_channels_of_their_own_zap_in_the_same_instant() {
    const ALL: u32 = 100_000;
    let own = |n: u32| format!("232.{}.{}.{}", n >> 16, n >> 8 & 255, n & 255);
    let mut bench = bench(2 * ALL);
    for n in 0..ALL {
        assert_eq!(bench.receive(A, &by(n / 100, join(&own(n)))), Verdict::Joined);
    }
    bench.run(20_000);
    let since = bench.sent.len();
    for n in 0..ALL {
        assert_eq!(bench.receive(A, &by(n / 100, leave(&own(n)))), Verdict::LeaveTaken);
        assert_eq!(bench.receive(A, &by(n / 100, join(&own(ALL + n)))), Verdict::Joined);
    }
    assert_eq!(bench.forwarded.len(), 2 * ALL as usize + 1);
    bench.run(2000);
    assert_eq!(bench.forwarded.len(), ALL as usize + 1, "each of the old ones goes in its time");
    assert!(bench.proxy.groups().all(|view| view.state == MemberState::Present));
    bench.run(20_000);
    let queries = bench.group_queries_since(since, A);
    assert_eq!(queries.len(), 2 * ALL as usize);
    let left: BTreeSet<_> =
        bench.sent[since..].iter().filter(|sent| sent.kind == 0x17).map(|s| s.group).collect();
    assert_eq!((left.len(), bench.proxy.upstream_groups().count()), (ALL as usize, ALL as usize + 1));
    assert!(!left.contains(&ip(WATCHED)));
    assert_undisturbed(&bench);
}

#[test]
fn f32_a_port_that_asks_for_more_than_it_may_takes_nothing_from_another() {
    let mut bench = bench(100);
    for round in 0..3 {
        for n in 0..1000 {
            let expected = match (n < 100, round) {
                (true, 0) => Verdict::Joined,
                (true, _) => Verdict::Refreshed,
                (false, _) => Verdict::GroupLimit,
            };
            assert_eq!(bench.receive(A, &join(&nth(n))), expected);
        }
    }
    for n in 1..100 {
        assert_eq!(bench.receive(B, &join(&nth(n)).from("10.2.0.9")), Verdict::Joined, "its own share");
    }
    // Room that comes free is for whoever asks next.
    bench.receive(A, &leave(&nth(0)));
    bench.run(2000);
    assert_eq!(bench.receive(A, &join(&nth(500))), Verdict::Joined);
    assert_eq!(bench.receive(A, &join(&nth(501))), Verdict::GroupLimit);
    assert_eq!(bench.proxy.groups().count(), 200);
}

#[test]
fn f38_control_stopped_for_a_second_loses_nothing() {
    let mut bench = bench(16);
    bench.receive(A, &join(&nth(0)));
    bench.run_to(29_000);
    bench.receive(A, &leave(&nth(0)));
    // Stopped from 29.5 s to 31.5 s; what came meanwhile waited in its ring.
    bench.run_to(29_500);
    bench.now = Time::from_nanos(31_500_000_000);
    assert_eq!(bench.receive(A, &join(&nth(0))), Verdict::Refreshed);
    assert_eq!(bench.receive(A, &join(&nth(1))), Verdict::Joined);
    bench.run(0);
    assert_eq!(bench.group_queries_since(0, A), [29_000], "the answer came before the second question");
    assert_eq!(bench.general_queries(A), [0, 31_500], "250 ms late");
    bench.run_to(200_000);
    assert_eq!(bench.general_queries(A), [0, 31_500, 156_250], "and the next in its time");
    assert!(bench.forwards(A, &nth(0)) && bench.forwards(A, &nth(1)));
    assert_undisturbed(&bench);
}

#[test]
fn f38_after_a_clock_that_jumped_an_hour_there_is_one_query_not_29() {
    let mut bench = bench(16);
    bench.receive(A, &join(&nth(0)));
    bench.run_to(60_000);
    let since = bench.sent.len();
    bench.now = Time::from_nanos(3_660_000_000_000);
    bench.receive(A, &join(&nth(0)));
    bench.run(0);
    assert_eq!(bench.sent_since(since, A), [(3_660_000, 0x11, "0.0.0.0".to_owned())]);
    assert_eq!(
        bench.sent_since(since, WAN),
        [(3_660_000, 0x17, WATCHED.to_owned())],
        "it is not answered for"
    );
    assert!(bench.forwards(A, &nth(0)), "whose report waited is not cut");
    bench.run(125_000);
    assert_eq!(bench.general_queries(A).last(), Some(&3_785_000));
}
