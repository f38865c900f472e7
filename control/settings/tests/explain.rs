//! Where each setting comes from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use settings::{Effective, effective_file, explain, parse};

/// Rows by table and key.
fn rows(path: &Path) -> BTreeMap<(String, &'static str), Effective> {
    explain(path).unwrap().into_iter().map(|row| ((row.table.clone(), row.key), row)).collect()
}

/// The administrator's file with a live layer beside it.
fn files(main: &str, live: Option<&str>) -> (tempfile::TempDir, std::path::PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.toml");
    let live_path = dir.path().join("live.toml");
    fs::write(&path, format!("{main}[paths]\nlive = {live_path:?}\n")).unwrap();
    if let Some(live) = live {
        fs::write(&live_path, live).unwrap();
    }
    (dir, path)
}

const MAIN: &str = "[proxy]\nupstream = \"wan\"\n[defaults]\nrobustness = 3\nfast-leave = \"single\"\n\
    [[port]]\nname = \"wan\"\ndevice = \"e0\"\nmtu = 1400\n\
    [[port]]\nname = \"hall\"\ndevice = \"e1\"\naddress = \"10.1.0.1/24\"\nquery-interval = \"60s\"\n";
const LIVE: &str = "[proxy]\nenabled = false\n[[port]]\nname = \"hall\"\nfast-leave = \"tracked\"\n\
    [[port]]\nname = \"new\"\ndevice = \"e2\"\naddress = \"10.2.0.1/24\"\n";

#[test]
fn each_value_comes_with_its_file_and_line() {
    let (dir, path) = files(MAIN, Some(LIVE));
    let rows = rows(&path);
    let main = |line| format!("{}:{line}", path.display());
    let live = |line| format!("{}:{line}", dir.path().join("live.toml").display());
    let defaults = |line| format!("[defaults] {}", main(line));
    let default = || "default".to_owned();
    for (table, key, value, from) in [
        ("[proxy]", "enabled", "false", live(2)),
        ("[proxy]", "upstream", "\"wan\"", main(2)),
        ("[proxy]", "ssm-range", "[]", default()),
        ("[proxy]", "router-mac", "", "default: the provider port's own".to_owned()),
        ("[[port]] # wan", "name", "\"wan\"", main(7)),
        ("[[port]] # wan", "device", "\"e0\"", main(8)),
        ("[[port]] # wan", "mtu", "1400", main(9)),
        ("[[port]] # wan", "fast-leave", "\"single\"", defaults(5)),
        ("[[port]] # hall", "fast-leave", "\"tracked\"", live(5)),
        ("[[port]] # hall", "query-interval", "\"60s\"", main(14)),
        ("[[port]] # hall", "robustness", "3", defaults(4)),
        ("[[port]] # hall", "last-member-query-count", "3", "default: `robustness`".to_owned()),
        (
            "[[port]] # hall",
            "link-down-hold",
            "\"190s\"",
            "default: the group membership interval".to_owned(),
        ),
        ("[[port]] # hall", "mac", "", "default: \"router\"; \"port\" on a macvlan".to_owned()),
        ("[[port]] # hall", "mtu", "", "default: the device's own".to_owned()),
        ("[[port]] # new", "name", "\"new\"", live(7)),
        ("[[port]] # new", "address", "\"10.2.0.1/24\"", live(9)),
        ("[[port]] # new", "query-interval", "\"125s\"", default()),
        ("[worker]", "cores", "\"auto\"", default()),
        ("[eal]", "max-ports", "3", "default: the number of ports".to_owned()),
        ("[record]", "path", "", "default: none".to_owned()),
    ] {
        let row = &rows[&(table.to_owned(), key)];
        assert_eq!((row.value.as_str(), &row.from), (value, &from), "{table} {key}");
    }
    let text = effective_file(&explain(&path).unwrap());
    let head = format!("[proxy]\nenabled = false    # {}\nupstream = \"wan\"   # {}\n", live(2), main(2));
    assert!(text.starts_with(&head), "{text}");
    assert!(text.contains("\n\n[[port]] # hall\nname = \"hall\" "), "{text}");
    assert!(text.contains("\n#mtu                                 # default: the device's own\n"), "{text}");
}

#[test]
fn what_is_printed_is_a_file_of_the_same_settings() {
    let odd = "[proxy]\nupstream = \"wan\"\nlocal-groups = []\nssm-range = [\"232.0.0.0/8\"]\n\
        [[port]]\nname = \"wan\"\ndevice = \"net_pcap0,rx_pcap=it's.pcap\"\nsources-allowed = [\"10.0.0.0/8\"]\n\
        re-report-interval = \"90s\"\n\
        [[port]]\nname = \"a\"\ndevice = \"3b:00.1\"\naddress = \"10.1.0.1/24\"\nsources = \"querier\"\n\
        access = [\"allow 239.1.0.0/16\", \"deny 224.0.0.0/4\"]\nstatic-groups = [\"239.1.1.1\"]\nmax-groups = 7\n\
        last-member-query-interval = \"100ms\"\nlink-down-hold = \"1500ms\"\nigmp-version = 1\n\
        [worker]\ncores = [2]\ncontrol-core = 0\ncontrol-poll = \"busy\"\n[socket]\ngroup = \"tv\"\n[record]\npath = \"/var/a b\"\n";
    for main in [MAIN, odd] {
        let (dir, path) = files(main, None);
        let text = effective_file(&explain(&path).unwrap());
        let again = dir.path().join("again.toml");
        fs::write(&again, &text).unwrap();
        let mut settings = parse(&text, "again").unwrap_or_else(|error| panic!("{error}\n{text}"));
        let mut original = settings::load(&path).unwrap();
        // What follows from other values is printed as the value that it has.
        for (port, printed) in original.ports.iter_mut().zip(&settings.ports) {
            assert!(port.timers.last_member_query_count.is_none());
            port.timers.last_member_query_count = printed.timers.last_member_query_count;
            port.link_down_hold = printed.link_down_hold;
            port.place = printed.place.clone();
        }
        original.eal.max_ports = settings.eal.max_ports;
        settings.warnings.clear();
        original.warnings.clear();
        assert_eq!(settings, original);
        let values = |path| rows(path).into_values().map(|row| row.value).collect::<Vec<_>>();
        assert_eq!(values(&again), values(&path));
    }
}

#[test]
fn every_key_there_is_is_explained() {
    let (_dir, path) = files("[[port]]\nname = \"a\"\ndevice = \"e\"\n", None);
    let rows = rows(&path);
    let explained = |head: &str, key: &str| rows.keys().any(|(table, k)| table == head && *k == key);
    for (table, head) in
        ["proxy", "worker", "eal", "table", "socket", "paths", "log", "record"].map(|t| (t, format!("[{t}]")))
    {
        let nonsense = format!("[{table}]\nxxxxxxxxxxxxxxxx = 1\n[[port]]\nname = \"a\"\ndevice = \"e\"\n");
        for key in known_keys(&nonsense) {
            assert!(explained(&head, &key), "{key} of {head}");
        }
    }
    for key in known_keys("[[port]]\nname = \"a\"\ndevice = \"e\"\nxxxxxxxxxxxxxxxx = 1\n") {
        assert!(explained("[[port]] # a", &key), "{key} of a port");
    }
}

fn known_keys(nonsense: &str) -> Vec<String> {
    let error = parse(nonsense, "f").unwrap_err().to_string();
    error.split("the keys here are ").nth(1).unwrap().split(", ").map(str::to_owned).collect()
}

#[test]
fn a_broken_live_layer_is_left_out_as_at_a_start() {
    for live in ["[proxy]\nenabled = fal", "[proxy]\nenabled = 1\n", "[eal]\nargs = []\n"] {
        let (_dir, path) = files(MAIN, Some(live));
        let rows = rows(&path);
        let enabled = &rows[&("[proxy]".to_owned(), "enabled")];
        assert_eq!((&*enabled.value, &*enabled.from), ("true", "default"), "{live}");
    }
    let (_dir, path) = files("[proxy]\nupstream = 1\n", None);
    assert!(explain(&path).unwrap_err().to_string().contains(":2:12: `upstream` is a whole number"));
}
