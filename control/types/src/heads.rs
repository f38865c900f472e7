//! The first bytes of a burst's frames, by column: what is to be looked at in all of them lies side by side.

use crate::{Checksum, Frame};

/// The most frames in one burst.
pub const BURST: usize = 32;
/// Bytes of an Ethernet header and of an IPv4 header without options.
pub const HEAD_LEN: usize = 34;

/// One word of each frame, and room behind them: who compares neighbours reads one more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(align(32))]
pub struct Lanes(pub [u32; BURST + 8]);

impl Lanes {
    /// All zero.
    pub const ZERO: Self = Self([0; BURST + 8]);
}

/// The first [`HEAD_LEN`] bytes of up to [`BURST`] frames, as little-endian words, and what else must be known to
/// judge a frame. Lanes at and after the number of frames hold anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heads {
    /// Bytes 0 to 31: word `w` of frame `i` is `words[w].0[i]`.
    pub words: [Lanes; 8],
    /// Bytes 30 to 33.
    pub last: Lanes,
    /// Bytes in each frame's first buffer. Words of a frame shorter than [`HEAD_LEN`] are zero.
    pub lens: Lanes,
    /// A bit for each frame that is in several buffers, whose tag was taken out, or whose checksum was found bad.
    pub odd: u32,
    /// A bit for each frame whose IPv4 header checksum was found good.
    pub checked: u32,
}

impl Heads {
    /// Of no frame.
    pub const fn new() -> Self {
        Self { words: [Lanes::ZERO; 8], last: Lanes::ZERO, lens: Lanes::ZERO, odd: 0, checked: 0 }
    }

    /// Reads the first [`BURST`] of `frames`.
    pub fn read<F: Frame>(&mut self, frames: &[F]) {
        (self.odd, self.checked) = (0, 0);
        for (i, frame) in frames.iter().take(BURST).enumerate() {
            let tagged_or_chained = frame.is_chained() || frame.stripped_tag().is_some();
            self.put(i, frame.bytes(), frame.ip_checksum(), tagged_or_chained);
        }
    }

    /// Puts one frame into lane `i`, below [`BURST`], whose bits are 0.
    pub fn put(&mut self, i: usize, bytes: &[u8], checksum: Checksum, tagged_or_chained: bool) {
        let head = bytes.first_chunk::<HEAD_LEN>().unwrap_or(&[0; HEAD_LEN]);
        let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        for (w, lanes) in self.words.iter_mut().enumerate() {
            lanes.0[i] = word(4 * w);
        }
        self.last.0[i] = word(HEAD_LEN - 4);
        // No frame comes near 4 GiB; one that did would be too long for every port.
        self.lens.0[i] = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        self.odd |= u32::from(tagged_or_chained | (checksum == Checksum::Bad)) << i;
        self.checked |= u32::from(checksum == Checksum::Good) << i;
    }
}

impl Default for Heads {
    fn default() -> Self {
        Self::new()
    }
}
