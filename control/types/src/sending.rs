//! What code that sends frames needs of whatever sends them: a driver's queue and arrays of mbufs, plain buffers.

use core::num::NonZeroU16;

use crate::addr::MacAddr;

/// What became of frames that a queue was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TxResult {
    /// Frames that it took. That a driver sends them is its own affair.
    pub sent: u16,
    /// Frames that it did not take; freed.
    pub refused: u16,
}

/// What [`FrameRun::copy_into`] copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Copied {
    /// Frames.
    pub frames: u16,
    /// Bytes of them.
    pub bytes: u64,
    /// Frames that no buffer of the pool can hold a copy of: longer than those, or shorter than an Ethernet header.
    pub unfit: u16,
}

/// Where new frames get their buffers.
pub trait FramePool {
    /// A frame that only its holder sees.
    type Frame;
    /// A frame of `bytes`, or `None` when there is no buffer left, or none so large.
    fn frame_of(&self, bytes: &[u8]) -> Option<Self::Frame>;
}

/// Frames that wait for one queue, in the order in which they leave.
pub trait QueueBatch: Default {
    /// A frame that only its holder sees.
    type Frame;
    /// A port's way out.
    type Queue;
    /// Frames in it.
    fn len(&self) -> usize;
    /// Whether no frame is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Adds a frame. One that finds no room is freed: look first.
    fn push(&mut self, frame: Self::Frame);
    /// Sends all; what the queue does not take is freed. Never waits.
    fn send(&mut self, queue: &mut Self::Queue) -> TxResult;
}

/// Frames in a row that all go to the same queues: one array for all of them, in place of one a queue.
pub trait FrameRun: Default {
    /// A frame that only its holder sees.
    type Frame;
    /// A port's way out.
    type Queue;
    /// What waits for one queue.
    type Batch: QueueBatch<Frame = Self::Frame, Queue = Self::Queue>;
    /// Where copies get their buffers.
    type Pool: FramePool<Frame = Self::Frame>;
    /// Frames that it has room for, and so has a batch.
    const ROOM: usize;
    /// Frames in it.
    fn len(&self) -> usize;
    /// Whether no frame is in it.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Frees what is left, and makes the run one for `queues` queues.
    fn reset(&mut self, queues: NonZeroU16);
    /// Adds frames. Those that find no room are freed, and so are all once sending has begun: look first.
    fn extend(&mut self, frames: impl Iterator<Item = Self::Frame>);
    /// Sends every frame to one more queue. Once each had its turn the run is empty.
    fn send(&mut self, queue: &mut Self::Queue) -> TxResult;
    /// Puts every frame into what waits for one more queue, as [`send`](Self::send) sends them. Those that find no room
    /// are freed: look first.
    fn collect(&mut self, batch: &mut Self::Batch);
    /// Has the frames themselves come from `source`, for every queue that they go to from now on; false, and nothing is
    /// done, while anybody else holds one of them.
    fn set_source(&mut self, source: MacAddr) -> bool;
    /// Puts a copy of every frame, from `source`, into `batch`: as many as find room there and buffers in `pool`, the
    /// first ones. It is no queue's turn.
    fn copy_into(&self, pool: &Self::Pool, source: MacAddr, batch: &mut Self::Batch) -> Copied;
}
