//! An array of frames without the heap: what a queue gave.

use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::{fmt, slice};

use crate::batch::free_bulk;
use crate::mbuf::Mbuf;

/// Frames as they were received, at most `N`. A slice of [`Mbuf`]; what is not taken out is freed on drop.
pub struct Burst<const N: usize = 32> {
    mbufs: [MaybeUninit<Mbuf>; N],
    /// Those from `begin` to `end` are here, and `begin` is at most `end`, which is at most N.
    begin: usize,
    end: usize,
}

impl<const N: usize> Burst<N> {
    /// No frame.
    pub const fn new() -> Self {
        Self { mbufs: [const { MaybeUninit::uninit() }; N], begin: 0, end: 0 }
    }

    /// Takes all frames out, in the order of their arrival.
    #[inline]
    pub fn drain(&mut self) -> impl ExactSizeIterator<Item = Mbuf> {
        self.take(N)
    }

    /// Takes the `count` oldest frames out, in the order of their arrival, or all if there are fewer. What is not asked
    /// for is freed with the iterator.
    #[inline(always)]
    pub fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Mbuf> {
        let taken = self.begin..self.begin + count.min(self.end - self.begin);
        // First of all: what leaks with the iterator is no longer here.
        self.begin = taken.end;
        Taken(self.mbufs[taken].iter_mut())
    }

    /// Adds a frame that was made here; gives it back when there is no room.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        self.close_up();
        match self.mbufs.get_mut(self.end) {
            Some(place) => {
                place.write(mbuf);
                self.end += 1;
                Ok(())
            }
            None => Err(mbuf),
        }
    }

    /// Frees all frames.
    #[inline]
    pub fn clear(&mut self) {
        let (begin, len) = (self.begin, self.end - self.begin);
        (self.begin, self.end) = (0, 0);
        // SAFETY: the array has forgotten them and they are freed once; an Mbuf is a pointer to an mbuf that we hold.
        unsafe { free_bulk(self.mbufs.as_mut_ptr().add(begin).cast(), len) };
    }

    /// Moves the frames to the array's beginning.
    #[inline(always)]
    fn close_up(&mut self) {
        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.begin != 0 {
            self.mbufs.rotate_left(self.begin);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
    }

    /// Lets `receive` write mbufs behind those that are here and say how many.
    ///
    /// # Safety
    /// `receive` gets a pointer and the room there, and returns how many [`is_unique`](crate::raw::is_unique) mbufs it wrote and
    /// hands over.
    #[inline(always)]
    pub(crate) unsafe fn fill(
        &mut self,
        receive: impl FnOnce(*mut *mut dpdk_sys::rte_mbuf, u16) -> u16,
    ) -> usize {
        self.close_up();
        let room = (N - self.end).min(u16::MAX as usize) as u16;
        // SAFETY: an Mbuf is a transparent non-null pointer; from `end` to `N` is room in the array. The new end
        // covers what the caller's `receive` handed over.
        let got = unsafe { receive(self.mbufs.as_mut_ptr().add(self.end).cast(), room) } as usize;
        self.end += got;
        got
    }
}

impl<const N: usize> Default for Burst<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for Burst<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl<const N: usize> Drop for Burst<N> {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Frames on their way out of a burst, which has forgotten them already.
struct Taken<'a>(slice::IterMut<'a, MaybeUninit<Mbuf>>);

impl Iterator for Taken<'_> {
    type Item = Mbuf;

    #[inline(always)]
    fn next(&mut self) -> Option<Mbuf> {
        // SAFETY: each place held a frame, and is passed once.
        self.0.next().map(|place| unsafe { place.assume_init_read() })
    }

    #[inline(always)]
    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl ExactSizeIterator for Taken<'_> {}

impl Drop for Taken<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        self.for_each(drop);
    }
}

impl<const N: usize> Deref for Burst<N> {
    type Target = [Mbuf];

    #[inline(always)]
    fn deref(&self) -> &[Mbuf] {
        // SAFETY: frames are there from `begin` to `end`, within the array; a MaybeUninit lies in memory as its value.
        unsafe { slice::from_raw_parts(self.mbufs.as_ptr().add(self.begin).cast(), self.end - self.begin) }
    }
}

impl<const N: usize> DerefMut for Burst<N> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [Mbuf] {
        let len = self.end - self.begin;
        // SAFETY: as in `deref`.
        unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().add(self.begin).cast(), len) }
    }
}
