//! Frames in plain buffers that several can hold, and what sends them: [`PortsEgress`](crate::PortsEgress) without DPDK,
//! for tests and benches.
//!
//! Buffers come from a pool and go back to it, so that nothing is allocated once it is there, and a test can look whether
//! all came back.

use core::cell::RefCell;
use core::fmt;
use core::marker::PhantomData;
use core::num::NonZeroU16;
use std::rc::{Rc, Weak};

use arrayvec::ArrayVec;
use types::{Checksum, Copied, Frame, FramePool, FrameRun, MacAddr, QueueBatch, TxResult};

/// Where a frame's source MAC is.
const SOURCE: core::ops::Range<usize> = 6..12;

type Shelf = RefCell<Vec<Rc<Buffer>>>;

struct Buffer {
    bytes: Vec<u8>,
    home: Weak<Shelf>,
}

/// Buffers for frames. Clones are the same pool; a frame that outlives it is freed.
#[derive(Clone)]
pub struct PlainPool {
    free: Rc<Shelf>,
    /// Bytes of each.
    room: usize,
}

impl PlainPool {
    /// So many buffers, each with room for so many bytes.
    pub fn new(buffers: usize, room: usize) -> Self {
        let free = Rc::new(RefCell::new(Vec::with_capacity(buffers)));
        let buffer = || Rc::new(Buffer { bytes: Vec::with_capacity(room), home: Rc::downgrade(&free) });
        free.borrow_mut().extend((0..buffers).map(|_| buffer()));
        Self { free, room }
    }

    /// Buffers that nobody has.
    pub fn available(&self) -> usize {
        self.free.borrow().len()
    }
}

impl FramePool for PlainPool {
    type Frame = PlainFrame;

    fn frame_of(&self, bytes: &[u8]) -> Option<PlainFrame> {
        if bytes.len() > self.room {
            return None;
        }
        let mut frame = PlainFrame(SharedFrame(Some(self.free.borrow_mut().pop()?)));
        let buffer = frame.buffer();
        buffer.clear();
        buffer.extend_from_slice(bytes);
        Some(frame)
    }
}

/// A frame of a [`PlainPool`] that only its holder sees.
#[derive(Debug)]
pub struct PlainFrame(SharedFrame);

impl PlainFrame {
    fn buffer(&mut self) -> &mut Vec<u8> {
        let buffer = self.0.0.as_mut().and_then(Rc::get_mut);
        &mut buffer.expect("nobody else has it").bytes
    }
}

impl Frame for PlainFrame {
    #[inline]
    fn bytes(&self) -> &[u8] {
        self.0.bytes()
    }

    #[inline]
    fn bytes_mut(&mut self) -> &mut [u8] {
        self.buffer()
    }

    fn truncate(&mut self, len: usize) {
        self.buffer().truncate(len);
    }

    #[inline]
    fn is_chained(&self) -> bool {
        false
    }

    #[inline]
    fn stripped_tag(&self) -> Option<u16> {
        None
    }

    #[inline]
    fn ip_checksum(&self) -> Checksum {
        Checksum::Unknown
    }
}

/// A frame that others may have, too. The last of them gives the buffer back.
#[derive(Clone)]
pub struct SharedFrame(Option<Rc<Buffer>>);

impl SharedFrame {
    /// The frame from the destination MAC on.
    #[inline]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_ref().map_or(&[], |buffer| &buffer.bytes)
    }

    fn is_shared(&self) -> bool {
        self.0.as_ref().is_some_and(|buffer| Rc::strong_count(buffer) > 1)
    }

    /// Without effect on a frame that is shared, or too short to have a source.
    fn set_source(&mut self, source: MacAddr) {
        let buffer = self.0.as_mut().and_then(Rc::get_mut);
        if let Some(place) = buffer.and_then(|buffer| buffer.bytes.get_mut(SOURCE)) {
            place.copy_from_slice(&source.octets());
        }
    }
}

impl Drop for SharedFrame {
    #[inline]
    fn drop(&mut self) {
        let last = self.0.take_if(|buffer| Rc::strong_count(buffer) == 1);
        if let Some((buffer, home)) = last.and_then(|buffer| buffer.home.upgrade().map(|home| (buffer, home)))
        {
            home.borrow_mut().push(buffer);
        }
    }
}

impl fmt::Debug for SharedFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedFrame").field(&self.bytes()).finish()
    }
}

/// A port's way out.
pub trait PlainQueue {
    /// Takes frames, the first ones, and says how many. Clones of them are for keeping.
    fn take(&mut self, frames: &[SharedFrame]) -> usize;
}

fn send(frames: &[SharedFrame], queue: &mut impl PlainQueue) -> TxResult {
    let sent = queue.take(frames).min(frames.len());
    TxResult { sent: sent as u16, refused: (frames.len() - sent) as u16 }
}

/// Frames for one queue, at most `N`.
#[derive(Debug)]
pub struct PlainBatch<Q, const N: usize = 64> {
    frames: ArrayVec<SharedFrame, N>,
    queue: PhantomData<Q>,
}

impl<Q, const N: usize> Default for PlainBatch<Q, N> {
    fn default() -> Self {
        Self { frames: ArrayVec::new(), queue: PhantomData }
    }
}

impl<Q: PlainQueue, const N: usize> QueueBatch for PlainBatch<Q, N> {
    type Frame = PlainFrame;
    type Queue = Q;

    #[inline]
    fn len(&self) -> usize {
        self.frames.len()
    }

    fn push(&mut self, frame: PlainFrame) {
        drop(self.frames.try_push(frame.0));
    }

    #[inline]
    fn send(&mut self, queue: &mut Q) -> TxResult {
        let result = send(&self.frames, queue);
        self.frames.clear();
        result
    }
}

/// Frames for several queues, at most `N`.
#[derive(Debug)]
pub struct PlainRun<Q, const N: usize = 64> {
    frames: ArrayVec<SharedFrame, N>,
    queues: NonZeroU16,
    /// Queues that had their turn.
    served: u16,
    queue: PhantomData<Q>,
}

impl<Q, const N: usize> PlainRun<Q, N> {
    #[inline]
    fn serve(&mut self) {
        self.served += 1;
        if self.served == self.queues.get() {
            self.frames.clear();
            self.served = 0;
        }
    }
}

impl<Q, const N: usize> Default for PlainRun<Q, N> {
    fn default() -> Self {
        Self { frames: ArrayVec::new(), queues: NonZeroU16::MIN, served: 0, queue: PhantomData }
    }
}

impl<Q: PlainQueue, const N: usize> FrameRun for PlainRun<Q, N> {
    type Frame = PlainFrame;
    type Queue = Q;
    type Batch = PlainBatch<Q, N>;
    type Pool = PlainPool;
    const ROOM: usize = N;

    #[inline]
    fn len(&self) -> usize {
        self.frames.len()
    }

    #[inline]
    fn reset(&mut self, queues: NonZeroU16) {
        self.frames.clear();
        (self.queues, self.served) = (queues, 0);
    }

    #[inline]
    fn extend(&mut self, mut frames: impl Iterator<Item = PlainFrame>) {
        let room = if self.served == 0 { self.frames.remaining_capacity() } else { 0 };
        self.frames.extend(frames.by_ref().take(room).map(|frame| frame.0));
        frames.for_each(drop);
    }

    #[inline]
    fn send(&mut self, queue: &mut Q) -> TxResult {
        if self.frames.is_empty() {
            return TxResult::default();
        }
        let result = send(&self.frames, queue);
        self.serve();
        result
    }

    #[inline]
    fn collect(&mut self, batch: &mut PlainBatch<Q, N>) {
        for frame in self.frames.iter().take(batch.frames.remaining_capacity()) {
            batch.frames.push(frame.clone());
        }
        self.serve();
    }

    fn set_source(&mut self, source: MacAddr) -> bool {
        if self.frames.iter().any(SharedFrame::is_shared) {
            return false;
        }
        self.frames.iter_mut().for_each(|frame| frame.set_source(source));
        true
    }

    fn copy_into(&self, pool: &PlainPool, source: MacAddr, batch: &mut PlainBatch<Q, N>) -> Copied {
        let mut copied = Copied::default();
        for frame in self.frames.iter().take(batch.frames.remaining_capacity()) {
            let Some(mut copy) = pool.frame_of(frame.bytes()) else {
                if frame.bytes().len() <= pool.room {
                    break;
                }
                copied.unfit += 1;
                continue;
            };
            copy.0.set_source(source);
            copied.frames += 1;
            copied.bytes += copy.bytes().len() as u64;
            batch.frames.push(copy.0);
        }
        copied
    }
}
