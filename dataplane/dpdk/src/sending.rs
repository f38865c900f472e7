//! Queues and arrays of mbufs as code sees them that knows no DPDK.

use core::num::NonZeroU16;

use types::{Copied, FramePool, FrameRun, MacAddr, QueueBatch, TxResult};

use crate::batch::{FanBatch, TxBatch};
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::port::TxQueue;

impl FramePool for Mempool {
    type Frame = Mbuf;

    #[inline]
    fn frame_of(&self, bytes: &[u8]) -> Option<Mbuf> {
        Mbuf::from_bytes(self, bytes)
    }
}

impl<const N: usize> QueueBatch for TxBatch<N> {
    type Frame = Mbuf;
    type Queue = TxQueue;

    #[inline(always)]
    fn len(&self) -> usize {
        TxBatch::len(self)
    }

    #[inline(always)]
    fn push(&mut self, frame: Mbuf) {
        drop(TxBatch::push(self, frame.into()));
    }

    #[inline(always)]
    fn send(&mut self, queue: &mut TxQueue) -> TxResult {
        queue.tx_burst(self)
    }
}

impl<const N: usize> FrameRun for FanBatch<N> {
    type Frame = Mbuf;
    type Queue = TxQueue;
    type Batch = TxBatch<N>;
    type Pool = Mempool;
    const ROOM: usize = N;

    #[inline(always)]
    fn len(&self) -> usize {
        FanBatch::len(self)
    }

    #[inline(always)]
    fn reset(&mut self, queues: NonZeroU16) {
        FanBatch::reset(self, queues);
    }

    #[inline(always)]
    fn extend(&mut self, frames: impl Iterator<Item = Mbuf>) {
        FanBatch::extend(self, frames);
    }

    #[inline(always)]
    fn send(&mut self, queue: &mut TxQueue) -> TxResult {
        FanBatch::send(self, queue)
    }

    #[inline(always)]
    fn collect(&mut self, batch: &mut TxBatch<N>) {
        FanBatch::collect(self, batch);
    }

    #[inline(always)]
    fn set_source(&mut self, source: MacAddr) -> bool {
        FanBatch::set_source(self, source)
    }

    #[inline(always)]
    fn copy_into(&self, pool: &Mempool, source: MacAddr, batch: &mut TxBatch<N>) -> Copied {
        FanBatch::copy_into(self, pool, source, batch)
    }
}
