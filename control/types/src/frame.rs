//! What code that handles frames needs of whatever holds them: an mbuf, a buffer, a capture's record.

use crate::heads::{BURST, HEAD_LEN, Heads, Lanes};

/// What the receiving side already found out about the IPv4 header checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// Nobody looked: check in software.
    Unknown,
    /// The NIC found it good.
    Good,
    /// The NIC found it bad.
    Bad,
}

/// A received Ethernet frame that only its holder sees.
pub trait Frame {
    /// The frame from the destination MAC on, without FCS. Of a chained frame, the first buffer.
    fn bytes(&self) -> &[u8];
    /// The same, writable.
    fn bytes_mut(&mut self) -> &mut [u8];
    /// Cuts the frame to `len` bytes; `len` is at most the present length.
    fn truncate(&mut self, len: usize);
    /// Writes `source` from byte 6 on, and `hop`, little-endian, from byte 22 on. A frame shorter than [`HEAD_LEN`] stays as
    /// it is.
    #[inline]
    fn write_head(&mut self, source: [u8; 8], hop: u32) {
        if let Some(head) = self.bytes_mut().first_chunk_mut::<HEAD_LEN>() {
            head[6..14].copy_from_slice(&source);
            head[22..26].copy_from_slice(&hop.to_le_bytes());
        }
    }
    /// Whether the frame spans several buffers.
    fn is_chained(&self) -> bool;
    /// The tag control information of an 802.1Q tag that the receiver took out of the frame.
    fn stripped_tag(&self) -> Option<u16>;
    /// The receiver's verdict on the IPv4 header checksum.
    fn ip_checksum(&self) -> Checksum;
}

/// Frames received in one go.
pub trait FrameBurst {
    /// What it holds.
    type Frame: Frame;
    /// The frames, oldest first.
    fn frames(&self) -> &[Self::Frame];
    /// The same, writable.
    fn frames_mut(&mut self) -> &mut [Self::Frame];
    /// Reads the heads of the first [`BURST`] frames into `heads`.
    #[inline]
    fn read_heads(&mut self, heads: &mut Heads) {
        heads.read(self.frames());
    }
    /// Whether the first [`BURST`] frames are alike: all of one length of at least [`HEAD_LEN`], their heads the same but for
    /// [`Varying`](crate::Varying), and nothing odd about any. Then `heads` has that of each, and all of the first frame.
    /// Otherwise, or where it would take too long to tell, `heads` has anything.
    #[inline]
    fn read_alike(&mut self, heads: &mut Heads) -> bool {
        heads.read_alike(self.frames())
    }
    /// Writes into the heads of those of the first [`BURST`] frames whose bit in `which` is set: `source` from byte 6
    /// on, and each frame's lane of `hops`, little-endian, from byte 22 on. Frames shorter than [`HEAD_LEN`] stay as
    /// they are.
    #[inline]
    fn write_heads(&mut self, which: u32, source: [u8; 8], hops: &Lanes) {
        for (i, (frame, hop)) in self.frames_mut().iter_mut().zip(hops.0).take(BURST).enumerate() {
            if which >> i & 1 != 0 {
                frame.write_head(source, hop);
            }
        }
    }
    /// Brings the cache line at `address` nearer, if whoever holds frames knows how. Nothing else happens, whatever the
    /// address.
    #[inline(always)]
    fn prefetch(address: *const u8) {
        let _ = address;
    }
    /// Takes the `count` oldest frames out, oldest first, or all if there are fewer. What the iterator is not asked for
    /// is freed with it.
    fn take(&mut self, count: usize) -> impl ExactSizeIterator<Item = Self::Frame>;
}
