use super::*;
use crate::counters::{WorkerCountersReader, worker_counters};
use crate::frame::{OwnedBurst, OwnedFrame};
use crate::ingress::IngressSettings;
use crate::ring::{FrameReceiver, frame_ring};
use group_table::{GroupTableWriter, TableSettings, group_table};
use types::GroupAddr;

const ROUTER: MacAddr = MacAddr([0x02, 0, 0, 0, 0, 0xaa]);
const NOW: Time = Time::from_nanos(1_000_000_000);

fn port(i: usize) -> PortIndex {
    PortIndex::new(i).unwrap()
}

fn group(text: &str) -> GroupAddr {
    text.parse().unwrap()
}

fn settings() -> IngressSettings {
    IngressSettings {
        router_mac: ROUTER,
        kernel_mac: None,
        own: Vec::new(),
        address: None,
        sources_allowed: Vec::new(),
    }
}

fn ingress() -> Ingress {
    Ingress::new(&settings())
}

#[derive(Default)]
struct Sent(Vec<(Vec<u8>, PortSet)>);

impl Egress<OwnedFrame> for Sent {
    fn replicate(&mut self, frame: OwnedFrame, ports: PortSet) {
        self.0.push((frame.0, ports));
    }
}

/// Port 0 is the provider's, 1 to 3 are clients'.
struct Bench {
    forwarder: Forwarder,
    table: GroupTableWriter,
    masks: Arc<PortMasks>,
    policy: Arc<ForwardingPolicy>,
    counters: WorkerCountersReader,
    punted: Vec<FrameReceiver>,
    sent: Sent,
}

impl Bench {
    fn new() -> Self {
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
            let (tx, rx) = frame_ring(2);
            punted.push(rx);
            forwarder.add_port(port(i), ingress(), tx, Policer::new(1_000, 4), 1500);
        }
        masks.set_forward(port(0), [1, 2, 3].map(port).into_iter().collect());
        policy.set_enabled(true);
        policy.set_source(port(0), true);
        Self { forwarder, table, masks, policy, counters, punted, sent: Sent::default() }
    }

    fn pass(&mut self, ingress: usize, frames: impl IntoIterator<Item = Vec<u8>>) -> PassReport {
        let mut burst = OwnedBurst(frames.into_iter().map(OwnedFrame).collect());
        let report = self.forwarder.forward(|| NOW, port(ingress), &mut burst, &mut self.sent);
        assert!(burst.0.is_empty());
        self.forwarder.table().quiesce();
        report
    }

    fn dropped(&self, ingress: usize, reason: DropReason) -> u64 {
        self.counters.snapshot(port(ingress)).dropped(reason)
    }

    /// Every received frame is forwarded, punted or dropped under a name.
    fn assert_balanced(&self) {
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

fn frame(group: GroupAddr, protocol: u8, payload: usize) -> Vec<u8> {
    let mut f = Vec::new();
    f.extend(group.mac().octets());
    f.extend([0x02, 0, 0, 0, 0, 0x09, 0x08, 0x00]);
    let total = (20 + payload) as u16;
    f.extend([0x45, 0]);
    f.extend(total.to_be_bytes());
    f.extend([0, 1, 0x40, 0, 5, protocol, 0, 0, 10, 0, 0, 9]);
    f.extend(group.addr().octets());
    let mut sum: u32 = f[14..34].chunks(2).map(|w| u32::from(w[0]) << 8 | u32::from(w[1])).sum();
    while sum >> 16 != 0 {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    f[24..26].copy_from_slice(&(!(sum as u16)).to_be_bytes());
    f.resize(f.len() + payload, 0x47);
    f
}

fn data(group: GroupAddr) -> Vec<u8> {
    frame(group, 17, 100)
}

#[test]
fn r74_r84_goes_to_members_and_nobody_else() {
    let mut b = Bench::new();
    let (g, h) = (group("239.2.2.2"), group("239.3.3.3"));
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(3)).unwrap();
    b.table.set(h, port(2)).unwrap();
    b.pass(0, [data(g), data(h), data(group("239.4.4.4")), data(g)]);
    let ports: Vec<_> = b.sent.0.iter().map(|(_, p)| *p).collect();
    let both: PortSet = [port(1), port(3)].into_iter().collect();
    assert_eq!(ports, [both, PortSet::only(port(2)), both]);
    assert_eq!(b.dropped(0, DropReason::NoMember), 1);
    assert_eq!(b.table.counters(g).frames, 2);
    b.assert_balanced();
}

#[test]
fn r74_never_back_out_of_the_port_it_came_in_by() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(0)).unwrap();
    b.pass(0, [data(g)]);
    assert!(b.sent.0.is_empty());
    assert_eq!(b.dropped(0, DropReason::NoEgress), 1);
}

#[test]
fn r75_data_from_a_client_port_is_dropped_and_counted() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(2)).unwrap();
    b.pass(1, [data(g)]);
    assert!(b.sent.0.is_empty());
    assert_eq!(b.dropped(1, DropReason::NotASource), 1);
    b.assert_balanced();
}

#[test]
fn r76_a_change_is_in_force_for_the_next_burst() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    for round in 0..20 {
        b.table.set(g, port(1)).unwrap();
        b.pass(0, [data(g)]);
        b.table.clear(g, port(1));
        b.pass(0, [data(g)]);
        b.table.maintain();
        assert_eq!(b.sent.0.len(), round + 1);
    }
    assert_eq!(b.dropped(0, DropReason::NoMember), 20);
}

#[test]
fn r77_the_first_packet_after_the_join_passes() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.pass(0, (0..10).map(|_| data(g)));
    assert_eq!(b.dropped(0, DropReason::NoMember), 10);
    b.table.set(g, port(2)).unwrap();
    b.pass(0, [data(g)]);
    assert_eq!(b.sent.0.len(), 1);
}

#[test]
fn r78_r79_r80_rewritten_once_and_nothing_else() {
    let mut b = Bench::new();
    let g = group("224.129.1.1");
    b.table.set(g, port(1)).unwrap();
    let before = data(g);
    b.pass(0, [before.clone()]);
    let after = &b.sent.0[0].0;
    assert_eq!(after[0..6], g.mac().octets());
    assert_eq!(after[6..12], ROUTER.octets());
    assert_eq!(after[22], 4);
    assert_eq!(after[26..], before[26..]);
}

#[test]
fn r79_groups_that_share_a_mac_share_nothing_else() {
    let mut b = Bench::new();
    b.table.set(group("224.1.1.1"), port(1)).unwrap();
    b.pass(0, [data(group("225.1.1.1")), data(group("224.1.1.1"))]);
    assert_eq!(b.sent.0.len(), 1);
    assert_eq!(b.dropped(0, DropReason::NoMember), 1);
}

#[test]
fn r69_local_groups_are_named_as_such() {
    let mut b = Bench::new();
    b.pass(0, [data(group("239.255.255.250"))]);
    assert_eq!(b.dropped(0, DropReason::LocalGroup), 1);
}

#[test]
fn r69_local_groups_do_not_go_where_data_always_goes() {
    let mut b = Bench::new();
    b.policy.set_source(port(1), true);
    b.masks.set_always(port(1), PortSet::only(port(0)));
    b.masks.set_forward(port(1), [0, 2].map(port).into_iter().collect());
    b.table.set(group("239.2.2.2"), port(2)).unwrap();
    b.pass(1, [data(group("239.255.255.250")), data(group("239.9.9.9")), data(group("239.2.2.2"))]);
    let ports: Vec<_> = b.sent.0.iter().map(|(_, p)| *p).collect();
    assert_eq!(ports, [PortSet::only(port(0)), [0, 2].map(port).into_iter().collect()]);
    assert_eq!(b.dropped(1, DropReason::LocalGroup), 1);
    b.assert_balanced();
}

#[test]
fn r14_igmp_is_punted_up_to_the_ring_and_the_rate() {
    let mut b = Bench::new();
    let igmp = || frame(group("239.2.2.2"), 2, 8);
    assert_eq!(b.pass(1, (0..6).map(|_| igmp())).punted, 2);
    assert_eq!(b.dropped(1, DropReason::PuntFull), 2);
    assert_eq!(b.dropped(1, DropReason::PuntPoliced), 2);
    // Another port has a ring and a rate of its own.
    assert_eq!(b.pass(2, [igmp()]).punted, 1);
    assert_eq!(b.punted[2].recv(|p, f| (p, f.to_vec())), Some((port(2), igmp())));
    assert!(b.sent.0.is_empty());
    b.assert_balanced();
}

#[test]
fn r99_only_the_port_with_the_small_mtu_drops() {
    let mut b = Bench::new();
    let (tx, _rx) = frame_ring(1);
    b.forwarder.add_port(port(2), ingress(), tx, Policer::new(1, 1), 1400);
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.table.set(g, port(2)).unwrap();
    b.pass(0, [frame(g, 17, 1480), frame(g, 17, 1380)]);
    assert_eq!(b.sent.0[0].1, PortSet::only(port(1)));
    assert_eq!(b.sent.0[1].1.len(), 2);
    assert_eq!(b.dropped(2, DropReason::Mtu), 1);
    assert_eq!(b.dropped(1, DropReason::Mtu), 0);
    b.assert_balanced();
}

#[test]
fn padding_is_cut_before_sending() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    let mut f = frame(g, 17, 8);
    let len = f.len();
    f.resize(60, 0xee);
    b.pass(0, [f]);
    assert_eq!(b.sent.0[0].0.len(), len);
}

#[test]
fn a_port_that_may_not_send_says_why() {
    let mut b = Bench::new();
    let g = group("239.2.2.2");
    b.table.set(g, port(1)).unwrap();
    b.masks.set_forward(port(0), PortSet::only(port(2)));
    b.pass(0, [data(g)]);
    assert_eq!(b.dropped(0, DropReason::NoEgress), 1);
    b.policy.set_enabled(false);
    b.pass(0, [data(g)]);
    assert_eq!(b.dropped(0, DropReason::ProxyOff), 1);
    b.assert_balanced();
}
