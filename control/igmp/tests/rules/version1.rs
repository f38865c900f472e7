//! r29: a port that speaks version 1.

use igmp::{ClientPortSettings, MemberState, QuerierVersion, Verdict, Version};
use types::Time;

use crate::bench::{A, Bench, client_settings, port, short_timers};
use crate::raw::{BLOCK, TO_IN, group, join, join_v1, leave, query, report_v3};

const G: &str = "239.2.2.2";

fn settings() -> ClientPortSettings {
    ClientPortSettings {
        version: QuerierVersion::V1,
        timers: short_timers(),
        ..client_settings("10.1.0.1/24")
    }
}

/// Port A speaks version 1, with a query every 5 s; QRI is set to 1 s.
fn bench() -> Bench {
    Bench::with(|c| (c.version, c.timers) = (QuerierVersion::V1, short_timers()), |_| {})
}

#[test]
fn r29_its_queries_are_eight_bytes_with_code_0() {
    let mut bench = bench();
    bench.run_to(20_000);
    let queries: Vec<_> = bench.sent.iter().filter(|sent| sent.port == A).collect();
    assert_eq!(bench.general_queries(A).len(), queries.len());
    assert_eq!(bench.general_queries(A), [0, 1250, 6250, 11_250, 16_250]);
    assert!(queries.iter().all(|sent| sent.code == 0 && sent.kind == 0x11));
    let view = bench.proxy.port_view(bench.now, port(A)).unwrap();
    assert_eq!(view.version, Version::V1);
}

#[test]
fn r29_leaves_are_ignored_and_no_group_is_asked_for() {
    let mut bench = bench();
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined, "v2 reports join");
    assert_eq!(bench.receive(A, &join_v1("239.1.1.1")), Verdict::Joined);
    let before = bench.state();
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveV1Port);
    assert_eq!(bench.receive(A, &report_v3(&[(TO_IN, G, 0)])), Verdict::LeaveV1Port);
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, G, 1)])), Verdict::NoEffect);
    assert_eq!(bench.receive(A, &leave("239.7.7.7")), Verdict::LeaveNoMember);
    assert_eq!(bench.state(), before);
    bench.run_to(100_000);
    assert_eq!(bench.group_queries_since(0, A), [0; 0]);
}

#[test]
fn r29_the_query_response_interval_counts_as_10_s() {
    let mut bench = bench();
    bench.receive(A, &join(G));
    bench.receive(A, &join_v1("239.1.1.1"));
    let view = bench.proxy.member(group("239.1.1.1"), port(A)).unwrap();
    let membership = Time::from_nanos(20_000_000_000);
    assert_eq!((view.expires, view.v1_host_until), (Some(membership), Some(membership)));
    bench.run_to(19_999);
    assert!(bench.forwards(A, G));
    bench.run_to(20_000);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r29_set_while_a_check_runs_nobody_is_cut_unasked() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    bench.receive(A, &join(G));
    bench.receive(A, &leave(G));
    assert_eq!(bench.group_queries_since(0, A), [0]);
    bench.configure(A, &settings());
    assert_eq!(bench.proxy.member(group(G), port(A)).unwrap().state, MemberState::Present);
    bench.run_to(19_999);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.group_queries_since(0, A), [0]);
    bench.run_to(20_000);
    assert!(!bench.forwards(A, G));
}

#[test]
fn r29_a_winners_group_specific_query_lowers_nothing_that_v1_hosts_could_not_answer() {
    let mut bench = bench();
    let mut address = settings();
    address.address = "10.1.0.100/24".parse().ok();
    bench.configure(A, &address);
    bench.receive(A, &join_v1(G));
    let expires = bench.proxy.member(group(G), port(A)).unwrap().expires;
    assert_eq!(bench.receive(A, &query(10, G).from("10.1.0.20")), Verdict::QuerierHeard);
    assert_eq!(bench.proxy.member(group(G), port(A)).unwrap().expires, expires);
}
