//! Faults of settings, hosts, routers and links.

use api::{Finding, Outage};

use super::*;

#[test]
fn a_channel_that_works_says_how() {
    let mut bench = joined(Plan::new());
    provider_asks(&mut bench, false);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN); 3]);
    lit(&reply, "forwarded to hall-a");
    assert_eq!(reply.cure, None);
    assert_eq!(found(&reply, Topic::Proxy), ["ok wan: switched on, and the provider's port has carrier"]);
    assert_eq!(
        found(&reply, Topic::Allowed),
        ["ok *: not kept back by `local-groups` or `ssm-range`", "ok hall-a: there is no access list"]
    );
    assert_eq!(
        found(&reply, Topic::Asked),
        [
            "ok hall-a: 10.1.0.9 did by IGMPv2 73 s ago, the first report came 73 s ago; it goes in 187 s unless \
          reported again"
        ]
    );
    assert_eq!(
        found(&reply, Topic::Querier),
        ["ok hall-a: we are, as 10.1.0.1; the next general query goes out in 84 s"]
    );
    let upstream = found(&reply, Topic::Upstream);
    assert!(upstream[0].starts_with("ok wan: asked for "), "{upstream:?}");
    assert!(upstream[0].ends_with(" s ago; 10.0.0.254 asked by IGMPv2 13 s ago"), "{upstream:?}");
    assert_eq!(
        found(&reply, Topic::Arriving),
        ["ok wan: from 10.0.0.77 (02:00:00:00:00:77), TTL 9, 1344 bytes, 1.5 s ago; about 2 frames/s"]
    );
    assert_eq!(found(&reply, Topic::Dropped), ["ok wan: nothing of 3 frames looked at"]);
    assert_eq!(found(&reply, Topic::Leaving), ["ok hall-a: forwarded"]);
    let findings: Vec<_> = reply.checks.iter().map(|check| check.finding).collect();
    assert_eq!(
        findings,
        [
            Finding::SwitchedOn,
            Finding::NotKeptBack,
            Finding::NoAccessList,
            Finding::Member,
            Finding::WeAsk,
            Finding::ProviderAsked,
            Finding::Arrives,
            Finding::NothingDropped,
            Finding::Forwarded,
        ]
    );
    assert_eq!((reply.lit, reply.fault), (vec!["hall-a".to_owned()], None));
}

#[test]
fn nobody_asked() {
    let mut bench = Bench::new(Plan::new());
    bench.join(B, group("224.0.0.5"));
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    dark(
        &reply,
        "dark: nobody asked for it: no host on any client port did; IGMP refused since the start, of all groups: 1 \
         link-local-group on hall-b",
        "have a host ask for it; if one does, look for its report on the port's link",
    );
    assert_eq!(found(&reply, Topic::Upstream), ["- wan: not asked for: no port has a member"]);

    let reply = ask(&mut bench, Some("hall-a"));
    dark(
        &reply,
        "dark, on hall-a: nobody asked for it: no host did",
        "have a host ask for it; if one does, look for its report on the link of hall-a: with a snooping switch \
         between, for the switch's port to us, too",
    );
}

#[test]
fn a_host_asked_on_another_port() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, Some("hall-b"), &[(WAN, PLAIN)]);
    assert!(reply.verdict.starts_with("dark, on hall-b: nobody asked for it"), "{reply:#?}");
    assert!(
        reply.checks.iter().all(|check| check.port.as_deref() != Some("hall-a")),
        "only that port's chain"
    );
    assert_eq!(reply.port.as_deref(), Some("hall-b"));
    lit(&ask(&mut bench, Some("hall-a")), "forwarded to hall-a");
}

#[test]
fn the_proxy_as_a_whole() {
    let mut bench = Bench::new(Plan { enabled: false, ..Plan::new() });
    let reply = explained(&mut bench, Some("hall-a"), &[(WAN, PLAIN)]);
    dark(&reply, "dark: the proxy is switched off", "switch it on: `manifoldctl enable`");

    let mut plan = Plan::new();
    plan.ports.remove(WAN);
    let mut bench = joined(plan);
    let reply = explained(&mut bench, None, &[]);
    dark(
        &reply,
        "dark: no port is the provider's",
        "name it: `manifoldctl set-upstream NAME`, or `upstream` in [proxy]",
    );

    let mut bench = joined(Plan::new().down(WAN));
    let reply = explained(&mut bench, None, &[]);
    dark(
        &reply,
        "dark, on wan: the provider's port has no carrier",
        "look at the cable of wan (eth0) and at what is behind it",
    );
    assert_eq!(found(&reply, Topic::Upstream), ["- wan: not asked for now"]);
}

#[test]
fn a_client_port_without_carrier() {
    let mut bench = joined(Plan::new());
    bench.link(A, false);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    dark(
        &reply,
        "dark, on hall-a: not forwarded: the port has no carrier",
        "look at the cable of hall-a (eth1) and at what is behind it",
    );
    let mut bench = Bench::new(Plan::new().down(A));
    let reply = explained(&mut bench, Some("hall-a"), &[]);
    assert_eq!(reply.verdict, "dark, on hall-a: nobody asked for it: nobody can: the port has no carrier");
}

/// The agent is told what a port waits for, its carrier gone before.
fn out_of_service(bench: &mut Bench, port: usize, why: Outage) {
    bench.link(port, false);
    bench.configure(|configuration| configuration.ports[port].outage = Some(why));
}

#[test]
fn an_interface_that_is_gone() {
    let mut bench = joined(Plan::new());
    out_of_service(&mut bench, A, Outage::Gone);
    dark(
        &explained(&mut bench, None, &[(WAN, PLAIN)]),
        "dark, on hall-a: not forwarded: the port's interface eth1 is gone",
        "make an interface of the name eth1 again, or rename one: hall-a takes it by itself",
    );
    // With its carrier the port has its interface again, whatever was said of it before.
    bench.link(A, true);
    bench.link(A, false);
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    assert_eq!(reply.verdict, "dark, on hall-a: not forwarded: the port has no carrier");
}

#[test]
fn an_interface_that_is_somebody_elses() {
    let mut bench = joined(Plan::new());
    let why =
        "a.toml:1: port \"wan\": interface `eth0` belongs to `br0`; cure: ip link set dev eth0 nomaster";
    out_of_service(&mut bench, WAN, Outage::Refused(why.to_owned()));
    dark(
        &explained(&mut bench, None, &[]),
        &format!("dark, on wan: the provider's port is out of service: {why}"),
        "once that is cured, wan takes eth0 by itself",
    );
    let mut bench = Bench::new(Plan::new());
    out_of_service(&mut bench, A, Outage::Gone);
    let reply = explained(&mut bench, Some("hall-a"), &[]);
    assert_eq!(
        reply.verdict,
        "dark, on hall-a: nobody asked for it: nobody can: the port's interface eth1 is gone"
    );
}

#[test]
fn r54_the_access_list_denies_it_by_a_rule() {
    let mut plan = Plan::new();
    let rules = ["allow 239.2.3.0/24", "deny 239.2.0.0/16"].map(|rule| rule.parse().unwrap());
    client_settings(&mut plan, A).access = types::AccessList::new(rules.to_vec());
    let mut bench = joined(plan);
    let reply = explained(&mut bench, Some("hall-a"), &[]);
    dark(
        &reply,
        "dark, on hall-a: the access list denies it: `deny 239.2.0.0/16`",
        "put a rule that allows it before that one in `access` of hall-a",
    );
    // On the other port it may be had, but nobody asked there, and here somebody did.
    let reply = ask(&mut bench, None);
    assert_eq!(reply.verdict, "dark, on hall-a: the access list denies it: `deny 239.2.0.0/16`");
    assert!(found(&reply, Topic::Asked)[0].contains("1 access-denied"), "{reply:#?}");

    let reply = ask_about(&mut bench, group("239.2.3.1"), Some("hall-a"));
    assert_eq!(found(&reply, Topic::Allowed)[1], "ok hall-a: allowed by `allow 239.2.3.0/24`");
    let reply = ask_about(&mut bench, group("239.9.9.9"), Some("hall-a"));
    assert_eq!(
        found(&reply, Topic::Allowed)[1],
        "ok hall-a: no rule of the access list names it, which allows it"
    );
}

#[test]
fn groups_that_nobody_may_have() {
    let mut bench = Bench::new(Plan::new());
    let reply = ask_about(&mut bench, group("224.0.0.251"), None);
    dark(
        &reply,
        "dark: groups in 224.0.0.0/24 stay on their link: no router forwards them",
        "have it sent to a group outside 224.0.0.0/24",
    );
    let reply = ask_about(&mut bench, group("239.255.255.250"), Some("hall-a"));
    dark(
        &reply,
        "dark: `local-groups` keeps 239.255.255.250/32 on its link",
        "take 239.255.255.250/32 out of `local-groups` in [proxy]",
    );
    let mut configuration = bench.agent.configuration.clone();
    configuration.ssm_range = vec!["232.0.0.0/8".parse().unwrap()];
    bench.agent.configure(bench.now, configuration);
    bench.poll();
    let reply = ask_about(&mut bench, group("232.1.1.1"), None);
    dark(
        &reply,
        "dark: `ssm-range` has 232.0.0.0/8: joins without sources mean nothing there",
        "take 232.0.0.0/8 out of `ssm-range` in [proxy] if the provider takes such joins",
    );
}

#[test]
fn r53_a_port_that_has_all_the_groups_it_may() {
    let mut plan = Plan::new();
    client_settings(&mut plan, A).max_groups = 1;
    let mut bench = Bench::new(plan);
    bench.join(A, group("239.9.9.9"));
    bench.join(A, group(CHANNEL));
    let reply = explained(&mut bench, Some("hall-a"), &[]);
    dark(
        &reply,
        "dark, on hall-a: the port has all the 1 groups that it may have",
        "raise `max-groups` of hall-a",
    );
    // Also asked of no port: the refusal says more than the silence on the others.
    let reply = ask(&mut bench, None);
    dark(
        &reply,
        "dark, on hall-a: the port has all the 1 groups that it may have",
        "raise `max-groups` of hall-a",
    );
}

#[test]
fn hosts_are_not_to_blame_where_their_reports_change_nothing() {
    let mut bench = Bench::new(Plan::new());
    for group in [group("224.0.0.5"), group("239.255.255.250")] {
        for port in [None, Some("hall-a")] {
            let reply = ask_about(&mut bench, group, port);
            let of_hosts =
                |check: &&api::Check| check.cure.as_ref().is_some_and(|cure| cure.contains("host ask"));
            assert_eq!(reply.checks.iter().find(of_hosts), None);
            assert_eq!(reply.dark, Some(true));
        }
    }
}

#[test]
fn what_was_seen_before_a_change_says_nothing_after_it() {
    let mut bench = joined(Plan::new());
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    assert_eq!(reply.dark, Some(false), "{}", reply.verdict);
    let mut configuration = bench.agent.configuration.clone();
    configuration.ssm_range = vec!["232.0.0.0/8".parse().unwrap()];
    bench.agent.configure(bench.now, configuration);
    bench.poll();
    let reply = ask(&mut bench, None);
    assert_eq!((reply.dark, reply.watching), (None, true), "{}", reply.verdict);
}

#[test]
fn a_table_without_room() {
    let mut bench = Bench::new(Plan { max_groups: 4, ..Plan::new() });
    (0..4).for_each(|n| bench.join(B, nth_group(n)));
    bench.join(A, group(CHANNEL));
    let reply = explained(&mut bench, None, &[(WAN, PLAIN)]);
    dark(
        &reply,
        "dark, on hall-a: not forwarded: the group table has all its 4 groups",
        "raise `max-groups` in [table], and restart",
    );
}

#[test]
fn members_of_every_kind_are_told() {
    let mut plan = Plan::new();
    client_settings(&mut plan, B).static_groups = vec![group(CHANNEL)];
    let mut bench = joined(plan);
    bench.leave(A, group(CHANNEL));
    let asked = found(&ask(&mut bench, None), Topic::Asked);
    assert!(
        asked[0].ends_with("somebody left, and forwarding ends in 2.0 s unless another host answers"),
        "{asked:?}"
    );
    assert_eq!(asked[1], "ok hall-b: by the settings: `static-groups`");
    let v1 = emit(Outgoing::ReportV1(group(CHANNEL)), SENDER, Ipv4Addr::new(10, 1, 0, 7), 0);
    bench.receive(A, v1.as_slice());
    let asked = found(&ask(&mut bench, None), Topic::Asked);
    assert!(asked[0].contains("10.1.0.7 did by IGMPv1"), "{asked:?}");
    assert!(asked[0].ends_with("Leaves are ignored, as an IGMPv1 host is there"), "{asked:?}");
}

#[test]
fn r50_a_client_that_leaves_by_block_is_told() {
    let mut bench = Bench::new(Plan::new());
    bench.receive(A, &v3_report(4, &[]));
    bench.run(Duration::from_secs(5));
    let asked = found(&ask(&mut bench, None), Topic::Asked);
    assert!(asked[0].starts_with("ok hall-a: 10.1.0.9 did by IGMPv3 5.0 s ago"), "{asked:?}");
    assert!(!asked[0].contains("BLOCK"), "{asked:?}");
    bench.receive(A, &v3_report(6, &[[10, 0, 0, 77]]));
    let asked = found(&ask(&mut bench, None), Topic::Asked);
    assert!(
        asked[0].ends_with("hosts there leave by BLOCK (1 so far, of all groups), after which it ages"),
        "{asked:?}"
    );
}

#[test]
fn r95_another_router_is_querier() {
    let mut plan = Plan::new();
    client_settings(&mut plan, A).address = "10.1.0.5/24".parse().ok();
    let mut bench = joined(plan);
    let query = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, SENDER, Ipv4Addr::new(10, 1, 0, 2), 0);
    bench.receive(A, query.as_slice());
    bench.join(A, group(CHANNEL));
    bench.run(Duration::from_secs(20));
    let reply = explained(&mut bench, Some("hall-a"), &[(WAN, PLAIN)]);
    dark(
        &reply,
        "dark, on hall-a: another router is querier: 10.1.0.2 is, for 22 s, and we are not; we are again in 233 s if it \
         falls silent",
        "give hall-a an address lower than 10.1.0.2, take that router away, or set `forward-when-not-querier` of hall-a",
    );
    assert_eq!(found(&reply, Topic::Leaving), [""; 0], "the querier's check says why");

    let mut configuration = bench.agent.configuration.clone();
    configuration.ports[A].forward_when_not_querier = true;
    bench.agent.configure(bench.now, configuration);
    bench.poll();
    bench.worker(WAN, PLAIN.frame());
    bench.run(Duration::from_millis(1));
    let reply = ask(&mut bench, Some("hall-a"));
    lit(&reply, "forwarded to hall-a");
    let querier = found(&reply, Topic::Querier);
    assert!(
        querier[0].starts_with("- hall-a: 10.1.0.2 is, for 22 s")
            && querier[0].ends_with("`forward-when-not-querier` forwards all the same"),
        "{querier:?}"
    );
}

#[test]
fn a_port_without_an_address_asks_from_0_0_0_0() {
    let mut plan = Plan::new();
    client_settings(&mut plan, A).address = None;
    let mut bench = joined(plan);
    let querier = found(&ask(&mut bench, Some("hall-a")), Topic::Querier);
    assert!(
        querier[0].starts_with("ok hall-a: we are, from 0.0.0.0, by which switches learn no router port"),
        "{querier:?}"
    );
}

#[test]
fn what_was_asked_for_only_now_may_still_come() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group(CHANNEL));
    let reply = explained(&mut bench, None, &[]);
    assert!(reply.verdict.ends_with("within 1.5 s; it was asked for only now"), "{reply:#?}");
}

#[test]
fn what_was_sent_upstream_and_what_is_to_be_is_told() {
    let mut bench = Bench::new(Plan::new());
    bench.join(A, group(CHANNEL));
    let upstream = found(&ask(&mut bench, None), Topic::Upstream);
    assert!(upstream[0].starts_with("ok wan: asked for 0.0 s ago, and again in "), "{upstream:?}");
    assert!(upstream[0].ends_with(" s; nobody has asked there"), "{upstream:?}");
    let foreign = emit(Outgoing::ReportV2(group(CHANNEL)), SENDER, Ipv4Addr::new(10, 0, 0, 9), 0);
    bench.receive(WAN, foreign.as_slice());
    assert_eq!(
        found(&ask(&mut bench, None), Topic::Upstream),
        ["ok wan: asked for 0.0 s ago; nobody has asked there"],
        "another host's report stands for the repeat"
    );
}

#[test]
fn ports_that_cannot_be_asked_about() {
    let mut bench = Bench::new(Plan::new());
    let mut refused = |name: &str| match bench
        .ask(Request::Explain { group: group(CHANNEL), port: Some(name.to_owned()) })
    {
        Reply::Error(error) => (error.message, error.cure),
        other => panic!("{other:?}"),
    };
    let cure = "name a client port: hall-a, hall-b".to_owned();
    assert_eq!(refused("hall-z"), ("there is no port \"hall-z\"".to_owned(), cure.clone()));
    assert_eq!(refused("wan"), ("wan is the provider's port, from which groups come".to_owned(), cure));
}
