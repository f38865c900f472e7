//! Bounded rings that carry frames as bytes between a worker and the control thread.
//!
//! Buffers are allocated once and circulate: a full queue one way, a queue of empty ones back. Neither
//! side allocates, frees or waits, and no mbuf ever reaches the control thread.

use core::sync::atomic::{Ordering, fence};
use std::sync::Arc;

use crossbeam::queue::ArrayQueue;
use types::{PortIndex, Time};

/// The longest frame a ring carries, in bytes.
pub const RING_FRAME_MAX: usize = 2048;

struct Slot {
    at: Time,
    port: PortIndex,
    len: usize,
    bytes: [u8; RING_FRAME_MAX],
}

struct Ring {
    full: ArrayQueue<Box<Slot>>,
    empty: ArrayQueue<Box<Slot>>,
}

/// Why a frame did not enter a ring.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendRefused {
    /// The receiver is behind by the ring's capacity.
    Full,
    /// Longer than [`RING_FRAME_MAX`].
    TooLong,
}

/// The end that frames are put into.
pub struct FrameSender(Arc<Ring>);

/// The end that frames come out of.
pub struct FrameReceiver(Arc<Ring>);

/// A ring of `capacity` frames (at least 1).
pub fn frame_ring(capacity: usize) -> (FrameSender, FrameReceiver) {
    let capacity = capacity.max(1);
    let ring = Ring { full: ArrayQueue::new(capacity), empty: ArrayQueue::new(capacity) };
    for _ in 0..capacity {
        let slot = Slot { at: Time::ZERO, port: PortIndex::default(), len: 0, bytes: [0; RING_FRAME_MAX] };
        // Cannot fail: the queue holds exactly `capacity`.
        let _ = ring.empty.push(Box::new(slot));
    }
    let ring = Arc::new(ring);
    (FrameSender(Arc::clone(&ring)), FrameReceiver(ring))
}

impl FrameSender {
    /// Copies `frame`, of `port`, into the ring. Wait-free apart from the queue's own retries.
    #[inline]
    pub fn send(&mut self, port: PortIndex, frame: &[u8]) -> Result<(), SendRefused> {
        self.send_timed(Time::ZERO, port, frame)
    }

    /// The same with the time at which it came, for [`FrameReceiver::recv_timed`].
    #[inline]
    pub fn send_timed(&mut self, at: Time, port: PortIndex, frame: &[u8]) -> Result<(), SendRefused> {
        if frame.len() > RING_FRAME_MAX {
            return Err(SendRefused::TooLong);
        }
        let mut slot = self.0.empty.pop().ok_or(SendRefused::Full)?;
        slot.at = at;
        slot.port = port;
        slot.len = frame.len();
        slot.bytes[..frame.len()].copy_from_slice(frame);
        // As many slots as places: there is always room.
        self.0.full.push(slot).map_err(|_| SendRefused::Full)
    }
}

impl FrameSender {
    /// Whether the next frame will be taken.
    #[inline]
    pub fn has_room(&self) -> bool {
        !self.0.empty.is_empty()
    }

    /// Whether more than half of the ring is free.
    pub(crate) fn is_half_free(&self) -> bool {
        self.0.empty.len() * 2 > self.0.empty.capacity()
    }
}

impl FrameReceiver {
    /// Takes the oldest frame and hands it, with its port, to `take`; `None` when there is none.
    #[inline]
    pub fn recv<R>(&mut self, take: impl FnOnce(PortIndex, &[u8]) -> R) -> Option<R> {
        self.recv_timed(|_, port, frame| take(port, frame))
    }

    /// The same with the time at which it came, [`Time::ZERO`] where the sender told none.
    #[inline]
    pub fn recv_timed<R>(&mut self, take: impl FnOnce(Time, PortIndex, &[u8]) -> R) -> Option<R> {
        // Mostly there is none. To find that out by taking one costs a fence, which waits until every store before it is seen:
        // on a worker those to a ring that another core polls take longer than an idle pass.
        if self.0.full.is_empty() {
            return None;
        }
        let slot = self.0.full.pop()?;
        let result = take(slot.at, slot.port, &slot.bytes[..slot.len]);
        let _ = self.0.empty.push(slot);
        Some(result)
    }

    /// Whether the sender is gone: what waits now is the last.
    pub fn has_ended(&self) -> bool {
        let has_ended = Arc::strong_count(&self.0) == 1;
        // The count is read relaxed; the sender's last frame was in before it let go.
        fence(Ordering::Acquire);
        has_ended
    }

    /// Whether nothing waits.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.full.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_refuses_beyond_capacity() {
        let (mut tx, mut rx) = frame_ring(2);
        let port = PortIndex::new(5).unwrap();
        for round in 0..10u8 {
            assert_eq!(tx.send(port, &[round]), Ok(()));
            assert_eq!(tx.send(port, &[round, 1]), Ok(()));
            assert_eq!(tx.send(port, &[9]), Err(SendRefused::Full));
            assert_eq!(rx.recv(|p, b| (p, b.to_vec())), Some((port, vec![round])));
            assert_eq!(rx.recv(|_, b| b.len()), Some(2));
            assert_eq!(rx.recv(|_, _| ()), None);
        }
        assert_eq!(tx.send(port, &[0; RING_FRAME_MAX + 1]), Err(SendRefused::TooLong));
        assert!(rx.is_empty());
    }

    #[test]
    fn a_ring_has_ended_when_its_sender_is_gone_and_still_gives_what_it_holds() {
        let (mut tx, mut rx) = frame_ring(2);
        tx.send(PortIndex::default(), &[7]).unwrap();
        assert!(!rx.has_ended());
        drop(tx);
        assert!(rx.has_ended());
        assert_eq!(rx.recv(|_, b| b.to_vec()), Some(vec![7]));
        assert!(rx.is_empty());
    }

    #[test]
    fn loses_and_repeats_nothing_between_threads() {
        const COUNT: u32 = 20_000;
        let (mut tx, mut rx) = frame_ring(8);
        let port = PortIndex::new(0).unwrap();
        let sender = std::thread::spawn(move || {
            for i in 0..COUNT {
                while tx.send(port, &i.to_be_bytes()).is_err() {
                    std::thread::yield_now();
                }
            }
        });
        let mut next = 0;
        while next < COUNT {
            match rx.recv(|_, b| u32::from_be_bytes(b.try_into().unwrap())) {
                Some(got) => {
                    assert_eq!(got, next);
                    next += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        sender.join().unwrap();
    }
}
