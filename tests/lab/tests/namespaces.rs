//! The lab itself, on real namespaces: what it shows must be what was on the wire. The kernel's bridge stands
//! in for Manifold.

use lab::{
    AccessNet, BridgeQuerier, Capture, Frame, FrameSender, Host, Lab, LabError, Process, Receiver, Sender,
    UdpChecksum, compare,
};
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use types::GroupAddr;

const PORT: u16 = 5004;
const SECOND: Duration = Duration::from_secs(1);
const SOON: Duration = Duration::from_secs(5);

fn lab() -> Lab {
    Lab::with_helper(Path::new(env!("CARGO_BIN_EXE_lab-helper"))).unwrap()
}

fn group() -> GroupAddr {
    "239.2.2.2".parse().unwrap()
}

/// A bridge whose uplink ends in a source host.
fn source_behind_a_bridge(lab: &Lab) -> (AccessNet, Host) {
    let far = lab.netns("source").unwrap();
    let net = AccessNet::new(lab, "acc", (&far, "eth0")).unwrap();
    let address = "10.1.0.1/24".parse().unwrap();
    far.address("eth0", address).unwrap();
    (net, Host::existing("source", far, address))
}

fn namespaces_of(lab_prefix: &str) -> usize {
    let list = Command::new("ip").args(["netns", "list"]).output().unwrap();
    String::from_utf8(list.stdout).unwrap().lines().filter(|line| line.starts_with(lab_prefix)).count()
}

#[test]
fn a_stream_is_sent_received_and_captured_whole() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let viewer = net.host(&lab, "viewer", "10.1.0.4/24".parse().unwrap()).unwrap();
    let mut near = Capture::start(source.netns(), source.interface(), 128).unwrap();
    let mut far = Capture::start(viewer.netns(), viewer.interface(), 128).unwrap();
    let mut receiver = Receiver::join(&lab, &viewer, (group(), PORT)).unwrap();
    let start = lab::now();
    let sender = Sender::start(&lab, &source, (group(), PORT), 16, 1_000).unwrap();
    let data = |frame: &Frame| frame.is_data_to(group().addr());
    near.wait_for("500 datagrams", start, SOON, |f| f.udp().and_then(|u| u.number) == Some(499)).unwrap();
    let elapsed = (lab::now() - start).as_millis();
    let sent = sender.stop().unwrap().sent;
    far.wait_for("the last", start, SOON, |f| f.udp().and_then(|u| u.number) == Some(sent - 1)).unwrap();

    assert!(elapsed >= 499, "500 datagrams at 1,000/s took {elapsed} ms");
    let (near_frames, far_frames) = (near.select(data), far.select(data));
    assert_eq!(near_frames.len() as u64, sent);
    assert_eq!(compare::once_each(&near_frames, source.mac().unwrap()), Ok(()));
    assert_eq!(compare::once_each(&far_frames, source.mac().unwrap()), Ok(()));
    assert_eq!(far_frames.len() as u64, sent);
    // A bridge is not a router: the comparison must say so.
    let verdict = compare::compare(&near_frames, &far_frames, source.mac().unwrap());
    assert_eq!(verdict.unwrap_err(), "datagram 0: TTL is not one less");
    assert!(far_frames.iter().all(|f| f.udp().unwrap().checksum == UdpChecksum::Good));
    let summary = receiver.summary().unwrap();
    assert!(summary.is_perfect(), "{summary:?}");
    assert_eq!((summary.first, summary.last, summary.received), (Some(0), Some(sent - 1), sent));
    assert_eq!(near.stop().unwrap().missed, 0);
    assert!(far.stop().unwrap().frames as u64 >= sent);
}

#[test]
fn hosts_speak_the_version_they_are_told_and_leave() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let wire = Capture::start(source.netns(), source.interface(), 128).unwrap();
    let start = lab::now();
    for (version, kind) in [(1, 0x12), (2, 0x16)] {
        let name = format!("v{version}");
        let host = net.host(&lab, &name, format!("10.1.0.1{version}/24").parse().unwrap()).unwrap();
        host.force_igmp_version(version).unwrap();
        let since = lab::now();
        let receiver = Receiver::join(&lab, &host, (group(), PORT)).unwrap();
        let report = wire.wait_for("report", since, SOON, |f| f.is_igmp(kind, group().addr())).unwrap();
        assert_eq!(report.ip.as_ref().unwrap().source, host.address().addr());
        assert_eq!(receiver.leave().unwrap().received, 0);
    }
    wire.wait_for("leave", start, SOON, |f| f.is_igmp(0x17, group().addr())).unwrap();
    assert!(matches!(
        wire.wait_for("nothing", lab::now(), Duration::from_millis(100), |_| true),
        Err(LabError::Timeout { .. })
    ));
}

#[test]
fn a_host_cut_off_gets_nothing_and_the_uplink_notices_nothing() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let viewer = net.host(&lab, "viewer", "10.1.0.4/24".parse().unwrap()).unwrap();
    let mut receiver = Receiver::join(&lab, &viewer, (group(), PORT)).unwrap();
    let uplink = Capture::start(net.netns(), net.uplink(), 128).unwrap();
    let _sender = Sender::start(&lab, &source, (group(), PORT), 16, 1_000).unwrap();
    let data = |frame: &Frame| frame.is_data_to(group().addr());
    uplink.wait_for("stream", lab::now(), SOON, data).unwrap();
    net.cut_off(&viewer).unwrap();
    // What its socket already holds is read first.
    lab::stop::pause(SECOND / 10).unwrap();
    let before = receiver.summary().unwrap();
    let silence = lab::now();
    let on_uplink = uplink.between(silence, silence + SECOND / 2, data).unwrap();
    assert!(on_uplink.len() > 400, "{} frames", on_uplink.len());
    assert_eq!(receiver.summary().unwrap(), before);
    let carrier = source.netns().run("cat", &["/sys/class/net/eth0/carrier"]).unwrap();
    assert_eq!(carrier.trim(), "1");
    net.reconnect(&viewer).unwrap();
    lab::stop::poll(SOON, || Ok((receiver.summary()?.received > before.received).then_some(())))
        .unwrap()
        .expect("the stream is back");
}

#[test]
fn a_bridge_asks_as_it_is_told_and_falls_silent() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let wire = Capture::start(source.netns(), source.interface(), 128).unwrap();
    // A query of each version is as long as its RFC says, with the Max Resp of a second.
    for (version, length) in [(2, 8), (3, 12)] {
        let since = lab::now();
        net.start_querier(&BridgeQuerier::brisk(version, "10.1.0.9/24".parse().unwrap())).unwrap();
        let is_query = |f: &Frame| f.is_igmp(0x11, Ipv4Addr::UNSPECIFIED);
        let query = wire.wait_for("a query", since, SOON, is_query).unwrap();
        assert_eq!(query.ip.as_ref().unwrap().source, Ipv4Addr::new(10, 1, 0, 9));
        let igmp = query.igmp().unwrap();
        assert_eq!((igmp.len, igmp.code), (length, 10), "version {version}");
    }
    // Told to be silent it is: the interval goes by without a query.
    net.stop_querier().unwrap();
    let silent = lab::now();
    lab::stop::pause(2 * SECOND).unwrap();
    let after = wire.between(silent, lab::now(), |f| f.igmp().is_some_and(|i| i.kind == 0x11)).unwrap();
    assert_eq!(after.len(), 0);
}

#[test]
fn isolated_hosts_hear_the_router_and_not_each_other() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let hosts = [("one", "10.1.0.4/24"), ("two", "10.1.0.5/24")]
        .map(|(name, address)| net.host(&lab, name, address.parse().unwrap()).unwrap());
    hosts.iter().for_each(|host| net.isolate(host).unwrap());
    let [near, far] =
        [&source, &hosts[1]].map(|host| Capture::start(host.netns(), host.interface(), 128).unwrap());
    let since = lab::now();
    // Where other messages have a group, this one says that it has one record.
    let is_report = |f: &Frame| f.is_igmp(0x22, Ipv4Addr::new(0, 0, 0, 1));
    let _viewer = Receiver::join(&lab, &hosts[0], (group(), PORT)).unwrap();
    near.wait_for("a report", since, SOON, is_report).unwrap();
    assert_eq!(far.between(since, lab::now(), is_report).unwrap().len(), 0);
    let _sender = Sender::start(&lab, &source, (group(), PORT), 16, 100).unwrap();
    far.wait_for("the stream", since, SOON, |f| f.is_data_to(group().addr())).unwrap();
}

#[test]
fn a_flood_is_so_many_frames_in_turn() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let wire = Capture::start(net.netns(), net.uplink(), 128).unwrap();
    let frames = [1, 2, 3].map(|n| [&[0xff; 6][..], &[2, 0, 0, 0, 0, n], &[0x88, 0xb5], &[n; 50]].concat());
    let sender = FrameSender::start(&lab, &source).unwrap();
    let (mut sender, flooded) = sender.flood(&frames, 1_000, 50_000).unwrap().finish().unwrap();
    assert_eq!(flooded.bytes, 1_000 * 64);
    sender.send(&frames[2]).unwrap();
    let ours = |f: &Frame| f.ether_type == 0x88b5;
    let all = || Ok((wire.select(ours).len() == 1_001).then_some(()));
    lab::stop::poll(SOON, all).unwrap().expect("each once");
    let turns: Vec<_> = wire.select(ours).iter().map(|f| f.source.octets()[5]).collect();
    assert!(turns[..1_000].iter().zip([1, 2, 3].into_iter().cycle()).all(|(got, wanted)| *got == wanted));
}

#[test]
fn captures_keep_heads_and_save_them() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let wire = Capture::start(net.netns(), net.uplink(), 60).unwrap();
    let _sender = Sender::start(&lab, &source, (group(), PORT), 16, 200).unwrap();
    let frame = wire.wait_for("stream", lab::now(), SOON, |f| f.is_data_to(group().addr())).unwrap();
    assert_eq!((frame.head.len(), frame.wire_len), (60, 14 + 28 + 1316));
    let path = lab.scratch().join("wire.pcap");
    wire.save(&path).unwrap();
    let file = std::fs::File::open(path).unwrap();
    let mut reader = pcap_file::pcap::PcapReader::new(file).unwrap();
    let first = wire.select(|_| true).remove(0);
    let packet = reader.next_packet().unwrap().unwrap();
    assert_eq!((&*packet.data, packet.orig_len as usize), (&first.head[..], first.wire_len));
    assert_eq!(packet.timestamp.as_nanos() as u64, first.at.as_nanos());
}

#[test]
fn a_capture_of_nothing_says_why() {
    let lab = lab();
    let ns = lab.netns("empty").unwrap();
    let why = Capture::start(&ns, "eth7", 128).unwrap_err().to_string();
    assert!(why.contains("eth7") && why.contains("No such device"), "{why}");
}

#[test]
fn a_dropped_lab_leaves_nothing_behind() {
    let lab = lab();
    let (net, _source) = source_behind_a_bridge(&lab);
    let prefix = lab.prefix().to_owned();
    let scratch = lab.scratch().to_owned();
    assert_eq!(namespaces_of(&prefix), 2);
    let mut forgotten = Process::spawn(net.netns().command("sleep").arg("60"), "sleep").unwrap();
    drop(lab);
    assert_eq!(namespaces_of(&prefix), 0);
    assert!(!scratch.exists());
    assert!(!forgotten.wait(SOON).unwrap().success(), "killed, not slept through");
}

#[test]
fn what_a_dead_run_left_is_removed_by_the_next() {
    // No process has id 4194305: the kernel's largest is 4194304.
    let left = "mflab-4194305-1-0-source";
    assert!(Command::new("ip").args(["netns", "add", left]).status().unwrap().success());
    let scratch = std::env::temp_dir().join("mflab-4194305-1-0");
    std::fs::create_dir_all(&scratch).unwrap();
    let other = lab();
    let kept = other.netns("kept").unwrap();
    let lab = lab();
    assert_eq!(namespaces_of(left), 0);
    assert!(!scratch.exists());
    assert_eq!(namespaces_of(kept.name()), 1, "a run that lives keeps its own");
    assert_ne!(lab.prefix(), other.prefix());
}

#[test]
fn addresses_are_where_they_were_put() {
    let lab = lab();
    let (net, source) = source_behind_a_bridge(&lab);
    let host = net.host(&lab, "one", "10.1.0.7/24".parse().unwrap()).unwrap();
    let shown = host.netns().ip("-o -4 addr show dev eth0").unwrap();
    assert!(shown.contains("10.1.0.7/24"), "{shown}");
    assert_ne!(host.mac().unwrap(), source.mac().unwrap());
    assert_eq!(host.address().addr(), Ipv4Addr::new(10, 1, 0, 7));
}
