//! Where frames go, and a frame in a buffer of its own.

use arrayvec::ArrayVec;
use types::{Checksum, Frame, FrameBurst, PortSet};

/// Where replicated frames go.
pub trait Egress<F> {
    /// Sends each of `frames`, at most a burst, out of every port of `ports`, which is not empty; `bytes` is what their
    /// lengths add up to. Counting what was sent and what a port refused is the egress's business.
    fn replicate(&mut self, frames: impl ExactSizeIterator<Item = F>, bytes: u64, ports: PortSet);
}

/// A frame in a buffer of its own, for replay, tests and benches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnedFrame(pub Vec<u8>);

impl Frame for OwnedFrame {
    fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }

    fn truncate(&mut self, len: usize) {
        self.0.truncate(len);
    }

    fn is_chained(&self) -> bool {
        false
    }

    fn stripped_tag(&self) -> Option<u16> {
        None
    }

    fn ip_checksum(&self) -> Checksum {
        Checksum::Unknown
    }
}

/// Frames received in one go; at most [`BURST`](crate::BURST).
#[derive(Debug)]
pub struct OwnedBurst<F = OwnedFrame>(pub ArrayVec<F, { crate::BURST }>);

impl<F> Default for OwnedBurst<F> {
    fn default() -> Self {
        Self(ArrayVec::new())
    }
}

impl<F: Frame> FrameBurst for OwnedBurst<F> {
    type Frame = F;

    fn frames(&self) -> &[F] {
        &self.0
    }

    fn frames_mut(&mut self) -> &mut [F] {
        &mut self.0
    }

    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = F> {
        self.0.drain(..count.min(self.0.len()))
    }
}
