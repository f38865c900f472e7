//! What the socket's requests are answered with.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use api::{
    CountersReply, GroupView, GroupsReply, LinkState, MemberState, PortView, PortsReply, QuerierRole, Reply,
    Request, StatusReply,
};
use types::DropReason;

use super::bench::{A, B, Bench, Plan, ROUTER, WAN, group, port};

fn groups(bench: &mut Bench) -> Vec<GroupView> {
    match bench.ask(Request::ShowGroups) {
        Reply::Groups(GroupsReply { groups }) => groups,
        other => panic!("{other:?}"),
    }
}

fn ports(bench: &mut Bench) -> Vec<PortView> {
    match bench.ask(Request::ShowPorts) {
        Reply::Ports(PortsReply { ports }) => ports,
        other => panic!("{other:?}"),
    }
}

fn status(bench: &mut Bench) -> StatusReply {
    match bench.ask(Request::ShowStatus) {
        Reply::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

/// The counters that are not zero.
fn counted(of: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    of.iter().filter(|(_, n)| **n > 0).map(|(name, n)| (name.as_str(), *n)).collect()
}

#[test]
fn groups_show_members_ports_ages_and_the_provider() {
    let mut bench = Bench::new(Plan::new());
    assert_eq!(groups(&mut bench), []);
    bench.join(B, group("239.2.2.9"));
    bench.join(A, group("239.2.2.2"));
    bench.run(Duration::from_secs(40));
    bench.join(B, group("239.2.2.2"));
    bench.data(WAN, group("239.2.2.2"));
    bench.run(Duration::from_millis(1500));

    let shown = groups(&mut bench);
    assert_eq!(
        shown.iter().map(|view| view.group).collect::<Vec<_>>(),
        ["239.2.2.2", "239.2.2.9"].map(group)
    );
    let [first, second] = &shown[0].members[..] else { panic!("{shown:?}") };
    assert_eq!((first.port.as_str(), second.port.as_str()), ("hall-a", "hall-b"));
    assert_eq!((first.age_s, first.expires_s), (41.5, Some(218.5)));
    assert_eq!((second.age_s, second.expires_s), (1.5, Some(258.5)));
    assert_eq!((second.version, second.state), (2, MemberState::MembersPresent));
    assert_eq!(second.last_reporter, Some(Ipv4Addr::new(10, 2, 0, 9)));
    assert_eq!((shown[0].frames, shown[0].bytes), (1, 42));
    assert_eq!((shown[1].frames, shown[1].bytes), (0, 0));
    assert!(shown[0].upstream.joined);
    let reported = shown[0].upstream.last_report_s.unwrap();
    assert!((31.5..=41.5).contains(&reported), "once at the join, and again within 10 s: {reported}");
}

#[test]
fn a_leave_shows_as_a_check_of_the_membership() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group("239.2.2.2"));
    bench.leave(A, group("239.2.2.2"));
    let member = &groups(&mut bench)[0].members[0];
    assert_eq!((member.state, member.expires_s), (MemberState::CheckingMembership, Some(2.0)));
}

#[test]
fn r55_a_static_group_shows_no_reporter_and_no_end() {
    let mut plan = Plan::new();
    if let crate::PortRole::Client(settings) = &mut plan.ports[A].role {
        settings.static_groups.push(group("239.7.7.7"));
    }
    let mut bench = Bench::new(plan);
    bench.run(Duration::from_secs(600));
    let member = &groups(&mut bench)[0].members[0];
    assert_eq!(
        (member.state, member.last_reporter, member.expires_s, member.age_s),
        (MemberState::Static, None, None, 600.0)
    );
}

#[test]
fn a_group_is_not_joined_while_the_provider_has_no_link() {
    let mut bench = Bench::new(Plan::new().down(WAN));
    bench.join(A, group("239.2.2.2"));
    let upstream = groups(&mut bench)[0].upstream.clone();
    assert_eq!((upstream.joined, upstream.last_report_s), (false, None));
    bench.link(WAN, true);
    bench.poll();
    assert!(groups(&mut bench)[0].upstream.joined);
}

#[test]
fn ports_show_role_link_querier_and_totals() {
    let mut bench = Bench::new(Plan::new().down(B));
    bench.join(A, group("239.2.2.2"));
    bench.data(WAN, group("239.2.2.2"));
    bench.data(WAN, group("239.2.2.3"));
    bench.counters.port(port(A)).tx_frames.add(3);
    bench.run(Duration::from_secs(1));

    let shown = ports(&mut bench);
    let names: Vec<_> = shown.iter().map(|view| view.name.as_str()).collect();
    assert_eq!(names, ["wan", "hall-a", "hall-b"]);
    let [wan, a, b] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((wan.role, a.role), (api::PortRole::Upstream, api::PortRole::Client));
    assert_eq!((wan.link, a.link, b.link), (LinkState::Up, LinkState::Up, LinkState::Down));
    assert_eq!((wan.device.as_str(), wan.driver.as_str(), wan.mac), ("eth0", "net_af_packet", ROUTER));
    assert_eq!(a.address, "10.1.0.1/24".parse().ok());
    assert_eq!((wan.groups, a.groups, b.groups), (1, 1, 0));
    assert_eq!((wan.rx_frames, wan.rx_bytes, wan.drops), (2, 84, 1));
    assert_eq!(a.tx_frames, 3);

    assert_eq!(wan.querier, None);
    let (a, b) = (a.querier.as_ref().unwrap(), b.querier.as_ref().unwrap());
    assert_eq!((a.role, a.address), (QuerierRole::Querier, Some(Ipv4Addr::new(10, 1, 0, 1))));
    assert_eq!(a.next_query_s, Some(30.25), "r17");
    assert_eq!((b.address, b.next_query_s), (None, None));
}

#[test]
fn counters_are_all_there_and_tell_what_happened() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group("239.2.2.2"));
    bench.join(A, group("224.0.0.5"));
    bench.leave(A, group("239.2.2.9"));
    bench.data(WAN, group("239.2.2.9"));
    bench.data(WAN, group("239.2.2.2"));
    let Reply::Counters(CountersReply { ports }) = bench.ask(Request::ShowCounters) else { panic!() };
    let [wan, a, b] = &ports[..] else { panic!("{ports:?}") };
    assert_eq!((wan.port.as_str(), a.port.as_str(), b.port.as_str()), ("wan", "hall-a", "hall-b"));
    assert_eq!(counted(&wan.frames), [("forwarded", 1), ("rx-bytes", 84), ("rx-frames", 2)]);
    assert_eq!(counted(&wan.drops), [("no-member", 1)]);
    assert_eq!(counted(&wan.igmp_sent), [("report-v2", 1)]);
    assert_eq!(counted(&a.igmp_received), [("leave", 1), ("report-v2", 1)]);
    assert_eq!(counted(&a.igmp_sent), [("general-query", 1)]);
    assert_eq!(counted(&a.verdicts), [("joined", 1), ("leave-no-member", 1), ("link-local-group", 1)]);
    assert_eq!(counted(&b.frames), []);
    assert_eq!(b.drops.len(), DropReason::COUNT, "also at zero");
    assert_eq!(b.verdicts.len(), igmp::Verdict::COUNT);
}

#[test]
fn status_shows_the_process() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group("239.2.2.2"));
    bench.run(Duration::from_secs(90));
    let shown = status(&mut bench);
    assert_eq!(shown.version, env!("CARGO_PKG_VERSION"));
    assert_eq!((shown.instance.as_str(), shown.pid), ("main", std::process::id()));
    assert_eq!((shown.uptime_s, shown.enabled), (90.0, true));
    assert_eq!((shown.upstream.as_deref(), shown.ports), (Some("wan"), 3));
    assert_eq!((shown.groups, shown.max_groups, shown.workers), (1, 64, 1));
    assert_eq!((shown.hugepages, shown.mbufs.size, shown.mbufs.in_use), (false, 100, 7));
    assert_eq!(shown.warnings, ["a doubt"]);
    bench.agent.shutdown(bench.now);
    bench.poll();
    let shown = status(&mut bench);
    assert_eq!((shown.enabled, shown.groups), (false, 0));
}
