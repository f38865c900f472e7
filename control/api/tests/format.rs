//! The replies' text, to the byte: programs rely on it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use api::{
    BurstFill, ChangedReply, Check, CountersReply, ErrorKind, ErrorReply, ExplainReply, Finding, GroupView,
    GroupsReply, HeldBack, LinkState, MbufView, MemberState, MemberView, Outage, PortCounters, PortRole,
    PortView, PortsReply, ProblemView, QuerierRole, QuerierView, QueryView, RecordView, Reply, StatusReply,
    Topic, UpstreamView, WorkerSpan, WorkerView, WorkersReply, seconds,
};

/// Asserts the line, and that it reads back.
#[track_caller]
fn written(reply: Reply, lines: &[&str]) {
    let line = reply.to_line();
    assert_eq!(line, lines.concat() + "\n");
    assert_eq!(Reply::parse(line.as_bytes()), Ok(reply));
}

#[test]
fn groups() {
    let group = GroupView {
        group: "239.2.2.2".parse().unwrap(),
        members: vec![MemberView {
            port: "hall-a".to_owned(),
            version: 2,
            last_reporter: Some(Ipv4Addr::new(10, 1, 0, 4)),
            age_s: seconds(Duration::from_millis(65_250)),
            expires_s: Some(260.0),
            state: MemberState::CheckingMembership,
            held_back: Some(HeldBack::NoRoom),
        }],
        upstream: UpstreamView { joined: true, last_report_s: None },
        frames: 12,
        bytes: u64::MAX,
        filtered: 3,
    };
    written(
        Reply::Groups(GroupsReply { groups: vec![group] }),
        &[
            "{\"groups\":{\"groups\":[{\"group\":\"239.2.2.2\",\"members\":[{\"port\":\"hall-a\",\"version\":2,",
            "\"last_reporter\":\"10.1.0.4\",\"age_s\":65.25,\"expires_s\":260.0,\"state\":\"checking-membership\",",
            "\"held_back\":\"no-room\"}],",
            "\"upstream\":{\"joined\":true,\"last_report_s\":null},\"frames\":12,\"bytes\":18446744073709551615,\"filtered\":3}]}}",
        ],
    );
}

#[test]
fn ports() {
    let port = PortView {
        name: "hall-a".to_owned(),
        device: "eth1".to_owned(),
        driver: "net_af_packet".to_owned(),
        role: PortRole::Client,
        link: LinkState::Up,
        outage: None,
        mac: "02:00:00:00:00:01".parse().unwrap(),
        address: Some("10.1.0.1/24".parse().unwrap()),
        querier: Some(QuerierView {
            role: QuerierRole::NonQuerier,
            address: Some(Ipv4Addr::new(10, 1, 0, 9)),
            next_query_s: None,
            takeover_s: Some(200.0),
        }),
        last_query: None,
        policies: BTreeMap::from([("ignore-v1".to_owned(), "true".to_owned())]),
        groups: 1,
        max_groups: Some(9),
        rx_frames: 2,
        rx_bytes: 3,
        tx_frames: 4,
        tx_bytes: 5,
        drops: 6,
        losses: 7,
    };
    let upstream = PortView {
        role: PortRole::Upstream,
        link: LinkState::Down,
        outage: Some(Outage::Gone),
        address: None,
        querier: None,
        last_query: Some(QueryView { source: Ipv4Addr::new(10, 0, 0, 254), version: 3, age_s: 1.5 }),
        policies: BTreeMap::new(),
        max_groups: None,
        ..port.clone()
    };
    let head = "{\"name\":\"hall-a\",\"device\":\"eth1\",\"driver\":\"net_af_packet\",";
    let tail = "\"rx_frames\":2,\"rx_bytes\":3,\"tx_frames\":4,\"tx_bytes\":5,\"drops\":6,\"losses\":7}";
    written(
        Reply::Ports(PortsReply { ports: vec![port, upstream] }),
        &[
            "{\"ports\":{\"ports\":[",
            head,
            "\"role\":\"client\",\"link\":\"up\",\"outage\":null,\"mac\":\"02:00:00:00:00:01\",\"address\":\"10.1.0.1/24\",",
            "\"querier\":{\"role\":\"non-querier\",\"address\":\"10.1.0.9\",\"next_query_s\":null,",
            "\"takeover_s\":200.0},\"last_query\":null,\"policies\":{\"ignore-v1\":\"true\"},\"groups\":1,\"max_groups\":9,",
            tail,
            ",",
            head,
            "\"role\":\"upstream\",\"link\":\"down\",\"outage\":\"gone\",\"mac\":\"02:00:00:00:00:01\",\"address\":null,\"querier\":null,",
            "\"last_query\":{\"source\":\"10.0.0.254\",\"version\":3,\"age_s\":1.5},\"policies\":{},\"groups\":1,\"max_groups\":null,",
            tail,
            "]}}",
        ],
    );
}

#[test]
fn counters() {
    let map = |name: &str, n| BTreeMap::from([(name.to_owned(), n)]);
    let port = PortCounters {
        port: "wan".to_owned(),
        frames: map("rx-frames", 9),
        drops: map("no-member", 1),
        losses: map("rx-missed", 5),
        igmp_received: map("query", 2),
        igmp_sent: map("v2-report", 3),
        verdicts: map("taken", 4),
    };
    written(
        Reply::Counters(CountersReply { ports: vec![port] }),
        &[
            "{\"counters\":{\"ports\":[{\"port\":\"wan\",\"frames\":{\"rx-frames\":9},\"drops\":{\"no-member\":1},\"losses\":{\"rx-missed\":5},\"igmp_received\":{\"query\":2},",
            "\"igmp_sent\":{\"v2-report\":3},\"verdicts\":{\"taken\":4}}]}}",
        ],
    );
}

#[test]
fn workers() {
    let span = WorkerSpan {
        span_s: 2.0,
        busy_s: 0.5,
        passes: 9,
        busy_passes: 4,
        frames: 5,
        cycles_per_frame: Some(40.5),
        longest_pass_us: 12.5,
        long_passes: 1,
    };
    let worker = WorkerView {
        worker: 0,
        core: 3,
        node: None,
        rx_queues: 2,
        total: span,
        recent: WorkerSpan { frames: 0, cycles_per_frame: None, ..span },
        bursts: vec![BurstFill { from: 2, to: 3, bursts: 7 }],
    };
    assert_eq!(span.busy_share(), 0.25);
    assert_eq!(WorkerSpan::default().busy_share(), 0.0);
    written(
        Reply::Workers(WorkersReply { workers: vec![worker] }),
        &[
            "{\"workers\":{\"workers\":[{\"worker\":0,\"core\":3,\"node\":null,\"rx_queues\":2,",
            "\"total\":{\"span_s\":2.0,\"busy_s\":0.5,\"passes\":9,\"busy_passes\":4,\"frames\":5,\"cycles_per_frame\":40.5,",
            "\"longest_pass_us\":12.5,\"long_passes\":1},",
            "\"recent\":{\"span_s\":2.0,\"busy_s\":0.5,\"passes\":9,\"busy_passes\":4,\"frames\":0,\"cycles_per_frame\":null,",
            "\"longest_pass_us\":12.5,\"long_passes\":1},",
            "\"bursts\":[{\"from\":2,\"to\":3,\"bursts\":7}]}]}}",
        ],
    );
}

#[test]
fn status() {
    let status = StatusReply {
        version: "0.1.0".to_owned(),
        instance: "main".to_owned(),
        pid: 7,
        uptime_s: 1.5,
        enabled: true,
        upstream: Some("wan".to_owned()),
        ports: 3,
        groups: 2,
        max_groups: 16_384,
        workers: 1,
        hugepages: false,
        mbufs: MbufView { size: 8191, in_use: 96 },
        no_room: 3,
        revision: 9,
        record: Some(RecordView { path: "/r".to_owned(), ended: Some("why".to_owned()) }),
        warnings: vec!["w".to_owned()],
    };
    written(
        Reply::Status(status),
        &[
            "{\"status\":{\"version\":\"0.1.0\",\"instance\":\"main\",\"pid\":7,\"uptime_s\":1.5,\"enabled\":true,",
            "\"upstream\":\"wan\",\"ports\":3,\"groups\":2,\"max_groups\":16384,\"workers\":1,\"hugepages\":false,",
            "\"mbufs\":{\"size\":8191,\"in_use\":96},\"no_room\":3,\"revision\":9,\"record\":{\"path\":\"/r\",\"ended\":\"why\"},\"warnings\":[\"w\"]}}",
        ],
    );
}

#[test]
fn explanations() {
    let reply = ExplainReply {
        group: "239.2.2.2".parse().unwrap(),
        port: Some("hall-a".to_owned()),
        dark: None,
        verdict: "v".to_owned(),
        cure: None,
        lit: vec!["hall-b".to_owned()],
        fault: Some(0),
        checks: vec![Check {
            topic: Topic::Upstream,
            port: None,
            ok: Some(false),
            finding: Finding::SilentV3,
            values: [("waited_s".to_owned(), "1.5".to_owned())].into(),
            text: "t".to_owned(),
            cure: Some("c".to_owned()),
        }],
        watching: true,
    };
    written(
        Reply::Explain(reply),
        &[
            "{\"explain\":{\"group\":\"239.2.2.2\",\"port\":\"hall-a\",\"dark\":null,\"verdict\":\"v\",\"cure\":null,",
            "\"lit\":[\"hall-b\"],\"fault\":0,\"checks\":[{\"topic\":\"upstream\",\"port\":null,\"ok\":false,",
            "\"finding\":\"silent-v3\",\"values\":{\"waited_s\":\"1.5\"},\"text\":\"t\",\"cure\":\"c\"}],\"watching\":true}}",
        ],
    );
}

#[test]
fn changes() {
    let reply = ChangedReply {
        revision: 9,
        applied: vec!["a".to_owned()],
        restart: vec![],
        switch_ms: Some(1.5),
        removal_us: None,
        warnings: vec!["w".to_owned()],
    };
    written(
        Reply::Changed(reply),
        &[
            "{\"changed\":{\"revision\":9,\"applied\":[\"a\"],\"restart\":[],\"switch_ms\":1.5,\"removal_us\":null,\"warnings\":[\"w\"]}}",
        ],
    );
}

#[test]
fn errors() {
    let error = ErrorReply::new(ErrorKind::Conflict, "a \"b\"\n", "c");
    written(
        Reply::Error(error),
        &["{\"error\":{\"kind\":\"conflict\",\"message\":\"a \\\"b\\\"\\n\",\"cure\":\"c\"}}"],
    );
    let problem = ProblemView {
        place: Some("x:1:2".to_owned()),
        port: Some("hall-a".to_owned()),
        key: None,
        message: "m".to_owned(),
        cure: "c".to_owned(),
    };
    let key = Some("k".to_owned());
    let bare = ProblemView { place: None, port: None, key, cure: String::new(), ..problem.clone() };
    let error = ErrorReply::new(ErrorKind::Invalid, "m", "c").with_problems(vec![problem, bare]);
    written(
        Reply::Error(error),
        &[
            "{\"error\":{\"kind\":\"invalid\",\"message\":\"m\",\"cure\":\"c\",\"details\":[\"x:1:2: m; c\",\"m\"],",
            "\"problems\":[{\"place\":\"x:1:2\",\"port\":\"hall-a\",\"key\":null,\"message\":\"m\",\"cure\":\"c\"},",
            "{\"place\":null,\"port\":null,\"key\":\"k\",\"message\":\"m\",\"cure\":\"\"}]}}",
        ],
    );
}

#[test]
fn a_reply_above_the_bound_becomes_an_error() {
    let port = PortCounters { port: "x".repeat(api::MAX_REPLY_LINE), ..PortCounters::default() };
    let line = Reply::Counters(CountersReply { ports: vec![port] }).to_line();
    assert!(
        line.starts_with("{\"error\":{\"kind\":\"too-long\",\"message\":\"the reply has 671"),
        "{}",
        &line[..80]
    );
    assert!(line.len() < 300);
}

#[test]
fn a_group_that_is_none_does_not_read() {
    let line =
        b"{\"groups\":{\"groups\":[{\"group\":\"10.0.0.1\",\"members\":[],\"upstream\":{\"joined\":false,\
                 \"last_report_s\":null},\"frames\":0,\"bytes\":0}]}}";
    assert!(Reply::parse(line).unwrap_err().starts_with("`10.0.0.1` is not a multicast group"));
}

#[test]
fn seconds_are_whole_milliseconds() {
    assert_eq!(seconds(Duration::from_nanos(1_234_567_890)).to_string(), "1.234");
    assert_eq!(seconds(Duration::from_millis(100)).to_string(), "0.1");
    assert_eq!(seconds(Duration::ZERO), 0.0);
}

#[test]
fn words_are_what_the_fields_have() {
    fn word(value: impl serde::Serialize) -> String {
        serde_json::to_string(&value).unwrap().replace('"', "")
    }
    use MemberState::{CheckingMembership, MembersPresent, Static, V1MembersPresent};
    for state in [MembersPresent, V1MembersPresent, CheckingMembership, Static] {
        assert_eq!(word(state), state.name());
    }
    use Topic::{Allowed, Arriving, Asked, Dropped, Leaving, Proxy, Querier, Upstream};
    for topic in [Proxy, Allowed, Asked, Querier, Upstream, Arriving, Dropped, Leaving] {
        assert_eq!(word(topic), topic.name());
    }
    for role in [PortRole::Upstream, PortRole::Client] {
        assert_eq!(word(role), role.name());
    }
    for link in [LinkState::Up, LinkState::Down] {
        assert_eq!(word(link), link.name());
    }
    for held_back in [HeldBack::NoRoom, HeldBack::NoCarrier, HeldBack::NotQuerier] {
        assert_eq!(word(held_back), held_back.name());
    }
    for role in [QuerierRole::Querier, QuerierRole::NonQuerier, QuerierRole::Silent] {
        assert_eq!(word(role), role.name());
    }
    use ErrorKind::{
        BadRequest, Busy, Conflict, Denied, Failed, Invalid, Late, NotFound, TooLong, Unavailable,
    };
    for kind in [BadRequest, Denied, NotFound, Invalid, Conflict, Busy, Late, Unavailable, Failed, TooLong] {
        assert_eq!(word(kind), kind.name());
    }
}
