//! Frames for a worker, its forwarder, and its transmit side on queues that are no driver's.

use std::sync::Arc;

use forwarding::{
    EgressMacs, Forwarder, ForwarderParts, ForwardingPolicy, Ingress, IngressSettings, PlainPool, PlainQueue,
    PlainRun, Policer, PortsEgress, SharedFrame, WorkerCounters, frame_ring, worker_counters,
};
use group_table::{GroupTableWriter, PortMasks, TableSettings, group_table};
use types::{GroupAddr, MacAddr, PortIndex, PortSet};

/// The MAC that frames are sent from.
pub const ROUTER: MacAddr = MacAddr([2, 0, 0, 0, 0, 0xaa]);
/// Where a frame has its UDP checksum.
const UDP_CHECKSUM: std::ops::Range<usize> = 40..42;

/// The port of that number, below 64: the provider's is 0, clients have those behind it.
pub fn port(index: usize) -> PortIndex {
    PortIndex::new(index).expect("below 64")
}

/// So many client ports.
pub fn clients(count: usize) -> PortSet {
    (1..=count).map(port).collect()
}

/// The group of that number, below 256.
pub fn group(number: usize) -> GroupAddr {
    GroupAddr::new([239, 2, 2, number as u8].into()).expect("a group")
}

fn sum(bytes: &[u8]) -> u16 {
    let word = |pair: &[u8]| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0));
    let sum: u32 = bytes.chunks(2).map(word).sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// `len` bytes of UDP for the group, from 192.0.2.7; no UDP checksum.
pub fn frame(group: GroupAddr, len: usize) -> Vec<u8> {
    let ip_len = (len - 14) as u16;
    let mut ip = vec![0x45, 0];
    ip.extend(ip_len.to_be_bytes());
    ip.extend([0, 1, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 7]);
    ip.extend(group.addr().octets());
    let checksum = !sum(&ip);
    ip[10..12].copy_from_slice(&checksum.to_be_bytes());
    let mut bytes = vec![0x47; len];
    bytes[..6].copy_from_slice(&group.mac().octets());
    bytes[6..14].copy_from_slice(&[2, 0, 0, 0, 0, 9, 8, 0]);
    bytes[14..34].copy_from_slice(&ip);
    bytes[38..40].copy_from_slice(&(ip_len - 20).to_be_bytes());
    bytes[UDP_CHECKSUM].fill(0);
    bytes
}

/// The same, with the UDP checksum that a kernel leaves to a NIC: the sum of the pseudo-header.
pub fn unfinished(group: GroupAddr, len: usize) -> Vec<u8> {
    let mut bytes = frame(group, len);
    let mut pseudo = bytes[26..34].to_vec();
    pseudo.extend([0, 17]);
    pseudo.extend_from_slice(&bytes[38..40]);
    bytes[UDP_CHECKSUM].copy_from_slice(&sum(&pseudo).to_be_bytes());
    bytes
}

/// What is known of a port whose frames are judged: allowed sources, and whether UDP checksums are completed.
pub fn ingress(sources_allowed: &[&str], completes_udp: bool) -> Ingress {
    Ingress::new(&IngressSettings {
        mac: ROUTER,
        other_macs: Vec::new(),
        kernel_mac: None,
        own: vec![[10, 0, 0, 1].into()],
        address: Some([10, 0, 0, 1].into()),
        sources_allowed: sources_allowed.iter().map(|net| net.parse().expect("a network")).collect(),
        completes_udp,
    })
}

/// A forwarder with so many client ports, who forwards what comes in by port 0, and a table where `members` says who has
/// each of 16 groups.
pub fn forwarder(
    ports: usize,
    ingress: &Ingress,
    members: impl Fn(usize) -> PortSet,
) -> (Forwarder, GroupTableWriter, WorkerCounters) {
    let (mut table, mut readers) = group_table(TableSettings { max_groups: 64, readers: 1, seed: 1 });
    let (masks, policy) = (Arc::new(PortMasks::new()), Arc::new(ForwardingPolicy::new(&[])));
    let (counters, _) = worker_counters();
    let mut forwarder = Forwarder::new(ForwarderParts {
        table: readers.remove(0),
        masks: Arc::clone(&masks),
        policy: Arc::clone(&policy),
        counters: counters.clone(),
        router_mac: ROUTER,
    });
    for index in 0..=ports {
        let (sender, _) = frame_ring(8);
        forwarder.add_port(port(index), ingress.clone(), sender, Policer::new(1, 1), 1500);
    }
    masks.set_forward(port(0), clients(ports));
    policy.set_enabled(true);
    policy.set_source(port(0), true);
    for number in 0..16 {
        members(number).iter().for_each(|client| table.set(group(number), client).expect("room"));
    }
    forwarder.table().quiesce();
    (forwarder, table, counters)
}

/// A driver that is done with frames once it has taken them.
#[derive(Default)]
pub struct Done;

impl PlainQueue for Done {
    fn take(&mut self, frames: &[SharedFrame]) -> usize {
        frames.len()
    }
}

/// A NIC's driver: it has frames until it gets the next ones.
pub struct Keeps(Vec<SharedFrame>);

impl Default for Keeps {
    fn default() -> Self {
        Self(Vec::with_capacity(64))
    }
}

impl PlainQueue for Keeps {
    fn take(&mut self, frames: &[SharedFrame]) -> usize {
        self.0.clear();
        self.0.extend_from_slice(frames);
        frames.len()
    }
}

/// A worker's transmit side.
pub type Sending<Q> = PortsEgress<PlainRun<Q>>;

/// The transmit side of so many client ports, those of `own` with MACs of their own; and a pool that no port exhausts.
pub fn egress<Q: PlainQueue + Default>(
    ports: usize,
    own: PortSet,
    counters: WorkerCounters,
) -> (Sending<Q>, PlainPool) {
    let (pool, macs) = (PlainPool::new(64 * (ports + 2), 1514), EgressMacs::new());
    for port in own {
        macs.set(port, Some(MacAddr([2, 0, 0, 0, 1, port.get() as u8])));
    }
    let mut egress = Sending::new(counters, pool.clone(), Arc::new(macs));
    clients(ports).iter().for_each(|port| egress.add_port(port, Q::default()));
    (egress, pool)
}
