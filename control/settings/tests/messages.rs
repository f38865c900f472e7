//! Every way in which a settings file can be wrong, with the whole message that the administrator gets.

use settings::parse;

/// Asserts every message, in the order of the text.
#[track_caller]
fn refused(text: &str, messages: &[&str]) {
    let error = parse(text, "m.toml").expect_err("refused");
    let found: Vec<String> = error.problems().iter().map(ToString::to_string).collect();
    assert_eq!(found, messages, "\n{error}");
    assert_eq!(error.to_string(), messages.join("\n"));
}

/// The same with a sound port before; the text begins in line 3.
#[track_caller]
fn refused_beside_a_port(text: &str, messages: &[&str]) {
    refused(
        &format!("port = [{{ name = \"wan\", device = \"eth0\",\n  address = \"10.0.0.1/24\" }}]\n{text}"),
        messages,
    );
}

#[track_caller]
fn warned(text: &str, messages: &[&str]) {
    let settings = parse(text, "m.toml").expect("passes");
    let found: Vec<String> = settings.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(found, messages);
}

const LIKE_A_GROUP: &str = "it takes groups with a prefix length, like \"239.255.255.250/32\"";

#[test]
fn broken_toml() {
    let cure = "mend the line; https://toml.io shows how TOML is written";
    refused("\n[proxy\n", &[&format!("m.toml:2:7: not TOML: unclosed table, expected `]`; {cure}")]);
    refused("a = = 3", &[&format!("m.toml:1:5: not TOML: extra `=`, expected nothing; {cure}")]);
}

#[test]
fn columns_count_characters() {
    let text = "[log]\n'ключ' = 1\nlevel = 1 # µ\n";
    refused_beside_a_port(
        text,
        &[
            "m.toml:4:1: unknown key `ключ` in [log]; the keys here are level",
            "m.toml:5:9: `level` is a whole number; it takes \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ],
    );
}

#[test]
fn unknown_keys_in_every_table() {
    let text = "[proxy]\nenabeld = 1\n[eal]\nhuge_pages = 1\n[worker]\ncore = 1\n[table]\nmax_groups = 1\n[socket]\n\
                paths = 1\n[paths]\nrundir = 1\n[log]\nlevle = 1\n[defaults]\nquery_interval = 1\n[loging]\n";
    refused_beside_a_port(
        text,
        &[
            "m.toml:4:1: unknown key `enabeld` in [proxy]; did you mean `enabled`?",
            "m.toml:6:1: unknown key `huge_pages` in [eal]; did you mean `hugepages`?",
            "m.toml:8:1: unknown key `core` in [worker]; did you mean `cores`?",
            "m.toml:10:1: unknown key `max_groups` in [table]; did you mean `max-groups`?",
            "m.toml:12:1: unknown key `paths` in [socket]; did you mean `path`?",
            "m.toml:14:1: unknown key `rundir` in [paths]; did you mean `run-dir`?",
            "m.toml:16:1: unknown key `levle` in [log]; did you mean `level`?",
            "m.toml:18:1: unknown key `query_interval` in [defaults]; did you mean `query-interval`?",
            "m.toml:19:2: unknown key `loging` in the file's top level; the keys here are defaults, eal, log, paths, \
             port, proxy, record, socket, table, worker",
        ],
    );
    refused(
        "[[port]]\nname = \"wan\"\ndevice = \"eth0\"\nadress = \"10.0.0.1/24\"\n",
        &["m.toml:4:1: unknown key `adress` in [[port]] \"wan\"; did you mean `address`?"],
    );
}

#[test]
fn wrong_types() {
    refused(
        "proxy = 3\nport = 4\n",
        &[
            "m.toml:1:9: `proxy` is a whole number; it takes a table; write [proxy] on a line of its own",
            "m.toml:2:8: `port` is a whole number; it takes a list of tables; write [[port]] before each, with two \
             brackets",
        ],
    );
    refused(
        "[port]\nname = \"x\"\n",
        &[
            "m.toml:1:1: `port` is a table; it takes a list of tables; write [[port]] before each, with two brackets",
        ],
    );
    refused_beside_a_port(
        "[proxy]\nenabled = \"yes\"\nlocal-groups = \"239.0.0.0/8\"\n[eal]\nhugepages = true\nargs = \"-v\"\n\
         [worker]\ncores = 2\n",
        &[
            "m.toml:4:11: `enabled` is a string; it takes true or false, without quotes",
            "m.toml:5:16: `local-groups` is a string; it takes a list like [\"239.255.255.250/32\"]",
            "m.toml:7:13: `hugepages` is true; it takes \"auto\", \"require\" or \"no\"",
            "m.toml:8:8: `args` is a string; it takes a list of strings, one argument each",
            "m.toml:10:9: `cores` is a whole number; it takes \"auto\" or a list of core numbers like [2, 3]",
        ],
    );
}

#[test]
fn ports_none_or_too_many() {
    refused(
        "",
        &[
            "m.toml: there is no port; add a [[port]] with `name` and `device` for the provider, and one for each \
           client subnet",
        ],
    );
    let ports = |n: usize| -> String {
        (0..n).map(|i| format!("[[port]]\nname = \"p{i}\"\ndevice = \"eth{i}\"\n")).collect()
    };
    assert_eq!(parse(&ports(64), "m.toml").unwrap().ports.len(), 64);
    refused(&ports(66), &["m.toml:193:1: there are 66 ports; Manifold has at most 64: remove from here on"]);
}

#[test]
fn ports_doubled_or_without_a_name_or_device() {
    refused(
        "[[port]]\nname = \"wan\"\ndevice = \"eth0\"\n[[port]]\nname = \"wan\"\ndevice = \"eth0\"\n[[port]]\n\
         name = \"hall\"\n[[port]]\ndevice = \"eth3\"\n[[port]]\nname = \"a b\"\ndevice = \"eth4\"\n",
        &[
            "m.toml:5:8: a second port is named \"wan\"; rename one; the first is at m.toml:2:8",
            "m.toml:6:10: port \"wan\" takes the interface eth0, which port \"wan\" has; give each port its own; the \
             first is at m.toml:3:10",
            "m.toml:7:1: [[port]] \"hall\" has no device; set `device` to a PCI address like \"0000:3b:00.0\", a \
             kernel Ethernet interface like \"eth1\", or a DPDK virtual device like \"net_pcap0,rx_pcap=in.pcap\"",
            "m.toml:9:1: a [[port]] has no name; set `name`, like \"wan\"",
            "m.toml:12:8: `name` is \"a b\"; use 1 to 32 letters, digits, `-`, `_` and `.`, beginning with a letter or \
             digit",
        ],
    );
}

#[test]
fn devices_that_are_one_and_the_same() {
    let two = |a: &str, b: &str| {
        format!("[[port]]\nname = \"a\"\ndevice = \"{a}\"\n[[port]]\nname = \"b\"\ndevice = \"{b}\"\n")
    };
    let message = |what: &str| {
        format!(
            "m.toml:6:10: port \"b\" takes {what}, which port \"a\" has; give each port its own; the first is at \
             m.toml:3:10"
        )
    };
    for (a, b, what) in [
        ("0000:3b:00.0", "3B:00.0", "the PCI device 0000:3b:00.0"),
        ("eth0", "net_af_packet0,iface=eth0", "the interface eth0"),
        ("net_af_xdp0,iface=eth0", "eth0", "the interface eth0"),
        ("net_null0", "net_null0,size=64", "DPDK's name net_null0"),
        ("net_pcap0,tx_pcap=o.pcap", "net_pcap1,tx_pcap=o.pcap", "the capture file o.pcap"),
    ] {
        refused(&two(a, b), &[&message(what)]);
    }
    assert!(parse(&two("net_pcap0,rx_pcap=i.pcap", "net_pcap1,rx_pcap=i.pcap"), "m.toml").is_ok());
}

#[test]
fn a_device_that_is_none() {
    refused(
        "[[port]]\nname = \"a\"\ndevice = \"net_af_packet0,iface=eth1,qdisc_bypass=0\"\n",
        &[
            "m.toml:3:10: `device`: net_af_packet with qdisc_bypass=0 is refused: its transmit blocks the worker in \
           poll() behind one slow peer, and every other port waits; leave qdisc_bypass out, or set it to 1",
        ],
    );
    refused(
        "[[port]]\nname = \"a\"\ndevice = \"br 0\"\n",
        &[
            "m.toml:3:10: `device`: \"br 0\" cannot be an interface's name: it has ' '; `ip link` lists the interfaces",
        ],
    );
}

#[test]
fn upstreams_two_or_unknown() {
    refused_beside_a_port(
        "[proxy]\nupstream = [\"wan\", \"wan2\"]\n",
        &[
            "m.toml:4:12: `upstream` is a list; name one port: a group comes from one provider only, and the other \
           ports are for clients",
        ],
    );
    refused_beside_a_port(
        "[proxy]\nupstream = \"wna\"\n",
        &["m.toml:4:12: `upstream` is \"wna\", which is no port; the ports are \"wan\""],
    );
    refused(
        "[[port]]\nname = \"wan\"\ndevice = \"eth0\"\nrole = \"upstream\"\n",
        &[
            "m.toml:4:1: `role` in [[port]] \"wan\": a port's role is not set here; set `upstream` in [proxy] to the \
           name of the provider's port; every other port is for clients",
        ],
    );
}

#[test]
fn addresses_no_host_can_have() {
    let cure = "give the port an address of its own on that link, like \"10.1.0.1/24\"";
    for (address, why) in [
        ("10.0.0.0/24", "that is the network itself, not a host in it"),
        ("10.0.0.255/24", "that is the network's broadcast address"),
        ("224.0.0.5/24", "that is a multicast group"),
        ("127.0.0.1/8", "that is a loopback address"),
        ("0.0.0.1/8", "addresses in 0.0.0.0/8 are no host's"),
        ("255.255.255.255/32", "addresses in 240.0.0.0/4 are reserved, or broadcast"),
        ("10.0.0.1/0", "a network of all addresses has no link"),
    ] {
        refused(
            &format!("[[port]]\nname = \"a\"\ndevice = \"eth0\"\naddress = \"{address}\"\n"),
            &[&format!("m.toml:4:11: `address` is {address}: {why}; {cure}")],
        );
    }
    for address in ["10.0.0.1", "10.0.0.1/33", "10.0.0/8", "::1/64", ""] {
        refused(
            &format!("[[port]]\nname = \"a\"\ndevice = \"eth0\"\naddress = \"{address}\"\n"),
            &[&format!(
                "m.toml:4:11: `address` is \"{address}\"; it takes an IPv4 address with its prefix length, like \
                 \"10.1.0.1/24\""
            )],
        );
    }
    // A link of two has no network or broadcast address (RFC 3021).
    assert!(parse("port = [{ name = \"a\", device = \"e\", address = \"10.0.0.0/31\" }]", "m.toml").is_ok());
    refused(
        "port = [{ name = \"a\", device = \"e\", querier-address = \"224.0.0.1\" }]",
        &["m.toml:1:55: `querier-address` is 224.0.0.1: that is a multicast group; give a host's address"],
    );
}

#[test]
fn durations_out_of_range_or_without_unit() {
    refused_beside_a_port(
        "[defaults]\nquery-interval = 125\nquery-response-interval = \"10\"\nlast-member-query-interval = \"0.15s\"\n\
         unsolicited-report-interval = \"30s\"\nrobustness = 1\nlast-member-query-count = 11\n",
        &[
            "m.toml:4:18: `query-interval` has no unit; write it like \"125s\", from 1s to 65535s",
            "m.toml:5:27: `query-response-interval` is \"10\": no unit; write it like \"10s\" or \"500ms\", from 0.1s to \
             25.5s",
            "m.toml:6:30: `last-member-query-interval` is 0.15s; it goes in steps of 0.1s, from 0.1s to 25.5s",
            "m.toml:7:31: `unsolicited-report-interval` is 30s; it takes 1s to 25s",
            "m.toml:8:14: `robustness` is 1; it takes a whole number from 2 to 10",
            "m.toml:9:27: `last-member-query-count` is 11; it takes a whole number from 1 to 10",
        ],
    );
    for (value, ok) in [("1s", true), ("65535s", true), ("999ms", false), ("65536s", false)] {
        let text = format!(
            "[defaults]\nquery-interval = \"{value}\"\nquery-response-interval = \"0.5s\"\n[[port]]\nname = \"a\"\n\
             device = \"e\"\n"
        );
        assert_eq!(parse(&text, "m.toml").is_ok(), ok, "{value}");
    }
    for (value, ok) in [("0.1s", true), ("25.5s", true), ("25.6s", false), ("0s", false)] {
        let text =
            format!("port = [{{ name = \"a\", device = \"e\", query-response-interval = \"{value}\" }}]");
        assert_eq!(parse(&text, "m.toml").is_ok(), ok, "{value}");
    }
}

#[test]
fn a_response_interval_above_the_query_interval() {
    let cure = "lower the first or raise the second: hosts answer within the one before the other comes";
    refused_beside_a_port(
        "[defaults]\nquery-interval = \"10s\"\n",
        &[&format!(
            "m.toml:4:18: `query-response-interval` of 10s is not less than `query-interval` of 10s; {cure}"
        )],
    );
    // The port's own value against the one of [defaults].
    refused(
        "[defaults]\nquery-interval = \"20s\"\n[[port]]\nname = \"a\"\ndevice = \"e\"\n\
         query-response-interval = \"25s\"\n",
        &[&format!(
            "m.toml:6:27: `query-response-interval` of 25s is not less than `query-interval` of 20s for port \"a\"; \
             {cure}"
        )],
    );
    let both = "[defaults]\nquery-interval = \"10s\"\n[[port]]\nname = \"a\"\ndevice = \"e\"\n\
                query-response-interval = \"1s\"\n";
    assert!(parse(both, "m.toml").is_ok(), "every port mends it for itself");
}

#[test]
fn proxy_values() {
    let mac = "give a unicast one, like \"02:00:00:00:00:01\", or leave it out for the provider port's own";
    refused_beside_a_port(
        "[proxy]\nrouter-mac = \"01:00:5e:00:00:01\"\nlocal-groups = [\"239.0.0.0/33\", \"10.0.0.0/8\",\n\
         \"239.1.2.3/16\", 5]\ninstance = \"a b\"\n",
        &[
            &format!(
                "m.toml:4:14: `router-mac` is 01:00:5e:00:00:01, a multicast address, which no station sends from; {mac}"
            ),
            &format!("m.toml:5:17: `local-groups[0]` is \"239.0.0.0/33\"; {LIKE_A_GROUP}"),
            "m.toml:5:33: `local-groups[1]` is 10.0.0.0/8; groups are in 224.0.0.0/4",
            "m.toml:6:1: `local-groups[2]` is 239.1.2.3/16, with bits set after the prefix; write 239.1.0.0/16 or \
             239.1.2.3/32",
            &format!("m.toml:6:17: `local-groups[3]` is a whole number; {LIKE_A_GROUP}"),
            "m.toml:7:12: `instance` is \"a b\"; use 1 to 24 letters, digits and `-`",
        ],
    );
    refused_beside_a_port(
        "[proxy]\nrouter-mac = \"00:00:00:00:00:00\"\n",
        &[&format!("m.toml:4:14: `router-mac` is 00:00:00:00:00:00, no station's address; {mac}")],
    );
    refused_beside_a_port(
        "[proxy]\nrouter-mac = \"02-00-00-00-00-01\"\n",
        &[
            "m.toml:4:14: `router-mac` is \"02-00-00-00-00-01\"; it takes a MAC address, like \"02:00:00:00:00:01\"",
        ],
    );
}

#[test]
fn r55_static_groups() {
    let text =
        |groups: &str| format!("port = [{{ name = \"a\", device = \"e\", static-groups = {groups} }}]");
    let settings = parse(&text("[\"239.2.2.2\", \"232.1.1.1\"]"), "m.toml").unwrap();
    let groups: Vec<_> = settings.ports[0].static_groups.iter().map(ToString::to_string).collect();
    assert_eq!(groups, ["239.2.2.2", "232.1.1.1"]);
    refused(
        &text("[\"10.0.0.1\", \"224.0.0.251\", \"239.2.2.2\", \"239.2.2.2\", 7]"),
        &[
            "m.toml:1:54: `static-groups[0]` is \"10.0.0.1\"; it takes a group in 224.0.0.0/4",
            "m.toml:1:66: `static-groups[1]` names 224.0.0.251, of 224.0.0.0/24, which no router forwards; leave it out",
            "m.toml:1:94: `static-groups[3]` names 239.2.2.2 twice; leave one of them out",
            "m.toml:1:107: `static-groups[4]` is a whole number; it takes a group in 224.0.0.0/4",
        ],
    );
}

#[test]
fn numbers_and_words_out_of_range() {
    refused(
        "[worker]\ncores = [1, 1, 2048]\npoll = \"lazy\"\n[socket]\npath = \"manifold.sock\"\n\
         group = \"\"\n[log]\nlevel = \"verbose\"\n[table]\nmax-groups = -1\n[eal]\nmax-ports = 1\n[[port]]\n\
         name = \"a\"\ndevice = \"e0\"\nmtu = 100000\nrx-descriptors = 100\nsources = \"sometimes\"\n[[port]]\n\
         name = \"b\"\ndevice = \"e1\"\n",
        &[
            "m.toml:2:13: `cores[1]` names core 1 again; give each worker a core of its own",
            "m.toml:2:16: `cores[2]` is 2048; it takes a whole number from 0 to 1023",
            "m.toml:3:8: `poll` is \"lazy\"; it takes \"adaptive\" or \"busy\"",
            "m.toml:5:8: `path` is \"manifold.sock\"; it takes an absolute path, like \
             \"/run/manifold/manifold.sock\"",
            "m.toml:6:9: `group` is \"\"; it takes a group of users that `getent group` lists",
            "m.toml:8:9: `level` is \"verbose\"; it takes \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
            "m.toml:10:14: `max-groups` is -1; it takes a whole number from 1 to 1048576 groups",
            "m.toml:12:13: `max-ports` is 1, for 2 ports; set 2 or more, or leave it out, and restart Manifold if it runs",
            "m.toml:16:7: `mtu` is 100000; it takes a whole number from 576 to 9600 bytes",
            "m.toml:17:18: `rx-descriptors` is 100; it takes a multiple of 32, as most NICs do",
            "m.toml:18:11: `sources` is \"sometimes\"; it takes true, false or \"querier\"",
        ],
    );
    let long = "/".repeat(108);
    refused_beside_a_port(
        &format!("[socket]\npath = \"{long}\"\n"),
        &["m.toml:4:8: `path` is too long; a unix socket's path has at most 107 bytes"],
    );
}

#[test]
fn eal_arguments_that_manifold_sets_itself() {
    let devices = "which devices DPDK sees follows from the ports; add a [[port]] with that `device`";
    refused_beside_a_port(
        "[eal]\nargs = [\"--vdev=net_null0\",\n\"-a\",\n\"-a0000:00:01.0\",\n\"--file-prefix\",\n\"--no-huge\",\n\"--\",\n\
         5,\n\"--proc-typ=secondary\",\n\"-c3\",\n\"-h\",\n\"-m\", \"64\", \"-l0\", \"--log-level=*:8\", \"-v\", \"--no-hpet\"]\n",
        &[
            &format!("m.toml:4:9: DPDK's argument `--vdev=net_null0` is refused: {devices}"),
            &format!("m.toml:5:1: DPDK's argument `-a` is refused: {devices}"),
            &format!("m.toml:6:1: DPDK's argument `-a0000:00:01.0` is refused: {devices}"),
            "m.toml:7:1: DPDK's argument `--file-prefix` is refused: the file prefix follows from the instance; set \
             `instance` in [proxy]",
            "m.toml:8:1: DPDK's argument `--no-huge` is refused: the kind of memory is a setting; set `hugepages` in \
             [eal] to \"auto\", \"require\" or \"no\"",
            "m.toml:9:1: `--` is no argument for DPDK; leave it out",
            "m.toml:10:1: `args[6]` is a whole number; it takes one argument in quotes",
            "m.toml:11:1: DPDK's argument `--proc-typ=secondary` is refused: Manifold is DPDK's primary process; leave \
             it out",
            "m.toml:12:1: DPDK's argument `-c3` is refused: Manifold says which cores DPDK uses, as a list; set `cores` \
             and `control-core` in [worker], or give -l",
            "m.toml:13:1: DPDK's argument `-h` is refused: DPDK would print its help and exit; see \
             https://doc.dpdk.org/guides/linux_gsg/linux_eal_parameters.html",
        ],
    );
}

#[test]
fn r19_a_client_port_without_an_address_is_warned_about() {
    let ports = "[proxy]\nupstream = \"wan\"\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\n[[port]]\nname = \"hall\"\n\
                 device = \"e1\"\n";
    warned(
        ports,
        &[
            "m.toml:6:1: client port \"hall\" has no address; set `address` or `querier-address`: its queries go out from \
           0.0.0.0, by which switches learn no router port, and against which any other querier wins",
        ],
    );
    warned(&format!("{ports}querier-address = \"10.1.0.1\"\n"), &[]);
}

#[test]
fn r103_a_query_interval_above_250_s_is_warned_about() {
    let text = |interval: &str| {
        format!(
            "[proxy]\nupstream = \"wan\"\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\n[[port]]\nname = \"a\"\n\
             device = \"e1\"\naddress = \"10.1.0.1/24\"\nquery-interval = \"{interval}\"\n"
        )
    };
    warned(&text("250s"), &[]);
    warned(
        &text("251s"),
        &[
            "m.toml:10:18: `query-interval` of 251s is above 250s for port \"a\"; hosts that hear no query for 260s go \
           over to IGMPv3 for good; set 250s or less",
        ],
    );
}

#[test]
fn r72_a_table_below_1000_groups_is_warned_about() {
    let text = |n: u32| {
        format!(
            "[proxy]\nupstream = \"a\"\n[table]\nmax-groups = {n}\n[[port]]\nname = \"a\"\ndevice = \"e\"\n"
        )
    };
    warned(&text(1000), &[]);
    warned(
        &text(999),
        &[
            "m.toml:4:14: `max-groups` is 999; set 1000 or more for a whole headend; what comes after the last is refused",
        ],
    );
}

#[test]
fn no_upstream_and_overlapping_subnets_are_warned_about() {
    let text = |a: &str, b: &str| {
        format!(
            "[[port]]\nname = \"a\"\ndevice = \"e0\"\naddress = \"{a}\"\n[[port]]\nname = \"b\"\ndevice = \"e1\"\n\
             address = \"{b}\"\n"
        )
    };
    let no_upstream = "m.toml: no port is set as the provider's; nothing is forwarded until `upstream` in [proxy] names \
                       one of \"a\", \"b\"";
    warned(&text("10.0.0.1/24", "10.0.1.1/24"), &[no_upstream]);
    warned(
        &text("10.0.0.1/16", "10.0.1.1/24"),
        &[
            no_upstream,
            "m.toml:8:11: ports \"a\" and \"b\" are on overlapping subnets, 10.0.0.1/16 and 10.0.1.1/24; each link needs \
             its own, or hosts and queriers are taken for the other port's",
        ],
    );
    refused(
        &text("10.0.0.1/24", "10.0.0.1/24"),
        &["m.toml:8:11: ports \"a\" and \"b\" have one address; give each port an address of its own subnet"],
    );
}
