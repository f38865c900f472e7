//! Settings that refuse less than before: who was refused is asked at once (r17, r54, r69, r48, r53).

use igmp::{ClientPortSettings, QuerierVersion, Verdict};
use types::{AccessList, Ipv4Net};

use crate::bench::{A, B, Bench, client_settings, port, short_timers};
use crate::raw::{join, join_v1, query};

const G: &str = "239.2.2.2";

fn rules(rules: &[&str]) -> AccessList {
    AccessList::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

fn nets(nets: &[&str]) -> Vec<Ipv4Net> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

type Change = fn(&mut ClientPortSettings);

/// A port with `before`, 10 s after its start; how many queries `after` brings there at once, and whether anything
/// goes out elsewhere.
fn asked(before: Change, after: Change) -> usize {
    let mut bench = Bench::with(before, |_| {});
    bench.receive(A, &join(G));
    bench.run_to(10_000);
    let (since, mut settings) = (bench.sent.len(), client_settings("10.1.0.1/24"));
    before(&mut settings);
    after(&mut settings);
    bench.configure(A, &settings);
    let sent = &bench.sent[since..];
    assert!(sent.iter().all(|sent| (sent.port, sent.kind, sent.at_ms) == (A, 0x11, 10_000)), "{sent:?}");
    sent.len()
}

#[test]
fn what_refuses_less_asks_once_and_at_once() {
    let changes: [(Change, Change); 9] = [
        (|c| c.access = rules(&["deny 239.9.0.0/16"]), |c| c.access = AccessList::default()),
        (|c| c.access = rules(&["deny 239.9.0.0/16"]), |c| c.access = rules(&["deny 239.9.0.0/17"])),
        // The hole opens in the middle of what stays denied.
        (
            |c| c.access = rules(&["deny 239.0.0.0/8"]),
            |c| c.access = rules(&["allow 239.9.9.9/32", "deny 239.0.0.0/8"]),
        ),
        (|c| c.access = rules(&["deny 0.0.0.0/0"]), |c| c.access = rules(&["deny 239.0.0.0/8"])),
        (|c| c.ignore_v1 = true, |c| c.ignore_v1 = false),
        (|c| c.max_groups = 1, |c| c.max_groups = 2),
        (|_| {}, |c| c.any_ttl = true),
        (|c| c.require_router_alert = true, |c| c.require_router_alert = false),
        // Several at once are one change.
        (
            |c| (c.ignore_v1, c.require_on_link_source) = (true, true),
            |c| (c.ignore_v1, c.require_on_link_source) = (false, false),
        ),
    ];
    for (index, (before, after)) in changes.into_iter().enumerate() {
        // The report of the bench has no Router Alert where that is asked for, and no group is needed there.
        assert_eq!(asked(before, after), 1, "change {index}");
    }
}

#[test]
fn what_refuses_nothing_less_asks_nobody() {
    let changes: [(Change, Change); 7] = [
        (|_| {}, |c| c.access = rules(&["deny 239.9.0.0/16"])),
        // Other words for the same.
        (
            |c| c.access = rules(&["deny 239.9.0.0/16"]),
            |c| c.access = rules(&["deny 239.9.0.0/17", "deny 239.9.128.0/17"]),
        ),
        (|c| c.access = rules(&["allow 239.9.0.0/16"]), |c| c.access = AccessList::default()),
        // Only what is never forwarded anyway.
        (|c| c.access = rules(&["deny 224.0.0.0/24"]), |c| c.access = AccessList::default()),
        (|c| c.access = rules(&["deny 10.0.0.0/8"]), |c| c.access = AccessList::default()),
        // The limit kept nobody out.
        (|c| c.max_groups = 2, |c| c.max_groups = 100),
        (|_| {}, |c| c.ignore_v1 = true),
    ];
    for (index, (before, after)) in changes.into_iter().enumerate() {
        assert_eq!(asked(before, after), 0, "change {index}");
    }
}

#[test]
fn r69_groups_that_are_local_no_more_are_asked_for_where_nothing_else_refuses_them() {
    let mut bench = Bench::new();
    let mut denying = client_settings("10.2.0.1/24");
    denying.access = rules(&["deny 239.5.0.0/16"]);
    bench.configure(B, &denying);
    let by_default = igmp::ProxySettings::default_local_groups();
    let more = [by_default.clone(), nets(&["239.5.1.0/24"])].concat();
    bench.proxy.set_group_ranges(bench.now, more, Vec::new());
    bench.run_to(10_000);
    bench.proxy.set_group_ranges(bench.now, by_default.clone(), nets(&["239.5.1.0/24"]));
    bench.drain();
    assert_eq!(bench.general_queries(A), [0], "refused for another reason");
    bench.proxy.set_group_ranges(bench.now, by_default, Vec::new());
    bench.drain();
    assert_eq!((bench.general_queries(A), bench.general_queries(B)), (vec![0, 10_000], vec![0]));
}

#[test]
fn r17_the_schedule_goes_on_from_it_and_changes_in_a_row_make_no_storm() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    let mut settings = ClientPortSettings { timers: short_timers(), ..client_settings("10.1.0.1/24") };
    bench.run_to(12_000);
    assert_eq!(bench.general_queries(A), [0, 1250, 6250, 11_250]);
    for n in 0..20 {
        bench.run_to(12_000 + 100 * n);
        settings.ignore_v1 = n % 2 == 0;
        bench.configure(A, &settings);
    }
    bench.run_to(25_000);
    let asked = [0, 1250, 6250, 11_250, 12_250, 13_250, 14_250, 19_250, 24_250];
    assert_eq!(
        bench.general_queries(A),
        asked,
        "one a second at most, and the last change is asked for, too"
    );
}

#[test]
fn r27_r93_who_does_not_ask_does_not_ask_for_this_either() {
    for rival in [true, false] {
        let mut bench = Bench::with(|c| c.ignore_v1 = true, |_| {});
        bench.run_to(10_000);
        if rival {
            bench.receive(A, &query(100, "0.0.0.0").from("10.1.0.0"));
        } else {
            bench.link(A, false);
        }
        bench.configure(A, &client_settings("10.1.0.1/24"));
        bench.run_to(12_000);
        assert_eq!(bench.general_queries(A), [0]);
    }
}

#[test]
fn what_starts_the_querier_anew_asks_once() {
    for v1 in [true, false] {
        let mut bench = Bench::with(|c| c.ignore_v1 = true, |_| {});
        bench.run_to(10_000);
        let mut settings = client_settings("10.1.0.7/24");
        if v1 {
            settings = ClientPortSettings { version: QuerierVersion::V1, ..client_settings("10.1.0.1/24") };
        }
        bench.configure(A, &settings);
        bench.run_to(12_000);
        assert_eq!(bench.general_queries(A), [0, 10_000]);
    }
}

#[test]
fn who_was_refused_is_served_within_the_response_time() {
    let mut bench = Bench::with(|c| (c.max_groups, c.ignore_v1) = (1, true), |_| {});
    bench.receive(A, &join(G));
    assert_eq!(bench.receive(A, &join("239.3.3.3")), Verdict::GroupLimit);
    assert_eq!(bench.receive(A, &join_v1("239.4.4.4")), Verdict::V1Ignored);
    bench.run_to(10_000);
    bench.configure(A, &client_settings("10.1.0.1/24"));
    let query = bench.sent.last().copied().unwrap();
    assert_eq!((query.at_ms, query.port, query.kind, query.code), (10_000, port(A).get(), 0x11, 100));
    assert_eq!(bench.receive(A, &join("239.3.3.3")), Verdict::Joined);
    assert_eq!(bench.receive(A, &join_v1("239.4.4.4")), Verdict::Joined);
}
