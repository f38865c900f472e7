//! Frames with another source MAC, for a port that may not send from the router's.
//!
//! Where nobody else holds the frames they get it themselves, whatever their length. So it is with every queue whose
//! driver is done with a frame when it has taken it (af_packet, af_xdp, memif, tap, pcap, null): when the next queue's turn
//! comes the reference that it got is back. A NIC keeps frames until they are on the wire; behind it there are copies.
//!
//! Always whole copies, no header that is chained to the shared rest: without MULTI_SEGS, for which the drivers of NICs
//! take another path, these send the first segment, and af_xdp reads no other. Into net_null either takes 25 cycles a
//! frame of 60 bytes, of which 19 are for an mbuf taken and freed; of 1,358 bytes a copy takes 90, a header 25, the
//! shared frame 9.

use core::sync::atomic::Ordering;

use types::{Copied, MacAddr};

use super::{FanBatch, TxBatch};
use crate::mempool::Mempool;
use crate::raw::{self, Raw};

/// Where a frame's source MAC is.
const SOURCE: usize = 6;

impl<const N: usize> FanBatch<N> {
    /// Puts a copy of every frame that fits, from `source`, into `batch`: as many as find room there and mbufs in `pool`, in
    /// their order. Those to be sent stay as many as they were.
    #[inline]
    pub fn copy_into<const M: usize>(
        &self,
        pool: &Mempool,
        source: MacAddr,
        batch: &mut TxBatch<M>,
    ) -> Copied {
        let (mut bytes, mut unfit) = (0, 0);
        let len = batch.0.len();
        let wanted = self.mbufs.len().min(M - len);
        // SAFETY: the frames are valid, as references to them are held, and are only read. There is room for `wanted`
        // pointers behind the `len` that are there, and the new length covers those that were written; an mbuf that
        // was just made has one reference, which is handed over.
        unsafe {
            let frames = dpdk_sys::shim_mbuf_copy(
                pool.as_ptr(),
                self.mbufs.as_ptr().cast(),
                batch.0.as_mut_ptr().add(len).cast(),
                wanted as u32,
                source.octets().as_ptr(),
                &mut bytes,
                &mut unfit,
            );
            batch.0.set_len(len + frames as usize);
            Copied { frames: frames as u16, bytes, unfit: unfit as u16 }
        }
    }

    /// Has the frames themselves come from `source`, for every queue that they go to from now on; false, and nothing is
    /// done, while anybody else holds one of them: the driver of a queue that they went to, a batch.
    #[inline]
    pub fn set_source(&mut self, source: MacAddr) -> bool {
        // Acquire: what former holders read was read before we write.
        // SAFETY: valid, as references to it are held.
        let is_ours = |&raw: &Raw| unsafe { raw::refcnt(raw).load(Ordering::Acquire) } == self.left;
        if !self.mbufs.iter().all(is_ours) {
            return false;
        }
        for &raw in &self.mbufs {
            // SAFETY: all references to it are this batch's, which is borrowed: nobody else looks at the bytes, and these
            // are within the frame.
            unsafe {
                if usize::from(raw::data_len(raw)) >= SOURCE + source.0.len() {
                    raw::data(raw).add(SOURCE).cast::<[u8; 6]>().write(source.octets());
                }
            }
        }
        true
    }
}
