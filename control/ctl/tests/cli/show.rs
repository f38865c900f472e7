//! `manifoldctl show`, and what all commands have in common.

use std::collections::BTreeMap;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use api::{
    BurstFill, CountersReply, ErrorKind, ErrorReply, GroupView, GroupsReply, HeldBack, LinkState, MbufView,
    MemberState, MemberView, Outage, PortCounters, PortRole, PortView, PortsReply, QuerierRole, QuerierView,
    QueryView, RecordView, Reply, Request, StatusReply, UpstreamView, WorkerSpan, WorkerView, WorkersReply,
};
use tempfile::TempDir;

use super::{ctl, golden, server, shown};

fn member(port: &str, version: u8, host: u8, age_s: f64, state: MemberState) -> MemberView {
    let last_reporter = (host > 0).then(|| Ipv4Addr::new(10, 1, 0, host));
    let expires_s = (host > 0).then_some(252.0 - age_s / 1e3);
    MemberView { port: port.to_owned(), version, last_reporter, age_s, expires_s, state, held_back: None }
}

fn groups() -> GroupsReply {
    let group = |group: &str, members, joined, frames| GroupView {
        group: group.parse().unwrap(),
        members,
        upstream: UpstreamView { joined, last_report_s: joined.then_some(3.5) },
        frames,
        bytes: frames * 1358,
        filtered: frames / 1_000_000,
    };
    GroupsReply {
        // Not in the order that is shown: 239.2.2.10 comes after 239.2.2.2.
        groups: vec![
            group(
                "239.2.2.10",
                vec![member("hall-a", 1, 3, 90_061.0, MemberState::V1MembersPresent)],
                true,
                7,
            ),
            group(
                "239.2.2.2",
                vec![
                    member("hall-b", 2, 4, 4.25, MemberState::CheckingMembership),
                    MemberView {
                        held_back: Some(HeldBack::NotQuerier),
                        ..member("hall-a", 3, 0, 65.0, MemberState::Static)
                    },
                ],
                true,
                1_234_567,
            ),
            group("239.9.9.9", vec![], false, 0),
        ],
    }
}

fn ports() -> PortsReply {
    let wan = PortView {
        name: "wan".to_owned(),
        device: "0000:3b:00.0".to_owned(),
        driver: "net_ice".to_owned(),
        role: PortRole::Upstream,
        link: LinkState::Up,
        outage: None,
        mac: "02:00:00:00:00:01".parse().unwrap(),
        address: Some("10.0.0.2/24".parse().unwrap()),
        querier: None,
        last_query: Some(QueryView { source: Ipv4Addr::new(10, 0, 0, 254), version: 3, age_s: 12.5 }),
        policies: BTreeMap::new(),
        groups: 2,
        max_groups: None,
        rx_frames: 1_234_567,
        rx_bytes: 1_676_542_000,
        tx_frames: 12,
        tx_bytes: 720,
        drops: 0,
        losses: 120,
    };
    let querier = |role, address, next_query_s, takeover_s| {
        Some(QuerierView { role, address: Some(address), next_query_s, takeover_s })
    };
    let policies = [("fast-leave", "\"tracked\""), ("access", "[\"deny 239.9.0.0/16\"]")];
    let hall_a = PortView {
        name: "hall-a".to_owned(),
        device: "eth1".to_owned(),
        driver: "net_af_packet".to_owned(),
        role: PortRole::Client,
        querier: querier(QuerierRole::Querier, Ipv4Addr::new(10, 1, 0, 1), Some(31.25), None),
        last_query: None,
        policies: policies.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        max_groups: Some(5_461),
        address: Some("10.1.0.1/24".parse().unwrap()),
        drops: 1_003,
        losses: 0,
        ..wan.clone()
    };
    let hall_b = PortView {
        name: "hall-b".to_owned(),
        device: "eth2".to_owned(),
        link: LinkState::Down,
        querier: querier(QuerierRole::NonQuerier, Ipv4Addr::new(10, 2, 0, 1), None, Some(251.0)),
        policies: [("igmp-version".to_owned(), "1".to_owned())].into(),
        address: None,
        ..hall_a.clone()
    };
    PortsReply { ports: vec![wan, hall_a, hall_b] }
}

fn counters() -> CountersReply {
    let map = |pairs: &[(&str, u64)]| -> BTreeMap<String, u64> {
        pairs.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
    };
    let wan = PortCounters {
        port: "wan".to_owned(),
        frames: map(&[("rx-frames", 1_234_567), ("tx-frames", 0)]),
        drops: map(&[("no-member", 1_003), ("runt", 0)]),
        losses: map(&[("rx-missed", 120), ("tx-errors", 0)]),
        igmp_received: map(&[("query", 4)]),
        igmp_sent: map(&[("leave", 0), ("v2-report", 3)]),
        verdicts: map(&[("taken", 4)]),
    };
    let idle =
        PortCounters { port: "hall-a".to_owned(), drops: map(&[("runt", 0)]), ..PortCounters::default() };
    CountersReply { ports: vec![wan, idle] }
}

fn status() -> StatusReply {
    StatusReply {
        version: "0.1.0".to_owned(),
        instance: "main".to_owned(),
        pid: 4711,
        uptime_s: 3_725.5,
        enabled: true,
        upstream: Some("wan".to_owned()),
        ports: 3,
        groups: 2,
        max_groups: 16_384,
        workers: 1,
        hugepages: false,
        mbufs: MbufView { size: 8191, in_use: 96 },
        no_room: 3,
        revision: 1_700_000_000_000,
        record: Some(RecordView { path: "/var/r".to_owned(), ended: None }),
        warnings: vec!["manifold.toml:9:1: client port \"hall-b\" has no address".to_owned()],
    }
}

fn workers() -> WorkersReply {
    let worker = |worker, core, busy_s, frames: u64| {
        let recent = WorkerSpan {
            span_s: 4.0,
            busy_s,
            passes: 1_000_000,
            busy_passes: frames / 2,
            frames,
            cycles_per_frame: (frames > 0).then_some(123.45),
            longest_pass_us: 7.25,
            long_passes: 0,
        };
        let total = WorkerSpan {
            span_s: 3_725.5,
            frames: frames * 100,
            longest_pass_us: 4_012.0,
            long_passes: 3,
            ..recent
        };
        let burst = |from, to, bursts| BurstFill { from, to, bursts };
        let bursts = vec![burst(1, 1, frames / 4), burst(2, 3, frames / 8), burst(32, 32, frames)];
        WorkerView { worker, core, node: Some(0), rx_queues: 2, total, recent, bursts }
    };
    WorkersReply { workers: vec![worker(0, 2, 3.8, 4_000_000), worker(1, 3, 0.0, 0)] }
}

fn busy() -> (TempDir, PathBuf) {
    server(|request| match request {
        Request::ShowGroups => Reply::Groups(groups()),
        Request::ShowPorts => Reply::Ports(ports()),
        Request::ShowCounters => Reply::Counters(counters()),
        Request::ShowWorkers => Reply::Workers(workers()),
        Request::ShowStatus => Reply::Status(status()),
        other => Reply::Error(ErrorReply::new(ErrorKind::Busy, other.name(), "wait")),
    })
}

fn idle() -> (TempDir, PathBuf) {
    server(|request| match request {
        Request::ShowGroups => Reply::Groups(GroupsReply::default()),
        Request::ShowPorts => Reply::Ports(PortsReply::default()),
        Request::ShowCounters => Reply::Counters(CountersReply::default()),
        Request::ShowStatus => {
            Reply::Status(StatusReply { enabled: false, upstream: None, warnings: vec![], ..status() })
        }
        other => Reply::Error(ErrorReply::new(ErrorKind::Busy, other.name(), "wait")),
    })
}

#[test]
fn tables_for_people() {
    let (_dir, socket) = busy();
    for what in ["groups", "ports", "counters", "workers", "status"] {
        golden(&format!("{what}.txt"), &shown(&socket, &["show", what]));
    }
    golden("counters-all.txt", &shown(&socket, &["show", "counters", "--all"]));
}

#[test]
fn json_for_programs_is_one_line() {
    let (_dir, socket) = busy();
    for what in ["groups", "ports", "counters", "workers", "status"] {
        let text = shown(&socket, &["show", what, "--json"]);
        assert_eq!(text.find('\n'), Some(text.len() - 1));
        golden(&format!("{what}.json"), &text);
    }
    let text = shown(&socket, &["--json", "--color", "always", "show", "groups"]);
    assert_eq!(serde_json::from_str::<GroupsReply>(&text).unwrap(), groups(), "no colour in JSON");
}

#[test]
fn nothing_to_show_is_said() {
    let (_dir, socket) = idle();
    assert_eq!(shown(&socket, &["show", "groups"]), "no group has a member\n");
    assert_eq!(shown(&socket, &["show", "ports"]), "there is no port\n");
    assert_eq!(shown(&socket, &["show", "counters"]), "every counter is zero\n");
    let status = shown(&socket, &["show", "status"]);
    assert!(status.contains("proxy           off\n"), "{status}");
    assert!(status.contains("provider port   none: nothing is forwarded\n"), "{status}");
    assert_eq!(shown(&socket, &["show", "groups", "--json"]), "{\"groups\":[]}\n");
}

#[test]
fn a_port_that_waits_for_its_interface_says_what_for() {
    let (_dir, socket) = server(|_| {
        let mut reply = ports();
        let why = "a.toml:9: port \"hall-a\": interface `eth1` belongs to `br0`; cure: ip link set dev eth1 nomaster";
        (reply.ports[1].link, reply.ports[1].outage) =
            (LinkState::Down, Some(Outage::Refused(why.to_owned())));
        reply.ports[2].outage = Some(Outage::Gone);
        Reply::Ports(reply)
    });
    golden("outages.txt", &shown(&socket, &["show", "ports"]));
}

#[test]
fn colour_only_where_it_is_wanted() {
    let (_dir, socket) = busy();
    assert!(!shown(&socket, &["show", "ports"]).contains('\x1b'), "not into a pipe");
    let colored = shown(&socket, &["show", "ports", "--color", "always"]);
    assert!(colored.contains("\x1b[31mdown\x1b[0m") && colored.contains("\x1b[32mup\x1b[0m"), "{colored}");
    let plain: String = colored.replace("\x1b[0m", "").split('\x1b').map(strip_code).collect();
    assert_eq!(plain, shown(&socket, &["show", "ports"]), "the columns stand where they stood");
}

/// What follows an escape's `[31m`, or the text before the first escape.
fn strip_code(text: &str) -> &str {
    match text.strip_prefix('[') {
        Some(rest) => rest.split_once('m').unwrap().1,
        None => text,
    }
}

/// Runs on a terminal of script(1), as nothing in the standard library makes one.
fn on_a_terminal(socket: &Path, env: &[(&str, &str)]) -> String {
    let command = format!("{} --socket {} show ports", env!("CARGO_BIN_EXE_manifoldctl"), socket.display());
    let mut script = Command::new("script");
    script
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::null())
        .env_remove("NO_COLOR")
        .env("TERM", "xterm");
    let output = script.envs(env.iter().copied()).output().expect("script(1), of every Linux system");
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_terminal_gets_colour_unless_no_color_is_set() {
    let (_dir, socket) = busy();
    assert!(on_a_terminal(&socket, &[]).contains("\x1b[31mdown"));
    assert!(!on_a_terminal(&socket, &[("NO_COLOR", "1")]).contains('\x1b'));
    assert!(on_a_terminal(&socket, &[("NO_COLOR", "")]).contains('\x1b'), "empty is not set (no-color.org)");
    assert!(!on_a_terminal(&socket, &[("TERM", "dumb")]).contains('\x1b'));
}

#[test]
fn no_answer_is_exit_1_with_the_cure() {
    let dir = tempfile::tempdir().unwrap();
    let output = ctl(&dir.path().join("s"), &["show", "status"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with("manifoldctl: no socket at ") && stderr.contains("systemctl start"),
        "{stderr}"
    );

    let (_dir, socket) =
        server(|_| Reply::Error(ErrorReply::new(ErrorKind::Busy, "it is\x1b[2J too early", "ask later")));
    let output = ctl(&socket, &["show", "status"]).output().unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(1), vec![]));
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "manifoldctl: it is\u{fffd}[2J too early; ask later\n"
    );
}

#[test]
fn a_wrong_command_line_is_exit_2() {
    for args in [&[][..], &["show"], &["show", "everything"], &["show", "groups", "--all"], &["--no-such"]] {
        let output = ctl(Path::new("/nowhere"), args).output().unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(2), vec![]), "{args:?}");
        assert!(!output.stderr.is_empty());
    }
    let help = ctl(Path::new("/nowhere"), &["--help"]).output().unwrap();
    assert_eq!(help.status.code(), Some(0));
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (_dir, socket) = busy();
    let mut child =
        ctl(&socket, &["show", "ports"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), String::from_utf8(output.stderr).unwrap()), (Some(0), String::new()));
}

#[test]
fn a_full_disk_is_an_error() {
    let (_dir, socket) = busy();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = ctl(&socket, &["show", "ports"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.starts_with("manifoldctl: cannot write: No space left"), "{stderr}");
}

#[test]
fn a_record_that_stopped_is_told_with_the_reason() {
    let record =
        RecordView { path: "/var/r".to_owned(), ended: Some("the disk is full; make room".to_owned()) };
    let (_dir, socket) =
        server(move |_| Reply::Status(StatusReply { record: Some(record.clone()), ..status() }));
    let text = shown(&socket, &["show", "status"]);
    assert!(text.contains("/var/r HAS STOPPED: the disk is full; make room"), "{text}");
}
