//! What a worker does with a burst: classify, look up, rewrite, hand each frame to its ports.

use std::hint::black_box;
use std::sync::Arc;

use forwarding::{
    BURST, Egress, Forwarder, ForwarderParts, ForwardingPolicy, Ingress, IngressSettings, OwnedBurst,
    OwnedFrame, Policer, Verdict, classify, frame_ring, rewrite, worker_counters,
};
use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table};
use types::{Checksum, GroupAddr, MacAddr, PortIndex, PortSet, Time};

use crate::Pieces;

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
const FILTER: &[&str] = &["198.51.100.0/24", "192.0.2.0/24"];

pub(crate) const WORK: Pieces = &[
    ("classify 32 frames", classify_burst),
    ("rewrite 32 frames", rewrite_burst),
    ("forward 32 frames to 1 port", || forward(1, 1, &[])),
    ("forward 32 frames to 4 ports", || forward(4, 1, &[])),
    ("forward 32 frames of 16 groups to 16 ports", || forward(16, 16, &[])),
    ("forward 32 frames of allowed sources", || forward(1, 1, FILTER)),
    ("drop 32 frames that nobody wants", || forward(0, 1, &[])),
];

/// Keeps the frames, for the next turn: none is made or freed in between.
#[derive(Default)]
struct Kept {
    frames: Vec<OwnedFrame>,
    copies: usize,
}

impl Egress<OwnedFrame> for Kept {
    fn replicate(&mut self, frames: impl Iterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        for frame in frames {
            self.copies += black_box(ports).len() as usize;
            self.frames.push(frame);
        }
    }
}

fn port(index: usize) -> PortIndex {
    PortIndex::new(index).expect("below 64")
}

fn group(number: usize) -> GroupAddr {
    GroupAddr::new([239, 2, 2, number as u8].into()).expect("a group")
}

/// 64 bytes for the group, from 192.0.2.7.
fn frame(group: GroupAddr) -> OwnedFrame {
    let mut ip = vec![0x45, 0, 0, 50, 0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 7];
    ip.extend(group.addr().octets());
    let sum: u32 = ip.chunks(2).map(|half| u32::from(half[0]) << 8 | u32::from(half[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut bytes = vec![0x47; 64];
    bytes[..6].copy_from_slice(&group.mac().octets());
    bytes[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 9, 8, 0]);
    bytes[14..34].copy_from_slice(&ip);
    OwnedFrame(bytes)
}

fn ingress(sources_allowed: &[&str]) -> Ingress {
    Ingress::new(&IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: vec![[10, 0, 0, 1].into()],
        address: Some([10, 0, 0, 1].into()),
        sources_allowed: sources_allowed.iter().map(|net| net.parse().expect("a network")).collect(),
        completes_udp: false,
    })
}

fn classify_burst() -> Box<dyn FnMut()> {
    let (ingress, frame) = (ingress(&[]), frame(group(1)));
    Box::new(move || {
        for _ in 0..BURST {
            let verdict = classify(black_box(&frame.0), Checksum::Unknown, &ingress);
            assert!(matches!(black_box(verdict), Verdict::Data { .. }));
        }
    })
}

fn rewrite_burst() -> Box<dyn FnMut()> {
    let mut frame = frame(group(1));
    Box::new(move || {
        for _ in 0..BURST {
            // The TTL stays what it was, so that turns are alike.
            frame.0[22] = 64;
            rewrite(black_box(&mut frame.0), ROUTER);
        }
        assert_eq!(frame.0[22], 63);
    })
}

/// A forwarder whose port 0 is the provider's, and a table with members of 16 groups on `fan_out` ports.
fn forwarder(fan_out: usize, sources_allowed: &[&str]) -> (Forwarder, GroupTableWriter) {
    let (mut table, mut readers) = group_table(TableSettings { max_groups: 64, readers: 1, seed: 1 });
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    let mut forwarder = Forwarder::new(ForwarderParts {
        table: readers.remove(0),
        masks: Arc::clone(&masks),
        policy: Arc::clone(&policy),
        counters: worker_counters().0,
        router_mac: ROUTER,
    });
    for index in 0..=fan_out {
        let (sender, _) = frame_ring(8);
        forwarder.add_port(port(index), ingress(sources_allowed), sender, Policer::new(1, 1), 1500);
    }
    let clients = (1..=fan_out).map(port);
    masks.set_forward(port(0), clients.clone().collect());
    policy.set_enabled(true);
    policy.set_source(port(0), true);
    for number in 0..16 {
        clients.clone().for_each(|client| table.set(group(number), client).expect("room"));
    }
    forwarder.table().quiesce();
    (forwarder, table)
}

fn forward(fan_out: usize, groups: usize, sources_allowed: &[&str]) -> Box<dyn FnMut()> {
    let (mut forwarder, table) = forwarder(fan_out, sources_allowed);
    let fresh: Vec<_> = (0..BURST).map(|n| frame(group(n % groups))).collect();
    let (mut burst, mut kept) = (OwnedBurst::default(), Kept { frames: fresh.clone(), copies: 0 });
    Box::new(move || {
        let _ = &table;
        // What was dropped is made anew.
        kept.frames.resize_with(BURST, || fresh[0].clone());
        for (mut frame, fresh) in kept.frames.drain(..).zip(&fresh) {
            frame.0.copy_from_slice(&fresh.0);
            burst.0.push(frame);
        }
        kept.copies = 0;
        forwarder.forward(|| Time::ZERO, port(0), &mut burst, &mut kept);
        assert_eq!(kept.copies, BURST * fan_out);
    })
}
