//! What a reload changes, and the words for it.

use settings::{Difference, PortChange, Settings, difference, parse};

fn settings(text: &str) -> Settings {
    parse(text, "m.toml").unwrap()
}

const OLD: &str = "[proxy]\nupstream = \"wan\"\n[[port]]\nname = \"wan\"\ndevice = \"e0\"\naddress = \"10.0.0.2/24\"\n\
    [[port]]\nname = \"a\"\ndevice = \"e1\"\naddress = \"10.1.0.1/24\"\n\
    [[port]]\nname = \"b\"\ndevice = \"e2\"\naddress = \"10.2.0.1/24\"\n";
const B: &str = "[[port]]\nname = \"b\"\ndevice = \"e2\"\naddress = \"10.2.0.1/24\"\n";

/// The difference after replacing `from` by `to`.
fn after(from: &str, to: &str) -> Difference {
    assert!(OLD.contains(from), "{from}");
    difference(&settings(OLD), &settings(&OLD.replace(from, to)))
}

#[test]
fn equal_settings_do_not_differ() {
    assert!(difference(&settings(OLD), &settings(OLD)).is_empty());
    let same = after("[proxy]", "# a comment\n[proxy]\nenabled = true");
    assert!(same.is_empty());
    assert!(same.lines().is_empty());
    // A default that is written down is no change.
    assert!(after(B, &format!("{B}fast-leave = \"off\"\nsuppress = true\naccess = []\n")).is_empty());
}

#[test]
fn ports_come_and_go() {
    assert_eq!(after(B, ""), Difference { removed: vec!["b".to_owned()], ..Difference::default() });
    let c = format!("{B}{}", B.replace("\"b\"", "\"c\"").replace("e2", "e3").replace("10.2", "10.3"));
    assert_eq!(after(B, &c), Difference { added: vec!["c".to_owned()], ..Difference::default() });
    let renamed = after("\"b\"", "\"c\"");
    assert_eq!((&renamed.removed[..], &renamed.added[..]), (&["b".to_owned()][..], &["c".to_owned()][..]));
    assert_eq!(renamed.lines(), ["port \"b\" goes", "port \"c\" comes"]);
}

/// What of port b changed: device, address, timers, policy.
type Flags = [bool; 4];
const DEVICE: Flags = [true, false, false, false];
const ADDRESS: Flags = [false, true, false, false];
const TIMERS: Flags = [false, false, true, false];
const POLICY: Flags = [false, false, false, true];

/// Every key of a port with a value other than its default, what its change is, and the line for it.
const CHANGES: &[(&str, Flags, &str)] = &[
    ("querier-address = \"10.2.0.1\"", ADDRESS, "querier-address is \"10.2.0.1\", was not set"),
    ("robustness = 3", TIMERS, "robustness is 3, was 2"),
    ("query-interval = \"2min\"", TIMERS, "query-interval is \"120s\", was \"125s\""),
    ("query-response-interval = \"500ms\"", TIMERS, "query-response-interval is \"0.5s\", was \"10s\""),
    ("last-member-query-interval = \"2s\"", TIMERS, "last-member-query-interval is \"2s\", was \"1s\""),
    ("last-member-query-count = 1", TIMERS, "last-member-query-count is 1, was not set"),
    ("unsolicited-report-interval = \"1s\"", TIMERS, "unsolicited-report-interval is \"1s\", was \"10s\""),
    ("igmp-version = 1", POLICY, "igmp-version is 1, was 2"),
    ("ignore-v1 = true", POLICY, "ignore-v1 is true, was false"),
    ("fast-leave = \"tracked\"", POLICY, "fast-leave is \"tracked\", was \"off\""),
    ("report-isolated = true", POLICY, "report-isolated is true, was false"),
    (
        "access = [\"allow 239.9.1.0/24\", \"deny 239.0.0.0/8\"]",
        POLICY,
        "access is [\"allow 239.9.1.0/24\", \"deny 239.0.0.0/8\"], was []",
    ),
    ("max-groups = 50", POLICY, "max-groups is 50, was not set"),
    ("static-groups = [\"239.2.2.2\"]", POLICY, "static-groups is [\"239.2.2.2\"], was []"),
    ("sources = \"querier\"", POLICY, "sources is \"querier\", was false"),
    ("sources = true", POLICY, "sources is true, was false"),
    ("sources-allowed = [\"10.0.0.0/8\"]", POLICY, "sources-allowed is [\"10.0.0.0/8\"], was []"),
    ("forward-when-not-querier = true", POLICY, "forward-when-not-querier is true, was false"),
    ("require-router-alert = true", POLICY, "require-router-alert is true, was false"),
    ("any-ttl = true", POLICY, "any-ttl is true, was false"),
    ("require-on-link-source = true", POLICY, "require-on-link-source is true, was false"),
    ("re-report-interval = \"90s\"", POLICY, "re-report-interval is \"90s\", was false"),
    ("suppress = false", POLICY, "suppress is false, was true"),
    ("leave = \"last-reporter\"", POLICY, "leave is \"last-reporter\", was \"always\""),
    ("link-down-hold = \"0s\"", POLICY, "link-down-hold is \"0s\", was not set"),
    ("router-discovery = true", POLICY, "router-discovery is true, was false"),
    ("mac = \"port\"", POLICY, "mac is \"port\", was not set"),
    ("driver = \"af_xdp\"", DEVICE, "driver is \"af_xdp\", was \"auto\""),
    ("mtu = 1400", DEVICE, "mtu is 1400, was not set"),
    ("rx-descriptors = 512", DEVICE, "rx-descriptors is 512, was 1024"),
    ("tx-descriptors = 512", DEVICE, "tx-descriptors is 512, was 1024"),
];

#[test]
fn every_key_of_a_port_is_told_of_and_is_what_its_reload_must_do() {
    for (key, flags, line) in CHANGES {
        let difference = after(B, &format!("{B}{key}\n"));
        let [PortChange { name, device, address, timers, policy, keys }] = &difference.changed[..] else {
            panic!("{key}: {difference:?}")
        };
        assert_eq!((name.as_str(), keys.len()), ("b", 1), "{key}");
        assert_eq!([*device, *address, *timers, *policy], *flags, "{key}");
        assert_eq!(difference.lines(), [format!("port \"b\": {line}")]);
    }
    assert_eq!(after("e2", "e9").lines(), ["port \"b\": device is \"e9\", was \"e2\""]);
    let moved = after("10.2.0.1/24", "10.2.0.9/24");
    assert_eq!(moved.lines(), ["port \"b\": address is \"10.2.0.9/24\", was \"10.2.0.1/24\""]);
    assert!(moved.changed[0].address && !moved.changed[0].policy);
}

#[test]
fn no_key_of_a_port_is_missing_above() {
    let error =
        parse("[[port]]\nname = \"a\"\ndevice = \"e\"\nxxxxxxxxxxxxxxxx = 1\n", "f").unwrap_err().to_string();
    for key in error.split("the keys here are ").nth(1).unwrap().split(", ") {
        let elsewhere = ["name", "device", "address"].contains(&key);
        assert!(
            elsewhere || CHANGES.iter().any(|(line, ..)| line.starts_with(&format!("{key} = "))),
            "{key}"
        );
    }
}

#[test]
fn moving_a_port_in_the_file_is_no_change() {
    let ports: Vec<_> = OLD.split_inclusive("/24\"\n").collect();
    let (head, wan) = ports[0].split_at(ports[0].find("[[port]]").unwrap());
    let moved = settings(&[head, ports[2], ports[1], wan].concat());
    assert_eq!(moved.upstream_port().unwrap().name, "wan");
    assert!(difference(&settings(OLD), &moved).is_empty());
}

#[test]
fn the_proxy_changes() {
    let flags = |d: &Difference| [d.enabled, d.upstream, d.local_groups, d.ssm_range, d.log];
    for (from, to, which, line) in [
        ("[proxy]\n", "[proxy]\nenabled = false\n", 0, "[proxy] enabled is false, was true"),
        ("\"wan\"\n[[", "\"a\"\n[[", 1, "[proxy] upstream is \"a\", was \"wan\""),
        (
            "[proxy]\n",
            "[proxy]\nlocal-groups = []\n",
            2,
            "[proxy] local-groups is [], was [\"239.255.255.250/32\", \"239.255.255.253/32\"]",
        ),
        (
            "[proxy]\n",
            "[proxy]\nssm-range = [\"232.0.0.0/8\"]\n",
            3,
            "[proxy] ssm-range is [\"232.0.0.0/8\"], was []",
        ),
        ("[proxy]", "[log]\nlevel = \"debug\"\n[proxy]", 4, "[log] level is \"debug\", was \"info\""),
    ] {
        let difference = after(from, to);
        let mut expected = [false; 5];
        expected[which] = true;
        assert_eq!(flags(&difference), expected, "{to}");
        assert_eq!(difference.lines(), [line]);
        assert!(difference.restart.is_empty() && difference.changed.is_empty());
    }
    let none = after("upstream = \"wan\"\n", "");
    assert_eq!(none.lines(), ["[proxy] upstream is not set, was \"wan\""]);
}

#[test]
fn what_needs_a_restart_is_named() {
    let restart = after(
        "[proxy]\n",
        "[eal]\nmemory-mb = 99\nhugepages = \"no\"\nargs = [\"-v\"]\n[worker]\npoll = \"busy\"\ncontrol-poll = \"busy\"\ncores = [2, 3]\n\
         control-core = 1\n[table]\nmax-groups = 5000\n[record]\npath = \"/r\"\n[socket]\ngroup = \"tv\"\n\
         [proxy]\ninstance = \"x\"\nrouter-mac = \"02:00:00:00:00:01\"\n",
    );
    assert_eq!(
        restart.restart,
        [
            "[proxy] router-mac",
            "[proxy] instance",
            "[worker] cores",
            "[worker] control-core",
            "[worker] poll",
            "[worker] control-poll",
            "[eal] hugepages",
            "[eal] memory-mb",
            "[eal] args",
            "[table] max-groups",
            "[socket] path",
            "[socket] group",
            "[paths] run-dir",
            "[paths] live",
            "[record] path",
        ]
    );
    let lines = restart.lines();
    assert_eq!(lines.len(), restart.restart.len());
    assert_eq!(lines[2], "[worker] cores is [2, 3], was \"auto\", from the next start on");
    assert!(lines.iter().all(|line| line.ends_with(", from the next start on")), "{lines:?}");
    // For the next start's memory; where it is not set, it follows the number of ports, which is no edit.
    let more = after("[proxy]\n", "[eal]\nmax-ports = 9\n[proxy]\n");
    assert_eq!(more.lines(), ["[eal] max-ports is 9, was not set, from the next start on"]);
}
