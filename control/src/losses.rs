//! What ports lose outside the workers: written by whoever has the ports, read by the control thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use types::{Loss, Losses, MAX_PORTS, PortIndex, Time};

/// How long what was lost says something of the present.
const RECENT: Duration = Duration::from_secs(10);

/// What is known of a port's losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortLosses {
    total: Losses,
    last: [Option<Time>; Loss::COUNT],
}

impl PortLosses {
    /// So many more were lost, as seen at `now`.
    pub fn add(&mut self, now: Time, more: &Losses) {
        self.total.add(more);
        for (loss, _) in more.iter().filter(|(_, n)| *n > 0) {
            self.last[loss as usize] = Some(now);
        }
    }

    /// Since the start, over every opening of the port.
    pub fn total(&self) -> Losses {
        self.total
    }

    /// What frames are lost by at present: how many of each since the start, and when the last was seen.
    pub fn recent(&self, now: Time) -> impl Iterator<Item = (Loss, u64, Time)> {
        self.total.iter().zip(self.last).filter_map(move |((loss, n), last)| {
            let last = last.filter(|last| now.saturating_since(*last) < RECENT)?;
            Some((loss, n, last))
        })
    }
}

/// The losses of every port. Clones mean the same book.
#[derive(Debug, Clone)]
pub struct LossBook(Arc<Mutex<[PortLosses; MAX_PORTS]>>);

impl Default for LossBook {
    fn default() -> Self {
        Self(Arc::new(Mutex::new([PortLosses::default(); MAX_PORTS])))
    }
}

impl LossBook {
    /// Writes what is known of the port at a place.
    pub fn set(&self, port: PortIndex, losses: PortLosses) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[port.get()] = losses;
    }

    /// What is known of the port at a place.
    pub fn of(&self, port: PortIndex) -> PortLosses {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[port.get()]
    }
}
