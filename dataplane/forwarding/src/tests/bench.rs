//! A forwarder with four ports, and frames for it.

use std::net::Ipv4Addr;
use std::sync::Arc;

use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table};
use types::{DropReason, Frame, FrameBurst, GroupAddr, Ipv4Net, MacAddr, PortIndex, PortSet, Time};

use crate::{
    Egress, Forwarder, ForwarderParts, ForwardingPolicy, FrameReceiver, Ingress, IngressSettings, OwnedBurst,
    OwnedFrame, PassReport, Policer, WorkerCountersReader, frame_ring, worker_counters,
};

pub(super) const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xaa]);
/// The provider's port has it.
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
/// A station on every link.
pub(super) const STATION: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0x09]);
/// Frames of a ring that nobody empties.
const RING: usize = 2;

pub(super) fn port(i: usize) -> PortIndex {
    PortIndex::new(i).unwrap()
}

pub(super) fn group(text: &str) -> GroupAddr {
    text.parse().unwrap()
}

pub(super) fn settings() -> IngressSettings {
    IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: Vec::new(),
        address: None,
        sources_allowed: Vec::new(),
        completes_udp: false,
    }
}

pub(crate) fn ingress() -> Ingress {
    Ingress::new(&settings())
}

#[derive(Default)]
pub(super) struct Sent(pub(super) Vec<(Vec<u8>, PortSet)>);

impl<F: Frame> Egress<F> for Sent {
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = F>, bytes: u64, ports: PortSet) {
        let before = self.0.len();
        self.0.extend(frames.map(|frame| (frame.bytes().to_vec(), ports)));
        let sum: usize = self.0[before..].iter().map(|(frame, _)| frame.len()).sum();
        assert_eq!(sum as u64, bytes);
    }
}

/// Port 0 is the provider's, 1 to 3 are clients'.
pub(super) struct Bench {
    pub(super) forwarder: Forwarder,
    pub(super) table: GroupTableWriter,
    pub(super) masks: Arc<PortMasks>,
    pub(super) policy: Arc<ForwardingPolicy>,
    pub(super) counters: WorkerCountersReader,
    pub(super) punted: Vec<FrameReceiver>,
    pub(super) sent: Sent,
    pub(super) now: Time,
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::with_rings(RING)
    }

    pub(super) fn with_rings(capacity: usize) -> Self {
        let (table, mut readers) = group_table(TableSettings { max_groups: 64, readers: 1, seed: 1 });
        let masks = Arc::new(PortMasks::new());
        let policy = Arc::new(ForwardingPolicy::new(&["239.255.255.250/32".parse().unwrap()]));
        let (writer, counters) = worker_counters();
        let mut forwarder = Forwarder::new(ForwarderParts {
            table: readers.remove(0),
            masks: Arc::clone(&masks),
            policy: Arc::clone(&policy),
            counters: writer,
            router_mac: ROUTER,
        });
        let mut punted = Vec::new();
        for i in 0..4 {
            let (tx, rx) = frame_ring(capacity);
            punted.push(rx);
            let address = (i == 0).then_some(ADDRESS);
            let ingress = Ingress::new(&IngressSettings { address, ..settings() });
            forwarder.add_port(port(i), ingress, tx, Policer::new(1_000, 4), 1500);
        }
        masks.set_forward(port(0), [1, 2, 3].map(port).into_iter().collect());
        policy.set_enabled(true);
        policy.set_source(port(0), true);
        Self {
            forwarder,
            table,
            masks,
            policy,
            counters,
            punted,
            sent: Sent::default(),
            now: Time::from_nanos(1_000_000_000),
        }
    }

    pub(super) fn pass(&mut self, ingress: usize, frames: impl IntoIterator<Item = Vec<u8>>) -> PassReport {
        let mut burst = OwnedBurst(frames.into_iter().map(OwnedFrame).collect());
        self.pass_burst(ingress, &mut burst)
    }

    pub(super) fn pass_burst(&mut self, ingress: usize, burst: &mut impl FrameBurst) -> PassReport {
        let now = self.now;
        let report = self.forwarder.forward(|| now, port(ingress), burst, &mut self.sent);
        assert!(burst.frames().is_empty());
        self.forwarder.table().quiesce();
        report
    }

    /// The bytes that wait for the control thread, oldest first.
    pub(super) fn punted(&mut self, ingress: usize) -> Vec<Vec<u8>> {
        let ring = &mut self.punted[ingress];
        std::iter::from_fn(|| ring.recv(|from, bytes| (from, bytes.to_vec())))
            .map(|(from, bytes)| {
                assert_eq!(from, port(ingress));
                bytes
            })
            .collect()
    }

    /// Takes the frames sent so far.
    pub(super) fn sent(&mut self) -> Vec<(Vec<u8>, PortSet)> {
        std::mem::take(&mut self.sent.0)
    }

    pub(super) fn dropped(&self, ingress: usize, reason: DropReason) -> u64 {
        self.counters.snapshot(port(ingress)).dropped(reason)
    }

    /// Every received frame is forwarded, punted or dropped under a name.
    pub(super) fn assert_balanced(&self) {
        for i in 0..4 {
            let c = self.counters.snapshot(port(i));
            let drops: u64 = c
                .drops()
                .filter(|(r, _)| !matches!(r, DropReason::Mtu | DropReason::TxFull))
                .map(|(_, n)| n)
                .sum();
            assert_eq!(c.rx_frames, c.forwarded + c.punted + drops, "port {i}");
        }
    }
}

/// A datagram with a good header.
pub(super) fn ip_frame(
    to_mac: MacAddr,
    source: [u8; 4],
    to: [u8; 4],
    protocol: u8,
    payload: &[u8],
) -> Vec<u8> {
    let mut f = [&to_mac.octets()[..], &STATION.octets(), &[0x08, 0x00]].concat();
    f.extend([0x45, 0]);
    f.extend((20 + payload.len() as u16).to_be_bytes());
    f.extend([0, 1, 0x40, 0, 5, protocol, 0, 0]);
    f.extend(source);
    f.extend(to);
    f.extend(payload);
    with_checksum(f)
}

/// The frame with its header checksum made good, options included.
pub(super) fn with_checksum(mut f: Vec<u8>) -> Vec<u8> {
    let end = 14 + usize::from(f[14] & 15) * 4;
    f[24..26].fill(0);
    let mut sum: u32 = f[14..end].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    f[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    f
}

pub(super) fn frame(group: GroupAddr, protocol: u8, payload: usize) -> Vec<u8> {
    ip_frame(group.mac(), [10, 0, 0, 9], group.addr().octets(), protocol, &vec![0x47; payload])
}

pub(super) fn data(group: GroupAddr) -> Vec<u8> {
    frame(group, 17, 100)
}

pub(super) fn data_from(source: [u8; 4], group: GroupAddr) -> Vec<u8> {
    ip_frame(group.mac(), source, group.addr().octets(), 17, &[0x47; 100])
}

/// The frame with another thing in its header, good again.
pub(super) fn changed(mut f: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut f);
    with_checksum(f)
}

pub(super) fn nets(texts: &[&str]) -> Vec<Ipv4Net> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}
