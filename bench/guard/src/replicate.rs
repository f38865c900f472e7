//! A worker's transmit side: runs, what waits for each port, MACs of their own.

use std::hint::black_box;

use forwarding::{BURST, Egress, PlainQueue, worker_counters};
use types::{FramePool, PortSet};

use crate::Pieces;
use crate::stage::{Done, Keeps, clients, egress, frame, group, port};

pub(crate) const WORK: Pieces = &[
    ("replicate 32 frames to 1 port", || replicate::<Done>(1, 0)),
    ("replicate 32 frames to 4 ports", || replicate::<Done>(4, 0)),
    ("replicate 32 frames to 16 ports", || replicate::<Done>(16, 0)),
    ("replicate 32 frames to 30 ports", || replicate::<Done>(30, 0)),
    ("replicate 32 frames to 4 ports by turns", by_turns),
    ("replicate 32 frames to 16 ports, 16 own MACs", || replicate::<Done>(16, 16)),
    ("replicate 32 frames to 16 ports, 4 own MACs", || replicate::<Done>(16, 4)),
    ("copy 32 frames to 16 ports, 16 own MACs", || replicate::<Keeps>(16, 16)),
];

/// A burst to `ports` ports, of which `own` have MACs of their own, out of queues like `Q`.
fn replicate<Q: PlainQueue + Default + 'static>(ports: usize, own: usize) -> Box<dyn FnMut()> {
    let (counters, _) = worker_counters();
    let (mut egress, pool) = egress::<Q>(ports, clients(own), counters.clone());
    let (bytes, all, mut sent) = (frame(group(1), 64), clients(ports), 0);
    Box::new(move || {
        let frames = (0..BURST).map(|_| pool.frame_of(&bytes).expect("a buffer"));
        egress.replicate(frames, (BURST * bytes.len()) as u64, black_box(all));
        egress.flush();
        sent += BURST as u64;
        assert_eq!(counters.port(port(1)).tx_frames.get(), sent);
        assert_eq!(counters.port(port(ports)).tx_frames.get(), sent);
    })
}

/// Frames that go to one port, the next to another.
fn by_turns() -> Box<dyn FnMut()> {
    const PORTS: usize = 4;
    let (counters, _) = worker_counters();
    let (mut egress, pool) = egress::<Done>(PORTS, PortSet::EMPTY, counters.clone());
    let (bytes, mut sent) = (frame(group(1), 64), 0);
    Box::new(move || {
        for number in 0..BURST {
            let frame = pool.frame_of(&bytes).expect("a buffer");
            let ports = PortSet::only(port(1 + number % PORTS));
            egress.replicate(std::iter::once(frame), bytes.len() as u64, black_box(ports));
        }
        egress.flush();
        sent += (BURST / PORTS) as u64;
        assert_eq!(counters.port(port(PORTS)).tx_frames.get(), sent);
    })
}
