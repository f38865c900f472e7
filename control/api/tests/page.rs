//! The text of what a page asks for, to the byte, as in `format.rs`.

use api::{
    Bucket, ChangeView, ConnectionSource, ConnectionView, ConnectionsReply, EventKind, EventView,
    EventsReply, Histogram, KeyKind, KeyView, LatencyReply, ListOf, Obstacle, ObstacleKind, Origin, PortRole,
    PortSettingsView, PreviewReply, Reply, SettingsReply,
};

/// Asserts the line, and that it reads back.
#[track_caller]
fn written(reply: Reply, lines: &[&str]) {
    let line = reply.to_line();
    assert_eq!(line, lines.concat() + "\n");
    assert_eq!(Reply::parse(line.as_bytes()), Ok(reply));
}

#[test]
fn settings() {
    let key = KeyView {
        key: "query-interval".to_owned(),
        value: Some("\"2m\"".to_owned()),
        default: Some("\"125s\"".to_owned()),
        default_words: None,
        origin: Origin::Live,
        place: Some("live.toml:3".to_owned()),
        live: true,
        kind: KeyKind::Duration { least_s: 1.0, most_s: 65_535.0, step_s: 0.001, or_false: false },
    };
    let upstream = KeyView {
        key: "upstream".to_owned(),
        value: None,
        default: None,
        default_words: Some("none".to_owned()),
        origin: Origin::Default,
        place: None,
        live: true,
        kind: KeyKind::Port,
    };
    let port =
        PortSettingsView { name: "a".to_owned(), device: "eth1".to_owned(), added: true, keys: vec![key] };
    written(
        Reply::Settings(SettingsReply {
            revision: 9,
            changeable: true,
            proxy: vec![upstream],
            defaults: vec![],
            ports: vec![port],
        }),
        &[
            "{\"settings\":{\"revision\":9,\"changeable\":true,\"proxy\":[{\"key\":\"upstream\",\"value\":null,\"default\":null,",
            "\"default_words\":\"none\",\"origin\":\"default\",\"place\":null,\"live\":true,\"kind\":{\"type\":\"port\"}}],",
            "\"defaults\":[],\"ports\":[{\"name\":\"a\",\"device\":\"eth1\",\"added\":true,\"keys\":[{\"key\":\"query-interval\",",
            "\"value\":\"\\\"2m\\\"\",\"default\":\"\\\"125s\\\"\",\"default_words\":null,\"origin\":\"live\",\"place\":\"live.toml:3\",",
            "\"live\":true,\"kind\":{\"type\":\"duration\",\"least_s\":1.0,\"most_s\":65535.0,\"step_s\":0.001,\"or_false\":false}}]}]}}",
        ],
    );
}

#[test]
fn kinds_of_keys() {
    let unit = Some("bytes".to_owned());
    let values = vec!["true".to_owned(), "\"querier\"".to_owned()];
    for (kind, expected) in [
        (KeyKind::Bool, r#"{"type":"bool"}"#),
        (
            KeyKind::Integer { least: 2, most: 10, unit },
            r#"{"type":"integer","least":2,"most":10,"unit":"bytes"}"#,
        ),
        (KeyKind::Choice { values }, r#"{"type":"choice","values":["true","\"querier\""]}"#),
        (
            KeyKind::List { of: ListOf::AccessRules, most: 9 },
            r#"{"type":"list","of":"access-rules","most":9}"#,
        ),
        (KeyKind::Device, r#"{"type":"device"}"#),
    ] {
        assert_eq!(serde_json::to_string(&kind).unwrap(), expected);
        assert_eq!(serde_json::from_str::<KeyKind>(expected).unwrap(), kind);
    }
}

#[test]
fn previews() {
    let change = ChangeView {
        port: Some("a".to_owned()),
        key: "device".to_owned(),
        from: None,
        to: Some("\"eth2\"".to_owned()),
    };
    written(
        Reply::Preview(PreviewReply { revision: 9, changes: vec![change], ..PreviewReply::default() }),
        &[
            "{\"preview\":{\"revision\":9,\"changes\":[{\"port\":\"a\",\"key\":\"device\",\"from\":null,\"to\":\"\\\"eth2\\\"\"}],",
            "\"needs_restart\":[],\"problems\":[],\"warnings\":[]}}",
        ],
    );
}

#[test]
fn connections() {
    let connection = ConnectionView {
        device: "br0".to_owned(),
        source: ConnectionSource::Kernel,
        kind: "bridge".to_owned(),
        kind_text: "bridge".to_owned(),
        mac: Some("02:00:00:00:00:01".parse().unwrap()),
        carrier: Some(false),
        addresses: vec!["10.0.0.1/24".to_owned()],
        default_route: true,
        port: None,
        role: Some(PortRole::Client),
        usable: false,
        obstacles: vec![Obstacle {
            what: ObstacleKind::DefaultRoute,
            about: vec!["a".to_owned()],
            reason: "r".to_owned(),
            cure: "c".to_owned(),
        }],
    };
    written(
        Reply::Connections(ConnectionsReply { connections: vec![connection] }),
        &[
            "{\"connections\":{\"connections\":[{\"device\":\"br0\",\"source\":\"kernel\",\"kind\":\"bridge\",\"kind_text\":\"bridge\",",
            "\"mac\":\"02:00:00:00:00:01\",\"carrier\":false,\"addresses\":[\"10.0.0.1/24\"],\"default_route\":true,\"port\":null,",
            "\"role\":\"client\",\"usable\":false,\"obstacles\":[{\"what\":\"default-route\",\"about\":[\"a\"],\"reason\":\"r\",\"cure\":\"c\"}]}]}}",
        ],
    );
}

#[test]
fn events() {
    let event = EventView {
        id: 8,
        at_unix_ms: 1_700_000_000_000,
        kind: EventKind::UpstreamJoined,
        port: None,
        group: Some("239.2.2.2".parse().unwrap()),
        text: "t".to_owned(),
    };
    written(
        Reply::Events(EventsReply { events: vec![event], next: 8, lost: 1 }),
        &[
            "{\"events\":{\"events\":[{\"id\":8,\"at_unix_ms\":1700000000000,\"kind\":\"upstream-joined\",\"port\":null,",
            "\"group\":\"239.2.2.2\",\"text\":\"t\"}],\"next\":8,\"lost\":1}}",
        ],
    );
}

#[test]
fn latencies() {
    let joins = Histogram { buckets: vec![Bucket { le_s: 0.0001, count: 2 }], count: 3, sum_s: 0.5 };
    written(
        Reply::Latency(LatencyReply { joins }),
        &[
            "{\"latency\":{\"joins\":{\"buckets\":[{\"le_s\":0.0001,\"count\":2}],\"count\":3,\"sum_s\":0.5}}}",
        ],
    );
}

#[test]
fn words_are_what_the_fields_have() {
    fn word(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).unwrap().replace('"', "")
    }
    for origin in [Origin::Default, Origin::File, Origin::Defaults, Origin::Live] {
        assert_eq!(word(origin), origin.name());
    }
    use ConnectionSource::{Kernel, Pci, Vdev};
    for source in [Kernel, Pci, Vdev] {
        assert_eq!(word(source), source.name());
    }
    use ObstacleKind::{Addresses, DefaultRoute, Gone, Kind, Master, NoPci, Pppoe, Uppers};
    for obstacle in [Kind, Master, Uppers, Pppoe, Addresses, DefaultRoute, NoPci, Gone] {
        assert_eq!(word(obstacle), obstacle.name());
    }
    use EventKind::{
        Change, Joined, Left, Link, Loss, Querier, Refused, UpstreamJoined, UpstreamLeft, Withheld,
    };
    for kind in [Joined, Left, Refused, Querier, UpstreamJoined, UpstreamLeft, Link, Loss, Change, Withheld] {
        assert_eq!(word(kind), kind.name());
    }
}
