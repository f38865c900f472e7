//! What ports lose outside the workers: written by whoever has the ports, read by the control thread.

use std::sync::{Arc, Mutex, PoisonError};

use types::{Losses, MAX_PORTS, PortIndex, Time};

/// What is known of a port's losses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortLosses {
    /// Since the start, over every opening of the port.
    pub total: Losses,
    /// When something was lost last, and what came with that look.
    pub last: Option<(Time, Losses)>,
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
