//! Settings as they are offered to be changed: where each value comes from, what would hold without it, and what a change
//! would do.

use settings::{Edit, EditError, KeyKind, LiveLayer, Origin, RunningKey, Settings, Subject, difference};

const MAIN: &str = r#"
[proxy]
upstream = "wan"
[defaults]
robustness = 3
fast-leave = "single"
[[port]]
name = "wan"
device = "eth0"
[[port]]
name = "hall-a"
device = "eth1"
address = "10.1.0.1/24"
robustness = 4
"#;

const LIVE: &str = r#"
[proxy]
enabled = false
[[port]]
name = "hall-a"
fast-leave = "tracked"
[[port]]
name = "hall-b"
device = "eth2"
address = "10.2.0.1/24"
"#;

/// Both layers as files.
struct Layers {
    folder: tempfile::TempDir,
    settings: Settings,
    live: LiveLayer,
}

fn layers(has_live: bool) -> Layers {
    let folder = tempfile::tempdir().unwrap();
    let (main, live) = (folder.path().join("m.toml"), folder.path().join("live.toml"));
    let paths = if has_live { format!("live = {live:?}") } else { "live = false".to_owned() };
    std::fs::write(&main, format!("{MAIN}[paths]\n{paths}\n")).unwrap();
    std::fs::write(&live, LIVE).unwrap();
    let (settings, live) = settings::load_layers(&main).unwrap();
    Layers { folder, settings, live }
}

fn find<'a>(keys: &'a [RunningKey], key: &str) -> &'a RunningKey {
    keys.iter().find(|found| found.key == key).unwrap_or_else(|| panic!("{key}"))
}

/// Value, default, origin, and whether it can be changed.
fn of(key: &RunningKey) -> (Option<&str>, Option<&str>, Origin, bool) {
    (key.value.as_deref(), key.default.as_deref(), key.origin, key.live)
}

#[test]
fn each_value_tells_where_it_comes_from_and_what_would_hold_without_it() {
    let Layers { folder, settings, live } = layers(true);
    let keys = live.keys(&settings);
    let place = |file: &str, line: u32| Some(format!("{}:{line}", folder.path().join(file).display()));

    let enabled = find(&keys.proxy, "enabled");
    assert_eq!(of(enabled), (Some("false"), Some("true"), Origin::Live, true));
    assert_eq!(enabled.place, place("live.toml", 3));
    let upstream = find(&keys.proxy, "upstream");
    assert_eq!(of(upstream), (Some("\"wan\""), None, Origin::File, true));
    assert_eq!(upstream.default_words, Some("none: nothing is forwarded"));
    assert_eq!(
        of(find(&keys.proxy, "instance")),
        (Some("\"main\""), Some("\"main\""), Origin::Default, false)
    );

    assert_eq!(of(find(&keys.defaults, "robustness")), (Some("3"), Some("2"), Origin::File, false));
    assert!(keys.defaults.iter().all(|key| !["device", "address"].contains(&key.key)));

    let ports: Vec<&str> = keys.ports.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(ports, ["wan", "hall-a", "hall-b"]);
    let (wan, hall_a, hall_b) = (&keys.ports[0].1, &keys.ports[1].1, &keys.ports[2].1);
    assert_eq!(of(find(hall_a, "robustness")), (Some("4"), Some("3"), Origin::File, true));
    assert_eq!(of(find(hall_b, "robustness")), (Some("3"), Some("3"), Origin::Defaults, true));
    assert_eq!(find(hall_b, "robustness").place, place("m.toml", 5));
    assert_eq!(of(find(hall_a, "fast-leave")), (Some("\"tracked\""), Some("\"single\""), Origin::Live, true));
    assert_eq!(find(hall_a, "fast-leave").kind, find(hall_b, "fast-leave").kind);
    // What follows from another value of the port.
    let count = find(hall_a, "last-member-query-count");
    assert_eq!(of(count), (Some("4"), Some("4"), Origin::Default, true));
    assert_eq!(count.default_words, Some("`robustness`"));
    // Of a port that was added while Manifold ran, the device can be changed; `mtu` of none.
    assert_eq!(of(find(hall_b, "device")), (Some("\"eth2\""), None, Origin::Live, true));
    assert_eq!(of(find(wan, "device")), (Some("\"eth0\""), None, Origin::File, false));
    assert_eq!(of(find(hall_b, "mtu")), (None, None, Origin::Default, false));
    assert_eq!(find(wan, "ignore-v1").kind, KeyKind::Bool);
}

#[test]
fn without_a_live_layer_nothing_can_be_changed() {
    let Layers { settings, live, .. } = layers(false);
    let keys = live.keys(&settings);
    let all = keys.proxy.iter().chain(&keys.defaults).chain(keys.ports.iter().flat_map(|(_, keys)| keys));
    assert!(all.into_iter().all(|key| !key.live && key.origin != Origin::Live));
}

fn edit(port: Option<&str>, key: &str, value: Option<&str>) -> Edit {
    Edit { port: port.map(str::to_owned), key: key.to_owned(), value: value.map(str::to_owned) }
}

#[test]
fn a_change_is_told_key_by_key() {
    let Layers { settings, live, .. } = layers(true);
    let edits = [
        edit(None, "enabled", None),
        edit(Some("hall-a"), "fast-leave", Some("\"off\"")),
        edit(Some("hall-b"), "device", None),
        edit(Some("hall-c"), "device", Some("\"eth3\"")),
        edit(Some("hall-c"), "address", Some("\"10.3.0.1/24\"")),
    ];
    let (new, _) = live.edit(&edits).unwrap();
    let changes = difference(&settings, &new).by_key(&settings, &new);
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.port.as_deref(), change.key, change.from.as_deref(), change.to.as_deref()))
        .collect();
    assert_eq!(
        told,
        [
            (Some("hall-b"), "device", Some("\"eth2\""), None),
            (Some("hall-c"), "device", None, Some("\"eth3\"")),
            (Some("hall-c"), "address", None, Some("\"10.3.0.1/24\"")),
            (Some("hall-c"), "robustness", None, Some("3")),
            (Some("hall-c"), "fast-leave", None, Some("\"single\"")),
            (None, "enabled", Some("false"), Some("true")),
            (Some("hall-a"), "fast-leave", Some("\"tracked\""), Some("\"off\"")),
        ]
    );
    assert!(difference(&settings, &settings).by_key(&settings, &settings).is_empty());
}

#[test]
fn each_problem_of_a_change_names_its_port_and_key() {
    let Layers { live, .. } = layers(true);
    let edits = [
        edit(None, "upstream", Some("\"nowhere\"")),
        edit(Some("hall-a"), "query-interval", Some("\"0s\"")),
        edit(Some("hall-a"), "address", Some("\"10.1.0.1\"")),
    ];
    let EditError::Settings(error) = live.edit(&edits).unwrap_err() else { panic!("no edit is refused") };
    let mut subjects: Vec<_> = error.problems().iter().map(|problem| problem.place.subject.clone()).collect();
    subjects.sort();
    let subject = |port: Option<&str>, key: &str| {
        Some(Subject { port: port.map(str::to_owned), key: Some(key.to_owned()) })
    };
    assert_eq!(
        subjects,
        [
            subject(None, "upstream"),
            subject(Some("hall-a"), "address"),
            subject(Some("hall-a"), "query-interval"),
        ]
    );
}

#[test]
fn a_problem_that_a_reload_finds_names_line_port_and_key() {
    let Layers { folder, .. } = layers(true);
    let main = folder.path().join("m.toml");
    let text = std::fs::read_to_string(&main).unwrap();
    std::fs::write(folder.path().join("live.toml"), "[[port]]\nname = \"hall-a\"\naddress = \"x\"\n")
        .unwrap();
    let problem = settings::reload(&main).unwrap_err().problems()[0].clone();
    assert_eq!(problem.place.position, Some((3, 11)));
    let address = Subject { port: Some("hall-a".to_owned()), key: Some("address".to_owned()) };
    assert_eq!(problem.place.subject, Some(address));
    // Also in the administrator's file, as long as that can be read at all.
    std::fs::write(&main, text.replace("robustness = 4", "last-member-query-count = 99")).unwrap();
    assert!(settings::reload(&main).is_err());
}
