//! Arrays of frames without the heap: what a queue gets.

mod copy;

use core::mem::{self, MaybeUninit};
use core::num::NonZeroU16;
use core::ptr::NonNull;
use core::slice;

use arrayvec::ArrayVec;
use types::TxResult;

use crate::mbuf::Mbuf;
use crate::port::TxQueue;
use crate::raw::{self, Raw};
use crate::shared::{SharedMbuf, give_back};

/// Frames for one queue, at most `N`. What is not sent is freed on drop. Also serves to free many at once.
#[derive(Debug, Default)]
pub struct TxBatch<const N: usize = 64>(ArrayVec<SharedMbuf, N>);

impl<const N: usize> TxBatch<N> {
    /// No frame.
    pub const fn new() -> Self {
        Self(ArrayVec::new_const())
    }

    /// Adds a frame; gives it back when there is no room.
    #[inline(always)]
    pub fn push(&mut self, mbuf: SharedMbuf) -> Result<(), SharedMbuf> {
        self.0.try_push(mbuf).map_err(|e| e.element())
    }

    /// Frames in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The frames, in the order in which they leave.
    pub fn frames(&self) -> &[SharedMbuf] {
        &self.0
    }

    /// Whether no frame is in it.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether there is no room for another.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Frees all frames in one call.
    #[inline]
    pub fn clear(&mut self) {
        let len = self.0.len();
        // SAFETY: the array forgets them and they are freed once; a SharedMbuf is a pointer to an mbuf that we hold.
        unsafe {
            self.0.set_len(0);
            free_bulk(self.0.as_mut_ptr().cast(), len);
        }
    }

    /// Lets `send` take the references to all frames.
    ///
    /// # Safety
    /// `send` gets an array of mbufs and its length, and takes one reference of each.
    #[inline(always)]
    pub(crate) unsafe fn hand_over(
        &mut self,
        send: impl FnOnce(*mut *mut dpdk_sys::rte_mbuf, u16) -> TxResult,
    ) -> TxResult {
        const { assert!(N <= u16::MAX as usize, "a burst has at most 65,535 frames") };
        let len = self.0.len();
        // SAFETY: the array forgets them, so that each reference has one owner: `send`. A SharedMbuf is a
        // transparent non-null pointer, and `len` fits u16.
        unsafe {
            self.0.set_len(0);
            send(self.0.as_mut_ptr().cast(), len as u16)
        }
    }
}

/// Gives one reference of each of `len` mbufs back.
///
/// # Safety
/// `mbufs` points to `len` mbufs, whose references the caller holds and forgets.
#[inline]
pub(crate) unsafe fn free_bulk(mbufs: *mut *mut dpdk_sys::rte_mbuf, len: usize) {
    // SAFETY: as the caller promises.
    unsafe { dpdk_sys::rte_pktmbuf_free_bulk(mbufs, len as u32) };
}

/// A run of frames that all go to the same `copies` queues: one array for all of them, in place of one a queue.
/// References that were not sent are freed on drop.
#[derive(Debug)]
pub struct FanBatch<const N: usize = 32> {
    mbufs: ArrayVec<NonNull<dpdk_sys::rte_mbuf>, N>,
    /// Queues that these frames go to still: references held of each.
    left: u16,
    copies: NonZeroU16,
}

impl<const N: usize> FanBatch<N> {
    /// No frame, to go to `copies` queues.
    pub const fn new(copies: NonZeroU16) -> Self {
        Self { mbufs: ArrayVec::new_const(), left: copies.get(), copies }
    }

    /// Adds frames, which must not be chained. Those that find no room are freed, and so are all once sending has begun:
    /// look first. A panic of the iterator leaks what came before it.
    #[inline(always)]
    pub fn extend(&mut self, frames: impl Iterator<Item = Mbuf>) {
        match self.copies.get() {
            1 => self.extend_with(frames, |_| ()),
            // SAFETY: it is the only reference, and this holds all the new ones.
            copies => self.extend_with(frames, |raw| unsafe { raw::share(raw, copies) }),
        }
    }

    #[inline(always)]
    fn extend_with(&mut self, mut frames: impl Iterator<Item = Mbuf>, share: impl Fn(Raw)) {
        let len = self.mbufs.len();
        let room = if self.left == self.copies.get() { N - len } else { 0 };
        // SAFETY: behind `len` mbufs are at least `room` places, which nobody else has.
        let places: &mut [MaybeUninit<Raw>] =
            unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().add(len).cast(), room) };
        let mut added = 0;
        for (place, mbuf) in places.iter_mut().zip(&mut frames) {
            debug_assert!(!mbuf.is_chained(), "drivers without MULTI_SEGS send the first segment only");
            let raw = mbuf.into_raw();
            share(raw);
            place.write(raw);
            added += 1;
        }
        // SAFETY: so many are there.
        unsafe { self.mbufs.set_len(len + added) };
        frames.for_each(drop);
    }

    /// Frames in it.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.mbufs.len()
    }

    /// Whether no frame is in it.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.mbufs.is_empty()
    }

    /// Whether there is no room for another.
    #[inline(always)]
    pub fn is_full(&self) -> bool {
        self.mbufs.is_full()
    }

    /// Sends every frame to one more queue. After `copies` calls the batch is empty and can be filled again.
    #[inline]
    pub fn send(&mut self, queue: &mut TxQueue) -> TxResult {
        const { assert!(N <= u16::MAX as usize, "a burst has at most 65,535 frames") };
        let len = self.mbufs.len();
        if len == 0 {
            return TxResult::default();
        }
        if self.left == 1 {
            self.left = self.copies.get();
            // SAFETY: the array forgets the last reference of each, which is handed over; `len` fits u16.
            return unsafe {
                self.mbufs.set_len(0);
                queue.send_raw(self.mbufs.as_mut_ptr().cast(), len as u16)
            };
        }
        // A driver may write into the array that it gets (bonding does), so each but the last gets its own.
        let mut array: [MaybeUninit<NonNull<dpdk_sys::rte_mbuf>>; N] = [const { MaybeUninit::uninit() }; N];
        let array: *mut *mut dpdk_sys::rte_mbuf = array.as_mut_ptr().cast();
        // SAFETY: both have room for N pointers, `len` of which are there.
        unsafe { array.copy_from_nonoverlapping(self.mbufs.as_ptr().cast(), len) };
        self.used();
        // SAFETY: `left` said that we hold a reference of each for this call, and it is counted down.
        unsafe { queue.send_raw(array, len as u16) }
    }

    /// Puts a reference to every frame into `batch`, for one more queue, as [`FanBatch::send`] sends them. Those that
    /// find no room are freed: look first.
    #[inline]
    pub fn collect<const M: usize>(&mut self, batch: &mut TxBatch<M>) {
        for &raw in &self.mbufs {
            // SAFETY: `left` says that we hold a reference of each for this call, and it is counted down below.
            let _ = batch.push(unsafe { SharedMbuf::from_raw(raw) });
        }
        self.used();
    }

    /// One more queue has its references.
    #[inline(always)]
    fn used(&mut self) {
        self.left -= 1;
        if self.left == 0 {
            self.mbufs.clear();
            self.left = self.copies.get();
        }
    }

    /// Frees what is left, and makes the batch one for `copies` queues.
    #[inline]
    pub fn reset(&mut self, copies: NonZeroU16) {
        let left = mem::replace(&mut self.left, copies.get());
        self.copies = copies;
        for raw in self.mbufs.drain(..) {
            give_back(raw, left);
        }
    }
}

/// For one queue.
impl<const N: usize> Default for FanBatch<N> {
    fn default() -> Self {
        Self::new(NonZeroU16::MIN)
    }
}

impl<const N: usize> Drop for FanBatch<N> {
    fn drop(&mut self) {
        self.reset(self.copies);
    }
}
