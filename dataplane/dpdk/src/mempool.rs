//! Pools of packet buffers.

use core::ffi::c_int;
use core::ptr::NonNull;
use std::ffi::CString;
use std::sync::Arc;

use crate::eal::Eal;
use crate::error::DpdkError;

/// Bytes of a frame that fit in a buffer when nothing else is asked for.
pub const DEFAULT_FRAME_ROOM: u16 = 2048;

/// Bytes before a received frame that every buffer has besides.
pub const HEADROOM: u16 = dpdk_sys::SHIM_PKTMBUF_HEADROOM as u16;

/// Bytes of a received frame that a buffer of [`Mempool::of_pages`] has room for: a page less the pool's header, the
/// mbuf, its headroom, and what the kernel keeps before a frame (XDP_PACKET_HEADROOM).
pub const PAGE_FRAME_ROOM: u16 = 4096 - 64 - 128 - HEADROOM - 256;

/// A pool of mbufs. A handle: clones mean the same pool. Ports keep one for as long as they may take from it.
#[derive(Clone, Debug)]
pub struct Mempool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pool: NonNull<dpdk_sys::rte_mempool>,
    node: Option<u32>,
    eal: Eal,
}

// SAFETY: a pool made by rte_pktmbuf_pool_create is safe for many producers and consumers, on any thread; the counts
// only read.
unsafe impl Send for Inner {}
// SAFETY: as above.
unsafe impl Sync for Inner {}

impl Mempool {
    /// Makes a pool of `count` mbufs.
    ///
    /// `name` is unique in the process and has at most 25 bytes. `cache` mbufs are kept ready for each worker
    /// thread, at most 512 and `count` / 1.5. `frame_room` is the longest frame in one buffer, in bytes. `node` is the
    /// NUMA node, any if `None`. `count` = 2^n - 1 uses memory best.
    ///
    /// # Errors
    /// By errno: no memory (ENOMEM, ENOBUFS), the name taken (EEXIST) or too long (ENAMETOOLONG), a parameter out of
    /// range (EINVAL).
    pub fn new(
        eal: &Eal,
        name: &str,
        count: u32,
        cache: u32,
        frame_room: u16,
        node: Option<u32>,
    ) -> Result<Self, DpdkError> {
        const CALL: &str = "rte_pktmbuf_pool_create";
        let invalid = || DpdkError::invalid(CALL);
        let name = CString::new(name).map_err(|_| invalid())?;
        let room = frame_room.checked_add(HEADROOM).ok_or_else(invalid)?;
        let socket = socket(node).ok_or_else(invalid)?;
        // SAFETY: EAL is initialised, `name` is terminated and copied.
        let pool = unsafe { dpdk_sys::rte_pktmbuf_pool_create(name.as_ptr(), count, cache, 0, room, socket) };
        let pool = NonNull::new(pool).ok_or_else(|| DpdkError::last(CALL))?;
        Ok(Self(Arc::new(Inner { pool, node, eal: eal.clone() })))
    }

    /// Makes a pool of `count` mbufs, each with a page of 4 KiB to itself and all in one piece of memory: what net_af_xdp
    /// takes a pool for. Frames have [`PAGE_FRAME_ROOM`] bytes.
    ///
    /// `name`, `cache` and `node` as for [`Mempool::new`].
    ///
    /// # Errors
    /// As [`Mempool::new`]; no memory also when there is none in one piece.
    pub fn of_pages(
        eal: &Eal,
        name: &str,
        count: u32,
        cache: u32,
        node: Option<u32>,
    ) -> Result<Self, DpdkError> {
        const CALL: &str = "rte_mempool_create_empty";
        let invalid = || DpdkError::invalid(CALL);
        let name = CString::new(name).map_err(|_| invalid())?;
        let socket = socket(node).ok_or_else(invalid)?;
        // SAFETY: EAL is initialised, `name` is terminated and copied.
        let pool = unsafe { dpdk_sys::shim_page_pool_create(name.as_ptr(), count, cache, socket) };
        let pool = NonNull::new(pool).ok_or_else(|| DpdkError::last(CALL))?;
        Ok(Self(Arc::new(Inner { pool, node, eal: eal.clone() })))
    }

    /// The NUMA node that it was made for.
    pub fn node(&self) -> Option<u32> {
        self.0.node
    }

    /// Mbufs of the pool, free or not.
    pub fn size(&self) -> u32 {
        // SAFETY: the pool exists while the handle does.
        unsafe { dpdk_sys::shim_mempool_size(self.as_ptr()) }
    }

    /// Mbufs that can be taken, those in the threads' caches included. Exact while no thread takes or gives.
    pub fn avail(&self) -> u32 {
        // SAFETY: the pool exists while the handle does.
        unsafe { dpdk_sys::rte_mempool_avail_count(self.as_ptr()) }
    }

    /// Mbufs that are out: in a driver's queue, or held. Exact while no thread takes or gives.
    pub fn in_use(&self) -> u32 {
        // SAFETY: the pool exists while the handle does.
        unsafe { dpdk_sys::rte_mempool_in_use_count(self.as_ptr()) }
    }

    #[inline(always)]
    pub(crate) fn as_ptr(&self) -> *mut dpdk_sys::rte_mempool {
        self.0.pool.as_ptr()
    }
}

/// The node as DPDK names it, where there may be such a one.
fn socket(node: Option<u32>) -> Option<c_int> {
    node.map_or(Some(dpdk_sys::SHIM_SOCKET_ID_ANY), |node| c_int::try_from(node).ok())
}

/// Whether two handles mean the same pool.
impl PartialEq for Mempool {
    fn eq(&self, other: &Self) -> bool {
        self.0.pool == other.0.pool
    }
}

impl Eq for Mempool {}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: the pool exists until the line below.
        let out = unsafe { dpdk_sys::rte_mempool_in_use_count(self.pool.as_ptr()) };
        if out == 0 {
            // SAFETY: no handle is left to take an mbuf, and all mbufs are back, so nothing points into the pool.
            unsafe { dpdk_sys::rte_mempool_free(self.pool.as_ptr()) };
        } else {
            // Somebody holds a buffer still: its memory stays, and EAL's with it.
            core::mem::forget(self.eal.clone());
        }
    }
}
