//! Sources that never fall silent and sinks that take all, every one with a queue for each worker: what the devices
//! count is what we count, also while the workers hand queues over to each other.

use std::net::Ipv4Addr;

use dpdk::Mbuf;

use super::alone::alone;
use super::crew::{TestCrew, index, serves, wait};
use super::frames;
use crate::crew::Intake;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 2, 2, 2);
const SINKS: [&str; 3] = ["hall-a", "hall-b", "hall-c"];
/// Frames of one worker between two hand-overs.
const SOME: u64 = 5_000;

fn settings() -> String {
    let mut text = format!(
        "[proxy]\nupstream = \"wan\"\ninstance = \"endless-{}\"\nrouter-mac = \"02:00:00:00:00:fe\"\n\
         [eal]\nhugepages = \"no\"\n[paths]\nlive = false\n\
         [[port]]\nname = \"wan\"\ndevice = \"net_null0,size=64\"\naddress = \"10.0.0.1/24\"\n",
        std::process::id()
    );
    for (hall, name) in SINKS.iter().enumerate() {
        text += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"net_null{0},no-rx=1\"\naddress = \"10.{0}.0.1/24\"\n\
             static-groups = [\"{GROUP}\"]\n",
            hall + 1
        );
    }
    text
}

/// net_null receives buffers as they are: each brings its first frame, and from then on what became of that, which is
/// from our own MAC.
fn fill_buffers(crew: &TestCrew) {
    let mut packet = frames::data_packet(frames::SOURCE, GROUP, 1);
    packet.payload.resize(64 - 34, 0);
    packet.payload[4..8].copy_from_slice(&[0, 30, 0, 0]);
    let frame = packet.bytes();
    assert_eq!(frame.len(), 64);
    let all: Vec<_> = core::iter::from_fn(|| Mbuf::from_bytes(crew.pool(), &frame)).collect();
    // What is left sits in no worker's reach, but in a cache.
    assert!(all.len() > 1_000, "{} buffers", all.len());
}

fn devices_and_workers_count_alike(workers: usize) {
    let mut crew = TestCrew::start(&settings(), workers);
    fill_buffers(&crew);
    crew.receive_by("wan");
    let goes_on = |crew: &TestCrew, who: &[usize]| {
        let received = |worker: &usize| crew.worker(*worker, "wan").rx_frames;
        let before: Vec<_> = who.iter().map(received).collect();
        wait("a stream for every worker", || {
            who.iter().zip(&before).all(|(worker, before)| received(worker) > before + SOME)
        });
    };
    let all: Vec<_> = (0..workers).collect();
    goes_on(&crew, &all);
    for _ in 0..5 {
        crew.deal_anew("wan", Intake::One);
        let idle: Vec<_> = (1..workers).map(|worker| crew.worker(worker, "wan").rx_frames).collect();
        goes_on(&crew, &[0]);
        let after: Vec<_> = (1..workers).map(|worker| crew.worker(worker, "wan").rx_frames).collect();
        assert_eq!(after, idle, "the first has them all");
        crew.deal_anew("wan", Intake::Spread);
        goes_on(&crew, &all);
    }
    let ended = crew.end();

    let wan = &ended.counters["wan"];
    let forwarded = wan.frames["forwarded"];
    assert_eq!(ended.devices["wan"].rx_frames, wan.frames["rx-frames"]);
    assert_eq!(ended.received.iter().sum::<u64>(), wan.frames["rx-frames"]);
    let of_all = forwarded + wan.frames["punted"] + wan.drops.values().sum::<u64>();
    assert_eq!(wan.frames["rx-frames"], of_all);
    assert!(forwarded > 0 && wan.drops["own-mac"] > 0, "{wan:?}");
    for sink in SINKS {
        let port = &ended.counters[sink];
        assert_eq!(port.frames["tx-frames"], forwarded + port.frames["injected"], "{sink}");
        assert_eq!(ended.devices[sink].tx_frames, port.frames["tx-frames"], "{sink}");
        assert_eq!(port.drops.values().sum::<u64>(), 0, "{sink}: {port:?}");
    }
    let by_worker: Vec<_> = ended.workers.iter().map(|worker| worker.snapshot(index(0)).rx_frames).collect();
    assert_eq!(by_worker, ended.received);
}

#[test]
fn devices_and_two_workers_count_alike() {
    alone("runtime::tests::endless::devices_and_two_workers_count_alike", || {
        if serves(2) {
            devices_and_workers_count_alike(2);
        }
    });
}

#[test]
fn devices_and_three_workers_count_alike() {
    alone("runtime::tests::endless::devices_and_three_workers_count_alike", || {
        if serves(3) {
            devices_and_workers_count_alike(3);
        }
    });
}
