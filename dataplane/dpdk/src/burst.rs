//! An array of frames without the heap: what a queue gave.

use core::mem::MaybeUninit;
use core::ops::{Deref, DerefMut};
use core::{fmt, slice};

use crate::batch::free_bulk;
use crate::heads::Facts;
use crate::mbuf::Mbuf;
use crate::raw::Raw;

/// Frames as they were received, at most `N`. A slice of [`Mbuf`]; what is not taken out is freed on drop.
pub struct Burst<const N: usize = 32> {
    mbufs: [MaybeUninit<Mbuf>; N],
    /// Those from `begin` to `end` are here, and `begin` is at most `end`, which is at most N.
    begin: usize,
    end: usize,
    /// What is known of the frames that are here, if of any.
    facts: Facts<N>,
}

impl<const N: usize> Burst<N> {
    /// No frame.
    pub const fn new() -> Self {
        Self { mbufs: [const { MaybeUninit::uninit() }; N], begin: 0, end: 0, facts: Facts::new() }
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
        self.facts.frames = 0;
        Taken(self.mbufs[taken].iter_mut())
    }

    /// Adds a frame that was made here; gives it back when there is no room.
    #[inline]
    pub fn push(&mut self, mbuf: Mbuf) -> Result<(), Mbuf> {
        self.close_up();
        self.facts.frames = 0;
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
        (self.begin, self.end, self.facts.frames) = (0, 0, 0);
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

    /// Lets `receive` write mbufs behind those that are here and say how many, and `replace` those that are not
    /// [`is_unique`](crate::raw::is_unique).
    ///
    /// # Safety
    /// `receive` gets a pointer and the room there, and returns how many mbufs it wrote and hands over. `replace` gets
    /// those, and leaves as many as it returns, not more, that are unique.
    #[inline(always)]
    pub(crate) unsafe fn fill(
        &mut self,
        receive: impl FnOnce(*mut *mut dpdk_sys::rte_mbuf, u16) -> u16,
        replace: impl FnOnce(*mut *mut dpdk_sys::rte_mbuf, u16) -> u16,
    ) -> usize {
        self.close_up();
        let (before, room) = (self.end, (N - self.end).min(u16::MAX as usize) as u16);
        // SAFETY: an Mbuf is a transparent non-null pointer; from `end` to `N` is room in the array.
        let begin = unsafe { self.mbufs.as_mut_ptr().add(before) };
        let mut got = receive(begin.cast(), room);
        if got == 0 {
            return 0;
        }
        // SAFETY: so many were handed over, and nobody else has the array.
        let new = unsafe { slice::from_raw_parts(begin.cast::<Raw>(), got.into()) };
        // SAFETY: what was handed over is valid. It was just written by the driver, so looking at it costs no miss.
        if !unsafe { self.facts.gather(new) } {
            got = replace(begin.cast(), got);
            self.facts.frames = 0;
        }
        if before != 0 {
            self.facts.frames = 0;
        }
        self.end += usize::from(got);
        got.into()
    }

    /// What is to be known of all frames that are here.
    #[inline(always)]
    pub(crate) fn facts(&mut self) -> &mut Facts<N> {
        let len = self.end - self.begin;
        if self.facts.frames != len {
            self.gather();
        }
        &mut self.facts
    }

    #[cold]
    fn gather(&mut self) {
        let len = self.end - self.begin;
        // SAFETY: frames are there from `begin` to `end`, within the array, and an Mbuf is a transparent pointer to a
        // valid mbuf.
        unsafe {
            let frames = slice::from_raw_parts(self.mbufs.as_ptr().add(self.begin).cast::<Raw>(), len);
            self.facts.gather(frames);
        }
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
        // Who has them may change them, or put others in their place.
        self.facts.frames = 0;
        let len = self.end - self.begin;
        // SAFETY: as in `deref`.
        unsafe { slice::from_raw_parts_mut(self.mbufs.as_mut_ptr().add(self.begin).cast(), len) }
    }
}
