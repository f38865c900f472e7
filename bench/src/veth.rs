//! b14: copies a second on kernel interfaces, beside the kernel's own multicast forwarding on the same cables.
//!
//! The source sends as fast as its core can, so what the forwarder takes of it is its rate, and the rest is lost before it.
//! Behind it nothing may be: once all is still, every client's end has received what the forwarder counts as sent, to
//! the frame.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use lab::stop;

use crate::error::BenchError;
use crate::figures::{Driver, FIGURES, Source};
use crate::package;
use crate::part::Part;
use crate::router::{Kernel, Members, OnInterfaces, Place};
use crate::side::{Trial, Work};
use crate::source::GROUP;
use crate::traffic::{self, Flood, Offered};
use crate::wires::{SOURCE, Wires};

/// Rounds of each figure at most: a trial takes seconds to begin and to end.
pub(crate) const ROUNDS: usize = 2;
/// What a forwarder has counted may still be under way to its counters.
const FLUSHED: Duration = Duration::from_secs(1);

/// What the figures on kernel interfaces need.
#[derive(Debug)]
pub(crate) struct Veth {
    /// The cables.
    pub(crate) wires: Rc<Wires>,
    smcrouted: Part<PathBuf>,
    igmpproxy: Part<PathBuf>,
    manifold: PathBuf,
}

impl Veth {
    /// Makes the cables and looks for those peers that `rates` and `delays` need; `manifold` is the program.
    ///
    /// # Errors
    /// The kernel refuses, or a signal came.
    pub(crate) fn new(
        manifold: &Path,
        folder: &Path,
        [rates, delays]: [bool; 2],
    ) -> Result<Self, BenchError> {
        let peer = |needed, name, package| Part::new(needed, || package::program(name, package, folder));
        let smcrouted = peer(rates, "smcrouted", "smcroute")?;
        let igmpproxy = peer(delays, "igmpproxy", "igmpproxy")?;
        let on_wires = FIGURES.iter().filter(|figure| figure.source == Source::Wire);
        let wires = Wires::new(on_wires.map(|figure| figure.fan_out).max().unwrap_or(1))?;
        Ok(Self { wires: Rc::new(wires), smcrouted, igmpproxy, manifold: manifold.to_owned() })
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

    /// Runs trials of Manifold one after the other in one process.
    ///
    /// # Errors
    /// It does not start or end, or an end did not receive what it sent.
    pub(crate) fn ours(&self, driver: Driver, work: &Work, count: usize) -> Result<Vec<Trial>, BenchError> {
        let before = self.wires.settled(work.fan_out)?;
        let mut running = OnInterfaces::start(&self.manifold, driver, Members::Static, self.place(work))?;
        let trial = |_| {
            let trial = self.flood(work)?;
            // Since the start: both sides' counts go on.
            self.expect("manifold", work, &before, || running.sent(work.fan_out))?;
            Ok(trial)
        };
        let trials = (0..count).map(trial).collect::<Result<_, BenchError>>()?;
        running.end()?;
        Ok(trials)
    }

    /// Runs one trial of the kernel.
    ///
    /// # Errors
    /// It cannot be had or does not start, or an end did not receive what it forwarded.
    pub(crate) fn kernel(&self, work: &Work) -> Result<Trial, BenchError> {
        let before = self.wires.settled(work.fan_out)?;
        let kernel = Kernel::static_route(self.smcrouted()?, self.place(work))?;
        let trial = self.flood(work)?;
        self.expect("the kernel", work, &before, || Ok(vec![(kernel.forwarded()?, 0); work.fan_out]))?;
        kernel.end()?;
        Ok(trial)
    }

    fn place<'a>(&'a self, work: &'a Work) -> Place<'a> {
        Place { wires: &self.wires, clients: work.fan_out, cores: work.cores, scratch: &work.scratch }
    }

    /// Has the source send, and counts at the clients' ends.
    fn flood(&self, work: &Work) -> Result<Trial, BenchError> {
        let (ends, core) = (work.fan_out, work.cores.main);
        let task = Flood { from: SOURCE, group: GROUP, wire_len: work.party.wire_len, core };
        let mut source = traffic::start(self.wires.source(), &traffic::Task::Flood(task), "the source")?;
        let (_, still) = self.wires.received(ends)?;
        source.tell("go")?;
        stop::pause(work.warm_up)?;
        let (from, before) = self.wires.received(ends)?;
        stop::pause(work.window)?;
        let (to, after) = self.wires.received(ends)?;
        source.finish();
        let Offered { frames } = source.answer()?;
        let end = self.wires.settled(ends)?;
        let copies: u64 = after.iter().zip(&before).map(|(a, b)| a - b).sum();
        let all: u64 = end.iter().zip(&still).map(|(a, b)| a - b).sum();
        Ok(Trial {
            copies_per_s: copies as f64 / (to - from).as_secs_f64(),
            kept: Some(all as f64 / ends as f64 / frames as f64),
            ..Trial::default()
        })
    }

    /// Since `before` each end received what its port sent, and all the same data. `sent` tells of each port what it sent,
    /// and how much of that is none.
    fn expect(
        &self,
        side: &str,
        work: &Work,
        before: &[u64],
        mut sent: impl FnMut() -> Result<Vec<(u64, u64)>, BenchError>,
    ) -> Result<(), BenchError> {
        let mut counted = (Vec::new(), Vec::new());
        let right = stop::poll(FLUSHED, || {
            // An error is told below, as what it is.
            if let (Ok(sent), Ok((_, now))) = (sent(), self.wires.received(work.fan_out)) {
                counted = (sent, now.iter().zip(before).map(|(now, before)| now - before).collect());
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
    fn every_end_has_what_was_sent() {
        assert!(agree(&[(7, 2), (6, 1)], &[7, 6]));
        assert!(!agree(&[(7, 2), (7, 1)], &[7, 7]), "one port got a copy more");
        assert!(!agree(&[(7, 2), (6, 1)], &[7, 5]), "one copy did not arrive");
        assert!(!agree(&[(2, 2)], &[2]), "no data");
        assert!(!agree(&[], &[]));
    }
}
