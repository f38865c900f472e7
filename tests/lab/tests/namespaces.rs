//! The lab itself, on real namespaces: what it shows must be what was on the wire. The kernel's bridge stands
//! in for Manifold.

use lab::{AccessNet, Capture, Frame, Host, Lab, LabError, Process, Receiver, Sender, UdpChecksum, compare};
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
