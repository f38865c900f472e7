//! r70, r93, r96, f36, f42: links, roles and the switch; nothing is left behind.

use igmp::{Event, Left, MemberState, PortRole, Verdict};
use types::AccessList;

use crate::bench::{A, B, Bench, WAN, client_settings, port, short_timers, upstream_settings};
use crate::raw::{group, ip, join, join_v1, leave, query};

const G: &str = "239.2.2.2";
/// A second provider's port.
const WAN2: usize = 3;

fn joined(groups: usize) -> Bench {
    let mut bench = Bench::new();
    for i in 1..=groups {
        bench.receive(A, &join(&format!("239.1.{}.{}", i / 256, i % 256)));
    }
    bench.run_to(20_000);
    bench
}

fn kinds(bench: &Bench, since: usize, on: usize) -> Vec<u8> {
    bench.sent_since(since, on).into_iter().map(|sent| sent.1).collect()
}

#[test]
fn r70_the_providers_link_back_up_reports_every_group_anew_and_paced() {
    let mut bench = joined(300);
    bench.link(WAN, false);
    bench.run_to(30_000);
    let since = bench.sent.len();
    bench.link(WAN, true);
    bench.run_to(30_599);
    let first: Vec<_> = bench.sent_since(since, WAN);
    assert_eq!(first.len(), 300 + first.iter().filter(|s| repeated(&first, s)).count());
    let mut groups: Vec<_> = first.iter().map(|sent| sent.2.clone()).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 300);
    let in_one_ms = |ms| first.iter().filter(|sent| sent.0 == ms).count();
    assert!((30_000..30_600).all(|ms| in_one_ms(ms) <= 4), "paced");
    bench.run_to(60_000);
    assert_eq!(kinds(&bench, since, WAN).len(), 600, "and repeated as any unsolicited report");
}

/// Whether the same group was reported earlier already.
fn repeated(all: &[(u64, u8, String)], one: &(u64, u8, String)) -> bool {
    all.iter().any(|earlier| earlier.2 == one.2 && earlier.0 < one.0)
}

#[test]
fn r70_announcing_very_many_groups_takes_no_longer_than_the_unsolicited_report_interval() {
    let mut bench = Bench::new();
    bench.check_views = false;
    for i in 0..10_000u32 {
        bench.receive(A, &join(&format!("239.1.{}.{}", i / 250, i % 250)));
    }
    bench.link(WAN, false);
    let since = bench.sent.len();
    bench.link(WAN, true);
    bench.run_to(10_000);
    let mut groups: Vec<_> = bench.sent_since(since, WAN).into_iter().map(|sent| sent.2).collect();
    groups.sort_unstable();
    groups.dedup();
    assert_eq!(groups.len(), 10_000);
}

#[test]
fn r70_nothing_is_sent_to_a_provider_without_link_and_joins_wait_for_it() {
    let mut bench = joined(1);
    bench.receive(WAN, &query(100, "0.0.0.0"));
    bench.link(WAN, false);
    let view = bench.proxy.upstream_groups().next().unwrap();
    assert_eq!((view.next_report, view.last_reporter), (None, false), "the pending answer is gone");
    let since = bench.sent.len();
    bench.receive(A, &join(G));
    bench.receive(A, &leave("239.1.0.1"));
    bench.run_to(25_000);
    assert_eq!(kinds(&bench, since, WAN), [0; 0]);
    bench.link(WAN, true);
    bench.run_to(25_000);
    assert_eq!(bench.sent_since(since, WAN), [(25_000, 0x16, G.into())]);
}

#[test]
fn r70_what_was_on_its_way_when_the_providers_link_went_down_changes_nothing() {
    let mut bench = joined(1);
    bench.run(30_000);
    bench.link(WAN, false);
    let before = bench.state();
    for raw in [query(100, "0.0.0.0"), query(0, "0.0.0.0"), query(10, "239.1.0.1")] {
        assert_eq!(bench.receive(WAN, &raw), Verdict::NoLink);
    }
    assert_eq!(bench.receive(WAN, &join("239.1.0.1").from("10.0.0.9")), Verdict::NoLink);
    assert!(bench.state() == before);
}

#[test]
fn r70_v1_router_state_starts_afresh_with_the_link() {
    let mut bench = joined(1);
    bench.receive(WAN, &query(0, "0.0.0.0"));
    bench.link(WAN, false);
    bench.link(WAN, true);
    let since = bench.sent.len();
    bench.run_to(20_000);
    assert_eq!(kinds(&bench, since, WAN), [0x16]);
    let role = bench.proxy.port_view(bench.now, port(WAN)).unwrap().role;
    assert_eq!(role, PortRole::Upstream { query: None, v1_router_until: None });
}

#[test]
fn r70_a_change_of_upstream_leaves_the_old_and_joins_the_new() {
    let mut bench = joined(3);
    bench.receive(WAN, &query(100, "0.0.0.0"));
    let since = bench.sent.len();
    let mut settings = upstream_settings();
    settings.address = Some("10.3.0.1/24".parse().unwrap());
    bench.proxy.set_upstream(bench.now, Some((port(WAN2), settings)), true);
    bench.run_to(60_000);
    assert_eq!(kinds(&bench, since, WAN), [0x17; 3], "and the pending answers are gone");
    assert_eq!(kinds(&bench, since, WAN2), [0x16; 6]);
    assert!(bench.sent[since..].iter().filter(|sent| sent.port == WAN2).all(|s| s.source == ip("10.3.0.1")));
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::NoRole);
    assert_eq!(bench.receive(WAN2, &query(100, "0.0.0.0")), Verdict::QueryAnswered);
    assert_eq!(bench.forwarded.len(), 3);
    assert_eq!(bench.changes.len(), 3, "no client noticed");
}

#[test]
fn r70_an_old_upstream_without_link_gets_no_leaves() {
    let mut bench = joined(2);
    bench.link(WAN, false);
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, Some((port(WAN2), upstream_settings())), false);
    bench.drain();
    assert_eq!(bench.sent.len(), since);
    bench.link(WAN2, true);
    bench.run_to(21_000);
    assert!(kinds(&bench, since, WAN2).len() >= 2);
}

#[test]
fn r70_the_same_upstream_told_again_changes_nothing_and_a_new_address_reports_anew() {
    let mut bench = joined(2);
    let before = bench.state();
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    bench.drain();
    assert_eq!(bench.state(), before);
    let since = bench.sent.len();
    let mut settings = upstream_settings();
    settings.address = Some("10.0.0.2/24".parse().unwrap());
    bench.proxy.set_upstream(bench.now, Some((port(WAN), settings)), true);
    bench.run_to(21_000);
    let sources: Vec<_> = bench.sent[since..].iter().map(|sent| (sent.kind, sent.source)).collect();
    assert!(sources.len() >= 2 && sources.iter().all(|sent| *sent == (0x16, ip("10.0.0.2"))));
}

#[test]
fn f42_upstream_removed_and_given_back() {
    let mut bench = joined(2);
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, None, false);
    bench.drain();
    assert_eq!(kinds(&bench, since, WAN), [0x17; 2]);
    assert_eq!(bench.forwarded.len(), 2, "the members stay members");
    bench.receive(A, &join(G));
    bench.receive(A, &leave("239.1.0.1"));
    bench.run_to(30_000);
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    bench.run_to(30_002);
    let first: Vec<_> = bench.sent_since(since, WAN).into_iter().map(|sent| sent.2).collect();
    assert_eq!(first, ["239.1.0.2", G]);
}

#[test]
fn f42_upstream_and_client_port_swapped() {
    let mut bench = joined(2);
    bench.receive(B, &join(G));
    bench.run_to(40_000);
    let since = bench.sent.len();
    bench.proxy.set_upstream(bench.now, Some((port(A), upstream_settings())), true);
    bench.proxy.add_client_port(bench.now, port(WAN), client_settings("10.0.0.1/24"), true);
    bench.run_to(40_002);
    let gone = bench.changes.iter().filter(|(at, on, _, set)| (*at, *on, *set) == (40_000, A, false)).count();
    assert_eq!(gone, 2, "the members of what is the provider's port now");
    assert_eq!(kinds(&bench, since, A), [0x16], "what port B wants");
    assert_eq!(kinds(&bench, since, WAN), [0x17, 0x17, 0x17, 0x11], "left, and then queried");
    assert_eq!(bench.receive(WAN, &join("239.5.5.5").from("10.0.0.9")), Verdict::Joined);
    // And back.
    bench.proxy.add_client_port(bench.now, port(A), client_settings("10.1.0.1/24"), true);
    bench.proxy.set_upstream(bench.now, Some((port(WAN), upstream_settings())), true);
    bench.run_to(50_000);
    assert_eq!(bench.forwarded.len(), 1);
    assert!(bench.forwards(B, G));
}

#[test]
fn f36_a_removed_port_takes_its_members_along_and_nobody_elses() {
    let mut bench = joined(2);
    bench.receive(B, &join(G));
    bench.receive(B, &join("239.1.0.1"));
    let since = bench.sent.len();
    bench.proxy.remove_port(bench.now, port(A));
    bench.drain();
    assert_eq!(bench.sent_since(since, WAN), [(20_000, 0x17, "239.1.0.2".into())]);
    assert_eq!(bench.forwarded.iter().map(|(on, _)| *on).collect::<Vec<_>>(), [B, B]);
    let removed = |event: &Event| matches!(event, Event::Left { why: Left::PortRemoved, .. });
    assert_eq!(bench.events.iter().filter(|(_, event)| removed(event)).count(), 2);
    assert!(bench.proxy.port_view(bench.now, port(A)).is_none());
    assert_eq!(bench.receive(A, &join(G)), Verdict::NoRole);
    let since = bench.sent.len();
    bench.run_to(200_000);
    assert_eq!(kinds(&bench, since, A), [0; 0]);
    bench.proxy.remove_port(bench.now, port(WAN));
    bench.proxy.remove_port(bench.now, port(A));
    bench.drain();
}

#[test]
fn r93_members_age_while_their_link_is_down() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    bench.receive(A, &join(G));
    bench.receive(A, &join("239.2.2.3"));
    bench.run_to(3000);
    bench.receive(A, &leave("239.2.2.3"));
    bench.link(A, false);
    let since = bench.sent.len();
    bench.run_to(10_999);
    assert!(bench.forwards(A, G), "still a member");
    assert!(bench.forwards(A, "239.2.2.3"), "whether somebody would have answered is not known");
    bench.run_to(11_000);
    assert!(bench.forwarded.is_empty());
    assert_eq!(kinds(&bench, since, A), [0; 0]);
}

#[test]
fn r93_a_flap_shorter_than_the_interval_loses_no_member() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    bench.receive(A, &join(G));
    bench.run_to(2000);
    bench.link(A, false);
    bench.run_to(4000);
    bench.link(A, true);
    bench.receive(A, &join(G));
    bench.run_to(14_999);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 1);
}

#[test]
fn r96_switched_off_every_group_is_left_once_and_nothing_more_is_sent() {
    let mut bench = joined(5);
    bench.receive(B, &join("239.1.0.1"));
    let since = bench.sent.len();
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    let mut left: Vec<_> = bench.sent_since(since, WAN);
    left.sort_unstable();
    assert_eq!(left.len(), 5);
    assert!(left.iter().all(|sent| sent.1 == 0x17));
    assert!(bench.forwarded.is_empty());
    let since = bench.sent.len();
    assert_eq!(bench.receive(A, &join(G)), Verdict::ProxyOff);
    assert_eq!(bench.receive(WAN, &query(100, "0.0.0.0")), Verdict::ProxyOff);
    bench.link(A, false);
    bench.link(A, true);
    bench.link(WAN, false);
    bench.link(WAN, true);
    bench.run_to(1_000_000);
    assert_eq!(bench.sent.len(), since);
    assert_eq!(bench.proxy.next_deadline(), None);
    assert_eq!(bench.proxy.port_view(bench.now, port(A)).unwrap().role, PortRole::Silent);
}

#[test]
fn r96_switched_on_again_it_queries_at_once_and_takes_up_who_would_still_be_a_member() {
    let mut bench = Bench::new();
    bench.receive(A, &join("239.1.0.1").from("10.1.0.7"));
    bench.run_to(100_000);
    bench.receive(A, &join("239.1.0.2"));
    bench.receive(B, &join_v1("239.1.0.2").from("10.2.0.9"));
    bench.run_to(150_000);
    bench.proxy.set_enabled(bench.now, false);
    bench.drain();
    assert!(bench.forwarded.is_empty());
    assert_eq!(bench.receive(A, &join(G)), Verdict::ProxyOff, "nothing is learned while off");
    assert_eq!(bench.proxy.refusal(group(G), port(A)), Some(Verdict::ProxyOff));
    bench.run_to(260_000);
    let since = bench.sent.len();
    let changes = bench.changes.len();
    bench.proxy.set_enabled(bench.now, true);
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    // The first one's interval is over.
    let again = [(A, "239.1.0.2"), (B, "239.1.0.2")].map(|(on, of)| (260_000, on, group(of), true));
    assert_eq!(bench.changes[changes..], again);
    let view = bench.proxy.member(group("239.1.0.2"), port(B)).unwrap();
    assert_eq!((view.state, view.last_reporter.unwrap().host), (MemberState::V1Present, ip("10.2.0.9")));
    assert_eq!(view.since.as_nanos(), 100_000_000_000);
    bench.run_to(300_000);
    let queries: Vec<_> =
        bench.sent_since(since, A).into_iter().filter(|sent| sent.1 == 0x11).map(|sent| sent.0).collect();
    assert_eq!(queries, [260_000, 291_250], "with the startup sequence");
    assert!(kinds(&bench, since, WAN).contains(&0x16), "joined at the provider again");
    // Who does not answer goes when it would have gone anyway.
    bench.run_to(359_999);
    assert_eq!(bench.forwarded.len(), 2);
    bench.run_to(360_000);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r96_what_the_settings_want_no_more_does_not_wake() {
    let mut bench = joined(4);
    bench.receive(B, &join("239.1.0.4"));
    bench.proxy.set_enabled(bench.now, false);
    bench.proxy.remove_port(bench.now, port(B));
    bench.proxy.add_client_port(bench.now, port(B), client_settings("10.2.0.1/24"), true);
    let mut settings = client_settings("10.1.0.1/24");
    settings.access = AccessList::new(vec!["deny 239.1.0.1/32".parse().unwrap()]);
    settings.static_groups = vec![group(G)];
    bench.proxy.add_client_port(bench.now, port(A), settings, true);
    let net = |text: &str| vec![text.parse().unwrap()];
    bench.proxy.set_group_ranges(bench.now, net("239.1.0.2/32"), net("239.1.0.3/32"));
    bench.drain();
    assert!(bench.forwarded.is_empty());
    bench.proxy.set_enabled(bench.now, true);
    bench.drain();
    let on: Vec<_> = bench.forwarded.iter().copied().collect();
    assert_eq!(on, [(A, group("239.1.0.4")), (A, group(G))]);
}

#[test]
fn r96_no_leaves_while_a_v1_router_is_present() {
    let mut bench = joined(2);
    bench.receive(WAN, &query(0, "0.0.0.0"));
    let since = bench.sent.len();
    bench.proxy.shutdown(bench.now);
    bench.drain();
    assert_eq!(bench.sent.len(), since);
    assert!(bench.forwarded.is_empty());
}

#[test]
fn r96_after_shutdown_nothing_has_an_effect() {
    let mut bench = joined(2);
    bench.receive(A, &join_v1(G));
    let since = bench.sent.len();
    bench.proxy.shutdown(bench.now);
    bench.drain();
    assert_eq!(kinds(&bench, since, WAN), [0x17; 3]);
    let since = bench.sent.len();
    bench.proxy.set_enabled(bench.now, true);
    bench.proxy.add_client_port(bench.now, port(4), client_settings("10.4.0.1/24"), true);
    bench.proxy.set_upstream(bench.now, Some((port(WAN2), upstream_settings())), true);
    bench.proxy.remove_port(bench.now, port(A));
    bench.link(B, false);
    bench.link(B, true);
    assert_eq!(bench.receive(A, &join(G)), Verdict::ProxyOff);
    bench.proxy.shutdown(bench.now);
    bench.run_to(500_000);
    assert_eq!(bench.sent.len(), since);
    assert_eq!(bench.proxy.next_deadline(), None);
}

#[test]
fn r96_a_check_that_the_switch_cut_short_cuts_nobody() {
    // Off before the last question's answers could come, and on again before and after the check's end.
    for on_at in [4500, 5500] {
        let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
        bench.run_to(1000);
        bench.receive(A, &join(G));
        bench.run_to(3000);
        bench.receive(A, &leave(G));
        bench.run_to(4100);
        bench.proxy.set_enabled(bench.now, false);
        bench.drain();
        bench.run_to(on_at);
        bench.proxy.set_enabled(bench.now, true);
        bench.drain();
        bench.run_to(11_999);
        assert!(bench.forwards(A, G), "until the Group Membership Interval is over");
        assert_eq!(bench.changes.len(), 3, "and at once");
        bench.run_to(12_000);
        assert!(!bench.forwards(A, G));
    }
}

#[test]
fn r93_a_check_that_the_link_cut_short_cuts_nobody() {
    let mut bench = Bench::with(|c| c.timers = short_timers(), |_| {});
    bench.run_to(1000);
    bench.receive(A, &join(G));
    bench.run_to(3000);
    bench.receive(A, &leave(G));
    bench.run_to(4100);
    // Who answered the last question was not heard.
    bench.link(A, false);
    bench.run_to(4500);
    bench.link(A, true);
    bench.run_to(5500);
    assert_eq!(bench.receive(A, &join(G)), Verdict::Refreshed, "in time for the General Query");
    bench.run_to(16_499);
    assert!(bench.forwards(A, G));
    assert_eq!(bench.changes.len(), 1, "without a gap");
}
