//! Frames that a device, its driver or the kernel loses. No worker sees them, so that the thread that has the ports asks
//! their drivers, adds up over every opening of a port, and says so when losses begin.

use std::time::{Duration, Instant};

use control::{Clock, LossBook, PortLosses};
use dpdk::{Port, PortStats};
use types::{Loss, Losses, PortIndex};

use crate::drivers::{AF_XDP, TAP};
use crate::inventory::ServedPort;

/// How often drivers are asked.
const LOOK: Duration = Duration::from_secs(1);
/// One warning a port in this time.
const PAUSE: Duration = Duration::from_secs(60);

/// What one port lost, however often it was opened.
#[derive(Debug, Default)]
pub(crate) struct LossMeter {
    /// What its driver had counted at the last look, since it was opened; `None` until it is served.
    counted: Option<Losses>,
    /// Not in the book yet.
    fresh: Losses,
    losses: PortLosses,
    told: Option<Instant>,
}

impl LossMeter {
    /// The workers have fetched from all queues of the port. It received before: what nobody could fetch then is not lost.
    pub(crate) fn begin(&mut self, port: &Port) {
        self.counted = None;
        self.look(port);
    }

    /// Looks at what the port's driver has counted. One that cannot tell has lost nothing that is known.
    fn look(&mut self, port: &Port) {
        if let Ok(stats) = port.stats() {
            self.count(losses(&stats, &port.info().driver));
        }
    }

    /// The port is about to be closed: its driver counts from zero when it is opened again.
    pub(crate) fn close(&mut self, port: &Port) {
        self.look(port);
        self.counted = None;
    }

    fn count(&mut self, counted: Losses) {
        if let Some(before) = self.counted.replace(counted) {
            self.fresh.add(&counted.since(&before));
        }
    }
}

/// What of a driver's counters is lost frames.
fn losses(stats: &PortStats, driver: &str) -> Losses {
    Losses::of(|loss| match loss {
        Loss::RxMissed => stats.rx_missed,
        Loss::RxErrors => stats.rx_errors,
        Loss::RxNoBuffer => stats.rx_no_mbuf,
        Loss::RxNotCopied => stats.rx_not_copied,
        // They count what they did not take, which the worker drops as `tx-full`.
        Loss::TxErrors if matches!(driver, AF_XDP | TAP) => 0,
        Loss::TxErrors => stats.tx_errors,
    })
}

/// When the drivers are asked, and where it is written down.
pub(crate) struct LossWatch {
    book: LossBook,
    clock: Clock,
    looked: Instant,
}

/// A port that begins to lose frames.
#[derive(Debug, PartialEq, Eq)]
struct Beginning {
    /// How many by kind, in a line for people.
    text: String,
    /// What would cure the first kind.
    cure: &'static str,
}

impl LossWatch {
    /// Writes into `book`, by the time of `clock`.
    pub(crate) fn new(book: LossBook, clock: Clock) -> Self {
        Self { book, clock, looked: Instant::now() }
    }

    /// Whether it is time to ask the drivers.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let is_due = now.saturating_duration_since(self.looked) >= LOOK;
        if is_due {
            self.looked = now;
        }
        is_due
    }

    /// The port at a place is gone.
    pub(crate) fn forget(&self, port: PortIndex) {
        self.book.set(port, PortLosses::default());
    }

    /// Asks the port's driver, if it is open, and writes down what was lost. Where that begins, the log says so, and the words
    /// are given.
    pub(crate) fn count(&self, served: &mut ServedPort, now: Instant) -> Option<String> {
        if let Some(port) = &served.port {
            served.losses.look(port);
        }
        let Beginning { text, cure } = self.write(served.index, &mut served.losses, now)?;
        let text = format!("{text}; {cure}");
        tracing::warn!(port = served.settings.name, "{text}");
        Some(text)
    }

    /// Writes down what a port's meter has; what is to be told of it.
    fn write(&self, port: PortIndex, meter: &mut LossMeter, now: Instant) -> Option<Beginning> {
        let fresh = core::mem::take(&mut meter.fresh);
        meter.losses.add(self.clock.now(), &fresh);
        self.book.set(port, meter.losses);
        let counted: Vec<_> = fresh.iter().filter(|(_, n)| *n > 0).collect();
        let (first, _) = *counted.first()?;
        if meter.told.is_some_and(|at| now.saturating_duration_since(at) < PAUSE) {
            return None;
        }
        meter.told = Some(now);
        let kinds: Vec<_> =
            counted.iter().map(|(loss, n)| format!("{n} {} ({})", loss.name(), loss.describe())).collect();
        Some(Beginning { text: format!("frames are lost: {}", kinds.join(", ")), cure: first.cure() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(rx_missed: u64, tx_errors: u64) -> PortStats {
        PortStats { rx_frames: 9, rx_missed, tx_errors, ..PortStats::default() }
    }

    fn missed(book: &LossBook) -> u64 {
        book.of(PORT).total().get(Loss::RxMissed)
    }

    const PORT: PortIndex = PortIndex::new(3).unwrap();

    #[test]
    fn losses_add_up_over_every_opening_and_are_told_when_they_begin() {
        let book = LossBook::default();
        let watch = LossWatch::new(book.clone(), Clock::start());
        let (mut meter, start) = (LossMeter::default(), Instant::now());
        let mut look = |missed, errors, after| {
            meter.count(losses(&stats(missed, errors), "net_x"));
            watch.write(PORT, &mut meter, start + Duration::from_secs(after))
        };
        assert_eq!(look(0, 0, 1), None, "nothing is lost yet");
        let told = look(5, 0, 2).expect("losses begin");
        assert!(
            told.text.starts_with("frames are lost: 5 rx-missed (") && told.cure.contains("worker"),
            "{told:?}"
        );
        assert_eq!((look(9, 1, 3), missed(&book)), (None, 9), "once a minute");
        assert_eq!((look(9, 1, 70), missed(&book)), (None, 9), "there is nothing new");
        // A driver that was reset counts from zero.
        assert!(look(2, 0, 80).is_some());
        assert_eq!((missed(&book), book.of(PORT).total().get(Loss::TxErrors)), (11, 1));
        let known = book.of(PORT);
        let recent = known.recent(Clock::start().now());
        assert_eq!(
            recent.map(|(loss, n, _)| (loss, n)).collect::<Vec<_>>(),
            [(Loss::RxMissed, 11), (Loss::TxErrors, 1)]
        );
        watch.forget(PORT);
        assert_eq!(book.of(PORT), PortLosses::default());
    }

    #[test]
    fn what_a_port_dropped_before_it_was_served_is_no_loss_however_often_it_is_opened() {
        let book = LossBook::default();
        let watch = LossWatch::new(book.clone(), Clock::start());
        let (mut meter, now) = (LossMeter::default(), Instant::now());
        for total in [5, 10] {
            // Closed or not yet open, and nobody fetches: then the workers do.
            meter.counted = None;
            meter.count(losses(&stats(700, 1), "net_x"));
            assert_eq!((watch.write(PORT, &mut meter, now), missed(&book)), (None, total - 5));
            meter.count(losses(&stats(705, 1), "net_x"));
            assert_eq!(watch.write(PORT, &mut meter, now).is_some(), total == 5, "once a minute");
            assert_eq!((missed(&book), book.of(PORT).total().sum()), (total, total));
        }
    }

    #[test]
    fn what_a_driver_did_not_take_is_not_counted_twice() {
        assert_eq!(losses(&stats(1, 7), "net_af_xdp").sum(), 1);
        assert_eq!(losses(&stats(1, 7), "net_tap").sum(), 1);
        assert_eq!(losses(&stats(1, 7), "net_af_packet").sum(), 8);
    }
}
