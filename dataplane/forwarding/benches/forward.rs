//! What a burst of 32 frames costs: to 1 and to 4 ports, of one group and of 16 by turns, with a source filter
//! and while another group is watched. Each run asserts that every frame went out.
//!
//! `cargo bench -p forwarding`

use std::hint::black_box;
use std::sync::Arc;

use arrayvec::ArrayVec;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use forwarding::{
    BURST, Egress, Forwarder, ForwarderParts, ForwardingPolicy, Ingress, IngressSettings, Policer,
    frame_ring, worker_counters,
};
use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table};
use types::{Checksum, Frame, FrameBurst, GroupAddr, MacAddr, PortIndex, PortSet, Time};

const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);

/// A frame without a heap, whose end costs nothing.
#[derive(Clone, Copy)]
struct Inline([u8; 64]);

impl Frame for Inline {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn truncate(&mut self, len: usize) {
        assert_eq!(len, self.0.len(), "none is padded");
    }

    fn is_chained(&self) -> bool {
        false
    }

    fn stripped_tag(&self) -> Option<u16> {
        None
    }

    fn ip_checksum(&self) -> Checksum {
        Checksum::Unknown
    }
}

struct InlineBurst(ArrayVec<Inline, BURST>);

impl FrameBurst for InlineBurst {
    type Frame = Inline;

    fn frames(&self) -> &[Inline] {
        &self.0
    }

    fn frames_mut(&mut self) -> &mut [Inline] {
        &mut self.0
    }

    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Inline> {
        self.0.drain(..count.min(self.0.len()))
    }
}

/// Counts copies, and nothing else.
#[derive(Default)]
struct Copies(u64);

impl Egress<Inline> for Copies {
    #[inline]
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = Inline>, _bytes: u64, ports: PortSet) {
        for frame in frames {
            self.0 += u64::from(black_box(ports).len());
            black_box(&frame);
        }
    }
}

fn port(index: usize) -> PortIndex {
    PortIndex::new(index).expect("below 64")
}

fn group(number: u8) -> GroupAddr {
    GroupAddr::new([239, 2, 2, number].into()).expect("a group")
}

/// 64 bytes for the group, from 192.0.2.7.
fn frame(group: GroupAddr) -> Inline {
    let mut ip = vec![0x45, 0, 0, 50, 0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 7];
    ip.extend(group.addr().octets());
    let sum: u32 = ip.chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut bytes = [0x47; 64];
    bytes[..6].copy_from_slice(&group.mac().octets());
    bytes[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 9, 8, 0]);
    bytes[14..34].copy_from_slice(&ip);
    Inline(bytes)
}

/// A forwarder whose port 0 is the provider's, and a table with members of 16 groups on `fan_out` ports.
fn forwarder(
    fan_out: usize,
    sources_allowed: &[&str],
) -> (Forwarder, GroupTableWriter, Arc<ForwardingPolicy>) {
    let (mut table, mut readers) = group_table(TableSettings { max_groups: 64, readers: 1, seed: 1 });
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    let mut forwarder = Forwarder::new(ForwarderParts {
        table: readers.remove(0),
        masks: Arc::clone(&masks),
        policy: Arc::clone(&policy),
        counters: worker_counters().0,
        router_mac: ROUTER,
    });
    let ingress = Ingress::new(&IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: vec![[10, 0, 0, 1].into()],
        address: Some([10, 0, 0, 1].into()),
        sources_allowed: sources_allowed.iter().map(|net| net.parse().expect("a network")).collect(),
        completes_udp: false,
    });
    for index in 0..=fan_out {
        let (sender, _) = frame_ring(8);
        forwarder.add_port(port(index), ingress.clone(), sender, Policer::new(1, 1), 1500);
    }
    let clients = (1..=fan_out).map(port);
    masks.set_forward(port(0), clients.clone().collect());
    policy.set_enabled(true);
    policy.set_source(port(0), true);
    for number in 0..16 {
        clients.clone().for_each(|client| table.set(group(number), client).expect("room"));
    }
    forwarder.table().quiesce();
    (forwarder, table, policy)
}

fn forward(c: &mut Criterion) {
    let mut benches = c.benchmark_group("forward");
    benches.throughput(Throughput::Elements(BURST as u64));
    let filter = ["198.51.100.0/24", "192.0.2.0/24"];
    // A name; ports, groups by turns, allowed sources, whether a group is watched.
    let cases: [(&str, usize, u8, &[&str], bool); 5] = [
        ("to 1 port", 1, 1, &[], false),
        ("to 4 ports", 4, 1, &[], false),
        ("to 1 port, 16 groups", 1, 16, &[], false),
        ("to 1 port, sources allowed", 1, 1, &filter, false),
        ("to 1 port, another group watched", 1, 1, &[], true),
    ];
    for (name, fan_out, groups, sources_allowed, watched) in cases {
        let (mut forwarder, _table, policy) = forwarder(fan_out, sources_allowed);
        assert!(!watched || policy.watch(group(99)));
        let (mut copies, mut bursts) = (Copies::default(), 0);
        let frames: [Inline; BURST] = std::array::from_fn(|n| frame(group(n as u8 % groups)));
        let burst = || InlineBurst(frames.into_iter().collect());
        benches.bench_function(name, |b| {
            b.iter_batched_ref(
                burst,
                |burst| {
                    forwarder.forward(|| Time::ZERO, port(0), burst, &mut copies);
                    bursts += 1;
                },
                BatchSize::SmallInput,
            );
        });
        assert_eq!(copies.0, bursts * BURST as u64 * fan_out as u64, "{name}: every frame to every port");
    }
    benches.finish();
}

criterion_group!(benches, forward);
criterion_main!(benches);
