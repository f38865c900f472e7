//! The workers' path on plain buffers: classification, lookup, rewriting, replication, counting.
//!
//! An input is a byte of circumstances and then frames: two bytes of length, big-endian, and as many bytes
//! as are there. Bit 0: the sources of the provider's port are filtered; bit 1: a client port is a source;
//! bit 2: small MTU; bit 3: a group is watched; bits 4 and 5: the receiver's word on the IP checksum.

use std::sync::Arc;

use forwarding::{
    BURST, Egress, Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, Ingress, IngressSettings,
    OwnedBurst, OwnedFrame, Policer, PortCountersSnapshot, PuntKind, RING_FRAME_MAX, Verdict,
    WorkerCountersReader, classify, frame_ring, plain_data, punt_kind, worker_counters,
};
use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table};
use types::{Checksum, DropReason, GroupAddr, PortIndex, PortSet, Time};

use crate::frames::{ROUTER_MAC, checksum};

const FILTERED: u8 = 1;
const CLIENT_SOURCE: u8 = 2;
const SMALL_MTU: u8 = 4;
const WATCHED: u8 = 8;
const MTU: u16 = 200;
/// With members on port 1, and on ports 1 and 2.
const GROUPS: [[u8; 4]; 2] = [[239, 1, 1, 1], [239, 2, 2, 2]];
/// Stays on its link.
const LOCAL: [u8; 4] = [239, 255, 255, 250];

#[derive(Default)]
struct Sent(Vec<(Vec<u8>, PortSet)>);

impl Egress<OwnedFrame> for Sent {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = OwnedFrame>, bytes: u64, ports: PortSet) {
        assert!(!ports.is_empty(), "replicated to nobody");
        let before = self.0.len();
        self.0.extend(frames.map(|frame| (frame.0, ports)));
        let sum: usize = self.0[before..].iter().map(|(frame, _)| frame.len()).sum();
        assert_eq!(sum as u64, bytes, "what is counted is what is sent");
    }
}

struct Worker {
    forwarder: Forwarder,
    counters: WorkerCountersReader,
    punted: Vec<FrameReceiver>,
    /// Keeps the table's entries; nobody changes them.
    _table: GroupTableWriter,
}

/// The bytes as circumstances and frames.
pub fn run(data: &[u8]) {
    let Some((&circumstances, rest)) = data.split_first() else { return };
    let frames = split(rest);
    let sums = [Checksum::Unknown, Checksum::Good, Checksum::Bad];
    let sum = sums[usize::from(circumstances >> 4 & 3) % sums.len()];
    for port in 0..3 {
        let ingress = ingress(port, circumstances);
        frames.iter().for_each(|frame| check_verdict(frame, sum, &ingress));
    }
    for port in 0..3 {
        let mut worker = Worker::new(circumstances);
        for burst in frames.chunks(BURST) {
            worker.check_pass(PortIndex::new(port).expect("a port"), burst, circumstances);
        }
    }
}

fn split(mut rest: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while let [high, low, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        frames.push(tail[..len].to_vec());
        rest = &tail[len..];
    }
    frames
}

fn ingress(port: usize, circumstances: u8) -> Ingress {
    let filtered = port == 0 && circumstances & FILTERED != 0;
    Ingress::new(&IngressSettings {
        mac: ROUTER_MAC,
        other_macs: Vec::new(),
        kernel_mac: (port == 2).then_some(types::MacAddr([2, 0, 0, 0, 0, 0xee])),
        own: vec![[10, 0, 0, 1].into(), [10, 1, 0, 1].into()],
        address: Some([10, port as u8, 0, 1].into()),
        sources_allowed: if filtered { vec!["192.0.2.0/24".parse().expect("a prefix")] } else { Vec::new() },
        completes_udp: port == 2,
    })
}

/// The quick way and the thorough one agree, and a verdict means what it says.
fn check_verdict(frame: &[u8], sum: Checksum, ingress: &Ingress) {
    let verdict = classify(frame, sum, ingress);
    if let Some((group, len)) = plain_data(frame, sum, ingress) {
        let filtered = verdict == Verdict::Drop(DropReason::SourceNotAllowed);
        assert!(verdict == Verdict::Data { group, len } || filtered, "{verdict:?} of what is plain data");
    }
    match verdict {
        Verdict::Data { group, len } => {
            let group = GroupAddr::from_bits(group).expect("a group");
            assert!(!group.is_link_local() && len <= frame.len() && len >= 34, "r88, r81");
            assert_eq!(frame[..6], group.mac().octets(), "r79");
            assert!(frame[22] > 1, "r78");
            assert_ne!(frame[23], 2, "r14");
            if sum == Checksum::Unknown {
                assert_eq!(checksum(&frame[14..14 + usize::from(frame[14] & 15) * 4]), 0, "r81");
            }
        }
        Verdict::Igmp => assert_eq!((frame[12], frame[13], frame[23]), (8, 0, 2)),
        Verdict::Neighbour => assert!(frame.len() >= 42),
        Verdict::Drop(reason) => assert!(!reason.name().is_empty()),
    }
}

impl Worker {
    fn new(circumstances: u8) -> Self {
        let (mut table, mut readers) = group_table(TableSettings { max_groups: 16, readers: 1, seed: 1 });
        let masks = Arc::new(PortMasks::new());
        let local = ["239.255.255.250/32".parse().expect("a prefix")];
        let policy = Arc::new(ForwardingPolicy::new(&local));
        let [port, one, two] = [0, 1, 2].map(|index| PortIndex::new(index).expect("a port"));
        for (group, ports) in GROUPS.into_iter().zip([&[one][..], &[one, two]]) {
            let group = GroupAddr::new(group.into()).expect("a group");
            ports.iter().for_each(|port| table.set(group, *port).expect("room in the table"));
        }
        masks.set_forward(port, [one, two].into_iter().collect());
        policy.set_enabled(true);
        policy.set_source(port, true);
        if circumstances & CLIENT_SOURCE != 0 {
            masks.set_always(one, PortSet::only(port));
            masks.set_forward(one, [port, two].into_iter().collect());
            policy.set_source(one, true);
        }
        if circumstances & WATCHED != 0 {
            assert!(policy.watch(GroupAddr::new(GROUPS[1].into()).expect("a group")));
        }
        let (counters, reader) = worker_counters();
        let table_reader = readers.remove(0);
        let parts = ForwarderParts { table: table_reader, masks, policy, counters, router_mac: ROUTER_MAC };
        let mut forwarder = Forwarder::new(parts);
        let mut punted = Vec::new();
        for index in 0..3 {
            let (tx, rx) = frame_ring(8);
            punted.push(rx);
            let mtu = if circumstances & SMALL_MTU != 0 && index == 2 { MTU } else { 1500 };
            let port = PortIndex::new(index).expect("a port");
            forwarder.add_port(port, ingress(index, circumstances), tx, Policer::new(1_000, 6), mtu);
        }
        Self { forwarder, counters: reader, punted, _table: table }
    }

    /// One burst: nothing is lost without a count, nothing is sent that must not be.
    fn check_pass(&mut self, port: PortIndex, frames: &[Vec<u8>], circumstances: u8) {
        let before = self.counters.snapshot(port);
        let mut burst = OwnedBurst(frames.iter().cloned().map(OwnedFrame).collect());
        let mut sent = Sent::default();
        let report = self.forwarder.forward(|| Time::from_nanos(1), port, &mut burst, &mut sent);
        self.forwarder.table().quiesce();
        assert!(burst.0.is_empty(), "frames left in the burst");
        let after = self.counters.snapshot(port);
        let drops = |counters: &PortCountersSnapshot| -> u64 {
            counters.drops().filter(|(reason, _)| *reason != DropReason::Mtu).map(|(_, n)| n).sum()
        };
        let handled =
            |counters: &PortCountersSnapshot| counters.forwarded + counters.punted + drops(counters);
        assert_eq!(after.rx_frames - before.rx_frames, frames.len() as u64);
        assert_eq!(
            handled(&after) - handled(&before),
            frames.len() as u64,
            "every frame is forwarded, punted or dropped"
        );
        assert_eq!(sent.0.len() as u64, after.forwarded - before.forwarded);
        sent.0.iter().for_each(|(frame, ports)| check_sent(port, frame, *ports, frames, circumstances));
        self.check_punted(port, frames, report.punted);
    }

    fn check_punted(&mut self, port: PortIndex, frames: &[Vec<u8>], announced: u32) {
        let mut count = 0;
        while self.punted[port.get()]
            .recv(|from, bytes| {
                assert_eq!(from, port, "r13");
                // A sample longer than the ring takes is cut.
                let cut = punt_kind(bytes) == PuntKind::Sample && bytes.len() == RING_FRAME_MAX;
                assert!(
                    bytes.len() <= RING_FRAME_MAX
                        && frames.iter().any(|frame| frame == bytes || cut && frame.starts_with(bytes)),
                    "a frame as it came"
                );
                let is_igmp = bytes.len() >= 34 && bytes[12..14] == [8, 0] && bytes[23] == 2;
                assert_eq!(punt_kind(bytes) == PuntKind::Igmp, is_igmp);
            })
            .is_some()
        {
            count += 1;
        }
        assert_eq!(count, announced, "what was announced to the control thread");
    }
}

/// A frame on its way out: of one that came in, to ports that may have it, rewritten once.
fn check_sent(port: PortIndex, frame: &[u8], ports: PortSet, frames: &[Vec<u8>], circumstances: u8) {
    assert!(!ports.contains(port), "back out of the port it came in by (r74)");
    assert_eq!(frame[6..12], ROUTER_MAC.octets(), "r80");
    let header = 14..14 + usize::from(frame[14] & 15) * 4;
    assert_eq!(frame.len(), 14 + usize::from(u16::from_be_bytes([frame[16], frame[17]])), "padding goes");
    assert_eq!(checksum(&frame[header.clone()]), 0, "r78: the sum is that of the new header");
    let came = frames.iter().any(|from| {
        from.len() >= frame.len()
            && from[22].wrapping_sub(1) == frame[22]
            && from[header.end..frame.len()] == frame[header.end..]
            && from[26..34] == frame[26..34]
            && from[..6] == frame[..6]
    });
    assert!(came, "nothing like it came in");
    let group = [frame[30], frame[31], frame[32], frame[33]];
    assert_ne!(group, LOCAL, "a local group (r69)");
    let is_source = port.get() == 0 || port.get() == 1 && circumstances & CLIENT_SOURCE != 0;
    assert!(is_source, "data from a port that is no source (r75)");
    let too_long = circumstances & SMALL_MTU != 0 && frame.len() > usize::from(MTU) + 14;
    for to in ports.iter().map(PortIndex::get) {
        assert!(
            to == 0 || group == GROUPS[1] || (group == GROUPS[0] && to == 1),
            "to port {to}, which has no member (r84)"
        );
        assert!(!too_long || to != 2, "r99");
    }
}
