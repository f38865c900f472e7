//! From reports and leaves to the group table and the provider's link.

use std::time::Duration;

use api::{Reply, Request};
use types::PortSet;

use super::bench::{A, B, Bench, Plan, WAN, group, nth_group, ports};

/// Until all reports of a join are sent, and before the second query.
const REPORTED: Duration = Duration::from_secs(25);

fn warnings(bench: &mut Bench) -> Vec<String> {
    match bench.ask(Request::ShowStatus) {
        Reply::Status(status) => status.warnings,
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_client_port_is_asked_at_once_and_the_provider_never() {
    let mut bench = Bench::new(Plan::new());
    assert_eq!(bench.sent(), [(A, "query".to_owned()), (B, "query".to_owned())]);
}

#[test]
fn a_join_is_forwarded_at_once_and_asked_for_upstream() {
    let mut bench = Bench::new(Plan::new());
    bench.sent();
    let wanted = group("239.2.2.2");
    assert_eq!(bench.data(WAN, wanted), PortSet::EMPTY);
    bench.join(A, wanted);
    assert_eq!(bench.agent.table.members(wanted), ports([A]));
    assert_eq!(bench.data(WAN, wanted), ports([A]));
    assert_eq!(bench.sent(), [(WAN, "report 239.2.2.2".to_owned())]);
    assert_eq!(bench.data(WAN, group("239.2.2.3")), PortSet::EMPTY, "another group");
}

#[test]
fn r59_a_second_port_joins_and_nothing_goes_upstream() {
    let mut bench = Bench::new(Plan::new());
    let wanted = group("239.2.2.2");
    bench.join(A, wanted);
    bench.run(REPORTED);
    bench.sent();
    bench.join(B, wanted);
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.data(WAN, wanted), ports([A, B]));
}

#[test]
fn r61_the_first_to_leave_is_silent_upstream_and_r60_the_last_is_not() {
    let mut bench = Bench::new(Plan::new());
    let wanted = group("239.2.2.2");
    bench.join(A, wanted);
    bench.join(B, wanted);
    bench.run(REPORTED);
    bench.sent();

    bench.leave(A, wanted);
    assert_eq!(bench.data(WAN, wanted), ports([A, B]), "asked first whether others are left");
    bench.run(Duration::from_secs(2));
    let asked = (A, "query 239.2.2.2".to_owned());
    assert_eq!(bench.sent(), [asked.clone(), asked]);
    assert_eq!(bench.data(WAN, wanted), ports([B]));

    bench.leave(B, wanted);
    bench.run(Duration::from_secs(2));
    let sent = bench.sent();
    assert_eq!(sent.last(), Some(&(WAN, "leave 239.2.2.2".to_owned())));
    assert_eq!(sent.iter().filter(|(port, _)| *port == WAN).count(), 1);
    assert_eq!(bench.data(WAN, wanted), PortSet::EMPTY);
    assert!(bench.agent.table.is_empty());
}

#[test]
fn shutdown_leaves_every_group_once_and_forwards_nothing() {
    let mut bench = Bench::new(Plan::new());
    for n in 0..5 {
        bench.join(A, nth_group(n));
        bench.join(B, nth_group(n));
    }
    bench.run(REPORTED);
    bench.sent();
    for _ in 0..2 {
        bench.agent.shutdown(bench.now);
    }
    assert_eq!(bench.data(WAN, nth_group(0)), PortSet::EMPTY, "before the first action is carried out");
    bench.poll();
    let leaves: Vec<_> = (0..5).map(|n| (WAN, format!("leave {}", nth_group(n)))).collect();
    assert_eq!(bench.sent(), leaves);
    assert!(bench.agent.table.is_empty());
    bench.join(A, nth_group(0));
    assert_eq!((bench.sent(), bench.poll()), (vec![], None), "nothing is ever due again");
}

#[test]
fn a_full_table_refuses_counts_and_says_so() {
    let mut bench = Bench::new(Plan { max_groups: 2, ..Plan::new() });
    assert_eq!(warnings(&mut bench), ["a doubt"]);
    for n in 0..5 {
        bench.join(A, nth_group(n));
    }
    assert_eq!((bench.agent.table.len(), bench.agent.table_refused), (2, 3));
    assert_eq!(bench.data(WAN, nth_group(1)), ports([A]));
    assert_eq!(bench.data(WAN, nth_group(2)), PortSet::EMPTY);
    let warnings = warnings(&mut bench);
    assert!(warnings[1].contains("3 members wait for room, 3 were refused"), "{warnings:?}");
    assert!(warnings[1].contains("raise [table] max-groups"), "{warnings:?}");
    // Groups that are in it go on taking members.
    bench.join(B, nth_group(1));
    assert_eq!(bench.data(WAN, nth_group(1)), ports([A, B]));
}

#[test]
fn who_was_refused_is_served_when_there_is_room_without_asking_again() {
    let mut bench = Bench::new(Plan { max_groups: 2, ..Plan::new() });
    for n in 0..4 {
        bench.join(A, nth_group(n));
    }
    // One that waits gives up: its place in the queue goes with it.
    bench.leave(A, nth_group(2));
    bench.run(Duration::from_secs(2));
    bench.leave(A, nth_group(0));
    bench.run(Duration::from_secs(2));
    assert_eq!(bench.data(WAN, nth_group(0)), PortSet::EMPTY);
    assert_eq!(bench.data(WAN, nth_group(1)), ports([A]));
    assert_eq!(bench.data(WAN, nth_group(2)), PortSet::EMPTY);
    assert_eq!(bench.data(WAN, nth_group(3)), ports([A]));
    assert_eq!(warnings(&mut bench), ["a doubt"]);
    assert_eq!(bench.agent.table_refused, 2, "what was counted stays counted");
}

#[test]
fn room_goes_to_who_was_refused_before_it_goes_to_who_came_later() {
    let mut bench = Bench::new(Plan { max_groups: 2, ..Plan::new() });
    for n in 0..3 {
        bench.join(A, nth_group(n));
    }
    // The leave's end and the late join wait behind one query, and are carried out in one go.
    bench.outlet.room = 0;
    bench.leave(A, nth_group(0));
    bench.run(Duration::from_secs(2));
    bench.join(B, nth_group(3));
    bench.outlet.room = usize::MAX;
    bench.poll();
    let served: Vec<_> = (0..4).map(|n| bench.data(WAN, nth_group(n))).collect();
    assert_eq!(served, [PortSet::EMPTY, ports([A]), ports([A]), PortSet::EMPTY]);
}
