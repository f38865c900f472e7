//! What is told to the log.

use std::net::Ipv4Addr;

use igmp::ClientPortSettings;
use igmp::wire::{Outgoing, emit};
use types::MacAddr;

use super::bench::{A, Bench, Plan, WAN, group, info, join, port, ports};
use super::logged::logged;
use crate::PortRole;

/// The lines about another querier, when one comes to a port that has a member; and whether that gets its group.
fn told_of_a_rival(forward: bool) -> (Vec<String>, bool) {
    let mut plan = Plan::new();
    plan.ports[A].forward_when_not_querier = forward;
    match &mut plan.ports[A].role {
        PortRole::Client(settings) => settings.address = "10.1.0.5/24".parse().ok(),
        PortRole::Upstream(_) => unreachable!("a client port"),
    }
    let mut bench = Bench::new(plan);
    let log = logged(|| {
        bench.join(A, group("239.2.2.2"));
        let rival = (MacAddr([2, 0, 0, 0, 0, 2]), Ipv4Addr::new(10, 1, 0, 2));
        let query = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, rival.0, rival.1, 0);
        bench.agent.handle_frame(bench.now, port(A), query.as_slice());
        bench.poll();
    });
    let about = |line: &&str| line.contains("has members");
    let lines = log.lines().filter(about).map(|line| line.trim_start_matches(|c| c != ' ').trim().to_owned());
    (lines.collect(), bench.data(WAN, group("239.2.2.2")) == ports([A]))
}

#[test]
fn r74_r95_members_of_another_querier_are_told_of_with_what_becomes_of_them() {
    let (lines, served) = told_of_a_rival(false);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("WARN "), "{line}");
    assert!(line.contains("10.1.0.2 is querier there: it has to serve them, as we do not"), "{line}");
    assert!(line.ends_with("port=\"hall-a\"") && !served, "{line}");

    let (lines, served) = told_of_a_rival(true);
    let [line] = &lines[..] else { panic!("{lines:?}") };
    assert!(line.starts_with("INFO "), "{line}");
    assert!(
        line.contains("they get their groups from us, too, as `forward-when-not-querier` says"),
        "{line}"
    );
    assert!(line.ends_with("port=\"hall-a\"") && served, "{line}");
}

#[test]
fn a_join_is_in_the_table_and_upstream_before_it_is_told() {
    let mut bench = Bench::new(Plan::new());
    bench.sent();
    bench.agent.handle_frame(bench.now, port(A), &join(A, group("239.2.2.2")));
    let log = logged(|| _ = bench.agent.carry_out(bench.now, &mut bench.outlet));
    assert_eq!((bench.data(WAN, group("239.2.2.2")), log.as_str()), (ports([A]), ""));
    assert_eq!(bench.sent().len(), 1, "the report");
    let log = logged(|| bench.agent.tell_events());
    assert_eq!(log.lines().count(), 2, "{log}");
    assert!(logged(|| bench.agent.tell_events()).is_empty(), "told once");
}

#[test]
fn what_became_of_a_port_that_is_gone_goes_by_its_name_though_another_has_its_place() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group("239.2.2.2"));
    let log = logged(|| {
        bench.configure(|next| {
            let address = "10.1.0.1/24".parse().ok();
            let static_groups = vec![group("239.3.3.3")];
            let role = PortRole::Client(ClientPortSettings { address, static_groups, ..Default::default() });
            next.ports[A] = info(A, "annex", role);
        });
    });
    let told = |what: &str| log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{log}"));
    assert!(told("239.2.2.2 left: ").ends_with("port=\"hall-a\""), "{log}");
    assert!(told("239.3.3.3").ends_with("port=\"annex\""), "{log}");
}

#[test]
fn what_is_told_late_goes_by_the_name_of_a_port_that_was_gone_before_the_last_one() {
    let mut bench = Bench::new(Plan::new());
    bench.agent.handle_frame(bench.now, port(A), &join(A, group("239.2.2.2")));
    bench.agent.carry_out(bench.now, &mut bench.outlet);
    for name in ["annex", "attic"] {
        let mut next = bench.agent.configuration.clone();
        next.ports[A] = info(A, name, PortRole::Client(ClientPortSettings::default()));
        bench.agent.configure(bench.now, next);
        bench.agent.carry_out(bench.now, &mut bench.outlet);
    }
    let log = logged(|| bench.agent.tell_events());
    for what in ["239.2.2.2 joined", "239.2.2.2 left: "] {
        let line = log.lines().find(|line| line.contains(what)).unwrap_or_else(|| panic!("{log}"));
        assert!(line.ends_with("port=\"hall-a\""), "{log}");
    }
}
