//! Facts and heads by vector registers: eight frames in a go.

use core::arch::x86_64::{
    __m128i, __m256i, _mm_loadu_si128, _mm256_castsi128_si256, _mm256_inserti128_si256, _mm256_lddqu_si256,
    _mm256_loadu_si256, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_setzero_si256, _mm256_store_si256,
    _mm256_testz_si256, _mm256_unpackhi_epi32, _mm256_unpackhi_epi64, _mm256_unpacklo_epi32,
    _mm256_unpacklo_epi64, _mm256_xor_si256,
};

use types::{BURST, HEAD_LEN, Heads, Lanes, Varying};

use super::{Facts, NOTHING};
use crate::raw::{self, Raw};

/// Frames, and words of each, that are turned in one go: words of a register.
pub(super) const STEP: usize = 8;

/// A bit for each of the first 32 bytes that is part of [`Varying::macs`].
const MACS: u32 = 0b11_1100;
/// The same of what else may vary.
const OTHERS: u32 = 0b11 << 18 | 0b11 << 24 | 0b11 << 30;

/// A register with those bytes set whose bit is.
#[target_feature(enable = "avx2")]
#[inline]
fn bytes_of(bits: u32) -> __m256i {
    let bytes: [u8; 32] = core::array::from_fn(|i| if bits >> i & 1 != 0 { 0xff } else { 0 });
    // SAFETY: so many bytes are there.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// [`Facts::gather`] of at least one frame and at most N: quicker where the mbufs are alike, as a driver's mostly are.
///
/// # Safety
/// As there.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn gather<const N: usize>(facts: &mut Facts<N>, frames: &[Raw]) -> bool {
    let Some((&one, _)) = frames.split_first() else { return true };
    // SAFETY: the mbufs are valid, as the caller promises; DPDK keeps `data_off` within the buffer.
    unsafe {
        let (rearmed, flags, len) = (raw::rearmed(one), raw::ol_flags(one), raw::data_len(one));
        let (offset, first) = (usize::from(raw::rearmed_data_off(rearmed)), raw::described(one));
        let mut any = _mm256_setzero_si256();
        let mut look = |(mbuf, data): (&Raw, &mut *const u8)| {
            any = _mm256_or_si256(any, _mm256_xor_si256(first, raw::described(*mbuf)));
            // Of one that turns out to differ it may be no address.
            *data = raw::buf_addr(*mbuf).wrapping_add(offset).cast_const();
        };
        // Eight in a go: a loop's own instructions would be a third of all.
        let ((steps, rest), (places, _)) = (frames.as_chunks::<STEP>(), facts.data.as_chunks_mut::<STEP>());
        for (frames, data) in steps.iter().zip(places) {
            frames.iter().zip(data).for_each(&mut look);
        }
        rest.iter().zip(&mut facts.data[frames.len() - rest.len()..]).for_each(look);
        let differs =
            |what: &[u64; 4]| _mm256_testz_si256(any, _mm256_loadu_si256(what.as_ptr().cast())) == 0;
        let mut shortest = len;
        facts.is_alike = !differs(&raw::LENGTH);
        if facts.is_alike {
            facts.lens[..frames.len()].fill(len.into());
        } else {
            for (mbuf, bytes) in frames.iter().zip(&mut facts.lens) {
                let len = raw::data_len(*mbuf);
                shortest = shortest.min(len);
                *bytes = len.into();
            }
        }
        if differs(&raw::STATE) || usize::from(shortest) < HEAD_LEN {
            return facts.gather_each(frames);
        }
        (facts.frames, facts.flags) = (frames.len(), (flags, flags));
        let unlike = rearmed ^ raw::SOLE;
        (facts.chained, facts.short) = (unlike & raw::SEGMENTS != 0, false);
        (unlike & raw::REFERENCES == 0) & (flags & dpdk_sys::SHIM_MBUF_INDIRECT == 0)
    }
}

/// Reads as [`FrameBurst::read_alike`](types::FrameBurst::read_alike) says: words, and what varies.
///
/// # Safety
/// Each pointer is to [`HEAD_LEN`] bytes that nobody writes meanwhile.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn read_alike(frames: &[*const u8], heads: &mut Heads) -> bool {
    let (steps, rest) = frames.as_chunks::<STEP>();
    let Some(&[one, ..]) = steps.first().filter(|_| rest.is_empty()) else { return false };
    // SAFETY: the caller's pointers have HEAD_LEN bytes, and no step is beyond BURST.
    unsafe {
        let first = whole(one);
        let mut any = _mm256_setzero_si256();
        let Varying { macs, ids, hops, groups } = &mut heads.varying;
        for (step, data) in steps.iter().take(BURST / STEP).enumerate() {
            for head in data {
                any = _mm256_or_si256(any, _mm256_xor_si256(first, whole(*head)));
            }
            let [id, hop, _, group] = columns(data, HEAD_LEN - 16);
            put(ids, step, id);
            put(hops, step, hop);
            put(groups, step, group);
        }
        let is_same = |bytes: u32| _mm256_testz_si256(any, bytes_of(bytes)) != 0;
        // Mostly the same, too.
        if is_same(MACS) {
            macs.0[..BURST].fill(u32::from_le(one.add(2).cast::<u32>().read_unaligned()));
        } else {
            for (step, data) in steps.iter().take(BURST / STEP).enumerate() {
                let [mac, ..] = columns(data, 2);
                put(macs, step, mac);
            }
        }
        for (w, lanes) in heads.words.iter_mut().enumerate() {
            lanes.0[0] = u32::from_le(one.add(4 * w).cast::<u32>().read_unaligned());
        }
        heads.last.0[0] = heads.varying.groups.0[0];
        is_same(!(MACS | OTHERS))
    }
}

/// The first 32 bytes of a head. Not by `_mm256_loadu_si256`, which the compiler makes two loads of for processors that are
/// not these.
///
/// # Safety
/// So many bytes can be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn whole(head: *const u8) -> __m256i {
    // SAFETY: as the caller promises.
    unsafe { _mm256_lddqu_si256(head.cast()) }
}

/// Four words of each head from byte `from` on, by column.
///
/// # Safety
/// Each pointer is to 16 bytes from there on that can be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn columns(data: &[*const u8; STEP], from: usize) -> [__m256i; 4] {
    // SAFETY: as the caller promises.
    let half = |i: usize| unsafe { _mm_loadu_si128(data[i].add(from).cast::<__m128i>()) };
    let pair = |i| _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(half(i)), half(i + STEP / 2));
    four([0, 1, 2, 3].map(pair))
}

/// Rows of four words to columns, in each half of the registers: pairs of words, pairs of pairs.
#[target_feature(enable = "avx2")]
#[inline]
fn four([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
    let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(ab, cd),
        _mm256_unpackhi_epi64(ab, cd),
        _mm256_unpacklo_epi64(ab_high, cd_high),
        _mm256_unpackhi_epi64(ab_high, cd_high),
    ]
}

/// Writes the lanes of a step, which is below BURST / STEP.
#[target_feature(enable = "avx2")]
#[inline]
fn put(lanes: &mut Lanes, step: usize, column: __m256i) {
    let lanes = &mut lanes.0[step * STEP..(step + 1) * STEP];
    // SAFETY: so many lanes are there, aligned as a register is.
    unsafe { _mm256_store_si256(lanes.as_mut_ptr().cast(), column) };
}

/// Reads all words of all heads.
///
/// # Safety
/// Each pointer is to [`HEAD_LEN`] bytes that nobody writes meanwhile.
#[target_feature(enable = "avx2")]
pub(super) unsafe fn read(frames: &[*const u8], heads: &mut Heads) {
    for (step, frames) in frames.chunks(STEP).take(BURST / STEP).enumerate() {
        let data = core::array::from_fn(|i| frames.get(i).copied().unwrap_or(NOTHING.as_ptr()));
        // SAFETY: as the caller promises; `step` is within BURST / STEP.
        unsafe { turn(data, step * STEP, heads) };
    }
}

/// Reads [`STEP`] heads into the lanes from `at` on.
///
/// # Safety
/// Each pointer is to [`HEAD_LEN`] bytes that can be read; `at` is a multiple of [`STEP`], and below [`BURST`].
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn turn(data: [*const u8; STEP], at: usize, heads: &mut Heads) {
    // SAFETY: the caller's pointers have HEAD_LEN bytes, 32 and two more.
    let rows: [__m256i; STEP] = data.map(|head| unsafe { whole(head) });
    for (lane, head) in heads.last.0[at..at + STEP].iter_mut().zip(data) {
        // SAFETY: as above.
        *lane = u32::from_le(unsafe { head.add(HEAD_LEN - 4).cast::<u32>().read_unaligned() });
    }
    let columns = transpose(rows);
    for (lanes, column) in heads.words.iter_mut().zip(columns) {
        // SAFETY: the lanes are aligned as a register is, and `at` too, and STEP of them are there.
        unsafe { _mm256_store_si256(lanes.0[at..at + STEP].as_mut_ptr().cast(), column) };
    }
}

/// Rows of eight words to columns.
#[target_feature(enable = "avx2")]
#[inline]
fn transpose([a, b, c, d, e, f, g, h]: [__m256i; STEP]) -> [__m256i; STEP] {
    let (first, second) = (four([a, b, c, d]), four([e, f, g, h]));
    let low = |i: usize| _mm256_permute2x128_si256::<0x20>(first[i], second[i]);
    let high = |i: usize| _mm256_permute2x128_si256::<0x31>(first[i], second[i]);
    [low(0), low(1), low(2), low(3), high(0), high(1), high(2), high(3)]
}
