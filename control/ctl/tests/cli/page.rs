//! Settings, connections, events and changes that are only tried.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::sync::mpsc;

use api::{
    Bucket, ChangeView, ConnectionSource, ConnectionView, ConnectionsReply, EventKind, EventView,
    EventsReply, Histogram, KeyKind, KeyView, LatencyReply, Obstacle, ObstacleKind, Origin, PortRole,
    PortSettingsView, PreviewReply, ProblemView, Reply, Request, SettingsReply,
};

use super::{ctl, golden, server, shown};

fn key(name: &str, value: Option<&str>, origin: Origin, place: Option<&str>) -> KeyView {
    KeyView {
        key: name.to_owned(),
        value: value.map(str::to_owned),
        default: None,
        default_words: (value.is_none()).then(|| "none".to_owned()),
        origin,
        place: place.map(str::to_owned),
        live: origin == Origin::Live,
        kind: KeyKind::Bool,
    }
}

fn settings() -> SettingsReply {
    SettingsReply {
        revision: 1_700_000_000_000_000,
        changeable: true,
        proxy: vec![
            key("enabled", Some("false"), Origin::Live, Some("/l.toml:2")),
            key("upstream", None, Origin::Default, None),
        ],
        defaults: vec![key("robustness", Some("3"), Origin::File, Some("/m.toml:4"))],
        ports: vec![PortSettingsView {
            name: "hall-a".to_owned(),
            device: "eth1".to_owned(),
            added: false,
            keys: vec![key("robustness", Some("3"), Origin::Defaults, Some("/m.toml:4"))],
        }],
    }
}

fn connections() -> ConnectionsReply {
    let eth1 = ConnectionView {
        device: "eth1".to_owned(),
        source: ConnectionSource::Kernel,
        kind: "ethernet".to_owned(),
        kind_text: "Ethernet".to_owned(),
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        carrier: Some(true),
        addresses: vec![],
        default_route: false,
        port: Some("hall-a".to_owned()),
        role: Some(PortRole::Client),
        usable: true,
        obstacles: vec![],
    };
    let bridge = ConnectionView {
        device: "br0\u{1b}".to_owned(),
        kind: "bridge".to_owned(),
        kind_text: "bridge".to_owned(),
        mac: None,
        carrier: None,
        port: None,
        role: None,
        usable: false,
        obstacles: vec![Obstacle {
            what: ObstacleKind::Kind,
            about: vec![],
            reason: "is a bridge".to_owned(),
            cure: "take a member".to_owned(),
        }],
        ..eth1.clone()
    };
    ConnectionsReply { connections: vec![eth1, bridge] }
}

/// `n` events after `after`, of 5.
fn events(after: u64) -> EventsReply {
    let event = |id: u64| EventView {
        id,
        at_unix_ms: 1_700_000_000_000 + id,
        kind: if id == 2 { EventKind::Link } else { EventKind::Joined },
        port: (id != 3).then(|| "hall-a".to_owned()),
        group: None,
        text: format!("event {id}\u{7}"),
    };
    let events: Vec<_> = (after + 1..=5).map(event).collect();
    EventsReply { next: events.last().map_or(after, |event| event.id), events, lost: u64::from(after == 0) }
}

#[test]
fn what_a_page_has_is_shown_as_tables() {
    let (_dir, socket) = server(|request| match request {
        Request::ShowSettings => Reply::Settings(settings()),
        Request::ShowConnections => Reply::Connections(connections()),
        Request::ShowEvents { after, .. } => Reply::Events(events(after)),
        Request::ShowLatency => {
            let bucket = |le_s, count| Bucket { le_s, count };
            let buckets = vec![bucket(1e-5, 0), bucket(5e-5, 3), bucket(1e-4, 3), bucket(1e-3, 4)];
            Reply::Latency(LatencyReply { joins: Histogram { buckets, count: 5, sum_s: 0.001 } })
        }
        other => panic!("{other:?}"),
    });
    golden("settings.txt", &shown(&socket, &["show", "settings"]));
    golden("settings-all.txt", &shown(&socket, &["show", "settings", "--all"]));
    golden("connections.txt", &shown(&socket, &["show", "connections"]));
    golden("latency.txt", &shown(&socket, &["show", "latency"]));
    golden("events.txt", &shown(&socket, &["events"]));
    let text = shown(&socket, &["events", "--json", "--after", "2"]);
    let reply: EventsReply = serde_json::from_str(&text).unwrap();
    assert_eq!(reply, events(2));
}

#[test]
fn events_are_followed_until_nobody_reads_them() {
    let (asked, heard) = mpsc::channel();
    let (_dir, socket) = server(move |request| match request {
        Request::ShowEvents { after, .. } => {
            let _ = asked.send(after);
            Reply::Events(events(after))
        }
        other => panic!("{other:?}"),
    });
    let mut child = ctl(&socket, &["events", "--follow", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines: Vec<String> =
        BufReader::new(child.stdout.take().unwrap()).lines().take(5).map(Result::unwrap).collect();
    assert!(lines.iter().all(|line| line.starts_with("{\"id\":")), "{lines:?}");
    assert_eq!((heard.recv().unwrap(), heard.recv().unwrap()), (0, 5), "none twice");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_change_that_is_only_tried_says_what_it_would_do() {
    let (tell, heard) = mpsc::channel();
    let (_dir, socket) = server(move |request| {
        tell.send(request.to_line()).unwrap();
        let change = ChangeView {
            port: Some("hall-a".to_owned()),
            key: "fast-leave".to_owned(),
            from: None,
            to: Some("\"tracked\"".to_owned()),
        };
        let warnings = vec!["a doubt".to_owned()];
        Reply::Preview(PreviewReply { changes: vec![change], warnings, ..PreviewReply::default() })
    });
    let text = shown(&socket, &["set", "--port", "hall-a", "fast-leave", "tracked", "--dry-run"]);
    assert_eq!(text, "port \"hall-a\": fast-leave would be \"tracked\", is not set\nwarning: a doubt\n");
    let line =
        r#"{"request":{"preview":{"edits":[{"port":"hall-a","key":"fast-leave","value":"\"tracked\""}]}}}"#;
    assert_eq!(heard.recv().unwrap().trim_end(), line);
    shown(&socket, &["remove-port", "hall-c", "--dry-run"]);
    assert!(heard.recv().unwrap().starts_with(r#"{"request":{"preview""#));
}

#[test]
fn a_change_that_would_be_refused_is_exit_1() {
    let (_dir, socket) = server(|_| {
        let problem = ProblemView {
            place: Some("`mtu` in [proxy]".to_owned()),
            port: None,
            key: Some("mtu".to_owned()),
            message: "m".to_owned(),
            cure: "c".to_owned(),
        };
        Reply::Preview(PreviewReply { problems: vec![problem], ..PreviewReply::default() })
    });
    let output = ctl(&socket, &["set", "mtu", "9", "--dry-run"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("it would be refused") && said.contains("`mtu` in [proxy]: m; c"), "{said}");
}
