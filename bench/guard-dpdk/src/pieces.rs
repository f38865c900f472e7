//! A worker's burst in mbufs, from its heads to the queues of its ports.

use std::hint::black_box;

use dpdk::{Burst, Eal, FanBatch, Mempool, Port, PortConfig};
use forwarding::{BURST, Egress, PortsEgress, worker_counters};
use guard::Pieces;
use guard::stage::{ROUTER, clients, forwarder, frame, group, ingress, port};
use rustix::thread::{CpuSet, sched_getaffinity};
use types::{FrameBurst, FramePool, Heads, Lanes, Time};

/// As a worker has it.
type Sending = PortsEgress<FanBatch<64>>;

pub(crate) const WORK: Pieces = &[
    ("read the heads of 32 mbufs", read_heads),
    ("write the heads of 32 mbufs", write_heads),
    ("replicate 32 mbufs to 1 port", || replicate(1)),
    ("replicate 32 mbufs to 4 ports", || replicate(4)),
    ("replicate 32 mbufs to 16 ports", || replicate(16)),
    ("replicate 32 mbufs to 30 ports", || replicate(30)),
    ("forward 32 mbufs to 1 port", || forward(1)),
    ("forward 32 mbufs to 30 ports", || forward(30)),
];

/// EAL with so many null ports, and what goes with it. Ends with the process.
struct Stage {
    pool: Mempool,
    ports: Vec<(Port, dpdk::Queues)>,
}

impl Stage {
    fn new(ports: usize) -> Self {
        let cpus = sched_getaffinity(None).expect("the cores of this process");
        let cpu = (0..CpuSet::MAX_CPU).find(|cpu| cpus.is_set(*cpu)).expect("a core");
        let mut args = ["--no-huge", "-m", "64", "--no-pci", "--no-telemetry", "--log-level=error"]
            .map(str::to_owned)
            .to_vec();
        args.push(format!("--lcores=0@{cpu}"));
        args.extend((1..=ports).map(|number| format!("--vdev=net_null{number},no-rx=1")));
        let eal = Eal::init(&args).expect("EAL");
        let pool = Mempool::new(&eal, "guard", 2047, 64, dpdk::DEFAULT_FRAME_ROOM, None).expect("a pool");
        let open = |number: usize| {
            let id = eal.port_by_name(&format!("net_null{number}")).expect("the null port");
            let mut port = Port::open(&eal, id).expect("a port");
            let queues = port.start(&PortConfig::new(pool.clone())).expect("its queues");
            (port, queues)
        };
        Self { ports: (1..=ports).map(open).collect(), pool }
    }

    /// A burst with a frame of one group.
    fn fill(&self, burst: &mut Burst, bytes: &[u8]) {
        for _ in 0..BURST {
            let mbuf = self.pool.frame_of(bytes).expect("a buffer");
            assert!(burst.push(mbuf).is_ok());
        }
    }

    /// The queues, for a transmit side; the ports stay.
    fn sending(&mut self, counters: &forwarding::WorkerCounters) -> Sending {
        let macs = std::sync::Arc::new(forwarding::EgressMacs::new());
        let mut egress = Sending::new(counters.clone(), self.pool.clone(), macs);
        for (index, (_, queues)) in self.ports.iter_mut().enumerate() {
            egress.add_port(port(1 + index), queues.tx.remove(0));
        }
        egress
    }
}

fn read_heads() -> Box<dyn FnMut()> {
    let stage = Stage::new(0);
    let (mut burst, mut heads) = (Burst::new(), Heads::new());
    stage.fill(&mut burst, &frame(group(1), 64));
    Box::new(move || {
        black_box(&mut burst).read_heads(&mut heads);
        assert_eq!(black_box(&heads).lens.0[BURST - 1], 64);
    })
}

fn write_heads() -> Box<dyn FnMut()> {
    let stage = Stage::new(0);
    let mut burst = Burst::new();
    stage.fill(&mut burst, &frame(group(1), 64));
    let mut source = [0; 8];
    source[..6].copy_from_slice(&ROUTER.octets());
    Box::new(move || {
        let _ = &stage;
        black_box(&mut burst).write_heads(u32::MAX, source, black_box(&Lanes::ZERO));
        assert_eq!(&burst[BURST - 1].data()[6..12], &ROUTER.octets());
    })
}

/// A burst to so many ports.
fn replicate(ports: usize) -> Box<dyn FnMut()> {
    let (counters, _) = worker_counters();
    let mut stage = Stage::new(ports);
    let mut egress = stage.sending(&counters);
    let (bytes, mut sent) = (frame(group(1), 64), 0);
    Box::new(move || {
        let mbufs = (0..BURST).map(|_| stage.pool.frame_of(&bytes).expect("a buffer"));
        egress.replicate(mbufs, (BURST * bytes.len()) as u64, black_box(clients(ports)));
        egress.flush();
        sent += BURST as u64;
        assert_eq!(counters.port(port(ports)).tx_frames.get(), sent);
    })
}

/// A burst from classifying to the queues of so many ports.
fn forward(ports: usize) -> Box<dyn FnMut()> {
    let (mut forwarder, table, counters) = forwarder(ports, &ingress(&[], false), |_| clients(ports));
    let mut stage = Stage::new(ports);
    let mut egress = stage.sending(&counters);
    let (bytes, mut burst, mut sent) = (frame(group(1), 64), Burst::new(), 0);
    Box::new(move || {
        let _ = &table;
        stage.fill(&mut burst, &bytes);
        forwarder.forward(|| Time::ZERO, port(0), &mut burst, &mut egress);
        egress.flush();
        sent += BURST as u64;
        assert_eq!(counters.port(port(ports)).tx_frames.get(), sent);
    })
}
