//! A stream that comes in by as many queues as there are workers, from captures and into captures: each worker's files
//! are compared byte by byte.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use types::MacAddr;

use super::alone::{alone, read_pcap, write_pcap};
use super::crew::{TestCrew, index, serves};
use super::frames::{self, Packet, SOURCE, Station, USER_3, USER_4};

/// Frames that each queue of the provider's port brings, apart from queries.
const FRAMES: usize = 600;
/// Groups that a host asks for, by way of each queue of its port.
const ASKED: u8 = 30;
/// Groups that are asked for and left again, over and over.
const ZAPPED: u8 = 20;
const ZAPS: usize = 12;
/// General Queries that come in by each queue of the provider's port.
const QUERIES: usize = 2;

const HALLS: [(&str, Station); 2] = [("hall-a", USER_4), ("hall-b", USER_3)];
/// Of both halls and the sink from the start.
const SHARED: Ipv4Addr = Ipv4Addr::new(239, 2, 0, 1);
/// Nobody's.
const FOREIGN: Ipv4Addr = Ipv4Addr::new(239, 9, 9, 9);

fn asked(queue: usize, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 3, queue as u8, number)
}

fn zapped(queue: usize, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(239, 4, queue as u8, number)
}

/// Whether the host of `hall` listens to the group in the end.
fn listens(hall: usize, group: Ipv4Addr) -> bool {
    match group.octets() {
        [239, 2, ..] => true,
        [239, 3, _, number] => usize::from(number) % (hall + 2) == 0,
        [239, 4, _, number] => usize::from(number) % 2 == hall,
        _ => false,
    }
}

/// What the host of a hall says by way of one queue: reports, and many a group left and asked for again.
fn said(hall: usize, queue: usize) -> Vec<Vec<u8>> {
    let (_, host) = HALLS[hall];
    let mut said = Vec::new();
    for number in 0..ASKED {
        let group = asked(queue, number);
        if listens(hall, group) {
            said.push(frames::join(host, group));
        }
    }
    for zap in 0..ZAPS {
        for number in 0..ZAPPED {
            let group = zapped(queue, number);
            // By turns, so that the last word is what counts.
            let joins = (ZAPS - 1 - zap).is_multiple_of(2) == listens(hall, group);
            said.push(if joins { frames::join(host, group) } else { frames::leave(host, group) });
        }
    }
    said
}

/// Frame `number` of those that come in by a queue of the provider's port: runs, and groups by turns.
fn data(queue: usize, number: usize) -> Packet {
    let group = match number % 40 {
        0..12 => SHARED,
        12..24 => asked(queue, (number % usize::from(ASKED)) as u8),
        24..34 => zapped(queue, (number / 10 % usize::from(ZAPPED)) as u8),
        34..37 => asked(queue, 0),
        _ => FOREIGN,
    };
    let mut packet = frames::data_packet(SOURCE, group, number as u16);
    packet.payload.splice(8..8, (0..number % 1300).map(|at| (at * 3 + queue) as u8));
    let length = packet.payload.len() as u16;
    // No checksum, which UDP allows.
    packet.payload[4..8].copy_from_slice(&[(length >> 8) as u8, length as u8, 0, 0]);
    if number % 50 == 49 { packet.with(|packet| packet.ttl = 1) } else { packet }
}

/// All that comes in by a queue of the provider's port, queries among it.
fn streamed(queue: usize) -> Vec<Vec<u8>> {
    let mut all: Vec<_> = (0..FRAMES).map(|number| data(queue, number).bytes()).collect();
    for query in 0..QUERIES {
        all.insert(100 * query + 50, frames::padded(frames::query(SOURCE, None, 5).bytes()));
    }
    all
}

/// What leaves by a port for those frames of a queue that `is_wanted`.
fn copies(queue: usize, router: MacAddr, is_wanted: impl Fn(Ipv4Addr) -> bool) -> Vec<Vec<u8>> {
    let wanted =
        (0..FRAMES).map(|number| data(queue, number)).filter(|packet| packet.ttl > 1 && is_wanted(packet.to));
    wanted.map(|packet| packet.with(|packet| (packet.from_mac, packet.ttl) = (router, 15)).bytes()).collect()
}

fn is_data(frame: &[u8]) -> bool {
    frame[12..14] == [8, 0] && frame[23] == 17
}

fn igmp_kind(frame: &[u8]) -> Option<u8> {
    // Router Alert stands in every IP header that we make.
    (frame[12..14] == [8, 0] && frame[23] == 2).then(|| frame[38])
}

/// A folder of captures: what comes in by each queue, and what each worker sends.
struct Captures<'a> {
    folder: &'a Path,
    workers: usize,
}

impl Captures<'_> {
    fn path(&self, port: &str, way: &str, queue: usize) -> PathBuf {
        self.folder.join(format!("{port}-{way}-{queue}.pcap"))
    }

    fn device(&self, number: usize, port: &str, comes_in: impl Fn(usize) -> Vec<Vec<u8>>) -> String {
        let mut device = format!("net_pcap{number}");
        for queue in 0..self.workers {
            let path = self.path(port, "in", queue);
            write_pcap(&path, &comes_in(queue));
            device += &format!(",rx_pcap={}", path.display());
        }
        for queue in 0..self.workers {
            device += &format!(",tx_pcap={}", self.path(port, "out", queue).display());
        }
        device
    }

    fn settings(&self) -> String {
        let mut text = format!(
            "[proxy]\nupstream = \"wan\"\ninstance = \"captures-{}\"\n[eal]\nhugepages = \"no\"\n\
             [paths]\nlive = false\n[defaults]\nfast-leave = \"single\"\n\
             [[port]]\nname = \"wan\"\ndevice = \"{}\"\naddress = \"10.0.0.1/24\"\n",
            std::process::id(),
            self.device(0, "wan", streamed)
        );
        for (hall, (name, _)) in HALLS.iter().enumerate() {
            let device = self.device(hall + 1, name, |queue| said(hall, queue));
            text += &format!(
                "[[port]]\nname = \"{name}\"\ndevice = \"{device}\"\naddress = \"10.{}.0.1/24\"\n\
                 static-groups = [\"{SHARED}\"]\n",
                hall + 1
            );
        }
        text + &format!(
            "[[port]]\nname = \"sink\"\ndevice = \"net_null0,no-rx=1\"\naddress = \"10.3.0.1/24\"\n\
             static-groups = [\"{SHARED}\"]\n"
        )
    }

    /// What each worker sent out of a port.
    fn sent(&self, port: &str) -> Vec<Vec<Vec<u8>>> {
        (0..self.workers).map(|worker| read_pcap(&self.path(port, "out", worker))).collect()
    }
}

fn every_frame_once_to_each_member(workers: usize) {
    let folder = tempfile::tempdir().unwrap();
    let captures = Captures { folder: folder.path(), workers };
    let mut crew = TestCrew::start(&captures.settings(), workers);
    let router = crew.router_mac();

    // Hosts first: in the end each group is as its last message has it.
    for (hall, (name, _)) in HALLS.iter().enumerate() {
        crew.receive_by(name);
        let messages: usize = (0..workers).map(|queue| said(hall, queue).len()).sum();
        crew.await_received(name, messages);
        crew.await_igmp(name, messages);
        let one: Vec<_> = (0..workers).map(|worker| crew.worker(worker, name).rx_frames > 0).collect();
        let its = (0..workers).map(|worker| worker == (hall + 1) % workers);
        assert!(its.eq(one.iter().copied()), "one worker has all that {name} says: {one:?}");
    }
    for view in crew.groups() {
        let members: Vec<_> = view.members.iter().map(|member| member.port.as_str()).collect();
        let mut wanted: Vec<_> = HALLS.iter().map(|(name, _)| *name).collect();
        let mut hall = 0..;
        wanted.retain(|_| listens(hall.next().unwrap(), view.group.addr()));
        wanted.extend((view.group.addr() == SHARED).then_some("sink"));
        assert_eq!(members, wanted, "members of {}", view.group);
    }
    let groups = crew.groups().len();

    // Then the stream, by all queues at once, while the hosts' groups are reported and queries answered.
    crew.receive_by("wan");
    crew.await_received("wan", workers * (FRAMES + QUERIES));
    crew.await_igmp("wan", workers * QUERIES);
    crew.await_igmp_sent("wan", groups as u64);

    for worker in 0..workers {
        let wan = crew.worker(worker, "wan");
        let bytes: usize = streamed(worker).iter().map(Vec::len).sum();
        assert_eq!((wan.rx_frames, wan.rx_bytes), ((FRAMES + QUERIES) as u64, bytes as u64));
        assert_eq!(wan.punted, QUERIES as u64, "queries of worker {worker}'s queue");
    }
    let ended = crew.end();

    for (hall, (name, _)) in HALLS.iter().enumerate() {
        for (worker, sent) in captures.sent(name).into_iter().enumerate() {
            let sent: Vec<_> = sent.into_iter().filter(|frame| is_data(frame)).collect();
            let wanted = copies(worker, router, |group| listens(hall, group));
            assert!(wanted.len() > FRAMES / 4);
            assert!(sent == wanted, "{name}, worker {worker}: {} frames, not {}", sent.len(), wanted.len());
        }
    }
    let to_sink: usize = (0..workers).map(|w| copies(w, router, |group| group == SHARED).len()).sum();
    let injected = ended.counters["sink"].frames["injected"];
    assert_eq!(ended.devices["sink"].tx_frames, to_sink as u64 + injected);

    for (place, name) in ["wan", "hall-a", "hall-b"].into_iter().enumerate() {
        let (sent, counted) = (captures.sent(name), &ended.counters[name]);
        // What control says goes out once, in order, by the first worker.
        let others: usize = sent[1..].iter().flatten().filter(|frame| !is_data(frame)).count();
        let of_control: Vec<_> = sent[0].iter().filter(|frame| !is_data(frame)).collect();
        assert_eq!((others, of_control.len() as u64), (0, counted.frames["injected"]), "{name}");
        let mut kinds = BTreeMap::<u8, u64>::new();
        of_control.iter().filter_map(|f| igmp_kind(f)).for_each(|kind| *kinds.entry(kind).or_default() += 1);
        let said = kinds.values().sum::<u64>();
        assert_eq!(said, counted.igmp_sent.values().sum::<u64>(), "{name}: {kinds:?}");
        // The workers' counters add up to what the port's are said to be, and those to what was on its wire.
        let sum = |of: fn(&forwarding::PortCountersSnapshot) -> u64| {
            ended.workers.iter().map(|worker| of(&worker.snapshot(index(place)))).sum::<u64>()
        };
        let on_wire: usize = sent.iter().flatten().count();
        let bytes: usize = sent.iter().flatten().map(Vec::len).sum();
        assert_eq!((sum(|c| c.tx_frames), sum(|c| c.tx_bytes)), (on_wire as u64, bytes as u64), "{name}");
        assert_eq!((counted.frames["tx-frames"], counted.frames["tx-bytes"]), (on_wire as u64, bytes as u64));
        assert_eq!(sum(|c| c.rx_frames), counted.frames["rx-frames"]);
        assert_eq!(ended.devices[name].rx_frames, counted.frames["rx-frames"]);
    }
    expect_drops(&ended.counters["wan"], workers);
    let rx: u64 = ended.counters.values().map(|port| port.frames["rx-frames"]).sum();
    assert_eq!(ended.received.iter().sum::<u64>(), rx, "{:?}", ended.received);
    assert!(ended.received.iter().all(|frames| *frames > 0), "{:?}", ended.received);
}

fn expect_drops(wan: &api::PortCounters, workers: usize) {
    let mut dropped = BTreeMap::<&str, u64>::new();
    for packet in (0..workers).flat_map(|queue| (0..FRAMES).map(move |number| data(queue, number))) {
        let reason = match packet {
            Packet { ttl: 1, .. } => "ttl",
            Packet { to, .. } if !listens(0, to) && !listens(1, to) => "no-member",
            _ => continue,
        };
        *dropped.entry(reason).or_default() += 1;
    }
    let counted: BTreeMap<_, _> =
        wan.drops.iter().filter(|(_, n)| **n > 0).map(|(k, n)| (k.as_str(), *n)).collect();
    assert_eq!(counted, dropped);
    let of_all = wan.frames["forwarded"] + wan.frames["punted"] + dropped.values().sum::<u64>();
    assert_eq!(wan.frames["rx-frames"], of_all);
}

#[test]
fn two_workers_forward_every_frame_once_to_each_member() {
    alone("runtime::tests::captures::two_workers_forward_every_frame_once_to_each_member", || {
        if serves(2) {
            every_frame_once_to_each_member(2);
        }
    });
}

#[test]
fn three_workers_forward_every_frame_once_to_each_member() {
    alone("runtime::tests::captures::three_workers_forward_every_frame_once_to_each_member", || {
        if serves(3) {
            every_frame_once_to_each_member(3);
        }
    });
}
