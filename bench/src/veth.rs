//! b14: copies a second on kernel interfaces, beside the kernel's own multicast forwarding on cables that are alike.
//!
//! The source sends as fast as its core can, so what the forwarder takes of it is its rate, and the rest is lost before it.
//! Behind it nothing may be: once all is still, every client's end has received what the forwarder counts as sent, to
//! the frame.
//!
//! Both are there at once, on cables that are alike, and take turns as [`crate::slices`] do. Manifold is halted while it is the
//! kernel's turn. Before that its source stops, and all that is on its way arrives and is counted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lab::{Helper, stop};

use crate::error::BenchError;
use crate::figures::{Driver, FIGURES, Source};
use crate::package;
use crate::part::Part;
use crate::router::{Kernel, Members, OnInterfaces, Place};
use crate::side::{Seat, Trial, Work};
use crate::slices;
use crate::source::GROUP;
use crate::traffic::{self, Flood, GO, Offered, STOP};
use crate::wires::{SOURCE, Wires};

/// Rounds of each figure at most.
pub(crate) const ROUNDS: usize = 3;
/// How long a slice is counted: one begins with the source's start and ends when all is still.
const SLICE: Duration = Duration::from_millis(100);
/// Before it, for caches, queues and the source.
const COLD: Duration = Duration::from_millis(20);
/// Whose turn it is, over and over.
const TURNS: [Seat; 4] = [Seat::Peer, Seat::Ours, Seat::Ours, Seat::Peer];
/// What a forwarder has counted may still be under way to its counters.
const FLUSHED: Duration = Duration::from_secs(1);

/// What the figures on kernel interfaces need.
#[derive(Debug)]
pub(crate) struct Veth {
    /// The cables: ours, and the peer's, which only rates need.
    pub(crate) wires: Wires,
    peers: Option<Wires>,
    smcrouted: Part<PathBuf>,
    igmpproxy: Part<PathBuf>,
}

impl Veth {
    /// Makes the cables and looks for those peers that `rates` and `delays` need.
    ///
    /// # Errors
    /// The kernel refuses, or a signal came.
    pub(crate) fn new(folder: &Path, [rates, delays]: [bool; 2]) -> Result<Self, BenchError> {
        let peer = |needed, name, package| Part::new(needed, || package::program(name, package, folder));
        let smcrouted = peer(rates, "smcrouted", "smcroute")?;
        let igmpproxy = peer(delays, "igmpproxy", "igmpproxy")?;
        let on_wires = FIGURES.iter().filter(|figure| figure.source == Source::Wire);
        let most = on_wires.map(|figure| figure.fan_out).max().unwrap_or(1);
        let peers = if rates { Some(Wires::new(most)?) } else { None };
        Ok(Self { wires: Wires::new(most)?, peers, smcrouted, igmpproxy })
    }

    /// The peer of the rates.
    ///
    /// # Errors
    /// It is not installed, and cannot be had.
    pub(crate) fn smcrouted(&self) -> Result<&Path, BenchError> {
        self.smcrouted.get().map(PathBuf::as_path).map_err(BenchError::no_peer)
    }

    /// The peer of the delays ([`crate::outer`]).
    ///
    /// # Errors
    /// It is not installed, and cannot be had.
    pub(crate) fn igmpproxy(&self) -> Result<&Path, BenchError> {
        self.igmpproxy.get().map(PathBuf::as_path).map_err(BenchError::no_peer)
    }

    /// Starts both: `manifold` by `driver`, which does the work `ours`, and the kernel.
    ///
    /// # Errors
    /// One does not start.
    pub(crate) fn both<'v>(
        &'v self,
        manifold: &Path,
        driver: Driver,
        [ours, peer]: &'v [Work; 2],
    ) -> Result<Both<'v>, BenchError> {
        let wires =
            self.peers.as_ref().ok_or_else(|| BenchError::machine("the peer has no cables", "report it"))?;
        let [ours, peer] = [Lane::new(&self.wires, ours)?, Lane::new(wires, peer)?];
        let kernel = Kernel::static_route(self.smcrouted()?, peer.place())?;
        let mut manifold = OnInterfaces::start(manifold, driver, Members::Static, ours.place())?;
        manifold.halt()?;
        Ok(Both { manifold, kernel, ours, peer })
    }
}

/// Cables, and who sends on them.
struct Lane<'v> {
    wires: &'v Wires,
    work: &'v Work,
    source: Helper,
    /// What the ends had received before.
    before: Vec<u64>,
}

impl<'v> Lane<'v> {
    fn new(wires: &'v Wires, work: &'v Work) -> Result<Self, BenchError> {
        let core = work.cores.main;
        let task = Flood { from: SOURCE, group: GROUP, wire_len: work.party.wire_len, core };
        let source = traffic::start(wires.source(), &traffic::Task::Flood(task), "the source")?;
        Ok(Self { wires, work, source, before: wires.settled(work.fan_out)? })
    }

    fn place(&self) -> Place<'v> {
        let Work { fan_out, cores, scratch, .. } = self.work;
        Place { wires: self.wires, clients: *fan_out, cores: *cores, scratch }
    }

    /// Has the source send, and counts at the clients' ends; adds it to `sum`. All is still again at the end.
    fn slice(&mut self, sum: &mut Sum) -> Result<(), BenchError> {
        let ends = self.work.fan_out;
        let (_, still) = self.wires.received(ends)?;
        self.source.tell(GO)?;
        stop::pause(COLD)?;
        let (from, before) = self.wires.received(ends)?;
        stop::pause(SLICE)?;
        let (to, after) = self.wires.received(ends)?;
        self.source.tell(STOP)?;
        let Offered { frames } = self.source.answer()?;
        let end = self.wires.settled(ends)?;
        let between = |a: &[u64], b: &[u64]| b.iter().zip(a).map(|(b, a)| b - a).sum::<u64>();
        sum.copies += between(&before, &after);
        sum.length += to - from;
        sum.offered += frames * ends as u64;
        sum.received += between(&still, &end);
        Ok(())
    }

    /// Since it was made each end received what its port sent, and all the same data. `sent` tells of each port what it sent,
    /// and how much of that is none.
    fn expect(
        &self,
        side: &str,
        mut sent: impl FnMut() -> Result<Vec<(u64, u64)>, BenchError>,
    ) -> Result<(), BenchError> {
        let mut counted = (Vec::new(), Vec::new());
        let right = stop::poll(FLUSHED, || {
            // An error is told below, as what it is.
            if let (Ok(sent), Ok((_, now))) = (sent(), self.wires.received(self.work.fan_out)) {
                counted = (sent, now.iter().zip(&self.before).map(|(now, before)| now - before).collect());
            }
            Ok(agree(&counted.0, &counted.1).then_some(()))
        })?;
        match right {
            Some(()) => Ok(()),
            None => Err(BenchError::delivery(
                side,
                format!(
                    "it sent {:?} frames (and of them so many of its own), the ends got {:?}",
                    counted.0, counted.1
                ),
            )),
        }
    }
}

/// Slices of a trial.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    copies: u64,
    length: Duration,
    /// Copies that would have been, had all frames come through, from the first to the last.
    offered: u64,
    received: u64,
}

impl Sum {
    fn trial(self) -> Trial {
        Trial {
            copies_per_s: self.copies as f64 / self.length.as_secs_f64(),
            kept: Some(self.received as f64 / self.offered as f64),
            ..Trial::default()
        }
    }
}

/// Manifold, halted, and the kernel, which does nothing while nobody sends.
pub(crate) struct Both<'v> {
    manifold: OnInterfaces,
    kernel: Kernel<'v>,
    ours: Lane<'v>,
    peer: Lane<'v>,
}

impl Both<'_> {
    /// A round in slices.
    ///
    /// # Errors
    /// One has ended, or an end did not receive what was sent to it.
    pub(crate) fn round(&mut self) -> Result<[Trial; 4], BenchError> {
        let mut sums = [Sum::default(); 4];
        for _ in 0..slices::number(share(self.ours.work.window), SLICE) {
            for (sum, turn) in sums.iter_mut().zip(TURNS) {
                match turn {
                    Seat::Peer => self.peer.slice(sum)?,
                    Seat::Ours => {
                        self.manifold.resume()?;
                        self.ours.slice(sum)?;
                        self.manifold.halt()?;
                    }
                }
            }
        }
        let clients = self.ours.work.fan_out;
        self.peer.expect("the kernel", || Ok(vec![(self.kernel.forwarded()?, 0); clients]))?;
        self.manifold.resume()?;
        self.ours.expect("manifold", || self.manifold.sent(clients))?;
        self.manifold.halt()?;
        Ok(sums.map(Sum::trial))
    }

    /// Ends both.
    ///
    /// # Errors
    /// One does not end well.
    pub(crate) fn end(mut self) -> Result<(), BenchError> {
        self.manifold.resume()?;
        self.manifold.end()?;
        self.kernel.end()
    }
}

/// What a trial of that length counts of it: the pauses between slices take most of the rest.
fn share(window: Duration) -> Duration {
    window * 6 / 10
}

/// Whether each end received what was sent to it, and each the same number of copies, which is not none.
fn agree(sent: &[(u64, u64)], received: &[u64]) -> bool {
    let copies = |(frames, own): &(u64, u64)| frames - own;
    let first = sent.first().map_or(0, copies);
    first > 0
        && sent.len() == received.len()
        && sent.iter().zip(received).all(|(sent, received)| sent.0 == *received && copies(sent) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_has_several_slices() {
        let sum = Sum { copies: 300, length: Duration::from_millis(600), offered: 500, received: 400 };
        let trial = sum.trial();
        assert_eq!((trial.copies_per_s, trial.kept), (500.0, Some(0.8)));
    }

    #[test]
    fn every_end_has_what_was_sent() {
        assert!(agree(&[(7, 2), (6, 1)], &[7, 6]));
        assert!(!agree(&[(7, 2), (7, 1)], &[7, 7]), "one port got a copy more");
        assert!(!agree(&[(7, 2), (6, 1)], &[7, 5]), "one copy did not arrive");
        assert!(!agree(&[(2, 2)], &[2]), "no data");
        assert!(!agree(&[], &[]));
    }
}
