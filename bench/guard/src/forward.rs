//! What a worker does with a burst: classify, look up, rewrite, hand each frame to its ports.

use std::hint::black_box;

use forwarding::{BURST, OwnedBurst, OwnedFrame, PlainFrame, Verdict, classify, rewrite};
use types::{Checksum, FramePool, PortSet, Time};

use crate::Pieces;
use crate::stage::{Done, ROUTER, clients, egress, forwarder, frame, group, ingress, port, unfinished};

pub(crate) const WORK: Pieces = &[
    ("classify 32 frames", classify_burst),
    ("rewrite 32 frames", rewrite_burst),
    ("forward 32 frames to 1 port", || Forward::to(1).turns()),
    ("forward 32 frames to 4 ports", || Forward::to(4).turns()),
    ("forward 32 frames to 16 ports", || Forward::to(16).turns()),
    ("forward 32 frames to 30 ports", || Forward::to(30).turns()),
    ("forward 32 frames of 16 groups to 16 ports", || Forward { groups: 16, ..Forward::to(16) }.turns()),
    ("forward 32 frames to 4 ports by turns", || {
        Forward { groups: 16, by_turns: true, ..Forward::to(4) }.turns()
    }),
    ("forward 32 frames of allowed sources", || {
        Forward { sources_allowed: &["198.51.100.0/24", "192.0.2.0/24"], ..Forward::to(1) }.turns()
    }),
    ("forward 32 frames, looking at UDP checksums", || {
        Forward { completes_udp: true, ..Forward::to(1) }.turns()
    }),
    ("forward 32 frames, completing UDP checksums", || {
        Forward { completes_udp: true, unfinished: true, ..Forward::to(1) }.turns()
    }),
    ("forward 32 frames of 1362 bytes", || Forward { len: 1362, ..Forward::to(1) }.turns()),
    ("forward 32 of 1362, completing UDP checksums", || {
        Forward { completes_udp: true, unfinished: true, len: 1362, ..Forward::to(1) }.turns()
    }),
    ("drop 32 frames that nobody wants", || Forward::to(0).turns()),
];

fn classify_burst() -> Box<dyn FnMut()> {
    let (ingress, frame) = (ingress(&[], false), frame(group(1), 64));
    Box::new(move || {
        for _ in 0..BURST {
            let verdict = classify(black_box(&frame), Checksum::Unknown, &ingress);
            assert!(matches!(black_box(verdict), Verdict::Data { .. }));
        }
    })
}

fn rewrite_burst() -> Box<dyn FnMut()> {
    let mut frame = OwnedFrame(frame(group(1), 64));
    Box::new(move || {
        for _ in 0..BURST {
            // The TTL stays what it was, so that turns are alike.
            frame.0[22] = 64;
            rewrite(black_box(&mut frame), ROUTER);
        }
        assert_eq!(frame.0[22], 63);
    })
}

/// A burst that is forwarded.
struct Forward {
    /// Ports that each group goes to.
    ports: usize,
    /// Groups of the frames, by turns.
    groups: usize,
    /// Each group goes to one of the ports, the next to another.
    by_turns: bool,
    /// Bytes of a frame.
    len: usize,
    sources_allowed: &'static [&'static str],
    /// Ports complete UDP checksums.
    completes_udp: bool,
    /// There are some to complete.
    unfinished: bool,
}

impl Forward {
    /// 64-byte frames of one group, to so many ports.
    const fn to(ports: usize) -> Self {
        Self {
            ports,
            groups: 1,
            by_turns: false,
            len: 64,
            sources_allowed: &[],
            completes_udp: false,
            unfinished: false,
        }
    }

    fn members(&self, group: usize) -> PortSet {
        if self.by_turns { PortSet::only(port(1 + group % self.ports)) } else { clients(self.ports) }
    }

    fn turns(self) -> Box<dyn FnMut()> {
        let ingress = ingress(self.sources_allowed, self.completes_udp);
        let (mut forwarder, table, counters) = forwarder(self.ports, &ingress, |group| self.members(group));
        let (mut egress, pool) = egress::<Done>(self.ports, PortSet::EMPTY, counters.clone());
        let make = if self.unfinished { unfinished } else { frame };
        let frames: Vec<_> = (0..BURST).map(|n| make(group(n % self.groups), self.len)).collect();
        let (mut burst, mut turns) = (OwnedBurst::<PlainFrame>::default(), 0);
        Box::new(move || {
            let _ = &table;
            burst.0.extend(frames.iter().map(|frame| pool.frame_of(frame).expect("a buffer")));
            forwarder.forward(|| Time::ZERO, port(0), &mut burst, &mut egress);
            egress.flush();
            turns += 1;
            let each = if self.by_turns { BURST / self.ports } else { BURST } as u64;
            // Of the last port; where there is none, the provider's sends nothing.
            let sent = if self.ports == 0 { 0 } else { turns * each };
            assert_eq!(counters.port(port(self.ports)).tx_frames.get(), sent);
            let completed = if self.unfinished { turns * BURST as u64 } else { 0 };
            assert_eq!(counters.port(port(0)).udp_completed.get(), completed);
        })
    }
}
