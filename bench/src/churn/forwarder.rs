//! The worker's side: Manifold's forwarder on plain buffers, whose thread says what the other core does meanwhile.

use std::time::{Duration, Instant};

use dataplane::sizes::HOUSEKEEPING;
use forwarding::{BURST, Egress, Forwarder, OwnedFrame};
use lab::{LabError, stop};
use types::{FrameBurst, PortIndex, PortSet, Time};

use super::SIDE;
use super::orders::{Beside, Orders, TURNS};
use crate::burst::PlainBurst;
use crate::chance::Chance;
use crate::error::BenchError;
use crate::live::port;
use crate::thread::Told;

/// How long a slice is counted.
const SLICE: Duration = Duration::from_millis(10);
/// What the other core did before is over, and so long is not counted.
const SETTLING: Duration = Duration::from_millis(1);

/// Counts copies, and keeps the buffers for the next burst.
struct Copies {
    copies: u64,
    buffers: Vec<OwnedFrame>,
}

impl Egress<OwnedFrame> for Copies {
    #[inline]
    fn replicate(&mut self, frames: impl Iterator<Item = OwnedFrame>, _bytes: u64, ports: PortSet) {
        let before = self.buffers.len();
        self.buffers.extend(frames);
        self.copies += (self.buffers.len() - before) as u64 * u64::from(ports.len());
    }
}

/// What several slices came to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    /// Frames forwarded.
    pub(super) frames: u64,
    /// Writes meanwhile.
    pub(super) writes: u64,
    /// How long.
    pub(super) length: Duration,
    /// What the kernel did to the thread.
    pub(super) told: Told,
}

impl Sum {
    /// So many of them a second.
    pub(super) fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.length.as_secs_f64()
    }
}

/// The worker's pass, and what it goes over.
pub(super) struct Reader {
    forwarder: Forwarder,
    /// One for each group, as it is received.
    frames: Vec<Vec<u8>>,
    fan_out: usize,
    provider: PortIndex,
    chance: Chance,
    burst: PlainBurst,
    egress: Copies,
    sent: u64,
}

impl Reader {
    /// One that sends these frames, as they come by chance, to so many sinks.
    ///
    /// # Errors
    /// None: every table has a port 0.
    pub(super) fn new(
        forwarder: Forwarder,
        frames: Vec<Vec<u8>>,
        fan_out: usize,
    ) -> Result<Self, BenchError> {
        let buffers = (0..BURST).map(|_| OwnedFrame(frames[0].clone())).collect();
        Ok(Self {
            forwarder,
            frames,
            fan_out,
            provider: port(0)?,
            chance: Chance::new(0),
            burst: PlainBurst::default(),
            egress: Copies { copies: 0, buffers },
            sent: 0,
        })
    }

    /// Forwards for so many slices of each turn, and gives the other core its orders.
    ///
    /// # Errors
    /// A copy is missing, the other core's thread ended, or a signal came.
    pub(super) fn run(&mut self, slices: usize, orders: &Orders) -> Result<[Sum; TURNS.len()], BenchError> {
        let mut sums = [Sum::default(); TURNS.len()];
        for _ in 0..slices {
            for (sum, beside) in sums.iter_mut().zip(TURNS) {
                orders.give(beside);
                self.slice(orders, sum);
            }
            if stop::stopped() {
                return Err(LabError::Interrupted.into());
            }
            if orders.is_deserted() {
                return Err(BenchError::delivery("the writer", "it ended early"));
            }
        }
        if self.egress.copies != self.sent * self.fan_out as u64 || self.sent == 0 {
            let Self { sent, fan_out, egress, .. } = self;
            let what = format!("of {sent} frames {} copies for {fan_out} sinks went out", egress.copies);
            return Err(BenchError::delivery(SIDE, what));
        }
        Ok(sums)
    }

    fn slice(&mut self, orders: &Orders, sum: &mut Sum) {
        self.forward(SETTLING);
        let (told, sent, writes) = (Told::of_this_thread(), self.sent, orders.done());
        sum.length += self.forward(SLICE);
        sum.frames += self.sent - sent;
        sum.writes += orders.done() - writes;
        sum.told += Told::of_this_thread() - told;
    }

    /// Forwards for `length`, or somewhat longer: how long it was.
    fn forward(&mut self, length: Duration) -> Duration {
        let began = Instant::now();
        loop {
            for _ in 0..HOUSEKEEPING {
                self.pass();
            }
            self.forwarder.table().quiesce();
            let took = began.elapsed();
            if took >= length {
                return took;
            }
        }
    }

    fn pass(&mut self) {
        for mut buffer in self.egress.buffers.drain(..) {
            let frame = &self.frames[self.chance.next() as usize % self.frames.len()];
            buffer.0.copy_from_slice(frame);
            self.burst.push(buffer);
        }
        self.sent += self.burst.frames().len() as u64;
        self.forwarder.forward(|| Time::ZERO, self.provider, &mut self.burst, &mut self.egress);
    }
}

impl Beside {
    /// In which turns it is this.
    pub(super) fn of(self, sums: &[Sum; TURNS.len()]) -> impl Iterator<Item = Sum> {
        TURNS.into_iter().zip(*sums).filter(move |(beside, _)| *beside == self).map(|(_, sum)| sum)
    }
}
