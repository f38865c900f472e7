//! The fields of an mbuf, at the offsets that the C compiler gave.

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use dpdk_sys::rte_mbuf;

/// Whether this DPDK counts references atomically. Without, every reference to an mbuf must be held by one thread:
/// one worker only.
pub const REFCNT_IS_ATOMIC: bool = dpdk_sys::SHIM_REFCNT_ATOMIC != 0;

/// The release of this DPDK: year and month, as (22, 11).
pub const RELEASE: (u32, u32) = (dpdk_sys::SHIM_RELEASE_YEAR, dpdk_sys::SHIM_RELEASE_MONTH);

/// Whether this DPDK's net_af_xdp is the one that `build-dpdk.sh` mends: it holds no worker up behind a slow peer, and
/// closed it gives back all that it had, so that its port can be opened again.
pub const AF_XDP_IS_MENDED: bool = dpdk_sys::SHIM_AF_XDP_MENDED != 0;

/// A pointer to a valid mbuf: what each method's safety rests on. Whoever makes one holds a reference.
pub(crate) type Raw = NonNull<rte_mbuf>;

/// Pointer to a field, for reads or writes of a `T`.
///
/// # Safety
/// `mbuf` is valid and has a `T` at `offset`.
#[inline(always)]
unsafe fn field<T>(mbuf: Raw, offset: u32) -> *mut T {
    // SAFETY: the field is inside the mbuf, as the caller promises.
    unsafe { mbuf.as_ptr().byte_add(offset as usize).cast() }
}

macro_rules! getters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $offset:ident,)*) => {$(
        $(#[$doc])*
        ///
        /// # Safety
        /// `mbuf` is valid, and no other thread writes the field.
        #[inline(always)]
        pub(crate) unsafe fn $name(mbuf: Raw) -> $type {
            // SAFETY: the offset is C's for a field that C asserts to be this wide; valid as the caller promises.
            unsafe { field::<$type>(mbuf, dpdk_sys::$offset).read() }
        }
    )*};
}

getters! {
    /// Bytes in the first segment.
    data_len: u16 = SHIM_MBUF_DATA_LEN,
    /// Bytes in all segments.
    pkt_len: u32 = SHIM_MBUF_PKT_LEN,
    /// Segments of the frame.
    nb_segs: u16 = SHIM_MBUF_NB_SEGS,
    /// The port that received it.
    port: u16 = SHIM_MBUF_PORT,
    /// What the driver found out, and what the buffer is.
    ol_flags: u64 = SHIM_MBUF_OL_FLAGS,
    /// Bytes of the buffer, headroom included.
    buf_len: u16 = SHIM_MBUF_BUF_LEN,
    /// Where in the buffer the data begins.
    data_off: u16 = SHIM_MBUF_DATA_OFF,
    /// The tag that the driver took out of the frame, if [`ol_flags`] says that it did.
    vlan_tci: u16 = SHIM_MBUF_VLAN_TCI,
    /// The buffer.
    buf_addr: *mut u8 = SHIM_MBUF_BUF_ADDR,
}

/// The first byte of the frame.
///
/// # Safety
/// `mbuf` is valid, and no other thread writes its fields.
#[inline(always)]
pub(crate) unsafe fn data(mbuf: Raw) -> *mut u8 {
    // SAFETY: DPDK keeps `data_off` within the buffer.
    unsafe { buf_addr(mbuf).add(data_off(mbuf) as usize) }
}

/// Sets the length of a frame of one segment.
///
/// # Safety
/// The caller holds the only reference, and `len` bytes from [`data`] on are in the buffer.
#[inline(always)]
pub(crate) unsafe fn set_len(mbuf: Raw, len: u16) {
    // SAFETY: both fields are as wide as C asserts, and nobody else looks at them.
    unsafe {
        field::<u16>(mbuf, dpdk_sys::SHIM_MBUF_DATA_LEN).write(len);
        field::<u32>(mbuf, dpdk_sys::SHIM_MBUF_PKT_LEN).write(u32::from(len));
    }
}

/// The reference count.
///
/// # Safety
/// `mbuf` is valid for `'a`.
#[inline(always)]
pub(crate) unsafe fn refcnt<'a>(mbuf: Raw) -> &'a AtomicU16 {
    // SAFETY: the field is an aligned u16, and all who write it while several hold references do so atomically.
    // Without REFCNT_IS_ATOMIC they do not, and are one thread.
    unsafe { AtomicU16::from_ptr(field(mbuf, dpdk_sys::SHIM_MBUF_REFCNT)) }
}

/// [`data_off`], [`refcnt`] and [`nb_segs`] in one word: drivers write it in one go, and the shim asserts its parts' places.
///
/// # Safety
/// `mbuf` is valid.
#[inline(always)]
pub(crate) unsafe fn rearmed(mbuf: Raw) -> u64 {
    // SAFETY: eight aligned bytes of the mbuf. Others may count references down, hence an atomic load.
    unsafe { AtomicU64::from_ptr(field(mbuf, dpdk_sys::SHIM_MBUF_DATA_OFF)) }.load(Ordering::Acquire)
}

/// [`rearmed`] of a frame in one buffer with one reference, but for its [`data_off`].
pub(crate) const SOLE: u64 = {
    let [a, b] = 1u16.to_ne_bytes();
    u64::from_ne_bytes([0, 0, a, b, a, b, 0, 0])
};
/// Where [`rearmed`] has the count of references.
pub(crate) const REFERENCES: u64 = u64::from_ne_bytes([0, 0, 0xff, 0xff, 0, 0, 0, 0]);
/// Where it has that of buffers.
pub(crate) const SEGMENTS: u64 = u64::from_ne_bytes([0, 0, 0, 0, 0xff, 0xff, 0, 0]);

/// Where it has [`data_off`].
#[inline(always)]
pub(crate) const fn rearmed_data_off(rearmed: u64) -> u16 {
    let [a, b, ..] = rearmed.to_ne_bytes();
    u16::from_ne_bytes([a, b])
}

/// 32 bytes of the mbuf from [`rearmed`] on, behind which are flags and lengths.
///
/// # Safety
/// `mbuf` is valid; the processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline]
pub(crate) unsafe fn described(mbuf: Raw) -> core::arch::x86_64::__m256i {
    let described;
    // SAFETY: the bytes are the mbuf's. Others may count references down meanwhile, so this is no access of Rust's; on this
    // architecture each aligned word of it is read as by `rearmed`.
    unsafe {
        core::arch::asm!(
            "vmovdqu {}, ymmword ptr [{} + {}]",
            out(ymm_reg) described,
            in(reg) mbuf.as_ptr(),
            const dpdk_sys::SHIM_MBUF_DATA_OFF,
            options(nostack, readonly, preserves_flags)
        );
    }
    described
}

/// What of [`described`] must be the same for mbufs to be looked at as one: [`rearmed`] but for the port, and the flags that
/// anybody asks for.
#[cfg(target_arch = "x86_64")]
pub(crate) const STATE: [u64; 4] = {
    use dpdk_sys::{
        SHIM_MBUF_DATA_OFF, SHIM_MBUF_INDIRECT, SHIM_MBUF_OL_FLAGS, SHIM_RX_IP_CKSUM_MASK,
        SHIM_RX_VLAN_STRIPPED,
    };
    assert!(SHIM_MBUF_OL_FLAGS == SHIM_MBUF_DATA_OFF + 8);
    let flags = SHIM_MBUF_INDIRECT | SHIM_RX_IP_CKSUM_MASK | SHIM_RX_VLAN_STRIPPED;
    [0x0000_ffff_ffff_ffff, flags, 0, 0]
};

/// Where [`described`] has [`data_len`].
#[cfg(target_arch = "x86_64")]
pub(crate) const LENGTH: [u64; 4] = {
    assert!(dpdk_sys::SHIM_MBUF_DATA_LEN == dpdk_sys::SHIM_MBUF_DATA_OFF + 24);
    [0, 0, 0, 0xffff]
};

/// Turns the only reference into `n` of them. No atomic read-modify-write: nobody else can see the count.
///
/// # Safety
/// The caller holds the only reference, and takes responsibility for `n`, at least 1.
#[inline(always)]
pub(crate) unsafe fn share(mbuf: Raw, n: u16) {
    // SAFETY: the mbuf is valid while the caller holds it.
    unsafe { refcnt(mbuf) }.store(n, Ordering::Relaxed);
}

/// Counts `n` references down at once. Whether they were the last; then one is the caller's again, as [`free`] wants it.
///
/// # Safety
/// The caller holds `n` references and, unless told that they were the last, forgets them.
#[inline]
pub(crate) unsafe fn release(mbuf: Raw, n: u16) -> bool {
    // SAFETY: the mbuf is valid while the caller holds it, and is looked at no more once others may have freed it.
    let count = unsafe { refcnt(mbuf) };
    // Nobody else's: no atomic read-modify-write. Acquire: what former holders did with the frame is done.
    let last = count.load(Ordering::Acquire) == n
        || if REFCNT_IS_ATOMIC {
            count.fetch_sub(n, Ordering::AcqRel) == n
        } else {
            count.store(count.load(Ordering::Relaxed) - n, Ordering::Relaxed);
            false
        };
    if last {
        count.store(1, Ordering::Relaxed);
    }
    last
}

/// Whether the caller's reference is the only one and the buffer is the mbuf's own, as for all that drivers receive
/// except those that hand sent buffers back.
///
/// # Safety
/// `mbuf` is valid, and no other thread writes its fields.
#[inline]
pub(crate) unsafe fn is_unique(mbuf: Raw) -> bool {
    // SAFETY: as the caller promises. Acquire: what former holders read was read before we write.
    unsafe { refcnt(mbuf).load(Ordering::Acquire) == 1 && ol_flags(mbuf) & dpdk_sys::SHIM_MBUF_INDIRECT == 0 }
}

/// Gives one reference back.
///
/// # Safety
/// The caller holds a reference and forgets it.
#[inline(always)]
pub(crate) unsafe fn free(mbuf: Raw) {
    // SAFETY: as the caller promises.
    unsafe { dpdk_sys::shim_mbuf_free(mbuf.as_ptr()) };
}

/// Brings the cache line at `address` towards the cache.
#[inline(always)]
pub(crate) fn prefetch(address: *const u8) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a prefetch has no effect but on the cache, whatever the address.
    unsafe {
        use core::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(address.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
