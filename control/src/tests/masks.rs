//! Which ports may send to which: carrier, `sources`, and the switch.

use std::time::Duration;

use settings::Sources;
use types::{DropReason, PortSet};

use super::bench::{A, B, Bench, Plan, WAN, group, port, ports};

#[test]
fn a_port_without_carrier_gets_nothing_until_it_is_back() {
    let mut bench = Bench::new(Plan::new());
    let wanted = group("239.2.2.2");
    bench.join(A, wanted);
    bench.join(B, wanted);
    bench.agent.handle_link(bench.now, port(A), false);
    assert_eq!(bench.data(WAN, wanted), ports([B]), "at once, before the agent's next turn");
    assert_eq!(bench.agent.table.members(wanted), ports([A, B]), "r93: the member only ages");
    bench.run(Duration::from_secs(10));
    bench.sent();
    bench.link(A, true);
    assert_eq!(bench.data(WAN, wanted), ports([A, B]));
    assert_eq!(bench.sent(), [(A, "query".to_owned())], "r34");
}

#[test]
fn what_was_to_go_out_of_a_port_goes_with_its_carrier() {
    let mut bench = Bench::new(Plan::new());
    let wanted = group("239.2.2.2");
    bench.join(A, wanted);
    bench.sent();
    bench.agent.handle_frame(bench.now, port(A), &super::bench::leave(A, wanted));
    bench.agent.handle_frame(bench.now, port(A), &super::bench::join(A, group("239.2.2.3")));
    bench.link(A, false);
    assert_eq!(bench.sent(), [(WAN, "report 239.2.2.3".to_owned())], "no query out of a dead port");
    bench.link(A, true);
    assert_eq!(bench.sent(), [(A, "query".to_owned())], "nor a stale one when it is back");
}

#[test]
fn a_carrier_told_twice_changes_nothing() {
    let mut bench = Bench::new(Plan::new());
    bench.sent();
    bench.link(A, true);
    bench.agent.handle_link(bench.now, port(9), false);
    bench.poll();
    assert_eq!(bench.sent(), []);
}

#[test]
fn a_port_down_from_the_start_is_not_asked_and_gets_nothing() {
    let mut bench = Bench::new(Plan::new().down(A));
    let wanted = group("239.2.2.2");
    assert_eq!(bench.sent(), [(B, "query".to_owned())]);
    bench.join(A, wanted);
    assert_eq!(bench.data(WAN, wanted), PortSet::EMPTY);
    assert_eq!(bench.dropped(WAN, DropReason::NoEgress), 1);
}

#[test]
fn without_the_providers_link_members_join_and_are_reported_when_it_comes() {
    let mut bench = Bench::new(Plan::new().down(WAN));
    let wanted = group("239.2.2.2");
    bench.join(A, wanted);
    bench.run(Duration::from_secs(20));
    assert!(bench.sent().iter().all(|(port, _)| *port != WAN));
    bench.link(WAN, true);
    bench.run(Duration::from_millis(100));
    assert_eq!(bench.sent(), [(WAN, "report 239.2.2.2".to_owned())]);
}

#[test]
fn r75_a_client_port_sends_nowhere_unless_it_may() {
    let mut bench = Bench::new(Plan::new());
    let wanted = group("239.2.2.2");
    bench.join(B, wanted);
    assert_eq!(bench.data(A, wanted), PortSet::EMPTY);
    assert_eq!(bench.dropped(A, DropReason::NotASource), 1);
    assert_eq!(bench.data(WAN, wanted), ports([B]));
}

#[test]
fn r75_a_source_reaches_the_provider_always_and_the_members_elsewhere() {
    for sources in [Sources::Yes, Sources::WhileQuerier] {
        let mut bench = Bench::new(Plan::new().sources(A, sources));
        let wanted = group("239.2.2.2");
        assert_eq!(bench.data(A, wanted), ports([WAN]), "members or not");
        bench.join(A, wanted);
        assert_eq!(bench.data(A, wanted), ports([WAN]), "r74: never back out");
        bench.join(B, wanted);
        assert_eq!(bench.data(A, wanted), ports([WAN, B]));
        assert_eq!(bench.data(B, wanted), PortSet::EMPTY, "the other port may not");
        bench.link(WAN, false);
        assert_eq!(bench.data(A, wanted), ports([B]));
        bench.link(WAN, true);
        bench.link(B, false);
        assert_eq!(bench.data(A, wanted), ports([WAN]));
    }
}

#[test]
fn r69_a_group_that_stays_on_its_link_does_not_leave_a_source_port() {
    let mut bench = Bench::new(Plan::new().sources(A, Sources::Yes));
    assert_eq!(bench.data(A, group("239.255.255.250")), PortSet::EMPTY);
    assert_eq!(bench.dropped(A, DropReason::LocalGroup), 1);
}

#[test]
fn switched_off_from_the_start_nothing_is_forwarded_nor_sent() {
    let mut bench = Bench::new(Plan { enabled: false, ..Plan::new().sources(A, Sources::Yes) });
    let wanted = group("239.2.2.2");
    bench.join(B, wanted);
    bench.run(Duration::from_secs(300));
    assert_eq!(bench.sent(), []);
    for ingress in [WAN, A, B] {
        assert_eq!(bench.masks.egress(port(ingress), PortSet::ALL), PortSet::EMPTY);
        assert_eq!(bench.data(ingress, wanted), PortSet::EMPTY);
        assert_eq!(bench.dropped(ingress, DropReason::ProxyOff), 1);
    }
    bench.link(A, false);
    bench.link(A, true);
    assert_eq!(bench.data(A, wanted), PortSet::EMPTY, "nor by a link that comes back");
}

#[test]
fn without_a_provider_port_the_proxy_is_off_to_the_workers() {
    let mut plan = Plan::new();
    plan.ports.remove(WAN);
    let mut bench = Bench::new(plan);
    bench.join(A, group("239.2.2.2"));
    assert_eq!(bench.data(B, group("239.2.2.2")), PortSet::EMPTY);
    assert_eq!(bench.dropped(B, DropReason::ProxyOff), 1);
}
