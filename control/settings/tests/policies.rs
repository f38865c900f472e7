//! Policies of ports: what they take, what is refused or doubted beside each other, with the whole message.

use std::time::Duration;

use settings::{FastLeave, IgmpVersion, LeavePolicy, Settings, SourceMac, Sources, parse};

/// A provider's port "wan" with `wan` in line 6 and on, and client port "hall" with `hall` after it, in line 10 where
/// `wan` is one line.
fn text(proxy: &str, wan: &str, hall: &str) -> String {
    format!(
        "[proxy]\nupstream = \"wan\"\n{proxy}\n[[port]]\nname = \"wan\"\n{wan}\ndevice = \"3b:00.0\"\n\
         [[port]]\nname = \"hall\"\n{hall}\ndevice = \"3b:00.1\"\naddress = \"10.1.0.1/24\"\n"
    )
}

#[track_caller]
fn refused(text: &str, messages: &[&str]) {
    assert_eq!(parse(text, "m.toml").expect_err("refused").to_string(), messages.join("\n"));
}

#[track_caller]
fn warned(text: &str, messages: &[&str]) -> Settings {
    let settings = parse(text, "m.toml").expect("passes");
    let found: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found, messages);
    settings
}

#[track_caller]
fn hall(keys: &str) -> settings::PortSettings {
    warned(&text("", "", keys), &[]).port("hall").unwrap().1.clone()
}

#[test]
fn a_port_sends_from_the_routers_mac_or_its_own() {
    assert_eq!(hall("").mac, None, "as its device needs");
    assert_eq!(hall("mac = \"router\"").mac, Some(SourceMac::Router));
    assert_eq!(hall("mac = \"port\"").mac, Some(SourceMac::Port));
    let all = warned(
        "[proxy]\nupstream = \"wan\"\n[defaults]\nmac = \"port\"\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\n",
        &[],
    );
    assert_eq!(all.ports[0].mac, Some(SourceMac::Port), "either role has one");
    refused(
        &text("", "", "mac = \"02:00:00:00:00:01\""),
        &["m.toml:10:7: `mac` is \"02:00:00:00:00:01\"; it takes \"router\" or \"port\""],
    );
}

#[test]
fn r29_r49_r54_each_policy_has_its_default_and_takes_its_values() {
    let plain = hall("");
    assert_eq!((plain.igmp_version, plain.ignore_v1), (IgmpVersion::V2, false));
    assert_eq!((plain.fast_leave, plain.report_isolated), (FastLeave::Off, false));
    assert!(plain.access.rules().is_empty() && plain.sources_allowed.is_empty());
    assert_eq!((plain.max_groups, plain.link_down_hold, plain.re_report_interval), (None, None, None));
    assert_eq!(
        (plain.sources, plain.forward_when_not_querier, plain.router_discovery),
        (Sources::No, false, false)
    );
    assert_eq!((plain.suppress, plain.leave), (true, LeavePolicy::Always));

    assert_eq!(hall("igmp-version = 1").igmp_version, IgmpVersion::V1);
    assert_eq!(hall("igmp-version = 2").igmp_version, IgmpVersion::V2);
    assert!(hall("ignore-v1 = true").ignore_v1);
    assert_eq!(hall("fast-leave = \"single\"").fast_leave, FastLeave::Single);
    let tracked = hall("fast-leave = \"tracked\"\nreport-isolated = true");
    assert_eq!((tracked.fast_leave, tracked.report_isolated), (FastLeave::Tracked, true));
    let access = hall("access = [\"allow 239.9.1.0/24\", \"deny 239.0.0.0/8\"]").access;
    assert!(access.allows("239.9.1.1".parse().unwrap()) && !access.allows("239.9.2.1".parse().unwrap()));
    assert_eq!(hall("max-groups = 1").max_groups, Some(1));
    assert!(hall("forward-when-not-querier = true").forward_when_not_querier);
    assert!(hall("router-discovery = true").router_discovery);
    for (text, seconds) in [("0s", 0), ("65535s", 65_535), ("1h", 3600)] {
        let hold = hall(&format!("link-down-hold = \"{text}\"")).link_down_hold;
        assert_eq!(hold, Some(Duration::from_secs(seconds)));
    }
}

#[test]
fn r73_r85_policies_towards_the_provider() {
    let wan = |keys: &str| warned(&text("", keys, ""), &[]).port("wan").unwrap().1.clone();
    let nets = wan("sources-allowed = [\"10.20.0.0/16\", \"192.0.2.7/32\"]").sources_allowed;
    assert_eq!(nets.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.20.0.0/16", "192.0.2.7/32"]);
    assert_eq!(wan("re-report-interval = \"60s\"").re_report_interval, Some(Duration::from_secs(60)));
    assert!(!wan("suppress = false").suppress);
    assert_eq!(wan("leave = \"last-reporter\"").leave, LeavePolicy::LastReporter);
    // A port can do without what [defaults] sets.
    let text = "[proxy]\nupstream = \"wan\"\n[defaults]\nre-report-interval = \"60s\"\n\
                [[port]]\nname = \"wan\"\ndevice = \"e0\"\nre-report-interval = false\n";
    assert_eq!(warned(text, &[]).ports[0].re_report_interval, None);
}

#[test]
fn policies_of_defaults_hold_for_every_port_that_says_nothing() {
    let text = "[proxy]\nupstream = \"wan\"\n[defaults]\nfast-leave = \"single\"\naccess = [\"deny 239.9.0.0/16\"]\n\
                leave = \"last-reporter\"\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\n\
                [[port]]\nname = \"a\"\ndevice = \"e1\"\naddress = \"10.1.0.1/24\"\n\
                [[port]]\nname = \"b\"\ndevice = \"e2\"\naddress = \"10.2.0.1/24\"\nfast-leave = \"off\"\naccess = []\n";
    let settings = warned(text, &[]);
    let [wan, a, b] = &settings.ports[..] else { panic!() };
    assert_eq!(wan.leave, LeavePolicy::LastReporter);
    assert_eq!((a.fast_leave, a.access.rules().len()), (FastLeave::Single, 1));
    assert_eq!((b.fast_leave, b.access.rules().len()), (FastLeave::Off, 0));
}

#[test]
fn values_that_are_none() {
    let access = "it takes \"allow\" or \"deny\" and groups with a prefix length, like \"deny 239.9.0.0/16\"";
    for (key, message) in [
        (
            "igmp-version = 3",
            "10:16: `igmp-version` is 3; it takes a whole number from 1 to 2 (what hosts report in version 3 is \
             understood by either)",
        ),
        ("ignore-v1 = 1", "10:13: `ignore-v1` is a whole number; it takes true or false, without quotes"),
        (
            "fast-leave = \"fast\"",
            "10:14: `fast-leave` is \"fast\"; it takes \"off\", \"single\" or \"tracked\"",
        ),
        ("fast-leave = true", "10:14: `fast-leave` is true; it takes \"off\", \"single\" or \"tracked\""),
        ("leave = \"never\"", "10:9: `leave` is \"never\"; it takes \"always\" or \"last-reporter\""),
        ("max-groups = 0", "10:14: `max-groups` is 0; it takes a whole number from 1 to 1048576 groups"),
        (
            "link-down-hold = 5",
            "10:18: `link-down-hold` has no unit; write it like \"5s\", from 0s to 65535s",
        ),
        ("re-report-interval = \"500ms\"", "10:22: `re-report-interval` is 500ms; it takes 1s to 65535s"),
        (
            "re-report-interval = true",
            "10:22: `re-report-interval` is true; it takes a duration with its unit like \"10s\", from 1s to \
             65535s",
        ),
        (
            "access = \"deny all\"",
            "10:10: `access` is a string; it takes a list of rules, like [\"deny 239.9.0.0/16\", \"allow 239.0.0.0/8\"]",
        ),
        (
            "access = [\"refuse 239.0.0.0/8\"]",
            &format!("10:11: `access[0]` is \"refuse 239.0.0.0/8\"; {access}"),
        ),
        ("access = [\"deny 239.0.0.1\"]", &format!("10:11: `access[0]` is \"deny 239.0.0.1\"; {access}")),
        ("access = [\"deny 10.0.0.0/8\"]", "10:11: `access[0]` is 10.0.0.0/8; groups are in 224.0.0.0/4"),
        (
            "access = [\"deny 239.0.0.1/8\"]",
            "10:11: `access[0]` is 239.0.0.1/8, with bits set after the prefix; write 239.0.0.0/8 or 239.0.0.1/32",
        ),
        (
            "sources-allowed = [\"239.0.0.0/8\"]",
            "10:20: `sources-allowed[0]` is 239.0.0.0/8, of groups; name the networks that streams come from",
        ),
        (
            "sources-allowed = [\"10.0.0.1/8\"]",
            "10:20: `sources-allowed[0]` is 10.0.0.1/8, with bits set after the prefix; write 10.0.0.0/8 or 10.0.0.1/32",
        ),
        (
            "sources-allowed = [\"10.0.0.1\"]",
            "10:20: `sources-allowed[0]` is \"10.0.0.1\"; it takes an IPv4 network with its prefix length, like \
             \"10.20.0.0/16\" or \"10.20.0.7/32\"",
        ),
    ] {
        refused(&text("", "", key), &[&format!("m.toml:{message}")]);
    }
    refused(
        &text("ssm-range = [\"10.0.0.0/8\"]", "", ""),
        &["m.toml:3:14: `ssm-range[0]` is 10.0.0.0/8; groups are in 224.0.0.0/4"],
    );
    refused(
        "[record]\npath = \"here\"\nport = 1\n[[port]]\nname = \"a\"\ndevice = \"e\"\n",
        &[
            "m.toml:2:8: `path` is \"here\"; it takes an absolute path, like \"/var/lib/manifold/record\"",
            "m.toml:3:1: unknown key `port` in [record]; the keys here are path",
        ],
    );
}

#[test]
fn lists_that_each_frame_looks_through_are_short() {
    let many = |n: usize, item: &dyn Fn(usize) -> String| (0..n).map(item).collect::<Vec<_>>().join(", ");
    let group = |i: usize| format!("\"239.1.{}.{}\"", i / 256, i % 256);
    let net = |i: usize| format!("\"239.1.{i}.0/24\"");
    let source = |i: usize| format!("\"10.1.{i}.0/24\"");
    let rule = |i: usize| format!("\"deny 239.1.{}.{}/32\"", i / 256, i % 256);
    let list = |key: &str, n, item: &dyn Fn(usize) -> String| format!("{key} = [{}]", many(n, item));
    for (key, most, item) in [
        ("static-groups", 4096, &group as &dyn Fn(usize) -> String),
        ("access", 1024, &rule),
        ("sources-allowed", 64, &source),
    ] {
        assert!(parse(&text("", "", &list(key, most, item)), "m.toml").is_ok(), "{key}");
        let column = key.len() + 4;
        let entries = most + 1;
        refused(
            &text("", "", &list(key, entries, item)),
            &[&format!("m.toml:10:{column}: `{key}` has {entries} entries; it takes at most {most}")],
        );
    }
    for key in ["local-groups", "ssm-range"] {
        assert!(parse(&text(&list(key, 64, &net), "", ""), "m.toml").is_ok(), "{key}");
        let error = parse(&text(&list(key, 65, &net), "", ""), "m.toml").unwrap_err().to_string();
        assert!(error.ends_with(&format!("`{key}` has 65 entries; it takes at most 64")), "{error}");
    }
}

#[test]
fn r54_rules_that_do_nothing_are_warned_about() {
    warned(
        &text("", "", "access = [\"allow 239.0.0.0/8\", \"allow 239.9.0.0/16\"]"),
        &[
            "m.toml:10:10: `access` denies nothing: a group that no rule names is allowed; add \"deny 224.0.0.0/4\" at its \
         end, or leave the list out",
            "m.toml:10:32: `access[1]` never decides: \"allow 239.0.0.0/8\" before it names all of its groups; put it first, \
         or leave it out",
        ],
    );
    warned(&text("", "", "access = [\"deny 239.9.0.0/16\", \"allow 239.0.0.0/8\"]"), &[]);
    warned(&text("", "", "access = [\"allow 239.9.0.0/16\", \"deny 224.0.0.0/4\"]"), &[]);
}

#[test]
fn r54_r55_static_groups_that_something_else_keeps_away_are_refused() {
    refused(
        &text(
            "local-groups = [\"239.255.0.0/16\"]\nssm-range = [\"232.0.0.0/8\"]",
            "",
            "static-groups = [\"239.255.1.1\", \"232.1.1.1\", \"239.9.1.1\", \"239.2.2.2\"]\n\
             access = [\"deny 239.9.0.0/16\"]",
        ),
        &[
            "m.toml:11:18: `static-groups` of port \"hall\" names 239.255.1.1, which `local-groups` keeps on its link, by \
             239.255.0.0/16; leave it out, or take that range out of `local-groups` in [proxy]",
            "m.toml:11:33: `static-groups` of port \"hall\" names 232.1.1.1, which is had from named sources alone, by \
             232.0.0.0/8 of `ssm-range`; leave it out, or take that range out of `ssm-range` in [proxy]",
            "m.toml:11:46: `static-groups` of port \"hall\" names 239.9.1.1, which `access` of port \"hall\" refuses, by \
             \"deny 239.9.0.0/16\"; leave it out, or allow it by a rule before that one",
        ],
    );
    // The default of `local-groups` counts, too.
    refused(
        &text("", "", "static-groups = [\"239.255.255.250\"]"),
        &[
            "m.toml:10:18: `static-groups` of port \"hall\" names 239.255.255.250, which `local-groups` keeps on its link, by \
         239.255.255.250/32; leave it out, or take that range out of `local-groups` in [proxy]",
        ],
    );
}

#[test]
fn keys_for_the_other_role_are_warned_about_on_the_port_itself() {
    let cure = "leave it out, unless the port is to change its role";
    warned(
        &text("", "fast-leave = \"single\"\nquerier-address = \"10.0.0.9\"", "leave = \"always\""),
        &[
            &format!(
                "m.toml:6:14: `fast-leave` is for ports for clients, and port \"wan\" is the provider's; {cure}"
            ),
            &format!(
                "m.toml:7:19: `querier-address` is for ports for clients, and port \"wan\" is the provider's; {cure}"
            ),
            &format!(
                "m.toml:11:9: `leave` is for the provider's port, and port \"hall\" is one for clients; {cure}"
            ),
        ],
    );
    warned(&text("[defaults]\nleave = \"always\"\nfast-leave = \"single\"", "", ""), &[]);
}

#[test]
fn a_ring_of_af_packet_has_its_own_size_and_only_a_bare_interface_leaves_its_driver_open() {
    let port = |device: &str, more: &str| {
        format!("[proxy]\nupstream = \"a\"\n[[port]]\nname = \"a\"\ndevice = \"{device}\"\n{more}\n")
    };
    let ring = |device: &str, more: &str| port(device, &format!("rx-descriptors = 256\n{more}"));
    let message = "m.toml:6:18: `rx-descriptors` means nothing to port \"a\"; leave it out: af_packet's ring has 512 frames";
    warned(&ring("eth0", "driver = \"af_packet\""), &[message]);
    warned(&ring("net_af_packet0,iface=eth0", ""), &[message]);
    warned(&ring("eth0", ""), &[]);
    warned(&ring("3b:00.0", ""), &[]);
    warned(&ring("net_null0", ""), &[]);

    let cure = "leave it out: it is for kernel interfaces that `device` names bare";
    let message = format!("m.toml:6:10: `driver` means nothing to port \"a\"; {cure}");
    warned(&port("3b:00.0", "driver = \"auto\""), &[&message]);
    warned(&port("net_af_xdp0,iface=eth0", "driver = \"af_packet\""), &[&message]);
    warned(&port("eth0", "driver = \"af_xdp\""), &[]);
}

#[test]
fn r29_version_1_beside_what_it_does_not_have() {
    warned(
        &text(
            "",
            "",
            "igmp-version = 1\nfast-leave = \"single\"\nquery-interval = \"10s\"\n\
                          query-response-interval = \"1s\"",
        ),
        &[
            "m.toml:10:16: `igmp-version` of port \"hall\" is 1, and `query-interval` is 10s; set it above 10s: that is what \
         hosts take to answer a query of version 1",
            "m.toml:11:14: `fast-leave` of port \"hall\" does nothing where `igmp-version` is 1; leave one of the two out: \
         version 1 has no Leave",
        ],
    );
    refused(
        &text("", "", "igmp-version = 1\nignore-v1 = true"),
        &[
            "m.toml:11:13: `ignore-v1` of port \"hall\" leaves no member where `igmp-version` is 1; leave one of the two out: \
         hosts that are asked in version 1 answer in it",
        ],
    );
}

#[test]
fn a_doubt_about_defaults_is_told_once() {
    let ports: String = (1..4)
        .map(|i| format!("[[port]]\nname = \"p{i}\"\ndevice = \"e{i}\"\naddress = \"10.{i}.0.1/24\"\n"))
        .collect();
    let text = format!(
        "[proxy]\nupstream = \"wan\"\n[defaults]\nreport-isolated = true\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\n{ports}"
    );
    warned(
        &text,
        &[
            "m.toml:4:19: `report-isolated` means nothing by itself; set `fast-leave` to \"tracked\", or leave it out",
        ],
    );
    // Where each port does without it, there is no doubt.
    warned(&text.replace("/24\"\n", "/24\"\nfast-leave = \"tracked\"\n"), &[]);
}

#[test]
fn doubts_about_addresses_and_limits() {
    let text = text(
        "[table]\nmax-groups = 2000",
        "",
        "require-on-link-source = true\nrouter-discovery = true\n\
                     max-groups = 2001",
    )
    .replace("address = \"10.1.0.1/24\"\n", "");
    let settings = parse(&text, "m.toml").unwrap();
    let found: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        found[1..],
        [
            "m.toml:11:26: `require-on-link-source` means nothing to port \"hall\", which has no address; set `address`, \
         whose network is the link's",
            "m.toml:12:20: `router-discovery` means nothing to port \"hall\", which has no address; set `address`: switches \
         take no advertisement from 0.0.0.0",
            "m.toml:13:14: `max-groups` of port \"hall\" is 2001, and `max-groups` in [table] is 2000; lower the first or \
         raise the second: the table ends first",
        ]
    );
    assert!(found[0].contains("has no address; set `address` or `querier-address`"));
}

#[test]
fn r72_reports_anew_faster_than_they_are_spread_are_warned_about() {
    warned(
        &text("", "re-report-interval = \"9s\"", ""),
        &[
            "m.toml:6:22: `re-report-interval` of port \"wan\" of 9s is less than `unsolicited-report-interval` of 10s; raise \
         the first or lower the second: reports are spread over the second, and many groups would make a flood",
        ],
    );
    warned(&text("", "re-report-interval = \"10s\"", ""), &[]);
    warned(&text("", "re-report-interval = \"9s\"\nunsolicited-report-interval = \"9s\"", ""), &[]);
}

#[test]
fn r72_more_groups_than_the_reports_pace_holds_are_warned_about() {
    let of = |table: &str, wan: &str| format!("{}\n[table]\nmax-groups = {table}\n", text("", wan, ""));
    let rate =
        "above 15000 some may be lost: raise `unsolicited-report-interval`, or lower `max-groups` in [table]";
    warned(
        &of("75001", "unsolicited-report-interval = \"10s\""),
        &[&format!(
            "m.toml:6:31: 75001 groups reported anew within 10s are up to 15001 reports a second of port \"wan\"; {rate}"
        )],
    );
    warned(&of("75000", ""), &[]);
    warned(&text("", "unsolicited-report-interval = \"10s\"", ""), &[]);
    warned(
        &text("", "unsolicited-report-interval = \"1s\"", ""),
        &[&format!(
            "m.toml:6:31: 65536 groups reported anew within 1s are up to 131072 reports a second of port \"wan\"; {rate}"
        )],
    );
}
