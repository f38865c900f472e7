//! What happens while the worker takes no more frames to send.

use std::time::Duration;

use types::Time;

use super::bench::{A, B, Bench, Plan, WAN, join, nth_group, port, ports};

#[test]
fn without_room_actions_wait_in_order_and_nothing_is_lost() {
    let mut bench = Bench::new(Plan::new());
    bench.sent();
    bench.outlet.room = 0;
    for n in 0..20 {
        bench.join(A, nth_group(n));
    }
    assert!(bench.agent.has_output());
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A]), "the table is set before the report is sent");

    let mut sent = Vec::new();
    for _ in 0..20 {
        assert!(bench.agent.has_output());
        bench.outlet.room = 1;
        bench.poll();
        sent.extend(bench.sent());
    }
    assert!(!bench.agent.has_output());
    let reports: Vec<_> = (0..20).map(|n| (WAN, format!("report {}", nth_group(n)))).collect();
    assert_eq!(sent, reports);
    assert!((0..20).all(|n| bench.agent.table.members(nth_group(n)) == ports([A])));
}

#[test]
fn shutdown_without_room_leaves_later_and_once() {
    let mut bench = Bench::new(Plan::new());
    for n in 0..3 {
        bench.join(A, nth_group(n));
    }
    bench.run(Duration::from_secs(30));
    bench.sent();
    bench.outlet.room = 1;
    bench.agent.shutdown(bench.now);
    bench.poll();
    assert!(bench.agent.has_output());
    bench.outlet.room = usize::MAX;
    bench.poll();
    assert!(!bench.agent.has_output());
    let leaves: Vec<_> = (0..3).map(|n| (WAN, format!("leave {}", nth_group(n)))).collect();
    assert_eq!(bench.sent(), leaves);
}

#[test]
fn what_waits_for_a_port_whose_carrier_goes_holds_nobody_up() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, nth_group(0));
    bench.run(Duration::from_secs(30));
    bench.sent();
    bench.outlet.room = 0;
    bench.leave(A, nth_group(0));
    bench.join(B, nth_group(1));
    assert!(bench.agent.has_output());
    bench.link(A, false);
    assert_eq!(bench.data(WAN, nth_group(1)), ports([B]), "the join behind the dead port's query");
    bench.outlet.room = 9;
    bench.poll();
    assert_eq!(bench.sent(), [(WAN, format!("report {}", nth_group(1)))]);
}

#[test]
fn more_timers_than_a_turn_takes_are_due_again_at_once() {
    let mut bench = Bench::new(Plan { max_groups: 4096, ..Plan::new() });
    for n in 0..3000 {
        bench.agent.handle_frame(bench.now, port(A), &join(A, nth_group(n)));
    }
    bench.poll();
    // The members' end, the second reports and the queries: all due, none served for an hour.
    bench.now = bench.now + Duration::from_secs(3600);
    let mut turns = 1;
    while bench.poll().is_some_and(|at: Time| at <= bench.now) {
        turns += 1;
    }
    assert!(turns > 3, "{turns} turns");
    assert!(bench.agent.table.is_empty());
}
