//! What the socket's requests are answered with.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use api::{
    CountersReply, GroupView, GroupsReply, HeldBack, LinkState, MemberState, PortView, PortsReply,
    QuerierRole, Reply, Request, StatusReply,
};
use igmp::wire::{Outgoing, emit};
use igmp::{FastLeave, LeavePolicy, QuerierVersion};
use settings::Sources;
use types::{AccessList, DropReason, Loss, Losses, MacAddr};

use super::bench::{A, B, Bench, Plan, ROUTER, WAN, group, port};
use crate::{PortLosses, PortRole};

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
fn what_is_lost_outside_the_workers_is_shown_by_kind() {
    let mut bench = Bench::new(Plan::new());
    let mut losses = PortLosses::default();
    losses.add(bench.now, &Losses::of(|loss| if loss == Loss::RxMissed { 7 } else { 0 }));
    losses.add(bench.now, &Losses::of(|loss| if loss == Loss::TxErrors { 2 } else { 0 }));
    bench.agent.losses.set(port(A), losses);
    assert_eq!(ports(&mut bench).iter().map(|view| view.losses).collect::<Vec<_>>(), [0, 9, 0]);
    let Reply::Counters(CountersReply { ports }) = bench.ask(Request::ShowCounters) else { panic!() };
    assert_eq!(ports[0].losses.len(), Loss::COUNT, "all are there, also at zero");
    assert_eq!(counted(&ports[1].losses), [("rx-missed", 7), ("tx-errors", 2)]);
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
    assert_eq!((b.role, b.address, b.next_query_s), (QuerierRole::Silent, None, None), "without carrier");
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

/// A query on the port, from 10.`port`.0.`host`.
fn query(bench: &mut Bench, port_index: usize, host: u8) {
    let source = Ipv4Addr::new(10, port_index as u8, 0, host);
    let mac = MacAddr([2, 0, 0, 0, 0, host]);
    let frame = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, mac, source, 0);
    bench.receive(port_index, frame.as_slice());
}

#[test]
fn members_that_get_nothing_are_marked_with_the_reason() {
    let mut plan = Plan { max_groups: 1, ..Plan::new() };
    match &mut plan.ports[A].role {
        PortRole::Client(settings) => settings.address = "10.1.0.5/24".parse().ok(),
        PortRole::Upstream(_) => unreachable!("a client port"),
    }
    let mut bench = Bench::new(plan);
    bench.join(A, group("239.2.2.2"));
    bench.join(A, group("239.2.2.3"));
    let held = |bench: &mut Bench| -> Vec<_> {
        groups(bench).iter().flat_map(|view| &view.members).map(|member| member.held_back).collect()
    };
    assert_eq!(held(&mut bench), [None, Some(HeldBack::NoRoom)]);

    query(&mut bench, A, 2);
    assert_eq!(held(&mut bench), [Some(HeldBack::NotQuerier), Some(HeldBack::NoRoom)]);
    assert_eq!(bench.data(WAN, group("239.2.2.2")).to_bits(), 0, "as it says");
    let querier = ports(&mut bench)[A].querier.clone().unwrap();
    assert_eq!((querier.role, querier.address), (QuerierRole::NonQuerier, Some(Ipv4Addr::new(10, 1, 0, 2))));
    assert_eq!((querier.next_query_s, querier.takeover_s), (None, Some(255.0)));

    bench.link(A, false);
    assert_eq!(held(&mut bench), [Some(HeldBack::NoCarrier), Some(HeldBack::NoRoom)]);
}

#[test]
fn r85_frames_of_other_sources_are_shown_with_their_group() {
    let mut plan = Plan::new();
    plan.ports[WAN].ingress.sources_allowed = vec!["10.0.0.80/32".parse().unwrap()];
    let mut bench = Bench::new(plan);
    bench.join(A, group("239.2.2.2"));
    (0..3).for_each(|_| _ = bench.data(WAN, group("239.2.2.2")));
    let shown = &groups(&mut bench)[0];
    assert_eq!((shown.frames, shown.filtered), (0, 3));
}

#[test]
fn the_providers_last_query_is_shown() {
    let mut bench = Bench::new(Plan::new());
    assert_eq!(ports(&mut bench)[WAN].last_query, None);
    query(&mut bench, WAN, 254);
    bench.run(Duration::from_secs(3));
    let shown = ports(&mut bench);
    let query = shown[WAN].last_query.as_ref().unwrap();
    assert_eq!((query.source, query.version, query.age_s), (Ipv4Addr::new(10, 0, 0, 254), 2, 3.0));
    assert!(shown[A].last_query.is_none() && shown[WAN].querier.is_none());
}

#[test]
fn policies_that_are_not_at_their_default_are_shown_as_the_settings_have_them() {
    let mut plan = Plan::new().sources(B, Sources::WhileQuerier);
    plan.ports[B].forward_when_not_querier = true;
    plan.ports[WAN].ingress.sources_allowed = vec!["10.0.0.0/24".parse().unwrap()];
    match &mut plan.ports[B].role {
        PortRole::Client(settings) => {
            settings.access = AccessList::new(vec!["deny 239.9.0.0/16".parse().unwrap()]);
            settings.fast_leave = FastLeave::Tracked;
            settings.version = QuerierVersion::V1;
            settings.link_down_hold = Some(Duration::from_millis(2500));
            settings.static_groups = vec![group("239.2.2.2"), group("239.2.2.3")];
            settings.querier_address = Some(Ipv4Addr::new(10, 2, 0, 2));
            settings.max_groups = 7;
            settings.require_router_alert = true;
            settings.any_ttl = true;
            settings.require_on_link_source = true;
            settings.ignore_v1 = true;
            settings.report_isolated = true;
            settings.router_discovery = true;
        }
        PortRole::Upstream(_) => unreachable!("a client port"),
    }
    match &mut plan.ports[WAN].role {
        PortRole::Upstream(settings) => {
            settings.suppress = false;
            settings.leave = LeavePolicy::LastReporter;
            settings.re_report_interval = Some(Duration::from_secs(60));
            settings.mac = Some(crate::tests::bench::ROUTER);
            settings.require_router_alert = true;
            settings.any_ttl = true;
        }
        PortRole::Client(_) => unreachable!("the provider's port"),
    }
    let shown = ports(&mut Bench::new(plan));
    let lines = |index: usize| -> Vec<_> {
        shown[index].policies.iter().map(|(key, value)| format!("{key} = {value}")).collect()
    };
    assert_eq!(
        lines(WAN),
        [
            "any-ttl = true",
            "leave = \"last-reporter\"",
            "mac = \"port\"",
            "re-report-interval = \"60s\"",
            "require-router-alert = true",
            "sources-allowed = [\"10.0.0.0/24\"]",
            "suppress = false",
        ]
    );
    assert_eq!(lines(A), [""; 0]);
    assert_eq!(
        lines(B),
        [
            "access = [\"deny 239.9.0.0/16\"]",
            "any-ttl = true",
            "fast-leave = \"tracked\"",
            "forward-when-not-querier = true",
            "igmp-version = 1",
            "ignore-v1 = true",
            "link-down-hold = \"2.5s\"",
            "querier-address = \"10.2.0.2\"",
            "report-isolated = true",
            "require-on-link-source = true",
            "require-router-alert = true",
            "router-discovery = true",
            "sources = \"querier\"",
            "static-groups = [\"239.2.2.2\", \"239.2.2.3\"]",
        ]
    );
    assert_eq!(
        (shown[WAN].max_groups, shown[A].max_groups, shown[B].max_groups),
        (None, Some(16_384), Some(7))
    );
}
