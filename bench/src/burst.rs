//! Frames in plain buffers that are fetched towards the cache as a worker's are on DPDK: a forwarder without that would be
//! another one.

use forwarding::{OwnedBurst, OwnedFrame};
use types::FrameBurst;

/// Frames received in one go.
#[derive(Debug, Default)]
pub(crate) struct PlainBurst(OwnedBurst);

impl PlainBurst {
    /// Adds a frame; there is room for [`forwarding::BURST`].
    #[inline]
    pub(crate) fn push(&mut self, frame: OwnedFrame) {
        self.0.0.push(frame);
    }
}

impl FrameBurst for PlainBurst {
    type Frame = OwnedFrame;

    #[inline]
    fn frames(&self) -> &[OwnedFrame] {
        self.0.frames()
    }

    #[inline]
    fn frames_mut(&mut self) -> &mut [OwnedFrame] {
        self.0.frames_mut()
    }

    #[inline(always)]
    fn prefetch(address: *const u8) {
        <dpdk::Burst as FrameBurst>::prefetch(address);
    }

    #[inline]
    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = OwnedFrame> {
        self.0.take(count)
    }
}
