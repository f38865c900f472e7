//! The example that is shipped passes, and tells the truth about the defaults.

use std::collections::BTreeSet;
use std::time::Duration;

use settings::{Cores, Hugepages, LogLevel, Poll, PortTimers, Role, Settings, SourceMac, Sources, parse};

const EXAMPLE: &str = include_str!("../../../packaging/manifold.toml");

fn example() -> Settings {
    parse(EXAMPLE, "manifold.toml").unwrap()
}

/// The example with every key that is commented out.
fn uncommented() -> String {
    let is_key = |line: &str| {
        line.strip_prefix('#').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()))
    };
    EXAMPLE.lines().map(|line| format!("{}\n", if is_key(line) { &line[1..] } else { line })).collect()
}

#[test]
fn the_example_passes_without_a_doubt() {
    let settings = example();
    assert_eq!(settings.warnings, []);
    assert_eq!(settings.upstream_port().unwrap().name, "wan");
    let roles: Vec<_> = settings.indexed_ports().map(|(i, port)| (&*port.name, settings.role(i))).collect();
    assert_eq!(roles, [("wan", Role::Upstream), ("hall-a", Role::Client), ("hall-b", Role::Client)]);
}

#[test]
fn the_defaults_are_what_the_reference_says() {
    let settings = example();
    let port = settings.port("hall-a").unwrap().1;
    assert_eq!(port.timers, PortTimers::default());
    assert_eq!(port.timers.query_interval, Duration::from_secs(125));
    assert_eq!((port.sources, port.mtu), (Sources::No, None));
    assert_eq!((port.rx_descriptors, port.tx_descriptors), (1024, 1024));
    assert_eq!((&settings.worker.cores, settings.worker.poll), (&Cores::Auto, Poll::Adaptive));
    assert_eq!((settings.eal.hugepages, settings.eal.max_ports), (Hugepages::Auto, None));
    assert_eq!(settings.log.level, LogLevel::Info);
    assert_eq!(settings.socket.path.to_str(), Some("/run/manifold/manifold.sock"));
    let local: Vec<_> = settings.proxy.local_groups.iter().map(ToString::to_string).collect();
    assert_eq!(local, ["239.255.255.250/32", "239.255.255.253/32"], "r69");
}

#[test]
fn every_default_in_a_comment_is_the_default() {
    let mut shown = parse(&uncommented(), "manifold.toml").unwrap();
    let mut plain = example();
    // These have no default that a file could show.
    assert_eq!(shown.proxy.router_mac.take().unwrap().to_string(), "02:00:00:00:00:01");
    assert_eq!(shown.eal.memory_mb.take(), Some(64));
    assert_eq!(shown.eal.max_ports.take(), Some(3));
    assert_eq!(shown.worker.control_core.take(), Some(0));
    assert_eq!(shown.socket.group.take().as_deref(), Some("manifold"));
    assert_eq!(shown.record.path.take().unwrap().to_str(), Some("/var/lib/manifold/record"));
    assert_eq!(shown.ports[1].querier_address.take().unwrap().to_string(), "10.1.0.1");
    for port in &mut shown.ports {
        assert_eq!(port.mac.take(), Some(SourceMac::Router));
        assert_eq!(port.mtu.take(), Some(1500));
        assert_eq!(port.timers.last_member_query_count.take(), Some(2));
        assert_eq!(port.max_groups.take(), Some(65_536));
        assert_eq!(port.link_down_hold.take(), Some(Duration::from_secs(260)));
    }
    plain.warnings.clear();
    assert_eq!(shown, plain);
}

#[test]
fn every_key_there_is_is_in_the_example() {
    // An unknown key's message lists or suggests the others, so a nonsense key in each table names them all.
    let text = uncommented();
    let present: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once('=').map(|(key, _)| key.trim()))
        .collect();
    for table in ["proxy", "defaults", "worker", "eal", "table", "socket", "paths", "log", "record"] {
        let nonsense =
            format!("[{table}]\nxxxxxxxxxxxxxxxx = 1\n[[port]]\nname = \"a\"\ndevice = \"eth0\"\n");
        let error = parse(&nonsense, "f").unwrap_err().to_string();
        let keys = error.split("the keys here are ").nth(1).unwrap().trim();
        for key in keys.split(", ") {
            assert!(present.contains(key), "`{key}` of [{table}] is missing in the example");
        }
    }
}
