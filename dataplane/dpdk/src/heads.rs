//! The first bytes of a burst's frames, turned from rows into columns in vector registers.

use types::{BURST, Frame, HEAD_LEN, Heads};

use crate::mbuf::{IpChecksum, Mbuf};

/// Reads the heads of the first [`BURST`] of `frames`.
#[inline(always)]
pub(crate) fn read(frames: &[Mbuf], heads: &mut Heads) {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2, as was just asked.
        unsafe { avx2::read(frames, heads) };
        return;
    }
    heads.read(frames);
}

/// What the drivers say of each frame, where they do not say the same of all.
#[cold]
fn read_bits(frames: &[Mbuf], heads: &mut Heads) {
    (heads.odd, heads.checked) = (0, 0);
    for (i, frame) in frames.iter().take(BURST).enumerate() {
        let checksum = frame.ip_checksum();
        let odd = frame.is_chained() || frame.stripped_tag().is_some() || checksum == IpChecksum::Bad;
        heads.odd |= u32::from(odd) << i;
        heads.checked |= u32::from(checksum == IpChecksum::Good) << i;
    }
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::x86_64::{
        __m256i, _mm256_loadu_si256, _mm256_permute2x128_si256, _mm256_store_si256, _mm256_unpackhi_epi32,
        _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64,
    };
    use core::ptr::NonNull;

    use dpdk_sys::{SHIM_RX_IP_CKSUM_GOOD, SHIM_RX_IP_CKSUM_MASK, SHIM_RX_VLAN_STRIPPED};

    use super::{BURST, HEAD_LEN, Heads, Mbuf, read_bits};
    use crate::raw;

    /// Frames, and words of each, that are turned in one go: words of a register.
    const STEP: usize = 8;
    /// What a frame that is too short is read as.
    static NOTHING: [u8; HEAD_LEN] = [0; HEAD_LEN];

    #[target_feature(enable = "avx2")]
    pub(super) fn read(frames: &[Mbuf], heads: &mut Heads) {
        let count = frames.len().min(BURST);
        let mut data = [NOTHING.as_ptr(); BURST];
        let (mut any, mut all, mut chained) = (0, u64::MAX, 0);
        for ((mbuf, data), bytes) in frames.iter().zip(&mut data).zip(&mut heads.lens.0) {
            let raw: NonNull<_> = mbuf.as_raw();
            // SAFETY: the mbuf is valid while it is borrowed.
            let (len, flags, segments, begin) =
                unsafe { (raw::data_len(raw), raw::ol_flags(raw), raw::nb_segs(raw), raw::data(raw)) };
            *bytes = u32::from(len);
            *data = if usize::from(len) < HEAD_LEN { NOTHING.as_ptr() } else { begin.cast_const() };
            any |= flags;
            all &= flags;
            chained |= segments ^ 1;
        }
        for step in 0..count.div_ceil(STEP) {
            // SAFETY: each pointer is to HEAD_LEN bytes at least, which nobody writes while the frames are borrowed;
            // `step` is within BURST / STEP.
            unsafe { turn(&data, step * STEP, heads) };
        }
        if chained == 0 && any & (SHIM_RX_VLAN_STRIPPED | SHIM_RX_IP_CKSUM_MASK) == 0 {
            (heads.odd, heads.checked) = (0, 0);
        } else if chained == 0
            && any & (SHIM_RX_VLAN_STRIPPED | SHIM_RX_IP_CKSUM_MASK) == SHIM_RX_IP_CKSUM_GOOD
            && all & SHIM_RX_IP_CKSUM_GOOD != 0
        {
            (heads.odd, heads.checked) = (0, u32::MAX);
        } else {
            read_bits(frames, heads);
        }
    }

    /// Reads [`STEP`] heads into the lanes from `at` on.
    ///
    /// # Safety
    /// Each pointer is to [`HEAD_LEN`] bytes that can be read; `at` is a multiple of [`STEP`], and below [`BURST`].
    #[target_feature(enable = "avx2")]
    #[inline]
    unsafe fn turn(data: &[*const u8; BURST], at: usize, heads: &mut Heads) {
        let data: [*const u8; STEP] = core::array::from_fn(|i| data[at + i]);
        // SAFETY: the caller's pointers have HEAD_LEN bytes, 32 and two more.
        let rows: [__m256i; STEP] = data.map(|head| unsafe { _mm256_loadu_si256(head.cast()) });
        for (lane, head) in heads.last.0[at..at + STEP].iter_mut().zip(data) {
            // SAFETY: as above.
            *lane = u32::from_le(unsafe { head.add(HEAD_LEN - 4).cast::<u32>().read_unaligned() });
        }
        let columns = transpose(rows);
        for (lanes, column) in heads.words.iter_mut().zip(columns) {
            // SAFETY: the lanes are aligned to more than a register, `at` to a register, and STEP of them are there.
            unsafe { _mm256_store_si256(lanes.0[at..at + STEP].as_mut_ptr().cast(), column) };
        }
    }

    /// Rows of eight words to columns: pairs of words, pairs of pairs, halves.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn transpose([a, b, c, d, e, f, g, h]: [__m256i; STEP]) -> [__m256i; STEP] {
        let four = |a, b, c, d| {
            let (ab, cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
            let (ab_high, cd_high) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
            [
                _mm256_unpacklo_epi64(ab, cd),
                _mm256_unpackhi_epi64(ab, cd),
                _mm256_unpacklo_epi64(ab_high, cd_high),
                _mm256_unpackhi_epi64(ab_high, cd_high),
            ]
        };
        let (first, second) = (four(a, b, c, d), four(e, f, g, h));
        let low = |i: usize| _mm256_permute2x128_si256::<0x20>(first[i], second[i]);
        let high = |i: usize| _mm256_permute2x128_si256::<0x31>(first[i], second[i]);
        [low(0), low(1), low(2), low(3), high(0), high(1), high(2), high(3)]
    }
}
