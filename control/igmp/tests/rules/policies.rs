//! r53, r54, r69, r100: what settings allow, changed while it runs; and what the proxy tells of it.

use core::time::Duration;

use igmp::{ClientPortSettings, Event, Left, Verdict};
use types::{AccessList, Ipv4Net};

use crate::bench::{A, B, Bench, WAN, client_settings, port};
use crate::raw::{ALLOW, BLOCK, IS_EX, IS_IN, TO_EX, TO_IN, group, ip, join, join_v1, leave, report_v3};

const G: &str = "239.2.2.2";
const DENIED: &str = "239.9.2.2";

fn rules(rules: &[&str]) -> AccessList {
    AccessList::new(rules.iter().map(|rule| rule.parse().unwrap()).collect())
}

fn nets(nets: &[&str]) -> Vec<Ipv4Net> {
    nets.iter().map(|net| net.parse().unwrap()).collect()
}

fn denying() -> Bench {
    Bench::with(|c| c.access = rules(&["allow 239.9.1.0/24", "deny 239.9.0.0/16"]), |_| {})
}

fn left(bench: &Bench, of: &str) -> Option<Left> {
    bench.events.iter().rev().find_map(|(_, event)| match event {
        Event::Left { group: left, why, .. } if *left == group(of) => Some(*why),
        _ => None,
    })
}

#[test]
fn r54_a_group_that_is_denied_makes_no_member() {
    let mut bench = denying();
    let before = bench.state();
    assert_eq!(bench.receive(A, &join(DENIED)), Verdict::AccessDenied);
    assert_eq!(bench.receive(A, &join_v1(DENIED)), Verdict::AccessDenied);
    for kind in [IS_EX, TO_EX] {
        assert_eq!(bench.receive(A, &report_v3(&[(kind, DENIED, 0)])), Verdict::AccessDenied);
    }
    for kind in [ALLOW, IS_IN, TO_IN] {
        assert_eq!(bench.receive(A, &report_v3(&[(kind, DENIED, 1)])), Verdict::AccessDenied);
    }
    assert_eq!(bench.receive(A, &leave(DENIED)), Verdict::LeaveNoMember);
    assert_eq!(bench.state(), before);
    assert_eq!(bench.receive(A, &join("239.9.1.1")), Verdict::Joined, "the first rule that names it");
    assert_eq!(bench.receive(A, &join(G)), Verdict::Joined, "no rule names it");
    let mixed = report_v3(&[(TO_EX, DENIED, 0), (TO_EX, "239.3.3.3", 0)]);
    assert_eq!(bench.receive(A, &mixed), Verdict::Joined, "a record alone is refused");
    assert!(!bench.forwards(A, DENIED) && bench.forwards(A, "239.3.3.3"));
}

#[test]
fn r54_a_refusal_is_told_of_at_a_limited_rate() {
    let mut bench = denying();
    for ms in (0..120_000).step_by(1000) {
        bench.run_to(ms);
        bench.receive(A, &join(DENIED).from("10.1.0.33"));
    }
    let told = bench.told(|event| matches!(event, Event::AccessDenied { .. }));
    assert_eq!(told, [0, 60_000]);
    let event = Event::AccessDenied { port: port(A), group: group(DENIED), host: ip("10.1.0.33") };
    assert!(bench.events.contains(&(0, event)));
}

#[test]
fn r54_it_binds_static_groups_and_members_it_newly_forbids_go() {
    let mut bench = Bench::new();
    let mut settings = client_settings("10.1.0.1/24");
    settings.static_groups = vec![group("239.9.7.7"), group("239.8.8.8")];
    bench.configure(A, &settings);
    for of in [G, DENIED, "239.9.1.1"] {
        bench.receive(A, &join(of));
    }
    bench.receive(B, &join(DENIED));
    bench.receive(A, &leave("239.9.1.1"));
    bench.run_to(1500);
    let since = bench.sent.len();
    settings.access = rules(&["deny 239.9.0.0/16"]);
    bench.configure(A, &settings);
    let on_a: Vec<_> = bench.forwarded.iter().filter(|(on, _)| *on == A).map(|(_, group)| *group).collect();
    assert_eq!(on_a, [group(G), group("239.8.8.8")]);
    assert!(bench.forwards(B, DENIED), "the other port has its own list");
    assert_eq!(bench.sent_since(since, A), [], "nobody is asked");
    assert_eq!(left(&bench, "239.9.7.7"), Some(Left::AccessDenied));
    let upstream: Vec<_> = bench.proxy.upstream_groups().map(|view| view.group).collect();
    assert_eq!(upstream, [group(G), group("239.8.8.8"), group(DENIED)]);
    // Allowed again, the static group comes back by itself, the others by a report.
    settings.access = AccessList::default();
    bench.configure(A, &settings);
    assert!(bench.forwards(A, "239.9.7.7") && !bench.forwards(A, DENIED));
    assert_eq!(bench.receive(A, &join(DENIED)), Verdict::Joined);
}

#[test]
fn r69_groups_that_become_local_go_and_may_come_back() {
    let mut bench = Bench::new();
    let mut settings = client_settings("10.1.0.1/24");
    settings.static_groups = vec![group("239.5.0.1"), group("239.255.255.250")];
    bench.configure(A, &settings);
    for on in [A, B] {
        bench.receive(on, &join(G));
        bench.receive(on, &join("239.5.0.2"));
    }
    let changes = bench.changes.len();
    bench.proxy.set_group_ranges(bench.now, nets(&["239.5.0.0/16"]), Vec::new());
    bench.drain();
    let on: Vec<_> = bench.forwarded.iter().copied().collect();
    assert_eq!(on, [(A, group(G)), (A, group("239.255.255.250")), (B, group(G))]);
    assert_eq!(bench.changes.len(), changes + 4);
    assert_eq!(left(&bench, "239.5.0.2"), Some(Left::LocalGroup));
    assert_eq!(bench.receive(A, &join("239.5.0.2")), Verdict::LocalGroup);
    bench.proxy.set_group_ranges(bench.now, Vec::new(), Vec::new());
    bench.drain();
    assert!(bench.forwards(A, "239.5.0.1"), "a static group comes back by itself");
    assert_eq!(bench.receive(A, &join("239.5.0.2")), Verdict::Joined);
}

#[test]
fn r100_in_the_source_specific_range_nothing_asks_for_any_source() {
    const SSM: &str = "232.1.1.1";
    let mut bench = Bench::new();
    bench.receive(A, &join(SSM));
    assert!(bench.forwards(A, SSM), "by default 232.0.0.0/8 is joined like any other");
    bench.proxy.set_group_ranges(bench.now, Vec::new(), nets(&["232.0.0.0/8"]));
    bench.drain();
    assert!(!bench.forwards(A, SSM));
    assert_eq!(left(&bench, SSM), Some(Left::SsmRange));
    let before = bench.state();
    for raw in [join(SSM), join_v1(SSM), leave(SSM)] {
        assert_eq!(bench.receive(A, &raw), Verdict::SsmRange);
    }
    for (kind, sources) in [(IS_EX, 0), (TO_EX, 2), (ALLOW, 1), (IS_IN, 1), (TO_IN, 2), (TO_IN, 0)] {
        assert_eq!(bench.receive(A, &report_v3(&[(kind, SSM, sources)])), Verdict::SsmRange);
    }
    assert_eq!(bench.receive(A, &report_v3(&[(BLOCK, SSM, 1)])), Verdict::NoEffect);
    assert_eq!(bench.state(), before);
    assert_eq!(bench.proxy.counters(port(A)).verdict(Verdict::SsmRange), 9);
    assert_eq!(bench.receive(A, &join("233.1.1.1")), Verdict::Joined);
}

#[test]
fn what_a_report_would_be_refused_for_is_what_it_is_refused_for() {
    let mut bench = Bench::with(|c| (c.max_groups, c.access) = (2, rules(&["deny 239.9.0.0/16"])), |_| {});
    bench.proxy.set_group_ranges(bench.now, nets(&["239.5.0.0/16"]), nets(&["232.0.0.0/8"]));
    bench.receive(A, &join(G));
    bench.receive(A, &join("239.2.2.3"));
    for (of, on, refusal) in [
        (G, A, None),
        ("239.2.2.4", A, Some(Verdict::GroupLimit)),
        ("239.2.2.4", B, None),
        (DENIED, A, Some(Verdict::AccessDenied)),
        ("239.5.1.1", A, Some(Verdict::LocalGroup)),
        ("232.1.1.1", B, Some(Verdict::SsmRange)),
        ("224.0.0.9", B, Some(Verdict::LinkLocalGroup)),
        (G, 7, Some(Verdict::NoRole)),
    ] {
        assert_eq!(bench.proxy.refusal(group(of), port(on)), refusal, "{of} on {on}");
        let verdict = bench.receive(on, &join(of));
        let taken = matches!(verdict, Verdict::Joined | Verdict::Refreshed);
        assert_eq!(refusal, (!taken).then_some(verdict), "{of} on {on}");
    }
    assert_eq!(bench.proxy.refusal(group(G), port(WAN)), Some(Verdict::NoRole));
}

#[test]
fn views_of_one_group_are_those_of_all() {
    let mut bench = Bench::new();
    for (on, of) in [(A, G), (B, G), (B, "239.1.1.1")] {
        bench.receive(on, &join(of));
    }
    let ports: Vec<_> = bench.proxy.members_of(group(G)).map(|view| view.port).collect();
    assert_eq!(ports, [port(A), port(B)]);
    assert_eq!(bench.proxy.members_of(group("239.7.7.7")).count(), 0);
    assert_eq!(bench.proxy.member(group("239.1.1.1"), port(A)), None);
    let upstream = bench.proxy.upstream_group(group(G));
    assert_eq!(upstream, bench.proxy.upstream_groups().find(|view| view.group == group(G)));
    assert!(upstream.is_some() && bench.proxy.upstream_group(group("239.7.7.7")).is_none());
}

/// A reload tells every port its settings; only what differs may be touched.
#[test]
fn settings_told_again_do_nothing_at_all() {
    let settings = ClientPortSettings {
        access: rules(&["allow 239.0.0.0/8"]),
        static_groups: vec![group("239.4.4.4")],
        link_down_hold: Some(Duration::from_secs(5)),
        ..client_settings("10.1.0.1/24")
    };
    let mut bench = Bench::new();
    bench.configure(A, &settings);
    bench.receive(A, &join(G));
    bench.run_to(20_000);
    bench.receive(A, &leave(G));
    bench.run_to(20_500);
    let before = (bench.state(), bench.events.clone());
    bench.configure(A, &settings);
    let local = igmp::ProxySettings::default_local_groups();
    bench.proxy.set_group_ranges(bench.now, local, Vec::new());
    bench.drain();
    assert_eq!((bench.state(), bench.events.clone()), before);
}

#[test]
fn a_policy_that_refuses_more_neither_asks_nor_cuts_anybody() {
    let changes: [fn(&mut ClientPortSettings); 7] = [
        |c| c.max_groups = 1,
        |c| c.ignore_v1 = true,
        |c| c.require_router_alert = true,
        |c| c.require_on_link_source = true,
        |c| c.fast_leave = igmp::FastLeave::Tracked,
        |c| c.link_down_hold = Some(Duration::from_secs(1)),
        |c| c.access = rules(&["deny 239.9.0.0/16"]),
    ];
    for change in changes {
        let mut bench = Bench::new();
        bench.receive(A, &join(G));
        bench.receive(A, &join("239.2.2.3"));
        bench.run_to(20_000);
        let before = bench.state();
        let mut settings = client_settings("10.1.0.1/24");
        change(&mut settings);
        bench.configure(A, &settings);
        assert_eq!(bench.state(), before);
    }
}
