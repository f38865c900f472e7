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

/// Where the heads of frames that are alike may differ, a word of each frame, little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Varying {
    /// Bytes 2 to 5, the destination MAC's end.
    pub macs: Lanes,
    /// Bytes 18 to 21: the identification, and what must be the same.
    pub ids: Lanes,
    /// Bytes 22 to 25: what must be the same, and the checksum.
    pub hops: Lanes,
    /// Bytes 30 to 33.
    pub groups: Lanes,
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
    /// Of frames that are alike, as [`FrameBurst::read_alike`](crate::FrameBurst::read_alike) leaves it.
    pub varying: Varying,
}

impl Heads {
    /// Of no frame.
    pub const fn new() -> Self {
        let (lanes, varying) = (Lanes::ZERO, Varying::NOTHING);
        Self { words: [lanes; 8], last: lanes, lens: lanes, odd: 0, checked: 0, varying }
    }

    /// Reads the first [`BURST`] of `frames`.
    pub fn read<F: Frame>(&mut self, frames: &[F]) {
        (self.odd, self.checked) = (0, 0);
        for (i, frame) in frames.iter().take(BURST).enumerate() {
            let tagged_or_chained = frame.is_chained() || frame.stripped_tag().is_some();
            self.put(i, frame.bytes(), frame.ip_checksum(), tagged_or_chained);
        }
    }

    /// As [`FrameBurst::read_alike`](crate::FrameBurst::read_alike) says.
    pub fn read_alike<F: Frame>(&mut self, frames: &[F]) -> bool {
        self.read(frames.get(..1).unwrap_or_default());
        let first = self.words.each_ref().map(|word| word.0[0]);
        let len = self.lens.0[0] as usize;
        if len < HEAD_LEN {
            return false;
        }
        let (mut any, mut odd) = (0, self.odd != 0);
        for (i, frame) in frames.iter().take(BURST).enumerate() {
            let bytes = frame.bytes();
            let Some(head) = bytes.first_chunk::<HEAD_LEN>().filter(|_| bytes.len() == len) else {
                return false;
            };
            odd |=
                frame.is_chained() || frame.stripped_tag().is_some() || frame.ip_checksum() == Checksum::Bad;
            let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
            let differs = |w: usize| word(4 * w) ^ first[w];
            let low = differs(0) | differs(4) | differs(7);
            let high = differs(1) | differs(6);
            any |= low & 0xffff | high >> 16 | differs(2) | differs(3) | differs(5);
            let Varying { macs, ids, hops, groups } = &mut self.varying;
            (macs.0[i], ids.0[i], hops.0[i], groups.0[i]) = (word(2), word(18), word(22), word(30));
        }
        any == 0 && !odd
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

impl Varying {
    /// Of no frame.
    const NOTHING: Self =
        Self { macs: Lanes::ZERO, ids: Lanes::ZERO, hops: Lanes::ZERO, groups: Lanes::ZERO };
}

impl Default for Heads {
    fn default() -> Self {
        Self::new()
    }
}
