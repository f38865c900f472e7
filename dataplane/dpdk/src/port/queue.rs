//! A port's queues: each is used by one thread at a time and keeps its port running.

use core::cell::Cell;
use core::marker::PhantomData;
use core::ptr::NonNull;
use std::sync::Arc;

use types::TxResult;

use super::Running;
use super::info::PortId;
use crate::batch::{TxBatch, free_bulk};
use crate::burst::Burst;
use crate::mbuf::Mbuf;
use crate::mempool::Mempool;
use crate::raw;

/// Where a port's frames come from. It can move to another thread and cannot be shared.
#[derive(Debug)]
pub struct RxQueue {
    port: PortId,
    queue: u16,
    pool: Mempool,
    running: Arc<Running>,
    _not_sync: PhantomData<Cell<()>>,
}

impl RxQueue {
    pub(super) fn new(port: PortId, queue: u16, pool: Mempool, running: Arc<Running>) -> Self {
        Self { port, queue, pool, running, _not_sync: PhantomData }
    }

    /// The port.
    pub fn port(&self) -> PortId {
        self.port
    }

    /// The queue's number on its port.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Receives frames into what room `burst` has, behind those that are in it. Returns how many; never waits.
    #[inline]
    pub fn rx_burst<const N: usize>(&mut self, burst: &mut Burst<N>) -> usize {
        let (port, queue) = (self.port.get(), self.queue);
        // SAFETY: the port runs while `running` does, this thread alone uses the queue, `mbufs` has the room.
        let receive = |mbufs, room| unsafe { dpdk_sys::shim_rx_burst(port, queue, mbufs, room) };
        // SAFETY: the driver wrote as many mbufs as it says and holds none of their references any more.
        unsafe { burst.fill(receive, |mbufs, got| self.replace_shared(mbufs, got)) }
    }

    /// Puts a copy in place of each mbuf that others hold too, keeping the order. Returns how many mbufs remain.
    #[cold]
    fn replace_shared(&mut self, mbufs: *mut *mut dpdk_sys::rte_mbuf, got: u16) -> u16 {
        let mut kept = 0;
        for i in 0..got as usize {
            // SAFETY: `mbufs` holds `got` valid mbufs, whose references are ours; `kept` is at most `i`.
            unsafe {
                let raw = NonNull::new_unchecked(*mbufs.add(i));
                let own = if raw::is_unique(raw) {
                    Some(raw)
                } else {
                    let copy = dpdk_sys::rte_pktmbuf_copy(raw.as_ptr(), self.pool.as_ptr(), 0, u32::MAX);
                    raw::free(raw);
                    NonNull::new(copy)
                };
                match own {
                    Some(own) => {
                        *mbufs.add(kept) = own.as_ptr();
                        kept += 1;
                    }
                    None => self.running.count_not_copied(),
                }
            }
        }
        kept as u16
    }
}

/// Where a port's frames go. It can move to another thread and cannot be shared.
#[derive(Debug)]
pub struct TxQueue {
    port: PortId,
    queue: u16,
    _running: Arc<Running>,
    _not_sync: PhantomData<Cell<()>>,
}

impl TxQueue {
    pub(super) fn new(port: PortId, queue: u16, running: Arc<Running>) -> Self {
        Self { port, queue, _running: running, _not_sync: PhantomData }
    }

    /// The port.
    pub fn port(&self) -> PortId {
        self.port
    }

    /// The queue's number on its port.
    pub fn queue(&self) -> u16 {
        self.queue
    }

    /// Sends the whole batch, which is empty then: what the driver does not take is freed. Never waits. What it took and
    /// the kernel refused af_packet counts in [`PortStats::tx_errors`](crate::PortStats::tx_errors).
    #[inline]
    pub fn tx_burst<const N: usize>(&mut self, batch: &mut TxBatch<N>) -> TxResult {
        if batch.is_empty() {
            return TxResult::default();
        }
        // SAFETY: `send_raw` takes a reference of each.
        unsafe { batch.hand_over(|mbufs, len| self.send_raw(mbufs, len)) }
    }

    /// Sends one frame; false when the driver did not take it and it was freed.
    #[inline]
    pub fn send(&mut self, mbuf: Mbuf) -> bool {
        let mut raw = mbuf.into_raw().as_ptr();
        // SAFETY: one mbuf, whose reference is handed over.
        unsafe { self.send_raw(&mut raw, 1) }.sent == 1
    }

    /// # Safety
    /// `mbufs` points to `len` valid mbufs; the caller hands over one reference of each.
    #[inline(always)]
    pub(crate) unsafe fn send_raw(&mut self, mbufs: *mut *mut dpdk_sys::rte_mbuf, len: u16) -> TxResult {
        // SAFETY: the port runs while `_running` does, this thread alone uses the queue; the rest as the caller
        // promises. A driver takes the first `sent` references, at most `len`, and leaves the others.
        unsafe {
            let sent = dpdk_sys::shim_tx_burst(self.port.get(), self.queue, mbufs, len);
            let refused = len - sent;
            if refused != 0 {
                free_bulk(mbufs.add(sent.into()), refused.into());
            }
            TxResult { sent, refused }
        }
    }
}
