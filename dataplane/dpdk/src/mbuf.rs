//! A frame's buffer in one owner's hands.

use core::num::NonZeroU16;
use core::ptr::NonNull;
use core::{fmt, mem, slice};

use crate::mempool::Mempool;
use crate::port::PortId;
use crate::raw::{self, Raw};
use crate::shared::{FanOut, SharedMbuf};

/// What a NIC says of a frame's IPv4 header checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpChecksum {
    /// Nothing: check it in software.
    Unknown,
    /// It is right.
    Good,
    /// It is wrong.
    Bad,
    /// It is not in the frame's data, yet the frame is whole (a virtual machine's neighbour left it to a NIC).
    NotPresent,
}

/// A frame, or room for one: the only reference to a buffer, given back on drop.
#[repr(transparent)]
pub struct Mbuf(Raw);

impl Mbuf {
    /// An empty mbuf, or `None` when the pool has none left.
    #[inline]
    pub fn alloc(pool: &Mempool) -> Option<Self> {
        // SAFETY: the pool exists while its handle does. What comes back has one reference, ours.
        NonNull::new(unsafe { dpdk_sys::shim_mbuf_alloc(pool.as_ptr()) }).map(Self)
    }

    /// A frame of `bytes`, or `None` when the pool has no mbuf left or `bytes` do not fit in one.
    #[inline]
    pub fn from_bytes(pool: &Mempool, bytes: &[u8]) -> Option<Self> {
        let mut mbuf = Self::alloc(pool)?;
        mbuf.append(bytes).then_some(mbuf)
    }

    /// Hands the reference to the caller.
    #[inline(always)]
    pub(crate) fn into_raw(self) -> Raw {
        let raw = self.0;
        mem::forget(self);
        raw
    }

    /// The frame's bytes; of a chained frame, those of the first segment.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: DPDK keeps data_off and data_len within the buffer, which nobody writes while `self` is borrowed.
        unsafe { slice::from_raw_parts(raw::data(self.0), raw::data_len(self.0) as usize) }
    }

    /// The frame's bytes, to write; of a chained frame, those of the first segment.
    #[inline(always)]
    pub fn data_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `data`; and this is the only reference to the buffer, borrowed once.
        unsafe { slice::from_raw_parts_mut(raw::data(self.0), raw::data_len(self.0) as usize) }
    }

    /// Length of the frame in bytes, all segments together.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: valid while held.
        unsafe { raw::pkt_len(self.0) }
    }

    /// Whether the frame goes on in further buffers. Such a frame is for dropping.
    #[inline(always)]
    pub fn is_chained(&self) -> bool {
        self.segments() != 1
    }

    /// Buffers that the frame is in.
    #[inline(always)]
    pub fn segments(&self) -> u16 {
        // SAFETY: valid while held.
        unsafe { raw::nb_segs(self.0) }
    }

    /// What the receiving NIC says of the IPv4 header checksum.
    #[inline(always)]
    pub fn ip_checksum(&self) -> IpChecksum {
        // SAFETY: valid while held.
        match unsafe { raw::ol_flags(self.0) } & dpdk_sys::SHIM_RX_IP_CKSUM_MASK {
            dpdk_sys::SHIM_RX_IP_CKSUM_GOOD => IpChecksum::Good,
            dpdk_sys::SHIM_RX_IP_CKSUM_BAD => IpChecksum::Bad,
            dpdk_sys::SHIM_RX_IP_CKSUM_NONE => IpChecksum::NotPresent,
            _ => IpChecksum::Unknown,
        }
    }

    /// The tag control information of the VLAN tag that the driver took out of the frame's data, if it did: the
    /// frame was tagged on the wire.
    #[inline(always)]
    pub fn stripped_vlan(&self) -> Option<u16> {
        // SAFETY: valid while held.
        unsafe {
            let stripped = raw::ol_flags(self.0) & dpdk_sys::SHIM_RX_VLAN_STRIPPED != 0;
            stripped.then(|| raw::vlan_tci(self.0))
        }
    }

    /// The port that received the frame; `None` for one made here.
    #[inline(always)]
    pub fn port(&self) -> Option<PortId> {
        // SAFETY: valid while held.
        PortId::new(unsafe { raw::port(self.0) })
    }

    /// Bytes that [`Mbuf::append`] can still take; 0 for a chained frame.
    #[inline]
    pub fn tailroom(&self) -> u16 {
        if self.is_chained() {
            return 0;
        }
        // SAFETY: valid while held.
        unsafe { raw::buf_len(self.0) - raw::data_off(self.0) - raw::data_len(self.0) }
    }

    /// Adds `bytes` at the frame's end; false, and nothing is added, when they do not fit.
    #[inline]
    #[must_use]
    pub fn append(&mut self, bytes: &[u8]) -> bool {
        if bytes.len() > self.tailroom() as usize {
            return false;
        }
        // SAFETY: the bytes fit behind the data of this one buffer, which is ours alone to write and cannot overlap
        // with what the caller borrows.
        unsafe {
            let len = raw::data_len(self.0);
            raw::data(self.0).add(len as usize).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            raw::set_len(self.0, len + bytes.len() as u16);
        }
        true
    }

    /// Cuts the frame to its first `len` bytes; nothing happens to a shorter or a chained one.
    #[inline]
    pub fn truncate(&mut self, len: u16) {
        if self.is_chained() {
            return;
        }
        // SAFETY: ours alone, and no more bytes than before.
        unsafe {
            if len < raw::data_len(self.0) {
                raw::set_len(self.0, len);
            }
        }
    }

    /// Brings the frame's first bytes towards the cache.
    #[inline(always)]
    pub fn prefetch(&self) {
        // SAFETY: valid while held.
        raw::prefetch(unsafe { raw::data(self.0) });
    }

    /// Shares the frame `copies` times. One plain store: this is the only reference, so nobody else looks at the
    /// count, and `fan_out(1)` leaves it as it is. The frame must not be chained.
    #[inline(always)]
    pub fn fan_out(self, copies: NonZeroU16) -> FanOut {
        debug_assert!(!self.is_chained(), "drivers without MULTI_SEGS send the first segment only");
        let raw = self.into_raw();
        if copies.get() > 1 {
            // SAFETY: it was the only reference, and FanOut takes all the new ones.
            unsafe { raw::share(raw, copies.get()) };
        }
        // SAFETY: the mbuf has `copies` references now, all ours.
        unsafe { FanOut::from_raw(raw, copies.get()) }
    }
}

impl From<Mbuf> for SharedMbuf {
    #[inline(always)]
    fn from(mbuf: Mbuf) -> Self {
        // SAFETY: hands the one reference over.
        unsafe { Self::from_raw(mbuf.into_raw()) }
    }
}

impl Drop for Mbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is ours and ends here.
        unsafe { raw::free(self.0) }
    }
}

impl fmt::Debug for Mbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mbuf").field("len", &self.len()).field("segments", &self.segments()).finish()
    }
}
