//! What a worker must know of a burst's frames before it looks into one, gathered in one go; and the first bytes of the
//! frames, turned from rows into columns in vector registers.

#[cfg(target_arch = "x86_64")]
mod avx2;

use core::arch::asm;
use core::ptr;

use dpdk_sys::{SHIM_MBUF_INDIRECT, SHIM_RX_IP_CKSUM_GOOD, SHIM_RX_IP_CKSUM_MASK, SHIM_RX_VLAN_STRIPPED};
use types::{BURST, Frame, HEAD_LEN, Heads, Lanes};

use crate::burst::Burst;
use crate::mbuf::IpChecksum;
use crate::raw::{self, Raw};

/// What a frame that is too short is read as.
static NOTHING: [u8; HEAD_LEN] = [0; HEAD_LEN];

/// Facts of up to `N` frames. They hold as long as nobody has changed the frames.
#[derive(Debug)]
pub(crate) struct Facts<const N: usize> {
    /// So many frames are known.
    pub(crate) frames: usize,
    /// Where each begins; [`NOTHING`] if it is shorter than that.
    data: [*const u8; N],
    /// Bytes in the first buffer of each.
    lens: [u32; N],
    /// Flags that any of them has, and flags that each of them has.
    flags: (u64, u64),
    /// Whether any is in several buffers.
    chained: bool,
    /// Whether any is shorter than [`HEAD_LEN`].
    short: bool,
    /// Whether all are known to be as long as each other.
    is_alike: bool,
}

impl<const N: usize> Facts<N> {
    /// Of no frame.
    pub(crate) const fn new() -> Self {
        Self {
            frames: 0,
            data: [ptr::null(); N],
            lens: [0; N],
            flags: (0, 0),
            chained: false,
            short: false,
            is_alike: false,
        }
    }

    /// Looks at each of `frames`, at most `N`. Returns whether each has one reference, and a buffer of its own.
    ///
    /// # Safety
    /// The mbufs are valid, and nobody else writes their fields.
    #[inline(always)]
    pub(crate) unsafe fn gather(&mut self, frames: &[Raw]) -> bool {
        #[cfg(target_arch = "x86_64")]
        if frames.len() >= avx2::STEP && frames.len() <= N && is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, as was just asked; the rest as the caller promises.
            return unsafe { avx2::gather(self, frames) };
        }
        // SAFETY: as the caller promises.
        unsafe { self.gather_each(frames) }
    }

    /// [`gather`](Self::gather), of mbufs that may differ.
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn gather_each(&mut self, frames: &[Raw]) -> bool {
        let (mut any, mut all, mut unlike, mut short) = (0, u64::MAX, 0, false);
        for ((mbuf, data), bytes) in frames.iter().zip(&mut self.data).zip(&mut self.lens) {
            // SAFETY: valid, as the caller promises; DPDK keeps `data_off` within the buffer.
            let (flags, rearmed, len, begin) = unsafe {
                let rearmed = raw::rearmed(*mbuf);
                let begin = raw::buf_addr(*mbuf).add(raw::rearmed_data_off(rearmed).into());
                (raw::ol_flags(*mbuf), rearmed, raw::data_len(*mbuf), begin)
            };
            (any, all, unlike) = (any | flags, all & flags, unlike | (rearmed ^ raw::SOLE));
            let is_short = usize::from(len) < HEAD_LEN;
            short |= is_short;
            *bytes = len.into();
            *data = if is_short { NOTHING.as_ptr() } else { begin.cast_const() };
            // SAFETY: no instruction. It keeps the loop as it is: words picked from here and there into vector
            // registers take longer than one by one.
            unsafe { asm!("", options(nomem, nostack, preserves_flags)) };
        }
        (self.frames, self.flags, self.short) = (frames.len().min(N), (any, all), short);
        (self.chained, self.is_alike) = (unlike & raw::SEGMENTS != 0, false);
        (unlike & raw::REFERENCES == 0) & (any & SHIM_MBUF_INDIRECT == 0)
    }

    /// Bytes in the first buffer of each of the first [`BURST`] frames, if it is the same of all and not less than
    /// [`HEAD_LEN`].
    #[inline(always)]
    fn common_len(&self) -> Option<u32> {
        let lens = &self.lens[..self.frames.min(BURST)];
        let (first, others) = lens.split_first()?;
        let is_common = self.is_alike || others.iter().fold(0, |any, len| any | (len ^ first)) == 0;
        (is_common && !self.short).then_some(*first)
    }

    /// Bits of the first [`BURST`] frames as [`Heads`] has them, where all are alike: odd, checked.
    #[inline(always)]
    fn bits(&self) -> Option<(u32, u32)> {
        let (any, all) = self.flags;
        if self.chained || any & SHIM_RX_VLAN_STRIPPED != 0 {
            return None;
        }
        match any & SHIM_RX_IP_CKSUM_MASK {
            0 => Some((0, 0)),
            SHIM_RX_IP_CKSUM_GOOD if all & SHIM_RX_IP_CKSUM_GOOD != 0 => Some((0, u32::MAX)),
            _ => None,
        }
    }
}

/// Reads the heads of the first [`BURST`] frames.
#[inline(always)]
pub(crate) fn read<const N: usize>(burst: &mut Burst<N>, heads: &mut Heads) {
    let facts = burst.facts();
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") && N <= BURST {
        let bits = facts.bits();
        heads.lens.0[..N].copy_from_slice(&facts.lens);
        // SAFETY: the processor has AVX2, as was just asked; the frames are there and nobody writes them.
        unsafe { avx2::read(&facts.data[..facts.frames], heads) };
        match bits {
            Some(bits) => (heads.odd, heads.checked) = bits,
            None => read_bits(burst, heads),
        }
        return;
    }
    heads.read(burst);
}

/// Reads as [`FrameBurst::read_alike`](types::FrameBurst::read_alike) says.
#[inline(always)]
pub(crate) fn read_alike<const N: usize>(burst: &mut Burst<N>, heads: &mut Heads) -> bool {
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        let facts = burst.facts();
        let frames = facts.frames.min(BURST);
        let (Some((0, checked)), Some(len)) = (facts.bits(), facts.common_len()) else { return false };
        (heads.odd, heads.checked, heads.lens.0[0]) = (0, checked, len);
        // SAFETY: the processor has AVX2, as was just asked; none of the frames is shorter than a head, and nobody writes them.
        return unsafe { avx2::read_alike(&facts.data[..frames], heads) };
    }
    heads.read_alike(burst)
}

/// Writes as [`FrameBurst::write_heads`](types::FrameBurst::write_heads) says.
#[inline(always)]
pub(crate) fn write<const N: usize>(burst: &mut Burst<N>, which: u32, source: [u8; 8], hops: &Lanes) {
    let facts = burst.facts();
    let count = facts.frames.min(N).min(BURST);
    let source = u64::from_ne_bytes(source);
    let write = |data: *const u8, hop: u32| {
        let data = data.cast_mut();
        // SAFETY: the frame is ours alone, begins there, and has so many bytes: see below.
        unsafe {
            data.add(6).cast::<u64>().write_unaligned(source);
            data.add(22).cast::<u32>().write_unaligned(hop.to_le());
        }
    };
    let heads = || facts.data[..count].iter().zip(&hops.0);
    // Mostly all of them.
    if u64::from(which) == (1 << count) - 1 && !facts.short {
        let (steps, rest) = facts.data[..count].as_chunks::<8>();
        for (data, hops) in steps.iter().zip(hops.0.as_chunks::<8>().0) {
            data.iter().zip(hops).for_each(|(data, hop)| write(*data, *hop));
        }
        heads().skip(count - rest.len()).for_each(|(data, hop)| write(*data, *hop));
        return;
    }
    for (i, (data, hop)) in heads().enumerate() {
        if which >> i & 1 != 0 && facts.lens[i] as usize >= HEAD_LEN {
            write(*data, *hop);
        }
    }
}

/// Writes as [`Frame::write_head`] says, the first 32 bytes in two stores of 16. Who reads 16 at a
/// time behind that, as drivers that copy frames do, is served from the processor's store buffer, and need not wait until
/// what was stored in pieces is in the cache: behind a store to a ring that another core polls that takes 100 ns and more.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(crate) fn write_whole(head: &mut [u8; HEAD_LEN], source: [u8; 8], hop: u32) {
    use core::arch::x86_64::{
        __m128i, _mm_and_si128, _mm_cvtsi32_si128, _mm_cvtsi64_si128, _mm_loadu_si128, _mm_or_si128,
        _mm_set_epi64x, _mm_slli_si128, _mm_storeu_si128,
    };
    let at: *mut __m128i = head.as_mut_ptr().cast();
    // SAFETY: `head` has two times 16 bytes, and two more; SSE2 is part of x86-64.
    unsafe {
        // What stays: bytes 0 to 5, 14 and 15; then 16 to 21, and 26 to 31.
        let keep = _mm_set_epi64x(0xffff_0000_0000_0000_u64.cast_signed(), 0x0000_ffff_ffff_ffff);
        let source = _mm_slli_si128::<6>(_mm_cvtsi64_si128(i64::from_le_bytes(source)));
        _mm_storeu_si128(at, _mm_or_si128(_mm_and_si128(_mm_loadu_si128(at), keep), source));
        let keep = _mm_set_epi64x(0xffff_ffff_ffff_0000_u64.cast_signed(), 0x0000_ffff_ffff_ffff);
        let hop = _mm_slli_si128::<6>(_mm_cvtsi32_si128(hop.cast_signed()));
        let at = at.add(1);
        _mm_storeu_si128(at, _mm_or_si128(_mm_and_si128(_mm_loadu_si128(at), keep), hop));
    }
}

/// What the drivers say of each frame, where they do not say the same of all.
#[cold]
fn read_bits<const N: usize>(burst: &Burst<N>, heads: &mut Heads) {
    (heads.odd, heads.checked) = (0, 0);
    for (i, frame) in burst.iter().take(BURST).enumerate() {
        let checksum = frame.ip_checksum();
        let odd = frame.is_chained() || frame.stripped_tag().is_some() || checksum == IpChecksum::Bad;
        heads.odd |= u32::from(odd) << i;
        heads.checked |= u32::from(checksum == IpChecksum::Good) << i;
    }
}
