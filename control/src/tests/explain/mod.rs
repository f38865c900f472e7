//! Why a channel is dark: made-up faults, each from the first question to the verdict.

mod frames;
mod state;

use std::net::Ipv4Addr;
use std::time::Duration;

use api::{Check, ExplainReply, Reply, Request, Topic};
use forwarding::MAX_WATCHED;
use igmp::wire::{Outgoing, emit};
use settings::Sources;
use types::{DropReason, GroupAddr, MacAddr};

use super::bench::{A, B, Bench, Plan, WAN, group, nth_group, port};
use crate::PortRole;

const CHANNEL: &str = "239.2.2.2";
const SENDER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0x77]);

/// A datagram of the channel, as its sender sends it.
#[derive(Clone, Copy)]
struct Datagram {
    source: [u8; 4],
    ttl: u8,
    payload: usize,
    /// What is added to the right UDP checksum, or the pseudo-header's sum in its place.
    checksum: Checksum,
    /// The IPv4 flags and offset.
    fragment: u16,
    tagged: bool,
}

#[derive(Clone, Copy)]
enum Checksum {
    Right,
    Wrong,
    Unfinished,
}

const PLAIN: Datagram = Datagram {
    source: [10, 0, 0, 77],
    ttl: 9,
    payload: 1316,
    checksum: Checksum::Right,
    fragment: 0,
    tagged: false,
};

impl Datagram {
    fn frame(self) -> Vec<u8> {
        let to = group(CHANNEL);
        let udp_len = 8 + self.payload as u16;
        let mut udp = [&[0x30, 0, 0x30, 0][..], &udp_len.to_be_bytes(), &[0, 0]].concat();
        udp.extend((0..self.payload).map(|i| i as u8));
        let pseudo = [&self.source[..], &to.addr().octets(), &[0, 17], &udp_len.to_be_bytes()].concat();
        let checksum = match self.checksum {
            Checksum::Right => !sum(&[&pseudo[..], &udp].concat()),
            Checksum::Wrong => !sum(&[&pseudo[..], &udp].concat()) ^ 0x0101,
            Checksum::Unfinished => sum(&pseudo),
        };
        udp[6..8].copy_from_slice(&checksum.to_be_bytes());
        let mut ip = [&[0x45, 0][..], &(20 + udp_len).to_be_bytes(), &[0, 1]].concat();
        ip.extend(self.fragment.to_be_bytes());
        ip.extend([self.ttl, 17, 0, 0]);
        ip.extend(self.source);
        ip.extend(to.addr().octets());
        let checksum = !sum(&ip);
        ip[10..12].copy_from_slice(&checksum.to_be_bytes());
        let tag: &[u8] = if self.tagged { &[0x81, 0, 0, 7] } else { &[] };
        [&to.mac().octets()[..], &SENDER.octets(), tag, &[8, 0], &ip, &udp].concat()
    }
}

fn sum(bytes: &[u8]) -> u16 {
    let pairs =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | pair.get(1).copied().map_or(0, u32::from));
    let sum: u32 = pairs.sum();
    let sum = (sum >> 16) + (sum & 0xffff);
    ((sum >> 16) + sum) as u16
}

fn ask(bench: &mut Bench, port: Option<&str>) -> ExplainReply {
    ask_about(bench, group(CHANNEL), port)
}

fn ask_about(bench: &mut Bench, group: GroupAddr, port: Option<&str>) -> ExplainReply {
    match bench.ask(Request::Explain { group, port: port.map(str::to_owned) }) {
        Reply::Explain(reply) => consistent(reply),
        other => panic!("{other:?}"),
    }
}

/// What programs are told is what people are told.
#[track_caller]
fn consistent(reply: ExplainReply) -> ExplainReply {
    let fault = reply.fault.map(|place| &reply.checks[place as usize]);
    assert_eq!(reply.dark == Some(true), reply.lit.is_empty(), "{reply:#?}");
    assert!(reply.lit.iter().all(|port| reply.verdict.contains(port)), "{reply:#?}");
    if let Some(fault) = fault {
        assert!(fault.ok == Some(false) && reply.verdict.ends_with(&fault.text), "{reply:#?}");
        assert_eq!(fault.cure, reply.cure, "{reply:#?}");
    } else {
        assert!(reply.dark != Some(true), "{reply:#?}");
    }
    for Check { values, text, .. } in &reply.checks {
        // Every word and figure comes from the same place as in the text; what a text leaves out stands here alone.
        let beside = ["device", "source", "mac", "mtu", "v1_host", "fragments", "blocks", "rate", "since_s"];
        let told = values.iter().filter(|(name, _)| !beside.contains(&name.as_str()));
        told.for_each(|(name, value)| assert!(text.contains(value), "{name} = {value}: {text}"));
    }
    reply
}

/// Asks, lets `frames` come in over a second and a half, and asks again, as `manifoldctl` does.
fn explained(bench: &mut Bench, port: Option<&str>, frames: &[(usize, Datagram)]) -> ExplainReply {
    assert!(ask(bench, port).watching, "nothing is known of frames yet");
    for (ingress, datagram) in frames {
        bench.worker(*ingress, datagram.frame());
        bench.run(Duration::from_millis(1));
    }
    bench.run(Duration::from_millis(1500));
    let reply = ask(bench, port);
    assert!(!reply.watching);
    assert!(reply.checks.is_sorted_by_key(|check| check.topic), "{reply:#?}");
    reply
}

/// The verdict and its cure.
#[track_caller]
fn dark(reply: &ExplainReply, verdict: &str, cure: &str) {
    assert_eq!((reply.verdict.as_str(), reply.cure.as_deref()), (verdict, Some(cure)), "{reply:#?}");
    assert_eq!(reply.dark, Some(true));
}

#[track_caller]
fn lit(reply: &ExplainReply, verdict: &str) {
    assert_eq!((reply.verdict.as_str(), reply.dark), (verdict, Some(false)), "{reply:#?}");
}

/// What the topic's checks found, one line each: `ok hall-a: ...`.
fn found(reply: &ExplainReply, topic: Topic) -> Vec<String> {
    let line = |check: &Check| {
        let sign = check.ok.map_or("-", |ok| if ok { "ok" } else { "no" });
        format!("{sign} {}: {}", check.port.as_deref().unwrap_or("*"), check.text)
    };
    reply.checks.iter().filter(|check| check.topic == topic).map(line).collect()
}

/// A bench on which hall-a has asked for the channel.
fn joined(plan: Plan) -> Bench {
    let mut bench = Bench::new(plan);
    bench.join(A, group(CHANNEL));
    bench.run(Duration::from_secs(60));
    bench
}

/// The provider's router asks everybody; version 3 when `v3`.
fn provider_asks(bench: &mut Bench, v3: bool) {
    let source = Ipv4Addr::new(10, 0, 0, 254);
    let frame = emit(Outgoing::GeneralQuery { max_resp_ds: 100 }, SENDER, source, 0).as_slice().to_vec();
    let frame = if v3 { as_version_3(frame) } else { frame };
    bench.receive(WAN, &frame);
    bench.run(Duration::from_secs(11));
}

/// The same query with the four bytes more that a version 3 one has (RFC 9776, section 4.1).
fn as_version_3(frame: Vec<u8>) -> Vec<u8> {
    let igmp = [&frame[IGMP..], &[2, 125, 0, 0]].concat();
    with_igmp(frame, igmp)
}

/// A version 3 report of one record for the channel (RFC 9776, section 4.2).
fn v3_report(kind: u8, sources: &[[u8; 4]]) -> Vec<u8> {
    let all_routers = GroupAddr::ALL_V3_ROUTERS;
    let mut frame =
        emit(Outgoing::ReportV2(all_routers), SENDER, Ipv4Addr::new(10, 1, 0, 9), 0).as_slice().to_vec();
    frame[30..34].copy_from_slice(&all_routers.addr().octets());
    let head =
        [&[0x22, 0, 0, 0, 0, 0, 0, 1, kind, 0, 0, sources.len() as u8][..], &group(CHANNEL).addr().octets()];
    with_igmp(frame, [head.concat(), sources.concat()].concat())
}

/// Where IGMP begins behind a header with Router Alert.
const IGMP: usize = 14 + 24;

/// The frame with another IGMP message in it, and with the lengths and checksums of that.
fn with_igmp(mut frame: Vec<u8>, mut igmp: Vec<u8>) -> Vec<u8> {
    igmp[2..4].fill(0);
    let checksum = !sum(&igmp);
    igmp[2..4].copy_from_slice(&checksum.to_be_bytes());
    frame.truncate(IGMP);
    let total = (IGMP - 14 + igmp.len()) as u16;
    frame[16..18].copy_from_slice(&total.to_be_bytes());
    frame[24..26].fill(0);
    let checksum = !sum(&frame[14..IGMP]);
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    [frame, igmp].concat()
}

fn client_settings(plan: &mut Plan, index: usize) -> &mut igmp::ClientPortSettings {
    match &mut plan.ports[index].role {
        PortRole::Client(settings) => settings,
        PortRole::Upstream(_) => panic!("no client port"),
    }
}
