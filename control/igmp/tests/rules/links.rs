//! r93: members of a port whose link is down.

use core::time::Duration;

use igmp::{ClientPortSettings, Event, Left, PortRole, Verdict};

use types::Time;

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers};
use crate::raw::{group, ip, join, leave};

const G: &str = "239.2.2.2";

fn settings(hold_s: u64) -> ClientPortSettings {
    ClientPortSettings {
        timers: short_timers(),
        link_down_hold: Some(Duration::from_secs(hold_s)),
        ..client_settings("10.1.0.1/24")
    }
}

fn bench(hold_s: u64) -> Bench {
    Bench::with(
        |c| (c.timers, c.link_down_hold) = (short_timers(), Some(Duration::from_secs(hold_s))),
        |_| {},
    )
}

#[test]
fn r93_after_the_hold_the_members_go_and_upstream_is_left() {
    let mut bench = bench(3);
    bench.receive(A, &join(G));
    bench.receive(A, &join("239.1.1.1"));
    bench.receive(B, &join("239.1.1.1"));
    bench.run_to(2000);
    bench.link(A, false);
    let since = bench.sent.len();
    bench.run_to(4999);
    assert!(bench.forwards(A, G));
    bench.run_to(5000);
    assert_eq!(bench.forwarded.iter().copied().collect::<Vec<_>>(), [(B, group("239.1.1.1"))]);
    let leaves: Vec<_> = bench.sent_since(since, WAN).into_iter().filter(|sent| sent.1 == 0x17).collect();
    assert_eq!(leaves, [(5000, 0x17, G.into())]);
    let left = Event::Left { port: port(A), group: group(G), why: Left::LinkDown };
    assert!(bench.events.contains(&(5000, left)));
}

#[test]
fn r93_a_link_that_is_back_in_time_ends_the_hold() {
    let mut bench = bench(3);
    bench.receive(A, &join(G));
    bench.link(A, false);
    bench.run_to(2999);
    bench.link(A, true);
    bench.run_to(5000);
    bench.link(A, false);
    bench.run_to(7999);
    assert!(bench.forwards(A, G), "each time counts for itself");
    bench.run_to(8000);
    assert!(bench.forwarded.is_empty());
    assert_eq!(bench.changes.len(), 2);
}

#[test]
fn r93_a_hold_of_nothing_ends_them_at_once() {
    let mut bench = bench(0);
    bench.receive(A, &join(G));
    bench.run_to(2000);
    bench.link(A, false);
    bench.run(0);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r93_a_link_back_after_the_hold_finds_nobody_though_its_timer_is_late() {
    let mut bench = bench(3);
    bench.receive(A, &join(G));
    bench.link(A, false);
    bench.now = Time::from_nanos(3_001_000_000);
    bench.link(A, true);
    assert!(bench.forwarded.is_empty());
    // And though the proxy was off when it came back.
    let mut bench = self::bench(3);
    bench.receive(A, &join(G));
    bench.receive(B, &join(G));
    bench.link(A, false);
    bench.link(B, false);
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    bench.run_to(2999);
    bench.link(B, true);
    bench.run_to(3000);
    bench.link(A, true);
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    assert_eq!(bench.forwarded.iter().copied().collect::<Vec<_>>(), [(B, group(G))]);
}

#[test]
fn r93_a_hold_that_changes_counts_from_when_the_link_went() {
    let mut bench = bench(10);
    bench.receive(A, &join(G));
    bench.link(A, false);
    bench.run_to(2000);
    bench.configure(A, &settings(4));
    bench.run_to(3999);
    assert!(bench.forwards(A, G));
    bench.run_to(4000);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r93_without_one_members_age_as_ever_and_static_ones_stay() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    let mut wanted = settings(0);
    (wanted.link_down_hold, wanted.static_groups) = (None, vec![group("239.1.1.1")]);
    bench.configure(A, &wanted);
    bench.receive(A, &join(G));
    bench.run_to(2000);
    bench.link(A, false);
    bench.run_to(10_999);
    assert!(bench.forwards(A, G));
    bench.run_to(11_000);
    assert!(!bench.forwards(A, G));
    bench.run_to(100_000);
    assert!(bench.forwards(A, "239.1.1.1"), "r55: the settings ask for it, whatever the link does");
}

#[test]
fn r93_off_and_on_with_the_link_down_the_hold_is_not_forgotten() {
    let mut bench = bench(5);
    bench.receive(A, &join(G));
    bench.link(A, false);
    bench.run_to(1000);
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    bench.run_to(6000);
    let changes = bench.changes.len();
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    bench.run(0);
    assert!(bench.forwarded.is_empty());
    assert_eq!(bench.changes.len(), changes, "nor for a moment");
}

/// A frame that came in just before the link went may be seen just after.
#[test]
fn r93_without_link_nobody_can_be_asked_so_no_leave_counts() {
    let mut bench = bench(60);
    bench.receive(A, &join(G));
    bench.link(A, false);
    assert_eq!(bench.receive(A, &leave(G)), Verdict::LeaveNotQuerier);
    bench.run_to(1000);
    bench.link(A, true);
    bench.run_to(10_999);
    assert!(bench.forwards(A, G), "who else listens had the time to answer");
}

#[test]
fn a_port_that_goes_down_with_its_new_settings_sends_nothing_more() {
    let mut bench = bench(5);
    bench.receive(A, &join(G));
    let since = bench.sent.len();
    let moved = ClientPortSettings { address: "10.1.0.7/24".parse().ok(), ..settings(5) };
    bench.proxy.add_client_port(bench.now, port(A), moved.clone(), false);
    bench.drain();
    assert_eq!(bench.sent_since(since, A), []);
    assert_eq!(bench.role(A), PortRole::Silent);
    bench.run_to(1000);
    // And comes back with others: one query, from the new address.
    let moved = ClientPortSettings { address: "10.1.0.8/24".parse().ok(), ..moved };
    bench.proxy.add_client_port(bench.now, port(A), moved, true);
    bench.drain();
    assert_eq!(bench.general_queries(A), [0, 1000]);
    assert_eq!(bench.sent.last().unwrap().source, ip("10.1.0.8"));
    assert!(bench.forwards(A, G));
}

#[test]
fn r93_who_is_heard_last_of_a_link_that_went_is_held_no_longer_than_the_others() {
    let mut bench = bench(3);
    bench.run_to(1000);
    bench.link(A, false);
    bench.run_to(1001);
    // It came in just before.
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined);
    bench.run_to(3999);
    assert!(bench.forwards(A, G));
    bench.run_to(4000);
    assert!(bench.forwarded.is_empty());
    assert_eq!(bench.sent.last().map(|sent| (sent.port, sent.kind)), Some((WAN, 0x17)));
}
