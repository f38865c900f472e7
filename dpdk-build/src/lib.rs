//! Raw bindings to the installed DPDK.
//!
//! Two halves: functions that DPDK exports, bound by bindgen from a short list, and `shim_*`, C functions of our
//! own around its static inlines, one call per burst. Where the fields of an mbuf are comes from the C compiler
//! (`SHIM_MBUF_*`). Only the crate `dpdk` calls this; nothing here is safe.

#![allow(unsafe_code)]

#[allow(
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    unreachable_pub,
    unnecessary_transmutes,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::undocumented_unsafe_blocks
)]
mod bindings {
    use super::{rte_device, rte_mbuf, rte_mempool};

    include!(concat!(env!("OUT_DIR"), "/bindings.rs"));
}

pub use bindings::*;

/// Types that exist only behind a pointer.
macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident,)*) => {$(
        $(#[$doc])*
        #[allow(non_camel_case_types)]
        #[repr(C)]
        pub struct $name {
            _bytes: [u8; 0],
            // Neither Send nor Sync nor Unpin: what C shares is for the wrapper to judge.
            _not_auto: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
        }
    )*};
}

opaque! {
    /// A packet buffer; its fields are at the offsets `SHIM_MBUF_*`.
    rte_mbuf,
    /// A pool of packet buffers.
    rte_mempool,
    /// A device on one of EAL's buses.
    rte_device,
}
