//! A frame's buffer in several owners' hands.

use core::{fmt, mem, slice};

use crate::raw::{self, Raw};

/// One reference to a frame that others may hold too: it can be read and sent. Given back on drop.
#[repr(transparent)]
pub struct SharedMbuf(Raw);

impl SharedMbuf {
    /// # Safety
    /// The caller hands over a reference to a valid mbuf.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: Raw) -> Self {
        Self(raw)
    }

    /// The frame's bytes.
    #[inline(always)]
    pub fn data(&self) -> &[u8] {
        // SAFETY: DPDK keeps data_off and data_len within the buffer; it is written only by who holds all references, and
        // while `self` is borrowed that is nobody.
        unsafe { slice::from_raw_parts(raw::data(self.0), raw::data_len(self.0) as usize) }
    }

    /// Length of the frame in bytes.
    #[inline(always)]
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u32 {
        // SAFETY: valid while held.
        unsafe { raw::pkt_len(self.0) }
    }
}

impl Drop for SharedMbuf {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the reference is ours and ends here.
        unsafe { raw::free(self.0) }
    }
}

impl fmt::Debug for SharedMbuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMbuf").field("len", &self.len()).finish()
    }
}

/// The references that [`Mbuf::fan_out`](crate::Mbuf::fan_out) made, one at a time. Those not taken are given back
/// on drop.
#[must_use = "references not taken are freed at once"]
pub struct FanOut {
    raw: Raw,
    left: u16,
}

impl FanOut {
    /// # Safety
    /// The caller hands over `left` references to a valid mbuf.
    #[inline(always)]
    pub(crate) unsafe fn from_raw(raw: Raw, left: u16) -> Self {
        Self { raw, left }
    }
}

impl Iterator for FanOut {
    type Item = SharedMbuf;

    #[inline(always)]
    fn next(&mut self) -> Option<SharedMbuf> {
        self.left = self.left.checked_sub(1)?;
        // SAFETY: one of the references we hold, now handed over.
        Some(unsafe { SharedMbuf::from_raw(self.raw) })
    }

    #[inline]
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.into(), Some(self.left.into()))
    }
}

impl ExactSizeIterator for FanOut {}

impl Drop for FanOut {
    #[inline(always)]
    fn drop(&mut self) {
        if self.left != 0 {
            give_back(self.raw, mem::take(&mut self.left));
        }
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut").field("left", &self.left).finish()
    }
}

/// Gives `n` references back that the caller holds and forgets.
#[cold]
pub(crate) fn give_back(raw: Raw, n: u16) {
    // SAFETY: the caller held `n` references to this mbuf; the last of all is freed.
    unsafe {
        if raw::release(raw, n) {
            raw::free(raw);
        }
    }
}
