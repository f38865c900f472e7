//! From one configuration to another: only what differs is touched.

use std::time::Duration;

use igmp::wire::Outgoing;
use igmp::{ClientPortSettings, UpstreamPortSettings};
use settings::Sources;
use types::{MAX_PORTS, PortIndex, PortSet};

use super::bench::{A, B, Bench, C, Plan, WAN, from_host, group, info, nth_group, port, ports};
use crate::PortRole;

fn client(port: &mut crate::PortInfo) -> &mut ClientPortSettings {
    match &mut port.role {
        PortRole::Client(settings) => settings,
        PortRole::Upstream(_) => panic!("{} is the provider's", port.name),
    }
}

fn client_role(index: usize) -> PortRole {
    let address = format!("10.{index}.0.1/24").parse().ok();
    PortRole::Client(ClientPortSettings { address, ..Default::default() })
}

fn upstream_role(index: usize) -> PortRole {
    let address = format!("10.{index}.0.1/24").parse().ok();
    PortRole::Upstream(UpstreamPortSettings { address, ..Default::default() })
}

/// Every mask.
fn masks(bench: &Bench) -> Vec<(PortSet, PortSet)> {
    let indices = (0..MAX_PORTS).filter_map(PortIndex::new);
    indices.map(|i| (bench.masks.always(i), bench.masks.forward(i))).collect()
}

/// Provider and clients with a member on A and B each of group 0, and on A of group 1; all is quiet.
fn settled() -> Bench {
    let mut bench = Bench::new(Plan::new());
    for (port, n) in [(A, 0), (B, 0), (A, 1)] {
        bench.join(port, nth_group(n));
    }
    bench.run(Duration::from_secs(60));
    bench.sent();
    bench.outlet.others.clear();
    bench
}

#[test]
fn the_same_configuration_does_nothing_at_all() {
    let mut bench = settled();
    let before = (masks(&bench), bench.agent.next_deadline());
    bench.configure(|_| ());
    assert_eq!((masks(&bench), bench.agent.next_deadline()), before);
    assert_eq!(bench.sent(), []);
    assert!(bench.outlet.others.is_empty());
}

#[test]
fn a_doubt_about_the_settings_does_nothing_to_the_ports() {
    let mut bench = settled();
    let before = (masks(&bench), bench.agent.next_deadline());
    bench.configure(|c| c.warnings = vec!["another doubt".to_owned()]);
    assert_eq!((masks(&bench), bench.agent.next_deadline()), before);
    assert_eq!(bench.sent(), []);
}

#[test]
fn one_ports_policy_is_that_ports_affair() {
    let mut bench = settled();
    let next_query_of_b = bench.agent.proxy.port_view(bench.now, port(B)).unwrap().role;
    bench.configure(|c| client(&mut c.ports[A]).access = deny(&["239.3.0.1/32"]));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    assert_eq!(bench.data(WAN, nth_group(1)), PortSet::EMPTY, "r54: newly forbidden");
    assert_eq!(bench.sent(), [(WAN, format!("leave {}", nth_group(1)))], "no query");
    assert_eq!(bench.agent.proxy.port_view(bench.now, port(B)).unwrap().role, next_query_of_b);
}

fn deny(nets: &[&str]) -> types::AccessList {
    types::AccessList::new(nets.iter().map(|net| format!("deny {net}").parse().unwrap()).collect())
}

#[test]
fn r70_the_provider_moves_to_another_port_and_only_the_switch_is_felt() {
    let mut bench = settled();
    bench.configure(|c| c.ports.push(info(C, "wan-2", client_role(C))));
    bench.run(Duration::from_secs(60));
    bench.sent();
    bench.configure(|c| {
        c.ports[WAN].role = client_role(WAN);
        c.ports[C].role = upstream_role(C);
    });
    assert_eq!(bench.data(C, nth_group(0)), ports([A, B]), "no member was lost, none has to ask again");
    assert_eq!(bench.data(WAN, nth_group(0)), PortSet::EMPTY);
    bench.run(Duration::from_secs(1));
    let sent = bench.sent();
    let on = |port_index| {
        let mut words: Vec<_> =
            sent.iter().filter(|(p, _)| *p == port_index).map(|(_, w)| w.clone()).collect();
        words.sort();
        words
    };
    let each = |word: &str| [0, 1].map(|n| format!("{word} {}", nth_group(n))).to_vec();
    assert_eq!(on(C), each("report"));
    assert_eq!(on(WAN), [each("leave"), vec!["query".to_owned()]].concat());
    assert_eq!((on(A), on(B)), (vec![], vec![]), "the other ports felt nothing");
}

#[test]
fn r70_a_providers_port_that_goes_for_good_gets_its_leaves_first() {
    let mut bench = Bench::new(Plan::new());
    (0..40).for_each(|n| bench.join(A, nth_group(n)));
    bench.run(Duration::from_secs(60));
    bench.sent();
    bench.configure(|c| {
        c.ports.remove(WAN);
        c.ports.push(info(C, "wan-2", upstream_role(C)));
    });
    assert!(!bench.agent.is_settled(), "the Leaves are paced");
    bench.run(igmp::Proxy::LEAVES_WITHIN);
    assert!(bench.agent.is_settled());
    let mut sent: Vec<_> = bench.sent().into_iter().filter(|(port, _)| *port == WAN).collect();
    sent.sort();
    let mut leaves: Vec<_> = (0..40).map(|n| (WAN, format!("leave {}", nth_group(n)))).collect();
    leaves.sort();
    assert_eq!(sent, leaves);
    assert_eq!(bench.data(C, nth_group(0)), ports([A]));
    bench.join(WAN, nth_group(50));
    assert_eq!(bench.agent.table.members(nth_group(50)), PortSet::EMPTY);
}

#[test]
fn f42_the_provider_and_a_client_swap_their_ports() {
    let mut bench = settled();
    bench.configure(|c| {
        c.ports[WAN].role = client_role(WAN);
        c.ports[A].role = upstream_role(A);
    });
    bench.run(Duration::from_secs(1));
    assert_eq!(bench.agent.table.members(nth_group(0)), ports([B]), "A's members went with its role");
    assert_eq!(bench.agent.table.members(nth_group(1)), PortSet::EMPTY);
    assert_eq!(bench.data(A, nth_group(0)), ports([B]));
    let sent = bench.sent();
    let reports: Vec<_> = sent.iter().filter(|(_, words)| words.starts_with("report")).collect();
    assert_eq!(reports, [&(A, format!("report {}", nth_group(0)))]);
    let queried: Vec<_> = sent.iter().filter(|(_, w)| w == "query").map(|(p, _)| *p).collect();
    assert_eq!(queried, [WAN]);
    bench.join(WAN, nth_group(0));
    assert_eq!(bench.data(A, nth_group(0)), ports([WAN, B]));
}

#[test]
fn f42_without_a_provider_nothing_is_forwarded_and_members_stay() {
    let mut bench = settled();
    bench.configure(|c| {
        c.ports.remove(WAN);
    });
    assert_eq!(bench.data(WAN, nth_group(0)), PortSet::EMPTY);
    assert_eq!(bench.agent.table.members(nth_group(0)), ports([A, B]));
    bench.configure(|c| c.ports.insert(0, info(WAN, "wan", upstream_role(WAN))));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
}

#[test]
fn a_port_that_goes_is_out_of_the_masks_at_once_and_out_of_the_table() {
    let mut bench = settled();
    let mut next = bench.agent.configuration.clone();
    next.ports.remove(A);
    bench.agent.configure(bench.now, next);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([B]), "before the agent's next turn");
    bench.poll();
    assert_eq!(bench.agent.table.members(nth_group(0)), ports([B]));
    assert_eq!(bench.agent.table.members(nth_group(1)), PortSet::EMPTY);
    assert_eq!(bench.sent(), [(WAN, format!("leave {}", nth_group(1)))]);
    bench.join(A, nth_group(2));
    assert_eq!(bench.agent.table.members(nth_group(2)), PortSet::EMPTY, "it has no role");
}

/// RFC 4286, section 5: a switch need not find out by itself that the router is gone.
#[test]
fn r102_a_port_that_goes_for_good_terminates_its_advertisements_first() {
    let mut bench = settled();
    bench.configure(|c| client(&mut c.ports[A]).router_discovery = true);
    bench.run(Duration::from_secs(10));
    bench.sent();
    bench.configure(|c| drop(c.ports.remove(A)));
    assert!(bench.agent.is_settled());
    let sent: Vec<_> = bench.sent().into_iter().filter(|(port, _)| *port == A).collect();
    assert_eq!(sent, [(A, "termination".to_owned())]);
}

#[test]
fn a_new_port_is_asked_and_gets_what_its_clients_ask_for() {
    let mut bench = settled();
    bench.configure(|c| c.ports.push(info(C, "hall-c", client_role(C))));
    assert_eq!(bench.sent(), [(C, "query".to_owned())]);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    bench.join(C, nth_group(0));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B, C]));
    assert_eq!(bench.sent(), [], "r59");
}

#[test]
fn a_port_in_the_place_of_another_inherits_nothing() {
    let mut bench = settled();
    let mut next = bench.agent.configuration.clone();
    next.ports[A].name = "hall-z".to_owned();
    bench.agent.configure(bench.now, next);
    assert_eq!(bench.data(WAN, nth_group(1)), PortSet::EMPTY, "not even until the agent's next turn");
    bench.poll();
    assert_eq!(bench.agent.table.members(nth_group(0)), ports([B]));
    assert_eq!(bench.sent()[0], (WAN, format!("leave {}", nth_group(1))));
    bench.join(A, nth_group(0));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
}

#[test]
fn another_device_is_another_link_with_the_same_members() {
    let mut bench = settled();
    bench.configure(|c| c.ports[A].device = "eth9".to_owned());
    assert_eq!(bench.sent(), [(A, "query".to_owned())]);
    assert_eq!(bench.outlet.others.len(), 1, "announced");
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    bench.run(Duration::from_secs(60));
    bench.sent();
    bench.configure(|c| c.ports[WAN].device = "eth8".to_owned());
    bench.run(Duration::from_secs(1));
    let reports = [0, 1].map(|n| (WAN, format!("report {}", nth_group(n))));
    assert_eq!(bench.sent(), reports, "r70");
}

#[test]
fn r94_a_new_address_is_asked_from_at_once_and_loses_no_member() {
    let mut bench = settled();
    bench.configure(|c| {
        c.ports[A].address = "10.1.0.2/24".parse().ok();
        client(&mut c.ports[A]).address = "10.1.0.2/24".parse().ok();
    });
    assert_eq!(bench.sent(), [(A, "query".to_owned())]);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    assert_eq!(bench.outlet.others.len(), 1, "announced");
}

#[test]
fn a_carrier_told_by_a_configuration_is_as_good_as_any() {
    let mut bench = settled();
    bench.configure(|c| c.ports[A].link_up = false);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([B]));
    assert_eq!(bench.sent(), []);
    bench.configure(|c| c.ports[A].link_up = true);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    assert_eq!(bench.sent(), [(A, "query".to_owned())], "r34");
}

#[test]
fn r69_groups_become_local_and_stop_being_it_while_all_runs() {
    let mut bench = settled();
    bench.configure(|c| c.local_groups.push("239.3.0.1/32".parse().unwrap()));
    assert_eq!(bench.data(WAN, nth_group(1)), PortSet::EMPTY);
    assert_eq!(bench.dropped(WAN, types::DropReason::LocalGroup), 1);
    assert_eq!(bench.sent(), [(WAN, format!("leave {}", nth_group(1)))]);
    bench.configure(|c| {
        c.local_groups.pop();
    });
    bench.join(A, nth_group(1));
    assert_eq!(bench.data(WAN, nth_group(1)), ports([A]));
}

#[test]
fn r100_a_range_closed_to_any_source_joins_closes_while_all_runs() {
    let mut bench = settled();
    bench.configure(|c| c.ssm_range = vec!["239.3.0.1/32".parse().unwrap()]);
    assert_eq!(bench.data(WAN, nth_group(1)), PortSet::EMPTY);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
}

#[test]
fn r96_switched_off_nothing_is_forwarded_and_on_again_members_are_served_at_once() {
    let mut bench = settled();
    let mut next = bench.agent.configuration.clone();
    next.enabled = false;
    bench.agent.configure(bench.now, next);
    assert_eq!(bench.data(WAN, nth_group(0)), PortSet::EMPTY, "at once");
    bench.poll();
    bench.run(Duration::from_secs(1));
    let leaves = [0, 1].map(|n| (WAN, format!("leave {}", nth_group(n))));
    assert_eq!(bench.sent(), leaves);
    assert_eq!(bench.agent.table.members(nth_group(0)), PortSet::EMPTY);
    bench.configure(|c| c.enabled = true);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    bench.run(Duration::from_secs(1));
    let sent = bench.sent();
    for expected in
        [(A, "query".to_owned()), (B, "query".to_owned()), (WAN, format!("report {}", nth_group(0)))]
    {
        assert!(sent.contains(&expected), "{expected:?} in {sent:?}");
    }
}

#[test]
fn what_changes_while_it_is_switched_off_is_in_force_when_it_is_on() {
    let mut bench = settled();
    bench.configure(|c| c.enabled = false);
    bench.run(Duration::from_secs(1));
    bench.sent();
    bench.configure(|c| c.ports.push(info(C, "hall-c", client_role(C))));
    bench.configure(|c| c.ports[C].sources = Sources::Yes);
    assert_eq!(bench.sent(), []);
    assert_eq!(bench.data(C, nth_group(0)), PortSet::EMPTY);
    bench.configure(|c| c.enabled = true);
    assert_eq!(bench.data(C, nth_group(0)), ports([WAN, A, B]));
}

/// A general query of another router, 10.1.0.9.
fn rival() -> Vec<u8> {
    from_host(A, Outgoing::GeneralQuery { max_resp_ds: 100 })
}

/// The same with our own address on A above the rival's.
fn lower_rival() -> Bench {
    let mut bench = settled();
    bench.configure(|c| client(&mut c.ports[A]).address = "10.1.0.200/24".parse().ok());
    bench.sent();
    bench
}

#[test]
fn r74_where_another_router_is_querier_nothing_is_forwarded_unless_the_port_says_so() {
    let mut bench = lower_rival();
    bench.receive(A, &rival());
    assert_eq!(bench.data(WAN, nth_group(0)), ports([B]));
    assert_eq!(bench.agent.table.members(nth_group(0)), ports([A, B]), "r92: still a member");
    assert_eq!(bench.sent(), []);
    bench.configure(|c| c.ports[A].forward_when_not_querier = true);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]));
    bench.configure(|c| c.ports[A].forward_when_not_querier = false);
    assert_eq!(bench.data(WAN, nth_group(0)), ports([B]));
}

#[test]
fn r92_a_takeover_forwards_at_once() {
    let mut bench = lower_rival();
    bench.receive(A, &rival());
    bench.run(Duration::from_secs(100));
    bench.join(A, nth_group(0));
    bench.join(B, nth_group(0));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([B]));
    bench.run(Duration::from_secs(155) + Duration::from_millis(100));
    assert_eq!(bench.data(WAN, nth_group(0)), ports([A, B]), "the other querier present interval is over");
}

#[test]
fn r75_a_source_that_depends_on_the_election_is_none_where_it_is_lost() {
    let mut bench = lower_rival();
    bench.configure(|c| c.ports[A].sources = Sources::WhileQuerier);
    let other = group("239.7.7.7");
    assert_eq!(bench.data(A, other), ports([WAN]));
    bench.receive(A, &rival());
    assert_eq!(bench.data(A, other), PortSet::EMPTY);
    bench.configure(|c| c.ports[A].sources = Sources::Yes);
    assert_eq!(bench.data(A, other), ports([WAN]));
}

/// What happened on a port that was removed is told by its name.
#[test]
fn a_port_that_is_gone_keeps_its_name_in_the_log() {
    let mut bench = settled();
    let name = bench.agent.name(port(A)).to_owned();
    bench.configure(|c| c.ports.retain(|info| info.index != port(A)));
    assert_eq!(bench.agent.name(port(A)), name);
    bench.configure(|c| c.ports.push(info(A, "lobby", client_role(A))));
    assert_eq!(bench.agent.name(port(A)), "lobby");
}

#[test]
fn igmp_counters_of_a_place_that_another_port_gets_begin_at_zero() {
    let mut bench = settled();
    let taken = |bench: &Bench| bench.agent.proxy.counters(port(A)).frames();
    let before = taken(&bench);
    assert!(before > 0);
    bench.configure(|c| client(&mut c.ports[A]).max_groups = 7);
    assert_eq!(taken(&bench), before, "the same port goes on");
    bench.configure(|c| c.ports[A].name = "lobby".to_owned());
    assert_eq!(taken(&bench), 0);
    bench.join(A, group("239.4.4.4"));
    assert_eq!(taken(&bench), 1);
}
